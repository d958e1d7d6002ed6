//! The index that leads from an entry's key to its index.
//!
//! Open addressing, linear probing; a bucket holds a tag of the key and the place plus one. The
//! tag's upper bits say where the search begins, so that a bucket can be moved without a look at
//! its entry, and buckets that lie together stay together in an index twice as large. When the
//! index grows, or has too many tombstones, another takes over, and a few buckets of the old one
//! are moved with every operation.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU64, compiler_fence};

use super::directory::Hash128;
use super::entries::{Entry, EntryIndex, EntryTable};
use super::entry_capacity::EntryError;
use super::file::{Memory, prefetch};
use super::layout::{WORD, entries, entry, pack, record, unpack};
use super::record::RecordGuard;

/// Buckets of the old index moved per operation: a line of them.
const MOVED_PER_OPERATION: u64 = 8;
/// Buckets are filled to three quarters.
const FILL: (u64, u64) = (3, 4);
/// The low half of a bucket whose entry is gone: the search goes on.
const TOMBSTONE: u64 = u32::MAX as u64;
const LOW: u64 = u32::MAX as u64;
/// Bits of a tag.
const TAG_BITS: u64 = 32;

/// The buckets of an index.
#[derive(Clone, Copy)]
struct Buckets<'a> {
    cells: &'a [AtomicU64],
    /// How far to shift a tag to have its home.
    shift: u64,
}

impl<'a> Buckets<'a> {
    #[inline(always)]
    fn of(memory: &'a Memory, index: u64) -> Buckets<'a> {
        let (at, log2) = unpack(index);
        let log2 = log2.min(TAG_BITS);
        Buckets { cells: memory.run(at, 1 << log2), shift: TAG_BITS - log2 }
    }

    /// Where the search for a bucket with this tag begins.
    #[inline(always)]
    fn home(self, tag: u64) -> usize {
        (tag >> self.shift) as usize
    }

    #[inline(always)]
    fn next(self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }

    /// Asks for the line of buckets at `at`, and for the two into which they go in an index twice
    /// as large: they are moved by the next operation.
    #[inline(always)]
    fn expect_around(self, at: usize, to: Buckets<'_>) {
        let home = to.home((at as u64) << self.shift);
        let lines = [to.cells.get(home), to.cells.get(home + MOVED_PER_OPERATION as usize)];
        self.cells.get(at).into_iter().chain(lines.into_iter().flatten()).for_each(prefetch);
    }

    /// All buckets once, from `at` on: the cell, and where it is.
    #[inline(always)]
    fn from(self, at: usize) -> impl Iterator<Item = (usize, &'a AtomicU64)> {
        let mut next = at;
        (0..self.cells.len()).map_while(move |_| {
            let at = next;
            next = self.next(at);
            Some((at, self.cells.get(at)?))
        })
    }
}

/// What a search has found: a bucket, and the entry to which it leads.
struct Found<'a> {
    at: usize,
    bucket: &'a AtomicU64,
    entry: Entry<'a>,
}

impl<'a> RecordGuard<'a> {
    /// Where the entry with this key is, whether it has expired or not.
    #[inline]
    pub(crate) fn find_entry(&self, key: Hash128) -> Option<EntryIndex> {
        self.find(key).map(|entry| entry.index)
    }

    /// The entry with this key, whether it has expired or not.
    #[inline(always)]
    pub(crate) fn find(&self, key: Hash128) -> Option<Entry<'a>> {
        if !self.has_entries() {
            return None;
        }
        let table = self.table();
        match self.find_bucket(self.buckets(table.get(entries::INDEX)), key) {
            Some(found) => Some(found.entry),
            None if table.get(entries::OLD_INDEX) == 0 => None,
            None => self.find_old(table, key).map(|found| found.entry),
        }
    }

    #[inline(always)]
    fn buckets(&self, index: u64) -> Buckets<'a> {
        Buckets::of(self.memory, index)
    }

    #[inline(always)]
    fn find_bucket(&self, buckets: Buckets<'a>, key: Hash128) -> Option<Found<'a>> {
        self.search(buckets, buckets.home(tag(key)), key)
    }

    /// Buckets below the cursor have been moved and are passed over: all buckets between a key's
    /// home and its place were in use, so that its place, if it has not been moved, is reached
    /// from the cursor on.
    #[cold]
    fn find_old(&self, table: EntryTable<'a>, key: Hash128) -> Option<Found<'a>> {
        let buckets = self.buckets(table.get(entries::OLD_INDEX));
        let cursor = table.get(entries::OLD_CURSOR) as usize;
        let from = buckets.home(tag(key)).max(cursor);
        let found = self.search(buckets, from, key);
        // What went around the end lies beyond the cursor, or has been moved.
        found.or_else(|| self.search(buckets, cursor, key))
    }

    #[inline(always)]
    fn search(&self, buckets: Buckets<'a>, from: usize, key: Hash128) -> Option<Found<'a>> {
        for (at, bucket) in buckets.from(from) {
            let word = bucket.load(Relaxed);
            if word == 0 {
                return None;
            }
            if word >> TAG_BITS == tag(key) && word & LOW != TOMBSTONE {
                let entry = self.entry(place_of(word));
                if entry.get(entry::KEY) == key.low && entry.get(entry::KEY + WORD) == key.high {
                    return Some(Found { at, bucket, entry });
                }
            }
        }
        None
    }

    // ---- growing ---------------------------------------------------------------------------

    /// Has another index take over, which is larger unless this one is full of tombstones. Nothing
    /// may be armed.
    #[cold]
    pub(super) fn grow_index(&mut self, makes: u64) -> Result<(), EntryError> {
        let table = self.table();
        let (at, old_log2) = unpack(table.get(entries::INDEX));
        let capacity = capacity_of(old_log2);
        while table.get(entries::OLD_INDEX) != 0 {
            self.move_buckets();
        }
        // Half of it tombstones: the same size will do.
        let many = table.get(entries::LIVE) * 2 > capacity || makes * 2 > capacity;
        let log2 = if many { old_log2 + 1 } else { old_log2 };
        let (spare, spare_log2) = unpack(table.get(entries::SPARE_INDEX));
        let new = if spare != 0 && spare_log2 == log2 {
            spare
        } else {
            self.memory.allocate((1 << log2) * WORD)?
        };
        self.set_cell(table.cell(entries::SPARE_INDEX), 0);
        self.set_cell(table.cell(entries::OLD_INDEX), pack(at, old_log2));
        self.set_cell(table.cell(entries::OLD_CURSOR), 0);
        self.set_cell(table.cell(entries::INDEX), pack(new, log2));
        self.set_cell(table.cell(entries::FILLED), 0);
        let _stood = self.finish();
        Ok(())
    }

    /// Moves a few buckets of the old index into the new one and empties them. Needs no undo: a
    /// bucket is copied, then the cursor passes it, then it is emptied, and the process that goes
    /// on after a crash does again what may have been done. The undo log must be empty.
    pub(super) fn move_buckets(&self) {
        let table = self.table();
        let old = table.get(entries::OLD_INDEX);
        let (from, to) = (self.buckets(old), self.buckets(table.get(entries::INDEX)));
        let mut cursor = table.get(entries::OLD_CURSOR);
        let end = (cursor + MOVED_PER_OPERATION).min(from.cells.len() as u64);
        if let Some(last) = cursor.checked_sub(1).and_then(|last| from.cells.get(last as usize)) {
            store(last, 0);
        }
        for bucket in from.cells.get(cursor as usize..end as usize).unwrap_or_default() {
            let word = bucket.load(Relaxed);
            if word != 0 && word & LOW != TOMBSTONE {
                copy_bucket(table, to, word);
            }
            crate::crash_points::point("entries.copied");
            cursor += 1;
            store(table.cell(entries::OLD_CURSOR), cursor);
            crate::crash_points::point("entries.passed");
            if word != 0 {
                store(bucket, 0);
            }
        }
        from.expect_around(cursor as usize, to);
        if cursor >= from.cells.len() as u64 {
            store(table.cell(entries::SPARE_INDEX), old);
            crate::crash_points::point("entries.spared");
            store(table.cell(entries::OLD_INDEX), 0);
        }
    }

    // ---- changing --------------------------------------------------------------------------

    /// Enters an entry into the index. Its capacity has been reserved.
    #[inline(always)]
    pub(super) fn enter(&mut self, table: EntryTable<'a>, key: Hash128, entry: EntryIndex) {
        let buckets = self.buckets(table.get(entries::INDEX));
        for (_, bucket) in buckets.from(buckets.home(tag(key))) {
            let found = bucket.load(Relaxed);
            if found == 0 {
                self.set_cell(table.cell(entries::FILLED), table.get(entries::FILLED) + 1);
            }
            if found == 0 || found & LOW == TOMBSTONE {
                self.set_cell(bucket, tag(key) << TAG_BITS | (u64::from(entry.0) + 1));
                return;
            }
        }
    }

    /// Takes an entry out of the index, or out of both while one gives way to the other.
    pub(super) fn leave(&mut self, table: EntryTable<'a>, key: Hash128) {
        let buckets = self.buckets(table.get(entries::INDEX));
        if let Some(Found { at, bucket, .. }) = self.find_bucket(buckets, key) {
            let last = buckets.cells.get(buckets.next(at));
            if last.is_some_and(|next| next.load(Relaxed) == 0) {
                // The search would end with the next one: it may end here.
                self.set_cell(
                    table.cell(entries::FILLED),
                    table.get(entries::FILLED).saturating_sub(1),
                );
                self.set_cell(bucket, 0);
            } else {
                self.set_cell(bucket, TOMBSTONE);
            }
        }
        if table.get(entries::OLD_INDEX) != 0
            && let Some(found) = self.find_old(table, key)
        {
            self.set_cell(found.bucket, TOMBSTONE);
        }
    }
}

/// Whether so many more entries can be entered.
#[inline(always)]
pub(super) fn index_has_capacity(table: EntryTable<'_>, makes: u64) -> bool {
    table.get(entries::FILLED) + makes <= capacity_of(unpack(table.get(entries::INDEX)).1)
}

/// Asks for the lines in which a search for `key` begins, in the entries of the record at `at`,
/// which need not be locked: nothing is read from it yet.
#[inline(always)]
pub(crate) fn expect(memory: &Memory, at: u64, key: Hash128) {
    let table = memory.get(at + record::ENTRIES);
    if table == 0 {
        return;
    }
    for index in [entries::INDEX, entries::OLD_INDEX] {
        let index = memory.get(table + index);
        if index != 0 {
            let buckets = Buckets::of(memory, index);
            if let Some(cell) = buckets.cells.get(buckets.home(tag(key))) {
                prefetch(cell);
            }
        }
    }
}

/// Writes a bucket into an index, unless it is there already. The count goes first: one too many
/// does no harm.
fn copy_bucket(table: EntryTable<'_>, to: Buckets<'_>, word: u64) {
    for (_, bucket) in to.from(to.home(word >> TAG_BITS)) {
        match bucket.load(Relaxed) {
            0 => {
                store(table.cell(entries::FILLED), table.get(entries::FILLED) + 1);
                return store(bucket, word);
            }
            found if found == word => return,
            _ => {}
        }
    }
}

/// Writes a word in a step that needs no undo.
#[inline(always)]
fn store(cell: &AtomicU64, value: u64) {
    cell.store(value, Relaxed);
    compiler_fence(SeqCst);
    crate::crash_points::point("undo.word"); // Undone or not: a crash after any word is tried.
}

const fn tag(key: Hash128) -> u64 {
    key.high >> TAG_BITS
}

const fn place_of(bucket: u64) -> EntryIndex {
    EntryIndex((bucket & LOW).wrapping_sub(1) as u32)
}

/// Buckets of an index that may be filled.
const fn capacity_of(log2: u64) -> u64 {
    (1u64 << log2) * FILL.0 / FILL.1
}
