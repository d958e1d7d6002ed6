//! Leases, reservations, keys and events: what holds whenever entries expire, are used again, or
//! outlive the period, the plan and the catalog under which they were made.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use cotas::*;
use cotas_tests::*;

const SECOND_MS: i64 = 1_000;
const DAY_MS: i64 = 86_400_000;

fn engine_of(text: &str, now: &str) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at(now)));
    let engine = Engine::in_memory()
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External)
        .open()
        .unwrap();
    engine.load_catalog(&Catalog::parse(text, "t.toml").unwrap()).unwrap();
    (engine, clock)
}

#[test]
fn a_holder_whose_lease_has_expired_takes_one_again() {
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
fn a_key_used_again_for_a_reservation_reports_of_nothing_older() {
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
    assert!(
        again.charges.iter().all(|it| it.resource == engine.resource("credits").unwrap()),
        "{:?}",
        again.charges
    );
    let _ = first;
    assert_sound(&engine);
}

#[test]
fn usage_that_goes_back_to_nothing_is_written_as_nothing() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
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

#[test]
fn at_the_end_of_time_nothing_goes_in_circles() {
    let clock = Arc::new(ManualClock::new(Timestamp::MAX));
    let engine = Engine::in_memory()
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External)
        .open()
        .unwrap();
    engine.load_catalog(&catalog()).unwrap();
    engine.create_tenant(&NewTenant::new("acme")).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let other = engine.clone();
    std::thread::spawn(move || {
        let _ = other.set_status("acme", Status::Suspended, "", true);
        let _ = other.consume("acme", "credits", 1);
        let _ = other.report("acme");
        let _ = sender.send(());
    });
    receiver.recv_timeout(Duration::from_secs(20)).expect("it ends");
    assert_sound(&engine);
}

#[test]
fn a_new_catalog_does_not_hide_the_boundary_before_which_a_reservation_expires() {
    let run = |reload: bool| {
        let (engine, clock) = in_memory(NOON);
        add_tenant(&engine, "acme", "full", "2026-05-20", true);
        let tenant = engine.tenant("acme").unwrap();
        assert!(tenant.reserve(&[("sms", 5)], Duration::from_secs(86_400)).unwrap().allowed());
        if reload {
            engine
                .load_catalog(&Catalog::parse(&CATALOG.replace("299.00", "300.00"), "t").unwrap())
                .unwrap();
        }
        clock.advance_ms(20 * DAY_MS);
        assert!(tenant.consume("credits", 1).unwrap().allowed());
        assert_sound(&engine);
        engine.periods("acme").unwrap()
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn i6_reservations_that_expire_between_boundaries_come_to_the_same_at_every_time_of_looking() {
    let run = |steps: &[i64]| {
        let (engine, clock) = in_memory(NOON);
        let start = at(NOON);
        let extras =
            [Extra { resource: "sms", units: 50, expires_at: Some(start.plus_ms(60 * DAY_MS)) }];
        engine
            .create_tenant(&NewTenant { extras: &extras, ..NewTenant::new("acme") }.plan(
                "full",
                date("2026-05-20"),
                true,
            ))
            .unwrap();
        let tenant = engine.tenant("acme").unwrap();
        assert!(
            tenant.reserve(&[("sms", 30)], Duration::from_secs(40 * 86_400)).unwrap().allowed()
        );
        assert!(tenant.reserve(&[("sms", 30)], Duration::from_secs(5 * 86_400)).unwrap().allowed());
        for &step in steps {
            clock.set(start.plus_ms(step * DAY_MS));
            assert!(tenant.consume("credits", 1).unwrap().allowed());
        }
        assert_sound(&engine);
        let reported: Vec<_> = engine
            .events(0, 1000)
            .unwrap()
            .into_iter()
            .filter(|it| it.resource.as_deref() != Some("credits"))
            .map(|it| it.kind.code())
            .collect();
        let report = engine.report("acme").unwrap();
        let grants: Vec<_> =
            report.grants.into_iter().filter(|it| it.resource != "credits").collect();
        (
            engine
                .periods("acme")
                .unwrap()
                .into_iter()
                .map(|it| it.used.into_iter().filter(|it| it.0 == "sms").collect::<Vec<_>>())
                .collect::<Vec<_>>(),
            grants,
            reported,
        )
    };
    let all = run(&[100]);
    let many = run(&[6, 17, 39, 41, 61, 100]);
    assert_eq!(all.0, many.0);
    assert_eq!(all.1, many.1);
    assert_eq!(all.2, many.2);
}

#[test]
fn a_clock_that_is_not_believed_expires_nothing() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let tenant = engine.tenant("acme").unwrap();
    let fence = tenant.leases("calls").unwrap().acquire("a", None).unwrap().lease.unwrap().fencing;
    let id = tenant.reserve(&[("sms", 5)], Duration::from_secs(60)).unwrap().reservation.unwrap();
    clock.advance_ms(1000 * DAY_MS);
    assert!(matches!(tenant.consume("credits", 1), Err(Error::ClockJump { .. })));
    engine.report("acme").expect("reports as of the mark");
    engine.what_if("acme", "small").expect("as of the mark");
    clock.set(at(NOON));
    tenant.commit(&id).expect("still open");
    tenant.leases("calls").unwrap().renew("a", fence, None).expect("still held");
    assert_sound(&engine);
}

#[test]
fn thousands_of_reservations_may_expire_at_once() {
    let (engine, clock) = in_memory(NOON);
    add_tenant_with(&engine, "acme", "full", "2026-05-20", &[("credits", 100_000)]);
    let tenant = engine.tenant("acme").unwrap();
    for _ in 0..4000 {
        assert!(tenant.reserve(&[("credits", 1)], Duration::from_secs(60)).unwrap().allowed());
    }
    clock.advance_ms(61 * SECOND_MS);
    assert!(tenant.consume("credits", 1).unwrap().allowed());
    for index in 0..2 {
        let _ = index;
    }
    assert_sound(&engine);
}

#[test]
fn a_reservation_of_a_closed_period_that_expires_is_reported() {
    let (engine, clock) = in_memory(NOON);
    add_tenant_with(&engine, "acme", "full", "2026-05-20", &[("sms", 50)]);
    let tenant = engine.tenant("acme").unwrap();
    let id = tenant
        .reserve(&[("sms", 20)], Duration::from_secs(30 * 86_400))
        .unwrap()
        .reservation
        .unwrap();
    clock.advance_ms(20 * DAY_MS);
    assert!(tenant.consume("credits", 1).unwrap().allowed());
    clock.advance_ms(11 * DAY_MS);
    assert!(tenant.consume("credits", 1).unwrap().allowed());
    let reported = engine.events(0, 100).unwrap();
    let expired = EventKind::ReservationExpired { reservation: id };
    assert!(reported.iter().any(|it| it.kind == expired), "{reported:?}");
    assert_sound(&engine);
}

#[test]
fn thresholds_of_a_monthly_meter_are_reported_each_month() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2027-04-20", true);
    let tenant = engine.tenant("acme").unwrap();
    let meter = tenant.meter("free_tier").unwrap();
    let mut count = 0;
    for _ in 0..3 {
        for _ in 0..20 {
            assert!(meter.add(1).unwrap().allowed());
        }
        let now = engine.events(0, 100).unwrap().len();
        assert_eq!(now, count + 2);
        count = now;
        clock.advance_ms(31 * DAY_MS);
    }
}

#[test]
fn one_operation_may_reach_all_thresholds_of_many_resources() {
    let mut text = String::from("[catalog]\ntime_zone = \"UTC\"\n");
    let mut limits = String::new();
    for index in 0..16 {
        text += &format!(
            "[resources.r{index}]\nkind = \"allowance\"\nthresholds = [10,20,30,40,50,60,70,80]\n"
        );
        limits += &format!("r{index} = 10\n");
    }
    text += &format!("[plans.p]\ntitle = \"p\"\nprice = \"1.00\"\n[plans.p.limits]\n{limits}");
    let (engine, _) = engine_of(&text, NOON);
    add_tenant(&engine, "acme", "p", "2026-05-20", true);
    let tenant = engine.tenant("acme").unwrap();
    let names: Vec<_> = (0..16).map(|index| format!("r{index}")).collect();
    let asked: Vec<_> = names.iter().map(|name| (name.as_str(), 9)).collect();
    assert!(tenant.reserve(&asked, Duration::from_secs(9)).unwrap().allowed());
    let reported = engine.events(0, 1000).unwrap();
    assert_eq!(reported.len(), 128);
    for name in &names {
        assert_eq!(
            reported.iter().filter(|it| it.resource.as_deref() == Some(name)).count(),
            8,
            "{name}"
        );
    }
    assert_sound(&engine);
}

#[test]
fn leases_stay_counted_while_their_resource_is_in_no_catalog() {
    let (engine, _clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    let tenant = engine.tenant("acme").unwrap();
    let fence = tenant
        .leases("calls")
        .unwrap()
        .acquire("a", Some(Duration::from_secs(86_400)))
        .unwrap()
        .lease
        .unwrap()
        .fencing;
    let without = CATALOG
        .replace("[resources.calls]\nkind = \"lease\"\nttl = \"60s\"\n", "")
        .replace("calls = 5\n", "")
        .replace("calls = 1, ", "")
        .replace("lease = \"calls\"\n", "");
    engine.load_catalog_confirmed(&Catalog::parse(&without, "t.toml").unwrap()).unwrap();
    assert!(tenant.consume("credits", 1).unwrap().allowed());
    assert_sound(&engine);
    engine.load_catalog(&catalog()).unwrap();
    assert!(tenant.consume("credits", 1).unwrap().allowed());
    assert_sound(&engine);
    assert!(!tenant.leases("calls").unwrap().acquire("b", None).unwrap().allowed());
    tenant.leases("calls").unwrap().release("a", fence).unwrap();
    assert_sound(&engine);
}

#[test]
fn leases_outside_the_plan_survive_a_rebuild() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.with_acme();
    let tenant = engine.tenant("acme").unwrap();
    assert!(
        tenant
            .leases("calls")
            .unwrap()
            .acquire("a", Some(Duration::from_secs(86_400)))
            .unwrap()
            .allowed()
    );
    engine.change_plan("acme", &Terms::new("strict", date("2026-05-20"), true), None).unwrap();
    assert_sound(&engine);
    engine.checkpoint().unwrap();
    drop(tenant);
    drop(engine);
    std::fs::remove_file(database.live()).unwrap();
    let engine = database.open();
    assert_sound(&engine);
    let tenant = engine.tenant("acme").unwrap();
    assert!(tenant.consume("credits", 1).unwrap().allowed());
    assert_sound(&engine);
}

#[test]
fn what_goes_back_to_a_grant_that_has_expired_cannot_be_used_again() {
    let (engine, clock) = in_memory(NOON);
    let expires_at = Some(at(NOON).plus_ms(5 * DAY_MS));
    let extras = [Extra { resource: "sms", units: 50, expires_at }];
    let new = NewTenant { extras: &extras, ..NewTenant::new("acme") };
    engine.create_tenant(&new.plan("full", date("2026-05-20"), true)).unwrap();
    let tenant = engine.tenant("acme").unwrap();
    let receipt = tenant.once("k").consume("sms", 40).unwrap().receipt.unwrap();
    let id = tenant.reserve(&[("sms", 20)], Duration::from_secs(30 * 86_400)).unwrap();
    clock.advance_ms(6 * DAY_MS);
    tenant.refund(&receipt).unwrap();
    assert_eq!(balance(&engine, "acme", "sms").0, 10);
    assert!(!tenant.consume("sms", 11).unwrap().allowed());
    assert_sound(&engine);
    clock.advance_ms(20 * DAY_MS);
    tenant.release(&id.reservation.unwrap()).unwrap();
    assert_eq!(balance(&engine, "acme", "sms"), (10, Some(10)));
    assert_sound(&engine);
}

#[test]
fn an_id_means_nothing_to_another_tenant() {
    let (engine, _) = in_memory(NOON);
    for name in ["acme", "other"] {
        add_tenant(&engine, name, "full", "2026-05-20", true);
    }
    let [one, other] = ["acme", "other"].map(|name| engine.tenant(name).unwrap());
    let hold = |tenant: &Tenant| {
        let held = tenant.reserve(&[("sms", 2)], Duration::from_secs(60)).unwrap();
        held.reservation.unwrap()
    };
    let (id, _) = (hold(&one), hold(&other));
    assert!(matches!(other.release(&id), Err(Error::UnknownReservation(_))));
    let pay = |tenant: &Tenant| tenant.once("k").consume("sms", 1).unwrap().receipt.unwrap();
    let (receipt, _) = (pay(&one), pay(&other));
    assert!(matches!(other.refund(&receipt), Err(Error::UnknownReceipt(_))));
}
