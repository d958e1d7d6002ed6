//! Accounts: registered as a whole or not at all, and what becomes of them when they end.

use cotas::billing::{CompanyType, DocumentType, Gateway, PersonType};
use std::sync::Arc;

use cotas::{
    AccountHolder, Administrator, Catalog, Engine, Error, EventKind, Extra, FieldProblem, Invoice,
    Limit, ManualClock, NewTenant, PaymentOutcome, Status, Terms, Validation,
};
use cotas_tests::payments::{TOKEN, asaas, reference};
use cotas_tests::{add_tenant, assert_sound, at, balance, date, in_memory};

const CNPJ: &str = "11.222.333/0001-81";
const START: &str = "2026-05-20T08:00:00-03:00";

fn holder(document: &str) -> AccountHolder<'_> {
    AccountHolder {
        person: PersonType::Legal,
        document: Some((document, DocumentType::Cnpj)),
        trade_name: "Padaria Aurora",
        legal_name: "Padaria Aurora Ltda",
        company_type: Some(CompanyType::Ltda),
        company_type_text: "",
        administrator: Administrator {
            name: "Ana",
            email: "ana@aurora.example",
            phone: "+55 11 5555-0100",
        },
        address: None,
    }
}

fn account<'a>(name: &'a str, document: &'a str) -> NewTenant<'a> {
    let new = NewTenant::new(name).plan("full", date("2026-06-10"), true);
    NewTenant { holder: Some(holder(document)), ..new }
}

fn fields(problems: &[FieldProblem]) -> Vec<(&str, i32)> {
    problems.iter().map(|it| (it.field.as_str(), it.code)).collect()
}

/// Everything that is wrong with a form, asserting that registering it says the same.
#[track_caller]
fn problems(engine: &Engine, form: &str) -> Vec<FieldProblem> {
    let Validation { problems, summary } = engine.validate_form(form).expect("is looked at");
    assert_eq!(summary, None);
    match engine.register_form(form).expect_err("is refused") {
        Error::InvalidForm(found) => assert_eq!(found, problems),
        other => panic!("{other}"),
    }
    assert!(engine.tenants().expect("reads").is_empty(), "nothing was created");
    problems
}

#[test]
fn every_field_that_is_wrong_is_reported_at_once() {
    let (engine, _) = in_memory(START);
    let form = r#"{
        "name": "",
        "status": "asleep",
        "time_zone": "Mars/Base",
        "created_at": "yesterday",
        "plan": { "name": "gold", "first_due": "2026-05-19", "auto_renew": "yes" },
        "extras": [{ "resource": "gold", "units": 0 }, 7],
        "limits": { "users": -1, "boots": 3 },
        "features": { "recording": true, "singing": true },
        "colour": "red",
        "holder": {
            "person": "natural",
            "document": { "type": "cnpj", "number": "11.222.333/0001-81" },
            "company_type": "ltda",
            "trade_name": 5,
            "administrator": { "email": "ana", "phone": 5500900000001 },
            "address": { "cep": "1310" }
        }
    }"#;
    let found = problems(&engine, form);
    let mut expected = [
        ("name", 406),
        ("status", 406),
        ("time_zone", 406),
        ("created_at", 406),
        ("plan.name", 404),
        ("plan.first_due", 406),
        ("plan.auto_renew", 406),
        ("extras.0.resource", 402),
        ("extras.0.units", 406),
        ("extras.1", 406),
        ("limits.users", 406),
        ("limits.boots", 402),
        ("features.singing", 421),
        ("colour", 406),
        ("holder.document", 406),
        ("holder.company_type", 406),
        ("holder.trade_name", 406),
        ("holder.administrator.name", 406),
        ("holder.administrator.email", 406),
        ("holder.administrator.phone", 406),
        ("holder.address.cep", 330),
    ];
    let mut seen = fields(&found);
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected);
    let said = format!("{found:?}");
    for personal in ["0900000001", "11.222.333", "\"ana\""] {
        assert!(!said.contains(personal), "{personal} is in {said}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let (engine, _) = in_memory(START);
    let found = problems(&engine, "{}");
    assert_eq!(fields(&found), [("name", 406), ("holder", 406)]);
    let found = problems(&engine, r#"{ "name": "a", "plan": {}, "holder": {} }"#);
    let expected = [
        ("plan.name", 406),
        ("plan.auto_renew", 406),
        ("holder.person", 406),
        ("holder.administrator.name", 406),
        ("holder.administrator.email", 406),
        ("holder.administrator.phone", 406),
        ("plan.first_due", 406),
    ];
    assert_eq!(fields(&found), expected);
    for no_object in ["", "[]", "3", "{\"name\": "] {
        assert_eq!(engine.validate_form(no_object).expect_err("is none").code(), 406);
        assert_eq!(engine.register_form(no_object).expect_err("is none").code(), 406);
    }
    let many = format!(r#"{{ "name": "a", "extras": [{}] }}"#, ["7"; 2_000].join(","));
    assert_eq!(fields(&problems(&engine, &many)), [("extras", 406), ("holder", 406)]);
}

#[test]
fn a_document_fits_the_person_and_is_no_other_tenant_s() {
    let (cpf, cnpj) = (("529.982.247-25", DocumentType::Cpf), (CNPJ, DocumentType::Cnpj));
    for (person, document, code) in [
        (PersonType::Legal, cpf, Some(406)),
        (PersonType::Natural, cnpj, Some(406)),
        (PersonType::Legal, ("12.345.678/0001-90", DocumentType::Cnpj), Some(330)),
        (PersonType::Natural, cpf, None),
        (PersonType::Legal, cnpj, None),
    ] {
        let (engine, _) = in_memory(START);
        let company_type = (person == PersonType::Legal).then_some(CompanyType::Ltda);
        let of = AccountHolder { person, document: Some(document), company_type, ..holder(CNPJ) };
        let new = NewTenant { holder: Some(of), ..account("acme", CNPJ) };
        let found = engine.validate(&new).expect("is looked at").problems;
        let expected: Vec<_> = code.map(|code| ("holder.document", code)).into_iter().collect();
        assert_eq!(fields(&found), expected, "{document:?}");
        let created = engine.create_tenant(&new);
        assert_eq!(created.err().map(|it| it.code()), code, "however it is created");
        if code.is_none() {
            let again = NewTenant { name: "again", ..new };
            let found = engine.validate(&again).expect("is looked at").problems;
            assert_eq!(fields(&found), [("holder.document", 425)], "it is in use now");
        }
    }
}

#[test]
fn an_account_without_a_holder_is_no_account_but_may_be_a_tenant() {
    let (engine, _) = in_memory(START);
    let new = NewTenant { holder: None, ..account("acme", CNPJ) };
    assert_eq!(engine.register(&new).expect_err("is refused").code(), 440);
    assert!(engine.ensure_tenant(&new).expect("is created"), "a host keeps its own users");
    assert!(!engine.ensure_tenant(&new).expect("exists"));
}

#[test]
fn the_summary_is_what_registering_creates() {
    let (engine, _) = in_memory(START);
    let new = NewTenant {
        status: Status::Demo,
        limits: &[("sms", Limit::Finite(77))],
        ..account("acme", CNPJ)
    };
    let found = engine.validate(&new).expect("is looked at");
    assert_eq!(found.problems, []);
    let summary = found.summary.expect("is there");
    assert!(engine.tenants().expect("reads").is_empty(), "nothing was created");
    engine.register(&new).expect("is registered");
    let report = engine.report("acme").expect("reads");
    assert_eq!((summary.name.as_str(), summary.status), ("acme", report.status));
    let plan = summary.plan.expect("is there");
    let subscription = report.subscription.as_ref().expect("is there");
    assert_eq!((&plan.plan, plan.first_due), (&subscription.plan, Some(subscription.due)));
    assert_eq!(summary.limits["sms"], Limit::Finite(77), "its own");
    for (name, limit) in &summary.limits {
        let held = report.balances.iter().find(|it| it.resource == *name).expect("is there");
        let units = match limit {
            Limit::Finite(units) => Some(*units),
            _ => None,
        };
        assert_eq!(held.limit(), units, "{name}");
    }
    let end = summary.demo_ends_at.expect("ends");
    assert_eq!(end.to_string(), "2026-06-03T11:00:00Z");
    assert_eq!(engine.validate(&new).expect("is looked at").problems[0].code, 401, "it exists");
}

#[test]
fn an_account_that_pays_first_shows_its_invoice_and_the_plan_that_it_chose() {
    let (engine, _) = in_memory(START);
    let new = NewTenant { pay_first: Some("Asaas"), ..account("acme", CNPJ) };
    let summary = engine.validate(&new).expect("is looked at").summary.expect("is there");
    assert!(summary.plan.is_some_and(|plan| plan.waits_for_payment));
    assert_eq!(summary.limits["sms"], Limit::Finite(10), "of the plan that it chose");
    engine.register(&new).expect("is registered");
    let written = engine.invoices("acme").expect("reads");
    let shown: Vec<_> = summary.invoices.iter().map(|it| (it.amount, it.due)).collect();
    assert_eq!(shown, written.iter().map(|it| (it.amount, it.due)).collect::<Vec<_>>());
    let no_plan = NewTenant { plan: None, ..new };
    let found =
        engine.validate(&NewTenant { name: "b", ..no_plan }).expect("is looked at").problems;
    assert!(fields(&found).contains(&("plan", 406)), "{found:?}");
}

#[test]
fn registering_again_under_its_key_is_the_same_registration() {
    let (engine, _) = in_memory(START);
    let new = account("acme", CNPJ);
    engine.once("form-1").register(&new).expect("is registered");
    engine.once("form-1").register(&new).expect("was registered");
    assert_eq!(engine.register(&new).expect_err("exists").code(), 401);
    let other = NewTenant { status: Status::Demo, ..new.clone() };
    assert_eq!(engine.once("form-1").register(&other).expect_err("differs").code(), 407);
    let same_document = account("b", CNPJ);
    match engine.register(&same_document).expect_err("is refused") {
        Error::InvalidForm(found) => assert_eq!(fields(&found), [("holder.document", 425)]),
        other => panic!("{other}"),
    }
}

// ---- trials ---------------------------------------------------------------------------------

/// A demonstration of 14 days that began at [`START`] and ends on 3 June, 08:00, under a catalog
/// that keeps it so long.
fn trial(delete_after: &str) -> (Engine, Arc<ManualClock>) {
    let (engine, clock) = in_memory(START);
    let table = format!("[trial]\ndelete_after = \"{delete_after}\"\n");
    let text = format!("{}\n{table}", cotas_tests::CATALOG);
    engine.load_catalog(&Catalog::parse(&text, "c.toml").expect("is valid")).expect("loads");
    let new = NewTenant { status: Status::Demo, ..account("trial", CNPJ) };
    engine.register(&new).expect("is registered");
    (engine, clock)
}

/// Does what maintenance does at an instant; says whether the trial is there afterwards.
fn is_there_after(engine: &Engine, clock: &ManualClock, now: &str) -> bool {
    clock.set(at(now));
    engine.remove_ended_trials().expect("looks");
    engine.tenants().expect("reads").contains(&"trial".to_owned())
}

/// The announcements of removals that there have been: when, and for when.
fn announced(engine: &Engine) -> Vec<(String, String)> {
    let events = engine.events(0, 1_000).expect("reads");
    let announced = events.into_iter().filter_map(|it| match it.kind {
        EventKind::RemovalAnnounced { removal } => Some((it.at.to_string(), removal.to_string())),
        _ => None,
    });
    announced.collect()
}

#[test]
fn a_trial_is_announced_seven_days_before_it_is_removed() {
    for (delete_after, notice, removal) in [
        ("30 days", "2026-06-26T11:00:00Z", "2026-07-03T11:00:00Z"),
        ("0 days", "2026-05-27T11:00:00Z", "2026-06-03T11:00:00Z"),
        ("1d", "2026-05-28T11:00:00Z", "2026-06-04T11:00:00Z"),
    ] {
        let (engine, clock) = trial(delete_after);
        let before = |instant: &str| at(instant).plus_ms(-1).to_string();
        assert!(is_there_after(&engine, &clock, &before(notice)));
        assert_eq!(announced(&engine), [], "{delete_after}");
        assert!(is_there_after(&engine, &clock, notice));
        assert_eq!(announced(&engine), [(notice.to_owned(), removal.to_owned())]);
        assert!(is_there_after(&engine, &clock, &before(removal)), "{delete_after}");
        assert!(!is_there_after(&engine, &clock, removal), "{delete_after}");
        assert_eq!(announced(&engine).len(), 1, "once, and it can still be read");
        let events = engine.events(0, 1_000).expect("reads");
        let last = events.last().expect("is there");
        assert_eq!((last.tenant.as_str(), &last.kind), ("trial", &EventKind::Removed));
        assert_sound(&engine);
        let again = NewTenant { plan: None, ..account("again", CNPJ) };
        engine.register(&again).expect("the document is free again");
    }
}

#[test]
fn a_trial_shorter_than_its_notice_is_announced_when_it_is_created() {
    let (engine, clock) = in_memory(START);
    let text = cotas_tests::CATALOG.replace("[catalog]", "[catalog]\ndemo_days = 3");
    let text = format!("{text}\n[trial]\ndelete_after = \"0d\"\n");
    engine.load_catalog(&Catalog::parse(&text, "c.toml").expect("is valid")).expect("loads");
    let new = NewTenant { status: Status::Demo, ..NewTenant::new("trial") };
    engine.create_tenant(&new).expect("is created");
    assert!(is_there_after(&engine, &clock, START));
    let (now, end) = (at(START).to_string(), "2026-05-23T11:00:00Z".to_owned());
    assert_eq!(announced(&engine), [(now, end.clone())]);
    assert!(!is_there_after(&engine, &clock, &end));
}

#[test]
fn a_trial_that_is_announced_late_has_its_notice_all_the_same() {
    let (engine, clock) = trial("30 days");
    assert!(is_there_after(&engine, &clock, "2026-09-01T12:00:00Z"), "nothing ran till then");
    assert_eq!(announced(&engine)[0].1, "2026-09-08T12:00:00Z");
    assert!(is_there_after(&engine, &clock, "2026-09-08T11:59:59Z"));
    assert!(!is_there_after(&engine, &clock, "2026-09-08T12:00:00Z"));
}

#[test]
fn a_trial_stays_for_ever_where_the_catalog_says_never() {
    let (engine, clock) = trial("never");
    assert!(is_there_after(&engine, &clock, "2027-05-01T12:00:00Z"));
    assert_eq!(announced(&engine), []);
    for wrong in ["", "30", "-1d", "3661d", "1 month", "d", "1.5d"] {
        let text = format!("{}\n[trial]\ndelete_after = \"{wrong}\"\n", cotas_tests::CATALOG);
        let error = Catalog::parse(&text, "c.toml").expect_err("is wrong").to_string();
        assert!(error.contains("trial.delete_after: expected a number of days"), "{error}");
    }
}

#[test]
fn a_trial_stays_that_has_paid_or_may_yet_pay() {
    let far = "2026-12-01T12:00:00Z";
    let gone = |engine: &Engine, clock: &ManualClock| {
        let announced = is_there_after(engine, clock, far);
        assert!(announced, "its notice at least");
        !is_there_after(engine, clock, "2026-12-08T12:00:00Z")
    };
    let (engine, clock) = trial("30 days");
    assert!(gone(&engine, &clock), "nothing keeps it");

    // It has chosen a plan, whose invoice waits: both stand in the way, one after the other.
    let (engine, clock) = trial("30 days");
    let terms = Terms::new("full", date("2026-12-20"), true);
    let invoice = engine.choose_plan("trial", &terms, "Asaas", None).expect("chooses");
    assert!(!gone(&engine, &clock), "a plan is pending");

    // It has paid, as an operator noted, and was not made an active tenant of.
    let (engine, clock) = trial("30 days");
    engine.choose_plan("trial", &terms, "Asaas", None).expect("chooses");
    engine.mark_paid(invoice.expect("is to be paid"), None).expect("is paid");
    engine.set_status("trial", Status::Demo, "test", true).expect("an operator may");
    assert!(!gone(&engine, &clock), "it has paid");

    // An operator removes it all the same only while it has ended and is a demonstration.
    engine.purge_demo("trial").expect("is removed");
}

#[test]
fn a_trial_stays_whose_only_payment_waits_to_be_assigned() {
    let (engine, clock) = trial("30 days");
    engine.set_webhook_token(Gateway::Asaas, TOKEN).expect("is set");
    let terms = Terms::new("full", date("2026-12-20"), true);
    let chosen = engine.choose_plan("trial", &terms, "Asaas", None).expect("chooses");
    let reference = reference(&engine, "trial", chosen.expect("is to be paid"));
    let report = |what: &str| {
        // Less than the invoice, of a customer who is not known: it pays nothing by itself.
        let body = asaas(what, what, "pay_1", &reference, "2026-05-21");
        let body = String::from_utf8(body).expect("is text").replace("100.00", "1.00");
        engine.payment_event(Gateway::Asaas, body.as_bytes(), TOKEN).expect("is answered")
    };
    clock.set(at("2026-05-21T12:00:00-03:00"));
    assert_eq!(report("PAYMENT_RECEIVED"), PaymentOutcome::Unmatched);
    assert!(is_there_after(&engine, &clock, "2026-12-01T12:00:00Z"));
    let invoices = engine.invoices("trial").expect("reads");
    assert!(invoices.iter().all(|it| it.status.code() == "cancelled"), "the offer ran out");
    assert!(is_there_after(&engine, &clock, "2027-06-01T12:00:00Z"), "its money is here");
    assert_eq!(announced(&engine), []);
    // Given back, nothing of it is left here.
    report("PAYMENT_REFUNDED");
    assert!(is_there_after(&engine, &clock, "2027-06-02T12:00:00Z"), "its notice");
    assert!(!is_there_after(&engine, &clock, "2027-06-09T12:00:00Z"));
    assert_sound(&engine);
}

#[test]
fn a_trial_that_is_bought_is_no_trial_any_more() {
    let (engine, clock) = trial("0 days");
    assert!(is_there_after(&engine, &clock, "2026-05-28T12:00:00Z"));
    assert_eq!(announced(&engine).len(), 1);
    engine.set_status("trial", Status::Active, "bought", false).expect("moves");
    assert!(is_there_after(&engine, &clock, "2026-08-01T12:00:00Z"));
    // Back by an operator: it is announced again before it goes.
    engine.set_status("trial", Status::Demo, "test", true).expect("moves");
    for invoice in engine.invoices("trial").expect("reads") {
        engine.cancel_invoice(invoice.id).expect("is cancelled");
    }
    assert!(is_there_after(&engine, &clock, "2026-08-01T12:00:01Z"));
    assert_eq!(announced(&engine).len(), 2);
    assert!(!is_there_after(&engine, &clock, "2026-08-08T12:00:01Z"));
}

#[test]
fn who_becomes_a_customer_begins_a_new_period_at_that_instant() {
    for status in [Status::Demo, Status::Onboarding] {
        let (engine, clock) = in_memory(START);
        let extras = [Extra { resource: "credits", units: 5, expires_at: None }];
        let new = NewTenant { status, extras: &extras, ..account("trial", CNPJ) };
        engine.register(&new).expect("is registered");
        let tenant = engine.tenant("trial").expect("exists");
        assert!(tenant.consume("credits", 1_003).expect("decides").allowed());
        assert!(tenant.meter("calls_this_month").unwrap().add(7).expect("decides").allowed());
        assert_eq!(balance(&engine, "trial", "credits"), (2, Some(1_005)));
        clock.set(at("2026-05-25T09:30:00-03:00"));
        engine.set_status("trial", Status::Active, "bought", false).expect("moves");
        assert_eq!(balance(&engine, "trial", "credits"), (1_002, Some(1_002)), "{status:?}");
        assert_eq!(balance(&engine, "trial", "calls_this_month"), (1_000, Some(1_000)));
        assert_eq!(balance(&engine, "trial", "users"), (29, Some(30)), "seats stay");
        let subscription = engine.report("trial").unwrap().subscription.expect("has one");
        assert_eq!(subscription.due, date("2026-06-10"), "unchanged");
        assert_eq!(subscription.period_start, at("2026-05-25T09:30:00-03:00"));
        let closed = engine.periods("trial").expect("reads");
        let used: Vec<_> = closed.iter().map(|it| (it.end, it.renewed)).collect();
        assert_eq!(used, [(at("2026-05-25T09:30:00-03:00"), false)]);
        // From one billed status to another nothing begins.
        engine.set_status("trial", Status::PastDue, "late", false).expect("moves");
        engine.set_status("trial", Status::Active, "paid", false).expect("moves");
        assert_eq!(engine.periods("trial").expect("reads").len(), 1);
        assert_sound(&engine);
    }
    let (engine, _) = in_memory(START);
    add_tenant(&engine, "acme", "full", "2026-06-10", true);
    engine.set_status("acme", Status::Suspended, "test", false).expect("moves");
    assert_eq!(engine.periods("acme").expect("reads").len(), 0);
}

// ---- automatic renewal ----------------------------------------------------------------------

/// Catalog with a plan that is paid first.
fn on(plan: &str, auto_renew: bool) -> (Engine, Arc<ManualClock>) {
    let (engine, clock) = in_memory(START);
    let prepaid = "[plans.prepaid]\ntitle = \"P\"\nprice = \"29.00\"\nrenew_on = \"payment\"\n\
                   limits = { credits = 10 }\n";
    let text = format!("{}\n{prepaid}", cotas_tests::CATALOG);
    engine.load_catalog(&Catalog::parse(&text, "c.toml").expect("is valid")).expect("loads");
    add_tenant(&engine, "acme", plan, "2026-06-10", auto_renew);
    (engine, clock)
}

/// What is left of 10 credits of which 7 were used, after the due date.
fn left_after_the_due_date(engine: &Engine, clock: &ManualClock) -> u64 {
    clock.set(at("2026-06-11T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    balance(engine, "acme", "credits").0
}

#[test]
fn automatic_renewal_is_switched_for_a_subscription_that_exists() {
    for (from, to, left) in [(true, false, 3), (false, true, 10), (true, true, 10)] {
        let (engine, clock) = on("small", from);
        assert!(engine.consume("acme", "credits", 7).expect("decides").allowed());
        assert_eq!(engine.set_auto_renew("acme", to).expect("switches"), from != to);
        assert_eq!(balance(&engine, "acme", "credits"), (3, Some(10)), "the period goes on");
        let subscription = engine.report("acme").unwrap().subscription.expect("has one");
        assert_eq!((subscription.auto_renew, subscription.due), (to, date("2026-06-10")));
        assert_eq!(left_after_the_due_date(&engine, &clock), left, "{from} {to}");
        assert_sound(&engine);
    }
    let (engine, _) = in_memory(START);
    engine.create_tenant(&NewTenant::new("none")).expect("is created");
    assert_eq!(engine.set_auto_renew("none", true).expect_err("has no plan").code(), 409);
    assert_eq!(engine.set_auto_renew("stranger", true).expect_err("is unknown").code(), 400);
}

#[test]
fn what_has_lapsed_is_not_renewed_by_a_switch() {
    let (engine, clock) = on("small", false);
    assert!(engine.consume("acme", "credits", 7).expect("decides").allowed());
    assert_eq!(left_after_the_due_date(&engine, &clock), 3);
    assert_eq!(engine.set_auto_renew("acme", true).expect_err("has lapsed").code(), 406);
    assert!(!engine.set_auto_renew("acme", false).expect("is off already"));
    assert_eq!(balance(&engine, "acme", "credits").0, 3);
}

#[test]
fn the_invoice_of_a_period_in_advance_exists_only_if_it_may_follow() {
    let open = |engine: &Engine| {
        let invoices = engine.invoices("acme").expect("reads");
        let open = invoices.iter().filter(|it| it.status.code() == "pending");
        open.filter(|it| it.due == date("2026-06-10")).count()
    };
    let (engine, clock) = on("prepaid", true);
    assert_eq!(open(&engine), 1);
    engine.set_auto_renew("acme", false).expect("switches");
    assert_eq!(open(&engine), 0, "no period will follow");
    engine.set_auto_renew("acme", true).expect("switches");
    assert_eq!(open(&engine), 1, "written again");
    engine.set_auto_renew("acme", true).expect("is on already");
    assert_eq!(open(&engine), 1);
    let invoices = engine.invoices("acme").expect("reads");
    let next = |it: &&Invoice| it.status.code() == "pending" && it.due == date("2026-06-10");
    let number = invoices.iter().find(next).expect("is open").id;
    engine.mark_paid(number, None).expect("is paid");
    assert!(engine.consume("acme", "credits", 7).expect("decides").allowed());
    assert_eq!(left_after_the_due_date(&engine, &clock), 10, "paid and renewed");
    // In arrears it is for the period that was used: switching changes nothing about it.
    let (engine, _) = on("small", true);
    engine.set_auto_renew("acme", false).expect("switches");
    assert_eq!(open(&engine), 1);
}

#[test]
fn a_scheduled_plan_follows_the_switch_and_a_key_switches_once() {
    let (engine, clock) = on("small", true);
    engine.schedule_plan("acme", "full", None).expect("is scheduled");
    assert!(engine.once("s-1").set_auto_renew("acme", false).expect("switches"));
    assert!(engine.set_auto_renew("acme", true).expect("switches"));
    assert!(
        engine.once("s-1").set_auto_renew("acme", false).expect("as before"),
        "the answer kept"
    );
    engine.once("s-1").set_auto_renew("acme", true).expect_err("is another operation");
    engine.set_auto_renew("acme", false).expect("switches");
    clock.set(at("2026-06-11T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    let subscription = engine.report("acme").unwrap().subscription.expect("has one");
    assert_eq!((subscription.plan.as_str(), subscription.auto_renew), ("full", false));
}

// ---- erasure --------------------------------------------------------------------------------

const CREATED: &str = "2026-05-20T12:00:00Z";

/// A tenant with a holder, seats, sessions, keys and free text, on a plan of 299.00, which it has
/// paid once.
fn customer() -> (Engine, Arc<ManualClock>) {
    let (engine, clock) = in_memory(CREATED);
    engine.register(&account("acme", CNPJ)).expect("is registered");
    let tenant = engine.tenant("acme").expect("exists");
    let seats = tenant.seats("channels.whatsapp").expect("are seats");
    assert!(seats.occupy("maria@aurora.example").expect("decides").allowed());
    cotas_tests::open_sessions(&engine, "acme", "+5511999990000", 3).expect("opens");
    assert!(tenant.once("order of Maria").consume("sms", 1).expect("decides").allowed());
    engine.set_status("acme", Status::Suspended, "Maria did not pay", false).expect("moves");
    clock.set(at("2026-06-11T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    for invoice in engine.invoices("acme").expect("reads") {
        if invoice.due == date("2026-06-10") {
            engine.mark_paid(invoice.id, None).expect("is paid");
        }
    }
    (engine, clock)
}

/// Cancels it; its open invoices are then what it owes.
fn cancel(engine: &Engine) -> Vec<i64> {
    engine.set_status("acme", Status::Cancelled, "Maria left", false).expect("moves");
    let open = |it: &cotas::Invoice| matches!(it.status.code(), "pending" | "overdue");
    let invoices = engine.invoices("acme").expect("reads");
    invoices.iter().filter(|it| open(it)).map(|it| it.id).collect()
}

#[test]
fn only_a_cancelled_tenant_that_owes_nothing_is_erased() {
    let (engine, _) = customer();
    assert_eq!(engine.erase("acme", true).expect_err("is no former customer").code(), 406);
    assert_eq!(engine.erase("stranger", true).expect_err("is unknown").code(), 400);
    let owed = cancel(&engine);
    if !owed.is_empty() {
        let error = engine.erase("acme", false).expect_err("owes something");
        assert!(matches!(&error, Error::Owes { invoices, .. } if *invoices == owed), "{error}");
    }
    assert_eq!(engine.report("acme").expect("is there").status, Status::Cancelled);
    assert_eq!(engine.erase("acme", true).expect("is erased"), owed, "the debt is cancelled");
    assert_eq!(engine.erase("acme", true).expect_err("is gone").code(), 400);
    assert_sound(&engine);
}

#[test]
fn a_debt_stands_in_the_way_of_an_erasure_until_it_is_cancelled() {
    let (engine, clock) = in_memory(CREATED);
    engine.register(&account("acme", CNPJ)).expect("is registered");
    clock.set(at("2026-07-01T12:00:00Z"));
    engine.settle("acme").expect("settles");
    assert_eq!(engine.report("acme").expect("reads").status, Status::PastDue);
    let owed = cancel(&engine);
    assert!(!owed.is_empty(), "what was due on 10 June is owed");
    let error = engine.erase("acme", false).expect_err("owes something");
    assert_eq!(error.code(), 441);
    assert!(error.to_string().contains(&owed[0].to_string()), "{error}");
    assert_eq!(engine.erase("acme", true).expect("is erased"), owed);
    let [kept] = &engine.erased_accounts(Some("acme")).expect("reads")[..] else {
        panic!("one is kept");
    };
    let open = |it: &&cotas::Invoice| it.status.code() != "cancelled";
    assert_eq!(kept.invoices.iter().filter(open).count(), 0);
    assert_sound(&engine);
}

#[test]
fn what_is_personal_is_nowhere_in_the_database_after_an_erasure() {
    let database = cotas_tests::Database::in_memory("");
    let path = database.path();
    let personal =
        ["maria@aurora", "ana@aurora", "5555-0100", "Maria did", "Maria left", "Paulista"];
    let bytes = |name: &str| std::fs::read(database.directory().join(name)).unwrap_or_default();
    let found = || -> Vec<&str> {
        let files = ["app.db", "app.db-wal", "app.db-live"].map(bytes);
        let within = |text: &&str| {
            let holds = |file: &Vec<u8>| file.windows(text.len()).any(|it| it == text.as_bytes());
            files.iter().any(holds)
        };
        personal.into_iter().filter(within).collect()
    };
    let engine = database.open();
    engine.load_catalog(&cotas_tests::catalog()).expect("loads");
    let address = cotas::Address { cep: "01310-100", street: "Paulista", ..Default::default() };
    let holder = AccountHolder { address: Some(address), ..holder(CNPJ) };
    let new = NewTenant { holder: Some(holder), ..account("acme", CNPJ) };
    engine.register(&new).expect("is registered");
    add_tenant(&engine, "other", "full", "2026-06-10", true);
    let tenant = engine.tenant("acme").expect("exists");
    let seats = tenant.seats("channels.whatsapp").expect("are seats");
    assert!(seats.occupy("maria@aurora.example").expect("decides").allowed());
    engine.set_status("acme", Status::Suspended, "Maria did not pay", false).expect("moves");
    engine.set_status("acme", Status::Cancelled, "Maria left", false).expect("moves");
    engine.checkpoint().expect("writes");
    assert_eq!(found(), personal, "the test finds them");
    assert!(path.exists());
    engine.erase("acme", true).expect("is erased");
    assert_eq!(found(), [""; 0]);
    assert_eq!(engine.tenants().expect("reads"), ["other"]);
    assert_sound(&engine);
}

#[test]
fn invoices_keep_their_payer_until_the_end_of_the_fifth_year_and_then_lead_to_no_one() {
    let (engine, clock) = customer();
    cancel(&engine);
    let before = engine.invoices("acme").expect("reads");
    assert_eq!(before.len(), 3, "cancelling made the running period due");
    engine.erase("acme", true).expect("is erased");
    assert_eq!(engine.invoices("acme").expect_err("is gone").code(), 400);
    let kept = engine.erased_accounts(Some("acme")).expect("reads");
    let [kept] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!(kept.payer_name, "Padaria Aurora Ltda");
    assert_eq!(kept.payer_document.as_deref(), Some("11222333000181"));
    let amounts = |list: &[cotas::Invoice]| -> Vec<_> {
        list.iter().map(|it| (it.id, it.amount, it.due)).collect()
    };
    assert_eq!(amounts(&kept.invoices), amounts(&before));
    assert!(!format!("{kept:?}").contains("11222333"));

    // Another tenant has the name now, and its own administrative life.
    add_tenant(&engine, "acme", "full", "2026-07-10", true);
    assert_eq!(engine.erased_accounts(None).expect("reads").len(), 1);
    for year in 2027..=2031 {
        clock.set(at(&format!("{year}-06-01T12:00:00Z")));
        engine.confirm_clock("acme").expect("is believed");
        engine.set_status("acme", Status::Suspended, "test", true).expect("moves");
        engine.set_status("acme", Status::Active, "test", true).expect("moves");
    }
    let still_kept = |now: &str| {
        clock.set(at(now));
        engine.maintain().expect("maintains");
        engine.erased_accounts(None).expect("reads").len()
    };
    assert_eq!(still_kept("2032-01-01T02:59:59Z"), 1, "2031 is not over in Sao Paulo");
    assert_eq!(still_kept("2032-01-01T03:00:00Z"), 0);
    assert_eq!(engine.erased_accounts(Some("acme")).expect("reads"), []);
    assert_sound(&engine);
}

#[test]
fn without_retention_invoices_lead_to_no_one_at_once() {
    let (engine, _) = customer();
    let text =
        cotas_tests::CATALOG.replace("[catalog]", "[catalog]\nfiscal_retention = \"0 years\"");
    engine.load_catalog(&Catalog::parse(&text, "c.toml").expect("is valid")).expect("loads");
    let highest = engine.invoices("acme").expect("reads").iter().map(|it| it.id).max();
    cancel(&engine);
    engine.erase("acme", true).expect("is erased");
    assert_eq!(engine.erased_accounts(None).expect("reads"), []);
    let new = NewTenant::new("b").plan("full", date("2026-07-10"), true);
    engine.create_tenant(&NewTenant { pay_first: Some("Asaas"), ..new }).expect("is created");
    let first = engine.invoices("b").expect("reads").iter().map(|it| it.id).min();
    assert!(first > highest, "a number that a host may have seen is not given again");
    for wrong in ["5", "5 months", "-1 years", "101 years"] {
        let text = text.replace("0 years", wrong);
        let error = Catalog::parse(&text, "c.toml").expect_err("is wrong").to_string();
        assert!(error.contains("catalog.fiscal_retention: expected a number of years"), "{error}");
    }
}

#[test]
fn the_document_of_a_cancelled_tenant_is_not_in_use() {
    let (engine, _) = customer();
    let again = NewTenant { plan: None, ..account("again", CNPJ) };
    assert_eq!(engine.register(&again).expect_err("is in use").code(), 440);
    cancel(&engine);
    engine.validate_document(CNPJ, DocumentType::Cnpj).expect("is free");
    engine.register(&again).expect("is registered");
    let back = engine.set_status("acme", Status::Active, "came back", true);
    assert_eq!(back.expect_err("the document is another's now").code(), 425);
    engine.set_status("again", Status::Cancelled, "left", false).expect("moves");
    engine.set_status("acme", Status::Active, "came back", true).expect("moves");
    assert_eq!(engine.validate_document(CNPJ, DocumentType::Cnpj).expect_err("is").code(), 425);
}

#[test]
fn what_happened_to_an_erased_tenant_is_reported_without_a_word_of_its_own() {
    let (engine, _) = customer();
    cancel(&engine);
    engine.erase("acme", true).expect("is erased");
    let events = engine.events(0, 1_000).expect("reads");
    let reported: Vec<_> = events.iter().map(|it| (it.tenant.as_str(), it.kind.code())).collect();
    assert_eq!(reported, [("acme", "erased")]);
    let trail = engine.audit_trail(None, 100).expect("reads");
    assert_eq!((trail[0].what.as_str(), trail[0].detail.as_str()), ("erased", "acme"));
    assert!(trail[1..].iter().all(|it| it.tenant.is_none() && !it.detail.contains("Maria")));
}

#[test]
fn a_tenant_takes_its_data_along() {
    let (engine, _) = customer();
    let export = engine.export("acme").expect("exports");
    let lines: Vec<serde_json::Value> =
        export.lines().map(|it| serde_json::from_str(it).expect("is JSON")).collect();
    let of = |kind: &str| lines.iter().filter(|it| it["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of("tenant")[0]["data"]["name"], "acme");
    assert_eq!(of("account_holder")[0]["data"]["admin_email"], "ana@aurora.example");
    assert_eq!(of("invoice").len(), engine.invoices("acme").expect("reads").len());
    assert_eq!(of("subscription").len(), 1);
    assert_eq!(of("period").len(), 1);
    assert_eq!(of("seat").len(), 2, "the administrator's and a channel");
    assert!(!of("event").is_empty() && !of("audit").is_empty() && of("usage").len() == 1);
    assert_eq!(engine.export("stranger").expect_err("is unknown").code(), 400);
    add_tenant(&engine, "other", "full", "2026-07-10", true);
    let other = engine.export("other").expect("exports");
    assert!(!other.contains("acme") && !other.contains("aurora"), "{other}");
}
