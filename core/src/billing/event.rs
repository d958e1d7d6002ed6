//! What a payment gateway reports, in the engine's own terms.
//!
//! Each gateway has an adapter that reads its webhooks into a [`PaymentEvent`]; the rest of the
//! engine knows no gateway's format. Names, cards and addresses stay behind in the payload.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Cents;
use super::payload::{self, PayloadError};
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

    /// Every gateway.
    pub const ALL: [Gateway; 2] = [Gateway::Asaas, Gateway::Pagarme];

    /// The gateway with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: &str) -> Option<Gateway> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PaymentEventKind {
    /// The charge exists, or was changed, and waits to be paid.
    Opened,
    /// The payment was made. One payment may say so more than once.
    Paid,
    /// The payment was not made when it was due, or an attempt failed.
    Overdue,
    /// The charge will not be paid any more: it was deleted, or refused. Another one may follow.
    Withdrawn,
    /// The payment was given back, whole.
    Reversed,
    /// The payer's bank took the payment back.
    ChargedBack,
    /// A part of the payment was given back.
    PartlyReversed,
    /// The gateway will charge nothing more for the subscription.
    SubscriptionEnded,
    /// Anything else: to be acknowledged and ignored.
    Other,
}

impl PaymentEventKind {
    /// Every kind.
    pub const ALL: [PaymentEventKind; 9] = [
        PaymentEventKind::Opened,
        PaymentEventKind::Paid,
        PaymentEventKind::Overdue,
        PaymentEventKind::Withdrawn,
        PaymentEventKind::Reversed,
        PaymentEventKind::ChargedBack,
        PaymentEventKind::PartlyReversed,
        PaymentEventKind::SubscriptionEnded,
        PaymentEventKind::Other,
    ];

    /// Whether it is about a charge.
    #[must_use]
    pub const fn is_of_payment(self) -> bool {
        !matches!(self, PaymentEventKind::SubscriptionEnded | PaymentEventKind::Other)
    }

    /// The kind's name in programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            PaymentEventKind::Opened => "opened",
            PaymentEventKind::Withdrawn => "withdrawn",
            PaymentEventKind::ChargedBack => "charged_back",
            PaymentEventKind::PartlyReversed => "partly_reversed",
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
/// Webhooks come at least once, in any order and up to weeks late: `id` distinguishes a repetition
/// from something new, and `payment` distinguishes two events of one payment from two payments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentEvent {
    /// Who reported it.
    pub gateway: Gateway,
    /// The event's own id at the gateway, whole: it has no parts that mean anything.
    pub id: String,
    /// What has happened.
    pub kind: PaymentEventKind,
    /// The id of the charge at the gateway. Never empty where the event [is of a
    /// payment](PaymentEventKind::is_of_payment).
    #[serde(default)]
    pub payment: String,
    /// The subscription at the gateway. Never absent where it has
    /// [ended](PaymentEventKind::SubscriptionEnded).
    pub subscription: Option<String>,
    /// The customer at the gateway.
    pub customer: Option<String>,
    /// What the host called the payment when it was created. Only the reference of an invoice
    /// means something here; any other text is the host's own.
    pub reference: Option<String>,
    /// What was paid or, of what is not paid, was to be.
    #[serde(rename = "amount_cents")]
    pub amount: Option<Cents>,
    /// What was to be paid before interest, fine and discount, where the gateway says so.
    #[serde(default, rename = "original_cents")]
    pub original: Option<Cents>,
    /// What was given back of it in all, where it was reversed in part.
    #[serde(default, rename = "refunded_cents")]
    pub refunded: Option<Cents>,
    /// How it is or was to be paid.
    #[serde(default)]
    pub method: PaymentMethod,
    /// The day until which it is to be paid.
    pub due: Option<NaiveDate>,
    /// The day until which it was to be paid at first; it may be later than `due`.
    pub original_due: Option<NaiveDate>,
    /// The day on which the customer paid.
    pub paid_on: Option<NaiveDate>,
    /// When it happened, by the gateway's clock.
    #[serde(
        default,
        serialize_with = "crate::json::text_or_null",
        deserialize_with = "crate::form::instant"
    )]
    pub occurred_at: Option<Timestamp>,
    /// The plan of instalments at the gateway that the payment belongs to.
    pub installment: Option<String>,
    /// Which of these instalments it is, from 1.
    #[serde(default)]
    pub part: Option<u32>,
}

impl PaymentEvent {
    /// Refuses an event without what its kind cannot do without, or with an id that none can be.
    /// The gateways' adapters make no such one.
    pub(crate) fn check(&self) -> Result<(), PayloadError> {
        use PaymentEventKind::{Other, SubscriptionEnded};
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let subscription = text(&self.subscription);
        for (name, text, is_needed) in [
            ("id", self.id.clone(), self.kind != Other),
            ("payment", self.payment.clone(), self.kind.is_of_payment()),
            ("subscription", subscription, self.kind == SubscriptionEnded),
            ("reference", text(&self.reference), false),
            ("customer", text(&self.customer), false),
            ("installment", text(&self.installment), false),
        ] {
            if !payload::is_text(&text) {
                return Err(PayloadError::Text { field: name.to_owned() });
            }
            if is_needed && text.is_empty() {
                return Err(PayloadError::Missing { field: name.to_owned() });
            }
        }
        Ok(())
    }

    /// An event that says nothing but its id and its kind.
    pub(crate) fn new(gateway: Gateway, id: String, kind: PaymentEventKind) -> PaymentEvent {
        PaymentEvent {
            gateway,
            id,
            kind,
            payment: String::new(),
            subscription: None,
            customer: None,
            reference: None,
            amount: None,
            original: None,
            refunded: None,
            method: PaymentMethod::Other,
            due: None,
            original_due: None,
            paid_on: None,
            occurred_at: None,
            installment: None,
            part: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Result<PaymentEvent, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn an_event_is_the_document_that_it_is_written_as() {
        let reported = r#"{ "gateway": "pagarme", "id": "hook_1", "kind": "paid", "payment": "ch_1",
            "reference": "17", "amount_cents": 29900, "method": "pix", "due": "2026-06-10",
            "paid_on": "2026-06-09", "occurred_at": "2026-06-09T16:45:03-03:00" }"#;
        let reported = event(reported).unwrap();
        assert_eq!(reported.amount.map(Cents::get), Some(29_900));
        assert_eq!(reported.occurred_at, Timestamp::parse_rfc3339("2026-06-09T19:45:03Z"));
        assert_eq!(reported.check(), Ok(()));
        assert_eq!(event(&serde_json::to_string(&reported).unwrap()).unwrap(), reported);
        let bare = event(r#"{ "gateway": "asaas", "id": "evt_1", "kind": "other" }"#).unwrap();
        let expected = PaymentEvent::new(Gateway::Asaas, "evt_1".into(), PaymentEventKind::Other);
        assert_eq!(bare, expected);
        assert!(
            event(r#"{ "gateway": "asaas", "id": "evt_1", "kind": "other", "x": 1 }"#).is_err()
        );
    }

    #[test]
    fn an_event_says_what_its_kind_needs() {
        use PaymentEventKind::{Other, Overdue, Paid, Reversed, SubscriptionEnded};
        let bare = |id: &str, kind| PaymentEvent::new(Gateway::Asaas, id.to_owned(), kind);
        let missing = |field: &str| Err(PayloadError::Missing { field: field.to_owned() });
        assert_eq!(bare("", Other).check(), Ok(()));
        assert_eq!([Paid, Overdue, Reversed].map(PaymentEventKind::is_of_payment), [true; 3]);
        for kind in PaymentEventKind::ALL.into_iter().filter(|kind| kind.is_of_payment()) {
            assert_eq!(bare("", kind).check(), missing("id"));
            assert_eq!(bare("evt_1", kind).check(), missing("payment"));
        }
        assert_eq!(bare("evt_1", SubscriptionEnded).check(), missing("subscription"));
        for reference in ["x".repeat(2_000), "a\u{0}b".to_owned()] {
            let event = PaymentEvent { reference: Some(reference), ..bare("evt_1", Other) };
            assert_eq!(event.check(), Err(PayloadError::Text { field: "reference".to_owned() }));
        }
    }
}
