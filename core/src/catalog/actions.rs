//! The tables `[actions.*]`.

use std::collections::BTreeMap;

use super::error::{Result, did_you_mean, quoted};
use super::plans::Plans;
use super::resources::{Resources, lookup};
use super::tree::{Node, Table, Value};
use super::values::check_name;
use super::{Action, Cost, Feature, Gate, Kind, NeededFeature, Open, SessionRule};

/// The most actions of a catalog.
const MAX_ACTIONS: usize = 1_000;
/// The most resources that an action charges.
const MAX_CHARGES: usize = 16;

/// The catalog's actions.
pub(super) fn actions(
    root: Table,
    resources: &Resources,
    plans: &Plans,
) -> Result<BTreeMap<String, Action>> {
    root.named("actions", MAX_ACTIONS, |node| action(node, resources, plans))
}

fn action(node: &Node, resources: &Resources, plans: &Plans) -> Result<Action> {
    check_name(&node.place.key, &node.place)?;
    let table = node.table()?;
    table.only(&["gate", "feature", "session", "charge"])?;
    Ok(Action {
        gate: table.optional("gate", gate)?.unwrap_or_default(),
        feature: table.optional("feature", |node| needed_feature(node, plans))?,
        session: table.optional("session", |node| session_rule(node, resources))?,
        charge: table.named("charge", MAX_CHARGES, |node| cost(node, resources))?,
    })
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
fn needed_feature(node: &Node, plans: &Plans) -> Result<NeededFeature> {
    let text = node.text()?;
    let (name, level) = match text.split_once('=') {
        Some((name, level)) => (name, Some(level)),
        None => (text, None),
    };
    let all = || plans.values().flat_map(|plan| &plan.features);
    if !all().any(|(known, _)| known == name) {
        let hint = did_you_mean(name, all().map(|(known, _)| known.as_str()));
        return Err(node.place.error(format!("no plan has the feature {}{hint}", quoted(name))));
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
            return Err(node.place.error(problem));
        }
    }
    Ok(NeededFeature { name: name.to_owned(), level: level.map(str::to_owned) })
}

fn session_rule(node: &Node, resources: &Resources) -> Result<SessionRule> {
    let table = node.table()?;
    table.only(&["resource", "open", "extend"])?;
    Ok(SessionRule {
        resource: table.required("resource", |node| session_resource(node, resources))?,
        open: table.optional("open", open)?.unwrap_or(Open::IfNone),
        extend: table.optional("extend", Node::flag)?.unwrap_or(false),
    })
}

fn session_resource(node: &Node, resources: &Resources) -> Result<String> {
    let name = node.text()?;
    match lookup(name, node, resources)?.kind {
        Kind::Session { .. } => Ok(name.to_owned()),
        kind => Err(node.place.error(format!(
            "{} is of kind {}; a session needs one of kind \"session\"",
            quoted(name),
            quoted(kind.name())
        ))),
    }
}

fn open(node: &Node) -> Result<Open> {
    node.choice(&[
        ("if_none", Open::IfNone),
        ("never", Open::Never),
        ("per_category", Open::PerCategory),
    ])
}

fn cost(node: &Node, resources: &Resources) -> Result<Cost> {
    let kind = lookup(&node.place.key, node, resources)?.kind;
    if !matches!(kind, Kind::Allowance | Kind::Meter { .. }) {
        return Err(node.place.error(format!(
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
