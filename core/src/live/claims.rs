//! A tenant's claims: everything that has a key and an expiry, in one shape.
//!
//! Claims lie in a slab that never moves, so that SQLite can key them by tenant and place. An
//! index of buckets leads from a key's hash to the place; when it grows, a few buckets are moved
//! per operation, so that no decision waits for a copy. Claims of one lifetime hang in a list,
//! oldest first, so that reclaiming one takes no search. Changed claims are noted in a ring for
//! the checkpointer.

use super::block::{BlockGuard, Slot};
use super::directory::Hash128;
use super::file::GrowError;
use super::layout::{WORD, block, chunk_of, claim, claims, pack, pair, slot, unpack, unpair};
use crate::clock::Timestamp;
use crate::rules::ResourceId;

/// What a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ClaimKind {
    /// A contact's session.
    Session = 1,
    /// An idempotency key with the decision that was given.
    Key = 2,
    /// How far a file of traffic has been replayed, and what came of it. Never expires.
    Cursor = 3,
}

impl ClaimKind {
    pub(crate) const fn from_number(number: u8) -> Option<ClaimKind> {
        match number {
            1 => Some(ClaimKind::Session),
            2 => Some(ClaimKind::Key),
            3 => Some(ClaimKind::Cursor),
            _ => None,
        }
    }
}

/// The place of a claim in its tenant's slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) u32);

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

pub(crate) type Payload = [u64; claim::PAYLOAD_WORDS];

/// log2 of the first index, the first ring, and of the largest ring. The last bounds how long a
/// snapshot takes: 4,096 claims are copied in some tens of microseconds.
const FIRST_INDEX_LOG2: u64 = 5;
const FIRST_RING_LOG2: u64 = 6;
const RING_LOG2_MAX: u64 = 12;
const FIRST_CHUNK_LOG2: u32 = claims::FIRST_CHUNK.ilog2();
/// Claims that one operation makes at most: a session, an idempotency key, a cursor.
const CLAIMS_PER_OPERATION: u64 = 3;
/// Claims that one operation may change besides its own: those that it reclaims.
const SWEPT_PER_OPERATION: u32 = 2;
/// Entries of the ring that one operation may need.
const RING_NEEDED: u64 = 8;
/// Buckets of the old index moved per operation.
const MOVED_PER_OPERATION: u64 = 8;
/// Buckets are filled to three quarters.
const FILL: (u64, u64) = (3, 4);
/// The low half of a bucket whose claim is gone: the search goes on.
const TOMBSTONE: u64 = u32::MAX as u64;
const LOW: u64 = u32::MAX as u64;
/// An offset that lies in no file.
const OUTSIDE: u64 = 1 << 62;

impl BlockGuard<'_> {
    fn claims_at(&self) -> u64 {
        self.get(block::CLAIMS)
    }

    fn claims_get(&self, word: u64) -> u64 {
        self.memory.get(self.claims_at() + word)
    }

    fn claims_set(&mut self, word: u64, value: u64) {
        self.set(self.claims_at() + word, value);
    }

    /// Where the claim in `place` lies in the file.
    pub(crate) fn claim_offset(&self, place: Place) -> u64 {
        let (chunk, in_chunk) = chunk_of(u64::from(place.0), FIRST_CHUNK_LOG2);
        match self.claims_get(claims::CHUNKS + chunk * WORD) {
            0 => OUTSIDE, // Only a damaged file leads there; it is not followed.
            root => root + in_chunk * claim::BYTES,
        }
    }

    pub(crate) fn claim_get(&self, place: Place, word: u64) -> u64 {
        self.memory.get(self.claim_offset(place) + word)
    }

    pub(crate) fn claim_set(&mut self, place: Place, word: u64, value: u64) {
        self.set(self.claim_offset(place) + word, value);
    }

    pub(crate) fn claim_payload(&self, place: Place) -> Payload {
        let at = self.claim_offset(place) + claim::PAYLOAD;
        std::array::from_fn(|index| self.memory.get(at + index as u64 * WORD))
    }

    pub(crate) fn claim_set_payload(&mut self, place: Place, payload: &Payload) {
        let at = self.claim_offset(place) + claim::PAYLOAD;
        for (index, &value) in payload.iter().enumerate() {
            let word = at + index as u64 * WORD;
            if self.memory.get(word) != value {
                self.set(word, value);
            }
        }
    }

    // ---- finding -------------------------------------------------------------------------

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
        let (table, log2) = unpack(self.claims_get(index));
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
                let claim = self.claim_offset(place_of(word));
                if self.memory.get(claim + claim::KEY) == key.low
                    && self.memory.get(claim + claim::KEY + WORD) == key.high
                {
                    return Some(bucket);
                }
            }
            at = (at + 1) & mask;
        }
        None
    }

    // ---- making room ---------------------------------------------------------------------

    /// Makes sure that one more claim can be made in the operation that follows; reclaims a few
    /// that have expired at `now`, moves a few buckets of a growing index. Steps of its own: each
    /// stands by itself, whatever becomes of the operation. Nothing may be armed.
    pub(crate) fn prepare_claims(
        &mut self,
        now: Timestamp,
        lists: [Option<u64>; 2],
    ) -> Result<(), ClaimError> {
        if self.claims_at() == 0 {
            self.create_claims()?;
        }
        self.grow_ring()?;
        let waiting = self.claims_get(claims::RING_TAIL) - self.claims_get(claims::RING_HEAD);
        let (_, ring_log2) = unpack(self.claims_get(claims::RING));
        if waiting + RING_NEEDED > 1 << ring_log2 {
            return Err(ClaimError::CheckpointNeeded);
        }
        for list in lists.into_iter().flatten() {
            self.sweep(list, now);
        }
        self.move_buckets();
        self.grow_index()?;
        self.grow_slab()?;
        Ok(())
    }

    /// Whether the checkpointer should hurry: half of the ring is waiting for it.
    pub(crate) fn ring_is_half_full(&self) -> bool {
        if self.claims_at() == 0 {
            return false;
        }
        let waiting = self.claims_get(claims::RING_TAIL) - self.claims_get(claims::RING_HEAD);
        waiting * 2 >= 1 << unpack(self.claims_get(claims::RING)).1
    }

    fn create_claims(&mut self) -> Result<(), ClaimError> {
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

    fn grow_slab(&mut self) -> Result<(), ClaimError> {
        let mut missing = CLAIMS_PER_OPERATION;
        let mut free = self.claims_get(claims::FREE);
        while free != 0 && missing > 0 {
            free = self.claim_get(Place((free - 1) as u32), claim::HUNG_UNTIL);
            missing -= 1;
        }
        if missing == 0 {
            return Ok(());
        }
        // Chunks are larger than what one operation needs: one more is always enough.
        let last = self.claims_get(claims::TOUCHED) + missing - 1;
        let (chunk, _) = chunk_of(last, FIRST_CHUNK_LOG2);
        if chunk >= claims::CHUNK_COUNT {
            return Err(ClaimError::Grow(GrowError::AddressSpace));
        }
        let root = self.claims_at() + claims::CHUNKS + chunk * WORD;
        if self.memory.get(root) == 0 {
            let places = claims::FIRST_CHUNK << chunk;
            let at = self.memory.allocate(places * claim::BYTES)?;
            crate::torture::point("claims.chunk");
            self.memory.put(root, at);
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

    fn grow_index(&mut self) -> Result<(), ClaimError> {
        let (table, log2) = unpack(self.claims_get(claims::INDEX));
        let room = (1u64 << log2) * FILL.0 / FILL.1;
        if self.claims_get(claims::FILLED) < room {
            return Ok(());
        }
        while self.claims_get(claims::OLD_INDEX) != 0 {
            self.move_buckets();
        }
        // Half of it tombstones: the same size will do.
        let log2 = if self.claims_get(claims::LIVE) * 2 > room { log2 + 1 } else { log2 };
        let (spare, spare_log2) = unpack(self.claims_get(claims::SPARE_INDEX));
        let new = if spare != 0 && spare_log2 == log2 {
            spare
        } else {
            self.memory.allocate((1 << log2) * WORD)?
        };
        self.claims_set(claims::SPARE_INDEX, 0);
        self.claims_set(claims::OLD_INDEX, pack(table, unpack(self.claims_get(claims::INDEX)).1));
        self.claims_set(claims::OLD_CURSOR, 0);
        self.claims_set(claims::INDEX, pack(new, log2));
        self.claims_set(claims::FILLED, 0);
        let _stood = self.finish();
        Ok(())
    }

    /// Moves a few buckets of the old index into the new one and empties them.
    fn move_buckets(&mut self) {
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

    /// Writes `word` into the first usable bucket of the index for a key with these low bits.
    fn fill_bucket(&mut self, key_low: u64, word: u64) {
        let (table, log2) = unpack(self.claims_get(claims::INDEX));
        let mask = (1u64 << log2) - 1;
        let mut at = key_low & mask;
        for _ in 0..=mask {
            let bucket = table + at * WORD;
            let found = self.memory.get(bucket);
            if found == 0 {
                self.claims_set(claims::FILLED, self.claims_get(claims::FILLED) + 1);
            }
            if found == 0 || found & LOW == TOMBSTONE {
                self.set(bucket, word);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    // ---- making and changing -------------------------------------------------------------

    /// Makes a claim, which [`prepare_claims`](Self::prepare_claims) has made room for. `list`
    /// names the word that holds its expiry list; the list looks at it at `until`.
    pub(crate) fn make_claim(
        &mut self,
        kind: ClaimKind,
        resource: ResourceId,
        key: Hash128,
        hang: Option<(u64, Timestamp)>,
    ) -> Place {
        let free = self.claims_get(claims::FREE);
        let place = if free == 0 {
            let touched = self.claims_get(claims::TOUCHED);
            self.claims_set(claims::TOUCHED, touched + 1);
            Place(touched as u32)
        } else {
            let place = Place((free - 1) as u32);
            self.claims_set(claims::FREE, self.claim_get(place, claim::HUNG_UNTIL));
            place
        };
        self.claim_set(place, claim::KEY, key.low);
        self.claim_set(place, claim::KEY + WORD, key.high);
        self.claim_set(place, claim::META, meta(kind, resource));
        self.claims_set(claims::LIVE, self.claims_get(claims::LIVE) + 1);
        self.fill_bucket(key.low, (tag(key) << 32) | (u64::from(place.0) + 1));
        if let Some((list, until)) = hang {
            self.hang(list, place, until);
        }
        place
    }

    /// Notes that the claim has changed in the operation with number `seq`.
    pub(crate) fn touch_claim(&mut self, place: Place, seq: u64) {
        if self.claim_get(place, claim::CHANGED) <= self.get(block::SNAPSHOT_SEQ) {
            let (ring, log2) = unpack(self.claims_get(claims::RING));
            let tail = self.claims_get(claims::RING_TAIL);
            self.set(ring + ring_word(tail, log2), u64::from(place.0));
            self.claims_set(claims::RING_TAIL, tail + 1);
        }
        self.claim_set(place, claim::CHANGED, seq);
    }

    /// Removes a claim from the index and gives its place back. Its list must not hold it.
    fn free_claim(&mut self, place: Place) {
        let key = Hash128 {
            low: self.claim_get(place, claim::KEY),
            high: self.claim_get(place, claim::KEY + WORD),
        };
        for (index, moved) in
            [(claims::INDEX, 0), (claims::OLD_INDEX, self.claims_get(claims::OLD_CURSOR))]
        {
            if self.claims_get(index) != 0
                && let Some(bucket) = self.find_bucket(index, key, moved)
            {
                self.set(bucket, TOMBSTONE);
            }
        }
        self.claim_set(place, claim::META, 0);
        self.claim_set(place, claim::HUNG_UNTIL, self.claims_get(claims::FREE));
        self.claims_set(claims::FREE, u64::from(place.0) + 1);
        self.claims_set(claims::LIVE, self.claims_get(claims::LIVE) - 1);
    }

    // ---- expiry --------------------------------------------------------------------------

    /// Where the word of an expiry list lies: of a resource's sessions.
    pub(crate) fn session_list(slot: Slot<'_>) -> u64 {
        slot.at + slot::SESSIONS
    }

    /// Where the word of the idempotency keys' expiry list lies.
    pub(crate) fn key_list(&mut self) -> Result<u64, ClaimError> {
        if self.claims_at() == 0 {
            self.create_claims()?;
        }
        Ok(self.claims_at() + claims::KEYS)
    }

    /// Puts a claim at the end of a list.
    pub(crate) fn hang(&mut self, list: u64, place: Place, until: Timestamp) {
        let (oldest, newest) = unpair(self.memory.get(list));
        let this = place.0 + 1;
        self.claim_set(place, claim::HUNG_UNTIL, until.ms() as u64);
        self.claim_set(place, claim::LINKS, pair(newest, 0));
        if newest == 0 {
            self.set(list, pair(this, this));
        } else {
            let previous = Place(newest - 1);
            let (before, _) = unpair(self.claim_get(previous, claim::LINKS));
            self.claim_set(previous, claim::LINKS, pair(before, this));
            self.set(list, pair(oldest, this));
        }
    }

    /// Takes the first claim off a list.
    fn unhang_first(&mut self, list: u64) {
        let (oldest, newest) = unpair(self.memory.get(list));
        let (_, next) = unpair(self.claim_get(Place(oldest - 1), claim::LINKS));
        if next == 0 {
            self.set(list, 0);
        } else {
            let (_, after) = unpair(self.claim_get(Place(next - 1), claim::LINKS));
            self.claim_set(Place(next - 1), claim::LINKS, pair(0, after));
            self.set(list, pair(next, newest));
        }
    }

    /// Reclaims the oldest claims of a list whose time is over at `now`. One that was prolonged
    /// since it was hung up is hung up again, at the end.
    fn sweep(&mut self, list: u64, now: Timestamp) {
        for _ in 0..SWEPT_PER_OPERATION {
            let (first, _) = unpair(self.memory.get(list));
            if first == 0 {
                return;
            }
            let place = Place(first - 1);
            if Timestamp::from_ms(self.claim_get(place, claim::HUNG_UNTIL) as i64) > now {
                return;
            }
            let kept_until = self.kept_until(place);
            let seq = self.begin();
            self.unhang_first(list);
            if kept_until > now {
                self.hang(list, place, kept_until);
            } else {
                self.free_claim(place);
                self.touch_claim(place, seq);
            }
            let _stood = self.finish();
        }
    }

    /// When the claim may be reclaimed: the last payload word holds it for every kind that
    /// expires.
    pub(crate) fn kept_until(&self, place: Place) -> Timestamp {
        Timestamp::from_ms(self.claim_get(place, KEPT_UNTIL) as i64)
    }
}

/// The payload word that says how long a claim is kept.
pub(crate) const KEPT_UNTIL: u64 = claim::PAYLOAD + (claim::PAYLOAD_WORDS as u64 - 1) * WORD;

const fn tag(key: Hash128) -> u64 {
    key.high >> 32
}

const fn place_of(bucket: u64) -> Place {
    Place((bucket & LOW).wrapping_sub(1) as u32)
}

const fn ring_word(position: u64, log2: u64) -> u64 {
    (position & ((1 << log2) - 1)) * WORD
}

pub(crate) const fn meta(kind: ClaimKind, resource: ResourceId) -> u64 {
    kind as u64 | (resource.0 as u64) << 8
}
