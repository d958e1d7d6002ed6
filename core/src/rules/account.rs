//! A tenant as settlement sees it: everything that decides what it may do, and when that changes.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{ResourceId, Status, calendar};
use crate::catalog::{Limit, OnLapse};
use crate::clock::Timestamp;

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
    pub mark: Timestamp,
    /// Its current subscription.
    pub subscription: Option<Subscription>,
    /// Limits in force: the plan's, with the tenant's own on top.
    pub limits: BTreeMap<ResourceId, Limit>,
    /// Features in force, one bit each.
    pub features: [u64; 4],
    /// Grants that still hold something, or may.
    pub grants: Vec<Grant>,
    /// Units used since the period began.
    pub used: BTreeMap<ResourceId, u64>,
    /// Number of the current period, from 1.
    pub period: u64,
    /// When the current period began.
    pub period_start: Timestamp,
    /// How often the subscription's units have been restored, over all subscriptions.
    pub renewals: u64,
    /// The number that the next grant gets.
    pub next_grant: u64,
}

/// What a tenant has subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its number in the database.
    pub id: i64,
    /// The plan's name.
    pub plan: String,
    /// The catalog version whose plan it is.
    pub catalog_version: u64,
    /// The first due date, from which all others are computed.
    pub first_due: NaiveDate,
    /// The day of the month that the tenant chose.
    pub anchor_day: u32,
    /// Months per period.
    pub period_months: u32,
    /// Whether it renews by itself.
    pub auto_renew: bool,
    /// Renewals of this subscription so far.
    pub renewed: u32,
    /// How often it renews at most.
    pub max_renewals: Option<u32>,
    /// What happens when it is not renewed.
    pub on_lapse: OnLapse,
    /// Days after the due date in which it still counts, inclusive.
    pub grace_days: u32,
    /// Whether its last due date has passed without renewal.
    pub lapsed: bool,
}

impl Subscription {
    /// The present due date ("Próximo vencimento"): computed from the anchor, never chained.
    #[must_use]
    pub fn due(&self) -> NaiveDate {
        let months = self.renewed.saturating_mul(self.period_months);
        calendar::due_date(self.anchor_day, self.first_due, months)
    }

    /// Whether the end of the present period renews it.
    #[must_use]
    pub fn renews(&self) -> bool {
        self.auto_renew && self.max_renewals.is_none_or(|most| self.renewed < most)
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
    /// Given by hand.
    Manual,
}

impl Source {
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

    /// The source with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Source> {
        [Source::Plan, Source::Extra, Source::Package, Source::Manual]
            .into_iter()
            .find(|source| source.code() == code)
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
/// `granted = consumed + remaining + expired + revoked`, always; what is consumed is what the
/// other three leave.
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
    /// When it begins to count.
    pub starts_at: Timestamp,
    /// When it ceases to count.
    pub expires_at: Option<Timestamp>,
}

impl Grant {
    /// Units used of it.
    #[must_use]
    pub fn consumed(&self) -> u64 {
        self.granted
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

    /// Ends it at once: what it holds runs out of time.
    pub(super) fn expire(&mut self) {
        self.expired += self.remaining;
        self.at_period_start = self.at_period_start.saturating_sub(self.remaining);
        self.remaining = 0;
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
