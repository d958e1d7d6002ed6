//! The database that a command works on, and the clock that it works by.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use cotas::{Builder, Clock, Engine, ManualClock, SystemClock, Timestamp};

use crate::failure::Failure;
use crate::values;

/// Where the database and its live file are.
pub struct Database {
    /// The database.
    pub path: PathBuf,
    /// Where the live file lies, if not beside it.
    pub live_directory: Option<PathBuf>,
}

/// The time at which a command takes place.
#[derive(Args)]
pub struct At {
    /// Do it as of this time instead of now
    #[arg(long, value_name = "RFC3339", value_parser = values::instant, global = true)]
    at: Option<Timestamp>,
}

impl At {
    /// A clock that shows it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        match self.at {
            Some(at) => Arc::new(ManualClock::new(at)),
            None => Arc::new(SystemClock),
        }
    }
}

/// When a change is made, and that it is made once.
#[derive(Args)]
pub struct How {
    /// Do it once: the same key again changes nothing
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    at: At,
}

impl How {
    /// The key, for an operation that takes it beside its arguments.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// An engine with that time, without the key.
    pub fn open_alone(&self, database: &Database) -> Result<Engine, Failure> {
        database.open(self.at.clock())
    }

    /// An engine that makes it so.
    pub fn open(&self, database: &Database) -> Result<Engine, Failure> {
        let engine = database.open(self.at.clock())?;
        Ok(self.key.as_deref().map_or_else(|| engine.clone(), |key| engine.once(key)))
    }
}

impl Database {
    /// Opens the database, which must exist: a mistyped path is no new database.
    pub fn open(&self, clock: Arc<dyn Clock>) -> Result<Engine, Failure> {
        if !self.path.exists() {
            return Err(Failure::NoDatabase(self.path.clone()));
        }
        self.open_or_create(clock)
    }

    /// Opens the database, creating it if there is none.
    pub fn open_or_create(&self, clock: Arc<dyn Clock>) -> Result<Engine, Failure> {
        Ok(self.builder().clock(clock).open()?)
    }

    /// Options for opening it.
    pub fn builder(&self) -> Builder {
        let builder = Engine::builder(&self.path);
        match &self.live_directory {
            Some(directory) => builder.live_directory(directory),
            None => builder,
        }
    }
}
