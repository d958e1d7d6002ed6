//! Money: what a payment does, however often and in whatever order it is reported.

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
        company_type: Some(cotas::billing::CompanyType::Ltda),
        company_type_text: "",
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

fn report(engine: &Engine, body: &[u8]) -> PaymentOutcome {
    engine.payment_event(Gateway::Asaas, body, TOKEN).expect("is answered")
}

#[test]
fn a_registered_tenant_is_on_the_pending_plan_until_the_webhook_reports_of_the_payment() {
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
    let reference = invoices[0].reference.clone();
    let body = event("evt_a&1", "PAYMENT_CONFIRMED", "pay_1", &reference, "2026-05-20");
    let refused = engine.payment_event(Gateway::Asaas, &body, "wrong").expect("is answered");
    assert_eq!(refused, PaymentOutcome::Refused);
    assert!(matches!(
        report(&engine, &body),
        PaymentOutcome::Applied { status: InvoiceStatus::Paid, .. }
    ));
    assert_eq!(plan(&engine), "professional");
    assert_eq!(balance(&engine, "padaria", "users"), (49, Some(50)));
    assert_eq!(report(&engine, &body), PaymentOutcome::Duplicate);
    assert_sound(&engine);
}

/// CONFIRMED, RECEIVED 32 days later, the first once more, and a chargeback won: one activation.
#[test]
fn one_payment_reported_four_times_in_any_order_gives_once() {
    let orders = permutations(&[0, 1, 2, 3]);
    assert_eq!(orders.len(), 24);
    for order in orders {
        let (engine, clock) = engine(VOKI, "2026-05-20T10:00:00-03:00");
        register(&engine, "professional");
        let reference = engine.invoices("padaria").expect("reads")[0].reference.clone();
        let reported = [
            event("evt_a&1", "PAYMENT_CONFIRMED", "pay_1", &reference, "2026-05-20"),
            event("evt_b&2", "PAYMENT_RECEIVED", "pay_1", &reference, "2026-06-21"),
            event("evt_a&1", "PAYMENT_CONFIRMED", "pay_1", &reference, "2026-05-20"),
            event("evt_a&9", "PAYMENT_CONFIRMED", "pay_1", &reference, "2026-07-01"),
        ];
        let applied = order
            .iter()
            .filter(|&&which| {
                clock.advance_ms(86_400_000);
                matches!(report(&engine, &reported[which]), PaymentOutcome::Applied { .. })
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
    let reference = engine.invoices("padaria").expect("reads")[0].reference.clone();
    let body = |id: &str, what: &str| event(id, what, "pay_1", &reference, "2026-05-20");
    report(&engine, &body("evt_a&1", "PAYMENT_CONFIRMED"));
    report(&engine, &body("evt_b&1", "PAYMENT_CHARGEBACK_REQUESTED"));
    let call = engine.tenant("padaria").expect("exists");
    let lease = call
        .leases("concurrent_calls")
        .expect("is a lease")
        .acquire("call-1", None)
        .expect("decides");
    assert_eq!(lease.reason(), Some(cotas::Reason::SubscriptionPending));
    report(&engine, &body("evt_a&2", "PAYMENT_CONFIRMED"));
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
    engine.set_payment_form("whaz", "Asaas", None).expect("changes");
    clock.set(Timestamp::parse_rfc3339("2026-06-01T06:00:00-03:00").expect("a time"));
    let reference = invoice.reference.clone();
    let overdue = |id: &str| event(id, "PAYMENT_OVERDUE", "pay_7", &reference, "2026-05-30");
    // They differ only behind the ampersand: both are processed.
    assert!(matches!(report(&engine, &overdue("evt_c&1")), PaymentOutcome::Applied { .. }));
    assert!(matches!(report(&engine, &overdue("evt_c&2")), PaymentOutcome::Ignored(_)));
    assert_eq!(engine.report("whaz").expect("reports").status, Status::PastDue);
    let paid = event("evt_d&1", "PAYMENT_RECEIVED", "pay_7", &reference, "2026-06-02");
    report(&engine, &paid);
    assert_eq!(engine.report("whaz").expect("reports").status, Status::Active);
    report(&engine, &overdue("evt_c&3"));
    assert_eq!(engine.report("whaz").expect("reports").status, Status::Active, "it is paid");
    assert_sound(&engine);
}

#[test]
fn a_purchase_is_paid_in_instalments_of_whole_cents_and_given_with_the_first() {
    let (engine, clock) = engine(WHAZING, "2026-01-31T10:00:00-03:00");
    let new = NewTenant::new("whaz").plan("premium", date("2026-02-28"), true);
    engine.create_tenant(&new).expect("is created");
    let bought = engine.buy("whaz", "canais_api_plus", 10, None).expect("sells").invoice;
    let all = engine.split_invoice(bought, 3).expect("is split");
    assert_eq!((all.len(), all[0]), (3, bought));
    let part = |id: i64| {
        let invoices = engine.invoices("whaz").expect("reads");
        let it = invoices.into_iter().find(|it| it.id == id).expect("is there");
        (it.amount.to_string(), it.part, it.due.to_string(), it.status.code())
    };
    let of = |amount: &str, part: u32, due: &str, status| {
        (amount.to_owned(), (part, 3), due.to_owned(), status)
    };
    assert_eq!(part(all[0]), of("11.68", 1, "2026-01-31", "pending"), "what does not divide");
    assert_eq!(part(all[1]), of("11.66", 2, "2026-02-28", "pending"));
    assert_eq!(part(all[2]), of("11.66", 3, "2026-03-31", "pending"));
    engine.mark_paid(all[0], None).expect("is paid");
    assert_eq!(balance(&engine, "whaz", "api_plus"), (11, Some(11)));
    engine.mark_paid(all[1], None).expect("is paid");
    assert_eq!(balance(&engine, "whaz", "api_plus"), (11, Some(11)), "given once");
    let again = engine.split_invoice(all[0], 2).expect_err("is split already");
    assert_eq!(again.code(), 406);
    for parts in [0, 1, 25] {
        assert_eq!(engine.split_invoice(all[2], parts).expect_err("is refused").code(), 406);
    }
    assert_eq!(engine.split_invoice(999, 2).expect_err("is unknown").code(), 423);
    // 5.00 in 24 parts is 0.20 and a rest; less than a cent each is nothing to pay.
    let small = WHAZING.replace("1  = \"5.00\"", "1 = \"0.03\"");
    let catalog = Catalog::parse(&small, "small.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    let cents = engine.buy("whaz", "canais_api_plus", 1, None).expect("sells").invoice;
    let refused = engine.split_invoice(cents, 4).expect_err("is refused");
    assert_eq!(
        refused.to_string(),
        "instalments: 0.03 cannot be split into 4 instalments of at least a cent"
    );
    assert_eq!(engine.split_invoice(cents, 3).expect("a cent each").len(), 3);
    // What is owed for something that was given stays owed over a change of plan.
    clock.set(at("2026-02-10T10:00:00-03:00"));
    let terms = cotas::Terms::new("comum", date("2026-02-28"), true);
    engine.change_plan("whaz", &terms, None).expect("changes");
    assert_eq!(part(all[2]).3, "pending");
    assert_sound(&engine);
}

#[test]
fn joining_a_plan_in_instalments_begins_with_the_first() {
    let (engine, _) = engine(VOKI, "2026-05-20T10:00:00-03:00");
    register(&engine, "professional");
    let joining = engine.invoices("padaria").expect("reads")[0].id;
    let all = engine.split_invoice(joining, 2).expect("is split");
    let plan = || engine.report("padaria").expect("reports").subscription.expect("has one").plan;
    engine.mark_paid(all[1], None).expect("is paid");
    assert_eq!(plan(), "free", "the second alone begins nothing");
    engine.mark_paid(all[0], None).expect("is paid");
    assert_eq!(plan(), "professional");
    assert_sound(&engine);
}

#[test]
fn a_change_of_plan_bills_no_one_twice_and_is_paid_as_before() {
    let (engine, _) = engine(WHAZING, "2026-05-05T10:00:00-03:00");
    let new = NewTenant::new("whaz").plan("premium", date("2026-05-15"), true);
    engine.create_tenant(&new).expect("is created");
    engine.set_payment_form("whaz", "Asaas", Some("sub_1")).expect("changes");
    engine.buy("whaz", "canais_api_plus", 1, None).expect("sells");
    let terms = cotas::Terms::new("comum", date("2026-05-25"), true);
    engine.change_plan("whaz", &terms, None).expect("changes");
    let subscription = engine.subscriptions("whaz").expect("reads").remove(0);
    assert_eq!(subscription.payment_type, "Asaas");
    assert_eq!(subscription.gateway_id.as_deref(), Some("sub_1"));
    let open: Vec<_> = engine
        .invoices("whaz")
        .expect("reads")
        .into_iter()
        .filter(|it| it.status == InvoiceStatus::Pending)
        .map(|it| (it.title, it.due.to_string()))
        .collect();
    let of = |title: &str, due: &str| (title.to_owned(), due.to_owned());
    assert_eq!(
        open,
        [
            of("Canais API PLUS", "2026-05-05"),
            of("Whazing Premium", "2026-05-05"),
            of("Whazing", "2026-05-25"),
        ],
        "what was bought is offered still; the old period is due at once, in full"
    );
    assert_sound(&engine);
}

#[test]
fn another_choice_takes_the_place_of_the_first_which_cannot_be_paid_any_more() {
    let (engine, _) = engine(VOKI, "2026-05-20T10:00:00-03:00");
    register(&engine, "professional");
    let first = engine.invoices("padaria").expect("reads")[0].id;
    let terms = cotas::Terms::new("basic", date("2026-06-20"), true);
    let choose = || engine.choose_plan("padaria", &terms, "Asaas", Some("order"));
    let second = choose().expect("chooses").expect("is to be paid");
    assert_eq!(choose().expect("answers"), Some(second), "the same key, the same invoice");
    assert_eq!(engine.mark_paid(first, None).expect_err("is cancelled").code(), 406);
    engine.mark_paid(second, None).expect("is paid");
    let plan = engine.report("padaria").expect("reports").subscription.expect("has one").plan;
    assert_eq!(plan, "basic");
    assert_sound(&engine);
}

#[test]
fn a_choice_is_never_a_debt_and_nothing_is_left_of_it_when_it_is_given_up() {
    let (engine, clock) = engine(VOKI, "2026-05-20T10:00:00-03:00");
    register(&engine, "professional");
    let reference = engine.invoices("padaria").expect("reads")[0].reference.clone();
    clock.set(at("2026-05-25T10:00:00-03:00"));
    report(&engine, &event("evt_o&1", "PAYMENT_OVERDUE", "pay_1", &reference, "2026-05-25"));
    assert_eq!(engine.report("padaria").expect("reports").status, Status::Active, "an offer");
    let terms = cotas::Terms::new("free", date("2026-06-20"), true);
    engine.change_plan("padaria", &terms, None).expect("changes");
    assert_eq!(engine.report("padaria").expect("reports").status, Status::Active);
    let invoices = engine.invoices("padaria").expect("reads");
    assert!(invoices.iter().all(|it| it.status == InvoiceStatus::Cancelled), "{invoices:?}");
    let late = event("evt_p&1", "PAYMENT_RECEIVED", "pay_1", &reference, "2026-05-26");
    assert_eq!(report(&engine, &late), PaymentOutcome::Unmatched, "nothing is given for it");
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
