//! Leases: places that are held for a limited time.

use std::ffi::c_char;
use std::time::Duration;

use crate::call::call;
use crate::decision::cotas_decision;
use crate::error::cotas_error;
use crate::failure::Failure;
use crate::tenant::cotas_tenant;

/// A time to live; 0: as the catalog says.
fn ttl(ttl_ms: u64) -> Option<Duration> {
    (ttl_ms > 0).then(|| Duration::from_millis(ttl_ms))
}

/// May a holder (a call's id, say) have a place of a lease resource now? If so it is taken for
/// ttl_ms milliseconds (0: as the catalog says). A holder that has one keeps it, with its fencing
/// number, and the time begins again. Under a key (NULL: none) it takes effect once.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_lease_acquire(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    holder: *const c_char,
    holder_len: usize,
    ttl_ms: u64,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let resource = call.text(resource, resource_len, "resource")?;
            let holder = call.text(holder, holder_len, "holder")?;
            let leases = match call.text_or_none(key, key_len, "key")? {
                None => tenant.tenant.leases(resource),
                Some(key) => tenant.once(key).leases(resource),
            }?;
            Ok(leases.acquire(holder, ttl(ttl_ms))?)
        })
    })
}

/// Whether cotas_lease_acquire would succeed. Changes nothing.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_lease_check(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    holder: *const c_char,
    holder_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let resource = call.text(resource, resource_len, "resource")?;
            let holder = call.text(holder, holder_len, "holder")?;
            Ok(tenant.tenant.leases(resource)?.check(holder)?)
        })
    })
}

/// Prolongs a lease that its holder still has under this fencing number: it ends ttl_ms
/// milliseconds from now (0: as the catalog says). *expires_at_ms, unless NULL, becomes when.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_lease_renew(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    holder: *const c_char,
    holder_len: usize,
    fencing: u64,
    ttl_ms: u64,
    expires_at_ms: *mut i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(expires_at_ms, 0);
        let tenant = call.tenant(tenant)?;
        let leases = tenant.tenant.leases(call.text(resource, resource_len, "resource")?)?;
        let holder = call.text(holder, holder_len, "holder")?;
        let lease = leases.renew(holder, fencing, ttl(ttl_ms))?;
        call.put(expires_at_ms, lease.expires_at.ms());
        Ok::<(), Failure>(())
    })
}

/// Gives a lease back before its time.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_lease_release(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    holder: *const c_char,
    holder_len: usize,
    fencing: u64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let tenant = call.tenant(tenant)?;
        let leases = tenant.tenant.leases(call.text(resource, resource_len, "resource")?)?;
        Ok(leases.release(call.text(holder, holder_len, "holder")?, fencing)?)
    })
}
