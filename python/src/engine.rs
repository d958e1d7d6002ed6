//! The engine of one database: opening, closing, and decisions by the tenant's name.

use std::path::PathBuf;
use std::sync::Arc;

use cotas::{Durability, Maintenance};
use pyo3::prelude::*;

use crate::arguments::{About, FilePath, Lapse, Name, Private, Units, When, Whole};
use crate::clock::ManualClock;
use crate::decision::Decision;
use crate::engine_state::{self, ClosableHandle, EngineState};
use crate::known::{Called, Known};
use crate::open::{Database, How, Options};

/// The quota engine of one database, to be shared by all threads.
#[pyclass(frozen, subclass, weakref, module = "cotas._cotas")]
pub struct Engine {
    pub handle: ClosableHandle<cotas::Engine>,
    #[allow(clippy::struct_field_names)] // It is the type's own name.
    pub engine_state: Py<EngineState>,
    known: Known,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(
        signature = (
            database, *, durability=How(Durability::Process), maintenance=How(Maintenance::Thread),
            live_directory=None, clock=None, checkpoint_interval=None, disk_timeout=None,
            lag_max=None, allow_network_file_system=false, keep_open=false,
        ),
        text_signature = "(database, *, durability='process', maintenance='thread', \
            live_directory=None, clock=None, checkpoint_interval=None, \
            disk_timeout=None, lag_max=None, allow_network_file_system=False, \
            keep_open=False)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn new(
        py: Python<'_>,
        database: Option<Database<'_>>,
        durability: How<Durability>,
        maintenance: How<Maintenance>,
        live_directory: Option<FilePath>,
        clock: Option<&Bound<'_, ManualClock>>,
        checkpoint_interval: Option<Lapse>,
        disk_timeout: Option<Lapse>,
        lag_max: Option<Lapse>,
        allow_network_file_system: bool,
        keep_open: bool,
    ) -> PyResult<Engine> {
        let clock = clock.map(|clock| clock.get().shared());
        let path = match database {
            Some(Database::Engine(engine)) => return engine.get().again(py, clock, durability.0),
            Some(Database::File(path)) => Some(path),
            None => None,
        };
        let options = Options {
            path,
            durability,
            maintenance,
            live_directory: live_directory.map(|path| path.0),
            checkpoint_interval,
            disk_timeout,
            lag_max,
            allow_network_file_system,
            keep_open,
            clock: clock.clone(),
        };
        let builder = options.builder()?;
        let engine = engine_state::wait(py, || builder.open())?;
        Engine::of(py, EngineState::new(engine, clock))
    }

    /// Releases the database. Closing twice does nothing. Waits for the disk.
    fn close(&self, py: Python<'_>) {
        self.engine_state.get().close(py);
    }

    #[getter]
    fn closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// What the engine's clock shows.
    #[getter]
    fn now(&self) -> When {
        When(self.engine_state.get().now())
    }

    /// Where the live file lies; `None`: in memory.
    #[getter]
    fn live_path(&self) -> PyResult<Option<PathBuf>> {
        let engine = self.handle.get()?;
        Ok(engine.blocking.live_path().map(ToOwned::to_owned))
    }

    /// `Tenant.consume` by the tenant's name.
    #[pyo3(
        signature = (tenant, resource, units=Units(1)),
        text_signature = "($self, tenant, resource, units=1)",
    )]
    fn consume(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        resource: Called<'_, '_>,
        units: Units,
    ) -> PyResult<Py<Decision>> {
        self.known.decide(py, self.engine_state.get(), resource, |resource| {
            self.decide(py, |engine| engine.consume(tenant.0, resource, units.0))
        })
    }

    /// `Tenant.check` by the tenant's name.
    #[pyo3(
        signature = (tenant, resource, units=Units(1)),
        text_signature = "($self, tenant, resource, units=1)",
    )]
    fn check(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        resource: Called<'_, '_>,
        units: Units,
    ) -> PyResult<Py<Decision>> {
        self.known.decide(py, self.engine_state.get(), resource, |resource| {
            self.decide(py, |engine| engine.check(tenant.0, resource, units.0))
        })
    }

    /// `Tenant.perform` by the tenant's name.
    #[pyo3(
        signature = (
            tenant, action, *, channel=Private(""), contact=Private(""),
            also=Private(""), category=Private(""),
            holder=Private(""), at=None, quantity=None, tariff=None,
        ),
        text_signature = "($self, tenant, action, *, channel='', contact='', also='', category='', \
            holder='', at=None, quantity=None, tariff=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn perform(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        action: Name<'_>,
        channel: Private<'_>,
        contact: Private<'_>,
        also: Private<'_>,
        category: Private<'_>,
        holder: Private<'_>,
        at: Option<When>,
        quantity: Option<Units>,
        tariff: Option<Whole<u64>>,
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
            ..About::default()
        };
        self.decide(py, |engine| engine.perform(tenant.0, action.0, &about.details()))
    }
}

impl Engine {
    fn of(py: Python<'_>, engine_state: EngineState) -> PyResult<Engine> {
        let handle = engine_state.engine().clone();
        Ok(Engine { handle, engine_state: Py::new(py, engine_state)?, known: Known::default() })
    }

    /// The same engine with another durability, and another clock if one is given.
    fn again(
        &self,
        py: Python<'_>,
        clock: Option<Arc<cotas::ManualClock>>,
        durability: Durability,
    ) -> PyResult<Engine> {
        let open = self.handle.get()?;
        let mut engine = open.blocking.with_durability(durability);
        if let Some(clock) = &clock {
            engine = engine.with_clock(Arc::clone(clock) as _);
        }
        Engine::of(py, EngineState::new(engine, clock.or_else(|| self.engine_state.get().clock())))
    }

    #[inline]
    fn decide(
        &self,
        py: Python<'_>,
        ask: impl Fn(&cotas::Engine) -> Result<cotas::Decision, cotas::Error> + Sync,
    ) -> PyResult<Py<Decision>> {
        Decision::asked(py, &self.engine_state, &self.handle, ask)
    }
}
