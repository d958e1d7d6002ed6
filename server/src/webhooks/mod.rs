//! Webhooks out: sends events to their receivers, signed, until each has taken them.
//!
//! Several servers share the work: what one has taken no other sends, so that each event is sent
//! once as long as all goes well. A server that ends between sending and noting it has the event
//! sent again: at least once, and the same `webhook-id` each time.

mod send;
mod target;

use std::sync::Arc;
use std::time::Duration;

use cotas::{Attempt, Engine, Outgoing, OutgoingEvent};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) use send::Sender;
pub use target::WebhookTargets;

use crate::metrics::Counters;

/// How often the sender looks for events.
const EVERY: Duration = Duration::from_secs(1);
/// Events of one webhook that are taken at once.
const AT_ONCE: u32 = 8;
/// How long they are taken: longer than all of them may take.
const LEASE: Duration = Duration::from_mins(3);

/// Sends events until `stop` says so.
pub(crate) async fn run(
    engine: Engine,
    sender: Arc<Sender>,
    counters: Arc<Counters>,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        let has_more = round(&engine, &sender, &counters, &stop).await;
        if !has_more {
            // A sender that is gone means that the server is.
            let _ = tokio::time::timeout(EVERY, stop.changed()).await;
        }
    }
}

/// Sends what is due; says whether there may be more. What fails in the engine is tried again with
/// the next round: what was taken is free again when its lease is over.
async fn round(
    engine: &Engine,
    sender: &Arc<Sender>,
    counters: &Counters,
    stop: &watch::Receiver<bool>,
) -> bool {
    let taking = engine.clone();
    let batch = move || taking.webhooks().take_due(AT_ONCE, LEASE).unwrap_or_default();
    let batches = tokio::task::spawn_blocking(batch).await.unwrap_or_default();
    let mut sending = JoinSet::new();
    for batch in batches {
        sending.spawn(send_all(sender.clone(), batch, stop.clone()));
    }
    let mut attempts = Vec::new();
    while let Some(sent) = sending.join_next().await {
        attempts.extend(sent.unwrap_or_default());
    }
    if attempts.is_empty() {
        return false;
    }
    for (_, outcome) in &attempts {
        counters.attempted(outcome);
    }
    let all_went_well = attempts.iter().all(|(_, outcome)| *outcome == Attempt::Delivered);
    let reporting = engine.clone();
    let report = move || reporting.webhooks().report(&attempts);
    let is_noted = tokio::task::spawn_blocking(report).await.is_ok_and(|it| it.is_ok());
    all_went_well && is_noted
}

/// Sends the events of one webhook in their order. After one that failed the rest waits: a receiver
/// that is down is asked once a round, not once for each event.
async fn send_all(
    sender: Arc<Sender>,
    batch: Outgoing,
    stop: watch::Receiver<bool>,
) -> Vec<(OutgoingEvent, Attempt)> {
    let Outgoing { url, secret, deliveries, .. } = batch;
    let mut attempts = Vec::new();
    let mut goes_on = true;
    for taken in deliveries {
        let outcome = if goes_on && !*stop.borrow() {
            sender.send(&url, &secret, &taken.event).await
        } else {
            Attempt::NotTried
        };
        goes_on &= matches!(outcome, Attempt::Delivered | Attempt::Gone(_));
        attempts.push((taken, outcome));
    }
    attempts
}
