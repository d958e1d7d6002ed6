//! A change of plan that carries the usage over, and what a change of plan costs.

use chrono::NaiveDate;

use super::Engine;
use super::admin_tx::AdminTx;
use super::administer::DURABLE;
use super::due_dates::{add_lines, bill_again, is_billed};
use super::invoices::{InvoiceLine, InvoiceStatus};
use super::joining::{
    Terms, check_not_cancelled, drop_pending, drop_scheduled, emit_plan_change, limits_of, mode_of,
    plan_named, terms_from,
};
use super::limits::join_limits;
use super::once::Operation;
use super::plan_change::{paid_already, restart};
use crate::billing::Cents;
use crate::catalog::{BillingMode, Plan};
use crate::error::Error;
use crate::rules::invoice::upgrade_cents;
use crate::rules::{Line, Pause, Subscription};
use crate::store::InvoiceRow;

/// What becomes of the running period when a tenant changes plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanChange<'a> {
    /// It ends, and is billed in full; a new one begins with the plan's units.
    Restart(Terms<'a>),
    /// It goes on with its due date and its usage; limits and features are the new plan's.
    Carry {
        /// The plan, as the catalog in force names it.
        plan: &'a str,
    },
}

/// What a change of plan costs, said before it is made.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PlanChangeQuote {
    /// How the tenant is billed afterwards.
    pub billing: BillingMode,
    /// What falls due on the day of the change because of it.
    #[serde(rename = "due_now_cents")]
    pub due_now: Cents,
    /// The invoices that would wait to be paid then, by due date.
    pub invoices: Vec<QuotedInvoice>,
    /// The invoices that would not be owed any more.
    pub withdrawn: Vec<i64>,
}

/// An invoice as it would be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct QuotedInvoice {
    /// Its due date.
    pub due: NaiveDate,
    /// How much.
    #[serde(rename = "amount_cents")]
    pub amount: Cents,
    /// ISO 4217 code of its amounts.
    pub currency: String,
    /// What it is over.
    pub lines: Vec<InvoiceLine>,
}

impl Engine {
    /// Puts a tenant on a plan now and leaves period, due date and usage as they are: only limits
    /// and features change. Needs the same billing period. In arrears the period is billed once, at
    /// the highest price in force during it. In advance an upgrade bills the difference in full
    /// today; a downgrade returns nothing, and the new price holds from the next due date. What was
    /// chosen or scheduled is dropped. Waits for the disk.
    pub fn carry_plan(&self, tenant: &str, plan: &str, key: Option<&str>) -> Result<(), Error> {
        self.change_once(tenant, &Operation::new("carry_plan", key, &plan), |tx| {
            carry(tx, tenant, plan)?;
            Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "plan carried", plan)?)
        })
    }

    /// What a change of plan would cost: the same change, taken back before anybody sees it.
    /// Changes nothing. Waits for other changes.
    pub fn quote_plan_change(
        &self,
        tenant: &str,
        change: &PlanChange<'_>,
    ) -> Result<PlanChangeQuote, Error> {
        let mut quote = None;
        let ended = self.change(tenant, DURABLE, |tx| {
            quote = Some(rehearse(tx, tenant, change)?);
            // An error rolls everything back.
            Err::<(), _>(Error::Busy { what: "a quote" })
        });
        match quote {
            Some(quote) => Ok(quote),
            None => Err(ended.err().unwrap_or(Error::Busy { what: "a quote" })),
        }
    }
}

fn carry(tx: &mut AdminTx<'_>, tenant: &str, name: &str) -> Result<(), Error> {
    check_not_cancelled(tx)?;
    let Some(present) = tx.loaded.account.subscription.clone() else {
        return Err(Error::NoSubscription(tenant.to_owned()));
    };
    let plan = plan_named(tx.compiled, name)?;
    may_be_carried(&present, plan)?;
    if tx.loaded.account.scheduled.as_ref().is_some_and(|it| it.terms.paid > 0) {
        return Err(paid_already());
    }
    let prices = &tx.loaded.overrides.prices;
    let (first_due, day) = (present.first_due, present.anchor_day);
    let terms = terms_from(tx.compiled, name, plan, prices, first_due, day, present.auto_renew);
    let billed = is_billed(tx);
    let price = match terms.price_cents {
        None if billed => return Err(Error::PriceMissing { plan: name.to_owned() }),
        price => price.unwrap_or(0),
    };
    drop_pending(tx)?;
    drop_scheduled(tx)?;
    let today = tx.today();
    let mut carried = carried(&present, terms, price);
    if carried.cadence_months != present.cadence_months {
        carried.begin_grid(today);
    }
    let own = &tx.loaded.overrides;
    let limits = limits_of(tx.compiled, plan, own);
    tx.loaded.account.features = tx.compiled.features(&plan.features, &own.features);
    join_limits(tx, &limits);
    if billed {
        let cents = upgrade_cents(&present, price);
        let line = Line::of_plan(&carried, today, carried.due(), cents);
        add_lines(tx.write, tx.loaded.row, &carried, today, vec![line])?;
    }
    tx.loaded.account.subscription = Some(carried);
    bill_again(tx)?;
    emit_plan_change(tx, name);
    Ok(())
}

/// The present subscription on another plan, in the same period.
fn carried(present: &Subscription, terms: Subscription, price_cents: i64) -> Subscription {
    let keeps_peak = present.highest_cents() > price_cents;
    let peak_title = present.peak_title.as_ref().unwrap_or(&present.title);
    Subscription {
        id: present.id,
        renewed: present.renewed,
        restored: present.restored,
        paid: present.paid,
        pending: present.pending,
        pause: present.pause,
        next_due_set: present.next_due_set,
        manual: present.manual,
        billing: present.billing,
        from: present.from,
        peak_cents: Some(present.highest_cents().max(price_cents)),
        peak_title: keeps_peak.then(|| peak_title.clone()),
        ..terms
    }
}

fn may_be_carried(present: &Subscription, plan: &Plan) -> Result<(), Error> {
    let why = if present.lapsed {
        "the present one has lapsed: there is no period to carry over; restart instead"
    } else if present.pause == Pause::InForce {
        "the present one is paused: there is no period to carry over; resume it first"
    } else if plan.period_months != present.period_months {
        "it has another billing period than the present one; restart, or schedule it"
    } else if mode_of(plan, Some(present.billing)) != present.billing {
        "it is paid in advance and the present one in arrears; restart, or schedule it"
    } else {
        return Ok(());
    };
    Err(Error::InvalidArgument { what: "plan", why: why.to_owned() })
}

/// Makes a change and says what there is to pay then, and what is not any more.
fn rehearse(
    tx: &mut AdminTx<'_>,
    tenant: &str,
    change: &PlanChange<'_>,
) -> Result<PlanChangeQuote, Error> {
    let today = tx.today();
    let unpaid = |tx: &AdminTx<'_>| -> Result<Vec<InvoiceRow>, Error> {
        let rows = tx.write.invoices(tx.loaded.row)?.into_iter();
        Ok(rows.filter(|row| InvoiceStatus::of(row).waits()).collect())
    };
    let due_today = |rows: &[InvoiceRow]| -> i64 {
        rows.iter().filter(|row| row.due == today).map(|row| row.cents).sum()
    };
    let before = unpaid(tx)?;
    match change {
        PlanChange::Restart(terms) => restart(tx, terms)?,
        PlanChange::Carry { plan } => carry(tx, tenant, plan)?,
    }
    let after = unpaid(tx)?;
    let invoices = after.iter().map(|row| {
        let lines = tx.write.lines(row.id)?;
        Ok(QuotedInvoice {
            due: row.due,
            amount: Cents::new(row.cents)?,
            currency: row.currency.clone(),
            lines: lines.iter().map(InvoiceLine::of).collect::<Result<_, _>>()?,
        })
    });
    let gone = |row: &&InvoiceRow| after.iter().all(|it| it.id != row.id);
    Ok(PlanChangeQuote {
        billing: tx
            .loaded
            .account
            .subscription
            .as_ref()
            .map_or_else(Default::default, |it| it.billing),
        due_now: Cents::new((due_today(&after) - due_today(&before)).max(0))?,
        invoices: invoices.collect::<Result<_, Error>>()?,
        withdrawn: before.iter().filter(gone).map(|row| row.id).collect(),
    })
}
