//! Decisions stored under idempotency keys.

use super::call::KEY_LIFETIME_MS;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::Hash128;
use crate::live::block::BlockGuard;
use crate::live::claims::{ClaimError, ClaimKind, Payload, Place};
use crate::live::layout::claim;
use crate::rules::{Decision, Mode, Reasons, ResourceId, SessionOutcome};

/// Flags of a stored decision, beside its mode in the low byte and its resource in bits 16..32.
const DEMO_NOTICE: u64 = 1 << 8;
const PAST_DUE: u64 = 1 << 9;
const SESSION: u64 = 1 << 10;
const SESSION_OPENED: u64 = 1 << 11;

/// The decision stored in `place`, if it was given for the same arguments.
pub(super) fn read(
    guard: &BlockGuard<'_>,
    place: Place,
    fingerprint: u64,
) -> Result<Decision, Error> {
    let [stored, codes, units, used, available, session_end, ..] = guard.claim_payload(place);
    if stored != fingerprint {
        return Err(Error::IdempotencyConflict);
    }
    let resource = ResourceId((codes >> 16) as u16);
    Ok(Decision {
        reasons: Reasons::from_bits(0),
        resource: Some(resource).filter(|&it| it != ResourceId::NONE),
        units,
        mode: Mode::from_number(codes & 0xff),
        used,
        available,
        retry_at: None,
        session: (codes & SESSION != 0).then(|| SessionOutcome {
            opened: codes & SESSION_OPENED != 0,
            expires_at: Timestamp::from_ms(session_end as i64),
        }),
        demo_notice: codes & DEMO_NOTICE != 0,
        past_due: codes & PAST_DUE != 0,
        replayed: true,
    })
}

/// Stores an allowed decision. Denials may be tried again.
pub(super) fn write(
    guard: &mut BlockGuard<'_>,
    key: Hash128,
    fingerprint: u64,
    decision: &Decision,
    now: Timestamp,
    seq: u64,
) -> Result<(), ClaimError> {
    debug_assert_eq!(decision.reasons.to_bits(), 0);
    let until = now.max(guard.mark()).plus_ms(KEY_LIFETIME_MS);
    let list = guard.key_list()?;
    let place = guard.find_claim(key).unwrap_or_else(|| {
        guard.make_claim(ClaimKind::Key, ResourceId::NONE, key, Some((list, until)))
    });
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    let resource = decision.resource.unwrap_or(ResourceId::NONE);
    let codes = decision.mode.to_number()
        | u64::from(resource.0) << 16
        | flag(decision.demo_notice, DEMO_NOTICE)
        | flag(decision.past_due, PAST_DUE)
        | flag(decision.session.is_some(), SESSION)
        | flag(decision.session.is_some_and(|it| it.opened), SESSION_OPENED);
    let session_end = decision.session.map_or(0, |it| it.expires_at.ms() as u64);
    let payload: Payload = [
        fingerprint,
        codes,
        decision.units,
        decision.used,
        decision.available,
        session_end,
        0,
        until.ms() as u64,
    ];
    guard.claim_set(place, claim::START, now.ms() as u64);
    guard.claim_set(place, claim::END, until.ms() as u64);
    guard.claim_set_payload(place, &payload);
    guard.touch_claim(place, seq);
    Ok(())
}
