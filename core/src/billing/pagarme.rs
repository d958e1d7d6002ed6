//! Webhooks of Pagar.me, version 5.
//!
//! One payment comes as several events: `charge.paid`, and `order.paid` or `invoice.paid` with the
//! same charge inside. So that they count once, the payment is the *charge* wherever the payload
//! holds exactly one; an order that is paid by several charges is a payment of its own, and what
//! each of its charges says has its own id and its part of the amount.

use chrono::NaiveDate;
use chrono_tz::America::Sao_Paulo;

use super::payload::{self, Object};
use super::reference;
use crate::rules::calendar;

use super::{Cents, Gateway, PayloadError, PaymentEvent, PaymentEventKind, PaymentMethod};

/// Reads the body of a webhook.
///
/// Where the event is of a kind that the engine does not act on, [`PaymentEventKind::Other`],
/// nothing but its name is demanded. Amounts are whole cents. A due date is the day as it is
/// written; `paid_on` is the day in São Paulo at the instant of the payment.
///
/// Blocks on nothing; at most [`BODY_BYTES_MAX`](super::BODY_BYTES_MAX) bytes are read.
pub fn parse(body: &[u8]) -> Result<PaymentEvent, PayloadError> {
    let envelope = Object::parse(body)?;
    // The list of webhooks that have been sent calls it `event`.
    let name = match envelope.text("type")? {
        None => envelope.text("event")?.ok_or_else(|| envelope.missing("type"))?,
        Some(name) => name,
    };
    match kind(&name) {
        PaymentEventKind::Other => Ok(ignored(&envelope, &name)),
        // Nothing depends on it: what cannot be read does not stop the gateway's queue.
        PaymentEventKind::Opened => Ok(event(&envelope, &name, PaymentEventKind::Opened)
            .unwrap_or_else(|_| ignored(&envelope, &name))),
        kind => event(&envelope, &name, kind),
    }
}

fn kind(name: &str) -> PaymentEventKind {
    match name {
        "charge.created" | "charge.pending" | "charge.processing" | "charge.updated" => {
            PaymentEventKind::Opened
        }
        // Underpaid money has come all the same: its amount says that it is less.
        "charge.paid" | "charge.overpaid" | "charge.underpaid" | "order.paid" | "invoice.paid" => {
            PaymentEventKind::Paid
        }
        // There is no event for a day that has passed, only for an attempt that has failed.
        "charge.payment_failed" | "order.payment_failed" | "invoice.payment_failed" => {
            PaymentEventKind::Overdue
        }
        "charge.refunded" => PaymentEventKind::Reversed,
        "charge.chargedback" => PaymentEventKind::ChargedBack,
        "charge.partial_canceled" => PaymentEventKind::PartlyReversed,
        "subscription.canceled" => PaymentEventKind::SubscriptionEnded,
        _ => PaymentEventKind::Other,
    }
}

fn method(name: Option<&str>) -> PaymentMethod {
    match name {
        Some("boleto") => PaymentMethod::Boleto,
        Some("credit_card" | "debit_card" | "voucher" | "private_label") => PaymentMethod::Card,
        Some("pix") => PaymentMethod::Pix,
        Some("cash") => PaymentMethod::Cash,
        Some("bank_transfer") => PaymentMethod::Transfer,
        _ => PaymentMethod::Other,
    }
}

fn ignored(envelope: &Object, name: &str) -> PaymentEvent {
    let id = envelope.text("id").ok().flatten().unwrap_or_default();
    let bare = PaymentEvent::new(Gateway::Pagarme, id, PaymentEventKind::Other);
    event(envelope, name, PaymentEventKind::Other).unwrap_or(bare)
}

fn event(
    envelope: &Object,
    name: &str,
    kind: PaymentEventKind,
) -> Result<PaymentEvent, PayloadError> {
    let id = envelope.own_id()?;
    let data = envelope.object("data")?.ok_or_else(|| envelope.missing("data"))?;
    let charge = charge_of(&data, kind)?;
    let payment = charge.as_ref().unwrap_or(&data);
    let invoice = payment.object("invoice")?;
    let is_of_subscription = name.starts_with("subscription.");
    let event = PaymentEvent {
        customer: either(&[&data, payment], &["customer", "customer_id"])?,
        reference: code(&data, payment)?,
        method: method(payment.text("payment_method")?.as_deref()),
        occurred_at: envelope.date("created_at", payload::instant)?,
        ..PaymentEvent::new(Gateway::Pagarme, id, kind)
    };
    if is_of_subscription {
        return Ok(PaymentEvent { subscription: Some(data.own_id()?), ..event });
    }
    let sources: Vec<&Object> = invoice.iter().chain([payment, &data]).collect();
    Ok(PaymentEvent {
        payment: payment.own_id()?,
        subscription: either(&sources, &["subscription", "subscription_id", "subscriptionId"])?,
        amount: amount(payment, kind)?,
        original: original(payment, name)?,
        refunded: payment.cents("canceled_amount")?,
        due: due(payment, &sources)?,
        paid_on: payment
            .date("paid_at", payload::instant)?
            .map(|at| calendar::date_of(at, Sao_Paulo)),
        ..event
    })
}

/// The one charge inside an order or an invoice that the event is about, if it is one.
fn charge_of<'a>(
    data: &Object<'a>,
    kind: PaymentEventKind,
) -> Result<Option<Object<'a>>, PayloadError> {
    if let Some(charge) = data.object("charge")? {
        return Ok(Some(charge));
    }
    let mut charges = data.objects("charges")?;
    if kind == PaymentEventKind::Paid && charges.len() > 1 {
        // Attempts that failed stay in the order, beside the one that succeeded.
        let mut paid = Vec::new();
        for charge in charges {
            if matches!(charge.text("status")?.as_deref(), Some("paid" | "overpaid")) {
                paid.push(charge);
            }
        }
        charges = paid;
    }
    Ok(if charges.len() == 1 { charges.pop() } else { None })
}

/// What was asked for, where at least that was paid: less than that is judged by what was paid.
fn original(payment: &Object, name: &str) -> Result<Option<Cents>, PayloadError> {
    if name == "charge.underpaid" { Ok(None) } else { payment.cents("amount") }
}

/// What was paid, which may be more than was asked for, or what was to be paid.
fn amount(payment: &Object, kind: PaymentEventKind) -> Result<Option<Cents>, PayloadError> {
    let paid = match kind {
        PaymentEventKind::Paid | PaymentEventKind::PartlyReversed => {
            payment.cents("paid_amount")?
        }
        _ => None,
    };
    paid.map_or_else(|| payment.cents("amount"), |paid| Ok(Some(paid)))
}

/// What the host called it: whichever code of order, invoice or charge is the reference of an
/// invoice of ours, else the first.
fn code(data: &Object, payment: &Object) -> Result<Option<String>, PayloadError> {
    let order = data.object("order")?.map_or(Ok(None), |order| order.text("code"))?;
    let codes = [order, data.text("code")?, payment.text("code")?];
    let ours = codes.iter().flatten().find(|code| reference::is_ours(code)).cloned();
    Ok(ours.or_else(|| codes.into_iter().flatten().next()))
}

/// The first id that one of `objects` has under one of `names`.
fn either(objects: &[&Object], names: &[&str]) -> Result<Option<String>, PayloadError> {
    for object in objects {
        for name in names {
            if let Some(id) = object.id(name)? {
                return Ok(Some(id));
            }
        }
    }
    Ok(None)
}

fn due(payment: &Object, others: &[&Object]) -> Result<Option<NaiveDate>, PayloadError> {
    if let Some(due) = payment.date("due_at", written_day)? {
        return Ok(Some(due));
    }
    // A boleto's is on the slip.
    if let Some(transaction) = payment.object("last_transaction")?
        && let Some(due) = transaction.date("due_at", written_day)?
    {
        return Ok(Some(due));
    }
    for other in others {
        if let Some(due) = other.date("due_at", written_day)? {
            return Ok(Some(due));
        }
    }
    Ok(None)
}

/// A due date is a day with any time in UTC behind it, `23:59:59` or midnight: only the day counts.
fn written_day(text: &str) -> Option<NaiveDate> {
    payload::instant(text)?;
    payload::day(text.get(..10)?)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Timestamp;

    fn charge() -> Value {
        json!({
            "id": "ch_GBnP26LF4FkyZvpm",
            "code": "WKDTXRSV7Q-01",
            "gateway_id": "2207962505",
            "amount": 15000,
            "paid_amount": 15000,
            "status": "paid",
            "currency": "BRL",
            "payment_method": "credit_card",
            "due_at": "2025-01-01T23:59:59Z",
            "paid_at": "2025-01-01T01:15:39Z",
            "invoice": {
                "id": "in_0p865QKCACM3O1ay",
                "amount": 15000,
                "due_at": "2025-01-01T23:59:59Z",
                "subscriptionId": "sub_JRKVKEmHZlImZojO",
            },
            "customer": {
                "id": "cus_ADWMDOHxPiEbXLo4",
                "name": "Maria Exemplo",
                "email": "maria@example.com",
                "document": "52998224725",
            },
            "last_transaction": {
                "id": "tran_71eaxPbUAUZGronE",
                "installments": 1,
                "card": { "last_four_digits": "8829", "holder_name": "MARIA" },
            }
        })
    }

    fn order() -> Value {
        let mut charge = charge();
        charge.as_object_mut().unwrap().remove("invoice");
        json!({
            "id": "or_ZdnB5BBCmYhk534R",
            "code": "pedido-17",
            "amount": 15000,
            "status": "paid",
            "customer": { "id": "cus_oy23JRQCM1cvzlmD" },
            "charges": [charge],
        })
    }

    fn hook(name: &str, data: &Value) -> Value {
        json!({
            "id": "hook_RyEKQO789TRpZjv5",
            "account": { "id": "acc_jZkdN857et650oNv", "name": "Lojinha" },
            "type": name,
            "created_at": "2025-01-01T04:15:39Z",
            "data": data,
        })
    }

    fn read(payload: &Value) -> Result<PaymentEvent, PayloadError> {
        parse(payload.to_string().as_bytes())
    }

    #[test]
    fn a_charge_is_read_whole() {
        let expected = PaymentEvent {
            gateway: Gateway::Pagarme,
            id: "hook_RyEKQO789TRpZjv5".to_owned(),
            kind: PaymentEventKind::Paid,
            payment: "ch_GBnP26LF4FkyZvpm".to_owned(),
            subscription: Some("sub_JRKVKEmHZlImZojO".to_owned()),
            customer: Some("cus_ADWMDOHxPiEbXLo4".to_owned()),
            reference: Some("WKDTXRSV7Q-01".to_owned()),
            amount: Some(Cents::new(15_000).unwrap()),
            original: Some(Cents::new(15_000).unwrap()),
            refunded: None,
            method: PaymentMethod::Card,
            due: NaiveDate::from_ymd_opt(2025, 1, 1),
            original_due: None,
            // 01:15 in Greenwich is still the evening before in São Paulo.
            paid_on: NaiveDate::from_ymd_opt(2024, 12, 31),
            occurred_at: Timestamp::parse_rfc3339("2025-01-01T04:15:39Z"),
            installment: None,
            part: None,
        };
        assert_eq!(read(&hook("charge.paid", &charge())), Ok(expected));
    }

    #[test]
    fn amounts_are_whole_cents() {
        let mut data = charge();
        data["amount"] = json!(12356);
        let amount =
            |name: &str, data: &Value| read(&hook(name, data)).unwrap().amount.unwrap().to_string();
        assert_eq!(amount("charge.payment_failed", &data), "123.56");
        assert_eq!(amount("charge.overpaid", &data), "150.00", "what was paid");
        data["paid_amount"] = Value::Null;
        assert_eq!(amount("charge.paid", &data), "123.56");
        for (value, shown) in [(json!(123.56), "123.56"), (json!(-1), "-1")] {
            data["amount"] = value;
            let expected =
                PayloadError::Amount { field: "data.amount".to_owned(), value: shown.to_owned() };
            assert_eq!(read(&hook("charge.paid", &data)), Err(expected));
        }
    }

    #[test]
    fn an_order_and_its_charge_are_one_payment() {
        let event = read(&hook("order.paid", &order())).unwrap();
        assert_eq!(event.payment, "ch_GBnP26LF4FkyZvpm");
        assert_eq!(event.payment, read(&hook("charge.paid", &charge())).unwrap().payment);
        assert_eq!(event.reference.as_deref(), Some("pedido-17"));
        assert_eq!(event.customer.as_deref(), Some("cus_oy23JRQCM1cvzlmD"));
        assert_eq!(event.method, PaymentMethod::Card);
        let mut of_order = charge();
        of_order["order"] = json!({ "id": "or_ZdnB5BBCmYhk534R", "code": "pedido-17" });
        let event = read(&hook("charge.paid", &of_order)).unwrap();
        assert_eq!(event.reference.as_deref(), Some("pedido-17"));
    }

    #[test]
    fn an_invoice_and_its_charge_are_one_payment() {
        let data = json!({
            "id": "in_0p865QKCACM3O1ay",
            "amount": 15000,
            "subscription": { "id": "sub_JRKVKEmHZlImZojO" },
            "charge": { "id": "ch_GBnP26LF4FkyZvpm", "amount": 15000, "payment_method": "pix" },
            "due_at": "2025-01-01T00:00:00Z",
        });
        let event = read(&hook("invoice.paid", &data)).unwrap();
        assert_eq!(event.payment, "ch_GBnP26LF4FkyZvpm");
        assert_eq!(event.subscription.as_deref(), Some("sub_JRKVKEmHZlImZojO"));
        assert_eq!(event.due, NaiveDate::from_ymd_opt(2025, 1, 1));
        assert_eq!(event.method, PaymentMethod::Pix);
    }

    #[test]
    fn a_failed_attempt_beside_the_paid_one_is_passed_over() {
        let mut data = order();
        data["charges"] = json!([
            { "id": "ch_1", "status": "failed", "amount": 15000 },
            { "id": "ch_2", "status": "paid", "amount": 15000 },
        ]);
        assert_eq!(read(&hook("order.paid", &data)).unwrap().payment, "ch_2");
    }

    #[test]
    fn an_order_of_several_charges_is_a_payment_of_its_own() {
        let mut data = order();
        data["charges"] = json!([
            { "id": "ch_1", "status": "paid", "amount": 10000 },
            { "id": "ch_2", "status": "paid", "amount": 5000 },
        ]);
        let event = read(&hook("order.paid", &data)).unwrap();
        assert_eq!(event.payment, "or_ZdnB5BBCmYhk534R");
        assert_eq!(event.amount.unwrap().get(), 15_000);
    }

    #[test]
    fn a_boleto_s_due_date_is_on_the_slip() {
        let mut data = charge();
        data["due_at"] = Value::Null;
        data["payment_method"] = json!("boleto");
        data["last_transaction"]["due_at"] = json!("2025-03-05T00:00:00Z");
        let event = read(&hook("charge.payment_failed", &data)).unwrap();
        assert_eq!(event.due, NaiveDate::from_ymd_opt(2025, 3, 5));
        assert_eq!((event.kind, event.method), (PaymentEventKind::Overdue, PaymentMethod::Boleto));
    }

    #[test]
    fn every_event_has_its_kind() {
        for (name, kind) in [
            ("charge.paid", PaymentEventKind::Paid),
            ("charge.overpaid", PaymentEventKind::Paid),
            ("charge.payment_failed", PaymentEventKind::Overdue),
            ("charge.refunded", PaymentEventKind::Reversed),
            ("charge.chargedback", PaymentEventKind::ChargedBack),
            ("charge.underpaid", PaymentEventKind::Paid),
            ("charge.partial_canceled", PaymentEventKind::PartlyReversed),
            ("charge.created", PaymentEventKind::Opened),
            ("order.canceled", PaymentEventKind::Other),
            ("customer.created", PaymentEventKind::Other),
        ] {
            assert_eq!(read(&hook(name, &charge())).unwrap().kind, kind, "{name}");
        }
    }

    #[test]
    fn a_cancelled_subscription_has_ended() {
        let data = json!({
            "id": "sub_JRKVKEmHZlImZojO",
            "code": "padaria-aurora",
            "status": "canceled",
            "payment_method": "boleto",
            "customer": { "id": "cus_ADWMDOHxPiEbXLo4" },
        });
        let event = read(&hook("subscription.canceled", &data)).unwrap();
        assert_eq!(event.kind, PaymentEventKind::SubscriptionEnded);
        assert_eq!(event.subscription.as_deref(), Some("sub_JRKVKEmHZlImZojO"));
        assert_eq!(event.reference.as_deref(), Some("padaria-aurora"));
        assert_eq!(event.payment, "");
    }

    #[test]
    fn the_name_of_the_event_may_stand_under_event() {
        let mut payload = hook("charge.paid", &charge());
        payload["type"] = Value::Null;
        let missing = |field: &str| Err(PayloadError::Missing { field: field.to_owned() });
        assert_eq!(read(&payload), missing("type"));
        payload["event"] = json!("charge.paid");
        assert_eq!(read(&payload).unwrap().kind, PaymentEventKind::Paid);
        payload["id"] = Value::Null;
        assert_eq!(read(&payload), missing("id"));
        payload["id"] = json!("hook_1");
        payload["data"] = Value::Null;
        assert_eq!(read(&payload), missing("data"));
        payload["data"] = json!({ "amount": 1 });
        assert_eq!(read(&payload), missing("data.id"));
    }

    #[test]
    fn unknown_events_are_acknowledged_whatever_they_hold() {
        for data in [json!(null), json!([]), json!({ "amount": "x", "charges": 3 })] {
            let event = read(&hook("recipient.created", &data)).unwrap();
            assert_eq!(event.kind, PaymentEventKind::Other);
            assert_eq!(event.id, "hook_RyEKQO789TRpZjv5");
        }
    }

    #[test]
    fn nothing_personal_is_kept() {
        let kept = format!("{:?}", read(&hook("charge.paid", &charge())).unwrap());
        for personal in ["Maria", "MARIA", "example.com", "52998224725", "8829"] {
            assert!(!kept.contains(personal), "{personal}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in vec(any::<u8>(), 0..300)) {
            let _ = parse(&body);
        }

        #[test]
        fn no_damage_to_a_real_body_panics(
            changes in vec((any::<Index>(), any::<u8>()), 1..8),
        ) {
            let mut body = hook("order.paid", &order()).to_string().into_bytes();
            for (place, byte) in changes {
                let place = place.index(body.len());
                body[place] = byte;
            }
            let _ = parse(&body);
        }

        #[test]
        fn no_value_of_any_field_panics(text in "[-+0-9eE./: TZ\"{}\\[\\]é]{0,30}") {
            for field in ["amount", "due_at", "paid_at", "invoice", "charges", "id"] {
                let mut data = charge();
                data[field] = json!(text);
                let _ = read(&hook("charge.paid", &data));
            }
        }
    }
}
