//! The tables `[resources.*]`.

use std::collections::BTreeMap;
use std::iter;

use crate::clock::{DAY_MS, HOUR_MS};

use super::error::{Result, did_you_mean, quoted};
use super::model::default_thresholds;
use super::tree::{Node, Section, Value};
use super::values::{check_name, duration, renamed_from};
use super::wordings::wording;
use super::{Enforcement, HolderKind, Kind, Reset, Resource};

/// Resources of a catalog, by name.
pub(super) type Resources = BTreeMap<String, Resource>;

/// The most resources of a catalog.
pub(super) const MAX_RESOURCES: usize = 256;
/// The most resources above a resource: its parent, that one's parent, and so on. The entry of a
/// lease keeps its resource and all above it in one word, which has capacity for four.
pub(super) const MAX_PARENTS: usize = 3;
/// The most thresholds of a resource.
const MAX_THRESHOLDS: usize = 8;
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
    ("seat", &["token", "warning", "holder"]),
    ("lease", &["ttl"]),
    ("meter", &["reset"]),
    ("rate", &["every", "burst"]),
];

/// The catalog's resources.
pub(super) fn resources(root: Section) -> Result<Resources> {
    let all = root.optional("resources", Node::table)?;
    let resources = root.named("resources", MAX_RESOURCES, |node| resource(node, all))?;
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
    if matches!(node.value, Value::Section(_)) {
        return Err(node.expected("a value (a name with a dot is written in quotes)"));
    }
    resources.get(name).ok_or_else(|| {
        let hint = did_you_mean(name, resources.keys().map(String::as_str));
        node.location.error(format!("unknown resource {}{hint}", quoted(name)))
    })
}

/// The resources above the one that is called `name`, nearest first.
pub(super) fn parents<'a>(
    name: &str,
    resources: &'a Resources,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let parent = |name: &str| resources.get(name)?.parent.as_deref();
    // A catalog that an older version kept may have more of them than are allowed now.
    iter::successors(parent(name), move |name| parent(name)).take(MAX_PARENTS)
}

fn resource(node: &Node, all: Option<Section>) -> Result<Resource> {
    check_name(&node.location.key, &node.location)?;
    let table = node.table()?;
    let kinds_keys = KINDS.iter().flat_map(|(_, keys)| keys.iter().copied());
    let keys = ["kind", "parent", "enforce", "cap", "thresholds", "renamed_from"];
    table.only(&keys.into_iter().chain(kinds_keys).collect::<Vec<_>>())?;
    let kind = kind(table)?;
    Ok(Resource {
        kind,
        parent: table.optional("parent", |node| node.text().map(str::to_owned))?,
        enforcement: enforcement(table, kind)?,
        thresholds: thresholds(table, kind)?,
        token_required: table.optional("token", token_required)?.unwrap_or(false),
        warning: table.optional("warning", wording)?,
        renamed_from: renamed_from(table, all)?,
        holder: table.optional("holder", holder)?.unwrap_or_default(),
    })
}

/// What `enforce` says, and `cap` with it.
fn enforcement(table: Section, kind: Kind) -> Result<Enforcement> {
    let soft = Enforcement::Soft { cap: table.optional("cap", cap)? };
    let mut choices =
        vec![("hard", Enforcement::Hard), ("soft", soft), ("shadow", Enforcement::Shadow)];
    if matches!(kind, Kind::Rate { .. }) {
        // A rate is a pace: nothing adds up that could be billed as overage.
        choices.retain(|(_, enforcement)| *enforcement != soft);
    }
    let enforcement = table.optional("enforce", |node| node.choice(&choices))?.unwrap_or_default();
    match table.entries.get("cap") {
        Some(node) if enforcement != soft => {
            Err(node.location.error("belongs to enforce = \"soft\" and to no other"))
        }
        _ => Ok(enforcement),
    }
}

/// Whether the seats of a resource are taken with tokens only.
fn token_required(node: &Node) -> Result<bool> {
    node.choice(&[("optional", false), ("required", true)])
}

/// What the holders of a resource's seats are.
fn holder(node: &Node) -> Result<HolderKind> {
    node.choice(&[("name", HolderKind::Name), ("email", HolderKind::Email)])
}

/// Units beyond a soft limit.
fn cap(node: &Node) -> Result<u64> {
    let units = match node.value {
        Value::Integer(units) => u64::try_from(units).ok(),
        _ => None,
    };
    units.ok_or_else(|| node.expected("a whole number of units"))
}

fn thresholds(table: Section, kind: Kind) -> Result<Vec<u8>> {
    let is_rate = matches!(kind, Kind::Rate { .. });
    match table.entries.get("thresholds") {
        Some(node) if is_rate => Err(node.location.error("does not belong to kind \"rate\"")),
        Some(node) => percentages(node),
        None if is_rate => Ok(Vec::new()),
        None => Ok(default_thresholds()),
    }
}

/// Percentages, each higher than the one before.
fn percentages(node: &Node) -> Result<Vec<u8>> {
    let Value::Array(values) = &node.value else {
        return Err(node.expected("an array of percentages such as [80, 100]"));
    };
    if values.len() > MAX_THRESHOLDS {
        let count = values.len();
        let problem = format!("{count} entries, at most {MAX_THRESHOLDS} are allowed");
        return Err(node.location.error(problem));
    }
    let mut percentages: Vec<u8> = Vec::new();
    for value in values {
        let percentage = match value {
            Value::Integer(number) => u8::try_from(*number).ok(),
            _ => None,
        };
        let Some(percentage) = percentage.filter(|number| (1..=100).contains(number)) else {
            let found = value.shown();
            let problem = format!("expected percentages from 1 to 100, found {found}");
            return Err(node.location.error(problem));
        };
        if let Some(before) = percentages.last().filter(|&&before| before >= percentage) {
            let problem = format!("percentages must rise; {percentage} follows {before}");
            return Err(node.location.error(problem));
        }
        percentages.push(percentage);
    }
    Ok(percentages)
}

fn kind(table: Section) -> Result<Kind> {
    let kind = table.required("kind", |node| node.choice(&KINDS.map(|(name, _)| (name, name))))?;
    for (owner, keys) in KINDS.iter().filter(|(name, _)| *name != kind) {
        if let Some(node) = keys.iter().find_map(|key| table.entries.get(*key)) {
            let (owner, kind) = (quoted(owner), quoted(kind));
            return Err(node
                .location
                .error(format!("belongs to kind {owner}, not to kind {kind}")));
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
        ("calendar_day", Reset::CalendarDay),
        ("calendar_week", Reset::CalendarWeek),
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
        return Err(node.location.error(format!(
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
    Err(node.location.error(format!("parents form a cycle, or more than {MAX_PARENTS} levels up")))
}
