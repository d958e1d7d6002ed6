//! `cotas catalog`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use comfy_table::Cell;
use cotas::catalog::{Action, Cost, Enforcement, Gate, Plan, Resource};
use cotas::{Engine, SystemClock};
use serde_json::json;

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
    },
    /// Show the catalog in force
    Show,
}

impl CatalogCommand {
    /// Loads or shows.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        match self {
            CatalogCommand::Load { file } => {
                let catalog = read(file)?;
                load(&database.open_or_create(Arc::new(SystemClock))?, &catalog, output)
            }
            CatalogCommand::Show => show(&database.open(Arc::new(SystemClock))?, output),
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

fn load(engine: &Engine, catalog: &cotas::Catalog, output: Output) -> Result<(), Failure> {
    let (before, _) = engine.catalog()?;
    let version = engine.load_catalog(catalog)?;
    let changed = version != before;
    let text = if changed {
        format!("version {version} is in force")
    } else {
        format!("version {version} was in force already; nothing changed")
    };
    output.print(&text, &json!({ "version": version, "changed": changed }))
}

fn show(engine: &Engine, output: Output) -> Result<(), Failure> {
    let (version, catalog) = engine.catalog()?;
    if version == 0 {
        return Err(Failure::NoCatalog);
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
    output.print(&text.join("\n"), &json!({ "version": version, "catalog": catalog }))
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
