//! What the system says about this process and this machine.

use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use crate::clock::Timestamp;
use crate::closable;

/// `CLOCK_REALTIME_COARSE`: the time of the last tick, 1 to 4 ms old, without a system call.
#[inline]
pub(crate) fn coarse_realtime() -> Timestamp {
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `clock_gettime` fills `now`; the clock exists on every Linux since 2.6.32.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, now.as_mut_ptr());
        now.assume_init()
    };
    Timestamp::from_ms(now.tv_sec * 1_000 + now.tv_nsec / 1_000_000)
}

/// 64 bits from the system's random source.
pub(crate) fn random_u64() -> u64 {
    // It fails only on kernels from before 2014 in a sandbox without `/dev/urandom`; there the
    // time will do: tokens tell copies apart, they keep no secret.
    getrandom::u64().unwrap_or_else(|_| coarse_realtime().ms() as u64)
}

/// The 128 bits that name this run of the kernel.
pub(crate) fn boot_id() -> std::io::Result<[u64; 2]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let bits = u128::from_str_radix(&digits, 16).map_err(std::io::Error::other)?;
    Ok([(bits >> 64) as u64, bits as u64])
}

/// The inode of this process's PID namespace.
pub(crate) fn pid_namespace() -> std::io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/pid")?.ino())
}

/// What a robust mutex depends on: the processor, the C library, the mutex's size.
pub(crate) const fn abi_tag() -> u64 {
    let library = if cfg!(target_env = "musl") { 2 } else { 1 };
    let processor = if cfg!(target_arch = "x86_64") {
        1
    } else if cfg!(target_arch = "aarch64") {
        2
    } else {
        3
    };
    library << 32 | processor << 16 | size_of::<libc::pthread_mutex_t>() as u64
}

static FORKS: AtomicU64 = AtomicU64::new(0);

/// How often this process has been forked off since the library was loaded: changes in a child.
#[inline]
pub(crate) fn fork_generation() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// What has to happen around a fork.
pub(crate) struct ForkHooks {
    pub(crate) before: fn(),
    pub(crate) after_in_parent: fn(),
    pub(crate) after_in_child: fn(),
}

/// What runs around forks; NULL: nothing yet.
static HOOKS: AtomicPtr<ForkHooks> = AtomicPtr::new(ptr::null_mut());
/// Whether the handlers are registered.
static IS_WATCHING: AtomicBool = AtomicBool::new(false);

fn hooks() -> Option<&'static ForkHooks> {
    // SAFETY: NULL, or what `watch_forks` was given, which lives as long as the program.
    unsafe { HOOKS.load(Ordering::Acquire).as_ref() }
}

/// Runs `hooks` around every fork of this process from now on.
///
/// Not a `Once`: a child that is forked while another thread is in it would wait for ever. Two
/// threads may both register; hooks run twice around each fork then, which they have to bear.
pub(crate) fn watch_forks(hooks: &'static ForkHooks) {
    extern "C" fn prepare() {
        if let Some(hooks) = self::hooks() {
            (hooks.before)();
        }
    }
    extern "C" fn parent() {
        if let Some(hooks) = self::hooks() {
            (hooks.after_in_parent)();
        }
    }
    extern "C" fn child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
        closable::forget_other_threads();
        if let Some(hooks) = self::hooks() {
            (hooks.after_in_child)();
        }
    }
    if IS_WATCHING.load(Ordering::Acquire) {
        return;
    }
    HOOKS.store(ptr::from_ref(hooks).cast_mut(), Ordering::Release);
    // SAFETY: the handlers are plain functions that live as long as the program.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    IS_WATCHING.store(true, Ordering::Release);
}

/// Blocks every signal in this thread, so that the host's handlers never run on it.
pub(crate) fn block_all_signals() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: `sigfillset` fills `all` before it is used.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut());
    }
}

/// Dies as by `kill -9`, with no destructor, no flush and no unlock; or stops, until continued.
#[cfg(feature = "crash_points")]
pub(crate) fn signal_this_process(stop: bool) {
    let signal = if stop { libc::SIGSTOP } else { libc::SIGKILL };
    // SAFETY: a plain system call. Either signal takes effect before it returns.
    unsafe { libc::kill(libc::getpid(), signal) };
}
