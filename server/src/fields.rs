//! The fields of requests: each is described once, read strictly, and named where it is wrong. No
//! message repeats a value that may be personal.

use std::time::Duration;

use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use cotas::Timestamp;
use cotas::control::twice;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// A field of a request.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub of: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// What a field may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text.
    Text,
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// A whole number from 0 on.
    Units,
    /// `true` or `false`.
    Flag,
    /// An RFC 3339 time.
    Instant,
    /// A whole number of seconds.
    Seconds,
    /// An object: a resource and its units, for each resource.
    UnitsByResource,
    /// Anything: it is dropped before it is read.
    Dropped,
}

impl Kind {
    /// What it may be, in words.
    #[must_use]
    pub fn expected(self) -> String {
        let words = match self {
            Kind::Text => "text",
            Kind::OneOf(words) => return format!("one of {}", words.join(", ")),
            Kind::Units => "a whole number from 0 on",
            Kind::Flag => "true or false",
            Kind::Instant => "an RFC 3339 time such as 2026-05-20T12:00:00Z",
            Kind::Seconds => "a whole number of seconds from 1 on",
            Kind::UnitsByResource => "an object such as {\"sessions\": 100}",
            Kind::Dropped => "anything",
        };
        words.to_owned()
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Kind::Text => value.is_string(),
            Kind::OneOf(words) => value.as_str().is_some_and(|it| words.contains(&it)),
            Kind::Units => value.is_u64(),
            Kind::Flag => value.is_boolean(),
            Kind::Instant => value.as_str().and_then(Timestamp::parse_rfc3339).is_some(),
            Kind::Seconds => value.as_u64().is_some_and(|it| it > 0),
            Kind::UnitsByResource => {
                value.as_object().is_some_and(|it| !it.is_empty() && it.values().all(Value::is_u64))
            }
            Kind::Dropped => true,
        }
    }
}

/// A field that must be there.
pub(crate) const fn required(name: &'static str, of: Kind, meaning: &'static str) -> Field {
    Field { name, of, required: true, meaning }
}

/// A field that may be left out.
pub(crate) const fn optional(name: &'static str, of: Kind, meaning: &'static str) -> Field {
    Field { name, of, required: false, meaning }
}

/// The fields that came, each of which is known and fits.
#[derive(Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Those of a JSON body; an empty one has none.
    pub(crate) fn of_body(known: &[Field], body: &[u8]) -> Result<Fields, Problem> {
        Fields::checked(known, object(body)?)
    }

    /// Those of the query of an address.
    pub(crate) fn of_query(known: &[Field], uri: &Uri) -> Result<Fields, Problem> {
        let wrong = |_| Problem::new(StatusCode::BAD_REQUEST, "the query cannot be read");
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(wrong)?;
        let mut values = Map::new();
        for (name, text) in pairs {
            let of = known.iter().find(|it| it.name == name).map(|it| it.of);
            let value = match of {
                Some(Kind::Units | Kind::Seconds | Kind::Flag) => {
                    serde_json::from_str(&text).unwrap_or(Value::String(text))
                }
                _ => Value::String(text),
            };
            if values.insert(name.clone(), value).is_some() {
                return Err(Problem::field(&shown(&name), "it is given twice"));
            }
        }
        Fields::checked(known, values)
    }

    fn checked(known: &[Field], mut values: Map<String, Value>) -> Result<Fields, Problem> {
        // `null` is the same as nothing.
        values.retain(|_, value| !value.is_null());
        if let Some(name) = values.keys().find(|name| !known.iter().any(|it| it.name == **name)) {
            let names: Vec<_> = known.iter().map(|it| it.name).collect();
            let expected = match names.as_slice() {
                [] => "no field is expected".to_owned(),
                names => format!("expected {}", names.join(", ")),
            };
            return Err(Problem::field(&shown(name), format!("unknown field ({expected})")));
        }
        for field in known {
            match values.get(field.name) {
                None if field.required => {
                    let expected = field.of.expected();
                    let why = format!("it is missing; it must be {expected}");
                    return Err(Problem::field(field.name, why));
                }
                Some(value) if !field.of.fits(value) => {
                    let expected = field.of.expected();
                    return Err(Problem::field(field.name, format!("it must be {expected}")));
                }
                _ => {}
            }
        }
        Ok(Fields(values))
    }

    /// A text; empty where it was left out.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.text_or_none(name).unwrap_or_default()
    }

    pub(crate) fn text_or_none(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub(crate) fn units(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn instant(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(self.text_or_none(name)?)
    }

    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        self.units(name).map(Duration::from_secs)
    }

    /// Resources with their units.
    pub(crate) fn units_by_resource(&self, name: &str) -> Vec<(&str, u64)> {
        let units = self.0.get(name).and_then(Value::as_object).into_iter().flatten();
        units.filter_map(|(name, units)| Some((name.as_str(), units.as_u64()?))).collect()
    }
}

/// The name of a field that is not ours, cut to what a message has place for.
fn shown(name: &str) -> String {
    name.chars().filter(|it| !it.is_control()).take(64).collect()
}

/// The members of a JSON object. A key that is given twice, at any depth, is refused: nothing says
/// which of the two was meant.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    let members = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let place = format!("line {line}, column {column}");
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not a JSON object ({place})"))
    })?;
    match twice(body).first() {
        None => Ok(members),
        Some(key) => Err(Problem::field(&shown(key), "it is given twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Field] = &[
        required("resource", Kind::Text, ""),
        optional("units", Kind::Units, ""),
        optional("pending", Kind::Flag, ""),
    ];

    fn why(body: &str) -> String {
        let problem = Fields::of_body(KNOWN, body.as_bytes()).expect_err("is refused");
        serde_json::to_value(&problem).expect("is JSON").to_string()
    }

    #[test]
    fn a_field_that_is_wrong_is_named() {
        for (body, expected) in [
            ("{}", r#""field":"resource""#),
            (r#"{"resource": 1}"#, "resource: it must be text"),
            (r#"{"resource": "x", "units": -1}"#, "units: it must be a whole number"),
            (r#"{"resource": "x", "units": 1.5}"#, "units: it must be a whole number"),
            (r#"{"resource": "x", "units": "1"}"#, "units: it must be a whole number"),
            (r#"{"resource": "x", "unit": 1}"#, "unit: unknown field"),
            (r#"{"resource": "x", "resource": "y"}"#, "resource: it is given twice"),
            (r#"{"resource": {"a": [{"b": 1, "b": 2}]}}"#, "resource.a.0.b: it is given twice"),
            (r#"{"resource": "x", "pending": 1}"#, "pending: it must be true or false"),
            ("[]", "not a JSON object"),
            ("{", "not a JSON object"),
            ("\u{0}", "not a JSON object"),
            (r#"{"resource": "x"} {}"#, "not a JSON object"),
        ] {
            let found = why(body);
            assert!(found.contains(expected), "{body}: {found}");
        }
    }

    #[test]
    fn queries_are_read_like_bodies() {
        let read = |query: &str| {
            let uri: Uri = format!("/x?{query}").parse().expect("is an address");
            Fields::of_query(KNOWN, &uri)
        };
        let fields = read("resource=a%20b&units=7&pending=true").expect("is read");
        assert_eq!((fields.text("resource"), fields.units("units")), ("a b", Some(7)));
        assert!(fields.flag("pending"));
        for wrong in ["units=7", "resource=x&units=y", "resource=x&resource=y", "resource=x&z=1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
