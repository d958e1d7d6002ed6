//! Meters and rates of a tenant.

use pyo3::prelude::*;

use crate::arguments::{Key, Private, Units};
use crate::decision::Decision;
use crate::engine_state;
use crate::tenant::Tenant;

/// A meter of a tenant: measured, with or without a limit.
#[pyclass(frozen, module = "cotas")]
pub struct Meter {
    tenant: Py<Tenant>,
    resource: Box<str>,
}

/// A rate of a tenant: so many per time and key.
#[pyclass(frozen, module = "cotas")]
pub struct Rate {
    tenant: Py<Tenant>,
    resource: Box<str>,
}

impl Meter {
    pub fn new(tenant: Bound<'_, Tenant>, resource: &str) -> PyResult<Meter> {
        let is_one = |it: &cotas::Tenant| it.meter(resource).map(drop);
        engine_state::decide(tenant.py(), &tenant.get().handle, is_one)?;
        Ok(Meter { tenant: tenant.unbind(), resource: resource.into() })
    }

    fn decide(
        &self,
        py: Python<'_>,
        key: Option<Key<'_>>,
        ask: impl Fn(cotas::Meter<'_>) -> Result<cotas::Decision, cotas::Error> + Sync,
    ) -> PyResult<Py<Decision>> {
        self.tenant.get().decide(py, |tenant| match key {
            None => ask(tenant.meter(&self.resource)?),
            Some(key) => ask(key.of(tenant).meter(&self.resource)?),
        })
    }
}

#[pymethods]
impl Meter {
    /// May so much be added? If so, it is.
    #[pyo3(
        signature = (units=Units(1), *, key=None),
        text_signature = "($self, units=1, *, key=None)",
    )]
    fn add(&self, py: Python<'_>, units: Units, key: Option<Key<'_>>) -> PyResult<Py<Decision>> {
        self.decide(py, key, |meter| meter.add(units.0))
    }

    /// Takes so much away, but never below zero. Always allowed.
    #[pyo3(
        signature = (units=Units(1), *, key=None),
        text_signature = "($self, units=1, *, key=None)",
    )]
    fn subtract(
        &self,
        py: Python<'_>,
        units: Units,
        key: Option<Key<'_>>,
    ) -> PyResult<Py<Decision>> {
        self.decide(py, key, |meter| meter.subtract(units.0))
    }

    /// Brings it to `value`: upwards if the limit allows it, downwards in any case.
    #[pyo3(signature = (value, *, key=None))]
    fn set(&self, py: Python<'_>, value: Units, key: Option<Key<'_>>) -> PyResult<Py<Decision>> {
        self.decide(py, key, |meter| meter.set(value.0))
    }

    /// What `add` would answer. Changes nothing.
    #[pyo3(
        signature = (units=Units(1)),
        text_signature = "($self, units=1)",
    )]
    fn check(&self, py: Python<'_>, units: Units) -> PyResult<Py<Decision>> {
        self.decide(py, None, |meter| meter.check(units.0))
    }

    fn __repr__(&self) -> String {
        format!("<Meter {}>", self.resource)
    }
}

impl Rate {
    pub fn new(tenant: Bound<'_, Tenant>, resource: &str) -> PyResult<Rate> {
        let is_one = |it: &cotas::Tenant| it.rate(resource).map(drop);
        engine_state::decide(tenant.py(), &tenant.get().handle, is_one)?;
        Ok(Rate { tenant: tenant.unbind(), resource: resource.into() })
    }
}

#[pymethods]
impl Rate {
    /// May so many pass for `who` now? A denial says when.
    #[pyo3(
        name = "pass_",
        signature = (who, units=Units(1), *, key=None),
        text_signature = "($self, who, units=1, *, key=None)",
    )]
    fn pass(
        &self,
        py: Python<'_>,
        who: Private<'_>,
        units: Units,
        key: Option<Key<'_>>,
    ) -> PyResult<Py<Decision>> {
        self.tenant.get().decide(py, |tenant| match key {
            None => tenant.rate(&self.resource)?.pass(who.0, units.0),
            Some(key) => key.of(tenant).rate(&self.resource)?.pass(who.0, units.0),
        })
    }

    /// What `pass_` would answer. Changes nothing.
    #[pyo3(
        signature = (who, units=Units(1)),
        text_signature = "($self, who, units=1)",
    )]
    fn check(&self, py: Python<'_>, who: Private<'_>, units: Units) -> PyResult<Py<Decision>> {
        self.tenant.get().decide(py, |it| it.rate(&self.resource)?.check(who.0, units.0))
    }

    fn __repr__(&self) -> String {
        format!("<Rate {}>", self.resource)
    }
}
