//! Leases, reservations, keys and events: what holds whenever claims expire, are used again, or
//! outlive the period, the plan and the catalog under which they were made.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use cotas::*;
use cotas_tests::*;

const SECOND_MS: i64 = 1_000;
const DAY_MS: i64 = 86_400_000;

#[test]
fn a_holder_whose_lease_has_expired_takes_one_anew() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let tenant = engine.tenant("acme").unwrap();
    let leases = tenant.leases("calls").unwrap();
    for holder in ["a", "b", "c"] {
        assert!(leases.acquire(holder, Some(Duration::from_secs(1))).unwrap().allowed());
        clock.advance_ms(1);
    }
    clock.advance_ms(10 * SECOND_MS);
    let lease = leases.acquire("c", Some(Duration::from_secs(1))).unwrap().lease.unwrap();
    assert_sound(&engine);
    leases.renew("c", lease.fencing, None).unwrap();
    leases.release("c", lease.fencing).unwrap();
    assert_sound(&engine);
}

#[test]
fn a_check_of_a_lease_says_what_acquiring_it_would() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    let tenant = engine.tenant("acme").unwrap();
    let leases = tenant.leases("calls").unwrap();
    assert!(leases.acquire("a", Some(Duration::from_secs(1))).unwrap().allowed());
    clock.advance_ms(2 * SECOND_MS);
    assert!(leases.check("b").unwrap().allowed());
    // past a boundary
    assert!(leases.acquire("a", Some(Duration::from_secs(1))).unwrap().allowed());
    clock.advance_ms(30 * DAY_MS);
    assert!(leases.check("b").unwrap().allowed());
    assert!(leases.acquire("b", None).unwrap().allowed());
}

#[test]
fn a_key_used_again_answers_for_its_new_operation_only() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let tenant = engine.tenant("acme").unwrap();
    let once = || tenant.once("k").kept_for(Duration::from_millis(1));
    let receipt = once().consume("credits", 5).unwrap().receipt.unwrap();
    tenant.refund(&receipt).unwrap();
    clock.advance_ms(10);
    let receipt = once().meter("storage_mb").unwrap().subtract(1).unwrap().receipt.unwrap();
    assert_eq!(tenant.charges_of(&receipt).unwrap(), []);
    let _ = tenant.refund(&receipt);
    assert_sound(&engine);
    assert_eq!(balance(&engine, "acme", "credits"), (1000, Some(1000)));
}

#[test]
fn a_key_used_again_for_a_reservation_tells_of_nothing_older() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let tenant = engine.tenant("acme").unwrap();
    // Two others expire first, so that reclaiming a little does not reach this one.
    for key in ["i", "j", "k"] {
        let once = tenant.once(key).kept_for(Duration::from_millis(1));
        assert!(once.consume("sms", 2).unwrap().allowed());
    }
    clock.advance_ms(10);
    let once = || tenant.once("j").reserve(&[("credits", 5)], Duration::from_secs(60)).unwrap();
    let first = once();
    let again = once();
    assert!(again.replayed);
    assert!(again.charges.iter().all(|it| it.resource == engine.resource("credits").unwrap()),
        "{:?}", again.charges);
    let _ = first;
    assert_sound(&engine);
}

#[test]
fn usage_that_goes_back_to_nothing_is_written_as_nothing() {
    let database = Database::new(env!("CARGO_BIN_EXE_puppet"));
    let engine = database.open();
    let text = CATALOG.replace("storage_mb = 50", "storage_mb = \"unlimited\"");
    engine.load_catalog(&Catalog::parse(&text, "t.toml").unwrap()).unwrap();
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    let tenant = engine.tenant("acme").unwrap();
    let meter = tenant.meter("storage_mb").unwrap();
    assert!(meter.add(5).unwrap().allowed());
    engine.checkpoint().unwrap();
    assert!(meter.subtract(5).unwrap().allowed());
    assert_sound(&engine);
}
