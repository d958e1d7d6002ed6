//! Thresholds: one event for each, each period and each limit.

use cotas::{Engine, EventKind, Limit, Source};
use cotas_tests::wide::{acme, allowed, denied};
use cotas_tests::{NOON, assert_sound, at};

/// What was told of thresholds of a resource: percentage, used, limit. Then it is forgotten.
fn told(engine: &Engine, resource: &str) -> Vec<(u8, u64, u64)> {
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
fn each_threshold_of_a_period_and_limit_is_told_once() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let mut seen = Vec::new();
    for _ in 0..10 {
        allowed(tenant.consume("tasks", 1));
        seen.extend(told(&engine, "tasks"));
    }
    assert_eq!(seen, [(50, 5, 10), (80, 8, 10), (100, 10, 10)]);
    denied(tenant.consume("tasks", 1));
    assert_eq!(told(&engine, "tasks"), []);
    // A new period, all at once.
    clock.set(at("2026-05-21T12:00:00-03:00"));
    allowed(tenant.consume("tasks", 10));
    assert_eq!(told(&engine, "tasks"), [(50, 10, 10), (80, 10, 10), (100, 10, 10)]);
    assert_sound(&engine);
}

#[test]
fn a_purchase_that_lifts_the_limit_arms_the_thresholds_again() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    allowed(tenant.consume("tasks", 10));
    assert_eq!(told(&engine, "tasks").len(), 3);
    engine.grant("acme", "tasks", Source::Extra, 10, None, None).expect("grants");
    assert_eq!(told(&engine, "tasks"), [(50, 10, 20)], "ten of twenty are half");
    allowed(tenant.consume("tasks", 5));
    assert_eq!(told(&engine, "tasks"), []);
    allowed(tenant.consume("tasks", 5));
    assert_eq!(told(&engine, "tasks"), [(80, 20, 20), (100, 20, 20)]);
    assert_sound(&engine);
}

#[test]
fn lowered_use_does_not_tell_a_threshold_again() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let paid = allowed(tenant.once("k").consume("tasks", 8)).receipt.expect("a receipt");
    assert_eq!(told(&engine, "tasks").len(), 2);
    tenant.refund(&paid).expect("refunds");
    allowed(tenant.consume("tasks", 8));
    assert_eq!(told(&engine, "tasks"), []);
    // Nor does a change of something else, which looks at all limits.
    engine.set_limit("acme", "sms", Limit::Finite(50)).expect("is raised");
    assert_eq!(told(&engine, "tasks"), []);
    allowed(tenant.consume("tasks", 2));
    assert_eq!(told(&engine, "tasks"), [(100, 10, 10)]);
    let storage = tenant.meter("storage_mb").expect("is a meter");
    for value in [80, 10, 85, 0, 99] {
        allowed(storage.set(value));
    }
    assert_eq!(told(&engine, "storage_mb"), [(80, 80, 100)]);
    allowed(storage.set(100));
    assert_eq!(told(&engine, "storage_mb"), [(100, 100, 100)]);
    assert_sound(&engine);
}

#[test]
fn leases_seats_sessions_and_what_lies_above_tell_their_thresholds() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let agents = tenant.leases("agents.video").expect("is a lease");
    allowed(agents.acquire("a", None));
    allowed(agents.acquire("b", None));
    assert_eq!(told(&engine, "agents.video"), [(80, 2, 2), (100, 2, 2)]);
    allowed(tenant.leases("agents").expect("is a lease").acquire("c", None));
    assert_eq!(told(&engine, "agents"), [(80, 3, 3), (100, 3, 3)]);
    let seats = tenant.seats("channels.whatsapp").expect("is a seat");
    allowed(seats.occupy("w1"));
    allowed(seats.occupy("w2"));
    assert_eq!(told(&engine, "channels.whatsapp"), [(80, 2, 2), (100, 2, 2)]);
    allowed(tenant.consume("tasks.urgent", 4));
    assert_eq!(told(&engine, "tasks.urgent"), [(80, 4, 4), (100, 4, 4)]);
    engine.set_limit("acme", "sessions", Limit::Finite(1)).expect("is lowered");
    let message = cotas::Details { contact: "c", ..Default::default() };
    allowed(tenant.perform("receive_message", &message));
    assert_eq!(told(&engine, "sessions"), [(80, 1, 1), (100, 1, 1)]);
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
