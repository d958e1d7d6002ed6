//! Accounts on the command line: documents, limits and features of a tenant's own, plans that
//! wait to be paid, and the pages that tenants are shown.

mod common;

use common::{Desk, squeezed, stderr, stdout};
use serde_json::json;

const HELENA: &str = include_str!("../../examples/catalogs/helena.toml");
const ASSIN: &str = include_str!("../../examples/catalogs/assin.toml");
const VOKI: &str = include_str!("../../examples/catalogs/voki.toml");
const AT: [&str; 2] = ["--at", "2026-05-05T10:00:00-03:00"];
const FORM: &str = r#"{
  "person": "legal",
  "document": { "type": "cnpj", "number": "11.222.333/0001-81" },
  "trade_name": "Padaria Aurora",
  "company_type": "ltda",
  "administrator": { "name": "Ana", "email": "ana@aurora.example", "phone": "+55 11 5555-0100" },
  "address": { "cep": "01310-100", "street": "Avenida Paulista" }
}"#;

fn desk(catalog: &str) -> Desk {
    let desk = Desk::empty();
    desk.write("catalog.toml", catalog);
    desk.ok(&["catalog", "load", "catalog.toml"]);
    desk.write("form.json", FORM);
    desk
}

fn at<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &AT].concat()
}

fn add<'a>(plan: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let add = ["tenant", "add", "aurora", "--plan", plan, "--first-due", "2026-05-20"];
    at(&[&add[..], more].concat())
}

/// Asserts that a page has these lines, whatever blanks align them.
fn assert_page(page: &str, lines: &[&str]) {
    let squeezed = squeezed(page);
    for line in lines {
        assert!(squeezed.lines().any(|it| it == *line), "{line:?} is not in\n{page}");
    }
}

#[test]
fn an_account_comes_from_a_document_and_takes_a_seat() {
    let desk = desk(HELENA);
    let own = ["--account", "form.json", "--limit", "boards=7", "--feature", "crm=off"];
    desk.ok(&add("comercial", &own));
    let page = desk.ok(&at(&["plan-report", "aurora", "--lang", "pt"]));
    let lines = ["│ Administradores ┆ 1 ┆ 2 │", "│ Painéis ┆ 0 ┆ 7 │", "│ CRM ┆ Não │"];
    assert_page(&page, &lines);
    let seats = desk.json(&at(&["seats", "aurora", "users.administrators"]));
    assert_eq!(seats[0]["holder"], "ana@aurora.example");
    desk.ok(&at(&["tenant", "feature", "aurora", "crm", "as-planned"]));
    let page = desk.ok(&at(&["plan-report", "aurora"]));
    assert_page(&page, &["│ CRM ┆ Yes │", "Status: active"]);
    assert_eq!(
        desk.failure(&["document", "cnpj", "11.222.333/0001-81"]),
        "the document is in use by another tenant"
    );
}

#[test]
fn an_account_is_validated_as_a_whole_and_registered_as_a_whole() {
    let desk = desk(HELENA);
    let plan = r#""plan": {"name": "comercial", "first_due": "2026-05-20", "auto_renew": true}"#;
    let form = format!(r#"{{ "name": "aurora", {plan}, "holder": {FORM} }}"#);
    let wrong = form.replace("0001-81", "0001-82").replace("phone", "telefone");
    desk.write("account.json", &wrong.replace("comercial", "gold"));
    let found = desk.json(&at(&["validate", "account.json"]));
    let fields: Vec<_> = found["problems"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["field"].clone())
        .collect();
    let phone = "holder.administrator.phone";
    let expected = ["holder.administrator.telefone", "holder.document", phone, "plan.name"]
        .map(|it| json!(it));
    assert_eq!(fields, expected);
    assert_eq!(found["summary"], json!(null));
    let said = desk.failure(&at(&["register", "account.json"]));
    assert!(said.contains("the form is wrong in 4 fields") && said.contains(phone), "{said}");
    assert!(!said.contains("aurora.example") && !said.contains("11.222"), "{said}");
    desk.write("account.json", &form);
    let page = desk.ok(&at(&["validate", "account.json"]));
    assert!(page.starts_with("aurora, active\nplan comercial"), "{page}");
    assert_eq!(desk.json(&["tenant", "list"]), json!([]), "nothing was created");
    desk.ok(&at(&["register", "account.json", "--key", "form-1"]));
    desk.ok(&at(&["register", "account.json", "--key", "form-1"]));
    assert_eq!(
        desk.failure(&at(&["register", "account.json"])),
        "tenant \"aurora\" exists already"
    );
    let seats = desk.json(&at(&["seats", "aurora", "users.administrators"]));
    assert_eq!(seats[0]["holder"], "ana@aurora.example");
}

#[test]
fn a_document_that_is_wrong_creates_nothing_and_is_not_repeated() {
    let desk = desk(HELENA);
    let cases = [
        (FORM.replace("phone", "telefone"), "administrator.telefone: unknown field"),
        (FORM.replace("\"email\":", "\"email\""), "line 6"),
        (FORM.replace("0001-81", "0001-82"), "its check digits are wrong"),
        (FORM.replace("01310-100", "1310"), "not a valid CEP"),
        (FORM.replace("administrator", "owner"), "owner: unknown field"),
    ];
    for (form, why) in cases {
        desk.write("wrong.json", &form);
        let said = desk.failure(&add("comercial", &["--account", "wrong.json"]));
        assert!(said.contains(why), "{said}");
        assert!(!said.contains("aurora.example") && !said.contains("11.222"), "{said}");
        assert_eq!(desk.json(&["tenant", "list"]), json!([]));
    }
    let said = desk.failure(&add("comercial", &["--account", "nowhere.json"]));
    assert!(said.starts_with("cannot read nowhere.json"), "{said}");
    let said = desk.failure(&add("comercial", &["--limit", "quadros=7"]));
    assert!(said.starts_with(r#"unknown resource "quadros""#), "{said}");
    for wrong in [["--limit", "boards"], ["--feature", "crm"], ["--limit", "boards=-1"]] {
        assert_eq!(desk.run(&add("comercial", &wrong)).status.code(), Some(2), "{wrong:?}");
    }
    let form = desk.run_with(FORM, &add("comercial", &["--account", "-"]));
    assert_eq!(form.status.code(), Some(0), "{}", stderr(&form));
    assert!(stdout(&form).starts_with("aurora, active\n"));
}

#[test]
fn a_plan_that_waits_to_be_paid_begins_when_it_is_paid() {
    let desk = desk(VOKI);
    desk.ok(&add("professional", &["--pay-first", "Asaas", "--account", "form.json"]));
    let report = || desk.json(&at(&["plan-report", "aurora"]))["data"].clone();
    assert_eq!(
        (report()["plan"].clone(), report()["status"].clone()),
        (json!("free"), json!("pending"))
    );
    let page = desk.ok(&at(&["plan-report", "aurora", "--lang", "pt"]));
    assert_page(&page, &["Situação: aguarda pagamento", "│ Análises ┆ Básicas │"]);
    desk.ok(&at(&["invoice", "pay", "1"]));
    assert_eq!(report()["plan"], "professional");
    let choose = ["plan", "choose", "aurora", "enterprise", "--first-due", "2026-06-20"];
    let refused = desk.failure(&at(&choose));
    assert!(refused.contains("has no price"), "{refused}");
    desk.ok(&at(&["plan", "price", "aurora", "enterprise", "1500.00"]));
    desk.ok(&at(&[&choose[..], &["--payment-form", "Asaas"]].concat()));
    assert_eq!(report()["plan"], "professional", "the present one goes on");
    let statement = desk.json(&at(&["statement", "aurora"]));
    let stands = |place: usize| statement["subscriptions"][place]["status"].clone();
    assert_eq!([stands(0), stands(1)], [json!("pending"), json!("active")]);
}

#[test]
fn the_payment_form_changes_for_the_next_invoices() {
    let desk = desk(ASSIN);
    desk.ok(&add("essencial", &["--auto-renew"]));
    let method = ["plan", "payment-method", "aurora", "card"];
    let manual =
        "payment method: it is paid manually, not at a gateway; set the payment type first";
    assert_eq!(desk.failure(&at(&method)), manual);
    desk.ok(&at(&["plan", "payment-form", "aurora", "Asaas", "--gateway-id", "sub_7"]));
    desk.ok(&at(&method));
    assert_eq!(desk.run(&at(&["plan", "payment-method", "aurora", "gold"])).status.code(), Some(2));
    let page = desk.ok(&at(&["statement", "aurora", "--lang", "pt"]));
    assert_page(
        &page,
        &[
            "Forma de pagamento: Asaas (Cartão)",
            "│ 1 ┆ Essencial ┆ sub_7 ┆ Asaas (Cartão) ┆ 05/05/2026 ┆ 20/05/2026 ┆ ativo │",
            "│ Créditos ┆ Plano ┆ 50 ┆ 0 ┆ 50 ┆ │",
        ],
    );
}

#[test]
fn a_plan_is_scheduled_for_the_end_of_the_period_and_taken_back() {
    let desk = desk(ASSIN);
    desk.ok(&add("essencial", &["--auto-renew"]));
    let schedule = ["plan", "schedule", "aurora", "profissional", "--key", "k-1"];
    desk.ok(&at(&schedule));
    desk.ok(&at(&schedule));
    let page = || desk.ok(&at(&["statement", "aurora", "--lang", "pt"]));
    let scheduled = "│ 2 ┆ Profissional ┆ ┆ Manual ┆ 21/05/2026 ┆ 20/06/2026 ┆ agendado │";
    assert_page(&page(), &[scheduled, "Créditos disponíveis: 50 de 50"]);
    desk.ok(&at(&["plan", "unschedule", "aurora"]));
    assert!(!page().contains("agendado"), "{}", page());
    desk.ok(&at(&["plan", "schedule", "aurora", "profissional"]));
    let later = ["balances", "aurora", "--lang", "pt", "--at", "2026-05-21T03:00:00Z"];
    assert_page(&desk.ok(&later), &["Créditos disponíveis: 200 de 200"]);
    assert_eq!(
        desk.failure(&at(&["plan", "schedule", "aurora", "gold"])),
        r#"unknown plan "gold" (expected essencial or profissional)"#
    );
}

#[test]
fn a_purchase_is_paid_in_instalments() {
    let desk = desk(ASSIN);
    desk.ok(&add("essencial", &[]));
    desk.ok(&at(&["buy", "aurora", "notificacoes", "100"]));
    let split = ["invoice", "split", "2", "2"];
    assert_eq!(desk.ok(&at(&split)), "invoice 2 is paid in 2: 2, 3\n");
    let page = desk.ok(&at(&["invoices", "aurora"]));
    assert!(page.contains("1 of 2") && page.contains("2 of 2"), "{page}");
    assert!(page.contains("BRL 12.50"), "{page}");
    let again =
        "invoice: only a purchase, or joining a plan, is split into instalments, and only once";
    assert_eq!(desk.failure(&at(&split)), again);
    let page = desk.ok(&at(&["statement", "aurora", "--lang", "pt"]));
    assert!(page.contains("Parcela"), "{page}");
    let none = "instalments: 1 is not between 2 and 24";
    assert_eq!(desk.failure(&at(&["invoice", "split", "1", "1"])), none);
}

#[test]
fn a_tenant_has_limits_of_its_own_and_grants_in_their_order() {
    let desk = desk(ASSIN);
    desk.ok(&add("essencial", &[]));
    let credits = || desk.json(&at(&["balances", "aurora"]))["balances"]["credits"].clone();
    desk.ok(&at(&["tenant", "own-limit", "aurora", "credits", "70"]));
    assert_eq!(credits()["contracted"], 70);
    let change = ["plan", "change", "aurora", "profissional", "--first-due", "2026-06-20"];
    desk.ok(&at(&change));
    assert_eq!(credits()["contracted"], 70, "whatever plan it is on");
    desk.ok(&at(&["tenant", "own-limit", "aurora", "credits", "as-planned"]));
    assert_eq!(credits()["contracted"], 200);
    desk.ok(&at(&["grant", "aurora", "credits", "5", "--priority", "-1"]));
    let later = ["--starts", "2026-06-01T00:00:00-03:00"];
    desk.ok(&at(&[&["grant", "aurora", "credits", "9"][..], &later].concat()));
    assert_eq!(credits()["contracted"], 205, "not before it begins");
    let audit = desk.ok(&at(&["audit", "aurora"]));
    assert!(audit.contains("credits 70") && audit.contains("extra 9 of credits"), "{audit}");
}

#[test]
fn demonstrations_are_purged_when_they_have_ended() {
    let desk = desk(HELENA);
    desk.ok(&add("comercial", &["--status", "demo", "--account", "form.json"]));
    desk.ok(&at(&["tenant", "add", "outra", "--status", "demo"]));
    desk.ok(&at(&["tenant", "add", "paga"]));
    let purge = |who: &'static str, when: &'static str| ["tenant", "purge", who, "--at", when];
    let (before, after) = ("2026-05-19T09:59:59-03:00", "2026-05-19T10:00:00-03:00");
    desk.failure(&purge("aurora", before));
    assert_eq!(desk.ok(&purge("--all-ended", before)), "no demonstration has ended\n");
    desk.failure(&purge("paga", after));
    assert_eq!(desk.ok(&purge("aurora", after)), "purged aurora\n");
    assert_eq!(desk.json(&purge("--all-ended", after)), json!({ "purged": ["outra"] }));
    assert_eq!(desk.json(&["tenant", "list"]), json!(["paga"]));
    desk.ok(&["document", "cnpj", "11.222.333/0001-81"]);
    assert_eq!(desk.run(&["tenant", "purge"]).status.code(), Some(2));
}

#[test]
fn costs_are_reported_before_and_balances_are_shown() {
    let desk = desk(ASSIN);
    desk.ok(&add("essencial", &[]));
    let seal = ["quote", "aurora", "seal_and_notify_by_sms", "--quantity", "3"];
    let page = desk.ok(&at(&seal));
    assert_page(
        &page,
        &[
            "seal_and_notify_by_sms would be allowed",
            "│ credits ┆ 3 ┆ 50 ┆ 50 │",
            "│ notification_credits ┆ 1 ┆ 20 ┆ 20 │",
        ],
    );
    let dear = desk.json(&at(&["quote", "aurora", "seal_envelope", "--quantity", "51"]));
    assert_eq!((&dear["allowed"], &dear["reason"]), (&json!(false), &json!("quota_exhausted")));
    assert_eq!(dear["costs"][0]["cost"], 51);
    let said = desk.failure(&at(&["quote", "aurora", "sign"]));
    assert!(said.starts_with(r#"unknown action "sign" (expected "#), "{said}");
    let page = desk.ok(&at(&["balances", "aurora", "--lang", "pt"]));
    assert_page(
        &page,
        &["Créditos disponíveis: 50 de 50", "Créditos de notificação disponíveis: 20 de 20"],
    );
    let balances = desk.json(&at(&["balances", "aurora"]));
    assert_eq!(balances["balances"]["credits"]["available"], 50, "asking costs nothing");
}

#[test]
fn what_was_changed_manually_is_listed_the_latest_first() {
    let desk = desk(ASSIN);
    desk.ok(&add("essencial", &[]));
    desk.ok(&at(&["tenant", "add", "other"]));
    desk.ok(&at(&["tenant", "status", "aurora", "suspended", "--reason", "abuse"]));
    let entries = desk.json(&at(&["audit", "aurora"]));
    let whats = |place: usize| (entries[place]["what"].clone(), entries[place]["detail"].clone());
    assert_eq!(whats(0), (json!("status"), json!("active -> suspended: abuse")));
    assert_eq!(whats(1).0, "created");
    assert_eq!(desk.json(&at(&["audit"])).as_array().map(Vec::len), Some(4));
    assert_eq!(desk.json(&at(&["audit", "--max", "1"])).as_array().map(Vec::len), Some(1));
    assert!(desk.ok(&at(&["audit"])).contains("version 1"));
    assert_eq!(desk.failure(&at(&["audit", "--max", "0"])), "max: 0 is not between 1 and 10000");
    assert_eq!(desk.failure(&at(&["audit", "stranger"])), r#"unknown tenant "stranger""#);
}

#[test]
fn a_cancelled_tenant_is_exported_and_erased() {
    let desk = desk(HELENA);
    desk.ok(&add("comercial", &["--account", "form.json"]));
    let lines = desk.ok(&["export", "--tenant", "aurora"]);
    let first: serde_json::Value =
        serde_json::from_str(lines.lines().next().expect("a line")).expect("is JSON");
    assert_eq!((&first["kind"], &first["data"]["name"]), (&json!("tenant"), &json!("aurora")));
    assert!(lines.contains("ana@aurora.example"));
    let active = "tenant: only a cancelled tenant can be erased: cancel it first";
    assert_eq!(desk.failure(&at(&["tenant", "erase", "aurora"])), active);
    desk.ok(&at(&["tenant", "status", "aurora", "cancelled", "--reason", "left"]));
    desk.ok(&at(&["tenant", "erase", "aurora", "--cancel-debt"]));
    assert_eq!(desk.json(&["tenant", "list"]), json!([]));
    desk.ok(&["tenant", "erased", "aurora"]);
    assert_eq!(desk.failure(&["export", "--tenant", "aurora"]), "unknown tenant \"aurora\"");
    desk.ok(&["verify"]);
}

#[test]
fn automatic_renewal_is_switched_and_a_change_of_plan_keeps_it() {
    let desk = desk(HELENA);
    desk.ok(&add("comercial", &["--auto-renew"]));
    let renews = |arguments: &[&str]| {
        let report = desk.json(&at(arguments));
        report["subscription"]["auto_renew"].clone()
    };
    let change = ["plan", "change", "aurora", "personalizado", "--first-due", "2026-06-20"];
    let missing = desk.failure(&at(&change));
    assert!(missing.contains("has no price: give the tenant a price of its own"), "{missing}");
    desk.ok(&at(&["plan", "price", "aurora", "personalizado", "500.00"]));
    assert_eq!(renews(&change), json!(true), "as it was");
    assert_eq!(renews(&["plan", "auto-renew", "aurora", "off"]), json!(false));
    assert_eq!(renews(&change), json!(false), "as it was");
    assert_eq!(renews(&[&change[..], &["--auto-renew"]].concat()), json!(true));
    assert_eq!(renews(&[&change[..], &["--auto-renew=off"]].concat()), json!(false));
    assert_eq!(renews(&["plan", "auto-renew", "aurora", "on"]), json!(true));
    assert_eq!(desk.run(&at(&["plan", "auto-renew", "aurora", "yes"])).status.code(), Some(2));
}
