//! A subscription that the gateway ends, and one that ended there and is paid again.

use super::admin_tx::AdminTx;
use super::due_dates::bill_again;
use super::invoices::{Effect, InvoiceStatus, save_status};
use super::joining::drop_pending;
use crate::billing::PaymentEvent;
use crate::catalog::{BillingMode, RenewOn};
use crate::error::Error;
use crate::rules::EventKind;
use crate::rules::settle::{close_period, grant_plan};
use crate::rules::{TenantEvent, calendar};
use crate::store::{ChargeRow, GatewayReports};

/// The gateway charges no more for a subscription: it ends with its period, and what was to be paid
/// for the next one is cancelled. Gives the subscription's number; `None`: nothing changes, since
/// it has been replaced, is not renewed anyway, or was paid after that.
pub(super) fn end(
    tx: &mut AdminTx<'_>,
    gateway_id: &str,
    event: &PaymentEvent,
) -> Result<Option<i64>, Error> {
    let at = event.occurred_at.map_or(tx.now, |at| at.min(tx.now));
    let numbers = tx.write.subscriptions_at_gateway(tx.loaded.row, gateway_id)?;
    let present = tx.loaded.account.subscription.as_ref().map(|it| it.id);
    let Some(id) = present.filter(|id| numbers.contains(id)) else { return Ok(None) };
    let reports = tx.write.gateway_reports(id)?;
    if reports.paid.is_some_and(|paid| at < paid) || reports.ended.is_some_and(|it| at < it) {
        return Ok(None);
    }
    let Some(terms) = tx.loaded.account.subscription.as_mut().filter(|it| it.auto_renew) else {
        return Ok(None);
    };
    terms.auto_renew = false;
    let in_advance = terms.billing == BillingMode::Advance;
    tx.write.save_gateway_reports(id, GatewayReports { ended: Some(at), ..reports })?;
    if in_advance {
        // Nothing of the plan falls due any more: its line is taken off the invoice.
        bill_again(tx)?;
    }
    let what = "auto-renewal ended";
    tx.write.audit(Some(tx.loaded.row), tx.now, what, event.gateway.code())?;
    Ok(Some(id))
}

/// A charge of a gateway's subscription was paid. Where the gateway had ended it, it renews again.
pub(super) fn note_paid(
    tx: &mut AdminTx<'_>,
    charge: &ChargeRow,
    event: &PaymentEvent,
) -> Result<(), Error> {
    let Some(gateway_id) = charge.subscription.as_deref() else { return Ok(()) };
    let at = event.occurred_at.map_or(tx.now, |at| at.min(tx.now));
    let numbers = tx.write.subscriptions_at_gateway(tx.loaded.row, gateway_id)?;
    let present = tx.loaded.account.subscription.as_ref().map(|it| it.id);
    let Some(id) = present.filter(|id| numbers.contains(id)) else { return Ok(()) };
    let reports = tx.write.gateway_reports(id)?;
    let is_later = reports.ended.is_some_and(|ended| ended <= at);
    let paid = reports.paid.max(Some(at));
    let ended = reports.ended.filter(|_| !is_later);
    tx.write.save_gateway_reports(id, GatewayReports { ended, paid })?;
    if is_later { resume(tx, id, event) } else { Ok(()) }
}

/// Has a subscription renew again that the gateway had ended.
fn resume(tx: &mut AdminTx<'_>, id: i64, event: &PaymentEvent) -> Result<(), Error> {
    let Some(terms) = tx.loaded.account.subscription.as_mut() else { return Ok(()) };
    terms.auto_renew = true;
    let (due, lapsed, renew_on) = (terms.due(), terms.lapsed, terms.renew_on);
    let what = "auto-renewal resumed";
    tx.write.audit(Some(tx.loaded.row), tx.now, what, event.gateway.code())?;
    if renew_on == RenewOn::Schedule {
        return if lapsed { renew_now(tx) } else { Ok(()) };
    }
    // In advance: what the payment is for was cancelled with the subscription's end.
    let rows = tx.write.invoices(tx.loaded.row)?;
    let is_its = |it: &&crate::store::InvoiceRow| {
        it.subscription == Some(id) && it.due == due && Effect::of(it) == Effect::Renew
    };
    if let Some(row) = rows.iter().rev().find(is_its) {
        if InvoiceStatus::of(row) == InvoiceStatus::Cancelled && row.paid_cents.is_none() {
            save_status(tx, &mut row.clone(), InvoiceStatus::Pending)?;
        }
        return Ok(());
    }
    bill_again(tx)
}

/// Has a plan that was chosen and given up wait to be paid again, in place of another that does.
pub(super) fn reopen_offer(tx: &mut AdminTx<'_>, id: i64) -> Result<(), Error> {
    drop_pending(tx)?;
    tx.loaded.account.awaits_payment = true;
    Ok(tx.write.reopen_subscription(id)?)
}

/// Begins the next period of a subscription that has lapsed: now, its day of the month stays.
pub(super) fn renew_now(tx: &mut AdminTx<'_>) -> Result<(), Error> {
    let (rules, now) = (&tx.compiled.rulebook, tx.now);
    let account = &mut tx.loaded.account;
    let time_zone = account.time_zone;
    let Some(terms) = account.subscription.as_mut() else { return Ok(()) };
    terms.lapsed = false;
    terms.advance();
    // Due dates that passed meanwhile are of periods that the tenant did not have.
    while calendar::end_of_due_day(terms.due(), time_zone) <= now {
        terms.renewed += 1;
    }
    terms.paid = terms.paid.max(terms.renewed);
    terms.begin_grid(calendar::date_of(now, time_zone));
    terms.begin_billing(calendar::date_of(now, time_zone));
    account.renewals += 1;
    let closed = close_period(account, rules, now, true);
    tx.write.save_period(tx.loaded.row, &closed)?;
    grant_plan(&mut tx.loaded.account, rules, now);
    let kind = EventKind::Renewed { period: tx.loaded.account.period };
    tx.events.push(TenantEvent { at: now, resource: None, kind });
    bill_again(tx)
}
