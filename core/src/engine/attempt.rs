//! One try of a decision: lock the record, decide, apply, unlock.
//!
//! Nothing here touches SQLite or the allocator: what needs them is a [`RetryReason`].

use std::time::Duration;

use super::Shared;
use super::apply;
use super::call::Call;
use super::decide::RetryReason;
use super::state::Simple;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::entries::EntryIndex;
use crate::live::entry_index;
use crate::live::layout::record;
use crate::live::record::RecordGuard;
use crate::rules::decide::decide_into;
use crate::rules::{Charge, Decision};

/// Kinds of usage that an operation records besides its charges, at most: a refusal, and what a
/// session with all above it charges.
const RECORDED_BESIDES: u64 = 6;

/// What a call finds in the entry table.
#[derive(Clone, Copy, Default)]
pub(super) struct FoundEntries {
    /// The contact's session that is kept.
    pub(super) session: Option<EntryIndex>,
    /// The campaign that pays for it, while it lives.
    pub(super) campaign: Option<EntryIndex>,
    /// The lease that its holder has already.
    pub(super) lease: Option<EntryIndex>,
    /// Whether its holder had it until it expired, and it counts still.
    pub(super) expired: bool,
    /// What the key of a rate has used up, also long ago.
    pub(super) rate: Option<EntryIndex>,
}

impl Shared {
    /// Locks the record of a tenant that exists and on which no change is under way: what is
    /// written to one where a change is may be overwritten when that is resolved.
    #[inline(always)]
    pub(super) fn live_record(
        &self,
        at: u64,
        timeout: Duration,
    ) -> Result<RecordGuard<'_>, RetryReason> {
        let guard = self.lock_record_within(at, timeout)?;
        if guard.pending().is_some() {
            return Err(RetryReason::Pending);
        }
        if !guard.is_live() {
            return Err(RetryReason::Unknown);
        }
        Ok(guard)
    }

    /// Locks a record that an operation may work on at `now`.
    #[inline(always)]
    pub(super) fn ready_record(
        &self,
        at: u64,
        now: Timestamp,
        timeout: Duration,
    ) -> Result<RecordGuard<'_>, RetryReason> {
        let guard = self.live_record(at, timeout)?;
        if guard.is_of_later_time(now) {
            return Err(RetryReason::EarlierTime);
        }
        if now >= guard.valid_until() {
            return Err(RetryReason::Due);
        }
        if guard.entry_time(now).ms() >= guard.get(record::HOLDS_DUE) as i64 {
            return Err(RetryReason::HoldsDue);
        }
        Ok(guard)
    }

    /// One try of a call that has not been looked up: everything between lock and unlock.
    #[inline(always)]
    pub(super) fn try_unresolved(
        &self,
        at: u64,
        charge: Charge,
        apply: bool,
        (now, timeout): (Timestamp, Duration),
        decision: &mut Decision,
    ) -> Result<(), RetryReason> {
        let mut guard = self.ready_record(at, now, timeout)?;
        let Some(simple) = Simple::new(&guard, charge.resource) else {
            return self.run_not_simple(&mut guard, charge, apply, now, decision);
        };
        if apply && !guard.history_has_capacity(1 + RECORDED_BESIDES) {
            return Err(RetryReason::CheckpointNeeded);
        }
        let Simple { counter, mode, .. } = simple;
        let charges = [charge];
        let call = Call::consume(&charges);
        decide_into(&simple, &call.request(None, None, true), decision);
        if !apply {
            return Ok(());
        }
        if decision.allowed() && !apply::reaches(counter, charge.units) {
            guard.begin();
            apply::use_up_in(&mut guard, counter, mode, charge, now, decision, None);
            guard.raise_high_water_mark(now);
            return self.finish(&mut guard);
        }
        self.apply_without_entries(&mut guard, &call, now, decision)
    }

    /// Of a resource that the record does not have, or that is more than grants and a limit.
    #[cold]
    #[inline(never)]
    fn run_not_simple(
        &self,
        guard: &mut RecordGuard<'_>,
        charge: Charge,
        apply: bool,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), RetryReason> {
        self.run_locked(guard, &Call { apply, ..Call::unresolved(&[charge]) }, now, decision)
    }

    /// One try: everything between lock and unlock. The decision says nothing yet.
    #[inline(always)]
    pub(super) fn try_run(
        &self,
        at: u64,
        call: &Call<'_>,
        (now, timeout): (Timestamp, Duration),
        decision: &mut Decision,
    ) -> Result<(), RetryReason> {
        for key in call.keys().into_iter().flatten() {
            entry_index::expect(&self.live.memory, at, key);
        }
        let mut guard = self.ready_record(at, now, timeout)?;
        self.run_locked(&mut guard, call, now, decision)
    }

    /// A call on a record that is locked and ready.
    #[inline(always)]
    pub(super) fn run_locked(
        &self,
        guard: &mut RecordGuard<'_>,
        call: &Call<'_>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), RetryReason> {
        if call.unresolved && !call.charges.iter().all(|it| guard.is_simple(it.resource)) {
            return Err(RetryReason::NotSimple);
        }
        if call.apply && !guard.history_has_capacity(call.charges.len() as u64 + RECORDED_BESIDES) {
            return Err(RetryReason::CheckpointNeeded);
        }
        if call.has_entries() {
            return self.run_with_entries(guard, call, now, decision);
        }
        decide_into(guard, &call.request(None, None, true), decision);
        if !call.apply {
            return Ok(());
        }
        if decision.allowed()
            && decision.shadowed.is_empty()
            && !apply::reaches_threshold(guard, call.charges)
        {
            guard.begin();
            apply::charges(guard, call.charges, now, decision, None);
            guard.raise_high_water_mark(now);
            return self.finish(guard);
        }
        self.apply_without_entries(guard, call, now, decision)
    }

    /// Applies a decision of which there is more to say than that it was allowed.
    #[cold]
    fn apply_without_entries(
        &self,
        guard: &mut RecordGuard<'_>,
        call: &Call<'_>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), RetryReason> {
        let emits = decision.allowed() && apply::reaches_threshold(guard, call.charges);
        if emits {
            self.prepare_events(guard, call.charges, None)?;
        }
        guard.begin();
        if decision.allowed() {
            apply::charges(guard, call.charges, now, decision, None);
            guard.raise_high_water_mark(now);
        }
        if !decision.allowed() || !decision.shadowed.is_empty() {
            apply::record_refusal(guard, decision, now);
        }
        if emits {
            self.emit_thresholds(guard, call.charges, now)?;
        }
        self.finish(guard)
    }

    /// Makes the operation stand. One that was too much for the undo record is undone, and tried
    /// again with a larger one.
    #[inline(always)]
    pub(super) fn finish(&self, guard: &mut RecordGuard<'_>) -> Result<(), RetryReason> {
        if guard.finish() {
            return Ok(self.check_poison()?);
        }
        guard.enlarge_undo().map_err(Error::from)?;
        Err(RetryReason::Again)
    }
}
