//! What one call asks of a tenant, with its names resolved.

use std::hash::Hasher;

use super::cursor::CursorCall;
use super::{Engine, Shared, check_key, shorten};
use crate::catalog::{Cost, Gate, Open};
use crate::clock::{DAY_MS, Timestamp};
use crate::error::Error;
use crate::live::Hash128;
use crate::live::claims::ClaimKind;
use crate::rules::decide::{CHARGES_MAX, KeptSession, SessionRequest};
use crate::rules::{Charge, FeatureId, Request, ResourceId};

/// Units that one call charges at most: half the range, so that sums stay in it.
pub(super) const UNITS_MAX: u64 = i64::MAX as u64;
/// How long a key with its decision is kept.
pub(super) const KEY_LIFETIME_MS: i64 = 7 * DAY_MS;
/// A message that a tenant receives or sends, as far as quotas care.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message<'a> {
    /// The channel that it passes through; sessions on different channels are different.
    pub channel: &'a str,
    /// The contact: a phone number or an opaque id. Only its keyed hash is kept.
    pub contact: &'a str,
    /// The category of a template, where sessions are counted per category.
    pub category: &'a str,
    /// When it was sent; `None`: now. A time in the future counts as now. It decides about the
    /// session and nothing else.
    pub at: Option<Timestamp>,
    /// How many units it charges where the action charges by quantity; `None`: 1.
    pub quantity: Option<u64>,
    /// An idempotency key: the same key gives the stored decision and charges nothing.
    pub key: Option<&'a str>,
}

/// Everything that one call asks of a block.
pub(super) struct Call<'a> {
    gate: Gate,
    feature: Option<FeatureId>,
    pub(super) session: Option<SessionCall>,
    pub(super) charges: &'a [Charge],
    /// Key and fingerprint of the arguments.
    pub(super) once: Option<(Hash128, u64)>,
    pub(super) cursor: Option<CursorCall>,
    pub(super) apply: bool,
}

/// What a call has to do with a contact's session.
pub(super) struct SessionCall {
    pub(super) key: Hash128,
    pub(super) resource: ResourceId,
    at: Option<Timestamp>,
    may_open: bool,
    extends: bool,
    window_ms: i64,
    pub(super) late_ms: i64,
}

/// Room for what one call charges.
pub(super) type Charges = [Charge; CHARGES_MAX];

/// Room in which nothing is charged yet.
pub(super) const NO_CHARGES: Charges =
    [Charge { resource: ResourceId::NONE, units: 0 }; CHARGES_MAX];

impl<'a> Call<'a> {
    /// Using up `charges`, without an action of the catalog.
    #[inline]
    pub(super) fn consume(charges: &'a [Charge]) -> Call<'a> {
        Call {
            gate: Gate::Consume,
            feature: None,
            session: None,
            charges,
            once: None,
            cursor: None,
            apply: true,
        }
    }

    /// The same, without doing it.
    #[inline]
    pub(super) fn check(charges: &'a [Charge]) -> Call<'a> {
        Call { apply: false, ..Call::consume(charges) }
    }

    /// The same call, at most once per `key`.
    pub(super) fn once(mut self, engine: &Engine, key: &str) -> Result<Call<'a>, Error> {
        check_key("idempotency key", key)?;
        let live = &engine.shared.live;
        let hash = live.hash(|hasher| {
            hasher.write_u8(ClaimKind::Key as u8);
            hasher.write(key.as_bytes());
        });
        let fingerprint = live.hash(|hasher| {
            hasher.write_u8(self.gate as u8);
            for charge in self.charges {
                hasher.write_u16(charge.resource.0);
                hasher.write_u64(charge.units);
            }
            if let Some(session) = &self.session {
                hasher.write_u64(session.key.low);
                hasher.write_u64(session.key.high);
            }
        });
        self.once = Some((hash, fingerprint.low));
        Ok(self)
    }
}

/// So many units of a resource, if that can be asked for.
#[inline]
pub(super) fn charge(resource: ResourceId, units: u64) -> Result<Charge, Error> {
    if units == 0 || units > UNITS_MAX {
        return Err(bad_units(units));
    }
    Ok(Charge { resource, units })
}

#[cold]
fn bad_units(units: u64) -> Error {
    let why = format!("{units} is not between 1 and {UNITS_MAX}");
    Error::InvalidArgument { what: "units", why }
}

impl Engine {
    /// The call that an action of the catalog in force makes of a message.
    /// `charges` is room for what it charges.
    pub(super) fn call_of<'a>(
        &self,
        action: &str,
        message: &Message<'_>,
        charges: &'a mut Charges,
    ) -> Result<Call<'a>, Error> {
        let compiled = self.shared.compiled()?;
        let unknown = || Error::UnknownAction(shorten(action));
        let policy = compiled.action(action).ok_or_else(unknown)?;
        let quantity = message.quantity.unwrap_or(1);
        if quantity > UNITS_MAX {
            return Err(bad_units(quantity));
        }
        for (charge, &(resource, cost)) in charges.iter_mut().zip(&policy.charges) {
            let units = match cost {
                Cost::Fixed(units) => units,
                Cost::Quantity if quantity == 0 => return Err(bad_units(0)),
                Cost::Quantity => quantity,
            };
            *charge = Charge { resource, units };
        }
        let charges = charges.get(..policy.charges.len()).unwrap_or_default();
        let (gate, feature) = (policy.gate, policy.feature);
        let mut call = Call { gate, feature, ..Call::consume(charges) };
        if let Some(rule) = policy.session {
            check_key("contact", message.contact)?;
            let too_long = message.channel.len().max(message.category.len());
            if too_long > super::KEY_BYTES_MAX {
                let why = format!("it has {too_long} bytes, more than {}", super::KEY_BYTES_MAX);
                return Err(Error::InvalidArgument { what: "channel or category", why });
            }
            let category = if rule.open == Open::PerCategory { message.category } else { "" };
            call.session = Some(SessionCall {
                key: self.shared.session_key(rule.resource, message, category),
                resource: rule.resource,
                at: message.at,
                may_open: rule.open != Open::Never,
                extends: rule.extends,
                window_ms: rule.window_ms,
                late_ms: rule.late_ms,
            });
        }
        Ok(call)
    }
}

impl Shared {
    fn session_key(&self, resource: ResourceId, message: &Message<'_>, category: &str) -> Hash128 {
        self.live.hash(|hasher| {
            hasher.write_u32(ClaimKind::Session as u32 | u32::from(resource.0) << 8);
            hasher.write_u32(pair_of_lengths(message.channel, category));
            hasher.write(message.channel.as_bytes());
            hasher.write(category.as_bytes());
            hasher.write(message.contact.as_bytes());
        })
    }
}

fn pair_of_lengths(first: &str, second: &str) -> u32 {
    (first.len() as u32) << 16 | second.len() as u32
}

impl<'a> Call<'a> {
    /// The request that the rules decide.
    #[inline]
    pub(super) fn request(&self, session: Option<SessionRequest>) -> Request<'a> {
        Request { gate: self.gate, feature: self.feature, session, charges: self.charges }
    }

    /// The session part of the request; `kept` looks the contact's session up.
    pub(super) fn session_request(
        &self,
        now: Timestamp,
        kept: impl FnOnce(Hash128) -> Option<KeptSession>,
    ) -> Option<SessionRequest> {
        self.session.as_ref().map(|session| SessionRequest {
            resource: session.resource,
            at: session.at.map_or(now, |at| at.min(now)),
            may_open: session.may_open,
            extends: session.extends,
            window_ms: session.window_ms,
            kept: kept(session.key),
        })
    }
}
