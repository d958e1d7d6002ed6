//! What is reported of a send: found by its message's id, for 30 days.

use super::caller::Caller;
use super::decide::RetryReason;
use super::reserve::{self, Back, needs_admin_tx, note_next_due};
use super::sends::{close_session, commit_session_of, commit_unit, message_in_use};
use super::tenant::Tenant;
use super::{Resolution, Shared, campaign};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::Hash128;
use crate::live::entries::{EntryIndex, EntryKind, NO_KEY, ReservationState};
use crate::live::holds::{HoldRole, NUMBER};
use crate::live::layout::{entry, record};
use crate::live::record::RecordGuard;
use crate::rules::{EntryHandle, ReservationId};

/// Reservations that are given back under one lock, at most.
const BATCH: u32 = 32;

/// What a channel reports of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It has left: that changes nothing.
    Sent,
    /// It has arrived.
    Delivered,
    /// It was read, whether or not its arrival was reported.
    Read,
    /// It will not arrive.
    Failed,
}

impl Delivery {
    /// Every report, in the order in which they come.
    pub const ALL: [Delivery; 4] =
        [Delivery::Sent, Delivery::Delivered, Delivery::Read, Delivery::Failed];

    /// The word that channels, C and Python use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Delivery::Sent => "sent",
            Delivery::Delivered => "delivered",
            Delivery::Read => "read",
            Delivery::Failed => "failed",
        }
    }

    /// The report with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Delivery> {
        Self::ALL.into_iter().find(|it| it.code() == code)
    }
}

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The send is paid for good.
    Committed,
    /// What the send charged is given back; its session too, unless something else uses it.
    Released,
    /// Nothing: the outcome was known, or the report says nothing of it.
    Unchanged,
    /// No send is known by this message: it was not reserved, or that is too long ago.
    Unknown,
}

impl DeliveryOutcome {
    /// The code that C and Python use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            DeliveryOutcome::Committed => "committed",
            DeliveryOutcome::Released => "released",
            DeliveryOutcome::Unchanged => "unchanged",
            DeliveryOutcome::Unknown => "unknown",
        }
    }
}

impl Tenant {
    /// Gives a reserved send the id that the channel gave its message, where it was not known when
    /// it was reserved. Doing it again changes nothing. Touches no disk.
    pub fn sent(&self, id: &ReservationId, message: &str) -> Result<(), Error> {
        let shared = &self.engine().shared;
        let key = shared.message_key(message)?;
        let timeout = self.engine().timeout;
        self.engine().apply_at(self.at(), self.name(), |now| {
            let mut guard = shared.ready_record(self.at(), now, timeout)?;
            shared.name_send(&mut guard, id.0, key, now)
        })
    }

    /// What a channel reports of a message. Reports may come in any order, more than once, and of
    /// messages that were never reserved. A send of which none comes in time is committed.
    pub fn report_delivery(
        &self,
        message: &str,
        report: Delivery,
    ) -> Result<DeliveryOutcome, Error> {
        self.caller().report_delivery(message, report)
    }
}

impl Caller<'_> {
    fn report_delivery(&self, message: &str, report: Delivery) -> Result<DeliveryOutcome, Error> {
        let shared = &self.engine.shared;
        let key = shared.message_key(message)?;
        let now = self.engine.now();
        let found = shared.send_of(&shared.lock_record(self.at)?, key, now);
        let Some(id) = found else { return Ok(DeliveryOutcome::Unknown) };
        let (how, outcome) = match report {
            Delivery::Sent => return Ok(DeliveryOutcome::Unchanged),
            Delivery::Delivered | Delivery::Read => {
                (Resolution::Committed, DeliveryOutcome::Committed)
            }
            Delivery::Failed => (Resolution::Released, DeliveryOutcome::Released),
        };
        match self.resolve(&id, how, &[]) {
            Ok(()) => Ok(outcome),
            Err(Error::AlreadyResolved(_)) => Ok(DeliveryOutcome::Unchanged),
            Err(Error::UnknownReservation(_)) => Ok(DeliveryOutcome::Unknown),
            Err(error) => Err(error),
        }
    }
}

impl Shared {
    /// The send that is known by a message, as long as its outcome is remembered.
    fn send_of(
        &self,
        guard: &RecordGuard<'_>,
        message: Hash128,
        now: Timestamp,
    ) -> Option<ReservationId> {
        let index = guard.find_entry(message)?;
        let is_send = guard.holds(index, EntryKind::Reservation)
            && guard.hold_role(index) == HoldRole::Send
            && guard.kept_until(index) > now.max(guard.high_water_mark());
        let number = guard.entry_word(index, NUMBER);
        let handle = EntryHandle { epoch: self.epoch(), index: index.0, number };
        is_send.then_some(ReservationId(handle))
    }

    fn name_send(
        &self,
        guard: &mut RecordGuard<'_>,
        handle: EntryHandle,
        message: Hash128,
        now: Timestamp,
    ) -> Result<(), RetryReason> {
        let index = self.open_reservation(guard, handle, now)?;
        if guard.hold_role(index) != HoldRole::Send {
            let why = "it reserves no send; only sends have delivery reports".to_owned();
            return Err(Error::InvalidArgument { what: "reservation id", why }.into());
        }
        let known = guard.entry_key(index);
        if known == message {
            return Ok(());
        }
        if known != NO_KEY {
            let why = "another message is attached to it already".to_owned();
            return Err(Error::InvalidArgument { what: "reservation id", why }.into());
        }
        if guard.find_entry(message).is_some() {
            return Err(message_in_use().into());
        }
        guard.prepare_entries(1, 1)?;
        let seq = guard.begin();
        guard.name_entry(index, message);
        guard.touch_entry(index, seq);
        self.finish(guard)
    }

    /// Takes a send that has failed out of its session. The last one closes a session that nothing
    /// has used, and what paid for it is given back. Steps of their own: the process that goes on
    /// after a crash finds what is left to be given back due.
    pub(super) fn leave_session(
        &self,
        guard: &mut RecordGuard<'_>,
        send: EntryIndex,
        high_water_mark: Timestamp,
    ) -> Result<(), RetryReason> {
        if guard.hold_role(send) != HoldRole::Send {
            return Ok(());
        }
        let Some(unit) = guard.session_unit(send) else { return Ok(()) };
        if !guard.ring_has_capacity(3) {
            return Err(RetryReason::CheckpointNeeded);
        }
        let pending = guard.pending_sends(unit).saturating_sub(1);
        let seq = guard.begin();
        guard.detach_send(send);
        guard.touch_entry(send, seq);
        guard.set_pending_sends(unit, pending);
        guard.touch_entry(unit, seq);
        if pending == 0 {
            if let Some(session) = guard.session_paid_by(unit) {
                close_session(guard, session, high_water_mark, seq);
            }
            guard.entry_set(unit, entry::END, high_water_mark.ms() as u64);
            guard.heap_update(guard.hold_heap(), unit, high_water_mark);
            note_next_due(guard);
        }
        self.finish(guard)?;
        if pending > 0 || guard.get(record::HOLDS_DUE) as i64 > high_water_mark.ms() {
            return Ok(());
        }
        match self.reclaim(guard, guard.hold_heap(), high_water_mark, BATCH, &mut 0) {
            // Left to the expiry of what is due, in the admin transaction.
            Err(RetryReason::LateHold(_)) => Err(RetryReason::HoldsDue),
            done => done,
        }
    }

    /// Commits a send of which nothing was reported in time, or the session of such sends.
    pub(super) fn commit_unreported(
        &self,
        guard: &mut RecordGuard<'_>,
        index: EntryIndex,
        is_send: bool,
    ) -> Result<(), RetryReason> {
        if !guard.ring_has_capacity(3) {
            return Err(RetryReason::CheckpointNeeded);
        }
        let seq = guard.begin();
        if is_send {
            commit_session_of(guard, index, seq);
            reserve::resolve(guard, index, ReservationState::Committed, seq);
        } else {
            commit_unit(guard, index, seq);
        }
        self.finish(guard)
    }

    /// Gives back what paid for a session all of whose sends have failed: to the campaign that it
    /// was drawn from while that lives, else to the grants.
    pub(super) fn return_session(
        &self,
        guard: &mut RecordGuard<'_>,
        unit: EntryIndex,
        high_water_mark: Timestamp,
    ) -> Result<(), RetryReason> {
        let (kind, back) = (EntryKind::Reservation, Back::All);
        if campaign::campaign_of(guard, unit, high_water_mark).is_none() {
            if needs_admin_tx(guard, (unit, kind), back) {
                return Err(RetryReason::LateHold(unit));
            }
            Self::prepare_return(guard, unit)?;
        }
        if !guard.ring_has_capacity(4) {
            return Err(RetryReason::CheckpointNeeded);
        }
        let seq = guard.begin();
        if !campaign::return_to_campaign(guard, unit, high_water_mark, seq) {
            reserve::give_back(guard, unit, back, high_water_mark);
        }
        reserve::resolve(guard, unit, ReservationState::Released, seq);
        self.finish(guard)
    }
}
