//! The decision path: one try after another ([`attempt`](super::attempt)) until nothing stands in
//! the way.
//!
//! What needs SQLite or the allocator (a boundary that has passed, a change whose process died, a
//! full list of changes) is left to the admin transaction or the checkpointer while no record is
//! locked, and then it is tried again.

use std::borrow::Borrow;

use super::administer::check_granted;
use super::call::{Call, Details, NO_CHARGES, charge};
use super::caller::With;
use super::frequent::decided;
use super::{Durability, Engine, Maintenance};
use crate::clock::Timestamp;
use crate::crash_points;
use crate::error::Error;
use crate::live::entries::EntryIndex;
use crate::live::entry_capacity::EntryError;
use crate::live::file::GrowError;
use crate::rules::{Charge, Decision, ResourceId};

/// Times that a decision reserves capacity and tries again; each time something has been settled.
const TRIES: u32 = 64;
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
        let charge = match charge {
            Ok(charge) => charge,
            Err(error) => return *result = Err(error),
        };
        self.decide_here(
            (at, apply),
            |now, decision| {
                self.shared.try_unresolved(at, charge, apply, (now, self.timeout), decision)
            },
            |now, retry| self.run_unresolved_again(at, name, charge, apply, now, retry),
            result,
        );
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
        self.run_here(at, name, || call, result);
    }

    /// Everything that a call does where nothing stands in its way, to be made part of a function
    /// that makes calls of one kind. The function that resolves retry reasons receives the call
    /// again: it is never in memory until then, and the compiler knows what it does not ask for.
    #[inline(always)]
    pub(super) fn run_here<'c, C: Borrow<Call<'c>>>(
        &self,
        at: u64,
        name: &str,
        make: impl Fn() -> C,
        result: &mut Result<Decision, Error>,
    ) {
        let owner = make();
        let call = owner.borrow();
        self.decide_here(
            (at, call.apply),
            |now, decision| self.shared.try_run(at, call, (now, self.timeout), decision),
            |now, retry| self.run_again(at, name, make().borrow(), now, retry),
            result,
        );
    }

    /// A decision, where the host wants it: one try, and `again` where something stands in its way.
    #[inline(always)]
    pub(super) fn decide_here(
        &self,
        (at, apply): (u64, bool),
        attempt: impl FnOnce(Timestamp, &mut Decision) -> Result<(), RetryReason>,
        again: impl FnOnce(Timestamp, RetryReason) -> Result<Decision, Error>,
        result: &mut Result<Decision, Error>,
    ) {
        let Ok(decision) = result else { return };
        if let Err(error) = self.check_may_decide() {
            return *result = Err(error);
        }
        let now = self.now_of_decision();
        match attempt(now, decision) {
            Ok(()) => {
                let allowed = decision.allowed();
                let checked = if apply { self.after(at, now, allowed) } else { Ok(()) };
                // Again: a word that leads nowhere was read as 0, and what was decided by it is
                // worth nothing.
                if let Err(error) = checked.and_then(|()| self.shared.check_poison()) {
                    *result = Err(error);
                }
            }
            Err(retry) => *result = again(now, retry),
        }
    }

    /// Resolves the retry reason and tries again.
    #[cold]
    pub(super) fn run_again(
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
        self.check_may_decide()?;
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
        decided(|result| {
            let policy = self.policy_of(action, details)?;
            if let Some(rule) = policy.session_alone().filter(|_| with.is_simple()) {
                let gate = (policy.gate, policy.feature);
                if let Some(message) = self.simple_message(gate, rule.into(), details)? {
                    self.run_message(at, name, &message, result);
                    return Ok(());
                }
            }
            let mut charges = NO_CHARGES;
            let mut call = Call::consume(&[]);
            self.call_of(action, details, &mut charges, &mut call)?;
            call.once = with.once;
            call.apply = with.apply;
            call.follow(with.cursor);
            self.run_into(at, name, &call, result);
            Ok(())
        })
    }
}
