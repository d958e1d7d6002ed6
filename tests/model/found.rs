//! What the model has found, each as short as it can be shown.

use std::sync::Arc;
use std::time::Duration;

use cotas::{Decision, Engine, EventKind, Limit, Maintenance, ManualClock, NewTenant, Source};
use cotas::{Tenant, Terms};
use cotas_tests::{assert_sound, at, balance, date};

use crate::catalog::catalog;
use crate::{DAY_MS, HOUR_MS, START};

const DAY: Duration = Duration::from_hours(24);

/// A tenant in January 2026 with 60 credits and 20 SMS, due at the end of the month.
fn acme(plan: &str) -> (Engine, Tenant, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at(START)));
    let builder = Engine::in_memory().clock(Arc::clone(&clock) as _);
    let engine = builder.maintenance(Maintenance::External).open().expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    let new = NewTenant::new("acme").plan(plan, date("2026-01-31"), true);
    engine.create_tenant(&new).expect("is created");
    let tenant = engine.tenant("acme").expect("exists");
    (engine, tenant, clock)
}

/// Units on top, for so many days.
fn buy(engine: &Engine, resource: &str, units: u64, days: i64) {
    let until = engine.now().plus_ms(days * DAY_MS);
    let bought = engine.grant("acme", resource, Source::Extra, units, Some(until), None);
    bought.expect("grants");
}

fn change_plan(engine: &Engine, plan: &str) {
    let terms = Terms::new(plan, date("2026-02-20"), true);
    engine.change_plan("acme", &terms, None).expect("changes");
}

fn used(engine: &Engine, resource: &str) -> u64 {
    let report = engine.report("acme").expect("reports");
    report.balances.iter().find(|it| it.resource == resource).expect("it has it").used
}

fn consume_once(tenant: &Tenant, units: u64) -> Decision {
    let decision = tenant.once("k").consume("credits", units).expect("decides");
    assert!(decision.allowed() && !decision.replayed);
    decision
}

#[test]
fn what_was_given_back_to_the_last_unit_is_not_used_after_a_rebuild() {
    let (engine, tenant, _) = acme("full");
    // All of them: no event is due any more.
    let decision = tenant.reserve(&[("bonus", 10)], DAY).expect("decides");
    engine.checkpoint().expect("checkpoints");
    tenant.release(&decision.reservation.expect("is held")).expect("releases");
    assert_sound(&engine);
}

#[test]
fn a_lease_that_no_plan_has_any_more_expires_after_a_rebuild() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::new(at(START)));
    let builder = Engine::builder(directory.path().join("app.db"))
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External);
    let engine = builder.open().expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    let new = NewTenant::new("acme").plan("full", date("2026-01-31"), true);
    engine.create_tenant(&new).expect("is created");
    let tenant = engine.tenant("acme").expect("exists");
    let leases = tenant.leases("calls").expect("are leases");
    assert!(leases.acquire("x", None).expect("decides").allowed());
    change_plan(&engine, "strict");
    drop((tenant, engine));
    std::fs::remove_file(directory.path().join("app.db-live")).expect("is removed");
    let engine = builder.open().expect("opens");
    assert_eq!(used(&engine, "calls"), 1);
    assert_sound(&engine);
    clock.advance_ms(HOUR_MS);
    let report = engine.report("acme").expect("reports");
    assert!(report.balances.iter().all(|it| it.resource != "calls"));
    assert_sound(&engine);
}

#[test]
fn a_reservation_expires_before_the_boundaries_that_come_after_it() {
    let (engine, tenant, clock) = acme("full");
    buy(&engine, "sms", 1, 1);
    buy(&engine, "credits", 5, 3);
    assert!(tenant.reserve(&[("credits", 65)], 2 * DAY).expect("decides").allowed());
    // There is no look for four days: what was bought came back on the second and ended on the
    // third.
    clock.advance_ms(4 * DAY_MS);
    assert_eq!((used(&engine, "credits"), balance(&engine, "acme", "credits").0), (0, 60));
    engine.settle("acme").expect("settles");
    let lost = engine.events(0, 100).expect("reads");
    let lost = lost.iter().filter(|it| matches!(it.kind, EventKind::GrantExpired { units: 5, .. }));
    assert_eq!(lost.count(), 1);
    assert_sound(&engine);
}

#[test]
fn leases_that_have_expired_reach_no_threshold_of_a_new_period() {
    let (engine, tenant, clock) = acme("full");
    let leases = tenant.leases("calls").expect("are leases");
    for holder in ["a", "b", "c"] {
        assert!(leases.acquire(holder, None).expect("decides").allowed());
    }
    clock.advance_ms(20 * DAY_MS);
    engine.settle("acme").expect("settles");
    let events = engine.events(0, 100).expect("reads");
    let all = events.iter().filter(|it| matches!(it.kind, EventKind::Exhausted { .. }));
    assert_eq!(all.count(), 1, "{events:?}");
}

#[test]
fn a_check_past_a_boundary_looks_at_those_above_as_well() {
    let (engine, _, clock) = acme("small");
    assert!(!engine.check("acme", "credits.ai", 18).expect("decides").allowed());
    clock.advance_ms(17 * DAY_MS);
    assert!(!engine.check("acme", "credits.ai", 18).expect("decides").allowed());
    assert!(!engine.consume("acme", "credits.ai", 18).expect("decides").allowed());
}

#[test]
fn units_that_come_back_to_a_grant_end_with_it() {
    let (engine, tenant, clock) = acme("full");
    buy(&engine, "credits", 5, 2);
    let receipt = consume_once(&tenant, 65).receipt.expect("it has one");
    // A change sees the grant empty.
    engine.set_limit("acme", "sms", Limit::Finite(30)).expect("changes");
    tenant.refund(&receipt).expect("refunds");
    assert_eq!(balance(&engine, "acme", "credits").0, 65);
    clock.advance_ms(3 * DAY_MS);
    assert!(!engine.consume("acme", "credits", 61).expect("decides").allowed());
    assert_eq!(balance(&engine, "acme", "credits").0, 60);
    assert_sound(&engine);
}

#[test]
fn nothing_comes_back_to_a_grant_that_has_ended() {
    let (engine, tenant, clock) = acme("full");
    buy(&engine, "credits", 5, 2);
    let receipt = consume_once(&tenant, 65).receipt.expect("it has one");
    clock.advance_ms(3 * DAY_MS);
    tenant.refund(&receipt).expect("refunds");
    assert!(!engine.consume("acme", "credits", 61).expect("decides").allowed());
    assert_eq!((used(&engine, "credits"), balance(&engine, "acme", "credits").0), (5, 60));
    assert_sound(&engine);
}

#[test]
fn a_key_that_is_used_again_knows_nothing_of_its_first_use() {
    let (engine, tenant, clock) = acme("full");
    let first = consume_once(&tenant, 7).receipt.expect("it has one");
    clock.advance_ms(8 * DAY_MS);
    let meter = tenant.once("k").meter("storage").expect("is a meter");
    let second = meter.subtract(1).expect("decides").receipt.expect("it has one");
    assert_eq!(tenant.charges_of(&second).expect("is known"), []);
    tenant.refund(&second).expect("refunds");
    assert!(tenant.refund(&first).is_err());
    assert_eq!(used(&engine, "credits"), 7);
    assert_sound(&engine);
}

#[test]
fn a_limit_that_comes_back_counts_what_the_plan_gave_and_not_what_was_bought() {
    let (engine, tenant, _) = acme("full");
    buy(&engine, "credits", 10, 90);
    assert!(tenant.consume("credits", 62).expect("decides").allowed());
    engine.set_limit("acme", "credits", Limit::Unlimited).expect("changes");
    engine.set_limit("acme", "credits", Limit::Finite(80)).expect("changes");
    assert_eq!(balance(&engine, "acme", "credits"), (28, Some(90)));
    assert_sound(&engine);
}

#[test]
fn what_was_bought_comes_back_while_the_plan_does_not_have_it() {
    let (engine, tenant, _) = acme("full");
    buy(&engine, "sms", 10, 90);
    engine.set_limit("acme", "sms.per_day", Limit::Unlimited).expect("changes");
    let decision = tenant.reserve(&[("sms", 25)], DAY).expect("decides");
    change_plan(&engine, "strict");
    tenant.release(&decision.reservation.expect("is held")).expect("releases");
    change_plan(&engine, "full");
    assert_eq!(balance(&engine, "acme", "sms"), (30, Some(30)));
    assert_sound(&engine);
}

#[test]
fn a_clock_that_is_not_believed_ends_no_lease_and_no_reservation() {
    let (engine, tenant, clock) = acme("full");
    let leases = tenant.leases("calls").expect("are leases");
    assert!(leases.acquire("x", None).expect("decides").allowed());
    assert!(tenant.reserve(&[("credits", 7)], DAY).expect("decides").allowed());
    clock.advance_ms(500 * DAY_MS);
    assert_eq!((used(&engine, "calls"), used(&engine, "credits")), (1, 7));
    assert!(engine.consume("acme", "credits", 1).is_err());
    clock.set(at(START));
    assert_eq!((used(&engine, "calls"), used(&engine, "credits")), (1, 7));
    clock.advance_ms(500 * DAY_MS);
    engine.confirm_clock("acme").expect("is believed");
    assert!(leases.acquire("y", None).expect("decides").allowed());
    assert_eq!((used(&engine, "calls"), used(&engine, "credits")), (1, 0));
    assert_sound(&engine);
}

#[test]
fn units_come_back_to_what_was_bought_though_all_of_it_was_held_when_the_period_closed() {
    let (engine, tenant, clock) = acme("full");
    let hours = Duration::from_hours(1);
    assert!(tenant.reserve(&[("watched", 3)], hours).expect("decides").allowed());
    engine.grant("acme", "watched", Source::Extra, 1, None, None).expect("grants");
    assert!(tenant.reserve(&[("watched", 3)], hours).expect("decides").allowed());
    change_plan(&engine, "strict");
    assert_eq!(balance(&engine, "acme", "watched"), (2, Some(2)));
    clock.advance_ms(2 * HOUR_MS);
    assert_eq!(balance(&engine, "acme", "watched"), (3, Some(3)));
    assert_sound(&engine);
}

#[test]
fn a_threshold_is_reported_though_the_plan_did_not_have_the_meter_for_a_while() {
    let (engine, tenant, _) = acme("full");
    assert!(tenant.meter("free_tier").expect("is a meter").add(1).expect("decides").allowed());
    assert!(tenant.meter("free_tier").expect("is a meter").subtract(1).expect("decides").allowed());
    change_plan(&engine, "strict");
    change_plan(&engine, "full");
    assert!(tenant.meter("free_tier").expect("is a meter").add(16).expect("decides").allowed());
    let events = engine.events(0, 100).expect("reads");
    let reported = |it: &&cotas::Event| matches!(it.kind, EventKind::Threshold { percent: 80, .. });
    assert_eq!(events.iter().filter(reported).count(), 1, "{events:?}");
}

#[test]
fn a_reservation_expires_at_its_own_end_while_what_gave_to_it_still_lives() {
    let (engine, tenant, clock) = acme("full");
    buy(&engine, "watched", 10, 17);
    // It ends in the first hour of February, and what was bought at noon of that day.
    let days = Duration::from_mins(16 * 24 * 60 + 12 * 60 + 30);
    assert!(tenant.reserve(&[("watched", 15)], days).expect("decides").allowed());
    // There is no look for 23 days.
    clock.advance_ms(23 * DAY_MS);
    engine.settle("acme").expect("settles");
    let lost = engine.events(0, 100).expect("reads");
    let lost =
        lost.iter().filter(|it| matches!(it.kind, EventKind::GrantExpired { units: 10, .. }));
    assert_eq!(lost.count(), 1);
    assert_sound(&engine);
}

#[test]
fn nothing_comes_back_to_a_grant_that_ended_in_the_period_in_which_it_was_used() {
    let (engine, tenant, clock) = acme("full");
    buy(&engine, "credits", 10, 40);
    let held = tenant.reserve(&[("credits", 65)], Duration::from_hours(60 * 24)).expect("decides");
    clock.advance_ms(30 * DAY_MS);
    assert!(tenant.consume("credits", 62).expect("decides").allowed());
    clock.advance_ms(11 * DAY_MS);
    tenant.release(&held.reservation.expect("is held")).expect("releases");
    let lost = engine.events(0, 100).expect("reads").into_iter().filter_map(|it| match it.kind {
        EventKind::GrantExpired { units, .. } => Some(units),
        _ => None,
    });
    assert_eq!(lost.collect::<Vec<_>>(), [3]);
    assert_sound(&engine);
}

#[test]
fn what_was_used_while_there_was_no_limit_comes_back_to_the_plan() {
    let (engine, tenant, _) = acme("full");
    engine.set_limit("acme", "credits", Limit::Unlimited).expect("changes");
    let receipt = consume_once(&tenant, 30).receipt.expect("it has one");
    let held = tenant.reserve(&[("credits", 5)], DAY).expect("decides").reservation;
    engine.set_limit("acme", "credits", Limit::Finite(50)).expect("changes");
    assert_eq!(balance(&engine, "acme", "credits"), (15, Some(50)));
    tenant.refund(&receipt).expect("refunds");
    assert_eq!((used(&engine, "credits"), balance(&engine, "acme", "credits").0), (5, 45));
    tenant.release(&held.expect("is held")).expect("releases");
    assert_eq!((used(&engine, "credits"), balance(&engine, "acme", "credits").0), (0, 50));
    assert_sound(&engine);
}

#[test]
fn what_comes_back_after_the_number_was_lowered_is_no_more_than_the_number() {
    let (engine, tenant, clock) = acme("full");
    buy(&engine, "credits", 10, 90);
    let receipt = consume_once(&tenant, 40).receipt.expect("it has one");
    let hour = Duration::from_hours(1);
    assert!(tenant.reserve(&[("credits", 25)], hour).expect("decides").allowed());
    // 60 of the plan and 5 of what was bought are used or held.
    engine.set_limit("acme", "credits", Limit::Finite(30)).expect("changes");
    assert_eq!(balance(&engine, "acme", "credits"), (5, Some(70)));
    tenant.refund(&receipt).expect("refunds");
    // Of 20 units that the plan's limit leaves after the refund, 20 are held.
    assert_eq!((used(&engine, "credits"), balance(&engine, "acme", "credits").0), (25, 15));
    clock.advance_ms(2 * HOUR_MS);
    assert_eq!((used(&engine, "credits"), balance(&engine, "acme", "credits").0), (0, 40));
    assert_sound(&engine);
}

#[test]
fn a_shadow_never_denies_also_where_no_plan_names_it() {
    let (engine, tenant, _) = acme("small");
    let decision = tenant.consume("watched", 7).expect("decides");
    assert!(decision.allowed() && !decision.shadowed.is_empty(), "{decision:?}");
    assert_eq!(used(&engine, "watched"), 7);
    assert_sound(&engine);
}
