//! What a reservation is for, and the session that it may pay for.
//!
//! A send that may yet fail is a reservation. Where it opens a session, that is paid by a
//! reservation of its own, which all sends in it share: it is given back when all of them have
//! failed. A campaign is a reservation of sessions from which sends draw.

use super::entries::{Entry, EntryIndex, EntryKind, ReservationState};
use super::layout::{WORD, entry};
use super::record::RecordGuard;
use crate::clock::Timestamp;

/// What a reservation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum HoldRole {
    /// Units that the host commits or releases.
    Units = 0,
    /// A send, whose outcome is reported.
    Send = 1,
    /// The session that sends have opened.
    Session = 2,
    /// Sessions of a campaign.
    Campaign = 3,
}

/// Whether a session may be given back: the state of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SessionState {
    /// It is paid for good.
    Used = 0,
    /// A reservation pays for it.
    Reserved = 1,
    /// An idempotency key opened it, and nothing else has used it.
    Refundable = 2,
}

impl SessionState {
    /// That of a session's entry.
    #[inline(always)]
    pub(crate) fn of(session: Entry<'_>) -> SessionState {
        match session.state() {
            1 => SessionState::Reserved,
            2 => SessionState::Refundable,
            _ => SessionState::Used,
        }
    }
}

/// Words of the payload of a session that may be given back: its owner's place plus one and
/// number, the start and the end of the session that was kept before.
const OWNER: u64 = 0;
const OWNER_NUMBER: u64 = 1;
const BEFORE_START: u64 = 2;
const BEFORE_END: u64 = 3;
/// Word of a session's payload: the end that SQLite has of it, or will have with the next
/// checkpoint. Not before its own end.
pub(super) const SAVED_END: u64 = 4;
/// The word of a send's or a session's reservation that leads to the other entry: place plus one.
const LINK: u64 = 6;
const LINK_MASK: u64 = u32::MAX as u64;
/// Of a send: it opened the session and paid for it.
pub(crate) const OPENED: u64 = 1 << 32;
/// Of a send: it does not count in its session any more.
pub(crate) const DETACHED: u64 = 1 << 33;
/// Of a session: how many of its sends may still succeed.
const PENDING_SHIFT: u32 = 32;
/// Where the role stands in a entry's first word.
const ROLE_SHIFT: u32 = 32;
/// The word of a reservation's payload that holds its number.
pub(crate) const NUMBER: u64 = 1;

/// A session that an operation has opened.
#[derive(Clone, Copy)]
pub(crate) struct OpenedSession {
    pub(crate) index: EntryIndex,
    /// Start and end of the session that was kept in the same entry.
    pub(crate) before: Option<[u64; 2]>,
}

/// What may give a session back.
#[derive(Clone, Copy)]
pub(crate) struct SessionOwner {
    pub(crate) index: EntryIndex,
    pub(crate) number: u64,
    pub(crate) state: SessionState,
}

/// The role that a first word names.
pub(crate) const fn role_of(meta: u64) -> HoldRole {
    match (meta >> ROLE_SHIFT) as u8 {
        1 => HoldRole::Send,
        2 => HoldRole::Session,
        3 => HoldRole::Campaign,
        _ => HoldRole::Units,
    }
}

impl RecordGuard<'_> {
    /// What a reservation is for.
    pub(crate) fn hold_role(&self, index: EntryIndex) -> HoldRole {
        role_of(self.entry_get(index, entry::META))
    }

    /// Says what a reservation is for that the operation has made.
    pub(crate) fn set_hold_role(&mut self, of: Entry<'_>, role: HoldRole) {
        let meta = of.get(entry::META) | (role as u64) << ROLE_SHIFT;
        self.write(of, entry::META, meta);
    }

    /// Whether a place holds an open reservation of this role.
    pub(crate) fn holds_open(&self, index: EntryIndex, role: HoldRole) -> bool {
        self.holds(index, EntryKind::Reservation)
            && self.hold_role(index) == role
            && self.entry_state(index) == ReservationState::Open as u8
    }

    /// Gives a entry that was reached by its place alone a key. Its capacity has been reserved.
    pub(crate) fn name_entry(&mut self, index: EntryIndex, key: super::Hash128) {
        self.entry_set(index, entry::KEY, key.low);
        self.entry_set(index, entry::KEY + WORD, key.high);
        let table = self.table();
        self.enter(table, key, index);
    }

    // ---- sends and the sessions that they have opened ------------------------------------------

    /// The reservation that pays for the session of a send, while the send counts in it.
    pub(crate) fn session_unit(&self, send: EntryIndex) -> Option<EntryIndex> {
        let link = self.entry_word(send, LINK);
        let unit = EntryIndex(((link & LINK_MASK) as u32).checked_sub(1)?);
        let counts = link & DETACHED == 0 && self.holds_open(unit, HoldRole::Session);
        counts.then_some(unit)
    }

    /// The reservation that pays for the session that a send opened, also when it is resolved.
    pub(crate) fn paid_by(&self, send: EntryIndex) -> Option<EntryIndex> {
        let link = self.entry_word(send, LINK);
        let unit = EntryIndex(((link & LINK_MASK) as u32).checked_sub(1)?);
        let paid = link & OPENED != 0 && self.holds(unit, EntryKind::Reservation);
        paid.then_some(unit)
    }

    /// Takes a send out of the count of its session.
    pub(crate) fn detach_send(&mut self, send: EntryIndex) {
        let link = self.entry_word(send, LINK);
        self.entry_set_word(send, LINK, link | DETACHED);
    }

    /// How many sends of a session may still succeed.
    pub(crate) fn pending_sends(&self, unit: EntryIndex) -> u64 {
        self.entry_word(unit, LINK) >> PENDING_SHIFT
    }

    /// Changes how many sends of a session may still succeed.
    pub(crate) fn set_pending_sends(&mut self, unit: EntryIndex, pending: u64) {
        let link = self.entry_word(unit, LINK) & LINK_MASK;
        self.entry_set_word(unit, LINK, link | pending << PENDING_SHIFT);
    }

    /// The session that a entry may give back: as long as nothing else has used it, and it was not
    /// opened again.
    pub(crate) fn owned_session(
        &self,
        owner: SessionOwner,
        session: EntryIndex,
    ) -> Option<EntryIndex> {
        let is_it = self.holds(session, EntryKind::Session)
            && self.entry_state(session) == owner.state as u8
            && self.entry_word(session, OWNER) == u64::from(owner.index.0) + 1
            && self.entry_word(session, OWNER_NUMBER) == owner.number;
        is_it.then_some(session)
    }

    /// The session that a reservation pays for, while it may be given back.
    pub(crate) fn session_paid_by(&self, unit: EntryIndex) -> Option<EntryIndex> {
        let session = ((self.entry_word(unit, LINK) & LINK_MASK) as u32).checked_sub(1)?;
        let number = self.entry_word(unit, NUMBER);
        let owner = SessionOwner { index: unit, number, state: SessionState::Reserved };
        self.owned_session(owner, EntryIndex(session))
    }

    /// The entry that may give a session back: the place that it names need not be that any more.
    pub(crate) fn session_owner(&self, session: EntryIndex) -> Option<EntryIndex> {
        (self.entry_word(session, OWNER) as u32).checked_sub(1).map(EntryIndex)
    }

    /// Whether a session is given back, and by what.
    pub(crate) fn session_state(&self, session: EntryIndex) -> SessionState {
        SessionState::of(self.entry(session))
    }

    /// Says what may give back a session that the operation has opened.
    pub(crate) fn own_session(&mut self, opened: OpenedSession, owner: SessionOwner) {
        let [start, end] = opened.before.unwrap_or([Timestamp::MIN.ms() as u64; 2]);
        self.set_entry_state(opened.index, owner.state as u8);
        self.entry_set_word(opened.index, OWNER, u64::from(owner.index.0) + 1);
        self.entry_set_word(opened.index, OWNER_NUMBER, owner.number);
        self.entry_set_word(opened.index, BEFORE_START, start);
        self.entry_set_word(opened.index, BEFORE_END, end);
    }

    /// The end that SQLite has of a session.
    pub(crate) fn saved_end(&self, session: EntryIndex) -> Timestamp {
        Timestamp::from_word(self.entry_word(session, SAVED_END))
    }

    /// Has the next checkpoint write this end of a session, which the operation notes as changed.
    pub(crate) fn set_saved_end(&mut self, session: EntryIndex, end: Timestamp) {
        self.entry_set_word(session, SAVED_END, end.ms() as u64);
    }

    /// Start and end of the session that was kept before one that may be given back.
    pub(crate) fn session_before(&self, session: EntryIndex) -> [u64; 2] {
        [self.entry_word(session, BEFORE_START), self.entry_word(session, BEFORE_END)]
    }
}

impl Entry<'_> {
    /// Has a send that the operation has made lead to what pays for its session.
    pub(crate) fn fill_send_link(self, unit: Option<EntryIndex>, flags: u64) {
        self.fill_word(LINK, unit.map_or(0, |unit| u64::from(unit.0) + 1) | flags);
    }

    /// Has a session's reservation that the operation has made, with one send, lead to its session.
    pub(crate) fn fill_session_link(self, session: EntryIndex) {
        self.fill_word(LINK, (u64::from(session.0) + 1) | (1 << PENDING_SHIFT));
    }
}
