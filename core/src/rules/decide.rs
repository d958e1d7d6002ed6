//! The decision: may this tenant do this now, and what does it use up?

use super::{FeatureId, Gates, Mode, ResourceId};
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
    pub session: Option<SessionRequest>,
    /// What it charges, besides a session that it opens.
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
pub struct SessionRequest {
    /// The session resource.
    pub resource: ResourceId,
    /// When the message was sent, not later than the clock's now.
    pub at: Timestamp,
    /// Whether it may open a session.
    pub may_open: bool,
    /// Whether it moves the end of an open session.
    pub extends: bool,
    /// How long a session lasts.
    pub window_ms: i64,
    /// The contact's session, where one is kept.
    pub kept: Option<KeptSession>,
}

/// A session that is open, or ended so recently that it is kept for late messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

/// How a resource stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// How it is limited.
    pub mode: Mode,
    /// Units used since the period began.
    pub used: u64,
    /// The sum of what remains in the grants; 0 where no number limits it.
    pub available: u64,
}

/// What a decision looks at.
pub trait State {
    /// What the tenant's status and subscription permit.
    fn gates(&self) -> Gates;
    /// Whether a feature is in force.
    fn has_feature(&self, feature: FeatureId) -> bool;
    /// How a resource stands.
    fn balance(&self, resource: ResourceId) -> Balance;
    /// When the plan's units are next restored.
    fn restores_at(&self) -> Option<Timestamp>;
}

/// Why a decision was denied. The order is the order of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum Reason {
    /// The tenant's status does not permit it (seed 001).
    StatusForbids = 1,
    /// The demonstration is over (seed 001).
    DemoExpired = 2,
    /// The tenant has no subscription (seed 000).
    NoSubscription = 3,
    /// The subscription was not renewed and its grace is over.
    PlanLapsed = 4,
    /// The plan does not have the feature.
    FeatureMissing = 5,
    /// Only an open session permits it, and there is none.
    SessionRequired = 6,
    /// The plan does not have the resource.
    NotInPlan = 7,
    /// Too little is left (seed 000).
    QuotaExhausted = 8,
}

impl Reason {
    /// Every reason, in the order of evaluation.
    pub const ALL: [Reason; 8] = [
        Reason::StatusForbids,
        Reason::DemoExpired,
        Reason::NoSubscription,
        Reason::PlanLapsed,
        Reason::FeatureMissing,
        Reason::SessionRequired,
        Reason::NotInPlan,
        Reason::QuotaExhausted,
    ];

    /// The code that C, Python and reports use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Reason::StatusForbids => "status_forbids",
            Reason::DemoExpired => "demo_expired",
            Reason::NoSubscription => "no_subscription",
            Reason::PlanLapsed => "plan_lapsed",
            Reason::FeatureMissing => "feature_missing",
            Reason::SessionRequired => "session_required",
            Reason::NotInPlan => "not_in_plan",
            Reason::QuotaExhausted => "quota_exhausted",
        }
    }

    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Reason> {
        Self::ALL.into_iter().find(|&reason| reason as u8 == number)
    }
}

/// A set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reasons(u16);

impl Reasons {
    #[inline(always)]
    fn add(&mut self, reason: Reason) {
        self.0 |= 1 << reason as u8;
    }

    /// The reason that counts: the first in the order of evaluation.
    #[must_use]
    #[inline]
    pub fn first(self) -> Option<Reason> {
        if self.0 == 0 { None } else { Reason::from_number(self.0.trailing_zeros() as u8) }
    }

    /// Whether `reason` is one of them.
    #[must_use]
    pub fn contains(self, reason: Reason) -> bool {
        self.0 & 1 << reason as u8 != 0
    }

    /// All of them, in the order of evaluation.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(move |&reason| self.contains(reason))
    }

    pub(crate) const fn to_bits(self) -> u16 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u16) -> Reasons {
        Reasons(bits)
    }
}

/// What became of the contact's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOutcome {
    /// It was opened by this; otherwise it was open, or kept, already.
    pub opened: bool,
    /// The first instant after it.
    pub expires_at: Timestamp,
}

/// The answer: allowed or denied, and every number that explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a decision that nobody looks at limits nothing"]
pub struct Decision {
    /// All failing rules; empty: allowed.
    pub reasons: Reasons,
    /// The resource that the numbers are about: the first that fell short, else the last charged.
    pub resource: Option<ResourceId>,
    /// Units asked of it.
    pub units: u64,
    /// How it is limited.
    pub mode: Mode,
    /// Units used of it since the period began, this decision's included.
    pub used: u64,
    /// Units left of it, after this decision; meaningful where `mode` is finite.
    pub available: u64,
    /// When a denied request may succeed, if that can be foreseen.
    pub retry_at: Option<Timestamp>,
    /// What became of the contact's session.
    pub session: Option<SessionOutcome>,
    /// The message must carry the notice of a demonstration account,
    /// [`DEMO_NOTICE`](crate::DEMO_NOTICE).
    pub demo_notice: bool,
    /// The tenant is in arrears.
    pub past_due: bool,
    /// This is the stored decision of an earlier call with the same idempotency key.
    pub replayed: bool,
}

impl Decision {
    /// Whether the host may go ahead.
    #[must_use]
    #[inline]
    pub fn allowed(&self) -> bool {
        self.reasons == Reasons::default()
    }

    /// Why not: the first failing rule.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.reasons.first()
    }

    /// What is contracted ("contratadas"): used plus available; `None`: there is no limit, or the
    /// resource is not in the plan.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        (self.mode == Mode::Finite).then(|| self.used.saturating_add(self.available))
    }
}

/// What an allowed decision changes, besides its charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The charges, with a unit for the session that is opened.
    pub opens: Option<KeptSession>,
    /// The new end of the contact's session.
    pub extends_to: Option<Timestamp>,
}

/// Decides. Changes nothing; `Changes` and the request's charges say what has to be applied.
#[inline(always)]
pub fn decide<S: State>(state: &S, request: &Request<'_>) -> (Decision, Changes) {
    let gates = state.gates();
    let mut decision = Decision {
        reasons: gate_reasons(gates, request.gate),
        resource: None,
        units: 0,
        mode: Mode::Disabled,
        used: 0,
        available: 0,
        retry_at: None,
        session: None,
        demo_notice: gates.contains(Gates::DEMO_NOTICE) && request.gate == Gate::Send,
        past_due: gates.contains(Gates::PAST_DUE),
        replayed: false,
    };
    let mut changes = Changes::default();
    if let Some(feature) = request.feature
        && !state.has_feature(feature)
    {
        decision.reasons.add(Reason::FeatureMissing);
    }
    if let Some(session) = &request.session {
        decide_session(state, session, &mut decision, &mut changes);
    }
    for charge in request.charges {
        decide_charge(state, *charge, &mut decision);
    }
    if !decision.allowed() {
        changes = Changes::default();
        decision.session = None;
        if !fell_short(&decision) {
            // Nothing is charged: the numbers are those before, not after.
            decision.used = decision.used.saturating_sub(decision.units);
            if decision.mode == Mode::Finite {
                decision.available = decision.available.saturating_add(decision.units);
            }
        }
    }
    (decision, changes)
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
        (Gates::PLAN_LAPSED, Reason::PlanLapsed),
    ] {
        if gates.contains(against) {
            reasons.add(reason);
        }
    }
    reasons
}

fn decide_session<S: State>(
    state: &S,
    session: &SessionRequest,
    decision: &mut Decision,
    changes: &mut Changes,
) {
    // Before the end of a kept session counts as in it, also from before its start: redelivered
    // and late messages cost nothing (domain 3).
    if let Some(kept) = session.kept.filter(|kept| session.at < kept.end) {
        let end = if session.extends {
            kept.end.max(session.at.plus_ms(session.window_ms))
        } else {
            kept.end
        };
        if end > kept.end {
            changes.extends_to = Some(end);
        }
        decision.session = Some(SessionOutcome { opened: false, expires_at: end });
        return;
    }
    if !session.may_open {
        decision.reasons.add(Reason::SessionRequired);
        return;
    }
    let end = session.at.plus_ms(session.window_ms);
    changes.opens = Some(KeptSession { start: session.at, end });
    decision.session = Some(SessionOutcome { opened: true, expires_at: end });
    decide_charge(state, Charge { resource: session.resource, units: 1 }, decision);
}

#[inline(always)]
fn decide_charge<S: State>(state: &S, charge: Charge, decision: &mut Decision) {
    let Balance { mode, used, available } = state.balance(charge.resource);
    // The count itself has a limit, also where the plan has none.
    let too_many = charge.units > USED_MAX.saturating_sub(used);
    let failing = match mode {
        // What costs nothing is always allowed.
        _ if charge.units == 0 => None,
        Mode::Unlimited => too_many.then_some(Reason::QuotaExhausted),
        Mode::Disabled => Some(Reason::NotInPlan),
        Mode::Finite => (too_many || available < charge.units).then_some(Reason::QuotaExhausted),
    };
    let failed_before = fell_short(decision);
    if let Some(reason) = failing {
        decision.reasons.add(reason);
    }
    if failed_before {
        return; // The numbers are those of the first that fell short.
    }
    decision.resource = Some(charge.resource);
    decision.units = charge.units;
    decision.mode = mode;
    if failing.is_some() {
        (decision.used, decision.available) = (used, available);
        decision.retry_at = state.restores_at().filter(|_| mode == Mode::Finite);
    } else {
        decision.used = used.saturating_add(charge.units);
        decision.available = available.saturating_sub(charge.units);
    }
}

/// Whether the numbers are those of a resource that fell short.
#[inline(always)]
fn fell_short(decision: &Decision) -> bool {
    decision.reasons.contains(Reason::QuotaExhausted)
        || decision.reasons.contains(Reason::NotInPlan)
}
