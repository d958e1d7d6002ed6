//! Sends that may yet fail: what each reserves, and the session that the first of them opens.
//!
//! The session is paid by a reservation of its own, which all sends in it share. It is given back
//! when all of them have failed and nothing else has used it.

use super::attempt::FoundEntries;
use super::call::Call;
use super::decide::RetryReason;
use super::replayed::note_opened_session;
use super::reserve::{self, RESOLVED_KEPT_MS};
use super::{Shared, apply, campaign};
use crate::clock::{DAY_MS, Timestamp};
use crate::error::Error;
use crate::live::entries::{Entry, EntryIndex, EntryKind, KEPT_WORD, ReservationState};
use crate::live::holds::{HoldRole, OPENED, OpenedSession, SessionOwner, SessionState};
use crate::live::layout::{counter, entry};
use crate::live::record::RecordGuard;
use crate::live::takings::{HeadKind, Taken, TakingsWriter};
use crate::rules::{Changes, Charge, Decision, ResourceId};

/// How long the reports of a send are waited for, at most; one that has none by then is committed.
pub(super) const SEND_MS_MAX: i64 = 30 * DAY_MS;
/// Keyed entries that the session of a send needs: its reservation, and the rest of its record.
pub(super) const UNIT_ENTRIES: u64 = 2;
/// Resources of a session, with those above it.
const RESOURCES_MAX: usize = 5;

impl Shared {
    /// Reserves the session that a send opens, or has it join the one that others have opened.
    /// Gives the reservation that pays for it.
    #[cold]
    #[inline(never)]
    pub(super) fn session_of_send(
        &self,
        guard: &mut RecordGuard<'_>,
        call: &Call<'_>,
        found: FoundEntries,
        decision: &mut Decision,
        changes: &Changes,
        (now, high_water_mark, seq): (Timestamp, Timestamp, u64),
    ) -> Option<EntryIndex> {
        if changes.joins {
            let unit = guard.session_owner(found.session?)?;
            let is_it = guard.holds_open(unit, HoldRole::Session);
            return is_it.then(|| {
                join(guard, unit, high_water_mark.plus_ms(call.hold_ms.unwrap_or(0)), seq)
            });
        }
        changes.opens?;
        let rule = call.session.as_ref()?.rule;
        let head = guard.make_entry(EntryKind::Reservation, ResourceId::NONE, None);
        guard.set_hold_role(head, HoldRole::Session);
        let mut record = TakingsWriter::new(head, HeadKind::Reservation);
        let campaign = found.campaign.filter(|_| changes.draws);
        match campaign {
            None => apply::session_charges(guard, call, now, decision, Some(&mut record)),
            Some(campaign) => {
                for resource in rule.resources() {
                    if let Some(Taken { grant, source, .. }) = draw(guard, campaign, resource, seq)
                    {
                        record.push(guard, (resource, 1), (grant, source));
                    }
                }
            }
        }
        record.touch(guard, seq);
        let mut units = [Charge { resource: ResourceId::NONE, units: 0 }; RESOURCES_MAX];
        for (unit, resource) in units.iter_mut().zip(rule.resources()) {
            *unit = Charge { resource, units: 1 };
        }
        reserve::hold(guard, self.epoch(), (head, &units), now, SEND_MS_MAX, seq);
        campaign::fill_campaign(guard, head, campaign);
        Some(head.index)
    }
}

/// Has another send join a session: it is kept for the reports of that one, too.
fn join(guard: &mut RecordGuard<'_>, unit: EntryIndex, until: Timestamp, seq: u64) -> EntryIndex {
    let pending = guard.pending_sends(unit);
    guard.set_pending_sends(unit, pending + 1);
    if until.ms() > guard.entry_get(unit, entry::END) as i64 {
        guard.entry_set(unit, entry::END, until.ms() as u64);
        let kept_until = until.plus_ms(RESOLVED_KEPT_MS).ms() as u64;
        guard.entry_set_word(unit, KEPT_WORD, kept_until);
        guard.heap_update(guard.hold_heap(), unit, until);
        reserve::note_next_due(guard);
    }
    guard.touch_entry(unit, seq);
    unit
}

/// Takes a session's unit of one resource out of a campaign's reservation.
fn draw(
    guard: &mut RecordGuard<'_>,
    campaign: EntryIndex,
    resource: ResourceId,
    seq: u64,
) -> Option<Taken> {
    let taken = guard.draw(campaign, resource, None, seq)?;
    if let Some(counter) = guard.counter(resource) {
        let held = counter.get(counter::HELD).saturating_sub(1);
        guard.set_cell(counter.cell(counter::HELD), held);
    }
    guard.touch_entry(campaign, seq);
    // What a send gives back, it gives to this reservation: it is known as long as the send.
    let until = guard.high_water_mark().plus_ms(2 * SEND_MS_MAX).ms() as u64;
    if guard.entry_word(campaign, KEPT_WORD) < until {
        guard.entry_set_word(campaign, KEPT_WORD, until);
    }
    Some(taken)
}

/// Uses a session of a campaign for good.
#[cold]
#[inline(never)]
pub(super) fn draw_for_good(
    guard: &mut RecordGuard<'_>,
    call: &Call<'_>,
    found: FoundEntries,
    seq: u64,
) {
    if let (Some(campaign), Some(session)) = (found.campaign, &call.session) {
        for resource in session.rule.resources() {
            let _ = draw(guard, campaign, resource, seq);
        }
    }
}

/// Says what may give the session back that a call has opened: the reservation of its sends, or
/// the key of the decision.
#[inline(always)]
pub(super) fn own_opened(
    guard: &mut RecordGuard<'_>,
    call: &Call<'_>,
    opened: OpenedSession,
    (unit, head): (Option<EntryIndex>, Option<Entry<'_>>),
    changes: &Changes,
    seq: u64,
) {
    let number = guard.number_of(seq);
    let refundable = call.lease.is_none() && !changes.draws;
    match (unit, head) {
        (Some(unit), _) => {
            let owner = SessionOwner { index: unit, number, state: SessionState::Reserved };
            guard.own_session(opened, owner);
            guard.entry(unit).fill_session_link(opened.index);
        }
        (None, Some(key)) if refundable => {
            let owner = SessionOwner { index: key.index, number, state: SessionState::Refundable };
            guard.own_session(opened, owner);
        }
        _ => {}
    }
}

/// Says of a send what pays for its session.
#[cold]
pub(super) fn fill_send(
    guard: &mut RecordGuard<'_>,
    send: Entry<'_>,
    unit: Option<EntryIndex>,
    changes: &Changes,
) {
    guard.set_hold_role(send, HoldRole::Send);
    let paid = changes.opens.is_some() && !changes.draws;
    send.fill_send_link(unit, if paid { OPENED } else { 0 });
}

/// Notes in the entry of a key which session its decision has opened.
#[inline(always)]
pub(super) fn note_opened(guard: &RecordGuard<'_>, key: Entry<'_>, opened: OpenedSession) {
    if guard.session_state(opened.index) == SessionState::Refundable {
        note_opened_session(key, opened.index);
    }
}

/// A session is not given back any more: something has used it.
#[cold]
#[inline(never)]
pub(super) fn use_session(guard: &mut RecordGuard<'_>, session: EntryIndex, seq: u64) {
    if guard.session_state(session) == SessionState::Reserved
        && let Some(unit) = guard.session_owner(session)
        && guard.holds_open(unit, HoldRole::Session)
        && guard.session_paid_by(unit) == Some(session)
    {
        reserve::resolve(guard, unit, ReservationState::Committed, seq);
    }
    guard.set_entry_state(session, SessionState::Used as u8);
    guard.touch_entry(session, seq);
}

/// The session that a send is in is paid for good, where it is not yet.
pub(super) fn commit_session_of(guard: &mut RecordGuard<'_>, send: EntryIndex, seq: u64) {
    if let Some(unit) = guard.session_unit(send) {
        commit_unit(guard, unit, seq);
    }
}

/// The same, by the reservation that pays for it.
pub(super) fn commit_unit(guard: &mut RecordGuard<'_>, unit: EntryIndex, seq: u64) {
    match guard.session_paid_by(unit) {
        Some(session) => use_session(guard, session, seq),
        None => reserve::resolve(guard, unit, ReservationState::Committed, seq),
    }
}

/// Closes a session that nothing has used. One that was kept before is kept again.
pub(super) fn close_session(
    guard: &mut RecordGuard<'_>,
    session: EntryIndex,
    high_water_mark: Timestamp,
    seq: u64,
) {
    let end = Timestamp::from_word(guard.entry_get(session, entry::END));
    let late_ms = guard.kept_until(session).ms() - end.ms();
    let [start, before] = guard.session_before(session);
    let kept_until = Timestamp::from_word(before).plus_ms(late_ms);
    if kept_until > high_water_mark {
        guard.entry_set(session, entry::START, start);
        guard.entry_set(session, entry::END, before);
        guard.set_saved_end(session, Timestamp::from_word(before));
        guard.entry_set_word(session, KEPT_WORD, kept_until.ms() as u64);
        guard.set_entry_state(session, SessionState::Used as u8);
        guard.touch_entry(session, seq);
        return;
    }
    if let Some(heap) = guard.heap_of(guard.entry_get(session, entry::META)) {
        guard.heap_remove(heap, session);
    }
    guard.free_entry(session, seq);
}

/// Refuses the id of a message that another send has.
#[cold]
pub(super) fn refuse_known_message(
    guard: &RecordGuard<'_>,
    call: &Call<'_>,
) -> Result<(), RetryReason> {
    let message = call.session.as_ref().and_then(|session| session.message);
    if message.is_some_and(|message| guard.find_entry(message).is_some()) {
        return Err(message_in_use().into());
    }
    Ok(())
}

/// Why a send cannot have a message's id.
pub(super) fn message_in_use() -> Error {
    let why = "another send has it; each message is reserved once, under an idempotency key if \
               it may be tried again";
    Error::InvalidArgument { what: "message", why: why.to_owned() }
}

const _: () = assert!(RESOURCES_MAX == crate::live::entries::PARENTS_MAX as usize + 1);
