//! The lag, as it is reported, limited, and when checkpoints fail.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cotas::{
    Durability, Engine, Error, EventKind, Lag, Maintenance, ManualClock, NewTenant, Origin,
};
use cotas_tests::{Database, NOON, add_tenant, assert_sound, at, catalog, date};

const TENANTS: usize = 400;
/// Set in the child that has a small file system of its own.
const SMALL_DISK: &str = "COTAS_SMALL_DISK";

fn database() -> Database {
    Database::new(env!("CARGO_BIN_EXE_helper"))
}

fn consume(engine: &Engine, tenant: &str) -> Result<bool, Error> {
    engine.consume(tenant, "credits", 1).map(|decision| decision.allowed())
}

/// Waits until `is_so`, and says for how long.
fn wait_until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}: not in time");
        std::thread::sleep(Duration::from_millis(5));
    }
    begun.elapsed()
}

#[test]
fn the_lag_is_the_age_of_the_oldest_change_of_any_process() {
    let database = database();
    let engine = database.with_acme();
    engine.checkpoint().expect("is made");
    assert_eq!(engine.lag(), Lag::default());
    assert!(consume(&engine, "acme").expect("decides"));
    std::thread::sleep(Duration::from_millis(300));
    let mine = engine.lag().lag_ms;
    assert!(mine >= 250, "{mine} ms");
    // Another process sees the same. It makes a round when it leaves.
    let theirs: u64 = database.reported(&["lag"]).trim().parse().expect("a number");
    assert!(theirs >= mine, "{theirs} ms, {mine} ms before");
    assert_eq!(engine.lag().lag_ms, 0);
}

#[test]
fn a_caller_that_writes_its_own_tenant_leaves_no_lag_where_there_are_no_rounds() {
    let database = database();
    let engine = database.with_acme();
    engine.checkpoint().expect("is made");
    let disk = engine.with_durability(Durability::Disk);
    assert!(consume(&disk, "acme").expect("decides"));
    std::thread::sleep(Duration::from_millis(1_100));
    assert!(consume(&disk, "acme").expect("decides"));
    assert_eq!(engine.lag().lag_ms, 0);
    // Another tenant has changed: the lag is that of its change.
    add_tenant(&engine, "other", "full", "2036-05-20", true);
    engine.checkpoint().expect("is made");
    assert!(consume(&engine, "other").expect("decides"));
    std::thread::sleep(Duration::from_millis(1_100));
    assert!(consume(&disk, "acme").expect("decides"));
    assert!(engine.lag().lag_ms >= 1_000);
}

#[test]
fn a_call_that_is_refused_for_the_lag_makes_the_checkpoint_that_ends_it() {
    let database = database();
    drop(database.with_acme());
    let engine = database
        .builder()
        .maintenance(Maintenance::Inline)
        .checkpoint_interval(Duration::from_secs(3_600))
        .lag_max(Duration::from_millis(100))
        .open()
        .expect("opens");
    // The first call finds a checkpoint overdue; the next one's change waits for an hour.
    assert!(consume(&engine, "acme").expect("decides"));
    assert!(consume(&engine, "acme").expect("decides"));
    std::thread::sleep(Duration::from_millis(200));
    let refused = consume(&engine, "acme").expect_err("the lag is too long");
    assert!(matches!(refused, Error::Lagging { lag_max_ms: 100, .. }), "{refused}");
    assert_eq!(refused.code(), 500);
    // What does not decide goes on, and an engine without the limit as well.
    assert!(engine.report("acme").is_ok());
    engine.checkpoint().expect("is made");
    assert!(consume(&engine, "acme").expect("decides"));
}

/// Runs this test again in a child with a file system of 8 MiB at `directory`. `None`: this is it.
fn on_a_small_disk(test: &str) -> Option<()> {
    if std::env::var_os(SMALL_DISK).is_some() {
        return None;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let script = "mount -t tmpfs -o size=8m none \"$0\" || exit 77; exec \"$@\"";
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(directory.path())
        .arg(std::env::current_exe().expect("is known"))
        .args(["--exact", test, "--nocapture"])
        .env(SMALL_DISK, directory.path())
        .status();
    match status.as_ref().map(std::process::ExitStatus::code) {
        Ok(Some(0)) => {}
        Ok(Some(1 | 77)) | Err(_) if !may_mount() => {
            println!("skipped: {test}: needs the right to mount a file system (root)");
        }
        other => panic!("{other:?}"),
    }
    Some(())
}

fn may_mount() -> bool {
    let made = Command::new("unshare").args(["--mount", "true"]).status();
    made.is_ok_and(|status| status.success())
}

fn fill(directory: &Path) -> std::path::PathBuf {
    let filler = directory.join("filler");
    let mut file = std::fs::File::create(&filler).expect("is made");
    for bytes in [1 << 20, 4096, 512, 1] {
        while std::io::Write::write_all(&mut file, &vec![1; bytes]).is_ok() {}
    }
    filler
}

fn open_on(directory: &Path, lag_max: Option<Duration>) -> Engine {
    let builder = Engine::builder(directory.join("app.db"))
        .clock(Arc::new(ManualClock::new(at(NOON))))
        .checkpoint_interval(Duration::from_millis(50));
    match lag_max {
        Some(max) => builder.lag_max(max),
        None => builder,
    }
    .open()
    .expect("opens")
}

#[test]
fn checkpoints_that_fail_on_a_full_disk_raise_an_alarm_and_go_on_afterwards() {
    let test = "checkpoints_that_fail_on_a_full_disk_raise_an_alarm_and_go_on_afterwards";
    if on_a_small_disk(test).is_some() {
        return;
    }
    let directory = std::env::var_os(SMALL_DISK).expect("is set");
    let directory = Path::new(&directory);
    let names: Vec<_> = (0..TENANTS).map(|number| format!("tenant-{number}")).collect();
    let engine = open_on(directory, None);
    engine.load_catalog(&catalog()).expect("loads");
    let day = date("2036-05-20");
    let tenants: Vec<_> =
        names.iter().map(|name| NewTenant::new(name).plan("full", day, true)).collect();
    engine.ensure_tenants(&tenants).expect("are made");
    drop(engine);
    for lag_max in [None, Some(Duration::from_secs(2))] {
        fill_the_disk_for_five_seconds(directory, &names, lag_max);
    }
}

fn fill_the_disk_for_five_seconds(directory: &Path, names: &[String], lag_max: Option<Duration>) {
    let engine = open_on(directory, lag_max);
    assert_eq!(engine.opening().origin, Origin::Adopted);
    let before = cotas_tests::balance(&engine, "tenant-0", "credits").0;
    let filler = fill(directory);
    let (mut allowed, mut refused) = (0, 0);
    let begun = Instant::now();
    let mut alarm_after = None;
    while begun.elapsed() < Duration::from_secs(5) {
        for name in names {
            match consume(&engine, name) {
                Ok(is_allowed) => allowed += u64::from(is_allowed && name == "tenant-0"),
                Err(Error::Lagging { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        if engine.lag().alarm {
            alarm_after.get_or_insert(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let lag = engine.lag();
    assert!(alarm_after.is_some_and(|it| it < Duration::from_secs(3)), "{lag:?}");
    assert!(lag.lag_ms >= 4_000 && lag.failing_ms.is_some_and(|ms| ms >= 3_000), "{lag:?}");
    // STORE_FULL.
    assert_eq!(lag.failure, Some(201), "{lag:?}");
    assert_eq!(refused > 0, lag_max.is_some(), "{refused} refused with {lag_max:?}");
    let seen = Engine::builder(directory.join("app.db")).doctor().expect("looks");
    let alarm = |it: &cotas::Concern| it.about == "lag" && it.what.contains("have failed for");
    assert!(seen.concerns.iter().any(alarm), "{:?}", seen.concerns);
    std::fs::remove_file(filler).expect("is removed");
    let took = wait_until("goes on", || engine.lag().failing_ms.is_none());
    let decided = wait_until("decides", || consume(&engine, "tenant-0").is_ok());
    println!("{lag_max:?}: {lag:?}; went on {took:?} after there was space, decided {decided:?}");
    let used = before - cotas_tests::balance(&engine, "tenant-0", "credits").0;
    assert_eq!(used, allowed + 1);
    let events = engine.events(0, 100).expect("are read");
    let failed = events.iter().filter_map(|it| match it.kind {
        EventKind::CheckpointsFailed { failing_ms, failure } => Some((failing_ms, failure)),
        _ => None,
    });
    let failed: Vec<_> = failed.collect();
    assert!(matches!(failed.as_slice(), [(3_000.., 201)]), "{failed:?}");
    engine.acknowledge_events(events.last().expect("is there").sequence).expect("are forgotten");
    assert_sound(&engine);
}
