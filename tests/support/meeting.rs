//! Where threads of several processes meet, so that they all begin at once.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long the others are waited for: a killed process is not to hang the test.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A counter in a file that all who meet have mapped.
pub struct Meeting {
    arrived: &'static AtomicU64,
    members: u64,
}

impl Meeting {
    /// A meeting of so many, in the file at `path`, which is made where there is none.
    pub fn new(path: &Path, members: u64) -> Meeting {
        use std::os::fd::AsRawFd;
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .expect("opens");
        file.set_len(8).expect("has space for the counter");
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of a file of 8 bytes, which is never unmapped; a word of it is
        // aligned and only ever used as an atomic.
        let arrived = unsafe {
            let at = libc::mmap(
                std::ptr::null_mut(),
                8,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            );
            assert_ne!(at, libc::MAP_FAILED, "is mapped");
            &*at.cast::<AtomicU64>()
        };
        Meeting { arrived, members }
    }

    /// Waits until all have come to meeting number `round`, from 0.
    pub fn meet(&self, round: u64) {
        let all = self.members * (round + 1);
        self.arrived.fetch_add(1, Ordering::AcqRel);
        let mut begun = None;
        for look in 1_u64.. {
            if self.arrived.load(Ordering::Acquire) >= all {
                return;
            }
            if look % 64 == 0 {
                std::thread::yield_now();
            }
            if look % 4096 == 0 {
                let begun = *begun.get_or_insert_with(Instant::now);
                assert!(begun.elapsed() < TIMEOUT, "not all came to meeting {round}");
            }
        }
    }
}
