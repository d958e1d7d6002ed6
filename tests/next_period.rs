//! The period that follows: its due date is set, and a subscription pauses and is resumed.

use std::sync::Arc;

use cotas::billing::Gateway;
use cotas::{
    BillingMode, Catalog, Engine, EventKind, Maintenance, ManualClock, NewTenant, Pause, Reason,
    Source, Status, Terms,
};
use cotas_tests::invoices::{billed, pay};
use cotas_tests::{assert_sound, at, balance, date};

const TOKEN: &str = "a-token-of-the-webhook";

const CATALOG: &str = r#"
[catalog]
time_zone = "America/Sao_Paulo"
[resources.credits]
kind = "allowance"
[resources.users]
kind = "seat"
[plans.full]
title = "Full"
price = "299.00"
limits = { credits = 100, users = 3 }
[plans.small]
title = "Small"
price = "149.00"
limits = { credits = 10, users = 1 }
[plans.ahead]
title = "Ahead"
price = "99.00"
billing = "advance"
limits = { credits = 10, users = 1 }
[plans.weekly_units]
title = "Yearly"
price = "999.00"
period = "12 months"
cadence = "1 month"
limits = { credits = 10 }
[packages.users]
title = "Users"
resource = "users"
recurring = true
prices = { 1 = "5.00" }
"#;

/// A tenant that joined a plan on 11 May, due on 10 June.
fn joined(plan: &str) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at("2026-05-11T12:00:00-03:00")));
    let engine = Engine::in_memory()
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External)
        .open()
        .expect("opens");
    let catalog = Catalog::parse(CATALOG, "periods.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    let new = NewTenant::new("acme").plan(plan, date("2026-06-10"), true);
    engine.create_tenant(&new).expect("is created");
    (engine, clock)
}

fn settled(engine: &Engine, clock: &ManualClock, day: &str) {
    clock.set(at(&format!("{day}T12:00:00-03:00")));
    engine.settle("acme").expect("settles");
}

fn due(engine: &Engine) -> String {
    engine.report("acme").expect("reports").subscription.expect("has one").due.to_string()
}

fn pause(engine: &Engine) -> Pause {
    engine.report("acme").expect("reports").subscription.expect("has one").pause
}

fn may(engine: &Engine) -> Result<(), Reason> {
    let decision = engine.check("acme", "credits", 1).expect("decides");
    decision.reason().map_or(Ok(()), Err)
}

// ---- the due date -------------------------------------------------------------------------------

#[test]
fn a_due_date_that_is_set_costs_one_price_and_is_the_day_of_all_later_ones() {
    let (engine, clock) = joined("full");
    let next = engine.set_due_date("acme", date("2026-07-31"), None).expect("is set");
    assert_eq!((next.from, next.to), (date("2026-06-11"), date("2026-07-31")));
    assert_eq!((next.amount.to_string(), next.due), ("299.00".to_owned(), date("2026-07-31")));
    assert_eq!(due(&engine), "2026-06-10", "the running period stays");
    let preview = engine.preview_invoice("acme").expect("previews").expect("there is one");
    assert_eq!((preview.due, preview.lines[0].to), (next.to, Some(next.to)));
    settled(&engine, &clock, "2026-06-11");
    assert_eq!(due(&engine), "2026-07-31");
    assert_eq!(balance(&engine, "acme", "credits"), (100, Some(100)));
    for (day, expected) in [
        ("2026-07-31", "2026-07-31"),
        ("2026-08-01", "2026-08-31"),
        ("2026-09-01", "2026-09-30"),
        ("2026-10-01", "2026-10-31"),
    ] {
        settled(&engine, &clock, day);
        assert_eq!(due(&engine), expected, "{day}");
    }
    assert_eq!(
        billed(&engine)[..3],
        [
            "2026-06-10: Full 299.00 2026-05-11 to 2026-06-10",
            "2026-07-31: Full 299.00 2026-06-11 to 2026-07-31",
            "2026-08-31: Full 299.00 2026-08-01 to 2026-08-31",
        ]
    );
    assert_sound(&engine);
}

#[test]
fn in_advance_the_period_with_another_due_date_is_billed_once() {
    let (engine, clock) = joined("ahead");
    pay(&engine, "2026-05-11");
    let next = engine.set_due_date("acme", date("2026-06-20"), None).expect("is set");
    assert_eq!((next.amount.to_string(), next.due), ("99.00".to_owned(), date("2026-06-10")));
    // Set again, and again: the last one holds.
    engine.set_due_date("acme", date("2026-07-25"), None).expect("is set");
    engine.set_due_date("acme", date("2026-06-20"), None).expect("is set");
    settled(&engine, &clock, "2026-06-12");
    assert_eq!(due(&engine), "2026-06-20");
    settled(&engine, &clock, "2026-06-21");
    assert_eq!(
        billed(&engine),
        [
            "2026-05-11: Ahead 99.00 2026-05-11 to 2026-06-10",
            "2026-06-10: Ahead 99.00 2026-06-11 to 2026-06-20",
            "2026-06-20: Ahead 99.00 2026-06-21 to 2026-07-20",
            "2026-07-20: Ahead 99.00 2026-07-21 to 2026-08-20",
        ]
    );
    assert_sound(&engine);
}

#[test]
fn a_charge_that_is_under_way_pays_the_moved_period() {
    let (engine, _) = joined("ahead");
    pay(&engine, "2026-05-11");
    let invoices = engine.invoices("acme").expect("reads");
    let waits = invoices.iter().find(|it| it.due == date("2026-06-10")).expect("is written");
    let body = format!(
        r#"{{"id":"evt_1&1","event":"PAYMENT_CREATED","payment":{{"id":"pay_1","value":99,
        "dueDate":"2026-06-10","externalReference":"{}"}}}}"#,
        waits.reference
    );
    engine.set_webhook_token(Gateway::Asaas, TOKEN).expect("is set");
    engine.payment_event(Gateway::Asaas, body.as_bytes(), TOKEN).expect("is noted");
    assert_eq!(engine.payments("acme").expect("reads").len(), 1, "the charge is known");
    engine.set_due_date("acme", date("2026-06-25"), None).expect("is set");
    assert_eq!(billed(&engine)[1..], ["2026-06-10: Ahead 99.00 2026-06-11 to 2026-06-25"]);
}

#[test]
fn a_due_date_is_refused_where_it_would_take_or_give_something() {
    let (engine, clock) = joined("ahead");
    pay(&engine, "2026-05-11");
    for day in ["2026-06-10", "2026-05-30", "2026-08-11"] {
        let refused = engine.set_due_date("acme", date(day), None).expect_err("is refused");
        assert!(refused.to_string().contains("2026-06-11 and 2026-08-10"), "{refused}");
    }
    engine.set_due_date("acme", date("2026-08-10"), Some("k")).expect("is at most two periods");
    let again = engine.set_due_date("acme", date("2026-08-10"), Some("k")).expect("as before");
    assert_eq!(again.to, date("2026-08-10"));
    assert_eq!(
        engine.set_due_date("acme", date("2026-07-10"), Some("k")).expect_err("conflicts").code(),
        407,
    );
    pay(&engine, "2026-06-10");
    let refused = engine.set_due_date("acme", date("2026-07-05"), None).expect_err("is paid");
    assert!(refused.to_string().contains("paid already"), "{refused}");
    settled(&engine, &clock, "2026-06-11");
    assert_eq!(due(&engine), "2026-08-10");
    engine.set_auto_renew("acme", false).expect("switches");
    let refused = engine.set_due_date("acme", date("2026-09-05"), None).expect_err("is refused");
    assert!(refused.to_string().contains("switch automatic renewal on"), "{refused}");
    assert_eq!(engine.set_due_date("none", date("2026-09-05"), None).expect_err("").code(), 400);
    assert_sound(&engine);
}

#[test]
fn a_scheduled_plan_takes_the_due_date_and_one_that_is_scheduled_later_too() {
    for schedules_first in [true, false] {
        let (engine, clock) = joined("full");
        let schedule = || engine.schedule_plan("acme", "small", None).expect("is scheduled");
        if schedules_first {
            schedule();
        }
        engine.set_due_date("acme", date("2026-06-25"), None).expect("is set");
        if !schedules_first {
            schedule();
        }
        settled(&engine, &clock, "2026-06-11");
        assert_eq!(due(&engine), "2026-06-25");
        settled(&engine, &clock, "2026-06-26");
        assert_eq!(due(&engine), "2026-07-25");
        assert_eq!(
            billed(&engine)[..2],
            [
                "2026-06-10: Full 299.00 2026-05-11 to 2026-06-10",
                "2026-06-25: Small 149.00 2026-06-11 to 2026-06-25",
            ]
        );
        assert_sound(&engine);
    }
}

#[test]
fn units_that_are_restored_within_a_period_follow_its_new_due_date() {
    let (engine, clock) = joined("weekly_units");
    // Due in 13 months, so that its first interval begins before the grid of twelve.
    engine.set_due_date("acme", date("2027-07-15"), None).expect("is set");
    settled(&engine, &clock, "2026-06-11");
    assert_eq!(due(&engine), "2027-07-15");
    let restored = |day: &str| {
        settled(&engine, &clock, day);
        engine.consume("acme", "credits", 10).expect("decides").allowed()
    };
    let days = ["2026-06-12", "2026-06-15", "2026-06-16", "2026-07-15", "2026-07-16"];
    assert_eq!(days.map(restored), [true, false, true, false, true]);
    assert_sound(&engine);
}

// ---- the first due date -------------------------------------------------------------------------

/// A tenant without a plan, which chooses one on a day and pays for it on another.
fn chosen(chosen_on: &str, terms: &Terms<'_>, paid_on: &str) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at(&format!("{chosen_on}T12:00:00-03:00"))));
    let engine = Engine::in_memory()
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External)
        .open()
        .expect("opens");
    let catalog = Catalog::parse(CATALOG, "periods.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    engine.create_tenant(&NewTenant::new("acme")).expect("is created");
    let invoice = engine.choose_plan("acme", terms, "Manual", None).expect("chooses");
    settled(&engine, &clock, paid_on);
    engine.mark_paid(invoice.expect("is to be paid"), None).expect("is paid");
    (engine, clock)
}

#[test]
fn without_a_first_due_date_it_comes_one_period_after_the_payment() {
    let terms = Terms { plan: "full", first_due: None, anchor_day: None, auto_renew: true };
    for (chosen_on, paid_on, dues) in [
        ("2026-05-11", "2026-05-15", ["2026-06-15", "2026-07-15"]),
        ("2026-01-30", "2026-01-31", ["2026-02-28", "2026-03-31"]),
    ] {
        let (engine, clock) = chosen(chosen_on, &terms, paid_on);
        assert_eq!(due(&engine), dues[0]);
        let line = format!("{chosen_on}: Full 299.00 {paid_on} to {}", dues[0]);
        assert_eq!(billed(&engine)[0], line, "the period that was paid");
        settled(&engine, &clock, dues[1]);
        assert_eq!(due(&engine), dues[1], "the day of the payment is the anchor");
        assert_sound(&engine);
    }
    // With an anchor of its own it falls on that, and at least seven days after the payment.
    let fifth = Terms { anchor_day: Some(5), ..terms };
    let (engine, _) = chosen("2026-05-20", &fifth, "2026-05-27");
    assert_eq!(due(&engine), "2026-06-05");
    let (engine, _) = chosen("2026-05-28", &fifth, "2026-05-30");
    assert_eq!(due(&engine), "2026-07-05");
}

#[test]
fn an_anchor_day_is_given_apart_from_the_first_due_date() {
    let clock = Arc::new(ManualClock::new(at("2026-02-10T12:00:00-03:00")));
    let engine = Engine::in_memory()
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External)
        .open()
        .expect("opens");
    let catalog = Catalog::parse(CATALOG, "periods.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    let anchored = Terms { anchor_day: Some(31), ..Terms::new("full", date("2026-02-28"), true) };
    let new = NewTenant { plan: Some(anchored), ..NewTenant::new("acme") };
    engine.create_tenant(&new).expect("is created");
    let dues = ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"];
    for expected in dues {
        settled(&engine, &clock, expected);
        assert_eq!(due(&engine), expected);
    }
    for (day, why) in [(30, "the 30 is 2026-06-30"), (0, "give 1 to 31"), (32, "give 1 to 31")] {
        let terms = Terms { anchor_day: Some(day), ..Terms::new("full", date("2026-06-15"), true) };
        let refused = engine.change_plan("acme", &terms, None).expect_err("is refused");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    let missing = Terms { first_due: None, anchor_day: None, ..anchored };
    let refused = engine.change_plan("acme", &missing, None).expect_err("is refused");
    assert!(refused.to_string().contains("it is missing, and no payment begins"), "{refused}");
    assert_sound(&engine);
}

#[test]
fn a_form_needs_a_first_due_date_only_where_no_payment_begins_the_plan() {
    let (engine, _) = joined("full");
    let form = |plan: &str, more: &str| {
        format!(
            r#"{{"name": "b", "plan": {{"name": "small", "auto_renew": true{plan}}},
            "holder": {{"person": "natural", "administrator": {{"name": "Ana",
            "email": "ana@aurora.example", "phone": "+55 11 5555-0100"}}}}{more}}}"#
        )
    };
    let problems = |plan: &str, more: &str| -> Vec<String> {
        let validation = engine.validate_form(&form(plan, more)).expect("is looked at");
        validation.problems.into_iter().map(|it| it.field).collect()
    };
    assert_eq!(problems("", ""), ["plan.first_due"]);
    assert_eq!(problems("", r#", "pay_first": "Asaas""#), [""; 0]);
    let anchored = r#", "first_due": "2026-06-30", "anchor_day": 31"#;
    assert_eq!(problems(anchored, ""), [""; 0]);
    assert_eq!(problems(&anchored.replace("31", "15"), ""), ["plan.anchor_day"]);
}

#[test]
fn a_key_of_before_has_the_fingerprint_that_it_had() {
    let old = r#"Terms { plan: "full", first_due: 2026-06-10, auto_renew: true }"#;
    assert_eq!(format!("{:?}", Terms::new("full", date("2026-06-10"), true)), old);
    let new = Terms { anchor_day: Some(31), ..Terms::new("full", date("2026-06-30"), true) };
    assert_ne!(format!("{new:?}"), format!("{:?}", Terms { anchor_day: None, ..new }));
}

// ---- pause --------------------------------------------------------------------------------------

#[test]
fn a_pause_begins_when_the_period_ends_and_bills_nothing() {
    let (engine, clock) = joined("full");
    let bought = engine.buy("acme", "users", 1, None).expect("sells");
    engine.mark_paid(bought.invoice, None).expect("is paid");
    engine.grant("acme", "credits", Source::Extra, 5, None, None).expect("gives");
    let last = engine.pause_subscription("acme").expect("pauses");
    assert_eq!((last, pause(&engine)), (date("2026-06-10"), Pause::Requested));
    settled(&engine, &clock, "2026-06-10");
    assert_eq!((may(&engine), pause(&engine)), (Ok(()), Pause::Requested), "usable to its end");
    pay(&engine, "2026-06-10");
    settled(&engine, &clock, "2026-06-11");
    assert_eq!((may(&engine), pause(&engine)), (Err(Reason::Paused), Pause::InForce));
    let report = engine.report("acme").expect("reports");
    assert_eq!(report.status, Status::Active, "the status stays");
    assert_eq!(balance(&engine, "acme", "credits"), (5, Some(5)), "what was bought stays");
    let denied = engine.consume("acme", "credits", 50).expect("decides");
    assert_eq!((denied.reason(), denied.retry_at), (Some(Reason::Paused), None));
    settled(&engine, &clock, "2026-12-24");
    assert_eq!(
        billed(&engine),
        [
            "2026-05-11: Users 5.00 2026-05-11 to 2026-06-10",
            "2026-06-10: Full 299.00 2026-05-11 to 2026-06-10",
        ]
    );
    assert_eq!(engine.subscriptions("acme").expect("reads")[0].status, "paused");
    assert_eq!(engine.preview_invoice("acme").expect("previews"), None);
    assert_sound(&engine);
}

#[test]
fn resuming_begins_a_period_that_day_and_bills_it_by_its_mode() {
    let (engine, clock) = joined("full");
    engine.pause_subscription("acme").expect("pauses");
    pay(&engine, "2026-06-10");
    settled(&engine, &clock, "2026-08-31");
    let due_on = engine.resume_subscription("acme", None).expect("resumes");
    assert_eq!(due_on, date("2026-09-30"), "the same day one period later, which is the anchor");
    assert_eq!((may(&engine), balance(&engine, "acme", "credits")), (Ok(()), (100, Some(100))));
    settled(&engine, &clock, "2026-10-01");
    assert_eq!(due(&engine), "2026-10-31");
    assert_eq!(
        billed(&engine)[1..],
        [
            "2026-09-30: Full 299.00 2026-08-31 to 2026-09-30",
            "2026-10-31: Full 299.00 2026-10-01 to 2026-10-31",
        ]
    );
    assert_sound(&engine);

    let (engine, clock) = joined("ahead");
    pay(&engine, "2026-05-11");
    engine.pause_subscription("acme").expect("pauses");
    settled(&engine, &clock, "2026-07-01");
    assert_eq!(billed(&engine).len(), 1, "the invoice of the period that does not follow is gone");
    let due_on = engine.resume_subscription("acme", Some(date("2026-07-20"))).expect("resumes");
    assert_eq!(due_on, date("2026-07-20"));
    assert_eq!(
        billed(&engine)[1..],
        [
            "2026-07-01: Ahead 99.00 2026-07-01 to 2026-07-20",
            "2026-07-20: Ahead 99.00 2026-07-21 to 2026-08-20",
        ]
    );
    let kinds: Vec<_> =
        engine.events(0, 100).expect("reads").into_iter().map(|it| it.kind).collect();
    assert!(
        kinds.contains(&EventKind::Paused) && kinds.contains(&EventKind::Resumed { period: 2 })
    );
    assert_sound(&engine);
}

#[test]
fn a_pause_that_is_taken_back_in_time_changes_nothing() {
    for plan in ["full", "ahead"] {
        let (engine, clock) = joined(plan);
        let before = billed(&engine);
        engine.pause_subscription("acme").expect("pauses");
        let refused = engine.resume_subscription("acme", Some(date("2026-07-01")));
        assert_eq!(refused.expect_err("has a period").code(), 406);
        assert_eq!(engine.resume_subscription("acme", None).expect("resumes"), date("2026-06-10"));
        assert_eq!((billed(&engine), pause(&engine)), (before, Pause::None));
        assert_eq!(engine.resume_subscription("acme", None).expect_err("goes on").code(), 406);
        settled(&engine, &clock, "2026-06-11");
        assert_eq!((due(&engine).as_str(), may(&engine)), ("2026-07-10", Ok(())));
        assert_sound(&engine);
    }
}

#[test]
fn a_period_paid_ahead_begins_with_the_resumption() {
    let (engine, clock) = joined("ahead");
    pay(&engine, "2026-05-11");
    pay(&engine, "2026-06-10");
    engine.pause_subscription("acme").expect("pauses");
    settled(&engine, &clock, "2026-07-01");
    assert_eq!(may(&engine), Err(Reason::Paused));
    engine.resume_subscription("acme", None).expect("resumes");
    assert_eq!(
        billed(&engine),
        [
            "2026-05-11: Ahead 99.00 2026-05-11 to 2026-06-10",
            "2026-06-10: Ahead 99.00 2026-07-01 to 2026-08-01",
            "2026-08-01: Ahead 99.00 2026-08-02 to 2026-09-01",
        ]
    );
    assert_eq!(may(&engine), Ok(()));
    assert_sound(&engine);
}

#[test]
fn a_scheduled_plan_begins_with_the_resumption() {
    let (engine, clock) = joined("full");
    engine.schedule_plan("acme", "small", None).expect("is scheduled");
    engine.pause_subscription("acme").expect("pauses");
    settled(&engine, &clock, "2026-07-05");
    assert_eq!(may(&engine), Err(Reason::Paused));
    engine.resume_subscription("acme", None).expect("resumes");
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)));
    assert_eq!(
        billed(&engine),
        [
            "2026-06-10: Full 299.00 2026-05-11 to 2026-06-10",
            "2026-08-05: Small 149.00 2026-07-05 to 2026-08-05",
        ]
    );
    assert_sound(&engine);
}

#[test]
fn what_cannot_pause_is_refused_and_a_plan_ends_a_pause() {
    let (engine, clock) = joined("full");
    engine.set_auto_renew("acme", false).expect("switches");
    let refused = engine.pause_subscription("acme").expect_err("is refused");
    assert!(refused.to_string().contains("no period follows"), "{refused}");
    engine.set_auto_renew("acme", true).expect("switches");
    engine.set_status("acme", Status::Suspended, "spam", false).expect("suspends");
    let refused = engine.pause_subscription("acme").expect_err("is refused");
    assert!(refused.to_string().contains("suspended"), "{refused}");
    engine.set_status("acme", Status::Active, "fine", false).expect("goes on");
    engine.pause_subscription("acme").expect("pauses");
    assert_eq!(engine.set_due_date("acme", date("2026-06-20"), None).expect_err("").code(), 406);
    assert_eq!(engine.schedule_plan("acme", "small", None).expect_err("").code(), 406);
    settled(&engine, &clock, "2026-07-01");
    assert_eq!(engine.carry_plan("acme", "small", None).expect_err("is paused").code(), 406);
    let terms = Terms::new("small", date("2026-08-01"), true);
    engine.change_plan("acme", &terms, None).expect("changes");
    assert_eq!((may(&engine), pause(&engine)), (Ok(()), Pause::None));
    assert_eq!(
        billed(&engine),
        [
            "2026-06-10: Full 299.00 2026-05-11 to 2026-06-10",
            "2026-08-01: Small 149.00 2026-07-01 to 2026-08-01",
        ],
        "nothing is billed for the days of the pause"
    );
    assert_eq!(engine.subscriptions("acme").expect("reads")[0].billing, BillingMode::Arrears);
    assert_sound(&engine);
}
