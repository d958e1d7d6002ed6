//! Voki (docs/sources.md): the plan report, signup, and the webhook of Asaas.

use cotas::billing::{DocumentType, Gateway};
use cotas::{
    Details, IgnoredBecause, InvoiceStatus, NewTenant, PaymentOutcome, Reason, Role, Status,
};
use cotas_tests::date;
use cotas_tests::wide::allowed;
use serde_json::{Value, json};

use super::{
    CNPJ, PT, Platform, asaas, assert_no_english, company, denied, fill, refused, row_with,
    subscriber,
};

pub(super) const CATALOG: &str = include_str!("../../examples/catalogs/voki.toml");
const TENANT: &str = "avanter";

fn platform() -> Platform {
    Platform::open(CATALOG, "2026-02-01T00:00:00Z")
}

/// A tenant in UTC, as the document shows its period: February 2026.
fn on_plan<'a>(name: &'a str, plan: &'a str) -> NewTenant<'a> {
    let new = subscriber(name, plan, "2026-02-28");
    NewTenant { time_zone: Some(chrono_tz::Tz::UTC), ..new }
}

fn report(platform: &Platform, tenant: &str) -> Value {
    platform.engine.plan_report(tenant, Role::Manager).expect("reads").to_json()
}

/// A tenant that registers on a plan and pays first; the number of its invoice.
fn register(platform: &Platform, plan: &str) -> i64 {
    let new = NewTenant {
        holder: Some(company(CNPJ)),
        pay_first: Some("Asaas"),
        ..on_plan(TENANT, plan)
    };
    platform.create(&new);
    platform.engine.invoices(TENANT).expect("reads").remove(0).id
}

fn status(platform: &Platform) -> Status {
    platform.engine.report(TENANT).expect("reads").status
}

#[test]
fn seed_004_01_the_report_is_read_only_and_for_managers_and_above() {
    let platform = platform();
    platform.create(&on_plan(TENANT, "professional"));
    refused(platform.engine.plan_report(TENANT, Role::Agent), 426);
    let first = report(&platform, TENANT);
    platform.clock.advance_ms(60_000);
    for role in [Role::Manager, Role::Administrator] {
        let again = platform.engine.plan_report(TENANT, role).expect("reads").to_json();
        assert_eq!(again, first, "{role:?}");
    }
}

#[test]
fn seed_004_02_the_report_is_asked_for_by_tenant() {
    let platform = platform();
    platform.create(&on_plan(TENANT, "professional"));
    platform.create(&on_plan("outra", "basic"));
    assert_eq!(report(&platform, TENANT)["data"]["plan"], "professional");
    assert_eq!(report(&platform, "outra")["data"]["plan"], "basic");
    refused(platform.engine.plan_report("ninguem", Role::Manager), 400);
}

#[test]
fn seed_004_03_the_report_has_the_fields_of_the_document() {
    let platform = platform();
    platform.create(&on_plan(TENANT, "professional"));
    let tenant = platform.tenant(TENANT);
    fill(&tenant.seats("users").expect("are seats"), "user", 12);
    fill(&tenant.seats("departments").expect("are seats"), "department", 5);
    allowed(tenant.meter("calls_this_month").expect("is one").add(341));
    let call = Details { holder: "call-1", ..Details::default() };
    allowed(tenant.perform("start_call", &call));
    let recording = Details { quantity: Some(2048), ..Details::default() };
    allowed(tenant.perform("record_call", &recording));
    let mut expected = json!({
      "data": {
        "plan": "professional",
        "status": "active",
        "max_concurrent_calls": 10,
        "max_users": 50,
        "max_departments": 20,
        "recording_enabled": true,
        "transcription_enabled": true,
        "analytics_enabled": true,
        "current_period_start": "2026-02-01T00:00:00Z",
        "current_period_end": "2026-03-01T00:00:00Z",
        "usage": {
          "active_users": 12,
          "active_departments": 5,
          "calls_this_month": 342,
          "recording_storage_mb": 2048
        }
      }
    });
    expected["data"]["levels"] = json!({ "analytics": "full" });
    assert_eq!(report(&platform, TENANT), expected);

    let page = platform.engine.plan_report(TENANT, Role::Manager).expect("reads").to_page(PT);
    assert_eq!(row_with(&page, "Usuários"), ["Usuários", "12", "50"]);
    assert_eq!(row_with(&page, "Chamadas simultâneas"), ["Chamadas simultâneas", "1", "10"]);
    assert_eq!(row_with(&page, "Chamadas no mês"), ["Chamadas no mês", "342"]);
    assert_eq!(row_with(&page, "Análises"), ["Análises", "Completas"]);
    assert!(page.contains("01/02/2026 a 28/02/2026"), "{page}");
    assert_no_english(&page);

    // Storage stays, calls begin again with the month.
    platform.at("2026-03-01T00:00:00Z");
    let usage = report(&platform, TENANT)["data"]["usage"].clone();
    assert_eq!(
        (&usage["calls_this_month"], &usage["recording_storage_mb"]),
        (&json!(0), &json!(2048))
    );
}

#[test]
fn seed_004_04_the_five_plans() {
    let platform = platform();
    // name, BRL, concurrent calls, users, departments, recording, transcription, analytics
    let table = [
        ("free", Some("0.00"), Some([1, 2, 1]), false, false, "basic"),
        ("basic", Some("99.00"), Some([3, 10, 3]), true, false, "basic"),
        ("advanced", Some("399.00"), Some([5, 25, 10]), true, true, "full"),
        ("professional", Some("699.00"), Some([10, 50, 20]), true, true, "full"),
        ("enterprise", None, None, true, true, "full"),
    ];
    let (_, catalog) = platform.engine.catalog().expect("has one");
    assert_eq!(catalog.plans.len(), table.len());
    for (plan, price, most, recording, transcription, analytics) in table {
        let cents = catalog.plans[plan].price_cents;
        let cents = cents.map(|cents| format!("{}.{:02}", cents / 100, cents % 100));
        assert_eq!(cents.as_deref(), price, "{plan}");
        platform.create(&on_plan(plan, plan));
        let data = report(&platform, plan)["data"].clone();
        let keys = ["max_concurrent_calls", "max_users", "max_departments"];
        let mut unlimited: Vec<&str> = Vec::new();
        for (place, key) in keys.into_iter().enumerate() {
            assert_eq!(data[key], json!(most.map(|most| most[place])), "{plan} {key}");
            unlimited.extend(most.is_none().then_some(key));
        }
        let named = data.get("unlimited").cloned().unwrap_or(json!([]));
        let mut named: Vec<_> = named.as_array().expect("is a list").clone();
        named.sort_by_key(ToString::to_string);
        unlimited.sort_unstable();
        assert_eq!(json!(named), json!(unlimited), "{plan}");
        assert_eq!(data["recording_enabled"], recording, "{plan}");
        assert_eq!(data["transcription_enabled"], transcription, "{plan}");
        assert_eq!(data["levels"]["analytics"], analytics, "{plan}");
    }
    assert_calls(&platform, "basic", 3);
    let tenant = platform.tenant("free");
    denied(tenant.perform("record_call", &Details::default()), Reason::FeatureMissing);
    denied(
        platform.tenant("basic").perform("transcribe_call", &Details::default()),
        Reason::FeatureMissing,
    );
}

/// Asserts that so many calls run at a time, and that a crashed one frees itself.
fn assert_calls(platform: &Platform, tenant: &str, most: u32) {
    let tenant = platform.tenant(tenant);
    let start = |call: u32| {
        let holder = format!("call-{call}");
        tenant.perform("start_call", &Details { holder: &holder, ..Details::default() })
    };
    for call in 0..most {
        allowed(start(call));
    }
    denied(start(most), Reason::QuotaExhausted);
    platform.clock.advance_ms(60_000);
    allowed(start(most));
}

#[test]
fn seed_004_05_register_payment_webhook_active() {
    let platform = platform();
    let invoice = register(&platform, "professional");
    let data = |key: &str| report(&platform, TENANT)["data"][key].clone();
    assert_eq!((data("plan"), data("status")), (json!("free"), json!("pending")));
    let said = platform.reported("1", "PAYMENT_CONFIRMED", "pay_1", invoice);
    assert_eq!(said, PaymentOutcome::Applied { invoice, status: InvoiceStatus::Paid });
    assert_eq!((data("plan"), data("status")), (json!("professional"), json!("active")));
    assert_eq!(data("max_users"), 50);
    assert_eq!(
        platform.reported("1", "PAYMENT_CONFIRMED", "pay_1", invoice),
        PaymentOutcome::Duplicate
    );
}

#[test]
fn seed_004_06_the_webhook_is_protected_by_a_token_and_takes_four_events() {
    let platform = platform();
    let invoice = register(&platform, "professional");
    let body = asaas("1", "PAYMENT_CONFIRMED", "pay_1", &platform.reference(invoice));
    for wrong in ["", "a-guess", "a-token-of-the-webhoo"] {
        let said = platform.engine.payment_event(Gateway::Asaas, &body, wrong).expect("answers");
        assert_eq!(said, PaymentOutcome::Refused, "{wrong:?}");
    }
    let invoices = platform.engine.invoices(TENANT).expect("reads");
    assert_eq!(invoices[0].status, InvoiceStatus::Pending, "nothing was changed");
    let applied = |status| PaymentOutcome::Applied { invoice, status };
    let reported = |id: &str, event: &str| platform.reported(id, event, "pay_1", invoice);
    let nothing = PaymentOutcome::Ignored(IgnoredBecause::NothingToDo);
    assert_eq!(reported("1", "PAYMENT_OVERDUE"), nothing, "what is not given yet is no debt");
    assert_eq!(status(&platform), Status::Active);
    assert_eq!(reported("2", "PAYMENT_RECEIVED"), applied(InvoiceStatus::Paid));
    assert_eq!(status(&platform), Status::Active);
    let again = reported("3", "PAYMENT_CONFIRMED");
    assert_eq!(again, PaymentOutcome::Ignored(IgnoredBecause::NothingToDo), "it is paid");
    assert_eq!(reported("4", "PAYMENT_REFUNDED"), applied(InvoiceStatus::Refunded));
    let call = Details { holder: "call-1", ..Details::default() };
    let waiting = platform.tenant(TENANT).perform("start_call", &call);
    denied(waiting, Reason::SubscriptionPending);
    assert_eq!(reported("5", "PAYMENT_CONFIRMED"), applied(InvoiceStatus::Paid));
    allowed(platform.tenant(TENANT).perform("start_call", &call));
    let unknown = reported("6", "PAYMENT_ANTICIPATED");
    assert_eq!(unknown, PaymentOutcome::Ignored(IgnoredBecause::UnknownEvent));
    // The next period's: a debt from the end of its due day on.
    let next = platform.engine.invoices(TENANT).expect("reads").remove(1);
    platform.at(&format!("{}T06:00:00-03:00", next.due.succ_opt().expect("a day")));
    let reported = |id: &str, event: &str| platform.reported(id, event, "pay_2", next.id);
    let applied = |status| PaymentOutcome::Applied { invoice: next.id, status };
    assert_eq!(reported("7", "PAYMENT_OVERDUE"), applied(InvoiceStatus::Overdue));
    assert_eq!(status(&platform), Status::PastDue);
    assert_eq!(reported("8", "PAYMENT_RECEIVED"), applied(InvoiceStatus::Paid));
    assert_eq!(status(&platform), Status::Active);
}

#[test]
fn seed_004_07_a_document_is_valid_and_not_in_use() {
    let platform = platform();
    let validate = |text, kind| platform.engine.validate_document(text, kind);
    // The document's own example has wrong check digits: it ends in 95.
    refused(validate("12.345.678/0001-90", DocumentType::Cnpj), 330);
    let right = validate("12.345.678/0001-95", DocumentType::Cnpj).expect("is valid");
    assert_eq!(right.as_str(), "12345678000195");
    for cpf in ["123.456.789-09", "111.444.777-35", "529.982.247-25"] {
        validate(cpf, DocumentType::Cpf).expect("is valid");
    }
    refused(validate("111.111.111-11", DocumentType::Cpf), 330);
    refused(validate("123.456.789-09", DocumentType::Cnpj), 330);
    validate(CNPJ, DocumentType::Cnpj).expect("is free");
    register(&platform, "basic");
    let error = refused(validate("11222333000181", DocumentType::Cnpj), 425);
    assert!(!error.to_string().contains("11222333"), "{error}");
}

#[test]
fn seed_004_08_registering_creates_tenant_and_administrator_pending_until_paid() {
    let platform = platform();
    let invoice = register(&platform, "professional");
    let account_holder = platform.engine.account_holder(TENANT).expect("reads").expect("has one");
    assert_eq!(account_holder.admin_email, "ana@aurora.example");
    let users = platform.tenant(TENANT).seats("users").expect("are seats").list().expect("reads");
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].holder, "ana@aurora.example");
    let records = platform.engine.subscriptions(TENANT).expect("reads");
    let stands: Vec<_> = records.iter().map(|it| (it.plan.as_str(), it.status)).collect();
    assert_eq!(stands, [("professional", "pending"), ("free", "active")]);
    assert_eq!(platform.left(TENANT, "users"), (Some(1), Some(2)), "of the free plan");
    // A second registration with the document, or on a plan that is not there, saves nothing.
    let again = NewTenant {
        name: "outra",
        holder: Some(company("11222333000181")),
        ..on_plan("outra", "basic")
    };
    refused(platform.engine.create_tenant(&again), 425);
    let unknown =
        NewTenant { holder: Some(company("12.345.678/0001-95")), ..on_plan("outra", "gold") };
    refused(platform.engine.create_tenant(&unknown), 404);
    refused(platform.engine.tenant("outra").map(|_| ()), 400);
    platform.reported("1", "PAYMENT_RECEIVED", "pay_1", invoice);
    let records = platform.engine.subscriptions(TENANT).expect("reads");
    let stands: Vec<_> = records.iter().map(|it| (it.plan.as_str(), it.status)).collect();
    assert_eq!(stands, [("professional", "active"), ("free", "cancelled")]);
    assert_eq!(records[0].due, date("2026-02-28"));
}
