//! Checkpoints: what the blocks hold and SQLite does not have yet, written in batches.
//!
//! A tenant's checkpoint is one snapshot under one lock. No block is locked while SQLite works.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Maintenance, Shared, not_locked};
use crate::clock::Timestamp;
use crate::crash_points;
use crate::error::Error;
use crate::live::directory;
use crate::live::layout::header;
use crate::live::lock;
use crate::store::{Sync, Write};

/// Rows that one transaction writes, where tenants allow.
const ROWS_PER_COMMIT: usize = 2_000;
/// Rows written by this process after which the write-ahead log is moved into the database:
/// well before SQLite would do it in the middle of somebody's commit.
const ROWS_PER_TRIM: usize = 10_000;
/// How long one round waits for another process's.
const ROUND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a checkpoint waits for a tenant that somebody holds: it comes again.
const RECORD_TIMEOUT: Duration = Duration::from_millis(50);
/// How long a decision waits for room that only a checkpoint can make.
const CAPACITY_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a waiting caller looks again, in case the one it waits for has died.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What comes of one round besides what is written.
#[derive(Default)]
struct Round {
    /// Why a block could not be written.
    failed: Option<Error>,
    /// Bytes of the live file that tenants will soon ask for.
    wanted: u64,
}

impl Round {
    fn note(&mut self, error: Error) {
        self.failed = self.failed.take().or(Some(error));
    }
}

impl Shared {
    /// Writes everything that has changed. Waits for the disk. Says how many tenants that were.
    pub(super) fn checkpoint(&self) -> Result<usize, Error> {
        self.checkpoint_within(ROUND_TIMEOUT)
    }

    /// As [`checkpoint`](Self::checkpoint), giving up where another process is at it for longer
    /// than `patience`.
    pub(super) fn checkpoint_within(&self, timeout: Duration) -> Result<usize, Error> {
        self.check_database()?;
        let (turn, lock) = (header::CHECKPOINT_TURN, header::CHECKPOINT_LOCK);
        let _round = lock::take_in_turn(&self.live.memory, turn, lock, timeout)
            .map_err(|error| not_locked("the checkpoint", error))?;
        // Whoever drew a ticket up to here had marked its block before.
        let ticket = self.live.header(header::WANTED);
        let mut dirty = Vec::new();
        directory::for_each_record(&self.live.memory, true, |at| dirty.push(at));
        if dirty.is_empty() && ticket <= self.live.header(header::DURABLE) {
            return Ok(0);
        }
        let mut round = Round::default();
        let mut rest = dirty.as_slice();
        loop {
            rest = self.checkpoint_batch(rest, &mut round)?;
            if rest.is_empty() {
                break;
            }
        }
        if let Some(error) = round.failed {
            return Err(error);
        }
        crash_points::point("round.end");
        self.live.round_ended(ticket);
        // After those who wait for the disk have been told: nothing of theirs depends on it.
        self.trim_log();
        self.live.memory.grow_ahead(round.wanted);
        Ok(dirty.len())
    }

    /// Moves what the write-ahead log holds into the database now and then, so that no commit of
    /// a caller's has to. Failing is no harm: SQLite does it by itself when the log is longer.
    fn trim_log(&self) {
        if self.maintenance_thread.rows_in_log.load(Ordering::Relaxed) >= ROWS_PER_TRIM {
            self.maintenance_thread.rows_in_log.store(0, Ordering::Relaxed);
            let _ = self.store.trim_log();
        }
    }

    /// One transaction: as many of `blocks` as fit. Returns the others. A block that cannot be
    /// written now (its holder is stopped, say) keeps no other from it.
    fn checkpoint_batch<'b>(
        &self,
        records: &'b [u64],
        round: &mut Round,
    ) -> Result<&'b [u64], Error> {
        let _writer_lock = self.lock_writer()?;
        self.store.with(|connection| {
            let mut write = Write::begin(connection, &self.live, Sync::Full)?;
            let mut written = Vec::new();
            let mut rows = 0;
            let mut rest = records;
            while let Some((&at, others)) = rest.split_first() {
                if rows >= ROWS_PER_COMMIT {
                    break;
                }
                match write.attempt(|| self.write_record(&write, at, round)) {
                    Ok(Some((seq, count))) => {
                        written.push((at, seq));
                        rows += count;
                    }
                    Ok(None) => {}
                    Err(error) => round.note(error),
                }
                rest = others;
            }
            crash_points::point("checkpoint.written");
            // Also where nothing was written: earlier commits that did not wait for the disk
            // are waited for now.
            write.commit()?;
            crash_points::point("checkpoint.committed");
            self.maintenance_thread.rows_in_log.fetch_add(rows, Ordering::Relaxed);
            for (at, seq) in written {
                // One that is busy is confirmed by the next round, which finds it committed.
                match self.lock_record_within(at, RECORD_TIMEOUT) {
                    Ok(mut guard) => guard.confirm_snapshot(seq),
                    Err(error) => round.note(error),
                }
                crash_points::point("checkpoint.confirmed");
            }
            Ok(rest)
        })
    }

    /// Writes the checkpoint of one block; `None`: there is nothing to write.
    fn write_record(
        &self,
        write: &Write<'_>,
        at: u64,
        round: &mut Round,
    ) -> Result<Option<(u64, usize)>, Error> {
        let mut guard = self.lock_record_within(at, RECORD_TIMEOUT)?;
        self.resolve(&mut guard, write)?;
        if !guard.is_live() {
            // What a purged tenant has left unwritten is nobody's; its name may be another's.
            guard.mark_clean();
            return Ok(None);
        }
        let Some((row, committed)) = write.checkpointed(guard.hash())? else { return Ok(None) };
        let mut taken = guard.take_snapshot(committed);
        if crash_points::off(crash_points::Guard::Instant) {
            drop(guard);
            std::thread::sleep(Duration::from_millis(1));
            guard = self.lock_record_within(at, RECORD_TIMEOUT)?;
            taken.counters = std::mem::replace(&mut taken, guard.take_snapshot(committed)).counters;
        }
        if taken.seq <= committed {
            guard.mark_clean_if_clean();
            return Ok(None);
        }
        round.wanted = round.wanted.saturating_add(guard.capacity_wanted_next());
        drop(guard);
        crash_points::point("checkpoint.snapshot");
        let rows = write.save_snapshot(row, &taken)?;
        Ok(Some((taken.seq, rows)))
    }

    /// Waits until everything applied so far is on disk.
    pub(super) fn wait_for_disk(&self, timeout: Duration) -> Result<(), Error> {
        let ticket = self.live.draw_ticket();
        let until = Instant::now() + timeout;
        loop {
            let seen = self.live.done_word();
            if self.live.header(header::DURABLE) >= ticket {
                return Ok(());
            }
            self.check_poison()?;
            let now = Instant::now();
            if now >= until {
                return Err(Error::DurabilityUnknown);
            }
            if self.maintenance == Maintenance::Thread {
                self.live.wake_checkpointer();
                self.live.wait_for_round(seen, LOOK_AGAIN.min(until - now));
            } else {
                self.join_round(until - now)?;
            }
        }
    }

    /// Has a round of checkpoints run, or lets another process finish its own.
    fn join_round(&self, timeout: Duration) -> Result<(), Error> {
        match self.checkpoint_within(timeout) {
            Ok(_) => Ok(()),
            Err(Error::Busy { .. } | Error::OwnerNotAsked { .. }) => Err(Error::DurabilityUnknown),
            Err(error) => Err(error),
        }
    }

    /// Waits for a checkpoint, because a tenant's list of changes is full: the one case in which
    /// a decision waits for SQLite.
    pub(super) fn ensure_capacity(&self) -> Result<(), Error> {
        match self.checkpoint_within(CAPACITY_TIMEOUT) {
            // Another tenant may have been held; whether this one has room is seen next.
            Ok(_) | Err(Error::Busy { .. } | Error::OwnerNotAsked { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// [`Maintenance::Inline`]: the call that finds a checkpoint overdue makes it. Failing is no
    /// news for this call, which has been decided; the next one tries again.
    pub(super) fn checkpoint_if_overdue(&self, now: Timestamp) {
        let interval = self.maintenance_thread.interval.as_millis() as i64;
        let last = self.maintenance_thread.last_round_ms.load(Ordering::Relaxed);
        if now.ms() >= last && now.ms() - last < interval {
            return;
        }
        self.maintenance_thread.last_round_ms.store(now.ms(), Ordering::Relaxed);
        let _ = self.checkpoint_within(Duration::ZERO);
    }
}
