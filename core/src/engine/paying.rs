//! The one path that settles invoices, whether a gateway tells of a payment or somebody marks it
//! by hand: what is paid for is given once, however often it is told.

use chrono::NaiveDate;

use super::admin_tx::AdminTx;
use super::invoices::{Effect, InvoiceStatus, bill_period, save_status, wrong_status};
use super::joining::activate;
use super::status::{DEBT, become_status};
use super::{admin_tx, purchases};
use crate::billing::Cents;
use crate::error::Error;
use crate::rules::settle::{Begun, Settled, begin_scheduled, close_period, grant_plan};
use crate::rules::{EventKind, Scheduled, Status, TenantEvent, calendar};
use crate::store::InvoiceRow;

/// An invoice was paid. What it pays for is given once, however often it is told, and whatever the
/// amount: what a gateway calls paid is paid, be it with interest or less a discount that the host
/// has granted there. That the amounts differ is told.
pub(super) fn settle_paid(
    tx: &mut AdminTx<'_>,
    row: &mut InvoiceRow,
    paid_on: Option<NaiveDate>,
    paid: Option<Cents>,
) -> Result<(), Error> {
    match InvoiceStatus::of(row) {
        InvoiceStatus::Paid => return Ok(()),
        InvoiceStatus::Cancelled => return Err(wrong_status(row)),
        InvoiceStatus::Pending | InvoiceStatus::Overdue | InvoiceStatus::Refunded => {}
    }
    row.paid_on = Some(paid_on.unwrap_or_else(|| tx.today()));
    row.paid_cents = paid.map(Cents::get);
    if let Some(paid_cents) = row.paid_cents.filter(|&cents| cents != row.cents) {
        emit_difference(tx, row.id, row.cents, paid_cents);
    }
    let given_before = row.settled;
    row.settled = true;
    save_status(tx, row, InvoiceStatus::Paid)?;
    match (Effect::of(row), row.subscription, row.purchase) {
        (Effect::Give, _, Some(purchase)) if given_before => purchases::restore(tx, purchase)?,
        _ if given_before => {}
        (Effect::Activate, Some(subscription), _) => activate(tx, subscription)?,
        (Effect::Renew, Some(subscription), _) => renew(tx, subscription)?,
        (Effect::Give, _, Some(purchase)) => purchases::give(tx, purchase)?,
        _ => {}
    }
    wait_for_what_was_taken_back(tx)?;
    end_debt(tx, "paid")
}

/// An invoice was paid though it had been cancelled: nothing is given for it. That the money is
/// there is noted and told once, so that somebody gives it back.
pub(super) fn note_paid_in_vain(
    tx: &mut AdminTx<'_>,
    row: &mut InvoiceRow,
    paid_on: Option<NaiveDate>,
    paid: Option<Cents>,
) -> Result<(), Error> {
    if row.paid_cents.is_some() {
        return Ok(());
    }
    let paid_cents = paid.map_or(row.cents, Cents::get);
    row.paid_on = Some(paid_on.unwrap_or_else(|| tx.today()));
    row.paid_cents = Some(paid_cents);
    emit_difference(tx, row.id, 0, paid_cents);
    Ok(tx.write.save_invoice(row)?)
}

fn emit_difference(tx: &mut AdminTx<'_>, invoice: i64, amount_cents: i64, paid_cents: i64) {
    let kind = EventKind::PaymentDiffers { invoice, amount_cents, paid_cents };
    tx.events.push(TenantEvent { at: tx.now, resource: None, kind });
}

/// The period after the next due date is paid. One that has lapsed for want of payment goes on.
fn renew(tx: &mut AdminTx<'_>, subscription: i64) -> Result<(), Error> {
    let (rules, now) = (&tx.compiled.rulebook, tx.now);
    let account = &mut tx.loaded.account;
    let lapsed = account.subscription.as_ref().is_none_or(|it| it.lapsed);
    if let Some(next) = account.scheduled.as_mut().filter(|it| it.terms.id == subscription) {
        next.terms.paid += 1;
        tx.write.save_scheduled(next)?;
        if lapsed && next.may_begin() {
            begin_late(tx)?;
        }
        return Ok(());
    }
    let time_zone = account.time_zone;
    let Some(terms) = account.subscription.as_mut().filter(|it| it.id == subscription) else {
        return Ok(());
    };
    terms.paid += 1;
    if !terms.lapsed || !terms.renews() {
        return Ok(());
    }
    // Paid late: the anchor stays, the period begins now. Due dates that passed meanwhile are of
    // periods that nobody had.
    terms.lapsed = false;
    terms.renewed += 1;
    while calendar::end_of_due_day(terms.due(), time_zone) <= now {
        terms.renewed += 1;
    }
    terms.paid = terms.renewed;
    terms.begin_grid(calendar::date_of(now, time_zone));
    let begun = Begun::of(terms, account.status, rules);
    account.renewals += 1;
    let closed = close_period(account, rules, now, true);
    tx.write.save_period(tx.loaded.row, &closed)?;
    grant_plan(&mut tx.loaded.account, rules, now);
    let kind = EventKind::Renewed { period: tx.loaded.account.period };
    tx.events.push(TenantEvent { at: now, resource: None, kind });
    bill_period(tx.write, tx.loaded, &begun)
}

/// Begins the scheduled plan that its payment came too late for: now, its day of the month stays.
fn begin_late(tx: &mut AdminTx<'_>) -> Result<(), Error> {
    let (rules, now) = (&tx.compiled.rulebook, tx.now);
    let account = &mut tx.loaded.account;
    let time_zone = account.time_zone;
    if let Some(Scheduled { terms, .. }) = account.scheduled.as_mut() {
        while calendar::end_of_due_day(terms.first_due, time_zone) <= now {
            let months = terms.period_months;
            terms.first_due = calendar::due_date(terms.anchor_day, terms.first_due, months);
        }
    }
    let mut settled = Settled::default();
    begin_scheduled(account, rules, now, &mut settled);
    tx.events.append(&mut settled.events);
    admin_tx::write_settled(tx.write, tx.loaded, &settled)
}

/// A tenant in arrears that has no overdue invoice any more is in order again; so is one that was
/// suspended for its debt.
pub(super) fn end_debt(tx: &mut AdminTx<'_>, why: &str) -> Result<(), Error> {
    let status = tx.loaded.account.status;
    let for_debt = status == Status::PastDue
        || (status == Status::Suspended && tx.loaded.status_reason == DEBT);
    if !for_debt {
        return Ok(());
    }
    let invoices = tx.write.invoices(tx.loaded.row)?;
    if invoices.iter().any(|it| InvoiceStatus::of(it) == InvoiceStatus::Overdue) {
        return Ok(());
    }
    become_status(tx, Status::Active, why, false)
}

/// An invoice was not paid in time. Which time is the invoice's to say, however early or late a
/// gateway tells of it: told before the due day, it is remembered until that has passed.
pub(super) fn settle_overdue(tx: &mut AdminTx<'_>, row: &mut InvoiceRow) -> Result<bool, Error> {
    if InvoiceStatus::of(row) != InvoiceStatus::Pending {
        return Ok(false);
    }
    if tx.today() < row.due {
        row.reported_overdue = true;
        tx.write.save_invoice(row)?;
        return Ok(false);
    }
    save_status(tx, row, InvoiceStatus::Overdue)?;
    if tx.loaded.account.status == Status::Active {
        become_status(tx, Status::PastDue, DEBT, false)?;
    }
    Ok(true)
}

/// A payment was taken back: the subscription waits to be paid again, and what is left of
/// something that was bought is taken back too. Told before the payment itself, it is remembered.
pub(super) fn settle_reversed(tx: &mut AdminTx<'_>, row: &mut InvoiceRow) -> Result<bool, Error> {
    match InvoiceStatus::of(row) {
        InvoiceStatus::Paid | InvoiceStatus::Pending | InvoiceStatus::Overdue => {}
        InvoiceStatus::Cancelled | InvoiceStatus::Refunded => return Ok(false),
    }
    save_status(tx, row, InvoiceStatus::Refunded)?;
    if let Some(purchase) = row.purchase.filter(|_| row.settled) {
        purchases::take_back(tx, purchase)?;
    }
    wait_for_what_was_taken_back(tx)?;
    Ok(true)
}

/// A subscription waits to be paid again as long as a payment for it is taken back.
fn wait_for_what_was_taken_back(tx: &mut AdminTx<'_>) -> Result<(), Error> {
    let Some(terms) = tx.loaded.account.subscription.as_mut() else { return Ok(()) };
    let taken_back = |it: &InvoiceRow| {
        let of_plan = it.subscription == Some(terms.id) && it.purchase.is_none();
        of_plan && InvoiceStatus::of(it) == InvoiceStatus::Refunded
    };
    terms.pending = tx.write.invoices(tx.loaded.row)?.iter().any(taken_back);
    Ok(())
}
