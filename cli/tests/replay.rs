//! Replaying traffic: what is decided, and what is reported of it.

mod common;

use common::{Desk, stderr, stdout};
use serde_json::{Value, json};

const HEADER: &str = "at,tenant,action,channel,contact,quantity,key";
const SMALL: [&str; 4] = ["--plan", "small", "--first-due", "2026-05-20"];

fn desk(lines: &[&str]) -> Desk {
    let desk = Desk::new();
    desk.write("traffic.csv", &csv(lines));
    desk
}

fn csv(lines: &[&str]) -> String {
    let rest = lines.iter().map(|line| format!("{line}\n"));
    [format!("{HEADER}\n")].into_iter().chain(rest).collect()
}

fn replay(desk: &Desk, options: &[&str]) -> Value {
    desk.json(&[&["replay", "traffic.csv"][..], options].concat())
}

/// Opened, continued, others, refused, renewals.
fn figures(tally: &Value) -> [u64; 5] {
    ["opened", "continued", "others", "refused", "renewals"]
        .map(|name| tally[name].as_u64().expect("a number"))
}

/// A and B open, C is refused, A goes on; then the plan is renewed.
const VECTOR: [&str; 6] = [
    "2026-05-20T10:00:00-03:00,padaria,receive_message,w,a,,",
    "2026-05-20T10:00:01-03:00,padaria,receive_message,w,b,,",
    "2026-05-20T10:00:02-03:00,padaria,receive_message,w,c,,",
    "2026-05-20T20:00:00-03:00,padaria,receive_message,w,a,,",
    "2026-05-20T23:59:59-03:00,padaria,receive_message,w,c,,",
    "2026-05-21T00:00:00-03:00,padaria,receive_message,w,c,,",
];

#[test]
fn sessions_run_out_and_are_restored_by_the_traffic_s_clock() {
    let desk = desk(&VECTOR);
    let report = replay(&desk, &[&SMALL[..], &["--auto-renew"]].concat());
    assert_eq!(figures(&report["total"]), [3, 1, 0, 2, 1]);
    let padaria = &report["tenants"]["padaria"];
    assert_eq!(figures(padaria), [3, 1, 0, 2, 1]);
    assert_eq!(padaria["events"], 6);
    assert_eq!(padaria["available"], 1);
    assert_eq!(padaria["balances"]["sms"]["available"], 5);
    assert_eq!(
        padaria["refused_by_reason"],
        json!({ "quota_exhausted": 2, "status_forbids": 0, "other": 0 })
    );
    assert_eq!(report["format"], "csv");
    assert_eq!(report["first_at"], "2026-05-20T13:00:00Z");
    assert_eq!(report["last_at"], "2026-05-21T03:00:00Z");
    assert_eq!(report["malformed"], 0);
    assert!(report["seconds"].is_f64() && report["events_per_second"].is_u64());

    let text = desk.ok(&["replay", "traffic.csv"]);
    for part in ["padaria", "quota 2", "from 2026-05-20T13:00:00Z to 2026-05-21T03:00:00Z"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains("0 messages decided in "), "{text}");
    assert!(text.contains("; 6 had been decided before"), "{text}");
    desk.ok(&["verify"]);
}

#[test]
fn everyone_is_settled_at_the_time_of_the_last_line() {
    // The bakery is silent when its plan is renewed; twice, since the traffic ends in July.
    let desk = desk(&[
        "1779282000,padaria,receive_message,w,a,,",
        "2026-07-01T00:00:00Z,oficina,receive_message,w,a,,",
    ]);
    let report = replay(&desk, &[&SMALL[..], &["--auto-renew"]].concat());
    assert_eq!(figures(&report["tenants"]["padaria"]), [1, 0, 0, 0, 2]);
    assert_eq!(report["tenants"]["padaria"]["available"], 2);
    // The workshop was created as of the first line.
    assert_eq!(figures(&report["tenants"]["oficina"]), [1, 0, 0, 0, 2]);
    assert_eq!(report["tenants"]["oficina"]["available"], 1);
}

#[test]
fn new_tenants_get_what_was_said() {
    let desk = desk(&["1779282000,padaria,send_sms,w,a,7,"]);
    let options = ["--time-zone", "America/Manaus", "--extra", "sms=3", "--extra", "sessions=8"];
    let report = replay(&desk, &[&SMALL[..], &options].concat());
    assert_eq!(figures(&report["total"]), [0, 0, 1, 0, 0]);
    assert_eq!(report["tenants"]["padaria"]["available"], 10);
    assert_eq!(report["tenants"]["padaria"]["balances"]["sms"]["available"], 1);
    let padaria = desk.json(&["tenant", "show", "padaria"]);
    assert_eq!(padaria["time_zone"], "America/Manaus");
    assert_eq!(padaria["subscription"]["auto_renew"], false);
}

#[test]
fn tenants_that_cannot_be_created_end_the_run() {
    let desk = desk(&["1779282000,padaria,receive_message,w,a,,"]);
    for (options, expected) in [
        (&["--plan", "huge", "--first-due", "2026-06-01"][..], "unknown plan \"huge\""),
        (&["--plan", "small", "--first-due", "2026-05-19"], "2026-05-19 has passed already"),
        (&[&SMALL[..], &["--extra", "beans=1"]].concat(), "unknown resource \"beans\""),
    ] {
        let message = desk.failure(&[&["replay", "traffic.csv"][..], options].concat());
        let start = "tenant \"padaria\" cannot be created: ";
        assert!(message.starts_with(start) && message.contains(expected), "{message}");
    }
}

#[test]
fn tenants_that_exist_keep_what_they_have() {
    let desk = desk(&[
        "2026-05-20T10:00:00-03:00,padaria,send_message,w,a,,",
        "2026-05-20T10:00:00-03:00,padaria,receive_message,w,a,,",
    ]);
    let at = ["--at", "2026-05-20T08:00:00-03:00", "--status", "suspended"];
    let add = ["tenant", "add", "padaria", "--plan", "big", "--first-due", "2026-06-10"];
    desk.ok(&[&add[..], &at].concat());
    let report = replay(&desk, &SMALL);
    assert_eq!(figures(&report["total"]), [1, 0, 0, 1, 0]);
    assert_eq!(report["total"]["refused_by_reason"]["status_forbids"], 1);
    assert_eq!(report["tenants"]["padaria"]["available"], 99);
}

#[test]
fn a_catalog_is_loaded_first_when_asked() {
    let desk = Desk::empty();
    desk.write("traffic.csv", &csv(&VECTOR));
    let options = [&SMALL[..], &["--catalog", "catalog.toml"]].concat();
    assert_eq!(figures(&replay(&desk, &options)["total"]), [2, 1, 0, 3, 0]);
    replay(&desk, &options);
    assert_eq!(desk.json(&["catalog", "show"])["version"], 1);
}

#[test]
fn keys_are_charged_once_and_conflicts_are_reported() {
    let desk = desk(&[
        "1779282000,padaria,send_sms,w,a,2,k1",
        "1779282001,padaria,send_sms,w,a,2,k1",
        "1779282002,padaria,send_sms,w,a,3,k1",
    ]);
    let output = desk.run(&[&["replay", "traffic.csv", "--json"][..], &SMALL].concat());
    assert_eq!(
        stderr(&output),
        "cotas: line 4: the idempotency key was used before with other arguments\n"
    );
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(figures(&report["total"]), [0, 0, 2, 0, 0]);
    assert_eq!(report["tenants"]["padaria"]["balances"]["sms"]["available"], 3);
}

#[test]
fn lines_that_cannot_be_decided_about_are_reported_and_passed_over() {
    let long = format!("1779282005,{},receive_message,w,a,,", "x".repeat(200));
    let lines = [
        "1779282000,padaria,receive_message,w,a,,",
        "yesterday,padaria,receive_message,w,b,,",
        "1779282001,padaria,dance,w,b,,",
        "1779282002,padaria,receive_message,w,,,",
        "1779282003,padaria",
        &long,
        "1779282004,padaria,receive_message,w,b,,",
    ];
    let desk = desk(&lines);
    let replay = [&["replay", "traffic.csv"][..], &SMALL].concat();
    let output = desk.run(&[&replay[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(figures(&report["total"]), [2, 0, 0, 0, 0]);
    assert_eq!(report["malformed"], 5);
    let complaints = stderr(&output);
    let complaints: Vec<_> = complaints.lines().collect();
    for (complaint, expected) in complaints.iter().zip([
        "cotas: line 3: at is \"yesterday\"",
        "cotas: line 4: unknown action \"dance\"",
        "cotas: line 5: contact: action receive_message needs a contact",
        "cotas: line 6: has 2 fields",
        "cotas: line 7: tenant name: it has 200 bytes",
    ]) {
        assert!(complaint.starts_with(expected), "{complaint}");
    }
    assert_eq!(complaints.len(), 5);
    let text = desk.ok(&["replay", "traffic.csv"]);
    let last = "\n5 lines were passed over: not_a_record 1, time 1, unknown_action 1, refused 2\n";
    assert!(text.ends_with(last), "{text}");
}

#[test]
fn a_strict_run_ends_at_the_first_and_keeps_what_came_before() {
    let lines = [
        "1779282000,padaria,receive_message,w,a,,",
        "1779282001,padaria,dance,w,b,,",
        "1779282002,padaria,receive_message,w,b,,",
    ];
    let desk = desk(&lines);
    let strict = [&["replay", "traffic.csv", "--strict"][..], &SMALL].concat();
    assert_eq!(
        desk.failure(&strict),
        "line 3: unknown action \"dance\" (expected receive_message, send_message or send_sms)"
    );
    let show = ["tenant", "show", "padaria", "--at", "2026-05-20T13:00:00Z"];
    assert_eq!(desk.json(&show)["balances"]["sessions"]["used"], 1);
    // The line is put right, and the run goes on behind it.
    desk.write("traffic.csv", &csv(&lines).replace("dance", "receive_message"));
    let report = desk.json(&strict);
    assert_eq!(figures(&report["total"]), [2, 1, 0, 0, 0]);
    assert_eq!((&report["decided"], &report["decided_before"]), (&json!(2), &json!(1)));
}

#[test]
fn after_twenty_complaints_lines_are_only_counted() {
    let mut lines = vec!["1779282000,padaria,receive_message,w,a,,"];
    lines.resize(31, "1779282000,not-known,receive_message,w,a,,");
    let desk = desk(&lines);
    desk.ok(&["tenant", "add", "padaria", "--at", "2026-05-20T00:00:00Z"]);
    let output = desk.run(&["replay", "traffic.csv", "--json"]);
    let complaints = stderr(&output);
    assert_eq!(complaints.lines().count(), 21);
    assert!(complaints.starts_with("cotas: line 3: unknown tenant \"not-known\"\n"));
    assert!(complaints.ends_with("\ncotas: 10 more lines were passed over\n"));
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(report["malformed"], 30);
    // Who has no plan is refused, which is no failure.
    assert_eq!(report["tenants"]["padaria"]["refused_by_reason"]["other"], 1);
    assert!(report["tenants"]["not-known"].is_null());
}

#[test]
fn one_wild_date_does_not_spoil_the_rest() {
    let desk = desk(&[
        "1779282000,padaria,receive_message,w,a,,",
        "9779282001,padaria,receive_message,w,b,,",
        "1779282002,padaria,receive_message,w,b,,",
    ]);
    let output =
        desk.run(&[&["replay", "traffic.csv", "--json", "--auto-renew"][..], &SMALL].concat());
    assert!(stderr(&output).starts_with("cotas: line 3: at is 2279-"), "{}", stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(figures(&report["total"]), [2, 0, 0, 0, 0]);
    assert_eq!(report["malformed"], 1);
}

#[test]
fn a_tenant_may_be_silent_for_years_while_others_talk() {
    let lines: Vec<_> = (0..30)
        .map(|month| 1_779_282_000 + month * 30 * 86_400)
        .map(|at| format!("{at},padaria,receive_message,w,a,,"))
        .chain(["1857042000,oficina,receive_message,w,a,,".to_owned()])
        .collect();
    let desk = desk(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let report = replay(&desk, &[&SMALL[..], &["--auto-renew"]].concat());
    assert_eq!(report["malformed"], 0);
    assert_eq!(report["total"]["opened"], 31);
    let renewals = |name: &str| report["tenants"][name]["renewals"].clone();
    assert_eq!(renewals("oficina"), renewals("padaria"));
}

#[test]
fn webhook_bodies_are_replayed_by_business_number() {
    let desk = Desk::new();
    desk.write("bodies.jsonl", include_str!("../../examples/traffic/whatsapp.jsonl"));
    let report = desk.json(&[&["replay", "bodies.jsonl"][..], &SMALL].concat());
    assert_eq!(report["format"], "whatsapp");
    assert_eq!(report["total"]["events"], 8);
    assert_eq!(report["malformed"], 0);
    // Two of the four contacts have a session of the plan's two.
    let one = &report["tenants"]["100000000000001"];
    assert_eq!(figures(one), [2, 3, 0, 2, 0]);
    assert_eq!(figures(&report["tenants"]["100000000000002"]), [1, 0, 0, 0, 0]);
    assert_eq!(
        report["passed_over"],
        json!({ "echo": 1, "edit": 1, "reaction": 1, "revocation": 1, "status": 5 })
    );
    let again = desk.json(&["replay", "bodies.jsonl"]);
    assert_eq!(again["total"], report["total"]);
    assert_eq!(again["decided_before"], 8);
}

#[test]
fn traffic_comes_from_standard_input_too() {
    let desk = Desk::new();
    let arguments = [&["replay", "-", "--json"][..], &SMALL].concat();
    for decided in [6, 0] {
        let output = desk.run_with(&csv(&VECTOR), &arguments);
        let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!(report["decided"], decided);
        assert_eq!(report["total"]["events"], 6);
    }
}

#[test]
fn a_header_alone_is_no_failure() {
    let desk = desk(&[]);
    let report = replay(&desk, &[]);
    assert_eq!(figures(&report["total"]), [0; 5]);
    assert_eq!(report["tenants"], json!({}));
    assert!(report["first_at"].is_null());
}
