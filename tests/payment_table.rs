//! Every status and every event of both gateways: the tables of `docs/payments.md`, cell by cell.

use std::sync::Arc;

use cotas::billing::Gateway;
use cotas::{Catalog, Engine, Invoice, Maintenance, ManualClock, NewTenant, Status};
use cotas_tests::{assert_sound, at, date};

const DOCUMENT: &str = include_str!("../docs/payments.md");
const TOKEN: &str = "a-token-of-the-webhook";
const CATALOG: &str = r#"
[catalog]
time_zone = "America/Sao_Paulo"
[resources.sms]
kind = "allowance"
[plans.full]
title = "Full"
price = "299.00"
limits = { sms = 100 }
"#;

/// The due day is not over, is over, and has been for longer than a gateway may be silent.
const BEFORE: &str = "2026-06-20T12:00:00-03:00";
const AFTER: &str = "2026-06-22T12:00:00-03:00";
const LONG_AFTER: &str = "2026-06-26T12:00:00-03:00";

/// The cells of the table under a heading, its header first.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = DOCUMENT.split_once(&format!("### {heading}\n")).expect("a heading");
    let rows = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| {
        row.trim_matches('|').split('|').map(str::trim).collect::<Vec<&'static str>>()
    };
    rows.map(cells).filter(|row| !row[0].starts_with("---")).collect()
}

/// Names of events, their gateways and kinds.
fn events() -> Vec<(&'static str, Gateway, &'static str)> {
    let rows = table("What the gateways report").into_iter().skip(1);
    rows.map(|row| (row[0], Gateway::from_code(row[1]).expect("a gateway"), row[2])).collect()
}

/// What a gateway sends of charge `ch_1` of an invoice.
fn body(name: &str, gateway: Gateway, it: &Invoice, time: &str) -> Vec<u8> {
    let reference = &it.reference;
    let text = match gateway {
        Gateway::Asaas => format!(
            r#"{{"id":"evt&{name}{time}","event":"{name}","dateCreated":"2026-06-20 {time}",
                "payment":{{"object":"payment","id":"ch_1","value":299.00,"billingType":"PIX",
                "dueDate":"2026-06-20","originalDueDate":"2026-06-20",
                "refunds":[{{"status":"DONE","value":50}}],"externalReference":"{reference}"}}}}"#
        ),
        _ => format!(
            r#"{{"id":"hook_{name}{time}","type":"{name}","created_at":"2026-06-20T{time}-03:00",
                "data":{{"id":"ch_1","code":"{reference}","amount":29900,"paid_amount":29900,
                "canceled_amount":5000,"status":"paid","payment_method":"pix",
                "due_at":"2026-06-20T00:00:00Z"}}}}"#
        ),
    };
    text.into_bytes()
}

fn send(engine: &Engine, name: &str, gateway: Gateway, it: &Invoice, time: &str) {
    let body = body(name, gateway, it, time);
    engine.payment_event(gateway, &body, TOKEN).expect("is answered");
}

fn opened(new: &NewTenant<'_>) -> (Engine, Arc<ManualClock>, Invoice) {
    let clock = Arc::new(ManualClock::new(at("2026-06-01T12:00:00-03:00")));
    let builder = Engine::in_memory().clock(Arc::clone(&clock) as _);
    let engine = builder.maintenance(Maintenance::External).open().expect("opens");
    engine.load_catalog(&Catalog::parse(CATALOG, "table.toml").expect("valid")).expect("loads");
    for gateway in [Gateway::Asaas, Gateway::Pagarme] {
        engine.set_webhook_token(gateway, TOKEN).expect("is set");
    }
    engine.create_tenant(new).expect("is created");
    engine.set_payment_form("t", "gateway", None).expect("changes");
    let invoice = engine.invoices("t").expect("reads").remove(0);
    (engine, clock, invoice)
}

fn plan() -> NewTenant<'static> {
    NewTenant::new("t").plan("full", date("2026-06-20"), true)
}

/// A tenant whose invoice stands as a column says.
fn with_invoice(column: &str, gateway: Gateway) -> (Engine, Invoice) {
    let (engine, clock, invoice) = opened(&plan());
    let (paid, reversed) = match gateway {
        Gateway::Asaas => ("PAYMENT_RECEIVED", "PAYMENT_REFUNDED"),
        _ => ("charge.paid", "charge.refunded"),
    };
    clock.set(at(if column == "overdue" { LONG_AFTER } else { AFTER }));
    let earlier = |name| send(&engine, name, gateway, &invoice, "08:00:00");
    match column {
        "pending" => clock.set(at(BEFORE)),
        "paid" => earlier(paid),
        "refunded" => {
            earlier(paid);
            earlier(reversed);
        }
        "cancelled" => engine.cancel_invoice(invoice.id).expect("is cancelled"),
        _ => engine.settle("t").expect("settles"),
    }
    let stands = engine.invoices("t").expect("reads").remove(0).status.code();
    assert_eq!(stands, column.split(',').next().expect("a word"), "the column's own status");
    (engine, invoice)
}

/// A tenant of the status that a column says, with one open invoice.
fn with_status(column: &str) -> (Engine, Invoice) {
    let first = |status| NewTenant { status, pay_first: Some("gateway"), ..plan() };
    let new = match column {
        "demo" => first(Status::Demo),
        "onboarding" => first(Status::Onboarding),
        _ => plan(),
    };
    let (engine, clock, invoice) = opened(&new);
    match column {
        "demo" | "onboarding" => {}
        "past_due" => {
            clock.set(at(LONG_AFTER));
            engine.settle("t").expect("settles");
        }
        _ => clock.set(at(AFTER)),
    }
    let change = |status, reason| engine.set_status("t", status, reason, false).expect("changes");
    match column {
        "suspended for debt" => change(Status::Suspended, "debt"),
        "suspended" => change(Status::Suspended, "abuse"),
        "cancelled" => change(Status::Cancelled, "gone"),
        _ => {}
    }
    let status = engine.report("t").expect("reports").status.code();
    assert!(column.starts_with(status), "{column}: {status}");
    (engine, invoice)
}

/// Calls `check` with each event's name and gateway, and each column's name and cell for its kind.
fn each_cell(heading: &str, check: impl Fn(&str, Gateway, &str, &str)) {
    let rows = table(heading);
    let mut cells = 0;
    for (name, gateway, kind) in events() {
        let row = rows.iter().find(|row| row[0] == kind);
        let row = row.unwrap_or_else(|| panic!("no row for {kind}"));
        for (column, cell) in rows[0].iter().zip(row).skip(1) {
            check(name, gateway, column, cell);
            cells += 1;
        }
    }
    assert_eq!(cells, events().len() * (rows[0].len() - 1));
    let kinds = rows.iter().skip(1).map(|row| row[0]);
    let unused: Vec<_> = kinds.filter(|kind| events().iter().all(|it| it.2 != *kind)).collect();
    assert_eq!(unused, [""; 0], "every row is of some event of a gateway");
}

#[test]
fn every_event_brings_an_invoice_of_every_status_to_what_the_table_says() {
    each_cell("What an invoice becomes", |name, gateway, column, cell| {
        let (engine, invoice) = with_invoice(column, gateway);
        send(&engine, name, gateway, &invoice, "11:00:00");
        let after = engine.invoices("t").expect("reads").remove(0).status.code();
        assert_eq!(after, cell, "{name}, {column}");
        // The same event again changes nothing.
        send(&engine, name, gateway, &invoice, "11:00:00");
        assert_eq!(engine.invoices("t").expect("reads").remove(0).status.code(), cell, "{name}");
        assert_sound(&engine);
    });
}

#[test]
fn every_event_brings_a_tenant_of_every_status_to_what_the_table_says() {
    each_cell("What a tenant becomes", |name, gateway, column, cell| {
        let (engine, invoice) = with_status(column);
        send(&engine, name, gateway, &invoice, "11:00:00");
        let after = engine.report("t").expect("reports").status.code();
        assert_eq!(after, cell, "{name}, {column}");
        assert_sound(&engine);
    });
}
