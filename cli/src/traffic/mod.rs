//! Traffic that has already happened, read from a file for `cotas replay`.
//!
//! Two formats, distinguished by the first byte that is not blank:
//!
//! - `{` or `[`: one webhook body per line;
//! - anything else: CSV with a header line. `at`, `tenant` and `action` are required, `channel`,
//!   `contact`, `quantity` and `key` may be added, in any order. Other columns are passed over.
//!
//! Files may be far larger than memory: lines are read one at a time, and a line that cannot be
//! understood is reported and passed over.

mod bodies;
mod columns;
mod csv;
mod fault;
mod lines;
mod mapping;
mod masked;
mod source;
mod times;

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::PathBuf;

use cotas::whatsapp::Kind;
use cotas::{Delivery, Timestamp};
use thiserror::Error;

use self::csv::Csv;
pub use self::fault::{Fault, FaultCounts, Malformed};
use self::lines::Lines;
pub use self::mapping::{Mapping, Names};
pub use self::source::Source;

/// How much of the start of a file is in its fingerprint, in bytes.
const FINGERPRINT_LEN_MAX: usize = 64 << 10;
/// How many malformed lines [`Traffic::first_at`] looks past: they wait in memory meanwhile.
const WAITING_MAX: usize = 10_000;
/// How many lines are kept to be shown.
const HEAD_LEN: usize = 3;

/// What can be read, for a user who gave something else.
pub const FORMATS: [&str; 4] = [
    "CSV with a header line: at,tenant,action and, where needed, channel,contact,quantity,key \
     (--map reads other names)",
    "WhatsApp Cloud API webhook bodies, one per line: \
     {\"object\":\"whatsapp_business_account\",...}",
    "their value alone, as 360dialog passes it on: {\"contacts\":[...],\"messages\":[...]} \
     (--tenant says whose)",
    "Evolution API webhook bodies, one per line: {\"event\":\"messages.upsert\",\"instance\":...}",
];

/// Something that a tenant did, or that happened and counts for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficEvent {
    /// The line of the file that it is in, from 1.
    pub line: u64,
    /// The same without blank lines.
    pub record: u64,
    /// Its place among the events of that line, from 0: a webhook body may hold many.
    pub part: u32,
    /// A hash of the file up to and with that line.
    pub content: u64,
    /// When it happened. Not always later than the event before: traffic is redelivered.
    pub at: Option<Timestamp>,
    /// Who did it.
    pub tenant: String,
    /// What was done, by the catalog's name; `None`: nothing that counts.
    pub action: Option<String>,
    /// Which part of a webhook's body it is.
    pub kind: Option<Kind>,
    /// Through which channel.
    pub channel: Option<String>,
    /// With whom.
    pub contact: Option<String>,
    /// Other ids of the same contact.
    pub aliases: Vec<String>,
    /// How many units, where the action charges by quantity.
    pub quantity: u64,
    /// The message's id, the same at every delivery.
    pub id: Option<String>,
    /// The idempotency key.
    pub key: Option<String>,
    /// What became of the message with that id, where the part reports it.
    pub report: Option<Delivery>,
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
    /// The file is packed in a form that is not read.
    #[error("the file is {0}: unpack it first (gzip is read as it is)")]
    Packed(&'static str),
    /// The file is text of another encoding.
    #[error("the file is UTF-16: save it as UTF-8")]
    Utf16,
    /// The header line is too long, not UTF-8 or not CSV.
    #[error("the header line {0}")]
    Header(String),
    /// The header does not name a column that every event needs.
    #[error("the header lacks the column {0} (at, tenant and action are required); \
        if it has another name, give --map {0}=NAME{hint}", hint = constant_hint(.0))]
    MissingColumn(&'static str),
    /// The header names a column twice.
    #[error("the header names the column {0} twice")]
    RepeatedColumn(&'static str),
}

fn constant_hint(column: &str) -> String {
    match column {
        "at" => String::new(),
        column => format!("; if all lines are of one, give --{column} NAME"),
    }
}

/// How a file writes its traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CSV with a header line.
    Csv,
    /// One webhook body per line.
    Whatsapp,
}

/// The traffic of one file: its events and malformed lines, in the file's order.
///
/// The iteration ends with the file, or where reading it fails: [`finish`](Self::finish) says
/// which.
pub struct Traffic {
    lines: Lines,
    parser: Parser,
    names: Names,
    len: Option<u64>,
    fingerprint: Vec<u8>,
    /// The first lines, as they may be shown.
    head: Vec<String>,
    /// What has been read but not yet handed out.
    waiting: VecDeque<Result<TrafficEvent, Malformed>>,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    failure: Option<TrafficError>,
}

enum Parser {
    Csv(Box<Csv>),
    Bodies,
}

impl Traffic {
    /// Reads as far as the first line of traffic.
    pub fn open(source: &Source, names: &Names) -> Result<Traffic, TrafficError> {
        Self::start(source.reader(), source.len(), names)
    }

    /// The first lines of a file that could not be opened as traffic, of which only the form is
    /// shown.
    pub fn head_of(source: &Source) -> Vec<String> {
        let mut lines = Lines::new(source.reader());
        let mut head = Vec::new();
        while head.len() < HEAD_LEN && lines.advance().is_ok_and(|there_is_one| there_is_one) {
            head.push(masked::masked(lines.bytes()));
        }
        head
    }

    fn start(
        input: Box<dyn Read + Send>,
        len: Option<u64>,
        names: &Names,
    ) -> Result<Traffic, TrafficError> {
        let mut lines = Lines::new(input);
        if !lines.advance()? {
            return Err(TrafficError::Empty);
        }
        let mut fingerprint = Vec::new();
        let mut head = vec![masked::masked(lines.bytes())];
        let parser = if lines.bytes().trim_ascii_start().starts_with(b"{")
            || lines.bytes().trim_ascii_start().starts_with(b"[")
        {
            Parser::Bodies
        } else {
            let delimiter = columns::named_delimiter(lines.bytes());
            if delimiter.is_some() {
                lines.advance()?;
                head.push(masked::masked(lines.bytes()));
            }
            let header = lines.text().map_err(|broken| TrafficError::Header(broken.reason))?;
            let csv = Csv::with_header(header, names, delimiter)?;
            fingerprint.extend_from_slice(lines.bytes());
            fingerprint.push(b'\n');
            lines.seal();
            lines.advance()?;
            Parser::Csv(Box::new(csv))
        };
        // Bytes of a file that has only grown since are the same: nothing else may go in here.
        fingerprint.extend_from_slice(lines.bytes());
        fingerprint.truncate(FINGERPRINT_LEN_MAX);

        let mut traffic = Traffic {
            lines,
            parser,
            names: names.clone(),
            len,
            fingerprint,
            head,
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

    /// How the file writes its traffic.
    pub fn format(&self) -> Format {
        match self.parser {
            Parser::Csv(_) => Format::Csv,
            Parser::Bodies => Format::Whatsapp,
        }
    }

    /// What files that begin alike have in common: the header and the first line of traffic, at
    /// most 64 KiB. A file that only grows keeps it.
    ///
    /// It may hold contact data: hash it, do not keep or print it.
    pub fn fingerprint(&self) -> &[u8] {
        &self.fingerprint
    }

    /// Columns of the header that mean nothing here.
    pub fn further_columns(&self) -> &[String] {
        match &self.parser {
            Parser::Csv(csv) => &csv.further,
            Parser::Bodies => &[],
        }
    }

    /// The first lines of the file, of which only the form is shown.
    pub fn head(&self) -> &[String] {
        &self.head
    }

    /// How many lines of traffic have been read, without blank ones and the header.
    pub fn lines_read(&self) -> u64 {
        let header = u64::from(matches!(self.parser, Parser::Csv(_)));
        self.lines.record.saturating_sub(header)
    }

    /// How many bytes have been read of those that [`len`](Self::len) counts.
    pub fn bytes_read(&self) -> u64 {
        self.lines.bytes_read
    }

    /// The size of the file in bytes when it was opened; `None` where it is packed.
    pub fn len(&self) -> Option<u64> {
        self.len
    }

    /// The time of the first event that counts, which is read ahead where need be. `None` if there
    /// is none, or none within the first 10,000 lines that are malformed.
    pub fn first_at(&mut self) -> Option<Timestamp> {
        while self.first_at.is_none() && self.waiting.len() < WAITING_MAX && self.read_line() {}
        self.first_at
    }

    /// The time of the last event that was handed out and counts; at the end, of the last one in
    /// the file.
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
        if self.head.len() < HEAD_LEN {
            self.head.push(masked::masked(self.lines.bytes()));
        }
        let parsed = match &mut self.parser {
            Parser::Csv(csv) => record(&mut self.lines, csv).map(|parsed| {
                parsed.map(|event| bodies::Line { events: vec![event], broken: Vec::new() })
            }),
            Parser::Bodies => {
                Ok(self.lines.text().and_then(|text| bodies::read(text, &self.names)))
            }
        };
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(failure) => {
                self.failure = Some(failure);
                return;
            }
        };
        let content = self.lines.seal();
        match parsed {
            Ok(bodies::Line { events, broken }) => {
                for (part, event) in (0..).zip(events) {
                    let event =
                        TrafficEvent { line, record: self.lines.record, part, content, ..event };
                    let at = event.at.filter(|_| event.action.is_some());
                    self.first_at = self.first_at.or(at);
                    self.waiting.push_back(Ok(event));
                }
                self.waiting.extend(broken.into_iter().map(|broken| Err(broken.at(line))));
            }
            Err(broken) => self.waiting.push_back(Err(broken.at(line))),
        }
    }
}

/// Reads the present record of a CSV file, which may go on in the lines that follow.
fn record(
    lines: &mut Lines,
    csv: &mut Csv,
) -> Result<Result<TrafficEvent, fault::Broken>, TrafficError> {
    let parsed = lines.text().and_then(|text| csv.event(text));
    let is_open = matches!(&parsed, Err(broken) if broken.fault == Fault::NotARecord)
        && csv::leaves_a_quote_open(lines.bytes());
    if !is_open {
        return Ok(parsed);
    }
    let joined = lines.joined(|record| !csv::leaves_a_quote_open(record))?;
    let joined = joined.filter(|it| str::from_utf8(&it.bytes).is_ok_and(|text| csv.fits(text)));
    let Some(joined) = joined else { return Ok(parsed) };
    lines.accept(joined);
    Ok(lines.text().and_then(|text| csv.event(text)))
}

impl Iterator for Traffic {
    type Item = Result<TrafficEvent, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.waiting.is_empty() && self.read_line() {}
        let next = self.waiting.pop_front()?;
        if let Ok(event) = &next {
            self.last_at = event.at.filter(|_| event.action.is_some()).or(self.last_at);
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests;
