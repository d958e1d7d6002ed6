//! Several threads, processes and forks on one database.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::Duration;

use cotas::{Builder, Durability, Engine, Error, Limit, Maintenance, OpenError, Origin};
use cotas_tests::{
    Database, add_tenant, assert_sound, assert_whole, balance, catalog, open_sessions,
};

fn database() -> Database {
    Database::new(env!("CARGO_BIN_EXE_helper"))
}

/// A child has what this process had open when it was forked, also of other tests, which may wait
/// for it to be released. So tests that fork run alone.
static FORKING: RwLock<()> = RwLock::new(());

fn alone() -> RwLockWriteGuard<'static, ()> {
    FORKING.write().unwrap_or_else(PoisonError::into_inner)
}

fn beside_others() -> RwLockReadGuard<'static, ()> {
    FORKING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the helper processes and adds up what they printed.
fn sum(children: Vec<Child>) -> u64 {
    children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().expect("ends");
            assert!(output.status.success());
            String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().expect("a number")
        })
        .sum()
}

#[test]
fn i1_threads_and_processes_against_a_limit_admit_exactly_the_limit() {
    let _others = beside_others();
    for maintenance in ["external", "inline", "thread"] {
        let database = database();
        let engine = database.with_acme();
        engine.set_limit("acme", "credits", Limit::Finite(50_007)).expect("is raised");
        let children: Vec<_> = (0..3)
            .map(|_| {
                let mut command = database.command(&["consume", "acme", "1", "40000"]);
                command.env("COTAS_MAINTENANCE", maintenance);
                command.stdout(std::process::Stdio::piped()).spawn().expect("starts")
            })
            .collect();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let tenant = engine.tenant("acme").expect("exists");
                thread::spawn(move || {
                    (0..10_000)
                        .filter(|_| tenant.consume("credits", 1).expect("decides").allowed())
                        .count() as u64
                })
            })
            .collect();
        let here: u64 = threads.into_iter().map(|thread| thread.join().expect("ends")).sum();
        assert_eq!(here + sum(children), 50_000, "{maintenance}");
        assert_eq!(balance(&engine, "acme", "credits").0, 0);
        assert_sound(&engine);
    }
}

#[test]
fn two_processes_open_one_session_per_contact() {
    let _others = beside_others();
    let database = database();
    let engine = database.with_acme();
    engine.set_limit("acme", "sessions", Limit::Finite(100_000)).expect("is raised");
    let words = ["open-sessions", "acme", "c", "20000"];
    let children = (0..2)
        .map(|_| {
            let mut command = database.command(&words);
            command.env("COTAS_MAINTENANCE", "thread");
            command.stdout(std::process::Stdio::piped()).spawn().expect("starts")
        })
        .collect();
    assert_eq!(sum(children), 20_000);
    assert_eq!(balance(&engine, "acme", "sessions").0, 80_000);
    assert_sound(&engine);
}

#[test]
fn i7_every_process_sees_a_change_on_its_next_decision() {
    let _others = beside_others();
    let database = database();
    let engine = database.with_acme();
    database.reported(&["suspend", "acme"]);
    assert!(!engine.consume("acme", "credits", 1).expect("decides").allowed());
    database.reported(&["catalog-small"]);
    assert_eq!(engine.catalog().expect("reads").0, 2);
}

/// A database whose last process was killed with 500 units used since the last checkpoint.
fn torn() -> Database {
    let database = database();
    drop(database.with_acme());
    let mut command = database.command(&["acks", "acme", "500"]);
    let output = command.env("COTAS_ABANDON", "1").output().expect("ends");
    assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'.').count(), 500);
    database
}

#[test]
fn i2_a_torn_shutdown_loses_nothing() {
    let _others = beside_others();
    let database = torn();
    let engine = database.open();
    assert_whole(&engine);
    assert!(!engine.opening().may_miss_consumption);
    assert_eq!(balance(&engine, "acme", "credits").0, 493);
    assert_sound(&engine);
}

#[test]
fn after_a_power_cut_the_state_is_that_of_the_last_checkpoint_and_opening_says_so() {
    let _others = beside_others();
    let database = torn();
    std::fs::remove_file(database.live()).expect("is removed");
    let engine = database.open();
    assert_eq!(engine.opening().origin, Origin::Rebuilt);
    assert!(engine.opening().may_miss_consumption);
    assert_eq!(balance(&engine, "acme", "credits").0, 993, "in the customer's favour");
    assert_sound(&engine);
}

#[test]
fn i2_what_was_acknowledged_by_the_disk_survives_a_power_cut() {
    let _others = beside_others();
    for maintenance in ["thread", "inline", "external"] {
        let database = database();
        drop(database.with_acme());
        let mut command = database.command(&["disk-acks", "acme", "40"]);
        command.env("COTAS_MAINTENANCE", maintenance).env("COTAS_ABANDON", "1");
        let output = command.output().expect("ends");
        assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'.').count(), 40);
        std::fs::remove_file(database.live()).expect("is removed");
        let engine = database.open();
        assert_eq!(balance(&engine, "acme", "credits").0, 953, "{maintenance}");
        assert_sound(&engine);
    }
}

#[test]
fn many_callers_may_wait_for_the_disk_at_once() {
    let _others = beside_others();
    let database = database();
    let engine = database
        .builder()
        .maintenance(Maintenance::Thread)
        .durability(Durability::Disk)
        .open()
        .expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let tenant = engine.tenant("acme").expect("exists");
            thread::spawn(move || {
                for _ in 0..20 {
                    assert!(tenant.consume("credits", 1).expect("is durable").allowed());
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("ends"));
    assert_eq!(balance(&engine, "acme", "credits").0, 840);
}

#[test]
fn a_decision_that_the_disk_does_not_confirm_in_time_is_applied_and_says_so() {
    let _others = beside_others();
    let database = database();
    let engine = database.with_acme();
    let non_blocking = database
        .builder()
        .durability(Durability::Disk)
        .disk_timeout(Duration::ZERO)
        .open()
        .expect("is shared");
    assert!(matches!(non_blocking.consume("acme", "credits", 1), Err(Error::DurabilityUnknown)));
    assert_eq!(balance(&engine, "acme", "credits").0, 992);
}

#[test]
fn many_entries_wait_for_a_checkpoint_and_not_for_ever() {
    let _others = beside_others();
    for maintenance in [Maintenance::External, Maintenance::Inline, Maintenance::Thread] {
        let database = database();
        let engine = database.builder().maintenance(maintenance).open().expect("opens");
        engine.load_catalog(&catalog()).expect("loads");
        add_tenant(&engine, "acme", "full", "2026-05-20", true);
        engine.set_limit("acme", "sessions", Limit::Finite(100_000)).expect("is raised");
        assert_eq!(open_sessions(&engine, "acme", "c", 15_000).expect("decides"), 15_000);
        assert_eq!(open_sessions(&engine, "acme", "c", 15_000).expect("decides"), 0);
        assert_sound(&engine);
    }
}

#[test]
fn opening_with_a_live_file_reads_no_tenant_from_sqlite() {
    let _others = beside_others();
    let database = database();
    drop(database.with_acme());
    let hide = |sql: &str| {
        let connection = rusqlite::Connection::open(database.path()).expect("opens");
        connection.execute_batch(sql).expect("runs");
    };
    hide("ALTER TABLE tenants RENAME TO hidden");
    let engine = database.open();
    assert_whole(&engine);
    assert_eq!(engine.consume("acme", "credits", 1).expect("decides").used, 8);
    assert!(engine.report("acme").is_err(), "there is nothing to read");
    std::mem::forget(engine);
}

#[test]
fn the_second_open_in_a_process_shares_the_engine() {
    let _others = beside_others();
    let database = database();
    let first = database.with_acme();
    let second = database.open();
    assert!(second.consume("acme", "credits", 1).expect("decides").allowed());
    assert_eq!(balance(&first, "acme", "credits").0, 992);
    let other = database.builder().maintenance(Maintenance::Thread).open();
    assert!(matches!(other, Err(Error::Open(OpenError::AlreadyOpen { .. }))));
}

/// Files opened while `work` is done, of those that stand beside the database.
fn opened_while(database: &Database, work: impl FnOnce()) -> usize {
    let directory = CString::new(database.directory().as_os_str().as_bytes()).expect("no NUL");
    let mut events = [0u8; 1 << 16];
    // SAFETY: plain system calls with a path, and a buffer of the length that is said.
    unsafe {
        let watch = libc::inotify_init1(libc::IN_NONBLOCK);
        assert!(libc::inotify_add_watch(watch, directory.as_ptr(), libc::IN_OPEN) >= 0);
        work();
        let bytes = libc::read(watch, events.as_mut_ptr().cast(), events.len());
        libc::close(watch);
        usize::try_from(bytes).unwrap_or(0)
    }
}

fn is_attached(database: &Database) -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("can be read");
    maps.contains(database.live().to_str().expect("is UTF-8"))
}

fn decides_after_opening(builder: &Builder) -> u64 {
    let engine = builder.open().expect("opens");
    engine.consume("acme", "credits", 1).expect("decides").used
}

#[test]
fn an_engine_that_is_kept_open_is_found_again_without_opening_a_file() {
    let _others = beside_others();
    let database = database();
    let (kept, passing) = (database.builder().keep_open(true), database.builder());
    drop(database.with_acme());
    assert!(opened_while(&database, || assert_eq!(decides_after_opening(&passing), 8)) > 0);
    assert!(!is_attached(&database), "without it, it is released");
    assert_eq!(decides_after_opening(&kept), 9);
    assert!(is_attached(&database));
    let again = || (10..110).for_each(|used| assert_eq!(decides_after_opening(&kept), used));
    assert_eq!(opened_while(&database, again), 0);
    let other = kept.clone().maintenance(Maintenance::Thread).open();
    assert!(matches!(other, Err(Error::Open(OpenError::AlreadyOpen { .. }))));
    assert_eq!(decides_after_opening(&passing), 110);
    assert!(!is_attached(&database), "the last to open it decides");
}

#[test]
fn a_child_finds_the_engine_that_its_parent_kept_and_each_lets_it_go_alone() {
    let _alone = alone();
    let database = database();
    let kept = database.builder().keep_open(true);
    drop(database.with_acme());
    decides_after_opening(&kept);
    // One after another: a file that any process opens there is seen.
    assert!((0..4).all(|_| {
        ended_well(in_child(|| {
            // Its first lock makes it an owner of its own, which opens the live file.
            decides_after_opening(&kept);
            let found = opened_while(&database, || assert!(decides_after_opening(&kept) > 9));
            decides_after_opening(&database.builder());
            found == 0 && !is_attached(&database)
        }))
    }));
    assert!(is_attached(&database));
    assert_eq!(decides_after_opening(&database.builder()), 21);
    assert_whole(&database.open());
}

#[test]
fn an_engine_that_refuses_everything_is_not_kept() {
    let _others = beside_others();
    let database = database();
    let kept = database.builder().keep_open(true);
    drop(database.with_acme());
    decides_after_opening(&kept);
    // The header's word for "a commit's outcome is unknown" (docs/live-file.md).
    let file = std::fs::OpenOptions::new().write(true).open(database.live()).expect("is there");
    file.write_all_at(&1u64.to_ne_bytes(), 160).expect("is written");
    assert_eq!(decides_after_opening(&kept), 9, "it was opened again, which puts it right");
    let user = kept.open().expect("opens");
    file.write_all_at(&1u64.to_ne_bytes(), 160).expect("is written");
    let refused = kept.open().expect("is shared").consume("acme", "credits", 1);
    assert_eq!(refused.expect_err("refuses").code(), 503);
    drop(user);
    assert!(!is_attached(&database));
    assert_eq!(decides_after_opening(&kept), 10);
    decides_after_opening(&database.builder());
}

#[test]
fn maintenance_settles_tenants_promptly_by_the_wall_clock() {
    let _others = beside_others();
    let engine = Engine::in_memory().maintenance(Maintenance::External).open().expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    let today = engine.now().to_utc().date_naive();
    let mut new = cotas::NewTenant::new("acme").plan("full", today - chrono::Days::new(40), true);
    new.created_at = Some(engine.now().plus_ms(-50 * 86_400_000));
    engine.create_tenant(&new).expect("is created");
    let done = engine.maintain().expect("maintains");
    assert_eq!(done.settled, 1);
    assert_eq!(engine.periods("acme").expect("reads").len(), 2);
    assert_eq!(engine.maintain().expect("maintains").settled, 0);
}

/// Forks; the child runs `work` and ends with 0 if it says so.
fn in_child(work: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the child only runs `work` and `_exit`s; the engine is made for it.
    unsafe {
        let pid = libc::fork();
        assert!(pid >= 0, "no child to be had");
        if pid == 0 {
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            libc::_exit(i32::from(!matches!(good, Ok(true))));
        }
        pid
    }
}

fn ended_well(pid: libc::pid_t) -> bool {
    let mut status = 0;
    // SAFETY: plain call with a child of ours.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    status == 0
}

#[test]
fn forked_children_work_at_once_and_none_shares_a_connection() {
    let _alone = alone();
    for maintenance in [Maintenance::Thread, Maintenance::External, Maintenance::Inline] {
        let database = database();
        let engine = database.builder().maintenance(maintenance).open().expect("opens");
        engine.load_catalog(&catalog()).expect("loads");
        add_tenant(&engine, "acme", "full", "2026-05-20", true);
        assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
        let children: Vec<_> = (0..4)
            .map(|index| {
                let engine = engine.clone();
                in_child(move || {
                    let name = format!("child{index}");
                    let decided = (0..100)
                        .all(|_| engine.consume("acme", "credits", 1).is_ok_and(|it| it.allowed()));
                    add_tenant(&engine, &name, "full", "2026-05-20", true);
                    let own = engine.consume(&name, "credits", 5).is_ok_and(|it| it.allowed());
                    // Both orders of exit: some close the engine, some just go.
                    if index % 2 == 0 {
                        drop(engine);
                    } else {
                        std::mem::forget(engine);
                    }
                    decided && own
                })
            })
            .collect();
        // The parent goes on meanwhile.
        add_tenant(&engine, "parent", "full", "2026-05-20", true);
        for pid in children {
            assert!(ended_well(pid), "{maintenance:?}");
        }
        assert_eq!(balance(&engine, "acme", "credits").0, 599, "{maintenance:?}");
        assert_eq!(engine.tenants().expect("reads").len(), 6);
        assert_sound(&engine);
    }
}

#[test]
fn forks_writers_and_openers_do_not_wait_for_each_other_for_ever() {
    let _alone = alone();
    let (database, other) = (database(), self::database());
    let (engine, other) = (&database.with_acme(), &other);
    drop(other.with_acme());
    let is_over = AtomicBool::new(false);
    let until_over = &|work: &dyn Fn()| {
        while !is_over.load(Ordering::Relaxed) {
            work();
        }
    };
    thread::scope(|scope| {
        // In an admin transaction, reading for long, and opening what another is just closing.
        let limit = || engine.set_limit("acme", "credits", Limit::Finite(600)).expect("waits");
        let load = || assert!(engine.load_catalog(&catalog()).expect("waits") > 0);
        let verify = || assert_eq!(engine.verify().expect("waits"), []);
        scope.spawn(move || until_over(&limit));
        scope.spawn(move || until_over(&load));
        scope.spawn(move || until_over(&verify));
        let reopen =
            || assert!(other.open().set_limit("acme", "credits", Limit::Finite(9)).is_ok());
        scope.spawn(move || until_over(&reopen));
        scope.spawn(move || until_over(&reopen));
        for _ in 0..100 {
            assert!(ended_well(in_child(|| engine.check("acme", "credits", 1).is_ok())));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_sound(engine);
}

/// Closing the last engine waits for its thread, and that may wait for a fork. The fork must not
/// wait for who closes: not even where that is a thread that found the engine while it was
/// released, and could not use it.
#[test]
fn closing_an_engine_keeps_no_fork_waiting() {
    let _alone = alone();
    let database = database();
    drop(database.with_acme());
    let builder = |maintenance| {
        database.builder().maintenance(maintenance).checkpoint_interval(Duration::ZERO)
    };
    let is_over = AtomicBool::new(false);
    let reopen = &|maintenance| {
        while !is_over.load(Ordering::Relaxed) {
            match builder(maintenance).open() {
                Ok(engine) => assert!(engine.consume("acme", "credits", 1).is_ok()),
                Err(Error::Open(OpenError::AlreadyOpen { .. })) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    thread::scope(|scope| {
        for maintenance in [Maintenance::Thread, Maintenance::External].repeat(2) {
            scope.spawn(move || reopen(maintenance));
        }
        (0..300).for_each(|_| assert!(ended_well(in_child(|| true))));
        is_over.store(true, Ordering::Relaxed);
    });
    assert_sound(&database.open());
}
