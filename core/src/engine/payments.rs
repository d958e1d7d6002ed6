//! Payment events: what a gateway's webhook reports, and what came of it.
//!
//! Events come at least once, in any order, late and in bursts. Each is applied once, by its id;
//! each payment gives what it pays for once, by its invoice. What is not understood is
//! acknowledged and ignored: an error would stop the gateway's whole queue. Money for which no
//! invoice is found is kept.

use super::admin_tx::AdminTx;
use super::administer::DURABLE;
use super::charges::{self, Step};
use super::invoices::InvoiceStatus;
use super::subscriptions::check_label;
use super::{Engine, at_gateway};
use crate::billing::reference::{self, Reference};
use crate::billing::{Gateway, PaymentEvent, PaymentEventKind, asaas, pagarme};
use crate::clock::Timestamp;
use crate::crash_points;
use crate::error::Error;
use crate::rules::TenantEvent;
use crate::store::{ChargeRow, Sync, Write};

/// How often a payment is looked up again whose tenant became known meanwhile.
const TRIES: u32 = 8;
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
    /// The money pays nothing yet: it is kept, listed as unmatched, and matched when its invoice
    /// is written. One that was cancelled is paid only when the payment is assigned to it.
    Unmatched,
    /// The invoice had been paid by another charge. The payment is kept and listed.
    PaidAgain {
        /// The invoice.
        invoice: i64,
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
    /// It reports something that has no effect on quotas.
    UnknownEvent,
    /// No invoice is known for that charge, and no money came.
    UnknownPayment,
    /// The invoice stands that way already, or cannot any more; or nothing hangs on the event.
    NothingToDo,
}

impl IgnoredBecause {
    /// The reason's name in programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            IgnoredBecause::UnknownEvent => "unknown_event",
            IgnoredBecause::UnknownPayment => "unknown_payment",
            IgnoredBecause::NothingToDo => "nothing_to_do",
        }
    }
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
        event.check()?;
        match event.kind {
            PaymentEventKind::Other => {
                return Ok(PaymentOutcome::Ignored(IgnoredBecause::UnknownEvent));
            }
            PaymentEventKind::SubscriptionEnded => return self.end_at_gateway(event),
            _ => {}
        }
        let database = reference::database_name(self.shared.live.database_id());
        let named = event.reference.as_deref().and_then(Reference::parse);
        let named = named.filter(|it| it.database == database);
        let charge = charges::new_row(event, named.is_some());
        let named = named.map(|it| (it.tenant, it.invoice));
        for _ in 0..TRIES {
            if let Some(tenant) = self.shared.store.tenant_of_charge(&charge, named)? {
                return self.change(&tenant, DURABLE, |tx| apply(tx, event, &charge));
            }
            if let Some(outcome) = self.keep_unknown(event, &charge, named)? {
                return Ok(outcome);
            }
        }
        Err(Error::Busy { what: "the tenant of the payment" })
    }

    /// Keeps what was paid by a charge that names no tenant. `None`: it does by now.
    fn keep_unknown(
        &self,
        event: &PaymentEvent,
        charge: &ChargeRow,
        named: Option<(&str, i64)>,
    ) -> Result<Option<PaymentOutcome>, Error> {
        if !charges::is_money(event.kind) {
            return Ok(Some(PaymentOutcome::Ignored(IgnoredBecause::UnknownPayment)));
        }
        let now = self.now();
        let _writer_lock = self.shared.lock_writer()?;
        self.shared.store.with(|connection| {
            let mut write = Write::begin(connection, &self.shared.live, Sync::Full)?;
            if write.tenant_of_charge(charge, named)?.is_some() {
                return Ok(None);
            }
            if write.seen_event(event.gateway.code(), &event.id)? {
                return Ok(Some(PaymentOutcome::Duplicate));
            }
            let known = write.charge(&charge.gateway, &charge.id)?;
            let mut row = known.unwrap_or_else(|| charge.clone());
            let was_paid = row.is_paid();
            charges::learn(&mut row, event, charges::today(now), now);
            write.save_charge(&mut row)?;
            if row.is_paid() && !was_paid {
                let kind = charges::unmatched(&row);
                write.report_without_tenant(&TenantEvent { at: now, resource: None, kind })?;
            }
            note(&write, event, now, None, "kept")?;
            crash_points::point("payment.kept");
            write.commit()?;
            Ok(Some(if row.is_paid() {
                PaymentOutcome::Unmatched
            } else {
                PaymentOutcome::Ignored(IgnoredBecause::UnknownPayment)
            }))
        })
    }

    /// The gateway charges no more: the subscription ends with its period.
    fn end_at_gateway(&self, event: &PaymentEvent) -> Result<PaymentOutcome, Error> {
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
            let ended = at_gateway::end(tx, gateway_id, event)?;
            let outcome = if ended.is_some() { "applied" } else { "ignored" };
            note(tx.write, event, tx.now, None, outcome)?;
            Ok(match ended {
                Some(subscription) => PaymentOutcome::SubscriptionEnded { subscription },
                None => PaymentOutcome::Ignored(IgnoredBecause::NothingToDo),
            })
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

/// Applies an event to a tenant's charge, and to the invoice that it is for.
fn apply(
    tx: &mut AdminTx<'_>,
    event: &PaymentEvent,
    new: &ChargeRow,
) -> Result<PaymentOutcome, Error> {
    if seen(tx, event)? {
        return Ok(PaymentOutcome::Duplicate);
    }
    let known = tx.write.charge(&new.gateway, &new.id)?;
    let is_known = known.is_some();
    let mut charge = known.unwrap_or_else(|| new.clone());
    charge.tenant = Some(tx.loaded.row);
    charge.reference = charge.reference.take().or_else(|| new.reference.clone());
    let was_paid = charge.is_paid();
    let today = tx.today();
    let is_news = charges::learn(&mut charge, event, today, tx.now);
    if is_news && event.kind == PaymentEventKind::Paid {
        at_gateway::note_paid(tx, &charge, event)?;
    }
    if charge.invoice.is_none() {
        charge.invoice = charges::find_invoice(tx, &charge)?;
    }
    if !is_known && charge.invoice.is_none() && !charges::is_money(event.kind) {
        return Ok(PaymentOutcome::Ignored(IgnoredBecause::UnknownPayment));
    }
    tx.write.save_charge(&mut charge)?;
    let outcome = match charge.invoice {
        Some(_) => {
            charges::learn_payer(tx, &charge)?;
            let step = Step { charge: &charge, kind: event.kind, is_news, was_paid };
            charges::follow(tx, &step)?
        }
        None if charge.is_paid() => {
            if !was_paid {
                let kind = charges::unmatched(&charge);
                tx.events.push(TenantEvent { at: tx.now, resource: None, kind });
            }
            PaymentOutcome::Unmatched
        }
        None => PaymentOutcome::Ignored(IgnoredBecause::UnknownPayment),
    };
    let protected = match outcome {
        PaymentOutcome::Applied { .. } => "applied",
        PaymentOutcome::Unmatched | PaymentOutcome::PaidAgain { .. } => "kept",
        _ => "ignored",
    };
    note(tx.write, event, tx.now, charge.invoice, protected)?;
    Ok(outcome)
}

fn seen(tx: &AdminTx<'_>, event: &PaymentEvent) -> Result<bool, Error> {
    Ok(tx.write.seen_event(event.gateway.code(), &event.id)?)
}

fn note(
    write: &Write<'_>,
    event: &PaymentEvent,
    now: Timestamp,
    invoice: Option<i64>,
    outcome: &str,
) -> Result<(), Error> {
    let PaymentEvent { gateway, id, kind, payment, .. } = event;
    let (gateway, kind) = (gateway.code(), kind.code());
    Ok(write.note_event(gateway, id, now, kind, payment, invoice, outcome)?)
}
