//! Settlement by maintenance, promptly after its time: many tenants in one transaction. A decision
//! that comes first settles its own tenant alone.

use super::Shared;
use super::admin_tx::{Change, CommitOptions};
use crate::catalog::Compiled;
use crate::clock::Timestamp;
use crate::crash_points;
use crate::error::Error;
use crate::live::directory;
use crate::live::layout::record;
use crate::live::record::RecordGuard;
use crate::rules::Entitlements;
use crate::store::{Loaded, Sync, Write};

/// Tenants that one look settles.
const SETTLED_AT_ONCE: u32 = 1_000;
/// Blocks locked by one transaction.
const BATCH: usize = 240;

/// A tenant whose settlement is written and waits for its commit; its record is locked.
struct Due<'a> {
    guard: RecordGuard<'a>,
    loaded: Loaded,
    entitlements: Entitlements,
}

impl Shared {
    /// Settles tenants that are due at `now`, by a wall clock, until none is left or one look's
    /// worth is done. A tenant whose clock seems to have jumped is left for its own next call,
    /// which says so. May block on the disk.
    pub(super) fn settle_due(&self, now: Timestamp) -> Result<usize, Error> {
        let mut settled = 0;
        let mut failed = None;
        let due = self.store.due_tenants(now, SETTLED_AT_ONCE)?;
        let records: Vec<u64> =
            due.iter().filter_map(|&hash| directory::find(&self.live.memory, hash)).collect();
        for batch in records.chunks(BATCH) {
            match self.settle_batch(batch, now) {
                Ok(count) => settled += count,
                // One tenant that cannot be settled does not keep the others from it.
                Err(_) => settled += self.settle_one_by_one(batch, now, &mut failed),
            }
        }
        failed.map_or(Ok(settled), Err)
    }

    fn settle_one_by_one(
        &self,
        records: &[u64],
        now: Timestamp,
        failed: &mut Option<Error>,
    ) -> usize {
        let mut settled = 0;
        for &at in records {
            match self.settle_record(at, "", now) {
                Ok(()) => settled += 1,
                Err(Error::ClockJump { .. } | Error::UnknownTenant(_) | Error::Busy { .. }) => {}
                Err(error) => *failed = failed.take().or(Some(error)),
            }
        }
        settled
    }

    /// Settles tenants in one transaction, all or none, and says how many were due still.
    fn settle_batch(&self, records: &[u64], now: Timestamp) -> Result<usize, Error> {
        for &at in records {
            self.expire_due(at, "", now, false, true)?;
        }
        let _writer_lock = self.lock_writer()?;
        self.finish_pending_catalog()?;
        let compiled = self.compiled()?;
        let sync = self.sync_of_settling(records)?;
        self.store.with(|connection| {
            let mut write = Write::begin(connection, &self.live, sync)?;
            let mut due = Vec::with_capacity(records.len());
            let done = self.settle_all(records, &write, compiled, now, &mut due);
            let done = done.and_then(|()| {
                crash_points::point("settle.written");
                // Where all were settled by others there is nothing to commit.
                if !due.is_empty() {
                    write.commit()?;
                }
                crash_points::point("settle.committed");
                Ok(())
            });
            for Due { guard, loaded, entitlements } in &mut due {
                match &done {
                    Ok(()) => {
                        guard.write_entitlements(entitlements, loaded.admin_seq);
                        guard.confirm_snapshot(loaded.seq, write.number());
                    }
                    // Where the commit's outcome is not known, `pending` stays for the next.
                    Err(_) if self.live.poison().is_none() => guard.put(record::PENDING, 0),
                    Err(_) => {}
                }
            }
            done.map(|()| due.len())
        })
    }

    /// Locks every tenant that is due still and writes its settlement, up to the commit.
    fn settle_all<'a>(
        &'a self,
        records: &[u64],
        write: &Write<'_>,
        compiled: &Compiled,
        now: Timestamp,
        due: &mut Vec<Due<'a>>,
    ) -> Result<(), Error> {
        let options = CommitOptions { sync: Sync::Normal, confirm_jump: false };
        for &at in records {
            let mut guard = self.lock_record(at)?;
            self.resolve(&mut guard, write)?;
            if !guard.is_live() || guard.valid_until() > now {
                continue;
            }
            let Some(mut loaded) = write.load_tenant(guard.hash())? else { continue };
            guard.put(record::PENDING, loaded.admin_seq + 1);
            let mut change = Change { write, loaded: &mut loaded, compiled, late: None };
            match change.make(&mut guard, now, options, |_, _| Ok(())) {
                Ok(((), entitlements)) => due.push(Due { guard, loaded, entitlements }),
                Err(error) => {
                    guard.put(record::PENDING, 0);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// How the settlement of tenants is committed: what it writes can be derived again, unless it
    /// is an invoice, which a host may have read.
    pub(super) fn sync_of_settling(&self, records: &[u64]) -> Result<Sync, Error> {
        for &at in records {
            let hash = directory::hash_of(&self.live.memory, at);
            if self.store.has_invoices_to_come(hash)? {
                return Ok(Sync::Full);
            }
        }
        Ok(Sync::Normal)
    }
}
