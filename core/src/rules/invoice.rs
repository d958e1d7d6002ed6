//! What falls due with a period: pure, to the cent.
//!
//! A period is billed on its due date. In arrears that invoice pays the period that ends then; in
//! advance it pays the one that follows. What is charged again with every due date is always paid
//! in advance. Nothing is prorated.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::subscription::{Pause, Subscription};
use crate::catalog::BillingMode;

/// What a line of an invoice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// A period of a plan.
    Plan,
    /// Something bought on top of it.
    Package,
    /// Written manually.
    Manual,
}

impl LineKind {
    /// The code used in databases and reports.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            LineKind::Plan => "plan",
            LineKind::Package => "package",
            LineKind::Manual => "manual",
        }
    }

    /// The kind with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<LineKind> {
        let all = [LineKind::Plan, LineKind::Package, LineKind::Manual];
        all.into_iter().find(|kind| kind.code() == code)
    }
}

/// A line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is for.
    pub kind: LineKind,
    /// What people call that.
    pub title: String,
    /// The first day that it pays; `None`: of no period, or written before lines were kept.
    pub from: Option<NaiveDate>,
    /// The last one.
    pub to: Option<NaiveDate>,
    /// How much, in cents.
    pub cents: i64,
    /// The subscription whose period it pays.
    pub subscription: Option<i64>,
    /// The purchase that it pays.
    pub purchase: Option<i64>,
    /// Whether it stays as it is. Others follow what falls due on their date, until the invoice
    /// has a charge or is paid.
    pub is_final: bool,
}

impl Line {
    /// A line for a period of a plan.
    #[must_use]
    pub fn of_plan(terms: &Subscription, from: NaiveDate, to: NaiveDate, cents: i64) -> Line {
        Line {
            kind: LineKind::Plan,
            title: terms.title.clone(),
            from: Some(from),
            to: Some(to),
            cents,
            subscription: Some(terms.id),
            purchase: None,
            is_final: false,
        }
    }

    /// Whether both are for the same: lines written before periods were kept fit any.
    fn is_for_the_same(&self, other: &Line) -> bool {
        let same_end = self.to.is_none() || other.to.is_none() || self.to == other.to;
        self.kind == other.kind
            && self.purchase == other.purchase
            && (self.kind != LineKind::Plan || self.subscription == other.subscription)
            && same_end
    }
}

/// Something bought that is charged again with every due date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargedAgain {
    /// The number of the purchase.
    pub purchase: i64,
    /// What people call it.
    pub title: String,
    /// What it costs each time, in cents.
    pub cents: i64,
}

/// What falls due on the due date of a period: of the subscription in force, and of what follows
/// it. A line over nothing is not written.
#[must_use]
pub fn falls_due(
    terms: &Subscription,
    scheduled: Option<&Subscription>,
    packages: &[ChargedAgain],
) -> Vec<Line> {
    let due = terms.due();
    let mut lines = Vec::new();
    if terms.billing == BillingMode::Arrears {
        let from = terms.period_from();
        let line = Line::of_plan(terms, from, due, terms.highest_cents());
        let title = terms.peak_title.clone().unwrap_or(line.title);
        lines.push(Line { title, ..line });
    }
    if let Some((next, to)) = following(terms, scheduled) {
        let from = due.succ_opt().unwrap_or(due);
        if next.billing == BillingMode::Advance {
            lines.push(Line::of_plan(next, from, to, next.price_cents.unwrap_or(0)));
        }
        lines.extend(packages.iter().map(|it| Line {
            kind: LineKind::Package,
            title: it.title.clone(),
            from: Some(from),
            to: Some(to),
            cents: it.cents,
            subscription: None,
            purchase: Some(it.purchase),
            is_final: false,
        }));
    }
    lines.retain(|line| line.cents > 0);
    lines
}

/// The subscription whose period follows the present one, and the last day of that period.
fn following<'a>(
    terms: &'a Subscription,
    scheduled: Option<&'a Subscription>,
) -> Option<(&'a Subscription, NaiveDate)> {
    match scheduled {
        Some(_) if terms.pause != Pause::None => None,
        Some(next) => Some((next, next.first_due)),
        None if terms.is_followed() => Some((terms, terms.next_due())),
        None => None,
    }
}

/// What is still to be written of the lines that fall due, where some are fixed already: the
/// difference in full where a fixed one is lower, nothing where it is as high.
#[must_use]
pub fn not_yet_written(mut wanted: Vec<Line>, fixed: &[Line]) -> Vec<Line> {
    for line in &mut wanted {
        let same = fixed.iter().filter(|it| !it.is_final && it.is_for_the_same(line));
        line.cents -= same.map(|it| it.cents).sum::<i64>();
    }
    wanted.retain(|line| line.cents > 0);
    wanted
}

/// What a change of plan that carries the usage over costs at once: in advance the difference to
/// the highest price billed for the running period, in arrears nothing.
#[must_use]
pub fn upgrade_cents(terms: &Subscription, new_price_cents: i64) -> i64 {
    match terms.billing {
        BillingMode::Advance => (new_price_cents - terms.highest_cents()).max(0),
        BillingMode::Arrears => 0,
    }
}
