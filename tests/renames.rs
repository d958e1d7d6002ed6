//! A catalog that calls something otherwise carries everything over; one that takes something from
//! tenants is refused unless that is confirmed.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use cotas::*;
use cotas_tests::*;

const BEFORE: &str = r#"
[resources.sessions]
kind = "session"
[resources.sms]
kind = "allowance"
[resources.users]
kind = "seat"
[resources.calls]
kind = "lease"
ttl = "60s"
[plans.full]
title = "Full"
price = "299.00"
limits = { sessions = 10, sms = 100, users = 3, calls = 2 }
per_day = { sms = 90 }
carry_over = { sms = 5 }
[packages.sms_pack]
title = "SMS"
resource = "sms"
prices = { 10 = "35.00" }
[actions.send_sms]
gate = "send"
charge = { sms = "quantity" }
"#;

/// Resource, plan and action are called otherwise.
fn after() -> String {
    BEFORE
        .replace("[resources.sms]", "[resources.torpedos]\nrenamed_from = \"sms\"")
        .replace("[resources.users]", "[resources.people]\nrenamed_from = \"users\"")
        .replace("[plans.full]", "[plans.complete]\nrenamed_from = \"full\"")
        .replace("[actions.send_sms]", "[actions.send_torpedo]\nrenamed_from = \"send_sms\"")
        .replace("sms = ", "torpedos = ")
        .replace("users = ", "people = ")
        .replace("resource = \"sms\"", "resource = \"torpedos\"")
}

fn read(text: &str) -> Catalog {
    Catalog::parse(text, "catalog.toml").unwrap()
}

/// A tenant with usage, extras, a purchase, seats, a lease and a reservation in flight.
fn in_flight(engine: &Engine) -> (ReservationId, u64) {
    engine.load_catalog(&read(BEFORE)).unwrap();
    add_tenant_with(engine, "acme", "full", "2026-06-20", &[("sms", 50)]);
    engine.set_limit("acme", "users", Limit::Finite(4)).unwrap();
    let tenant = engine.tenant("acme").unwrap();
    assert!(tenant.consume("sms", 30).unwrap().allowed());
    assert!(tenant.seats("users").unwrap().occupy("ana").unwrap().allowed());
    let lease = tenant.leases("calls").unwrap().acquire("a", None).unwrap().lease.unwrap();
    let reserved = tenant.reserve(&[("sms", 20)], Duration::from_secs(60)).unwrap();
    (reserved.reservation.unwrap(), lease.fencing)
}

type Stands = Vec<(u64, u64, Option<u64>, u64)>;

fn stands(engine: &Engine, names: [&str; 3]) -> Stands {
    let report = engine.report("acme").unwrap();
    let of = |name: &&str| {
        let found = report.balances.iter().find(|it| it.resource == **name);
        found.map(|it| (it.used, it.available, it.limit(), it.held)).expect(name)
    };
    names.iter().map(of).collect()
}

#[test]
fn everything_in_flight_is_carried_over_to_the_new_names() {
    for rebuilds in [false, true] {
        let database = Database::new(env!("CARGO_BIN_EXE_helper"));
        let mut engine = database.builder().open().unwrap();
        let (reservation, fencing) = in_flight(&engine);
        let before = stands(&engine, ["sms", "users", "calls"]);
        assert_eq!(engine.catalog_losses(&read(&after())).unwrap(), []);
        engine.load_catalog(&read(&after())).unwrap();
        assert_eq!(stands(&engine, ["torpedos", "people", "calls"]), before);
        assert_eq!(engine.verify().unwrap(), []);
        if rebuilds {
            drop(engine);
            std::fs::remove_file(database.live()).unwrap();
            engine = database.builder().open().unwrap();
            assert_eq!(stands(&engine, ["torpedos", "people", "calls"]), before);
        }
        let tenant = engine.tenant("acme").unwrap();
        if !rebuilds {
            tenant.commit(&reservation).unwrap();
            tenant.leases("calls").unwrap().renew("a", fencing, None).unwrap();
        }
        assert_eq!(engine.report("acme").unwrap().subscription.unwrap().plan, "complete");
        assert_eq!(tenant.seats("people").unwrap().list().unwrap().len(), 1);
        // The old names of resources and actions lead there still.
        for action in ["send_torpedo", "send_sms"] {
            let details = Details { quantity: Some(1), ..Details::default() };
            assert!(tenant.perform(action, &details).unwrap().allowed(), "{action}");
        }
        assert!(tenant.consume("sms", 1).unwrap().allowed());
        assert!(tenant.consume("torpedos", 1).unwrap().allowed());
        // What it was called in the version that the tenant keeps is found by the new names.
        assert_eq!(balance(&engine, "acme", "people").1, Some(4), "the reseller's own limit");
        engine.move_to_newest_version("acme").unwrap();
        assert_eq!(balance(&engine, "acme", "people").1, Some(4));
        assert_eq!(engine.verify().unwrap(), []);
        // Loaded again it renames nothing, and a later catalog need not say it any more.
        engine.load_catalog(&read(&after())).unwrap();
        let later: String = after()
            .lines()
            .filter(|it| !it.starts_with("renamed_from"))
            .fold(String::new(), |all, line| all + line + "\n");
        engine.load_catalog(&read(&later)).unwrap();
        assert_eq!(tenant.consume("sms", 1).unwrap_err().code(), 402);
        assert!(tenant.consume("torpedos", 1).unwrap().allowed());
    }
}

#[test]
fn a_renewal_after_a_rename_restores_what_the_kept_version_says() {
    let (engine, clock) = in_memory("2026-05-20T12:00:00-03:00");
    in_flight(&engine);
    engine.load_catalog(&read(&after())).unwrap();
    clock.set(at("2026-06-21T12:00:00-03:00"));
    assert_eq!(engine.report("acme").unwrap().renewals, 1);
    // 100 of the plan, 5 carried over, 50 extras.
    assert_eq!(balance(&engine, "acme", "torpedos").0, 155);
    assert_eq!(engine.verify().unwrap(), []);
}

fn refused(engine: &Engine, text: &str) -> String {
    let before = engine.catalog().unwrap();
    let error = engine.load_catalog(&read(text)).expect_err("takes something");
    assert_eq!(engine.catalog().unwrap(), before, "nothing changed");
    error.to_string()
}

#[test]
fn what_takes_something_from_tenants_is_refused_with_tenants_and_units() {
    let (engine, _) = in_memory("2026-05-20T12:00:00-03:00");
    in_flight(&engine);
    let without_users =
        BEFORE.replace("[resources.users]\nkind = \"seat\"\n", "").replace("users = 3, ", "");
    let why = refused(&engine, &without_users);
    let says = "the resource \"users\" is not in it, which 1 tenant have, with 1 units";
    assert!(why.contains(says), "{why}");
    let why = refused(&engine, &BEFORE.replace("send_sms", "send_torpedo"));
    assert!(why.contains("the action \"send_sms\" is not in it"), "{why}");
    let why = refused(&engine, &BEFORE.replace("plans.full", "plans.other"));
    assert!(why.contains("the plan \"full\" is not in it, which 1 tenant have"), "{why}");
    let why = refused(&engine, &format!("[catalog]\ncurrency = \"USD\"\n{BEFORE}"));
    assert!(why.contains("have a subscription or an open invoice in BRL"), "{why}");
    let new = BEFORE.replace("[plans.full]", "[resources.mms]\nkind = \"allowance\"\n[plans.full]");
    let needs = new.replace("charge = { sms", "charge = { mms");
    let why = refused(&engine, &needs);
    assert!(why.contains("needs what the plan version of 1 tenant does not have"), "{why}");
    let loss = &engine.catalog_losses(&read(&without_users)).unwrap()[0];
    assert_eq!((loss.what, &*loss.name, loss.tenants, loss.units), ("resource", "users", 1, 1));
    // What is added, and what no tenant has, is no loss; what is confirmed is loaded.
    engine.load_catalog(&read(&new)).unwrap();
    engine.load_catalog(&read(BEFORE)).unwrap();
    engine.load_catalog_confirmed(&read(&without_users)).unwrap();
    assert_eq!(engine.verify().unwrap(), []);
}

#[test]
fn names_that_cannot_be_carried_over_are_refused() {
    let (engine, _) = in_memory("2026-05-20T12:00:00-03:00");
    in_flight(&engine);
    let with = |resource: &str| {
        BEFORE.replace("[plans.full]", &format!("{resource}\nkind = \"allowance\"\n[plans.full]"))
    };
    let both = with("[resources.torpedos]\nrenamed_from = \"sms\"");
    let error = Catalog::parse(&both, "c.toml").unwrap_err().to_string();
    assert!(error.contains("\"sms\" is in this catalog as well"), "{error}");
    engine.load_catalog(&read(&with("[resources.torpedos]"))).unwrap();
    let why = refused(&engine, &after());
    assert!(why.contains("the catalog in force has both"), "{why}");
    engine.load_catalog(&read(BEFORE)).unwrap();
    let why = refused(&engine, &after());
    assert!(why.contains("was the name of another resource"), "{why}");
    let other_kind = BEFORE
        .replace(
            "[resources.calls]\nkind = \"lease\"\nttl = \"60s\"",
            "[resources.lines]\nkind = \"seat\"\nrenamed_from = \"calls\"",
        )
        .replace("calls = 2", "lines = 2");
    let why = refused(&engine, &other_kind);
    assert!(why.contains("\"lines\" is a lease; it cannot become a seat"), "{why}");
}
