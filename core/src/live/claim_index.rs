//! The index that leads from a claim's key to its place.
//!
//! Open addressing, linear probing; a bucket holds a tag of the key and the place plus one. When
//! it grows, or has too many tombstones, another takes over, and a few buckets of the old one are
//! moved with every operation.

use super::block::BlockGuard;
use super::claims::{ClaimError, Place};
use super::directory::Hash128;
use super::layout::{WORD, claim, claims, pack, unpack};

/// Buckets of the old index moved per operation.
const MOVED_PER_OPERATION: u64 = 8;
/// Buckets are filled to three quarters.
const FILL: (u64, u64) = (3, 4);
/// The low half of a bucket whose claim is gone: the search goes on.
const TOMBSTONE: u64 = u32::MAX as u64;
const LOW: u64 = u32::MAX as u64;

impl BlockGuard<'_> {
    /// The claim with this key, whether it has expired or not.
    pub(crate) fn find_claim(&self, key: Hash128) -> Option<Place> {
        if self.claims_at() == 0 {
            return None;
        }
        let bucket = self.find_bucket(claims::INDEX, key, 0).or_else(|| self.find_old(key))?;
        Some(place_of(self.memory.get(bucket)))
    }

    #[cold]
    fn find_old(&self, key: Hash128) -> Option<u64> {
        if self.claims_get(claims::OLD_INDEX) == 0 {
            return None;
        }
        self.find_bucket(claims::OLD_INDEX, key, self.claims_get(claims::OLD_CURSOR))
    }

    /// The bucket of `key`. Buckets below `moved` have been emptied and are passed over: all
    /// buckets between a key's home and its place were in use, so that its place, if it has not
    /// been moved, is reached from `moved` on.
    fn find_bucket(&self, index: u64, key: Hash128, moved: u64) -> Option<u64> {
        let claim_table = self.table();
        let (table, log2) = unpack(claim_table.get(index));
        let mask = (1u64 << log2) - 1;
        let mut at = key.low & mask;
        for _ in 0..=mask {
            at = at.max(moved);
            let bucket = table + at * WORD;
            let word = self.memory.get(bucket);
            if word == 0 {
                return None;
            }
            if word >> 32 == tag(key) && word & LOW != TOMBSTONE {
                let claim = self.claim(place_of(word));
                if claim.get(claim::KEY) == key.low && claim.get(claim::KEY + WORD) == key.high {
                    return Some(bucket);
                }
            }
            at = (at + 1) & mask;
        }
        None
    }

    pub(super) fn grow_index(&mut self, makes: u64) -> Result<(), ClaimError> {
        let (table, old_log2) = unpack(self.claims_get(claims::INDEX));
        let room = room_of(old_log2);
        if self.claims_get(claims::FILLED) + makes <= room {
            return Ok(());
        }
        while self.claims_get(claims::OLD_INDEX) != 0 {
            self.move_buckets();
        }
        // Half of it tombstones: the same size will do.
        let many = self.claims_get(claims::LIVE) * 2 > room || makes * 2 > room;
        let log2 = if many { old_log2 + 1 } else { old_log2 };
        let (spare, spare_log2) = unpack(self.claims_get(claims::SPARE_INDEX));
        let new = if spare != 0 && spare_log2 == log2 {
            spare
        } else {
            self.memory.allocate((1 << log2) * WORD)?
        };
        self.claims_set(claims::SPARE_INDEX, 0);
        self.claims_set(claims::OLD_INDEX, pack(table, old_log2));
        self.claims_set(claims::OLD_CURSOR, 0);
        self.claims_set(claims::INDEX, pack(new, log2));
        self.claims_set(claims::FILLED, 0);
        let _stood = self.finish();
        Ok(())
    }

    /// Moves a few buckets of the old index into the new one and empties them.
    pub(super) fn move_buckets(&mut self) {
        let old = self.claims_get(claims::OLD_INDEX);
        if old == 0 {
            return;
        }
        let (table, log2) = unpack(old);
        let mut cursor = self.claims_get(claims::OLD_CURSOR);
        let end = (cursor + MOVED_PER_OPERATION).min(1 << log2);
        while cursor < end {
            let bucket = table + cursor * WORD;
            let word = self.memory.get(bucket);
            if word != 0 {
                if word & LOW != TOMBSTONE {
                    let claim = self.claim_offset(place_of(word));
                    let low = self.memory.get(claim + claim::KEY);
                    self.fill_bucket(low, word);
                }
                self.set(bucket, 0);
            }
            cursor += 1;
        }
        self.claims_set(claims::OLD_CURSOR, cursor);
        if cursor == 1 << log2 {
            self.claims_set(claims::SPARE_INDEX, old);
            self.claims_set(claims::OLD_INDEX, 0);
        }
        let _stood = self.finish();
    }

    /// Enters a claim into the index. Room has been made.
    pub(super) fn enter(&mut self, key: Hash128, place: Place) {
        self.fill_bucket(key.low, (tag(key) << 32) | (u64::from(place.0) + 1));
    }

    /// Takes a claim out of the index, or out of both while one gives way to the other.
    pub(super) fn leave(&mut self, key: Hash128) {
        for (index, moved) in
            [(claims::INDEX, 0), (claims::OLD_INDEX, self.claims_get(claims::OLD_CURSOR))]
        {
            if self.claims_get(index) != 0
                && let Some(bucket) = self.find_bucket(index, key, moved)
            {
                self.set(bucket, TOMBSTONE);
            }
        }
    }

    /// Writes `word` into the first usable bucket of the index for a key with these low bits.
    fn fill_bucket(&mut self, key_low: u64, word: u64) {
        let claim_table = self.table();
        let (table, log2) = unpack(claim_table.get(claims::INDEX));
        let mask = (1u64 << log2) - 1;
        let mut at = key_low & mask;
        for _ in 0..=mask {
            let bucket = table + at * WORD;
            let found = self.memory.get(bucket);
            if found == 0 {
                let filled = claim_table.cell(claims::FILLED);
                self.set_cell(filled, claim_table.get(claims::FILLED) + 1);
            }
            if found == 0 || found & LOW == TOMBSTONE {
                self.set(bucket, word);
                return;
            }
            at = (at + 1) & mask;
        }
    }
}

const fn tag(key: Hash128) -> u64 {
    key.high >> 32
}

const fn place_of(bucket: u64) -> Place {
    Place((bucket & LOW).wrapping_sub(1) as u32)
}

/// Buckets of an index that may be filled.
const fn room_of(log2: u64) -> u64 {
    (1u64 << log2) * FILL.0 / FILL.1
}
