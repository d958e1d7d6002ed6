//! The control plane: operations called by name, with JSON in and JSON out.

use std::ffi::c_char;

use cotas_core::control;
use cotas_core::control::Effect;

use crate::call::call;
use crate::code::cotas_code;
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;

/// What a result takes at most, its NUL included, of an operation that changes something: so many
/// bytes are asked for before anything is done, since a result that did not fit would be lost.
const CHANGE_RESULT_BYTES: usize = 4_096;

/// Calls an operation of the control plane by its name: all that administers, reports or maintains
/// (docs/operations.md lists them). arguments_json is a JSON object; empty: it has no arguments.
/// Under a key (NULL: none) it takes effect once; an operation that takes no key refuses one. The
/// result is a JSON document in the buffer; where all three of buffer, capacity and needed are NULL
/// or 0, it is not wanted. An operation that changes something does nothing where a result is
/// wanted and capacity is less than 4096: it returns COTAS_E_BUFFER.
///
/// Blocks: as docs/operations.md says of the operation, most wait for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_call(
    engine: *const cotas_engine,
    operation: *const c_char,
    operation_len: usize,
    arguments_json: *const c_char,
    arguments_json_len: usize,
    key: *const c_char,
    key_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let wanted = !buffer.is_null() || capacity > 0 || !needed.is_null();
        let run = || {
            let engine = call.engine(engine)?;
            let operation =
                control::operation(call.text(operation, operation_len, "operation")?)?;
            let arguments = call.text(arguments_json, arguments_json_len, "arguments")?;
            let key = call.text_or_none(key, key_len, "key")?;
            if wanted && operation.effect != Effect::Reads && capacity < CHANGE_RESULT_BYTES {
                call.put(needed, CHANGE_RESULT_BYTES);
                let why = "the buffer is too small for the result of a change; nothing was done";
                return Err(Failure::new(cotas_code::COTAS_E_BUFFER, why));
            }
            Ok(engine.engine.call_json(operation.name, arguments, key)?)
        };
        if wanted { call.put_text(buffer, capacity, needed, run) } else { run().map(|_| ()) }
    })
}
