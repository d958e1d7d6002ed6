//! Administration: everything that changes what a tenant may do. Every operation is one transaction
//! that survives a power cut, and is seen by every process at its next decision.

use super::admin_tx::{AdminTx, CommitOptions};
use super::call::UNITS_MAX;
use super::{Engine, charges};
use crate::catalog::{Compiled, Kind, is_granted, with_article};
use crate::error::Error;
use crate::rules::ResourceId;
use crate::store::Sync;

pub(super) const DURABLE: CommitOptions = CommitOptions { sync: Sync::Full, confirm_jump: false };

impl Engine {
    /// Settles a tenant at the clock's now: what the next decision would do first. One
    /// transaction, which does not wait for the disk: it can be derived again.
    pub fn settle(&self, tenant: &str) -> Result<(), Error> {
        self.shared.settle_record(self.record_or_similar(tenant)?, tenant, self.now())
    }

    /// Believes a clock that ran more than a day ahead of the time since the boot, for all tenants,
    /// or that shows more than 400 days past all that the tenant has seen, and settles it there.
    /// One that is centuries ahead is refused all the same: each period on the way is closed, and
    /// everybody else would wait. Waits for the disk.
    pub fn confirm_clock(&self, tenant: &str) -> Result<(), Error> {
        self.record_or_similar(tenant)?;
        self.believe_clock();
        self.change(tenant, CommitOptions { confirm_jump: true, ..DURABLE }, |_| Ok(()))
    }

    pub(super) fn change<T>(
        &self,
        tenant: &str,
        options: CommitOptions,
        tx: impl FnOnce(&mut AdminTx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let at = self.record_or_similar(tenant)?;
        self.shared.administer(at, tenant, self.now(), options, |under_way| {
            under_way.write.set_actor(self.actor.as_deref());
            let value = tx(under_way)?;
            // It may have written invoices, or changed how they are paid and by whom.
            under_way.write.load_waiting(under_way.loaded.row, &mut under_way.loaded.account)?;
            if !under_way.loaded.account.waiting.is_empty() {
                charges::match_waiting(under_way)?;
            }
            under_way.write.load_owed(under_way.loaded.row, &mut under_way.loaded.account)?;
            Ok(value)
        })
    }
}

/// The number and the kind of a resource that must be of the kind an operation works on.
pub(super) fn resource_of(
    compiled: &Compiled,
    name: &str,
    needed: &str,
) -> Result<(ResourceId, Kind), Error> {
    resource_among(compiled, name, || with_article(needed), |kind| kind.name() == needed)
}

fn resource_among(
    compiled: &Compiled,
    name: &str,
    needed: impl FnOnce() -> String,
    fits: impl FnOnce(Kind) -> bool,
) -> Result<(ResourceId, Kind), Error> {
    match compiled.resource(name) {
        Some((resource, kind)) if fits(kind) => Ok((resource, kind)),
        Some((_, kind)) => Err(wrong_kind(name, kind, needed())),
        None => Err(compiled.unknown_resource(name)),
    }
}

fn wrong_kind(name: &str, kind: Kind, needed: String) -> Error {
    Error::WrongKind { resource: name.to_owned(), kind: kind.name(), needed }
}

/// The kinds that are used up from grants.
const GRANTED: &str = "an allowance or a session";

/// The number of a resource that is used up from grants.
pub(super) fn granted_resource(compiled: &Compiled, name: &str) -> Result<ResourceId, Error> {
    resource_among(compiled, name, || GRANTED.to_owned(), is_granted).map(|(resource, _)| resource)
}

/// The number of a resource that can be set aside.
pub(super) fn reservable_resource(compiled: &Compiled, name: &str) -> Result<ResourceId, Error> {
    let needed = "an allowance, a session resource or a meter";
    let fits = |kind| matches!(kind, Kind::Allowance | Kind::Session { .. } | Kind::Meter { .. });
    resource_among(compiled, name, || needed.to_owned(), fits).map(|(resource, _)| resource)
}

/// The number of a resource of which more can be given: units, or places.
pub(super) fn grantable_resource(compiled: &Compiled, name: &str) -> Result<ResourceId, Error> {
    let needed = "anything but a rate";
    let fits = |kind| !matches!(kind, Kind::Rate { .. });
    resource_among(compiled, name, || needed.to_owned(), fits).map(|(resource, _)| resource)
}

/// The number of a resource that a plan may limit: any.
pub(super) fn limited_resource(compiled: &Compiled, name: &str) -> Result<ResourceId, Error> {
    let found = compiled.resource(name).ok_or_else(|| compiled.unknown_resource(name))?;
    Ok(found.0)
}

/// Refuses a number that is not, or no longer, one of a resource used up from grants.
#[inline]
pub(super) fn check_granted(compiled: &Compiled, resource: ResourceId) -> Result<(), Error> {
    let name = || compiled.resource_name(resource).unwrap_or("?");
    match compiled.kind(resource) {
        Some(kind) if is_granted(kind) => Ok(()),
        Some(kind) => Err(wrong_kind(name(), kind, GRANTED.to_owned())),
        None => Err(compiled.unknown_resource(name())),
    }
}

pub(super) fn check_amount(units: u64) -> Result<(), Error> {
    if units == 0 || units > UNITS_MAX { Err(too_much(units)) } else { Ok(()) }
}

pub(super) fn too_much(units: u64) -> Error {
    let why = format!("{units} is not between 1 and {UNITS_MAX}");
    Error::InvalidArgument { what: "units", why }
}
