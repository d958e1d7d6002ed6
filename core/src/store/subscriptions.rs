//! Subscriptions: the current one, those before it, and one that waits to be paid.

use rusqlite::{Connection, params};

use super::billing::MANUAL;
use super::open::words;
use super::tenants::{LOADING, SAVING, corrupt};
use super::{Store, Write, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::rules::{Account, Scheduled, Subscription};

/// A subscription with what only the database knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionRow {
    pub(crate) id: i64,
    pub(crate) state: String,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    /// When the period began in which it ended.
    pub(crate) last_start: Option<Timestamp>,
    /// An opaque label: Manual, Asaas, Pagar-me.
    pub(crate) payment_type: String,
    /// What the gateway calls it.
    pub(crate) gateway_id: Option<String>,
    /// The code of the way in which its invoices are paid; empty: not chosen.
    pub(crate) payment_method: String,
    pub(crate) terms: Subscription,
}

/// What a gateway has reported of a subscription, by its own time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GatewayReports {
    /// That it will charge nothing more.
    pub(crate) ended: Option<Timestamp>,
    /// That it was paid.
    pub(crate) paid: Option<Timestamp>,
}

/// The state of the one in force.
pub(crate) const ACTIVE: &str = "active";
/// The state of one that waits to be paid.
pub(crate) const PENDING: &str = "pending";
/// The state of one that begins when the period of the one in force ends.
pub(crate) const SCHEDULED: &str = "scheduled";
/// The state of those before.
pub(crate) const CANCELLED: &str = "cancelled";

const COLUMNS: &str = "SELECT id, state, started_at, ended_at, payment_type, gateway_id, terms, \
                       payment_method, last_start FROM subscriptions";

fn read(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<SubscriptionRow>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(sqlite(LOADING))?;
    let rows = statement
        .query_map(parameters, |row| {
            let payment_type: String = row.get(4)?;
            let terms = match read_terms(&row.get::<_, String>(6)?, &payment_type) {
                Ok(terms) => terms,
                Err(error) => return Ok(Err(error)),
            };
            Ok(Ok(SubscriptionRow {
                id: row.get(0)?,
                state: row.get(1)?,
                started_at: Timestamp::from_ms(row.get(2)?),
                ended_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_ms),
                payment_type,
                gateway_id: row.get(5)?,
                payment_method: row.get(7)?,
                last_start: row.get::<_, Option<i64>>(8)?.map(Timestamp::from_ms),
                terms,
            }))
        })
        .map_err(sqlite(LOADING))?;
    rows.map(|row| row.map_err(sqlite(LOADING))?).collect()
}

/// The terms of a subscription.
pub(super) fn load_terms(connection: &Connection, id: i64) -> Result<Subscription, StoreError> {
    let (terms, payment_type): (String, String) = connection
        .prepare_cached("SELECT terms, payment_type FROM subscriptions WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(sqlite(LOADING))?;
    read_terms(&terms, &payment_type)
}

fn read_terms(terms: &str, payment_type: &str) -> Result<Subscription, StoreError> {
    let read: Subscription =
        serde_json::from_str(terms).map_err(|_| corrupt("subscription", terms))?;
    Ok(Subscription { manual: payment_type == MANUAL, ..read })
}

/// Reads what a tenant has before it: a subscription that waits to be paid, one that is scheduled.
pub(super) fn load_planned(
    connection: &Connection,
    tenant: i64,
    account: &mut Account,
) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT state, terms, limits, features, payment_type FROM subscriptions \
             WHERE tenant = ?1 AND state IN ('pending', 'scheduled')",
        )
        .map_err(sqlite(LOADING))?;
    let rows = statement
        .query_map([tenant], |row| {
            let limits: Option<String> = row.get(2)?;
            let features: Option<Vec<u8>> = row.get(3)?;
            let (state, terms): (String, String) = (row.get(0)?, row.get(1)?);
            Ok((state, read_terms(&terms, &row.get::<_, String>(4)?), limits.zip(features)))
        })
        .map_err(sqlite(LOADING))?;
    for row in rows {
        let (state, terms, brings) = row.map_err(sqlite(LOADING))?;
        match brings {
            Some((limits, features)) if state == SCHEDULED => {
                account.scheduled = Some(Scheduled {
                    terms: terms?,
                    limits: serde_json::from_str(&limits)
                        .map_err(|_| corrupt("limits", &limits))?,
                    features: words(&features),
                });
            }
            _ => account.awaits_payment = true,
        }
    }
    Ok(())
}

impl Write<'_> {
    /// Adds a subscription and returns its number. One that is in force ends the one before it;
    /// one that waits to be paid takes the place of another that did.
    pub(crate) fn insert_subscription(
        &self,
        tenant: i64,
        new: &SubscriptionRow,
    ) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE subscriptions SET state = ?4, ended_at = ?2 \
                 WHERE tenant = ?1 AND state = ?3",
            )
            .and_then(|mut statement| {
                statement.execute(params![tenant, new.started_at.ms(), new.state, CANCELLED])
            })
            .map_err(sqlite(SAVING))?;
        let id = self
            .connection
            .prepare_cached(
                "INSERT INTO subscriptions (tenant, plan, state, started_at, payment_type, \
                 gateway_id, payment_method, terms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '')",
            )
            .and_then(|mut statement| {
                let SubscriptionRow { state, payment_type, gateway_id, payment_method, .. } = new;
                let (plan, at) = (&new.terms.plan, new.started_at.ms());
                let row =
                    params![tenant, plan, state, at, payment_type, gateway_id, payment_method];
                statement.insert(row)
            })
            .map_err(sqlite(SAVING))?;
        self.save_terms(&Subscription { id, ..new.terms.clone() })?;
        Ok(id)
    }

    /// Notes that a subscription has ended, and which was its last period.
    pub(crate) fn end_subscription(
        &self,
        ended: &Subscription,
        last_start: Timestamp,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.save_terms(ended)?;
        self.connection
            .prepare_cached("UPDATE subscriptions SET last_start = ?2 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![ended.id, last_start.ms()]))
            .map_err(sqlite(SAVING))?;
        self.drop_subscription(ended.id, at)
    }

    /// Notes that a subscription will never begin, or not again.
    pub(crate) fn drop_subscription(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE subscriptions SET state = ?2, ended_at = ?3 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![id, CANCELLED, at.ms()]))
            .map_err(sqlite(SAVING))?;
        Ok(())
    }

    /// Notes that a subscription that had been given up waits to be paid again.
    pub(crate) fn reopen_subscription(&self, id: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE subscriptions SET state = ?2, ended_at = NULL WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![id, PENDING]))
            .map_err(sqlite(SAVING))?;
        Ok(())
    }

    /// Notes that a subscription is in force from `at` on.
    pub(crate) fn begin_subscription(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE subscriptions SET state = ?2, started_at = ?3, limits = NULL, \
                 features = NULL WHERE id = ?1",
            )
            .and_then(|mut statement| statement.execute(params![id, ACTIVE, at.ms()]))
            .map_err(sqlite(SAVING))?;
        Ok(())
    }

    /// Writes what a scheduled subscription will bring into force.
    pub(crate) fn save_scheduled(&self, scheduled: &Scheduled) -> Result<(), StoreError> {
        let Scheduled { terms, limits, features } = scheduled;
        let limits =
            serde_json::to_string(limits).map_err(|error| corrupt("limits", &error.to_string()))?;
        let features = features.map(u64::to_be_bytes).concat();
        self.connection
            .prepare_cached("UPDATE subscriptions SET limits = ?2, features = ?3 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![terms.id, limits, features]))
            .map_err(sqlite(SAVING))?;
        self.save_terms(terms)
    }

    /// Whether another tenant has a subscription, which has not ended, with this gateway id.
    pub(crate) fn gateway_id_is_anothers(&self, tenant: i64, id: &str) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM subscriptions s JOIN tenants t ON t.id = s.tenant \
                 WHERE s.gateway_id = ?2 AND s.tenant != ?1 AND s.state != 'cancelled' \
                 AND t.status != 'cancelled')",
            )
            .and_then(|mut statement| statement.query_row(params![tenant, id], |row| row.get(0)))
            .map_err(sqlite(LOADING))
    }

    /// Notes how the next invoices of a subscription are paid.
    pub(crate) fn set_payment_type(
        &self,
        id: i64,
        payment_type: &str,
        gateway_id: Option<&str>,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE subscriptions SET payment_type = ?2, \
                 gateway_id = coalesce(?3, gateway_id) WHERE id = ?1",
            )
            .and_then(|mut statement| statement.execute(params![id, payment_type, gateway_id]))
            .map_err(sqlite(SAVING))?;
        Ok(())
    }

    /// Notes how the next invoices of a subscription are paid at the gateway.
    pub(crate) fn set_payment_method(&self, id: i64, method: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE subscriptions SET payment_method = ?2 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![id, method]))
            .map_err(sqlite(SAVING))?;
        Ok(())
    }

    /// Notes what a gateway calls a subscription for which nothing was said about that before.
    pub(crate) fn learn_gateway_id(&self, id: i64, gateway_id: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE subscriptions SET gateway_id = ?2 WHERE id = ?1 AND gateway_id IS NULL",
            )
            .and_then(|mut statement| statement.execute(params![id, gateway_id]))
            .map_err(sqlite(SAVING))?;
        Ok(())
    }

    /// The numbers of the subscriptions of a tenant that a gateway calls this, the latest first.
    pub(crate) fn subscriptions_at_gateway(
        &self,
        tenant: i64,
        gateway_id: &str,
    ) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT id FROM subscriptions WHERE tenant = ?1 AND gateway_id = ?2 \
                   ORDER BY id DESC";
        let mut statement = self.connection.prepare_cached(sql).map_err(sqlite(LOADING))?;
        statement
            .query_map(params![tenant, gateway_id], |row| row.get(0))
            .and_then(Iterator::collect)
            .map_err(sqlite(LOADING))
    }

    /// When a gateway last reported the end of a subscription, and a payment of it.
    pub(crate) fn gateway_reports(&self, id: i64) -> Result<GatewayReports, StoreError> {
        let time = |at: Option<i64>| at.map(Timestamp::from_ms);
        self.connection
            .prepare_cached(
                "SELECT gateway_ended_at, gateway_paid_at FROM subscriptions WHERE id = ?1",
            )
            .and_then(|mut statement| {
                statement.query_row([id], |row| {
                    Ok(GatewayReports { ended: time(row.get(0)?), paid: time(row.get(1)?) })
                })
            })
            .map_err(sqlite(LOADING))
    }

    /// Notes when a gateway last reported the end of a subscription, and a payment of it.
    pub(crate) fn save_gateway_reports(
        &self,
        id: i64,
        reports: GatewayReports,
    ) -> Result<(), StoreError> {
        let GatewayReports { ended, paid } = reports;
        self.connection
            .prepare_cached(
                "UPDATE subscriptions SET gateway_ended_at = ?2, gateway_paid_at = ?3 \
                 WHERE id = ?1",
            )
            .and_then(|mut statement| {
                statement.execute(params![id, ended.map(Timestamp::ms), paid.map(Timestamp::ms)])
            })
            .map_err(sqlite(SAVING))?;
        Ok(())
    }

    /// A subscription by its number.
    pub(crate) fn subscription(&self, id: i64) -> Result<Option<SubscriptionRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE id = ?1");
        Ok(read(self.connection, &sql, [id])?.pop())
    }

    /// The subscription of a tenant that waits to be paid.
    pub(crate) fn pending_subscription(
        &self,
        tenant: i64,
    ) -> Result<Option<SubscriptionRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE tenant = ?1 AND state = 'pending'");
        Ok(read(self.connection, &sql, [tenant])?.pop())
    }

    /// Writes the terms of a subscription.
    pub(crate) fn save_terms(&self, subscription: &Subscription) -> Result<(), StoreError> {
        let terms = serde_json::to_string(subscription)
            .map_err(|error| corrupt("subscription", &error.to_string()))?;
        self.connection
            .prepare_cached("UPDATE subscriptions SET terms = ?2 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![subscription.id, terms]))
            .map_err(sqlite(SAVING))?;
        Ok(())
    }
}

impl Store {
    /// All subscriptions of a tenant, the latest first.
    pub(crate) fn subscriptions(&self, tenant: i64) -> Result<Vec<SubscriptionRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE tenant = ?1 ORDER BY id DESC");
        self.with(|connection| read(connection, &sql, [tenant]))
    }
}
