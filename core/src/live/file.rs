//! The mapped file: cells, locks and growth.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::mm::{self, Advice, MprotectFlags};

use super::Poison;
use super::layout::{HEADER_BYTES, LINE, PAGE, WORD, header};
use super::lock::{self, LockError};
use super::map::Map;
use super::owner::{Owner, OwnerFault};
use super::process::Uncancelled;

/// Address space set aside for the file, so that it grows without ever moving. Where a process
/// may not have so much (`ulimit -v`), the next smaller size is tried.
const ADDRESS_SPACE: [u64; 4] = [64 << 30, 16 << 30, 4 << 30, 1 << 30];
/// Bytes of a new file.
pub(crate) const FIRST_BYTES: u64 = 256 << 10;
/// The file grows by an eighth, but by no less and no more than this.
const GROW_BYTES: (u64, u64) = (1 << 20, 64 << 20);
/// Bytes that are made ready for use at once.
const READY_BYTES: u64 = 16 << 20;
/// How long to wait for another thread that is growing the file.
pub(super) const ALLOCATOR_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no more capacity in the live file.
#[derive(Debug)]
pub(crate) enum GrowError {
    /// The file system said no: it is full, or the file may not be larger.
    Io(io::Error),
    /// The address space that was set aside is used up.
    AddressSpace,
    /// Another process has been growing the file for too long.
    Busy,
    /// This process could not become an owner of the file's locks.
    NotRegistered(OwnerFault),
}

impl From<LockError> for GrowError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::NotRegistered(why) => GrowError::NotRegistered(why),
            LockError::Busy | LockError::NotAsked(_) | LockError::Broken => GrowError::Busy,
        }
    }
}

/// The mapped bytes of a live file. No descriptor of it is kept: hosts close those that they do
/// not know, and use their numbers again.
#[derive(Debug)]
pub(crate) struct Memory {
    map: Map,
    /// The file behind the mapping; `None`: there is none, the memory is this process's alone.
    location: Option<FileLocation>,
    owner: Owner,
    /// What `header::POISON` says as long as this process may go on without a further look.
    attached: AtomicU64,
    /// The adoption that this process goes by, as `header::POISON` says it: its low bits are 0.
    adopted: AtomicU64,
    /// The lag from which on decisions are refused, in milliseconds; 0: none.
    lag_max_ms: AtomicU64,
    /// The length that this process knows of; the header may know of more.
    known_len: AtomicU64,
    /// Up to where this process has had the pages made ready; 0: nowhere yet.
    ready_to: AtomicU64,
    /// Stands in for a cell that lies outside the file: only a damaged file leads there.
    nowhere: Box<[AtomicU64; NOWHERE_WORDS]>,
}

/// Where a live file lies, and what distinguishes it from others.
#[derive(Debug)]
struct FileLocation {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// As many words as are looked at together where a damaged file may lead.
const NOWHERE_WORDS: usize = 40;

/// What `attached` is where this process must not go on: no file says so.
const DATABASE_GONE: u64 = u64::MAX;
const NOT_MAPPED: u64 = u64::MAX - 1;
/// What it is where there is more to look at before each decision.
const LOOK_CLOSER: u64 = u64::MAX - 2;

/// Bits of `header::POISON` that say why; above them is the adoption number.
const POISON_BITS: u32 = 2;

impl Memory {
    /// Maps `file`, which lies at `path` and has at least a header's length.
    pub(crate) fn map(file: &File, path: &Path) -> io::Result<Memory> {
        Memory::map_within(file, path, &ADDRESS_SPACE)
    }

    /// The same in as much address space as is to be had.
    pub(super) fn map_within(file: &File, path: &Path, sizes: &[u64]) -> io::Result<Memory> {
        let data = file.metadata()?;
        let (device, inode) = (data.dev(), data.ino());
        let location = FileLocation { path: path.to_owned(), device, inode };
        Memory::of(Some(location), sizes, |bytes| Map::of_file(file, bytes))
    }

    /// Memory that no other process sees.
    pub(crate) fn anonymous() -> io::Result<Memory> {
        Memory::of(None, &ADDRESS_SPACE, Map::anonymous)
    }

    fn of(
        location: Option<FileLocation>,
        sizes: &[u64],
        map: impl Fn(usize) -> io::Result<Map>,
    ) -> io::Result<Memory> {
        let mut last = io::Error::from(io::ErrorKind::OutOfMemory);
        for &bytes in sizes {
            let Ok(len) = usize::try_from(bytes) else { continue };
            // The mapping reaches past the end of the file on purpose: pages become usable as the
            // file grows, and stay where they are. Until then no thread can touch them, nor does
            // a tool that looks through all of a process's memory, as Valgrind does for leaks.
            match map(len) {
                Ok(map) => {
                    protect(
                        &map,
                        HEADER_BYTES as usize,
                        MprotectFlags::READ | MprotectFlags::WRITE,
                    )?;
                    return Ok(Memory {
                        map,
                        location,
                        owner: Owner::new()?,
                        attached: AtomicU64::new(0),
                        adopted: AtomicU64::new(0),
                        lag_max_ms: AtomicU64::new(0),
                        known_len: AtomicU64::new(HEADER_BYTES),
                        ready_to: AtomicU64::new(0),
                        nowhere: Box::new(std::array::from_fn(|_| AtomicU64::new(0))),
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Bytes of address space that this process has set aside.
    pub(crate) fn address_space(&self) -> u64 {
        self.map.len() as u64
    }

    /// This process, as the file knows it.
    #[inline(always)]
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether no other process sees this memory.
    pub(super) fn is_anonymous(&self) -> bool {
        self.location.is_none()
    }

    /// Opens the file again. An error if another lies in its place by now.
    pub(super) fn reopen(&self) -> io::Result<File> {
        let location = self.location.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let file = OpenOptions::new().read(true).write(true).open(&location.path)?;
        if self.is(&file.metadata()?) { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Whether `data` is of the file behind the mapping.
    pub(super) fn is(&self, data: &std::fs::Metadata) -> bool {
        let is_it = |it: &FileLocation| (it.device, it.inode) == (data.dev(), data.ino());
        self.location.as_ref().is_some_and(is_it)
    }

    /// The file lies at `path` from here on.
    pub(super) fn moved_to(&mut self, path: &Path) {
        if let Some(location) = &mut self.location {
            path.clone_into(&mut location.path);
        }
    }

    // ---- whether the file may be used ------------------------------------------------------

    /// The adoption that this process goes by, as [`header::POISON`] says it: its low bits are 0.
    #[inline(always)]
    pub(super) fn adoption(&self) -> u64 {
        self.adopted.load(Ordering::Relaxed)
    }

    /// Has decisions refused while the lag is longer. No other process is asked to; one that does
    /// not limit the lag pays nothing for this.
    pub(crate) fn limit_lag(&self, max_ms: u64) {
        self.lag_max_ms.store(max_ms, Ordering::Relaxed);
        let (adopted, order) = (self.adoption(), Ordering::Relaxed);
        let _ = self.attached.compare_exchange(adopted, LOOK_CLOSER, order, order);
    }

    /// The lag from which on decisions are refused, in milliseconds.
    pub(crate) fn lag_max_ms(&self) -> Option<u64> {
        Some(self.lag_max_ms.load(Ordering::Relaxed)).filter(|&ms| ms != 0)
    }

    /// Whether there is nothing more to look at before a decision is made.
    #[inline]
    pub(crate) fn is_undisturbed(&self) -> bool {
        self.get(header::POISON) == self.attached.load(Ordering::Relaxed)
    }

    /// Whether `bytes` from `at` lie within the file, which is not called damaged where they do
    /// not.
    pub(super) fn has(&self, at: u64, bytes: u64) -> bool {
        self.holds(at, bytes)
    }

    /// Goes by the present adoption of the file from here on. A process that could not map all of
    /// the file has lost what it wrote there, and stays out.
    pub(super) fn attach(&self) {
        if self.attached.load(Ordering::Relaxed) == NOT_MAPPED {
            return;
        }
        let word = self.cell(header::POISON).load(Ordering::Acquire);
        let adopted = word >> POISON_BITS << POISON_BITS;
        self.adopted.store(adopted, Ordering::Relaxed);
        let attached = if self.lag_max_ms().is_some() { LOOK_CLOSER } else { adopted };
        self.attached.store(attached, Ordering::Relaxed);
    }

    /// Adopts the file: its number is above that of every adoption before.
    pub(super) fn adopt(&self, number: u64) {
        self.cell(header::POISON).store(number << POISON_BITS, Ordering::Release);
        self.attach();
    }

    /// Why this process may not use the file, if so.
    #[inline]
    pub(crate) fn poison(&self) -> Option<Poison> {
        if self.is_undisturbed() { None } else { self.why_poisoned(self.get(header::POISON)) }
    }

    #[cold]
    fn why_poisoned(&self, word: u64) -> Option<Poison> {
        match self.attached.load(Ordering::Relaxed) {
            DATABASE_GONE => return Some(Poison::DatabaseGone),
            NOT_MAPPED => return Some(Poison::NotMapped),
            _ => {}
        }
        let adopted = self.adopted.load(Ordering::Relaxed);
        if word >> POISON_BITS != adopted >> POISON_BITS {
            return Some(Poison::TakenForDead);
        }
        match word - adopted {
            0 => None,
            1 => Some(Poison::Commit),
            _ => Some(Poison::Damaged),
        }
    }

    /// What the file itself says, for any reader: of a file that this process has not attached to.
    pub(super) fn is_damaged(&self) -> bool {
        self.get(header::POISON) & Poison::Damaged as u64 != 0
    }

    /// The same of anything that the file says, to every process.
    pub(super) fn is_poisoned_for_all(&self) -> bool {
        self.get(header::POISON) & ((1 << POISON_BITS) - 1) != 0
    }

    /// Refuses everything from here on: in this process where its database is gone, else in all
    /// processes, until the last has detached.
    pub(crate) fn set_poison(&self, poison: Poison) {
        match poison {
            Poison::Commit | Poison::Damaged => {
                self.cell(header::POISON).fetch_or(poison as u64, Ordering::AcqRel);
            }
            Poison::DatabaseGone | Poison::TakenForDead => {
                self.attached.store(DATABASE_GONE, Ordering::Release);
            }
            Poison::NotMapped => self.attached.store(NOT_MAPPED, Ordering::Release),
        }
    }

    /// Whether `bytes` from `offset` lie within the file.
    #[inline]
    fn holds(&self, offset: u64, bytes: u64) -> bool {
        let end = offset.saturating_add(bytes);
        end <= self.known_len.load(Ordering::Relaxed) || self.learn_len() >= end
    }

    #[cold]
    fn learn_len(&self) -> u64 {
        // SAFETY: the header is always mapped and backed, and the word is aligned.
        let word = unsafe {
            AtomicU64::from_ptr(self.map.as_mut_ptr().add(header::FILE_LEN as usize).cast())
        };
        let len = word.load(Ordering::Acquire).min(self.map.len() as u64);
        let known = self.known_len.load(Ordering::Relaxed);
        if len <= known {
            return known;
        }
        if self.reach(len).is_err() {
            // The file is whole: it is this process that must not go on without the rest.
            self.set_poison(Poison::NotMapped);
            return known;
        }
        len
    }

    /// Makes all of the file usable that there is, where that failing can still be answered: later
    /// a process can only refuse to go on.
    pub(super) fn reach_all(&self) -> io::Result<()> {
        let len = self.get(header::FILE_LEN);
        if len > self.known_len.load(Ordering::Relaxed) { self.reach(len) } else { Ok(()) }
    }

    /// Makes the first `len` bytes usable. Only ever more of them, so that threads which learn
    /// different lengths at once agree.
    fn reach(&self, len: u64) -> io::Result<()> {
        protect(&self.map, len as usize, MprotectFlags::READ | MprotectFlags::WRITE)?;
        self.known_len.store(len, Ordering::Relaxed);
        Ok(())
    }

    /// The word at `offset`. An offset outside the file, which only a damaged file holds, poisons
    /// the file and gives a word that no other process sees.
    #[inline]
    pub(crate) fn cell(&self, offset: u64) -> &AtomicU64 {
        if !offset.is_multiple_of(WORD) || !self.holds(offset, WORD) {
            return self.outside();
        }
        // SAFETY: the word is aligned and lies in the mapping and in the file, which never
        // shrinks; all access to it, by any process, is atomic.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(offset as usize).cast()) }
    }

    /// `N` words from `offset`, looked at once for all of them.
    #[inline]
    pub(crate) fn words<const N: usize>(&self, offset: u64) -> Option<&[AtomicU64; N]> {
        if !offset.is_multiple_of(WORD) || !self.holds(offset, N as u64 * WORD) {
            self.outside();
            return None;
        }
        // SAFETY: as in `cell`, for every one of the words.
        Some(unsafe { &*self.map.as_mut_ptr().add(offset as usize).cast() })
    }

    /// `count` pairs of words from `offset`; none where they lie outside the file.
    #[inline]
    pub(crate) fn pairs(&self, offset: u64, count: u64) -> &[[AtomicU64; 2]] {
        if !offset.is_multiple_of(WORD) || !self.holds(offset, count.saturating_mul(2 * WORD)) {
            self.outside();
            return &[];
        }
        // SAFETY: as in `cell`, for every one of the words.
        unsafe {
            let first = self.map.as_mut_ptr().add(offset as usize).cast();
            std::slice::from_raw_parts(first, count as usize)
        }
    }

    /// `count` words from `offset`; none where they lie outside the file.
    #[inline]
    pub(crate) fn run(&self, offset: u64, count: u64) -> &[AtomicU64] {
        if !offset.is_multiple_of(WORD) || !self.holds(offset, count.saturating_mul(WORD)) {
            self.outside();
            return &[];
        }
        // SAFETY: as in `cell`, for every one of the words.
        unsafe {
            let first = self.map.as_mut_ptr().add(offset as usize).cast();
            std::slice::from_raw_parts(first, count as usize)
        }
    }

    /// Where a word of the file lies in it.
    #[inline]
    pub(crate) fn offset_of(&self, cell: &AtomicU64) -> u64 {
        (cell.as_ptr() as usize).wrapping_sub(self.map.as_mut_ptr() as usize) as u64
    }

    #[cold]
    fn outside(&self) -> &AtomicU64 {
        if self.attached.load(Ordering::Relaxed) != NOT_MAPPED {
            self.set_poison(Poison::Damaged);
        }
        for word in &*self.nowhere {
            word.store(0, Ordering::Relaxed);
        }
        let [first, ..] = &*self.nowhere;
        first
    }

    /// As [`words`](Self::words); where they lie outside the file, words that no other process
    /// sees.
    #[inline(always)]
    pub(crate) fn words_or_nowhere<const N: usize>(&self, offset: u64) -> &[AtomicU64; N] {
        const { assert!(N <= NOWHERE_WORDS) };
        match self.words(offset) {
            Some(words) => words,
            // SAFETY: an array of at least as many words, as asserted above.
            None => unsafe { &*self.nowhere.as_ptr().cast() },
        }
    }

    /// The word at `offset`, read. Plain order is enough: locks and publication bring the order.
    #[inline]
    pub(crate) fn get(&self, offset: u64) -> u64 {
        self.cell(offset).load(Ordering::Relaxed)
    }

    /// The word at `offset`, written, where no undo is needed.
    #[inline]
    pub(crate) fn put(&self, offset: u64, value: u64) {
        self.cell(offset).store(value, Ordering::Relaxed);
    }

    /// The low half of the word at `offset`, for waiting on.
    pub(crate) fn futex(&self, offset: u64) -> &AtomicU32 {
        let cell = self.cell(offset);
        // SAFETY: the low half of an aligned word on a little-endian machine; the word is used
        // as a futex only, so that no access is half of another.
        unsafe { AtomicU32::from_ptr(cell.as_ptr().cast()) }
    }

    /// The lock at `offset`.
    #[inline(always)]
    pub(super) fn lock_at(&self, offset: u64) -> &AtomicU64 {
        if offset.is_multiple_of(WORD) && self.holds(offset, WORD) {
            return self.cell(offset);
        }
        // A damaged offset leads to the allocator's lock: a real lock, the wrong one, in a file
        // that is poisoned by then.
        self.outside();
        self.cell(header::ALLOCATOR_LOCK)
    }

    /// Capacity for `bytes`, all zero, aligned to a cache line. It is never given back.
    pub(crate) fn allocate(&self, bytes: u64) -> Result<u64, GrowError> {
        let held = lock::take(self, header::ALLOCATOR_LOCK, ALLOCATOR_TIMEOUT)?;
        // A predecessor that died left the two words as they were or as they should be.
        let start = self.get(header::NEXT_FREE).next_multiple_of(LINE);
        let end = start.checked_add(bytes).ok_or(GrowError::AddressSpace)?;
        let len = self.get(header::FILE_LEN);
        if end > len {
            self.grow(len, end.max(len + grow_step(len)).next_multiple_of(PAGE))?;
        }
        self.put(header::NEXT_FREE, end);
        crate::crash_points::point("allocate.taken");
        drop(held);
        Ok(start)
    }

    /// Grows the file before it is full, also for the `wanted` bytes that tenants will soon ask
    /// for, and has the pages that will be written next made ready, so that no decision waits for
    /// either. Failing is no harm: a caller that needs the space gets an error.
    pub(crate) fn grow_ahead(&self, wanted: u64) {
        if let Ok(held) = lock::take(self, header::ALLOCATOR_LOCK, Duration::ZERO) {
            let len = self.get(header::FILE_LEN);
            let step = grow_step(len);
            let wanted = wanted.clamp(step / 2, GROW_BYTES.1);
            let end = self.get(header::NEXT_FREE) + wanted;
            if end > len {
                let _ = self.grow(len, end.max(len + step).next_multiple_of(PAGE));
            }
            drop(held);
        }
        // What was given out before this process came was written by another process.
        let from = match self.ready_to.load(Ordering::Relaxed) {
            0 => self.get(header::NEXT_FREE).next_multiple_of(PAGE),
            known => known,
        };
        let to = self.learn_len().min(from + READY_BYTES);
        if from < to {
            // Kernels before 5.14 cannot: pages are made ready one by one then, when written.
            // SAFETY: the bytes lie in the mapping and in the file, as `learn_len` says. The pages
            // stay as they are.
            let _ = unsafe {
                let first = self.map.as_mut_ptr().add(from as usize);
                mm::madvise(first.cast(), (to - from) as usize, Advice::LinuxPopulateWrite)
            };
            self.ready_to.store(to, Ordering::Relaxed);
        }
    }

    /// Makes the file `new_len` long, with its space reserved: a full disk is an error here, not
    /// a SIGBUS later.
    fn grow(&self, len: u64, new_len: u64) -> Result<(), GrowError> {
        if new_len > self.get(header::ADDRESS_LIMIT) {
            return Err(GrowError::AddressSpace);
        }
        crate::crash_points::point("grow.begin");
        // Opening waits for the disk, under the allocator's lock.
        let _uncancelled = Uncancelled::new();
        if !self.is_anonymous() {
            let file = self.reopen().map_err(GrowError::Io)?;
            reserve(&file, len, new_len - len).map_err(GrowError::Io)?;
        }
        // Before others learn of it: where this process cannot, nothing has changed.
        self.reach(new_len).map_err(GrowError::Io)?;
        crate::crash_points::point("grow.reserved");
        self.cell(header::FILE_LEN).store(new_len, Ordering::Release);
        crate::crash_points::point("grow.published");
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.owner.resign(self);
        self.owner.free();
    }
}

/// What this process may do to the first `len` bytes of `map`, or to the whole pages around them.
fn protect(map: &Map, len: usize, what: MprotectFlags) -> io::Result<()> {
    if len > map.len() {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    // SAFETY: the bytes lie in the mapping, and nothing but cells of the file is in it.
    unsafe { mm::mprotect(map.as_mut_ptr().cast(), len, what)? };
    Ok(())
}

/// By how much a file of `len` bytes grows.
fn grow_step(len: u64) -> u64 {
    (len / 8).clamp(GROW_BYTES.0, GROW_BYTES.1)
}

/// Asks the processor for the line of a word that will be wanted soon.
#[inline(always)]
pub(crate) fn prefetch(cell: &AtomicU64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, of a word that exists.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch(cell.as_ptr().cast(), _MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = cell;
}

/// Gives `file` real disk space for `len` bytes from `offset`, zero where it was not yet written.
pub(crate) fn reserve(file: &File, offset: u64, len: u64) -> io::Result<()> {
    loop {
        // SAFETY: plain call with a descriptor that is open.
        let result = unsafe { libc::posix_fallocate(file.as_raw_fd(), offset as i64, len as i64) };
        match result {
            0 => return Ok(()),
            libc::EINTR => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the mapping that this process may touch, as the kernel says.
    fn reachable(memory: &Memory) -> u64 {
        let first = memory.map.as_mut_ptr() as u64;
        let end = first + memory.address_space();
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
        let number = |text: &str| u64::from_str_radix(text, 16).expect("an address");
        maps.lines()
            .filter_map(|line| line.split_once(" rw-s ")?.0.split_once('-'))
            .map(|(from, to)| (number(from), number(to)))
            .filter(|&(from, to)| first <= from && to <= end)
            .map(|(from, to)| to - from)
            .sum()
    }

    #[test]
    fn a_process_that_could_not_map_the_file_stays_out_when_it_attaches() {
        let memory = Memory::anonymous().expect("is mapped");
        memory.adopt(7);
        assert_eq!(memory.poison(), None);
        memory.set_poison(Poison::NotMapped);
        memory.attach();
        assert_eq!(memory.poison(), Some(Poison::NotMapped));
    }

    #[test]
    fn what_lies_past_the_end_of_the_file_is_out_of_reach_until_it_has_grown() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        reserve(file.as_file(), 0, FIRST_BYTES).expect("has space");
        let memory = Memory::map(file.as_file(), file.path()).expect("is mapped");
        let limit = memory.address_space();
        assert!(limit > FIRST_BYTES);
        assert!(reachable(&memory) < FIRST_BYTES);
        memory.put(header::FILE_LEN, FIRST_BYTES);
        memory.put(header::ADDRESS_LIMIT, limit);
        assert_eq!(memory.get(FIRST_BYTES - WORD), 0);
        assert_eq!(reachable(&memory), FIRST_BYTES);
        memory.put(header::NEXT_FREE, FIRST_BYTES);
        memory.put(header::NEXT_ID, 1);
        let at = memory.allocate(WORD).expect("has space");
        memory.put(at, 7);
        assert_eq!(reachable(&memory), memory.get(header::FILE_LEN));
        assert!(reachable(&memory) > FIRST_BYTES);
    }
}
