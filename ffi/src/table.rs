//! Handles. What C holds as a pointer is a number that names a slot of a table and says how often
//! that slot had been used before: it is looked up and never followed, so that a handle that was
//! closed, is of another type or was never given is found out instead of crashing the host.
//!
//! Slots are never freed, and used again under another number. A handle that is closed while
//! calls are using it is let go by the last of them. There is no lock: a forked child must be able
//! to open and close handles whatever the threads of its parent were doing.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;

use crate::code::cotas_code;
use crate::engine::EngineHandle;
use crate::failure::Failure;
use crate::options::OptionsHandle;
use crate::tenant::TenantHandle;

/// What a handle names.
pub(crate) enum Object {
    Options(OptionsHandle),
    Engine(EngineHandle),
    Tenant(TenantHandle),
}

/// A type of handle.
pub(crate) trait Handled: Sized + 'static {
    /// The number of the type.
    const TYPE: u64;
    /// The type's name in the header.
    const NAME: &'static str;
    /// The object that a handle of this type names.
    fn of(object: &Object) -> Option<&Self>;
}

/// A slot's word, from its lowest bit: calls that are using it (32 bits), whether it is open,
/// whether a call panicked, whether it was closed, type (2 bits), number of its use (24 bits).
struct Slot {
    word: AtomicU64,
    index: u32,
    /// The next free slot, plus one.
    next: AtomicU32,
    /// Changed only by whoever took the slot from the free list, and by the one that lets it go.
    object: UnsafeCell<Option<Object>>,
}

// SAFETY: `object` is read by those that found the slot open and are counted in its word, and
// changed by one thread at a time: before the slot is open, or after it was closed and nobody uses
// it any more. `Object` is `Send` and `Sync` (checked below).
unsafe impl Sync for Slot {}

const fn assert_shared<T: Send + Sync>() {}
const _: () = assert_shared::<Object>();

const USERS: u64 = 0xffff_ffff;
const OPEN: u64 = 1 << 32;
const PANICKED: u64 = 1 << 33;
const CLOSED: u64 = 1 << 34;
const TYPE_SHIFT: u32 = 35;
const USE_SHIFT: u32 = 40;
const USE_MAX: u64 = (1 << 22) - 1;

/// Slots that there are at most.
const SLOTS_MAX: usize = 1 << 22;

/// A handle's number, from its lowest bit: three bits 0, slot (22 bits), use (22 bits): positive,
/// never 0, and within the 47 bits that a pointer of a process has.
const SLOT_SHIFT: u32 = 3;
const HANDLE_USE_SHIFT: u32 = SLOT_SHIFT + 22;

static SLOTS: boxcar::Vec<Slot> = boxcar::Vec::new();
/// The first free slot plus one, below a count of changes, so that one which was taken and
/// given back meanwhile is not mistaken for one that stayed.
static FREE: AtomicU64 = AtomicU64::new(0);

/// An object in use by a call.
pub(crate) struct Used<T: Handled> {
    slot: &'static Slot,
    object: &'static T,
}

impl<T: Handled> std::ops::Deref for Used<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.object
    }
}

impl<T: Handled> Drop for Used<T> {
    #[inline]
    fn drop(&mut self) {
        if thread::panicking() {
            self.slot.word.fetch_or(PANICKED, Ordering::Relaxed);
        }
        self.slot.leave();
    }
}

/// Opens a handle. The number is what C holds.
pub(crate) fn open<T: Handled>(object: Object) -> Result<usize, Failure> {
    let index = match take_free() {
        Some(index) => index,
        None if SLOTS.count() >= SLOTS_MAX => {
            let message = "too many handles are open";
            return Err(Failure::new(cotas_code::COTAS_E_HANDLES, message));
        }
        None => SLOTS.push_with(|index| Slot {
            word: AtomicU64::new(1 << USE_SHIFT),
            index: index as u32,
            next: AtomicU32::new(0),
            object: UnsafeCell::new(None),
        }),
    };
    let Some(slot) = SLOTS.get(index) else {
        return Err(Failure::new(cotas_code::COTAS_E_HANDLES, "a handle has no slot"));
    };
    // SAFETY: the slot is not open, and this thread took it.
    unsafe { *slot.object.get() = Some(object) };
    // Strangers may be counted in it for an instant: only these bits change.
    let word = slot.word.fetch_or(OPEN | T::TYPE << TYPE_SHIFT, Ordering::Release);
    let number = (word >> USE_SHIFT) << HANDLE_USE_SHIFT | (index as u64) << SLOT_SHIFT;
    Ok(number as usize)
}

/// The object that a handle names, for the time of a call.
#[inline]
pub(crate) fn get<T: Handled>(handle: usize) -> Result<Used<T>, Failure> {
    let Some((slot, open)) = find::<T>(handle) else { return Err(bad(handle, T::NAME)) };
    let word = slot.word.fetch_add(1, Ordering::Acquire);
    if word & !USERS == open {
        // SAFETY: the slot is open, and this call is counted: nobody changes the object.
        let object = unsafe { &*slot.object.get() };
        if let Some(object) = object.as_ref().and_then(T::of) {
            return Ok(Used { slot, object });
        }
    }
    slot.leave();
    Err(if word & !(USERS | PANICKED) == open { panicked() } else { bad(handle, T::NAME) })
}

/// Closes a handle, also one whose call panicked.
pub(crate) fn close<T: Handled>(handle: usize) -> Result<(), Failure> {
    let Some((slot, open)) = find::<T>(handle) else { return Err(bad(handle, T::NAME)) };
    let closing = |word: u64| {
        (word & !(USERS | PANICKED) == open).then_some(((word & !(OPEN | PANICKED)) | CLOSED) + 1)
    };
    match slot.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, closing) {
        Ok(_) => {
            slot.leave();
            Ok(())
        }
        Err(_) => Err(bad(handle, T::NAME)),
    }
}

/// The slot of a handle, and its word while the handle is open and nobody uses it.
#[inline]
fn find<T: Handled>(handle: usize) -> Option<(&'static Slot, u64)> {
    let number = handle as u64;
    let uses = number >> HANDLE_USE_SHIFT;
    if number & 0b111 != 0 || uses > USE_MAX {
        return None;
    }
    let slot = SLOTS.get((number >> SLOT_SHIFT) as usize & (SLOTS_MAX - 1))?;
    Some((slot, uses << USE_SHIFT | OPEN | T::TYPE << TYPE_SHIFT))
}

impl Slot {
    /// Counts a call out. The last one out of a slot that was closed lets its object go.
    #[inline]
    fn leave(&self) {
        let word = self.word.fetch_sub(1, Ordering::AcqRel) - 1;
        if word & CLOSED != 0 && word & USERS == 0 {
            self.let_go(word);
        }
    }

    #[cold]
    fn let_go(&self, word: u64) {
        let uses = (word >> USE_SHIFT) + 1;
        // Whoever changes the word from "closed, nobody in it" is the one that lets go.
        let gone = uses << USE_SHIFT;
        if self.word.compare_exchange(word, gone, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return;
        }
        // SAFETY: nobody uses the object, and nobody can come to: the slot is neither open nor
        // free yet.
        let object = unsafe { (*self.object.get()).take() };
        if uses < USE_MAX {
            give_free(self);
        }
        drop(object);
    }
}

fn take_free() -> Option<usize> {
    let mut free = FREE.load(Ordering::Acquire);
    loop {
        let index = (free as u32).checked_sub(1)? as usize;
        let next = u64::from(SLOTS.get(index)?.next.load(Ordering::Relaxed));
        let changed = ((free >> 32) + 1) << 32 | next;
        match FREE.compare_exchange_weak(free, changed, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Some(index),
            Err(now) => free = now,
        }
    }
}

fn give_free(slot: &Slot) {
    let mut free = FREE.load(Ordering::Relaxed);
    loop {
        slot.next.store(free as u32, Ordering::Relaxed);
        let changed = ((free >> 32) + 1) << 32 | u64::from(slot.index + 1);
        match FREE.compare_exchange_weak(free, changed, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => free = now,
        }
    }
}

#[cold]
fn bad(handle: usize, name: &'static str) -> Failure {
    if handle == 0 {
        return Failure::null(name);
    }
    let message = format!("the handle is closed, or never was a {name}");
    Failure { code: cotas_code::COTAS_E_HANDLE as i32, message: message.into() }
}

#[cold]
fn panicked() -> Failure {
    let message = "an earlier call with this handle ended in a bug of Cotas: close it";
    Failure::new(cotas_code::COTAS_PANIC, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OptionsHandle;

    fn options() -> usize {
        open::<OptionsHandle>(Object::Options(OptionsHandle::default())).expect("opens")
    }

    fn code<T: Handled>(handle: usize) -> Option<i32> {
        get::<T>(handle).err().map(|failure| failure.code)
    }

    #[test]
    fn a_handle_names_its_object_until_it_is_closed_and_no_other_ever() {
        let first = options();
        assert_eq!(code::<OptionsHandle>(first), None);
        assert_eq!(code::<EngineHandle>(first), Some(4));
        close::<OptionsHandle>(first).expect("closes");
        assert_eq!(code::<OptionsHandle>(first), Some(4));
        assert_eq!(close::<OptionsHandle>(first).map_err(|it| it.code), Err(4));
        for _ in 0..1_000 {
            let later = options();
            assert_ne!(later, first);
            assert_eq!(code::<OptionsHandle>(first), Some(4));
            close::<OptionsHandle>(later).expect("closes");
        }
    }

    #[test]
    fn numbers_that_were_never_given_are_refused() {
        let handle = options();
        for strange in [1, 8, handle + 1, handle | 1 << 60, usize::MAX, usize::MAX & !7] {
            assert_eq!(code::<OptionsHandle>(strange), Some(4), "{strange:#x}");
        }
        assert_eq!(code::<OptionsHandle>(0), Some(1));
        close::<OptionsHandle>(handle).expect("closes");
    }

    #[test]
    fn a_handle_that_is_closed_in_use_is_let_go_by_the_last_user() {
        let handle = options();
        let used = get::<OptionsHandle>(handle).expect("is open");
        let slot = used.slot;
        close::<OptionsHandle>(handle).expect("closes");
        assert_eq!(code::<OptionsHandle>(handle), Some(4));
        // SAFETY: only looked at, and this thread is counted in it.
        assert!(unsafe { (*slot.object.get()).is_some() });
        drop(used);
        assert_eq!(slot.word.load(Ordering::Relaxed) & CLOSED, 0);
    }

    #[test]
    fn a_panic_leaves_the_handle_only_to_be_closed() {
        let handle = options();
        let ended = std::panic::catch_unwind(|| {
            let _used = get::<OptionsHandle>(handle);
            panic!("as a test");
        });
        assert!(ended.is_err());
        assert_eq!(code::<OptionsHandle>(handle), Some(7));
        close::<OptionsHandle>(handle).expect("closes");
        assert_eq!(code::<OptionsHandle>(handle), Some(4));
    }

    #[test]
    fn threads_that_open_use_and_close_do_not_meet() {
        let seen = std::sync::Mutex::new(std::collections::HashSet::new());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let handle = options();
                        assert!(seen.lock().expect("is whole").insert(handle));
                        assert_eq!(code::<OptionsHandle>(handle), None);
                        close::<OptionsHandle>(handle).expect("closes");
                    }
                });
            }
        });
    }
}
