//! Reading over HTTP: what a client has already, lists page by page, and whose invoice it is.
#![cfg(feature = "serve")]

mod common;

use std::io::Write;

use common::Desk;
use common::http::{Served, read_answer, token};
use serde_json::json;

fn desk() -> Desk {
    let desk = Desk::new();
    for name in ["acme", "beta", "delta", "gamma"] {
        desk.ok(&["tenant", "add", name, "--plan", "small", "--first-due", "2027-12-10"]);
    }
    desk
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[test]
fn what_a_client_has_already_is_not_sent_again_until_it_changes() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let manager = token(&desk, "manager", Some("acme"));
    let get = |known: &str| {
        let headers = format!("Authorization: Bearer {manager}\r\n{known}");
        served.send("GET /api/v1/billing/plan", &headers, b"")
    };
    let first = get("");
    let tag = header(&first.head, "etag").expect("a tag").to_owned();
    assert_eq!(header(&first.head, "cache-control"), Some("private, no-cache"));
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let again = get(&format!("If-None-Match: {known}\r\n"));
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{known}");
        assert_eq!(header(&again.head, "etag"), Some(tag.as_str()));
    }
    assert_eq!(get("If-None-Match: \"other\"\r\n").text, first.text);
    desk.ok(&["tenant", "status", "acme", "suspended", "--reason", "debt"]);
    let changed = get(&format!("If-None-Match: {tag}\r\n"));
    assert_eq!(changed.status, 200);
    assert_ne!(header(&changed.head, "etag"), Some(tag.as_str()));
    let unknown = served.get("/api/v1/nothing", &manager);
    assert_eq!(header(&unknown.head, "cache-control"), Some("no-store"));
}

#[test]
fn tenants_are_listed_page_by_page() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let manager = token(&desk, "manager", None);
    let list = |page| served.post("/api/v1/operations/tenants", &manager, &page);
    assert_eq!(list(json!({ "most": 2 })).json(), json!(["acme", "beta"]));
    assert_eq!(list(json!({ "most": 2, "after": "beta" })).json(), json!(["delta", "gamma"]));
    assert_eq!(list(json!({ "after": "gamma" })).json(), json!([]));
    assert_eq!(list(json!({})).json().as_array().map(Vec::len), Some(4));
    for most in [0, 10_001] {
        let refused = list(json!({ "most": most }));
        assert_eq!((refused.status, &refused.json()["field"]), (400, &json!("most")));
    }
}

#[test]
fn a_token_of_a_tenant_opens_its_own_invoices_and_no_others() {
    let desk = desk();
    let invoice = |name: &str| {
        let lines = json!([{ "title": "Set-up", "amount_cents": 500 }]);
        let arguments = json!({ "tenant": name, "due": "2027-12-10", "lines": lines });
        desk.json(&["call", "create_invoice", &arguments.to_string()]).as_i64().expect("a number")
    };
    let (own, anothers) = (invoice("acme"), invoice("beta"));
    let served = Served::start(&desk, &["--quiet"]);
    let reseller = token(&desk, "reseller", Some("acme"));
    let call = |name: &str, arguments| {
        served.post(&format!("/api/v1/operations/{name}"), &reseller, &arguments)
    };
    let [refused, unknown] = [anothers, 999].map(|it| call("mark_paid", json!({ "invoice": it })));
    assert_eq!((refused.status, unknown.status), (403, 403));
    assert_eq!(refused.text, unknown.text, "whether there is such an invoice makes no difference");
    assert_eq!(call("tenant_of_invoice", json!({ "invoice": anothers })).status, 403);
    let assign = json!({ "gateway": "asaas", "payment": "p", "invoice": own });
    assert_eq!(call("assign_payment", assign).status, 403, "whose money is it?");
    assert_eq!(call("mark_paid", json!({ "invoice": own })).status, 200);
    let status = |name, invoice: i64| {
        let invoices = desk.json(&["invoices", name]);
        let found = invoices.as_array().expect("a list").iter().find(|it| it["id"] == invoice);
        found.expect("is listed")["status"].clone()
    };
    let found = (status("acme", own), status("beta", anothers));
    assert_eq!(found, (json!("paid"), json!("pending")));
    let manager = token(&desk, "manager", Some("acme"));
    let paid = served.post("/api/v1/operations/mark_paid", &manager, &json!({ "invoice": own }));
    assert_eq!(paid.status, 403, "a manager does not pay its own invoices");
}

#[test]
fn a_client_that_reads_nothing_keeps_no_connection() {
    let desk = Desk::new();
    desk.ok(&["tenant", "add", "acme", "--plan", "small", "--first-due", "2027-12-10"]);
    let served = Served::start(&desk, &["--quiet", "--write-timeout", "1s", "--connections", "1"]);
    let mut greedy = served.connect();
    // Many answers that are not read, on one connection: more than the system keeps.
    let request = b"GET /openapi.json HTTP/1.1\r\nHost: cotas\r\n\r\n";
    greedy.set_write_timeout(Some(std::time::Duration::from_secs(3))).expect("is set");
    while greedy.write_all(request).is_ok() {}
    // There is one place for connections, and it is free again.
    let mut other = served.connect();
    let last = b"GET /healthz HTTP/1.1\r\nHost: cotas\r\nConnection: close\r\n\r\n";
    other.write_all(last).expect("is sent");
    assert_eq!(read_answer(&mut other).expect("is answered").status, 200);
}
