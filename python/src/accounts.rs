//! What a tenant has besides what it uses up: seats, features, receipts, its place in a file of
//! traffic, what its actions would cost.

use cotas::catalog::Feature;
use cotas::{Cursor, Progress};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arguments::{About, Contacts, Key, Name, Private, Units, When, Whole};
use crate::decision::Decision;
use crate::documents::json;
use crate::engine_state;
use crate::outcome::Charge;
use crate::records;
use crate::tenant::Tenant;

#[pymethods]
impl Tenant {
    fn _occupy(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        holder: Private<'_>,
        pending: bool,
        token: Option<Private<'_>>,
    ) -> PyResult<Decision> {
        let how = cotas::Occupancy { pending, token: token.map(|token| token.0) };
        let ask = |tenant: &cotas::Tenant| tenant.seats(resource.0)?.occupy_as(holder.0, &how);
        Ok(Decision::of(&engine_state::ask(py, &self.handle, ask)?, &self.engine_state, py))
    }

    fn _vacate(&self, py: Python<'_>, resource: Name<'_>, holder: Private<'_>) -> PyResult<bool> {
        engine_state::ask(py, &self.handle, |tenant| tenant.seats(resource.0)?.release(holder.0))
    }

    fn _replace(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
        old: Private<'_>,
        new: Private<'_>,
    ) -> PyResult<()> {
        engine_state::ask(py, &self.handle, |tenant| {
            tenant.seats(resource.0)?.replace(old.0, new.0)
        })
    }

    /// The seats of a resource.
    fn seats<'py>(slf: &Bound<'py, Self>, resource: Name<'_>) -> PyResult<Bound<'py, PyAny>> {
        engine_state::decide(slf.py(), &slf.get().handle, |tenant| {
            tenant.seats(resource.0).map(drop)
        })?;
        records::SEATS.make(slf.py(), (slf, resource.0))
    }

    /// How far this tenant has come in a replay of the log that `source` identifies; `None`: none
    /// of its events was decided.
    fn progress<'py>(&self, py: Python<'py>, source: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
        let progress = engine_state::ask(py, &self.handle, |tenant| tenant.progress(source))?;
        let made = progress.map(|it| {
            let Progress { since, position, opened, continued, others, .. } = it;
            let Progress { refused, refused_quota: quota, refused_status: status, .. } = it;
            let (since, too_old) = (When(since), it.too_old);
            let counts =
                (since, position, opened, continued, others, refused, quota, status, too_old);
            records::PROGRESS.make(py, counts)
        });
        made.transpose()
    }

    fn _seats(&self, py: Python<'_>, resource: Name<'_>) -> PyResult<String> {
        engine_state::ask(py, &self.handle, |tenant| json(&tenant.seats(resource.0)?.list()?))
    }

    /// The warning to the person who takes a seat, in English and Brazilian Portuguese.
    fn _seat_warning(
        &self,
        py: Python<'_>,
        resource: Name<'_>,
    ) -> PyResult<Option<(String, String)>> {
        let warning =
            engine_state::ask(py, &self.handle, |tenant| tenant.seats(resource.0)?.warning())?;
        Ok(warning.map(|it| (it.en, it.pt)))
    }

    /// A feature as the tenant has it: on, off, or at a level.
    fn feature<'py>(&self, py: Python<'py>, name: Name<'_>) -> PyResult<Bound<'py, PyAny>> {
        match engine_state::ask(py, &self.handle, |tenant| tenant.feature(name.0))? {
            Feature::Flag(flag) => flag.into_bound_py_any(py),
            Feature::Level(level) => level.into_bound_py_any(py),
        }
    }

    /// Everything that the decision with this receipt charged.
    fn charges_of(&self, py: Python<'_>, receipt: Private<'_>) -> PyResult<Vec<Charge>> {
        let charges = engine_state::ask(py, &self.handle, |it| it.charges_of(&receipt.0.parse()?))?;
        let engine_state = self.engine_state.get();
        let charge = |it: cotas::SourceCharge| {
            let resource = engine_state.name(py, it.resource);
            Charge { resource, source: it.source, units: it.units }
        };
        Ok(charges.into_iter().map(charge).collect())
    }

    /// What an action would cost of each balance, and by which tariff; all else as for `perform`,
    /// which takes the tariff and says if another one is in force by then. Changes nothing.
    #[pyo3(
        signature = (
            action, *, channel=Private(""), contact=Private(""),
            also=Private(""), category=Private(""),
            holder=Private(""), at=None, quantity=None, tariff=None,
        ),
        text_signature = "($self, action, *, channel='', contact='', \
            also='', category='', holder='', \
            at=None, quantity=None, tariff=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn quote<'py>(
        &self,
        py: Python<'py>,
        action: Name<'_>,
        channel: Private<'_>,
        contact: Private<'_>,
        also: Private<'_>,
        category: Private<'_>,
        holder: Private<'_>,
        at: Option<When>,
        quantity: Option<Units>,
        tariff: Option<Whole<u64>>,
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
            ..About::default()
        };
        let details = about.details();
        let quote = engine_state::ask(py, &self.handle, |tenant| tenant.quote(action.0, &details))?;
        let cost = |it: cotas::CostLine| {
            records::COST.make(py, (it.resource, it.cost, it.used, it.available, it.limit))
        };
        let costs: Vec<_> = quote.costs.into_iter().map(cost).collect::<PyResult<_>>()?;
        let decision = Decision::of(&quote.decision, &self.engine_state, py);
        records::QUOTE.make(py, (quote.tariff, decision, PyTuple::new(py, costs)?))
    }

    /// What sending `action` to each of `contacts` would cost in sessions: how many it would open,
    /// and how many would remain. Changes nothing.
    #[pyo3(
        signature = (action, contacts, *, channel=Private(""), category=Private("")),
        text_signature = "($self, action, contacts, *, channel='', category='')",
    )]
    fn quote_contacts<'py>(
        &self,
        py: Python<'py>,
        action: Name<'_>,
        contacts: Contacts,
        channel: Private<'_>,
        category: Private<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let about = About { channel, category, ..About::default() };
        let contacts: Vec<&str> = contacts.0.iter().map(AsRef::as_ref).collect();
        let it = engine_state::ask(py, &self.handle, |tenant| {
            tenant.quote_contacts(action.0, &contacts, &about.details())
        })?;
        let counts = (it.contacts, it.opens, it.continues, it.available, it.remaining, it.missing);
        let (contacts, opens, continues, available, remaining, missing) = counts;
        let quote =
            (it.tariff, it.resource, contacts, opens, continues, available, remaining, missing);
        records::CAMPAIGN_QUOTE.make(py, quote)
    }

    /// `perform` at a place in a file of traffic; `None`: this place was decided before.
    #[pyo3(
        signature = (
            source, since, position, action, *, channel=Private(""), contact=Private(""),
            also=Private(""), category=Private(""), holder=Private(""), at=None, quantity=None,
            key=None,
        ),
        text_signature = "($self, source, since, position, action, *, channel='', contact='', \
            also='', \
            category='', holder='', at=None, quantity=None, key=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn _perform_next(
        &self,
        py: Python<'_>,
        source: &[u8],
        since: When,
        position: Whole<u64>,
        action: Name<'_>,
        channel: Private<'_>,
        contact: Private<'_>,
        also: Private<'_>,
        category: Private<'_>,
        holder: Private<'_>,
        at: Option<When>,
        quantity: Option<Units>,
        key: Option<Key<'_>>,
    ) -> PyResult<Option<Decision>> {
        let about =
            About { channel, contact, also, category, holder, at, quantity, ..About::default() };
        let cursor = Cursor { source, since: since.0, position: position.0, content: 0 };
        let details = about.details();
        let decision = engine_state::decide(py, &self.handle, |tenant| match key {
            None => tenant.perform_next(action.0, &details, &cursor),
            Some(key) => key.of(tenant).perform_next(action.0, &details, &cursor),
        })?;
        Ok(decision.map(|decision| Decision::of(&decision, &self.engine_state, py)))
    }
}
