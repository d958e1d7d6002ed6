//! How far SQLite is behind the live file, and since when checkpoints fail.
//!
//! `DIRTY_SINCE` is not 0 while a tenant has changed since the last round of checkpoints began,
//! `ROUND_SINCE` while what changed before it is not all written. Both are instants of the
//! monotonic clock, which all processes of a machine read alike; the lag counts from the earlier.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::LiveFile;
use super::file::Memory;
use super::layout::header;
use super::process;
use crate::crash_points::{self, Guard, off};

/// The present instant as the words hold it. It is never 0, which stands for no instant.
pub(crate) fn now() -> u64 {
    process::coarse_monotonic_ms().max(1)
}

/// The earlier of two instants, of which either may be missing.
fn earlier(one: u64, other: u64) -> u64 {
    match (one, other) {
        (0, at) | (at, 0) => at,
        (one, other) => one.min(other),
    }
}

/// A tenant was marked as changed. Its mark comes before the look here, as a round moves the
/// word before it looks for marks: so the one or the other sees it.
#[inline]
pub(super) fn note_dirty(memory: &Memory) {
    if memory.cell(header::DIRTY_SINCE).load(SeqCst) == 0 {
        lower(memory, now());
    }
}

/// A tenant has changes that SQLite does not have, since `at` or later.
#[cold]
fn lower(memory: &Memory, at: u64) {
    let lower = |since| (earlier(since, at) != since).then_some(at);
    let _ = memory.cell(header::DIRTY_SINCE).fetch_update(SeqCst, SeqCst, lower);
}

/// The lag in milliseconds, by the words of a header at the instant `now`.
pub(super) fn lag_of(dirty_since: u64, round_since: u64, now: u64) -> u64 {
    match earlier(dirty_since, round_since) {
        0 => 0,
        since => now.saturating_sub(since),
    }
}

impl LiveFile {
    /// Age of the oldest change that is not known to be in SQLite, in milliseconds; 0: SQLite has
    /// every change.
    pub(crate) fn lag_ms(&self) -> u64 {
        let word = |at| self.memory.cell(at).load(SeqCst);
        // In this order: a round writes the second word before it clears the first.
        let dirty = word(header::DIRTY_SINCE);
        lag_of(dirty, word(header::ROUND_SINCE), now())
    }

    /// A round begins: what has changed so far is its own. Comes before it looks for marks. The
    /// caller holds the checkpoint lock.
    pub(crate) fn begin_round(&self) {
        let dirty = self.memory.cell(header::DIRTY_SINCE);
        let round = self.memory.cell(header::ROUND_SINCE);
        if off(Guard::Lag) {
            round.store(0, SeqCst);
            return dirty.store(0, SeqCst);
        }
        // What the round before did not finish stays. A crash between the two stores leaves both
        // words at the earlier instant.
        round.store(earlier(round.load(SeqCst), dirty.load(SeqCst)), SeqCst);
        crash_points::point("lag.moved");
        let since = dirty.swap(0, SeqCst);
        round.store(earlier(round.load(SeqCst), since), SeqCst);
    }

    /// Everything that had changed when the round began is committed.
    pub(crate) fn end_round(&self) {
        self.memory.cell(header::ROUND_SINCE).store(0, SeqCst);
    }

    /// A tenant has changed again while its snapshot of the instant `at`, or a later one, was
    /// written.
    pub(crate) fn is_dirty_since(&self, at: u64) {
        lower(&self.memory, at);
    }

    /// A round failed, with this error.
    pub(crate) fn note_failed(&self, code: i32) {
        let since = self.memory.cell(header::FAILING_SINCE);
        self.memory.put(header::FAILURE, u64::from(code.unsigned_abs()));
        self.memory.cell(header::ROUNDS_FAILED).fetch_add(1, Relaxed);
        let _ = since.compare_exchange(0, now(), SeqCst, SeqCst);
    }

    /// A round succeeded.
    pub(crate) fn note_succeeded(&self) {
        self.memory.cell(header::FAILING_SINCE).store(0, SeqCst);
    }

    /// For how long rounds have failed, in milliseconds, and the code of the last one's error.
    /// `None`: the last one succeeded.
    pub(crate) fn failing(&self) -> Option<(u64, i32)> {
        match self.memory.cell(header::FAILING_SINCE).load(SeqCst) {
            0 => None,
            since => Some((now().saturating_sub(since), self.memory.get(header::FAILURE) as i32)),
        }
    }

    /// Rounds that have failed since the live file was made.
    pub(crate) fn rounds_failed(&self) -> u64 {
        self.memory.get(header::ROUNDS_FAILED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> LiveFile {
        LiveFile::of(Memory::anonymous().expect("is mapped"))
    }

    fn words(live: &LiveFile) -> [u64; 2] {
        [header::DIRTY_SINCE, header::ROUND_SINCE].map(|word| live.memory.get(word))
    }

    #[test]
    fn a_round_that_fails_keeps_the_instant_of_what_it_did_not_write() {
        let live = live();
        assert_eq!(live.lag_ms(), 0);
        live.memory.put(header::DIRTY_SINCE, 7);
        live.begin_round();
        assert_eq!(words(&live), [0, 7]);
        // It fails; meanwhile others change.
        live.memory.put(header::DIRTY_SINCE, 9);
        live.begin_round();
        assert_eq!(words(&live), [0, 7]);
        live.end_round();
        assert_eq!(words(&live), [0, 0]);
        assert_eq!(live.lag_ms(), 0);
    }

    #[test]
    fn a_tenant_that_changed_again_counts_from_before_its_snapshot() {
        let live = live();
        live.memory.put(header::DIRTY_SINCE, 3);
        live.begin_round();
        note_dirty(&live.memory);
        live.is_dirty_since(5);
        assert_eq!(words(&live), [5, 3]);
        live.is_dirty_since(6);
        live.end_round();
        assert_eq!(words(&live), [5, 0]);
    }

    #[test]
    fn the_lag_counts_from_the_earlier_of_both_words() {
        assert_eq!(lag_of(0, 0, 100), 0);
        assert_eq!(lag_of(40, 0, 100), 60);
        assert_eq!(lag_of(0, 30, 100), 70);
        assert_eq!(lag_of(40, 30, 100), 70);
        assert_eq!(lag_of(400, 0, 100), 0);
    }

    #[test]
    fn failures_count_from_the_first_until_a_round_succeeds() {
        let live = live();
        assert_eq!(live.failing(), None);
        live.note_failed(201);
        live.memory.put(header::FAILING_SINCE, 1);
        live.note_failed(202);
        assert_eq!(live.failing().map(|(_, code)| code), Some(202));
        assert_eq!(live.memory.get(header::FAILING_SINCE), 1);
        live.note_succeeded();
        assert_eq!((live.failing(), live.rounds_failed()), (None, 2));
    }
}
