//! What a tenant may do, and until when that holds by itself.

use std::collections::BTreeSet;

use super::account::{Account, Grant, Source};
use super::settle::{CLOCK_JUMP_MS, month_end, next_boundary, period_end};
use super::subscription::{Pause, Subscription};
use super::terms::{CounterTerms, Counting, Mode, firmness};
use super::{GateTable, Policy, ResourceId, Rulebook, Status, burn_down, calendar, plan_number};
use crate::catalog::{Enforcement, Gate, Kind, Limit, OnLapse, Reset};
use crate::clock::Timestamp;

/// What a tenant may do, until `valid_until`: the content of its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlements {
    /// The instant at which this ceases to hold by itself.
    pub valid_until: Timestamp,
    /// When the plan's units are next restored, if that can be foreseen.
    pub restores_at: Option<Timestamp>,
    /// When meters begin again that do so each month.
    pub month_ends_at: Option<Timestamp>,
    /// Number of the current period.
    pub period: u64,
    /// What the status permits, and what speaks against it.
    pub gates: Gates,
    /// Features in force, one bit each.
    pub features: [u64; 4],
    /// Resources in force.
    pub counters: Vec<Counter>,
    /// The latest instant that the tenant has seen.
    pub high_water_mark: Timestamp,
}

/// One resource in the entitlements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Which one.
    pub resource: ResourceId,
    /// On which terms the tenant has it.
    pub terms: CounterTerms,
    /// What is contracted, where a number limits it.
    pub limit: u64,
    /// Units beyond the limit that a soft limit lets pass.
    pub cap: u64,
    /// Units used since the period began, or held.
    pub used: u64,
    /// Used units that no grant gave.
    pub beyond: u64,
    /// Which count a meter is in: changes whenever it starts again.
    pub cycle: u64,
    /// Used units at which the next event is due.
    pub next_event: u64,
    /// Grants in the order of use.
    pub grants: Vec<CounterGrant>,
}

impl Counter {
    /// Whether there is nothing to show of it: no plan names it, nothing of it is used or left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.mode == Mode::Disabled && self.used == 0 && self.grants.is_empty()
    }
}

/// A grant in a burn-down list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterGrant {
    /// Its number.
    pub id: u64,
    /// Where it comes from.
    pub source: Source,
    /// What remains of it.
    pub remaining: u64,
}

/// Yes and no in one word: the status's permissions, and what else speaks for or against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates(u64);

impl Gates {
    /// The demonstration is over.
    pub const DEMO_EXPIRED: Gates = Gates(1 << 8);
    /// There is no subscription.
    pub const NO_SUBSCRIPTION: Gates = Gates(1 << 9);
    /// The subscription waits to be paid.
    pub const SUBSCRIPTION_PENDING: Gates = Gates(1 << 10);
    /// The subscription has lapsed and its grace is over.
    pub const PLAN_LAPSED: Gates = Gates(1 << 11);
    /// The subscription pauses.
    pub const PAUSED: Gates = Gates(1 << 12);
    /// All that speaks against any decision.
    pub(crate) const AGAINST: Gates = Gates(
        Self::DEMO_EXPIRED.0
            | Self::NO_SUBSCRIPTION.0
            | Self::SUBSCRIPTION_PENDING.0
            | Self::PLAN_LAPSED.0
            | Self::PAUSED.0,
    );
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
pub fn entitlements(account: &Account, rules: &Rulebook, now: Timestamp) -> Entitlements {
    let restores = |it: &Subscription| it.renews() || it.quota_due() < it.due();
    let renews = account.subscription.as_ref().is_some_and(|it| restores(it) && it.has_period());
    Entitlements {
        valid_until: valid_until(account, rules, now),
        restores_at: period_end(account).filter(|_| renews),
        month_ends_at: month_end(account, rules),
        period: account.period,
        gates: gates(account, &rules.statuses, now),
        features: account.features,
        counters: counters(account, rules, now),
        high_water_mark: account.high_water_mark,
    }
}

fn valid_until(account: &Account, rules: &Rulebook, now: Timestamp) -> Timestamp {
    let starts = account.grants.iter().map(|grant| grant.starts_at);
    let demo_end = account.demo_ends_at.filter(|_| account.status == Status::Demo);
    // Also of grants that hold nothing now: units may come back to them.
    let ends = account.grants.iter().filter_map(|grant| grant.expires_at);
    starts
        .chain(ends)
        .chain(next_boundary(account, rules))
        .chain(demo_end)
        .chain(lapse_end(account))
        .chain([now.plus_ms(CLOCK_JUMP_MS)])
        .filter(|&at| at > now)
        .min()
        .unwrap_or(now)
}

/// When a subscription that is not renewed ceases to count.
fn lapse_end(account: &Account) -> Option<Timestamp> {
    let subscription = account.subscription.as_ref().filter(|it| it.pause == Pause::None)?;
    let expires = subscription.on_lapse == OnLapse::Expire && !subscription.renews();
    expires.then(|| {
        calendar::end_of_grace(subscription.due(), subscription.grace_days, account.time_zone)
    })
}

/// Whether a subscription waits to be paid and there is no other meanwhile.
fn is_pending(account: &Account) -> bool {
    account.subscription.as_ref().map_or(account.awaits_payment, |it| it.pending)
}

/// Whether the subscription pauses, so that nothing is permitted.
fn is_paused(account: &Account) -> bool {
    account.subscription.as_ref().is_some_and(|it| it.pause == Pause::InForce)
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
        .with(Gates::NO_SUBSCRIPTION, account.subscription.is_none() && !account.awaits_payment)
        .with(Gates::SUBSCRIPTION_PENDING, is_pending(account))
        .with(Gates::PLAN_LAPSED, lapse_end(account).is_some_and(|end| end <= now))
        .with(Gates::PAUSED, is_paused(account))
}

/// A counter for every resource that the tenant has, or has had: what was measured, is held or was
/// bought stays counted while the plan does not name it, and what was reported stays reported. Also
/// for what only a shadow limits: that counts whether it is in the plan or not.
fn counters(account: &Account, rules: &Rulebook, now: Timestamp) -> Vec<Counter> {
    let named = account.limits.keys().chain(account.used.keys()).chain(account.held.keys());
    let named = named.chain(account.watches.keys());
    let bought = account.grants.iter().map(|grant| grant.resource);
    let bought = bought.filter(|&it| Account::counting(rules, it) == Counting::Granted);
    let resources: BTreeSet<ResourceId> =
        named.copied().chain(bought).chain(rules.shadowed()).chain(rules.caps()).collect();
    resources.into_iter().map(|resource| counter(account, rules, resource, now)).collect()
}

fn counter(account: &Account, rules: &Rulebook, resource: ResourceId, now: Timestamp) -> Counter {
    let policy = rules.policy(resource);
    let counting = Account::counting(rules, resource);
    let limit = account.limits.get(&resource);
    // What the plan does not name is denied whether it has a counter or not; a shadow never denies.
    let enforcement = policy.map(|policy| policy.enforcement);
    let applies = |it: &Enforcement| limit.is_some() || *it == Enforcement::Shadow;
    let (firmness, cap) = firmness(enforcement.filter(applies).unwrap_or(Enforcement::Hard));
    let mode = match limit {
        Some(Limit::Unlimited) => Mode::Unlimited,
        Some(Limit::Finite(_)) => Mode::Finite,
        // A plan that names no cap has none.
        None if policy.is_some_and(Policy::is_cap) => Mode::Unlimited,
        Some(Limit::Disabled) | None => Mode::Disabled,
    };
    let has_parents = policy.is_some_and(|policy| !policy.parents.is_empty());
    let lowered = plan_number::is_lowered(account, rules, resource);
    Counter {
        resource,
        terms: CounterTerms { mode, counting, firmness, has_parents, lowered },
        limit: account.contracted(rules, resource, now),
        cap,
        used: account.in_use(rules, resource),
        beyond: account.used.get(&resource).map_or(0, |usage| usage.beyond),
        cycle: cycle(account, rules, policy.map(|policy| policy.kind)),
        next_event: account.watches.get(&resource).map_or(u64::MAX, |watch| watch.next),
        grants: counter_grants(account, counting, resource, now),
    }
}

/// Which count a meter is in.
fn cycle(account: &Account, rules: &Rulebook, kind: Option<Kind>) -> u64 {
    match kind {
        Some(Kind::Meter { reset: Reset::Period }) => account.period,
        Some(Kind::Meter { reset: Reset::CalendarMonth }) => account.month(),
        Some(Kind::Meter { reset: reset @ (Reset::CalendarDay | Reset::CalendarWeek) }) => {
            account.cap_end(rules, reset)
        }
        _ => 0,
    }
}

fn counter_grants(
    account: &Account,
    counting: Counting,
    resource: ResourceId,
    now: Timestamp,
) -> Vec<CounterGrant> {
    if counting != Counting::Granted {
        return Vec::new();
    }
    // What has run out of time is counted still, but nothing may come back to it.
    let in_force = |grant: &&Grant| {
        grant.resource == resource && grant.starts_at <= now && grant.is_in_time(now)
    };
    let mut grants: Vec<Grant> = account.grants.iter().filter(in_force).cloned().collect();
    burn_down::order(&mut grants);
    grants
        .into_iter()
        .map(|Grant { id, source, remaining, .. }| CounterGrant { id, source, remaining })
        .collect()
}
