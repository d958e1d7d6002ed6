//! `cotas events`.

use std::fmt::Write;

use clap::Args;
use cotas::{Event, EventKind};
use serde_json::{Value, json};

use crate::codes::whole;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, counted, right, table, words};

/// What happened to tenants, until it is acknowledged.
#[derive(Args)]
pub struct Events {
    /// Only events after the one with this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(value_parser = whole(0..=u64::MAX))]
    after: u64,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole(0..=u32::MAX))]
    max: u32,
    /// Forget all events up to this number instead
    #[arg(long, value_name = "N", conflicts_with_all = ["after", "max"])]
    #[arg(value_parser = whole(0..=u64::MAX))]
    ack: Option<u64>,
    #[command(flatten)]
    at: At,
}

impl Events {
    /// Lists or forgets them.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        if let Some(up_to) = self.ack {
            let forgotten = engine.acknowledge_events(up_to)?;
            let text = format!("forgot {}", counted(forgotten as u64, "event"));
            return output.print(&text, &json!({ "forgotten": forgotten }));
        }
        let events = engine.events(self.after, self.max)?;
        let text = if events.is_empty() {
            "no events".to_owned()
        } else {
            let header = vec![right("event"), words("at"), words("tenant"), words("what")];
            let row = |it: &Event| {
                vec![right(it.sequence), words(it.at), words(&it.tenant), words(what(it))]
            };
            table(header, events.iter().map(row))
        };
        output.print(&text, &json!(events))
    }
}

/// What happened, in words: `sessions: threshold, percent 80, used 80, limit 100`.
fn what(event: &Event) -> String {
    let mut text = match &event.resource {
        Some(resource) => format!("{resource}: {}", event.kind.code()),
        None => event.kind.code().to_owned(),
    };
    for (name, value) in details(&event.kind) {
        let _ = match value {
            Value::String(value) => write!(text, ", {name} {value}"),
            value => write!(text, ", {name} {value}"),
        };
    }
    text
}

fn details(kind: &EventKind) -> Vec<(String, Value)> {
    let list = match kind {
        EventKind::Threshold { percent, used, limit } => {
            vec![("percent", json!(percent)), ("used", json!(used)), ("limit", json!(limit))]
        }
        EventKind::Exhausted { used, limit } => {
            vec![("used", json!(used)), ("limit", json!(limit))]
        }
        EventKind::Renewed { period } | EventKind::Resumed { period } => {
            vec![("period", json!(period))]
        }
        EventKind::StatusChanged { from, to } => {
            vec![("from", json!(from.code())), ("to", json!(to.code()))]
        }
        EventKind::PlanChanged { plan } => vec![("plan", json!(plan))],
        EventKind::PaymentDiffers { invoice, amount_cents, paid_cents } => vec![
            ("invoice", json!(invoice)),
            ("amount_cents", json!(amount_cents)),
            ("paid_cents", json!(paid_cents)),
        ],
        EventKind::RemovalAnnounced { removal } => vec![("removal", json!(removal.to_string()))],
        EventKind::PaymentUnmatched { payment, paid_cents } => {
            vec![("payment", json!(payment)), ("paid_cents", json!(paid_cents))]
        }
        EventKind::PaidAgain { invoice, payment, paid_cents } => vec![
            ("invoice", json!(invoice)),
            ("payment", json!(payment)),
            ("paid_cents", json!(paid_cents)),
        ],
        EventKind::PartlyRefunded { invoice, refunded_cents, paid_cents } => vec![
            ("invoice", json!(invoice)),
            ("refunded_cents", json!(refunded_cents)),
            ("paid_cents", json!(paid_cents)),
        ],
        EventKind::CheckpointsFailed { failing_ms, failure } => {
            vec![("failing_ms", json!(failing_ms)), ("failure", json!(failure))]
        }
        EventKind::GrantExpired { grant, units } => {
            vec![("grant", json!(grant)), ("units", json!(units))]
        }
        EventKind::LeaseExpired { fencing } => vec![("fencing", json!(fencing))],
        EventKind::ReservationExpired { reservation } => {
            vec![("reservation", json!(reservation.to_string()))]
        }
        _ => Vec::new(),
    };
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
