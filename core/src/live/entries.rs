//! A tenant's entries: everything that has a key and an expiry, in one shape.
//!
//! Entries lie in a slab that never moves, so that SQLite can key them by tenant and index. An
//! index of buckets leads from a key's hash to the index; when it grows, a few buckets are moved
//! per operation, so that no decision waits for a copy. What expires is in a heap
//! ([`expiry`](super::expiry)). Changed entries are noted in a ring for the checkpointer.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::directory::Hash128;
use super::expiry::Heap;
use super::layout::{WORD, chunk_of, counter, entries, entry, record, unpack};
use super::record::{CounterRef, RecordGuard, word};
use crate::clock::Timestamp;
use crate::rules::{Counting, ResourceId};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EntryKind {
    /// A contact's session.
    Session = 1,
    /// An idempotency key with the decision that was given.
    Key = 2,
    /// How far a file of traffic has been replayed, and what came of it. Never expires.
    Cursor = 3,
    /// A place that a named holder has for a limited time.
    Lease = 4,
    /// How much of a rate a key has used up.
    Rate = 5,
    /// Units set aside until they are committed or released.
    Reservation = 6,
    /// One of several names of a contact. Never expires.
    Alias = 7,
    /// More of what the entry that leads to it has taken from which grants; gone with it.
    Part = 8,
}

impl EntryKind {
    pub(crate) const fn from_number(number: u8) -> Option<EntryKind> {
        match number {
            1 => Some(EntryKind::Session),
            2 => Some(EntryKind::Key),
            3 => Some(EntryKind::Cursor),
            4 => Some(EntryKind::Lease),
            5 => Some(EntryKind::Rate),
            6 => Some(EntryKind::Reservation),
            7 => Some(EntryKind::Alias),
            8 => Some(EntryKind::Part),
            _ => None,
        }
    }
}

/// How far a reservation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ReservationState {
    Open = 0,
    Committed = 1,
    PartlyCommitted = 2,
    Released = 3,
    Expired = 4,
}

/// The index of an entry in its tenant's slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryIndex(pub(crate) u32);

pub(crate) type Payload = [u64; entry::PAYLOAD_WORDS];

pub(super) const FIRST_CHUNK_LOG2: u32 = entries::FIRST_CHUNK.ilog2();
/// An offset that lies in no file.
pub(super) const OUTSIDE: u64 = 1 << 62;

impl<'a> RecordGuard<'a> {
    #[inline]
    pub(super) fn entries_at(&self) -> u64 {
        self.get(record::ENTRIES)
    }

    pub(super) fn entries_get(&self, word: u64) -> u64 {
        self.memory.get(self.entries_at() + word)
    }

    pub(super) fn entries_set(&mut self, word: u64, value: u64) {
        self.set(self.entries_at() + word, value);
    }

    /// The entry table, looked at once for all of its words. It exists.
    #[inline(always)]
    pub(super) fn table(&self) -> EntryTable<'a> {
        EntryTable(self.memory.words_or_nowhere(self.entries_at()))
    }

    /// Where the entry in `index` lies in the file.
    #[inline]
    pub(crate) fn entry_offset(&self, index: EntryIndex) -> u64 {
        self.table().offset_of(index)
    }

    /// The entry in `index`, looked at once for all of its words.
    #[inline(always)]
    pub(crate) fn entry(&self, index: EntryIndex) -> Entry<'a> {
        Entry { index, cells: self.memory.words_or_nowhere(self.entry_offset(index)) }
    }

    #[inline]
    pub(crate) fn entry_get(&self, index: EntryIndex, word: u64) -> u64 {
        self.entry(index).get(word)
    }

    #[inline]
    pub(crate) fn entry_set(&mut self, index: EntryIndex, word: u64, value: u64) {
        self.write(self.entry(index), word, value);
    }

    /// Writes a word of an entry, so that it can be undone.
    #[inline]
    pub(crate) fn write(&mut self, entry: Entry<'_>, word: u64, value: u64) {
        if entry.get(word) != value {
            self.set_cell(entry.cell(word), value);
        }
    }

    pub(crate) fn entry_payload(&self, index: EntryIndex) -> Payload {
        let at = self.entry_offset(index) + entry::PAYLOAD;
        std::array::from_fn(|nth| self.memory.get(at + nth as u64 * WORD))
    }

    pub(crate) fn entry_set_payload(&mut self, index: EntryIndex, payload: &Payload) {
        let at = self.entry_offset(index) + entry::PAYLOAD;
        for (nth, &value) in payload.iter().enumerate() {
            let word = at + nth as u64 * WORD;
            if self.memory.get(word) != value {
                self.set(word, value);
            }
        }
    }

    /// Whether the tenant has an entry table.
    #[inline]
    pub(crate) fn has_entries(&self) -> bool {
        self.entries_at() != 0
    }

    // ---- making and changing -------------------------------------------------------------

    /// Makes an entry, which [`prepare_entries`](Self::prepare_entries) has reserved capacity for.
    /// Without a key it is reached by its index alone.
    #[inline]
    pub(crate) fn make_entry(
        &mut self,
        kind: EntryKind,
        resource: ResourceId,
        key: Option<Hash128>,
    ) -> Entry<'a> {
        let table = self.table();
        let free = table.get(entries::FREE);
        let entry;
        if free == 0 {
            let touched = table.get(entries::TOUCHED);
            self.set_cell(table.cell(entries::TOUCHED), touched.wrapping_add(1));
            entry = self.entry(EntryIndex(touched as u32));
        } else {
            entry = self.entry(EntryIndex((free - 1) as u32));
            self.set_cell(table.cell(entries::FREE), entry.get(entry::POSITION));
            self.set_cell(entry.cell(entry::POSITION), 0);
        }
        let Hash128 { low, high } = key.unwrap_or(NO_KEY);
        entry.fill(entry::KEY, low);
        entry.fill(entry::KEY + WORD, high);
        self.write(entry, entry::META, meta(kind, resource));
        self.set_cell(table.cell(entries::LIVE), table.get(entries::LIVE).wrapping_add(1));
        if let Some(key) = key {
            self.enter(table, key, entry.index);
        }
        entry
    }

    /// Notes that the entry in `index` has changed in the operation with number `seq`.
    pub(crate) fn touch_entry(&mut self, index: EntryIndex, seq: u64) {
        self.touch(self.entry(index), seq);
    }

    /// Notes that the entry has changed in the operation with number `seq`.
    #[inline]
    pub(crate) fn touch(&mut self, entry: Entry<'_>, seq: u64) {
        let changed = entry.get(entry::CHANGED);
        if changed == seq {
            return;
        }
        if changed <= self.get(record::SNAPSHOT_SEQ) {
            self.note_change(entry.index);
        }
        self.set_cell(entry.cell(entry::CHANGED), seq);
    }

    /// Adds an index to the ring. Its word needs no undo: no process reads beyond the tail.
    #[inline]
    fn note_change(&mut self, index: EntryIndex) {
        let table = self.table();
        let (ring, log2) = unpack(table.get(entries::RING));
        let tail = table.get(entries::RING_TAIL);
        self.memory.put(ring + ring_word(tail, log2), u64::from(index.0));
        crate::crash_points::point("undo.word");
        self.set_cell(table.cell(entries::RING_TAIL), tail.wrapping_add(1));
    }

    /// Removes an entry from the index and gives its index back. Its heap must not hold it.
    pub(crate) fn free_entry(&mut self, index: EntryIndex, seq: u64) {
        let key = self.entry_key(index);
        let (table, entry) = (self.table(), self.entry(index));
        if key != NO_KEY {
            self.leave(table, key);
        }
        self.set_cell(entry.cell(entry::META), 0);
        self.write(entry, entry::POSITION, table.get(entries::FREE));
        self.set_cell(table.cell(entries::FREE), u64::from(index.0) + 1);
        self.set_cell(table.cell(entries::LIVE), table.get(entries::LIVE).saturating_sub(1));
        self.touch_entry(index, seq);
    }

    // ---- what is in an entry ----------------------------------------------------------------

    /// What kind of entry is in a place, if there is one.
    pub(crate) fn entry_kind(&self, index: EntryIndex) -> Option<EntryKind> {
        EntryKind::from_number(self.entry_get(index, entry::META) as u8)
    }

    /// The resource that the entry is about.
    pub(crate) fn entry_resource(&self, index: EntryIndex) -> ResourceId {
        resource_of(self.entry_get(index, entry::META))
    }

    /// How far the entry has come; what the numbers mean is its kind's.
    pub(crate) fn entry_state(&self, index: EntryIndex) -> u8 {
        self.entry(index).state()
    }

    pub(crate) fn set_entry_state(&mut self, index: EntryIndex, state: u8) {
        let meta = self.entry_get(index, entry::META);
        self.entry_set(index, entry::META, with_state(meta, state));
    }

    pub(crate) fn entry_key(&self, index: EntryIndex) -> Hash128 {
        let (low, high) = (entry::KEY, entry::KEY + WORD);
        Hash128 { low: self.entry_get(index, low), high: self.entry_get(index, high) }
    }

    /// A word of the entry's payload.
    pub(crate) fn entry_word(&self, index: EntryIndex, nth: u64) -> u64 {
        self.entry_get(index, entry::PAYLOAD + nth * WORD)
    }

    /// Writes a word of the entry's payload.
    pub(crate) fn entry_set_word(&mut self, index: EntryIndex, nth: u64, value: u64) {
        self.entry_set(index, entry::PAYLOAD + nth * WORD, value);
    }

    /// Whether a place holds an entry of this kind; places from outside need not exist.
    pub(crate) fn holds(&self, index: EntryIndex, kind: EntryKind) -> bool {
        self.entries_at() != 0
            && u64::from(index.0) < self.entries_get(entries::TOUCHED)
            && self.entry_kind(index) == Some(kind)
    }

    /// Whether a lease of the tenant has expired that still counts.
    pub(crate) fn lease_is_due(&self, high_water_mark: Timestamp) -> bool {
        self.due_lease_heap(high_water_mark).is_some()
    }

    /// A heap in which an expired lease is.
    pub(crate) fn due_lease_heap(&self, high_water_mark: Timestamp) -> Option<Heap> {
        self.first_lease().filter(|&(due, _)| due <= high_water_mark).map(|(_, heap)| heap)
    }

    /// When the first of the tenant's leases expires, and the heap in which it is.
    pub(crate) fn first_lease(&self) -> Option<(Timestamp, Heap)> {
        self.counters()
            .filter(|(_, counter)| counter.terms().counting == Counting::Leases)
            .map(|(_, counter)| counter_heap(counter))
            .filter_map(|heap| self.first_due(heap).map(|(due, _)| (due, heap)))
            .min_by_key(|&(due, _)| due)
    }

    /// The resources that a lease counts in: its own and those above it.
    pub(crate) fn lease_resources(
        &self,
        index: EntryIndex,
    ) -> impl Iterator<Item = ResourceId> + use<> {
        counted_in(self.entry_resource(index), self.entry_word(index, LEASE_PARENTS))
    }

    /// The heap in which an entry with this first word is, if it is in one.
    #[inline]
    pub(crate) fn heap_of(&self, meta: u64) -> Option<Heap> {
        match EntryKind::from_number(meta as u8)? {
            EntryKind::Session | EntryKind::Lease | EntryKind::Rate => {
                self.counter(resource_of(meta)).map(counter_heap)
            }
            EntryKind::Reservation if state_of(meta) == ReservationState::Open as u8 => {
                Some(self.hold_heap())
            }
            EntryKind::Key | EntryKind::Reservation => Some(self.kept_heap()),
            EntryKind::Cursor | EntryKind::Alias | EntryKind::Part => None,
        }
    }

    /// When the entry may be reclaimed: the last payload word holds it for every kind that
    /// expires.
    pub(crate) fn kept_until(&self, index: EntryIndex) -> Timestamp {
        self.entry(index).kept_until()
    }
}

/// An entry table's words.
#[derive(Clone, Copy)]
pub(super) struct EntryTable<'a>(&'a [AtomicU64; entries::WORDS]);

impl<'a> EntryTable<'a> {
    #[inline(always)]
    pub(super) fn cell(self, offset: u64) -> &'a AtomicU64 {
        word(self.0, offset)
    }

    #[inline(always)]
    pub(super) fn get(self, offset: u64) -> u64 {
        self.cell(offset).load(Relaxed)
    }

    /// Changes that wait for a checkpoint.
    #[inline(always)]
    pub(super) fn waiting(self) -> u64 {
        self.get(entries::RING_TAIL).wrapping_sub(self.get(entries::RING_HEAD))
    }

    #[inline(always)]
    pub(super) fn offset_of(self, index: EntryIndex) -> u64 {
        let (chunk, in_chunk) = chunk_of(u64::from(index.0), FIRST_CHUNK_LOG2);
        let root = self.0.get((entries::CHUNKS / WORD + chunk) as usize);
        match root.map_or(0, |root| root.load(Relaxed)) {
            0 => OUTSIDE, // Only a damaged file leads there; it is not followed.
            root => root + in_chunk * entry::BYTES,
        }
    }
}

/// An entry: its index, and its words, looked at once for all of them.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) index: EntryIndex,
    cells: &'a [AtomicU64; entry::WORDS],
}

impl<'a> Entry<'a> {
    #[inline(always)]
    pub(super) fn cell(self, offset: u64) -> &'a AtomicU64 {
        word(self.cells, offset)
    }

    #[inline(always)]
    pub(crate) fn get(self, offset: u64) -> u64 {
        self.cell(offset).load(Relaxed)
    }

    /// Writes a word of an entry that this operation has made. It needs no undo: should the entry
    /// come to nothing, its place is free again, and of a free place no process reads anything but
    /// its kind, its position and when it changed.
    #[inline(always)]
    pub(crate) fn fill(self, offset: u64, value: u64) {
        self.cell(offset).store(value, Relaxed);
        crate::crash_points::point("undo.word"); // Undone or not: a crash after any word is tried.
    }

    /// As [`RecordGuard::kept_until`].
    #[inline(always)]
    pub(crate) fn kept_until(self) -> Timestamp {
        Timestamp::from_word(self.get(KEPT_UNTIL))
    }

    /// As [`RecordGuard::entry_state`].
    #[inline(always)]
    pub(crate) fn state(self) -> u8 {
        state_of(self.get(entry::META))
    }

    /// A word of the entry's payload.
    #[inline(always)]
    pub(crate) fn word(self, nth: u64) -> u64 {
        self.get(entry::PAYLOAD + nth * WORD)
    }

    /// As [`fill`](Self::fill), a word of the payload.
    #[inline(always)]
    pub(crate) fn fill_word(self, nth: u64, value: u64) {
        self.fill(entry::PAYLOAD + nth * WORD, value);
    }
}

/// Where the expiry heap of a resource's entries is.
pub(crate) fn counter_heap(of: CounterRef<'_>) -> Heap {
    Heap(of.at + counter::EXPIRY)
}

/// Place in the payload of the word that says how long an entry is kept.
pub(crate) const KEPT_WORD: u64 = entry::PAYLOAD_WORDS as u64 - 1;
/// The word that says how long an entry is kept.
pub(crate) const KEPT_UNTIL: u64 = entry::PAYLOAD + KEPT_WORD * WORD;
/// The word of a lease's payload that names the resources above its own, 16 bits each.
pub(crate) const LEASE_PARENTS: u64 = 1;
/// Resources above another, at most.
pub(crate) const PARENTS_MAX: u32 = 4;

/// The resources above a lease's own, as its entry keeps them.
pub(crate) fn pack_parents(parents: &[ResourceId]) -> u64 {
    (0..PARENTS_MAX as usize).fold(0, |word, nth| {
        let parent = parents.get(nth).copied().unwrap_or(ResourceId::NONE);
        word | u64::from(parent.0) << (16 * nth)
    })
}

/// The resources that a lease of `own` counts in, by the word that names those above.
pub(super) fn counted_in(own: ResourceId, above: u64) -> impl Iterator<Item = ResourceId> + use<> {
    let parents = (0..PARENTS_MAX).map(move |nth| ResourceId((above >> (16 * nth)) as u16));
    std::iter::once(own).chain(parents.filter(|&parent| parent != ResourceId::NONE))
}

/// Where an entry's state stands in its first word.
const STATE_SHIFT: u32 = 24;
/// The key of entries that are reached by their index alone.
pub(crate) const NO_KEY: Hash128 = Hash128 { low: 0, high: 0 };

pub(super) const fn ring_word(position: u64, log2: u64) -> u64 {
    (position & ((1 << log2) - 1)) * WORD
}

pub(crate) const fn meta(kind: EntryKind, resource: ResourceId) -> u64 {
    kind as u64 | (resource.0 as u64) << 8
}

/// The resource that a first word names.
pub(super) const fn resource_of(meta: u64) -> ResourceId {
    ResourceId((meta >> 8) as u16)
}

/// The state that a first word names.
const fn state_of(meta: u64) -> u8 {
    (meta >> STATE_SHIFT) as u8
}

/// The same first word with another state.
pub(crate) const fn with_state(meta: u64, state: u8) -> u64 {
    meta & !(0xff << STATE_SHIFT) | (state as u64) << STATE_SHIFT
}
