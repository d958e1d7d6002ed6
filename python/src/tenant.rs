//! A tenant by handle: the shortest way to a decision.

use cotas::Error;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::arguments::{About, Key, Name, Private, Units, Way, When, Whole};
use crate::decision::Decision;
use crate::engine::Engine;
use crate::engine_state::{self, ClosableHandle, EngineState, Modes};
use crate::holds::reservation_or_none;
use crate::known::{Called, Known};
use crate::moves::{Meter, Rate};
use crate::packed::Packed;

// All of it is here and not in a class of Python's that builds on it: the interpreter takes its
// short way to a method only where an object is of the very class that defines it.
/// A tenant of an engine, found once and used many times, by any number of threads.
#[pyclass(frozen, weakref, module = "cotas")]
pub struct Tenant {
    pub handle: ClosableHandle<cotas::Tenant>,
    pub engine_state: Py<EngineState>,
    number: u64,
    name: Py<PyString>,
    known: Known,
}

#[pymethods]
impl Tenant {
    #[new]
    fn new(
        py: Python<'_>,
        engine: &Bound<'_, Engine>,
        name: &Bound<'_, PyAny>,
    ) -> PyResult<Tenant> {
        let text: Name<'_> = name.extract()?;
        let name = name.cast::<PyString>()?;
        let engine = engine.get();
        let open = engine.handle.get()?;
        let Modes { blocking, non_blocking } = &*open;
        let (blocking, non_blocking) = engine_state::wait(py, || {
            let non_blocking = non_blocking
                .as_ref()
                .map(|non_blocking| non_blocking.tenant(text.0))
                .transpose()?;
            Ok((blocking.tenant(text.0)?, non_blocking))
        })?;
        let handle = ClosableHandle::new(blocking, non_blocking);
        let number = engine.engine_state.get().keep(&handle)?;
        let engine_state = engine.engine_state.clone_ref(py);
        let (known, name) = (Known::default(), name.clone().unbind());
        Ok(Tenant { handle, engine_state, number, name, known })
    }

    #[getter]
    fn name(&self, py: Python<'_>) -> Py<PyString> {
        self.name.clone_ref(py)
    }

    /// May this tenant use `units` of `resource` now? If so, they are used up. With `key`, at most
    /// once per key.
    #[pyo3(
        signature = (resource, units=Units(1), *, key=None),
        text_signature = "($self, resource, units=1, *, key=None)",
    )]
    fn consume(
        &self,
        py: Python<'_>,
        resource: Called<'_, '_>,
        units: Units,
        key: Option<&Bound<'_, PyAny>>, // Read where there is one: a `Key` is long.
    ) -> PyResult<Py<Decision>> {
        if let Some(key) = key {
            return self.consume_once(py, resource.name()?, units, key.extract()?);
        }
        self.known.decide(py, self.engine_state.get(), resource, |resource| {
            self.report(py, |tenant, to| tenant.consume_then(resource, units.0, |it| to.write(it)))
        })
    }

    /// What `consume` would answer. Changes nothing.
    #[pyo3(
        signature = (resource, units=Units(1)),
        text_signature = "($self, resource, units=1)",
    )]
    fn check(
        &self,
        py: Python<'_>,
        resource: Called<'_, '_>,
        units: Units,
    ) -> PyResult<Py<Decision>> {
        self.known.decide(py, self.engine_state.get(), resource, |resource| {
            self.report(py, |tenant, to| tenant.check_then(resource, units.0, |it| to.write(it)))
        })
    }

    /// May this tenant do `action` now? If so, its session is opened or continued, its lease is
    /// taken, its rate and its charges are used up: all or nothing.
    #[pyo3(
        signature = (
            action, *, channel=Private(""), contact=Private(""),
            also=Private(""), category=Private(""),
            holder=Private(""), at=None, quantity=None, tariff=None, campaign=None,
            key=None,
        ),
        text_signature = "($self, action, *, channel='', contact='', \
            also='', category='', holder='', \
            at=None, quantity=None, tariff=None, campaign=None, key=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn perform(
        &self,
        py: Python<'_>,
        action: Name<'_>,
        channel: Private<'_>,
        contact: Private<'_>,
        also: Private<'_>,
        category: Private<'_>,
        holder: Private<'_>,
        at: Option<When>,
        quantity: Option<Units>,
        tariff: Option<Whole<u64>>,
        campaign: Option<Private<'_>>,
        key: Option<Key<'_>>,
    ) -> PyResult<Py<Decision>> {
        let about = About {
            channel,
            contact,
            also,
            category,
            holder,
            at,
            quantity,
            tariff,
            campaign: reservation_or_none(campaign)?,
            ..About::default()
        };
        match key {
            None => self.decide(py, |tenant| tenant.perform(action.0, &about.details())),
            Some(key) => self.decide(py, |it| key.of(it).perform(action.0, &about.details())),
        }
    }

    /// What `perform` would answer. Changes nothing.
    #[pyo3(
        signature = (
            action, *, channel=Private(""), contact=Private(""),
            also=Private(""), category=Private(""),
            holder=Private(""), at=None, quantity=None, tariff=None, campaign=None,
        ),
        text_signature = "($self, action, *, channel='', contact='', \
            also='', category='', holder='', \
            at=None, quantity=None, tariff=None, campaign=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn check_action(
        &self,
        py: Python<'_>,
        action: Name<'_>,
        channel: Private<'_>,
        contact: Private<'_>,
        also: Private<'_>,
        category: Private<'_>,
        holder: Private<'_>,
        at: Option<When>,
        quantity: Option<Units>,
        tariff: Option<Whole<u64>>,
        campaign: Option<Private<'_>>,
    ) -> PyResult<Py<Decision>> {
        let about = About {
            channel,
            contact,
            also,
            category,
            holder,
            at,
            quantity,
            tariff,
            campaign: reservation_or_none(campaign)?,
            ..About::default()
        };
        self.decide(py, |tenant| tenant.check_action(action.0, &about.details()))
    }

    /// May this tenant's contact have a session on `resource`? While one is open nothing more is
    /// charged.
    #[pyo3(
        signature = (
            resource, *, contact, direction=Way(cotas::Direction::Inbound), channel=Private(""),
            also=Private(""), category=Private(""), at=None, key=None,
        ),
        text_signature = "($self, resource, *, contact, direction='inbound', channel='', \
            also='', category='', at=None, key=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn admit(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        contact: Private<'_>,
        direction: Way,
        channel: Private<'_>,
        also: Private<'_>,
        category: Private<'_>,
        at: Option<When>,
        key: Option<Key<'_>>,
    ) -> PyResult<Py<Decision>> {
        let about = About { channel, contact, also, category, at, ..About::default() };
        let details = about.details();
        match key {
            None => self.decide(py, |it| it.admit(resource.0, direction.0, &details)),
            Some(key) => self.decide(py, |it| key.of(it).admit(resource.0, direction.0, &details)),
        }
    }

    /// The meter of a resource.
    fn meter(slf: Bound<'_, Self>, resource: Name<'_>) -> PyResult<Meter> {
        Meter::new(slf, resource.0)
    }

    /// The rate of a resource.
    fn rate(slf: Bound<'_, Self>, resource: Name<'_>) -> PyResult<Rate> {
        Rate::new(slf, resource.0)
    }

    /// Makes two names one contact, on all channels.
    fn link_contact(&self, py: Python<'_>, one: Private<'_>, other: Private<'_>) -> PyResult<()> {
        engine_state::decide(py, &self.handle, |tenant| tenant.link_contact(one.0, other.0))
    }

    /// Gives back what a decision charged, to the same grants, once.
    fn refund(&self, py: Python<'_>, receipt: Private<'_>) -> PyResult<()> {
        engine_state::decide(py, &self.handle, |tenant| tenant.refund(&receipt.0.parse()?))
    }

    fn __repr__(&self) -> String {
        format!("<Tenant {}>", self.name)
    }
}

impl Tenant {
    /// Apart, so that the usual way stays short.
    #[inline(never)]
    fn consume_once(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        units: Units,
        key: Key<'_>,
    ) -> PyResult<Py<Decision>> {
        self.decide(py, |tenant| key.of(tenant).consume(resource.0, units.0))
    }

    /// Makes a decision about the tenant.
    #[inline]
    pub fn decide(
        &self,
        py: Python<'_>,
        ask: impl Fn(&cotas::Tenant) -> Result<cotas::Decision, Error> + Sync,
    ) -> PyResult<Py<Decision>> {
        Decision::asked(py, &self.engine_state, &self.handle, ask)
    }

    #[inline]
    fn report(
        &self,
        py: Python<'_>,
        ask: impl Fn(&cotas::Tenant, &Packed) -> Result<(), Error> + Sync,
    ) -> PyResult<Py<Decision>> {
        Decision::reported(py, &self.engine_state, &self.handle, ask)
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.engine_state.get().forget(self.number);
    }
}
