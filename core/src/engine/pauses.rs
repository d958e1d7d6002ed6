//! Subscriptions that pause: no period and no invoice until they are resumed.

use chrono::{Datelike, NaiveDate};

use super::Engine;
use super::admin_tx::{self, AdminTx};
use super::due_dates::{bill_again, bill_beginning, is_billed};
use super::invoices::{Effect, InvoiceStatus};
use super::joining::{check_due_date, check_not_cancelled};
use super::once::Operation;
use crate::error::Error;
use crate::rules::settle::{Settled, begin_scheduled, grant_plan};
use crate::rules::{
    EventKind, LineKind, Pause, Scheduled, Status, Subscription, TenantEvent, calendar,
};

impl Engine {
    /// Pauses a tenant's subscription when its running period ends: from then on there are no
    /// units, no periods and no invoices, and decisions are denied as `paused`. Status, seats and
    /// what was bought stay. A period that is paid already begins with the resumption. Gives the
    /// last day of the running period. Paused already, it changes nothing. A suspended tenant is
    /// refused, and one without a period to follow. Waits for the disk.
    pub fn pause_subscription(&self, tenant: &str) -> Result<NaiveDate, Error> {
        self.change_once(tenant, &Operation::new("pause_subscription", None, &()), |tx| {
            let Some(present) = tx.loaded.account.subscription.clone() else {
                return Err(Error::NoSubscription(tenant.to_owned()));
            };
            check_not_cancelled(tx)?;
            if present.pause != Pause::None {
                return Ok(present.due());
            }
            may_pause(tx, &present)?;
            if let Some(terms) = tx.loaded.account.subscription.as_mut() {
                terms.pause = Pause::Requested;
            }
            bill_again(tx)?;
            let detail = format!("after {}", present.due());
            tx.write.audit(Some(tx.loaded.row), tx.now, "pause", &detail)?;
            Ok(present.due())
        })
    }

    /// Resumes a subscription that pauses. Where its last period has ended, one begins now, and is
    /// billed as the subscription is: in advance today, unless that was paid already, in arrears
    /// on its due date. It is due on `first_due`, or else on the same day of the month one period
    /// later; that day is the day of all later ones. A plan that was scheduled begins with it.
    /// Before, the running period goes on as if nothing had been said, and takes no `first_due`.
    /// Gives the present due date. Waits for the disk.
    pub fn resume_subscription(
        &self,
        tenant: &str,
        first_due: Option<NaiveDate>,
    ) -> Result<NaiveDate, Error> {
        self.change_once(tenant, &Operation::new("resume_subscription", None, &first_due), |tx| {
            let Some(present) = tx.loaded.account.subscription.clone() else {
                return Err(Error::NoSubscription(tenant.to_owned()));
            };
            check_not_cancelled(tx)?;
            match (present.pause, first_due) {
                (Pause::None, _) => return Err(refused("it does not pause".to_owned())),
                (Pause::Requested, Some(_)) => {
                    let why = "its period goes on to its due date; leave the first due date out";
                    return Err(refused(why.to_owned()));
                }
                (Pause::Requested, None) => {
                    if let Some(terms) = tx.loaded.account.subscription.as_mut() {
                        terms.pause = Pause::None;
                    }
                    bill_again(tx)?;
                }
                (Pause::InForce, _) => begin_again(tx, &present, first_due)?,
            }
            let due =
                tx.loaded.account.subscription.as_ref().map_or(present.due(), Subscription::due);
            let detail = format!("due {due}");
            tx.write.audit(Some(tx.loaded.row), tx.now, "resumed", &detail)?;
            Ok(due)
        })
    }
}

fn refused(why: String) -> Error {
    Error::InvalidArgument { what: "subscription", why }
}

fn may_pause(tx: &AdminTx<'_>, present: &Subscription) -> Result<(), Error> {
    let account = &tx.loaded.account;
    let why = if account.status == Status::Suspended {
        "its tenant is suspended; only one that may use it can be paused"
    } else if present.lapsed {
        "it has lapsed: there is no period after which it could pause"
    } else if account.scheduled.is_none() && !present.is_followed() {
        "no period follows the present one, so there is nothing to pause"
    } else {
        return Ok(());
    };
    Err(refused(why.to_owned()))
}

/// Begins a period now.
fn begin_again(
    tx: &mut AdminTx<'_>,
    present: &Subscription,
    first_due: Option<NaiveDate>,
) -> Result<(), Error> {
    let today = tx.today();
    let account = &tx.loaded.account;
    let follows = account.scheduled.as_ref().map_or(present, |it| &it.terms);
    if follows.price_cents.is_none() && is_billed(tx) {
        return Err(Error::PriceMissing { plan: follows.plan.clone() });
    }
    let months = follows.period_months;
    let due = first_due.unwrap_or_else(|| calendar::due_date(today.day(), today, months));
    let anchor_day = first_due.unwrap_or(today).day();
    check_due_date(due, account.time_zone, tx.now)?;
    let is_paid = match &account.scheduled {
        Some(next) => next.terms.paid > 0,
        None => present.is_paid_ahead(),
    };
    let paid_from = present.due().succ_opt();
    if tx.loaded.account.scheduled.is_some() {
        begin_what_was_scheduled(tx, due, anchor_day)?;
    } else {
        go_on(tx, due, anchor_day);
    }
    let account = &mut tx.loaded.account;
    let kind = EventKind::Resumed { period: account.period };
    tx.events.push(TenantEvent { at: tx.now, resource: None, kind });
    let Some(terms) = account.subscription.clone() else { return Ok(()) };
    if is_paid {
        move_paid_period(tx, &terms, paid_from)?;
    }
    if is_billed(tx) { bill_beginning(tx.write, tx.loaded.row, &terms, is_paid) } else { Ok(()) }
}

/// The subscription that paused goes on.
fn go_on(tx: &mut AdminTx<'_>, due: NaiveDate, anchor_day: u32) {
    let (now, today) = (tx.now, tx.today());
    let account = &mut tx.loaded.account;
    if let Some(terms) = account.subscription.as_mut() {
        terms.pause = Pause::None;
        terms.next_due_set = None;
        terms.renewed = terms.renewed.saturating_add(1);
        terms.place_due(due, anchor_day);
        terms.begin_grid(today);
        terms.begin_billing(today);
    }
    account.period_start = now;
    account.renewals += 1;
    grant_plan(account, &tx.compiled.rulebook, now);
}

/// The plan that was to follow begins.
fn begin_what_was_scheduled(
    tx: &mut AdminTx<'_>,
    due: NaiveDate,
    anchor_day: u32,
) -> Result<(), Error> {
    let (rules, now) = (&tx.compiled.rulebook, tx.now);
    let account = &mut tx.loaded.account;
    if let Some(Scheduled { terms, .. }) = account.scheduled.as_mut() {
        (terms.first_due, terms.anchor_day) = (due, anchor_day);
    }
    let mut settled = Settled::default();
    begin_scheduled(account, rules, now, &mut settled);
    tx.events.append(&mut settled.events);
    admin_tx::write_settled(tx.write, tx.loaded, &settled)
}

/// What was paid for the period that was to follow pays the one that begins now.
fn move_paid_period(
    tx: &AdminTx<'_>,
    terms: &Subscription,
    paid_from: Option<NaiveDate>,
) -> Result<(), Error> {
    let pays = |it: &crate::store::InvoiceRow| {
        it.subscription == Some(terms.id)
            && Effect::of(it) == Effect::Renew
            && InvoiceStatus::of(it) == InvoiceStatus::Paid
    };
    for row in tx.write.invoices(tx.loaded.row)?.into_iter().filter(pays) {
        let mut lines = tx.write.lines(row.id)?;
        for line in lines.iter_mut().filter(|it| it.kind == LineKind::Plan && it.from == paid_from)
        {
            (line.from, line.to) = (Some(tx.today()), Some(terms.due()));
        }
        tx.write.save_lines(&row, &lines)?;
    }
    Ok(())
}
