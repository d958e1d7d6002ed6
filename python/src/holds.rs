//! Reservations and leases, of which `cotas.holds` makes context managers.

use cotas::{Delivery, Error, ReservationId};
use pyo3::prelude::*;

use crate::arguments::{About, Amounts, Key, Lapse, Name, Private, Units, When, Whole};
use crate::decision::Decision;
use crate::engine_state;
use crate::errors::{invalid, raise};
use crate::outcome::LeaseOutcome;
use crate::records;
use crate::tenant::Tenant;

#[pymethods]
impl Tenant {
    /// Sets units of several resources aside for `ttl`, which is five minutes unless it says
    /// otherwise, and a day for sessions: all or none. Unless it is committed in time they go back.
    #[pyo3(signature = (units, *, ttl=None, key=None))]
    fn reserve<'py>(
        slf: &Bound<'py, Self>,
        units: Amounts,
        ttl: Option<Lapse>,
        key: Option<Key<'_>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (ttl, units) = (ttl.map(Lapse::duration).transpose()?, units.pairs());
        let decision = slf.get().decide(slf.py(), |tenant| {
            let ttl = ttl.map_or_else(|| tenant.ttl_of_units(&units), Ok)?;
            match key {
                None => tenant.reserve(&units, ttl),
                Some(key) => key.of(tenant).reserve(&units, ttl),
            }
        })?;
        records::RESERVATION.make(slf.py(), (slf, decision))
    }

    /// As `reserve`, what an action charges; all else as for `perform`. An action that opens a
    /// session is a send: what is reported of it is waited for 30 days, and then it is committed.
    #[pyo3(
        signature = (
            action, *, ttl=None, channel=Private(""), contact=Private(""),
            also=Private(""), category=Private(""),
            holder=Private(""), at=None, quantity=None, tariff=None, message=Private(""),
            campaign=None, key=None,
        ),
        text_signature = "($self, action, *, ttl=None, channel='', contact='', \
            also='', category='', \
            holder='', at=None, quantity=None, tariff=None, message='', campaign=None, \
            key=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn reserve_action<'py>(
        slf: &Bound<'py, Self>,
        action: Name<'_>,
        ttl: Option<Lapse>,
        channel: Private<'_>,
        contact: Private<'_>,
        also: Private<'_>,
        category: Private<'_>,
        holder: Private<'_>,
        at: Option<When>,
        quantity: Option<Units>,
        tariff: Option<Whole<u64>>,
        message: Private<'_>,
        campaign: Option<Private<'_>>,
        key: Option<Key<'_>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let about = About {
            channel,
            contact,
            also,
            category,
            holder,
            at,
            quantity,
            tariff,
            message,
            campaign: reservation_or_none(campaign)?,
        };
        let (ttl, about) = (ttl.map(Lapse::duration).transpose()?, about.details());
        let decision = slf.get().decide(slf.py(), |tenant| {
            let ttl = ttl.map_or_else(|| tenant.ttl_of_action(action.0), Ok)?;
            match key {
                None => tenant.reserve_action(action.0, &about, ttl),
                Some(key) => key.of(tenant).reserve_action(action.0, &about, ttl),
            }
        })?;
        records::RESERVATION.make(slf.py(), (slf, decision))
    }

    /// May `holder` have a lease? If so it is taken, for `ttl` or as long as the catalog says. A
    /// holder that has it already has it prolonged.
    #[pyo3(signature = (resource, holder, *, ttl=None, key=None))]
    fn lease<'py>(
        slf: &Bound<'py, Self>,
        resource: Name<'_>,
        holder: Private<'_>,
        ttl: Option<Lapse>,
        key: Option<Key<'_>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let ttl = ttl.map(Lapse::duration).transpose()?;
        let decision = slf.get().decide(slf.py(), |tenant| match key {
            None => tenant.leases(resource.0)?.acquire(holder.0, ttl),
            Some(key) => key.of(tenant).leases(resource.0)?.acquire(holder.0, ttl),
        })?;
        records::LEASE.make(slf.py(), (slf, resource.0, holder.0, decision))
    }

    /// What `lease` would answer. Changes nothing.
    fn check_lease(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        holder: Private<'_>,
    ) -> PyResult<Py<Decision>> {
        self.decide(py, |tenant| tenant.leases(resource.0)?.check(holder.0))
    }

    /// Uses what a reservation holds, by its id, also in another process than the one that made it;
    /// or so much of it, and gives the rest back.
    #[pyo3(signature = (id, units=None))]
    fn commit(&self, py: Python<'_>, id: Name<'_>, units: Option<Amounts>) -> PyResult<()> {
        let units = units.as_ref().map(Amounts::pairs);
        engine_state::decide(py, &self.handle, |tenant| match &units {
            None => tenant.commit(&reservation(id)?),
            Some(units) => tenant.commit_part(&reservation(id)?, units),
        })
    }

    /// Gives a send, by its reservation's id, the id that the channel gave its message.
    fn sent(&self, py: Python<'_>, id: Name<'_>, message: Private<'_>) -> PyResult<()> {
        engine_state::decide(py, &self.handle, |tenant| tenant.sent(&reservation(id)?, message.0))
    }

    /// What a channel reports of a message: `sent`, `delivered`, `read` or `failed`. Reports may
    /// come in any order, more than once, and of messages that were never reserved.
    fn report_delivery(
        &self,
        py: Python<'_>,
        message: Private<'_>,
        report: Name<'_>,
    ) -> PyResult<Py<PyAny>> {
        let known = Delivery::from_code(report.0);
        let known = known
            .ok_or_else(|| invalid("unknown report (expected sent, delivered, read or failed)"))?;
        let outcome = engine_state::decide(py, &self.handle, |tenant| {
            tenant.report_delivery(message.0, known)
        })?;
        Ok(records::DELIVERY_OUTCOME.make(py, (outcome.code(),))?.unbind())
    }

    /// Gives back what a reservation holds, by its id.
    fn release(&self, py: Python<'_>, id: Name<'_>) -> PyResult<()> {
        engine_state::decide(py, &self.handle, |tenant| tenant.release(&reservation(id)?))
    }

    /// Prolongs a lease by its holder and fencing number: it ends `ttl` from now, or as long as the
    /// catalog says.
    #[pyo3(signature = (resource, holder, fencing, ttl=None))]
    fn renew_lease(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        holder: Private<'_>,
        fencing: Whole<u64>,
        ttl: Option<Lapse>,
    ) -> PyResult<LeaseOutcome> {
        let ttl = ttl.map(Lapse::duration).transpose()?;
        let renewed = engine_state::decide(py, &self.handle, |tenant| {
            tenant.leases(resource.0)?.renew(holder.0, fencing.0, ttl)
        })?;
        Ok(renewed.into())
    }

    /// Gives a lease back before its time, by its holder and fencing number.
    fn release_lease(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        holder: Private<'_>,
        fencing: Whole<u64>,
    ) -> PyResult<()> {
        engine_state::decide(py, &self.handle, |tenant| {
            tenant.leases(resource.0)?.release(holder.0, fencing.0)
        })
    }
}

pub fn reservation_or_none(id: Option<Private<'_>>) -> PyResult<Option<ReservationId>> {
    id.map(|id| id.0.parse().map_err(|error| raise(&error))).transpose()
}

fn reservation(id: Name<'_>) -> Result<ReservationId, Error> {
    id.0.parse()
}
