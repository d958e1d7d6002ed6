//! Errors of the engine as the exceptions of `cotas.errors`.

use std::any::Any;

use cotas::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// An argument that is not acceptable, as the engine numbers it.
const INVALID_ARGUMENT: i32 = 406;
/// Numbers that the C ABI has for the same: of handles that are gone, and of panics.
const CLOSED: i32 = 4;
const INTERNAL: i32 = 7;

/// The exception that says what the engine said.
#[cold]
pub fn raise(error: &Error) -> PyErr {
    exception(error.code(), &error.to_string())
}

/// An argument is not acceptable. The message repeats nothing personal.
#[cold]
pub fn invalid(message: &str) -> PyErr {
    exception(INVALID_ARGUMENT, message)
}

/// The engine has been closed.
#[cold]
pub fn closed() -> PyErr {
    exception(CLOSED, "the engine is closed")
}

/// The engine has panicked: a fault of its own, which is to end no host. What it panicked with may
/// name anything, and is not repeated.
#[cold]
pub fn internal(_: &(dyn Any + Send)) -> PyErr {
    exception(INTERNAL, "an internal fault of the engine; what was asked may have been done")
}

/// Makes an exception of the class that goes with an error's number.
fn exception(code: i32, message: &str) -> PyErr {
    static OF: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    Python::attach(|py| {
        let of = OF.import(py, "cotas.errors", "of")?;
        Ok(PyErr::from_value(of.call1((code, message))?))
    })
    .unwrap_or_else(|error| error)
}
