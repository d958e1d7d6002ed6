//! Invoices: what there is to pay, and when it comes to be.

use chrono::{Days, NaiveDate};

use super::admin_tx::AdminTx;
use super::once::Operation;
use super::paying::{end_debt, settle_paid};
use super::{Engine, due_dates};
use crate::billing::reference::{Reference, database_name};
use crate::billing::{Cents, PaymentMethod};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::{Account, Line, LineKind, calendar};
use crate::store::{Gathers, InvoiceRow, Loaded, MANUAL, SubscriptionRow, Write};

/// The most instalments of an invoice.
const PARTS_MAX: u32 = 24;

/// An invoice (docs/sources.md, LiveChat 360, "Faturas").
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Invoice {
    /// Its number.
    pub id: i64,
    /// What it is for: the plan's or the package's title.
    pub title: String,
    /// How much.
    #[serde(rename = "amount_cents")]
    pub amount: Cents,
    /// ISO 4217 code of its amounts.
    pub currency: String,
    /// What it is over: plan and packages, each with the days that it pays.
    pub lines: Vec<InvoiceLine>,
    /// How it is paid: an opaque label.
    pub payment_type: String,
    /// How it is paid at the gateway; `None`: not chosen.
    pub payment_method: Option<PaymentMethod>,
    /// How it stands.
    pub status: InvoiceStatus,
    /// Whether it is debited by itself; the invoice's, not the plan's.
    pub recurring: bool,
    /// Which instalment, of how many.
    #[serde(rename = "instalment")]
    pub part: (u32, u32),
    /// "Data de vencimento".
    pub due: NaiveDate,
    /// "Data de pagamento".
    pub paid_on: Option<NaiveDate>,
    /// What was paid, which may be another amount; `None`: nothing, or an amount that is not known.
    #[serde(rename = "paid_cents")]
    pub paid: Option<Cents>,
    /// The gateway's id of the charge that pays it, or is under way.
    pub gateway_id: Option<String>,
    /// What to give a gateway as the reference of a charge for it, so that the payment is matched.
    pub reference: String,
}

/// A line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct InvoiceLine {
    /// What it is for.
    pub kind: LineKind,
    /// The plan's or the package's title, or what an operator wrote.
    pub title: String,
    /// The first day that it pays; `None`: it pays no period, or the days were not noted.
    pub from: Option<NaiveDate>,
    /// The last one.
    pub to: Option<NaiveDate>,
    /// How much.
    #[serde(rename = "amount_cents")]
    pub amount: Cents,
}

impl InvoiceLine {
    pub(super) fn of(line: &Line) -> Result<InvoiceLine, Error> {
        let Line { kind, title, from, to, cents, .. } = line;
        let amount = Cents::new(*cents)?;
        Ok(InvoiceLine { kind: *kind, title: title.clone(), from: *from, to: *to, amount })
    }
}

/// How an invoice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Waits to be paid.
    Pending,
    /// Paid.
    Paid,
    /// Its due date has passed.
    Overdue,
    /// Will not be paid any more.
    Cancelled,
    /// Paid, and taken back.
    Refunded,
}

impl Invoice {
    /// Whether another amount was paid than it is over; of one that was cancelled, any.
    #[must_use]
    pub fn was_paid_otherwise(&self) -> bool {
        let is_cancelled = self.status == InvoiceStatus::Cancelled;
        self.paid.is_some_and(|paid| is_cancelled || paid != self.amount)
    }
}

impl InvoiceStatus {
    const ALL: [InvoiceStatus; 5] = [
        InvoiceStatus::Pending,
        InvoiceStatus::Paid,
        InvoiceStatus::Overdue,
        InvoiceStatus::Cancelled,
        InvoiceStatus::Refunded,
    ];

    /// The code that C, Python and reports use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            InvoiceStatus::Pending => "pending",
            InvoiceStatus::Paid => "paid",
            InvoiceStatus::Overdue => "overdue",
            InvoiceStatus::Cancelled => "cancelled",
            InvoiceStatus::Refunded => "refunded",
        }
    }

    /// Whether it waits to be paid.
    pub(super) const fn waits(self) -> bool {
        matches!(self, InvoiceStatus::Pending | InvoiceStatus::Overdue)
    }

    pub(super) fn of(row: &InvoiceRow) -> InvoiceStatus {
        let found = Self::ALL.into_iter().find(|status| status.code() == row.status);
        found.unwrap_or(InvoiceStatus::Pending)
    }
}

/// What paying an invoice does, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing more.
    Nothing,
    /// The subscription that waits for it begins.
    Activate,
    /// The period after its due date is paid.
    Renew,
    /// What was bought is given.
    Give,
}

impl Effect {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Effect::Nothing => "nothing",
            Effect::Activate => "activate",
            Effect::Renew => "renew",
            Effect::Give => "give",
        }
    }

    pub(super) fn of(row: &InvoiceRow) -> Effect {
        let all = [Effect::Activate, Effect::Renew, Effect::Give];
        all.into_iter().find(|effect| effect.code() == row.effect).unwrap_or(Effect::Nothing)
    }
}

impl Engine {
    /// Invoices of a tenant, by due date, as they stand now. Reads SQLite; changes nothing.
    pub fn invoices(&self, tenant: &str) -> Result<Vec<Invoice>, Error> {
        let (loaded, _) = self.shared.view(self.record_or_similar(tenant)?, tenant, self.now())?;
        let Account { high_water_mark, time_zone, .. } = loaded.account;
        let silence = Days::new(u64::from(self.shared.compiled()?.rulebook.gateway_silence_days));
        let mut rows = self.shared.store.invoices(loaded.row)?;
        // A due date may have passed since anybody settled.
        let has_passed =
            |day: NaiveDate| calendar::end_of_due_day(day, time_zone) <= high_water_mark;
        let is_overdue = |row: &InvoiceRow| {
            let is_late = || has_passed(row.due.checked_add_days(silence).unwrap_or(row.due));
            (row.is_owed() && has_passed(row.due)) || (row.is_at_gateway() && is_late())
        };
        for row in rows.iter_mut().filter(|row| is_overdue(row)) {
            InvoiceStatus::Overdue.code().clone_into(&mut row.status);
        }
        let view = |row: &InvoiceRow| {
            let lines = self.shared.store.lines(row.id)?;
            invoice_view(row, &lines, self.reference(&loaded.name, row))
        };
        rows.iter().map(view).collect()
    }

    /// What a gateway is given as the reference of a charge for an invoice.
    pub(super) fn reference(&self, tenant: &str, row: &InvoiceRow) -> String {
        let database = database_name(self.shared.live.database_id());
        Reference { database: &database, tenant, invoice: row.id }.text()
    }

    /// Settles an invoice that was paid, manually: the same path as a gateway's event. Paid
    /// already, it changes nothing. Waits for the disk.
    pub fn mark_paid(&self, invoice: i64, paid_on: Option<NaiveDate>) -> Result<(), Error> {
        let operation = Operation::new("mark_paid", None, &(invoice, paid_on));
        self.with_invoice(invoice, &operation, |tx, row| settle_paid(tx, row, paid_on, None, false))
    }

    /// Cancels an invoice that was not paid: it is no debt any more. Waits for the disk.
    pub fn cancel_invoice(&self, invoice: i64) -> Result<(), Error> {
        let operation = Operation::new("cancel_invoice", None, &invoice);
        self.with_invoice(invoice, &operation, |tx, row| match InvoiceStatus::of(row) {
            InvoiceStatus::Pending => save_status(tx, row, InvoiceStatus::Cancelled),
            InvoiceStatus::Overdue => {
                save_status(tx, row, InvoiceStatus::Cancelled)?;
                end_debt(tx, "the debt was cancelled")
            }
            InvoiceStatus::Cancelled => Ok(()),
            InvoiceStatus::Paid | InvoiceStatus::Refunded => Err(wrong_status(row)),
        })
    }

    /// Has the invoice of a purchase, or of joining a plan, be paid in so many monthly instalments
    /// of whole cents; what does not divide comes with the first. What it pays for is given with
    /// the first. Gives the numbers of all, the invoice's own first. From 2 to 24. Waits for the
    /// disk.
    pub fn split_invoice(&self, invoice: i64, parts: u32) -> Result<Vec<i64>, Error> {
        if !(2..=PARTS_MAX).contains(&parts) {
            let why = format!("{parts} is not between 2 and {PARTS_MAX}");
            return Err(Error::InvalidArgument { what: "instalments", why });
        }
        let operation = Operation::new("split_invoice", None, &(invoice, parts));
        self.with_invoice(invoice, &operation, |tx, row| {
            let one_off = matches!(Effect::of(row), Effect::Activate | Effect::Give);
            if !one_off || row.parts > 1 {
                let why =
                    "only a purchase, or joining a plan, is split into instalments, and only once";
                return Err(Error::InvalidArgument { what: "invoice", why: why.to_owned() });
            }
            if InvoiceStatus::of(row) != InvoiceStatus::Pending || row.gateway_id.is_some() {
                return Err(wrong_status(row));
            }
            if row.cents < i64::from(parts) {
                let why = format!(
                    "{} cannot be split into {parts} instalments of at least a cent",
                    Cents::new(row.cents)?
                );
                return Err(Error::InvalidArgument { what: "instalments", why });
            }
            split(tx, row, parts)
        })
    }

    /// Changes an invoice, and what hangs on it, in one transaction.
    pub(super) fn with_invoice<T: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        id: i64,
        operation: &Operation<'_>,
        change: impl FnOnce(&mut AdminTx<'_>, &mut InvoiceRow) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let unknown = || Error::UnknownInvoice(id);
        let tenant = self.shared.store.tenant_of_invoice(id)?.ok_or_else(unknown)?;
        self.change_once(&tenant, operation, |tx| {
            let mut row = tx.write.invoice(id)?.ok_or_else(unknown)?;
            change(tx, &mut row)
        })
    }
}

/// Whether an invoice waits to be paid: it will be charged on its due date, or should have been.
pub(super) fn will_be_charged(row: &InvoiceRow) -> bool {
    InvoiceStatus::of(row).waits()
}

pub(super) fn wrong_status(row: &InvoiceRow) -> Error {
    let why = match &row.gateway_id {
        Some(_) if InvoiceStatus::of(row) == InvoiceStatus::Pending => {
            "a payment is under way for it".to_owned()
        }
        _ if InvoiceStatus::of(row) == InvoiceStatus::Cancelled => "it was cancelled".to_owned(),
        _ => format!("it is {}", row.status),
    };
    Error::InvalidArgument { what: "invoice", why }
}

pub(super) fn invoice_view(
    row: &InvoiceRow,
    lines: &[Line],
    reference: String,
) -> Result<Invoice, Error> {
    Ok(Invoice {
        id: row.id,
        title: row.title.clone(),
        amount: Cents::new(row.cents)?,
        currency: row.currency.clone(),
        lines: lines.iter().map(InvoiceLine::of).collect::<Result<_, _>>()?,
        payment_type: row.payment_type.clone(),
        payment_method: PaymentMethod::from_code(&row.payment_method),
        status: InvoiceStatus::of(row),
        recurring: row.recurring,
        part: (row.part, row.parts),
        due: row.due,
        paid_on: row.paid_on,
        paid: row.paid_cents.map(Cents::new).transpose()?,
        gateway_id: row.gateway_id.clone(),
        reference,
    })
}

/// Makes so many invoices of one; each is due a month after the one before it.
fn split(tx: &AdminTx<'_>, row: &mut InvoiceRow, parts: u32) -> Result<Vec<i64>, Error> {
    let (part_cents, rest) = (row.cents / i64::from(parts), row.cents % i64::from(parts));
    // A purchase, or joining a plan, is one line.
    let Some(line) = tx.write.lines(row.id)?.into_iter().next() else { return Ok(Vec::new()) };
    let mut numbers = vec![row.id];
    for part in 2..=parts {
        let months = part - 1;
        let due = calendar::due_date(chrono::Datelike::day(&row.due), row.due, months);
        let effect = Effect::Nothing.code().to_owned();
        let cents = part_cents;
        let new = InvoiceRow { cents, part, parts, due, effect, ..row.clone() };
        let share = Line { cents, ..line.clone() };
        numbers.push(save_new(tx.write, new, &[share])?);
    }
    row.cents = part_cents + rest;
    row.parts = parts;
    tx.write.save_invoice(row)?;
    tx.write.save_lines(row, &[Line { cents: row.cents, ..line }])?;
    let detail = format!("{} in {parts} instalments", row.id);
    tx.write.audit(Some(tx.loaded.row), tx.now, "invoice", &detail)?;
    Ok(numbers)
}

pub(super) fn save_status(
    tx: &AdminTx<'_>,
    row: &mut InvoiceRow,
    status: InvoiceStatus,
) -> Result<(), Error> {
    status.code().clone_into(&mut row.status);
    tx.write.save_invoice(row)?;
    let detail = format!("{} {}", row.id, row.status);
    Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "invoice", &detail)?)
}

// ---- new invoices ---------------------------------------------------------------------------

/// Writes the invoice whose payment activates a subscription.
pub(super) fn bill_activation(
    write: &Write<'_>,
    loaded: &Loaded,
    row: &SubscriptionRow,
    at: Timestamp,
) -> Result<i64, Error> {
    let due = calendar::date_of(at, loaded.account.time_zone);
    let terms = &row.terms;
    let Some(cents) = terms.price_cents else {
        return Err(Error::PriceMissing { plan: terms.plan.clone() });
    };
    let line = Line { is_final: true, ..Line::of_plan(terms, due, terms.first_due, cents) };
    let new = InvoiceRow {
        title: terms.title.clone(),
        cents,
        effect: Effect::Activate.code().to_owned(),
        ..new_invoice(loaded.row, Payer::of(row), due)
    };
    save_new(write, new, &[line])
}

/// Writes a new invoice with its lines, and gives its number. One over nothing is never written.
pub(super) fn save_new(write: &Write<'_>, new: InvoiceRow, lines: &[Line]) -> Result<i64, Error> {
    debug_assert!(new.cents > 0 && new.cents == lines.iter().map(|it| it.cents).sum::<i64>());
    let id = write.insert_invoice(&new)?;
    write.save_lines(&InvoiceRow { id, ..new }, lines)?;
    Ok(id)
}

/// Who pays an invoice, and how.
#[derive(Clone, Debug)]
pub(super) struct Payer {
    pub(super) subscription: Option<i64>,
    pub(super) payment_type: String,
    pub(super) payment_method: String,
    pub(super) currency: String,
}

impl Payer {
    /// As a subscription is paid.
    pub(super) fn of(row: &SubscriptionRow) -> Payer {
        Payer {
            subscription: Some(row.id),
            payment_type: row.payment_type.clone(),
            payment_method: row.payment_method.clone(),
            currency: row.terms.currency.clone(),
        }
    }
}

/// An invoice without lines: over nothing, and not written yet.
pub(super) fn new_invoice(tenant: i64, payer: Payer, due: NaiveDate) -> InvoiceRow {
    let mut new = InvoiceRow {
        id: 0,
        tenant,
        subscription: payer.subscription,
        purchase: None,
        title: String::new(),
        cents: 0,
        payment_type: payer.payment_type,
        payment_method: payer.payment_method,
        status: InvoiceStatus::Pending.code().to_owned(),
        recurring: false,
        part: 1,
        parts: 1,
        due,
        paid_on: None,
        gateway_id: None,
        settled: false,
        effect: Effect::Nothing.code().to_owned(),
        reported_overdue: false,
        paid_cents: None,
        currency: payer.currency,
        gathers: Gathers::No,
    };
    new.recurring = is_debited(&new);
    new
}

/// Whether an invoice is debited by itself: one that is made manually is not, nor is one for
/// something that was bought; what a gateway charges with every due date is (docs/sources.md,
/// LiveChat 360).
pub(super) fn is_debited(row: &InvoiceRow) -> bool {
    row.payment_type != MANUAL && Effect::of(row) != Effect::Give && row.parts == 1
}

// ---- invoices that will not be paid ---------------------------------------------------------

/// Cancels what was to be paid for a subscription that will not begin: also what is overdue, since
/// nothing was given for it.
pub(super) fn cancel_unpaid(tx: &mut AdminTx<'_>, subscription: i64) -> Result<(), Error> {
    let of_it = |row: &InvoiceRow| row.subscription == Some(subscription);
    cancel_where(tx, of_it)?;
    for mut row in tx.write.invoices(tx.loaded.row)? {
        if InvoiceStatus::of(&row) == InvoiceStatus::Overdue && of_it(&row) {
            save_status(tx, &mut row, InvoiceStatus::Cancelled)?;
            end_debt(tx, "the plan was not taken")?;
        }
    }
    Ok(())
}

/// Cancels what something bought would have been given for, now that it has ended.
pub(super) fn cancel_purchase(tx: &mut AdminTx<'_>, purchase: i64) -> Result<(), Error> {
    let is_meant = |it: &InvoiceRow| it.purchase == Some(purchase);
    due_dates::cancel_offers(tx.write, tx.loaded.row, is_meant)?;
    end_debt(tx, "the purchase was ended")
}

fn cancel_where(tx: &mut AdminTx<'_>, is_meant: impl Fn(&InvoiceRow) -> bool) -> Result<(), Error> {
    for mut row in tx.write.invoices(tx.loaded.row)? {
        if InvoiceStatus::of(&row) == InvoiceStatus::Pending && is_meant(&row) {
            save_status(tx, &mut row, InvoiceStatus::Cancelled)?;
        }
    }
    Ok(())
}
