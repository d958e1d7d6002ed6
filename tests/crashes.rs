//! Crashes at every step, and negative controls: with a guard switched off the same test fails.
//!
//! The test process stays attached while the helper process crashes, and goes on exactly; then the
//! helper process does it again.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;

use cotas::{Details, Engine, Origin};
use cotas_tests::{Database, assert_sound, assert_whole, balance, open_sessions};

fn database() -> Database {
    Database::new(env!("CARGO_BIN_EXE_helper"))
}

/// Credits that are left when 7 have been used and `granted` were added to the plan's 1,000.
fn left(granted: u64) -> u64 {
    1000 - 7 + granted
}

/// What a crash leaves behind of the operation that was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Nothing,
    All,
}
use Outcome::{All, Nothing};

/// The admin transaction, step by step.
const ADMIN_STEPS: [(&str, Outcome); 11] = [
    ("token.intended", Nothing),
    ("admin.pending", Nothing),
    ("snapshot.noted", Nothing),
    ("admin.written", Nothing),
    ("commit.before", Nothing),
    ("commit.after", All),
    ("commit.confirmed", All),
    ("admin.committed", All),
    ("apply.counters", All),
    ("apply.gates", All),
    ("apply.done", All),
];

#[test]
fn a_crash_at_any_step_of_the_admin_transaction_leaves_all_or_nothing_and_loses_no_unit() {
    for (point, outcome) in ADMIN_STEPS {
        let database = database();
        let engine = database.with_acme();
        let grant = ["grant", "acme", "100", "purchase-1"];
        assert!(database.crashes_at(point, &grant), "{point}: it lived");
        let granted = if outcome == All { 100 } else { 0 };
        let decision = engine.consume("acme", "credits", 1).expect("decides");
        assert_eq!((decision.used, decision.available), (8, left(granted) - 1), "{point}");
        assert_sound(&engine);
        // The retry of the caller who got no answer takes effect once.
        assert_eq!(database.reported(&grant), "done");
        assert_eq!(balance(&engine, "acme", "credits").0, left(100) - 1, "{point}");
        assert_sound(&engine);
        drop(engine);
        let engine = database.open();
        assert_whole(&engine);
        assert_eq!(balance(&engine, "acme", "credits").0, left(100) - 1, "{point}, opened again");
        assert_sound(&engine);
    }
}

#[test]
fn a_crash_while_resolving_a_crash_is_resolved_as_well() {
    for first in ["admin.written", "admin.committed"] {
        for second in ["token.intended", "commit.before", "commit.after", "resolve.reload"] {
            let database = database();
            let engine = database.with_acme();
            assert!(database.crashes_at(first, &["grant", "acme", "100", "k"]));
            // Where the second point does not lie on the way, the helper process lives.
            let _ = database.crashes_at(second, &["consume", "acme", "1", "0"]);
            let _ = database.crashes_at(second, &["grant", "acme", "1", "l"]);
            let granted = if first == "admin.committed" { 100 } else { 0 };
            database.reported(&["grant", "acme", "1", "l"]);
            assert_eq!(
                balance(&engine, "acme", "credits").0,
                left(granted + 1),
                "{first} {second}"
            );
            assert_sound(&engine);
        }
    }
}

#[test]
fn a_crash_at_any_step_of_a_restoration_leaves_the_former_database_or_the_backup() {
    for (point, credits) in [("restore.copied", left(0) - 13), ("restore.renamed", left(0))] {
        let database = database();
        let engine = database.with_acme();
        let backup = database.directory().join("backup.db");
        engine.backup(&backup).expect("is written");
        assert!(engine.consume("acme", "credits", 13).expect("decides").allowed());
        drop(engine);
        let restore = ["restore", backup.to_str().expect("is UTF-8")];
        assert!(database.crashes_at(point, &restore), "{point}: it lived");
        let engine = database.open();
        assert!(!engine.opening().may_miss_consumption, "{point}");
        assert_eq!(balance(&engine, "acme", "credits").0, credits, "{point}");
        assert_sound(&engine);
        drop(engine);
        database.builder().restore(&backup).expect("is restored");
        assert_eq!(balance(&database.open(), "acme", "credits").0, left(0), "{point}");
    }
}

#[test]
fn a_crash_at_any_step_of_a_creation_leaves_a_tenant_or_none() {
    for (point, outcome) in [
        ("token.intended", Nothing),
        ("allocate.taken", Nothing),
        ("create.locked", Nothing),
        ("directory.counted", Nothing),
        ("directory.published", Nothing),
        ("create.published", Nothing),
        ("create.written", Nothing),
        ("commit.before", Nothing),
        ("commit.after", All),
        ("create.committed", All),
        ("apply.counters", All),
        ("apply.done", All),
    ] {
        let database = database();
        let engine = database.with_acme();
        assert!(database.crashes_at(point, &["create", "newbie"]), "{point}: it lived");
        assert_eq!(engine.tenant("newbie").is_ok(), outcome == All, "{point}");
        let decision = engine.consume("newbie", "credits", 1);
        match outcome {
            All => assert!(decision.expect("exists").allowed(), "{point}"),
            Nothing => {
                let unknown = matches!(decision, Err(cotas::Error::UnknownTenant(_)));
                assert!(unknown, "{point}: {decision:?}");
                assert_eq!(database.reported(&["create", "newbie"]), "done", "{point}");
                assert!(engine.consume("newbie", "credits", 1).expect("exists").allowed());
            }
        }
        assert_eq!(balance(&engine, "newbie", "credits").0, 999, "{point}");
        assert_eq!(balance(&engine, "acme", "credits").0, left(0), "{point}");
        assert_sound(&engine);
    }
}

#[test]
fn a_crash_while_the_file_and_its_tables_grow_costs_nothing() {
    for point in
        ["grow.begin", "grow.reserved", "grow.published", "allocate.taken:40", "directory.copied"]
    {
        let database = database();
        let engine = database.with_acme();
        let many = ["create-many", "1200"];
        assert!(database.crashes_at(point, &many), "{point}: it lived");
        assert!(engine.consume("acme", "credits", 1).expect("decides").allowed(), "{point}");
        database.reported(&many);
        assert_eq!(engine.tenants().expect("reads").len(), 1201, "{point}");
        for name in ["t0", "t599", "t1199"] {
            assert!(engine.consume(name, "credits", 1).expect("decides").allowed(), "{point}");
        }
        assert_sound(&engine);
    }
    for point in [
        "entries.created",
        "entries.chunk",
        "entries.copied:100",
        "entries.copied:5003",
        "entries.passed:101",
        "entries.passed:5002",
        "entries.spared:4",
        "grow.reserved",
        "allocate.taken:3",
    ] {
        let database = database();
        let engine = database.with_acme();
        let limit = cotas::Limit::Finite(20_000);
        engine.set_limit("acme", "sessions", limit).expect("is raised");
        let open = ["open-sessions", "acme", "c", "12000"];
        assert!(database.crashes_at(point, &open), "{point}: it lived");
        database.reported(&open);
        assert_eq!(balance(&engine, "acme", "sessions").0, 8_000, "{point}: charged once each");
        assert_sound(&engine);
    }
}

#[test]
fn a_crash_at_any_step_of_a_checkpoint_neither_loses_nor_doubles_anything() {
    for point in [
        "token.intended",
        "snapshot.noted",
        "checkpoint.snapshot",
        "checkpoint.written",
        "commit.before",
        "commit.after",
        "commit.confirmed",
        "checkpoint.committed",
        "undo.word",
        "undo.clear",
        "checkpoint.confirmed",
        "round.end",
    ] {
        let database = database();
        let engine = database.with_acme();
        assert_eq!(open_sessions(&engine, "acme", "c", 50).expect("decides"), 50);
        assert!(database.crashes_at(point, &["checkpoint"]), "{point}: it lived");
        assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
        assert_eq!(open_sessions(&engine, "acme", "d", 5).expect("decides"), 5);
        assert_eq!(open_sessions(&engine, "acme", "c", 50).expect("decides"), 0);
        assert_sound(&engine);
        assert_eq!(balance(&engine, "acme", "credits").0, left(0) - 1, "{point}");
        assert_eq!(balance(&engine, "acme", "sessions").0, 945, "{point}");
        let units: u64 = engine
            .usage("acme")
            .expect("reads")
            .iter()
            .filter(|row| row.metric == cotas::Metric::Used)
            .map(|row| row.count)
            .sum();
        assert_eq!(units, 8 + 55, "{point}: the history has every unit once");
        // After a power cut the database alone has all of it: a checkpoint was made.
        drop(engine);
        std::fs::remove_file(database.live()).expect("is removed");
        let engine = database.open();
        assert_eq!(engine.opening().origin, Origin::Rebuilt);
        assert_eq!(balance(&engine, "acme", "sessions").0, 945, "{point}, rebuilt");
        database.reported(&["open-sessions", "acme", "c", "50"]);
        assert_eq!(balance(&engine, "acme", "sessions").0, 945, "{point}: they are still open");
        assert_sound(&engine);
    }
}

#[test]
fn a_crash_at_any_step_of_loading_a_catalog_leaves_the_old_one_or_the_new() {
    for point in [
        "catalog.pending",
        "commit.before",
        "commit.after",
        "catalog.committed",
        "catalog.published",
    ] {
        let database = database();
        let engine = database.with_acme();
        assert!(database.crashes_at(point, &["catalog-small"]), "{point}: it lived");
        assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
        assert_eq!(database.reported(&["catalog-small"]), "2", "{point}");
        assert_eq!(engine.catalog().expect("reads").0, 2, "{point}");
        database.reported(&["create", "newbie"]);
        assert_eq!(balance(&engine, "newbie", "sms").0, 11, "{point}");
        assert_sound(&engine);
    }
}

#[test]
fn a_crash_at_any_word_of_a_decision_rolls_it_back() {
    for (operation, most) in [
        (&["once", "acme", "5", "order-1"][..], 60),
        (&["open-sessions", "acme", "c", "1"][..], 40),
    ] {
        let mut died = 0;
        for word in 1..=most {
            let database = database();
            let engine = database.with_acme();
            if !database.crashes_at(&format!("undo.word:{word}"), operation) {
                break;
            }
            died += 1;
            assert_eq!(balance(&engine, "acme", "credits").0, left(0), "{operation:?} at {word}");
            assert_eq!(balance(&engine, "acme", "sessions").0, 1000, "{operation:?} at {word}");
            assert_sound(&engine);
            database.reported(operation);
            assert_sound(&engine);
        }
        assert!(died > 15, "only {died} words are written");
    }
}

#[test]
fn negative_control_without_the_undo_record_a_crash_leaves_half_an_operation() {
    let mut broken = 0;
    for word in 1..=25 {
        let database = database();
        let engine = database.with_acme();
        let point = format!("undo.word:{word}");
        let output = database
            .command(&["open-sessions", "acme", "c", "1"])
            .env("COTAS_CRASH", point)
            .env("COTAS_WITHOUT", "undo")
            .output()
            .expect("starts");
        if output.status.signal().is_none() {
            break;
        }
        let sound = engine.verify().expect("verifies").is_empty();
        broken += u32::from(!sound);
    }
    assert!(broken > 0, "no crash was noticed: the test proves nothing");
}

#[test]
fn negative_control_without_the_dedupe_a_retry_charges_twice() {
    let database = database();
    let engine = database.with_acme();
    let once = ["once", "acme", "5", "order-1"];
    assert_eq!(database.reported(&once), "true false");
    assert_eq!(database.reported(&once), "true true");
    assert_eq!(balance(&engine, "acme", "credits").0, left(0) - 5);
    let output = database.command(&once).env("COTAS_WITHOUT", "dedupe").output().expect("starts");
    assert!(output.status.success());
    assert_eq!(balance(&engine, "acme", "credits").0, left(0) - 10, "the guard is what counts");
}

#[test]
fn negative_control_without_the_lock_units_are_lost() {
    let admitted = |without: &str| {
        let database = database();
        let engine = database.with_acme();
        let limit = cotas::Limit::Finite(10_000_000);
        engine.set_limit("acme", "credits", limit).expect("is raised");
        let times = 300_000;
        let times_word = times.to_string();
        let words = ["consume", "acme", "1", times_word.as_str()];
        let mut children: Vec<_> = (0..2)
            .map(|_| {
                let mut command = database.command(&words);
                command.env("COTAS_WITHOUT", without).spawn().expect("starts")
            })
            .collect();
        for child in &mut children {
            let _ = child.wait();
        }
        // Two that write one undo log at a time may as well be taken for damage.
        let used = engine.report("acme").ok().and_then(|report| {
            report.balances.iter().find(|it| it.resource == "credits").map(|it| it.used)
        });
        (used, 7 + 2 * times)
    };
    let (used, acknowledged) = admitted("");
    assert_eq!(used, Some(acknowledged));
    let (used, acknowledged) = admitted("lock");
    assert!(used.is_none_or(|used| used < acknowledged), "no unit was lost: this proves nothing");
}

/// The ghost: a grant whose commit is complete in the write-ahead log, but whose process died
/// before the header of the shared-memory index said so. Staged by putting the old header back.
/// Then a unit is used, every process is killed, and recovery reads the log from its beginning.
fn staged_ghost(without: &str) -> (Database, Result<Engine, cotas::Error>) {
    const HEADER_BYTES: &str = "136";
    let database = database();
    drop(database.with_acme());
    let mut holder = database.hold();
    let shm = database.directory().join("app.db-shm");
    let saved = database.directory().join("saved-header");
    let (shm, saved) = (shm.to_str().expect("UTF-8"), saved.to_str().expect("UTF-8"));
    database.reported_copy(shm, saved, HEADER_BYTES);
    assert!(database.crashes_at("commit.after", &["grant", "acme", "100", "ghost"]));
    database.reported_copy(saved, shm, HEADER_BYTES);
    let mut command = database.command(&["consume", "acme", "1", "3"]);
    command.env("COTAS_WITHOUT", without).env("COTAS_ABANDON", "1");
    let output = command.output().expect("starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "3", "no process sees the ghost");
    holder.kill().expect("is killed");
    holder.wait().expect("is gone");
    let opened = database.builder().open();
    (database, opened)
}

#[test]
fn an_unseen_commit_never_comes_to_light_after_it_was_taken_for_lost() {
    let (database, engine) = staged_ghost("");
    let engine = engine.expect("opens");
    assert_eq!(balance(&engine, "acme", "credits").0, left(0) - 3);
    assert_sound(&engine);
    database.reported(&["grant", "acme", "100", "ghost"]);
    assert_eq!(balance(&engine, "acme", "credits").0, left(100) - 3);
    assert_sound(&engine);
}

#[test]
fn negative_control_without_settling_an_unseen_commit_comes_to_light() {
    let (_database, engine) = staged_ghost("settle");
    let sound = engine.is_ok_and(|engine| {
        balance(&engine, "acme", "credits").0 == left(0) - 3
            && engine.verify().expect("verifies").is_empty()
    });
    assert!(!sound, "the ghost did not show: the test proves nothing");
}

#[test]
fn random_crashes_lose_no_acknowledged_unit_and_double_none() {
    let database = database();
    let engine = database.with_acme();
    let limit = cotas::Limit::Finite(100_000_000);
    engine.set_limit("acme", "credits", limit).expect("is raised");
    let used = |engine: &Engine| 100_000_000 - balance(engine, "acme", "credits").0;
    for round in 0..40 {
        let before = used(&engine);
        let mut child = database.start(&["acks", "acme", "1000000"]);
        let mut out = child.stdout.take().expect("is piped");
        // Die at a point that differs from round to round, by progress and not by time.
        let mut some = vec![0; 500 + round * 97];
        out.read_exact(&mut some).expect("it runs");
        child.kill().expect("is killed");
        let mut rest = Vec::new();
        out.read_to_end(&mut rest).expect("ends");
        child.wait().expect("is gone");
        let acknowledged = (some.len() + rest.len()) as u64;
        let applied = used(&engine) - before;
        // One more may have been applied without its answer having been given.
        assert!(
            applied == acknowledged || applied == acknowledged + 1,
            "acknowledged {acknowledged}, applied {applied}"
        );
    }
    assert_sound(&engine);
}

#[test]
fn a_power_cut_after_a_plan_change_charges_no_contact_again() {
    let database = database();
    let engine = database.with_acme();
    database.reported(&["open-sessions", "acme", "c", "20"]);
    database.reported(&["plan", "acme", "full"]);
    drop(engine);
    // What a power cut leaves: the database as of its last sync, no live file to trust.
    std::fs::remove_file(database.live()).expect("is removed");
    let engine = database.open();
    let message = Details { channel: "w", contact: "c3", ..Details::default() };
    let decision = engine.perform("acme", "receive_message", &message).expect("decides");
    assert_eq!(decision.session.map(|session| session.opened), Some(false));
    assert_eq!(balance(&engine, "acme", "sessions").0, 1000);
    assert_sound(&engine);
}

/// A process that is stopped within a decision: it holds the tenant's lock, and its undo log is
/// pending.
fn stop_with_the_lock(database: &Database) -> std::process::Child {
    let mut command = database.command(&["consume", "acme", "1", "1"]);
    command.env("COTAS_CRASH", "undo.clear").env("COTAS_STOP", "1");
    let stopped = command.spawn().expect("starts");
    let pid = stopped.id() as libc::pid_t;
    let mut status = 0;
    // SAFETY: waits for the child to stop.
    unsafe { libc::waitpid(pid, &raw mut status, libc::WUNTRACED) };
    assert!(libc::WIFSTOPPED(status));
    stopped
}

/// By another program: to close a database's file here would drop SQLite's locks.
fn cp(words: &[&std::ffi::OsStr]) {
    let status = std::process::Command::new("cp").args(words).status();
    assert!(status.expect("runs").success());
}

#[test]
fn files_that_were_copied_while_a_lock_was_held_hang_no_process() {
    let database = database();
    drop(database.with_acme());
    let mut stopped = stop_with_the_lock(&database);
    let copy = tempfile::tempdir().expect("a directory");
    let everything = database.directory().join(".");
    cp(&["-a".as_ref(), everything.as_os_str(), copy.path().as_os_str()]);
    // Elsewhere it is refused: it was not closed, and is another file.
    let error = Engine::open(copy.path().join("app.db")).err().expect("it is refused");
    assert_eq!(error.code(), 114, "{error}");
    stopped.kill().expect("is killed");
    stopped.wait().expect("is gone");
    // Its own files come to hold the lock of then: nothing that the owner does now matters.
    let mut later = database.open();
    assert!(later.consume("acme", "credits", 1).expect("decides").allowed());
    drop(later);
    for entry in std::fs::read_dir(copy.path()).expect("lists") {
        let from = entry.expect("is there").path();
        let to = database.directory().join(from.file_name().expect("has one"));
        cp(&[from.as_os_str(), to.as_os_str()]);
    }
    let began = std::time::Instant::now();
    later = database.open();
    let decision = later.consume("acme", "credits", 1).expect("no owner is waited for");
    assert_eq!(decision.used, 8, "what was not acknowledged is rolled back");
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
    assert_sound(&later);
}

#[test]
fn a_process_that_is_stopped_while_it_holds_a_tenant_hangs_no_other() {
    let database = database();
    let engine = database.with_acme();
    cotas_tests::add_tenant(&engine, "other", "full", "2026-05-20", true);
    let limit = cotas::Limit::Finite(100_000);
    engine.set_limit("other", "sessions", limit).expect("is raised");
    let mut stopped = stop_with_the_lock(&database);
    let busy = engine.consume("acme", "credits", 1);
    assert!(matches!(busy, Err(cotas::Error::Busy { .. })), "{busy:?}");
    // The other tenant goes on, also past what fits without a checkpoint.
    assert_eq!(open_sessions(&engine, "other", "c", 9_000).expect("decides"), 9_000);
    assert!(engine.checkpoint().is_err(), "it says that one tenant was not written");
    stopped.kill().expect("is killed");
    stopped.wait().expect("is gone");
    let decision = engine.consume("acme", "credits", 1).expect("decides");
    assert_eq!(decision.used, 8, "what was not acknowledged is rolled back");
    assert_sound(&engine);
}

#[test]
fn a_crash_while_rebuilding_leaves_what_was_there() {
    for (point, origin) in [
        ("rebuild.filled", Origin::Rebuilt),
        ("rebuild.rename", Origin::Rebuilt),
        ("rebuild.renamed", Origin::Adopted),
    ] {
        let database = database();
        let engine = database.with_acme();
        drop(engine);
        std::fs::remove_file(database.live()).expect("is removed");
        assert!(database.crashes_at(point, &["origin"]), "{point}: it lived");
        let engine = database.open();
        assert_eq!(engine.opening().origin, origin, "{point}");
        assert_eq!(balance(&engine, "acme", "credits").0, left(0), "{point}");
        assert_sound(&engine);
    }
}

/// Acme with a package for sale, and an invoice of 40.00 that waits to be paid.
fn with_a_customer(database: &Database) -> (Engine, i64) {
    let engine = database.with_acme();
    let text = format!("{}{}", cotas_tests::CATALOG, cotas_tests::payments::PACKAGES);
    let catalog = cotas::Catalog::parse(&text, "shop.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    let bought = engine.buy("acme", "more", 50, None).expect("sells");
    (engine, bought.invoice)
}

/// What administration has written: invoices, subscriptions, grants, limits.
fn ledger(engine: &Engine) -> String {
    let report = engine.report("acme").expect("reports");
    let mut invoices = engine.invoices("acme").expect("reads");
    // A reference names its database, and two databases are compared.
    invoices.iter_mut().for_each(|invoice| invoice.reference.clear());
    let subscriptions = engine.subscriptions("acme").expect("reads");
    let trail = engine.audit_trail(Some("acme"), 100).expect("reads").len();
    format!("{:?} {:?} {invoices:?} {subscriptions:?} {trail}", report.grants, report.balances)
}

#[test]
fn an_administrative_operation_that_crashes_after_its_commit_has_one_effect_when_it_is_tried_again()
{
    let operations = ["buy", "choose", "plan", "schedule", "grant", "limit", "own-limit", "status"];
    let of_invoice = ["pay", "cancel", "split"];
    for operation in operations.into_iter().chain(of_invoice) {
        // What the operation comes to where no process is killed.
        let whole = database();
        let (engine, invoice) = with_a_customer(&whole);
        let before = ledger(&engine);
        let words = ["administer", operation, &invoice.to_string(), "key-1"];
        let said = whole.reported(&words);
        let expected = ledger(&engine);
        assert_ne!(before, expected, "{operation} did nothing");
        assert_eq!(whole.reported(&words), said, "{operation}: the same answer");
        assert_eq!(ledger(&engine), expected, "{operation}: one effect");
        let other =
            whole.run(&["administer", operation, &invoice.to_string(), "key-1", "otherwise"]);
        assert!(!other.status.success(), "{operation}: other arguments under the same key");
        assert_eq!(ledger(&engine), expected, "{operation}: nothing of it");
        for (point, outcome) in ADMIN_STEPS {
            if !["commit.before", "commit.after", "admin.committed", "apply.done"].contains(&point)
            {
                continue;
            }
            let database = database();
            let (engine, invoice) = with_a_customer(&database);
            let words = ["administer", operation, &invoice.to_string(), "key-1"];
            assert!(database.crashes_at(point, &words), "{operation} at {point}: it lived");
            let found = if outcome == All { &expected } else { &before };
            assert_eq!(ledger(&engine), *found, "{operation} at {point}");
            assert_eq!(database.reported(&words), said, "{operation} at {point}: the answer, late");
            assert_eq!(ledger(&engine), expected, "{operation} at {point}: one effect");
            assert_sound(&engine);
        }
    }
}

#[test]
fn a_crash_at_any_step_of_a_settlement_of_many_leaves_each_as_it_was_or_settled() {
    for (point, outcome) in [
        ("admin.written", Nothing),
        ("admin.written:3", Nothing),
        ("settle.written", Nothing),
        ("commit.before", Nothing),
        ("commit.after", All),
        ("settle.committed", All),
        ("apply.counters:2", All),
        ("apply.done", All),
    ] {
        let database = database();
        let engine = database.with_acme();
        database.reported(&["create-many", "5"]);
        for name in ["t0", "t4"] {
            assert!(engine.consume(name, "credits", 9).expect("decides").allowed());
        }
        let renewed = cotas_tests::at("2026-05-21T12:00:00-03:00").ms().to_string();
        let mut command = database.command(&["maintain"]);
        command.env("COTAS_NOW", &renewed).env("COTAS_WALL", "1").env("COTAS_ABANDON", "1");
        let died = command.env("COTAS_CRASH", point).output().expect("starts");
        assert_eq!(died.status.signal(), Some(libc::SIGKILL), "{point}: it lived");
        let later = engine.with_clock(std::sync::Arc::new(cotas::ManualClock::new(
            cotas_tests::at("2026-05-21T12:00:00-03:00"),
        )));
        let periods = |name: &str| engine.periods(name).expect("reads").len();
        let settled = usize::from(outcome == All);
        assert_eq!((periods("acme"), periods("t4")), (settled, settled), "{point}");
        for name in ["acme", "t0", "t1", "t2", "t3", "t4"] {
            // The first look resolves what the crash left.
            let decision = later.consume(name, "credits", 1).expect("decides");
            assert_eq!((decision.used, decision.available), (1, 999), "{point}: {name}");
            assert_eq!(periods(name), 1, "{point}: {name} was renewed once");
            let invoices = engine.invoices(name).expect("reads");
            assert_eq!(invoices.len(), 2, "{point}: {name}: {invoices:?}");
        }
        assert_sound(&engine);
    }
}

#[test]
fn a_crash_at_any_step_of_a_purge_leaves_the_tenant_or_nothing_of_it() {
    crashes_of_a_removal("purge", cotas::Status::Demo);
}

#[test]
fn a_crash_at_any_step_of_an_erasure_leaves_the_tenant_or_nothing_of_it() {
    crashes_of_a_removal("erase", cotas::Status::Cancelled);
}

fn crashes_of_a_removal(operation: &str, status: cotas::Status) {
    for (point, outcome) in [
        ("purge.pending", Nothing),
        ("commit.before", Nothing),
        ("commit.after", All),
        ("purge.committed", All),
    ] {
        let database = database();
        let engine = database.open();
        engine.load_catalog(&cotas_tests::catalog()).expect("loads");
        let mut new = cotas::NewTenant::new("acme");
        (new.status, new.created_at) = (status, Some(cotas_tests::at("2026-04-01T12:00:00-03:00")));
        engine.create_tenant(&new).expect("is created");
        assert!(database.crashes_at(point, &[operation, "acme"]), "{point}: it lived");
        assert_eq!(engine.tenant("acme").is_err(), outcome == All, "{point}");
        assert_eq!(engine.tenants().expect("reads").len(), usize::from(outcome == Nothing));
        if outcome == Nothing {
            assert_eq!(database.reported(&[operation, "acme"]), "done", "{point}");
        }
        assert!(engine.tenant("acme").is_err(), "{point}: it is gone");
        assert_eq!(database.reported(&["create", "acme"]), "done", "{point}: the name is free");
        assert!(engine.consume("acme", "credits", 1).expect("decides").allowed(), "{point}");
        engine.checkpoint().expect("writes");
        assert_eq!(balance(&engine, "acme", "credits").0, 999, "{point}");
        assert_sound(&engine);
        drop(engine);
        let engine = database.open();
        assert_whole(&engine);
        assert_eq!(balance(&engine, "acme", "credits").0, 999, "{point}, opened again");
    }
}

#[test]
fn a_registration_under_a_key_that_crashes_after_its_commit_is_one_tenant() {
    for (point, outcome) in
        [("create.written", Nothing), ("commit.after", All), ("create.committed", All)]
    {
        let database = database();
        let engine = database.with_acme();
        let words = ["create-once", "newbie", "signup-1"];
        assert!(database.crashes_at(point, &words), "{point}: it lived");
        assert_eq!(engine.tenant("newbie").is_ok(), outcome == All, "{point}");
        assert_eq!(database.reported(&words), "done", "{point}: created, now or before");
        assert_eq!(database.reported(&words), "done", "{point}: and again");
        assert!(!database.run(&["create", "newbie"]).status.success(), "without the key it exists");
        assert!(!database.run(&["create-once", "newbie", "other"]).status.success());
        let trail = engine.audit_trail(Some("newbie"), 10).expect("reads");
        assert_eq!(trail.len(), 1, "{point}: once");
        assert_sound(&engine);
    }
}
