//! The decision path: lock the block, decide, apply, unlock.
//!
//! Nothing here touches SQLite or the allocator while the block is locked. What needs them (a
//! boundary that has passed, a change whose process died, a full list of changes) is left to the
//! lane or the checkpointer with the lock released, and then it is tried again.

use std::hash::Hasher;

use super::cursor::CursorCall;
use super::{Engine, Shared, check_key, replayed, shorten};
use crate::catalog::{Cost, Gate, Open};
use crate::clock::{DAY_MS, Timestamp};
use crate::engine::{Durability, Maintenance};
use crate::error::Error;
use crate::live::Hash128;
use crate::live::block::{BlockGuard, Slot};
use crate::live::claims::{ClaimError, ClaimKind, KEPT_UNTIL, Place};
use crate::live::history::HistoryKey;
use crate::live::layout::{WORD, block, claim, slot};
use crate::rules::burn_down;
use crate::rules::decide::{CHARGES_MAX, KeptSession, SessionRequest, decide};
use crate::rules::{Changes, Charge, Decision, FeatureId, Gates, Mode, Request, ResourceId, State};
use crate::torture;

/// Units that one call charges at most: half the range, so that sums stay in it.
pub(super) const UNITS_MAX: u64 = i64::MAX as u64;
/// How long a key with its decision is kept.
pub(super) const KEY_LIFETIME_MS: i64 = 7 * DAY_MS;
/// Times that a decision makes room and tries again; each time something has been settled.
const TRIES: u32 = 64;
/// Words of the undo record that sessions, keys and cursors of one operation may need.
const CLAIM_WORDS: u64 = 84;

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
    session: Option<SessionCall>,
    charges: [Charge; CHARGES_MAX],
    charge_count: usize,
    /// Key and fingerprint of the arguments.
    once: Option<(Hash128, u64)>,
    pub(super) cursor: Option<CursorCall>,
    apply: bool,
}

struct SessionCall {
    key: Hash128,
    resource: ResourceId,
    at: Option<Timestamp>,
    may_open: bool,
    extends: bool,
    window_ms: i64,
    late_ms: i64,
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
    fn charges(&self) -> &[Charge] {
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

/// What stands in the way of a decision with the block as it is.
enum Obstacle {
    /// A change was under way when its process died.
    Pending,
    /// A boundary has passed.
    Due,
    /// Too many changes wait for a checkpoint.
    CheckpointNeeded,
    Error(Error),
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Obstacle::Error(error)
    }
}

impl From<ClaimError> for Obstacle {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::CheckpointNeeded => Obstacle::CheckpointNeeded,
            ClaimError::Grow(error) => Obstacle::Error(error.into()),
        }
    }
}

impl Engine {
    /// Decides, and applies what was decided.
    #[inline]
    pub(super) fn run(&self, at: u64, name: &str, call: &Call) -> Result<Decision, Error> {
        self.shared.check_poison()?;
        for _ in 0..TRIES {
            let now = self.clock.now();
            match self.shared.try_run(at, name, call, now) {
                Ok(decision) => {
                    if call.apply {
                        self.after(now, &decision)?;
                    }
                    return Ok(decision);
                }
                Err(obstacle) => {
                    if let Some(decision) = self.overcome(at, name, call, now, obstacle)? {
                        return Ok(decision);
                    }
                }
            }
        }
        Err(Error::Busy { what: "the tenant" })
    }

    /// Sees to it that what was decided is remembered as the engine was asked to.
    #[inline]
    fn after(&self, now: Timestamp, decision: &Decision) -> Result<(), Error> {
        match self.shared.maintenance {
            Maintenance::Thread => self.ensure_keeper(),
            Maintenance::Inline => self.shared.checkpoint_if_overdue(now),
            Maintenance::External => {}
        }
        if self.durability == Durability::Disk && decision.allowed() {
            self.shared.wait_for_disk(self.disk_patience)?;
        }
        Ok(())
    }

    #[cold]
    fn overcome(
        &self,
        at: u64,
        name: &str,
        call: &Call,
        now: Timestamp,
        obstacle: Obstacle,
    ) -> Result<Option<Decision>, Error> {
        match obstacle {
            Obstacle::Error(error) => return Err(error),
            Obstacle::CheckpointNeeded => self.shared.make_room()?,
            Obstacle::Pending => self.shared.resolve_block(at)?,
            // A check shows the settled view without persisting it.
            Obstacle::Due if !call.apply => {
                return self.shared.check_settled(at, name, call, now).map(Some);
            }
            Obstacle::Due => self.shared.settle_block(at, name, now)?,
        }
        Ok(None)
    }

    /// [`Tenant::admit`](super::Tenant::admit) on the block at `at`.
    pub(super) fn admit_at(
        &self,
        at: u64,
        name: &str,
        action: &str,
        message: &Message<'_>,
        cursor: Option<CursorCall>,
        apply: bool,
    ) -> Result<Decision, Error> {
        let mut call = self.call_of(action, message)?;
        if let Some(key) = message.key {
            call = call.once(self, key)?;
        }
        call.cursor = cursor;
        call.apply = apply;
        self.run(at, name, &call)
    }

    fn call_of(&self, action: &str, message: &Message<'_>) -> Result<Call, Error> {
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

    /// One try: everything between lock and unlock.
    #[inline]
    fn try_run(
        &self,
        at: u64,
        name: &str,
        call: &Call,
        now: Timestamp,
    ) -> Result<Decision, Obstacle> {
        let mut guard = self.lock_block(at)?;
        if guard.pending().is_some() {
            return Err(Obstacle::Pending);
        }
        if !guard.is_live() {
            return Err(Error::UnknownTenant(name.to_owned()).into());
        }
        if now >= guard.valid_until() {
            return Err(Obstacle::Due);
        }
        if call.apply && !guard.history_has_room(call.charge_count as u64 + 2) {
            return Err(Obstacle::CheckpointNeeded);
        }
        if call.once.is_some() || call.session.is_some() || call.cursor.is_some() {
            return self.run_with_claims(&mut guard, call, now);
        }
        let request = request_of(call, None);
        let (decision, changes) = decide(&guard, &request);
        if !call.apply {
            return Ok(decision);
        }
        let seq = prepare(&mut guard, call)?;
        apply(&mut guard, call, &decision, &changes, now, seq);
        self.finish(guard)?;
        Ok(decision)
    }

    /// As [`try_run`](Self::try_run), for calls that have to do with claims.
    fn run_with_claims(
        &self,
        guard: &mut BlockGuard<'_>,
        call: &Call,
        now: Timestamp,
    ) -> Result<Decision, Obstacle> {
        // Sessions end and keys expire by the tenant's own high-water mark of time.
        let mark = now.max(guard.mark());
        if let Some((key, fingerprint)) = call.once
            && !torture::off(torture::Guard::Dedupe)
            && let Some(place) = guard.find_claim(key)
            && guard.kept_until(place) > mark
        {
            let decision = replayed::read(guard, place, fingerprint)?;
            return self.replayed_or_skipped(guard, call, now, decision);
        }
        let kept = call.session.as_ref().and_then(|session| {
            let place = guard.find_claim(session.key)?;
            (guard.kept_until(place) > mark).then(|| KeptSession {
                start: Timestamp::from_ms(guard.claim_get(place, claim::START) as i64),
                end: Timestamp::from_ms(guard.claim_get(place, claim::END) as i64),
            })
        });
        let session = call.session.as_ref().map(|session| SessionRequest {
            resource: session.resource,
            at: session.at.map_or(now, |at| at.min(now)),
            may_open: session.may_open,
            extends: session.extends,
            window_ms: session.window_ms,
            kept,
        });
        let (decision, changes) = decide(guard, &request_of(call, session));
        if !call.apply {
            return Ok(decision);
        }
        if let Some(cursor) = &call.cursor {
            cursor.refuse_if_passed(guard)?;
        }
        if decision.allowed() || call.cursor.is_some() {
            make_room_for_claims(guard, call, &changes, mark)?;
        }
        let was_half_full = guard.ring_is_half_full();
        let seq = prepare(guard, call)?;
        apply(guard, call, &decision, &changes, now, seq);
        if decision.allowed() {
            if let Some(session) = &call.session {
                write_session(guard, session, &changes, seq);
            }
            if let Some((key, fingerprint)) = call.once {
                replayed::write(guard, key, fingerprint, &decision, now, seq)?;
            }
        }
        if let Some(cursor) = &call.cursor {
            cursor.advance(guard, &decision, seq);
        }
        self.finish_by_ref(guard)?;
        if !was_half_full && guard.ring_is_half_full() {
            self.live.wake_checkpointer();
        }
        Ok(decision)
    }

    /// A decision that was stored is given again; a cursor moves on all the same.
    fn replayed_or_skipped(
        &self,
        guard: &mut BlockGuard<'_>,
        call: &Call,
        now: Timestamp,
        decision: Decision,
    ) -> Result<Decision, Obstacle> {
        if let Some(cursor) = call.cursor.as_ref().filter(|_| call.apply) {
            cursor.refuse_if_passed(guard)?;
            make_room_for_claims(guard, call, &Changes::default(), now.max(guard.mark()))?;
            let seq = prepare(guard, call)?;
            cursor.advance(guard, &decision, seq);
            self.finish_by_ref(guard)?;
        }
        Ok(decision)
    }

    #[inline]
    fn finish(&self, mut guard: BlockGuard<'_>) -> Result<(), Error> {
        self.finish_by_ref(&mut guard)
    }

    #[inline]
    fn finish_by_ref(&self, guard: &mut BlockGuard<'_>) -> Result<(), Error> {
        if guard.finish() {
            return self.check_poison();
        }
        // `prepare` made the undo record large enough; only a damaged file leads here.
        self.live.set_poison(crate::live::Poison::Damaged);
        self.check_poison()
    }
}

fn pair_of_lengths(first: &str, second: &str) -> u32 {
    (first.len() as u32) << 16 | second.len() as u32
}

#[inline]
pub(super) fn request_of(call: &Call, session: Option<SessionRequest>) -> Request<'_> {
    Request { gate: call.gate, feature: call.feature, session, charges: call.charges() }
}

impl Call {
    /// The session part of the request where no claim is at hand.
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

/// Makes room for everything that the operation may write, and begins it.
#[inline]
fn prepare(guard: &mut BlockGuard<'_>, call: &Call) -> Result<u64, Error> {
    let memory = guard.memory;
    let mut words = 1;
    for charge in call.charges() {
        let grants = guard.slot(charge.resource).map_or(0, |slot| slot.grant_count(memory));
        words += 6 + grants;
    }
    if let Some(session) = &call.session {
        let grants = guard.slot(session.resource).map_or(0, |slot| slot.grant_count(memory));
        words += 6 + grants + CLAIM_WORDS;
    } else if call.once.is_some() || call.cursor.is_some() {
        words += CLAIM_WORDS;
    }
    guard.ensure_undo(words)?;
    Ok(guard.begin())
}

/// Applies charges, or books the refusal: a denial changes nothing else (I4).
#[inline]
fn apply(
    guard: &mut BlockGuard<'_>,
    call: &Call,
    decision: &Decision,
    changes: &Changes,
    now: Timestamp,
    _seq: u64,
) {
    if let Some(reason) = decision.reason() {
        let _ = guard.book(HistoryKey::denied(now, reason, decision.resource), 1);
        return;
    }
    for charge in call.charges() {
        use_up(guard, *charge, now);
    }
    if let (Some(session), Some(_)) = (&call.session, changes.opens) {
        use_up(guard, Charge { resource: session.resource, units: 1 }, now);
    }
    guard.raise_mark(now);
}

/// Takes units from the grants, in their order, and counts them as used.
#[inline]
fn use_up(guard: &mut BlockGuard<'_>, charge: Charge, now: Timestamp) {
    let memory = guard.memory;
    let Some(slot) = guard.slot(charge.resource) else { return };
    if charge.units == 0 {
        return;
    }
    if slot.mode(memory) == Mode::Finite {
        let first = slot.grant_at(memory, 0);
        let remaining = slot.grants(memory).map(|(_, remaining)| remaining);
        for take in burn_down::takes(charge.units, remaining) {
            if take.units > 0 {
                guard.set(first + take.index * slot::GRANT_ENTRY + WORD, take.rest);
            }
        }
    }
    guard.set(slot.at + slot::USED, slot.used(memory) + charge.units);
    guard.book_units(slot, HistoryKey::units(now, charge.resource), charge.units);
}

/// Makes room in the claim table for what the call will write there.
fn make_room_for_claims(
    guard: &mut BlockGuard<'_>,
    call: &Call,
    changes: &Changes,
    mark: Timestamp,
) -> Result<(), ClaimError> {
    if changes.opens.is_none()
        && changes.extends_to.is_none()
        && call.once.is_none()
        && call.cursor.is_none()
    {
        return Ok(());
    }
    let sessions = call.session.as_ref().and_then(|it| guard.slot(it.resource));
    let sessions = sessions.map(BlockGuard::session_list);
    let keys = if call.once.is_some() { Some(guard.key_list()?) } else { None };
    guard.prepare_claims(mark, [sessions, keys])
}

/// Opens the contact's session, or moves its end.
fn write_session(guard: &mut BlockGuard<'_>, session: &SessionCall, changes: &Changes, seq: u64) {
    let (place, end) = match (changes.opens, changes.extends_to) {
        (Some(opened), _) => {
            let kept_until = opened.end.plus_ms(session.late_ms);
            let place = guard
                .find_claim(session.key)
                .unwrap_or_else(|| new_session(guard, session, kept_until));
            guard.claim_set(place, claim::START, opened.start.ms() as u64);
            (place, opened.end)
        }
        (None, Some(end)) => {
            let Some(place) = guard.find_claim(session.key) else { return };
            (place, end)
        }
        (None, None) => return,
    };
    guard.claim_set(place, claim::END, end.ms() as u64);
    guard.claim_set(place, KEPT_UNTIL, end.plus_ms(session.late_ms).ms() as u64);
    guard.touch_claim(place, seq);
}

fn new_session(guard: &mut BlockGuard<'_>, session: &SessionCall, until: Timestamp) -> Place {
    let list = guard.slot(session.resource).map(BlockGuard::session_list);
    let hang = list.map(|list| (list, until));
    guard.make_claim(ClaimKind::Session, session.resource, session.key, hang)
}

impl State for BlockGuard<'_> {
    #[inline]
    fn gates(&self) -> Gates {
        BlockGuard::gates(self)
    }

    fn has_feature(&self, feature: FeatureId) -> bool {
        self.feature_word(u64::from(feature.0 / 64)) & 1 << (feature.0 % 64) != 0
    }

    #[inline]
    fn mode(&self, resource: ResourceId) -> Mode {
        self.slot(resource).map_or(Mode::Disabled, |slot: Slot| slot.mode(self.memory))
    }

    #[inline]
    fn used(&self, resource: ResourceId) -> u64 {
        self.slot(resource).map_or(0, |slot| slot.used(self.memory))
    }

    #[inline]
    fn available(&self, resource: ResourceId) -> u64 {
        self.slot(resource).map_or(0, |slot| {
            slot.grants(self.memory).fold(0u64, |sum, (_, remaining)| sum.saturating_add(remaining))
        })
    }

    fn restores_at(&self) -> Option<Timestamp> {
        let at = Timestamp::from_ms(self.get(block::RESTORES_AT) as i64);
        Some(at).filter(|&at| at != Timestamp::MAX)
    }
}
