//! A page of memory that the driver and all its workers share: the clock, what has been
//! acknowledged of an administrator's changes, and the counters of the tight loops.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cotas::{Clock, Timestamp};

/// Bytes of the page's file.
pub const PAGE_BYTES: usize = 64 << 10;
/// Word of the first tight loop; each has two words, intended and acknowledged.
pub const TIGHT_AT: usize = 64;
/// Tight loops of one episode at most.
pub const TIGHT_MAX: usize = (PAGE_BYTES / 8 - TIGHT_AT) / 2;

const CLOCK: usize = 0;
const GOVERNED: usize = 1;
const WAVE: usize = 2;

/// The shared page.
#[derive(Clone, Copy)]
pub struct Page {
    words: &'static [AtomicU64; PAGE_BYTES / 8],
}

impl Page {
    /// Maps the page at `path`, which is made where there is none.
    pub fn map(path: &Path) -> Page {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .expect("opens");
        file.set_len(PAGE_BYTES as u64).expect("has space");
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of PAGE_BYTES of a file that long, which is never unmapped; its
        // words are aligned and only ever used as atomics.
        let words = unsafe {
            let (shared, fd) = (libc::MAP_SHARED, file.as_raw_fd());
            let at = libc::mmap(std::ptr::null_mut(), PAGE_BYTES, protection, shared, fd, 0);
            assert_ne!(at, libc::MAP_FAILED, "is mapped");
            &*at.cast()
        };
        Page { words }
    }

    fn word(self, at: usize) -> &'static AtomicU64 {
        &self.words[at]
    }

    /// The clock's milliseconds.
    pub fn clock_ms(self) -> i64 {
        self.word(CLOCK).load(Ordering::Acquire).cast_signed()
    }

    /// Moves the clock.
    pub fn set_clock_ms(self, ms: i64) {
        self.word(CLOCK).store(ms.cast_unsigned(), Ordering::Release);
    }

    /// The clock, as an engine takes it. Maintenance believes it.
    pub fn clock(self) -> Arc<dyn Clock> {
        Arc::new(PageClock(self))
    }

    /// Which wave this is: keys and contacts are drawn from a range of its own.
    pub fn wave(self) -> u64 {
        self.word(WAVE).load(Ordering::Acquire)
    }

    /// Begins a wave.
    pub fn set_wave(self, wave: u64) {
        self.word(WAVE).store(wave, Ordering::Release);
    }

    /// What the governed tenant's limit is, twice, plus one where it is suspended; `None`: it is
    /// being changed. With a number that changes with each change.
    pub fn governed(self) -> Option<Governed> {
        let word = self.word(GOVERNED).load(Ordering::Acquire);
        (word & 1 == 0).then_some(Governed(word))
    }

    /// Says that the governed tenant is being changed. `None`: by another.
    pub fn begin_governing(self) -> Option<Governing> {
        let word = self.word(GOVERNED).load(Ordering::Acquire);
        Some(Governing { page: self, serial: word >> 32 })
    }

    /// The two words of a tight loop: intended and acknowledged.
    pub fn tight(self, index: usize) -> (&'static AtomicU64, &'static AtomicU64) {
        (self.word(TIGHT_AT + 2 * index), self.word(TIGHT_AT + 2 * index + 1))
    }
}

/// What the governed tenant's terms were at one instant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Governed(u64);

impl Governed {
    /// Its limit; 0: not set yet.
    pub fn limit(self) -> u64 {
        (self.0 & 0xffff_ffff) >> 2
    }

    /// Whether it is suspended.
    pub fn is_suspended(self) -> bool {
        self.0 & 2 != 0
    }
}

/// A change of the governed tenant that is under way.
pub struct Governing {
    page: Page,
    serial: u64,
}

impl Governing {
    /// Says that nothing is known of it from here on.
    pub fn hide(&self) {
        self.page.word(GOVERNED).store((self.serial + 1) << 32 | 1, Ordering::SeqCst);
    }

    /// Says what it is now: it was acknowledged.
    pub fn show(self, limit: u64, is_suspended: bool) {
        let word = (self.serial + 1) << 32 | limit << 2 | u64::from(is_suspended) << 1;
        self.page.word(GOVERNED).store(word, Ordering::SeqCst);
    }
}

struct PageClock(Page);

impl Clock for PageClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.clock_ms())
    }

    fn is_wall(&self) -> bool {
        true
    }
}
