//! Giving back what only the lane can: what a closed period has used, to grants that still live,
//! since their figures are in the books; and what is more than the plan's number by now.
//!
//! The claim's new state is written to SQLite in the same transaction, and to the live file after
//! the commit; `LANE_CLAIM` says which claim that is, for whoever comes after a death between.

use super::Shared;
use super::decide::Obstacle;
use super::lane::{Manner, Work};
use super::reserve::{self, Back, Kept};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::block::BlockGuard;
use crate::live::claims::{ClaimKind, Place, ReservationState, with_state};
use crate::live::history::HistoryKey;
use crate::live::layout::{block, claim, slot};
use crate::live::split::Taken;
use crate::rules::plan_number::give_back;
use crate::rules::{Account, Counting, Grant, Handle, Happening, ResourceId, Source};
use crate::store::Sync;

/// What is done with a claim in the lane.
#[derive(Clone, Copy)]
pub(super) struct Late<'a> {
    pub(super) place: Place,
    pub(super) kind: ClaimKind,
    /// The state that the claim is in from then on.
    pub(super) state: u8,
    pub(super) back: Back<'a>,
}

impl Shared {
    /// Gives back in the lane what `late` says. May block on the disk.
    pub(super) fn settle_late(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        handle: Handle,
        late: Late<'_>,
    ) -> Result<(), Obstacle> {
        let manner = Manner { sync: Sync::Full, confirm_jump: false };
        let done = self.administer_claim(at, name, now, manner, &late, |guard| match late.kind {
            ClaimKind::Reservation => self.open_reservation(guard, handle, now).map(|_| ()),
            _ => self.unrefunded(guard, handle).map(|_| ()),
        });
        done.map_err(Obstacle::from)
    }

    /// Expires a reservation in the lane if it is due at `now`: as of its own end, so that
    /// it comes to the same whoever looks first, and before any boundary that it shares.
    pub(super) fn expire_late(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        place: Place,
    ) -> Result<(), Error> {
        let manner = Manner { sync: Sync::Normal, confirm_jump: false };
        let state = ReservationState::Expired as u8;
        let late = Late { place, kind: ClaimKind::Reservation, state, back: Back::All };
        let Some(end) = open_until(&self.lock_block(at)?, place).filter(|&end| end <= now) else {
            return Ok(());
        };
        // Another may have been quicker: then there is nothing to do.
        let done = self.administer_claim(at, name, end.plus_ms(-1), manner, &late, |guard| {
            let open = open_until(guard, place) == Some(end);
            if open { Ok(()) } else { Err(Error::Busy { what: "the reservation" }) }
        });
        match done {
            Err(Error::Busy { what: "the reservation" }) => Ok(()),
            other => other,
        }
    }
}

/// Until when an open reservation holds its units.
fn open_until(guard: &BlockGuard<'_>, place: Place) -> Option<Timestamp> {
    let open = guard.holds(place, ClaimKind::Reservation)
        && guard.claim_state(place) == ReservationState::Open as u8;
    open.then(|| Timestamp::from_word(guard.claim_get(place, claim::END)))
}

/// Gives back to the account what a record took: of the present period where it came from, of a
/// closed one to grants that still live; and what meters still count.
pub(super) fn return_to_account(
    work: &mut Work<'_>,
    guard: &BlockGuard<'_>,
    late: &Late<'_>,
    epoch: u32,
) -> Result<(), Error> {
    if late.kind == ClaimKind::Reservation && late.state == ReservationState::Expired as u8 {
        let kind = reserve::expired(guard, epoch, late.place);
        work.happened.push(Happening { at: work.now, resource: None, kind });
    }
    let mut kept = Kept::new(late.back);
    let period = work.loaded.account.period;
    let in_period = reserve::was_taken_in(guard, late.place, late.kind, period);
    for taken in guard.record(late.place, late.kind) {
        let units = kept.rest_of(taken);
        let Taken { resource, grant, .. } = taken;
        let account = &mut work.loaded.account;
        match Account::counting(&work.compiled.rulebook, resource) {
            Counting::Granted if in_period => {
                let returned = give_back(account, resource, grant, units, work.now);
                book_returned(work, resource, returned)?;
            }
            Counting::Granted if grant != 0 => {
                let known = account.grants.iter_mut().find(|it| it.id == grant);
                if let Some(known) = known.filter(|it| it.resource == resource) {
                    if known.is_in_time(work.now) {
                        known.give_back(units);
                    }
                } else if units > 0 && taken.source != Some(Source::Plan) {
                    revive(work, resource, grant, units)?;
                }
            }
            Counting::Meter => {
                let cycle = guard.slot(resource).map(|slot| slot.get(slot::CYCLE));
                let usage = account.used.get_mut(&resource).filter(|_| cycle == Some(grant));
                if let Some(usage) = usage {
                    let units = units.min(usage.used);
                    usage.used -= units;
                    usage.beyond = usage.used;
                    book_returned(work, resource, units)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn book_returned(work: &Work<'_>, resource: ResourceId, units: u64) -> Result<(), Error> {
    if units > 0 {
        let key = HistoryKey::returned(work.now, resource);
        work.write.book(work.loaded.row, key, units)?;
    }
    Ok(())
}

/// Gives units back to a grant that has been left out of the account because it held nothing when
/// a period ended, unless its time has run out.
fn revive(work: &mut Work<'_>, of: ResourceId, grant: u64, units: u64) -> Result<(), Error> {
    let ended = work.write.ended_grant(work.loaded.row, grant)?;
    let lives = |it: &Grant| it.resource == of && it.is_in_time(work.now);
    if let Some(mut grant) = ended.filter(lives) {
        grant.give_back(units);
        let grants = &mut work.loaded.account.grants;
        let place = grants.partition_point(|it| it.id < grant.id);
        grants.insert(place, grant);
    }
    Ok(())
}

/// The first word that a claim has once the change is committed.
pub(super) fn meta_after(guard: &BlockGuard<'_>, late: &Late<'_>) -> u64 {
    with_state(guard.claim_get(late.place, claim::META), late.state)
}

/// Brings a claim into the state that SQLite has it in. Doing it again changes nothing.
pub(super) fn bring_claim(guard: &mut BlockGuard<'_>, place: Place, meta: u64) {
    if guard.claim_get(place, claim::META) == meta {
        return;
    }
    if guard.claim_kind(place) == Some(ClaimKind::Reservation) {
        reserve::count_out(guard, place);
    }
    guard.claim_set(place, claim::META, meta);
    let stood = guard.finish();
    debug_assert!(stood, "the undo record had room when the reservation was made");
}

/// Notes which claim the change under way brings into another state.
pub(super) fn note_claim(guard: &BlockGuard<'_>, place: Place) {
    guard.put(block::LANE_CLAIM, u64::from(place.0) + 1);
}

/// The claim that the change under way brings into another state.
pub(super) fn noted_claim(guard: &BlockGuard<'_>) -> Option<Place> {
    (guard.get(block::LANE_CLAIM) as u32).checked_sub(1).map(Place)
}
