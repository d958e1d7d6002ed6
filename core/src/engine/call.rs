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
pub(super) struct Call {
    gate: Gate,
    feature: Option<FeatureId>,
    pub(super) session: Option<SessionCall>,
    charges: [Charge; CHARGES_MAX],
    pub(super) charge_count: usize,
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

const NOTHING: Charge = Charge { resource: ResourceId::NONE, units: 0 };

impl Call {
    fn new(gate: Gate) -> Call {
        Call {
            gate,
            feature: None,
            session: None,
            charges: [NOTHING; CHARGES_MAX],
            charge_count: 0,
            once: None,
            cursor: None,
            apply: true,
        }
    }

    #[inline]
    pub(super) fn consume(resource: ResourceId, units: u64) -> Result<Call, Error> {
        if units == 0 || units > UNITS_MAX {
            return Err(bad_units(units));
        }
        let mut call = Call::new(Gate::Consume);
        call.charge(Charge { resource, units });
        Ok(call)
    }

    #[inline]
    fn charge(&mut self, charge: Charge) {
        if let Some(next) = self.charges.get_mut(self.charge_count) {
            *next = charge;
            self.charge_count += 1;
        }
    }

    #[inline]
    pub(super) fn charges(&self) -> &[Charge] {
        self.charges.get(..self.charge_count).unwrap_or_default()
    }

    pub(super) fn only_checked(mut self) -> Call {
        self.apply = false;
        self
    }

    /// The same call, at most once per `key`.
    pub(super) fn once(mut self, engine: &Engine, key: &str) -> Result<Call, Error> {
        check_key("idempotency key", key)?;
        let live = &engine.shared.live;
        let hash = live.hash(|hasher| {
            hasher.write_u8(ClaimKind::Key as u8);
            hasher.write(key.as_bytes());
        });
        let fingerprint = live.hash(|hasher| {
            hasher.write_u8(self.gate as u8);
            for charge in self.charges() {
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

#[cold]
fn bad_units(units: u64) -> Error {
    let why = format!("{units} is not between 1 and {UNITS_MAX}");
    Error::InvalidArgument { what: "units", why }
}

impl Engine {
    /// The call that an action of the catalog in force makes of a message.
    pub(super) fn call_of(&self, action: &str, message: &Message<'_>) -> Result<Call, Error> {
        let compiled = self.shared.compiled()?;
        let unknown = || Error::UnknownAction(shorten(action));
        let policy = compiled.action(action).ok_or_else(unknown)?;
        let quantity = message.quantity.unwrap_or(1);
        if quantity > UNITS_MAX {
            return Err(bad_units(quantity));
        }
        let mut call = Call::new(policy.gate);
        call.feature = policy.feature;
        for &(resource, cost) in &policy.charges {
            let units = match cost {
                Cost::Fixed(units) => units,
                Cost::Quantity if quantity == 0 => return Err(bad_units(0)),
                Cost::Quantity => quantity,
            };
            call.charge(Charge { resource, units });
        }
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

impl Call {
    /// The request that the rules decide.
    #[inline]
    pub(super) fn request(&self, session: Option<SessionRequest>) -> Request<'_> {
        Request { gate: self.gate, feature: self.feature, session, charges: self.charges() }
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
