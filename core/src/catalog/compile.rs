//! A catalog with its names turned into numbers: what decisions are made with.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{Action, Catalog, Cost, Feature, Gate, Kind, Limit, Open, Plan};
use crate::rules::{FeatureId, ResourceId};

/// The names that have numbers, in the order of their numbers. They are only ever added to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Names {
    pub(crate) resources: Vec<String>,
    /// A flag by its name; a level as `name=level`, besides the name itself.
    pub(crate) features: Vec<String>,
}

/// Bits that a tenant's features have room for.
const FEATURES_MAX: usize = 256;
/// Resources that a database has room for, over all its catalogs.
const RESOURCES_MAX: usize = 1_024;

/// What a compiled catalog is made from, as the live file keeps it.
#[derive(Serialize, Deserialize)]
struct Stored {
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
    resources: ByName<(ResourceId, Kind)>,
    /// Kinds by number; `None`: the resource is not in this catalog any more.
    kinds: Vec<Option<Kind>>,
    actions: ByName<CompiledAction>,
}

/// An action with its names resolved.
#[derive(Clone, Debug)]
pub(crate) struct CompiledAction {
    pub(crate) gate: Gate,
    pub(crate) feature: Option<FeatureId>,
    pub(crate) session: Option<CompiledSession>,
    pub(crate) charges: Vec<(ResourceId, Cost)>,
}

/// A session rule with its parameters at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompiledSession {
    pub(crate) resource: ResourceId,
    pub(crate) open: Open,
    pub(crate) extends: bool,
    pub(crate) window_ms: i64,
    pub(crate) late_ms: i64,
}

impl Names {
    /// Adds the names of `catalog` that have no number yet. `Err`: the name that found no room.
    pub(crate) fn add(&mut self, catalog: &Catalog) -> Result<(), String> {
        for name in catalog.resources.keys() {
            add(&mut self.resources, name.clone(), RESOURCES_MAX)?;
        }
        for plan in catalog.plans.values() {
            for name in feature_names(plan) {
                add(&mut self.features, name, FEATURES_MAX)?;
            }
        }
        Ok(())
    }

    fn resource(&self, name: &str) -> Option<ResourceId> {
        position(&self.resources, name).map(ResourceId)
    }

    fn feature(&self, name: &str) -> Option<FeatureId> {
        position(&self.features, name).map(FeatureId)
    }
}

fn add(names: &mut Vec<String>, name: String, most: usize) -> Result<(), String> {
    if names.contains(&name) {
        return Ok(());
    }
    if names.len() >= most {
        return Err(name);
    }
    names.push(name);
    Ok(())
}

fn position(names: &[String], name: &str) -> Option<u16> {
    names.iter().position(|known| known == name).map(|index| index as u16)
}

/// The features that a plan gives: a flag that is on, or a level and its name.
fn feature_names(plan: &Plan) -> impl Iterator<Item = String> {
    plan.features.iter().flat_map(|(name, feature)| match feature {
        Feature::Flag(true) => vec![name.clone()],
        Feature::Flag(false) => Vec::new(),
        Feature::Level(level) => vec![name.clone(), format!("{name}={level}")],
    })
}

impl Compiled {
    pub(crate) fn new(version: u64, catalog: Catalog, names: Names) -> Compiled {
        let resources =
            ByName::new(names.resources.iter().enumerate().filter_map(|(number, name)| {
                let kind = catalog.resources.get(name)?.kind;
                Some((name.clone(), (ResourceId(number as u16), kind)))
            }));
        let kinds = names
            .resources
            .iter()
            .map(|name| catalog.resources.get(name).map(|resource| resource.kind))
            .collect();
        let actions = ByName::new(
            catalog
                .actions
                .iter()
                .map(|(name, action)| (name.clone(), compile_action(&catalog, &names, action))),
        );
        Compiled { version, names, catalog, resources, kinds, actions }
    }

    /// As the live file keeps it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let stored = Stored {
            version: self.version,
            names: self.names.clone(),
            catalog: self.catalog.clone(),
        };
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Compiled> {
        let stored: Stored = serde_json::from_slice(bytes).ok()?;
        Some(Compiled::new(stored.version, stored.catalog, stored.names))
    }

    /// Number and kind of the resource with this name.
    #[inline]
    pub(crate) fn resource(&self, name: &str) -> Option<(ResourceId, Kind)> {
        self.resources.get(name).copied()
    }

    /// The name of a resource, also of one that has left the catalog.
    pub(crate) fn resource_name(&self, resource: ResourceId) -> Option<&str> {
        self.names.resources.get(usize::from(resource.0)).map(String::as_str)
    }

    #[inline]
    pub(crate) fn kind(&self, resource: ResourceId) -> Option<Kind> {
        self.kinds.get(usize::from(resource.0)).copied().flatten()
    }

    #[inline]
    pub(crate) fn action(&self, name: &str) -> Option<&CompiledAction> {
        self.actions.get(name)
    }

    /// The limits of `plan` on what is decided from grants, by number.
    pub(crate) fn limits(&self, plan: &Plan) -> BTreeMap<ResourceId, Limit> {
        plan.limits
            .iter()
            .filter_map(|(name, &limit)| Some((self.names.resource(name)?, limit)))
            .filter(|&(resource, _)| self.kind(resource).is_some_and(is_granted))
            .collect()
    }

    /// The features of `plan`, one bit each.
    pub(crate) fn features(&self, plan: &Plan) -> [u64; 4] {
        let mut bits = [0; 4];
        for FeatureId(number) in feature_names(plan).filter_map(|name| self.names.feature(&name)) {
            if let Some(word) = bits.get_mut(usize::from(number / 64)) {
                *word |= 1 << (number % 64);
            }
        }
        bits
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

    #[inline]
    fn get(&self, name: &str) -> Option<&T> {
        let found = if self.0.len() <= FEW {
            self.0.iter().find(|(known, _)| known == name)
        } else {
            let place = self.0.binary_search_by(|(known, _)| in_order(known, name)).ok()?;
            self.0.get(place)
        };
        found.map(|(_, value)| value)
    }
}

#[inline]
fn in_order(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

fn compile_action(catalog: &Catalog, names: &Names, action: &Action) -> CompiledAction {
    let feature = action.feature.as_ref().and_then(|needed| match &needed.level {
        Some(level) => names.feature(&format!("{}={level}", needed.name)),
        None => names.feature(&needed.name),
    });
    // A feature that no plan has ever given has no number; nobody has it.
    let feature = feature.or(action.feature.as_ref().map(|_| FeatureId(u16::MAX)));
    let session = action.session.as_ref().and_then(|rule| {
        let Kind::Session { window_ms, late_ms } = catalog.resources.get(&rule.resource)?.kind
        else {
            return None;
        };
        Some(CompiledSession {
            resource: names.resource(&rule.resource)?,
            open: rule.open,
            extends: rule.extend,
            window_ms,
            late_ms,
        })
    });
    let charges = action
        .charge
        .iter()
        .filter_map(|(name, &cost)| Some((names.resource(name)?, cost)))
        .collect();
    CompiledAction { gate: action.gate, feature, session, charges }
}
