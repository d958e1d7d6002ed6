//! Locks that several processes share and that outlive their holder.
//!
//! A robust `pthread` mutex: where its holder dies the kernel hands it on, marked. The lock is
//! recovered then, the data is not; that is what the undo record of a block is for.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use libc::{EBUSY, EOWNERDEAD, ETIMEDOUT, pthread_mutex_t, timespec};

use super::file::Memory;

/// Bytes that a lock takes in the file: a cache line, whatever the C library's size.
pub(crate) const LOCK_BYTES: u64 = 64;
const _: () = assert!(size_of::<pthread_mutex_t>() <= LOCK_BYTES as usize);

/// Locks that one thread may hold at once: the kernel releases only 2,048 of a thread that dies.
/// Only creating tenants holds more than a few, and sees to it.
pub(crate) const HELD_AT_MOST: usize = 256;

/// Tries before sleeping, each after twice as long as the one before.
const SPIN_ROUNDS: u32 = 7;

/// Why a lock was not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockError {
    /// Somebody alive held it all the time.
    Busy,
    /// The file holds no usable lock there.
    Broken,
}

/// A lock that is held; dropping it unlocks.
#[derive(Debug)]
pub(crate) struct LockGuard<'a> {
    mutex: *mut pthread_mutex_t,
    memory: PhantomData<&'a Memory>,
}

/// Makes a lock at `offset`, which nobody may use yet.
pub(crate) fn init(memory: &Memory, offset: u64) {
    let mutex = memory.lock_at(offset);
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: `attributes` is initialised by the first call before the others use it. `mutex`
    // points to LOCK_BYTES of mapped memory that no thread has locked.
    unsafe {
        libc::pthread_mutexattr_init(attributes.as_mut_ptr());
        let attributes = attributes.as_mut_ptr();
        libc::pthread_mutexattr_settype(attributes, libc::PTHREAD_MUTEX_NORMAL);
        libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST);
        libc::pthread_mutex_init(mutex, attributes);
        libc::pthread_mutexattr_destroy(attributes);
    }
}

/// Takes the lock at `offset`, waiting `patience` at most.
#[inline(always)]
pub(crate) fn take(
    memory: &Memory,
    offset: u64,
    timeout: Duration,
) -> Result<LockGuard<'_>, LockError> {
    if crate::crash_points::off(crate::crash_points::Guard::Lock) {
        return Ok(LockGuard { mutex: std::ptr::null_mut(), memory: PhantomData });
    }
    let mutex = memory.lock_at(offset);
    // SAFETY: `lock_at` gives a pointer to LOCK_BYTES of mapped memory in which `init` made a
    // mutex before the offset was published.
    let mut result = unsafe { libc::pthread_mutex_trylock(mutex) };
    if result == EBUSY {
        result = spin(mutex);
    }
    if result == EBUSY {
        result = wait(mutex, timeout);
    }
    match result {
        0 => {}
        EOWNERDEAD => recover(mutex),
        EBUSY | ETIMEDOUT => return Err(LockError::Busy),
        _ => return Err(LockError::Broken),
    }
    Ok(LockGuard { mutex, memory: PhantomData })
}

/// As [`take`], of a lock that is held for long. A mutex goes to whoever asks for it while it is
/// free: a thread that takes it again and again would have it before those who sleep have woken
/// up. So one at a time waits for it, with the turn in hand, and the others wait for the turn. That
/// is a courtesy: who has the turn may have been stopped, and the lock be free.
pub(crate) fn take_in_turn(
    memory: &Memory,
    turn: u64,
    lock: u64,
    timeout: Duration,
) -> Result<LockGuard<'_>, LockError> {
    let until = Instant::now() + timeout;
    let _turn = match take(memory, turn, timeout / 4) {
        Err(LockError::Busy) => None,
        turn => Some(turn?),
    };
    take(memory, lock, until.saturating_duration_since(Instant::now()))
}

/// Most holders let go within nanoseconds; going to sleep takes a thousand times as long. A
/// microsecond or two at most.
#[cold]
fn spin(mutex: *mut pthread_mutex_t) -> i32 {
    for round in 0..SPIN_ROUNDS {
        for _ in 0..1 << round {
            std::hint::spin_loop();
        }
        // SAFETY: `mutex` is a mutex as in `take`.
        let result = unsafe { libc::pthread_mutex_trylock(mutex) };
        if result != EBUSY {
            return result;
        }
    }
    EBUSY
}

/// The C library waits by the clock on the wall. One that is set ahead meanwhile ends no patience.
#[cold]
fn wait(mutex: *mut pthread_mutex_t, timeout: Duration) -> i32 {
    let until = Instant::now() + timeout;
    let mut left = timeout;
    loop {
        let result = wait_by_the_wall(mutex, left);
        left = until.saturating_duration_since(Instant::now());
        if result != ETIMEDOUT || left.is_zero() {
            return result;
        }
    }
}

fn wait_by_the_wall(mutex: *mut pthread_mutex_t, timeout: Duration) -> i32 {
    let mut until = MaybeUninit::<timespec>::uninit();
    // SAFETY: `clock_gettime` fills `until`; `mutex` is a mutex as in `take`.
    unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME, until.as_mut_ptr());
        let mut until = until.assume_init();
        let nanoseconds = until.tv_nsec + i64::from(timeout.subsec_nanos());
        until.tv_sec += timeout.as_secs() as i64 + nanoseconds / 1_000_000_000;
        until.tv_nsec = nanoseconds % 1_000_000_000;
        libc::pthread_mutex_timedlock(mutex, &raw const until)
    }
}

/// Takes over from a holder that died. What it left half done says so itself, in the undo record,
/// and goes on saying so should this thread die before it has put that right.
#[cold]
fn recover(mutex: *mut pthread_mutex_t) {
    // SAFETY: this thread holds the mutex, which is marked inconsistent.
    unsafe { libc::pthread_mutex_consistent(mutex) };
}

impl Drop for LockGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.mutex.is_null() {
            return; // Only where a counter-proof has switched locking off.
        }
        // SAFETY: this thread holds the mutex.
        unsafe { libc::pthread_mutex_unlock(self.mutex) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::super::file::reserve;
    use super::super::layout::{HEADER_BYTES, header};
    use super::*;

    const TIMEOUT: Duration = Duration::from_mins(1);

    fn memory() -> Memory {
        let file = tempfile::tempfile().expect("a file");
        reserve(&file, 0, HEADER_BYTES).expect("has room");
        let memory = Memory::map(file).expect("is mapped");
        init(&memory, header::WRITER_TURN);
        init(&memory, header::WRITER_LOCK);
        memory
    }

    #[test]
    fn who_is_stopped_in_its_turn_keeps_nobody_from_a_lock_that_is_free() {
        let memory = &memory();
        let (turn, lock) = (header::WRITER_TURN, header::WRITER_LOCK);
        let _stopped = take(memory, turn, TIMEOUT).expect("is free");
        for timeout in [Duration::ZERO, Duration::from_millis(100)] {
            let take = || take_in_turn(memory, turn, lock, timeout).is_ok();
            assert!(thread::scope(|scope| scope.spawn(take).join().expect("ends")));
        }
    }

    #[test]
    fn whoever_lets_go_has_it_again_after_those_who_wait() {
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
