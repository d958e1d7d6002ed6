//! Idempotency keys on every operation that takes one.

use std::time::Duration;

use cotas::{Decision, Details, Direction, Error, Tenant};
use cotas_tests::wide::{acme, allowed, denied, stands};
use cotas_tests::{NOON, assert_sound};

const MINUTE: Duration = Duration::from_secs(60);

/// An operation under a key, with arguments that differ by a number.
type Operation = (&'static str, fn(&Tenant, &str, u64) -> Result<Decision, Error>);

fn details(number: u64) -> Details<'static> {
    let contact = if number == 1 { "c1" } else { "c2" };
    Details { contact, holder: contact, channel: "w", ..Details::default() }
}

const OPERATIONS: [Operation; 11] = [
    ("consume", |it, key, number| it.once(key).consume("credits", number)),
    ("watched", |it, key, number| it.once(key).consume("watched", 4 + number)),
    ("admit", |it, key, number| {
        it.once(key).admit("sessions", Direction::Inbound, &details(number))
    }),
    ("perform", |it, key, number| it.once(key).perform("start_agent", &details(number))),
    ("reserve", |it, key, number| it.once(key).reserve(&[("sms", number)], MINUTE)),
    ("reserve_action", |it, key, number| {
        let quantity = Some(number);
        let details = Details { quantity, ..Details::default() };
        it.once(key).reserve_action("send_sms", &details, MINUTE)
    }),
    ("acquire", |it, key, number| {
        it.once(key).leases("calls")?.acquire(details(number).holder, None)
    }),
    ("add", |it, key, number| it.once(key).meter("api_calls")?.add(10 + number)),
    ("subtract", |it, key, number| it.once(key).meter("api_calls")?.subtract(number)),
    ("set", |it, key, number| it.once(key).meter("storage_mb")?.set(number)),
    ("pass", |it, key, number| it.once(key).rate("pair_rate")?.pass("p", number)),
];

#[test]
fn every_operation_takes_effect_once_per_key_and_is_replayed_as_it_was() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    for (name, operation) in OPERATIONS {
        let first = allowed(operation(&tenant, name, 1));
        assert!(!first.replayed, "{name}");
        let before = engine.report("acme").expect("reports").balances;
        clock.advance_ms(1_000);
        let again = allowed(operation(&tenant, name, 1));
        assert_eq!(again, Decision { replayed: true, ..first }, "{name}");
        let conflict = operation(&tenant, name, 2);
        assert!(matches!(conflict, Err(Error::IdempotencyConflict)), "{name}: {conflict:?}");
        assert_eq!(engine.report("acme").expect("reports").balances, before, "{name}");
    }
    // A key is the tenant's, whatever the operation.
    let other = tenant.once("add").consume("credits", 11);
    assert!(matches!(other, Err(Error::IdempotencyConflict)), "{other:?}");
    assert_sound(&engine);
}

#[test]
fn a_key_covers_how_long_something_is_held() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let reserve = |ttl| tenant.once("r").reserve(&[("sms", 1)], ttl);
    let send = Details { quantity: Some(1), ..Details::default() };
    let reserve_action = |ttl| tenant.once("a").reserve_action("send_sms", &send, ttl);
    let acquire = |ttl| tenant.once("l").leases("calls")?.acquire("h", ttl);
    allowed(reserve(MINUTE));
    allowed(reserve_action(MINUTE));
    allowed(acquire(None));
    assert!(allowed(reserve(MINUTE)).replayed && allowed(reserve_action(MINUTE)).replayed);
    assert!(allowed(acquire(None)).replayed);
    for conflict in [reserve(2 * MINUTE), reserve_action(2 * MINUTE), acquire(Some(MINUTE))] {
        assert!(matches!(conflict, Err(Error::IdempotencyConflict)), "{conflict:?}");
    }
    assert_sound(&engine);
}

#[test]
fn a_denial_is_not_stored() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    allowed(tenant.consume("credits", 10));
    for name in ["a", "b", "c"] {
        allowed(tenant.leases("calls").expect("is a lease").acquire(name, None));
    }
    denied(tenant.once("k").consume("credits", 1));
    denied(tenant.once("l").leases("calls").expect("is a lease").acquire("d", None));
    denied(tenant.once("k").consume("credits", 2));
    engine.set_limit("acme", "credits", cotas::Limit::Finite(20)).expect("is raised");
    clock.advance_ms(60_000);
    assert!(!allowed(tenant.once("k").consume("credits", 5)).replayed);
    let calls = tenant.once("l").leases("calls").expect("is a lease");
    assert!(!allowed(calls.acquire("e", None)).replayed);
    assert!(allowed(calls.acquire("e", None)).replayed);
    assert_eq!(stands(&engine, "acme", "credits").0, 15);
    assert_sound(&engine);
}

#[test]
fn a_key_is_kept_for_as_long_as_was_asked() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let hour = Duration::from_secs(3_600);
    let short = || tenant.once("short").kept_for(hour).consume("credits", 1);
    let usual = || tenant.once("usual").consume("sms", 1);
    let long = || tenant.once("long").kept_for(400 * 24 * hour).consume("tasks", 1);
    allowed(short());
    allowed(usual());
    allowed(long());
    clock.advance_ms(3_600_000 - 1);
    assert!(allowed(short()).replayed);
    clock.advance_ms(1);
    assert!(!allowed(short()).replayed);
    clock.advance_ms(7 * 86_400_000 - 3_600_001);
    assert!(allowed(usual()).replayed);
    clock.advance_ms(1);
    assert!(!allowed(usual()).replayed);
    for _ in 0..10 {
        clock.advance_ms(39 * 86_400_000);
        assert!(allowed(long()).replayed);
    }
    for bad in [Duration::ZERO, Duration::from_nanos(1), 401 * 24 * hour, Duration::MAX] {
        let refused = tenant.once("bad").kept_for(bad).consume("credits", 1);
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{bad:?}: {refused:?}");
        assert!(tenant.once("bad").kept_for(bad).meter("minutes").is_err());
    }
    assert_sound(&engine);
}

#[test]
fn keys_that_took_from_many_grants_come_and_go_and_the_table_stays_sound() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let short = Duration::from_secs(1);
    let key = |index| format!("k{index}");
    for round in 0..4 {
        for _ in 0..60 {
            engine.grant("acme", "credits", cotas::Source::Extra, 1, None, None).expect("grants");
        }
        for index in 0..20 {
            let units = if index == round { 50 } else { 1 };
            let once = tenant.once("x");
            let name = key(index);
            let once = if index < 20 { tenant.once(&name) } else { once };
            let _ = once.kept_for(short).consume("credits", units).expect("decides");
            let _ = tenant.once(&name).kept_for(short).meter("minutes").map(|it| it.subtract(1));
        }
        clock.advance_ms(2_000);
        assert_sound(&engine);
    }
}
