//! A catalog's text into a [`Catalog`].

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use chrono::Weekday;
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::rules::{BillingRules, GateTable, Status};

use super::actions::actions;
use super::caps::add_caps;
use super::error::{Result, did_you_mean, quoted};
use super::model::default_fiscal_retention;
use super::packages::packages;
use super::plans::{Plans, plans};
use super::resources::{Resources, resources};
use super::tree::{Location, Node, Section};
use super::values::{days_or_never, years};
use super::wordings::titles;
use super::{
    Catalog, CatalogError, DEFAULT_GATEWAY_SILENCE_DAYS, Kind, Trial, from_json, from_toml,
};

/// The longest text of a catalog, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// The length of a demonstration unless the catalog says otherwise (docs/sources.md, Helena).
const DEFAULT_DEMO_DAYS: u32 = 14;
/// The seats of which an administrator takes one unless the catalog says otherwise.
const USERS: &str = "users";
/// The most days that an invoice may wait for a consequence.
const MAX_BILLING_DAYS: u32 = 3_660;
/// The longest demonstration, in days.
const MAX_DEMO_DAYS: u32 = 3_660;
/// The most days that a gateway may be silent about what was due.
const MAX_GATEWAY_SILENCE_DAYS: u32 = 60;

impl Catalog {
    /// Reads the text of a catalog. `name` is what errors call it, and decides the syntax: a name
    /// ending in `.json` is JSON, any other is TOML.
    ///
    /// # Errors
    ///
    /// A [`CatalogError`] for the first thing that is not understood, missing, out of range or at
    /// odds with the rest of the catalog.
    pub fn parse(text: &str, name: &str) -> std::result::Result<Catalog, CatalogError> {
        let file = Location::file(name);
        if text.len() > MAX_TEXT_BYTES {
            let bytes = text.len();
            return Err(file.error(format!("{bytes} bytes, at most {MAX_TEXT_BYTES} are allowed")));
        }
        catalog(&tree(text, &file)?)
    }
}

fn tree(text: &str, file: &Rc<Location>) -> Result<Node> {
    match Path::new(&file.key).extension() {
        Some(json) if json.eq_ignore_ascii_case("json") => from_json::tree(text, file),
        _ => from_toml::tree(text, file),
    }
}

fn catalog(root: &Node) -> Result<Catalog> {
    let root = root.table()?;
    root.only(&[
        "catalog",
        "trial",
        "resources",
        "plans",
        "actions",
        "packages",
        "titles",
        "billing",
        "statuses",
    ])?;
    let absent = BTreeMap::new();
    let general = root
        .optional("catalog", Node::table)?
        .unwrap_or(Section { location: root.location, entries: &absent });
    general.only(&[
        "currency",
        "time_zone",
        "demo_days",
        "fiscal_retention",
        "gateway_silence",
        "pending_plan",
        "administrator_seat",
        "week_starts",
    ])?;
    let mut resources = resources(root)?;
    add_caps(root, &mut resources)?;
    let plans = plans(root, &resources)?;
    let actions = actions(root, &resources, &plans)?;
    Ok(Catalog {
        currency: general.optional("currency", currency)?.unwrap_or_else(|| "BRL".to_owned()),
        time_zone: general.optional("time_zone", time_zone)?.unwrap_or(Tz::America__Sao_Paulo),
        demo_days: general
            .optional("demo_days", |node| node.integer(1..=MAX_DEMO_DAYS))?
            .unwrap_or(DEFAULT_DEMO_DAYS),
        fiscal_retention_years: general
            .optional("fiscal_retention", years)?
            .unwrap_or_else(default_fiscal_retention),
        week_starts: general.optional("week_starts", week_starts)?.unwrap_or(Weekday::Mon),
        trial: root.optional("trial", trial)?.unwrap_or_default(),
        gateway_silence: general
            .optional("gateway_silence", |node| node.integer(0..=MAX_GATEWAY_SILENCE_DAYS))?
            .unwrap_or(DEFAULT_GATEWAY_SILENCE_DAYS),
        administrator_seat: match general.optional("administrator_seat", Node::text)? {
            Some(name) => Some(seat(name, general, &resources)?),
            None => resources.contains_key(USERS).then(|| USERS.to_owned()),
        },
        packages: packages(root, &resources, &plans)?,
        pending_plan: general.optional("pending_plan", |node| known_plan(node, &plans))?,
        titles: titles(root, &resources, &plans)?,
        resources,
        plans,
        actions,
        billing: billing(root)?,
        statuses: statuses(root)?,
    })
}

fn week_starts(node: &Node) -> Result<Weekday> {
    node.choice(&[("monday", Weekday::Mon), ("saturday", Weekday::Sat), ("sunday", Weekday::Sun)])
}

fn trial(node: &Node) -> Result<Trial> {
    let table = node.table()?;
    table.only(&["delete_after"])?;
    let delete_after_days = table.optional("delete_after", days_or_never)?;
    Ok(delete_after_days.map_or_else(Trial::default, |days| Trial { delete_after_days: days }))
}

/// The table `[billing]`.
fn billing(root: Section) -> Result<BillingRules> {
    let usual = BillingRules::default();
    let Some(table) = root.optional("billing", Node::table)? else { return Ok(usual) };
    table.only(&["offer_days", "suspend_after", "cancel_after", "min_first_days"])?;
    let days = |name| table.optional(name, |node| node.integer(0..=MAX_BILLING_DAYS));
    let rules = BillingRules {
        offer_days: days("offer_days")?.unwrap_or(usual.offer_days),
        suspend_after: days("suspend_after")?,
        cancel_after: days("cancel_after")?,
        min_first_days: days("min_first_days")?.unwrap_or(usual.min_first_days),
    };
    match (rules.suspend_after, rules.cancel_after) {
        (Some(suspend), Some(cancel)) if cancel < suspend => Err(table.location.error(format!(
            "cancel_after = {cancel} comes before suspend_after = {suspend}; both count from the \
             same due day, so cancel_after must not be the smaller one"
        ))),
        _ => Ok(rules),
    }
}

fn seat(name: &str, general: Section, resources: &Resources) -> Result<String> {
    let location = general.location;
    match resources.get(name).map(|resource| resource.kind) {
        Some(Kind::Seat) => Ok(name.to_owned()),
        Some(kind) => Err(location.error(format!(
            "administrator_seat: {} is of kind {}, not \"seat\"",
            quoted(name),
            quoted(kind.name())
        ))),
        None => {
            Err(location.error(format!("administrator_seat: unknown resource {}", quoted(name))))
        }
    }
}

fn known_plan(node: &Node, plans: &Plans) -> Result<String> {
    let name = node.text()?;
    if plans.contains_key(name) {
        return Ok(name.to_owned());
    }
    let hint = did_you_mean(name, plans.keys().map(String::as_str));
    Err(node.location.error(format!("unknown plan {}{hint}", quoted(name))))
}

fn currency(node: &Node) -> Result<String> {
    let text = node.text()?;
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(text.to_owned());
    }
    Err(node.expected("three upper-case letters such as \"BRL\""))
}

fn time_zone(node: &Node) -> Result<Tz> {
    let name = node.text()?;
    name.parse().map_err(|_| {
        let hint = did_you_mean(name, TZ_VARIANTS.iter().map(|zone| zone.name()));
        node.location.error(format!("unknown time zone {}{hint}", quoted(name)))
    })
}

/// The default table of permissions with what `[statuses]` changes.
fn statuses(root: Section) -> Result<GateTable> {
    let mut gates = GateTable::default();
    let Some(table) = root.optional("statuses", Node::table)? else {
        return Ok(gates);
    };
    for (code, node) in table.entries {
        let status = Status::from_code(code).ok_or_else(|| {
            let hint = did_you_mean(code, Status::ALL.map(Status::code));
            node.location.error(format!("unknown status {}{hint}", quoted(code)))
        })?;
        let table = node.table()?;
        table.only(&["access", "send", "receive", "consume", "billed"])?;
        let row = gates.row_mut(status);
        for (key, permission) in [
            ("access", &mut row.access),
            ("send", &mut row.send),
            ("receive", &mut row.receive),
            ("consume", &mut row.consume),
            ("billed", &mut row.billed),
        ] {
            *permission = table.optional(key, Node::flag)?.unwrap_or(*permission);
        }
    }
    Ok(gates)
}
