//! How many transactions administration costs: one for whatever is done to one tenant, however
//! much that is; one for hundreds of tenants that renew at the same midnight. Counted in SQLite's
//! log.

use std::sync::Arc;

use cotas::billing::Gateway;
use cotas::{
    Catalog, Engine, Limit, ManualClock, NewTenant, PaymentOutcome, Source, Status, Terms,
};
use cotas_tests::payments::{CATALOG, PACKAGES, TOKEN, asaas, reference};
use cotas_tests::{Database, assert_sound, at, date};

/// The morning after the due date.
const AFTER: &str = "2026-05-21T09:00:00-03:00";

fn database() -> Database {
    Database::new(env!("CARGO_BIN_EXE_helper"))
}

fn transactions(database: &Database) -> u64 {
    database.reported(&["transactions"]).parse().expect("a number")
}

/// Does it, and says how many transactions that was.
fn cost<T>(database: &Database, work: impl FnOnce() -> T) -> (T, u64) {
    let before = transactions(database);
    let value = work();
    (value, transactions(database) - before)
}

#[test]
fn whatever_is_done_to_one_tenant_is_one_transaction() {
    let database = database();
    let clock = Arc::new(ManualClock::new(at("2026-05-04T12:00:00-03:00")));
    let engine = database.builder().clock(Arc::clone(&clock) as _).open().expect("opens");
    let text = format!("{}{PACKAGES}", cotas_tests::CATALOG);
    engine.load_catalog(&Catalog::parse(&text, "shop.toml").expect("is valid")).expect("loads");
    engine.set_webhook_token(Gateway::Asaas, TOKEN).expect("is set");
    let new = NewTenant::new("acme").plan("full", date("2026-05-20"), true);
    assert_eq!(cost(&database, || engine.create_tenant(&new).expect("is created")).1, 1);
    let terms = Terms::new("small", date("2026-05-20"), true);
    assert_eq!(cost(&database, || engine.change_plan("acme", &terms, None).expect("changes")).1, 1);
    let bought = cost(&database, || engine.buy("acme", "more", 50, None).expect("sells"));
    assert_eq!(bought.1, 1);
    let named = reference(&engine, "acme", bought.0.invoice);
    let body = asaas("e&1", "PAYMENT_RECEIVED", "pay_1", &named, "2026-05-04");
    let reported = || engine.payment_event(Gateway::Asaas, &body, TOKEN).expect("is answered");
    let (outcome, paid) = cost(&database, reported);
    assert!(matches!(outcome, PaymentOutcome::Applied { .. }), "{outcome:?}");
    assert_eq!(paid, 1, "event, invoice, grant, status");
    let scheduled = cost(&database, || engine.schedule_plan("acme", "full", None).expect("is"));
    assert_eq!(scheduled.1, 1);
    let operations: [&dyn Fn() -> Result<(), cotas::Error>; 4] = [
        &|| engine.grant("acme", "credits", Source::Extra, 5, None, Some("key")),
        &|| engine.set_limit("acme", "credits", Limit::Finite(9)),
        &|| engine.set_status("acme", Status::PastDue, "debt", false),
        &|| engine.mark_paid(engine.invoices("acme")?[0].id, None),
    ];
    for (number, operation) in operations.iter().enumerate() {
        assert_eq!(cost(&database, || operation().expect("does")).1, 1, "operation {number}");
    }
    // Two boundaries: the scheduled plan, and its renewal; both invoices, all events.
    clock.set(at("2026-06-21T09:00:00-03:00"));
    let renewed = cost(&database, || engine.consume("acme", "credits", 1).expect("decides"));
    assert!(renewed.0.allowed());
    assert_eq!(renewed.1, 1);
    let again = cost(&database, || engine.consume("acme", "credits", 1).expect("decides"));
    assert!(again.0.allowed());
    assert_eq!(again.1, 0, "a decision writes nothing");
    assert_sound(&engine);
}

#[test]
fn a_decision_that_comes_first_settles_its_own_tenant_only() {
    let (database, engine) = many(20);
    let later = engine.with_clock(Arc::new(ManualClock::new(at(AFTER))));
    let (decision, transactions) =
        cost(&database, || later.consume("t7", "credits", 1).expect("decides"));
    assert_eq!((decision.used, transactions), (1, 1));
    for tenant in 0..20 {
        let periods = engine.periods(&format!("t{tenant}")).expect("reads").len();
        assert_eq!(periods, usize::from(tenant == 7), "t{tenant}");
    }
    assert_sound(&engine);
}

#[test]
fn maintenance_settles_hundreds_in_one_transaction() {
    let (database, engine) = many(500);
    assert!(engine.consume("t3", "credits", 7).expect("decides").allowed());
    engine.checkpoint().expect("writes");
    let maintain = || {
        let mut command = database.command(&["maintain"]);
        command.env("COTAS_WALL", "1").env("COTAS_NOW", at(AFTER).ms().to_string());
        let output = command.env("COTAS_ABANDON", "1").output().expect("starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    };
    let (settled, transactions) = cost(&database, maintain);
    assert_eq!(settled, "500");
    assert!((3..=4).contains(&transactions), "{transactions} for 500, 240 at most in each");
    let later = engine.with_clock(Arc::new(ManualClock::new(at(AFTER))));
    for tenant in 0..500 {
        let name = format!("t{tenant}");
        assert_eq!(engine.periods(&name).expect("reads").len(), 1, "{name}");
        assert_eq!(engine.invoices(&name).expect("reads").len(), 2, "{name}");
    }
    let (decision, transactions) =
        cost(&database, || later.consume("t3", "credits", 1).expect("decides"));
    assert_eq!((decision.used, decision.available, transactions), (1, 99, 0), "settled before");
    assert_sound(&engine);
}

/// So many tenants that renew at the same midnight.
fn many(count: usize) -> (Database, Engine) {
    let database = database();
    let engine = database.open();
    let text = CATALOG.replace("renew_on = \"payment\"", "");
    engine.load_catalog(&Catalog::parse(&text, "many.toml").expect("is valid")).expect("loads");
    let names: Vec<_> = (0..count).map(|number| format!("t{number}")).collect();
    let due = date("2026-05-20");
    let new: Vec<_> =
        names.iter().map(|name| NewTenant::new(name).plan("prepaid", due, true)).collect();
    assert_eq!(engine.ensure_tenants(&new).expect("creates"), count);
    (database, engine)
}
