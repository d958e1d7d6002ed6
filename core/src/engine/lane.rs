//! The administrative lane: one writer at a time, everything that changes what a tenant may do.
//!
//! lane lock, `BEGIN IMMEDIATE`, block lock, `pending`, settle and compute, write, `COMMIT`,
//! apply, `pending` off, unlock. `docs/live-file.md` says what a death at each step leaves behind.

use std::time::Duration;

use super::{Engine, Shared};
use crate::catalog::{Catalog, Compiled, Names};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::block::BlockGuard;
use crate::live::directory;
use crate::live::layout::{block, header};
use crate::live::lock::{self, Held};
use crate::live::snapshot::Snapshot;
use crate::rules::settle::{CLOCK_JUMP_MS, settle, standing};
use crate::rules::{Account, GateTable, Standing};
use crate::store::{Loaded, Sync, Write};
use crate::torture;

/// How long a writer waits for the one before it.
const LANE_PATIENCE: Duration = Duration::from_secs(30);

/// Grants in force per tenant, at most.
const GRANTS_MAX: usize = 1_024;

/// What an administrative verb works with: the tenant's account, settled.
pub(super) struct Work<'a> {
    pub(super) write: &'a Write<'a>,
    pub(super) loaded: &'a mut Loaded,
    pub(super) compiled: &'a Compiled,
    /// The instant at which the change is made: the clock's, but not before what the tenant saw.
    pub(super) now: Timestamp,
}

/// How a change is made.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub(super) sync: Sync,
    /// A clock far ahead is believed.
    pub(super) confirm_jump: bool,
}

impl Shared {
    /// Takes the lane.
    pub(super) fn enter_lane(&self) -> Result<Held<'_>, Error> {
        self.check_poison()?;
        // What a dead writer left is resolved block by block, by whoever comes to it.
        lock::take(&self.live.memory, header::LANE_LOCK, LANE_PATIENCE)
            .map_err(|_| Error::Busy { what: "the administrative lane" })
    }

    /// Makes one change to one tenant. May block on the disk.
    pub(super) fn administer<T>(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        manner: Manner,
        work: impl FnOnce(&mut Work<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _lane = self.enter_lane()?;
        self.finish_pending_catalog()?;
        let compiled = self.compiled()?;
        self.store.with(|connection| {
            let mut write = Write::begin(connection, &self.live, manner.sync)?;
            let mut guard = self.lock_block(at)?;
            self.resolve(&mut guard, &write)?;
            let unknown = || Error::UnknownTenant(name.to_owned());
            if !guard.is_live() {
                return Err(unknown());
            }
            let mut loaded = write.load_tenant(guard.hash())?.ok_or_else(unknown)?;
            guard.put(block::PENDING, loaded.admin_seq + 1);
            torture::point("lane.pending");
            let done = change(&mut guard, &mut write, &mut loaded, compiled, now, manner, work);
            match done {
                Ok((value, standing)) => {
                    guard.write_standing(&standing, loaded.admin_seq);
                    guard.confirm_snapshot(loaded.seq);
                    Ok(value)
                }
                Err(error) => {
                    // Where the commit's outcome is not known, `pending` stays for the next.
                    if self.live.poison().is_none() {
                        guard.put(block::PENDING, 0);
                    }
                    Err(error)
                }
            }
        })
    }

    /// Finishes, or forgets, a change whose process died: SQLite says which.
    pub(super) fn resolve(
        &self,
        guard: &mut BlockGuard<'_>,
        write: &Write<'_>,
    ) -> Result<(), Error> {
        let Some(pending) = guard.pending() else { return Ok(()) };
        match write.load_tenant(guard.hash())? {
            // Its creation was not committed.
            None => {
                guard.put(block::STATE, 0);
                guard.put(block::PENDING, 0);
            }
            // It was committed, with everything the block held: the lock was held throughout.
            Some(loaded) if loaded.admin_seq >= pending => {
                let compiled = self.compiled()?;
                let account = &loaded.account;
                let standing = standing(account, &compiled.catalog.statuses, account.mark);
                guard.ensure_standing(&standing)?;
                torture::point("resolve.reload");
                guard.write_standing(&standing, loaded.admin_seq);
                guard.confirm_snapshot(loaded.seq);
            }
            // It was not: the block stands as it is, with units SQLite does not know of.
            Some(_) => guard.put(block::PENDING, 0),
        }
        Ok(())
    }

    /// [`resolve`](Self::resolve)s a block that was found with a change under way.
    pub(super) fn resolve_block(&self, at: u64) -> Result<(), Error> {
        let _lane = self.enter_lane()?;
        self.finish_pending_catalog()?;
        self.store.with(|connection| {
            let write = Write::begin(connection, &self.live, Sync::Normal)?;
            let mut guard = self.lock_block(at)?;
            self.resolve(&mut guard, &write)
        })
    }

    /// Settles a tenant whose time has come.
    pub(super) fn settle_block(&self, at: u64, name: &str, now: Timestamp) -> Result<(), Error> {
        // What settlement writes can be derived again: it need not wait for the disk.
        let manner = Manner { sync: Sync::Normal, confirm_jump: false };
        self.administer(at, name, now, manner, |_| Ok(()))
    }

    /// Publishes a catalog whose process died between its commit and its publication. The caller
    /// holds the lane.
    pub(super) fn finish_pending_catalog(&self) -> Result<(), Error> {
        if self.live.header(header::CATALOG_PENDING) == 0 {
            return Ok(());
        }
        self.store.with(|connection| {
            let write = Write::begin(connection, &self.live, Sync::Normal)?;
            if let Some((version, catalog, names)) = write.newest_catalog()? {
                let at = self.write_catalog(version, catalog, names)?;
                self.publish_catalog(at);
            }
            Ok::<_, Error>(())
        })
    }

    fn write_catalog(&self, version: u64, catalog: Catalog, names: Names) -> Result<u64, Error> {
        let compiled = Compiled::new(version, catalog, names);
        Ok(self.live.write_catalog(version, &compiled.to_bytes())?)
    }

    /// Puts a catalog in force. What blocks hold of its status table is out of date: they are
    /// settled at their next decision, as at a boundary.
    fn publish_catalog(&self, at: u64) {
        self.live.publish_catalog(at);
        torture::point("catalog.published");
        directory::for_each_block(&self.live.memory, false, |block| {
            // A block that is busy keeps the old table until its next boundary.
            if let Ok(guard) = self.lock_block(block) {
                guard.put(block::VALID_UNTIL, Timestamp::MIN.ms() as u64);
            }
        });
        self.live.set_header(header::CATALOG_PENDING, 0);
    }
}

impl Engine {
    /// Puts a catalog in force and returns its version. The one in force again is a no-op.
    /// Tenants keep what they have until they are moved to another plan. Waits for the disk.
    pub fn load_catalog(&self, catalog: &Catalog) -> Result<u64, Error> {
        let shared = &self.shared;
        let now = self.now();
        let _lane = shared.enter_lane()?;
        shared.finish_pending_catalog()?;
        shared.store.with(|connection| {
            let mut write = Write::begin(connection, &shared.live, Sync::Full)?;
            let (version, mut names) = match write.newest_catalog()? {
                Some((version, newest, _)) if newest == *catalog => return Ok(version),
                Some((version, _, names)) => (version + 1, names),
                None => (1, Names::default()),
            };
            names.add(catalog).map_err(|name| Error::InvalidArgument {
                what: "catalog",
                why: format!("there is no room for one more name, {name:?}"),
            })?;
            // All that may fail comes before the commit.
            let at = shared.write_catalog(version, catalog.clone(), names.clone())?;
            write.insert_catalog(version, now, catalog, &names)?;
            write.audit(None, now, "catalog", &format!("version {version}"))?;
            shared.live.set_header(header::CATALOG_PENDING, version);
            torture::point("catalog.pending");
            if let Err(error) = write.commit() {
                if shared.live.poison().is_none() {
                    shared.live.set_header(header::CATALOG_PENDING, 0);
                }
                return Err(error.into());
            }
            torture::point("catalog.committed");
            shared.publish_catalog(at);
            Ok(version)
        })
    }
}

/// The steps of one change, up to its commit; the caller applies what came of it.
#[allow(clippy::too_many_arguments)] // The steps of one transaction; they share everything.
fn change<T>(
    guard: &mut BlockGuard<'_>,
    write: &mut Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    now: Timestamp,
    manner: Manner,
    work: impl FnOnce(&mut Work<'_>) -> Result<T, Error>,
) -> Result<(T, Standing), Error> {
    merge(&mut loaded.account, guard);
    let now = now.max(loaded.account.mark);
    if !manner.confirm_jump {
        check_jump(&loaded.account, now)?;
    }
    settle_loaded(write, loaded, now)?;
    let value = work(&mut Work { write, loaded, compiled, now })?;
    settle_loaded(write, loaded, now)?;
    let taken = guard.take_snapshot(loaded.seq);
    loaded.admin_seq += 1;
    let standing = save(write, loaded, &compiled.catalog.statuses, now, &taken)?;
    guard.ensure_standing(&standing)?;
    torture::point("lane.written");
    write.commit()?;
    torture::point("lane.committed");
    Ok((value, standing))
}

/// Brings the account up to what the block holds: SQLite is a checkpoint behind.
pub(super) fn merge(account: &mut Account, guard: &BlockGuard<'_>) {
    account.mark = account.mark.max(guard.mark());
    for (resource, slot) in guard.slots() {
        let used = slot.used();
        if used != 0 || account.used.contains_key(&resource) {
            account.used.insert(resource, used);
        }
        for (id, remaining) in slot.grants() {
            if let Some(grant) = account.grants.iter_mut().find(|grant| grant.id == id) {
                grant.remaining = remaining;
            }
        }
    }
}

fn check_jump(account: &Account, now: Timestamp) -> Result<(), Error> {
    let mark = account.mark;
    if now > mark.plus_ms(CLOCK_JUMP_MS) {
        return Err(Error::ClockJump { now, mark });
    }
    Ok(())
}

/// Settles the account and writes what came of it into the books.
pub(super) fn settle_loaded(
    write: &Write<'_>,
    loaded: &mut Loaded,
    now: Timestamp,
) -> Result<(), Error> {
    let settled = settle(&mut loaded.account, now);
    for closed in &settled.closed {
        write.save_period(loaded.row, closed)?;
    }
    for grant in &settled.ended {
        write.save_grant(loaded.row, grant, true)?;
    }
    Ok(())
}

/// Writes the account together with the tenant's checkpoint, and says what it may do from now on.
pub(super) fn save(
    write: &Write<'_>,
    loaded: &mut Loaded,
    statuses: &GateTable,
    now: Timestamp,
    taken: &Snapshot,
) -> Result<Standing, Error> {
    if loaded.account.grants.len() > GRANTS_MAX {
        let why = format!("the tenant would have more than {GRANTS_MAX} in force");
        return Err(Error::InvalidArgument { what: "grants", why });
    }
    write.save_changes(loaded.row, taken)?;
    loaded.seq = taken.seq;
    let standing = standing(&loaded.account, statuses, now);
    write.save_tenant(loaded, standing.valid_until)?;
    Ok(standing)
}
