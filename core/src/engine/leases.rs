//! Leases: places that named holders have for a limited time. One whose time is over is free the
//! moment it is needed.

use std::hash::Hasher;
use std::time::Duration;

use super::Shared;
use super::apply::{FENCING, is_of_epoch, prolong};
use super::call::{Call, NO_CHARGES, lifetime_ms};
use super::caller::{Caller, Once, feed_text};
use super::decide::RetryReason;
use super::frequent::decided;
use super::reclaim::give_up_lease;
use super::tenant::Tenant;
use crate::catalog::Kind;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::Hash128;
use crate::live::entries::{EntryIndex, counter_heap};
use crate::live::record::RecordGuard;
use crate::rules::{Decision, LeaseOutcome, ResourceId};

/// The leases of one resource of a tenant.
#[derive(Clone, Copy)]
pub struct Leases<'a> {
    caller: Caller<'a>,
    resource: ResourceId,
    ttl_ms: i64,
}

impl Tenant {
    /// The leases of a resource.
    pub fn leases(&self, resource: &str) -> Result<Leases<'_>, Error> {
        Leases::new(self.caller(), resource)
    }
}

impl<'a> Once<'a> {
    /// As [`Tenant::leases`]: taking one under a key.
    pub fn leases(&self, resource: &str) -> Result<Leases<'a>, Error> {
        Leases::new(*self.caller()?, resource)
    }
}

impl<'a> Leases<'a> {
    fn new(caller: Caller<'a>, resource: &str) -> Result<Leases<'a>, Error> {
        match caller.resource_of(resource, "lease")? {
            (resource, Kind::Lease { ttl_ms }) => Ok(Leases { caller, resource, ttl_ms }),
            (resource, _) => Err(super::call::compiled_name_error(&caller.engine.shared, resource)),
        }
    }

    /// May `holder` have a place now? If so it is taken for `ttl` (`None`: as the catalog says).
    /// A holder that has one keeps it, with its fencing number, and `ttl` begins again. Touches no
    /// disk.
    pub fn acquire(&self, holder: &str, ttl: Option<Duration>) -> Result<Decision, Error> {
        decided(|result| self.acquire_into(holder, ttl, result))
    }

    fn acquire_into(
        &self,
        holder: &str,
        ttl: Option<Duration>,
        result: &mut Result<Decision, Error>,
    ) -> Result<(), Error> {
        let ttl_ms = self.ttl_ms(ttl)?;
        let mut charges = NO_CHARGES;
        let call = self.caller.engine.lease_call(self.resource, holder, ttl_ms, &mut charges)?;
        let once = self.caller.once("acquire", |hasher| {
            feed_text(hasher, holder);
            hasher.write_u16(self.resource.0);
            // Not what the catalog says where the call says nothing: that may change meanwhile.
            hasher.write_i64(ttl.map_or(0, |_| ttl_ms));
        })?;
        let Caller { engine, at, name, .. } = self.caller;
        match (once, call.lease) {
            (None, Some(lease)) => engine.run_lease(at, name, call.charges, lease, result),
            _ => engine.run_into(at, name, &Call { once, ..call }, result),
        }
        Ok(())
    }

    /// Whether [`acquire`](Self::acquire) would succeed. Changes nothing.
    pub fn check(&self, holder: &str) -> Result<Decision, Error> {
        let mut charges = NO_CHARGES;
        let engine = self.caller.engine;
        let call = engine.lease_call(self.resource, holder, self.ttl_ms, &mut charges)?;
        engine.run(self.caller.at, self.caller.name, &Call { apply: false, ..call })
    }

    /// Prolongs a lease that its holder still has: it ends `ttl` from now. Touches no disk.
    pub fn renew(
        &self,
        holder: &str,
        fencing: u64,
        ttl: Option<Duration>,
    ) -> Result<LeaseOutcome, Error> {
        let ttl_ms = self.ttl_ms(ttl)?;
        self.with_lease(holder, fencing, |guard, index, time| {
            let until = time.plus_ms(ttl_ms);
            let seq = guard.begin();
            prolong(guard, index, (time, until), seq);
            let expires_at = guard.wall_time(until);
            LeaseOutcome { acquired: false, fencing, expires_at }
        })
    }

    /// Gives a lease back before its time. Touches no disk.
    pub fn release(&self, holder: &str, fencing: u64) -> Result<(), Error> {
        let resource = self.resource;
        self.with_lease(holder, fencing, |guard, index, _| {
            let seq = guard.begin();
            if let Some(counter) = guard.counter(resource) {
                guard.heap_remove(counter_heap(counter), index);
            }
            give_up_lease(guard, index);
            guard.free_entry(index, seq);
        })
    }

    fn ttl_ms(&self, ttl: Option<Duration>) -> Result<i64, Error> {
        ttl.map_or(Ok(self.ttl_ms), |ttl| lifetime_ms("ttl", ttl))
    }

    /// Changes a lease that is held under this fencing number.
    fn with_lease<T>(
        &self,
        holder: &str,
        fencing: u64,
        change: impl Fn(&mut RecordGuard<'_>, EntryIndex, Timestamp) -> T,
    ) -> Result<T, Error> {
        let Caller { engine, at, name, .. } = self.caller;
        let shared = &engine.shared;
        let key = shared.lease_key(self.resource, holder)?;
        engine.apply_at(at, name, |now| {
            let mut guard = shared.ready_record(at, now, engine.timeout)?;
            let time = guard.entry_time(now);
            let index = self.held(shared, &guard, key, fencing, time)?;
            if !guard.ring_has_capacity(1) {
                return Err(RetryReason::CheckpointNeeded);
            }
            let value = change(&mut guard, index, time);
            guard.raise_high_water_mark(now);
            shared.finish(&mut guard)?;
            Ok(value)
        })
    }

    fn held(
        &self,
        shared: &Shared,
        guard: &RecordGuard<'_>,
        key: Hash128,
        fencing: u64,
        time: Timestamp,
    ) -> Result<EntryIndex, Error> {
        let held = super::state::held_lease(guard, key, time);
        let held = held.filter(|&index| guard.entry_word(index, FENCING) == fencing);
        let held = held.filter(|_| is_of_epoch(fencing, shared.epoch()));
        held.ok_or_else(|| {
            let compiled = shared.compiled().ok();
            let name = compiled.and_then(|it| it.resource_name(self.resource)).unwrap_or_default();
            Error::LeaseNotHeld { resource: name.to_owned(), fencing }
        })
    }
}
