//! What is bought on top of plans (docs/sources.md, Whazing): full price at once, and again with
//! each due date.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::admin_tx::AdminTx;
use super::administer::check_amount;
use super::invoices::{self, Effect, InvoiceStatus, Payer, new_invoice, save_new, will_be_charged};
use super::joining::check_not_cancelled;
use super::limits::plan_of;
use super::once::Operation;
use super::{Engine, due_dates};
use crate::billing::{Cents, PackageQuote, PriceError, PriceTable};
use crate::catalog::Compiled;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::settle::add_grant;
use crate::rules::{Grant, Line, LineKind, Pause, Source, calendar};
use crate::store::{InvoiceRow, PurchaseRow, SubscriptionRow};

/// What a purchase comes to (docs/sources.md, Whazing).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// The invoice that is due at once, in full: nothing is prorated.
    pub invoice: i64,
    /// What it costs, of which packages, and whether a bigger quantity would cost less.
    pub quote: PackageQuote,
    /// When it is charged again, in full; `None`: never, or with a plan that is to come.
    pub next_due: Option<NaiveDate>,
    /// All that will be charged on that day, the plan and what is charged again, this purchase
    /// included.
    #[serde(rename = "next_total_cents")]
    pub next_total: Cents,
    /// Whether it was bought before under the same key, and nothing has changed.
    #[serde(skip)]
    pub replayed: bool,
}

impl Engine {
    /// What a quantity of a package costs (docs/sources.md, Whazing): the cheapest exact
    /// composition of sizes.
    pub fn quote_package(&self, package: &str, quantity: u64) -> Result<PackageQuote, Error> {
        check_amount(quantity)?;
        quote(self.shared.compiled()?, package, quantity)
    }

    /// Buys on top of a plan: an invoice over the full price is due at once, and what was bought is
    /// given when it is paid. With `key`, at most once per key. Waits for the disk.
    pub fn buy(
        &self,
        tenant: &str,
        package: &str,
        quantity: u64,
        key: Option<&str>,
    ) -> Result<Purchase, Error> {
        check_amount(quantity)?;
        let operation = Operation::new("buy", key, &(package, quantity));
        // Composing a large quantity takes a while, for which no other call shall wait.
        let compiled = self.shared.compiled()?;
        let quoted = quote(compiled, package, quantity);
        let answer = self.answer_once(tenant, &operation, |tx| {
            let quote = match quoted {
                quoted if compiled.version == tx.compiled.version => quoted?,
                _ => quote(tx.compiled, package, quantity)?,
            };
            buy(tx, tenant, package, quantity, quote)
        })?;
        Ok(Purchase { replayed: answer.replayed, ..answer.value })
    }

    /// Ends what is charged again with every due date: that which this invoice of a purchase paid
    /// for, or was to pay for. Nothing is prorated: what was paid for stays to the end of its
    /// period, and is charged no more; what was never paid is not given any more; what is owed
    /// already stays owed. Ended before, it changes nothing. Gives the last day on which it counts;
    /// `None`: nothing of it counts. Waits for the disk.
    pub fn end_purchase(&self, invoice: i64) -> Result<Option<NaiveDate>, Error> {
        let operation = Operation::new("end_purchase", None, &invoice);
        self.with_invoice(invoice, &operation, |tx, row| {
            let purchase = purchase_of(tx, row)?;
            let purchase = purchase.map(|id| tx.write.purchase(id)).transpose()?.flatten();
            let Some(mut bought) = purchase.filter(|it| it.recurring) else {
                let why =
                    "it pays for nothing that is charged again; give the invoice of a recurring \
                           purchase"
                        .to_owned();
                return Err(Error::InvalidArgument { what: "invoice", why });
            };
            if bought.ended_at.is_none() {
                end(tx, &mut bought)?;
            }
            let zone = tx.loaded.account.time_zone;
            let ends = grant_of(tx, &bought).and_then(|grant| grant.expires_at);
            Ok(ends.map(|at| calendar::date_of(at.plus_ms(-1), zone)))
        })
    }
}

/// The purchase that an invoice is over: where it has lines of several, its own contracting's must
/// be named instead.
fn purchase_of(tx: &AdminTx<'_>, row: &InvoiceRow) -> Result<Option<i64>, Error> {
    let mut of_lines: Vec<_> =
        tx.write.lines(row.id)?.into_iter().filter_map(|line| line.purchase).collect();
    of_lines.dedup();
    match (row.purchase, of_lines.as_slice()) {
        (Some(purchase), _) | (None, &[purchase]) => Ok(Some(purchase)),
        (None, []) => Ok(None),
        (None, _) => {
            let why =
                "it is over several purchases; name the invoice of contracting the one to end";
            Err(Error::InvalidArgument { what: "invoice", why: why.to_owned() })
        }
    }
}

fn quote(compiled: &Compiled, package: &str, quantity: u64) -> Result<PackageQuote, Error> {
    let unknown = || compiled.unknown_package(package);
    let package = compiled.catalog.packages.get(package).ok_or_else(unknown)?;
    Ok(prices(&package.prices)?.quote(quantity)?)
}

fn prices(sizes: &BTreeMap<u64, i64>) -> Result<PriceTable, Error> {
    let size = |(&size, &cents): (&u64, &i64)| Ok::<_, Error>((size, Cents::new(cents)?));
    Ok(PriceTable::new(sizes.iter().map(size).collect::<Result<Vec<_>, _>>()?)?)
}

fn buy(
    tx: &mut AdminTx<'_>,
    tenant: &str,
    name: &str,
    quantity: u64,
    quote: PackageQuote,
) -> Result<Purchase, Error> {
    check_not_cancelled(tx)?;
    let unknown = || tx.compiled.unknown_package(name);
    let package = tx.compiled.catalog.packages.get(name).ok_or_else(unknown)?;
    let subscription = tx.loaded.account.subscription.clone();
    let subscription = subscription.ok_or_else(|| Error::NoSubscription(tenant.to_owned()))?;
    if plan_of(tx)?.is_some_and(|plan| !plan.extras) {
        return Err(Error::NotForSale {
            package: name.to_owned(),
            why: "its plan has no extras; change the plan first",
        });
    }
    if let Some(feature) = &package.feature
        && !tx.compiled.gives(feature, &tx.loaded.account.features)
    {
        return Err(Error::NotForSale {
            package: name.to_owned(),
            why: "it lacks the feature that the package needs",
        });
    }
    if quote.cents == Cents::ZERO {
        let why = "it costs nothing: grant it instead";
        return Err(Error::NotForSale { package: name.to_owned(), why });
    }
    let (resource, _) = tx.compiled.resource(&package.resource).ok_or_else(unknown)?;
    let purchase = PurchaseRow {
        id: 0,
        package: package.title.clone(),
        resource,
        quantity,
        cents: quote.cents.get(),
        recurring: package.recurring,
        bought_at: tx.now,
        expires_ms: package.expires_ms,
        grant: None,
        taken_back: 0,
        ended_at: None,
    };
    let id = tx.write.insert_purchase(tx.loaded.row, &purchase)?;
    let Some(row) = tx.write.subscription(subscription.id)? else { return Err(unknown()) };
    let today = tx.today();
    let price = quote.cents.get();
    let invoice = bill_contracting(tx, &row, &purchase, id, subscription.due().max(today))?;
    // No proration: where a period follows the due date charges its full price again.
    let has_next = tx.loaded.account.scheduled.is_some() && subscription.pause == Pause::None;
    let is_followed = subscription.is_followed() || has_next;
    let next_due =
        (package.recurring && subscription.has_period() && is_followed).then(|| subscription.due());
    let detail = format!("{quantity} of {name}");
    tx.write.audit(Some(tx.loaded.row), tx.now, "purchase", &detail)?;
    let invoices = tx.write.invoices(tx.loaded.row)?;
    let then = invoices.iter().filter(|it| Some(it.due) == next_due && will_be_charged(it));
    let too_much = || PriceError::TooMuch { quantity };
    let this_one = next_due.map(|_| price);
    let next_total =
        then.map(|it| it.cents).chain(this_one).try_fold(Cents::ZERO, |sum, cents| {
            sum.checked_add(Cents::new(cents)?).ok_or_else(too_much)
        })?;
    Ok(Purchase { invoice, quote, next_due, next_total, replayed: false })
}

/// Writes the invoice of contracting, which is always one of its own.
fn bill_contracting(
    tx: &AdminTx<'_>,
    payer: &SubscriptionRow,
    purchase: &PurchaseRow,
    id: i64,
    to: NaiveDate,
) -> Result<i64, Error> {
    let today = tx.today();
    let line = Line {
        kind: LineKind::Package,
        title: purchase.package.clone(),
        from: Some(today),
        // What is used up, and not charged again, pays no period.
        to: purchase.recurring.then_some(to),
        cents: purchase.cents,
        subscription: None,
        purchase: Some(id),
        is_final: true,
    };
    let new = InvoiceRow {
        purchase: Some(id),
        title: purchase.package.clone(),
        cents: purchase.cents,
        recurring: false,
        effect: Effect::Give.code().to_owned(),
        ..new_invoice(tx.loaded.row, Payer::of(payer), today)
    };
    save_new(tx.write, new, &[line])
}

/// Gives what was bought, now that it is paid.
pub(super) fn give(tx: &mut AdminTx<'_>, purchase: i64) -> Result<(), Error> {
    let found = tx.write.purchase(purchase)?;
    let Some(mut bought) = found.filter(|it| it.ended_at.is_none()) else { return Ok(()) };
    let expires_at = bought.expires_ms.map(|ms| tx.now.plus_ms(ms));
    let (account, now) = (&mut tx.loaded.account, tx.now);
    let PurchaseRow { resource, quantity, .. } = bought;
    let grant = add_grant(account, resource, Source::Package, quantity, now, expires_at);
    bought.grant = Some(grant);
    tx.write.save_purchase(&bought)?;
    // Now that it is paid, the due date charges it again.
    due_dates::bill_again(tx)
}

/// Ends a purchase with the period that is paid.
fn end(tx: &mut AdminTx<'_>, bought: &mut PurchaseRow) -> Result<(), Error> {
    let until = paid_until(tx, bought.id)?;
    bought.ended_at = Some(tx.now);
    tx.write.save_purchase(bought)?;
    invoices::cancel_purchase(tx, bought.id)?;
    due_dates::bill_again(tx)?;
    if let Some(grant) = grant_of(tx, bought) {
        grant.expires_at = Some(grant.expires_at.map_or(until, |at| at.min(until)));
    }
    let detail = format!("{} of {}", bought.quantity, bought.package);
    Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "purchase ended", &detail)?)
}

/// When the period ends that something charged again is paid for: the present one, or the next
/// where that is paid already.
fn paid_until(tx: &AdminTx<'_>, purchase: i64) -> Result<Timestamp, Error> {
    let account = &tx.loaded.account;
    let Some(terms) = account.subscription.as_ref().filter(|it| it.has_period()) else {
        return Ok(tx.now);
    };
    let mut next_is_paid = false;
    for row in tx.write.gathering(tx.loaded.row, terms.due())? {
        let lines = tx.write.lines(row.id)?;
        next_is_paid |= InvoiceStatus::of(&row) == InvoiceStatus::Paid
            && lines.iter().any(|it| it.purchase == Some(purchase));
    }
    let last = if next_is_paid { terms.next_due() } else { terms.due() };
    Ok(calendar::end_of_due_day(last, account.time_zone))
}

/// What was bought, as far as it is in force.
fn grant_of<'w>(tx: &'w mut AdminTx<'_>, bought: &PurchaseRow) -> Option<&'w mut Grant> {
    let grants = &mut tx.loaded.account.grants;
    grants.iter_mut().find(|it| Some(it.id) == bought.grant)
}

/// Takes back what is left of something bought whose payment was taken back.
pub(super) fn take_back(tx: &mut AdminTx<'_>, purchase: i64) -> Result<(), Error> {
    let Some(mut bought) = tx.write.purchase(purchase)? else { return Ok(()) };
    let Some(grant) = grant_of(tx, &bought) else { return Ok(()) };
    bought.taken_back += grant.revoke(grant.remaining);
    Ok(tx.write.save_purchase(&bought)?)
}

/// Restores what was taken back, now that it is paid again, unless its time has run out.
pub(super) fn restore(tx: &mut AdminTx<'_>, purchase: i64) -> Result<(), Error> {
    let Some(mut bought) = tx.write.purchase(purchase)? else { return Ok(()) };
    let Some(id) = bought.grant.filter(|_| bought.taken_back > 0) else { return Ok(()) };
    let in_time = |it: &Grant| it.is_in_time(tx.now);
    let grants = &mut tx.loaded.account.grants;
    if grants.iter().all(|it| it.id != id) {
        // It held nothing and was left out of the account.
        let ended = tx.write.ended_grant(tx.loaded.row, id)?.filter(in_time);
        let place = grants.partition_point(|it| it.id < id);
        grants.splice(place..place, ended);
    }
    if let Some(grant) = grants.iter_mut().find(|it| it.id == id && in_time(it)) {
        grant.restore(bought.taken_back);
    }
    bought.taken_back = 0;
    Ok(tx.write.save_purchase(&bought)?)
}
