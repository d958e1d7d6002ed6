//! Locks on an open file that live as long as a page of address space.
//!
//! A kernel lock on an open file (`flock`, an OFD lock) ends when the last reference to the open
//! file does. A descriptor is a poor reference: hosts close every number that they do not know. A
//! mapping is not closed by accident. It ends with the address space: when the process
//! has died or runs another program, however it was killed.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::AtomicPtr;

use libc::{c_int, c_void};
use rustix::mm::{self, Advice, MapFlags, ProtFlags};

/// Bytes that are mapped: a page, or part of one.
const PINNED_BYTES: usize = 4096;

/// Keeps an open file, and the locks on it, without a descriptor.
#[derive(Debug)]
pub(super) struct Pin {
    address: AtomicPtr<c_void>,
}

impl Pin {
    /// Maps `file`, which may be closed then. `in_children`: forked children keep it open as well.
    pub(super) fn new(file: &File, in_children: bool) -> io::Result<Pin> {
        // SAFETY: a new mapping at an address that the kernel chooses. No thread can touch it.
        let address = unsafe {
            mm::mmap(ptr::null_mut(), PINNED_BYTES, ProtFlags::empty(), MapFlags::SHARED, file, 0)?
        };
        let pin = Pin { address: AtomicPtr::new(address) };
        if !in_children {
            // SAFETY: advice on the mapping that was just made.
            unsafe { mm::madvise(address, PINNED_BYTES, Advice::LinuxDontFork)? };
        }
        Ok(pin)
    }

    /// Gives the address away: its owner [`unpin`]s it.
    pub(super) fn into_address(mut self) -> *mut c_void {
        std::mem::replace(self.address.get_mut(), ptr::null_mut())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        unpin(*self.address.get_mut());
    }
}

/// Releases what a [`Pin`] kept open; NULL: there is nothing.
pub(super) fn unpin(address: *mut c_void) {
    if !address.is_null() {
        // SAFETY: `Pin::new` made this mapping, and gave its address to one owner.
        let _ = unsafe { mm::munmap(address, PINNED_BYTES) };
    }
}

/// A lock on one byte of a file, as of the open file: no other open file may have it.
fn byte_lock(byte: u64) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte as libc::off_t,
        l_len: 1,
        // Must be 0; the lock's owner is the open file.
        l_pid: 0,
    }
}

fn ask(file: &File, command: c_int, lock: &mut libc::flock) -> io::Result<()> {
    // SAFETY: both commands read and write one `flock`, which lives as long as the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, ptr::from_mut(lock)) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Locks `byte` for this open file. An error if another open file has it.
pub(super) fn lock_byte(file: &File, byte: u64) -> io::Result<()> {
    ask(file, libc::F_OFD_SETLK, &mut byte_lock(byte))
}

/// Whether an open file other than `file` has locked `byte`.
pub(super) fn is_byte_locked(file: &File, byte: u64) -> io::Result<bool> {
    let mut lock = byte_lock(byte);
    ask(file, libc::F_OFD_GETLK, &mut lock)?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

/// Whether mappings of files at this place keep them open. On overlayfs they keep another open:
/// the file of the layer below. `open` opens the file again; `byte` is one that is never locked.
pub(super) fn holds(open: impl Fn() -> io::Result<File>, byte: u64) -> io::Result<bool> {
    let file = open()?;
    lock_byte(&file, byte)?;
    let _pin = Pin::new(&file, false)?;
    drop(file);
    is_byte_locked(&open()?, byte)
}
