//! Applying a decision to its record: charges, entries, refusals.

use std::sync::atomic::Ordering::Relaxed;

use super::Shared;
use super::call::{Call, LeaseCall, RateCall};
use super::decide::RetryReason;
use super::reclaim::note;
use super::session_call::{Rule, SessionCall};
use crate::clock::Timestamp;
use crate::crash_points::{Guard, off};
use crate::live::Hash128;
use crate::live::entries::{
    Entry, EntryIndex, EntryKind, KEPT_UNTIL, LEASE_PARENTS, meta, pack_parents,
};
use crate::live::history::HistoryKey;
use crate::live::holds::{OpenedSession, SessionState};
use crate::live::layout::{counter, entry, record};
use crate::live::record::{CounterRef, RecordGuard, grant_id, grant_source};
use crate::live::takings::{HeadKind, TakingsWriter};
use crate::rules::{
    Changes, Charge, CounterTerms, Counting, Decision, EventKind, Mode, ResourceId, burn_down,
    thresholds,
};

/// The word of a lease's payload that holds its fencing number.
pub(super) const FENCING: u64 = 0;
/// Leases that a live file gives out before its epoch would show in their numbers.
const FENCE_BITS: u32 = 40;

/// Records a refusal, or what a shadow limit would have refused: a denial changes nothing else
/// (docs/invariants.md, I4).
#[cold]
pub(super) fn record_refusal(guard: &mut RecordGuard<'_>, decision: &Decision, now: Timestamp) {
    if let Some(reason) = decision.reason() {
        let _ = guard.record_history(HistoryKey::denied(now, reason, decision.resource), 1);
    } else if let Some(reason) = decision.shadowed.first() {
        let _ = guard.record_history(HistoryKey::shadowed(now, reason, decision.resource), 1);
    }
}

/// Charges everything, and notes in the decision where it came from.
#[inline(always)]
pub(super) fn charges<'a>(
    guard: &mut RecordGuard<'a>,
    charges: &[Charge],
    now: Timestamp,
    decision: &mut Decision,
    mut takings: Option<&mut TakingsWriter<'a>>,
) {
    for charge in charges {
        use_up(guard, *charge, now, decision, takings.as_deref_mut());
    }
}

/// Takes units from the grants, in their order, and counts them as used.
#[inline(always)]
fn use_up<'a>(
    guard: &mut RecordGuard<'a>,
    charge: Charge,
    now: Timestamp,
    decision: &mut Decision,
    takings: Option<&mut TakingsWriter<'a>>,
) {
    let Some(counter) = guard.counter(charge.resource) else { return };
    if charge.units == 0 {
        return;
    }
    let number = counter.get(counter::TERMS);
    let terms = CounterTerms::from_number(number);
    if !CounterTerms::is_simple(number) && terms.counting != Counting::Granted {
        return count_up(guard, counter, terms.counting, charge, now, decision, takings);
    }
    use_up_in(guard, counter, terms.mode, charge, now, decision, takings);
}

/// The same of a resource that is used up from grants, which has been found.
#[inline(always)]
pub(super) fn use_up_in<'a>(
    guard: &mut RecordGuard<'a>,
    counter: CounterRef<'_>,
    mode: Mode,
    Charge { resource, units }: Charge,
    now: Timestamp,
    decision: &mut Decision,
    mut takings: Option<&mut TakingsWriter<'a>>,
) {
    let mut left = units;
    if mode == Mode::Finite {
        let grants = counter.grant_cells();
        let remaining = grants.iter().map(|[_, remaining]| remaining.load(Relaxed));
        for (take, [grant, cell]) in burn_down::takes(units, remaining).zip(grants) {
            if take.units > 0 {
                guard.set_cell(cell, take.rest);
                let grant = grant.load(Relaxed);
                let source = Some(grant_source(grant));
                decision.charges.add(resource, source, take.units);
                if let Some(takings) = &mut takings {
                    takings.push(guard, (resource, take.units), (grant_id(grant), source));
                }
                left -= take.units;
            }
        }
    }
    if left > 0 {
        let beyond = counter.get(counter::BEYOND) + left;
        guard.set_cell(counter.cell(counter::BEYOND), beyond);
        decision.charges.add(resource, None, left);
        if let Some(takings) = takings {
            takings.push(guard, (resource, left), (0, None));
        }
    }
    guard.set_cell(counter.cell(counter::USED), counter.used() + units);
    guard.record_units(counter, HistoryKey::units(now, resource), units);
}

/// Counts what no grant gives: a meter goes up, a lease is held.
#[cold]
fn count_up<'a>(
    guard: &mut RecordGuard<'a>,
    counter: CounterRef<'_>,
    counting: Counting,
    Charge { resource, units }: Charge,
    now: Timestamp,
    decision: &mut Decision,
    takings: Option<&mut TakingsWriter<'a>>,
) {
    guard.set_cell(counter.cell(counter::USED), counter.used() + units);
    decision.charges.add(resource, None, units);
    let is_meter = counting == Counting::Meter;
    if is_meter {
        guard.record_units(counter, HistoryKey::units(now, resource), units);
    }
    if let Some(takings) = takings {
        let cycle = if is_meter { counter.get(counter::CYCLE) } else { 0 };
        takings.push(guard, (resource, units), (cycle, None));
    }
}

/// How many entries the record of a call has at most; `opens`: with a session.
#[inline]
pub(super) fn takings_needed(guard: &RecordGuard<'_>, call: &Call<'_>, opens: bool) -> u64 {
    let session = call.session.as_ref().filter(|_| opens);
    let opened = session.into_iter().flat_map(|session| session.rule.resources());
    let opened = opened.map(|resource| Charge { resource, units: 1 });
    let of_one = |charge: Charge| match guard.counter(charge.resource) {
        Some(counter) if charge.units > 0 && counter.terms().mode == Mode::Finite => {
            1 + grants_taken(counter, charge.units)
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
fn grants_taken(counter: CounterRef<'_>, units: u64) -> u64 {
    let grants = counter.grant_count();
    if grants <= 1 {
        return grants;
    }
    let remaining = counter.grants().map(|(_, remaining)| remaining);
    burn_down::takes(units, remaining).filter(|take| take.units > 0).count() as u64
}

// ---- sessions, leases, rates ----------------------------------------------------------------

/// Charges the session that is opened.
#[inline(always)]
pub(super) fn session_charges<'a>(
    guard: &mut RecordGuard<'a>,
    call: &Call<'_>,
    now: Timestamp,
    decision: &mut Decision,
    mut takings: Option<&mut TakingsWriter<'a>>,
) {
    let Some(session) = &call.session else { return };
    for resource in session.rule.resources() {
        use_up(guard, Charge { resource, units: 1 }, now, decision, takings.as_deref_mut());
    }
}

/// Opens the contact's session, or moves its end.
pub(super) fn session(
    guard: &mut RecordGuard<'_>,
    session: &SessionCall<'_>,
    kept: Option<EntryIndex>,
    changes: &Changes,
    seq: u64,
) -> Option<OpenedSession> {
    let late_ms = session.rule.late_ms;
    let mut made = None;
    let (index, end) = match (changes.opens, changes.extends_to) {
        (Some(opened), _) => {
            let key = session.key_of(session.contact);
            let known = guard.find_entry(key);
            let before = known
                .map(|index| [entry::START, entry::END].map(|word| guard.entry_get(index, word)));
            let index = known.unwrap_or_else(|| {
                let kept_until = opened.end.plus_ms(late_ms);
                new_entry(guard, EntryKind::Session, session.rule.resource, key, kept_until).index
            });
            if known.is_some() && guard.session_state(index) != SessionState::Used {
                guard.set_entry_state(index, SessionState::Used as u8);
            }
            guard.entry_set(index, entry::START, opened.start.ms() as u64);
            made = Some(OpenedSession { index, before });
            (index, opened.end)
        }
        (None, Some(end)) => (kept?, end),
        (None, None) => return None,
    };
    guard.entry_set(index, entry::END, end.ms() as u64);
    guard.entry_set(index, KEPT_UNTIL, end.plus_ms(late_ms).ms() as u64);
    // A session that only goes on is written again when it outlasts what SQLite has of it.
    if made.is_none() && (end <= guard.saved_end(index) || off(Guard::Slack)) {
        return None;
    }
    guard.set_saved_end(index, end.plus_ms(session.rule.slack_ms()));
    guard.touch_entry(index, seq);
    made
}

/// An entry for a lease without a holder, with the next fencing number.
pub(super) fn new_lease(
    guard: &mut RecordGuard<'_>,
    lease: &LeaseCall<'_>,
    epoch: u32,
    time: Timestamp,
) -> EntryIndex {
    let expires_at = time.plus_ms(lease.ttl_ms);
    let entry = new_entry(guard, EntryKind::Lease, lease.resource, lease.key, expires_at);
    let number = next_fence(guard, epoch);
    entry.fill_word(FENCING, number);
    entry.fill_word(LEASE_PARENTS, pack_parents(lease.parents));
    entry.fill(entry::START, time.ms() as u64);
    entry.fill(entry::END, expires_at.ms() as u64);
    entry.fill(KEPT_UNTIL, expires_at.ms() as u64);
    entry.index
}

/// Gives a lease that is held the next fencing number.
pub(super) fn fence(guard: &mut RecordGuard<'_>, index: EntryIndex, epoch: u32) {
    let number = next_fence(guard, epoch);
    guard.entry_set_word(index, FENCING, number);
}

fn next_fence(guard: &mut RecordGuard<'_>, epoch: u32) -> u64 {
    let fence = guard.get(record::FENCE).wrapping_add(1);
    guard.set_cell(guard.cell(record::FENCE), fence);
    u64::from(epoch) << FENCE_BITS | fence
}

/// Whether a fencing number was given out by the live file of this epoch. One from before may
/// be that of a holder whose place another has had since: that is no longer known.
pub(super) fn is_of_epoch(fencing: u64, epoch: u32) -> bool {
    fencing >> FENCE_BITS == u64::from(epoch)
}

/// Has a lease begin again at `time`.
pub(super) fn prolong(
    guard: &mut RecordGuard<'_>,
    index: EntryIndex,
    (time, until): (Timestamp, Timestamp),
    seq: u64,
) {
    guard.entry_set(index, entry::START, time.ms() as u64);
    guard.entry_set(index, entry::END, until.ms() as u64);
    guard.entry_set(index, KEPT_UNTIL, until.ms() as u64);
    // A lease may be shortened: its heap must not be late for it.
    if let Some(heap) = guard.heap_of(guard.entry_get(index, entry::META)) {
        guard.heap_update(heap, index, until);
    }
    guard.touch_entry(index, seq);
}

/// Notes when a key of a rate will have regained everything.
pub(super) fn rate(
    guard: &mut RecordGuard<'_>,
    rate: &RateCall,
    found: Option<EntryIndex>,
    (time, regained_at): (Timestamp, Timestamp),
    seq: u64,
) {
    let entry = match found {
        Some(index) => guard.entry(index),
        None => new_entry(guard, EntryKind::Rate, rate.resource, rate.key, regained_at),
    };
    guard.write(entry, entry::START, time.ms() as u64);
    guard.write(entry, entry::END, regained_at.ms() as u64);
    guard.write(entry, KEPT_UNTIL, regained_at.ms() as u64);
    guard.touch(entry, seq);
}

/// A new entry under a key, inserted.
fn new_entry<'a>(
    guard: &mut RecordGuard<'a>,
    kind: EntryKind,
    resource: ResourceId,
    key: Hash128,
    until: Timestamp,
) -> Entry<'a> {
    let entry = guard.make_entry(kind, resource, Some(key));
    if let Some(heap) = guard.heap_of(meta(kind, resource)) {
        guard.heap_insert(heap, entry, until);
    }
    entry
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

/// Makes the entry that keeps the record of a call, if it has one.
#[inline(always)]
pub(super) fn takings_head<'a>(guard: &mut RecordGuard<'a>, call: &Call<'_>) -> Option<Entry<'a>> {
    match (call.hold_ms, &call.once) {
        (Some(_), _) => {
            // A send is found by its message, where that has an id already.
            let message = call.session.as_ref().and_then(|session| session.message);
            Some(guard.make_entry(EntryKind::Reservation, ResourceId::NONE, message))
        }
        (None, Some(once)) => {
            Some(guard.make_entry(EntryKind::Key, ResourceId::NONE, Some(once.key)))
        }
        (None, None) => None,
    }
}

/// Makes the entry of an idempotency key that has no record. One that has expired has been
/// forgotten, with its record.
pub(super) fn key_entry<'a>(guard: &mut RecordGuard<'a>, key: Hash128) -> Entry<'a> {
    let entry = guard.make_entry(EntryKind::Key, ResourceId::NONE, Some(key));
    entry.fill_no_link();
    entry
}

// ---- thresholds -----------------------------------------------------------------------------

/// Whether a charge brings a resource to where an event is due.
#[inline(always)]
pub(super) fn reaches_threshold(guard: &RecordGuard<'_>, charges: &[Charge]) -> bool {
    for charge in charges {
        if guard.counter(charge.resource).is_some_and(|counter| reaches(counter, charge.units)) {
            return true;
        }
    }
    false
}

/// Whether so many units bring a resource to where an event is due.
#[inline(always)]
pub(super) fn reaches(counter: CounterRef<'_>, units: u64) -> bool {
    counter.used().saturating_add(units) >= counter.get(counter::NEXT_EVENT)
}

/// Whether opening the call's session brings a resource to where an event is due.
#[inline(always)]
pub(super) fn session_reaches_threshold(guard: &RecordGuard<'_>, call: &Call<'_>) -> bool {
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
    /// Reserves capacity for the events of an operation that charges so much, and opens a session
    /// by this rule. The undo log must be empty.
    #[cold]
    pub(super) fn prepare_events(
        &self,
        guard: &RecordGuard<'_>,
        charges: &[Charge],
        session: Option<Rule<'_>>,
    ) -> Result<(), RetryReason> {
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
    pub(super) fn emit_thresholds(
        &self,
        guard: &mut RecordGuard<'_>,
        charges: &[Charge],
        now: Timestamp,
    ) -> Result<(), RetryReason> {
        for charge in charges {
            self.emit_threshold(guard, charge.resource, now)?;
        }
        Ok(())
    }

    /// The same of the resources of a session.
    #[cold]
    pub(super) fn emit_session_thresholds(
        &self,
        guard: &mut RecordGuard<'_>,
        rule: Rule<'_>,
        now: Timestamp,
    ) -> Result<(), RetryReason> {
        rule.resources().try_for_each(|resource| self.emit_threshold(guard, resource, now))
    }

    fn emit_threshold(
        &self,
        guard: &mut RecordGuard<'_>,
        resource: ResourceId,
        now: Timestamp,
    ) -> Result<(), RetryReason> {
        let Some(counter) = guard.counter(resource) else { return Ok(()) };
        let (due, used) = (counter.get(counter::NEXT_EVENT), counter.used());
        let Some(policy) = self.compiled()?.rulebook.policy(resource) else { return Ok(()) };
        let limit = counter.get(counter::LIMIT);
        // Without a limit there is nothing to reach; the next one goes on from what was reported.
        if used < due || limit == 0 {
            return Ok(());
        }
        for percent in thresholds::reached(&policy.thresholds, limit, due, used) {
            note(guard, &EventKind::of_threshold(percent, used, limit), resource, now);
        }
        let next = thresholds::next(&policy.thresholds, limit, used);
        guard.set_cell(counter.cell(counter::NEXT_EVENT), next);
        Ok(())
    }
}
