//! Numbers and features of one tenant: those of its plan as somebody changed them, and its own.

use std::collections::BTreeMap;

use super::Engine;
use super::administer::{limited_resource, too_much};
use super::call::UNITS_MAX;
use super::joining::limits_of;
use super::lane::Work;
use super::once::Verb;
use crate::catalog::{Feature, Limit, Plan};
use crate::error::Error;
use crate::rules::ResourceId;
use crate::rules::plan_number;

impl Engine {
    /// Changes the number of a tenant's plan, as a reseller may (seed 000), until it joins
    /// another plan. Lowering takes back only units of the plan that are not used; extras stay.
    /// Waits for the disk.
    pub fn set_limit(&self, tenant: &str, resource: &str, limit: Limit) -> Result<(), Error> {
        check_limit(limit)?;
        let verb = Verb::new("set_limit", None, &(resource, limit));
        self.change_once(tenant, &verb, |work| {
            let id = limited_resource(work.compiled, resource)?;
            if work.loaded.account.subscription.is_none() {
                return Err(Error::NoSubscription(tenant.to_owned()));
            }
            put_in_force(work, id, limit);
            let detail = format!("{resource} {limit}");
            Ok(work.write.audit(Some(work.loaded.row), work.now, "limit", &detail)?)
        })
    }

    /// Gives a tenant a limit of its own, whatever plan it is on or joins later ("Personalizar
    /// opções", seed 001); `None`: as its plan says. Lowering takes back only units of the plan
    /// that are not used. Waits for the disk.
    pub fn set_own_limit(
        &self,
        tenant: &str,
        resource: &str,
        limit: Option<Limit>,
    ) -> Result<(), Error> {
        limit.map_or(Ok(()), check_limit)?;
        let verb = Verb::new("set_own_limit", None, &(resource, limit));
        self.change_once(tenant, &verb, |work| {
            let id = limited_resource(work.compiled, resource)?;
            let own = &mut work.loaded.overrides.limits;
            match limit {
                Some(limit) => own.insert(resource.to_owned(), limit),
                None => own.remove(resource),
            };
            if let Some(plan) = plan_of(work)? {
                let limits = limits_of(work.compiled, &plan, &work.loaded.overrides);
                bring_limit(work, id, limits.get(&id).copied());
            }
            keep_schedule(work)?;
            let own = limit.map_or_else(|| "as planned".to_owned(), |limit| limit.to_string());
            let detail = format!("{resource} {own}");
            Ok(work.write.audit(Some(work.loaded.row), work.now, "own limit", &detail)?)
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
        let verb = Verb::new("set_feature", None, &(name, feature));
        self.change_once(tenant, &verb, |work| {
            if !work.compiled.knows_feature(name, feature) {
                return Err(Error::UnknownFeature(super::shorten(name)));
            }
            let own = &mut work.loaded.overrides.features;
            match feature {
                Some(feature) => own.insert(name.to_owned(), feature.clone()),
                None => own.remove(name),
            };
            let of_plan = plan_of(work)?.map(|plan| plan.features).unwrap_or_default();
            let own = &work.loaded.overrides.features;
            work.loaded.account.features = work.compiled.features(&of_plan, own);
            keep_schedule(work)?;
            Ok(work.write.audit(Some(work.loaded.row), work.now, "feature", name)?)
        })
    }
}

fn check_limit(limit: Limit) -> Result<(), Error> {
    match limit {
        Limit::Finite(units) if units > UNITS_MAX => Err(too_much(units)),
        _ => Ok(()),
    }
}

/// The plan as it was subscribed to: a later version is another plan.
pub(super) fn plan_of(work: &Work<'_>) -> Result<Option<Plan>, Error> {
    match &work.loaded.account.subscription {
        Some(it) => Ok(work.write.plan(it.catalog_version, &it.plan)?),
        None => Ok(None),
    }
}

/// What a scheduled plan brings is reckoned anew, since the tenant's own has changed.
fn keep_schedule(work: &mut Work<'_>) -> Result<(), Error> {
    let (compiled, own) = (work.compiled, &work.loaded.overrides);
    let Some(next) = work.loaded.account.scheduled.as_mut() else { return Ok(()) };
    let Some(plan) = work.write.plan(next.terms.catalog_version, &next.terms.plan)? else {
        return Ok(());
    };
    next.limits = limits_of(compiled, &plan, own);
    next.features = compiled.features(&plan.features, &own.features);
    Ok(work.write.save_scheduled(next)?)
}

/// Brings limits to those of another version of the plan: only where its number is another, so
/// that what somebody changed for this tenant stays.
pub(super) fn bring_limits(
    work: &mut Work<'_>,
    old: &BTreeMap<ResourceId, Limit>,
    new: &BTreeMap<ResourceId, Limit>,
) {
    for &resource in old.keys().chain(new.keys()) {
        let limit = new.get(&resource).copied();
        if old.get(&resource).copied() != limit {
            bring_limit(work, resource, limit);
        }
    }
}

/// Puts a limit in force; `None`: the plan does not name the resource.
fn bring_limit(work: &mut Work<'_>, resource: ResourceId, limit: Option<Limit>) {
    put_in_force(work, resource, limit.unwrap_or(Limit::Disabled));
    if limit.is_none() {
        work.loaded.account.limits.remove(&resource);
    }
}

fn put_in_force(work: &mut Work<'_>, resource: ResourceId, limit: Limit) {
    let (rules, now) = (&work.compiled.rulebook, work.now);
    plan_number::set_limit(&mut work.loaded.account, rules, resource, limit, now);
}
