//! Contacts with several names: one session under all of them.

use cotas::{Decision, Details, Engine, Error, Limit};
use cotas_tests::wide::{acme, allowed, catalog, stands};
use cotas_tests::{Database, NOON, add_tenant, assert_sound};

const HOUR_MS: i64 = 3_600_000;

fn receive(engine: &Engine, contact: &str) -> Decision {
    let message = Details { channel: "w", contact, ..Details::default() };
    allowed(engine.perform("acme", "receive_message", &message))
}

fn opens(engine: &Engine, contact: &str) -> bool {
    receive(engine, contact).session.expect("a session").opened
}

fn link(engine: &Engine, one: &str, other: &str) -> Result<(), Error> {
    engine.tenant("acme").expect("exists").link_contact(one, other)
}

#[test]
fn a_session_goes_on_under_the_other_name() {
    let (engine, clock) = acme(NOON);
    assert!(opens(&engine, "+55"));
    link(&engine, "+55", "opaque").expect("links");
    clock.advance_ms(23 * HOUR_MS);
    let first = receive(&engine, "opaque").session.expect("a session");
    assert_eq!((first.opened, first.expires_at), (false, engine.now().plus_ms(24 * HOUR_MS)));
    clock.advance_ms(23 * HOUR_MS);
    assert!(!opens(&engine, "+55"), "the message under the other name prolonged it");
    clock.advance_ms(24 * HOUR_MS);
    assert!(opens(&engine, "opaque"));
    assert!(!opens(&engine, "+55"));
    assert_eq!(stands(&engine, "acme", "sessions").0, 2);
    assert_sound(&engine);
}

#[test]
fn two_open_sessions_become_one_and_none_is_lost_or_charged_again() {
    let (engine, clock) = acme(NOON);
    assert!(opens(&engine, "a"));
    clock.advance_ms(10 * HOUR_MS);
    assert!(opens(&engine, "b"));
    link(&engine, "a", "b").expect("links");
    link(&engine, "b", "a").expect("changes nothing");
    clock.advance_ms(20 * HOUR_MS);
    // A's own has ended, B's goes on for both: it counts as the later one.
    let message = Details { channel: "w", contact: "a", ..Details::default() };
    let sent = allowed(engine.perform("acme", "send_message", &message));
    let session = sent.session.expect("a session");
    assert_eq!((session.opened, session.expires_at), (false, engine.now().plus_ms(4 * HOUR_MS)));
    for _ in 0..5 {
        assert!(!opens(&engine, "a") && !opens(&engine, "b"));
        clock.advance_ms(20 * HOUR_MS);
    }
    assert_eq!(stands(&engine, "acme", "sessions").0, 2);
    // Another channel is another session, and again one for both.
    let other = |contact| Details { channel: "other", contact, ..Details::default() };
    let first = allowed(engine.perform("acme", "receive_message", &other("a")));
    let second = allowed(engine.perform("acme", "receive_message", &other("b")));
    let opened = [first, second].map(|it| it.session.expect("a session").opened);
    assert_eq!(opened, [true, false]);
    assert_sound(&engine);
}

#[test]
fn names_join_in_chains_up_to_eight() {
    let (engine, _) = acme(NOON);
    let name = |index: u32| format!("n{index}");
    // Four pairs, joined in the middle, then all of them.
    for index in [0, 2, 4, 6] {
        link(&engine, &name(index), &name(index + 1)).expect("links");
    }
    link(&engine, "n1", "n2").expect("links");
    link(&engine, "n5", "n6").expect("links");
    assert!(opens(&engine, "n0") && opens(&engine, "n7"), "two contacts still");
    link(&engine, "n3", "n4").expect("links");
    for from in 0..8 {
        assert!(!opens(&engine, &name(from)), "{from}");
        for to in 0..8 {
            link(&engine, &name(from), &name(to)).expect("is so already");
        }
    }
    let ninth = link(&engine, "n0", "n8");
    assert!(matches!(ninth, Err(Error::InvalidArgument { .. })), "{ninth:?}");
    assert!(opens(&engine, "n8"), "another contact");
    assert_eq!(stands(&engine, "acme", "sessions").0, 3);
    assert!(link(&engine, "", "x").is_err());
    let long = "5511999998888".repeat(30);
    let refused = link(&engine, &long, "x").expect_err("is refused").to_string();
    assert!(!refused.contains("5511999998888"), "{refused}");
    assert_sound(&engine);
}

fn both(engine: &Engine, contact: &str, also: &str) -> Decision {
    let message = Details { channel: "w", contact, also, ..Details::default() };
    allowed(engine.perform("acme", "receive_message", &message))
}

/// A body with a phone number and a user id is one person, also for bodies with one of them.
#[test]
fn a_message_with_two_ids_links_them_as_it_is_decided() {
    let (engine, clock) = acme(NOON);
    let first = both(&engine, "+55", "BR.1").session.expect("a session");
    assert!(first.opened);
    assert!(!opens(&engine, "BR.1") && !opens(&engine, "+55"));
    assert!(!both(&engine, "BR.1", "+55").session.expect("a session").opened, "the other way");
    assert!(!both(&engine, "+55", "+55").session.expect("a session").opened);
    // Both had a session before anybody knew: the one that ends later goes on.
    assert!(opens(&engine, "+56"));
    clock.advance_ms(HOUR_MS);
    assert!(opens(&engine, "BR.2"));
    let joined = both(&engine, "+56", "BR.2").session.expect("a session");
    assert_eq!((joined.opened, joined.expires_at), (false, engine.now().plus_ms(24 * HOUR_MS)));
    assert_eq!(stands(&engine, "acme", "sessions").0, 3);
    // A number that is changed, and again: the old one leads to the new one, in a cycle too.
    assert!(!both(&engine, "+57", "BR.2").session.expect("a session").opened);
    link(&engine, "+57", "+58").expect("links");
    link(&engine, "+58", "+56").expect("is so already");
    assert!(!opens(&engine, "+58"));
    assert_eq!(stands(&engine, "acme", "sessions").0, 3);
    assert_sound(&engine);
}

#[test]
fn a_check_knows_both_ids_and_links_nothing() {
    let (engine, _) = acme(NOON);
    assert!(opens(&engine, "+55"));
    let tenant = engine.tenant("acme").expect("exists");
    let message = Details { channel: "w", contact: "BR.1", also: "+55", ..Details::default() };
    let checked = allowed(tenant.check_action("receive_message", &message));
    assert!(!checked.session.expect("a session").opened);
    assert!(opens(&engine, "BR.1"), "it is not known to be the same");
    assert_eq!(stands(&engine, "acme", "sessions").0, 2);
}

/// A message is never lost for having a ninth name: it is decided by both of its ids.
#[test]
fn a_ninth_name_in_a_message_is_decided_and_not_kept() {
    let (engine, _) = acme(NOON);
    for index in 1..8 {
        link(&engine, "n0", &format!("n{index}")).expect("links");
    }
    assert!(opens(&engine, "n3"));
    for _ in 0..2 {
        assert!(!both(&engine, "n8", "n5").session.expect("a session").opened);
        assert!(!both(&engine, "n5", "n8").session.expect("a session").opened);
    }
    assert_eq!(stands(&engine, "acme", "sessions").0, 1);
    let long = "5511999998888".repeat(30);
    let message = Details { channel: "w", contact: "n0", also: &long, ..Details::default() };
    let refused = engine.perform("acme", "receive_message", &message).expect_err("is refused");
    assert!(!refused.to_string().contains("5511999998888"), "{refused}");
    assert_sound(&engine);
}

#[test]
fn names_survive_the_live_file() {
    let database = Database::new(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "wide", "2026-05-20", true);
    engine.set_limit("acme", "sessions", Limit::Finite(1_000)).expect("is raised");
    for ring in 0..50 {
        for index in 1..8 {
            link(&engine, &format!("r{ring}-0"), &format!("r{ring}-{index}")).expect("links");
        }
        assert!(opens(&engine, &format!("r{ring}-7")));
    }
    assert_eq!(database.reported(&["link", "r0-3", "r0-5"]), "done", "another process sees them");
    engine.checkpoint().expect("writes");
    drop(engine);
    std::fs::remove_file(database.live()).expect("is removed");
    let engine = database.open();
    for ring in 0..50 {
        assert!((0..8).all(|index| !opens(&engine, &format!("r{ring}-{index}"))), "{ring}");
        link(&engine, &format!("r{ring}-1"), &format!("r{ring}-6")).expect("is so already");
    }
    assert!(link(&engine, "r0-0", "r1-0").is_err(), "sixteen names");
    assert_eq!(stands(&engine, "acme", "sessions").0, 50);
    assert_sound(&engine);
}
