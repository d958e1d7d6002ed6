//! Reservations: units set aside until they are committed, released, or out of time. Each is
//! resolved once, and later callers get the outcome.

use std::hash::Hasher;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::call::{Call, Charges, Details, NO_CHARGES, charge, lifetime_ms, push};
use super::caller::{Caller, feed_action, feed_charge};
use super::campaign::{check_send_ttl, is_campaign};
use super::decide::RetryReason;
use super::frequent::decided;
use super::late::Late;
use super::reclaim::note;
use super::replayed::KEY_PERIOD_MASK;
use super::sends;
use super::{Engine, Shared};
use crate::catalog::Gate;
use crate::clock::{DAY_MS, Timestamp};
use crate::error::Error;
use crate::live::entries::{Entry, EntryIndex, EntryKind, KEPT_WORD, ReservationState};
use crate::live::history::HistoryKey;
use crate::live::holds::{HoldRole, NUMBER};
use crate::live::layout::{counter, entry, record};
use crate::live::record::{RecordGuard, grant_id};
use crate::live::takings::Taken;
use crate::rules::{
    Charge, Counting, Decision, EntryHandle, EventKind, ReservationId, ResourceId, Source,
    SourceCharges,
};

/// How long a resolved reservation is remembered after its time.
pub(super) const RESOLVED_KEPT_MS: i64 = 7 * DAY_MS;
/// The word of a reservation's payload that says in which period it was made.
pub(super) const PERIOD: u64 = 0;

/// How a reservation was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// All of it was used.
    Committed,
    /// Some of it was used, the rest given back.
    PartlyCommitted,
    /// All of it was given back.
    Released,
    /// Its time ran out, and all of it was given back.
    Expired,
}

impl Resolution {
    /// The code that C, Python and reports use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Resolution::Committed => "committed",
            Resolution::PartlyCommitted => "partly_committed",
            Resolution::Released => "released",
            Resolution::Expired => "expired",
        }
    }

    pub(super) const fn of(state: u8) -> Option<Resolution> {
        match state {
            1 => Some(Resolution::Committed),
            2 => Some(Resolution::PartlyCommitted),
            3 => Some(Resolution::Released),
            4 => Some(Resolution::Expired),
            _ => None,
        }
    }
}

/// What is given back of a record.
#[derive(Clone, Copy)]
pub(super) enum Back<'a> {
    All,
    /// Also what is only reported: the session that a decision opened is closed.
    Everything,
    /// All but so much of these resources.
    Except(&'a [Charge]),
    Nothing,
}

impl Caller<'_> {
    /// Sets units of several resources aside.
    pub(super) fn reserve(&self, units: &[(&str, u64)], ttl: Duration) -> Result<Decision, Error> {
        decided(|result| self.reserve_into(units, ttl, result))
    }

    fn reserve_into(
        &self,
        units: &[(&str, u64)],
        ttl: Duration,
        result: &mut Result<Decision, Error>,
    ) -> Result<(), Error> {
        let hold_ms = lifetime_ms("ttl", ttl)?;
        let mut capacity = NO_CHARGES;
        let asked = self.asked(units, &mut capacity)?;
        let compiled = self.engine.shared.compiled()?;
        let is_campaign = is_campaign(compiled, asked, hold_ms)?;
        if let (None, [one], false) = (&self.key, asked, is_campaign)
            && compiled.parents(one.resource).is_empty()
        {
            self.engine.run_hold(self.at, self.name, asked, hold_ms, result);
            return Ok(());
        }
        let mut charges = NO_CHARGES;
        let charges = self.engine.charges_with_parents(asked, &mut charges)?;
        let once = self.once("reserve", |hasher| {
            for charge in asked {
                feed_charge(hasher, charge);
            }
            hasher.write_i64(hold_ms);
        })?;
        let call = Call { hold_ms: Some(hold_ms), is_campaign, once, ..Call::consume(charges) };
        self.engine.run_into(self.at, self.name, &call, result);
        Ok(())
    }

    /// Sets aside what an action charges.
    pub(super) fn reserve_action(
        &self,
        action: &str,
        details: &Details<'_>,
        ttl: Duration,
    ) -> Result<Decision, Error> {
        let hold_ms = lifetime_ms("ttl", ttl)?;
        let mut charges = NO_CHARGES;
        let mut call = Call::consume(&[]);
        self.engine.call_of(action, details, &mut charges, &mut call)?;
        if call.lease.is_some() {
            let why = "it takes a lease, which cannot be reserved; perform it";
            return Err(Error::InvalidArgument { what: "action", why: why.to_owned() });
        }
        if call.session.is_some() {
            check_send_ttl(hold_ms)?;
            if call.gate == Gate::Receive {
                let why = "it is a message of the contact, which has come already; perform it";
                return Err(Error::InvalidArgument { what: "action", why: why.to_owned() });
            }
        }
        call.once = self.once("reserve_action", |hasher| {
            feed_action(hasher, action, details);
            hasher.write_i64(hold_ms);
        })?;
        call.hold_ms = Some(hold_ms);
        self.engine.run(self.at, self.name, &call)
    }

    /// Resolves a reservation.
    pub(super) fn resolve(
        &self,
        id: &ReservationId,
        how: Resolution,
        keep: &[(&str, u64)],
    ) -> Result<(), Error> {
        let Engine { shared, timeout, .. } = self.engine;
        let timeout = *timeout;
        let (kept, state);
        let mut capacity = NO_CHARGES;
        let back = match how {
            Resolution::Committed => {
                state = ReservationState::Committed;
                Back::Nothing
            }
            Resolution::PartlyCommitted => {
                state = ReservationState::PartlyCommitted;
                kept = self.kept(keep)?;
                Back::Except(self.engine.charges_with_parents(&kept, &mut capacity)?)
            }
            Resolution::Released | Resolution::Expired => {
                state = ReservationState::Released;
                Back::All
            }
        };
        let late = |index| Late { index, kind: EntryKind::Reservation, state: state as u8, back };
        self.engine.apply_at(self.at, self.name, |now| {
            match shared.try_resolve(self.at, id.0, state, back, (now, timeout)) {
                Err(RetryReason::LateHold(index)) if !timeout.is_zero() => {
                    Ok(shared.settle_late(self.at, self.name, now, id.0, late(index))?)
                }
                other => other,
            }
        })
    }

    fn asked<'r>(
        &self,
        units: &[(&str, u64)],
        capacity: &'r mut Charges,
    ) -> Result<&'r [Charge], Error> {
        if units.is_empty() {
            let why = "it is empty; name at least one resource to reserve units of".to_owned();
            return Err(Error::InvalidArgument { what: "units", why });
        }
        let compiled = self.engine.shared.compiled()?;
        let mut taken = 0;
        for &(name, units) in units {
            let resource = super::administer::reservable_resource(compiled, name)?;
            push(capacity, &mut taken, charge(resource, units)?)?;
        }
        Ok(capacity.get(..taken).unwrap_or_default())
    }

    fn kept(&self, units: &[(&str, u64)]) -> Result<Vec<Charge>, Error> {
        let compiled = self.engine.shared.compiled()?;
        let kept = |&(name, units): &(&str, u64)| {
            let resource = super::administer::reservable_resource(compiled, name)?;
            Ok(Charge { resource, units: charge(resource, units.max(1)).map(|_| units)? })
        };
        units.iter().map(kept).collect()
    }
}

impl Shared {
    /// One try to resolve a reservation.
    fn try_resolve(
        &self,
        at: u64,
        handle: EntryHandle,
        state: ReservationState,
        back: Back<'_>,
        (now, timeout): (Timestamp, Duration),
    ) -> Result<(), RetryReason> {
        let mut guard = self.ready_record(at, now, timeout)?;
        let index = self.open_reservation(&guard, handle, now)?;
        check_kept(self, &guard, index, back)?;
        let high_water_mark = now.max(guard.high_water_mark());
        if state == ReservationState::Released {
            self.leave_session(&mut guard, index, high_water_mark)?;
        }
        if !guard.ring_has_capacity(3) {
            return Err(RetryReason::CheckpointNeeded);
        }
        if !matches!(back, Back::Nothing) {
            if needs_admin_tx(&guard, (index, EntryKind::Reservation), back) {
                return Err(RetryReason::LateHold(index));
            }
            Self::prepare_return(&mut guard, index)?;
        }
        let seq = guard.begin();
        give_back(&mut guard, index, back, high_water_mark);
        if guard.hold_role(index) == HoldRole::Send {
            sends::commit_session_of(&mut guard, index, seq);
        }
        resolve(&mut guard, index, state, seq);
        guard.raise_high_water_mark(now);
        self.finish(&mut guard)
    }

    /// Where an open reservation is, by its id. One that may be forgotten counts as forgotten.
    pub(super) fn open_reservation(
        &self,
        guard: &RecordGuard<'_>,
        handle: EntryHandle,
        now: Timestamp,
    ) -> Result<EntryIndex, Error> {
        self.check_epoch(handle, "reservation")?;
        let index = EntryIndex(handle.index);
        if !guard.holds(index, EntryKind::Reservation)
            || guard.entry_word(index, NUMBER) != handle.number
        {
            return Err(Error::UnknownReservation(ReservationId(handle)));
        }
        match Resolution::of(guard.entry_state(index)) {
            None => Ok(index),
            Some(how) if guard.kept_until(index) > guard.entry_time(now) => {
                Err(Error::AlreadyResolved(how))
            }
            Some(_) => Err(Error::UnknownReservation(ReservationId(handle))),
        }
    }

    /// Refuses what was given out by a live file that has been rebuilt since.
    pub(super) fn check_epoch(&self, handle: EntryHandle, what: &'static str) -> Result<(), Error> {
        if handle.epoch == self.epoch() { Ok(()) } else { Err(Error::Stale { what }) }
    }

    /// Reserves capacity for what giving back the units of a record writes. Nothing may be pending.
    pub(super) fn prepare_return(
        guard: &mut RecordGuard<'_>,
        index: EntryIndex,
    ) -> Result<(), RetryReason> {
        // Most entries are of a resource of their own.
        let keys = guard.takings_len(index).min(record::HISTORY_ENTRIES / 2);
        if !guard.history_has_capacity(keys) || !guard.ring_has_capacity(1) {
            return Err(RetryReason::CheckpointNeeded);
        }
        Ok(())
    }
}

/// What a reservation took, if it is remembered still.
pub(super) fn charges(guard: &RecordGuard<'_>, handle: EntryHandle) -> SourceCharges {
    let index = EntryIndex(handle.index);
    let is_it = guard.holds(index, EntryKind::Reservation)
        && guard.entry_word(index, NUMBER) == handle.number;
    if !is_it {
        return SourceCharges::default();
    }
    let mut charges = super::replayed::charges(guard, index, EntryKind::Reservation);
    if guard.hold_role(index) == HoldRole::Send
        && let Some(unit) = guard.paid_by(index)
    {
        for taken in guard.takings(unit, EntryKind::Reservation) {
            charges.add(taken.resource, taken.source, taken.units);
        }
    }
    charges
}

/// Makes `entry` an open reservation of `charges`, which its record says whence, and gives it its
/// id.
pub(super) fn hold(
    guard: &mut RecordGuard<'_>,
    epoch: u32,
    (entry, charges): (Entry<'_>, &[Charge]),
    now: Timestamp,
    hold_ms: i64,
    seq: u64,
) -> ReservationId {
    let time = guard.entry_time(now);
    let until = time.plus_ms(hold_ms);
    let number = guard.number_of(seq);
    entry.fill_word(PERIOD, guard.get(record::PERIOD));
    entry.fill_word(NUMBER, number);
    entry.fill_word(KEPT_WORD, until.plus_ms(RESOLVED_KEPT_MS).ms() as u64);
    entry.fill(entry::START, time.ms() as u64);
    entry.fill(entry::END, until.ms() as u64);
    guard.heap_insert(guard.hold_heap(), entry, until);
    note_next_due(guard);
    for charge in charges.iter().filter(|charge| charge.units > 0) {
        if let Some(counter) = guard.counter(charge.resource) {
            let held = counter.get(counter::HELD).saturating_add(charge.units);
            guard.set_cell(counter.cell(counter::HELD), held);
        }
    }
    guard.touch(entry, seq);
    ReservationId(EntryHandle { epoch, index: entry.index.0, number })
}

/// Whether giving a record back needs an admin transaction, which knows what the record does not:
/// of a closed period, the grants that still live; of the present one, what the limit of the plan
/// says of units that were taken when there was another number, or none.
pub(super) fn needs_admin_tx(
    guard: &RecordGuard<'_>,
    (index, kind): (EntryIndex, EntryKind),
    back: Back<'_>,
) -> bool {
    let in_period = is_of_this_period(guard, index, kind);
    let all = matches!(back, Back::Everything);
    let mut returnable = guard.takings(index, kind).filter(|taken| all || !taken.stays);
    returnable.any(|taken| match guard.counter(taken.resource) {
        Some(counter) if counter.terms().counting == Counting::Granted => {
            if in_period {
                counter.terms().lowered
                    || taken.grant == 0 && taken.held() > counter.get(counter::BEYOND)
            } else {
                outlives_period(taken)
            }
        }
        _ => false,
    })
}

/// Whether an entry's units were taken in the present period.
pub(super) fn is_of_this_period(
    guard: &RecordGuard<'_>,
    index: EntryIndex,
    kind: EntryKind,
) -> bool {
    was_taken_in(guard, index, kind, guard.get(record::PERIOD))
}

/// Whether an entry's units were taken in the period with this number.
pub(super) fn was_taken_in(
    guard: &RecordGuard<'_>,
    index: EntryIndex,
    kind: EntryKind,
    period: u64,
) -> bool {
    match kind {
        EntryKind::Reservation => guard.entry_word(index, PERIOD) == period,
        _ => guard.above_link(index) == period & KEY_PERIOD_MASK,
    }
}

/// Whether the grant that gave units outlives the period: all but the plan's do. The record need
/// not know it any more: it may have held nothing when the period ended.
fn outlives_period(taken: Taken) -> bool {
    taken.grant != 0 && taken.source != Some(Source::Plan)
}

/// Gives back what a reservation holds, as far as the present period is concerned.
pub(super) fn give_back(
    guard: &mut RecordGuard<'_>,
    index: EntryIndex,
    back: Back<'_>,
    now: Timestamp,
) {
    let in_period = is_of_this_period(guard, index, EntryKind::Reservation);
    let mut left = Kept::new(back);
    if let Back::Nothing = back {
        return;
    }
    let mut entries = guard.takings_cursor(index, EntryKind::Reservation);
    while let Some(taken) = entries.next(guard) {
        let units = left.rest_of(taken);
        return_units(guard, Taken { units, ..taken }, in_period, now);
    }
}

/// Gives units back to where they came from, if that still is; says how many. What a closed
/// period used is given back by an admin transaction.
pub(super) fn return_units(
    guard: &mut RecordGuard<'_>,
    taken: Taken,
    in_period: bool,
    now: Timestamp,
) -> u64 {
    let Taken { resource, grant, units, .. } = taken;
    let Some(counter) = guard.counter(resource) else { return 0 };
    let terms = counter.terms();
    let returned = match terms.counting {
        Counting::Meter if grant == counter.get(counter::CYCLE) => units.min(counter.used()),
        Counting::Granted if in_period && grant == 0 => {
            let returned = units.min(counter.get(counter::BEYOND));
            guard.set_cell(counter.cell(counter::BEYOND), counter.get(counter::BEYOND) - returned);
            returned
        }
        Counting::Granted if in_period => {
            let mut cells = counter.grant_cells().iter();
            let is_it = |[id, _]: &&[AtomicU64; 2]| grant_id(id.load(Relaxed)) == grant;
            match cells.find(is_it) {
                Some([_, remaining]) => {
                    let rest = remaining.load(Relaxed);
                    guard.set_cell(remaining, rest.saturating_add(units));
                    units
                }
                None => 0,
            }
        }
        _ => 0,
    };
    if returned > 0 {
        guard.set_cell(counter.cell(counter::USED), counter.used().saturating_sub(returned));
        let _ = guard.record_history(HistoryKey::returned(now, resource), returned);
    }
    returned
}

/// What stays used of a record, entry by entry: the first that were taken stay first.
pub(super) struct Kept<'a> {
    back: Back<'a>,
    resource: ResourceId,
    left: u64,
}

impl<'a> Kept<'a> {
    pub(super) fn new(back: Back<'a>) -> Kept<'a> {
        Kept { back, resource: ResourceId::NONE, left: 0 }
    }

    /// How much of an entry is given back. The entries of one resource follow one another.
    pub(super) fn rest_of(&mut self, taken: Taken) -> u64 {
        let kept = match self.back {
            Back::All => return taken.returnable(),
            Back::Everything => return taken.held(),
            Back::Nothing => return 0,
            Back::Except(kept) => kept,
        };
        if taken.resource != self.resource {
            let of_it = kept.iter().filter(|charge| charge.resource == taken.resource);
            self.left = of_it.map(|charge| charge.units).sum();
            self.resource = taken.resource;
        }
        let stays = taken.held().min(self.left);
        self.left -= stays;
        taken.held() - stays
    }
}

/// Refuses to keep more of a resource than is held.
fn check_kept(
    shared: &Shared,
    guard: &RecordGuard<'_>,
    index: EntryIndex,
    back: Back<'_>,
) -> Result<(), Error> {
    let Back::Except(kept) = back else { return Ok(()) };
    for charge in kept {
        let held: u64 = guard
            .takings(index, EntryKind::Reservation)
            .filter(|taken| taken.resource == charge.resource)
            .map(Taken::held)
            .sum();
        if charge.units > held {
            let compiled = shared.compiled()?;
            let name = compiled.resource_name(charge.resource).unwrap_or_default();
            let why =
                format!("{} of {name:?} cannot be committed; {held} are reserved", charge.units);
            return Err(Error::InvalidArgument { what: "units", why });
        }
    }
    Ok(())
}

/// Writes how a reservation was resolved: for good.
pub(super) fn resolve(
    guard: &mut RecordGuard<'_>,
    index: EntryIndex,
    state: ReservationState,
    seq: u64,
) {
    count_out(guard, index);
    guard.set_entry_state(index, state as u8);
    guard.touch_entry(index, seq);
}

/// Releases what an open reservation reserves: from now on it is listed among what is remembered.
/// The capacity was reserved with it.
pub(super) fn count_out(guard: &mut RecordGuard<'_>, index: EntryIndex) {
    count_out_held(guard, index);
    guard.heap_remove(guard.hold_heap(), index);
    guard.heap_insert(guard.kept_heap(), guard.entry(index), guard.kept_until(index));
    note_next_due(guard);
}

/// Takes what a reservation holds away from what is held of each resource. Writes one word per
/// resource: the entries of one resource follow one another.
fn count_out_held(guard: &mut RecordGuard<'_>, index: EntryIndex) {
    let mut entries = guard.takings_cursor(index, EntryKind::Reservation);
    let mut next = entries.next(guard);
    while let Some(taken) = next {
        let (resource, mut units) = (taken.resource, taken.held());
        next = entries.next(guard);
        while let Some(more) = next.filter(|more| more.resource == resource) {
            units = units.saturating_add(more.held());
            next = entries.next(guard);
        }
        let Some(counter) = guard.counter(resource) else { continue };
        let held = counter.get(counter::HELD).saturating_sub(units);
        guard.set_cell(counter.cell(counter::HELD), held);
    }
}

/// Notes when the first of the tenant's reservations is due.
pub(super) fn note_next_due(guard: &mut RecordGuard<'_>) {
    let due = guard.first_due(guard.hold_heap()).map_or(Timestamp::MAX, |(until, _)| until);
    if guard.get(record::HOLDS_DUE) != due.ms() as u64 {
        guard.set_cell(guard.cell(record::HOLDS_DUE), due.ms() as u64);
    }
}

/// Reports that a reservation's time ran out.
pub(super) fn emit_expired(
    guard: &mut RecordGuard<'_>,
    epoch: u32,
    index: EntryIndex,
    at: Timestamp,
) {
    let kind = expired(guard, epoch, index);
    note(guard, &kind, ResourceId::NONE, at);
}

/// The event of a reservation's time running out.
pub(super) fn expired(guard: &RecordGuard<'_>, epoch: u32, index: EntryIndex) -> EventKind {
    let handle = EntryHandle { epoch, index: index.0, number: guard.entry_word(index, NUMBER) };
    EventKind::ReservationExpired { reservation: ReservationId(handle) }
}
