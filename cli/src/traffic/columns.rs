//! The header of a CSV file: its dialect, and where its columns are.

use super::TrafficError;
use super::csv::{COLUMNS, Splitter, shown};
use super::mapping::Names;

/// What may stand between fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Where the header put each column.
pub(super) struct Columns {
    pub(super) count: usize,
    pub(super) at: usize,
    pub(super) tenant: Option<usize>,
    pub(super) action: Option<usize>,
    pub(super) channel: Option<usize>,
    pub(super) contact: Option<usize>,
    pub(super) quantity: Option<usize>,
    pub(super) key: Option<usize>,
}

/// A header that was understood.
pub(super) struct Header {
    pub(super) splitter: Splitter,
    pub(super) columns: Columns,
    /// Columns that mean nothing here.
    pub(super) further: Vec<String>,
}

/// The delimiter of a line `sep=;`, which spreadsheets write before the header.
pub(super) fn named_delimiter(line: &[u8]) -> Option<u8> {
    match line.trim_ascii() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => Some(*delimiter),
        _ => None,
    }
}

/// Reads a header, with the delimiter that was named or the one that finds all columns.
pub(super) fn header(
    line: &str,
    names: &Names,
    delimiter: Option<u8>,
) -> Result<Header, TrafficError> {
    let known = DELIMITERS.map(Some);
    let candidates = if delimiter.is_some() { vec![delimiter] } else { known.to_vec() };
    let mut widest = None;
    for delimiter in candidates.into_iter().flatten() {
        let mut splitter = Splitter::new(delimiter);
        let fields = match splitter.split(line) {
            Ok(fields) => fields.iter().map(normal).collect::<Vec<_>>(),
            Err(broken) => {
                // Which columns there are is not known then.
                widest = Some((usize::MAX, TrafficError::Header(broken.reason)));
                continue;
            }
        };
        match Columns::find(&fields, names) {
            Ok(columns) => {
                let further = fields.iter().filter(|field| !is_known(field, names)).map(shown);
                return Ok(Header { further: further.collect(), splitter, columns });
            }
            // The delimiter that gives the most fields is the one that was meant.
            Err(error) if widest.as_ref().is_none_or(|(count, _)| *count < fields.len()) => {
                widest = Some((fields.len(), error));
            }
            Err(_) => {}
        }
    }
    Err(widest.map_or(TrafficError::Empty, |(_, error)| error))
}

/// A name as it is compared: without case and outer blanks.
fn normal(name: impl AsRef<str>) -> String {
    name.as_ref().trim().to_lowercase()
}

fn is_known(field: &str, names: &Names) -> bool {
    COLUMNS.iter().any(|column| normal(names.column(column)) == field)
}

impl Columns {
    fn find(fields: &[String], names: &Names) -> Result<Columns, TrafficError> {
        for column in COLUMNS {
            let name = normal(names.column(column));
            if fields.iter().filter(|found| **found == name).count() > 1 {
                return Err(TrafficError::RepeatedColumn(column));
            }
        }
        let optional = |column| {
            let name = normal(names.column(column));
            fields.iter().position(|found| *found == name)
        };
        let unless = |given: bool, column| match optional(column) {
            None if !given => Err(TrafficError::MissingColumn(column)),
            found => Ok(found),
        };
        Ok(Columns {
            count: fields.len(),
            at: optional("at").ok_or(TrafficError::MissingColumn("at"))?,
            tenant: unless(names.tenant.is_some(), "tenant")?,
            action: unless(names.action.is_some(), "action")?,
            channel: optional("channel"),
            contact: optional("contact"),
            quantity: optional("quantity"),
            key: optional("key"),
        })
    }
}
