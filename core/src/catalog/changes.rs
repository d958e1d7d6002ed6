//! What a new catalog calls otherwise, and what it no longer has.

use std::collections::{BTreeMap, BTreeSet};

use super::caps::caps_of;
use super::{Action, Catalog};

/// Names that a catalog gives up for others: the old one and the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Renames {
    pub(crate) resources: Vec<(String, String)>,
    pub(crate) plans: Vec<(String, String)>,
    pub(crate) actions: Vec<(String, String)>,
}

/// What tenants may have that a new catalog takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) resources: Vec<String>,
    pub(crate) plans: Vec<String>,
    pub(crate) actions: Vec<String>,
    /// Actions that need resources which they did not need: before, and now.
    pub(crate) needs: Vec<Needs>,
    /// The currency before.
    pub(crate) currency: Option<String>,
}

/// What an action had to do with, and has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) action: String,
    pub(crate) before: BTreeSet<String>,
    pub(crate) now: BTreeSet<String>,
}

impl Renames {
    /// What `after` renames of `before`. A catalog that is loaded again renames nothing.
    pub(crate) fn between(before: &Catalog, after: &Catalog) -> Result<Renames, String> {
        let of_resources = after.resources.iter();
        let mut resources = renamed(
            "resource",
            of_resources.map(|(name, it)| (name, it.renamed_from.as_ref())),
            &before.resources,
        )?;
        // The caps of a resource are called after it.
        for (old, new) in resources.clone() {
            let caps = caps_of(&old).into_iter().zip(caps_of(&new));
            resources.extend(caps.filter(|(cap, _)| before.resources.contains_key(cap)));
        }
        let of_plans = after.plans.iter();
        let plans = renamed(
            "plan",
            of_plans.map(|(name, it)| (name, it.renamed_from.as_ref())),
            &before.plans,
        )?;
        let of_actions = after.actions.iter();
        let actions = renamed(
            "action",
            of_actions.map(|(name, it)| (name, it.renamed_from.as_ref())),
            &before.actions,
        )?;
        Ok(Renames { resources, plans, actions })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.plans.is_empty() && self.actions.is_empty()
    }

    /// Gives the new names to all that a catalog says.
    pub(crate) fn apply(&self, catalog: &mut Catalog) {
        for (old, new) in &self.resources {
            rename_resource(catalog, old, new);
        }
        for (old, new) in &self.plans {
            rename_key(&mut catalog.plans, old, new);
            rename_value(&mut catalog.pending_plan, old, new);
        }
        for (old, new) in &self.actions {
            rename_key(&mut catalog.actions, old, new);
        }
    }
}

fn renamed<'a, T>(
    what: &str,
    names: impl Iterator<Item = (&'a String, Option<&'a String>)>,
    before: &BTreeMap<String, T>,
) -> Result<Vec<(String, String)>, String> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (new, old) in names {
        let Some(old) = old.filter(|old| before.contains_key(*old)) else { continue };
        if before.contains_key(new) {
            return Err(format!(
                "the {what} {new:?} cannot be renamed from {old:?}: the catalog in force has both; \
                 choose another name"
            ));
        }
        if all.iter().any(|(known, _)| known == old) {
            return Err(format!("two {what}s are renamed from {old:?}; one can be"));
        }
        all.push((old.clone(), new.clone()));
    }
    Ok(all)
}

fn rename_resource(catalog: &mut Catalog, old: &str, new: &str) {
    rename_key(&mut catalog.resources, old, new);
    rename_key(&mut catalog.titles, old, new);
    rename_value(&mut catalog.administrator_seat, old, new);
    for resource in catalog.resources.values_mut() {
        rename_value(&mut resource.parent, old, new);
    }
    for plan in catalog.plans.values_mut() {
        rename_key(&mut plan.limits, old, new);
        rename_key(&mut plan.carry_over, old, new);
    }
    for package in catalog.packages.values_mut().filter(|it| it.resource == old) {
        new.clone_into(&mut package.resource);
    }
    for action in catalog.actions.values_mut() {
        rename_key(&mut action.charge, old, new);
        rename_value(&mut action.rate, old, new);
        if let Some(session) = action.session.as_mut().filter(|it| it.resource == old) {
            new.clone_into(&mut session.resource);
        }
        if let Some(lease) = action.lease.as_mut().filter(|it| it.resource == old) {
            new.clone_into(&mut lease.resource);
        }
    }
}

pub(crate) fn rename_key<T>(map: &mut BTreeMap<String, T>, old: &str, new: &str) -> bool {
    let value = map.remove(old);
    let is_there = value.is_some();
    map.extend(value.map(|value| (new.to_owned(), value)));
    is_there
}

fn rename_value(value: &mut Option<String>, old: &str, new: &str) {
    if value.as_deref() == Some(old) {
        *value = Some(new.to_owned());
    }
}

impl Removed {
    /// What `after` no longer has of `before`, whose names are those of now.
    pub(crate) fn between(before: &Catalog, after: &Catalog) -> Removed {
        let needs = before.actions.iter().filter_map(|(name, was)| {
            let is = after.actions.get(name)?;
            let needs = Needs { action: name.clone(), before: needed(was), now: needed(is) };
            (!needs.now.is_subset(&needs.before)).then_some(needs)
        });
        Removed {
            resources: missing(&before.resources, &after.resources),
            plans: missing(&before.plans, &after.plans),
            actions: missing(&before.actions, &after.actions),
            needs: needs.collect(),
            currency: (before.currency != after.currency).then(|| before.currency.clone()),
        }
    }
}

fn missing<T>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> Vec<String> {
    before.keys().filter(|name| !after.contains_key(*name)).cloned().collect()
}

/// The resources that a tenant's plan must have for an action. A rate is not sold.
fn needed(action: &Action) -> BTreeSet<String> {
    let session = action.session.as_ref().map(|rule| rule.resource.clone());
    let lease = action.lease.as_ref().map(|rule| rule.resource.clone());
    action.charge.keys().cloned().chain(session).chain(lease).collect()
}
