//! Refunds, and what lowering a limit takes back.

use std::time::Duration;

use cotas::{Details, Direction, Engine, Error, Limit, Receipt, Source};
use cotas_tests::wide::{acme, allowed, denied, stands};
use cotas_tests::{NOON, add_tenant, assert_sound, at, balance};

fn once(engine: &Engine, key: &str, units: u64) -> Receipt {
    let tenant = engine.tenant("acme").expect("exists");
    allowed(tenant.once(key).consume("credits", units)).receipt.expect("a receipt")
}

#[test]
fn the_refund_of_a_charge_on_the_plan_does_not_give_the_next_one_its_extras_back() {
    let (engine, clock) = acme(NOON);
    engine.grant("acme", "credits", Source::Extra, 10, None, None).expect("grants");
    let tenant = engine.tenant("acme").expect("exists");
    let first = once(&engine, "a", 5);
    once(&engine, "b", 10);
    tenant.refund(&first).expect("refunds");
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(20)));
    clock.set(at("2026-05-21T12:00:00-03:00"));
    // The plan's ten again, and five extras.
    assert_eq!(balance(&engine, "acme", "credits"), (15, Some(15)));
    let report = engine.report("acme").expect("reports");
    let extra = report.grants.iter().find(|it| it.source == Source::Extra).expect("is there");
    assert_eq!(extra.remaining, 5);
    assert_sound(&engine);
}

#[test]
fn lowering_takes_back_the_plans_unused_units_and_leaves_extras() {
    let (engine, _) = acme(NOON);
    add_tenant(&engine, "other", "full", "2026-05-20", true);
    engine.grant("other", "credits", Source::Extra, 100, None, None).expect("grants");
    allowed(engine.consume("other", "credits", 600));
    engine.set_limit("other", "credits", Limit::Finite(500)).expect("is lowered");
    assert_eq!(balance(&engine, "other", "credits"), (100, Some(700)));
    allowed(engine.consume("other", "credits", 100));
    denied(engine.consume("other", "credits", 1));
    assert_sound(&engine);
}

#[test]
fn a_refund_happens_once_and_gives_back_everything_that_was_charged() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let details = Details { holder: "h", contact: "c", ..Details::default() };
    let decision = allowed(tenant.once("k").perform("start_agent", &details));
    let receipt = decision.receipt.expect("a receipt");
    let mut charged: Vec<_> =
        tenant.charges_of(&receipt).expect("reads").iter().map(|it| it.units).collect();
    charged.sort_unstable();
    assert_eq!(charged, [1, 1, 2, 3], "the lease is reported as well");
    tenant.refund(&receipt.to_string().parse().expect("parses")).expect("refunds");
    for resource in ["credits", "tasks", "minutes"] {
        assert_eq!(stands(&engine, "acme", resource), (0, 10, 0), "{resource}");
    }
    assert_eq!(stands(&engine, "acme", "agents").0, 1, "the lease is released by itself");
    let again = tenant.refund(&receipt);
    assert!(matches!(again, Err(Error::AlreadyRefunded)), "{again:?}");
    let replayed = allowed(tenant.once("k").perform("start_agent", &details));
    assert!(replayed.replayed);
    assert_eq!(stands(&engine, "acme", "credits"), (0, 10, 0), "the key charges nothing again");
    assert_sound(&engine);
}

#[test]
fn the_decision_that_was_refunded_is_given_again_as_it_was() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let details = Details { channel: "w", contact: "c", ..Details::default() };
    let first = allowed(tenant.once("k").admit("sessions", Direction::Inbound, &details));
    tenant.refund(&first.receipt.expect("a receipt")).expect("refunds");
    assert_eq!(stands(&engine, "acme", "sessions"), (0, 100, 0), "nothing else used the session");
    let replayed = allowed(tenant.once("k").admit("sessions", Direction::Inbound, &details));
    assert_eq!(replayed, cotas::Decision { replayed: true, ..first }, "with what it charged");
    assert_sound(&engine);
}

#[test]
fn a_late_refund_gives_back_extras_and_nothing_of_the_plan() {
    let (engine, clock) = acme(NOON);
    engine.grant("acme", "credits", Source::Extra, 10, None, None).expect("grants");
    let tenant = engine.tenant("acme").expect("exists");
    let long = Duration::from_secs(60 * 86_400);
    let both = allowed(tenant.once("a").kept_for(long).consume("credits", 14)).receipt;
    let both = both.expect("a receipt");
    clock.set(at("2026-05-21T12:00:00-03:00"));
    allowed(tenant.consume("credits", 3));
    tenant.refund(&both).expect("refunds");
    assert_eq!(balance(&engine, "acme", "credits"), (17, Some(20)));
    assert!(matches!(tenant.refund(&both), Err(Error::AlreadyRefunded)));
    assert_sound(&engine);
}

#[test]
fn extras_that_were_all_used_when_the_period_ended_come_back_too() {
    let (engine, clock) = acme(NOON);
    engine.grant("acme", "credits", Source::Extra, 10, None, None).expect("grants");
    let end = at("2026-05-30T12:00:00-03:00");
    engine.grant("acme", "sms", Source::Package, 10, Some(end), None).expect("grants");
    let tenant = engine.tenant("acme").expect("exists");
    let month = Duration::from_secs(30 * 86_400);
    let all = &[("credits", 20), ("sms", 20)];
    let held = allowed(tenant.reserve(all, month)).reservation.expect("a reservation");
    clock.set(at("2026-05-21T12:00:00-03:00"));
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)));
    clock.set(end);
    tenant.release(&held).expect("releases");
    assert_eq!(balance(&engine, "acme", "credits"), (20, Some(20)));
    assert_eq!(balance(&engine, "acme", "sms"), (10, Some(10)), "the package has expired");
    allowed(tenant.consume("credits", 20));
    assert_sound(&engine);
}

#[test]
fn extras_that_have_run_out_of_time_do_not_come_back() {
    let (engine, clock) = acme(NOON);
    let end = at("2026-05-06T12:00:00-03:00");
    engine.grant("acme", "credits", Source::Extra, 10, Some(end), None).expect("grants");
    let tenant = engine.tenant("acme").expect("exists");
    let receipt = once(&engine, "a", 15);
    clock.set(end);
    assert_eq!(balance(&engine, "acme", "credits").0, 0);
    tenant.refund(&receipt).expect("refunds");
    assert_eq!(balance(&engine, "acme", "credits").0, 10, "the plan's alone");
    allowed(tenant.check("credits", 10));
    denied(tenant.check("credits", 11));
    assert_sound(&engine);
}

#[test]
fn what_comes_back_to_extras_in_time_ends_with_them() {
    let (engine, clock) = acme(NOON);
    let end = at("2026-05-06T12:00:00-03:00");
    engine.grant("acme", "credits", Source::Extra, 10, Some(end), None).expect("grants");
    let tenant = engine.tenant("acme").expect("exists");
    let receipt = once(&engine, "a", 20);
    // The extras hold nothing when the tenant's next boundary is looked for.
    engine.set_limit("acme", "sms", Limit::Finite(11)).expect("is raised");
    tenant.refund(&receipt).expect("refunds");
    assert_eq!(balance(&engine, "acme", "credits").0, 20);
    clock.set(end);
    denied(tenant.consume("credits", 11));
    assert_eq!(balance(&engine, "acme", "credits").0, 10);
    allowed(tenant.consume("credits", 10));
    assert_sound(&engine);
}

#[test]
fn the_receipt_of_a_used_key_gives_back_nothing_of_what_the_key_did_before() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let short = Duration::from_secs(1);
    allowed(tenant.once("k").kept_for(short).consume("credits", 5));
    allowed(tenant.meter("minutes").expect("is a meter").add(4));
    clock.advance_ms(2_000);
    let meter = tenant.once("k").meter("minutes").expect("is a meter");
    let lowered = allowed(meter.subtract(1));
    tenant.refund(&lowered.receipt.expect("a receipt")).expect("refunds");
    assert_eq!(stands(&engine, "acme", "credits"), (5, 5, 0), "paid by another decision");
    clock.advance_ms(30 * 86_400_000);
    allowed(tenant.once("k2").kept_for(short).consume("credits", 5));
    clock.advance_ms(2_000);
    let held = allowed(tenant.once("k2").reserve(&[("sms", 1)], short));
    let again = allowed(tenant.once("k2").reserve(&[("sms", 1)], short));
    assert_eq!(again, cotas::Decision { replayed: true, ..held });
    assert_sound(&engine);
}
