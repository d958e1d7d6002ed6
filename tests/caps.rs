//! Calendar caps: so many a day and so many a week, in the tenant's zone, beside the period.

use std::sync::Arc;
use std::time::Duration;

use cotas::{
    Catalog, Decision, Details, Engine, Extra, ManualClock, NewTenant, Origin, Reason,
    ReservationId, Timestamp,
};
use cotas_tests::{Database, assert_sound, at, balance, date};

const CATALOG: &str = r#"
[catalog]
time_zone = "America/Sao_Paulo"
[resources.sms]
kind = "allowance"
[resources.sessions]
kind = "session"
[resources.calls]
kind = "meter"
[resources.users]
kind = "seat"
[plans.small]
title = "Small"
price = "10.00"
limits = { sms = 30, sessions = 100, calls = "unlimited" }
per_day = { sms = 10, sessions = 2, calls = 5 }
per_week = { sms = 25 }
[plans.free_of_caps]
title = "Free of caps"
price = "20.00"
limits = { sms = 1000, sessions = 100, calls = "unlimited" }
[actions.receive]
gate = "receive"
session = { resource = "sessions", extend = true }
[packages.more]
title = "More"
resource = "sms"
prices = { 1 = "1.00", 50 = "5.00" }
"#;

/// A Monday.
const MONDAY: &str = "2026-05-04T12:00:00-03:00";
const DAY: i64 = 86_400_000;

fn opened(now: &str) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at(now)));
    let engine = Engine::in_memory().clock(Arc::clone(&clock) as _);
    let engine = engine.maintenance(cotas::Maintenance::External).open().expect("opens");
    set_up(&engine, CATALOG);
    (engine, clock)
}

fn set_up(engine: &Engine, text: &str) {
    engine.load_catalog(&Catalog::parse(text, "caps.toml").expect("is valid")).expect("loads");
    let extras = [Extra { resource: "sms", units: 1_000, expires_at: None }];
    let new = NewTenant { extras: &extras, ..NewTenant::new("acme") };
    engine.create_tenant(&new.plan("small", date("2026-05-20"), true)).expect("is created");
}

fn sms(engine: &Engine, units: u64) -> Decision {
    engine.consume("acme", "sms", units).expect("decides")
}

#[track_caller]
fn denied_until(engine: &Engine, decision: &Decision, resource: &str, until: Option<&str>) {
    assert_eq!(decision.reason(), Some(Reason::QuotaExhausted), "{decision:?}");
    let named = decision.resource.and_then(|it| engine.resource_name(it));
    assert_eq!(named, Some(resource));
    assert_eq!(decision.retry_at, until.map(at));
}

#[test]
fn a_cap_per_day_counts_plan_and_extras_alike_until_the_day_ends_in_the_tenants_zone() {
    let (engine, clock) = opened(MONDAY);
    assert!(sms(&engine, 10).allowed());
    denied_until(&engine, &sms(&engine, 1), "sms.per_day", Some("2026-05-05T00:00:00-03:00"));
    assert!(!engine.check("acme", "sms", 1).expect("decides").allowed());
    clock.set(at("2026-05-04T23:59:59.999-03:00"));
    assert!(!sms(&engine, 1).allowed());
    clock.set(at("2026-05-05T00:00:00-03:00"));
    assert!(engine.check("acme", "sms", 10).expect("decides").allowed(), "a check sees the day");
    assert!(sms(&engine, 10).allowed());
    assert_eq!(balance(&engine, "acme", "sms"), (1_010, Some(1_030)), "the period goes on");
    assert_eq!(balance(&engine, "acme", "sms.per_day"), (0, Some(10)));
    assert_eq!(balance(&engine, "acme", "sms.per_week"), (5, Some(25)));
    assert_sound(&engine);
}

#[test]
fn a_cap_per_week_ends_on_monday_and_a_request_waits_for_all_that_deny_it() {
    let (engine, clock) = opened(MONDAY);
    for _ in 0..2 {
        assert!(sms(&engine, 10).allowed());
        clock.advance_ms(DAY);
    }
    assert!(sms(&engine, 5).allowed());
    // The week is full, the day is not.
    let monday = Some("2026-05-11T00:00:00-03:00");
    denied_until(&engine, &sms(&engine, 1), "sms.per_week", monday);
    // Both are: it waits for the later.
    denied_until(&engine, &sms(&engine, 6), "sms.per_week", monday);
    clock.set(at("2026-05-10T23:59:59-03:00"));
    assert!(!sms(&engine, 1).allowed(), "Sunday is of the week before");
    clock.set(at("2026-05-11T00:00:00-03:00"));
    assert!(sms(&engine, 10).allowed());
    assert_sound(&engine);
}

#[test]
fn a_week_begins_on_the_day_that_the_catalog_says() {
    let sunday = CATALOG.replace("[catalog]", "[catalog]\nweek_starts = \"sunday\"");
    let clock = Arc::new(ManualClock::new(at(MONDAY)));
    let engine = Engine::in_memory().clock(Arc::clone(&clock) as _).open().expect("opens");
    set_up(&engine, &sunday);
    for _ in 0..2 {
        assert!(sms(&engine, 10).allowed());
        clock.advance_ms(DAY);
    }
    let until = Some("2026-05-10T00:00:00-03:00");
    denied_until(&engine, &sms(&engine, 6), "sms.per_week", until);
    clock.set(at("2026-05-10T00:00:00-03:00"));
    assert!(sms(&engine, 6).allowed());
    let wrong = Catalog::parse(&sunday.replace("\"sunday\"", "\"someday\""), "caps.toml");
    assert!(wrong.expect_err("is no day").to_string().contains("week_starts"));
}

#[test]
fn sessions_that_are_opened_are_capped_and_those_that_go_on_are_not() {
    let (engine, clock) = opened(MONDAY);
    let receive = |contact| {
        let details = Details { channel: "w", contact, ..Details::default() };
        engine.perform("acme", "receive", &details).expect("decides")
    };
    assert!(receive("a").allowed() && receive("b").allowed());
    let denied = receive("c");
    denied_until(&engine, &denied, "sessions.per_day", Some("2026-05-05T00:00:00-03:00"));
    assert!(receive("a").allowed(), "an open session goes on");
    clock.set(at("2026-05-05T00:00:00-03:00"));
    assert!(receive("a").allowed());
    assert!(receive("c").allowed() && receive("d").allowed());
    assert!(!receive("e").allowed());
    assert_sound(&engine);
}

#[test]
fn meters_are_capped_and_what_is_taken_away_lowers_the_day() {
    let (engine, clock) = opened(MONDAY);
    let tenant = engine.tenant("acme").expect("exists");
    let calls = tenant.meter("calls").expect("a meter");
    assert!(calls.add(5).expect("decides").allowed());
    let denied = calls.add(1).expect("decides");
    denied_until(&engine, &denied, "calls.per_day", Some("2026-05-05T00:00:00-03:00"));
    let _ = calls.subtract(2).expect("decides");
    assert!(calls.add(2).expect("decides").allowed());
    clock.advance_ms(DAY);
    assert!(calls.add(5).expect("decides").allowed());
    assert_eq!(balance(&engine, "acme", "calls.per_day"), (0, Some(5)));
    assert_sound(&engine);
}

#[test]
fn reserved_units_count_on_the_day_of_reserving_and_return_only_within_it() {
    let (engine, clock) = opened(MONDAY);
    let tenant = engine.tenant("acme").expect("exists");
    let hold = |units| -> ReservationId {
        let hours = Duration::from_hours(72);
        tenant.reserve(&[("sms", units)], hours).expect("decides").reservation.expect("held")
    };
    let (first, second) = (hold(4), hold(6));
    assert!(!sms(&engine, 1).allowed());
    tenant.release(&first).expect("is released");
    assert_eq!(balance(&engine, "acme", "sms.per_day"), (4, Some(10)));
    clock.advance_ms(DAY);
    assert!(sms(&engine, 1).allowed());
    tenant.release(&second).expect("is released");
    assert_eq!(balance(&engine, "acme", "sms.per_day"), (9, Some(10)), "of the day before");
    assert_eq!(balance(&engine, "acme", "sms.per_week"), (24, Some(25)), "of the same week");
    assert_eq!(balance(&engine, "acme", "sms").0, 1_029);
    // The same of a refund.
    let charged = tenant.once("k").consume("sms", 5).expect("decides");
    let receipt = charged.receipt.expect("a receipt");
    clock.advance_ms(DAY);
    tenant.refund(&receipt).expect("is refunded");
    assert_eq!(balance(&engine, "acme", "sms.per_day"), (10, Some(10)));
    assert_eq!(balance(&engine, "acme", "sms.per_week"), (24, Some(25)));
    assert_sound(&engine);
}

#[test]
fn renewals_restarts_and_purchases_reset_no_cap() {
    // The period ends within the week.
    let (engine, clock) = opened("2026-05-20T12:00:00-03:00");
    assert!(sms(&engine, 10).allowed());
    let bought = engine.buy("acme", "more", 50, None).expect("sells");
    engine.mark_paid(bought.invoice, None).expect("is paid");
    assert!(!sms(&engine, 1).allowed(), "a purchase");
    clock.set(at("2026-05-21T00:00:00-03:00"));
    assert!(sms(&engine, 10).allowed(), "another day");
    assert_eq!(engine.report("acme").expect("reports").renewals, 1);
    assert_eq!(balance(&engine, "acme", "sms.per_week"), (5, Some(25)), "a renewal");
    assert_sound(&engine);
}

#[test]
fn a_plan_that_names_no_cap_has_none_and_a_tenant_may_have_its_own() {
    let (engine, clock) = opened(MONDAY);
    engine
        .create_tenant(&NewTenant::new("free").plan("free_of_caps", date("2026-05-20"), true))
        .expect("is created");
    assert!(engine.consume("free", "sms", 500).expect("decides").allowed());
    engine.set_limit("free", "sms.per_day", cotas::Limit::Finite(501)).expect("changes");
    assert!(engine.consume("free", "sms", 1).expect("decides").allowed());
    let denied = engine.consume("free", "sms", 1).expect("decides");
    denied_until(&engine, &denied, "sms.per_day", Some("2026-05-05T00:00:00-03:00"));
    clock.advance_ms(DAY);
    assert!(engine.consume("free", "sms", 300).expect("decides").allowed());
    assert_sound(&engine);
}

/// A catalog that brings caps limits no tenant whose plan was sold before.
#[test]
fn tenants_of_an_older_catalog_have_no_cap_until_they_are_moved() {
    let clock = Arc::new(ManualClock::new(at(MONDAY)));
    let engine = Engine::in_memory().clock(Arc::clone(&clock) as _).open().expect("opens");
    let without: String = CATALOG
        .lines()
        .filter(|line| !line.starts_with("per_"))
        .flat_map(|line| [line, "\n"])
        .collect();
    set_up(&engine, &without);
    assert!(sms(&engine, 40).allowed());
    engine.load_catalog(&Catalog::parse(CATALOG, "caps.toml").expect("valid")).expect("loads");
    assert!(sms(&engine, 40).allowed());
    clock.advance_ms(DAY);
    assert!(sms(&engine, 40).allowed());
    assert_sound(&engine);
}

#[test]
fn days_without_a_look_and_clocks_that_step_back_change_nothing() {
    let (engine, clock) = opened(MONDAY);
    assert!(sms(&engine, 10).allowed());
    clock.advance_ms(3 * DAY);
    assert!(sms(&engine, 10).allowed());
    clock.advance_ms(-DAY);
    assert!(!sms(&engine, 1).allowed(), "the day that was seen goes on");
    clock.advance_ms(2 * DAY);
    assert!(sms(&engine, 5).allowed());
    denied_until(&engine, &sms(&engine, 1), "sms.per_week", Some("2026-05-11T00:00:00-03:00"));
    assert_sound(&engine);
}

/// Midnight of 2018-11-04 does not exist in Sao Paulo: the day begins at one.
#[test]
fn a_day_begins_with_its_first_instant_that_exists() {
    let (engine, clock) = opened("2018-11-03T12:00:00-03:00");
    assert!(sms(&engine, 10).allowed());
    let first = at("2018-11-04T01:00:00-02:00");
    assert_eq!(sms(&engine, 1).retry_at, Some(first));
    clock.set(first.plus_ms(-1));
    assert!(!sms(&engine, 1).allowed());
    clock.set(first);
    assert!(sms(&engine, 1).allowed());
}

#[test]
fn caps_are_rebuilt_exactly_after_the_live_file_is_lost() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    set_up(&engine, CATALOG);
    assert!(sms(&engine, 7).allowed());
    let retry_at = sms(&engine, 4).retry_at;
    engine.checkpoint().expect("writes");
    drop(engine);
    std::fs::remove_file(database.live()).expect("is removed");
    let open_at = |now: Timestamp| {
        let clock = Arc::new(ManualClock::new(now));
        database.builder().clock(clock).open().expect("opens")
    };
    let engine = open_at(at(MONDAY));
    assert_eq!(engine.opening().origin, Origin::Rebuilt);
    assert_eq!(balance(&engine, "acme", "sms.per_day"), (3, Some(10)));
    assert_eq!(sms(&engine, 4).retry_at, retry_at);
    assert!(sms(&engine, 3).allowed());
    assert_sound(&engine);
    drop(engine);
    std::fs::remove_file(database.live()).expect("is removed");
    // The day ended while there was none.
    let engine = open_at(at(MONDAY).plus_ms(DAY));
    assert!(sms(&engine, 10).allowed());
    assert_eq!(balance(&engine, "acme", "sms.per_week"), (5, Some(25)));
    assert_sound(&engine);
}

#[test]
fn what_cannot_be_capped_is_refused_with_the_reason() {
    let wrong = |from: &str, to: &str| {
        let text = CATALOG.replacen(from, to, 1);
        assert_ne!(text, CATALOG);
        Catalog::parse(&text, "caps.toml").expect_err("is refused").to_string()
    };
    let seat = wrong("per_day = { sms = 10,", "per_day = { users = 10,");
    assert!(seat.contains("allowances, sessions and meters have caps"), "{seat}");
    let unknown = wrong("per_week = { sms", "per_week = { smss");
    assert!(unknown.contains("unknown resource \"smss\""), "{unknown}");
    let taken = wrong("[resources.users]", "[resources.\"sms.per_day\"]");
    assert!(taken.contains("has the name of this cap"), "{taken}");
}
