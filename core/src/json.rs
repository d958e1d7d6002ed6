//! How values are written in JSON documents, the same in C, in Python and on the command line:
//! keys in snake case; instants as RFC 3339 text in UTC; dates as `2026-05-20`; money in cents,
//! under a key that says so; what is absent as `null`.

use std::fmt::Display;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::DEMO_NOTICE;
use crate::clock::Timestamp;
use crate::engine::{Engine, InvoiceStatus, PaymentOutcome};
use crate::rules::{Decision, LeaseOutcome, Mode, Reason, ResourceId, SessionOutcome, Source};

/// Writes a value as its text: an instant, an id.
pub(crate) fn text<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Writes a value as its text, or `null`.
#[allow(clippy::ref_option)] // What serde hands over.
pub(crate) fn text_or_null<T: Display, S: Serializer>(
    value: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(to)
}

/// Writes JSON text as the document that it is; empty: `null`.
pub(crate) fn document<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<Value>(text).unwrap_or(Value::Null).serialize(to)
}

/// A decision in a document.
#[allow(clippy::struct_excessive_bools)] // As the decision itself.
#[derive(Serialize)]
struct DecisionJson {
    allowed: bool,
    reason: Option<Reason>,
    reasons: Vec<Reason>,
    resource: Option<ResourceId>,
    units: u64,
    mode: Mode,
    used: u64,
    available: Option<u64>,
    limit: Option<u64>,
    #[serde(serialize_with = "text_or_null")]
    retry_at: Option<Timestamp>,
    session: Option<SessionOutcome>,
    lease: Option<LeaseOutcome>,
    overage: bool,
    demo_notice: bool,
    past_due: bool,
    too_old: bool,
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let decision = DecisionJson {
            allowed: self.allowed(),
            reason: self.reason(),
            reasons: self.reasons.iter().collect(),
            resource: self.resource,
            units: self.units,
            mode: self.mode,
            used: self.used,
            available: (self.mode == Mode::Finite).then_some(self.available),
            limit: self.limit(),
            retry_at: self.retry_at,
            session: self.session,
            lease: self.lease,
            overage: self.overage,
            demo_notice: self.demo_notice,
            past_due: self.past_due,
            too_old: self.too_old,
        };
        decision.serialize(to)
    }
}

impl Engine {
    /// A decision as a document for people and programs that do not know this engine's numbers: its
    /// resources by name, with its charges, its receipt and its reservation.
    #[must_use]
    pub fn decision_document(&self, decision: &Decision) -> Value {
        let charges = decision.charges.iter().map(|charge| {
            let source = charge.source.map(Source::code);
            let resource = self.resource_name(charge.resource);
            json!({ "resource": resource, "source": source, "units": charge.units })
        });
        let named = json!({
            "resource": decision.resource.and_then(|it| self.resource_name(it)),
            "reservation": decision.reservation.map(|it| it.to_string()),
            "receipt": decision.receipt.map(|it| it.to_string()),
            "replayed": decision.replayed,
            "charges": charges.collect::<Vec<_>>(),
            "shadowed": decision.shadowed.iter().collect::<Vec<_>>(),
            "notice": decision.demo_notice.then_some(DEMO_NOTICE),
        });
        let mut document = json!(decision);
        if let (Value::Object(members), Value::Object(named)) = (&mut document, named) {
            members.extend(named);
        }
        document
    }
}

/// What came of a payment event, in a document.
#[derive(Default, Serialize)]
struct PaymentOutcomeJson {
    outcome: &'static str,
    invoice: Option<i64>,
    status: Option<&'static str>,
    subscription: Option<i64>,
    because: Option<&'static str>,
}

impl From<&PaymentOutcome> for PaymentOutcomeJson {
    fn from(outcome: &PaymentOutcome) -> Self {
        let named = |outcome| PaymentOutcomeJson { outcome, ..PaymentOutcomeJson::default() };
        match *outcome {
            PaymentOutcome::Applied { invoice, status } => PaymentOutcomeJson {
                invoice: Some(invoice),
                status: Some(status.code()),
                ..named("applied")
            },
            PaymentOutcome::SubscriptionEnded { subscription } => PaymentOutcomeJson {
                subscription: Some(subscription),
                ..named("subscription_ended")
            },
            PaymentOutcome::Unmatched => named("unmatched"),
            PaymentOutcome::PaidAgain { invoice } => PaymentOutcomeJson {
                invoice: Some(invoice),
                status: Some(InvoiceStatus::Paid.code()),
                ..named("paid_again")
            },
            PaymentOutcome::Duplicate => named("duplicate"),
            PaymentOutcome::Ignored(because) => {
                PaymentOutcomeJson { because: Some(because.code()), ..named("ignored") }
            }
            PaymentOutcome::Refused => named("refused"),
        }
    }
}

impl Serialize for PaymentOutcome {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        PaymentOutcomeJson::from(self).serialize(to)
    }
}
