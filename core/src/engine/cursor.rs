//! Replay cursors: how far a tenant has come in a file of traffic, moved in the decision's own
//! critical section, so that a replay that was killed goes on without charging anything twice.

use std::hash::Hasher;

use super::Shared;
use super::call::{Call, Details, KEY_LIFETIME_MS};
use super::caller::With;
use super::caller::{Caller, Once};
use super::sends::SEND_MS_MAX;
use super::tenant::Tenant;
use crate::catalog::Gate;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::Hash128;
use crate::live::entries::EntryKind;
use crate::live::layout::entry;
use crate::live::record::RecordGuard;
use crate::rules::{Decision, Reason, ResourceId};

/// A place in a file of traffic.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    /// What identifies the file: the same for the same file, also when it has grown.
    pub source: &'a [u8],
    /// The time of the file's first line.
    pub since: Timestamp,
    /// The event's place in the file, from 1, rising.
    pub position: u64,
    /// A hash of the file's content up to the event, or 0. [`Progress`] gives it back: it shows
    /// whether another file begins with all that was decided.
    pub content: u64,
}

/// How far a tenant has come in a file, and what came of its events so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    /// Place of the last event that was decided.
    pub position: u64,
    /// The time of the file's first line.
    #[serde(serialize_with = "crate::json::text")]
    pub since: Timestamp,
    /// Events that opened a session.
    pub opened: u64,
    /// Events inside a session that was open, or kept for late messages.
    pub continued: u64,
    /// Allowed events that have nothing to do with sessions.
    pub others: u64,
    /// Events that were denied.
    pub refused: u64,
    /// Denied events for want of quota.
    pub refused_quota: u64,
    /// Denied events for the tenant's status.
    pub refused_status: u64,
    /// Allowed events that were too old to open a session or to continue one.
    pub too_old: u64,
    /// The [`Cursor::content`] of the last event that was decided.
    #[serde(skip)]
    pub content: u64,
}

/// A cursor as the decision path needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct CursorCall {
    key: Hash128,
    since: Timestamp,
    position: u64,
    content: u64,
    /// When the event happened, where that is known.
    at: Option<Timestamp>,
}

impl Progress {
    fn from_entry(guard: &RecordGuard<'_>, key: Hash128) -> Option<Progress> {
        let index = guard.find_entry(key)?;
        let [position, opened, continued, others, refused, quota, status, too_old, content] =
            guard.entry_payload(index);
        let since = Timestamp::from_ms(guard.entry_get(index, entry::START) as i64);
        Some(Progress {
            position,
            since,
            opened,
            continued,
            others,
            refused,
            refused_quota: quota,
            refused_status: status,
            too_old,
            content,
        })
    }

    fn count(&mut self, decision: &Decision) {
        match (decision.reason(), decision.session) {
            (None, Some(session)) if session.opened && !decision.replayed => self.opened += 1,
            (None, Some(_)) => self.continued += 1,
            (None, None) if decision.too_old => self.too_old += 1,
            (None, None) => self.others += 1,
            (Some(reason), _) => {
                self.refused += 1;
                match reason {
                    Reason::QuotaExhausted => self.refused_quota += 1,
                    Reason::StatusForbids => self.refused_status += 1,
                    _ => {}
                }
            }
        }
    }
}

impl CursorCall {
    /// Refuses an event that was decided before.
    pub(super) fn refuse_if_passed(&self, guard: &RecordGuard<'_>) -> Result<(), Error> {
        match Progress::from_entry(guard, self.key) {
            Some(progress) if progress.position >= self.position => {
                Err(Error::AlreadyDecided { position: self.position })
            }
            _ => Ok(()),
        }
    }

    /// Moves on past the event.
    pub(super) fn advance(&self, guard: &mut RecordGuard<'_>, decision: &Decision, seq: u64) {
        let mut progress = Progress::from_entry(guard, self.key).unwrap_or_default();
        (progress.position, progress.content) = (self.position, self.content);
        progress.count(decision);
        let index = guard.find_entry(self.key).unwrap_or_else(|| {
            let made = guard.make_entry(EntryKind::Cursor, ResourceId::NONE, Some(self.key));
            guard.write(made, entry::START, self.since.ms() as u64);
            made.index
        });
        let payload = [
            progress.position,
            progress.opened,
            progress.continued,
            progress.others,
            progress.refused,
            progress.refused_quota,
            progress.refused_status,
            progress.too_old,
            progress.content,
        ];
        guard.entry_set_payload(index, &payload);
        guard.touch_entry(index, seq);
    }
}

impl Call<'_> {
    /// How old an event may be and still charge, where it comes out of a file of traffic: so long
    /// its id is remembered.
    fn event_age_ms_max(&self) -> i64 {
        self.session.as_ref().map_or(KEY_LIFETIME_MS, |session| {
            session.rule.window_ms.saturating_add(session.rule.late_ms)
        })
    }

    /// Has the call be about an event of a file of traffic.
    #[inline(always)]
    pub(super) fn follow(&mut self, cursor: Option<CursorCall>) {
        if cursor.is_none() {
            return;
        }
        self.cursor = cursor;
        let age_ms = self.event_age_ms_max();
        if let Some(once) = &mut self.once {
            once.lifetime_ms = once.lifetime_ms.max(age_ms);
        }
        // A send that names its message is reserved until its outcome is reported.
        let names_message = self.session.as_ref().is_some_and(|it| it.message.is_some());
        if names_message && self.lease.is_none() && self.gate != Gate::Receive {
            self.hold_ms = Some(SEND_MS_MAX);
        }
    }

    /// Whether it is an event of a file of traffic that is too old for its id to be remembered:
    /// it may have been charged before.
    #[inline(always)]
    pub(super) fn is_forgotten(&self, high_water_mark: Timestamp) -> bool {
        let Some(at) = self.cursor.as_ref().and_then(|it| it.at) else { return false };
        let charges = !self.charges.is_empty() || self.rate.is_some() || self.lease.is_some();
        charges && at.plus_ms(self.event_age_ms_max()) <= high_water_mark
    }
}

impl Tenant {
    /// As [`perform`](Self::perform), once per place in a file of traffic: `None` where this place,
    /// or a later one, was decided before. An event that is older than its id is remembered
    /// (window and `late` of the action's session, else seven days) is `too_old` and charges
    /// nothing: another file may have held it.
    ///
    /// An event that names its message and is a send with a session is reserved for 30 days, as by
    /// [`reserve_action`](Self::reserve_action): what the file reports of it later
    /// ([`report_delivery`](Self::report_delivery)) counts as it does at a live host.
    pub fn perform_next(
        &self,
        action: &str,
        details: &Details<'_>,
        cursor: &Cursor<'_>,
    ) -> Result<Option<Decision>, Error> {
        self.caller().perform_next(action, details, cursor)
    }

    /// How far this tenant has come in the file identified by `source`.
    pub fn progress(&self, source: &[u8]) -> Result<Option<Progress>, Error> {
        let key = self.engine().shared.cursor_key(source);
        let guard = self.engine().shared.lock_record(self.at())?;
        Ok(Progress::from_entry(&guard, key))
    }
}

impl Once<'_> {
    /// As [`Tenant::perform_next`].
    pub fn perform_next(
        &self,
        action: &str,
        details: &Details<'_>,
        cursor: &Cursor<'_>,
    ) -> Result<Option<Decision>, Error> {
        self.caller()?.perform_next(action, details, cursor)
    }
}

impl Caller<'_> {
    fn perform_next(
        &self,
        action: &str,
        details: &Details<'_>,
        cursor: &Cursor<'_>,
    ) -> Result<Option<Decision>, Error> {
        let call = CursorCall {
            key: self.engine.shared.cursor_key(cursor.source),
            since: cursor.since,
            position: cursor.position,
            content: cursor.content,
            at: details.at,
        };
        let once = self.once_perform(action, details)?;
        let with = With { once, cursor: Some(call), apply: true };
        match self.engine.perform_at(self.at, self.name, action, details, with) {
            Ok(decision) => Ok(Some(decision)),
            Err(Error::AlreadyDecided { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Shared {
    fn cursor_key(&self, source: &[u8]) -> Hash128 {
        self.live.hash(|hasher| {
            hasher.write_u8(EntryKind::Cursor as u8);
            hasher.write(source);
        })
    }
}
