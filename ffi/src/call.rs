//! One call from C: the boundary that no panic crosses, and what a function gets at its arguments
//! by.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::code::cotas_code;
use crate::error::{cotas_error, message};
use crate::failure::Failure;
use crate::pointers::{self, Out, Sized32};
use crate::table::{self, Handled, Object, Used};

/// A call from C. That there is one is the caller's word that all pointers of the call
/// are as the header's contract has them, so that its methods may follow them.
pub(crate) struct Call {
    error: *mut cotas_error,
}

/// A call whose pointers are the caller's word.
///
/// # Safety
/// Every pointer that is handed to a method of the call is as the header's contract has it, until
/// the call is over.
#[inline]
pub(crate) unsafe fn call(error: *mut cotas_error) -> Call {
    Call { error }
}

// SAFETY: `repr(C)`, a `u32` first, numbers and bytes.
unsafe impl Sized32 for cotas_error {
    const FIRST_BYTES: u32 = 264;
}

#[allow(clippy::unused_self)] // The call is what allows it: see `Call`.
impl Call {
    /// Runs the body of a function and gives the number to return. A panic ends here; the handles
    /// that were in use are not used again.
    #[inline]
    pub(crate) fn run(self, body: impl FnOnce(&Call) -> Result<(), Failure>) -> i32 {
        if !self.error.is_null()
            && let Err(failure) = self.clear_error()
        {
            return failure.code;
        }
        match catch_unwind(AssertUnwindSafe(|| body(&self))) {
            Ok(Ok(())) => cotas_code::COTAS_OK as i32,
            Ok(Err(failure)) => self.fail(&failure),
            Err(_) => {
                let message = "a bug in Cotas; the handle can only be closed from here on";
                self.fail(&Failure::new(cotas_code::COTAS_PANIC, message))
            }
        }
    }

    #[inline]
    fn clear_error(&self) -> Result<(), Failure> {
        // SAFETY: the word that this call is.
        unsafe { Out::new(self.error, "the error") }?.clear();
        Ok(())
    }

    #[cold]
    fn fail(&self, failure: &Failure) -> i32 {
        if !self.error.is_null() {
            let error = cotas_error {
                struct_size: 0,
                code: failure.code,
                message: message(&failure.message),
            };
            // SAFETY: the word that this call is.
            if let Ok(mut out) = unsafe { Out::new(self.error, "the error") } {
                out.write(&error);
            }
        }
        failure.code
    }

    /// The object that a handle names.
    #[inline]
    pub(crate) fn get<T: Handled, C>(&self, handle: *const C) -> Result<Used<T>, Failure> {
        table::get(handle.addr())
    }

    /// Opens a handle and writes it to `to`, once `make` has made what it names.
    pub(crate) fn open<C>(
        &self,
        to: *mut *mut C,
        make: impl FnOnce() -> Result<Object, Failure>,
    ) -> Result<(), Failure> {
        if to.is_null() {
            return Err(Failure::null("the place for the handle"));
        }
        self.put(to, std::ptr::null_mut());
        let handle = table::open(make()?)?;
        self.put(to, std::ptr::without_provenance_mut(handle));
        Ok(())
    }

    /// A text that may be empty.
    #[inline]
    pub(crate) fn text<'a>(
        &'a self,
        from: *const c_char,
        len: usize,
        what: &'static str,
    ) -> Result<&'a str, Failure> {
        // SAFETY: the word that this call is.
        unsafe { pointers::text(from, len, what) }
    }

    /// A text that need not be there: NULL is none.
    #[inline]
    pub(crate) fn text_or_none<'a>(
        &'a self,
        from: *const c_char,
        len: usize,
        what: &'static str,
    ) -> Result<Option<&'a str>, Failure> {
        if from.is_null() && len == 0 {
            return Ok(None);
        }
        self.text(from, len, what).map(Some)
    }

    /// Bytes that may be any.
    pub(crate) fn bytes<'a>(
        &'a self,
        from: *const u8,
        len: usize,
        what: &'static str,
    ) -> Result<&'a [u8], Failure> {
        // SAFETY: the word that this call is.
        unsafe { pointers::bytes(from, len, what) }
    }

    /// The place of a struct that a caller wants.
    #[inline]
    pub(crate) fn out<T: Sized32>(
        &self,
        to: *mut T,
        what: &'static str,
    ) -> Result<Out<T>, Failure> {
        // SAFETY: the word that this call is.
        unsafe { Out::new(to, what) }
    }

    /// Fills the struct that a caller wants with what `answer` gives, or with 0.
    #[inline]
    pub(crate) fn fill<T: Sized32>(
        &self,
        to: *mut T,
        what: &'static str,
        answer: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<(), Failure> {
        let mut out = self.out(to, what)?;
        match answer() {
            Ok(answer) => {
                out.write(&answer);
                Ok(())
            }
            Err(failure) => {
                out.clear();
                Err(failure)
            }
        }
    }

    /// Writes a number where the caller wants it.
    #[inline]
    pub(crate) fn put<T: Copy>(&self, to: *mut T, value: T) {
        // SAFETY: the word that this call is.
        unsafe { pointers::put(to, value) }
    }

    /// Writes what `text` gives into a caller's buffer.
    pub(crate) fn put_text(
        &self,
        to: *mut c_char,
        capacity: usize,
        needed: *mut usize,
        text: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        self.put(needed, 0);
        if to.is_null() && capacity > 0 {
            return Err(Failure::null("the buffer"));
        }
        if capacity > 0 {
            self.put(to, 0);
        }
        let text = text()?;
        // SAFETY: the word that this call is.
        unsafe { pointers::put_text(&text, to, capacity, needed) }
    }
}

/// Closes a handle; NULL is none.
pub(crate) fn close<T: Handled, C>(handle: *mut C) -> i32 {
    let number = handle.addr();
    let closed = catch_unwind(|| if number == 0 { Ok(()) } else { table::close::<T>(number) });
    match closed {
        Ok(Ok(())) => cotas_code::COTAS_OK as i32,
        Ok(Err(failure)) => failure.code,
        Err(_) => cotas_code::COTAS_PANIC as i32,
    }
}
