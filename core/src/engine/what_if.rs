//! What a downgrade would leave over its limits, reported before it is done.

use super::Engine;
use super::decide::RetryReason;
use super::joining::limits_of;
use crate::catalog::Limit;
use crate::error::Error;
use crate::rules::{Account, Counting};

/// A resource of which more is in use than a plan gives.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OverLimit {
    /// The resource.
    pub resource: String,
    /// What is held or measured now.
    pub used: u64,
    /// What would be contracted; 0 also where the plan does not have the resource.
    pub limit: u64,
}

impl Engine {
    /// What of a tenant's seats, leases and meters would be over its limit on another plan. What
    /// exists would stay; more would be refused. What is used up from grants begins again with a
    /// plan and is never over. Reads SQLite; changes nothing.
    pub fn what_if(&self, tenant: &str, plan: &str) -> Result<Vec<OverLimit>, Error> {
        let at = self.record_or_similar(tenant)?;
        let now = self.now();
        self.resolve_retry(at, tenant, now, RetryReason::LeasesDue)?;
        let (loaded, _) = self.shared.view(at, tenant, now)?;
        let compiled = self.shared.compiled()?;
        let unknown = || compiled.unknown_plan(plan);
        let plan = compiled.catalog.plans.get(plan).ok_or_else(unknown)?;
        let rules = &compiled.rulebook;
        let mut account = loaded.account;
        let in_use: Vec<_> = account
            .used
            .keys()
            .chain(account.held.keys())
            .copied()
            .filter(|&it| Account::counting(rules, it) != Counting::Granted)
            .map(|resource| (resource, account.in_use(rules, resource)))
            .collect();
        account.limits = limits_of(compiled, plan, &loaded.overrides);
        let over = |(resource, used)| {
            let limit = match account.limits.get(&resource) {
                Some(Limit::Unlimited) => return None,
                _ => account.contracted(rules, resource, account.high_water_mark),
            };
            let name = compiled.resource_name(resource)?.to_owned();
            (used > limit).then_some(OverLimit { resource: name, used, limit })
        };
        Ok(in_use.into_iter().filter_map(over).collect())
    }
}
