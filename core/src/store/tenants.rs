//! Tenants, their subscriptions and their grants.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Row, named_params, params};
use serde::{Deserialize, Serialize};

use super::checkpoint::stored_next;
use super::open::{blob, words};
use super::{Write, billing, sqlite, subscriptions};
use crate::catalog::{Feature, Limit};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::live::Hash128;
use crate::rules::{
    Account, ClosedMonth, ClosedPeriod, DEBT, Grant, ResourceId, Source, Status, Usage, Watch,
};

/// A tenant's account with what only the database needs to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// Row number of the tenant.
    pub(crate) row: i64,
    pub(crate) name: String,
    pub(crate) status_reason: String,
    /// Number of the last administrative change.
    pub(crate) admin_seq: u64,
    /// Sequence number of the last checkpoint.
    pub(crate) seq: u64,
    /// Number of the next event out of the live file.
    pub(crate) next_event: u64,
    /// What the tenant has of its own, whatever its plan says.
    pub(crate) overrides: Overrides,
    pub(crate) account: Account,
}

/// What a tenant has of its own, whatever its plan says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Overrides {
    pub(crate) features: BTreeMap<String, Feature>,
    /// Limits by name, whatever plan the tenant is on.
    pub(crate) limits: BTreeMap<String, Limit>,
    /// Prices of a period in cents, by plan.
    pub(crate) prices: BTreeMap<String, i64>,
}

/// The tables with rows of a tenant that go with it.
const OF_A_TENANT: [&str; 13] = [
    "access_tokens",
    "subscriptions",
    "grants",
    "usage",
    "claims",
    "periods",
    "period_usage",
    "period_grants",
    "months",
    "history",
    "seats",
    "profiles",
    "purchases",
];
/// The tables that say what a tenant was billed, and by which gateway it paid.
const INVOICED: [&str; 2] = ["invoice_lines", "invoices"];

pub(super) const LOADING: &str = "reading a tenant";
pub(super) const SAVING: &str = "writing a tenant";

fn time(row: &Row<'_>, name: &str) -> rusqlite::Result<Timestamp> {
    row.get::<_, i64>(name).map(Timestamp::from_ms)
}

pub(super) fn corrupt(what: &'static str, value: &str) -> StoreError {
    StoreError::Corrupt { what, value: value.chars().take(64).collect() }
}

impl Write<'_> {
    /// The tenant with this hash, if there is one.
    pub(crate) fn load_tenant(&self, hash: Hash128) -> Result<Option<Loaded>, StoreError> {
        load_tenant(self.connection, hash)
    }

    /// Adds a tenant and returns its row number, which was never another's: the audit trail and
    /// idempotency keys outlive a tenant that is deleted. Its account is written by
    /// [`save_tenant`](Self::save_tenant).
    pub(crate) fn insert_tenant(&self, name: &str, hash: Hash128) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO tenants (id, name, hash, status, status_reason, created_at, \
                 time_zone, mark, limits, features, period, period_start, renewals, next_grant, \
                 admin_seq, seq, valid_until) VALUES (1 + max((SELECT coalesce(max(id), 0) FROM \
                 tenants), (SELECT coalesce(max(tenant), 0) FROM audit)), ?1, ?2, '', '', 0, '', \
                 0, '{}', x'', 0, 0, 0, 0, 0, 0, 0)",
            )
            .and_then(|mut statement| statement.insert(params![name, blob([hash.high, hash.low])]))
            .map_err(sqlite(SAVING))
    }

    /// Writes the whole account of a tenant, with its live grants and its usage.
    pub(crate) fn save_tenant(
        &self,
        loaded: &Loaded,
        valid_until: Timestamp,
    ) -> Result<(), StoreError> {
        let account = &loaded.account;
        let limits = serde_json::to_string(&account.limits)
            .map_err(|error| corrupt("limits", &error.to_string()))?;
        let overrides = serde_json::to_string(&loaded.overrides)
            .map_err(|error| corrupt("overrides", &error.to_string()))?;
        self.connection
            .prepare_cached(
                "UPDATE tenants SET status = :status, status_reason = :status_reason, \
                 created_at = :created_at, time_zone = :time_zone, demo_ends_at = :demo_ends_at, \
                 mark = :mark, month_start = :month_start, overrides = :overrides, \
                 subscription = :subscription, limits = :limits, \
                 features = :features, period = :period, period_start = :period_start, \
                 renewals = :renewals, next_grant = :next_grant, admin_seq = :admin_seq, \
                 seq = :seq, valid_until = :valid_until WHERE id = :id",
            )
            .and_then(|mut statement| {
                statement.execute(named_params! {
                    ":status": account.status.code(),
                    ":status_reason": loaded.status_reason,
                    ":created_at": account.created_at.ms(),
                    ":time_zone": account.time_zone.name(),
                    ":demo_ends_at": account.demo_ends_at.map(Timestamp::ms),
                    ":mark": account.high_water_mark.ms(),
                    ":month_start": account.month_start.ms(),
                    ":overrides": overrides,
                    ":subscription": account.subscription.as_ref().map(|it| it.id),
                    ":limits": limits,
                    ":features": account.features.map(u64::to_be_bytes).concat(),
                    ":period": account.period,
                    ":period_start": account.period_start.ms(),
                    ":renewals": account.renewals,
                    ":next_grant": account.next_grant,
                    ":admin_seq": loaded.admin_seq,
                    ":seq": loaded.seq,
                    ":valid_until": valid_until.ms(),
                    ":id": loaded.row,
                })
            })
            .map_err(sqlite(SAVING))?;
        if let Some(subscription) = &account.subscription {
            self.save_terms(subscription)?;
        }
        self.save_usage(loaded.row, account)?;
        account.grants.iter().try_for_each(|grant| self.save_grant(loaded.row, grant, false))
    }

    fn save_usage(&self, tenant: i64, account: &Account) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM usage WHERE tenant = ?1")
            .and_then(|mut statement| statement.execute([tenant]))
            .map_err(sqlite(SAVING))?;
        let resources: BTreeSet<_> = account.used.keys().chain(account.watches.keys()).collect();
        for resource in resources {
            let Usage { used, beyond } = account.used.get(resource).copied().unwrap_or_default();
            let watch = account.watches.get(resource);
            let before = watch.map(|watch| &watch.before).filter(|before| !before.is_empty());
            let before = before
                .map(serde_json::to_string)
                .transpose()
                .map_err(|error| corrupt("thresholds", &error.to_string()))?;
            self.connection
                .prepare_cached(
                    "INSERT INTO usage (tenant, resource, used, beyond, watched_limit, \
                     watched_period, next_event, watched_before) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )
                .and_then(|mut statement| {
                    statement.execute(params![
                        tenant,
                        resource.0,
                        used,
                        beyond,
                        watch.map(|watch| watch.limit.min(i64::MAX as u64)),
                        watch.map(|watch| watch.period),
                        watch.and_then(|watch| stored_next(watch.next)),
                        before,
                    ])
                })
                .map_err(sqlite(SAVING))?;
        }
        Ok(())
    }

    /// A grant that is not in force any more.
    pub(crate) fn ended_grant(&self, tenant: i64, id: u64) -> Result<Option<Grant>, StoreError> {
        let sql = "SELECT * FROM grants WHERE tenant = ?1 AND id = ?2 AND ended = 1";
        Ok(read_grants(self.connection, sql, &[&tenant, &id])?.pop())
    }

    /// Writes a grant; `ended`: it holds nothing, and only what is given back late changes that.
    pub(crate) fn save_grant(
        &self,
        tenant: i64,
        grant: &Grant,
        ended: bool,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO grants (tenant, id, resource, source, priority, granted, remaining, \
                 at_period_start, expired, revoked, returned, starts_at, expires_at, ended) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
                 ON CONFLICT DO UPDATE SET granted = excluded.granted, \
                 remaining = excluded.remaining, at_period_start = excluded.at_period_start, \
                 expired = excluded.expired, revoked = excluded.revoked, \
                 returned = excluded.returned, expires_at = excluded.expires_at, \
                 ended = excluded.ended",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    tenant,
                    grant.id,
                    grant.resource.0,
                    grant.source.code(),
                    grant.priority,
                    grant.granted,
                    grant.remaining,
                    grant.at_period_start,
                    grant.expired,
                    grant.revoked,
                    grant.returned,
                    grant.starts_at.ms(),
                    grant.expires_at.map(Timestamp::ms),
                    ended,
                ])
            })
            .map_err(sqlite(SAVING))?;
        Ok(())
    }

    /// Writes a closed period into the ledger.
    pub(crate) fn save_period(&self, tenant: i64, closed: &ClosedPeriod) -> Result<(), StoreError> {
        let write = || -> rusqlite::Result<()> {
            let period = closed.period;
            self.connection
                .prepare_cached("INSERT INTO periods VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    tenant,
                    period,
                    closed.start.ms(),
                    closed.end.ms(),
                    closed.renewed
                ])?;
            for &(resource, Usage { used, beyond }) in &closed.used {
                self.connection
                    .prepare_cached("INSERT INTO period_usage VALUES (?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![tenant, period, resource.0, used, beyond])?;
            }
            for &(grant, resource, consumed) in &closed.consumed {
                self.connection
                    .prepare_cached("INSERT INTO period_grants VALUES (?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![tenant, period, grant, resource.0, consumed])?;
            }
            Ok(())
        };
        self.total_period();
        write().map_err(sqlite("closing a period"))
    }

    /// Writes a closed month of a meter into the ledger.
    pub(crate) fn save_month(&self, tenant: i64, closed: &ClosedMonth) -> Result<(), StoreError> {
        let ClosedMonth { resource, start, end, used } = closed;
        self.connection
            .prepare_cached("INSERT INTO months VALUES (?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut statement| {
                statement.execute(params![tenant, resource.0, start.ms(), end.ms(), used])
            })
            .map_err(sqlite("closing a month"))?;
        Ok(())
    }

    /// Deletes a tenant and all that is stored of it, but for the audit trail and the payment
    /// events, which name no one.
    pub(crate) fn delete_tenant(&self, tenant: i64) -> Result<(), StoreError> {
        self.note_invoices()?;
        self.detach_charges(tenant)?;
        self.delete_rows(&INVOICED, tenant)?;
        self.delete_but_invoices(tenant)
    }

    /// As [`delete_tenant`](Self::delete_tenant), but what its invoices say stays.
    pub(crate) fn delete_but_invoices(&self, tenant: i64) -> Result<(), StoreError> {
        self.erase_charges(tenant)?;
        self.delete_rows(&OF_A_TENANT, tenant)?;
        self.forget_events(tenant)?;
        self.delete_row("tenants", "id", tenant)
    }

    fn delete_rows(&self, tables: &[&str], tenant: i64) -> Result<(), StoreError> {
        tables.iter().try_for_each(|table| self.delete_row(table, "tenant", tenant))
    }

    fn delete_row(&self, table: &str, key: &str, tenant: i64) -> Result<(), StoreError> {
        let sql = format!("DELETE FROM {table} WHERE {key} = ?1");
        self.connection.execute(&sql, [tenant]).map_err(sqlite("deleting a tenant"))?;
        Ok(())
    }
}

pub(super) fn load_tenant(
    connection: &rusqlite::Connection,
    hash: Hash128,
) -> Result<Option<Loaded>, StoreError> {
    let row = connection
        .prepare_cached("SELECT * FROM tenants WHERE hash = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([blob([hash.high, hash.low])], |row| Ok(read_tenant(row)))
                .optional()
        })
        .map_err(sqlite(LOADING))?;
    let Some(loaded) = row else { return Ok(None) };
    let (mut loaded, subscription) = loaded?;
    let account = &mut loaded.account;
    account.subscription =
        subscription.map(|id| subscriptions::load_terms(connection, id)).transpose()?;
    subscriptions::load_planned(connection, loaded.row, account)?;
    account.grants = load_grants(connection, loaded.row)?;
    load_usage(connection, loaded.row, account)?;
    account.held = super::seats::count(connection, loaded.row)?;
    billing::load_owed(connection, loaded.row, account)?;
    super::charges::load_waiting(connection, loaded.row, account)?;
    Ok(Some(loaded))
}

fn read_tenant(row: &Row<'_>) -> Result<(Loaded, Option<i64>), StoreError> {
    let plain = |row: &Row<'_>| -> rusqlite::Result<_> {
        Ok((
            row.get::<_, String>("status")?,
            row.get::<_, String>("time_zone")?,
            row.get::<_, String>("limits")?,
            row.get::<_, Vec<u8>>("features")?,
            row.get::<_, String>("overrides")?,
        ))
    };
    let (status, zone, limits, features, overrides) = plain(row).map_err(sqlite(LOADING))?;
    let status = Status::from_code(&status).ok_or_else(|| corrupt("status", &status))?;
    let time_zone = zone.parse().map_err(|_| corrupt("time zone", &zone))?;
    let limits = serde_json::from_str(&limits).map_err(|_| corrupt("limits", &limits))?;
    let overrides =
        serde_json::from_str(&overrides).map_err(|_| corrupt("overrides", &overrides))?;
    let build = |row: &Row<'_>| -> rusqlite::Result<Loaded> {
        Ok(Loaded {
            row: row.get("id")?,
            name: row.get("name")?,
            status_reason: row.get("status_reason")?,
            admin_seq: row.get("admin_seq")?,
            seq: row.get("seq")?,
            next_event: row.get("next_event")?,
            overrides,
            account: Account {
                status,
                created_at: time(row, "created_at")?,
                time_zone,
                demo_ends_at: row.get::<_, Option<i64>>("demo_ends_at")?.map(Timestamp::from_ms),
                high_water_mark: time(row, "mark")?,
                subscription: None,
                awaits_payment: false,
                scheduled: None,
                owed: BTreeSet::new(),
                at_gateway: BTreeSet::new(),
                waiting: BTreeSet::new(),
                offers: BTreeMap::new(),
                oldest_overdue: None,
                for_debt: row.get::<_, String>("status_reason")? == DEBT,
                charged_again: false,
                limits,
                features: words(&features),
                grants: Vec::new(),
                used: BTreeMap::new(),
                held: BTreeMap::new(),
                watches: BTreeMap::new(),
                month_start: time(row, "month_start")?.max(time(row, "created_at")?),
                period: row.get("period")?,
                period_start: time(row, "period_start")?,
                renewals: row.get("renewals")?,
                next_grant: row.get("next_grant")?,
            },
        })
    };
    let loaded = build(row).map_err(sqlite(LOADING))?;
    let subscription = row.get("subscription").map_err(sqlite(LOADING))?;
    Ok((loaded, subscription))
}

/// Grants in force.
fn load_grants(connection: &rusqlite::Connection, tenant: i64) -> Result<Vec<Grant>, StoreError> {
    let sql = "SELECT * FROM grants WHERE tenant = ?1 AND ended = 0 ORDER BY id";
    read_grants(connection, sql, &[&tenant])
}

fn read_grants(
    connection: &rusqlite::Connection,
    sql: &str,
    key: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Grant>, StoreError> {
    let read = |row: &Row<'_>| -> rusqlite::Result<(Grant, String)> {
        let grant = Grant {
            id: row.get("id")?,
            resource: ResourceId(row.get("resource")?),
            source: Source::Plan,
            priority: row.get("priority")?,
            granted: row.get("granted")?,
            remaining: row.get("remaining")?,
            at_period_start: row.get("at_period_start")?,
            expired: row.get("expired")?,
            revoked: row.get("revoked")?,
            returned: row.get("returned")?,
            starts_at: time(row, "starts_at")?,
            expires_at: row.get::<_, Option<i64>>("expires_at")?.map(Timestamp::from_ms),
        };
        Ok((grant, row.get("source")?))
    };
    let mut statement = connection.prepare_cached(sql).map_err(sqlite(LOADING))?;
    let rows = statement.query_map(key, read).map_err(sqlite(LOADING))?;
    rows.map(|row| {
        let (grant, source) = row.map_err(sqlite(LOADING))?;
        let source =
            Source::from_code(&source).ok_or_else(|| corrupt("source of a grant", &source))?;
        Ok(Grant { source, ..grant })
    })
    .collect()
}

fn load_usage(
    connection: &rusqlite::Connection,
    tenant: i64,
    account: &mut Account,
) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT * FROM usage WHERE tenant = ?1")
        .map_err(sqlite(LOADING))?;
    let rows = statement
        .query_map([tenant], |row| {
            let usage = Usage { used: row.get("used")?, beyond: row.get("beyond")? };
            let next = row.get::<_, Option<u64>>("next_event")?.unwrap_or(u64::MAX);
            let limit: Option<u64> = row.get("watched_limit")?;
            let period: Option<u64> = row.get("watched_period")?;
            let before: Option<String> = row.get("watched_before")?;
            let watch = limit.zip(period).map(|(limit, period)| (limit, period, next, before));
            Ok((ResourceId(row.get("resource")?), usage, watch))
        })
        .map_err(sqlite(LOADING))?;
    for row in rows {
        let (resource, usage, watch) = row.map_err(sqlite(LOADING))?;
        if usage != Usage::default() {
            account.used.insert(resource, usage);
        }
        if let Some((limit, period, next, before)) = watch {
            let before = before.as_deref().unwrap_or("{}");
            let before = serde_json::from_str(before).map_err(|_| corrupt("thresholds", before))?;
            account.watches.insert(resource, Watch { limit, period, next, before });
        }
    }
    Ok(())
}
