//! Periods and renewal: the worked examples of docs/sources.md, LiveChat 360 and of the calendar,
//! number by number.

use std::sync::Arc;

use cotas::{
    Catalog, Engine, Error, Language, Limit, Maintenance, ManualClock, NewTenant, Reason, Status,
    Terms,
};
use cotas_tests::{NOON, add_tenant, add_tenant_with, assert_sound, at, balance, date, in_memory};

const MONTH_START: &str = "2026-04-21T09:00:00-03:00";

#[test]
fn seed_000_08_due_20_05_restores_on_21_05_in_the_tenants_zone() {
    for (zone, restored_at) in [
        ("America/Sao_Paulo", "2026-05-21T03:00:00Z"),
        ("America/Manaus", "2026-05-21T04:00:00Z"),
        ("America/Rio_Branco", "2026-05-21T05:00:00Z"),
        ("America/Noronha", "2026-05-21T02:00:00Z"),
    ] {
        let (engine, clock) = in_memory(MONTH_START);
        let mut new = NewTenant::new("acme").plan("full", date("2026-05-20"), true);
        new.time_zone = Some(zone.parse().expect("a zone"));
        engine.create_tenant(&new).expect("is created");
        assert!(engine.consume("acme", "credits", 400).expect("decides").allowed());

        clock.set(at(restored_at).plus_ms(-1));
        assert_eq!(balance(&engine, "acme", "credits"), (600, Some(1000)), "{zone}");
        clock.set(at(restored_at));
        assert_eq!(balance(&engine, "acme", "credits"), (1000, Some(1000)), "{zone}");
        // A report persists nothing; a decision settles.
        let decision = engine.consume("acme", "credits", 1).expect("decides");
        assert_eq!((decision.used, decision.available), (1, 999), "{zone}");
        assert_eq!(engine.report("acme").expect("reports").renewals, 1);
        assert_sound(&engine);
    }
}

#[test]
fn seed_000_04_and_05_extras_come_after_the_plan_and_survive_renewal() {
    let (engine, clock) = in_memory(MONTH_START);
    add_tenant_with(&engine, "acme", "full", "2026-05-20", &[("credits", 100)]);
    assert!(engine.consume("acme", "credits", 150).expect("decides").allowed());
    assert_eq!(balance(&engine, "acme", "credits"), (950, Some(1100)));
    assert!(engine.consume("acme", "credits", 900).expect("decides").allowed());
    assert_eq!(balance(&engine, "acme", "credits"), (50, Some(1100)));
    clock.set(at("2026-05-21T03:00:00Z"));
    assert_eq!(balance(&engine, "acme", "credits"), (1050, Some(1050)));
    engine.settle("acme").expect("settles");
    assert_eq!(balance(&engine, "acme", "credits"), (1050, Some(1050)));
    assert_sound(&engine);
}

#[test]
fn seed_000_16_a_lowered_plan_takes_back_only_what_is_not_used_of_it() {
    let (engine, _) = in_memory(NOON);
    add_tenant_with(&engine, "acme", "full", "2026-05-20", &[("credits", 100)]);
    assert!(engine.consume("acme", "credits", 600).expect("decides").allowed());
    engine.set_limit("acme", "credits", Limit::Finite(500)).expect("is lowered");
    assert_eq!(balance(&engine, "acme", "credits"), (100, Some(700)));
    assert_sound(&engine);
    engine.set_limit("acme", "credits", Limit::Finite(800)).expect("is raised");
    assert_eq!(balance(&engine, "acme", "credits"), (300, Some(900)), "800 and 100, 600 used");
    engine.set_limit("acme", "credits", Limit::Finite(1000)).expect("is as before");
    assert_eq!(balance(&engine, "acme", "credits"), (500, Some(1100)));
    assert_sound(&engine);
}

#[test]
fn a_limit_that_comes_and_goes_touches_no_other_resource_and_gives_nothing_away() {
    let (engine, clock) = in_memory(NOON);
    add_tenant_with(&engine, "acme", "full", "2026-05-20", &[("credits", 100)]);
    assert!(engine.consume("acme", "credits", 600).expect("decides").allowed());
    assert!(engine.perform("acme", "send_sms", &Default::default()).expect("decides").allowed());
    engine.set_limit("acme", "credits", Limit::Unlimited).expect("changes");
    assert!(engine.consume("acme", "credits", 5_000).expect("unlimited").allowed());
    assert_eq!(balance(&engine, "acme", "sms"), (9, Some(10)), "another resource");
    engine.set_limit("acme", "credits", Limit::Finite(1000)).expect("changes");
    assert_eq!(balance(&engine, "acme", "credits"), (100, Some(5701)), "the extras are left");
    assert_sound(&engine);
    engine.set_limit("acme", "credits", Limit::Disabled).expect("changes");
    let denied = engine.consume("acme", "credits", 1).expect("decides");
    assert_eq!(denied.reason(), Some(Reason::NotInPlan));
    engine.set_limit("acme", "credits", Limit::Finite(6_000)).expect("changes");
    assert_eq!(balance(&engine, "acme", "credits").0, 100 + 6_000 - 5_601);
    clock.set(at("2026-05-21T03:00:00Z"));
    engine.settle("acme").expect("settles");
    assert_eq!(balance(&engine, "acme", "credits"), (6_100, Some(6_100)));
    assert_sound(&engine);
}

#[test]
fn many_changes_of_plan_leave_no_grants_behind() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    for _ in 0..30 {
        let terms = Terms::new("full", date("2026-05-20"), true);
        engine.change_plan("acme", &terms, None).expect("changes");
    }
    assert_eq!(engine.report("acme").expect("reports").grants.len(), 4);
    assert_sound(&engine);
}

#[test]
fn several_boundaries_missed_are_applied_in_order_and_units_do_not_pile_up() {
    let (engine, clock) = in_memory(MONTH_START);
    add_tenant(&engine, "acme", "full", "2026-04-30", true);
    assert!(engine.consume("acme", "credits", 10).expect("decides").allowed());
    clock.set(at("2026-07-15T12:00:00-03:00"));
    assert_eq!(balance(&engine, "acme", "credits"), (1000, Some(1000)));
    engine.settle("acme").expect("settles");
    let periods = engine.periods("acme").expect("reads");
    let ends: Vec<_> = periods.iter().map(|period| period.end.to_string()).collect();
    assert_eq!(
        ends,
        ["2026-05-01T03:00:00Z", "2026-05-31T03:00:00Z", "2026-07-01T03:00:00Z"],
        "due on the 30th, each boundary the day after"
    );
    assert_eq!(periods[0].used, [("credits".to_owned(), 10)]);
    assert!(periods.iter().all(|period| period.renewed));
    assert_sound(&engine);
}

#[test]
fn seed_000_09_without_renewal_what_is_left_stays_usable() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", false);
    assert!(engine.consume("acme", "credits", 400).expect("decides").allowed());
    clock.set(at("2026-09-01T00:00:00-03:00"));
    assert_eq!(balance(&engine, "acme", "credits"), (600, Some(1000)));
    assert!(engine.consume("acme", "credits", 600).expect("decides").allowed());
    let denied = engine.consume("acme", "credits", 1).expect("decides");
    assert_eq!(denied.reason(), Some(Reason::QuotaExhausted));
    assert_eq!(denied.retry_at, None, "nothing restores it");
    assert_sound(&engine);
}

#[test]
fn a_plan_that_lapses_is_usable_through_its_grace_days() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "strict", "2026-05-10", false);
    clock.set(at("2026-05-13T23:59:59-03:00"));
    assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
    clock.set(at("2026-05-14T00:00:00-03:00"));
    let denied = engine.consume("acme", "credits", 1).expect("decides");
    assert_eq!(denied.reason(), Some(Reason::PlanLapsed));
    assert_eq!(denied.used, 1, "a denial shows the numbers as they are");
}

#[test]
fn a_plan_that_has_lapsed_is_no_plan_in_the_statement() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "strict", "2026-05-10", false);
    add_tenant(&engine, "keeps", "full", "2026-05-10", false);
    let plan_of = |name: &str| {
        let statement = engine.statement(name).expect("reports");
        let title = statement.plan.as_ref().map(|plan| plan.title.clone());
        (title, statement.subscriptions[0].status, statement.to_page(Language::Portuguese))
    };
    clock.set(at("2026-05-13T23:59:59-03:00"));
    let (title, status, _) = plan_of("acme");
    assert_eq!((title.as_deref(), status), (Some("Plano estrito"), "active"), "in its grace");
    clock.set(at("2026-05-14T00:00:00-03:00"));
    for settled in [false, true] {
        let (title, status, page) = plan_of("acme");
        assert_eq!((title, status), (None, "lapsed"), "settled: {settled}");
        assert!(page.contains("Nenhum plano ativo.") && page.contains("expirado"), "{page}");
        engine.settle("acme").expect("settles");
    }
    let (title, status, _) = plan_of("keeps");
    assert_eq!((title.as_deref(), status), (Some("Plano full"), "active"), "it is usable still");
    let terms = Terms::new("small", date("2026-06-10"), false);
    engine.change_plan("acme", &terms, None).expect("changes");
    let listed = engine.subscriptions("acme").expect("reads");
    let listed: Vec<_> = listed.iter().map(|it| (it.plan.as_str(), it.status)).collect();
    assert_eq!(listed, [("small", "active"), ("strict", "cancelled")]);
    assert_sound(&engine);
}

#[test]
fn seed_001_05_a_demonstration_ends_after_14_days_at_the_same_wall_time() {
    let (engine, clock) = in_memory("2026-03-01T10:00:00-03:00");
    let mut new = NewTenant::new("acme").plan("full", date("2026-04-30"), true);
    new.status = Status::Demo;
    engine.create_tenant(&new).expect("is created");
    clock.set(at("2026-03-15T09:59:59-03:00"));
    let allowed = engine.consume("acme", "credits", 1).expect("decides");
    assert!(allowed.allowed());
    clock.set(at("2026-03-15T10:00:00-03:00"));
    let denied = engine.consume("acme", "credits", 1).expect("decides");
    assert_eq!(denied.reason(), Some(Reason::DemoExpired));
}

#[test]
fn a_new_plan_closes_the_period_and_keeps_the_extras() {
    let (engine, _) = in_memory(NOON);
    add_tenant_with(&engine, "acme", "full", "2026-05-20", &[("credits", 100)]);
    assert!(engine.consume("acme", "credits", 50).expect("decides").allowed());
    let terms = Terms::new("small", date("2026-05-30"), true);
    engine.change_plan("acme", &terms, None).expect("changes");
    assert_eq!(balance(&engine, "acme", "credits"), (110, Some(110)));
    let periods = engine.periods("acme").expect("reads");
    assert_eq!((periods.len(), periods[0].renewed), (1, false));
    assert_eq!(engine.report("acme").expect("reports").renewals, 0);
    assert_sound(&engine);
}

#[test]
fn an_extra_that_expires_is_used_before_one_that_does_not_and_then_gone() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    let soon = at("2026-05-06T00:00:00-03:00");
    let extra = cotas::Source::Extra;
    engine.grant("acme", "credits", extra, 5, None, None).expect("grants");
    engine.grant("acme", "credits", extra, 5, Some(soon), None).expect("grants");
    assert!(engine.consume("acme", "credits", 12).expect("decides").allowed());
    clock.set(soon);
    assert_eq!(balance(&engine, "acme", "credits"), (5, Some(17)), "three have expired");
    assert!(engine.consume("acme", "credits", 5).expect("decides").allowed());
    assert_sound(&engine);
    let expired: u64 =
        engine.report("acme").expect("reports").grants.iter().map(|grant| grant.expired).sum();
    assert_eq!(expired, 3);
}

#[test]
fn a_clock_that_jumps_back_changes_nothing() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    clock.set(at("2026-05-21T12:00:00-03:00"));
    assert!(engine.consume("acme", "credits", 5).expect("decides").allowed());
    clock.set(at("2026-05-01T12:00:00-03:00"));
    let decision = engine.consume("acme", "credits", 5).expect("decides");
    assert_eq!((decision.used, decision.available), (10, 990));
    engine.settle("acme").expect("settles");
    assert_eq!(engine.report("acme").expect("reports").renewals, 1);
    assert_sound(&engine);
}

#[test]
fn a_clock_that_jumps_far_ahead_is_not_believed_until_confirmed() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    clock.set(at("2027-07-01T12:00:00-03:00"));
    let refused = engine.consume("acme", "credits", 1);
    assert!(matches!(refused, Err(Error::ClockJump { .. })), "{refused:?}");
    assert_eq!(engine.report("acme").expect("reports").renewals, 0);
    engine.confirm_clock("acme").expect("is confirmed");
    assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
    assert_eq!(engine.report("acme").expect("reports").renewals, 14);
    assert_sound(&engine);
}

#[test]
fn a_clock_that_is_centuries_ahead_is_refused_though_it_is_confirmed() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let before = engine.report("acme").expect("reports");
    for absurd in ["2226-07-01T12:00:00-03:00", "9999-12-31T12:00:00Z"] {
        clock.set(at(absurd));
        let refused = engine.confirm_clock("acme").expect_err("is refused");
        assert_eq!(refused.code(), 406, "{refused}");
        assert!(refused.to_string().contains("4096"), "{refused}");
        assert_eq!(engine.report("acme").expect("reports"), before, "{absurd}");
    }
    // Each of 100 years of months is closed, and billed.
    clock.set(at("2126-05-04T12:00:00-03:00"));
    engine.confirm_clock("acme").expect("is confirmed");
    assert_eq!(engine.report("acme").expect("reports").renewals, 1_200);
    assert_eq!(engine.periods("acme").expect("reads").len(), 1_200);
    assert_eq!(dues(&engine).len(), 1_201);
    assert_sound(&engine);
}

#[test]
fn a_tenant_that_could_never_be_settled_up_to_the_present_is_not_created() {
    let (engine, _) = in_memory(NOON);
    let of = |year: &str| {
        let created = at(&format!("{year}-05-01T12:00:00Z"));
        let due = date(&format!("{year}-05-20"));
        let new = NewTenant::new("acme").plan("full", due, true);
        engine.create_tenant(&NewTenant { created_at: Some(created), ..new })
    };
    for year in ["0001", "1826"] {
        let refused = of(year).expect_err("is refused");
        assert_eq!(refused.code(), 406, "{refused}");
        assert!(refused.to_string().starts_with("created_at: "), "{refused}");
        assert!(engine.tenant("acme").is_err());
    }
    // Who says how old it is has no clock that jumps.
    of("1996").expect("is created");
    assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
    assert_eq!(engine.report("acme").expect("reports").renewals, 360);
    assert_sound(&engine);
}

#[test]
fn a_denial_says_when_the_units_are_restored() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    let denied = engine.consume("acme", "credits", 11).expect("decides");
    assert_eq!(denied.reason(), Some(Reason::QuotaExhausted));
    assert_eq!((denied.units, denied.used, denied.available), (11, 0, 10));
    assert_eq!(denied.limit(), Some(10));
    assert_eq!(denied.retry_at, Some(at("2026-05-21T03:00:00Z")));
}

#[test]
fn a_changed_number_leaves_what_was_carried_over_and_counts_without_it() {
    let clock = Arc::new(ManualClock::new(at(NOON)));
    let builder = Engine::in_memory().clock(Arc::clone(&clock) as _);
    let engine = builder.maintenance(Maintenance::External).open().expect("opens");
    let text = r#"
        [catalog]
        time_zone = "America/Sao_Paulo"
        [resources.credits]
        kind = "allowance"
        [plans.saver]
        title = "Saver"
        price = "1.00"
        limits = { credits = 100 }
        carry_over = { credits = 30 }
    "#;
    let catalog = Catalog::parse(text, "carry.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    add_tenant(&engine, "acme", "saver", "2026-05-20", true);
    clock.set(at("2026-05-21T12:00:00-03:00"));
    assert_eq!(balance(&engine, "acme", "credits"), (130, Some(130)));
    let limit = |units| engine.set_limit("acme", "credits", Limit::Finite(units)).expect("changes");
    limit(120);
    assert_eq!(balance(&engine, "acme", "credits"), (150, Some(150)), "20 more of the plan");
    limit(50);
    assert_eq!(balance(&engine, "acme", "credits"), (80, Some(80)), "50, and 30 of last month");
    assert!(engine.consume("acme", "credits", 40).expect("decides").allowed());
    limit(0);
    assert_eq!(balance(&engine, "acme", "credits"), (0, Some(40)), "what is used");
    assert_sound(&engine);
}

// ---- other ways to renew --------------------------------------------------------------------

/// The test catalog with one plan more.
fn with_plan(now: &str, plan: &str) -> (cotas::Engine, std::sync::Arc<cotas::ManualClock>) {
    let (engine, clock) = in_memory(now);
    let text = format!("{}\n[plans.other]\ntitle = \"Outro\"\n{plan}", cotas_tests::CATALOG);
    let catalog = cotas::Catalog::parse(&text, "other.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    (engine, clock)
}

/// The due dates of all invoices, and which of them are paid.
fn dues(engine: &cotas::Engine) -> Vec<(String, bool)> {
    let invoices = engine.invoices("acme").expect("reads").into_iter();
    invoices.map(|it| (it.due.to_string(), it.paid_on.is_some())).collect()
}

fn lapsed(engine: &cotas::Engine) -> bool {
    engine.report("acme").expect("reports").subscription.expect("has one").lapsed
}

#[test]
fn due_dates_come_from_the_31st_and_are_never_chained() {
    let (engine, clock) = in_memory("2026-01-05T12:00:00-03:00");
    add_tenant(&engine, "acme", "full", "2026-01-31", true);
    let mut seen = Vec::new();
    for after in ["2026-02-15", "2026-03-15", "2026-04-15", "2026-05-15", "2026-06-15"] {
        clock.set(at(&format!("{after}T12:00:00-03:00")));
        engine.settle("acme").expect("settles");
        seen.push(engine.subscriptions("acme").expect("reads")[0].due.to_string());
    }
    assert_eq!(seen, ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30"]);
    clock.set(at("2027-02-15T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(engine.subscriptions("acme").expect("reads")[0].due, date("2027-02-28"));
    assert_sound(&engine);
}

#[test]
fn a_day_that_has_no_midnight_begins_with_its_first_instant() {
    let (engine, clock) = in_memory("2018-10-10T12:00:00-03:00");
    add_tenant(&engine, "acme", "full", "2018-11-03", true);
    assert!(engine.consume("acme", "credits", 400).expect("decides").allowed());
    clock.set(at("2018-11-04T02:59:59.999Z"));
    assert_eq!(balance(&engine, "acme", "credits").0, 600);
    clock.set(at("2018-11-04T01:00:00-02:00"));
    assert_eq!(balance(&engine, "acme", "credits").0, 1000);
}

#[test]
fn a_cadence_restores_units_within_the_period_that_is_billed() {
    let yearly = "price = \"1000.00\"\nperiod = \"1 year\"\ncadence = \"1 month\"\n\
                  limits = { credits = 10 }";
    let (engine, clock) = with_plan("2026-05-21T12:00:00-03:00", yearly);
    add_tenant(&engine, "acme", "other", "2027-05-20", true);
    assert!(engine.consume("acme", "credits", 7).expect("decides").allowed());
    clock.set(at("2026-06-20T23:59:59-03:00"));
    assert_eq!(balance(&engine, "acme", "credits"), (3, Some(10)));
    clock.set(at("2026-06-21T00:00:00-03:00"));
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)));
    clock.set(at("2027-05-21T00:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(engine.report("acme").expect("reports").renewals, 12);
    let billed = [("2027-05-20".to_owned(), false), ("2028-05-20".to_owned(), false)];
    assert_eq!(dues(&engine), billed, "once a year");
    assert_sound(&engine);
}

#[test]
fn a_subscription_renews_no_more_often_than_its_plan_says() {
    let twice = "price = \"9.00\"\nmax_renewals = 2\non_lapse = \"expire\"\n\
                 limits = { credits = 10 }";
    let (engine, clock) = with_plan(NOON, twice);
    add_tenant(&engine, "acme", "other", "2026-05-20", true);
    clock.set(at("2026-07-20T23:59:59-03:00"));
    assert!(engine.consume("acme", "credits", 10).expect("decides").allowed());
    assert_eq!(engine.report("acme").expect("reports").renewals, 2);
    clock.set(at("2026-07-21T00:00:00-03:00"));
    let denied = engine.consume("acme", "credits", 1).expect("decides");
    assert_eq!(denied.reason(), Some(Reason::PlanLapsed));
    assert_eq!(engine.report("acme").expect("reports").renewals, 2);
    assert_sound(&engine);
}

#[test]
fn what_is_left_is_carried_over_up_to_a_number() {
    let plan = "price = \"9.00\"\ncarry_over = { credits = 4 }\nlimits = { credits = 10 }";
    let (engine, clock) = with_plan(NOON, plan);
    add_tenant(&engine, "acme", "other", "2026-05-20", true);
    assert!(engine.consume("acme", "credits", 3).expect("decides").allowed());
    clock.set(at("2026-05-21T00:00:00-03:00"));
    assert_eq!(balance(&engine, "acme", "credits"), (14, Some(14)), "7 were left, 4 come along");
    assert!(engine.consume("acme", "credits", 12).expect("decides").allowed());
    clock.set(at("2026-06-21T00:00:00-03:00"));
    assert_eq!(balance(&engine, "acme", "credits"), (12, Some(12)));
    clock.set(at("2026-08-21T00:00:00-03:00"));
    assert_eq!(balance(&engine, "acme", "credits"), (14, Some(14)), "they do not pile up");
    assert_sound(&engine);
}

const PREPAID: &str = "price = \"9.00\"\nrenew_on = \"payment\"\nlimits = { credits = 10 }";

#[test]
fn paid_early_marks_the_next_period_paid_and_renews_on_its_day() {
    let (engine, clock) = with_plan(NOON, PREPAID);
    let new = NewTenant::new("acme").plan("other", date("2026-05-20"), true);
    let new = NewTenant { first_period_paid: true, ..new };
    engine.create_tenant(&new).expect("is created");
    assert!(engine.consume("acme", "credits", 9).expect("decides").allowed());
    engine.mark_paid(engine.invoices("acme").expect("reads")[0].id, None).expect("is paid");
    assert_eq!(balance(&engine, "acme", "credits"), (1, Some(10)), "nothing comes early");
    clock.set(at("2026-05-21T00:00:00-03:00"));
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)));
    clock.set(at("2026-06-21T00:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert!(lapsed(&engine), "the period after that was not paid");
    assert_eq!(engine.report("acme").expect("reports").renewals, 1);
    assert_sound(&engine);
}

#[test]
fn paid_late_begins_the_period_now_and_keeps_the_day_of_the_month() {
    let (engine, clock) = with_plan(NOON, PREPAID);
    let new = NewTenant::new("acme").plan("other", date("2026-05-20"), true);
    let new = NewTenant { first_period_paid: true, ..new };
    engine.create_tenant(&new).expect("is created");
    clock.set(at("2026-08-05T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert!(lapsed(&engine));
    assert_eq!(dues(&engine), [("2026-05-20".to_owned(), false)], "there are no other periods");
    engine.mark_paid(engine.invoices("acme").expect("reads")[0].id, None).expect("is paid");
    assert!(!lapsed(&engine));
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)));
    assert_eq!(dues(&engine), [("2026-05-20".to_owned(), true), ("2026-08-20".to_owned(), false)]);
    assert_eq!(engine.report("acme").expect("reports").renewals, 1);
    clock.set(at("2026-08-21T00:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert!(lapsed(&engine));
    assert_sound(&engine);
}

#[test]
fn a_scheduled_plan_that_is_paid_first_waits_for_its_payment() {
    let (engine, clock) = with_plan(NOON, PREPAID);
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    engine.schedule_plan("acme", "other", None).expect("is scheduled");
    clock.set(at("2026-06-25T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert!(lapsed(&engine), "the present plan ends all the same");
    let open = engine.invoices("acme").expect("reads").into_iter();
    let open: Vec<_> = open.filter(|it| it.status == cotas::InvoiceStatus::Overdue).collect();
    assert_eq!((open.len(), open[0].title.as_str()), (1, "Plano pequeno"));
    let lines: Vec<_> = open[0].lines.iter().map(|it| it.title.as_str()).collect();
    assert_eq!(lines, ["Plano pequeno", "Outro"], "in arrears, and in advance");
    engine.mark_paid(open[0].id, None).expect("is paid");
    let subscription = engine.report("acme").expect("reports").subscription.expect("has one");
    assert_eq!((subscription.plan.as_str(), subscription.due), ("other", date("2026-07-20")));
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)));
    assert_sound(&engine);
}

/// Plans of a year whose credits are restored every month.
const YEARLY: &str = r#"
[resources.credits]
kind = "allowance"
[plans.yearly]
title = "Anual"
price = "2990.00"
period = "12 months"
cadence = "1 month"
carry_over = { credits = 5 }
limits = { credits = 10 }
"#;

fn yearly(now: &str, first_due: &str) -> (Engine, Arc<ManualClock>) {
    let (engine, clock) = in_memory(now);
    engine.load_catalog(&Catalog::parse(YEARLY, "yearly.toml").expect("parses")).expect("loads");
    add_tenant(&engine, "acme", "yearly", first_due, true);
    (engine, clock)
}

#[test]
fn a_yearly_plan_is_not_renewed_before_it_began() {
    let (engine, clock) = yearly("2026-05-20T12:00:00-03:00", "2026-08-10");
    assert_eq!(engine.report("acme").expect("reports").renewals, 0);
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)));
    assert_eq!(engine.periods("acme").expect("reads"), []);
    // The grid is that of the due date: the first interval ends on 10 June.
    assert!(engine.consume("acme", "credits", 8).expect("decides").allowed());
    for (now, renewals, available) in [
        ("2026-06-10T23:59:59-03:00", 0, 2),
        ("2026-06-11T00:00:00-03:00", 1, 12),
        ("2026-07-11T00:00:00-03:00", 2, 15),
        ("2026-08-11T00:00:00-03:00", 3, 15),
        ("2026-09-11T00:00:00-03:00", 4, 15),
    ] {
        clock.set(at(now));
        engine.settle("acme").expect("settles");
        let report = engine.report("acme").expect("reports");
        assert_eq!((report.renewals, balance(&engine, "acme", "credits").0), (renewals, available));
    }
    let periods = engine.periods("acme").expect("reads");
    assert!(periods.iter().all(|period| period.start < period.end));
    assert_sound(&engine);
}

#[test]
fn the_grid_of_a_cadence_goes_back_to_the_beginning_wherever_the_first_due_date_lies() {
    for (first_due, first_end) in [
        ("2026-05-20", "2026-05-21T03:00:00Z"),
        ("2026-05-21", "2026-05-22T03:00:00Z"),
        ("2027-05-20", "2026-06-21T03:00:00Z"),
        ("2027-05-31", "2026-06-01T03:00:00Z"),
        ("2027-11-05", "2026-06-06T03:00:00Z"),
        ("9999-12-31", "2026-06-01T03:00:00Z"),
    ] {
        let (engine, clock) = yearly("2026-05-20T12:00:00-03:00", first_due);
        clock.set(at(first_end).plus_ms(-1));
        engine.settle("acme").expect("settles");
        assert_eq!(engine.report("acme").expect("reports").renewals, 0, "{first_due}");
        clock.set(at(first_end));
        engine.settle("acme").expect("settles");
        assert_eq!(engine.report("acme").expect("reports").renewals, 1, "{first_due}");
        assert_eq!(balance(&engine, "acme", "credits").0, 15, "{first_due}");
    }
}

#[test]
fn each_subscription_lists_its_own_period() {
    let (engine, clock) = in_memory(MONTH_START);
    add_tenant(&engine, "acme", "full", "2026-04-30", true);
    clock.set(at("2026-06-15T12:00:00-03:00"));
    engine.schedule_plan("acme", "strict", None).expect("schedules");
    let listed = || -> Vec<_> {
        let listed = engine.subscriptions("acme").expect("reads").into_iter();
        listed.map(|it| (it.status, it.period_start.to_string(), it.due.to_string())).collect()
    };
    let due = |status, start: &str, due: &str| (status, start.to_owned(), due.to_owned());
    assert_eq!(
        listed(),
        [
            due("scheduled", "2026-07-01T03:00:00Z", "2026-07-30"),
            due("active", "2026-05-31T03:00:00Z", "2026-06-30"),
        ],
        "one that is scheduled begins when the present period ends"
    );
    clock.set(at("2026-07-02T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    let terms = Terms::new("small", date("2026-08-10"), true);
    engine.change_plan("acme", &terms, None).expect("changes");
    assert_eq!(
        listed(),
        [
            due("active", "2026-07-02T15:00:00Z", "2026-08-10"),
            due("cancelled", "2026-07-01T03:00:00Z", "2026-07-30"),
            due("cancelled", "2026-05-31T03:00:00Z", "2026-06-30"),
        ],
        "those before list the period in which they ended"
    );
}
