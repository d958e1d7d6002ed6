//! Clocks that are set: what lasts a length of time lasts no longer, and no less, when the wall
//! clock is set back; one that runs far ahead does nothing that cannot be undone.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cotas::*;
use cotas_tests::*;
use proptest::prelude::*;

const SECOND_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600 * SECOND_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const TTL: Duration = Duration::from_secs(60);

const LENGTHS: &str = r#"
[resources.sms]
kind = "allowance"
[resources.calls]
kind = "lease"
ttl = "60s"
[resources.pace]
kind = "rate"
every = "6s"
burst = 2
[plans.full]
title = "Full"
price = "299.00"
limits = { sms = 10, calls = 2, pace = 2 }
[actions.send_sms]
gate = "send"
charge = { sms = 1 }
rate = "pace"
"#;

fn engine_at(path: Option<&Path>, clock: &Arc<ManualClock>) -> Engine {
    let builder = path.map_or_else(Engine::in_memory, Engine::builder);
    let engine = builder.clock(Arc::clone(clock) as _).maintenance(Maintenance::External);
    engine.open().unwrap()
}

fn lengths() -> (Engine, Tenant, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at(NOON)));
    let engine = engine_at(None, &clock);
    engine.load_catalog(&Catalog::parse(LENGTHS, "t.toml").unwrap()).unwrap();
    add_tenant(&engine, "acme", "full", "2026-06-20", true);
    let tenant = engine.tenant("acme").unwrap();
    (engine, tenant, clock)
}

/// Takes all there is of each.
fn take_all(tenant: &Tenant) {
    for _ in 0..2 {
        assert!(tenant.rate("pace").unwrap().pass("contact", 1).unwrap().allowed());
    }
    for holder in ["a", "b"] {
        assert!(tenant.leases("calls").unwrap().acquire(holder, None).unwrap().allowed());
    }
    assert!(tenant.reserve(&[("sms", 10)], TTL).unwrap().allowed());
}

fn is_free(tenant: &Tenant) -> [bool; 3] {
    [
        tenant.rate("pace").unwrap().check("contact", 2).unwrap().allowed(),
        tenant.leases("calls").unwrap().check("c").unwrap().allowed(),
        tenant.check("sms", 10).unwrap().allowed(),
    ]
}

#[test]
fn what_lasts_a_time_lasts_as_long_when_the_clock_is_set_back() {
    let (engine, tenant, clock) = lengths();
    take_all(&tenant);
    clock.jump_ms(-HOUR_MS);
    clock.advance_ms(11 * SECOND_MS);
    assert_eq!(is_free(&tenant), [false, false, false]);
    clock.advance_ms(SECOND_MS);
    assert_eq!(is_free(&tenant), [true, false, false]);
    clock.advance_ms(47 * SECOND_MS);
    assert_eq!(is_free(&tenant), [true, false, false]);
    clock.advance_ms(SECOND_MS);
    assert_eq!(is_free(&tenant), [true, true, true]);
    take_all(&tenant);
    assert_sound(&engine);
}

#[test]
fn times_in_answers_are_those_of_the_wall_clock_however_often_it_was_set_back() {
    let (_engine, tenant, clock) = lengths();
    for _ in 0..3 {
        clock.jump_ms(-7 * HOUR_MS);
        let now = clock.now();
        let calls = tenant.leases("calls").unwrap();
        let lease = calls.acquire("a", None).unwrap().lease.unwrap();
        assert_eq!(lease.expires_at, now.plus_ms(60 * SECOND_MS));
        let renewed = calls.renew("a", lease.fencing, None).unwrap();
        assert_eq!(renewed.expires_at, now.plus_ms(60 * SECOND_MS));
        assert!(calls.acquire("b", None).unwrap().allowed());
        let denied = calls.acquire("c", None).unwrap();
        assert_eq!(denied.retry_at, Some(now.plus_ms(60 * SECOND_MS)));
        let pace = tenant.rate("pace").unwrap();
        assert!(pace.pass("contact", 2).unwrap().allowed());
        let denied = pace.pass("contact", 1).unwrap();
        assert_eq!(denied.retry_at, Some(now.plus_ms(6 * SECOND_MS)));
        clock.advance_ms(61 * SECOND_MS);
    }
}

#[test]
fn a_denial_waits_for_the_last_of_its_reasons_and_says_no_time_where_one_has_none() {
    let (engine, tenant, clock) = lengths();
    let details = Details { contact: "c", ..Details::default() };
    let send = || tenant.perform("send_sms", &details).unwrap();
    assert!(send().allowed() && send().allowed());
    let paced = send();
    assert_eq!(
        (paced.reason(), paced.retry_at),
        (Some(Reason::RateExceeded), Some(clock.now().plus_ms(6 * SECOND_MS)))
    );
    assert!(tenant.consume("sms", 8).unwrap().allowed());
    let both = send();
    assert!(both.reasons.contains(Reason::RateExceeded));
    assert_eq!(both.reason(), Some(Reason::QuotaExhausted));
    assert_eq!(both.retry_at, Some(at("2026-06-21T00:00:00-03:00")));
    engine.set_status("acme", Status::Suspended, "debt", false).unwrap();
    let forbidden = send();
    assert_eq!((forbidden.reason(), forbidden.retry_at), (Some(Reason::StatusForbids), None));
}

/// After a boot no process knows how much time has passed: what would last longer than its own
/// length is over, and what was begun earlier lasts as long as it was to.
#[test]
fn after_a_boot_with_the_clock_set_back_what_is_begun_in_the_future_is_over() {
    let (engine, tenant, clock) = lengths();
    let calls = tenant.leases("calls").unwrap();
    let early = calls.acquire("early", Some(Duration::from_secs(7_200))).unwrap().lease.unwrap();
    clock.advance_ms(HOUR_MS);
    assert!(calls.acquire("late", None).unwrap().allowed());
    assert!(tenant.rate("pace").unwrap().pass("contact", 2).unwrap().allowed());
    assert!(tenant.reserve(&[("sms", 10)], TTL).unwrap().allowed());
    clock.set(at(NOON).plus_ms(61 * SECOND_MS));
    assert_eq!(is_free(&tenant), [true, true, true]);
    calls.renew("early", early.fencing, None).unwrap();
    assert!(calls.acquire("c", None).unwrap().allowed());
    assert!(!calls.acquire("d", None).unwrap().allowed());
    let expired: Vec<_> = engine.events(0, 100).unwrap();
    let count = |code: &str| expired.iter().filter(|it| it.kind.code() == code).count();
    assert_eq!((count("lease_expired"), count("reservation_expired")), (1, 1));
    assert_sound(&engine);
}

#[test]
fn a_thousand_leases_of_a_later_time_end_once() {
    let clock = Arc::new(ManualClock::new(at(NOON)));
    let engine = engine_at(None, &clock);
    let many = LENGTHS.replace("calls = 2", "calls = 1000");
    engine.load_catalog(&Catalog::parse(&many, "t.toml").unwrap()).unwrap();
    add_tenant(&engine, "acme", "full", "2026-06-20", true);
    let tenant = engine.tenant("acme").unwrap();
    let calls = tenant.leases("calls").unwrap();
    for holder in 0..1_000 {
        assert!(calls.acquire(&format!("{holder}"), None).unwrap().allowed());
        clock.advance_ms(1);
    }
    clock.set(at(NOON).plus_ms(-HOUR_MS));
    for holder in 0..1_000 {
        assert!(calls.acquire(&format!("again {holder}"), None).unwrap().allowed(), "{holder}");
    }
    assert!(!calls.acquire("one more", None).unwrap().allowed());
    assert_sound(&engine);
}

/// The plan is renewed on 21 May and on 21 June, at midnight in Sao Paulo.
const DAY_BEFORE: &str = "2026-05-20T12:00:00-03:00";

fn renewals(engine: &Engine) -> u64 {
    engine.report("acme").unwrap().renewals
}

fn due_tomorrow(path: Option<&Path>) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at(DAY_BEFORE)));
    let engine = engine_at(path, &clock);
    engine.load_catalog(&catalog()).unwrap();
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    (engine, clock)
}

#[test]
fn a_clock_that_ran_ahead_renews_nothing_and_decisions_go_on() {
    let (engine, clock) = due_tomorrow(None);
    let tenant = engine.tenant("acme").unwrap();
    assert!(tenant.consume("credits", 7).unwrap().allowed());
    clock.jump_ms(40 * DAY_MS);
    assert!(tenant.consume("credits", 7).unwrap().allowed());
    engine.maintain().unwrap();
    engine.settle("acme").unwrap();
    assert_eq!(renewals(&engine), 0);
    assert_eq!(balance(&engine, "acme", "credits"), (986, Some(1000)));
    assert_eq!(engine.now(), at(DAY_BEFORE));
    // The clock returns, and nothing has come of it.
    clock.jump_ms(-40 * DAY_MS);
    clock.advance_ms(SECOND_MS);
    assert!(tenant.consume("credits", 7).unwrap().allowed());
    assert_eq!((renewals(&engine), engine.now()), (0, at(DAY_BEFORE).plus_ms(SECOND_MS)));
    clock.advance_ms(DAY_MS);
    assert_eq!(renewals(&engine), 1);
}

#[test]
fn a_clock_that_ran_ahead_is_believed_when_it_is_confirmed() {
    let (engine, clock) = due_tomorrow(None);
    clock.jump_ms(40 * DAY_MS);
    assert_eq!(renewals(&engine), 0);
    engine.confirm_clock("acme").unwrap();
    assert_eq!((renewals(&engine), engine.now()), (2, at(DAY_BEFORE).plus_ms(40 * DAY_MS)));
}

#[test]
fn a_clock_that_stays_ahead_for_an_hour_is_believed_also_across_short_processes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let (engine, clock) = due_tomorrow(Some(&path));
    clock.jump_ms(3 * DAY_MS);
    assert_eq!(renewals(&engine), 0);
    drop(engine);
    for minutes in [20, 20, 19] {
        clock.advance_ms(minutes * 60 * SECOND_MS);
        assert_eq!(renewals(&engine_at(Some(&path), &clock)), 0);
    }
    clock.advance_ms(60 * SECOND_MS);
    assert_eq!(renewals(&engine_at(Some(&path), &clock)), 1);
}

#[test]
fn an_idle_platform_is_no_jump_and_neither_is_a_day() {
    let (engine, clock) = due_tomorrow(None);
    clock.advance_ms(41 * DAY_MS);
    assert_eq!(renewals(&engine), 2);
    let (engine, clock) = due_tomorrow(None);
    clock.jump_ms(DAY_MS);
    assert_eq!(renewals(&engine), 1);
}

/// What the naive model remembers, in time since the boot.
#[derive(Default)]
struct Model {
    leases: BTreeMap<u8, i64>,
    reserved: Vec<i64>,
    paces: BTreeMap<u8, i64>,
}

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    /// The wall clock shows so much less than it did at most.
    SetTo(i64),
    /// It runs days ahead, and returns.
    Ahead(i64),
    Acquire(u8),
    Reserve,
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..30 * SECOND_MS).prop_map(Step::Wait),
        (0..9 * DAY_MS).prop_map(Step::SetTo),
        (0..100 * SECOND_MS).prop_map(Step::SetTo),
        (DAY_MS + 1_000..400 * DAY_MS).prop_map(Step::Ahead),
        (0..4_u8).prop_map(Step::Acquire),
        Just(Step::Reserve),
        (0..2_u8).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn lengths_of_time_are_what_they_are_however_the_clock_is_set(
        steps in proptest::collection::vec(step(), 1..50)
    ) {
        let (engine, tenant, clock) = lengths();
        let (mut model, mut boot, mut behind) = (Model::default(), 0, 0);
        for step in steps {
            match step {
                Step::Wait(ms) => {
                    clock.advance_ms(ms);
                    boot += ms;
                }
                Step::SetTo(less) => {
                    clock.jump_ms(behind - less);
                    // Some process looks once before the clock is set again.
                    let _ = engine.now();
                    behind = less;
                }
                Step::Ahead(ms) => {
                    clock.jump_ms(ms);
                    let _ = is_free(&tenant);
                    clock.jump_ms(-ms);
                    let _ = engine.now();
                }
                Step::Acquire(holder) => {
                    model.leases.retain(|_, until| *until > boot);
                    let right = model.leases.contains_key(&holder) || model.leases.len() < 2;
                    let calls = tenant.leases("calls").unwrap();
                    let given = calls.acquire(&holder.to_string(), None).unwrap();
                    prop_assert_eq!(given.allowed(), right);
                    if right {
                        model.leases.insert(holder, boot + 60 * SECOND_MS);
                    }
                }
                Step::Reserve => {
                    model.reserved.retain(|until| *until > boot);
                    let right = model.reserved.len() < 5;
                    let given = tenant.reserve(&[("sms", 2)], TTL).unwrap();
                    prop_assert_eq!(given.allowed(), right);
                    if right {
                        model.reserved.push(boot + 60 * SECOND_MS);
                    }
                }
                Step::Pass(key) => {
                    let from = model.paces.get(&key).map_or(boot, |&at| at.max(boot));
                    let right = from + 6 * SECOND_MS - boot <= 12 * SECOND_MS;
                    let pace = tenant.rate("pace").unwrap();
                    let given = pace.pass(&key.to_string(), 1).unwrap();
                    prop_assert_eq!(given.allowed(), right);
                    if right {
                        model.paces.insert(key, from + 6 * SECOND_MS);
                    }
                }
            }
        }
        assert_sound(&engine);
    }
}
