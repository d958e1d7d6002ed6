//! `cotas reserve`, `reserve-action`, `commit`, `release`, `sent` and `report-delivery`: units that
//! are set aside, and sends that may yet fail.

use std::time::Duration;

use clap::Args;
use cotas::{Delivery, DeliveryOutcome, Details, Error, ReservationId};
use serde_json::json;

use super::decisions::{About, Once, show};
use crate::codes::OneOf;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::Output;
use crate::values::{self, Units};

/// Sets units aside: of sessions for a campaign, from which its sends draw.
#[derive(Args)]
pub struct Reserve {
    /// The tenant
    tenant: String,
    /// What is set aside; may be repeated
    #[arg(required = true, value_name = "RESOURCE=N", value_parser = values::units)]
    units: Vec<Units>,
    /// For how long: 90s, 5m, 24h, 30d; five minutes if not said, a day for sessions
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    ttl: Option<Duration>,
    #[command(flatten)]
    once: Once,
}

/// Sets aside what an action charges: a send stays open until its outcome is reported.
#[derive(Args)]
pub struct ReserveAction {
    /// The tenant
    tenant: String,
    /// The action, as the catalog names it
    action: String,
    #[command(flatten)]
    about: About,
    /// The id of the message, where the channel has given one
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    message: String,
    /// The reservation of sessions that the send draws from
    #[arg(long, value_name = "RESERVATION")]
    campaign: Option<String>,
    /// For how long: 90s, 5m, 24h, 30d; 30 days for a send, if not said
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    ttl: Option<Duration>,
    #[command(flatten)]
    once: Once,
}

/// Uses what a reservation holds.
#[derive(Args)]
pub struct Commit {
    #[command(flatten)]
    which: Which,
    /// Only so much of it; the rest goes back
    #[arg(long = "only", value_name = "RESOURCE=N", value_parser = values::units)]
    only: Vec<Units>,
}

/// Gives back what a reservation holds.
#[derive(Args)]
pub struct Release {
    #[command(flatten)]
    which: Which,
}

/// Gives a reserved send the id of its message.
#[derive(Args)]
pub struct Sent {
    #[command(flatten)]
    which: Which,
    /// The id that the channel gave
    message: String,
}

/// Reports what became of a message.
#[derive(Args)]
pub struct ReportDelivery {
    /// The tenant
    tenant: String,
    /// The id of the message
    message: String,
    /// What the channel reports
    #[arg(value_parser = report())]
    report: Delivery,
    #[command(flatten)]
    at: At,
}

fn report() -> OneOf<Delivery> {
    OneOf::new("report", Delivery::ALL.map(|it| (it.code(), it)))
}

/// One reservation.
#[derive(Args)]
struct Which {
    /// The tenant
    tenant: String,
    /// The reservation
    reservation: String,
    #[command(flatten)]
    at: At,
}

impl Reserve {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let (engine, tenant) = self.once.open(database, &self.tenant)?;
        let units: Vec<_> = self.units.iter().map(Units::pair).collect();
        let ttl = self.ttl.map_or_else(|| tenant.ttl_of_units(&units), Ok)?;
        let decision = match &self.once.key {
            None => tenant.reserve(&units, ttl)?,
            Some(key) => tenant.once(key).reserve(&units, ttl)?,
        };
        show(&engine, &decision, output)
    }
}

impl ReserveAction {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let (engine, tenant) = self.once.open(database, &self.tenant)?;
        let campaign = self.campaign.as_deref().map(|text| id("campaign", text)).transpose()?;
        let details = Details { message: &self.message, campaign, ..self.about.details() };
        let ttl = self.ttl.map_or_else(|| tenant.ttl_of_action(&self.action), Ok)?;
        let decision = match &self.once.key {
            None => tenant.reserve_action(&self.action, &details, ttl)?,
            Some(key) => tenant.once(key).reserve_action(&self.action, &details, ttl)?,
        };
        show(&engine, &decision, output)
    }
}

impl Commit {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let tenant = database.open(self.which.at.clock())?.tenant(&self.which.tenant)?;
        let id = id("reservation id", &self.which.reservation)?;
        let only: Vec<_> = self.only.iter().map(Units::pair).collect();
        match only.as_slice() {
            [] => tenant.commit(&id)?,
            only => tenant.commit_part(&id, only)?,
        }
        output.print("committed", &json!({ "committed": true }))
    }
}

impl Release {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let tenant = database.open(self.which.at.clock())?.tenant(&self.which.tenant)?;
        tenant.release(&id("reservation id", &self.which.reservation)?)?;
        output.print("released", &json!({ "released": true }))
    }
}

impl Sent {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let tenant = database.open(self.which.at.clock())?.tenant(&self.which.tenant)?;
        tenant.sent(&id("reservation id", &self.which.reservation)?, &self.message)?;
        output.print("the send has its message", &json!({ "sent": true }))
    }
}

impl ReportDelivery {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let tenant = database.open(self.at.clock())?.tenant(&self.tenant)?;
        let outcome = tenant.report_delivery(&self.message, self.report)?;
        let text = match outcome {
            DeliveryOutcome::Committed => "committed: the send is paid for good",
            DeliveryOutcome::Released => "released: what the send charged is given back",
            DeliveryOutcome::Unchanged => "unchanged: that was known, or says nothing of it",
            DeliveryOutcome::Unknown => "unknown: no send is known by this message",
        };
        output.print(text, &json!({ "outcome": outcome.code() }))
    }
}

/// Reads the id of a reservation.
fn id(what: &'static str, text: &str) -> Result<ReservationId, Error> {
    text.parse().map_err(|_| {
        let why = format!("{text:?} is no id that reserve or reserve-action has printed");
        Error::InvalidArgument { what, why }
    })
}
