//! Taking back what has expired: sessions, keys and rates silently, leases and reservations with
//! an event. Each entry is a step of its own, which stands by itself.

use super::decide::RetryReason;
use super::reserve::{self, Back};
use super::{RECORD_TIMEOUT, Shared};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::entries::{EntryIndex, EntryKind, ReservationState};
use crate::live::events::EventImage;
use crate::live::expiry::Heap;
use crate::live::holds::HoldRole;
use crate::live::layout::{counter, record};
use crate::live::record::RecordGuard;
use crate::rules::settle::CLOCK_JUMP_MS;
use crate::rules::{EventKind, ResourceId};

/// Entries that are reclaimed under one lock, where many have expired at once.
const BATCH: u32 = 32;

impl Shared {
    /// Reclaims what is due in a heap at `mark`, so many entries at most, and counts them in
    /// `done`. The undo log must be empty.
    pub(super) fn reclaim(
        &self,
        guard: &mut RecordGuard<'_>,
        heap: Heap,
        high_water_mark: Timestamp,
        most: u32,
        done: &mut u64,
    ) -> Result<(), RetryReason> {
        for _ in 0..most {
            match guard.first_due(heap) {
                Some((until, index)) if until <= high_water_mark => {
                    self.reclaim_entry(guard, heap, index, high_water_mark)?;
                    if guard.first_due(heap) == Some((until, index)) {
                        // It was taken off, and is still there.
                        return Err(self.damaged().into());
                    }
                    *done += 1;
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn reclaim_entry(
        &self,
        guard: &mut RecordGuard<'_>,
        heap: Heap,
        index: EntryIndex,
        high_water_mark: Timestamp,
    ) -> Result<(), RetryReason> {
        let kind = guard.entry_kind(index);
        let open = guard.entry_state(index) == ReservationState::Open as u8;
        if kind == Some(EntryKind::Reservation) && open {
            return self.expire_reservation(guard, index, high_water_mark);
        }
        let kept_until = guard.kept_until(index);
        if kept_until > high_water_mark {
            guard.begin();
            guard.heap_update(heap, index, kept_until);
            return self.finish(guard);
        }
        if !guard.ring_has_capacity(1 + guard.count_parts_of(index, kind)) {
            return Err(RetryReason::CheckpointNeeded);
        }
        if kind == Some(EntryKind::Lease) {
            guard.ensure_events(1)?;
        }
        let seq = guard.begin();
        guard.heap_remove(heap, index);
        match kind {
            Some(EntryKind::Lease) => {
                emit(guard, index, guard.wall_time(high_water_mark));
                give_up_lease(guard, index);
            }
            Some(EntryKind::Key | EntryKind::Reservation) => guard.free_parts(index, seq),
            _ => {}
        }
        guard.free_entry(index, seq);
        self.finish(guard)
    }

    fn expire_reservation(
        &self,
        guard: &mut RecordGuard<'_>,
        index: EntryIndex,
        high_water_mark: Timestamp,
    ) -> Result<(), RetryReason> {
        match guard.hold_role(index) {
            HoldRole::Send => return self.commit_unreported(guard, index, true),
            HoldRole::Session if guard.pending_sends(index) > 0 => {
                return self.commit_unreported(guard, index, false);
            }
            HoldRole::Session => return self.return_session(guard, index, high_water_mark),
            HoldRole::Units | HoldRole::Campaign => {}
        }
        if reserve::needs_admin_tx(guard, (index, EntryKind::Reservation), Back::All) {
            return Err(RetryReason::LateHold(index));
        }
        Self::prepare_return(guard, index)?;
        guard.ensure_events(1)?;
        let seq = guard.begin();
        let at = guard.wall_time(high_water_mark);
        reserve::give_back(guard, index, Back::All, at);
        reserve::resolve(guard, index, ReservationState::Expired, seq);
        reserve::emit_expired(guard, self.epoch(), index, at);
        self.finish(guard)
    }

    /// Expires the reservations whose time is over until none is left, a few under one lock.
    /// Counts them in `done`.
    pub(super) fn reclaim_holds(
        &self,
        at: u64,
        now: Timestamp,
        done: &mut u64,
    ) -> Result<(), RetryReason> {
        loop {
            let mut guard = self.live_record(at, RECORD_TIMEOUT)?;
            let (time, before) = (guard.entry_time(now), *done);
            if Timestamp::from_word(guard.get(record::HOLDS_DUE)) > time {
                return Ok(());
            }
            let heap = guard.hold_heap();
            self.reclaim(&mut guard, heap, time, BATCH, done)?;
            if *done == before {
                return Ok(());
            }
        }
    }

    /// Expires all reservations whose time is over, each before the boundaries that come after
    /// it, so that settling comes to the same at every time of looking. A clock too far ahead to be
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
        let mut stuck = Stuck::default();
        loop {
            self.check_poison()?;
            let mut guard = self.lock_record(at)?;
            if stuck.is_at(guard.get(record::SEQ)) {
                return Err(self.damaged());
            }
            if guard.is_of_later_time(now) {
                drop(guard);
                self.expire_entries_of_later_time(at, now)?;
                continue;
            }
            let back_ms = guard.back_ms();
            let wall = |due: Timestamp| guard.wall_time(due);
            let hold_due = wall(Timestamp::from_word(guard.get(record::HOLDS_DUE)));
            // Leases alone are no reason to write down what a look only shows.
            let first_lease = guard.first_lease().filter(|_| leases || hold_due <= now);
            let lease_due = first_lease.map_or(Timestamp::MAX, |(due, _)| wall(due));
            let due = hold_due.min(lease_due);
            let until = now.min(guard.valid_until());
            let believed = confirmed || now <= guard.high_water_mark().plus_ms(CLOCK_JUMP_MS);
            // At the end of time nothing is due any more.
            if due > now || due == Timestamp::MAX || !believed {
                return Ok(());
            }
            if guard.pending().is_some() {
                drop(guard);
                self.resolve_record(at)?;
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
            let found = self.reclaim(&mut guard, heap, until.plus_ms(back_ms), BATCH, &mut 0);
            drop(guard);
            match found {
                Ok(()) | Err(RetryReason::Again) => {}
                Err(RetryReason::CheckpointNeeded) => self.ensure_capacity(at)?,
                Err(RetryReason::LateHold(index)) => self.expire_late(at, name, until, index)?,
                Err(RetryReason::Error(error)) => return Err(*error),
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
    ) -> Result<(), RetryReason> {
        loop {
            let mut guard = self.live_record(at, RECORD_TIMEOUT)?;
            if now > guard.high_water_mark().plus_ms(CLOCK_JUMP_MS) {
                return Ok(()); // Such a clock is not believed.
            }
            let time = guard.entry_time(now);
            match guard.due_lease_heap(time) {
                Some(heap) => self.reclaim(&mut guard, heap, time, BATCH, done)?,
                None => return Ok(()),
            }
        }
    }
}

impl Shared {
    /// Ends what was begun at an instant that, by a clock that began again, is still to come:
    /// no process knows how much of it has passed, and the one that had it has not survived the
    /// boot.
    pub(super) fn expire_entries_of_later_time(
        &self,
        at: u64,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut ended = 0;
        loop {
            let done = match self.live_record(at, RECORD_TIMEOUT) {
                Ok(mut guard) => self.end_some(&mut guard, now, &mut ended),
                Err(retry) => Err(retry),
            };
            match done {
                Ok(false) | Err(RetryReason::Again) => {}
                Err(RetryReason::Pending) => self.resolve_record(at)?,
                Err(RetryReason::CheckpointNeeded) => self.ensure_capacity(at)?,
                Err(RetryReason::Error(error)) => return Err(*error),
                // All are ended, or another process has removed the tenant.
                Ok(true) | Err(_) => return Ok(()),
            }
        }
    }

    /// Ends a few, beginning with the node `from` counts up to; `true`: all of them are ended.
    fn end_some(
        &self,
        guard: &mut RecordGuard<'_>,
        now: Timestamp,
        from: &mut u64,
    ) -> Result<bool, RetryReason> {
        if !guard.is_of_later_time(now) {
            return Ok(true);
        }
        let time = guard.entry_time(now);
        let mut left = *from;
        for heap in guard.heaps_of_lengths() {
            let len = guard.heap_len(heap);
            while left < len {
                if (*from).is_multiple_of(u64::from(BATCH))
                    && !guard.ring_has_capacity(u64::from(BATCH))
                {
                    return Err(RetryReason::CheckpointNeeded);
                }
                if let Some(index) = guard.heap_entry(heap, left)
                    && guard.is_begun_after(index, time)
                {
                    let seq = guard.begin();
                    guard.end_entry(heap, index, time, seq);
                    reserve::note_next_due(guard);
                    self.finish(guard)?;
                }
                (left, *from) = (left + 1, *from + 1);
                if (*from).is_multiple_of(u64::from(BATCH)) {
                    return Ok(false);
                }
            }
            left -= len;
        }
        guard.note_looked_through();
        Ok(true)
    }
}

/// Notices a loop that changes nothing: something is due, and nothing of it can be found.
#[derive(Default)]
struct Stuck {
    seq: u64,
    rounds: u32,
}

impl Stuck {
    /// Whether so many rounds have come and gone that the record's number should have changed.
    fn is_at(&mut self, seq: u64) -> bool {
        const ROUNDS: u32 = 1000;
        self.rounds = if seq == self.seq { self.rounds + 1 } else { 0 };
        self.seq = seq;
        self.rounds > ROUNDS
    }
}

/// Gives back the places that a lease holds.
pub(super) fn give_up_lease(guard: &mut RecordGuard<'_>, index: EntryIndex) {
    for resource in guard.lease_resources(index) {
        if let Some(of) = guard.counter(resource) {
            guard.set_cell(of.cell(counter::USED), of.used().saturating_sub(1));
        }
    }
}

fn emit(guard: &mut RecordGuard<'_>, index: EntryIndex, at: Timestamp) {
    let fencing = guard.entry_word(index, super::apply::FENCING);
    let resource = guard.entry_resource(index);
    note(guard, &EventKind::LeaseExpired { fencing }, resource, at);
}

/// Notes an event that is no more than numbers.
pub(super) fn note(
    guard: &mut RecordGuard<'_>,
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
