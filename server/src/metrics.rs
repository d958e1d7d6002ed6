//! `/metrics` in the `OpenMetrics` format: what this process answered, and how the database
//! stands as `cotas doctor` sees it. No tenant is named: that would be personal, and too many.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cotas::{Attempt, Decision, Diagnosis, Metrics, ProcessMetrics, Severity, WebhookView};

/// The media type of the format.
pub(crate) const MEDIA: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What this process has answered since it started.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// By route and status: how many, and how long they took.
    requests: BTreeMap<(&'static str, u16), (u64, Duration)>,
    /// By operation and outcome: `allowed`, or the reason of the denial.
    decisions: BTreeMap<(&'static str, &'static str), u64>,
    /// Attempts to send events to webhooks, by outcome.
    attempts: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// Counts an answer.
    pub(crate) fn answered(&self, route: Option<&'static str>, status: u16, took: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, sum) = counts.requests.entry((route.unwrap_or(""), status)).or_default();
        *count += 1;
        *sum += took;
    }

    /// Counts a decision of a route.
    pub(crate) fn decided(&self, route: &'static str, decision: &Decision) {
        let operation = route.rsplit_once("}/").map_or(route, |(_, operation)| operation);
        let outcome = decision.reason().map_or("allowed", cotas::Reason::code);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.decisions.entry((operation, outcome)).or_default() += 1;
    }

    /// Counts an attempt to send an event.
    pub(crate) fn attempted(&self, outcome: &Attempt) {
        let outcome = match outcome {
            Attempt::Delivered => "delivered",
            Attempt::Failed(_) => "failed",
            Attempt::Gone(_) => "gone",
            Attempt::NotTried => return,
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.attempts.entry(outcome).or_default() += 1;
    }

    /// Everything as text.
    pub(crate) fn page(
        &self,
        metrics: &Metrics,
        diagnosis: &Diagnosis,
        webhooks: &[WebhookView],
    ) -> String {
        let mut page = Page(String::new());
        self.write(&mut page);
        write_metrics(&mut page, metrics);
        write_process(&mut page, &metrics.process);
        write_diagnosis(&mut page, diagnosis);
        write_webhooks(&mut page, webhooks);
        page.0 += "# EOF\n";
        page.0
    }

    fn write(&self, page: &mut Page) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        page.family("cotas_http_requests", "counter", "Requests that this process answered");
        for ((route, status), (count, _)) in &counts.requests {
            let labels = format!("{{route=\"{route}\",status=\"{status}\"}}");
            page.sample("cotas_http_requests_total", &labels, count);
        }
        let help = "Time that answers took, in seconds";
        page.family("cotas_http_request_seconds", "counter", help);
        for ((route, status), (_, sum)) in &counts.requests {
            let labels = format!("{{route=\"{route}\",status=\"{status}\"}}");
            page.sample("cotas_http_request_seconds_total", &labels, sum.as_secs_f64());
        }
        page.family("cotas_http_decisions", "counter", "Decisions that this process answered");
        for ((operation, outcome), count) in &counts.decisions {
            let labels = format!("{{operation=\"{operation}\",outcome=\"{outcome}\"}}");
            page.sample("cotas_http_decisions_total", &labels, count);
        }
        let help = "Attempts of this process to send an event to a webhook";
        page.family("cotas_webhook_attempts", "counter", help);
        for (outcome, count) in &counts.attempts {
            let labels = format!("{{outcome=\"{outcome}\"}}");
            page.sample("cotas_webhook_attempts_total", &labels, count);
        }
    }
}

/// What hosts decided, as far as checkpoints have written it.
fn write_metrics(page: &mut Page, metrics: &Metrics) {
    let units = [
        ("cotas_used_units", "Units used, by all processes", &metrics.used),
        ("cotas_returned_units", "Units given back in the period of their use", &metrics.returned),
    ];
    for (name, help, totals) in units {
        page.family(name, "counter", help);
        for it in totals {
            let labels = format!("{{resource=\"{}\"}}", escaped(&it.resource));
            page.sample(&format!("{name}_total"), &labels, it.units);
        }
    }
    let decisions = [
        ("cotas_denied_decisions", "Decisions denied, by all processes", &metrics.denied),
        ("cotas_shadowed_decisions", "Decisions a shadow limit would deny", &metrics.shadowed),
    ];
    for (name, help, totals) in decisions {
        page.family(name, "counter", help);
        for it in totals {
            let (reason, resource) = (it.reason.code(), escaped(&it.resource));
            let labels = format!("{{reason=\"{reason}\",resource=\"{resource}\"}}");
            page.sample(&format!("{name}_total"), &labels, it.decisions);
        }
    }
    page.counter("cotas_settled_periods", "Periods that were settled", metrics.settled_periods);
    page.gauge("cotas_live_file_bytes", "Bytes of the live file", metrics.live_file_bytes);
    let help = "Bytes of the live file that are in use";
    page.gauge("cotas_live_file_used_bytes", help, metrics.live_file_used_bytes);
}

fn write_process(page: &mut Page, process: &ProcessMetrics) {
    let help = "How often this process waited for a lock of the live file";
    page.counter("cotas_lock_waits", help, process.lock_waits);
    let waited = Duration::from_micros(process.lock_wait_us).as_secs_f64();
    page.counter("cotas_lock_wait_seconds", "For how long it did", waited);
    let help = "Rows that checkpoints of this process wrote";
    page.counter("cotas_checkpoint_rows", help, process.checkpoint_rows);
}

/// A value of a label, as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn write_diagnosis(page: &mut Page, diagnosis: &Diagnosis) {
    if let Some(live) = &diagnosis.live {
        let lag = Duration::from_millis(live.lag_ms).as_secs_f64();
        page.gauge("cotas_lag_seconds", "Age of the oldest change that is not on disk yet", lag);
        page.gauge("cotas_tenants", "Tenants in the live file", live.tenants);
        let failing = Duration::from_millis(live.failing_ms.unwrap_or(0)).as_secs_f64();
        page.gauge("cotas_checkpoints_failing_seconds", "For how long they have failed", failing);
        page.family("cotas_checkpoints_failed", "counter", "Rounds of checkpoints that failed");
        page.sample("cotas_checkpoints_failed_total", "", live.rounds_failed);
        let help = "Tenants whose last changes are not in the database yet";
        page.gauge("cotas_unsaved_tenants", help, live.unsaved_tenants);
        page.gauge("cotas_live_file_epoch", "How often the live file was rebuilt", live.epoch);
        let poisoned = u8::from(live.poisoned.is_some());
        page.gauge("cotas_poisoned", "1: the engine refuses until it is opened again", poisoned);
    }
    page.family("cotas_file_bytes", "gauge", "Sizes of the database and its files");
    for file in &diagnosis.files {
        let labels = format!("{{file=\"{}\"}}", file.role);
        page.sample("cotas_file_bytes", &labels, file.bytes);
    }
    page.family("cotas_free_bytes", "gauge", "Bytes that are free where the files lie");
    for system in &diagnosis.file_systems {
        if let Some(free) = system.free_bytes {
            page.sample("cotas_free_bytes", &format!("{{file=\"{}\"}}", system.role), free);
        }
    }
    let alive = diagnosis.owners.iter().filter(|it| it.is_alive == Some(true)).count();
    page.gauge("cotas_processes", "Processes that use the live file", alive);
    page.gauge("cotas_stuck_locks", "Locks that one process keeps", diagnosis.stuck.len());
    page.family("cotas_concerns", "gauge", "What `cotas doctor` finds wrong");
    for (severity, name) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        let count = diagnosis.concerns.iter().filter(|it| it.severity == severity).count();
        page.sample("cotas_concerns", &format!("{{severity=\"{name}\"}}"), count);
    }
}

fn write_webhooks(page: &mut Page, webhooks: &[WebhookView]) {
    type Count = fn(&WebhookView) -> u64;
    let families: [(&str, &str, Count); 3] = [
        ("waiting", "Events that a webhook is still to get", |it| it.waiting),
        ("dead", "Events that a webhook did not take in any attempt", |it| it.dead),
        ("dropped", "Events that were given up because too many waited", |it| it.dropped),
    ];
    for (name, help, count) in families {
        let name = format!("cotas_webhook_events_{name}");
        page.family(&name, "gauge", help);
        for webhook in webhooks {
            page.sample(&name, &format!("{{webhook=\"{}\"}}", webhook.id), count(webhook));
        }
    }
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a `String` does not fail.
        let _ = write!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(&format!("{name}_total"), "", value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }
}
