//! Writing a tenant's snapshot.

use rusqlite::{OptionalExtension, params};

use super::open::{blob, words};
use super::{Write, sqlite};
use crate::error::StoreError;
use crate::live::Hash128;
use crate::live::history::HistoryKey;
use crate::live::snapshot::{CounterImage, EntryImage, Snapshot};
use crate::rules::Usage;

const DOING: &str = "writing a checkpoint";

impl Write<'_> {
    /// Row number of a tenant and the sequence number of its last checkpoint. It is looked for at
    /// `row` first, where it probably is.
    pub(crate) fn checkpointed(
        &self,
        row: i64,
        hash: Hash128,
    ) -> Result<Option<(i64, u64)>, StoreError> {
        let hash = blob([hash.high, hash.low]);
        let sql = "SELECT id, seq FROM tenants WHERE id = ?1 AND hash = ?2";
        let found = self.connection.prepare_cached(sql).and_then(|mut statement| {
            statement.query_row(params![row, hash], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        });
        match found.map_err(sqlite(DOING))? {
            Some(found) => Ok(Some(found)),
            None => self.checkpointed_by_hash(hash),
        }
    }

    fn checkpointed_by_hash(&self, hash: Vec<u8>) -> Result<Option<(i64, u64)>, StoreError> {
        self.connection
            .prepare_cached("SELECT id, seq FROM tenants WHERE hash = ?1")
            .and_then(|mut statement| {
                statement.query_row([hash], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .map_err(sqlite(DOING))
    }

    /// Writes all that a snapshot holds, and how many rows that was.
    pub(crate) fn save_snapshot(&self, tenant: i64, taken: &Snapshot) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached("UPDATE tenants SET seq = ?2, mark = max(mark, ?3) WHERE id = ?1")
            .and_then(|mut statement| {
                statement.execute(params![tenant, taken.seq, taken.high_water_mark.ms()])
            })
            .map_err(sqlite(DOING))?;
        for image in &taken.counters {
            self.save_counters(tenant, image)?;
        }
        for &(grant, remaining) in &taken.remaining {
            self.connection
                .prepare_cached("UPDATE grants SET remaining = ?3 WHERE tenant = ?1 AND id = ?2")
                .and_then(|mut statement| statement.execute(params![tenant, grant, remaining]))
                .map_err(sqlite(DOING))?;
        }
        self.save_changes(tenant, taken)?;
        let Snapshot { counters, remaining, entries, history, events, .. } = taken;
        let of_counters = counters.len() + remaining.len();
        Ok(1 + of_counters + entries.len() + history.len() + events.len())
    }

    fn save_counters(&self, tenant: i64, image: &CounterImage) -> Result<(), StoreError> {
        let Usage { used, beyond } = image.usage;
        // What has gone back to nothing may have a row that says otherwise.
        if image.is_blank() {
            return self
                .connection
                .prepare_cached(
                    "UPDATE usage SET used = 0, beyond = 0, next_event = NULL \
                     WHERE tenant = ?1 AND resource = ?2",
                )
                .and_then(|mut statement| statement.execute(params![tenant, image.resource.0]))
                .map(|_| ())
                .map_err(sqlite(DOING));
        }
        self.connection
            .prepare_cached(
                "INSERT INTO usage (tenant, resource, used, beyond, next_event) \
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET used = excluded.used, \
                 beyond = excluded.beyond, next_event = excluded.next_event",
            )
            .and_then(|mut statement| {
                let next_event = stored_next(image.next_event);
                statement.execute(params![tenant, image.resource.0, used, beyond, next_event])
            })
            .map_err(sqlite(DOING))?;
        Ok(())
    }

    /// Writes the entries, the history and the events of a snapshot; the admin transaction writes
    /// the rest itself.
    pub(crate) fn save_changes(&self, tenant: i64, taken: &Snapshot) -> Result<(), StoreError> {
        taken.entries.iter().try_for_each(|entry| self.save_entry(tenant, entry))?;
        for (number, image) in &taken.events {
            self.save_event(tenant, *number, image)?;
        }
        if !taken.events.is_empty() {
            self.connection
                .prepare_cached("UPDATE tenants SET next_event = ?2 WHERE id = ?1")
                .and_then(|mut statement| statement.execute(params![tenant, taken.next_event]))
                .map_err(sqlite(DOING))?;
        }
        taken.history.iter().try_for_each(|&(key, count)| self.record_history(tenant, key, count))
    }

    /// Adds to a tenant's history.
    pub(crate) fn record_history(
        &self,
        tenant: i64,
        key: HistoryKey,
        count: u64,
    ) -> Result<(), StoreError> {
        self.total_history(key, count);
        self.connection
            .prepare_cached(
                "INSERT INTO history (tenant, hour, resource, metric, count) \
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET count = CASE \
                 WHEN count > 9223372036854775807 - excluded.count \
                 THEN 9223372036854775807 ELSE count + excluded.count END",
            )
            .and_then(|mut statement| {
                statement.execute(params![tenant, key.hour, key.resource.0, key.metric, count])
            })
            .map_err(sqlite(DOING))?;
        Ok(())
    }

    /// Writes the first word of an entry that the change under way gives another state.
    pub(crate) fn save_entry_meta(
        &self,
        tenant: i64,
        index: u32,
        meta: u64,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE claims SET meta = ?3 WHERE tenant = ?1 AND place = ?2")
            .and_then(|mut statement| statement.execute(params![tenant, index, meta]))
            .map_err(sqlite(DOING))?;
        Ok(())
    }

    /// The first word of an entry.
    pub(crate) fn entry_meta(&self, tenant: i64, index: u32) -> Result<Option<u64>, StoreError> {
        self.connection
            .prepare_cached("SELECT meta FROM claims WHERE tenant = ?1 AND place = ?2")
            .and_then(|mut statement| {
                statement.query_row(params![tenant, index], |row| row.get(0)).optional()
            })
            .map_err(sqlite(DOING))
    }

    fn save_entry(&self, tenant: i64, entry: &EntryImage) -> Result<(), StoreError> {
        if entry.meta == 0 {
            return self
                .connection
                .prepare_cached("DELETE FROM claims WHERE tenant = ?1 AND place = ?2")
                .and_then(|mut statement| statement.execute(params![tenant, entry.index]))
                .map(|_| ())
                .map_err(sqlite(DOING));
        }
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO claims VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            .and_then(|mut statement| {
                statement.execute(params![
                    tenant,
                    entry.index,
                    blob(entry.key),
                    entry.meta,
                    entry.start,
                    entry.end,
                    entry.payload.map(u64::to_be_bytes).concat(),
                ])
            })
            .map_err(sqlite(DOING))?;
        Ok(())
    }
}

/// The units of the next event as a row keeps them; `None`: there is none.
pub(super) fn stored_next(next: u64) -> Option<u64> {
    Some(next).filter(|&next| i64::try_from(next).is_ok())
}

/// All entries of a tenant, by rising place.
pub(super) fn load_entries(
    connection: &rusqlite::Connection,
    tenant: i64,
) -> Result<Vec<EntryImage>, StoreError> {
    let doing = "reading entries";
    let mut statement = connection
        .prepare_cached("SELECT * FROM claims WHERE tenant = ?1 ORDER BY place")
        .map_err(sqlite(doing))?;
    statement
        .query_map([tenant], |row| {
            Ok(EntryImage {
                index: row.get("place")?,
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
