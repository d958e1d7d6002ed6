//! Reading the JSON of a webhook, field by field, so that an error can name the field.
//!
//! Values stay the pieces of text that they are until they are asked for: a number is never a
//! float, and what is not asked for, cards and names, is never taken out of the body.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use serde_json::value::RawValue;

use super::Cents;
use crate::clock::Timestamp;
use crate::twice::twice;

/// The longest body of a webhook, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The deepest that lists and objects may lie in each other. Real payloads have five levels.
const DEPTH_MAX: usize = 64;
/// The longest id, code or name that is taken from a body, in bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// The longest piece of a body that a message repeats, in characters.
const SHOWN_CHARS_MAX: usize = 40;

/// Why a webhook's body could not be read. No message repeats a text of the body, only amounts and
/// dates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Longer than any webhook is.
    #[error("the body has {bytes} bytes; {BODY_BYTES_MAX} at most are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Nested deeper than any webhook is.
    #[error("the body nests lists and objects more than {DEPTH_MAX} deep")]
    TooDeep,
    /// Not JSON, or not UTF-8.
    #[error("the body is not JSON (line {line}, column {column})")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A field that is given twice: which one counts is unclear.
    #[error("the field {field:?} is given twice")]
    Twice {
        /// Its path, such as `payment.id`.
        field: String,
    },
    /// A field without which the event cannot be distinguished from others.
    #[error("the field {field:?} is missing")]
    Missing {
        /// Its path, such as `payment.id`.
        field: String,
    },
    /// A field of another type.
    #[error("{} is {found}, not {expected}", named(field))]
    WrongType {
        /// Its path; empty for the body itself.
        field: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// An id or a name that none can be.
    #[error("the field {field:?} is longer than {TEXT_BYTES_MAX} bytes or has control characters")]
    Text {
        /// Its path.
        field: String,
    },
    /// A number that is not an amount of money.
    #[error(
        "the field {field:?} is {value}, which is not an amount of money from 0 to 10000000000.00"
    )]
    Amount {
        /// Its path.
        field: String,
        /// The number.
        value: String,
    },
    /// A text that is not a date of this gateway.
    #[error("the field {field:?} is {value:?}, which is not a date or time of this gateway")]
    Date {
        /// Its path.
        field: String,
        /// The text; what is in no date is a question mark.
        value: String,
    },
}

/// What a message calls a field; the empty path is the body itself.
fn named(field: &str) -> String {
    if field.is_empty() { "the body".to_owned() } else { format!("the field {field:?}") }
}

/// Whether an id, a code or a name may be this.
pub(super) fn is_text(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control)
}

/// What a message shows of `text`: its beginning, and of that only what dates and amounts consist
/// of, lest a name or a token comes to light.
pub(super) fn shown(text: &str) -> String {
    let is_harmless = |c: &char| c.is_ascii_digit() || " +-/:.,_eETZ".contains(*c);
    let mut shown: String =
        text.chars().take(SHOWN_CHARS_MAX).map(|c| if is_harmless(&c) { c } else { '?' }).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// As [`shown`], of what should be a date: one of 16 digits is a card's, whatever it should be.
fn shown_date(text: &str) -> String {
    // Date, time and offset; fractions of a second are seldom given.
    const DIGITS_MAX: usize = 8 + 6;
    if text.chars().filter(char::is_ascii_digit).count() <= DIGITS_MAX {
        return shown(text);
    }
    shown(text).replace(|c: char| c.is_ascii_digit(), "?")
}

/// An object in a body.
pub(super) struct Object<'a> {
    /// Where it stands: empty, or ends in a point.
    path: String,
    fields: BTreeMap<String, &'a RawValue>,
}

impl<'a> Object<'a> {
    /// Reads a whole body.
    pub(super) fn parse(body: &'a [u8]) -> Result<Object<'a>, PayloadError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(PayloadError::TooLarge { bytes: body.len() });
        }
        if depth(body) > DEPTH_MAX {
            return Err(PayloadError::TooDeep);
        }
        let raw: &RawValue = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        if let Some(field) = twice(body).into_iter().next() {
            return Err(PayloadError::Twice { field });
        }
        Object::of(raw, String::new())
    }

    fn of(raw: &'a RawValue, path: String) -> Result<Object<'a>, PayloadError> {
        if !raw.get().starts_with('{') {
            return Err(wrong_type(path.trim_end_matches('.'), "an object", raw));
        }
        let fields = serde_json::from_str(raw.get()).map_err(|error| not_json(&error))?;
        Ok(Object { path, fields })
    }

    /// The path of a field.
    fn field(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// The text of a field's value; `None` if it is absent or null.
    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.get(name).copied().filter(|raw| raw.get() != "null")
    }

    /// The error for a field that has to be there.
    pub(super) fn missing(&self, name: &str) -> PayloadError {
        PayloadError::Missing { field: self.field(name) }
    }

    /// Whether a field's value is an object.
    pub(super) fn has_object(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw.get().starts_with('{'))
    }

    /// A field that is an object, unless it is absent or null.
    pub(super) fn object(&self, name: &str) -> Result<Option<Object<'a>>, PayloadError> {
        self.raw(name).map(|raw| Object::of(raw, format!("{}.", self.field(name)))).transpose()
    }

    /// A field that is a list of objects; empty if it is absent or null.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Object<'a>>, PayloadError> {
        let Some(raw) = self.raw(name) else { return Ok(Vec::new()) };
        let field = self.field(name);
        let items: Vec<&'a RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| wrong_type(&field, "a list of objects", raw))?;
        let item = |(index, raw)| Object::of(raw, format!("{field}[{index}]."));
        items.into_iter().enumerate().map(item).collect()
    }

    /// A field that is a text, unless it is absent, null or empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, PayloadError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let text: String = serde_json::from_str(raw.get())
            .map_err(|_| wrong_type(&self.field(name), "a text", raw))?;
        if !is_text(&text) {
            return Err(PayloadError::Text { field: self.field(name) });
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// A field that is an id or an object with an id, unless it is absent, null or empty.
    pub(super) fn id(&self, name: &str) -> Result<Option<String>, PayloadError> {
        if self.has_object(name) {
            return self.object(name)?.map_or(Ok(None), |object| object.text("id"));
        }
        self.text(name)
    }

    /// The object's own id.
    pub(super) fn own_id(&self) -> Result<String, PayloadError> {
        self.text("id")?.ok_or_else(|| self.missing("id"))
    }

    /// A field that is a decimal number of the currency's unit, unless it is absent or null.
    pub(super) fn decimal(&self, name: &str) -> Result<Option<Cents>, PayloadError> {
        self.number(name, |text| Cents::parse(text).ok())
    }

    /// A field that is a whole number of cents, unless it is absent or null.
    pub(super) fn cents(&self, name: &str) -> Result<Option<Cents>, PayloadError> {
        self.number(name, |text| Cents::new(text.parse().ok()?).ok())
    }

    /// A field that is a whole number of a few, unless it is absent or null.
    pub(super) fn count(&self, name: &str) -> Result<Option<u32>, PayloadError> {
        self.number(name, |text| text.parse().ok())
    }

    fn number<T>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, PayloadError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        if !raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(wrong_type(&self.field(name), "a number", raw));
        }
        let wrong = || PayloadError::Amount { field: self.field(name), value: shown(raw.get()) };
        read(raw.get()).map(Some).ok_or_else(wrong)
    }

    /// A field that is a text which `read` understands, unless it is absent, null or empty.
    pub(super) fn date<T>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, PayloadError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let wrong = || PayloadError::Date { field: self.field(name), value: shown_date(&text) };
        read(&text).map(Some).ok_or_else(wrong)
    }
}

/// A day, written `2024-06-12` or `12/06/2024`: the month is never first.
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    let format = if has_shape(text, "dddd-dd-dd") {
        "%Y-%m-%d"
    } else if has_shape(text, "dd/dd/dddd") {
        "%d/%m/%Y"
    } else {
        return None;
    };
    NaiveDate::parse_from_str(text, format).ok()
}

/// A time of day on a day, written `2024-06-12 16:45:03`, in no zone.
pub(super) fn wall_time(text: &str) -> Option<NaiveDateTime> {
    has_shape(text, "dddd-dd-dd dd:dd:dd")
        .then(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok())?
}

/// An instant in RFC 3339, or without a zone and then in UTC.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).or_else(|| {
        let text = text
            .get(..19)
            .filter(|start| has_shape(start, "dddd-dd-ddTdd:dd:dd"))
            .and(Some(text))?;
        let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
        Some(at.and_utc().into())
    })
}

/// Whether `text` is `shape` with a digit for every `d`. Chrono alone would take signs and blanks.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, expected)| {
            if expected == b'd' { byte.is_ascii_digit() } else { byte == expected }
        })
}

/// How deep lists and objects lie in each other; of what is not JSON, anything.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Only the place: what `serde_json` says repeats the text.
fn not_json(error: &serde_json::Error) -> PayloadError {
    PayloadError::NotJson { line: error.line(), column: error.column() }
}

fn wrong_type(field: &str, expected: &'static str, raw: &RawValue) -> PayloadError {
    let found = match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    };
    // A text that is not Unicode, or a list with something else in it.
    let found = if expected.starts_with(found) { "one that cannot be read" } else { found };
    PayloadError::WrongType { field: field.to_owned(), expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<Object<'_>, PayloadError> {
        Object::parse(body)
    }

    fn error<T>(result: Result<T, PayloadError>) -> PayloadError {
        result.err().unwrap()
    }

    #[test]
    fn a_body_above_one_mebibyte_is_refused() {
        let mut body = b"{}".to_vec();
        body.resize(BODY_BYTES_MAX, b' ');
        assert!(parse(&body).is_ok());
        body.push(b' ');
        assert_eq!(error(parse(&body)), PayloadError::TooLarge { bytes: BODY_BYTES_MAX + 1 });
    }

    #[test]
    fn deep_nesting_is_refused() {
        let nested = |depth: usize| {
            format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes()
        };
        assert!(parse(&nested(DEPTH_MAX - 1)).is_ok());
        assert_eq!(error(parse(&nested(DEPTH_MAX))), PayloadError::TooDeep);
        assert_eq!(error(parse(&vec![b'['; BODY_BYTES_MAX])), PayloadError::TooDeep);
        let brackets = format!(r#"{{"a":"\"{}"}}"#, "[".repeat(100));
        assert!(parse(brackets.as_bytes()).is_ok());
    }

    #[test]
    fn what_is_not_json_is_refused_by_place_only() {
        for body in [
            &b""[..],
            b"event=PAYMENT_RECEIVED",
            b"{\"a\":1,}",
            b"{\"a\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"{} {}",
            b"{\"a\":\"secret}",
            b"{\"a\":01}",
            b"{\"a\":NaN}",
        ] {
            assert!(matches!(error(parse(body)), PayloadError::NotJson { .. }), "{body:?}");
        }
        assert!(!error(parse(b"{\"a\":\"secret")).to_string().contains("secret"));
    }

    #[test]
    fn a_field_that_is_given_twice_is_refused() {
        let body = br#"{"a":{"id":"x","id":"y"}}"#;
        assert_eq!(error(parse(body)), PayloadError::Twice { field: "a.id".to_owned() });
    }

    #[test]
    fn a_body_that_is_no_object_is_a_wrong_type() {
        for (body, found) in
            [("[]", "a list"), ("\"x\"", "a text"), ("1", "a number"), ("null", "null")]
        {
            let expected =
                PayloadError::WrongType { field: String::new(), expected: "an object", found };
            assert_eq!(error(parse(body.as_bytes())), expected);
        }
    }

    #[test]
    fn errors_name_the_field_and_not_its_text() {
        let body = br#"{"a":{"b":"4111 1111","n":"x","l":[1],"t":7,"s":"\ud800","d":"Ana 12/2"}}"#;
        let a = parse(body).unwrap().object("a").unwrap().unwrap();
        let messages = [
            error(a.object("b")).to_string(),
            error(a.decimal("n")).to_string(),
            error(a.objects("l")).to_string(),
            error(a.text("t")).to_string(),
            error(a.text("s")).to_string(),
            error(a.date("d", day)).to_string(),
            a.missing("id").to_string(),
        ];
        assert_eq!(
            messages,
            [
                r#"the field "a.b" is a text, not an object"#,
                r#"the field "a.n" is a text, not a number"#,
                r#"the field "a.l[0]" is a number, not an object"#,
                r#"the field "a.t" is a number, not a text"#,
                r#"the field "a.s" is one that cannot be read, not a text"#,
                r#"the field "a.d" is "??? 12/2", which is not a date or time of this gateway"#,
                r#"the field "a.id" is missing"#,
            ]
        );
    }

    #[test]
    fn texts_have_a_length_and_no_control_characters() {
        for (text, accepted) in
            [("x".repeat(TEXT_BYTES_MAX), true), ("x".repeat(TEXT_BYTES_MAX + 1), false)]
        {
            let body = format!("{{\"id\":\"{text}\"}}");
            assert_eq!(parse(body.as_bytes()).unwrap().own_id().is_ok(), accepted);
        }
        let error = error(parse(br#"{"id":"a\u0000b"}"#).unwrap().own_id());
        assert_eq!(error, PayloadError::Text { field: "id".to_owned() });
    }

    #[test]
    fn days_are_read_in_two_shapes_only() {
        let expected = NaiveDate::from_ymd_opt(2025, 4, 5);
        assert_eq!(day("05/04/2025"), expected);
        assert_eq!(day("2025-04-05"), expected);
        for text in
            ["", "5/4/2025", "2025-4-5", "+025-04-05", "31/02/2025", "04/31/2025", "2025/04/05"]
        {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn instants_are_read_with_and_without_a_zone() {
        let at = |text| Timestamp::parse_rfc3339(text);
        assert_eq!(instant("2025-01-01T04:15:39Z"), at("2025-01-01T04:15:39Z"));
        assert_eq!(instant("2017-06-29T20:23:47"), at("2017-06-29T20:23:47Z"));
        assert_eq!(instant("2023-10-10T20:28:13.6201993Z"), at("2023-10-10T20:28:13.620Z"));
        assert_eq!(instant("2023-10-10T20:28:13.62"), at("2023-10-10T20:28:13.620Z"));
        for text in
            ["", "2025-01-01", "2025-01-01T04:15", "2025-01-01T04:15:39é", "+2025-01-01T04:15:39"]
        {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
