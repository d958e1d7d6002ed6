//! Meters, which measure, and rates, which pace.

use std::ffi::c_char;

use cotas_core::{Error, Meter};

use crate::call::call;
use crate::decision::cotas_decision;
use crate::error::cotas_error;
use crate::tenant::{TenantHandle, cotas_tenant};

/// A meter, whose operations take effect once per key, if there is one.
fn meter<'a>(
    tenant: &'a TenantHandle,
    resource: &str,
    key: Option<&'a str>,
) -> Result<Meter<'a>, Error> {
    match key {
        None => tenant.tenant.meter(resource),
        Some(key) => tenant.once(key).meter(resource),
    }
}

/// May so much be added to a meter? If so, it is. Under a key (NULL: none) it takes effect once.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_meter_add(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    units: u64,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let resource = call.text(resource, resource_len, "resource")?;
            let key = call.text_or_none(key, key_len, "key")?;
            Ok(meter(tenant, resource, key)?.add(units)?)
        })
    })
}

/// Takes so much from a meter, but never below zero: what is gone is gone, so it is always allowed.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_meter_subtract(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    units: u64,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let resource = call.text(resource, resource_len, "resource")?;
            let key = call.text_or_none(key, key_len, "key")?;
            Ok(meter(tenant, resource, key)?.subtract(units)?)
        })
    })
}

/// Brings a meter to a value: upwards as cotas_meter_add does, downwards in any case.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_meter_set(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    value: u64,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let resource = call.text(resource, resource_len, "resource")?;
            let key = call.text_or_none(key, key_len, "key")?;
            Ok(meter(tenant, resource, key)?.set(value)?)
        })
    })
}

/// What cotas_meter_add would answer. Changes nothing.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_meter_check(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    units: u64,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let resource = call.text(resource, resource_len, "resource")?;
            Ok(tenant.tenant.meter(resource)?.check(units)?)
        })
    })
}

/// May units pass for a subject (a channel and contact, say) of a rate resource now? A denial says
/// when. Under a key (NULL: none) it takes effect once.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_rate_pass(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    subject: *const c_char,
    subject_len: usize,
    units: u64,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let resource = call.text(resource, resource_len, "resource")?;
            let subject = call.text(subject, subject_len, "subject")?;
            let rate = match call.text_or_none(key, key_len, "key")? {
                None => tenant.tenant.rate(resource),
                Some(key) => tenant.once(key).rate(resource),
            }?;
            Ok(rate.pass(subject, units)?)
        })
    })
}

/// What cotas_rate_pass would answer. Changes nothing.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_rate_check(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    subject: *const c_char,
    subject_len: usize,
    units: u64,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let resource = call.text(resource, resource_len, "resource")?;
            let subject = call.text(subject, subject_len, "subject")?;
            Ok(tenant.tenant.rate(resource)?.check(subject, units)?)
        })
    })
}
