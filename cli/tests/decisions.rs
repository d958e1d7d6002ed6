//! Decisions on the command line: what is charged, reserved, sent and reported.

#![allow(clippy::indexing_slicing)] // A document that lacks a field fails the test.

mod common;

use common::{Desk, squeezed, stderr};
use serde_json::{Value, json};

const NOW: &str = "2026-05-20T12:00:00Z";

/// A database with the tenant `acme` on the plan `small`: 2 sessions, 5 text messages.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.ok(&at(&["tenant", "add", "acme", "--plan", "small", "--first-due", "2026-06-10"], NOW));
    desk
}

fn at<'a>(words: &[&'a str], time: &'a str) -> Vec<&'a str> {
    [words, &["--at", time]].concat()
}

fn used(desk: &Desk, resource: &str, time: &str) -> Value {
    desk.json(&at(&["tenant", "show", "acme"], time))["balances"][resource]["used"].clone()
}

#[test]
fn what_is_consumed_is_charged_once_per_key_and_a_denial_is_an_answer() {
    let desk = desk();
    let first = desk.json(&at(&["consume", "acme", "sms", "3", "--key", "k1"], NOW));
    assert_eq!((&first["allowed"], &first["available"]), (&json!(true), &json!(2)));
    let again = desk.json(&at(&["consume", "acme", "sms", "3", "--key", "k1"], NOW));
    assert_eq!((&again["replayed"], &again["receipt"]), (&json!(true), &first["receipt"]));
    let denied = desk.denied(&at(&["consume", "acme", "sms", "3"], NOW));
    assert_eq!((&denied["allowed"], &denied["reason"]), (&json!(false), &json!("quota_exhausted")));
    assert_eq!(denied["resource"], "sms");
    let text = desk.ok(&at(&["consume", "acme", "sms", "2"], NOW));
    assert_eq!(squeezed(&text), "allowed\nsms: 5 used of 5");
    assert!(desk.failure(&at(&["consume", "acme", "sms", "0"], NOW)).contains("not between 1"));
    assert!(desk.failure(&at(&["consume", "acme", "sma", "1"], NOW)).contains("sma"));
}

#[test]
fn messages_open_and_continue_sessions() {
    let desk = desk();
    let receive = ["perform", "acme", "receive_message", "--contact", "c1"];
    let opened = desk.json(&at(&receive, NOW));
    assert_eq!(opened["session"]["opened"], true);
    let also = ["admit", "acme", "sessions", "outbound", "--contact", "c1"];
    assert_eq!(desk.json(&at(&also, NOW))["session"]["opened"], false);
    let old = [&receive[..4], &["c2", "--sent-at", "2026-05-01T12:00:00Z"]].concat();
    let old = desk.json(&at(&old, NOW));
    assert_eq!((&old["too_old"], &old["session"]), (&json!(true), &Value::Null));
    assert_eq!(used(&desk, "sessions", NOW), json!(1));
}

#[test]
fn a_reserved_send_is_committed_or_given_back_by_what_is_reported_of_it() {
    let desk = desk();
    let send = |contact, message| {
        let words = ["reserve-action", "acme", "send_message", "--contact", contact];
        desk.json(&at(&[&words[..], &["--message", message]].concat(), NOW))
    };
    let report = |message, what| {
        desk.json(&at(&["report-delivery", "acme", message, what], NOW))["outcome"].clone()
    };
    assert_eq!(send("c1", "m1")["session"]["opened"], true);
    assert_eq!(report("m1", "sent"), "unchanged");
    assert_eq!(report("m1", "failed"), "released");
    assert_eq!(
        (report("m1", "failed"), report("m9", "read")),
        (json!("unchanged"), json!("unknown"))
    );
    assert_eq!(used(&desk, "sessions", NOW), json!(0));
    // The id of the message may be known later.
    let unnamed =
        desk.json(&at(&["reserve-action", "acme", "send_message", "--contact", "c2"], NOW));
    let id = unnamed["reservation"].as_str().expect("an id");
    desk.ok(&at(&["sent", "acme", id, "m2"], NOW));
    assert_eq!(report("m2", "delivered"), "committed");
    assert_eq!(report("m2", "failed"), "unchanged");
    assert_eq!(used(&desk, "sessions", NOW), json!(1));
    let wrong = desk.run(&at(&["report-delivery", "acme", "m2", "lost"], NOW));
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("expected sent, delivered, read or failed"));
}

#[test]
fn units_are_reserved_committed_in_part_and_released() {
    let desk = desk();
    let reserve = |units: &str| {
        let held = desk.json(&at(&["reserve", "acme", units, "--ttl", "1h"], NOW));
        held["reservation"].as_str().expect("an id").to_owned()
    };
    let (first, second) = (reserve("sms=3"), reserve("sms=2"));
    assert_eq!(used(&desk, "sms", NOW), json!(5));
    desk.ok(&at(&["commit", "acme", &first, "--only", "sms=1"], NOW));
    desk.ok(&at(&["release", "acme", &second], NOW));
    assert_eq!(used(&desk, "sms", NOW), json!(1));
    assert!(desk.failure(&at(&["release", "acme", &second], NOW)).contains("released"));
    assert!(desk.failure(&at(&["commit", "acme", "x-1"], NOW)).contains("reserve-action"));
    let wrong = desk.run(&at(&["reserve", "acme", "sms=1", "--ttl", "1w"], NOW));
    assert!(stderr(&wrong).contains("expected 90s, 5m, 24h or 30d"), "{}", stderr(&wrong));
    // It ends by itself.
    reserve("sms=4");
    assert_eq!(used(&desk, "sms", NOW), json!(5));
    desk.ok(&at(&["consume", "acme", "sms", "4"], "2026-05-20T13:00:00Z"));
}

#[test]
fn a_campaign_is_quoted_reserved_sent_and_what_is_left_returns() {
    let desk = desk();
    desk.ok(&at(&["perform", "acme", "receive_message", "--contact", "c1"], NOW));
    desk.write("contacts.txt", "\u{feff}c1\r\nc2\nc2\n\nc3\n");
    let quote = ["quote", "acme", "send_message", "--contacts", "contacts.txt"];
    let quoted = desk.json(&at(&quote, NOW));
    let figures = ["contacts", "opens", "continues", "available", "missing"].map(|it| &quoted[it]);
    assert_eq!(figures, [3, 2, 1, 1, 1].map(|it| json!(it)).each_ref());
    assert_eq!(
        desk.ok(&at(&quote, NOW)).trim(),
        "3 contacts: 2 would open sessions, 1 have one open\navailable 1, 0 would remain\n\
         1 are missing"
    );
    let reserved = desk.json(&at(&["reserve", "acme", "sessions=1"], NOW));
    let campaign = reserved["reservation"].as_str().expect("an id");
    let words_of = |contact| {
        let words = ["reserve-action", "acme", "send_message", "--contact", contact];
        let more = ["--message", contact, "--campaign", campaign];
        at(&[&words[..], &more].concat(), NOW)
    };
    let send = |contact| desk.json(&words_of(contact));
    assert_eq!(send("c1")["session"]["opened"], false);
    assert_eq!(send("c2")["allowed"], true);
    assert_eq!(desk.denied(&words_of("c3"))["allowed"], false);
    // A failed send returns its unit to the campaign: another may draw it.
    desk.ok(&at(&["report-delivery", "acme", "c2", "failed"], NOW));
    assert_eq!(send("c3")["allowed"], true);
    desk.ok(&at(&["report-delivery", "acme", "c3", "failed"], NOW));
    desk.ok(&at(&["release", "acme", campaign], NOW));
    assert_eq!(used(&desk, "sessions", NOW), json!(1));
    desk.ok(&["verify"]);
}
