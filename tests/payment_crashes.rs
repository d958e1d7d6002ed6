//! `kill -9` between any two steps of a payment: when the gateway reports it again, it has had one
//! effect.

use std::path::Path;
use std::sync::Arc;

use cotas::billing::Gateway;
use cotas::{Catalog, Engine, InvoiceStatus, ManualClock, NewTenant};
use cotas_tests::payments::{CATALOG, TOKEN, asaas, reference};
use cotas_tests::{Database, assert_sound, assert_whole, at, date};

/// After everything that the events report has happened.
const LATE: &str = "2026-06-20T12:00:00-03:00";

/// The steps of the admin transaction, in their order, and whether the event stands after a crash
/// there.
const STEPS: [(&str, bool); 11] = [
    ("token.intended", false),
    ("admin.pending", false),
    ("snapshot.noted", false),
    ("admin.written", false),
    ("commit.before", false),
    ("commit.after", true),
    ("commit.confirmed", true),
    ("admin.committed", true),
    ("apply.counters", true),
    ("apply.gates", true),
    ("apply.done", true),
];

/// Acme, which pays its plan in advance at a gateway and has bought 50 credits, with the events
/// about both payments in files. An engine that stays attached.
fn with_events(database: &Database) -> (Engine, usize) {
    let engine = database.open();
    engine.load_catalog(&Catalog::parse(CATALOG, "shop.toml").expect("is valid")).expect("loads");
    engine.set_webhook_token(Gateway::Asaas, TOKEN).expect("is set");
    let new = NewTenant::new("acme").plan("prepaid", date("2026-05-20"), true);
    engine.create_tenant(&new).expect("is created");
    engine.set_payment_form("acme", "Asaas", None).expect("changes");
    engine.buy("acme", "more", 50, None).expect("sells");
    let engine = engine.with_clock(Arc::new(ManualClock::new(at(LATE))));
    engine.settle("acme").expect("settles");
    let mut written = 0;
    for (payment, title) in [("pay_1", "Pré-pago"), ("pay_2", "Créditos")] {
        let invoices = engine.invoices("acme").expect("reads");
        let invoice = invoices.iter().find(|it| it.title == title).expect("an invoice").id;
        for (event, day) in [
            ("PAYMENT_CONFIRMED", "2026-05-10"),
            ("PAYMENT_CHARGEBACK_REQUESTED", "2026-05-15"),
            ("PAYMENT_RECEIVED", "2026-06-11"),
        ] {
            let id = format!("evt_{payment}&{event}");
            let body = asaas(&id, event, payment, &reference(&engine, "acme", invoice), day);
            let path = database.directory().join(format!("{written}.json"));
            std::fs::write(path, body).expect("is written");
            written += 1;
        }
    }
    (engine, written)
}

fn deliver(engine: &Engine, directory: &Path, number: usize) {
    let body = std::fs::read(directory.join(format!("{number}.json"))).expect("is there");
    engine.payment_event(Gateway::Asaas, &body, TOKEN).expect("is answered");
}

/// All that events may change, without references, which name their database.
fn ledger(engine: &Engine) -> String {
    let report = engine.report("acme").expect("reports");
    let mut invoices = engine.invoices("acme").expect("reads");
    invoices.iter_mut().for_each(|invoice| invoice.reference.clear());
    let subscriptions = engine.subscriptions("acme").expect("reads");
    let trail = engine.audit_trail(Some("acme"), 1_000).expect("reads").len();
    let outbox = engine.events(0, 1_000).expect("reads").len();
    format!("{report:?} {invoices:?} {subscriptions:?} {trail} {outbox}")
}

/// A process applies an event and is killed at a point; whether it got there.
fn is_killed_at(database: &Database, point: &str, event: usize) -> bool {
    let directory = database.directory().to_str().expect("UTF-8").to_owned();
    crashes_at(database, point, LATE, &["report", &directory, &event.to_string(), "1"])
}

/// A process does something and is killed at a point. A panic: it lived.
fn crashes_at(database: &Database, point: &str, now: &str, words: &[&str]) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let mut command = database.command(words);
    command.env("COTAS_NOW", at(now).ms().to_string());
    command.env("COTAS_CRASH", point).env("COTAS_ABANDON", "1");
    let output = command.output().expect("starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.signal() {
        Some(libc::SIGKILL) => true,
        _ => panic!("{point}, {words:?}: {:?} {error}", output.status),
    }
}

#[test]
fn a_kill_between_any_two_steps_of_a_payment_has_one_effect() {
    // What each event comes to where no process is killed.
    let whole = Database::new(env!("CARGO_BIN_EXE_helper"));
    let (engine, events) = with_events(&whole);
    let mut after = vec![ledger(&engine)];
    for number in 0..events {
        deliver(&engine, whole.directory(), number);
        after.push(ledger(&engine));
        assert_ne!(after[number], after[number + 1], "event {number} did nothing");
    }
    let invoices = engine.invoices("acme").expect("reads");
    assert!(invoices.iter().filter(|it| it.status == InvoiceStatus::Paid).count() >= 2);
    for event in 0..events {
        for (point, stands) in STEPS {
            let database = Database::new(env!("CARGO_BIN_EXE_helper"));
            let (engine, _) = with_events(&database);
            for number in 0..event {
                deliver(&engine, database.directory(), number);
            }
            assert!(is_killed_at(&database, point, event), "{point}, event {event}: it lived");
            let found = ledger(&engine);
            assert_eq!(found, after[event + usize::from(stands)], "{point}, event {event}");
            // The gateway got no answer: it reports it again, and once more.
            deliver(&engine, database.directory(), event);
            deliver(&engine, database.directory(), event);
            assert_eq!(ledger(&engine), after[event + 1], "{point}, event {event}: one effect");
            assert_sound(&engine);
            drop(engine);
            assert_whole(&database.open());
        }
    }
}

/// What happens to the period that follows, in order, and when.
const NEXT_PERIOD: [(&str, &[&str]); 3] = [
    ("2026-05-11T12:00:00-03:00", &["due", "acme", "2026-07-05", "k1"]),
    ("2026-06-01T12:00:00-03:00", &["pause", "acme", "k2"]),
    ("2026-08-20T12:00:00-03:00", &["resume", "acme", "k3"]),
];

/// Acme on a plan that is billed in advance, due on 10 June; the first `done` operations are done.
fn with_next_period(done: usize) -> (Database, Engine) {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    let text = CATALOG.replace("renew_on = \"payment\"", "billing = \"advance\"");
    engine.load_catalog(&Catalog::parse(&text, "shop.toml").expect("is valid")).expect("loads");
    let clock = |now: &str| Arc::new(ManualClock::new(at(now)));
    let engine = engine.with_clock(clock(NEXT_PERIOD[0].0));
    let new = NewTenant::new("acme").plan("prepaid", date("2026-06-10"), true);
    let created = at("2026-05-11T09:00:00-03:00");
    let new = NewTenant { first_period_paid: true, created_at: Some(created), ..new };
    engine.create_tenant(&new).expect("is created");
    let mut engine = engine;
    for (now, words) in &NEXT_PERIOD[..done] {
        engine = engine.with_clock(clock(now));
        operate(&engine, words);
    }
    let (now, _) = NEXT_PERIOD[done.min(NEXT_PERIOD.len() - 1)];
    let engine = engine.with_clock(clock(now));
    engine.settle("acme").expect("settles");
    (database, engine)
}

fn operate(engine: &Engine, words: &[&str]) {
    match *words {
        ["due", name, day, key] => {
            drop(engine.set_due_date(name, date(day), Some(key)).expect(day))
        }
        ["pause", name, key] => drop(engine.once(key).pause_subscription(name).expect(key)),
        ["resume", name, key] => drop(engine.once(key).resume_subscription(name, None).expect(key)),
        _ => panic!("{words:?}"),
    }
}

#[test]
fn a_kill_between_any_two_steps_of_a_pause_or_a_due_date_has_one_effect() {
    for (number, (now, words)) in NEXT_PERIOD.iter().enumerate() {
        let (_whole, engine) = with_next_period(number);
        let before = ledger(&engine);
        operate(&engine, words);
        let after = ledger(&engine);
        assert_ne!(before, after, "{words:?} did nothing");
        for (point, stands) in STEPS {
            let (database, engine) = with_next_period(number);
            assert_eq!(ledger(&engine), before, "{words:?}");
            assert!(crashes_at(&database, point, now, words));
            let found = ledger(&engine);
            assert_eq!(found, if stands { &after } else { &before }[..], "{point}, {words:?}");
            operate(&engine, words);
            operate(&engine, words);
            assert_eq!(ledger(&engine), after, "{point}, {words:?}: one effect");
            assert_sound(&engine);
            drop(engine);
            assert_whole(&database.open());
        }
    }
}
