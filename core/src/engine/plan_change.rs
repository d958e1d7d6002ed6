//! Changing plans: now, when the new one is paid, when the present period ends, or to the newest
//! version of the same plan.

use chrono::{Datelike, NaiveDate};

use super::Engine;
use super::admin_tx::AdminTx;
use super::due_dates::{bill_again, is_billed};
use super::joining::{
    Beginning, PaymentState, Terms, check_not_cancelled, choose, drop_pending, drop_scheduled,
    due_after, emit_plan_change, end_present, limits_of, mode_of, plan_named, subscribe,
    terms_from,
};
use super::limits::{bring_limits, plan_of};
use super::once::Operation;
use super::subscriptions::check_label;
use crate::catalog::{BillingMode, Plan};
use crate::error::Error;
use crate::rules::{Pause, Scheduled, Subscription, calendar};
use crate::store::SCHEDULED;

impl Engine {
    /// Puts a tenant on a plan now: the period is closed and a new one begins with the plan's
    /// units; extras stay (docs/sources.md). For operators: each period that is begun is billed in
    /// full, see [`quote_plan_change`](Self::quote_plan_change); a customer's own page uses
    /// [`choose_plan`](Self::choose_plan), and [`carry_plan`](Self::carry_plan) leaves the period
    /// alone. It is paid as the plan before it was. What was chosen or scheduled is dropped, and
    /// invoices for periods that will not come are withdrawn. Waits for the disk.
    pub fn change_plan(
        &self,
        tenant: &str,
        terms: &Terms<'_>,
        key: Option<&str>,
    ) -> Result<(), Error> {
        self.change_once(tenant, &Operation::new("change_plan", key, terms), |tx| {
            restart(tx, terms)?;
            emit_plan_change(tx, terms.plan);
            Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "plan", terms.plan)?)
        })
    }

    /// Chooses another plan that begins when its first invoice is paid (docs/sources.md): what a
    /// customer's own page may call. Until then the present one goes on. Its first period begins
    /// with the payment, and ends on the first due date, which is moved on by whole periods until
    /// it lies days enough after the payment (`min_first_days`); without one it ends on the same
    /// day of the month one period after the payment. An invoice that is not paid is
    /// cancelled after `offer_days`. Gives the number of that invoice; `None`: the plan costs
    /// nothing, and has begun. Waits for the disk.
    pub fn choose_plan(
        &self,
        tenant: &str,
        terms: &Terms<'_>,
        payment_type: &str,
        key: Option<&str>,
    ) -> Result<Option<i64>, Error> {
        check_label("payment type", payment_type)?;
        let operation = Operation::new("choose_plan", key, &(terms, payment_type));
        self.change_once(tenant, &operation, |tx| {
            check_not_cancelled(tx)?;
            drop_pending(tx)?;
            let payment = PaymentState::of_type(payment_type);
            let (write, compiled) = (tx.write, tx.compiled);
            let invoice = choose(write, tx.loaded, compiled, terms, payment, tx.now)?;
            if invoice.is_none() {
                end_present(tx, is_billed(tx))?;
                let payment = PaymentState::of_type(payment_type);
                let present_mode = Some(BillingMode::Advance);
                let beginning = Beginning { at: tx.now, is_paid: true, present_mode };
                let terms = due_after(terms, compiled, tx.loaded.account.time_zone, tx.now)?;
                subscribe(write, tx.loaded, compiled, &terms, payment, beginning)?;
                emit_plan_change(tx, terms.plan);
            }
            tx.write.audit(Some(tx.loaded.row), tx.now, "plan chosen", terms.plan)?;
            Ok(invoice)
        })
    }

    /// Has a tenant join another plan of the catalog in force when its present period ends: at the
    /// same instant at which a renewal would have come. Its day of the month stays, and its own
    /// limits. The invoice that is due then is the new plan's. Gives that due date. Waits for the
    /// disk.
    pub fn schedule_plan(
        &self,
        tenant: &str,
        plan: &str,
        key: Option<&str>,
    ) -> Result<NaiveDate, Error> {
        self.change_once(tenant, &Operation::new("schedule_plan", key, &plan), |tx| {
            let Some(present) = tx.loaded.account.subscription.clone() else {
                return Err(Error::NoSubscription(tenant.to_owned()));
            };
            check_not_cancelled(tx)?;
            may_be_followed(tx, &present)?;
            let to_join = plan_named(tx.compiled, plan)?;
            drop_scheduled(tx)?;
            schedule(tx, plan, to_join, &present)?;
            tx.write.audit(Some(tx.loaded.row), tx.now, "plan scheduled", plan)?;
            Ok(present.due())
        })
    }

    /// Takes back what [`schedule_plan`](Self::schedule_plan) did: the present plan goes on. Says
    /// whether a plan was scheduled. Waits for the disk.
    pub fn cancel_scheduled_plan(&self, tenant: &str) -> Result<bool, Error> {
        self.change_once(tenant, &Operation::new("cancel_scheduled_plan", None, &()), |tx| {
            let Some(next) = tx.loaded.account.scheduled.as_ref() else { return Ok(false) };
            if next.terms.paid > 0 {
                return Err(paid_already());
            }
            drop_scheduled(tx)?;
            bill_again(tx)?;
            let what = "plan schedule cancelled";
            tx.write.audit(Some(tx.loaded.row), tx.now, what, "")?;
            Ok(true)
        })
    }

    /// Moves a tenant to its plan as the catalog in force has it: until then it keeps the version
    /// that it joined. The period goes on. Where the new version gives another number the tenant
    /// gets it, as by [`set_limit`](Self::set_limit); what an operator changed for this tenant
    /// alone stays otherwise. Invoices that exist keep their amount. Says whether the tenant was on
    /// an older version. A version with another billing period or cadence is joined with
    /// [`schedule_plan`](Self::schedule_plan) instead. Waits for the disk.
    pub fn move_to_newest_version(&self, tenant: &str) -> Result<bool, Error> {
        self.change_once(tenant, &Operation::new("move_to_newest_version", None, &()), |tx| {
            let Some(terms) = tx.loaded.account.subscription.clone() else {
                return Err(Error::NoSubscription(tenant.to_owned()));
            };
            if terms.catalog_version == tx.compiled.version {
                return Ok(false);
            }
            let newest = plan_named(tx.compiled, &terms.plan)?;
            if (terms.period_months, terms.cadence_months)
                != (newest.period_months, newest.cadence_months)
            {
                let why =
                    "the new version has another period or cadence; schedule the change".to_owned();
                return Err(Error::InvalidArgument { what: "plan", why });
            }
            move_to(tx, &terms, newest)?;
            let detail = format!("{} {}", terms.plan, tx.compiled.version);
            tx.write.audit(Some(tx.loaded.row), tx.now, "plan version", &detail)?;
            Ok(true)
        })
    }
}

/// Ends the running period and begins one on another plan.
pub(super) fn restart(tx: &mut AdminTx<'_>, terms: &Terms<'_>) -> Result<(), Error> {
    check_not_cancelled(tx)?;
    let payment = PaymentState::of_present(tx)?;
    let present_mode = tx.loaded.account.subscription.as_ref().map(|it| it.billing);
    drop_pending(tx)?;
    end_present(tx, is_billed(tx))?;
    let beginning = Beginning { at: tx.now, is_paid: false, present_mode };
    subscribe(tx.write, tx.loaded, tx.compiled, terms, payment, beginning)
}

pub(super) fn paid_already() -> Error {
    let why =
        "the period that follows is paid already; change the plan after it has begun".to_owned();
    Error::InvalidArgument { what: "plan", why }
}

/// A plan can be scheduled as long as a period is under way, and the next one is not paid.
fn may_be_followed(tx: &AdminTx<'_>, present: &Subscription) -> Result<(), Error> {
    if present.lapsed {
        let why =
            "the present plan has lapsed; change the plan now instead of scheduling the change";
        return Err(Error::InvalidArgument { what: "plan", why: why.to_owned() });
    }
    if present.pause != Pause::None {
        let why = "the present plan pauses; resume it before scheduling a change".to_owned();
        return Err(Error::InvalidArgument { what: "plan", why });
    }
    let next_is_paid = tx.loaded.account.scheduled.as_ref().is_some_and(|it| it.terms.paid > 0);
    if present.is_paid_ahead() || next_is_paid {
        return Err(paid_already());
    }
    Ok(())
}

/// The anchor and the first due date of a plan that follows the present one. A due date that was
/// set for the next period holds for it, as far as its periods are as long.
fn first_due_after(present: &Subscription, period_months: u32) -> (u32, NaiveDate) {
    let set = present.next_due_set;
    if let Some(due) = set.filter(|_| period_months == present.period_months) {
        return (due.day(), due);
    }
    let day = set.map_or(present.anchor_day, |due| due.day());
    (day, calendar::due_date(day, present.due(), period_months))
}

/// Notes a subscription that begins when the present period ends, with its invoice in the place
/// of the present plan's.
fn schedule(
    tx: &mut AdminTx<'_>,
    name: &str,
    plan: &Plan,
    present: &Subscription,
) -> Result<(), Error> {
    let compiled = tx.compiled;
    let (day, first_due) = first_due_after(present, plan.period_months);
    let prices = &tx.loaded.overrides.prices;
    let terms = terms_from(compiled, name, plan, prices, first_due, day, present.auto_renew);
    let terms = Subscription { billing: mode_of(plan, Some(present.billing)), ..terms };
    if terms.price_cents.is_none() && is_billed(tx) {
        return Err(Error::PriceMissing { plan: terms.plan });
    }
    let row = PaymentState::of_present(tx)?.row(SCHEDULED, terms, tx.now);
    let id = tx.write.insert_subscription(tx.loaded.row, &row)?;
    let own = &tx.loaded.overrides;
    let next = Scheduled {
        terms: Subscription { id, ..row.terms },
        limits: limits_of(compiled, plan, own),
        features: compiled.features(&plan.features, &own.features),
    };
    tx.write.save_scheduled(&next)?;
    tx.loaded.account.scheduled = Some(next);
    bill_again(tx)
}

/// Brings a subscription to another version of its plan.
fn move_to(tx: &mut AdminTx<'_>, terms: &Subscription, newest: &Plan) -> Result<(), Error> {
    let compiled = tx.compiled;
    let before = plan_of(tx)?;
    let own = &tx.loaded.overrides;
    let new = limits_of(compiled, newest, own);
    let features = compiled.features(&newest.features, &own.features);
    let old = before.map(|plan| limits_of(compiled, &plan, own)).unwrap_or_default();
    bring_limits(tx, &old, &new);
    let account = &mut tx.loaded.account;
    account.features = features;
    // What concerns the present period stays; the rest is the new version's.
    let (first_due, day) = (terms.first_due, terms.anchor_day);
    let prices = &tx.loaded.overrides.prices;
    let moved = terms_from(compiled, &terms.plan, newest, prices, first_due, day, terms.auto_renew);
    account.subscription = Some(Subscription {
        id: terms.id,
        renewed: terms.renewed,
        restored: terms.restored,
        paid: terms.paid,
        lapsed: terms.lapsed,
        pending: terms.pending,
        pause: terms.pause,
        next_due_set: terms.next_due_set,
        manual: terms.manual,
        billing: mode_of(newest, Some(terms.billing)),
        from: terms.from,
        // The running period costs what it did.
        peak_cents: Some(terms.highest_cents()),
        peak_title: terms.peak_title.clone(),
        cancelled_at: terms.cancelled_at,
        ..moved
    });
    bill_again(tx)
}
