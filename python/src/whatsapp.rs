//! Bodies of webhooks, read as the replay reads them.

use cotas::{Error, whatsapp};
use pyo3::prelude::*;

use crate::errors::raise;

/// What a body says, as a JSON document.
#[pyfunction]
pub fn _whatsapp_events(body: &[u8]) -> PyResult<String> {
    let wrong = |why: String| raise(&Error::InvalidArgument { what: "body", why });
    let read = whatsapp::read(body).map_err(|error| wrong(error.to_string()))?;
    serde_json::to_string(&read).map_err(|error| wrong(error.to_string()))
}
