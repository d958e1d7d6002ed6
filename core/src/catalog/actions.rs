//! The tables `[actions.*]`.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::decide::CHARGES_MAX;

use super::error::{Result, did_you_mean, quoted};
use super::plans::Plans;
use super::resources::{Resources, lookup, parents};
use super::tree::{Node, Section, Value};
use super::values::{check_name, duration, renamed_from};
use super::{Action, Cost, Feature, Gate, Kind, LeaseRule, NeededFeature, Open, SessionRule};

/// The most actions of a catalog.
const MAX_ACTIONS: usize = 1_000;
/// The most resources that an action has to do with, those above them included.
const MAX_TOUCHED: usize = CHARGES_MAX;

/// The catalog's actions.
pub(super) fn actions(
    root: Section,
    resources: &Resources,
    plans: &Plans,
) -> Result<BTreeMap<String, Action>> {
    let all = root.optional("actions", Node::table)?;
    root.named("actions", MAX_ACTIONS, |node| action(node, all, resources, plans))
}

fn action(
    node: &Node,
    all: Option<Section>,
    resources: &Resources,
    plans: &Plans,
) -> Result<Action> {
    check_name(&node.location.key, &node.location)?;
    let table = node.table()?;
    table.only(&["gate", "feature", "session", "charge", "lease", "rate", "renamed_from"])?;
    let action = Action {
        gate: table.optional("gate", gate)?.unwrap_or_default(),
        feature: table.optional("feature", |node| needed_feature(node, plans))?,
        session: table.optional("session", |node| session_rule(node, resources))?,
        charge: table.named("charge", MAX_TOUCHED, |node| cost(node, resources))?,
        lease: table.optional("lease", |node| lease_rule(node, resources))?,
        rate: table.optional("rate", |node| resource_of_kind(node, "rate", resources))?,
        renamed_from: renamed_from(table, all)?,
    };
    let touched = touched(&action, resources);
    if touched > MAX_TOUCHED {
        return Err(node.location.error(format!(
            "has to do with {touched} resources, those above them included; at most {MAX_TOUCHED} \
             are allowed"
        )));
    }
    Ok(action)
}

/// How many resources an action has to do with: those that it names, and all above them.
fn touched(action: &Action, resources: &Resources) -> usize {
    let session = action.session.as_ref().map(|rule| &rule.resource);
    let lease = action.lease.as_ref().map(|rule| &rule.resource);
    let mut touched: BTreeSet<&str> = action.rate.as_deref().into_iter().collect();
    for name in action.charge.keys().chain(session).chain(lease) {
        touched.insert(name);
        touched.extend(parents(name, resources));
    }
    touched.len()
}

fn gate(node: &Node) -> Result<Gate> {
    node.choice(&[
        ("access", Gate::Access),
        ("send", Gate::Send),
        ("receive", Gate::Receive),
        ("consume", Gate::Consume),
    ])
}

/// A feature that at least one plan has: an action that no plan permits is a slip of the pen.
pub(super) fn needed_feature(node: &Node, plans: &Plans) -> Result<NeededFeature> {
    let text = node.text()?;
    let (name, level) = match text.split_once('=') {
        Some((name, level)) => (name, Some(level)),
        None => (text, None),
    };
    let all = || plans.values().flat_map(|plan| &plan.features);
    if !all().any(|(known, _)| known == name) {
        let hint = did_you_mean(name, all().map(|(known, _)| known.as_str()));
        return Err(node.location.error(format!("no plan has the feature {}{hint}", quoted(name))));
    }
    if let Some(level) = level {
        let levels = || {
            all().filter(|(known, _)| *known == name).filter_map(|(_, feature)| match feature {
                Feature::Level(level) => Some(level.as_str()),
                Feature::Flag(_) => None,
            })
        };
        if !levels().any(|known| known == level) {
            let (name, hint) = (quoted(name), did_you_mean(level, levels()));
            let problem =
                format!("no plan has level {} of the feature {name}{hint}", quoted(level));
            return Err(node.location.error(problem));
        }
    }
    Ok(NeededFeature { name: name.to_owned(), level: level.map(str::to_owned) })
}

fn session_rule(node: &Node, resources: &Resources) -> Result<SessionRule> {
    let table = node.table()?;
    table.only(&["resource", "open", "extend"])?;
    Ok(SessionRule {
        resource: table
            .required("resource", |node| resource_of_kind(node, "session", resources))?,
        open: table.optional("open", open)?.unwrap_or(Open::IfNone),
        extend: table.optional("extend", Node::flag)?.unwrap_or(false),
    })
}

/// A lease by the name of its resource, or a table where it has a duration of its own.
fn lease_rule(node: &Node, resources: &Resources) -> Result<LeaseRule> {
    let Ok(table) = node.table() else {
        return Ok(LeaseRule {
            resource: resource_of_kind(node, "lease", resources)?,
            ttl_ms: None,
        });
    };
    table.only(&["resource", "ttl"])?;
    Ok(LeaseRule {
        resource: table.required("resource", |node| resource_of_kind(node, "lease", resources))?,
        ttl_ms: table.optional("ttl", duration)?,
    })
}

/// The name of a resource, which must be of this kind.
fn resource_of_kind(node: &Node, kind: &str, resources: &Resources) -> Result<String> {
    let name = node.text()?;
    let found = lookup(name, node, resources)?.kind.name();
    if found == kind {
        return Ok(name.to_owned());
    }
    let (name, found) = (quoted(name), quoted(found));
    let problem = format!("{name} is of kind {found}; a {kind} needs one of kind {}", quoted(kind));
    Err(node.location.error(problem))
}

fn open(node: &Node) -> Result<Open> {
    node.choice(&[
        ("if_none", Open::IfNone),
        ("never", Open::Never),
        ("per_category", Open::PerCategory),
    ])
}

fn cost(node: &Node, resources: &Resources) -> Result<Cost> {
    let kind = lookup(&node.location.key, node, resources)?.kind;
    if !matches!(kind, Kind::Allowance | Kind::Meter { .. }) {
        return Err(node.location.error(format!(
            "a resource of kind {} cannot be charged, only an allowance or a meter",
            quoted(kind.name())
        )));
    }
    let cost = match &node.value {
        Value::Text(text) if text == "quantity" => Some(Cost::Quantity),
        Value::Integer(units) => u64::try_from(*units).ok().map(Cost::Fixed),
        _ => None,
    };
    cost.ok_or_else(|| node.expected("a whole number of units or \"quantity\""))
}
