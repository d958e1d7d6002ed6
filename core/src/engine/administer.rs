//! Administration: everything that changes what a tenant may do. Every verb is one transaction
//! that survives a power cut, and is seen by every process at its next decision.

use std::hash::Hasher;

use chrono::NaiveDate;

use super::call::UNITS_MAX;
use super::lane::{Manner, Work};
use super::subscriptions::{Joining, subscribe};
use super::{Engine, Shared, check_key, unknown_resource};
use crate::catalog::{Compiled, Feature, Kind, Limit, is_granted};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::Hash128;
use crate::rules::plan_number::set_limit;
use crate::rules::settle::{add_grant, close_period};
use crate::rules::{EventKind, Happening, ResourceId, Source, Status};
use crate::store::Sync;

pub(super) const DURABLE: Manner = Manner { sync: Sync::Full, confirm_jump: false };

/// What a tenant subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms<'a> {
    /// The plan, as the catalog in force names it.
    pub plan: &'a str,
    /// The first due date; its day is the day of all later ones. The due day is fully usable.
    pub first_due: NaiveDate,
    /// Whether the plan's units are restored one day after each due date.
    pub auto_renew: bool,
}

impl Engine {
    /// Gives a tenant units on top of its plan's: used after them, surviving renewal, until
    /// `expires_at`. With `key`, at most once per key. Waits for the disk.
    #[allow(clippy::too_many_arguments)] // One flat call, as the C ABI has it.
    pub fn grant(
        &self,
        tenant: &str,
        resource: &str,
        source: Source,
        units: u64,
        expires_at: Option<Timestamp>,
        key: Option<&str>,
    ) -> Result<(), Error> {
        check_amount(units)?;
        if source == Source::Plan {
            let why = "the plan's units come with the plan; see set_limit".to_owned();
            return Err(Error::InvalidArgument { what: "source", why });
        }
        self.change(tenant, DURABLE, |work| {
            let resource = grantable_resource(work.compiled, resource, "a grant")?;
            let arguments = format!("{}:{source:?}:{units}:{expires_at:?}", resource.0);
            if self.was_done(work, key, "grant", &arguments)? {
                return Ok(());
            }
            if expires_at.is_some_and(|at| at <= work.now) {
                let why = "it has passed already".to_owned();
                return Err(Error::InvalidArgument { what: "expires_at", why });
            }
            let account = &mut work.loaded.account;
            add_grant(account, resource, source, units, work.now, expires_at);
            let detail = format!("{} {units} of resource {}", source.code(), resource.0);
            work.write.audit(Some(work.loaded.row), work.now, "grant", &detail)?;
            Ok(())
        })
    }

    /// Puts a tenant on a plan now: the period is closed and a new one begins with the plan's
    /// units; extras stay (seed 000). Waits for the disk.
    pub fn change_plan(
        &self,
        tenant: &str,
        terms: &Terms<'_>,
        key: Option<&str>,
    ) -> Result<(), Error> {
        self.change(tenant, DURABLE, |work| {
            let arguments = format!("{terms:?}");
            if self.was_done(work, key, "change_plan", &arguments)? {
                return Ok(());
            }
            if work.loaded.account.subscription.is_some() {
                let rules = &work.compiled.rulebook;
                let closed = close_period(&mut work.loaded.account, rules, work.now, false);
                work.write.save_period(work.loaded.row, &closed)?;
            }
            subscribe(work.write, work.loaded, work.compiled, &Joining::now(terms), work.now)?;
            let kind = EventKind::PlanChanged { plan: terms.plan.to_owned() };
            work.happened.push(Happening { at: work.now, resource: None, kind });
            work.write.audit(Some(work.loaded.row), work.now, "plan", terms.plan)?;
            Ok(())
        })
    }

    /// Changes the number of a tenant's plan, as a reseller may (seed 000). Lowering takes back
    /// only units of the plan that are not used; extras stay. Waits for the disk.
    pub fn set_limit(&self, tenant: &str, resource: &str, limit: Limit) -> Result<(), Error> {
        if let Limit::Finite(units) = limit
            && units > UNITS_MAX
        {
            return Err(too_much(units));
        }
        self.change(tenant, DURABLE, |work| {
            let id = limited_resource(work.compiled, resource)?;
            if work.loaded.account.subscription.is_none() {
                return Err(Error::NoSubscription(tenant.to_owned()));
            }
            let rules = &work.compiled.rulebook;
            set_limit(&mut work.loaded.account, rules, id, limit, work.now);
            let detail = format!("resource {} {limit:?}", id.0);
            work.write.audit(Some(work.loaded.row), work.now, "limit", &detail)?;
            Ok(())
        })
    }

    /// Moves a tenant to another status, giving a reason. A move that the table of `seed 001`
    /// does not have needs `as_operator`. Waits for the disk.
    pub fn set_status(
        &self,
        tenant: &str,
        status: Status,
        reason: &str,
        as_operator: bool,
    ) -> Result<(), Error> {
        if reason.len() > super::KEY_BYTES_MAX {
            let why = format!("it has {} bytes, more than {}", reason.len(), super::KEY_BYTES_MAX);
            return Err(Error::InvalidArgument { what: "reason", why });
        }
        self.change(tenant, DURABLE, |work| {
            let from = work.loaded.account.status;
            if from == status {
                return Ok(());
            }
            if !from.may_become(status) && !as_operator {
                return Err(Error::Transition { from, to: status });
            }
            work.loaded.account.status = status;
            reason.clone_into(&mut work.loaded.status_reason);
            let kind = EventKind::StatusChanged { from, to: status };
            work.happened.push(Happening { at: work.now, resource: None, kind });
            let override_mark = if as_operator { " (operator)" } else { "" };
            let detail = format!("{} -> {}{override_mark}", from.code(), status.code());
            work.write.audit(Some(work.loaded.row), work.now, "status", &detail)?;
            Ok(())
        })
    }

    /// Gives a tenant a feature of its own, whatever its plan says; `None`: as its plan says. It
    /// outlives changes of plan. Waits for the disk.
    pub fn set_feature(
        &self,
        tenant: &str,
        name: &str,
        feature: Option<&Feature>,
    ) -> Result<(), Error> {
        self.change(tenant, DURABLE, |work| {
            if !work.compiled.knows_feature(name, feature) {
                return Err(Error::UnknownFeature(super::shorten(name)));
            }
            let overrides = &mut work.loaded.overrides.features;
            match feature {
                Some(feature) => overrides.insert(name.to_owned(), feature.clone()),
                None => overrides.remove(name),
            };
            // The plan as it was subscribed to: a later version is another plan.
            let of_plan = match &work.loaded.account.subscription {
                Some(it) => work.write.plan(it.catalog_version, &it.plan)?,
                None => None,
            };
            let of_plan = of_plan.map(|plan| plan.features).unwrap_or_default();
            work.loaded.account.features =
                work.compiled.features(&of_plan, &work.loaded.overrides.features);
            work.write.audit(Some(work.loaded.row), work.now, "feature", name)?;
            Ok(())
        })
    }

    /// Settles a tenant at the clock's now: what the next decision would do first.
    pub fn settle(&self, tenant: &str) -> Result<(), Error> {
        self.shared.settle_block(self.block_of(tenant)?, tenant, self.now())
    }

    /// Believes a clock that shows more than 400 days past all that the tenant has seen, and
    /// settles it there. Waits for the disk.
    pub fn confirm_clock(&self, tenant: &str) -> Result<(), Error> {
        self.change(tenant, Manner { confirm_jump: true, ..DURABLE }, |_| Ok(()))
    }

    pub(super) fn change<T>(
        &self,
        tenant: &str,
        manner: Manner,
        work: impl FnOnce(&mut Work<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let at = self.block_of(tenant)?;
        let value = self.shared.administer(at, tenant, self.now(), manner, work)?;
        Ok(value)
    }

    /// Whether a verb with this key was done before, with the same arguments.
    pub(super) fn was_done(
        &self,
        work: &Work<'_>,
        key: Option<&str>,
        verb: &str,
        arguments: &str,
    ) -> Result<bool, Error> {
        let Some(key) = key else { return Ok(false) };
        check_key("idempotency key", key)?;
        let hash = |parts: &[&str]| -> Hash128 {
            self.shared.live.hash(|hasher| {
                hasher.write_u64(work.loaded.row as u64);
                for part in parts {
                    hasher.write_u64(part.len() as u64);
                    hasher.write(part.as_bytes());
                }
            })
        };
        match work.write.admin_key(hash(&[key]), hash(&[verb, arguments]), work.now)? {
            None => Ok(false),
            Some(true) => Ok(true),
            Some(false) => Err(Error::IdempotencyConflict),
        }
    }
}

/// The number and the kind of a resource that must be of the kind a verb works on.
pub(super) fn resource_of(
    compiled: &Compiled,
    name: &str,
    verb: &'static str,
    needed: &'static str,
) -> Result<(ResourceId, Kind), Error> {
    resource_among(compiled, name, verb, needed, |kind| kind.name() == needed)
}

fn resource_among(
    compiled: &Compiled,
    name: &str,
    verb: &'static str,
    needed: &'static str,
    fits: impl FnOnce(Kind) -> bool,
) -> Result<(ResourceId, Kind), Error> {
    match compiled.resource(name) {
        Some((resource, kind)) if fits(kind) => Ok((resource, kind)),
        Some((_, kind)) => Err(wrong_kind(name, kind, verb, needed)),
        None => Err(unknown_resource(name)),
    }
}

pub(super) fn wrong_kind(
    name: &str,
    kind: Kind,
    verb: &'static str,
    needed: &'static str,
) -> Error {
    Error::WrongKind { resource: name.to_owned(), kind: kind.name(), verb, needed }
}

/// The number of a resource that is used up from grants.
pub(super) fn granted_resource(
    compiled: &Compiled,
    name: &str,
    verb: &'static str,
) -> Result<ResourceId, Error> {
    let needed = "an allowance or a session";
    resource_among(compiled, name, verb, needed, is_granted).map(|(resource, _)| resource)
}

/// The number of a resource that can be set aside.
pub(super) fn reservable_resource(compiled: &Compiled, name: &str) -> Result<ResourceId, Error> {
    let needed = "an allowance or a meter";
    let fits = |kind| matches!(kind, Kind::Allowance | Kind::Meter { .. });
    resource_among(compiled, name, "a reservation", needed, fits).map(|(resource, _)| resource)
}

/// The number of a resource of which more can be given: units, or places.
pub(super) fn grantable_resource(
    compiled: &Compiled,
    name: &str,
    verb: &'static str,
) -> Result<ResourceId, Error> {
    let needed = "anything but a rate";
    let fits = |kind| !matches!(kind, Kind::Rate { .. });
    resource_among(compiled, name, verb, needed, fits).map(|(resource, _)| resource)
}

/// The number of a resource that a plan may limit: any.
fn limited_resource(compiled: &Compiled, name: &str) -> Result<ResourceId, Error> {
    let found = compiled.resource(name).ok_or_else(|| unknown_resource(name))?;
    Ok(found.0)
}

impl Shared {
    /// Refuses a number that is not, or no longer, one of a resource used up from grants.
    pub(super) fn check_granted(&self, resource: ResourceId) -> Result<(), Error> {
        let compiled = self.compiled()?;
        let name = compiled.resource_name(resource).unwrap_or("?");
        match compiled.kind(resource) {
            Some(kind) if is_granted(kind) => Ok(()),
            Some(kind) => Err(wrong_kind(name, kind, "consume", "an allowance or a session")),
            None => Err(unknown_resource(name)),
        }
    }
}

pub(super) fn check_amount(units: u64) -> Result<(), Error> {
    if units == 0 || units > UNITS_MAX { Err(too_much(units)) } else { Ok(()) }
}

fn too_much(units: u64) -> Error {
    let why = format!("{units} is not between 1 and {UNITS_MAX}");
    Error::InvalidArgument { what: "units", why }
}
