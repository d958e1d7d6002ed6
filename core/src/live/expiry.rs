//! Expiry heaps: which of many claims is due first.
//!
//! A heap has eight children to a node and the due times beside the places, so that the first of
//! a hundred thousand claims is taken off with six looks at two cache lines each, and claims may
//! have any lifetime. A claim whose time has been put off stays where it is until it comes up,
//! and is then hung again.

use std::sync::atomic::Ordering::Relaxed;

use super::block::BlockGuard;
use super::claims::Place;
use super::file::GrowError;
use super::layout::{WORD, block, chunk_of, claim, claims, heap};
use crate::clock::Timestamp;

/// An expiry heap, by the word that leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heap(pub(super) u64);

const CHILDREN: u64 = 8;
const FIRST_CHUNK_LOG2: u32 = heap::FIRST_CHUNK.ilog2();

impl BlockGuard<'_> {
    /// The heap of the tenant's idempotency keys. The claim table exists.
    pub(crate) fn key_heap(&self) -> Heap {
        Heap(self.get(block::CLAIMS) + claims::KEYS)
    }

    /// The heap of the tenant's reservations. The claim table exists.
    pub(crate) fn hold_heap(&self) -> Heap {
        Heap(self.get(block::CLAIMS) + claims::HOLDS)
    }

    /// Makes sure that `more` claims can be hung up. Nothing may be armed.
    pub(crate) fn ensure_heap(&self, of: Heap, more: u64) -> Result<(), GrowError> {
        let mut at = self.memory.get(of.0);
        if at == 0 {
            at = self.memory.allocate(heap::BYTES)?;
            self.memory.put(of.0, at);
        }
        let last = self.memory.get(at + heap::LEN) + more;
        let (chunks, _) = chunk_of(last, FIRST_CHUNK_LOG2);
        if chunks >= heap::CHUNK_COUNT {
            return Err(GrowError::AddressSpace);
        }
        if self.memory.get(at + heap::CHUNKS + chunks * WORD) != 0 {
            return Ok(()); // Chunks are made in their order.
        }
        for chunk in 0..=chunks {
            let root = at + heap::CHUNKS + chunk * WORD;
            if self.memory.get(root) == 0 {
                let entries = heap::FIRST_CHUNK << chunk;
                self.memory.put(root, self.memory.allocate(entries * heap::ENTRY)?);
            }
        }
        Ok(())
    }

    /// The claim that is due first, and when.
    #[inline]
    pub(crate) fn first_due(&self, of: Heap) -> Option<(Timestamp, Place)> {
        let at = self.memory.get(of.0);
        if at == 0 || self.memory.get(at + heap::LEN) == 0 {
            return None;
        }
        let (until, place) = self.heap_entry(at, 0);
        Some((Timestamp::from_ms(until), place))
    }

    /// Hangs a claim up. Room has been made.
    pub(crate) fn hang(&mut self, of: Heap, place: Place, until: Timestamp) {
        let at = self.memory.get(of.0);
        debug_assert_ne!(at, 0, "room has been made");
        let len = self.memory.get(at + heap::LEN);
        self.set(at + heap::LEN, len + 1);
        self.rise(at, len, (until.ms(), place));
    }

    /// Takes a claim off its heap.
    pub(crate) fn unhang(&mut self, of: Heap, place: Place) {
        let Some((at, hole)) = self.position(of, place) else { return };
        self.claim_set(place, claim::POSITION, 0);
        let last = self.memory.get(at + heap::LEN) - 1;
        self.set(at + heap::LEN, last);
        if hole < last {
            let entry = self.heap_entry(at, last);
            self.put_entry(at, hole, entry, last);
        }
    }

    /// Gives a claim that is hung up another time.
    pub(crate) fn rehang(&mut self, of: Heap, place: Place, until: Timestamp) {
        let Some((at, position)) = self.position(of, place) else { return };
        let len = self.memory.get(at + heap::LEN);
        self.put_entry(at, position, (until.ms(), place), len);
    }

    /// Whether every entry is due no earlier than the one above it and known to its claim, for
    /// the audit. Says how many entries there are.
    pub(crate) fn heap_is_sound(&self, of: Heap) -> Result<u64, String> {
        let at = self.memory.get(of.0);
        if at == 0 {
            return Ok(0);
        }
        let len = self.memory.get(at + heap::LEN);
        for index in 0..len {
            let (until, place) = self.heap_entry(at, index);
            if index > 0 && self.heap_entry(at, (index - 1) / CHILDREN).0 > until {
                return Err(format!("claim {} is due before the one above it", place.0));
            }
            if self.claim_get(place, claim::POSITION) != index + 1 {
                return Err(format!("claim {} does not know its place in the heap", place.0));
            }
        }
        Ok(len)
    }

    fn position(&self, of: Heap, place: Place) -> Option<(u64, u64)> {
        let position = self.claim_get(place, claim::POSITION).checked_sub(1)?;
        Some((self.memory.get(of.0), position))
    }

    #[inline]
    fn entry_at(&self, at: u64, index: u64) -> u64 {
        let (chunk, in_chunk) = chunk_of(index, FIRST_CHUNK_LOG2);
        self.memory.get(at + heap::CHUNKS + chunk * WORD) + in_chunk * heap::ENTRY
    }

    #[inline]
    fn heap_entry(&self, at: u64, index: u64) -> (i64, Place) {
        let entry = self.entry_at(at, index);
        (self.memory.get(entry) as i64, Place(self.memory.get(entry + WORD) as u32))
    }

    fn write_entry(&mut self, at: u64, index: u64, (until, place): (i64, Place)) {
        let entry = self.entry_at(at, index);
        for (word, value) in [(entry, until as u64), (entry + WORD, u64::from(place.0))] {
            let cell = self.memory.cell(word);
            if cell.load(Relaxed) != value {
                self.set_cell(cell, value);
            }
        }
        self.claim_set(place, claim::POSITION, index + 1);
    }

    /// Puts an entry at or above a place whose children are not earlier.
    fn rise(&mut self, at: u64, mut index: u64, entry: (i64, Place)) {
        while index > 0 {
            let above = (index - 1) / CHILDREN;
            let parent = self.heap_entry(at, above);
            if parent.0 <= entry.0 {
                break;
            }
            self.write_entry(at, index, parent);
            index = above;
        }
        self.write_entry(at, index, entry);
    }

    /// Puts an entry where it belongs, from a place whose own entry may go.
    fn put_entry(&mut self, at: u64, mut index: u64, entry: (i64, Place), len: u64) {
        if index > 0 && self.heap_entry(at, (index - 1) / CHILDREN).0 > entry.0 {
            return self.rise(at, index, entry);
        }
        loop {
            let first = index * CHILDREN + 1;
            let earliest = (first..(first + CHILDREN).min(len))
                .map(|child| (self.heap_entry(at, child), child))
                .min_by_key(|&((until, _), _)| until);
            match earliest {
                Some((child, below)) if child.0 < entry.0 => {
                    self.write_entry(at, index, child);
                    index = below;
                }
                _ => break,
            }
        }
        self.write_entry(at, index, entry);
    }
}
