//! A tenant's record under its lock, with the undo record that makes every operation on it all or
//! nothing, whenever its process crashes.
//!
//! An operation writes through [`RecordGuard::set`], which first notes the old value, then counts
//! it, then changes; [`RecordGuard::finish`] clears the undo log. A process that locks a record
//! whose undo log is pending puts the old values back. A thread's stores become visible in the
//! order in which it made them, also when it is killed, so that compiler fences are all the
//! ordering this needs.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};
use std::time::Duration;

use super::Poison;
use super::check;
use super::directory::{self, Hash128, Mark};
use super::file::{GrowError, Memory};
use super::lag;
use super::last_commit;
use super::layout::{WORD, counter, pack, record, unpack};
use super::lock::{self, LockError, LockGuard};
use crate::clock::Timestamp;
use crate::crash_points::{self, Guard};
use crate::rules::{CounterTerms, Counting, Gates, ResourceId, Source, Usage};

/// The lock of a record, held.
#[derive(Debug)]
pub(crate) struct RecordGuard<'a> {
    pub(crate) memory: &'a Memory,
    /// Where the record lies.
    pub(crate) at: u64,
    cells: &'a [AtomicU64; record::WORDS],
    undo: &'a [[AtomicU64; 2]],
    /// What the word that makes the log pending holds beside the count: see [`undo_tag`].
    tag: u64,
    /// Words that were written. Where they are more than the undo record has capacity for,
    /// [`OVERFLOW`]: the operation must not stand.
    undo_pending: usize,
    // Dropped last, after the roll-back.
    _held: LockGuard<'a>,
}

/// More words than any undo record has capacity for.
const OVERFLOW: usize = usize::MAX;

impl<'a> RecordGuard<'a> {
    /// Locks the record at `at` and puts right what a dead holder left half done.
    #[inline(always)]
    pub(crate) fn lock(
        memory: &'a Memory,
        at: u64,
        timeout: Duration,
    ) -> Result<RecordGuard<'a>, LockError> {
        let held = lock::take(memory, at.wrapping_add(record::LOCK), timeout)?;
        let cells = memory.words(at).ok_or(LockError::Broken)?;
        if word(cells, record::STATE).load(Relaxed) & !record::STATE_BITS != memory.adoption() {
            check_record(memory, at, cells)?;
        }
        let (undo, undo_capacity) = unpack(word(cells, record::UNDO).load(Relaxed));
        let undo = memory.pairs(undo, undo_capacity);
        let pending = word(cells, record::UNDO_COUNT).load(Relaxed);
        let tag = undo_tag(word(cells, record::SEQ).load(Relaxed));
        if pending != 0 {
            check_undo(memory, at, cells, pending)?;
            roll_back(memory, at, undo, pending);
        }
        Ok(RecordGuard { memory, at, cells, undo, tag, undo_pending: 0, _held: held })
    }

    /// The cell of a word of the record.
    #[inline]
    pub(crate) fn cell(&self, offset: u64) -> &'a AtomicU64 {
        word(self.cells, offset)
    }

    /// A word of the record.
    #[inline]
    pub(crate) fn get(&self, offset: u64) -> u64 {
        self.cell(offset).load(Relaxed)
    }

    /// Writes a word of the record that needs no undo: it is idempotent or made good by the admin
    /// transaction.
    #[inline]
    pub(crate) fn put(&self, offset: u64, value: u64) {
        self.cell(offset).store(value, Relaxed);
    }

    /// Writes the word at `offset` of the file, so that it can be undone.
    #[inline]
    pub(crate) fn set(&mut self, offset: u64, value: u64) {
        self.set_cell(self.memory.cell(offset), value);
    }

    /// Writes a word of the file, so that it can be undone.
    #[inline(always)]
    pub(crate) fn set_cell(&mut self, cell: &AtomicU64, value: u64) {
        if crash_points::off(Guard::Undo) {
            cell.store(value, Relaxed);
            crash_points::point("undo.word");
            return;
        }
        let Some([target, old]) = self.undo.get(self.undo_pending) else {
            self.undo_pending = OVERFLOW;
            return;
        };
        target.store(self.memory.offset_of(cell), Relaxed);
        old.store(cell.load(Relaxed), Relaxed);
        compiler_fence(Ordering::SeqCst);
        self.undo_pending += 1;
        self.put(record::UNDO_COUNT, self.tag | self.undo_pending as u64);
        compiler_fence(Ordering::SeqCst);
        cell.store(value, Relaxed);
        crash_points::point("undo.word");
    }

    /// Begins an operation: gives it the record's next sequence number, which it returns. The
    /// number is not taken back with the operation: one that names nothing does no harm.
    #[inline(always)]
    pub(crate) fn begin(&mut self) -> u64 {
        let seq = self.get(record::SEQ);
        if seq == self.get(record::CHECKPOINTED_SEQ) {
            directory::set_mark(self.memory, Mark::Dirty, self.get(record::INDEX));
            lag::note_dirty(self.memory);
        }
        let next = seq.wrapping_add(1);
        self.tag = undo_tag(next);
        self.put(record::SEQ, next);
        next
    }

    /// Makes everything that was `set` stand. `false`: it was too much for the undo record, and
    /// nothing was changed.
    #[inline(always)]
    #[must_use]
    pub(crate) fn finish(&mut self) -> bool {
        if self.undo_pending == OVERFLOW {
            self.roll_back();
            return false;
        }
        compiler_fence(Ordering::SeqCst);
        crash_points::point("undo.clear");
        self.undo_pending = 0;
        self.put(record::UNDO_COUNT, 0);
        true
    }

    /// Puts back everything that was `set` since the last `finish`. The function that does it gets
    /// values and not the guard, as in [`lock`].
    #[inline(always)]
    pub(crate) fn roll_back(&mut self) {
        let count = self.undo_pending.min(self.undo.len());
        roll_back(self.memory, self.at, self.undo, self.tag | count as u64);
        self.undo_pending = 0;
    }

    /// Doubles the capacity of the undo record. The undo log must be empty.
    #[cold]
    pub(crate) fn enlarge_undo(&mut self) -> Result<(), GrowError> {
        debug_assert_eq!(self.undo_pending, 0);
        let capacity = packable((self.undo.len() as u64 + 1).next_power_of_two() * 2)?;
        let at = self.memory.allocate(capacity * record::UNDO_ENTRY)?;
        self.undo = self.memory.pairs(at, capacity);
        self.put(record::UNDO, pack(at, capacity));
        Ok(())
    }

    /// The record's tenant.
    pub(crate) fn hash(&self) -> Hash128 {
        directory::hash_of(self.memory, self.at)
    }

    /// What the operation with the number `seq` is called outside: numbers of another tenant's
    /// operations are others.
    pub(crate) fn number_of(&self, seq: u64) -> u64 {
        seq ^ self.hash().low
    }

    /// Whether the tenant exists.
    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        self.get(record::STATE) & record::STATE_BITS == 1
    }

    /// Whether a change was under way when its process died.
    #[inline]
    pub(crate) fn pending(&self) -> Option<u64> {
        Some(self.get(record::PENDING)).filter(|&pending| pending != 0)
    }

    #[inline]
    pub(crate) fn valid_until(&self) -> Timestamp {
        Timestamp::from_word(self.get(record::VALID_UNTIL))
    }

    #[inline]
    pub(crate) fn high_water_mark(&self) -> Timestamp {
        Timestamp::from_word(self.get(record::HIGH_WATER_MARK))
    }

    /// Remembers that the tenant has seen `now`. It only ever rises, so that it needs no undo.
    #[inline]
    pub(crate) fn raise_high_water_mark(&self, now: Timestamp) {
        if now > self.high_water_mark() {
            self.put(record::HIGH_WATER_MARK, now.ms() as u64);
        }
    }

    #[inline]
    pub(crate) fn gates(&self) -> Gates {
        Gates::from_bits(self.get(record::GATES))
    }

    #[inline]
    pub(crate) fn feature_word(&self, word: u64) -> u64 {
        if word < record::FEATURE_WORDS { self.get(record::FEATURES + word * WORD) } else { 0 }
    }

    /// The counter of `resource`, if the record has one.
    #[inline(always)]
    pub(crate) fn counter(&self, resource: ResourceId) -> Option<CounterRef<'a>> {
        let (counters, count) = unpack(self.get(record::COUNTERS));
        let index = u64::from(resource.0);
        if index >= count {
            return None;
        }
        let at = counters + index * counter::BYTES;
        self.memory.words(at).map(|cells| CounterRef { at, cells, memory: self.memory })
    }

    /// Whether a resource is no more than grants and a hard limit.
    #[inline(always)]
    pub(crate) fn is_simple(&self, resource: ResourceId) -> bool {
        self.counter(resource)
            .is_none_or(|counter| CounterTerms::is_simple(counter.get(counter::TERMS)))
    }

    /// How many counters the record has.
    pub(crate) fn counter_count(&self) -> u16 {
        unpack(self.get(record::COUNTERS)).1 as u16
    }
}

impl Drop for RecordGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.undo_pending != 0 {
            self.roll_back();
        }
    }
}

/// A number of entries that can be packed beside an offset.
fn packable(capacity: u64) -> Result<u64, GrowError> {
    if capacity < 1 << 16 { Ok(capacity) } else { Err(GrowError::AddressSpace) }
}

/// The word at an offset of `layout`, all of which lie below the array's length.
#[allow(clippy::indexing_slicing)]
#[inline(always)]
pub(super) fn word<const N: usize>(cells: &[AtomicU64; N], offset: u64) -> &AtomicU64 {
    &cells[(offset / WORD) as usize]
}

/// Looks at a record that was not looked at since the file was adopted, and notes that it holds
/// together.
#[cold]
fn check_record(
    memory: &Memory,
    at: u64,
    cells: &[AtomicU64; record::WORDS],
) -> Result<(), LockError> {
    if check::record(memory, at).is_some() {
        memory.set_poison(Poison::Damaged);
        return Err(LockError::Broken);
    }
    if memory.poison().is_none() {
        let state = word(cells, record::STATE);
        state.store(memory.adoption() | state.load(Relaxed) & record::STATE_BITS, Relaxed);
    }
    Ok(())
}

const COUNT_BITS: u32 = 32;
/// A tag is never the count's neighbour in a word of zeros.
const TAG_MASK: u64 = 0x5a3c_96e1;

/// What the word that makes an undo log pending holds above the count: made of the number of the
/// operation, so that a word that was damaged is no reason to put anything back.
#[inline(always)]
const fn undo_tag(seq: u64) -> u64 {
    (seq ^ TAG_MASK) << COUNT_BITS
}

/// Looks at an undo log that is about to be put back: all of it, before the first word is.
#[cold]
fn check_undo(
    memory: &Memory,
    at: u64,
    cells: &[AtomicU64; record::WORDS],
    pending: u64,
) -> Result<(), LockError> {
    let seq = word(cells, record::SEQ).load(Relaxed);
    // Its process may have died between the number of its operation and its first word.
    let tags = [undo_tag(seq), undo_tag(seq.wrapping_sub(1))];
    let count = pending & ((1 << COUNT_BITS) - 1);
    let is_tagged = tags.contains(&(pending - count));
    if !is_tagged || check::undo_log(memory, at, count).is_some() {
        memory.set_poison(Poison::Damaged);
        return Err(LockError::Broken);
    }
    Ok(())
}

/// Puts the old values of the first entries back, the last first: as many as the low half of
/// `pending` says.
#[cold]
#[inline(never)]
fn roll_back(memory: &Memory, at: u64, undo: &[[AtomicU64; 2]], pending: u64) {
    let count = pending & ((1 << COUNT_BITS) - 1);
    for (left, [target, old]) in undo.iter().enumerate().take(count as usize).rev() {
        memory.put(target.load(Relaxed), old.load(Relaxed));
        compiler_fence(Ordering::SeqCst);
        let rest = if left == 0 { 0 } else { pending - count + left as u64 };
        memory.put(at + record::UNDO_COUNT, rest);
    }
}

/// One resource of one tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CounterRef<'a> {
    pub(crate) at: u64,
    cells: &'a [AtomicU64; counter::WORDS],
    memory: &'a Memory,
}

impl<'a> CounterRef<'a> {
    /// The cell of a word of the counter.
    #[inline]
    pub(crate) fn cell(self, offset: u64) -> &'a AtomicU64 {
        word(self.cells, offset)
    }

    #[inline]
    pub(crate) fn get(self, offset: u64) -> u64 {
        self.cell(offset).load(Relaxed)
    }

    /// How the resource is limited and counted.
    #[inline(always)]
    pub(crate) fn terms(self) -> CounterTerms {
        CounterTerms::from_number(self.get(counter::TERMS))
    }

    #[inline]
    pub(crate) fn used(self) -> u64 {
        self.get(counter::USED)
    }

    /// What counts as used of it: of what is held, nothing.
    pub(crate) fn usage(self) -> Usage {
        let used = self.used();
        match self.terms().counting {
            Counting::Granted => Usage { used, beyond: self.get(counter::BEYOND) },
            Counting::Meter => Usage { used, beyond: used },
            Counting::Seats | Counting::Leases | Counting::Rate => Usage::default(),
        }
    }

    #[inline]
    pub(crate) fn grant_count(self) -> u64 {
        self.get(counter::GRANT_COUNT)
    }

    /// Where grant number `index` of the burn-down list lies: its id, then what remains.
    #[inline]
    pub(crate) fn grant_at(self, index: u64) -> u64 {
        unpack(self.get(counter::GRANTS)).0 + index * counter::GRANT_ENTRY
    }

    /// The cells of the burn-down list: id and remaining units, in the order of use.
    #[inline(always)]
    pub(crate) fn grant_cells(self) -> &'a [[AtomicU64; 2]] {
        self.memory.pairs(self.grant_at(0), self.grant_count())
    }

    /// The grants of the burn-down list: id and remaining units, in the order of use.
    #[inline]
    pub(crate) fn grants(self) -> impl Iterator<Item = (u64, u64)> {
        self.grant_cells()
            .iter()
            .map(|[grant, remaining]| (grant_id(grant.load(Relaxed)), remaining.load(Relaxed)))
    }
}

/// A grant as a burn-down list names it: its number, and where it comes from.
pub(crate) const fn grant_word(id: u64, source: Source) -> u64 {
    id | (source as u64) << GRANT_BITS
}

/// The number of a grant in a burn-down list.
#[inline]
pub(crate) const fn grant_id(word: u64) -> u64 {
    word & ((1 << GRANT_BITS) - 1)
}

/// Where a grant in a burn-down list comes from.
#[inline]
pub(crate) const fn grant_source(word: u64) -> Source {
    Source::from_number((word >> GRANT_BITS) as u8)
}

const GRANT_BITS: u32 = 48;

/// Makes a record for `hash` with capacity for `slots` resources: vacant, in no table yet.
pub(crate) fn create(memory: &Memory, hash: Hash128, counters: u16) -> Result<u64, GrowError> {
    let counters = u64::from(counters);
    let at = memory.allocate(record::FIRST_COUNTERS + counters * counter::BYTES)?;
    memory.put(at + record::HASH, hash.low);
    memory.put(at + record::HASH + WORD, hash.high);
    memory.put(at + record::UNDO, pack(at + record::FIRST_UNDO, record::FIRST_UNDO_ENTRIES));
    memory.put(at + record::COUNTERS, pack(at + record::FIRST_COUNTERS, counters));
    memory.put(at + record::HOLDS_DUE, Timestamp::MAX.ms() as u64);
    memory.put(at + record::COMMIT, last_commit(memory));
    init_counters(memory, at + record::FIRST_COUNTERS, 0, counters);
    directory::number(memory, at)?;
    Ok(at)
}

/// Points the burn-down lists of new counters at the capacity that they bring along.
fn init_counters(memory: &Memory, counters: u64, first: u64, count: u64) {
    for index in first..count {
        let at = counters + index * counter::BYTES;
        memory.put(
            at + counter::GRANTS,
            pack(at + counter::FIRST_GRANTS, counter::FIRST_GRANT_ENTRIES),
        );
        memory.put(at + counter::NEXT_EVENT, u64::MAX);
    }
}

impl RecordGuard<'_> {
    /// Gives the record at least `wanted` counters. Nothing changes for its readers.
    pub(crate) fn ensure_counters(&self, wanted: u16) -> Result<(), GrowError> {
        let (old, count) = unpack(self.get(record::COUNTERS));
        let wanted = u64::from(wanted);
        if wanted <= count {
            return Ok(());
        }
        let new = self.memory.allocate(wanted * counter::BYTES)?;
        for word in 0..count * counter::BYTES / WORD {
            self.memory.put(new + word * WORD, self.memory.get(old + word * WORD));
        }
        for index in 0..count {
            // Lists that lay in their counter have moved with it.
            let (at, capacity) =
                unpack(self.memory.get(new + index * counter::BYTES + counter::GRANTS));
            if at == old + index * counter::BYTES + counter::FIRST_GRANTS {
                let moved = new + index * counter::BYTES + counter::FIRST_GRANTS;
                self.memory
                    .put(new + index * counter::BYTES + counter::GRANTS, pack(moved, capacity));
            }
        }
        init_counters(self.memory, new, count, wanted);
        self.put(record::COUNTERS, pack(new, wanted));
        Ok(())
    }

    /// Gives the counter's burn-down list capacity for at least `wanted` grants, keeping what it
    /// holds.
    pub(crate) fn ensure_grants(
        &self,
        counter: CounterRef<'_>,
        wanted: u64,
    ) -> Result<(), GrowError> {
        let (old, capacity) = unpack(self.memory.get(counter.at + counter::GRANTS));
        if wanted <= capacity {
            return Ok(());
        }
        let capacity = packable(wanted.next_power_of_two())?;
        let new = self.memory.allocate(capacity * counter::GRANT_ENTRY)?;
        for word in 0..counter.grant_count() * counter::GRANT_ENTRY / WORD {
            self.memory.put(new + word * WORD, self.memory.get(old + word * WORD));
        }
        self.memory.put(counter.at + counter::GRANTS, pack(new, capacity));
        Ok(())
    }
}
