//! Applying a decision to its block: charges, sessions, refusals.

use std::sync::atomic::Ordering::Relaxed;

use super::call::{Call, SessionCall};
use crate::clock::Timestamp;
use crate::live::block::BlockGuard;
use crate::live::claims::{ClaimError, ClaimKind, KEPT_UNTIL, Place};
use crate::live::history::HistoryKey;
use crate::live::layout::{claim, slot};
use crate::rules::burn_down;
use crate::rules::{Changes, Charge, Decision, Mode};

/// Applies charges, or books the refusal: a denial changes nothing else (I4).
#[inline(always)]
pub(super) fn charges(
    guard: &mut BlockGuard<'_>,
    call: &Call<'_>,
    decision: &Decision,
    changes: &Changes,
    now: Timestamp,
) {
    if let Some(reason) = decision.reason() {
        let _ = guard.book(HistoryKey::denied(now, reason, decision.resource), 1);
        return;
    }
    for charge in call.charges {
        use_up(guard, *charge, now);
    }
    if let (Some(session), Some(_)) = (&call.session, changes.opens) {
        use_up(guard, Charge { resource: session.resource, units: 1 }, now);
    }
    guard.raise_mark(now);
}

/// Takes units from the grants, in their order, and counts them as used.
#[inline(always)]
fn use_up(guard: &mut BlockGuard<'_>, charge: Charge, now: Timestamp) {
    let Some(slot) = guard.slot(charge.resource) else { return };
    if charge.units == 0 {
        return;
    }
    if slot.mode() == Mode::Finite {
        let grants = slot.grant_cells();
        let remaining = grants.iter().map(|[_, remaining]| remaining.load(Relaxed));
        for (take, [_, cell]) in burn_down::takes(charge.units, remaining).zip(grants) {
            if take.units > 0 {
                guard.set_cell(cell, take.rest);
            }
        }
    }
    guard.set_cell(slot.cell(slot::USED), slot.used() + charge.units);
    guard.book_units(slot, HistoryKey::units(now, charge.resource), charge.units);
}

/// Makes room in the claim table for what the call will write there.
pub(super) fn make_room_for_claims(
    guard: &mut BlockGuard<'_>,
    call: &Call<'_>,
    changes: &Changes,
    mark: Timestamp,
) -> Result<(), ClaimError> {
    if changes.opens.is_none()
        && changes.extends_to.is_none()
        && call.once.is_none()
        && call.cursor.is_none()
    {
        return Ok(());
    }
    let sessions = call.session.as_ref().and_then(|it| guard.slot(it.resource));
    let sessions = sessions.map(BlockGuard::session_list);
    let keys = if call.once.is_some() { Some(guard.key_list()?) } else { None };
    guard.prepare_claims(mark, [sessions, keys])
}

/// Opens the contact's session, or moves its end.
pub(super) fn session(
    guard: &mut BlockGuard<'_>,
    session: &SessionCall,
    changes: &Changes,
    seq: u64,
) {
    let (place, end) = match (changes.opens, changes.extends_to) {
        (Some(opened), _) => {
            let kept_until = opened.end.plus_ms(session.late_ms);
            let place = guard
                .find_claim(session.key)
                .unwrap_or_else(|| new_session(guard, session, kept_until));
            guard.claim_set(place, claim::START, opened.start.ms() as u64);
            (place, opened.end)
        }
        (None, Some(end)) => {
            let Some(place) = guard.find_claim(session.key) else { return };
            (place, end)
        }
        (None, None) => return,
    };
    guard.claim_set(place, claim::END, end.ms() as u64);
    guard.claim_set(place, KEPT_UNTIL, end.plus_ms(session.late_ms).ms() as u64);
    guard.touch_claim(place, seq);
}

fn new_session(guard: &mut BlockGuard<'_>, session: &SessionCall, until: Timestamp) -> Place {
    let list = guard.slot(session.resource).map(BlockGuard::session_list);
    let hang = list.map(|list| (list, until));
    guard.make_claim(ClaimKind::Session, session.resource, session.key, hang)
}
