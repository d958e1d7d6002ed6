//! `cotas grant`.

use clap::Args;
use cotas::{NewGrant, Source, Timestamp};
use serde_json::json;

use crate::codes::whole;
use crate::database::{Database, How};
use crate::failure::Failure;
use crate::output::{Output, grouped};
use crate::values;

/// Units on top of a plan's: used after them, and surviving renewal.
#[derive(Args)]
pub struct GrantCommand {
    /// The tenant
    tenant: String,
    /// What it gets
    resource: String,
    /// How many units
    #[arg(value_parser = whole(0..=u64::MAX))]
    units: u64,
    /// Where they come from
    #[arg(long, default_value = "extra", value_parser = values::source())]
    source: Source,
    /// When they begin to count, if not now
    #[arg(long, value_name = "RFC3339", value_parser = values::instant)]
    starts: Option<Timestamp>,
    /// Lower numbers are used first: the plan's units have 0, others 10
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = whole(i64::MIN..=i64::MAX))]
    priority: Option<i64>,
    /// When what is left of them ceases to count
    #[arg(long, value_name = "RFC3339", value_parser = values::instant)]
    expires: Option<Timestamp>,
    #[command(flatten)]
    how: How,
}

impl GrantCommand {
    /// Gives the units.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = self.how.open(database)?;
        let GrantCommand { tenant, resource, units, source, starts, priority, expires, .. } = self;
        let new = NewGrant {
            priority: *priority,
            starts_at: *starts,
            expires_at: *expires,
            ..NewGrant::new(*source, *units)
        };
        engine.grant_as(tenant, resource, &new, None)?;
        let report = engine.report(tenant)?;
        let available =
            report.balances.iter().find(|it| it.resource == *resource).map(|it| it.available);
        let text =
            format!("{tenant}: {} {resource} available", grouped(available.unwrap_or_default()));
        output.print(
            &text,
            &json!({ "tenant": tenant, "resource": resource, "available": available }),
        )
    }
}
