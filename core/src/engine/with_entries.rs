//! Decisions that have to do with entries: sessions, leases, rates, reservations, idempotency keys
//! and replay cursors. One critical section, as for those that have not.

use super::attempt::FoundEntries;
use super::call::{Call, OnceCall};
use super::decide::RetryReason;
use super::reserve::hold;
use super::sends::refuse_known_message;
use super::state::kept_session;
use super::{Shared, apply, sends};
use crate::clock::Timestamp;
use crate::crash_points;
use crate::error::Error;
use crate::live::entries::{Entry, EntryIndex, EntryKind, counter_heap};
use crate::live::holds::{HoldRole, OpenedSession};
use crate::live::record::RecordGuard;
use crate::live::takings::{TAKEN_MAX, TakingsWriter};
use crate::rules::decide::decide_into;
use crate::rules::{Changes, Decision, LeaseOutcome, Reason};

/// Entries that a look at a heap reclaims at most: twice what an operation adds to it.
const RECLAIMED_AT_ONCE: u32 = 2;

impl Shared {
    /// As [`try_run`](Self::try_run), for calls that have to do with entries. Part of each function
    /// that makes such calls, with all that it calls here: see `frequent.rs`.
    #[inline(always)]
    pub(super) fn run_with_entries(
        &self,
        guard: &mut RecordGuard<'_>,
        call: &Call<'_>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), RetryReason> {
        // What expires does so by the tenant's own high-water mark of time, unless the wall clock
        // was set back: see `RecordGuard::entry_time`.
        let high_water_mark = now.max(guard.high_water_mark());
        let time = guard.entry_time(now);
        if let Some((contact, also)) = call.linked() {
            self.link_if_it_fits(guard, [contact, also])?;
        }
        let mut looked = None;
        if !call.looks_entries_up() {
            // What no entry has a say in is decided while the bucket of the key is on its way.
            looked = Some(self.look_up(guard, call, now, high_water_mark, decision)?);
        }
        let mut key = None;
        if let Some(once) = &call.once {
            key = guard.find_entry(once.key);
            if self.replay(guard, once, key, high_water_mark, decision)? {
                return self.replayed_or_skipped(guard, call, decision);
            }
        }
        if call.apply {
            self.reclaim_for(guard, call, high_water_mark, time)?;
            if let (Some(_), Some(once)) = (key, &call.once) {
                key = guard.find_entry(once.key); // It may be reclaimed by now.
            }
        }
        let (found, changes) = match looked {
            Some(looked) => looked,
            None => self.look_up(guard, call, now, high_water_mark, decision)?,
        };
        if call.lease.is_some() && (found.expired || may_reclaim_leases(guard, decision, time)) {
            return Err(RetryReason::LeasesDue);
        }
        if !call.apply {
            return Ok(());
        }
        if call.is_message() && decision.allowed() && changes.is_empty() {
            guard.raise_high_water_mark(now);
            return Ok(());
        }
        if let Some(cursor) = &call.cursor {
            cursor.refuse_if_passed(guard)?;
        }
        if call.is_send() {
            refuse_known_message(guard, call)?;
        }
        if let Some(index) = key.filter(|_| decision.allowed()) {
            self.forget_key(guard, index)?;
        }
        if decision.too_old {
            return self.apply_too_old(guard, call, decision, (now, high_water_mark));
        }
        self.apply_with_entries(guard, call, found, decision, &changes, (now, high_water_mark))
    }

    /// Reclaims a key that has expired, so that another decision can be stored under it. A step
    /// of its own.
    #[cold]
    pub(super) fn forget_key(
        &self,
        guard: &mut RecordGuard<'_>,
        index: EntryIndex,
    ) -> Result<(), RetryReason> {
        if !guard.ring_has_capacity(1 + guard.count_parts_of(index, Some(EntryKind::Key))) {
            return Err(RetryReason::CheckpointNeeded);
        }
        let seq = guard.begin();
        guard.heap_remove(guard.kept_heap(), index);
        guard.free_parts(index, seq);
        guard.free_entry(index, seq);
        self.finish(guard)
    }

    /// Gives the decision again that is stored in the entry of a key, unless it has expired.
    pub(super) fn replay(
        &self,
        guard: &RecordGuard<'_>,
        once: &OnceCall,
        key: Option<EntryIndex>,
        high_water_mark: Timestamp,
        decision: &mut Decision,
    ) -> Result<bool, Error> {
        let kept = key.filter(|&index| guard.kept_until(index) > high_water_mark);
        let Some(index) = kept.filter(|_| !crash_points::off(crash_points::Guard::Dedupe)) else {
            return Ok(false);
        };
        self.replayed(guard, index, once.fingerprint, decision)?;
        Ok(true)
    }

    /// Looks up what the call asks for, and decides.
    #[inline(always)]
    fn look_up(
        &self,
        guard: &RecordGuard<'_>,
        call: &Call<'_>,
        now: Timestamp,
        high_water_mark: Timestamp,
        decision: &mut Decision,
    ) -> Result<(FoundEntries, Changes), Error> {
        let mut found = FoundEntries::default();
        if call.is_forgotten(high_water_mark) {
            let call = Call { session: None, ..call.without_charges() };
            decide_into(guard, &call.request(None, None, false), decision);
            decision.too_old = decision.allowed();
            return Ok((found, Changes::default()));
        }
        let time = guard.entry_time(now);
        let campaign = self.campaign_units(guard, call, time);
        found.campaign = campaign.and_then(|(index, _)| index);
        let units = campaign.map(|(_, units)| units);
        let session = call.session_request((now, high_water_mark), units, |session, at| {
            let (index, kept) = kept_session(guard, session, (at, high_water_mark))?;
            found.session = Some(index);
            Some(kept)
        });
        if let Some(lease) = &call.lease {
            let kept = guard.find_entry(lease.key);
            found.lease = kept.filter(|&index| guard.kept_until(index) > time);
            found.expired = kept.is_some() && found.lease.is_none();
        }
        let rate = call.rate_request(guard.wall_time(time), |key| {
            found.rate = guard.find_entry(key);
            let kept = |index| guard.wall_time(guard.kept_until(index));
            found.rate.map_or(Timestamp::MIN, kept)
        });
        let takes_lease = found.lease.is_none();
        let changes = decide_into(guard, &call.request(session, rate, takes_lease), decision);
        if campaign.is_some() && found.campaign.is_none() {
            self.refuse_campaign(guard, call, decision, now)?;
        }
        if let (Some(lease), true) = (&call.lease, decision.allowed() && !decision.too_old) {
            let fencing = found.lease.map_or(0, |index| guard.entry_word(index, apply::FENCING));
            let expires_at = guard.wall_time(time.plus_ms(lease.ttl_ms));
            decision.lease = Some(LeaseOutcome { acquired: takes_lease, fencing, expires_at });
        }
        Ok((found, changes))
    }

    /// Applies what was decided about something that is too old: it is remembered, and nothing is
    /// charged.
    #[cold]
    #[inline(never)]
    fn apply_too_old(
        &self,
        guard: &mut RecordGuard<'_>,
        call: &Call<'_>,
        decision: &mut Decision,
        at: (Timestamp, Timestamp),
    ) -> Result<(), RetryReason> {
        let call = call.without_charges();
        let (found, changes) = (FoundEntries::default(), Changes::default());
        self.apply_with_entries(guard, &call, found, decision, &changes, at)
    }

    /// Reserves capacity for a decision that is stored without a record. Nothing may be pending.
    pub(super) fn prepare_key(guard: &mut RecordGuard<'_>) -> Result<(), RetryReason> {
        if !guard.has_entries() {
            guard.create_entries()?;
        }
        guard.prepare_entries(1, 2)?;
        Ok(guard.ensure_kept(1)?)
    }

    #[inline(always)]
    fn apply_with_entries(
        &self,
        guard: &mut RecordGuard<'_>,
        call: &Call<'_>,
        found: FoundEntries,
        decision: &mut Decision,
        changes: &Changes,
        (now, high_water_mark): (Timestamp, Timestamp),
    ) -> Result<(), RetryReason> {
        let allowed = decision.allowed();
        let asked = call.charges(found.lease.is_none());
        let emits = allowed
            && (apply::reaches_threshold(guard, asked)
                || (changes.opens.is_some() && apply::session_reaches_threshold(guard, call)));
        if emits {
            self.prepare_events(guard, asked, call.session.as_ref().map(|it| it.rule))?;
        }
        if allowed || call.cursor.is_some() {
            ensure_capacity(guard, call, changes)?;
        }
        let waited = guard.changes_waiting();
        let seq = guard.begin();
        if allowed {
            self.apply_allowed(guard, call, found, decision, changes, (now, high_water_mark, seq));
            guard.raise_high_water_mark(now);
        }
        if !allowed || !decision.shadowed.is_empty() {
            apply::record_refusal(guard, decision, now);
        }
        if emits {
            self.emit_thresholds(guard, asked, now)?;
            if let Some(session) = &call.session {
                self.emit_session_thresholds(guard, session.rule, now)?;
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

    /// Charges what was allowed, and writes what it changes.
    #[inline(always)]
    fn apply_allowed(
        &self,
        guard: &mut RecordGuard<'_>,
        call: &Call<'_>,
        found: FoundEntries,
        decision: &mut Decision,
        changes: &Changes,
        (now, high_water_mark, seq): (Timestamp, Timestamp, u64),
    ) {
        let head = apply::takings_head(guard, call);
        let kind = apply::head_kind(call);
        // Made where it stays: it is written in pieces, and to copy it would wait for them.
        let mut made;
        let mut takings = None;
        if let Some(head) = head {
            made = TakingsWriter::new(head, kind);
            takings = Some(&mut made);
        }
        let recorded = call.recorded();
        apply::charges(guard, recorded, now, decision, takings.as_deref_mut());
        let asked = call.charges(found.lease.is_none());
        let leased = asked.get(recorded.len()..).unwrap_or_default();
        if let Some(takings) = &mut takings {
            takings.stays();
        }
        apply::charges(guard, leased, now, decision, takings.as_deref_mut());
        let mut unit = None;
        if call.is_send() {
            unit = self.session_of_send(
                guard,
                call,
                found,
                decision,
                changes,
                (now, high_water_mark, seq),
            );
        } else if changes.draws {
            sends::draw_for_good(guard, call, found, seq);
        } else if changes.opens.is_some() {
            apply::session_charges(guard, call, now, decision, takings.as_deref_mut());
        }
        let time = guard.entry_time(now);
        let opened = self.apply_entries(guard, call, found, decision, changes, (time, seq));
        if let Some(opened) = opened {
            sends::own_opened(guard, call, opened, (unit, head), changes, seq);
        }
        if let Some(index) = found.session.filter(|_| changes.uses) {
            sends::use_session(guard, index, seq);
        }
        if let Some(head) = head {
            self.answer(guard, call, head, decision, (now, high_water_mark), seq);
            if call.is_send() {
                sends::fill_send(guard, head, unit, changes);
            } else if let Some(opened) = opened {
                sends::note_opened(guard, head, opened);
            }
        }
        if let Some(takings) = takings {
            takings.touch(guard, seq);
        }
    }

    /// Writes sessions, leases and rates. Gives the session that was opened.
    #[inline(always)]
    fn apply_entries(
        &self,
        guard: &mut RecordGuard<'_>,
        call: &Call<'_>,
        found: FoundEntries,
        decision: &mut Decision,
        changes: &Changes,
        (time, seq): (Timestamp, u64),
    ) -> Option<OpenedSession> {
        let session = call.session.as_ref();
        let opened =
            session.and_then(|session| apply::session(guard, session, found.session, changes, seq));
        if let Some(lease) = &call.lease {
            let outcome = self.lease(guard, lease, found.lease, time, seq);
            decision.lease = Some(outcome);
        }
        if let (Some(rate), Some(regained_at)) = (&call.rate, changes.regained_at) {
            let back_ms = time.ms() - guard.wall_time(time).ms();
            apply::rate(guard, rate, found.rate, (time, regained_at.plus_ms(back_ms)), seq);
        }
        opened
    }

    /// Writes what answers for the operation: its key, or its reservation, or both.
    #[inline(always)]
    fn answer<'a>(
        &self,
        guard: &mut RecordGuard<'a>,
        call: &Call<'_>,
        head: Entry<'a>,
        decision: &mut Decision,
        (now, high_water_mark): (Timestamp, Timestamp),
        seq: u64,
    ) {
        if let Some(hold_ms) = call.hold_ms {
            if call.is_campaign {
                guard.set_hold_role(head, HoldRole::Campaign);
            }
            let charges = (head, call.recorded());
            decision.reservation = Some(hold(guard, self.epoch(), charges, now, hold_ms, seq));
        }
        if let Some(once) = &call.once {
            let key = match call.hold_ms {
                Some(_) => apply::key_entry(guard, once.key),
                None => head,
            };
            self.store_decision(guard, key, once, decision, high_water_mark, seq);
        }
    }

    /// A decision that was stored is given again; a cursor moves on all the same.
    #[inline(always)]
    fn replayed_or_skipped(
        &self,
        guard: &mut RecordGuard<'_>,
        call: &Call<'_>,
        decision: &Decision,
    ) -> Result<(), RetryReason> {
        if let Some(cursor) = call.cursor.as_ref().filter(|_| call.apply) {
            cursor.refuse_if_passed(guard)?;
            guard.prepare_entries(1, 1)?;
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
        guard: &mut RecordGuard<'_>,
        call: &Call<'_>,
        high_water_mark: Timestamp,
        time: Timestamp,
    ) -> Result<(), RetryReason> {
        let resources = [
            call.session.as_ref().map(|session| (session.rule.resource, high_water_mark)),
            call.lease.as_ref().map(|lease| (lease.resource, time)),
            call.rate.as_ref().map(|rate| (rate.resource, time)),
        ];
        for (resource, until) in resources.into_iter().flatten() {
            if let Some(counter) = guard.counter(resource) {
                self.reclaim(guard, counter_heap(counter), until, RECLAIMED_AT_ONCE, &mut 0)?;
            }
        }
        if call.answers() && guard.has_entries() {
            let kept = guard.kept_heap();
            self.reclaim(guard, kept, high_water_mark, RECLAIMED_AT_ONCE, &mut 0)?;
        }
        Ok(())
    }

    /// Takes or prolongs a lease.
    fn lease(
        &self,
        guard: &mut RecordGuard<'_>,
        lease: &super::call::LeaseCall<'_>,
        held: Option<EntryIndex>,
        time: Timestamp,
        seq: u64,
    ) -> LeaseOutcome {
        let acquired = held.is_none();
        let epoch = self.epoch();
        let index = held.unwrap_or_else(|| apply::new_lease(guard, lease, epoch, time));
        if !apply::is_of_epoch(guard.entry_word(index, apply::FENCING), epoch) {
            apply::fence(guard, index, epoch);
        }
        let until = time.plus_ms(lease.ttl_ms);
        apply::prolong(guard, index, (time, until), seq);
        let fencing = guard.entry_word(index, apply::FENCING);
        LeaseOutcome { acquired, fencing, expires_at: guard.wall_time(until) }
    }

    /// The rebuild epoch of the live file.
    pub(super) fn epoch(&self) -> u32 {
        self.live.header(crate::live::layout::header::EPOCH) as u32
    }
}

/// Whether a lease was denied for want of capacity while leases have expired that hold some.
fn may_reclaim_leases(guard: &RecordGuard<'_>, decision: &Decision, time: Timestamp) -> bool {
    decision.reasons.contains(Reason::QuotaExhausted) && guard.lease_is_due(time)
}

/// Reserves capacity for all that the call will write in the entry table.
#[inline(always)]
fn ensure_capacity(
    guard: &mut RecordGuard<'_>,
    call: &Call<'_>,
    changes: &Changes,
) -> Result<(), RetryReason> {
    let answers = call.answers();
    if changes.opens.is_none()
        && changes.extends_to.is_none()
        && changes.regained_at.is_none()
        && call.lease.is_none()
        && call.cursor.is_none()
        && !changes.uses
        && !changes.draws
        && !answers
    {
        return Ok(());
    }
    if !guard.has_entries() {
        guard.create_entries()?;
    }
    let mut makes = 4 + u64::from(call.once.is_some() && call.hold_ms.is_some());
    if answers {
        let kind = apply::head_kind(call);
        let opens = changes.opens.is_some() && !call.is_send();
        let entries = apply::takings_needed(guard, call, opens);
        if entries > TAKEN_MAX {
            let why = format!(
                "they would come out of {entries} grants; an operation that can be given back \
                 takes from {TAKEN_MAX} at most"
            );
            return Err(Error::InvalidArgument { what: "units", why }.into());
        }
        makes += 1 + kind.parts_needed(entries);
        if call.is_send() {
            makes += sends::UNIT_ENTRIES;
        }
    }
    guard.prepare_entries(makes, makes)?;
    let resources = [
        call.session.as_ref().map(|session| session.rule.resource),
        call.lease.as_ref().map(|lease| lease.resource),
        call.rate.as_ref().map(|rate| rate.resource),
    ];
    for resource in resources.into_iter().flatten() {
        if let Some(counter) = guard.counter(resource) {
            guard.ensure_heap(counter_heap(counter), 1)?;
        }
    }
    if call.hold_ms.is_some() {
        // One for the reservation, and one for the session that it pays for.
        guard.ensure_heap(guard.hold_heap(), 2)?;
    }
    if call.answers() {
        // One for the key, and one for when each reservation is resolved.
        guard.ensure_kept(3)?;
    }
    Ok(())
}
