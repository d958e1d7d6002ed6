//! `cotas quote`: what an action would cost, shown before it is done.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use cotas::{CostLine, Reason, Tenant};
use serde_json::{Value, json};

use super::decisions::About;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, grouped, number, right, table, words};

/// What an action would cost now, and whether it would be allowed.
#[derive(Args)]
pub struct QuoteCommand {
    /// The tenant
    tenant: String,
    /// The action, as the catalog names it
    action: String,
    #[command(flatten)]
    about: About,
    /// A file with a contact per line (- is standard input): what a campaign to all would cost
    #[arg(long, value_name = "FILE", conflicts_with = "contact")]
    contacts: Option<PathBuf>,
    #[command(flatten)]
    at: At,
}

impl QuoteCommand {
    /// Says what; changes nothing.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        if let Some(file) = &self.contacts {
            let tenant = engine.tenant(&self.tenant)?;
            return self.campaign(&tenant, file, output);
        }
        let details = self.about.details();
        let quote = engine.tenant(&self.tenant)?.quote(&self.action, &details)?;
        let reason = quote.decision.reason().map(Reason::code);
        let answer = match reason {
            None => format!("{} would be allowed", self.action),
            Some(reason) => format!("{} would be denied, {reason}", self.action),
        };
        let text = if quote.costs.is_empty() {
            format!("{answer}; it costs nothing")
        } else {
            format!("{answer}\n{}", costs_table(&quote.costs))
        };
        let json = json!({
            "action": self.action,
            "tariff": quote.tariff,
            "allowed": quote.decision.allowed(),
            "reason": reason,
            "costs": quote.costs.iter().map(cost_json).collect::<Vec<_>>(),
        });
        output.print(&text, &json)
    }

    /// Says what a send to each of the contacts in a file would cost.
    fn campaign(&self, tenant: &Tenant, file: &Path, output: Output) -> Result<(), Failure> {
        let failed = |source| Failure::File { path: file.to_owned(), source };
        let text = match file.to_str() {
            Some("-") => io::read_to_string(io::stdin()),
            _ => std::fs::read_to_string(file),
        };
        let text = text.map_err(failed)?;
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let contacts: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        let quote = tenant.quote_contacts(&self.action, &contacts, &self.about.details())?;
        let count = |units: Option<u64>| units.map_or_else(|| "unlimited".to_owned(), grouped);
        let mut text = format!(
            "{} contacts: {} would open {}, {} have one open\navailable {}, {} would remain",
            grouped(quote.contacts),
            grouped(quote.opens),
            quote.resource,
            grouped(quote.continues),
            count(quote.available),
            count(quote.remaining),
        );
        if quote.missing > 0 {
            text = format!("{text}\n{} are missing", grouped(quote.missing));
        }
        output.print(&text, &json!(quote))
    }
}

fn costs_table(costs: &[CostLine]) -> String {
    let header = vec![words("balance"), right("cost"), right("available"), right("limit")];
    let finite = |units: Option<u64>| units.map_or_else(|| right("unlimited"), number);
    let row = |it: &CostLine| {
        vec![words(&it.resource), number(it.cost), finite(it.available), finite(it.limit)]
    };
    table(header, costs.iter().map(row))
}

fn cost_json(it: &CostLine) -> Value {
    json!({
        "resource": it.resource,
        "cost": it.cost,
        "used": it.used,
        "available": it.available,
        "limit": it.limit,
    })
}
