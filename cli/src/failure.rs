//! What can make a command fail.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::traffic::{Malformed, TrafficError};

/// Why a command failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] cotas::Error),
    /// The traffic cannot be read.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// A line of the traffic cannot be decided about.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A webhook's body is not JSON.
    #[error(transparent)]
    NotJson(#[from] cotas::whatsapp::NotJson),
    /// The file is of no form that can be read.
    #[error("{error}")]
    NoTraffic {
        /// Why.
        error: TrafficError,
        /// How the file begins, and what can be read.
        details: Vec<String>,
    },
    /// Nothing of the traffic was understood.
    #[error("none of the file's {lines} lines holds an event that is known")]
    NothingUnderstood {
        /// How many lines there are.
        lines: u64,
        /// Why, how the file begins, and what can be read.
        details: Vec<String>,
    },
    /// A tenant that the traffic names cannot be created.
    #[error("tenant {name:?} cannot be created: {source}")]
    Newcomer {
        /// The tenant.
        name: String,
        /// What is wrong with what it was to get.
        source: cotas::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// More intervals than a chart has capacity for.
    #[error(
        "a chart has capacity for {most} {interval}s, not for {asked}; choose a longer --by, or \
             --since and --until"
    )]
    ChartTooLong {
        /// What a bar sums up.
        interval: &'static str,
        /// How many were asked for.
        asked: usize,
        /// How many there may be.
        most: usize,
    },
    /// The chart cannot be drawn.
    #[error("cannot draw the chart: {0}")]
    Drawing(String),
    /// Only loading a catalog makes a database.
    #[error("there is no database at {}; `cotas catalog load` makes one", .0.display())]
    NoDatabase(PathBuf),
    /// The database has no catalog yet.
    #[error("the database has no catalog; load one with `cotas catalog load`")]
    NoCatalog,
    /// A catalog would take something from tenants.
    #[error(
        "losses found: {0}; say what is only called otherwise (renamed_from), or load the catalog \
         with --confirm"
    )]
    Losses(usize),
    /// A webhook came with another token than the one that is set.
    #[error("the token is not that of {0}: nothing was read")]
    WrongToken(&'static str),
    /// The database cannot be served.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Serve(#[from] cotas_server::ServeError),
    /// No access token has this number, or it opens nothing any more.
    #[error("no token {0} is in force; `cotas token list` lists them")]
    NoToken(i64),
    /// The records do not balance.
    #[error("faults found: {0}")]
    Faults(usize),
    /// Something must be put right.
    #[error("errors found: {0}")]
    Unsound(usize),
    /// Standard output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// The reader of standard output has closed it.
    #[error("the output was closed")]
    ClosedPipe,
}

impl Failure {
    /// What the program ends with: 2 where what it was given is not what it takes.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::NothingUnderstood { .. } | Failure::NoTraffic { .. } => 2,
            _ => 1,
        }
    }

    /// Further lines about it.
    pub fn details(&self) -> &[String] {
        match self {
            Failure::NothingUnderstood { details, .. } | Failure::NoTraffic { details, .. } => {
                details
            }
            _ => &[],
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Output(error),
        }
    }
}
