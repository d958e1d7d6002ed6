//! What falls due is written: the invoice of a due date follows what is to be paid then, until it
//! has a charge or is paid. `rules::invoice` says what that is; here it meets the database.

use chrono::NaiveDate;

use super::admin_tx::AdminTx;
use super::invoices::{Effect, InvoiceStatus, Payer, is_debited, new_invoice, save_new};
use crate::catalog::BillingMode;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::invoice::{ChargedAgain, falls_due, not_yet_written};
use crate::rules::settle::CancelledByClock;
use crate::rules::{Line, LineKind, Subscription, calendar};
use crate::store::{Gathers, InvoiceRow, Loaded, Write};

/// Writes what falls due on the due date of a period, of the subscription and of what follows it.
pub(super) fn bill_due_date(
    write: &Write<'_>,
    tenant: i64,
    terms: &Subscription,
    scheduled: Option<&Subscription>,
) -> Result<(), Error> {
    let packages = write.recurring_purchases(tenant)?.into_iter();
    let again =
        packages.map(|it| ChargedAgain { purchase: it.id, title: it.package, cents: it.cents });
    let wanted = falls_due(terms, scheduled, &again.collect::<Vec<_>>());
    set_lines(write, tenant, terms, wanted)
}

/// Writes what falls due with the present period again, since something about it has changed.
pub(super) fn bill_again(tx: &AdminTx<'_>) -> Result<(), Error> {
    let account = &tx.loaded.account;
    let Some(terms) = account.subscription.as_ref().filter(|it| it.has_period()) else {
        return Ok(());
    };
    if !is_billed(tx) || terms.cancelled_at.is_some() {
        return Ok(());
    }
    let scheduled = account.scheduled.as_ref().map(|it| &it.terms);
    bill_due_date(tx.write, tx.loaded.row, terms, scheduled)
}

/// Whether the tenant's status is one that is billed.
pub(super) fn is_billed(tx: &AdminTx<'_>) -> bool {
    tx.compiled.rulebook.statuses.row(tx.loaded.account.status).billed
}

/// Brings the invoices of the due date of `terms` to these lines; what has a charge, is paid or
/// was cancelled stays, and counts as written.
fn set_lines(
    write: &Write<'_>,
    tenant: i64,
    terms: &Subscription,
    wanted: Vec<Line>,
) -> Result<(), Error> {
    let due = terms.due();
    let (open, fixed) = gathered(write, tenant, due)?;
    let mut lines = not_yet_written(wanted, &fixed);
    match open {
        None if lines.is_empty() => Ok(()),
        None => insert(write, tenant, terms, due, &lines),
        Some((mut row, old)) => {
            // Of one that was withdrawn all lines are stale.
            let stays = |line: &Line| line.is_final && row.gathers == Gathers::Yes;
            lines.extend(old.into_iter().filter(stays));
            replace(write, &mut row, &lines)
        }
    }
}

/// The period that follows a due date ends on another day: the lines that pay it already say so.
/// Their amounts stay, since a period costs its price however long it is.
pub(super) fn move_end_of_next(
    write: &Write<'_>,
    tenant: i64,
    due: NaiveDate,
    to: NaiveDate,
) -> Result<(), Error> {
    let first = due.succ_opt();
    for row in write.gathering(tenant, due)?.iter().filter(|row| is_fixed(row)) {
        let mut lines = write.lines(row.id)?;
        let of_next = |line: &&mut Line| !line.is_final && line.from == first;
        for line in lines.iter_mut().filter(of_next) {
            line.to = Some(to);
        }
        write.save_lines(row, &lines)?;
    }
    Ok(())
}

/// Adds lines that stay to what falls due on a day.
pub(super) fn add_lines(
    write: &Write<'_>,
    tenant: i64,
    terms: &Subscription,
    due: NaiveDate,
    lines: Vec<Line>,
) -> Result<(), Error> {
    let added = lines.into_iter().filter(|it| it.cents > 0);
    let added: Vec<_> = added.map(|it| Line { is_final: true, ..it }).collect();
    let (open, _) = gathered(write, tenant, due)?;
    match open.filter(|(row, _)| row.gathers == Gathers::Yes) {
        _ if added.is_empty() => Ok(()),
        None => insert(write, tenant, terms, due, &added),
        Some((mut row, mut lines)) => {
            lines.extend(added);
            replace(write, &mut row, &lines)
        }
    }
}

/// An invoice with its lines.
type WithLines = (InvoiceRow, Vec<Line>);

/// The invoice of a day that takes more lines, or did, and the lines of those that do not.
fn gathered(
    write: &Write<'_>,
    tenant: i64,
    due: NaiveDate,
) -> Result<(Option<WithLines>, Vec<Line>), Error> {
    let mut rows = write.gathering(tenant, due)?;
    // One that stands goes before one that was withdrawn.
    rows.sort_by_key(|row| row.gathers == Gathers::Withdrawn);
    let (mut open, mut fixed) = (None, Vec::new());
    for row in rows {
        let lines = write.lines(row.id)?;
        if is_fixed(&row) {
            fixed.extend(lines);
        } else if open.is_none() {
            open = Some((row, lines));
        } else if row.gathers == Gathers::Yes {
            fixed.extend(lines);
        }
    }
    Ok((open, fixed))
}

/// Whether the lines of an invoice stay as they are: it has a charge, or had one that was paid. One
/// that was not paid in time may be paid yet; one that failed or was withdrawn fixes nothing.
pub(super) fn is_fixed(row: &InvoiceRow) -> bool {
    let has_charge = row.gateway_id.is_some() || row.reported_overdue;
    if row.gathers == Gathers::Withdrawn {
        return has_charge || row.paid_cents.is_some();
    }
    has_charge || InvoiceStatus::of(row) != InvoiceStatus::Pending || row.parts > 1
}

fn insert(
    write: &Write<'_>,
    tenant: i64,
    terms: &Subscription,
    due: NaiveDate,
    lines: &[Line],
) -> Result<(), Error> {
    let Some(payer) = write.subscription(terms.id)? else { return Ok(()) };
    let new = InvoiceRow { gathers: Gathers::Yes, ..new_invoice(tenant, Payer::of(&payer), due) };
    save_new(write, of_lines(new, lines), lines).map(|_| ())
}

/// Writes other lines of an invoice; without any it is withdrawn.
fn replace(write: &Write<'_>, row: &mut InvoiceRow, lines: &[Line]) -> Result<(), Error> {
    if lines.is_empty() {
        row.gathers = Gathers::Withdrawn;
        InvoiceStatus::Cancelled.code().clone_into(&mut row.status);
        return Ok(write.save_invoice(row)?);
    }
    row.gathers = Gathers::Yes;
    InvoiceStatus::Pending.code().clone_into(&mut row.status);
    *row = of_lines(row.clone(), lines);
    write.save_invoice(row)?;
    Ok(write.save_lines(row, lines)?)
}

/// An invoice as its lines make it: its title, its amount, and what paying it does.
pub(super) fn of_lines(row: InvoiceRow, lines: &[Line]) -> InvoiceRow {
    let is_of_period = |it: &&Line| it.kind == LineKind::Plan && !it.is_final;
    // In advance that is the period which begins after the due date.
    let plan = lines.iter().filter(is_of_period).max_by_key(|it| it.to);
    let effect = if plan.is_some() { Effect::Renew } else { Effect::Nothing };
    let subscription = plan.and_then(|it| it.subscription).or(row.subscription);
    let mut row = InvoiceRow {
        title: lines.first().map(|it| it.title.clone()).unwrap_or_default(),
        cents: lines.iter().map(|it| it.cents).sum(),
        effect: effect.code().to_owned(),
        subscription,
        ..row
    };
    row.recurring = is_debited(&row);
    row
}

// ---- a subscription begins, changes or ends ---------------------------------------------------

/// Writes what is to be paid for a subscription that begins on `from`: in advance its first period
/// at once, unless that is paid already, and what falls due on its first due date.
pub(super) fn bill_beginning(
    write: &Write<'_>,
    tenant: i64,
    terms: &Subscription,
    is_paid: bool,
) -> Result<(), Error> {
    if terms.price_cents.is_none() {
        return Err(Error::PriceMissing { plan: terms.plan.clone() });
    }
    let from = terms.period_from();
    if terms.billing == BillingMode::Advance && !is_paid {
        let line = Line::of_plan(terms, from, terms.due(), terms.price_cents.unwrap_or(0));
        add_lines(write, tenant, terms, from, vec![line])?;
    }
    bill_due_date(write, tenant, terms, None)
}

/// A subscription ends in the middle of its period. In arrears that is due at once, in full; in
/// advance nothing more is owed. Nothing falls due any more on its due date.
pub(super) fn bill_end(
    write: &Write<'_>,
    tenant: i64,
    terms: &Subscription,
    today: NaiveDate,
    is_billed: bool,
) -> Result<(), Error> {
    if !terms.has_period() || terms.cancelled_at.is_some() {
        return Ok(());
    }
    let mut ended = Vec::new();
    if is_billed && terms.billing == BillingMode::Arrears {
        let (_, fixed) = gathered(write, tenant, terms.due())?;
        // Of what falls due then, nothing but the period of the plan.
        let followed_by_none = Subscription { auto_renew: false, ..terms.clone() };
        let from = terms.period_from();
        ended = not_yet_written(falls_due(&followed_by_none, None, &[]), &fixed);
        for line in &mut ended {
            line.to = Some(today.max(from));
        }
    }
    add_lines(write, tenant, terms, today, ended)?;
    set_lines(write, tenant, terms, Vec::new())
}

/// Writes what is to be paid by a tenant that the clock cancelled, and cancels what is not.
pub(super) fn bill_cancelled(
    write: &Write<'_>,
    loaded: &Loaded,
    cancelled: &CancelledByClock,
) -> Result<(), Error> {
    let CancelledByClock { at, terms, scheduled, was_billed } = cancelled;
    if let Some(terms) = terms {
        let today = calendar::date_of(*at, loaded.account.time_zone);
        let ended = Subscription { cancelled_at: None, ..terms.clone() };
        bill_end(write, loaded.row, &ended, today, *was_billed)?;
    }
    drop_offers(write, loaded.row, *at, *scheduled)
}

/// Forgets what was chosen, scheduled or offered: nothing begins any more.
fn drop_offers(
    write: &Write<'_>,
    tenant: i64,
    at: Timestamp,
    scheduled: Option<i64>,
) -> Result<(), Error> {
    let pending = write.pending_subscription(tenant)?.map(|it| it.id);
    for id in pending.into_iter().chain(scheduled) {
        write.drop_subscription(id, at)?;
    }
    cancel_offers(write, tenant, |_| true)
}

/// Cancels offers that are not paid, with all their instalments.
pub(super) fn cancel_offers(
    write: &Write<'_>,
    tenant: i64,
    is_meant: impl Fn(&InvoiceRow) -> bool,
) -> Result<(), Error> {
    let rows = write.invoices(tenant)?;
    let offers = rows.iter().filter(|it| it.is_offer() && !it.settled && is_meant(it));
    let offers: Vec<_> = offers.map(|it| (it.subscription, it.purchase, it.parts)).collect();
    for mut row in rows {
        let of_offer = offers.iter().any(|&(subscription, purchase, parts)| {
            (row.subscription, row.purchase, row.parts) == (subscription, purchase, parts)
                && (row.is_offer() || parts > 1)
        });
        if of_offer && InvoiceStatus::of(&row).waits() {
            InvoiceStatus::Cancelled.code().clone_into(&mut row.status);
            write.save_invoice(&row)?;
        }
    }
    Ok(())
}

/// Cancels the offers that have run out by now: those due on `due` or before, and a plan that was
/// chosen with them.
pub(super) fn end_offers(
    write: &Write<'_>,
    tenant: i64,
    due: NaiveDate,
    at: Timestamp,
) -> Result<(), Error> {
    let rows = write.invoices(tenant)?;
    let has_run_out = |it: &&InvoiceRow| it.is_offer() && it.due <= due && it.status == "pending";
    for row in rows.iter().filter(has_run_out).filter(|it| Effect::of(it) == Effect::Activate) {
        if let Some(chosen) = row.subscription {
            write.drop_subscription(chosen, at)?;
        }
    }
    cancel_offers(write, tenant, |it| has_run_out(&it))
}

/// The tenant is cancelled by an operator: its period ends, and nothing follows.
pub(super) fn cancel_tenant(tx: &mut AdminTx<'_>, was_billed: bool) -> Result<(), Error> {
    let (now, write, row) = (tx.now, tx.write, tx.loaded.row);
    let today = tx.today();
    let account = &mut tx.loaded.account;
    let scheduled = account.scheduled.take().map(|it| it.terms.id);
    account.awaits_payment = false;
    if let Some(terms) = account.subscription.as_mut() {
        bill_end(write, row, terms, today, was_billed)?;
        terms.cancelled_at = Some(now);
    }
    drop_offers(write, row, now, scheduled)
}

/// The tenant is brought back before its period has ended: that goes on, with its invoices.
pub(super) fn resume_cancelled(tx: &mut AdminTx<'_>) -> Result<(), Error> {
    let (write, row) = (tx.write, tx.loaded.row);
    let zone = tx.loaded.account.time_zone;
    let Some(terms) = tx.loaded.account.subscription.as_mut() else { return Ok(()) };
    let Some(cancelled_at) = terms.cancelled_at.take() else { return Ok(()) };
    // What was due on the day of cancelling falls due with the period again.
    let day = calendar::date_of(cancelled_at, zone);
    let (id, from) = (terms.id, terms.period_from());
    let is_of_period =
        |line: &Line| line.is_final && line.subscription == Some(id) && line.from == Some(from);
    for mut invoice in write.gathering(row, day)? {
        let mut lines = write.lines(invoice.id)?;
        if terms.billing == BillingMode::Advance || !lines.iter().any(is_of_period) {
            continue;
        }
        if is_fixed(&invoice) {
            // It stays billed as it is: nothing of the plan falls due for this period again.
            terms.peak_cents = Some(0);
        } else {
            lines.retain(|line| !is_of_period(line));
            replace(write, &mut invoice, &lines)?;
        }
    }
    bill_again(tx)
}
