//! Usage that waits to be recorded in SQLite, by the hour of the decision.

use std::sync::atomic::Ordering::Relaxed;

use super::layout::{WORD, counter, record};
use super::record::{CounterRef, RecordGuard};
use crate::clock::{HOUR_MS, Timestamp};
use crate::rules::decide::USED_MAX;
use crate::rules::{Reason, ResourceId};

/// What an entry of the history counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HistoryKey {
    /// Hours since 1970-01-01T00:00Z.
    pub(crate) hour: u32,
    /// 0: units used; [`RETURNED`]; else the number of the reason for which a decision was
    /// denied, or would have been: [`SHADOWED`] more than it.
    pub(crate) metric: u8,
    /// The resource; [`ResourceId::NONE`] where no resource was the reason.
    pub(crate) resource: ResourceId,
}

/// Units given back in the period in which they were used.
pub(crate) const RETURNED: u8 = 64;
/// Added to the number of a reason for which a decision would have been denied.
pub(crate) const SHADOWED: u8 = 128;

const COUNT: u64 = WORD;
const AT_SNAPSHOT: u64 = 2 * WORD;

impl HistoryKey {
    pub(crate) fn units(now: Timestamp, resource: ResourceId) -> HistoryKey {
        HistoryKey { hour: hour(now), metric: 0, resource }
    }

    pub(crate) fn denied(now: Timestamp, reason: Reason, resource: Option<ResourceId>) -> Self {
        let resource = resource.unwrap_or(ResourceId::NONE);
        HistoryKey { hour: hour(now), metric: reason as u8, resource }
    }

    pub(crate) fn shadowed(now: Timestamp, reason: Reason, resource: Option<ResourceId>) -> Self {
        let denied = HistoryKey::denied(now, reason, resource);
        HistoryKey { metric: SHADOWED + denied.metric, ..denied }
    }

    pub(crate) fn returned(now: Timestamp, resource: ResourceId) -> Self {
        HistoryKey { metric: RETURNED, ..HistoryKey::units(now, resource) }
    }

    const fn to_word(self) -> u64 {
        (self.hour as u64) << 32 | (self.metric as u64) << 16 | self.resource.0 as u64
    }

    const fn from_word(word: u64) -> HistoryKey {
        HistoryKey {
            hour: (word >> 32) as u32,
            metric: (word >> 16) as u8,
            resource: ResourceId(word as u16),
        }
    }
}

/// The hour in which `now` lies; times before 1970 count as its first hour.
fn hour(now: Timestamp) -> u32 {
    u32::try_from(now.ms().div_euclid(HOUR_MS)).unwrap_or(0)
}

const fn entry(index: u64) -> u64 {
    record::HISTORY + index * record::HISTORY_ENTRY
}

impl RecordGuard<'_> {
    /// Whether `keys` more kinds of usage can be noted without a checkpoint.
    #[inline]
    pub(crate) fn history_has_capacity(&self, keys: u64) -> bool {
        self.get(record::HISTORY_COUNT) + keys <= record::HISTORY_ENTRIES
    }

    /// Notes `count` units of `slot`'s resource as used. Writes at most four words.
    #[inline(always)]
    pub(crate) fn record_units(&mut self, counter: CounterRef<'_>, key: HistoryKey, count: u64) {
        let hint_cell = counter.cell(counter::HISTORY_HINT);
        let hint = hint_cell.load(Relaxed) % record::HISTORY_ENTRIES;
        if self.get(entry(hint)) == key.to_word() {
            self.add(hint, count);
            return;
        }
        if let Some(index) = self.record_history(key, count) {
            self.set_cell(hint_cell, index);
        }
    }

    /// Notes `count` of `key`. Writes at most three words.
    pub(crate) fn record_history(&mut self, key: HistoryKey, count: u64) -> Option<u64> {
        let word = key.to_word();
        let mut free = None;
        for index in 0..record::HISTORY_ENTRIES {
            if self.get(entry(index)) == word {
                self.add(index, count);
                return Some(index);
            }
            if free.is_none() && self.get(entry(index) + COUNT) == 0 {
                free = Some(index);
            }
        }
        let index = free?;
        self.set(self.at + entry(index), word);
        self.add(index, count);
        Some(index)
    }

    #[inline(always)]
    fn add(&mut self, index: u64, count: u64) {
        let at = entry(index) + COUNT;
        let old = self.get(at);
        if old == 0 && count != 0 {
            self.set_cell(self.cell(record::HISTORY_COUNT), self.get(record::HISTORY_COUNT) + 1);
        }
        self.set_cell(self.cell(at), old.saturating_add(count).min(USED_MAX));
    }

    /// Everything noted since the last confirmed checkpoint, remembered as such.
    pub(super) fn snapshot_history(&self) -> Vec<(HistoryKey, u64)> {
        let mut entries = Vec::new();
        for index in 0..record::HISTORY_ENTRIES {
            let count = self.get(entry(index) + COUNT);
            self.put(entry(index) + AT_SNAPSHOT, count);
            if count != 0 {
                entries.push((HistoryKey::from_word(self.get(entry(index))), count));
            }
        }
        entries
    }

    /// Takes away what the last snapshot held: SQLite has it. Writes at most 65 words.
    pub(super) fn confirm_history(&mut self) {
        let mut left = 0;
        for index in 0..record::HISTORY_ENTRIES {
            let (count_at, snapshot_at) = (entry(index) + COUNT, entry(index) + AT_SNAPSHOT);
            let (count, recorded) = (self.get(count_at), self.get(snapshot_at));
            let rest = count.saturating_sub(recorded);
            left += u64::from(rest != 0);
            if recorded != 0 {
                self.set(self.at + count_at, rest);
                self.set(self.at + snapshot_at, 0);
            }
        }
        self.set(self.at + record::HISTORY_COUNT, left);
    }
}
