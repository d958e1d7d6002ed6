//! Prices of one tenant's own, and what its next invoice comes to.

use chrono::NaiveDate;

use super::Engine;
use super::admin_tx::AdminTx;
use super::due_dates::{bill_again, is_billed, is_fixed};
use super::invoices::{Effect, InvoiceLine, InvoiceStatus};
use super::once::Operation;
use crate::billing::Cents;
use crate::catalog::BillingMode;
use crate::error::Error;
use crate::rules::invoice::{ChargedAgain, falls_due};
use crate::rules::{Line, Pause, Subscription};

/// The next invoice that will be written, as things stand.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct InvoicePreview {
    /// Its due date.
    pub due: NaiveDate,
    /// How much.
    #[serde(rename = "amount_cents")]
    pub amount: Cents,
    /// ISO 4217 code of its amounts.
    pub currency: String,
    /// What it is over.
    pub lines: Vec<InvoiceLine>,
}

impl Engine {
    /// Gives a tenant a price of its own for a period of a plan; `None`: as the catalog says. It
    /// holds at once on invoices that are not due yet and have no charge. Waits for the disk.
    pub fn set_own_price(
        &self,
        tenant: &str,
        plan: &str,
        price: Option<Cents>,
    ) -> Result<(), Error> {
        let operation = Operation::new("set_own_price", None, &(plan, price));
        self.change_once(tenant, &operation, |tx| {
            let known = tx.compiled.catalog.plans.get(plan).map(|it| it.price_cents);
            let has_it = |terms: &Subscription| terms.plan == plan;
            let Some(usual) = known else { return Err(tx.compiled.unknown_plan(plan)) };
            match price {
                Some(price) => tx.loaded.overrides.prices.insert(plan.to_owned(), price.get()),
                None => tx.loaded.overrides.prices.remove(plan),
            };
            let cents = price.map(Cents::get).or(usual);
            let is_present = tx.loaded.account.subscription.as_ref().is_some_and(has_it);
            if cents.is_none() && is_present && is_billed(tx) {
                return Err(Error::PriceMissing { plan: plan.to_owned() });
            }
            let account = &mut tx.loaded.account;
            if let Some(terms) = account.subscription.as_mut().filter(|it| has_it(it)) {
                // In advance the running period is billed already, at the price that it had.
                match terms.billing {
                    BillingMode::Advance => terms.peak_cents = Some(terms.highest_cents()),
                    BillingMode::Arrears => (terms.peak_cents, terms.peak_title) = (None, None),
                }
                terms.price_cents = cents;
            }
            if let Some(next) = account.scheduled.as_mut().filter(|it| has_it(&it.terms)) {
                next.terms.price_cents = cents;
                tx.write.save_scheduled(next)?;
            }
            bill_choice_again(tx, plan, cents)?;
            bill_again(tx)?;
            let price = price.map_or_else(|| "as planned".to_owned(), |it| it.to_string());
            let detail = format!("{plan} {price}");
            Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "own price", &detail)?)
        })
    }

    /// The invoice that will be written when the running period ends, as things stand: with what is
    /// scheduled, and what was bought. Those that are written already are among
    /// [`invoices`](Self::invoices). `None`: no period follows, or nothing is to be paid. Reads
    /// SQLite; changes nothing.
    pub fn preview_invoice(&self, tenant: &str) -> Result<Option<InvoicePreview>, Error> {
        let (loaded, _) = self.shared.view(self.record_of(tenant)?, tenant, self.now())?;
        let rulebook = &self.shared.compiled()?.rulebook;
        let account = &loaded.account;
        let Some(terms) = account.subscription.as_ref().filter(|it| it.has_period()) else {
            return Ok(None);
        };
        let next = match &account.scheduled {
            Some(_) if terms.pause != Pause::None => return Ok(None),
            Some(next) => next.terms.clone(),
            None if terms.is_followed() => {
                let mut next = terms.clone();
                next.advance();
                next.paid = next.paid.max(next.renewed);
                next
            }
            None => return Ok(None),
        };
        if !rulebook.statuses.row(account.status).billed {
            return Ok(None);
        }
        let due = terms.due();
        let mut next = next;
        next.begin_billing(due.succ_opt().unwrap_or(due));
        let packages = self.shared.store.recurring_purchases(loaded.row)?.into_iter();
        let again =
            packages.map(|it| ChargedAgain { purchase: it.id, title: it.package, cents: it.cents });
        let lines = falls_due(&next, None, &again.collect::<Vec<_>>());
        if lines.is_empty() {
            return Ok(None);
        }
        Ok(Some(InvoicePreview {
            due: next.due(),
            amount: Cents::new(lines.iter().map(|it| it.cents).sum())?,
            currency: next.currency,
            lines: lines.iter().map(InvoiceLine::of).collect::<Result<_, _>>()?,
        }))
    }
}

/// Brings the invoice of a plan that was chosen to another price, where it is not due and has no
/// charge yet.
fn bill_choice_again(tx: &AdminTx<'_>, plan: &str, cents: Option<i64>) -> Result<(), Error> {
    let (Some(row), Some(cents)) = (tx.write.pending_subscription(tx.loaded.row)?, cents) else {
        return Ok(());
    };
    if row.terms.plan != plan || cents == 0 {
        return Ok(());
    }
    let today = tx.today();
    let changes = |it: &crate::store::InvoiceRow| {
        it.subscription == Some(row.id)
            && Effect::of(it) == Effect::Activate
            && InvoiceStatus::of(it) == InvoiceStatus::Pending
            && it.due >= today
            && !is_fixed(it)
    };
    for mut invoice in tx.write.invoices(tx.loaded.row)?.into_iter().filter(changes) {
        let lines = tx.write.lines(invoice.id)?.into_iter();
        let lines: Vec<_> = lines.map(|line| Line { cents, ..line }).collect();
        invoice.cents = cents;
        tx.write.save_invoice(&invoice)?;
        tx.write.save_lines(&invoice, &lines)?;
    }
    Ok(tx.write.save_terms(&Subscription { price_cents: Some(cents), ..row.terms })?)
}
