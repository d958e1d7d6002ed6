//! Sends that may fail, the sessions that they open, and campaigns.

use std::sync::Arc;
use std::time::Duration;

use cotas::{
    Decision, Delivery, DeliveryOutcome, Details, Engine, Error, ManualClock, Reason,
    ReservationId, Resolution, Source, Tenant,
};
use cotas_tests::wide::{acme, allowed, catalog, denied, stands};
use cotas_tests::{Database, NOON, add_tenant, assert_sound, at};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const MONTH: Duration = Duration::from_hours(30 * 24);
const DAY: Duration = Duration::from_hours(24);

fn to(contact: &str) -> Details<'_> {
    Details { channel: "w", contact, ..Details::default() }
}

/// A send to a contact, under its message's id.
fn send(tenant: &Tenant, contact: &str, message: &str) -> Decision {
    let details = Details { message, ..to(contact) };
    allowed(tenant.reserve_action("send_message", &details, MONTH))
}

fn receive(tenant: &Tenant, contact: &str) -> Decision {
    allowed(tenant.perform("receive_message", &to(contact)))
}

fn report(tenant: &Tenant, message: &str, report: Delivery) -> DeliveryOutcome {
    tenant.report_delivery(message, report).expect("is taken")
}

fn opened(decision: &Decision) -> bool {
    decision.session.expect("a session").opened
}

fn ends(decision: &Decision) -> i64 {
    decision.session.expect("a session").expires_at.ms()
}

fn sessions(engine: &Engine) -> (u64, u64, u64) {
    stands(engine, "acme", "sessions")
}

fn with_tenant() -> (Engine, Arc<ManualClock>, Tenant) {
    let (engine, clock) = acme("2026-05-10T10:00:00-03:00");
    let tenant = engine.tenant("acme").expect("exists");
    (engine, clock, tenant)
}

/// Send 10:00, reply 10:05, failed 10:06: one unit, open to 10:05 next day.
#[test]
fn a_reply_pays_for_the_session_of_a_send_that_fails_afterwards() {
    let (engine, clock, tenant) = with_tenant();
    let first = send(&tenant, "c", "m1");
    assert!(opened(&first) && first.reservation.is_some());
    assert_eq!(
        first.charges.iter().map(|it| (it.source, it.units)).collect::<Vec<_>>(),
        [(Some(Source::Plan), 1)]
    );
    assert_eq!(sessions(&engine), (1, 99, 1));
    clock.advance_ms(5 * MINUTE_MS);
    let reply = receive(&tenant, "c");
    assert_eq!((opened(&reply), ends(&reply)), (false, engine.now().ms() + DAY_MS));
    assert_eq!(sessions(&engine), (1, 99, 0), "it is paid for good");
    clock.advance_ms(MINUTE_MS);
    assert_eq!(report(&tenant, "m1", Delivery::Failed), DeliveryOutcome::Released);
    assert_eq!(report(&tenant, "m1", Delivery::Failed), DeliveryOutcome::Unchanged);
    assert_eq!(sessions(&engine), (1, 99, 0));
    clock.set(at("2026-05-11T10:04:59-03:00"));
    assert!(!opened(&allowed(tenant.perform("send_message", &to("c")))));
    clock.set(at("2026-05-11T10:05:00-03:00"));
    assert!(opened(&allowed(tenant.perform("send_message", &to("c")))));
    assert_sound(&engine);
}

/// Send 10:00, failed 10:05, inbound 10:06: one unit, open from 10:06.
#[test]
fn a_send_that_fails_gives_its_session_back() {
    let (engine, clock, tenant) = with_tenant();
    assert!(opened(&send(&tenant, "c", "m1")));
    clock.advance_ms(5 * MINUTE_MS);
    assert_eq!(report(&tenant, "m1", Delivery::Sent), DeliveryOutcome::Unchanged);
    assert_eq!(report(&tenant, "m1", Delivery::Failed), DeliveryOutcome::Released);
    assert_eq!(sessions(&engine), (0, 100, 0));
    clock.advance_ms(MINUTE_MS);
    let inbound = receive(&tenant, "c");
    assert_eq!((opened(&inbound), ends(&inbound)), (true, engine.now().ms() + DAY_MS));
    assert_eq!(sessions(&engine), (1, 99, 0));
    assert_eq!(report(&tenant, "m1", Delivery::Delivered), DeliveryOutcome::Unchanged);
    assert_sound(&engine);
}

#[test]
fn delivered_or_read_pays_for_it_and_failed_then_returns_nothing() {
    let (engine, _, tenant) = with_tenant();
    for (contact, message, good) in [("a", "m1", Delivery::Delivered), ("b", "m2", Delivery::Read)]
    {
        send(&tenant, contact, message);
        assert_eq!(report(&tenant, message, good), DeliveryOutcome::Committed);
        assert_eq!(report(&tenant, message, good), DeliveryOutcome::Unchanged);
        assert_eq!(report(&tenant, message, Delivery::Failed), DeliveryOutcome::Unchanged);
    }
    assert_eq!(sessions(&engine), (2, 98, 0));
    assert_eq!(report(&tenant, "of another", Delivery::Read), DeliveryOutcome::Unknown);
    assert!(matches!(
        tenant.report_delivery("", Delivery::Read),
        Err(Error::InvalidArgument { .. })
    ));
    assert_sound(&engine);
}

#[test]
fn a_session_is_given_back_only_when_all_of_its_sends_have_failed() {
    let (engine, clock, tenant) = with_tenant();
    let first = send(&tenant, "c", "m1");
    clock.advance_ms(HOUR_MS);
    let second = send(&tenant, "c", "m2");
    assert_eq!((opened(&second), ends(&second)), (false, ends(&first)), "it moves no end");
    assert_eq!(second.charges.iter().count(), 0);
    assert_eq!(report(&tenant, "m1", Delivery::Failed), DeliveryOutcome::Released);
    assert_eq!(sessions(&engine), (1, 99, 1), "the second may arrive");
    assert!(!opened(&send(&tenant, "c", "m3")));
    report(&tenant, "m3", Delivery::Failed);
    assert_eq!(report(&tenant, "m2", Delivery::Failed), DeliveryOutcome::Released);
    assert_eq!(sessions(&engine), (0, 100, 0));
    // Of two that joined, one arrives: the other's failure returns nothing.
    send(&tenant, "c", "m4");
    send(&tenant, "c", "m5");
    assert_eq!(report(&tenant, "m5", Delivery::Delivered), DeliveryOutcome::Committed);
    assert_eq!(report(&tenant, "m4", Delivery::Failed), DeliveryOutcome::Released);
    assert_eq!(sessions(&engine), (1, 99, 0));
    // A message that was sent for good pays for it as well.
    send(&tenant, "d", "m6");
    assert!(!opened(&allowed(tenant.perform("send_message", &to("d")))));
    report(&tenant, "m6", Delivery::Failed);
    assert_eq!(sessions(&engine), (2, 98, 0));
    assert_sound(&engine);
}

#[test]
fn what_a_send_charges_besides_comes_back_with_it() {
    let (engine, _, tenant) = with_tenant();
    let text = format!(
        "{}\n[actions.notify]\ngate = \"send\"\nsession = {{ resource = \"sessions\" }}\n\
         charge = {{ sms = 1 }}\n",
        cotas_tests::CATALOG
    );
    let catalog = cotas::Catalog::parse(&text, "c.toml").expect("parses");
    engine.load_catalog_confirmed(&catalog).expect("loads");
    let details = Details { message: "m1", ..to("c") };
    allowed(tenant.reserve_action("notify", &details, MONTH));
    assert_eq!((sessions(&engine).0, stands(&engine, "acme", "sms").0), (1, 1));
    receive(&tenant, "c");
    report(&tenant, "m1", Delivery::Failed);
    // The contact's message uses the session, and not what the send charged.
    assert_eq!((sessions(&engine).0, stands(&engine, "acme", "sms").0), (1, 0));
    assert_sound(&engine);
}

#[test]
fn a_send_without_a_report_is_paid_for_after_thirty_days() {
    let (engine, clock, tenant) = with_tenant();
    let id = send(&tenant, "c", "m1").reservation.expect("a reservation");
    clock.advance_ms(30 * DAY_MS - 1);
    engine.settle("acme").expect("settles");
    assert_eq!(sessions(&engine), (0, 100, 1), "it counts in the period of the send");
    clock.advance_ms(1);
    assert_eq!(sessions(&engine), (0, 100, 0));
    assert_eq!(report(&tenant, "m1", Delivery::Failed), DeliveryOutcome::Unchanged);
    let again = tenant.release(&id);
    assert!(matches!(again, Err(Error::AlreadyResolved(Resolution::Committed))), "{again:?}");
    let events = engine.events(0, 100).expect("reads");
    let expired =
        |it: &cotas::Event| matches!(it.kind, cotas::EventKind::ReservationExpired { .. });
    assert!(!events.iter().any(expired), "nothing went back");
    let too_long = tenant.reserve_action("send_message", &to("d"), MONTH + DAY);
    assert!(matches!(too_long, Err(Error::InvalidArgument { what: "ttl", .. })), "{too_long:?}");
    assert_sound(&engine);
}

/// The plan's unit of a closed period is gone; one that was bought on top comes back.
#[test]
fn after_the_period_a_failed_send_returns_only_to_what_still_lives() {
    let (engine, clock, tenant) = with_tenant();
    send(&tenant, "c", "m1");
    let consumed = stands(&engine, "acme", "sessions").1;
    for index in 0..consumed {
        receive(&tenant, &format!("other-{index}"));
    }
    engine.grant("acme", "sessions", Source::Extra, 5, None, None).expect("grants");
    send(&tenant, "d", "m2");
    assert_eq!(sessions(&engine), (101, 4, 2));
    clock.set(at("2026-05-22T10:00:00-03:00"));
    engine.settle("acme").expect("settles");
    assert_eq!(sessions(&engine), (0, 104, 2));
    report(&tenant, "m1", Delivery::Failed);
    assert_eq!(sessions(&engine), (0, 104, 1), "the plan has been restored since");
    report(&tenant, "m2", Delivery::Failed);
    assert_eq!(sessions(&engine), (0, 105, 0));
    assert_sound(&engine);
}

#[test]
fn a_session_that_was_kept_before_is_kept_again() {
    let (engine, clock, tenant) = with_tenant();
    let start = engine.now();
    receive(&tenant, "c");
    clock.advance_ms(2 * DAY_MS);
    assert!(opened(&send(&tenant, "c", "m1")));
    // A late message of the first session uses nothing of the second.
    let late = Details { at: Some(start), ..to("c") };
    assert!(!opened(&allowed(tenant.perform("receive_message", &late))));
    report(&tenant, "m1", Delivery::Failed);
    assert_eq!(sessions(&engine), (1, 99, 0));
    assert!(!opened(&allowed(tenant.perform("receive_message", &late))), "nor opens one now");
    // A message that was sent after it, and comes late, is of the send's session and pays for it.
    assert!(opened(&send(&tenant, "c", "m2")));
    let between = Details { at: Some(start.plus_ms(DAY_MS + HOUR_MS)), ..to("c") };
    assert!(!opened(&allowed(tenant.perform("receive_message", &between))));
    report(&tenant, "m2", Delivery::Failed);
    assert_eq!(sessions(&engine), (2, 98, 0));
    assert_sound(&engine);
}

#[test]
fn a_send_is_found_by_the_id_that_its_message_gets_later() {
    let (engine, _, tenant) = with_tenant();
    let id = allowed(tenant.reserve_action("send_message", &to("c"), MONTH)).reservation;
    let id: ReservationId = id.expect("a reservation");
    tenant.sent(&id, "m1").expect("is named");
    tenant.sent(&id, "m1").expect("is so already");
    assert!(tenant.sent(&id, "m2").is_err(), "it has one");
    let other = send(&tenant, "d", "m3").reservation.expect("a reservation");
    assert!(tenant.sent(&other, "m1").is_err(), "another send's");
    let taken = Details { message: "m1", ..to("e") };
    let refused = tenant.reserve_action("send_message", &taken, MONTH);
    assert!(matches!(refused, Err(Error::InvalidArgument { what: "message", .. })), "{refused:?}");
    let plain = allowed(tenant.reserve(&[("credits", 1)], MONTH)).reservation;
    assert!(tenant.sent(&plain.expect("a reservation"), "m4").is_err(), "no send");
    assert_eq!(report(&tenant, "m1", Delivery::Failed), DeliveryOutcome::Released);
    assert_eq!(sessions(&engine), (1, 99, 1));
    assert_sound(&engine);
}

#[test]
fn under_a_key_a_send_is_reserved_once_and_says_the_same_again() {
    let (engine, _, tenant) = with_tenant();
    let details = Details { message: "m1", ..to("c") };
    let once = || tenant.once("job-1").reserve_action("send_message", &details, MONTH);
    let first = allowed(once());
    assert_eq!(allowed(once()), Decision { replayed: true, ..first });
    report(&tenant, "m1", Delivery::Failed);
    assert_eq!(allowed(once()), Decision { replayed: true, ..first }, "whatever became of it");
    assert_eq!(sessions(&engine), (0, 100, 0));
    assert_sound(&engine);
}

#[test]
fn only_sends_are_reserved_and_a_reply_needs_a_session() {
    let (engine, _, tenant) = with_tenant();
    let inbound = tenant.reserve_action("receive_message", &to("c"), MONTH);
    assert!(matches!(inbound, Err(Error::InvalidArgument { what: "action", .. })), "{inbound:?}");
    let reply = denied(tenant.reserve_action("reply_only", &to("c"), MONTH));
    assert_eq!(reply.reason(), Some(Reason::SessionRequired));
    receive(&tenant, "c");
    let reply = allowed(tenant.reserve_action("reply_only", &to("c"), MONTH));
    assert!(!opened(&reply));
    tenant.release(&reply.reservation.expect("a reservation")).expect("releases");
    assert_eq!(sessions(&engine), (1, 99, 0), "the session was the contact's");
    assert_sound(&engine);
}

#[test]
fn a_send_to_two_names_of_one_contact_joins_and_prefers_what_is_paid_for() {
    let (engine, clock, tenant) = with_tenant();
    send(&tenant, "+55", "m1");
    tenant.link_contact("+55", "BR.1").expect("links");
    assert!(!opened(&send(&tenant, "BR.1", "m2")));
    report(&tenant, "m1", Delivery::Failed);
    report(&tenant, "m2", Delivery::Failed);
    assert_eq!(sessions(&engine), (0, 100, 0));
    // Both have one before anybody knows: the contact's own is used, the send's may be given back.
    receive(&tenant, "+56");
    clock.advance_ms(HOUR_MS);
    send(&tenant, "BR.2", "m3");
    let both = Details { also: "BR.2", ..to("+56") };
    assert!(!opened(&allowed(tenant.perform("receive_message", &both))));
    report(&tenant, "m3", Delivery::Failed);
    assert_eq!(sessions(&engine), (1, 99, 0));
    assert!(!opened(&receive(&tenant, "BR.2")));
    assert_sound(&engine);
}

// ---- refunds ------------------------------------------------------------------------------------

#[test]
fn a_refund_closes_a_session_that_nothing_else_has_used() {
    let (engine, clock, tenant) = with_tenant();
    let once = |key, contact| allowed(tenant.once(key).perform("send_message", &to(contact)));
    let receipt = once("k1", "c").receipt.expect("a receipt");
    tenant.refund(&receipt).expect("refunds");
    assert_eq!(sessions(&engine), (0, 100, 0));
    assert!(matches!(tenant.refund(&receipt), Err(Error::AlreadyRefunded)));
    assert!(opened(&once("k2", "c")), "it is closed");
    // Used by another message, in or out, or by a send: it stays, and is paid.
    for (key, contact, action) in [("k3", "d", "receive_message"), ("k4", "e", "send_message")] {
        let receipt = once(key, contact).receipt.expect("a receipt");
        assert!(!opened(&allowed(tenant.perform(action, &to(contact)))));
        tenant.refund(&receipt).expect("refunds");
        assert!(!opened(&receive(&tenant, contact)));
    }
    let receipt = once("k5", "f").receipt.expect("a receipt");
    assert!(!opened(&send(&tenant, "f", "m1")));
    tenant.refund(&receipt).expect("refunds");
    report(&tenant, "m1", Delivery::Failed);
    assert_eq!(sessions(&engine), (4, 96, 0));
    // In the next period the plan's unit is gone, and the session is closed all the same.
    let receipt = once("k6", "g").receipt.expect("a receipt");
    clock.set(at("2026-05-20T23:59:59-03:00"));
    let late = once("k7", "h").receipt.expect("a receipt");
    clock.set(at("2026-05-21T00:00:00-03:00"));
    tenant.refund(&late).expect("refunds");
    tenant
        .refund(&receipt)
        .unwrap_or_else(|error| assert!(matches!(error, Error::UnknownReceipt(_))));
    assert_eq!(sessions(&engine), (0, 100, 0));
    assert!(opened(&receive(&tenant, "h")));
    assert_sound(&engine);
}

// ---- campaigns ----------------------------------------------------------------------------------

fn campaign(tenant: &Tenant, units: u64) -> ReservationId {
    allowed(tenant.reserve(&[("sessions", units)], DAY)).reservation.expect("a reservation")
}

fn send_of(tenant: &Tenant, campaign: ReservationId, contact: &str, message: &str) -> Decision {
    let details = Details { message, campaign: Some(campaign), ..to(contact) };
    tenant.reserve_action("send_message", &details, MONTH).expect("decides")
}

#[test]
fn a_campaign_is_quoted_reserved_drawn_from_and_what_is_left_returns() {
    let (engine, clock, tenant) = with_tenant();
    receive(&tenant, "a");
    send(&tenant, "b", "m0");
    tenant.link_contact("c", "also c").expect("links");
    let contacts = ["a", "b", "c", "also c", "d", "e", "d"];
    let quote = tenant.quote_contacts("send_message", &contacts, &to("")).expect("quotes");
    assert_eq!((quote.contacts, quote.opens, quote.continues), (5, 3, 2));
    assert_eq!((quote.available, quote.remaining, quote.missing), (Some(98), Some(95), 0));
    assert_eq!(quote.resource, "sessions");
    let id = campaign(&tenant, quote.opens);
    assert_eq!(sessions(&engine), (5, 95, 4), "no other send may have them");
    for (contact, opens) in
        [("a", false), ("b", false), ("c", true), ("also c", false), ("d", true)]
    {
        let sent = send_of(&tenant, id, contact, &format!("m-{contact}"));
        assert_eq!(opened(&allowed(Ok(sent))), opens, "{contact}");
    }
    assert_eq!(sessions(&engine), (5, 95, 4), "a send draws, and charges nothing more");
    // One fails and gives its unit back to the campaign; the rest returns at the end.
    report(&tenant, "m-d", Delivery::Failed);
    assert_eq!(sessions(&engine), (5, 95, 4));
    report(&tenant, "m-c", Delivery::Delivered);
    assert_eq!(sessions(&engine), (5, 95, 3));
    clock.advance_ms(DAY_MS);
    assert_eq!(sessions(&engine), (3, 97, 1));
    assert_sound(&engine);
}

#[test]
fn a_campaign_never_costs_more_than_it_reserved() {
    let (engine, _, tenant) = with_tenant();
    let id = campaign(&tenant, 2);
    let numbers = |it: &Decision| (it.used, it.available, it.limit());
    let first = allowed(Ok(send_of(&tenant, id, "a", "m1")));
    assert_eq!(numbers(&first), (1, 1, Some(2)), "the numbers are the campaign's");
    assert_eq!(first.charges.iter().count(), 0);
    allowed(Ok(send_of(&tenant, id, "b", "m2")));
    let third = denied(Ok(send_of(&tenant, id, "c", "m3")));
    assert_eq!((third.reason(), third.available), (Some(Reason::QuotaExhausted), 0));
    assert!(!opened(&allowed(Ok(send_of(&tenant, id, "b", "m4")))), "a session is open");
    report(&tenant, "m1", Delivery::Failed);
    allowed(Ok(send_of(&tenant, id, "c", "m5")));
    assert_eq!(sessions(&engine), (2, 98, 2));
    // Also of sends that are performed for good.
    report(&tenant, "m5", Delivery::Failed);
    let performed = Details { campaign: Some(id), ..to("d") };
    assert!(opened(&allowed(tenant.perform("send_message", &performed))));
    assert_eq!(sessions(&engine), (2, 98, 1));
    let none = Details { campaign: Some(id), ..to("e") };
    denied(tenant.check_action("send_message", &none));
    assert_sound(&engine);
}

#[test]
fn a_campaign_that_has_ended_pays_for_nothing_and_failures_return_to_the_grants() {
    let (engine, clock, tenant) = with_tenant();
    let id = campaign(&tenant, 3);
    allowed(Ok(send_of(&tenant, id, "a", "m1")));
    tenant.release(&id).expect("ends");
    assert_eq!(sessions(&engine), (1, 99, 1));
    let details = Details { campaign: Some(id), ..to("b") };
    let over = tenant.reserve_action("send_message", &details, MONTH);
    assert!(matches!(over, Err(Error::AlreadyResolved(Resolution::Released))), "{over:?}");
    let open = Details { campaign: Some(id), ..to("a") };
    assert!(!opened(&allowed(tenant.perform("send_message", &open))), "it draws nothing");
    assert_eq!(report(&tenant, "m1", Delivery::Failed), DeliveryOutcome::Released);
    assert_eq!(sessions(&engine), (1, 99, 0), "the other message uses it");
    let id = campaign(&tenant, 3);
    allowed(Ok(send_of(&tenant, id, "c", "m2")));
    clock.advance_ms(DAY_MS);
    report(&tenant, "m2", Delivery::Failed);
    assert_eq!(sessions(&engine), (1, 99, 0));
    // What is no campaign, or one of other units.
    let credits = allowed(tenant.reserve(&[("credits", 1)], DAY)).reservation;
    let wrong = Details { campaign: credits, ..to("d") };
    let refused = tenant.perform("send_message", &wrong);
    assert!(matches!(refused, Err(Error::InvalidArgument { what: "campaign", .. })), "{refused:?}");
    let long = tenant.reserve(&[("sessions", 1)], MONTH + DAY);
    assert!(matches!(long, Err(Error::InvalidArgument { what: "ttl", .. })), "{long:?}");
    let many = tenant.reserve(&[("sessions", 1 << 32)], DAY);
    assert!(matches!(many, Err(Error::InvalidArgument { what: "units", .. })), "{many:?}");
    assert_sound(&engine);
}

#[test]
fn a_campaign_over_the_end_of_a_period_counts_where_it_was_reserved() {
    let (engine, clock, tenant) = with_tenant();
    clock.set(at("2026-05-20T20:00:00-03:00"));
    let id = campaign(&tenant, 4);
    allowed(Ok(send_of(&tenant, id, "a", "m1")));
    clock.set(at("2026-05-21T09:00:00-03:00"));
    allowed(Ok(send_of(&tenant, id, "b", "m2")));
    assert_eq!(sessions(&engine), (0, 100, 4));
    report(&tenant, "m2", Delivery::Failed);
    assert_eq!(sessions(&engine), (0, 100, 4), "back to the campaign");
    allowed(Ok(send_of(&tenant, id, "c", "m3")));
    clock.advance_ms(DAY_MS);
    assert_eq!(sessions(&engine), (0, 100, 2));
    report(&tenant, "m1", Delivery::Failed);
    report(&tenant, "m3", Delivery::Delivered);
    assert_eq!(sessions(&engine), (0, 100, 0), "never to a restored plan");
    assert_sound(&engine);
}

#[test]
fn a_quote_says_what_is_missing() {
    let (engine, _, _) = with_tenant();
    add_tenant(&engine, "tiny", "small", "2026-05-20", true);
    let tiny = engine.tenant("tiny").expect("exists");
    let quote = tiny.quote_contacts("send_message", &["a", "b", "c"], &to("")).expect("quotes");
    assert_eq!((quote.opens, quote.available, quote.remaining), (3, Some(2), Some(0)));
    assert_eq!(quote.missing, 1);
    denied(tiny.reserve(&[("sessions", 3)], DAY));
    assert!(tiny.quote_contacts("send_message", &[], &to("")).is_err());
    assert!(tiny.quote_contacts("send_message", &[""], &to("")).is_err());
    assert!(tiny.quote_contacts("send_sms", &["a"], &to("")).is_err(), "it opens no session");
    assert_sound(&engine);
}

/// Everything is in the database: after a rebuild reports find their sends by the message's id.
#[test]
fn sends_and_campaigns_survive_the_live_file() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "wide", "2999-05-20", true);
    let tenant = engine.tenant("acme").expect("exists");
    let id = campaign(&tenant, 5);
    for index in 0..4 {
        allowed(Ok(send_of(&tenant, id, &format!("c{index}"), &format!("m{index}"))));
    }
    send(&tenant, "c0", "joined");
    send(&tenant, "own", "own");
    report(&tenant, "m3", Delivery::Delivered);
    assert_eq!(sessions(&engine), (6, 94, 5));
    engine.checkpoint().expect("writes");
    drop((tenant, engine));
    std::fs::remove_file(database.live()).expect("is removed");
    let engine = database.open();
    let tenant = engine.tenant("acme").expect("exists");
    assert_eq!(sessions(&engine), (6, 94, 5));
    assert_sound(&engine);
    let stale = Details { campaign: Some(id), ..to("new") };
    assert!(matches!(tenant.perform("send_message", &stale), Err(Error::Stale { .. })));
    report(&tenant, "m0", Delivery::Failed);
    assert_eq!(sessions(&engine), (6, 94, 5), "another send is in it");
    report(&tenant, "joined", Delivery::Failed);
    report(&tenant, "own", Delivery::Failed);
    receive(&tenant, "c1");
    assert_eq!(report(&tenant, "m1", Delivery::Failed), DeliveryOutcome::Released);
    assert_eq!(report(&tenant, "m3", Delivery::Failed), DeliveryOutcome::Unchanged);
    assert_eq!(sessions(&engine), (5, 95, 3), "what was drawn went back to the campaign");
    assert_sound(&engine);
}

/// Four processes send to contacts of their own and are killed, again and again. At the end every
/// unit is used or given back, once: what arrived, and what has no report, is used.
#[test]
fn i2_kills_during_a_campaign_lose_no_unit_and_double_none() {
    const SENDS: u64 = 400;
    let database = Database::in_memory(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "wide", "2999-05-20", true);
    engine.grant("acme", "sessions", Source::Extra, 100_000, None, None).expect("grants");
    let before = sessions(&engine).1;
    let tenant = engine.tenant("acme").expect("exists");
    let id = campaign(&tenant, 40 * SENDS).to_string();
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let who = |process: u64| format!("{round}-{process}");
        let sends = SENDS.to_string();
        let running: Vec<_> = (0..4)
            .map(|process| {
                let words = ["campaign", "acme", &who(process), &sends, &id];
                let mut command = database.command(&words);
                let child = command.stdout(std::process::Stdio::piped()).spawn();
                (who(process), child.expect("starts"))
            })
            .collect();
        for (nth, (who, mut child)) in running.into_iter().enumerate() {
            let mut steps = vec![0; 20 + 35 * nth + 11 * round];
            let mut out = child.stdout.take().expect("is piped");
            std::io::Read::read_exact(&mut out, &mut steps).expect("it goes on");
            child.kill().expect("is killed");
            std::io::Read::read_to_end(&mut out, &mut steps).expect("is read");
            child.wait().expect("has ended");
            acknowledged.push((who, steps.iter().filter(|&&step| step == b's').count() as u64));
        }
    }
    let (mut used, mut known) = (0, 0);
    for (who, sent) in &acknowledged {
        for index in 0..SENDS {
            let message = format!("{who}-{index}");
            let is_known = report(&tenant, &message, Delivery::Sent) != DeliveryOutcome::Unknown;
            assert!(is_known || index >= *sent, "{message} was acknowledged");
            // The one that was being sent as it was killed may be there.
            assert!(!is_known || index <= *sent, "{message} was never sent");
            if is_known && index % 3 == 1 {
                report(&tenant, &message, Delivery::Failed);
            }
            known += u64::from(is_known);
            used += u64::from(is_known && index % 3 != 1);
        }
    }
    assert!(known > 500, "only {known} sends: the kills came too early");
    assert_sound(&engine);
    drop((tenant, engine));
    let after = Arc::new(ManualClock::new(at(NOON).plus_ms(32 * DAY_MS)));
    let engine = database.builder().clock(after).open().expect("opens");
    assert_eq!(sessions(&engine), (used, before - used, 0));
    assert_sound(&engine);
}

#[test]
fn reserving_needs_no_more_than_is_left_at_noon() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    denied(tenant.reserve(&[("sessions", 101)], DAY));
    let id = campaign(&tenant, 100);
    denied(tenant.perform("send_message", &to("a")));
    allowed(Ok(send_of(&tenant, id, "a", "m1")));
    assert_sound(&engine);
}
