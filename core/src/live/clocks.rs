//! How the clocks stood when any process last looked, kept for all of them.
//!
//! Three figures follow from it. *Ahead*: what every process takes off its wall clock while that
//! is not believed. *Back*: by how much the wall clock was set back since the boot; what lasts a
//! length of time is measured by a clock that was not. *Restarts*: how often time began again
//! without a measure, after a boot with the clock set back. Every word can be derived again from
//! those written before it, so that a process may die between any two of them.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

use super::LiveFile;
use super::entries::{EntryIndex, EntryKind, KEPT_WORD, counter_heap};
use super::expiry::Heap;
use super::file::Memory;
use super::holds::HoldRole;
use super::inspect::Inspected;
use super::layout::{entry, header, record};
use super::process::wall_and_boot_ms;
use super::record::RecordGuard;
use crate::clock::{SECOND_MS, Timestamp};
use crate::rules::Counting;
use crate::rules::clock_step::{ClockStep, clock_step};

/// Whose clock it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockSource {
    /// A program's.
    Manual = 1,
    /// The machine's. Once it was looked at, no manual clock has a say any more.
    Machine = 2,
}

/// Processes read the wall clock up to a tick late.
const TICK_MS: i64 = SECOND_MS;
/// A clock that was looked at longer ago is looked at again. Less than any jump that matters.
const LOOK_EVERY_MS: i64 = 600 * SECOND_MS;
const TOP_BIT: u64 = 1 << 63;

/// A signed number as a word whose order is that of the numbers, and which is never 0.
const fn word_of(number: i64) -> u64 {
    let word = number as u64 ^ TOP_BIT;
    if word == 0 { 1 } else { word }
}

const fn number_of(word: u64) -> i64 {
    (word ^ TOP_BIT) as i64
}

impl LiveFile {
    /// Whether a clock of this kind is the one that is looked at.
    #[inline]
    pub(crate) fn looks_at(&self, source: ClockSource) -> bool {
        self.header(header::CLOCK_SOURCE) == source as u64
    }

    /// Milliseconds to take off the wall clock.
    #[inline]
    pub(crate) fn clock_ahead(&self) -> i64 {
        self.header(header::CLOCK_AHEAD) as i64
    }

    /// Whether the wall clock shows what it may show without another look: it has not been set
    /// back, nor far ahead.
    #[inline(always)]
    pub(crate) fn was_looked_at(&self, wall: Timestamp) -> bool {
        let looked = self.header(header::CLOCK_LOOKED) as i64;
        let since = wall.ms().wrapping_sub(looked).wrapping_add(TICK_MS);
        (since as u64) < LOOK_EVERY_MS as u64
    }

    /// Looks at both clocks, and notes what has become of them.
    pub(crate) fn look_at_clocks(&self, source: ClockSource, wall: Timestamp, boot: i64) {
        let seen = wall.ms().saturating_sub(boot);
        if self.looks_at(source) {
            self.look_again(seen, boot);
        } else {
            self.begin_to_look(source, seen, boot);
        }
        // Last: who finds that it was looked at goes by what was found.
        if source == ClockSource::Machine {
            self.set_header(header::CLOCK_LOOKED, wall.ms() as u64);
        }
    }

    fn look_again(&self, seen: i64, boot: i64) {
        let before = self.memory.cell(header::CLOCK_BOOT).fetch_max(word_of(boot), AcqRel);
        if boot < number_of(before).saturating_sub(TICK_MS) {
            return self.restart(seen, boot);
        }
        let since = match self.header(header::CLOCK_AHEAD_SINCE) {
            0 => None,
            since => Some(number_of(since)),
        };
        let word = self.header(header::CLOCK_OFFSET);
        match clock_step(number_of(word), seen, boot, since) {
            ClockStep::None if since.is_none() => {}
            ClockStep::None => self.believe(seen, false),
            ClockStep::Set => {
                let offset = self.memory.cell(header::CLOCK_OFFSET);
                if offset.compare_exchange(word, word_of(seen), AcqRel, Acquire).is_ok() {
                    self.believe(seen, true);
                }
            }
            ClockStep::Ahead(ms) => {
                let cell = self.memory.cell(header::CLOCK_AHEAD_SINCE);
                let _ = cell.compare_exchange(0, word_of(boot), AcqRel, Acquire);
                self.set_header(header::CLOCK_AHEAD, ms as u64);
            }
        }
    }

    /// Believes a wall clock that is ahead.
    pub(crate) fn confirm_clock(&self, wall: Timestamp, boot: i64) {
        let seen = wall.ms().saturating_sub(boot);
        self.set_header(header::CLOCK_OFFSET, word_of(seen));
        self.believe(seen, true);
    }

    /// The wall clock is believed, set or not.
    fn believe(&self, offset: i64, is_set: bool) {
        if is_set {
            let cell = self.memory.cell(header::CLOCK_OFFSET_MAX);
            let most = number_of(cell.fetch_max(word_of(offset), AcqRel)).max(offset);
            self.set_header(header::CLOCK_BACK, most.saturating_sub(offset) as u64);
        }
        self.set_header(header::CLOCK_AHEAD, 0);
        self.set_header(header::CLOCK_AHEAD_SINCE, 0);
    }

    /// The first look, or the first of the machine's clock.
    fn begin_to_look(&self, source: ClockSource, offset: i64, boot: i64) {
        let cell = self.memory.cell(header::CLOCK_SOURCE);
        let before = cell.load(Acquire);
        if before >= source as u64 {
            return;
        }
        self.set_header(header::CLOCK_OFFSET, word_of(offset));
        self.set_header(header::CLOCK_OFFSET_MAX, word_of(offset));
        self.set_header(header::CLOCK_BOOT, word_of(boot));
        for word in [header::CLOCK_AHEAD, header::CLOCK_AHEAD_SINCE, header::CLOCK_BACK] {
            self.set_header(word, 0);
        }
        let _ = cell.compare_exchange(before, source as u64, AcqRel, Acquire);
    }

    /// Boot time began again: how much of it has passed is not known.
    fn restart(&self, offset: i64, boot: i64) {
        self.set_header(header::CLOCK_BOOT, word_of(boot));
        self.set_header(header::CLOCK_OFFSET, word_of(offset));
        self.set_header(header::CLOCK_OFFSET_MAX, word_of(offset));
        self.believe(offset, true);
        self.note_restart();
    }

    /// Has every tenant that has seen a later time look through what lasts a length of time.
    pub(crate) fn note_restart(&self) {
        self.memory.cell(header::CLOCK_RESTARTS).fetch_add(1, AcqRel);
    }
}

/// How the machine's clocks stand beside what processes believe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClocksSeen {
    pub(crate) ahead_ms: i64,
    pub(crate) back_ms: i64,
}

/// Looks from outside; `None`: no process has looked at the machine's clock.
pub(crate) fn inspect(file: &Inspected) -> Option<ClocksSeen> {
    file.word(header::CLOCK_SOURCE).filter(|&it| it == ClockSource::Machine as u64)?;
    let (wall, boot) = wall_and_boot_ms();
    let believed = number_of(file.word(header::CLOCK_OFFSET)?);
    let ahead_ms = wall.saturating_sub(boot).saturating_sub(believed);
    Some(ClocksSeen { ahead_ms, back_ms: file.word(header::CLOCK_BACK)? as i64 })
}

/// Milliseconds by which the wall clock was set back since the boot.
#[inline(always)]
fn back(memory: &Memory) -> i64 {
    // What a damaged file says is bounded, so that times can be added to it.
    (memory.cell(header::CLOCK_BACK).load(Acquire) & (u64::MAX >> 8)) as i64
}

impl RecordGuard<'_> {
    /// The time by which leases, rates and reservations run: it goes on while the wall clock is
    /// set back.
    #[inline(always)]
    pub(crate) fn entry_time(&self, now: Timestamp) -> Timestamp {
        let time = now.plus_ms(back(self.memory));
        let high_water_mark = self.high_water_mark();
        if time >= high_water_mark { time } else { self.earlier_time(time, high_water_mark) }
    }

    /// What no process has measured stands still at the high-water mark, unless time began again.
    #[cold]
    fn earlier_time(&self, time: Timestamp, high_water_mark: Timestamp) -> Timestamp {
        let restarted = self.memory.cell(header::CLOCK_RESTARTS).load(Acquire) != 0;
        let is_earlier = time.plus_ms(TICK_MS) < high_water_mark;
        if restarted && is_earlier { time } else { high_water_mark }
    }

    /// By how much [`entry_time`](Self::entry_time) is ahead of the wall clock.
    pub(crate) fn back_ms(&self) -> i64 {
        back(self.memory)
    }

    /// The wall time of an instant of [`entry_time`](Self::entry_time).
    #[inline(always)]
    pub(crate) fn wall_time(&self, time: Timestamp) -> Timestamp {
        if time == Timestamp::MAX { time } else { time.plus_ms(-back(self.memory)) }
    }

    /// Whether time began again, at an earlier instant than the tenant has seen, since its entries
    /// were looked through.
    #[inline(always)]
    pub(crate) fn is_of_later_time(&self, now: Timestamp) -> bool {
        let restarts = self.memory.cell(header::CLOCK_RESTARTS).load(Acquire);
        restarts != 0
            && self.get(record::CLOCK_RESTARTS) != restarts
            && now.plus_ms(back(self.memory) + TICK_MS) < self.high_water_mark()
    }

    /// The heaps of what lasts a length of time: of leases and rates, and of reservations.
    pub(crate) fn heaps_of_lengths(&self) -> Vec<Heap> {
        if !self.has_entries() {
            return Vec::new();
        }
        let counters = self.counters();
        let of_length = counters.filter(|(_, counter)| {
            matches!(counter.terms().counting, Counting::Leases | Counting::Rate)
        });
        of_length.map(|(_, counter)| counter_heap(counter)).chain([self.hold_heap()]).collect()
    }

    /// Whether an entry was begun after `time`. Not asked of a send: no caller waits for its end,
    /// and what pays for its session does not say when it was begun.
    pub(crate) fn is_begun_after(&self, index: EntryIndex, time: Timestamp) -> bool {
        let has_begin = match self.entry_kind(index) {
            Some(EntryKind::Lease | EntryKind::Rate) => true,
            Some(EntryKind::Reservation) => {
                matches!(self.hold_role(index), HoldRole::Units | HoldRole::Campaign)
            }
            _ => false,
        };
        let begin = Timestamp::from_word(self.entry_get(index, entry::START));
        has_begin && begin > time.plus_ms(TICK_MS)
    }

    /// Has an entry end at `time`: the next who needs it takes it back.
    pub(crate) fn end_entry(&mut self, heap: Heap, index: EntryIndex, time: Timestamp, seq: u64) {
        self.entry_set(index, entry::END, time.ms() as u64);
        if self.entry_kind(index) != Some(EntryKind::Reservation) {
            self.entry_set_word(index, KEPT_WORD, time.ms() as u64);
        }
        self.heap_update(heap, index, time);
        self.touch_entry(index, seq);
    }

    /// Notes that the tenant's entries were looked through.
    pub(crate) fn note_looked_through(&self) {
        let restarts = self.memory.cell(header::CLOCK_RESTARTS).load(Acquire);
        self.cell(record::CLOCK_RESTARTS).store(restarts, Release);
    }
}
