//! What a thread holds and a forked child releases in its stead.

use std::ops::Deref;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::process::fork_generation;

/// A reference to `T` that one thread has, noted in `T` itself. In a forked child that thread does
/// not exist, and nothing would ever drop what it had: a live file would stay mapped and attached
/// to for as long as the child lives, whatever it closes.
#[derive(Debug)]
pub(crate) struct ForkSafe<T> {
    /// What the reference points to; NULL: there is none.
    to: AtomicPtr<T>,
    /// The fork generation of the thread.
    forks: AtomicU64,
}

/// The thread's reference. The thread must not fork while it has it.
pub(crate) struct ForkSafeRef<T> {
    of: Arc<T>,
    protected: fn(&T) -> &ForkSafe<T>,
}

impl<T> ForkSafe<T> {
    pub(crate) const fn new() -> ForkSafe<T> {
        ForkSafe { to: AtomicPtr::new(ptr::null_mut()), forks: AtomicU64::new(0) }
    }

    /// Notes, in the place that `noted` finds, that the present thread has `of`. One thread of a
    /// process at a time.
    pub(crate) fn protect(of: Arc<T>, protected: fn(&T) -> &ForkSafe<T>) -> ForkSafeRef<T> {
        let protection = protected(&of);
        protection.forks.store(fork_generation(), Ordering::Relaxed);
        // A child sees this only if it sees the reference counted as well.
        protection.to.store(Arc::as_ptr(&of).cast_mut(), Ordering::Release);
        ForkSafeRef { of, protected }
    }

    /// In a forked child: drops the reference of the thread that does not exist here. A caller
    /// has a reference of its own.
    pub(crate) fn release_in_child(&self) {
        if self.forks.load(Ordering::Relaxed) == fork_generation() {
            return;
        }
        let to = self.to.swap(ptr::null_mut(), Ordering::Acquire);
        if !to.is_null() {
            // SAFETY: it came from `Arc::as_ptr`, and is noted only while a `ForkSafeRef` has a
            // reference to it. That one was of a thread of an earlier generation, which will never
            // drop it.
            unsafe { Arc::decrement_strong_count(to) };
        }
    }
}

impl<T> Deref for ForkSafeRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.of
    }
}

impl<T> Drop for ForkSafeRef<T> {
    /// Before the reference is dropped: a child that is forked in between has one too many.
    fn drop(&mut self) {
        (self.protected)(&self.of).to.store(ptr::null_mut(), Ordering::Release);
    }
}
