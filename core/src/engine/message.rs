//! A message that opens a session, or belongs to one, and asks for nothing else: most of what a
//! help desk asks.
//!
//! Nearly each of them finds its session open and paid for, and changes nothing. That is seen here,
//! by the rule that every call is decided by, and before a call is made of the message; where more
//! comes of it, it is decided as any other call is.

use std::time::Duration;

use super::call::{Call, Details};
use super::decide::RetryReason;
use super::session_call::{Rule, SessionCall, check_contact};
use super::state::kept_at;
use super::{Engine, Shared};
use crate::catalog::{Gate, Open};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::record::RecordGuard;
use crate::live::{Hash128, entry_index};
use crate::rules::decide::{KeptSession, SessionRequest, decide_into};
use crate::rules::{Decision, FeatureId, Request};

/// What such a message asks.
pub(super) struct Message<'a> {
    gate: Gate,
    feature: Option<FeatureId>,
    contact: Hash128,
    index: Hash128,
    at: Option<Timestamp>,
    rule: Rule<'a>,
}

impl<'a> Message<'a> {
    /// The key of its session.
    #[inline(always)]
    fn key(&self) -> Hash128 {
        Hash128 {
            low: self.index.low ^ self.contact.low,
            high: self.index.high ^ self.contact.high,
        }
    }

    /// As a call, with all that it does not ask for.
    fn call(&self) -> Call<'a> {
        let session = SessionCall {
            contact: self.contact,
            also: None,
            index: self.index,
            at: self.at,
            campaign: None,
            message: None,
            rule: self.rule,
        };
        let (gate, feature) = (self.gate, self.feature);
        Call { gate, feature, session: Some(session), ..Call::consume(&[]) }
    }

    /// The request that the rules decide, where a session is kept.
    #[inline(always)]
    fn request(&self, (now, seen): (Timestamp, Timestamp), kept: KeptSession) -> Request<'a> {
        let session = SessionRequest {
            resource: self.rule.resource,
            parents: self.rule.parents,
            at: self.at.map_or(now, |at| at.min(now)),
            may_open: self.rule.open != Open::Never,
            extends: self.rule.extends,
            window_ms: self.rule.window_ms,
            late_ms: self.rule.late_ms,
            seen,
            kept: Some(kept),
            reserves: false,
            campaign: None,
        };
        let (gate, feature) = (self.gate, self.feature);
        Request { gate, feature, session: Some(session), rate: None, charges: &[] }
    }
}

impl Engine {
    /// What the details describe, where there is no more to it than a message of a contact.
    #[inline]
    pub(super) fn plain_message<'a>(
        &self,
        (gate, feature): (Gate, Option<FeatureId>),
        rule: Rule<'a>,
        details: &Details<'_>,
    ) -> Result<Option<Message<'a>>, Error> {
        let is_more = !details.also.is_empty()
            || !details.message.is_empty()
            || details.campaign.is_some()
            || details.quantity.is_some();
        if is_more {
            return Ok(None);
        }
        check_contact(details)?;
        let (contact, index) = self.place_of(rule, details);
        Ok(Some(Message { gate, feature, contact, index, at: details.at, rule }))
    }

    pub(super) fn run_message(
        &self,
        at: u64,
        name: &str,
        message: &Message<'_>,
        result: &mut Result<Decision, Error>,
    ) {
        self.decide_here(
            (at, true),
            |now, decision| self.shared.try_message(at, message, (now, self.timeout), decision),
            |now, retry| self.run_again(at, name, &message.call(), now, retry),
            result,
        );
    }
}

impl Shared {
    /// One try: everything between lock and unlock.
    #[inline(always)]
    fn try_message(
        &self,
        at: u64,
        message: &Message<'_>,
        (now, timeout): (Timestamp, Duration),
        decision: &mut Decision,
    ) -> Result<(), RetryReason> {
        entry_index::expect(&self.live.memory, at, message.key());
        let mut guard = self.ready_record(at, now, timeout)?;
        if changes_nothing(&guard, message, now, decision) {
            guard.raise_high_water_mark(now);
            return Ok(());
        }
        self.run_as_call(&mut guard, message, now, decision)
    }

    #[inline(never)]
    fn run_as_call(
        &self,
        guard: &mut RecordGuard<'_>,
        message: &Message<'_>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), RetryReason> {
        self.run_locked(guard, &message.call(), now, decision)
    }
}

/// Decides, where the message belongs to a session that is kept and changes nothing. Otherwise the
/// decision says nothing yet.
#[inline(always)]
fn changes_nothing(
    guard: &RecordGuard<'_>,
    message: &Message<'_>,
    now: Timestamp,
    decision: &mut Decision,
) -> bool {
    if guard.has_aliases() {
        return false;
    }
    let Some(entry) = guard.find(message.key()) else { return false };
    let seen = now.max(guard.high_water_mark());
    let Some(kept) = kept_at(guard, entry, message.rule.late_ms, seen) else { return false };
    let changes = decide_into(guard, &message.request((now, seen), kept), decision);
    if decision.allowed() && !decision.too_old && changes.is_empty() {
        return true;
    }
    *decision = Decision::nothing();
    false
}
