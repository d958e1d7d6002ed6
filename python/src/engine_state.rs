//! What the handles of one engine share, and how they ask it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use cotas::{Clock as _, Closable, Error, InUse, ManualClock, ResourceId, SystemClock, Timestamp};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors;

/// The two ways to ask the engine: as it is, and while this thread is attached to the interpreter,
/// when nothing may be waited for.
pub struct Modes<T> {
    pub blocking: T,
    /// `None`: by its options the engine waits in any case.
    pub non_blocking: Option<T>,
}

/// A handle of the engine that is gone once the engine is closed.
pub struct ClosableHandle<T>(Arc<Closable<Modes<T>>>);

impl<T> ClosableHandle<T> {
    pub fn new(blocking: T, non_blocking: Option<T>) -> ClosableHandle<T> {
        ClosableHandle(Arc::new(Closable::of(Modes { blocking, non_blocking })))
    }

    /// A handle of an engine that has been closed.
    fn closed() -> ClosableHandle<T> {
        ClosableHandle(Arc::new(Closable::empty()))
    }

    /// What it is a handle of: there until it is released, also if it is closed meanwhile.
    #[inline]
    pub fn get(&self) -> PyResult<InUse<'_, Modes<T>>> {
        self.0.get(0).ok_or_else(errors::closed)
    }

    pub fn is_closed(&self) -> bool {
        self.0.get(0).is_none()
    }

    fn close(&self) -> bool {
        self.0.close(0)
    }
}

impl<T> Clone for ClosableHandle<T> {
    fn clone(&self) -> ClosableHandle<T> {
        ClosableHandle(Arc::clone(&self.0))
    }
}

/// What the handles of one engine share: closing it closes them all, so that it releases the
/// database whatever handles are still about.
#[pyclass(frozen)]
pub struct EngineState {
    engine: ClosableHandle<cotas::Engine>,
    /// `None`: it is closed.
    tenants: Mutex<Option<Tenants>>,
    names: RwLock<Vec<Option<Py<PyString>>>>,
    /// The clock that the engine was given.
    clock: Option<Arc<ManualClock>>,
}

/// The handles of tenants.
#[derive(Default)]
struct Tenants {
    open: HashMap<u64, ClosableHandle<cotas::Tenant>>,
    next: u64,
}

impl Tenants {
    fn keep(&mut self, tenant: ClosableHandle<cotas::Tenant>) -> u64 {
        let number = self.next;
        self.open.insert(number, tenant);
        self.next += 1;
        number
    }
}

impl EngineState {
    pub fn new(engine: cotas::Engine, clock: Option<Arc<ManualClock>>) -> EngineState {
        let non_blocking = engine.without_waiting();
        EngineState {
            engine: ClosableHandle::new(engine, non_blocking),
            tenants: Mutex::new(Some(Tenants::default())),
            names: RwLock::default(),
            clock,
        }
    }

    /// A hub that knows names and nothing else: that of decisions which came from elsewhere.
    pub fn of_names(names: Vec<Option<Py<PyString>>>) -> EngineState {
        let (engine, tenants) = (ClosableHandle::closed(), Mutex::new(None));
        EngineState { engine, tenants, names: RwLock::new(names), clock: None }
    }

    /// What the engine's clock shows, also when the engine is closed.
    pub fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or_else(|| SystemClock.now(), |clock| clock.now())
    }

    /// The clock that the engine was given.
    pub fn clock(&self) -> Option<Arc<ManualClock>> {
        self.clock.clone()
    }

    pub fn engine(&self) -> &ClosableHandle<cotas::Engine> {
        &self.engine
    }

    /// Keeps the handle of a tenant until the engine is closed or it is forgotten, by the number
    /// that is given back.
    pub fn keep(&self, tenant: &ClosableHandle<cotas::Tenant>) -> PyResult<u64> {
        let mut tenants = self.tenants();
        let number = tenants.as_mut().map(|tenants| tenants.keep(tenant.clone()));
        drop(tenants); // Making an exception may hand the interpreter to another who waits for it.
        number.ok_or_else(errors::closed)
    }

    /// Forgets the handle of a tenant.
    pub fn forget(&self, number: u64) {
        let tenant = self.tenants().as_mut().and_then(|tenants| tenants.open.remove(&number));
        drop(tenant); // Outside the lock: it may be the last that held the engine.
    }

    /// Releases the engine. Waits for the disk.
    pub fn close(&self, py: Python<'_>) {
        self.learn_names(py);
        py.detach(|| self.close_all());
    }

    fn close_all(&self) {
        let tenants = self.tenants().take();
        for tenant in tenants.iter().flat_map(|tenants| tenants.open.values()) {
            tenant.close();
        }
        self.engine.close();
    }

    /// The name of a resource, the same object every time.
    pub fn name(&self, py: Python<'_>, resource: ResourceId) -> Option<Py<PyString>> {
        let place = usize::from(resource.number());
        if let Some(Some(name)) = self.names().get(place) {
            return Some(name.clone_ref(py));
        }
        let engine = self.engine.0.get(0)?;
        let name = PyString::intern(py, engine.blocking.resource_name(resource)?).unbind();
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() <= place {
            names.resize_with(place + 1, || None);
        }
        if let Some(known) = names.get_mut(place) {
            *known = Some(name.clone_ref(py));
        }
        Some(name)
    }

    /// All names in the order of their numbers, which go without gaps.
    pub fn learn_names(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        (0..u16::MAX).map_while(|number| self.name(py, ResourceId::from_number(number))).collect()
    }

    fn tenants(&self) -> MutexGuard<'_, Option<Tenants>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> std::sync::RwLockReadGuard<'_, Vec<Option<Py<PyString>>>> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EngineState {
    /// An engine that was not closed is closed with its last handle.
    fn drop(&mut self) {
        if !self.engine.is_closed()
            && Python::try_attach(|py| py.detach(|| self.close_all())).is_none()
        {
            self.close_all();
        }
    }
}

/// Makes a decision: attached if there is nothing to wait for, which is nearly always, else
/// detached.
#[inline]
pub fn decide<T: Send + Sync, R: Send>(
    py: Python<'_>,
    handle: &ClosableHandle<T>,
    ask: impl Fn(&T) -> Result<R, Error> + Sync,
) -> PyResult<R> {
    let modes = handle.get()?;
    if let Some(non_blocking) = &modes.non_blocking {
        // Boxed: an answer is not to carry the size of an error from one place to the next.
        match catch_panic(|| ask(non_blocking).map_err(Box::new))? {
            Ok(answer) => return Ok(answer),
            Err(error) if matches!(*error, Error::Busy { .. }) => {}
            Err(error) => return Err(errors::raise(&error)),
        }
    }
    let blocking = &modes.blocking;
    wait(py, || ask(blocking))
}

/// Asks for something that may wait for the disk: detached.
pub fn ask<T: Send + Sync, R: Send>(
    py: Python<'_>,
    handle: &ClosableHandle<T>,
    ask: impl FnOnce(&T) -> Result<R, Error> + Send,
) -> PyResult<R> {
    let modes = handle.get()?;
    let blocking = &modes.blocking;
    wait(py, move || ask(blocking))
}

/// Does something that may wait, detached.
#[inline(never)]
pub fn wait<R: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<R, Error> + Send,
) -> PyResult<R> {
    py.detach(|| catch_panic(work))?.map_err(|error| errors::raise(&error))
}

/// A panic of the engine is an exception like any other, which `except Exception` catches.
#[inline]
fn catch_panic<R>(work: impl FnOnce() -> R) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| errors::internal(&*panic))
}
