//! What can make a command fail.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::traffic::{Malformed, TrafficError};

/// What was given does not fit what there is, or faults were found.
const INPUT: u8 = 1;
/// The command line is wrong, or nothing of a file was understood.
const USAGE: u8 = 2;
/// The decision was a denial.
const DENIED: u8 = 3;
/// Another process is in the way; the same command may succeed later.
const BUSY: u8 = 4;
/// The disk, the machine or this program failed.
const INTERNAL: u8 = 5;

/// Codes of errors that pass by themselves.
const BUSY_CODES: [i32; 5] = [111, 118, 202, 500, 504];

fn of_error(error: &cotas::Error) -> u8 {
    match error.code() {
        code if BUSY_CODES.contains(&code) => BUSY,
        // Families of errors: docs/errors.md. What is no database, or none of this version, was
        // given; the disk and the live file were not.
        105 | 106 | 200..=299 | 501..=599 => INTERNAL,
        _ => INPUT,
    }
}

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
    /// There is no chart of it.
    #[error("{0}; choose a longer --by, or --since and --until")]
    Chart(#[from] cotas_chart::ChartError),
    /// Only loading a catalog makes a database.
    #[error("there is no database at {}; `cotas catalog load` makes one", .0.display())]
    NoDatabase(PathBuf),
    /// The database has no catalog yet.
    #[error("the database has no catalog; load one with `cotas catalog load`")]
    NoCatalog,
    /// A decision was a denial, which is printed as the answer that it is.
    #[error("denied")]
    Denied,
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
    /// No webhook has this number.
    #[error("there is no webhook {0}; `cotas webhook list` lists them")]
    NoWebhook(i64),
    /// Lines of a file of tenants are wrong.
    #[error("problems found: {0}; nothing was imported")]
    NotImported(usize),
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
    /// What the program ends with: docs/errors.md.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::NothingUnderstood { .. } | Failure::NoTraffic { .. } => USAGE,
            Failure::Denied => DENIED,
            Failure::Engine(error) | Failure::Newcomer { source: error, .. } => of_error(error),
            Failure::Chart(cotas_chart::ChartError::Drawing(_)) | Failure::Output(_) => INTERNAL,
            _ => INPUT,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_of_failures_ends_with_its_own_code() {
        let of = |error: cotas::Error| Failure::Engine(error).exit_code();
        assert_eq!(of(cotas::Error::AlreadyRefunded), 1);
        assert_eq!(Failure::NoCatalog.exit_code(), 1);
        assert_eq!(Failure::NothingUnderstood { lines: 1, details: Vec::new() }.exit_code(), 2);
        assert_eq!(Failure::Denied.exit_code(), 3);
        assert_eq!(of(cotas::Error::Busy { what: "the tenant" }), 4);
        assert_eq!(of(cotas::OpenError::Busy { path: "app.db".into() }.into()), 4);
        assert_eq!(of(cotas::Error::Poisoned("damaged")), 5);
        assert_eq!(of(cotas::StoreError::Poisoned.into()), 5);
        assert_eq!(Failure::Output(io::Error::other("full")).exit_code(), 5);
    }
}
