//! Lists of charges, and the manual assignment of what was paid to an invoice.

use chrono::NaiveDate;
use serde::Serialize;

use super::Engine;
use super::admin_tx::AdminTx;
use super::at_gateway;
use super::charges::{self, OPEN, OVERDUE, REVERSED, Step, WITHDRAWN};
use super::invoices::{Effect, InvoiceStatus};
use super::once::Operation;
use crate::billing::{Cents, Gateway, PaymentEventKind, PaymentMethod};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::{CANCELLED, ChargeRow, InvoiceRow, ListedCharge, PAID};

/// The most charges that one list has.
const CHARGES_MAX: u32 = 10_000;

/// A charge at a gateway: for an invoice, which may have many, or waiting to be matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// The gateway.
    pub gateway: Gateway,
    /// The gateway's id of the charge.
    pub payment: String,
    /// Whose it is; `None`: nothing in it names a tenant.
    pub tenant: Option<String>,
    /// The invoice that it is for; `None`: there is none, or not yet.
    pub invoice: Option<i64>,
    /// How it stands.
    pub state: ChargeState,
    /// Why its money pays nothing; `None`: it pays its invoice, or there is no money.
    pub unmatched: Option<Unmatched>,
    /// What was, or is to be, paid.
    #[serde(rename = "amount_cents")]
    pub amount: Option<Cents>,
    /// What of it was given back.
    #[serde(rename = "refunded_cents")]
    pub refunded: Option<Cents>,
    /// How it is paid; `None`: unknown.
    pub payment_method: Option<PaymentMethod>,
    /// The day on which it was due at first.
    pub due: Option<NaiveDate>,
    /// The day on which the customer paid.
    pub paid_on: Option<NaiveDate>,
    /// The gateway's id of its subscription.
    pub subscription: Option<String>,
    /// The gateway's id of its plan of instalments.
    pub installment: Option<String>,
    /// The gateway's id of the payer.
    pub customer: Option<String>,
    /// The reference of an invoice that it was created with.
    pub reference: Option<String>,
    /// When it became known here.
    #[serde(serialize_with = "crate::json::text")]
    pub received_at: Timestamp,
}

/// How a charge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChargeState {
    /// It waits to be paid.
    Open,
    /// It was not paid in time, or an attempt failed. It may still be paid.
    Overdue,
    /// It will not be paid any more.
    Withdrawn,
    /// It is paid.
    Paid,
    /// Its payment was taken back.
    Reversed,
}

impl ChargeState {
    /// The code that C, Python and reports use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            ChargeState::Open => OPEN,
            ChargeState::Overdue => OVERDUE,
            ChargeState::Withdrawn => WITHDRAWN,
            ChargeState::Paid => PAID,
            ChargeState::Reversed => REVERSED,
        }
    }

    fn of(row: &ChargeRow) -> ChargeState {
        use ChargeState::{Open, Overdue, Paid, Reversed, Withdrawn};
        let all = [Overdue, Withdrawn, Paid, Reversed];
        all.into_iter().find(|state| state.code() == row.state).unwrap_or(Open)
    }
}

/// Why money pays nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unmatched {
    /// No invoice is found for it, or none has been written yet.
    NoInvoice,
    /// Its invoice was cancelled: the offer had lapsed, or the plan was changed.
    InvoiceCancelled,
    /// Its invoice had been paid by another charge.
    PaidBefore,
}

impl Unmatched {
    /// The code that C, Python and reports use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Unmatched::NoInvoice => "no_invoice",
            Unmatched::InvoiceCancelled => "invoice_cancelled",
            Unmatched::PaidBefore => "paid_before",
        }
    }

    fn of(listed: &ListedCharge) -> Option<Unmatched> {
        let cancelled = || InvoiceStatus::Cancelled.code();
        match &listed.invoice_status {
            _ if !listed.charge.is_paid() => None,
            None => Some(Unmatched::NoInvoice),
            Some(status) if status == cancelled() => Some(Unmatched::InvoiceCancelled),
            Some(_) => listed.is_second.then_some(Unmatched::PaidBefore),
        }
    }
}

impl Engine {
    /// All charges that are known of a tenant, the latest first, at most 10,000. Reads SQLite.
    pub fn payments(&self, tenant: &str) -> Result<Vec<Charge>, Error> {
        let row = self.row_of(tenant)?;
        list(self.shared.store.charges(Some(row), false, CHARGES_MAX)?)
    }

    /// Money that came and pays nothing, of one tenant, or of all and of none: its invoice is not
    /// written yet, was cancelled, or had been paid before; or nothing says whose it is. The
    /// latest first, at most 10,000. Reads SQLite.
    pub fn unmatched_payments(&self, tenant: Option<&str>) -> Result<Vec<Charge>, Error> {
        let row = tenant.map(|name| self.row_of(name)).transpose()?;
        list(self.shared.store.charges(row, true, CHARGES_MAX)?)
    }

    /// Has money that pays nothing pay an invoice, whatever the amount. One that was cancelled is
    /// paid as well, and what it is for is given as far as that is still possible. Assigned
    /// before, it changes nothing. Waits for the disk.
    pub fn assign_payment(
        &self,
        gateway: Gateway,
        payment: &str,
        invoice: i64,
    ) -> Result<(), Error> {
        let operation = Operation::new("assign_payment", None, &(gateway, payment, invoice));
        self.with_invoice(invoice, &operation, |tx, row| assign(tx, row, gateway, payment))
    }
}

fn list(rows: Vec<ListedCharge>) -> Result<Vec<Charge>, Error> {
    rows.into_iter().map(charge_view).collect()
}

fn charge_view(listed: ListedCharge) -> Result<Charge, Error> {
    let unmatched = Unmatched::of(&listed);
    let ListedCharge { charge, tenant, .. } = listed;
    let gateway = Gateway::from_code(&charge.gateway);
    let damaged = || Error::Poisoned("the database names an unknown gateway");
    Ok(Charge {
        gateway: gateway.ok_or_else(damaged)?,
        state: ChargeState::of(&charge),
        payment: charge.id,
        tenant,
        invoice: charge.invoice,
        unmatched,
        amount: charge.cents.map(Cents::new).transpose()?,
        refunded: charge.refunded_cents.map(Cents::new).transpose()?,
        payment_method: PaymentMethod::from_code(&charge.method),
        due: charge.original_due.or(charge.due),
        paid_on: charge.paid_on,
        subscription: charge.subscription,
        installment: charge.installment,
        customer: charge.customer,
        reference: charge.reference,
        received_at: charge.received_at,
    })
}

fn assign(
    tx: &mut AdminTx<'_>,
    row: &mut InvoiceRow,
    gateway: Gateway,
    payment: &str,
) -> Result<(), Error> {
    let refused = |what, why: String| Err(Error::InvalidArgument { what, why });
    let Some(mut charge) = tx.write.charge(gateway.code(), payment)? else {
        let (shown, gateway) = (super::shorten(payment), gateway.code());
        let why = format!("no charge {shown:?} of {gateway} is known; webhooks make charges known");
        return refused("payment", why);
    };
    if !charge.is_paid() {
        return refused(
            "payment",
            format!("the charge is {}; only a paid charge can be assigned", charge.state),
        );
    }
    let status = InvoiceStatus::of(row);
    if charge.invoice == Some(row.id) && status == InvoiceStatus::Paid {
        return Ok(());
    }
    if status == InvoiceStatus::Paid {
        return refused(
            "invoice",
            "it is paid already; give an invoice that waits for its payment".to_owned(),
        );
    }
    if let Some(other) = pays_another(tx, &charge, row.id)? {
        return refused("payment", format!("it pays invoice {other} already"));
    }
    if status == InvoiceStatus::Cancelled {
        reopen(tx, row)?;
    }
    charge.invoice = Some(row.id);
    charge.tenant = Some(tx.loaded.row);
    // Instalments that an operator assigns one by one pay for themselves.
    let whole = ChargeRow { installment: None, ..charge.clone() };
    tx.write.save_charge(&mut charge)?;
    charges::learn_payer(tx, &charge)?;
    let kind = PaymentEventKind::Paid;
    charges::follow(tx, &Step { charge: &whole, kind, is_news: true, was_paid: false })?;
    *row = tx.write.invoice(row.id)?.unwrap_or_else(|| row.clone());
    let detail = format!("{} {} pays {}", charge.gateway, charge.id, row.id);
    Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "payment assigned", &detail)?)
}

/// The invoice that a charge pays already, and alone.
fn pays_another(tx: &AdminTx<'_>, charge: &ChargeRow, invoice: i64) -> Result<Option<i64>, Error> {
    let Some(other) = charge.invoice.filter(|&other| other != invoice) else { return Ok(None) };
    let row = tx.write.invoice(other)?;
    let is_paid = row.is_some_and(|row| InvoiceStatus::of(&row) == InvoiceStatus::Paid);
    let charges = tx.write.charges_of_invoice(other)?;
    let pays = |it: &&ChargeRow| it.is_paid() && it.number != charge.number;
    let first = charges.iter().find(|it| it.is_paid());
    let is_first = first.is_some_and(|it| it.number == charge.number);
    let is_alone = is_first || !charges.iter().any(|it| pays(&it));
    Ok(Some(other).filter(|_| is_paid && is_alone))
}

/// Has an invoice that was cancelled wait to be paid again, and so does a plan that was to begin
/// with its payment and did not.
fn reopen(tx: &mut AdminTx<'_>, row: &mut InvoiceRow) -> Result<(), Error> {
    InvoiceStatus::Pending.code().clone_into(&mut row.status);
    (row.paid_on, row.paid_cents) = (None, None);
    tx.write.save_invoice(row)?;
    let Some(id) = row.subscription.filter(|_| Effect::of(row) == Effect::Activate) else {
        return Ok(());
    };
    let subscription = tx.write.subscription(id)?;
    if subscription.is_some_and(|it| it.state == CANCELLED) && !row.settled {
        at_gateway::reopen_offer(tx, id)?;
    }
    Ok(())
}
