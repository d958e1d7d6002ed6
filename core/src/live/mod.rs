//! The live file: memory that all processes of a host share, in which decisions are made.
//!
//! `docs/live-file.md` draws it byte for byte and says what a crash at each step leaves behind.
//! This is the only folder of the crate with `unsafe` in it; beside it only `closable.rs` has any.
#![allow(unsafe_code)]

mod aliases;
pub(crate) mod attach;
mod check;
pub(crate) mod clocks;
pub(crate) mod directory;
pub(crate) mod entries;
pub(crate) mod entry_capacity;
pub(crate) mod entry_index;
pub(crate) mod events;
pub(crate) mod expiry;
pub(crate) mod file;
pub(crate) mod fork_safe;
mod futex;
pub(crate) mod history;
pub(crate) mod holds;
mod inquiry;
pub(crate) mod inspect;
pub(crate) mod lag;
pub(crate) mod layout;
mod layout_4;
pub(crate) mod location;
pub(crate) mod lock;
mod map;
mod owner;
#[cfg(test)]
mod owner_tests;
pub(crate) mod owners;
mod pin;
pub(crate) mod process;
pub(crate) mod record;
pub(crate) mod restore;
mod saved;
mod sip;
pub(crate) mod snapshot;
pub(crate) mod takings;

use std::sync::atomic::Ordering;
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher13};

pub(crate) use directory::Hash128;
use file::{GrowError, Memory};
use layout::{WORD, header};
#[cfg(feature = "crash_points")]
pub(crate) use process::signal_this_process;
pub(crate) use process::{coarse_realtime, wall_and_boot_ms};

/// Why a live file may no longer be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Poison {
    /// A commit or a sync failed, or its outcome is unknown.
    Commit = 1,
    /// A word of the file leads outside it, or a lock was another's when it was released.
    Damaged = 2,
    /// In this process alone: its database was deleted or replaced.
    DatabaseGone = 4,
    /// In this process alone: another has adopted the file meanwhile.
    TakenForDead = 5,
    /// In this process alone: it could not map what another has added to the file.
    NotMapped = 6,
}

impl Poison {
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Poison::Commit => "a commit's outcome is unknown",
            Poison::Damaged => "the live file is damaged",
            Poison::DatabaseGone => "its database was deleted or replaced while it was in use",
            Poison::NotMapped => "there is no memory to map what the live file has grown by",
            Poison::TakenForDead => "another process has adopted the live file meanwhile",
        }
    }
}

/// What makes a live file this database's, in this run of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) database_id: [u64; 2],
    pub(crate) hash_key: [u64; 2],
    pub(crate) epoch: u64,
    pub(crate) token: u64,
}

/// A mapped live file and what is constant in it.
#[derive(Debug)]
pub(crate) struct LiveFile {
    pub(crate) memory: Memory,
    /// Of every hash in the file.
    key: [u64; 2],
}

impl LiveFile {
    fn of(memory: Memory) -> LiveFile {
        let key = [memory.get(header::HASH_KEY), memory.get(header::HASH_KEY + WORD)];
        LiveFile { memory, key }
    }

    /// The hash of a tenant's name.
    #[inline]
    pub(crate) fn hash_name(&self, name: &str) -> Hash128 {
        sip::hash(self.key, &[], name.as_bytes())
    }

    /// The keyed hash of `prefix`, which has 8 bytes at most, followed by `text`.
    #[inline]
    pub(crate) fn hash_text(&self, prefix: &[u8], text: &str) -> Hash128 {
        sip::hash(self.key, prefix, text.as_bytes())
    }

    /// The keyed hash of whatever `feed` writes.
    #[inline]
    pub(crate) fn hash(&self, feed: impl FnOnce(&mut SipHasher13)) -> Hash128 {
        let mut hasher = SipHasher13::new_with_keys(self.key[0], self.key[1]);
        feed(&mut hasher);
        let hash = hasher.finish128();
        Hash128 { low: hash.h1, high: hash.h2 }
    }

    /// The database's own secret, for what must not be guessed from outside.
    pub(crate) fn secret(&self) -> [u8; 16] {
        let mut secret = [0; 16];
        let words = [self.memory.get(header::HASH_KEY), self.memory.get(header::HASH_KEY + WORD)];
        let bytes = words.into_iter().flat_map(u64::to_le_bytes);
        secret.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        secret
    }

    /// Which database it belongs to.
    pub(crate) fn database_id(&self) -> [u64; 2] {
        [self.memory.get(header::DATABASE_ID), self.memory.get(header::DATABASE_ID + WORD)]
    }

    /// A word of the header.
    #[inline]
    pub(crate) fn header(&self, word: u64) -> u64 {
        self.memory.cell(word).load(Ordering::Acquire)
    }

    /// Publishes a word of the header.
    pub(crate) fn set_header(&self, word: u64, value: u64) {
        self.memory.cell(word).store(value, Ordering::Release);
    }

    /// Why this process may not use the file, if so.
    #[inline]
    pub(crate) fn poison(&self) -> Option<Poison> {
        self.memory.poison()
    }

    /// Refuses everything from here on, in all processes, until the last has detached.
    pub(crate) fn set_poison(&self, poison: Poison) {
        self.memory.set_poison(poison);
    }

    /// The compiled catalog: its version and its bytes.
    pub(crate) fn catalog(&self) -> Option<(u64, Vec<u8>)> {
        let at = self.header(header::CATALOG);
        if at == 0 {
            return None;
        }
        let version = self.memory.get(at);
        // No longer than the file: a damaged length would take years.
        let len = self.memory.get(at + WORD).min(self.header(header::FILE_LEN)) as usize;
        let words = (0..len.div_ceil(WORD as usize) as u64)
            .flat_map(|word| self.memory.get(at + (2 + word) * WORD).to_le_bytes());
        Some((version, words.take(len).collect()))
    }

    /// The version of the compiled catalog; 0: there is none.
    #[inline]
    pub(crate) fn catalog_version(&self) -> u64 {
        match self.header(header::CATALOG) {
            0 => 0,
            at => self.memory.get(at),
        }
    }

    /// Writes a compiled catalog, for [`publish_catalog`](Self::publish_catalog).
    pub(crate) fn write_catalog(&self, version: u64, bytes: &[u8]) -> Result<u64, GrowError> {
        let at = self.memory.allocate(2 * WORD + bytes.len().next_multiple_of(8) as u64)?;
        self.memory.put(at, version);
        self.memory.put(at + WORD, bytes.len() as u64);
        for (word, chunk) in bytes.chunks(WORD as usize).enumerate() {
            let mut padded = [0; WORD as usize];
            for (to, &from) in padded.iter_mut().zip(chunk) {
                *to = from;
            }
            self.memory.put(at + (2 + word as u64) * WORD, u64::from_le_bytes(padded));
        }
        Ok(at)
    }

    /// Puts the catalog that was written at `at` in force. The one before stays where it is:
    /// another thread may be reading it.
    pub(crate) fn publish_catalog(&self, at: u64) {
        self.set_header(header::CATALOG, at);
    }

    // ---- tokens ----------------------------------------------------------------------------

    /// Whether a database with `token` is the one this file runs with.
    pub(crate) fn token_fits(&self, token: u64) -> bool {
        token == self.header(header::TOKEN_CURRENT)
            || token == self.header(header::TOKEN_INTENDED)
            || crate::crash_points::off(crate::crash_points::Guard::Token)
    }

    /// A token that was intended and then neither seen in the database nor abandoned: its
    /// transaction may sit in a commit that only recovery would bring to light.
    pub(crate) fn outstanding_token(&self, found: u64) -> Option<u64> {
        Some(self.header(header::TOKEN_INTENDED)).filter(|&intended| intended != found)
    }

    /// A fresh token for the transaction that found `found`, which is not outstanding.
    pub(crate) fn intend_token(&self, found: u64) -> u64 {
        self.set_header(header::TOKEN_CURRENT, found);
        let fresh = process::random_u64();
        self.set_header(header::TOKEN_INTENDED, fresh);
        fresh
    }

    /// The transaction with the intended token was rolled back: the token means nothing.
    pub(crate) fn abandon_token(&self) {
        self.set_header(header::TOKEN_INTENDED, self.header(header::TOKEN_CURRENT));
    }

    /// The transaction with the intended token is committed.
    pub(crate) fn confirm_token(&self, token: u64) {
        self.set_header(header::TOKEN_CURRENT, token);
    }

    // ---- waiting for the disk --------------------------------------------------------------

    /// Draws the number of a transaction. The caller holds the writer lock.
    pub(crate) fn next_commit(&self) -> u64 {
        let number = self.last_commit() + 1;
        self.set_header(header::COMMITS, number);
        number
    }

    /// Number of the last transaction that was begun. Numbers of transactions start with 2.
    pub(crate) fn last_commit(&self) -> u64 {
        last_commit(&self.memory)
    }

    /// A transaction that waited for the disk was committed: it is there, and all before it.
    pub(crate) fn note_synced(&self, commit: u64) {
        self.memory.cell(header::SYNCED).fetch_max(commit, Ordering::AcqRel);
    }

    /// Whether a transaction is known to be on the disk.
    pub(crate) fn is_synced(&self, commit: u64) -> bool {
        commit <= self.memory.cell(header::SYNCED).load(Ordering::Acquire)
    }

    /// Wakes the checkpointer, wherever it is.
    pub(crate) fn wake_checkpointer(&self) {
        futex::wake_all(self.memory.futex(header::WAKE));
    }

    /// Sleeps until the checkpointer is wanted or `timeout` is over. `seen` is what
    /// [`wake_word`](Self::wake_word) said before the last look at the work.
    pub(crate) fn wait_to_be_wanted(&self, seen: u32, timeout: Duration) {
        futex::wait(self.memory.futex(header::WAKE), seen, timeout);
    }

    pub(crate) fn wake_word(&self) -> u32 {
        self.memory.futex(header::WAKE).load(Ordering::Acquire)
    }

    /// Wakes those who wait for a transaction of checkpoints.
    pub(crate) fn wake_waiting(&self) {
        futex::wake_all(self.memory.futex(header::DONE));
    }

    pub(crate) fn done_word(&self) -> u32 {
        self.memory.futex(header::DONE).load(Ordering::Acquire)
    }

    /// Sleeps until a transaction of checkpoints was committed or `timeout` is over.
    pub(crate) fn wait_for_commit(&self, seen: u32, timeout: Duration) {
        futex::wait(self.memory.futex(header::DONE), seen, timeout);
    }
}

/// Number of the last transaction that was begun. No transaction has number 1: the records of a new
/// file bear it, so that they do not count as synced before a transaction has waited for the disk.
pub(crate) fn last_commit(memory: &Memory) -> u64 {
    memory.get(header::COMMITS).max(1)
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use super::*;

    #[test]
    fn a_text_in_one_piece_hashes_as_in_two() {
        let live = LiveFile::of(Memory::anonymous().expect("is mapped"));
        for len in [0, 1, 7, 8, 15, 16, 60, 61, 62, 200] {
            let text = "x".repeat(len);
            let in_two = live.hash(|hasher| {
                hasher.write_u32(0x0201);
                hasher.write(text.as_bytes());
            });
            assert_eq!(live.hash_text(&[1, 2, 0, 0], &text), in_two, "{len}");
        }
    }
}
