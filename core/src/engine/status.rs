//! The life of an account: its status, who changed it, and why.

use super::Engine;
use super::invoices::{self, bill_period};
use super::lane::Work;
use super::once::Verb;
use crate::error::Error;
use crate::rules::settle::Begun;
use crate::rules::{EventKind, Happening, Status};

impl Engine {
    /// Moves a tenant to another status, giving a reason. A move that the table of `seed 001`
    /// does not have needs `as_operator`, which the audit trail notes. Whoever becomes liable to
    /// pay is billed for the present period; whoever is cancelled is billed no more. Waits for the
    /// disk.
    pub fn set_status(
        &self,
        tenant: &str,
        status: Status,
        reason: &str,
        as_operator: bool,
    ) -> Result<(), Error> {
        if reason.len() > super::KEY_BYTES_MAX {
            let why = format!("it has {} bytes, more than {}", reason.len(), super::KEY_BYTES_MAX);
            return Err(Error::InvalidArgument { what: "reason", why });
        }
        let verb = Verb::new("set_status", None, &(status, reason, as_operator));
        self.change_once(tenant, &verb, |work| {
            let from = work.loaded.account.status;
            if from == status {
                return Ok(());
            }
            if !from.may_become(status) && !as_operator {
                return Err(Error::Transition { from, to: status });
            }
            become_status(work, status, reason, as_operator)?;
            let statuses = &work.compiled.rulebook.statuses;
            let (was_billed, is_billed) = (statuses.row(from).billed, statuses.row(status).billed);
            if is_billed && !was_billed {
                bill_present_period(work)?;
            }
            if status == Status::Cancelled {
                invoices::cancel_those_to_come(work, None)?;
            }
            Ok(())
        })
    }
}

/// Puts a status in force, and says so to whoever wants to know.
pub(super) fn become_status(
    work: &mut Work<'_>,
    to: Status,
    reason: &str,
    as_operator: bool,
) -> Result<(), Error> {
    let from = work.loaded.account.status;
    work.loaded.account.status = to;
    reason.clone_into(&mut work.loaded.status_reason);
    let kind = EventKind::StatusChanged { from, to };
    work.happened.push(Happening { at: work.now, resource: None, kind });
    let by = if as_operator { " (operator)" } else { "" };
    let detail = format!("{} -> {}{by}: {reason}", from.code(), to.code());
    Ok(work.write.audit(Some(work.loaded.row), work.now, "status", &detail)?)
}

/// The invoice that is due with the present period, unless it exists: there is none where the
/// period began while nobody was billed.
fn bill_present_period(work: &mut Work<'_>) -> Result<(), Error> {
    let Some(terms) = work.loaded.account.subscription.as_ref().filter(|it| !it.lapsed) else {
        return Ok(());
    };
    let begun = Begun::of(terms);
    let invoices = work.write.invoices(work.loaded.row)?;
    if invoices.iter().any(|it| it.subscription == Some(terms.id) && it.due == begun.due) {
        return Ok(());
    }
    bill_period(work.write, work.loaded, &work.compiled.rulebook, &begun)
}
