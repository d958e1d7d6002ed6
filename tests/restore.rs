//! Putting a backup in the place of a database, by `restore` and by those who do it with `cp`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cotas::{Engine, Error};
use cotas_tests::{Database, assert_sound, balance};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

fn database() -> Database {
    Database::new(env!("CARGO_BIN_EXE_helper"))
}

fn left(database: &Database) -> u64 {
    let engine = database.open();
    assert_sound(&engine);
    balance(&engine, "acme", "credits").0
}

fn code(result: Result<Engine, Error>) -> i32 {
    result.err().map_or(0, |error| error.code())
}

fn beside(database: &Database, suffix: &str) -> PathBuf {
    database.directory().join(format!("app.db{suffix}"))
}

/// By another program: to close the database's file here would drop SQLite's locks.
fn cp(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg(from).arg(to).status();
    assert!(status.expect("runs").success());
}

/// A database of which 993 credits are left, a backup of that, and then 980.
fn used_after_backup() -> (Database, PathBuf) {
    let database = database();
    let engine = database.with_acme();
    let backup = database.directory().join("backup.db");
    engine.backup(&backup).expect("is written");
    assert!(engine.consume("acme", "credits", 13).expect("decides").allowed());
    (database, backup)
}

/// As by `kill -9`: the log and the live file stay, with what they hold.
fn crash(database: &Database, units: &str) {
    let mut command = database.command(&["consume", "acme", units, "1"]);
    let output = command.env("COTAS_ABANDON", "1").output().expect("runs");
    assert!(output.status.success());
    let mut checkpoint = database.command(&["checkpoint"]);
    assert!(checkpoint.env("COTAS_ABANDON", "1").output().expect("runs").status.success());
    assert!(fs::metadata(beside(database, "-wal")).is_ok_and(|log| log.len() > 0), "no log");
}

#[test]
fn a_backup_takes_the_place_of_a_closed_database() {
    let (database, backup) = used_after_backup();
    let mode = fs::metadata(database.path()).expect("is there").permissions().mode();
    assert_eq!(left(&database), 980);
    database.builder().restore(&backup).expect("is restored");
    assert_eq!(left(&database), 993);
    // Twice, and back to what is newer.
    assert_eq!(database.reported(&["consume", "acme", "3", "1"]), "1");
    database.builder().restore(&backup).expect("is restored");
    assert_eq!(left(&database), 993);
    let restored = fs::metadata(database.path()).expect("is there");
    assert_eq!(restored.permissions().mode(), mode);
    assert_eq!(restored.nlink(), 1);
    assert!(!beside(&database, "-restore").exists(), "nothing is left over");
    // Where nothing was.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let path = elsewhere.path().join("new.db");
    Engine::builder(&path).restore(&backup).expect("is restored");
    assert_eq!(code(Engine::open(&path)), 0);
}

#[test]
fn a_backup_takes_the_place_of_a_database_that_crashed() {
    let (database, backup) = used_after_backup();
    crash(&database, "5");
    database.builder().restore(&backup).expect("is restored");
    assert_eq!(left(&database), 993);
    // Its log was the former file's, and is not applied to the new one.
    crash(&database, "5");
    assert_eq!(left(&database), 988);
}

#[test]
fn nothing_is_replaced_while_a_process_is_attached() {
    let (database, backup) = used_after_backup();
    let engine = database.open();
    let restore = || database.builder().restore(&backup);
    assert_eq!(restore().expect_err("it is in use").code(), 118);
    drop(engine);
    let mut holder = database.hold();
    assert_eq!(restore().expect_err("it is in use").code(), 118);
    holder.kill().expect("is killed");
    holder.wait().expect("is gone");
    assert_eq!(left(&database), 980);
    restore().expect("no process is attached");
    assert_eq!(left(&database), 993);
}

#[test]
fn what_is_no_backup_of_this_database_replaces_nothing() {
    let (database, backup) = used_after_backup();
    let other = self::database();
    drop(other.with_acme());
    let bytes = fs::read(&backup).expect("reads");
    let made = |name: &str, bytes: &[u8]| {
        let path = database.directory().join(name);
        fs::write(&path, bytes).expect("is written");
        path
    };
    let mut torn = bytes.clone();
    torn[8192..16384].fill(0xa5);
    let mut newer = bytes.clone();
    newer[60..64].copy_from_slice(&99u32.to_be_bytes());
    for (path, expected) in [
        (database.directory().join("missing.db"), 100),
        (database.path(), 406),
        (other.path(), 406),
        (made("empty.db", b""), 406),
        (made("text.db", b"this is no database at all, but a text of some length"), 101),
        (made("torn.db", &torn), 406),
        (made("newer.db", &newer), 102),
    ] {
        let error = database.builder().restore(&path).expect_err("it is refused");
        assert!(
            error.code() == expected || (expected == 406 && error.code() == 200),
            "{}: {error}",
            path.display()
        );
        assert_eq!(left(&database), 980, "{}", path.display());
    }
    // Nor is a file that never was a database of ours.
    let notes = made("notes.txt", b"a file that was named by mistake");
    let error = Engine::builder(&notes).restore(&backup).expect_err("it is refused");
    assert_eq!(error.code(), 101, "{error}");
    assert!(fs::read(&notes).expect("reads").starts_with(b"a file that"));
}

#[test]
fn a_database_that_cannot_be_read_any_more_is_replaced() {
    for zeros in [0..100usize, 0..40_000, 4096..40_000] {
        let (database, backup) = used_after_backup();
        crash(&database, "5");
        let mut bytes = fs::read(database.path()).expect("reads");
        let end = zeros.end.min(bytes.len());
        bytes[zeros.start..end].fill(0);
        fs::write(database.path(), &bytes).expect("is written");
        database.builder().restore(&backup).expect("is restored");
        assert_eq!(left(&database), 993, "{zeros:?}");
    }
}

#[test]
fn i12_a_backup_copied_over_a_database_whose_log_remains_is_refused() {
    for has_live_file in [true, false] {
        let (database, backup) = used_after_backup();
        crash(&database, "5");
        if !has_live_file {
            fs::remove_file(database.live()).expect("is removed");
        }
        cp(&backup, &database.path());
        let error = database.builder().open().err().expect("it is refused");
        assert_eq!(error.code(), 117, "{error}");
        assert!(error.to_string().contains("cotas restore"), "{error}");
        // The way out that the message names.
        database.builder().restore(&backup).expect("is restored");
        assert_eq!(left(&database), 993);
    }
}

#[test]
fn i12_an_older_file_of_the_same_database_under_a_newer_log_is_refused() {
    let (database, _) = used_after_backup();
    // Closed in order, the file alone is a backup as well.
    let older = database.directory().join("older.db");
    cp(&database.path(), &older);
    assert_eq!(database.reported(&["consume", "acme", "1", "1"]), "1");
    crash(&database, "5");
    fs::remove_file(database.live()).expect("is removed");
    cp(&older, &database.path());
    assert_eq!(code(database.builder().open()), 117);
}

#[test]
fn i12_the_file_that_a_log_began_with_is_right_until_the_log_begins_again() {
    for begins_again in [false, true] {
        let (database, _) = used_after_backup();
        assert_eq!(left(&database), 980);
        let closed = database.directory().join("closed.db");
        cp(&database.path(), &closed);
        crash(&database, "5");
        if begins_again {
            begin_log_again(&database.path());
        }
        cp(&closed, &database.path());
        let opened = database.builder().open();
        if begins_again {
            assert_eq!(code(opened), 117);
        } else {
            assert_eq!(balance(&opened.expect("is whole"), "acme", "credits").0, 975);
        }
    }
}

/// Moves the whole log into the database, and writes to it from its beginning.
fn begin_log_again(path: &Path) {
    let connection = Connection::open(path).expect("opens");
    let config = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(config, true).expect("is set");
    let moved = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    let busy = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], moved);
    assert_eq!(busy.expect("is moved"), 0);
    connection
        .execute_batch("UPDATE meta SET value = value + 1 WHERE name = 'settled_commits'")
        .expect("is written");
}

#[test]
fn i12_another_databases_file_under_log_and_live_file_is_refused() {
    let other = database();
    drop(other.with_acme());
    for crashed in [true, false] {
        let (database, _) = used_after_backup();
        if crashed {
            crash(&database, "5");
        }
        cp(&other.path(), &database.path());
        let refused = code(database.builder().open());
        assert!([117, 103, 108].contains(&refused), "{crashed}: {refused}");
    }
}

#[test]
fn a_closed_database_with_a_newer_backup_over_it_is_refused_by_its_live_file() {
    let (database, backup) = used_after_backup();
    cp(&backup, &database.path());
    assert_eq!(code(database.builder().open()), 108);
    database.builder().restore(&backup).expect("is restored");
    assert_eq!(left(&database), 993);
}
