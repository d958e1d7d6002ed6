//! The one path that settles invoices, whether a gateway reports a payment or an operator marks it
//! manually: what is paid for is given once, however often it is reported.

use chrono::NaiveDate;

use super::admin_tx::AdminTx;
use super::at_gateway::renew_now;
use super::charges::OVERDUE;
use super::due_dates::is_billed;
use super::invoices::{Effect, InvoiceStatus, save_status, wrong_status};
use super::joining::activate;
use super::status::{become_status, change_status};
use super::{admin_tx, purchases};
use crate::catalog::BillingMode;
use crate::error::Error;
use crate::rules::settle::{Settled, begin_scheduled};
use crate::rules::{DEBT, EventKind, Scheduled, Status, TenantEvent, calendar};
use crate::store::InvoiceRow;

/// An invoice was paid. What it pays for is given once, however often that is reported, and
/// whatever the amount: what a gateway calls paid is paid, be it with interest or less a discount.
/// That the amounts differ is an event, unless what was asked for `agrees`.
pub(super) fn settle_paid(
    tx: &mut AdminTx<'_>,
    row: &mut InvoiceRow,
    paid_on: Option<NaiveDate>,
    paid_cents: Option<i64>,
    agrees: bool,
) -> Result<(), Error> {
    match InvoiceStatus::of(row) {
        InvoiceStatus::Paid => return Ok(()),
        InvoiceStatus::Cancelled => return Err(wrong_status(row)),
        InvoiceStatus::Pending | InvoiceStatus::Overdue | InvoiceStatus::Refunded => {}
    }
    row.paid_on = Some(paid_on.unwrap_or_else(|| tx.today()));
    row.paid_cents = paid_cents;
    if let Some(paid_cents) = row.paid_cents.filter(|&cents| cents != row.cents && !agrees) {
        report_difference(tx, row.id, row.cents, paid_cents);
    }
    let given_before = row.settled;
    row.settled = true;
    save_status(tx, row, InvoiceStatus::Paid)?;
    let was_billed = is_billed(tx);
    become_customer(tx, row)?;
    match (Effect::of(row), row.subscription, row.purchase) {
        (Effect::Give, _, Some(purchase)) if given_before => purchases::restore(tx, purchase)?,
        _ if given_before => {}
        (Effect::Activate, Some(subscription), _) => activate(tx, subscription, row, was_billed)?,
        (Effect::Renew, Some(subscription), _) => renew(tx, subscription, row.due)?,
        (Effect::Give, _, Some(purchase)) => purchases::give(tx, purchase)?,
        _ => {}
    }
    wait_for_what_was_taken_back(tx)?;
    end_debt(tx, "paid")
}

/// A demonstration, or a tenant that is being set up, that pays is a customer.
fn become_customer(tx: &mut AdminTx<'_>, row: &InvoiceRow) -> Result<(), Error> {
    if !matches!(tx.loaded.account.status, Status::Demo | Status::Onboarding) {
        return Ok(());
    }
    match Effect::of(row) {
        // The plan that begins with this payment ends the present one, which was not billed.
        Effect::Activate => become_status(tx, Status::Active, "paid", false),
        _ => change_status(tx, Status::Active, "paid", false),
    }
}

/// An invoice was paid though it had been cancelled: nothing is given for it. That the money is
/// there is noted and reported once, so that an operator gives it back or assigns it.
pub(super) fn note_paid_in_vain(
    tx: &mut AdminTx<'_>,
    row: &mut InvoiceRow,
    paid_on: Option<NaiveDate>,
    paid_cents: Option<i64>,
) -> Result<(), Error> {
    if row.paid_cents.is_some() {
        return Ok(());
    }
    let paid_cents = paid_cents.unwrap_or(row.cents);
    row.paid_on = Some(paid_on.unwrap_or_else(|| tx.today()));
    row.paid_cents = Some(paid_cents);
    report_difference(tx, row.id, 0, paid_cents);
    Ok(tx.write.save_invoice(row)?)
}

fn report_difference(tx: &mut AdminTx<'_>, invoice: i64, amount_cents: i64, paid_cents: i64) {
    let kind = EventKind::PaymentDiffers { invoice, amount_cents, paid_cents };
    tx.events.push(TenantEvent { at: tx.now, resource: None, kind });
}

/// A part of what an invoice's charges paid was given back: it stays paid, with another amount.
pub(super) fn note_partly_refunded(
    tx: &mut AdminTx<'_>,
    row: &mut InvoiceRow,
) -> Result<(), Error> {
    let charges = tx.write.charges_of_invoice(row.id)?;
    let paid = charges.iter().filter(|it| it.is_paid());
    let refunded_cents: i64 = paid.clone().filter_map(|it| it.refunded_cents).sum();
    let whole: i64 = paid.map(|it| it.cents.unwrap_or(row.cents)).sum();
    let paid_cents = (whole - refunded_cents).max(0);
    row.paid_cents = Some(paid_cents);
    tx.write.save_invoice(row)?;
    let kind = EventKind::PartlyRefunded { invoice: row.id, refunded_cents, paid_cents };
    tx.events.push(TenantEvent { at: tx.now, resource: None, kind });
    Ok(())
}

/// The period after the next due date is paid. One that has lapsed for want of payment goes on.
fn renew(tx: &mut AdminTx<'_>, subscription: i64, due: NaiveDate) -> Result<(), Error> {
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
    let Some(terms) = account.subscription.as_mut().filter(|it| it.id == subscription) else {
        return Ok(());
    };
    if terms.billing == BillingMode::Advance && due >= terms.due() {
        terms.paid = terms.renewed + 1;
    }
    // Paid late: the anchor stays, the period begins now.
    if terms.lapsed && terms.renews() { renew_now(tx) } else { Ok(()) }
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
/// gateway reports it: until its due day has ended in the tenant's zone it is remembered. What is
/// given only when it is paid is an offer, and never overdue.
pub(super) fn settle_overdue(tx: &mut AdminTx<'_>, row: &mut InvoiceRow) -> Result<bool, Error> {
    if InvoiceStatus::of(row) != InvoiceStatus::Pending || row.is_offer() {
        return Ok(false);
    }
    row.reported_overdue = true;
    if !has_passed(tx, row) {
        tx.write.save_invoice(row)?;
        return Ok(false);
    }
    become_overdue(tx, row)?;
    Ok(true)
}

fn has_passed(tx: &AdminTx<'_>, row: &InvoiceRow) -> bool {
    calendar::end_of_due_day(row.due, tx.loaded.account.time_zone) <= tx.now
}

fn become_overdue(tx: &mut AdminTx<'_>, row: &mut InvoiceRow) -> Result<(), Error> {
    save_status(tx, row, InvoiceStatus::Overdue)?;
    if tx.loaded.account.status == Status::Active {
        become_status(tx, Status::PastDue, DEBT, false)?;
    }
    Ok(())
}

/// A charge that was not paid in time was withdrawn before its invoice was due: what it said does
/// not count any more, unless another charge says so too.
pub(super) fn forget_overdue(tx: &mut AdminTx<'_>, row: &mut InvoiceRow) -> Result<(), Error> {
    if !row.reported_overdue || InvoiceStatus::of(row) != InvoiceStatus::Pending {
        return Ok(());
    }
    let charges = tx.write.charges_of_invoice(row.id)?;
    row.reported_overdue = charges.iter().any(|it| it.state == OVERDUE);
    Ok(tx.write.save_invoice(row)?)
}

/// The last payment of an invoice was taken back. Reported before the payment itself, it is
/// remembered. Where it pays the running period in advance, the subscription waits to be paid
/// again; a period that has not begun is not paid any more; what is left of something that was
/// bought is taken back. What was used already is a debt again if the payer's bank took the money.
pub(super) fn settle_reversed(
    tx: &mut AdminTx<'_>,
    row: &mut InvoiceRow,
    is_chargeback: bool,
) -> Result<bool, Error> {
    match InvoiceStatus::of(row) {
        InvoiceStatus::Paid | InvoiceStatus::Pending | InvoiceStatus::Overdue => {}
        InvoiceStatus::Refunded => return Ok(false),
        InvoiceStatus::Cancelled => {
            // The money that was there in vain is gone.
            (row.paid_on, row.paid_cents) = (None, None);
            tx.write.save_invoice(row)?;
            return Ok(false);
        }
    }
    let pays = what_it_pays(tx, row)?;
    let is_debt = is_chargeback && pays == Pays::Past;
    if pays == Pays::Coming && row.settled {
        row.settled = false;
        take_period_back(tx, row)?;
    }
    if is_debt {
        (row.paid_on, row.paid_cents) = (None, None);
        row.reported_overdue = true;
    }
    if is_debt && has_passed(tx, row) {
        become_overdue(tx, row)?;
    } else {
        let after = if is_debt { InvoiceStatus::Pending } else { InvoiceStatus::Refunded };
        save_status(tx, row, after)?;
    }
    if let Some(purchase) = row.purchase.filter(|_| row.settled) {
        purchases::take_back(tx, purchase)?;
    }
    wait_for_what_was_taken_back(tx)?;
    end_debt(tx, "the payment was given back")?;
    Ok(true)
}

/// What of a subscription an invoice pays for, as of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pays {
    /// The running period, in advance.
    Running,
    /// A period that has not begun.
    Coming,
    /// What has been used: a period that has passed, or the running one in arrears.
    Past,
    /// What is given only when it is paid.
    Offer,
}

fn what_it_pays(tx: &AdminTx<'_>, row: &InvoiceRow) -> Result<Pays, Error> {
    let account = &tx.loaded.account;
    let is_its = |id: i64| row.subscription == Some(id);
    if account.scheduled.as_ref().is_some_and(|it| is_its(it.terms.id)) {
        return Ok(Pays::Coming);
    }
    match Effect::of(row) {
        Effect::Give => return Ok(Pays::Offer),
        Effect::Nothing => return Ok(Pays::Past),
        Effect::Activate | Effect::Renew => {}
    }
    let Some(terms) = account.subscription.as_ref().filter(|it| is_its(it.id)) else {
        let awaits = Effect::of(row) == Effect::Activate && !row.settled;
        return Ok(if awaits { Pays::Offer } else { Pays::Past });
    };
    let rows = tx.write.invoices(tx.loaded.row)?;
    let of_plan = |it: &&InvoiceRow| {
        is_its_plan(it, terms.id) && (Effect::of(it) == Effect::Activate || it.due < terms.due())
    };
    if terms.billing != BillingMode::Advance {
        return Ok(Pays::Past);
    }
    if Effect::of(row) == Effect::Renew && row.due >= terms.due() {
        return Ok(Pays::Coming);
    }
    // The running period is paid by the last of its plan's invoices that were due before.
    let last = rows.iter().filter(of_plan).filter(|it| it.settled).max_by_key(|it| (it.due, it.id));
    Ok(if terms.has_period() && last.is_some_and(|it| it.id == row.id) {
        Pays::Running
    } else {
        Pays::Past
    })
}

fn is_its_plan(row: &InvoiceRow, subscription: i64) -> bool {
    row.subscription == Some(subscription)
        && matches!(Effect::of(row), Effect::Activate | Effect::Renew)
}

/// A period that has not begun is not paid any more.
fn take_period_back(tx: &mut AdminTx<'_>, row: &InvoiceRow) -> Result<(), Error> {
    let account = &mut tx.loaded.account;
    let is_its = |id: i64| row.subscription == Some(id);
    if let Some(next) = account.scheduled.as_mut().filter(|it| is_its(it.terms.id)) {
        next.terms.paid = next.terms.paid.saturating_sub(1);
        return Ok(tx.write.save_scheduled(next)?);
    }
    if let Some(terms) = account.subscription.as_mut().filter(|it| is_its(it.id)) {
        terms.paid = terms.paid.saturating_sub(1);
    }
    Ok(())
}

/// A subscription waits to be paid again as long as the payment of its running period is taken
/// back.
fn wait_for_what_was_taken_back(tx: &mut AdminTx<'_>) -> Result<(), Error> {
    let Some(terms) = tx.loaded.account.subscription.as_ref() else { return Ok(()) };
    let mut waits = false;
    for row in tx.write.invoices(tx.loaded.row)? {
        let is_refunded = InvoiceStatus::of(&row) == InvoiceStatus::Refunded;
        if is_refunded && is_its_plan(&row, terms.id) {
            waits |= what_it_pays(tx, &row)? == Pays::Running;
        }
    }
    if let Some(terms) = tx.loaded.account.subscription.as_mut() {
        terms.pending = waits;
    }
    Ok(())
}
