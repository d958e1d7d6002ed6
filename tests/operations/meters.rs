//! Meters and rates, and limits that do not deny.

use cotas::{Decision, Engine, Metric, Mode, Reason, UsageRow};
use cotas_tests::wide::{acme, allowed, denied, stands};
use cotas_tests::{NOON, assert_sound, at};

fn add(engine: &Engine, meter: &str, units: u64) -> Decision {
    let tenant = engine.tenant("acme").expect("exists");
    tenant.meter(meter).expect("is a meter").add(units).expect("decides")
}

fn subtract(engine: &Engine, meter: &str, units: u64) -> Decision {
    let tenant = engine.tenant("acme").expect("exists");
    tenant.meter(meter).expect("is a meter").subtract(units).expect("decides")
}

fn set(engine: &Engine, meter: &str, value: u64) -> Decision {
    let tenant = engine.tenant("acme").expect("exists");
    tenant.meter(meter).expect("is a meter").set(value).expect("decides")
}

#[test]
fn a_meter_goes_up_within_its_limit_and_down_to_nothing() {
    let (engine, _) = acme(NOON);
    let up = add(&engine, "storage_mb", 60);
    assert_eq!((up.used, up.available, up.limit()), (60, 40, Some(100)));
    assert_eq!(add(&engine, "storage_mb", 41).reason(), Some(Reason::QuotaExhausted));
    assert!(set(&engine, "storage_mb", 100).allowed());
    assert!(!set(&engine, "storage_mb", 101).allowed());
    let down = subtract(&engine, "storage_mb", 30);
    assert_eq!((down.used, down.available), (70, 30));
    assert_eq!(set(&engine, "storage_mb", 20).used, 20);
    assert_eq!(subtract(&engine, "storage_mb", 21).used, 0, "never below nothing");
    assert_eq!(set(&engine, "storage_mb", 0).used, 0);
    let tenant = engine.tenant("acme").expect("exists");
    allowed(tenant.meter("storage_mb").expect("is a meter").check(100));
    denied(tenant.meter("storage_mb").expect("is a meter").check(101));
    assert_eq!(stands(&engine, "acme", "storage_mb"), (0, 100, 0));
    assert!(tenant.meter("credits").is_err() && tenant.consume("storage_mb", 1).is_err());
    assert_sound(&engine);
}

#[test]
fn a_meter_moves_those_above_it() {
    let (engine, _) = acme(NOON);
    add(&engine, "minutes.video", 5);
    add(&engine, "minutes", 4);
    let above = add(&engine, "minutes.video", 2);
    assert_eq!((above.allowed(), above.limit()), (false, Some(10)), "there is no capacity above");
    assert_eq!(stands(&engine, "acme", "minutes.video"), (5, 1, 0));
    assert!(set(&engine, "minutes.video", 6).allowed());
    assert_eq!(stands(&engine, "acme", "minutes"), (10, 0, 0));
    subtract(&engine, "minutes.video", 100);
    assert_eq!(stands(&engine, "acme", "minutes"), (4, 6, 0));
    assert_sound(&engine);
}

#[test]
fn a_soft_limit_lets_pass_up_to_its_cap_and_calls_it_overage() {
    let (engine, _) = acme(NOON);
    assert!(!add(&engine, "api_calls", 10).overage);
    let over = add(&engine, "api_calls", 4);
    assert!(over.allowed() && over.overage);
    assert_eq!((over.used, over.available, over.limit()), (14, 0, Some(10)));
    let refused = add(&engine, "api_calls", 2);
    assert_eq!((refused.reason(), refused.overage), (Some(Reason::QuotaExhausted), false));
    assert!(add(&engine, "api_calls", 1).overage);
    assert!(!add(&engine, "api_calls", 1).allowed());
    // Without a cap there is no end.
    assert!(add(&engine, "overtime", 4_000_000).overage);
    let report = engine.report("acme").expect("reports");
    let over = |name: &str| report.balances.iter().any(|it| it.resource == name && it.over_limit());
    assert!(over("api_calls") && over("overtime") && !over("storage_mb"));
    assert_sound(&engine);
}

#[test]
fn meters_begin_again_with_the_period_with_the_month_of_the_zone_or_never() {
    let (engine, clock) = acme("2026-05-04T12:00:00-03:00");
    for meter in ["calls_this_month", "free_tier", "storage_mb"] {
        add(&engine, meter, 10);
    }
    let used = |name| stands(&engine, "acme", name).0;
    // The period ends with the due day, 2026-05-20, in São Paulo.
    clock.set(at("2026-05-20T23:59:59.999-03:00"));
    assert_eq!(used("calls_this_month"), 10);
    clock.set(at("2026-05-21T00:00:00-03:00"));
    assert_eq!((used("calls_this_month"), used("free_tier"), used("storage_mb")), (0, 10, 10));
    // In UTC the month ends three hours earlier.
    clock.set(at("2026-05-31T23:59:59.999-03:00"));
    assert!(!add(&engine, "free_tier", 11).allowed());
    clock.set(at("2026-06-01T00:00:00-03:00"));
    assert!(add(&engine, "free_tier", 20).allowed());
    assert_eq!(used("storage_mb"), 10);
    clock.set(at("2027-06-01T00:00:00-03:00"));
    assert_eq!((used("free_tier"), used("storage_mb")), (0, 10));
    assert_sound(&engine);
}

#[test]
fn a_denied_meter_says_when_it_begins_again_where_it_does() {
    let (engine, _) = acme(NOON);
    let full = |meter, limit| {
        assert!(set(&engine, meter, limit).allowed());
        let denied = add(&engine, meter, 1);
        assert_eq!(denied.mode, Mode::Finite);
        denied.retry_at
    };
    assert_eq!(full("calls_this_month", 20), Some(at("2026-05-21T00:00:00-03:00")));
    assert_eq!(full("free_tier", 20), Some(at("2026-06-01T00:00:00-03:00")));
    assert_eq!(full("storage_mb", 100), None);
}

#[test]
fn a_shadow_limit_never_denies_and_books_what_it_would_have_denied() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    assert!(allowed(tenant.consume("watched", 3)).shadowed.is_empty());
    for _ in 0..2 {
        let decision = allowed(tenant.consume("watched", 2));
        assert!(decision.shadowed.contains(Reason::QuotaExhausted));
        assert!(!decision.overage, "nothing is billed for it");
    }
    assert_eq!(stands(&engine, "acme", "watched"), (7, 0, 0));
    let rate = tenant.rate("watched_rate").expect("is a rate");
    let passed = |_| allowed(rate.pass("k", 1)).shadowed.contains(Reason::RateExceeded);
    assert_eq!((0..4).filter(|&index| passed(index)).count(), 2);
    let recorded = |reason, resource: &str| {
        let rows = engine.usage("acme").expect("reads");
        let is_it =
            |row: &&UsageRow| row.metric == Metric::Shadowed(reason) && row.resource == resource;
        rows.iter().filter(is_it).map(|row| row.count).sum::<u64>()
    };
    assert_eq!(recorded(Reason::QuotaExhausted, "watched"), 2);
    assert_eq!(recorded(Reason::RateExceeded, "watched_rate"), 2);
    assert_sound(&engine);
}

#[test]
fn a_pair_may_send_45_at_once_and_then_one_each_6_seconds() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let pair = tenant.rate("pair_rate").expect("is a rate");
    for left in (0..45).rev() {
        let passed = allowed(pair.pass("p", 1));
        assert_eq!((passed.available, passed.limit()), (left, Some(45)));
    }
    let start = engine.now();
    for index in 1..4 {
        let next = start.plus_ms(6_000 * index);
        let refused = denied(pair.pass("p", 1));
        assert_eq!((refused.reason(), refused.retry_at), (Some(Reason::RateExceeded), Some(next)));
        clock.set(next.plus_ms(-1));
        assert_eq!(denied(pair.check("p", 1)).retry_at, Some(next));
        clock.set(next);
        allowed(pair.check("p", 1));
        allowed(pair.pass("p", 1));
    }
    assert_eq!(denied(pair.pass("p", 3)).retry_at, Some(engine.now().plus_ms(18_000)));
    assert_eq!(denied(pair.pass("p", 46)).retry_at, None, "more than ever comes at once");
    allowed(pair.pass("q", 45));
    clock.advance_ms(45 * 6_000);
    allowed(pair.pass("p", 45));
    denied(pair.pass("p", 1));
    assert_sound(&engine);
}
