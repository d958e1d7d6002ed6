//! The outbox: what happened, in the order in which it became known, until it is acknowledged.

use rusqlite::{Row, params};

use super::{Store, Write, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::live::events::EventImage;
use crate::rules::{EventKind, REMOVAL_ANNOUNCED, ResourceId, StoredEvent, TenantEvent};

const DOING: &str = "writing to the outbox";

/// An event in the outbox.
#[derive(Clone, Debug)]
pub(crate) struct EventRow {
    pub(crate) sequence: u64,
    pub(crate) tenant: String,
    pub(crate) event: TenantEvent,
}

/// The columns of an event `d` of the tenant `t`, in the outbox or on its way to a webhook.
pub(super) const EVENT_COLUMNS: &str = "d.sequence, coalesce(t.name, d.removed_tenant, '') AS \
     tenant_name, d.at, d.resource, d.kind, d.percent, d.first, d.second, d.text";

/// An event out of its columns.
pub(super) fn event_row(row: &Row<'_>) -> rusqlite::Result<Result<EventRow, StoreError>> {
    let stored = StoredEvent {
        kind: row.get("kind")?,
        percent: row.get("percent")?,
        first: row.get::<_, i64>("first")?.cast_unsigned(),
        second: row.get::<_, i64>("second")?.cast_unsigned(),
        text: row.get("text")?,
    };
    let number = stored.kind;
    let at = Timestamp::from_ms(row.get("at")?);
    let resource = row.get::<_, Option<u16>>("resource")?.map(ResourceId);
    let (sequence, tenant) = (row.get("sequence")?, row.get("tenant_name")?);
    let Some(kind) = EventKind::from_stored(stored) else {
        let (what, value) = ("kind of event", number.to_string());
        return Ok(Err(StoreError::Corrupt { what, value }));
    };
    Ok(Ok(EventRow { sequence, tenant, event: TenantEvent { at, resource, kind } }))
}

impl Write<'_> {
    /// Adds an event out of the live file. One that is there already is left as it is.
    pub(super) fn save_event(
        &self,
        tenant: i64,
        number: u64,
        image: &EventImage,
    ) -> Result<(), StoreError> {
        let stored = StoredEvent {
            kind: image.kind,
            percent: image.percent,
            first: image.first,
            second: image.second,
            text: String::new(),
        };
        let resource = Some(image.resource).filter(|&it| it != ResourceId::NONE);
        self.insert_event(tenant, Some(number), image.at, resource, &stored)
    }

    /// Adds what happened to no tenant that is known.
    pub(crate) fn report_without_tenant(&self, event: &TenantEvent) -> Result<(), StoreError> {
        self.emit(0, event)
    }

    /// Adds what the change under way makes happen.
    pub(crate) fn emit(&self, tenant: i64, event: &TenantEvent) -> Result<(), StoreError> {
        let TenantEvent { at, resource, kind } = event;
        self.insert_event(tenant, None, *at, *resource, &kind.to_stored())
    }

    fn insert_event(
        &self,
        tenant: i64,
        number: Option<u64>,
        at: Timestamp,
        resource: Option<ResourceId>,
        stored: &StoredEvent,
    ) -> Result<(), StoreError> {
        let StoredEvent { kind, percent, first, second, text } = stored;
        self.connection
            .prepare_cached(
                "INSERT INTO outbox (tenant, number, at, resource, kind, percent, first, second, \
                 text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    tenant,
                    number,
                    at.ms(),
                    resource.map(|resource| resource.0),
                    kind,
                    percent,
                    first.cast_signed(),
                    second.cast_signed(),
                    text,
                ])
            })
            .map_err(sqlite(DOING))?;
        Ok(())
    }

    /// Forgets the events of a tenant that is about to be removed, but for the announcement.
    pub(super) fn forget_events(&self, tenant: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM outbox WHERE tenant = ?1 AND kind != ?2")
            .and_then(|mut statement| statement.execute(params![tenant, REMOVAL_ANNOUNCED]))
            .map_err(sqlite(DOING))?;
        self.connection
            .prepare_cached(
                "UPDATE outbox SET removed_tenant = (SELECT name FROM tenants t \
                 WHERE t.id = outbox.tenant) WHERE tenant = ?1",
            )
            .and_then(|mut statement| statement.execute([tenant]))
            .map_err(sqlite(DOING))?;
        self.forget_deliveries(tenant, REMOVAL_ANNOUNCED)
    }

    /// Adds the last event of a tenant, which has been removed.
    pub(crate) fn report_removed(
        &self,
        tenant: i64,
        name: &str,
        event: &TenantEvent,
    ) -> Result<(), StoreError> {
        self.emit(tenant, event)?;
        self.connection
            .prepare_cached("UPDATE outbox SET removed_tenant = ?2 WHERE tenant = ?1")
            .and_then(|mut statement| statement.execute(params![tenant, name]))
            .map_err(sqlite(DOING))?;
        Ok(())
    }

    /// Forgets events up to and including one; says how many.
    pub(crate) fn acknowledge(&self, up_to: u64) -> Result<usize, StoreError> {
        let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
        self.connection
            .prepare_cached("DELETE FROM outbox WHERE sequence <= ?1")
            .and_then(|mut statement| statement.execute([up_to]))
            .map_err(sqlite("acknowledging events"))
    }
}

impl Store {
    /// Events after a sequence number, at most so many.
    pub(crate) fn events(&self, after: u64, most: u32) -> Result<Vec<EventRow>, StoreError> {
        let doing = "reading events";
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let sql = format!(
            "SELECT {EVENT_COLUMNS} FROM outbox d LEFT JOIN tenants t ON t.id = d.tenant \
             WHERE sequence > ?1 \
             AND (coalesce(t.name, removed_tenant) IS NOT NULL OR tenant = 0) \
             ORDER BY sequence LIMIT ?2"
        );
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&sql).map_err(sqlite(doing))?;
            let rows =
                statement.query_map(params![after, most], event_row).map_err(sqlite(doing))?;
            rows.map(|row| row.map_err(sqlite(doing))?).collect()
        })
    }
}
