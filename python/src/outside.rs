//! A database from outside: what is wrong with it, and putting a backup in its place.

use std::path::Path;

use cotas::Builder;
use pyo3::prelude::*;

use crate::arguments::FilePath;
use crate::documents::json;
use crate::errors::{invalid, raise};

fn builder(
    path: &FilePath,
    live_directory: Option<FilePath>,
    allow_network_file_system: bool,
) -> PyResult<Builder> {
    if path.0.as_os_str().is_empty() {
        return Err(invalid("path: '' names no file"));
    }
    let builder =
        cotas::Engine::builder(&path.0).allow_network_file_system(allow_network_file_system);
    Ok(match live_directory {
        Some(directory) => builder.live_directory(directory.0),
        None => builder,
    })
}

/// What a database, its live file and this machine look like, as a JSON document.
#[pyfunction]
pub fn _doctor(
    py: Python<'_>,
    path: FilePath,
    live_directory: Option<FilePath>,
    allow_network_file_system: bool,
) -> PyResult<String> {
    let builder = builder(&path, live_directory, allow_network_file_system)?;
    let seen = py.detach(|| builder.doctor().and_then(|seen| json(&seen)));
    seen.map_err(|error| raise(&error))
}

/// Puts a copy of a backup in the place of a database.
#[pyfunction]
pub fn _restore(
    py: Python<'_>,
    path: FilePath,
    backup: FilePath,
    live_directory: Option<FilePath>,
) -> PyResult<()> {
    let builder = builder(&path, live_directory, false)?;
    let backup: &Path = &backup.0;
    py.detach(|| builder.restore(backup)).map_err(|error| raise(&error))
}
