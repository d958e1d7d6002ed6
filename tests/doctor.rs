//! `doctor` on sound databases, and on those that something is wrong with.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cotas::{Builder, Concern, Diagnosis, Engine, ManualClock, Severity, SystemClock};
use cotas_tests::{Database, NOON, add_tenant, at, catalog};

/// Where the header of a live file says since when a tenant has changes that SQLite lacks.
const DIRTY_SINCE: u64 = 256;

fn database() -> Database {
    Database::new(env!("CARGO_BIN_EXE_helper"))
}

fn look(database: &Database) -> Diagnosis {
    database.builder().doctor().expect("looks")
}

fn concern<'a>(seen: &'a Diagnosis, about: &str, what: &str) -> &'a Concern {
    let found = seen.concerns.iter().find(|it| it.about == about && it.what.contains(what));
    found.unwrap_or_else(|| panic!("no concern about {about} says {what:?}: {:?}", seen.concerns))
}

/// With the machine's clock, so that no tenant is ahead of it.
fn now(database: &Database) -> Builder {
    database.builder().clock(Arc::new(SystemClock))
}

fn made_now(database: &Database) -> Engine {
    let engine = now(database).open().expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    let due = engine.now().to_utc().date_naive().to_string();
    add_tenant(&engine, "acme", "full", &due, true);
    engine
}

#[test]
fn a_sound_database_has_no_concern_and_shows_what_it_is() {
    let database = database();
    let engine = made_now(&database);
    assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
    let seen = look(&database);
    assert!(seen.is_sound(), "{:?}", seen.concerns);
    let [owner] = &seen.owners[..] else { panic!("{:?}", seen.owners) };
    assert_eq!((owner.pid, owner.is_alive), (std::process::id(), Some(true)));
    assert!(owner.is_same_namespace && owner.age_seconds.is_some());
    assert_eq!(seen.versions.layout_found, Some(seen.versions.layout));
    assert_eq!(seen.versions.schema_found, Some(seen.versions.schema));
    let live = seen.live.as_ref().expect("is there");
    assert_eq!((live.tenants, live.is_clean), (1, false));
    assert!(seen.clock.latest_seen.is_some_and(|latest| latest <= seen.clock.now));
    assert_eq!(seen.file_systems.len(), 2);
    assert_eq!(seen.files.len(), 5, "{:?}", seen.files);
    // No process is attached, and nothing was changed by looking.
    drop(engine);
    let files = || {
        let mut all: Vec<_> = fs::read_dir(database.directory())
            .expect("lists")
            .map(|it| it.expect("is listed").path())
            .map(|path| (path.clone(), fs::read(path).expect("reads")))
            .collect();
        all.sort();
        all
    };
    let before = files();
    let seen = look(&database);
    assert!(seen.concerns.is_empty(), "{:?}", seen.concerns);
    assert!(seen.owners.is_empty() || seen.owners.iter().all(|it| it.is_alive == Some(false)));
    assert!(seen.live.expect("is there").is_clean);
    assert_eq!(files(), before);
}

#[test]
fn a_second_path_is_red() {
    let database = database();
    drop(database.with_acme());
    let link = database.directory().join("link.db");
    fs::hard_link(database.path(), &link).expect("is made");
    let seen = look(&database);
    assert_eq!(concern(&seen, "database", "hard link").severity, Severity::Error);
    assert_eq!(seen.files[0].links, 2);
    assert!(!seen.is_sound());
}

#[test]
fn a_missing_foreign_or_damaged_database_is_red() {
    let database = database();
    let seen = look(&database);
    assert_eq!(concern(&seen, "database", "there is no database").severity, Severity::Error);
    assert!(!database.path().exists(), "looking makes none");
    fs::write(database.path(), b"some text that is no database").expect("is written");
    concern(&look(&database), "database", "not a database");
}

#[test]
fn a_damaged_or_foreign_live_file_is_red() {
    let database = database();
    drop(database.with_acme());
    let live = fs::OpenOptions::new().write(true).open(database.live()).expect("opens");
    // The first chunk of the record table, and the number of records.
    live.write_all_at(&(1u64 << 40).to_le_bytes(), 2048).expect("is written");
    let seen = look(&database);
    assert_eq!(concern(&seen, "live file", "is damaged").severity, Severity::Error);
    live.write_all_at(&u64::MAX.to_le_bytes(), 17 * 8).expect("is written");
    concern(&look(&database), "live file", "is damaged");
    live.write_all_at(&[7; 8], 0).expect("is written");
    concern(&look(&database), "live file", "does not begin");
    // One of another database, and a database of another time.
    let other = self::database();
    drop(other.with_acme());
    fs::copy(other.live(), database.live()).expect("is copied");
    concern(&look(&database), "live file", "another database");
}

#[test]
fn a_backup_copied_over_a_database_is_red() {
    let database = database();
    let engine = database.with_acme();
    let backup = database.directory().join("backup.db");
    engine.backup(&backup).expect("is written");
    drop(engine);
    fs::copy(&backup, database.path()).expect("is copied");
    let seen = look(&database);
    assert_eq!(concern(&seen, "live file", "cotas restore").severity, Severity::Error);
}

#[test]
fn modes_that_let_others_in_or_differ_are_warned_of() {
    let database = database();
    drop(database.with_acme());
    let set = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("is set");
    };
    set(&database.path(), 0o666);
    let seen = look(&database);
    assert_eq!(concern(&seen, "modes", "others may use the database").severity, Severity::Warning);
    concern(&seen, "modes", "the live file");
    assert!(seen.is_sound());
}

#[test]
fn a_live_file_in_memory_beside_a_database_on_disk_is_warned_of() {
    let database = database();
    let Ok(shared) = tempfile::tempdir_in("/dev/shm") else {
        return println!("skipped: there is no /dev/shm");
    };
    let builder = database.builder().live_directory(shared.path());
    drop(builder.open().expect("opens"));
    let seen = builder.doctor().expect("looks");
    concern(&seen, "file system", "each container has a /dev/shm of its own");
    // By another directory it would count again.
    let seen = look(&database);
    assert_eq!(concern(&seen, "live file", "would count again").severity, Severity::Error);
}

#[test]
fn units_that_are_never_saved_and_a_clock_that_was_set_back_are_reported() {
    let database = database();
    let engine = database.with_acme();
    let seen = look(&database);
    let live = seen.live.as_ref().expect("is there");
    // No process saves it.
    assert_eq!(live.unsaved_tenants, 1);
    let first = live.lag_ms;
    std::thread::sleep(std::time::Duration::from_millis(200));
    let lag = engine.lag().lag_ms;
    assert!(lag >= first + 150, "{first} ms, then {lag} ms");
    // As if it had been changed a minute and more ago.
    let file = fs::OpenOptions::new().write(true).open(database.live()).expect("opens");
    let long_ago = 1u64.to_le_bytes();
    file.write_all_at(&long_ago, DIRTY_SINCE).expect("is written");
    assert!(look(&database).live.expect("is there").lag_ms > 60_000);
    let seen = look(&database);
    assert_eq!(concern(&seen, "lag", "no process makes checkpoints").severity, Severity::Error);
    engine.checkpoint().expect("is made");
    let seen = look(&database);
    assert_eq!(seen.live.expect("is there").lag_ms, 0);
    assert_eq!(engine.lag(), cotas::Lag::default());
    drop(engine);
    let ahead = Arc::new(ManualClock::new(at("2190-05-20T12:00:00Z")));
    let engine = self::database();
    let ahead_engine = engine.builder().clock(ahead).open().expect("opens");
    ahead_engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&ahead_engine, "acme", "full", "2190-05-20", true);
    concern(&look(&engine), "clock", "was set back");
    assert!(at(NOON) < look(&engine).clock.now);
}

/// A child that is gone with this, whatever becomes of the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that is stopped while it holds a tenant: the doctor waits for nothing, and names it.
#[test]
fn a_stuck_lock_keeps_the_doctor_waiting_for_a_second_at_most_and_its_owner_is_named() {
    let database = database();
    drop(database.with_acme());
    let mut command = database.command(&["consume", "acme", "1", "4000000000"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = Killed(command.spawn().expect("starts"));
    let stop = |signal: &str| {
        let status = Command::new("kill").args([signal, &child.0.id().to_string()]).status();
        assert!(status.expect("runs").success());
    };
    // A process that waits for a processor stops when it gets one.
    let is_stopped = |id: u32| {
        let state = fs::read_to_string(format!("/proc/{id}/stat")).expect("it lives");
        state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    };
    // It holds the lock most of the time: soon it is stopped with it.
    let mut found = None;
    for _ in 0..200 {
        stop("-STOP");
        while !is_stopped(child.0.id()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let begun = Instant::now();
        let seen = look(&database);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        if !seen.owners.is_empty() {
            concern(&seen, "owners", "is stopped");
        }
        if !seen.stuck.is_empty() {
            found = Some(seen);
            break;
        }
        stop("-CONT");
        std::thread::sleep(Duration::from_millis(3));
    }
    let seen = found.expect("it is stopped with the lock in hand");
    assert_eq!((seen.stuck[0].what, seen.stuck[0].pid), ("a tenant", Some(child.0.id())));
    assert_eq!(concern(&seen, "locks", "the locks of 1 tenants").severity, Severity::Error);
    child.0.kill().expect("is killed");
    child.0.wait().expect("is gone");
    // Who has died is no reason to worry: the next takes the lock over.
    let seen = look(&database);
    assert!(seen.concerns.iter().all(|it| it.about != "locks"), "{:?}", seen.concerns);
}
