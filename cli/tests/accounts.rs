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
  "company_type": "LTDA",
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
fn a_document_that_is_wrong_creates_nothing_and_is_not_repeated() {
    let desk = desk(HELENA);
    let cases = [
        (FORM.replace("phone", "telefone"), "unknown field `telefone`"),
        (FORM.replace("\"email\":", "\"email\""), "line 6"),
        (FORM.replace("0001-81", "0001-82"), "its check digits are wrong"),
        (FORM.replace("01310-100", "1310"), "no CEP"),
        (FORM.replace("administrator", "owner"), "unknown field `owner`"),
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
    assert_eq!(said, r#"unknown resource "quadros""#);
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
    let choose = ["tenant", "choose", "aurora", "enterprise", "--first-due", "2026-06-20"];
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
    desk.ok(&at(&["tenant", "payment-form", "aurora", "Asaas", "--gateway-id", "sub_7"]));
    let page = desk.ok(&at(&["statement", "aurora", "--lang", "pt"]));
    assert_page(
        &page,
        &[
            "Forma de pagamento: Asaas",
            "│ 1 ┆ Essencial ┆ sub_7 ┆ Asaas ┆ 05/05/2026 ┆ 20/05/2026 ┆ ativo │",
            "│ Créditos ┆ Plano ┆ 50 ┆ 0 ┆ 50 ┆ │",
        ],
    );
}

#[test]
fn costs_are_told_before_and_balances_are_shown() {
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
    assert_eq!(desk.failure(&at(&["quote", "aurora", "sign"])), r#"unknown action "sign""#);
    let page = desk.ok(&at(&["balances", "aurora", "--lang", "pt"]));
    assert_page(
        &page,
        &["Créditos disponíveis: 50 de 50", "Créditos de notificação disponíveis: 20 de 20"],
    );
    let balances = desk.json(&at(&["balances", "aurora"]));
    assert_eq!(balances["balances"]["credits"]["available"], 50, "asking costs nothing");
}

#[test]
fn what_was_changed_by_hand_is_listed_the_latest_first() {
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
    assert_eq!(desk.failure(&at(&["audit", "nobody"])), r#"unknown tenant "nobody""#);
}
