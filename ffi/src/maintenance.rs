//! Keeping a database: maintenance, checkpoints, backups, the outbox.

use std::ffi::c_char;

use crate::call::call;
use crate::documents::json;
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;

/// Does now what maintenance does: writes everything that has changed to SQLite and settles tenants
/// whose time has come. *checkpointed and *settled, unless NULL, become how many tenants. For hosts
/// with COTAS_MAINTENANCE_EXTERNAL: every 100 ms or so.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_maintain(
    engine: *const cotas_engine,
    checkpointed: *mut u64,
    settled: *mut u64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(checkpointed, 0);
        call.put(settled, 0);
        let done = call.engine(engine)?.engine.maintain()?;
        call.put(checkpointed, done.checkpointed as u64);
        call.put(settled, done.settled as u64);
        Ok::<(), Failure>(())
    })
}

/// Writes everything that has changed to SQLite. *checkpointed, unless NULL, becomes how many
/// tenants.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_checkpoint(
    engine: *const cotas_engine,
    checkpointed: *mut u64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(checkpointed, 0);
        call.put(checkpointed, call.engine(engine)?.engine.checkpoint()? as u64);
        Ok::<(), Failure>(())
    })
}

/// Copies the database, as of now, to a file that must not exist yet. The copy opens by itself
/// anywhere.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_backup(
    engine: *const cotas_engine,
    target: *const c_char,
    target_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        Ok(engine.engine.backup(call.text(target, target_len, "target")?)?)
    })
}

/// Events after the one with the number after (0: from the first), at most max (1 to 10,000),
/// oldest first, as a JSON document. They stay until cotas_acknowledge_events.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_events(
    engine: *const cotas_engine,
    after: u64,
    max: u32,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            json(&call.engine(engine)?.engine.events(after, max)?)
        })
    })
}

/// Forgets all events up to and including the one with this number. *forgotten, unless NULL,
/// becomes how many.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_acknowledge_events(
    engine: *const cotas_engine,
    up_to: u64,
    forgotten: *mut u64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(forgotten, 0);
        call.put(forgotten, call.engine(engine)?.engine.acknowledge_events(up_to)? as u64);
        Ok::<(), Failure>(())
    })
}

/// The names of the demonstrations that have ended and can be purged, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_ended_demos(
    engine: *const cotas_engine,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            json(&call.engine(engine)?.engine.ended_demos()?)
        })
    })
}

/// Deletes a demonstration that has ended, with all that was stored of it. Any other tenant is
/// refused.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_purge_demo(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        Ok(engine.engine.purge_demo(call.text(tenant, tenant_len, "tenant")?)?)
    })
}

/// Announces and removes demonstrations that have ended, as maintenance does, by the engine's
/// clock.
/// *removed, unless NULL, becomes how many it has removed.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_remove_ended_trials(
    engine: *const cotas_engine,
    removed: *mut u64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(removed, 0);
        call.put(removed, call.engine(engine)?.engine.remove_ended_trials()?.len() as u64);
        Ok::<(), Failure>(())
    })
}
