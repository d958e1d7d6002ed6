//! Reservations and leases: what `cotas.holds` makes context managers of.

use cotas::{Error, ReservationId};
use pyo3::prelude::*;

use crate::arguments::{About, Amounts, Key, Lapse, Name, Private, Units, When};
use crate::decision::Decision;
use crate::hub;
use crate::outcome::LeaseOutcome;
use crate::tenant::Tenant;

#[pymethods]
impl Tenant {
    fn _reserve(
        &self,
        py: Python<'_>,
        units: Amounts,
        ttl: Lapse,
        key: Option<Key<'_>>,
    ) -> PyResult<Py<Decision>> {
        let (ttl, units) = (ttl.duration()?, units.pairs());
        match key {
            None => self.decide(py, |tenant| tenant.reserve(&units, ttl)),
            Some(key) => self.decide(py, |tenant| key.of(tenant).reserve(&units, ttl)),
        }
    }

    #[pyo3(
        signature = (
            action, ttl, key, *, channel=Private(""), contact=Private(""), category=Private(""),
            holder=Private(""), at=None, quantity=None, tariff=None,
        ),
        text_signature = "($self, action, ttl, key, *, channel='', contact='', category='', \
            holder='', at=None, quantity=None, tariff=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn _reserve_action(
        &self,
        py: Python<'_>,
        action: Name<'_>,
        ttl: Lapse,
        key: Option<Key<'_>>,
        channel: Private<'_>,
        contact: Private<'_>,
        category: Private<'_>,
        holder: Private<'_>,
        at: Option<When>,
        quantity: Option<Units>,
        tariff: Option<u64>,
    ) -> PyResult<Py<Decision>> {
        let about = About { channel, contact, category, holder, at, quantity, tariff };
        let (ttl, about) = (ttl.duration()?, about.details());
        match key {
            None => self.decide(py, |tenant| tenant.reserve_action(action.0, &about, ttl)),
            Some(key) => self.decide(py, |it| key.of(it).reserve_action(action.0, &about, ttl)),
        }
    }

    #[pyo3(signature = (id, units=None))]
    fn _commit(&self, py: Python<'_>, id: Name<'_>, units: Option<Amounts>) -> PyResult<()> {
        let units = units.as_ref().map(Amounts::pairs);
        hub::decide(py, &self.handle, |tenant| match &units {
            None => tenant.commit(&reservation(id)?),
            Some(units) => tenant.commit_part(&reservation(id)?, units),
        })
    }

    fn _release(&self, py: Python<'_>, id: Name<'_>) -> PyResult<()> {
        hub::decide(py, &self.handle, |tenant| tenant.release(&reservation(id)?))
    }

    fn _acquire(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        holder: Private<'_>,
        ttl: Option<Lapse>,
        key: Option<Key<'_>>,
    ) -> PyResult<Py<Decision>> {
        let ttl = ttl.map(Lapse::duration).transpose()?;
        self.decide(py, |tenant| match key {
            None => tenant.leases(resource.0)?.acquire(holder.0, ttl),
            Some(key) => key.of(tenant).leases(resource.0)?.acquire(holder.0, ttl),
        })
    }

    fn _check_lease(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        holder: Private<'_>,
    ) -> PyResult<Py<Decision>> {
        self.decide(py, |tenant| tenant.leases(resource.0)?.check(holder.0))
    }

    fn _renew(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        holder: Private<'_>,
        fencing: u64,
        ttl: Option<Lapse>,
    ) -> PyResult<LeaseOutcome> {
        let ttl = ttl.map(Lapse::duration).transpose()?;
        let renewed = hub::decide(py, &self.handle, |tenant| {
            tenant.leases(resource.0)?.renew(holder.0, fencing, ttl)
        })?;
        Ok(renewed.into())
    }

    fn _release_lease(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        holder: Private<'_>,
        fencing: u64,
    ) -> PyResult<()> {
        hub::decide(py, &self.handle, |tenant| {
            tenant.leases(resource.0)?.release(holder.0, fencing)
        })
    }
}

fn reservation(id: Name<'_>) -> Result<ReservationId, Error> {
    id.0.parse()
}
