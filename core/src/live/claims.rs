//! A tenant's claims: everything that has a key and an expiry, in one shape.
//!
//! Claims lie in a slab that never moves, so that SQLite can key them by tenant and place. An
//! index of buckets leads from a key's hash to the place; when it grows, a few buckets are moved
//! per operation, so that no decision waits for a copy. What expires hangs in a heap
//! ([`expiry`](super::expiry)). Changed claims are noted in a ring for the checkpointer.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::block::{BlockGuard, Slot, word};
use super::directory::Hash128;
use super::expiry::Heap;
use super::layout::{WORD, block, chunk_of, claim, claims, slot, unpack};
use crate::clock::Timestamp;
use crate::rules::{Counting, ResourceId};

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
    /// A place that a named holder has for a limited time.
    Lease = 4,
    /// How much of a rate a key has used up.
    Rate = 5,
    /// Units set aside until they are committed or released.
    Reservation = 6,
    /// One of several names of a contact. Never expires.
    Alias = 7,
    /// More of what the claim that leads to it has taken from which grants; gone with it.
    Part = 8,
}

impl ClaimKind {
    pub(crate) const fn from_number(number: u8) -> Option<ClaimKind> {
        match number {
            1 => Some(ClaimKind::Session),
            2 => Some(ClaimKind::Key),
            3 => Some(ClaimKind::Cursor),
            4 => Some(ClaimKind::Lease),
            5 => Some(ClaimKind::Rate),
            6 => Some(ClaimKind::Reservation),
            7 => Some(ClaimKind::Alias),
            8 => Some(ClaimKind::Part),
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

/// The place of a claim in its tenant's slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) u32);

pub(crate) type Payload = [u64; claim::PAYLOAD_WORDS];

pub(super) const FIRST_CHUNK_LOG2: u32 = claims::FIRST_CHUNK.ilog2();
/// An offset that lies in no file.
pub(super) const OUTSIDE: u64 = 1 << 62;

impl<'a> BlockGuard<'a> {
    #[inline]
    pub(super) fn claims_at(&self) -> u64 {
        self.get(block::CLAIMS)
    }

    pub(super) fn claims_get(&self, word: u64) -> u64 {
        self.memory.get(self.claims_at() + word)
    }

    pub(super) fn claims_set(&mut self, word: u64, value: u64) {
        self.set(self.claims_at() + word, value);
    }

    /// The claim table, looked at once for all of its words. It exists.
    #[inline(always)]
    pub(super) fn table(&self) -> Table<'a> {
        Table(self.memory.words_or_nowhere(self.claims_at()))
    }

    /// Where the claim in `place` lies in the file.
    #[inline]
    pub(crate) fn claim_offset(&self, place: Place) -> u64 {
        self.table().offset_of(place)
    }

    /// The claim in `place`, looked at once for all of its words.
    #[inline(always)]
    pub(crate) fn claim(&self, place: Place) -> Claim<'a> {
        Claim { place, cells: self.memory.words_or_nowhere(self.claim_offset(place)) }
    }

    #[inline]
    pub(crate) fn claim_get(&self, place: Place, word: u64) -> u64 {
        self.claim(place).get(word)
    }

    #[inline]
    pub(crate) fn claim_set(&mut self, place: Place, word: u64, value: u64) {
        self.write(self.claim(place), word, value);
    }

    /// Writes a word of a claim, so that it can be undone.
    #[inline]
    pub(crate) fn write(&mut self, claim: Claim<'_>, word: u64, value: u64) {
        if claim.get(word) != value {
            self.set_cell(claim.cell(word), value);
        }
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

    /// Whether the tenant has a claim table.
    #[inline]
    pub(crate) fn has_claims(&self) -> bool {
        self.claims_at() != 0
    }

    // ---- making and changing -------------------------------------------------------------

    /// Makes a claim, which [`prepare_claims`](Self::prepare_claims) has made room for. Without a
    /// key it is reached by its place alone.
    #[inline]
    pub(crate) fn make_claim(
        &mut self,
        kind: ClaimKind,
        resource: ResourceId,
        key: Option<Hash128>,
    ) -> Claim<'a> {
        let table = self.table();
        let free = table.get(claims::FREE);
        let claim;
        if free == 0 {
            let touched = table.get(claims::TOUCHED);
            self.set_cell(table.cell(claims::TOUCHED), touched + 1);
            claim = self.claim(Place(touched as u32));
        } else {
            claim = self.claim(Place((free - 1) as u32));
            self.set_cell(table.cell(claims::FREE), claim.get(claim::POSITION));
            self.set_cell(claim.cell(claim::POSITION), 0);
        }
        let Hash128 { low, high } = key.unwrap_or(NO_KEY);
        claim.fill(claim::KEY, low);
        claim.fill(claim::KEY + WORD, high);
        self.write(claim, claim::META, meta(kind, resource));
        self.set_cell(table.cell(claims::LIVE), table.get(claims::LIVE) + 1);
        if let Some(key) = key {
            self.enter(table, key, claim.place);
        }
        claim
    }

    /// Notes that the claim in `place` has changed in the operation with number `seq`.
    pub(crate) fn touch_claim(&mut self, place: Place, seq: u64) {
        self.touch(self.claim(place), seq);
    }

    /// Notes that the claim has changed in the operation with number `seq`.
    #[inline]
    pub(crate) fn touch(&mut self, claim: Claim<'_>, seq: u64) {
        let changed = claim.get(claim::CHANGED);
        if changed == seq {
            return;
        }
        if changed <= self.get(block::SNAPSHOT_SEQ) {
            self.note_change(claim.place);
        }
        self.set_cell(claim.cell(claim::CHANGED), seq);
    }

    /// Adds a place to the ring. Its word needs no undo: beyond the tail nobody reads.
    #[inline]
    fn note_change(&mut self, place: Place) {
        let table = self.table();
        let (ring, log2) = unpack(table.get(claims::RING));
        let tail = table.get(claims::RING_TAIL);
        self.memory.put(ring + ring_word(tail, log2), u64::from(place.0));
        crate::torture::point("undo.word");
        self.set_cell(table.cell(claims::RING_TAIL), tail + 1);
    }

    /// Removes a claim from the index and gives its place back. Its heap must not hold it.
    pub(crate) fn free_claim(&mut self, place: Place, seq: u64) {
        let key = self.claim_key(place);
        let (table, claim) = (self.table(), self.claim(place));
        if key != NO_KEY {
            self.leave(table, key);
        }
        self.set_cell(claim.cell(claim::META), 0);
        self.write(claim, claim::POSITION, table.get(claims::FREE));
        self.set_cell(table.cell(claims::FREE), u64::from(place.0) + 1);
        self.set_cell(table.cell(claims::LIVE), table.get(claims::LIVE) - 1);
        self.touch_claim(place, seq);
    }

    // ---- what is in a claim ----------------------------------------------------------------

    /// What kind of claim is in a place, if there is one.
    pub(crate) fn claim_kind(&self, place: Place) -> Option<ClaimKind> {
        ClaimKind::from_number(self.claim_get(place, claim::META) as u8)
    }

    /// The resource that the claim is about.
    pub(crate) fn claim_resource(&self, place: Place) -> ResourceId {
        resource_of(self.claim_get(place, claim::META))
    }

    /// How far the claim has come; what the numbers mean is its kind's.
    pub(crate) fn claim_state(&self, place: Place) -> u8 {
        state_of(self.claim_get(place, claim::META))
    }

    pub(crate) fn set_claim_state(&mut self, place: Place, state: u8) {
        let meta = self.claim_get(place, claim::META);
        self.claim_set(place, claim::META, with_state(meta, state));
    }

    pub(crate) fn claim_key(&self, place: Place) -> Hash128 {
        let (low, high) = (claim::KEY, claim::KEY + WORD);
        Hash128 { low: self.claim_get(place, low), high: self.claim_get(place, high) }
    }

    /// A word of the claim's payload.
    pub(crate) fn claim_word(&self, place: Place, index: u64) -> u64 {
        self.claim_get(place, claim::PAYLOAD + index * WORD)
    }

    /// Writes a word of the claim's payload.
    pub(crate) fn claim_set_word(&mut self, place: Place, index: u64, value: u64) {
        self.claim_set(place, claim::PAYLOAD + index * WORD, value);
    }

    /// Whether a place holds a claim of this kind; places from outside need not exist.
    pub(crate) fn holds(&self, place: Place, kind: ClaimKind) -> bool {
        self.claims_at() != 0
            && u64::from(place.0) < self.claims_get(claims::TOUCHED)
            && self.claim_kind(place) == Some(kind)
    }

    /// Whether a lease of the tenant has expired that still counts.
    pub(crate) fn lease_is_due(&self, mark: Timestamp) -> bool {
        self.due_lease_heap(mark).is_some()
    }

    /// A heap in which an expired lease hangs.
    pub(crate) fn due_lease_heap(&self, mark: Timestamp) -> Option<Heap> {
        self.first_lease().filter(|&(due, _)| due <= mark).map(|(_, heap)| heap)
    }

    /// When the first of the tenant's leases expires, and the heap in which it hangs.
    pub(crate) fn first_lease(&self) -> Option<(Timestamp, Heap)> {
        self.slots()
            .filter(|(_, slot)| slot.terms().counting == Counting::Leases)
            .map(|(_, slot)| slot_heap(slot))
            .filter_map(|heap| self.first_due(heap).map(|(due, _)| (due, heap)))
            .min_by_key(|&(due, _)| due)
    }

    /// The resources that a lease counts in: its own and those above it.
    pub(crate) fn lease_resources(&self, place: Place) -> impl Iterator<Item = ResourceId> + use<> {
        counted_in(self.claim_resource(place), self.claim_word(place, LEASE_PARENTS))
    }

    /// The heap in which a claim with this first word hangs, if it does.
    #[inline]
    pub(crate) fn heap_of(&self, meta: u64) -> Option<Heap> {
        match ClaimKind::from_number(meta as u8)? {
            ClaimKind::Session | ClaimKind::Lease | ClaimKind::Rate => {
                self.slot(resource_of(meta)).map(slot_heap)
            }
            ClaimKind::Reservation if state_of(meta) == ReservationState::Open as u8 => {
                Some(self.hold_heap())
            }
            ClaimKind::Key | ClaimKind::Reservation => Some(self.kept_heap()),
            ClaimKind::Cursor | ClaimKind::Alias | ClaimKind::Part => None,
        }
    }

    /// When the claim may be reclaimed: the last payload word holds it for every kind that
    /// expires.
    pub(crate) fn kept_until(&self, place: Place) -> Timestamp {
        Timestamp::from_ms(self.claim_get(place, KEPT_UNTIL) as i64)
    }
}

/// A claim table's words.
#[derive(Clone, Copy)]
pub(super) struct Table<'a>(&'a [AtomicU64; claims::WORDS]);

impl<'a> Table<'a> {
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
        self.get(claims::RING_TAIL) - self.get(claims::RING_HEAD)
    }

    #[inline(always)]
    pub(super) fn offset_of(self, place: Place) -> u64 {
        let (chunk, in_chunk) = chunk_of(u64::from(place.0), FIRST_CHUNK_LOG2);
        let root = self.0.get((claims::CHUNKS / WORD + chunk) as usize);
        match root.map_or(0, |root| root.load(Relaxed)) {
            0 => OUTSIDE, // Only a damaged file leads there; it is not followed.
            root => root + in_chunk * claim::BYTES,
        }
    }
}

/// A claim: its place, and its words, looked at once for all of them.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) place: Place,
    cells: &'a [AtomicU64; claim::WORDS],
}

impl<'a> Claim<'a> {
    #[inline(always)]
    pub(super) fn cell(self, offset: u64) -> &'a AtomicU64 {
        word(self.cells, offset)
    }

    #[inline(always)]
    pub(crate) fn get(self, offset: u64) -> u64 {
        self.cell(offset).load(Relaxed)
    }

    /// Writes a word of a claim that this operation has made. It needs no undo: should the claim
    /// come to nothing, its place is free again, and of a free place nobody reads anything but
    /// its kind, its position and when it changed.
    #[inline(always)]
    pub(crate) fn fill(self, offset: u64, value: u64) {
        self.cell(offset).store(value, Relaxed);
        crate::torture::point("undo.word"); // Undone or not: a death after any word is tried.
    }

    /// A word of the claim's payload.
    #[inline(always)]
    pub(crate) fn word(self, index: u64) -> u64 {
        self.get(claim::PAYLOAD + index * WORD)
    }

    /// As [`fill`](Self::fill), a word of the payload.
    #[inline(always)]
    pub(crate) fn fill_word(self, index: u64, value: u64) {
        self.fill(claim::PAYLOAD + index * WORD, value);
    }
}

/// Where the expiry heap of a resource's claims hangs.
pub(crate) fn slot_heap(of: Slot<'_>) -> Heap {
    Heap(of.at + slot::EXPIRY)
}

/// Place in the payload of the word that says how long a claim is kept.
pub(crate) const KEPT_WORD: u64 = claim::PAYLOAD_WORDS as u64 - 1;
/// The word that says how long a claim is kept.
pub(crate) const KEPT_UNTIL: u64 = claim::PAYLOAD + KEPT_WORD * WORD;
/// The word of a lease's payload that names the resources above its own, 16 bits each.
pub(crate) const LEASE_PARENTS: u64 = 1;
/// Resources above another, at most.
const PARENTS_MAX: u32 = 4;

/// The resources above a lease's own, as its claim keeps them.
pub(crate) fn pack_parents(parents: &[ResourceId]) -> u64 {
    (0..PARENTS_MAX as usize).fold(0, |word, index| {
        let parent = parents.get(index).copied().unwrap_or(ResourceId::NONE);
        word | u64::from(parent.0) << (16 * index)
    })
}

/// The resources that a lease of `own` counts in, by the word that names those above.
pub(super) fn counted_in(own: ResourceId, above: u64) -> impl Iterator<Item = ResourceId> + use<> {
    let parents = (0..PARENTS_MAX).map(move |index| ResourceId((above >> (16 * index)) as u16));
    std::iter::once(own).chain(parents.filter(|&parent| parent != ResourceId::NONE))
}

/// Where a claim's state stands in its first word.
const STATE_SHIFT: u32 = 24;
/// The key of claims that are reached by their place alone.
pub(crate) const NO_KEY: Hash128 = Hash128 { low: 0, high: 0 };

pub(super) const fn ring_word(position: u64, log2: u64) -> u64 {
    (position & ((1 << log2) - 1)) * WORD
}

pub(crate) const fn meta(kind: ClaimKind, resource: ResourceId) -> u64 {
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
