//! Replays of what became of sends, and of rows that are too old to be distinguished from decided
//! ones.

#![allow(clippy::indexing_slicing)] // A report that lacks a field fails the test.

mod common;

use std::fmt::Write;

use common::Desk;
use serde_json::{Value, json};

const PLAN: [&str; 7] =
    ["--catalog", "catalog.toml", "--plan", "big", "--first-due", "2026-06-20", "--auto-renew"];
/// 2026-05-20T12:00:00Z.
const NOON: i64 = 1_779_278_400;
const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// A webhook body of the number 1 with one status of a template to the contact.
fn status(contact: &str, message: &str, status: &str, at: i64) -> Value {
    let pricing = json!({ "category": "marketing" });
    let status = json!({ "id": message, "status": status, "recipient_id": contact,
        "timestamp": (NOON + at).to_string(), "pricing": pricing });
    json!({ "metadata": { "phone_number_id": "1" }, "statuses": [status] })
}

/// The same with a message of the contact.
fn inbound(contact: &str, message: &str, at: i64) -> Value {
    let message = json!({ "from": contact, "id": message, "timestamp": (NOON + at).to_string() });
    json!({ "metadata": { "phone_number_id": "1" }, "messages": [message] })
}

fn replay(desk: &Desk, file: &str, bodies: &[Value]) -> Value {
    let lines: Vec<_> = bodies.iter().map(Value::to_string).collect();
    desk.write(file, &lines.join("\n"));
    desk.json(&[&["replay", file][..], &PLAN].concat())
}

fn used(report: &Value, resource: &str) -> Value {
    report["tenants"]["1"]["balances"][resource]["used"].clone()
}

#[test]
fn a_replayed_send_that_failed_gives_its_session_back_as_at_a_live_host() {
    let sent = |message, at| status("5", message, "sent", at);
    let failed = |message, at| status("5", message, "failed", at);
    let cases: [(&str, Vec<Value>, u64, Value); 9] = [
        ("sent alone", vec![sent("a", 0)], 1, json!({})),
        ("failed", vec![sent("a", 0), failed("a", 5 * MINUTE)], 0, json!({ "released": 1 })),
        (
            "delivered, then failed",
            vec![sent("a", 0), status("5", "a", "delivered", 60), failed("a", 120)],
            1,
            json!({ "committed": 1, "unchanged": 1 }),
        ),
        (
            "read without delivered, then failed",
            vec![sent("a", 0), status("5", "a", "read", 60), failed("a", 120)],
            1,
            json!({ "committed": 1, "unchanged": 1 }),
        ),
        (
            "answered, then failed",
            vec![sent("a", 0), inbound("5", "b", 5 * MINUTE), failed("a", 6 * MINUTE)],
            1,
            json!({ "released": 1 }),
        ),
        (
            "failed, then the contact writes",
            vec![sent("a", 0), failed("a", 5 * MINUTE), inbound("5", "b", 6 * MINUTE)],
            1,
            json!({ "released": 1 }),
        ),
        (
            "two sends in one session, one of which failed",
            vec![sent("a", 0), sent("b", 60), failed("a", 120)],
            1,
            json!({ "released": 1 }),
        ),
        (
            "two sends in one session, both of which failed",
            vec![sent("a", 0), sent("b", 60), failed("b", 120), failed("a", 180)],
            0,
            json!({ "released": 2 }),
        ),
        ("failed before sent in the file", vec![failed("a", 60), sent("a", 0)], 0, json!({})),
    ];
    for (name, bodies, sessions, reports) in cases {
        let desk = Desk::new();
        // One more contact: the file is never without a decision.
        let bodies = [vec![inbound("6", "x", -MINUTE)], bodies].concat();
        let report = replay(&desk, "day.jsonl", &bodies);
        assert_eq!(used(&report, "sessions"), json!(sessions + 1), "{name}: {report}");
        assert_eq!(report["reports"], reports, "{name}: {report}");
        // The same file again, and its statuses delivered again in another file.
        let again = replay(&desk, "day.jsonl", &bodies);
        assert_eq!((&again["decided"], used(&again, "sessions")), (&json!(0), json!(sessions + 1)));
        let twice = [bodies.clone(), bodies].concat();
        let again = replay(&desk, "twice.jsonl", &twice);
        assert_eq!(used(&again, "sessions"), json!(sessions + 1), "{name}: {again}");
        desk.ok(&["verify"]);
    }
}

#[test]
fn a_report_may_come_in_a_later_file() {
    let desk = Desk::new();
    let report = replay(&desk, "monday.jsonl", &[status("5", "a", "sent", 0)]);
    assert_eq!(used(&report, "sessions"), json!(1));
    let tuesday = [inbound("6", "b", DAY), status("5", "a", "failed", DAY + 1)];
    let report = replay(&desk, "tuesday.jsonl", &tuesday);
    assert_eq!((used(&report, "sessions"), &report["reports"]["released"]), (json!(1), &json!(1)));
}

/// A day's text messages from day 0 on, each with its id.
fn rows(days: impl Iterator<Item = i64>) -> String {
    let mut text = "at,tenant,action,contact,quantity,key\n".to_owned();
    for day in days {
        writeln!(text, "{},1,send_sms,c,1,id-{day}", NOON + day * DAY).expect("written");
    }
    text
}

#[test]
fn a_file_that_is_exported_again_charges_only_late_rows_that_are_younger_than_late() {
    for id in ["late-2,late-27", ","] {
        let ids: Vec<_> = id.split(',').collect();
        let desk = Desk::new();
        let whole = rows(0..30);
        desk.write("may.csv", &whole);
        let first = desk.json(&[&["replay", "may.csv"][..], &PLAN].concat());
        assert_eq!((&first["decided"], &first["total"]["too_old"]), (&json!(30), &json!(0)));
        let late = |day: i64, id: &str| format!("{},1,send_sms,c,1,{id}\n", NOON + day * DAY + 1);
        // The corrected file has a row of day 2, and one of day 27, that the first one lacked.
        let mut lines: Vec<_> = whole.split_inclusive('\n').map(str::to_owned).collect();
        lines.insert(29, late(27, ids[1]));
        lines.insert(4, late(2, ids[0]));
        desk.write("may.csv", &lines.concat());
        let second = desk.json(&[&["replay", "may.csv"][..], &PLAN].concat());
        let sms = |report: &Value| report["tenants"]["1"]["balances"]["sms"]["used"].clone();
        assert_eq!(sms(&first), json!(30));
        // Without an id the row is no other than those before: it is charged where it is young.
        assert_eq!(sms(&second), json!(31), "{id:?}: {second}");
        // Days 0 to 22 and the late row of day 2: seven days and more before the last row.
        assert_eq!(second["total"]["too_old"], json!(24), "{second}");
        assert_eq!(second["decided"], json!(32), "{second}");
        desk.ok(&["verify"]);
    }
}

/// The same where an action both opens a session and charges: the id counts as long as the session
/// may be opened, and an old row is not charged even where a session covers it.
#[test]
fn an_old_row_of_an_action_with_a_session_charges_nothing_again() {
    let desk = Desk::empty();
    let charges = "[actions.answer]\ngate = \"receive\"\nsession = { resource = \"sessions\", \
        extend = true }\ncharge = { sms = 1 }\n";
    desk.write("catalog.toml", &format!("{}{charges}", common::CATALOG));
    let line = |day: i64, key: &str| format!("{},1,answer,c,{key}\n", NOON + day * DAY / 2);
    let head = "at,tenant,action,contact,key\n";
    let rows: Vec<_> = (0..40).map(|half| line(half, &format!("k{half}"))).collect();
    desk.write("a.csv", &format!("{head}{}", rows.concat()));
    let report = desk.json(&[&["replay", "a.csv"][..], &PLAN].concat());
    assert_eq!((used(&report, "sms"), used(&report, "sessions")), (json!(40), json!(1)));
    let late = [line(3, "late-3"), rows.concat(), line(39, "late-39")].concat();
    desk.write("a.csv", &format!("{head}{late}"));
    let report = desk.json(&[&["replay", "a.csv"][..], &PLAN].concat());
    assert_eq!((used(&report, "sms"), used(&report, "sessions")), (json!(41), json!(1)));
    assert_eq!(report["decided"], json!(42));
}
