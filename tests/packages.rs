//! Packages that are charged again with every due date, and how they end.

use std::sync::Arc;

use cotas::{Engine, InvoiceStatus, ManualClock, NewTenant, Occupancy, Reason, Terms};
use cotas_tests::{Database, NOON, assert_sound, at, balance, date, in_memory};

use InvoiceStatus::{Cancelled, Overdue, Paid, Pending};

const WHAZING: &str = include_str!("../examples/catalogs/whazing.toml");
const PACKAGE: &str = "canais_api_plus";

/// Loja is on Premium, due on the 30th of May, with one free channel.
fn set_up(engine: &Engine) {
    let catalog = cotas::Catalog::parse(WHAZING, "whazing.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    let new = NewTenant::new("loja").plan("premium", date("2026-05-30"), true);
    engine.create_tenant(&new).expect("is created");
    pay_all(engine, "2026-05-30");
}

fn opened() -> (Engine, Arc<ManualClock>) {
    let (engine, clock) = in_memory(NOON);
    set_up(&engine);
    (engine, clock)
}

/// Pays what is due on this day.
fn pay_all(engine: &Engine, due: &str) {
    for invoice in engine.invoices("loja").expect("reads") {
        if invoice.due == date(due) && matches!(invoice.status, Pending | Overdue) {
            engine.mark_paid(invoice.id, None).expect("is paid");
        }
    }
}

fn buy_and_pay(engine: &Engine, quantity: u64) -> i64 {
    let invoice = engine.buy("loja", PACKAGE, quantity, None).expect("sells").invoice;
    engine.mark_paid(invoice, None).expect("is paid");
    invoice
}

/// What was charged for channels: when it is due, and how it stands.
fn charged(engine: &Engine) -> Vec<(String, InvoiceStatus)> {
    let invoices = engine.invoices("loja").expect("reads").into_iter();
    let channels = invoices.filter(|it| it.lines.iter().any(|it| it.title == "Canais API PLUS"));
    channels.map(|it| (it.due.to_string(), it.status)).collect()
}

fn pairs<const N: usize>(of: [(&str, InvoiceStatus); N]) -> Vec<(String, InvoiceStatus)> {
    of.map(|(due, status)| (due.to_owned(), status)).to_vec()
}

fn contracted(engine: &Engine) -> Option<u64> {
    balance(engine, "loja", "api_plus").1
}

#[test]
fn what_is_ended_is_charged_no_more_and_stays_for_the_period_that_is_paid() {
    let (engine, clock) = opened();
    let bought = buy_and_pay(&engine, 2);
    let tenant = engine.tenant("loja").expect("exists");
    let seats = tenant.seats("api_plus.business").expect("are seats");
    let connect = |channel| {
        let token = format!("token-of-{channel}");
        let how = Occupancy { token: Some(&token), ..Occupancy::default() };
        seats.occupy_as(channel, &how).expect("decides")
    };
    assert!(connect("one").allowed() && connect("two").allowed());
    assert_eq!(engine.end_purchase(bought).expect("ends"), Some(date("2026-05-30")));
    assert_eq!(charged(&engine), pairs([("2026-05-04", Paid), ("2026-05-30", Cancelled)]));
    let next = engine.channels("loja", "api_plus").expect("reports");
    assert_eq!(next.charges, []);

    clock.set(at("2026-05-30T23:59:59-03:00"));
    assert_eq!(contracted(&engine), Some(3));
    clock.set(at("2026-05-31T00:00:00-03:00"));
    assert_eq!(contracted(&engine), Some(1), "the free one is left");
    engine.settle("loja").expect("settles");
    let over = engine.report("loja").expect("reports").balances;
    let over = over.iter().find(|it| it.resource == "api_plus").expect("is there");
    assert!(over.over_limit() && over.used == 2, "no holder is removed");
    assert_eq!(connect("three").reason(), Some(Reason::QuotaExhausted));
    clock.set(at("2026-07-15T12:00:00-03:00"));
    engine.settle("loja").expect("settles");
    assert_eq!(charged(&engine).len(), 2, "no renewal charges it again");
    assert_eq!(engine.end_purchase(bought).expect("has ended"), None);
    assert_sound(&engine);
}

#[test]
fn what_was_never_paid_is_not_given_any_more() {
    let (engine, clock) = opened();
    let bought = engine.buy("loja", PACKAGE, 10, None).expect("sells").invoice;
    clock.set(at("2026-05-05T12:00:00-03:00"));
    engine.settle("loja").expect("settles");
    assert_eq!(charged(&engine), pairs([("2026-05-04", Pending)]), "an offer is no debt");
    assert_eq!(engine.end_purchase(bought).expect("ends"), None);
    assert_eq!(charged(&engine), pairs([("2026-05-04", Cancelled)]));
    assert_eq!(engine.report("loja").expect("reports").status.code(), "active", "no debt is left");
    assert_eq!(engine.mark_paid(bought, None).expect_err("is cancelled").code(), 406);
    assert_eq!(contracted(&engine), Some(1));
    assert_sound(&engine);
}

#[test]
fn one_of_two_purchases_ends_and_under_a_key_once() {
    let (engine, _) = opened();
    let (one, other) = (buy_and_pay(&engine, 1), buy_and_pay(&engine, 10));
    let keyed = engine.once("end-1");
    let until = Some(date("2026-05-30"));
    assert_eq!(keyed.end_purchase(one).expect("ends"), until);
    assert_eq!(keyed.end_purchase(one).expect("is answered"), until);
    assert_eq!(keyed.end_purchase(other).expect_err("another").code(), 407);
    assert_eq!(engine.end_purchase(one).expect("has ended"), until, "without a key as well");
    let ended = engine.audit_trail(Some("loja"), 100).expect("reads").into_iter();
    let ended: Vec<_> = ended.filter(|it| it.what == "purchase ended").collect();
    assert_eq!(ended.len(), 1, "{ended:?}");
    let open = charged(&engine).into_iter().filter(|(_, status)| *status == Pending).count();
    assert_eq!((open, contracted(&engine)), (1, Some(12)));
    assert_sound(&engine);
}

#[test]
fn what_is_paid_ahead_stays_for_the_next_period_and_what_is_owed_stays_owed() {
    let (engine, clock) = opened();
    let bought = buy_and_pay(&engine, 1);
    clock.set(at("2026-05-29T12:00:00-03:00"));
    pay_all(&engine, "2026-05-30");
    assert_eq!(engine.end_purchase(bought).expect("ends"), Some(date("2026-06-30")));

    let (engine, clock) = opened();
    buy_and_pay(&engine, 1);
    clock.set(at("2026-06-05T12:00:00-03:00"));
    engine.settle("loja").expect("settles");
    // By whichever of its invoices.
    let invoices = engine.invoices("loja").expect("reads");
    let last = invoices.iter().rfind(|it| it.title == "Canais API PLUS").expect("is there");
    assert_eq!(engine.end_purchase(last.id).expect("ends"), Some(date("2026-06-30")));
    assert_eq!(
        charged(&engine),
        pairs([("2026-05-04", Paid), ("2026-05-30", Overdue)]),
        "the next due date charges it no more"
    );
    assert_sound(&engine);
}

#[test]
fn only_what_is_charged_again_can_be_ended() {
    let (engine, _) = opened();
    let plan = engine.invoices("loja").expect("reads")[0].id;
    let refused = engine.end_purchase(plan).expect_err("is the plan's");
    assert_eq!(refused.code(), 406);
    let why = "it pays for nothing that is charged again; give the invoice of a recurring purchase";
    assert_eq!(refused.to_string(), format!("invoice: {why}"));
    assert_eq!(engine.end_purchase(99).expect_err("is unknown").code(), 423);
    let once = WHAZING.replace("recurring = true", "recurring = false");
    engine
        .load_catalog(&cotas::Catalog::parse(&once, "once.toml").expect("is valid"))
        .expect("loads");
    let bought = buy_and_pay(&engine, 1);
    assert_eq!(engine.end_purchase(bought).expect_err("is charged once").code(), 406);
    assert_sound(&engine);
}

#[test]
fn what_is_used_up_is_not_charged_again_since_it_is_given_once() {
    let with = |kind: &str| {
        let text = format!(
            "[resources.things]\nkind = \"{kind}\"\n[plans.p]\ntitle = \"P\"\nprice = \"1.00\"\n\
             limits = {{ things = 1 }}\n[packages.more]\ntitle = \"More\"\nresource = \"things\"\n\
             recurring = true\nprices = {{ 1 = \"2.00\" }}\n"
        );
        cotas::Catalog::parse(&text, "c.toml").map(|_| ()).map_err(|error| error.to_string())
    };
    for kind in ["allowance", "session"] {
        let refused = with(kind).expect_err("one would pay for nothing");
        assert!(refused.starts_with("c.toml:10: packages.more.recurring: "), "{refused}");
    }
    assert_eq!((with("seat"), with("meter")), (Ok(()), Ok(())));
}

#[test]
fn what_is_bought_after_the_plan_has_lapsed_is_owed_for_no_date_that_has_passed() {
    let (engine, clock) = in_memory(NOON);
    set_up(&engine);
    let terms = Terms::new("premium", date("2026-05-10"), false);
    engine.change_plan("loja", &terms, None).expect("changes");
    clock.set(at("2026-06-05T12:00:00-03:00"));
    pay_all(&engine, "2026-05-10");
    let bought = engine.buy("loja", PACKAGE, 1, None).expect("sells");
    assert_eq!((bought.next_due, bought.next_total.get()), (None, 0), "no date can be foreseen");
    assert_eq!(engine.report("loja").expect("reports").status.code(), "active");
    assert_eq!(charged(&engine), pairs([("2026-06-05", Pending)]));
    engine.mark_paid(bought.invoice, None).expect("is paid");
    // The next plan's due date charges it again.
    let terms = Terms { first_due: Some(date("2026-06-30")), auto_renew: true, ..terms };
    engine.change_plan("loja", &terms, None).expect("changes");
    assert_eq!(charged(&engine), pairs([("2026-06-05", Paid), ("2026-06-30", Pending)]));
    assert_sound(&engine);
}

#[test]
fn an_end_is_remembered_by_the_database() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    set_up(&engine);
    let bought = buy_and_pay(&engine, 2);
    engine.end_purchase(bought).expect("ends");
    drop(engine);
    std::fs::remove_file(database.live()).expect("is removed");
    let later = ManualClock::new(at("2026-05-31T00:00:00-03:00"));
    let engine = database.builder().clock(Arc::new(later)).open().expect("opens");
    engine.settle("loja").expect("settles");
    assert_eq!((contracted(&engine), charged(&engine).len()), (Some(1), 2));
    assert_sound(&engine);
}
