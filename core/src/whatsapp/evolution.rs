//! The form of Evolution API, which speaks the protocol of the telephone's app: an instance is a
//! channel, and contacts are addresses such as `5500900000001@s.whatsapp.net`.

use super::node::BodyNode;
use super::{Body, Kind, MalformedPart, Part};

/// Whether a body is of this form.
pub(super) fn is_body(node: &BodyNode<'_>) -> bool {
    let is_event = |event: &str| {
        let event = event.to_ascii_lowercase().replace('_', ".");
        ["messages.", "send.message", "contacts.", "chats.", "call", "connection.", "presence."]
            .iter()
            .any(|start| event.starts_with(start))
    };
    node.get("data").is_some()
        && node.get_text("instance").is_some()
        && node.get_text("event").is_some_and(is_event)
}

/// Reads a whole body.
pub(super) fn body(node: &BodyNode<'_>, found: &mut Body) {
    let event = node.get_text("event").unwrap_or_default();
    let event = event.to_ascii_lowercase().replace('_', ".");
    let channel = match node.id("instance") {
        Ok(channel) => channel,
        Err(malformed) => return found.malformed.push(malformed),
    };
    let Some(data) = node.get("data") else { return };
    let parts = data.elements().unwrap_or_else(|| match data.get("messages") {
        Some(messages) => messages.elements().unwrap_or_else(|| vec![messages]),
        None => vec![data],
    });
    match event.as_str() {
        "messages.upsert" => {
            for part in parts {
                found.add(read_message(&part, channel.as_deref()));
            }
        }
        "messages.update" => found.add_bare(Kind::Status, channel.as_deref()),
        "messages.edited" => found.add_bare(Kind::Edit, channel.as_deref()),
        "messages.delete" => found.add_bare(Kind::Revocation, channel.as_deref()),
        "messages.set" => found.add_bare(Kind::History, channel.as_deref()),
        "send.message" => found.add_bare(Kind::Echo, channel.as_deref()),
        "call" => found.add_bare(Kind::CallProgress, channel.as_deref()),
        other if other.starts_with("contacts.") => {
            found.add_bare(Kind::ContactSync, channel.as_deref());
        }
        _ => found.add_bare(Kind::Notice, channel.as_deref()),
    }
}

fn read_message(node: &BodyNode<'_>, channel: Option<&str>) -> Result<(Kind, Part), MalformedPart> {
    let key = node.member("key")?.ok_or_else(|| node.breaks("has no key"))?;
    let mut contacts = Vec::new();
    for name in ["remoteJid", "remoteJidAlt", "senderPn", "senderLid"] {
        let id = key.text(name)?.map(contact);
        contacts.extend(id.filter(|id| !contacts.contains(id)));
    }
    let address = key.text("remoteJid")?.unwrap_or_default();
    if address.ends_with("@g.us") {
        // A group is one contact, whichever member writes.
        contacts.truncate(1);
    }
    let part = Part {
        channel: channel.map(str::to_owned),
        contacts,
        id: key.id("id")?,
        at: node.time("messageTimestamp")?,
        status: None,
    };
    let kind = kind(node, &key, address);
    if kind.opens() && part.contacts.is_empty() {
        return Err(key.breaks("names no contact"));
    }
    if kind.opens() && part.at.is_none() {
        return Err(node.breaks("has no messageTimestamp"));
    }
    Ok((kind, part))
}

fn kind(node: &BodyNode<'_>, key: &BodyNode<'_>, address: &str) -> Kind {
    let is_broadcast = address.ends_with("@broadcast") || address.ends_with("@newsletter");
    if key.get("fromMe").is_some_and(|it| it.value.as_bool() == Some(true)) {
        return Kind::Echo;
    }
    // A contact's status or a channel's post: no contact wrote to the business.
    if is_broadcast || node.get("messageStubType").is_some() {
        return Kind::Notice;
    }
    let message = node.get("message");
    let has = |name: &str| message.as_ref().is_some_and(|message| message.get(name).is_some());
    match node.get_text("messageType") {
        Some("reactionMessage") => Kind::Reaction,
        Some("editedMessage") => Kind::Edit,
        Some("protocolMessage") => Kind::Revocation,
        None if has("reactionMessage") => Kind::Reaction,
        None if has("editedMessage") => Kind::Edit,
        None if has("protocolMessage") => Kind::Revocation,
        _ => Kind::Message,
    }
}

/// The id of a contact in its address: a telephone number as the Cloud API writes it, anything
/// else as it stands. The device does not count.
fn contact(address: &str) -> String {
    let (user, domain) = address.split_once('@').unwrap_or((address, ""));
    let user = user.split(':').next().unwrap_or(user);
    match domain {
        "s.whatsapp.net" | "c.us" | "" => user.to_owned(),
        domain => format!("{user}@{domain}"),
    }
}
