//! The decision: may this tenant do this now, and what does it use up?

use super::decision::{Decision, Reason, Reasons, SessionOutcome};
use super::gcra::Rate;
use super::terms::{CounterTerms, Counting, Firmness, Mode};
use super::{FeatureId, Gates, ResourceId};
use crate::catalog::Gate;
use crate::clock::Timestamp;

/// Resources that one action charges at most.
pub const CHARGES_MAX: usize = 16;

/// Units that a period counts at most, in one resource: what SQLite can hold.
pub const USED_MAX: u64 = i64::MAX as u64;

/// What a host asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The permission that it needs.
    pub gate: Gate,
    /// The feature that it needs.
    pub feature: Option<FeatureId>,
    /// What it has to do with a contact's session.
    pub session: Option<SessionRequest<'a>>,
    /// What it asks of a rate.
    pub rate: Option<RateRequest>,
    /// What it charges, besides a session that it opens; a lease that it takes is a charge.
    pub charges: &'a [Charge],
}

/// So many units of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Which resource.
    pub resource: ResourceId,
    /// How many units.
    pub units: u64,
}

/// A message of a contact.
#[derive(Clone, Copy, Debug)]
pub struct SessionRequest<'a> {
    /// The session resource.
    pub resource: ResourceId,
    /// Resources that must have capacity as well.
    pub parents: &'a [ResourceId],
    /// When the message was sent, not later than the clock's now.
    pub at: Timestamp,
    /// Whether it may open a session.
    pub may_open: bool,
    /// Whether it moves the end of an open session.
    pub extends: bool,
    /// How long a session lasts.
    pub window_ms: i64,
    /// How long an ended session is kept for late messages.
    pub late_ms: i64,
    /// The latest instant that is known: the clock's now, or the tenant's high-water mark.
    pub seen: Timestamp,
    /// The contact's session, where one is kept.
    pub kept: Option<KeptSession>,
    /// Whether it is a send that may yet fail.
    pub reserves: bool,
    /// What is left of the campaign that pays for it, where one does.
    pub campaign: Option<CampaignUnits>,
}

/// Sessions that a campaign has reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CampaignUnits {
    /// How many.
    pub reserved: u64,
    /// How many of them no send has drawn.
    pub left: u64,
}

impl SessionRequest<'_> {
    /// Whether a session that began with the message would not even be kept any more: it would be
    /// opened again at each delivery.
    fn is_too_old(&self) -> bool {
        self.at.plus_ms(self.window_ms).plus_ms(self.late_ms) <= self.seen
    }
}

/// Units of a rate.
#[derive(Clone, Copy, Debug)]
pub struct RateRequest {
    /// The rate.
    pub resource: ResourceId,
    /// How many units.
    pub units: u64,
    /// The time in which one is regained, in milliseconds.
    pub every_ms: i64,
    /// When the key will have regained everything.
    pub regained_at: Timestamp,
    /// The present instant.
    pub now: Timestamp,
}

/// A session that is open, or ended so recently that it is kept for late messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
    /// Whether it may yet be given back.
    pub hold: SessionHold,
}

/// Whether a session may yet be given back, and by whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionHold {
    /// It is paid for good.
    #[default]
    Used,
    /// Sends opened it that may all fail. Before, a session was kept that ended at this instant.
    Reserved {
        /// That instant.
        before: Timestamp,
    },
    /// Nothing has used it but the decision that opened it, which may be refunded.
    Refundable,
}

/// How a resource stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterBalance {
    /// On which terms the tenant has it.
    pub terms: CounterTerms,
    /// Units used since the period began, or held.
    pub used: u64,
    /// Units left; 0 where no number limits it.
    pub available: u64,
    /// What is contracted; 0 where no number limits it.
    pub limit: u64,
    /// Units that may yet go beyond the limit.
    pub leeway: u64,
}

impl CounterBalance {
    /// The balance of a resource that is used up from grants.
    #[inline(always)]
    #[must_use]
    pub fn of_grants(
        terms: CounterTerms,
        used: u64,
        remaining: u64,
        beyond: u64,
        cap: u64,
    ) -> CounterBalance {
        let finite = terms.mode == Mode::Finite;
        let available = if finite { remaining } else { 0 };
        let limit = if finite { used.saturating_sub(beyond).saturating_add(available) } else { 0 };
        CounterBalance { terms, used, available, limit, leeway: cap.saturating_sub(beyond) }
    }

    /// The balance of a resource that is limited by a number.
    #[must_use]
    pub fn of_number(terms: CounterTerms, used: u64, limit: u64, cap: u64) -> CounterBalance {
        let limit = if terms.mode == Mode::Finite { limit } else { 0 };
        let beyond = used.saturating_sub(limit);
        let available = limit.saturating_sub(used);
        CounterBalance { terms, used, available, limit, leeway: cap.saturating_sub(beyond) }
    }
}

/// What a decision looks at.
pub trait State {
    /// What the tenant's status and subscription permit.
    fn gates(&self) -> Gates;
    /// Features in force, one bit each.
    fn features(&self) -> [u64; 4];
    /// Whether a feature is in force.
    fn has_feature(&self, feature: FeatureId) -> bool;
    /// How a resource stands.
    fn balance(&self, resource: ResourceId) -> CounterBalance;
    /// When units of a resource next become free by themselves, if that can be foreseen.
    fn frees_at(&self, resource: ResourceId, counting: Counting) -> Option<Timestamp>;
}

/// What an allowed decision changes, besides its charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The charges, with a unit for the session that is opened.
    pub opens: Option<KeptSession>,
    /// The new end of the contact's session.
    pub extends_to: Option<Timestamp>,
    /// When the key of the rate will have regained everything.
    pub regained_at: Option<Timestamp>,
    /// The contact's session is not given back any more.
    pub uses: bool,
    /// The send joins a session that other sends have opened.
    pub joins: bool,
    /// The session is paid out of a campaign's reservation.
    pub draws: bool,
}

impl Changes {
    /// Whether nothing is changed.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.opens.is_none()
            && self.extends_to.is_none()
            && self.regained_at.is_none()
            && !(self.uses || self.joins || self.draws)
    }
}

/// Decides. Changes nothing; `Changes` and the request's charges say what has to be applied.
#[inline(always)]
pub fn decide<S: State>(state: &S, request: &Request<'_>) -> (Decision, Changes) {
    let mut decision = Decision::nothing();
    let changes = decide_into(state, request, &mut decision);
    (decision, changes)
}

/// As [`decide`], into a decision that says nothing yet: a decision is large, and one that is
/// made where it is wanted is never copied.
#[inline(always)]
pub fn decide_into<S: State>(state: &S, request: &Request<'_>, decision: &mut Decision) -> Changes {
    let gates = state.gates();
    decision.reasons = gate_reasons(gates, request.gate);
    decision.demo_notice = gates.contains(Gates::DEMO_NOTICE) && request.gate == Gate::Send;
    decision.past_due = gates.contains(Gates::PAST_DUE);
    let mut changes = Changes::default();
    if let Some(feature) = request.feature
        && !state.has_feature(feature)
    {
        decision.reasons.add(Reason::FeatureMissing);
    }
    if let Some(session) = &request.session {
        decide_session(state, session, decision, &mut changes);
    }
    // What is too old charges nothing at all, however often it comes.
    if !decision.too_old {
        for charge in request.charges {
            decide_charge(state, *charge, decision);
        }
        if let Some(rate) = &request.rate {
            decide_rate(state, rate, decision, &mut changes);
        }
    }
    if !decision.allowed() {
        changes = Changes::default();
        decision.session = None;
        decision.too_old = false;
        decision.overage = false;
        if has_reason_without_end(decision) {
            decision.retry_at = None;
        }
        if !fell_short(decision) {
            // Nothing is charged: the numbers are those before, not after.
            decision.used = decision.used.saturating_sub(decision.units);
            if decision.mode == Mode::Finite {
                decision.available = decision.available.saturating_add(decision.units);
            }
        }
    }
    changes
}

#[inline(always)]
fn gate_reasons(gates: Gates, gate: Gate) -> Reasons {
    let mut reasons = Reasons::default();
    if gates.contains(Gates::open(gate)) && !gates.meets(Gates::AGAINST) {
        return reasons;
    }
    if !gates.contains(Gates::open(gate)) {
        reasons.add(Reason::StatusForbids);
    }
    for (against, reason) in [
        (Gates::DEMO_EXPIRED, Reason::DemoExpired),
        (Gates::NO_SUBSCRIPTION, Reason::NoSubscription),
        (Gates::SUBSCRIPTION_PENDING, Reason::SubscriptionPending),
        (Gates::PLAN_LAPSED, Reason::PlanLapsed),
        (Gates::PAUSED, Reason::Paused),
    ] {
        if gates.contains(against) {
            reasons.add(reason);
        }
    }
    reasons
}

fn decide_session<S: State>(
    state: &S,
    session: &SessionRequest<'_>,
    decision: &mut Decision,
    changes: &mut Changes,
) {
    // Before the end of a kept session counts as in it, also from before its start: redelivered
    // and late messages cost nothing (docs/semantics.md).
    if let Some(kept) = session.kept.filter(|kept| session.at < kept.end) {
        return continue_session(session, kept, decision, changes);
    }
    // Allowed, so that the host stores the message; it opens nothing, however often it comes.
    if session.is_too_old() {
        decision.too_old = true;
        return;
    }
    if !session.may_open {
        decision.reasons.add(Reason::SessionRequired);
        return;
    }
    let end = session.at.plus_ms(session.window_ms);
    changes.opens = Some(KeptSession { start: session.at, end, hold: SessionHold::Used });
    decision.session = Some(SessionOutcome { opened: true, expires_at: end });
    if let Some(campaign) = session.campaign {
        return decide_draw(session.resource, campaign, decision, changes);
    }
    for &resource in session.parents.iter().rev().chain([&session.resource]) {
        decide_charge(state, Charge { resource, units: 1 }, decision);
    }
}

#[inline(always)]
fn continue_session(
    session: &SessionRequest<'_>,
    kept: KeptSession,
    decision: &mut Decision,
    changes: &mut Changes,
) {
    if let SessionHold::Reserved { before } = kept.hold
        && session.at < before
    {
        // It is of the session before: what sends have opened since is not used by it.
        decision.session = Some(SessionOutcome { opened: false, expires_at: before });
        return;
    }
    let end = if session.extends {
        kept.end.max(session.at.plus_ms(session.window_ms))
    } else {
        kept.end
    };
    if end > kept.end {
        changes.extends_to = Some(end);
    }
    if kept.hold != SessionHold::Used {
        changes.joins = session.reserves && kept.hold != SessionHold::Refundable;
        changes.uses = !changes.joins;
    }
    decision.session = Some(SessionOutcome { opened: false, expires_at: end });
}

/// A session that a campaign has paid for. The numbers are the campaign's.
#[cold]
fn decide_draw(
    resource: ResourceId,
    CampaignUnits { reserved, left }: CampaignUnits,
    decision: &mut Decision,
    changes: &mut Changes,
) {
    let failed_before = fell_short(decision);
    changes.draws = left > 0;
    if !changes.draws {
        decision.reasons.add(Reason::QuotaExhausted);
    }
    if failed_before {
        return; // The numbers are those of the first that fell short.
    }
    let drawn = u64::from(changes.draws);
    decision.resource = Some(resource);
    (decision.units, decision.mode, decision.contracted) = (1, Mode::Finite, reserved);
    decision.available = left - drawn;
    decision.used = reserved - decision.available;
}

#[inline(always)]
fn decide_charge<S: State>(state: &S, charge: Charge, decision: &mut Decision) {
    let balance = state.balance(charge.resource);
    let CounterBalance { terms, used, available, limit, .. } = balance;
    // The count itself has a limit, also where the plan has none.
    let too_many = charge.units > USED_MAX.saturating_sub(used);
    let mut failing = match terms.mode {
        // What costs nothing is always allowed.
        _ if charge.units == 0 => None,
        Mode::Unlimited => too_many.then_some(Reason::QuotaExhausted),
        Mode::Disabled => Some(Reason::NotInPlan),
        Mode::Finite => (too_many || available < charge.units).then_some(Reason::QuotaExhausted),
    };
    if let Some(reason) = failing
        && terms.firmness != Firmness::Hard
        && !too_many
    {
        failing = beyond_limit(&balance, charge.units, reason, decision);
    }
    let failed_before = fell_short(decision);
    if let Some(reason) = failing {
        decision.reasons.add(reason);
    }
    let frees_at = match failing {
        Some(_) if terms.mode == Mode::Finite => state.frees_at(charge.resource, terms.counting),
        _ => None,
    };
    if failed_before {
        // The numbers are those of the first that fell short; it waits for the last.
        if failing.is_some() {
            decision.retry_at = decision.retry_at.zip(frees_at).map(|(one, other)| one.max(other));
        }
        return;
    }
    decision.resource = Some(charge.resource);
    decision.units = charge.units;
    decision.mode = terms.mode;
    decision.contracted = limit;
    if failing.is_some() {
        (decision.used, decision.available) = (used, available);
        decision.retry_at = frees_at;
    } else {
        decision.used = used.saturating_add(charge.units);
        decision.available = available.saturating_sub(charge.units);
    }
}

/// What becomes of a charge that a limit would deny, where the limit is not a hard one.
#[cold]
fn beyond_limit(
    balance: &CounterBalance,
    units: u64,
    reason: Reason,
    decision: &mut Decision,
) -> Option<Reason> {
    match balance.terms.firmness {
        Firmness::Hard => Some(reason),
        Firmness::Shadow => {
            decision.shadowed.add(reason);
            None
        }
        Firmness::Soft => {
            let over = units.saturating_sub(balance.available);
            let within = reason == Reason::QuotaExhausted && over <= balance.leeway;
            decision.overage |= within;
            if within { None } else { Some(reason) }
        }
    }
}

/// Rates come last: the next attempt waits for whichever ends later, the rate or what else denies.
fn decide_rate<S: State>(
    state: &S,
    request: &RateRequest,
    decision: &mut Decision,
    changes: &mut Changes,
) {
    let CounterBalance { terms, limit: burst, .. } = state.balance(request.resource);
    let failed_before = fell_short(decision);
    let rate = Rate { every_ms: request.every_ms, burst };
    let paced = rate.request(request.units, request.regained_at, request.now);
    let mut failing = match terms.mode {
        Mode::Disabled => Some(Reason::NotInPlan),
        Mode::Unlimited => None,
        Mode::Finite => paced.retry_at.map(|_| Reason::RateExceeded),
    };
    if let Some(reason) = failing.filter(|_| terms.firmness == Firmness::Shadow) {
        decision.shadowed.add(reason);
        failing = None;
    }
    match failing {
        Some(reason) => decision.reasons.add(reason),
        None => changes.regained_at = Some(paced.regained_at),
    }
    let ends_at = paced.retry_at.filter(|&at| at != Timestamp::MAX && failing.is_some());
    if failed_before && failing.is_some() {
        decision.retry_at = decision.retry_at.zip(ends_at).map(|(one, other)| one.max(other));
    }
    if failed_before || (failing.is_none() && decision.resource.is_some()) {
        return; // The rate is shown where it denies, or is all that was asked for.
    }
    decision.resource = Some(request.resource);
    decision.units = request.units;
    decision.mode = terms.mode;
    decision.contracted = burst;
    decision.available = paced.available;
    decision.used = burst.saturating_sub(paced.available);
    decision.retry_at = ends_at;
}

/// Whether something denies that no time alone puts right.
#[cold]
fn has_reason_without_end(decision: &Decision) -> bool {
    let passes = |reason| matches!(reason, Reason::QuotaExhausted | Reason::RateExceeded);
    !decision.reasons.iter().all(passes)
}

/// Whether the numbers are those of a resource that fell short.
#[inline(always)]
fn fell_short(decision: &Decision) -> bool {
    decision.reasons.contains(Reason::QuotaExhausted)
        || decision.reasons.contains(Reason::NotInPlan)
        || decision.reasons.contains(Reason::RateExceeded)
}
