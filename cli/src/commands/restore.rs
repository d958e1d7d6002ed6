//! `cotas restore`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::database::Database;
use crate::failure::Failure;
use crate::output::Output;

/// Puts a backup in the place of the database.
#[derive(Args)]
pub struct Restore {
    /// The backup, or the file of a database that was closed
    backup: PathBuf,
}

impl Restore {
    /// Replaces the database.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        database.builder().restore(&self.backup)?;
        let (path, backup) = (database.path.display(), self.backup.display());
        let json = json!({ "database": path.to_string(), "backup": backup.to_string() });
        output.print(&format!("{path} is {backup} now"), &json)
    }
}
