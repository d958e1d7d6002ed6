//! What became of a session and of a lease, and what was charged: parts of a decision.

use cotas::Source;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::arguments::When;
use crate::records;

/// What became of a contact's session.
#[pyclass(frozen, eq, get_all, module = "cotas")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionOutcome {
    /// It was opened by this; otherwise it was open already.
    opened: bool,
    /// The first instant after it.
    expires_at: When,
}

/// What became of a lease.
#[pyclass(frozen, eq, get_all, module = "cotas")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LeaseOutcome {
    /// It was taken by this; otherwise its holder had it already, and it was prolonged.
    acquired: bool,
    /// Rises with every lease of the tenant.
    fencing: u64,
    /// The first instant after it, unless it is renewed.
    expires_at: When,
}

/// Units of one resource that came from one source.
#[pyclass(frozen, module = "cotas")]
pub struct Charge {
    pub resource: Option<Py<PyString>>,
    pub source: Option<Source>,
    #[pyo3(get)]
    pub units: u64,
}

impl From<cotas::SessionOutcome> for SessionOutcome {
    fn from(from: cotas::SessionOutcome) -> Self {
        SessionOutcome { opened: from.opened, expires_at: When(from.expires_at) }
    }
}

impl From<cotas::LeaseOutcome> for LeaseOutcome {
    fn from(from: cotas::LeaseOutcome) -> Self {
        let cotas::LeaseOutcome { acquired, fencing, expires_at } = from;
        LeaseOutcome { acquired, fencing, expires_at: When(expires_at) }
    }
}

#[pymethods]
impl SessionOutcome {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str) = ("opened", "expires_at");

    fn __repr__(&self) -> String {
        let what = if self.opened { "opened" } else { "open" };
        format!("<session {what} until {}>", self.expires_at.0)
    }
}

#[pymethods]
impl LeaseOutcome {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str, &'static str) =
        ("acquired", "fencing", "expires_at");

    fn __repr__(&self) -> String {
        let what = if self.acquired { "acquired" } else { "held" };
        format!("<lease {what} until {}, number {}>", self.expires_at.0, self.fencing)
    }
}

#[pymethods]
impl Charge {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str, &'static str) = ("resource", "source", "units");

    #[getter]
    fn resource(&self, py: Python<'_>) -> Option<Py<PyString>> {
        self.resource.as_ref().map(|name| name.clone_ref(py))
    }

    /// Where they came from; `None`: no grant gave them.
    #[getter]
    fn source(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.source.map(|source| records::source(py, source)).transpose()
    }

    fn __eq__(&self, other: &Charge) -> bool {
        let parts =
            |it: &Charge| (it.resource.as_ref().map(ToString::to_string), it.source, it.units);
        parts(self) == parts(other)
    }

    fn __repr__(&self) -> String {
        let from = self.source.map_or(String::new(), |source| format!(" from {}", source.code()));
        let name = self.resource.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("<{} of {name}{from}>", self.units)
    }
}
