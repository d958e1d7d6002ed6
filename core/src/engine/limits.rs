//! Numbers and features of one tenant: those of its plan as an operator changed them, and its own.

use std::collections::BTreeMap;

use super::Engine;
use super::admin_tx::AdminTx;
use super::administer::{limited_resource, too_much};
use super::call::UNITS_MAX;
use super::joining::limits_of;
use super::once::Operation;
use crate::catalog::{Feature, Limit, Plan};
use crate::error::Error;
use crate::rules::ResourceId;
use crate::rules::plan_number;

impl Engine {
    /// Changes the number of a tenant's plan, as a reseller may (docs/sources.md, LiveChat 360),
    /// until it joins another plan. Lowering takes back only units of the plan that are not used;
    /// extras stay. Waits for the disk.
    pub fn set_limit(&self, tenant: &str, resource: &str, limit: Limit) -> Result<(), Error> {
        check_limit(limit)?;
        let operation = Operation::new("set_limit", None, &(resource, limit));
        self.change_once(tenant, &operation, |tx| {
            let id = limited_resource(tx.compiled, resource)?;
            if tx.loaded.account.subscription.is_none() {
                return Err(Error::NoSubscription(tenant.to_owned()));
            }
            put_in_force(tx, id, limit);
            let detail = format!("{resource} {limit}");
            Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "limit", &detail)?)
        })
    }

    /// Gives a tenant a limit of its own, whatever plan it is on or joins later ("Personalizar
    /// opções", docs/sources.md, Helena); `None`: as its plan says. Lowering takes back only units
    /// of the plan that are not used. Waits for the disk.
    pub fn set_own_limit(
        &self,
        tenant: &str,
        resource: &str,
        limit: Option<Limit>,
    ) -> Result<(), Error> {
        limit.map_or(Ok(()), check_limit)?;
        let operation = Operation::new("set_own_limit", None, &(resource, limit));
        self.change_once(tenant, &operation, |tx| {
            let id = limited_resource(tx.compiled, resource)?;
            let own = &mut tx.loaded.overrides.limits;
            match limit {
                Some(limit) => own.insert(resource.to_owned(), limit),
                None => own.remove(resource),
            };
            if let Some(plan) = plan_of(tx)? {
                let limits = limits_of(tx.compiled, &plan, &tx.loaded.overrides);
                bring_limit(tx, id, limits.get(&id).copied());
            }
            keep_schedule(tx)?;
            let own = limit.map_or_else(|| "as planned".to_owned(), |limit| limit.to_string());
            let detail = format!("{resource} {own}");
            Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "own limit", &detail)?)
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
        let operation = Operation::new("set_feature", None, &(name, feature));
        self.change_once(tenant, &operation, |tx| {
            if !tx.compiled.knows_feature(name, feature) {
                return Err(tx.compiled.unknown_feature(name, feature));
            }
            let own = &mut tx.loaded.overrides.features;
            match feature {
                Some(feature) => own.insert(name.to_owned(), feature.clone()),
                None => own.remove(name),
            };
            let of_plan = plan_of(tx)?.map(|plan| plan.features).unwrap_or_default();
            let own = &tx.loaded.overrides.features;
            tx.loaded.account.features = tx.compiled.features(&of_plan, own);
            keep_schedule(tx)?;
            Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "feature", name)?)
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
pub(super) fn plan_of(tx: &AdminTx<'_>) -> Result<Option<Plan>, Error> {
    match &tx.loaded.account.subscription {
        Some(it) => Ok(tx.write.plan(it.catalog_version, &it.plan)?),
        None => Ok(None),
    }
}

/// What a scheduled plan brings is reckoned again, since the tenant's own has changed.
fn keep_schedule(tx: &mut AdminTx<'_>) -> Result<(), Error> {
    let (compiled, own) = (tx.compiled, &tx.loaded.overrides);
    let Some(next) = tx.loaded.account.scheduled.as_mut() else { return Ok(()) };
    let Some(plan) = tx.write.plan(next.terms.catalog_version, &next.terms.plan)? else {
        return Ok(());
    };
    next.limits = limits_of(compiled, &plan, own);
    next.features = compiled.features(&plan.features, &own.features);
    Ok(tx.write.save_scheduled(next)?)
}

/// Brings limits to those of another version of the plan: only where its number is another, so
/// that what an operator changed for this tenant stays.
pub(super) fn bring_limits(
    tx: &mut AdminTx<'_>,
    old: &BTreeMap<ResourceId, Limit>,
    new: &BTreeMap<ResourceId, Limit>,
) {
    for &resource in old.keys().chain(new.keys()) {
        let limit = new.get(&resource).copied();
        if old.get(&resource).copied() != limit {
            bring_limit(tx, resource, limit);
        }
    }
}

/// Brings all limits to those of a plan that is joined: what an operator changed was the old
/// plan's.
pub(super) fn join_limits(tx: &mut AdminTx<'_>, new: &BTreeMap<ResourceId, Limit>) {
    let present: Vec<_> = tx.loaded.account.limits.keys().copied().collect();
    for resource in present.into_iter().chain(new.keys().copied()) {
        bring_limit(tx, resource, new.get(&resource).copied());
    }
}

/// Puts a limit in force; `None`: the plan does not name the resource.
fn bring_limit(tx: &mut AdminTx<'_>, resource: ResourceId, limit: Option<Limit>) {
    put_in_force(tx, resource, limit.unwrap_or(Limit::Disabled));
    if limit.is_none() {
        tx.loaded.account.limits.remove(&resource);
    }
}

fn put_in_force(tx: &mut AdminTx<'_>, resource: ResourceId, limit: Limit) {
    let (rules, now) = (&tx.compiled.rulebook, tx.now);
    plan_number::set_limit(&mut tx.loaded.account, rules, resource, limit, now);
}
