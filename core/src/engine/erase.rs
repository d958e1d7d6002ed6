//! Erasing a cancelled tenant (LGPD): everything personal is deleted at once. Invoices stay as long
//! as the tax office may ask for them, and are made anonymous then.

use chrono::{Datelike, NaiveDate};

use super::invoices::{Invoice, InvoiceStatus, invoice_view};
use super::{Engine, Shared};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::settle::CLOCK_JUMP_MS;
use crate::rules::{EventKind, Status, TenantEvent, calendar};
use crate::store::{
    AccountHolderRow, ErasedRow, InvoiceRow, Loaded, Sync, Write, overwrite_deleted,
};

/// What is kept of a tenant that was erased, for as long as the catalog's `fiscal_retention` says.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
pub struct ErasedAccount {
    /// The name that the tenant had.
    pub name: String,
    /// When it was erased.
    #[serde(serialize_with = "crate::json::text")]
    pub erased_at: Timestamp,
    /// Who paid.
    pub payer_name: String,
    /// The payer's CPF or CNPJ.
    pub payer_document: Option<String>,
    /// The invoices that are kept, by due date.
    pub invoices: Vec<Invoice>,
}

impl std::fmt::Debug for ErasedAccount {
    /// Says nothing personal: what is printed ends up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErasedAccount").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Engine {
    /// Erases a cancelled tenant: account holder, contacts, session keys, seats, tokens, usage and
    /// free text are deleted and overwritten, and the name is free again. Only what invoices say
    /// stays, with the payer's name and document, for the catalog's `fiscal_retention`. A tenant
    /// that owes something is refused ([`Owes`](Error::Owes)), unless `cancel_debt`: then its
    /// open invoices are cancelled. Gives their numbers. Waits for the disk.
    pub fn erase(&self, tenant: &str, cancel_debt: bool) -> Result<Vec<i64>, Error> {
        let at = self.record_or_similar(tenant)?;
        let now = self.now();
        let mut cancelled = Vec::new();
        self.shared.remove(at, tenant, |write, loaded| {
            write.set_actor(self.actor.as_deref());
            cancelled = erase(write, loaded, cancel_debt, now)?;
            Ok(true)
        })?;
        self.shared.anonymise_due(now)?;
        // The commit stands: a log that cannot be emptied now is emptied later.
        let _ = self.shared.store.empty_log();
        Ok(cancelled)
    }

    /// What is kept of erased tenants: of those of one name, or of all. Reads SQLite.
    pub fn erased_accounts(&self, name: Option<&str>) -> Result<Vec<ErasedAccount>, Error> {
        let account = |(row, invoices): (ErasedRow, Vec<InvoiceRow>)| {
            let view = |it: &InvoiceRow| {
                let lines = self.shared.store.lines(it.id)?;
                invoice_view(it, &lines, self.reference(&row.name, it))
            };
            let invoices = invoices.iter().map(view).collect::<Result<_, Error>>()?;
            Ok(ErasedAccount {
                name: row.name,
                erased_at: row.erased_at,
                payer_name: row.payer_name,
                payer_document: row.payer_document,
                invoices,
            })
        };
        self.shared.store.erased(name)?.into_iter().map(account).collect()
    }
}

impl Shared {
    /// Makes invoices of erased tenants anonymous whose time has come. Says how many.
    pub(super) fn anonymise_due(&self, now: Timestamp) -> Result<usize, Error> {
        let catalog = &self.compiled()?.catalog;
        let today = calendar::date_of(now, catalog.time_zone);
        let first_year = today.year() - catalog.fiscal_retention_years as i32;
        // Kept until the end of a year; without retention, not at all.
        let before = match catalog.fiscal_retention_years {
            0 => NaiveDate::from_ymd_opt(9_999, 12, 31),
            _ => NaiveDate::from_ymd_opt(first_year, 1, 1),
        };
        let Some(before) = before else { return Ok(0) };
        if !self.store.has_invoices_to_anonymise(before, now.plus_ms(-CLOCK_JUMP_MS))? {
            return Ok(0);
        }
        let _writer_lock = self.lock_writer()?;
        self.store.with(|connection| {
            overwrite_deleted(connection, true)?;
            let mut write = Write::begin(connection, &self.live, Sync::Full)?;
            let anonymous = write.anonymise_invoices(before)?;
            write.commit()?;
            overwrite_deleted(connection, false)?;
            Ok(anonymous)
        })
    }
}

/// Writes the erasure; gives the invoices that were cancelled for it.
fn erase(
    write: &Write<'_>,
    loaded: &Loaded,
    cancel_debt: bool,
    now: Timestamp,
) -> Result<Vec<i64>, Error> {
    if loaded.account.status != Status::Cancelled {
        let why = "only a cancelled tenant can be erased: cancel it first".to_owned();
        return Err(Error::InvalidArgument { what: "tenant", why });
    }
    let owed: Vec<InvoiceRow> = write
        .invoices(loaded.row)?
        .into_iter()
        .filter(|row| InvoiceStatus::of(row).waits())
        .collect();
    let numbers: Vec<i64> = owed.iter().map(|row| row.id).collect();
    if !owed.is_empty() && !cancel_debt {
        return Err(Error::Owes { tenant: loaded.name.clone(), invoices: numbers });
    }
    for mut row in owed {
        InvoiceStatus::Cancelled.code().clone_into(&mut row.status);
        write.save_invoice(&row)?;
    }
    let (payer_name, payer_document) = match write.account_holder(loaded.row)? {
        Some(account_holder) => (payer_of(&account_holder).to_owned(), account_holder.document),
        None => (String::new(), None),
    };
    let (tenant, name) = (loaded.row, loaded.name.clone());
    write.keep_payer(&ErasedRow { tenant, name, payer_name, payer_document, erased_at: now })?;
    write.forget_details(loaded.row)?;
    write.delete_but_invoices(loaded.row)?;
    let erased = TenantEvent { at: now, resource: None, kind: EventKind::Erased };
    write.report_removed(loaded.row, &loaded.name, &erased)?;
    write.audit(Some(loaded.row), now, "erased", &loaded.name)?;
    Ok(numbers)
}

/// The name under which an account holder pays.
fn payer_of(account_holder: &AccountHolderRow) -> &str {
    let names =
        [&account_holder.legal_name, &account_holder.trade_name, &account_holder.admin_name];
    names.into_iter().find(|name| !name.is_empty()).map_or("", String::as_str)
}
