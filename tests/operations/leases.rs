//! Leases: places that named holders have for a limited time.

use std::time::Duration;

use cotas::{Details, Engine, Error, EventKind, LeaseOutcome, Limit, Reason};
use cotas_tests::wide::{acme, allowed, denied, stands};
use cotas_tests::{NOON, assert_sound};

const SECOND_MS: i64 = 1_000;

fn acquire(engine: &Engine, resource: &str, holder: &str) -> cotas::Decision {
    let tenant = engine.tenant("acme").expect("exists");
    tenant.leases(resource).expect("is a lease").acquire(holder, None).expect("decides")
}

fn taken(engine: &Engine, resource: &str, holder: &str) -> LeaseOutcome {
    allowed(Ok(acquire(engine, resource, holder))).lease.expect("a lease")
}

fn renew(
    engine: &Engine,
    resource: &str,
    holder: &str,
    fencing: u64,
) -> Result<LeaseOutcome, Error> {
    let tenant = engine.tenant("acme").expect("exists");
    tenant.leases(resource).expect("is a lease").renew(holder, fencing, None)
}

fn release(engine: &Engine, resource: &str, holder: &str, fencing: u64) -> Result<(), Error> {
    let tenant = engine.tenant("acme").expect("exists");
    tenant.leases(resource).expect("is a lease").release(holder, fencing)
}

#[track_caller]
fn not_held<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::LeaseNotHeld { .. })), "{result:?}");
}

/// Fencing numbers of the leases that were reported to have expired.
fn expired(engine: &Engine) -> Vec<u64> {
    let events = engine.events(0, 1000).expect("reads");
    let fencing = |event: &cotas::Event| match event.kind {
        EventKind::LeaseExpired { fencing } => Some(fencing),
        _ => None,
    };
    events.iter().filter_map(fencing).collect()
}

#[test]
fn a_lease_is_kept_by_its_holder_and_its_place_is_taken_for_all_others() {
    let (engine, clock) = acme(NOON);
    let first = taken(&engine, "calls", "a");
    assert!(first.acquired);
    assert_eq!(first.expires_at, engine.now().plus_ms(60 * SECOND_MS));
    clock.advance_ms(SECOND_MS);
    let again = taken(&engine, "calls", "a");
    assert_eq!((again.acquired, again.fencing), (false, first.fencing));
    assert_eq!(again.expires_at, engine.now().plus_ms(60 * SECOND_MS));
    taken(&engine, "calls", "b");
    taken(&engine, "calls", "c");
    let refused = denied(Ok(acquire(&engine, "calls", "d")));
    assert_eq!(refused.reason(), Some(Reason::QuotaExhausted));
    assert_eq!((refused.used, refused.available, refused.limit()), (3, 0, Some(3)));
    assert_eq!(refused.retry_at, Some(again.expires_at), "the first that ends by itself");
    assert_eq!(stands(&engine, "acme", "calls"), (3, 0, 0));
    assert_sound(&engine);
}

#[test]
fn an_expired_lease_is_free_the_moment_it_is_needed_and_is_reported_once() {
    let (engine, clock) = acme(NOON);
    let first = ["a", "b", "c"].map(|holder| taken(&engine, "calls", holder).fencing);
    clock.advance_ms(59_999);
    denied(Ok(acquire(&engine, "calls", "d")));
    assert!(expired(&engine).is_empty());
    clock.advance_ms(1);
    let new = taken(&engine, "calls", "d");
    assert!(new.acquired && first.iter().all(|&old| old < new.fencing), "{first:?} {new:?}");
    for holder in ["e", "f"] {
        taken(&engine, "calls", holder);
    }
    denied(Ok(acquire(&engine, "calls", "g")));
    let mut reported = expired(&engine);
    reported.sort_unstable();
    assert_eq!(reported, first, "each once");
    assert_sound(&engine);
}

#[test]
fn a_check_says_what_taking_a_lease_would_answer_also_when_leases_have_expired() {
    let (engine, clock) = acme(NOON);
    let fencing = ["a", "b", "c"].map(|holder| taken(&engine, "calls", holder).fencing);
    let tenant = engine.tenant("acme").expect("exists");
    let calls = tenant.leases("calls").expect("is a lease");
    denied(calls.check("d"));
    allowed(calls.check("a"));
    clock.advance_ms(60 * SECOND_MS);
    allowed(calls.check("d"));
    let agent = Details { holder: "x", contact: "c", ..Details::default() };
    for holder in ["p", "q", "r"] {
        taken(&engine, "agents", holder);
    }
    denied(tenant.check_action("start_agent", &agent));
    clock.advance_ms(60 * SECOND_MS);
    allowed(tenant.check_action("start_agent", &agent));
    let quote = tenant.quote("start_agent", &agent).expect("quotes");
    assert!(quote.decision.allowed(), "{quote:?}");
    assert!(!fencing.contains(&taken(&engine, "calls", "d").fencing));
    // Also past a renewal that is not settled.
    clock.set(cotas_tests::at("2026-05-25T12:00:00-03:00"));
    for holder in ["s", "t", "u"] {
        taken(&engine, "calls", holder);
    }
    clock.set(cotas_tests::at("2026-06-25T12:00:00-03:00"));
    allowed(calls.check("d"));
    assert_sound(&engine);
}

#[test]
fn a_holder_whose_lease_has_expired_with_many_others_gets_one_new_one() {
    let (engine, clock) = acme(NOON);
    for (index, holder) in ["a", "b", "c"].into_iter().enumerate() {
        clock.advance_ms(index as i64);
        taken(&engine, "calls", holder);
    }
    let old = taken(&engine, "calls", "c");
    clock.advance_ms(61 * SECOND_MS);
    let new = taken(&engine, "calls", "c");
    assert!(new.acquired && new.fencing > old.fencing);
    assert_sound(&engine);
    clock.advance_ms(SECOND_MS);
    not_held(renew(&engine, "calls", "c", old.fencing));
    assert_eq!(renew(&engine, "calls", "c", new.fencing).expect("renews").fencing, new.fencing);
    assert_eq!(stands(&engine, "acme", "calls"), (1, 2, 0));
    assert_eq!(expired(&engine).len(), 3);
    assert_sound(&engine);
}

#[test]
fn only_the_present_number_of_a_lease_renews_or_releases_it() {
    let (engine, clock) = acme(NOON);
    let lease = taken(&engine, "calls", "a");
    for wrong in [0, lease.fencing - 1, lease.fencing + 1, u64::MAX] {
        not_held(renew(&engine, "calls", "a", wrong));
        not_held(release(&engine, "calls", "a", wrong));
    }
    not_held(renew(&engine, "calls", "b", lease.fencing));
    not_held(renew(&engine, "agents", "a", lease.fencing));
    clock.advance_ms(30 * SECOND_MS);
    let renewed = renew(&engine, "calls", "a", lease.fencing).expect("renews");
    assert_eq!(renewed.expires_at, engine.now().plus_ms(60 * SECOND_MS));
    assert!(!renewed.acquired);
    clock.advance_ms(60 * SECOND_MS);
    not_held(renew(&engine, "calls", "a", lease.fencing));
    not_held(release(&engine, "calls", "a", lease.fencing));
    let next = taken(&engine, "calls", "a");
    assert!(next.fencing > lease.fencing);
    not_held(release(&engine, "calls", "a", lease.fencing));
    release(&engine, "calls", "a", next.fencing).expect("releases");
    not_held(release(&engine, "calls", "a", next.fencing));
    assert_eq!(stands(&engine, "acme", "calls"), (0, 3, 0));
    assert_eq!(expired(&engine), [lease.fencing], "a release is no expiry");
    assert_sound(&engine);
}

#[test]
fn a_lease_that_is_made_shorter_ends_when_it_says() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let calls = tenant.leases("calls").expect("is a lease");
    for holder in ["a", "b", "c"] {
        allowed(calls.acquire(holder, Some(Duration::from_secs(3600))));
    }
    let short = allowed(calls.acquire("b", Some(Duration::from_secs(1)))).lease.expect("a lease");
    clock.advance_ms(SECOND_MS);
    assert!(taken(&engine, "calls", "d").fencing > short.fencing);
    denied(calls.acquire("e", None));
    assert_sound(&engine);
}

#[test]
fn a_lowered_limit_takes_no_lease_away_and_gives_no_new_one() {
    let (engine, _) = acme(NOON);
    let leases = ["a", "b", "c"].map(|holder| taken(&engine, "calls", holder));
    engine.set_limit("acme", "calls", Limit::Finite(1)).expect("is lowered");
    let report = engine.report("acme").expect("reports");
    let calls = report.balances.iter().find(|it| it.resource == "calls").expect("is there");
    assert!(calls.over_limit());
    assert_eq!((calls.used, calls.available, calls.limit()), (3, 0, Some(1)));
    assert!(!taken(&engine, "calls", "a").acquired, "a holder keeps what it has");
    denied(Ok(acquire(&engine, "calls", "d")));
    for (holder, lease) in ["a", "b"].into_iter().zip(leases) {
        release(&engine, "calls", holder, lease.fencing).expect("releases");
        denied(Ok(acquire(&engine, "calls", "d")));
    }
    release(&engine, "calls", "c", leases[2].fencing).expect("releases");
    taken(&engine, "calls", "d");
    assert_sound(&engine);
}

#[test]
fn a_lease_counts_in_the_resources_above_its_own() {
    let (engine, clock) = acme(NOON);
    taken(&engine, "agents.video", "v1");
    taken(&engine, "agents.video", "v2");
    let full = denied(Ok(acquire(&engine, "agents.video", "v3")));
    assert_eq!(full.limit(), Some(2));
    taken(&engine, "agents", "text");
    assert_eq!(stands(&engine, "acme", "agents"), (3, 0, 0));
    denied(Ok(acquire(&engine, "agents", "more")));
    // A video agent's lease ends after 30 s: the place above it is free with it.
    clock.advance_ms(30 * SECOND_MS);
    taken(&engine, "agents", "more");
    taken(&engine, "agents.video", "v3");
    assert_eq!(stands(&engine, "acme", "agents"), (3, 0, 0));
    let above = denied(Ok(acquire(&engine, "agents.video", "v4")));
    assert_eq!(above.limit(), Some(3), "there is no capacity above: {above:?}");
    assert_sound(&engine);
}

#[test]
fn unique_contacts_in_a_moving_day_are_leases_that_each_message_prolongs() {
    let (engine, clock) = acme(NOON);
    const HOUR_MS: i64 = 3_600_000;
    taken(&engine, "unique_contacts", "ana");
    taken(&engine, "unique_contacts", "bia");
    clock.advance_ms(20 * HOUR_MS);
    assert!(!taken(&engine, "unique_contacts", "ana").acquired);
    clock.advance_ms(3 * HOUR_MS);
    denied(Ok(acquire(&engine, "unique_contacts", "caio")));
    clock.advance_ms(HOUR_MS);
    // Bia's day is over, Ana's began again.
    assert!(taken(&engine, "unique_contacts", "caio").acquired);
    denied(Ok(acquire(&engine, "unique_contacts", "bia")));
    clock.advance_ms(20 * HOUR_MS);
    assert!(taken(&engine, "unique_contacts", "bia").acquired);
    assert_eq!(stands(&engine, "acme", "unique_contacts"), (2, 0, 0));
    assert_sound(&engine);
}

#[test]
fn an_action_takes_its_lease_once_and_charges_each_time() {
    let (engine, _) = acme(NOON);
    let agent = |holder| {
        let details = Details { holder, contact: "c", ..Details::default() };
        engine.perform("acme", "start_agent", &details)
    };
    let first = allowed(agent("x"));
    assert!(first.lease.expect("a lease").acquired);
    let again = allowed(agent("x"));
    assert!(!again.lease.expect("a lease").acquired);
    assert_eq!(stands(&engine, "acme", "agents"), (1, 2, 0));
    assert_eq!(stands(&engine, "acme", "tasks"), (6, 4, 0));
    assert!(agent("").is_err(), "a lease has a holder");
    assert_sound(&engine);
}

#[test]
fn thousands_of_leases_that_expire_together_are_all_free_again() {
    let (engine, clock) = acme(NOON);
    engine.set_limit("acme", "calls", Limit::Finite(4_000)).expect("is raised");
    for index in 0..4_000 {
        taken(&engine, "calls", &format!("h{index}"));
    }
    clock.advance_ms(60 * SECOND_MS);
    assert_eq!(stands(&engine, "acme", "calls"), (0, 4_000, 0));
    for index in 0..4_000 {
        taken(&engine, "calls", &format!("n{index}"));
    }
    clock.advance_ms(60 * SECOND_MS);
    taken(&engine, "calls", "last");
    assert_eq!(stands(&engine, "acme", "calls"), (1, 3_999, 0));
    assert_eq!(engine.events(0, 10_000).expect("reads").iter().filter(is_expiry).count(), 8_000);
    assert_sound(&engine);
}

fn is_expiry(event: &&cotas::Event) -> bool {
    matches!(event.kind, EventKind::LeaseExpired { .. })
}
