//! `cotas quote`: what an action would cost, told before it is done.

use clap::Args;
use cotas::{CostLine, Details, Reason};
use serde_json::{Value, json};

use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, number, right, table, words};

/// What an action would cost now, and whether it would be allowed.
#[derive(Args)]
pub struct Quote {
    /// The tenant
    tenant: String,
    /// The action, as the catalog names it
    action: String,
    /// How many units, where the action charges by quantity
    #[arg(long, value_name = "N")]
    quantity: Option<u64>,
    /// The contact, where the action has a session or a pace
    #[arg(long, default_value = "", hide_default_value = true)]
    contact: String,
    /// The channel
    #[arg(long, default_value = "", hide_default_value = true)]
    channel: String,
    /// The category of a template, where sessions are counted per category
    #[arg(long, default_value = "", hide_default_value = true)]
    category: String,
    /// Who would take the lease, where the action takes one
    #[arg(long, default_value = "", hide_default_value = true)]
    holder: String,
    #[command(flatten)]
    at: At,
}

impl Quote {
    /// Says what; changes nothing.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let details = Details {
            channel: &self.channel,
            contact: &self.contact,
            category: &self.category,
            quantity: self.quantity,
            holder: &self.holder,
            ..Details::default()
        };
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
