//! A larger catalog: the small one, and what the tests of the single operations need on top.

use std::sync::Arc;

use cotas::{Catalog, Decision, Engine, Error, Maintenance, ManualClock, TenantReport};

use super::{CATALOG, at};

/// What stands in [`catalog`] besides [`CATALOG`].
const MORE: &str = r#"
[resources.agents]
kind = "lease"
ttl = "60s"
[resources."agents.video"]
kind = "lease"
parent = "agents"
ttl = "30s"
[resources.unique_contacts]
kind = "lease"
ttl = "24h"
[resources.tasks]
kind = "allowance"
thresholds = [50, 80, 100]
[resources."tasks.urgent"]
kind = "allowance"
parent = "tasks"
[resources.minutes]
kind = "meter"
[resources."minutes.video"]
kind = "meter"
parent = "minutes"
[resources.overtime]
kind = "meter"
enforce = "soft"
[resources.watched_rate]
kind = "rate"
every = "1s"
burst = 2
enforce = "shadow"
[plans.wide]
title = "Plano largo"
price = "99.00"
[plans.wide.limits]
sessions = 100
credits = 10
sms = 10
users = 3
channels = 3
"channels.whatsapp" = 2
calls = 3
agents = 3
"agents.video" = 2
unique_contacts = 2
tasks = 10
"tasks.urgent" = 4
calls_this_month = 20
storage_mb = 100
free_tier = 20
api_calls = 10
watched = 3
minutes = 10
"minutes.video" = 6
overtime = 4
[plans.narrow]
title = "Plano estreito"
price = "9.00"
[plans.narrow.limits]
users = 1
channels = 1
calls = 1
minutes = 2
[plans.five]
title = "Cinco de cada"
price = "5.00"
limits = { credits = 5, sms = 5, calls = 5, users = 5 }
[actions.start_agent]
gate = "send"
lease = "agents"
rate = "pair_rate"
charge = { credits = 1, minutes = 2, tasks = 3 }
[actions.send_all]
gate = "send"
charge = { credits = 1, sms = 2, tasks = 3 }
"#;

/// [`CATALOG`] with leases, meters and rates of every sort.
pub fn catalog() -> Catalog {
    Catalog::parse(&format!("{CATALOG}{MORE}"), "wide.toml").expect("the wide catalog is valid")
}

/// An engine in memory with a clock of its own, the wide catalog, and `acme` on the plan `wide`,
/// due on 2026-05-20.
pub fn acme(now: &str) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at(now)));
    let engine = Engine::in_memory()
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External)
        .open()
        .expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    super::add_tenant(&engine, "acme", "wide", "2026-05-20", true);
    (engine, clock)
}

/// Used, available and held of a resource, out of a report.
pub fn figures(report: &TenantReport, resource: &str) -> (u64, u64, u64) {
    let found = report.balances.iter().find(|it| it.resource == resource);
    let found = found.unwrap_or_else(|| panic!("{resource} is not among {:?}", report.balances));
    (found.used, found.available, found.held)
}

/// Used, available and held of a resource.
pub fn stands(engine: &Engine, tenant: &str, resource: &str) -> (u64, u64, u64) {
    figures(&engine.report(tenant).expect("reports"), resource)
}

/// Asserts that a decision was allowed, and gives it back.
#[track_caller]
pub fn allowed(decision: Result<Decision, Error>) -> Decision {
    let decision = decision.expect("decides");
    assert!(decision.allowed(), "{decision:?}");
    decision
}

/// Asserts that a decision was denied, and gives it back.
#[track_caller]
pub fn denied(decision: Result<Decision, Error>) -> Decision {
    let decision = decision.expect("decides");
    assert!(!decision.allowed(), "{decision:?}");
    decision
}
