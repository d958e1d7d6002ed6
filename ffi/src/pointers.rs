//! Pointers from C: what may be read and written through them.
//!
//! Everything here is unsafe for one reason, the header's contract: a pointer is NULL, or it points
//! to what its type and the length beside it say, for as long as the call lasts, and no other
//! thread writes there meanwhile.

use std::ffi::c_char;
use std::{ptr, slice, str};

use crate::code::cotas_code;
use crate::failure::Failure;

/// The largest struct that any later version could have: more is no struct's size.
const STRUCT_BYTES_MAX: u32 = 65_536;

/// A struct that begins with its size, as the caller was compiled with it: a caller of an older
/// header has a shorter one, a caller of a newer header a longer one.
///
/// # Safety
/// The type is `repr(C)`, begins with a `u32` that is its size, and is sound with all bytes 0.
pub(crate) unsafe trait Sized32: Copy {
    /// Its size in the first header that had it.
    const FIRST_BYTES: u32;
}

/// Where a caller wants a struct: checked, and zero-filled.
pub(crate) struct Out<T> {
    to: *mut T,
    bytes: u32,
}

impl<T: Sized32> Out<T> {
    /// The place at `to`. All of it but its size is 0 from here on.
    ///
    /// # Safety
    /// The module's contract.
    #[inline]
    pub(crate) unsafe fn new(to: *mut T, what: &'static str) -> Result<Out<T>, Failure> {
        if to.is_null() {
            return Err(Failure::null(what));
        }
        // SAFETY: not NULL, so it points to a struct that begins with its size.
        let bytes = unsafe { to.cast::<u32>().read_unaligned() };
        if bytes as usize == size_of::<T>() {
            return Ok(Out { to, bytes });
        }
        if !(T::FIRST_BYTES..=STRUCT_BYTES_MAX).contains(&bytes) {
            return Err(wrong_size::<T>(bytes, what));
        }
        Ok(Out { to, bytes })
    }

    /// Fills the struct with 0, apart from its size.
    #[inline]
    pub(crate) fn clear(&mut self) {
        // SAFETY: `new` found a struct of so many bytes, and the caller lends it for the call.
        unsafe {
            ptr::write_bytes(self.to.cast::<u8>(), 0, self.bytes as usize);
            self.to.cast::<u32>().write_unaligned(self.bytes);
        }
    }

    /// Has `say` fill in a struct that is all 0: the caller's own, where it is as this header has
    /// it, else one of which the caller gets as much as it knows of.
    #[inline(always)]
    pub(crate) fn fill(&mut self, say: impl FnOnce(&mut T)) {
        if self.bytes as usize == size_of::<T>() && self.to.is_aligned() {
            self.clear();
            // SAFETY: aligned, of this size and all of it just written; the caller lends it for
            // the call.
            say(unsafe { &mut *self.to });
        } else {
            // SAFETY: `Sized32` is sound with all bytes 0.
            let mut value = unsafe { std::mem::zeroed() };
            say(&mut value);
            self.write(&value);
        }
    }

    /// Writes as much of `value` as the caller knows of, and 0 beyond what is known here.
    #[inline]
    pub(crate) fn write(&mut self, value: &T) {
        let known = size_of::<T>();
        let bytes = self.bytes as usize;
        // SAFETY: as `clear`; `value` is another place, of `known` bytes.
        unsafe {
            let to = self.to.cast::<u8>();
            if bytes == known {
                ptr::copy_nonoverlapping(ptr::from_ref(value).cast::<u8>(), to, known);
            } else {
                let copied = bytes.min(known);
                ptr::copy_nonoverlapping(ptr::from_ref(value).cast::<u8>(), to, copied);
                ptr::write_bytes(to.add(copied), 0, bytes - copied);
            }
            self.to.cast::<u32>().write_unaligned(self.bytes);
        }
    }
}

#[cold]
fn wrong_size<T: Sized32>(bytes: u32, what: &str) -> Failure {
    let message = format!(
        "{what} has the struct_size {bytes}; {} to {STRUCT_BYTES_MAX} are allowed: set it to the \
         sizeof of the struct",
        T::FIRST_BYTES
    );
    Failure::new(cotas_code::COTAS_E_STRUCT_SIZE, message)
}

/// The bytes at `from`. NULL with a length of 0 is empty.
///
/// # Safety
/// The module's contract.
#[inline]
pub(crate) unsafe fn bytes<'a>(
    from: *const u8,
    len: usize,
    what: &'static str,
) -> Result<&'a [u8], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if from.is_null() {
        return Err(Failure::null(what));
    }
    if len > isize::MAX as usize {
        return Err(Failure::argument(what, format!("it cannot have {len} bytes")));
    }
    // SAFETY: `len` bytes may be read at `from`; no object is larger than `isize::MAX`.
    Ok(unsafe { slice::from_raw_parts(from, len) })
}

/// The text at `from`. NULL with a length of 0 is empty.
///
/// # Safety
/// The module's contract.
#[inline]
pub(crate) unsafe fn text<'a>(
    from: *const c_char,
    len: usize,
    what: &'static str,
) -> Result<&'a str, Failure> {
    // SAFETY: passed on.
    let bytes = unsafe { bytes(from.cast(), len, what) }?;
    str::from_utf8(bytes).map_err(|_| not_utf8(what))
}

#[cold]
fn not_utf8(what: &'static str) -> Failure {
    Failure::new(cotas_code::COTAS_E_UTF8, format!("{what} is not UTF-8"))
}

/// Writes a number, where the caller wants it.
///
/// # Safety
/// The module's contract.
#[inline]
pub(crate) unsafe fn put<T: Copy>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: not NULL, so a value of this type may be written there.
        unsafe { to.write_unaligned(value) };
    }
}

/// Writes `text` and a NUL to the `capacity` bytes at `to`, and how many bytes that takes to
/// `needed`. Where they are too few, the text there is empty.
///
/// # Safety
/// The module's contract.
pub(crate) unsafe fn put_text(
    text: &str,
    to: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> Result<(), Failure> {
    let to = to.cast::<u8>();
    // SAFETY: passed on.
    unsafe { put(needed, text.len() + 1) };
    if to.is_null() && capacity > 0 {
        return Err(Failure::null("the buffer"));
    }
    if capacity <= text.len() {
        // SAFETY: `capacity` bytes may be written at `to`.
        unsafe { put(if capacity > 0 { to } else { ptr::null_mut() }, 0) };
        let message = format!("the buffer has {capacity} bytes; {} are needed", text.len() + 1);
        return Err(Failure::new(cotas_code::COTAS_E_BUFFER, message));
    }
    // SAFETY: `capacity` bytes may be written at `to`, which is more than the text has.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr(), to, text.len());
        to.add(text.len()).write(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A struct that has grown: its first version ended before `later`.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Grown {
        struct_size: u32,
        first: u32,
        later: u64,
    }

    // SAFETY: `repr(C)`, a `u32` first, numbers.
    unsafe impl Sized32 for Grown {
        const FIRST_BYTES: u32 = 8;
    }

    const ANSWER: Grown = Grown { struct_size: 0, first: 7, later: 9 };
    const UNTOUCHED: u64 = u64::MAX;

    fn written(struct_size: u32) -> Option<Grown> {
        let mut place = Grown { struct_size, first: u32::MAX, later: UNTOUCHED };
        // SAFETY: it points to a struct that is as large as any size that is given here.
        unsafe { Out::new(&raw mut place, "it") }.ok()?.write(&ANSWER);
        Some(place)
    }

    #[test]
    fn a_program_of_an_older_header_gets_what_it_knows_of_and_nothing_beyond() {
        let old = Grown { struct_size: 8, first: 7, later: UNTOUCHED };
        assert_eq!(written(8), Some(old));
        assert_eq!(written(16), Some(Grown { struct_size: 16, ..ANSWER }));
        for wrong in [0, 4, 7, u32::MAX] {
            assert_eq!(written(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_program_of_a_newer_header_gets_0_for_what_is_not_known_here() {
        let mut place = [u64::MAX; 4];
        place[0] = (u64::from(u32::MAX) << 32) + 24;
        // SAFETY: it points to 32 bytes, of which it says 24.
        let mut out = unsafe { Out::new(place.as_mut_ptr().cast::<Grown>(), "it") }.expect("fits");
        out.write(&ANSWER);
        assert_eq!(place, [(7 << 32) + 24, 9, 0, u64::MAX]);
        out.clear();
        assert_eq!(place, [24, 0, 0, u64::MAX]);
    }
}
