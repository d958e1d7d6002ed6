//! `cotas serve`, as clients see it: who may ask for what, decisions, what clients do wrong, and
//! what becomes of it all when the process is killed.
#![cfg(feature = "serve")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::Desk;
use common::http::{Answer, Served, read_answer, sms, token};
use cotas::control::{self, Effect};
use cotas::{AccessRole, Engine};
use cotas_server::{Method, Needs, ROUTES, Route};
use serde_json::{Value, json};

/// A database in which `acme` is on the big plan and `other` on the small one.
fn desk() -> Desk {
    let desk = Desk::new();
    for (name, plan) in [("acme", "big"), ("other", "small")] {
        desk.ok(&["tenant", "add", name, "--plan", plan, "--first-due", "2027-12-10"]);
    }
    desk
}

/// Where a matrix of the documents begins and ends.
const MATRIX: (&str, &str) = ("<!-- routes -->\n", "<!-- end of routes -->");

fn row(route: &Route) -> String {
    let (who, tenant) = match route.needs {
        Needs::Nothing => ("everybody", ""),
        Needs::GatewayToken => ("the gateway", ""),
        Needs::Tenant(role) | Needs::Invoice(role) => (role.code(), "its own"),
        Needs::EveryTenant(role) => (role.code(), "every"),
    };
    let key = if route.takes_key { "yes" } else { "" };
    let (method, path) = (route.method.name(), route.path);
    format!("| `{method} {path}` | {who} | {tenant} | {key} |\n")
}

/// Who may call the operations of the control plane: what is not the rule is named.
fn of_operations() -> String {
    let mut exceptions = [(AccessRole::Viewer, Vec::new()), (AccessRole::Platform, Vec::new())];
    let mut of_managers = Vec::new();
    for route in ROUTES.iter() {
        let (Some(operation), Some(role)) = (route.operation, route.needs.role()) else { continue };
        let reads = operation.effect == Effect::Reads;
        let by_effect = if reads { AccessRole::Manager } else { AccessRole::Reseller };
        if role == AccessRole::Manager && !reads {
            of_managers.push(format!("`{}`", operation.name));
            continue;
        }
        match exceptions.iter_mut().find(|(of, _)| *of == role) {
            Some((_, names)) => names.push(format!("`{}`", operation.name)),
            None => assert_eq!(role, by_effect, "{}", operation.name),
        }
    }
    let offered = |name: &str| {
        ROUTES.iter().any(|it| it.operation.is_some_and(|offered| offered.name == name))
    };
    let left_out = control::operations().filter(|it| !offered(it.name));
    let left_out: Vec<_> = left_out.map(|it| format!("`{}`", it.name)).collect();
    let [viewer, platform] = exceptions.map(|(_, names)| names.join(", "));
    let rows = [
        (viewer.as_str(), "viewer"),
        (&format!("every other one that reads; {}", of_managers.join(", ")), "manager"),
        ("every other one that changes something", "reseller"),
        (&platform, "platform"),
        (&left_out.join(", "), "not offered"),
    ]
    .map(|(names, role)| format!("| {names} | {role} |\n"));
    format!("\n| operations | role |\n|---|---|\n{}\n", rows.concat())
}

#[test]
fn the_matrix_of_the_documents_is_that_of_the_routes() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/serve.md");
    let text = fs::read_to_string(&page).expect("is there");
    let (before, rest) = text.split_once(MATRIX.0).expect("its beginning");
    let (found, after) = rest.split_once(MATRIX.1).expect("its end");
    let written = ROUTES.iter().filter(|it| it.operation.is_none());
    let head = "| route | role | tenant | key |\n|---|---|---|---|\n".to_owned();
    let expected =
        "\n".to_owned() + &head + &written.map(row).collect::<String>() + &of_operations();
    if std::env::var_os("COTAS_WRITE_DOCS").is_some() {
        let text = format!("{before}{}{expected}{}{after}", MATRIX.0, MATRIX.1);
        fs::write(&page, text).expect("written");
    } else {
        assert_eq!(found, expected, "write it with COTAS_WRITE_DOCS=1");
    }
}

/// Asks for a route as well as can be without knowing what it takes.
fn ask(served: &Served, route: &Route, token: &str, tenant: &str) -> Answer {
    let path = route.path.replace("{tenant}", tenant);
    let names = |it: &cotas::control::Operation| it.arguments.iter().any(|it| it.name == "tenant");
    let body = match route.operation {
        Some(operation) if names(operation) => json!({ "tenant": tenant }),
        _ => json!({}),
    };
    let headers = format!(
        "Authorization: Bearer {token}\r\nX-Tenant: {tenant}\r\nContent-Type: application/json\r\n"
    );
    let body = if route.method == Method::Get { String::new() } else { body.to_string() };
    served.send(&format!("{} {path}", route.method.name()), &headers, body.as_bytes())
}

#[test]
fn each_role_may_use_the_routes_of_the_matrix_and_no_other() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let roles = AccessRole::ALL.map(|role| (role, token(&desk, role.code(), None)));
    for route in ROUTES.iter() {
        let Some(needed) = route.needs.role() else { continue };
        for (role, token) in &roles {
            let found = ask(&served, route, token, "acme").status;
            let is_refused = matches!(found, 401 | 403);
            assert_eq!(is_refused, *role < needed, "{} as {role:?}: {found}", route.path);
        }
        let without = served.send(&format!("{} {}", route.method.name(), route.path), "", b"");
        assert_eq!(without.status, 401, "{} without a token", route.path);
    }
}

#[test]
fn tokens_that_are_wrong_expired_revoked_or_another_tenants_read_nothing() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let expired = desk.ok(&["token", "create", "--role", "platform", "--lifetime", "1s"]);
    let revoked = desk.json(&["token", "create", "--role", "platform"]);
    let rotated = desk.json(&["token", "create", "--role", "platform"]);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    assert_eq!(served.get("/api/v1/billing/plan", &text(&revoked["token"])).status, 400);
    desk.ok(&["token", "revoke", &revoked["id"].to_string()]);
    let new = desk.json(&["token", "rotate", &rotated["id"].to_string()]);
    thread::sleep(Duration::from_millis(1_100));
    let wrong = format!("cotas_{}", "0".repeat(64));
    let nothing =
        ["", "x", &wrong, expired.trim(), &text(&revoked["token"]), &text(&rotated["token"])];
    let anothers = token(&desk, "reseller", Some("other"));
    let plans = served.post("/api/v1/operations/tenants", &text(&new["token"]), &json!({}));
    assert_eq!((plans.status, plans.json()), (200, json!(["acme", "other"])));
    for route in ROUTES.iter().filter(|it| it.needs.role().is_some()) {
        for token in nothing {
            let answer = ask(&served, route, token, "acme");
            assert_eq!(answer.status, 401, "{}: {}", route.path, answer.text);
            assert!(!answer.text.contains("acme"), "{}", answer.text);
        }
        // Whether there is such a tenant makes no difference.
        let [known, unknown] = ["acme", "unknown"].map(|name| ask(&served, route, &anothers, name));
        assert_eq!((known.status, unknown.status), (403, 403), "{}", route.path);
        assert_eq!(known.text, unknown.text, "{}", route.path);
    }
    let own = served.get("/api/v1/billing/plan", &anothers).json();
    assert_eq!(own["data"]["plan"], "small");
    assert!(desk.failure(&["token", "revoke", "99"]).contains("no token 99 is in force"));
}

#[test]
fn a_decision_is_an_answer_and_a_key_gives_it_once() {
    let desk = desk();
    let served = Served::start(&desk, &[]);
    let manager = token(&desk, "manager", Some("other"));
    let path = "/api/v1/tenants/other/consume";
    let first = served.post_once(path, &manager, "order-1", &sms(4));
    assert_eq!(first.status, 200, "{first:?}");
    let (first, again) =
        (first.json(), served.post_once(path, &manager, "order-1", &sms(4)).json());
    assert_eq!((&first["allowed"], &first["available"]), (&json!(true), &json!(1)));
    assert_eq!((&again["replayed"], &again["receipt"]), (&json!(true), &first["receipt"]));
    assert_eq!(served.post_once(path, &manager, "order-1", &sms(3)).json()["code"], 407);

    let denied = served.post(path, &manager, &sms(2));
    assert_eq!(denied.status, 200, "a denial is an answer");
    let denied = denied.json();
    assert_eq!((&denied["allowed"], &denied["reason"]), (&json!(false), &json!("quota_exhausted")));
    assert_eq!((&denied["limit"], &denied["used"]), (&json!(5), &json!(4)));
    let refund = json!({ "receipt": first["receipt"] });
    assert_eq!(served.post("/api/v1/tenants/other/refund", &manager, &refund).status, 204);
    let checked = served.post("/api/v1/tenants/other/check", &manager, &sms(5)).json();
    assert_eq!((&checked["allowed"], &checked["resource"]), (&json!(true), &json!("sms")));
    let message = json!({ "action": "receive_message", "contact": "c-1" });
    let session = served.post("/api/v1/tenants/other/perform", &manager, &message).json();
    assert_eq!(session["session"]["opened"], true, "{session}");
    let held =
        served.post("/api/v1/tenants/other/reserve", &manager, &json!({"units": {"sms": 5}}));
    let held = json!({ "reservation": held.json()["reservation"], "units": { "sms": 2 } });
    assert_eq!(served.post("/api/v1/tenants/other/commit", &manager, &held).status, 204);
    let rest = served.post("/api/v1/tenants/other/check", &manager, &sms(3)).json();
    assert_eq!((&rest["allowed"], &rest["used"]), (&json!(true), &json!(5)));

    let log = served.log();
    assert!(log.contains(" POST /api/v1/tenants/{tenant}/consume 200 "), "{log}");
    for hidden in ["other", "c-1", "order-1", manager.as_str()] {
        assert!(!log.contains(hidden), "the log has {hidden}: {log}");
    }
}

#[test]
fn what_either_process_changes_the_other_sees_at_its_next_decision() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let reseller = token(&desk, "reseller", None);
    let engine = Engine::open(desk.path("cotas.db")).expect("opens");
    let host = engine.tenant("other").expect("is there");
    assert!(host.consume("sms", 3).expect("decides").allowed());
    let left = served.post("/api/v1/tenants/other/check", &reseller, &sms(3)).json();
    assert_eq!((&left["allowed"], &left["used"]), (&json!(false), &json!(3)));
    let suspend = json!({ "tenant": "other", "status": "suspended", "reason": "abuse" });
    let done = served.post("/api/v1/operations/set_status", &reseller, &suspend);
    assert_eq!(done.status, 200, "{done:?}");
    let denied = host.consume("sms", 1).expect("decides");
    assert_eq!(denied.reason().map(cotas::Reason::code), Some("status_forbids"));
    let trail = desk.json(&["audit", "other"]);
    assert_eq!((&trail[0]["what"], &trail[0]["actor"]), (&json!("status"), &json!("token 1")));
    assert_eq!(trail[1]["actor"], Value::Null, "the program itself");
}

#[test]
fn a_wrong_request_is_refused_with_the_field_that_is_wrong() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let manager = token(&desk, "manager", None);
    let consume = "/api/v1/tenants/acme/consume";
    let before = desk.json(&["usage", "acme"]);
    for (path, body, status, field, detail) in [
        (consume, json!({}), 400, "resource", "missing"),
        (consume, json!({ "resource": "sms", "units": "1" }), 400, "units", "whole number"),
        (consume, json!({ "resource": "sms", "units": -1 }), 400, "units", "whole number"),
        (consume, json!({ "resource": "sms", "units": 0 }), 400, "units", "between"),
        (
            consume,
            json!({ "resource": "sms", "unit": 1, "units": 1 }),
            400,
            "unit",
            "unknown field",
        ),
        (consume, json!({ "resource": "smss", "units": 1 }), 404, "", "sms"),
        ("/api/v1/tenants/unknown/consume", sms(1), 404, "", "unknown"),
        (
            "/api/v1/tenants/acme/commit",
            json!({ "reservation": "x" }),
            400,
            "reservation id",
            "form",
        ),
        ("/api/v1/tenants/acme/refund", json!({ "receipt": "c-1-1-1" }), 404, "", "receipt"),
        ("/api/v1/operations/statement", json!({ "tenant": 7 }), 400, "tenant", "text"),
        (
            "/api/v1/operations/statement",
            json!({ "tenant": "acme", "x": 1 }),
            400,
            "arguments",
            "x",
        ),
        ("/api/v1/operations/statements", json!({}), 404, "", "no route"),
    ] {
        let answer = served.post(path, &manager, &body);
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text);
        assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
        let problem = answer.json();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].to_string().contains(detail), "{problem}");
        if !field.is_empty() {
            assert_eq!(problem["field"], field, "{problem}");
        }
    }
    let bearer = format!("Authorization: Bearer {manager}\r\n");
    let json = format!("{bearer}Content-Type: application/json\r\n");
    let post = format!("POST {consume}");
    for (request, headers, body, status) in [
        (post.as_str(), &bearer, sms(1).to_string(), 415),
        (&post, &json, "{".to_owned(), 400),
        (&post, &json, "[]".to_owned(), 400),
        (&post, &json, r#"{"resource":"sms","units":1,"units":2}"#.to_owned(), 400),
        (&post, &json, "[".repeat(100_000), 400),
        ("GET /api/v1/tenants/acme/consume", &bearer, String::new(), 405),
        ("DELETE /healthz", &bearer, String::new(), 405),
        ("GET /nothing", &bearer, String::new(), 404),
        ("GET /api/v1/tenants/%ff/seats?resource=sms", &bearer, String::new(), 400),
        ("GET /api/v1/tenants/acme/seats?resource=sms", &bearer, String::new(), 422),
    ] {
        let answer = served.send(request, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{request}: {}", answer.text);
    }
    assert_eq!(desk.json(&["usage", "acme"]), before, "nothing was changed");
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_read() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let manager = token(&desk, "manager", None);
    let head = format!(
        "POST /api/v1/tenants/acme/consume HTTP/1.1\r\nHost: cotas\r\n\
         Authorization: Bearer {manager}\r\nContent-Type: application/json\r\n"
    );
    let mut announced = served.connect();
    announced.write_all(head.as_bytes()).expect("is sent");
    announced.write_all(b"Content-Length: 104857600\r\n\r\n").expect("is sent");
    assert_eq!(read_answer(&mut announced).expect("is answered").status, 413);

    let mut chunked = served.connect();
    chunked.write_all(head.as_bytes()).expect("is sent");
    chunked.write_all(b"Transfer-Encoding: chunked\r\n\r\n").expect("is sent");
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x1_0000], b"\r\n"].concat();
    let sent = (0..1_600).take_while(|_| chunked.write_all(&chunk).is_ok()).count();
    assert!(sent < 1_600, "100 MB were read");
    assert_eq!(served.get("/readyz", "").status, 200);
}

#[test]
fn slow_and_idle_clients_keep_no_other_waiting() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet", "--read-timeout", "1s", "--connections", "64"]);
    let manager = token(&desk, "manager", None);
    // A head that never ends, a body that never comes, and connections that say nothing.
    let mut slow = served.connect();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: co").expect("is sent");
    let mut bodiless = served.connect();
    let head = format!(
        "POST /api/v1/tenants/acme/consume HTTP/1.1\r\nHost: cotas\r\nConnection: close\r\n\
         Authorization: Bearer {manager}\r\nContent-Length: 50\r\n\r\n{{"
    );
    bodiless.write_all(head.as_bytes()).expect("is sent");
    let idle: Vec<_> = (0..300).map(|_| served.connect()).collect();
    let began = Instant::now();
    assert_eq!(served.get("/healthz", "").status, 200);
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    assert_eq!(read_answer(&mut bodiless).expect("is answered").status, 408);
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    drop(idle);
}

#[test]
fn sigterm_ends_it_once_requests_under_way_are_answered() {
    let desk = desk();
    let mut served = Served::start(&desk, &[]);
    let manager = token(&desk, "manager", None);
    let mut under_way = served.connect();
    let body = sms(1).to_string();
    let head = format!(
        "POST /api/v1/tenants/acme/consume HTTP/1.1\r\nHost: cotas\r\nContent-Length: {}\r\n\
         Content-Type: application/json\r\nAuthorization: Bearer {manager}\r\n\r\n",
        body.len()
    );
    under_way.write_all(head.as_bytes()).expect("is sent");
    thread::sleep(Duration::from_millis(200));
    let pid = served.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("runs").success());
    thread::sleep(Duration::from_millis(200));
    assert!(served.try_send("GET /healthz", "", b"").is_none(), "it accepts no more");
    under_way.write_all(body.as_bytes()).expect("is sent");
    assert_eq!(read_answer(&mut under_way).expect("is answered").status, 200);
    assert_eq!(served.child.wait().expect("ends").code(), Some(0));
    desk.ok(&["verify"]);
    assert_eq!(used(&desk), 1);
}

/// Units of SMS that `acme` has used.
fn used(desk: &Desk) -> u64 {
    let engine = Engine::open(desk.path("cotas.db")).expect("opens");
    let tenant = engine.tenant("acme").expect("is there");
    tenant.check("sms", 1).expect("decides").used.saturating_sub(1)
}

#[test]
fn kill_9_under_load_loses_no_acknowledged_decision() {
    let desk = desk();
    let manager = token(&desk, "manager", None);
    let (sent, acknowledged) = (AtomicU64::new(0), AtomicU64::new(0));
    for _ in 0..3 {
        let mut served = Served::start(&desk, &["--quiet"]);
        let pid = served.child.id().to_string();
        let headers =
            format!("Content-Type: application/json\r\nAuthorization: Bearer {manager}\r\n");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        sent.fetch_add(1, Ordering::SeqCst);
                        let body = sms(1).to_string();
                        let request = "POST /api/v1/tenants/acme/consume";
                        match served.try_send(request, &headers, body.as_bytes()) {
                            Some(answer) if answer.status == 200 => {
                                acknowledged.fetch_add(1, Ordering::SeqCst)
                            }
                            _ => break,
                        };
                    }
                });
            }
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(700));
                Command::new("kill").args(["-9", &pid]).status().expect("runs");
            });
        });
        served.child.wait().expect("ended");
        let used = used(&desk);
        let (least, most) = (acknowledged.load(Ordering::SeqCst), sent.load(Ordering::SeqCst));
        assert!((least..=most).contains(&used), "{used} used, {least} acknowledged, {most} sent");
        desk.ok(&["verify"]);
    }
    assert!(acknowledged.load(Ordering::SeqCst) > 30, "there was no load");
}

#[test]
fn every_route_is_in_the_description_and_nothing_else() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet", "--signup"]);
    let answer = served.send("GET /openapi.json", "", b"");
    for header in ["x-content-type-options: nosniff", "cache-control: private, no-cache"] {
        assert!(answer.head.contains(header), "{}", answer.head);
    }
    let document = answer.json();
    let mut described = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            described.push(format!("{} {path}", method.to_uppercase()));
            assert!(operation["summary"].is_string(), "{path}");
        }
    }
    let mut served_routes: Vec<_> =
        ROUTES.iter().map(|it| format!("{} {}", it.method.name(), it.path)).collect();
    described.sort();
    served_routes.sort();
    assert_eq!(described, served_routes);
}

#[test]
fn metrics_count_answers_and_show_the_database_without_naming_a_tenant() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let (manager, viewer) = (token(&desk, "manager", None), token(&desk, "viewer", None));
    for units in [4, 2, 1] {
        served.post("/api/v1/tenants/other/consume", &manager, &sms(units));
    }
    served.send("GET /nothing", "", b"");
    desk.ok(&["webhook", "add", "https://example.com/hooks"]);
    desk.ok(&["usage", "other"]);
    let page = served.get("/metrics", &viewer);
    assert!(page.head.contains("application/openmetrics-text"), "{}", page.head);
    let consume = "route=\"/api/v1/tenants/{tenant}/consume\",status=\"200\"";
    for line in [
        &format!("cotas_http_requests_total{{{consume}}} 3"),
        "cotas_http_requests_total{route=\"\",status=\"404\"} 1",
        "cotas_http_decisions_total{operation=\"consume\",outcome=\"allowed\"} 2",
        "cotas_http_decisions_total{operation=\"consume\",outcome=\"quota_exhausted\"} 1",
        "cotas_used_units_total{resource=\"sms\"} 5",
        "cotas_denied_decisions_total{reason=\"quota_exhausted\",resource=\"sms\"} 1",
        "cotas_settled_periods_total 0",
        "cotas_webhook_events_dead{webhook=\"1\"} 0",
        "cotas_tenants 2",
        "cotas_poisoned 0",
        "cotas_processes 1",
        "cotas_concerns{severity=\"error\"} 0",
    ] {
        assert!(page.text.lines().any(|it| it == line), "{line} is not in\n{}", page.text);
    }
    assert!(page.text.ends_with("# EOF\n") && !page.text.contains("other"), "{}", page.text);

    // What the rules and the board ask for is there.
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/serve");
    for file in ["alerts.yml", "grafana.json"] {
        let text = fs::read_to_string(examples.join(file)).expect("is there");
        let is_part = |it: char| !(it.is_ascii_alphanumeric() || it == '_');
        let asked: Vec<_> = text.split(is_part).filter(|it| it.starts_with("cotas_")).collect();
        assert!(asked.len() >= 5, "{file} asks for nothing");
        for name in asked {
            let sample = |line: &str| line.split(['{', ' ']).next() == Some(name);
            assert!(page.text.lines().any(sample), "{file} asks for {name}");
        }
    }
}

#[test]
fn with_a_certificate_it_speaks_tls_and_nothing_else() {
    let desk = desk();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "chain.pem"])
        .current_dir(desk.path("."))
        .output()
        .expect("openssl makes a certificate");
    assert!(made.status.success(), "{made:?}");
    let files = ["--quiet", "--tls-certificate", "chain.pem", "--tls-key", "key.pem"];
    let served = Served::start(&desk, &files);
    let asked = Command::new("curl")
        .args(["--silent", "--include", "--cacert", "chain.pem"])
        .arg(format!("https://{}/healthz", served.address))
        .current_dir(desk.path("."))
        .output()
        .expect("curl asks");
    let answer = String::from_utf8_lossy(&asked.stdout).to_string();
    assert!(answer.starts_with("HTTP/1.1 200"), "{asked:?}");
    assert!(answer.contains("strict-transport-security: "), "{answer}");
    assert!(served.try_send("GET /healthz", "", b"").is_none(), "it answers in clear");

    for (certificate, key) in [("catalog.toml", "key.pem"), ("chain.pem", "nothing.pem")] {
        let wrong = ["serve", "--tls-certificate", certificate, "--tls-key", key];
        let message = desk.failure(&wrong);
        assert!(message.starts_with("cannot use ") && message.contains("PEM"), "{message}");
    }
}

#[test]
fn the_alert_rules_and_the_figures_pass_promtool_where_it_is_installed() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let page = served.get("/metrics", &token(&desk, "viewer", None)).text;
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/serve/alerts.yml");
    let rules = rules.to_str().expect("UTF-8");
    let Ok(checked) = Command::new("promtool").args(["check", "rules", rules]).output() else {
        println!("not checked: promtool is not installed");
        return;
    };
    assert!(checked.status.success(), "{checked:?}");
    let mut command = Command::new("promtool");
    let pipe = || std::process::Stdio::piped();
    command.args(["check", "metrics"]).stdin(pipe()).stdout(pipe()).stderr(pipe());
    let mut child = command.spawn().expect("starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It reads the older format, which has no end.
    stdin.write_all(page.replace("# EOF\n", "").as_bytes()).expect("is written");
    drop(stdin);
    let checked = child.wait_with_output().expect("ends");
    let errors = String::from_utf8_lossy(&checked.stderr);
    assert!(!errors.contains("error while"), "{errors}\n{page}");
}
