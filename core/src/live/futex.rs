//! Waiting for a word of the live file to change, across processes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::timespec;

/// Sleeps until `word` is no longer `seen`, somebody calls [`wake_all`], or `patience` is over.
/// May return early; the caller looks at what it waits for.
pub(crate) fn wait(word: &AtomicU32, seen: u32, timeout: Duration) {
    let timeout = timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
    };
    // SAFETY: `word` is a live, aligned 32-bit word; the kernel only reads it and `patience`.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            seen,
            &raw const timeout,
            std::ptr::null::<u32>(),
            0,
        );
    }
}

/// Changes `word` and wakes everybody who waits for it.
pub(crate) fn wake_all(word: &AtomicU32) {
    word.fetch_add(1, Ordering::Release);
    // SAFETY: `word` is a live, aligned 32-bit word.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE,
            i32::MAX,
            std::ptr::null::<timespec>(),
            std::ptr::null::<u32>(),
            0,
        );
    }
}
