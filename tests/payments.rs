//! Payment events as gateways really send them: at least once, in any order, by several queues,
//! months late, malformed. What a payment pays for is given once.

use std::sync::Arc;

use cotas::billing::Gateway;
use cotas::{
    Catalog, Engine, EventKind, IgnoredBecause, Invoice, InvoiceStatus, Language, Maintenance,
    ManualClock, NewTenant, PaymentOutcome, Reason, Status,
};
use cotas_tests::payments::{CATALOG, TOKEN, asaas_of_subscription, reference};
use cotas_tests::{Database, assert_sound, at, balance, date};

use PaymentOutcome::{Applied, Duplicate, Ignored, PaidAgain, Refused, Unmatched};

/// After everything that the tests report has happened.
const LATE: &str = "2026-06-20T12:00:00-03:00";

fn opened() -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at("2026-05-04T12:00:00-03:00")));
    let engine = Engine::in_memory()
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External)
        .open()
        .expect("opens");
    set_up(&engine);
    (engine, clock)
}

/// Acme pays its plan before each period, at a gateway; it has bought 50 credits and not paid them.
fn set_up(engine: &Engine) {
    let catalog = Catalog::parse(CATALOG, "payments.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    for gateway in [Gateway::Asaas, Gateway::Pagarme] {
        engine.set_webhook_token(gateway, TOKEN).expect("is set");
    }
    let new = NewTenant::new("acme").plan("prepaid", date("2026-05-20"), true);
    let new = NewTenant { first_period_paid: true, ..new };
    engine.create_tenant(&new).expect("is created");
    engine.set_payment_form("acme", "Asaas", None).expect("changes");
    engine.buy("acme", "more", 50, None).expect("sells");
}

/// An event about the payment of an invoice of acme's.
fn asaas(engine: &Engine, id: &str, what: &str, payment: &str, invoice: i64, day: &str) -> Vec<u8> {
    cotas_tests::payments::asaas(id, what, payment, &reference(engine, "acme", invoice), day)
}

fn report(engine: &Engine, body: &[u8]) -> PaymentOutcome {
    engine.payment_event(Gateway::Asaas, body, TOKEN).expect("is answered")
}

fn invoice(engine: &Engine, title: &str) -> Invoice {
    let invoices = engine.invoices("acme").expect("reads");
    let of_title = invoices.into_iter().find(|it| it.title == title);
    of_title.unwrap_or_else(|| panic!("no invoice for {title}"))
}

const PLAN: &str = "Pré-pago";
const PACKAGE: &str = "Créditos";

fn status(engine: &Engine) -> Status {
    engine.report("acme").expect("reports").status
}

/// All that events may change.
fn image(engine: &Engine) -> String {
    let report = engine.report("acme").expect("reports");
    let invoices = engine.invoices("acme").expect("reads");
    let subscriptions = engine.subscriptions("acme").expect("reads");
    let trail = engine.audit_trail(None, 1_000).expect("reads");
    format!("{report:?} {invoices:?} {subscriptions:?} {trail:?}")
}

fn orders(of: &[usize]) -> Vec<Vec<usize>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |&first: &usize| {
        let rest: Vec<usize> = of.iter().copied().filter(|&it| it != first).collect();
        orders(&rest).into_iter().map(move |mut order| {
            order.insert(0, first);
            order
        })
    };
    of.iter().flat_map(with_first).collect()
}

/// CONFIRMED, a chargeback, CONFIRMED again because it was won, RECEIVED 32 days after the first;
/// and the first once more.
fn reported_of(engine: &Engine, payment: &str, invoice: i64) -> [Vec<u8>; 5] {
    let event = |number: u32, what: &str, day: &str| {
        asaas(engine, &format!("evt_{payment}&{number}"), what, payment, invoice, day)
    };
    [
        event(1, "PAYMENT_CONFIRMED", "2026-05-10"),
        event(2, "PAYMENT_CHARGEBACK_REQUESTED", "2026-05-15"),
        event(3, "PAYMENT_CONFIRMED", "2026-06-02"),
        event(4, "PAYMENT_RECEIVED", "2026-06-11"),
        event(1, "PAYMENT_CONFIRMED", "2026-05-10"),
    ]
}

/// One renewal, one grant, nothing waits, nothing is owed.
fn assert_given_once(engine: &Engine, what: &str) {
    for title in [PLAN, PACKAGE] {
        assert_eq!(invoice(engine, title).status, InvoiceStatus::Paid, "{what}: {title}");
    }
    let report = engine.report("acme").expect("reports");
    assert_eq!(report.renewals, 1, "{what}");
    assert_eq!(balance(engine, "acme", "credits"), (150, Some(150)), "{what}");
    let bought: Vec<_> =
        report.grants.iter().filter(|it| it.source != cotas::Source::Plan).collect();
    assert_eq!((bought.len(), bought[0].granted, bought[0].revoked), (1, 50, 0), "{what}");
    assert!(engine.consume("acme", "credits", 1).expect("decides").allowed(), "{what}");
    assert_sound(engine);
}

// ---- any order, any number of times ---------------------------------------------------------

#[test]
fn one_payment_reported_five_times_in_any_of_120_orders_gives_once_and_is_restored() {
    for order in orders(&[0, 1, 2, 3, 4]) {
        let (engine, clock) = opened();
        clock.set(at(LATE));
        for (payment, title) in [("pay_1", PLAN), ("pay_2", PACKAGE)] {
            let reported = reported_of(&engine, payment, invoice(&engine, title).id);
            let outcomes: Vec<_> = order.iter().map(|&it| report(&engine, &reported[it])).collect();
            let again = outcomes.iter().filter(|it| **it == Duplicate).count();
            assert_eq!(again, 1, "{order:?}: {outcomes:?}");
        }
        assert_given_once(&engine, &format!("{order:?}"));
    }
}

#[test]
fn reported_in_the_order_in_which_it_happened_it_is_taken_back_and_restored_once() {
    let (engine, clock) = opened();
    let reported = reported_of(&engine, "pay_2", invoice(&engine, PACKAGE).id);
    clock.set(at("2026-05-12T12:00:00-03:00"));
    assert!(matches!(report(&engine, &reported[0]), Applied { status: InvoiceStatus::Paid, .. }));
    assert_eq!(balance(&engine, "acme", "credits"), (150, Some(150)));
    assert!(engine.consume("acme", "credits", 120).expect("decides").allowed());
    clock.set(at("2026-05-16T12:00:00-03:00"));
    assert!(matches!(
        report(&engine, &reported[1]),
        Applied { status: InvoiceStatus::Refunded, .. }
    ));
    assert_eq!(balance(&engine, "acme", "credits"), (0, Some(120)), "what is used stays used");
    assert_eq!(report(&engine, &reported[4]), Duplicate);
    clock.set(at("2026-06-03T12:00:00-03:00"));
    assert!(matches!(report(&engine, &reported[2]), Applied { status: InvoiceStatus::Paid, .. }));
    assert_eq!(balance(&engine, "acme", "credits").0, 30, "restored, not given again");
    clock.set(at("2026-06-12T12:00:00-03:00"));
    assert_eq!(report(&engine, &reported[3]), Ignored(IgnoredBecause::NothingToDo));
    assert_eq!(balance(&engine, "acme", "credits").0, 30);
    assert_sound(&engine);
}

#[test]
fn four_processes_and_an_operator_report_of_one_payment_at_once() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    set_up(&engine);
    let engine = engine.with_clock(Arc::new(ManualClock::new(at(LATE))));
    let mut files = 0;
    for (payment, title) in [("pay_1", PLAN), ("pay_2", PACKAGE)] {
        for body in reported_of(&engine, payment, invoice(&engine, title).id) {
            let path = database.directory().join(format!("{files}.json"));
            std::fs::write(path, body).expect("is written");
            files += 1;
        }
    }
    let meeting = database.directory().join("meeting");
    let directory = database.directory().to_str().expect("UTF-8").to_owned();
    let processes: Vec<_> = (0..4)
        .map(|process| {
            // Each begins with another event.
            let order: Vec<_> =
                (0..files).map(|it| ((it + 3 * process) % files).to_string()).collect();
            let order = order.join(",");
            let mut command = database.command(&["report", &directory, &order, "5"]);
            command.env("COTAS_NOW", at(LATE).ms().to_string());
            command.stdout(std::process::Stdio::piped()).spawn().expect("starts")
        })
        .collect();
    let ids = [PLAN, PACKAGE].map(|title| invoice(&engine, title).id);
    cotas_tests::meeting::Meeting::new(&meeting, 5).meet(0);
    for id in ids {
        // Refunded in between or not: manually it is paid, or was.
        engine.mark_paid(id, None).expect("is paid");
    }
    let mut reported = Vec::new();
    for process in processes {
        let output = process.wait_with_output().expect("ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        reported.extend(said.split_whitespace().map(str::to_owned));
    }
    let count = |what: &str| reported.iter().filter(|it| it.as_str() == what).count();
    assert_eq!(reported.len(), 40);
    // 8 events with an id of their own, each once; all others are seen before.
    assert_eq!(count("duplicate"), 32, "{reported:?}");
    assert_given_once(&engine, "at once");
}

#[test]
fn a_payment_marked_manually_and_by_webhook_at_once_settles_once() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    set_up(&engine);
    for round in 0..20 {
        let bought = engine.buy("acme", "more", 1, None).expect("sells").invoice;
        let before = balance(&engine, "acme", "credits").0;
        std::thread::scope(|scope| {
            for who in 0..4 {
                let engine = &engine;
                scope.spawn(move || {
                    if who % 2 == 0 {
                        engine.mark_paid(bought, None).expect("is paid");
                    } else {
                        let (id, payment) = (format!("e{round}&{who}"), format!("pay_{round}"));
                        let body =
                            asaas(engine, &id, "PAYMENT_RECEIVED", &payment, bought, "2026-05-04");
                        report(engine, &body);
                    }
                });
            }
        });
        assert_eq!(balance(&engine, "acme", "credits").0, before + 1, "round {round}");
    }
    assert_sound(&engine);
}

// ---- amounts --------------------------------------------------------------------------------

fn differences(engine: &Engine) -> Vec<(i64, i64, i64)> {
    let events = engine.events(0, 1_000).expect("reads").into_iter();
    let differs = |event: cotas::Event| match event.kind {
        EventKind::PaymentDiffers { invoice, amount_cents, paid_cents } => {
            Some((invoice, amount_cents, paid_cents))
        }
        _ => None,
    };
    events.filter_map(differs).collect()
}

#[test]
fn a_higher_amount_than_the_invoice_s_is_noted_and_reported_and_pays_it() {
    for (value, paid) in [("40.01", 40_01), ("40.00", 40_00)] {
        let (engine, _) = opened();
        let bought = invoice(&engine, PACKAGE);
        let event = |id: &str, what: &str| {
            let body = asaas(&engine, id, what, "pay_1", bought.id, "2026-05-04");
            let body = String::from_utf8(body).expect("UTF-8");
            report(&engine, body.replace("100.00", value).as_bytes())
        };
        assert!(matches!(event("e&1", "PAYMENT_CONFIRMED"), Applied { .. }), "{value}");
        event("e&2", "PAYMENT_RECEIVED");
        let settled = invoice(&engine, PACKAGE);
        assert_eq!((settled.status, settled.amount.get()), (InvoiceStatus::Paid, 40_00));
        assert_eq!(settled.paid.map(|paid| paid.get()), Some(paid));
        assert_eq!(balance(&engine, "acme", "credits").0, 150, "{value}: given once");
        let reported = if paid == 40_00 { vec![] } else { vec![(bought.id, 40_00, paid)] };
        assert_eq!(differences(&engine), reported, "{value}: once");
        let page = engine.statement("acme").expect("reports").to_page(Language::Portuguese);
        assert_eq!(page.contains("Valor pago"), paid != 40_00, "{page}");
        let shown = format!("R$ {}", value.replace('.', ","));
        assert!(page.contains(&shown), "{page}");
        assert_sound(&engine);
    }
}

#[test]
fn a_lower_amount_of_an_unknown_payer_pays_nothing_until_it_is_assigned() {
    for (value, paid) in [("39.99", 39_99), ("0.00", 0)] {
        let (engine, _) = opened();
        let bought = invoice(&engine, PACKAGE);
        let event = |id: &str, what: &str| {
            let body = asaas(&engine, id, what, "pay_1", bought.id, "2026-05-04");
            let body = String::from_utf8(body).expect("UTF-8");
            report(&engine, body.replace("100.00", value).as_bytes())
        };
        assert_eq!(event("e&1", "PAYMENT_CONFIRMED"), Unmatched, "{value}");
        assert_eq!(event("e&2", "PAYMENT_RECEIVED"), Unmatched, "{value}");
        assert_eq!(invoice(&engine, PACKAGE).status, InvoiceStatus::Pending);
        assert_eq!(balance(&engine, "acme", "credits").0, 100, "{value}: nothing is given");
        engine.assign_payment(Gateway::Asaas, "pay_1", bought.id).expect("is assigned");
        let settled = invoice(&engine, PACKAGE);
        assert_eq!(settled.paid.map(|paid| paid.get()), Some(paid));
        assert_eq!(balance(&engine, "acme", "credits").0, 150, "{value}: given once");
        assert_eq!(differences(&engine), [(bought.id, 40_00, paid)]);
        // The payer is known from then on.
        let second = engine.buy("acme", "more", 50, None).expect("sells").invoice;
        let body = asaas(&engine, "e&3", "PAYMENT_RECEIVED", "pay_2", second, "2026-05-04");
        let body = String::from_utf8(body).expect("UTF-8").replace("100.00", value);
        assert!(matches!(report(&engine, body.as_bytes()), Applied { .. }), "{value}");
        assert_sound(&engine);
    }
}

#[test]
fn what_is_paid_though_it_was_cancelled_gives_nothing_and_is_reported() {
    let (engine, _) = opened();
    let bought = invoice(&engine, PACKAGE);
    engine.cancel_invoice(bought.id).expect("is cancelled");
    let event = |id: &str, what: &str| {
        report(&engine, &asaas(&engine, id, what, "pay_1", bought.id, "2026-05-04"))
    };
    for (id, what) in [("e&1", "PAYMENT_CONFIRMED"), ("e&2", "PAYMENT_RECEIVED")] {
        assert_eq!(event(id, what), Unmatched);
    }
    let reported = invoice(&engine, PACKAGE);
    assert_eq!(
        (reported.status, reported.paid_on),
        (InvoiceStatus::Cancelled, Some(date("2026-05-04")))
    );
    assert_eq!(reported.paid.map(|paid| paid.get()), Some(10_000), "it waits to be given back");
    assert_eq!(differences(&engine), [(bought.id, 0, 10_000)], "nothing was to be paid; once");
    assert_eq!(balance(&engine, "acme", "credits").0, 100);
    let page = engine.statement("acme").expect("reports").to_page(Language::Portuguese);
    assert!(page.contains("Valor pago") && page.contains("100,00"), "{page}");
    assert_sound(&engine);
}

#[test]
fn what_is_paid_manually_has_the_invoice_s_amount_unless_a_gateway_says_otherwise() {
    let (engine, _) = opened();
    let bought = invoice(&engine, PACKAGE);
    engine.mark_paid(bought.id, None).expect("is paid");
    assert_eq!(invoice(&engine, PACKAGE).paid, None, "the amount is not known");
    assert_eq!(differences(&engine), []);
    assert_sound(&engine);
}

// ---- overdue --------------------------------------------------------------------------------

#[test]
fn two_overdue_events_that_differ_only_behind_the_ampersand_are_two() {
    let (engine, clock) = opened();
    clock.set(at("2026-05-21T05:00:00-03:00"));
    let overdue = |id: &str, payment: &str, invoice: i64| {
        report(&engine, &asaas(&engine, id, "PAYMENT_OVERDUE", payment, invoice, "2026-05-21"))
    };
    let (plan, package) = (invoice(&engine, PLAN), invoice(&engine, PACKAGE));
    assert!(matches!(overdue("evt_05b7&1", "pay_1", plan.id), Applied { .. }));
    let offer = overdue("evt_05b7&2", "pay_2", package.id);
    assert_eq!(offer, Ignored(IgnoredBecause::NothingToDo), "not a duplicate, and no debt");
    assert_eq!(overdue("evt_05b7&2", "pay_2", package.id), Duplicate);
    assert_eq!(status(&engine), Status::PastDue);
    engine.mark_paid(plan.id, None).expect("is paid");
    assert_eq!(status(&engine), Status::Active);
    assert_sound(&engine);
}

#[test]
fn the_due_date_is_the_invoice_s_whenever_overdue_arrives() {
    let (engine, clock) = opened();
    let plan = invoice(&engine, PLAN);
    let overdue = |number: u32, day: &str| {
        let id = format!("evt_05b7&{number}");
        report(&engine, &asaas(&engine, &id, "PAYMENT_OVERDUE", "pay_1", plan.id, day))
    };
    // Due on a Wednesday, reported on Sunday: the due date is what it was.
    clock.set(at("2026-05-24T23:59:59-03:00"));
    assert_eq!(status(&engine), Status::Active, "a gateway reports what was not paid there");
    assert!(matches!(overdue(2, "2026-06-03"), Applied { status: InvoiceStatus::Overdue, .. }));
    assert_eq!(invoice(&engine, PLAN).due, date("2026-05-20"));
    let paid = asaas(&engine, "evt_d&1", "PAYMENT_RECEIVED", "pay_1", plan.id, "2026-06-04");
    clock.set(at("2026-06-04T12:00:00-03:00"));
    assert!(matches!(report(&engine, &paid), Applied { .. }));
    let before = image(&engine);
    assert_eq!(overdue(3, "2026-06-05"), Ignored(IgnoredBecause::NothingToDo), "it is paid");
    assert_eq!(image(&engine), before);
    let next = engine.subscriptions("acme").expect("reads")[0].due;
    assert_eq!(next, date("2026-06-20"), "paid late keeps the day of the month");
    assert_sound(&engine);
}

#[test]
fn an_overdue_that_is_reported_before_the_due_date_is_applied_when_that_has_passed() {
    for paid in [false, true] {
        let (engine, clock) = opened();
        let plan = invoice(&engine, PLAN);
        // The gateway's charge was due earlier than the invoice is.
        let early = asaas(&engine, "evt_05b7&1", "PAYMENT_OVERDUE", "pay_1", plan.id, "2026-05-04");
        assert_eq!(report(&engine, &early), Ignored(IgnoredBecause::NothingToDo));
        clock.set(at("2026-05-20T23:59:59-03:00"));
        assert_eq!(status(&engine), Status::Active);
        assert_eq!(invoice(&engine, PLAN).status, InvoiceStatus::Pending);
        if paid {
            let reported =
                asaas(&engine, "evt_d&1", "PAYMENT_RECEIVED", "pay_1", plan.id, "2026-05-20");
            assert!(matches!(report(&engine, &reported), Applied { .. }));
        }
        clock.set(at("2026-05-21T00:00:00-03:00"));
        let stands = (status(&engine), invoice(&engine, PLAN).status);
        let owed = (Status::PastDue, InvoiceStatus::Overdue);
        assert_eq!(stands, if paid { (Status::Active, InvoiceStatus::Paid) } else { owed });
        engine.settle("acme").expect("settles");
        assert_eq!((status(&engine), invoice(&engine, PLAN).status), stands);
        assert_eq!(invoice(&engine, PACKAGE).status, InvoiceStatus::Pending, "it was not reported");
        assert_sound(&engine);
    }
}

#[test]
fn a_payment_ends_a_suspension_for_debt_and_no_other() {
    for (reason, after) in [("debt", Status::Active), ("abuse", Status::Suspended)] {
        let (engine, clock) = opened();
        clock.set(at("2026-05-21T05:00:00-03:00"));
        let plan = invoice(&engine, PLAN);
        report(&engine, &asaas(&engine, "e&1", "PAYMENT_OVERDUE", "pay_1", plan.id, "2026-05-21"));
        engine.set_status("acme", Status::Suspended, reason, false).expect("changes");
        report(&engine, &asaas(&engine, "e&2", "PAYMENT_RECEIVED", "pay_1", plan.id, "2026-05-22"));
        assert_eq!(status(&engine), after, "{reason}");
    }
}

// ---- whose payment it is ---------------------------------------------------------------------

#[test]
fn a_payment_is_found_by_the_gateway_s_subscription_and_its_due_date() {
    let (engine, _) = opened();
    engine.set_payment_form("acme", "Asaas", Some("sub_1")).expect("changes");
    let event = |id: &str, subscription: &str, due: &str| {
        report(&engine, &asaas_of_subscription(id, "PAYMENT_RECEIVED", "pay_9", subscription, due))
    };
    assert_eq!(event("e&1", "sub_2", "2026-05-20"), Unmatched);
    assert_eq!(event("e&2", "sub_1", "2026-05-21"), Unmatched);
    assert!(matches!(event("e&3", "sub_1", "2026-05-20"), Applied { .. }));
    let paid = invoice(&engine, PLAN);
    assert_eq!((paid.status, paid.gateway_id.as_deref()), (InvoiceStatus::Paid, Some("pay_9")));
    assert_eq!(paid.payment_method, Some(cotas::billing::PaymentMethod::Pix));
    assert_sound(&engine);
}

#[test]
fn what_a_purged_demonstration_pays_late_belongs_to_no_tenant() {
    let (engine, clock) = opened();
    let demo = NewTenant { status: Status::Demo, ..NewTenant::new("demo") };
    engine.create_tenant(&demo).expect("is created");
    let terms = cotas::Terms::new("prepaid", date("2026-06-20"), true);
    let chosen = engine.choose_plan("demo", &terms, "Asaas", None).expect("chooses");
    let chosen = chosen.expect("is to be paid");
    clock.set(at("2026-05-19T12:00:00-03:00"));
    let named = reference(&engine, "demo", chosen);
    engine.purge_demo("demo").expect("is purged");
    let bought = engine.buy("acme", "more", 50, None).expect("sells").invoice;
    assert!(bought > chosen, "a number that a gateway may have heard of is not given again");
    let (what, day) = ("PAYMENT_RECEIVED", "2026-05-19");
    let late = cotas_tests::payments::asaas("e&1", what, "pay_1", &named, day);
    assert_eq!(report(&engine, &late), Unmatched);
    assert_eq!(balance(&engine, "acme", "credits").0, 100, "acme has paid for nothing");
    assert_sound(&engine);
}

#[test]
fn a_gateway_s_subscription_is_one_tenant_s() {
    let (engine, _) = opened();
    engine.set_payment_form("acme", "Asaas", Some("sub_1")).expect("changes");
    let new = NewTenant::new("other").plan("prepaid", date("2026-05-20"), true);
    let new = NewTenant { first_period_paid: true, ..new };
    engine.create_tenant(&new).expect("is created");
    let refused = engine.set_payment_form("other", "Asaas", Some("sub_1")).expect_err("is acme's");
    assert_eq!(refused.code(), 406);
    let why = "the subscription of another tenant has it; each has an id of its own";
    assert_eq!(refused.to_string(), format!("gateway id: {why}"));
    // What acme pays is acme's.
    let body = asaas_of_subscription("e&1", "PAYMENT_RECEIVED", "pay_9", "sub_1", "2026-05-20");
    assert!(matches!(report(&engine, &body), Applied { .. }));
    assert_eq!(invoice(&engine, PLAN).status, InvoiceStatus::Paid);
    assert_eq!(engine.invoices("other").expect("reads")[0].status, InvoiceStatus::Pending);
    // Its own it may name again, also after a change of plan.
    let terms = cotas::Terms::new("prepaid", date("2026-05-25"), true);
    engine.change_plan("acme", &terms, None).expect("changes");
    engine.set_payment_form("acme", "Asaas", Some("sub_1")).expect("is its own");
    assert_sound(&engine);
}

#[test]
fn a_subscription_that_ends_at_the_gateway_is_not_renewed_and_another_one_is_left_alone() {
    let (engine, clock) = opened();
    engine.set_payment_form("acme", "Asaas", Some("sub_1")).expect("changes");
    let ended = |id: &str, subscription: &str| {
        let body = format!(
            r#"{{"id":"{id}","event":"SUBSCRIPTION_DELETED","dateCreated":"2026-05-04 10:00:00",
                "subscription":{{"id":"{subscription}","nextDueDate":"20/05/2026"}}}}"#
        );
        report(&engine, body.as_bytes())
    };
    assert_eq!(ended("e&1", "sub_9"), Ignored(IgnoredBecause::UnknownPayment));
    assert!(matches!(ended("e&2", "sub_1"), PaymentOutcome::SubscriptionEnded { .. }));
    assert_eq!(ended("e&2", "sub_1"), Duplicate);
    assert_eq!(ended("e&3", "sub_1"), Ignored(IgnoredBecause::NothingToDo));
    clock.set(at(LATE));
    engine.settle("acme").expect("settles");
    assert!(engine.report("acme").expect("reports").subscription.expect("has one").lapsed);
    assert_sound(&engine);
}

#[test]
fn a_second_payment_for_an_invoice_that_is_paid_is_reported_and_listed() {
    let (engine, _) = opened();
    let plan = invoice(&engine, PLAN);
    let event = |id: &str, payment: &str| {
        report(&engine, &asaas(&engine, id, "PAYMENT_RECEIVED", payment, plan.id, "2026-05-04"))
    };
    assert!(matches!(event("e&1", "pay_1"), Applied { .. }));
    assert_eq!(event("e&2", "pay_2"), PaidAgain { invoice: plan.id });
    assert_eq!(event("e&3", "pay_2"), Ignored(IgnoredBecause::NothingToDo), "reported once");
    let events = engine.events(0, 100).expect("reads").into_iter();
    let again: Vec<_> = events.filter(|it| it.kind.code() == "paid_again").collect();
    let payment = "asaas pay_2".to_owned();
    let kind = EventKind::PaidAgain { invoice: plan.id, payment, paid_cents: 10_000 };
    assert_eq!(again.iter().map(|it| &it.kind).collect::<Vec<_>>(), [&kind]);
    let listed = engine.unmatched_payments(Some("acme")).expect("reads");
    assert_eq!((listed.len(), listed[0].payment.as_str()), (1, "pay_2"));
    // It may pay something else, once.
    let package = invoice(&engine, PACKAGE).id;
    engine.assign_payment(Gateway::Asaas, "pay_2", package).expect("is assigned");
    engine.assign_payment(Gateway::Asaas, "pay_2", package).expect("changes nothing");
    assert_eq!(engine.unmatched_payments(None).expect("reads"), []);
    assert_eq!(balance(&engine, "acme", "credits").0, 150);
    let refused = engine.assign_payment(Gateway::Asaas, "pay_1", package).expect_err("is paid");
    let why = "it is paid already; give an invoice that waits for its payment";
    assert_eq!(refused.to_string(), format!("invoice: {why}"));
    assert_sound(&engine);
}

// ---- refunds --------------------------------------------------------------------------------

#[test]
fn a_refund_of_the_next_period_leaves_the_present_one_and_one_of_the_running_period_ends_it() {
    let (engine, clock) = opened();
    let (plan, package) = (invoice(&engine, PLAN), invoice(&engine, PACKAGE));
    let event = |number: u32, what: &str, payment: &str, invoice: i64| {
        let id = format!("e&{number}");
        report(&engine, &asaas(&engine, &id, what, payment, invoice, "2026-05-04"))
    };
    let denied = || engine.consume("acme", "credits", 1).expect("decides").reason();
    event(1, "PAYMENT_RECEIVED", "pay_1", plan.id);
    let refunded = event(2, "PAYMENT_REFUNDED", "pay_1", plan.id);
    assert!(matches!(refunded, Applied { status: InvoiceStatus::Refunded, .. }));
    assert_eq!(denied(), None, "it pays the period after its due date");
    event(3, "PAYMENT_RECEIVED", "pay_2", package.id);
    event(4, "PAYMENT_REFUNDED", "pay_2", package.id);
    assert_eq!(balance(&engine, "acme", "credits"), (99, Some(100)), "the package's are gone");
    clock.set(at("2026-05-21T00:00:00-03:00"));
    engine.settle("acme").expect("settles");
    let subscription = engine.report("acme").expect("reports").subscription.expect("has one");
    assert!(subscription.lapsed, "the next period is not paid any more");
    event(5, "PAYMENT_RECEIVED", "pay_1", plan.id);
    assert_eq!(denied(), None);
    // Now the period runs that it pays.
    event(6, "PAYMENT_REFUNDED", "pay_1", plan.id);
    assert_eq!(denied(), Some(Reason::SubscriptionPending));
    event(7, "PAYMENT_RECEIVED", "pay_2", package.id);
    assert_eq!(denied(), Some(Reason::SubscriptionPending), "a package does not pay the plan");
    event(8, "PAYMENT_RECEIVED", "pay_3", plan.id);
    assert_eq!(denied(), None);
    assert_eq!(engine.report("acme").expect("reports").renewals, 1, "given once");
    assert_sound(&engine);
}

#[test]
fn a_reversal_that_is_reported_before_the_payment_is_what_counts() {
    let (engine, clock) = opened();
    clock.set(at("2026-05-18T12:00:00-03:00"));
    let reported = reported_of(&engine, "pay_2", invoice(&engine, PACKAGE).id);
    assert!(matches!(
        report(&engine, &reported[1]),
        Applied { status: InvoiceStatus::Refunded, .. }
    ));
    assert_eq!(
        report(&engine, &reported[0]),
        Ignored(IgnoredBecause::NothingToDo),
        "it was before"
    );
    assert_eq!(balance(&engine, "acme", "credits"), (100, Some(100)), "nothing is given");
    assert_sound(&engine);
}

// ---- Pagar.me -------------------------------------------------------------------------------

#[test]
fn pagarme_reports_of_one_payment_by_charge_and_by_order_in_whole_cents() {
    let (engine, _) = opened();
    let package = invoice(&engine, PACKAGE);
    let charge = format!(
        r#"{{"id":"ch_1","code":"{}","amount":4000,"status":"paid","payment_method":"pix",
            "paid_at":"2026-05-04T14:00:00Z"}}"#,
        package.reference
    );
    let hook = |id: &str, what: &str, data: &str| {
        let body = format!(
            r#"{{"id":"{id}","type":"{what}","created_at":"2026-05-04T14:00:0{}Z","data":{data}}}"#,
            &id[5..]
        );
        engine.payment_event(Gateway::Pagarme, body.as_bytes(), TOKEN).expect("is answered")
    };
    let order = format!(r#"{{"id":"or_1","code":"{}","charges":[{charge}]}}"#, package.reference);
    assert!(matches!(hook("hook_1", "charge.paid", &charge), Applied { .. }));
    assert_eq!(hook("hook_1", "charge.paid", &charge), Duplicate);
    assert_eq!(hook("hook_2", "order.paid", &order), Ignored(IgnoredBecause::NothingToDo));
    assert_eq!(balance(&engine, "acme", "credits"), (150, Some(150)), "once");
    let reversed = hook("hook_3", "charge.chargedback", &charge);
    assert!(matches!(reversed, Applied { status: InvoiceStatus::Refunded, .. }));
    assert_eq!(balance(&engine, "acme", "credits"), (100, Some(100)));
    assert!(matches!(hook("hook_4", "charge.paid", &charge), Applied { .. }));
    assert_eq!(balance(&engine, "acme", "credits"), (150, Some(150)), "restored");
    assert_eq!(hook("hook_5", "customer.created", "{}"), Ignored(IgnoredBecause::UnknownEvent));
    let refused = engine.payment_event(Gateway::Pagarme, b"{}", "guess").expect("is answered");
    assert_eq!(refused, Refused);
    assert_sound(&engine);
}

// ---- what is no event -----------------------------------------------------------------------

#[test]
fn a_wrong_token_reads_nothing_and_changes_nothing() {
    let (engine, _) = opened();
    let before = image(&engine);
    let body =
        asaas(&engine, "e&1", "PAYMENT_RECEIVED", "pay_1", invoice(&engine, PLAN).id, "2026-05-04");
    let long = "x".repeat(5_000);
    for token in ["", "wrong", &TOKEN[1..], &format!("{TOKEN} "), &long] {
        for body in [&body[..], b"no JSON"] {
            let outcome = engine.payment_event(Gateway::Asaas, body, token).expect("is answered");
            assert_eq!(outcome, Refused, "{token:?}");
        }
    }
    let (other, _) = opened();
    let unset = Engine::in_memory().maintenance(Maintenance::External).open().expect("opens");
    for token in ["", TOKEN] {
        let outcome = unset.payment_event(Gateway::Asaas, &body, token).expect("is answered");
        assert_eq!(outcome, Refused, "no token was set: no door is open");
    }
    assert_eq!(image(&engine), before);
    drop(other);
}

#[test]
fn a_body_that_is_no_event_is_a_typed_error_and_changes_nothing() {
    let (engine, _) = opened();
    let before = image(&engine);
    let event = |payment: &str| {
        format!(r#"{{"id":"e&1","event":"PAYMENT_RECEIVED","payment":{payment}}}"#).into_bytes()
    };
    let mut huge = event(r#"{"id":"pay_1"}"#);
    huge.resize(5 << 20, b' ');
    let deep = [b"{\"a\":".to_vec(), vec![b'['; 100_000]].concat();
    let secret = "4111-1111-1111-1111 maria@example.com";
    let refused = [
        Vec::new(),
        b"no JSON".to_vec(),
        vec![0xff, 0xfe, 0x00],
        b"[]".to_vec(),
        b"null".to_vec(),
        br#"{"event":7}"#.to_vec(),
        br#"{"id":"e&1","event":"PAYMENT_RECEIVED"}"#.to_vec(),
        br#"{"event":"PAYMENT_RECEIVED","payment":{"id":"pay_1"}}"#.to_vec(),
        event("[]"),
        event("{}"),
        event(r#"{"id":17}"#),
        event(r#"{"id":"pay_1","value":29.901}"#),
        event(r#"{"id":"pay_1","value":-1}"#),
        event(r#"{"id":"pay_1","value":1e3}"#),
        event(r#"{"id":"pay_1","value":"29.90"}"#),
        event(r#"{"id":"pay_1","value":99999999999999999999}"#),
        event(r#"{"id":"pay_1","value":10000000000.01}"#),
        event(r#"{"id":"pay_1","dueDate":"31/02/2026"}"#),
        event(&format!(r#"{{"id":"pay_1","dueDate":"{secret}"}}"#)),
        event(&format!(r#"{{"id":"pay_1","customer":["{secret}"]}}"#)),
        huge,
        deep,
    ];
    for body in refused {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let error = engine.payment_event(Gateway::Asaas, &body, TOKEN).expect_err(&shown);
        assert_eq!(error.code(), 331, "{shown}: {error}");
        let said = format!("{error} {error:?}");
        for secret in [TOKEN, "4111", "maria"] {
            assert!(!said.contains(secret), "{said}");
        }
        assert!(said.len() < 400, "{said}");
    }
    assert_eq!(image(&engine), before);
    assert_sound(&engine);
}

#[test]
fn what_is_not_understood_is_acknowledged_and_changes_nothing() {
    let (engine, _) = opened();
    let before = image(&engine);
    let plan = invoice(&engine, PLAN).id;
    let unknown = Ignored(IgnoredBecause::UnknownPayment);
    for number in [0, -1, 999, i64::MAX] {
        let body = asaas(&engine, "e&1", "PAYMENT_OVERDUE", "pay_x", number, "2026-05-04");
        assert_eq!(report(&engine, &body), unknown, "{number}");
        let id = format!("e&r{number}");
        let body = asaas(&engine, &id, "PAYMENT_RECEIVED", "pay_x", number, "2026-05-04");
        assert_eq!(report(&engine, &body), Unmatched, "{number}: money is kept");
    }
    for what in ["PAYMENT_ANTICIPATED", "TRANSFER_DONE", "", "\u{1F600}"] {
        if what.is_empty() {
            continue;
        }
        let body = asaas(&engine, "e&2", what, "pay_1", plan, "2026-05-04");
        assert_eq!(report(&engine, &body), Ignored(IgnoredBecause::UnknownEvent), "{what}");
    }
    let bare = br#"{"event":"PAYMENT_DUNNING_REQUESTED","new_field":[1,{"x":null}]}"#;
    assert_eq!(report(&engine, bare), Ignored(IgnoredBecause::UnknownEvent));
    assert_eq!(image(&engine), before);
    assert_sound(&engine);
}
