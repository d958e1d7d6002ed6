//! Documents: values as JSON text in the caller's buffer.

use serde::Serialize;

use crate::failure::Failure;

/// A value as a JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::argument("document", format!("it cannot be written: {error}")))
}
