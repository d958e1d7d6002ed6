//! Waiting for a word of the live file to change, across processes.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::thread::futex::{self, Flags, Timespec};

/// Sleeps until `word` is no longer `seen`, a process wakes it, or `timeout` is over.
/// May return early; the caller looks at what it waits for.
pub(crate) fn wait(word: &AtomicU32, seen: u32, timeout: Duration) {
    let timeout = Timespec {
        tv_sec: timeout.as_secs().cast_signed(),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    let _ = futex::wait(word, Flags::empty(), seen, Some(&timeout));
}

/// Changes `word` and wakes every thread that waits for it.
pub(crate) fn wake_all(word: &AtomicU32) {
    word.fetch_add(1, Ordering::Release);
    let _ = futex::wake(word, Flags::empty(), i32::MAX as u32);
}

/// Wakes one thread that waits for `word`, which was changed before.
pub(crate) fn wake_one(word: &AtomicU32) {
    let _ = futex::wake(word, Flags::empty(), 1);
}

/// The half of a lock's word that has the bit of the waiters, for waiting on. Its value is the
/// kernel's to read; here the whole word is.
pub(super) fn low_half(word: &AtomicU64) -> &AtomicU32 {
    // SAFETY: the low half of an aligned word on a little-endian machine, as ABI_TAG says.
    unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }
}
