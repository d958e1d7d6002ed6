//! One caller of one tenant: the operations, with or without an idempotency key.

use std::hash::Hasher;
use std::slice::from_ref;
use std::time::Duration;

use siphasher::sip128::SipHasher13;

use super::call::{
    Call, ChargeOperation, Details, Direction, Fingerprint, KEY_LIFETIME_MS, NO_CHARGES, OnceCall,
    charge, lifetime_ms,
};
use super::cursor::CursorCall;
use super::frequent::decided;
use super::{Engine, KEY_BYTES_MAX, Shared, administer, check_key};
use crate::error::Error;
use crate::live::entries::EntryKind;
use crate::live::{Hash128, entry_index};
use crate::rules::{Charge, Decision, ReservationId, ResourceId};
use crate::{Resolution, ResourceRef};

/// What goes with an action besides what it is about.
#[derive(Clone, Copy)]
pub(super) struct With {
    pub(super) once: Option<OnceCall>,
    pub(super) cursor: Option<CursorCall>,
    pub(super) apply: bool,
}

impl With {
    pub(super) const APPLY: With = With { once: None, cursor: None, apply: true };
    pub(super) const CHECK: With = With { once: None, cursor: None, apply: false };

    /// Whether nothing goes with it.
    #[inline(always)]
    pub(super) const fn is_simple(&self) -> bool {
        self.once.is_none() && self.cursor.is_none() && self.apply
    }
}

/// Who calls, and under which key.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) engine: &'a Engine,
    pub(super) at: u64,
    pub(super) name: &'a str,
    pub(super) key: Option<Key<'a>>,
}

/// An idempotency key.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    text: &'a str,
    /// Of the text; of nothing, where no key can be so long.
    hash: Hash128,
    /// How long it is kept.
    lifetime_ms: i64,
}

/// Operations of a tenant, each at most once per idempotency key: the same key with the same
/// arguments gives the stored decision and changes nothing; with others it is an error. Denials are
/// not stored and may be tried again.
#[derive(Clone, Copy)]
pub struct Once<'a> {
    pub(super) caller: Caller<'a>,
    lifetime: Result<i64, Duration>,
}

impl<'a> Once<'a> {
    pub(super) fn new(caller: Caller<'a>, key: &'a str) -> Once<'a> {
        let hash = caller.engine.shared.expect_key(caller.at, key);
        let key = Key { text: key, hash, lifetime_ms: KEY_LIFETIME_MS };
        Once { caller: Caller { key: Some(key), ..caller }, lifetime: Ok(KEY_LIFETIME_MS) }
    }

    /// Keeps the key for so long instead of 7 days: from a millisecond to 400 days.
    #[must_use]
    pub fn kept_for(mut self, lifetime: Duration) -> Once<'a> {
        self.lifetime = lifetime_ms("lifetime", lifetime).map_err(|_| lifetime);
        if let (Ok(ms), Some(key)) = (self.lifetime, &mut self.caller.key) {
            key.lifetime_ms = ms;
        }
        self
    }

    #[inline]
    pub(super) fn caller(&self) -> Result<&Caller<'a>, Error> {
        match self.lifetime {
            Ok(_) => Ok(&self.caller),
            Err(lifetime) => Err(bad_lifetime(lifetime)),
        }
    }

    /// As [`Tenant::consume`](crate::Tenant::consume).
    pub fn consume(&self, resource: impl ResourceRef, units: u64) -> Result<Decision, Error> {
        decided(|result| {
            let caller = self.caller()?;
            caller.consume_into(resource.resolve(caller.engine)?, units, result)
        })
    }

    /// As [`Tenant::admit`](crate::Tenant::admit).
    pub fn admit(
        &self,
        resource: impl ResourceRef,
        direction: Direction,
        details: &Details<'_>,
    ) -> Result<Decision, Error> {
        let caller = self.caller()?;
        caller.admit(resource.resolve(caller.engine)?, direction, details)
    }

    /// As [`Tenant::perform`](crate::Tenant::perform).
    pub fn perform(&self, action: &str, details: &Details<'_>) -> Result<Decision, Error> {
        self.caller()?.perform(action, details)
    }

    /// As [`Tenant::reserve`](crate::Tenant::reserve).
    pub fn reserve(&self, units: &[(&str, u64)], ttl: Duration) -> Result<Decision, Error> {
        self.caller()?.reserve(units, ttl)
    }

    /// As [`Tenant::reserve_action`](crate::Tenant::reserve_action).
    pub fn reserve_action(
        &self,
        action: &str,
        details: &Details<'_>,
        ttl: Duration,
    ) -> Result<Decision, Error> {
        self.caller()?.reserve_action(action, details, ttl)
    }
}

impl Key<'_> {
    #[inline(always)]
    fn call(&self, fingerprint: Fingerprint) -> Result<OnceCall, Error> {
        check_key("idempotency key", self.text)?;
        Ok(OnceCall { key: self.hash, fingerprint, lifetime_ms: self.lifetime_ms })
    }
}

impl Shared {
    /// The hash of a key that will be looked for soon: what the search begins with is asked for.
    fn expect_key(&self, at: u64, key: &str) -> Hash128 {
        let key = if key.len() > KEY_BYTES_MAX { "" } else { key };
        let hash = self.live.hash_text(&[EntryKind::Key as u8], key);
        entry_index::expect(&self.live.memory, at, hash);
        hash
    }
}

impl Caller<'_> {
    /// The call's key with the fingerprint of what `feed` writes: operation and arguments.
    pub(super) fn once(
        &self,
        operation: &str,
        feed: impl FnOnce(&mut SipHasher13),
    ) -> Result<Option<OnceCall>, Error> {
        let Some(key) = &self.key else { return Ok(None) };
        let hash = self.engine.shared.live.hash(|hasher| {
            feed_text(hasher, operation);
            feed(hasher);
        });
        key.call(Fingerprint::of_hash(hash)).map(Some)
    }

    /// The call's key with the fingerprint of an operation that is about one charge.
    #[inline(always)]
    pub(super) fn once_charge(
        &self,
        operation: ChargeOperation,
        charge: &Charge,
    ) -> Result<Option<OnceCall>, Error> {
        let Some(key) = &self.key else { return Ok(None) };
        match Fingerprint::of_charge(operation, charge) {
            Some(fitting) => key.call(fitting).map(Some),
            None => self.once(operation.name(), |hasher| feed_charge(hasher, charge)),
        }
    }

    pub(super) fn once_perform(
        &self,
        action: &str,
        details: &Details<'_>,
    ) -> Result<Option<OnceCall>, Error> {
        self.once("perform", |hasher| feed_action(hasher, action, details))
    }

    fn consume_into(
        &self,
        resource: ResourceId,
        units: u64,
        result: &mut Result<Decision, Error>,
    ) -> Result<(), Error> {
        let compiled = self.engine.shared.compiled()?;
        administer::check_granted(compiled, resource)?;
        let asked = charge(resource, units)?;
        let once = self.once_charge(ChargeOperation::Consume, &asked)?;
        if let (Some(once), []) = (once, compiled.parents(resource)) {
            self.engine.run_once(self.at, self.name, from_ref(&asked), once, result);
            return Ok(());
        }
        let mut charges = NO_CHARGES;
        let charges = self.engine.charges_with_parents(&[asked], &mut charges)?;
        let call = Call { once, ..Call::consume(charges) };
        self.engine.run_into(self.at, self.name, &call, result);
        Ok(())
    }

    pub(super) fn admit(
        &self,
        resource: ResourceId,
        direction: Direction,
        details: &Details<'_>,
    ) -> Result<Decision, Error> {
        let (gate, rule) = self.engine.admission(resource, direction)?;
        decided(|result| {
            let engine = self.engine;
            if self.key.is_none()
                && let Some(message) = engine.simple_message((gate, None), rule, details)?
            {
                engine.run_message(self.at, self.name, &message, result);
                return Ok(());
            }
            let session = Some(engine.session_call(rule, details)?);
            let once = self.once("admit", |hasher| {
                hasher.write_u16(resource.0);
                hasher.write_u8(direction as u8);
                feed_details(hasher, details);
            })?;
            let call = Call { gate, session, once, ..Call::consume(&[]) };
            engine.run_into(self.at, self.name, &call, result);
            Ok(())
        })
    }

    pub(super) fn perform(&self, action: &str, details: &Details<'_>) -> Result<Decision, Error> {
        let once = self.once_perform(action, details)?;
        self.engine.perform_at(self.at, self.name, action, details, With { once, ..With::APPLY })
    }

    pub(super) fn commit(&self, id: &ReservationId) -> Result<(), Error> {
        self.resolve(id, Resolution::Committed, &[])
    }

    pub(super) fn commit_part(
        &self,
        id: &ReservationId,
        units: &[(&str, u64)],
    ) -> Result<(), Error> {
        self.resolve(id, Resolution::PartlyCommitted, units)
    }

    pub(super) fn release(&self, id: &ReservationId) -> Result<(), Error> {
        self.resolve(id, Resolution::Released, &[])
    }

    /// The number of a resource of the kind that an operation works on.
    pub(super) fn resource_of(
        &self,
        name: &str,
        kind: &str,
    ) -> Result<(ResourceId, crate::catalog::Kind), Error> {
        administer::resource_of(self.engine.shared.compiled()?, name, kind)
    }
}

#[cold]
fn bad_lifetime(lifetime: Duration) -> Error {
    lifetime_ms("lifetime", lifetime).err().unwrap_or_else(|| {
        let why = format!("{lifetime:?}");
        Error::InvalidArgument { what: "lifetime", why }
    })
}

pub(super) fn feed_text(hasher: &mut SipHasher13, text: &str) {
    hasher.write_u32(text.len() as u32);
    hasher.write(text.as_bytes());
}

pub(super) fn feed_charge(hasher: &mut SipHasher13, charge: &Charge) {
    hasher.write_u16(charge.resource.0);
    hasher.write_u64(charge.units);
}

pub(super) fn feed_action(hasher: &mut SipHasher13, action: &str, details: &Details<'_>) {
    feed_text(hasher, action);
    feed_details(hasher, details);
}

/// What an action is about. Not its time, a second id of its contact or its message's id: a caller
/// that tries again may name another.
fn feed_details(hasher: &mut SipHasher13, details: &Details<'_>) {
    for text in [details.channel, details.contact, details.category, details.holder] {
        feed_text(hasher, text);
    }
    hasher.write_u64(details.quantity.unwrap_or(1));
    if let Some(ReservationId(campaign)) = details.campaign {
        hasher.write_u32(campaign.index);
        hasher.write_u64(campaign.number);
    }
}
