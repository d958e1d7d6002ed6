//! Automatic renewal ("Renovação automática: Sim/Não") of a subscription that exists.

use super::Engine;
use super::due_dates::bill_again;
use super::once::Operation;
use crate::error::Error;

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
            if let Some(next) = account.scheduled.as_mut() {
                next.terms.auto_renew = auto_renew;
                tx.write.save_scheduled(next)?;
            }
            // What falls due for a period that will not follow is withdrawn, or stands again.
            bill_again(tx)?;
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
