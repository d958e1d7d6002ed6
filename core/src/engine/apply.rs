//! Applying a decision to its block: charges, claims, refusals.

use std::sync::atomic::Ordering::Relaxed;

use super::Shared;
use super::call::{Call, LeaseCall, RateCall, Rule, SessionCall};
use super::decide::Obstacle;
use super::reclaim::note;
use crate::clock::Timestamp;
use crate::live::Hash128;
use crate::live::block::{BlockGuard, Slot, grant_id, grant_source};
use crate::live::claims::{Claim, ClaimKind, KEPT_UNTIL, LEASE_PARENTS, Place, meta, pack_parents};
use crate::live::history::HistoryKey;
use crate::live::layout::{block, claim, slot};
use crate::live::split::{HeadKind, Record};
use crate::rules::{
    Changes, Charge, Counting, Decision, EventKind, Mode, ResourceId, Terms, burn_down, thresholds,
};

/// The word of a lease's payload that holds its fencing number.
pub(super) const FENCING: u64 = 0;
/// Leases that a live file gives out before its epoch would show in their numbers.
const FENCE_BITS: u32 = 40;

/// Books a refusal, or what a shadow limit would have refused: a denial changes nothing else (I4).
#[cold]
pub(super) fn book_refusal(guard: &mut BlockGuard<'_>, decision: &Decision, now: Timestamp) {
    if let Some(reason) = decision.reason() {
        let _ = guard.book(HistoryKey::denied(now, reason, decision.resource), 1);
    } else if let Some(reason) = decision.shadowed.first() {
        let _ = guard.book(HistoryKey::shadowed(now, reason, decision.resource), 1);
    }
}

/// Charges everything, and notes in the decision where it came from.
#[inline(always)]
pub(super) fn charges<'a>(
    guard: &mut BlockGuard<'a>,
    charges: &[Charge],
    now: Timestamp,
    decision: &mut Decision,
    mut record: Option<&mut Record<'a>>,
) {
    for charge in charges {
        use_up(guard, *charge, now, decision, record.as_deref_mut());
    }
}

/// Takes units from the grants, in their order, and counts them as used.
#[inline(always)]
fn use_up<'a>(
    guard: &mut BlockGuard<'a>,
    charge: Charge,
    now: Timestamp,
    decision: &mut Decision,
    record: Option<&mut Record<'a>>,
) {
    let Some(slot) = guard.slot(charge.resource) else { return };
    if charge.units == 0 {
        return;
    }
    let number = slot.get(slot::TERMS);
    let terms = Terms::from_number(number);
    if !Terms::is_plain(number) && terms.counting != Counting::Granted {
        return count_up(guard, slot, terms.counting, charge, now, decision, record);
    }
    use_up_in(guard, slot, terms.mode, charge, now, decision, record);
}

/// The same of a resource that is used up from grants, which has been found.
#[inline(always)]
pub(super) fn use_up_in<'a>(
    guard: &mut BlockGuard<'a>,
    slot: Slot<'_>,
    mode: Mode,
    Charge { resource, units }: Charge,
    now: Timestamp,
    decision: &mut Decision,
    mut record: Option<&mut Record<'a>>,
) {
    let mut left = units;
    if mode == Mode::Finite {
        let grants = slot.grant_cells();
        let remaining = grants.iter().map(|[_, remaining]| remaining.load(Relaxed));
        for (take, [grant, cell]) in burn_down::takes(units, remaining).zip(grants) {
            if take.units > 0 {
                guard.set_cell(cell, take.rest);
                let grant = grant.load(Relaxed);
                let source = Some(grant_source(grant));
                decision.charges.add(resource, source, take.units);
                if let Some(record) = &mut record {
                    record.push(guard, (resource, take.units), (grant_id(grant), source));
                }
                left -= take.units;
            }
        }
    }
    if left > 0 {
        let beyond = slot.get(slot::BEYOND) + left;
        guard.set_cell(slot.cell(slot::BEYOND), beyond);
        decision.charges.add(resource, None, left);
        if let Some(record) = record {
            record.push(guard, (resource, left), (0, None));
        }
    }
    guard.set_cell(slot.cell(slot::USED), slot.used() + units);
    guard.book_units(slot, HistoryKey::units(now, resource), units);
}

/// Counts what no grant gives: a meter goes up, a lease is held.
#[cold]
fn count_up<'a>(
    guard: &mut BlockGuard<'a>,
    slot: Slot<'_>,
    counting: Counting,
    Charge { resource, units }: Charge,
    now: Timestamp,
    decision: &mut Decision,
    record: Option<&mut Record<'a>>,
) {
    guard.set_cell(slot.cell(slot::USED), slot.used() + units);
    decision.charges.add(resource, None, units);
    let is_meter = counting == Counting::Meter;
    if is_meter {
        guard.book_units(slot, HistoryKey::units(now, resource), units);
    }
    if let Some(record) = record {
        let cycle = if is_meter { slot.get(slot::CYCLE) } else { 0 };
        record.push(guard, (resource, units), (cycle, None));
    }
}

/// How many entries the record of a call has at most; `opens`: with a session.
#[inline]
pub(super) fn entries(guard: &BlockGuard<'_>, call: &Call<'_>, opens: bool) -> u64 {
    let session = call.session.as_ref().filter(|_| opens);
    let opened = session.into_iter().flat_map(|session| session.rule.resources());
    let opened = opened.map(|resource| Charge { resource, units: 1 });
    let of_one = |charge: Charge| match guard.slot(charge.resource) {
        Some(slot) if charge.units > 0 && slot.terms().mode == Mode::Finite => {
            1 + grants_taken(slot, charge.units)
        }
        _ => u64::from(charge.units > 0),
    };
    let mut all = 0;
    for &charge in call.charges {
        all += of_one(charge);
    }
    all + opened.map(of_one).sum::<u64>()
}

/// How many grants so many units are taken from, at most.
#[inline]
fn grants_taken(slot: Slot<'_>, units: u64) -> u64 {
    let grants = slot.grant_count();
    if grants <= 1 {
        return grants;
    }
    let remaining = slot.grants().map(|(_, remaining)| remaining);
    burn_down::takes(units, remaining).filter(|take| take.units > 0).count() as u64
}

// ---- sessions, leases, rates ----------------------------------------------------------------

/// Charges the session that is opened.
#[inline(always)]
pub(super) fn session_charges<'a>(
    guard: &mut BlockGuard<'a>,
    call: &Call<'_>,
    now: Timestamp,
    decision: &mut Decision,
    mut record: Option<&mut Record<'a>>,
) {
    let Some(session) = &call.session else { return };
    for resource in session.rule.resources() {
        use_up(guard, Charge { resource, units: 1 }, now, decision, record.as_deref_mut());
    }
}

/// Opens the contact's session, or moves its end.
pub(super) fn session(
    guard: &mut BlockGuard<'_>,
    session: &SessionCall<'_>,
    kept: Option<Place>,
    changes: &Changes,
    seq: u64,
) {
    let late_ms = session.rule.late_ms;
    let (place, end) = match (changes.opens, changes.extends_to) {
        (Some(opened), _) => {
            let key = session.key_of(session.contact);
            let place = guard.find_claim(key).unwrap_or_else(|| {
                let kept_until = opened.end.plus_ms(late_ms);
                new_claim(guard, ClaimKind::Session, session.rule.resource, key, kept_until).place
            });
            guard.claim_set(place, claim::START, opened.start.ms() as u64);
            (place, opened.end)
        }
        (None, Some(end)) => match kept {
            Some(place) => (place, end),
            None => return,
        },
        (None, None) => return,
    };
    guard.claim_set(place, claim::END, end.ms() as u64);
    guard.claim_set(place, KEPT_UNTIL, end.plus_ms(late_ms).ms() as u64);
    guard.touch_claim(place, seq);
}

/// A claim for a lease that nobody holds, with the next fencing number.
pub(super) fn new_lease(
    guard: &mut BlockGuard<'_>,
    lease: &LeaseCall<'_>,
    epoch: u32,
    mark: Timestamp,
) -> Place {
    let expires_at = mark.plus_ms(lease.ttl_ms);
    let claim = new_claim(guard, ClaimKind::Lease, lease.resource, lease.key, expires_at);
    let number = next_fence(guard, epoch);
    claim.fill_word(FENCING, number);
    claim.fill_word(LEASE_PARENTS, pack_parents(lease.parents));
    claim.fill(claim::START, mark.ms() as u64);
    claim.fill(claim::END, expires_at.ms() as u64);
    claim.fill(KEPT_UNTIL, expires_at.ms() as u64);
    claim.place
}

/// Gives a lease that is held the next fencing number.
pub(super) fn fence(guard: &mut BlockGuard<'_>, place: Place, epoch: u32) {
    let number = next_fence(guard, epoch);
    guard.claim_set_word(place, FENCING, number);
}

fn next_fence(guard: &mut BlockGuard<'_>, epoch: u32) -> u64 {
    let fence = guard.get(block::FENCE) + 1;
    guard.set_cell(guard.cell(block::FENCE), fence);
    u64::from(epoch) << FENCE_BITS | fence
}

/// Whether a fencing number was given out by the live file of this epoch. One from before may
/// be that of a holder whose place another has had since: nobody knows any more.
pub(super) fn is_of_epoch(fencing: u64, epoch: u32) -> bool {
    fencing >> FENCE_BITS == u64::from(epoch)
}

/// Moves the end of a lease.
pub(super) fn prolong(guard: &mut BlockGuard<'_>, place: Place, until: Timestamp, seq: u64) {
    guard.claim_set(place, claim::END, until.ms() as u64);
    guard.claim_set(place, KEPT_UNTIL, until.ms() as u64);
    // A lease may be shortened: its heap must not be late for it.
    if let Some(heap) = guard.heap_of(guard.claim_get(place, claim::META)) {
        guard.rehang(heap, place, until);
    }
    guard.touch_claim(place, seq);
}

/// Notes when a key of a rate will have regained everything.
pub(super) fn rate(
    guard: &mut BlockGuard<'_>,
    rate: &RateCall,
    found: Option<Place>,
    regained_at: Timestamp,
    seq: u64,
) {
    let claim = match found {
        Some(place) => guard.claim(place),
        None => new_claim(guard, ClaimKind::Rate, rate.resource, rate.key, regained_at),
    };
    guard.write(claim, claim::END, regained_at.ms() as u64);
    guard.write(claim, KEPT_UNTIL, regained_at.ms() as u64);
    guard.touch(claim, seq);
}

/// A new claim under a key, hung up.
fn new_claim<'a>(
    guard: &mut BlockGuard<'a>,
    kind: ClaimKind,
    resource: ResourceId,
    key: Hash128,
    until: Timestamp,
) -> Claim<'a> {
    let claim = guard.make_claim(kind, resource, Some(key));
    if let Some(heap) = guard.heap_of(meta(kind, resource)) {
        guard.hang(heap, claim, until);
    }
    claim
}

// ---- what answers for an operation ----------------------------------------------------------

/// Where the record of a call begins.
#[inline(always)]
pub(super) fn head_kind(call: &Call<'_>) -> HeadKind {
    if call.hold_ms.is_some() {
        HeadKind::Reservation
    } else if call.session.is_none() && call.lease.is_none() {
        HeadKind::Key
    } else {
        HeadKind::FullKey
    }
}

/// Makes the claim that keeps the record of a call, if it has one.
#[inline(always)]
pub(super) fn record_head<'a>(guard: &mut BlockGuard<'a>, call: &Call<'_>) -> Option<Claim<'a>> {
    match (call.hold_ms, &call.once) {
        (Some(_), _) => Some(guard.make_claim(ClaimKind::Reservation, ResourceId::NONE, None)),
        (None, Some(once)) => {
            Some(guard.make_claim(ClaimKind::Key, ResourceId::NONE, Some(once.key)))
        }
        (None, None) => None,
    }
}

/// Makes the claim of an idempotency key that has no record. One that has expired has been
/// forgotten, with its record.
pub(super) fn key_claim<'a>(guard: &mut BlockGuard<'a>, key: Hash128) -> Claim<'a> {
    let claim = guard.make_claim(ClaimKind::Key, ResourceId::NONE, Some(key));
    claim.fill_no_link();
    claim
}

// ---- thresholds -----------------------------------------------------------------------------

/// Whether a charge brings a resource to where an event is due.
#[inline(always)]
pub(super) fn reaches_threshold(guard: &BlockGuard<'_>, charges: &[Charge]) -> bool {
    for charge in charges {
        if guard.slot(charge.resource).is_some_and(|slot| reaches(slot, charge.units)) {
            return true;
        }
    }
    false
}

/// Whether so many units bring a resource to where an event is due.
#[inline(always)]
pub(super) fn reaches(slot: Slot<'_>, units: u64) -> bool {
    slot.used().saturating_add(units) >= slot.get(slot::NEXT_EVENT)
}

/// Whether opening the call's session brings a resource to where an event is due.
#[inline(always)]
pub(super) fn session_reaches_threshold(guard: &BlockGuard<'_>, call: &Call<'_>) -> bool {
    call.session.as_ref().is_some_and(|session| {
        let mut resources = session.rule.resources();
        resources.any(|resource| reaches_threshold(guard, &[Charge { resource, units: 1 }]))
    })
}

impl<'a> Rule<'a> {
    /// The session's resource and those above it, the farthest first.
    pub(super) fn resources(self) -> impl Iterator<Item = ResourceId> + use<'a> {
        self.parents.iter().rev().copied().chain([self.resource])
    }
}

impl Shared {
    /// Makes room for the events of an operation that charges so much, and opens a session by
    /// this rule. Nothing may be armed.
    #[cold]
    pub(super) fn prepare_to_tell(
        &self,
        guard: &BlockGuard<'_>,
        charges: &[Charge],
        session: Option<Rule<'_>>,
    ) -> Result<(), Obstacle> {
        let rules = &self.compiled()?.rulebook;
        let of_session = session.into_iter().flat_map(Rule::resources);
        let most: usize = charges
            .iter()
            .map(|charge| charge.resource)
            .chain(of_session)
            .filter_map(|resource| Some(rules.policy(resource)?.thresholds.len()))
            .sum();
        Ok(guard.ensure_events(most as u64)?)
    }

    /// Notes the thresholds that the charges have reached.
    #[cold]
    pub(super) fn tell_thresholds(
        &self,
        guard: &mut BlockGuard<'_>,
        charges: &[Charge],
        now: Timestamp,
    ) -> Result<(), Obstacle> {
        for charge in charges {
            self.tell_threshold(guard, charge.resource, now)?;
        }
        Ok(())
    }

    /// The same of the resources of a session.
    #[cold]
    pub(super) fn tell_session_thresholds(
        &self,
        guard: &mut BlockGuard<'_>,
        rule: Rule<'_>,
        now: Timestamp,
    ) -> Result<(), Obstacle> {
        rule.resources().try_for_each(|resource| self.tell_threshold(guard, resource, now))
    }

    fn tell_threshold(
        &self,
        guard: &mut BlockGuard<'_>,
        resource: ResourceId,
        now: Timestamp,
    ) -> Result<(), Obstacle> {
        let Some(slot) = guard.slot(resource) else { return Ok(()) };
        let (due, used) = (slot.get(slot::NEXT_EVENT), slot.used());
        let Some(policy) = self.compiled()?.rulebook.policy(resource) else { return Ok(()) };
        let limit = slot.get(slot::LIMIT);
        // Without a limit there is nothing to reach; the next one goes on from what was told.
        if used < due || limit == 0 {
            return Ok(());
        }
        for percent in thresholds::reached(&policy.thresholds, limit, due, used) {
            note(guard, &EventKind::of_threshold(percent, used, limit), resource, now);
        }
        let next = thresholds::next(&policy.thresholds, limit, used);
        guard.set_cell(slot.cell(slot::NEXT_EVENT), next);
        Ok(())
    }
}
