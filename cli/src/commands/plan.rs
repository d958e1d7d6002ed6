//! `cotas plan`: what a tenant subscribes to, and how it is paid.

use chrono::NaiveDate;
use clap::{ArgAction, Args, Subcommand};
use cotas::billing::PaymentMethod;
use cotas::{Engine, Error, Terms};

use super::tenant_view;
use crate::codes::OneOf;
use crate::database::{Database, How};
use crate::failure::Failure;
use crate::output::Output;
use crate::values;

/// Changes of a tenant's subscription.
#[derive(Subcommand)]
pub enum Plan {
    /// Put a tenant on a plan now: a new period begins, extras stay
    Change {
        #[command(flatten)]
        joining: Joining,
        #[command(flatten)]
        how: How,
    },
    /// Choose a plan that begins when its first invoice is paid; the present one goes on
    Choose {
        #[command(flatten)]
        joining: Joining,
        /// How it is paid: Manual, Asaas ...
        #[arg(long, value_name = "FORM", default_value = "Manual")]
        payment_form: String,
        #[command(flatten)]
        how: How,
    },
    /// Have a tenant join another plan when its present period ends
    Schedule {
        /// The tenant
        tenant: String,
        /// The plan
        plan: String,
        #[command(flatten)]
        how: How,
    },
    /// Take back what was scheduled: the present plan goes on
    Unschedule {
        /// The tenant
        tenant: String,
        #[command(flatten)]
        how: How,
    },
    /// Move a tenant to its plan as the catalog in force has it
    Update {
        /// The tenant
        tenant: String,
        #[command(flatten)]
        how: How,
    },
    /// Switch automatic renewal on or off; the present period goes on to its end
    AutoRenew {
        /// The tenant
        tenant: String,
        /// on or off
        #[arg(action = ArgAction::Set, value_parser = on_or_off())]
        value: bool,
        #[command(flatten)]
        how: How,
    },
    /// Change the form in which the next invoices are paid: Manual, Asaas ...
    PaymentForm {
        /// The tenant
        tenant: String,
        /// The form
        form: String,
        /// What the gateway calls the subscription
        #[arg(long, value_name = "ID")]
        gateway_id: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Change the method by which the next invoices are paid at the gateway
    PaymentMethod {
        /// The tenant
        tenant: String,
        /// The method
        #[arg(value_parser = method())]
        method: PaymentMethod,
        #[command(flatten)]
        how: How,
    },
}

/// Who joins which plan.
#[derive(Args)]
pub struct Joining {
    /// The tenant
    tenant: String,
    /// The plan
    plan: String,
    /// The first due date, usable to its end; its day is the day of all later ones
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = values::date)]
    first_due: NaiveDate,
    /// Restore the plan's units one day after each due date, or not; as it is now without it
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on")]
    #[arg(require_equals = true, value_parser = on_or_off())]
    auto_renew: Option<bool>,
}

impl Joining {
    /// Without a word about it, automatic renewal stays as it is.
    fn terms(&self, engine: &Engine) -> Result<Terms<'_>, Error> {
        let auto_renew = match self.auto_renew {
            Some(auto_renew) => auto_renew,
            None => {
                engine.report(&self.tenant)?.subscription.is_some_and(|present| present.auto_renew)
            }
        };
        Ok(Terms { plan: &self.plan, first_due: self.first_due, auto_renew })
    }
}

impl Plan {
    /// Does it; the answer is what the tenant has now.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let (tenant, how) = self.subject();
        let engine = how.open(database)?;
        self.apply(&engine, tenant)?;
        let report = engine.report(tenant)?;
        output.print(&tenant_view::text(&report), &serde_json::json!(report))
    }

    fn subject(&self) -> (&str, &How) {
        match self {
            Plan::Change { joining, how } | Plan::Choose { joining, how, .. } => {
                (&joining.tenant, how)
            }
            Plan::Schedule { tenant, how, .. }
            | Plan::Unschedule { tenant, how }
            | Plan::Update { tenant, how }
            | Plan::AutoRenew { tenant, how, .. }
            | Plan::PaymentForm { tenant, how, .. }
            | Plan::PaymentMethod { tenant, how, .. } => (tenant, how),
        }
    }

    fn apply(&self, engine: &Engine, tenant: &str) -> Result<(), Error> {
        match self {
            Plan::Change { joining, .. } => {
                engine.change_plan(tenant, &joining.terms(engine)?, None)
            }
            Plan::Choose { joining, payment_form, .. } => {
                engine.choose_plan(tenant, &joining.terms(engine)?, payment_form, None).map(|_| ())
            }
            Plan::Schedule { plan, .. } => engine.schedule_plan(tenant, plan, None).map(|_| ()),
            Plan::Unschedule { .. } => engine.cancel_scheduled_plan(tenant).map(|_| ()),
            Plan::Update { .. } => engine.move_to_newest_version(tenant).map(|_| ()),
            Plan::AutoRenew { value, .. } => engine.set_auto_renew(tenant, *value).map(|_| ()),
            Plan::PaymentForm { form, gateway_id, .. } => {
                engine.set_payment_form(tenant, form, gateway_id.as_deref())
            }
            Plan::PaymentMethod { method, .. } => engine.set_payment_method(tenant, *method),
        }
    }
}

fn method() -> OneOf<PaymentMethod> {
    OneOf::new("payment method", PaymentMethod::ALL.map(|it| (it.code(), it)))
}

fn on_or_off() -> OneOf<bool> {
    OneOf::new("value", [("on", true), ("off", false)])
}
