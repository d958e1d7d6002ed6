//! The decision path: lock the block, decide, apply, unlock.
//!
//! Nothing here touches SQLite or the allocator while the block is locked. What needs them (a
//! boundary that has passed, a change whose process died, a full list of changes) is left to the
//! lane or the checkpointer with the lock released, and then it is tried again.

use super::apply;
use super::call::{Call, Message, NO_CHARGES, charge};
use super::cursor::CursorCall;
use super::state::kept_session;
use super::{Durability, Engine, Maintenance, Shared, replayed};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::block::BlockGuard;
use crate::live::claims::ClaimError;
use crate::rules::decide::decide;
use crate::rules::{Changes, Decision, ResourceId};
use crate::torture;

/// Times that a decision makes room and tries again; each time something has been settled.
const TRIES: u32 = 64;

/// What stands in the way of a decision with the block as it is.
enum Obstacle {
    /// A change was under way when its process died.
    Pending,
    /// A boundary has passed.
    Due,
    /// Too many changes wait for a checkpoint.
    CheckpointNeeded,
    /// The undo record was too small; it has been enlarged.
    UndoTooSmall,
    /// The tenant does not exist.
    Unknown,
    /// In a box: a decision that meets none is not to carry the room for one.
    Error(Box<Error>),
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Obstacle::Error(Box::new(error))
    }
}

impl From<ClaimError> for Obstacle {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::CheckpointNeeded => Obstacle::CheckpointNeeded,
            ClaimError::Grow(error) => Error::from(error).into(),
        }
    }
}

impl Engine {
    /// Decides about units of one resource. A function of its own: what such a call does not ask
    /// for is known to the compiler, which leaves it out.
    pub(super) fn consume_at(
        &self,
        at: u64,
        name: &str,
        resource: ResourceId,
        units: u64,
    ) -> Result<Decision, Error> {
        let charges = [charge(resource, units)?];
        self.run(at, name, &Call::consume(&charges))
    }

    /// As [`consume_at`](Self::consume_at), without doing it.
    pub(super) fn check_at(
        &self,
        at: u64,
        name: &str,
        resource: ResourceId,
        units: u64,
    ) -> Result<Decision, Error> {
        let charges = [charge(resource, units)?];
        self.run(at, name, &Call::check(&charges))
    }

    /// Decides, and applies what was decided.
    #[inline(always)]
    pub(super) fn run(&self, at: u64, name: &str, call: &Call<'_>) -> Result<Decision, Error> {
        self.shared.check_poison()?;
        let now = self.now();
        match self.shared.try_run(at, call, now) {
            Ok(decision) => {
                if call.apply {
                    self.after(now, decision.allowed())?;
                }
                Ok(decision)
            }
            Err(obstacle) => self.run_again(at, name, call, now, obstacle),
        }
    }

    /// Overcomes what stood in the way, and tries again.
    #[cold]
    fn run_again(
        &self,
        at: u64,
        name: &str,
        call: &Call<'_>,
        mut now: Timestamp,
        mut obstacle: Obstacle,
    ) -> Result<Decision, Error> {
        for _ in 0..TRIES {
            if let Some(decision) = self.overcome(at, name, call, now, obstacle)? {
                return Ok(decision);
            }
            now = self.now();
            match self.shared.try_run(at, call, now) {
                Ok(decision) => {
                    if call.apply {
                        self.after(now, decision.allowed())?;
                    }
                    return Ok(decision);
                }
                Err(next) => obstacle = next,
            }
        }
        Err(Error::Busy { what: "the tenant" })
    }

    /// Sees to it that what was decided is remembered as the engine was asked to.
    #[inline]
    fn after(&self, now: Timestamp, allowed: bool) -> Result<(), Error> {
        match self.shared.maintenance {
            Maintenance::Thread => self.ensure_keeper(),
            Maintenance::Inline => self.shared.checkpoint_if_overdue(now),
            Maintenance::External => {}
        }
        if self.durability == Durability::Disk && allowed {
            self.shared.wait_for_disk(self.disk_patience)?;
        }
        Ok(())
    }

    #[cold]
    fn overcome(
        &self,
        at: u64,
        name: &str,
        call: &Call<'_>,
        now: Timestamp,
        obstacle: Obstacle,
    ) -> Result<Option<Decision>, Error> {
        match obstacle {
            Obstacle::Error(error) => return Err(*error),
            Obstacle::Unknown => return Err(Error::UnknownTenant(name.to_owned())),
            Obstacle::UndoTooSmall => {}
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
        let mut charges = NO_CHARGES;
        let mut call = self.call_of(action, message, &mut charges)?;
        if let Some(key) = message.key {
            call = call.once(self, key)?;
        }
        call.cursor = cursor;
        call.apply = apply;
        self.run(at, name, &call)
    }
}

impl Shared {
    /// One try: everything between lock and unlock.
    #[inline(always)]
    fn try_run(&self, at: u64, call: &Call<'_>, now: Timestamp) -> Result<Decision, Obstacle> {
        let mut guard = self.lock_block(at)?;
        if guard.pending().is_some() {
            return Err(Obstacle::Pending);
        }
        if !guard.is_live() {
            return Err(Obstacle::Unknown);
        }
        if now >= guard.valid_until() {
            return Err(Obstacle::Due);
        }
        if call.apply && !guard.history_has_room(call.charges.len() as u64 + 2) {
            return Err(Obstacle::CheckpointNeeded);
        }
        if call.once.is_some() || call.session.is_some() || call.cursor.is_some() {
            return self.run_with_claims(&mut guard, call, now);
        }
        let (decision, changes) = decide(&guard, &call.request(None));
        if !call.apply {
            return Ok(decision);
        }
        guard.begin();
        apply::charges(&mut guard, call, &decision, &changes, now);
        self.finish(&mut guard)?;
        Ok(decision)
    }

    /// As [`try_run`](Self::try_run), for calls that have to do with claims.
    fn run_with_claims(
        &self,
        guard: &mut BlockGuard<'_>,
        call: &Call<'_>,
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
        let session = call.session_request(now, |key| kept_session(guard, key, mark));
        let (decision, changes) = decide(guard, &call.request(session));
        if !call.apply {
            return Ok(decision);
        }
        if let Some(cursor) = &call.cursor {
            cursor.refuse_if_passed(guard)?;
        }
        if decision.allowed() || call.cursor.is_some() {
            apply::make_room_for_claims(guard, call, &changes, mark)?;
        }
        let was_half_full = guard.ring_is_half_full();
        let seq = guard.begin();
        apply::charges(guard, call, &decision, &changes, now);
        if decision.allowed() {
            if let Some(session) = &call.session {
                apply::session(guard, session, &changes, seq);
            }
            if let Some((key, fingerprint)) = call.once {
                replayed::write(guard, key, fingerprint, &decision, now, seq)?;
            }
        }
        if let Some(cursor) = &call.cursor {
            cursor.advance(guard, &decision, seq);
        }
        self.finish(guard)?;
        if !was_half_full && guard.ring_is_half_full() {
            self.live.wake_checkpointer();
        }
        Ok(decision)
    }

    /// A decision that was stored is given again; a cursor moves on all the same.
    fn replayed_or_skipped(
        &self,
        guard: &mut BlockGuard<'_>,
        call: &Call<'_>,
        now: Timestamp,
        decision: Decision,
    ) -> Result<Decision, Obstacle> {
        if let Some(cursor) = call.cursor.as_ref().filter(|_| call.apply) {
            cursor.refuse_if_passed(guard)?;
            apply::make_room_for_claims(guard, call, &Changes::default(), now.max(guard.mark()))?;
            let seq = guard.begin();
            cursor.advance(guard, &decision, seq);
            self.finish(guard)?;
        }
        Ok(decision)
    }

    /// Makes the operation stand. One that was too much for the undo record is undone, and tried
    /// again with a larger one.
    #[inline(always)]
    fn finish(&self, guard: &mut BlockGuard<'_>) -> Result<(), Obstacle> {
        if guard.finish() {
            return Ok(self.check_poison()?);
        }
        guard.enlarge_undo().map_err(Error::from)?;
        Err(Obstacle::UndoTooSmall)
    }
}
