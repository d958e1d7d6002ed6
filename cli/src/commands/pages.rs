//! `cotas statement`, `plan-report`, `balances` and `channels`: the pages that tenants are shown.

use clap::Args;
use cotas::{Language, Role};

use crate::codes::OneOf;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::Output;

/// The language of a page.
#[derive(Args)]
pub struct Lang {
    /// The language of the page
    #[arg(long, default_value = "en", env = "COTAS_LANG", value_parser = language())]
    lang: Language,
}

/// What a tenant subscribed to, has left and owes.
#[derive(Args)]
pub struct StatementCommand {
    /// The tenant
    tenant: String,
    #[command(flatten)]
    lang: Lang,
    #[command(flatten)]
    at: At,
}

impl StatementCommand {
    /// Shows the page.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let statement = database.open(self.at.clock())?.statement(&self.tenant)?;
        output.print(&statement.to_page(self.lang.lang), &statement.to_json())
    }
}

/// A tenant's plan, its limits and what is in use.
#[derive(Args)]
pub struct PlanReportCommand {
    /// The tenant
    tenant: String,
    /// Who asks: it is for managers and above
    #[arg(long, default_value = "manager", value_parser = role())]
    role: Role,
    #[command(flatten)]
    lang: Lang,
    #[command(flatten)]
    at: At,
}

impl PlanReportCommand {
    /// Shows the page.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let report = database.open(self.at.clock())?.plan_report(&self.tenant, self.role)?;
        output.print(&report.to_page(self.lang.lang), &report.to_json())
    }
}

/// What a tenant has left of what it uses up.
#[derive(Args)]
pub struct BalancesCommand {
    /// The tenant
    tenant: String,
    #[command(flatten)]
    lang: Lang,
    #[command(flatten)]
    at: At,
}

impl BalancesCommand {
    /// Shows the page.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let balances = database.open(self.at.clock())?.balances(&self.tenant)?;
        output.print(&balances.to_page(self.lang.lang), &balances.to_json())
    }
}

/// The channels of a tenant, and what they cost next.
#[derive(Args)]
pub struct ChannelsCommand {
    /// The tenant
    tenant: String,
    /// The seats that are channels
    resource: String,
    #[command(flatten)]
    lang: Lang,
    #[command(flatten)]
    at: At,
}

impl ChannelsCommand {
    /// Shows the page.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let channels = engine.channels(&self.tenant, &self.resource)?;
        output.print(&channels.to_page(self.lang.lang), &channels.to_json())
    }
}

fn language() -> OneOf<Language> {
    OneOf::new("language", Language::ALL.map(|it| (it.code(), it)))
}

fn role() -> OneOf<Role> {
    OneOf::new("role", Role::ALL.map(|it| (it.code(), it)))
}
