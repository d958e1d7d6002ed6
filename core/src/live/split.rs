//! What an operation has taken from which grants, kept in the claim that answers for it: an
//! idempotency key, for refunds, or a reservation. What does not fit goes into parts that it
//! leads to.

use super::block::BlockGuard;
use super::claims::{ClaimKind, Place};
use crate::rules::{ResourceId, Source};

/// Units of one resource out of one grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) resource: ResourceId,
    /// Number of the grant; 0: no grant gave them. Of a meter: which count they are in.
    pub(crate) grant: u64,
    /// Where the grant came from; `None`: no grant gave them.
    pub(crate) source: Option<Source>,
    pub(crate) units: u64,
}

/// Grants that one operation with a record takes from at most.
pub(crate) const TAKEN_MAX: u64 = 64;
/// Word of the head's payload: first part plus one in the low half, number of entries above.
const LINK: u64 = 7;
const COUNT_SHIFT: u32 = 32;
const COUNT_MASK: u64 = 0xff;
/// Entries of a part, whose last word leads to the next.
const PART_ENTRIES: u64 = 4;
const PART_LINK: u64 = 8;
/// A bound for walks along parts, whatever a damaged file says.
const PARTS_MAX: u64 = TAKEN_MAX / PART_ENTRIES;
/// Where a head keeps what else it has to say.
const ABOVE_SHIFT: u32 = 40;
/// An entry's first word: resource, source, grant.
const RESOURCE_SHIFT: u32 = 48;
const SOURCE_SHIFT: u32 = 44;
const NO_SOURCE: u64 = 0xf;
const GRANT_MASK: u64 = (1 << SOURCE_SHIFT) - 1;

/// Where a head keeps entries of its own: first word, how many.
const fn in_head(kind: ClaimKind) -> (u64, u64) {
    match kind {
        ClaimKind::Reservation => (2, 2),
        _ => (0, 0),
    }
}

/// Parts that so many entries need besides their head.
pub(crate) const fn parts_needed(kind: ClaimKind, entries: u64) -> u64 {
    entries.saturating_sub(in_head(kind).1).div_ceil(PART_ENTRIES)
}

/// Writes a record, entry by entry. Room has been made.
pub(crate) struct Record {
    head: Place,
    kind: ClaimKind,
    /// Where the next entry goes: claim, first word.
    last: Place,
    count: u64,
}

impl Record {
    /// A record in `head`, a claim of `kind` that has just been made.
    pub(crate) fn new(head: Place, kind: ClaimKind) -> Record {
        Record { head, kind, last: head, count: 0 }
    }

    pub(crate) fn push(&mut self, guard: &mut BlockGuard<'_>, taken: Taken) {
        let (head_word, head_entries) = in_head(self.kind);
        let word = if self.count < head_entries {
            head_word + 2 * self.count
        } else {
            let in_part = (self.count - head_entries) % PART_ENTRIES;
            if in_part == 0 {
                self.add_part(guard);
            }
            2 * in_part
        };
        let source = taken.source.map_or(NO_SOURCE, |source| source as u64);
        let from = u64::from(taken.resource.0) << RESOURCE_SHIFT
            | source << SOURCE_SHIFT
            | taken.grant & GRANT_MASK;
        guard.claim_set_word(self.last, word, from);
        guard.claim_set_word(self.last, word + 1, taken.units);
        self.count += 1;
        let link = guard.claim_word(self.head, LINK);
        let rest = link & !(COUNT_MASK << COUNT_SHIFT);
        guard.claim_set_word(self.head, LINK, rest | self.count << COUNT_SHIFT);
    }

    fn add_part(&mut self, guard: &mut BlockGuard<'_>) {
        let part = guard.make_claim(ClaimKind::Part, ResourceId::NONE, None);
        guard.claim_set_word(part, PART_LINK, 0);
        let link = u64::from(part.0) + 1;
        if self.last == self.head {
            let rest = guard.claim_word(self.head, LINK) & !u64::from(u32::MAX);
            guard.claim_set_word(self.head, LINK, rest | link);
        } else {
            guard.claim_set_word(self.last, PART_LINK, link);
        }
        self.last = part;
    }

    /// Notes that all of the record has changed in the operation with number `seq`.
    pub(crate) fn touch(&self, guard: &mut BlockGuard<'_>, seq: u64) {
        guard.touch_claim(self.head, seq);
        let mut part = guard.first_part(self.head);
        for _ in 0..PARTS_MAX {
            let Some(place) = part else { break };
            guard.touch_claim(place, seq);
            part = guard.next_part(place);
        }
    }
}

impl BlockGuard<'_> {
    /// The entries of the record that `head` answers for.
    pub(crate) fn record(&self, head: Place, kind: ClaimKind) -> impl Iterator<Item = Taken> {
        let (head_word, head_entries) = in_head(kind);
        let count = self.claim_word(head, LINK) >> COUNT_SHIFT & COUNT_MASK;
        let mut part = self.first_part(head);
        (0..count).map_while(move |index| {
            let (place, word) = match index.checked_sub(head_entries) {
                None => (head, head_word + 2 * index),
                Some(beyond) => {
                    if beyond > 0 && beyond % PART_ENTRIES == 0 {
                        part = self.next_part(part?);
                    }
                    (part?, 2 * (beyond % PART_ENTRIES))
                }
            };
            let from = self.claim_word(place, word);
            let source = from >> SOURCE_SHIFT & NO_SOURCE;
            Some(Taken {
                resource: ResourceId((from >> RESOURCE_SHIFT) as u16),
                grant: from & GRANT_MASK,
                source: (source != NO_SOURCE).then(|| Source::from_number(source as u8)),
                units: self.claim_word(place, word + 1),
            })
        })
    }

    /// Frees the parts that `head` leads to.
    pub(crate) fn free_parts(&mut self, head: Place, seq: u64) {
        let mut part = self.first_part(head);
        for _ in 0..PARTS_MAX {
            let Some(place) = part else { break };
            part = self.next_part(place);
            self.free_claim(place, seq);
        }
    }

    /// Makes a head that leads to no record.
    pub(crate) fn clear_link(&mut self, head: Place) {
        self.claim_set_word(head, LINK, 0);
    }

    /// What a head keeps above its link and count.
    pub(crate) fn above_link(&self, head: Place) -> u64 {
        self.claim_word(head, LINK) >> ABOVE_SHIFT
    }

    /// Writes what a head keeps above its link and count: below 2^24.
    pub(crate) fn set_above_link(&mut self, head: Place, value: u64) {
        let link = self.claim_word(head, LINK) & ((1 << ABOVE_SHIFT) - 1);
        self.claim_set_word(head, LINK, link | value << ABOVE_SHIFT);
    }

    /// How many parts go with a claim.
    pub(crate) fn count_parts_of(&self, place: Place, kind: Option<ClaimKind>) -> u64 {
        match kind {
            Some(ClaimKind::Key | ClaimKind::Reservation) => self.count_parts(place),
            _ => 0,
        }
    }

    /// How many parts `head` leads to.
    fn count_parts(&self, head: Place) -> u64 {
        std::iter::successors(self.first_part(head), |&part| self.next_part(part))
            .take(PARTS_MAX as usize)
            .count() as u64
    }

    fn first_part(&self, head: Place) -> Option<Place> {
        ((self.claim_word(head, LINK) as u32).checked_sub(1)).map(Place)
    }

    fn next_part(&self, part: Place) -> Option<Place> {
        ((self.claim_word(part, PART_LINK) as u32).checked_sub(1)).map(Place)
    }
}
