//! `cotas audit`: what was changed manually, when, and how.

use clap::Args;
use cotas::AuditEntry;
use serde_json::{Value, json};

use crate::codes::whole;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, right, table, words};

/// The latest administrative changes.
#[derive(Args)]
pub struct Audit {
    /// Only this tenant's
    tenant: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole(0..=u32::MAX))]
    max: u32,
    #[command(flatten)]
    at: At,
}

impl Audit {
    /// Lists them, the latest first.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let entries = engine.audit_trail(self.tenant.as_deref(), self.max)?;
        let mut header = vec![right("entry")];
        header.extend(["at", "tenant", "what", "how", "by"].map(words));
        let row = |it: &AuditEntry| {
            let tenant = it.tenant.as_deref().unwrap_or_default();
            let actor = it.actor.as_deref().unwrap_or_default();
            let mut row = vec![right(it.id), words(it.at), words(tenant)];
            row.extend([it.what.as_str(), &it.detail, actor].map(words));
            row
        };
        let text = if entries.is_empty() {
            "nothing was changed".to_owned()
        } else {
            table(header, entries.iter().map(row))
        };
        output.print(&text, &entries.iter().map(entry_json).collect())
    }
}

fn entry_json(it: &AuditEntry) -> Value {
    json!({
        "id": it.id,
        "at": it.at.to_string(),
        "tenant": it.tenant,
        "what": it.what,
        "detail": it.detail,
        "actor": it.actor,
    })
}
