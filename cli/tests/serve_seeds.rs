//! The routes of Voki as they stand (docs/sources.md, Voki): sign-up, Asaas, the plan report.
#![cfg(feature = "serve")]

mod common;

use std::fs;
use std::thread;

use common::Desk;
use common::http::{Answer, Served, token};
use serde_json::{Value, json};

const VOKI: &str = include_str!("../../examples/catalogs/voki.toml");
const JSON: &str = "Content-Type: application/json\r\n";

fn desk() -> Desk {
    let desk = Desk::empty();
    desk.write("voki.toml", VOKI);
    desk.ok(&["catalog", "load", "voki.toml"]);
    let set = desk.run_with("the-token-of-asaas", &["webhook-token", "asaas"]);
    assert!(set.status.success(), "{set:?}");
    let set = desk.run_with("pagarme:a-password", &["webhook-token", "pagarme"]);
    assert!(set.status.success(), "{set:?}");
    desk
}

fn post(served: &Served, path: &str, body: &Value) -> Answer {
    served.send(&format!("POST {path}"), JSON, body.to_string().as_bytes())
}

fn form() -> Value {
    json!({
        "company_name": "New Company",
        "document": "12.345.678/0001-95",
        "document_type": "cnpj",
        "admin_name": "Admin",
        "admin_email": "admin@newcompany.com",
        "admin_password": "securePassword123",
        "plan": "professional",
    })
}

/// An event of Asaas about the payment that has the reference.
fn event(number: u32, kind: &str, reference: &str) -> Vec<u8> {
    let payment = json!({
        "id": "pay_1", "customer": "cus_1", "value": 699.00, "billingType": "CREDIT_CARD",
        "status": "CONFIRMED", "dueDate": "2026-05-20", "externalReference": reference,
    });
    let id = format!("evt_05b708f961d739ea7eba7e4db318f621&{number}");
    let event = json!({
        "id": id, "event": kind, "dateCreated": "2026-05-20 10:00:00", "payment": payment,
    });
    event.to_string().into_bytes()
}

fn deliver(served: &Served, token: &str, body: &[u8]) -> Answer {
    let headers = format!("{JSON}asaas-access-token: {token}\r\n");
    served.send("POST /api/webhooks/asaas", &headers, body)
}

#[test]
fn a_document_is_validated_and_the_documents_own_is_refused() {
    let desk = desk();
    let served = Served::start(&desk, &["--signup"]);
    let path = "/api/signup/validate-document";
    let body = |number: &str| json!({ "document": number, "document_type": "cnpj" });
    let valid = post(&served, path, &body("12.345.678/0001-95"));
    assert_eq!(valid.status, 200, "{valid:?}");
    assert_eq!(valid.json()["data"]["document"], "12345678000195");
    assert_eq!(post(&served, path, &body("12.345.678/0001-90")).status, 422);
    assert_eq!(post(&served, "/api/signup/register", &form()).status, 201);
    assert_eq!(post(&served, path, &body("12.345.678/0001-95")).status, 409, "it is in use");
    let wrong = post(&served, path, &json!({ "document": "1", "document_type": "rg" }));
    assert_eq!((wrong.status, &wrong.json()["field"]), (400, &json!("document_type")));
}

#[test]
fn a_password_is_accepted_and_stored_nowhere() {
    let desk = desk();
    let served = Served::start(&desk, &["--signup"]);
    let registered = post(&served, "/api/signup/register", &form());
    assert_eq!(registered.status, 201, "{registered:?}");
    let data = &registered.json()["data"];
    assert_eq!((&data["tenant"], &data["status"]), (&json!("new-company"), &json!("pending")));
    assert!(data["login"].to_string().contains("host"), "{data}");
    let again = post(&served, "/api/signup/register", &form());
    assert_eq!((again.status, &again.json()["errors"][0]["field"]), (422, &json!("document")));
    let mut bad = form();
    bad["admin_email"] = json!("no-address");
    bad["document"] = json!("12.345.678/0001-90");
    bad["plan"] = json!("huge");
    let errors = post(&served, "/api/signup/register", &bad).json()["errors"].clone();
    let fields: Vec<_> = errors.as_array().expect("a list").iter().map(|it| &it["field"]).collect();
    assert_eq!(fields, ["document", "admin_email", "plan"], "{errors}");

    assert!(!served.log().contains("newcompany"), "{}", served.log());
    drop(served);
    for file in fs::read_dir(desk.path(".")).expect("is read") {
        let bytes = fs::read(file.expect("a file").path()).expect("is read");
        let has = |text: &[u8]| bytes.windows(text.len()).any(|it| it == text);
        assert!(!has(b"securePassword123"));
    }
}

#[test]
fn sign_up_is_there_only_where_it_is_switched_on() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    assert_eq!(post(&served, "/api/signup/register", &form()).status, 404);
    assert_eq!(desk.json(&["tenant", "list"]), json!([]));
}

#[test]
fn an_event_sent_twice_out_of_order_and_to_two_servers_has_one_effect() {
    let desk = desk();
    let one = Served::start(&desk, &["--quiet", "--signup"]);
    let two = Served::start(&desk, &["--quiet"]);
    let data = post(&one, "/api/signup/register", &form()).json()["data"].clone();
    let reference = data["invoice"]["reference"].as_str().expect("a reference").to_owned();
    let body = event(2, "PAYMENT_CONFIRMED", &reference);
    for wrong in ["", "the-token-of-asaaz"] {
        assert_eq!(deliver(&one, wrong, &body).status, 401);
    }
    let outcomes: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (served, body) = (if number % 2 == 0 { &one } else { &two }, &body);
                scope.spawn(move || deliver(served, "the-token-of-asaas", body))
            })
            .collect();
        let answers = threads.into_iter().map(|it| it.join().expect("no panic"));
        answers.map(|it| it.json()["outcome"].as_str().expect("a text").to_owned()).collect()
    });
    assert_eq!(outcomes.iter().filter(|it| *it == "applied").count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|it| *it == "duplicate").count(), 7, "{outcomes:?}");

    // It was received before it was confirmed, and overdue before that.
    for (number, kind) in [(3, "PAYMENT_RECEIVED"), (1, "PAYMENT_OVERDUE"), (9, "PAYMENT_XYZ")] {
        let later = deliver(&two, "the-token-of-asaas", &event(number, kind, &reference));
        assert_eq!(later.status, 200, "{later:?}");
        assert_ne!(later.json()["status"], "overdue", "{later:?}");
    }
    let manager = token(&desk, "manager", Some("new-company"));
    let report = two.send(
        "GET /api/v1/billing/plan",
        &format!("Authorization: Bearer {manager}\r\nX-Tenant: new-company\r\n"),
        b"",
    );
    let data = report.json()["data"].clone();
    assert_eq!((&data["plan"], &data["status"]), (&json!("professional"), &json!("active")));
    assert_eq!((&data["max_users"], &data["usage"]["active_users"]), (&json!(50), &json!(1)));
    let invoices =
        one.post("/api/v1/operations/invoices", &manager, &json!({"tenant": "new-company"}));
    let invoices = invoices.json();
    let paid = invoices.as_array().expect("a list").iter().filter(|it| it["status"] == "paid");
    assert_eq!(paid.count(), 1, "{invoices}");
    let trail = desk.json(&["audit", "new-company"]);
    let actors: Vec<_> = trail.as_array().expect("a list").iter().map(|it| &it["actor"]).collect();
    assert_eq!(actors, [&Value::Null, &json!("gateway asaas"), &json!("http")], "{trail}");
}

#[test]
fn pagarme_authenticates_with_user_and_password() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let body = br#"{"id":"hook_1","type":"unknown.event","data":{"id":"x"}}"#;
    let send = |headers: &str| served.send("POST /api/webhooks/pagarme", headers, body);
    assert_eq!(send("").status, 401);
    // "pagarme:wrong", then "pagarme:a-password".
    assert_eq!(send("Authorization: Basic cGFnYXJtZTp3cm9uZw==\r\n").status, 401);
    let right = send("Authorization: Basic cGFnYXJtZTphLXBhc3N3b3Jk\r\n");
    assert_ne!(right.status, 401, "{right:?}");
}
