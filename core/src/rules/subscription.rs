//! What a tenant has subscribed to: its due dates, computed and never chained, and what follows.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::{ResourceId, calendar};
use crate::catalog::{BillingMode, Limit, OnLapse, RenewOn};
use crate::clock::Timestamp;

/// Whether a subscription pauses between two periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// It goes on.
    #[default]
    None,
    /// It pauses when the running period ends.
    Requested,
    /// It pauses: there is no period until it is resumed.
    InForce,
}

impl Pause {
    /// The code that reports use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Pause::None => "none",
            Pause::Requested => "requested",
            Pause::InForce => "in_force",
        }
    }
}

/// What a tenant has subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // Each can be without the others.
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
    /// What a renewal waits for.
    #[serde(default)]
    pub renew_on: RenewOn,
    /// Periods after the first that are paid, where renewals wait for payment.
    #[serde(default)]
    pub paid: u32,
    /// A shorter interval, in months, at which allowances are restored within a period.
    #[serde(default)]
    pub cadence_months: Option<u32>,
    /// The place of the present interval in the period's grid of such intervals. Negative where the
    /// first due date lies more than a period after the beginning.
    #[serde(default)]
    pub restored: i32,
    /// Units of an allowance that a renewal carries over, at most.
    #[serde(default)]
    pub carry_over: BTreeMap<ResourceId, u64>,
    /// What one period costs; `None`: agreed one by one.
    #[serde(default)]
    pub price_cents: Option<i64>,
    /// What people call the plan.
    #[serde(default)]
    pub title: String,
    /// ISO 4217 code of its price.
    #[serde(default)]
    pub currency: String,
    /// Whether its periods are paid before they begin, or when they end.
    #[serde(default)]
    pub billing: BillingMode,
    /// The first day of the present billing period; `None`: as its due dates say.
    #[serde(default)]
    pub from: Option<NaiveDate>,
    /// The highest price in force during the present period: in advance, the highest billed for
    /// it. `None`: the price.
    #[serde(default)]
    pub peak_cents: Option<i64>,
    /// What people call the plan that had it; `None`: the present one.
    #[serde(default)]
    pub peak_title: Option<String>,
    /// When it was cancelled with its tenant: no period follows.
    #[serde(default)]
    pub cancelled_at: Option<Timestamp>,
    /// Its payment was taken back: it waits to be paid again.
    #[serde(default)]
    pub pending: bool,
    /// Whether it pauses.
    #[serde(default)]
    pub pause: Pause,
    /// The due date of the period that follows, where it was set; `None`: as the anchor says.
    #[serde(default)]
    pub next_due_set: Option<NaiveDate>,
    /// Whether its first due date comes one period after the payment that begins it.
    #[serde(default)]
    pub due_from_payment: bool,
    /// The anchor day that was asked for; `None`: none was, so that it comes from a due date.
    #[serde(default)]
    pub anchor_chosen: Option<u32>,
    /// Whether it is paid manually: no gateway reports that it was not paid in time. Stored as the
    /// type of payment.
    #[serde(skip)]
    pub manual: bool,
}

impl Subscription {
    /// The present due date ("Próximo vencimento"): computed from the anchor, never chained.
    #[must_use]
    pub fn due(&self) -> NaiveDate {
        self.due_after(self.renewed)
    }

    /// The due date after the present one.
    #[must_use]
    pub fn next_due(&self) -> NaiveDate {
        self.next_due_set.unwrap_or_else(|| self.due_after(self.renewed.saturating_add(1)))
    }

    /// Goes on to the next period: its due date is the present one from here on.
    pub fn advance(&mut self) {
        let set = self.next_due_set.take();
        self.renewed = self.renewed.saturating_add(1);
        if let Some(due) = set {
            self.place_due(due, due.day());
        }
    }

    /// Moves the grid so that the present period is due on `due`, which falls on `anchor_day` or
    /// on the last day of a shorter month. The first due date becomes the one that the grid would
    /// have begun with.
    pub fn place_due(&mut self, due: NaiveDate, anchor_day: u32) {
        let months = i64::from(self.renewed) * i64::from(self.period_months);
        self.anchor_day = anchor_day;
        self.first_due = calendar::anchored(self.anchor_day, due, -months);
    }

    /// Whether a period is under way: it has neither lapsed nor does it pause.
    #[must_use]
    pub fn has_period(&self) -> bool {
        !self.lapsed && self.pause != Pause::InForce
    }

    fn due_after(&self, renewals: u32) -> NaiveDate {
        let months = renewals.saturating_mul(self.period_months);
        calendar::due_date(self.anchor_day, self.first_due, months)
    }

    /// The first day of the present billing period.
    #[must_use]
    pub fn period_from(&self) -> NaiveDate {
        self.from.unwrap_or_else(|| {
            let months = i64::from(self.renewed) - 1;
            let months = months * i64::from(self.period_months);
            let before = calendar::anchored(self.anchor_day, self.first_due, months);
            before.succ_opt().unwrap_or(before)
        })
    }

    /// The highest price in force during the present period.
    #[must_use]
    pub fn highest_cents(&self) -> i64 {
        self.peak_cents.or(self.price_cents).unwrap_or(0)
    }

    /// Notes that a billing period begins on `from`, at the present price.
    pub fn begin_billing(&mut self, from: NaiveDate) {
        self.from = Some(from);
        (self.peak_cents, self.peak_title) = (None, None);
    }

    /// Whether a period is to follow the present one, if it is paid where that is needed. One that
    /// is paid ahead comes also where renewal has been switched off since.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        let is_to_renew =
            self.auto_renew && self.max_renewals.is_none_or(|most| self.renewed < most);
        let goes_on = self.cancelled_at.is_none() && self.pause == Pause::None;
        goes_on && (is_to_renew || self.is_paid_ahead())
    }

    /// Whether the period that follows is paid already.
    #[must_use]
    pub fn is_paid_ahead(&self) -> bool {
        self.billing == BillingMode::Advance && self.paid > self.renewed
    }

    /// Whether a period costs something.
    #[must_use]
    pub fn has_price(&self) -> bool {
        self.price_cents.is_some_and(|cents| cents > 0)
    }

    /// Whether the end of the present period renews it.
    #[must_use]
    pub fn renews(&self) -> bool {
        self.is_followed() && (self.renew_on == RenewOn::Schedule || self.paid > self.renewed)
    }

    /// The last day of the present quota: the due date, or an earlier day where allowances are
    /// restored more often.
    #[must_use]
    pub fn quota_due(&self) -> NaiveDate {
        match self.cadence_months {
            None => self.due(),
            Some(cadence) => {
                let months = self.months_at_start() + self.interval_end(cadence);
                calendar::anchored(self.anchor_day, self.first_due, months).min(self.due())
            }
        }
    }

    /// Months from the first due date to the start of the present period, by the grid.
    fn months_at_start(&self) -> i64 {
        (i64::from(self.renewed) - 1) * i64::from(self.period_months)
    }

    fn interval_end(&self, cadence: u32) -> i64 {
        (i64::from(self.restored) + 1) * i64::from(cadence)
    }

    /// Places the first interval of a period that begins on `from`: it is the one that ends next.
    /// A subscription that begins in the middle of its grid has missed nothing before.
    pub fn begin_grid(&mut self, from: NaiveDate) {
        self.restored = 0;
        let Some(cadence) = self.cadence_months.filter(|&months| months > 0) else { return };
        let month = |date: NaiveDate| i64::from(date.year()) * 12 + i64::from(date.month0());
        let passed = month(from) - month(self.first_due) - self.months_at_start();
        let intervals = passed.div_euclid(i64::from(cadence)) - 1;
        self.restored = i32::try_from(intervals).unwrap_or(0);
        for _ in 0..2 {
            let months = self.months_at_start() + self.interval_end(cadence);
            if calendar::anchored(self.anchor_day, self.first_due, months) > from {
                break;
            }
            self.restored += 1;
        }
    }
}

/// A subscription that begins when the period of the present one ends, with all that it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The subscription; its first due date is one of its periods after the present due date.
    pub terms: Subscription,
    /// The limits that come into force with it.
    pub limits: BTreeMap<ResourceId, Limit>,
    /// The features that do.
    pub features: [u64; 4],
}

impl Scheduled {
    /// Whether it may begin: where renewals wait for payment, so does the first period.
    #[must_use]
    pub fn may_begin(&self) -> bool {
        self.terms.renew_on == RenewOn::Schedule || self.terms.paid > 0
    }
}
