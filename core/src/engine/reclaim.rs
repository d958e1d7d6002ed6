//! Taking back what has expired: sessions, keys and rates silently, leases and reservations with
//! an event. Each claim is a step of its own, which stands by itself.

use super::decide::Obstacle;
use super::reserve::{self, Back};
use super::{BLOCK_PATIENCE, Shared};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::block::BlockGuard;
use crate::live::claims::{ClaimKind, Place, ReservationState};
use crate::live::events::EventImage;
use crate::live::expiry::Heap;
use crate::live::layout::{block, slot};
use crate::rules::settle::CLOCK_JUMP_MS;
use crate::rules::{EventKind, ResourceId};

/// Claims that are reclaimed under one lock, where many have expired at once.
const BATCH: u32 = 32;

impl Shared {
    /// Reclaims what is due in a heap at `mark`, so many claims at most, and counts them in
    /// `done`. Nothing may be armed.
    pub(super) fn reclaim(
        &self,
        guard: &mut BlockGuard<'_>,
        heap: Heap,
        mark: Timestamp,
        most: u32,
        done: &mut u64,
    ) -> Result<(), Obstacle> {
        for _ in 0..most {
            match guard.first_due(heap) {
                Some((until, place)) if until <= mark => {
                    self.reclaim_claim(guard, heap, place, mark)?;
                    *done += 1;
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn reclaim_claim(
        &self,
        guard: &mut BlockGuard<'_>,
        heap: Heap,
        place: Place,
        mark: Timestamp,
    ) -> Result<(), Obstacle> {
        let kind = guard.claim_kind(place);
        let open = guard.claim_state(place) == ReservationState::Open as u8;
        if kind == Some(ClaimKind::Reservation) && open {
            return self.expire_reservation(guard, place, mark);
        }
        let kept_until = guard.kept_until(place);
        if kept_until > mark {
            guard.begin();
            guard.rehang(heap, place, kept_until);
            return self.finish(guard);
        }
        if !guard.ring_has_room(1 + guard.count_parts_of(place, kind)) {
            return Err(Obstacle::CheckpointNeeded);
        }
        if kind == Some(ClaimKind::Lease) {
            guard.ensure_events(1)?;
        }
        let seq = guard.begin();
        guard.unhang(heap, place);
        match kind {
            Some(ClaimKind::Lease) => {
                tell(guard, place, mark);
                give_up_lease(guard, place);
            }
            Some(ClaimKind::Key | ClaimKind::Reservation) => guard.free_parts(place, seq),
            _ => {}
        }
        guard.free_claim(place, seq);
        self.finish(guard)
    }

    fn expire_reservation(
        &self,
        guard: &mut BlockGuard<'_>,
        place: Place,
        mark: Timestamp,
    ) -> Result<(), Obstacle> {
        if reserve::needs_lane(guard, place, ClaimKind::Reservation) {
            return Err(Obstacle::LateHold(place));
        }
        Self::prepare_return(guard, place)?;
        guard.ensure_events(1)?;
        let seq = guard.begin();
        reserve::give_back(guard, place, Back::All, mark);
        reserve::resolve(guard, place, ReservationState::Expired, seq);
        reserve::tell_expired(guard, self.epoch(), place, mark);
        self.finish(guard)
    }

    /// Expires the reservations whose time is over until none is left, a few under one lock.
    /// Counts them in `done`.
    pub(super) fn reclaim_holds(
        &self,
        at: u64,
        now: Timestamp,
        done: &mut u64,
    ) -> Result<(), Obstacle> {
        loop {
            let mut guard = self.live_block(at, BLOCK_PATIENCE)?;
            if Timestamp::from_word(guard.get(block::HOLDS_DUE)) > now {
                return Ok(());
            }
            let heap = guard.hold_heap();
            let (mark, before) = (now.max(guard.mark()), *done);
            self.reclaim(&mut guard, heap, mark, BATCH, done)?;
            if *done == before {
                return Ok(());
            }
        }
    }

    /// Expires all reservations whose time is over, each before the boundaries that come after
    /// it, so that settling comes to the same whoever looks first. A clock too far ahead to be
    /// believed expires nothing, unless it is `confirmed`. With `leases` the same of them: where
    /// settling is to be written down, they must not be counted in a period that they did not see.
    pub(super) fn expire_due(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        confirmed: bool,
        leases: bool,
    ) -> Result<(), Error> {
        loop {
            let mut guard = self.lock_block(at)?;
            let hold_due = Timestamp::from_word(guard.get(block::HOLDS_DUE));
            // Leases alone are no reason to write down what a look only shows.
            let first_lease = guard.first_lease().filter(|_| leases || hold_due <= now);
            let lease_due = first_lease.map_or(Timestamp::MAX, |(due, _)| due);
            let due = hold_due.min(lease_due);
            let until = now.min(guard.valid_until());
            let believed = confirmed || now <= guard.mark().plus_ms(CLOCK_JUMP_MS);
            // At the end of time nothing is due any more.
            if due > now || due == Timestamp::MAX || !believed {
                return Ok(());
            }
            if guard.pending().is_some() {
                drop(guard);
                self.resolve_block(at)?;
                continue;
            }
            if due > until {
                drop(guard);
                // What expires at a boundary does so before it.
                self.settle_up_to(at, name, due.plus_ms(-1))?;
                continue;
            }
            let heap = match first_lease {
                Some((_, heap)) if lease_due < hold_due => heap,
                _ => guard.hold_heap(),
            };
            let found = self.reclaim(&mut guard, heap, until, BATCH, &mut 0);
            drop(guard);
            match found {
                Ok(()) | Err(Obstacle::Again) => {}
                Err(Obstacle::CheckpointNeeded) => self.make_room()?,
                Err(Obstacle::LateHold(place)) => self.expire_late(at, name, until, place)?,
                Err(Obstacle::Error(error)) => return Err(*error),
                Err(_) => return Err(Error::Busy { what: "the tenant" }),
            }
        }
    }

    /// Takes expired leases back until none is left. Counts them in `done`.
    pub(super) fn reclaim_leases(
        &self,
        at: u64,
        now: Timestamp,
        done: &mut u64,
    ) -> Result<(), Obstacle> {
        loop {
            let mut guard = self.live_block(at, BLOCK_PATIENCE)?;
            if now > guard.mark().plus_ms(CLOCK_JUMP_MS) {
                return Ok(()); // Such a clock is not believed.
            }
            let mark = now.max(guard.mark());
            match guard.due_lease_heap(mark) {
                Some(heap) => self.reclaim(&mut guard, heap, mark, BATCH, done)?,
                None => return Ok(()),
            }
        }
    }
}

/// Gives back the places that a lease holds.
pub(super) fn give_up_lease(guard: &mut BlockGuard<'_>, place: Place) {
    for resource in guard.lease_resources(place) {
        if let Some(of) = guard.slot(resource) {
            guard.set_cell(of.cell(slot::USED), of.used().saturating_sub(1));
        }
    }
}

fn tell(guard: &mut BlockGuard<'_>, place: Place, at: Timestamp) {
    let fencing = guard.claim_word(place, super::apply::FENCING);
    let resource = guard.claim_resource(place);
    note(guard, &EventKind::LeaseExpired { fencing }, resource, at);
}

/// Notes an event that is no more than numbers.
pub(super) fn note(
    guard: &mut BlockGuard<'_>,
    kind: &EventKind,
    resource: ResourceId,
    at: Timestamp,
) {
    let stored = kind.to_stored();
    guard.note_event(&EventImage {
        kind: stored.kind,
        percent: stored.percent,
        resource,
        at,
        first: stored.first,
        second: stored.second,
    });
}
