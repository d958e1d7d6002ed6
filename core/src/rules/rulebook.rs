//! What the rules need to know of the catalog in force.

use super::terms::Counting;
use super::{GateTable, ResourceId};
use crate::catalog::{DEFAULT_GATEWAY_SILENCE_DAYS, Enforcement, Kind};

/// What rules need to know of a resource besides its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How it is counted.
    pub kind: Kind,
    /// What becomes of that which passes its limit.
    pub enforcement: Enforcement,
    /// Percentages of its limit at which an event is written, rising.
    pub thresholds: Vec<u8>,
    /// The resources that must have room as well, nearest first.
    pub parents: Vec<ResourceId>,
}

/// The catalog in force, as far as the rules look at it.
#[derive(Clone, Debug, Default)]
pub struct Rulebook {
    /// What each tenant status permits.
    pub statuses: GateTable,
    /// Days after the due date from which on an invoice that a gateway reports on is overdue,
    /// though the gateway has reported nothing.
    pub gateway_silence_days: u32,
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
        Rulebook { statuses, gateway_silence_days, policies, counting }
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

    /// The resources whose limits only note what they would deny.
    pub fn shadowed(&self) -> impl Iterator<Item = ResourceId> {
        let numbered = (0..).map(ResourceId).zip(&self.policies);
        numbered.filter_map(|(resource, policy)| {
            (policy.as_ref()?.enforcement == Enforcement::Shadow).then_some(resource)
        })
    }
}
