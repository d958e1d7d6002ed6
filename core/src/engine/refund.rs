//! Refunds: what a decision charged goes back to the same grants, once.

use std::time::Duration;

use super::caller::Caller;
use super::decide::RetryReason;
use super::late::Late;
use super::replayed::{REFUNDED, REFUNDING, opened_session};
use super::reserve::{Back, is_of_this_period, needs_admin_tx, return_units};
use super::sends::close_session;
use super::{Engine, Shared};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::entries::{EntryIndex, EntryKind};
use crate::live::holds::{SessionOwner, SessionState};
use crate::live::layout::entry;
use crate::live::record::RecordGuard;
use crate::live::takings::Taken;
use crate::rules::{EntryHandle, Receipt};

impl Caller<'_> {
    /// Gives back what the decision with this receipt charged.
    pub(super) fn refund(&self, receipt: &Receipt) -> Result<(), Error> {
        let Engine { shared, timeout, .. } = self.engine;
        let timeout = *timeout;
        self.engine.apply_at(self.at, self.name, |now| {
            match shared.try_refund(self.at, receipt.0, (now, timeout)) {
                Err(RetryReason::LateHold(index)) if !timeout.is_zero() => {
                    let (kind, state) = (EntryKind::Key, REFUNDED);
                    let closes = shared.lock_record(self.at)?.entry_state(index) == REFUNDING;
                    let back = if closes { Back::Everything } else { Back::All };
                    let late = Late { index, kind, state, back };
                    shared.settle_late(self.at, self.name, now, receipt.0, late)
                }
                other => other,
            }
        })
    }

    /// What the decision with this receipt charged.
    pub(super) fn charges_of(&self, receipt: &Receipt) -> Result<Vec<crate::SourceCharge>, Error> {
        let shared = &self.engine.shared;
        let guard = shared.lock_record(self.at)?;
        let index = shared.receipted(&guard, receipt.0)?;
        let mut all: Vec<crate::SourceCharge> = Vec::new();
        for taken in guard.takings(index, EntryKind::Key) {
            let Taken { resource, source, units, .. } = taken;
            let same = all.iter_mut().find(|it| it.resource == resource && it.source == source);
            match same {
                Some(listed) => listed.units += units,
                None => all.push(crate::SourceCharge { resource, source, units }),
            }
        }
        Ok(all)
    }
}

impl Shared {
    fn try_refund(
        &self,
        at: u64,
        handle: EntryHandle,
        (now, timeout): (Timestamp, Duration),
    ) -> Result<(), RetryReason> {
        let mut guard = self.ready_record(at, now, timeout)?;
        let index = self.unrefunded(&guard, handle)?;
        let high_water_mark = now.max(guard.high_water_mark());
        let session = refundable_session(&guard, index, handle, high_water_mark);
        let closes = session.is_some() || guard.entry_state(index) == REFUNDING;
        let back = if closes { Back::Everything } else { Back::All };
        if !guard.ring_has_capacity(3) {
            return Err(RetryReason::CheckpointNeeded);
        }
        if needs_admin_tx(&guard, (index, EntryKind::Key), back) {
            if let Some(session) = session {
                // A caller that asks again after a crash in between has the units given back.
                let seq = guard.begin();
                close_session(&mut guard, session, high_water_mark, seq);
                guard.set_entry_state(index, REFUNDING);
                guard.touch_entry(index, seq);
                self.finish(&mut guard)?;
            }
            return Err(RetryReason::LateHold(index));
        }
        let in_period = is_of_this_period(&guard, index, EntryKind::Key);
        Self::prepare_return(&mut guard, index)?;
        let seq = guard.begin();
        if let Some(session) = session {
            close_session(&mut guard, session, high_water_mark, seq);
        }
        let mut entries = guard.takings_cursor(index, EntryKind::Key);
        while let Some(taken) = entries.next(&guard) {
            let units = if closes { taken.units } else { taken.returnable() };
            let taken = Taken { units, ..taken };
            return_units(&mut guard, taken, in_period, high_water_mark);
        }
        guard.set_entry_state(index, REFUNDED);
        guard.touch_entry(index, seq);
        guard.raise_high_water_mark(now);
        self.finish(&mut guard)
    }

    /// Where the decision with a receipt is kept, if it has not been refunded.
    pub(super) fn unrefunded(
        &self,
        guard: &RecordGuard<'_>,
        handle: EntryHandle,
    ) -> Result<EntryIndex, Error> {
        let index = self.receipted(guard, handle)?;
        if guard.entry_state(index) == REFUNDED { Err(Error::AlreadyRefunded) } else { Ok(index) }
    }

    fn receipted(&self, guard: &RecordGuard<'_>, handle: EntryHandle) -> Result<EntryIndex, Error> {
        self.check_epoch(handle, "receipt")?;
        let index = EntryIndex(handle.index);
        if guard.holds(index, EntryKind::Key)
            && guard.entry_get(index, entry::START) == handle.number
        {
            return Ok(index);
        }
        Err(Error::UnknownReceipt(Receipt(handle)))
    }
}

/// The session that a decision opened and nothing else has used, while it is kept.
fn refundable_session(
    guard: &RecordGuard<'_>,
    key: EntryIndex,
    handle: EntryHandle,
    high_water_mark: Timestamp,
) -> Option<EntryIndex> {
    let owner = SessionOwner { index: key, number: handle.number, state: SessionState::Refundable };
    let session = guard.owned_session(owner, opened_session(guard, key)?)?;
    (guard.kept_until(session) > high_water_mark).then_some(session)
}
