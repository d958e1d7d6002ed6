//! A database of schema 5 with invoices, charges and periods under way goes on: it pays, renews and
//! adds up.

use std::sync::Arc;

use cotas::billing::Gateway;
use cotas::{Engine, InvoiceStatus, ManualClock, Pause, PaymentOutcome, Status};
use cotas_tests::payments::{TOKEN, reference};
use cotas_tests::{Database, assert_sound, at, date};

/// When the program of schema 5 was last used.
const LEFT: &str = "2026-06-05T12:00:00-03:00";

fn opened(database: &Database, now: &str) -> Engine {
    database.open().with_clock(Arc::new(ManualClock::new(at(now))))
}

/// The invoices of a tenant: number, due date, amount, status.
fn invoices(engine: &Engine, tenant: &str) -> Vec<String> {
    let all = engine.invoices(tenant).expect("reads");
    let text = |it: &cotas::Invoice| {
        assert_eq!(it.amount.get(), it.lines.iter().map(|line| line.amount.get()).sum::<i64>());
        assert_eq!(it.currency, "BRL");
        format!("{} {} {} {}", it.id, it.due, it.amount, it.status.code())
    };
    all.iter().map(text).collect()
}

fn status(engine: &Engine, tenant: &str) -> Status {
    engine.report(tenant).expect("reports").status
}

/// A report of Asaas about a charge of 299.00.
fn report(engine: &Engine, event: &str, what: &str, payment: &str, more: &str) -> PaymentOutcome {
    let body = format!(
        r#"{{"id":"{event}","event":"{what}","dateCreated":"2026-06-05 10:00:00","payment":{{
            "id":"{payment}","value":299.00,"billingType":"BOLETO","paymentDate":"2026-06-05",
            {more}}}}}"#
    );
    engine.payment_event(Gateway::Asaas, body.as_bytes(), TOKEN).expect("is answered")
}

fn waits(engine: &Engine, tenant: &str, due: &str) -> i64 {
    let all = engine.invoices(tenant).expect("reads");
    let open = |it: &&cotas::Invoice| {
        it.due == date(due) && matches!(it.status, InvoiceStatus::Pending | InvoiceStatus::Overdue)
    };
    all.iter().find(open).unwrap_or_else(|| panic!("{tenant} has none due on {due}")).id
}

#[test]
fn what_schema_5_billed_stands_as_it_was() {
    let database = Database::of_schema_5(env!("CARGO_BIN_EXE_helper"));
    let engine = opened(&database, LEFT);
    for (tenant, expected) in [
        (
            "manual",
            &[
                "1 2026-05-10 299.00 paid",
                "16 2026-06-05 10.00 paid",
                "11 2026-06-10 299.00 pending",
                "17 2026-06-10 10.00 pending",
            ][..],
        ),
        ("gateway", &["2 2026-05-10 299.00 paid", "12 2026-06-10 299.00 pending"]),
        ("late", &["3 2026-05-10 299.00 overdue", "13 2026-06-10 299.00 pending"]),
        (
            "small",
            &[
                "4 2026-05-10 149.00 paid",
                "14 2026-06-10 149.00 cancelled",
                "15 2026-06-10 299.00 pending",
            ],
        ),
        (
            "parts",
            &[
                "5 2026-05-05 149.50 paid",
                "8 2026-06-05 149.50 pending",
                "9 2026-06-10 299.00 pending",
            ],
        ),
        ("ahead", &["6 2026-05-05 99.00 paid", "10 2026-06-10 99.00 pending"]),
        // The offer of schema 5 did not run out; from now on it does.
        ("chosen", &["7 2026-05-05 299.00 pending"]),
    ] {
        assert_eq!(invoices(&engine, tenant), expected, "{tenant}");
    }
    let charges = |tenant: &str| -> Vec<String> {
        let all = engine.payments(tenant).expect("reads");
        all.iter().map(|it| format!("{} {:?}", it.payment, it.invoice)).collect()
    };
    assert_eq!(charges("late"), ["pay_late Some(3)"]);
    assert_eq!(charges("ahead"), ["pay_ahead Some(6)"]);
    let modes: Vec<_> = ["manual", "parts", "ahead"]
        .map(|tenant| engine.subscriptions(tenant).expect("reads")[0].billing.code())
        .into();
    assert_eq!(modes, ["arrears", "advance", "advance"]);
    assert_eq!(status(&engine, "late"), Status::PastDue);
    assert_sound(&engine);
}

#[test]
fn a_database_of_schema_5_is_paid_renewed_and_changed_as_any_other() {
    let database = Database::of_schema_5(env!("CARGO_BIN_EXE_helper"));
    let engine = opened(&database, LEFT);
    // What was reported before is known still; the charge that was late pays its invoice.
    assert_eq!(
        report(&engine, "evt_3", "PAYMENT_RECEIVED", "pay_gateway", r#""x":1"#),
        PaymentOutcome::Duplicate
    );
    let paid = report(&engine, "evt_10", "PAYMENT_RECEIVED", "pay_late", r#""x":1"#);
    assert!(matches!(paid, PaymentOutcome::Applied { invoice: 3, .. }), "{paid:?}");
    assert_eq!(status(&engine, "late"), Status::Active);
    // A second charge of an invoice pays it by our reference, another one by its subscription.
    let named = format!(r#""externalReference":"{}""#, reference(&engine, "late", 13));
    let paid = report(&engine, "evt_11", "PAYMENT_RECEIVED", "pay_11", &named);
    assert!(matches!(paid, PaymentOutcome::Applied { invoice: 13, .. }), "{paid:?}");
    let of_subscription = r#""subscription":"sub_gateway","dueDate":"2026-06-10",
        "originalDueDate":"2026-06-10""#;
    let paid = report(&engine, "evt_12", "PAYMENT_RECEIVED", "pay_12", of_subscription);
    assert!(matches!(paid, PaymentOutcome::Applied { invoice: 12, .. }), "{paid:?}");
    for tenant in ["manual", "manual", "ahead"] {
        engine.mark_paid(waits(&engine, tenant, "2026-06-10"), None).expect("is paid");
    }
    engine.set_due_date("manual", date("2026-07-20"), None).expect("is set");
    assert_sound(&engine);

    drop(engine);
    let engine = opened(&database, "2026-06-11T12:00:00-03:00");
    for tenant in engine.tenants().expect("reads") {
        engine.settle(&tenant).expect("settles");
    }
    let last = |tenant: &str| invoices(&engine, tenant).pop().expect("has one");
    for (tenant, expected) in [
        // The purchase that schema 5 billed beside the plan is a line of the plan's invoice.
        ("manual", " 2026-07-20 309.00 pending"),
        ("gateway", " 2026-07-10 299.00 pending"),
        ("late", " 2026-07-10 299.00 pending"),
        ("small", " 2026-07-10 299.00 pending"),
        ("ahead", " 2026-07-10 99.00 pending"),
    ] {
        assert!(last(tenant).ends_with(expected), "{tenant}: {}", last(tenant));
        let report = engine.report(tenant).expect("reports");
        assert!(report.subscription.is_some_and(|it| it.pause == Pause::None && !it.lapsed));
        assert!(engine.consume(tenant, "credits", 1).expect("decides").allowed(), "{tenant}");
    }
    assert_eq!(last("chosen"), "7 2026-05-05 299.00 cancelled", "an offer runs out now");
    // Its second instalment was due on 5 June, and its gateway has been silent for four days.
    assert_eq!(status(&engine, "parts"), Status::PastDue);
    assert_eq!(status(&engine, "small"), Status::PastDue);
    assert_sound(&engine);
    drop(engine);
    cotas_tests::assert_whole(&database.open());
}
