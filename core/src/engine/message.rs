//! A message that opens a session, or belongs to one, and asks for nothing else: most of what a
//! help desk asks.
//!
//! Nearly each of them finds its session open and paid for, and changes nothing. Such a message is
//! decided here, by the rule that decides every call, and no call is made of it. Any other is
//! decided as a call.

use std::time::Duration;

use super::call::{Call, Details};
use super::decide::RetryReason;
use super::session_call::{Rule, SessionCall};
use super::state::kept_session;
use super::{Engine, Shared};
use crate::catalog::Gate;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::entry_index;
use crate::live::record::RecordGuard;
use crate::rules::decide::decide_into;
use crate::rules::{Decision, FeatureId, Request};

/// What such a message asks.
pub(super) struct Message<'a> {
    gate: Gate,
    feature: Option<FeatureId>,
    session: SessionCall<'a>,
}

impl<'a> Message<'a> {
    /// As a call, with all that it does not ask for.
    fn call(&self) -> Call<'a> {
        let (gate, feature) = (self.gate, self.feature);
        Call { gate, feature, session: Some(self.session), ..Call::consume(&[]) }
    }
}

impl Engine {
    /// What the details describe, where there is no more to it than a message of a contact.
    #[inline]
    pub(super) fn simple_message<'a>(
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
        Ok(Some(Message { gate, feature, session: self.session_call(rule, details)? }))
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
        let key = message.session.key_of(message.session.contact);
        entry_index::expect(&self.live.memory, at, key);
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
    let seen = now.max(guard.high_water_mark());
    let session = message.session.request((now, seen), false, None, |session, at| {
        kept_session(guard, session, (at, seen)).map(|(_, kept)| kept)
    });
    if session.kept.is_none() {
        return false;
    }
    let Message { gate, feature, .. } = *message;
    let request = Request { gate, feature, session: Some(session), rate: None, charges: &[] };
    let changes = decide_into(guard, &request, decision);
    if decision.allowed() && !decision.too_old && changes.is_empty() {
        return true;
    }
    *decision = Decision::nothing();
    false
}
