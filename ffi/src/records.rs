//! Records: what has been written down about a tenant.

use std::ffi::c_char;

use cotas_core::Interval;

use crate::administration::{coded, instant};
use crate::call::call;
use crate::documents::json;
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;

fn interval(code: &str) -> Result<Interval, Failure> {
    coded("interval", code, &Interval::ALL, Interval::code)
}

/// The subscriptions of a tenant, the latest first, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_subscriptions(
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
            json(&engine.subscriptions(tenant)?)
        })
    })
}

/// The closed periods of a tenant, oldest first, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_periods(
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
        call.report(of, (buffer, capacity, needed), |engine, tenant| json(&engine.periods(tenant)?))
    })
}

/// The invoices of a tenant, by due date, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_invoices(
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
            json(&engine.invoices(tenant)?)
        })
    })
}

/// Whose account a tenant is, as a JSON document; null: not known. It is personal.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_account_holder(
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
            json(&engine.account_holder(tenant)?)
        })
    })
}

/// The usage of a tenant by "hour", "day" or "month" of its zone, as a JSON document: of the hours
/// that begin from from_ms on and before to_ms (0: open).
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_usage(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    interval: *const c_char,
    interval_len: usize,
    from_ms: i64,
    to_ms: i64,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            let interval = self::interval(call.text(interval, interval_len, "interval")?)?;
            json(&engine.usage_by(tenant, interval, instant(from_ms), instant(to_ms))?.to_json())
        })
    })
}

/// The latest administrative changes, at most max (1 to 10,000), the latest first, as a JSON
/// document: of a tenant, or of all (NULL). [{"id", "at", "tenant", "what", "detail"}].
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_audit_trail(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    max: u32,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let engine = call.engine(engine)?;
            let tenant = call.text_or_none(tenant, tenant_len, "tenant")?;
            json(&engine.engine.audit_trail(tenant, max)?)
        })
    })
}
