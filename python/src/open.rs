//! Options for opening an engine.

use std::path::PathBuf;
use std::sync::Arc;

use cotas::{Builder, Durability, Maintenance, ManualClock};
use pyo3::prelude::*;

use crate::arguments::{FilePath, Lapse, choice};
use crate::engine::Engine;
use crate::errors::invalid;

/// What is opened: a file, another engine's database, or, absent, one in memory.
pub enum Database<'py> {
    Engine(Bound<'py, Engine>),
    File(PathBuf),
}

impl<'py> FromPyObject<'_, 'py> for Database<'py> {
    type Error = PyErr;

    fn extract(obj: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(engine) = obj.cast::<Engine>() {
            return Ok(Database::Engine(engine.to_owned()));
        }
        Ok(Database::File(FilePath::extract(obj)?.0))
    }
}

/// How an engine is opened, as keyword arguments say it.
pub struct Options {
    pub path: Option<PathBuf>,
    pub durability: How<Durability>,
    pub maintenance: How<Maintenance>,
    pub live_directory: Option<PathBuf>,
    pub checkpoint_interval: Option<Lapse>,
    pub disk_timeout: Option<Lapse>,
    pub lag_max: Option<Lapse>,
    pub allow_network_file_system: bool,
    pub keep_open: bool,
    pub clock: Option<Arc<ManualClock>>,
}

/// One of a few ways.
#[derive(Clone, Copy, Default)]
pub struct How<T>(pub T);

impl<'a, 'py> FromPyObject<'a, 'py> for How<Durability> {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let choices = [("process", Durability::Process), ("disk", Durability::Disk)];
        choice(obj, "durability", &choices).map(How)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for How<Maintenance> {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let choices = [
            ("thread", Maintenance::Thread),
            ("inline", Maintenance::Inline),
            ("external", Maintenance::External),
        ];
        choice(obj, "maintenance", &choices).map(How)
    }
}

impl Options {
    /// The engine's own options.
    pub fn builder(&self) -> PyResult<Builder> {
        let mut builder = match &self.path {
            Some(path) if path.as_os_str().is_empty() => {
                return Err(invalid("path: '' names no file"));
            }
            Some(path) => cotas::Engine::builder(path),
            None => cotas::Engine::in_memory(),
        };
        builder = builder
            .durability(self.durability.0)
            .maintenance(self.maintenance.0)
            .allow_network_file_system(self.allow_network_file_system)
            .keep_open(self.keep_open);
        if let Some(directory) = &self.live_directory {
            builder = builder.live_directory(directory);
        }
        if let Some(clock) = &self.clock {
            builder = builder.clock(Arc::clone(clock) as _);
        }
        if let Some(interval) = self.checkpoint_interval {
            builder = builder.checkpoint_interval(interval.duration()?);
        }
        if let Some(timeout) = self.disk_timeout {
            builder = builder.disk_timeout(timeout.duration()?);
        }
        if let Some(max) = self.lag_max {
            builder = builder.lag_max(max.duration()?);
        }
        Ok(builder)
    }
}
