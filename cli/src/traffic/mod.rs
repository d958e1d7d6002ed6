//! Traffic that has already happened, read from a file for `cotas replay`.
//!
//! Two formats, told apart by the first byte that is not blank:
//!
//! - `{`: one webhook body of the `WhatsApp` Cloud API per line;
//! - anything else: CSV with a header line. `at`, `tenant` and `action` are required, `channel`,
//!   `contact`, `quantity` and `key` may be added, in any order.
//!
//! Files may be far larger than memory: lines are read one at a time, and a line that cannot be
//! understood is reported and passed over.

mod csv;
mod whatsapp;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use cotas::Timestamp;
use thiserror::Error;

use self::csv::Csv;

/// The longest line that is read, in bytes.
const LINE_LEN_MAX: usize = 1 << 20;
/// How much of the start of a file identifies it, in bytes.
const FINGERPRINT_LEN_MAX: usize = 64 << 10;
/// How many malformed lines [`Traffic::first_at`] looks past: they wait in memory meanwhile.
const WAITING_MAX: usize = 10_000;
/// How much is asked of the file at once, in bytes.
const BUFFER_LEN: usize = 256 << 10;

/// Something that a tenant did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficEvent {
    /// The line of the file that tells of it, from 1.
    pub line: u64,
    /// Its place among the events of that line, from 0: a webhook body may hold many.
    pub part: u32,
    /// When it happened. Not always later than the event before: traffic is redelivered.
    pub at: Timestamp,
    /// Who did it.
    pub tenant: String,
    /// What was done, by the catalog's name.
    pub action: String,
    /// Through which channel.
    pub channel: Option<String>,
    /// With whom.
    pub contact: Option<String>,
    /// How many units, where the action charges by quantity.
    pub quantity: u64,
    /// The idempotency key.
    pub key: Option<String>,
}

/// A line that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct Malformed {
    /// The line, from 1.
    pub line: u64,
    /// Which column or path broke which rule. Never shows anything of a contact.
    pub reason: String,
}

/// Why traffic cannot be read at all, or not to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrafficError {
    /// The file cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could be opened, but not read to its end.
    #[error("reading failed after line {line}: {source}")]
    Read {
        /// The last line that was read.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// There is not even a header.
    #[error("there is no traffic, not even a header line")]
    Empty,
    /// The header line is too long, not UTF-8 or not CSV.
    #[error("the header line {0}")]
    Header(String),
    /// The header does not name a column that every event needs.
    #[error("the header lacks the column {0}; at, tenant and action are required")]
    MissingColumn(&'static str),
    /// The header names a column twice.
    #[error("the header names the column {0} twice")]
    RepeatedColumn(&'static str),
    /// The header names columns that mean nothing here.
    #[error("the header names unknown columns: {}; known are {}", .0.join(", "),
        csv::COLUMNS.join(", "))]
    UnknownColumns(Vec<String>),
}

/// How a file tells of its traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CSV with a header line.
    Csv,
    /// One webhook body of the `WhatsApp` Cloud API per line.
    Whatsapp,
}

/// The traffic of one file: its events and malformed lines, in the file's order.
///
/// The iteration ends with the file, or where reading it fails: [`finish`](Self::finish) says
/// which.
pub struct Traffic {
    lines: Lines,
    parser: Parser,
    len: Option<u64>,
    fingerprint: Vec<u8>,
    /// What has been read but not yet handed out.
    waiting: VecDeque<Result<TrafficEvent, Malformed>>,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    failure: Option<TrafficError>,
}

enum Parser {
    Csv(Box<Csv>),
    Whatsapp,
}

impl Traffic {
    /// Opens a file, a pipe, or standard input (`-`), and reads as far as the first line of
    /// traffic.
    pub fn open(path: &Path) -> Result<Traffic, TrafficError> {
        if path == Path::new("-") {
            return Self::start(Box::new(io::stdin()), None);
        }
        let fail = |source| TrafficError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        let len = metadata.is_file().then_some(metadata.len());
        Self::start(Box::new(file), len)
    }

    fn start(input: Box<dyn Read + Send>, len: Option<u64>) -> Result<Traffic, TrafficError> {
        let mut lines = Lines::new(input);
        if !lines.advance()? {
            return Err(TrafficError::Empty);
        }
        let mut fingerprint = Vec::new();
        let parser = if lines.line.trim_ascii_start().starts_with(b"{") {
            Parser::Whatsapp
        } else {
            let csv = Csv::with_header(lines.text().map_err(TrafficError::Header)?)?;
            fingerprint.extend_from_slice(&lines.line);
            fingerprint.push(b'\n');
            lines.advance()?;
            Parser::Csv(Box::new(csv))
        };
        // Bytes of a file that has only grown since are the same: nothing else may go in here.
        fingerprint.extend_from_slice(&lines.line);
        fingerprint.truncate(FINGERPRINT_LEN_MAX);

        let mut traffic = Traffic {
            lines,
            parser,
            len,
            fingerprint,
            waiting: VecDeque::new(),
            first_at: None,
            last_at: None,
            failure: None,
        };
        if !traffic.lines.ended {
            traffic.parse_line();
        }
        Ok(traffic)
    }

    /// How the file tells of its traffic.
    pub fn format(&self) -> Format {
        match self.parser {
            Parser::Csv(_) => Format::Csv,
            Parser::Whatsapp => Format::Whatsapp,
        }
    }

    /// What identifies the file to a replay that goes on where an earlier one stopped: the header
    /// and the first line of traffic, at most 64 KiB. A file that only grows keeps it.
    ///
    /// It may hold contact data: hash it, do not keep or print it.
    pub fn fingerprint(&self) -> &[u8] {
        &self.fingerprint
    }

    /// How many bytes have been read of those that [`len`](Self::len) counts.
    pub fn bytes_read(&self) -> u64 {
        self.lines.bytes_read
    }

    /// The size of the file in bytes when it was opened; `None` for a pipe.
    pub fn len(&self) -> Option<u64> {
        self.len
    }

    /// The time of the first event, which is read ahead where need be. `None` if there is none,
    /// or none within the first 10,000 lines that are malformed.
    pub fn first_at(&mut self) -> Option<Timestamp> {
        while self.first_at.is_none() && self.waiting.len() < WAITING_MAX && self.read_line() {}
        self.first_at
    }

    /// The time of the last event that was handed out; at the end, of the last one in the file.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// Whether the iteration ended because reading failed.
    pub fn finish(self) -> Result<(), TrafficError> {
        self.failure.map_or(Ok(()), Err)
    }

    /// Lets what the next line says wait; `false` if there is none.
    fn read_line(&mut self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        match self.lines.advance() {
            Ok(true) => {
                self.parse_line();
                true
            }
            Ok(false) => false,
            Err(failure) => {
                self.failure = Some(failure);
                false
            }
        }
    }

    fn parse_line(&mut self) {
        let line = self.lines.number;
        let events = self.lines.text().and_then(|text| match &mut self.parser {
            Parser::Csv(csv) => csv.event(line, text).map(|event| vec![event]),
            Parser::Whatsapp => whatsapp::events(line, text),
        });
        match events {
            Ok(events) => {
                self.first_at = self.first_at.or(events.first().map(|event| event.at));
                self.waiting.extend(events.into_iter().map(Ok));
            }
            Err(reason) => self.waiting.push_back(Err(Malformed { line, reason })),
        }
    }
}

impl Iterator for Traffic {
    type Item = Result<TrafficEvent, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.waiting.is_empty() && self.read_line() {}
        let next = self.waiting.pop_front()?;
        if let Ok(event) = &next {
            self.last_at = Some(event.at);
        }
        Some(next)
    }
}

/// The lines of a file, one at a time, in bounded memory.
struct Lines {
    input: BufReader<Box<dyn Read + Send>>,
    /// The present line without its ending, cut where it is too long.
    line: Vec<u8>,
    number: u64,
    bytes_read: u64,
    too_long: bool,
    ended: bool,
}

impl Lines {
    fn new(input: Box<dyn Read + Send>) -> Lines {
        Lines {
            input: BufReader::with_capacity(BUFFER_LEN, input),
            line: Vec::new(),
            number: 0,
            bytes_read: 0,
            too_long: false,
            ended: false,
        }
    }

    /// Goes on to the next line that is not blank; `false` at the end.
    fn advance(&mut self) -> Result<bool, TrafficError> {
        loop {
            self.read().map_err(|source| TrafficError::Read { line: self.number, source })?;
            if self.ended || self.too_long || !self.line.trim_ascii().is_empty() {
                return Ok(!self.ended);
            }
        }
    }

    /// Reads one line, of whatever length, and keeps at most [`LINE_LEN_MAX`] bytes of it.
    fn read(&mut self) -> io::Result<()> {
        self.line.clear();
        self.too_long = false;
        // Two bytes more, for the line's ending.
        let mut head = self.input.by_ref().take(LINE_LEN_MAX as u64 + 2);
        self.bytes_read += head.read_until(b'\n', &mut self.line)? as u64;
        if self.line.is_empty() {
            self.ended = true;
            return Ok(());
        }
        let complete = self.line.pop_if(|last| *last == b'\n').is_some();
        self.line.pop_if(|last| *last == b'\r');
        if self.line.len() > LINE_LEN_MAX {
            self.too_long = true;
            if !complete {
                self.bytes_read += self.input.skip_until(b'\n')? as u64;
            }
        }
        self.number += 1;
        if self.number == 1 && self.line.starts_with("\u{feff}".as_bytes()) {
            self.line.drain(.."\u{feff}".len());
        }
        Ok(())
    }

    /// The present line as text, or why it is none.
    fn text(&self) -> Result<&str, String> {
        if self.too_long {
            return Err("is longer than 1 MiB".to_owned());
        }
        str::from_utf8(&self.line).map_err(|_| "is not UTF-8".to_owned())
    }
}

/// Reads a number that is written in digits alone.
fn whole_number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Reads Unix seconds, up to the end of the year 9999.
fn unix_seconds(text: &str) -> Option<Timestamp> {
    let ms = whole_number(text)?.checked_mul(1_000)?;
    let at = Timestamp::from_ms(i64::try_from(ms).ok()?);
    // Later times were cut down to the last instant there is.
    (at < Timestamp::MAX).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: impl Into<Vec<u8>>) -> Traffic {
        open(input).expect("readable")
    }

    fn open(input: impl Into<Vec<u8>>) -> Result<Traffic, TrafficError> {
        Traffic::start(Box::new(io::Cursor::new(input.into())), None)
    }

    /// The lines of `input`: events as `line tenant`, malformed ones as `line! reason`.
    fn outcomes(input: impl Into<Vec<u8>>) -> Vec<String> {
        read(input)
            .map(|outcome| match outcome {
                Ok(event) => format!("{} {}", event.line, event.tenant),
                Err(malformed) => format!("{}! {}", malformed.line, malformed.reason),
            })
            .collect()
    }

    #[test]
    fn lines_keep_their_numbers() {
        let input =
            b"\xef\xbb\xbf\r\nat,tenant,action\r\n\r\n0,a,go\r\n  \n0,\xff,go\n0,\"b\n0\n0,c,go";
        assert_eq!(
            outcomes(*input),
            [
                "4 a",
                "6! is not UTF-8",
                "7! leaves a quote open: a record must be on one line",
                "8! has 1 fields where the header has 3",
                "9 c",
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_column() {
        assert_eq!(outcomes("\u{feff}at,tenant,action\n0,a,go\n"), ["2 a"]);
    }

    #[test]
    fn a_line_may_have_a_mebibyte_and_no_more() {
        let fill = |len: usize| format!("0,{},go", "x".repeat(len - "0,,go".len()));
        for ending in ["\n", "\r\n"] {
            let longest = fill(LINE_LEN_MAX);
            let longer = fill(LINE_LEN_MAX + 1);
            let far_longer = fill(5 * LINE_LEN_MAX);
            let input =
                ["at,tenant,action", &longest, &longer, &far_longer, "0,a,go", ""].join(ending);
            let mut traffic = read(input.clone());
            let lengths: Vec<_> =
                traffic.by_ref().map(|outcome| outcome.map(|event| event.tenant.len())).collect();
            let too_long = |line| Malformed { line, reason: "is longer than 1 MiB".into() };
            assert_eq!(lengths, [Ok(LINE_LEN_MAX - 5), Err(too_long(3)), Err(too_long(4)), Ok(1)]);
            assert_eq!(traffic.bytes_read(), input.len() as u64);
            assert!(traffic.lines.line.capacity() <= 4 * LINE_LEN_MAX);
        }
    }

    #[test]
    fn the_format_is_told_by_the_first_byte() {
        let body = r#"{"object":"page"}"#;
        for whatsapp in [body.to_owned(), format!("\u{feff}\n\r\n \t{body}\n")] {
            assert_eq!(read(whatsapp).format(), Format::Whatsapp);
        }
        assert_eq!(read("at,tenant,action").format(), Format::Csv);
    }

    #[test]
    fn what_is_no_traffic_is_refused() {
        for empty in ["", "\n\r\n", "\u{feff}", "\u{feff}\n"] {
            assert!(matches!(open(empty), Err(TrafficError::Empty)), "{empty:?}");
        }
        assert!(matches!(open(*b"\xff\xfea\0t\0"), Err(TrafficError::Header(_))));
        assert!(matches!(open("x".repeat(2 * LINE_LEN_MAX)), Err(TrafficError::Header(_))));
        let missing = Path::new("no such file");
        assert!(matches!(Traffic::open(missing), Err(TrafficError::Open { .. })));
    }

    #[test]
    fn a_file_that_only_grew_keeps_its_fingerprint() {
        let start = "at,tenant,action\n\n0,a,go";
        let fingerprint = |input: &str| read(input).fingerprint().to_vec();
        let expected = b"at,tenant,action\n0,a,go";
        assert_eq!(fingerprint(start), expected);
        assert_eq!(fingerprint(&format!("{start}\r\n")), expected);
        assert_eq!(fingerprint(&format!("{start}\n0,b,go\n")), expected);
        assert_ne!(fingerprint("at,tenant,action\n1,a,go"), expected);
        assert_ne!(fingerprint("tenant,at,action\n0,a,go"), expected);
        // Not even a line too long to be read makes it any longer.
        let long = format!("at,tenant,action\n{}", "x".repeat(2 * LINE_LEN_MAX));
        assert_eq!(fingerprint(&long).len(), FINGERPRINT_LEN_MAX);
        assert_eq!(fingerprint("{}\n{\"a\":1}"), b"{}");
    }

    #[test]
    fn the_first_and_the_last_event_give_the_times() {
        let mut traffic = read("at,tenant,action\nx,a,go\n\n20,a,go\n10,a,go\n30,,go\n");
        assert_eq!(traffic.first_at(), Some(Timestamp::from_seconds(20)));
        assert_eq!(traffic.last_at(), None);
        // Looking ahead has taken nothing away.
        let lines: Vec<_> = traffic
            .by_ref()
            .map(|outcome| outcome.map_or_else(|malformed| malformed.line, |event| event.line))
            .collect();
        assert_eq!(lines, [2, 4, 5, 6]);
        assert_eq!(traffic.first_at(), Some(Timestamp::from_seconds(20)));
        assert_eq!(traffic.last_at(), Some(Timestamp::from_seconds(10)));
        assert!(traffic.finish().is_ok());
        assert_eq!(read("at,tenant,action\n").first_at(), None);
    }

    #[test]
    fn looking_ahead_takes_bounded_memory() {
        let bad = "x,a,go\n".repeat(2 * WAITING_MAX);
        let mut traffic = read(format!("at,tenant,action\n{bad}0,a,go\n"));
        assert_eq!(traffic.first_at(), None);
        assert_eq!(traffic.waiting.len(), WAITING_MAX);
        assert_eq!(traffic.by_ref().flatten().count(), 1);
        assert_eq!(traffic.first_at(), Some(Timestamp::from_seconds(0)));
    }

    #[test]
    fn a_failing_disk_is_not_the_end_of_the_file() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let start = io::Cursor::new("at,tenant,action\n0,a,go\n0,b,go\n");
        let mut traffic =
            Traffic::start(Box::new(start.chain(Failing)), None).expect("a readable start");
        assert_eq!(traffic.by_ref().count(), 2);
        assert!(traffic.next().is_none());
        let error = traffic.finish().expect_err("reading failed");
        assert_eq!(error.to_string(), "reading failed after line 3: the disk is gone");
    }

    #[test]
    fn any_bytes_at_all_are_read_to_their_end() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let pieces: [&[u8]; 10] =
            [b"\n", b"\r\n", b",", b"\"", b"{", b"[", b"\xff", b"\xef\xbb\xbf", b"0,a,go", b":1}"];
        for start in ["at,tenant,action\n", "{}\n"] {
            for _ in 0..2_000 {
                let mut input = start.as_bytes().to_vec();
                for _ in 0..random(40) {
                    let piece = pieces.get(random(10) as usize).expect("one of ten");
                    input.extend_from_slice(piece);
                }
                let len = input.len() as u64;
                let mut traffic = read(input);
                let mut line = 1;
                for outcome in traffic.by_ref() {
                    let next = outcome.map_or_else(|malformed| malformed.line, |event| event.line);
                    assert!(next > line);
                    line = next;
                }
                assert_eq!(traffic.bytes_read(), len);
                assert!(traffic.finish().is_ok());
            }
        }
    }
}
