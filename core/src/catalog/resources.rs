//! The tables `[resources.*]`.

use std::collections::BTreeMap;

use crate::clock::{DAY_MS, HOUR_MS};

use super::error::{Result, did_you_mean, quoted};
use super::tree::{Node, Table, Value};
use super::values::{check_name, duration};
use super::{Kind, Reset, Resource};

/// Resources of a catalog, by name.
pub(super) type Resources = BTreeMap<String, Resource>;

/// The most resources of a catalog.
pub(super) const MAX_RESOURCES: usize = 256;
/// The most resources above a resource: its parent, that one's parent, and so on.
const MAX_PARENTS: usize = 8;
/// The most units of a rate that may come at once.
const MAX_BURST: u32 = 1_000_000;

/// How long a session lasts unless the catalog says otherwise.
const DEFAULT_WINDOW_MS: i64 = 24 * HOUR_MS;
/// How long an ended session is remembered unless the catalog says otherwise.
const DEFAULT_LATE_MS: i64 = 7 * DAY_MS;

/// Each kind, with the keys that only a resource of that kind has.
const KINDS: [(&str, &[&str]); 6] = [
    ("allowance", &[]),
    ("session", &["window", "late"]),
    ("seat", &[]),
    ("lease", &["ttl"]),
    ("meter", &["reset"]),
    ("rate", &["every", "burst"]),
];

/// The catalog's resources.
pub(super) fn resources(root: Table) -> Result<Resources> {
    let resources = root.named("resources", MAX_RESOURCES, resource)?;
    if let Some(table) = root.optional("resources", Node::table)? {
        // Both maps have the same keys, in the same order.
        for (node, resource) in table.entries.values().zip(resources.values()) {
            node.table()?
                .optional("parent", |node| check_parent(node, resource.kind, &resources))?;
        }
    }
    Ok(resources)
}

/// The resource that `name` means, which is written in `node` or is its key.
pub(super) fn lookup<'a>(
    name: &str,
    node: &Node,
    resources: &'a Resources,
) -> Result<&'a Resource> {
    if matches!(node.value, Value::Table(_)) {
        return Err(node.expected("a value (a name with a dot is written in quotes)"));
    }
    resources.get(name).ok_or_else(|| {
        let hint = did_you_mean(name, resources.keys().map(String::as_str));
        node.place.error(format!("unknown resource {}{hint}", quoted(name)))
    })
}

fn resource(node: &Node) -> Result<Resource> {
    check_name(&node.place.key, &node.place)?;
    let table = node.table()?;
    let kinds_keys = KINDS.iter().flat_map(|(_, keys)| keys.iter().copied());
    table.only(&["kind", "parent"].into_iter().chain(kinds_keys).collect::<Vec<_>>())?;
    let kind = kind(table)?;
    let parent = table.optional("parent", |node| node.text().map(str::to_owned))?;
    Ok(Resource { kind, parent })
}

fn kind(table: Table) -> Result<Kind> {
    let kind = table.required("kind", |node| node.choice(&KINDS.map(|(name, _)| (name, name))))?;
    for (owner, keys) in KINDS.iter().filter(|(name, _)| *name != kind) {
        if let Some(node) = keys.iter().find_map(|key| table.entries.get(*key)) {
            let (owner, kind) = (quoted(owner), quoted(kind));
            return Err(node.place.error(format!("belongs to kind {owner}, not to kind {kind}")));
        }
    }
    Ok(match kind {
        "session" => Kind::Session {
            window_ms: table.optional("window", duration)?.unwrap_or(DEFAULT_WINDOW_MS),
            late_ms: table.optional("late", duration)?.unwrap_or(DEFAULT_LATE_MS),
        },
        "seat" => Kind::Seat,
        "lease" => Kind::Lease { ttl_ms: table.required("ttl", duration)? },
        "meter" => Kind::Meter { reset: table.optional("reset", reset)?.unwrap_or(Reset::Period) },
        "rate" => Kind::Rate {
            every_ms: table.required("every", duration)?,
            burst: table.optional("burst", |node| node.integer(1..=MAX_BURST))?.unwrap_or(1).into(),
        },
        _ => Kind::Allowance,
    })
}

fn reset(node: &Node) -> Result<Reset> {
    node.choice(&[
        ("period", Reset::Period),
        ("calendar_month", Reset::CalendarMonth),
        ("never", Reset::Never),
    ])
}

/// Refuses the parent that a resource of `kind` names in `node` unless it exists, is of the same
/// kind and leads to an end.
fn check_parent(node: &Node, kind: Kind, resources: &Resources) -> Result<()> {
    let parent = lookup(node.text()?, node, resources)?;
    let (parent_kind, kind) = (parent.kind.name(), kind.name());
    if parent_kind != kind {
        return Err(node.place.error(format!(
            "a parent must be of the same kind; it is of kind {}, this resource of kind {}",
            quoted(parent_kind),
            quoted(kind)
        )));
    }
    let mut top = parent;
    for _ in 0..MAX_PARENTS {
        let Some(above) = top.parent.as_ref().and_then(|name| resources.get(name)) else {
            return Ok(());
        };
        top = above;
    }
    Err(node.place.error(format!("parents go in a circle, or more than {MAX_PARENTS} levels up")))
}
