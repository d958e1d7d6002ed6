//! The shared payloads, each replayed as a file of its own: sessions opened, parts passed over.

mod common;

use common::{Desk, stderr, stdout};
use serde_json::{Value, json};

const PAYLOADS: &str = include_str!("../../tests/payloads/whatsapp.jsonl");
const PLAN: [&str; 4] = ["--plan", "big", "--first-due", "2026-06-10"];

fn lines(bodies: &[Value]) -> String {
    bodies.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn every_shape_opens_the_sessions_that_it_should() {
    let desk = Desk::new();
    let shapes = PAYLOADS.lines();
    let mut used_before = 0;
    for (number, line) in shapes.enumerate() {
        let shape: Value = serde_json::from_str(line).expect(line);
        let name = &shape["shape"];
        let bodies = shape["bodies"].as_array().expect("bodies");
        let file = format!("{number}.jsonl");
        desk.write(&file, &lines(bodies));
        let output = desk.run(&[&["replay", file.as_str(), "--json"][..], &PLAN].concat());
        let kinds = shape["kinds"].as_array().expect("kinds");
        if kinds.is_empty() {
            assert_eq!(output.status.code(), Some(2), "{name}: {}", stdout(&output));
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let opening =
            |kind: &&Value| ["message", "call", "template"].map(Value::from).contains(kind);
        let counting = kinds.iter().filter(opening).count();
        assert_eq!(report["total"]["events"], json!(counting), "{name}: {report}");
        assert_eq!(report["total"]["opened"], shape["sessions"], "{name}: {report}");
        assert_eq!(report["malformed"], shape["malformed"], "{name}: {report}");
        let passed = report["passed_over"].as_object().expect("an object").values();
        let passed: u64 = passed.filter_map(Value::as_u64).sum();
        assert_eq!(passed as usize, kinds.len() - counting, "{name}: {report}");
        used_before += shape["sessions"].as_u64().expect("a number");
    }
    let show = ["tenant", "show", "100000000000001", "--at", "2026-05-20T13:00:00Z"];
    assert_eq!(desk.json(&show)["balances"]["sessions"]["used"], used_before);
}

#[test]
fn a_form_that_does_not_say_whose_it_is_needs_the_tenant() {
    let desk = Desk::new();
    let message = json!({ "from": "5500900000001", "id": "m", "timestamp": "1779278400" });
    desk.write("360.jsonl", &lines(&[json!({ "messages": [message] })]));
    let replay = [&["replay", "360.jsonl"][..], &PLAN].concat();
    let output = desk.run(&replay);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("give --tenant NAME"), "{}", stderr(&output));
    let report = desk.json(&[&replay[..], &["--tenant", "padaria"]].concat());
    assert_eq!(report["tenants"]["padaria"]["opened"], 1);
}

#[test]
fn several_numbers_may_be_one_tenant_and_kinds_may_be_mapped() {
    let desk = Desk::new();
    let body = |number: &str, kind: &str| {
        let from = json!({ "from": "5500900000001", "id": number, "timestamp": "1779278400",
            "event": "connect" });
        let metadata = json!({ "phone_number_id": number });
        json!({ "field": kind, "value": { "metadata": metadata, kind: [from] } })
    };
    desk.write("two.jsonl", &lines(&[body("1", "messages"), body("2", "calls")]));
    let maps = ["--map", "tenant:1=padaria", "--map", "tenant:2=padaria"];
    let report = desk.json(&[&["replay", "two.jsonl"][..], &PLAN, &maps].concat());
    assert_eq!(report["tenants"]["padaria"]["opened"], 2, "a contact has a session per number");
    let calls = ["--map", "action:call=-"];
    let report = desk.json(&[&["replay", "two.jsonl"][..], &PLAN, &calls].concat());
    assert_eq!(report["tenants"].as_object().map(serde_json::Map::len), Some(1), "{report}");
    assert_eq!(report["passed_over"], json!({ "call": 1 }));
}

#[test]
fn a_message_that_charges_is_charged_once_whichever_file_reports_of_it() {
    let desk = Desk::new();
    let message = |from: &str, id: &str, second: u32| {
        let at = 1_779_278_400 + second;
        json!({ "from": from, "id": id, "timestamp": at.to_string() })
    };
    let metadata = json!({ "phone_number_id": "1" });
    let body = |messages: Vec<Value>| json!({ "metadata": metadata, "messages": messages });
    desk.write("a.jsonl", &lines(&[body(vec![message("5", "m1", 0), message("6", "m2", 9)])]));
    let late = body(vec![message("7", "m0", 0), message("5", "m1", 1), message("6", "m2", 9)]);
    desk.write("b.jsonl", &lines(&[late]));
    let options = ["--map", "action:message=send_sms"];
    desk.json(&[&["replay", "a.jsonl"][..], &PLAN, &options].concat());
    let report = desk.json(&[&["replay", "b.jsonl"][..], &PLAN, &options].concat());
    assert_eq!((&report["decided"], &report["repeated"]), (&json!(3), &json!(2)), "{report}");
    assert_eq!(report["tenants"]["1"]["balances"]["sms"]["used"], 3);
}

#[test]
fn what_was_understood_of_a_body_is_shown_without_a_database() {
    let desk = Desk::empty();
    let message = json!({ "from": "5", "from_user_id": "BR.5", "id": "m", "timestamp": 9 });
    let body = json!({ "metadata": { "phone_number_id": "1" }, "messages": [message, 7] });
    desk.write("body.json", &body.to_string());
    let shown = desk.json(&["whatsapp-events", "body.json"]);
    assert_eq!(shown["known"], true);
    assert_eq!(shown["events"][0]["contacts"], json!(["5", "BR.5"]));
    assert_eq!(shown["events"][0]["at"], "1970-01-01T00:00:09Z");
    assert_eq!(shown["malformed"][0]["path"], "messages[1]");
    let text = desk.ok(&["whatsapp-events", "body.json"]);
    assert!(text.starts_with("message, opens a session: at 1970-01-01T00:00:09Z"), "{text}");
    assert!(text.contains("messages[1] is not an object"), "{text}");
    desk.write("none.json", "{");
    assert!(desk.failure(&["whatsapp-events", "none.json"]).contains("not JSON"));
}
