//! LiveChat 360 (docs/sources.md): "Minha assinatura".

use cotas::billing::PaymentMethod;
use cotas::{Direction, InvoiceStatus, Limit, NewTenant, Reason, Source, Status, Terms};
use cotas_tests::wide::allowed;
use cotas_tests::{at, date};

use super::{
    CNPJ, PT, Platform, assert_line, assert_no_english, company, denied, fill, of, open_sessions,
    refused, row_with, subscriber,
};

pub(super) const CATALOG: &str = include_str!("../../examples/catalogs/livechat360.toml");
const TENANT: &str = "padaria-aurora";
const EXTRAS: &str = "conversas_extras";
const HOUR_MS: i64 = 3_600_000;

/// The example of the page: Plano full since 21 April, due on 20/05/2026, Ana the only user.
fn example() -> Platform {
    let platform = Platform::open(CATALOG, "2026-04-21T09:00:00-03:00");
    let new = subscriber(TENANT, "full", "2026-05-20");
    platform.create(&NewTenant { holder: Some(company(CNPJ)), ..new });
    platform.at("2026-05-04T12:00:00-03:00");
    platform
}

/// Buys extras and pays them.
fn buy_extras(platform: &Platform, units: u64) {
    let bought = platform.engine.buy(TENANT, EXTRAS, units, None).expect("sells");
    platform.engine.mark_paid(bought.invoice, None).expect("is paid");
}

#[test]
fn seed_000_01_the_plan_summary_is_there_only_while_a_plan_is_active() {
    let platform = Platform::open(CATALOG, "2026-04-21T09:00:00-03:00");
    platform.create(&NewTenant::new(TENANT));
    let before = platform.statement(TENANT);
    assert_eq!(before.plan, None);
    assert_line(&before.to_page(PT), "Nenhum plano ativo.");
    let terms = Terms::new("full", date("2026-05-20"), true);
    let invoice = platform.engine.choose_plan(TENANT, &terms, "Asaas", None).expect("chooses");
    let invoice = invoice.expect("is to be paid");
    assert_eq!(platform.statement(TENANT).plan, None, "it waits to be paid");
    platform.engine.mark_paid(invoice, None).expect("is paid");
    let during = platform.statement(TENANT);
    assert!(during.plan.is_some());
    assert!(!during.to_page(PT).contains("Nenhum plano ativo."));
    platform.engine.set_status(TENANT, Status::Cancelled, "it left", false).expect("moves");
    let after = platform.statement(TENANT);
    assert_eq!((after.plan, after.subscriptions[0].status), (None, "cancelled"));
}

#[test]
fn seed_000_02_the_plan_has_a_name() {
    let platform = example();
    let name = || platform.statement(TENANT).plan.expect("is active").title;
    assert_eq!(name(), "Plano full");
    assert_line(&platform.statement(TENANT).to_page(PT), "Plano:                Plano full");
    let terms = Terms::new("basico", date("2026-06-20"), true);
    platform.engine.change_plan(TENANT, &terms, None).expect("changes");
    assert_eq!(name(), "Plano básico");
}

#[test]
fn seed_000_03_the_payment_form_is_manual_or_asaas() {
    let platform = example();
    let form = || platform.statement(TENANT).plan.expect("is active").payment_type;
    assert_eq!(form(), "Manual");
    platform.engine.set_payment_form(TENANT, "Asaas", Some("sub_1")).expect("changes");
    assert_eq!(form(), "Asaas");
    assert_line(&platform.statement(TENANT).to_page(PT), "Forma de pagamento:   Asaas");
    refused(platform.engine.set_payment_form(TENANT, "", None), 406);
    assert_eq!(form(), "Asaas");
}

#[test]
fn seed_000_04_sessions_contracted_are_the_plan_s_and_the_extras() {
    let platform = example();
    assert_eq!(platform.left(TENANT, "sessions"), (Some(1000), Some(1000)));
    buy_extras(&platform, 100);
    assert_eq!(platform.left(TENANT, "sessions"), (Some(1100), Some(1100)));
}

#[test]
fn seed_000_05_sessions_available_are_those_contracted_less_those_consumed() {
    let platform = example();
    buy_extras(&platform, 100);
    open_sessions(&platform.tenant(TENANT), "contact", 150);
    let balance = platform.balance(TENANT, "sessions");
    assert_eq!((balance.available, balance.contracted, balance.used), (Some(950), Some(1100), 150));
    let statement = platform.statement(TENANT);
    let granted = statement.grants.iter().map(|it| &it.grant);
    let granted: Vec<_> =
        granted.map(|it| (it.source, it.granted, it.consumed, it.remaining)).collect();
    let expected = [(Source::Plan, 1000, 150, 850), (Source::Package, 100, 0, 100)];
    assert_eq!(granted, expected, "the plan's come first");
    let page = statement.to_page(PT);
    assert_eq!(row_with(&page, "1100"), ["Conversas", "1100", "150", "950"]);
    assert_eq!(row_with(&page, "Pacote")[..5], ["Conversas", "Pacote", "100", "0", "100"]);
}

#[test]
fn seed_000_06_users_available_are_29_of_30_with_one_active() {
    let platform = example();
    let users = platform.balance(TENANT, "users");
    assert_eq!((users.available, users.contracted, users.used), (Some(29), Some(30), 1));
    assert_eq!(users.line(PT), "Usuários disponíveis: 29 de 30");
    let tenant = platform.tenant(TENANT);
    let seats = tenant.seats("users").expect("are seats");
    allowed(seats.occupy("ana@aurora.example"));
    assert_eq!(platform.left(TENANT, "users").0, Some(29), "she has one already");
    fill(&seats, "atendente", 29);
    denied(seats.occupy("um-a-mais"), Reason::QuotaExhausted);
    assert!(seats.release("atendente-0").expect("releases"));
    assert_eq!(platform.left(TENANT, "users"), (Some(1), Some(30)));
    platform.engine.set_limit(TENANT, "users", Limit::Finite(20)).expect("changes");
    assert!(platform.balance(TENANT, "users").over_limit, "those who are there stay");
    let page = platform.statement(TENANT).to_page(PT);
    assert_eq!(row_with(&page, "Usuários"), ["Usuários", "20", "29", "0", "acima do limite"]);
}

#[test]
fn seed_000_07_current_and_past_plans_are_listed() {
    let platform = example();
    let terms = Terms::new("basico", date("2026-06-04"), false);
    platform.engine.change_plan(TENANT, &terms, None).expect("changes");
    platform.engine.set_payment_form(TENANT, "Asaas", Some("sub_8")).expect("changes");
    let list = platform.statement(TENANT).subscriptions;
    let row = |it: &cotas::SubscriptionRecord| {
        let gateway = it.gateway_id.clone().unwrap_or_default();
        (it.title.clone(), gateway, it.payment_type.clone(), it.period_start, it.due, it.status)
    };
    let text = str::to_owned;
    assert_eq!(
        list.iter().map(row).collect::<Vec<_>>(),
        [
            (
                text("Plano básico"),
                text("sub_8"),
                text("Asaas"),
                at("2026-05-04T12:00:00-03:00"),
                date("2026-06-04"),
                "active"
            ),
            (
                text("Plano full"),
                String::new(),
                text("Manual"),
                at("2026-04-21T09:00:00-03:00"),
                date("2026-05-20"),
                "cancelled"
            ),
        ]
    );
    assert_ne!(list[0].id, list[1].id);
    let page = platform.statement(TENANT).to_page(PT);
    let past = row_with(&page, "21/04/2026");
    assert_eq!(past[1..], ["Plano full", "", "Manual", "21/04/2026", "20/05/2026", "cancelado"]);
    let current = row_with(&page, "sub_8");
    assert_eq!(current[4..], ["04/05/2026", "04/06/2026", "ativo"]);
    assert_no_english(&page);
}

#[test]
fn seed_000_08_a_plan_due_on_20_05_is_restored_on_21_05() {
    let platform = example();
    open_sessions(&platform.tenant(TENANT), "contact", 400);
    platform.at("2026-05-20T15:00:00-03:00");
    assert_eq!(platform.left(TENANT, "sessions"), (Some(600), Some(1000)), "on the due date");
    platform.at("2026-05-21T02:59:59Z");
    assert_eq!(platform.left(TENANT, "sessions"), (Some(600), Some(1000)));
    platform.at("2026-05-21T03:00:00Z");
    assert_eq!(platform.left(TENANT, "sessions"), (Some(1000), Some(1000)));
    let subscription = platform.engine.report(TENANT).expect("reads").subscription.expect("is");
    assert_eq!(subscription.period_start, at("2026-05-21T03:00:00Z"));
    assert_eq!(subscription.due, date("2026-06-20"));
}

#[test]
fn seed_000_09_without_auto_renewal_the_number_changes_in_three_ways_only() {
    let platform = Platform::open(CATALOG, "2026-05-04T12:00:00-03:00");
    let new = NewTenant::new(TENANT).plan("full", date("2026-05-20"), false);
    platform.create(&new);
    open_sessions(&platform.tenant(TENANT), "contact", 400);
    for later in ["2026-05-21T12:00:00-03:00", "2026-06-21T12:00:00-03:00"] {
        platform.at(later);
        assert_eq!(platform.left(TENANT, "sessions"), (Some(600), Some(1000)), "{later}");
    }
    buy_extras(&platform, 100);
    assert_eq!(platform.left(TENANT, "sessions"), (Some(700), Some(1100)), "extras");
    platform.engine.set_limit(TENANT, "sessions", Limit::Finite(1200)).expect("changes");
    assert_eq!(platform.left(TENANT, "sessions"), (Some(900), Some(1300)), "the reseller");
    let terms = Terms::new("basico", date("2026-07-20"), false);
    platform.engine.change_plan(TENANT, &terms, None).expect("changes");
    assert_eq!(platform.left(TENANT, "sessions"), (Some(400), Some(400)), "300 and the extras");
}

#[test]
fn seed_000_10_invoices_of_joining_paid_cancelled_and_in_instalments() {
    let platform = Platform::open(CATALOG, "2026-04-21T09:00:00-03:00");
    let new = subscriber(TENANT, "full", "2026-05-20");
    platform.create(&NewTenant { pay_first: Some("Asaas"), ..new });
    let invoices = || platform.statement(TENANT).invoices;
    let joining = invoices().remove(0);
    assert_eq!((joining.status, joining.paid_on), (InvoiceStatus::Pending, None));
    assert_eq!((joining.title.as_str(), joining.amount.get()), ("Plano full", 29900));
    platform.at("2026-04-22T09:00:00-03:00");
    platform.engine.mark_paid(joining.id, None).expect("is paid");
    let extras = platform.engine.buy(TENANT, EXTRAS, 100, None).expect("sells");
    platform.engine.cancel_invoice(extras.invoice).expect("is cancelled");
    refused(platform.engine.mark_paid(extras.invoice, None), 406);
    refused(platform.engine.cancel_invoice(joining.id), 406);
    let row = |it: &cotas::Invoice| {
        (it.title.clone(), it.amount.to_string(), it.status.code(), it.due, it.paid_on)
    };
    let text = str::to_owned;
    assert_eq!(
        invoices().iter().map(row).collect::<Vec<_>>(),
        [
            (
                text("Plano full"),
                text("299.00"),
                "paid",
                date("2026-04-21"),
                Some(date("2026-04-22"))
            ),
            (text("Conversas extras"), text("30.00"), "cancelled", date("2026-04-22"), None),
            (text("Plano full"), text("299.00"), "pending", date("2026-05-20"), None),
        ]
    );
    let page = platform.statement(TENANT).to_page(PT);
    let paid = row_with(&page, "paga");
    assert_eq!(paid[1..5], ["R$ 299,00", "Plano full", "Asaas", "paga"]);
    assert_eq!(paid[6..], ["21/04/2026", "22/04/2026"]);
    assert_eq!(row_with(&page, "cancelada")[1], "R$ 30,00");
    instalments(&platform);
}

/// The next invoices of a purchase that is paid in three instalments.
fn instalments(platform: &Platform) {
    let extras = platform.engine.buy(TENANT, EXTRAS, 500, None).expect("sells");
    let parts = platform.engine.split_invoice(extras.invoice, 3).expect("is split");
    let invoices = platform.statement(TENANT).invoices;
    let of_purchase = invoices.iter().filter(|it| parts.contains(&it.id));
    let row = |it: &cotas::Invoice| (it.part, it.amount.to_string(), it.due.to_string());
    let text = str::to_owned;
    assert_eq!(
        of_purchase.map(row).collect::<Vec<_>>(),
        [
            ((1, 3), text("41.68"), text("2026-04-22")),
            ((2, 3), text("41.66"), text("2026-05-22")),
            ((3, 3), text("41.66"), text("2026-06-22")),
        ],
        "125.00 in all"
    );
    let page = platform.statement(TENANT).to_page(PT);
    assert_eq!(row_with(&page, "2/3")[6..], ["22/05/2026", "", "2/3"]);
    refused(platform.engine.split_invoice(extras.invoice, 3), 406);
}

#[test]
fn seed_000_11_recurring_is_the_invoice_s() {
    let platform = example();
    platform.engine.set_payment_form(TENANT, "Asaas", Some("sub_1")).expect("changes");
    platform.at("2026-05-21T12:00:00-03:00");
    buy_extras(&platform, 100);
    let invoices = platform.statement(TENANT).invoices;
    let debited = invoices.iter().find(|it| it.due == date("2026-06-20")).expect("is there");
    assert!(debited.recurring, "debited by the gateway: {debited:?}");
    let bought = invoices.iter().find(|it| it.title == "Conversas extras").expect("is there");
    assert!(!bought.recurring, "made manually, of the same plan: {bought:?}");
    let page = platform.statement(TENANT).to_page(PT);
    assert_eq!(row_with(&page, "20/06/2026").len(), 7, "of the plan's table");
    assert!(row_with(&page, "Conversas extras").contains(&"Não"));
    assert!(row_with(&page, "Sim").contains(&"Asaas"));
}

#[test]
fn seed_000_12_the_payment_form_of_the_next_invoices_is_boleto_or_card() {
    let platform = example();
    refused(platform.engine.set_payment_method(TENANT, PaymentMethod::Boleto), 406);
    platform.engine.set_payment_form(TENANT, "Asaas", Some("sub_1")).expect("changes");
    platform.engine.set_payment_method(TENANT, PaymentMethod::Boleto).expect("changes");
    platform.engine.mark_paid(platform.statement(TENANT).invoices[0].id, None).expect("is paid");
    platform.at("2026-05-21T12:00:00-03:00");
    platform.engine.settle(TENANT).expect("settles");
    platform.engine.set_payment_method(TENANT, PaymentMethod::Card).expect("changes");
    let statement = platform.statement(TENANT);
    let methods: Vec<_> = statement.invoices.iter().map(|it| it.payment_method).collect();
    let expected = [Some(PaymentMethod::Boleto), Some(PaymentMethod::Card)];
    assert_eq!(methods, expected, "the paid one stays as it was paid");
    let page = statement.to_page(PT);
    assert_line(&page, "Forma de pagamento:   Asaas (Cartão)");
    assert!(row_with(&page, "paga").contains(&"Asaas (Boleto)"), "{page}");
    platform.at("2026-06-21T12:00:00-03:00");
    platform.engine.settle(TENANT).expect("settles");
    let next = platform.statement(TENANT).invoices.pop().expect("is there");
    assert_eq!(next.payment_method, Some(PaymentMethod::Card), "and so are those to come");
}

#[test]
fn seed_000_13_conversations_available_900_of_1000() {
    let platform = example();
    open_sessions(&platform.tenant(TENANT), "contact", 100);
    let line = || platform.balance(TENANT, "sessions").line(PT);
    assert_eq!(line(), "Conversas disponíveis: 900 de 1000");
    assert_line(&platform.statement(TENANT).to_page(PT), "Conversas disponíveis: 900 de 1000");
    buy_extras(&platform, 100);
    assert_eq!(line(), "Conversas disponíveis: 1000 de 1100", "the plan's and the extras");
}

/// Two contacts have a session, and none is left.
fn at_zero() -> Platform {
    let platform = example();
    platform.engine.set_limit(TENANT, "sessions", Limit::Finite(2)).expect("changes");
    let tenant = platform.tenant(TENANT);
    for contact in ["a", "b"] {
        allowed(tenant.perform("receive_message", &of(contact)));
    }
    platform
}

#[test]
fn seed_000_14_at_zero_nothing_goes_to_or_from_contacts_without_a_session() {
    let platform = at_zero();
    let tenant = platform.tenant(TENANT);
    for action in ["receive_message", "send_message"] {
        let decision = denied(tenant.perform(action, &of("c")), Reason::QuotaExhausted);
        assert_eq!((decision.available, decision.limit()), (0, Some(2)), "{action}");
        assert_eq!(decision.retry_at, Some(at("2026-05-21T03:00:00Z")), "{action}");
    }
    for direction in [Direction::Inbound, Direction::Outbound] {
        denied(tenant.admit("sessions", direction, &of("c")), Reason::QuotaExhausted);
    }
    assert_eq!(platform.balance(TENANT, "sessions").line(PT), "Conversas disponíveis: 0 de 2");
}

#[test]
fn seed_000_15_at_zero_contacts_with_a_session_in_progress_go_on() {
    let platform = at_zero();
    let tenant = platform.tenant(TENANT);
    platform.clock.advance_ms(20 * HOUR_MS);
    allowed(tenant.perform("receive_message", &of("a")));
    platform.clock.advance_ms(20 * HOUR_MS);
    for action in ["send_message", "receive_message"] {
        let decision = allowed(tenant.perform(action, &of("a")));
        let session = decision.session.expect("has one");
        assert!(!session.opened, "40 hours after its first message: {action}");
    }
    assert_eq!(platform.balance(TENANT, "sessions").used, 2, "it costs nothing");
    let ended = tenant.perform("receive_message", &of("b"));
    denied(ended, Reason::QuotaExhausted);
}

#[test]
fn seed_000_16_new_sessions_come_with_a_number_a_plan_or_extras_where_there_are_any() {
    let again = |platform: &Platform| platform.tenant(TENANT).perform("receive_message", &of("c"));
    let by_number = at_zero();
    by_number.engine.set_limit(TENANT, "sessions", Limit::Finite(3)).expect("changes");
    allowed(again(&by_number));
    let by_extras = at_zero();
    buy_extras(&by_extras, 1);
    allowed(again(&by_extras));
    let by_plan = at_zero();
    let terms = Terms::new("basico", date("2026-06-20"), true);
    by_plan.engine.change_plan(TENANT, &terms, None).expect("changes");
    allowed(again(&by_plan));
    assert_eq!(by_plan.left(TENANT, "sessions"), (Some(299), Some(300)));
    let sold = refused(by_plan.engine.buy(TENANT, EXTRAS, 100, None), 424);
    assert!(sold.to_string().contains("its plan has no extras"), "{sold}");
    assert_eq!(by_plan.left(TENANT, "sessions"), (Some(299), Some(300)), "the switch is off");
}
