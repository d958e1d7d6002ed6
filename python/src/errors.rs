//! Errors of the engine as the exceptions of `cotas.errors`.
//!
//! They are made without running Python: until 3.14 an interpreter that ends takes its other
//! threads down where they next wait for it, and inside a call from here that would end the
//! process by SIGABRT instead.

use std::any::Any;

use cotas::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::decision::Decision;

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

/// A decision was denied, and the caller asked for an exception.
#[cold]
pub fn denied(decision: &Bound<'_, Decision>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = decision.py();
    let raised = || {
        let class = CLASS.import(py, "cotas.errors", "QuotaExceeded")?;
        let raised = uninitialised(class, &decision.get().denial(py))?;
        raised.setattr("code", 0)?;
        raised.setattr("decision", decision)?;
        Ok(PyErr::from_value(raised))
    };
    raised().unwrap_or_else(|error: PyErr| error)
}

/// Makes an exception of the class that goes with an error's number.
fn exception(code: i32, message: &str) -> PyErr {
    Python::attach(|py| {
        let raised = uninitialised(&class_of(py, code)?, message)?;
        raised.setattr("code", code)?;
        Ok(PyErr::from_value(raised))
    })
    .unwrap_or_else(|error| error)
}

/// The class of an error's number, or else of its hundred, as `cotas.errors.of` finds it.
fn class_of(py: Python<'_>, code: i32) -> PyResult<Bound<'_, PyAny>> {
    static BY_CODE: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static FAMILIES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    static ANY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let known = BY_CODE.import(py, "cotas.errors", "_BY_CODE")?.get_item(code)?;
    let family = FAMILIES.import(py, "cotas.errors", "_FAMILIES")?.get_item(code / 100)?;
    let any = ANY.import(py, "cotas.errors", "CotasError")?;
    Ok(known.or(family).unwrap_or_else(|| any.clone()))
}

/// An exception with a message, whose `__init__`, written in Python, is not called.
fn uninitialised<'py>(class: &Bound<'py, PyAny>, message: &str) -> PyResult<Bound<'py, PyAny>> {
    class.call_method1("__new__", (class, message))
}
