//! What a catalog may say, what is refused and how, and that no text whatever does harm.

// In a test a key that is missing may well panic.
#![allow(clippy::indexing_slicing)]

use chrono_tz::Tz;

use crate::clock::{DAY_MS, HOUR_MS};
use crate::rules::{GateTable, Policy, ResourceId, Status};

use super::*;

/// The example of the design, with the two resources that it leaves out.
const EXAMPLE: &str = r#"
[catalog]
currency  = "BRL"
time_zone = "America/Sao_Paulo"          # a tenant may have its own

[resources.sessions]
kind = "session"
window = "24h"                            # a parameter: 24h, 72h, 7d ...

[resources.notification_credits]
kind = "allowance"
[resources.users]
kind = "seat"
[resources.concurrent_calls]
kind = "lease"
ttl = "60s"
[resources.recording_storage_mb]
kind = "meter"
reset = "never"

[plans.full]
title  = "Plano full"
price  = "299.00"
period = "1 month"
[plans.full.limits]
sessions = 1000
users    = 30
channels = "unlimited"
[plans.full.features]
recording = true
analytics = "full"

[actions.receive_message]
gate    = "receive"
session = { resource = "sessions", open = "if_none", extend = true }
[actions.send_message]
gate    = "send"
session = { resource = "sessions", open = "if_none" }
[actions.send_sms]
gate    = "send"
charge  = { notification_credits = 1 }
[actions.seal_envelope]
charge  = { credits = "quantity" }

[resources.credits]
kind = "allowance"
[resources.channels]
kind = "seat"
"#;

/// The same in JSON.
const EXAMPLE_JSON: &str = r#"{
  "catalog": { "currency": "BRL", "time_zone": "America/Sao_Paulo" },
  "resources": {
    "sessions": { "kind": "session", "window": "24h" },
    "notification_credits": { "kind": "allowance" },
    "users": { "kind": "seat" },
    "concurrent_calls": { "kind": "lease", "ttl": "60s" },
    "recording_storage_mb": { "kind": "meter", "reset": "never" },
    "credits": { "kind": "allowance" },
    "channels": { "kind": "seat" }
  },
  "plans": {
    "full": {
      "title": "Plano full", "price": "299.00", "period": "1 month",
      "limits": { "sessions": 1000, "users": 30, "channels": "unlimited" },
      "features": { "recording": true, "analytics": "full" }
    }
  },
  "actions": {
    "receive_message": {
      "gate": "receive",
      "session": { "resource": "sessions", "open": "if_none", "extend": true }
    },
    "send_message": {
      "gate": "send", "session": { "resource": "sessions", "open": "if_none" }
    },
    "send_sms": { "gate": "send", "charge": { "notification_credits": 1 } },
    "seal_envelope": { "charge": { "credits": "quantity" } }
  }
}"#;

/// Resources and a plan for the tests to add to, on 16 lines.
const BASE: &str = r#"[resources.sessions]
kind = "session"
[resources.credits]
kind = "allowance"
[resources.users]
kind = "seat"
[resources.storage]
kind = "meter"
[plans.full]
title = "Full"
price = "299.00"
[plans.full.features]
recording = true
analytics = "full"
[plans.full.limits]
users = 30
"#;

fn parse(text: &str) -> Catalog {
    Catalog::parse(text, "catalog.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str, name: &str) -> String {
    Catalog::parse(text, name).expect_err("refused").to_string()
}

/// The refusal of `BASE` followed by `more`, whose first line is line 17.
#[track_caller]
fn assert_refused(more: &str, expected: &str) {
    assert_eq!(refusal(&format!("{BASE}{more}"), "catalog.toml"), expected);
}

#[track_caller]
fn assert_refused_json(text: &str, expected: &str) {
    assert_eq!(refusal(text, "catalog.json"), expected);
}

/// The refusal of a resource whose body starts on line 18.
#[track_caller]
fn assert_resource_refused(body: &str, expected: &str) {
    assert_refused(&format!("[resources.x]\n{body}"), &format!("catalog.toml:{expected}"));
}

/// The refusal of a plan whose body starts on line 20.
#[track_caller]
fn assert_plan_refused(body: &str, expected: &str) {
    let plan = format!("[plans.x]\ntitle = 'X'\nprice = 'custom'\n{body}");
    assert_refused(&plan, &format!("catalog.toml:{expected}"));
}

/// The refusal of a price, on line 19.
#[track_caller]
fn assert_price_refused(price: &str, found: &str) {
    let plan = format!("[plans.x]\ntitle = 'X'\nprice = {price}");
    assert_refused(
        &plan,
        &format!(
            "catalog.toml:19: plans.x.price: expected a price in quotes such as \"299.00\" (0 to \
             10000000000, at most two decimals) or \"custom\", found {found}"
        ),
    );
}

/// The refusal of an action whose body starts on line 18.
#[track_caller]
fn assert_action_refused(body: &str, expected: &str) {
    assert_refused(&format!("[actions.x]\n{body}"), &format!("catalog.toml:{expected}"));
}

#[test]
fn the_example_of_the_design_says_what_it_seems_to_say() {
    let catalog = parse(EXAMPLE);
    assert_eq!(catalog.currency, "BRL");
    assert_eq!(catalog.time_zone, Tz::America__Sao_Paulo);
    assert_eq!(catalog.demo_days, 14);
    assert_eq!(
        catalog.resources["sessions"].kind,
        Kind::Session { window_ms: 24 * HOUR_MS, late_ms: 7 * DAY_MS }
    );
    assert_eq!(catalog.resources["concurrent_calls"].kind, Kind::Lease { ttl_ms: 60_000 });
    assert_eq!(catalog.resources["recording_storage_mb"].kind, Kind::Meter { reset: Reset::Never });
    let plan = &catalog.plans["full"];
    assert_eq!((plan.price_cents, plan.period_months), (Some(29_900), 1));
    assert_eq!(plan.limits["sessions"], Limit::Finite(1000));
    assert_eq!(plan.limits["channels"], Limit::Unlimited);
    assert_eq!(plan.features["analytics"], Feature::Level("full".to_owned()));
    let receive = &catalog.actions["receive_message"];
    assert_eq!(receive.gate, Gate::Receive);
    let session = SessionRule { resource: "sessions".to_owned(), open: Open::IfNone, extend: true };
    assert_eq!(receive.session, Some(session));
    let seal = &catalog.actions["seal_envelope"];
    assert_eq!((seal.gate, seal.charge["credits"]), (Gate::Consume, Cost::Quantity));
    assert_eq!(catalog.statuses, GateTable::default());
}

#[test]
fn a_catalog_says_the_same_in_json() {
    let json = Catalog::parse(EXAMPLE_JSON, "catalog.json").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(json, parse(EXAMPLE));
}

#[test]
fn everything_that_can_be_written_is_read() {
    let catalog = parse(&format!(
        r#"{BASE}
[resources.channels]
kind = "seat"
[resources."channels.whatsapp"]
kind = "seat"
parent = "channels"
[resources.pair]
kind = "rate"
every = "6s"
burst = 45
[resources.calls]
kind = "meter"
reset = "calendar_month"
[plans.yearly]
title = "Anual"
price = 99
period = "1 year"
cadence = "3 months"
on_lapse = "expire"
grace_days = 3
max_renewals = 2
limits = {{ "channels.whatsapp" = "disabled", credits = 0 }}
[plans.enterprise]
title = "Enterprise"
price = "custom"
[actions.record]
gate = "access"
feature = "recording"
charge = {{ storage = 1, credits = 0 }}
[actions.template]
feature = "analytics=full"
session = {{ resource = "sessions", open = "per_category" }}
[statuses.suspended]
receive = false
"#
    ));
    assert_eq!(catalog.resources["channels.whatsapp"].parent.as_deref(), Some("channels"));
    assert_eq!(catalog.resources["pair"].kind, Kind::Rate { every_ms: 6_000, burst: 45 });
    assert_eq!(catalog.resources["calls"].kind, Kind::Meter { reset: Reset::CalendarMonth });
    let yearly = &catalog.plans["yearly"];
    assert_eq!((yearly.price_cents, yearly.period_months), (Some(9_900), 12));
    assert_eq!((yearly.cadence_months, yearly.on_lapse), (Some(3), OnLapse::Expire));
    assert_eq!((yearly.grace_days, yearly.max_renewals), (3, Some(2)));
    assert_eq!(yearly.limits["channels.whatsapp"], Limit::Disabled);
    assert_eq!(yearly.limits["credits"], Limit::Finite(0));
    assert_eq!(catalog.plans["enterprise"].price_cents, None);
    let record = &catalog.actions["record"];
    assert_eq!(record.feature, Some(NeededFeature { name: "recording".into(), level: None }));
    assert_eq!(record.charge["credits"], Cost::Fixed(0));
    let level = catalog.actions["template"].feature.as_ref().and_then(|it| it.level.as_deref());
    assert_eq!(level, Some("full"));
    assert!(!catalog.statuses.row(Status::Suspended).receive);
    assert!(catalog.statuses.row(Status::Suspended).access);
    assert!(catalog.statuses.row(Status::PastDue).receive);
}

#[test]
fn prices_are_read_to_the_cent() {
    for (written, cents) in [
        ("\"0\"", 0),
        ("\"0.05\"", 5),
        ("\"29.9\"", 2_990),
        ("\"94.51\"", 9_451),
        ("299", 29_900),
        ("\"10000000000.00\"", 1_000_000_000_000),
    ] {
        let text = format!("{BASE}[plans.x]\ntitle = 'X'\nprice = {written}");
        assert_eq!(parse(&text).plans["x"].price_cents, Some(cents), "{written}");
    }
}

#[test]
fn a_price_that_is_not_exact_cents_is_refused() {
    assert_price_refused("299.00", "a floating-point number");
    assert_price_refused("-1", "-1");
    assert_price_refused("10000000001", "10000000001");
    assert_price_refused("'10000000000.01'", "\"10000000000.01\"");
    for wrong in ["-1", "+1", "1.234", "1.", ".5", "1,5", "R$ 5", "", " 5", "Custom", "٣"] {
        assert_price_refused(&format!("'{wrong}'"), &format!("{wrong:?}"));
    }
}

/// The refusal of a package, whose table stands on line 17.
#[track_caller]
fn assert_package_refused(body: &str, expected: &str) {
    let package = format!("[packages.more]\ntitle = 'More'\nresource = 'users'\n{body}");
    assert_refused(&package, &format!("catalog.toml:17: packages.more: {expected}"));
}

#[test]
fn a_package_that_could_never_be_quoted_is_refused() {
    let none = "has no prices; write prices = { 1 = \"5.00\" }";
    assert_package_refused("prices = {}", none);
    assert_package_refused(
        "prices = { 0 = '35.00' }",
        "0 is not a package size (expected 1 to 100000)",
    );
    assert_package_refused(
        "prices = { 1 = '5.00', 100001 = '9.00' }",
        "100001 is not a package size (expected 1 to 100000)",
    );
    let twice = "the package of 1 has two prices";
    assert_package_refused("prices = { 1 = '5.00', 01 = '4.00' }", twice);
    let many: Vec<_> = (1..34).map(|size| format!("{size} = '1.00'")).collect();
    let body = format!("prices = {{ {} }}", many.join(", "));
    let text = format!("{BASE}[packages.more]\ntitle = 'More'\nresource = 'users'\n{body}");
    let refused = refusal(&text, "catalog.toml");
    assert!(refused.ends_with("33 entries, at most 32 are allowed"), "{refused}");
}

#[test]
fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
    let expected = "unknown key \"resource\"; did you mean \"resources\"?";
    assert_refused("[resource.x]", &format!("catalog.toml:17: resource: {expected}"));
    assert_refused(
        "[catalog]\n\ntimezone = 'UTC'",
        "catalog.toml:19: catalog.timezone: unknown key \"timezone\"; did you mean \"time_zone\"?",
    );
    assert_plan_refused("colour = 'red'", "20: plans.x.colour: unknown key \"colour\"");
    assert_action_refused(
        "gates = 'send'",
        "18: actions.x.gates: unknown key \"gates\"; did you mean \"gate\"?",
    );
    assert_refused(
        "[resources.users.admin]\nkind = 'seat'",
        "catalog.toml:17: resources.users.admin: unknown key \"admin\"; a name with a dot is \
         written in quotes: \"users.admin\"",
    );
}

#[test]
fn an_unknown_resource_is_refused_with_the_one_that_was_meant() {
    let line_17 = "sesions = 1000";
    assert_refused(
        line_17,
        "catalog.toml:17: plans.full.limits.sesions: unknown resource \"sesions\"; did you mean \
         \"sessions\"?",
    );
    assert_action_refused(
        "charge = { kredits = 1 }",
        "18: actions.x.charge.kredits: unknown resource \"kredits\"; did you mean \"credits\"?",
    );
    assert_action_refused(
        "session = { resource = 'boards' }",
        "18: actions.x.session.resource: unknown resource \"boards\"",
    );
}

#[test]
fn a_missing_key_is_refused() {
    assert_resource_refused("", "17: resources.x: the key \"kind\" is missing");
    assert_resource_refused("kind = 'lease'", "17: resources.x: the key \"ttl\" is missing");
    assert_refused("[plans.x]", "catalog.toml:17: plans.x: the key \"title\" is missing");
    assert_refused(
        "[plans.x]\ntitle = 'X'",
        "catalog.toml:17: plans.x: the key \"price\" is missing",
    );
}

#[test]
fn a_wrong_type_is_refused() {
    assert_resource_refused("kind = 1", "18: resources.x.kind: expected a string, found 1");
    assert_plan_refused(
        "grace_days = '3'",
        "20: plans.x.grace_days: expected a whole number from 0 to 366, found \"3\"",
    );
    assert_plan_refused("limits = []", "20: plans.x.limits: expected a table, found an array");
    assert_plan_refused(
        "features.recording = 2026-05-20",
        "20: plans.x.features.recording: expected true, false or the name of a level, found a date",
    );
    assert_action_refused(
        "session = { resource = 'sessions', extend = 'yes' }",
        "18: actions.x.session.extend: expected true or false, found \"yes\"",
    );
}

#[test]
fn a_duplicate_key_is_refused() {
    for (more, location) in [
        ("users = 31", "17: plans.full.limits.users"),
        ("[plans.full]", "17: plans.full"),
        ("[actions]\nx = {}\nx = {}", "19: actions.x"),
        ("[actions.x]\ncharge = { credits = 1, credits = 2 }", "18: actions.x.charge.credits"),
        ("[resources.'users']", "17: resources.users"),
    ] {
        assert_refused(more, &format!("catalog.toml:{location}: duplicate key"));
    }
    assert_refused_json(
        "{\"resources\": {\n\"x\": {\"kind\": \"seat\"},\n\n\"\\u0078\": {}}}",
        "catalog.json:4: resources.x: duplicate key, first on line 2",
    );
}

#[test]
fn a_key_of_another_kind_is_refused() {
    assert_resource_refused(
        "kind = 'seat'\nttl = '60s'",
        "19: resources.x.ttl: belongs to kind \"lease\", not to kind \"seat\"",
    );
    assert_resource_refused(
        "kind = 'sesion'",
        "18: resources.x.kind: expected one of \"allowance\", \"session\", \"seat\", \"lease\", \
         \"meter\", \"rate\", found \"sesion\"; did you mean \"session\"?",
    );
}

#[test]
fn a_duration_out_of_range_is_refused() {
    for wrong in ["'0h'", "'24'", "'24 h'", "'-1h'", "'401d'", "'h'", "'1w'", "60"] {
        let found = wrong.replace('\'', "\"");
        assert_resource_refused(
            &format!("kind = 'lease'\nttl = {wrong}"),
            &format!(
                "19: resources.x.ttl: expected a duration such as \"24h\" (ms, s, m, h or d; more \
                 than 0, at most 400 days), found {found}"
            ),
        );
    }
    assert_resource_refused(
        "kind = 'rate'\nevery = '1s'\nburst = 0",
        "20: resources.x.burst: expected a whole number from 1 to 1000000, found 0",
    );
}

#[test]
fn a_parent_must_exist_be_of_the_same_kind_and_lead_to_an_end() {
    let cycle = "parents form a cycle, or more than 3 levels up";
    assert_resource_refused(
        "kind = 'seat'\nparent = 'user'",
        "19: resources.x.parent: unknown resource \"user\"; did you mean \"users\"?",
    );
    assert_resource_refused(
        "kind = 'lease'\nttl = '1s'\nparent = 'users'",
        "20: resources.x.parent: a parent must be of the same kind; it is of kind \"seat\", this \
         resource of kind \"lease\"",
    );
    assert_resource_refused(
        "kind = 'seat'\nparent = 'x'",
        &format!("19: resources.x.parent: {cycle}"),
    );
    let chain = |length: u32| {
        (1..=length).fold(String::from("resources.p0.kind = 'seat'\n"), |text, child| {
            text + &format!("resources.p{child} = {{ kind = 'seat', parent = 'p{}' }}\n", child - 1)
        })
    };
    assert!(Catalog::parse(&chain(3), "catalog.toml").is_ok());
    assert_eq!(
        refusal(&chain(4), "catalog.toml"),
        format!("catalog.toml:5: resources.p4.parent: {cycle}")
    );
}

#[test]
fn a_limit_that_is_no_number_of_units_is_refused() {
    assert_refused(
        "credits = -1",
        "catalog.toml:17: plans.full.limits.credits: -1 is no limit; write \"unlimited\" for no \
         limit",
    );
    assert_refused(
        "credits = 'infinite'",
        "catalog.toml:17: plans.full.limits.credits: expected a whole number of units, \
         \"unlimited\" or \"disabled\", found \"infinite\"",
    );
    assert_refused(
        "credits = 99999999999999999999",
        "catalog.toml:17: plans.full.limits.credits: the number does not fit into 64 bits",
    );
    assert_refused(
        "credits.sms = 1",
        "catalog.toml:17: plans.full.limits.credits: expected a value (a name with a dot is \
         written in quotes), found a table",
    );
}

#[test]
fn a_plan_out_of_range_is_refused() {
    let period = "expected a period such as \"1 month\", \"6 months\" or \"2 years\" (at most 10 \
                  years)";
    for wrong in ["0 months", "1 week", "2 month", "121 months", "11 years", "month", "+1 months"] {
        assert_plan_refused(
            &format!("period = '{wrong}'"),
            &format!("20: plans.x.period: {period}, found {wrong:?}"),
        );
    }
    for wrong in ["1 year", "2 years", "5 months"] {
        assert_plan_refused(
            &format!("period = '1 year'\ncadence = '{wrong}'"),
            &format!(
                "21: plans.x.cadence: expected an interval shorter than the period of 12 months \
                 that divides it, found {wrong:?}"
            ),
        );
    }
    assert_plan_refused(
        "on_lapse = 'kepe'",
        "20: plans.x.on_lapse: expected one of \"keep\", \"expire\", found \"kepe\"; did you mean \
         \"keep\"?",
    );
    let expected = "catalog.toml:18: plans.x.title: expected 1 to 128 bytes on one line";
    assert_refused("[plans.x]\ntitle = ''", &format!("{expected}, found \"\""));
}

#[test]
fn an_action_must_fit_the_rest_of_the_catalog() {
    assert_action_refused(
        "feature = 'recordings'",
        "18: actions.x.feature: no plan has the feature \"recordings\"; did you mean \
         \"recording\"?",
    );
    assert_action_refused(
        "feature = 'analytics=fulll'",
        "18: actions.x.feature: no plan has level \"fulll\" of the feature \"analytics\"; did you \
         mean \"full\"?",
    );
    assert_action_refused(
        "charge = { users = 1 }",
        "18: actions.x.charge.users: a resource of kind \"seat\" cannot be charged, only an \
         allowance or a meter",
    );
    assert_action_refused(
        "charge = { credits = -1 }",
        "18: actions.x.charge.credits: expected a whole number of units or \"quantity\", found -1",
    );
    assert_action_refused(
        "session = { resource = 'users' }",
        "18: actions.x.session.resource: \"users\" is of kind \"seat\"; a session needs one of \
         kind \"session\"",
    );
    assert_action_refused(
        "gate = 'sned'",
        "18: actions.x.gate: expected one of \"access\", \"send\", \"receive\", \"consume\", found \
         \"sned\"; did you mean \"send\"?",
    );
}

#[test]
fn the_general_part_and_the_statuses_are_checked_too() {
    assert_refused(
        "[catalog]\ncurrency = 'brl'",
        "catalog.toml:18: catalog.currency: expected three upper-case letters such as \"BRL\", \
         found \"brl\"",
    );
    assert_refused(
        "[catalog]\ntime_zone = 'America/SaoPaulo'",
        "catalog.toml:18: catalog.time_zone: unknown time zone \"America/SaoPaulo\"; did you mean \
         \"America/Sao_Paulo\"?",
    );
    assert_refused(
        "[catalog]\ndemo_days = 0",
        "catalog.toml:18: catalog.demo_days: expected a whole number from 1 to 3660, found 0",
    );
    assert_refused(
        "[statuses.suspend]",
        "catalog.toml:17: statuses.suspend: unknown status \"suspend\"; did you mean \
         \"suspended\"?",
    );
    assert_refused(
        "[statuses.demo]\nsend = 1",
        "catalog.toml:18: statuses.demo.send: expected true or false, found 1",
    );
}

#[test]
fn a_name_is_short_and_plain() {
    let rule = "is not a name: a name is 1 to 64 characters of a-z, 0-9, \"_\", \".\" and \"-\", \
                and starts with a letter";
    for wrong in ["Users", "9lives", "", "a b", "é", ".a"] {
        let path = if wrong == "Users" || wrong == "9lives" { wrong } else { &quote(wrong) };
        assert_refused(
            &format!("[resources.\"{wrong}\"]\nkind = 'seat'"),
            &format!("catalog.toml:17: resources.{path}: {wrong:?} {rule}"),
        );
    }
    let longest = "a".repeat(64);
    assert!(parse(&format!("resources.{longest}.kind = 'seat'")).resources.contains_key(&longest));
    let refused = refusal(&format!("resources.{longest}a.kind = 'seat'"), "catalog.toml");
    assert!(refused.contains("is not a name"), "{refused}");
}

fn quote(text: &str) -> String {
    format!("{text:?}")
}

#[test]
fn more_than_the_caps_is_refused() {
    let many =
        |count: usize, row: &dyn Fn(usize) -> String| (0..count).map(row).collect::<String>();
    let resources = many(257, &|i| format!("resources.r{i}.kind = 'allowance'\n"));
    assert_eq!(
        refusal(&resources, "catalog.toml"),
        "catalog.toml:1: resources: 257 entries, at most 256 are allowed"
    );
    let charge = many(17, &|i| format!("r{i} = 1\n"));
    let text = format!(
        "{}[actions.x.charge]\n{charge}",
        many(17, &|i| format!("resources.r{i}.kind = 'allowance'\n"))
    );
    assert_eq!(
        refusal(&text, "catalog.toml"),
        "catalog.toml:18: actions.x.charge: 17 entries, at most 16 are allowed"
    );
    let features = many(257, &|i| format!("f{i} = true\n"));
    let expected = "21: plans.x.features: 257 entries, at most 256 are allowed";
    assert_plan_refused(&format!("\n[plans.x.features]\n{features}"), expected);
    let actions = many(1001, &|i| format!("[actions.a{i}]\n"));
    let expected = "catalog.toml:17: actions: 1001 entries, at most 1000 are allowed";
    assert_refused(&actions, expected);
}

#[test]
fn json_is_refused_by_line_and_key_as_well() {
    assert_refused_json(
        "{\n\"resources\": {\n\"users\": {\n\"kind\": \"seat\",\n\"limit\": 3}}}",
        "catalog.json:5: resources.users.limit: unknown key \"limit\"",
    );
    assert_refused_json(
        "{\n\"catalog\": {\n\"demo_days\": 14.0}}",
        "catalog.json:3: catalog.demo_days: expected a whole number from 1 to 3660, found a \
         floating-point number",
    );
    assert_refused_json(
        "{\"catalog\": {\"currency\": null}}",
        "catalog.json:1: catalog.currency: expected a string, found null",
    );
    assert_refused_json("{\n\"catalog\": {},\n}", "catalog.json:3: not JSON: key must be a string");
    assert_refused_json("{\n// why\n}", "catalog.json:2: not JSON: key must be a string");
    assert_refused_json("[]", "catalog.json:1: expected a table, found an array");
    assert_refused_json("{} {}", "catalog.json:1: not JSON: trailing characters");
    assert_refused_json(
        "{\n\"catalog\": {\n\"currency\": \"\\ud800\"}}",
        "catalog.json:3: catalog.currency: not JSON: unexpected end of hex escape",
    );
}

#[test]
fn toml_that_is_none_is_refused_by_line() {
    let refused = refusal("[catalog]\ncurrency = BRL", "catalog.toml");
    assert!(refused.starts_with("catalog.toml:2: "), "{refused}");
    assert_eq!(refusal("a = 1\nb = [}", "catalog.toml"), "catalog.toml:2: unmatched `}`");
    let error = Catalog::parse("[catalog", "catalog.toml").expect_err("refused");
    assert_eq!((error.line, error.path.as_str()), (1, ""));
}

#[test]
fn things_have_titles_in_both_languages() {
    let titles = "[titles]
storage = { en = 'Storage', pt = 'Armazenamento' }
users = 'Users'
recording = { pt = 'Gravação' }
full = { en = 'All of it' }";
    let catalog = parse(&format!("{BASE}{titles}"));
    let title = |name: &str| {
        let title = catalog.title(name);
        (title.en, title.pt)
    };
    let both = |en: &str, pt: &str| (en.to_owned(), pt.to_owned());
    assert_eq!(title("storage"), both("Storage", "Armazenamento"));
    assert_eq!(title("users"), both("Users", "Users"));
    assert_eq!(title("recording"), both("Gravação", "Gravação"));
    assert_eq!(title("full"), both("All of it", "All of it"));
    assert_eq!(title("credits"), both("Credits", "Credits"), "no title was given");
    let refused = |body: &str, expected: &str| {
        assert_refused(&format!("[titles]\n{body}"), &format!("catalog.toml:18: {expected}"));
    };
    refused(
        "user = 'Users'",
        "titles.user: \"user\" is no resource, feature or level; did you mean \"users\"?",
    );
    refused(
        "users = 5",
        "titles.users: expected a text, or { en = \"...\", pt = \"...\" }, found 5",
    );
    refused(
        "users = {}",
        "titles.users: expected a text, or { en = \"...\", pt = \"...\" }, found a table",
    );
    refused("users = { fr = 'Utilisateurs' }", "titles.users.fr: unknown key \"fr\"");
    refused("users = ''", "titles.users: expected 1 to 128 bytes on one line, found \"\"");
}

#[test]
fn tokens_and_warnings_belong_to_seats() {
    let seat = resource("kind = 'seat'\ntoken = 'required'\nwarning = { pt = 'Cuidado' }");
    assert!(seat.token_required);
    assert_eq!(seat.warning.map(|it| it.en), Some("Cuidado".to_owned()));
    let plain = resource("kind = 'seat'\ntoken = 'optional'");
    assert!(!plain.token_required && plain.warning.is_none());
    for key in ["token = 'required'", "warning = 'x'"] {
        let name = key.split(' ').next().unwrap();
        assert_resource_refused(
            &format!("kind = 'lease'\nttl = '60s'\n{key}"),
            &format!("20: resources.x.{name}: belongs to kind \"seat\", not to kind \"lease\""),
        );
    }
}

/// What a resource, called `x`, with this body says.
fn resource(body: &str) -> Resource {
    parse(&format!("[resources.x]\n{body}")).resources["x"].clone()
}

#[test]
fn a_limit_is_hard_unless_the_resource_says_otherwise() {
    for (body, enforcement) in [
        ("kind = 'seat'", Enforcement::Hard),
        ("kind = 'seat'\nenforce = 'hard'", Enforcement::Hard),
        ("kind = 'allowance'\nenforce = 'soft'", Enforcement::Soft { cap: None }),
        ("kind = 'meter'\nenforce = 'soft'\ncap = 100", Enforcement::Soft { cap: Some(100) }),
        ("kind = 'seat'\nenforce = 'soft'\ncap = 0", Enforcement::Soft { cap: Some(0) }),
        ("kind = 'session'\nenforce = 'shadow'", Enforcement::Shadow),
        ("kind = 'rate'\nevery = '1s'", Enforcement::Hard),
        ("kind = 'rate'\nevery = '1s'\nenforce = 'hard'", Enforcement::Hard),
        ("kind = 'rate'\nevery = '1s'\nenforce = 'shadow'", Enforcement::Shadow),
    ] {
        assert_eq!(resource(body).enforcement, enforcement, "{body}");
    }
}

#[test]
fn an_enforcement_that_makes_no_sense_is_refused() {
    assert_resource_refused(
        "kind = 'seat'\nenforce = 'sift'",
        "19: resources.x.enforce: expected one of \"hard\", \"soft\", \"shadow\", found \"sift\"; \
         did you mean \"soft\"?",
    );
    assert_resource_refused(
        "kind = 'rate'\nevery = '1s'\nenforce = 'soft'",
        "20: resources.x.enforce: expected one of \"hard\", \"shadow\", found \"soft\"",
    );
    let expected = "resources.x.cap: belongs to enforce = \"soft\" and to no other";
    for (body, line) in [
        ("kind = 'seat'\ncap = 1", 19),
        ("kind = 'seat'\ncap = 1\nenforce = 'hard'", 19),
        ("kind = 'seat'\nenforce = 'shadow'\ncap = 1", 20),
        ("kind = 'rate'\nevery = '1s'\ncap = 1", 20),
    ] {
        assert_resource_refused(body, &format!("{line}: {expected}"));
    }
    for (wrong, found) in [("-1", "-1"), ("'unlimited'", "\"unlimited\""), ("[1]", "an array")] {
        assert_resource_refused(
            &format!("kind = 'seat'\nenforce = 'soft'\ncap = {wrong}"),
            &format!("20: resources.x.cap: expected a whole number of units, found {found}"),
        );
    }
}

#[test]
fn thresholds_are_80_and_100_unless_the_resource_says_otherwise() {
    for (body, thresholds) in [
        ("kind = 'seat'", &[80, 100][..]),
        ("kind = 'seat'\nthresholds = []", &[]),
        ("kind = 'seat'\nthresholds = [1, 100]", &[1, 100]),
        (
            "kind = 'meter'\nthresholds = [\n10, 20, 30, 40,\n50, 60, 70, 80,\n]",
            &[10, 20, 30, 40, 50, 60, 70, 80],
        ),
        ("kind = 'rate'\nevery = '1s'", &[]),
    ] {
        assert_eq!(resource(body).thresholds, thresholds, "{body}");
    }
    let text = r#"{ "resources": { "x": { "kind": "seat", "thresholds": [ 50,80 ] } } }"#;
    let json = Catalog::parse(text, "catalog.json").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(json.resources["x"].thresholds, [50, 80]);
}

#[test]
fn thresholds_that_are_no_rising_percentages_are_refused() {
    for (wrong, problem) in [
        ("80", "expected an array of percentages such as [80, 100], found 80"),
        ("[0]", "expected percentages from 1 to 100, found 0"),
        ("[80, 101]", "expected percentages from 1 to 100, found 101"),
        ("[80, 1000]", "expected percentages from 1 to 100, found 1000"),
        ("['80']", "expected percentages from 1 to 100, found \"80\""),
        ("[0.8]", "expected percentages from 1 to 100, found a floating-point number"),
        ("[[80]]", "expected percentages from 1 to 100, found an array"),
        ("[{ percent = 80 }]", "expected percentages from 1 to 100, found a table"),
        ("[100, 80]", "percentages must rise; 80 follows 100"),
        ("[80, 80]", "percentages must rise; 80 follows 80"),
        ("[1, 2, 3, 4, 5, 6, 7, 8, 9]", "9 entries, at most 8 are allowed"),
        ("[99999999999999999999]", "the number does not fit into 64 bits"),
    ] {
        assert_resource_refused(
            &format!("kind = 'seat'\nthresholds = {wrong}"),
            &format!("19: resources.x.thresholds: {problem}"),
        );
    }
    assert_resource_refused(
        "kind = 'rate'\nevery = '1s'\nthresholds = []",
        "20: resources.x.thresholds: does not belong to kind \"rate\"",
    );
    for wrong in ["[[80]]", "[{\"a\": 1}]", "[null]"] {
        let text = format!(
            "{{\"resources\": {{\"x\": {{\"kind\": \"seat\", \"thresholds\": {wrong}}}}}}}"
        );
        let refused = refusal(&text, "catalog.json");
        assert!(refused.contains("expected percentages from 1 to 100, found "), "{refused}");
    }
}

/// Resources with others above them, leases and a rate, for the tests to add to.
const FAMILIES: &str = r#"[resources]
calls = { kind = "lease", ttl = "60s" }
"calls.video" = { kind = "lease", ttl = "30s", parent = "calls" }
pair = { kind = "rate", every = "6s", burst = 45 }
talks = { kind = "session" }
"talks.whatsapp" = { kind = "session", parent = "talks" }
parts = { kind = "allowance" }
"parts.sms" = { kind = "allowance", parent = "parts" }
"parts.sms.premium" = { kind = "allowance", parent = "parts.sms", enforce = "shadow" }
"parts.mail" = { kind = "allowance", parent = "parts", thresholds = [50] }
users = { kind = "seat" }
[plans.full]
title = "Full"
price = "299.00"
limits = { parts = 100, calls = 5, users = "unlimited" }
"#;

/// The refusal of an action beside `FAMILIES` whose body starts on line 17.
#[track_caller]
fn assert_family_action_refused(body: &str, expected: &str) {
    let text = format!("{FAMILIES}[actions.x]\n{body}");
    assert_eq!(refusal(&text, "catalog.toml"), format!("catalog.toml:{expected}"));
}

#[test]
fn an_action_may_take_a_lease_and_be_paced() {
    let lease_of = |lease: &str| {
        let text = format!("{FAMILIES}[actions.x]\nlease = {lease}\nrate = 'pair'");
        parse(&text).actions["x"].clone()
    };
    let lease = |name: &str, ttl_ms| Some(LeaseRule { resource: name.to_owned(), ttl_ms });
    assert_eq!(lease_of("'calls'").lease, lease("calls", None));
    assert_eq!(lease_of("{ resource = 'calls.video' }").lease, lease("calls.video", None));
    let with_ttl = lease_of("{ resource = 'calls', ttl = '2m' }");
    assert_eq!(with_ttl.lease, lease("calls", Some(120_000)));
    assert_eq!(with_ttl.rate.as_deref(), Some("pair"));
}

#[test]
fn a_lease_or_a_rate_of_another_kind_is_refused() {
    assert_family_action_refused(
        "lease = 'users'",
        "17: actions.x.lease: \"users\" is of kind \"seat\"; a lease needs one of kind \"lease\"",
    );
    assert_family_action_refused(
        "lease = { resource = 'pair' }",
        "17: actions.x.lease.resource: \"pair\" is of kind \"rate\"; a lease needs one of kind \
         \"lease\"",
    );
    assert_family_action_refused(
        "rate = 'calls'",
        "17: actions.x.rate: \"calls\" is of kind \"lease\"; a rate needs one of kind \"rate\"",
    );
    assert_family_action_refused(
        "rate = 'pairs'",
        "17: actions.x.rate: unknown resource \"pairs\"; did you mean \"pair\"?",
    );
    assert_family_action_refused(
        "lease = 'call'",
        "17: actions.x.lease: unknown resource \"call\"; did you mean \"calls\"?",
    );
    assert_family_action_refused(
        "lease = { ttl = '2m' }",
        "17: actions.x.lease: the key \"resource\" is missing",
    );
    assert_family_action_refused(
        "lease = { resource = 'calls', time = '2m' }",
        "17: actions.x.lease.time: unknown key \"time\"",
    );
    assert_family_action_refused(
        "lease = { resource = 'calls', ttl = 2 }",
        "17: actions.x.lease.ttl: expected a duration such as \"24h\" (ms, s, m, h or d; more than \
         0, at most 400 days), found 2",
    );
    assert_family_action_refused("lease = 1", "17: actions.x.lease: expected a string, found 1");
}

#[test]
fn an_action_has_to_do_with_at_most_16_resources() {
    let text = |single: usize, more: &str| {
        let resources = (0..single).map(|i| format!("[resources.r{i}]\nkind = 'meter'\n"));
        let charges = (0..single).map(|i| format!("r{i} = 1\n"));
        let (resources, charges) = (resources.collect::<String>(), charges.collect::<String>());
        format!(
            "{resources}{FAMILIES}[actions.x]\nsession.resource = 'talks.whatsapp'\n\
             lease = 'calls.video'\nrate = 'pair'\n[actions.x.charge]\n{more}{charges}"
        )
    };
    // Sessions 2, leases 2, a rate, parts 3 and then 4: what is common to two counts once.
    let (sms, mail) = ("\"parts.sms.premium\" = 1\n", "\"parts.mail\" = 1\n");
    assert!(Catalog::parse(&text(8, sms), "catalog.toml").is_ok());
    assert!(Catalog::parse(&text(7, &(sms.to_owned() + mail)), "catalog.toml").is_ok());
    assert_eq!(
        refusal(&text(9, &(sms.to_owned() + mail)), "catalog.toml"),
        "catalog.toml:34: actions.x: has to do with 18 resources, those above them included; at \
         most 16 are allowed"
    );
}

/// A catalog with numbers for its names.
fn compile(text: &str) -> Compiled {
    let (catalog, mut names) = (parse(text), Names::default());
    names.add(&catalog).unwrap_or_else(|error| panic!("{error}"));
    Compiled::new(1, catalog, names)
}

fn numbers(compiled: &Compiled, names: &[&str]) -> Vec<ResourceId> {
    names.iter().map(|name| compiled.resource(name).expect("exists").0).collect()
}

/// The resources that the action `x` with this body charges, with the units of each for a
/// quantity.
#[track_caller]
fn assert_charges(body: &str, quantity: u64, expected: &[(&str, u64)]) {
    let compiled = compile(&format!("{FAMILIES}[actions.x]\n{body}"));
    let charges = &compiled.action("x").expect("exists").charges;
    let found: Vec<_> = charges
        .iter()
        .map(|charge| {
            let units = charge.units(quantity).expect("fits");
            (compiled.resource_name(charge.resource).expect("has a name"), units)
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_charge_is_also_one_of_all_resources_above() {
    assert_charges("charge = { parts = 1 }", 7, &[("parts", 1)]);
    assert_charges(
        "charge = { 'parts.sms.premium' = 'quantity' }",
        7,
        &[("parts", 7), ("parts.sms", 7), ("parts.sms.premium", 7)],
    );
    let free = &[("parts", 0), ("parts.mail", 0)];
    assert_charges("charge = { 'parts.mail' = 0 }", 7, free);
}

#[test]
fn what_meets_in_one_resource_is_added_up() {
    assert_charges(
        "charge = { 'parts.sms' = 'quantity', 'parts.mail' = 2, parts = 1 }",
        7,
        &[("parts", 10), ("parts.mail", 2), ("parts.sms", 7)],
    );
    assert_charges(
        "charge = { 'parts.sms.premium' = 'quantity', 'parts.sms' = 'quantity' }",
        0,
        &[("parts", 0), ("parts.sms", 0), ("parts.sms.premium", 0)],
    );
}

#[test]
fn units_that_no_number_holds_are_none() {
    let most = i64::MAX;
    let text = format!(
        "{FAMILIES}[actions.x]\ncharge = {{ 'parts.sms' = {most}, 'parts.mail' = {most}, parts = \
         'quantity' }}"
    );
    let compiled = compile(&text);
    let charges = &compiled.action("x").expect("exists").charges;
    let parts = charges.iter().find(|it| it.resource == numbers(&compiled, &["parts"])[0]);
    let parts = parts.expect("is charged");
    assert!(parts.needs_quantity());
    assert_eq!(parts.units(1), Some(u64::MAX));
    assert_eq!(parts.units(2), None);
    let sms = charges.iter().find(|it| it.resource == numbers(&compiled, &["parts.sms"])[0]);
    assert!(!sms.expect("is charged").needs_quantity());
}

#[test]
fn sessions_leases_and_rates_are_resolved() {
    let compiled = compile(&format!(
        "{FAMILIES}[actions.x]\nsession.resource = 'talks.whatsapp'\nlease = 'calls.video'\n\
         rate = 'pair'\n[actions.y]\nlease = {{ resource = 'calls.video', ttl = '2m' }}"
    ));
    let number = |name: &str| numbers(&compiled, &[name])[0];
    let action = compiled.action("x").expect("exists");
    let session = action.session.as_ref().expect("has one");
    assert_eq!(
        (session.resource, &session.parents),
        (number("talks.whatsapp"), &vec![number("talks")])
    );
    let lease = action.lease.expect("has one");
    assert_eq!((lease.resource, lease.ttl_ms), (number("calls.video"), 30_000));
    assert_eq!(action.rate, Some(number("pair")));
    let own = compiled.action("y").and_then(|action| action.lease).expect("has one");
    assert_eq!((own.resource, own.ttl_ms), (number("calls.video"), 120_000));
}

#[test]
fn the_rulebook_says_what_the_catalog_says() {
    let compiled = compile(FAMILIES);
    let number = |name: &str| numbers(&compiled, &[name])[0];
    let premium = Policy {
        kind: Kind::Allowance,
        enforcement: Enforcement::Shadow,
        thresholds: vec![80, 100],
        parents: numbers(&compiled, &["parts.sms", "parts"]),
    };
    let policy = |name| compiled.rulebook.policy(number(name)).expect("is there");
    assert_eq!(policy("parts.sms.premium"), &premium);
    assert_eq!(compiled.parents(number("parts.sms.premium")), premium.parents);
    assert_eq!(policy("parts.mail").thresholds, [50]);
    assert_eq!(compiled.kind(number("users")), Some(Kind::Seat));
    // The next catalog has it no more; its number is kept.
    let next = Compiled::new(2, parse(BASE), compiled.names.clone());
    assert_eq!(next.rulebook.policy(number("parts.mail")), None);
    assert_eq!(next.parents(number("parts.mail")), []);
    assert_eq!(next.resource_name(number("parts.mail")), Some("parts.mail"));
}

#[test]
fn a_plan_limits_every_kind_and_a_rate_that_it_does_not_name_has_its_burst() {
    let text = format!("{FAMILIES}[plans.slow]\ntitle = 'Slow'\nprice = '1'\nlimits.pair = 9\n");
    let compiled = compile(&text);
    let limits = |plan: &str| {
        let limits = compiled.limits(&compiled.catalog.plans[plan]);
        let name = |id| compiled.resource_name(id).expect("has a name").to_owned();
        let mut limits: Vec<_> = limits.into_iter().map(|(id, it)| (name(id), it)).collect();
        limits.sort_by(|(one, _), (other, _)| one.cmp(other));
        limits
    };
    let expected = [
        ("calls", Limit::Finite(5)),
        ("pair", Limit::Finite(45)),
        ("parts", Limit::Finite(100)),
        ("users", Limit::Unlimited),
    ];
    assert_eq!(limits("full"), expected.map(|(name, limit)| (name.to_owned(), limit)));
    assert_eq!(limits("slow"), [("pair".to_owned(), Limit::Finite(9))]);
}

#[test]
fn a_resource_never_changes_its_kind() {
    let catalog = |kind: &str| parse(&format!("[resources.users]\nkind = '{kind}'"));
    let mut names = Names::default();
    assert_eq!(names.add(&catalog("seat")), Ok(()));
    let changed = |is| NamesError::KindChanged { name: "users".into(), was: "seat".into(), is };
    let error = names.add(&catalog("allowance")).expect_err("is refused");
    assert_eq!(error, changed("allowance"));
    assert_eq!(error.to_string(), "\"users\" is a seat; it cannot become an allowance");
    // Also after it was gone in between.
    assert_eq!(names.add(&parse("")), Ok(()));
    assert_eq!(names.add(&catalog("meter")), Err(changed("meter")));
    assert_eq!(names.add(&catalog("seat")), Ok(()));
    assert_eq!(names.resources.len(), 1);
}

#[test]
fn names_without_kinds_take_that_of_the_first_catalog_that_names_them() {
    let old = r#"{ "resources": ["users", "gone"], "features": ["recording"] }"#;
    let mut names: Names = serde_json::from_str(old).expect("is read");
    assert_eq!(names.add(&parse("[resources.users]\nkind = 'seat'")), Ok(()));
    let kinds: Vec<_> = names.resources.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, ["seat", ""]);
    let meter = parse("[resources.users]\nkind = 'meter'");
    assert!(matches!(names.add(&meter), Err(NamesError::KindChanged { .. })));
    let text = serde_json::to_string(&names).expect("is written");
    assert_eq!(serde_json::from_str::<Names>(&text).expect("is read"), names);
}

#[test]
fn there_is_capacity_for_so_many_names() {
    let mut names = Names::default();
    for round in 0..4 {
        let rows = (0..256).map(|i| format!("resources.r{round}-{i}.kind = 'seat'\n"));
        assert_eq!(names.add(&parse(&rows.collect::<String>())), Ok(()));
    }
    let one_more = names.add(&parse("resources.one-more.kind = 'seat'"));
    assert_eq!(one_more, Err(NamesError::NoCapacity("one-more".to_owned())));
}

#[test]
fn a_catalog_of_an_older_version_is_read() {
    let catalog = parse(EXAMPLE);
    let mut json = serde_json::to_value(&catalog).expect("is written");
    for resource in json["resources"].as_object_mut().expect("a table").values_mut() {
        let resource = resource.as_object_mut().expect("a table");
        assert!(
            resource.remove("enforcement").is_some() && resource.remove("thresholds").is_some()
        );
    }
    for action in json["actions"].as_object_mut().expect("a table").values_mut() {
        let action = action.as_object_mut().expect("a table");
        assert!(action.remove("lease").is_some() && action.remove("rate").is_some());
    }
    assert_eq!(serde_json::from_value::<Catalog>(json).expect("is read"), catalog);
}

/// Reads `text` as TOML and as JSON, on a small stack.
fn read_on_a_small_stack(text: String) {
    let reader = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        for name in ["hostile.toml", "hostile.json"] {
            if let Err(error) = Catalog::parse(&text, name) {
                assert!(error.to_string().len() < 2_000, "a message repeats the text");
            }
        }
    });
    reader.expect("a thread").join().expect("no panic");
}

#[test]
fn hostile_texts_do_no_harm() {
    for piece in [
        "[", "{", "a=[", "a={", "{\"a\":", "[{\"a\":", "a.", "[a]\n", "[[a]]\n", "a=1\n",
        "a=[{]},", "a={[}],",
    ] {
        read_on_a_small_stack(piece.repeat(100_000));
        read_on_a_small_stack(piece.repeat(MAX_TEXT_BYTES / piece.len()));
    }
    for text in
        ["", "\0", "\u{feff}", "=", "\"", "{\"", "a='''", "\r", "[\"\\u0000\"]\n\"\\u0000\"=1"]
    {
        read_on_a_small_stack(text.to_owned());
    }
    for (open, close) in [("[", "]"), ("[1,", "]"), ("[{\"a\":", "}]")] {
        let array = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        read_on_a_small_stack(format!("{{\"resources\":{array}}}"));
    }
    let flat = format!("[{}1]", "1,".repeat(400_000));
    read_on_a_small_stack(format!("{{\"resources\":{{\"x\":{{\"thresholds\":{flat}}}}}}}"));
    read_on_a_small_stack(format!("resources.x.thresholds = {flat}"));
    let path = vec!["a"; 79].join(".");
    read_on_a_small_stack(format!(
        "[{path}]\n{}1{}",
        format!("{path}={{").repeat(79),
        "}".repeat(79)
    ));
    read_on_a_small_stack("x".repeat(2 << 20));
    read_on_a_small_stack(format!("plans.{}.title = 1", "k".repeat(1_000_000)));
    read_on_a_small_stack(format!("{{\"plans\":{{\"{}\":{{}}}}}}", "k".repeat(1_000_000)));
    read_on_a_small_stack(format!("catalog.demo_days = {}", "9".repeat(1_000_000)));
    read_on_a_small_stack(format!("{{\"catalog\":{{\"demo_days\":-{}}}}}", "9".repeat(1_000_000)));
    assert_eq!(
        refusal(&"x".repeat(2 << 20), "catalog.toml"),
        "catalog.toml:1: 2097152 bytes, at most 1048576 are allowed"
    );
}

#[test]
fn nesting_is_limited_in_both_syntaxes() {
    let problem = "nested more than 16 deep";
    for toml in ["a={".repeat(17), "a=[{".repeat(9), format!("[{}]", ["a"; 17].join("."))] {
        assert_eq!(refusal(&toml, "catalog.toml"), format!("catalog.toml:1: {problem}"));
    }
    let path = ["a"; 17].join(".");
    for toml in [format!("\n{path} = 1"), "[a.a.a.a.a.a.a.a]\na.a.a.a.a.a.a.a.a = 1".to_owned()] {
        assert_eq!(refusal(&toml, "catalog.toml"), format!("catalog.toml:2: {path}: {problem}"));
    }
    let json = format!("{}1{}", "{\"a\":".repeat(17), "}".repeat(17));
    assert_refused_json(&json, &format!("catalog.json:1: {path}: {problem}"));
}
