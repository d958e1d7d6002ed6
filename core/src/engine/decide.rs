//! The decision path: lock the record, decide, apply, unlock.
//!
//! Nothing here touches SQLite or the allocator while the record is locked. What needs them (a
//! boundary that has passed, a change whose process died, a full list of changes) is left to the
//! admin transaction or the checkpointer with the lock released, and then it is tried again.

use std::time::Duration;

use super::administer::check_granted;
use super::apply;
use super::call::{Call, Details, NO_CHARGES, charge};
use super::caller::With;
use super::state::Simple;
use super::{Durability, Engine, Maintenance, Shared};
use crate::clock::Timestamp;
use crate::crash_points;
use crate::error::Error;
use crate::live::entries::EntryIndex;
use crate::live::entry_capacity::EntryError;
use crate::live::entry_index;
use crate::live::file::GrowError;
use crate::live::layout::record;
use crate::live::record::RecordGuard;
use crate::rules::decide::decide_into;
use crate::rules::{Charge, Decision, ResourceId};

/// Times that a decision reserves capacity and tries again; each time something has been settled.
const TRIES: u32 = 64;
/// Kinds of usage that an operation records besides its charges, at most: a refusal, and what a
/// session with all above it charges.
const RECORDED_BESIDES: u64 = 6;

/// What stands in the way of an operation with the record as it is.
pub(super) enum RetryReason {
    /// A change was under way when its process died.
    Pending,
    /// A boundary has passed.
    Due,
    /// Too many changes wait for a checkpoint.
    CheckpointNeeded,
    /// Something was done about it under the lock; the operation begins again.
    Again,
    /// Reservations have expired that are still open.
    HoldsDue,
    /// All leases seem to be taken, and some have expired.
    LeasesDue,
    /// Time began again, at an earlier instant than the tenant has seen.
    EarlierTime,
    /// A reservation of a period that is closed holds units of grants that still live: only the
    /// admin transaction can give them back.
    LateHold(EntryIndex),
    /// The resource is more than grants and a limit.
    NotSimple,
    /// The tenant does not exist.
    Unknown,
    /// Boxed to keep `RetryReason` small.
    Error(Box<Error>),
}

impl From<Error> for RetryReason {
    fn from(error: Error) -> Self {
        RetryReason::Error(Box::new(error))
    }
}

impl From<GrowError> for RetryReason {
    fn from(error: GrowError) -> Self {
        Error::from(error).into()
    }
}

impl From<EntryError> for RetryReason {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::CheckpointNeeded => RetryReason::CheckpointNeeded,
            EntryError::Grow(error) => Error::from(error).into(),
        }
    }
}

impl Engine {
    /// Decides about units of one resource. Here and below a decision is made in the place where
    /// the host wants it, `result`, and is never copied: that takes longer than to make it.
    #[inline(always)]
    pub(super) fn consume_at(
        &self,
        at: u64,
        name: &str,
        resource: ResourceId,
        units: u64,
    ) -> Result<Decision, Error> {
        let mut result = Ok(Decision::nothing());
        self.consume_into(at, name, resource, units, &mut result);
        result
    }

    /// A function of its own: what such a call does not ask for is known to the compiler, which
    /// leaves it out.
    pub(super) fn consume_into(
        &self,
        at: u64,
        name: &str,
        resource: ResourceId,
        units: u64,
        result: &mut Result<Decision, Error>,
    ) {
        self.run_unresolved(at, name, charge(resource, units), true, result);
    }

    /// As [`consume_at`](Self::consume_at), without doing it.
    #[inline(always)]
    pub(super) fn check_at(
        &self,
        at: u64,
        name: &str,
        resource: ResourceId,
        units: u64,
    ) -> Result<Decision, Error> {
        let mut result = Ok(Decision::nothing());
        self.check_into(at, name, resource, units, &mut result);
        result
    }

    pub(super) fn check_into(
        &self,
        at: u64,
        name: &str,
        resource: ResourceId,
        units: u64,
        result: &mut Result<Decision, Error>,
    ) {
        self.run_unresolved(at, name, charge(resource, units), false, result);
    }

    /// A call that has not been looked up, as nearly all are: it has a way of its own, which has
    /// no call in memory.
    #[inline(always)]
    fn run_unresolved(
        &self,
        at: u64,
        name: &str,
        charge: Result<Charge, Error>,
        apply: bool,
        result: &mut Result<Decision, Error>,
    ) {
        let Ok(decision) = result else { return };
        let charge = match charge {
            Ok(charge) => charge,
            Err(error) => return *result = Err(error),
        };
        if let Err(error) = self.shared.check_poison() {
            return *result = Err(error);
        }
        let now = self.now_of_decision();
        match self.shared.try_unresolved(at, charge, apply, (now, self.timeout), decision) {
            Ok(()) if apply => {
                let allowed = decision.allowed();
                if let Err(error) = self.after(at, now, allowed) {
                    *result = Err(error);
                }
            }
            Ok(()) => {}
            Err(retry) => {
                *result = self.run_unresolved_again(at, name, charge, apply, now, retry);
            }
        }
    }

    #[cold]
    fn run_unresolved_again(
        &self,
        at: u64,
        name: &str,
        charge: Charge,
        apply: bool,
        now: Timestamp,
        retry: RetryReason,
    ) -> Result<Decision, Error> {
        self.run_again(at, name, &Call { apply, ..Call::unresolved(&[charge]) }, now, retry)
    }

    /// Decides, and applies what was decided.
    #[inline(always)]
    pub(super) fn run(&self, at: u64, name: &str, call: &Call<'_>) -> Result<Decision, Error> {
        let mut result = Ok(Decision::nothing());
        self.run_into(at, name, call, &mut result);
        result
    }

    pub(super) fn run_into(
        &self,
        at: u64,
        name: &str,
        call: &Call<'_>,
        result: &mut Result<Decision, Error>,
    ) {
        self.run_here(at, name, || *call, result);
    }

    /// Everything that a call does where nothing stands in its way, to be made part of a function
    /// that makes calls of one kind. The function that resolves retry reasons receives the call
    /// again: it is never in memory until then, and the compiler knows what it does not ask for.
    #[inline(always)]
    pub(super) fn run_here<'c>(
        &self,
        at: u64,
        name: &str,
        make: impl Fn() -> Call<'c>,
        result: &mut Result<Decision, Error>,
    ) {
        let Ok(decision) = result else { return };
        if let Err(error) = self.shared.check_poison() {
            return *result = Err(error);
        }
        let now = self.now_of_decision();
        let call = make();
        match self.shared.try_run(at, &call, (now, self.timeout), decision) {
            Ok(()) => {
                let allowed = decision.allowed();
                let checked = if call.apply { self.after(at, now, allowed) } else { Ok(()) };
                // Again: a word that leads nowhere was read as 0, and what was decided by it is
                // worth nothing.
                if let Err(error) = checked.and_then(|()| self.shared.check_poison()) {
                    *result = Err(error);
                }
            }
            Err(retry) => *result = self.run_again(at, name, &make(), now, retry),
        }
    }

    /// Resolves the retry reason and tries again.
    #[cold]
    fn run_again(
        &self,
        at: u64,
        name: &str,
        call: &Call<'_>,
        mut now: Timestamp,
        mut retry: RetryReason,
    ) -> Result<Decision, Error> {
        for _ in 0..TRIES {
            self.refuse_to_wait(&retry)?;
            match retry {
                // A check shows the settled view without persisting it.
                RetryReason::Due if !call.apply && !call.unresolved => {
                    self.resolve_retry(at, name, now, RetryReason::LeasesDue)?;
                    return self.shared.check_settled(at, name, call, now);
                }
                // Whether it is plain is not known past a boundary.
                RetryReason::Due if !call.apply => return self.run_looked_up(at, name, call),
                RetryReason::NotSimple => return self.run_looked_up(at, name, call),
                retry => self.resolve_retry(at, name, now, retry)?,
            }
            now = self.now_of_decision();
            let mut decision = Decision::nothing();
            match self.shared.try_run(at, call, (now, self.timeout), &mut decision) {
                Ok(()) => {
                    if call.apply {
                        self.after(at, now, decision.allowed())?;
                    }
                    return self.shared.check_poison().map(|()| decision);
                }
                Err(next) => retry = next,
            }
        }
        Err(Error::Busy { what: "the tenant" })
    }

    /// A bare call with its resource looked up: its kind, and those above it.
    fn run_looked_up(&self, at: u64, name: &str, call: &Call<'_>) -> Result<Decision, Error> {
        for charge in call.charges {
            check_granted(self.shared.compiled()?, charge.resource)?;
        }
        let mut charges = NO_CHARGES;
        let charges = self.charges_with_parents(call.charges, &mut charges)?;
        self.run(at, name, &Call { apply: call.apply, ..Call::consume(charges) })
    }

    /// Runs an operation on a record as often as something stands in its way that can be resolved.
    pub(super) fn apply_at<T>(
        &self,
        at: u64,
        name: &str,
        mut operation: impl FnMut(Timestamp) -> Result<T, RetryReason>,
    ) -> Result<T, Error> {
        self.shared.check_poison()?;
        for _ in 0..TRIES {
            let now = self.now_of_decision();
            match operation(now) {
                Ok(value) => {
                    self.after(at, now, true)?;
                    self.shared.check_poison()?;
                    return Ok(value);
                }
                Err(retry) => {
                    self.refuse_to_wait(&retry)?;
                    self.resolve_retry(at, name, now, retry)?;
                }
            }
        }
        Err(Error::Busy { what: "the tenant" })
    }

    /// An engine without timeout leaves what takes the admin transaction or SQLite to a call that
    /// has some.
    fn refuse_to_wait(&self, retry: &RetryReason) -> Result<(), Error> {
        match retry {
            RetryReason::Pending
            | RetryReason::Due
            | RetryReason::CheckpointNeeded
            | RetryReason::HoldsDue
            | RetryReason::LeasesDue
            | RetryReason::LateHold(_)
                if self.timeout.is_zero() =>
            {
                Err(Error::Busy { what: "the tenant" })
            }
            _ => Ok(()),
        }
    }

    /// Sees to it that what was decided is remembered as the engine was asked to.
    #[inline(always)]
    fn after(&self, at: u64, now: Timestamp, allowed: bool) -> Result<(), Error> {
        match self.shared.maintenance {
            Maintenance::Thread => self.ensure_maintenance_thread(),
            Maintenance::Inline => self.shared.checkpoint_if_overdue(now),
            Maintenance::External => {}
        }
        if self.durability == Durability::Disk && allowed {
            self.shared.wait_for_disk(at, self.disk_timeout)?;
        }
        Ok(())
    }

    #[cold]
    pub(super) fn resolve_retry(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        retry: RetryReason,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        crash_points::point("retry.resolve");
        match retry {
            RetryReason::Error(error) => Err(*error),
            RetryReason::Unknown => Err(Error::UnknownTenant(name.into())),
            RetryReason::Again | RetryReason::NotSimple => Ok(()),
            RetryReason::CheckpointNeeded => shared.ensure_capacity(at),
            RetryReason::Pending => shared.resolve_record(at),
            RetryReason::Due => shared.settle_record(at, name, now),
            RetryReason::EarlierTime => shared.expire_entries_of_later_time(at, now),
            RetryReason::HoldsDue => {
                self.take_back(at, name, now, |done| shared.reclaim_holds(at, now, done))
            }
            RetryReason::LeasesDue => {
                self.take_back(at, name, now, |done| shared.reclaim_leases(at, now, done))
            }
            RetryReason::LateHold(index) => shared.expire_late(at, name, now, index),
        }
    }

    /// Takes back all that has expired. What is found in the way may take the admin transaction or
    /// a checkpoint, many times over where thousands have expired; only standing still ends it.
    fn take_back(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        reclaim: impl Fn(&mut u64) -> Result<(), RetryReason>,
    ) -> Result<(), Error> {
        let mut idle = 0;
        while idle < TRIES {
            let mut done = 0;
            let Err(found) = reclaim(&mut done) else { return Ok(()) };
            let moves = done > 0 || matches!(found, RetryReason::LateHold(_));
            idle = if moves { 0 } else { idle + 1 };
            self.resolve_retry(at, name, now, found)?;
        }
        Ok(()) // The next try sees.
    }

    /// [`Tenant::perform`](super::Tenant::perform) on the record at `at`.
    pub(super) fn perform_at(
        &self,
        at: u64,
        name: &str,
        action: &str,
        details: &Details<'_>,
        with: With,
    ) -> Result<Decision, Error> {
        let mut charges = NO_CHARGES;
        let mut call = Call::consume(&[]);
        self.call_of(action, details, &mut charges, &mut call)?;
        call.once = with.once;
        call.apply = with.apply;
        call.follow(with.cursor);
        self.run(at, name, &call)
    }
}

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
    fn try_unresolved(
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
    fn try_run(
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
