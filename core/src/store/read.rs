//! What reports read.

use std::ops::Range;

use rusqlite::{Connection, params};

use super::checkpoint::load_entries;
use super::tenants::{Loaded, load_tenant};
use super::{Store, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::live::Hash128;
use crate::live::history::HistoryKey;
use crate::live::snapshot::EntryImage;
use crate::rules::ResourceId;

const DOING: &str = "reading for a report";

/// A tenant in a list.
#[derive(Clone, Debug)]
pub(crate) struct TenantRow {
    pub(crate) name: String,
    pub(crate) hash: Hash128,
}

/// Usage of one hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryRow {
    pub(crate) key: HistoryKey,
    pub(crate) count: u64,
}

/// A closed period.
#[derive(Clone, Debug)]
pub(crate) struct PeriodRow {
    pub(crate) period: u64,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) renewed: bool,
    pub(crate) used: Vec<(ResourceId, u64)>,
}

pub(super) fn hash_of(blob: &[u8]) -> Hash128 {
    let [high, low] = super::open::words(blob);
    Hash128 { low, high }
}

pub(super) fn rows<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn rusqlite::ToSql],
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(sqlite(DOING))?;
    statement.query_map(parameters, read).and_then(Iterator::collect).map_err(sqlite(DOING))
}

impl Store {
    /// All tenants by name.
    pub(crate) fn tenants(&self) -> Result<Vec<TenantRow>, StoreError> {
        self.with(|connection| {
            rows(connection, "SELECT name, hash FROM tenants ORDER BY name", &[], |row| {
                Ok(TenantRow { name: row.get(0)?, hash: hash_of(&row.get::<_, Vec<u8>>(1)?) })
            })
        })
    }

    /// The names of tenants after `after` in order, at most `most`.
    pub(crate) fn tenants_after(&self, after: &str, most: u32) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM tenants WHERE name > ?1 ORDER BY name LIMIT ?2";
        self.with(|connection| rows(connection, sql, &[&after, &most], |row| row.get(0)))
    }

    /// The names next to `name` in order, of which one is probably meant where it is mistyped. A
    /// bounded number: it costs the same with any number of tenants.
    pub(crate) fn tenants_beside(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM (SELECT name FROM tenants WHERE name < ?1 \
                   ORDER BY name DESC LIMIT 100) UNION ALL SELECT name FROM \
                   (SELECT name FROM tenants WHERE name > ?1 ORDER BY name LIMIT 100)";
        self.with(|connection| rows(connection, sql, &[&name], |row| row.get(0)))
    }

    /// Tenants whose settlement is due at `now`, the longest overdue first, at most `most`.
    pub(crate) fn due_tenants(
        &self,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<Hash128>, StoreError> {
        let sql = "SELECT hash FROM tenants WHERE valid_until <= ?1 \
                   AND mark > ?2 ORDER BY valid_until LIMIT ?3";
        let trusted = now.plus_ms(-crate::rules::settle::CLOCK_JUMP_MS);
        self.with(|connection| {
            rows(connection, sql, &[&now.ms(), &trusted.ms(), &most], |row| {
                Ok(hash_of(&row.get::<_, Vec<u8>>(0)?))
            })
        })
    }

    /// Whether settling a tenant may write an invoice: its plan costs something, now or next, or
    /// something is charged with every due date.
    pub(crate) fn has_invoices_to_come(&self, tenant: Hash128) -> Result<bool, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM tenants t JOIN subscriptions s \
                     ON s.tenant = t.id WHERE t.hash = ?1 AND s.state != 'cancelled' \
                     AND coalesce(s.terms ->> 'price_cents', 0) > 0) \
                     OR EXISTS (SELECT 1 FROM tenants t JOIN purchases p ON p.tenant = t.id \
                     WHERE t.hash = ?1 AND p.recurring = 1 AND p.ended_at IS NULL)",
                )
                .and_then(|mut statement| {
                    let hash = super::open::blob([tenant.high, tenant.low]);
                    statement.query_row([hash], |row| row.get(0))
                })
                .map_err(sqlite(DOING))
        })
    }

    /// The names of demonstrations that have ended at `now`, sorted.
    pub(crate) fn ended_demos(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM tenants WHERE status = 'demo' AND demo_ends_at <= ?1 \
                   ORDER BY name";
        self.with(|connection| rows(connection, sql, &[&now.ms()], |row| row.get(0)))
    }

    /// A tenant as of its last checkpoint.
    pub(crate) fn load_tenant(&self, hash: Hash128) -> Result<Option<Loaded>, StoreError> {
        self.with(|connection| load_tenant(connection, hash))
    }

    /// Calls `restore` with every tenant and its entries, in the order of creation.
    pub(crate) fn for_each_tenant<E: From<StoreError>>(
        &self,
        mut restore: impl FnMut(Hash128, Loaded, Vec<EntryImage>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.with(|connection| {
            let hashes = rows(connection, "SELECT hash FROM tenants ORDER BY id", &[], |row| {
                Ok(hash_of(&row.get::<_, Vec<u8>>(0)?))
            })?;
            for hash in hashes {
                if let Some(loaded) = load_tenant(connection, hash)? {
                    let entries = load_entries(connection, loaded.row)?;
                    restore(hash, loaded, entries)?;
                }
            }
            Ok(())
        })
    }

    /// Entries of a tenant, as of its last checkpoint.
    pub(crate) fn entries(&self, tenant: i64) -> Result<Vec<EntryImage>, StoreError> {
        self.with(|connection| load_entries(connection, tenant))
    }

    /// Recorded usage of a tenant between two hours, the second not included.
    pub(crate) fn history(
        &self,
        tenant: i64,
        hours: Range<u32>,
    ) -> Result<Vec<HistoryRow>, StoreError> {
        let sql = "SELECT hour, resource, metric, count FROM history WHERE tenant = ?1 \
                   AND hour >= ?2 AND hour < ?3 ORDER BY hour, resource, metric";
        self.with(|connection| {
            rows(connection, sql, params![tenant, hours.start, hours.end], |row| {
                let key = HistoryKey {
                    hour: row.get(0)?,
                    resource: ResourceId(row.get(1)?),
                    metric: row.get(2)?,
                };
                Ok(HistoryRow { key, count: row.get(3)? })
            })
        })
    }

    /// Closed periods of a tenant, oldest first.
    pub(crate) fn periods(&self, tenant: i64) -> Result<Vec<PeriodRow>, StoreError> {
        let usage = "SELECT resource, used FROM period_usage WHERE tenant = ?1 AND period = ?2";
        self.with(|connection| {
            let sql = "SELECT period, start, end, renewed FROM periods WHERE tenant = ?1 \
                       ORDER BY period";
            let mut periods = rows(connection, sql, params![tenant], |row| {
                Ok(PeriodRow {
                    period: row.get(0)?,
                    start: Timestamp::from_ms(row.get(1)?),
                    end: Timestamp::from_ms(row.get(2)?),
                    renewed: row.get(3)?,
                    used: Vec::new(),
                })
            })?;
            for period in &mut periods {
                period.used = rows(connection, usage, params![tenant, period.period], |row| {
                    Ok((ResourceId(row.get(0)?), row.get(1)?))
                })?;
            }
            Ok(periods)
        })
    }
}
