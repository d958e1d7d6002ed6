//! Traffic as webhook bodies, one per line.
//!
//! A business number is a tenant, unless the mapping says another. None of the events needs a key
//! against redelivery: a session that is open is not opened again.

use cotas::whatsapp::Kind;
use cotas::{Delivery, whatsapp};

use super::TrafficEvent;
use super::fault::{Broken, Fault};
use super::mapping::Names;

/// What one line says: its parts, and those that cannot be read.
pub(super) struct Line {
    /// Parts in their order, whether they open a session or not.
    pub(super) events: Vec<TrafficEvent>,
    /// Parts that cannot be read.
    pub(super) broken: Vec<Broken>,
}

/// Reads one line.
pub(super) fn read(text: &str, names: &Names) -> Result<Line, Broken> {
    let body = whatsapp::read(text.as_bytes()).map_err(|error| {
        Fault::NotJson.because(format!("is not JSON from column {} on", error.column))
    })?;
    let broken = body.malformed.iter().map(|part| Fault::MalformedPart.because(part.to_string()));
    let mut line = Line { events: Vec::new(), broken: broken.collect() };
    if !body.known && line.broken.is_empty() {
        return Err(Fault::UnknownBody.because("is JSON, but no webhook body of a known form"));
    }
    for part in body.events {
        match event(part, names) {
            Ok(event) => line.events.push(event),
            Err(broken) => line.broken.push(broken),
        }
    }
    Ok(line)
}

fn event(part: whatsapp::BodyPart, names: &Names) -> Result<TrafficEvent, Broken> {
    let action = names.action_of_kind(part.kind);
    let tenant = part.channel.as_deref().map(|channel| names.tenant_of(channel));
    let tenant = tenant.or_else(|| names.tenant.clone()).unwrap_or_default();
    if tenant.is_empty() && (action.is_some() || part.contacts.len() > 1) {
        let reason = "names no business number (metadata.phone_number_id); give --tenant NAME";
        return Err(Fault::NoTenant.because(reason));
    }
    let report = part.status.as_deref().filter(|_| part.kind == Kind::Status);
    let report = report.and_then(Delivery::from_code);
    let mut contacts = part.contacts.into_iter();
    Ok(TrafficEvent {
        at: part.at,
        tenant,
        action,
        kind: Some(part.kind),
        channel: part.channel,
        contact: contacts.next(),
        aliases: contacts.collect(),
        quantity: 1,
        id: part.id,
        report,
        ..TrafficEvent::default()
    })
}
