//! Events: one for each threshold, each period and each limit, and for each turn of a life.

use std::time::Duration;

use cotas::{Engine, EventKind, Limit, ManualClock, Source, Status};
use cotas_tests::wide::{acme, allowed, catalog, denied};
use cotas_tests::{Database, NOON, add_tenant, assert_sound, at, date};

const HOUR: Duration = Duration::from_hours(1);

/// What was reported of thresholds of a resource: percentage, used, limit. Then it is forgotten.
fn reported(engine: &Engine, resource: &str) -> Vec<(u8, u64, u64)> {
    let events = engine.events(0, 1_000).expect("reads");
    if let Some(last) = events.last() {
        engine.acknowledge_events(last.sequence).expect("acknowledges");
    }
    let of_it = events.iter().filter(|it| it.resource.as_deref() == Some(resource));
    of_it
        .filter_map(|event| match event.kind {
            EventKind::Threshold { percent, used, limit } => Some((percent, used, limit)),
            EventKind::Exhausted { used, limit } => Some((100, used, limit)),
            _ => None,
        })
        .collect()
}

#[test]
fn each_threshold_of_a_period_and_limit_is_reported_once() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let mut seen = Vec::new();
    for _ in 0..10 {
        allowed(tenant.consume("tasks", 1));
        seen.extend(reported(&engine, "tasks"));
    }
    assert_eq!(seen, [(50, 5, 10), (80, 8, 10), (100, 10, 10)]);
    denied(tenant.consume("tasks", 1));
    assert_eq!(reported(&engine, "tasks"), []);
    // A new period, all at once.
    clock.set(at("2026-05-21T12:00:00-03:00"));
    allowed(tenant.consume("tasks", 10));
    assert_eq!(reported(&engine, "tasks"), [(50, 10, 10), (80, 10, 10), (100, 10, 10)]);
    assert_sound(&engine);
}

/// Every event since the last look, and when it happened.
fn events(engine: &Engine) -> Vec<(String, EventKind)> {
    let events = engine.events(0, 1_000).expect("reads");
    let last = events.last().map_or(0, |event| event.sequence);
    assert_eq!(engine.acknowledge_events(last).expect("acknowledges"), events.len());
    events.into_iter().map(|event| (event.at.to_string(), event.kind)).collect()
}

#[test]
fn each_turn_of_a_tenants_life_is_reported_once_and_at_its_own_time() {
    let (engine, clock) = acme(NOON);
    let noon = at(NOON).to_string();
    engine.set_status("acme", Status::PastDue, "debt", false).expect("may be");
    engine.set_status("acme", Status::PastDue, "debt", false).expect("is already");
    engine.set_status("acme", Status::Active, "", false).expect("may be");
    let (active, late) = (Status::Active, Status::PastDue);
    assert_eq!(
        events(&engine),
        [
            (noon.clone(), EventKind::StatusChanged { from: active, to: late }),
            (noon.clone(), EventKind::StatusChanged { from: late, to: active }),
        ]
    );
    let in_a_week = Some(at(NOON).plus_ms(7 * 86_400_000));
    engine.grant("acme", "tasks", Source::Extra, 4, in_a_week, None).expect("grants");
    allowed(engine.consume("acme", "tasks", 11));
    let id = allowed(engine.tenant("acme").expect("exists").reserve(&[("sms", 1)], HOUR));
    let calls = engine.tenant("acme").expect("exists");
    let lease = allowed(calls.leases("calls").expect("is a lease").acquire("h", None)).lease;
    assert_eq!(events(&engine).len(), 1, "eleven of fourteen are half of them");
    // There is no look until the second renewal is over.
    clock.set(at("2026-06-21T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    let fencing = lease.expect("a lease").fencing;
    let mut seen: Vec<EventKind> = events(&engine).into_iter().map(|(_, kind)| kind).collect();
    seen.retain(|kind| !matches!(kind, EventKind::Threshold { .. } | EventKind::Exhausted { .. }));
    let reservation = id.reservation.expect("a reservation");
    let grant = |kind: &EventKind| match *kind {
        EventKind::GrantExpired { grant, .. } => Some(grant),
        _ => None,
    };
    let grant = seen.iter().find_map(grant).expect("three extras are lost");
    assert_eq!(
        seen,
        [
            EventKind::LeaseExpired { fencing },
            EventKind::ReservationExpired { reservation },
            EventKind::GrantExpired { grant, units: 3 },
            EventKind::StatusChanged { from: Status::Active, to: Status::PastDue },
            EventKind::Renewed { period: 2 },
            EventKind::Renewed { period: 3 },
        ]
    );
    let terms = cotas::Terms::new("narrow", date("2026-06-30"), false);
    engine.change_plan("acme", &terms, None).expect("changes");
    clock.set(at("2026-07-10T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    let midnight = at("2026-07-01T00:00:00-03:00").to_string();
    let now = at("2026-06-21T12:00:00-03:00").to_string();
    let plan = "narrow".to_owned();
    let right = [(now, EventKind::PlanChanged { plan }), (midnight, EventKind::Lapsed)];
    assert_eq!(events(&engine), right);
    assert_sound(&engine);
}

#[test]
fn a_purchase_that_lifts_the_limit_arms_the_thresholds_again() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    allowed(tenant.consume("tasks", 10));
    assert_eq!(reported(&engine, "tasks").len(), 3);
    engine.grant("acme", "tasks", Source::Extra, 10, None, None).expect("grants");
    assert_eq!(reported(&engine, "tasks"), [(50, 10, 20)], "ten of twenty are half");
    allowed(tenant.consume("tasks", 5));
    assert_eq!(reported(&engine, "tasks"), []);
    allowed(tenant.consume("tasks", 5));
    assert_eq!(reported(&engine, "tasks"), [(80, 20, 20), (100, 20, 20)]);
    assert_sound(&engine);
}

#[test]
fn a_limit_that_comes_back_in_the_same_period_reports_nothing_again() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "wide", "2026-05-20", true);
    allowed(engine.consume("acme", "tasks", 9));
    assert_eq!(reported(&engine, "tasks"), [(50, 9, 10), (80, 9, 10)]);
    let set = |engine: &Engine, limit| {
        engine.set_limit("acme", "tasks", Limit::Finite(limit)).expect("changes");
    };
    set(&engine, 20);
    set(&engine, 10);
    assert_eq!(reported(&engine, "tasks"), []);
    allowed(engine.consume("acme", "tasks", 1));
    assert_eq!(reported(&engine, "tasks"), [(100, 10, 10)]);
    set(&engine, 20);
    assert_eq!(reported(&engine, "tasks"), [(50, 10, 20)], "of this limit for the first time");
    // The database remembers it.
    drop(engine);
    std::fs::remove_file(database.live()).expect("is removed");
    let engine = database.open();
    for limit in [10, 20, 12, 10, 20] {
        set(&engine, limit);
    }
    assert_eq!(reported(&engine, "tasks"), [(50, 10, 12), (80, 10, 12)]);
    let later = std::sync::Arc::new(ManualClock::new(at("2026-05-21T12:00:00-03:00")));
    let engine = engine.with_clock(later);
    allowed(engine.consume("acme", "tasks", 10));
    assert_eq!(reported(&engine, "tasks"), [(50, 10, 20)], "again in the next period");
    assert_sound(&engine);
}

#[test]
fn lowered_use_does_not_report_a_threshold_again() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let paid = allowed(tenant.once("k").consume("tasks", 8)).receipt.expect("a receipt");
    assert_eq!(reported(&engine, "tasks").len(), 2);
    tenant.refund(&paid).expect("refunds");
    allowed(tenant.consume("tasks", 8));
    assert_eq!(reported(&engine, "tasks"), []);
    // Nor does a change of something else, which looks at all limits.
    engine.set_limit("acme", "sms", Limit::Finite(50)).expect("is raised");
    assert_eq!(reported(&engine, "tasks"), []);
    allowed(tenant.consume("tasks", 2));
    assert_eq!(reported(&engine, "tasks"), [(100, 10, 10)]);
    let storage = tenant.meter("storage_mb").expect("is a meter");
    for value in [80, 10, 85, 0, 99] {
        allowed(storage.set(value));
    }
    assert_eq!(reported(&engine, "storage_mb"), [(80, 80, 100)]);
    allowed(storage.set(100));
    assert_eq!(reported(&engine, "storage_mb"), [(100, 100, 100)]);
    assert_sound(&engine);
}

#[test]
fn leases_seats_sessions_and_what_lies_above_report_their_thresholds() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let agents = tenant.leases("agents.video").expect("is a lease");
    allowed(agents.acquire("a", None));
    allowed(agents.acquire("b", None));
    assert_eq!(reported(&engine, "agents.video"), [(80, 2, 2), (100, 2, 2)]);
    allowed(tenant.leases("agents").expect("is a lease").acquire("c", None));
    assert_eq!(reported(&engine, "agents"), [(80, 3, 3), (100, 3, 3)]);
    let seats = tenant.seats("channels.whatsapp").expect("is a seat");
    allowed(seats.occupy("w1"));
    allowed(seats.occupy("w2"));
    assert_eq!(reported(&engine, "channels.whatsapp"), [(80, 2, 2), (100, 2, 2)]);
    allowed(tenant.consume("tasks.urgent", 4));
    assert_eq!(reported(&engine, "tasks.urgent"), [(80, 4, 4), (100, 4, 4)]);
    engine.set_limit("acme", "sessions", Limit::Finite(1)).expect("is lowered");
    let message = cotas::Details { contact: "c", ..Default::default() };
    allowed(tenant.perform("receive_message", &message));
    assert_eq!(reported(&engine, "sessions"), [(80, 1, 1), (100, 1, 1)]);
    assert_sound(&engine);
}

#[test]
fn events_are_given_page_by_page_until_they_are_acknowledged() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    for _ in 0..30 {
        allowed(tenant.leases("calls").expect("is a lease").acquire("h", None));
        clock.advance_ms(60_000);
    }
    let all = engine.events(0, 1_000).expect("reads");
    assert!(all.len() >= 29, "{}", all.len());
    let (mut pages, mut after) = (Vec::new(), 0);
    loop {
        let page = engine.events(after, 7).expect("reads");
        let Some(last) = page.last() else { break };
        after = last.sequence;
        pages.extend(page);
    }
    assert_eq!(pages, all);
    let middle = all[10].sequence;
    assert_eq!(engine.acknowledge_events(middle).expect("acknowledges"), 11);
    assert_eq!(engine.events(0, 1_000).expect("reads"), all[11..]);
    assert_eq!(engine.acknowledge_events(u64::MAX).expect("acknowledges"), all.len() - 11);
    assert_eq!(engine.events(0, 1_000).expect("reads"), []);
    for max in [0, 10_001] {
        assert!(engine.events(0, max).is_err());
    }
    // Numbers are never given twice.
    allowed(tenant.consume("tasks", 5));
    assert!(engine.events(0, 10).expect("reads")[0].sequence > all.last().expect("one").sequence);
}

#[test]
fn one_operation_may_reach_more_thresholds_than_usually_wait() {
    const RESOURCES: usize = 12;
    let engine =
        cotas::Engine::in_memory().maintenance(cotas::Maintenance::External).open().expect("opens");
    let names: Vec<_> = (0..RESOURCES).map(|index| format!("r{index}")).collect();
    let each = |line: &dyn Fn(&str) -> String| -> String {
        names.iter().map(|name| line(name)).collect::<Vec<_>>().join("\n")
    };
    let resource = |name: &str| {
        let thresholds = "thresholds = [10, 20, 30, 40, 50, 60, 70, 100]";
        format!("[resources.{name}]\nkind = \"allowance\"\n{thresholds}")
    };
    let text = format!(
        "[catalog]\ntime_zone = \"UTC\"\n{}\n[plans.p]\ntitle = \"p\"\nprice = \"1.00\"\n\
         [plans.p.limits]\n{}\n[actions.all]\ngate = \"send\"\n[actions.all.charge]\n{}\n",
        each(&resource),
        each(&|name| format!("{name} = 1")),
        each(&|name| format!("{name} = 1")),
    );
    let catalog = cotas::Catalog::parse(&text, "many.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    let due = engine.now().to_utc().date_naive() + chrono::Days::new(5);
    for tenant in ["plain", "keyed"] {
        let new = cotas::NewTenant::new(tenant).plan("p", due, true);
        engine.create_tenant(&new).expect("is created");
        let tenant = engine.tenant(tenant).expect("exists");
        allowed(match tenant.name() {
            "plain" => tenant.perform("all", &cotas::Details::default()),
            _ => tenant.once("k").perform("all", &cotas::Details::default()),
        });
        for name in &names {
            let seen: Vec<_> = engine
                .events(0, 1_000)
                .expect("reads")
                .into_iter()
                .filter(|it| it.tenant == tenant.name() && it.resource.as_ref() == Some(name))
                .filter_map(|event| match event.kind {
                    EventKind::Threshold { percent, .. } => Some(percent),
                    EventKind::Exhausted { .. } => Some(100),
                    _ => None,
                })
                .collect();
            assert_eq!(seen, [10, 20, 30, 40, 50, 60, 70, 100], "{name}");
        }
    }
    assert_sound(&engine);
}
