//! What is held while plans and catalogs come and go.

use std::time::Duration;

use cotas::{Catalog, Engine, Limit, Terms};
use cotas_tests::wide::{acme, allowed, denied, stands};
use cotas_tests::{CATALOG, Database, NOON, add_tenant, assert_sound, catalog, date};

const HOUR: Duration = Duration::from_secs(3_600);

fn change_plan(engine: &Engine, plan: &str) {
    let terms = Terms::new(plan, date("2026-05-20"), true);
    engine.change_plan("acme", &terms, None).expect("changes");
}

#[test]
fn leases_and_reservations_outlive_a_plan_that_does_not_have_them() {
    let (engine, clock) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let agents = tenant.leases("agents.video").expect("is a lease");
    let lease = allowed(agents.acquire("a", Some(HOUR))).lease.expect("a lease");
    allowed(agents.acquire("b", None));
    let units = [("tasks.urgent", 2), ("storage_mb", 5), ("minutes.video", 1)];
    let ids = [&units[..], &units[..], &units[1..2]]
        .map(|units| allowed(tenant.reserve(units, HOUR)).reservation.expect("a reservation"));
    change_plan(&engine, "narrow");
    assert_sound(&engine);
    denied(agents.acquire("c", None));
    agents.renew("a", lease.fencing, Some(HOUR)).expect("renews");
    tenant.release(&ids[0]).expect("releases");
    tenant.commit(&ids[1]).expect("commits");
    assert_sound(&engine);
    clock.advance_ms(60_000);
    change_plan(&engine, "wide");
    assert_eq!(stands(&engine, "acme", "agents"), (1, 2, 0), "b's has expired meanwhile");
    assert_eq!(stands(&engine, "acme", "storage_mb"), (10, 90, 5));
    agents.release("a", lease.fencing).expect("releases");
    tenant.release(&ids[2]).expect("releases");
    assert_eq!(stands(&engine, "acme", "agents.video"), (0, 2, 0));
    assert_eq!(stands(&engine, "acme", "storage_mb"), (5, 95, 0));
    assert_sound(&engine);
}

#[test]
fn leases_and_meters_outlive_a_catalog_that_does_not_have_them() {
    for rebuilds in [false, true] {
        let database = Database::new(env!("CARGO_BIN_EXE_helper"));
        let mut engine = database.open();
        engine.load_catalog(&catalog()).expect("loads");
        add_tenant(&engine, "acme", "full", "2026-05-20", true);
        let tenant = engine.tenant("acme").expect("exists");
        let calls = tenant.leases("calls").expect("is a lease");
        for holder in ["a", "b", "c"] {
            allowed(calls.acquire(holder, None));
        }
        allowed(tenant.meter("storage_mb").expect("is a meter").add(30));
        allowed(tenant.seats("users").expect("is a seat").occupy("ana"));
        let id = allowed(tenant.reserve(&[("storage_mb", 5), ("sms", 2)], HOUR)).reservation;
        drop(tenant);
        let mut text = CATALOG.to_owned();
        for (from, to) in [
            ("[resources.calls]\nkind = \"lease\"\nttl = \"60s\"\n", ""),
            ("[resources.storage_mb]\nkind = \"meter\"\nreset = \"never\"\n", ""),
            ("[resources.users]\nkind = \"seat\"\n", ""),
            ("calls = 5\n", ""),
            ("storage_mb = 100\n", ""),
            ("users = 30\n", ""),
            (", users = 1, calls = 1, storage_mb = 50", ""),
            ("lease = \"calls\"\n", ""),
        ] {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let without = Catalog::parse(&text, "without.toml").expect("is valid");
        engine.load_catalog_confirmed(&without).expect("loads");
        allowed(engine.consume("acme", "sms", 1));
        engine.set_limit("acme", "sms", Limit::Finite(20)).expect("is raised");
        assert_sound(&engine);
        if rebuilds {
            drop(engine);
            std::fs::remove_file(database.live()).expect("is removed");
            engine = database.open();
        }
        allowed(engine.consume("acme", "sms", 1));
        engine.load_catalog(&catalog()).expect("loads");
        engine.settle("acme").expect("settles");
        assert_eq!(stands(&engine, "acme", "calls"), (3, 2, 0), "rebuilt: {rebuilds}");
        assert_eq!(stands(&engine, "acme", "storage_mb"), (35, 65, 5), "rebuilt: {rebuilds}");
        assert_eq!(stands(&engine, "acme", "users"), (1, 29, 0), "rebuilt: {rebuilds}");
        let tenant = engine.tenant("acme").expect("exists");
        if !rebuilds {
            tenant.release(&id.expect("a reservation")).expect("releases");
            assert_eq!(stands(&engine, "acme", "storage_mb"), (30, 70, 0));
        }
        assert_sound(&engine);
    }
}
