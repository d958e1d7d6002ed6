//! Documents: values as JSON text in the caller's buffer.

use std::ffi::c_char;

use cotas_core::Engine;
use serde::Serialize;

use crate::call::Call;
use crate::engine::cotas_engine;
use crate::failure::Failure;

/// A value as a JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::argument("document", format!("it cannot be written: {error}")))
}

impl Call {
    /// Writes what `report` gives of a tenant into the caller's buffer.
    pub(crate) fn report(
        &self,
        (engine, tenant, tenant_len): (*const cotas_engine, *const c_char, usize),
        (buffer, capacity, needed): (*mut c_char, usize, *mut usize),
        report: impl FnOnce(&Engine, &str) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        self.put_text(buffer, capacity, needed, || {
            let engine = self.engine(engine)?;
            report(&engine.engine, self.text(tenant, tenant_len, "tenant")?)
        })
    }
}
