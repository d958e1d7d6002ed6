//! Replaying a log of traffic, so that a replay that was killed goes on where it was.

use std::ffi::c_char;

use cotas_core::{Cursor, Error, Timestamp};

use crate::call::call;
use crate::decision::cotas_decision;
use crate::documents::json;
use crate::error::cotas_error;
use crate::tenant::cotas_tenant;

/// As cotas_perform_with, of the event at a place in a log of traffic, once per place: where that
/// place, or a later one, was decided for this tenant before, nothing is done and it returns
/// COTAS_E_ALREADY_DECIDED. So a replay that was killed may begin again and charges nothing twice.
/// source are any bytes that identify the log, also when it has grown; since_ms is the time of its
/// first event, in milliseconds since 1970 in UTC; position is the event's place, from 1, rising.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_perform_next(
    tenant: *const cotas_tenant,
    source: *const u8,
    source_len: usize,
    since_ms: i64,
    position: u64,
    action: *const c_char,
    action_len: usize,
    details_json: *const c_char,
    details_json_len: usize,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let source = call.bytes(source, source_len, "source")?;
            let cursor =
                Cursor { source, since: Timestamp::from_ms(since_ms), position, content: 0 };
            let action = call.text(action, action_len, "action")?;
            let details = call.details(details_json, details_json_len)?;
            let decided = match call.text_or_none(key, key_len, "key")? {
                None => tenant.tenant.perform_next(action, &details.details(), &cursor),
                Some(key) => tenant.once(key).perform_next(action, &details.details(), &cursor),
            }?;
            decided.ok_or_else(|| Error::AlreadyDecided { position }.into())
        })
    })
}

/// How far a tenant has come in the log that source identifies, and what came of its events, as a
/// JSON document: {"position" (of the last event that was decided), "since", "opened",
/// "continued", "others", "refused", "refused_quota", "refused_status"}, or null.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_progress(
    tenant: *const cotas_tenant,
    source: *const u8,
    source_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let tenant = call.tenant(tenant)?;
            json(&tenant.tenant.progress(call.bytes(source, source_len, "source")?)?)
        })
    })
}
