//! What opening refuses, each with an error of its own, and nothing changed.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

use cotas::{Catalog, Engine, Error, OpenError, Origin, StoreError};
use cotas_tests::{Database, assert_sound, balance};

fn database() -> Database {
    Database::new(env!("CARGO_BIN_EXE_helper"))
}

fn open_error(result: Result<Engine, Error>) -> OpenError {
    match result {
        Err(Error::Open(error)) => error,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it opened"),
    }
}

#[test]
fn a_backup_restored_under_a_newer_live_file() {
    let database = database();
    let engine = database.with_acme();
    let backup = database.directory().join("backup.db");
    engine.backup(&backup).expect("is written");
    assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
    let again = engine.backup(&backup);
    assert!(matches!(again, Err(Error::Open(OpenError::Io { .. }))), "it exists already");
    drop(engine);
    for side in ["-wal", "-shm"] {
        let _ = fs::remove_file(database.directory().join(format!("app.db{side}")));
    }
    fs::copy(&backup, database.path()).expect("is restored");
    let error = open_error(database.builder().open());
    assert!(matches!(error, OpenError::TokenMismatch { .. }), "{error}");
    // The way out that the message names.
    fs::remove_file(database.live()).expect("is removed");
    let engine = database.open();
    assert_eq!(balance(&engine, "acme", "credits").0, 993);
    assert_sound(&engine);
}

#[test]
fn a_backup_opens_by_itself_anywhere() {
    let database = database();
    let engine = database.with_acme();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let backup = elsewhere.path().join("copy.db");
    engine.backup(&backup).expect("is written");
    let copy = Engine::open(&backup).expect("opens");
    assert_eq!(copy.opening().origin, Origin::Rebuilt);
    assert!(!copy.opening().may_miss_consumption);
    assert_eq!(balance(&engine, "acme", "credits").0, 993);
}

#[test]
fn a_database_exchanged_under_attached_processes() {
    let database = database();
    let engine = database.with_acme();
    let backup = database.directory().join("backup.db");
    engine.backup(&backup).expect("is written");
    drop(engine);
    let mut holder = database.hold();
    for side in ["-wal", "-shm"] {
        let _ = fs::remove_file(database.directory().join(format!("app.db{side}")));
    }
    let grants = || {
        let output = database.run(&["grant", "acme", "1", "k"]);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // Another database, in the very file; then in another one.
    fs::copy(&backup, database.path()).expect("is overwritten");
    let said = grants();
    assert!(said.starts_with("204 "), "{said}");
    fs::rename(&backup, database.path()).expect("is exchanged");
    let said = grants();
    assert!(said.starts_with("103 "), "{said}");
    holder.kill().expect("is killed");
    holder.wait().expect("is gone");
}

#[test]
fn two_live_files_for_one_database() {
    let database = database();
    let engine = database.with_acme();
    let other = tempfile::tempdir().expect("a directory");
    drop(engine);
    let error = open_error(database.builder().live_directory(other.path()).open());
    assert!(matches!(error, OpenError::SecondLiveFile { .. }), "{error}");
    assert!(!other.path().join("app.db-live").exists());
    // While a process is attached to the first.
    let mut holder = database.hold();
    let mut command = database.command(&["origin"]);
    let output = command.env("COTAS_LIVE", other.path()).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("106 "), "{said}");
    holder.kill().expect("is killed");
    holder.wait().expect("is gone");
    // The first live file is gone, as a `tmpfs` is after a restart: then the other may be made.
    fs::remove_file(database.live()).expect("is removed");
    let engine = database.builder().live_directory(other.path()).open().expect("opens");
    assert_eq!(balance(&engine, "acme", "credits").0, 993);
}

#[test]
fn a_live_file_removed_while_others_are_attached() {
    let database = database();
    drop(database.with_acme());
    let mut holder = database.hold();
    fs::remove_file(database.live()).expect("is removed");
    let error = open_error(database.builder().open());
    assert!(matches!(error, OpenError::LiveFileMissing { .. }), "{error}");
    assert!(!database.live().exists(), "no second one was made");
    holder.kill().expect("is killed");
    holder.wait().expect("is gone");
    assert_eq!(database.open().opening().origin, Origin::Rebuilt);
}

#[test]
fn an_opener_from_another_pid_namespace_joins() {
    let database = database();
    let engine = database.with_acme();
    let helper = env!("CARGO_BIN_EXE_helper");
    let path = database.path();
    let inside = || {
        std::process::Command::new("unshare")
            .args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", helper])
            .arg(&path)
            .arg("origin")
            .output()
            .expect("unshare is there: it is part of every Linux")
    };
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let joined = inside();
    assert_eq!(String::from_utf8_lossy(&joined.stdout).trim(), "Joined", "{}", said(&joined));
    // With no process attached it takes the file over.
    drop(engine);
    let adopted = inside();
    assert_eq!(String::from_utf8_lossy(&adopted.stdout).trim(), "Adopted", "{}", said(&adopted));
}

#[test]
fn a_truncated_live_file() {
    let database = database();
    drop(database.with_acme());
    for kept in [Some(0), Some(100), Some(4096), None] {
        // A file that was made again may have another length than the one before it.
        let len = fs::metadata(database.live()).expect("exists").len();
        let kept = kept.unwrap_or(len - 4096);
        let file = fs::OpenOptions::new().write(true).open(database.live()).expect("opens");
        file.set_len(kept).expect("is truncated");
        let error = open_error(database.builder().open());
        assert!(matches!(error, OpenError::LiveFileDamaged { .. }), "{kept}: {error}");
        assert_eq!(fs::metadata(database.live()).expect("exists").len(), kept, "left as it is");
        file.set_len(len).expect("is enlarged");
        drop(file);
        fs::remove_file(database.live()).expect("is removed");
        drop(database.open());
    }
}

#[test]
fn a_foreign_live_file() {
    let database = database();
    drop(database.with_acme());
    let other = self::database();
    drop(other.with_acme());
    fs::copy(other.live(), database.live()).expect("is copied");
    let error = open_error(database.builder().open());
    assert!(matches!(error, OpenError::LiveFileForeign { .. }), "{error}");
    fs::write(database.live(), vec![b'x'; 100_000]).expect("is written");
    let error = open_error(database.builder().open());
    assert!(matches!(error, OpenError::LiveFileForeign { .. }), "{error}");
    assert_eq!(fs::read(database.live()).expect("reads"), vec![b'x'; 100_000], "nothing changed");
}

#[test]
fn a_live_file_of_another_version_or_machine() {
    for word in [1, 2] {
        let database = database();
        drop(database.with_acme());
        let file = fs::OpenOptions::new().write(true).open(database.live()).expect("opens");
        file.write_all_at(&99u64.to_le_bytes(), word * 8).expect("is written");
        let error = open_error(database.builder().open());
        assert!(matches!(error, OpenError::LiveFileVersion { found: 99, .. }), "{error}");
    }
}

#[test]
fn a_live_file_of_another_boot_is_rebuilt() {
    let database = database();
    drop(database.with_acme());
    let file = fs::OpenOptions::new().write(true).open(database.live()).expect("opens");
    file.write_all_at(&99u64.to_le_bytes(), 5 * 8).expect("is written");
    let engine = database.open();
    assert_eq!(engine.opening().origin, Origin::Rebuilt);
    assert!(engine.opening().may_miss_consumption);
    assert_eq!(balance(&engine, "acme", "credits").0, 993);
}

#[test]
fn a_live_file_with_words_that_lead_outside_is_poisoned_not_followed() {
    let database = database();
    drop(database.with_acme());
    // The directory's table, far outside the file.
    let file = fs::OpenOptions::new().write(true).open(database.live()).expect("opens");
    let wild = (1u64 << 46) << 16 | 10;
    file.write_all_at(&wild.to_le_bytes(), 15 * 8).expect("is written");
    let engine = database.open();
    let answer = engine.consume("acme", "credits", 1);
    assert!(matches!(answer, Err(Error::UnknownTenant(_) | Error::Poisoned(_))), "{answer:?}");
    assert!(engine.consume("acme", "credits", 1).is_err());
}

#[test]
fn a_database_that_is_none_or_another_programs_or_newer() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("not.db");
    fs::write(
        &path,
        "this is a text file, and long enough to have a header of SQLite's length, \
                      which has one hundred bytes",
    )
    .expect("is written");
    let error = open_error(Engine::open(&path));
    assert!(matches!(error, OpenError::ForeignDatabase { .. }), "{error}");
    let error = open_error(Engine::open(directory.path()));
    assert!(matches!(&error, OpenError::Io { path, .. } if path == directory.path()), "{error}");

    for (statement, is_expected) in [
        ("PRAGMA application_id = 7", 101),
        ("CREATE TABLE theirs (id INTEGER)", 101),
        ("PRAGMA application_id = 0x436F7461; PRAGMA user_version = 99", 102),
    ] {
        let path = directory.path().join(format!("{}.db", statement.len()));
        sql(&path, statement);
        let error: Error = open_error(Engine::open(&path)).into();
        assert_eq!(error.code(), is_expected, "{statement}: {error}");
    }
}

/// Takes everything away that schema 2 brought.
const BACK_TO_SCHEMA_1: &str = "
    DROP INDEX tenants_by_status;
    DROP INDEX history_denied;
    DROP TABLE totals;
    DROP TABLE webhook_deliveries;
    DROP TABLE webhooks;
    DROP TABLE access_tokens;
    ALTER TABLE audit DROP COLUMN actor;
    DROP TABLE charges;
    DROP TABLE erased_tenants;
    DROP INDEX tenants_on_trial;
    ALTER TABLE tenants DROP COLUMN removal_announced;
    ALTER TABLE subscriptions DROP COLUMN last_start;
    ALTER TABLE subscriptions DROP COLUMN gateway_ended_at;
    ALTER TABLE subscriptions DROP COLUMN gateway_paid_at;
    ALTER TABLE admin_keys DROP COLUMN answer;
    ALTER TABLE subscriptions DROP COLUMN limits;
    ALTER TABLE subscriptions DROP COLUMN features;
    ALTER TABLE subscriptions DROP COLUMN payment_method;
    ALTER TABLE names DROP COLUMN resource_kind;
    ALTER TABLE tenants DROP COLUMN overrides;
    ALTER TABLE tenants DROP COLUMN month_start;
    ALTER TABLE tenants DROP COLUMN next_event;
    ALTER TABLE grants DROP COLUMN returned;
    ALTER TABLE usage DROP COLUMN beyond;
    ALTER TABLE usage DROP COLUMN watched_before;
    ALTER TABLE usage DROP COLUMN watched_limit;
    ALTER TABLE usage DROP COLUMN watched_period;
    ALTER TABLE usage DROP COLUMN next_event;
    ALTER TABLE period_usage DROP COLUMN beyond;
    DROP TABLE months;
    DROP TABLE profiles;
    DROP TABLE payment_events;
    DROP TABLE invoice_lines;
    DROP TABLE invoices;
    DROP TABLE purchases;
    DROP INDEX subscriptions_by_gateway_id;
    ALTER TABLE subscriptions DROP COLUMN payment_type;
    ALTER TABLE subscriptions DROP COLUMN gateway_id;
    DROP TABLE seats;
    DROP TABLE outbox;
    PRAGMA user_version = 1;
";

#[test]
fn a_database_of_schema_1_learns_the_kinds_of_its_resources() {
    let database = database();
    drop(database.with_acme());
    std::fs::remove_file(database.live()).expect("is removed");
    sql(&database.path(), BACK_TO_SCHEMA_1);
    let engine = database.open();
    assert_eq!(balance(&engine, "acme", "credits").0, 993);
    let load = |from: &str, to: &str| {
        let text = cotas_tests::CATALOG.replace(from, to);
        engine.load_catalog(&Catalog::parse(&text, "test.toml").expect("is valid"))
    };
    let seat = "[resources.users]\nkind = \"seat\"";
    let changed = load(seat, "[resources.users]\nkind = \"meter\"").expect_err("is refused");
    let why = "\"users\" is a seat; it cannot become a meter";
    assert!(changed.to_string().contains(why), "{changed}");
    assert_eq!(load("sms = 10", "sms = 11").expect("loads"), 2);
    let connection = rusqlite::Connection::open(database.path()).expect("opens");
    let kinds = "SELECT group_concat(name || ' ' || resource_kind, ', ' ORDER BY name) FROM names
                 WHERE kind = 'resource'";
    let kinds: String = connection.query_row(kinds, [], |row| row.get(0)).expect("reads");
    assert!(kinds.contains("sessions session, sms allowance, "), "{kinds}");
    assert!(kinds.ends_with("users seat, watched allowance"), "{kinds}");
    assert_sound(&engine);
}

fn sql(path: &std::path::Path, statement: &str) {
    let connection = rusqlite::Connection::open(path).expect("opens");
    connection.execute_batch(statement).expect("runs");
}

#[test]
fn a_directory_that_does_not_exist() {
    let error = open_error(Engine::open("/nonexistent/directory/app.db"));
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
}

#[test]
fn files_that_may_not_be_written() {
    // A user other than root: the helper process gives its rights up before it opens.
    let database = database();
    drop(database.with_acme());
    let everybody = fs::Permissions::from_mode(0o777);
    fs::set_permissions(database.directory(), everybody).expect("is set");
    for (name, code) in [("app.db-live", "100 "), ("app.db", "203 ")] {
        let path = database.directory().join(name);
        let before = fs::metadata(&path).expect("exists").permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("is set");
        let mut command = database.command(&["grant", "acme", "1", name]);
        let output = command.env("COTAS_AS_NOBODY", "1").output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with(code) || said.starts_with("100 "), "{name}: {said}");
        fs::set_permissions(&path, before).expect("is set");
    }
    let engine = database.open();
    assert_eq!(balance(&engine, "acme", "credits").0, 993);
}

#[test]
fn what_is_made_for_a_database_belongs_to_its_owner() {
    let database = database();
    drop(database.with_acme());
    let owner = |name: &str| {
        let data = fs::metadata(database.directory().join(name)).expect("exists");
        (data.uid(), data.gid(), data.mode() & 0o777)
    };
    fs::set_permissions(database.path(), fs::Permissions::from_mode(0o660)).expect("is set");
    fs::remove_file(database.live()).expect("is removed");
    fs::remove_file(database.directory().join("app.db-lock")).expect("is removed");
    drop(database.open());
    assert_eq!(owner("app.db-live"), owner("app.db"));
    assert_eq!(owner("app.db-lock"), owner("app.db"));
}

/// Fills a file system of 3 MiB, in a mount namespace of its own, with a database or with the
/// live file of one that lies elsewhere.
fn on_a_small_disk(live_only: bool) -> String {
    let small = tempfile::tempdir().expect("a directory");
    let large = tempfile::tempdir().expect("a directory");
    let database = if live_only { large.path() } else { small.path() };
    let script = format!(
        "mount -t tmpfs -o size=3m none {small} && exec {helper} {database}/app.db full-disk",
        small = small.path().display(),
        helper = env!("CARGO_BIN_EXE_helper"),
        database = database.display(),
    );
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .env("COTAS_NOW", cotas_tests::at(cotas_tests::NOON).ms().to_string())
        .env("COTAS_MAINTENANCE", "external")
        .env("COTAS_LIVE", small.path())
        .output()
        .expect("runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_full_disk_at_growth_is_an_error_and_nothing_is_lost() {
    assert_eq!(on_a_small_disk(true), "501, and what there was goes on");
}

#[test]
fn a_full_disk_at_a_commit_is_an_error_and_nothing_is_lost() {
    assert_eq!(on_a_small_disk(false), "201, and what there was goes on");
}

#[test]
fn store_errors_have_numbers_of_their_own() {
    let error: Error = StoreError::Poisoned.into();
    assert_eq!(error.code(), 205);
}
