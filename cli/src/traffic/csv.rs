//! Traffic as CSV: a header line, then one event per record.

use std::io::{Cursor, SeekFrom};

use ::csv::{Position, Reader, ReaderBuilder, StringRecord, Terminator};

use super::columns::{Columns, header};
use super::fault::{Broken, Fault};
use super::mapping::Names;
use super::times::{self, NoTime};
use super::{TrafficError, TrafficEvent};

/// The columns that a file may have.
pub(super) const COLUMNS: [&str; 7] =
    ["at", "tenant", "action", "channel", "contact", "quantity", "key"];
/// How much of a value a reason shows, in characters.
const SHOWN_MAX: usize = 40;
/// How a time is to be written.
const TIME_FORM: &str = "2026-05-20T12:00:00-03:00 or Unix seconds";

/// Reads the records of one file, whose header it knows.
pub(super) struct Csv {
    splitter: Splitter,
    columns: Columns,
    names: Names,
    /// Columns that mean nothing here.
    pub(super) further: Vec<String>,
}

impl Csv {
    /// Reads a file's header line.
    pub(super) fn with_header(
        line: &str,
        names: &Names,
        delimiter: Option<u8>,
    ) -> Result<Csv, TrafficError> {
        let header = header(line, names, delimiter)?;
        Ok(Csv {
            splitter: header.splitter,
            columns: header.columns,
            names: names.clone(),
            further: header.further,
        })
    }

    /// Whether a record of several lines is one: it has as many fields as the header, and every
    /// quote that closes ends its field.
    pub(super) fn fits(&mut self, text: &str) -> bool {
        self.splitter.is_well_quoted(text)
            && self.splitter.split(text).is_ok_and(|fields| fields.len() == self.columns.count)
    }

    /// The event of one record, or why there is none.
    pub(super) fn event(&mut self, text: &str) -> Result<TrafficEvent, Broken> {
        let (columns, names) = (&self.columns, &self.names);
        let fields = self.splitter.split(text)?;
        if fields.len() != columns.count {
            return Err(Fault::NotARecord.because(format!(
                "has {} fields where the header has {}",
                fields.len(),
                columns.count
            )));
        }
        let field = |index| fields.get(index).unwrap_or_default();
        let optional = |index: Option<usize>| index.map(field).filter(|text| !text.is_empty());
        let empty = |name| Fault::EmptyField.because(format!("{name} is empty"));
        let tenant = optional(columns.tenant).or(names.tenant.as_deref());
        let tenant = tenant.ok_or_else(|| empty("tenant"))?;
        let action = optional(columns.action).or(names.action.as_deref());
        let action = action.ok_or_else(|| empty("action"))?;
        let action = names.action_of(action);
        Ok(TrafficEvent {
            at: Some(time(names, field(columns.at))?),
            tenant: names.tenant_of(tenant),
            action,
            channel: optional(columns.channel).map(str::to_owned),
            contact: optional(columns.contact).map(str::to_owned),
            quantity: optional(columns.quantity).map_or(Ok(1), |text| quantity(names, text))?,
            key: optional(columns.key).map(str::to_owned),
            ..TrafficEvent::default()
        })
    }
}

/// Whether a record leaves a quote open: it goes on in the next line.
pub(super) fn leaves_a_quote_open(record: &[u8]) -> bool {
    record.iter().fold(false, |is_open, byte| is_open != (*byte == b'"'))
}

/// Splits single records into fields. The `csv` crate reads streams; here every record is a stream
/// of its own, so that a quote left open costs one line, and lines keep their numbers.
pub(super) struct Splitter {
    delimiter: u8,
    reader: Reader<Cursor<Vec<u8>>>,
    fields: StringRecord,
}

impl Splitter {
    pub(super) fn new(delimiter: u8) -> Splitter {
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(Cursor::new(Vec::new()));
        Splitter { delimiter, reader, fields: StringRecord::new() }
    }

    /// Whether every quote that closes a field is followed by a delimiter or the end.
    fn is_well_quoted(&self, record: &str) -> bool {
        let mut bytes = record.bytes().peekable();
        let mut begins = true;
        while let Some(byte) = bytes.next() {
            if !(begins && byte == b'"') {
                begins = byte == self.delimiter;
                continue;
            }
            loop {
                match bytes.next() {
                    None => return false,
                    Some(b'"') if bytes.peek() == Some(&b'"') => drop(bytes.next()),
                    Some(b'"') => break,
                    Some(_) => {}
                }
            }
            begins = false;
            if bytes.peek().is_some_and(|next| *next != self.delimiter) {
                return false;
            }
        }
        true
    }

    pub(super) fn split(&mut self, record: &str) -> Result<&StringRecord, Broken> {
        let open = "leaves a quote open: no later line closes it with as many fields as the header";
        let stream = self.reader.get_mut().get_mut();
        stream.clear();
        stream.extend_from_slice(record.as_bytes());
        stream.push(b'\n');
        let len = stream.len() as u64;
        self.reader
            .seek_raw(SeekFrom::Start(0), Position::new())
            .and_then(|()| self.reader.read_record(&mut self.fields))
            .map_err(|_| Fault::NotARecord.because("is not CSV"))?;
        // The last line feed ends the record, unless it was taken for a part of a quoted field.
        let is_open = if record.contains('\n') {
            leaves_a_quote_open(record.as_bytes()) || self.reader.position().byte() < len
        } else {
            self.fields.iter().any(|field| field.contains('\n'))
        };
        if is_open {
            return Err(Fault::NotARecord.because(open));
        }
        Ok(&self.fields)
    }
}

fn time(names: &Names, text: &str) -> Result<cotas::Timestamp, Broken> {
    times::parse(text, names.times_in).map_err(|why| {
        let (column, shown) = (names.column("at"), shown(text));
        Fault::Time.because(match why {
            NoTime::NoZone => format!(
                "{column} is {shown}, which has no zone: write {TIME_FORM}, or give --times-in ZONE"
            ),
            NoTime::DayOrMonth => {
                format!("{column} is {shown}, whose day may be its month: write {TIME_FORM}")
            }
            NoTime::Other => {
                format!("{column} is {shown}, which is no time of 1970 to 9999: write {TIME_FORM}")
            }
        })
    })
}

/// A whole number, also as databases write decimals: 1.0. Three digits after a point may be
/// thousands, so they are not guessed.
fn quantity(names: &Names, text: &str) -> Result<u64, Broken> {
    let broken = |what: &str| {
        let (column, shown) = (names.column("quantity"), shown(text));
        Fault::Quantity.because(format!("{column} is {shown}, {what}"))
    };
    let text = text.trim();
    let (whole, rest) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let zeros = rest.bytes().all(|it| it == b'0');
    if !digits(whole) || (text.len() > whole.len() && rest.is_empty()) {
        return Err(broken("which is not a whole number: write 1000"));
    }
    if rest.len() == 3 && digits(rest) {
        return Err(broken("which may mean thousands: write 1000 or 1"));
    }
    let number = whole.parse().ok().filter(|_| zeros);
    number.ok_or_else(|| broken("which is not a whole number: write 1000"))
}

/// A value as a message may show it: quoted, without control characters, and not for ever.
pub(super) fn shown(text: impl AsRef<str>) -> String {
    format!("{:?}", text.as_ref().chars().take(SHOWN_MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotas::Timestamp;

    const HEADER: &str = "at,tenant,action,channel,contact,quantity,key";

    fn event(header: &str, line: &str) -> Result<TrafficEvent, Broken> {
        let csv = Csv::with_header(header, &Names::default(), None);
        csv.expect("a valid header").event(line)
    }

    fn reason(line: &str) -> String {
        event(HEADER, line).expect_err("malformed").reason
    }

    #[test]
    fn every_column_is_read() {
        let event = event(HEADER, "1779274800,padaria,send_sms,w1,c9,3,sms-1").expect("valid");
        assert_eq!(
            event,
            TrafficEvent {
                at: Some(Timestamp::from_seconds(1_779_274_800)),
                tenant: "padaria".into(),
                action: Some("send_sms".into()),
                channel: Some("w1".into()),
                contact: Some("c9".into()),
                quantity: 3,
                key: Some("sms-1".into()),
                ..TrafficEvent::default()
            }
        );
    }

    #[test]
    fn columns_come_in_any_order_and_may_be_absent_or_empty() {
        let bare = event("action, tenant ,at", "receive_message,padaria,0").expect("valid");
        assert_eq!(bare.action.as_deref(), Some("receive_message"));
        assert_eq!(bare.tenant, "padaria");
        assert_eq!((bare.channel, bare.contact, bare.quantity, bare.key), (None, None, 1, None));
        let empty = event(HEADER, "0,padaria,receive_message,,,,").expect("valid");
        assert_eq!(
            (empty.channel, empty.contact, empty.quantity, empty.key),
            (None, None, 1, None)
        );
    }

    #[test]
    fn the_delimiter_is_the_one_that_finds_the_columns() {
        for (header, line) in [
            ("at;tenant;action", "0;padaria, Ltda;go"),
            ("at\ttenant\taction", "0\tpadaria, Ltda\tgo"),
            ("at|tenant|action", "0|padaria, Ltda|go"),
            ("\"At\",\"Tenant\",\"ACTION\"", "0,\"padaria, Ltda\",go"),
        ] {
            assert_eq!(event(header, line).expect(line).tenant, "padaria, Ltda");
        }
    }

    #[test]
    fn further_columns_are_passed_over_and_named() {
        let header = "at,tenant,action,Message,colour";
        let mut csv = Csv::with_header(header, &Names::default(), None).expect("valid");
        assert_eq!(csv.further, ["\"message\"", "\"colour\""]);
        assert_eq!(csv.event("0,padaria,go,\"oi, tudo\",red").expect("valid").tenant, "padaria");
    }

    #[test]
    fn fields_may_be_quoted() {
        let event = event("at,tenant,action", r#""0","Pão, ""Aurora""",go"#).expect("valid");
        assert_eq!(event.tenant, r#"Pão, "Aurora""#);
    }

    #[test]
    fn a_quote_left_open_costs_one_line() {
        let mut csv = Csv::with_header("at,tenant,action", &Names::default(), None).expect("valid");
        for open in [r#"0,"padaria,go"#, r#"0,p"a,"go"#, r#"0,padaria,""#] {
            let broken = csv.event(open).expect_err("malformed");
            assert!(broken.reason.starts_with("leaves a quote open"), "{broken:?}");
            assert!(csv.event("0,padaria,go").is_ok());
        }
        let pipe = csv.event(r#"0,a 5" pipe,go"#).expect("a quote inside a field is itself");
        assert_eq!(pipe.tenant, r#"a 5" pipe"#);
    }

    #[test]
    fn quantities_are_whole_numbers() {
        let quantity = |text: &str| {
            event(&HEADER.replace(',', ";"), &format!("0;a;b;;;{text};")).map(|it| it.quantity)
        };
        for (text, number) in [("0", 0), ("1.0", 1), ("12,00", 12), ("7.0000", 7)] {
            assert_eq!(quantity(text), Ok(number), "{text}");
        }
        assert_eq!(quantity("18446744073709551615"), Ok(u64::MAX));
        for wrong in ["-1", "+1", "1.5", "1.", "many", "1.0.0", "18446744073709551616"] {
            let reason = quantity(wrong).expect_err(wrong).reason;
            assert!(reason.ends_with("which is not a whole number: write 1000"), "{reason}");
        }
        for ambiguous in ["1.000", "1,000", "12.345"] {
            let reason = quantity(ambiguous).expect_err(ambiguous).reason;
            assert!(reason.ends_with("which may mean thousands: write 1000 or 1"), "{reason}");
        }
    }

    #[test]
    fn reasons_name_the_column_and_never_the_contact() {
        assert_eq!(reason("0,,go,w,5500900000001,1,k"), "tenant is empty");
        assert_eq!(reason("0,a,,w,5500900000001,1,k"), "action is empty");
        assert_eq!(reason("0,a,go,w,5500900000001"), "has 5 fields where the header has 7");
        assert_eq!(reason("0,a,go,,,1,,"), "has 8 fields where the header has 7");
        assert_eq!(
            reason("20/05/2026 12:00,a,go,,,,"),
            "at is \"20/05/2026 12:00\", whose day may be its month: write \
             2026-05-20T12:00:00-03:00 or Unix seconds"
        );
        let long = reason(&format!("{},a,go,,,,", "q\u{1b}".repeat(50)));
        assert!(long.contains(r#""q\u{1b}"#) && !long.contains('\u{1b}'), "{long}");
        assert_eq!(long.matches('q').count(), SHOWN_MAX / 2);
    }

    #[test]
    fn a_header_must_make_sense() {
        let error = |header| {
            let csv = Csv::with_header(header, &Names::default(), None);
            csv.err().expect("refused").to_string()
        };
        assert_eq!(
            error("at;tenant;contact"),
            "the header lacks the column action (at, tenant and action are required); if it has \
             another name, give --map action=NAME; if all lines are of one, give --action NAME"
        );
        assert_eq!(error("at,tenant,action,At"), "the header names the column at twice");
        assert!(error("at,tenant,\"action").starts_with("the header line leaves a quote open"));
        // Traffic without a header: nothing of it is repeated.
        assert!(!error("0,padaria,receive_message,w,5500900000001").contains("55009"));
    }
}
