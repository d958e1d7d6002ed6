//! From the hash of a tenant's name to its record, without a lock; and all records by number.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::file::{GrowError, Memory};
use super::layout::{LINE, WORD, chunk_of, header, pack, record, unpack};
use super::{Poison, lock};

/// A keyed hash of 128 bits: of a tenant's name, or of the key of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hash128 {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// log2 of the first table's buckets.
pub(crate) const FIRST_LOG2: u64 = 10;
/// log2 of the first chunk of the record table.
pub(super) const FIRST_CHUNK_LOG2: u32 = 10;
const TIMEOUT: Duration = Duration::from_secs(10);
const TAG_BITS: u32 = 16;
/// log2 of the buckets of a table, at most: twice as many as tenants have capacity in the file.
const TABLE_LOG2_MAX: u64 = 28;

/// A bucket: the record's offset and 16 bits of its hash, so that strangers are not looked up.
fn bucket(record: u64, hash: Hash128) -> u64 {
    pack(record, hash.high >> (u64::BITS - TAG_BITS))
}

/// The offset of the record of `hash`.
#[inline]
pub(crate) fn find(memory: &Memory, hash: Hash128) -> Option<u64> {
    loop {
        let table = memory.cell(header::DIRECTORY).load(Ordering::Acquire);
        if let Some(record) = probe(memory, table, hash) {
            return Some(record);
        }
        // A miss counts only if the table was the current one all the while.
        if memory.cell(header::DIRECTORY).load(Ordering::Acquire) == table {
            return None;
        }
    }
}

#[inline]
fn probe(memory: &Memory, table: u64, hash: Hash128) -> Option<u64> {
    let (table, log2) = unpack(table);
    let mask = (1u64 << log2.min(TABLE_LOG2_MAX)) - 1;
    let mut at = hash.low & mask;
    for _ in 0..=mask {
        let word = memory.cell(table.wrapping_add(at * WORD)).load(Ordering::Acquire);
        if word == 0 {
            return None;
        }
        let record = unpack(word).0;
        if word == bucket(record, hash) && hash_of(memory, record) == hash {
            return Some(record);
        }
        at = (at + 1) & mask;
    }
    None
}

/// Publishes `block`, whose hash is written and which is in no table yet.
pub(crate) fn insert(memory: &Memory, record: u64, hash: Hash128) -> Result<(), GrowError> {
    let held = lock::take(memory, header::DIRECTORY_LOCK, TIMEOUT)?;
    let count = memory.get(header::DIRECTORY_COUNT) + 1;
    let (_, log2) = unpack(memory.get(header::DIRECTORY));
    if log2 > TABLE_LOG2_MAX || count > 1 << TABLE_LOG2_MAX {
        memory.set_poison(Poison::Damaged);
        return Err(GrowError::AddressSpace);
    }
    if count * 2 > 1 << log2 {
        enlarge(memory, log2 + 1)?;
    }
    memory.put(header::DIRECTORY_COUNT, count);
    crate::crash_points::point("directory.counted");
    link(memory, memory.get(header::DIRECTORY), record, hash);
    crate::crash_points::point("directory.published");
    drop(held);
    Ok(())
}

/// Publishes `block` in the place of `old`, whose tenant is no more: a holder of the old one
/// finds it vacant.
pub(crate) fn replace(
    memory: &Memory,
    old: u64,
    record: u64,
    hash: Hash128,
) -> Result<(), GrowError> {
    let held = lock::take(memory, header::DIRECTORY_LOCK, TIMEOUT)?;
    let (table, log2) = unpack(memory.get(header::DIRECTORY));
    let mask = (1u64 << log2.min(TABLE_LOG2_MAX)) - 1;
    let mut at = hash.low & mask;
    for _ in 0..=mask {
        let cell = memory.cell(table + at * WORD);
        if unpack(cell.load(Ordering::Relaxed)).0 == old {
            cell.store(bucket(record, hash), Ordering::Release);
            break;
        }
        at = (at + 1) & mask;
    }
    drop(held);
    Ok(())
}

/// Copies the directory into a larger table and makes that the current one. The old one stays
/// where it is: another process may be reading it.
fn enlarge(memory: &Memory, log2: u64) -> Result<(), GrowError> {
    let new = pack(memory.allocate((1 << log2) * WORD)?, log2);
    let (old, old_log2) = unpack(memory.get(header::DIRECTORY));
    for at in 0..1u64 << old_log2.min(TABLE_LOG2_MAX) {
        let word = memory.get(old + at * WORD);
        if word != 0 {
            let record = unpack(word).0;
            link(memory, new, record, hash_of(memory, record));
        }
    }
    crate::crash_points::point("directory.copied");
    memory.cell(header::DIRECTORY).store(new, Ordering::Release);
    Ok(())
}

fn link(memory: &Memory, table: u64, record: u64, hash: Hash128) {
    let (table, log2) = unpack(table);
    let mask = (1u64 << log2.min(TABLE_LOG2_MAX)) - 1;
    let mut at = hash.low & mask;
    for _ in 0..=mask {
        let cell = memory.cell(table + at * WORD);
        if cell.load(Ordering::Relaxed) == 0 {
            return cell.store(bucket(record, hash), Ordering::Release);
        }
        at = (at + 1) & mask;
    }
    // Half of it is free, unless its size is damaged.
    memory.set_poison(Poison::Damaged);
}

/// The hash of the tenant of `block`.
#[inline]
pub(crate) fn hash_of(memory: &Memory, record: u64) -> Hash128 {
    match memory.words(record + record::HASH) {
        Some([low, high]) => {
            Hash128 { low: low.load(Ordering::Relaxed), high: high.load(Ordering::Relaxed) }
        }
        None => Hash128 { low: 0, high: 0 },
    }
}

/// Gives the new `block` a number, under which the checkpointer finds it.
pub(crate) fn number(memory: &Memory, record: u64) -> Result<u64, GrowError> {
    let held = lock::take(memory, header::DIRECTORY_LOCK, TIMEOUT)?;
    let index = memory.get(header::RECORD_COUNT);
    let (chunk, position) = chunk_of(index, FIRST_CHUNK_LOG2);
    if chunk >= header::RECORD_CHUNK_COUNT {
        return Err(GrowError::AddressSpace);
    }
    let root = header::RECORD_CHUNKS + chunk * WORD;
    if memory.get(root) == 0 {
        let positions = positions_in(chunk);
        let bytes = positions * WORD + MARKS * positions / 8;
        memory.cell(root).store(memory.allocate(bytes)?, Ordering::Release);
    }
    memory.put(memory.get(root) + position * WORD, record);
    memory.put(record + record::INDEX, index);
    memory.cell(header::RECORD_COUNT).store(index + 1, Ordering::Release);
    drop(held);
    Ok(index)
}

/// The record with this number, if there is one.
pub(super) fn record_at(memory: &Memory, index: u64) -> Option<u64> {
    if index >= memory.cell(header::RECORD_COUNT).load(Ordering::Acquire) {
        return None;
    }
    let (chunk, position) = chunk_of(index, FIRST_CHUNK_LOG2);
    let root = header::RECORD_CHUNKS + chunk * WORD;
    let table = (chunk < header::RECORD_CHUNK_COUNT).then(|| memory.get(root))?;
    (table != 0).then(|| memory.get(table.wrapping_add(position * WORD)))
}

const fn positions_in(chunk: u64) -> u64 {
    1 << (chunk + FIRST_CHUNK_LOG2 as u64)
}

/// Marks that a record may have, a bit each.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    /// It has changed since its last checkpoint.
    Dirty,
    /// A caller waits for its checkpoint.
    Awaited,
}

/// How many marks there are.
const MARKS: u64 = 2;

/// Marks the record with this number.
#[inline]
pub(crate) fn set_mark(memory: &Memory, mark: Mark, index: u64) {
    let (cell, bit) = mark_bit(memory, mark, index);
    // Before the look at `DIRTY_SINCE`.
    memory.cell(cell).fetch_or(bit, Ordering::SeqCst);
}

/// Takes the mark away again.
pub(crate) fn clear_mark(memory: &Memory, mark: Mark, index: u64) {
    let (cell, bit) = mark_bit(memory, mark, index);
    memory.cell(cell).fetch_and(!bit, Ordering::Release);
}

fn mark_bit(memory: &Memory, mark: Mark, index: u64) -> (u64, u64) {
    let (chunk, position) = chunk_of(index, FIRST_CHUNK_LOG2);
    let positions = positions_in(chunk);
    let table = memory.get(header::RECORD_CHUNKS + chunk * WORD);
    let bits = table.wrapping_add(positions * WORD + mark as u64 * positions / 8);
    (bits.wrapping_add(position / 64 * WORD), 1 << (position % 64))
}

/// Calls `visit` with the offset of every record, or of every record that is marked.
pub(crate) fn for_each_record(memory: &Memory, marked: Option<Mark>, mut visit: impl FnMut(u64)) {
    // No more than there is capacity for: a damaged count would take years.
    let most = memory.get(header::FILE_LEN) / record::FIRST_COUNTERS;
    let count = memory.cell(header::RECORD_COUNT).load(Ordering::Acquire).min(most);
    let mut index = 0;
    while index < count {
        let (chunk, position) = chunk_of(index, FIRST_CHUNK_LOG2);
        let table = memory.get(header::RECORD_CHUNKS + chunk * WORD);
        let mut marks = u64::MAX << (position % 64);
        if let Some(mark) = marked {
            marks &= memory.cell(mark_bit(memory, mark, index).0).load(Ordering::SeqCst);
        }
        // 64 records share a word of marks; chunks are multiples of 64.
        let word_end = (index / 64 + 1) * 64;
        while marks != 0 {
            let bit = u64::from(marks.trailing_zeros());
            marks &= marks - 1;
            let at = index / 64 * 64 + bit;
            if at < count {
                let place = (position / 64 * 64 + bit) * WORD;
                visit(memory.get(table.wrapping_add(place)));
            }
        }
        index = word_end;
    }
}

/// Makes the first, empty directory of a new file.
pub(crate) fn create(memory: &Memory) -> Result<(), GrowError> {
    let table = memory.allocate((1 << FIRST_LOG2) * WORD)?;
    debug_assert!(table.is_multiple_of(LINE));
    memory.put(header::DIRECTORY, pack(table, FIRST_LOG2));
    Ok(())
}
