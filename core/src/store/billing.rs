//! Invoices, purchases and payment events.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, Write, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::rules::{Account, ResourceId};

/// How a subscription is paid unless stated otherwise; no gateway reports on its invoices.
pub(crate) const MANUAL: &str = "Manual";

/// [`InvoiceRow::is_owed`] in SQL.
const IS_OWED: &str = "status = 'pending' AND effect NOT IN ('activate', 'give') \
                       AND (payment_type = 'Manual' OR told_overdue = 1)";
/// [`InvoiceRow::is_at_gateway`] in SQL.
const IS_AT_GATEWAY: &str = "status = 'pending' AND payment_type <> 'Manual' \
                             AND told_overdue = 0 AND effect NOT IN ('activate', 'give')";

/// An invoice with the charge that pays it, or is under way. One that failed, was not paid in
/// time or was withdrawn hinders no other.
pub(super) const SELECT: &str = "SELECT i.*, (SELECT c.id FROM charges c WHERE c.invoice = i.id \
                      AND c.state IN ('paid', 'open', 'reversed') \
                      ORDER BY c.state <> 'paid', c.state <> 'open', c.number LIMIT 1) \
                      AS gateway_id FROM invoices i";

pub(super) const DOING: &str = "writing invoices";
pub(super) const READING: &str = "reading invoices";

/// An invoice as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvoiceRow {
    pub(crate) id: i64,
    pub(crate) tenant: i64,
    pub(crate) subscription: Option<i64>,
    pub(crate) purchase: Option<i64>,
    pub(crate) title: String,
    pub(crate) cents: i64,
    pub(crate) payment_type: String,
    pub(crate) status: String,
    pub(crate) recurring: bool,
    pub(crate) part: u32,
    pub(crate) parts: u32,
    pub(crate) due: NaiveDate,
    pub(crate) paid_on: Option<NaiveDate>,
    /// The gateway's id of the charge that pays it, or is under way; read only.
    pub(crate) gateway_id: Option<String>,
    pub(crate) settled: bool,
    /// What paying it does, as the engine writes it.
    pub(crate) effect: String,
    /// The code of the way in which it is paid; empty: not chosen.
    pub(crate) payment_method: String,
    /// What was paid, as a gateway reported.
    pub(crate) paid_cents: Option<i64>,
    /// Whether a gateway reported that it was not paid in time.
    pub(crate) reported_overdue: bool,
    /// ISO 4217 code of its amounts.
    pub(crate) currency: String,
    /// Whether what falls due on its day is added to it.
    pub(crate) gathers: Gathers,
}

/// Whether what falls due on the day of an invoice is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gathers {
    /// It is one of its own.
    No,
    /// It is.
    Yes,
    /// It was withdrawn since nothing falls due then, and may come back.
    Withdrawn,
}

impl Gathers {
    fn of(number: i64) -> Gathers {
        match number {
            1 => Gathers::Yes,
            2 => Gathers::Withdrawn,
            _ => Gathers::No,
        }
    }

    fn number(self) -> i64 {
        match self {
            Gathers::No => 0,
            Gathers::Yes => 1,
            Gathers::Withdrawn => 2,
        }
    }
}

impl InvoiceRow {
    /// Whether it waits to be paid and the clock makes it overdue when its due date has passed: no
    /// gateway reports on it, or one has.
    pub(crate) fn is_owed(&self) -> bool {
        self.status == "pending"
            && !self.is_offer()
            && (self.payment_type == MANUAL || self.reported_overdue)
    }

    /// Whether it is over something that is given only when it is paid: no debt.
    pub(crate) fn is_offer(&self) -> bool {
        matches!(self.effect.as_str(), "activate" | "give")
    }

    /// Whether it waits to be paid and the clock makes it overdue only when a gateway has been
    /// silent for a while after its due date.
    pub(crate) fn is_at_gateway(&self) -> bool {
        self.status == "pending" && !self.is_owed() && !self.is_offer()
    }
}

/// A purchase as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PurchaseRow {
    pub(crate) id: i64,
    pub(crate) package: String,
    pub(crate) resource: ResourceId,
    pub(crate) quantity: u64,
    pub(crate) cents: i64,
    pub(crate) recurring: bool,
    pub(crate) bought_at: Timestamp,
    /// How long what was bought lasts; `None`: until it is used up.
    pub(crate) expires_ms: Option<i64>,
    /// The grant that it became.
    pub(crate) grant: Option<u64>,
    /// Units of the grant that were taken back with the payment.
    pub(crate) taken_back: u64,
    /// Since when it is not charged again any more.
    pub(crate) ended_at: Option<Timestamp>,
}

pub(super) fn date(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<NaiveDate>> {
    Ok(row.get::<_, Option<String>>(name)?.and_then(|text| text.parse().ok()))
}

pub(super) fn invoice(row: &Row<'_>) -> rusqlite::Result<InvoiceRow> {
    Ok(InvoiceRow {
        id: row.get("id")?,
        tenant: row.get("tenant")?,
        subscription: row.get("subscription")?,
        purchase: row.get("purchase")?,
        title: row.get("title")?,
        cents: row.get("cents")?,
        payment_type: row.get("payment_type")?,
        status: row.get("status")?,
        recurring: row.get("recurring")?,
        part: row.get("part")?,
        parts: row.get("parts")?,
        due: date(row, "due")?.unwrap_or_default(),
        paid_on: date(row, "paid_on")?,
        gateway_id: row.get("gateway_id")?,
        settled: row.get("settled")?,
        effect: row.get("effect")?,
        payment_method: row.get("payment_method")?,
        reported_overdue: row.get("told_overdue")?,
        paid_cents: row.get("paid_cents")?,
        currency: row.get("currency")?,
        gathers: Gathers::of(row.get("gathers")?),
    })
}

fn purchase(row: &Row<'_>) -> rusqlite::Result<PurchaseRow> {
    Ok(PurchaseRow {
        id: row.get("id")?,
        package: row.get("package")?,
        resource: ResourceId(row.get("resource")?),
        quantity: row.get("quantity")?,
        cents: row.get("cents")?,
        recurring: row.get("recurring")?,
        bought_at: Timestamp::from_ms(row.get("bought_at")?),
        expires_ms: row.get("expires_ms")?,
        grant: row.get("grant_id")?,
        taken_back: row.get("taken_back")?,
        ended_at: row.get::<_, Option<i64>>("ended_at")?.map(Timestamp::from_ms),
    })
}

fn one_invoice(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Option<InvoiceRow>, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(parameters, invoice).optional())
        .map_err(sqlite(READING))
}

pub(super) fn invoices_of(
    connection: &Connection,
    tenant: i64,
) -> Result<Vec<InvoiceRow>, StoreError> {
    let mut statement = connection
        .prepare_cached(&format!("{SELECT} WHERE i.tenant = ?1 ORDER BY i.due, i.id"))
        .map_err(sqlite(READING))?;
    statement.query_map([tenant], invoice).and_then(Iterator::collect).map_err(sqlite(READING))
}

/// Reads what the clock will make overdue of a tenant.
pub(super) fn load_owed(
    connection: &Connection,
    tenant: i64,
    account: &mut Account,
) -> Result<(), StoreError> {
    account.owed = due_dates(connection, tenant, IS_OWED)?;
    account.at_gateway = due_dates(connection, tenant, IS_AT_GATEWAY)?;
    load_offers(connection, tenant, account)?;
    let plans = account.subscription.iter().chain(account.scheduled.iter().map(|it| &it.terms));
    let matters = plans.into_iter().any(|it| !it.has_price());
    account.charged_again = matters && is_charged_again(connection, tenant)?;
    Ok(())
}

fn due_dates(
    connection: &Connection,
    tenant: i64,
    condition: &str,
) -> Result<BTreeSet<NaiveDate>, StoreError> {
    let sql = format!("SELECT DISTINCT due FROM invoices WHERE tenant = ?1 AND {condition}");
    let mut statement = connection.prepare_cached(&sql).map_err(sqlite(READING))?;
    let due = statement.query_map([tenant], |row| date(row, "due")).map_err(sqlite(READING))?;
    let due: Result<Vec<_>, _> = due.collect();
    Ok(due.map_err(sqlite(READING))?.into_iter().flatten().collect())
}

/// Reads which offers wait to be paid, and since when something is overdue.
fn load_offers(
    connection: &Connection,
    tenant: i64,
    account: &mut Account,
) -> Result<(), StoreError> {
    let sql = "SELECT due, max(effect = 'activate') AS is_choice FROM invoices WHERE tenant = ?1 \
               AND status = 'pending' AND effect IN ('activate', 'give') GROUP BY due";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite(READING))?;
    let offers = statement
        .query_map([tenant], |row| Ok((date(row, "due")?, row.get("is_choice")?)))
        .map_err(sqlite(READING))?;
    let offers: Result<Vec<(Option<NaiveDate>, bool)>, _> = offers.collect();
    let offers = offers.map_err(sqlite(READING))?.into_iter();
    account.offers = offers.filter_map(|(due, is_choice)| Some((due?, is_choice))).collect();
    account.oldest_overdue = connection
        .prepare_cached(
            "SELECT min(due) AS due FROM invoices WHERE tenant = ?1 AND status = 'overdue'",
        )
        .and_then(|mut statement| statement.query_row([tenant], |row| date(row, "due")))
        .map_err(sqlite(READING))?;
    Ok(())
}

fn is_charged_again(connection: &Connection, tenant: i64) -> Result<bool, StoreError> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM purchases WHERE tenant = ?1 AND recurring = 1 \
             AND ended_at IS NULL AND grant_id IS NOT NULL AND taken_back = 0)",
        )
        .and_then(|mut statement| statement.query_row([tenant], |row| row.get(0)))
        .map_err(sqlite(READING))
}

fn recurring_purchases(
    connection: &Connection,
    tenant: i64,
) -> Result<Vec<PurchaseRow>, StoreError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT * FROM purchases WHERE tenant = ?1 AND recurring = 1 \
             AND ended_at IS NULL AND grant_id IS NOT NULL AND taken_back = 0 ORDER BY id",
        )
        .map_err(sqlite(READING))?;
    statement.query_map([tenant], purchase).and_then(Iterator::collect).map_err(sqlite(READING))
}

impl Write<'_> {
    /// Reads what the clock will make overdue of a tenant, as it stands by now.
    pub(crate) fn load_owed(&self, tenant: i64, account: &mut Account) -> Result<(), StoreError> {
        load_owed(self.connection, tenant, account)
    }

    /// Makes overdue what the clock makes so and was due on `due` or before; where `at_gateway`,
    /// what gateways have been silent about.
    pub(crate) fn make_overdue(
        &self,
        tenant: i64,
        due: NaiveDate,
        at_gateway: bool,
    ) -> Result<(), StoreError> {
        let condition = if at_gateway { IS_AT_GATEWAY } else { IS_OWED };
        let sql = format!(
            "UPDATE invoices SET status = 'overdue' WHERE tenant = ?1 AND due <= ?2 AND {condition}"
        );
        self.connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.execute(params![tenant, due.to_string()]))
            .map_err(sqlite(DOING))?;
        Ok(())
    }

    /// Adds an invoice and returns its number, which was never another's: a gateway may have heard
    /// of one that was deleted with its tenant.
    pub(crate) fn insert_invoice(&self, new: &InvoiceRow) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO invoices (id, tenant, subscription, purchase, title, cents, \
                 payment_type, status, recurring, part, parts, due, paid_on, settled, effect, \
                 payment_method, told_overdue, paid_cents, currency, gathers) \
                 VALUES (1 + max((SELECT coalesce(max(id), 0) FROM invoices), (SELECT \
                 coalesce(max(value), 0) FROM meta WHERE name = 'invoices_deleted')), ?1, ?2, ?3, \
                 ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
            )
            .and_then(|mut statement| {
                statement.insert(params![
                    new.tenant,
                    new.subscription,
                    new.purchase,
                    new.title,
                    new.cents,
                    new.payment_type,
                    new.status,
                    new.recurring,
                    new.part,
                    new.parts,
                    new.due.to_string(),
                    new.paid_on.map(|day| day.to_string()),
                    new.settled,
                    new.effect,
                    new.payment_method,
                    new.reported_overdue,
                    new.paid_cents,
                    new.currency,
                    new.gathers.number(),
                ])
            })
            .map_err(sqlite(DOING))
    }

    /// Writes what can change of an invoice.
    pub(crate) fn save_invoice(&self, invoice: &InvoiceRow) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE invoices SET payment_type = ?2, status = ?3, due = ?4, paid_on = ?5, \
                 settled = ?6, cents = ?7, parts = ?8, recurring = ?9, payment_method = ?10, \
                 told_overdue = ?11, paid_cents = ?12, title = ?13, subscription = ?14, \
                 effect = ?15, gathers = ?16 WHERE id = ?1",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    invoice.id,
                    invoice.payment_type,
                    invoice.status,
                    invoice.due.to_string(),
                    invoice.paid_on.map(|day| day.to_string()),
                    invoice.settled,
                    invoice.cents,
                    invoice.parts,
                    invoice.recurring,
                    invoice.payment_method,
                    invoice.reported_overdue,
                    invoice.paid_cents,
                    invoice.title,
                    invoice.subscription,
                    invoice.effect,
                    invoice.gathers.number(),
                ])
            })
            .map_err(sqlite(DOING))?;
        Ok(())
    }

    /// The invoice with a number.
    pub(crate) fn invoice(&self, id: i64) -> Result<Option<InvoiceRow>, StoreError> {
        one_invoice(self.connection, &format!("{SELECT} WHERE i.id = ?1"), [id])
    }

    /// All invoices of a tenant, by due date.
    pub(crate) fn invoices(&self, tenant: i64) -> Result<Vec<InvoiceRow>, StoreError> {
        invoices_of(self.connection, tenant)
    }

    /// Adds a purchase and returns its number.
    pub(crate) fn insert_purchase(
        &self,
        tenant: i64,
        new: &PurchaseRow,
    ) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO purchases (tenant, package, resource, quantity, cents, recurring, \
                 bought_at, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )
            .and_then(|mut statement| {
                statement.insert(params![
                    tenant,
                    new.package,
                    new.resource.0,
                    new.quantity,
                    new.cents,
                    new.recurring,
                    new.bought_at.ms(),
                    new.expires_ms,
                ])
            })
            .map_err(sqlite(DOING))
    }

    /// Notes what became of a purchase: its grant, what of it was taken back, its end.
    pub(crate) fn save_purchase(&self, purchase: &PurchaseRow) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE purchases SET grant_id = ?2, taken_back = ?3, ended_at = ?4 WHERE id = ?1",
            )
            .and_then(|mut statement| {
                let PurchaseRow { id, grant, taken_back, ended_at, .. } = purchase;
                statement.execute(params![id, grant, taken_back, ended_at.map(Timestamp::ms)])
            })
            .map_err(sqlite(DOING))?;
        Ok(())
    }

    /// The purchase with a number.
    pub(crate) fn purchase(&self, id: i64) -> Result<Option<PurchaseRow>, StoreError> {
        self.connection
            .prepare_cached("SELECT * FROM purchases WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([id], purchase).optional())
            .map_err(sqlite(READING))
    }

    /// Notes which numbers of invoices have been given, before some are deleted.
    pub(super) fn note_invoices(&self) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO meta (name, value) SELECT 'invoices_deleted', coalesce(max(id), 0) \
                 FROM invoices WHERE true ON CONFLICT DO UPDATE SET \
                 value = max(value, excluded.value)",
            )
            .and_then(|mut statement| statement.execute([]))
            .map_err(sqlite(DOING))?;
        Ok(())
    }

    /// Sets the keyed hash of the token that a gateway sends.
    pub(crate) fn set_webhook_token(&self, gateway: &str, hash: &[u8]) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO meta (name, value) VALUES ('webhook_token_' || ?1, ?2) \
                 ON CONFLICT DO UPDATE SET value = excluded.value",
            )
            .and_then(|mut statement| statement.execute(params![gateway, hash]))
            .map_err(sqlite("setting a webhook token"))?;
        Ok(())
    }

    /// Purchases of a tenant that are charged with every due date: those that are paid.
    pub(crate) fn recurring_purchases(&self, tenant: i64) -> Result<Vec<PurchaseRow>, StoreError> {
        recurring_purchases(self.connection, tenant)
    }

    /// What came of a payment event, if it was seen before.
    pub(crate) fn seen_event(&self, gateway: &str, id: &str) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM payment_events WHERE gateway = ?1 AND id = ?2)",
            )
            .and_then(|mut statement| statement.query_row(params![gateway, id], |row| row.get(0)))
            .map_err(sqlite("looking up a payment event"))
    }

    /// Notes a payment event, for ever.
    #[allow(clippy::too_many_arguments)] // The columns of a row.
    pub(crate) fn note_event(
        &self,
        gateway: &str,
        id: &str,
        at: Timestamp,
        kind: &str,
        payment: &str,
        invoice: Option<i64>,
        outcome: &str,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO payment_events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            .and_then(|mut statement| {
                statement.execute(params![gateway, id, at.ms(), kind, payment, invoice, outcome])
            })
            .map_err(sqlite("noting a payment event"))?;
        Ok(())
    }
}

impl Store {
    /// All invoices of a tenant, by due date.
    pub(crate) fn invoices(&self, tenant: i64) -> Result<Vec<InvoiceRow>, StoreError> {
        self.with(|connection| invoices_of(connection, tenant))
    }

    /// Purchases of a tenant that are charged with every due date: those that are paid.
    pub(crate) fn recurring_purchases(&self, tenant: i64) -> Result<Vec<PurchaseRow>, StoreError> {
        self.with(|connection| recurring_purchases(connection, tenant))
    }

    /// The name of the tenant whose invoice has this number.
    pub(crate) fn tenant_of_invoice(&self, id: i64) -> Result<Option<String>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached(
                    "SELECT t.name FROM invoices i JOIN tenants t ON t.id = i.tenant \
                     WHERE i.id = ?1",
                )
                .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
                .map_err(sqlite(READING))
        })
    }

    /// The keyed hash of the token that a gateway sends.
    pub(crate) fn webhook_token(&self, gateway: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT value FROM meta WHERE name = 'webhook_token_' || ?1")
                .and_then(|mut statement| {
                    statement.query_row([gateway], |row| row.get(0)).optional()
                })
                .map_err(sqlite(READING))
        })
    }
}
