//! Charges of gateways: bound to an invoice, or waiting to be matched.

use chrono::NaiveDate;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, Write, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::rules::Account;

const READING: &str = "reading charges";
const WRITING: &str = "writing charges";

/// The state of a charge that paid.
pub(crate) const PAID: &str = "paid";

/// A charge as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChargeRow {
    /// Its place in the order in which charges became known; 0: it is not stored yet.
    pub(crate) number: i64,
    pub(crate) gateway: String,
    /// The gateway's id of it.
    pub(crate) id: String,
    /// Whose it is; `None`: nothing in it names a tenant.
    pub(crate) tenant: Option<i64>,
    /// The invoice that it is for; `None`: it waits to be matched.
    pub(crate) invoice: Option<i64>,
    pub(crate) state: String,
    /// What was, or is to be, paid.
    pub(crate) cents: Option<i64>,
    /// What was to be paid before interest, fine and discount.
    pub(crate) original_cents: Option<i64>,
    /// What of a payment was given back.
    pub(crate) refunded_cents: Option<i64>,
    pub(crate) due: Option<NaiveDate>,
    pub(crate) original_due: Option<NaiveDate>,
    pub(crate) paid_on: Option<NaiveDate>,
    /// The gateway's id of its subscription.
    pub(crate) subscription: Option<String>,
    /// The gateway's id of its plan of instalments.
    pub(crate) installment: Option<String>,
    /// Which instalment it is.
    pub(crate) part: Option<u32>,
    /// The gateway's id of the payer.
    pub(crate) customer: Option<String>,
    /// The reference of one of our invoices.
    pub(crate) reference: Option<String>,
    pub(crate) method: String,
    /// The gateway's time of the last payment or reversal.
    pub(crate) reported_at: Option<Timestamp>,
    pub(crate) received_at: Timestamp,
}

impl ChargeRow {
    pub(crate) fn is_paid(&self) -> bool {
        self.state == PAID
    }
}

/// A charge in a list, with what the list shows of its invoice.
#[derive(Clone, Debug)]
pub(crate) struct ListedCharge {
    pub(crate) charge: ChargeRow,
    /// The tenant's name; `None`: it is unknown.
    pub(crate) tenant: Option<String>,
    /// The status of its invoice.
    pub(crate) invoice_status: Option<String>,
    /// Whether another charge had paid the invoice before.
    pub(crate) is_second: bool,
}

/// Charge `c` pays an invoice that charge `o` has paid before; instalments pay it together.
const IS_SECOND: &str = "EXISTS (SELECT 1 FROM charges o WHERE o.invoice = c.invoice \
    AND o.state = 'paid' AND o.number < c.number \
    AND (c.installment IS NULL OR o.installment IS NOT c.installment))";

fn date(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<NaiveDate>> {
    Ok(row.get::<_, Option<String>>(name)?.and_then(|text| text.parse().ok()))
}

fn charge(row: &Row<'_>) -> rusqlite::Result<ChargeRow> {
    Ok(ChargeRow {
        number: row.get("number")?,
        gateway: row.get("gateway")?,
        id: row.get("id")?,
        tenant: row.get("tenant")?,
        invoice: row.get("invoice")?,
        state: row.get("state")?,
        cents: row.get("cents")?,
        original_cents: row.get("original_cents")?,
        refunded_cents: row.get("refunded_cents")?,
        due: date(row, "due")?,
        original_due: date(row, "original_due")?,
        paid_on: date(row, "paid_on")?,
        subscription: row.get("subscription")?,
        installment: row.get("installment")?,
        part: row.get("part")?,
        customer: row.get("customer")?,
        reference: row.get("reference")?,
        method: row.get("method")?,
        reported_at: row.get::<_, Option<i64>>("told_at")?.map(Timestamp::from_ms),
        received_at: Timestamp::from_ms(row.get("received_at")?),
    })
}

fn list(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<ChargeRow>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(sqlite(READING))?;
    statement.query_map(parameters, charge).and_then(Iterator::collect).map_err(sqlite(READING))
}

/// The first column of the first row, where there is one.
fn first<T: rusqlite::types::FromSql>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Option<T>, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)).optional())
        .map_err(sqlite(READING))
}

/// The name of the tenant that a charge names: by its own id, its subscription or instalment, or
/// the number of an invoice (with the tenant's name) that its reference has.
fn tenant_named(
    connection: &Connection,
    charge: &ChargeRow,
    reference: Option<(&str, i64)>,
) -> Result<Option<String>, StoreError> {
    let ChargeRow { gateway, id, subscription, installment, .. } = charge;
    let by_id = "SELECT t.name FROM charges c JOIN tenants t ON t.id = c.tenant \
                 WHERE c.gateway = ?1 AND c.id = ?2";
    if let Some(name) = first(connection, by_id, params![gateway, id])? {
        return Ok(Some(name));
    }
    if let Some(subscription) = subscription
        && let Some(name) = tenant_of_subscription(connection, subscription)?
    {
        return Ok(Some(name));
    }
    if let Some(installment) = installment {
        let sql = "SELECT t.name FROM charges c JOIN tenants t ON t.id = c.tenant \
                   WHERE c.gateway = ?1 AND c.installment = ?2 ORDER BY c.number LIMIT 1";
        if let Some(name) = first(connection, sql, params![gateway, installment])? {
            return Ok(Some(name));
        }
    }
    let Some((tenant, invoice)) = reference else { return Ok(None) };
    let by_reference = "SELECT t.name FROM invoices i JOIN tenants t ON t.id = i.tenant \
                        WHERE i.id = ?1 AND t.name = ?2";
    first(connection, by_reference, params![invoice, tenant])
}

fn tenant_of_subscription(
    connection: &Connection,
    gateway_id: &str,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT t.name FROM subscriptions s JOIN tenants t ON t.id = s.tenant \
               WHERE s.gateway_id = ?1 ORDER BY s.state = 'cancelled', s.id DESC LIMIT 1";
    first(connection, sql, [gateway_id])
}

/// Reads which days payments of a tenant wait for that no invoice has been written for.
pub(super) fn load_waiting(
    connection: &Connection,
    tenant: i64,
    account: &mut Account,
) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT coalesce(original_due, due, date(received_at / 1000, 'unixepoch')) AS day \
             FROM charges WHERE tenant = ?1 AND invoice IS NULL AND state = 'paid'",
        )
        .map_err(sqlite(READING))?;
    let days = statement.query_map([tenant], |row| date(row, "day")).map_err(sqlite(READING))?;
    let days: Result<Vec<_>, _> = days.collect();
    account.waiting = days.map_err(sqlite(READING))?.into_iter().flatten().collect();
    Ok(())
}

impl Write<'_> {
    /// Reads which days payments of a tenant wait for, as it stands by now.
    pub(crate) fn load_waiting(
        &self,
        tenant: i64,
        account: &mut Account,
    ) -> Result<(), StoreError> {
        load_waiting(self.connection, tenant, account)
    }

    /// The charge with a gateway's id.
    pub(crate) fn charge(&self, gateway: &str, id: &str) -> Result<Option<ChargeRow>, StoreError> {
        let sql = "SELECT * FROM charges WHERE gateway = ?1 AND id = ?2";
        Ok(list(self.connection, sql, params![gateway, id])?.pop())
    }

    /// The charges of an invoice, in the order in which they became known.
    pub(crate) fn charges_of_invoice(&self, invoice: i64) -> Result<Vec<ChargeRow>, StoreError> {
        let sql = "SELECT * FROM charges WHERE invoice = ?1 ORDER BY number";
        list(self.connection, sql, [invoice])
    }

    /// Paid charges of a tenant that wait for an invoice, by due date.
    pub(crate) fn waiting_charges(&self, tenant: i64) -> Result<Vec<ChargeRow>, StoreError> {
        let sql = "SELECT * FROM charges WHERE tenant = ?1 AND invoice IS NULL \
                   AND state = 'paid' ORDER BY coalesce(original_due, due), number";
        list(self.connection, sql, [tenant])
    }

    /// Writes a charge; one that is not stored yet gets its number.
    pub(crate) fn save_charge(&self, row: &mut ChargeRow) -> Result<(), StoreError> {
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string());
        let sql = "INSERT INTO charges (gateway, id, tenant, invoice, state, cents, \
                   original_cents, refunded_cents, due, original_due, paid_on, subscription, \
                   installment, part, customer, reference, method, told_at, received_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
                   ?16, ?17, ?18, ?19) ON CONFLICT (gateway, id) DO UPDATE SET \
                   tenant = excluded.tenant, invoice = excluded.invoice, \
                   state = excluded.state, cents = excluded.cents, \
                   original_cents = excluded.original_cents, \
                   refunded_cents = excluded.refunded_cents, due = excluded.due, \
                   original_due = excluded.original_due, paid_on = excluded.paid_on, \
                   subscription = excluded.subscription, installment = excluded.installment, \
                   part = excluded.part, customer = excluded.customer, \
                   reference = excluded.reference, method = excluded.method, \
                   told_at = excluded.told_at RETURNING number";
        row.number = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                let parameters = params![
                    row.gateway,
                    row.id,
                    row.tenant,
                    row.invoice,
                    row.state,
                    row.cents,
                    row.original_cents,
                    row.refunded_cents,
                    day(row.due),
                    day(row.original_due),
                    day(row.paid_on),
                    row.subscription,
                    row.installment,
                    row.part,
                    row.customer,
                    row.reference,
                    row.method,
                    row.reported_at.map(Timestamp::ms),
                    row.received_at.ms(),
                ];
                statement.query_row(parameters, |row| row.get(0))
            })
            .map_err(sqlite(WRITING))?;
        Ok(())
    }

    /// The name of the tenant that a charge names.
    pub(crate) fn tenant_of_charge(
        &self,
        charge: &ChargeRow,
        reference: Option<(&str, i64)>,
    ) -> Result<Option<String>, StoreError> {
        tenant_named(self.connection, charge, reference)
    }

    /// Invoices of a tenant that charges of a gateway's plan of instalments were bound to.
    pub(crate) fn invoices_of_installment(
        &self,
        tenant: i64,
        gateway: &str,
        installment: &str,
    ) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT DISTINCT invoice FROM charges WHERE tenant = ?1 AND gateway = ?2 \
                   AND installment = ?3 AND invoice IS NOT NULL ORDER BY invoice";
        let mut statement = self.connection.prepare_cached(sql).map_err(sqlite(READING))?;
        statement
            .query_map(params![tenant, gateway, installment], |row| row.get(0))
            .and_then(Iterator::collect)
            .map_err(sqlite(READING))
    }

    /// Whether a gateway's customer has paid, or was to pay, an invoice of a tenant before.
    pub(crate) fn is_known_customer(
        &self,
        tenant: i64,
        gateway: &str,
        customer: &str,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM charges WHERE tenant = ?1 AND gateway = ?2 \
                   AND customer = ?3 AND invoice IS NOT NULL)";
        Ok(first(self.connection, sql, params![tenant, gateway, customer])?.unwrap_or(false))
    }

    /// Makes a tenant the owner of what was paid for its subscription at a gateway before anything
    /// said whose that is.
    pub(crate) fn adopt_charges(&self, tenant: i64, gateway_id: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE charges SET tenant = ?1 WHERE subscription = ?2 AND tenant IS NULL",
            )
            .and_then(|mut statement| statement.execute(params![tenant, gateway_id]))
            .map_err(sqlite(WRITING))?;
        Ok(())
    }

    /// Makes a tenant the owner of instalments that were paid before anything said whose they are.
    pub(crate) fn adopt_instalments(
        &self,
        tenant: i64,
        gateway: &str,
        installment: &str,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE charges SET tenant = ?1 WHERE gateway = ?2 AND installment = ?3 \
                 AND tenant IS NULL",
            )
            .and_then(|mut statement| statement.execute(params![tenant, gateway, installment]))
            .map_err(sqlite(WRITING))?;
        Ok(())
    }

    /// Forgets what charges of a tenant that is erased say of persons; amounts, dates and the
    /// gateways' ids stay with the invoices.
    pub(super) fn erase_charges(&self, tenant: i64) -> Result<(), StoreError> {
        self.connection
            .execute(
                "UPDATE charges SET customer = NULL, reference = NULL WHERE tenant = ?1",
                [tenant],
            )
            .map_err(sqlite(WRITING))?;
        Ok(())
    }

    /// Forgets the charges of a tenant that is deleted. What was paid stays, and belongs to no
    /// tenant.
    pub(super) fn detach_charges(&self, tenant: i64) -> Result<(), StoreError> {
        for sql in [
            "UPDATE charges SET tenant = NULL, invoice = NULL WHERE tenant = ?1 AND state = 'paid'",
            "DELETE FROM charges WHERE tenant = ?1",
        ] {
            self.connection.execute(sql, [tenant]).map_err(sqlite(WRITING))?;
        }
        Ok(())
    }
}

impl Store {
    /// The name of the tenant that a charge names.
    pub(crate) fn tenant_of_charge(
        &self,
        charge: &ChargeRow,
        reference: Option<(&str, i64)>,
    ) -> Result<Option<String>, StoreError> {
        self.with(|connection| tenant_named(connection, charge, reference))
    }

    /// The name of the tenant that has a subscription with this gateway id.
    pub(crate) fn tenant_of_gateway_subscription(
        &self,
        gateway_id: &str,
    ) -> Result<Option<String>, StoreError> {
        self.with(|connection| tenant_of_subscription(connection, gateway_id))
    }

    /// Charges of a tenant, or of all; those alone whose money pays nothing. The latest first.
    pub(crate) fn charges(
        &self,
        tenant: Option<i64>,
        unmatched: bool,
        most: u32,
    ) -> Result<Vec<ListedCharge>, StoreError> {
        let sql = format!(
            "SELECT c.*, t.name AS tenant_name, i.status AS invoice_status, \
             c.state = 'paid' AND c.invoice IS NOT NULL AND {IS_SECOND} AS is_second \
             FROM charges c LEFT JOIN tenants t ON t.id = c.tenant \
             LEFT JOIN invoices i ON i.id = c.invoice \
             WHERE (?1 IS NULL OR c.tenant = ?1) AND (NOT ?2 OR (c.state = 'paid' \
             AND (c.invoice IS NULL OR i.status = 'cancelled' OR {IS_SECOND}))) \
             ORDER BY c.number DESC LIMIT ?3"
        );
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&sql).map_err(sqlite(READING))?;
            statement
                .query_map(params![tenant, unmatched, most], |row| {
                    Ok(ListedCharge {
                        charge: charge(row)?,
                        tenant: row.get("tenant_name")?,
                        invoice_status: row.get("invoice_status")?,
                        is_second: row.get("is_second")?,
                    })
                })
                .and_then(Iterator::collect)
                .map_err(sqlite(READING))
        })
    }
}
