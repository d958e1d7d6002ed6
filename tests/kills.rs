//! Crashes inside every operation, at every word, at random, and at every step of a late release or
//! refund: all or nothing, and nothing acknowledged is lost.
#![allow(unused_must_use)] // `allowed` has looked at the decision.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cotas::{Details, Engine, Event, EventKind, Limit, ManualClock, NewTenant, Origin, Source};
use cotas_tests::acts::{CHURN_STEPS, SET_ASIDE, churn_once, churned};
use cotas_tests::wide::{allowed, figures, stands};
use cotas_tests::{Database, NOON, add_tenant, assert_sound, assert_whole, at, date, races, wide};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn database() -> Database {
    Database::new(env!("CARGO_BIN_EXE_helper"))
}

/// The database with the wide catalog and `acme`, ten extra credits on top of its ten.
fn with_acme(database: &Database) -> Engine {
    let engine = database.open();
    engine.load_catalog(&wide::catalog()).expect("loads");
    add_tenant(&engine, "acme", "wide", "2026-05-20", true);
    engine.grant("acme", "credits", Source::Extra, 10, None, None).expect("grants");
    engine
}

/// All that an operation may change.
fn state(engine: &Engine) -> String {
    let report = engine.report("acme").expect("reports");
    format!("{:?} {:?}", report.balances, report.grants)
}

fn used(engine: &Engine, resource: &str) -> u64 {
    stands(engine, "acme", resource).0
}

/// An operation: how the helper process is called, once what it needs is there, and what it has
/// done then.
struct Operation {
    name: &'static str,
    words: fn(&Engine) -> Vec<String>,
    did: fn(&Engine) -> bool,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn reservation(engine: &Engine) -> String {
    let tenant = engine.tenant("acme").expect("exists");
    allowed(tenant.reserve(&SET_ASIDE, HOUR)).reservation.expect("a reservation").to_string()
}

const OPERATIONS: [Operation; 11] = [
    Operation {
        name: "perform",
        words: |_| words(&["perform-once", "acme", "k"]),
        did: |engine| {
            ["credits", "minutes", "tasks", "agents"].map(|it| used(engine, it)) == [1, 2, 3, 1]
        },
    },
    Operation {
        name: "reserve",
        words: |_| words(&["reserve-once", "acme", "k"]),
        did: |engine| stands(engine, "acme", "credits") == (3, 17, 3),
    },
    Operation {
        name: "commit",
        words: |engine| words(&["commit", "acme", &reservation(engine)]),
        did: |engine| stands(engine, "acme", "credits") == (3, 17, 0),
    },
    Operation {
        name: "commit a part",
        words: |engine| words(&["commit-part", "acme", &reservation(engine)]),
        did: |engine| stands(engine, "acme", "credits") == (1, 19, 0),
    },
    Operation {
        name: "release",
        words: |engine| words(&["release", "acme", &reservation(engine)]),
        did: |engine| stands(engine, "acme", "credits") == (0, 20, 0),
    },
    Operation {
        name: "refund",
        words: |engine| {
            let tenant = engine.tenant("acme").expect("exists");
            let decision = allowed(tenant.once("paid").consume("credits", 15));
            words(&["refund", "acme", &decision.receipt.expect("a receipt").to_string()])
        },
        did: |engine| stands(engine, "acme", "credits") == (0, 20, 0),
    },
    Operation {
        name: "acquire",
        words: |_| words(&["acquire", "acme", "h"]),
        did: |engine| used(engine, "calls") == 1,
    },
    Operation {
        name: "release a lease",
        words: |engine| {
            let tenant = engine.tenant("acme").expect("exists");
            let calls = tenant.leases("calls").expect("is a lease");
            let lease = allowed(calls.acquire("h", None)).lease.expect("a lease");
            words(&["let-go", "acme", "h", &lease.fencing.to_string()])
        },
        did: |engine| used(engine, "calls") == 0,
    },
    Operation {
        name: "add",
        words: |_| words(&["meter", "acme", "add", "9"]),
        did: |engine| used(engine, "storage_mb") == 9,
    },
    Operation {
        name: "subtract",
        words: |engine| {
            let tenant = engine.tenant("acme").expect("exists");
            allowed(tenant.meter("storage_mb").expect("is a meter").add(5));
            words(&["meter", "acme", "subtract", "7"])
        },
        did: |engine| used(engine, "storage_mb") == 0,
    },
    Operation {
        name: "set",
        words: |engine| {
            let tenant = engine.tenant("acme").expect("exists");
            allowed(tenant.meter("storage_mb").expect("is a meter").add(5));
            words(&["meter", "acme", "set", "90"])
        },
        did: |engine| used(engine, "storage_mb") == 90,
    },
];

#[test]
fn i3_a_crash_at_any_word_of_any_operation_changes_nothing_and_the_retry_takes_effect_once() {
    let mut crashes = 0;
    for operation in OPERATIONS {
        for point in ["undo.word", "undo.clear"] {
            let database = database();
            let engine = with_acme(&database);
            let reported = (operation.words)(&engine);
            let reported: Vec<&str> = reported.iter().map(String::as_str).collect();
            let before = state(&engine);
            let mut died = 0;
            while database.crashes_at(&format!("{point}:{}", died + 1), &reported) {
                died += 1;
                assert_eq!(state(&engine), before, "{} at {point} {died}", operation.name);
                assert_sound(&engine);
                assert!(!(operation.did)(&engine), "{} shows nothing", operation.name);
                assert!(died < 500, "{}: it never gets through", operation.name);
            }
            assert!(died > 0, "{}: nothing is written", operation.name);
            assert!((operation.did)(&engine), "{} at {point}: {}", operation.name, state(&engine));
            assert_sound(&engine);
            drop(engine);
            let engine = database.open();
            assert_whole(&engine);
            assert!((operation.did)(&engine), "{} opened again", operation.name);
            crashes += died;
        }
    }
    assert!(crashes >= 250, "only {crashes} crashes");
}

#[test]
fn negative_control_without_the_undo_record_a_crash_leaves_half_of_a_operation() {
    for operation in OPERATIONS {
        // What `perform` leaves half done it finds by its key the next time.
        let mut broken = 0;
        for word in 1..60 {
            let database = database();
            let engine = with_acme(&database);
            let reported = (operation.words)(&engine);
            let reported: Vec<&str> = reported.iter().map(String::as_str).collect();
            let before = state(&engine);
            let mut command = database.command(&reported);
            command.env("COTAS_CRASH", format!("undo.word:{word}")).env("COTAS_WITHOUT", "undo");
            let output = command.env("COTAS_ABANDON", "1").output().expect("starts");
            if output.status.signal().is_none() {
                break;
            }
            let same = state(&engine) == before;
            let sound = engine.verify().is_ok_and(|findings| findings.is_empty());
            broken += u32::from(!same || !sound);
            if broken > 2 {
                break;
            }
        }
        assert!(broken > 0, "{}: no crash was noticed: the test proves nothing", operation.name);
    }
}

#[test]
fn negative_control_without_the_dedupe_a_retry_of_any_operation_takes_effect_twice() {
    for (words, resource) in
        [(["perform-once", "acme", "k"], "minutes"), (["reserve-once", "acme", "k"], "credits")]
    {
        let database = database();
        let engine = with_acme(&database);
        for _ in 0..2 {
            database.reported(&words);
        }
        let once = used(&engine, resource);
        let mut command = database.command(&words);
        let output = command.env("COTAS_WITHOUT", "dedupe").output().expect("starts");
        assert!(output.status.success());
        assert_eq!(used(&engine, resource), 2 * once, "{words:?}: the guard is what counts");
    }
}

/// A database with a campaign of three sessions and a send to `first`, out of it or not.
fn with_send(drawn: bool) -> (Database, Engine, String) {
    let database = Database::in_memory(env!("CARGO_BIN_EXE_helper"));
    let engine = with_acme(&database);
    let tenant = engine.tenant("acme").expect("exists");
    let reserved = allowed(tenant.reserve(&[("sessions", 3)], DAY)).reservation;
    let id = reserved.expect("a reservation");
    let of = Details { channel: "w", contact: "first", message: "m0", ..Details::default() };
    let first = Details { campaign: drawn.then_some(id), ..of };
    allowed(tenant.reserve_action("send_message", &first, 30 * DAY));
    (database, engine, id.to_string())
}

/// Sends, and reports of them, are done or not, whatever word they are killed at; a caller that
/// tries again has the same come of it, in the figures as well.
#[test]
fn a_crash_at_any_word_of_a_send_or_a_report_is_made_good_by_the_retry() {
    let (delivered, failed) = (["delivered", "committed"], ["failed", "released"]);
    for (name, drawn, words, says) in [
        ("opens", false, ["send", "acme", "c", "m", "-"].as_slice(), "true"),
        ("draws", false, &["send", "acme", "c", "m", "CAMPAIGN"], "true"),
        ("joins", true, &["send", "acme", "first", "m", "-"], "true"),
        ("arrives", true, &["delivery", "acme", "m0", delivered[0]], delivered[1]),
        ("fails", false, &["delivery", "acme", "m0", failed[0]], failed[1]),
        ("goes back to the campaign", true, &["delivery", "acme", "m0", failed[0]], failed[1]),
    ] {
        let mut figures = Vec::new();
        for word in 1.. {
            let (database, engine, id) = with_send(drawn);
            let campaign =
                |&it: &&'static str| if it == "CAMPAIGN" { id.clone() } else { it.into() };
            let words: Vec<String> = words.iter().map(campaign).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let crashed = database.crashes_at(&format!("undo.word:{word}"), &words);
            if crashed {
                assert_sound(&engine);
                let answer = database.reported(&words);
                // The last word may be the one after which all of it stands.
                assert!(answer == says || answer == "unchanged", "{name} {word}: {answer}");
            }
            assert_sound(&engine);
            figures.push(state(&engine));
            if !crashed {
                break;
            }
        }
        let crashes = figures.len() - 1;
        assert!((5..400).contains(&crashes), "{name}: {crashes} crashes");
        let right = figures.last().expect("it was done");
        let wrong = figures.iter().position(|it| it != right).map(|at| at + 1);
        assert_eq!(wrong, None, "{name}: at this word it comes to something else");
    }
}

/// Starts a process and waits until it stops at `point`.
fn stopped_at(point: &str, mut command: Command) -> Child {
    command.env("COTAS_CRASH", point).env("COTAS_STOP", "1");
    let stopped = command.spawn().expect("starts");
    let mut status = 0;
    // SAFETY: waits for the child to stop.
    unsafe { libc::waitpid(stopped.id() as libc::pid_t, &raw mut status, libc::WUNTRACED) };
    assert!(libc::WIFSTOPPED(status), "it never came to {point}");
    stopped
}

/// Has a process that was stopped go on to its end.
fn gone_on(stopped: Child) -> Output {
    // SAFETY: a signal to a child of ours that has not been waited for.
    unsafe { libc::kill(stopped.id() as libc::pid_t, libc::SIGCONT) };
    stopped.wait_with_output().expect("ends")
}

/// How many of one process that is stopped in the middle of a decision, another that comes
/// meanwhile, and one that comes afterwards are admitted to the last five.
fn admitted_around_a_stopped_one(without: &str) -> u64 {
    let database = database();
    let engine = database.open();
    engine.load_catalog(&wide::catalog()).expect("loads");
    add_tenant(&engine, "acme", "five", "2026-05-20", true);
    let consume = |times| {
        let mut command = database.command(&["consume", "acme", "1", times]);
        command.env("COTAS_WITHOUT", without).env("COTAS_ABANDON", "1").stdout(Stdio::piped());
        command
    };
    let count = |output: Output| -> u64 {
        // A process that finds the tenant held for too long prints nothing.
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0)
    };
    let stopped = stopped_at("undo.word:1", consume("1"));
    let meanwhile = count(consume("5").output().expect("starts"));
    let first = count(gone_on(stopped));
    assert_eq!(first, 1, "it goes on where it was");
    first + meanwhile + count(consume("10").output().expect("starts"))
}

#[test]
fn negative_control_without_the_lock_the_last_five_are_had_by_six() {
    assert_eq!(admitted_around_a_stopped_one(""), races::UNITS);
    let without = admitted_around_a_stopped_one("lock");
    assert!(without > races::UNITS, "{without} were admitted: the test proves nothing");
}

#[test]
fn a_crash_at_any_word_of_taking_back_takes_back_once_and_reports_once() {
    const TWO_HOURS_LATER: &str = "2026-05-04T14:00:00-03:00";
    for word in 1.. {
        let database = database();
        let engine = with_acme(&database);
        let tenant = engine.tenant("acme").expect("exists");
        allowed(tenant.reserve(&SET_ASIDE, HOUR));
        for holder in ["a", "b", "c"] {
            allowed(tenant.leases("calls").expect("is a lease").acquire(holder, None));
        }
        let acquire = ["acquire", "acme", "d"];
        let point = format!("undo.word:{word}");
        // All processes of a machine have one time.
        let engine = engine.with_clock(Arc::new(ManualClock::new(at(TWO_HOURS_LATER))));
        let output = run_at(&database, TWO_HOURS_LATER, Some(&point), &acquire);
        let died = output.status.signal() == Some(libc::SIGKILL);
        assert_sound(&engine);
        assert!(run_at(&database, TWO_HOURS_LATER, None, &acquire).status.success());
        assert_eq!(stands(&engine, "acme", "credits"), (0, 20, 0), "{point}");
        assert_eq!(used(&engine, "calls"), 1, "{point}");
        let events = engine.events(0, 100).expect("reads");
        let count =
            |is_it: fn(&EventKind) -> bool| events.iter().filter(|it| is_it(&it.kind)).count();
        assert_eq!(count(|it| matches!(it, EventKind::LeaseExpired { .. })), 3, "{point}");
        assert_eq!(count(|it| matches!(it, EventKind::ReservationExpired { .. })), 1, "{point}");
        assert_sound(&engine);
        if !died {
            assert!(word > 30, "only {word} words are written");
            break;
        }
    }
}

/// One process finds a reservation due, and is about to take it back; meanwhile another dies with
/// a change that is committed and not applied. What is taken back then must not be overwritten.
#[test]
fn what_is_taken_back_beside_a_crash_in_the_admin_transaction_stays_taken_back() {
    const TWO_HOURS_LATER: &str = "2026-05-04T14:00:00-03:00";
    let database = database();
    let engine = with_acme(&database);
    allowed(engine.tenant("acme").expect("exists").reserve(&SET_ASIDE, HOUR));
    let mut command = database.command(&["consume", "acme", "1", "1"]);
    command.env("COTAS_NOW", at(TWO_HOURS_LATER).ms().to_string()).stdout(Stdio::piped());
    let stopped = stopped_at("retry.resolve", command);
    assert!(database.crashes_at("admin.committed", &["limit", "acme", "12"]));
    assert!(gone_on(stopped).status.success());
    let later = engine.with_clock(Arc::new(ManualClock::new(at(TWO_HOURS_LATER))));
    assert_eq!(stands(&later, "acme", "credits"), (1, 21, 0));
    assert_sound(&later);
}

// ---- at random --------------------------------------------------------------------------------

/// Crashes at random, half of them from outside, at any instruction, and half at a word that an
/// operation writes, which is inside an operation for certain.
const CRASHES: u64 = 600;

/// A tenant for each of so many crashes.
fn for_each_crash(engine: &Engine, crashes: u64) {
    engine.load_catalog(&wide::catalog()).expect("loads");
    let names: Vec<String> = (0..crashes).map(|round| format!("t{round}")).collect();
    let most = Limit::Finite(1_000_000);
    let limits = ["credits", "storage_mb"].map(|resource| (resource, most));
    let tenant = |name| NewTenant { limits: &limits, ..NewTenant::new(name) };
    let due = date("2026-05-20");
    let new: Vec<_> = names.iter().map(|name| tenant(name).plan("full", due, true)).collect();
    assert_eq!(engine.ensure_tenants(&new).expect("creates") as u64, crashes);
}

/// Has a process perform, reserve, commit and refund until it dies, then has what it was at done
/// again. Says what is wrong before or after that; `without`: a guard that it goes without.
fn wrong_after_crash(database: &Database, engine: &Engine, round: u64, without: &str) -> String {
    let name = format!("t{round}");
    let mut command = database.command(&["churn", &name, "300000"]);
    command.env("COTAS_WITHOUT", without).stdout(Stdio::piped());
    let from_outside = round.is_multiple_of(2);
    if !from_outside {
        command.env("COTAS_CRASH", format!("undo.word:{}", 1 + round * 7919 % 1_999));
    }
    let mut child = command.spawn().expect("starts");
    let mut out = child.stdout.take().expect("is piped");
    let mut acknowledged = Vec::new();
    if from_outside {
        // By progress and not by time: another step each round.
        acknowledged.resize(1 + (round * 37 % 1_009) as usize, 0);
        out.read_exact(&mut acknowledged).expect("it runs");
        child.kill().expect("is killed");
    }
    out.read_to_end(&mut acknowledged).expect("ends");
    let signal = child.wait().expect("is gone").signal();
    assert_eq!(signal, Some(libc::SIGKILL), "it ended by itself");
    let steps = acknowledged.len() as u64;
    // One more step may have been done without its answer having been given.
    let found = churn_figures(engine, &name);
    let (right, or) = (churned(steps), churned(steps + 1));
    if ![right, or].contains(&found) {
        return format!("{name}, {steps} steps: {found:?}, not {right:?} or {or:?}");
    }
    let interrupted = steps / CHURN_STEPS;
    let tenant = engine.tenant(&name).expect("exists");
    if let Err(error) = churn_once(&tenant, interrupted, &mut || ()) {
        return format!("{name}, {steps} steps, again: {error}");
    }
    let (found, right) = (churn_figures(engine, &name), churned(CHURN_STEPS * (interrupted + 1)));
    if found == right {
        return String::new();
    }
    format!("{name}, {steps} steps, again: {found:?}, not {right:?}")
}

/// What [`churned`] says, as it is.
fn churn_figures(engine: &Engine, tenant: &str) -> [u64; 6] {
    let report = engine.report(tenant).expect("reports");
    let (credits, storage) = (figures(&report, "credits"), figures(&report, "storage_mb"));
    let [calls, watched] = ["calls_this_month", "watched"].map(|it| figures(&report, it).0);
    [credits.0, credits.2, storage.0, storage.2, calls, watched]
}

#[test]
fn i5_600_crashes_in_perform_reserve_commit_and_refund_lose_nothing_and_double_nothing() {
    let database = Database::in_memory(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    for_each_crash(&engine, CRASHES);
    for round in 0..CRASHES {
        assert_eq!(wrong_after_crash(&database, &engine, round, ""), "");
        if round % 50 == 49 {
            assert_sound(&engine);
        }
    }
    assert_sound(&engine);
    drop(engine);
    let engine = database.open();
    assert_whole(&engine);
    assert_sound(&engine);
}

#[test]
fn negative_control_without_the_undo_record_crashes_at_random_lose_or_double_something() {
    let database = Database::in_memory(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    for_each_crash(&engine, 40);
    let wrong = |round| {
        let wrong = !wrong_after_crash(&database, &engine, round, "undo").is_empty();
        wrong || !engine.verify().is_ok_and(|findings| findings.is_empty())
    };
    assert!((0..40).any(wrong), "no crash was noticed: the test proves nothing");
}

// ---- what is given back late ------------------------------------------------------------------

/// The admin transaction, step by step, and whether a change whose process crashes there is done.
const ADMIN_STEPS: [(&str, bool); 11] = [
    ("token.intended", false),
    ("admin.pending", false),
    ("snapshot.noted", false),
    ("admin.written", false),
    ("commit.before", false),
    ("commit.after", true),
    ("commit.confirmed", true),
    ("admin.committed", true),
    ("apply.counters", true),
    ("apply.gates", true),
    ("apply.done", true),
];
const LATER: &str = "2026-05-21T12:00:00-03:00";
const AFTER_EXPIRY: &str = "2026-06-04T12:00:00-03:00";

/// Runs the helper process at another time; it may be set to crash.
fn run_at(database: &Database, now: &str, point: Option<&str>, words: &[&str]) -> Output {
    let mut command = database.command(words);
    command.env("COTAS_NOW", at(now).ms().to_string()).env("COTAS_ABANDON", "1");
    if let Some(point) = point {
        command.env("COTAS_CRASH", point);
    }
    command.output().expect("starts")
}

/// A reservation and a receipt of the last period: ten credits of the plan and four extras are
/// held, three extras were charged. Twelve credits and three extras are left now.
fn last_period(database: &Database) -> (Engine, String, String) {
    let engine = with_acme(database);
    let tenant = engine.tenant("acme").expect("exists");
    let held = allowed(tenant.reserve(&[("credits", 14), ("sms", 2)], 30 * DAY));
    let paid = allowed(tenant.once("paid").kept_for(60 * DAY).consume("credits", 3));
    let later = engine.with_clock(Arc::new(ManualClock::new(at(LATER))));
    later.settle("acme").expect("settles");
    assert_eq!(stands(&later, "acme", "credits"), (0, 13, 14));
    let id = held.reservation.expect("a reservation").to_string();
    (later, id, paid.receipt.expect("a receipt").to_string())
}

/// An operation that gives back late: the helper process's word, what it is about, when, how much
/// it gives back, and what the second caller gets.
#[derive(Clone, Copy, Debug)]
struct LateOperation {
    word: &'static str,
    now: &'static str,
    back: u64,
    again: Option<&'static str>,
}

/// Has a late operation die at every step, and at every word that it writes through the undo
/// record.
fn late(operation: LateOperation) {
    for (point, is_done) in ADMIN_STEPS {
        assert!(late_at(operation, point, Some(is_done)), "{operation:?} at {point}: it lived");
    }
    let mut died = 0;
    while late_at(operation, &format!("undo.word:{}", died + 1), None) {
        died += 1;
    }
    assert!(died > 0, "{operation:?} brings its entry to nothing");
}

/// Dies at `point` of a late operation, then has it done again: one effect. Says whether it died;
/// `is_done`: whether the change is done then, if that is known.
fn late_at(operation: LateOperation, point: &str, is_done: Option<bool>) -> bool {
    let LateOperation { word, now, back, again } = operation;
    let database = database();
    let (engine, id, receipt) = last_period(&database);
    let engine = engine.with_clock(Arc::new(ManualClock::new(at(now))));
    let reported: &[&str] = match word {
        "settle" => &["settle", "acme"],
        "refund" => &["refund", "acme", &receipt],
        _ => &[word, "acme", &id],
    };
    let died = run_at(&database, now, Some(point), reported).status.signal() == Some(libc::SIGKILL);
    let left = stands(&engine, "acme", "credits").1;
    assert!([13, 13 + back].contains(&left), "{operation:?} at {point}: {left}");
    let is_done = is_done.map_or(left == 13 + back, |is_done| is_done);
    let looked_at = word == "settle"; // A look expires it.
    assert_eq!(left, if is_done || looked_at { 13 + back } else { 13 }, "{operation:?} at {point}");
    let too_much = engine.consume("acme", "credits", left + 1).expect("decides");
    assert_eq!((too_much.allowed(), too_much.available), (false, left), "{operation:?} at {point}");
    assert_sound(&engine);
    let retried = run_at(&database, now, None, reported);
    let error = String::from_utf8_lossy(&retried.stderr).into_owned();
    match again.filter(|_| is_done) {
        Some(code) => assert!(error.starts_with(code), "{operation:?} at {point}: {error}"),
        None => assert!(retried.status.success(), "{operation:?} at {point}: {error}"),
    }
    assert_eq!(stands(&engine, "acme", "credits").1, 13 + back, "{operation:?} at {point}, again");
    assert_sound(&engine);
    let expired = |event: &&Event| matches!(event.kind, EventKind::ReservationExpired { .. });
    let reported_of = engine.events(0, 100).expect("reads").iter().filter(expired).count();
    assert_eq!(reported_of, usize::from(looked_at), "{operation:?} at {point}");
    drop(engine);
    std::fs::remove_file(database.live()).expect("is removed");
    let engine = database.open();
    assert_eq!(engine.opening().origin, Origin::Rebuilt);
    let engine = engine.with_clock(Arc::new(ManualClock::new(at(now))));
    assert_eq!(
        stands(&engine, "acme", "credits").1,
        13 + back,
        "{operation:?} at {point}, rebuilt"
    );
    assert_sound(&engine);
    died
}

#[test]
fn a_crash_at_any_step_of_a_late_release_gives_back_once() {
    late(LateOperation { word: "release", now: LATER, back: 4, again: Some("413") });
}

#[test]
fn a_crash_at_any_step_of_a_late_refund_gives_back_once() {
    late(LateOperation { word: "refund", now: LATER, back: 3, again: Some("415") });
}

#[test]
fn a_crash_at_any_step_of_a_late_expiry_gives_back_once() {
    late(LateOperation { word: "settle", now: AFTER_EXPIRY, back: 4, again: None });
}

#[test]
fn a_crash_at_any_step_of_a_release_after_the_number_was_lowered_gives_back_once() {
    for (point, is_done) in ADMIN_STEPS {
        let database = database();
        let engine = with_acme(&database);
        let tenant = engine.tenant("acme").expect("exists");
        // Ten of the plan and two of the ten extras.
        let held = allowed(tenant.reserve(&[("credits", 12)], HOUR)).reservation;
        let id = held.expect("a reservation").to_string();
        engine.set_limit("acme", "credits", Limit::Finite(4)).expect("is lowered");
        assert_eq!(stands(&engine, "acme", "credits"), (12, 8, 12));
        let release = ["release", "acme", &id];
        assert!(database.crashes_at(point, &release), "{point}: it lived");
        let right = if is_done { (0, 14, 0) } else { (12, 8, 12) };
        assert_eq!(stands(&engine, "acme", "credits"), right, "{point}");
        assert_sound(&engine);
        let again = database.run(&release);
        let error = String::from_utf8_lossy(&again.stderr).into_owned();
        assert_eq!(again.status.success(), !is_done, "{point}: {error}");
        assert!(!is_done || error.starts_with("413"), "{point}: {error}");
        assert_eq!(stands(&engine, "acme", "credits"), (0, 14, 0), "{point}, again");
        assert_sound(&engine);
        drop(engine);
        std::fs::remove_file(database.live()).expect("is removed");
        let engine = database.open();
        assert_eq!(stands(&engine, "acme", "credits"), (0, 14, 0), "{point}, rebuilt");
        assert_sound(&engine);
    }
}

// ---- events -------------------------------------------------------------------------------------

/// Percentages of the thresholds of tasks that were reported, in order.
fn thresholds(engine: &Engine) -> Vec<u8> {
    let events = engine.events(0, 1000).expect("reads");
    let tasks = events.iter().filter(|it| it.resource.as_deref() == Some("tasks"));
    tasks
        .filter_map(|event| match event.kind {
            EventKind::Threshold { percent, .. } => Some(percent),
            EventKind::Exhausted { .. } => Some(100),
            _ => None,
        })
        .collect()
}

#[test]
fn a_crash_at_any_step_of_a_checkpoint_neither_loses_nor_doubles_an_event() {
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
        let engine = with_acme(&database);
        let tenant = engine.tenant("acme").expect("exists");
        allowed(tenant.consume("tasks", 8));
        assert!(database.crashes_at(point, &["checkpoint"]), "{point}: it lived");
        allowed(tenant.consume("tasks", 2));
        assert_eq!(thresholds(&engine), [50, 80, 100], "{point}");
        let last = engine.events(0, 1000).expect("reads").last().expect("is there").sequence;
        engine.acknowledge_events(last).expect("acknowledges");
        assert!(database.crashes_at("round.end", &["disk-acks", "acme", "1"]), "{point}");
        assert_eq!(engine.events(0, 1000).expect("reads"), [], "{point}: reported again");
        assert_sound(&engine);
        drop(engine);
        std::fs::remove_file(database.live()).expect("is removed");
        let engine = database.open();
        assert_eq!(engine.events(0, 1000).expect("reads"), [], "{point}: reported again, rebuilt");
        allowed(engine.perform("acme", "send_sms", &Details::default()));
        assert_sound(&engine);
    }
}

#[test]
fn events_survive_the_process_that_made_them_and_two_readers_see_the_same() {
    let database = database();
    let engine = with_acme(&database);
    for key in ["a", "b", "c"] {
        // Dies after the whole operation, before anything is written to SQLite.
        let output = run_at(&database, NOON, None, &["perform-once", "acme", key]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(thresholds(&engine), [50, 80]);
    let other = engine.clone();
    let seen = engine.events(0, 1000).expect("reads");
    assert_eq!(other.events(0, 1000).expect("reads"), seen);
    let sequences: BTreeSet<u64> = seen.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences.len(), seen.len(), "no number twice");
    assert!(seen.is_sorted_by_key(|event| event.sequence));
    // Page by page, each reader by itself, until both have acknowledged.
    let first = seen[0].sequence;
    assert_eq!(other.events(first, 1).expect("reads"), seen[1..2]);
    assert_eq!(engine.acknowledge_events(first).expect("acknowledges"), 1);
    assert_eq!(other.events(0, 1000).expect("reads"), seen[1..]);
    assert_eq!(other.acknowledge_events(first).expect("acknowledges"), 0);
    assert_sound(&engine);
}

#[test]
fn a_round_that_dies_leaves_the_age_of_what_it_did_not_write() {
    let before = Duration::from_millis(400);
    for point in ["lag.moved", "checkpoint.written", "checkpoint.committed", "round.end"] {
        for without in ["", "lag"] {
            let database = database();
            let engine = with_acme(&database);
            engine.checkpoint().expect("is made");
            assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
            std::thread::sleep(before);
            let mut command = database.command(&["checkpoint"]);
            command.env("COTAS_CRASH", point).env("COTAS_WITHOUT", without);
            let signal = command.output().expect("starts").status.signal();
            let dies = signal == Some(libc::SIGKILL);
            assert_eq!(dies, without.is_empty() || point != "lag.moved", "{point}");
            let lag = u128::from(engine.lag().lag_ms);
            let is_done = point == "round.end" || !dies;
            // The negative control: with one word, the dead round would have taken it along.
            let stays = !is_done && without.is_empty();
            assert_eq!(lag >= before.as_millis(), stays, "{point} {without}: {lag} ms");
            engine.checkpoint().expect("is made");
            assert_eq!(engine.lag().lag_ms, 0, "{point} {without}");
        }
    }
}
