//! The administrative lane and the gate that forks shut: whoever waits gets a turn, whatever the
//! others do, and nobody waits for ever.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use cotas::{Engine, Error, Limit, Maintenance, OpenError};
use cotas_tests::{Database, assert_sound};

/// Forks take along what other tests have open, and shut the gate for them too.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn database() -> Database {
    Database::new(env!("CARGO_BIN_EXE_puppet"))
}

/// Forks a child that ends at once, and waits for it.
fn fork_once() {
    // SAFETY: the child only ends.
    unsafe {
        let pid = libc::fork();
        assert!(pid >= 0, "no child to be had");
        if pid == 0 {
            libc::_exit(0);
        }
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
}

fn change(engine: &Engine, number: u64) {
    engine.set_limit("acme", "credits", Limit::Finite(600 + number % 2)).expect("waits");
}

/// Has threads do `other` again and again while this one makes `changes`. How often it was done
/// meanwhile, change by change.
fn others_during(changes: u64, engine: &Engine, threads: u64, other: impl Fn() + Sync) -> Vec<u64> {
    let (is_over, others) = (AtomicBool::new(false), AtomicU64::new(0));
    let done = || others.load(Ordering::Relaxed);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    other();
                    others.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while done() < 10 {
            thread::yield_now();
        }
        let during = (0..changes).map(|number| {
            let before = done();
            change(engine, number);
            done() - before
        });
        let during = during.collect();
        is_over.store(true, Ordering::Relaxed);
        during
    })
}

#[test]
fn who_changes_without_a_pause_keeps_nobody_out_of_the_lane() {
    let _alone = alone();
    let database = database();
    let engine = database.with_acme();
    let work = || assert_eq!(engine.acknowledge_events(0).expect("waits"), 0);
    let others = others_during(1_000, &engine, 1, work);
    // One turn each, but for a thread that has to wait for a processor.
    let late = others.iter().filter(|&&others| others > 20).count();
    assert!(late <= 2, "{late} of 1,000 changes had to wait for more than 20 of another");
    assert_sound(&engine);
}

#[test]
fn forks_without_a_pause_keep_nobody_out_of_the_store() {
    let _alone = alone();
    let database = database();
    let engine = database.with_acme();
    let forks = others_during(50, &engine, 16, fork_once).iter().sum::<u64>();
    assert!(forks < 50 * 4 * 16, "{forks} forks of 16 threads while another made 50 changes");
    assert_sound(&engine);
}

/// Closing the last engine waits for its thread, and that may wait for a fork. The fork must not
/// wait for who closes: not even where that is somebody who found the engine while it was let go,
/// and could not use it.
#[test]
fn whoever_closes_an_engine_keeps_no_fork_waiting() {
    let _alone = alone();
    let database = database();
    drop(database.with_acme());
    let builder = |maintenance| {
        database.builder().maintenance(maintenance).checkpoint_interval(Duration::ZERO)
    };
    let is_over = AtomicBool::new(false);
    let reopen = |maintenance| {
        while !is_over.load(Ordering::Relaxed) {
            match builder(maintenance).open() {
                Ok(engine) => assert!(engine.consume("acme", "credits", 1).is_ok()),
                Err(Error::Open(OpenError::AlreadyOpen { .. })) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| reopen(Maintenance::Thread));
        scope.spawn(|| reopen(Maintenance::Thread));
        scope.spawn(|| reopen(Maintenance::External));
        scope.spawn(|| reopen(Maintenance::External));
        (0..500).for_each(|_| fork_once());
        is_over.store(true, Ordering::Relaxed);
    });
    assert_sound(&database.open());
}
