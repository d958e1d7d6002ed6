//! Charts of a tenant's usage: for the terminal, and as a drawing.

mod axis;
pub mod svg;
pub mod terminal;

use std::collections::BTreeSet;

use cotas::{Metric, UsageReport};

/// What a chart says that has nothing to show.
const NOTHING: &str = "nothing was used or denied";

/// Names of the resources in a report. The empty one stands for the tenant as a whole.
fn resources(report: &UsageReport) -> BTreeSet<&str> {
    report.buckets.iter().map(|bucket| bucket.resource.as_str()).collect()
}

/// What was counted of a resource.
fn metrics(report: &UsageReport, resource: &str) -> BTreeSet<Metric> {
    let of_resource = report.buckets.iter().filter(|bucket| bucket.resource == resource);
    of_resource.map(|bucket| bucket.metric).collect()
}

/// The sum, which stays at the largest number there is.
fn total(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
}
