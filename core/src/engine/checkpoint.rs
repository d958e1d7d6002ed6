//! Checkpoints: what the records hold and SQLite does not have yet, written in batches.
//!
//! A tenant's checkpoint is one snapshot under one lock. No record is locked while SQLite works.
//! Tenants that callers wait for come first in every transaction, and one of those callers writes
//! for all of them where no round is under way.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::admin_tx::WRITER_TIMEOUT;
use super::{Maintenance, Shared, not_locked};
use crate::clock::Timestamp;
use crate::crash_points;
use crate::error::Error;
use crate::live::directory::{self, Mark};
use crate::live::lag;
use crate::live::layout::{header, record};
use crate::live::lock::{self, HeldLong};
use crate::store::{Sync, Write};

/// Rows that one transaction writes, where tenants allow.
const ROWS_PER_COMMIT: usize = 2_000;
/// Rows of others that it writes where a caller waits for a tenant in it.
const ROWS_BESIDE_AWAITED: usize = 200;
/// Rows written by this process after which the write-ahead log is moved into the database:
/// well before SQLite would do it in the middle of a commit.
const ROWS_PER_TRIM: usize = 10_000;
/// How long one round waits for another process's.
const ROUND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a checkpoint waits for a tenant that another thread holds: it comes again.
const RECORD_TIMEOUT: Duration = Duration::from_millis(50);
/// How long a decision waits for capacity that only a checkpoint can make.
const CAPACITY_TIMEOUT: Duration = Duration::from_secs(10);
/// The lag from which on a caller that wrote its own tenant looks whether any other has changed.
const LAG_OF_A_LONE_CALLER_MS: u64 = 1_000;
/// How often a waiting caller looks again, in case the one it waits for has died.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What comes of one round besides what is written.
#[derive(Default)]
struct Round {
    /// Why a record could not be written.
    failed: Option<Error>,
    /// Bytes of the live file that tenants will soon ask for.
    wanted: u64,
}

/// What one transaction holds.
#[derive(Default)]
struct Batch {
    /// The records that were looked at.
    records: HashSet<u64>,
    /// Those of which something was written, with the sequence number of each snapshot.
    written: Vec<(u64, u64)>,
    rows: usize,
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
    /// than `timeout`.
    pub(super) fn checkpoint_within(&self, timeout: Duration) -> Result<usize, Error> {
        self.check_database()?;
        let _round = self.begin_round(timeout)?;
        self.note_outcome(self.checkpoint_all())
    }

    /// One round. The caller holds the checkpoint lock.
    fn checkpoint_all(&self) -> Result<usize, Error> {
        self.live.begin_round();
        let mut dirty = Vec::new();
        directory::for_each_record(&self.live.memory, Some(Mark::Dirty), |at| dirty.push(at));
        let mut round = Round::default();
        // Also where nothing has changed: a commit that did not wait for the disk is waited for.
        if !dirty.is_empty() || !self.live.is_synced(self.live.last_commit()) {
            let mut rest = dirty.as_slice();
            loop {
                rest = self.checkpoint_batch(rest, WRITER_TIMEOUT, &mut round)?;
                if rest.is_empty() {
                    break;
                }
            }
        }
        if let Some(error) = round.failed {
            return Err(error);
        }
        self.live.end_round();
        crash_points::point("round.end");
        // After those who wait for the disk have been woken: nothing of theirs depends on it.
        self.trim_log();
        self.live.memory.grow_ahead(round.wanted);
        Ok(dirty.len())
    }

    /// Writes the tenants that callers wait for, in one transaction. `Busy`: another is at it.
    fn checkpoint_awaited(&self, timeout: Duration) -> Result<(), Error> {
        let _round = self.begin_round(Duration::ZERO)?;
        let mut round = Round::default();
        self.checkpoint_batch(&[], timeout, &mut round)?;
        if self.live.lag_ms() > LAG_OF_A_LONE_CALLER_MS {
            self.end_round_if_clean();
        }
        crash_points::point("round.end");
        // Where there is a maintenance thread, that spares callers this work.
        if self.maintenance != Maintenance::Thread {
            self.trim_log();
            self.live.memory.grow_ahead(round.wanted);
        }
        round.failed.map_or(Ok(()), Err)
    }

    /// Where there are no rounds, for what callers have written: nothing else has changed.
    fn end_round_if_clean(&self) {
        self.live.begin_round();
        let mut is_clean = true;
        directory::for_each_record(&self.live.memory, Some(Mark::Dirty), |_| is_clean = false);
        if is_clean {
            self.live.end_round();
        }
    }

    fn begin_round(&self, timeout: Duration) -> Result<HeldLong<'_>, Error> {
        let (turn, lock) = (header::CHECKPOINT_TURN, header::CHECKPOINT_LOCK);
        lock::take_in_turn(&self.live.memory, turn, lock, timeout)
            .map_err(|error| not_locked("the checkpoint", error))
    }

    /// Moves what the write-ahead log holds into the database now and then, so that no commit of
    /// a caller's has to. Failing is no harm: SQLite does it by itself when the log is longer.
    fn trim_log(&self) {
        if self.maintenance_thread.rows_in_log.load(Ordering::Relaxed) >= ROWS_PER_TRIM {
            self.maintenance_thread.rows_in_log.store(0, Ordering::Relaxed);
            let _ = self.store.trim_log();
        }
    }

    /// One transaction: the tenants that callers wait for, and as many of `records` as fit. Returns
    /// the others. A record that cannot be written now (its holder is stopped, say) keeps no other
    /// from it.
    fn checkpoint_batch<'b>(
        &self,
        records: &'b [u64],
        timeout: Duration,
        round: &mut Round,
    ) -> Result<&'b [u64], Error> {
        let _writer_lock = self.lock_writer_within(timeout)?;
        self.store.with(|connection| {
            let mut write = Write::begin(connection, &self.live, Sync::Full)?;
            let begun = lag::now();
            let mut batch = Batch::default();
            let rest = self.fill_batch(&mut batch, &write, records, round);
            crash_points::point("checkpoint.written");
            // Also where nothing was written: earlier commits that did not wait for the disk
            // are waited for now.
            write.commit()?;
            crash_points::point("checkpoint.committed");
            self.maintenance_thread.rows_in_log.fetch_add(batch.rows, Ordering::Relaxed);
            self.maintenance_thread.rows_written.fetch_add(batch.rows as u64, Ordering::Relaxed);
            for (at, seq) in batch.written {
                // One that is busy is confirmed by the next round, which finds it committed.
                match self.lock_record_within(at, RECORD_TIMEOUT) {
                    Ok(mut guard) => {
                        guard.confirm_snapshot(seq, write.number());
                        if guard.is_dirty() {
                            self.live.is_dirty_since(begun);
                        }
                    }
                    Err(error) => round.note(error),
                }
                crash_points::point("checkpoint.confirmed");
            }
            self.live.wake_waiting();
            Ok(rest)
        })
    }

    /// Writes what one transaction is to hold. Returns the records that are left.
    fn fill_batch<'b>(
        &self,
        batch: &mut Batch,
        write: &Write<'_>,
        records: &'b [u64],
        round: &mut Round,
    ) -> &'b [u64] {
        let memory = &self.live.memory;
        let mut awaited = Vec::new();
        directory::for_each_record(memory, Some(Mark::Awaited), |at| awaited.push(at));
        let mut rows_max = ROWS_PER_COMMIT;
        for at in awaited {
            if batch.rows >= ROWS_PER_COMMIT {
                return records;
            }
            // Before the snapshot: a caller that marks it again waits for the next one.
            directory::clear_mark(memory, Mark::Awaited, memory.get(at + record::INDEX));
            self.write_once(batch, write, at, round);
            rows_max = batch.rows + ROWS_BESIDE_AWAITED;
        }
        let mut rest = records;
        while let Some((&at, others)) = rest.split_first() {
            if batch.rows >= rows_max {
                break;
            }
            self.write_once(batch, write, at, round);
            rest = others;
        }
        rest
    }

    /// Writes a record, unless the transaction has it already: what SQLite says of a second time is
    /// not committed yet.
    fn write_once(&self, batch: &mut Batch, write: &Write<'_>, at: u64, round: &mut Round) {
        if !batch.records.insert(at) {
            return;
        }
        match write.attempt(|| self.write_record(write, at, round)) {
            Ok(Some((seq, rows))) => {
                batch.written.push((at, seq));
                batch.rows += rows;
            }
            Ok(None) => {}
            Err(error) => round.note(error),
        }
    }

    /// Writes the checkpoint of one record; `None`: there is nothing to write.
    fn write_record(
        &self,
        write: &Write<'_>,
        at: u64,
        round: &mut Round,
    ) -> Result<Option<(u64, usize)>, Error> {
        let mut guard = self.lock_record_within(at, RECORD_TIMEOUT)?;
        self.resolve(&mut guard, write)?;
        if !guard.is_live() {
            // What a purged tenant has left unwritten belongs to no tenant; its name may be
            // another's.
            guard.mark_clean();
            return Ok(None);
        }
        let found = write.checkpointed(guard.row(), guard.hash())?;
        let Some((row, committed)) = found else { return Ok(None) };
        guard.set_row(row);
        let saved_seq = guard.saved_seq();
        let mut taken = guard.take_snapshot(committed, write.number());
        if crash_points::off(crash_points::Guard::Instant) {
            drop(guard);
            std::thread::sleep(Duration::from_millis(1));
            guard = self.lock_record_within(at, RECORD_TIMEOUT)?;
            taken.counters =
                std::mem::replace(&mut taken, guard.take_snapshot(committed, write.number()))
                    .counters;
        }
        if taken.seq <= committed {
            guard.mark_clean_if_clean();
            return Ok(None);
        }
        guard.leave_out_saved(&mut taken, committed, saved_seq);
        round.wanted = round.wanted.saturating_add(guard.capacity_wanted_next());
        drop(guard);
        crash_points::point("checkpoint.snapshot");
        let rows = write.save_snapshot(row, &taken)?;
        Ok(Some((taken.seq, rows)))
    }

    /// Waits until everything that was applied to a tenant so far is on disk.
    pub(super) fn wait_for_disk(&self, at: u64, timeout: Duration) -> Result<(), Error> {
        let is_synced = self.await_checkpoint(at, timeout, true)?;
        if is_synced { Ok(()) } else { Err(Error::DurabilityUnknown) }
    }

    /// Waits for a tenant's checkpoint, because its list of changes is full: the one case in which
    /// a decision waits for SQLite.
    pub(super) fn ensure_capacity(&self, at: u64) -> Result<(), Error> {
        // Whether there is capacity now is seen when the decision is tried again.
        self.await_checkpoint(at, CAPACITY_TIMEOUT, false).map(|_| ())
    }

    /// Has everything that was applied to a tenant so far written, by this caller or by one who is
    /// at it. Says whether that was done in time; `on_disk`: whether it is on the disk as well.
    fn await_checkpoint(&self, at: u64, timeout: Duration, on_disk: bool) -> Result<bool, Error> {
        let until = Instant::now() + timeout;
        let mut seq = None;
        loop {
            let seen = self.live.done_word();
            if self.is_written(at, &mut seq, on_disk) {
                return Ok(true);
            }
            self.check_poison()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let index = self.live.memory.get(at + record::INDEX);
            directory::set_mark(&self.live.memory, Mark::Awaited, index);
            match self.checkpoint_awaited(left) {
                Ok(()) => continue,
                Err(Error::Busy { .. } | Error::OwnerNotAsked { .. }) => {}
                // The decision stands already: writing it is tried again until the time is over.
                Err(_) if on_disk => {}
                Err(error) => return Err(error),
            }
            self.live.wait_for_commit(seen, LOOK_AGAIN.min(left));
        }
    }

    /// Whether SQLite has what a tenant's record held when this was first asked.
    fn is_written(&self, at: u64, seq: &mut Option<u64>, on_disk: bool) -> bool {
        let Ok(guard) = self.lock_record_within(at, RECORD_TIMEOUT) else { return false };
        // What a purged tenant has left unwritten belongs to no tenant.
        if !guard.is_live() {
            return true;
        }
        let [now, written, commit] =
            [record::SEQ, record::CHECKPOINTED_SEQ, record::COMMIT].map(|word| guard.get(word));
        written >= *seq.get_or_insert(now) && (!on_disk || self.live.is_synced(commit))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::engine::{Durability, Engine, NewTenant};

    const CATALOG: &str = r#"
        [resources.sms]
        kind = "allowance"
        [plans.full]
        title = "Full"
        price = "9.90"
        limits = { sms = 1000 }
    "#;

    /// An engine without maintenance of its own, and tenants with nothing to write.
    fn engine(tenants: &[&str]) -> Engine {
        let engine = Engine::in_memory().maintenance(Maintenance::External).open().unwrap();
        engine.load_catalog(&Catalog::parse(CATALOG, "catalog.toml").unwrap()).unwrap();
        let today = engine.now().to_utc().date_naive();
        for name in tenants {
            engine.ensure_tenant(&NewTenant::new(name).plan("full", today, true)).unwrap();
        }
        engine.checkpoint().unwrap();
        engine
    }

    fn words<const N: usize>(shared: &Shared, at: u64, words: [u64; N]) -> [u64; N] {
        let guard = shared.lock_record(at).unwrap();
        words.map(|word| guard.get(word))
    }

    fn dirty(shared: &Shared) -> Vec<u64> {
        let mut found = Vec::new();
        let mark = Some(Mark::Dirty);
        directory::for_each_record(&shared.live.memory, mark, |at| found.push(at));
        found
    }

    #[test]
    fn a_caller_who_waits_for_the_disk_writes_its_own_tenant_and_no_other() {
        let engine = engine(&["a", "b", "c"]);
        for name in ["a", "b", "c"] {
            assert!(engine.consume(name, "sms", 1).unwrap().allowed());
        }
        assert_eq!(dirty(&engine.shared).len(), 3);
        assert!(engine.with_durability(Durability::Disk).consume("b", "sms", 1).unwrap().allowed());
        let at = engine.tenant("b").unwrap().at();
        let left = dirty(&engine.shared);
        assert_eq!(left.len(), 2);
        assert!(!left.contains(&at));
        let [seq, written, commit] =
            words(&engine.shared, at, [record::SEQ, record::CHECKPOINTED_SEQ, record::COMMIT]);
        assert_eq!(seq, written);
        assert!(engine.shared.live.is_synced(commit));
    }

    #[test]
    fn a_commit_that_did_not_wait_for_the_disk_is_not_taken_for_one_that_did() {
        let engine = engine(&["a"]);
        let shared = &engine.shared;
        let at = engine.tenant("a").unwrap().at();
        assert!(engine.consume("a", "sms", 1).unwrap().allowed());
        shared
            .store
            .with(|connection| {
                let _writer_lock = shared.lock_writer()?;
                let mut write = Write::begin(connection, &shared.live, Sync::Normal)?;
                let (seq, _) = shared.write_record(&write, at, &mut Round::default())?.unwrap();
                write.commit()?;
                shared.lock_record(at)?.confirm_snapshot(seq, write.number());
                Ok::<_, Error>(())
            })
            .unwrap();
        assert!(dirty(shared).is_empty(), "SQLite has it");
        assert!(shared.is_written(at, &mut None, false));
        assert!(!shared.is_written(at, &mut None, true), "and the disk perhaps not");
        shared.wait_for_disk(at, Duration::from_secs(5)).unwrap();
        assert!(shared.is_written(at, &mut None, true));
    }

    #[test]
    fn a_record_is_written_once_in_a_transaction_which_may_yet_be_rolled_back() {
        let engine = engine(&["a"]);
        let shared = &engine.shared;
        let at = engine.tenant("a").unwrap().at();
        let index = shared.live.memory.get(at + record::INDEX);
        let fill_and_roll_back = |write_twice: &dyn Fn(&Write<'_>, &mut Batch)| {
            let _writer_lock = shared.lock_writer().unwrap();
            shared.store.with(|connection| {
                let write = Write::begin(connection, &shared.live, Sync::Full)?;
                write_twice(&write, &mut Batch::default());
                Ok::<_, Error>(())
            })
        };
        assert!(engine.consume("a", "sms", 1).unwrap().allowed());
        directory::set_mark(&shared.live.memory, Mark::Awaited, index);
        let ([before], records) = (words(shared, at, [record::CHECKPOINTED_SEQ]), [at]);
        fill_and_roll_back(&|write, batch| {
            let rest = shared.fill_batch(batch, write, &records, &mut Round::default());
            assert!(rest.is_empty());
            assert_eq!(batch.written.len(), 1);
        })
        .unwrap();
        assert_eq!(words(shared, at, [record::CHECKPOINTED_SEQ]), [before]);
        // Without that the second time confirms what the first has not committed.
        fill_and_roll_back(&|write, _| {
            for _ in 0..2 {
                shared.write_record(write, at, &mut Round::default()).unwrap();
            }
        })
        .unwrap();
        assert_ne!(words(shared, at, [record::CHECKPOINTED_SEQ]), [before]);
    }
}
