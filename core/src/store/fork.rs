//! No connection crosses a fork: SQLite's locks belong to a process, and its list of open files
//! would be inherited. Connections are closed before a fork and nobody is inside SQLite during it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::Store;
use crate::live::process::{self, ForkHooks};

/// How many threads are using a connection.
static INSIDE: AtomicU32 = AtomicU32::new(0);
/// A fork is under way: nobody may go in.
static FORKING: AtomicBool = AtomicBool::new(false);
static STORES: Mutex<Vec<Weak<Store>>> = Mutex::new(Vec::new());

const LOOK_AGAIN: Duration = Duration::from_micros(50);

/// Being inside.
pub(super) struct Passage;

/// Goes in, after any fork that is under way.
pub(super) fn enter() -> Passage {
    loop {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        if !FORKING.load(Ordering::SeqCst) {
            return Passage;
        }
        INSIDE.fetch_sub(1, Ordering::SeqCst);
        std::thread::sleep(LOOK_AGAIN);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Closes the connection of `store` before every fork of this process.
pub(crate) fn watch_forks(store: &Arc<Store>) {
    process::watch_forks(ForkHooks {
        before: close_all,
        after_in_parent: open_gate,
        after_in_child: open_empty_gate,
    });
    let _passage = enter();
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    stores.retain(|store| store.strong_count() > 0);
    stores.push(Arc::downgrade(store));
}

fn close_all() {
    FORKING.store(true, Ordering::SeqCst);
    while INSIDE.load(Ordering::SeqCst) != 0 {
        std::thread::sleep(LOOK_AGAIN);
    }
    // Nobody is inside and nobody can go in: the locks below are free, also in the child.
    for store in STORES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if let Some(store) = store.upgrade() {
            store.close();
        }
    }
}

fn open_gate() {
    FORKING.store(false, Ordering::SeqCst);
}

/// The threads that were about to go in do not exist in the child.
fn open_empty_gate() {
    INSIDE.store(0, Ordering::SeqCst);
    open_gate();
}
