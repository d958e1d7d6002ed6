//! The pages of `cotas serve`, as browsers ask for them: login, sessions, forms of other sites,
//! other tenants, and text that would be a script.
#![cfg(feature = "serve")]

mod common;

use common::Desk;
use common::http::{Answer, Served, token};
use cotas::AccessRole;
use cotas_server::{Method, Needs, PAGES};

/// What packages are sold on the desk.
const PACKAGES: &str = r#"
[packages.more_sms]
title = "More SMS"
resource = "sms"
prices = { 1 = "0.50", 100 = "20.00" }
"#;

/// A database in which `acme` and `other` are on the small plan.
fn desk() -> Desk {
    let desk = Desk::empty();
    desk.write("catalog.toml", &format!("{}{PACKAGES}", common::CATALOG));
    desk.ok(&["catalog", "load", "catalog.toml"]);
    for name in ["acme", "other"] {
        let terms = ["--plan", "small", "--first-due", "2027-12-10", "--auto-renew"];
        desk.ok(&[&["tenant", "add", name], &terms[..]].concat());
    }
    desk
}

/// A browser: it keeps cookies, and sends the hidden fields of the form that it saw last.
struct Browser<'a> {
    served: &'a Served,
    cookies: Vec<(String, String)>,
    page: String,
}

impl<'a> Browser<'a> {
    fn new(served: &'a Served) -> Browser<'a> {
        Browser { served, cookies: Vec::new(), page: String::new() }
    }

    /// One that has logged in.
    fn of(served: &'a Served, token: &str) -> Browser<'a> {
        let mut browser = Browser::new(served);
        browser.get("/login");
        let answer = browser.post("/login", &[("token", token), ("next", "")]);
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }

    fn headers(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, it)| format!("{name}={it}")).collect();
        format!("Cookie: {}\r\n", pairs.join("; "))
    }

    fn take(&mut self, answer: Answer) -> Answer {
        for line in answer.head.lines() {
            let Some((name, rest)) = line.split_once(": ") else { continue };
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let pair = rest.split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a name and a value");
            self.cookies.retain(|(other, _)| other != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        self.page.clone_from(&answer.text);
        answer
    }

    fn get(&mut self, path: &str) -> Answer {
        let answer = self.served.send(&format!("GET {path}"), &self.headers(), b"");
        self.take(answer)
    }

    /// The value of a hidden field of the page that was seen last.
    fn hidden(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let rest = self.page.split_once(&start).map(|(_, rest)| rest).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// Sends a form with the hidden fields of the page.
    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let (csrf, once) = (self.hidden("csrf"), self.hidden("once"));
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend((!once.is_empty()).then_some(("once", once.as_str())));
        all.extend(fields);
        let answer = self.send(path, &all, "");
        self.take(answer)
    }

    fn send(&self, path: &str, fields: &[(&str, &str)], more: &str) -> Answer {
        let encode = percent_encoded;
        let pairs: Vec<_> =
            fields.iter().map(|(name, it)| format!("{}={}", encode(name), encode(it))).collect();
        let media = "Content-Type: application/x-www-form-urlencoded\r\n";
        let headers = format!("{}{media}{more}", self.headers());
        self.served.send(&format!("POST {path}"), &headers, pairs.join("&").as_bytes())
    }
}

/// Each byte of a text as `%41`.
fn percent_encoded(text: &str) -> String {
    let bytes: Vec<_> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    bytes.concat()
}

fn location(answer: &Answer) -> &str {
    let line = answer.head.lines().find(|line| line.to_lowercase().starts_with("location: "));
    line.expect("a location").split_once(": ").expect("a value").1
}

#[test]
fn each_role_sees_its_pages_and_no_other() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    for role in AccessRole::ALL {
        let tenant = (role != AccessRole::Platform).then_some("acme");
        let mut browser = Browser::of(&served, &token(&desk, role.code(), tenant));
        for page in PAGES.iter().filter(|it| it.method == Method::Get) {
            let path = page.path.replace("{tenant}", "acme");
            let expected = match page.needs {
                Needs::EveryTenant(needed) => role >= needed && tenant.is_none(),
                Needs::Tenant(needed) => role >= needed,
                _ => true,
            };
            let status = browser.get(&path).status;
            assert_eq!(status != 403, expected, "{path} as {role:?}: {status}");
        }
        let other = browser.get("/subscription/other").status;
        assert_eq!(other, if tenant.is_some() { 403 } else { 200 }, "as {role:?}");
    }
}

#[test]
fn a_viewer_of_one_tenant_gets_nothing_of_another() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let mut browser = Browser::of(&served, &token(&desk, "viewer", Some("acme")));
    let own = browser.get("/subscription/acme");
    assert_eq!(own.status, 200);
    assert!(own.text.contains("Small") && !own.text.contains("id=\"invoices\""), "{}", own.text);
    let unknown = browser.get("/subscription/none-such");
    for page in PAGES.iter().filter(|it| it.path.contains("{tenant}")) {
        let path = page.path.replace("{tenant}", "other");
        browser.get("/subscription/acme");
        let answer = match page.method {
            Method::Get => browser.get(&path),
            Method::Post => browser.post(&path, &[("package", "more_sms"), ("quantity", "1")]),
        };
        assert_eq!(answer.status, 403, "{path}");
        assert!(!answer.text.contains("other"), "{path}: {}", answer.text);
    }
    assert_eq!(unknown.status, 403, "whether there is such a tenant is not said");
    browser.get("/subscription/acme");
    let buys =
        browser.post("/subscription/acme/extras", &[("package", "more_sms"), ("quantity", "1")]);
    assert_eq!(buys.status, 403, "a viewer buys nothing");
}

#[test]
fn without_a_session_there_is_only_the_login() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let mut browser = Browser::new(&served);
    for page in PAGES.iter().filter(|it| !matches!(it.needs, Needs::Nothing)) {
        let path = page.path.replace("{tenant}", "acme");
        let answer = match page.method {
            Method::Get => browser.get(&path),
            Method::Post => browser.post(&path, &[("status", "cancelled")]),
        };
        assert_eq!((answer.status, answer.text.as_str()), (303, ""), "{path}");
        assert!(location(&answer).starts_with("/login?next="), "{path}");
    }
    let forged = format!("1.{}.{}", i64::MAX, "0".repeat(64));
    browser.cookies.push(("cotas-session".to_owned(), forged));
    assert_eq!(browser.get("/subscription/acme").status, 303);
}

#[test]
fn a_token_that_is_revoked_ends_the_session() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let issued = desk.json(&["token", "create", "--role", "platform"]);
    let mut browser = Browser::of(&served, issued["token"].as_str().expect("a token"));
    let cookie = browser.get("/console");
    assert_eq!(cookie.status, 200);
    desk.ok(&["token", "revoke", &issued["id"].to_string()]);
    assert_eq!(browser.get("/console").status, 303);
}

#[test]
fn a_form_of_another_site_does_nothing() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let mut browser = Browser::of(&served, &token(&desk, "platform", None));
    browser.get("/console/tenants/acme");
    let csrf = browser.hidden("csrf");
    let path = "/console/tenants/acme/status";
    let suspend = [("status", "suspended"), ("reason", "x")];
    let another = Browser::of(&served, &token(&desk, "platform", None));
    let stolen = another.send(path, &[&suspend[..], &[("csrf", &csrf)]].concat(), "");
    let without = browser.send(path, &suspend, "");
    let wrong = browser.send(path, &[&suspend[..], &[("csrf", &"0".repeat(64))]].concat(), "");
    let right = [&suspend[..], &[("csrf", csrf.as_str())]].concat();
    let cross = browser.send(path, &right, "Sec-Fetch-Site: cross-site\r\n");
    for (answer, what) in
        [(stolen, "of another session"), (without, "without"), (wrong, "wrong"), (cross, "cross")]
    {
        assert_eq!(answer.status, 403, "{what}");
    }
    assert_eq!(desk.json(&["tenant", "show", "acme"])["status"], "active");
    assert_eq!(browser.send(path, &right, "Sec-Fetch-Site: same-origin\r\n").status, 303);
    assert_eq!(desk.json(&["tenant", "show", "acme"])["status"], "suspended");
    let trail = desk.json(&["audit", "acme"]);
    let by = trail.to_string();
    assert!(by.contains("token 1"), "the audit trail says who: {by}");
}

#[test]
fn the_cookie_is_for_this_server_alone() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let secret = token(&desk, "platform", None);
    let mut browser = Browser::new(&served);
    browser.get("/login");
    let fields = [("csrf", browser.hidden("csrf")), ("token", secret.clone())];
    let fields: Vec<_> = fields.iter().map(|(name, it)| (*name, it.as_str())).collect();
    let answer = browser.send("/login", &fields, "");
    let set: Vec<_> = answer.head.lines().filter(|it| it.contains("cotas-session")).collect();
    assert_eq!(set.len(), 1, "{}", answer.head);
    assert!(set[0].contains("HttpOnly; SameSite=Lax; Max-Age=43200"), "{}", set[0]);
    assert!(!set[0].contains(&secret[6..]), "the token is not in the cookie");
    // Behind a proxy that speaks TLS.
    let mut secure = Browser::new(&served);
    let page = served.send("GET /login", "X-Forwarded-Proto: https\r\n", b"");
    secure.take(page);
    let fields = [("csrf", secure.hidden("csrf")), ("token", secret)];
    let fields: Vec<_> = fields.iter().map(|(name, it)| (*name, it.as_str())).collect();
    let answer = secure.send("/login", &fields, "X-Forwarded-Proto: https\r\n");
    let set: Vec<_> = answer.head.lines().filter(|it| it.contains("cotas-session")).collect();
    assert!(set[0].contains("__Host-cotas-session=") && set[0].ends_with("; Secure"), "{set:?}");
}

#[test]
fn pages_take_nothing_from_elsewhere_and_stand_in_no_frame() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let mut browser = Browser::of(&served, &token(&desk, "platform", None));
    for page in PAGES.iter().filter(|it| it.method == Method::Get) {
        let answer = browser.get(&page.path.replace("{tenant}", "acme"));
        let head = answer.head.to_lowercase();
        let policy = "content-security-policy: default-src 'none'; style-src 'self'; form-action \
                      'self'; base-uri 'none'; frame-ancestors 'none'";
        assert!(head.contains(policy), "{}: {head}", page.path);
        assert!(head.contains("cache-control: no-store"), "{}", page.path);
        for forbidden in ["<script", " style=", "http://", "https://", " onclick"] {
            // SVG names its own vocabulary by an address that no browser asks for.
            let text = answer.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains(forbidden), "{}: {forbidden}", page.path);
        }
    }
}

#[test]
fn an_address_that_fails_too_often_has_to_wait() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let right = token(&desk, "platform", None);
    let mut browser = Browser::new(&served);
    browser.get("/login");
    for _ in 0..10 {
        let wrong = format!("cotas_{}", "0".repeat(64));
        assert_eq!(browser.post("/login", &[("token", &wrong)]).status, 401);
    }
    assert_eq!(browser.post("/login", &[("token", &right)]).status, 429);
}

#[test]
fn a_purchase_that_is_sent_twice_is_bought_once() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let mut browser = Browser::of(&served, &token(&desk, "manager", Some("acme")));
    browser.get("/subscription/acme/extras?package=more_sms&quantity=9");
    assert!(browser.page.contains("4.50"), "{}", browser.page);
    let page = browser.page.clone();
    let fields = [("package", "more_sms"), ("quantity", "9")];
    let first = browser.post("/subscription/acme/extras", &fields);
    browser.page = page;
    let second = browser.post("/subscription/acme/extras", &fields);
    assert_eq!((first.status, second.status), (303, 303));
    assert_eq!(location(&first), location(&second));
    let invoices = desk.json(&["invoices", "acme"]).to_string();
    assert_eq!(invoices.matches("\"amount_cents\":450").count(), 2, "the invoice and its line");
    let seen = browser.get(location(&first).to_owned().as_str()).text;
    assert!(seen.contains("More SMS") && seen.contains("4.50"), "{seen}");
}

#[test]
fn text_that_would_be_a_script_is_shown_as_text() {
    let desk = Desk::empty();
    let evil = "<script>alert(1)</script>\\\"'><img src=x onerror=alert(2)>";
    let catalog = common::CATALOG.replace("title = \"Small\"", &format!("title = \"{evil}\""));
    let titles = format!("\n[titles]\nsms = \"{evil}\"\n[resources.users]\nkind = \"seat\"\n");
    let catalog = catalog.replace(
        "limits = { sessions = 2, sms = 5 }",
        "limits = { sessions = 2, sms = 5, users = 3 }",
    );
    let packages = PACKAGES.replace("More SMS", evil);
    desk.write("catalog.toml", &format!("{catalog}{titles}{packages}"));
    desk.ok(&["catalog", "load", "catalog.toml"]);
    let plain = evil.replace("\\\"", "\"");
    let form = serde_json::json!({
        "name": plain,
        "plan": { "name": "small", "first_due": "2027-12-10", "auto_renew": true },
        "holder": {
            "person": "legal", "trade_name": plain, "legal_name": plain,
            "administrator": { "name": plain, "email": "a@b.example", "phone": "1" },
        },
    });
    let engine = cotas::Engine::open(desk.path("cotas.db")).expect("opens");
    engine.call("create_tenant", &serde_json::json!({ "form": form }), None).expect("is created");
    let tenant = engine.tenant(&plain).expect("is there");
    assert!(tenant.seats("users").expect("seats").occupy(&plain).expect("asked").allowed());
    assert!(tenant.consume("sms", 2).expect("asked").allowed());
    assert!(!tenant.consume("sms", 9).expect("asked").allowed());
    engine.set_status(&plain, cotas::Status::Suspended, &plain, true).expect("moves");
    drop((tenant, engine));
    let served = Served::start(&desk, &["--quiet"]);
    let mut browser = Browser::of(&served, &token(&desk, "platform", None));
    let segment = percent_encoded(&plain);
    let mut shown = 0;
    for page in PAGES.iter().filter(|it| it.method == Method::Get && it.path.len() > 6) {
        let path = page.path.replace("{tenant}", &segment);
        let query = if page.path == "/console" { format!("?q={segment}") } else { String::new() };
        let answer = browser.get(&format!("{path}{query}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        for tag in ["<script", "<img", "'><"] {
            assert!(!answer.text.contains(tag), "{path}: {tag}");
        }
        shown += answer.text.matches("&lt;script&gt;").count();
    }
    assert!(shown > 20, "the texts are shown: {shown}");
}

#[test]
fn what_is_wrong_with_an_account_stands_at_its_fields() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let mut browser = Browser::of(&served, &token(&desk, "reseller", None));
    browser.get("/console/accounts/new?language=pt");
    let fields = [
        ("name", "padaria"),
        ("person", "legal"),
        ("document", "11.111.111/1111-11"),
        ("admin_name", "Ana"),
        ("admin_email", "ana"),
        ("admin_phone", ""),
        ("act", "check"),
    ];
    let answer = browser.post("/console/accounts/new", &fields);
    assert_eq!(answer.status, 422, "{}", answer.text);
    for (id, why) in [
        ("field-document", "confira os dígitos"),
        ("field-admin_email", "Informe um e-mail"),
        ("field-admin_phone", "Informe um telefone"),
    ] {
        assert!(answer.text.contains(&format!("href=\"#{id}\"")), "{id}: {}", answer.text);
        assert!(answer.text.matches(why).count() == 2, "above and at the field: {why}");
    }
    assert!(answer.text.contains("3 campos errados"), "{}", answer.text);
    let right = [
        ("name", "padaria"),
        ("person", "legal"),
        ("trade_name", "Padaria Aurora"),
        ("legal_name", "Aurora Ltda"),
        ("document", "11.222.333/0001-81"),
        ("admin_name", "Ana"),
        ("admin_email", "ana@example.com"),
        ("admin_phone", "+55 48 3197-0877"),
        ("plan", "small"),
        ("first_due", "2027-12-10"),
        ("limits.sms", "7"),
    ];
    let checked =
        browser.post("/console/accounts/new", &[&right[..], &[("act", "check")]].concat());
    assert!(checked.text.contains("Informações adicionais"), "{}", checked.text);
    assert_eq!(desk.run(&["tenant", "show", "padaria"]).status.code(), Some(1), "not yet");
    let saved = browser.post("/console/accounts/new", &[&right[..], &[("act", "save")]].concat());
    assert_eq!(location(&saved), "/console/tenants/padaria?done=registered");
    let limit = &desk.json(&["tenant", "show", "padaria"])["balances"]["sms"]["limit"];
    assert_eq!(limit, 7);
}

#[test]
fn a_catalog_that_takes_something_away_is_loaded_only_when_that_is_confirmed() {
    let desk = desk();
    let served = Served::start(&desk, &["--quiet"]);
    let mut browser = Browser::of(&served, &token(&desk, "platform", None));
    browser.get("/console/catalog");
    let less = common::CATALOG.replace("sms = 5", "sms = 4");
    let less = format!("{less}{PACKAGES}");
    let load = |confirmed: bool| {
        let mut fields = vec![("text", less.as_str()), ("act", "load")];
        fields.extend(confirmed.then_some(("confirmed", "yes")));
        fields
    };
    let refused = browser.post("/console/catalog", &load(false));
    assert_eq!(refused.status, 200);
    assert!(refused.text.contains("plans.small.limits.sms"), "{}", refused.text);
    assert_eq!(desk.json(&["catalog", "show"])["version"], 1);
    let loaded = browser.post("/console/catalog", &load(true));
    assert_eq!(location(&loaded), "/console/catalog?done=loaded&version=2");
    let wrong = browser.get("/console/catalog");
    assert_eq!(wrong.status, 200);
    let wrong = browser.post("/console/catalog", &[("text", "[plans"), ("act", "check")]);
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("catalog.toml"), "{}", wrong.text);
}
