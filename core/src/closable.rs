//! A value that any thread may close while others are using it: for the handles of languages that
//! cannot prove that no thread does.
//!
//! The obvious way, a count of users, costs two atomic read-modify-writes in each call: as much as
//! a third of a decision. Here a thread notes down which value it is using, in a record that is its
//! own, by plain stores; that each note is seen before the value is released is the business of
//! the thread that closes it, which happens once: `membarrier(2)` has all running threads of the
//! process catch up with their stores. Where the kernel has no such call, and for a thread that is
//! using another value already, users are counted.
//!
//! Neither can miss the other. A user notes the value down and then looks whether it is open; a
//! closer marks it closed, has all threads catch up, and then looks at the notes. Either the user
//! sees the mark or the closer sees the note; then the user, who crosses the note out and looks at
//! the mark again, is the one that tries to release it. It has all threads catch up first, for
//! the notes of others that used it before it was closed.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::iter;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, compiler_fence,
};

/// A place for a value that is opened, used by any number of threads, and closed by one of them.
/// The last that uses it lets the value go. A place may be used again, under another number.
/// Nothing here waits, and nothing takes a lock.
pub struct Closable<T> {
    /// From its lowest bit: users that are counted (32 bits), state (2 bits), number of its use.
    word: AtomicU64,
    /// Changed only by the thread that moved the state to `CHANGING`.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: a value is read by those that found it open and are noted down or counted, and changed
// by one thread at a time: before it is open, or after it was closed and while no thread does.
unsafe impl<T: Send + Sync> Sync for Closable<T> {}

const USERS: u64 = 0xffff_ffff;
const STATE: u64 = 0b11 << 32;
const EMPTY: u64 = 0;
const CHANGING: u64 = 1 << 32;
const OPEN: u64 = 2 << 32;
const CLOSED: u64 = 3 << 32;
const USE_SHIFT: u32 = 34;

/// A value in use by this thread, or a part of it.
pub struct InUse<'a, T, Part = T> {
    part: &'a Part,
    protection: Protection<'a, T>,
}

impl<T, Part> Deref for InUse<'_, T, Part> {
    type Target = Part;

    #[inline]
    fn deref(&self) -> &Part {
        self.part
    }
}

impl<'a, T, Part> InUse<'a, T, Part> {
    /// A part of what is in use.
    #[inline]
    pub fn part<P>(self, of: impl FnOnce(&Part) -> Option<&P>) -> Option<InUse<'a, T, P>> {
        of(self.part).map(|part| InUse { part, protection: self.protection })
    }
}

impl<T> Closable<T> {
    /// How often a place can be used.
    pub const USES: u32 = (1 << 22) - 1;

    /// A place without a value.
    #[must_use]
    pub const fn empty() -> Closable<T> {
        Closable { word: AtomicU64::new(EMPTY), value: UnsafeCell::new(None) }
    }

    /// A place with a value, open for use number 0.
    #[must_use]
    pub const fn of(value: T) -> Closable<T> {
        Closable { word: AtomicU64::new(OPEN), value: UnsafeCell::new(Some(value)) }
    }

    /// Puts a value into a place without one, and says which use of the place that is. Gives the
    /// value back if there is one, or if the place is used up.
    pub fn open(&self, value: T) -> Result<u32, T> {
        // Strangers may be counted in it for an instant: they stay.
        let take = |word: u64| {
            (word & STATE == EMPTY && !is_used_up(word)).then_some(word ^ (EMPTY ^ CHANGING))
        };
        let Ok(word) = self.word.fetch_update(Ordering::Acquire, Ordering::Relaxed, take) else {
            return Err(value);
        };
        // SAFETY: this thread moved the state to `CHANGING`.
        unsafe { *self.value.get() = Some(value) };
        self.word.fetch_xor(CHANGING ^ OPEN, Ordering::Release);
        Ok((word >> USE_SHIFT) as u32)
    }

    /// The value, if it is open for that use.
    #[inline]
    pub fn get(&self, number: u32) -> Option<InUse<'_, T>> {
        let protection = Protection::new(self);
        let word = self.word.load(Ordering::Acquire);
        if word & !USERS != OPEN | u64::from(number) << USE_SHIFT {
            return None;
        }
        // SAFETY: it was open after it was noted down: no thread changes it.
        let part = unsafe { &*self.value.get() }.as_ref()?;
        Some(InUse { part, protection })
    }

    /// Closes it, if it is open for that use: no thread gets it from here on. The value is dropped
    /// by its last user, which may be this call.
    pub fn close(&self, number: u32) -> bool {
        let open = OPEN | u64::from(number) << USE_SHIFT;
        let close = |word: u64| (word & !USERS == open).then_some(word ^ (OPEN ^ CLOSED));
        let is_closed = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, close).is_ok();
        if is_closed {
            self.release();
        }
        is_closed
    }

    /// Whether it cannot be opened any more.
    pub fn is_used_up(&self) -> bool {
        is_used_up(self.word.load(Ordering::Relaxed))
    }

    /// Drops a closed value, unless a thread uses it: then that thread drops it.
    #[cold]
    fn release(&self) {
        let word = self.word.load(Ordering::Acquire);
        if word & STATE != CLOSED || word & USERS != 0 {
            return;
        }
        if !catch_up() || hazards().any(|it| it.protected.load(Ordering::Acquire) == self.address())
        {
            return;
        }
        // Of several that come here one finds the word as it was: it changes with every use.
        let taken = (word ^ (CLOSED ^ CHANGING)) + (1 << USE_SHIFT);
        if self.word.compare_exchange(word, taken, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            // SAFETY: this thread moved the state to `CHANGING`.
            let value = unsafe { (*self.value.get()).take() };
            self.word.fetch_xor(CHANGING ^ EMPTY, Ordering::Release);
            drop(value);
        }
    }

    /// What is noted down of it.
    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }
}

fn is_used_up(word: u64) -> bool {
    word >> USE_SHIFT >= u64::from(Closable::<()>::USES)
}

/// That this thread is using a place.
struct Protection<'a, T> {
    cell: &'a Closable<T>,
    /// Where it is noted down; `None`: it is counted.
    hazard: Option<&'static HazardRecord>,
    /// A record is one thread's.
    _not_send: PhantomData<*const ()>,
}

impl<'a, T> Protection<'a, T> {
    #[inline]
    fn new(cell: &'a Closable<T>) -> Protection<'a, T> {
        match MINE.get() {
            Some(hazard) if hazard.protected.load(Ordering::Relaxed) == 0 => {
                Protection::by_hazard(cell, hazard)
            }
            mine => Protection::by_count(cell, mine),
        }
    }

    #[inline]
    fn by_hazard(cell: &'a Closable<T>, hazard: &'static HazardRecord) -> Protection<'a, T> {
        hazard.protected.store(cell.address(), Ordering::Relaxed);
        // Before the word is looked at. Of the processor `catch_up` asks the same.
        compiler_fence(Ordering::SeqCst);
        Protection { cell, hazard: Some(hazard), _not_send: PhantomData }
    }

    /// The first time in a thread, or while it uses another place.
    #[cold]
    fn by_count(cell: &'a Closable<T>, mine: Option<&'static HazardRecord>) -> Protection<'a, T> {
        match mine {
            None if let Some(hazard) = HazardRecord::take() => Protection::by_hazard(cell, hazard),
            _ => {
                cell.word.fetch_add(1, Ordering::Acquire);
                Protection { cell, hazard: None, _not_send: PhantomData }
            }
        }
    }
}

impl<T> Drop for Protection<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let word = if let Some(hazard) = self.hazard {
            hazard.protected.store(0, Ordering::Release);
            compiler_fence(Ordering::SeqCst); // As in `by_hazard`.
            self.cell.word.load(Ordering::Relaxed)
        } else {
            self.cell.word.fetch_sub(1, Ordering::AcqRel) - 1
        };
        if word & STATE == CLOSED {
            self.cell.release();
        }
    }
}

/// Where one thread notes down the place that it is using. Records are never freed, and used again
/// by later threads.
#[repr(align(128))] // Two lines of the cache: processors fetch them in pairs.
struct HazardRecord {
    /// The address of the place; 0: none.
    protected: AtomicUsize,
    is_taken: AtomicBool,
    next: Option<&'static HazardRecord>,
}

/// The record that was made last.
static HAZARDS: AtomicPtr<HazardRecord> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// The record of this thread.
    static MINE: Cell<Option<&'static HazardRecord>> = const { Cell::new(None) };
    static ENDING: Ending = const { Ending };
}

/// Gives the record of a thread back when it ends.
struct Ending;

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(hazard) = MINE.take() {
            hazard.is_taken.store(false, Ordering::Release);
        }
    }
}

impl HazardRecord {
    /// A record for this thread; `None` where notes would not be seen, or if the thread is ending.
    fn take() -> Option<&'static HazardRecord> {
        if !can_catch_up() {
            return None;
        }
        ENDING.try_with(|_| ()).ok()?;
        let is_free = |it: &&HazardRecord| !it.is_taken.swap(true, Ordering::AcqRel);
        let hazard = hazards().find(is_free).unwrap_or_else(HazardRecord::make);
        MINE.set(Some(hazard));
        Some(hazard)
    }

    fn make() -> &'static HazardRecord {
        let (protected, is_taken) = (AtomicUsize::new(0), AtomicBool::new(true));
        let hazard = Box::leak(Box::new(HazardRecord { protected, is_taken, next: None }));
        let mut last = HAZARDS.load(Ordering::Acquire);
        loop {
            // SAFETY: NULL, or a record, which are never freed.
            hazard.next = unsafe { last.as_ref() };
            let (made, order) = (ptr::from_mut(hazard), Ordering::AcqRel);
            match HAZARDS.compare_exchange_weak(last, made, order, Ordering::Acquire) {
                Ok(_) => return hazard,
                Err(now) => last = now,
            }
        }
    }
}

/// In a forked child: the threads that noted something down are not here to cross it out.
pub(crate) fn forget_other_threads() {
    let mine = MINE.get().map(ptr::from_ref);
    for hazard in hazards().filter(|&hazard| Some(ptr::from_ref(hazard)) != mine) {
        hazard.protected.store(0, Ordering::Relaxed);
        hazard.is_taken.store(false, Ordering::Relaxed);
    }
}

fn hazards() -> impl Iterator<Item = &'static HazardRecord> {
    // SAFETY: NULL, or a record, which are never freed.
    let last = unsafe { HAZARDS.load(Ordering::Acquire).as_ref() };
    iter::successors(last, |hazard| hazard.next)
}

/// `MEMBARRIER_CMD_PRIVATE_EXPEDITED` and its registration, of `linux/membarrier.h`.
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: a system call that touches no memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// What the kernel said. Not a `OnceLock`: a child of a fork would wait for ever for the thread of
/// its parent that was about to ask.
static CAN_CATCH_UP: AtomicU8 = AtomicU8::new(NOT_ASKED);
const NOT_ASKED: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

fn can_catch_up() -> bool {
    if CAN_CATCH_UP.load(Ordering::Acquire) == NOT_ASKED {
        if membarrier(REGISTER_PRIVATE_EXPEDITED) {
            CAN_CATCH_UP.store(YES, Ordering::Release);
        } else {
            // Unless another thread got the answer yes, and has noted something down since.
            let (order, failed) = (Ordering::AcqRel, Ordering::Relaxed);
            let _ = CAN_CATCH_UP.compare_exchange(NOT_ASKED, NO, order, failed);
        }
    }
    CAN_CATCH_UP.load(Ordering::Acquire) == YES
}

/// Has every running thread of this process pass a full memory barrier, so that this one sees all
/// notes that were made before. Says whether it sees them all.
fn catch_up() -> bool {
    #[cfg(test)]
    tests::CAUGHT_UP.set(tests::CAUGHT_UP.get() + 1);
    let caught_up = membarrier(PRIVATE_EXPEDITED)
        || membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED);
    // Where it was never to be had, there are none.
    caught_up || CAN_CATCH_UP.load(Ordering::Acquire) != YES
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    /// Says that it was dropped.
    struct DropFlag(Arc<AtomicBool>);

    impl Drop for DropFlag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn dropped() -> (DropFlag, Arc<AtomicBool>) {
        let is_dropped = Arc::new(AtomicBool::new(false));
        (DropFlag(is_dropped.clone()), is_dropped)
    }

    #[test]
    fn a_value_is_had_until_it_is_closed_and_a_later_one_under_another_number() {
        let cell = Closable::empty();
        assert!(cell.get(0).is_none());
        assert_eq!(cell.open("first"), Ok(0));
        assert_eq!(cell.open("second"), Err("second"));
        assert_eq!(cell.get(0).map(|it| *it), Some("first"));
        assert!(cell.get(1).is_none());
        assert!(!cell.close(1));
        assert!(cell.close(0));
        assert!(!cell.close(0));
        assert_eq!(cell.open("second"), Ok(1));
        assert!(cell.get(0).is_none());
        assert_eq!(cell.get(1).map(|it| *it), Some("second"));
    }

    #[test]
    fn a_value_that_is_closed_in_use_is_dropped_by_the_last_user() {
        let (value, is_dropped) = dropped();
        let cell = Closable::of(value);
        // The first is noted down, the second is counted.
        let (first, second) = (cell.get(0).unwrap(), cell.get(0).unwrap());
        assert!(cell.close(0));
        assert!(cell.get(0).is_none());
        drop(first);
        assert!(!is_dropped.load(Ordering::Relaxed));
        drop(second);
        assert!(is_dropped.load(Ordering::Relaxed));

        let (value, is_dropped) = dropped();
        let cell = Closable::of(value);
        let (first, second) = (cell.get(0).unwrap(), cell.get(0).unwrap());
        assert!(cell.close(0));
        drop(second);
        assert!(!is_dropped.load(Ordering::Relaxed));
        drop(first);
        assert!(is_dropped.load(Ordering::Relaxed));
    }

    #[test]
    fn a_place_that_is_used_up_is_not_opened_again() {
        let cell = Closable::empty();
        for number in 0..Closable::<u8>::USES {
            cell.word.store(u64::from(number) << USE_SHIFT | EMPTY, Ordering::Relaxed);
            assert!(!cell.is_used_up());
            if !(10..Closable::<u8>::USES - 10).contains(&number) {
                assert_eq!(cell.open(0), Ok(number));
                assert!(cell.close(number));
            }
        }
        assert!(cell.is_used_up());
        assert_eq!(cell.open(0), Err(0));
    }

    #[test]
    fn a_record_goes_from_a_thread_that_ended_to_a_later_one() {
        let cell = Closable::of(());
        let used = || {
            drop(cell.get(0));
            MINE.get().map(|hazard| ptr::from_ref(hazard).addr())
        };
        let known = thread::scope(|scope| scope.spawn(used).join().unwrap());
        let at_most = hazards().count() + 1;
        for _ in 0..100 {
            assert!(thread::scope(|scope| scope.spawn(used).join().unwrap()).is_some());
        }
        assert!(known.is_some());
        // Other tests' threads take some meanwhile.
        assert!(hazards().count() < at_most + 50);
    }

    thread_local! {
        /// How often this thread had all others catch up.
        pub(super) static CAUGHT_UP: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn nothing_is_let_go_before_the_other_threads_have_caught_up() {
        let caught_up = |work: &dyn Fn()| {
            let before = CAUGHT_UP.get();
            work();
            CAUGHT_UP.get() - before
        };
        let ((first, _), (second, is_dropped)) = (dropped(), dropped());
        let (unused, used) = (Closable::of(first), Closable::of(second));
        assert_eq!(caught_up(&|| drop(unused.get(0))), 0);
        assert_eq!(caught_up(&|| assert!(unused.close(0))), 1);
        let in_use = Cell::new(used.get(0));
        assert_eq!(caught_up(&|| assert!(used.close(0))), 1);
        assert!(!is_dropped.load(Ordering::Relaxed));
        assert_eq!(caught_up(&|| drop(in_use.take())), 1);
        assert!(is_dropped.load(Ordering::Relaxed));
    }

    /// A value that records its end in a place of its own.
    struct Numbered<'a>(usize, &'a [AtomicBool]);

    impl Drop for Numbered<'_> {
        fn drop(&mut self) {
            self.1[self.0].store(true, Ordering::Relaxed);
        }
    }

    /// One thread uses values while another closes them. How often a value was in use when it had
    /// been dropped, until that was seen once, or after so many values.
    fn used_after_drop(count: usize) -> usize {
        const FAR_APART: usize = 64;
        let dropped: Vec<_> = (0..count).map(|_| AtomicBool::new(false)).collect();
        let cells: Vec<_> = (0..count).map(|it| Closable::of(Numbered(it, &dropped))).collect();
        // A store that misses the cache is late, and those after it are, of notes.
        let far: Vec<_> = (0..FAR_APART << 19).map(|_| AtomicBool::new(false)).collect();
        let (reached, found) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let use_until_closed = |number: usize| {
            let mut random = number;
            loop {
                for _ in 0..8 {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    far[(random >> 40) * FAR_APART % far.len()].store(true, Ordering::Relaxed);
                }
                let Some(_in_use) = cells[number].get(0) else { return };
                if (0..1_000).any(|_| dropped[number].load(Ordering::Relaxed)) {
                    found.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..count {
                    reached.store(number + 1, Ordering::Release);
                    use_until_closed(number);
                }
            });
            for (number, cell) in cells.iter().enumerate() {
                while reached.load(Ordering::Acquire) <= number {
                    thread::yield_now();
                }
                (0..number % 64).for_each(|_| std::hint::spin_loop());
                assert!(cell.close(0));
            }
        });
        assert!(dropped.iter().all(|it| it.load(Ordering::Relaxed)), "one was never dropped");
        found.into_inner()
    }

    #[test]
    fn no_thread_uses_a_value_that_was_dropped_and_none_is_forgotten() {
        assert_eq!(used_after_drop(20_000), 0);
    }
}
