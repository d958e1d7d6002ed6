//! A tenant as settlement sees it: everything that decides what it may do, and when that changes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::invoice::{ChargedAgain, falls_due};
use super::settle::cap_interval;
use super::subscription::{Scheduled, Subscription};
use super::terms::Counting;
use super::{EventKind, ResourceId, Rulebook, Status, TenantEvent, calendar, thresholds};
use crate::catalog::{Kind, Limit, Reset};
use crate::clock::Timestamp;

/// The reason of a status that a tenant has for what it owes: a payment ends it.
pub const DEBT: &str = "debt";

/// A tenant's account: its status, its subscription and its grants at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What its status permits is the catalog's to say.
    pub status: Status,
    /// When it came to be.
    pub created_at: Timestamp,
    /// The zone of its days.
    pub time_zone: Tz,
    /// When a demonstration ends.
    pub demo_ends_at: Option<Timestamp>,
    /// The latest instant that it has seen; time never goes back behind it.
    pub high_water_mark: Timestamp,
    /// Its current subscription.
    pub subscription: Option<Subscription>,
    /// Whether a subscription has been chosen that waits to be paid.
    pub awaits_payment: bool,
    /// What takes the current subscription's place when its period ends.
    pub scheduled: Option<Scheduled>,
    /// Due dates of invoices that wait to be paid and that the clock makes overdue: those paid by
    /// hand, which no gateway reports on, and those that one has reported too early.
    pub owed: BTreeSet<NaiveDate>,
    /// Due dates of invoices that wait to be paid and that a gateway reports on: the clock makes
    /// them overdue only when the gateway has been silent for a while.
    pub at_gateway: BTreeSet<NaiveDate>,
    /// Days for which payments wait whose invoice is not written yet.
    pub waiting: BTreeSet<NaiveDate>,
    /// Due dates of offers that wait to be paid: purchases, and (`true`) a plan that was chosen.
    pub offers: BTreeMap<NaiveDate, bool>,
    /// The due date of the oldest invoice that is overdue.
    pub oldest_overdue: Option<NaiveDate>,
    /// Whether it has its status for a debt.
    pub for_debt: bool,
    /// Whether something that was bought is charged again with every due date; known where it
    /// matters, which is where the plan costs nothing itself.
    pub charged_again: bool,
    /// Limits in force: the plan's, with the tenant's own on top.
    pub limits: BTreeMap<ResourceId, Limit>,
    /// Features in force, one bit each.
    pub features: [u64; 4],
    /// Grants that still hold something, or may.
    pub grants: Vec<Grant>,
    /// Units used since the period began, of what is used up or measured.
    pub used: BTreeMap<ResourceId, Usage>,
    /// What named holders have, of seats and leases.
    pub held: BTreeMap<ResourceId, u64>,
    /// Which event is due next, by resource.
    pub watches: BTreeMap<ResourceId, Watch>,
    /// Start of the calendar month in which meters are counted that begin again each month.
    pub month_start: Timestamp,
    /// Number of the current period, from 1.
    pub period: u64,
    /// When the current period began.
    pub period_start: Timestamp,
    /// How often the subscription's units have been restored, over all subscriptions.
    pub renewals: u64,
    /// The number that the next grant gets.
    pub next_grant: u64,
}

/// What was used of a resource since its count began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Units used.
    pub used: u64,
    /// Those of them that no grant gave: there is no limit, they go beyond a soft one, or the
    /// resource is a meter.
    pub beyond: u64,
}

/// How far a limit has been followed: each threshold is reported once for each count and limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The limit.
    pub limit: u64,
    /// The count: the number of the period, or of the month.
    pub period: u64,
    /// Units used at which the next event is due; `u64::MAX`: none.
    pub next: u64,
    /// The same of other limits that there were in this count, should one of them come back.
    pub before: BTreeMap<u64, u64>,
}

impl Watch {
    /// Limits of one count that are remembered, at most.
    const BEFORE_MAX: usize = 64;

    /// Goes on with a limit in a count: what was reported of it then is not reported again. `None`:
    /// it is a limit that there has not been in this count.
    fn turn_to(&mut self, limit: u64, period: u64) -> Option<u64> {
        if self.period != period {
            *self = Watch { limit, period, next: 0, before: BTreeMap::new() };
            return None;
        }
        if self.limit == limit {
            return Some(self.next);
        }
        self.before.insert(self.limit, self.next);
        if self.before.len() > Watch::BEFORE_MAX {
            self.before.pop_first();
        }
        self.limit = limit;
        self.before.remove(&limit)
    }
}

impl Account {
    /// How a resource is counted, also after it has left the catalog.
    #[must_use]
    pub fn counting(rules: &Rulebook, resource: ResourceId) -> Counting {
        rules.counting(resource)
    }

    /// What is contracted of a resource with a finite limit: of what is used up from grants, what
    /// they gave in this period; of everything else the limit of the plan and what was added to it.
    #[must_use]
    pub fn contracted(&self, rules: &Rulebook, resource: ResourceId, now: Timestamp) -> u64 {
        let Some(&Limit::Finite(units)) = self.limits.get(&resource) else { return 0 };
        let in_force = |grant: &&Grant| grant.resource == resource && grant.starts_at <= now;
        let grants = self.grants.iter().filter(in_force);
        if Self::counting(rules, resource) == Counting::Granted {
            grants.fold(0, |sum: u64, grant| sum.saturating_add(grant.at_period_start))
        } else {
            grants.fold(units, |sum, grant| sum.saturating_add(grant.remaining))
        }
    }

    /// What is used or held of a resource.
    #[must_use]
    pub fn in_use(&self, rules: &Rulebook, resource: ResourceId) -> u64 {
        match Self::counting(rules, resource) {
            Counting::Seats | Counting::Leases => self.held.get(&resource).copied().unwrap_or(0),
            _ => self.used.get(&resource).map_or(0, |usage| usage.used),
        }
    }

    /// Number of the count that thresholds are followed in: of the day, week or month, of a meter
    /// that begins again with each; of the period, of everything else.
    fn count(&self, rules: &Rulebook, kind: Kind) -> u64 {
        match kind {
            Kind::Meter { reset: Reset::CalendarMonth } => self.month(),
            Kind::Meter { reset: reset @ (Reset::CalendarDay | Reset::CalendarWeek) } => {
                self.cap_end(rules, reset)
            }
            _ => self.period,
        }
    }

    /// Number of the day or week in which a cap counts: the instant at which it ends.
    pub(super) fn cap_end(&self, rules: &Rulebook, reset: Reset) -> u64 {
        let interval = cap_interval(self, rules, reset);
        interval.map_or(0, |(_, end)| end.ms().unsigned_abs())
    }

    /// Number of the calendar month in which meters are counted that begin again each month.
    pub(super) fn month(&self) -> u64 {
        let date = calendar::date_of(self.month_start, self.time_zone);
        u64::from(date.year().unsigned_abs()) * 12 + u64::from(date.month0())
    }

    /// Whether there is an invoice for a period of a subscription.
    pub(super) fn will_owe(&self, terms: &Subscription) -> bool {
        // What it costs matters not, only that it costs something.
        let package = ChargedAgain { purchase: 0, title: String::new(), cents: 1 };
        let packages = if self.charged_again { vec![package] } else { Vec::new() };
        !falls_due(terms, None, &packages).is_empty()
    }

    /// Looks at every limit, and says which thresholds have been reached since the last look.
    pub fn watch(&mut self, rules: &Rulebook, now: Timestamp) -> Vec<TenantEvent> {
        let mut events = Vec::new();
        for &resource in self.limits.keys() {
            let Some(policy) = rules.policy(resource) else { continue };
            let limit = self.contracted(rules, resource, now);
            let used = self.in_use(rules, resource);
            let period = self.count(rules, policy.kind);
            let new = || Watch { limit, period, next: 0, before: BTreeMap::new() };
            let watch = self.watches.entry(resource).or_insert_with(new);
            let due = watch.turn_to(limit, period).unwrap_or(0);
            for percent in thresholds::reached(&policy.thresholds, limit, due, used) {
                let kind = EventKind::of_threshold(percent, used, limit);
                events.push(TenantEvent { at: now, resource: Some(resource), kind });
            }
            watch.next = thresholds::next(&policy.thresholds, limit, used).max(due);
        }
        events
    }
}

/// Where a grant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The plan's units of one period.
    Plan,
    /// Bought on top ("conversas extras").
    Extra,
    /// A bought package.
    Package,
    /// Given manually.
    Manual,
}

impl Source {
    /// Every source, in the order of their numbers.
    pub const ALL: [Source; 4] = [Source::Plan, Source::Extra, Source::Package, Source::Manual];

    /// The code used in databases and reports.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Source::Plan => "plan",
            Source::Extra => "extra",
            Source::Package => "package",
            Source::Manual => "manual",
        }
    }

    pub(crate) const fn from_number(number: u8) -> Source {
        match number {
            0 => Source::Plan,
            1 => Source::Extra,
            2 => Source::Package,
            _ => Source::Manual,
        }
    }

    /// The source with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Source> {
        Self::ALL.into_iter().find(|source| source.code() == code)
    }

    /// The order of use: the plan's units come first, so that what was bought lasts.
    #[must_use]
    pub const fn priority(self) -> i64 {
        match self {
            Source::Plan => 0,
            Source::Extra | Source::Package | Source::Manual => 10,
        }
    }
}

/// An amount of a resource.
///
/// `granted + returned = consumed + remaining + expired + revoked`, always; what is consumed is
/// what the others leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its number, in the order of creation.
    pub id: u64,
    /// What it is an amount of.
    pub resource: ResourceId,
    /// Where it comes from.
    pub source: Source,
    /// Lower numbers are used first.
    pub priority: i64,
    /// Units given.
    pub granted: u64,
    /// Units left.
    pub remaining: u64,
    /// Units left when the current period began, or the grant if later; less what was revoked
    /// since. What the period took from it is this, less what remains.
    pub at_period_start: u64,
    /// Units that ran out of time.
    pub expired: u64,
    /// Units taken back.
    pub revoked: u64,
    /// Units given back that a closed period had used.
    pub returned: u64,
    /// When it begins to count.
    pub starts_at: Timestamp,
    /// When it ceases to count.
    pub expires_at: Option<Timestamp>,
}

impl Grant {
    /// What is carried over from the last period is used before anything else.
    pub(super) const CARRIED_PRIORITY: i64 = -1;

    /// Units used of it.
    #[must_use]
    pub fn consumed(&self) -> u64 {
        self.granted
            .saturating_add(self.returned)
            .saturating_sub(self.remaining)
            .saturating_sub(self.expired)
            .saturating_sub(self.revoked)
    }

    /// Units used of it since the period began.
    #[must_use]
    pub fn consumed_in_period(&self) -> u64 {
        self.at_period_start.saturating_sub(self.remaining)
    }

    /// Whether it still matters: it holds units, or the current period took some from it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.remaining > 0 || self.at_period_start > 0
    }

    /// Whether it is what a plan gives of a resource by its number: not carried over.
    #[must_use]
    pub fn is_of_plan(&self, resource: ResourceId) -> bool {
        self.resource == resource
            && self.source == Source::Plan
            && self.priority != Self::CARRIED_PRIORITY
    }

    /// Whether its time has not run out at `now`.
    #[must_use]
    pub fn is_in_time(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }

    /// Ends it at once: what it holds runs out of time.
    pub(super) fn expire(&mut self) {
        self.expired += self.remaining;
        self.at_period_start = self.at_period_start.saturating_sub(self.remaining);
        self.remaining = 0;
    }

    /// Gives back units that a closed period had used; they count as given in the present one.
    pub(crate) fn give_back(&mut self, units: u64) {
        self.returned += units;
        self.remaining += units;
        self.at_period_start += units;
    }

    /// Gives back units that were taken back and count in the present period again.
    pub(crate) fn restore(&mut self, units: u64) {
        let units = units.min(self.revoked);
        self.revoked -= units;
        self.remaining += units;
        self.at_period_start += units;
    }

    /// Takes back up to `units` that are not used, and says how many.
    pub fn revoke(&mut self, units: u64) -> u64 {
        let units = units.min(self.remaining);
        self.remaining -= units;
        self.revoked += units;
        self.at_period_start = self.at_period_start.saturating_sub(units);
        units
    }
}
