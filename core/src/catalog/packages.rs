//! The tables `[packages.*]`.

use std::collections::BTreeMap;

use super::actions::needed_feature;
use super::error::{Result, quoted};
use super::plans::{Plans, title};
use super::resources::{Resources, lookup};
use super::tree::{Node, Section};
use super::values::{check_name, duration, price};
use super::{Kind, Package, is_granted};
use crate::billing::{Cents, PriceTable, SIZES_MAX};

/// The most packages of a catalog.
const MAX_PACKAGES: usize = 256;

/// The catalog's packages.
pub(super) fn packages(
    root: Section,
    resources: &Resources,
    plans: &Plans,
) -> Result<BTreeMap<String, Package>> {
    root.named("packages", MAX_PACKAGES, |node| package(node, resources, plans))
}

fn package(node: &Node, resources: &Resources, plans: &Plans) -> Result<Package> {
    check_name(&node.location.key, &node.location)?;
    let table = node.table()?;
    table.only(&["title", "resource", "prices", "recurring", "expires", "feature"])?;
    let sizes = table.named("prices", SIZES_MAX, |node| Ok((size(node)?, size_price(node)?)))?;
    if sizes.is_empty() {
        return Err(node
            .location
            .error("has no prices; write prices = { 1 = \"5.00\" }".to_owned()));
    }
    // What could never be quoted is refused here, and not when a tenant wants to buy it.
    let prices = PriceTable::new(sizes.into_values());
    let prices = prices.map_err(|error| node.location.error(error.to_string()))?;
    let resource = table.required("resource", |node| sold(node, resources))?;
    let used_up = resources.get(&resource).is_some_and(|it| is_granted(it.kind));
    Ok(Package {
        title: table.required("title", title)?,
        recurring: table.optional("recurring", |node| recurring(node, used_up))?.unwrap_or(false),
        resource,
        prices: prices.sizes().iter().map(|&(size, cents)| (size, cents.get())).collect(),
        expires_ms: table.optional("expires", duration)?,
        feature: table.optional("feature", |node| needed_feature(node, plans))?,
    })
}

fn size(node: &Node) -> Result<u64> {
    let key = &node.location.key;
    let digits = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    let size = if digits { key.parse().ok() } else { None };
    size.ok_or_else(|| {
        node.location.error(format!("{} is no size; write a number from 1", quoted(key)))
    })
}

fn size_price(node: &Node) -> Result<Cents> {
    price(node)?.ok_or_else(|| node.expected("a price in quotes such as \"5.00\""))
}

/// Whether it is charged again: of what is used up one would pay again for what was given once.
fn recurring(node: &Node, used_up: bool) -> Result<bool> {
    let recurring = node.flag()?;
    if recurring && used_up {
        let why = "what is used up is given once: it is bought again and not charged again";
        return Err(node.location.error(why.to_owned()));
    }
    Ok(recurring)
}

/// A resource of which more can be given.
fn sold(node: &Node, resources: &Resources) -> Result<String> {
    let name = node.text()?;
    match lookup(name, node, resources)?.kind {
        Kind::Rate { .. } => Err(node.location.error(format!("{} is a rate", quoted(name)))),
        _ => Ok(name.to_owned()),
    }
}
