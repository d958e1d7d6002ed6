//! A replay's report, for people and for programs.

use comfy_table::Cell;
use cotas::{Balance, Mode};
use serde_json::{Map, Value, json};

use super::report::{Outcome, Report, Tally};
use crate::output::{grouped, number, right, table, words};
use crate::traffic::{FaultCounts, Format};

/// The report as a table and a few lines.
pub fn text(report: &Report) -> String {
    let mut header = vec![words("tenant")];
    header.extend(["messages", "opened", "continued", "other", "refused"].map(right));
    header.push(words("reasons"));
    header.extend(["renewals", "available"].map(right));
    let rows = report.tenants.iter().map(|(name, outcome)| {
        let available = right(available(outcome));
        row(name, &outcome.tally, available)
    });
    let total = row("total", &report.total(), right(""));
    let table = table(header, rows.chain([total]));
    let lines = [
        Some(table),
        times(report),
        Some(throughput(report)),
        without_effect(report),
        reports(report),
        malformed(report),
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn row(name: &str, tally: &Tally, available: Cell) -> Vec<Cell> {
    let counts = [tally.events(), tally.opened, tally.continued, tally.others, tally.refused];
    let mut row = vec![words(name)];
    row.extend(counts.map(number));
    row.push(words(reasons(tally)));
    row.extend([number(tally.renewals), available]);
    row
}

fn reasons(tally: &Tally) -> String {
    let reasons = [
        ("quota", tally.refused_quota),
        ("status", tally.refused_status),
        ("other", tally.refused_other()),
    ];
    let reasons = reasons.into_iter().filter(|&(_, count)| count > 0);
    reasons.map(|(name, count)| format!("{name} {}", grouped(count))).collect::<Vec<_>>().join(", ")
}

/// What is left for sessions.
fn available(outcome: &Outcome) -> String {
    let several = outcome.sessions.len() > 1;
    let balances = outcome.sessions.iter().map(|balance| {
        let left = match balance.mode {
            Mode::Finite => grouped(balance.available),
            Mode::Unlimited => "unlimited".to_owned(),
            Mode::Disabled => "not in plan".to_owned(),
        };
        if several { format!("{} {left}", balance.resource) } else { left }
    });
    balances.collect::<Vec<_>>().join(", ")
}

fn times(report: &Report) -> Option<String> {
    report.times.map(|(first, last)| format!("from {first} to {last}"))
}

fn throughput(report: &Report) -> String {
    let before = match report.counts.decided_before {
        0 => String::new(),
        events => format!("; {} had been decided before", grouped(events)),
    };
    format!(
        "{} messages decided in {:.2} s: {} per second{before}",
        grouped(report.counts.decided),
        report.took.as_secs_f64(),
        grouped(report.events_per_second()),
    )
}

/// Parts that count for nothing, and events that had been decided under another file.
fn without_effect(report: &Report) -> Option<String> {
    let counts = &report.counts;
    let repeated = [("repeated", counts.repeated), ("too old", report.total().too_old)];
    let repeated = repeated.into_iter().filter(|&(_, count)| count > 0);
    let passed = counts.passed_over.iter().map(|(&name, &count)| (name, count));
    let all: Vec<_> =
        repeated.chain(passed).map(|(name, count)| format!("{name} {}", grouped(count))).collect();
    (!all.is_empty()).then(|| format!("without effect: {}", all.join(", ")))
}

/// What came of reports of sends.
fn reports(report: &Report) -> Option<String> {
    let counts = &report.counts.reports;
    let all: Vec<_> =
        counts.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
    (!all.is_empty()).then(|| format!("sends reported: {}", all.join(", ")))
}

fn malformed(report: &Report) -> Option<String> {
    let reasons = report.malformed.iter();
    let reasons: Vec<_> =
        reasons.map(|(fault, count)| format!("{fault} {}", grouped(*count))).collect();
    let reasons = reasons.join(", ");
    match report.malformed() {
        0 => None,
        1 => Some(format!("1 line was passed over: {reasons}")),
        lines => Some(format!("{} lines were passed over: {reasons}", grouped(lines))),
    }
}

/// The report as JSON.
pub fn json(report: &Report) -> Value {
    let tenants = report.tenants.iter().map(|(name, outcome)| {
        let mut fields = tally(&outcome.tally);
        fields.insert("available".to_owned(), json!(outcome.available()));
        fields.insert("balances".to_owned(), balances(&outcome.balances));
        (name.clone(), Value::Object(fields))
    });
    let times = report.times;
    json!({
        "total": tally(&report.total()),
        "tenants": tenants.collect::<Map<_, _>>(),
        "format": match report.format {
            Format::Csv => "csv",
            Format::Whatsapp => "whatsapp",
        },
        "first_at": times.map(|(first, _)| first.to_string()),
        "last_at": times.map(|(_, last)| last.to_string()),
        "malformed": report.malformed(),
        "malformed_by_reason": by_reason(&report.malformed),
        "decided": report.counts.decided,
        "decided_before": report.counts.decided_before,
        "repeated": report.counts.repeated,
        "passed_over": report.counts.passed_over,
        "reports": report.counts.reports,
        "seconds": report.took.as_secs_f64(),
        "events_per_second": report.events_per_second(),
    })
}

fn by_reason(malformed: &FaultCounts) -> Value {
    let by_reason = malformed.iter().map(|(fault, count)| (fault.name().to_owned(), json!(count)));
    Value::Object(by_reason.collect())
}

fn balances(balances: &[Balance]) -> Value {
    let by_resource = balances.iter().map(|it| (it.resource.clone(), json!(it)));
    Value::Object(by_resource.collect())
}

fn tally(tally: &Tally) -> Map<String, Value> {
    let fields = [
        ("events", json!(tally.events())),
        ("opened", json!(tally.opened)),
        ("continued", json!(tally.continued)),
        ("others", json!(tally.others)),
        ("too_old", json!(tally.too_old)),
        ("refused", json!(tally.refused)),
        (
            "refused_by_reason",
            json!({
                "quota_exhausted": tally.refused_quota,
                "status_forbids": tally.refused_status,
                "other": tally.refused_other(),
            }),
        ),
        ("renewals", json!(tally.renewals)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
