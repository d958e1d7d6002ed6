//! Why a line is passed over, by kind: so that a report can count.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Longer than a line may be.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON.
    NotJson,
    /// JSON, but no body of a known form.
    UnknownBody,
    /// A part of a body that cannot be read.
    MalformedPart,
    /// A body that does not say whose it is.
    NoTenant,
    /// A quote that is never closed, or another number of fields than the header has.
    NotARecord,
    /// A field that must not be empty.
    EmptyField,
    /// A time that is none, or may mean several.
    Time,
    /// A quantity that is none, or may mean several.
    Quantity,
    /// A time far ahead of the lines before.
    TimeAhead,
    /// A tenant that the database does not know.
    UnknownTenant,
    /// An action that the catalog does not know.
    UnknownAction,
    /// An idempotency key that was used with other arguments.
    KeyConflict,
    /// Anything else that the engine does not take.
    Refused,
}

impl Fault {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::TooLong => "too_long",
            Fault::NotUtf8 => "not_utf8",
            Fault::NotJson => "not_json",
            Fault::UnknownBody => "unknown_body",
            Fault::MalformedPart => "malformed_part",
            Fault::NoTenant => "no_tenant",
            Fault::NotARecord => "not_a_record",
            Fault::EmptyField => "empty_field",
            Fault::Time => "time",
            Fault::Quantity => "quantity",
            Fault::TimeAhead => "time_ahead",
            Fault::UnknownTenant => "unknown_tenant",
            Fault::UnknownAction => "unknown_action",
            Fault::KeyConflict => "key_conflict",
            Fault::Refused => "refused",
        }
    }

    /// This fault, for this reason.
    pub fn because(self, reason: impl Into<String>) -> Broken {
        Broken { fault: self, reason: reason.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A fault, and which column or path broke which rule. Never shows anything of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong.
    pub fault: Fault,
    /// Where, and what is right.
    pub reason: String,
}

/// A line, or a part of one, that cannot be decided about.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct Malformed {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub fault: Fault,
    /// Which column or path broke which rule. Never shows anything of a contact.
    pub reason: String,
}

impl Broken {
    /// The same, with its line.
    pub fn at(self, line: u64) -> Malformed {
        Malformed { line, fault: self.fault, reason: self.reason }
    }
}

/// How often each fault occurred.
pub type FaultCounts = BTreeMap<Fault, u64>;
