//! The system calls of this program, with a fault at the n-th of those that it can befall.
//!
//! A program's own definition of a function of the C library takes precedence over the library's,
//! for SQLite and for Rust's standard library as well: what they ask of the kernel passes here.

#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int, c_long, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What may befall a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full.
    NoSpace,
    /// The device fails.
    Io,
    /// The process has as many files open as it may.
    Files,
    /// There is no memory.
    Memory,
    /// The kernel has no lock left.
    Locks,
    /// A signal came.
    Interrupted,
    /// Half of it is written.
    Short,
}

impl Fault {
    /// Every fault, with its name.
    pub const ALL: [(Fault, &'static str); 7] = [
        (Fault::NoSpace, "ENOSPC"),
        (Fault::Io, "EIO"),
        (Fault::Files, "EMFILE"),
        (Fault::Memory, "ENOMEM"),
        (Fault::Locks, "ENOLCK"),
        (Fault::Interrupted, "EINTR"),
        (Fault::Short, "short"),
    ];

    fn errno(self) -> c_int {
        match self {
            Fault::NoSpace | Fault::Short => libc::ENOSPC,
            Fault::Io => libc::EIO,
            Fault::Files => libc::EMFILE,
            Fault::Memory => libc::ENOMEM,
            Fault::Locks => libc::ENOLCK,
            Fault::Interrupted => libc::EINTR,
        }
    }

    /// Whether it can befall this call.
    fn befalls(self, call: Call) -> bool {
        use Call::{Advise, Allocate, Lock, Map, Name, Open, Protect, Read, Sync, Truncate, Write};
        match self {
            Fault::NoSpace => matches!(call, Write | Allocate | Truncate | Sync | Open | Name),
            Fault::Io => matches!(call, Read | Write | Allocate | Truncate | Sync | Open | Name),
            Fault::Files => matches!(call, Open),
            // Not `Lock`: fcntl(2) reports a lack of memory as ENOLCK.
            Fault::Memory => matches!(call, Map | Protect | Advise | Open),
            Fault::Locks => matches!(call, Lock),
            // Not `Sync`: that it may be interrupted is said of no file system on a local disk.
            Fault::Interrupted => matches!(call, Open | Read | Write | Allocate | Truncate | Lock),
            Fault::Short => matches!(call, Write),
        }
    }
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Open,
    Read,
    Write,
    Allocate,
    Truncate,
    Sync,
    Map,
    Protect,
    Advise,
    Lock,
    Name,
}

impl Call {
    /// Every kind of call, in the order of their numbers.
    const ALL: [Call; 11] = [
        Call::Open,
        Call::Read,
        Call::Write,
        Call::Allocate,
        Call::Truncate,
        Call::Sync,
        Call::Map,
        Call::Protect,
        Call::Advise,
        Call::Lock,
        Call::Name,
    ];
}

/// How often each kind was called since [`arm`].
static CALLED: [AtomicU64; Call::ALL.len()] = [const { AtomicU64::new(0) }; Call::ALL.len()];

static ARMED: AtomicBool = AtomicBool::new(false);
static FAULT: AtomicUsize = AtomicUsize::new(0);
static COUNT: AtomicU64 = AtomicU64::new(0);
static AT: AtomicU64 = AtomicU64::new(0);
static STAYS: AtomicBool = AtomicBool::new(false);

/// From here on the n-th call that `fault` can befall fails (0: none), and, where it `stays`, every
/// one after it.
pub fn arm(fault: Fault, n: u64, stays: bool) {
    let index = Fault::ALL.iter().position(|(it, _)| *it == fault).unwrap_or(0);
    FAULT.store(index, Ordering::SeqCst);
    AT.store(n, Ordering::SeqCst);
    STAYS.store(stays, Ordering::SeqCst);
    COUNT.store(0, Ordering::SeqCst);
    for called in &CALLED {
        called.store(0, Ordering::SeqCst);
    }
    ARMED.store(true, Ordering::SeqCst);
}

/// The fault is gone. Says how many calls it could have befallen.
pub fn heal() -> u64 {
    ARMED.store(false, Ordering::SeqCst);
    COUNT.load(Ordering::SeqCst)
}

/// How often each kind of call was made since [`arm`].
pub fn called() -> impl Iterator<Item = (Call, u64)> {
    let counts = CALLED.iter().map(|called| called.load(Ordering::SeqCst));
    Call::ALL.into_iter().zip(counts)
}

/// The fault that befalls this call now.
fn befallen(call: Call) -> Option<Fault> {
    if !ARMED.load(Ordering::Relaxed) {
        return None;
    }
    CALLED[call as usize].fetch_add(1, Ordering::Relaxed);
    let fault = Fault::ALL[FAULT.load(Ordering::Relaxed)].0;
    if !fault.befalls(call) {
        return None;
    }
    let number = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let at = AT.load(Ordering::Relaxed);
    let hit = at > 0 && (number == at || (number > at && STAYS.load(Ordering::Relaxed)));
    hit.then_some(fault)
}

/// Whether the call fails: sets `errno`.
fn fails(call: Call) -> bool {
    let Some(fault) = befallen(call) else { return false };
    // SAFETY: this thread's own word.
    unsafe { *libc::__errno_location() = fault.errno() };
    true
}

/// Defines functions of the C library under both names that they have for files of any length.
macro_rules! calls {
    ($($name:ident, $name64:ident, $call:expr, $number:expr,
        ($($argument:ident: $type:ty),*);)*) => {
        $(
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> c_long {
                if fails($call) {
                    return -1;
                }
                // SAFETY: passed on as it was called.
                unsafe { libc::syscall($number, $($argument),*) }
            }

            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name64($($argument: $type),*) -> c_long {
                // SAFETY: passed on as it was called.
                unsafe { $name($($argument),*) }
            }
        )*
    };
}

calls! {
    read, __read, Call::Read, libc::SYS_read, (fd: c_int, to: *mut c_void, bytes: usize);
    pread, pread64, Call::Read, libc::SYS_pread64,
        (fd: c_int, to: *mut c_void, bytes: usize, offset: i64);
    ftruncate, ftruncate64, Call::Truncate, libc::SYS_ftruncate, (fd: c_int, bytes: i64);
    fallocate, fallocate64, Call::Allocate, libc::SYS_fallocate,
        (fd: c_int, mode: c_int, offset: i64, bytes: i64);
    fsync, __fsync, Call::Sync, libc::SYS_fsync, (fd: c_int);
    fdatasync, __fdatasync, Call::Sync, libc::SYS_fdatasync, (fd: c_int);
    flock, __flock, Call::Lock, libc::SYS_flock, (fd: c_int, how: c_int);
    mprotect, __mprotect, Call::Protect, libc::SYS_mprotect,
        (at: *mut c_void, bytes: usize, how: c_int);
    unlink, __unlink, Call::Name, libc::SYS_unlink, (path: *const c_char);
    rename, __rename, Call::Name, libc::SYS_rename, (from: *const c_char, to: *const c_char);
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    if fails(Call::Open) {
        return -1;
    }
    // SAFETY: passed on as it was called.
    unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, mode) as c_int }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: passed on as it was called.
    unsafe { open(path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl(fd: c_int, what: c_int, argument: usize) -> c_int {
    let locks = [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
    // Linux gives a lock on a local file back without waiting and, but for a split, without memory.
    // SQLite relies on it: a failed unlock leaves its own connection waiting for itself.
    // SAFETY: these commands take a pointer to a `flock`.
    let takes = || unsafe { (*(argument as *const libc::flock)).l_type } != libc::F_UNLCK as i16;
    if locks.contains(&what) && takes() && fails(Call::Lock) {
        return -1;
    }
    // SAFETY: passed on as it was called.
    unsafe { libc::syscall(libc::SYS_fcntl, fd, what, argument) as c_int }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl64(fd: c_int, what: c_int, argument: usize) -> c_int {
    // SAFETY: passed on as it was called.
    unsafe { fcntl(fd, what, argument) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap(
    at: *mut c_void,
    bytes: usize,
    how: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    // A stack of a thread and the allocator's own are the host's.
    if fd >= 0 && fails(Call::Map) {
        return libc::MAP_FAILED;
    }
    // SAFETY: passed on as it was called.
    unsafe { libc::syscall(libc::SYS_mmap, at, bytes, how, flags, fd, offset) as *mut c_void }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap64(
    at: *mut c_void,
    bytes: usize,
    how: c_int,
    flags: c_int,
    fd: c_int,
    offset: i64,
) -> *mut c_void {
    // SAFETY: passed on as it was called.
    unsafe { mmap(at, bytes, how, flags, fd, offset) }
}

/// Half of what is to be written, where the fault is that.
fn so_many(bytes: usize) -> Option<usize> {
    match befallen(Call::Write) {
        None => Some(bytes),
        Some(Fault::Short) if bytes > 1 => Some(bytes / 2),
        Some(Fault::Short) => Some(bytes),
        Some(fault) => {
            // SAFETY: this thread's own word.
            unsafe { *libc::__errno_location() = fault.errno() };
            None
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, from: *const c_void, bytes: usize) -> isize {
    // What the test itself says is its own.
    let bytes = if fd <= 2 { Some(bytes) } else { so_many(bytes) };
    let Some(bytes) = bytes else { return -1 };
    // SAFETY: passed on as it was called, or half of it.
    unsafe { libc::syscall(libc::SYS_write, fd, from, bytes) as isize }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(
    fd: c_int,
    from: *const c_void,
    bytes: usize,
    offset: i64,
) -> isize {
    let Some(bytes) = so_many(bytes) else { return -1 };
    // SAFETY: passed on as it was called, or half of it.
    unsafe { libc::syscall(libc::SYS_pwrite64, fd, from, bytes, offset) as isize }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(
    fd: c_int,
    from: *const c_void,
    bytes: usize,
    offset: i64,
) -> isize {
    // SAFETY: passed on as it was called.
    unsafe { pwrite(fd, from, bytes, offset) }
}

/// Gives the error itself, and leaves `errno` alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate(fd: c_int, offset: i64, bytes: i64) -> c_int {
    if let Some(fault) = befallen(Call::Allocate) {
        return fault.errno();
    }
    // SAFETY: a plain system call.
    match unsafe { libc::syscall(libc::SYS_fallocate, fd, 0, offset, bytes) } {
        0 => 0,
        // SAFETY: this thread's own word.
        _ => unsafe { *libc::__errno_location() },
    }
}

/// As above: what `rustix` calls for every advice of Linux's as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_madvise(at: *mut c_void, bytes: usize, advice: c_int) -> c_int {
    if let Some(fault) = befallen(Call::Advise) {
        return fault.errno();
    }
    // SAFETY: passed on as it was called.
    match unsafe { libc::syscall(libc::SYS_madvise, at, bytes, advice) } {
        0 => 0,
        // SAFETY: this thread's own word.
        _ => unsafe { *libc::__errno_location() },
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate64(fd: c_int, offset: i64, bytes: i64) -> c_int {
    // SAFETY: passed on as it was called.
    unsafe { posix_fallocate(fd, offset, bytes) }
}
