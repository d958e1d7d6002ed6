//! Bodies of `WhatsApp` webhooks: what each of their parts is, and which parts open a session.
//!
//! Hosts, the replay and the bindings read bodies here and nowhere else, so that all of them count
//! the same. Everything is pure: text in, values out. `docs/sessions.md` shows the table of kinds.
//!
//! Three forms are read: the Cloud API's, also as its gateways pass it on (360dialog: the `value`
//! alone), and that of Evolution API. A form may lie in a wrapping of a workflow tool or a log.

mod cloud;
mod evolution;
mod form;
mod kind;
mod node;

use serde::Serialize;
use serde_json::Value;

pub use self::kind::Kind;
use self::node::BodyNode;
use crate::clock::Timestamp;
use crate::twice::twice;

/// What one body says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Body {
    /// Whether the body is of a known form. One that is not says nothing.
    pub known: bool,
    /// Its parts, in their order.
    pub events: Vec<BodyPart>,
    /// Parts that cannot be read. Each invalidates only itself.
    pub malformed: Vec<MalformedPart>,
}

/// One part of a body: a message, a status, a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BodyPart {
    /// What it is.
    pub kind: Kind,
    /// Whether it opens a session: its contact wrote or called, or a template was sent.
    pub opens: bool,
    /// The business number's id, or the instance; absent where the gateway does not say it.
    pub channel: Option<String>,
    /// All ids of the one contact, or the id of the one group. The first is the one to decide
    /// with; link the others to it. Never empty where `opens`.
    pub contacts: Vec<String>,
    /// The message's or call's id: the same at every delivery.
    pub id: Option<String>,
    /// When it happened. Never absent where `opens`.
    #[serde(serialize_with = "crate::json::text_or_null")]
    pub at: Option<Timestamp>,
    /// The same in milliseconds since 1970, as calls with flat arguments take it.
    pub at_ms: Option<i64>,
    /// The status of a status: `sent`, `delivered`, `read`, `failed`.
    pub status: Option<String>,
}

/// A part of a body that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{path} {rule}")]
pub struct MalformedPart {
    /// Where it stands, such as `entry[0].changes[0].value.statuses[1]`.
    pub path: String,
    /// The rule that it breaks. Shows nothing of a contact.
    pub rule: String,
}

/// A body that is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not JSON from line {line}, column {column} on")]
pub struct NotJson {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

/// Reads one body, or a list of bodies. Blocks on nothing.
///
/// ```
/// let body = br#"{"object": "whatsapp_business_account", "entry": [{"changes": [{
///     "field": "messages",
///     "value": {
///         "metadata": {"phone_number_id": "100000000000001"},
///         "messages": [{
///             "from": "5500900000001", "from_user_id": "BR.1", "id": "wamid.1",
///             "timestamp": "1779278400", "type": "text"
///         }]
///     }
/// }]}]}"#;
/// let body = cotas::whatsapp::read(body)?;
/// let message = &body.events[0];
/// assert!(message.opens);
/// assert_eq!(message.contacts, ["5500900000001", "BR.1"]);
/// # Ok::<(), cotas::whatsapp::NotJson>(())
/// ```
pub fn read(body: &[u8]) -> Result<Body, NotJson> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| NotJson { line: error.line(), column: error.column() })?;
    let mut found = Body::default();
    let twice = twice(body);
    if !twice.is_empty() {
        let rule = "is given twice; which of the two counts is unclear";
        let malformed = |path| MalformedPart { path, rule: rule.to_owned() };
        return Ok(Body { malformed: twice.into_iter().map(malformed).collect(), ..found });
    }
    form::read(&BodyNode::root(&value), &mut found);
    Ok(found)
}

/// What goes with a part besides its kind.
#[derive(Default)]
struct Part {
    channel: Option<String>,
    contacts: Vec<String>,
    id: Option<String>,
    at: Option<Timestamp>,
    status: Option<String>,
}

impl Body {
    /// Adds a part that was read, or the rule that it breaks.
    fn add(&mut self, part: Result<(Kind, Part), MalformedPart>) {
        match part {
            Ok((kind, part)) => self.events.push(BodyPart {
                kind,
                opens: kind.opens(),
                channel: part.channel,
                contacts: part.contacts,
                id: part.id,
                at: part.at,
                at_ms: part.at.map(Timestamp::ms),
                status: part.status,
            }),
            Err(malformed) => self.malformed.push(malformed),
        }
    }

    /// Adds a part of which nothing more is known.
    fn add_bare(&mut self, kind: Kind, channel: Option<&str>) {
        let channel = channel.map(str::to_owned);
        self.add(Ok((kind, Part { channel, ..Part::default() })));
    }

    /// Takes the elements of a list, or says that it is none.
    fn list<'a>(&mut self, node: &BodyNode<'a>, name: &str) -> Vec<BodyNode<'a>> {
        node.list(name).unwrap_or_else(|malformed| {
            self.malformed.push(malformed);
            Vec::new()
        })
    }
}

#[cfg(test)]
mod tests;
