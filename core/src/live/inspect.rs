//! A live file read from outside: nothing is mapped, locked, waited for or written, so that a file
//! in any state can be looked at, by a process that is not attached.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::layout::{MAGIC, WORD, chunk_of, header, owner, owner_number, record};
use super::lock::WAITERS;
use super::owners::{self, OwnerRow};
use super::{Poison, directory, lag, pin, process};

/// Tenants that are looked at, so that a damaged number keeps no process busy for ever.
const RECORDS_MAX: u64 = 1 << 20;
/// Bytes that are read at once.
const BLOCK_BYTES: u64 = 64 << 10;

/// An open live file.
pub(crate) struct Inspected {
    file: File,
    len: u64,
    /// What was read last: neighbouring words are read together.
    block: RefCell<Block>,
}

#[derive(Default)]
struct Block {
    start: u64,
    bytes: Vec<u8>,
}

/// A lock and its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldLock {
    /// Where its word lies.
    pub(crate) at: u64,
    /// The owner's id.
    pub(crate) owner: u64,
    /// What the tenant's record counted then; 0: the lock is of the header.
    pub(crate) seq: u64,
}

/// How far SQLite is behind, by the header.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InspectedLag {
    pub(crate) ms: u64,
    /// For how long checkpoints have failed, and the code of the last failure's error.
    pub(crate) failing: Option<(u64, i32)>,
    pub(crate) rounds_failed: u64,
}

/// What the records say.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// How many there are.
    pub(crate) count: u64,
    /// Those that SQLite does not have all of.
    pub(crate) unsaved: u64,
    /// The latest instant that any of them has seen.
    pub(crate) latest_ms: u64,
    /// Those that are locked.
    pub(crate) held: Vec<HeldLock>,
    /// A word that leads outside the file.
    pub(crate) is_damaged: bool,
}

/// The locks of the header, and what each guards.
pub(crate) const LOCKS: [(u64, &str); 4] = [
    (header::WRITER_LOCK, "the writer lock"),
    (header::CHECKPOINT_LOCK, "the checkpoint"),
    (header::DIRECTORY_LOCK, "the directory"),
    (header::ALLOCATOR_LOCK, "the allocator"),
];

impl Inspected {
    /// Opens the file at `path` for reading. `None`: there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Inspected>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let len = file.metadata()?.len();
        Ok(Some(Inspected { file, len, block: RefCell::default() }))
    }

    /// Whether it begins as a live file does.
    pub(crate) fn is_live_file(&self) -> bool {
        self.word(header::MAGIC) == Some(MAGIC)
    }

    /// Whether it was made in this run of the kernel; of another one nothing else is of use.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        process::boot_id().is_ok_and(|boot| self.pair(header::BOOT_ID) == Some(boot))
    }

    /// Forgets what was read, to read again.
    pub(crate) fn look_again(&self) {
        self.block.replace(Block::default());
    }

    /// A word of the file; `None`: it lies outside.
    pub(crate) fn word(&self, at: u64) -> Option<u64> {
        if !at.is_multiple_of(WORD) || at.checked_add(WORD)? > self.len {
            return None;
        }
        let start = at / BLOCK_BYTES * BLOCK_BYTES;
        let mut block = self.block.borrow_mut();
        if block.start != start || block.bytes.is_empty() {
            let bytes = BLOCK_BYTES.min(self.len - start) as usize;
            block.bytes.resize(bytes, 0);
            block.start = start;
            if self.file.read_exact_at(&mut block.bytes, start).is_err() {
                block.bytes.clear();
                return None;
            }
        }
        let offset = (at - start) as usize;
        let bytes = block.bytes.get(offset..offset + WORD as usize)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }

    /// Two words of the file.
    pub(crate) fn pair(&self, at: u64) -> Option<[u64; 2]> {
        Some([self.word(at)?, self.word(at + WORD)?])
    }

    /// Why the file may not be used, by what it says to all processes.
    pub(crate) fn poison(&self) -> Option<&'static str> {
        let word = self.word(header::POISON).unwrap_or(0);
        let says = |poison: Poison| (word & poison as u64 != 0).then(|| poison.why());
        says(Poison::Damaged).or_else(|| says(Poison::Commit))
    }

    /// Whether `token` is one that the file runs with.
    pub(crate) fn token_fits(&self, token: u64) -> bool {
        [header::TOKEN_CURRENT, header::TOKEN_INTENDED]
            .into_iter()
            .any(|at| self.word(at) == Some(token))
    }

    /// How far SQLite is behind.
    pub(crate) fn lag(&self) -> InspectedLag {
        let word = |at| self.word(at).unwrap_or(0);
        let now = process::coarse_monotonic_ms();
        let failing = match word(header::FAILING_SINCE) {
            0 => None,
            since => Some((now.saturating_sub(since), word(header::FAILURE) as i32)),
        };
        InspectedLag {
            ms: lag::lag_of(word(header::DIRTY_SINCE), word(header::ROUND_SINCE), now),
            failing,
            rounds_failed: word(header::ROUNDS_FAILED),
        }
    }

    /// The processes that have noted themselves as owners since the file was adopted.
    pub(crate) fn owners(&self) -> Vec<OwnerRow> {
        let floor = self.word(header::FLOOR).unwrap_or(0);
        let row = |row| {
            let at = header::OWNERS + row * owner::BYTES;
            let word = |of| self.word(at + of);
            let id = word(owner::ID)?;
            let is_noted = id != 0 && id & WAITERS == 0 && owner_number(id) >= floor;
            is_noted.then_some(owners::row(
                id,
                word(owner::NAMESPACE)?,
                word(owner::PROCESS)?,
                word(owner::STARTED)?,
            ))
        };
        (0..header::OWNER_COUNT).filter_map(row).collect()
    }

    /// Whether the owner lives; `None`: that is not known here.
    pub(crate) fn lives(&self, row: &OwnerRow) -> Option<bool> {
        if row.is_pinned {
            return pin::is_byte_locked(&self.file, row.id).ok();
        }
        row.is_here().then(|| !row.is_gone())
    }

    /// Whether the owner of a lock is known to live: by its row, or by the byte of its id.
    pub(crate) fn holder_lives(&self, id: u64) -> bool {
        let number = owner_number(id);
        let floor = self.word(header::FLOOR).unwrap_or(0);
        let next = self.word(header::NEXT_ID).unwrap_or(u64::MAX);
        number >= floor && number < next && pin::is_byte_locked(&self.file, id).unwrap_or(true)
    }

    /// The locks of the header that are held.
    pub(crate) fn held_in_header(&self) -> Vec<HeldLock> {
        LOCKS.iter().filter_map(|&(at, _)| self.held(at, 0)).collect()
    }

    /// The lock at `at`, if it is held.
    pub(crate) fn held(&self, at: u64, seq: u64) -> Option<HeldLock> {
        let owner = self.word(at)? & !WAITERS;
        (owner != 0).then_some(HeldLock { at, owner, seq })
    }

    /// The lock of a record that was seen locked, if it still is.
    pub(crate) fn still_held(&self, seen: &HeldLock) -> bool {
        let seq = if seen.seq == 0 { 0 } else { self.seq_of(seen.at).unwrap_or(0) };
        self.held(seen.at, seq) == Some(*seen)
    }

    fn seq_of(&self, record: u64) -> Option<u64> {
        // Counted from one: 0 means a lock of the header.
        self.word(record + record::SEQ)?.checked_add(1)
    }

    /// Looks at every record, as far as there is reason in their number.
    pub(crate) fn records(&self) -> Records {
        let mut found =
            Records { count: self.word(header::RECORD_COUNT).unwrap_or(0), ..Records::default() };
        for index in 0..found.count.min(RECORDS_MAX) {
            let (chunk, position) = chunk_of(index, directory::FIRST_CHUNK_LOG2);
            let table = self.word(header::RECORD_CHUNKS + chunk * WORD);
            let at = table.and_then(|table| self.word(table.checked_add(position * WORD)?));
            if at.and_then(|at| self.note_record(at, &mut found)).is_none() {
                found.is_damaged = true;
                break;
            }
        }
        found
    }

    fn note_record(&self, at: u64, found: &mut Records) -> Option<()> {
        let word = |of: u64| self.word(at.checked_add(of)?);
        let (seq, saved) = (word(record::SEQ)?, word(record::CHECKPOINTED_SEQ)?);
        let (state, seen_ms) = (word(record::STATE)?, word(record::HIGH_WATER_MARK)?);
        let exists = state & record::STATE_BITS != 0;
        if exists {
            found.latest_ms = found.latest_ms.max(seen_ms);
        }
        if seq > saved && exists {
            found.unsaved += 1;
        }
        found.held.extend(self.held(at, self.seq_of(at)?));
        Some(())
    }
}
