//! Why a call did not do what was asked.

use std::borrow::Cow;

use cotas_core::Error;

use crate::code::cotas_code;

/// A number for programs, and words for people.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    pub(crate) message: Cow<'static, str>,
}

impl Failure {
    /// One of this crate's own.
    pub(crate) const fn new(code: cotas_code, message: &'static str) -> Failure {
        Failure { code: code as i32, message: Cow::Borrowed(message) }
    }

    /// A pointer is NULL that must not be.
    pub(crate) fn null(what: &'static str) -> Failure {
        let message = Cow::Owned(format!("{what} is NULL"));
        Failure { code: cotas_code::COTAS_E_NULL as i32, message }
    }

    /// Why the engine did not do it.
    #[cold]
    pub(crate) fn of(error: &Error) -> Failure {
        Failure { code: error.code(), message: Cow::Owned(error.to_string()) }
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
