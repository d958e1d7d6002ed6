//! A database from outside: what is wrong with it, and putting a backup in its place.

use std::ffi::c_char;

use crate::call::call;
use crate::documents::json;
use crate::error::cotas_error;
use crate::options::cotas_options;

/// What the database at path, its live file and this machine look like from outside, as a JSON
/// document: "files", "file_systems", "versions", "live" (lag and unsaved tenants among it),
/// "owners", "stuck" locks, "clock", and "concerns": [{"severity" ("error" or "warning"), "about",
/// "what"}]. options may be NULL; of them the live directory is used, and whether a network file
/// system is allowed. Answers also where opening does not.
///
/// Threads: any. Blocks: never for a lock; reads the disk, and takes a second where a lock is held.
/// Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_doctor(
    path: *const c_char,
    path_len: usize,
    options: *const cotas_options,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let path = call.path(path, path_len, "path")?;
            json(&call.builder(path, options)?.doctor()?)
        })
    })
}

/// Puts a copy of a backup in the place of the database at path, at once: after a crash at any
/// moment it is the former one or the backup. COTAS_E_OPEN_IN_USE while a process uses the
/// database. options may be NULL; of them the live directory is used.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_restore(
    path: *const c_char,
    path_len: usize,
    options: *const cotas_options,
    backup: *const c_char,
    backup_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let path = call.path(path, path_len, "path")?;
        let backup = call.path(backup, backup_len, "backup")?;
        Ok(call.builder(path, options)?.restore(backup)?)
    })
}
