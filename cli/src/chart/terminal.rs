//! The chart for the terminal: a table for each resource, with a bar in each line.

use std::collections::BTreeMap;
use std::io;

use comfy_table::{Cell, CellAlignment};
use cotas::{Language, Metric, UsageReport};
use cotas_chart::{metrics, nothing, resources, total};
use terminal_size::{Width, terminal_size_of};

use crate::output::{grouped, number, printable, right, table, words};

/// Columns where no width is known: in a pipe.
const WIDTH: usize = 80;
const BAR_MIN: usize = 8;
const BAR_MAX: usize = 60;
/// Intervals without anything that are shown one by one; longer runs are one line.
const EMPTY_LINES_MAX: usize = 3;

/// A column of numbers.
struct Column {
    metric: Metric,
    counts: Vec<u64>,
}

/// How many columns standard output has.
pub fn width() -> usize {
    terminal_size_of(io::stdout()).map_or(WIDTH, |(Width(width), _)| width.into())
}

/// The chart, about `width` columns wide.
pub fn chart(tenant: &str, report: &UsageReport, width: usize) -> String {
    if report.buckets.is_empty() {
        return nothing(Language::English).to_owned();
    }
    let labels: Vec<_> = report.spans().map(|span| report.label(span.start)).collect();
    let zone = report.time_zone.name();
    let mut parts = vec![format!("{} by {} in {zone}", printable(tenant), report.interval.code())];
    let mut resources: Vec<_> = resources(report).into_iter().collect();
    // The tenant as a whole comes last.
    resources.sort_by_key(|name| (name.is_empty(), *name));
    for resource in resources {
        let columns = columns(report, resource);
        parts.push(caption(resource, &columns));
        parts.push(lines(report, &labels, &columns, width));
    }
    parts.join("\n")
}

/// The columns of a resource. Units used come first, also where there are none; the tenant as a
/// whole uses nothing.
fn columns(report: &UsageReport, resource: &str) -> Vec<Column> {
    let mut metrics = metrics(report, resource);
    if !resource.is_empty() {
        metrics.insert(Metric::Used);
    }
    let column = |metric| Column { metric, counts: report.series(resource, metric) };
    metrics.into_iter().map(column).collect()
}

/// `sms: 1,200 used, 12 denied`.
fn caption(resource: &str, columns: &[Column]) -> String {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    let mut order = Vec::new();
    for Column { metric, counts } in columns {
        let (what, _) = metric.parts();
        if !order.contains(&what) {
            order.push(what);
        }
        let sum = totals.entry(what).or_default();
        *sum = sum.saturating_add(total(counts));
    }
    let name = if resource.is_empty() { "the tenant as a whole" } else { resource };
    let total = |what| format!("{} {what}", grouped(totals.get(what).copied().unwrap_or_default()));
    format!("\n{name}: {}", order.into_iter().map(total).collect::<Vec<_>>().join(", "))
}

fn lines(report: &UsageReport, labels: &[String], columns: &[Column], width: usize) -> String {
    let interval = report.interval.code();
    let has_bar = |it: &&Column| it.metric == Metric::Used && total(&it.counts) > 0;
    let bars = columns.iter().find(has_bar);
    let bar_width = bar_width(labels, columns, width);
    let most = bars.and_then(|used| used.counts.iter().copied().max()).unwrap_or_default();
    let line = |index: usize, label: &str| {
        let count = |column: &Column| column.counts.get(index).copied().unwrap_or_default();
        let mut line = vec![words(label)];
        line.extend(bars.map(|used| Cell::new(bar(count(used), most, bar_width))));
        line.extend(columns.iter().map(|column| number(count(column))));
        line
    };
    let is_empty = |index: usize| {
        columns.iter().all(|column| column.counts.get(index).is_none_or(|&it| it == 0))
    };
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut index = 0;
    while index < labels.len() {
        let empty = (index..labels.len()).take_while(|&index| is_empty(index)).count();
        if empty > EMPTY_LINES_MAX {
            rows.push(vec![words(format!("\u{2026} {empty} {interval}s"))]);
            index += empty;
        } else {
            let label = labels.get(index).map(String::as_str).unwrap_or_default();
            rows.push(line(index, label));
            index += 1;
        }
    }
    let mut header = vec![words(interval)];
    header.extend(bars.map(|_| words("")));
    header.extend(columns.iter().map(|column| title(column.metric)));
    table(header, rows)
}

/// The head of a column, on two lines where there is a reason.
fn title(metric: Metric) -> Cell {
    match metric.parts() {
        (what, None) => right(what),
        (what, Some(reason)) => {
            Cell::new(format!("{what}\n{}", reason.code())).set_alignment(CellAlignment::Right)
        }
    }
}

/// What the other columns leave of the line.
fn bar_width(labels: &[String], columns: &[Column], width: usize) -> usize {
    let digits =
        |column: &Column| grouped(column.counts.iter().copied().max().unwrap_or_default()).len();
    let numbers = columns.iter().map(|column| {
        let (what, reason) = column.metric.parts();
        digits(column).max(what.len()).max(reason.map_or(0, |reason| reason.code().len()))
    });
    let label = labels.iter().map(String::len).max().unwrap_or_default();
    // Every column has a space on both sides and a line on its left; the last one on both.
    let frame = 3 * (columns.len() + 2) + 1;
    let taken = label + numbers.sum::<usize>() + frame;
    width.saturating_sub(taken).clamp(BAR_MIN, BAR_MAX)
}

/// A bar in eighths of a column; whatever is more than nothing can be seen.
fn bar(count: u64, most: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if count == 0 || most == 0 {
        return String::new();
    }
    // Wide enough for every count and width.
    let eighths = u128::from(count) * width as u128 * 8 / u128::from(most);
    let eighths = eighths.max(1) as usize;
    let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    format!("{}{rest}", "█".repeat(eighths / 8))
}

#[cfg(test)]
mod tests {
    use cotas::{Interval, Reason, Timestamp, UsageRow};

    use super::*;

    fn report(rows: &[(i64, &str, Metric, u64)]) -> UsageReport {
        let row = |&(hour, resource, metric, count): &(i64, &str, Metric, u64)| UsageRow {
            hour: Timestamp::from_seconds(hour * 3_600),
            resource: resource.to_owned(),
            metric,
            count,
        };
        UsageReport::new(rows.iter().map(row), Interval::Day, chrono_tz::Tz::UTC)
    }

    #[test]
    fn bars_are_in_proportion() {
        assert_eq!(bar(0, 0, 8), "");
        assert_eq!(bar(0, 9, 8), "");
        assert_eq!(bar(1, u64::MAX, 8), "▏");
        assert_eq!(bar(u64::MAX, u64::MAX, 8), "████████");
        assert_eq!(bar(5, 16, 8), "██▌");
    }

    #[test]
    fn the_chart_keeps_to_the_width() {
        let exhausted = Metric::Denied(Reason::QuotaExhausted);
        let huge = u64::MAX / 2;
        let report = report(&[
            (0, "sms", Metric::Used, 7),
            (24, "sms", Metric::Used, 14),
            (24, "sms", exhausted, 3),
            (24, "calls", Metric::Used, huge),
            (24 * 30, "sms", Metric::Used, 1),
            (24, "", Metric::Denied(Reason::StatusForbids), 2),
        ]);
        for width in [80, 100, 120] {
            let text = chart("acme\u{1b}[2J", &report, width);
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest.is_some_and(|longest| longest <= width), "{width}:\n{text}");
            for part in [
                "acme [2J by day in UTC\n",
                "\nsms: 22 used, 3 denied\n",
                "\ncalls: 9,223,372,036,854,775,807 used\n",
                "\nthe tenant as a whole: 2 denied\n",
                "… 28 days",
                "quota_exhausted",
                "█",
            ] {
                assert!(text.contains(part), "{part}:\n{text}");
            }
            assert!(text.find("\nthe tenant").expect("there") > text.find("\nsms").expect("there"));
        }
        assert_eq!(chart("acme", &self::report(&[]), 80), nothing(Language::English));
    }
}
