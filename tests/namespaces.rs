//! Processes of several PID and mount namespaces on one database, as containers that share a volume
//! are. What needs rights that this process does not have is skipped, with a message.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cotas::{Engine, Limit, Maintenance, ManualClock, Origin};
use cotas_tests::{Database, NOON, add_tenant, assert_sound, at, balance, catalog};

const HELPER: &str = env!("CARGO_BIN_EXE_helper");
const LIMIT: u64 = 1_000;

fn database() -> Database {
    Database::new(HELPER)
}

fn open_at_noon(path: &Path) -> Engine {
    let clock = Arc::new(ManualClock::new(at(NOON)));
    let builder = Engine::builder(path).clock(clock).maintenance(Maintenance::External);
    builder.open().expect("opens")
}

/// Whether namespaces and mounts may be made; says so where not.
fn may(what: &str) -> bool {
    let made = Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).status();
    let may = made.is_ok_and(|status| status.success());
    if !may {
        println!("skipped: {what}: needs the right to make namespaces (root)");
    }
    may
}

/// How often the long tests go round.
fn rounds() -> u64 {
    std::env::var("COTAS_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// The helper in a PID namespace of its own, several times: killed all at once, as a container is.
fn container(path: &Path, processes: usize, words: &[&str]) -> Child {
    let each = "for i in $(seq $0); do \"$@\" & done; wait";
    Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", each])
        .arg(processes.to_string())
        .arg(HELPER)
        .arg(path)
        .args(words)
        .env("COTAS_NOW", at(NOON).ms().to_string())
        .env("COTAS_MAINTENANCE", "thread")
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare is part of every Linux")
}

fn sum(output: &Output) -> u64 {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.parse::<u64>().expect("a number"))
        .sum()
}

/// Uses a tenant up from several namespaces, of which one is killed meanwhile.
fn use_up(engine: &Engine, path: &Path, round: u64, namespaces: u64) {
    let tenant = format!("t{namespaces}-{round}");
    add_tenant(engine, &tenant, "full", "2026-05-20", true);
    engine.set_limit(&tenant, "credits", Limit::Finite(LIMIT)).expect("is set");
    let gate = path.with_extension(&tenant);
    let gate_text = gate.to_str().expect("is UTF-8").to_owned();
    let mut containers: Vec<_> =
        (0..namespaces).map(|_| container(path, 2, &["drain", &tenant, "2", &gate_text])).collect();
    // Those that come late find less; the pause spreads the kill over what the others do.
    std::thread::sleep(Duration::from_millis(20));
    fs::write(&gate, []).expect("is written");
    std::thread::sleep(Duration::from_millis(round * 7 % 40));
    let mut killed = containers.remove((round % namespaces) as usize);
    killed.kill().expect("is killed");
    killed.wait().expect("is gone");
    let outputs = containers.into_iter().map(|child| child.wait_with_output().expect("ends"));
    let survivors: u64 = outputs.map(|output| sum(&output)).sum();
    assert_eq!(balance(engine, &tenant, "credits"), (0, Some(LIMIT)), "round {round}");
    assert!(survivors <= LIMIT, "round {round}: {survivors}");
}

#[test]
fn i1_two_and_four_pid_namespaces_with_kills_admit_exactly_the_limit() {
    if !may("PID namespaces") {
        return;
    }
    let database = database();
    let engine = database.open();
    engine.load_catalog(&catalog()).expect("loads");
    for round in 0..rounds() {
        use_up(&engine, &database.path(), round, 2);
        use_up(&engine, &database.path(), round, 4);
    }
    assert_sound(&engine);
}

/// An overlay of two directories, which is unmounted with this.
struct Overlay {
    directory: tempfile::TempDir,
}

impl Overlay {
    fn new() -> Option<Overlay> {
        let directory = tempfile::tempdir().expect("a directory");
        let layer = |name: &str| directory.path().join(name);
        for name in ["lower", "upper", "work", "merged"] {
            fs::create_dir(layer(name)).expect("is made");
        }
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            layer("lower").display(),
            layer("upper").display(),
            layer("work").display()
        );
        let mut mount = Command::new("mount");
        mount.args(["-t", "overlay", "overlay", "-o", &layers]).arg(layer("merged"));
        let is_made = mount.status().is_ok_and(|status| status.success());
        is_made.then_some(Overlay { directory })
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("merged/app.db")
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let merged = self.directory.path().join("merged");
        let _ = Command::new("umount").arg("--lazy").arg(merged).status();
    }
}

#[test]
fn i1_where_a_mapping_holds_no_lock_owners_are_looked_for_by_their_process_ids() {
    let Some(overlay) = may("overlayfs").then(Overlay::new).flatten() else {
        return println!("skipped: overlayfs cannot be mounted here");
    };
    let engine = open_at_noon(&overlay.path());
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    engine.set_limit("acme", "credits", Limit::Finite(LIMIT)).expect("is set");
    let gate = overlay.path().with_extension("gate");
    let words = ["drain", "acme", "2", gate.to_str().expect("is UTF-8")];
    let start = || {
        let mut command = Command::new(HELPER);
        command.arg(overlay.path()).args(words).stdout(Stdio::piped());
        command.env("COTAS_NOW", at(NOON).ms().to_string());
        command.env("COTAS_MAINTENANCE", "thread").spawn().expect("starts")
    };
    let mut killed: Vec<_> = (0..3).map(|_| start()).collect();
    let survivors: Vec<_> = (0..3).map(|_| start()).collect();
    std::thread::sleep(Duration::from_millis(100));
    fs::write(&gate, []).expect("is written");
    std::thread::sleep(Duration::from_millis(5));
    for child in &mut killed {
        child.kill().expect("is killed");
        child.wait().expect("is gone");
    }
    for child in survivors {
        assert!(child.wait_with_output().expect("ends").status.success());
    }
    assert_eq!(balance(&engine, "acme", "credits"), (0, Some(LIMIT)));
    assert_sound(&engine);
}

/// Runs a script in a mount namespace of its own; `$0` is the helper, `$1` the directory.
fn in_mount_namespace(database: &Database, script: &str) -> Output {
    Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, HELPER])
        .arg(database.directory())
        .env("COTAS_NOW", at(NOON).ms().to_string())
        .env("COTAS_MAINTENANCE", "external")
        .output()
        .expect("unshare is part of every Linux")
}

fn out(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_directory_that_is_mounted_elsewhere_is_the_same_database() {
    if !may("mount namespaces") {
        return;
    }
    let database = database();
    let engine = database.with_acme();
    let elsewhere = "mkdir -p $1/m && mount --bind $1 $1/m && ";
    let joined = format!("{elsewhere} $0 $1/m/app.db origin");
    let (said, error) = out(&in_mount_namespace(&database, &joined));
    assert_eq!(said, "Joined", "{error}");
    let spent = format!("{elsewhere} $0 $1/m/app.db consume acme 1 3");
    assert_eq!(out(&in_mount_namespace(&database, &spent)).0, "3");
    assert_eq!(balance(&engine, "acme", "credits").0, 990);
    drop(engine);
    let (said, error) = out(&in_mount_namespace(&database, &joined));
    assert_eq!(said, "Adopted", "{error}");
}

#[test]
fn a_read_only_mount_is_refused_and_what_is_there_can_be_looked_at() {
    if !may("mount namespaces") {
        return;
    }
    let database = database();
    drop(database.with_acme());
    let listing = || {
        let entries = fs::read_dir(database.directory()).expect("lists");
        let mut all: Vec<_> = entries
            .map(|entry| entry.expect("is there"))
            .map(|entry| (entry.file_name(), entry.metadata().expect("is there").len()))
            .collect();
        all.sort();
        all
    };
    let before = listing();
    let read_only = "mount --bind $1 $1 && mount -o remount,bind,ro $1 && ";
    let opened = format!("{read_only} $0 $1/app.db origin");
    let (said, error) = out(&in_mount_namespace(&database, &opened));
    assert_eq!(said, "");
    assert!(error.starts_with("100 ") && error.contains("Read-only file system"), "{error}");
    let looked = format!("{read_only} $0 $1/app.db doctor");
    let (said, error) = out(&in_mount_namespace(&database, &looked));
    assert!(said.contains("mounted read-only"), "{said} {error}");
    assert_eq!(listing(), before, "nothing was made or changed");
    assert_eq!(balance(&database.open(), "acme", "credits").0, 993);
}

#[test]
fn i11_a_second_path_to_a_database_is_refused() {
    let database = database();
    drop(database.with_acme());
    let other = tempfile::tempdir_in(database.directory()).expect("a directory");
    let link = other.path().join("app.db");
    fs::hard_link(database.path(), &link).expect("is made");
    for path in [&link, &database.path()] {
        let error = Engine::open(path).err().expect("it is refused");
        assert_eq!(error.code(), 113, "{error}");
        assert!(error.to_string().contains("hard link"), "{error}");
    }
    assert!(!other.path().join("app.db-live").exists(), "nothing was made beside it");
    fs::remove_file(&link).expect("is removed");
    drop(database.open());
    if !may("a mounted file") {
        return;
    }
    let script = "mkdir $1/f && touch $1/f/app.db && mount --bind $1/app.db $1/f/app.db && \
                  $0 $1/f/app.db origin";
    let (said, error) = out(&in_mount_namespace(&database, script));
    assert!(said.is_empty() && error.starts_with("113 "), "{said} {error}");
    assert!(error.contains("the directory, not the file"), "{error}");
}

#[test]
fn i11_a_copy_of_files_in_use_is_refused() {
    let database = database();
    let engine = database.with_acme();
    let copy = tempfile::tempdir().expect("a directory");
    // By another program: to close the database's file here would drop SQLite's locks.
    let mut cp = Command::new("cp");
    cp.arg("-a").arg(database.directory().join(".")).arg(copy.path());
    assert!(cp.status().expect("runs").success());
    let path = copy.path().join("app.db");
    let error = Engine::open(&path).err().expect("it is refused");
    assert_eq!(error.code(), 114, "{error}");
    // Nor without its live file, while the other is in use: it may be the same database, moved.
    fs::remove_file(copy.path().join("app.db-live")).expect("is removed");
    let error = Engine::open(&path).err().expect("it is refused");
    assert_eq!(error.code(), 107, "{error}");
    assert_eq!(balance(&engine, "acme", "credits").0, 993);
}

#[test]
fn i11_a_copy_of_files_that_were_closed_is_a_database_of_its_own() {
    let database = database();
    drop(database.with_acme());
    let copy = tempfile::tempdir().expect("a directory");
    for name in ["app.db", "app.db-live"] {
        fs::copy(database.directory().join(name), copy.path().join(name)).expect("is copied");
    }
    let alone = open_at_noon(&copy.path().join("app.db"));
    assert_eq!(alone.opening().origin, Origin::Rebuilt);
    assert!(!alone.opening().may_miss_consumption);
    assert_eq!(balance(&alone, "acme", "credits").0, 993);
}

#[test]
fn a_closed_database_is_one_whole_file() {
    let database = database();
    drop(database.with_acme());
    let copy = tempfile::tempdir().expect("a directory");
    let path = copy.path().join("app.db");
    fs::copy(database.path(), &path).expect("is copied");
    let alone = open_at_noon(&path);
    assert_eq!(balance(&alone, "acme", "credits").0, 993);
    drop(alone);
    // One that was never closed says at least what it is.
    let killed = self::database();
    let mut holder = killed.hold();
    holder.kill().expect("is killed");
    holder.wait().expect("is gone");
    fs::copy(killed.path(), &path).expect("is copied");
    let bytes = fs::read(&path).expect("reads");
    assert!(bytes.len() > 4096 && bytes.starts_with(b"SQLite format 3\0"));
}

#[test]
fn a_process_whose_database_was_deleted_or_replaced_refuses_for_itself() {
    for replaced in [false, true] {
        let database = database();
        let engine = database.with_acme();
        let aside = database.directory().join("aside.db");
        fs::rename(database.path(), &aside).expect("is moved");
        if replaced {
            fs::write(database.path(), b"another").expect("is written");
        }
        let error = engine.checkpoint().expect_err("its database is gone");
        assert_eq!(error.code(), 503, "{error}");
        assert!(error.to_string().contains("deleted or replaced"), "{error}");
        let error = engine.consume("acme", "credits", 1).expect_err("it refuses");
        assert_eq!(error.code(), 503, "{error}");
        drop(engine);
        // Nothing was lost: the database with its live file is back where it was.
        fs::rename(&aside, database.path()).expect("is moved back");
        assert_eq!(balance(&database.open(), "acme", "credits").0, 993);
    }
}

#[test]
fn a_new_database_cannot_be_read_by_others() {
    let database = database();
    drop(database.with_acme());
    for name in ["app.db", "app.db-live", "app.db-lock"] {
        let mode = fs::metadata(database.directory().join(name)).expect("is there").permissions();
        assert_eq!(mode.mode() & 0o007, 0, "{name}");
    }
}
