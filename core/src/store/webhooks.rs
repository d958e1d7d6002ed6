//! Webhooks, and the events that they have not got yet.

use rusqlite::{OptionalExtension, Row, params};

use super::outbox::{EVENT_COLUMNS, EventRow, event_row};
use super::{Store, Write, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;

const READING: &str = "reading webhooks";
const WRITING: &str = "writing webhooks";

/// Deliveries that a webhook may have before it; older ones are given up.
const DELIVERIES_MAX: u32 = 100_000;

/// A webhook as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebhookRow {
    pub(crate) id: i64,
    pub(crate) url: String,
    pub(crate) created_at: Timestamp,
    pub(crate) waiting: u64,
    pub(crate) dead: u64,
    pub(crate) dropped: u64,
    /// Of the latest delivery that failed.
    pub(crate) failure: Option<String>,
}

/// An event that a webhook has not got yet.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryRow {
    pub(crate) id: i64,
    pub(crate) webhook: i64,
    pub(crate) event: EventRow,
    pub(crate) attempts: u32,
    pub(crate) failure: String,
}

/// What becomes of a delivery that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is tried again then.
    At(Timestamp),
    /// It is a dead letter.
    Dead,
}

/// Columns of a delivery `d` of the tenant `t`.
fn select() -> String {
    format!(
        "SELECT {EVENT_COLUMNS}, d.id, d.webhook, d.attempts, d.failure \
         FROM webhook_deliveries d LEFT JOIN tenants t ON t.id = d.tenant"
    )
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Result<DeliveryRow, StoreError>> {
    let event = event_row(row)?;
    let (id, webhook) = (row.get("id")?, row.get("webhook")?);
    let (attempts, failure) = (row.get("attempts")?, row.get("failure")?);
    Ok(event.map(|event| DeliveryRow { id, webhook, event, attempts, failure }))
}

fn deliveries(
    connection: &rusqlite::Connection,
    condition: &str,
    key: impl rusqlite::Params,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let sql = format!("{} {condition}", select());
    let mut statement = connection.prepare_cached(&sql).map_err(sqlite(READING))?;
    let rows = statement.query_map(key, delivery).map_err(sqlite(READING))?;
    rows.map(|row| row.map_err(sqlite(READING))?).collect()
}

impl Write<'_> {
    fn change(&self, sql: &str, key: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(key))
            .map_err(sqlite(WRITING))
    }

    /// Adds a webhook, which gets what happens from now on. Gives its number.
    pub(crate) fn insert_webhook(
        &self,
        url: &str,
        secret: &[u8],
        at: Timestamp,
    ) -> Result<i64, StoreError> {
        self.change(
            "INSERT INTO webhooks (url, secret, created_at, seen, dropped) VALUES (?1, ?2, ?3, \
             coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0), 0)",
            params![url, secret, at.ms()],
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    /// The number of the webhook with an address.
    pub(crate) fn webhook_of_url(&self, url: &str) -> Result<Option<i64>, StoreError> {
        self.connection
            .prepare_cached("SELECT id FROM webhooks WHERE url = ?1")
            .and_then(|mut statement| statement.query_row([url], |row| row.get(0)).optional())
            .map_err(sqlite(READING))
    }

    /// How many webhooks there are.
    pub(crate) fn webhook_count(&self) -> Result<usize, StoreError> {
        self.connection
            .query_row("SELECT count(*) FROM webhooks", [], |row| row.get(0))
            .map_err(sqlite(READING))
    }

    /// Gives a webhook another secret; says whether there is one.
    pub(crate) fn replace_webhook_secret(
        &self,
        id: i64,
        secret: &[u8],
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE webhooks SET secret = ?2 WHERE id = ?1";
        Ok(self.change(sql, params![id, secret])? > 0)
    }

    /// Removes a webhook with its deliveries; says whether there was one.
    pub(crate) fn delete_webhook(&self, id: i64) -> Result<bool, StoreError> {
        self.change("DELETE FROM webhook_deliveries WHERE webhook = ?1", [id])?;
        Ok(self.change("DELETE FROM webhooks WHERE id = ?1", [id])? > 0)
    }

    /// Copies events that webhooks have not been given yet into their deliveries.
    pub(crate) fn add_deliveries(&self, now: Timestamp) -> Result<(), StoreError> {
        let added = self.change(
            "INSERT INTO webhook_deliveries (webhook, sequence, tenant, removed_tenant, at, \
             resource, kind, percent, first, second, text, attempts, next_at, failure) \
             SELECT w.id, o.sequence, o.tenant, o.removed_tenant, o.at, o.resource, o.kind, \
             o.percent, o.first, o.second, o.text, 0, ?1, '' FROM webhooks w \
             JOIN outbox o ON o.sequence > w.seen WHERE o.tenant = 0 \
             OR o.removed_tenant IS NOT NULL \
             OR EXISTS (SELECT 1 FROM tenants t WHERE t.id = o.tenant) \
             ON CONFLICT DO NOTHING",
            [now.ms()],
        )?;
        if added == 0 {
            return Ok(());
        }
        self.change(
            "UPDATE webhooks SET seen = max(seen, (SELECT max(sequence) FROM outbox))",
            [],
        )?;
        self.drop_oldest_deliveries()
    }

    /// Gives up what is beyond the most deliveries that a webhook may have before it.
    fn drop_oldest_deliveries(&self) -> Result<(), StoreError> {
        let excess = "FROM webhook_deliveries WHERE webhook = webhooks.id ORDER BY sequence DESC \
                      LIMIT -1 OFFSET ?1";
        let counted = format!(
            "UPDATE webhooks SET dropped = dropped + (SELECT count(*) FROM (SELECT 1 {excess}))"
        );
        self.change(&counted, [DELIVERIES_MAX])?;
        let deleted = "DELETE FROM webhook_deliveries WHERE id IN (SELECT d.id FROM webhooks w \
                       JOIN webhook_deliveries d ON d.webhook = w.id WHERE d.sequence <= (SELECT \
                       sequence FROM webhook_deliveries WHERE webhook = w.id \
                       ORDER BY sequence DESC LIMIT 1 OFFSET ?1))";
        self.change(deleted, [DELIVERIES_MAX])?;
        Ok(())
    }

    /// Deliveries of a webhook that are due, at most so many. No other caller gets them before
    /// `until`.
    pub(crate) fn take_due_deliveries(
        &self,
        webhook: i64,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let due = "WHERE d.webhook = ?1 AND d.next_at <= ?2 ORDER BY d.sequence LIMIT ?3";
        let mut taken = deliveries(self.connection, due, params![webhook, now.ms(), most])?;
        for row in &mut taken {
            row.attempts += 1;
            self.change(
                "UPDATE webhook_deliveries SET attempts = attempts + 1, next_at = ?2 WHERE id = ?1",
                params![row.id, until.ms()],
            )?;
        }
        Ok(taken)
    }

    /// Every webhook with its address and its secret.
    pub(crate) fn webhook_targets(&self) -> Result<Vec<(i64, String, Vec<u8>)>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, url, secret FROM webhooks ORDER BY id")
            .map_err(sqlite(READING))?;
        statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .and_then(Iterator::collect)
            .map_err(sqlite(READING))
    }

    /// Notes that the receiver has an event.
    pub(crate) fn delete_delivery(&self, id: i64) -> Result<(), StoreError> {
        self.change("DELETE FROM webhook_deliveries WHERE id = ?1", [id])?;
        Ok(())
    }

    /// Notes that an attempt failed.
    pub(crate) fn fail_delivery(
        &self,
        id: i64,
        failure: &str,
        next: Next,
    ) -> Result<(), StoreError> {
        let next_at = match next {
            Next::At(at) => Some(at.ms()),
            Next::Dead => None,
        };
        self.change(
            "UPDATE webhook_deliveries SET failure = ?2, next_at = ?3 WHERE id = ?1",
            params![id, failure, next_at],
        )?;
        Ok(())
    }

    /// Gives back a delivery that was taken and not tried.
    pub(crate) fn return_delivery(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.change(
            "UPDATE webhook_deliveries SET attempts = max(attempts - 1, 0), next_at = ?2 \
             WHERE id = ?1 AND next_at IS NOT NULL",
            params![id, now.ms()],
        )?;
        Ok(())
    }

    /// Tries dead letters of a webhook again: the one of an event, or all. Says how many.
    pub(crate) fn resend_deliveries(
        &self,
        webhook: i64,
        sequence: Option<u64>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let sequence = sequence.map(|it| i64::try_from(it).unwrap_or(i64::MAX));
        self.change(
            "UPDATE webhook_deliveries SET attempts = 0, next_at = ?3 WHERE webhook = ?1 \
             AND next_at IS NULL AND (?2 IS NULL OR sequence = ?2)",
            params![webhook, sequence, now.ms()],
        )
    }

    /// Forgets what is still to be sent of a tenant that is about to be removed, but for what
    /// `kept` announces.
    pub(super) fn forget_deliveries(&self, tenant: i64, kept: u8) -> Result<(), StoreError> {
        self.change(
            "DELETE FROM webhook_deliveries WHERE tenant = ?1 AND kind != ?2",
            params![tenant, kept],
        )?;
        self.change(
            "UPDATE webhook_deliveries SET removed_tenant = (SELECT name FROM tenants t \
             WHERE t.id = webhook_deliveries.tenant) WHERE tenant = ?1",
            [tenant],
        )?;
        Ok(())
    }
}

impl Store {
    /// Every webhook, in the order in which they were added.
    pub(crate) fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(WebhookRow {
                id: row.get(0)?,
                url: row.get(1)?,
                created_at: Timestamp::from_ms(row.get(2)?),
                dropped: row.get(3)?,
                waiting: row.get(4)?,
                dead: row.get(5)?,
                failure: row.get(6)?,
            })
        };
        self.with(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT w.id, w.url, w.created_at, w.dropped, \
                     (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook = w.id \
                      AND d.next_at IS NOT NULL) + (SELECT count(*) FROM outbox o \
                      WHERE o.sequence > w.seen), \
                     (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook = w.id \
                      AND d.next_at IS NULL), \
                     (SELECT d.failure FROM webhook_deliveries d WHERE d.webhook = w.id \
                      AND d.failure != '' ORDER BY d.sequence DESC LIMIT 1) \
                     FROM webhooks w ORDER BY w.id",
                )
                .map_err(sqlite(READING))?;
            statement.query_map([], read).and_then(Iterator::collect).map_err(sqlite(READING))
        })
    }

    /// Whether there is something to send.
    pub(crate) fn has_deliveries(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM webhooks w WHERE w.seen < (SELECT \
                     coalesce(max(sequence), 0) FROM outbox) OR EXISTS (SELECT 1 \
                     FROM webhook_deliveries d WHERE d.webhook = w.id AND d.next_at <= ?1))",
                )
                .and_then(|mut statement| statement.query_row([now.ms()], |row| row.get(0)))
                .map_err(sqlite(READING))
        })
    }

    /// Dead letters, the oldest first: of one webhook, or of all.
    pub(crate) fn dead_deliveries(
        &self,
        webhook: Option<i64>,
        most: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let dead = "WHERE d.next_at IS NULL AND (?1 IS NULL OR d.webhook = ?1) \
                    ORDER BY d.sequence, d.webhook LIMIT ?2";
        self.with(|connection| deliveries(connection, dead, params![webhook, most]))
    }
}
