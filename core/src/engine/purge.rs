//! Removing demonstrations that have ended: what is known of the tenant is deleted, and its name is
//! free again.

use super::admin_tx::merge;
use super::{Engine, Shared};
use crate::clock::Timestamp;
use crate::crash_points;
use crate::error::Error;
use crate::live::layout::record;
use crate::rules::{Account, EventKind, Status, TenantEvent};
use crate::store::{Loaded, Sync, Write, overwrite_deleted};

/// Who removes a demonstration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By<'a> {
    /// An operator who names it, as the audit trail names them.
    Operator(Option<&'a str>),
    /// Maintenance, which leaves those who have paid, or may yet pay.
    Maintenance,
}

impl Engine {
    /// Deletes a demonstration that has ended (docs/sources.md, Helena), with all that was stored
    /// of it: account, holders, usage, invoices. Until then its decisions are denied as
    /// `demo_expired`; from then on there is no such tenant, and another one may have its name. The
    /// audit trail keeps that it was purged. Any other tenant is refused. Waits for the disk.
    pub fn purge_demo(&self, tenant: &str) -> Result<(), Error> {
        let by = By::Operator(self.actor.as_deref());
        self.shared.purge(self.record_or_similar(tenant)?, tenant, self.now(), by)
    }

    /// The demonstrations that have ended and can be purged, by name. Reads SQLite.
    pub fn ended_demos(&self) -> Result<Vec<String>, Error> {
        Ok(self.shared.store.ended_demos(self.now())?)
    }
}

impl Shared {
    pub(super) fn purge(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        by: By<'_>,
    ) -> Result<(), Error> {
        self.remove(at, name, |write, loaded| {
            may_be_purged(&loaded.account, now)?;
            if by == By::Maintenance && !write.may_be_removed(loaded.row)? {
                return Ok(false);
            }
            if let By::Operator(actor) = by {
                write.set_actor(actor);
            }
            write.delete_tenant(loaded.row)?;
            let removed = TenantEvent { at: now, resource: None, kind: EventKind::Removed };
            write.report_removed(loaded.row, &loaded.name, &removed)?;
            write.audit(Some(loaded.row), now, "purged", name)?;
            Ok(true)
        })
    }

    /// Removes a tenant, once `delete` has written that to the database; `false`: it stays as it
    /// is.
    pub(super) fn remove(
        &self,
        at: u64,
        name: &str,
        delete: impl FnOnce(&Write<'_>, &Loaded) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let _writer_lock = self.lock_writer()?;
        self.finish_pending_catalog()?;
        let compiled = self.compiled()?;
        self.store.with(|connection| {
            overwrite_deleted(connection, true)?;
            let mut write = Write::begin(connection, &self.live, Sync::Full)?;
            let mut guard = self.lock_record(at)?;
            self.resolve(&mut guard, &write)?;
            let unknown = || Error::UnknownTenant(name.into());
            let loaded = write.load_tenant(guard.hash())?.filter(|_| guard.is_live());
            let mut loaded = loaded.ok_or_else(unknown)?;
            merge(&mut loaded.account, &compiled.rulebook, &guard);
            if !delete(&write, &loaded)? {
                return Ok(());
            }
            // From here on a crash is resolved by what SQLite says: no row, no tenant.
            guard.put(record::PENDING, loaded.admin_seq + 1);
            crash_points::point("purge.pending");
            match write.commit() {
                Ok(()) => {
                    crash_points::point("purge.committed");
                    guard.put(record::STATE, 0);
                    guard.put(record::PENDING, 0);
                    overwrite_deleted(connection, false)?;
                    Ok(())
                }
                Err(error) => {
                    if self.live.poison().is_none() {
                        guard.put(record::PENDING, 0);
                    }
                    Err(error.into())
                }
            }
        })
    }
}

fn may_be_purged(account: &Account, now: Timestamp) -> Result<(), Error> {
    let now = now.max(account.high_water_mark);
    let ended = account.demo_ends_at.is_some_and(|end| end <= now);
    if account.status == Status::Demo && ended {
        return Ok(());
    }
    let why = "only a demonstration that has ended can be purged; erase other tenants".to_owned();
    Err(Error::InvalidArgument { what: "tenant", why })
}
