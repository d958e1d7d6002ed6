//! Taking back what has expired: sessions, keys and rates silently, leases and reservations with
//! an event. Each claim is a step of its own, which stands by itself.

use super::Shared;
use super::decide::Obstacle;
use super::reserve::{self, Back};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::block::BlockGuard;
use crate::live::claims::{ClaimKind, Place, ReservationState};
use crate::live::events::EventImage;
use crate::live::expiry::Heap;
use crate::live::layout::{block, slot};
use crate::rules::{EventKind, ResourceId};

/// Claims that are reclaimed under one lock, where many have expired at once.
const BATCH: u32 = 32;

impl Shared {
    /// Reclaims what is due in a heap at `mark`, so many claims at most. Nothing may be armed.
    pub(super) fn reclaim(
        &self,
        guard: &mut BlockGuard<'_>,
        heap: Heap,
        mark: Timestamp,
        most: u32,
    ) -> Result<(), Obstacle> {
        for _ in 0..most {
            match guard.first_due(heap) {
                Some((until, place)) if until <= mark => {
                    self.reclaim_claim(guard, heap, place, mark)?;
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
            if kind == Some(ClaimKind::Reservation) {
                reserve::note_next_due(guard);
            }
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
            Some(ClaimKind::Key) => guard.free_parts(place, seq),
            Some(ClaimKind::Reservation) => {
                guard.free_parts(place, seq);
                reserve::note_next_due(guard);
            }
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
        if reserve::needs_lane(guard, place) {
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

    /// Expires the reservations whose time is over, a few under one lock.
    pub(super) fn reclaim_holds(&self, at: u64, now: Timestamp) -> Result<(), Obstacle> {
        let mut guard = self.lock_block(at)?;
        let heap = guard.hold_heap();
        let mark = now.max(guard.mark());
        self.reclaim(&mut guard, heap, mark, BATCH)
    }

    /// Expires all reservations whose time was over before the next boundary, so that settling
    /// comes to the same whoever looks first; with `settling` also those after it.
    pub(super) fn expire_holds(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        settling: bool,
    ) -> Result<(), Error> {
        loop {
            let mut guard = self.lock_block(at)?;
            let due = Timestamp::from_word(guard.get(block::HOLDS_DUE));
            let until = now.min(guard.valid_until());
            if due > now || (due > until && !settling) || guard.pending().is_some() {
                return Ok(());
            }
            if due > until {
                drop(guard);
                self.settle_block(at, name, now)?;
                continue;
            }
            let heap = guard.hold_heap();
            let found = self.reclaim(&mut guard, heap, until, BATCH);
            drop(guard);
            match found {
                Ok(()) | Err(Obstacle::Again) => {}
                Err(Obstacle::CheckpointNeeded) => self.make_room()?,
                Err(Obstacle::LateHold(place)) => self.expire_late(at, name, now, place)?,
                Err(Obstacle::Error(error)) => return Err(*error),
                Err(_) => return Err(Error::Busy { what: "the tenant" }),
            }
        }
    }

    /// Takes expired leases back until none is left.
    pub(super) fn reclaim_leases(&self, at: u64, now: Timestamp) -> Result<(), Obstacle> {
        loop {
            let mut guard = self.lock_block(at)?;
            let mark = now.max(guard.mark());
            match guard.due_lease_heap(mark) {
                Some(heap) => self.reclaim(&mut guard, heap, mark, BATCH)?,
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
