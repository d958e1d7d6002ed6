//! `cotas backup`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use cotas::SystemClock;
use serde_json::json;

use crate::database::Database;
use crate::failure::Failure;
use crate::output::Output;

/// Copies the database, while others go on using it.
#[derive(Args)]
pub struct Backup {
    /// The copy, which must not exist yet
    target: PathBuf,
}

impl Backup {
    /// Makes the copy.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        database.open(Arc::new(SystemClock))?.backup(&self.target)?;
        let target = self.target.display();
        output.print(&format!("wrote {target}"), &json!({ "backup": target.to_string() }))
    }
}
