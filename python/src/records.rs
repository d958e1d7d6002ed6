//! What the half in Python defines: members of the enumerations in `cotas.names`, the same objects
//! every time, and classes whose objects this half gives. Looked up once.

use cotas::rules::Mode;
use cotas::{Reason, Source};
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

/// The members of one enumeration, by the numbers of the engine's.
struct Members(PyOnceLock<Vec<Py<PyAny>>>);

static REASONS: Members = Members(PyOnceLock::new());
static MODES: Members = Members(PyOnceLock::new());
static SOURCES: Members = Members(PyOnceLock::new());

impl Members {
    fn get(
        &self,
        py: Python<'_>,
        class: &str,
        codes: &[&str],
        place: usize,
    ) -> PyResult<Py<PyAny>> {
        let members = self.0.get_or_try_init(py, || {
            let class = py.import("cotas.names")?.getattr(class)?;
            codes.iter().map(|code| Ok(class.call1((*code,))?.unbind())).collect::<PyResult<_>>()
        })?;
        let member = members.get(place);
        Ok(member.map_or_else(|| py.None(), |member| member.clone_ref(py)))
    }
}

pub fn reason(py: Python<'_>, reason: Reason) -> PyResult<Py<PyAny>> {
    let codes = Reason::ALL.map(Reason::code);
    REASONS.get(py, "Reason", &codes, reason as usize - 1)
}

pub fn reasons(py: Python<'_>, all: cotas::Reasons) -> PyResult<Bound<'_, PyTuple>> {
    let members: Vec<_> = all.iter().map(|it| reason(py, it)).collect::<PyResult<_>>()?;
    PyTuple::new(py, members)
}

pub fn mode(py: Python<'_>, mode: Mode) -> PyResult<Py<PyAny>> {
    MODES.get(py, "Mode", &Mode::ALL.map(Mode::code), mode as usize)
}

pub fn source(py: Python<'_>, source: Source) -> PyResult<Py<PyAny>> {
    SOURCES.get(py, "Source", &Source::ALL.map(Source::code), source as usize)
}

/// A class of the half in Python.
pub struct Class {
    module: &'static str,
    name: &'static str,
    found: PyOnceLock<Py<PyType>>,
}

pub static CAMPAIGN_QUOTE: Class = Class::new("cotas.reports", "CampaignQuote");
pub static COST: Class = Class::new("cotas.reports", "Cost");
pub static DELIVERY_OUTCOME: Class = Class::new("cotas.names", "DeliveryOutcome");
pub static LEASE: Class = Class::new("cotas.holds", "Lease");
pub static PROGRESS: Class = Class::new("cotas.traffic", "Progress");
pub static QUOTE: Class = Class::new("cotas.reports", "Quote");
pub static RESERVATION: Class = Class::new("cotas.holds", "Reservation");
pub static SEATS: Class = Class::new("cotas.seats", "Seats");

impl Class {
    const fn new(module: &'static str, name: &'static str) -> Class {
        Class { module, name, found: PyOnceLock::new() }
    }

    /// Makes an object of it.
    pub fn make<'py>(
        &self,
        py: Python<'py>,
        arguments: impl PyCallArgs<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.found.import(py, self.module, self.name)?.call1(arguments)
    }
}
