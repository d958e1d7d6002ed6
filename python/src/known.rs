//! Resources that a program names by the same text object every time, as it does where the name
//! stands in its source: the interpreter makes one object of all texts of its kind.

use std::sync::atomic::{AtomicU64, Ordering};

use cotas::ResourceId;
use pyo3::prelude::*;

use crate::arguments::Name;
use crate::decision::Decision;
use crate::engine_state::{self, EngineState};

/// What a resource was called by.
#[derive(Clone, Copy)]
pub struct Called<'a, 'py>(Borrowed<'a, 'py, PyAny>);

impl<'a, 'py> FromPyObject<'a, 'py> for Called<'a, 'py> {
    type Error = PyErr;

    /// It is read when it turns out not to be known.
    #[inline]
    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Called(obj))
    }
}

impl<'a> Called<'a, '_> {
    /// The text of it.
    pub fn name(self) -> PyResult<Name<'a>> {
        Name::extract(self.0)
    }

    fn address(self) -> u64 {
        self.0.as_ptr().addr() as u64
    }
}

/// The numbers of a few resources by the addresses of their names: only of names that the engine's
/// hub keeps, so that no other text comes to lie there.
#[derive(Default)]
pub struct Known([AtomicU64; 4]);

/// A resource's number lies below its name's address, of which so many bits are 0.
const NUMBER_BITS: u32 = 16;

impl Known {
    /// Asks for a decision about a resource by its number.
    #[inline]
    pub fn decide(
        &self,
        py: Python<'_>,
        engine_state: &EngineState,
        called: Called<'_, '_>,
        ask: impl Fn(ResourceId) -> PyResult<Py<Decision>>,
    ) -> PyResult<Py<Decision>> {
        match self.number(called) {
            Some(resource) => {
                let decision = ask(resource)?;
                if decision.get().is_not_in_plan() {
                    self.find(py, engine_state, called)?; // In no catalog: an error.
                }
                Ok(decision)
            }
            None => ask(self.find(py, engine_state, called)?),
        }
    }

    #[inline]
    fn number(&self, called: Called<'_, '_>) -> Option<ResourceId> {
        let known = self.place(called)?.load(Ordering::Relaxed);
        let is_it = known >> NUMBER_BITS == called.address();
        is_it.then(|| ResourceId::from_number(known as u16))
    }

    #[inline]
    fn place(&self, called: Called<'_, '_>) -> Option<&AtomicU64> {
        self.0.get((called.address() >> 5) as usize % self.0.len())
    }

    /// Finds a resource by its name, and remembers it where the name is the hub's own.
    #[inline(never)]
    fn find(
        &self,
        py: Python<'_>,
        engine_state: &EngineState,
        called: Called<'_, '_>,
    ) -> PyResult<ResourceId> {
        let name = called.name()?;
        let resource =
            engine_state::decide(py, engine_state.engine(), |engine| engine.resource(name.0))?;
        let is_kept = engine_state.name(py, resource).is_some_and(|own| own.is(called.0));
        let fits = called.address() < 1 << (u64::BITS - NUMBER_BITS);
        if let Some(place) = self.place(called).filter(|_| is_kept && fits) {
            let known = called.address() << NUMBER_BITS | u64::from(resource.number());
            place.store(known, Ordering::Relaxed);
        }
        Ok(resource)
    }
}
