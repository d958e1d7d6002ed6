//! What is billed, and when: in advance and in arrears, changes of plan, lines, offers, own prices.

use std::sync::Arc;

use cotas::billing::Cents;
use cotas::{
    BillingMode, Catalog, Engine, InvoiceStatus, LineKind, Maintenance, ManualClock, ManualLine,
    NewTenant, PlanChange, Status, Terms,
};
use cotas_tests::invoices::{billed, pay};
use cotas_tests::{assert_sound, at, balance, date};

const CATALOG: &str = r#"
[catalog]
time_zone = "America/Sao_Paulo"
[resources.credits]
kind = "allowance"
[resources.channels]
kind = "seat"
[plans.full]
title = "Full"
price = "299.00"
limits = { credits = 100, channels = 5 }
[plans.small]
title = "Small"
price = "149.00"
limits = { credits = 10, channels = 1 }
[plans.yearly]
title = "Yearly"
price = "999.00"
period = "12 months"
limits = { credits = 100 }
[plans.free]
title = "Free"
price = "0.00"
limits = { credits = 1 }
[plans.enterprise]
title = "Enterprise"
price = "custom"
limits = { credits = 1000 }
[plans.ahead]
title = "Ahead"
price = "99.00"
billing = "advance"
limits = { credits = 10 }
[packages.channels]
title = "Channels"
resource = "channels"
recurring = true
prices = { 1 = "5.00" }
[packages.sms]
title = "SMS"
resource = "credits"
prices = { 50 = "15.00" }
"#;

/// An engine with the catalog, to which a table `[billing]` may be added.
fn opened(now: &str, more: &str) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at(now)));
    let engine = Engine::in_memory()
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External)
        .open()
        .expect("opens");
    let text = format!("{CATALOG}{more}");
    engine.load_catalog(&Catalog::parse(&text, "billing.toml").expect("is valid")).expect("loads");
    (engine, clock)
}

fn noon(clock: &ManualClock, day: &str) {
    clock.set(at(&format!("{day}T12:00:00-03:00")));
}

fn settled(engine: &Engine, clock: &ManualClock, day: &str) {
    noon(clock, day);
    engine.settle("acme").expect("settles");
}

/// A tenant in arrears, or one that pays first and has paid the day after.
fn joined(mode: BillingMode, plan: &str, due: &str) -> (Engine, Arc<ManualClock>) {
    let (engine, clock) = opened("2026-05-11T12:00:00-03:00", "");
    let new = NewTenant::new("acme").plan(plan, date(due), true);
    match mode {
        BillingMode::Arrears => engine.create_tenant(&new).expect("is created"),
        BillingMode::Advance => {
            let new = NewTenant { pay_first: Some("Manual"), ..new };
            engine.create_tenant(&new).expect("is created");
            noon(&clock, "2026-05-12");
            pay(&engine, "2026-05-11");
        }
    }
    (engine, clock)
}

fn terms<'a>(plan: &'a str, first_due: &str) -> Terms<'a> {
    Terms::new(plan, date(first_due), true)
}

fn total(engine: &Engine) -> String {
    let invoices = engine.invoices("acme").expect("reads").into_iter();
    let stands = invoices.filter(|it| it.status != InvoiceStatus::Cancelled);
    let cents = stands.map(|it| it.amount.get()).sum();
    Cents::new(cents).expect("is an amount").to_string()
}

fn status(engine: &Engine) -> Status {
    engine.report("acme").expect("reports").status
}

/// Joins full, buys two channels on 5 June, and changes to small on 20 June.
fn worked_month(mode: BillingMode, carry: bool) -> (Engine, Arc<ManualClock>) {
    let (engine, clock) = joined(mode, "full", "2026-06-10");
    settled(&engine, &clock, "2026-06-05");
    let bought = engine.buy("acme", "channels", 2, None).expect("sells");
    assert_eq!(bought.next_total.to_string(), "309.00");
    engine.mark_paid(bought.invoice, None).expect("is paid");
    settled(&engine, &clock, "2026-06-10");
    pay(&engine, "2026-06-10");
    settled(&engine, &clock, "2026-06-20");
    if carry {
        engine.carry_plan("acme", "small", None).expect("changes");
    } else {
        engine.change_plan("acme", &terms("small", "2026-07-10"), None).expect("changes");
    }
    (engine, clock)
}

#[test]
fn the_worked_month_in_arrears_comes_to_777_00_and_628_00() {
    let (engine, _) = worked_month(BillingMode::Arrears, false);
    assert_eq!(
        billed(&engine),
        [
            "2026-06-05: Channels 10.00 2026-06-05 to 2026-06-10",
            "2026-06-10: Full 299.00 2026-05-11 to 2026-06-10, \
             Channels 10.00 2026-06-11 to 2026-07-10",
            "2026-06-20: Full 299.00 2026-06-11 to 2026-06-20",
            "2026-07-10: Small 149.00 2026-06-20 to 2026-07-10, \
             Channels 10.00 2026-07-11 to 2026-08-10",
        ]
    );
    assert_eq!(total(&engine), "777.00");
    assert_sound(&engine);
    let (engine, _) = worked_month(BillingMode::Arrears, true);
    assert_eq!(
        billed(&engine)[2..],
        ["2026-07-10: Full 299.00 2026-06-11 to 2026-07-10, \
          Channels 10.00 2026-07-11 to 2026-08-10"]
    );
    assert_eq!(total(&engine), "628.00");
    assert_sound(&engine);
}

#[test]
fn the_worked_month_in_advance_comes_to_926_00_and_777_00() {
    let (engine, _) = worked_month(BillingMode::Advance, false);
    assert_eq!(
        billed(&engine),
        [
            "2026-05-11: Full 299.00 2026-05-12 to 2026-06-10",
            "2026-06-05: Channels 10.00 2026-06-05 to 2026-06-10",
            "2026-06-10: Full 299.00 2026-06-11 to 2026-07-10, \
             Channels 10.00 2026-06-11 to 2026-07-10",
            "2026-06-20: Small 149.00 2026-06-20 to 2026-07-10",
            "2026-07-10: Small 149.00 2026-07-11 to 2026-08-10, \
             Channels 10.00 2026-07-11 to 2026-08-10",
        ]
    );
    assert_eq!(total(&engine), "926.00");
    assert_sound(&engine);
    let (engine, _) = worked_month(BillingMode::Advance, true);
    assert_eq!(
        billed(&engine)[3..],
        ["2026-07-10: Small 149.00 2026-07-11 to 2026-08-10, \
          Channels 10.00 2026-07-11 to 2026-08-10"]
    );
    assert_eq!(total(&engine), "777.00");
    assert_sound(&engine);
}

#[test]
fn carrying_an_upgrade_costs_the_difference_once_and_gives_nothing_twice() {
    let (engine, clock) = joined(BillingMode::Arrears, "small", "2026-06-10");
    settled(&engine, &clock, "2026-06-20");
    assert!(engine.consume("acme", "credits", 10).expect("decides").allowed());
    let change = |plan| engine.carry_plan("acme", plan, None).expect("changes");
    change("full");
    assert_eq!(balance(&engine, "acme", "credits"), (90, Some(100)), "what was used stays used");
    for plan in ["small", "full", "small", "full"] {
        change(plan);
    }
    assert_eq!(balance(&engine, "acme", "credits"), (90, Some(100)));
    assert_eq!(billed(&engine)[1..], ["2026-07-10: Full 299.00 2026-06-11 to 2026-07-10"]);
    assert_sound(&engine);

    let (engine, clock) = joined(BillingMode::Advance, "small", "2026-06-10");
    pay(&engine, "2026-06-10");
    settled(&engine, &clock, "2026-06-20");
    let change = |plan| engine.carry_plan("acme", plan, None).expect("changes");
    for plan in ["full", "small", "full"] {
        change(plan);
    }
    assert_eq!(
        billed(&engine)[2..],
        [
            "2026-06-20: Full 150.00 2026-06-20 to 2026-07-10",
            "2026-07-10: Full 299.00 2026-07-11 to 2026-08-10",
        ],
        "back and up again: nothing more"
    );
    for (plan, why) in [("yearly", "another billing period"), ("nothing", "nothing")] {
        let refused = engine.carry_plan("acme", plan, None).expect_err("is refused");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    assert_sound(&engine);
}

#[test]
fn changing_back_and_forth_never_refills_what_is_not_billed() {
    let (engine, _) = joined(BillingMode::Arrears, "full", "2026-06-10");
    let mut used = 0;
    for _ in 0..5 {
        while engine.consume("acme", "credits", 10).expect("decides").allowed() {
            used += 10;
        }
        for plan in ["small", "full"] {
            engine.change_plan("acme", &terms(plan, "2026-06-20"), None).expect("changes");
        }
    }
    assert_eq!(used, 500);
    // Five periods of full and five of small, due at once, and the running one.
    assert_eq!(total(&engine), "2539.00");
    let open = billed(&engine);
    assert_eq!(open.len(), 2, "one invoice per due date: {open:?}");
    assert!(open[0].starts_with("2026-05-11: Full 299.00 2026-05-11 to 2026-05-11, Small"));
    assert_eq!(open[1], "2026-06-20: Full 299.00 2026-05-11 to 2026-06-20");
    assert_sound(&engine);
}

#[test]
fn a_customer_s_own_choice_restarts_only_when_its_invoice_is_paid() {
    let (engine, clock) = joined(BillingMode::Arrears, "small", "2026-06-10");
    assert!(engine.consume("acme", "credits", 10).expect("decides").allowed());
    for plan in ["full", "small", "full"] {
        engine.choose_plan("acme", &terms(plan, "2026-05-15"), "Manual", None).expect("chooses");
        assert!(!engine.consume("acme", "credits", 1).expect("decides").allowed(), "{plan}");
    }
    assert_eq!(total(&engine), "448.00", "small in arrears, and one offer");
    settled(&engine, &clock, "2026-05-12");
    assert_eq!(status(&engine), Status::Active, "an offer is no debt");
    pay(&engine, "2026-05-11");
    assert_eq!(balance(&engine, "acme", "credits"), (100, Some(100)));
    assert_eq!(
        billed(&engine),
        [
            // The first due date was too soon: it is moved on by whole periods.
            "2026-05-11: Full 299.00 2026-05-12 to 2026-06-15",
            "2026-05-12: Small 149.00 2026-05-11 to 2026-05-12",
            "2026-06-15: Full 299.00 2026-06-16 to 2026-07-15",
        ]
    );
    let record = engine.subscriptions("acme").expect("reads").remove(0);
    assert_eq!(record.billing, BillingMode::Advance);
    assert_sound(&engine);
}

#[test]
fn an_offer_runs_out_and_takes_the_choice_with_it() {
    let (engine, clock) = joined(BillingMode::Arrears, "small", "2026-06-10");
    let terms = terms("full", "2026-06-20");
    let chosen = engine.choose_plan("acme", &terms, "Manual", None).expect("chooses");
    settled(&engine, &clock, "2026-05-18");
    let stands = |engine: &Engine| {
        let invoices = engine.invoices("acme").expect("reads");
        invoices.iter().find(|it| Some(it.id) == chosen).expect("is there").status
    };
    assert_eq!(stands(&engine), InvoiceStatus::Pending, "it stands to the end of 18 May");
    settled(&engine, &clock, "2026-05-19");
    assert_eq!(stands(&engine), InvoiceStatus::Cancelled);
    let states: Vec<_> = engine.subscriptions("acme").expect("reads");
    let states: Vec<_> = states.iter().map(|it| (it.plan.as_str(), it.status)).collect();
    assert_eq!(states, [("full", "cancelled"), ("small", "active")]);
    assert_sound(&engine);
}

#[test]
fn a_plan_that_costs_nothing_begins_at_once_and_writes_no_invoice() {
    let (engine, _) = joined(BillingMode::Arrears, "small", "2026-06-10");
    let chosen = engine.choose_plan("acme", &terms("free", "2026-06-20"), "Manual", None);
    assert_eq!(chosen.expect("chooses"), None);
    assert_eq!(engine.report("acme").expect("reports").subscription.expect("has one").plan, "free");
    assert_eq!(billed(&engine), ["2026-05-11: Small 149.00 2026-05-11 to 2026-05-11"]);
    assert_sound(&engine);
}

#[test]
fn a_change_is_quoted_to_the_cent_and_changes_nothing() {
    let (engine, clock) = joined(BillingMode::Advance, "full", "2026-06-10");
    settled(&engine, &clock, "2026-05-20");
    let before = (billed(&engine), engine.subscriptions("acme").expect("reads"));
    let restart = PlanChange::Restart(terms("small", "2026-06-20"));
    let quote = engine.quote_plan_change("acme", &restart).expect("quotes");
    assert_eq!((quote.billing, quote.due_now.to_string()), (BillingMode::Advance, "149.00".into()));
    let dues: Vec<_> = quote.invoices.iter().map(|it| (it.due, it.amount.to_string())).collect();
    let of = |day, amount: &str| (date(day), amount.to_owned());
    assert_eq!(dues, [of("2026-05-20", "149.00"), of("2026-06-20", "149.00")]);
    assert_eq!(quote.withdrawn.len(), 1, "the period that would have followed");
    let carry = engine.quote_plan_change("acme", &PlanChange::Carry { plan: "small" });
    assert_eq!(carry.expect("quotes").due_now, Cents::ZERO);
    let unknown = engine.quote_plan_change("acme", &PlanChange::Carry { plan: "nothing" });
    assert_eq!(unknown.expect_err("is refused").code(), 404);
    assert_eq!((billed(&engine), engine.subscriptions("acme").expect("reads")), before);
    assert_sound(&engine);
}

#[test]
fn a_plan_in_advance_bills_joining_at_once_unless_that_is_paid() {
    for (is_paid, expected) in
        [(false, &["2026-05-11: Ahead 99.00 2026-05-11 to 2026-06-10"][..]), (true, &[][..])]
    {
        let (engine, clock) = opened("2026-05-11T12:00:00-03:00", "");
        let new = NewTenant::new("acme").plan("ahead", date("2026-06-10"), true);
        let new = NewTenant { first_period_paid: is_paid, ..new };
        engine.create_tenant(&new).expect("is created");
        let next = ["2026-06-10: Ahead 99.00 2026-06-11 to 2026-07-10"];
        assert_eq!(billed(&engine), [expected, &next].concat());
        settled(&engine, &clock, "2026-05-12");
        let right = if is_paid { Status::Active } else { Status::PastDue };
        assert_eq!(status(&engine), right, "joining is a debt");
        assert_sound(&engine);
    }
    let text = format!(
        "{CATALOG}[plans.x]\ntitle = \"X\"\nprice = \"1.00\"\n\
                        renew_on = \"payment\"\nbilling = \"arrears\""
    );
    let refused = Catalog::parse(&text, "c.toml").expect_err("is at odds");
    assert!(refused.to_string().contains("plans.x.billing"), "{refused}");
}

#[test]
fn where_no_period_follows_nothing_is_billed_in_advance() {
    let (engine, clock) = opened("2026-05-11T12:00:00-03:00", "");
    let new = NewTenant::new("acme").plan("ahead", date("2026-06-10"), false);
    engine.create_tenant(&NewTenant { first_period_paid: true, ..new }).expect("is created");
    let bought = engine.buy("acme", "channels", 1, None).expect("sells");
    assert_eq!((bought.next_due, bought.next_total), (None, Cents::ZERO));
    engine.mark_paid(bought.invoice, None).expect("is paid");
    assert_eq!(billed(&engine), ["2026-05-11: Channels 5.00 2026-05-11 to 2026-06-10"]);
    settled(&engine, &clock, "2026-07-01");
    assert_eq!(billed(&engine).len(), 1);
    assert_sound(&engine);
}

#[test]
fn what_is_bought_late_is_charged_with_the_due_date_that_follows_its_payment() {
    let (engine, clock) = joined(BillingMode::Arrears, "full", "2026-06-10");
    // On the due day: at contracting, and again on that due date.
    settled(&engine, &clock, "2026-06-10");
    let bought = engine.buy("acme", "channels", 1, None).expect("sells").invoice;
    engine.mark_paid(bought, None).expect("is paid");
    assert_eq!(
        billed(&engine),
        [
            "2026-06-10: Full 299.00 2026-05-11 to 2026-06-10, \
             Channels 5.00 2026-06-11 to 2026-07-10",
            "2026-06-10: Channels 5.00 2026-06-10 to 2026-06-10",
        ]
    );
    // Bought before a due date, and paid after it: first on the next one.
    let (engine, clock) = joined(BillingMode::Arrears, "full", "2026-06-10");
    settled(&engine, &clock, "2026-06-09");
    let bought = engine.buy("acme", "channels", 1, None).expect("sells").invoice;
    settled(&engine, &clock, "2026-06-12");
    engine.mark_paid(bought, None).expect("is paid");
    assert_eq!(
        billed(&engine)[1..],
        [
            "2026-06-10: Full 299.00 2026-05-11 to 2026-06-10",
            "2026-07-10: Full 299.00 2026-06-11 to 2026-07-10, \
             Channels 5.00 2026-07-11 to 2026-08-10",
        ]
    );
    assert_sound(&engine);
}

#[test]
fn what_is_added_to_a_paid_due_date_goes_on_a_further_invoice() {
    let (engine, clock) = joined(BillingMode::Arrears, "full", "2026-06-10");
    settled(&engine, &clock, "2026-06-01");
    pay(&engine, "2026-06-10");
    let bought = engine.buy("acme", "channels", 2, None).expect("sells").invoice;
    engine.mark_paid(bought, None).expect("is paid");
    assert_eq!(
        billed(&engine)[1..],
        [
            "2026-06-10: Full 299.00 2026-05-11 to 2026-06-10",
            "2026-06-10: Channels 10.00 2026-06-11 to 2026-07-10",
        ]
    );
    assert_sound(&engine);
}

#[test]
fn a_package_without_a_size_of_one_is_sold_as_it_is() {
    let (engine, _) = joined(BillingMode::Arrears, "full", "2026-06-10");
    let refused = engine.buy("acme", "sms", 20, None).expect_err("is refused").to_string();
    assert!(refused.ends_with("the next larger quantity that can is 50"), "{refused}");
    let bought = engine.buy("acme", "sms", 50, None).expect("sells");
    assert_eq!(bought.quote.cents.to_string(), "15.00");
    engine.mark_paid(bought.invoice, None).expect("is paid");
    assert_eq!(balance(&engine, "acme", "credits"), (150, Some(150)));
    assert_sound(&engine);
}

#[test]
fn a_price_of_a_tenant_s_own_holds_at_once_on_what_is_not_due() {
    let (engine, clock) = joined(BillingMode::Arrears, "full", "2026-06-10");
    let own = |amount| Some(Cents::parse(amount).expect("is an amount"));
    engine.set_own_price("acme", "full", own("250.00")).expect("changes");
    assert_eq!(billed(&engine), ["2026-06-10: Full 250.00 2026-05-11 to 2026-06-10"]);
    settled(&engine, &clock, "2026-06-11");
    engine.set_own_price("acme", "full", None).expect("changes");
    assert_eq!(
        billed(&engine),
        [
            "2026-06-10: Full 250.00 2026-05-11 to 2026-06-10",
            "2026-07-10: Full 299.00 2026-06-11 to 2026-07-10",
        ],
        "what was due stays"
    );
    let missing = engine.change_plan("acme", &terms("enterprise", "2026-07-20"), None);
    assert_eq!(missing.expect_err("has no price").code(), 428);
    engine.set_own_price("acme", "enterprise", own("1500.00")).expect("changes");
    engine.change_plan("acme", &terms("enterprise", "2026-07-20"), None).expect("changes");
    let refused = engine.set_own_price("acme", "enterprise", None).expect_err("is needed");
    assert_eq!(refused.code(), 428);
    let last = billed(&engine).pop();
    assert_eq!(last.as_deref(), Some("2026-07-20: Enterprise 1500.00 2026-06-11 to 2026-07-20"));
    assert_sound(&engine);
}

#[test]
fn invoices_and_lines_are_written_manually() {
    let (engine, clock) = joined(BillingMode::Arrears, "full", "2026-06-10");
    let line = |title, amount| ManualLine {
        title,
        amount: Cents::parse(amount).expect("is an amount"),
        days: None,
    };
    let lines = [line("Treinamento", "150.00"), line("Visita", "80.50")];
    let day = date("2026-05-15");
    let written = engine.create_invoice("acme", day, &lines, Some("once")).expect("writes");
    let again = engine.create_invoice("acme", day, &lines, Some("once")).expect("is answered");
    assert_eq!(written, again);
    let due = engine.invoices("acme").expect("reads")[1].id;
    assert_eq!(engine.add_invoice_line(due, &line("Multa", "9.90"), None).expect("adds"), due);
    assert_eq!(
        billed(&engine),
        [
            "2026-05-15: Treinamento 150.00, Visita 80.50",
            "2026-06-10: Full 299.00 2026-05-11 to 2026-06-10, Multa 9.90",
        ]
    );
    // It stays where what falls due is written again.
    engine
        .set_own_price("acme", "full", Some(Cents::parse("1.00").expect("is one")))
        .expect("sets");
    assert_eq!(billed(&engine)[1], "2026-06-10: Full 1.00 2026-05-11 to 2026-06-10, Multa 9.90");
    pay(&engine, "2026-06-10");
    let beside = engine.add_invoice_line(due, &line("Juros", "1.10"), None).expect("adds");
    assert_ne!(beside, due, "its lines are fixed");
    let invoices = engine.invoices("acme").expect("reads");
    let found = invoices.iter().find(|it| it.id == beside).expect("is there");
    assert_eq!((found.due, found.lines[0].kind), (date("2026-06-10"), LineKind::Manual));
    settled(&engine, &clock, "2026-05-16");
    assert_eq!(status(&engine), Status::PastDue, "what is written manually is owed");
    for (due, lines) in [
        ("2026-05-15", &lines[..]),
        ("2026-05-20", &[][..]),
        ("2026-05-20", &[line("Nada", "0.00")][..]),
        ("2026-05-20", &[line("\n", "1.00")][..]),
    ] {
        let refused = engine.create_invoice("acme", date(due), lines, None);
        assert_eq!(refused.expect_err("is refused").code(), 406, "{due} {lines:?}");
    }
    assert_sound(&engine);
}

#[test]
fn the_next_invoice_is_shown_before_it_is_written() {
    let (engine, clock) = joined(BillingMode::Arrears, "full", "2026-06-10");
    let bought = engine.buy("acme", "channels", 1, None).expect("sells").invoice;
    engine.mark_paid(bought, None).expect("is paid");
    engine.schedule_plan("acme", "small", None).expect("schedules");
    let next = engine.preview_invoice("acme").expect("reads").expect("is one");
    assert_eq!((next.due, next.amount.to_string()), (date("2026-07-10"), "154.00".to_owned()));
    settled(&engine, &clock, "2026-06-11");
    let written = engine.invoices("acme").expect("reads").pop().expect("is written");
    assert_eq!((written.due, written.amount, written.lines), (next.due, next.amount, next.lines));
    assert_sound(&engine);
}

#[test]
fn cancelling_makes_the_running_period_due_and_begins_none() {
    for (mode, owed) in [
        (BillingMode::Arrears, &["2026-05-20: Full 299.00 2026-05-11 to 2026-05-20"][..]),
        (BillingMode::Advance, &["2026-05-11: Full 299.00 2026-05-12 to 2026-06-10"][..]),
    ] {
        let (engine, clock) = joined(mode, "full", "2026-06-10");
        settled(&engine, &clock, "2026-05-20");
        let before = billed(&engine);
        engine.set_status("acme", Status::Cancelled, "gone", false).expect("cancels");
        assert_eq!(billed(&engine), owed);
        for refused in [
            engine.buy("acme", "channels", 1, None).map(|_| ()),
            engine.change_plan("acme", &terms("small", "2026-06-20"), None),
            engine.carry_plan("acme", "small", None),
            engine.choose_plan("acme", &terms("small", "2026-06-20"), "Manual", None).map(|_| ()),
            engine.schedule_plan("acme", "small", None).map(|_| ()),
        ] {
            assert_eq!(refused.expect_err("is cancelled").code(), 406);
        }
        // Undone before the period ends, it goes on with its invoices.
        engine.set_status("acme", Status::Active, "back", true).expect("resumes");
        assert_eq!(billed(&engine), before);
        engine.set_status("acme", Status::Cancelled, "gone", false).expect("cancels");
        settled(&engine, &clock, "2026-08-01");
        assert_eq!(billed(&engine), owed, "no period begins after cancelling");
        let periods = engine.periods("acme").expect("reads");
        assert_eq!(periods.len(), 1);
        assert_eq!(periods[0].end.to_string(), "2026-05-20T15:00:00Z", "it ended then");
        engine.set_status("acme", Status::Active, "back", true).expect("is brought back");
        assert_eq!(engine.report("acme").expect("reports").subscription, None, "joins again");
        engine.change_plan("acme", &terms("small", "2026-09-01"), None).expect("joins");
        assert_sound(&engine);
    }
}

#[test]
fn a_debt_suspends_and_cancels_by_the_clock() {
    let rules = "[billing]\nsuspend_after = 5\ncancel_after = 30\n";
    let (engine, clock) = opened("2026-05-11T12:00:00-03:00", rules);
    let new = NewTenant::new("acme").plan("full", date("2026-06-10"), true);
    engine.create_tenant(&new).expect("is created");
    for (now, right) in [
        ("2026-06-10T23:59:59-03:00", Status::Active),
        ("2026-06-11T00:00:00-03:00", Status::PastDue),
        ("2026-06-15T23:59:59-03:00", Status::PastDue),
        ("2026-06-16T00:00:00-03:00", Status::Suspended),
        ("2026-07-10T23:59:59-03:00", Status::Suspended),
        ("2026-07-11T00:00:00-03:00", Status::Cancelled),
    ] {
        clock.set(at(now));
        assert_eq!(status(&engine), right, "{now}: as the next decision");
        engine.settle("acme").expect("settles");
        assert_eq!(status(&engine), right, "{now}");
        let reason = engine.report("acme").expect("reports").status_reason;
        assert_eq!(reason, if right == Status::Active { "" } else { "debt" }, "{now}");
    }
    assert_sound(&engine);
    let text = format!("{CATALOG}[billing]\nsuspend_after = 5\ncancel_after = 4\n");
    let refused = Catalog::parse(&text, "c.toml").expect_err("is at odds").to_string();
    assert!(refused.contains("cancel_after = 4 comes before suspend_after = 5"), "{refused}");
}

#[test]
fn a_payment_lifts_a_suspension_for_debt_when_nothing_is_overdue_any_more() {
    let (engine, clock) = opened("2026-05-11T12:00:00-03:00", "[billing]\nsuspend_after = 5\n");
    let new = NewTenant::new("acme").plan("full", date("2026-06-10"), true);
    engine.create_tenant(&new).expect("is created");
    settled(&engine, &clock, "2026-07-11");
    assert_eq!(status(&engine), Status::Suspended);
    pay(&engine, "2026-06-10");
    assert_eq!(status(&engine), Status::Suspended, "one is overdue still");
    pay(&engine, "2026-07-10");
    assert_eq!(status(&engine), Status::Active);
    // The days count from the oldest that is overdue by then.
    settled(&engine, &clock, "2026-08-15");
    assert_eq!(status(&engine), Status::PastDue);
    settled(&engine, &clock, "2026-08-16");
    assert_eq!(status(&engine), Status::Suspended);
    engine.set_status("acme", Status::Active, "", false).expect("changes");
    engine.set_status("acme", Status::Suspended, "abuse", false).expect("changes");
    pay(&engine, "2026-08-10");
    assert_eq!(status(&engine), Status::Suspended, "an operator's is an operator's to lift");
    assert_sound(&engine);
}

// ---- the worked year of docs/billing.md ------------------------------------------------------

/// The rows of the table whose heading begins with these cells.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let text = include_str!("../docs/billing.md");
    let (_, rest) = text.split_once(heading).expect("the table is there");
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    rows.map(cells).collect()
}

/// Does what a row says.
fn act(engine: &Engine, what: &str) {
    match what.split_whitespace().collect::<Vec<_>>()[..] {
        ["waits"] => {}
        ["tries", plan] => {
            let new = NewTenant::new("acme").plan(plan, date("2026-02-05"), true);
            let new = NewTenant { status: Status::Demo, ..new };
            engine.create_tenant(&new).expect("is created");
        }
        ["chooses", plan] => {
            let terms = terms(plan, "2026-02-15");
            engine.choose_plan("acme", &terms, "Manual", None).expect("chooses");
        }
        ["pays", due, ..] => pay(engine, due),
        ["carries", "over", "to", plan] => {
            engine.carry_plan("acme", plan, None).expect("changes");
        }
        ["buys", units, package] => {
            let units = units.parse().expect("is a number");
            engine.buy("acme", package, units, None).expect("sells");
        }
        ["schedules", plan] => {
            engine.schedule_plan("acme", plan, None).expect("schedules");
        }
        _ => panic!("{what:?} is no step"),
    }
}

#[test]
fn the_worked_year_comes_to_the_cents_that_its_table_says() {
    let rules = "[billing]\nsuspend_after = 5\n";
    let (engine, clock) = opened("2026-01-05T12:00:00-03:00", rules);
    let rows = table("| day | what happens | status | billed so far |");
    assert_eq!(rows.len(), 25);
    for row in rows {
        let [day, what, right, sum] = row[..] else { panic!("{row:?} has not four cells") };
        noon(&clock, day);
        if engine.tenant("acme").is_ok() {
            engine.settle("acme").expect("settles");
        }
        act(&engine, what);
        let invoices = engine.invoices("acme").expect("reads").into_iter();
        let due = invoices
            .filter(|it| it.status != InvoiceStatus::Cancelled && it.due <= date(day))
            .map(|it| it.amount.get());
        let due = Cents::new(due.sum()).expect("is an amount").to_string();
        assert_eq!((status(&engine).code(), due.as_str()), (right, sum), "{day} {what}");
        assert_sound(&engine);
    }
    let rows = table("| due | amount | lines |");
    let right: Vec<_> = rows.iter().map(|row| format!("{}: {}", row[0], row[2])).collect();
    assert_eq!(billed(&engine), right);
    let amounts = engine.invoices("acme").expect("reads").into_iter();
    let amounts = amounts.filter(|it| it.status != InvoiceStatus::Cancelled);
    let amounts: Vec<_> = amounts.map(|it| it.amount.to_string()).collect();
    assert_eq!(amounts, rows.iter().map(|row| row[1]).collect::<Vec<_>>());
}
