//! What SQLite has of a tenant's counters and grants, remembered beside the record: so that a
//! checkpoint writes what has changed since the last one, and no more.
//!
//! The copy is that of one snapshot, and counts only while SQLite's `seq` is that snapshot's: a
//! transaction that was rolled back, or an administrative change, makes it count for nothing.

use std::sync::atomic::{Ordering, compiler_fence};

use super::layout::{LINE, WORD, pack, record, unpack};
use super::record::RecordGuard;
use super::snapshot::{CounterImage, Snapshot};
use crate::crash_points::{Guard, off, point};
use crate::rules::Usage;

/// Words of a counter in the copy: used, beyond, next event.
const COUNTER_WORDS: usize = 3;
/// Words of a grant: its number, what remains.
const GRANT_WORDS: usize = 2;
/// Words before them: how many counters, how many grants.
const HEAD_WORDS: usize = 2;
/// Capacities that can be packed beside an offset.
const CAPACITY_MAX: u64 = u16::MAX as u64;

/// A snapshot's counters and grants as the copy has them.
fn words_of(taken: &Snapshot) -> Vec<u64> {
    let counter = |it: &CounterImage| {
        let Usage { used, beyond } = it.usage;
        [used, beyond, it.next_event]
    };
    let head = [taken.counters.len() as u64, taken.remaining.len() as u64];
    let grants = taken.remaining.iter().flat_map(|&(grant, remaining)| [grant, remaining]);
    head.into_iter().chain(taken.counters.iter().flat_map(counter)).chain(grants).collect()
}

/// Leaves of a snapshot what differs from the copy `saved`, whose first words are as those of
/// `now`.
fn leave_out(taken: &mut Snapshot, now: &[u64], saved: &[u64]) {
    let counters_end = HEAD_WORDS + COUNTER_WORDS * taken.counters.len();
    let differs = |from: usize, to: usize| now.get(from..to) != saved.get(from..to);
    let mut at = HEAD_WORDS;
    taken.counters.retain(|_| {
        at += COUNTER_WORDS;
        differs(at - COUNTER_WORDS, at)
    });
    let mut at = counters_end;
    taken.remaining.retain(|_| {
        at += GRANT_WORDS;
        differs(at - GRANT_WORDS, at)
    });
}

impl RecordGuard<'_> {
    /// Takes out of a snapshot, which was just taken, what SQLite has already; `committed` is the
    /// sequence number that SQLite has, and `saved_seq` that of the copy before the snapshot was
    /// taken. Remembers the snapshot.
    pub(crate) fn leave_out_saved(&self, taken: &mut Snapshot, committed: u64, saved_seq: u64) {
        let now = words_of(taken);
        let (at, capacity) = unpack(self.get(record::SAVED));
        let fits = now.len() as u64 <= capacity;
        let at = if fits { at } else { self.enlarge_saved(now.len() as u64).unwrap_or(0) };
        if at == 0 {
            return;
        }
        let words = || now.iter().zip(0u64..).map(|(&word, nth)| (at + nth * WORD, word));
        let counts = saved_seq == committed && committed != 0;
        if fits && (counts || off(Guard::Saved)) {
            let saved: Vec<u64> = words().map(|(at, _)| self.memory.get(at)).collect();
            if saved.get(..HEAD_WORDS) == now.get(..HEAD_WORDS) {
                leave_out(taken, &now, &saved);
            }
        }
        words().for_each(|(at, word)| self.memory.put(at, word));
        point("saved.copied");
        compiler_fence(Ordering::SeqCst);
        self.put(record::SAVED_SEQ, taken.seq);
    }

    /// The tenant's row in SQLite, as it was last seen; 0: not seen yet. The caller compares the
    /// hash.
    pub(crate) fn row(&self) -> i64 {
        self.get(record::ROW).cast_signed()
    }

    /// Remembers the tenant's row in SQLite.
    pub(crate) fn set_row(&self, row: i64) {
        self.put(record::ROW, row.cast_unsigned());
    }

    /// The sequence number of the copy; 0: no copy counts.
    pub(crate) fn saved_seq(&self) -> u64 {
        self.get(record::SAVED_SEQ)
    }

    /// The copy counts for nothing from here on.
    pub(super) fn forget_saved(&self) {
        self.put(record::SAVED_SEQ, 0);
        compiler_fence(Ordering::SeqCst);
    }

    /// Another place for the copy. `None`: there is no capacity, and everything is written.
    #[cold]
    fn enlarge_saved(&self, words: u64) -> Option<u64> {
        let line = LINE / WORD;
        let capacity = words.next_multiple_of(line);
        if capacity > CAPACITY_MAX {
            return None;
        }
        let at = self.memory.allocate(capacity * WORD).ok()?;
        self.put(record::SAVED, pack(at, capacity));
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::rules::ResourceId;

    fn taken(used: &[u64], remaining: &[(u64, u64)]) -> Snapshot {
        let image = |(resource, &used): (u16, &u64)| CounterImage {
            resource: ResourceId(resource),
            usage: Usage { used, beyond: 0 },
            next_event: u64::MAX,
        };
        Snapshot {
            seq: 1,
            high_water_mark: Timestamp::MIN,
            counters: (0..).zip(used).map(image).collect(),
            remaining: remaining.to_vec(),
            entries: Vec::new(),
            history: Vec::new(),
            events: Vec::new(),
            next_event: 0,
        }
    }

    #[test]
    fn what_is_the_same_is_left_out() {
        let saved = words_of(&taken(&[4, 5, 6], &[(1, 9), (2, 8)]));
        let mut now = taken(&[4, 7, 6], &[(1, 9), (2, 3)]);
        let words = words_of(&now);
        leave_out(&mut now, &words, &saved);
        let left: Vec<_> = now.counters.iter().map(|it| it.resource.0).collect();
        assert_eq!((left, now.remaining), (vec![1], vec![(2, 3)]));
    }
}
