//! What was counted of all tenants together, as long as the database has existed: it only grows,
//! also where tenants are deleted.

use std::collections::BTreeMap;

use rusqlite::params;

use super::{Store, Write, sqlite};
use crate::error::StoreError;
use crate::live::history::HistoryKey;
use crate::rules::ResourceId;

/// The metric of periods that were closed; the others are those of the history.
pub(crate) const PERIODS: u8 = 65;

/// What one transaction adds, by metric and resource: one row each, whatever the number of tenants.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals(BTreeMap<(u8, ResourceId), u64>);

/// A sum over all tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TotalRow {
    pub(crate) metric: u8,
    pub(crate) resource: ResourceId,
    pub(crate) count: u64,
}

impl Totals {
    fn add(&mut self, metric: u8, resource: ResourceId, count: u64) {
        let sum = self.0.entry((metric, resource)).or_default();
        *sum = sum.saturating_add(count);
    }
}

impl Write<'_> {
    /// Counts what is added to a tenant's history.
    pub(super) fn total_history(&self, key: HistoryKey, count: u64) {
        self.totals.borrow_mut().add(key.metric, key.resource, count);
    }

    /// Counts a period that is closed.
    pub(super) fn total_period(&self) {
        self.totals.borrow_mut().add(PERIODS, ResourceId::NONE, 1);
    }

    /// Writes what was counted, with the rest of the transaction.
    pub(super) fn save_totals(&self) -> Result<(), StoreError> {
        let Totals(sums) = self.totals.take();
        for ((metric, resource), count) in sums {
            let count = count.min(i64::MAX.cast_unsigned());
            self.connection
                .prepare_cached(
                    "INSERT INTO totals (metric, resource, count) VALUES (?1, ?2, ?3) \
                     ON CONFLICT DO UPDATE SET count = CASE \
                     WHEN count > 9223372036854775807 - excluded.count \
                     THEN 9223372036854775807 ELSE count + excluded.count END",
                )
                .and_then(|mut statement| statement.execute(params![metric, resource.0, count]))
                .map_err(sqlite("writing totals"))?;
        }
        Ok(())
    }
}

impl Store {
    /// All sums.
    pub(crate) fn totals(&self) -> Result<Vec<TotalRow>, StoreError> {
        self.with(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT metric, resource, count FROM totals ORDER BY 1, 2")
                .map_err(sqlite("reading totals"))?;
            let row = |row: &rusqlite::Row<'_>| {
                let resource = ResourceId(row.get(1)?);
                Ok(TotalRow { metric: row.get(0)?, resource, count: row.get(2)? })
            };
            statement
                .query_map([], row)
                .and_then(Iterator::collect)
                .map_err(sqlite("reading totals"))
        })
    }
}
