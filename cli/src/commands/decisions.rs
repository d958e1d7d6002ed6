//! `cotas consume`, `perform` and `admit`: decisions, made and applied.

use clap::{Args, ValueEnum};
use cotas::{Decision, Details, Direction, Engine, Mode, Reason, Tenant, Timestamp};

use crate::codes::whole;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, grouped};
use crate::values;

/// What an action is about.
#[derive(Args)]
pub struct About {
    /// How many units, where the action charges by quantity
    #[arg(long, value_name = "N", value_parser = whole(0..=u64::MAX))]
    quantity: Option<u64>,
    /// The contact, where the action has a session or a pace
    #[arg(long, default_value = "", hide_default_value = true)]
    contact: String,
    /// Another id of the same contact
    #[arg(long, default_value = "", hide_default_value = true)]
    also: String,
    /// The channel
    #[arg(long, default_value = "", hide_default_value = true)]
    channel: String,
    /// The category of a template, where sessions are counted per category
    #[arg(long, default_value = "", hide_default_value = true)]
    category: String,
    /// Who takes the lease, where the action takes one
    #[arg(long, default_value = "", hide_default_value = true)]
    holder: String,
    /// When the message was sent, if not now
    #[arg(long, value_name = "RFC3339", value_parser = values::instant)]
    sent_at: Option<Timestamp>,
}

impl About {
    /// The same as the engine takes it.
    pub fn details(&self) -> Details<'_> {
        Details {
            quantity: self.quantity,
            contact: &self.contact,
            also: &self.also,
            channel: &self.channel,
            category: &self.category,
            holder: &self.holder,
            at: self.sent_at,
            ..Details::default()
        }
    }
}

/// Uses up units of a resource.
#[derive(Args)]
pub struct Consume {
    /// The tenant
    tenant: String,
    /// The resource
    resource: String,
    /// How many units
    #[arg(value_parser = whole(0..=u64::MAX))]
    units: u64,
    #[command(flatten)]
    once: Once,
}

/// Does an action, if it is allowed.
#[derive(Args)]
pub struct Perform {
    /// The tenant
    tenant: String,
    /// The action, as the catalog names it
    action: String,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    once: Once,
}

/// Admits a message to a contact's session, without an action of the catalog.
#[derive(Args)]
pub struct Admit {
    /// The tenant
    tenant: String,
    /// The session resource
    resource: String,
    /// Which way the message goes
    direction: Way,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    once: Once,
}

/// Which way a message goes.
#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// From the contact
    Inbound,
    /// To the contact
    Outbound,
}

/// That a decision is made once, and when.
#[derive(Args)]
pub struct Once {
    /// Decide once: the same key again gives the same decision and charges nothing
    #[arg(long)]
    pub key: Option<String>,
    #[command(flatten)]
    pub at: At,
}

impl Consume {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let (engine, tenant) = self.once.open(database, &self.tenant)?;
        let decision = match &self.once.key {
            None => tenant.consume(&*self.resource, self.units)?,
            Some(key) => tenant.once(key).consume(&*self.resource, self.units)?,
        };
        show(&engine, &decision, output)
    }
}

impl Perform {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let (engine, tenant) = self.once.open(database, &self.tenant)?;
        let details = self.about.details();
        let decision = match &self.once.key {
            None => tenant.perform(&self.action, &details)?,
            Some(key) => tenant.once(key).perform(&self.action, &details)?,
        };
        show(&engine, &decision, output)
    }
}

impl Admit {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let (engine, tenant) = self.once.open(database, &self.tenant)?;
        let direction = match self.direction {
            Way::Inbound => Direction::Inbound,
            Way::Outbound => Direction::Outbound,
        };
        let details = self.about.details();
        let decision = match &self.once.key {
            None => tenant.admit(&*self.resource, direction, &details)?,
            Some(key) => tenant.once(key).admit(&*self.resource, direction, &details)?,
        };
        show(&engine, &decision, output)
    }
}

impl Once {
    /// The engine, and a tenant of it.
    pub fn open(&self, database: &Database, tenant: &str) -> Result<(Engine, Tenant), Failure> {
        let engine = database.open(self.at.clock())?;
        let tenant = engine.tenant(tenant)?;
        Ok((engine, tenant))
    }
}

/// Prints a decision. A denial is an answer as well, and ends the program with a code of its own.
pub fn show(engine: &Engine, decision: &Decision, output: Output) -> Result<(), Failure> {
    let resource = decision.resource.and_then(|it| engine.resource_name(it));
    let mut lines = vec![match decision.reason().map(Reason::code) {
        None => "allowed".to_owned(),
        Some(reason) => format!("denied: {reason}"),
    }];
    if let Some(resource) = &resource {
        let limit = match decision.mode {
            Mode::Unlimited => "without a limit".to_owned(),
            _ => format!("of {}", grouped(decision.limit().unwrap_or(0))),
        };
        lines.push(format!("{resource}: {} used {limit}", grouped(decision.used)));
    }
    if let Some(session) = decision.session {
        let what = if session.opened { "opened" } else { "continued" };
        lines.push(format!("session {what}, until {}", session.expires_at));
    }
    let more = [
        ("too old: it opens nothing and charges nothing", decision.too_old),
        ("the same decision as before, under this key", decision.replayed),
    ];
    lines.extend(more.iter().filter(|(_, it)| *it).map(|(text, _)| (*text).to_owned()));
    lines.extend(decision.retry_at.map(|at| format!("may succeed at {at}")));
    lines.extend(decision.reservation.map(|id| format!("reservation {id}")));
    lines.extend(decision.receipt.map(|receipt| format!("receipt {receipt}")));

    output.print(&lines.join("\n"), &engine.decision_document(decision))?;
    end_with(decision)
}

/// Scripts go by how the program ends.
pub fn end_with(decision: &Decision) -> Result<(), Failure> {
    if decision.allowed() { Ok(()) } else { Err(Failure::Denied) }
}
