//! Which file is this, in which dialect, and was anything of it understood?

mod common;

use std::io::Write;

use common::{Desk, stderr, stdout};
use serde_json::{Value, json};

const HEADER: &str = "at,tenant,action,contact,quantity,key";
const SMALL: [&str; 4] = ["--plan", "small", "--first-due", "2026-05-30"];
const DAY_S: u64 = 86_400;
const START_S: u64 = 1_779_278_400;

fn csv(lines: &[String]) -> String {
    let all = [&[HEADER.to_owned()], lines].concat();
    all.join("\n") + "\n"
}

fn sms(second: u64, key: &str) -> String {
    format!("{},loja,send_sms,,1,{key}", START_S + second)
}

fn replay(desk: &Desk, name: &str, options: &[&str]) -> Value {
    desk.json(&[&["replay", name][..], &SMALL, options].concat())
}

fn used(report: &Value) -> &Value {
    report.pointer("/tenants/loja/balances/sms/used").unwrap_or(&Value::Null)
}

#[test]
fn two_files_that_begin_alike_are_two_files() {
    let desk = Desk::new();
    let note = "# exported by the help desk,,,,,";
    let day = |day: u64| {
        let lines = (0..2).map(|line| sms(day * DAY_S + line, ""));
        csv(&[note.to_owned()].into_iter().chain(lines).collect::<Vec<_>>())
    };
    for number in [0, 1] {
        desk.write("day.csv", &day(number));
        let report = replay(&desk, "day.csv", &[]);
        assert_eq!(report["decided"], 2, "{report}");
        assert_eq!(*used(&report), json!(2 * (number + 1)));
    }
    // Each of the two is known again, whichever name it has now.
    for number in [1, 0, 1] {
        desk.write("again.csv", &day(number));
        let output = desk.run(&[&["replay", "again.csv", "--json"][..], &SMALL].concat());
        let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!((&report["decided"], &report["decided_before"]), (&json!(0), &json!(2)));
        assert_eq!(*used(&report), 4);
    }
    desk.ok(&["verify"]);
}

#[test]
fn a_re_exported_file_with_a_late_row_charges_only_that_row() {
    let desk = Desk::new();
    let rows = [sms(0, "k0"), sms(10, "k1"), sms(20, "k2")];
    desk.write("sms.csv", &csv(&rows));
    assert_eq!(*used(&replay(&desk, "sms.csv", &[])), 3);
    let late = [sms(0, "k0"), sms(5, "late"), sms(10, "k1"), sms(20, "k2")];
    desk.write("sms.csv", &csv(&late));
    let output = desk.run(&[&["replay", "sms.csv", "--json"][..], &SMALL].concat());
    let note = "cotas: this is another file than one that begins alike and was decided before: it \
                was decided from its start for 1 tenant\n";
    assert_eq!(stderr(&output), note);
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(*used(&report), 4);
    assert_eq!((&report["decided"], &report["repeated"]), (&json!(4), &json!(3)));
    // And once more: now nothing of it is new.
    let report = replay(&desk, "sms.csv", &[]);
    assert_eq!((&report["decided"], &report["decided_before"]), (&json!(0), &json!(4)));
    // It grows.
    let grown = [&late[..], &[sms(30, "k3")]].concat();
    desk.write("sms.csv", &csv(&grown));
    let report = replay(&desk, "sms.csv", &[]);
    assert_eq!((&report["decided"], &report["decided_before"]), (&json!(1), &json!(4)));
    assert_eq!(*used(&report), 5);
}

#[test]
fn a_corrected_file_is_not_half_skipped() {
    let desk = Desk::new();
    let message = |second: u64, contact: &str| {
        format!("{},loja,receive_message,{contact},,", START_S + second)
    };
    desk.write("day.csv", &csv(&[message(0, "a"), message(1, "a"), message(2, "a")]));
    let opened = |report: &Value| report["total"]["opened"].clone();
    assert_eq!(opened(&replay(&desk, "day.csv", &[])), 1);
    // The second line was of another contact.
    desk.write("day.csv", &csv(&[message(0, "a"), message(1, "b"), message(2, "a")]));
    let report = replay(&desk, "day.csv", &[]);
    assert_eq!((&report["decided"], opened(&report)), (&json!(3), json!(1)));
    let sessions = &report["tenants"]["loja"]["balances"]["sessions"];
    assert_eq!(sessions["used"], 2, "a and b, once each");
}

#[test]
fn line_endings_blank_lines_and_packing_do_not_make_another_file() {
    let desk = Desk::new();
    let text = csv(&[sms(0, ""), sms(1, "")]);
    desk.write("sms.csv", &text);
    assert_eq!(replay(&desk, "sms.csv", &[])["decided"], 2);
    desk.write("sms.csv", &format!("\u{feff}{}", text.replace('\n', "\r\n\r\n")));
    assert_eq!(replay(&desk, "sms.csv", &[])["decided_before"], 2);
    let file = std::fs::File::create(desk.path("sms.csv.gz")).expect("made");
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    packed.write_all(text.as_bytes()).expect("packed");
    packed.finish().expect("packed");
    assert_eq!(replay(&desk, "sms.csv.gz", &[])["decided_before"], 2);
    let piped = desk.run_with(&text, &[&["replay", "-", "--json"][..], &SMALL].concat());
    let report: Value = serde_json::from_str(&stdout(&piped)).expect("JSON");
    assert_eq!((&report["decided_before"], used(&report)), (&json!(2), &json!(2)));
}

#[test]
fn help_desks_export_in_many_dialects() {
    for (name, text) in [
        ("semicolons", "at;tenant;action;quantity\n1779278400;loja;send_sms;1\n"),
        ("tabs", "at\ttenant\taction\n1779278400\tloja\tsend_sms\n"),
        ("capitals", "\u{feff}At,Tenant,Action\r\n1779278400,loja,send_sms\r\n"),
        ("further", "at,tenant,action,text\n1779278400,loja,send_sms,\"oi,\n\ntudo\"\n"),
        ("fraction", "at,tenant,action\n1779278400.123,loja,send_sms\n"),
        ("milliseconds", "at,tenant,action\n1779278400123,loja,send_sms\n"),
        ("PostgreSQL", "at,tenant,action\n2026-05-20 12:00:00.5+00,loja,send_sms\n"),
        ("Rails", "at,tenant,action\n2026-05-20 12:00:00 UTC,loja,send_sms\n"),
        ("offset", "at,tenant,action\n2026-05-20T12:00:00.000+0000,loja,send_sms\n"),
        ("decimals", "at,tenant,action,quantity\n1779278400,loja,send_sms,1.0\n"),
    ] {
        let desk = Desk::new();
        desk.write("t.csv", text);
        let report = replay(&desk, "t.csv", &[]);
        assert_eq!((&report["decided"], used(&report)), (&json!(1), &json!(1)), "{name}");
        assert_eq!(report["malformed"], 0, "{name}");
    }
}

#[test]
fn names_of_the_file_are_mapped() {
    let desk = Desk::new();
    desk.write(
        "messages.csv",
        "created_at;account;direction;phone\n\
         20/05/2026 09:00:00;7;incoming;a\n\
         2026-05-20 09:00:00;7;incoming;a\n\
         2026-05-20 09:00:01;7;note;a\n\
         2026-05-20 09:00:02;8;incoming;b\n",
    );
    let maps = [
        ["--map", "at=created_at"],
        ["--map", "tenant=account"],
        ["--map", "action=direction"],
        ["--map", "contact=Phone"],
        ["--map", "action:incoming=receive_message"],
        ["--map", "action:note=-"],
        ["--map", "tenant:7=padaria"],
        ["--times-in", "America/Sao_Paulo"],
    ];
    let report = replay(&desk, "messages.csv", &maps.concat());
    assert_eq!(report["tenants"]["padaria"]["opened"], 1, "{report}");
    assert_eq!(report["tenants"]["8"]["opened"], 1);
    assert_eq!(report["malformed_by_reason"], json!({ "time": 1 }));
    assert_eq!(report["passed_over"], json!({ "action": 1 }));
    assert_eq!(report["first_at"], "2026-05-20T12:00:00Z");
    // What all lines have in common is said once.
    desk.write("phones.csv", "at,contact\n1779278400,a\n");
    let common = ["--tenant", "loja", "--action", "receive_message"];
    assert_eq!(replay(&desk, "phones.csv", &common)["tenants"]["loja"]["opened"], 1);
}

#[test]
fn a_file_of_which_nothing_is_understood_fails_and_shows_no_personal_data() {
    let desk = Desk::new();
    for (text, expected) in [
        (
            "{\"text\":\"Oi\",\"from\":\"5500900000001\"}\n".repeat(3),
            [
                "none of the file's 3 lines holds an event that is known",
                "unknown_body: 3",
                "it begins: {\"from\":\"…\",\"text\":\"…\"}",
            ],
        ),
        (
            csv(&["20/05/2026,loja,send_sms,5500900000001,1,".to_owned()]),
            [
                "none of the file's 1 lines holds an event that is known",
                "time: 1",
                "it begins: ##/##/####,loja,send_sms,…,#,",
            ],
        ),
    ] {
        desk.write("t", &text);
        let output = desk.run(&[&["replay", "t", "--json"][..], &SMALL].concat());
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
        let complaints = stderr(&output);
        for expected in expected {
            assert!(complaints.contains(expected), "{complaints}");
        }
        assert_eq!(complaints.matches("what can be read: ").count(), 4, "{complaints}");
        assert!(!complaints.contains("55009"), "{complaints}");
    }
}

#[test]
fn a_file_without_a_header_that_is_known_fails_and_says_what_is_missing() {
    let desk = Desk::new();
    for (text, expected) in [
        ("", "there is no traffic, not even a header line"),
        ("at,tenant,contact\n", "the header lacks the column action"),
        ("1779278400,loja,send_sms,5500900000001\n", "the header lacks the column at"),
    ] {
        desk.write("t", text);
        let output = desk.run(&["replay", "t"]);
        let complaints = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{complaints}");
        assert!(complaints.starts_with(&format!("cotas: {expected}")), "{complaints}");
        assert_eq!(complaints.matches("what can be read: ").count(), 4, "{complaints}");
        assert!(!complaints.contains("55009"), "{complaints}");
    }
}

#[test]
fn malformed_lines_are_counted_by_reason() {
    let desk = Desk::new();
    let lines = [
        sms(0, ""),
        "yesterday,loja,send_sms,,1,".to_owned(),
        "2026-05-20 12:00:00,loja,send_sms,,1,".to_owned(),
        format!("{START_S},loja,dance,,1,"),
        format!("{START_S},loja,send_sms,,1.000,"),
        "7".to_owned(),
    ];
    desk.write("t.csv", &csv(&lines));
    let report = replay(&desk, "t.csv", &[]);
    assert_eq!(
        report["malformed_by_reason"],
        json!({ "time": 2, "unknown_action": 1, "quantity": 1, "not_a_record": 1 })
    );
    let text = desk.ok(&["replay", "t.csv"]);
    let last = "5 lines were passed over: not_a_record 1, time 2, quantity 1, unknown_action 1\n";
    assert!(text.ends_with(last), "{text}");
}
