//! What is not paid in time: invoices that are paid manually become overdue by the clock, whatever
//! looks first and however late.

use cotas::billing::Cents;
use cotas::{
    Catalog, Clock, Engine, Invoice, InvoiceStatus, ManualLine, NewTenant, Status, Timestamp,
};
use cotas_tests::{Database, NOON, add_tenant, assert_sound, at, date, in_memory};

use InvoiceStatus::{Overdue, Paid, Pending};
use Status::{Active, PastDue};

/// Each noon of so many days.
fn noons(days: i64) -> impl Iterator<Item = Timestamp> {
    (0..days).map(|day| at(NOON).plus_ms(day * 86_400_000))
}

fn invoices(engine: &Engine) -> Vec<Invoice> {
    engine.invoices("acme").expect("reads")
}

/// Maintenance settles by no other.
#[derive(Debug)]
struct Wall(Timestamp);

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn is_wall(&self) -> bool {
        true
    }
}

fn standing(engine: &Engine) -> (Status, Vec<InvoiceStatus>) {
    let status = engine.report("acme").expect("reports").status;
    (status, invoices(engine).into_iter().map(|it| it.status).collect())
}

fn with_packages(engine: &Engine) {
    let text = format!("{}{}", cotas_tests::CATALOG, cotas_tests::payments::PACKAGES);
    engine.load_catalog(&Catalog::parse(&text, "c.toml").expect("valid")).expect("loads");
}

fn statuses_reported(engine: &Engine) -> Vec<String> {
    let events = engine.events(0, 1_000).expect("reads").into_iter();
    let reported = events.filter(|it| it.kind.code() == "status_changed");
    reported.map(|it| format!("{} {:?}", it.at, it.kind)).collect()
}

#[test]
fn what_is_paid_manually_is_overdue_when_its_due_day_has_passed_in_the_tenant_s_zone() {
    for (zone, passed) in [
        ("America/Sao_Paulo", "2026-05-21T03:00:00Z"),
        ("America/Rio_Branco", "2026-05-21T05:00:00Z"),
        ("America/Noronha", "2026-05-21T02:00:00Z"),
    ] {
        let (engine, clock) = in_memory(NOON);
        let mut new = NewTenant::new("acme").plan("full", date("2026-05-20"), true);
        new.time_zone = Some(zone.parse().expect("a zone"));
        engine.create_tenant(&new).expect("is created");
        clock.set(at(passed).plus_ms(-1));
        let decision = engine.consume("acme", "credits", 1).expect("decides");
        assert!(decision.allowed() && !decision.past_due, "{zone}: the due day is fully usable");
        assert_eq!(standing(&engine), (Active, vec![Pending]), "{zone}");

        clock.set(at(passed));
        assert_eq!(standing(&engine), (PastDue, vec![Overdue]), "{zone}: as the next decision");
        assert_eq!(engine.report("acme").expect("reports").status_reason, "debt");
        assert_eq!(statuses_reported(&engine), [""; 0], "a report changes nothing");
        let decision = engine.consume("acme", "credits", 1).expect("decides");
        assert!(decision.allowed() && decision.past_due, "{zone}: everything, with a warning");
        // The next period's comes with its renewal.
        assert_eq!(standing(&engine), (PastDue, vec![Overdue, Pending]), "{zone}");
        let reported = statuses_reported(&engine);
        assert_eq!(reported.len(), 1, "{reported:?}");
        assert!(reported[0].starts_with(&at(passed).to_string()), "{reported:?}");
        assert_sound(&engine);
    }
}

#[test]
fn three_months_without_a_look_come_to_the_same_as_a_look_each_day() {
    // Also where those in arrears are not billed, so that each month's invoice hangs on the last.
    for statuses in ["", "[statuses.past_due]\nbilled = false"] {
        let text = format!("{}\n{statuses}", cotas_tests::CATALOG);
        let opened = || {
            let (engine, clock) = in_memory(NOON);
            engine.load_catalog(&Catalog::parse(&text, "c.toml").expect("valid")).expect("loads");
            add_tenant(&engine, "acme", "full", "2026-05-31", true);
            (engine, clock)
        };
        let (daily, clock) = opened();
        for noon in noons(100) {
            clock.set(noon);
            daily.settle("acme").expect("settles");
        }
        let (once, clock) = opened();
        clock.set(noons(100).last().expect("some"));
        once.settle("acme").expect("settles");
        // References name the database, which is another one.
        let of = |engine| invoices(engine).into_iter();
        let without = |it: Invoice| Invoice { reference: String::new(), ..it };
        let looked = of(&daily).map(without).collect::<Vec<_>>();
        assert_eq!(looked, of(&once).map(without).collect::<Vec<_>>(), "{statuses}");
        assert_eq!(statuses_reported(&daily), statuses_reported(&once), "{statuses}");
        let open = invoices(&once).iter().map(|it| it.status).collect::<Vec<_>>();
        let expected: &[_] =
            if statuses.is_empty() { &[Overdue, Overdue, Overdue, Pending] } else { &[Overdue] };
        assert_eq!(open, expected, "{statuses}");
        assert_sound(&once);
    }
}

#[test]
fn who_pays_the_last_that_is_overdue_is_in_good_standing() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    clock.set(at("2026-06-25T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(standing(&engine), (PastDue, vec![Overdue, Overdue, Pending]));
    let of = |which: usize| invoices(&engine)[which].id;
    engine.mark_paid(of(1), None).expect("is paid");
    assert_eq!(standing(&engine), (PastDue, vec![Overdue, Paid, Pending]), "one is owed still");
    engine.mark_paid(of(0), None).expect("is paid");
    assert_eq!(standing(&engine), (Active, vec![Paid, Paid, Pending]));
    assert!(!engine.consume("acme", "credits", 1).expect("decides").past_due);
    assert_sound(&engine);
}

#[test]
fn what_is_paid_at_a_gateway_is_overdue_when_the_gateway_has_been_silent_for_four_days() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", false);
    engine.set_payment_form("acme", "Asaas", Some("sub_1")).expect("changes");
    // A slip that was paid on a Friday evening is reported on Monday.
    clock.set(at("2026-05-24T23:59:59-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(standing(&engine), (Active, vec![Pending]));
    clock.set(at("2026-05-25T00:00:00-03:00"));
    assert_eq!(standing(&engine), (PastDue, vec![Overdue]), "as the next decision");
    engine.settle("acme").expect("settles");
    assert_eq!(standing(&engine), (PastDue, vec![Overdue]));
    assert_sound(&engine);
}

#[test]
fn how_long_a_gateway_may_be_silent_is_the_catalog_s_to_say() {
    for (days, overdue) in [(0, "2026-05-21"), (9, "2026-05-30")] {
        let (engine, clock) = in_memory(NOON);
        let general = format!("[catalog]\ngateway_silence = {days}");
        let text = cotas_tests::CATALOG.replacen("[catalog]", &general, 1);
        engine.load_catalog(&Catalog::parse(&text, "c.toml").expect("valid")).expect("loads");
        add_tenant(&engine, "acme", "full", "2026-05-20", false);
        engine.set_payment_form("acme", "Asaas", None).expect("changes");
        clock.set(at(&format!("{overdue}T00:00:00-03:00")).plus_ms(-1));
        assert_eq!(standing(&engine), (Active, vec![Pending]), "{days}");
        clock.set(at(&format!("{overdue}T00:00:00-03:00")));
        assert_eq!(standing(&engine), (PastDue, vec![Overdue]), "{days}");
    }
}

#[test]
fn what_is_paid_manually_from_now_on_is_owed_at_once() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", false);
    engine.set_payment_form("acme", "Asaas", Some("sub_1")).expect("changes");
    clock.set(at("2026-05-22T12:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(standing(&engine), (Active, vec![Pending]));
    engine.set_payment_form("acme", "Manual", None).expect("changes");
    assert_eq!(standing(&engine), (PastDue, vec![Overdue]));
    assert_sound(&engine);
}

#[test]
fn a_purchase_that_is_not_paid_is_an_offer_that_runs_out() {
    let (engine, clock) = in_memory(NOON);
    with_packages(&engine);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let bought = engine.buy("acme", "more", 50, None).expect("sells").invoice;
    clock.set(at("2026-05-05T00:00:00-03:00"));
    assert_eq!(standing(&engine), (Active, vec![Pending, Pending]), "an offer is no debt");
    clock.set(at("2026-05-11T23:59:59-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(standing(&engine), (Active, vec![Pending, Pending]), "it stands seven days");
    clock.set(at("2026-05-12T00:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(standing(&engine), (Active, vec![InvoiceStatus::Cancelled, Pending]));
    assert_eq!(engine.mark_paid(bought, None).expect_err("is cancelled").code(), 406);
    assert_sound(&engine);
}

#[test]
fn only_an_active_tenant_falls_into_arrears() {
    for (status, reason) in [(Status::Suspended, "abuse"), (Status::Cancelled, "")] {
        let (engine, clock) = in_memory(NOON);
        add_tenant(&engine, "acme", "full", "2026-05-04", false);
        engine.set_status("acme", status, reason, false).expect("changes");
        clock.set(at("2026-05-25T12:00:00-03:00"));
        engine.settle("acme").expect("settles");
        let report = engine.report("acme").expect("reports");
        assert_eq!((report.status, report.status_reason.as_str()), (status, reason));
        assert_sound(&engine);
    }
}

#[test]
fn who_comes_back_from_cancelled_is_billed_for_the_present_period() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    engine.set_status("acme", Status::Cancelled, "gone", false).expect("changes");
    assert_eq!(standing(&engine).1, [Pending, InvoiceStatus::Cancelled], "due at once");
    engine.set_status("acme", Active, "back", true).expect("an operator may");
    assert_eq!(standing(&engine).1, [InvoiceStatus::Cancelled, Pending]);
    engine.set_status("acme", Status::Suspended, "debt", false).expect("changes");
    engine.set_status("acme", Active, "", false).expect("changes");
    assert_eq!(standing(&engine).1, [InvoiceStatus::Cancelled, Pending], "once");
    assert_sound(&engine);
}

#[test]
fn maintenance_and_a_rebuilt_live_file_know_of_due_dates() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    with_packages(&engine);
    for name in ["acme", "other"] {
        add_tenant(&engine, name, "full", "2026-05-20", true);
        engine
            .set_payment_form(name, if name == "acme" { "Asaas" } else { "Manual" }, None)
            .expect("changes");
        let amount = Cents::parse("1.00").expect("is an amount");
        let line = ManualLine { title: "Visita", amount, days: None };
        engine.create_invoice(name, date("2026-05-04"), &[line], None).expect("is written");
    }
    drop(engine);
    std::fs::remove_file(database.live()).expect("is removed");
    let clock = Wall(at("2026-05-05T00:00:00-03:00"));
    let engine = database.builder().clock(std::sync::Arc::new(clock)).open().expect("opens");
    assert_eq!(engine.maintain().expect("maintains").settled, 1, "the other one");
    let decision = |name| engine.consume(name, "credits", 1).expect("decides");
    assert!(decision("other").past_due && !decision("acme").past_due);
    assert_sound(&engine);
}
