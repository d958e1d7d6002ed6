//! A replay's report, for people and for programs.

use comfy_table::Cell;
use cotas::{Balance, Mode};
use serde_json::{Map, Value, json};

use super::report::{Outcome, Report, Tally};
use crate::output::{grouped, number, right, table, words};
use crate::traffic::Format;

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
    let lines = [Some(table), times(report), Some(throughput(report)), passed_over(report)];
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
    let before = match report.decided_before {
        0 => String::new(),
        events => format!("; {} had been decided before", grouped(events)),
    };
    format!(
        "{} messages decided in {:.2} s: {} per second{before}",
        grouped(report.decided),
        report.took.as_secs_f64(),
        grouped(report.events_per_second()),
    )
}

fn passed_over(report: &Report) -> Option<String> {
    match report.malformed {
        0 => None,
        1 => Some("1 line was passed over".to_owned()),
        lines => Some(format!("{} lines were passed over", grouped(lines))),
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
        "malformed": report.malformed,
        "decided": report.decided,
        "decided_before": report.decided_before,
        "seconds": report.took.as_secs_f64(),
        "events_per_second": report.events_per_second(),
    })
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
