//! A tenant's checkpoint as seen from the live file: one snapshot under one lock, and its
//! confirmation once SQLite has it.

use super::directory::{self, Mark};
use super::entries::{EntryIndex, EntryKind, KEPT_WORD, LEASE_PARENTS, counted_in};
use super::events::EventImage;
use super::history::HistoryKey;
use super::holds::SAVED_END;
use super::layout::{WORD, counter, entries, entry, record, unpack};
use super::record::{CounterRef, RecordGuard};
use crate::clock::Timestamp;
use crate::rules::{ResourceId, Usage};

/// What the record holds and SQLite does not have yet, all of one instant.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The record's sequence number at that instant.
    pub(crate) seq: u64,
    pub(crate) high_water_mark: Timestamp,
    /// What is used and watched, by resource.
    pub(crate) counters: Vec<CounterImage>,
    /// What remains of each grant.
    pub(crate) remaining: Vec<(u64, u64)>,
    pub(crate) entries: Vec<EntryImage>,
    pub(crate) history: Vec<(HistoryKey, u64)>,
    /// Events with their numbers, and the number of the next.
    pub(crate) events: Vec<(u64, EventImage)>,
    pub(crate) next_event: u64,
}

impl CounterImage {
    /// Whether there is nothing to remember of it.
    pub(crate) fn is_blank(self) -> bool {
        self.usage == Usage::default() && self.next_event == u64::MAX
    }
}

/// A resource's counters as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CounterImage {
    pub(crate) resource: ResourceId,
    /// Nothing, where it is held by entries or seats, which speak for themselves.
    pub(crate) usage: Usage,
    /// Used units at which the next event is due.
    pub(crate) next_event: u64,
}

/// An entry as it was; `meta` 0: it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryImage {
    pub(crate) index: u32,
    pub(crate) key: [u64; 2],
    pub(crate) meta: u64,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) payload: super::entries::Payload,
}

impl EntryImage {
    pub(crate) fn resource(&self) -> ResourceId {
        ResourceId((self.meta >> 8) as u16)
    }

    /// A session with the end that SQLite is to have of it.
    fn ahead(mut self) -> EntryImage {
        let is_session = EntryKind::from_number(self.meta as u8) == Some(EntryKind::Session);
        let saved = self.payload.get(SAVED_END as usize).map_or(0, |&saved| saved.cast_signed());
        if is_session && saved > self.end {
            if let Some(kept_until) = self.payload.get_mut(KEPT_WORD as usize) {
                *kept_until = kept_until.saturating_add_signed(saved - self.end);
            }
            self.end = saved;
        }
        self
    }

    /// The resources that it counts in, if it is a lease.
    pub(crate) fn leased(&self) -> impl Iterator<Item = ResourceId> + use<> {
        let is_lease = EntryKind::from_number(self.meta as u8) == Some(EntryKind::Lease);
        let above = self.payload.get(LEASE_PARENTS as usize).copied().filter(|_| is_lease);
        let own = self.resource();
        above.into_iter().flat_map(move |above| counted_in(own, above))
    }
}

impl RecordGuard<'_> {
    /// Whether anything has changed since the last confirmed checkpoint.
    pub(crate) fn is_dirty(&self) -> bool {
        self.get(record::SEQ) != self.get(record::CHECKPOINTED_SEQ)
    }

    /// Copies what SQLite does not have. `committed` is the sequence number that SQLite has for
    /// this tenant, without the transaction under way, whose number is `commit`: a checkpointer
    /// that died after its commit is confirmed first.
    pub(crate) fn take_snapshot(&mut self, committed: u64, commit: u64) -> Snapshot {
        if committed == self.get(record::SNAPSHOT_SEQ)
            && committed > self.get(record::CHECKPOINTED_SEQ)
        {
            self.confirm_snapshot(committed, commit);
        }
        self.forget_saved();
        let seq = self.get(record::SEQ);
        let counters = self.counter_images();
        let remaining = self.remaining();
        let entries = self.changed_entries();
        let history = self.snapshot_history();
        let (events, next_event) = (self.waiting_events(), self.get(record::EVENT_TAIL));
        self.put(record::EVENT_SNAPSHOT, next_event);
        if self.get(record::ENTRIES) != 0 {
            let at = self.get(record::ENTRIES);
            self.memory.put(at + entries::RING_SNAPSHOT, self.memory.get(at + entries::RING_TAIL));
        }
        crate::crash_points::point("snapshot.noted");
        // Last: until it stands, the snapshot before is the one that can be confirmed.
        self.put(record::SNAPSHOT_SEQ, seq);
        let high_water_mark = self.high_water_mark();
        Snapshot { seq, high_water_mark, counters, remaining, entries, history, events, next_event }
    }

    /// Every resource of the record with its counter.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (ResourceId, CounterRef<'_>)> {
        (0..self.counter_count())
            .map(ResourceId)
            .filter_map(|resource| Some((resource, self.counter(resource)?)))
    }

    fn counter_images(&self) -> Vec<CounterImage> {
        self.counters()
            .map(|(resource, counter)| CounterImage {
                resource,
                usage: counter.usage(),
                next_event: counter.get(counter::NEXT_EVENT),
            })
            .collect()
    }

    fn remaining(&self) -> Vec<(u64, u64)> {
        self.counters().flat_map(|(_, counter)| counter.grants()).collect()
    }

    fn changed_entries(&self) -> Vec<EntryImage> {
        let at = self.get(record::ENTRIES);
        if at == 0 {
            return Vec::new();
        }
        let (ring, log2) = unpack(self.memory.get(at + entries::RING));
        let (head, tail) =
            (self.memory.get(at + entries::RING_HEAD), self.memory.get(at + entries::RING_TAIL));
        let mut indices: Vec<u32> = (head..tail)
            .map(|position| self.memory.get(ring + (position & ((1 << log2) - 1)) * WORD) as u32)
            .collect();
        // An entry that changed on both sides of an unconfirmed snapshot is listed twice.
        indices.sort_unstable();
        indices.dedup();
        indices.into_iter().map(|index| self.entry_image(EntryIndex(index))).collect()
    }

    /// An entry as SQLite is to have it.
    pub(crate) fn entry_image(&self, index: EntryIndex) -> EntryImage {
        let image = EntryImage {
            index: index.0,
            key: [self.entry_get(index, entry::KEY), self.entry_get(index, entry::KEY + WORD)],
            meta: self.entry_get(index, entry::META),
            start: self.entry_get(index, entry::START) as i64,
            end: self.entry_get(index, entry::END) as i64,
            payload: self.entry_payload(index),
        };
        image.ahead()
    }

    /// SQLite has the snapshot with this sequence number, by the transaction `commit` or one before
    /// it. Writes at most 70 words.
    pub(crate) fn confirm_snapshot(&mut self, seq: u64, commit: u64) {
        if seq != self.get(record::SNAPSHOT_SEQ) || seq <= self.get(record::CHECKPOINTED_SEQ) {
            return;
        }
        self.confirm_history();
        let at = self.get(record::ENTRIES);
        if at != 0 {
            self.set(at + entries::RING_HEAD, self.memory.get(at + entries::RING_SNAPSHOT));
        }
        self.set(self.at + record::EVENT_HEAD, self.get(record::EVENT_SNAPSHOT));
        self.set(self.at + record::COMMIT, commit);
        self.set(self.at + record::CHECKPOINTED_SEQ, seq);
        let stood = self.finish();
        debug_assert!(stood, "the first undo record has capacity for a confirmation");
        if self.get(record::SEQ) == seq {
            self.mark_clean();
        }
    }

    /// Takes the mark away, whatever has changed.
    pub(crate) fn mark_clean(&self) {
        directory::clear_mark(self.memory, Mark::Dirty, self.get(record::INDEX));
    }

    /// Takes the mark away from a record that was marked but never changed.
    pub(crate) fn mark_clean_if_clean(&self) {
        if !self.is_dirty() {
            self.mark_clean();
        }
    }
}
