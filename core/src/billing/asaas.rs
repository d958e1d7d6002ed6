//! Webhooks of Asaas, as they really are (docs/sources.md, Voki).
//!
//! They come at least once, in any order and up to 14 days late, from several queues at once. One
//! charge is reported as confirmed *and* received, on cards 32 days apart; Pix only as received; a
//! chargeback that was won as either of them again: settling goes by the payment's id.
//! Overdue comes early in the morning, for a due Friday only on Monday: the day that counts is the
//! payment's `due`, not that of the event.

use chrono_tz::America::Sao_Paulo;

use super::payload::{self, Object};
use super::{Cents, Gateway, PayloadError, PaymentEvent, PaymentEventKind, PaymentMethod};
use crate::clock::Timestamp;
use crate::rules::calendar;

/// The HTTP header that carries the shared token, for [`token_matches`].
pub const TOKEN_HEADER: &str = "asaas-access-token";

/// Reads the body of a webhook.
///
/// Where the event is of a kind that the engine does not act on, [`PaymentEventKind::Other`],
/// nothing but its name is demanded: an error would make Asaas hold back all that follows.
/// `paid_on` is the day on which the customer paid, or else the one on which Asaas noted it.
///
/// Blocks on nothing; at most [`BODY_BYTES_MAX`](super::BODY_BYTES_MAX) bytes are read.
pub fn parse(body: &[u8]) -> Result<PaymentEvent, PayloadError> {
    let envelope = Object::parse(body)?;
    let name = envelope.text("event")?.ok_or_else(|| envelope.missing("event"))?;
    match kind(&name) {
        PaymentEventKind::Other => Ok(ignored(&envelope)),
        // Nothing depends on it: what cannot be read does not stop the gateway's queue.
        PaymentEventKind::Opened => Ok(payment_event(&envelope, PaymentEventKind::Opened)
            .unwrap_or_else(|_| ignored(&envelope))),
        PaymentEventKind::SubscriptionEnded => subscription_event(&envelope),
        kind => payment_event(&envelope, kind),
    }
}

/// Whether `given` is the token that was agreed with Asaas, compared in constant time. An empty
/// `expected` matches nothing: a token that was never set opens no door.
#[must_use]
pub fn token_matches(expected: &str, given: &str) -> bool {
    // Hashes are compared in constant time, and are of one length whatever was given.
    let same = blake3::hash(expected.as_bytes()) == blake3::hash(given.as_bytes());
    same && !expected.is_empty()
}

fn kind(event: &str) -> PaymentEventKind {
    match event {
        "PAYMENT_CREATED" | "PAYMENT_UPDATED" | "PAYMENT_RESTORED" => PaymentEventKind::Opened,
        // A dunning is the recovery of a debt: what it brought was received.
        "PAYMENT_CONFIRMED" | "PAYMENT_RECEIVED" | "PAYMENT_DUNNING_RECEIVED" => {
            PaymentEventKind::Paid
        }
        "PAYMENT_OVERDUE" => PaymentEventKind::Overdue,
        // One charge was withdrawn, or its card refused; the subscription goes on.
        "PAYMENT_DELETED"
        | "PAYMENT_CREDIT_CARD_CAPTURE_REFUSED"
        | "PAYMENT_REPROVED_BY_RISK_ANALYSIS" => PaymentEventKind::Withdrawn,
        "PAYMENT_REFUNDED" | "PAYMENT_RECEIVED_IN_CASH_UNDONE" => PaymentEventKind::Reversed,
        "PAYMENT_PARTIALLY_REFUNDED" => PaymentEventKind::PartlyReversed,
        // A chargeback that is won comes again as confirmed or received.
        "PAYMENT_CHARGEBACK_REQUESTED" | "PAYMENT_CHARGEBACK_DISPUTE" => {
            PaymentEventKind::ChargedBack
        }
        "SUBSCRIPTION_INACTIVATED" | "SUBSCRIPTION_DELETED" => PaymentEventKind::SubscriptionEnded,
        _ => PaymentEventKind::Other,
    }
}

fn method(object: &Object) -> Result<PaymentMethod, PayloadError> {
    if object.text("status")?.as_deref() == Some("RECEIVED_IN_CASH") {
        return Ok(PaymentMethod::Cash);
    }
    Ok(match object.text("billingType")?.as_deref() {
        Some("BOLETO") => PaymentMethod::Boleto,
        Some("CREDIT_CARD" | "DEBIT_CARD") => PaymentMethod::Card,
        Some("PIX") => PaymentMethod::Pix,
        Some("RECEIVED_IN_CASH" | "CASH") => PaymentMethod::Cash,
        Some("TRANSFER" | "DEPOSIT") => PaymentMethod::Transfer,
        _ => PaymentMethod::Other,
    })
}

fn ignored(envelope: &Object) -> PaymentEvent {
    let id = envelope.text("id").ok().flatten().unwrap_or_default();
    let event = PaymentEvent::new(Gateway::Asaas, id, PaymentEventKind::Other);
    // As much of the payment as can be read, for the reader of the log.
    payment_event(envelope, PaymentEventKind::Other).unwrap_or(event)
}

fn payment_event(envelope: &Object, kind: PaymentEventKind) -> Result<PaymentEvent, PayloadError> {
    let id = envelope.own_id()?;
    let payment = envelope.object("payment")?.ok_or_else(|| envelope.missing("payment"))?;
    let paid_on = match payment.date("clientPaymentDate", payload::day)? {
        None => payment.date("paymentDate", payload::day)?,
        paid_on => paid_on,
    };
    Ok(PaymentEvent {
        payment: payment.own_id()?,
        subscription: payment.id("subscription")?,
        customer: payment.id("customer")?,
        reference: payment.text("externalReference")?,
        amount: payment.decimal("value")?,
        original: payment.decimal("originalValue")?,
        refunded: refunded(&payment)?,
        method: method(&payment)?,
        due: payment.date("dueDate", payload::day)?,
        original_due: payment.date("originalDueDate", payload::day)?,
        paid_on,
        occurred_at: occurred_at(envelope)?,
        installment: payment.id("installment")?,
        part: payment.count("installmentNumber")?,
        ..PaymentEvent::new(Gateway::Asaas, id, kind)
    })
}

/// What was given back of a payment in all: refunds that were not cancelled.
fn refunded(payment: &Object) -> Result<Option<Cents>, PayloadError> {
    let mut sum = None;
    for refund in payment.objects("refunds")? {
        if refund.text("status")?.as_deref() == Some("CANCELLED") {
            continue;
        }
        let value = refund.decimal("value")?.unwrap_or(Cents::ZERO);
        let total = sum.unwrap_or(Cents::ZERO).checked_add(value);
        sum = Some(total.ok_or_else(|| payment.missing("refunds"))?);
    }
    Ok(sum)
}

/// The end of a subscription; `due` is the charge that would have been next.
fn subscription_event(envelope: &Object) -> Result<PaymentEvent, PayloadError> {
    let id = envelope.own_id()?;
    let subscription =
        envelope.object("subscription")?.ok_or_else(|| envelope.missing("subscription"))?;
    Ok(PaymentEvent {
        subscription: Some(subscription.own_id()?),
        customer: subscription.id("customer")?,
        reference: subscription.text("externalReference")?,
        amount: subscription.decimal("value")?,
        method: method(&subscription)?,
        due: subscription.date("nextDueDate", payload::day)?,
        occurred_at: occurred_at(envelope)?,
        ..PaymentEvent::new(Gateway::Asaas, id, PaymentEventKind::SubscriptionEnded)
    })
}

/// Asaas writes its times without a zone: they are of São Paulo.
fn occurred_at(envelope: &Object) -> Result<Option<Timestamp>, PayloadError> {
    let local = envelope.date("dateCreated", payload::wall_time)?;
    Ok(local.map(|local| calendar::instant(local, Sao_Paulo)))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::{Value, json};

    use super::*;

    /// The same for every event of a type: only the number after it differs.
    const ID: &str = "evt_05b708f961d739ea7eba7e4db318f621&368604920";

    fn payload(event: &str) -> Value {
        json!({
            "id": ID,
            "event": event,
            "dateCreated": "2024-06-12 16:45:03",
            "account": { "id": "f5e4", "ownerId": null },
            "payment": {
                "object": "payment",
                "id": "pay_080225913252",
                "dateCreated": "2024-06-01",
                "customer": "cus_G7Dvo4iphUNk",
                "subscription": "sub_VXJBYgP2u0eO",
                "installment": null,
                "value": 29.9,
                "netValue": 28.51,
                "billingType": "CREDIT_CARD",
                "status": "CONFIRMED",
                "dueDate": "2024-06-10",
                "originalDueDate": "2024-06-11",
                "paymentDate": "2024-06-12",
                "clientPaymentDate": "2024-06-09",
                "externalReference": null,
                "creditCard": { "creditCardNumber": "8829", "creditCardToken": "a75a1d98" },
                "discount": { "value": 0.00, "type": "FIXED" },
                "split": [{ "walletId": "a018", "fixedValue": 20 }],
            }
        })
    }

    fn read(payload: &Value) -> Result<PaymentEvent, PayloadError> {
        parse(payload.to_string().as_bytes())
    }

    /// The event of a payment with one field changed.
    fn with(field: &str, value: Value) -> Result<PaymentEvent, PayloadError> {
        let mut payload = payload("PAYMENT_RECEIVED");
        payload["payment"][field] = value;
        read(&payload)
    }

    fn date(text: &str) -> Option<NaiveDate> {
        text.parse().ok()
    }

    #[test]
    fn a_payment_is_read_whole() {
        let event = read(&payload("PAYMENT_CONFIRMED")).unwrap();
        let expected = PaymentEvent {
            gateway: Gateway::Asaas,
            id: ID.to_owned(),
            kind: PaymentEventKind::Paid,
            payment: "pay_080225913252".to_owned(),
            subscription: Some("sub_VXJBYgP2u0eO".to_owned()),
            customer: Some("cus_G7Dvo4iphUNk".to_owned()),
            reference: None,
            amount: Some(Cents::new(2990).unwrap()),
            original: None,
            refunded: None,
            method: PaymentMethod::Card,
            due: date("2024-06-10"),
            original_due: date("2024-06-11"),
            paid_on: date("2024-06-09"),
            occurred_at: Timestamp::parse_rfc3339("2024-06-12T16:45:03-03:00"),
            installment: None,
            part: None,
        };
        assert_eq!(event, expected);
    }

    #[test]
    fn what_was_asked_for_given_back_and_which_instalment_it_is_are_read() {
        let mut payload = payload("PAYMENT_PARTIALLY_REFUNDED");
        payload["payment"]["originalValue"] = json!(25);
        payload["payment"]["installment"] = json!("ins_1");
        payload["payment"]["installmentNumber"] = json!(2);
        payload["payment"]["refunds"] = json!([
            { "status": "DONE", "value": 10.5 },
            { "status": "CANCELLED", "value": 3 },
            { "status": "PENDING", "value": 1 },
        ]);
        let event = read(&payload).unwrap();
        let cents = |cents: Option<Cents>| cents.map(Cents::get);
        assert_eq!((cents(event.original), cents(event.refunded)), (Some(25_00), Some(11_50)));
        assert_eq!((event.installment.as_deref(), event.part), (Some("ins_1"), Some(2)));
        for wrong in [json!(-1), json!(1.5), json!("2"), json!(99_999_999_999_u64)] {
            payload["payment"]["installmentNumber"] = wrong;
            assert!(read(&payload).is_err());
        }
    }

    #[test]
    fn an_event_id_is_never_split_at_its_ampersand() {
        assert_eq!(read(&payload("PAYMENT_RECEIVED")).unwrap().id, ID);
        let mut other = payload("PAYMENT_RECEIVED");
        other["id"] = json!("evt_05b708f961d739ea7eba7e4db318f621&368604921");
        assert_ne!(read(&other).unwrap().id, ID);
    }

    #[test]
    fn a_subscription_is_absent_null_a_text_or_an_object() {
        let mut payload = payload("PAYMENT_RECEIVED");
        payload["payment"].as_object_mut().unwrap().remove("subscription");
        assert_eq!(read(&payload).unwrap().subscription, None);
        assert_eq!(with("subscription", Value::Null).unwrap().subscription, None);
        assert_eq!(with("subscription", json!("")).unwrap().subscription, None);
        for value in [json!("sub_1"), json!({ "id": "sub_1", "value": 1 })] {
            assert_eq!(with("subscription", value).unwrap().subscription.unwrap(), "sub_1");
        }
        assert!(with("subscription", json!(17)).is_err());
    }

    #[test]
    fn a_value_is_read_from_its_text_exactly() {
        for (text, cents) in
            [("29.9", 2990), ("50", 5000), ("5.0", 500), ("94.51", 9451), ("1.15", 115), ("0", 0)]
        {
            let body = format!(
                r#"{{"id":"e","event":"PAYMENT_RECEIVED","payment":{{"id":"p","value": {text} }}}}"#
            );
            assert_eq!(parse(body.as_bytes()).unwrap().amount.unwrap().get(), cents, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_no_amount_is_an_error_with_field_and_value() {
        for text in ["-29.9", "1e3", "29.901", "99999999999999999999"] {
            let body = format!(
                r#"{{"id":"e","event":"PAYMENT_RECEIVED","payment":{{"id":"p","value":{text}}}}}"#
            );
            let expected =
                PayloadError::Amount { field: "payment.value".to_owned(), value: text.to_owned() };
            assert_eq!(parse(body.as_bytes()), Err(expected));
        }
    }

    #[test]
    fn three_date_formats_and_the_month_is_never_first() {
        let mut ended = subscription_payload("SUBSCRIPTION_DELETED");
        ended["subscription"]["nextDueDate"] = json!("05/04/2025");
        assert_eq!(read(&ended).unwrap().due, date("2025-04-05"));
        assert_eq!(with("dueDate", json!("2025-04-05")).unwrap().due, date("2025-04-05"));
        let event = read(&payload("PAYMENT_RECEIVED")).unwrap();
        assert_eq!(event.occurred_at.unwrap().to_string(), "2024-06-12T19:45:03Z");
        let expected = PayloadError::Date {
            field: "payment.dueDate".to_owned(),
            value: "13/31/2025".to_owned(),
        };
        assert_eq!(with("dueDate", json!("13/31/2025")), Err(expected));
    }

    #[test]
    fn a_time_that_sao_paulo_never_showed_is_the_first_one_after_it() {
        let mut payload = payload("PAYMENT_RECEIVED");
        payload["dateCreated"] = json!("2018-11-04 00:30:00");
        let at = read(&payload).unwrap().occurred_at.unwrap();
        assert_eq!(at.to_string(), "2018-11-04T03:00:00Z");
    }

    #[test]
    fn a_due_date_may_be_earlier_than_the_original_one() {
        let event = read(&payload("PAYMENT_OVERDUE")).unwrap();
        assert_eq!(event.kind, PaymentEventKind::Overdue);
        assert_eq!((event.due, event.original_due), (date("2024-06-10"), date("2024-06-11")));
    }

    #[test]
    fn paid_on_is_the_customer_s_day_or_else_the_payment_s() {
        assert_eq!(with("clientPaymentDate", Value::Null).unwrap().paid_on, date("2024-06-12"));
    }

    #[test]
    fn every_event_has_its_kind() {
        for (name, kind) in [
            ("PAYMENT_CONFIRMED", PaymentEventKind::Paid),
            ("PAYMENT_RECEIVED", PaymentEventKind::Paid),
            ("PAYMENT_OVERDUE", PaymentEventKind::Overdue),
            ("PAYMENT_DUNNING_RECEIVED", PaymentEventKind::Paid),
            ("PAYMENT_REFUNDED", PaymentEventKind::Reversed),
            ("PAYMENT_RECEIVED_IN_CASH_UNDONE", PaymentEventKind::Reversed),
            ("PAYMENT_CHARGEBACK_REQUESTED", PaymentEventKind::ChargedBack),
            ("PAYMENT_CHARGEBACK_DISPUTE", PaymentEventKind::ChargedBack),
            ("PAYMENT_PARTIALLY_REFUNDED", PaymentEventKind::PartlyReversed),
            ("PAYMENT_DELETED", PaymentEventKind::Withdrawn),
            ("PAYMENT_CREDIT_CARD_CAPTURE_REFUSED", PaymentEventKind::Withdrawn),
            ("PAYMENT_REPROVED_BY_RISK_ANALYSIS", PaymentEventKind::Withdrawn),
            ("PAYMENT_CREATED", PaymentEventKind::Opened),
            ("PAYMENT_UPDATED", PaymentEventKind::Opened),
            ("PAYMENT_RESTORED", PaymentEventKind::Opened),
            ("PAYMENT_AWAITING_CHARGEBACK_REVERSAL", PaymentEventKind::Other),
            ("PAYMENT_REFUND_IN_PROGRESS", PaymentEventKind::Other),
            ("PAYMENT_DUNNING_REQUESTED", PaymentEventKind::Other),
            ("payment_received", PaymentEventKind::Other),
        ] {
            assert_eq!(read(&payload(name)).unwrap().kind, kind, "{name}");
        }
    }

    #[test]
    fn a_deleted_charge_does_not_end_its_subscription() {
        let event = read(&payload("PAYMENT_DELETED")).unwrap();
        assert_eq!(event.kind, PaymentEventKind::Withdrawn);
        assert_eq!(event.payment, "pay_080225913252");
    }

    #[test]
    fn cash_is_a_billing_type_and_not_an_event() {
        for cash in ["RECEIVED_IN_CASH", "CASH"] {
            let event = with("billingType", json!(cash)).unwrap();
            assert_eq!((event.kind, event.method), (PaymentEventKind::Paid, PaymentMethod::Cash));
        }
        assert_eq!(with("status", json!("RECEIVED_IN_CASH")).unwrap().method, PaymentMethod::Cash);
        let none = read(&payload("PAYMENT_RECEIVED_IN_CASH")).unwrap();
        assert_eq!(none.kind, PaymentEventKind::Other);
    }

    #[test]
    fn every_billing_type_is_a_method() {
        for (name, method) in [
            ("BOLETO", PaymentMethod::Boleto),
            ("CREDIT_CARD", PaymentMethod::Card),
            ("DEBIT_CARD", PaymentMethod::Card),
            ("PIX", PaymentMethod::Pix),
            ("TRANSFER", PaymentMethod::Transfer),
            ("DEPOSIT", PaymentMethod::Transfer),
            ("UNDEFINED", PaymentMethod::Other),
            ("SOMETHING_NEW", PaymentMethod::Other),
        ] {
            assert_eq!(with("billingType", json!(name)).unwrap().method, method, "{name}");
        }
    }

    fn subscription_payload(event: &str) -> Value {
        json!({
            "id": "evt_6561b631fa5580caadd00bbe3b858607&9193",
            "event": event,
            "dateCreated": "2024-10-16 11:11:04",
            "subscription": {
                "object": "subscription",
                "id": "sub_m5gdy1upm25fbwgx",
                "dateCreated": "16/10/2024",
                "customer": "cus_000000008773",
                "value": 19.9,
                "nextDueDate": "22/11/2024",
                "billingType": "BOLETO",
                "externalReference": "padaria-aurora",
            }
        })
    }

    #[test]
    fn a_subscription_ends_by_inactivation_or_deletion() {
        for name in ["SUBSCRIPTION_INACTIVATED", "SUBSCRIPTION_DELETED"] {
            let event = read(&subscription_payload(name)).unwrap();
            assert_eq!(event.kind, PaymentEventKind::SubscriptionEnded);
            assert_eq!(event.subscription.as_deref(), Some("sub_m5gdy1upm25fbwgx"));
            assert_eq!(event.reference.as_deref(), Some("padaria-aurora"));
            assert_eq!(event.due, date("2024-11-22"));
            assert_eq!(event.amount.unwrap().get(), 1990);
            assert_eq!(event.payment, "");
        }
        let created = read(&subscription_payload("SUBSCRIPTION_CREATED")).unwrap();
        assert_eq!(created.kind, PaymentEventKind::Other);
    }

    #[test]
    fn unknown_events_are_acknowledged_whatever_they_hold() {
        for body in [
            r#"{"event":"BILL_PAID","bill":{"id":"f1bc"}}"#,
            r#"{"id":"evt_1&2","event":"TRANSFER_DONE","transfer":{"value":"x"}}"#,
            r#"{"id":7,"event":"PAYMENT_CREATED","payment":[]}"#,
            r#"{"id":"evt_1&2","event":"PAYMENT_UPDATED","payment":{"id":"p","value":-1}}"#,
        ] {
            let event = parse(body.as_bytes()).unwrap();
            assert_eq!(event.kind, PaymentEventKind::Other, "{body}");
        }
    }

    #[test]
    fn missing_ids_are_errors_that_name_the_field() {
        let missing = |field: &str| Err(PayloadError::Missing { field: field.to_owned() });
        let without = |field: &str| {
            let mut payload = payload("PAYMENT_RECEIVED");
            payload.as_object_mut().unwrap().remove(field);
            read(&payload)
        };
        assert_eq!(without("id"), missing("id"));
        assert_eq!(without("event"), missing("event"));
        assert_eq!(without("payment"), missing("payment"));
        assert_eq!(with("id", Value::Null), missing("payment.id"));
        assert_eq!(with("id", json!("")), missing("payment.id"));
        let mut ended = subscription_payload("SUBSCRIPTION_DELETED");
        ended["subscription"]["id"] = Value::Null;
        assert_eq!(read(&ended), missing("subscription.id"));
    }

    #[test]
    fn no_card_data_is_kept() {
        let event = read(&payload("PAYMENT_CONFIRMED")).unwrap();
        let kept = format!("{event:?} {}", serde_json::to_string(&event).unwrap());
        assert!(!kept.contains("8829") && !kept.contains("a75a1d98"));
    }

    #[test]
    fn tokens_match_only_themselves() {
        assert!(token_matches("whsec_a1", "whsec_a1"));
        for given in ["", "whsec_a", "whsec_a2", "whsec_a1 ", "WHSEC_A1"] {
            assert!(!token_matches("whsec_a1", given), "{given:?}");
        }
        assert!(!token_matches("", ""));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in vec(any::<u8>(), 0..300)) {
            let _ = parse(&body);
        }

        #[test]
        fn no_damage_to_a_real_body_panics(
            changes in vec((any::<Index>(), any::<u8>()), 1..8),
            cut in any::<Index>(),
        ) {
            let mut body = payload("PAYMENT_RECEIVED").to_string().into_bytes();
            for (place, byte) in changes {
                let place = place.index(body.len());
                body[place] = byte;
            }
            let _ = parse(&body);
            body.truncate(cut.index(body.len()));
            let _ = parse(&body);
        }

        #[test]
        fn no_value_of_any_field_panics(text in "[-+0-9eE./: TZ\"{}\\[\\]a]{0,30}") {
            for field in ["value", "dueDate", "subscription", "id"] {
                let payment = format!(r#"{{"id":"p","{field}":{text}}}"#);
                let body =
                    format!(r#"{{"id":"e","event":"PAYMENT_RECEIVED","payment":{payment}}}"#);
                let _ = parse(body.as_bytes());
                let _ = with(field, json!(text));
            }
        }
    }
}
