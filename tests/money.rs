//! Money: what a payment does, however often and in whatever order it is told.

use cotas::billing::Gateway;
use cotas::{
    AccountHolder, Administrator, Catalog, Engine, InvoiceStatus, NewTenant, PaymentOutcome,
    Status, Timestamp,
};
use cotas_tests::{assert_sound, at, balance, date};
use std::sync::Arc;

const VOKI: &str = include_str!("../examples/catalogs/voki.toml");
const WHAZING: &str = include_str!("../examples/catalogs/whazing.toml");
const TOKEN: &str = "a-token-of-the-webhook";

fn engine(catalog: &str, now: &str) -> (Engine, Arc<cotas::ManualClock>) {
    let clock = Arc::new(cotas::ManualClock::new(at(now)));
    let engine = Engine::in_memory()
        .clock(Arc::clone(&clock) as _)
        .maintenance(cotas::Maintenance::External)
        .open()
        .expect("opens");
    engine
        .load_catalog(&Catalog::parse(catalog, "catalog.toml").expect("is valid"))
        .expect("loads");
    engine.set_webhook_token(Gateway::Asaas, TOKEN).expect("is set");
    (engine, clock)
}

fn holder(document: &'static str) -> AccountHolder<'static> {
    AccountHolder {
        person: cotas::billing::PersonType::Legal,
        document: Some((document, cotas::billing::DocumentType::Cnpj)),
        trade_name: "Padaria Aurora",
        legal_name: "Padaria Aurora Ltda",
        company_type: "LTDA",
        administrator: Administrator {
            name: "Ana",
            email: "ana@padaria.example",
            phone: "+55 11 5555-0100",
        },
        address: None,
    }
}

/// A tenant that registers on a plan and pays first.
fn register(engine: &Engine, plan: &'static str) {
    let new = NewTenant {
        holder: Some(holder("11.222.333/0001-81")),
        pay_first: Some("Asaas"),
        ..NewTenant::new("padaria").plan(plan, date("2026-06-20"), true)
    };
    engine.create_tenant(&new).expect("registers");
}

fn event(id: &str, what: &str, payment: &str, reference: &str, day: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"{id}","event":"{what}","dateCreated":"{day} 10:00:00","payment":{{
            "object":"payment","id":"{payment}","customer":"cus_1","value":699.00,
            "billingType":"CREDIT_CARD","status":"CONFIRMED","dueDate":"{day}",
            "originalDueDate":"{day}","paymentDate":"{day}","externalReference":"{reference}"}}}}"#
    )
    .into_bytes()
}

fn tell(engine: &Engine, body: &[u8]) -> PaymentOutcome {
    engine.payment_event(Gateway::Asaas, body, TOKEN).expect("is answered")
}

#[test]
fn a_registered_tenant_is_on_the_pending_plan_until_the_webhook_tells_of_the_payment() {
    let (engine, _) = engine(VOKI, "2026-05-20T10:00:00-03:00");
    register(&engine, "professional");
    let plan = |engine: &Engine| {
        engine.report("padaria").expect("reports").subscription.expect("has one").plan
    };
    assert_eq!(plan(&engine), "free");
    assert_eq!(balance(&engine, "padaria", "users"), (1, Some(2)), "the administrator has a seat");
    let invoices = engine.invoices("padaria").expect("reads");
    assert_eq!(invoices.len(), 1, "{invoices:?}");
    assert_eq!(invoices[0].amount.to_string(), "699.00");
    let reference = invoices[0].id.to_string();
    let body = event("evt_a&1", "PAYMENT_CONFIRMED", "pay_1", &reference, "2026-05-20");
    let refused = engine.payment_event(Gateway::Asaas, &body, "wrong").expect("is answered");
    assert_eq!(refused, PaymentOutcome::Refused);
    assert!(matches!(
        tell(&engine, &body),
        PaymentOutcome::Applied { status: InvoiceStatus::Paid, .. }
    ));
    assert_eq!(plan(&engine), "professional");
    assert_eq!(balance(&engine, "padaria", "users"), (49, Some(50)));
    assert_eq!(tell(&engine, &body), PaymentOutcome::Duplicate);
    assert_sound(&engine);
}

/// CONFIRMED, RECEIVED 32 days later, the first once more, and a chargeback won: one activation.
#[test]
fn one_payment_told_four_times_in_any_order_gives_once() {
    let orders = permutations(&[0, 1, 2, 3]);
    assert_eq!(orders.len(), 24);
    for order in orders {
        let (engine, clock) = engine(VOKI, "2026-05-20T10:00:00-03:00");
        register(&engine, "professional");
        let reference = engine.invoices("padaria").expect("reads")[0].id.to_string();
        let told = [
            event("evt_a&1", "PAYMENT_CONFIRMED", "pay_1", &reference, "2026-05-20"),
            event("evt_b&2", "PAYMENT_RECEIVED", "pay_1", &reference, "2026-06-21"),
            event("evt_a&1", "PAYMENT_CONFIRMED", "pay_1", &reference, "2026-05-20"),
            event("evt_a&9", "PAYMENT_CONFIRMED", "pay_1", &reference, "2026-07-01"),
        ];
        let applied = order
            .iter()
            .filter(|&&which| {
                clock.advance_ms(86_400_000);
                matches!(tell(&engine, &told[which]), PaymentOutcome::Applied { .. })
            })
            .count();
        assert_eq!(applied, 1, "{order:?}");
        let subscriptions = engine.subscriptions("padaria").expect("reads");
        let active = subscriptions.iter().filter(|it| it.status == "active").count();
        assert_eq!((active, subscriptions.len()), (1, 2), "{order:?}: {subscriptions:?}");
        assert_eq!(engine.report("padaria").expect("reports").renewals, 0, "{order:?}");
        assert_sound(&engine);
    }
}

fn permutations(of: &[usize]) -> Vec<Vec<usize>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    of.iter()
        .flat_map(|&first| {
            let rest: Vec<usize> = of.iter().copied().filter(|&it| it != first).collect();
            permutations(&rest).into_iter().map(move |mut order| {
                order.insert(0, first);
                order
            })
        })
        .collect()
}

#[test]
fn a_reversal_makes_the_subscription_wait_and_paying_again_restores_it_once() {
    let (engine, _) = engine(VOKI, "2026-05-20T10:00:00-03:00");
    register(&engine, "professional");
    let reference = engine.invoices("padaria").expect("reads")[0].id.to_string();
    let body = |id: &str, what: &str| event(id, what, "pay_1", &reference, "2026-05-20");
    tell(&engine, &body("evt_a&1", "PAYMENT_CONFIRMED"));
    tell(&engine, &body("evt_b&1", "PAYMENT_CHARGEBACK_REQUESTED"));
    let call = engine.tenant("padaria").expect("exists");
    let lease = call
        .leases("concurrent_calls")
        .expect("is a lease")
        .acquire("call-1", None)
        .expect("decides");
    assert_eq!(lease.reason(), Some(cotas::Reason::SubscriptionPending));
    tell(&engine, &body("evt_a&2", "PAYMENT_CONFIRMED"));
    assert!(
        call.leases("concurrent_calls")
            .expect("is one")
            .acquire("call-1", None)
            .expect("decides")
            .allowed()
    );
    assert_eq!(engine.subscriptions("padaria").expect("reads").len(), 2);
    assert_sound(&engine);
}

#[test]
fn overdue_makes_past_due_and_paying_ends_it() {
    let (engine, clock) = engine(WHAZING, "2026-05-20T10:00:00-03:00");
    let new = NewTenant::new("whaz").plan("premium", date("2026-05-30"), true);
    engine.create_tenant(&new).expect("is created");
    let invoice = engine.invoices("whaz").expect("reads")[0].clone();
    assert_eq!((invoice.due, invoice.recurring), (date("2026-05-30"), false));
    clock.set(Timestamp::parse_rfc3339("2026-06-01T06:00:00-03:00").expect("a time"));
    let reference = invoice.id.to_string();
    let overdue = |id: &str| event(id, "PAYMENT_OVERDUE", "pay_7", &reference, "2026-05-30");
    // They differ only behind the ampersand: both are processed.
    assert!(matches!(tell(&engine, &overdue("evt_c&1")), PaymentOutcome::Applied { .. }));
    assert!(matches!(tell(&engine, &overdue("evt_c&2")), PaymentOutcome::Ignored(_)));
    assert_eq!(engine.report("whaz").expect("reports").status, Status::PastDue);
    let paid = event("evt_d&1", "PAYMENT_RECEIVED", "pay_7", &reference, "2026-06-02");
    tell(&engine, &paid);
    assert_eq!(engine.report("whaz").expect("reports").status, Status::Active);
    tell(&engine, &overdue("evt_c&3"));
    assert_eq!(engine.report("whaz").expect("reports").status, Status::Active, "it is paid");
    assert_sound(&engine);
}

#[test]
fn a_document_belongs_to_one_tenant() {
    let (engine, _) = engine(VOKI, "2026-05-20T10:00:00-03:00");
    register(&engine, "basic");
    let again = NewTenant { holder: Some(holder("11222333000181")), ..NewTenant::new("other") };
    assert_eq!(engine.create_tenant(&again).expect_err("is refused").code(), 425);
    assert!(engine.tenant("other").is_err(), "nothing was created");
    let taken = engine.validate_document("11.222.333/0001-81", cotas::billing::DocumentType::Cnpj);
    assert_eq!(taken.expect_err("is in use").code(), 425);
    let seed = engine.validate_document("12.345.678/0001-90", cotas::billing::DocumentType::Cnpj);
    assert_eq!(seed.expect_err("ends in 95").code(), 330);
    assert_sound(&engine);
}

#[test]
fn other_catalogs_are_valid() {
    for (name, text) in [
        ("livechat360", include_str!("../examples/catalogs/livechat360.toml")),
        ("helena", include_str!("../examples/catalogs/helena.toml")),
        ("assin", include_str!("../examples/catalogs/assin.toml")),
        ("help_desk", include_str!("../examples/catalogs/help_desk.toml")),
    ] {
        let parsed = Catalog::parse(text, name);
        assert!(parsed.is_ok(), "{name}: {:?}", parsed.err());
    }
}
