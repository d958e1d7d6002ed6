//! Tenants that were erased: what the tax office wants to be kept of them, and nothing else.

use chrono::NaiveDate;
use rusqlite::{Connection, params};

use super::billing::invoices_of;
use super::{InvoiceRow, Store, Write, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;

const READING: &str = "reading what was erased";
const WRITING: &str = "erasing a tenant";

/// An erased tenant as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErasedRow {
    /// The number that it had as a tenant; its invoices still have it.
    pub(crate) tenant: i64,
    pub(crate) name: String,
    pub(crate) payer_name: String,
    pub(crate) payer_document: Option<String>,
    pub(crate) erased_at: Timestamp,
}

fn run(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<usize, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(parameters))
        .map_err(sqlite(WRITING))
}

impl Write<'_> {
    /// Keeps the payer of a tenant's invoices, if it has any.
    pub(crate) fn keep_payer(&self, erased: &ErasedRow) -> Result<(), StoreError> {
        let ErasedRow { tenant, name, payer_name, payer_document, erased_at } = erased;
        run(
            self.connection,
            "INSERT INTO erased_tenants (tenant, name, payer_name, payer_document, erased_at, \
             oldest_due) SELECT ?1, ?2, ?3, ?4, ?5, min(due) FROM invoices WHERE tenant = ?1 \
             HAVING count(*) > 0",
            params![tenant, name, payer_name, payer_document, erased_at.ms()],
        )?;
        Ok(())
    }

    /// Deletes the free text of the audit trail of a tenant.
    pub(crate) fn forget_details(&self, tenant: i64) -> Result<(), StoreError> {
        run(self.connection, "UPDATE audit SET detail = '' WHERE tenant = ?1", [tenant])?;
        Ok(())
    }

    /// Makes the invoices anonymous that were due before a day and belong to erased tenants: they
    /// lead to no one any more. Says how many.
    pub(crate) fn anonymise_invoices(&self, due_before: NaiveDate) -> Result<usize, StoreError> {
        let before = due_before.to_string();
        run(
            self.connection,
            "DELETE FROM charges WHERE invoice IN (SELECT id FROM invoices WHERE due < ?1 \
             AND tenant IN (SELECT tenant FROM erased_tenants WHERE oldest_due < ?1))",
            [&before],
        )?;
        let anonymous = run(
            self.connection,
            "UPDATE invoices SET tenant = 0, subscription = NULL, purchase = NULL \
             WHERE due < ?1 AND tenant IN (SELECT tenant FROM erased_tenants \
             WHERE oldest_due < ?1)",
            [&before],
        )?;
        run(
            self.connection,
            "UPDATE erased_tenants SET oldest_due = (SELECT min(due) FROM invoices i \
             WHERE i.tenant = erased_tenants.tenant) WHERE oldest_due < ?1",
            [&before],
        )?;
        run(self.connection, "DELETE FROM erased_tenants WHERE oldest_due IS NULL", [])?;
        Ok(anonymous)
    }
}

/// From here on what is deleted through a connection is overwritten, or not any more.
pub(crate) fn overwrite_deleted(connection: &Connection, yes: bool) -> Result<(), StoreError> {
    connection.pragma_update(None, "secure_delete", yes).map_err(sqlite(WRITING))
}

impl Store {
    /// The erased tenants whose invoices are still kept: those of one name, or all.
    pub(crate) fn erased(
        &self,
        name: Option<&str>,
    ) -> Result<Vec<(ErasedRow, Vec<InvoiceRow>)>, StoreError> {
        self.with(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT tenant, name, payer_name, payer_document, erased_at \
                     FROM erased_tenants WHERE ?1 IS NULL OR name = ?1 ORDER BY name, erased_at",
                )
                .map_err(sqlite(READING))?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok(ErasedRow {
                    tenant: row.get(0)?,
                    name: row.get(1)?,
                    payer_name: row.get(2)?,
                    payer_document: row.get(3)?,
                    erased_at: Timestamp::from_ms(row.get(4)?),
                })
            };
            let rows: Result<Vec<_>, _> =
                statement.query_map([name], read).and_then(Iterator::collect);
            let rows: Vec<ErasedRow> = rows.map_err(sqlite(READING))?;
            rows.into_iter()
                .map(|row| {
                    let invoices = invoices_of(connection, row.tenant)?;
                    Ok((row, invoices))
                })
                .collect()
        })
    }

    /// Whether invoices of erased tenants wait to be made anonymous that were due before a day, by
    /// a clock that is not far ahead of the last administrative change.
    pub(crate) fn has_invoices_to_anonymise(
        &self,
        due_before: NaiveDate,
        trusted: Timestamp,
    ) -> Result<bool, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM erased_tenants WHERE oldest_due < ?1) \
                     AND coalesce((SELECT at FROM audit ORDER BY id DESC LIMIT 1), 0) > ?2",
                )
                .and_then(|mut statement| {
                    let key = params![due_before.to_string(), trusted.ms()];
                    statement.query_row(key, |row| row.get(0))
                })
                .map_err(sqlite(READING))
        })
    }

    /// Empties the write-ahead log, as far as no reader stands in the way: what was overwritten in
    /// the database would stay readable there.
    pub(crate) fn empty_log(&self) -> Result<(), StoreError> {
        self.with(|connection| {
            connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .map_err(sqlite(WRITING))
        })
    }
}
