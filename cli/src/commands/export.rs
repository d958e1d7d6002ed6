//! `cotas export`: what is stored of a tenant, for it to take along.

use std::sync::Arc;

use clap::Args;
use cotas::SystemClock;
use serde_json::{Value, json};

use crate::database::Database;
use crate::failure::Failure;
use crate::output::Output;

/// Everything that is stored of a tenant: one JSON document a line.
#[derive(Args)]
pub struct Export {
    /// The tenant
    #[arg(long, value_name = "NAME")]
    tenant: String,
}

impl Export {
    /// Prints it; `--json` makes one document of the lines.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let lines = database.open(Arc::new(SystemClock))?.export(&self.tenant)?;
        let documents: Vec<Value> =
            lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        output.print(lines.trim_end(), &json!(documents))
    }
}
