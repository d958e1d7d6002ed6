//! Options for opening an engine.

use std::ffi::c_char;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cotas_core::{Builder, Durability, Engine, Maintenance, ManualClock, Timestamp};
use parking_lot::Mutex;

use crate::call::{self, call};
use crate::engine::EngineHandle;
use crate::error::cotas_error;
use crate::failure::Failure;
use crate::table::{Handled, Object};

/// Options for opening an engine.
///
/// Threads: any, also at once. Made by cotas_options_new, closed by cotas_options_close; an engine
/// that was opened with it needs it no longer.
pub struct cotas_options {
    _opaque: [u8; 0],
}

/// What an acknowledged decision survives.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cotas_durability {
    /// The crash of any and all processes; a power cut costs at most one checkpoint interval, in
    /// the customer's favour. The default.
    COTAS_DURABILITY_PROCESS = 1,
    /// A power cut as well: the call returns when the decision is on disk.
    COTAS_DURABILITY_DISK = 2,
}

/// Who makes checkpoints and settles tenants promptly.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cotas_maintenance {
    /// A background thread of the process, all of whose signals are blocked. The default.
    COTAS_MAINTENANCE_THREAD = 1,
    /// No thread: the call that finds a checkpoint overdue makes it.
    COTAS_MAINTENANCE_INLINE = 2,
    /// The host, by the operation maintain, or another process.
    COTAS_MAINTENANCE_EXTERNAL = 3,
}

/// What has been set so far.
#[derive(Clone, Default)]
struct Settings {
    durability: Durability,
    maintenance: Maintenance,
    checkpoint_interval: Option<Duration>,
    disk_timeout: Option<Duration>,
    lag_max: Option<Duration>,
    live_directory: Option<PathBuf>,
    allow_network_file_system: bool,
    keep_open: bool,
    now: Option<Timestamp>,
}

/// What a `cotas_options` names.
#[derive(Default)]
pub(crate) struct OptionsHandle(Mutex<Settings>);

impl Handled for OptionsHandle {
    const NAME: &'static str = "cotas_options";

    fn of(object: &Object) -> Option<&OptionsHandle> {
        match object {
            Object::Options(options) => Some(options),
            _ => None,
        }
    }
}

impl OptionsHandle {
    fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.lock());
    }

    /// What has been set, for the database at `path`, or for one in memory.
    pub(crate) fn builder(&self, path: Option<&str>) -> Builder {
        let settings = self.0.lock().clone();
        let mut builder = path.map_or_else(Engine::in_memory, Engine::builder);
        builder = builder
            .durability(settings.durability)
            .maintenance(settings.maintenance)
            .allow_network_file_system(settings.allow_network_file_system)
            .keep_open(settings.keep_open);
        if let Some(interval) = settings.checkpoint_interval {
            builder = builder.checkpoint_interval(interval);
        }
        if let Some(timeout) = settings.disk_timeout {
            builder = builder.disk_timeout(timeout);
        }
        if let Some(max) = settings.lag_max {
            builder = builder.lag_max(max);
        }
        if let Some(directory) = settings.live_directory {
            builder = builder.live_directory(directory);
        }
        builder
    }

    /// Opens the database at `path`, or one in memory, with what has been set.
    pub(crate) fn open(&self, path: Option<&str>) -> Result<EngineHandle, Failure> {
        let mut builder = self.builder(path);
        let clock = self.0.lock().now.map(|now| Arc::new(ManualClock::new(now)));
        if let Some(clock) = &clock {
            builder = builder.clock(Arc::<ManualClock>::clone(clock));
        }
        Ok(EngineHandle { engine: builder.open()?, clock })
    }
}

pub(crate) fn durability(number: i32) -> Result<Durability, Failure> {
    const PROCESS: i32 = cotas_durability::COTAS_DURABILITY_PROCESS as i32;
    const DISK: i32 = cotas_durability::COTAS_DURABILITY_DISK as i32;
    match number {
        PROCESS => Ok(Durability::Process),
        DISK => Ok(Durability::Disk),
        _ => Err(Failure::argument(
            "durability",
            format!("unknown number {number} (expected {PROCESS}, process, or {DISK}, disk)"),
        )),
    }
}

fn maintenance(number: i32) -> Result<Maintenance, Failure> {
    const THREAD: i32 = cotas_maintenance::COTAS_MAINTENANCE_THREAD as i32;
    const INLINE: i32 = cotas_maintenance::COTAS_MAINTENANCE_INLINE as i32;
    const EXTERNAL: i32 = cotas_maintenance::COTAS_MAINTENANCE_EXTERNAL as i32;
    match number {
        THREAD => Ok(Maintenance::Thread),
        INLINE => Ok(Maintenance::Inline),
        EXTERNAL => Ok(Maintenance::External),
        _ => Err(Failure::argument(
            "maintenance",
            format!(
                "unknown number {number} (expected {THREAD}, thread, {INLINE}, inline, or \
                 {EXTERNAL}, external)"
            ),
        )),
    }
}

/// Makes options that say nothing yet: the defaults. Close them with cotas_options_close.
///
/// Threads: any. Blocks: never. Fork: parent and child have their own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_options_new(
    options: *mut *mut cotas_options,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }
        .run(|call| call.open(options, || Ok(Object::Options(OptionsHandle::default()))))
}

/// Closes options. NULL is no error, and does nothing.
///
/// Threads: any. Blocks: never. Fork: closes this process's only.
#[unsafe(no_mangle)]
pub extern "C" fn cotas_options_close(options: *mut cotas_options) -> i32 {
    call::close::<OptionsHandle, _>(options)
}

/// Sets what an acknowledged decision survives: a cotas_durability.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_options_set_durability(
    options: *mut cotas_options,
    durability: i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let options = call.get::<OptionsHandle, _>(options)?;
        let durability = self::durability(durability)?;
        options.set(|settings| settings.durability = durability);
        Ok(())
    })
}

/// Sets who makes checkpoints: a cotas_maintenance.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_options_set_maintenance(
    options: *mut cotas_options,
    maintenance: i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let options = call.get::<OptionsHandle, _>(options)?;
        let maintenance = self::maintenance(maintenance)?;
        options.set(|settings| settings.maintenance = maintenance);
        Ok(())
    })
}

/// Sets the time between checkpoints in milliseconds (default 100, at most a day): what a power
/// cut may cost.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_options_set_checkpoint_interval_ms(
    options: *mut cotas_options,
    interval_ms: u64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let interval = Duration::from_millis(interval_ms);
        let options = call.get::<OptionsHandle, _>(options)?;
        options.set(|settings| settings.checkpoint_interval = Some(interval));
        Ok(())
    })
}

/// Sets how many milliseconds a call with COTAS_DURABILITY_DISK waits for the disk (default 5,000,
/// at most a day) before it returns COTAS_E_DURABILITY_UNKNOWN. A call that has begun to write, for
/// itself and for others, returns when the disk has answered.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_options_set_disk_timeout_ms(
    options: *mut cotas_options,
    timeout_ms: u64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let timeout = Duration::from_millis(timeout_ms);
        let options = call.get::<OptionsHandle, _>(options)?;
        options.set(|settings| settings.disk_timeout = Some(timeout));
        Ok(())
    })
}

/// Has decisions refused with COTAS_E_BUSY while changes have waited for longer than this to be
/// written to the database (1 to a day's milliseconds; without it they go on, and the operation lag
/// says how long). The first engine that the process opens of a database says so for all of them.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_options_set_lag_max_ms(
    options: *mut cotas_options,
    max_ms: u64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let max = Duration::from_millis(max_ms);
        let options = call.get::<OptionsHandle, _>(options)?;
        options.set(|settings| settings.lag_max = Some(max));
        Ok(())
    })
}

/// Sets where the live file lies, instead of beside the database. All processes must name the same
/// directory.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_options_set_live_directory(
    options: *mut cotas_options,
    directory: *const c_char,
    directory_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let directory = PathBuf::from(call.path(directory, directory_len, "directory")?);
        let options = call.get::<OptionsHandle, _>(options)?;
        options.set(|settings| settings.live_directory = Some(directory));
        Ok(())
    })
}

/// Permits (1) or forbids (0, the default) a live file on a network file system, which does not
/// share memory: only for those who know that one host alone mounts it.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_options_set_allow_network_file_system(
    options: *mut cotas_options,
    allow: i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let options = call.get::<OptionsHandle, _>(options)?;
        options.set(|settings| settings.allow_network_file_system = allow != 0);
        Ok(())
    })
}

/// Keeps the engine open in this process (1) when its last handle is closed, or not (0, the
/// default): for hosts that open it again for every request, as PHP does. Opening it again then
/// only looks it up, also after a fork. The last to open it says whether it is kept. It is
/// released when it is opened without this and closed, or else with the process, which then leaves
/// the last checkpoint interval to the next one, as a process does that is killed: nothing is lost
/// but by a power cut. Without meaning in memory.
///
/// Threads: any. Blocks: never. Fork: a child keeps what it inherited, for itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_options_set_keep_open(
    options: *mut cotas_options,
    keep: i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let options = call.get::<OptionsHandle, _>(options)?;
        options.set(|settings| settings.keep_open = keep != 0);
        Ok(())
    })
}

/// Gives the engine a clock of its own that shows now_ms (milliseconds since 1970 in UTC) until
/// cotas_engine_set_time moves it: for tests and replays. Without it the engine goes by the
/// machine's clock.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_options_set_time(
    options: *mut cotas_options,
    now_ms: i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let options = call.get::<OptionsHandle, _>(options)?;
        options.set(|settings| settings.now = Some(Timestamp::from_ms(now_ms)));
        Ok(())
    })
}
