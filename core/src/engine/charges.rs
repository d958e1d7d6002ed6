//! Charges of a tenant: what events say of them, which invoice each is for, and what its invoice
//! becomes by it. An invoice follows its charges: one that failed or was withdrawn binds nothing.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use chrono_tz::America::Sao_Paulo;

use super::admin_tx::AdminTx;
use super::invoices::{Effect, InvoiceStatus};
use super::paying;
use super::payments::{IgnoredBecause, PaymentOutcome};
use crate::billing::matching::{self, Candidate, Facts, Openness, Referenced};
use crate::billing::reference::Reference;
use crate::billing::{Cents, PaymentEvent, PaymentEventKind, PaymentMethod};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::{EventKind, TenantEvent, calendar};
use crate::store::{ChargeRow, InvoiceRow, PAID};

/// The state of a charge that waits to be paid.
pub(super) const OPEN: &str = "open";
/// The state of a charge that was not paid in time.
pub(super) const OVERDUE: &str = "overdue";
/// The state of a charge that will not be paid.
pub(super) const WITHDRAWN: &str = "withdrawn";
/// The state of a charge whose payment was taken back.
pub(super) const REVERSED: &str = "reversed";

/// What an event does to a charge that is bound to an invoice.
pub(super) struct Step<'a> {
    pub(super) charge: &'a ChargeRow,
    pub(super) kind: PaymentEventKind,
    /// Whether the event is the last that happened to the charge.
    pub(super) is_news: bool,
    /// Whether the charge was paid before the event.
    pub(super) was_paid: bool,
}

/// Whether an event of this kind is about money that came, or went back.
pub(super) fn is_money(kind: PaymentEventKind) -> bool {
    use PaymentEventKind::{ChargedBack, Paid, PartlyReversed, Reversed};
    matches!(kind, Paid | Reversed | ChargedBack | PartlyReversed)
}

/// The day in the gateways' zone, where no tenant has another one.
pub(super) fn today(now: Timestamp) -> NaiveDate {
    calendar::date_of(now, Sao_Paulo)
}

/// A charge of which nothing is known yet but what names it. The host's own text in the reference
/// field is not stored.
pub(super) fn new_row(event: &PaymentEvent, has_reference: bool) -> ChargeRow {
    ChargeRow {
        gateway: event.gateway.code().to_owned(),
        id: event.payment.clone(),
        state: OPEN.to_owned(),
        subscription: event.subscription.clone(),
        installment: event.installment.clone(),
        customer: event.customer.clone(),
        reference: event.reference.clone().filter(|_| has_reference),
        ..ChargeRow::default()
    }
}

/// Notes what an event says of a charge. Says whether it is news: events come in any order, and
/// the last that happened to a payment, by the gateway's clock, is what counts.
pub(super) fn learn(
    charge: &mut ChargeRow,
    event: &PaymentEvent,
    today: NaiveDate,
    now: Timestamp,
) -> bool {
    if charge.number == 0 {
        charge.received_at = now;
    }
    let is_money = is_money(event.kind);
    if is_money && let Some(at) = event.occurred_at.map(|at| at.min(now)) {
        let is_stale = charge.reported_at.is_some_and(|last| at < last);
        charge.reported_at = charge.reported_at.max(Some(at));
        if is_stale {
            return false;
        }
    }
    let is_decided = charge.is_paid() || charge.state == REVERSED;
    if !is_money && is_decided {
        return false;
    }
    let state = match event.kind {
        PaymentEventKind::Paid | PaymentEventKind::PartlyReversed => PAID,
        PaymentEventKind::Reversed | PaymentEventKind::ChargedBack => REVERSED,
        PaymentEventKind::Overdue => OVERDUE,
        PaymentEventKind::Withdrawn => WITHDRAWN,
        _ => charge.state.as_str(),
    };
    charge.state = state.to_owned();
    learn_facts(charge, event);
    if event.kind == PaymentEventKind::Paid {
        let events = event.occurred_at.map(|at| calendar::date_of(at.min(now), Sao_Paulo));
        charge.paid_on = event.paid_on.or(events).or(Some(today));
        charge.refunded_cents = None;
    }
    true
}

fn learn_facts(charge: &mut ChargeRow, event: &PaymentEvent) {
    fn set<T>(to: &mut Option<T>, from: Option<T>) {
        if from.is_some() {
            *to = from;
        }
    }
    set(&mut charge.cents, event.amount.map(Cents::get));
    set(&mut charge.original_cents, event.original.map(Cents::get));
    if event.kind == PaymentEventKind::PartlyReversed {
        set(&mut charge.refunded_cents, event.refunded.map(Cents::get));
    }
    set(&mut charge.due, event.due);
    set(&mut charge.original_due, event.original_due);
    set(&mut charge.subscription, event.subscription.clone());
    set(&mut charge.installment, event.installment.clone());
    set(&mut charge.part, event.part);
    set(&mut charge.customer, event.customer.clone());
    if event.method != PaymentMethod::Other {
        event.method.code().clone_into(&mut charge.method);
    }
}

/// The event of money that pays nothing.
pub(super) fn unmatched(charge: &ChargeRow) -> EventKind {
    let paid_cents = charge.cents.unwrap_or(0);
    EventKind::PaymentUnmatched { payment: name(charge), paid_cents }
}

/// A charge in an event: `asaas pay_1`.
fn name(charge: &ChargeRow) -> String {
    format!("{} {}", charge.gateway, charge.id)
}

// ---- which invoice it is for ----------------------------------------------------------------

/// The invoice of the tenant that a charge is for; `None`: there is none, or not yet.
pub(super) fn find_invoice(tx: &AdminTx<'_>, charge: &ChargeRow) -> Result<Option<i64>, Error> {
    let (tenant, zone) = (tx.loaded.row, tx.loaded.account.time_zone);
    let invoices = tx.write.invoices(tenant)?;
    let subscriptions = match &charge.subscription {
        Some(id) => tx.write.subscriptions_at_gateway(tenant, id)?,
        None => Vec::new(),
    };
    let by_installment = match &charge.installment {
        Some(id) => tx.write.invoices_of_installment(tenant, &charge.gateway, id)?,
        None => Vec::new(),
    };
    let is_known_payer = match &charge.customer {
        Some(id) => tx.write.is_known_customer(tenant, &charge.gateway, id)?,
        None => false,
    };
    let named = charge.reference.as_deref().and_then(Reference::parse);
    let named = named.filter(|it| it.tenant == tx.loaded.name).map(|it| it.invoice);
    let group = |id: i64| invoices.iter().find(|it| it.id == id).and_then(instalments_of);
    let named_group = named.and_then(group);
    let groups: BTreeSet<_> = by_installment.iter().filter_map(|&id| group(id)).collect();
    let candidate = |row: &InvoiceRow| Candidate {
        id: row.id,
        due: row.due,
        cents: row.cents,
        openness: match InvoiceStatus::of(row) {
            InvoiceStatus::Paid => Openness::Paid,
            InvoiceStatus::Cancelled => Openness::Cancelled,
            _ => Openness::Open,
        },
        of_subscription: row.subscription.is_some_and(|id| subscriptions.contains(&id)),
        of_plan: matches!(Effect::of(row), Effect::Renew | Effect::Activate),
        begins: Effect::of(row) == Effect::Activate,
        part: (row.part, row.parts),
        of_installment: by_installment.contains(&row.id)
            || instalments_of(row).is_some_and(|group| groups.contains(&group)),
        is_referenced: match named {
            Some(id) if id == row.id => Referenced::Itself,
            Some(_) if named_group.is_some() && instalments_of(row) == named_group => {
                Referenced::Sibling
            }
            _ => Referenced::No,
        },
    };
    let day = charge.original_due.or(charge.due);
    let facts = Facts {
        cents: charge.cents,
        original_cents: charge.original_cents,
        due: [charge.original_due, charge.due],
        part: charge.part,
        has_subscription: !subscriptions.is_empty(),
        has_installment: charge.installment.is_some(),
        is_known_payer,
        is_paid: charge.is_paid(),
        has_passed: day.is_none_or(|day| calendar::end_of_due_day(day, zone) <= tx.now),
    };
    Ok(matching::choose(&facts, &invoices.iter().map(candidate).collect::<Vec<_>>()))
}

/// What an invoice is an instalment of: subscription, purchase, number of instalments.
fn instalments_of(row: &InvoiceRow) -> Option<(Option<i64>, Option<i64>, u32)> {
    (row.parts > 1).then_some((row.subscription, row.purchase, row.parts))
}

/// Notes what the first charge of a payer says: what the gateway calls the tenant's subscription.
pub(super) fn learn_payer(tx: &AdminTx<'_>, charge: &ChargeRow) -> Result<(), Error> {
    let tenant = tx.loaded.row;
    if let Some(installment) = &charge.installment {
        tx.write.adopt_instalments(tenant, &charge.gateway, installment)?;
    }
    let (Some(gateway_id), Some(invoice)) = (&charge.subscription, charge.invoice) else {
        return Ok(());
    };
    let Some(row) = tx.write.invoice(invoice)? else { return Ok(()) };
    let of_plan = matches!(Effect::of(&row), Effect::Renew | Effect::Activate);
    let Some(subscription) = row.subscription.filter(|_| of_plan) else { return Ok(()) };
    if !tx.write.gateway_id_is_anothers(tenant, gateway_id)? {
        tx.write.learn_gateway_id(subscription, gateway_id)?;
        tx.write.adopt_charges(tenant, gateway_id)?;
    }
    Ok(())
}

/// Pays invoices with what waits for them: called when invoices were written, when a day has
/// passed that a payment waited for, and when more is known of who pays.
pub(super) fn match_waiting(tx: &mut AdminTx<'_>) -> Result<(), Error> {
    let tenant = tx.loaded.row;
    while let Some(mut charge) = next_match(tx)? {
        tx.write.save_charge(&mut charge)?;
        learn_payer(tx, &charge)?;
        let kind = PaymentEventKind::Paid;
        follow(tx, &Step { charge: &charge, kind, is_news: true, was_paid: false })?;
    }
    Ok(tx.write.load_waiting(tenant, &mut tx.loaded.account)?)
}

/// The first waiting payment for which there is an invoice by now, bound to it.
fn next_match(tx: &AdminTx<'_>) -> Result<Option<ChargeRow>, Error> {
    for charge in tx.write.waiting_charges(tx.loaded.row)? {
        if let Some(invoice) = find_invoice(tx, &charge)? {
            return Ok(Some(ChargeRow { invoice: Some(invoice), ..charge }));
        }
    }
    Ok(None)
}

// ---- what its invoice becomes ---------------------------------------------------------------

/// Brings the invoice of a charge into the state that its charges make.
pub(super) fn follow(tx: &mut AdminTx<'_>, step: &Step<'_>) -> Result<PaymentOutcome, Error> {
    let nothing = PaymentOutcome::Ignored(IgnoredBecause::NothingToDo);
    let Step { charge, kind, is_news, was_paid } = *step;
    let Some(id) = charge.invoice else { return Ok(nothing) };
    let Some(mut row) = tx.write.invoice(id)? else { return Ok(nothing) };
    if !charge.method.is_empty() && row.payment_method != charge.method && !is_settled(&row) {
        charge.method.clone_into(&mut row.payment_method);
        tx.write.save_invoice(&row)?;
    }
    if !is_news {
        return Ok(nothing);
    }
    let changed = match kind {
        PaymentEventKind::Paid => return follow_paid(tx, &mut row, charge, was_paid),
        PaymentEventKind::PartlyReversed => {
            let outcome = follow_paid(tx, &mut row, charge, was_paid)?;
            if InvoiceStatus::of(&row) != InvoiceStatus::Paid {
                return Ok(outcome);
            }
            paying::note_partly_refunded(tx, &mut row)?;
            true
        }
        PaymentEventKind::Overdue => paying::settle_overdue(tx, &mut row)?,
        PaymentEventKind::Withdrawn => {
            paying::forget_overdue(tx, &mut row)?;
            false
        }
        PaymentEventKind::Reversed | PaymentEventKind::ChargedBack => {
            let is_chargeback = kind == PaymentEventKind::ChargedBack;
            is_unpaid(tx, &row)? && paying::settle_reversed(tx, &mut row, is_chargeback)?
        }
        _ => false,
    };
    let status = InvoiceStatus::of(&row);
    Ok(if changed { PaymentOutcome::Applied { invoice: id, status } } else { nothing })
}

fn is_settled(row: &InvoiceRow) -> bool {
    matches!(InvoiceStatus::of(row), InvoiceStatus::Paid | InvoiceStatus::Cancelled)
}

fn follow_paid(
    tx: &mut AdminTx<'_>,
    row: &mut InvoiceRow,
    charge: &ChargeRow,
    was_paid: bool,
) -> Result<PaymentOutcome, Error> {
    let nothing = PaymentOutcome::Ignored(IgnoredBecause::NothingToDo);
    match InvoiceStatus::of(row) {
        InvoiceStatus::Paid if was_paid => Ok(nothing),
        InvoiceStatus::Paid => {
            let charges = tx.write.charges_of_invoice(row.id)?;
            if !charges.iter().any(|it| it.is_paid() && !are_of_one(it, charge)) {
                return Ok(nothing);
            }
            let paid_cents = charge.cents.unwrap_or(0);
            let kind = EventKind::PaidAgain { invoice: row.id, payment: name(charge), paid_cents };
            tx.events.push(TenantEvent { at: tx.now, resource: None, kind });
            Ok(PaymentOutcome::PaidAgain { invoice: row.id })
        }
        InvoiceStatus::Cancelled => {
            if !was_paid {
                tx.events.push(TenantEvent { at: tx.now, resource: None, kind: unmatched(charge) });
            }
            paying::note_paid_in_vain(tx, row, charge.paid_on, charge.cents)?;
            Ok(PaymentOutcome::Unmatched)
        }
        InvoiceStatus::Pending | InvoiceStatus::Overdue | InvoiceStatus::Refunded => {
            let paid = what_is_paid(tx, row, charge)?;
            // Instalments of an invoice that is due as a whole pay it when they make it up.
            if charge.installment.is_some() && paid.is_some_and(|paid| paid < row.cents) {
                row.paid_cents = paid;
                tx.write.save_invoice(row)?;
                return Ok(PaymentOutcome::Applied {
                    invoice: row.id,
                    status: InvoiceStatus::of(row),
                });
            }
            let agrees = charge.original_cents == Some(row.cents);
            paying::settle_paid(tx, row, charge.paid_on, paid, agrees)?;
            let status = InvoiceStatus::of(row);
            Ok(PaymentOutcome::Applied { invoice: row.id, status })
        }
    }
}

/// Whether two charges are one, or instalments of one payment.
fn are_of_one(one: &ChargeRow, other: &ChargeRow) -> bool {
    one.number == other.number
        || (one.installment.is_some() && one.installment == other.installment)
}

/// What a charge, and the instalments that belong to it, have paid of an invoice; `None`: nothing
/// says how much.
fn what_is_paid(
    tx: &AdminTx<'_>,
    row: &InvoiceRow,
    charge: &ChargeRow,
) -> Result<Option<i64>, Error> {
    if charge.installment.is_none() {
        return Ok(charge.cents);
    }
    let charges = tx.write.charges_of_invoice(row.id)?;
    let paid = charges.iter().filter(|it| it.is_paid() && are_of_one(it, charge));
    Ok(paid.map(|it| it.cents).try_fold(0_i64, |sum, cents| sum.checked_add(cents?)))
}

/// Whether no charge of an invoice is paid any more.
fn is_unpaid(tx: &AdminTx<'_>, row: &InvoiceRow) -> Result<bool, Error> {
    Ok(!tx.write.charges_of_invoice(row.id)?.iter().any(ChargeRow::is_paid))
}
