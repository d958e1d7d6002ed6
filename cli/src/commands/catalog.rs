//! `cotas catalog`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use comfy_table::Cell;
use cotas::catalog::{Action, Cost, Enforcement, Gate, Plan, Resource};
use cotas::{Engine, SystemClock};
use serde_json::{Value, json};

use crate::database::Database;
use crate::failure::Failure;
use crate::output::{Output, table, words};

/// What is limited, and the plans.
#[derive(Subcommand)]
pub enum CatalogCommand {
    /// Put a catalog in force; tenants keep the plan that they have
    Load {
        /// TOML, or JSON if its name says so
        file: PathBuf,
        /// Load it also if it takes something from tenants
        #[arg(long)]
        confirm: bool,
    },
    /// Read a catalog, and say what loading it would take from tenants
    Check {
        /// TOML, or JSON if its name says so
        file: PathBuf,
    },
    /// Show what a catalog would change: line by line
    Diff {
        /// TOML, or JSON if its name says so
        file: PathBuf,
    },
    /// Show the catalog in force
    Show {
        /// Show all that it says, line by line
        #[arg(long)]
        whole: bool,
    },
}

impl CatalogCommand {
    /// Loads or shows.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        match self {
            CatalogCommand::Load { file, confirm } => {
                let catalog = read(file)?;
                let engine = database.open_or_create(Arc::new(SystemClock))?;
                load(&engine, &catalog, *confirm, output)
            }
            CatalogCommand::Check { file } => check(database, &read(file)?, output),
            CatalogCommand::Diff { file } => {
                diff(&database.open(Arc::new(SystemClock))?, &read(file)?, output)
            }
            CatalogCommand::Show { whole } => {
                show(&database.open(Arc::new(SystemClock))?, *whole, output)
            }
        }
    }
}

/// Reads the catalog in `file`.
pub fn read(file: &Path) -> Result<cotas::Catalog, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|source| Failure::File { path: file.to_owned(), source })?;
    let catalog = cotas::Catalog::parse(&text, &file.display().to_string());
    Ok(catalog.map_err(cotas::Error::from)?)
}

/// A file that cannot be read as a catalog is refused by `read`; a database need not exist.
fn check(database: &Database, catalog: &cotas::Catalog, output: Output) -> Result<(), Failure> {
    let losses = match database.open(Arc::new(SystemClock)) {
        Ok(engine) => engine.catalog_losses(catalog)?,
        Err(Failure::NoDatabase(_)) => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let mut text = format!(
        "{} resources, {} plans, {} packages, {} actions",
        catalog.resources.len(),
        catalog.plans.len(),
        catalog.packages.len(),
        catalog.actions.len()
    );
    for loss in &losses {
        let _ = write!(text, "\n{}", loss.why);
    }
    output.print(&text, &json!({ "losses": losses }))?;
    if losses.is_empty() { Ok(()) } else { Err(Failure::Losses(losses.len())) }
}

fn diff(engine: &Engine, catalog: &cotas::Catalog, output: Output) -> Result<(), Failure> {
    let (before, after) = (lines(&engine.catalog()?.1)?, lines(catalog)?);
    let removed = before.iter().filter(|(path, value)| after.get(*path) != Some(value));
    let added = after.iter().filter(|(path, value)| before.get(*path) != Some(value));
    let mut changes: Vec<_> = removed.map(|(path, value)| (path, '-', value)).collect();
    changes.extend(added.map(|(path, value)| (path, '+', value)));
    changes.sort();
    let text = changes.iter().map(|(path, sign, value)| format!("{sign} {path} = {value}"));
    let text = text.collect::<Vec<_>>().join("\n");
    let json = changes.iter().map(|(path, sign, value)| {
        let change = if *sign == '-' { "removed" } else { "added" };
        json!({ "path": path, "change": change, "value": value })
    });
    let same = if changes.is_empty() { "nothing changes" } else { &text };
    output.print(same, &json.collect())
}

/// All that a catalog says, by the path that leads to it.
fn lines(catalog: &cotas::Catalog) -> Result<BTreeMap<String, String>, Failure> {
    let value = serde_json::to_value(catalog)
        .map_err(|error| Failure::Output(std::io::Error::other(error)))?;
    let mut lines = BTreeMap::new();
    flatten(String::new(), &value, &mut lines);
    Ok(lines)
}

fn flatten(path: String, value: &Value, lines: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                let key = if key.contains('.') { format!("{key:?}") } else { key.clone() };
                let dot = if path.is_empty() { "" } else { "." };
                flatten(format!("{path}{dot}{key}"), value, lines);
            }
        }
        Value::Null => {}
        other => {
            lines.insert(path, other.to_string());
        }
    }
}

fn load(
    engine: &Engine,
    catalog: &cotas::Catalog,
    is_confirmed: bool,
    output: Output,
) -> Result<(), Failure> {
    let (before, _) = engine.catalog()?;
    let version = if is_confirmed {
        engine.load_catalog_confirmed(catalog)?
    } else {
        engine.load_catalog(catalog)?
    };
    let changed = version != before;
    let text = if changed {
        format!("version {version} is in force")
    } else {
        format!("version {version} was in force already; nothing changed")
    };
    output.print(&text, &json!({ "version": version, "changed": changed }))
}

fn show(engine: &Engine, whole: bool, output: Output) -> Result<(), Failure> {
    let (version, catalog) = engine.catalog()?;
    if version == 0 {
        return Err(Failure::NoCatalog);
    }
    let json = json!({ "version": version, "catalog": catalog });
    if whole {
        let lines = lines(&catalog)?;
        let text: Vec<_> = lines.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        return output.print(&text.join("\n"), &json);
    }
    let resources = catalog.resources.iter().map(|(name, it)| resource(name, it));
    let plans = catalog.plans.iter();
    let plans = plans.map(|(name, plan)| {
        let price = price(plan, &catalog.currency);
        vec![words(name), words(&plan.title), words(price), words(limits(plan))]
    });
    let actions = catalog.actions.iter().map(|(name, it)| action(name, it));
    let resources_head = ["resource", "kind", "enforce"].map(words);
    let actions_head = ["action", "gate", "session", "charge", "lease", "rate"].map(words);
    let text = [
        format!("version {version}, {}, {}", catalog.currency, catalog.time_zone),
        table(resources_head.into(), resources),
        table(["plan", "title", "price", "limits"].map(words).into(), plans),
        table(actions_head.into(), actions),
    ];
    output.print(&text.join("\n"), &json)
}

fn resource(name: &str, resource: &Resource) -> Vec<Cell> {
    let enforcement = match resource.enforcement {
        Enforcement::Hard => "hard".to_owned(),
        Enforcement::Soft { cap: None } => "soft".to_owned(),
        Enforcement::Soft { cap: Some(units) } => format!("soft, cap {units}"),
        Enforcement::Shadow => "shadow".to_owned(),
    };
    vec![words(name), words(resource.kind.name()), words(enforcement)]
}

fn action(name: &str, action: &Action) -> Vec<Cell> {
    let session = action.session.as_ref().map_or("", |rule| &rule.resource);
    let charge = list(action.charge.iter().map(|(resource, cost)| match cost {
        Cost::Fixed(units) => format!("{resource} {units}"),
        Cost::Quantity => format!("{resource} by quantity"),
    }));
    let lease = action.lease.as_ref().map_or("", |rule| &rule.resource);
    let rate = action.rate.as_deref().unwrap_or_default();
    let gate = gate(action.gate);
    vec![words(name), words(gate), words(session), words(charge), words(lease), words(rate)]
}

fn price(plan: &Plan, currency: &str) -> String {
    match plan.price_cents {
        Some(cents) => format!("{currency} {}.{:02}", cents / 100, cents % 100),
        None => "custom".to_owned(),
    }
}

fn limits(plan: &Plan) -> String {
    list(plan.limits.iter().map(|(resource, limit)| format!("{resource} {limit}")))
}

fn gate(gate: Gate) -> &'static str {
    match gate {
        Gate::Access => "access",
        Gate::Send => "send",
        Gate::Receive => "receive",
        Gate::Consume => "consume",
    }
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
