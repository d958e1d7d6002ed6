//! Handles. What C holds as a pointer is a number that names a slot of a table and says how often
//! that slot had been used before: it is looked up and never followed, so that a handle that was
//! closed, is of another type or was never given is found out instead of crashing the host.
//!
//! Slots are never freed, and used again under another number. A handle that is closed while
//! calls are using it is dropped by the last of them. There is no lock: a forked child must be able
//! to open and close handles whatever the threads of its parent were doing.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;

use cotas_core::{Closable, InUse};

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
    /// The type's name in the header.
    const NAME: &'static str;
    /// The object that a handle of this type names.
    fn of(object: &Object) -> Option<&Self>;
}

struct Slot {
    held: Closable<Held>,
    /// Whether a call ended in a panic while it used what is held.
    is_spoiled: AtomicBool,
    /// The next free slot, plus one.
    next: AtomicU32,
}

/// What a slot holds.
struct Held {
    object: Object,
    slot: usize,
}

impl Drop for Held {
    /// The slot is free from here on: it was emptied before.
    fn drop(&mut self) {
        if let Some(slot) = SLOTS.get(self.slot).filter(|slot| !slot.held.is_used_up()) {
            give_free(slot, self.slot);
        }
    }
}

/// Slots that there are at most.
const SLOTS_MAX: usize = 1 << 22;

/// A handle's number, from its lowest bit: three bits 0, slot (22 bits), use (22 bits) plus one:
/// positive, never 0, and within the 47 bits that a pointer of a process has.
const SLOT_SHIFT: u32 = 3;
const USE_SHIFT: u32 = SLOT_SHIFT + 22;
const _: () = assert!(Closable::<Held>::USES <= 1 << 22);

static SLOTS: boxcar::Vec<Slot> = boxcar::Vec::new();
/// The first free slot plus one, below a count of changes, so that one which was taken and
/// given back meanwhile is not mistaken for one that stayed.
static FREE: AtomicU64 = AtomicU64::new(0);

/// An object in use by a call.
pub(crate) struct Used<T: Handled> {
    object: InUse<'static, Held, T>,
    slot: &'static Slot,
}

impl<T: Handled> Deref for Used<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T: Handled> Drop for Used<T> {
    #[inline]
    fn drop(&mut self) {
        if thread::panicking() {
            self.slot.is_spoiled.store(true, Ordering::Relaxed);
        }
    }
}

/// Opens a handle. The number is what C holds.
pub(crate) fn open(object: Object) -> Result<usize, Failure> {
    let index = match take_free() {
        Some(index) => index,
        None if SLOTS.count() >= SLOTS_MAX => return Err(too_many()),
        None => SLOTS.push(Slot {
            held: Closable::empty(),
            is_spoiled: AtomicBool::new(false),
            next: AtomicU32::new(0),
        }),
    };
    let slot = SLOTS.get(index).ok_or_else(too_many)?;
    slot.is_spoiled.store(false, Ordering::Relaxed);
    let uses = slot.held.open(Held { object, slot: index }).map_err(|_| too_many())?;
    Ok((uses as usize + 1) << USE_SHIFT | index << SLOT_SHIFT)
}

/// The object that a handle names, for the time of a call.
#[inline(always)]
pub(crate) fn get<T: Handled>(handle: usize) -> Result<Used<T>, Failure> {
    let Some((slot, number)) = find(handle) else { return Err(bad(handle, T::NAME)) };
    let object = slot.held.get(number).and_then(|held| held.part(|held| T::of(&held.object)));
    match object {
        Some(_) if slot.is_spoiled.load(Ordering::Relaxed) => Err(spoiled()),
        Some(object) => Ok(Used { object, slot }),
        None => Err(bad(handle, T::NAME)),
    }
}

/// Closes a handle, also one whose call panicked.
pub(crate) fn close<T: Handled>(handle: usize) -> Result<(), Failure> {
    let is_closed = find(handle).is_some_and(|(slot, number)| {
        let is_of_type = slot.held.get(number).is_some_and(|held| T::of(&held.object).is_some());
        is_of_type && slot.held.close(number)
    });
    if is_closed { Ok(()) } else { Err(bad(handle, T::NAME)) }
}

/// The slot of a handle, and which use of it the handle is for.
#[inline]
fn find(handle: usize) -> Option<(&'static Slot, u32)> {
    let uses = u32::try_from(handle >> USE_SHIFT).ok()?.checked_sub(1)?;
    if handle & ((1 << SLOT_SHIFT) - 1) != 0 {
        return None;
    }
    Some((SLOTS.get(handle >> SLOT_SHIFT & (SLOTS_MAX - 1))?, uses))
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

fn give_free(slot: &Slot, index: usize) {
    let mut free = FREE.load(Ordering::Relaxed);
    loop {
        slot.next.store(free as u32, Ordering::Relaxed);
        let changed = ((free >> 32) + 1) << 32 | (index as u64 + 1);
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
    Failure::new(cotas_code::COTAS_E_HANDLE, message)
}

#[cold]
fn spoiled() -> Failure {
    let message = "an earlier call with this handle ended in a bug of Cotas: close it";
    Failure::new(cotas_code::COTAS_PANIC, message)
}

#[cold]
fn too_many() -> Failure {
    Failure::new(cotas_code::COTAS_E_HANDLES, "too many handles are open")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OptionsHandle;

    fn options() -> usize {
        open(Object::Options(OptionsHandle::default())).expect("opens")
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
        close::<OptionsHandle>(handle).expect("closes");
        assert_eq!(code::<OptionsHandle>(handle), Some(4));
        let opened: Vec<usize> = (0..100).map(|_| options()).collect();
        let slot = |handle: &usize| handle >> SLOT_SHIFT & (SLOTS_MAX - 1);
        assert!(opened.iter().all(|it| slot(it) != slot(&handle)), "its slot is not free");
        drop(used);
        for it in opened {
            close::<OptionsHandle>(it).expect("closes");
        }
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
