//! What a new catalog calls otherwise, and who has what it takes away.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::tenants::{Overrides, corrupt};
use super::{Write, sqlite};
use crate::catalog::{Catalog, Limit, Renames, rename_key};
use crate::error::StoreError;
use crate::rules::ResourceId;

const RENAMING: &str = "renaming what a catalog calls otherwise";
const COUNTING: &str = "counting who has what a catalog takes away";

impl Write<'_> {
    /// Gives the new names to all that is kept by name: numbers stay, and what is kept by number
    /// with them.
    pub(crate) fn rename(&self, renames: &Renames) -> Result<(), StoreError> {
        for (old, new) in &renames.resources {
            self.connection
                .prepare_cached("UPDATE names SET name = ?2 WHERE kind = 'resource' AND name = ?1")
                .and_then(|mut statement| statement.execute(params![old, new]))
                .map_err(sqlite(RENAMING))?;
        }
        for (old, new) in &renames.plans {
            self.connection
                .prepare_cached(
                    "UPDATE subscriptions SET plan = ?2, terms = json_set(terms, '$.plan', ?2) \
                     WHERE plan = ?1",
                )
                .and_then(|mut statement| statement.execute(params![old, new]))
                .map_err(sqlite(RENAMING))?;
        }
        self.rename_in_overrides(renames)?;
        self.rename_in_catalogs(renames)
    }

    fn rename_in_overrides(&self, renames: &Renames) -> Result<(), StoreError> {
        let rows = self.texts("SELECT id, overrides FROM tenants")?;
        for (id, text) in rows {
            let mut overrides: Overrides =
                serde_json::from_str(&text).map_err(|_| corrupt("overrides", &text))?;
            let mut is_changed = false;
            for (old, new) in &renames.resources {
                is_changed |= rename_key(&mut overrides.limits, old, new);
            }
            for (old, new) in &renames.plans {
                is_changed |= rename_key(&mut overrides.prices, old, new);
            }
            if is_changed {
                let text = serde_json::to_string(&overrides)
                    .map_err(|error| corrupt("overrides", &error.to_string()))?;
                self.put_text("UPDATE tenants SET overrides = ?2 WHERE id = ?1", id, &text)?;
            }
        }
        Ok(())
    }

    /// Tenants keep the version of their plan, which must be found by the names of now.
    fn rename_in_catalogs(&self, renames: &Renames) -> Result<(), StoreError> {
        for (version, text) in self.texts("SELECT version, catalog FROM catalogs")? {
            let mut catalog: Catalog =
                serde_json::from_str(&text).map_err(|_| corrupt("catalog", &text))?;
            let before = catalog.clone();
            renames.apply(&mut catalog);
            if catalog != before {
                let text = serde_json::to_string(&catalog)
                    .map_err(|error| corrupt("catalog", &error.to_string()))?;
                let sql = "UPDATE catalogs SET catalog = ?2 WHERE version = ?1";
                self.put_text(sql, version, &text)?;
            }
        }
        Ok(())
    }

    fn texts(&self, sql: &str) -> Result<Vec<(i64, String)>, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                    .and_then(Iterator::collect)
            })
            .map_err(sqlite(RENAMING))
    }

    fn put_text(&self, sql: &str, id: i64, text: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params![id, text]))
            .map(|_| ())
            .map_err(sqlite(RENAMING))
    }

    /// How many tenants have a resource, and how many units of it: in their limits, used, left,
    /// reserved, or held as seats.
    pub(crate) fn have_resource(&self, resource: ResourceId) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT count(DISTINCT tenant), coalesce(sum(units), 0) FROM (
            SELECT tenant, remaining AS units FROM grants
            WHERE resource = ?1 AND ended = 0 AND remaining > 0
            UNION ALL SELECT tenant, used FROM usage WHERE resource = ?1 AND used > 0
            UNION ALL SELECT tenant, 1 FROM seats WHERE resource = ?1
            UNION ALL SELECT id, 0 FROM tenants
            WHERE status <> 'cancelled' AND json_type(limits, '$.\"' || ?1 || '\"') IS NOT NULL)";
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.query_row([resource.0], |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .map_err(sqlite(COUNTING))
    }

    /// How many tenants have a plan, wait to pay for it, or change to it.
    pub(crate) fn have_plan(&self, plan: &str) -> Result<u64, StoreError> {
        let sql = "SELECT count(DISTINCT tenant) FROM subscriptions WHERE plan = ?1 \
                   AND state IN ('active', 'pending', 'scheduled')";
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([plan], |row| row.get(0)).optional())
            .map(Option::unwrap_or_default)
            .map_err(sqlite(COUNTING))
    }

    /// How many tenants have a subscription, or an invoice that may yet be paid.
    pub(crate) fn are_billed(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM (SELECT tenant FROM subscriptions \
                   WHERE state IN ('active', 'pending', 'scheduled') UNION \
                   SELECT tenant FROM invoices WHERE status IN ('pending', 'overdue'))";
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(sqlite(COUNTING))
    }

    /// The limits in force of every tenant that has not left.
    pub(crate) fn limits_in_force(&self) -> Result<Vec<BTreeMap<ResourceId, Limit>>, StoreError> {
        let sql = "SELECT id, limits FROM tenants WHERE status <> 'cancelled'";
        let rows = self.texts(sql)?;
        let read = |(_, text): (i64, String)| {
            serde_json::from_str(&text).map_err(|_| corrupt("limits", &text))
        };
        rows.into_iter().map(read).collect()
    }
}
