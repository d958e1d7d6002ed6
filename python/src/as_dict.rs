//! A decision as plain values, as JSON takes them: words as their codes, instants as RFC 3339 text.

use chrono::SecondsFormat;
use cotas::rules::Mode;
use cotas::{DEMO_NOTICE, Reasons, Timestamp};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::decision::Decision;

#[pymethods]
impl Decision {
    /// All of it as plain values, as JSON takes them.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let decision = self.get();
        let plain = PyDict::new(py);
        plain.set_item("allowed", decision.allowed())?;
        plain.set_item("reason", decision.reason().map(cotas::Reason::code))?;
        plain.set_item("reasons", codes(decision.reasons))?;
        plain.set_item("shadowed", codes(decision.shadowed))?;
        plain.set_item("resource", decision.resource.and_then(|it| self.name(py, it)))?;
        plain.set_item("units", decision.units)?;
        plain.set_item("mode", decision.mode.code())?;
        plain.set_item("limit", decision.limit())?;
        plain.set_item("used", decision.used)?;
        let available = (decision.mode == Mode::Finite).then_some(decision.available);
        plain.set_item("available", available)?;
        plain.set_item("retry_at", decision.retry_at.map(text))?;
        plain.set_item("session", self.session_dict(py)?)?;
        plain.set_item("lease", self.lease_dict(py)?)?;
        plain.set_item("charges", self.charge_dicts(py)?)?;
        plain.set_item("more_charges", !decision.charges.is_complete())?;
        plain.set_item("reservation", decision.reservation.map(|id| id.to_string()))?;
        plain.set_item("receipt", decision.receipt.map(|receipt| receipt.to_string()))?;
        plain.set_item("overage", decision.overage)?;
        plain.set_item("notice", decision.demo_notice.then_some(DEMO_NOTICE))?;
        plain.set_item("past_due", decision.past_due)?;
        plain.set_item("too_old", decision.too_old)?;
        plain.set_item("replayed", decision.replayed)?;
        Ok(plain)
    }
}

impl Decision {
    fn session_dict<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(session) = self.get().session else { return Ok(None) };
        let plain = PyDict::new(py);
        plain.set_item("opened", session.opened)?;
        plain.set_item("expires_at", text(session.expires_at))?;
        Ok(Some(plain))
    }

    fn lease_dict<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(lease) = self.get().lease else { return Ok(None) };
        let plain = PyDict::new(py);
        plain.set_item("acquired", lease.acquired)?;
        plain.set_item("fencing", lease.fencing)?;
        plain.set_item("expires_at", text(lease.expires_at))?;
        Ok(Some(plain))
    }

    fn charge_dicts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let charges = PyList::empty(py);
        for charge in self.get().charges.iter() {
            let plain = PyDict::new(py);
            plain.set_item("resource", self.name(py, charge.resource))?;
            plain.set_item("source", charge.source.map(cotas::Source::code))?;
            plain.set_item("units", charge.units)?;
            charges.append(plain)?;
        }
        Ok(charges)
    }
}

fn codes(reasons: Reasons) -> Vec<&'static str> {
    reasons.iter().map(cotas::Reason::code).collect()
}

fn text(at: Timestamp) -> String {
    at.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true)
}
