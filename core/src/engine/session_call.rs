//! What a call has to do with a contact's session, with its names resolved.

use std::hash::Hasher;

use super::call::{Details, prefix};
use super::{Engine, KEY_BYTES_MAX, Shared, check_key};
use crate::catalog::{CompiledSession, Open};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::Hash128;
use crate::live::entries::EntryKind;
use crate::rules::decide::{CampaignUnits, KeptSession, SessionRequest};
use crate::rules::{EntryHandle, ReservationId, ResourceId};

/// What a call has to do with a contact's session.
#[derive(Clone, Copy)]
pub(super) struct SessionCall<'a> {
    pub(super) contact: Hash128,
    /// Another name of the same contact.
    pub(super) also: Option<Hash128>,
    /// Hash of resource, channel and category: with a contact's it makes the session's key.
    index: Hash128,
    pub(super) at: Option<Timestamp>,
    /// The campaign that pays for it.
    pub(super) campaign: Option<EntryHandle>,
    /// The key of a send's message.
    pub(super) message: Option<Hash128>,
    pub(super) rule: Rule<'a>,
}

/// A session rule: an action's, or that of an admission.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    pub(super) resource: ResourceId,
    pub(super) parents: &'a [ResourceId],
    pub(super) open: Open,
    pub(super) extends: bool,
    pub(super) window_ms: i64,
    pub(super) late_ms: i64,
}

impl<'a> From<&'a CompiledSession> for Rule<'a> {
    fn from(from: &'a CompiledSession) -> Self {
        Rule {
            resource: from.resource,
            parents: &from.parents,
            open: from.open,
            extends: from.extends,
            window_ms: from.window_ms,
            late_ms: from.late_ms,
        }
    }
}

/// A session's end in SQLite runs ahead by this part of its window, and by no more than a minute.
const SLACK_PART: i64 = 64;
const SLACK_MS_MAX: i64 = 60_000;

impl Rule<'_> {
    /// By how much the end that SQLite has may run ahead of a session's own.
    pub(super) fn slack_ms(&self) -> i64 {
        (self.window_ms / SLACK_PART).min(SLACK_MS_MAX)
    }
}

impl<'a> SessionCall<'a> {
    /// The request that the rules decide: at `now`, by a tenant that has `seen` that time.
    /// `reserves`: it is a send that may yet fail. `kept` looks the contact's session up.
    #[inline(always)]
    pub(super) fn request(
        &self,
        (now, seen): (Timestamp, Timestamp),
        reserves: bool,
        campaign: Option<CampaignUnits>,
        kept: impl FnOnce(&SessionCall<'a>, Timestamp) -> Option<KeptSession>,
    ) -> SessionRequest<'a> {
        let at = self.at.map_or(now, |at| at.min(now));
        SessionRequest {
            resource: self.rule.resource,
            parents: self.rule.parents,
            at,
            may_open: self.rule.open != Open::Never,
            // A send that may yet fail moves no end.
            extends: self.rule.extends && !reserves,
            window_ms: self.rule.window_ms,
            late_ms: self.rule.late_ms,
            seen,
            kept: kept(self, at),
            reserves,
            campaign,
        }
    }

    /// The key of the session that a contact has there.
    pub(super) fn key_of(&self, contact: Hash128) -> Hash128 {
        Hash128 { low: self.index.low ^ contact.low, high: self.index.high ^ contact.high }
    }
}

impl Engine {
    pub(super) fn session_call<'a>(
        &self,
        rule: Rule<'a>,
        details: &Details<'_>,
    ) -> Result<SessionCall<'a>, Error> {
        check_contact(details)?;
        let category = if rule.open == Open::PerCategory { details.category } else { "" };
        Ok(SessionCall {
            contact: self.shared.contact_hash(details.contact),
            also: self.other_name(details)?,
            index: self.shared.session_scope(rule.resource, details.channel, category),
            at: details.at,
            campaign: details.campaign.map(|ReservationId(handle)| handle),
            message: self.message_of(details)?,
            rule,
        })
    }

    /// The other id that a message carries of its contact.
    #[inline]
    fn other_name(&self, details: &Details<'_>) -> Result<Option<Hash128>, Error> {
        if details.also.is_empty() || details.also == details.contact {
            return Ok(None);
        }
        check_key("also", details.also)?;
        Ok(Some(self.shared.contact_hash(details.also)))
    }

    /// The key of the message that a send is about.
    #[inline]
    fn message_of(&self, details: &Details<'_>) -> Result<Option<Hash128>, Error> {
        if details.message.is_empty() {
            return Ok(None);
        }
        self.shared.message_key(details.message).map(Some)
    }
}

impl Shared {
    fn session_scope(&self, resource: ResourceId, channel: &str, category: &str) -> Hash128 {
        if category.is_empty() {
            // What the lines below hash, in one piece.
            let kind = u64::from(u32::from_le_bytes(prefix(EntryKind::Session, resource)));
            let both = kind | (channel.len() as u64) << 32;
            return self.live.hash_text(&both.to_le_bytes(), channel);
        }
        self.live.hash(|hasher| {
            hasher.write_u32(EntryKind::Session as u32 | u32::from(resource.0) << 8);
            hasher.write_u32(channel.len() as u32);
            hasher.write(channel.as_bytes());
            hasher.write(category.as_bytes());
        })
    }

    /// The key under which a send is found by its message.
    pub(super) fn message_key(&self, message: &str) -> Result<Hash128, Error> {
        check_key("message", message)?;
        Ok(self.live.hash_text(&[EntryKind::Reservation as u8], message))
    }
}

pub(super) fn check_contact(details: &Details<'_>) -> Result<(), Error> {
    check_key("contact", details.contact)?;
    check_length("channel", details.channel)?;
    check_length("category", details.category)
}

fn check_length(what: &'static str, text: &str) -> Result<(), Error> {
    if text.len() > KEY_BYTES_MAX {
        let why = format!("it has {} bytes; {KEY_BYTES_MAX} at most are allowed", text.len());
        return Err(Error::InvalidArgument { what, why });
    }
    Ok(())
}
