//! Checks a record once after each adoption: every number in it that is an address or counts
//! something, before any word of it is relied on.
//!
//! The record's state word has the number of the adoption under which it was checked, so later
//! callers make one comparison. A record that is wrong poisons the file: nothing more is decided
//! with it.

use std::sync::atomic::Ordering::Relaxed;

use super::directory;
use super::file::Memory;
use super::layout::{
    HEADER_BYTES, LINE, WORD, counter, entries, entry, event, header, heap, record, unpack,
};

/// More units than this cannot be: half the range.
const UNITS_MAX: u64 = i64::MAX as u64;
/// Rings and indices have fewer places than 2 to the power of this.
const LOG2_MAX: u64 = 32;

/// What is wrong with the record at `at`, if anything. The caller holds its lock; its undo log may
/// be pending.
pub(super) fn record(memory: &Memory, at: u64) -> Option<&'static str> {
    let check = Check { memory, at };
    check.record().err()
}

/// What is wrong with its pending undo log, whose `pending` entries are about to be put back.
pub(super) fn undo_log(memory: &Memory, at: u64, pending: u64) -> Option<&'static str> {
    let check = Check { memory, at };
    check.undo_log(pending).err()
}

type Checked = Result<(), &'static str>;

struct Check<'a> {
    memory: &'a Memory,
    at: u64,
}

/// An error that says `what` is wrong, unless `holds`.
fn ensure(holds: bool, what: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(what) }
}

impl Check<'_> {
    fn get(&self, offset: u64) -> u64 {
        self.memory.get(self.at + offset)
    }

    /// Whether these bytes lie in the part of the file that has been allocated.
    fn lies_in_file(&self, at: u64, bytes: u64) -> bool {
        let end = at.checked_add(bytes);
        at >= HEADER_BYTES
            && at.is_multiple_of(WORD)
            && end.is_some_and(|end| end <= self.memory.get(header::NEXT_FREE))
            && self.memory.has(at, bytes)
    }

    /// Whether they lie there, and begin where an allocation begins.
    fn is_allocated(&self, at: u64, bytes: u64) -> bool {
        at.is_multiple_of(LINE) && self.lies_in_file(at, bytes)
    }

    fn record(&self) -> Checked {
        ensure(self.is_allocated(self.at, record::FIRST_COUNTERS), "a record is not allocated")?;
        let number = directory::record_at(self.memory, self.get(record::INDEX));
        ensure(number == Some(self.at), "a record is not what its number leads to")?;
        let (undo, capacity) = unpack(self.get(record::UNDO));
        let is_first =
            (undo, capacity) == (self.at + record::FIRST_UNDO, record::FIRST_UNDO_ENTRIES);
        let is_larger = capacity > record::FIRST_UNDO_ENTRIES
            && capacity.is_power_of_two()
            && self.is_allocated(undo, capacity * record::UNDO_ENTRY);
        ensure(is_first || is_larger, "an undo log is not allocated")?;
        let seq = self.get(record::SEQ);
        let is_behind = |offset| self.get(offset) <= seq;
        ensure(
            is_behind(record::CHECKPOINTED_SEQ) && is_behind(record::SNAPSHOT_SEQ),
            "a record's checkpoint is later than its last change",
        )?;
        ensure(
            self.get(record::HISTORY_COUNT) <= record::HISTORY_ENTRIES,
            "a record's history is longer than its capacity",
        )?;
        let (saved, words) = unpack(self.get(record::SAVED));
        ensure(
            self.get(record::SAVED) == 0 || self.is_allocated(saved, words * WORD),
            "a copy of a record's counters is not allocated",
        )?;
        self.events()?;
        self.counters()?;
        self.entries()
    }

    fn undo_log(&self, pending: u64) -> Checked {
        let (undo, capacity) = unpack(self.get(record::UNDO));
        ensure(pending <= capacity, "an undo log is longer than its capacity")?;
        let log = undo..undo + capacity * record::UNDO_ENTRY;
        for [target, _] in self.memory.pairs(undo, pending) {
            let target = target.load(Relaxed);
            ensure(
                self.lies_in_file(target, WORD) && !log.contains(&target),
                "an undo log names a word that no operation writes",
            )?;
        }
        Ok(())
    }

    fn events(&self) -> Checked {
        let (ring, log2) = unpack(self.get(record::EVENTS));
        let [head, noted, tail] =
            [record::EVENT_HEAD, record::EVENT_SNAPSHOT, record::EVENT_TAIL].map(|it| self.get(it));
        ensure(head <= noted && noted <= tail, "a record's events are out of order")?;
        if self.get(record::EVENTS) == 0 {
            return ensure(head == tail, "a record has events and no capacity for them");
        }
        ensure(
            log2 < LOG2_MAX && self.is_allocated(ring, event::BYTES << log2),
            "a record's events are not allocated",
        )?;
        ensure(tail - head <= 1 << log2, "a record has more events than capacity")
    }

    fn counters(&self) -> Checked {
        let (counters, count) = unpack(self.get(record::COUNTERS));
        ensure(
            self.is_allocated(counters, count * counter::BYTES),
            "a record's counters are not allocated",
        )?;
        (0..count).try_for_each(|nth| self.counter(counters + nth * counter::BYTES))
    }

    fn counter(&self, at: u64) -> Checked {
        let get = |offset| self.memory.get(at + offset);
        let (grants, capacity) = unpack(get(counter::GRANTS));
        let is_first =
            (grants, capacity) == (at + counter::FIRST_GRANTS, counter::FIRST_GRANT_ENTRIES);
        ensure(
            is_first || self.is_allocated(grants, capacity * counter::GRANT_ENTRY),
            "a burn-down list is not allocated",
        )?;
        let count = get(counter::GRANT_COUNT);
        ensure(count <= capacity, "a burn-down list is longer than its capacity")?;
        for [_, remaining] in self.memory.pairs(grants, count) {
            ensure(remaining.load(Relaxed) <= UNITS_MAX, "a grant has more than there can be")?;
        }
        let is_number = |offset| get(offset) <= UNITS_MAX;
        ensure(
            is_number(counter::USED) && is_number(counter::BEYOND) && is_number(counter::HELD),
            "more is used than there can be",
        )?;
        self.heap(get(counter::EXPIRY))
    }

    fn heap(&self, at: u64) -> Checked {
        if at == 0 {
            return Ok(());
        }
        ensure(self.is_allocated(at, heap::BYTES), "an expiry heap is not allocated")?;
        let capacity = self.chunks(at + heap::CHUNKS, heap::FIRST_CHUNK, heap::ENTRY)?;
        ensure(
            self.memory.get(at + heap::LEN) <= capacity,
            "an expiry heap is longer than its capacity",
        )
    }

    /// The capacity of a row of chunks, each twice as large as the one before. Missing chunks come
    /// last.
    fn chunks(&self, at: u64, first: u64, bytes: u64) -> Result<u64, &'static str> {
        let mut capacity = 0;
        let mut ends = false;
        for chunk in 0..entries::CHUNK_COUNT {
            match self.memory.get(at + chunk * WORD) {
                0 => ends = true,
                root => {
                    let places = first << chunk;
                    let stands = !ends && self.is_allocated(root, places * bytes);
                    ensure(stands, "a chunk is not allocated")?;
                    capacity += places;
                }
            }
        }
        Ok(capacity)
    }

    fn entries(&self) -> Checked {
        let at = self.get(record::ENTRIES);
        if at == 0 {
            return Ok(());
        }
        ensure(self.is_allocated(at, entries::BYTES), "an entry table is not allocated")?;
        let get = |offset| self.memory.get(at + offset);
        let capacity = self.chunks(at + entries::CHUNKS, entries::FIRST_CHUNK, entry::BYTES)?;
        let touched = get(entries::TOUCHED);
        ensure(
            capacity > 0
                && touched <= capacity
                && get(entries::LIVE) <= touched
                && get(entries::FREE) <= touched
                && get(entries::ALIASES) <= touched,
            "an entry table counts more entries than it has capacity for",
        )?;
        let (index, old) = (self.index(get(entries::INDEX))?, get(entries::OLD_INDEX));
        ensure(get(entries::FILLED) <= index, "an index has more in it than capacity")?;
        if old != 0 {
            let old = self.index(old)?;
            ensure(get(entries::OLD_CURSOR) <= old, "an index is moved beyond its end")?;
        }
        if get(entries::SPARE_INDEX) != 0 {
            self.index(get(entries::SPARE_INDEX))?;
        }
        let (ring, log2) = unpack(get(entries::RING));
        ensure(
            log2 < LOG2_MAX && self.is_allocated(ring, WORD << log2),
            "a ring of changes is not allocated",
        )?;
        let (head, tail) = (get(entries::RING_HEAD), get(entries::RING_TAIL));
        ensure(
            head <= tail && tail - head <= 1 << log2 && get(entries::RING_SNAPSHOT) <= tail,
            "a ring of changes is out of order",
        )?;
        self.heap(get(entries::KEPT))?;
        self.heap(get(entries::HOLDS))
    }

    /// How many buckets an index has.
    fn index(&self, index: u64) -> Result<u64, &'static str> {
        let (at, log2) = unpack(index);
        let stands = log2 < LOG2_MAX && self.is_allocated(at, WORD << log2);
        ensure(stands, "an index is not allocated").map(|()| 1 << log2)
    }
}
