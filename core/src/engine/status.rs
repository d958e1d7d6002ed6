//! The life of an account: its status, who changed it, and why.

use super::admin_tx::AdminTx;
use super::invoices::{Effect, InvoiceStatus};
use super::once::Operation;
use super::{Engine, due_dates};
use crate::error::Error;
use crate::rules::settle::{close_period, grant_plan};
use crate::rules::{DEBT, EventKind, Status, Subscription, TenantEvent};
use crate::store::InvoiceRow;

impl Engine {
    /// Moves a tenant to another status, giving a reason. A move that the table of Helena
    /// (docs/sources.md) does not have needs `as_operator`, which the audit trail notes. A tenant
    /// that becomes liable to pay is billed for the present period; one that is cancelled is billed
    /// no more. Waits for the disk.
    pub fn set_status(
        &self,
        tenant: &str,
        status: Status,
        reason: &str,
        as_operator: bool,
    ) -> Result<(), Error> {
        if reason.len() > super::KEY_BYTES_MAX {
            let (bytes, most) = (reason.len(), super::KEY_BYTES_MAX);
            let why = format!("it has {bytes} bytes; {most} at most are allowed");
            return Err(Error::InvalidArgument { what: "reason", why });
        }
        let operation = Operation::new("set_status", None, &(status, reason, as_operator));
        self.change_once(tenant, &operation, |tx| {
            let from = tx.loaded.account.status;
            if from == status {
                return Ok(());
            }
            if !from.may_become(status) && !as_operator {
                return Err(Error::Transition { from, to: status });
            }
            if from == Status::Cancelled {
                entry_document(tx)?;
            }
            change_status(tx, status, reason, as_operator)
        })
    }
}

/// Another tenant may have registered with the document of a tenant while it was cancelled.
fn entry_document(tx: &AdminTx<'_>) -> Result<(), Error> {
    let document = tx.write.account_holder(tx.loaded.row)?.and_then(|it| it.document);
    match document {
        Some(document) if tx.write.document_is_taken(&document)? => Err(Error::DocumentInUse),
        _ => Ok(()),
    }
}

/// Puts a status in force with what follows from it: a tenant that becomes liable to pay is billed
/// for the present period; one that is cancelled is billed no more.
pub(super) fn change_status(
    tx: &mut AdminTx<'_>,
    to: Status,
    reason: &str,
    as_operator: bool,
) -> Result<(), Error> {
    let from = tx.loaded.account.status;
    become_status(tx, to, reason, as_operator)?;
    let statuses = &tx.compiled.rulebook.statuses;
    let (was_billed, is_billed) = (statuses.row(from).billed, statuses.row(to).billed);
    match (from, to) {
        (_, Status::Cancelled) => due_dates::cancel_tenant(tx, was_billed),
        (Status::Cancelled, _) => due_dates::resume_cancelled(tx),
        _ if is_billed && !was_billed => bill_present_period(tx),
        _ => Ok(()),
    }
}

/// Puts a status in force, and reports it.
pub(super) fn become_status(
    tx: &mut AdminTx<'_>,
    to: Status,
    reason: &str,
    as_operator: bool,
) -> Result<(), Error> {
    let from = tx.loaded.account.status;
    tx.loaded.account.status = to;
    if matches!(from, Status::Demo | Status::Onboarding) {
        end_trial(tx, from, to)?;
    }
    reason.clone_into(&mut tx.loaded.status_reason);
    tx.loaded.account.for_debt = reason == DEBT;
    let kind = EventKind::StatusChanged { from, to };
    tx.events.push(TenantEvent { at: tx.now, resource: None, kind });
    let detail = detail(from, to, reason, as_operator);
    Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "status", &detail)?)
}

/// A trial is over. A tenant that is billed from here on begins a new period at this instant: what
/// was used of the trial's is not charged to it. Seats, extras and the due date stay.
fn end_trial(tx: &mut AdminTx<'_>, from: Status, to: Status) -> Result<(), Error> {
    tx.write.note_removal_announced(tx.loaded.row, None)?;
    let rules = &tx.compiled.rulebook;
    let (was_billed, is_billed) = (rules.statuses.row(from).billed, rules.statuses.row(to).billed);
    let account = &mut tx.loaded.account;
    let has_period = account.subscription.as_ref().is_some_and(Subscription::has_period);
    if was_billed || !is_billed || !has_period || account.period_start == tx.now {
        return Ok(());
    }
    let closed = close_period(account, rules, tx.now, false);
    grant_plan(account, rules, tx.now);
    Ok(tx.write.save_period(tx.loaded.row, &closed)?)
}

/// A change of status as the audit trail has it.
pub(super) fn detail(from: Status, to: Status, reason: &str, as_operator: bool) -> String {
    let by = if as_operator { " (operator)" } else { "" };
    format!("{} -> {}{by}: {reason}", from.code(), to.code())
}

/// The tenant is billed from now on: no line covers days before. A period that a payment began is
/// paid already.
fn bill_present_period(tx: &mut AdminTx<'_>) -> Result<(), Error> {
    let today = tx.today();
    let account = &mut tx.loaded.account;
    let Some(terms) = account.subscription.as_mut().filter(|it| it.has_period()) else {
        return Ok(());
    };
    let began_by_payment = |it: &InvoiceRow| {
        it.subscription == Some(terms.id)
            && Effect::of(it) == Effect::Activate
            && InvoiceStatus::of(it) == InvoiceStatus::Paid
    };
    let is_paid =
        terms.renewed == 0 && tx.write.invoices(tx.loaded.row)?.iter().any(began_by_payment);
    if !is_paid {
        terms.begin_billing(today);
    }
    let terms = terms.clone();
    due_dates::bill_beginning(tx.write, tx.loaded.row, &terms, is_paid)
}
