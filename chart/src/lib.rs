//! The chart of what a tenant used and was denied, as SVG: one drawing for the command line, the
//! documents and the pages of `cotas serve`.
#![forbid(unsafe_code)]

mod axis;
mod svg;

use std::collections::BTreeSet;

use cotas::{Language, Metric, UsageReport, figures};

pub use svg::chart;

/// How a chart is written.
pub struct Style<'a> {
    /// What stands above it: the tenant's name; `None`: what stands around it says so.
    pub heading: Option<&'a str>,
    /// The language of what is not a name of the catalog.
    pub language: Language,
    /// What people call a resource.
    pub title: &'a dyn Fn(&str) -> String,
}

/// Why there is no chart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// It would have more bars than there are pixels.
    #[error("a chart has capacity for {most} {interval}s, not for {asked}")]
    TooLong {
        /// What a bar sums up.
        interval: &'static str,
        /// How many were asked for.
        asked: usize,
        /// How many there may be.
        most: usize,
    },
    /// It cannot be drawn.
    #[error("the chart cannot be drawn: {0}")]
    Drawing(String),
}

/// What a chart says that has nothing to show.
#[must_use]
pub const fn nothing(language: Language) -> &'static str {
    language.say("nothing was used or denied", "nada foi usado nem recusado")
}

/// Names of the resources in a report. The empty one stands for the tenant as a whole.
#[must_use]
pub fn resources(report: &UsageReport) -> BTreeSet<&str> {
    report.buckets.iter().map(|bucket| bucket.resource.as_str()).collect()
}

/// What was counted of a resource.
#[must_use]
pub fn metrics(report: &UsageReport, resource: &str) -> BTreeSet<Metric> {
    let of_resource = report.buckets.iter().filter(|bucket| bucket.resource == resource);
    of_resource.map(|bucket| bucket.metric).collect()
}

/// The sum, which stays at the largest number there is.
#[must_use]
pub fn total(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
}

/// A number in groups of three, as English charts have it at any length.
fn grouped(number: u64, language: Language) -> String {
    match language {
        Language::Portuguese => figures::number(number, language),
        Language::English => {
            let digits = number.to_string();
            let mut text = String::with_capacity(digits.len() + digits.len() / 3);
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place).is_multiple_of(3) {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
    }
}
