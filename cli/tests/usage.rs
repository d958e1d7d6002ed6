//! What a tenant used and was denied: in the terminal, for programs, and as a drawing.

mod common;

use std::fs;

use common::Desk;
use roxmltree::Document;
use serde_json::{Value, json};

/// Two sessions of 20 May in Sao Paulo; the next day finds none left, but sends text messages.
const TRAFFIC: &str = "at,tenant,action,channel,contact,quantity\n\
    2026-05-20T22:00:00-03:00,padaria,receive_message,w,a,\n\
    2026-05-21T02:30:00Z,padaria,receive_message,w,b,\n\
    2026-05-21T00:30:00-03:00,padaria,receive_message,w,c,\n\
    2026-05-21T01:30:00-03:00,padaria,send_sms,w,c,4\n";

fn add(desk: &Desk, tenant: &str, options: &[&str]) {
    let plan = ["--plan", "small", "--first-due", "2026-06-10"];
    let at = ["--at", "2026-05-01T08:00:00-03:00"];
    desk.ok(&[&["tenant", "add", tenant][..], &plan, &at, options].concat());
}

fn desk() -> Desk {
    let desk = Desk::new();
    add(&desk, "padaria", &[]);
    desk.write("traffic.csv", TRAFFIC);
    desk.ok(&["replay", "traffic.csv"]);
    desk
}

fn usage(desk: &Desk, options: &[&str]) -> Value {
    desk.json(&[&["usage", "padaria"][..], options].concat())
}

/// The labels of the lines of a report.
fn labels(report: &Value) -> Vec<&str> {
    let lines = report.as_array().expect("lines");
    lines.iter().map(|line| line["from"].as_str().expect("a label")).collect()
}

/// All texts of a drawing.
fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("well-formed XML");
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap_or_default().trim().to_owned()).collect()
}

fn drawn(desk: &Desk, tenant: &str, options: &[&str]) -> String {
    let draw = [&["usage", tenant, "--svg", "usage.svg"][..], options].concat();
    assert_eq!(desk.ok(&draw), "wrote usage.svg\n");
    fs::read_to_string(desk.path("usage.svg")).expect("it was written")
}

#[test]
fn usage_is_summed_up_in_the_tenant_s_zone() {
    let desk = desk();
    let exhausted = json!({ "quota_exhausted": 1 });
    assert_eq!(
        usage(&desk, &[]),
        json!([
            {
                "from": "2026-05-20",
                "start": "2026-05-20T03:00:00Z",
                "end": "2026-05-21T03:00:00Z",
                "used": { "sessions": 2 },
                "denied": {},
            },
            {
                "from": "2026-05-21",
                "start": "2026-05-21T03:00:00Z",
                "end": "2026-05-22T03:00:00Z",
                "used": { "sms": 4 },
                "denied": exhausted,
            },
        ])
    );
    let hours = usage(&desk, &["--by", "hour"]);
    assert_eq!(
        labels(&hours),
        [
            "2026-05-20T22:00:00-03:00",
            "2026-05-20T23:00:00-03:00",
            "2026-05-21T00:00:00-03:00",
            "2026-05-21T01:00:00-03:00",
        ]
    );
    assert_eq!(hours[3]["end"], "2026-05-21T05:00:00Z");
    let months = usage(&desk, &["--by", "month"]);
    assert_eq!(labels(&months), ["2026-05"]);
    assert_eq!(months[0]["used"], json!({ "sessions": 2, "sms": 4 }));
    assert_eq!(months[0]["denied"], exhausted);
}

#[test]
fn an_hour_counts_for_the_day_in_which_it_begins() {
    let desk = Desk::new();
    add(&desk, "padaria", &["--time-zone", "Asia/Kathmandu"]);
    // Half past midnight in Kathmandu lies in the hour that begins at a quarter to.
    desk.write(
        "traffic.csv",
        "at,tenant,action,channel,contact,quantity\n\
         2026-05-21T00:30:00+05:45,padaria,send_sms,w,a,1\n\
         2026-05-21T00:45:00+05:45,padaria,send_sms,w,a,2\n",
    );
    desk.ok(&["replay", "traffic.csv"]);
    let days = usage(&desk, &[]);
    assert_eq!(labels(&days), ["2026-05-20", "2026-05-21"]);
    assert_eq!((&days[0]["used"]["sms"], &days[1]["used"]["sms"]), (&json!(1), &json!(2)));
    assert_eq!(usage(&desk, &["--since", "2026-05-21"])[0]["used"]["sms"], 2);
    assert_eq!(usage(&desk, &["--until", "2026-05-20"])[0]["used"]["sms"], 1);
}

#[test]
fn a_part_of_the_history_is_shown_when_asked() {
    let desk = desk();
    let shown = |options: &[&str]| -> Vec<String> {
        let report = usage(&desk, options);
        labels(&report).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(shown(&["--since", "2026-05-21"]), ["2026-05-21"]);
    assert_eq!(shown(&["--until", "2026-05-20"]), ["2026-05-20"]);
    assert_eq!(shown(&["--since", "2026-05-20", "--until", "2026-05-21"]).len(), 2);
    assert!(shown(&["--since", "2026-05-22"]).is_empty());
    assert!(shown(&["--since", "2026-05-21", "--until", "2026-05-20"]).is_empty());
    // Hours that begin within the time.
    let hours = ["--by", "hour", "--since", "2026-05-20T22:00:00.001-03:00"];
    assert_eq!(shown(&hours).len(), 3);
    let hours = ["--by", "hour", "--until", "2026-05-20T23:00:00-03:00"];
    assert_eq!(shown(&hours), ["2026-05-20T22:00:00-03:00"]);
    let hours = ["--by", "hour", "--until", "2026-05-20T23:00:00.001-03:00"];
    assert_eq!(shown(&hours).len(), 2);

    assert_eq!(shown(&["--resource", "sms"]), ["2026-05-21"]);
    assert_eq!(usage(&desk, &["--resource", "sms"])[0]["denied"], json!({}));
    assert_eq!(shown(&["--resource", "sms", "--resource", "sessions"]).len(), 2);
    let mistyped = desk.failure(&["usage", "padaria", "--resource", "session"]);
    assert!(mistyped.contains("unknown resource \"session\""), "{mistyped}");
}

#[test]
fn the_terminal_shows_bars() {
    let desk = desk();
    let text = desk.ok(&["usage", "padaria"]);
    for part in [
        "padaria by day in America/Sao_Paulo\n",
        "\nsessions: 2 used, 1 denied\n",
        "\nsms: 4 used\n",
        "│ 2026-05-20 ┆ ████",
        "quota_exhausted",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    add(&desk, "oficina", &[]);
    assert_eq!(desk.ok(&["usage", "oficina"]), "nothing was used or denied\n");
    assert_eq!(desk.json(&["usage", "oficina"]), json!([]));
}

#[test]
fn a_drawing_names_what_it_shows() {
    let desk = desk();
    let svg = drawn(&desk, "padaria", &[]);
    let shown = texts(&svg);
    for text in [
        "padaria",
        "usage by day, 2026-05-20 to 2026-05-21 (America/Sao_Paulo)",
        "used",
        "sessions 2",
        "sms 4",
        "denied",
        "quota_exhausted 1",
        "2026-05-20",
        "2026-05-21",
    ] {
        assert!(shown.iter().any(|it| it == text), "{text}: {shown:?}");
    }
    // The one that is there is replaced.
    let sms = texts(&drawn(&desk, "padaria", &["--resource", "sms", "--by", "hour"]));
    assert!(sms.iter().any(|it| it == "05-21 01:00"), "{sms:?}");
    assert!(!sms.iter().any(|it| it.contains("sessions") || it == "denied"), "{sms:?}");
    assert_eq!(usage(&desk, &["--svg", "usage.svg"]), json!({ "svg": "usage.svg" }));
    let nowhere = desk.failure(&["usage", "padaria", "--svg", "no/where.svg"]);
    assert!(nowhere.starts_with("cannot write no/where.svg: "), "{nowhere}");
}

#[test]
fn a_drawing_of_nothing_says_so() {
    let desk = desk();
    add(&desk, "oficina", &[]);
    let shown = texts(&drawn(&desk, "oficina", &[]));
    assert!(shown.iter().any(|it| it == "nothing was used or denied"), "{shown:?}");
    assert!(shown.iter().any(|it| it == "oficina"), "{shown:?}");
}

#[test]
fn whatever_a_tenant_is_called_the_drawing_is_well_formed() {
    let desk = Desk::new();
    let longest = "W".repeat(128);
    for (name, shown_as) in [
        ("<b>&amp;\"Pão & Cia'\"</b>", "<b>&amp;\"Pão & Cia'\"</b>"),
        ("]]><!-- a", "]]><!-- a"),
        ("one and\u{ffff}none", "one and\u{fffd}none"),
        (&longest, &longest),
    ] {
        add(&desk, name, &[]);
        let shown = texts(&drawn(&desk, name, &[]));
        assert!(shown.iter().any(|it| it == shown_as), "{shown:?}");
    }
}

#[test]
fn a_drawing_has_its_limits() {
    let desk = desk();
    // No more than 400 days at a time are believed.
    desk.write(
        "later.csv",
        "at,tenant,action,channel,contact,quantity\n\
         2027-02-01T00:00:00Z,padaria,send_sms,w,a,1\n\
         2027-08-01T00:00:00Z,padaria,send_sms,w,a,1\n",
    );
    desk.ok(&["replay", "later.csv"]);
    let hours = desk.failure(&["usage", "padaria", "--svg", "usage.svg", "--by", "hour"]);
    assert!(hours.starts_with("a chart has capacity for 10000 hours, not for 10"), "{hours}");
    let days = drawn(&desk, "padaria", &[]);
    assert!(texts(&days).iter().any(|it| it == "2026-05-20"));
}
