//! Calendar caps: what a plan allows of a resource in one day or one week, beside the period.
//!
//! A cap is a meter of its own, called after the resource, that begins again with each day or week
//! and stands above the resource: both must have capacity, and what is given back lowers it only
//! while its day or week lasts. So everything that is known of meters and of resources above others
//! holds for caps.

use std::collections::BTreeMap;

use super::error::{Result, quoted};
use super::plans::limit;
use super::resources::{MAX_PARENTS, MAX_RESOURCES, Resources, lookup};
use super::tree::{Node, Section};
use super::{Kind, Limit, Reset, Resource};

/// The tables of a plan that have caps, and what begins again with each.
const CAPS: [(&str, Reset); 2] =
    [("per_week", Reset::CalendarWeek), ("per_day", Reset::CalendarDay)];

/// What the caps of a resource are called.
pub(super) fn caps_of(name: &str) -> [String; 2] {
    CAPS.map(|(table, _)| cap_name(name, table))
}

/// Adds the caps that plans name to the resources.
pub(super) fn add_caps(root: Section, resources: &mut Resources) -> Result<()> {
    let Some(plans) = root.optional("plans", Node::table)? else { return Ok(()) };
    for (table, reset) in CAPS {
        for plan in plans.entries.values() {
            let Some(capped) = plan.table()?.optional(table, Node::table)? else { continue };
            for node in capped.entries.values() {
                add_cap(node, (table, reset), resources)?;
            }
        }
    }
    Ok(())
}

fn add_cap(node: &Node, (table, reset): (&str, Reset), resources: &mut Resources) -> Result<()> {
    let name = node.location.key.as_str();
    let capped = lookup(name, node, resources)?.clone();
    let cap = cap_name(name, table);
    let kind = Kind::Meter { reset };
    match resources.get(&cap) {
        Some(known) if known.kind == kind => return Ok(()), // Another plan names it, too.
        Some(_) => {
            let problem = format!("the resource {} has the name of this cap", quoted(&cap));
            return Err(node.location.error(problem));
        }
        None => {}
    }
    if !matches!(capped.kind, Kind::Allowance | Kind::Session { .. } | Kind::Meter { .. }) {
        return Err(node.location.error(format!(
            "is of kind {}; allowances, sessions and meters have caps per day and per week",
            quoted(capped.kind.name())
        )));
    }
    let above = Resource {
        kind,
        token_required: false,
        warning: None,
        renamed_from: None,
        ..capped.clone()
    };
    resources.insert(cap.clone(), above);
    resources.insert(name.to_owned(), Resource { parent: Some(cap), ..capped });
    let parent = |name: &String| resources.get(name).and_then(|it| it.parent.clone());
    let is_too_deep = |name: &&String| {
        let mut top = Some((*name).clone());
        (0..=MAX_PARENTS).all(|_| {
            top = top.as_ref().and_then(parent);
            top.is_some()
        })
    };
    match resources.keys().find(is_too_deep) {
        None => Ok(()),
        Some(deep) => Err(node.location.error(format!(
            "{} would have more than {MAX_PARENTS} levels above it, its caps included",
            quoted(deep)
        ))),
    }
}

/// The limits of a plan that are caps.
pub(super) fn caps(plan: Section, resources: &Resources) -> Result<BTreeMap<String, Limit>> {
    let mut caps = BTreeMap::new();
    for (table, _) in CAPS {
        let limits = plan.named(table, MAX_RESOURCES, |node| limit(node, resources))?;
        caps.extend(limits.into_iter().map(|(name, limit)| (cap_name(&name, table), limit)));
    }
    Ok(caps)
}

fn cap_name(resource: &str, table: &str) -> String {
    format!("{resource}.{table}")
}
