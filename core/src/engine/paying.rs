//! The one path that settles invoices, whether a gateway tells of a payment or somebody marks it
//! by hand: what is paid for is given once, however often it is told.

use chrono::NaiveDate;

use super::invoices::{Effect, InvoiceStatus, bill_period, save_status, wrong_status};
use super::joining::activate;
use super::lane::Work;
use super::status::{DEBT, become_status};
use super::{lane, purchases};
use crate::billing::Cents;
use crate::error::Error;
use crate::rules::settle::{Begun, Settled, begin_scheduled, close_period, grant_plan};
use crate::rules::{EventKind, Happening, Scheduled, Status, calendar};
use crate::store::InvoiceRow;

/// An invoice was paid. What it pays for is given once, however often it is told, and whatever the
/// amount: what a gateway calls paid is paid, be it with interest or less a discount that the host
/// has granted there. That the amounts differ is told.
pub(super) fn settle_paid(
    work: &mut Work<'_>,
    row: &mut InvoiceRow,
    paid_on: Option<NaiveDate>,
    paid: Option<Cents>,
) -> Result<(), Error> {
    match InvoiceStatus::of(row) {
        InvoiceStatus::Paid => return Ok(()),
        InvoiceStatus::Cancelled => return Err(wrong_status(row)),
        InvoiceStatus::Pending | InvoiceStatus::Overdue | InvoiceStatus::Refunded => {}
    }
    row.paid_on = Some(paid_on.unwrap_or_else(|| work.today()));
    row.paid_cents = paid.map(Cents::get);
    if let Some(paid_cents) = row.paid_cents.filter(|&cents| cents != row.cents) {
        tell_difference(work, row.id, row.cents, paid_cents);
    }
    let given_before = row.settled;
    row.settled = true;
    save_status(work, row, InvoiceStatus::Paid)?;
    match (Effect::of(row), row.subscription, row.purchase) {
        (Effect::Give, _, Some(purchase)) if given_before => purchases::restore(work, purchase)?,
        _ if given_before => {}
        (Effect::Activate, Some(subscription), _) => activate(work, subscription)?,
        (Effect::Renew, Some(subscription), _) => renew(work, subscription)?,
        (Effect::Give, _, Some(purchase)) => purchases::give(work, purchase)?,
        _ => {}
    }
    wait_for_what_was_taken_back(work)?;
    end_debt(work, "paid")
}

/// An invoice was paid though it had been cancelled: nothing is given for it. That the money is
/// there is noted and told once, so that somebody gives it back.
pub(super) fn note_paid_in_vain(
    work: &mut Work<'_>,
    row: &mut InvoiceRow,
    paid_on: Option<NaiveDate>,
    paid: Option<Cents>,
) -> Result<(), Error> {
    if row.paid_cents.is_some() {
        return Ok(());
    }
    let paid_cents = paid.map_or(row.cents, Cents::get);
    row.paid_on = Some(paid_on.unwrap_or_else(|| work.today()));
    row.paid_cents = Some(paid_cents);
    tell_difference(work, row.id, 0, paid_cents);
    Ok(work.write.save_invoice(row)?)
}

fn tell_difference(work: &mut Work<'_>, invoice: i64, amount_cents: i64, paid_cents: i64) {
    let kind = EventKind::PaymentDiffers { invoice, amount_cents, paid_cents };
    work.happened.push(Happening { at: work.now, resource: None, kind });
}

/// The period after the next due date is paid. One that has lapsed for want of payment goes on.
fn renew(work: &mut Work<'_>, subscription: i64) -> Result<(), Error> {
    let (rules, now) = (&work.compiled.rulebook, work.now);
    let account = &mut work.loaded.account;
    let lapsed = account.subscription.as_ref().is_none_or(|it| it.lapsed);
    if let Some(next) = account.scheduled.as_mut().filter(|it| it.terms.id == subscription) {
        next.terms.paid += 1;
        work.write.save_scheduled(next)?;
        if lapsed && next.may_begin() {
            begin_late(work)?;
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
    work.write.save_period(work.loaded.row, &closed)?;
    grant_plan(&mut work.loaded.account, rules, now);
    let kind = EventKind::Renewed { period: work.loaded.account.period };
    work.happened.push(Happening { at: now, resource: None, kind });
    bill_period(work.write, work.loaded, &begun)
}

/// Begins the scheduled plan that its payment came too late for: now, its day of the month stays.
fn begin_late(work: &mut Work<'_>) -> Result<(), Error> {
    let (rules, now) = (&work.compiled.rulebook, work.now);
    let account = &mut work.loaded.account;
    let time_zone = account.time_zone;
    if let Some(Scheduled { terms, .. }) = account.scheduled.as_mut() {
        while calendar::end_of_due_day(terms.first_due, time_zone) <= now {
            let months = terms.period_months;
            terms.first_due = calendar::due_date(terms.anchor_day, terms.first_due, months);
        }
    }
    let mut settled = Settled::default();
    begin_scheduled(account, rules, now, &mut settled);
    work.happened.append(&mut settled.happened);
    lane::write_settled(work.write, work.loaded, &settled)
}

/// A tenant in arrears that has no overdue invoice any more is in order again; so is one that was
/// suspended for its debt.
pub(super) fn end_debt(work: &mut Work<'_>, why: &str) -> Result<(), Error> {
    let status = work.loaded.account.status;
    let for_debt = status == Status::PastDue
        || (status == Status::Suspended && work.loaded.status_reason == DEBT);
    if !for_debt {
        return Ok(());
    }
    let invoices = work.write.invoices(work.loaded.row)?;
    if invoices.iter().any(|it| InvoiceStatus::of(it) == InvoiceStatus::Overdue) {
        return Ok(());
    }
    become_status(work, Status::Active, why, false)
}

/// An invoice was not paid in time. Which time is the invoice's to say, however early or late a
/// gateway tells of it: told before the due day, it is remembered until that has passed.
pub(super) fn settle_overdue(work: &mut Work<'_>, row: &mut InvoiceRow) -> Result<bool, Error> {
    if InvoiceStatus::of(row) != InvoiceStatus::Pending {
        return Ok(false);
    }
    if work.today() < row.due {
        row.told_overdue = true;
        work.write.save_invoice(row)?;
        return Ok(false);
    }
    save_status(work, row, InvoiceStatus::Overdue)?;
    if work.loaded.account.status == Status::Active {
        become_status(work, Status::PastDue, DEBT, false)?;
    }
    Ok(true)
}

/// A payment was taken back: the subscription waits to be paid again, and what is left of
/// something that was bought is taken back too. Told before the payment itself, it is remembered.
pub(super) fn settle_reversed(work: &mut Work<'_>, row: &mut InvoiceRow) -> Result<bool, Error> {
    match InvoiceStatus::of(row) {
        InvoiceStatus::Paid | InvoiceStatus::Pending | InvoiceStatus::Overdue => {}
        InvoiceStatus::Cancelled | InvoiceStatus::Refunded => return Ok(false),
    }
    save_status(work, row, InvoiceStatus::Refunded)?;
    if let Some(purchase) = row.purchase.filter(|_| row.settled) {
        purchases::take_back(work, purchase)?;
    }
    wait_for_what_was_taken_back(work)?;
    Ok(true)
}

/// A subscription waits to be paid again as long as a payment for it is taken back.
fn wait_for_what_was_taken_back(work: &mut Work<'_>) -> Result<(), Error> {
    let Some(terms) = work.loaded.account.subscription.as_mut() else { return Ok(()) };
    let taken_back = |it: &InvoiceRow| {
        let of_plan = it.subscription == Some(terms.id) && it.purchase.is_none();
        of_plan && InvoiceStatus::of(it) == InvoiceStatus::Refunded
    };
    terms.pending = work.write.invoices(work.loaded.row)?.iter().any(taken_back);
    Ok(())
}
