//! Address space: a mapping that is released with its owner.

use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};

use rustix::mm::{self, MapFlags, ProtFlags};

/// A mapping, which no thread can touch at first.
#[derive(Debug)]
pub(super) struct Map {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: address space belongs to the process. What lies in it is looked at as atomics alone.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Maps `len` bytes of `file`, also beyond its end, for all who map it.
    pub(super) fn of_file(file: &File, len: usize) -> io::Result<Map> {
        // SAFETY: a new mapping at an address that the kernel chooses.
        let address = unsafe {
            mm::mmap(ptr::null_mut(), len, ProtFlags::empty(), MapFlags::SHARED, file, 0)?
        };
        Map::at(address, len)
    }

    /// Sets `len` bytes aside, all zero, for this process alone.
    pub(super) fn anonymous(len: usize) -> io::Result<Map> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: as in `of_file`.
        let address =
            unsafe { mm::mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), flags)? };
        Map::at(address, len)
    }

    fn at(address: *mut libc::c_void, len: usize) -> io::Result<Map> {
        let address = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Map { address, len })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn as_mut_ptr(&self) -> *mut u8 {
        self.address.as_ptr()
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and nothing refers to it any more.
        let _ = unsafe { mm::munmap(self.address.as_ptr().cast(), self.len) };
    }
}
