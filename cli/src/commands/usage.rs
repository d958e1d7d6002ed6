//! `cotas usage`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono_tz::Tz;
use clap::Args;
use cotas::{Engine, Error, Interval, Language, SystemClock, UnknownName, UsageReport};
use cotas_chart::Style;
use serde_json::json;

use crate::chart::terminal;
use crate::database::Database;
use crate::failure::Failure;
use crate::output::Output;
use crate::values::{self, Moment};

/// What a tenant used and was denied, as a chart.
#[derive(Args)]
pub struct UsageCommand {
    /// The tenant
    tenant: String,
    /// What one bar sums up, in the tenant's zone; an hour of UTC counts where it begins
    #[arg(long, default_value = "day", value_parser = values::interval())]
    by: Interval,
    /// Only this resource, and denials because of it; may be given several times
    #[arg(long = "resource", value_name = "NAME")]
    resources: Vec<String>,
    /// Only from this time on, or from the beginning of this day in the tenant's zone
    #[arg(long, value_name = "DATE|RFC3339", value_parser = values::moment)]
    since: Option<Moment>,
    /// Only before this time, or to the end of this day in the tenant's zone
    #[arg(long, value_name = "DATE|RFC3339", value_parser = values::moment)]
    until: Option<Moment>,
    /// Draw the chart into this SVG file instead, replacing the one that is there
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl UsageCommand {
    /// Shows it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(Arc::new(SystemClock))?;
        let report = self.report(&engine)?;
        if let Some(path) = &self.svg {
            return self.draw(path, &report, output);
        }
        output.print(&terminal::chart(&self.tenant, &report, terminal::width()), &report.to_json())
    }

    fn report(&self, engine: &Engine) -> Result<UsageReport, Failure> {
        let zone = engine.report(&self.tenant)?.time_zone.parse().unwrap_or(Tz::UTC);
        let from = self.since.map(|moment| moment.start(zone));
        let to = self.until.map(|moment| moment.end(zone));
        let mut report = engine.usage_by(&self.tenant, self.by, from, to)?;
        if !self.resources.is_empty() {
            let (_, catalog) = engine.catalog()?;
            let used = report.buckets.iter().map(|bucket| &bucket.resource);
            let known: Vec<_> = catalog.resources.keys().chain(used).map(String::as_str).collect();
            let is_known = |name: &&String| known.contains(&name.as_str());
            if let Some(unknown) = self.resources.iter().find(|name| !is_known(name)) {
                return Err(Error::UnknownResource(UnknownName::among(unknown, known)).into());
            }
            report.buckets.retain(|bucket| self.resources.contains(&bucket.resource));
        }
        Ok(report)
    }

    fn draw(&self, path: &Path, report: &UsageReport, output: Output) -> Result<(), Failure> {
        let style = Style {
            heading: Some(&self.tenant),
            language: Language::English,
            title: &str::to_owned,
        };
        let chart = cotas_chart::chart(report, &style)?;
        fs::write(path, chart)
            .map_err(|source| Failure::Unwritten { path: path.to_owned(), source })?;
        let path = path.display();
        output.print(&format!("wrote {path}"), &json!({ "svg": path.to_string() }))
    }
}
