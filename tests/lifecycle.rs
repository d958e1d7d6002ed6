//! The life of a tenant: demonstrations that end and are purged, who changed what, plans that
//! change when a period ends, limits of a tenant's own, versions of plans.

use cotas::catalog::Feature;
use cotas::{
    Catalog, Engine, Limit, ManualClock, NewGrant, NewTenant, Reason, Source, Status, Terms,
};
use cotas_tests::{NOON, add_tenant, assert_sound, at, balance, catalog, date, in_memory};
use std::sync::Arc;

/// The last instant of the period that is due on 20 May, and the first one after it.
const LAST: &str = "2026-05-20T23:59:59.999-03:00";
const NEXT: &str = "2026-05-21T00:00:00-03:00";

fn plan(engine: &Engine) -> String {
    engine.report("acme").expect("reports").subscription.expect("has one").plan
}

/// Open invoices: what for, how much, when.
fn open_invoices(engine: &Engine) -> Vec<(String, i64, String)> {
    let invoices = engine.invoices("acme").expect("reads").into_iter();
    let open = invoices.filter(|it| matches!(it.status.code(), "pending" | "overdue"));
    open.map(|it| (it.title, it.amount.get(), it.due.to_string())).collect()
}

fn invoice(title: &str, cents: i64, due: &str) -> (String, i64, String) {
    (title.to_owned(), cents, due.to_owned())
}

/// The small plan costs and gives something else.
fn changed_catalog(from: &str, to: &str) -> Catalog {
    assert!(cotas_tests::CATALOG.contains(from), "{from}");
    Catalog::parse(&cotas_tests::CATALOG.replace(from, to), "changed.toml").expect("is valid")
}

// ---- demonstrations -------------------------------------------------------------------------

fn demo(now: &str) -> (Engine, Arc<ManualClock>) {
    let (engine, clock) = in_memory(now);
    let mut new = NewTenant::new("acme").plan("full", date("2026-05-20"), true);
    new.status = Status::Demo;
    engine.create_tenant(&new).expect("is created");
    (engine, clock)
}

#[test]
fn a_demonstration_is_purged_by_an_explicit_call_after_its_end_and_its_name_is_free_again() {
    let (engine, clock) = demo("2026-05-04T12:00:00-03:00");
    let tenant = engine.tenant("acme").expect("exists");
    assert!(tenant.consume("credits", 7).expect("decides").allowed());
    assert!(tenant.seats("users").expect("are seats").occupy("ana").expect("decides").allowed());
    cotas_tests::open_sessions(&engine, "acme", "c", 3).expect("opens");
    let early = engine.purge_demo("acme").expect_err("it goes on");
    assert_eq!(early.code(), 406);
    clock.set(at("2026-05-18T12:00:00-03:00"));
    let denied = tenant.consume("credits", 1).expect("decides");
    assert_eq!(denied.reason(), Some(Reason::DemoExpired), "not purged by itself");
    assert_eq!(engine.ended_demos().expect("reads"), ["acme"]);
    engine.purge_demo("acme").expect("is purged");
    assert_eq!(engine.purge_demo("acme").expect_err("is gone").code(), 400);
    assert_eq!(tenant.consume("credits", 1).expect_err("is gone").code(), 400);
    assert_eq!(engine.tenants().expect("reads"), [""; 0]);
    let trail = engine.audit_trail(None, 100).expect("reads");
    let last = trail.first().expect("is there");
    assert_eq!((last.what.as_str(), last.detail.as_str(), &last.tenant), ("purged", "acme", &None));
    assert_sound(&engine);

    add_tenant(&engine, "acme", "small", "2026-06-20", true);
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)));
    assert_eq!(balance(&engine, "acme", "users"), (1, Some(1)), "no seat is held");
    let opened = cotas_tests::open_sessions(&engine, "acme", "c", 2).expect("opens");
    assert_eq!(opened, 2, "sessions of before belong to no tenant");
    assert_eq!(tenant.consume("credits", 1).expect_err("the old one").code(), 400);
    engine.checkpoint().expect("writes");
    assert_eq!(engine.audit_trail(Some("acme"), 100).expect("reads").len(), 1, "its own");
    assert_sound(&engine);
}

#[test]
fn only_an_ended_demonstration_is_purged() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    clock.set(at("2026-08-18T12:00:00-03:00"));
    for status in [Status::Active, Status::Suspended, Status::Cancelled] {
        engine.set_status("acme", status, "test", true).expect("changes");
        assert_eq!(engine.purge_demo("acme").expect_err("is refused").code(), 406, "{status:?}");
    }
    assert_eq!(engine.ended_demos().expect("reads"), [""; 0]);
    assert_eq!(engine.report("acme").expect("reports").status, Status::Cancelled);
}

// ---- status ---------------------------------------------------------------------------------

#[test]
fn an_override_of_a_status_is_audited_with_its_reason() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    engine.set_status("acme", Status::Cancelled, "gave up", false).expect("changes");
    let refused = engine.set_status("acme", Status::Active, "came back", false);
    assert_eq!(refused.expect_err("is final").code(), 408);
    engine.set_status("acme", Status::Active, "came back", true).expect("an operator may");
    let mut trail = engine.audit_trail(Some("acme"), 100).expect("reads");
    trail.reverse();
    let of_status: Vec<_> =
        trail.iter().filter(|it| it.what == "status").map(|it| it.detail.as_str()).collect();
    let expected = ["active -> cancelled: gave up", "cancelled -> active (operator): came back"];
    assert_eq!(of_status, expected);
    assert_eq!(trail[0].what, "created");
    for most in [0, 10_001] {
        assert_eq!(engine.audit_trail(None, most).expect_err("is refused").code(), 406);
    }
}

#[test]
fn billing_begins_with_production_and_stops_when_cancelled() {
    let (engine, _) = demo(NOON);
    assert_eq!(open_invoices(&engine), [], "a demonstration is not billed");
    engine.set_status("acme", Status::Active, "signed", false).expect("changes");
    let due = [invoice("Plano full", 29_900, "2026-05-20")];
    assert_eq!(open_invoices(&engine), due, "the present period is");
    engine.set_status("acme", Status::PastDue, "late", false).expect("changes");
    engine.set_status("acme", Status::Suspended, "late", false).expect("changes");
    assert_eq!(open_invoices(&engine), due, "once");
    engine.set_status("acme", Status::Cancelled, "gave up", false).expect("changes");
    let owed = [invoice("Plano full", 29_900, "2026-05-04")];
    assert_eq!(open_invoices(&engine), owed, "the running period, at once; nothing comes any more");
    assert_sound(&engine);
}

// ---- plans that change when a period ends ----------------------------------------------------

#[test]
fn a_scheduled_plan_begins_at_the_instant_of_the_renewal_and_keeps_the_extras() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    engine.set_payment_form("acme", "Asaas", Some("sub_1")).expect("changes");
    engine.grant("acme", "credits", Source::Extra, 100, None, None).expect("grants");
    assert!(engine.consume("acme", "credits", 300).expect("decides").allowed());
    assert_eq!(open_invoices(&engine), [invoice("Plano full", 29_900, "2026-05-20")]);
    let due = engine.schedule_plan("acme", "small", None).expect("is scheduled");
    assert_eq!(due, date("2026-05-20"));
    let full = [invoice("Plano full", 29_900, "2026-05-20")];
    assert_eq!(open_invoices(&engine), full, "in arrears it is the present plan's that is due");
    let states = |engine: &Engine| -> Vec<_> {
        let all = engine.subscriptions("acme").expect("reads").into_iter();
        all.map(|it| (it.plan, it.status, it.due.to_string(), it.gateway_id)).collect()
    };
    let of = |plan: &str, status, due: &str| {
        (plan.to_owned(), status, due.to_owned(), Some("sub_1".to_owned()))
    };
    assert_eq!(
        states(&engine),
        [of("small", "scheduled", "2026-06-20"), of("full", "active", "2026-05-20")]
    );
    clock.set(at(LAST));
    assert_eq!((plan(&engine).as_str(), balance(&engine, "acme", "credits").0), ("full", 800));
    clock.set(at(NEXT));
    assert_eq!(balance(&engine, "acme", "credits"), (110, Some(110)), "seen before it is settled");
    assert_eq!(
        states(&engine),
        [of("small", "active", "2026-06-20"), of("full", "cancelled", "2026-05-20")]
    );
    let decision = engine.consume("acme", "credits", 1).expect("decides");
    assert_eq!((decision.used, decision.available), (1, 109));
    assert_eq!(
        open_invoices(&engine),
        [full[0].clone(), invoice("Plano pequeno", 2_900, "2026-06-20")]
    );
    assert_sound(&engine);
    clock.set(at("2026-06-21T00:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(engine.report("acme").expect("reports").renewals, 1, "renews as the old one did");
    assert_sound(&engine);
}

#[test]
fn a_scheduled_plan_can_be_taken_back_changed_and_overtaken() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    assert!(!engine.cancel_scheduled_plan("acme").expect("answers"), "there is none");
    engine.schedule_plan("acme", "small", None).expect("is scheduled");
    engine.schedule_plan("acme", "strict", None).expect("in its place");
    let full = [invoice("Plano full", 29_900, "2026-05-20")];
    assert_eq!(open_invoices(&engine), full);
    assert!(engine.cancel_scheduled_plan("acme").expect("is taken back"));
    assert_eq!(open_invoices(&engine), full);
    engine.schedule_plan("acme", "small", None).expect("is scheduled");
    let terms = Terms::new("strict", date("2026-05-30"), true);
    engine.change_plan("acme", &terms, None).expect("changes now");
    assert_eq!(
        open_invoices(&engine),
        [
            invoice("Plano full", 29_900, "2026-05-04"),
            invoice("Plano estrito", 2_900, "2026-05-30")
        ],
        "the period that was cut short is due at once"
    );
    clock.set(at("2026-06-01T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(plan(&engine), "strict", "what was scheduled is dropped");
    assert_sound(&engine);
}

#[test]
fn what_cannot_be_scheduled_is_refused_and_changes_nothing() {
    let (engine, clock) = in_memory(NOON);
    engine.create_tenant(&NewTenant::new("bare")).expect("is created");
    assert_eq!(engine.schedule_plan("bare", "small", None).expect_err("has none").code(), 409);
    add_tenant(&engine, "acme", "full", "2026-05-20", false);
    assert_eq!(engine.schedule_plan("acme", "gold", None).expect_err("unknown").code(), 404);
    engine.mark_paid(engine.invoices("acme").expect("reads")[0].id, None).expect("is paid");
    engine.schedule_plan("acme", "small", None).expect("in arrears nothing is paid ahead");
    assert!(engine.cancel_scheduled_plan("acme").expect("is taken back"));
    clock.set(at(NEXT));
    let lapsed = engine.schedule_plan("acme", "small", None).expect_err("no period");
    assert!(lapsed.to_string().contains("lapsed"), "{lapsed}");
    assert_eq!(plan(&engine), "full");
    assert_sound(&engine);
}

#[test]
fn a_scheduled_plan_is_paid_as_the_present_one_is_by_then() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    engine.schedule_plan("acme", "small", None).expect("is scheduled");
    engine.set_payment_form("acme", "Asaas", Some("sub_1")).expect("changes");
    engine.set_payment_method("acme", cotas::billing::PaymentMethod::Pix).expect("changes");
    for day in [NOON, "2026-05-21T12:00:00-03:00"] {
        clock.set(at(day));
        engine.settle("acme").expect("settles");
        for invoice in engine.invoices("acme").expect("reads") {
            if invoice.status != cotas::InvoiceStatus::Cancelled {
                assert_eq!(invoice.payment_type, "Asaas", "{day}: {invoice:?}");
                assert!(invoice.payment_method.is_some(), "{day}: {invoice:?}");
            }
        }
        let subscriptions = engine.subscriptions("acme").expect("reads");
        assert_eq!(subscriptions[0].gateway_id.as_deref(), Some("sub_1"), "{day}");
    }
    assert_sound(&engine);
}

#[test]
fn a_scheduled_plan_begins_at_its_own_boundary_of_several_that_were_missed() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-31", true);
    engine.schedule_plan("acme", "small", None).expect("is scheduled");
    clock.set(at("2026-08-15T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    let periods = engine.periods("acme").expect("reads");
    let ends: Vec<_> = periods.iter().map(|it| (it.end.to_string(), it.renewed)).collect();
    assert_eq!(
        ends,
        [
            ("2026-06-01T03:00:00Z".to_owned(), false),
            ("2026-07-01T03:00:00Z".to_owned(), true),
            ("2026-08-01T03:00:00Z".to_owned(), true),
        ],
        "the day of the month is the first plan's"
    );
    let dues: Vec<_> = open_invoices(&engine).into_iter().map(|(_, _, due)| due).collect();
    assert_eq!(dues, ["2026-05-31", "2026-06-30", "2026-07-31", "2026-08-31"]);
    assert_sound(&engine);
}

// ---- own limits and features ----------------------------------------------------------------

#[test]
fn a_limit_of_its_own_outlives_plans_until_it_is_reset() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    engine.set_own_limit("acme", "credits", Some(Limit::Finite(70))).expect("changes");
    assert_eq!(balance(&engine, "acme", "credits"), (70, Some(70)));
    engine.schedule_plan("acme", "small", None).expect("is scheduled");
    engine.set_own_limit("acme", "sms", Some(Limit::Disabled)).expect("changes");
    clock.set(at(NEXT));
    assert_eq!(balance(&engine, "acme", "credits"), (70, Some(70)), "not the plan's 10");
    assert_eq!(
        engine.consume("acme", "sms", 1).expect("decides").reason(),
        Some(Reason::NotInPlan)
    );
    assert!(engine.consume("acme", "credits", 8).expect("decides").allowed());
    engine.set_own_limit("acme", "credits", None).expect("is reset");
    assert_eq!(balance(&engine, "acme", "credits"), (2, Some(10)), "8 of the plan's 10 are used");
    engine.set_own_limit("acme", "sms", None).expect("is reset");
    assert!(engine.consume("acme", "sms", 1).expect("decides").allowed(), "unlimited");
    assert_eq!(engine.set_own_limit("acme", "gold", None).expect_err("unknown").code(), 402);
    assert_sound(&engine);
}

#[test]
fn the_number_of_a_plan_changed_by_the_reseller_ends_with_the_plan() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    engine.set_limit("acme", "credits", Limit::Finite(500)).expect("changes");
    clock.set(at(NEXT));
    assert_eq!(balance(&engine, "acme", "credits"), (500, Some(500)), "over renewals");
    let terms = Terms::new("small", date("2026-06-20"), true);
    engine.change_plan("acme", &terms, None).expect("changes");
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)));
    assert_sound(&engine);
}

// ---- versions of plans ----------------------------------------------------------------------

#[test]
fn tenants_keep_the_version_of_their_plan_until_they_are_moved() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    assert!(!engine.move_to_newest_version("acme").expect("answers"), "it is on it");
    assert!(engine.consume("acme", "credits", 4).expect("decides").allowed());
    engine.set_limit("acme", "sessions", Limit::Finite(9)).expect("changes");
    let newer = changed_catalog(
        "price = \"29.00\"\nlimits = { sessions = 2, credits = 10, sms = \"unlimited\", users = 1,",
        "price = \"39.00\"\nfeatures = { recording = true }\n\
         limits = { sessions = 2, credits = 20, sms = \"unlimited\", users = 3,",
    );
    engine.load_catalog(&newer).expect("loads");
    clock.set(at(NEXT));
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)), "renewed on the old version");
    assert!(engine.consume("acme", "credits", 4).expect("decides").allowed());
    assert_eq!(open_invoices(&engine).last().expect("has one").1, 2_900);
    assert!(engine.move_to_newest_version("acme").expect("is moved"));
    assert_eq!(balance(&engine, "acme", "credits"), (16, Some(20)), "what is used stays used");
    assert_eq!(balance(&engine, "acme", "users"), (3, Some(3)));
    assert_eq!(balance(&engine, "acme", "sessions").1, Some(9), "the reseller's: no new number");
    let recording = engine.tenant("acme").expect("exists").feature("recording").expect("known");
    assert_eq!(recording, Feature::Flag(true));
    assert_eq!(engine.periods("acme").expect("reads").len(), 1, "the period goes on");
    clock.set(at("2026-06-21T00:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(open_invoices(&engine).last().expect("has one").1, 3_900);
    assert!(!engine.move_to_newest_version("acme").expect("answers"));
    assert_sound(&engine);
}

#[test]
fn a_version_with_another_period_is_joined_when_the_present_one_ends() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    let yearly =
        changed_catalog("title = \"Plano pequeno\"", "title = \"Anual\"\nperiod = \"1 year\"");
    engine.load_catalog(&yearly).expect("loads");
    assert_eq!(engine.move_to_newest_version("acme").expect_err("is refused").code(), 406);
    engine.schedule_plan("acme", "small", None).expect("is scheduled");
    clock.set(at(NEXT));
    engine.settle("acme").expect("settles");
    let due = engine.subscriptions("acme").expect("reads")[0].due;
    assert_eq!(due, date("2027-05-20"));
    assert_sound(&engine);
}

#[test]
fn a_plan_that_has_left_the_catalog_goes_on_for_those_who_have_it() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "strict", "2026-05-20", true);
    let mut without = catalog();
    without.plans.remove("strict");
    engine.load_catalog_confirmed(&without).expect("loads");
    clock.set(at(NEXT));
    assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
    assert_eq!(engine.move_to_newest_version("acme").expect_err("is gone").code(), 404);
    assert_eq!(plan(&engine), "strict");
    assert_sound(&engine);
}

// ---- grants ---------------------------------------------------------------------------------

#[test]
fn a_grant_has_a_start_a_priority_and_an_end() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    let (start, end) = (at("2026-05-06T00:00:00-03:00"), at("2026-05-08T00:00:00-03:00"));
    let first = NewGrant {
        priority: Some(-5),
        starts_at: Some(start),
        expires_at: Some(end),
        ..NewGrant::new(Source::Manual, 7)
    };
    engine.grant_as("acme", "credits", &first, None).expect("grants");
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)), "it has not begun");
    clock.set(start);
    assert_eq!(balance(&engine, "acme", "credits"), (17, Some(17)));
    assert!(engine.consume("acme", "credits", 5).expect("decides").allowed());
    let mut grants = engine.report("acme").expect("reports").grants;
    grants.retain(|it| it.resource == "credits");
    let consumed: Vec<_> = grants.iter().map(|it| (it.source, it.consumed)).collect();
    assert_eq!(consumed, [(Source::Plan, 0), (Source::Manual, 5)], "before the plan's");
    clock.set(end);
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(15)), "two have run out of time");
    assert_sound(&engine);
    let refused = [
        NewGrant { priority: Some(1_001), ..first },
        NewGrant { starts_at: Some(end), expires_at: Some(end), ..first },
        NewGrant { units: 0, ..first },
        NewGrant { source: Source::Plan, ..first },
    ];
    for new in refused {
        let error = engine.grant_as("acme", "credits", &new, None).expect_err("is refused");
        assert_eq!(error.code(), 406, "{new:?}");
    }
}
