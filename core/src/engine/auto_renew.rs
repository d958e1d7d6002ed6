//! Automatic renewal ("Renovação automática: Sim/Não") of a subscription that exists.

use super::Engine;
use super::admin_tx::AdminTx;
use super::invoices::{self, Effect, InvoiceStatus};
use super::once::Operation;
use crate::catalog::RenewOn;
use crate::error::Error;
use crate::rules::Subscription;
use crate::rules::settle::Begun;
use crate::store::InvoiceRow;

impl Engine {
    /// Switches automatic renewal of a tenant's subscription on or off. The present period goes on
    /// to its end either way: nothing is used, granted or begun. A plan that is scheduled follows.
    /// Where a period is paid in advance, the invoice of the period that will not follow is
    /// cancelled if it was not paid, and written again with the renewal. One that has lapsed cannot
    /// be switched on: its next period begins with a plan. Says whether it was otherwise before.
    /// Waits for the disk.
    pub fn set_auto_renew(&self, tenant: &str, auto_renew: bool) -> Result<bool, Error> {
        let operation = Operation::new("set_auto_renew", None, &auto_renew);
        self.change_once(tenant, &operation, |tx| {
            let account = &mut tx.loaded.account;
            let none = || Error::NoSubscription(tenant.to_owned());
            let terms = account.subscription.as_mut().ok_or_else(none)?;
            if auto_renew && terms.lapsed {
                return Err(has_lapsed());
            }
            let was_otherwise = terms.auto_renew != auto_renew;
            terms.auto_renew = auto_renew;
            let present = terms.clone();
            if let Some(next) = account.scheduled.as_mut() {
                next.terms.auto_renew = auto_renew;
                tx.write.save_scheduled(next)?;
            }
            if was_otherwise && tx.loaded.account.scheduled.is_none() {
                bill_next_period(tx, &present)?;
            }
            let detail = if auto_renew { "on" } else { "off" };
            tx.write.audit(Some(tx.loaded.row), tx.now, "auto-renewal", detail)?;
            Ok(was_otherwise)
        })
    }
}

fn has_lapsed() -> Error {
    let why = "it has lapsed; change the plan to begin a new period".to_owned();
    Error::InvalidArgument { what: "subscription", why }
}

/// Where a renewal waits for its payment, its invoice exists only if the renewal may come.
fn bill_next_period(tx: &mut AdminTx<'_>, terms: &Subscription) -> Result<(), Error> {
    if terms.renew_on != RenewOn::Payment {
        return Ok(());
    }
    if !terms.auto_renew {
        return invoices::cancel_plan_invoices(tx, terms.id);
    }
    let begun = Begun::of(terms, tx.loaded.account.status, &tx.compiled.rulebook);
    let stands = |it: &InvoiceRow| {
        let of_period = it.subscription == Some(terms.id) && it.due == begun.due;
        let is_plans = Effect::of(it) == Effect::Renew;
        of_period && is_plans && InvoiceStatus::of(it) != InvoiceStatus::Cancelled
    };
    if tx.write.invoices(tx.loaded.row)?.iter().any(stands) {
        return Ok(());
    }
    invoices::bill_plan(tx.write, tx.loaded, &begun)
}
