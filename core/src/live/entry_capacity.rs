//! Capacity for entries, made before the operation that may make them: places in the slab, buckets
//! of the index, entries of the ring.

use super::entries::{FIRST_CHUNK_LOG2, ring_word};
use super::entry_index::index_has_capacity;
use super::file::GrowError;
use super::layout::{WORD, chunk_of, entries, entry, heap, pack, record, unpack};
use super::record::RecordGuard;

/// Why an entry cannot be made now.
#[derive(Debug)]
pub(crate) enum EntryError {
    /// Too many changes wait for a checkpoint.
    CheckpointNeeded,
    /// The live file cannot grow.
    Grow(GrowError),
}

impl From<GrowError> for EntryError {
    fn from(error: GrowError) -> Self {
        EntryError::Grow(error)
    }
}

/// log2 of the first index, the first ring, and of the largest ring. The last bounds how long a
/// snapshot takes: 4,096 entries are copied in some tens of microseconds.
const FIRST_INDEX_LOG2: u64 = 5;
const FIRST_RING_LOG2: u64 = 6;
const RING_LOG2_MAX: u64 = 12;

impl RecordGuard<'_> {
    /// Makes sure that the operation that follows can make `makes` entries and change `changes`
    /// more; moves a few buckets of a growing index. Steps of its own: each stands by itself,
    /// whatever becomes of the operation. The undo log must be empty.
    pub(crate) fn prepare_entries(&mut self, makes: u64, changes: u64) -> Result<(), EntryError> {
        if self.entries_at() == 0 {
            self.create_entries()?;
        }
        let table = self.table();
        if unpack(table.get(entries::RING)).1 < RING_LOG2_MAX {
            self.grow_ring()?;
        }
        if !self.ring_has_capacity(makes + changes) {
            return Err(EntryError::CheckpointNeeded);
        }
        if table.get(entries::OLD_INDEX) != 0 {
            self.move_buckets();
        }
        if !index_has_capacity(table, makes) {
            self.grow_index(makes)?;
        }
        self.grow_slab(makes)
    }

    /// Whether so many more changes can be noted without a checkpoint.
    #[inline]
    pub(crate) fn ring_has_capacity(&self, changes: u64) -> bool {
        let table = self.table();
        table.waiting().saturating_add(changes) <= 1 << unpack(table.get(entries::RING)).1
    }

    /// Whether the checkpointer should hurry: half of the ring is waiting for it, which was not so
    /// when `waited` changes were.
    #[inline]
    pub(crate) fn ring_is_half_full_since(&self, waited: u64) -> bool {
        if !self.has_entries() {
            return false;
        }
        let table = self.table();
        let half = (1 << unpack(table.get(entries::RING)).1) / 2;
        waited < half && table.waiting() >= half
    }

    /// Changes that wait for a checkpoint.
    #[inline]
    pub(crate) fn changes_waiting(&self) -> u64 {
        if self.has_entries() { self.table().waiting() } else { 0 }
    }

    /// Makes the entry table. The undo log must be empty.
    pub(crate) fn create_entries(&mut self) -> Result<(), EntryError> {
        let memory = self.memory;
        let at = memory.allocate(entries::BYTES)?;
        let index = memory.allocate((1 << FIRST_INDEX_LOG2) * WORD)?;
        let ring = memory.allocate((1 << FIRST_RING_LOG2) * WORD)?;
        let chunk = memory.allocate(entries::FIRST_CHUNK * entry::BYTES)?;
        memory.put(at + entries::INDEX, pack(index, FIRST_INDEX_LOG2));
        memory.put(at + entries::RING, pack(ring, FIRST_RING_LOG2));
        memory.put(at + entries::CHUNKS, chunk);
        crate::crash_points::point("entries.created");
        self.put(record::ENTRIES, at);
        Ok(())
    }

    /// Capacity in the slab, in places.
    fn slab_capacity(&self) -> u64 {
        let chunks = (0..entries::CHUNK_COUNT)
            .take_while(|chunk| self.entries_get(entries::CHUNKS + chunk * WORD) != 0)
            .count();
        ((1 << chunks) - 1) * entries::FIRST_CHUNK
    }

    /// Bytes that the entry table will ask for when it grows, if that is soon: for entries, for
    /// their heap, and for their index. Each comes to as much again as there is.
    pub(crate) fn capacity_wanted_next(&self) -> u64 {
        if !self.has_entries() {
            return 0;
        }
        let (indices, table) = (self.slab_capacity(), self.table());
        let of_places = (indices + entries::FIRST_CHUNK) * (entry::BYTES + heap::ENTRY);
        let of_index = (2 * WORD) << unpack(table.get(entries::INDEX)).1;
        let is_near = table.get(entries::TOUCHED) >= indices / 4 * 3;
        let index_is_near = !index_has_capacity(table, indices / 4);
        let when = |is_near, bytes| if is_near { bytes } else { 0 };
        when(is_near, of_places) + when(index_is_near, of_index)
    }

    #[inline]
    fn grow_slab(&mut self, makes: u64) -> Result<(), EntryError> {
        let table = self.table();
        let touched = table.get(entries::TOUCHED);
        // What has been in use and is not is free, except while a file is made again: then nothing
        // is, and its gaps are to stay what they are.
        let free = match table.get(entries::FREE) {
            0 => 0,
            _ => touched.saturating_sub(table.get(entries::LIVE)),
        };
        if free >= makes {
            return Ok(());
        }
        let last = touched + (makes - free) - 1;
        let (chunks, _) = chunk_of(last, FIRST_CHUNK_LOG2);
        if chunks >= entries::CHUNK_COUNT {
            return Err(EntryError::Grow(GrowError::AddressSpace));
        }
        if table.get(entries::CHUNKS + chunks * WORD) != 0 {
            return Ok(()); // Chunks are made in their order.
        }
        self.add_chunks(chunks)
    }

    #[cold]
    fn add_chunks(&mut self, chunks: u64) -> Result<(), EntryError> {
        for chunk in 0..=chunks {
            let root = self.entries_at() + entries::CHUNKS + chunk * WORD;
            if self.memory.get(root) == 0 {
                let indices = entries::FIRST_CHUNK << chunk;
                let at = self.memory.allocate(indices * entry::BYTES)?;
                crate::crash_points::point("entries.chunk");
                self.memory.put(root, at);
            }
        }
        Ok(())
    }

    /// The ring grows with the slab, up to its largest size.
    fn grow_ring(&mut self) -> Result<(), EntryError> {
        let (old, log2) = unpack(self.entries_get(entries::RING));
        let wanted = u64::from(self.slab_capacity().max(1).ilog2() + 1).min(RING_LOG2_MAX);
        if log2 >= wanted {
            return Ok(());
        }
        let new = self.memory.allocate((1 << wanted) * WORD)?;
        for at in self.entries_get(entries::RING_HEAD)..self.entries_get(entries::RING_TAIL) {
            let changed = self.memory.get(old + ring_word(at, log2));
            self.memory.put(new + ring_word(at, wanted), changed);
        }
        self.memory.put(self.entries_at() + entries::RING, pack(new, wanted));
        Ok(())
    }
}
