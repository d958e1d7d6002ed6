//! Seats: users, channels and whatever else is held by name until it is released.

use std::ffi::c_char;

use cotas_core::Occupancy;

use crate::call::call;
use crate::decision::cotas_decision;
use crate::documents::json;
use crate::error::cotas_error;
use crate::failure::Failure;
use crate::tenant::cotas_tenant;

/// May a holder have a seat of a resource? If so it is taken until it is released. A holder that
/// has one keeps it. pending (1) says that the holder was only invited, which holds the seat all
/// the same. token (NULL: none), of 8 to 1,024 bytes, opens the seat, and is unique over the
/// database: only its keyed hash is kept.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_seat_occupy(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    holder: *const c_char,
    holder_len: usize,
    pending: i32,
    token: *const c_char,
    token_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let seats = tenant.tenant.seats(call.text(resource, resource_len, "resource")?)?;
            let holder = call.text(holder, holder_len, "holder")?;
            let token = call.text_or_none(token, token_len, "token")?;
            Ok(seats.occupy_as(holder, &Occupancy { pending: pending != 0, token })?)
        })
    })
}

/// The warning to the person who takes a seat of a resource, as the catalog has it, as a JSON
/// document: {"en", "pt"}, or null.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_seat_warning(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let tenant = call.tenant(tenant)?;
            json(&tenant.tenant.seats(call.text(resource, resource_len, "resource")?)?.warning()?)
        })
    })
}

/// Frees the seat of a holder. *released, unless NULL, becomes 1, or 0 if there was none.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_seat_release(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    holder: *const c_char,
    holder_len: usize,
    released: *mut i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(released, 0);
        let tenant = call.tenant(tenant)?;
        let seats = tenant.tenant.seats(call.text(resource, resource_len, "resource")?)?;
        call.put(released, seats.release(call.text(holder, holder_len, "holder")?)?.into());
        Ok::<(), Failure>(())
    })
}

/// Gives the seat of one holder to another, which always passes: nothing more is held than before.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_seat_replace(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    holder: *const c_char,
    holder_len: usize,
    other: *const c_char,
    other_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let tenant = call.tenant(tenant)?;
        let seats = tenant.tenant.seats(call.text(resource, resource_len, "resource")?)?;
        let holder = call.text(holder, holder_len, "holder")?;
        Ok(seats.replace(holder, call.text(other, other_len, "new holder")?)?)
    })
}
