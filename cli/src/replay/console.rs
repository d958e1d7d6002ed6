//! What a replay says while it runs, on standard error.

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{complain, grouped};
use crate::traffic::{FaultCounts, Malformed};

/// Lines that are complained about one by one.
const COMPLAINTS_MAX: u64 = 20;
/// Lines after which the bar is moved.
const STEP: u64 = 1_024;

/// A progress bar, on a terminal, and complaints about lines.
pub struct Console {
    bar: ProgressBar,
    lines: u64,
    malformed: u64,
    by_fault: FaultCounts,
}

impl Console {
    /// For a file of `len` bytes; `None`: a pipe.
    pub fn new(len: Option<u64>) -> Console {
        let bar = match len {
            Some(len) => ProgressBar::new(len),
            None => ProgressBar::no_length(),
        };
        let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left");
        if let (Ok(style), Some(_)) = (style, len) {
            bar.set_style(style);
        }
        Console { bar, lines: 0, malformed: 0, by_fault: FaultCounts::new() }
    }

    /// A line is done; so many bytes are read.
    pub fn advance(&mut self, bytes_read: u64) {
        self.lines += 1;
        if self.lines.is_multiple_of(STEP) {
            self.bar.set_position(bytes_read);
        }
    }

    /// Complains about a line; from the 21st on, only counts it.
    pub fn complain(&mut self, line: &Malformed) {
        self.malformed += 1;
        *self.by_fault.entry(line.fault).or_default() += 1;
        if self.malformed <= COMPLAINTS_MAX {
            self.bar.suspend(|| complain(line));
        }
    }

    /// Says something about the file as a whole.
    pub fn note(&self, note: &str) {
        self.bar.suspend(|| complain(&note));
    }

    /// Clears the bar away and says how many lines were complained about, and why.
    pub fn finish(self) -> FaultCounts {
        self.bar.finish_and_clear();
        let more = self.malformed.saturating_sub(COMPLAINTS_MAX);
        if more > 0 {
            complain(&format_args!("{} more lines were passed over", grouped(more)));
        }
        self.by_fault
    }
}
