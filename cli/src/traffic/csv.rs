//! Traffic as CSV: a header line, then one event per line.

use std::io::{Cursor, SeekFrom};

use ::csv::{Position, Reader, ReaderBuilder, StringRecord, Terminator};
use cotas::Timestamp;

use super::{TrafficError, TrafficEvent, unix_seconds, whole_number};

/// The columns that a file may have.
pub(super) const COLUMNS: [&str; 7] =
    ["at", "tenant", "action", "channel", "contact", "quantity", "key"];
/// How much of a value a reason shows, in characters.
const SHOWN_MAX: usize = 40;

/// Reads the lines of one file, whose header it knows.
pub(super) struct Csv {
    splitter: Splitter,
    columns: Columns,
}

/// Where the header put each column.
struct Columns {
    count: usize,
    at: usize,
    tenant: usize,
    action: usize,
    channel: Option<usize>,
    contact: Option<usize>,
    quantity: Option<usize>,
    key: Option<usize>,
}

impl Csv {
    /// Reads a file's header line.
    pub(super) fn with_header(header: &str) -> Result<Csv, TrafficError> {
        let mut splitter = Splitter::new();
        let names = splitter.split(header).map_err(TrafficError::Header)?;
        let columns = Columns::find(names)?;
        Ok(Csv { splitter, columns })
    }

    /// The event of one line, or why there is none.
    pub(super) fn event(&mut self, line: u64, text: &str) -> Result<TrafficEvent, String> {
        let columns = &self.columns;
        let fields = self.splitter.split(text)?;
        if fields.len() != columns.count {
            return Err(format!(
                "has {} fields where the header has {}",
                fields.len(),
                columns.count
            ));
        }
        let field = |index| fields.get(index).unwrap_or_default();
        let optional = |index: Option<usize>| index.map(field).filter(|text| !text.is_empty());
        let required = |index, name| match field(index) {
            "" => Err(format!("{name} is empty")),
            text => Ok(text.to_owned()),
        };
        Ok(TrafficEvent {
            line,
            part: 0,
            at: time(field(columns.at))?,
            tenant: required(columns.tenant, "tenant")?,
            action: required(columns.action, "action")?,
            channel: optional(columns.channel).map(str::to_owned),
            contact: optional(columns.contact).map(str::to_owned),
            quantity: optional(columns.quantity).map_or(Ok(1), quantity)?,
            key: optional(columns.key).map(str::to_owned),
        })
    }
}

impl Columns {
    fn find(names: &StringRecord) -> Result<Columns, TrafficError> {
        for name in COLUMNS {
            if names.iter().filter(|found| found.trim() == name).count() > 1 {
                return Err(TrafficError::RepeatedColumn(name));
            }
        }
        let optional = |name| names.iter().position(|found| found.trim() == name);
        let required = |name| optional(name).ok_or(TrafficError::MissingColumn(name));
        let columns = Columns {
            count: names.len(),
            at: required("at")?,
            tenant: required("tenant")?,
            action: required("action")?,
            channel: optional("channel"),
            contact: optional("contact"),
            quantity: optional("quantity"),
            key: optional("key"),
        };
        // Only now: a first line that lacks the required names may be traffic without a header,
        // and its fields are nobody's to print.
        let unknown: Vec<String> =
            names.iter().filter(|name| !COLUMNS.contains(&name.trim())).map(shown).collect();
        if unknown.is_empty() { Ok(columns) } else { Err(TrafficError::UnknownColumns(unknown)) }
    }
}

/// Splits single lines into fields. The `csv` crate reads streams; here every line is a stream of
/// its own, so that a quote left open costs one line, and lines keep their numbers.
struct Splitter {
    reader: Reader<Cursor<Vec<u8>>>,
    fields: StringRecord,
}

impl Splitter {
    fn new() -> Splitter {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(Cursor::new(Vec::new()));
        Splitter { reader, fields: StringRecord::new() }
    }

    fn split(&mut self, line: &str) -> Result<&StringRecord, String> {
        let stream = self.reader.get_mut().get_mut();
        stream.clear();
        stream.extend_from_slice(line.as_bytes());
        stream.push(b'\n');
        self.reader
            .seek_raw(SeekFrom::Start(0), Position::new())
            .and_then(|()| self.reader.read_record(&mut self.fields))
            .map_err(|_| "is not CSV".to_owned())?;
        // The one line feed ends the record, unless it was taken for a part of a quoted field.
        if self.fields.iter().any(|field| field.contains('\n')) {
            return Err("leaves a quote open: a record must be on one line".to_owned());
        }
        Ok(&self.fields)
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    // `Timestamp::MAX` means "never", also for a time that was cut down to it.
    let possible = Timestamp::from_ms(0)..Timestamp::MAX;
    unix_seconds(text)
        .or_else(|| Timestamp::parse_rfc3339(text))
        .filter(|at| possible.contains(at))
        .ok_or_else(|| {
            format!(
                "at is {}, which is neither Unix seconds nor an RFC 3339 time of 1970 to 9999",
                shown(text)
            )
        })
}

fn quantity(text: &str) -> Result<u64, String> {
    whole_number(text)
        .ok_or_else(|| format!("quantity is {}, which is not a whole number", shown(text)))
}

/// A value as a message may show it: quoted, without control characters, and not for ever.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(SHOWN_MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "at,tenant,action,channel,contact,quantity,key";

    fn event(header: &str, line: &str) -> Result<TrafficEvent, String> {
        Csv::with_header(header).expect("a valid header").event(7, line)
    }

    fn reason(line: &str) -> String {
        event(HEADER, line).expect_err("malformed")
    }

    #[test]
    fn every_column_is_read() {
        let event = event(HEADER, "1779274800,padaria,send_sms,w1,c9,3,sms-1").expect("valid");
        assert_eq!(
            event,
            TrafficEvent {
                line: 7,
                part: 0,
                at: Timestamp::from_seconds(1_779_274_800),
                tenant: "padaria".into(),
                action: "send_sms".into(),
                channel: Some("w1".into()),
                contact: Some("c9".into()),
                quantity: 3,
                key: Some("sms-1".into()),
            }
        );
    }

    #[test]
    fn columns_come_in_any_order_and_may_be_absent_or_empty() {
        let bare = event("action, tenant ,at", "receive_message,padaria,0").expect("valid");
        assert_eq!((bare.action.as_str(), bare.tenant.as_str()), ("receive_message", "padaria"));
        assert_eq!((bare.channel, bare.contact, bare.quantity, bare.key), (None, None, 1, None));
        let empty = event(HEADER, "0,padaria,receive_message,,,,").expect("valid");
        assert_eq!(
            (empty.channel, empty.contact, empty.quantity, empty.key),
            (None, None, 1, None)
        );
    }

    #[test]
    fn fields_may_be_quoted() {
        let event = event("at,tenant,action", r#""0","Pão, ""Aurora""",go"#).expect("valid");
        assert_eq!(event.tenant, r#"Pão, "Aurora""#);
    }

    #[test]
    fn a_quote_left_open_costs_one_line() {
        let mut csv = Csv::with_header("at,tenant,action").expect("a valid header");
        for open in [r#"0,"padaria,go"#, r#"0,p"a,"go"#, r#"0,padaria,""#] {
            let reason = csv.event(1, open).expect_err("malformed");
            assert_eq!(reason, "leaves a quote open: a record must be on one line");
            assert!(csv.event(2, "0,padaria,go").is_ok());
        }
    }

    #[test]
    fn times_are_unix_seconds_or_rfc_3339() {
        let at = |text: &str| event("at,tenant,action", &format!("{text},a,b")).map(|e| e.at.ms());
        assert_eq!(at("0"), Ok(0));
        assert_eq!(at("253402300799"), Ok(253_402_300_799_000));
        assert_eq!(at("2026-05-21T00:00:00-03:00"), Ok(1_779_332_400_000));
        assert_eq!(at("2026-05-21T03:00:00.25Z"), Ok(1_779_332_400_250));
        for wrong in [
            "",
            "-1",
            "+1",
            "1.5",
            " 1",
            "1e9",
            "253402300800",
            "18446744073709551616",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59-01:00",
            "2026-02-30T00:00:00Z",
            "2026-05-21 00:00",
            "21/05/2026",
        ] {
            let reason = at(wrong).expect_err(wrong);
            assert!(reason.starts_with(&format!("at is {wrong:?}, which is neither")), "{reason}");
        }
    }

    #[test]
    fn quantities_are_whole_numbers() {
        let quantity = |text: &str| event(HEADER, &format!("0,a,b,,,{text},")).map(|e| e.quantity);
        assert_eq!(quantity("0"), Ok(0));
        assert_eq!(quantity("18446744073709551615"), Ok(u64::MAX));
        for wrong in ["-1", "+1", "1.0", "many", "18446744073709551616"] {
            assert!(quantity(wrong).expect_err(wrong).starts_with("quantity is "));
        }
    }

    #[test]
    fn reasons_name_the_column_and_never_the_contact() {
        assert_eq!(reason("0,,go,w,5500900000001,1,k"), "tenant is empty");
        assert_eq!(reason("0,a,,w,5500900000001,1,k"), "action is empty");
        assert_eq!(reason("0,a,go,w,5500900000001"), "has 5 fields where the header has 7");
        assert_eq!(reason("0,a,go,,,1,,"), "has 8 fields where the header has 7");
        let long = reason(&format!("{},a,go,,,,", "q\u{1b}".repeat(50)));
        assert!(long.contains(r#""q\u{1b}"#) && !long.contains('\u{1b}'), "{long}");
        assert_eq!(long.matches('q').count(), SHOWN_MAX / 2);
    }

    #[test]
    fn a_header_must_make_sense() {
        let error = |header| Csv::with_header(header).err().expect("refused").to_string();
        assert_eq!(
            error("at,tenant,contact"),
            "the header lacks the column action; at, tenant and action are required"
        );
        assert_eq!(error("at,tenant,action,at"), "the header names the column at twice");
        assert_eq!(
            error("at,tenant,action,phone,colour"),
            "the header names unknown columns: \"phone\", \"colour\"; known are at, tenant, \
             action, channel, contact, quantity, key"
        );
        assert!(error("at,tenant,\"action").starts_with("the header line leaves a quote open"));
        // Traffic without a header: nothing of it is repeated.
        assert!(!error("0,padaria,receive_message,w,5500900000001").contains("55009"));
    }
}
