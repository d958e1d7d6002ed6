//! `cotas._cotas`: the engine as the Python package `cotas` uses it.
//!
//! This half decides: handles, decisions, clocks, and administration with documents as JSON. The
//! half in Python makes of that what a Python program expects: typed reports, context managers,
//! guards, middleware. Public names are documented in `cotas/_cotas.pyi`.
//!
//! A decision is made attached to the interpreter, since releasing it takes longer than to
//! decide; whatever would have to wait is asked again detached ([`engine_state::decide`]).
#![deny(unsafe_code)]
// Arguments are read from Python's objects and handed over.
#![allow(clippy::needless_pass_by_value)]

mod accounts;
mod administer;
mod arguments;
mod as_dict;
mod clock;
mod decision;
mod documents;
mod engine;
mod engine_state;
mod errors;
mod holds;
mod known;
mod money;
mod moves;
mod open;
mod outcome;
mod outside;
mod packed;
#[cfg(feature = "test-panic")]
mod panic;
mod records;
mod tenant;
mod whatsapp;

/// What the package `cotas` imports.
#[pyo3::pymodule(gil_used = false)]
mod _cotas {
    /// The version of the package, and of the engine in it.
    #[pymodule_export]
    #[allow(non_upper_case_globals)] // The name is Python's.
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    use super::clock::ManualClock;
    #[pymodule_export]
    use super::decision::Decision;
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::moves::{Meter, Rate};
    #[pymodule_export]
    use super::outcome::{Charge, LeaseOutcome, SessionOutcome};
    #[pymodule_export]
    use super::outside::{_doctor, _restore};
    #[pymodule_export]
    use super::tenant::Tenant;
    #[pymodule_export]
    use super::whatsapp::_whatsapp_events;
}
