//! Demonstrations that have ended, and which of them may be removed.

use rusqlite::{Connection, params};

use super::read::hash_of;
use super::{Store, Write, sqlite};
use crate::clock::{DAY_MS, Timestamp};
use crate::error::StoreError;
use crate::live::Hash128;
use crate::rules::settle::CLOCK_JUMP_MS;

/// How long before its removal a demonstration is announced as ended.
const NOTICE_MS: i64 = 7 * DAY_MS;

const DOING: &str = "looking for ended demonstrations";

/// Whether a demonstration may go: it was not paid for, and cannot be paid any more. SQL, of the
/// tenant `t`.
const MAY_BE_REMOVED: &str = "NOT EXISTS (SELECT 1 FROM invoices i WHERE i.tenant = t.id \
    AND (i.status != 'cancelled' OR i.paid_cents IS NOT NULL)) \
    AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.tenant = t.id AND s.state = 'pending') \
    AND NOT EXISTS (SELECT 1 FROM charges c WHERE c.tenant = t.id AND c.state = 'paid')";

/// A demonstration that is due for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrialRow {
    pub(crate) name: String,
    pub(crate) hash: Hash128,
}

/// How long before its removal, which is so many milliseconds (`?2`) after its end, a
/// demonstration is announced. SQL, of the tenant `t`.
fn notice() -> String {
    format!("min({NOTICE_MS}, t.demo_ends_at + ?2 - t.created_at)")
}

fn trials(
    connection: &Connection,
    condition: &str,
    now: Timestamp,
    delete_after_ms: i64,
    most: u32,
) -> Result<Vec<TrialRow>, StoreError> {
    // A clock that has run far ahead of what the tenant saw is not believed.
    let sql = format!(
        "SELECT t.name, t.hash FROM tenants t WHERE t.status = 'demo' \
         AND t.demo_ends_at IS NOT NULL AND {condition} AND t.mark > ?3 AND {MAY_BE_REMOVED} \
         ORDER BY t.demo_ends_at LIMIT ?4"
    );
    let trusted = now.plus_ms(-CLOCK_JUMP_MS);
    let mut statement = connection.prepare_cached(&sql).map_err(sqlite(DOING))?;
    let rows = statement
        .query_map(params![now.ms(), delete_after_ms, trusted.ms(), most], |row| {
            Ok(TrialRow { name: row.get(0)?, hash: hash_of(&row.get::<_, Vec<u8>>(1)?) })
        })
        .map_err(sqlite(DOING))?;
    rows.map(|row| row.map_err(sqlite(DOING))).collect()
}

impl Store {
    /// Demonstrations whose removal is to be announced at `now`, at most so many.
    pub(crate) fn trials_to_announce(
        &self,
        now: Timestamp,
        delete_after_ms: i64,
        most: u32,
    ) -> Result<Vec<TrialRow>, StoreError> {
        let due =
            format!("t.removal_announced IS NULL AND t.demo_ends_at + ?2 - {} <= ?1", notice());
        self.with(|connection| trials(connection, &due, now, delete_after_ms, most))
    }

    /// Demonstrations that are to be removed at `now`, at most so many.
    pub(crate) fn trials_to_remove(
        &self,
        now: Timestamp,
        delete_after_ms: i64,
        most: u32,
    ) -> Result<Vec<TrialRow>, StoreError> {
        // Where it was announced late, because nothing ran, the notice is given in full.
        let due = format!("t.demo_ends_at + ?2 <= ?1 AND t.removal_announced + {} <= ?1", notice());
        self.with(|connection| trials(connection, &due, now, delete_after_ms, most))
    }
}

impl Write<'_> {
    /// Whether nothing stands in the way of removing a demonstration.
    pub(crate) fn may_be_removed(&self, tenant: i64) -> Result<bool, StoreError> {
        let sql = format!("SELECT {MAY_BE_REMOVED} FROM tenants t WHERE t.id = ?1");
        self.connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_row([tenant], |row| row.get(0)))
            .map_err(sqlite(DOING))
    }

    /// How long before its removal a demonstration is announced, in milliseconds.
    pub(crate) fn notice_ms(&self, tenant: i64, delete_after_ms: i64) -> Result<i64, StoreError> {
        let sql = format!("SELECT {} FROM tenants t WHERE t.id = ?1", notice());
        self.connection
            .prepare_cached(&sql)
            .and_then(|mut statement| {
                statement.query_row(params![tenant, delete_after_ms], |row| row.get(0))
            })
            .map_err(sqlite(DOING))
    }

    /// Notes when the removal of a demonstration was announced; `None`: it is none any more.
    pub(crate) fn note_removal_announced(
        &self,
        tenant: i64,
        at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE tenants SET removal_announced = ?2 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![tenant, at.map(Timestamp::ms)]))
            .map_err(sqlite("announcing a removal"))?;
        Ok(())
    }
}
