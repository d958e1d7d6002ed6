//! Decisions that have to do with claims: sessions, leases, rates, reservations, idempotency keys
//! and replay cursors. One critical section, as for those that have not.

use super::call::{Call, OnceCall};
use super::decide::{Found, Obstacle};
use super::reserve::hold;
use super::state::kept_session;
use super::{Shared, apply};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::block::BlockGuard;
use crate::live::claims::{Claim, ClaimKind, Place, slot_heap};
use crate::live::split::{Record, TAKEN_MAX};
use crate::rules::decide::decide_into;
use crate::rules::{Changes, Decision, LeaseOutcome, Reason};
use crate::torture;

/// Claims that a look at a heap reclaims at most: twice what an operation adds to it.
const RECLAIMED_AT_ONCE: u32 = 2;

impl Shared {
    /// As [`try_run`](Self::try_run), for calls that have to do with claims. Part of each function
    /// that makes such calls, with all that it calls here: see `frequent.rs`.
    #[inline(always)]
    pub(super) fn run_with_claims(
        &self,
        guard: &mut BlockGuard<'_>,
        call: &Call<'_>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Obstacle> {
        // What expires does so by the tenant's own high-water mark of time.
        let mark = now.max(guard.mark());
        let mut looked = None;
        if !call.looks_claims_up() {
            // What no claim has a say in is decided while the bucket of the key is on its way.
            looked = Some(look(guard, call, now, mark, decision));
        }
        let mut key = None;
        if let Some(once) = &call.once {
            key = guard.find_claim(once.key);
            if self.replay(guard, once, key, mark, decision)? {
                return self.replayed_or_skipped(guard, call, decision);
            }
        }
        if call.apply {
            self.reclaim_for(guard, call, mark)?;
            if let (Some(_), Some(once)) = (key, &call.once) {
                key = guard.find_claim(once.key); // It may be reclaimed by now.
            }
        }
        let (found, changes) = match looked {
            Some(looked) => looked,
            None => look(guard, call, now, mark, decision),
        };
        if call.lease.is_some() && (found.expired || may_reclaim_leases(guard, decision, mark)) {
            return Err(Obstacle::LeasesDue);
        }
        if !call.apply {
            return Ok(());
        }
        if let Some(cursor) = &call.cursor {
            cursor.refuse_if_passed(guard)?;
        }
        if let Some(place) = key.filter(|_| decision.allowed()) {
            self.forget_key(guard, place)?;
        }
        self.apply_with_claims(guard, call, found, decision, &changes, (now, mark))
    }

    /// Reclaims a key that has expired, so that another decision can be stored under it. A step
    /// of its own.
    #[cold]
    pub(super) fn forget_key(
        &self,
        guard: &mut BlockGuard<'_>,
        place: Place,
    ) -> Result<(), Obstacle> {
        if !guard.ring_has_room(1 + guard.count_parts_of(place, Some(ClaimKind::Key))) {
            return Err(Obstacle::CheckpointNeeded);
        }
        let seq = guard.begin();
        guard.unhang(guard.kept_heap(), place);
        guard.free_parts(place, seq);
        guard.free_claim(place, seq);
        self.finish(guard)
    }

    /// Gives the decision again that is stored in the claim of a key, unless it has expired.
    pub(super) fn replay(
        &self,
        guard: &BlockGuard<'_>,
        once: &OnceCall,
        key: Option<Place>,
        mark: Timestamp,
        decision: &mut Decision,
    ) -> Result<bool, Error> {
        let kept = key.filter(|&place| guard.kept_until(place) > mark);
        let Some(place) = kept.filter(|_| !torture::off(torture::Guard::Dedupe)) else {
            return Ok(false);
        };
        self.replayed(guard, place, once.fingerprint, decision)?;
        Ok(true)
    }

    /// Makes room for a decision that is stored without a record. Nothing may be armed.
    pub(super) fn prepare_key(guard: &mut BlockGuard<'_>) -> Result<(), Obstacle> {
        if !guard.has_claims() {
            guard.create_claims()?;
        }
        guard.prepare_claims(1, 2)?;
        Ok(guard.ensure_kept(1)?)
    }

    #[inline(always)]
    fn apply_with_claims(
        &self,
        guard: &mut BlockGuard<'_>,
        call: &Call<'_>,
        found: Found,
        decision: &mut Decision,
        changes: &Changes,
        (now, mark): (Timestamp, Timestamp),
    ) -> Result<(), Obstacle> {
        let allowed = decision.allowed();
        let asked = call.charges(found.lease.is_none());
        let tells = allowed
            && (apply::reaches_threshold(guard, asked)
                || (changes.opens.is_some() && apply::session_reaches_threshold(guard, call)));
        if tells {
            self.prepare_to_tell(guard, asked, call.session.as_ref().map(|it| it.rule))?;
        }
        if allowed || call.cursor.is_some() {
            make_room(guard, call, changes)?;
        }
        let waited = guard.changes_waiting();
        let seq = guard.begin();
        if allowed {
            let head = apply::record_head(guard, call);
            let kind = apply::head_kind(call);
            // Made where it stays: it is written in pieces, and to copy it would wait for them.
            let mut made;
            let mut record = None;
            if let Some(head) = head {
                made = Record::new(head, kind);
                record = Some(&mut made);
            }
            let recorded = call.recorded();
            apply::charges(guard, recorded, now, decision, record.as_deref_mut());
            let leased = asked.get(recorded.len()..).unwrap_or_default();
            if let Some(record) = &mut record {
                record.stays();
            }
            apply::charges(guard, leased, now, decision, record.as_deref_mut());
            if changes.opens.is_some() {
                apply::session_charges(guard, call, now, decision, record.as_deref_mut());
            }
            self.apply_claims(guard, call, found, decision, changes, (mark, seq));
            if let Some(head) = head {
                self.answer(guard, call, head, decision, (now, mark), seq);
            }
            if let Some(record) = record {
                record.touch(guard, seq);
            }
            guard.raise_mark(now);
        }
        if !allowed || !decision.shadowed.is_empty() {
            apply::book_refusal(guard, decision, now);
        }
        if tells {
            self.tell_thresholds(guard, asked, now)?;
            if let Some(session) = &call.session {
                self.tell_session_thresholds(guard, session.rule, now)?;
            }
        }
        if let Some(cursor) = &call.cursor {
            cursor.advance(guard, decision, seq);
        }
        self.finish(guard)?;
        if guard.ring_is_half_full_since(waited) {
            self.live.wake_checkpointer();
        }
        Ok(())
    }

    /// Writes sessions, leases and rates.
    #[inline(always)]
    fn apply_claims(
        &self,
        guard: &mut BlockGuard<'_>,
        call: &Call<'_>,
        found: Found,
        decision: &mut Decision,
        changes: &Changes,
        (mark, seq): (Timestamp, u64),
    ) {
        if let Some(session) = &call.session {
            apply::session(guard, session, found.session, changes, seq);
        }
        if let Some(lease) = &call.lease {
            let outcome = self.lease(guard, lease, found.lease, mark, seq);
            decision.lease = Some(outcome);
        }
        if let (Some(rate), Some(regained_at)) = (&call.rate, changes.regained_at) {
            apply::rate(guard, rate, found.rate, regained_at, seq);
        }
    }

    /// Writes what answers for the operation: its key, or its reservation, or both.
    #[inline(always)]
    fn answer<'a>(
        &self,
        guard: &mut BlockGuard<'a>,
        call: &Call<'_>,
        head: Claim<'a>,
        decision: &mut Decision,
        (now, mark): (Timestamp, Timestamp),
        seq: u64,
    ) {
        if let Some(hold_ms) = call.hold_ms {
            decision.reservation =
                Some(hold(guard, self.epoch(), (head, call.recorded()), (now, mark), hold_ms, seq));
        }
        if let Some(once) = &call.once {
            let key = match call.hold_ms {
                Some(_) => apply::key_claim(guard, once.key),
                None => head,
            };
            self.store_decision(guard, key, once, decision, mark, seq);
        }
    }

    /// A decision that was stored is given again; a cursor moves on all the same.
    #[inline(always)]
    fn replayed_or_skipped(
        &self,
        guard: &mut BlockGuard<'_>,
        call: &Call<'_>,
        decision: &Decision,
    ) -> Result<(), Obstacle> {
        if let Some(cursor) = call.cursor.as_ref().filter(|_| call.apply) {
            cursor.refuse_if_passed(guard)?;
            guard.prepare_claims(1, 1)?;
            let seq = guard.begin();
            cursor.advance(guard, decision, seq);
            self.finish(guard)?;
        }
        Ok(())
    }

    /// Reclaims a little of what is due where the call will add something.
    #[inline(always)]
    fn reclaim_for(
        &self,
        guard: &mut BlockGuard<'_>,
        call: &Call<'_>,
        mark: Timestamp,
    ) -> Result<(), Obstacle> {
        let resources = [
            call.session.as_ref().map(|session| session.rule.resource),
            call.lease.as_ref().map(|lease| lease.resource),
            call.rate.as_ref().map(|rate| rate.resource),
        ];
        for resource in resources.into_iter().flatten() {
            if let Some(slot) = guard.slot(resource) {
                self.reclaim(guard, slot_heap(slot), mark, RECLAIMED_AT_ONCE, &mut 0)?;
            }
        }
        if call.answers() && guard.has_claims() {
            let kept = guard.kept_heap();
            self.reclaim(guard, kept, mark, RECLAIMED_AT_ONCE, &mut 0)?;
        }
        Ok(())
    }

    /// Takes or prolongs a lease.
    fn lease(
        &self,
        guard: &mut BlockGuard<'_>,
        lease: &super::call::LeaseCall<'_>,
        held: Option<Place>,
        mark: Timestamp,
        seq: u64,
    ) -> LeaseOutcome {
        let acquired = held.is_none();
        let epoch = self.epoch();
        let place = held.unwrap_or_else(|| apply::new_lease(guard, lease, epoch, mark));
        if !apply::is_of_epoch(guard.claim_word(place, apply::FENCING), epoch) {
            apply::fence(guard, place, epoch);
        }
        let expires_at = mark.plus_ms(lease.ttl_ms);
        apply::prolong(guard, place, expires_at, seq);
        let fencing = guard.claim_word(place, apply::FENCING);
        LeaseOutcome { acquired, fencing, expires_at }
    }

    /// The rebuild epoch of the live file.
    pub(super) fn epoch(&self) -> u32 {
        self.live.header(crate::live::layout::header::EPOCH) as u32
    }
}

/// Whether a lease was denied for want of room while leases have expired that hold some.
fn may_reclaim_leases(guard: &BlockGuard<'_>, decision: &Decision, mark: Timestamp) -> bool {
    decision.reasons.contains(Reason::QuotaExhausted) && guard.lease_is_due(mark)
}

/// Looks up what the call asks for, and decides.
#[inline(always)]
fn look(
    guard: &BlockGuard<'_>,
    call: &Call<'_>,
    now: Timestamp,
    mark: Timestamp,
    decision: &mut Decision,
) -> (Found, Changes) {
    let mut found = Found::default();
    let session = call.session_request(now, |session| {
        let (place, kept) = kept_session(guard, session, mark)?;
        found.session = Some(place);
        Some(kept)
    });
    if let Some(lease) = &call.lease {
        let kept = guard.find_claim(lease.key);
        found.lease = kept.filter(|&place| guard.kept_until(place) > mark);
        found.expired = kept.is_some() && found.lease.is_none();
    }
    let rate = call.rate_request(mark, |key| {
        found.rate = guard.find_claim(key);
        found.rate.map_or(Timestamp::MIN, |place| guard.kept_until(place))
    });
    let takes_lease = found.lease.is_none();
    let changes = decide_into(guard, &call.request(session, rate, takes_lease), decision);
    if let (Some(lease), true) = (&call.lease, decision.allowed()) {
        let fencing = found.lease.map_or(0, |place| guard.claim_word(place, apply::FENCING));
        let expires_at = mark.plus_ms(lease.ttl_ms);
        decision.lease = Some(LeaseOutcome { acquired: takes_lease, fencing, expires_at });
    }
    (found, changes)
}

/// Makes room for all that the call will write in the claim table.
#[inline(always)]
fn make_room(
    guard: &mut BlockGuard<'_>,
    call: &Call<'_>,
    changes: &Changes,
) -> Result<(), Obstacle> {
    let answers = call.answers();
    if changes.opens.is_none()
        && changes.extends_to.is_none()
        && changes.regained_at.is_none()
        && call.lease.is_none()
        && call.cursor.is_none()
        && !answers
    {
        return Ok(());
    }
    if !guard.has_claims() {
        guard.create_claims()?;
    }
    let mut makes = 4 + u64::from(call.once.is_some() && call.hold_ms.is_some());
    if answers {
        let kind = apply::head_kind(call);
        let entries = apply::entries(guard, call, changes.opens.is_some());
        if entries > TAKEN_MAX {
            let why = format!(
                "they would come out of {entries} grants; an operation that can be given back \
                 takes from {TAKEN_MAX} at most"
            );
            return Err(Error::InvalidArgument { what: "units", why }.into());
        }
        makes += 1 + kind.parts_needed(entries);
    }
    guard.prepare_claims(makes, makes)?;
    let resources = [
        call.session.as_ref().map(|session| session.rule.resource),
        call.lease.as_ref().map(|lease| lease.resource),
        call.rate.as_ref().map(|rate| rate.resource),
    ];
    for resource in resources.into_iter().flatten() {
        if let Some(slot) = guard.slot(resource) {
            guard.ensure_heap(slot_heap(slot), 1)?;
        }
    }
    if call.hold_ms.is_some() {
        guard.ensure_heap(guard.hold_heap(), 1)?;
    }
    if call.answers() {
        // One for the key, and one for when the reservation is resolved.
        guard.ensure_kept(2)?;
    }
    Ok(())
}
