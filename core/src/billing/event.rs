//! What a payment gateway tells, in the engine's own terms.
//!
//! Each gateway has an adapter that reads its webhooks into a [`PaymentEvent`]; the rest of the
//! engine knows no gateway's format. Names, cards and addresses stay behind in the payload.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Cents;
use crate::clock::Timestamp;

/// A gateway whose webhooks are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Gateway {
    /// Asaas.
    Asaas,
    /// Pagar.me, version 5.
    Pagarme,
}

impl Gateway {
    /// The gateway's name in programs and in the database.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Gateway::Asaas => "asaas",
            Gateway::Pagarme => "pagarme",
        }
    }

    /// The gateway with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: &str) -> Option<Gateway> {
        [Gateway::Asaas, Gateway::Pagarme].into_iter().find(|known| known.code() == code)
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PaymentEventKind {
    /// The payment was made. One payment may say so more than once.
    Paid,
    /// The payment was not made when it was due.
    Overdue,
    /// The payment was given or taken back.
    Reversed,
    /// The gateway will charge nothing more for the subscription.
    SubscriptionEnded,
    /// Anything else: to be acknowledged and ignored.
    Other,
}

impl PaymentEventKind {
    /// The kind's name in programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            PaymentEventKind::Paid => "paid",
            PaymentEventKind::Overdue => "overdue",
            PaymentEventKind::Reversed => "reversed",
            PaymentEventKind::SubscriptionEnded => "subscription_ended",
            PaymentEventKind::Other => "other",
        }
    }
}

/// How money changes hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PaymentMethod {
    /// A bank slip.
    Boleto,
    /// A credit, debit or voucher card.
    Card,
    /// Pix.
    Pix,
    /// Cash, handed over past the gateway.
    Cash,
    /// A bank transfer or deposit.
    Transfer,
    /// Another way, or not yet chosen.
    #[default]
    Other,
}

impl PaymentMethod {
    /// Every method.
    pub const ALL: [PaymentMethod; 6] = [
        PaymentMethod::Boleto,
        PaymentMethod::Card,
        PaymentMethod::Pix,
        PaymentMethod::Cash,
        PaymentMethod::Transfer,
        PaymentMethod::Other,
    ];

    /// The method with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: &str) -> Option<PaymentMethod> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// The method's name in programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            PaymentMethod::Boleto => "boleto",
            PaymentMethod::Card => "card",
            PaymentMethod::Pix => "pix",
            PaymentMethod::Cash => "cash",
            PaymentMethod::Transfer => "transfer",
            PaymentMethod::Other => "other",
        }
    }
}

/// A webhook of a gateway, read.
///
/// Webhooks come at least once, in any order and up to weeks late: `id` tells a repetition from
/// something new, and `payment` tells two events of one payment from two payments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentEvent {
    /// Who told.
    pub gateway: Gateway,
    /// The event's own id at the gateway, whole: it has no parts that mean anything.
    pub id: String,
    /// What has happened.
    pub kind: PaymentEventKind,
    /// The id of the payment at the gateway. Never empty where the event is
    /// [`Paid`](PaymentEventKind::Paid), [`Overdue`](PaymentEventKind::Overdue) or
    /// [`Reversed`](PaymentEventKind::Reversed); may be empty where it is about no payment.
    pub payment: String,
    /// The subscription at the gateway. Never absent where it has
    /// [ended](PaymentEventKind::SubscriptionEnded).
    pub subscription: Option<String>,
    /// The customer at the gateway.
    pub customer: Option<String>,
    /// What the host called the payment when it was created.
    pub reference: Option<String>,
    /// What was to be paid.
    pub amount: Option<Cents>,
    /// How it is or was to be paid.
    pub method: PaymentMethod,
    /// The day until which it is to be paid.
    pub due: Option<NaiveDate>,
    /// The day until which it was to be paid at first; it may be later than `due`.
    pub original_due: Option<NaiveDate>,
    /// The day on which the customer paid.
    pub paid_on: Option<NaiveDate>,
    /// When it happened, by the gateway's clock.
    pub occurred_at: Option<Timestamp>,
    /// The plan of instalments at the gateway that the payment belongs to.
    pub installment: Option<String>,
}

impl PaymentEvent {
    /// An event that says nothing but its id and its kind.
    pub(super) fn bare(gateway: Gateway, id: String, kind: PaymentEventKind) -> PaymentEvent {
        PaymentEvent {
            gateway,
            id,
            kind,
            payment: String::new(),
            subscription: None,
            customer: None,
            reference: None,
            amount: None,
            method: PaymentMethod::Other,
            due: None,
            original_due: None,
            paid_on: None,
            occurred_at: None,
            installment: None,
        }
    }
}
