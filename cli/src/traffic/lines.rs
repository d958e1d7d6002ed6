//! The lines of a file, one at a time, in bounded memory.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};

use super::TrafficError;
use super::fault::{Broken, Fault};

/// The longest line that is read, in bytes; also the longest record of several lines.
pub(super) const LINE_LEN_MAX: usize = 1 << 20;
/// The most lines of one record.
const JOINED_MAX: usize = 1_000;
/// How much is asked of the file at once, in bytes.
const BUFFER_LEN: usize = 256 << 10;

/// Reads lines and keeps a hash of everything before the present one and of itself.
pub(super) struct Lines {
    input: BufReader<Box<dyn Read + Send>>,
    /// Lines that were looked at ahead of their turn.
    ahead: VecDeque<Line>,
    present: Line,
    /// The present line's number, from 1.
    pub(super) number: u64,
    /// How many lines, blank ones apart, came up to and with the present one.
    pub(super) record: u64,
    pub(super) bytes_read: u64,
    pub(super) ended: bool,
    chain: [u8; 32],
}

#[derive(Default)]
struct Line {
    /// Without its ending, cut where it is too long.
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Lines {
        Lines {
            input: BufReader::with_capacity(BUFFER_LEN, input),
            ahead: VecDeque::new(),
            present: Line::default(),
            number: 0,
            record: 0,
            bytes_read: 0,
            ended: false,
            chain: [0; 32],
        }
    }

    /// Goes on to the next line that is not blank; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, TrafficError> {
        loop {
            let mut next = self.ahead.pop_front();
            if next.is_none() {
                let spare = std::mem::take(&mut self.present);
                next = self.read(spare).map_err(|error| self.failed(error))?;
            }
            let Some(line) = next else {
                self.ended = true;
                self.present = Line::default();
                return Ok(false);
            };
            self.present = line;
            self.number += 1;
            if self.number == 1 && self.present.bytes.starts_with("\u{feff}".as_bytes()) {
                self.present.bytes.drain(.."\u{feff}".len());
            }
            if self.present.is_too_long || !self.present.bytes.trim_ascii().is_empty() {
                self.record += 1;
                return Ok(true);
            }
        }
    }

    fn failed(&self, source: io::Error) -> TrafficError {
        TrafficError::Read { line: self.number + self.ahead.len() as u64, source }
    }

    /// Reads one line, of whatever length, and keeps at most [`LINE_LEN_MAX`] bytes of it.
    fn read(&mut self, mut line: Line) -> io::Result<Option<Line>> {
        line.bytes.clear();
        line.is_too_long = false;
        // Two bytes more, for the line's ending.
        let mut head = self.input.by_ref().take(LINE_LEN_MAX as u64 + 2);
        self.bytes_read += head.read_until(b'\n', &mut line.bytes)? as u64;
        if line.bytes.is_empty() {
            return Ok(None);
        }
        let is_complete = line.bytes.pop_if(|last| *last == b'\n').is_some();
        line.bytes.pop_if(|last| *last == b'\r');
        if line.bytes.len() > LINE_LEN_MAX {
            line.is_too_long = true;
            if !is_complete {
                self.bytes_read += self.input.skip_until(b'\n')? as u64;
            }
        }
        Ok(Some(line))
    }

    /// The present line's bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.present.bytes
    }

    /// The present line as text, or why it is none.
    pub(super) fn text(&self) -> Result<&str, Broken> {
        if self.present.is_too_long {
            return Err(Fault::TooLong.because("is longer than 1 MiB"));
        }
        str::from_utf8(&self.present.bytes).map_err(|_| Fault::NotUtf8.because("is not UTF-8"))
    }

    /// The present line together with those that follow, as far as `is_whole` is not content with
    /// them; `None` if it never is. Nothing is taken until it is [`accept`](Self::accept)ed.
    pub(super) fn joined(
        &mut self,
        is_whole: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Joined>, TrafficError> {
        let mut bytes = self.present.bytes.clone();
        for count in 1..=JOINED_MAX {
            if self.ahead.len() < count {
                match self.read(Line::default()).map_err(|error| self.failed(error))? {
                    Some(line) => self.ahead.push_back(line),
                    None => return Ok(None),
                }
            }
            let Some(next) = self.ahead.get(count - 1).filter(|next| !next.is_too_long) else {
                return Ok(None);
            };
            bytes.push(b'\n');
            bytes.extend_from_slice(&next.bytes);
            if bytes.len() > LINE_LEN_MAX {
                return Ok(None);
            }
            if is_whole(&bytes) {
                return Ok(Some(Joined { bytes, count }));
            }
        }
        Ok(None)
    }

    /// Makes joined lines the present one.
    pub(super) fn accept(&mut self, joined: Joined) {
        self.ahead.drain(..joined.count);
        self.number += joined.count as u64;
        self.present.bytes = joined.bytes;
    }

    /// A hash of the file up to and with the present line; blank lines and line endings do not
    /// count. To be called once per line.
    pub(super) fn seal(&mut self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.chain).update(&self.present.bytes);
        self.chain = *hasher.finalize().as_bytes();
        self.chain.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }
}

/// Several lines that may be one record.
pub(super) struct Joined {
    pub(super) bytes: Vec<u8>,
    count: usize,
}
