//! Reservations: units set aside, used or given back once.

use std::time::Duration;

use cotas::{Engine, Error, EventKind, ReservationId, Resolution, Source};
use cotas_tests::wide::{acme, allowed, denied, stands};
use cotas_tests::{NOON, assert_sound, at, balance};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn reserve(engine: &Engine, units: &[(&str, u64)], ttl: Duration) -> ReservationId {
    let tenant = engine.tenant("acme").expect("exists");
    allowed(tenant.reserve(units, ttl)).reservation.expect("a reservation")
}

#[track_caller]
fn resolved<T: std::fmt::Debug>(result: Result<T, Error>, how: Resolution) {
    assert!(matches!(result, Err(Error::AlreadyResolved(it)) if it == how), "{result:?}");
}

#[test]
fn what_is_set_aside_is_not_available_and_shown_as_held() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let id = reserve(&engine, &[("credits", 4), ("storage_mb", 30)], MINUTE);
    assert_eq!(stands(&engine, "acme", "credits"), (4, 6, 4));
    assert_eq!(stands(&engine, "acme", "storage_mb"), (30, 70, 30));
    denied(tenant.consume("credits", 7));
    tenant.commit(&id).expect("commits");
    assert_eq!(stands(&engine, "acme", "credits"), (4, 6, 0));
    assert_eq!(stands(&engine, "acme", "storage_mb"), (30, 70, 0));
    assert_sound(&engine);
}

#[test]
fn a_reservation_is_resolved_once_and_the_second_caller_gets_the_outcome() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let make = || reserve(&engine, &[("credits", 2)], MINUTE);
    let ids = [make(), make(), make(), make()];
    tenant.commit(&ids[0]).expect("commits");
    tenant.commit_part(&ids[1], &[("credits", 1)]).expect("commits a part");
    tenant.release(&ids[2]).expect("releases");
    clock.advance_ms(60_000);
    let first = [
        Resolution::Committed,
        Resolution::PartlyCommitted,
        Resolution::Released,
        Resolution::Expired,
    ];
    for (id, how) in ids.iter().zip(first) {
        resolved(tenant.commit(id), how);
        resolved(tenant.commit_part(id, &[]), how);
        resolved(tenant.release(id), how);
    }
    assert_eq!(stands(&engine, "acme", "credits"), (3, 7, 0));
    // Seven days after its time it is no longer known.
    clock.advance_ms(7 * 86_400_000);
    for id in &ids {
        let gone = tenant.release(id);
        assert!(matches!(gone, Err(Error::UnknownReservation(it)) if it == *id), "{gone:?}");
    }
    assert_sound(&engine);
}

#[test]
fn a_part_is_committed_and_the_rest_goes_back() {
    let (engine, _) = acme(NOON);
    engine.grant("acme", "credits", Source::Extra, 10, None, None).expect("grants");
    let tenant = engine.tenant("acme").expect("exists");
    let id = reserve(&engine, &[("credits", 15), ("sms", 3), ("minutes", 5)], MINUTE);
    let too_much = tenant.commit_part(&id, &[("credits", 16)]);
    assert!(matches!(too_much, Err(Error::InvalidArgument { .. })), "{too_much:?}");
    let other = tenant.commit_part(&id, &[("tasks", 1)]);
    assert!(matches!(other, Err(Error::InvalidArgument { .. })), "{other:?}");
    assert_eq!(stands(&engine, "acme", "credits"), (15, 5, 15), "nothing was resolved");
    tenant.commit_part(&id, &[("credits", 12), ("minutes", 1)]).expect("commits a part");
    assert_eq!(stands(&engine, "acme", "credits"), (12, 8, 0));
    assert_eq!(stands(&engine, "acme", "sms"), (0, 10, 0), "what is not named goes back");
    assert_eq!(stands(&engine, "acme", "minutes"), (1, 9, 0));
    // The plan's units were taken first and are kept first: ten of the plan, two extras.
    let report = engine.report("acme").expect("reports");
    let extra = report.grants.iter().find(|it| it.source == Source::Extra).expect("is there");
    assert_eq!(extra.remaining, 8);
    assert_sound(&engine);
}

#[test]
fn several_resources_are_set_aside_all_or_none_with_those_above_them() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let short = denied(tenant.reserve(&[("credits", 2), ("sms", 11)], MINUTE));
    assert_eq!((short.units, short.available), (11, 10));
    assert_eq!(stands(&engine, "acme", "credits"), (0, 10, 0));
    let id = reserve(&engine, &[("tasks.urgent", 3), ("tasks", 1), ("minutes.video", 2)], MINUTE);
    assert_eq!(stands(&engine, "acme", "tasks"), (4, 6, 4));
    assert_eq!(stands(&engine, "acme", "tasks.urgent"), (3, 1, 3));
    assert_eq!(stands(&engine, "acme", "minutes"), (2, 8, 2));
    denied(tenant.reserve(&[("tasks.urgent", 2)], MINUTE));
    tenant.commit_part(&id, &[("tasks.urgent", 1)]).expect("commits a part");
    assert_eq!(stands(&engine, "acme", "tasks"), (1, 9, 0));
    assert_eq!(stands(&engine, "acme", "tasks.urgent"), (1, 3, 0));
    assert_eq!(stands(&engine, "acme", "minutes.video"), (0, 6, 0));
    assert_sound(&engine);
}

#[test]
fn what_cannot_be_set_aside_is_refused_by_name() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    for resource in ["users", "calls", "pair_rate"] {
        let refused = tenant.reserve(&[(resource, 1)], MINUTE);
        assert!(matches!(refused, Err(Error::WrongKind { .. })), "{resource}: {refused:?}");
    }
    for (units, ttl) in
        [(&[][..], MINUTE), (&[("credits", 0)], MINUTE), (&[("credits", 1)], 401 * DAY)]
    {
        let refused = tenant.reserve(units, ttl);
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{refused:?}");
    }
    let details = cotas::Details { holder: "h", contact: "c", ..Default::default() };
    for action in ["start_agent", "receive_message"] {
        assert!(tenant.reserve_action(action, &details, MINUTE).is_err(), "{action}");
    }
    let id = allowed(tenant.reserve_action("send_all", &details, MINUTE)).reservation;
    assert_eq!(stands(&engine, "acme", "tasks"), (3, 7, 3));
    tenant.release(&id.expect("a reservation")).expect("releases");
    assert_eq!(stands(&engine, "acme", "sms"), (0, 10, 0));
    assert_sound(&engine);
}

#[test]
fn an_expired_reservation_is_back_at_the_next_decision_and_reported_once() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let id = reserve(&engine, &[("credits", 10)], MINUTE);
    clock.advance_ms(59_999);
    denied(tenant.consume("credits", 1));
    clock.advance_ms(1);
    allowed(tenant.check("credits", 10));
    allowed(tenant.consume("credits", 10));
    resolved(tenant.commit(&id), Resolution::Expired);
    let events = engine.events(0, 100).expect("reads");
    let reported =
        |event: &&cotas::Event| event.kind == EventKind::ReservationExpired { reservation: id };
    assert_eq!(events.iter().filter(reported).count(), 1, "{events:?}");
    assert_sound(&engine);
}

#[test]
fn thousands_of_reservations_that_expire_together_hold_up_no_decision() {
    let (engine, clock) = acme(NOON);
    engine.set_limit("acme", "credits", cotas::Limit::Finite(4_000)).expect("is raised");
    for _ in 0..4_000 {
        reserve(&engine, &[("credits", 1)], MINUTE);
    }
    clock.advance_ms(60_000);
    allowed(engine.consume("acme", "credits", 4_000));
    assert_eq!(stands(&engine, "acme", "credits"), (4_000, 0, 0));
    assert_sound(&engine);
}

#[test]
fn many_late_reservations_that_expire_together_hold_up_no_decision() {
    let (engine, clock) = acme(NOON);
    engine.grant("acme", "credits", Source::Extra, 100, None, None).expect("grants");
    allowed(engine.consume("acme", "credits", 10));
    for _ in 0..100 {
        reserve(&engine, &[("credits", 1)], 20 * DAY);
    }
    clock.set(at("2026-05-21T12:00:00-03:00"));
    denied(engine.consume("acme", "credits", 11));
    clock.set(at("2026-05-25T12:00:00-03:00"));
    allowed(engine.consume("acme", "credits", 110));
    assert_sound(&engine);
}

#[test]
fn an_id_goes_through_text_and_nonsense_is_refused() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let id = reserve(&engine, &[("credits", 1)], MINUTE);
    let text = id.to_string();
    assert_eq!(text.parse::<ReservationId>().expect("parses"), id);
    for bad in
        ["", "r", "r-", "r-0-1", "r-0-1-2-3", "c-0-1-2", "r-+1-1-1", "r-0-1-g", "x", &text[1..]]
    {
        let refused = bad.parse::<ReservationId>();
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{bad}: {refused:?}");
    }
    // Well formed, and never given out.
    for (place, number) in [(0, 2), (1, 0), (5_000, 1), (u32::MAX, u64::MAX)] {
        let epoch = text.split('-').nth(1).expect("an epoch");
        let id: ReservationId = format!("r-{epoch}-{place:x}-{number:x}").parse().expect("parses");
        let unknown = tenant.release(&id);
        assert!(matches!(unknown, Err(Error::UnknownReservation(_))), "{id}: {unknown:?}");
    }
    tenant.release(&text.parse().expect("parses")).expect("releases");
    assert_sound(&engine);
}

#[test]
fn under_one_key_there_is_one_reservation() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let once = tenant.once("order-1");
    let first = allowed(once.reserve(&[("credits", 3)], MINUTE));
    let again = allowed(once.reserve(&[("credits", 3)], MINUTE));
    assert_eq!(again, cotas::Decision { replayed: true, ..first });
    assert_eq!(stands(&engine, "acme", "credits"), (3, 7, 3));
    let other = once.reserve(&[("credits", 4)], MINUTE);
    assert!(matches!(other, Err(Error::IdempotencyConflict)), "{other:?}");
    tenant.commit(&again.reservation.expect("a reservation")).expect("commits");
    let after = allowed(once.reserve(&[("credits", 3)], MINUTE));
    assert!(after.replayed);
    resolved(tenant.release(&after.reservation.expect("a reservation")), Resolution::Committed);
    assert_sound(&engine);
}

#[test]
fn what_a_closed_period_set_aside_gives_this_one_only_its_extras() {
    for resolution in ["release", "part", "expiry", "commit"] {
        let (engine, clock) = acme(NOON);
        engine.grant("acme", "credits", Source::Extra, 10, None, None).expect("grants");
        let tenant = engine.tenant("acme").expect("exists");
        let plan_only = reserve(&engine, &[("credits", 4)], 30 * DAY);
        let both = reserve(&engine, &[("credits", 10)], 30 * DAY);
        assert_eq!(balance(&engine, "acme", "credits"), (6, Some(20)));
        clock.set(at("2026-05-21T12:00:00-03:00"));
        assert_eq!(balance(&engine, "acme", "credits"), (16, Some(16)), "six extras are left");
        tenant.release(&plan_only).expect("releases");
        assert_eq!(balance(&engine, "acme", "credits"), (16, Some(16)), "the plan's are gone");
        let extras = match resolution {
            "release" => {
                tenant.release(&both).expect("releases");
                4
            }
            // Six of the plan and one extra stay used.
            "part" => {
                tenant.commit_part(&both, &[("credits", 7)]).expect("commits a part");
                3
            }
            "expiry" => {
                clock.set(at("2026-06-04T12:00:00-03:00"));
                allowed(tenant.check("credits", 20));
                let kind = EventKind::ReservationExpired { reservation: both };
                let events = engine.events(0, 100).expect("reads");
                assert_eq!(events.iter().filter(|it| it.kind == kind).count(), 1, "reported once");
                4
            }
            _ => {
                tenant.commit(&both).expect("commits");
                0
            }
        };
        let left = 16 + extras;
        assert_eq!(balance(&engine, "acme", "credits"), (left, Some(left)), "{resolution}");
        allowed(tenant.consume("credits", left));
        denied(tenant.consume("credits", 1));
        assert_eq!(stands(&engine, "acme", "credits").2, 0, "{resolution}");
        assert_sound(&engine);
    }
}

#[test]
fn settling_late_comes_to_the_same_as_settling_in_time() {
    let run = |looks_between: bool| {
        let (engine, clock) = acme(NOON);
        engine.grant("acme", "credits", Source::Extra, 10, None, None).expect("grants");
        // Of the first period, with extras; it expires in the second.
        reserve(&engine, &[("credits", 15)], 25 * DAY);
        clock.set(at("2026-05-21T12:00:00-03:00"));
        // Of the second period; it expires in the second too, but later.
        reserve(&engine, &[("credits", 3)], 20 * DAY);
        if looks_between {
            clock.set(at("2026-06-15T12:00:00-03:00"));
            assert_eq!(balance(&engine, "acme", "credits").0, 20);
        }
        clock.set(at("2026-06-25T12:00:00-03:00"));
        assert_eq!(balance(&engine, "acme", "credits").0, 20);
        engine.settle("acme").expect("settles");
        assert_sound(&engine);
        engine.periods("acme").expect("reads")
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn a_clock_too_far_ahead_to_be_believed_takes_nothing_back() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let id = reserve(&engine, &[("credits", 4)], MINUTE);
    let calls = tenant.leases("calls").expect("is a lease");
    let lease = allowed(calls.acquire("a", None)).lease.expect("a lease");
    clock.set(at("2028-05-04T12:00:00-03:00"));
    let jump = tenant.consume("credits", 1);
    assert!(matches!(jump, Err(Error::ClockJump { .. })), "{jump:?}");
    assert_eq!(stands(&engine, "acme", "credits"), (4, 6, 4));
    clock.set(at(NOON));
    tenant.commit(&id).expect("commits");
    calls.release("a", lease.fencing).expect("releases");
    assert_sound(&engine);
}
