//! Where every word of the live file lies. `docs/live-file.md` draws the same in pictures.
//!
//! All offsets are bytes from the start of the file. A "word" is an aligned `u64`. Words that
//! hold an offset and a small number together are [`pack`]ed, so that both change in one store.

/// "COTASLIV", the first word of every live file.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"COTASLIV");
/// Changes with every change to what this module says.
pub(crate) const LAYOUT_VERSION: u64 = 5;
/// "LE64": words of 64 bits, the low byte first. All that the file asks of processor and C library.
pub(crate) const ABI_TAG: u64 = u64::from_le_bytes(*b"LE64\0\0\0\0");

/// Bytes in a word.
pub(crate) const WORD: u64 = 8;
/// Everything that is allocated starts on a cache line.
pub(crate) const LINE: u64 = 64;
/// The file grows by whole pages.
pub(crate) const PAGE: u64 = 4096;
/// The header is a page and the table of owners; what is allocated comes after it.
pub(crate) const HEADER_BYTES: u64 = header::OWNERS + header::OWNER_COUNT * owner::BYTES;

/// Words and locks of the header.
pub(crate) mod header {
    use super::{PAGE, WORD};

    pub(crate) const MAGIC: u64 = 0;
    pub(crate) const LAYOUT: u64 = WORD;
    pub(crate) const ABI_TAG: u64 = 2 * WORD;
    /// 128 random bits that name the database; the same in SQLite.
    pub(crate) const DATABASE_ID: u64 = 3 * WORD;
    /// 128 bits that name the run of the kernel in which the file was made. In this place in every
    /// layout since the fourth.
    pub(crate) const BOOT_ID: u64 = 5 * WORD;
    /// Device of the database, as those who are attached see it.
    pub(crate) const DATABASE_DEVICE: u64 = 7 * WORD;
    /// 128 random bits; the key of every hash in the file; the same in SQLite.
    pub(crate) const HASH_KEY: u64 = 8 * WORD;
    pub(crate) const EPOCH: u64 = 10 * WORD;
    /// Bytes of the file that are backed by disk space.
    pub(crate) const FILE_LEN: u64 = 11 * WORD;
    /// First byte that is not allocated.
    pub(crate) const NEXT_FREE: u64 = 12 * WORD;
    pub(crate) const TOKEN_CURRENT: u64 = 13 * WORD;
    pub(crate) const TOKEN_INTENDED: u64 = 14 * WORD;
    /// Packed: directory table, log2 of its buckets.
    pub(crate) const DIRECTORY: u64 = 15 * WORD;
    pub(crate) const DIRECTORY_COUNT: u64 = 16 * WORD;
    pub(crate) const RECORD_COUNT: u64 = 17 * WORD;
    /// Offset of the compiled catalog: version word, byte-length word, bytes.
    pub(crate) const CATALOG: u64 = 18 * WORD;
    /// Version of the catalog that is being committed; 0: none.
    pub(crate) const CATALOG_PENDING: u64 = 19 * WORD;
    /// Adoption number `<< 2`, and why the file may not be used: 0, or bits of `Poison`. One
    /// comparison shows a process both.
    pub(crate) const POISON: u64 = 20 * WORD;
    /// Number of the last transaction that was begun. Written under the writer lock.
    pub(crate) const COMMITS: u64 = 21 * WORD;
    /// Number of the last transaction that is known to be on the disk, with all before it.
    pub(crate) const SYNCED: u64 = 22 * WORD;
    /// Futex word: changes when the checkpointer is wanted.
    pub(crate) const WAKE: u64 = 23 * WORD;
    /// Futex word: changes when a round of checkpoints has ended.
    pub(crate) const DONE: u64 = 24 * WORD;
    /// Inode of the lock file that goes with this live file.
    pub(crate) const LOCK_INODE: u64 = 25 * WORD;
    /// The least address space that any attached process could set aside: the file may not grow
    /// past what all of them can see.
    pub(crate) const ADDRESS_LIMIT: u64 = 26 * WORD;
    /// Inode of the database.
    pub(crate) const DATABASE_INODE: u64 = 27 * WORD;
    /// Number of the next owner. Only rises.
    pub(crate) const NEXT_ID: u64 = 28 * WORD;
    /// `NEXT_ID` when the file was last adopted: owners below it are dead. The adoption number.
    pub(crate) const FLOOR: u64 = 29 * WORD;
    /// 1: the last who was attached left nothing that SQLite does not have.
    pub(crate) const IS_CLEAN: u64 = 30 * WORD;
    /// Inquiries about owners that could not be made.
    pub(crate) const INQUIRIES_FAILED: u64 = 31 * WORD;
    /// When the first tenant changed after the last round of checkpoints began (milliseconds,
    /// monotonic); 0: none has.
    pub(crate) const DIRTY_SINCE: u64 = 32 * WORD;
    /// The same of what changed before it and is not all written.
    pub(crate) const ROUND_SINCE: u64 = 33 * WORD;
    /// When the first of the rounds failed that have failed since one succeeded; 0: none has.
    pub(crate) const FAILING_SINCE: u64 = 34 * WORD;
    /// Code of the error of the last round that failed.
    pub(crate) const FAILURE: u64 = 35 * WORD;
    /// Rounds that have failed.
    pub(crate) const ROUNDS_FAILED: u64 = 36 * WORD;

    // How the clocks stood at the last look: see `clocks.rs`. A line of their own.
    /// Whose clock is looked at: 0: none yet, 1: a manual one, 2: the machine's.
    pub(crate) const CLOCK_SOURCE: u64 = 896;
    /// Wall time less boot time, as it is believed; signed, with the top bit turned.
    pub(crate) const CLOCK_OFFSET: u64 = CLOCK_SOURCE + WORD;
    /// The largest that it has been.
    pub(crate) const CLOCK_OFFSET_MAX: u64 = CLOCK_SOURCE + 2 * WORD;
    /// Milliseconds that the wall clock runs ahead of what is believed.
    pub(crate) const CLOCK_AHEAD: u64 = CLOCK_SOURCE + 3 * WORD;
    /// Boot time when that was first seen, with the top bit turned; 0: it is not so.
    pub(crate) const CLOCK_AHEAD_SINCE: u64 = CLOCK_SOURCE + 4 * WORD;
    /// Milliseconds by which the wall clock was set back since the boot.
    pub(crate) const CLOCK_BACK: u64 = CLOCK_SOURCE + 5 * WORD;
    /// How often time began again without a measure of how much had passed.
    pub(crate) const CLOCK_RESTARTS: u64 = CLOCK_SOURCE + 6 * WORD;
    /// Wall time at the last look.
    pub(crate) const CLOCK_LOOKED: u64 = CLOCK_SOURCE + 7 * WORD;
    /// Boot time at the last look, with the top bit turned.
    pub(crate) const CLOCK_BOOT: u64 = CLOCK_SOURCE + 8 * WORD;

    pub(crate) const WRITER_LOCK: u64 = 1024;
    pub(crate) const CHECKPOINT_LOCK: u64 = 1024 + 64;
    pub(crate) const DIRECTORY_LOCK: u64 = 1024 + 128;
    pub(crate) const ALLOCATOR_LOCK: u64 = 1024 + 192;
    /// Held by the one who waits for the writer lock next, and for a round of checkpoints.
    pub(crate) const WRITER_TURN: u64 = 1024 + 256;
    pub(crate) const CHECKPOINT_TURN: u64 = 1024 + 320;
    /// When an owner was last asked about, by its number modulo the places.
    pub(crate) const ASKED: u64 = 1536;
    /// Owners that were found dead, in the same places.
    pub(crate) const FOUND_DEAD: u64 = 1792;
    pub(crate) const INQUIRY_BUCKETS: u64 = 32;

    /// Chunks of the record table, one word each.
    pub(crate) const RECORD_CHUNKS: u64 = 2048;
    pub(crate) const RECORD_CHUNK_COUNT: u64 = 24;

    /// The table of owners.
    pub(crate) const OWNERS: u64 = PAGE;
    pub(crate) const OWNER_COUNT: u64 = 1_024;
}

/// Words of an owner in the table.
pub(crate) mod owner {
    use super::WORD;

    /// As lock words hold it; 0: the place is free.
    pub(crate) const ID: u64 = 0;
    /// Inode of its PID namespace.
    pub(crate) const NAMESPACE: u64 = WORD;
    /// Its id there, and in bit 32 whether a lock says that it lives.
    pub(crate) const PROCESS: u64 = 2 * WORD;
    /// When it was started, in ticks since the boot.
    pub(crate) const STARTED: u64 = 3 * WORD;
    pub(crate) const BYTES: u64 = 4 * WORD;
}

/// The bit of a lock word that no owner's id has.
pub(crate) const WAITERS_BIT: u32 = 31;
/// Numbers of owners lie below, so that their ids are bytes of a file.
const OWNER_BITS: u32 = 62;

/// The owner's number as a lock word holds it, with [`WAITERS_BIT`] left out.
pub(crate) const fn owner_word(number: u64) -> Option<u64> {
    if number >> OWNER_BITS != 0 {
        return None;
    }
    let low = number & ((1 << WAITERS_BIT) - 1);
    Some(number >> WAITERS_BIT << (WAITERS_BIT + 1) | low)
}

/// The number that [`owner_word`] was made of.
pub(crate) const fn owner_number(word: u64) -> u64 {
    let low = word & ((1 << WAITERS_BIT) - 1);
    word >> (WAITERS_BIT + 1) << WAITERS_BIT | low
}

/// Words of a record, one per tenant.
pub(crate) mod record {
    use super::WORD;

    // The first two lines are what a decision looks at.
    pub(crate) const LOCK: u64 = 0;
    /// Entries of the undo log in force, and above them a tag made of `SEQ`; not 0: pending.
    pub(crate) const UNDO_COUNT: u64 = WORD;
    /// Number of the administrative change under way; 0: none.
    pub(crate) const PENDING: u64 = 2 * WORD;
    /// 0: vacant (its tenant does not exist), 1: live; above two bits, the adoption under which
    /// the record was checked.
    pub(crate) const STATE: u64 = 3 * WORD;
    /// Bits of that word that say the state.
    pub(crate) const STATE_BITS: u64 = 3;
    /// Until then the block is right as it stands (milliseconds since 1970).
    pub(crate) const VALID_UNTIL: u64 = 4 * WORD;
    /// When the first of the open reservations expires (milliseconds since 1970); `MAX`: none is
    /// open.
    pub(crate) const HOLDS_DUE: u64 = 5 * WORD;
    /// Counts every change.
    pub(crate) const SEQ: u64 = 6 * WORD;
    /// `SEQ` up to which SQLite has everything.
    pub(crate) const CHECKPOINTED_SEQ: u64 = 7 * WORD;

    /// Packed: undo record, how many entries it has capacity for.
    pub(crate) const UNDO: u64 = 8 * WORD;
    /// Packed: counter table, number of counters.
    pub(crate) const COUNTERS: u64 = 9 * WORD;
    pub(crate) const GATES: u64 = 10 * WORD;
    /// The latest instant this tenant has seen.
    pub(crate) const HIGH_WATER_MARK: u64 = 11 * WORD;
    pub(crate) const HISTORY_COUNT: u64 = 12 * WORD;
    /// Offset of the entry table; 0: none yet.
    pub(crate) const ENTRIES: u64 = 13 * WORD;
    pub(crate) const HASH: u64 = 14 * WORD;

    /// Number of the last administrative change that is applied here.
    pub(crate) const ADMIN_SEQ: u64 = 16 * WORD;
    /// `SEQ` as of the last snapshot taken for a checkpoint.
    pub(crate) const SNAPSHOT_SEQ: u64 = 17 * WORD;
    /// When the plan's units are next restored (milliseconds since 1970); `MAX`: not foreseen.
    pub(crate) const RESTORES_AT: u64 = 18 * WORD;
    /// This record's number.
    pub(crate) const INDEX: u64 = 19 * WORD;
    /// Number of the tenant's current period.
    pub(crate) const PERIOD: u64 = 20 * WORD;
    /// Leases given out so far: what fencing numbers are made of.
    pub(crate) const FENCE: u64 = 21 * WORD;
    /// The entry whose state the change under way writes, plus one; 0: none.
    pub(crate) const ADMIN_ENTRY: u64 = 22 * WORD;
    /// When meters begin again that do so each month (milliseconds since 1970); `MAX`: there are
    /// none.
    pub(crate) const MONTH_ENDS_AT: u64 = 23 * WORD;

    pub(crate) const FEATURES: u64 = 24 * WORD;
    pub(crate) const FEATURE_WORDS: u64 = 4;
    /// Packed: ring of events, log2 of its capacity; 0: none yet.
    pub(crate) const EVENTS: u64 = 28 * WORD;
    /// First event that SQLite does not have.
    pub(crate) const EVENT_HEAD: u64 = 29 * WORD;
    /// Number of the next event.
    pub(crate) const EVENT_TAIL: u64 = 30 * WORD;
    /// `EVENT_TAIL` as of the last snapshot.
    pub(crate) const EVENT_SNAPSHOT: u64 = 31 * WORD;

    /// Number of the transaction that wrote what `CHECKPOINTED_SEQ` says.
    pub(crate) const COMMIT: u64 = 32 * WORD;
    /// Packed: copy of what SQLite has of counters and grants, its capacity in words; 0: none.
    pub(crate) const SAVED: u64 = 33 * WORD;
    /// `SEQ` of the snapshot that the copy is of; 0: it counts for nothing.
    pub(crate) const SAVED_SEQ: u64 = 34 * WORD;
    /// The tenant's row in SQLite, as far as it is known; 0: it is not.
    pub(crate) const ROW: u64 = 35 * WORD;
    // What lies between is left for checksums.
    /// `CLOCK_RESTARTS` of the header when the tenant's leases, rates and reservations were last
    /// looked through.
    pub(crate) const CLOCK_RESTARTS: u64 = 39 * WORD;

    /// Usage not yet recorded in SQLite: entries of key, count, count at the last snapshot.
    pub(crate) const HISTORY: u64 = 40 * WORD;
    pub(crate) const HISTORY_ENTRIES: u64 = 32;
    pub(crate) const HISTORY_ENTRY: u64 = 3 * WORD;

    /// The first undo record; a larger one replaces it where an operation needs it.
    pub(crate) const FIRST_UNDO: u64 = HISTORY + HISTORY_ENTRIES * HISTORY_ENTRY;
    pub(crate) const FIRST_UNDO_ENTRIES: u64 = 96;
    pub(crate) const UNDO_ENTRY: u64 = 2 * WORD;

    /// The first counter table follows.
    pub(crate) const FIRST_COUNTERS: u64 = FIRST_UNDO + FIRST_UNDO_ENTRIES * UNDO_ENTRY;
    /// Words that every record has.
    pub(crate) const WORDS: usize = (FIRST_COUNTERS / WORD) as usize;
}

/// Words of a counter: one resource of one tenant. What a decision needs comes first.
pub(crate) mod counter {
    use super::WORD;

    pub(crate) const WORDS: usize = 16;
    pub(crate) const BYTES: u64 = WORDS as u64 * WORD;
    /// [`CounterTerms`](crate::rules::CounterTerms) as a number: how it is limited and counted.
    pub(crate) const TERMS: u64 = 0;
    /// Units used since the period began; of what is held: how much is held.
    pub(crate) const USED: u64 = WORD;
    /// Packed: burn-down list, how many entries it has capacity for.
    pub(crate) const GRANTS: u64 = 2 * WORD;
    pub(crate) const GRANT_COUNT: u64 = 3 * WORD;
    /// Where this resource's usage was last written in the record's history.
    pub(crate) const HISTORY_HINT: u64 = 4 * WORD;
    /// Used units at which the next event is due; `MAX`: none.
    pub(crate) const NEXT_EVENT: u64 = 5 * WORD;
    /// Entries of grant id and remaining units.
    pub(crate) const FIRST_GRANTS: u64 = 6 * WORD;
    pub(crate) const FIRST_GRANT_ENTRIES: u64 = 2;
    pub(crate) const GRANT_ENTRY: u64 = 2 * WORD;
    /// What the limit is, where the resource has a finite one.
    pub(crate) const LIMIT: u64 = 10 * WORD;
    /// Units beyond the limit that a soft limit lets pass; `MAX`: any number.
    pub(crate) const CAP: u64 = 11 * WORD;
    /// Used units that no grant gave.
    pub(crate) const BEYOND: u64 = 12 * WORD;
    /// Used units that open reservations hold.
    pub(crate) const HELD: u64 = 13 * WORD;
    /// Expiry heap of the resource's entries; 0: none yet.
    pub(crate) const EXPIRY: u64 = 14 * WORD;
    /// Which count a meter is in: changes whenever it starts again.
    pub(crate) const CYCLE: u64 = 15 * WORD;
}

/// Words of a tenant's entry table.
pub(crate) mod entries {
    use super::WORD;

    /// Entries that have ever been in use; the counters above are untouched.
    pub(crate) const TOUCHED: u64 = 0;
    /// First free entry plus one; 0: none.
    pub(crate) const FREE: u64 = WORD;
    /// Buckets of the index that are not empty, tombstones included.
    pub(crate) const FILLED: u64 = 2 * WORD;
    /// Entries in use.
    pub(crate) const LIVE: u64 = 3 * WORD;
    /// Packed: index, log2 of its buckets.
    pub(crate) const INDEX: u64 = 4 * WORD;
    /// Packed: the index being emptied into `INDEX`; 0: none.
    pub(crate) const OLD_INDEX: u64 = 5 * WORD;
    /// First bucket of the old index that has not been moved.
    pub(crate) const OLD_CURSOR: u64 = 6 * WORD;
    /// Packed: an emptied index, to be used again; 0: none.
    pub(crate) const SPARE_INDEX: u64 = 7 * WORD;
    /// Packed: ring of changed entries, log2 of its capacity.
    pub(crate) const RING: u64 = 8 * WORD;
    /// First entry of the ring that SQLite does not have.
    pub(crate) const RING_HEAD: u64 = 9 * WORD;
    /// Where the next entry of the ring goes.
    pub(crate) const RING_TAIL: u64 = 10 * WORD;
    /// `RING_TAIL` as of the last snapshot.
    pub(crate) const RING_SNAPSHOT: u64 = 11 * WORD;
    /// Expiry heap of what is only remembered, idempotency keys and resolved reservations; 0: none
    /// yet.
    pub(crate) const KEPT: u64 = 12 * WORD;
    /// Expiry heap of open reservations; 0: none yet.
    pub(crate) const HOLDS: u64 = 13 * WORD;
    /// Contacts that have more than one name.
    pub(crate) const ALIASES: u64 = 14 * WORD;
    /// Chunks of the slab, one word each: chunk k has capacity for `FIRST_CHUNK << k` entries.
    pub(crate) const CHUNKS: u64 = 16 * WORD;
    pub(crate) const CHUNK_COUNT: u64 = 24;
    pub(crate) const FIRST_CHUNK: u64 = 16;
    pub(crate) const BYTES: u64 = CHUNKS + CHUNK_COUNT * WORD;
    pub(crate) const WORDS: usize = (BYTES / WORD) as usize;
}

/// Words of an entry.
pub(crate) mod entry {
    use super::WORD;

    pub(crate) const WORDS: usize = 16;
    pub(crate) const BYTES: u64 = WORDS as u64 * WORD;
    /// Hash of what it stands for; zero: it is reached by its place alone.
    pub(crate) const KEY: u64 = 0;
    /// Kind in the low byte (0: free), resource in the next 16 bits, state in the next 8.
    pub(crate) const META: u64 = 2 * WORD;
    pub(crate) const START: u64 = 3 * WORD;
    pub(crate) const END: u64 = 4 * WORD;
    /// Place in its expiry heap plus one, 0: in none; of a free entry: the next free one plus one.
    pub(crate) const POSITION: u64 = 5 * WORD;
    /// The record's `SEQ` when the entry last changed.
    pub(crate) const CHANGED: u64 = 6 * WORD;
    pub(crate) const PAYLOAD: u64 = 7 * WORD;
    pub(crate) const PAYLOAD_WORDS: usize = 9;
}

/// Words of an expiry heap.
pub(crate) mod heap {
    use super::WORD;

    /// Entries in use.
    pub(crate) const LEN: u64 = 0;
    /// Chunks of entries, one word each: chunk k has capacity for `FIRST_CHUNK << k` entries.
    pub(crate) const CHUNKS: u64 = WORD;
    pub(crate) const CHUNK_COUNT: u64 = 24;
    pub(crate) const FIRST_CHUNK: u64 = 16;
    /// When it is due, and which entry.
    pub(crate) const ENTRY: u64 = 2 * WORD;
    pub(crate) const BYTES: u64 = CHUNKS + CHUNK_COUNT * WORD;
    pub(crate) const WORDS: usize = (BYTES / WORD) as usize;
}

/// Words of an event in a record's ring.
pub(crate) mod event {
    use super::WORD;

    /// Kind in the low byte, percentage in the next, resource in the next 16 bits.
    pub(crate) const WHAT: u64 = 0;
    pub(crate) const AT: u64 = WORD;
    pub(crate) const FIRST: u64 = 2 * WORD;
    pub(crate) const SECOND: u64 = 3 * WORD;
    pub(crate) const BYTES: u64 = 4 * WORD;
    pub(crate) const RING_LOG2: u64 = 6;
}

const LOW_BITS: u32 = 16;

/// An offset below 2^48 and a number below 2^16 in one word.
pub(crate) const fn pack(offset: u64, low: u64) -> u64 {
    debug_assert!(offset < 1 << 48 && low < 1 << LOW_BITS);
    offset << LOW_BITS | low
}

/// The offset and the number that [`pack`] put together.
pub(crate) const fn unpack(word: u64) -> (u64, u64) {
    (word >> LOW_BITS, word & ((1 << LOW_BITS) - 1))
}

/// In a doubling chunked array whose first chunk has `1 << first_log2` places: the chunk of
/// `index` and the place in it.
pub(crate) const fn chunk_of(index: u64, first_log2: u32) -> (u64, u64) {
    let shifted = (index >> first_log2) + 1;
    let chunk = shifted.ilog2();
    (chunk as u64, index - (((1u64 << chunk) - 1) << first_log2))
}

// The parts of a record, a counter and an entry do not overlap.
const _: () = {
    assert!(record::HASH + 2 * WORD == 2 * LINE);
    assert!(record::FEATURES + record::FEATURE_WORDS * WORD == record::EVENTS);
    assert!(record::EVENT_SNAPSHOT < record::HISTORY);
    assert!(header::ROUNDS_FAILED < header::CLOCK_SOURCE);
    assert!(header::CLOCK_SOURCE.is_multiple_of(LINE));
    assert!(header::CLOCK_BOOT + WORD <= header::WRITER_LOCK);
    assert!(header::CHECKPOINT_TURN + LINE <= header::ASKED);
    assert!(header::ASKED + header::INQUIRY_BUCKETS * WORD == header::FOUND_DEAD);
    assert!(header::FOUND_DEAD + header::INQUIRY_BUCKETS * WORD == header::RECORD_CHUNKS);
    assert!(header::RECORD_CHUNKS + header::RECORD_CHUNK_COUNT * WORD <= header::OWNERS);
    assert!(HEADER_BYTES.is_multiple_of(PAGE));
    assert!(
        counter::FIRST_GRANTS + counter::FIRST_GRANT_ENTRIES * counter::GRANT_ENTRY
            <= counter::LIMIT
    );
    assert!(counter::CYCLE + WORD == counter::BYTES);
    assert!(entries::ALIASES < entries::CHUNKS);
    assert!(entry::PAYLOAD + entry::PAYLOAD_WORDS as u64 * WORD == entry::BYTES);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_no_waiters_bit_and_keeps_its_place_among_others() {
        let numbers = [0, 1, (1 << 31) - 1, 1 << 31, 1_800_000_000_000_000_000, (1 << 62) - 1];
        let words = numbers.map(|number| owner_word(number).expect("is a number"));
        assert!(words.is_sorted());
        for (number, word) in numbers.into_iter().zip(words) {
            assert_eq!(word >> WAITERS_BIT & 1, 0, "{number}");
            assert_eq!(owner_number(word), number);
        }
        assert_eq!(owner_word(1 << 62), None);
    }

    #[test]
    fn packed_words_come_apart_again() {
        assert_eq!(unpack(pack(0x7fff_ffff_ffc0, 65_535)), (0x7fff_ffff_ffc0, 65_535));
    }

    #[test]
    fn chunks_double_and_leave_no_gap() {
        assert_eq!(chunk_of(0, 4), (0, 0));
        assert_eq!(chunk_of(15, 4), (0, 15));
        assert_eq!(chunk_of(16, 4), (1, 0));
        assert_eq!(chunk_of(47, 4), (1, 31));
        assert_eq!(chunk_of(48, 4), (2, 0));
    }
}
