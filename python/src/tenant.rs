//! A tenant by handle: the shortest way to a decision.

use cotas::Error;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::arguments::{About, Key, Name, Private, Units, Way, When};
use crate::decision::Decision;
use crate::engine::Engine;
use crate::errors;
use crate::hub::{self, Handle, Hub, Weakly};
use crate::moves::{Meter, Rate};
use crate::packed::Packed;

/// A tenant of an engine, found once and used many times, by any number of threads.
#[pyclass(frozen, subclass, weakref, module = "cotas._cotas")]
pub struct Tenant {
    pub handle: Weakly<cotas::Tenant>,
    pub hub: Py<Hub>,
    number: u64,
    name: Py<PyString>,
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
        let open = engine.handle.upgrade().ok_or_else(errors::closed)?;
        let (patient, hasty) = hub::wait(py, || {
            let hasty =
                open.hasty().map(|hasty| open.patient().tenant(text.0).map(|it| (it, hasty)));
            match hasty.transpose()? {
                Some((patient, hasty)) => Ok((patient, Some(hasty.tenant(text.0)?))),
                None => Ok((open.patient().tenant(text.0)?, None)),
            }
        })?;
        let (number, handle) = engine.hub.get().keep(Handle::new(patient, hasty))?;
        let hub = engine.hub.clone_ref(py);
        Ok(Tenant { handle, hub, number, name: name.clone().unbind() })
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
        resource: Name<'_>,
        units: Units,
        key: Option<Key<'_>>,
    ) -> PyResult<Decision> {
        match key {
            None => self.decide(py, |tenant| tenant.consume(resource.0, units.0)),
            Some(key) => self.consume_once(py, resource, units, key),
        }
    }

    /// What `consume` would answer. Changes nothing.
    #[pyo3(
        signature = (resource, units=Units(1)),
        text_signature = "($self, resource, units=1)",
    )]
    fn check(&self, py: Python<'_>, resource: Name<'_>, units: Units) -> PyResult<Decision> {
        self.decide(py, |tenant| tenant.check(resource.0, units.0))
    }

    /// May this tenant do `action` now? If so, its session is opened or continued, its lease is
    /// taken, its rate and its charges are used up: all or nothing.
    #[pyo3(
        signature = (
            action, *, channel=Private(""), contact=Private(""), category=Private(""),
            holder=Private(""), at=None, quantity=None, tariff=None, key=None,
        ),
        text_signature = "($self, action, *, channel='', contact='', category='', holder='', \
            at=None, quantity=None, tariff=None, key=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn perform(
        &self,
        py: Python<'_>,
        action: Name<'_>,
        channel: Private<'_>,
        contact: Private<'_>,
        category: Private<'_>,
        holder: Private<'_>,
        at: Option<When>,
        quantity: Option<Units>,
        tariff: Option<u64>,
        key: Option<Key<'_>>,
    ) -> PyResult<Decision> {
        let about = About { channel, contact, category, holder, at, quantity, tariff };
        match key {
            None => self.decide(py, |tenant| tenant.perform(action.0, &about.details())),
            Some(key) => self.decide(py, |it| key.of(it).perform(action.0, &about.details())),
        }
    }

    /// What `perform` would answer. Changes nothing.
    #[pyo3(
        signature = (
            action, *, channel=Private(""), contact=Private(""), category=Private(""),
            holder=Private(""), at=None, quantity=None, tariff=None,
        ),
        text_signature = "($self, action, *, channel='', contact='', category='', holder='', \
            at=None, quantity=None, tariff=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn check_action(
        &self,
        py: Python<'_>,
        action: Name<'_>,
        channel: Private<'_>,
        contact: Private<'_>,
        category: Private<'_>,
        holder: Private<'_>,
        at: Option<When>,
        quantity: Option<Units>,
        tariff: Option<u64>,
    ) -> PyResult<Decision> {
        let about = About { channel, contact, category, holder, at, quantity, tariff };
        self.decide(py, |tenant| tenant.check_action(action.0, &about.details()))
    }

    /// May this tenant's contact have a session on `resource`? While one is open nothing more is
    /// charged.
    #[pyo3(
        signature = (
            resource, *, contact, direction=Way(cotas::Direction::Inbound), channel=Private(""),
            category=Private(""), at=None, key=None,
        ),
        text_signature = "($self, resource, *, contact, direction='inbound', channel='', \
            category='', at=None, key=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn admit(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        contact: Private<'_>,
        direction: Way,
        channel: Private<'_>,
        category: Private<'_>,
        at: Option<When>,
        key: Option<Key<'_>>,
    ) -> PyResult<Decision> {
        let about = About { channel, contact, category, at, ..About::default() };
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
        hub::decide(py, &self.handle, |tenant| tenant.link_contact(one.0, other.0))
    }

    /// Gives back what a decision charged, to the same grants, once.
    fn refund(&self, py: Python<'_>, receipt: Private<'_>) -> PyResult<()> {
        hub::decide(py, &self.handle, |tenant| tenant.refund(&receipt.0.parse()?))
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
    ) -> PyResult<Decision> {
        self.decide(py, |tenant| key.of(tenant).consume(resource.0, units.0))
    }

    /// Makes a decision about the tenant.
    #[inline]
    pub fn decide(
        &self,
        py: Python<'_>,
        ask: impl Fn(&cotas::Tenant) -> Result<cotas::Decision, Error> + Sync,
    ) -> PyResult<Decision> {
        let packed = hub::decide(py, &self.handle, |it| match ask(it) {
            Ok(ref decision) => Ok(Packed::new(decision)), // Where it lies: moving it takes longer.
            Err(error) => Err(error),
        })?;
        Ok(Decision::new(packed, &self.hub, py))
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.hub.get().forget(self.number);
    }
}
