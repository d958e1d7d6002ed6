//! Room for claims, made before the operation that may make them: places in the slab, buckets of
//! the index, entries of the ring.

use super::block::BlockGuard;
use super::claim_index::index_has_room;
use super::claims::{FIRST_CHUNK_LOG2, ring_word};
use super::file::GrowError;
use super::layout::{WORD, block, chunk_of, claim, claims, heap, pack, unpack};

/// Why a claim cannot be made now.
#[derive(Debug)]
pub(crate) enum ClaimError {
    /// Too many changes wait for a checkpoint.
    CheckpointNeeded,
    /// The live file cannot grow.
    Grow(GrowError),
}

impl From<GrowError> for ClaimError {
    fn from(error: GrowError) -> Self {
        ClaimError::Grow(error)
    }
}

/// log2 of the first index, the first ring, and of the largest ring. The last bounds how long a
/// snapshot takes: 4,096 claims are copied in some tens of microseconds.
const FIRST_INDEX_LOG2: u64 = 5;
const FIRST_RING_LOG2: u64 = 6;
const RING_LOG2_MAX: u64 = 12;

impl BlockGuard<'_> {
    /// Makes sure that the operation that follows can make `makes` claims and change `changes`
    /// more; moves a few buckets of a growing index. Steps of its own: each stands by itself,
    /// whatever becomes of the operation. Nothing may be armed.
    pub(crate) fn prepare_claims(&mut self, makes: u64, changes: u64) -> Result<(), ClaimError> {
        if self.claims_at() == 0 {
            self.create_claims()?;
        }
        let table = self.table();
        if unpack(table.get(claims::RING)).1 < RING_LOG2_MAX {
            self.grow_ring()?;
        }
        if !self.ring_has_room(makes + changes) {
            return Err(ClaimError::CheckpointNeeded);
        }
        if table.get(claims::OLD_INDEX) != 0 {
            self.move_buckets();
        }
        if !index_has_room(table, makes) {
            self.grow_index(makes)?;
        }
        self.grow_slab(makes)
    }

    /// Whether so many more changes can be noted without a checkpoint.
    #[inline]
    pub(crate) fn ring_has_room(&self, changes: u64) -> bool {
        let table = self.table();
        table.waiting() + changes <= 1 << unpack(table.get(claims::RING)).1
    }

    /// Whether the checkpointer should hurry: half of the ring is waiting for it, which was not so
    /// when `waited` changes were.
    #[inline]
    pub(crate) fn ring_is_half_full_since(&self, waited: u64) -> bool {
        if !self.has_claims() {
            return false;
        }
        let table = self.table();
        let half = (1 << unpack(table.get(claims::RING)).1) / 2;
        waited < half && table.waiting() >= half
    }

    /// Changes that wait for a checkpoint.
    #[inline]
    pub(crate) fn changes_waiting(&self) -> u64 {
        if self.has_claims() { self.table().waiting() } else { 0 }
    }

    /// Makes the claim table. Nothing may be armed.
    pub(crate) fn create_claims(&mut self) -> Result<(), ClaimError> {
        let memory = self.memory;
        let at = memory.allocate(claims::BYTES)?;
        let index = memory.allocate((1 << FIRST_INDEX_LOG2) * WORD)?;
        let ring = memory.allocate((1 << FIRST_RING_LOG2) * WORD)?;
        let chunk = memory.allocate(claims::FIRST_CHUNK * claim::BYTES)?;
        memory.put(at + claims::INDEX, pack(index, FIRST_INDEX_LOG2));
        memory.put(at + claims::RING, pack(ring, FIRST_RING_LOG2));
        memory.put(at + claims::CHUNKS, chunk);
        crate::torture::point("claims.created");
        self.put(block::CLAIMS, at);
        Ok(())
    }

    /// Room in the slab, in places.
    fn slab_room(&self) -> u64 {
        let chunks = (0..claims::CHUNK_COUNT)
            .take_while(|chunk| self.claims_get(claims::CHUNKS + chunk * WORD) != 0)
            .count();
        ((1 << chunks) - 1) * claims::FIRST_CHUNK
    }

    /// Bytes that the claim table will ask for when it grows, if that is soon: for claims, for
    /// their heap, and for their index. Each comes to as much again as there is.
    pub(crate) fn room_wanted_next(&self) -> u64 {
        if !self.has_claims() {
            return 0;
        }
        let (places, table) = (self.slab_room(), self.table());
        let of_places = (places + claims::FIRST_CHUNK) * (claim::BYTES + heap::ENTRY);
        let of_index = (2 * WORD) << unpack(table.get(claims::INDEX)).1;
        let is_near = table.get(claims::TOUCHED) >= places / 4 * 3;
        let index_is_near = !index_has_room(table, places / 4);
        let when = |is_near, bytes| if is_near { bytes } else { 0 };
        when(is_near, of_places) + when(index_is_near, of_index)
    }

    #[inline]
    fn grow_slab(&mut self, makes: u64) -> Result<(), ClaimError> {
        let table = self.table();
        let touched = table.get(claims::TOUCHED);
        // What has been in use and is not is free, except while a file is made anew: then nothing
        // is, and its gaps are to stay what they are.
        let free = match table.get(claims::FREE) {
            0 => 0,
            _ => touched.saturating_sub(table.get(claims::LIVE)),
        };
        if free >= makes {
            return Ok(());
        }
        let last = touched + (makes - free) - 1;
        let (chunks, _) = chunk_of(last, FIRST_CHUNK_LOG2);
        if chunks >= claims::CHUNK_COUNT {
            return Err(ClaimError::Grow(GrowError::AddressSpace));
        }
        if table.get(claims::CHUNKS + chunks * WORD) != 0 {
            return Ok(()); // Chunks are made in their order.
        }
        self.add_chunks(chunks)
    }

    #[cold]
    fn add_chunks(&mut self, chunks: u64) -> Result<(), ClaimError> {
        for chunk in 0..=chunks {
            let root = self.claims_at() + claims::CHUNKS + chunk * WORD;
            if self.memory.get(root) == 0 {
                let places = claims::FIRST_CHUNK << chunk;
                let at = self.memory.allocate(places * claim::BYTES)?;
                crate::torture::point("claims.chunk");
                self.memory.put(root, at);
            }
        }
        Ok(())
    }

    /// The ring grows with the slab, up to its largest size.
    fn grow_ring(&mut self) -> Result<(), ClaimError> {
        let (old, log2) = unpack(self.claims_get(claims::RING));
        let wanted = u64::from(self.slab_room().ilog2() + 1).min(RING_LOG2_MAX);
        if log2 >= wanted {
            return Ok(());
        }
        let new = self.memory.allocate((1 << wanted) * WORD)?;
        for at in self.claims_get(claims::RING_HEAD)..self.claims_get(claims::RING_TAIL) {
            let place = self.memory.get(old + ring_word(at, log2));
            self.memory.put(new + ring_word(at, wanted), place);
        }
        self.memory.put(self.claims_at() + claims::RING, pack(new, wanted));
        Ok(())
    }
}
