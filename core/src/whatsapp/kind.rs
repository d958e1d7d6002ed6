//! What a part of a body may be.

use std::fmt;

use serde::Serialize;

/// What a part of a body is. Only a message, a call and a template open a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The contact wrote, or pressed a button.
    Message,
    /// The contact called, or took the business's call.
    Call,
    /// The business sent a template, as the first status of it says.
    Template,
    /// What became of a message of the business's.
    Status,
    /// The business wrote in the telephone's own app.
    Echo,
    /// The contact put a mark on a message, or took it off.
    Reaction,
    /// A message was changed.
    Edit,
    /// A message was taken back.
    Revocation,
    /// A system message: the contact wrote nothing.
    Notice,
    /// The contact opened the chat without a word.
    Welcome,
    /// The contact has another number or user id: link all ids.
    IdChange,
    /// A call went on or ended, or the business called.
    CallProgress,
    /// Old messages of the telephone's app.
    History,
    /// The address book of the telephone's app.
    ContactSync,
    /// Nothing but errors.
    Error,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 15] = [
        Kind::Message,
        Kind::Call,
        Kind::Template,
        Kind::Status,
        Kind::Echo,
        Kind::Reaction,
        Kind::Edit,
        Kind::Revocation,
        Kind::Notice,
        Kind::Welcome,
        Kind::IdChange,
        Kind::CallProgress,
        Kind::History,
        Kind::ContactSync,
        Kind::Error,
    ];

    /// Whether it opens a session.
    #[must_use]
    pub const fn opens(self) -> bool {
        matches!(self, Kind::Message | Kind::Call | Kind::Template)
    }

    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Call => "call",
            Kind::Template => "template",
            Kind::Status => "status",
            Kind::Echo => "echo",
            Kind::Reaction => "reaction",
            Kind::Edit => "edit",
            Kind::Revocation => "revocation",
            Kind::Notice => "notice",
            Kind::Welcome => "welcome",
            Kind::IdChange => "id_change",
            Kind::CallProgress => "call_progress",
            Kind::History => "history",
            Kind::ContactSync => "contact_sync",
            Kind::Error => "error",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
