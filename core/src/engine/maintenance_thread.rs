//! Maintenance: checkpoints, and settlement promptly after its time.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Engine, Shared};
use crate::error::Error;
use crate::live::attach::{self, Attachment};
use crate::live::fork_safe::ForkSafe;
use crate::live::process;
use crate::{crash_points, store};

/// How long closing waits for another process's round of checkpoints.
const LAST_ROUND: Duration = Duration::from_secs(1);
/// How often settlement looks for tenants that are due.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// The state of maintenance in this process.
pub(super) struct MaintenanceThread {
    /// Time between checkpoints.
    pub(super) interval: Duration,
    /// When the last inline checkpoint was begun, by the clock of the call that made it.
    pub(super) last_round_ms: AtomicI64,
    /// Rows that checkpoints of this process have written to the log since it was last trimmed.
    pub(super) rows_in_log: AtomicUsize,
    /// Rows that they have written since the database was opened.
    pub(super) rows_written: AtomicU64,
    /// Whether an engine with a wall clock has been opened: only then does the thread settle.
    pub(super) settles: AtomicBool,
    /// Fork generation, plus one, in which the thread was started; 0: it has not been.
    started_in: AtomicU64,
    stop: AtomicBool,
    /// Locked inside the store alone, so that no fork finds it locked.
    thread: Mutex<Option<Started>>,
    /// What the thread holds.
    fork_safe: ForkSafe<Shared>,
}

/// A thread, and the fork generation in which it was started.
type Started = (u64, JoinHandle<()>);

/// What a call of [`Engine::maintain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Maintained {
    /// Tenants whose changes were written to SQLite.
    pub checkpointed: usize,
    /// Tenants that were settled.
    pub settled: usize,
    /// Ended demonstrations that were removed.
    pub removed: usize,
}

impl MaintenanceThread {
    pub(super) fn new(interval: Duration) -> MaintenanceThread {
        MaintenanceThread {
            interval,
            last_round_ms: AtomicI64::new(i64::MIN / 2),
            rows_in_log: AtomicUsize::new(0),
            rows_written: AtomicU64::new(0),
            settles: AtomicBool::new(false),
            started_in: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            thread: Mutex::new(None),
            fork_safe: ForkSafe::new(),
        }
    }

    /// Notes which thread there is, and gives the one that was noted before.
    fn note_thread(&self, thread: Option<Started>) -> Option<Started> {
        let _fork_guard = store::enter();
        let mut protected = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *protected, thread)
    }

    fn is_started(&self) -> bool {
        self.started_in.load(Ordering::Relaxed) == process::fork_generation() + 1
    }
}

impl Engine {
    /// Starts the maintenance thread, once per process.
    #[inline]
    pub(super) fn ensure_maintenance_thread(&self) {
        if !self.shared.maintenance_thread.is_started() {
            start(&self.shared);
        }
    }

    /// Does now what maintenance does: writes everything that has changed to SQLite, removes
    /// demonstrations whose time has come, makes invoices of erased tenants anonymous, and, if this
    /// engine's clock is a wall clock, settles tenants. Waits for the disk.
    pub fn maintain(&self) -> Result<Maintained, Error> {
        let settled = if self.clock.as_ref().is_none_or(|clock| clock.is_wall()) {
            self.shared.settle_due(self.now())?
        } else {
            0
        };
        let removed = self.shared.remove_ended_trials(self.now())?.len();
        self.shared.anonymise_due(self.now())?;
        Ok(Maintained { checkpointed: self.shared.checkpoint()?, settled, removed })
    }

    /// Writes everything that has changed to SQLite. Waits for the disk.
    pub fn checkpoint(&self) -> Result<usize, Error> {
        self.shared.checkpoint()
    }
}

#[cold]
fn start(shared: &Arc<Shared>) {
    let maintenance_thread = &shared.maintenance_thread;
    let generation = process::fork_generation() + 1;
    let before = maintenance_thread.started_in.load(Ordering::Relaxed);
    let first = maintenance_thread.started_in.compare_exchange(
        before,
        generation,
        Ordering::AcqRel,
        Ordering::Relaxed,
    );
    if before == generation || first.is_err() {
        return;
    }
    maintenance_thread.fork_safe.release_in_child();
    let weak = Arc::downgrade(shared);
    let spawned = thread::Builder::new().name("cotas".to_owned()).spawn(move || keep(&weak));
    match spawned {
        Ok(handle) => {
            std::mem::forget(maintenance_thread.note_thread(Some((generation - 1, handle))));
        }
        // No thread to be had now: the next call tries again.
        Err(_) => maintenance_thread.started_in.store(0, Ordering::Release),
    }
}

/// The thread: until the engine is closed.
fn keep(shared: &Weak<Shared>) {
    process::block_all_signals();
    let mut settled_at: Option<Instant> = None;
    while let Some(shared) = shared.upgrade() {
        // Held over the wait below: the thread that closes the engine sets `stop` and wakes us.
        let shared = ForkSafe::protect(shared, |shared| &shared.maintenance_thread.fork_safe);
        if shared.maintenance_thread.stop.load(Ordering::Acquire) {
            return;
        }
        let seen = shared.live.wake_word();
        // What fails is tried again at the next round; a poisoned file refuses by itself.
        let _ = shared.checkpoint_within(shared.maintenance_thread.interval);
        if shared.maintenance_thread.settles.load(Ordering::Relaxed)
            && settled_at.is_none_or(|at| at.elapsed() >= SETTLE_EVERY)
        {
            settled_at = Some(Instant::now());
            let now = shared.look_at_machine_clock();
            let _ = shared.settle_due(now);
            let _ = shared.remove_ended_trials(now);
            let _ = shared.anonymise_due(now);
        }
        if !shared.maintenance_thread.stop.load(Ordering::Acquire) {
            shared.live.wait_to_be_wanted(seen, shared.maintenance_thread.interval);
        }
    }
}

/// What all engines of one database in this process hold: the last one closes it.
pub(super) struct Opened {
    pub(super) shared: Arc<Shared>,
}

impl Drop for Opened {
    /// Ends the thread and leaves nothing to a checkpoint that will not be made.
    fn drop(&mut self) {
        let maintenance_thread = &self.shared.maintenance_thread;
        maintenance_thread.stop.store(true, Ordering::Release);
        self.shared.live.wake_checkpointer();
        if let Some((generation, handle)) = maintenance_thread.note_thread(None) {
            if generation == process::fork_generation() {
                let _ = handle.join();
            } else {
                // A thread of the parent's: it does not exist here.
                std::mem::forget(handle);
                maintenance_thread.fork_safe.release_in_child();
            }
        }
        let _ = self.shared.checkpoint_within(LAST_ROUND);
        self.shared.leave();
        self.shared.store.close();
    }
}

impl Shared {
    /// Detaches. The last to do so leaves a database that is one whole file: its log is folded
    /// into it, and the live file holds nothing that SQLite does not have.
    fn leave(&self) {
        let attachment = self.attachment.lock().unwrap_or_else(PoisonError::into_inner).take();
        // No child is to inherit the lock of the only one. Nothing is waited for that another
        // process holds: there is none.
        let _fork_guard = store::enter();
        let Some(Ok(Some(last))) = attachment.map(Attachment::try_to_be_last) else { return };
        // Others may have come and died since this process made its last round.
        if self.checkpoint_within(LAST_ROUND).is_ok() && self.store.fold_log().is_ok() {
            attach::mark_clean(&self.live);
        }
        crash_points::point("leave.clean");
        drop(last);
    }
}
