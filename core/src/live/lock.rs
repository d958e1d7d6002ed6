//! Locks that several processes share and that outlive their holder.
//!
//! A lock is one word of the file: the id of its owner, and a bit that says that others wait. Its
//! owner is a process, as [`owner`](super::owner) names it. Where the owner has died, the waiting
//! process finds that out ([`inquiry`]) and takes the lock over: ids are never used again, so that
//! the word cannot have come to mean another meanwhile. The lock is recovered then, the data is
//! not; that is what the undo log of a record is for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::file::Memory;
use super::inquiry::{self, Liveness};
use super::layout::WAITERS_BIT;
use super::owner::{self, OwnerFault};
use super::process::Uncancelled;
use super::{Poison, futex};

/// The bit of a lock word that says that others wait for it. It is in the half that they sleep on,
/// and no id has it.
pub(super) const WAITERS: u64 = 1 << WAITERS_BIT;

/// Tries before sleeping, each after twice as long as the one before.
const SPIN_ROUNDS: u32 = 7;
/// How long a waiter sleeps, at first and at most, before it looks whether the owner lives. A
/// wake-up that was meant for a waiter who died costs the others one such nap.
const NAPS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Why a lock was not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockError {
    /// A living process held it all the time.
    Busy,
    /// A process held it all the time that could not be asked whether it lives.
    NotAsked(OwnerFault),
    /// This process could not become an owner.
    NotRegistered(OwnerFault),
    /// The file holds no usable lock there.
    Broken,
}

/// A lock that is held; dropping it unlocks.
#[derive(Debug)]
pub(crate) struct LockGuard<'a> {
    word: &'a AtomicU64,
    memory: &'a Memory,
    owner: u64,
}

/// Takes the lock at `offset`, waiting `timeout` at most.
#[inline(always)]
pub(crate) fn take(
    memory: &Memory,
    offset: u64,
    timeout: Duration,
) -> Result<LockGuard<'_>, LockError> {
    let word = memory.lock_at(offset);
    let owner = memory.owner().id();
    if crate::crash_points::off(crate::crash_points::Guard::Lock) {
        return Ok(LockGuard { word, memory, owner });
    }
    // Release as well: a process that sees the id sees that it was drawn.
    if owner != 0 && word.compare_exchange(0, owner, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
        return Ok(LockGuard { word, memory, owner });
    }
    take_slowly(memory, word, owner, timeout)
}

#[cold]
#[inline(never)]
fn take_slowly<'a>(
    memory: &'a Memory,
    word: &'a AtomicU64,
    owner: u64,
    timeout: Duration,
) -> Result<LockGuard<'a>, LockError> {
    let owner = match owner {
        0 => owner::register(memory).map_err(LockError::NotRegistered)?,
        known => known,
    };
    let held = LockGuard { word, memory, owner };
    if spin(word, owner) {
        return Ok(held);
    }
    let began = Instant::now();
    let waited = wait(memory, word, owner, timeout);
    count_wait(began.elapsed());
    match waited {
        Ok(()) => Ok(held),
        Err(error) => {
            // It is another's.
            std::mem::forget(held);
            Err(error)
        }
    }
}

/// How often threads of this process slept until a lock was free, and for how many microseconds.
/// Counted where they sleep: a decision that finds its lock free counts nothing.
static WAITS: AtomicU64 = AtomicU64::new(0);
static WAITED_US: AtomicU64 = AtomicU64::new(0);

fn count_wait(waited: Duration) {
    WAITS.fetch_add(1, Ordering::Relaxed);
    WAITED_US.fetch_add(waited.as_micros() as u64, Ordering::Relaxed);
}

/// How often threads of this process waited for a lock, and for how many microseconds in all.
pub(crate) fn waits() -> (u64, u64) {
    (WAITS.load(Ordering::Relaxed), WAITED_US.load(Ordering::Relaxed))
}

/// Most holders release it within nanoseconds; going to sleep takes a thousand times as long. A
/// microsecond or two at most.
fn spin(word: &AtomicU64, owner: u64) -> bool {
    for round in 0..=SPIN_ROUNDS {
        let found = word.load(Ordering::Relaxed);
        if found & !WAITERS == 0 && swap(word, found, owner | found) {
            return true;
        }
        for _ in 0..1 << round {
            std::hint::spin_loop();
        }
    }
    false
}

fn swap(word: &AtomicU64, from: u64, to: u64) -> bool {
    word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

fn wait(memory: &Memory, word: &AtomicU64, owner: u64, timeout: Duration) -> Result<(), LockError> {
    let until = Instant::now() + timeout;
    // A process that has slept cannot know whether others still do.
    let mut others = 0;
    let mut nap = NAPS.0;
    let mut not_asked = None;
    loop {
        let found = word.load(Ordering::Acquire);
        let holder = found & !WAITERS;
        if holder == 0 || inquiry::is_known_dead(memory, holder) {
            if swap(word, found, owner | found & WAITERS | others) {
                return Ok(());
            }
            continue;
        }
        let left = until.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            if found & WAITERS == 0 && !swap(word, found, found | WAITERS) {
                continue;
            }
            futex::wait(futex::low_half(word), (found | WAITERS) as u32, nap.min(left));
            (others, nap) = (WAITERS, (nap * 2).min(NAPS.1));
        }
        // Only a wait that timed out asks.
        if word.load(Ordering::Acquire) & !WAITERS == holder {
            match inquiry::ask(memory, owner, holder) {
                Liveness::Dead => continue,
                Liveness::Unknown(why) => not_asked = Some(why),
                Liveness::Alive => not_asked = None,
                Liveness::AskedJustNow => {}
            }
        }
        if left.is_zero() {
            return Err(not_asked.map_or(LockError::Busy, LockError::NotAsked));
        }
    }
}

/// A lock that is held over system calls: the thread is not cancelled meanwhile.
#[derive(Debug)]
pub(crate) struct HeldLong<'a> {
    _held: LockGuard<'a>,
    _uncancelled: Uncancelled,
}

/// As [`take`], of a lock that is held for long. A lock goes to the process that asks for it while
/// it is free: a thread that takes it again and again would have it before those who sleep have
/// woken up. So one at a time waits for it, with the turn in hand, and the others wait for the
/// turn. That is a courtesy: who has the turn may have been stopped, and the lock be free.
pub(crate) fn take_in_turn(
    memory: &Memory,
    turn: u64,
    lock: u64,
    timeout: Duration,
) -> Result<HeldLong<'_>, LockError> {
    let uncancelled = Uncancelled::new();
    let until = Instant::now() + timeout;
    let _turn = match take(memory, turn, timeout / 4) {
        Err(LockError::Busy | LockError::NotAsked(_)) => None,
        turn => Some(turn?),
    };
    let held = take(memory, lock, until.saturating_duration_since(Instant::now()))?;
    Ok(HeldLong { _held: held, _uncancelled: uncancelled })
}

impl Drop for LockGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if crate::crash_points::off(crate::crash_points::Guard::Lock) {
            return;
        }
        let found = self.word.swap(0, Ordering::Release);
        if found != self.owner {
            release_oddly(self.memory, self.word, self.owner, found);
        }
    }
}

/// Wakes who waits. A word that names another owner is the work of a damaged file, or of a process
/// that took this one for dead: nothing that was decided since can be relied on.
///
/// It gets values and not the guard: a guard whose address is given away lies in memory, and is
/// copied there wherever it is returned.
#[cold]
#[inline(never)]
fn release_oddly(memory: &Memory, word: &AtomicU64, owner: u64, found: u64) {
    if found & !WAITERS != owner {
        memory.set_poison(Poison::Damaged);
    }
    if found & WAITERS != 0 {
        futex::wake_one(futex::low_half(word));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::super::layout::header;
    use super::*;

    const TIMEOUT: Duration = Duration::from_mins(1);

    fn memory() -> Memory {
        let memory = Memory::anonymous().expect("is mapped");
        memory.put(header::NEXT_ID, 1);
        memory
    }

    #[test]
    fn who_is_stopped_in_its_turn_keeps_no_process_from_a_lock_that_is_free() {
        let memory = &memory();
        let (turn, lock) = (header::WRITER_TURN, header::WRITER_LOCK);
        let _stopped = take(memory, turn, TIMEOUT).expect("is free");
        for timeout in [Duration::ZERO, Duration::from_millis(100)] {
            let take = || take_in_turn(memory, turn, lock, timeout).is_ok();
            assert!(thread::scope(|scope| scope.spawn(take).join().expect("ends")));
        }
    }

    #[test]
    fn a_holder_that_releases_has_it_again_after_those_who_wait() {
        let memory = &memory();
        let (turn, lock) = (header::WRITER_TURN, header::WRITER_LOCK);
        for round in 0..200 {
            let had = &AtomicBool::new(false);
            let held = take_in_turn(memory, turn, lock, TIMEOUT).expect("is free");
            thread::scope(|scope| {
                scope.spawn(|| {
                    let _held = take_in_turn(memory, turn, lock, TIMEOUT).expect("is had");
                    had.store(true, Ordering::Relaxed);
                });
                // Until it waits, which it does not without a turn.
                let until = Instant::now() + Duration::from_secs(2);
                while take(memory, turn, Duration::ZERO).is_ok() && Instant::now() < until {
                    thread::yield_now();
                }
                drop(held);
                let _held = take_in_turn(memory, turn, lock, TIMEOUT).expect("is had again");
                assert!(had.load(Ordering::Relaxed), "round {round}: another waited for it");
            });
        }
    }
}
