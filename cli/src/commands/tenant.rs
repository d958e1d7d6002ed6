//! `cotas tenant`.

use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use cotas::{Engine, Limit, NewTenant, Status, SystemClock, Terms};
use serde_json::json;

use super::tenant_view;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::Output;
use crate::values::{self, PlanChoice, Units};

/// Those who are limited.
#[derive(Subcommand)]
pub enum Tenant {
    /// Create a tenant, with its plan and extras
    Add(Box<Add>),
    /// Show what a tenant has, used and may still use
    Show {
        /// The tenant
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// List the names of all tenants
    List,
    /// Move a tenant to another status
    Status {
        /// The tenant
        name: String,
        /// Its next status
        #[arg(value_parser = values::status())]
        status: Status,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Make a move that is not foreseen; it is audited
        #[arg(long)]
        as_operator: bool,
        #[command(flatten)]
        at: At,
    },
    /// Put a tenant on a plan now: a new period begins, extras stay
    Plan {
        /// The tenant
        name: String,
        /// The plan
        plan: String,
        /// The first due date, usable to its end; its day is the day of all later ones
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = values::date)]
        first_due: NaiveDate,
        /// Restore the plan's units one day after each due date
        #[arg(long)]
        auto_renew: bool,
        #[command(flatten)]
        at: At,
    },
    /// Change the number of a tenant's plan; what is used and extras stay
    Limit {
        /// The tenant
        name: String,
        /// What is limited
        resource: String,
        /// unlimited, disabled or a number of units
        #[arg(value_parser = values::limit)]
        limit: Limit,
        #[command(flatten)]
        at: At,
    },
    /// Believe a clock that is more than 400 days past all that a tenant has seen
    ConfirmClock {
        /// The tenant
        name: String,
        #[command(flatten)]
        at: At,
    },
}

/// A new tenant.
#[derive(Args)]
pub struct Add {
    /// Its name
    name: String,
    #[command(flatten)]
    plan: PlanChoice,
    /// The zone of its days, if not the catalog's
    #[arg(long, value_name = "ZONE", value_parser = values::time_zone)]
    time_zone: Option<Tz>,
    /// Its first status
    #[arg(long, default_value = "active", value_parser = values::status())]
    status: Status,
    /// Units on top of the plan's
    #[arg(long = "extra", value_name = "RESOURCE=N", value_parser = values::units)]
    extras: Vec<Units>,
    #[command(flatten)]
    at: At,
}

impl Tenant {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let (engine, name) = match self {
            Tenant::List => return list(&database.open(Arc::new(SystemClock))?, output),
            Tenant::Add(add) => (add.run(database)?, &add.name),
            Tenant::Show { name, at } => (database.open(at.clock())?, name),
            Tenant::Status { name, status, reason, as_operator, at } => {
                let engine = database.open(at.clock())?;
                engine.set_status(name, *status, reason, *as_operator)?;
                (engine, name)
            }
            Tenant::Plan { name, plan, first_due, auto_renew, at } => {
                let engine = database.open(at.clock())?;
                let terms = Terms { plan, first_due: *first_due, auto_renew: *auto_renew };
                engine.change_plan(name, &terms, None)?;
                (engine, name)
            }
            Tenant::Limit { name, resource, limit, at } => {
                let engine = database.open(at.clock())?;
                engine.set_limit(name, resource, *limit)?;
                (engine, name)
            }
            Tenant::ConfirmClock { name, at } => {
                let engine = database.open(at.clock())?;
                engine.confirm_clock(name)?;
                (engine, name)
            }
        };
        // Whatever was changed, the answer is what the tenant has now.
        let report = engine.report(name)?;
        output.print(&tenant_view::text(&report), &json!(report))
    }
}

impl Add {
    fn run(&self, database: &Database) -> Result<Engine, Failure> {
        let engine = database.open(self.at.clock())?;
        engine.create_tenant(&NewTenant {
            status: self.status,
            time_zone: self.time_zone,
            plan: self.plan.terms(),
            extras: &Units::extras(&self.extras),
            ..NewTenant::new(&self.name)
        })?;
        Ok(engine)
    }
}

fn list(engine: &Engine, output: Output) -> Result<(), Failure> {
    let names = engine.tenants()?;
    output.print(&names.join("\n"), &json!(names))
}
