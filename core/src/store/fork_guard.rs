//! No connection crosses a fork: SQLite's locks belong to a process, and its list of open files
//! would be inherited. Connections are closed before a fork and no thread is inside SQLite during
//! it.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::Store;
use crate::live::process::{self, ForkHooks};

/// How many threads are using a connection.
static GUARDS: AtomicU32 = AtomicU32::new(0);
/// Forks that are under way, in as many threads: no thread may go in.
static FORKING: AtomicU32 = AtomicU32::new(0);
/// Threads that wait to go in: the next fork lets them.
static WAITING: AtomicU32 = AtomicU32::new(0);
static STORES: Mutex<Vec<Weak<Store>>> = Mutex::new(Vec::new());

const LOOK_AGAIN: Duration = Duration::from_micros(50);

thread_local! {
    /// How often this thread is inside; it may go in again.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Being inside.
pub(crate) struct ForkGuard;

/// Goes in, after any fork that is under way.
pub(crate) fn enter() -> ForkGuard {
    try_enter().unwrap_or_else(wait_to_enter)
}

#[cold]
fn wait_to_enter() -> ForkGuard {
    WAITING.fetch_add(1, Ordering::SeqCst);
    loop {
        std::thread::sleep(LOOK_AGAIN);
        if let Some(fork_guard) = try_enter() {
            WAITING.fetch_sub(1, Ordering::SeqCst);
            return fork_guard;
        }
    }
}

/// Goes in, unless a fork is under way.
pub(crate) fn try_enter() -> Option<ForkGuard> {
    let depth = DEPTH.get();
    if depth == 0 {
        GUARDS.fetch_add(1, Ordering::SeqCst);
        if FORKING.load(Ordering::SeqCst) != 0 {
            GUARDS.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
    }
    DEPTH.set(depth + 1);
    Some(ForkGuard)
}

impl Drop for ForkGuard {
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            GUARDS.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Watches the forks of this process. A thread that goes in or takes a lock that a child may need
/// has called this before.
pub(crate) fn watch_forks() {
    static HOOKS: ForkHooks =
        ForkHooks { before: close_all, after_in_parent: let_in, after_in_child: let_in_child };
    process::watch_forks(&HOOKS);
}

/// Closes the connection of `store` before every fork of this process.
pub(super) fn close_before_forks(store: &Arc<Store>) {
    let _fork_guard = enter();
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    stores.retain(|store| store.strong_count() > 0);
    stores.push(Arc::downgrade(store));
}

fn close_all() {
    // A thread that found the gate shut goes in first: forks of several threads, one after another,
    // would keep it shut for ever.
    while WAITING.load(Ordering::SeqCst) != 0 {
        std::thread::sleep(LOOK_AGAIN);
    }
    FORKING.fetch_add(1, Ordering::SeqCst);
    while GUARDS.load(Ordering::SeqCst) != 0 {
        std::thread::sleep(LOOK_AGAIN);
    }
    // No thread is inside and none can go in: the locks below are free, also in the child.
    for store in STORES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if let Some(store) = store.upgrade() {
            store.close_inside();
        }
    }
}

fn let_in() {
    FORKING.fetch_sub(1, Ordering::SeqCst);
}

/// The threads that were about to go in, or to fork, do not exist in the child.
fn let_in_child() {
    GUARDS.store(0, Ordering::SeqCst);
    WAITING.store(0, Ordering::SeqCst);
    FORKING.store(0, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    #[test]
    fn a_fork_lets_in_a_thread_that_waits_for_another() {
        let (is_in, is_shut) = (&AtomicBool::new(false), &AtomicBool::new(false));
        close_all();
        thread::scope(|scope| {
            scope.spawn(|| {
                let _fork_guard = enter();
                is_in.store(true, Ordering::SeqCst);
            });
            while WAITING.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            scope.spawn(|| {
                close_all();
                is_shut.store(true, Ordering::SeqCst);
                let was_let_in = is_in.load(Ordering::SeqCst);
                let_in();
                assert!(was_let_in, "it waits for a second fork");
            });
            thread::sleep(Duration::from_millis(20)); // It may shut the gate now, if it ever does.
            let was_shut_twice = is_shut.load(Ordering::SeqCst);
            let_in();
            assert!(!was_shut_twice, "a thread waited to go in");
        });
    }
}
