#![allow(clippy::needless_pass_by_value)] // Literals are written where they are used.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{ManualClock, Timestamp};

const CATALOG: &str = r#"
[catalog]
currency = "BRL"
time_zone = "America/Sao_Paulo"
[resources.sms]
kind = "allowance"
[resources.users]
kind = "seat"
[resources.channels]
kind = "seat"
[plans.small]
title = "Small"
price = "9.90"
limits = { sms = 5, users = 2, channels = 2 }
features = { recording = true }
[plans.big]
title = "Big"
price = "99.00"
limits = { sms = "unlimited", users = 1 }
[packages.more_sms]
title = "More SMS"
resource = "sms"
prices = { 1 = "0.50", 10 = "4.00" }
[packages.more_channels]
title = "More channels"
resource = "channels"
recurring = true
prices = { 1 = "5.00" }
"#;

const NOON: &str = "2026-05-04T12:00:00-03:00";

/// An engine on which operations are called, and the names of those that were.
struct Story {
    engine: Engine,
    clock: Arc<ManualClock>,
    called: BTreeSet<&'static str>,
    /// Everything that was not as it should be.
    complaints: Vec<String>,
}

impl Story {
    fn begin() -> Story {
        let clock = Arc::new(ManualClock::new(at(NOON)));
        let engine = Engine::in_memory().clock(Arc::clone(&clock) as _).open().expect("opens");
        Story { engine, clock, called: BTreeSet::new(), complaints: Vec::new() }
    }

    /// Calls it; null where it fails.
    fn call(&mut self, name: &'static str, arguments: Value) -> Value {
        self.called.insert(name);
        let result = self.engine.call(name, &arguments, None);
        result.unwrap_or_else(|error| {
            self.complaints.push(format!("{name}: {error}"));
            Value::Null
        })
    }

    /// Calls it and compares its result.
    fn answers(&mut self, name: &'static str, arguments: Value, expected: Value) {
        let result = self.call(name, arguments);
        self.expect(name, &result, &expected);
    }

    /// Calls it and compares what its result has at a JSON pointer.
    fn says(&mut self, name: &'static str, arguments: Value, at: &str, expected: Value) {
        let result = self.call(name, arguments);
        let found = result.pointer(at).unwrap_or(&Value::Null);
        self.expect(name, found, &expected);
    }

    /// Calls it and looks at the type of its result.
    fn gives(&mut self, name: &'static str, arguments: Value, is: fn(&Value) -> bool) -> Value {
        let result = self.call(name, arguments);
        if !is(&result) {
            self.complaints.push(format!("{name}: {result}"));
        }
        result
    }

    fn expect(&mut self, name: &str, found: &Value, expected: &Value) {
        if found != expected {
            self.complaints.push(format!("{name}: {found} instead of {expected}"));
        }
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("an instant")
}

fn complaint(engine: &Engine, name: &str, arguments: &Value) -> String {
    engine.call(name, arguments, None).expect_err(name).to_string()
}

fn account(name: &str) -> Value {
    json!({
        "name": name,
        "holder": {
            "person": "legal",
            "document": { "type": "cnpj", "number": "11.222.333/0001-81" },
            "trade_name": "Padaria Aurora", "legal_name": "Padaria Aurora Ltda",
            "company_type": "ltda",
            "administrator": { "name": "Ana", "email": "ana@example.com",
                               "phone": "+5511900000001" },
            "address": { "cep": "01310-100", "street": "Av. Paulista", "number": "1",
                         "district": "Bela Vista", "city": "São Paulo", "state": "SP" }
        }
    })
}

fn set_up(story: &mut Story) {
    story.answers("load_catalog", json!({ "text": CATALOG }), json!(1));
    let plan = json!({ "name": "small", "first_due": "2026-05-20", "auto_renew": true });
    story.answers(
        "create_tenant",
        json!({ "form": { "name": "acme", "plan": plan } }),
        json!(null),
    );
}

fn tenants(story: &mut Story) {
    let ana = json!({ "tenant": "acme", "resource": "users" });
    story.answers("ensure_tenant", json!({ "form": { "name": "acme" } }), json!(false));
    story.answers(
        "ensure_tenants",
        json!({ "forms": [{ "name": "acme" }, { "name": "b" }] }),
        json!(1),
    );
    story.answers("tenants", json!(null), json!(["acme", "b"]));
    let named_b = json!({ "text": "B", "filter": "active", "after": "acme", "most": 5 });
    story.says("find_tenants", named_b, "/0/name", json!("b"));
    story.says("count_tenants", json!(null), "/by_plan", json!({ "small": 1 }));
    story.says("validate", json!({ "form": account("aurora") }), "/problems", json!([]));
    story.answers("register", json!({ "form": account("aurora") }), json!("aurora"));
    let aurora = json!({ "tenant": "aurora" });
    story.says("account_holder", aurora, "/trade_name", json!("Padaria Aurora"));
    let document = json!({ "document": "529.982.247-25", "type": "cpf" });
    story.answers("validate_document", document, json!("52998224725"));
    let limit = json!({ "tenant": "acme", "resource": "sms", "limit": 7 });
    story.answers("set_limit", limit, json!(null));
    let own = json!({ "tenant": "acme", "resource": "users", "limit": "unlimited" });
    story.answers("set_own_limit", own, json!(null));
    let feature = json!({ "tenant": "acme", "name": "recording", "feature": false });
    story.answers("set_feature", feature, json!(null));
    story.answers("feature", json!({ "tenant": "acme", "name": "recording" }), json!(false));
    let grant = json!({ "tenant": "acme", "resource": "sms", "units": 3, "source": "package",
        "priority": 20, "starts_at": "2026-05-05T00:00:00Z",
        "expires_at": "2026-06-01T00:00:00Z" });
    story.answers("grant", grant, json!(null));
    let seats = story.engine.tenant("acme").expect("exists");
    assert!(seats.seats("users").expect("are seats").occupy("ana").expect("decides").allowed());
    story.says("seats", ana, "/0/holder", json!("ana"));
    story.answers("verify_token", json!({ "token": "a-token-of-none" }), json!(null));
    story.answers("settle", json!({ "tenant": "acme" }), json!(null));
    story.answers("confirm_clock", json!({ "tenant": "acme" }), json!(null));
}

fn plans(story: &mut Story) {
    let acme = json!({ "tenant": "acme" });
    let big = json!({ "tenant": "acme", "plan": "big" });
    let carry = json!({ "tenant": "acme", "plan": "big", "usage": "carry" });
    story.says("quote_plan_change", carry.clone(), "/billing", json!("arrears"));
    story.answers("what_if", big.clone(), json!([]));
    story.answers("schedule_plan", big, json!("2026-05-20"));
    story.answers("cancel_scheduled_plan", acme.clone(), json!(true));
    story.answers("change_plan", carry, json!(null));
    let restart = json!({ "tenant": "acme", "plan": "small", "first_due": "2026-06-20" });
    story.answers("change_plan", restart, json!(null));
    let next = json!({ "tenant": "acme", "next_due": "2026-07-25" });
    story.says("set_due_date", next, "/to", json!("2026-07-25"));
    story.answers("pause_subscription", acme.clone(), json!("2026-06-20"));
    story.answers("resume_subscription", acme.clone(), json!("2026-06-20"));
    let renew = json!({ "tenant": "acme", "auto_renew": false });
    story.answers("set_auto_renew", renew, json!(true));
    story.answers("move_to_newest_version", acme.clone(), json!(false));
    let price = json!({ "tenant": "acme", "plan": "small", "price_cents": null });
    story.answers("set_own_price", price, json!(null));
    let form = json!({ "tenant": "acme", "payment_type": "Asaas", "gateway_id": "sub_1" });
    story.answers("set_payment_form", form, json!(null));
    story.answers("set_payment_method", json!({ "tenant": "acme", "method": "pix" }), json!(null));
    story.says("subscriptions", acme.clone(), "/0/plan", json!("small"));
    story.gives("periods", acme, |it| it[0].is_object());
    let chosen = json!({ "tenant": "b", "plan": "big", "first_due": "2026-06-20",
                         "payment_type": "Manual", "auto_renew": true });
    story.gives("choose_plan", chosen, Value::is_i64);
}

fn money(story: &mut Story) {
    let acme = json!({ "tenant": "acme" });
    let eleven = json!({ "package": "more_sms", "quantity": 11 });
    story.says("quote_package", eleven, "/amount_cents", json!(450));
    let buy = json!({ "tenant": "acme", "package": "more_sms", "quantity": 10 });
    let bought = story.gives("buy", buy.clone(), |it| it["replayed"] == false);
    let other = story.gives("buy", buy, |it| it["quote"]["amount_cents"] == 400);
    let split = json!({ "invoice": other["invoice"], "parts": 2 });
    story.gives("split_invoice", split, |it| it[1].is_i64());
    let lines = json!([{ "title": "Setup", "amount_cents": 1000 }]);
    let invoice = json!({ "tenant": "acme", "due": "2026-05-30", "lines": lines });
    let number = story.gives("create_invoice", invoice, Value::is_i64);
    let line =
        json!({ "title": "More", "amount_cents": 5, "from": "2026-05-01", "to": "2026-05-02" });
    story.answers("tenant_of_invoice", json!({ "invoice": number }), json!("acme"));
    let added = json!({ "invoice": number, "line": line });
    story.answers("add_invoice_line", added, number.clone());
    story.answers("cancel_invoice", json!({ "invoice": number }), json!(null));
    let paid = json!({ "invoice": bought["invoice"], "paid_on": "2026-05-04" });
    story.answers("mark_paid", paid, json!(null));
    let channel = json!({ "tenant": "acme", "package": "more_channels", "quantity": 1 });
    let channel = story.gives("buy", channel, Value::is_object);
    let paid = json!({ "invoice": channel["invoice"] });
    story.answers("mark_paid", paid.clone(), json!(null));
    story.answers("end_purchase", paid, json!("2026-06-20"));
    story.gives("invoices", acme.clone(), |it| it[3].is_object());
    story.gives("preview_invoice", acme.clone(), |it| it.is_object() || it.is_null());
    let token = json!({ "gateway": "asaas", "token": "a-token" });
    story.answers("set_webhook_token", token, json!(null));
    let event = json!({ "gateway": "asaas", "body": "{}", "token": "wrong" });
    story.says("payment_event", event, "/outcome", json!("refused"));
    let event = json!({ "gateway": "asaas", "id": "e1", "kind": "paid", "payment": "p1",
                        "amount_cents": 100 });
    story.says("apply_payment", json!({ "event": event }), "/outcome", json!("unmatched"));
    story.says("unmatched_payments", json!({}), "/0/payment", json!("p1"));
    let assign = json!({ "gateway": "asaas", "payment": "p1", "invoice": number });
    story.answers("assign_payment", assign, json!(null));
    story.says("payments", acme, "/0/payment", json!("p1"));
}

fn reports(story: &mut Story) {
    let acme = json!({ "tenant": "acme" });
    story.says("report", acme.clone(), "/name", json!("acme"));
    story.gives("statement", acme.clone(), Value::is_object);
    story.gives("balances", acme.clone(), |it| it["balances"]["sms"].is_object());
    story.says("plan_report", acme, "/data/plan", json!("small"));
    let channels = json!({ "tenant": "acme", "resource": "channels" });
    story.gives("channels", channels, Value::is_object);
    for what in ["statement", "balances", "plan", "channels"] {
        let page = json!({ "tenant": "acme", "what": what, "language": "pt" });
        story.gives("page", page, |it| it.as_str().is_some_and(|page| page.contains("acme")));
    }
    let usage = json!({ "tenant": "acme", "interval": "day", "since": "2026-05-01T00:00:00Z" });
    story.gives("usage", usage, Value::is_array);
    story.answers("refusals", json!({ "interval": "hour" }), json!([]));
    let two = |it: &Value| it.as_array().is_some_and(|all| all.len() == 2);
    let events = story.gives("events", json!({ "after": 0, "most": 2 }), two);
    let seen = json!({ "up_to": events[1]["sequence"] });
    story.answers("acknowledge_events", seen, json!(2));
    story.gives("metrics", json!(null), |it| it["tenants"].is_u64());
    let latest = json!({ "tenant": "acme", "most": 1 });
    story.says("audit_trail", latest, "/0/tenant", json!("acme"));
}

fn webhooks(story: &mut Story) {
    let url = json!({ "url": "https://example.com/hooks" });
    story.says("add_webhook", url, "/id", json!(1));
    story.says("webhooks", json!(null), "/0/waiting", json!(0));
    let one = json!({ "webhook": 1 });
    let secret = |it: &Value| it["secret"].as_str().is_some_and(|it| it.starts_with("whsec_"));
    story.gives("rotate_webhook", one.clone(), secret);
    story.answers("dead_deliveries", json!({ "webhook": 1, "most": 10 }), json!([]));
    story.answers("resend_deliveries", one.clone(), json!({ "resent": 0 }));
    story.answers("remove_webhook", one, json!(true));
}

fn ends(story: &mut Story) {
    let status = json!({ "tenant": "b", "status": "cancelled", "reason": "test" });
    story.answers("set_status", status, json!(null));
    let exported = |it: &Value| it.as_str().is_some_and(|lines| lines.contains("\"kind\""));
    story.gives("export", json!({ "tenant": "b" }), exported);
    story.gives("erase", json!({ "tenant": "b", "cancel_debt": true }), Value::is_u64);
    story.gives("erased_accounts", json!({ "name": "b" }), Value::is_array);
    let demo = json!({ "form": { "name": "demo", "status": "demo" } });
    story.answers("create_tenant", demo, json!(null));
    story.clock.set(at("2026-06-18T12:00:00-03:00"));
    story.answers("ended_demos", json!(null), json!(["demo"]));
    story.gives("remove_ended_trials", json!(null), Value::is_u64);
    story.answers("purge_demo", json!({ "tenant": "demo" }), json!(null));
}

fn maintenance(story: &mut Story) {
    story.says("catalog", json!(null), "/version", json!(1));
    let cheaper = json!({ "text": CATALOG.replace("9.90", "8.90") });
    let price = json!([{
        "what": "plans.small.price_cents", "before": "990", "after": "890", "takes": false,
    }]);
    story.answers("catalog_losses", cheaper.clone(), json!([]));
    story.answers("compare_catalog", cheaper, price);
    story.says("opening", json!(null), "/origin", json!("rebuilt"));
    story.answers("live_path", json!(null), json!(null));
    story.answers("verify", json!(null), json!([]));
    story.gives("lag", json!(null), |it| it["alarm"] == json!(false));
    story.gives("maintain", json!(null), |it| it["settled"].is_u64());
    story.gives("checkpoint", json!(null), Value::is_u64);
    let directory = tempfile::tempdir().expect("is made");
    let target = directory.path().join("backup.db");
    story.answers("backup", json!({ "target": target }), json!(null));
    story.gives("tenants", json!(null), Value::is_array);
    if !target.exists() {
        story.complaints.push("backup: it wrote no file".to_owned());
    }
}

#[test]
fn every_operation_does_what_it_says() {
    let mut story = Story::begin();
    set_up(&mut story);
    tenants(&mut story);
    plans(&mut story);
    money(&mut story);
    reports(&mut story);
    webhooks(&mut story);
    ends(&mut story);
    maintenance(&mut story);
    let all: BTreeSet<_> = operations().map(|it| it.name).collect();
    assert_eq!(all.len(), operations().count(), "no name is given twice");
    let missed: Vec<_> = all.difference(&story.called).collect();
    assert!(missed.is_empty(), "never called: {missed:?}");
    assert!(story.complaints.is_empty(), "{:#?}", story.complaints);
}

/// A value of every argument, so that the one to be tried is the first that can be wrong.
fn valid(argument: &Argument) -> Value {
    match argument.of {
        ArgumentType::Text => json!("acme"),
        ArgumentType::Code(all) => json!(all().first()),
        ArgumentType::Units | ArgumentType::Number | ArgumentType::Cents => json!(2),
        ArgumentType::Limit => json!("unlimited"),
        ArgumentType::Flag | ArgumentType::Feature => json!(true),
        ArgumentType::Date => json!("2026-06-20"),
        ArgumentType::Instant => json!("2026-06-20T00:00:00Z"),
        ArgumentType::Object(_) => json!({}),
        ArgumentType::List(_) => json!([]),
    }
}

#[test]
fn a_wrong_argument_is_named_with_what_it_may_be() {
    let mut story = Story::begin();
    set_up(&mut story);
    let mut complaints = Vec::new();
    for operation in operations() {
        let all = operation.arguments.iter().map(|it| (it.name.to_owned(), valid(it)));
        let all: serde_json::Map<_, _> = all.collect();
        for argument in operation.arguments {
            let wrong = match argument.of {
                ArgumentType::Object(_) => json!([]),
                ArgumentType::Feature => json!(1),
                _ => json!({}),
            };
            let mut given = all.clone();
            given.insert(argument.name.to_owned(), wrong);
            let why = complaint(&story.engine, operation.name, &Value::Object(given));
            if !why.starts_with(&format!("{}: it must be {}", argument.name, argument.expected())) {
                complaints.push(format!("{}: {why}", operation.name));
            }
        }
        for argument in operation.arguments.iter().filter(|it| it.presence != Presence::Optional) {
            let mut given = all.clone();
            given.remove(argument.name);
            let why = complaint(&story.engine, operation.name, &Value::Object(given));
            let expected = format!("{}: it is missing", argument.name);
            if !why.starts_with(&expected) {
                complaints.push(format!("{}: {why}", operation.name));
            }
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(story.engine.events(0, 10).expect("reads").len() < 10, "nothing was changed");
    assert_eq!(story.engine.tenants().expect("reads"), ["acme"]);
}

#[test]
fn unknown_operations_and_arguments_are_answered_with_the_near_one() {
    let engine = Story::begin().engine;
    let why = complaint(&engine, "statment", &json!({}));
    assert!(why.ends_with("\"statment\"; did you mean \"statement\"?"), "{why}");
    let why = complaint(&engine, "statement", &json!({ "tennant": "acme" }));
    assert!(
        why.contains("statement has no argument \"tennant\"; did you mean \"tenant\"?"),
        "{why}"
    );
    let why = complaint(&engine, "statement", &json!(["acme"]));
    assert!(why.contains("a JSON object is needed; found a list"), "{why}");
    let why = complaint(&engine, "set_payment_method", &json!({ "tenant": "a", "method": "pixx" }));
    assert!(why.contains("method: unknown value \"pixx\"; did you mean \"pix\"?"), "{why}");
}

#[test]
fn a_key_makes_an_operation_take_effect_once_and_is_refused_where_it_means_nothing() {
    let mut story = Story::begin();
    set_up(&mut story);
    let engine = &story.engine;
    let grant = json!({ "tenant": "acme", "resource": "sms", "units": 3 });
    for _ in 0..2 {
        engine.call("grant", &grant, Some("k")).expect("is granted");
    }
    let balances = engine.call("balances", &json!({ "tenant": "acme" }), None).expect("reads");
    assert_eq!(balances["balances"]["sms"]["available"], 8, "granted once: {balances}");
    let other = json!({ "tenant": "acme", "resource": "sms", "units": 4 });
    assert_eq!(engine.call("grant", &other, Some("k")).expect_err("is refused").code(), 407);
    for operation in operations().filter(|it| !it.takes_key()) {
        let why = engine.call(operation.name, &json!({}), Some("k")).expect_err("is refused");
        assert!(why.to_string().contains("takes none"), "{}: {why}", operation.name);
    }
}

#[test]
fn json_text_is_answered_with_json_text() {
    let mut story = Story::begin();
    set_up(&mut story);
    let engine = &story.engine;
    assert_eq!(engine.call_json("tenants", "", None).expect("answers"), "[\"acme\"]");
    let why = |text: &str| engine.call_json("settle", text, None).expect_err("refused").to_string();
    let twice = why("{\"tenant\": \"acme\", \"tenant\": \"b\"}");
    assert!(twice.contains("arguments: tenant: it is given twice"), "{twice}");
    let deep = why("{\"a\": [{\"b\": 1, \"c\": 2, \"b\": 3}]}");
    assert!(deep.contains("a.0.b: it is given twice"), "{deep}");
    assert!(why("{\"a\": 1} x").contains("it is not JSON (line 1, column 10)"));
    assert!(why(&"[".repeat(1_000)).contains("it is not JSON"));
    assert!(why(&" ".repeat(FORMS_BYTES_MAX + 1)).contains("bytes"));
}
