//! Contact sessions and actions: the worked examples of docs/sources.md, LiveChat 360, and what a
//! host may rely on.

use std::sync::Arc;

use cotas::{Decision, Details, Engine, Error, ManualClock, Reason, Status, Timestamp};
use cotas_tests::{NOON, add_tenant, assert_sound, at, balance, in_memory};

const HOUR_MS: i64 = 3_600_000;

fn small() -> (Engine, Arc<ManualClock>) {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "small", "2026-05-20", true);
    (engine, clock)
}

fn message(contact: &str) -> Details<'_> {
    Details { channel: "w1", contact, ..Details::default() }
}

fn receive(engine: &Engine, contact: &str) -> Decision {
    engine.perform("acme", "receive_message", &message(contact)).expect("decides")
}

fn receive_at(engine: &Engine, contact: &str, sent: Timestamp) -> Decision {
    let message = Details { at: Some(sent), ..message(contact) };
    engine.perform("acme", "receive_message", &message).expect("decides")
}

fn opened(decision: &Decision) -> Option<bool> {
    decision.session.map(|session| session.opened)
}

#[test]
fn seed_000_14_and_15_at_zero_no_new_session_and_open_ones_go_on() {
    let (engine, clock) = small();
    assert_eq!(opened(&receive(&engine, "a")), Some(true));
    assert_eq!(opened(&receive(&engine, "b")), Some(true));
    let denied = receive(&engine, "c");
    assert_eq!(denied.reason(), Some(Reason::QuotaExhausted));
    let out = engine.perform("acme", "send_message", &message("c")).expect("decides");
    assert_eq!(out.reason(), Some(Reason::QuotaExhausted), "nothing to them either");
    // A goes on past its first 24 h as long as it keeps writing.
    for _ in 0..4 {
        clock.advance_ms(20 * HOUR_MS);
        assert_eq!(opened(&receive(&engine, "a")), Some(false));
    }
    assert_eq!(receive(&engine, "b").reason(), Some(Reason::QuotaExhausted), "B's has ended");
    assert_eq!(balance(&engine, "acme", "sessions"), (0, Some(2)));
    assert_sound(&engine);
}

#[test]
fn an_outbound_message_does_not_prolong_a_session() {
    let (engine, clock) = small();
    let first = receive(&engine, "a").session.expect("a session").expires_at;
    clock.advance_ms(10 * HOUR_MS);
    let sent = engine.perform("acme", "send_message", &message("a")).expect("decides");
    assert_eq!(sent.session.expect("continued").expires_at, first);
    let kept = engine.perform("acme", "reply_only", &message("a")).expect("decides");
    assert!(kept.allowed());
    clock.set(first);
    let late = engine.perform("acme", "reply_only", &message("a")).expect("decides");
    assert_eq!(late.reason(), Some(Reason::SessionRequired));
}

#[test]
fn a_session_belongs_to_the_period_in_which_it_was_opened() {
    let (engine, clock) = small();
    clock.set(at("2026-05-20T20:00:00-03:00"));
    assert_eq!(opened(&receive(&engine, "a")), Some(true));
    clock.set(at("2026-05-21T08:00:00-03:00"));
    assert_eq!(opened(&receive(&engine, "a")), Some(false));
    assert_eq!(balance(&engine, "acme", "sessions"), (2, Some(2)), "restored, and not charged");
}

#[test]
fn redelivered_and_late_messages_cost_nothing() {
    let (engine, clock) = small();
    let start = engine.now();
    assert_eq!(opened(&receive_at(&engine, "a", start)), Some(true));
    // Six days later the same message comes again, and one from before it.
    clock.advance_ms(6 * 24 * HOUR_MS);
    assert_eq!(opened(&receive_at(&engine, "a", start)), Some(false));
    assert_eq!(opened(&receive_at(&engine, "a", start.plus_ms(-HOUR_MS))), Some(false));
    assert_eq!(balance(&engine, "acme", "sessions").0, 1);
    // A message of now opens a new one; the old redelivery still costs nothing.
    assert_eq!(opened(&receive(&engine, "a")), Some(true));
    assert_eq!(opened(&receive_at(&engine, "a", start)), Some(false));
}

#[test]
fn a_late_message_never_shortens_and_one_from_the_future_counts_as_now() {
    let (engine, clock) = small();
    let end = receive(&engine, "a").session.expect("a session").expires_at;
    let late = receive_at(&engine, "a", engine.now().plus_ms(-20 * HOUR_MS));
    assert_eq!(late.session.expect("continued").expires_at, end);
    let future = receive_at(&engine, "b", engine.now().plus_ms(30 * HOUR_MS));
    assert_eq!(future.session.expect("opened").expires_at, clock_end(&clock));
}

fn clock_end(clock: &ManualClock) -> Timestamp {
    use cotas::Clock;
    clock.now().plus_ms(24 * HOUR_MS)
}

#[test]
fn an_ended_session_is_forgotten_after_seven_days_whether_swept_or_not() {
    let (engine, clock) = small();
    let start = engine.now();
    assert_eq!(opened(&receive(&engine, "a")), Some(true));
    clock.advance_ms(8 * 24 * HOUR_MS - 1);
    let last = receive_at(&engine, "a", start);
    assert_eq!((opened(&last), last.too_old), (Some(false), false), "it is remembered");
    clock.advance_ms(1);
    let late = receive_at(&engine, "a", start);
    assert!(late.allowed() && late.too_old && late.session.is_none(), "it is not remembered");
    assert_eq!(balance(&engine, "acme", "sessions").0, 1);
    assert_sound(&engine);
}

/// What is older than a session and the time for which it is kept opens none, however often it
/// comes: it would be forgotten at once, and opened again.
#[test]
fn a_message_that_is_too_old_is_allowed_and_costs_nothing_at_every_delivery() {
    let (engine, clock) = small();
    let age = 8 * 24 * HOUR_MS;
    let old = engine.now().plus_ms(-age);
    for _ in 0..3 {
        let decision = receive_at(&engine, "a", old);
        assert!(decision.allowed() && decision.too_old, "{decision:?}");
        assert_eq!((decision.session, decision.charges.iter().count()), (None, 0));
    }
    assert_eq!(balance(&engine, "acme", "sessions").0, 2);
    // A millisecond younger it opens one, which is kept for that millisecond alone.
    assert_eq!(opened(&receive_at(&engine, "a", old.plus_ms(1))), Some(true));
    clock.advance_ms(1);
    assert!(receive_at(&engine, "a", old.plus_ms(1)).too_old);
    assert_eq!(balance(&engine, "acme", "sessions").0, 1);
    // At the end of the quota it is allowed as well, and so is a reply of that time.
    assert_eq!(opened(&receive(&engine, "b")), Some(true));
    assert_eq!(receive(&engine, "c").reason(), Some(Reason::QuotaExhausted));
    assert!(receive_at(&engine, "c", old).too_old);
    let reply = Details { at: Some(old), ..message("c") };
    assert!(engine.perform("acme", "reply_only", &reply).expect("decides").too_old);
    // What a contact's open session covers is of that session, whatever its age.
    let inside = receive_at(&engine, "b", old);
    assert_eq!((opened(&inside), inside.too_old), (Some(false), false));
    // The status comes first.
    engine.set_status("acme", Status::Cancelled, "left", true).expect("is set");
    let denied = receive_at(&engine, "c", old);
    assert_eq!((denied.reason(), denied.too_old), (Some(Reason::StatusForbids), false));
    assert_sound(&engine);
}

/// What an action charges besides its session is not charged either: it would be, at each delivery.
#[test]
fn what_is_too_old_charges_nothing_at_all() {
    let (engine, _) = small();
    let old = engine.now().plus_ms(-8 * 24 * HOUR_MS);
    let late = Details { at: Some(old), ..message("a") };
    let before = balance(&engine, "acme", "credits");
    for _ in 0..3 {
        let decision = engine.perform("acme", "answer_by_assistant", &late).expect("decides");
        assert!(decision.allowed() && decision.too_old, "{decision:?}");
        assert_eq!((decision.session, decision.charges.iter().count()), (None, 0));
    }
    assert_eq!(balance(&engine, "acme", "credits"), before);
    let young = Details { at: Some(old.plus_ms(1)), ..message("a") };
    let decision = engine.perform("acme", "answer_by_assistant", &young).expect("decides");
    assert_eq!((decision.too_old, decision.charges.iter().count()), (false, 2));
    assert_sound(&engine);
}

#[test]
fn seconds_that_are_taken_for_milliseconds_charge_nothing() {
    let (engine, _) = small();
    for contact in ["a", "b", "c", "d"] {
        let wrong = Timestamp::from_ms(engine.now().ms() / 1_000);
        assert!(receive_at(&engine, contact, wrong).too_old);
    }
    assert_eq!(balance(&engine, "acme", "sessions").0, 2);
}

/// A clock that runs behind what the tenant has seen does not make old messages young again.
#[test]
fn the_age_of_a_message_is_measured_against_all_that_the_tenant_has_seen() {
    let (engine, clock) = small();
    let (start, later) = (engine.now(), engine.now().plus_ms(8 * 24 * HOUR_MS));
    clock.set(later);
    assert_eq!(opened(&receive(&engine, "b")), Some(true));
    clock.set(start.plus_ms(HOUR_MS));
    assert!(receive_at(&engine, "a", start).too_old);
    assert!(receive_at(&engine, "a", start).too_old, "at each delivery");
    assert_sound(&engine);
}

#[test]
fn a_stored_decision_says_again_that_the_message_was_too_old() {
    let (engine, _) = small();
    let tenant = engine.tenant("acme").expect("exists");
    let old = Details { at: Some(Timestamp::from_ms(0)), ..message("a") };
    let first = tenant.once("wamid.1").perform("receive_message", &old).expect("decides");
    let again = tenant.once("wamid.1").perform("receive_message", &old).expect("decides");
    assert_eq!(again, Decision { replayed: true, ..first });
    assert!(again.too_old);
}

#[test]
fn templates_have_a_session_per_category() {
    let (engine, _) = small();
    let send = |category| {
        let message = Details { category, ..message("a") };
        opened(&engine.perform("acme", "send_template", &message).expect("decides"))
    };
    assert_eq!(send("marketing"), Some(true));
    assert_eq!(send("utility"), Some(true));
    assert_eq!(send("marketing"), Some(false));
}

#[test]
fn channels_and_contacts_do_not_run_into_each_other() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let receive = |channel, contact| {
        let message = Details { channel, contact, ..Details::default() };
        opened(&engine.perform("acme", "receive_message", &message).expect("decides"))
    };
    assert_eq!(receive("ab", "c"), Some(true));
    assert_eq!(receive("a", "bc"), Some(true));
    assert_eq!(receive("ab", "c"), Some(false));
}

#[test]
fn seed_001_a_suspended_tenant_receives_and_does_not_send() {
    let (engine, _) = small();
    engine.set_status("acme", Status::Suspended, "debt", false).expect("is suspended");
    assert_eq!(opened(&receive(&engine, "a")), Some(true));
    let sent = engine.perform("acme", "send_message", &message("a")).expect("decides");
    assert_eq!(sent.reason(), Some(Reason::StatusForbids));
    let bare = engine.consume("acme", "credits", 1).expect("decides");
    assert_eq!(bare.reason(), Some(Reason::StatusForbids), "a bare consume counts as outbound");
    let refused = engine.set_status("acme", Status::Demo, "", false);
    assert!(matches!(refused, Err(Error::Transition { .. })));
    engine.set_status("acme", Status::Active, "paid", false).expect("is active again");
    assert!(engine.perform("acme", "send_message", &message("a")).expect("decides").allowed());
}

#[test]
fn a_new_status_table_reaches_every_tenant_at_its_next_decision() {
    let (engine, _) = small();
    let send = || engine.perform("acme", "send_message", &message("a")).expect("decides");
    assert!(send().allowed());
    let text = format!("{}\n[statuses.active]\nsend = false\n", cotas_tests::CATALOG);
    let catalog = cotas::Catalog::parse(&text, "quiet.toml").expect("is valid");
    assert_eq!(engine.load_catalog(&catalog).expect("loads"), 2);
    assert_eq!(send().reason(), Some(Reason::StatusForbids));
    assert!(receive(&engine, "a").allowed());
    assert_sound(&engine);
}

#[test]
fn seed_001_06_the_sends_of_a_demonstration_carry_the_notice() {
    let (engine, _) = in_memory(NOON);
    let mut new = cotas::NewTenant::new("acme").plan("full", cotas_tests::date("2026-05-20"), true);
    new.status = Status::Demo;
    engine.create_tenant(&new).expect("is created");
    let sent = engine.perform("acme", "send_message", &message("a")).expect("decides");
    assert!(sent.allowed() && sent.demo_notice);
    assert_eq!(cotas::DEMO_NOTICE, "Esta é uma mensagem de teste");
    assert!(!receive(&engine, "a").demo_notice);
}

#[test]
fn an_action_charges_all_or_nothing() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let sms = |quantity| {
        let message = Details { quantity: Some(quantity), ..Details::default() };
        engine.perform("acme", "send_sms", &message)
    };
    assert!(sms(9).expect("decides").allowed());
    let denied = sms(2).expect("decides");
    assert_eq!(denied.reason(), Some(Reason::QuotaExhausted));
    assert_eq!((denied.units, denied.available), (2, 1), "the numbers are those of the SMS");
    assert_eq!(balance(&engine, "acme", "credits").0, 999, "the other charge was not made");
    let free = engine.perform("acme", "send_email", &Details::default()).expect("decides");
    assert!(free.allowed(), "what costs nothing is always allowed");
    assert_sound(&engine);
}

#[test]
fn i3_an_idempotency_key_gives_the_stored_decision_and_charges_nothing() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let tenant = engine.tenant("acme").expect("exists");
    let first = tenant.once("order-1").consume("credits", 5).expect("decides");
    assert!(first.allowed() && !first.replayed);
    let again = tenant.once("order-1").consume("credits", 5).expect("decides");
    assert_eq!(again, Decision { replayed: true, ..first });
    assert!(matches!(
        tenant.once("order-1").consume("credits", 6),
        Err(Error::IdempotencyConflict)
    ));
    assert_eq!(balance(&engine, "acme", "credits").0, 995);
    // A denial may be tried again.
    assert!(!tenant.once("order-2").consume("credits", 2000).expect("decides").allowed());
    let raised = cotas::Limit::Finite(5000);
    engine.set_limit("acme", "credits", raised).expect("is raised");
    assert!(tenant.once("order-2").consume("credits", 2000).expect("decides").allowed());
    // After seven days the key is free again.
    clock.advance_ms(8 * 24 * HOUR_MS);
    assert!(!tenant.once("order-1").consume("credits", 5).expect("decides").replayed);
    assert_sound(&engine);
}

#[test]
fn a_feature_is_needed_where_an_action_says_so() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    add_tenant(&engine, "tiny", "small", "2026-05-20", true);
    let record = |tenant| engine.perform(tenant, "record_call", &Details::default());
    assert!(record("acme").expect("decides").allowed());
    assert_eq!(record("tiny").expect("decides").reason(), Some(Reason::FeatureMissing));
}

#[test]
fn a_check_says_what_would_happen_and_changes_nothing() {
    let (engine, clock) = small();
    let tenant = engine.tenant("acme").expect("exists");
    let checked = tenant.check("credits", 3).expect("decides");
    assert_eq!((checked.allowed(), checked.used, checked.available), (true, 3, 7));
    assert_eq!(balance(&engine, "acme", "credits"), (10, Some(10)));
    assert!(tenant.consume("credits", 10).expect("decides").allowed());
    // Past the renewal a check shows the settled view, and still changes nothing.
    clock.set(at("2026-05-21T03:00:00Z"));
    assert!(tenant.check("credits", 10).expect("decides").allowed());
    assert!(tenant.check_action("receive_message", &message("a")).expect("decides").allowed());
    assert_eq!(engine.periods("acme").expect("reads").len(), 0);
}

#[test]
fn sessions_and_keys_of_one_operation_always_find_capacity() {
    let (engine, _) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    engine.set_limit("acme", "sessions", cotas::Limit::Finite(10_000)).expect("is raised");
    let acme = engine.tenant("acme").expect("exists");
    for index in 0..700 {
        let contact = format!("c{index}");
        let message = message(&contact);
        let decision = if index % 3 == 0 {
            acme.perform("receive_message", &message)
        } else {
            acme.once(&contact).perform("receive_message", &message)
        };
        let decision = decision.expect("decides");
        assert_eq!(opened(&decision), Some(true));
    }
    assert_eq!(balance(&engine, "acme", "sessions").0, 9_300);
    assert_sound(&engine);
}

#[test]
fn thousands_of_sessions_come_and_go_and_the_table_stays_sound() {
    let (engine, clock) = in_memory(NOON);
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    engine.set_limit("acme", "sessions", cotas::Limit::Finite(1_000_000)).expect("is raised");
    for round in 0..12 {
        for contact in 0..700 {
            let _ = receive(&engine, &format!("c{}", contact * 7 % 1000 + round));
        }
        clock.advance_ms(26 * HOUR_MS);
    }
    assert_sound(&engine);
    clock.advance_ms(30 * 24 * HOUR_MS);
    for contact in 0..2_000 {
        assert_eq!(opened(&receive(&engine, &format!("new{contact}"))), Some(true));
    }
    assert_sound(&engine);
}
