//! What the system says about this process and this machine.

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use libc::c_int;
use rustix::mm::{self, Advice, MapFlags, ProtFlags};
use rustix::process::{Pid, test_kill_process};
use rustix::time::{ClockId, clock_gettime};

use super::owner;
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

/// Wall time and `CLOCK_BOOTTIME`, which runs also while the machine sleeps and is never set, in
/// milliseconds; read without a system call.
pub(crate) fn wall_and_boot_ms() -> (i64, i64) {
    let ms = |clock| {
        let now = clock_gettime(clock);
        now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
    };
    (ms(ClockId::Realtime), ms(ClockId::Boottime))
}

/// 64 bits from the system's random source.
pub(crate) fn random_u64() -> u64 {
    // It fails only on kernels from before 2014 in a sandbox without `/dev/urandom`; there the
    // time will do: tokens distinguish copies, they keep no secret.
    getrandom::u64().unwrap_or_else(|_| coarse_realtime().ms() as u64)
}

/// The 128 bits that name this run of the kernel.
pub(crate) fn boot_id() -> io::Result<[u64; 2]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let bits = u128::from_str_radix(&digits, 16).map_err(io::Error::other)?;
    Ok([(bits >> 64) as u64, bits as u64])
}

/// The inode of this process's PID namespace.
pub(crate) fn pid_namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/pid")?.ino())
}

/// For how many seconds a process has run that was started so many ticks after the boot.
pub(crate) fn age_seconds(started: u64) -> Option<u64> {
    /// `USER_HZ`: what `/proc` counts in, whatever the kernel's own clock does.
    const TICKS_PER_SECOND: u64 = 100;
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let uptime = text.split(['.', ' ']).next()?.parse::<u64>().ok()?;
    (started != 0).then(|| uptime.saturating_sub(started / TICKS_PER_SECOND))
}

/// Whether the process `pid` of this PID namespace is stopped, by a signal or a debugger.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    matches!(state.trim_start().chars().next(), Some('T' | 't'))
}

/// When the process `pid` of this PID namespace was started, in ticks since the boot.
pub(crate) fn started(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses, which may hold anything.
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let started = after_name.split_ascii_whitespace().nth(19);
    started.and_then(|it| it.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether no process of this PID namespace is the one that was `pid` and started then. What
/// is not known is not gone.
pub(crate) fn is_gone(pid: u32, since: u64) -> bool {
    match i32::try_from(pid).ok().and_then(Pid::from_raw).map(test_kill_process) {
        Some(Err(rustix::io::Errno::SRCH)) => true,
        // One that has died and was not waited for has the same start; its address space is freed,
        // but a process whose first thread has ended looks the same.
        Some(_) => since != 0 && started(pid).is_ok_and(|now| now != since),
        None => false,
    }
}

/// `CLOCK_MONOTONIC_COARSE` in milliseconds.
pub(crate) fn coarse_monotonic_ms() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    (now.tv_sec * 1_000 + now.tv_nsec / 1_000_000) as u64
}

/// `CLOCK_REALTIME` in nanoseconds.
pub(crate) fn realtime_ns() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    (now.tv_sec * 1_000_000_000 + now.tv_nsec) as u64
}

/// How often this process has been forked off, over all its ancestors since the library was
/// loaded. It lies in a page that the kernel empties in a child; 0: not looked up since.
static GENERATION: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
/// The last generation that was counted. A child has its parent's, and goes on from there.
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

/// Changes in a forked child, however it was forked.
#[inline]
pub(crate) fn fork_generation() -> u64 {
    // SAFETY: NULL, or a page that is never unmapped.
    match unsafe { GENERATION.load(Ordering::Acquire).as_ref() } {
        Some(page) => match page.load(Ordering::Relaxed) {
            0 => next_generation(page),
            known => known,
        },
        None => GENERATIONS.load(Ordering::Relaxed),
    }
}

#[cold]
fn next_generation(page: &AtomicU64) -> u64 {
    let next = GENERATIONS.fetch_add(1, Ordering::AcqRel) + 1;
    match page.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => next,
        Err(another) => another,
    }
}

/// In a forked child, by its handler: the next generation, where the kernel empties no page.
fn forget_generation() {
    // SAFETY: as in `fork_generation`.
    match unsafe { GENERATION.load(Ordering::Acquire).as_ref() } {
        Some(page) => page.store(0, Ordering::Release),
        None => drop(GENERATIONS.fetch_add(1, Ordering::AcqRel)),
    }
}

/// Makes the page of the generation. Of two threads that do so one leaves a page unused.
fn map_generation() {
    // SAFETY: new memory, all zero, which is never unmapped; and advice on it.
    let page = unsafe {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        let Ok(page) = mm::mmap_anonymous(ptr::null_mut(), PAGE_BYTES, prot, flags) else { return };
        let _ = mm::madvise(page, PAGE_BYTES, Advice::LinuxWipeOnFork);
        page
    };
    let none = ptr::null_mut();
    let _ = GENERATION.compare_exchange(none, page.cast(), Ordering::AcqRel, Ordering::Relaxed);
}

const PAGE_BYTES: usize = 4096;

/// Sees to it that this thread is not cancelled (`pthread_cancel`): it holds a lock of the live
/// file over a system call, and the lock would be held for ever.
#[derive(Debug)]
pub(crate) struct Uncancelled {
    before: c_int,
    /// A thread's own.
    _not_send: PhantomData<*const ()>,
}

unsafe extern "C" {
    /// POSIX. Both C libraries of Linux have it.
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// The same number in both C libraries.
const PTHREAD_CANCEL_DISABLE: c_int = 1;

impl Uncancelled {
    pub(crate) fn new() -> Uncancelled {
        let mut before = 0;
        // SAFETY: it writes one number.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        Uncancelled { before, _not_send: PhantomData }
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        let mut ignored = 0;
        // SAFETY: it writes one number. `before` is what the C library called the state.
        unsafe { pthread_setcancelstate(self.before, &raw mut ignored) };
    }
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
        forget_generation();
        owner::forget_in_child();
        closable::forget_other_threads();
        if let Some(hooks) = self::hooks() {
            (hooks.after_in_child)();
        }
    }
    if IS_WATCHING.load(Ordering::Acquire) {
        return;
    }
    map_generation();
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
