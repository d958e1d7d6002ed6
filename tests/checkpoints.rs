//! What a checkpoint writes, and what it may leave out: with negative controls.

use std::sync::Arc;

use cotas::{Engine, Limit, Maintenance, ManualClock, Source, Timestamp};
use cotas_tests::{Database, NOON, add_tenant, assert_sound, at, balance, catalog, open_sessions};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn database() -> Database {
    Database::new(env!("CARGO_BIN_EXE_helper"))
}

fn consume(engine: &Engine, units: u64) {
    assert!(engine.consume("acme", "credits", units).expect("decides").allowed());
}

/// The database as a backup has it, at an instant: without the live file.
fn as_saved(database: &Database, engine: &Engine, now: Timestamp) -> (tempfile::TempDir, Engine) {
    let directory = tempfile::tempdir().expect("a directory");
    let copy = directory.path().join("copy.db");
    engine.backup(&copy).expect("is written");
    let builder = Engine::builder(&copy).clock(Arc::new(ManualClock::new(now)));
    let copy = builder.maintenance(Maintenance::External).open().expect("opens");
    assert!(database.path().exists());
    (directory, copy)
}

#[test]
fn what_a_round_wrote_that_was_never_committed_is_written_again() {
    for without in ["", "saved"] {
        let database = database();
        let engine = database.with_acme();
        engine.checkpoint().expect("is made");
        let before = balance(&engine, "acme", "credits").0;
        consume(&engine, 3);
        assert!(database.crashes_at("checkpoint.written", &["checkpoint"]));
        let mut command = database.command(&["checkpoint"]);
        let output = command.env("COTAS_WITHOUT", without).output().expect("starts");
        assert!(output.status.success(), "{output:?}");
        let (_directory, saved) = as_saved(&database, &engine, at(NOON));
        let left = balance(&saved, "acme", "credits").0;
        // The negative control: a copy of what was rolled back would count.
        assert_eq!(before - left, if without.is_empty() { 3 } else { 0 }, "without {without:?}");
    }
}

#[test]
fn a_crash_while_the_copy_is_made_loses_nothing() {
    for point in ["saved.copied", "checkpoint.snapshot", "checkpoint.committed"] {
        let database = database();
        let engine = database.with_acme();
        let before = balance(&engine, "acme", "credits").0;
        // With a copy of before, and without one.
        for round in 1..=2 {
            consume(&engine, 1);
            assert!(database.crashes_at(point, &["checkpoint"]), "{point}");
            consume(&engine, 1);
            engine.checkpoint().expect("is made");
            let (_directory, saved) = as_saved(&database, &engine, at(NOON));
            assert_eq!(balance(&saved, "acme", "credits").0, before - 2 * round, "{point}");
            assert_sound(&saved);
        }
    }
}

#[test]
fn administration_between_two_checkpoints_is_what_counts() {
    let database = database();
    let engine = database.with_acme();
    add_tenant(&engine, "other", "full", "2026-05-20", true);
    for step in 0..6 {
        consume(&engine, 2);
        engine.checkpoint().expect("is made");
        // With no decision between them, so that both are of the same number.
        match step {
            0 => drop(engine.grant("acme", "credits", Source::Extra, 50, None, None)),
            1 => engine.set_limit("acme", "credits", Limit::Finite(2_000)).expect("is set"),
            2 => drop(engine.grant("acme", "sms", Source::Extra, 7, None, None)),
            3 => engine.set_limit("acme", "credits", Limit::Finite(1_500)).expect("is set"),
            _ => {}
        }
        engine.checkpoint().expect("is made");
        consume(&engine, 1);
        let (_directory, saved) = as_saved(&database, &engine, at(NOON));
        let figures = |engine: &Engine| engine.report("acme").expect("reports");
        assert_eq!(figures(&saved), figures(&engine), "after step {step}");
        assert_sound(&saved);
        assert_sound(&engine);
    }
}

#[test]
fn a_session_that_goes_on_outlasts_the_loss_of_the_live_file_by_a_minute_at_most() {
    for without in ["", "slack"] {
        let database = database();
        let engine = database.with_acme();
        let received = |ms: i64| {
            let mut command = database.command(&["open-sessions", "acme", "c", "1"]);
            let now = (at(NOON).ms() + ms).to_string();
            let output = command.env("COTAS_NOW", now).env("COTAS_WITHOUT", without).output();
            let output = output.expect("starts");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        assert_eq!(received(0), "1");
        // Within the slack: not written again; beyond it: written.
        for ms in [MINUTE / 2, 10 * MINUTE, 10 * MINUTE + 30_000] {
            assert_eq!(received(ms), "0");
        }
        let end = DAY + 10 * MINUTE + 30_000;
        let is_open = |ms: i64| {
            let now = at(NOON).plus_ms(ms);
            let (_directory, saved) = as_saved(&database, &engine, now);
            open_sessions(&saved, "acme", "c", 1).expect("decides") == 0
        };
        // The negative control: an end that was never written is too early.
        assert_eq!(is_open(end - 1_000), without.is_empty(), "without {without:?}");
        assert!(!is_open(end + MINUTE + 1_000));
    }
}

#[test]
fn a_session_within_its_slack_is_not_written_again() {
    let database = database();
    let clock = Arc::new(ManualClock::new(at(NOON)));
    let builder = database.builder().clock(Arc::<ManualClock>::clone(&clock));
    let engine = builder.maintenance(Maintenance::External).open().expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let end = |engine: &Engine| {
        engine.checkpoint().expect("is made");
        let connection = rusqlite::Connection::open(database.path()).expect("opens");
        let sql = "SELECT end FROM claims WHERE meta & 255 = 1";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("is there")
    };
    assert_eq!(open_sessions(&engine, "acme", "c", 1).expect("decides"), 1);
    let first = end(&engine);
    assert_eq!(first, at(NOON).ms() + DAY + MINUTE);
    clock.advance_ms(MINUTE - 1_000);
    assert_eq!(open_sessions(&engine, "acme", "c", 1).expect("decides"), 0);
    assert_eq!(end(&engine), first);
    clock.advance_ms(2_000);
    assert_eq!(open_sessions(&engine, "acme", "c", 1).expect("decides"), 0);
    assert_eq!(end(&engine), at(NOON).ms() + MINUTE + 1_000 + DAY + MINUTE);
}
