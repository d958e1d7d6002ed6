//! `cotas webhook` and what `cotas serve` sends, as a receiver sees it.
#![cfg(feature = "serve")]
#![allow(clippy::indexing_slicing)] // What is missing fails the test.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::Desk;
use common::http::{Served, token};
use ring::hmac;
use serde_json::{Value, json};

/// A request that a receiver got.
#[derive(Debug)]
struct Got {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Whether it was signed with this secret, as any implementation of Standard Webhooks checks.
    fn is_signed_with(&self, secret: &str) -> bool {
        let secret = STANDARD.decode(secret.strip_prefix("whsec_").expect("its prefix"));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.expect("base64"));
        let [id, at] = ["webhook-id", "webhook-timestamp"].map(|name| &self.headers[name]);
        let tag = hmac::sign(&key, format!("{id}.{at}.{}", self.body).as_bytes());
        self.headers["webhook-signature"] == format!("v1,{}", STANDARD.encode(tag))
    }
}

/// A receiver that answers each request with the next of these statuses, and with 200 after them.
fn receiver(statuses: &'static [u16]) -> (String, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let url = format!("http://{}/hooks?of=cotas", listener.local_addr().expect("has one"));
    let (to, got) = channel();
    thread::spawn(move || {
        let mut statuses = statuses.iter();
        for stream in listener.incoming().map_while(Result::ok) {
            take(stream, *statuses.next().unwrap_or(&200), &to);
        }
    });
    (url, got)
}

fn take(mut stream: TcpStream, status: u16, to: &Sender<Got>) {
    let mut reader = BufReader::new(stream.try_clone().expect("is one"));
    let mut line = String::new();
    let mut headers = BTreeMap::new();
    while reader.read_line(&mut line).is_ok_and(|it| it > 2) {
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        line.clear();
    }
    let length = headers.get("content-length").map_or(0, |it| it.parse().expect("a number"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("is read");
    let _ = to.send(Got { headers, body: String::from_utf8(body).expect("UTF-8") });
    let answer = format!(
        "HTTP/1.1 {status} x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    );
    let _ = stream.write_all(answer.as_bytes());
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.ok(&["tenant", "add", "acme", "--plan", "big", "--first-due", "2027-12-10"]);
    desk
}

fn add(desk: &Desk, url: &str) -> (i64, String) {
    let added = desk.json(&["webhook", "add", url]);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (added["id"].as_i64().expect("a number"), text(&added["secret"]))
}

fn suspend(desk: &Desk) {
    desk.ok(&["tenant", "status", "acme", "suspended", "--reason", "debt"]);
}

fn next(got: &Receiver<Got>) -> Got {
    got.recv_timeout(Duration::from_mins(1)).expect("something comes")
}

/// Waits until a webhook is listed as it should be.
fn until(desk: &Desk, is_so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let listed = desk.json(&["webhook", "list"])[0].clone();
        if is_so(&listed) {
            return listed;
        }
        assert!(Instant::now() < end, "{listed}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_event_is_sent_once_signed_by_whichever_of_two_servers() {
    let desk = desk();
    let (url, got) = receiver(&[]);
    let (_, secret) = add(&desk, &url);
    let servers = [0, 1].map(|_| Served::start(&desk, &["--webhooks-inside"]));
    suspend(&desk);
    let first = next(&got);
    assert!(first.is_signed_with(&secret), "{first:?}");
    assert!(!first.is_signed_with("whsec_AAAA"));
    let event = first.json();
    assert_eq!((&event["tenant"], &event["kind"]), (&json!("acme"), &json!("status_changed")));
    assert_eq!(event["details"], json!({ "from": "active", "to": "suspended" }));
    assert_eq!(first.headers["webhook-id"], format!("event-{}", event["sequence"]));
    assert_eq!(first.headers["content-type"], "application/json");
    until(&desk, |it| it["waiting"] == 0);
    let again = got.recv_timeout(Duration::from_millis(2_500));
    assert!(again.is_err(), "it was sent twice: {again:?}");
    let events = desk.json(&["events"]);
    assert_eq!(events.as_array().map(Vec::len), Some(1), "the host still has it: {events}");
    let secret = secret.strip_prefix("whsec_").expect("its prefix");
    for served in &servers {
        assert!(!served.log().contains(secret), "{}", served.log());
    }
}

#[test]
fn what_fails_is_sent_again_and_what_is_gone_is_a_dead_letter() {
    let desk = desk();
    // A redirect is not followed: nothing listens where it leads, and it counts as a failure.
    let (url, got) = receiver(&[302, 410]);
    let (id, _) = add(&desk, &url);
    let served = Served::start(&desk, &["--webhooks-inside"]);
    suspend(&desk);
    let first = next(&got);
    let failed = until(&desk, |it| it["failure"] != Value::Null);
    assert_eq!((&failed["failure"], &failed["waiting"]), (&json!("it answered 302"), &json!(1)));
    let second = next(&got);
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"], "to deduplicate by");
    assert_eq!(first.body, second.body);
    until(&desk, |it| it["dead"] == 1);
    let dead = desk.json(&["webhook", "dead"]);
    assert_eq!((&dead[0]["attempts"], &dead[0]["event"]), (&json!(2), &first.json()));
    desk.ok(&["webhook", "resend", &id.to_string()]);
    assert_eq!(next(&got).body, first.body);
    until(&desk, |it| it["waiting"] == 0 && it["dead"] == 0);
    let page = served.get("/metrics", &token(&desk, "viewer", None)).text;
    for (outcome, count) in [("failed", 1), ("gone", 1), ("delivered", 1)] {
        let line = format!("cotas_webhook_attempts_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(page.contains(&line), "{line}: {page}");
    }
    assert!(page.contains(&format!("cotas_webhook_events_dead{{webhook=\"{id}\"}} 0\n")), "{page}");
}

#[test]
fn nothing_is_sent_to_the_inside_unless_the_operator_says_so() {
    let desk = desk();
    let (url, got) = receiver(&[]);
    add(&desk, &url);
    let _served = Served::start(&desk, &["--quiet"]);
    suspend(&desk);
    let failed = until(&desk, |it| it["failure"] != Value::Null);
    assert_eq!(failed["failure"], "http is not allowed; use https");
    assert!(got.try_recv().is_err(), "something was sent");
    let metadata = "http://169.254.169.254/latest/meta-data";
    desk.ok(&["webhook", "remove", &failed["id"].to_string()]);
    add(&desk, metadata);
    let _inside = Served::start(&desk, &["--quiet", "--webhooks-inside"]);
    desk.ok(&["tenant", "status", "acme", "active", "--reason", "paid"]);
    let refused = until(&desk, |it| it["failure"] != Value::Null);
    let why = refused["failure"].as_str().expect("text");
    assert!(
        why.contains("http is not allowed") || why.contains("no address that is allowed"),
        "{why}"
    );
}

#[test]
fn a_webhook_is_named_by_its_number_and_its_secret_shown_once() {
    let desk = desk();
    assert_eq!(desk.ok(&["webhook", "list"]), "no webhooks\n");
    let (id, secret) = add(&desk, "https://example.com/hooks");
    let number = id.to_string();
    let again = desk.failure(&["webhook", "add", "https://example.com/hooks"]);
    assert!(again.contains("webhook 1 has it already"), "{again}");
    let rotated = desk.json(&["webhook", "rotate", &number])["secret"].clone();
    assert_ne!(rotated, json!(secret));
    let shown = desk.ok(&["webhook", "list"]) + &desk.ok(&["audit"]);
    assert!(!shown.contains("whsec_"), "{shown}");
    assert!(shown.contains("https://example.com/hooks"), "{shown}");
    for change in ["rotate", "remove"] {
        let unknown = desk.failure(&["webhook", change, "9"]);
        assert!(unknown.contains("there is no webhook 9"), "{unknown}");
    }
    assert_eq!(desk.ok(&["webhook", "dead"]), "no dead letters\n");
    desk.ok(&["webhook", "remove", &number]);
    assert_eq!(desk.json(&["webhook", "list"]), json!([]));
}
