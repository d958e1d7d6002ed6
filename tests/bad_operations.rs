//! Bad input for every operation: a typed error that says what was wrong, and nothing changed.

use std::time::Duration;

use cotas::catalog::Feature;
use cotas::{
    Details, Direction, Engine, Error, Limit, Occupancy, Receipt, ReservationId, Source, Status,
    Tenant, Terms,
};
use cotas_tests::{NOON, add_tenant, assert_sound, date, in_memory};

const MINUTE: Duration = Duration::from_secs(60);
const KINDS: [(&str, &str); 5] = [
    ("credits", "allowance"),
    ("users", "seat"),
    ("calls", "lease"),
    ("storage_mb", "meter"),
    ("pair_rate", "rate"),
];

fn desk() -> (Engine, Tenant) {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let tenant = engine.tenant("acme").expect("exists");
    (engine, tenant)
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> i32 {
    result.expect_err("is refused").code()
}

/// What a tenant has, for "nothing changed".
fn image(engine: &Engine) -> String {
    let report = engine.report("acme").expect("reports");
    format!("{:?} {:?}", report.balances, report.grants)
}

#[test]
fn i10_an_operation_on_a_resource_of_another_kind_names_both_kinds() {
    let (engine, tenant) = desk();
    let before = image(&engine);
    for (name, kind) in KINDS {
        let refused = [
            ("allowance", tenant.consume(name, 1).map(|_| ())),
            ("allowance", tenant.check(name, 1).map(|_| ())),
            ("allowance", tenant.once("k").consume(name, 1).map(|_| ())),
            ("session", tenant.admit(name, Direction::Inbound, &contact("c")).map(|_| ())),
            ("seat", tenant.seats(name).map(|_| ())),
            ("lease", tenant.leases(name).map(|_| ())),
            ("meter", tenant.meter(name).map(|_| ())),
            ("rate", tenant.rate(name).map(|_| ())),
            ("lease", tenant.once("k").leases(name).map(|_| ())),
            ("meter", tenant.once("k").meter(name).map(|_| ())),
            ("rate", tenant.once("k").rate(name).map(|_| ())),
        ];
        for (needed, result) in refused {
            if needed == kind {
                assert!(result.is_ok() || needed == "allowance", "{name}: {result:?}");
                continue;
            }
            let error = result.expect_err("is refused");
            assert!(matches!(error.code(), 402 | 405), "{name} as {needed}: {error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        let sets_aside = tenant.reserve(&[(name, 1)], MINUTE);
        match kind {
            "allowance" | "meter" => {
                let id = sets_aside.expect("decides").reservation.expect("is held");
                tenant.release(&id).expect("is released");
            }
            _ => assert_eq!(code(sets_aside), 405, "{name}"),
        }
    }
    // Consuming an allowance worked, once for each of its operations.
    assert_ne!(image(&engine), before);
    assert_sound(&engine);
}

fn contact(name: &str) -> Details<'_> {
    Details { channel: "w", contact: name, ..Details::default() }
}

#[test]
fn i10_unknown_names_zero_overflow_and_lifetimes_are_refused_by_every_operation() {
    let (engine, tenant) = desk();
    let before = image(&engine);
    for name in ["", "nothing", "credits "] {
        assert_eq!(code(tenant.consume(name, 1)), 402, "{name:?}");
        assert_eq!(code(tenant.seats(name).map(|_| ())), 402);
        assert_eq!(code(tenant.leases(name).map(|_| ())), 402);
        assert_eq!(code(tenant.meter(name).map(|_| ())), 402);
        assert_eq!(code(tenant.rate(name).map(|_| ())), 402);
        assert_eq!(code(tenant.reserve(&[(name, 1)], MINUTE)), 402);
        assert_eq!(code(tenant.perform(name, &Details::default())), 403);
        assert_eq!(code(tenant.quote(name, &Details::default())), 403);
        assert_eq!(code(tenant.reserve_action(name, &Details::default(), MINUTE)), 403);
        assert_eq!(code(tenant.feature(name)), 421);
        assert_eq!(code(engine.what_if("acme", name)), 404);
    }
    let meter = tenant.meter("storage_mb").expect("is one");
    for units in [0, i64::MAX as u64 + 1, u64::MAX] {
        assert_eq!(code(tenant.consume("credits", units)), 406, "{units}");
        assert_eq!(code(meter.add(units)), 406);
        assert_eq!(code(meter.subtract(units)), 406);
        assert_eq!(code(tenant.rate("pair_rate").expect("is one").pass("k", units)), 406);
        assert_eq!(code(tenant.reserve(&[("credits", units)], MINUTE)), 406);
    }
    assert_eq!(code(meter.set(u64::MAX)), 406);
    assert_eq!(code(tenant.reserve(&[], MINUTE)), 406);
    assert_eq!(code(tenant.reserve(&[("credits", i64::MAX as u64); 2], MINUTE)), 406);
    let leases = tenant.leases("calls").expect("are leases");
    for ttl in [Duration::ZERO, Duration::from_micros(1), Duration::MAX] {
        assert_eq!(code(tenant.reserve(&[("credits", 1)], ttl)), 406, "{ttl:?}");
        assert_eq!(code(leases.acquire("h", Some(ttl))), 406);
        assert_eq!(code(leases.renew("h", 1, Some(ttl))), 406);
        assert_eq!(code(tenant.once("k").kept_for(ttl).consume("credits", 1)), 406);
    }
    assert_eq!(image(&engine), before);
    assert_sound(&engine);
}

#[test]
fn i10_empty_and_over_long_keys_are_refused_by_every_operation_and_never_repeated() {
    let (engine, tenant) = desk();
    let before = image(&engine);
    let long = "5511999998888".repeat(30);
    let leases = tenant.leases("calls").expect("are leases");
    let seats = tenant.seats("users").expect("are seats");
    let rate = tenant.rate("pair_rate").expect("is one");
    for key in ["", &long] {
        let refused = [
            tenant.once(key).consume("credits", 1).map(|_| ()),
            tenant.once(key).reserve(&[("credits", 1)], MINUTE).map(|_| ()),
            tenant.once(key).perform("record_call", &Details::default()).map(|_| ()),
            tenant.admit("sessions", Direction::Inbound, &contact(key)).map(|_| ()),
            tenant.perform("start_call", &Details { holder: key, ..contact("c") }).map(|_| ()),
            tenant.link_contact(key, "b"),
            tenant.link_contact("a", key),
            leases.acquire(key, None).map(|_| ()),
            leases.renew(key, 1, None).map(|_| ()),
            leases.release(key, 1),
            rate.pass(key, 1).map(|_| ()),
            seats.occupy(key).map(|_| ()),
            seats.release(key).map(|_| ()),
            seats.replace(key, "b"),
            seats.replace("a", key),
        ];
        for (index, result) in refused.into_iter().enumerate() {
            let error = result.expect_err("is refused");
            assert_eq!(error.code(), 406, "{index}: {error}");
            assert!(!error.to_string().contains("5511999998888"), "{error}");
        }
    }
    let short = Occupancy { token: Some("secret"), pending: false };
    let error = seats.occupy_as("ana", &short).expect_err("can be guessed");
    assert_eq!(error.code(), 406);
    assert!(!error.to_string().contains("secret"));
    assert_eq!(image(&engine), before);
    assert_sound(&engine);
}

#[test]
fn i10_handles_that_are_none_or_done_with_are_refused() {
    let (engine, tenant) = desk();
    let id = tenant.reserve(&[("credits", 5)], MINUTE).expect("decides").reservation;
    let id = id.expect("is held");
    tenant.commit_part(&id, &[("credits", 6)]).expect_err("more than is held");
    tenant.commit(&id).expect("is committed");
    let before = image(&engine);
    assert_eq!(code(tenant.commit(&id)), 413);
    assert_eq!(code(tenant.release(&id)), 413);
    assert_eq!(code(tenant.commit_part(&id, &[("credits", 1)])), 413);
    let text = id.to_string();
    let other = text.rsplit_once('-').map(|(before, _)| format!("{before}-1"));
    let other: ReservationId = other.expect("has parts").parse().expect("has the shape of one");
    assert_eq!(code(tenant.commit(&other)), 412);
    for text in ["", "r-", "r-1-2", "r-1-2-3-4", "c-1-2-3", "r-x-2-3", "r-1-2-ffffffffffffffffff"] {
        assert_eq!(code(text.parse::<ReservationId>()), 406, "{text:?}");
        assert_eq!(code(text.replace('c', "r").parse::<Receipt>()), 406, "{text:?}");
    }
    let receipt: Receipt = text.replacen('r', "c", 1).parse().expect("has the shape of one");
    assert_eq!(code(tenant.refund(&receipt)), 414, "a reservation is no receipt");
    assert_eq!(code(tenant.charges_of(&receipt)), 414);
    assert_eq!(code(tenant.leases("calls").expect("are leases").release("stranger", 7)), 417);
    assert_eq!(code(tenant.seats("users").expect("are seats").replace("stranger", "b")), 418);
    assert_eq!(code(engine.events(0, 0)), 406);
    assert_eq!(code(engine.verify_token("short")), 406);
    assert_eq!(image(&engine), before);
    assert_sound(&engine);
}

#[test]
fn i10_handles_whose_time_is_over_are_refused() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let tenant = engine.tenant("acme").expect("exists");
    let held = tenant.reserve(&[("credits", 5)], MINUTE).expect("decides").reservation;
    let held = held.expect("is held");
    let paid = tenant.once("k").kept_for(MINUTE).consume("credits", 1).expect("decides").receipt;
    let paid = paid.expect("a receipt");
    let calls = tenant.leases("calls").expect("are leases");
    let fencing = calls.acquire("h", Some(MINUTE)).expect("decides").lease.expect("is had").fencing;
    clock.advance_ms(60_000);
    // Another decision under a key takes the place of the one that has expired.
    assert!(tenant.once("k").consume("credits", 2).expect("decides").allowed());
    let before = image(&engine);
    assert_eq!(code(tenant.commit(&held)), 413, "it has expired");
    assert_eq!(code(tenant.release(&held)), 413);
    assert_eq!(code(tenant.commit_part(&held, &[("credits", 1)])), 413);
    assert_eq!(code(tenant.refund(&paid)), 414);
    assert_eq!(code(tenant.charges_of(&paid)), 414);
    assert_eq!(code(calls.renew("h", fencing, None)), 417);
    assert_eq!(code(calls.release("h", fencing)), 417);
    assert_eq!(image(&engine), before);
    // A reservation is forgotten in the end.
    clock.advance_ms(8 * 86_400_000);
    assert_eq!(code(tenant.commit(&held)), 412);
    assert_sound(&engine);
}

#[test]
fn i10_what_an_administrator_may_not_do_is_refused() {
    let (engine, tenant) = desk();
    let before = image(&engine);
    let yesterday = Some(engine.now().plus_ms(-1));
    let too_much = i64::MAX as u64 + 1;
    for refused in [
        engine.set_limit("acme", "nothing", Limit::Unlimited),
        engine.set_limit("acme", "credits", Limit::Finite(too_much)),
        engine.grant("acme", "nothing", Source::Extra, 1, None, None),
        engine.grant("acme", "pair_rate", Source::Extra, 1, None, None),
        engine.grant("acme", "credits", Source::Plan, 1, None, None),
        engine.grant("acme", "credits", Source::Extra, 0, None, None),
        engine.grant("acme", "credits", Source::Extra, 1, yesterday, None),
        engine.grant("acme", "credits", Source::Extra, 1, None, Some("")),
        engine.change_plan("acme", &terms("nothing"), None),
        engine.change_plan("stranger", &terms("full"), None),
        engine.set_feature("acme", "nothing", Some(&Feature::Flag(true))),
        engine.set_feature("acme", "analytics", Some(&Feature::Level("nothing".to_owned()))),
        engine.set_status("acme", Status::Demo, "", false),
        engine.set_status("acme", Status::Suspended, &"x".repeat(10_000), false),
        engine.settle("stranger"),
        tenant.seats("users").expect("are seats").replace("stranger", "ana"),
    ] {
        let error = refused.expect_err("is refused");
        assert!((400..500).contains(&error.code()), "{error}");
    }
    assert_eq!(image(&engine), before);
    assert_sound(&engine);
}

fn terms(plan: &str) -> Terms<'_> {
    Terms::new(plan, date("2026-05-20"), true)
}
