//! `cotas usage`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::SecondsFormat;
use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use cotas::{Metric, SystemClock, Timestamp, UsageRow};
use serde_json::json;

use crate::database::Database;
use crate::failure::Failure;
use crate::output::{Output, number, right, table, words};

/// What a tenant used and was denied.
#[derive(Args)]
pub struct Usage {
    /// The tenant
    tenant: String,
    /// What one line sums up, in the tenant's zone
    #[arg(long, default_value = "day")]
    by: Span,
}

/// How much time one line sums up.
#[derive(Clone, Copy, ValueEnum)]
enum Span {
    Hour,
    Day,
    Month,
}

/// Usage of one hour, day or month.
#[derive(Default)]
struct Line {
    from: String,
    /// Units by resource.
    used: BTreeMap<String, u64>,
    /// Denials by reason.
    denied: BTreeMap<&'static str, u64>,
}

impl Usage {
    /// Shows it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(Arc::new(SystemClock))?;
        let mut rows = engine.usage(&self.tenant)?;
        let zone = engine.report(&self.tenant)?.time_zone.parse().unwrap_or(Tz::UTC);
        rows.sort_by_key(|row| row.hour);
        let lines = lines(rows, |hour| self.by.name(hour, zone));
        let json = lines
            .iter()
            .map(|it| json!({ "from": it.from, "used": it.used, "denied": it.denied }))
            .collect::<Vec<_>>();
        output.print(&text(&lines), &json!(json))
    }
}

impl Span {
    /// The name of the span that `hour` lies in.
    fn name(self, hour: Timestamp, zone: Tz) -> String {
        let local = hour.to_utc().with_timezone(&zone);
        match self {
            Span::Hour => local.to_rfc3339_opts(SecondsFormat::Secs, false),
            Span::Day => local.format("%Y-%m-%d").to_string(),
            Span::Month => local.format("%Y-%m").to_string(),
        }
    }
}

/// Sums up rows in the order of time.
fn lines(rows: Vec<UsageRow>, name: impl Fn(Timestamp) -> String) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        let from = name(row.hour);
        if lines.last().is_none_or(|line| line.from != from) {
            lines.push(Line { from, ..Line::default() });
        }
        let Some(line) = lines.last_mut() else { continue };
        let count = match row.metric {
            Metric::Used => line.used.entry(row.resource).or_default(),
            Metric::Denied(reason) => line.denied.entry(reason.code()).or_default(),
        };
        *count += row.count;
    }
    lines
}

fn text(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "nothing was used or denied".to_owned();
    }
    let resources: BTreeSet<_> = lines.iter().flat_map(|line| line.used.keys()).collect();
    let reasons: BTreeSet<_> = lines.iter().flat_map(|line| line.denied.keys()).collect();
    let mut header = vec![words("from")];
    header.extend(resources.iter().map(right));
    header.extend(reasons.iter().map(|reason| right(format!("denied: {reason}"))));
    let rows = lines.iter().map(|line| {
        let used = resources.iter().map(|&it| line.used.get(it));
        let denied = reasons.iter().map(|&it| line.denied.get(it));
        let counts = used.chain(denied).map(|count| number(count.copied().unwrap_or_default()));
        [words(&line.from)].into_iter().chain(counts).collect()
    });
    table(header, rows)
}
