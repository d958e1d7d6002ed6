//! What one call asks of a tenant, with its names resolved.

use std::hash::Hasher;

use super::cursor::CursorCall;
use super::session_call::{Rule, SessionCall, check_contact};
use super::{Engine, KEY_BYTES_MAX, Shared, check_key};
use crate::catalog::{CompiledAction, Gate, Kind, Open};
use crate::clock::{DAY_MS, Timestamp};
use crate::error::Error;
use crate::live::Hash128;
use crate::live::entries::EntryKind;
use crate::rules::decide::{CHARGES_MAX, CampaignUnits, KeptSession, RateRequest, SessionRequest};
use crate::rules::{Charge, EntryHandle, FeatureId, Request, ReservationId, ResourceId};

/// Units that one call charges at most: half the range, so that sums stay in it.
pub(super) const UNITS_MAX: u64 = i64::MAX as u64;
/// How long a key with its decision is kept, unless the call says otherwise.
pub(super) const KEY_LIFETIME_MS: i64 = 7 * DAY_MS;
/// The longest time that a key, a lease or a reservation may be kept.
pub const LIFETIME_MS_MAX: i64 = 400 * DAY_MS;

/// What an action is about, as far as quotas care. What the action does not look at is ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Details<'a> {
    /// The channel that a message passes through; sessions on different channels are different.
    pub channel: &'a str,
    /// The contact: a phone number or an opaque id. Only its keyed hash is kept.
    pub contact: &'a str,
    /// Another id of the same contact, where the message carries two: a phone number and a user
    /// id, say. Both are one contact from then on, as by
    /// [`Tenant::link_contact`](crate::Tenant::link_contact), whatever is decided. Empty: none.
    pub also: &'a str,
    /// The category of a template, where sessions are counted per category.
    pub category: &'a str,
    /// The id that the channel has given a message that is reserved, where it is known by then:
    /// [`Tenant::report_delivery`](crate::Tenant::report_delivery) finds the send by it. Empty:
    /// none.
    pub message: &'a str,
    /// The reservation of sessions that a campaign's send draws from, if it opens one.
    pub campaign: Option<ReservationId>,
    /// When the message was sent; `None`: now. A time in the future counts as now. It decides
    /// about the session and nothing else.
    pub at: Option<Timestamp>,
    /// How many units it charges where the action charges by quantity; `None`: 1.
    pub quantity: Option<u64>,
    /// Who takes the lease, where the action takes one: a call's id. Only its keyed hash is kept.
    pub holder: &'a str,
    /// The tariff that was quoted ([`Quote::tariff`](crate::Quote::tariff)): another one in force
    /// is an error. `None`: whatever is in force.
    pub tariff: Option<u64>,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the contact: it opens a session or moves the end of the open one.
    Inbound,
    /// To the contact: it opens a session where there is none, and moves no end.
    Outbound,
}

/// Everything that one call asks of a record.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) gate: Gate,
    pub(super) feature: Option<FeatureId>,
    pub(super) session: Option<SessionCall<'a>>,
    pub(super) rate: Option<RateCall>,
    pub(super) lease: Option<LeaseCall<'a>>,
    /// What is charged in any case; then what the lease charges, if it has to be taken.
    pub(super) charges: &'a [Charge],
    /// A consume whose resource has not been looked up: all that is known is its number.
    pub(super) unresolved: bool,
    /// What is charged is held by a reservation for so many milliseconds.
    pub(super) hold_ms: Option<i64>,
    /// The reservation is one from which the sends of a campaign draw.
    pub(super) is_campaign: bool,
    pub(super) once: Option<OnceCall>,
    pub(super) cursor: Option<CursorCall>,
    pub(super) apply: bool,
}

/// An idempotency key.
#[derive(Clone, Copy)]
pub(super) struct OnceCall {
    pub(super) key: Hash128,
    pub(super) fingerprint: Fingerprint,
    pub(super) lifetime_ms: i64,
}

/// What distinguishes the arguments of calls under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) u64);

/// An operation that is about so many units of one resource.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum ChargeOperation {
    Consume = 1,
    Add = 2,
    Subtract = 3,
    Set = 4,
}

impl ChargeOperation {
    pub(super) const fn name(self) -> &'static str {
        match self {
            ChargeOperation::Consume => "consume",
            ChargeOperation::Add => "add",
            ChargeOperation::Subtract => "subtract",
            ChargeOperation::Set => "set",
        }
    }
}

impl Fingerprint {
    /// The operation and its arguments themselves, where they fit into a word.
    #[inline]
    pub(super) fn of_charge(operation: ChargeOperation, charge: &Charge) -> Option<Fingerprint> {
        let of = u64::from(charge.resource.0) << UNITS_BITS | (operation as u64) << OPERATION_SHIFT;
        (charge.units >> UNITS_BITS == 0).then_some(Fingerprint(NOT_HASHED | of | charge.units))
    }

    /// A hash of them.
    pub(super) const fn of_hash(hash: Hash128) -> Fingerprint {
        Fingerprint(hash.low & !NOT_HASHED)
    }
}

/// A fingerprint that is no hash: units in the low bits, the resource, the operation.
const UNITS_BITS: u32 = 44;
const OPERATION_SHIFT: u32 = 60;
const NOT_HASHED: u64 = 1 << 63;

/// What a call asks of a rate.
#[derive(Clone, Copy)]
pub(super) struct RateCall {
    pub(super) key: Hash128,
    pub(super) resource: ResourceId,
    units: u64,
    every_ms: i64,
}

/// The lease that a call takes or prolongs.
#[derive(Clone, Copy)]
pub(super) struct LeaseCall<'a> {
    pub(super) key: Hash128,
    pub(super) resource: ResourceId,
    pub(super) parents: &'a [ResourceId],
    pub(super) ttl_ms: i64,
    /// How many of the call's charges are the lease's.
    charges: usize,
}

/// Capacity for what one call charges.
pub(super) type Charges = [Charge; CHARGES_MAX];

/// Capacity in which nothing is charged yet.
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
            rate: None,
            lease: None,
            charges,
            unresolved: false,
            hold_ms: None,
            is_campaign: false,
            once: None,
            cursor: None,
            apply: true,
        }
    }

    /// The same of a resource that has not been looked up.
    #[inline]
    pub(super) fn unresolved(charges: &'a [Charge]) -> Call<'a> {
        Call { unresolved: true, ..Call::consume(charges) }
    }

    /// What is charged: the lease's part only where the lease has to be taken.
    #[inline]
    pub(super) fn charges(&self, takes_lease: bool) -> &'a [Charge] {
        match &self.lease {
            Some(lease) if !takes_lease => {
                let simple = self.charges.len().saturating_sub(lease.charges);
                self.charges.get(..simple).unwrap_or_default()
            }
            _ => self.charges,
        }
    }

    /// The charges that can be given back: not the lease's, which is released by itself.
    #[inline(always)]
    pub(super) fn recorded(&self) -> &'a [Charge] {
        self.charges(false)
    }

    /// Whether an entry remembers what the call did: a key, or a reservation.
    #[inline(always)]
    pub(super) fn answers(&self) -> bool {
        self.once.is_some() || self.hold_ms.is_some()
    }

    /// The keys of entries that the call will look for, besides its idempotency key.
    #[inline(always)]
    pub(super) fn keys(&self) -> [Option<Hash128>; 3] {
        [
            self.session.map(|session| session.key_of(session.contact)),
            self.lease.map(|lease| lease.key),
            self.rate.map(|rate| rate.key),
        ]
    }

    /// Whether it is a send that may yet fail.
    #[inline(always)]
    pub(super) fn is_send(&self) -> bool {
        self.hold_ms.is_some() && self.session.is_some()
    }

    /// The campaign that pays for the session that it opens.
    #[inline(always)]
    pub(super) fn campaign(&self) -> Option<EntryHandle> {
        self.session.as_ref()?.campaign
    }

    /// The two names of a contact that the call makes one.
    #[inline(always)]
    pub(super) fn linked(&self) -> Option<(Hash128, Hash128)> {
        let session = self.session.as_ref().filter(|_| self.apply)?;
        Some((session.contact, session.also?))
    }

    /// The same call where it is too old to charge anything: only the session's part is left.
    pub(super) fn without_charges(&self) -> Call<'a> {
        Call { charges: &[], lease: None, rate: None, ..*self }
    }

    /// Whether entries have a say in what is decided.
    #[inline(always)]
    pub(super) fn looks_entries_up(&self) -> bool {
        self.session.is_some() || self.lease.is_some() || self.rate.is_some()
    }

    /// Whether nothing but a session is asked for, for good: what is allowed and changes nothing
    /// of it changes nothing at all.
    #[inline(always)]
    pub(super) fn is_message(&self) -> bool {
        self.session.is_some()
            && self.charges.is_empty()
            && self.lease.is_none()
            && self.rate.is_none()
            && self.cursor.is_none()
            && !self.answers()
    }

    /// Whether the entry table has anything to do with the call.
    #[inline]
    pub(super) fn has_entries(&self) -> bool {
        self.looks_entries_up() || self.answers() || self.cursor.is_some()
    }

    /// The request that the rules decide.
    #[inline]
    pub(super) fn request(
        &self,
        session: Option<SessionRequest<'a>>,
        rate: Option<RateRequest>,
        takes_lease: bool,
    ) -> Request<'a> {
        let charges = self.charges(takes_lease);
        Request { gate: self.gate, feature: self.feature, session, rate, charges }
    }

    /// The session part of the request; `kept` looks the contact's session up.
    #[inline(always)]
    pub(super) fn session_request(
        &self,
        (now, high_water_mark): (Timestamp, Timestamp),
        campaign: Option<CampaignUnits>,
        kept: impl FnOnce(&SessionCall<'_>, Timestamp) -> Option<KeptSession>,
    ) -> Option<SessionRequest<'a>> {
        let session = self.session.as_ref()?;
        let seen = now.max(high_water_mark);
        Some(session.request((now, seen), self.hold_ms.is_some(), campaign, kept))
    }

    /// The rate part of the request; `regained_at` looks the key up.
    #[inline(always)]
    pub(super) fn rate_request(
        &self,
        now: Timestamp,
        regained_at: impl FnOnce(Hash128) -> Timestamp,
    ) -> Option<RateRequest> {
        self.rate.as_ref().map(|rate| RateRequest {
            resource: rate.resource,
            units: rate.units,
            every_ms: rate.every_ms,
            regained_at: regained_at(rate.key),
            now,
        })
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
pub(super) fn bad_units(units: u64) -> Error {
    let why = format!("{units} is not between 1 and {UNITS_MAX}");
    Error::InvalidArgument { what: "units", why }
}

/// An action was asked for without something that it needs.
#[cold]
fn missing(action: &str, what: &'static str) -> Error {
    let why = format!("action {action} needs a {what} of 1 to {KEY_BYTES_MAX} bytes");
    Error::InvalidArgument { what, why }
}

#[cold]
fn bad_quantity(units: u64) -> Error {
    let why = format!("{units} is not between 1 and {UNITS_MAX}");
    Error::InvalidArgument { what: "quantity", why }
}

/// A lifetime in milliseconds, if that can be asked for.
pub(super) fn lifetime_ms(what: &'static str, lifetime: std::time::Duration) -> Result<i64, Error> {
    match i64::try_from(lifetime.as_millis()) {
        Ok(ms) if (1..=LIFETIME_MS_MAX).contains(&ms) => Ok(ms),
        _ => {
            let ms = lifetime.as_millis();
            let why = format!("{ms} ms is not between 1 ms and 400 days");
            Err(Error::InvalidArgument { what, why })
        }
    }
}

impl Engine {
    /// An action of the catalog in force, if `details` has what it needs.
    #[inline]
    pub(super) fn policy_of(
        &self,
        action: &str,
        details: &Details<'_>,
    ) -> Result<&CompiledAction, Error> {
        let compiled = self.shared.compiled()?;
        let unknown = || compiled.unknown_action(action);
        let policy = compiled.action(action).ok_or_else(unknown)?;
        let needs_contact = policy.session.is_some() || policy.rate.is_some();
        if needs_contact && details.contact.is_empty() {
            return Err(missing(action, "contact"));
        }
        if policy.lease.is_some() && details.holder.is_empty() {
            return Err(missing(action, "holder"));
        }
        if let Some(quoted) = details.tariff.filter(|&quoted| quoted != compiled.version) {
            return Err(Error::TariffChanged { quoted, in_force: compiled.version });
        }
        Ok(policy)
    }

    /// Makes of an empty `call` the one that an action of the catalog in force makes of `details`.
    /// `charges` is capacity for what it charges.
    pub(super) fn call_of<'a>(
        &'a self,
        action: &str,
        details: &Details<'_>,
        charges: &'a mut Charges,
        call: &mut Call<'a>,
    ) -> Result<(), Error> {
        let policy = self.policy_of(action, details)?;
        let mut taken = charges_of(policy, details, charges)?;
        (call.gate, call.feature) = (policy.gate, policy.feature);
        if let Some(lease) = &policy.lease {
            let parents = self.shared.compiled()?.parents(lease.resource);
            let key = self.shared.lease_key(lease.resource, details.holder)?;
            let first = taken;
            for &resource in parents.iter().rev().chain([&lease.resource]) {
                push(charges, &mut taken, Charge { resource, units: 1 })?;
            }
            call.lease = Some(LeaseCall {
                key,
                resource: lease.resource,
                parents,
                ttl_ms: lease.ttl_ms,
                charges: taken - first,
            });
        }
        call.charges = charges.get(..taken).unwrap_or_default();
        if let Some(resource) = policy.rate {
            check_contact(details)?;
            let contact = self.shared.contact_hash(details.contact);
            let key = self.shared.live.hash(|hasher| {
                hasher.write_u32(EntryKind::Rate as u32 | u32::from(resource.0) << 8);
                hasher.write(details.channel.as_bytes());
                hasher.write_u64(contact.low);
                hasher.write_u64(contact.high);
            });
            call.rate = Some(self.rate_call(resource, key, 1)?);
        }
        if let Some(rule) = &policy.session {
            call.session = Some(self.session_call(rule.into(), details)?);
        }
        Ok(())
    }

    /// What a message asks for of a session resource, without an action.
    pub(super) fn admission(
        &self,
        resource: ResourceId,
        direction: Direction,
    ) -> Result<(Gate, Rule<'_>), Error> {
        let compiled = self.shared.compiled()?;
        let Some(Kind::Session { window_ms, late_ms }) = compiled.kind(resource) else {
            return Err(compiled_name_error(&self.shared, resource));
        };
        let inbound = direction == Direction::Inbound;
        let rule = Rule {
            resource,
            parents: compiled.parents(resource),
            open: Open::IfNone,
            extends: inbound,
            window_ms,
            late_ms,
        };
        Ok((if inbound { Gate::Receive } else { Gate::Send }, rule))
    }

    /// So many units of a rate for a key.
    pub(super) fn rate_call(
        &self,
        resource: ResourceId,
        key: Hash128,
        units: u64,
    ) -> Result<RateCall, Error> {
        match self.shared.compiled()?.kind(resource) {
            Some(Kind::Rate { every_ms, .. }) => Ok(RateCall { key, resource, units, every_ms }),
            _ => Err(compiled_name_error(&self.shared, resource)),
        }
    }

    /// The call that takes or prolongs a lease. `charges` is capacity for what it charges.
    pub(super) fn lease_call<'a>(
        &'a self,
        resource: ResourceId,
        holder: &str,
        ttl_ms: i64,
        charges: &'a mut Charges,
    ) -> Result<Call<'a>, Error> {
        let parents = self.shared.compiled()?.parents(resource);
        let key = self.shared.lease_key(resource, holder)?;
        let mut taken = 0;
        for &resource in parents.iter().rev().chain([&resource]) {
            push(charges, &mut taken, Charge { resource, units: 1 })?;
        }
        let lease = LeaseCall { key, resource, parents, ttl_ms, charges: taken };
        let charges = charges.get(..taken).unwrap_or_default();
        Ok(Call { lease: Some(lease), ..Call::consume(charges) })
    }

    /// Charges for units of several resources and of those above them, each resource once.
    pub(super) fn charges_with_parents<'a>(
        &self,
        asked: &[Charge],
        charges: &'a mut Charges,
    ) -> Result<&'a [Charge], Error> {
        let compiled = self.shared.compiled()?;
        let mut taken = 0;
        for charge in asked {
            let own = [charge.resource];
            for &resource in compiled.parents(charge.resource).iter().rev().chain(&own) {
                push(charges, &mut taken, Charge { resource, units: charge.units })?;
            }
        }
        Ok(charges.get(..taken).unwrap_or_default())
    }
}

impl Shared {
    pub(super) fn contact_hash(&self, contact: &str) -> Hash128 {
        self.live.hash_text(&[EntryKind::Session as u8], contact)
    }

    pub(super) fn lease_key(&self, resource: ResourceId, holder: &str) -> Result<Hash128, Error> {
        check_key("holder", holder)?;
        Ok(self.live.hash_text(&prefix(EntryKind::Lease, resource), holder))
    }

    pub(super) fn rate_key(&self, resource: ResourceId, key: &str) -> Result<Hash128, Error> {
        check_key("rate key", key)?;
        Ok(self.live.hash_text(&prefix(EntryKind::Rate, resource), key))
    }
}

/// What distinguishes keys of several kinds and resources.
pub(super) const fn prefix(kind: EntryKind, resource: ResourceId) -> [u8; 4] {
    (kind as u32 | (resource.0 as u32) << 8).to_le_bytes()
}

/// Writes down what an action charges, and says how many entries that are.
fn charges_of(
    policy: &CompiledAction,
    details: &Details<'_>,
    charges: &mut Charges,
) -> Result<usize, Error> {
    let quantity = details.quantity.unwrap_or(1);
    if quantity > UNITS_MAX {
        return Err(bad_quantity(quantity));
    }
    let mut taken = 0;
    for cost in &policy.charges {
        if cost.needs_quantity() && quantity == 0 {
            return Err(bad_quantity(0));
        }
        let units = cost.units(quantity).unwrap_or(u64::MAX);
        if units > UNITS_MAX {
            return Err(bad_quantity(units));
        }
        push(charges, &mut taken, Charge { resource: cost.resource, units })?;
    }
    Ok(taken)
}

/// Adds to what is charged; what is asked of one resource twice is added up.
pub(super) fn push(charges: &mut Charges, taken: &mut usize, charge: Charge) -> Result<(), Error> {
    for known in charges.iter_mut().take(*taken) {
        if known.resource == charge.resource {
            known.units = known
                .units
                .checked_add(charge.units)
                .filter(|&it| it <= UNITS_MAX)
                .ok_or_else(|| bad_units(charge.units))?;
            return Ok(());
        }
    }
    let Some(free) = charges.get_mut(*taken) else {
        let why =
            format!("a call touches at most {CHARGES_MAX} resources, those above them included");
        return Err(Error::InvalidArgument { what: "charges", why });
    };
    *free = charge;
    *taken += 1;
    Ok(())
}

/// Why a number that came from this engine does not fit the operation any more.
#[cold]
pub(super) fn compiled_name_error(shared: &Shared, resource: ResourceId) -> Error {
    let name = shared.compiled().ok().and_then(|it| it.resource_name(resource));
    Error::UnknownResource(name.unwrap_or("?").into())
}
