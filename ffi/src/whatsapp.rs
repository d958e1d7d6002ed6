//! Bodies of webhooks, read as the replay reads them.

use std::ffi::c_char;

use cotas_core::whatsapp;

use crate::call::call;
use crate::documents::json;
use crate::error::cotas_error;
use crate::failure::Failure;

/// What the body of a WhatsApp webhook says (of the Cloud API, as 360dialog passes it on, or of
/// Evolution API), as a JSON document: {"known" (whether its form is), "events": [{"kind"
/// ("message", "call", "template"; "status", "echo", "reaction", "edit", "revocation", "notice",
/// "welcome", "id_change", "call_progress", "history", "contact_sync", "error"), "opens" (whether
/// it opens a session), "channel", "contacts" (all ids of the one contact: decide with the first
/// and link the others to it), "id", "at", "at_ms", "status"}], "malformed": [{"path", "rule"}]}.
/// A body that is not JSON is COTAS_E_INVALID_ARGUMENT.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_whatsapp_events(
    body: *const u8,
    body_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let body = call.bytes(body, body_len, "body")?;
            json(&whatsapp::read(body).map_err(|why| Failure::argument("body", why.to_string()))?)
        })
    })
}
