//! The table of owners in the header: for people, and for file systems where a mapping keeps no
//! lock.

use std::io;
use std::sync::atomic::{Ordering, fence};

use super::file::Memory;
use super::layout::{WORD, header, owner, owner_number};
use super::{inquiry, lock, process};

/// One process that is attached, as it noted itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnerRow {
    /// The owner's id, as lock words hold it.
    pub(crate) id: u64,
    /// Inode of its PID namespace.
    pub(crate) namespace: u64,
    /// Its id in that namespace.
    pub(crate) pid: u32,
    /// Whether a lock of the live file says that it lives.
    pub(crate) is_pinned: bool,
    /// When it was started, in ticks of the kernel's clock since the boot; 0: not known.
    pub(crate) started: u64,
}

const PINNED: u64 = 1 << 32;

impl OwnerRow {
    pub(super) fn of_this_process(id: u64, is_pinned: bool) -> io::Result<OwnerRow> {
        let pid = std::process::id();
        // Where `/proc` is not mounted a lock that holds needs none of this.
        let known = |it: io::Result<u64>| if is_pinned { Ok(it.unwrap_or(0)) } else { it };
        let namespace = known(process::pid_namespace())?;
        let started = known(process::started(pid))?;
        Ok(OwnerRow { id, namespace, pid, is_pinned, started })
    }

    /// Whether the process is gone, as far as is known within its PID namespace.
    pub(super) fn is_gone(&self) -> bool {
        self.is_here() && process::is_gone(self.pid, self.started)
    }

    /// Whether the process is of this process's PID namespace.
    pub(crate) fn is_here(&self) -> bool {
        process::pid_namespace().is_ok_and(|ours| ours == self.namespace)
    }
}

fn at(row: u64) -> u64 {
    header::OWNERS + row * owner::BYTES
}

/// In the row of an id while it is being written: no id has this bit.
const TAKEN: u64 = lock::WAITERS;

/// Notes an owner and says where; `None`: the table is full of owners that are not known to be
/// dead.
pub(super) fn add(memory: &Memory, protected: &OwnerRow) -> Option<u64> {
    let first = owner_number(protected.id) % header::OWNER_COUNT;
    let rows = || (first..header::OWNER_COUNT).chain(0..first);
    let is_dead = |id| inquiry::is_dead(memory, protected.id, id);
    let row = rows()
        .find(|&row| take(memory, row, |id| is_vacant(memory, id)))
        .or_else(|| rows().find(|&row| take(memory, row, is_dead)))?;
    let process = u64::from(protected.pid) | if protected.is_pinned { PINNED } else { 0 };
    memory.put(at(row) + owner::NAMESPACE, protected.namespace);
    memory.put(at(row) + owner::STARTED, protected.started);
    memory.put(at(row) + owner::PROCESS, process);
    memory.cell(at(row) + owner::ID).store(protected.id, Ordering::Release);
    Some(row)
}

fn is_vacant(memory: &Memory, id: u64) -> bool {
    id == 0 || (id != TAKEN && owner_number(id) < memory.get(header::FLOOR))
}

fn take(memory: &Memory, row: u64, may: impl Fn(u64) -> bool) -> bool {
    let cell = memory.cell(at(row) + owner::ID);
    let found = cell.load(Ordering::Acquire);
    found != TAKEN
        && may(found)
        && cell.compare_exchange(found, TAKEN, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

/// An owner, by the words of its row.
pub(super) fn row(id: u64, namespace: u64, process: u64, started: u64) -> OwnerRow {
    OwnerRow { id, namespace, pid: process as u32, is_pinned: process & PINNED != 0, started }
}

/// Frees every row, for the process that adopts the file: no other is attached.
pub(super) fn clear_all(memory: &Memory) {
    for row in 0..header::OWNER_COUNT {
        memory.put(at(row) + owner::ID, 0);
    }
}

/// Frees the row of an owner that is none any more.
pub(super) fn clear(memory: &Memory, row: u64, id: u64) {
    let cell = memory.cell(at(row) + owner::ID);
    let _ = cell.compare_exchange(id, 0, Ordering::AcqRel, Ordering::Relaxed);
}

/// What the owner `id` noted of itself.
pub(super) fn find(memory: &Memory, id: u64) -> Option<OwnerRow> {
    (0..header::OWNER_COUNT).find_map(|row| read(memory, row).filter(|it| it.id == id))
}

/// Every owner that is noted, dead ones among them.
pub(crate) fn all(memory: &Memory) -> Vec<OwnerRow> {
    (0..header::OWNER_COUNT).filter_map(|row| read(memory, row)).collect()
}

fn read(memory: &Memory, row: u64) -> Option<OwnerRow> {
    let cell = memory.cell(at(row) + owner::ID);
    let id = cell.load(Ordering::Acquire);
    if id == TAKEN || is_vacant(memory, id) {
        return None;
    }
    let word = |of| memory.get(at(row) + of);
    let protected =
        self::row(id, word(owner::NAMESPACE), word(owner::PROCESS), word(owner::STARTED));
    // An id names one owner for ever: if it is still there, all that was read is that owner's.
    fence(Ordering::Acquire);
    (cell.load(Ordering::Relaxed) == id).then_some(protected)
}

const _: () = assert!(owner::STARTED + WORD == owner::BYTES);
