//! Arguments of operations: what each may be, and how it is read. No message repeats a value that
//! may be personal.

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::Operation;
use crate::billing::Cents;
use crate::catalog::{Feature, Limit};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::unknown::UnknownName;

/// An argument of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name: a member of the object of arguments.
    pub name: &'static str,
    /// What it may be.
    pub of: ArgumentType,
    /// Whether it may be left out.
    pub presence: Presence,
    /// What it means.
    pub meaning: &'static str,
}

/// Whether an argument may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must be given.
    Required,
    /// It must be given. `null` is a value with a meaning, which the argument says.
    Nullable,
    /// It may be left out, which is the same as `null`.
    Optional,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug)]
pub enum ArgumentType {
    /// Text.
    Text,
    /// One of some texts.
    Code(fn() -> Vec<&'static str>),
    /// A whole number from 0 on.
    Units,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A date `2026-05-20`.
    Date,
    /// An RFC 3339 time.
    Instant,
    /// A whole number of cents.
    Cents,
    /// A number of units, `"unlimited"` or `"disabled"`.
    Limit,
    /// `true`, `false` or the name of a level.
    Feature,
    /// An object, which the operation itself reads: its name in `docs/operations.md`.
    Object(&'static str),
    /// A list of such objects.
    List(&'static str),
}

impl Argument {
    pub(super) const fn required(
        name: &'static str,
        of: ArgumentType,
        meaning: &'static str,
    ) -> Argument {
        Argument { name, of, presence: Presence::Required, meaning }
    }

    pub(super) const fn nullable(
        name: &'static str,
        of: ArgumentType,
        meaning: &'static str,
    ) -> Argument {
        Argument { name, of, presence: Presence::Nullable, meaning }
    }

    pub(super) const fn optional(
        name: &'static str,
        of: ArgumentType,
        meaning: &'static str,
    ) -> Argument {
        Argument { name, of, presence: Presence::Optional, meaning }
    }

    fn missing(&self) -> Error {
        self.error(format!("it is missing; it must be {}", self.expected()))
    }

    fn wrong(&self, value: &Value) -> Error {
        self.error(format!("it must be {}; found {}", self.expected(), found(value)))
    }

    pub(super) fn error(&self, why: impl Into<String>) -> Error {
        Error::InvalidArgument { what: self.name, why: why.into() }
    }

    /// What it may be, in words.
    #[must_use]
    pub fn expected(&self) -> String {
        let expected = self.of.expected();
        if self.presence == Presence::Nullable { format!("{expected}, or null") } else { expected }
    }
}

impl ArgumentType {
    fn expected(self) -> String {
        let words = match self {
            ArgumentType::Text => "text",
            ArgumentType::Code(all) => return format!("one of {}", all().join(", ")),
            ArgumentType::Units => "a whole number from 0 on",
            ArgumentType::Number => "a whole number",
            ArgumentType::Flag => "true or false",
            ArgumentType::Date => "a date YYYY-MM-DD",
            ArgumentType::Instant => "an RFC 3339 time such as 2026-05-20T12:00:00Z",
            ArgumentType::Cents => "a whole number of cents, not negative",
            ArgumentType::Limit => "a number of units, \"unlimited\" or \"disabled\"",
            ArgumentType::Feature => "true, false or the name of a level",
            ArgumentType::Object(name) => return format!("an object: {name}"),
            ArgumentType::List(name) => return format!("a list of objects: {name}"),
        };
        words.to_owned()
    }

    /// Whether a value is one of these, as far as that can be said without the database.
    fn fits(self, value: &Value) -> bool {
        match self {
            ArgumentType::Text | ArgumentType::Code(_) => value.is_string(),
            ArgumentType::Units => value.is_u64(),
            ArgumentType::Number => value.is_i64(),
            ArgumentType::Flag => value.is_boolean(),
            ArgumentType::Date => date(value).is_some(),
            ArgumentType::Instant => instant(value).is_some(),
            ArgumentType::Cents => cents(value).is_some(),
            ArgumentType::Limit => limit(value).is_some(),
            ArgumentType::Feature => feature(value).is_some(),
            ArgumentType::Object(_) => value.is_object(),
            ArgumentType::List(_) => value.is_array(),
        }
    }
}

/// Readers of values, one for each type that is more than JSON's own.
fn date(value: &Value) -> Option<NaiveDate> {
    value.as_str()?.parse().ok()
}

fn instant(value: &Value) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(value.as_str()?)
}

fn cents(value: &Value) -> Option<Cents> {
    Cents::new(value.as_i64()?).ok()
}

fn limit(value: &Value) -> Option<Limit> {
    match value.as_str() {
        Some("unlimited") => Some(Limit::Unlimited),
        Some("disabled") => Some(Limit::Disabled),
        _ => value.as_u64().map(Limit::Finite),
    }
}

fn feature(value: &Value) -> Option<Feature> {
    match value {
        Value::Bool(flag) => Some(Feature::Flag(*flag)),
        Value::String(level) => Some(Feature::Level(level.clone())),
        _ => None,
    }
}

/// What kind of JSON a value is, without repeating it.
fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number that is not whole or too large",
        Value::Number(number) if number.is_i64() && !number.is_u64() => "a negative number",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What an operation was called with: every member is an argument of it, and none is missing.
pub(super) struct Arguments<'a> {
    operation: &'static Operation,
    values: Option<&'a Map<String, Value>>,
}

impl<'a> Arguments<'a> {
    pub(super) fn of(operation: &'static Operation, values: &'a Value) -> Result<Self, Error> {
        let wrong = |why| Error::InvalidArgument { what: "arguments", why };
        let values = match values {
            Value::Null => None,
            Value::Object(values) => Some(values),
            other => return Err(wrong(format!("a JSON object is needed; found {}", found(other)))),
        };
        let known = |name: &str| operation.arguments.iter().any(|it| it.name == name);
        if let Some(name) = values.into_iter().flat_map(Map::keys).find(|name| !known(name)) {
            let names = operation.arguments.iter().map(|it| it.name);
            let unknown = UnknownName::among(name, names);
            return Err(wrong(format!("{} has no argument {unknown}", operation.name)));
        }
        let given = Arguments { operation, values };
        for argument in operation.arguments {
            let value = values.and_then(|values| values.get(argument.name));
            match (argument.presence, value) {
                (Presence::Required, None | Some(Value::Null)) | (Presence::Nullable, None) => {
                    return Err(argument.missing());
                }
                (_, None | Some(Value::Null)) => {}
                (_, Some(value)) if argument.of.fits(value) => {}
                (_, Some(value)) => return Err(argument.wrong(value)),
            }
        }
        Ok(given)
    }

    /// The argument as the table describes it; an error where it does not.
    pub(super) fn argument(&self, name: &str) -> Result<&'static Argument, Error> {
        self.operation.arguments.iter().find(|it| it.name == name).ok_or_else(|| {
            let why = format!("{} does not describe {name:?}", self.operation.name);
            Error::InvalidArgument { what: "operation", why }
        })
    }

    /// What `read` makes of an argument that is there.
    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let argument = self.argument(name)?;
        let value = self.values.and_then(|values| values.get(name));
        let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| argument.wrong(value))
    }

    /// An argument that must be there.
    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, Error> {
        match value {
            Some(value) => Ok(value),
            None => Err(self.argument(name)?.missing()),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, Error> {
        self.required(name, self.text_or_none(name)?)
    }

    pub(super) fn text_or_none(&self, name: &str) -> Result<Option<&'a str>, Error> {
        self.read(name, Value::as_str)
    }

    pub(super) fn units(&self, name: &str) -> Result<u64, Error> {
        self.required(name, self.units_or_none(name)?)
    }

    pub(super) fn units_or_none(&self, name: &str) -> Result<Option<u64>, Error> {
        self.read(name, Value::as_u64)
    }

    /// A number of at most 32 bits.
    pub(super) fn count_or_none(&self, name: &str) -> Result<Option<u32>, Error> {
        let count = self.units_or_none(name)?;
        count.map(u32::try_from).transpose().or_else(|_| {
            let why = format!("it is too large; {} is the most there can be", u32::MAX);
            Err(self.argument(name)?.error(why))
        })
    }

    pub(super) fn number(&self, name: &str) -> Result<i64, Error> {
        self.required(name, self.number_or_none(name)?)
    }

    pub(super) fn number_or_none(&self, name: &str) -> Result<Option<i64>, Error> {
        self.read(name, Value::as_i64)
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Error> {
        self.required(name, self.flag_or_none(name)?)
    }

    pub(super) fn flag_or_none(&self, name: &str) -> Result<Option<bool>, Error> {
        self.read(name, Value::as_bool)
    }

    pub(super) fn date(&self, name: &str) -> Result<NaiveDate, Error> {
        self.required(name, self.date_or_none(name)?)
    }

    pub(super) fn date_or_none(&self, name: &str) -> Result<Option<NaiveDate>, Error> {
        self.read(name, date)
    }

    pub(super) fn instant_or_none(&self, name: &str) -> Result<Option<Timestamp>, Error> {
        self.read(name, instant)
    }

    pub(super) fn cents_or_none(&self, name: &str) -> Result<Option<Cents>, Error> {
        self.read(name, cents)
    }

    pub(super) fn limit(&self, name: &str) -> Result<Limit, Error> {
        self.required(name, self.limit_or_none(name)?)
    }

    pub(super) fn limit_or_none(&self, name: &str) -> Result<Option<Limit>, Error> {
        self.read(name, limit)
    }

    pub(super) fn feature_or_none(&self, name: &str) -> Result<Option<Feature>, Error> {
        self.read(name, feature)
    }

    /// The value with a code.
    pub(super) fn code<T>(&self, name: &str, from_code: fn(&str) -> Option<T>) -> Result<T, Error> {
        self.required(name, self.code_or_none(name, from_code)?)
    }

    pub(super) fn code_or_none<T>(
        &self,
        name: &str,
        from_code: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(code) = self.text_or_none(name)? else { return Ok(None) };
        let argument = self.argument(name)?;
        let unknown = || {
            let all = if let ArgumentType::Code(all) = argument.of { all() } else { Vec::new() };
            argument.error(format!("unknown value {}", UnknownName::among(code, all)))
        };
        from_code(code).map(Some).ok_or_else(unknown)
    }

    /// An object, as JSON text for a reader that has rules of its own.
    pub(super) fn object(&self, name: &str) -> Result<String, Error> {
        let object = self.read(name, |value| value.is_object().then(|| value.to_string()))?;
        self.required(name, object)
    }

    /// A list, as JSON text for a reader that has rules of its own.
    pub(super) fn list(&self, name: &str) -> Result<String, Error> {
        let list = self.read(name, |value| value.is_array().then(|| value.to_string()))?;
        self.required(name, list)
    }
}
