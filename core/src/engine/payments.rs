//! Payment events: what a gateway's webhook tells, and what came of it.
//!
//! Events come at least once, in any order, late and in bursts. Each is applied once, by its id;
//! each payment gives what it pays for once, by its invoice. Whatever is not understood is
//! acknowledged and ignored: an error would stop the gateway's whole queue.

use super::Engine;
use super::billing::{InvoiceStatus, settle_overdue, settle_paid, settle_reversed};
use super::lane::Work;
use super::subscriptions::check_label;
use crate::billing::{Gateway, PaymentEvent, PaymentEventKind, asaas, pagarme};
use crate::error::Error;
use crate::store::{InvoiceRow, Payment, Sync, Write};

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
        let _lane = self.shared.enter_lane()?;
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

    /// As [`payment_event`](Self::payment_event), for an event that the host has read itself.
    pub fn apply_payment(&self, event: &PaymentEvent) -> Result<PaymentOutcome, Error> {
        use PaymentOutcome::Ignored;
        if event.kind == PaymentEventKind::Other {
            return Ok(Ignored(IgnoredBecause::UnknownEvent));
        }
        let store = &self.shared.store;
        if event.kind == PaymentEventKind::SubscriptionEnded {
            return self.end_subscription(event);
        }
        let payment = Payment {
            id: &event.payment,
            reference: event.reference.as_deref(),
            subscription: event.subscription.as_deref(),
            due: [event.original_due, event.due],
        };
        let Some(found) = store.invoice_of_payment(&payment)? else {
            return Ok(Ignored(IgnoredBecause::UnknownPayment));
        };
        self.with_invoice(found.id, |work, row| apply(work, row, event))
    }

    /// The gateway charges no more: the subscription ends with its period.
    fn end_subscription(&self, event: &PaymentEvent) -> Result<PaymentOutcome, Error> {
        let unknown = PaymentOutcome::Ignored(IgnoredBecause::UnknownPayment);
        let Some(gateway_id) = event.subscription.as_deref() else { return Ok(unknown) };
        let store = &self.shared.store;
        let Some(tenant) = store.tenant_of_gateway_subscription(gateway_id)? else {
            return Ok(unknown);
        };
        let Some((_, name)) = store.hash_of_row(tenant)? else { return Ok(unknown) };
        self.change(&name, super::administer::DURABLE, |work| {
            if seen(work, event)? {
                return Ok(PaymentOutcome::Duplicate);
            }
            if let Some(terms) = work.loaded.account.subscription.as_mut() {
                terms.auto_renew = false;
            }
            note(work, event, None, "applied")?;
            Ok(PaymentOutcome::Ignored(IgnoredBecause::NothingToDo))
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
    work: &mut Work<'_>,
    row: &mut InvoiceRow,
    event: &PaymentEvent,
) -> Result<PaymentOutcome, Error> {
    if seen(work, event)? {
        return Ok(PaymentOutcome::Duplicate);
    }
    if row.gateway_id.is_none() {
        row.gateway_id = Some(event.payment.clone());
        work.write.save_invoice(row)?;
    }
    let changed = match event.kind {
        PaymentEventKind::Paid => {
            let unpaid =
                !matches!(InvoiceStatus::of(row), InvoiceStatus::Paid | InvoiceStatus::Cancelled);
            if unpaid {
                settle_paid(work, row, event.paid_on)?;
            }
            unpaid
        }
        PaymentEventKind::Overdue => settle_overdue(work, row)?,
        PaymentEventKind::Reversed => settle_reversed(work, row)?,
        PaymentEventKind::SubscriptionEnded | PaymentEventKind::Other => false,
    };
    note(work, event, Some(row.id), if changed { "applied" } else { "ignored" })?;
    Ok(if changed {
        PaymentOutcome::Applied { invoice: row.id, status: InvoiceStatus::of(row) }
    } else {
        PaymentOutcome::Ignored(IgnoredBecause::NothingToDo)
    })
}

fn seen(work: &Work<'_>, event: &PaymentEvent) -> Result<bool, Error> {
    Ok(work.write.seen_event(event.gateway.code(), &event.id)?)
}

fn note(
    work: &Work<'_>,
    event: &PaymentEvent,
    invoice: Option<i64>,
    outcome: &str,
) -> Result<(), Error> {
    let PaymentEvent { gateway, id, kind, payment, .. } = event;
    let (gateway, kind) = (gateway.code(), kind.code());
    Ok(work.write.note_event(gateway, id, work.now, kind, payment, invoice, outcome)?)
}
