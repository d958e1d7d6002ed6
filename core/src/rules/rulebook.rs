//! What the rules need to know of the catalog in force.

use chrono::Weekday;
use serde::{Deserialize, Serialize};

use super::terms::Counting;
use super::{GateTable, ResourceId};
use crate::catalog::{DEFAULT_GATEWAY_SILENCE_DAYS, Enforcement, Kind, Reset};

/// What rules need to know of a resource besides its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How it is counted.
    pub kind: Kind,
    /// What becomes of that which passes its limit.
    pub enforcement: Enforcement,
    /// Percentages of its limit at which an event is written, rising.
    pub thresholds: Vec<u8>,
    /// The resources that must have capacity as well, nearest first.
    pub parents: Vec<ResourceId>,
}

/// When what is not paid has which consequence. Days are whole days in the tenant's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BillingRules {
    /// Days after its due day in which an offer (an unpaid purchase or choice of a plan) stands.
    pub offer_days: u32,
    /// Days after the due day of the oldest overdue invoice after which a tenant in arrears is
    /// suspended; `None`: never by itself.
    pub suspend_after: Option<u32>,
    /// Days after that due day after which it is cancelled; `None`: never by itself.
    pub cancel_after: Option<u32>,
    /// Days that lie at least between a payment that begins a period and the first due date.
    pub min_first_days: u32,
}

impl Default for BillingRules {
    fn default() -> BillingRules {
        BillingRules { offer_days: 7, suspend_after: None, cancel_after: None, min_first_days: 7 }
    }
}

impl Policy {
    /// Whether it is a meter that begins again with each day or week.
    pub(super) fn is_cap(&self) -> bool {
        matches!(self.kind, Kind::Meter { reset: Reset::CalendarDay | Reset::CalendarWeek })
    }
}

impl Default for Rulebook {
    fn default() -> Self {
        Rulebook::new(GateTable::default(), Vec::new(), Vec::new())
    }
}

/// The catalog in force, as far as the rules look at it.
#[derive(Clone, Debug)]
pub struct Rulebook {
    /// What each tenant status permits.
    pub statuses: GateTable,
    /// Days after the due date from which on an invoice that a gateway reports on is overdue,
    /// though the gateway has reported nothing.
    pub gateway_silence_days: u32,
    /// When what is not paid has which consequence.
    pub billing: BillingRules,
    /// The day on which weeks begin.
    pub week_starts: Weekday,
    /// By number of the resource.
    policies: Vec<Option<Policy>>,
    /// By number of the resource, how it is counted, also after it has left the catalog.
    counting: Vec<Counting>,
}

impl Rulebook {
    /// The policies stand in the order of their resources' numbers; `None`: the resource has left
    /// the catalog. What of it is held or measured stays counted in the way of its kind: so
    /// `counting` knows every resource there ever was.
    #[must_use]
    pub fn new(
        statuses: GateTable,
        policies: Vec<Option<Policy>>,
        counting: Vec<Counting>,
    ) -> Rulebook {
        let gateway_silence_days = DEFAULT_GATEWAY_SILENCE_DAYS;
        let (billing, week_starts) = (BillingRules::default(), Weekday::Mon);
        Rulebook { statuses, gateway_silence_days, billing, week_starts, policies, counting }
    }

    /// The same with other rules for what is not paid.
    #[must_use]
    pub fn with_billing(self, billing: BillingRules) -> Rulebook {
        Rulebook { billing, ..self }
    }

    /// How a resource is counted.
    #[must_use]
    pub fn counting(&self, resource: ResourceId) -> Counting {
        self.counting.get(usize::from(resource.0)).copied().unwrap_or_default()
    }

    /// The policy of a resource; `None`: the resource has left the catalog.
    #[must_use]
    #[inline]
    pub fn policy(&self, resource: ResourceId) -> Option<&Policy> {
        self.policies.get(usize::from(resource.0))?.as_ref()
    }

    /// The meters that begin again with each day or week. A tenant that has no limit of one has no
    /// such cap, and is counted all the same.
    pub fn caps(&self) -> impl Iterator<Item = ResourceId> {
        let numbered = (0..).map(ResourceId).zip(&self.policies);
        numbered.filter_map(|(resource, policy)| policy.as_ref()?.is_cap().then_some(resource))
    }

    /// Whether any meter begins again so.
    pub(super) fn resets(&self, reset: Reset) -> bool {
        let is_it = |policy: &Policy| policy.kind == Kind::Meter { reset };
        self.policies.iter().flatten().any(is_it)
    }

    /// The resources whose limits only note what they would deny.
    pub fn shadowed(&self) -> impl Iterator<Item = ResourceId> {
        let numbered = (0..).map(ResourceId).zip(&self.policies);
        numbered.filter_map(|(resource, policy)| {
            (policy.as_ref()?.enforcement == Enforcement::Shadow).then_some(resource)
        })
    }
}
