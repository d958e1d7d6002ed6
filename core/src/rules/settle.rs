//! Settlement: what changes by itself when its time has come, and what a tenant may do until the
//! next such instant.
//!
//! Every boundary is applied at its own instant, in order: expire, reset, grant. The outcome is
//! the same whenever it is done and in however many steps.

use super::account::{Account, Grant, Source};
use super::{GateTable, ResourceId, Status, burn_down, calendar};
use crate::catalog::{Gate, Limit, OnLapse};
use crate::clock::{DAY_MS, Timestamp};

/// A clock further ahead than this of all that a tenant has seen is not believed.
pub const CLOCK_JUMP_MS: i64 = 400 * DAY_MS;
/// Boundaries that one settlement applies at most; no tenant has more in 8,000 years of months.
const BOUNDARIES_MAX: u32 = 200_000;

/// A period that has ended, as history keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedPeriod {
    /// Its number.
    pub period: u64,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Whether a renewal ended it; otherwise a change of plan did.
    pub renewed: bool,
    /// Units used in it, by resource.
    pub used: Vec<(ResourceId, u64)>,
    /// Units it took from each grant: grant, resource, units.
    pub consumed: Vec<(u64, ResourceId, u64)>,
}

/// What settlement did, for the books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Periods that it closed, in order.
    pub closed: Vec<ClosedPeriod>,
    /// Grants that it ended, with their last figures.
    pub ended: Vec<Grant>,
    /// Whether it changed anything at all.
    pub changed: bool,
}

/// Applies every boundary up to and including `now`.
pub fn settle(account: &mut Account, now: Timestamp) -> Settled {
    let mut settled = Settled::default();
    for _ in 0..BOUNDARIES_MAX {
        let Some(at) = next_event(account).filter(|&at| at <= now) else { break };
        settled.changed = true;
        expire_grants(account, at);
        if period_end(account) == Some(at) {
            end_period(account, at, &mut settled);
        }
    }
    drop_ended(account, &mut settled);
    account.mark = account.mark.max(now);
    settled
}

/// The next instant at which settlement has something to apply.
fn next_event(account: &Account) -> Option<Timestamp> {
    let holding = account.grants.iter().filter(|grant| grant.remaining > 0);
    let expiries = holding.filter_map(|grant| grant.expires_at);
    expiries.chain(period_end(account)).min()
}

/// When the current period ends, if it ends by itself: one day after the due date (seed 000).
fn period_end(account: &Account) -> Option<Timestamp> {
    let subscription = account.subscription.as_ref().filter(|it| !it.lapsed)?;
    Some(calendar::end_of_due_day(subscription.due(), account.time_zone))
}

fn expire_grants(account: &mut Account, at: Timestamp) {
    for grant in &mut account.grants {
        if grant.expires_at.is_some_and(|expiry| expiry <= at) {
            grant.expire();
        }
    }
}

/// Moves grants out of the account that hold nothing and from which the current period took
/// nothing: nothing can happen to them any more.
fn drop_ended(account: &mut Account, settled: &mut Settled) {
    let ended = account.grants.extract_if(.., |grant| !grant.is_live());
    settled.ended.extend(ended);
}

fn end_period(account: &mut Account, at: Timestamp, settled: &mut Settled) {
    let Some(subscription) = account.subscription.as_mut() else { return };
    if subscription.renews() {
        subscription.renewed += 1;
        account.renewals += 1;
        settled.closed.push(close_period(account, at, true));
        grant_plan(account, at);
    } else {
        subscription.lapsed = true;
    }
}

/// Closes the current period at `at`: writes down what it used, ends the plan's grants and starts
/// counting anew. Grants that were bought stay.
pub fn close_period(account: &mut Account, at: Timestamp, renewed: bool) -> ClosedPeriod {
    let closed = ClosedPeriod {
        period: account.period,
        start: account.period_start,
        end: at,
        renewed,
        used: account.used.iter().map(|(&resource, &used)| (resource, used)).collect(),
        consumed: account
            .grants
            .iter()
            .map(|grant| (grant.id, grant.resource, grant.consumed_in_period()))
            .filter(|&(_, _, units)| units > 0)
            .collect(),
    };
    for grant in &mut account.grants {
        if grant.source == Source::Plan {
            grant.expire();
        }
        grant.at_period_start = grant.remaining;
    }
    account.used.clear();
    account.period += 1;
    account.period_start = at;
    closed
}

/// Gives the plan's units of a new period.
pub fn grant_plan(account: &mut Account, at: Timestamp) {
    let amounts: Vec<_> = account
        .limits
        .iter()
        .filter_map(|(&resource, &limit)| match limit {
            Limit::Finite(units) if units > 0 => Some((resource, units)),
            Limit::Finite(_) | Limit::Unlimited | Limit::Disabled => None,
        })
        .collect();
    for (resource, units) in amounts {
        add_grant(account, resource, Source::Plan, units, at, None);
    }
}

/// Adds a grant and returns its number.
pub fn add_grant(
    account: &mut Account,
    resource: ResourceId,
    source: Source,
    units: u64,
    at: Timestamp,
    expires_at: Option<Timestamp>,
) -> u64 {
    let id = account.next_grant;
    account.next_grant += 1;
    account.grants.push(Grant {
        id,
        resource,
        source,
        priority: source.priority(),
        granted: units,
        remaining: units,
        at_period_start: units,
        expired: 0,
        revoked: 0,
        starts_at: at,
        expires_at,
    });
    id
}

// ---- what holds until then -------------------------------------------------------------------

/// What a tenant may do, until `valid_until`: the content of its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The instant at which this ceases to hold by itself.
    pub valid_until: Timestamp,
    /// When the plan's units are next restored, if that can be foreseen.
    pub restores_at: Option<Timestamp>,
    /// What the status permits, and what speaks against it.
    pub gates: Gates,
    /// Features in force, one bit each.
    pub features: [u64; 4],
    /// Resources in force.
    pub slots: Vec<Slot>,
    /// The latest instant that the tenant has seen.
    pub mark: Timestamp,
}

/// One resource in a standing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which one.
    pub resource: ResourceId,
    /// How it is limited.
    pub mode: Mode,
    /// Units used since the period began.
    pub used: u64,
    /// Grants in the order of use: number and what remains.
    pub grants: Vec<(u64, u64)>,
}

/// How a resource is limited for a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Not part of the plan.
    #[default]
    Disabled,
    /// By what remains in the grants.
    Finite,
    /// Not at all.
    Unlimited,
}

impl Mode {
    pub(crate) const fn to_number(self) -> u64 {
        match self {
            Mode::Disabled => 0,
            Mode::Finite => 1,
            Mode::Unlimited => 2,
        }
    }

    pub(crate) const fn from_number(number: u64) -> Mode {
        match number {
            1 => Mode::Finite,
            2 => Mode::Unlimited,
            _ => Mode::Disabled,
        }
    }
}

/// Yes and no in one word: the status's permissions, and what else speaks for or against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates(u64);

impl Gates {
    /// The demonstration is over.
    pub const DEMO_EXPIRED: Gates = Gates(1 << 8);
    /// There is no subscription.
    pub const NO_SUBSCRIPTION: Gates = Gates(1 << 9);
    /// The subscription has lapsed and its grace is over.
    pub const PLAN_LAPSED: Gates = Gates(1 << 11);
    /// All that speaks against any decision.
    pub(crate) const AGAINST: Gates =
        Gates(Self::DEMO_EXPIRED.0 | Self::NO_SUBSCRIPTION.0 | Self::PLAN_LAPSED.0);
    /// Each send carries the notice.
    pub const DEMO_NOTICE: Gates = Gates(1 << 16);
    /// A debt: decisions carry a warning.
    pub const PAST_DUE: Gates = Gates(1 << 17);

    pub(crate) const fn from_bits(bits: u64) -> Gates {
        Gates(bits)
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// Whether all of `other` is set here.
    #[must_use]
    pub const fn contains(self, other: Gates) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set here.
    #[must_use]
    pub const fn meets(self, other: Gates) -> bool {
        self.0 & other.0 != 0
    }

    /// The bit that says that `gate` is open.
    #[must_use]
    pub const fn open(gate: Gate) -> Gates {
        Gates(1 << gate as u64)
    }

    #[must_use]
    const fn with(self, other: Gates, set: bool) -> Gates {
        if set { Gates(self.0 | other.0) } else { self }
    }
}

/// What `account`, which is settled at `now`, may do, and until when that holds.
#[must_use]
pub fn standing(account: &Account, statuses: &GateTable, now: Timestamp) -> Standing {
    let period_end = period_end(account);
    let renews = account.subscription.as_ref().is_some_and(|it| it.renews() && !it.lapsed);
    Standing {
        valid_until: valid_until(account, now),
        restores_at: period_end.filter(|_| renews),
        gates: gates(account, statuses, now),
        features: account.features,
        slots: slots(account, now),
        mark: account.mark,
    }
}

fn valid_until(account: &Account, now: Timestamp) -> Timestamp {
    let starts = account.grants.iter().map(|grant| grant.starts_at);
    let demo_end = account.demo_ends_at.filter(|_| account.status == Status::Demo);
    starts
        .chain(next_event(account))
        .chain(demo_end)
        .chain(lapse_end(account))
        .chain([now.plus_ms(CLOCK_JUMP_MS)])
        .filter(|&at| at > now)
        .min()
        .unwrap_or(now)
}

/// When a subscription that is not renewed ceases to count.
fn lapse_end(account: &Account) -> Option<Timestamp> {
    let subscription = account.subscription.as_ref()?;
    let expires = subscription.on_lapse == OnLapse::Expire && !subscription.renews();
    expires.then(|| {
        calendar::end_of_grace(subscription.due(), subscription.grace_days, account.time_zone)
    })
}

fn gates(account: &Account, statuses: &GateTable, now: Timestamp) -> Gates {
    let permissions = statuses.row(account.status);
    let mut gates = Gates::default();
    for gate in [Gate::Access, Gate::Send, Gate::Receive, Gate::Consume] {
        gates = gates.with(Gates::open(gate), permissions.open(gate));
    }
    let is_demo = account.status == Status::Demo;
    gates
        .with(Gates::DEMO_NOTICE, is_demo)
        .with(Gates::DEMO_EXPIRED, is_demo && account.demo_ends_at.is_some_and(|end| end <= now))
        .with(Gates::PAST_DUE, account.status == Status::PastDue)
        .with(Gates::NO_SUBSCRIPTION, account.subscription.is_none())
        .with(Gates::PLAN_LAPSED, lapse_end(account).is_some_and(|end| end <= now))
}

fn slots(account: &Account, now: Timestamp) -> Vec<Slot> {
    let mut grants = account.grants.clone();
    burn_down::order(&mut grants);
    let slot = |(&resource, &limit): (&ResourceId, &Limit)| Slot {
        resource,
        mode: match limit {
            Limit::Unlimited => Mode::Unlimited,
            Limit::Finite(_) => Mode::Finite,
            Limit::Disabled => Mode::Disabled,
        },
        used: account.used.get(&resource).copied().unwrap_or(0),
        grants: grants
            .iter()
            .filter(|grant| grant.resource == resource && grant.starts_at <= now)
            .map(|grant| (grant.id, grant.remaining))
            .collect(),
    };
    account.limits.iter().map(slot).collect()
}
