//! Reports, as JSON text in the caller's buffer.

use std::ffi::c_char;

use cotas_core::Engine;
use serde::Serialize;

use crate::call::{Call, call};
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;

/// A value as a JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::argument("document", format!("it cannot be written: {error}")))
}

impl Call {
    /// Writes what `report` gives of a tenant into the caller's buffer.
    fn report<T: Serialize>(
        &self,
        (engine, tenant, tenant_len): (*const cotas_engine, *const c_char, usize),
        (buffer, capacity, needed): (*mut c_char, usize, *mut usize),
        report: impl FnOnce(&Engine, &str) -> Result<T, Failure>,
    ) -> Result<(), Failure> {
        self.put_text(buffer, capacity, needed, || {
            let engine = self.engine(engine)?;
            json(&report(&engine.engine, self.text(tenant, tenant_len, "tenant")?)?)
        })
    }
}

/// A tenant as it stands now, as a JSON document: status, subscription, balances, grants.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_report(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| Ok(engine.report(tenant)?))
    })
}

/// What a tenant subscribed to, has left and owes ("Minha assinatura"), as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_statement(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            Ok(engine.statement(tenant)?.to_json())
        })
    })
}
