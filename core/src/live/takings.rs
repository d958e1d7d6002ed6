//! What an operation has taken from which grants, kept in the entry that answers for it: an
//! idempotency key, for refunds, or a reservation. What does not fit goes into parts that it
//! leads to.

use super::entries::{Entry, EntryIndex, EntryKind};
use super::holds::{HoldRole, role_of};
use super::layout::entry;
use super::record::RecordGuard;
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
    /// How many of them sends have drawn from a campaign.
    pub(crate) drawn: u64,
    /// Whether it is only reported, and never given back: what opening a session or taking a lease
    /// charges ends with them.
    pub(crate) stays: bool,
}

impl Taken {
    /// The units that may be given back.
    pub(crate) fn returnable(self) -> u64 {
        if self.stays { 0 } else { self.held() }
    }

    /// The units that an open reservation holds.
    pub(crate) fn held(self) -> u64 {
        self.units.saturating_sub(self.drawn)
    }
}

/// Grants that one operation with a record takes from at most.
pub(crate) const TAKEN_MAX: u64 = 64;
/// Word of the head's payload: first part plus one in the low half, number of entries above.
const LINK: u64 = 7;
const COUNT_SHIFT: u32 = 32;
const COUNT_MASK: u64 = 0x7f;
/// Set where a key that has neither session nor lease keeps the first entry in their words.
const OWN_ENTRY: u64 = 1 << 39;
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
const SOURCE_MASK: u64 = 0xf;
const NO_SOURCE: u64 = 0xf;
/// The same of what is only reported: sources are numbered from here on.
const STAYS: u64 = 4;
const STAYS_NO_SOURCE: u64 = 0xe;
/// An entry's second word of a campaign: units, and above them how many of them are drawn.
const DRAWN_SHIFT: u32 = 32;
/// Units of one resource that a campaign reserves at most.
pub(crate) const CAMPAIGN_UNITS_MAX: u64 = u32::MAX as u64;
const GRANT_MASK: u64 = (1 << SOURCE_SHIFT) - 1;

/// Where a record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadKind {
    /// A reservation, which has capacity for two entries.
    Reservation,
    /// A key whose decision says nothing of sessions and leases: capacity for one.
    Key,
    /// A key without capacity.
    FullKey,
}

impl HeadKind {
    /// Where a head keeps entries of its own: first word, how many.
    const fn own(self) -> (u64, u64) {
        match self {
            HeadKind::Reservation => (2, 2),
            HeadKind::Key => (5, 1),
            HeadKind::FullKey => (0, 0),
        }
    }

    const fn of(kind: EntryKind, link: u64) -> HeadKind {
        match kind {
            EntryKind::Reservation => HeadKind::Reservation,
            _ if link & OWN_ENTRY != 0 => HeadKind::Key,
            _ => HeadKind::FullKey,
        }
    }

    /// Parts that so many entries need besides their head.
    pub(crate) const fn parts_needed(self, entries: u64) -> u64 {
        entries.saturating_sub(self.own().1).div_ceil(PART_ENTRIES)
    }
}

/// Writes a record, entry by entry, into entries that the operation makes. Its capacity has been
/// reserved.
pub(crate) struct TakingsWriter<'a> {
    head: Entry<'a>,
    kind: HeadKind,
    /// The entry in which the next entry goes.
    last: Entry<'a>,
    stays: bool,
}

impl<'a> TakingsWriter<'a> {
    /// A record in `head`, an entry that has just been made.
    pub(crate) fn new(head: Entry<'a>, kind: HeadKind) -> TakingsWriter<'a> {
        head.fill_word(LINK, if kind == HeadKind::Key { OWN_ENTRY } else { 0 });
        TakingsWriter { head, kind, last: head, stays: false }
    }

    /// What comes from now on is only reported.
    pub(crate) fn stays(&mut self) {
        self.stays = true;
    }

    /// Writes down that units of a resource were taken from a grant, 0: from none.
    pub(crate) fn push(
        &mut self,
        guard: &mut RecordGuard<'a>,
        (resource, units): (ResourceId, u64),
        (grant, source): (u64, Option<Source>),
    ) {
        let (head_word, head_entries) = self.kind.own();
        let count = self.head.word(LINK) >> COUNT_SHIFT & COUNT_MASK;
        let word = if count < head_entries {
            head_word + 2 * count
        } else {
            let in_part = (count - head_entries) % PART_ENTRIES;
            if in_part == 0 {
                self.add_part(guard);
            }
            2 * in_part
        };
        let source = match (source, self.stays) {
            (None, false) => NO_SOURCE,
            (None, true) => STAYS_NO_SOURCE,
            (Some(source), stays) => source as u64 + if stays { STAYS } else { 0 },
        };
        let resource = u64::from(resource.0) << RESOURCE_SHIFT;
        let from = resource | source << SOURCE_SHIFT | grant & GRANT_MASK;
        self.last.fill_word(word, from);
        self.last.fill_word(word + 1, units);
        // No record has more entries than its count has capacity for.
        self.head.fill_word(LINK, self.head.word(LINK) + (1 << COUNT_SHIFT));
    }

    #[cold]
    fn add_part(&mut self, guard: &mut RecordGuard<'a>) {
        let part = guard.make_entry(EntryKind::Part, ResourceId::NONE, None);
        part.fill_word(PART_LINK, 0);
        let link = u64::from(part.index.0) + 1;
        if self.last.index == self.head.index {
            self.head.fill_word(LINK, self.head.word(LINK) | link);
        } else {
            self.last.fill_word(PART_LINK, link);
        }
        self.last = part;
    }

    /// Notes that all parts of the record have changed in the operation with number `seq`.
    pub(crate) fn touch(&self, guard: &mut RecordGuard<'_>, seq: u64) {
        if self.last.index != self.head.index {
            guard.touch_parts(self.head, seq);
        }
    }
}

impl<'a> RecordGuard<'a> {
    /// The entries of the record that `head` answers for.
    #[inline]
    pub(crate) fn takings(&self, head: EntryIndex, kind: EntryKind) -> impl Iterator<Item = Taken> {
        let mut entries = self.takings_cursor(head, kind);
        std::iter::from_fn(move || entries.next(self))
    }

    /// The same for a caller that writes to the record between them.
    pub(crate) fn takings_cursor(&self, head: EntryIndex, kind: EntryKind) -> TakingsCursor<'a> {
        let head = self.entry(head);
        let link = head.word(LINK);
        let (word, capacity) = HeadKind::of(kind, link).own();
        let left = link >> COUNT_SHIFT & COUNT_MASK;
        let draws =
            kind == EntryKind::Reservation && role_of(head.get(entry::META)) == HoldRole::Campaign;
        TakingsCursor { entry: head, word, capacity, left, next: link as u32, draws }
    }

    /// Draws a unit of `resource` from a campaign, or gives one back to what came out of `grant`.
    /// Says where it came from; `None`: there is none left, or it is not the campaign's.
    pub(crate) fn draw(
        &mut self,
        campaign: EntryIndex,
        resource: ResourceId,
        back_to: Option<u64>,
        seq: u64,
    ) -> Option<Taken> {
        let mut entries = self.takings_cursor(campaign, EntryKind::Reservation);
        while let Some(taken) = entries.next(self) {
            let fits = match back_to {
                Some(grant) => taken.drawn > 0 && taken.grant == grant,
                None => taken.held() > 0,
            };
            if taken.resource == resource && fits {
                let drawn = if back_to.is_some() { taken.drawn - 1 } else { taken.drawn + 1 };
                let (of, word) = (entries.entry, entries.word - 1);
                self.entry_set_word(of.index, word, taken.units | drawn << DRAWN_SHIFT);
                self.touch(of, seq);
                return Some(taken);
            }
        }
        None
    }

    /// How many entries the record has.
    pub(crate) fn takings_len(&self, head: EntryIndex) -> u64 {
        self.entry_word(head, LINK) >> COUNT_SHIFT & COUNT_MASK
    }

    /// Notes that the parts of `head` have changed in the operation with number `seq`.
    fn touch_parts(&mut self, head: Entry<'_>, seq: u64) {
        let mut part = first_part(head);
        for _ in 0..PARTS_MAX {
            let Some(index) = part else { break };
            self.touch_entry(index, seq);
            part = self.next_part(index);
        }
    }

    /// Frees the parts that `head` leads to.
    pub(crate) fn free_parts(&mut self, head: EntryIndex, seq: u64) {
        let mut part = first_part(self.entry(head));
        for _ in 0..PARTS_MAX {
            let Some(index) = part else { break };
            part = self.next_part(index);
            self.free_entry(index, seq);
        }
    }

    /// What a head keeps above its link and count.
    pub(crate) fn above_link(&self, head: EntryIndex) -> u64 {
        self.entry_word(head, LINK) >> ABOVE_SHIFT
    }

    /// How many parts go with an entry.
    pub(crate) fn count_parts_of(&self, index: EntryIndex, kind: Option<EntryKind>) -> u64 {
        match kind {
            Some(EntryKind::Key | EntryKind::Reservation) => self.count_parts(index),
            _ => 0,
        }
    }

    /// How many parts `head` leads to.
    fn count_parts(&self, head: EntryIndex) -> u64 {
        std::iter::successors(first_part(self.entry(head)), |&part| self.next_part(part))
            .take(PARTS_MAX as usize)
            .count() as u64
    }

    fn next_part(&self, part: EntryIndex) -> Option<EntryIndex> {
        ((self.entry_word(part, PART_LINK) as u32).checked_sub(1)).map(EntryIndex)
    }
}

/// Walks along a record.
#[derive(Clone, Copy)]
pub(crate) struct TakingsCursor<'a> {
    entry: Entry<'a>,
    word: u64,
    /// Entries until the next part, and until the end.
    capacity: u64,
    left: u64,
    /// The next part plus one.
    next: u32,
    /// Whether it is a campaign's, from which sends draw.
    draws: bool,
}

impl<'a> TakingsCursor<'a> {
    #[inline]
    pub(crate) fn next(&mut self, guard: &RecordGuard<'a>) -> Option<Taken> {
        self.left = self.left.checked_sub(1)?;
        if self.capacity == 0 {
            self.entry = guard.entry(EntryIndex(self.next.checked_sub(1)?));
            (self.word, self.capacity) = (0, PART_ENTRIES);
            self.next = self.entry.word(PART_LINK) as u32;
        }
        let from = self.entry.word(self.word);
        let source = from >> SOURCE_SHIFT & SOURCE_MASK;
        let (source, stays) = match source {
            NO_SOURCE => (None, false),
            STAYS_NO_SOURCE => (None, true),
            _ => (Some(Source::from_number((source % STAYS) as u8)), source >= STAYS),
        };
        let units = self.entry.word(self.word + 1);
        let (units, drawn) = if self.draws {
            (units & CAMPAIGN_UNITS_MAX, units >> DRAWN_SHIFT)
        } else {
            (units, 0)
        };
        let taken = Taken {
            resource: ResourceId((from >> RESOURCE_SHIFT) as u16),
            grant: from & GRANT_MASK,
            source,
            units,
            drawn,
            stays,
        };
        (self.word, self.capacity) = (self.word + 2, self.capacity - 1);
        Some(taken)
    }
}

impl Entry<'_> {
    /// Whether a key's entry, which the operation has made, keeps an entry where a session and a
    /// lease would stand.
    pub(crate) fn has_own_entry(self) -> bool {
        self.word(LINK) & OWN_ENTRY != 0
    }

    /// Writes what a head that the operation has made keeps above its link and count: below 2^24.
    pub(crate) fn fill_above_link(self, value: u64) {
        let link = self.word(LINK) & ((1 << ABOVE_SHIFT) - 1);
        self.fill_word(LINK, link | value << ABOVE_SHIFT);
    }

    /// Makes a head that the operation has made lead to no record.
    pub(crate) fn fill_no_link(self) {
        self.fill_word(LINK, 0);
    }
}

fn first_part(head: Entry<'_>) -> Option<EntryIndex> {
    (head.word(LINK) as u32).checked_sub(1).map(EntryIndex)
}
