//! Reports of sends of which the file has not shown yet that they were sent.

use std::collections::HashSet;

use cotas::Delivery;

use crate::traffic::TrafficEvent;

/// Sends that are known to have failed before the file shows them. A host reserves a send before
/// anything is reported of it; a file may hold its lines in another order.
#[derive(Default)]
pub struct Deliveries {
    /// Hashes of tenant and message.
    failed: HashSet<[u8; 32]>,
}

impl Deliveries {
    /// Keeps a report of a message that is not known.
    pub fn keep(&mut self, event: &TrafficEvent) {
        if event.report == Some(Delivery::Failed)
            && let Some(hash) = hash_of(event)
        {
            self.failed.insert(hash);
        }
    }

    /// Whether the event is a send that has failed already.
    pub fn has_failed(&self, event: &TrafficEvent) -> bool {
        !self.failed.is_empty() && hash_of(event).is_some_and(|hash| self.failed.contains(&hash))
    }
}

fn hash_of(event: &TrafficEvent) -> Option<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(event.tenant.as_bytes()).update(&[0]).update(event.id.as_deref()?.as_bytes());
    Some(*hasher.finalize().as_bytes())
}
