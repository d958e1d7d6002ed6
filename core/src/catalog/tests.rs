//! What a catalog may say, what is refused and how, and that no text whatever does harm.

// In a test a key that is missing may well panic.
#![allow(clippy::indexing_slicing)]

use chrono_tz::Tz;

use crate::clock::{DAY_MS, HOUR_MS};
use crate::rules::{GateTable, Status};

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
    for (more, place) in [
        ("users = 31", "17: plans.full.limits.users"),
        ("[plans.full]", "17: plans.full"),
        ("[actions]\nx = {}\nx = {}", "19: actions.x"),
        ("[actions.x]\ncharge = { credits = 1, credits = 2 }", "18: actions.x.charge.credits"),
        ("[resources.'users']", "17: resources.users"),
    ] {
        assert_refused(more, &format!("catalog.toml:{place}: duplicate key"));
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
    let circle = "parents go in a circle, or more than 8 levels up";
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
        &format!("19: resources.x.parent: {circle}"),
    );
    let chain = |length: u32| {
        (1..=length).fold(String::from("resources.p0.kind = 'seat'\n"), |text, child| {
            text + &format!("resources.p{child} = {{ kind = 'seat', parent = 'p{}' }}\n", child - 1)
        })
    };
    assert!(Catalog::parse(&chain(8), "catalog.toml").is_ok());
    assert_eq!(
        refusal(&chain(9), "catalog.toml"),
        format!("catalog.toml:10: resources.p9.parent: {circle}")
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
    assert_refused_json("{\n\"catalog\": {},\n}", "catalog.json:3: key must be a string");
    assert_refused_json("{\n// why\n}", "catalog.json:2: key must be a string");
    assert_refused_json("[]", "catalog.json:1: expected a table, found an array");
    assert_refused_json("{} {}", "catalog.json:1: trailing characters");
    assert_refused_json(
        "{\n\"catalog\": {\n\"currency\": \"\\ud800\"}}",
        "catalog.json:3: catalog.currency: unexpected end of hex escape",
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
