//! The lines of invoices.

use rusqlite::{Connection, Row, params};

use super::billing::{DOING, InvoiceRow, READING, SELECT, date, invoice};
use super::{Store, Write, sqlite};
use crate::error::StoreError;
use crate::rules::{Line, LineKind};
use chrono::NaiveDate;

fn line(row: &Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line {
        kind: LineKind::from_code(&row.get::<_, String>("kind")?).unwrap_or(LineKind::Manual),
        title: row.get("title")?,
        from: date(row, "from_day")?,
        to: date(row, "to_day")?,
        cents: row.get("cents")?,
        subscription: row.get("subscription")?,
        purchase: row.get("purchase")?,
        is_final: row.get("is_final")?,
    })
}

fn lines_of(connection: &Connection, invoice: i64) -> Result<Vec<Line>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT * FROM invoice_lines WHERE invoice = ?1 ORDER BY id")
        .map_err(sqlite(READING))?;
    statement.query_map([invoice], line).and_then(Iterator::collect).map_err(sqlite(READING))
}

impl Write<'_> {
    /// The lines of an invoice, in order.
    pub(crate) fn lines(&self, invoice: i64) -> Result<Vec<Line>, StoreError> {
        lines_of(self.connection, invoice)
    }

    /// Writes the lines of an invoice in the place of those that it had.
    pub(crate) fn save_lines(&self, row: &InvoiceRow, lines: &[Line]) -> Result<(), StoreError> {
        let write = || -> rusqlite::Result<()> {
            self.connection
                .prepare_cached("DELETE FROM invoice_lines WHERE invoice = ?1")?
                .execute([row.id])?;
            for line in lines {
                self.connection
                    .prepare_cached(
                        "INSERT INTO invoice_lines (invoice, tenant, kind, title, from_day, \
                         to_day, cents, subscription, purchase, is_final) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    )?
                    .execute(params![
                        row.id,
                        row.tenant,
                        line.kind.code(),
                        line.title,
                        line.from.map(|day| day.to_string()),
                        line.to.map(|day| day.to_string()),
                        line.cents,
                        line.subscription,
                        line.purchase,
                        line.is_final,
                    ])?;
            }
            Ok(())
        };
        write().map_err(sqlite(DOING))
    }

    /// The invoices of a tenant to which what falls due on a day is added, or was.
    pub(crate) fn gathering(
        &self,
        tenant: i64,
        due: NaiveDate,
    ) -> Result<Vec<InvoiceRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!(
                "{SELECT} WHERE i.tenant = ?1 AND i.due = ?2 AND i.gathers != 0 ORDER BY i.id"
            ))
            .map_err(sqlite(READING))?;
        statement
            .query_map(params![tenant, due.to_string()], invoice)
            .and_then(Iterator::collect)
            .map_err(sqlite(READING))
    }
}

impl Store {
    /// The lines of an invoice, in order.
    pub(crate) fn lines(&self, invoice: i64) -> Result<Vec<Line>, StoreError> {
        self.with(|connection| lines_of(connection, invoice))
    }
}
