//! Money: invoices, what is bought on top of plans, and what payments do.
//!
//! Whether a webhook tells of a payment or somebody marks it by hand: one path settles it, once.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::administer::{DURABLE, check_amount};
use super::lane::Work;
use super::subscriptions::activate;
use super::{Engine, shorten};
use crate::billing::{Cents, PackageQuote, PriceTable};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::settle::{add_grant, close_period, grant_plan};
use crate::rules::{EventKind, Happening, Rulebook, Source, Status, calendar};
use crate::store::{InvoiceRow, Loaded, PurchaseRow, SubscriptionRow, Write};

/// How a subscription is paid unless somebody says otherwise.
pub(super) const MANUAL: &str = "Manual";
/// The reason of a suspension that a payment ends.
pub(super) const DEBT: &str = "debt";

/// An invoice (seed 000, "Faturas").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Its number.
    pub id: i64,
    /// What it is for: the plan's or the package's title.
    pub title: String,
    /// How much.
    pub amount: Cents,
    /// How it is paid: an opaque label.
    pub payment_type: String,
    /// How it stands.
    pub status: InvoiceStatus,
    /// Whether it is debited by itself; the invoice's, not the plan's.
    pub recurring: bool,
    /// Which instalment, of how many.
    pub part: (u32, u32),
    /// "Data de vencimento".
    pub due: NaiveDate,
    /// "Data de pagamento".
    pub paid_on: Option<NaiveDate>,
    /// The gateway's id of the payment.
    pub gateway_id: Option<String>,
}

/// How an invoice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    pub(super) fn of(row: &InvoiceRow) -> InvoiceStatus {
        let found = Self::ALL.into_iter().find(|status| status.code() == row.status);
        found.unwrap_or(InvoiceStatus::Pending)
    }
}

/// What paying an invoice does, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
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
    const fn code(self) -> &'static str {
        match self {
            Effect::Nothing => "nothing",
            Effect::Activate => "activate",
            Effect::Renew => "renew",
            Effect::Give => "give",
        }
    }

    fn of(row: &InvoiceRow) -> Effect {
        let all = [Effect::Activate, Effect::Renew, Effect::Give];
        all.into_iter().find(|effect| effect.code() == row.effect).unwrap_or(Effect::Nothing)
    }
}

/// What a purchase comes to (seed 002).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The invoice that is due at once, in full: nothing is prorated.
    pub invoice: i64,
    /// What it costs, of which packages, and whether a bigger quantity would cost less.
    pub quote: PackageQuote,
    /// When it is charged again, in full; `None`: never.
    pub next_due: Option<NaiveDate>,
    /// All that will be charged on that day, the plan and what is charged again, this purchase
    /// included.
    pub next_total: Cents,
}

impl Engine {
    /// Invoices of a tenant, by due date. Reads SQLite.
    pub fn invoices(&self, tenant: &str) -> Result<Vec<Invoice>, Error> {
        let rows = self.shared.store.invoices(self.row_of(tenant)?)?;
        rows.iter().map(invoice_view).collect()
    }

    /// What a quantity of a package costs (seed 002): the cheapest exact composition of sizes.
    pub fn quote_package(&self, package: &str, quantity: u64) -> Result<PackageQuote, Error> {
        let compiled = self.shared.compiled()?;
        let unknown = || Error::UnknownPackage(shorten(package));
        let package = compiled.catalog.packages.get(package).ok_or_else(unknown)?;
        Ok(prices(&package.prices)?.quote(quantity)?)
    }

    /// Buys on top of a plan: an invoice over the full price is due at once, and what was bought is
    /// given when it is paid. With `key`, at most once per key. Waits for the disk.
    pub fn buy(
        &self,
        tenant: &str,
        package: &str,
        quantity: u64,
        key: Option<&str>,
    ) -> Result<Option<Purchase>, Error> {
        check_amount(quantity)?;
        let quote = self.quote_package(package, quantity)?;
        self.change(tenant, DURABLE, |work| {
            let arguments = format!("{package}:{quantity}");
            if self.was_done(work, key, "buy", &arguments)? {
                return Ok(None);
            }
            buy(work, tenant, package, quantity, quote).map(Some)
        })
    }

    /// Settles an invoice that was paid, by hand. Paid already, it changes nothing. Waits for the
    /// disk.
    pub fn mark_paid(&self, invoice: i64, paid_on: Option<NaiveDate>) -> Result<(), Error> {
        self.with_invoice(invoice, |work, row| settle_paid(work, row, paid_on))
    }

    /// Cancels an invoice that was not paid. Waits for the disk.
    pub fn cancel_invoice(&self, invoice: i64) -> Result<(), Error> {
        self.with_invoice(invoice, |work, row| match InvoiceStatus::of(row) {
            InvoiceStatus::Pending | InvoiceStatus::Overdue => {
                set_status(work, row, InvoiceStatus::Cancelled)
            }
            InvoiceStatus::Cancelled => Ok(()),
            InvoiceStatus::Paid | InvoiceStatus::Refunded => {
                let why = format!("it is {}", row.status);
                Err(Error::InvalidArgument { what: "invoice", why })
            }
        })
    }

    /// Changes an invoice, and what hangs on it, in one transaction.
    pub(super) fn with_invoice<T>(
        &self,
        id: i64,
        change: impl FnOnce(&mut Work<'_>, &mut InvoiceRow) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let unknown = || Error::UnknownInvoice(id);
        let found = self.shared.store.invoice(id)?.ok_or_else(unknown)?;
        let tenant = self.shared.store.hash_of_row(found.tenant)?.ok_or_else(unknown)?;
        self.change(&tenant.1, DURABLE, |work| {
            let mut row = work.write.invoice(id)?.ok_or_else(unknown)?;
            change(work, &mut row)
        })
    }
}

fn invoice_view(row: &InvoiceRow) -> Result<Invoice, Error> {
    Ok(Invoice {
        id: row.id,
        title: row.title.clone(),
        amount: Cents::new(row.cents)?,
        payment_type: row.payment_type.clone(),
        status: InvoiceStatus::of(row),
        recurring: row.recurring,
        part: (row.part, row.parts),
        due: row.due,
        paid_on: row.paid_on,
        gateway_id: row.gateway_id.clone(),
    })
}

fn prices(sizes: &BTreeMap<u64, i64>) -> Result<PriceTable, Error> {
    let size = |(&size, &cents): (&u64, &i64)| Ok::<_, Error>((size, Cents::new(cents)?));
    Ok(PriceTable::new(sizes.iter().map(size).collect::<Result<Vec<_>, _>>()?)?)
}

// ---- invoices that come by themselves -------------------------------------------------------

/// Writes the invoices that are due with a period: the plan's, and those of what is charged again
/// with every due date. A tenant whose status is not billed gets none.
pub(super) fn bill_period(
    write: &Write<'_>,
    loaded: &Loaded,
    rules: &Rulebook,
    due: NaiveDate,
) -> Result<(), Error> {
    if !rules.statuses.row(loaded.account.status).billed {
        return Ok(());
    }
    let Some(terms) = &loaded.account.subscription else { return Ok(()) };
    let Some(row) = write.subscription(terms.id)? else { return Ok(()) };
    let new = new_invoice(loaded.row, &row, due);
    if let Some(cents) = terms.price_cents.filter(|&cents| cents > 0) {
        let title = terms.title.clone();
        let effect = Effect::Renew.code().to_owned();
        write.insert_invoice(&InvoiceRow { title, cents, effect, ..new.clone() })?;
    }
    for purchase in write.recurring_purchases(loaded.row)? {
        let PurchaseRow { id, package, cents, .. } = purchase;
        write.insert_invoice(&InvoiceRow {
            purchase: Some(id),
            title: package,
            cents,
            ..new.clone()
        })?;
    }
    Ok(())
}

/// Writes the invoice whose payment activates a subscription.
pub(super) fn bill_activation(
    write: &Write<'_>,
    loaded: &Loaded,
    row: &SubscriptionRow,
    at: Timestamp,
) -> Result<i64, Error> {
    let due = calendar::date_of(at, loaded.account.time_zone);
    Ok(write.insert_invoice(&InvoiceRow {
        title: row.terms.title.clone(),
        cents: row.terms.price_cents.unwrap_or(0),
        effect: Effect::Activate.code().to_owned(),
        ..new_invoice(loaded.row, row, due)
    })?)
}

fn new_invoice(tenant: i64, subscription: &SubscriptionRow, due: NaiveDate) -> InvoiceRow {
    InvoiceRow {
        id: 0,
        tenant,
        subscription: Some(subscription.id),
        purchase: None,
        title: String::new(),
        cents: 0,
        payment_type: subscription.payment_type.clone(),
        status: InvoiceStatus::Pending.code().to_owned(),
        // Made by hand: no. Debited by a gateway: yes.
        recurring: subscription.payment_type != MANUAL,
        part: 1,
        parts: 1,
        due,
        paid_on: None,
        gateway_id: None,
        settled: false,
        effect: Effect::Nothing.code().to_owned(),
    }
}

// ---- purchases ------------------------------------------------------------------------------

fn buy(
    work: &mut Work<'_>,
    tenant: &str,
    name: &str,
    quantity: u64,
    quote: PackageQuote,
) -> Result<Purchase, Error> {
    let unknown = || Error::UnknownPackage(shorten(name));
    let package = work.compiled.catalog.packages.get(name).ok_or_else(unknown)?;
    let subscription = work.loaded.account.subscription.clone();
    let subscription = subscription.ok_or_else(|| Error::NoSubscription(tenant.to_owned()))?;
    let plan = work.write.plan(subscription.catalog_version, &subscription.plan)?;
    if plan.is_some_and(|plan| !plan.extras) {
        return Err(Error::NotForSale { package: name.to_owned(), why: "its plan sells nothing" });
    }
    if let Some(feature) = &package.feature
        && !work.compiled.gives(feature, &work.loaded.account.features)
    {
        return Err(Error::NotForSale { package: name.to_owned(), why: "a feature is missing" });
    }
    let (resource, _) = work.compiled.resource(&package.resource).ok_or_else(unknown)?;
    let purchase = PurchaseRow {
        id: 0,
        package: package.title.clone(),
        resource,
        quantity,
        cents: quote.cents.get(),
        recurring: package.recurring,
        bought_at: work.now,
    };
    let id = work.write.insert_purchase(work.loaded.row, &purchase)?;
    let Some(row) = work.write.subscription(subscription.id)? else { return Err(unknown()) };
    let today = calendar::date_of(work.now, work.loaded.account.time_zone);
    let new = InvoiceRow {
        purchase: Some(id),
        title: package.title.clone(),
        cents: quote.cents.get(),
        recurring: false,
        effect: Effect::Give.code().to_owned(),
        ..new_invoice(work.loaded.row, &row, today)
    };
    let invoice = work.write.insert_invoice(&new)?;
    // No proration: the next due date charges the full price again.
    let next_due = package.recurring.then(|| subscription.due());
    if let Some(due) = next_due {
        let again = InvoiceRow {
            purchase: Some(id),
            title: package.title.clone(),
            cents: quote.cents.get(),
            ..new_invoice(work.loaded.row, &row, due)
        };
        work.write.insert_invoice(&again)?;
    }
    let detail = format!("{quantity} of {name}");
    work.write.audit(Some(work.loaded.row), work.now, "purchase", &detail)?;
    let invoices = work.write.invoices(work.loaded.row)?;
    let then = invoices.iter().filter(|it| Some(it.due) == next_due);
    let then = then.filter(|it| due_on(InvoiceStatus::of(it)));
    let next_total = Cents::new(then.map(|it| it.cents).sum())?;
    Ok(Purchase { invoice, quote, next_due, next_total })
}

/// Whether an invoice that stands like this will be charged on its due date.
pub(super) fn due_on(status: InvoiceStatus) -> bool {
    matches!(status, InvoiceStatus::Pending | InvoiceStatus::Overdue)
}

// ---- the one path that settles --------------------------------------------------------------

/// An invoice was paid. What it pays for is given once, however often it is told.
pub(super) fn settle_paid(
    work: &mut Work<'_>,
    row: &mut InvoiceRow,
    paid_on: Option<NaiveDate>,
) -> Result<(), Error> {
    match InvoiceStatus::of(row) {
        InvoiceStatus::Paid => return Ok(()),
        InvoiceStatus::Cancelled => {
            let why = "it was cancelled".to_owned();
            return Err(Error::InvalidArgument { what: "invoice", why });
        }
        InvoiceStatus::Pending | InvoiceStatus::Overdue | InvoiceStatus::Refunded => {}
    }
    let today = calendar::date_of(work.now, work.loaded.account.time_zone);
    row.paid_on = Some(paid_on.unwrap_or(today));
    if !row.settled {
        row.settled = true;
        give(work, row)?;
    }
    let current = work.loaded.account.subscription.as_mut();
    if let Some(terms) = current.filter(|it| Some(it.id) == row.subscription) {
        terms.pending = false;
    }
    set_status(work, row, InvoiceStatus::Paid)?;
    end_debt(work, row)
}

/// What paying an invoice does.
fn give(work: &mut Work<'_>, row: &InvoiceRow) -> Result<(), Error> {
    match (Effect::of(row), row.subscription, row.purchase) {
        (Effect::Activate, Some(subscription), _) => activate(work, subscription),
        (Effect::Renew, Some(subscription), _) => renew(work, subscription),
        (Effect::Give, _, Some(purchase)) => {
            let Some(bought) = work.write.purchase(purchase)? else { return Ok(()) };
            let packages = &work.compiled.catalog.packages;
            let package = packages.values().find(|package| package.title == bought.package);
            let lifetime = package.and_then(|package| package.expires_ms);
            let expires_at = lifetime.map(|ms| work.now.plus_ms(ms));
            let (account, now) = (&mut work.loaded.account, work.now);
            add_grant(account, bought.resource, Source::Package, bought.quantity, now, expires_at);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The period after the next due date is paid. One that has lapsed for want of payment goes on.
fn renew(work: &mut Work<'_>, subscription: i64) -> Result<(), Error> {
    let (rules, now) = (&work.compiled.rulebook, work.now);
    let account = &mut work.loaded.account;
    let Some(terms) = account.subscription.as_mut().filter(|it| it.id == subscription) else {
        return Ok(());
    };
    terms.paid += 1;
    if !terms.lapsed || !terms.renews() {
        return Ok(());
    }
    // Paid late: the anchor stays, the period begins now.
    terms.lapsed = false;
    terms.renewed += 1;
    let due = terms.due();
    account.renewals += 1;
    let closed = close_period(account, rules, now, true);
    work.write.save_period(work.loaded.row, &closed)?;
    grant_plan(&mut work.loaded.account, rules, now);
    let kind = EventKind::Renewed { period: work.loaded.account.period };
    work.happened.push(Happening { at: now, resource: None, kind });
    bill_period(work.write, work.loaded, rules, due)
}

/// A tenant in arrears without another overdue invoice is in order again; so is one that was
/// suspended for its debt.
fn end_debt(work: &mut Work<'_>, paid: &InvoiceRow) -> Result<(), Error> {
    let status = work.loaded.account.status;
    let for_debt = status == Status::PastDue
        || (status == Status::Suspended && work.loaded.status_reason == DEBT);
    let invoices = work.write.invoices(work.loaded.row)?;
    let owes = invoices
        .iter()
        .any(|it| it.id != paid.id && InvoiceStatus::of(it) == InvoiceStatus::Overdue);
    if for_debt && !owes {
        become_status(work, Status::Active, "paid")?;
    }
    Ok(())
}

/// An invoice was not paid in time.
pub(super) fn settle_overdue(work: &mut Work<'_>, row: &mut InvoiceRow) -> Result<bool, Error> {
    if InvoiceStatus::of(row) != InvoiceStatus::Pending {
        return Ok(false);
    }
    set_status(work, row, InvoiceStatus::Overdue)?;
    if work.loaded.account.status == Status::Active {
        become_status(work, Status::PastDue, DEBT)?;
    }
    Ok(true)
}

/// A payment was taken back: the subscription waits to be paid again.
pub(super) fn settle_reversed(work: &mut Work<'_>, row: &mut InvoiceRow) -> Result<bool, Error> {
    if InvoiceStatus::of(row) != InvoiceStatus::Paid {
        return Ok(false);
    }
    set_status(work, row, InvoiceStatus::Refunded)?;
    let subscription = work.loaded.account.subscription.as_mut();
    if let Some(terms) = subscription.filter(|it| Some(it.id) == row.subscription) {
        terms.pending = row.purchase.is_none();
    }
    Ok(true)
}

fn set_status(work: &Work<'_>, row: &mut InvoiceRow, status: InvoiceStatus) -> Result<(), Error> {
    status.code().clone_into(&mut row.status);
    work.write.save_invoice(row)?;
    let detail = format!("{} {}", row.id, row.status);
    Ok(work.write.audit(Some(work.loaded.row), work.now, "invoice", &detail)?)
}

fn become_status(work: &mut Work<'_>, to: Status, reason: &str) -> Result<(), Error> {
    let from = work.loaded.account.status;
    work.loaded.account.status = to;
    reason.clone_into(&mut work.loaded.status_reason);
    let kind = EventKind::StatusChanged { from, to };
    work.happened.push(Happening { at: work.now, resource: None, kind });
    let detail = format!("{} -> {}", from.code(), to.code());
    Ok(work.write.audit(Some(work.loaded.row), work.now, "status", &detail)?)
}
