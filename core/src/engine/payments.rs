//! Payment events: what a gateway's webhook tells, and what came of it.
//!
//! Events come at least once, in any order, late and in bursts. Each is applied once, by its id;
//! each payment gives what it pays for once, by its invoice. Whatever is not understood is
//! acknowledged and ignored: an error would stop the gateway's whole queue.

use super::Engine;
use super::admin_tx::AdminTx;
use super::administer::DURABLE;
use super::invoices::InvoiceStatus;
use super::paying::{note_paid_in_vain, settle_overdue, settle_paid, settle_reversed};
use super::subscriptions::check_label;
use crate::billing::{Gateway, PaymentEvent, PaymentEventKind, PaymentMethod, asaas, pagarme};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::{InvoiceRow, PaymentRow, Sync, Write};

/// Longest webhook token, in bytes.
const TOKEN_BYTES_MAX: usize = 1_024;

/// What came of a payment event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// It was applied to this invoice.
    Applied {
        /// The invoice.
        invoice: i64,
        /// How it stands now.
        status: InvoiceStatus,
    },
    /// The gateway charges no more: this subscription ends with its period.
    SubscriptionEnded {
        /// The subscription.
        subscription: i64,
    },
    /// It was seen before.
    Duplicate,
    /// It is acknowledged and changes nothing.
    Ignored(IgnoredBecause),
    /// The token is wrong: nothing was read, nothing was changed.
    Refused,
}

/// Why a payment event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoredBecause {
    /// It tells of something that quotas do not care about.
    UnknownEvent,
    /// No invoice is paid by that payment.
    UnknownPayment,
    /// The invoice stands that way already, or cannot any more.
    NothingToDo,
}

impl Engine {
    /// Sets the token that a gateway sends with its events. Only its keyed hash is kept. Waits for
    /// the disk.
    pub fn set_webhook_token(&self, gateway: Gateway, token: &str) -> Result<(), Error> {
        check_label("webhook token", token)?;
        let hash = self.webhook_hash(gateway, token);
        let _writer_lock = self.shared.lock_writer()?;
        self.shared.store.with(|connection| {
            let mut write = Write::begin(connection, &self.shared.live, Sync::Full)?;
            write.set_webhook_token(gateway.code(), &hash)?;
            Ok(write.commit()?)
        })
    }

    /// Takes a payment event as it came: the body, and the token that came with it. Safe to call
    /// from a web handler: whatever it answers may be acknowledged, except an error. Waits for the
    /// disk.
    pub fn payment_event(
        &self,
        gateway: Gateway,
        body: &[u8],
        token: &str,
    ) -> Result<PaymentOutcome, Error> {
        if !self.token_is_right(gateway, token)? {
            return Ok(PaymentOutcome::Refused);
        }
        let event = match gateway {
            Gateway::Asaas => asaas::parse(body)?,
            Gateway::Pagarme => pagarme::parse(body)?,
        };
        self.apply_payment(&event)
    }

    /// As [`payment_event`](Self::payment_event), for an event that the host has read itself, of
    /// whose sender it has made sure.
    pub fn apply_payment(&self, event: &PaymentEvent) -> Result<PaymentOutcome, Error> {
        use PaymentOutcome::Ignored;
        event.check()?;
        if event.kind == PaymentEventKind::Other {
            return Ok(Ignored(IgnoredBecause::UnknownEvent));
        }
        let store = &self.shared.store;
        if event.kind == PaymentEventKind::SubscriptionEnded {
            return self.end_subscription(event);
        }
        let payment = PaymentRow {
            id: &event.payment,
            reference: event.reference.as_deref(),
            subscription: event.subscription.as_deref(),
            due: [event.original_due, event.due],
        };
        let Some(found) = store.invoice_of_payment(&payment)? else {
            return Ok(Ignored(IgnoredBecause::UnknownPayment));
        };
        self.change(&found.1, DURABLE, |tx| {
            let paid_by = |row: &InvoiceRow| match &row.gateway_id {
                None => true,
                Some(payment) => *payment == event.payment,
            };
            // Another payment may have taken the invoice since it was looked for.
            match tx.write.invoice(found.0)?.filter(paid_by) {
                Some(mut row) => apply(tx, &mut row, event),
                None => Ok(Ignored(IgnoredBecause::UnknownPayment)),
            }
        })
    }

    /// The gateway charges no more: the subscription ends with its period.
    fn end_subscription(&self, event: &PaymentEvent) -> Result<PaymentOutcome, Error> {
        let unknown = PaymentOutcome::Ignored(IgnoredBecause::UnknownPayment);
        let Some(gateway_id) = event.subscription.as_deref() else { return Ok(unknown) };
        let store = &self.shared.store;
        let Some(tenant) = store.tenant_of_gateway_subscription(gateway_id)? else {
            return Ok(unknown);
        };
        self.change(&tenant, DURABLE, |tx| {
            if seen(tx, event)? {
                return Ok(PaymentOutcome::Duplicate);
            }
            let present = tx.loaded.account.subscription.as_ref().map(|it| it.id);
            let row = present.map(|id| tx.write.subscription(id)).transpose()?.flatten();
            let is_meant = row.is_some_and(|row| row.gateway_id.as_deref() == Some(gateway_id));
            let present = tx.loaded.account.subscription.as_mut();
            // One that has been replaced charges nothing here any more.
            let Some(terms) = present.filter(|it| is_meant && it.auto_renew) else {
                note(tx, event, None, "ignored")?;
                return Ok(PaymentOutcome::Ignored(IgnoredBecause::NothingToDo));
            };
            terms.auto_renew = false;
            let subscription = terms.id;
            note(tx, event, None, "applied")?;
            let what = "auto-renewal ended";
            tx.write.audit(Some(tx.loaded.row), tx.now, what, event.gateway.code())?;
            Ok(PaymentOutcome::SubscriptionEnded { subscription })
        })
    }

    fn token_is_right(&self, gateway: Gateway, token: &str) -> Result<bool, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Ok(false);
        }
        let Some(kept) = self.shared.store.webhook_token(gateway.code())? else {
            return Ok(false);
        };
        let given = self.webhook_hash(gateway, token);
        Ok(super::seats::same(&kept, &given))
    }

    fn webhook_hash(&self, gateway: Gateway, token: &str) -> Vec<u8> {
        let context = "cotas 2026 tokens of webhooks";
        let key = blake3::derive_key(context, &self.shared.live.secret());
        let text = format!("{}:{token}", gateway.code());
        blake3::keyed_hash(&key, text.as_bytes()).as_bytes().to_vec()
    }
}

fn apply(
    tx: &mut AdminTx<'_>,
    row: &mut InvoiceRow,
    event: &PaymentEvent,
) -> Result<PaymentOutcome, Error> {
    if seen(tx, event)? {
        return Ok(PaymentOutcome::Duplicate);
    }
    row.gateway_id.get_or_insert_with(|| event.payment.clone());
    if event.method != PaymentMethod::Other {
        event.method.code().clone_into(&mut row.payment_method);
    }
    let is_stale = is_stale(row, event, tx.now);
    tx.write.save_invoice(row)?;
    let changed = match event.kind {
        _ if is_stale => false,
        PaymentEventKind::Paid => match InvoiceStatus::of(row) {
            InvoiceStatus::Paid => false,
            InvoiceStatus::Cancelled => {
                note_paid_in_vain(tx, row, event.paid_on, event.amount)?;
                false
            }
            InvoiceStatus::Pending | InvoiceStatus::Overdue | InvoiceStatus::Refunded => {
                settle_paid(tx, row, event.paid_on, event.amount)?;
                true
            }
        },
        PaymentEventKind::Overdue => settle_overdue(tx, row)?,
        PaymentEventKind::Reversed => settle_reversed(tx, row)?,
        PaymentEventKind::SubscriptionEnded | PaymentEventKind::Other => false,
    };
    note(tx, event, Some(row.id), if changed { "applied" } else { "ignored" })?;
    Ok(if changed {
        PaymentOutcome::Applied { invoice: row.id, status: InvoiceStatus::of(row) }
    } else {
        PaymentOutcome::Ignored(IgnoredBecause::NothingToDo)
    })
}

/// Whether something later, by the gateway's clock, was told of a payment or its reversal before:
/// events come in any order, and the last thing that happened is what counts. Notes the time.
fn is_stale(row: &mut InvoiceRow, event: &PaymentEvent, now: Timestamp) -> bool {
    let emits = matches!(event.kind, PaymentEventKind::Paid | PaymentEventKind::Reversed);
    let Some(at) = event.occurred_at.filter(|_| emits).map(|at| at.min(now)) else { return false };
    let is_stale = row.reported_at.is_some_and(|last| at < last);
    row.reported_at = row.reported_at.max(Some(at));
    is_stale
}

fn seen(tx: &AdminTx<'_>, event: &PaymentEvent) -> Result<bool, Error> {
    Ok(tx.write.seen_event(event.gateway.code(), &event.id)?)
}

fn note(
    tx: &AdminTx<'_>,
    event: &PaymentEvent,
    invoice: Option<i64>,
    outcome: &str,
) -> Result<(), Error> {
    let PaymentEvent { gateway, id, kind, payment, .. } = event;
    let (gateway, kind) = (gateway.code(), kind.code());
    Ok(tx.write.note_event(gateway, id, tx.now, kind, payment, invoice, outcome)?)
}
