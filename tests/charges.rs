//! One invoice, many charges; payments that come before their invoice; money that pays nothing.

use std::sync::Arc;

use cotas::billing::{Cents, Gateway, PaymentEvent, PaymentEventKind};
use cotas::{
    Catalog, Engine, EventKind, Invoice, InvoiceStatus, Maintenance, ManualClock, NewTenant,
    PaymentOutcome, Status, Terms, Unmatched,
};
use cotas_tests::{Database, assert_sound, at, balance, date};

use InvoiceStatus::{Overdue, Paid, Pending};
use PaymentOutcome::{Applied, Duplicate};

const CATALOG: &str = r#"
[catalog]
time_zone = "America/Sao_Paulo"
[resources.sms]
kind = "allowance"
[plans.full]
title = "Full"
price = "299.00"
limits = { sms = 100 }
[plans.small]
title = "Small"
price = "99.00"
limits = { sms = 10 }
[plans.paid_first]
title = "Paid first"
price = "99.00"
renew_on = "payment"
limits = { sms = 10 }
[packages.sms_pack]
title = "SMS"
resource = "sms"
prices = { 1 = "5.00", 10 = "36.00" }
"#;

const NOW: &str = "2026-05-20T12:00:00Z";

fn prepare(engine: &Engine) {
    engine.load_catalog(&Catalog::parse(CATALOG, "charges.toml").expect("valid")).expect("loads");
}

fn opened() -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at(NOW)));
    let builder = Engine::in_memory().clock(Arc::clone(&clock) as _);
    let engine = builder.maintenance(Maintenance::External).open().expect("opens");
    prepare(&engine);
    (engine, clock)
}

/// Brings a tenant over whose first period, where it is paid in advance, is paid elsewhere.
fn create(engine: &Engine, name: &str, plan: &str, due: &str) {
    let new = NewTenant::new(name).plan(plan, date(due), true);
    engine.create_tenant(&NewTenant { first_period_paid: true, ..new }).expect("is created");
}

/// An event about a charge, of which nothing more is known.
fn event(id: &str, kind: PaymentEventKind, payment: &str) -> PaymentEvent {
    let bare = format!(
        r#"{{ "gateway": "asaas", "id": "{id}", "kind": "{}", "payment": "{payment}" }}"#,
        kind.code()
    );
    serde_json::from_str(&bare).expect("is an event")
}

fn cents(cents: i64) -> Option<Cents> {
    Some(Cents::new(cents).expect("an amount"))
}

fn paid(id: &str, payment: &str, amount: i64) -> PaymentEvent {
    PaymentEvent { amount: cents(amount), ..event(id, PaymentEventKind::Paid, payment) }
}

fn of_invoice(it: &Invoice, event: PaymentEvent) -> PaymentEvent {
    PaymentEvent { reference: Some(it.reference.clone()), ..event }
}

fn of_subscription(id: &str, due: &str, event: PaymentEvent) -> PaymentEvent {
    PaymentEvent { subscription: Some(id.to_owned()), due: Some(date(due)), ..event }
}

fn apply(engine: &Engine, event: &PaymentEvent) -> PaymentOutcome {
    engine.apply_payment(event).expect("is answered")
}

fn invoices(engine: &Engine, tenant: &str) -> Vec<Invoice> {
    engine.invoices(tenant).expect("reads")
}

fn statuses(engine: &Engine, tenant: &str) -> Vec<InvoiceStatus> {
    invoices(engine, tenant).iter().map(|it| it.status).collect()
}

fn status(engine: &Engine, tenant: &str) -> Status {
    engine.report(tenant).expect("reports").status
}

fn kinds(engine: &Engine) -> Vec<&'static str> {
    let events = engine.events(0, 1_000).expect("reads");
    events.iter().map(|it| it.kind.code()).collect()
}

// ---- one invoice, many charges --------------------------------------------------------------

#[test]
fn a_charge_that_failed_was_overdue_or_was_withdrawn_binds_nothing() {
    use PaymentEventKind::{Opened, Overdue as Failed, Withdrawn};
    for before in [&[Failed][..], &[Withdrawn], &[Failed, Withdrawn], &[Opened, Withdrawn]] {
        let (engine, _) = opened();
        let new = NewTenant::new("loja").plan("full", date("2026-06-20"), true);
        engine.create_tenant(&NewTenant { pay_first: Some("Asaas"), ..new }).expect("is created");
        let joining = invoices(&engine, "loja").remove(0);
        for (number, &kind) in before.iter().enumerate() {
            apply(&engine, &of_invoice(&joining, event(&format!("e{number}"), kind, "pay_1")));
            assert_eq!(invoices(&engine, "loja")[0].status, Pending, "{before:?}");
        }
        let second = apply(&engine, &of_invoice(&joining, paid("e9", "pay_2", 29_900)));
        assert_eq!(second, Applied { invoice: joining.id, status: Paid }, "{before:?}");
        assert_eq!(balance(&engine, "loja", "sms"), (100, Some(100)), "{before:?}");
        let charges = engine.payments("loja").expect("reads");
        assert_eq!(charges.len(), 2);
        assert_eq!(charges[0].state.code(), "paid");
        assert_eq!(invoices(&engine, "loja")[0].gateway_id.as_deref(), Some("pay_2"));
        assert_sound(&engine);
    }
}

#[test]
fn an_invoice_stays_paid_as_long_as_one_paid_charge_of_it_remains() {
    let (engine, _) = opened();
    create(&engine, "t", "full", "2026-06-20");
    engine.buy("t", "sms_pack", 10, None).expect("sells");
    let package = invoices(&engine, "t").remove(0);
    let of = |event| apply(&engine, &of_invoice(&package, event));
    of(paid("e1", "pay_1", 36_00));
    assert_eq!(of(paid("e2", "pay_2", 36_00)), PaymentOutcome::PaidAgain { invoice: package.id });
    of(event("e3", PaymentEventKind::Reversed, "pay_1"));
    assert_eq!(invoices(&engine, "t")[0].status, Paid, "the second charge pays it");
    assert_eq!(engine.unmatched_payments(None).expect("reads"), [], "and is no surplus any more");
    assert_eq!(balance(&engine, "t", "sms").0, 110);
    let last = of(event("e4", PaymentEventKind::Reversed, "pay_2"));
    assert_eq!(last, Applied { invoice: package.id, status: InvoiceStatus::Refunded });
    assert_eq!(balance(&engine, "t", "sms").0, 100);
    assert_sound(&engine);
}

#[test]
fn a_partial_refund_changes_the_amount_and_nothing_else() {
    let (engine, _) = opened();
    create(&engine, "t", "full", "2026-06-20");
    let plan = invoices(&engine, "t").remove(0);
    apply(&engine, &of_invoice(&plan, paid("e1", "pay_1", 29_900)));
    let part = event("e2", PaymentEventKind::PartlyReversed, "pay_1");
    let part = PaymentEvent { refunded: cents(50_00), amount: cents(29_900), ..part };
    assert_eq!(apply(&engine, &part), Applied { invoice: plan.id, status: Paid });
    let after = invoices(&engine, "t").remove(0);
    assert_eq!((after.status, after.paid.map(Cents::get)), (Paid, Some(24_900)));
    let reported = engine.events(0, 100).expect("reads").into_iter().map(|it| it.kind);
    let expected =
        EventKind::PartlyRefunded { invoice: plan.id, refunded_cents: 50_00, paid_cents: 24_900 };
    assert_eq!(
        reported.filter(|it| it.code() == "partly_refunded").collect::<Vec<_>>(),
        [expected]
    );
    assert_sound(&engine);
}

#[test]
fn a_chargeback_of_what_was_used_is_a_debt_and_a_refund_is_none() {
    for (kind, after, tenant) in [
        (PaymentEventKind::ChargedBack, Overdue, Status::PastDue),
        (PaymentEventKind::Reversed, InvoiceStatus::Refunded, Status::Active),
    ] {
        let (engine, clock) = opened();
        create(&engine, "t", "full", "2026-06-20");
        let plan = invoices(&engine, "t").remove(0);
        clock.set(at("2026-06-20T12:00:00Z"));
        apply(&engine, &of_invoice(&plan, paid("e1", "pay_1", 29_900)));
        clock.set(at("2026-07-01T12:00:00Z"));
        let outcome = apply(&engine, &event("e2", kind, "pay_1"));
        assert_eq!(outcome, Applied { invoice: plan.id, status: after }, "{kind:?}");
        assert_eq!(status(&engine, "t"), tenant, "{kind:?}");
        assert!(engine.consume("t", "sms", 1).expect("decides").allowed(), "{kind:?}");
        // Won, or paid again.
        apply(&engine, &of_invoice(&plan, paid("e3", "pay_1", 29_900)));
        assert_eq!(
            (invoices(&engine, "t")[0].status, status(&engine, "t")),
            (Paid, Status::Active)
        );
        assert_sound(&engine);
    }
}

// ---- whose payment it is ---------------------------------------------------------------------

#[test]
fn a_number_in_the_host_s_reference_field_pays_no_invoice() {
    for reference in ["1", "2", "01", "invoice 1", "cotas:1", "cotas:00000000:a:1"] {
        let (engine, _) = opened();
        create(&engine, "a", "full", "2026-05-25");
        create(&engine, "b", "small", "2026-05-25");
        let event = PaymentEvent { reference: Some(reference.to_owned()), ..paid("e", "p", 99_00) };
        assert_eq!(apply(&engine, &event), PaymentOutcome::Unmatched, "{reference}");
        assert_eq!(statuses(&engine, "a"), [Pending], "{reference}");
        assert_eq!(statuses(&engine, "b"), [Pending], "{reference}");
        let overdue = PaymentEvent {
            reference: Some(reference.to_owned()),
            ..self::event("o", PaymentEventKind::Overdue, "p9")
        };
        apply(&engine, &overdue);
        assert_eq!(status(&engine, "a"), Status::Active, "{reference}");
    }
}

#[test]
fn a_reference_is_one_tenant_s_invoice_and_one_database_s() {
    let (engine, _) = opened();
    create(&engine, "a", "full", "2026-05-25");
    create(&engine, "b", "small", "2026-05-25");
    let reference = invoices(&engine, "a").remove(0).reference;
    let number = invoices(&engine, "b")[0].id;
    let (front, own) = reference.rsplit_once(':').expect("a number");
    // Another tenant's invoice, or another database's.
    let mixed = [format!("{front}:{number}"), format!("cotas:ffffffff:a:{own}")];
    for (at, reference) in mixed.into_iter().enumerate() {
        let paid = paid(&format!("e{at}"), &format!("pay_{at}"), 29_900);
        let outcome = apply(&engine, &PaymentEvent { reference: Some(reference), ..paid });
        assert_eq!(outcome, PaymentOutcome::Unmatched);
    }
    assert_eq!((statuses(&engine, "a"), statuses(&engine, "b")), (vec![Pending], vec![Pending]));
    let outcome =
        apply(&engine, &PaymentEvent { reference: Some(reference), ..paid("e", "p", 29_900) });
    assert!(matches!(outcome, Applied { status: Paid, .. }));
}

#[test]
fn a_known_subscription_goes_before_a_reference() {
    let (engine, _) = opened();
    for (name, plan) in [("a", "full"), ("b", "small")] {
        create(&engine, name, plan, "2026-05-25");
        engine.set_payment_form(name, "Asaas", Some(&format!("sub_{name}"))).expect("changes");
    }
    let of_a = invoices(&engine, "a").remove(0);
    let event = of_subscription("sub_b", "2026-05-25", paid("e1", "pay_b", 99_00));
    apply(&engine, &of_invoice(&of_a, event));
    assert_eq!((statuses(&engine, "a"), statuses(&engine, "b")), (vec![Pending], vec![Paid]));
    // Overdue and refunded are matched in the same way.
    let overdue = of_subscription(
        "sub_a",
        "2026-05-25",
        self::event("e2", PaymentEventKind::Overdue, "pay_a"),
    );
    apply(&engine, &PaymentEvent { reference: Some("2".to_owned()), ..overdue });
    assert_eq!((status(&engine, "a"), status(&engine, "b")), (Status::Active, Status::Active));
    assert_eq!(engine.payments("a").expect("reads")[0].invoice, Some(of_a.id));
}

#[test]
fn a_subscription_is_learned_from_the_first_charge_and_its_copied_reference_pays_once() {
    let (engine, clock) = opened();
    create(&engine, "t", "paid_first", "2026-06-01");
    let first = invoices(&engine, "t").remove(0);
    // Asaas copies the subscription's reference onto every charge.
    for (number, due) in ["2026-06-01", "2026-07-01", "2026-08-01"].into_iter().enumerate() {
        let paid = paid(&format!("e{number}"), &format!("pay_{number}"), 99_00);
        apply(&engine, &of_invoice(&first, of_subscription("sub_x", due, paid)));
    }
    assert_eq!(statuses(&engine, "t"), [Paid]);
    assert!(!kinds(&engine).contains(&"paid_again"), "the others wait for their invoices");
    clock.set(at("2026-08-20T12:00:00Z"));
    assert!(engine.consume("t", "sms", 10).expect("decides").allowed());
    assert_eq!(statuses(&engine, "t"), [Paid, Paid, Paid, Pending]);
    assert_sound(&engine);
}

#[test]
fn a_discount_of_a_known_payer_and_interest_of_an_unknown_one_pay() {
    for (amount, original, known, expected) in [
        (Some(29_900), None, false, Paid),
        (Some(31_000), None, false, Paid),
        (Some(31_000), Some(29_900), false, Paid),
        (Some(28_000), Some(29_900), false, Paid),
        (Some(28_000), None, true, Paid),
        (Some(28_000), None, false, Pending),
        (Some(29_899), Some(29_899), false, Pending),
        (None, None, false, Paid),
    ] {
        let (engine, _) = opened();
        create(&engine, "t", "full", "2026-06-20");
        let plan = invoices(&engine, "t").remove(0);
        let by = |event| PaymentEvent { customer: Some("cus_1".to_owned()), ..event };
        if known {
            let bought = engine.buy("t", "sms_pack", 1, None).expect("sells").invoice;
            let it = invoices(&engine, "t").into_iter().find(|it| it.id == bought).expect("is");
            apply(&engine, &by(of_invoice(&it, paid("e0", "pay_0", 5_00))));
        }
        let event = PaymentEvent {
            amount: amount.and_then(cents),
            original: original.and_then(cents),
            ..event("e1", PaymentEventKind::Paid, "pay_1")
        };
        apply(&engine, &by(of_invoice(&plan, event)));
        let after = invoices(&engine, "t").into_iter().find(|it| it.id == plan.id).expect("is");
        assert_eq!(after.status, expected, "{amount:?} {original:?} {known}");
        let differs = amount != Some(29_900) && original != Some(29_900) && amount.is_some();
        let reported = kinds(&engine).contains(&"payment_differs");
        assert_eq!(reported, differs && expected == Paid, "{amount:?} {original:?} {known}");
    }
}

// ---- payments before their invoice ----------------------------------------------------------

/// Three months paid at once, in any order, looked at each day or once after three months.
#[test]
fn months_that_are_paid_ahead_are_paid_when_they_come_however_late_it_is_looked_at() {
    let due = ["2026-06-01", "2026-07-01", "2026-08-01"];
    let mut images = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1], [1, 0, 2], [0, 2, 1]] {
        for daily in [true, false] {
            let (engine, clock) = opened();
            create(&engine, "t", "paid_first", "2026-06-01");
            engine.set_payment_form("t", "Asaas", Some("sub_a")).expect("changes");
            for which in order {
                let paid = paid(&format!("e{which}"), &format!("pay_{which}"), 99_00);
                apply(&engine, &of_subscription("sub_a", due[which], paid));
            }
            assert_eq!(engine.unmatched_payments(Some("t")).expect("reads").len(), 2);
            let start = at(NOW);
            for day in 1..=(if daily { 92 } else { 0 }) {
                clock.set(start.plus_ms(day * 86_400_000));
                engine.settle("t").expect("settles");
            }
            clock.set(at("2026-08-20T12:00:00Z"));
            assert!(engine.consume("t", "sms", 10).expect("decides").allowed(), "{order:?}");
            assert_eq!(statuses(&engine, "t"), [Paid, Paid, Paid, Pending], "{order:?} {daily}");
            assert_eq!(engine.unmatched_payments(None).expect("reads"), []);
            let report = engine.report("t").expect("reports");
            let periods = engine.periods("t").expect("reads");
            images.push(format!("{} {:?} {periods:?}", report.renewals, report.status));
            assert_sound(&engine);
        }
    }
    assert!(images.iter().all(|it| *it == images[0]), "{images:#?}");
}

#[test]
fn a_report_shows_what_a_waiting_payment_will_have_paid() {
    let (engine, clock) = opened();
    create(&engine, "t", "paid_first", "2026-06-01");
    engine.set_payment_form("t", "Asaas", Some("sub_a")).expect("changes");
    for (number, due) in ["2026-06-01", "2026-07-01"].into_iter().enumerate() {
        let paid = paid(&format!("e{number}"), &format!("pay_{number}"), 99_00);
        apply(&engine, &of_subscription("sub_a", due, paid));
    }
    clock.set(at("2026-07-15T12:00:00Z"));
    let report = engine.report("t").expect("reports");
    assert!(!report.subscription.expect("has one").lapsed);
    assert_eq!(report.renewals, 2);
}

#[test]
fn a_payment_of_another_day_pays_the_oldest_open_invoice_once_its_day_has_passed() {
    let (engine, clock) = opened();
    create(&engine, "t", "paid_first", "2026-06-10");
    engine.set_payment_form("t", "Asaas", Some("sub_a")).expect("changes");
    apply(&engine, &of_subscription("sub_a", "2026-06-05", paid("e1", "pay_1", 99_00)));
    clock.set(at("2026-06-05T23:59:59-03:00"));
    assert_eq!(statuses(&engine, "t"), [Pending], "it may be for an invoice that comes yet");
    clock.set(at("2026-06-06T00:00:00-03:00"));
    assert_eq!(statuses(&engine, "t"), [Paid]);
    clock.set(at("2026-06-20T12:00:00-03:00"));
    assert!(engine.consume("t", "sms", 10).expect("decides").allowed());
    assert_sound(&engine);
}

#[test]
fn what_was_paid_before_anything_said_whose_it_is_is_adopted_and_matched() {
    let (engine, _) = opened();
    create(&engine, "t", "full", "2026-06-20");
    let first = of_subscription("sub_a", "2026-06-20", paid("e1", "pay_1", 29_900));
    assert_eq!(apply(&engine, &first), PaymentOutcome::Unmatched);
    assert_eq!(apply(&engine, &first), Duplicate);
    let listed = engine.unmatched_payments(None).expect("reads");
    assert_eq!(
        (listed[0].tenant.as_deref(), listed[0].unmatched),
        (None, Some(Unmatched::NoInvoice))
    );
    assert_eq!(engine.events(0, 10).expect("reads").last().expect("one").tenant, "");
    engine.set_payment_form("t", "Asaas", Some("sub_a")).expect("changes");
    assert_eq!(statuses(&engine, "t"), [Paid]);
    assert_eq!(engine.unmatched_payments(None).expect("reads"), []);
    assert_sound(&engine);
}

#[test]
fn a_reversal_that_comes_before_its_payment_and_its_invoice_is_remembered() {
    let (engine, clock) = opened();
    create(&engine, "t", "paid_first", "2026-06-01");
    engine.set_payment_form("t", "Asaas", Some("sub_a")).expect("changes");
    let at_time = |text, event| PaymentEvent { occurred_at: Some(at(text)), ..event };
    let reversed = event("e1", PaymentEventKind::Reversed, "pay_2");
    let reversed = of_subscription("sub_a", "2026-07-01", reversed);
    apply(&engine, &at_time("2026-05-20T11:00:00Z", reversed));
    let early = of_subscription("sub_a", "2026-07-01", paid("e2", "pay_2", 99_00));
    apply(&engine, &at_time("2026-05-20T10:00:00Z", early));
    assert_eq!(engine.unmatched_payments(None).expect("reads"), [], "the money went back");
    let first = of_subscription("sub_a", "2026-06-01", paid("e3", "pay_1", 99_00));
    apply(&engine, &first);
    clock.set(at("2026-07-10T12:00:00Z"));
    let subscription = engine.report("t").expect("reports").subscription.expect("has one");
    assert!(subscription.lapsed, "July is not paid");
}

// ---- instalments ----------------------------------------------------------------------------

#[test]
fn all_instalments_of_one_purchase_match_whether_the_invoice_was_split_or_not() {
    for split in [true, false] {
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
            let (engine, _) = opened();
            create(&engine, "t", "full", "2026-06-20");
            let bought = engine.buy("t", "sms_pack", 10, None).expect("sells").invoice;
            if split {
                engine.split_invoice(bought, 3).expect("splits");
            }
            let find = |id| invoices(&engine, "t").into_iter().find(|it| it.id == id);
            let reference = find(bought).expect("is").reference;
            for number in order {
                // The gateway gives every instalment the reference of the purchase.
                let paid = paid(&format!("e{number}"), &format!("pay_{number}"), 12_00);
                let event = PaymentEvent {
                    installment: Some("ins_1".to_owned()),
                    part: Some(number),
                    due: Some(date(&format!("2026-0{}-23", number + 4))),
                    reference: Some(reference.clone()),
                    ..paid
                };
                let outcome = apply(&engine, &event);
                assert!(matches!(outcome, Applied { .. }), "{split} {order:?}: {outcome:?}");
            }
            let package = invoices(&engine, "t").into_iter().filter(|it| it.title == "SMS");
            assert!(package.clone().all(|it| it.status == Paid), "{split} {order:?}");
            assert_eq!(package.count(), if split { 3 } else { 1 });
            assert_eq!(balance(&engine, "t", "sms").0, 110, "{split} {order:?}: given once");
            assert_eq!(engine.unmatched_payments(None).expect("reads"), []);
            assert!(!kinds(&engine).contains(&"paid_again"));
            assert_sound(&engine);
        }
    }
}

// ---- statuses -------------------------------------------------------------------------------

#[test]
fn a_demonstration_or_a_tenant_that_is_set_up_becomes_active_by_paying() {
    for before in [Status::Demo, Status::Onboarding] {
        for first in [true, false] {
            let (engine, clock) = opened();
            let plan = if first { "full" } else { "small" };
            let new = NewTenant::new("t").plan(plan, date("2026-06-20"), true);
            let pay_first = first.then_some("Asaas");
            engine
                .create_tenant(&NewTenant { status: before, pay_first, ..new })
                .expect("is created");
            if !first {
                let terms = Terms::new("full", date("2026-06-20"), true);
                engine.choose_plan("t", &terms, "Asaas", None).expect("chooses");
            }
            let chosen = invoices(&engine, "t").pop().expect("one");
            apply(&engine, &of_invoice(&chosen, paid("e1", "pay_1", 29_900)));
            assert_eq!(status(&engine, "t"), Status::Active, "{before:?} {first}");
            clock.set(at(NOW).plus_ms(15 * 86_400_000));
            assert!(engine.consume("t", "sms", 1).expect("decides").allowed());
            assert_eq!(engine.ended_demos().expect("reads"), [""; 0]);
            let cancelled = |it: &Invoice| it.status == InvoiceStatus::Cancelled;
            assert!(!invoices(&engine, "t").iter().any(cancelled), "nothing is billed twice");
            assert_sound(&engine);
        }
    }
}

#[test]
fn a_subscription_that_the_gateway_ended_renews_when_it_is_paid_again() {
    for plan in ["paid_first", "small"] {
        for paid_late in [false, true] {
            let (engine, clock) = opened();
            create(&engine, "t", plan, "2026-06-01");
            engine.set_payment_form("t", "Asaas", Some("sub_a")).expect("changes");
            let ended = PaymentEvent {
                subscription: Some("sub_a".to_owned()),
                ..event("e1", PaymentEventKind::SubscriptionEnded, "")
            };
            let outcome = apply(&engine, &ended);
            assert!(matches!(outcome, PaymentOutcome::SubscriptionEnded { .. }));
            clock.set(at(if paid_late { "2026-06-10T12:00:00Z" } else { "2026-05-25T12:00:00Z" }));
            apply(&engine, &of_subscription("sub_a", "2026-06-01", paid("e2", "pay_1", 99_00)));
            clock.set(at("2026-06-15T12:00:00Z"));
            let renewed = engine.report("t").expect("reports");
            let subscription = renewed.subscription.expect("has one");
            assert!(subscription.auto_renew && !subscription.lapsed, "{plan} {paid_late}");
            assert_eq!(renewed.renewals, 1, "{plan} {paid_late}");
            assert!(engine.consume("t", "sms", 10).expect("decides").allowed());
            // The end, reported once more and late, ends nothing.
            let again = PaymentEvent {
                id: "e3".to_owned(),
                occurred_at: Some(at("2026-05-20T12:00:00Z")),
                ..ended
            };
            let nothing = PaymentOutcome::Ignored(cotas::IgnoredBecause::NothingToDo);
            assert_eq!(apply(&engine, &again), nothing);
            assert_sound(&engine);
        }
    }
}

#[test]
fn overdue_begins_after_the_end_of_the_due_day_in_the_tenant_s_zone() {
    for (zone, end) in [
        ("America/Sao_Paulo", "2026-06-21T03:00:00Z"),
        ("America/Rio_Branco", "2026-06-21T05:00:00Z"),
        ("America/Noronha", "2026-06-21T02:00:00Z"),
    ] {
        let (engine, clock) = opened();
        let mut new = NewTenant::new("t").plan("full", date("2026-06-20"), true);
        new.time_zone = Some(zone.parse().expect("a zone"));
        engine.create_tenant(&new).expect("is created");
        engine.set_payment_form("t", "Asaas", None).expect("changes");
        let plan = invoices(&engine, "t").remove(0);
        clock.set(at(end).plus_ms(-1));
        let overdue = event("e1", PaymentEventKind::Overdue, "pay_1");
        let early = apply(&engine, &of_invoice(&plan, overdue));
        assert!(matches!(early, PaymentOutcome::Ignored(_)), "{zone}");
        assert_eq!((statuses(&engine, "t")[0], status(&engine, "t")), (Pending, Status::Active));
        clock.set(at(end));
        assert_eq!((statuses(&engine, "t")[0], status(&engine, "t")), (Overdue, Status::PastDue));
        engine.settle("t").expect("settles");
        assert_eq!((statuses(&engine, "t")[0], status(&engine, "t")), (Overdue, Status::PastDue));
    }
}

#[test]
fn a_payment_lifts_no_debt_while_another_invoice_is_overdue() {
    let (engine, clock) = opened();
    create(&engine, "t", "full", "2026-06-20");
    clock.set(at("2026-08-01T12:00:00Z"));
    engine.settle("t").expect("settles");
    assert_eq!(statuses(&engine, "t"), [Overdue, Overdue, Pending]);
    let rows = invoices(&engine, "t");
    apply(&engine, &of_invoice(&rows[1], paid("e1", "pay_1", 29_900)));
    assert_eq!(status(&engine, "t"), Status::PastDue);
    apply(&engine, &of_invoice(&rows[0], paid("e2", "pay_2", 29_900)));
    assert_eq!(status(&engine, "t"), Status::Active);
}

// ---- assignment -----------------------------------------------------------------------------

#[test]
fn a_payment_of_a_lapsed_offer_is_listed_and_gives_it_when_it_is_assigned() {
    let (engine, _) = opened();
    let new = NewTenant::new("t").plan("full", date("2026-06-20"), true);
    engine.create_tenant(&NewTenant { pay_first: Some("Asaas"), ..new }).expect("is created");
    let offer = invoices(&engine, "t").remove(0);
    engine.cancel_invoice(offer.id).expect("is cancelled");
    let late = of_invoice(&offer, paid("e1", "pay_1", 29_900));
    assert_eq!(apply(&engine, &late), PaymentOutcome::Unmatched);
    let listed = engine.unmatched_payments(Some("t")).expect("reads");
    assert_eq!(listed[0].unmatched, Some(Unmatched::InvoiceCancelled));
    assert!(kinds(&engine).contains(&"payment_unmatched"));
    engine.assign_payment(Gateway::Asaas, "pay_1", offer.id).expect("is assigned");
    assert_eq!(balance(&engine, "t", "sms"), (100, Some(100)));
    assert_eq!(invoices(&engine, "t")[0].status, Paid);
    assert_sound(&engine);
}

#[test]
fn what_cannot_be_assigned_says_why_and_changes_nothing() {
    let (engine, _) = opened();
    create(&engine, "t", "full", "2026-06-20");
    create(&engine, "u", "small", "2026-06-20");
    let (of_t, of_u) = (invoices(&engine, "t").remove(0), invoices(&engine, "u").remove(0));
    apply(&engine, &of_invoice(&of_t, paid("e1", "pay_1", 29_900)));
    let overdue = event("e2", PaymentEventKind::Overdue, "pay_2");
    apply(&engine, &of_invoice(&of_u, overdue));
    for (payment, invoice, message) in [
        ("pay_1", of_u.id, format!("payment: it pays invoice {} already", of_t.id)),
        (
            "pay_2",
            of_u.id,
            "payment: the charge is overdue; only a paid charge can be assigned".to_owned(),
        ),
        (
            "pay_9",
            of_u.id,
            "payment: no charge \"pay_9\" of asaas is known; webhooks make charges known"
                .to_owned(),
        ),
    ] {
        let error = engine.assign_payment(Gateway::Asaas, payment, invoice).expect_err("refused");
        assert_eq!(error.to_string(), message);
    }
    let unknown = engine.assign_payment(Gateway::Asaas, "pay_1", 999).expect_err("refused");
    assert_eq!(unknown.code(), cotas::Error::UnknownInvoice(999).code());
    assert_eq!(statuses(&engine, "u"), [Pending]);
    assert_sound(&engine);
}

#[test]
fn an_assignment_makes_the_payer_known_and_its_other_instalments_follow() {
    let (engine, _) = opened();
    create(&engine, "t", "full", "2026-06-20");
    let bought = engine.buy("t", "sms_pack", 10, None).expect("sells").invoice;
    let parts = engine.split_invoice(bought, 3).expect("splits");
    for number in 1..=3 {
        let installment = Some("ins_1".to_owned());
        let paid = paid(&format!("e{number}"), &format!("pay_{number}"), 12_00);
        let event = PaymentEvent { installment, part: Some(number), ..paid };
        assert_eq!(apply(&engine, &event), PaymentOutcome::Unmatched);
    }
    engine.assign_payment(Gateway::Asaas, "pay_1", parts[0]).expect("is assigned");
    assert_eq!(engine.unmatched_payments(None).expect("reads"), []);
    let open = |it: &&Invoice| it.title == "SMS" && it.status != Paid;
    assert_eq!(invoices(&engine, "t").iter().filter(open).count(), 0);
}

// ---- databases of before ----------------------------------------------------------------------

const SCHEMAS_TO_5: [&str; 5] = [
    include_str!("../core/src/store/schema.sql"),
    include_str!("../core/src/store/schema_2.sql"),
    include_str!("../core/src/store/schema_3.sql"),
    include_str!("../core/src/store/schema_4.sql"),
    include_str!("../core/src/store/schema_5.sql"),
];

/// Makes a database one of schema 5 with the same content, as far as that schema has it.
fn back_to_schema_5(database: &Database) {
    let connection = rusqlite::Connection::open(database.path()).expect("opens");
    let copy = database.directory().join("copy.db");
    let copied = copy.to_str().expect("UTF-8");
    connection.execute("VACUUM INTO ?1", [copied]).expect("copies");
    let list = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).expect("is SQL");
        let rows = statement.query_map([], |row| row.get(0)).expect("reads");
        rows.map(|row| row.expect("a name")).collect()
    };
    let run = |sql: &str| connection.execute_batch(sql).expect(sql);
    let tables = "SELECT name FROM main.sqlite_schema WHERE type = 'table' \
                  AND name NOT LIKE 'sqlite%'";
    run("PRAGMA foreign_keys = OFF");
    for table in list(tables) {
        run(&format!("DROP TABLE {table}"));
    }
    for schema in SCHEMAS_TO_5 {
        run(schema);
    }
    connection.execute("ATTACH ?1 AS newer", [copied]).expect("attaches");
    for table in list(tables) {
        let columns = list(&format!(
            "SELECT o.name FROM pragma_table_info('{table}', 'main') o \
             JOIN pragma_table_info('{table}', 'newer') n ON n.name = o.name"
        ));
        let columns = columns.join(", ");
        run(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}"));
    }
    run("UPDATE invoices SET (gateway_id, told_at) = (SELECT id, told_at FROM newer.charges c \
         WHERE c.invoice = invoices.id)");
    run("DETACH newer; PRAGMA user_version = 5");
}

#[test]
fn a_charge_that_was_bound_before_the_charges_were_kept_stays_bound() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    let clock = ManualClock::new(engine.now());
    prepare(&engine);
    let due = cotas_tests::date("2026-12-20");
    engine.create_tenant(&NewTenant::new("t").plan("full", due, true)).expect("is created");
    let plan = invoices(&engine, "t").remove(0);
    apply(&engine, &of_invoice(&plan, paid("e1", "pay_1", 29_900)));
    drop(engine);
    std::fs::remove_file(database.live()).expect("is removed");
    back_to_schema_5(&database);
    let engine = database.open().with_clock(Arc::new(clock));
    let before = invoices(&engine, "t").remove(0);
    assert_eq!((before.status, before.gateway_id.as_deref()), (Paid, Some("pay_1")));
    // Known by its own id alone.
    let refunded = apply(&engine, &event("e2", PaymentEventKind::Reversed, "pay_1"));
    assert!(matches!(refunded, Applied { invoice, .. } if invoice == plan.id), "{refunded:?}");
    assert_eq!(apply(&engine, &of_invoice(&plan, paid("e1", "pay_1", 29_900))), Duplicate);
    assert_eq!(engine.payments("t").expect("reads")[0].payment_method, None);
    assert_sound(&engine);
}
