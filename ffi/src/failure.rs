//! Why a call did not do what was asked.

use std::borrow::Cow;
use std::ops::Deref;

use cotas_core::Error;

use crate::code::cotas_code;

/// Why not, boxed: a call that succeeds is not to carry the size of it from one function to the
/// next.
#[derive(Debug)]
pub(crate) struct Failure(Box<Why>);

/// A number for programs, and words for people.
#[derive(Debug)]
pub(crate) struct Why {
    pub(crate) code: i32,
    pub(crate) message: Cow<'static, str>,
}

impl Deref for Failure {
    type Target = Why;

    fn deref(&self) -> &Why {
        &self.0
    }
}

impl Failure {
    /// One of this crate's own.
    pub(crate) fn new(code: cotas_code, message: impl Into<Cow<'static, str>>) -> Failure {
        Failure(Box::new(Why { code: code as i32, message: message.into() }))
    }

    /// A pointer is NULL that must not be.
    #[cold]
    pub(crate) fn null(what: &'static str) -> Failure {
        Failure::new(cotas_code::COTAS_E_NULL, format!("{what} is NULL"))
    }

    /// Why the engine did not do it.
    #[cold]
    pub(crate) fn of(error: &Error) -> Failure {
        Failure(Box::new(Why { code: error.code(), message: error.to_string().into() }))
    }

    /// An argument is not acceptable.
    pub(crate) fn argument(what: &'static str, why: String) -> Failure {
        Error::InvalidArgument { what, why }.into()
    }
}

impl<E: Into<Error>> From<E> for Failure {
    #[cold]
    fn from(error: E) -> Failure {
        Failure::of(&error.into())
    }
}
