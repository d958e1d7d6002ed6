//! The audit trail: what was changed manually, when, and why.

use rusqlite::params;

use super::{Store, Write, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;

/// An entry of the trail as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrailRow {
    pub(crate) id: i64,
    pub(crate) at: Timestamp,
    /// `None`: it is about all tenants.
    pub(crate) tenant: Option<String>,
    pub(crate) what: String,
    pub(crate) detail: String,
    /// `None`: a process of this machine.
    pub(crate) actor: Option<String>,
}

impl Write<'_> {
    /// Notes an administrative change.
    pub(crate) fn audit(
        &self,
        tenant: Option<i64>,
        at: Timestamp,
        what: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO audit (tenant, at, what, detail, actor) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut statement| {
                statement.execute(params![tenant, at.ms(), what, detail, self.actor()])
            })
            .map_err(sqlite("writing the audit trail"))?;
        Ok(())
    }
}

impl Store {
    /// The latest entries, the latest first: of one tenant, or of all.
    pub(crate) fn trail(&self, tenant: Option<i64>, max: u32) -> Result<Vec<TrailRow>, StoreError> {
        self.with(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT a.id, a.at, t.name, a.what, a.detail, a.actor FROM audit a \
                     LEFT JOIN tenants t ON t.id = a.tenant \
                     WHERE ?1 IS NULL OR a.tenant = ?1 ORDER BY a.id DESC LIMIT ?2",
                )
                .map_err(sqlite(READING))?;
            let entry = |row: &rusqlite::Row<'_>| {
                Ok(TrailRow {
                    id: row.get(0)?,
                    at: Timestamp::from_ms(row.get(1)?),
                    tenant: row.get(2)?,
                    what: row.get(3)?,
                    detail: row.get(4)?,
                    actor: row.get(5)?,
                })
            };
            statement
                .query_map(params![tenant, max], entry)
                .and_then(Iterator::collect)
                .map_err(sqlite(READING))
        })
    }
}

const READING: &str = "reading the audit trail";
