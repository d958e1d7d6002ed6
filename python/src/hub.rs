//! What the handles of one engine share, and how they ask it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use cotas::{Clock as _, Error, ManualClock, ResourceId, SystemClock, Timestamp};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors;

/// A handle of the engine: as it is, and as it is asked while this thread is attached to the
/// interpreter, when nothing may be waited for.
pub struct Handle<T> {
    patient: T,
    /// `None`: by its options the engine waits in any case.
    hasty: Option<T>,
}

impl<T> Handle<T> {
    pub fn new(patient: T, hasty: Option<T>) -> Handle<T> {
        Handle { patient, hasty }
    }

    /// The handle whose calls wait.
    pub fn patient(&self) -> &T {
        &self.patient
    }

    /// The handle whose calls do not wait.
    pub fn hasty(&self) -> Option<&T> {
        self.hasty.as_ref()
    }
}

/// A handle that is gone once the engine is closed.
pub type Weakly<T> = Weak<Handle<T>>;

/// What the handles of one engine share. Only this holds the engine, so that closing lets go of the
/// database whatever handles are still about.
#[pyclass(frozen)]
pub struct Hub {
    held: Mutex<Option<Held>>,
    names: RwLock<Vec<Option<Py<PyString>>>>,
    engine: Weakly<cotas::Engine>,
    /// The clock that the engine was given.
    clock: Option<Arc<ManualClock>>,
}

struct Held {
    /// Nothing but this keeps the engine open.
    _engine: Arc<Handle<cotas::Engine>>,
    tenants: HashMap<u64, Arc<Handle<cotas::Tenant>>>,
    next: u64,
}

impl Held {
    fn keep(&mut self, tenant: Arc<Handle<cotas::Tenant>>) -> u64 {
        let number = self.next;
        self.tenants.insert(number, tenant);
        self.next += 1;
        number
    }
}

impl Hub {
    pub fn new(engine: cotas::Engine, clock: Option<Arc<ManualClock>>) -> Hub {
        let hasty = engine.without_waiting();
        let engine = Arc::new(Handle::new(engine, hasty));
        Hub {
            engine: Arc::downgrade(&engine),
            held: Mutex::new(Some(Held { _engine: engine, tenants: HashMap::new(), next: 0 })),
            names: RwLock::default(),
            clock,
        }
    }

    /// A hub that knows names and nothing else: that of decisions which came from elsewhere.
    pub fn of_names(names: Vec<Option<Py<PyString>>>) -> Hub {
        Hub { held: Mutex::new(None), names: RwLock::new(names), engine: Weak::new(), clock: None }
    }

    /// What the engine's clock shows, also when the engine is closed.
    pub fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or_else(|| SystemClock.now(), |clock| clock.now())
    }

    /// The clock that the engine was given.
    pub fn clock(&self) -> Option<Arc<ManualClock>> {
        self.clock.clone()
    }

    pub fn engine(&self) -> Weakly<cotas::Engine> {
        Weak::clone(&self.engine)
    }

    /// Keeps the handle of a tenant until the engine is closed or it is forgotten, by the number
    /// that is given back.
    pub fn keep(&self, tenant: Handle<cotas::Tenant>) -> PyResult<(u64, Weakly<cotas::Tenant>)> {
        let tenant = Arc::new(tenant);
        let mut held = self.held();
        let number = held.as_mut().map(|held| held.keep(Arc::clone(&tenant)));
        drop(held); // Making an exception may hand the interpreter to another who waits for it.
        Ok((number.ok_or_else(errors::closed)?, Arc::downgrade(&tenant)))
    }

    /// Forgets the handle of a tenant.
    pub fn forget(&self, number: u64) {
        let tenant = self.held().as_mut().and_then(|held| held.tenants.remove(&number));
        drop(tenant); // Outside the lock: it may be the last that held the engine.
    }

    /// Lets go of the engine; says whether it was open. Waits for the disk.
    pub fn close(&self, py: Python<'_>) -> bool {
        self.learn_names(py);
        let held = self.held().take();
        let was_open = held.is_some();
        py.detach(move || drop(held));
        was_open
    }

    /// The name of a resource, the same object every time.
    pub fn name(&self, py: Python<'_>, resource: ResourceId) -> Option<Py<PyString>> {
        let place = usize::from(resource.number());
        if let Some(Some(name)) = self.names().get(place) {
            return Some(name.clone_ref(py));
        }
        let engine = self.engine.upgrade()?;
        let name = PyString::intern(py, engine.patient.resource_name(resource)?).unbind();
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

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> std::sync::RwLockReadGuard<'_, Vec<Option<Py<PyString>>>> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hub {
    /// An engine that nobody closed is closed with its last handle.
    fn drop(&mut self) {
        let held = self.held().take();
        if held.is_some() {
            let mut held = Some(held);
            let attached = Python::try_attach(|py| {
                let held = held.take();
                py.detach(move || drop(held));
            });
            drop((attached, held));
        }
    }
}

/// Makes a decision: attached if there is nothing to wait for, which is nearly always, else
/// detached.
#[inline]
pub fn decide<T: Send + Sync, R: Send>(
    py: Python<'_>,
    handle: &Weakly<T>,
    ask: impl Fn(&T) -> Result<R, Error> + Sync,
) -> PyResult<R> {
    let handle = handle.upgrade().ok_or_else(errors::closed)?;
    if let Some(hasty) = &handle.hasty {
        match calmly(|| ask(hasty))? {
            Ok(answer) => return Ok(answer),
            Err(Error::Busy { .. }) => {}
            Err(error) => return Err(errors::raise(&error)),
        }
    }
    wait(py, || ask(&handle.patient))
}

/// Asks for something that may wait for the disk: detached.
pub fn ask<T: Send + Sync, R: Send>(
    py: Python<'_>,
    handle: &Weakly<T>,
    ask: impl FnOnce(&T) -> Result<R, Error> + Send,
) -> PyResult<R> {
    let handle = handle.upgrade().ok_or_else(errors::closed)?;
    let handle = &handle;
    wait(py, move || ask(&handle.patient))
}

/// Does something that may wait, detached.
#[inline(never)]
pub fn wait<R: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<R, Error> + Send,
) -> PyResult<R> {
    py.detach(|| calmly(work))?.map_err(|error| errors::raise(&error))
}

/// A panic of the engine is an exception like any other, which `except Exception` catches.
#[inline]
fn calmly<R>(work: impl FnOnce() -> R) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| errors::internal(&*panic))
}
