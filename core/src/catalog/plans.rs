//! The tables `[plans.*]`.

use std::collections::BTreeMap;

use super::caps::caps;
use super::error::{Result, quoted};
use super::resources::{MAX_RESOURCES, Resources, lookup};
use super::tree::{Node, Section, Value};
use super::values::{check_name, months, price, renamed_from};
use super::{BillingMode, Feature, Kind, Limit, OnLapse, Plan, RenewOn};
use crate::billing::Cents;

/// Plans of a catalog, by name.
pub(super) type Plans = BTreeMap<String, Plan>;

/// The most plans of a catalog.
const MAX_PLANS: usize = 1_000;
/// The most features of a plan.
const MAX_FEATURES: usize = 256;
/// The longest title of a plan, in bytes.
const MAX_TITLE_BYTES: usize = 128;
/// The most days of grace.
const MAX_GRACE_DAYS: u32 = 366;

/// The catalog's plans.
pub(super) fn plans(root: Section, resources: &Resources) -> Result<Plans> {
    let all = root.optional("plans", Node::table)?;
    root.named("plans", MAX_PLANS, |node| plan(node, all, resources))
}

fn plan(node: &Node, all: Option<Section>, resources: &Resources) -> Result<Plan> {
    check_name(&node.location.key, &node.location)?;
    let table = node.table()?;
    table.only(&[
        "title",
        "price",
        "period",
        "cadence",
        "on_lapse",
        "grace_days",
        "max_renewals",
        "renew_on",
        "billing",
        "extras",
        "carry_over",
        "limits",
        "per_day",
        "per_week",
        "features",
        "renamed_from",
    ])?;
    let mut limits = table.named("limits", MAX_RESOURCES, |node| limit(node, resources))?;
    limits.extend(caps(table, resources)?);
    let period_months = table.optional("period", months)?.unwrap_or(1);
    let renew_on = table.optional("renew_on", renew_on)?.unwrap_or_default();
    Ok(Plan {
        renamed_from: renamed_from(table, all)?,
        title: table.required("title", title)?,
        price_cents: table.required("price", price)?.map(Cents::get),
        period_months,
        cadence_months: table.optional("cadence", |node| cadence(node, period_months))?,
        on_lapse: table.optional("on_lapse", on_lapse)?.unwrap_or_default(),
        grace_days: table
            .optional("grace_days", |node| node.integer(0..=MAX_GRACE_DAYS))?
            .unwrap_or(0),
        max_renewals: table.optional("max_renewals", |node| node.integer(0..=u32::MAX))?,
        renew_on,
        billing: match table.optional("billing", |node| billing(node, renew_on))? {
            Some(mode) => mode,
            None if renew_on == RenewOn::Payment => BillingMode::Advance,
            None => BillingMode::Arrears,
        },
        extras: table.optional("extras", Node::flag)?.unwrap_or(true),
        carry_over: table.named("carry_over", MAX_RESOURCES, |node| carried(node, resources))?,
        limits,
        features: table.named("features", MAX_FEATURES, feature)?,
    })
}

pub(super) fn title(node: &Node) -> Result<String> {
    let text = node.text()?;
    if (1..=MAX_TITLE_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(node.expected(&format!("1 to {MAX_TITLE_BYTES} bytes on one line")))
}

fn cadence(node: &Node, period_months: u32) -> Result<u32> {
    let cadence_months = months(node)?;
    if cadence_months < period_months && period_months.is_multiple_of(cadence_months) {
        return Ok(cadence_months);
    }
    Err(node.expected(&format!(
        "an interval shorter than the period of {period_months} months that divides it"
    )))
}

fn on_lapse(node: &Node) -> Result<OnLapse> {
    node.choice(&[("keep", OnLapse::Keep), ("expire", OnLapse::Expire)])
}

fn renew_on(node: &Node) -> Result<RenewOn> {
    node.choice(&[("schedule", RenewOn::Schedule), ("payment", RenewOn::Payment)])
}

fn billing(node: &Node, renew_on: RenewOn) -> Result<BillingMode> {
    let modes = [("advance", BillingMode::Advance), ("arrears", BillingMode::Arrears)];
    match node.choice(&modes)? {
        BillingMode::Arrears if renew_on == RenewOn::Payment => Err(node.location.error(
            "a plan that renews on payment is paid in advance; write billing = \"advance\", or \
             renew_on = \"schedule\""
                .to_owned(),
        )),
        mode => Ok(mode),
    }
}

/// How much of an allowance is carried over.
fn carried(node: &Node, resources: &Resources) -> Result<u64> {
    let kind = lookup(&node.location.key, node, resources)?.kind;
    if kind != Kind::Allowance {
        return Err(node.location.error(format!(
            "is of kind {}; only an allowance can be carried over",
            quoted(kind.name())
        )));
    }
    units(node)
}

/// A number of units.
pub(super) fn units(node: &Node) -> Result<u64> {
    match &node.value {
        Value::Integer(units) if *units >= 0 => Ok(units.cast_unsigned()),
        _ => Err(node.expected("a whole number of units")),
    }
}

pub(super) fn limit(node: &Node, resources: &Resources) -> Result<Limit> {
    lookup(&node.location.key, node, resources)?;
    match &node.value {
        Value::Text(text) if text == "unlimited" => Ok(Limit::Unlimited),
        Value::Text(text) if text == "disabled" => Ok(Limit::Disabled),
        Value::Integer(units) => u64::try_from(*units).map(Limit::Finite).map_err(|_| {
            node.location.error(format!("{units} is no limit; write \"unlimited\" for no limit"))
        }),
        _ => Err(node.expected("a whole number of units, \"unlimited\" or \"disabled\"")),
    }
}

fn feature(node: &Node) -> Result<Feature> {
    check_name(&node.location.key, &node.location)?;
    match &node.value {
        Value::Flag(on) => Ok(Feature::Flag(*on)),
        Value::Text(level) => {
            check_name(level, &node.location)?;
            Ok(Feature::Level(level.clone()))
        }
        _ => Err(node.expected("true, false or the name of a level")),
    }
}
