//! Writing a tenant's snapshot.

use rusqlite::{OptionalExtension, params};

use super::open::{blob, words};
use super::{Write, sqlite};
use crate::error::StoreError;
use crate::live::Hash128;
use crate::live::snapshot::{ClaimImage, Snapshot};

const DOING: &str = "writing a checkpoint";

impl Write<'_> {
    /// Row number of a tenant and the sequence number of its last checkpoint.
    pub(crate) fn checkpointed(&self, hash: Hash128) -> Result<Option<(i64, u64)>, StoreError> {
        self.connection
            .prepare_cached("SELECT id, seq FROM tenants WHERE hash = ?1")
            .and_then(|mut statement| {
                let hash = blob([hash.high, hash.low]);
                statement.query_row([hash], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .map_err(sqlite(DOING))
    }

    /// Writes all that a snapshot holds, and how many rows that was.
    pub(crate) fn save_snapshot(&self, tenant: i64, taken: &Snapshot) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached("UPDATE tenants SET seq = ?2, mark = max(mark, ?3) WHERE id = ?1")
            .and_then(|mut statement| {
                statement.execute(params![tenant, taken.seq, taken.mark.ms()])
            })
            .map_err(sqlite(DOING))?;
        for &(resource, used) in &taken.used {
            self.save_used(tenant, resource, used)?;
        }
        for &(grant, remaining) in &taken.remaining {
            self.connection
                .prepare_cached("UPDATE grants SET remaining = ?3 WHERE tenant = ?1 AND id = ?2")
                .and_then(|mut statement| statement.execute(params![tenant, grant, remaining]))
                .map_err(sqlite(DOING))?;
        }
        self.save_changes(tenant, taken)?;
        Ok(1 + taken.used.len() + taken.remaining.len() + taken.claims.len() + taken.history.len())
    }

    /// Writes the claims and the history of a snapshot; the lane writes the rest itself.
    pub(crate) fn save_changes(&self, tenant: i64, taken: &Snapshot) -> Result<(), StoreError> {
        taken.claims.iter().try_for_each(|claim| self.save_claim(tenant, claim))?;
        for &(key, count) in &taken.history {
            self.connection
                .prepare_cached(
                    "INSERT INTO history (tenant, hour, resource, metric, count) \
                     VALUES (?1, ?2, ?3, ?4, ?5) \
                     ON CONFLICT DO UPDATE SET count = CASE \
                     WHEN count > 9223372036854775807 - excluded.count \
                     THEN 9223372036854775807 ELSE count + excluded.count END",
                )
                .and_then(|mut statement| {
                    statement.execute(params![tenant, key.hour, key.resource.0, key.metric, count])
                })
                .map_err(sqlite(DOING))?;
        }
        Ok(())
    }

    fn save_claim(&self, tenant: i64, claim: &ClaimImage) -> Result<(), StoreError> {
        if claim.meta == 0 {
            return self
                .connection
                .prepare_cached("DELETE FROM claims WHERE tenant = ?1 AND place = ?2")
                .and_then(|mut statement| statement.execute(params![tenant, claim.place]))
                .map(|_| ())
                .map_err(sqlite(DOING));
        }
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO claims VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            .and_then(|mut statement| {
                statement.execute(params![
                    tenant,
                    claim.place,
                    blob(claim.key),
                    claim.meta,
                    claim.start,
                    claim.end,
                    claim.payload.map(u64::to_be_bytes).concat(),
                ])
            })
            .map_err(sqlite(DOING))?;
        Ok(())
    }
}

/// All claims of a tenant, by rising place.
pub(super) fn load_claims(
    connection: &rusqlite::Connection,
    tenant: i64,
) -> Result<Vec<ClaimImage>, StoreError> {
    let doing = "reading claims";
    let mut statement = connection
        .prepare_cached("SELECT * FROM claims WHERE tenant = ?1 ORDER BY place")
        .map_err(sqlite(doing))?;
    statement
        .query_map([tenant], |row| {
            Ok(ClaimImage {
                place: row.get("place")?,
                key: words(&row.get::<_, Vec<u8>>("key")?),
                meta: row.get("meta")?,
                start: row.get("start")?,
                end: row.get("end")?,
                payload: words(&row.get::<_, Vec<u8>>("payload")?),
            })
        })
        .and_then(Iterator::collect)
        .map_err(sqlite(doing))
}
