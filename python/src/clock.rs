//! A clock that a program sets manually.

use std::sync::Arc;

use cotas::Clock as _;
use pyo3::prelude::*;

use crate::arguments::{Lapse, When};

/// A clock that stands still until it is set.
#[pyclass(frozen, module = "cotas")]
pub struct ManualClock(Arc<cotas::ManualClock>);

impl ManualClock {
    pub fn shared(&self) -> Arc<cotas::ManualClock> {
        Arc::clone(&self.0)
    }
}

#[pymethods]
impl ManualClock {
    #[new]
    fn new(now: When) -> ManualClock {
        ManualClock(Arc::new(cotas::ManualClock::new(now.0)))
    }

    #[getter]
    fn now(&self) -> When {
        When(self.0.now())
    }

    /// Shows `now` from here on: a later time as if the time had passed, an earlier one as after a
    /// boot with the clock set back.
    fn set(&self, now: When) {
        self.0.set(now.0);
    }

    /// Moves on, as if the time had passed.
    fn advance(&self, by: Lapse) {
        self.0.advance_ms(by.0);
    }

    /// Sets the wall clock alone, ahead or back: no time passes.
    fn jump(&self, by: Lapse) {
        self.0.jump_ms(by.0);
    }

    fn __repr__(&self) -> String {
        format!("ManualClock({})", self.0.now())
    }
}
