//! The next due date ("Próximo vencimento") of a subscription that exists.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::Engine;
use super::admin_tx::AdminTx;
use super::due_dates::{bill_again, is_billed, move_end_of_next};
use super::joining::check_not_cancelled;
use super::once::Operation;
use super::plan_change::paid_already;
use crate::billing::Cents;
use crate::catalog::BillingMode;
use crate::error::Error;
use crate::rules::{Pause, Subscription, calendar};

/// The most periods that the next one may come to.
const PERIODS_MAX: u32 = 2;

/// The period that follows the present one, after its due date was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPeriod {
    /// Its first day.
    pub from: NaiveDate,
    /// Its last day: the due date that was set.
    pub to: NaiveDate,
    /// What it costs: one full price, however long it is.
    #[serde(rename = "amount_cents")]
    pub amount: Cents,
    /// ISO 4217 code of the amount.
    pub currency: String,
    /// When that is due.
    pub due: NaiveDate,
}

impl Engine {
    /// Sets the due date of the period that follows the present one: later than the present due
    /// date, and at most two periods after it. Its day is the day of all later ones. The period
    /// costs one full price. With a plan that is scheduled it is the scheduled plan's. Refused
    /// where no period follows, or where that is paid already. Under a key it takes effect once.
    /// Waits for the disk.
    pub fn set_due_date(
        &self,
        tenant: &str,
        next_due: NaiveDate,
        key: Option<&str>,
    ) -> Result<NextPeriod, Error> {
        let operation = Operation::new("set_due_date", key, &next_due);
        self.change_once(tenant, &operation, |tx| {
            let Some(present) = tx.loaded.account.subscription.clone() else {
                return Err(Error::NoSubscription(tenant.to_owned()));
            };
            check_not_cancelled(tx)?;
            may_be_set(tx, &present)?;
            let follows = set(tx, &present, next_due)?;
            if follows.price_cents.is_none() && is_billed(tx) {
                return Err(Error::PriceMissing { plan: follows.plan });
            }
            move_end_of_next(tx.write, tx.loaded.row, present.due(), next_due)?;
            bill_again(tx)?;
            let detail = next_due.to_string();
            tx.write.audit(Some(tx.loaded.row), tx.now, "due date", &detail)?;
            let due = match follows.billing {
                BillingMode::Advance => present.due(),
                BillingMode::Arrears => next_due,
            };
            Ok(NextPeriod {
                from: present.due().succ_opt().unwrap_or(present.due()),
                to: next_due,
                amount: Cents::new(follows.price_cents.unwrap_or(0))?,
                currency: follows.currency,
                due,
            })
        })
    }
}

/// A due date can be set where a period is to follow the running one, and is not paid yet.
fn may_be_set(tx: &AdminTx<'_>, present: &Subscription) -> Result<(), Error> {
    let scheduled = tx.loaded.account.scheduled.as_ref();
    let why = if present.lapsed {
        "the subscription has lapsed; change the plan to begin a period with its due date"
    } else if present.pause != Pause::None {
        "the subscription pauses; resume it, which sets the due date"
    } else if scheduled.is_none() && !present.is_followed() {
        "no period follows the present one; switch automatic renewal on first"
    } else if present.is_paid_ahead() || scheduled.is_some_and(|it| it.terms.paid > 0) {
        return Err(paid_already());
    } else {
        return Ok(());
    };
    Err(Error::InvalidArgument { what: "due date", why: why.to_owned() })
}

/// Notes the due date on what follows, and gives that.
fn set(
    tx: &mut AdminTx<'_>,
    present: &Subscription,
    next_due: NaiveDate,
) -> Result<Subscription, Error> {
    let account = &mut tx.loaded.account;
    if let Some(next) = account.scheduled.as_mut() {
        check_range(present.due(), next_due, &next.terms)?;
        (next.terms.first_due, next.terms.anchor_day) = (next_due, next_due.day());
        tx.write.save_scheduled(next)?;
        return Ok(next.terms.clone());
    }
    check_range(present.due(), next_due, present)?;
    if let Some(terms) = account.subscription.as_mut() {
        terms.next_due_set = Some(next_due);
    }
    Ok(present.clone())
}

/// Refuses a due date that does not lie within two periods after the present one.
fn check_range(due: NaiveDate, next_due: NaiveDate, follows: &Subscription) -> Result<(), Error> {
    let months = follows.period_months.saturating_mul(PERIODS_MAX);
    let latest = calendar::due_date(follows.anchor_day, due, months);
    if due < next_due && next_due <= latest {
        return Ok(());
    }
    let first = due.succ_opt().unwrap_or(due);
    let why = format!("{next_due} is not between {first} and {latest}, two periods after {due}");
    Err(Error::InvalidArgument { what: "due date", why })
}
