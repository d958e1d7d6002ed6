//! A tenant's checkpoint as seen from the live file: one snapshot under one lock, and its
//! confirmation once SQLite has it.

use super::block::{BlockGuard, Slot};
use super::claims::{ClaimKind, LEASE_PARENTS, Place, counted_in};
use super::directory;
use super::events::EventImage;
use super::history::HistoryKey;
use super::layout::{WORD, block, claim, claims, slot, unpack};
use crate::clock::Timestamp;
use crate::rules::{ResourceId, Usage};

/// What the block holds and SQLite does not have yet, all of one instant.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The block's sequence number at that instant.
    pub(crate) seq: u64,
    pub(crate) mark: Timestamp,
    /// What is used and watched, by resource.
    pub(crate) slots: Vec<SlotImage>,
    /// What remains of each grant.
    pub(crate) remaining: Vec<(u64, u64)>,
    pub(crate) claims: Vec<ClaimImage>,
    pub(crate) history: Vec<(HistoryKey, u64)>,
    /// Events with their numbers, and the number of the next.
    pub(crate) events: Vec<(u64, EventImage)>,
    pub(crate) next_event: u64,
}

impl SlotImage {
    /// Whether there is nothing to remember of it.
    pub(crate) fn is_blank(self) -> bool {
        self.usage == Usage::default() && self.next_event == u64::MAX
    }
}

/// A resource's counters as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotImage {
    pub(crate) resource: ResourceId,
    /// Nothing, where it is held by claims or seats, which speak for themselves.
    pub(crate) usage: Usage,
    /// Used units at which the next event is due.
    pub(crate) next_event: u64,
}

/// A claim as it was; `meta` 0: it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimImage {
    pub(crate) place: u32,
    pub(crate) key: [u64; 2],
    pub(crate) meta: u64,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) payload: super::claims::Payload,
}

impl ClaimImage {
    pub(crate) fn resource(&self) -> ResourceId {
        ResourceId((self.meta >> 8) as u16)
    }

    /// The resources that it counts in, if it is a lease.
    pub(crate) fn leased(&self) -> impl Iterator<Item = ResourceId> + use<> {
        let is_lease = ClaimKind::from_number(self.meta as u8) == Some(ClaimKind::Lease);
        let above = self.payload.get(LEASE_PARENTS as usize).copied().filter(|_| is_lease);
        let own = self.resource();
        above.into_iter().flat_map(move |above| counted_in(own, above))
    }
}

impl BlockGuard<'_> {
    /// Whether anything has changed since the last confirmed checkpoint.
    pub(crate) fn is_dirty(&self) -> bool {
        self.get(block::SEQ) != self.get(block::CHECKPOINTED_SEQ)
    }

    /// Copies what SQLite does not have. `committed` is the sequence number that SQLite has for
    /// this tenant: a checkpointer that died after its commit is confirmed first.
    pub(crate) fn take_snapshot(&mut self, committed: u64) -> Snapshot {
        if committed == self.get(block::SNAPSHOT_SEQ)
            && committed > self.get(block::CHECKPOINTED_SEQ)
        {
            self.confirm_snapshot(committed);
        }
        let seq = self.get(block::SEQ);
        let slots = self.slot_images();
        let remaining = self.remaining();
        let claims = self.changed_claims();
        let history = self.snapshot_history();
        let (events, next_event) = (self.waiting_events(), self.get(block::EVENT_TAIL));
        self.put(block::EVENT_SNAPSHOT, next_event);
        if self.get(block::CLAIMS) != 0 {
            let at = self.get(block::CLAIMS);
            self.memory.put(at + claims::RING_SNAPSHOT, self.memory.get(at + claims::RING_TAIL));
        }
        crate::torture::point("snapshot.noted");
        // Last: until it stands, the snapshot before is the one that can be confirmed.
        self.put(block::SNAPSHOT_SEQ, seq);
        let mark = self.mark();
        Snapshot { seq, mark, slots, remaining, claims, history, events, next_event }
    }

    /// Every resource of the block with its slot.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (ResourceId, Slot<'_>)> {
        (0..self.slot_count())
            .map(ResourceId)
            .filter_map(|resource| Some((resource, self.slot(resource)?)))
    }

    fn slot_images(&self) -> Vec<SlotImage> {
        self.slots()
            .map(|(resource, slot)| SlotImage {
                resource,
                usage: slot.usage(),
                next_event: slot.get(slot::NEXT_EVENT),
            })
            .collect()
    }

    fn remaining(&self) -> Vec<(u64, u64)> {
        self.slots().flat_map(|(_, slot)| slot.grants()).collect()
    }

    fn changed_claims(&self) -> Vec<ClaimImage> {
        let at = self.get(block::CLAIMS);
        if at == 0 {
            return Vec::new();
        }
        let (ring, log2) = unpack(self.memory.get(at + claims::RING));
        let (head, tail) =
            (self.memory.get(at + claims::RING_HEAD), self.memory.get(at + claims::RING_TAIL));
        let mut places: Vec<u32> = (head..tail)
            .map(|position| self.memory.get(ring + (position & ((1 << log2) - 1)) * WORD) as u32)
            .collect();
        // A claim that changed on both sides of an unconfirmed snapshot is listed twice.
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|place| self.claim_image(Place(place))).collect()
    }

    pub(crate) fn claim_image(&self, place: Place) -> ClaimImage {
        ClaimImage {
            place: place.0,
            key: [self.claim_get(place, claim::KEY), self.claim_get(place, claim::KEY + WORD)],
            meta: self.claim_get(place, claim::META),
            start: self.claim_get(place, claim::START) as i64,
            end: self.claim_get(place, claim::END) as i64,
            payload: self.claim_payload(place),
        }
    }

    /// SQLite has the snapshot with this sequence number. Writes at most 69 words.
    pub(crate) fn confirm_snapshot(&mut self, seq: u64) {
        if seq != self.get(block::SNAPSHOT_SEQ) || seq <= self.get(block::CHECKPOINTED_SEQ) {
            return;
        }
        self.confirm_history();
        let at = self.get(block::CLAIMS);
        if at != 0 {
            self.set(at + claims::RING_HEAD, self.memory.get(at + claims::RING_SNAPSHOT));
        }
        self.set(self.at + block::EVENT_HEAD, self.get(block::EVENT_SNAPSHOT));
        self.set(self.at + block::CHECKPOINTED_SEQ, seq);
        let stood = self.finish();
        debug_assert!(stood, "the first undo record has room for a confirmation");
        if self.get(block::SEQ) == seq {
            self.mark_clean();
        }
    }

    /// Takes the mark away, whatever has changed.
    pub(crate) fn mark_clean(&self) {
        directory::mark_clean(self.memory, self.get(block::INDEX));
    }

    /// Takes the mark away from a block that was marked but never changed.
    pub(crate) fn mark_clean_if_clean(&self) {
        if !self.is_dirty() {
            directory::mark_clean(self.memory, self.get(block::INDEX));
        }
    }
}
