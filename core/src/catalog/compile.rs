//! A catalog with its names turned into numbers: what decisions are made with.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{
    Action, Catalog, Cost, Feature, Gate, Kind, LeaseRule, Limit, NeededFeature, Open, Plan,
    SessionRule,
};
use super::names::{Names, feature_names, level_name};
use super::resources::parents;
use crate::rules::{Counting, FeatureId, Policy, ResourceId, Rulebook};

/// What a compiled catalog is made from, as the live file keeps it.
#[derive(Serialize, Deserialize)]
struct StoredCatalog {
    version: u64,
    names: Names,
    catalog: Catalog,
}

/// A catalog in force.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) version: u64,
    pub(crate) names: Names,
    pub(crate) catalog: Catalog,
    /// The part that the rules look at.
    pub(crate) rulebook: Rulebook,
    resources: ByName<(ResourceId, Kind)>,
    actions: ByName<CompiledAction>,
    /// What resources and actions were called, with what they are called now.
    former_names: FormerNames,
}

/// Names that lead to what is called otherwise now.
#[derive(Debug, Default)]
struct FormerNames {
    resources: BTreeMap<String, String>,
    actions: BTreeMap<String, String>,
}

impl FormerNames {
    fn of(catalog: &Catalog) -> FormerNames {
        let pair = |name: &String, old: &Option<String>| Some((old.clone()?, name.clone()));
        let resources = catalog.resources.iter();
        let actions = catalog.actions.iter();
        FormerNames {
            resources: resources.filter_map(|(name, it)| pair(name, &it.renamed_from)).collect(),
            actions: actions.filter_map(|(name, it)| pair(name, &it.renamed_from)).collect(),
        }
    }
}

/// An action with its names resolved.
#[derive(Clone, Debug)]
pub(crate) struct CompiledAction {
    pub(crate) gate: Gate,
    pub(crate) feature: Option<FeatureId>,
    pub(crate) session: Option<CompiledSession>,
    /// Each resource once: those charged, each after those above it.
    pub(crate) charges: Vec<CompiledCharge>,
    pub(crate) lease: Option<CompiledLease>,
    /// The rate that paces it, per channel and contact.
    pub(crate) rate: Option<ResourceId>,
}

impl CompiledAction {
    /// Its session rule, where that is all that it has to do with.
    #[inline]
    pub(crate) fn session_alone(&self) -> Option<&CompiledSession> {
        let alone = self.charges.is_empty() && self.lease.is_none() && self.rate.is_none();
        self.session.as_ref().filter(|_| alone)
    }
}

/// A session rule with its parameters at hand.
#[derive(Clone, Debug)]
pub(crate) struct CompiledSession {
    pub(crate) resource: ResourceId,
    /// The resources that must have capacity as well, nearest first.
    pub(crate) parents: Vec<ResourceId>,
    pub(crate) open: Open,
    pub(crate) extends: bool,
    pub(crate) window_ms: i64,
    pub(crate) late_ms: i64,
}

/// A lease rule with its parameters at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompiledLease {
    pub(crate) resource: ResourceId,
    pub(crate) ttl_ms: i64,
}

/// All that an action costs of one resource. What it costs of several resources with one above
/// them meets there: so many units each time, and so many for each of the call's quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompiledCharge {
    pub(crate) resource: ResourceId,
    fixed: u64,
    per_quantity: u64,
}

impl CompiledCharge {
    /// The units that a call with this quantity costs; `None`: more than there are numbers.
    #[inline]
    pub(crate) fn units(&self, quantity: u64) -> Option<u64> {
        self.fixed.checked_add(self.per_quantity.checked_mul(quantity)?)
    }

    /// Whether it depends on the quantity, which then cannot be zero.
    #[inline]
    pub(crate) fn needs_quantity(&self) -> bool {
        self.per_quantity > 0
    }
}

impl Compiled {
    pub(crate) fn new(version: u64, catalog: Catalog, names: Names) -> Compiled {
        let resources =
            ByName::new(names.resources.iter().enumerate().filter_map(|(number, it)| {
                let kind = catalog.resources.get(&it.name)?.kind;
                Some((it.name.clone(), (ResourceId(number as u16), kind)))
            }));
        let policies: Vec<_> =
            names.resources.iter().map(|it| policy(&catalog, &names, &it.name)).collect();
        let counting = names.resources.iter().zip(&policies).map(|(it, policy)| match policy {
            Some(policy) => Counting::of(policy.kind),
            None => Counting::of_name(&it.kind),
        });
        let counting = counting.collect();
        let rulebook = Rulebook::new(catalog.statuses, policies, counting);
        let mut rulebook = rulebook.with_billing(catalog.billing);
        rulebook.gateway_silence_days = catalog.gateway_silence;
        rulebook.week_starts = catalog.week_starts;
        let actions = ByName::new(
            catalog
                .actions
                .iter()
                .map(|(name, action)| (name.clone(), compile_action(&catalog, &names, action))),
        );
        let former_names = FormerNames::of(&catalog);
        Compiled { version, names, catalog, rulebook, resources, actions, former_names }
    }

    /// As the live file keeps it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let stored = StoredCatalog {
            version: self.version,
            names: self.names.clone(),
            catalog: self.catalog.clone(),
        };
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Compiled> {
        let stored: StoredCatalog = serde_json::from_slice(bytes).ok()?;
        Some(Compiled::new(stored.version, stored.catalog, stored.names))
    }

    /// Number and kind of the resource with this name.
    #[inline]
    pub(crate) fn resource(&self, name: &str) -> Option<(ResourceId, Kind)> {
        match self.resources.get(name) {
            Some(&found) => Some(found),
            None => self.resource_once_called(name),
        }
    }

    #[cold]
    fn resource_once_called(&self, name: &str) -> Option<(ResourceId, Kind)> {
        self.resources.get(self.former_names.resources.get(name)?).copied()
    }

    /// The name of a resource, also of one that has left the catalog.
    pub(crate) fn resource_name(&self, resource: ResourceId) -> Option<&str> {
        self.names.resources.get(usize::from(resource.0)).map(|it| it.name.as_str())
    }

    #[inline]
    pub(crate) fn kind(&self, resource: ResourceId) -> Option<Kind> {
        self.rulebook.policy(resource).map(|policy| policy.kind)
    }

    /// The resources above `resource`, nearest first.
    pub(crate) fn parents(&self, resource: ResourceId) -> &[ResourceId] {
        self.rulebook.policy(resource).map_or(&[], |policy| &policy.parents)
    }

    #[inline]
    pub(crate) fn action(&self, name: &str) -> Option<&CompiledAction> {
        self.actions.get(name).or_else(|| self.action_once_called(name))
    }

    #[cold]
    fn action_once_called(&self, name: &str) -> Option<&CompiledAction> {
        self.actions.get(self.former_names.actions.get(name)?)
    }

    /// The limits of `plan`, by number. The pace of a channel is not something that is sold: a
    /// rate that the plan does not name has its burst.
    pub(crate) fn limits(&self, plan: &Plan) -> BTreeMap<ResourceId, Limit> {
        let limit = |(name, &(resource, kind)): (&str, &(ResourceId, Kind))| {
            let unnamed = match kind {
                Kind::Rate { burst, .. } => Some(Limit::Finite(burst)),
                _ => None,
            };
            Some((resource, plan.limits.get(name).copied().or(unnamed)?))
        };
        self.resources.iter().filter_map(limit).collect()
    }

    /// Units by number of the resource.
    pub(crate) fn units(&self, by_name: &BTreeMap<String, u64>) -> BTreeMap<ResourceId, u64> {
        let number = |name: &String| self.resource(name).map(|(resource, _)| resource);
        by_name.iter().filter_map(|(name, &units)| Some((number(name)?, units))).collect()
    }

    /// Features in force, one bit each: a plan's, with a tenant's own on top.
    pub(crate) fn features(
        &self,
        of_plan: &BTreeMap<String, Feature>,
        own: &BTreeMap<String, Feature>,
    ) -> [u64; 4] {
        let plans = of_plan.iter().filter(|(name, _)| !own.contains_key(*name));
        let mut bits = [0; 4];
        for name in feature_names(plans.chain(own)) {
            let Some(FeatureId(number)) = self.names.feature(&name) else { continue };
            if let Some(word) = bits.get_mut(usize::from(number / 64)) {
                *word |= 1 << (number % 64);
            }
        }
        bits
    }

    /// The names of all features that there are.
    pub(crate) fn feature_names(&self) -> impl Iterator<Item = &str> {
        let names = self.names.features.iter().map(String::as_str);
        names.filter(|name| !name.contains('='))
    }

    /// Whether features in force give what is needed.
    pub(crate) fn gives(&self, needed: &NeededFeature, bits: &[u64; 4]) -> bool {
        match (self.feature_of(&needed.name, bits), &needed.level) {
            (Some(Feature::Level(has)), Some(level)) => has == *level,
            (Some(Feature::Level(_)), None) => true,
            (Some(Feature::Flag(on)), None) => on,
            _ => false,
        }
    }

    /// Whether a feature has a name that tenants can have: at this level, where it has levels.
    pub(crate) fn knows_feature(&self, name: &str, feature: Option<&Feature>) -> bool {
        let known = match feature {
            Some(Feature::Level(level)) => self.names.feature(&level_name(name, level)),
            Some(Feature::Flag(_)) | None => self.names.feature(name),
        };
        known.is_some()
    }

    /// A feature as `bits` have it: off, on, or at a level.
    pub(crate) fn feature_of(&self, name: &str, bits: &[u64; 4]) -> Option<Feature> {
        let is_on = |FeatureId(number): FeatureId| {
            let word = bits.get(usize::from(number / 64)).copied().unwrap_or(0);
            word & 1 << (number % 64) != 0
        };
        let on = is_on(self.names.feature(name)?);
        let level = self.names.features.iter().find_map(|known| {
            let level = known.strip_prefix(name)?.strip_prefix('=')?;
            is_on(self.names.feature(known)?).then(|| Feature::Level(level.to_owned()))
        });
        Some(level.filter(|_| on).unwrap_or(Feature::Flag(on)))
    }
}

/// Whether a kind of resource is used up from grants.
pub(crate) const fn is_granted(kind: Kind) -> bool {
    matches!(kind, Kind::Allowance | Kind::Session { .. })
}

/// So many names are looked through one by one faster than by halves.
const FEW: usize = 16;

/// Values by name, found fast: sorted by length first, so that few texts are compared.
#[derive(Debug)]
struct ByName<T>(Vec<(String, T)>);

impl<T> ByName<T> {
    fn new(values: impl Iterator<Item = (String, T)>) -> ByName<T> {
        let mut values: Vec<_> = values.collect();
        values.sort_by(|(one, _), (other, _)| in_order(one, other));
        ByName(values)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    #[inline]
    fn get(&self, name: &str) -> Option<&T> {
        let found = if self.0.len() <= FEW {
            self.0.iter().find(|(known, _)| known == name)
        } else {
            let location = self.0.binary_search_by(|(known, _)| in_order(known, name)).ok()?;
            self.0.get(location)
        };
        found.map(|(_, value)| value)
    }
}

#[inline]
fn in_order(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// The policy of a resource; `None`: it is not in the catalog.
fn policy(catalog: &Catalog, names: &Names, name: &str) -> Option<Policy> {
    let resource = catalog.resources.get(name)?;
    Some(Policy {
        kind: resource.kind,
        enforcement: resource.enforcement,
        thresholds: resource.thresholds.clone(),
        parents: numbered_parents(catalog, names, name),
    })
}

fn numbered_parents(catalog: &Catalog, names: &Names, name: &str) -> Vec<ResourceId> {
    parents(name, &catalog.resources).filter_map(|name| names.resource(name)).collect()
}

fn compile_action(catalog: &Catalog, names: &Names, action: &Action) -> CompiledAction {
    let feature = action.feature.as_ref().and_then(|needed| match &needed.level {
        Some(level) => names.feature(&format!("{}={level}", needed.name)),
        None => names.feature(&needed.name),
    });
    CompiledAction {
        gate: action.gate,
        // A feature that no plan has ever given has no number; no tenant has it.
        feature: feature.or(action.feature.as_ref().map(|_| FeatureId(u16::MAX))),
        session: action.session.as_ref().and_then(|rule| compile_session(catalog, names, rule)),
        charges: compile_charges(catalog, names, &action.charge),
        lease: action.lease.as_ref().and_then(|rule| compile_lease(catalog, names, rule)),
        rate: action.rate.as_ref().and_then(|name| names.resource(name)),
    }
}

fn compile_session(
    catalog: &Catalog,
    names: &Names,
    rule: &SessionRule,
) -> Option<CompiledSession> {
    let Kind::Session { window_ms, late_ms } = catalog.resources.get(&rule.resource)?.kind else {
        return None;
    };
    Some(CompiledSession {
        resource: names.resource(&rule.resource)?,
        parents: numbered_parents(catalog, names, &rule.resource),
        open: rule.open,
        extends: rule.extend,
        window_ms,
        late_ms,
    })
}

fn compile_lease(catalog: &Catalog, names: &Names, rule: &LeaseRule) -> Option<CompiledLease> {
    let Kind::Lease { ttl_ms } = catalog.resources.get(&rule.resource)?.kind else { return None };
    Some(CompiledLease {
        resource: names.resource(&rule.resource)?,
        ttl_ms: rule.ttl_ms.unwrap_or(ttl_ms),
    })
}

/// What an action costs of the resources that it charges and of all above them.
fn compile_charges(
    catalog: &Catalog,
    names: &Names,
    costs: &BTreeMap<String, Cost>,
) -> Vec<CompiledCharge> {
    let mut charges: Vec<CompiledCharge> = Vec::new();
    for (name, &cost) in costs {
        let (fixed, per_quantity) = match cost {
            Cost::Fixed(units) => (units, 0),
            Cost::Quantity => (0, 1),
        };
        // Those above come first: a decision shows the numbers of the last that it charged.
        let above = numbered_parents(catalog, names, name);
        for resource in above.into_iter().rev().chain(names.resource(name)) {
            match charges.iter_mut().find(|charge| charge.resource == resource) {
                Some(charge) => {
                    charge.fixed = charge.fixed.saturating_add(fixed);
                    charge.per_quantity = charge.per_quantity.saturating_add(per_quantity);
                }
                None => charges.push(CompiledCharge { resource, fixed, per_quantity }),
            }
        }
    }
    charges
}
