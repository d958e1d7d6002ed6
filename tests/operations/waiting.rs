//! An engine that does not wait: what has to wait is refused and left undone.

use cotas::{Durability, Engine, Error, Maintenance};
use cotas_tests::wide::acme;
use cotas_tests::{NOON, assert_sound};

#[test]
fn what_has_to_settle_first_is_left_to_a_call_that_waits() {
    let (engine, clock) = acme(NOON);
    let non_blocking = engine.without_waiting().expect("it need not wait");
    let (blocking, non_blocking) = (engine.tenant("acme"), non_blocking.tenant("acme"));
    let (blocking, non_blocking) = (blocking.expect("exists"), non_blocking.expect("exists"));
    assert!(non_blocking.consume("credits", 3).expect("has nothing to wait for").allowed());

    clock.advance_ms(60 * 24 * 3_600_000); // Past two renewals.
    let busy = |result: Result<_, Error>| matches!(result, Err(Error::Busy { .. }));
    assert!(busy(non_blocking.consume("credits", 1)) && busy(non_blocking.check("credits", 1)));
    assert!(busy(non_blocking.meter("storage_mb").expect("is a meter").subtract(1)));
    assert_eq!(blocking.consume("credits", 1).expect("settles").used, 1, "and nothing before it");
    assert_eq!(non_blocking.consume("credits", 1).expect("is settled").used, 2);
    assert_sound(&engine);
}

#[test]
fn a_reservation_of_a_closed_period_is_given_back_by_a_call_that_waits() {
    let (engine, clock) = acme(NOON);
    engine.grant("acme", "credits", cotas::Source::Extra, 5, None, None).expect("is given");
    let non_blocking = engine.without_waiting().expect("it need not wait").tenant("acme");
    let (blocking, non_blocking) =
        (engine.tenant("acme").expect("exists"), non_blocking.expect("exists"));
    let all = blocking.check("credits", 1).expect("decides").available + 1;
    let held = blocking.reserve(&[("credits", all)], std::time::Duration::from_hours(24 * 300));
    let id = held.expect("decides").reservation.expect("is held");

    clock.advance_ms(60 * 24 * 3_600_000);
    blocking.check("credits", 1).expect("decides");
    engine.settle("acme").expect("settles");
    assert!(matches!(non_blocking.release(&id), Err(Error::Busy { .. })));
    blocking.release(&id).expect("gives back");
    assert_sound(&engine);
}

#[test]
fn an_engine_whose_every_call_waits_has_no_other_kind() {
    let (engine, _) = acme(NOON);
    assert!(engine.with_durability(Durability::Disk).without_waiting().is_none());
    let inline = Engine::in_memory().maintenance(Maintenance::Inline).open().expect("opens");
    assert!(inline.without_waiting().is_none());
}
