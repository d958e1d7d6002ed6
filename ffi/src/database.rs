//! The database as a whole: what is in it, how it was found, whether it is sound.

use std::ffi::c_char;

use crate::call::call;
use crate::documents::json;
use crate::engine::cotas_engine;
use crate::error::cotas_error;

/// The names of all tenants, sorted, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_tenants(
    engine: *const cotas_engine,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || json(&call.engine(engine)?.engine.tenants()?))
    })
}

/// The catalog in force, as a JSON document: {"version", "catalog"}.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_catalog(
    engine: *const cotas_engine,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let (version, catalog) = call.engine(engine)?.engine.catalog()?;
            json(&serde_json::json!({ "version": version, "catalog": catalog }))
        })
    })
}

/// How the live file was found when this process opened it, as a JSON document: {"origin"
/// ("adopted", "joined" or "rebuilt"), "why", "may_miss_consumption"}.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_opening(
    engine: *const cotas_engine,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || json(call.engine(engine)?.engine.opening()))
    })
}

/// Where the live file lies, as text; empty: in memory. Every process that decides has it mapped.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_live_path(
    engine: *const cotas_engine,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let engine = call.engine(engine)?;
            let path = engine.engine.live_path().map(|path| path.to_string_lossy().into_owned());
            Ok(path.unwrap_or_default())
        })
    })
}

/// Whether the ledger adds up, as a JSON document: [{"tenant", "what"}], empty where they do. It
/// looks at every tenant.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_verify(
    engine: *const cotas_engine,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || json(&call.engine(engine)?.engine.verify()?))
    })
}
