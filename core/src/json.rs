//! How values are written in JSON documents, the same in C, in Python and on the command line:
//! keys in snake case; instants as RFC 3339 text in UTC; dates as `2026-05-20`; money in cents,
//! under a key that says so; what is absent as `null`.

use std::fmt::Display;

use serde::{Serialize, Serializer};

/// Writes a value as its text: an instant, an id.
pub(crate) fn text<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Writes a value as its text, or `null`.
#[allow(clippy::ref_option)] // What serde hands over.
pub(crate) fn text_or_null<T: Display, S: Serializer>(
    value: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(to)
}
