//! A payment event that a host has read itself, as a JSON document says it.

use super::fields::{self, Fields, codes};
use crate::billing::{Gateway, PaymentEvent, PaymentEventKind, PaymentMethod};
use crate::error::Error;

const CENTS: &str = "a whole number of cents";
const DAY: &str = "a date YYYY-MM-DD";

impl PaymentEvent {
    /// Reads a JSON document with the fields of a payment event: `gateway`, `id` and `kind` are
    /// mandatory; money is in cents, `amount_cents`; a key that is not known is an error.
    pub fn parse(json: &str) -> Result<PaymentEvent, Error> {
        let read = fields::parse("payment event", json, event)?;
        // What is mandatory and missing has been refused.
        read.ok_or_else(|| Error::InvalidArgument {
            what: "payment event",
            why: "its gateway or its kind is missing".to_owned(),
        })
    }
}

fn event(event: &mut Fields<'_>) -> Option<PaymentEvent> {
    let gateway = event.required("gateway", &codes(&Gateway::ALL.map(Gateway::code)));
    let id = event.required("id", "text");
    let kinds = codes(&PaymentEventKind::ALL.map(PaymentEventKind::code));
    let kind = event.required("kind", &kinds);
    let methods = codes(&PaymentMethod::ALL.map(PaymentMethod::code));
    let read = PaymentEvent {
        payment: event.text("payment"),
        subscription: event.optional("subscription", "text"),
        customer: event.optional("customer", "text"),
        reference: event.optional("reference", "text"),
        amount: event.optional("amount_cents", CENTS),
        original: event.optional("original_cents", CENTS),
        refunded: event.optional("refunded_cents", CENTS),
        method: event.optional("method", &methods).unwrap_or_default(),
        due: event.optional("due", DAY),
        original_due: event.optional("original_due", DAY),
        paid_on: event.optional("paid_on", DAY),
        occurred_at: event.instant("occurred_at"),
        installment: event.optional("installment", "text"),
        part: event.optional("part", "a whole number"),
        ..PaymentEvent::new(Gateway::Asaas, String::new(), PaymentEventKind::Other)
    };
    Some(PaymentEvent { gateway: gateway?, id: id?, kind: kind?, ..read })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(json: &str) -> String {
        PaymentEvent::parse(json).expect_err("is refused").to_string()
    }

    #[test]
    fn an_event_is_read_as_it_is_written() {
        let json = r#"{ "gateway": "pagarme", "id": "hook_1", "kind": "partly_reversed",
            "payment": "ch_1", "subscription": "sub_1", "customer": "cus_1", "reference": "17",
            "amount_cents": 29900, "original_cents": 30000, "refunded_cents": 100, "method": "pix",
            "due": "2026-06-10", "original_due": "2026-06-11", "paid_on": "2026-06-09",
            "occurred_at": "2026-06-09T16:45:03-03:00", "installment": "ins_1", "part": 2 }"#;
        let read = PaymentEvent::parse(json).expect("is valid");
        assert_eq!(serde_json::from_str::<PaymentEvent>(json).expect("is the same"), read);
        let again = serde_json::to_string(&read).expect("is written");
        assert_eq!(PaymentEvent::parse(&again).expect("is valid"), read);
        let least = r#"{ "gateway": "asaas", "id": "evt_1", "kind": "other" }"#;
        let least = PaymentEvent::parse(least).expect("is valid");
        let expected = PaymentEvent::new(Gateway::Asaas, "evt_1".into(), PaymentEventKind::Other);
        assert_eq!(least, expected);
    }

    #[test]
    fn what_an_event_gets_wrong_is_named_and_what_is_allowed() {
        let missing = "payment event: gateway: it is missing; it must be asaas or pagarme; \
            id: it is missing; it must be text; kind: it is missing; it must be opened, ";
        assert!(complaint("{}").starts_with(missing), "{}", complaint("{}"));
        let unknown = complaint(r#"{"gateway": "asaas", "id": "a", "kind": "paid", "amount": 1}"#);
        let expected =
            "payment event: amount: unknown field; did you mean \"amount_cents\"?".to_owned();
        assert_eq!(unknown, expected);
        let twice = complaint(r#"{"gateway": "asaas", "id": "a", "kind": "paid", "id": "b"}"#);
        assert_eq!(twice, "payment event: id: it is given twice");
    }
}
