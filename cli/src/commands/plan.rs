//! `cotas plan`: what a tenant subscribes to, and how it is paid.

use chrono::NaiveDate;
use clap::{ArgAction, Args, Subcommand};
use cotas::billing::{Cents, PaymentMethod};
use cotas::{Engine, Error, NextPeriod, PlanChange, QuotedInvoice, Terms};

use super::{money, tenant_view};
use crate::codes::OneOf;
use crate::database::{At, Database, How};
use crate::failure::Failure;
use crate::output::Output;
use crate::values;

/// Changes of a tenant's subscription.
#[derive(Subcommand)]
pub enum PlanCommand {
    /// Put a tenant on a plan now; for operators, see `choose` for a customer's own page
    Change {
        #[command(flatten)]
        change: ChangeArgs,
        #[command(flatten)]
        how: How,
    },
    /// What a change of plan would cost; changes nothing
    Quote {
        #[command(flatten)]
        change: ChangeArgs,
        #[command(flatten)]
        at: At,
    },
    /// Override the price of a plan for one tenant
    Price {
        /// The tenant
        tenant: String,
        /// The plan
        plan: String,
        /// The price of a period, such as 129.90, or `none`: as the catalog says
        #[arg(value_parser = own_price)]
        price: OwnPrice,
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
    /// Set the due date of the period that follows; its day is the day of all later ones
    Due {
        /// The tenant
        tenant: String,
        /// The due date: later than the present one, at most two periods after it
        #[arg(value_name = "YYYY-MM-DD", value_parser = values::date)]
        next_due: NaiveDate,
        #[command(flatten)]
        how: How,
    },
    /// Pause when the running period ends: no units and no invoices until it is resumed
    Pause {
        /// The tenant
        tenant: String,
        #[command(flatten)]
        how: How,
    },
    /// Resume what pauses: a period begins today
    Resume {
        /// The tenant
        tenant: String,
        /// Its due date; without it, the same day of the month one period later
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = values::date)]
        first_due: Option<NaiveDate>,
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

/// A price of a tenant's own, or none.
#[derive(Clone, Copy)]
pub struct OwnPrice(Option<Cents>);

fn own_price(text: &str) -> Result<OwnPrice, String> {
    match text {
        "none" => Ok(OwnPrice(None)),
        text => Cents::parse(text).map(|it| OwnPrice(Some(it))).map_err(|it| it.to_string()),
    }
}

/// A change of plan.
#[derive(Args)]
#[group(id = "plan_change")]
pub struct ChangeArgs {
    /// The tenant
    tenant: String,
    /// The plan
    plan: String,
    /// What becomes of the running period: `restart` ends and bills it, `carry` leaves it and its
    /// usage as they are
    #[arg(long, value_name = "USAGE", default_value = "restart")]
    usage: UsageOnChange,
    /// The first due date of a new period, usable to its end; its day is the day of all later ones
    #[arg(
        long, value_name = "YYYY-MM-DD", value_parser = values::date,
        required_if_eq("usage", "restart")
    )]
    first_due: Option<NaiveDate>,
    /// The day of the month of all later due dates, if not the first one's
    #[arg(long, value_name = "1-31", value_parser = clap::value_parser!(u32).range(1..=31))]
    anchor_day: Option<u32>,
    /// Restore the plan's units one day after each due date, or not; as it is now without it
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on")]
    #[arg(require_equals = true, value_parser = on_or_off())]
    auto_renew: Option<bool>,
}

/// What becomes of the running period.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum UsageOnChange {
    /// It ends, is billed in full, and a new one begins.
    Restart,
    /// It goes on; only limits and features change.
    Carry,
}

impl ChangeArgs {
    fn change(&self, engine: &Engine) -> Result<PlanChange<'_>, Error> {
        let ChangeArgs { tenant, plan, .. } = self;
        match (self.usage, self.first_due) {
            (UsageOnChange::Carry, None) => Ok(PlanChange::Carry { plan }),
            (UsageOnChange::Restart, Some(first_due)) => {
                let auto_renew = kept(engine, tenant, self.auto_renew)?;
                let (first_due, anchor_day) = (Some(first_due), self.anchor_day);
                Ok(PlanChange::Restart(Terms { plan, first_due, anchor_day, auto_renew }))
            }
            (UsageOnChange::Carry, Some(_)) => {
                let why = "the period goes on to its own; leave --first-due out, or give \
                           --usage restart";
                Err(Error::InvalidArgument { what: "first due date", why: why.to_owned() })
            }
            (UsageOnChange::Restart, None) => {
                let why = "it is missing; give --first-due, the day on which the new period ends, \
                           or --usage carry to leave the period as it is";
                Err(Error::InvalidArgument { what: "first due date", why: why.to_owned() })
            }
        }
    }

    fn quote(&self, engine: &Engine, output: Output) -> Result<(), Failure> {
        let quote = engine.quote_plan_change(&self.tenant, &self.change(engine)?)?;
        let head = format!("billed in {}; due now: {}", quote.billing.code(), quote.due_now);
        let mut texts = vec![head];
        for QuotedInvoice { due, amount, currency, lines } in &quote.invoices {
            texts.push(money::with_lines(format!("due {due}: {currency} {amount}"), lines));
        }
        if !quote.withdrawn.is_empty() {
            let numbers: Vec<_> = quote.withdrawn.iter().map(ToString::to_string).collect();
            texts.push(format!("not owed any more: {}", numbers.join(", ")));
        }
        output.print(&texts.join("\n"), &serde_json::json!(quote))
    }
}

/// Who joins which plan.
#[derive(Args)]
pub struct Joining {
    /// The tenant
    tenant: String,
    /// The plan
    plan: String,
    /// The first due date, usable to its end; without it, the same day of the month one period
    /// after the payment
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = values::date)]
    first_due: Option<NaiveDate>,
    /// The day of the month of all later due dates, if not the first one's
    #[arg(long, value_name = "1-31", value_parser = clap::value_parser!(u32).range(1..=31))]
    anchor_day: Option<u32>,
    /// Restore the plan's units one day after each due date, or not; as it is now without it
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on")]
    #[arg(require_equals = true, value_parser = on_or_off())]
    auto_renew: Option<bool>,
}

impl Joining {
    fn terms(&self, engine: &Engine) -> Result<Terms<'_>, Error> {
        let auto_renew = kept(engine, &self.tenant, self.auto_renew)?;
        let Joining { first_due, anchor_day, .. } = *self;
        Ok(Terms { plan: &self.plan, first_due, anchor_day, auto_renew })
    }
}

/// Without a word about it, automatic renewal stays as it is.
fn kept(engine: &Engine, tenant: &str, auto_renew: Option<bool>) -> Result<bool, Error> {
    match auto_renew {
        Some(auto_renew) => Ok(auto_renew),
        None => Ok(engine.report(tenant)?.subscription.is_some_and(|present| present.auto_renew)),
    }
}

impl PlanCommand {
    /// Does it; the answer is what the tenant has now.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        if let PlanCommand::Quote { change, at } = self {
            return change.quote(&database.open(at.clock())?, output);
        }
        let Some((tenant, how)) = self.subject() else { return Ok(()) };
        let engine = how.open(database)?;
        if let PlanCommand::Due { next_due, .. } = self {
            return set_due_date(&engine, tenant, *next_due, output);
        }
        self.apply(&engine, tenant)?;
        let report = engine.report(tenant)?;
        output.print(&tenant_view::text(&report), &serde_json::json!(report))
    }

    fn subject(&self) -> Option<(&str, &How)> {
        Some(match self {
            PlanCommand::Quote { .. } => return None,
            PlanCommand::Change { change, how } => (&change.tenant, how),
            PlanCommand::Choose { joining, how, .. } => (&joining.tenant, how),
            PlanCommand::Price { tenant, how, .. }
            | PlanCommand::Schedule { tenant, how, .. }
            | PlanCommand::Unschedule { tenant, how }
            | PlanCommand::Update { tenant, how }
            | PlanCommand::Due { tenant, how, .. }
            | PlanCommand::Pause { tenant, how }
            | PlanCommand::Resume { tenant, how, .. }
            | PlanCommand::AutoRenew { tenant, how, .. }
            | PlanCommand::PaymentForm { tenant, how, .. }
            | PlanCommand::PaymentMethod { tenant, how, .. } => (tenant, how),
        })
    }

    fn apply(&self, engine: &Engine, tenant: &str) -> Result<(), Error> {
        match self {
            PlanCommand::Quote { .. } | PlanCommand::Due { .. } => Ok(()),
            PlanCommand::Change { change, .. } => match change.change(engine)? {
                PlanChange::Restart(terms) => engine.change_plan(tenant, &terms, None),
                PlanChange::Carry { plan } => engine.carry_plan(tenant, plan, None),
            },
            PlanCommand::Price { plan, price, .. } => engine.set_own_price(tenant, plan, price.0),
            PlanCommand::Choose { joining, payment_form, .. } => {
                engine.choose_plan(tenant, &joining.terms(engine)?, payment_form, None).map(|_| ())
            }
            PlanCommand::Schedule { plan, .. } => {
                engine.schedule_plan(tenant, plan, None).map(|_| ())
            }
            PlanCommand::Unschedule { .. } => engine.cancel_scheduled_plan(tenant).map(|_| ()),
            PlanCommand::Update { .. } => engine.move_to_newest_version(tenant).map(|_| ()),
            PlanCommand::AutoRenew { value, .. } => {
                engine.set_auto_renew(tenant, *value).map(|_| ())
            }
            PlanCommand::Pause { .. } => engine.pause_subscription(tenant).map(|_| ()),
            PlanCommand::Resume { first_due, .. } => {
                engine.resume_subscription(tenant, *first_due).map(|_| ())
            }
            PlanCommand::PaymentForm { form, gateway_id, .. } => {
                engine.set_payment_form(tenant, form, gateway_id.as_deref())
            }
            PlanCommand::PaymentMethod { method, .. } => engine.set_payment_method(tenant, *method),
        }
    }
}

/// Sets the next due date, and says what its period costs.
fn set_due_date(
    engine: &Engine,
    tenant: &str,
    next_due: NaiveDate,
    output: Output,
) -> Result<(), Failure> {
    let next = engine.set_due_date(tenant, next_due, None)?;
    let NextPeriod { from, to, amount, currency, due } = &next;
    let text = format!("the next period is {from} to {to}: {currency} {amount}, due {due}");
    output.print(&text, &serde_json::json!(next))
}

fn method() -> OneOf<PaymentMethod> {
    OneOf::new("payment method", PaymentMethod::ALL.map(|it| (it.code(), it)))
}

fn on_or_off() -> OneOf<bool> {
    OneOf::new("value", [("on", true), ("off", false)])
}
