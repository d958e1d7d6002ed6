//! Replays that are killed, that go on, and that share one file.

mod common;

use std::thread;
use std::time::Duration;

use common::Desk;
use serde_json::Value;

const TENANTS: [&str; 4] = ["aurora", "bela-vista", "carioca", "dois-irmaos"];
const MESSAGES: u64 = 6_000;
const MINUTE_S: u64 = 60;

/// What new tenants get: a plan that runs out and is renewed.
const OPTIONS: [&str; 9] = [
    "--catalog",
    "catalog.toml",
    "--plan",
    "big",
    "--first-due",
    "2026-05-20",
    "--auto-renew",
    "--extra",
    "sessions=30",
];

/// Two months of messages, some of them hours late; the same every time.
fn traffic() -> String {
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let mut text = "at,tenant,action,channel,contact,quantity,key\n".to_owned();
    for number in 0..MESSAGES {
        let late = if random(20) == 0 { random(300) * MINUTE_S } else { 0 };
        let at = 1_779_282_000 + number * 15 * MINUTE_S - late;
        let tenant = TENANTS.get(random(4) as usize).copied().unwrap_or_default();
        let contact = random(40);
        let line = match random(10) {
            // The same key again is the same message again.
            0 => format!("{at},{tenant},send_sms,w,c{contact},2,key-{contact}-{}", random(50)),
            1..4 => format!("{at},{tenant},send_message,w,c{contact},,"),
            _ => format!("{at},{tenant},receive_message,w,c{contact},,"),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn desk() -> Desk {
    let desk = Desk::empty();
    desk.write("traffic.csv", &traffic());
    desk
}

fn replay(more: &[&'static str]) -> Vec<&'static str> {
    [&["replay", "traffic.csv"][..], &OPTIONS, more].concat()
}

/// What one undisturbed replay comes to.
fn expected() -> Value {
    let report = desk().json(&replay(&[]));
    let figure = |name: &str| report.pointer(&format!("/total/{name}")).and_then(Value::as_u64);
    for name in ["opened", "continued", "others", "refused", "renewals"] {
        assert!(figure(name) > Some(7), "the traffic tries everything: {report}");
    }
    assert_eq!(figure("events"), Some(MESSAGES));
    report
}

#[test]
fn a_file_that_has_grown_goes_on_where_it_ended() {
    let whole = expected();
    let desk = desk();
    let text = traffic();
    let mut decided = 0;
    for part in 1..=3 {
        let lines = 1 + part * 2_000;
        let head: String = text.split_inclusive('\n').take(lines).collect();
        desk.write("traffic.csv", &head);
        let report = desk.json(&replay(&[]));
        assert_eq!(report["decided"], 2_000);
        assert_eq!(report["decided_before"], decided);
        decided += 2_000;
        if part == 3 {
            assert_eq!(report["tenants"], whole["tenants"]);
        }
    }
}

#[test]
fn a_replay_that_is_killed_charges_nothing_twice() {
    let whole = expected();
    let desk = desk();
    for wait_ms in [0, 5, 10, 20, 30, 40, 60, 80, 100, 120] {
        let mut running = desk.command(&replay(&[])).spawn().expect("it can be started");
        thread::sleep(Duration::from_millis(wait_ms));
        running.kill().expect("killed, or ended before");
        running.wait().expect("dead");
    }
    let report = desk.json(&replay(&[]));
    assert_eq!(report["total"], whole["total"]);
    assert_eq!(report["tenants"], whole["tenants"]);
    desk.ok(&["verify"]);
}

#[test]
fn replays_of_different_tenants_share_a_database() {
    let whole = expected();
    let desk = desk();
    desk.ok(&["catalog", "load", "catalog.toml"]);
    let running: Vec<_> = ["aurora", "bela-vista,carioca", "dois-irmaos"]
        .into_iter()
        .map(|names| desk.command(&replay(&["--json", "--only-tenants", names])).spawn())
        .collect();
    let mut together = serde_json::Map::new();
    for child in running {
        let output = child.expect("it can be started").wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", common::stderr(&output));
        let mut report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let tenants = report["tenants"].as_object_mut().expect("an object");
        assert!(tenants.len() < TENANTS.len());
        together.append(tenants);
    }
    assert_eq!(Value::Object(together), whole["tenants"]);
    desk.ok(&["verify"]);
}
