//! I10: bad input of any kind gets a typed error that says what was wrong, and changes nothing.

use cotas::{Catalog, Details, Error, Extra, Limit, NewTenant, ResourceId, Source, Status, Terms};
use cotas_tests::{NOON, add_tenant, assert_sound, balance, catalog, date, in_memory};

/// Asserts that a call was refused with this number, and that the message says this.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, code: i32, says: &str) {
    match result {
        Ok(value) => panic!("it was not refused: {value:?}"),
        Err(error) => {
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}

#[test]
fn unknown_names_are_named() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    refused(engine.consume("stranger", "credits", 1), 400, "\"stranger\"");
    refused(engine.tenant("stranger").map(|_| ()), 400, "\"stranger\"");
    refused(engine.consume("acme", "credit", 1), 402, "\"credit\"");
    refused(engine.perform("acme", "dance", &Details::default()), 403, "\"dance\"");
    refused(engine.report("stranger"), 400, "\"stranger\"");
    refused(engine.usage("stranger"), 400, "\"stranger\"");
    let terms = Terms::new("gold", date("2026-05-20"), true);
    refused(engine.change_plan("acme", &terms, None), 404, "\"gold\"");
    refused(engine.set_limit("acme", "credit", Limit::Finite(1)), 402, "\"credit\"");
    refused(engine.grant("acme", "pair_rate", Source::Extra, 1, None, None), 405, "rate");
    refused(engine.consume("acme", "users", 1), 405, "seat");
    assert_eq!(balance(&engine, "acme", "credits").0, 1000);
    assert_sound(&engine);
}

#[test]
fn names_of_tenants_have_limits() {
    let (engine, _) = in_memory(NOON);
    let longest = "é".repeat(64);
    add_tenant(&engine, &longest, "full", "2026-05-20", true);
    assert!(engine.consume(&longest, "credits", 1).expect("decides").allowed());
    let too_long = "x".repeat(129);
    for (name, says) in [("", "empty"), (too_long.as_str(), "129 bytes"), ("a\0b", "NUL")] {
        refused(engine.create_tenant(&NewTenant::new(name)), 406, says);
        refused(engine.consume(name, "credits", 1), 406, says);
    }
    refused(engine.create_tenant(&NewTenant::new(&longest)), 401, "exists already");
    assert_eq!(engine.tenants().expect("reads").len(), 1);
}

#[test]
fn units_have_limits() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    add_tenant(&engine, "tiny", "small", "2026-05-20", true);
    for units in [0, u64::MAX, i64::MAX as u64 + 1] {
        refused(engine.consume("acme", "credits", units), 406, &units.to_string());
        refused(engine.grant("acme", "credits", Source::Extra, units, None, None), 406, "units");
    }
    refused(engine.grant("acme", "credits", Source::Plan, 1, None, None), 406, "plan");
    // The largest that there is: no sum overflows.
    let most = i64::MAX as u64;
    for _ in 0..3 {
        engine.grant("acme", "credits", Source::Extra, most, None, None).expect("grants");
    }
    assert!(engine.consume("acme", "credits", most).expect("decides").allowed());
    assert!(engine.consume("tiny", "sms", most).expect("unlimited").allowed());
    for (tenant, resource) in [("tiny", "sms"), ("acme", "credits")] {
        let overflow = engine.consume(tenant, resource, 1).expect("decides");
        assert!(!overflow.allowed(), "a count that would overflow is denied");
    }
    assert_sound(&engine);
    let no_capacity = Details { quantity: Some(0), ..Details::default() };
    refused(engine.perform("acme", "send_sms", &no_capacity), 406, "quantity");
}

#[test]
fn contacts_channels_and_keys_have_limits_and_stay_out_of_messages() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let phone = "5511999998888".repeat(30);
    for message in [
        Details { contact: "", ..Details::default() },
        Details { contact: &phone, ..Details::default() },
        Details { contact: "c", channel: &phone, ..Details::default() },
    ] {
        let error = engine.perform("acme", "receive_message", &message).expect_err("is refused");
        assert_eq!(error.code(), 406, "{error}");
        assert!(!error.to_string().contains("5511999998888"), "{error}");
    }
    let acme = engine.tenant("acme").expect("exists");
    let message = Details { contact: "c", ..Details::default() };
    for key in ["", &phone] {
        let error = acme.once(key).perform("receive_message", &message).expect_err("is refused");
        assert_eq!(error.code(), 406, "{error}");
        assert!(!error.to_string().contains("5511999998888"), "{error}");
    }
    assert_eq!(balance(&engine, "acme", "sessions").0, 1000);
}

#[test]
fn a_creation_is_all_or_nothing() {
    let (engine, _) = in_memory(NOON);
    let past = NewTenant::new("acme").plan("full", date("2026-05-03"), true);
    refused(engine.create_tenant(&past), 406, "2026-05-03");
    let unknown = [Extra { resource: "gold", units: 1, expires_at: None }];
    let new = NewTenant { extras: &unknown, ..NewTenant::new("acme") };
    refused(engine.create_tenant(&new.plan("full", date("2026-05-20"), true)), 402, "gold");
    let rates = [Extra { resource: "pair_rate", units: 1, expires_at: None }];
    let new = NewTenant { extras: &rates, ..NewTenant::new("acme") };
    refused(engine.create_tenant(&new), 405, "pair_rate");
    // One bad tenant among many: none is created.
    let good = NewTenant::new("good").plan("full", date("2026-05-20"), true);
    refused(engine.ensure_tenants(&[good.clone(), past]), 406, "2026-05-03");
    assert_eq!(engine.tenants().expect("reads").len(), 0);
    refused(engine.consume("good", "credits", 1), 400, "good");
    assert!(engine.ensure_tenant(&good).expect("is created"));
    assert!(!engine.ensure_tenant(&good).expect("is there"));
    assert_sound(&engine);
}

#[test]
fn a_tenant_without_a_plan_is_denied_and_has_no_limit_to_change() {
    let (engine, _) = in_memory(NOON);
    engine.create_tenant(&NewTenant::new("bare")).expect("is created");
    let denied = engine.consume("bare", "credits", 1).expect("decides");
    assert_eq!(denied.reason(), Some(cotas::Reason::NoSubscription));
    assert!(denied.reasons.contains(cotas::Reason::NotInPlan), "all failing rules are listed");
    refused(engine.set_limit("bare", "credits", Limit::Finite(1)), 409, "bare");
    assert_eq!(engine.report("bare").expect("reports").subscription, None);
}

#[test]
fn a_reused_administrative_key_is_a_conflict_or_a_no_op() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    for _ in 0..3 {
        engine.grant("acme", "credits", Source::Extra, 10, None, Some("k")).expect("once");
    }
    assert_eq!(balance(&engine, "acme", "credits").0, 1010);
    refused(engine.grant("acme", "credits", Source::Extra, 11, None, Some("k")), 407, "key");
    refused(engine.set_status("acme", Status::Demo, "", false), 408, "demo");
    let long = "x".repeat(300);
    refused(engine.set_status("acme", Status::PastDue, &long, false), 406, "300 bytes");
}

#[test]
fn a_catalog_with_a_typo_is_refused_with_its_line_and_the_old_one_stays() {
    let (engine, _) = in_memory(NOON);
    let text = cotas_tests::CATALOG.replace("sessions = 1000", "sesions = 1000");
    let error = Catalog::parse(&text, "shop.toml").expect_err("is refused");
    assert!(error.to_string().starts_with("shop.toml:"), "{error}");
    assert!(error.to_string().contains("sesions"), "{error}");
    assert_eq!(engine.load_catalog(&catalog()).expect("is a no-op"), 1);
}

#[test]
fn a_catalog_that_gives_a_resource_another_kind_is_refused_and_the_old_one_stays() {
    let (engine, _) = in_memory(NOON);
    let load = |from: &str, to: &str| {
        let text = cotas_tests::CATALOG.replace(from, to);
        engine.load_catalog(&Catalog::parse(&text, "test.toml").expect("is valid"))
    };
    let allowance = "[resources.users]\nkind = \"allowance\"";
    let seat = "[resources.users]\nkind = \"seat\"";
    let says = "\"users\" is a seat; it cannot become an allowance";
    refused(load(seat, allowance), 406, says);
    assert_eq!(engine.catalog().expect("is there"), (1, catalog()));
    // Also after it has been gone for a while.
    let without = cotas_tests::CATALOG
        .replace(seat, "")
        .replace("users = 30\n", "")
        .replace(", users = 1", "");
    let without = Catalog::parse(&without, "test.toml").expect("is valid");
    assert_eq!(engine.load_catalog_confirmed(&without).expect("loads"), 2);
    refused(load(seat, allowance), 406, says);
    assert_eq!(engine.load_catalog(&catalog()).expect("loads"), 3);
}

#[test]
fn units_that_meet_in_a_resource_above_have_limits_too() {
    let (engine, _) = in_memory(NOON);
    let text = cotas_tests::CATALOG.replace(
        "[resources.sms]\nkind = \"allowance\"",
        "[resources.sms]\nkind = \"allowance\"\nparent = \"credits\"",
    );
    engine.load_catalog(&Catalog::parse(&text, "test.toml").expect("is valid")).expect("loads");
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let send = |quantity| {
        let message = Details { quantity: Some(quantity), ..Details::default() };
        engine.perform("acme", "send_sms", &message)
    };
    // By quantity from `sms`, and so from `credits` above it, which is charged one more.
    assert!(send(2).expect("decides").allowed());
    assert_eq!(
        (balance(&engine, "acme", "sms").0, balance(&engine, "acme", "credits").0),
        (8, 997)
    );
    refused(send(i64::MAX as u64), 406, "9223372036854775808");
    refused(send(0), 406, "0 is not between");
    assert!(engine.consume("acme", "credits", 995).expect("decides").allowed());
    let denied = send(2).expect("decides");
    assert_eq!(denied.resource, Some(engine.resource("credits").expect("exists")));
    assert_eq!((balance(&engine, "acme", "sms").0, balance(&engine, "acme", "credits").0), (8, 2));
    assert!(send(1).expect("decides").allowed());
    assert_sound(&engine);
}

#[test]
fn a_number_of_another_database_denies_and_does_no_harm() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let wild: ResourceId = {
        let other = cotas::Engine::in_memory().open().expect("opens");
        let mut text = cotas_tests::CATALOG.to_owned();
        for index in 0..200 {
            text.push_str(&format!("\n[resources.extra{index}]\nkind = \"allowance\""));
        }
        let catalog = Catalog::parse(&text, "wide.toml").expect("is valid");
        other.load_catalog(&catalog).expect("loads");
        other.resource("users").expect_err("is a seat");
        other.resource("extra99").expect("exists")
    };
    let denied = engine.consume("acme", wild, 1).expect("decides");
    assert_eq!(denied.reason(), Some(cotas::Reason::NotInPlan));
    assert_sound(&engine);
}

#[test]
fn grants_have_a_limit_however_they_come() {
    let (engine, _) = in_memory(NOON);
    let extras = vec![Extra { resource: "credits", units: 1, expires_at: None }; 40_000];
    let new = NewTenant { extras: &extras, ..NewTenant::new("acme") };
    refused(engine.create_tenant(&new.plan("full", date("2026-05-20"), true)), 406, "1024");
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let grant = || engine.grant("acme", "credits", Source::Extra, 1, None, None);
    let made = (0..2_000).take_while(|_| grant().is_ok()).count();
    assert_eq!(made, 1_024 - 4, "the plan has four");
    refused(grant(), 406, "1024");
    assert!(engine.consume("acme", "credits", 2_000).expect("decides").allowed());
    assert_sound(&engine);
}

#[test]
fn a_hundred_grants_are_used_up_in_one_charge() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    for _ in 0..300 {
        engine.grant("acme", "credits", Source::Extra, 1, None, None).expect("grants");
    }
    assert!(engine.consume("acme", "credits", 310).expect("decides").allowed());
    assert_eq!(balance(&engine, "acme", "credits"), (0, Some(310)));
    assert_sound(&engine);
}
