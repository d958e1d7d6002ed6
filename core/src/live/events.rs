//! Events of a tenant that wait to be written to SQLite's outbox, in the same critical section
//! as what they report.

use super::entry_capacity::EntryError;
use super::layout::{WORD, event, pack, record, unpack};
use super::record::RecordGuard;
use crate::clock::Timestamp;
use crate::rules::ResourceId;

/// An event as the live file keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventImage {
    /// Number of [`EventKind`](crate::EventKind).
    pub(crate) kind: u8,
    pub(crate) percent: u8,
    pub(crate) resource: ResourceId,
    pub(crate) at: Timestamp,
    /// What the two numbers are depends on the kind.
    pub(crate) first: u64,
    pub(crate) second: u64,
}

impl RecordGuard<'_> {
    /// Makes sure that so many events can be noted. The undo log must be empty.
    pub(crate) fn ensure_events(&self, more: u64) -> Result<(), EntryError> {
        if self.get(record::EVENTS) == 0 {
            let at = self.memory.allocate((1 << event::RING_LOG2) * event::BYTES)?;
            self.put(record::EVENTS, pack(at, event::RING_LOG2));
        }
        let (_, log2) = unpack(self.get(record::EVENTS));
        if more > 1 << log2 {
            self.enlarge_events(more)?;
        }
        let (_, log2) = unpack(self.get(record::EVENTS));
        let waiting = self.get(record::EVENT_TAIL) - self.get(record::EVENT_HEAD);
        if waiting + more > 1 << log2 { Err(EntryError::CheckpointNeeded) } else { Ok(()) }
    }

    /// Gives the ring capacity for so many at least, keeping what it holds.
    #[cold]
    fn enlarge_events(&self, capacity: u64) -> Result<(), EntryError> {
        let log2 = u64::from(capacity.next_power_of_two().ilog2());
        let new = self.memory.allocate((1 << log2) * event::BYTES)?;
        for number in self.get(record::EVENT_HEAD)..self.get(record::EVENT_TAIL) {
            let (from, to) = (self.event_at(number), new + place_in(number, log2));
            for word in 0..event::BYTES / WORD {
                self.memory.put(to + word * WORD, self.memory.get(from + word * WORD));
            }
        }
        self.put(record::EVENTS, pack(new, log2));
        Ok(())
    }

    /// Notes an event. Its capacity has been reserved.
    pub(crate) fn note_event(&mut self, image: &EventImage) {
        let tail = self.get(record::EVENT_TAIL);
        let at = self.event_at(tail);
        let what = u64::from(image.kind)
            | u64::from(image.percent) << 8
            | u64::from(image.resource.0) << 16;
        self.set(at + event::WHAT, what);
        self.set(at + event::AT, image.at.ms() as u64);
        self.set(at + event::FIRST, image.first);
        self.set(at + event::SECOND, image.second);
        self.set(self.at + record::EVENT_TAIL, tail + 1);
    }

    /// Everything noted since the last confirmed checkpoint, with its number.
    pub(super) fn waiting_events(&self) -> Vec<(u64, EventImage)> {
        (self.get(record::EVENT_HEAD)..self.get(record::EVENT_TAIL))
            .map(|number| {
                let at = self.event_at(number);
                let what = self.memory.get(at + event::WHAT);
                let image = EventImage {
                    kind: what as u8,
                    percent: (what >> 8) as u8,
                    resource: ResourceId((what >> 16) as u16),
                    at: Timestamp::from_word(self.memory.get(at + event::AT)),
                    first: self.memory.get(at + event::FIRST),
                    second: self.memory.get(at + event::SECOND),
                };
                (number, image)
            })
            .collect()
    }

    /// Continues the numbers of a database whose live file is made again.
    pub(crate) fn write_event_number(&self, next: u64) {
        for word in [record::EVENT_HEAD, record::EVENT_TAIL, record::EVENT_SNAPSHOT] {
            self.put(word, next);
        }
    }

    fn event_at(&self, number: u64) -> u64 {
        let (ring, log2) = unpack(self.get(record::EVENTS));
        ring + place_in(number, log2)
    }
}

/// Where an event lies in a ring.
const fn place_in(number: u64, log2: u64) -> u64 {
    (number & ((1 << log2) - 1)) * event::BYTES
}

const _: () = assert!(event::SECOND + WORD == event::BYTES);
