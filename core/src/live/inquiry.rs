//! Whether the owner of a lock lives: asked by those who have waited for it in vain.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::file::Memory;
use super::layout::{WORD, header, owner_number};
use super::owner::{self, OwnerFault};
use super::process::{self, Uncancelled};
use super::{owners, pin};

/// How often the kernel is asked about one owner.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// What is known of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Liveness {
    /// It does not live, and never will again.
    Dead,
    Alive,
    /// A process has asked just now.
    AskedJustNow,
    /// It counts as alive: it could not be asked.
    Unknown(OwnerFault),
}

/// Whether the owner is known to be dead without asking the kernel. The caller has loaded `id`
/// from a lock with `Acquire`.
pub(super) fn is_known_dead(memory: &Memory, id: u64) -> bool {
    if memory.is_anonymous() {
        // No other process sees this memory: a process that is not this one is its parent.
        return id != memory.owner().id();
    }
    let number = owner_number(id);
    // NEXT_ID was raised before the id was first used. What lies beyond it was never drawn, and
    // what lies below the floor was drawn before the file was adopted: no process was attached
    // then.
    number < memory.get(header::FLOOR)
        || number >= memory.cell(header::NEXT_ID).load(Ordering::SeqCst)
        || dead_cell(memory, id).load(Ordering::Relaxed) == id
}

/// Whether the owner is dead, by what is known or by asking; what is not known counts as alive.
pub(super) fn is_dead(memory: &Memory, own: u64, id: u64) -> bool {
    ask(memory, own, id) == Liveness::Dead
}

/// Asks whether the owner lives, unless that has been done just now. `own` is the id of the owner
/// that asks.
#[cold]
pub(super) fn ask(memory: &Memory, own: u64, id: u64) -> Liveness {
    if id == own {
        return Liveness::Alive;
    }
    if is_known_dead(memory, id) {
        return Liveness::Dead;
    }
    let asked = memory.cell(header::ASKED + bucket_of(id) * WORD);
    let (now, last) = (process::coarse_monotonic_ms(), asked.load(Ordering::Relaxed));
    // By the distance: clocks of two time namespaces differ.
    if now.abs_diff(last) < ASK_EVERY.as_millis() as u64
        || asked.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
    {
        return Liveness::AskedJustNow;
    }
    let verdict = match ask_the_kernel(memory, own, id) {
        Ok(true) => Liveness::Dead,
        Ok(false) => Liveness::Alive,
        Err(why) => Liveness::Unknown(why),
    };
    match verdict {
        // An id is never used again: once dead is dead for ever.
        Liveness::Dead => dead_cell(memory, id).store(id, Ordering::Relaxed),
        Liveness::Unknown(_) => {
            memory.cell(header::INQUIRIES_FAILED).fetch_add(1, Ordering::Relaxed);
        }
        Liveness::Alive | Liveness::AskedJustNow => {}
    }
    verdict
}

/// Whether the owner is dead. Locks are asked for on the live file opened again; a lock of this
/// process's own, asked for in the same way, shows that the answer can be trusted.
fn ask_the_kernel(memory: &Memory, own: u64, id: u64) -> Result<bool, OwnerFault> {
    let _uncancelled = Uncancelled::new();
    if let Some(row) = owners::find(memory, id).filter(|row| !row.is_pinned) {
        return Ok(row.is_gone());
    }
    let file = memory.reopen().map_err(owner::why("opening the live file"))?;
    let asking = "asking for a lock of the live file";
    if pin::is_byte_locked(&file, id).map_err(owner::why(asking))? {
        return Ok(false);
    }
    if pin::is_byte_locked(&file, own).map_err(owner::why(asking))? {
        return Ok(true);
    }
    Err(OwnerFault {
        doing: "this process's own lock of the live file is not to be seen",
        errno: 0,
    })
}

fn bucket_of(id: u64) -> u64 {
    owner_number(id) % header::INQUIRY_BUCKETS
}

/// Holds the id of an owner that was found dead. One word, so that it is never half another's.
fn dead_cell(memory: &Memory, id: u64) -> &AtomicU64 {
    memory.cell(header::FOUND_DEAD + bucket_of(id) * WORD)
}
