//! Giving back what only the admin transaction can: what a closed period has used, to grants that
//! still live, since their figures are in the ledger; and what is more than the plan's limit by
//! now.
//!
//! The entry's new state is written to SQLite in the same transaction, and to the live file after
//! the commit; `ADMIN_ENTRY` says which entry that is, for the process that recovers from a crash
//! between.

use super::Shared;
use super::admin_tx::{AdminTx, CommitOptions};
use super::decide::RetryReason;
use super::reserve::{self, Back, Kept};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::entries::{EntryIndex, EntryKind, ReservationState, with_state};
use crate::live::history::HistoryKey;
use crate::live::holds::HoldRole;
use crate::live::layout::{counter, entry, record};
use crate::live::record::RecordGuard;
use crate::live::takings::Taken;
use crate::rules::plan_number::give_back;
use crate::rules::{Account, Counting, EntryHandle, Grant, ResourceId, Source, TenantEvent};
use crate::store::Sync;

/// What is done with an entry in the admin transaction.
#[derive(Clone, Copy)]
pub(super) struct Late<'a> {
    pub(super) index: EntryIndex,
    pub(super) kind: EntryKind,
    /// The state that the entry is in from then on.
    pub(super) state: u8,
    pub(super) back: Back<'a>,
}

impl Shared {
    /// Gives back in the admin transaction what `late` says. May block on the disk.
    pub(super) fn settle_late(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        handle: EntryHandle,
        late: Late<'_>,
    ) -> Result<(), RetryReason> {
        let options = CommitOptions { sync: Sync::Full, confirm_jump: false };
        let done = self.administer_entry(at, name, now, options, &late, |guard| match late.kind {
            EntryKind::Reservation => self.open_reservation(guard, handle, now).map(|_| ()),
            _ => self.unrefunded(guard, handle).map(|_| ()),
        });
        done.map_err(RetryReason::from)
    }

    /// Expires a reservation in the admin transaction if it is due at `now`: as of its own end, so
    /// that it comes to the same at every time of looking, and before any boundary that it shares.
    pub(super) fn expire_late(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        index: EntryIndex,
    ) -> Result<(), Error> {
        let options = CommitOptions { sync: Sync::Normal, confirm_jump: false };
        let (end, role) = {
            let guard = self.lock_record(at)?;
            (open_until(&guard, index), guard.hold_role(index))
        };
        let Some(end) = end.filter(|&end| end <= now) else { return Ok(()) };
        // The sends of a session have failed: that is no news.
        let state = match role {
            HoldRole::Session => ReservationState::Released,
            _ => ReservationState::Expired,
        } as u8;
        let late = Late { index, kind: EntryKind::Reservation, state, back: Back::All };
        // Another may have been quicker: then there is nothing to do.
        let done = self.administer_entry(at, name, end.plus_ms(-1), options, &late, |guard| {
            let open = open_until(guard, index) == Some(end);
            if open { Ok(()) } else { Err(Error::Busy { what: "the reservation" }) }
        });
        match done {
            Err(Error::Busy { what: "the reservation" }) => Ok(()),
            other => other,
        }
    }
}

/// Until when an open reservation holds its units.
fn open_until(guard: &RecordGuard<'_>, index: EntryIndex) -> Option<Timestamp> {
    let open = guard.holds(index, EntryKind::Reservation)
        && guard.entry_state(index) == ReservationState::Open as u8;
    open.then(|| Timestamp::from_word(guard.entry_get(index, entry::END)))
}

/// Gives back to the account what a record took: of the present period where it came from, of a
/// closed one to grants that still live; and what meters still count.
pub(super) fn return_to_account(
    tx: &mut AdminTx<'_>,
    guard: &RecordGuard<'_>,
    late: &Late<'_>,
    epoch: u32,
) -> Result<(), Error> {
    if late.kind == EntryKind::Reservation && late.state == ReservationState::Expired as u8 {
        let kind = reserve::expired(guard, epoch, late.index);
        tx.events.push(TenantEvent { at: tx.now, resource: None, kind });
    }
    let mut kept = Kept::new(late.back);
    let period = tx.loaded.account.period;
    let in_period = reserve::was_taken_in(guard, late.index, late.kind, period);
    for taken in guard.takings(late.index, late.kind) {
        let units = kept.rest_of(taken);
        let Taken { resource, grant, .. } = taken;
        let account = &mut tx.loaded.account;
        match Account::counting(&tx.compiled.rulebook, resource) {
            Counting::Granted if in_period => {
                let returned = give_back(account, resource, grant, units, tx.now);
                record_returned(tx, resource, returned)?;
            }
            Counting::Granted if grant != 0 => {
                let known = account.grants.iter_mut().find(|it| it.id == grant);
                if let Some(known) = known.filter(|it| it.resource == resource) {
                    if known.is_in_time(tx.now) {
                        known.give_back(units);
                    }
                } else if units > 0 && taken.source != Some(Source::Plan) {
                    revive(tx, resource, grant, units)?;
                }
            }
            Counting::Meter => {
                let cycle = guard.counter(resource).map(|counter| counter.get(counter::CYCLE));
                let usage = account.used.get_mut(&resource).filter(|_| cycle == Some(grant));
                if let Some(usage) = usage {
                    let units = units.min(usage.used);
                    usage.used -= units;
                    usage.beyond = usage.used;
                    record_returned(tx, resource, units)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn record_returned(tx: &AdminTx<'_>, resource: ResourceId, units: u64) -> Result<(), Error> {
    if units > 0 {
        let key = HistoryKey::returned(tx.now, resource);
        tx.write.record_history(tx.loaded.row, key, units)?;
    }
    Ok(())
}

/// Gives units back to a grant that has been left out of the account because it held nothing when
/// a period ended, unless its time has run out.
fn revive(tx: &mut AdminTx<'_>, of: ResourceId, grant: u64, units: u64) -> Result<(), Error> {
    let ended = tx.write.ended_grant(tx.loaded.row, grant)?;
    let lives = |it: &Grant| it.resource == of && it.is_in_time(tx.now);
    if let Some(mut grant) = ended.filter(lives) {
        grant.give_back(units);
        let grants = &mut tx.loaded.account.grants;
        let index = grants.partition_point(|it| it.id < grant.id);
        grants.insert(index, grant);
    }
    Ok(())
}

/// The first word that an entry has once the change is committed.
pub(super) fn meta_after(guard: &RecordGuard<'_>, late: &Late<'_>) -> u64 {
    with_state(guard.entry_get(late.index, entry::META), late.state)
}

/// Brings an entry into the state that SQLite has it in. Doing it again changes nothing.
pub(super) fn bring_entry(guard: &mut RecordGuard<'_>, index: EntryIndex, meta: u64) {
    if guard.entry_get(index, entry::META) == meta {
        return;
    }
    if guard.entry_kind(index) == Some(EntryKind::Reservation) {
        reserve::count_out(guard, index);
    }
    guard.entry_set(index, entry::META, meta);
    let stood = guard.finish();
    debug_assert!(stood, "the undo record had capacity when the reservation was made");
}

/// Notes which entry the change under way brings into another state.
pub(super) fn note_entry(guard: &RecordGuard<'_>, index: EntryIndex) {
    guard.put(record::ADMIN_ENTRY, u64::from(index.0) + 1);
}

/// The entry that the change under way brings into another state.
pub(super) fn noted_entry(guard: &RecordGuard<'_>) -> Option<EntryIndex> {
    (guard.get(record::ADMIN_ENTRY) as u32).checked_sub(1).map(EntryIndex)
}
