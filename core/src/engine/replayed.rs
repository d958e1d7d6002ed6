//! Decisions stored under idempotency keys: given again to a caller that asks again, and what a
//! refund goes by.

use super::Shared;
use super::call::{Fingerprint, OnceCall};
use super::reserve;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::entries::{Entry, EntryIndex, EntryKind, KEPT_WORD};
use crate::live::layout::{entry, record};
use crate::live::record::RecordGuard;
use crate::rules::{
    Decision, EntryHandle, LeaseOutcome, Mode, Reasons, Receipt, ReservationId, ResourceId,
    SessionOutcome, Source, SourceCharges,
};

/// Flags of a stored decision, beside its mode in the low byte, its resource in bits 16..32 and
/// what was shadowed in bits 32..48.
const DEMO_NOTICE: u64 = 1 << 8;
const PAST_DUE: u64 = 1 << 9;
const SESSION: u64 = 1 << 10;
const SESSION_OPENED: u64 = 1 << 11;
const LEASE: u64 = 1 << 12;
const LEASE_ACQUIRED: u64 = 1 << 13;
const RESERVATION: u64 = 1 << 14;
const OVERAGE: u64 = 1 << 15;
/// More is used than the limit.
const OVER: u64 = 1 << 48;
const TOO_OLD: u64 = 1 << 49;
/// A key's payload: words of its own, up to those of its record.
const FINGERPRINT: u64 = 0;
const CODES: u64 = 1;
const UNITS: u64 = 2;
const USED: u64 = 3;
/// What is available; where more is used than the limit, so that nothing is, the limit.
const AVAILABLE: u64 = 4;
/// The end of the session; of a reservation: its number.
const SESSION_END: u64 = 5;
/// The fencing number of the lease; of a reservation: its place.
const LEASE_FENCING: u64 = 6;
/// Keys number periods to 2^24: a period of a day each for 45,000 years.
pub(super) const KEY_PERIOD_MASK: u64 = (1 << 24) - 1;

/// State of a key whose charges have been given back.
pub(super) const REFUNDED: u8 = 1;
/// State of a key whose session has been closed, while its charges are given back.
pub(super) const REFUNDING: u8 = 2;

impl Shared {
    /// The decision stored in `place`, if it was given for the same arguments.
    pub(super) fn replayed(
        &self,
        guard: &RecordGuard<'_>,
        index: EntryIndex,
        fingerprint: Fingerprint,
        decision: &mut Decision,
    ) -> Result<(), Error> {
        let word = |nth| guard.entry_word(index, nth);
        if Fingerprint(word(FINGERPRINT)) != fingerprint {
            return Err(Error::IdempotencyConflict);
        }
        let codes = word(CODES);
        let has = |flag: u64| codes & flag != 0;
        let resource = ResourceId((codes >> 16) as u16);
        let (used, left) = (word(USED), word(AVAILABLE));
        let over = has(OVER);
        let number = guard.entry_get(index, entry::START);
        let reservation = has(RESERVATION).then(|| {
            let (index, number) = (word(LEASE_FENCING) as u32, word(SESSION_END));
            ReservationId(EntryHandle { epoch: self.epoch(), index, number })
        });
        *decision = Decision {
            reasons: Reasons::default(),
            shadowed: Reasons::from_bits((codes >> 32) as u16),
            resource: Some(resource).filter(|&it| it != ResourceId::NONE),
            units: word(UNITS),
            mode: Mode::from_number(codes & 0xff),
            used,
            available: if over { 0 } else { left },
            contracted: if over { left } else { used.saturating_add(left) },
            retry_at: None,
            session: has(SESSION).then(|| SessionOutcome {
                opened: has(SESSION_OPENED),
                expires_at: Timestamp::from_word(match reservation {
                    Some(_) => guard.entry_get(index, entry::END),
                    None => word(SESSION_END),
                }),
            }),
            lease: has(LEASE).then(|| LeaseOutcome {
                acquired: has(LEASE_ACQUIRED),
                fencing: word(LEASE_FENCING),
                expires_at: Timestamp::from_word(guard.entry_get(index, entry::END)),
            }),
            charges: match reservation {
                Some(ReservationId(handle)) => reserve::charges(guard, handle),
                None => charges(guard, index, EntryKind::Key),
            },
            reservation,
            receipt: reservation
                .is_none()
                .then(|| Receipt(EntryHandle { epoch: self.epoch(), index: index.0, number })),
            overage: has(OVERAGE),
            demo_notice: has(DEMO_NOTICE),
            past_due: has(PAST_DUE),
            too_old: has(TOO_OLD),
            replayed: true,
        };
        Ok(())
    }

    /// Stores an allowed decision in the entry of its key, which the operation has made, and gives
    /// it its receipt. Denials may be tried again.
    pub(super) fn store_decision(
        &self,
        guard: &mut RecordGuard<'_>,
        entry: Entry<'_>,
        once: &OnceCall,
        decision: &mut Decision,
        high_water_mark: Timestamp,
        seq: u64,
    ) {
        debug_assert!(decision.allowed());
        let until = high_water_mark.plus_ms(once.lifetime_ms);
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        let resource = decision.resource.unwrap_or(ResourceId::NONE);
        let over = decision.used > decision.contracted;
        let codes = decision.mode.to_number()
            | u64::from(resource.0) << 16
            | u64::from(decision.shadowed.bits()) << 32
            | flag(decision.demo_notice, DEMO_NOTICE)
            | flag(decision.past_due, PAST_DUE)
            | flag(decision.session.is_some(), SESSION)
            | flag(decision.session.is_some_and(|it| it.opened), SESSION_OPENED)
            | flag(decision.lease.is_some(), LEASE)
            | flag(decision.lease.is_some_and(|it| it.acquired), LEASE_ACQUIRED)
            | flag(decision.reservation.is_some(), RESERVATION)
            | flag(decision.overage, OVERAGE)
            | flag(over, OVER)
            | flag(decision.too_old, TOO_OLD);
        let (end, fencing) = match (decision.reservation, decision.session, decision.lease) {
            (Some(ReservationId(handle)), _, _) => (handle.number, u64::from(handle.index)),
            (None, session, lease) => (
                session.map_or(0, |it| it.expires_at.ms() as u64),
                lease.map_or(0, |it| it.fencing),
            ),
        };
        let left = if over { decision.contracted } else { decision.available };
        let words = [once.fingerprint.0, codes, decision.units, decision.used, left, end, fencing];
        // The last two are the record's where there is neither session nor lease.
        let own = if entry.has_own_entry() { 2 } else { 0 };
        for (nth, value) in words.into_iter().enumerate().take(words.len() - own) {
            entry.fill_word(nth as u64, value);
        }
        entry.fill_above_link(guard.get(record::PERIOD) & KEY_PERIOD_MASK);
        // A reservation takes no lease, and its place is where the end of its session would be.
        let ends = match decision.reservation {
            Some(_) => decision.session.map(|it| it.expires_at),
            None => decision.lease.map(|it| it.expires_at),
        };
        let number = guard.number_of(seq);
        entry.fill(entry::START, number);
        entry.fill(entry::END, ends.map_or(0, |at| at.ms() as u64));
        entry.fill_word(KEPT_WORD, until.ms() as u64);
        guard.heap_insert(guard.kept_heap(), entry, until);
        guard.touch(entry, seq);
        if decision.reservation.is_none() {
            decision.receipt =
                Some(Receipt(EntryHandle { epoch: self.epoch(), index: entry.index.0, number }));
        }
    }
}

/// Where the session is that the decision under a key has opened, by itself: one that takes a lease
/// as well says nothing of it.
pub(super) fn opened_session(guard: &RecordGuard<'_>, key: EntryIndex) -> Option<EntryIndex> {
    let opened_alone = guard.entry_word(key, CODES) & (SESSION_OPENED | LEASE | RESERVATION);
    let index = (guard.entry_get(key, entry::END) as u32).checked_sub(1)?;
    (opened_alone == SESSION_OPENED).then_some(EntryIndex(index))
}

/// Notes which session the decision under a key has opened by itself.
pub(super) fn note_opened_session(key: Entry<'_>, session: EntryIndex) {
    key.fill(entry::END, u64::from(session.0) + 1);
}

/// What a record says was charged, by resource and source.
pub(super) fn charges(
    guard: &RecordGuard<'_>,
    index: EntryIndex,
    kind: EntryKind,
) -> SourceCharges {
    let mut charges = SourceCharges::default();
    for taken in guard.takings(index, kind) {
        charges.add(taken.resource, taken.source, taken.units);
    }
    charges
}

const _: () = assert!(Source::Manual as u8 == 3);
