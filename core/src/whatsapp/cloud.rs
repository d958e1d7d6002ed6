//! The Cloud API's form: `entry[].changes[].value`.

use std::collections::HashSet;

use super::node::BodyNode;
use super::{Body, Kind, MalformedPart, Part};

/// The lists that a `value` may have.
pub(super) const LISTS: [&str; 7] =
    ["messages", "statuses", "message_echoes", "calls", "history", "state_sync", "user_id_update"];

/// What is known of all parts of one `value`.
struct About<'a> {
    channel: Option<String>,
    contacts: Vec<BodyNode<'a>>,
    /// Whether all parts are of one sender: then a sole contact is that sender.
    one_sender: bool,
}

/// Names of the members that hold a contact's ids.
type IdNames = [&'static str; 3];

const SENDER: IdNames = ["from", "from_user_id", "from_parent_user_id"];
const RECIPIENT: IdNames = ["recipient_id", "recipient_user_id", "recipient_parent_user_id"];
const ADDRESSEE: IdNames = ["to", "to_user_id", "to_parent_user_id"];
const CONTACT: IdNames = ["wa_id", "user_id", "parent_user_id"];

/// Reads a whole body.
pub(super) fn body(node: &BodyNode<'_>, found: &mut Body) {
    for entry in found.list(node, "entry") {
        for one in found.list(&entry, "changes") {
            change(&one, found);
        }
    }
}

/// Reads one change: a field and its value.
pub(super) fn change(node: &BodyNode<'_>, found: &mut Body) {
    let field = match node.text("field") {
        Ok(field) => field,
        Err(malformed) => return found.malformed.push(malformed),
    };
    let known = [
        "messages",
        "calls",
        "smb_message_echoes",
        "history",
        "smb_app_state_sync",
        "user_id_update",
    ];
    // What is about something else, the account or its templates, is no traffic.
    let Some(field) = field.filter(|field| known.contains(field)) else { return };
    match node.member("value") {
        Ok(Some(inner)) => value(&inner, Some(field), found),
        Ok(None) => found.malformed.push(node.breaks("has no value")),
        Err(malformed) => found.malformed.push(malformed),
    }
}

/// Reads a value, of whatever field.
pub(super) fn value(node: &BodyNode<'_>, field: Option<&str>, found: &mut Body) {
    if !node.value.is_object() {
        return found.malformed.push(node.breaks("is not an object"));
    }
    let about = match About::of(node) {
        Ok(about) => about,
        Err(malformed) => return found.malformed.push(malformed),
    };
    let channel = about.channel.as_deref();
    let before = found.events.len() + found.malformed.len();
    for message in found.list(node, "messages") {
        // Whatever stands in a history was sent long ago.
        if !matches!(field, Some("history")) {
            found.add(read_message(&message, &about));
        }
    }
    for status in found.list(node, "statuses") {
        found.add(read_status(&status, &about));
    }
    for echo in found.list(node, "message_echoes") {
        found.add(read_echo(&echo, &about));
    }
    for call in found.list(node, "calls") {
        found.add(read_call(&call, &about));
    }
    for change in found.list(node, "user_id_update") {
        found.add(read_id_update(&change, &about));
    }
    if node.get("history").is_some() || matches!(field, Some("history")) {
        found.add_bare(Kind::History, channel);
    }
    if node.get("state_sync").is_some() || matches!(field, Some("smb_app_state_sync")) {
        found.add_bare(Kind::ContactSync, channel);
    }
    let is_silent = found.events.len() + found.malformed.len() == before;
    if is_silent && node.get("errors").is_some() {
        found.add_bare(Kind::Error, channel);
    }
}

impl<'a> About<'a> {
    fn of(node: &BodyNode<'a>) -> Result<About<'a>, MalformedPart> {
        let channel = match node.member("metadata")? {
            Some(metadata) => metadata.id("phone_number_id")?,
            None => None,
        };
        // A list of contacts that is broken names no contact; the parts may do without.
        let contacts = node.list("contacts").unwrap_or_default();
        let messages = node.list("messages").unwrap_or_default();
        let senders: HashSet<_> = messages.iter().filter_map(sender).collect();
        Ok(About { channel, contacts, one_sender: senders.len() <= 1 })
    }

    /// All ids of the one who is named by `names` in `node`, the part's own first.
    fn ids(&self, node: &BodyNode<'_>, names: IdNames) -> Result<Vec<String>, MalformedPart> {
        let mut ids = Vec::new();
        for name in names {
            push(&mut ids, node.id(name)?);
        }
        let same = |contact: &&BodyNode<'a>| {
            let is_theirs =
                |name| contact.id(name).ok().flatten().is_some_and(|id| ids.contains(&id));
            CONTACT.into_iter().any(is_theirs)
        };
        let sole = match self.contacts.as_slice() {
            [one] if self.one_sender => Some(one),
            _ => None,
        };
        if let Some(contact) = self.contacts.iter().find(same).or(sole) {
            for name in CONTACT {
                push(&mut ids, contact.id(name).ok().flatten());
            }
        }
        Ok(ids)
    }

    /// The part that opens a session, which must say whose it is and when it happened.
    fn part(&self, node: &BodyNode<'_>, names: IdNames) -> Result<Part, MalformedPart> {
        Ok(Part {
            channel: self.channel.clone(),
            contacts: self.ids(node, names)?,
            id: node.id("id")?,
            at: node.time("timestamp")?,
            status: None,
        })
    }
}

/// The first id of a message's sender.
fn sender<'a>(message: &BodyNode<'a>) -> Option<&'a str> {
    SENDER.into_iter().find_map(|name| message.get_text(name))
}

fn push(ids: &mut Vec<String>, id: Option<String>) {
    if let Some(id) = id.filter(|id| !ids.contains(id)) {
        ids.push(id);
    }
}

/// A part of this kind, if it says all that the kind needs.
fn checked(kind: Kind, part: Part, node: &BodyNode<'_>) -> Result<(Kind, Part), MalformedPart> {
    if kind.opens() && part.contacts.is_empty() {
        return Err(node.breaks("names no contact"));
    }
    if kind.opens() && part.at.is_none() {
        return Err(node.breaks("has no timestamp"));
    }
    Ok((kind, part))
}

fn read_message(node: &BodyNode<'_>, about: &About<'_>) -> Result<(Kind, Part), MalformedPart> {
    let kind = match node.text("type")? {
        Some("system") => return read_notice(node, about),
        Some("request_welcome") => Kind::Welcome,
        Some("reaction") => Kind::Reaction,
        Some("edit") => Kind::Edit,
        Some("revoke") => Kind::Revocation,
        Some("errors") => Kind::Error,
        // Also a type that is not supported: the contact wrote, whatever it was.
        _ => Kind::Message,
    };
    let mut part = about.part(node, SENDER)?;
    if let Some(group) = node.id("group_id")? {
        // A group is one contact, whichever member writes.
        part.contacts = vec![group];
    }
    checked(kind, part, node)
}

/// A system message: the contact wrote nothing, but may have another id now.
fn read_notice(node: &BodyNode<'_>, about: &About<'_>) -> Result<(Kind, Part), MalformedPart> {
    let system = node.member("system")?;
    let kind = system.as_ref().and_then(|system| system.get_text("type"));
    let is_change =
        ["user_changed_number", "customer_changed_number", "user_changed_user_id"].map(Some);
    let Some(system) = system.as_ref().filter(|_| is_change.contains(&kind)) else {
        return Ok((Kind::Notice, about.part(node, SENDER)?));
    };
    let mut part = about.part(node, SENDER)?;
    for name in ["previous_wa_id", "previous_user_id", "previous_parent_user_id"] {
        push(&mut part.contacts, system.id(name)?);
    }
    if part.contacts.is_empty() {
        push(&mut part.contacts, previous_in_text(system));
    }
    for name in ["wa_id", "new_wa_id", "user_id", "parent_user_id"] {
        push(&mut part.contacts, system.id(name)?);
    }
    Ok((Kind::IdChange, part))
}

/// The previous id, where only the text of the notice says it: "... changed from A to B".
fn previous_in_text(system: &BodyNode<'_>) -> Option<String> {
    let (_, ids) = system.get_text("body")?.rsplit_once(" changed from ")?;
    let (previous, _) = ids.split_once(" to ")?;
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '+';
    let has_digits = previous.contains(|c: char| c.is_ascii_digit());
    (has_digits && previous.chars().all(is_id)).then(|| previous.trim_start_matches('+').to_owned())
}

fn read_status(node: &BodyNode<'_>, about: &About<'_>) -> Result<(Kind, Part), MalformedPart> {
    let status = node.text("status")?;
    let kind = match status {
        Some("sent") if is_template(node) => Kind::Template,
        // The contact took the business's call.
        Some("ACCEPTED") if node.get_text("type") == Some("call") => Kind::Call,
        _ => Kind::Status,
    };
    let mut part = about.part(node, RECIPIENT)?;
    if node.get_text("recipient_type") == Some("group") {
        part.contacts.truncate(1);
    }
    part.status = status.map(str::to_owned);
    checked(kind, part, node)
}

/// Whether what was sent is a template: only templates have these categories.
fn is_template(status: &BodyNode<'_>) -> bool {
    let category = status.get("pricing").and_then(|it| it.get_text("category"));
    let origin = status.get("conversation").and_then(|it| it.get("origin"));
    let origin = origin.and_then(|it| it.get_text("type"));
    let is_of_templates = |category: &str| {
        let category = category.replace('-', "_");
        matches!(
            category.as_str(),
            "marketing"
                | "marketing_lite"
                | "utility"
                | "authentication"
                | "authentication_international"
                | "business_initiated"
        )
    };
    category.or(origin).is_some_and(is_of_templates)
}

/// What the business wrote in the telephone's own app.
fn read_echo(node: &BodyNode<'_>, about: &About<'_>) -> Result<(Kind, Part), MalformedPart> {
    let kind = match node.text("type")? {
        Some("revoke") => Kind::Revocation,
        Some("edit") => Kind::Edit,
        _ => Kind::Echo,
    };
    Ok((kind, about.part(node, ADDRESSEE)?))
}

fn read_call(node: &BodyNode<'_>, about: &About<'_>) -> Result<(Kind, Part), MalformedPart> {
    let by_business = node.text("direction")? == Some("BUSINESS_INITIATED");
    let begins = matches!(node.text("event")?, None | Some("connect"));
    let (kind, names) = match (by_business, begins) {
        (false, true) => (Kind::Call, SENDER),
        (false, false) => (Kind::CallProgress, SENDER),
        (true, _) => (Kind::CallProgress, ADDRESSEE),
    };
    checked(kind, about.part(node, names)?, node)
}

/// A change of ids by the field of its own.
fn read_id_update(node: &BodyNode<'_>, about: &About<'_>) -> Result<(Kind, Part), MalformedPart> {
    let mut part = about.part(node, CONTACT_BUT_OBJECTS)?;
    for name in ["user_id", "parent_user_id"] {
        let Some(ids) = node.member(name)? else { continue };
        for name in ["previous", "current"] {
            push(&mut part.contacts, ids.id(name)?);
        }
    }
    Ok((Kind::IdChange, part))
}

/// In an update only the number is a text: the user ids are objects of old and new.
const CONTACT_BUT_OBJECTS: IdNames = ["wa_id", "from", "from_user_id"];
