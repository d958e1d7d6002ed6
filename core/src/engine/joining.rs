//! Joining a plan: now, when its first invoice is paid, or when the present period ends.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;

use super::admin_tx::AdminTx;
use super::{due_dates, invoices};
use crate::catalog::{BillingMode, Compiled, Limit, Plan, RenewOn};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::settle::{close_period, grant_plan};
use crate::rules::{
    EventKind, LineKind, Pause, ResourceId, Status, Subscription, TenantEvent, calendar,
};
use crate::store::{
    ACTIVE, InvoiceRow, Loaded, MANUAL, Overrides, PENDING, SubscriptionRow, Write,
};

/// What a tenant subscribes to.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Terms<'a> {
    /// The plan, as the catalog in force names it.
    pub plan: &'a str,
    /// The first due date, which is fully usable. `None`, only where a payment begins the period:
    /// on the same day of the month, one period after the payment.
    pub first_due: Option<NaiveDate>,
    /// The day of the month of all later due dates, in shorter months the last day; `None`: the
    /// first due date's.
    pub anchor_day: Option<u32>,
    /// Whether the plan's units are restored one day after each due date.
    pub auto_renew: bool,
}

impl<'a> Terms<'a> {
    /// With this first due date, whose day is the day of all later ones.
    #[must_use]
    pub const fn new(plan: &'a str, first_due: NaiveDate, auto_renew: bool) -> Terms<'a> {
        Terms { plan, first_due: Some(first_due), anchor_day: None, auto_renew }
    }
}

impl fmt::Debug for Terms<'_> {
    /// Idempotency keys of before [`once`](super::once) had an encoding of its own are compared by
    /// this text, and kept for ever: what could always be said is written as it always was.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Terms");
        text.field("plan", &self.plan);
        match &self.first_due {
            Some(first_due) => text.field("first_due", first_due),
            none => text.field("first_due", none),
        };
        if let Some(day) = &self.anchor_day {
            text.field("anchor_day", day);
        }
        text.field("auto_renew", &self.auto_renew).finish()
    }
}

/// How a subscription is paid.
#[derive(Clone, Debug)]
pub(super) struct PaymentState {
    /// An opaque label: Manual, Asaas, Pagar-me.
    pub(super) label: String,
    /// What the gateway calls the subscription.
    pub(super) gateway_id: Option<String>,
    /// The code of the way in which its invoices are paid; empty: not chosen.
    pub(super) method: String,
}

impl PaymentState {
    /// Of this type, and nothing else is known.
    pub(super) fn of_type(label: &str) -> PaymentState {
        PaymentState { label: label.to_owned(), gateway_id: None, method: String::new() }
    }

    pub(super) fn manual() -> PaymentState {
        PaymentState::of_type(MANUAL)
    }

    /// As the tenant pays now: another plan changes nothing about it.
    pub(super) fn of_present(tx: &AdminTx<'_>) -> Result<PaymentState, Error> {
        let Some(terms) = &tx.loaded.account.subscription else {
            return Ok(PaymentState::manual());
        };
        Ok(tx.write.subscription(terms.id)?.map_or_else(PaymentState::manual, |row| PaymentState {
            label: row.payment_type,
            gateway_id: row.gateway_id,
            method: row.payment_method,
        }))
    }

    /// A new subscription that is paid in this way.
    pub(super) fn row(self, state: &str, terms: Subscription, at: Timestamp) -> SubscriptionRow {
        let terms = Subscription { manual: self.label == MANUAL, ..terms };
        SubscriptionRow {
            id: 0,
            state: state.to_owned(),
            started_at: at,
            ended_at: None,
            last_start: None,
            payment_type: self.label,
            gateway_id: self.gateway_id,
            payment_method: self.method,
            terms,
        }
    }
}

/// How a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// When.
    pub(super) at: Timestamp,
    /// Whether its first period is paid.
    pub(super) is_paid: bool,
    /// How the subscription before it was billed; `None`: there was none.
    pub(super) present_mode: Option<BillingMode>,
}

/// Begins a subscription and grants its first units.
pub(super) fn subscribe(
    write: &Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    terms: &Terms<'_>,
    payment: PaymentState,
    beginning: Beginning,
) -> Result<(), Error> {
    let Beginning { at, present_mode, .. } = beginning;
    let (plan, terms) = terms_of(loaded, compiled, terms, at)?;
    let terms = Subscription { billing: mode_of(plan, present_mode), ..terms };
    let row = payment.row(ACTIVE, terms, at);
    let id = write.insert_subscription(loaded.row, &row)?;
    begin(write, loaded, compiled, plan, Subscription { id, ..row.terms }, beginning)
}

/// How a plan is billed: as the subscription before it, unless it renews on payment.
pub(super) fn mode_of(plan: &Plan, present: Option<BillingMode>) -> BillingMode {
    match present {
        _ if plan.renew_on == RenewOn::Payment => BillingMode::Advance,
        Some(mode) => mode,
        None => plan.billing,
    }
}

/// Puts a subscription in force: its limits, its features, its first units.
fn begin(
    write: &Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    plan: &Plan,
    mut terms: Subscription,
    beginning: Beginning,
) -> Result<(), Error> {
    let at = beginning.at;
    let account = &mut loaded.account;
    let today = calendar::date_of(at, account.time_zone);
    terms.begin_grid(today);
    terms.begin_billing(today);
    account.subscription = Some(terms.clone());
    account.limits = limits_of(compiled, plan, &loaded.overrides);
    account.features = compiled.features(&plan.features, &loaded.overrides.features);
    account.period_start = at;
    grant_plan(account, &compiled.rulebook, at);
    if !compiled.rulebook.statuses.row(account.status).billed {
        return Ok(());
    }
    due_dates::bill_beginning(write, loaded.row, &terms, beginning.is_paid)
}

/// The limits that a plan comes to for a tenant: its own go before the plan's.
pub(super) fn limits_of(
    compiled: &Compiled,
    plan: &Plan,
    overrides: &Overrides,
) -> BTreeMap<ResourceId, Limit> {
    let mut limits = compiled.limits(plan);
    for (name, &limit) in &overrides.limits {
        if let Some((resource, _)) = compiled.resource(name) {
            limits.insert(resource, limit);
        }
    }
    limits
}

/// The same terms with a first due date: where none was given, one period after today. For a plan
/// that begins at once though a payment would have begun it.
pub(super) fn due_after<'a>(
    terms: &Terms<'a>,
    compiled: &Compiled,
    zone: Tz,
    at: Timestamp,
) -> Result<Terms<'a>, Error> {
    let plan = plan_named(compiled, terms.plan)?;
    let due = due_after_payment(plan.period_months, terms.anchor_day, calendar::date_of(at, zone));
    Ok(Terms { first_due: Some(terms.first_due.unwrap_or(due)), ..*terms })
}

/// The due date one period after the day on which it was paid.
fn due_after_payment(months: u32, anchor_day: Option<u32>, paid_on: NaiveDate) -> NaiveDate {
    calendar::due_date(anchor_day.unwrap_or(paid_on.day()), paid_on, months)
}

/// Notes a subscription that waits to be paid, with the invoice that activates it. Another one
/// that waited will not begin any more. `None`: there is nothing to pay; it may begin at once.
pub(super) fn choose(
    write: &Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    terms: &Terms<'_>,
    payment: PaymentState,
    at: Timestamp,
) -> Result<Option<i64>, Error> {
    check_anchor(terms.first_due, terms.anchor_day)?;
    let zone = loaded.account.time_zone;
    let dated = due_after(terms, compiled, zone, at)?;
    let due_from_payment = terms.first_due.is_none();
    let (_, terms) = terms_of(loaded, compiled, &dated, at)?;
    if terms.price_cents == Some(0) {
        return Ok(None);
    }
    // It begins with its payment.
    let terms = Subscription { billing: BillingMode::Advance, due_from_payment, ..terms };
    let mut row = payment.row(PENDING, terms, at);
    row.id = write.insert_subscription(loaded.row, &row)?;
    row.terms.id = row.id;
    loaded.account.awaits_payment = true;
    invoices::bill_activation(write, loaded, &row, at).map(Some)
}

/// Puts the subscription in force that waited to be paid: its period begins now. The present one
/// ends; `was_billed` says whether its period is owed.
pub(super) fn activate(
    tx: &mut AdminTx<'_>,
    id: i64,
    invoice: &InvoiceRow,
    was_billed: bool,
) -> Result<(), Error> {
    let Some(row) = tx.write.subscription(id)?.filter(|row| row.state == PENDING) else {
        return Ok(());
    };
    let catalog_plan = tx.write.plan(row.terms.catalog_version, &row.terms.plan)?;
    let Some(plan) = catalog_plan else {
        return Err(Error::UnknownPlan(row.terms.plan.as_str().into()));
    };
    end_present(tx, was_billed)?;
    let now = tx.now;
    let today = tx.today();
    let account = &mut tx.loaded.account;
    tx.write.begin_subscription(id, now)?;
    account.awaits_payment = false;
    let mut terms = Subscription { id, ..row.terms };
    if std::mem::take(&mut terms.due_from_payment) {
        let day = terms.anchor_chosen.unwrap_or(today.day());
        terms.first_due = due_after_payment(terms.period_months, terms.anchor_chosen, today);
        terms.anchor_day = day;
    }
    // The day of the month stays. A first due date that has passed meanwhile, or comes so soon that
    // hardly anything was paid for, is moved on by whole periods.
    let days = tx.compiled.rulebook.billing.min_first_days;
    let earliest = today.checked_add_days(Days::new(days.into())).unwrap_or(today);
    while terms.first_due < earliest {
        let months = terms.period_months;
        terms.first_due = calendar::due_date(terms.anchor_day, terms.first_due, months);
    }
    let mut lines = tx.write.lines(invoice.id)?;
    for line in lines.iter_mut().filter(|it| it.kind == LineKind::Plan) {
        (line.from, line.to) = (Some(today), Some(terms.first_due));
    }
    tx.write.save_lines(invoice, &lines)?;
    emit_plan_change(tx, &terms.plan);
    let beginning = Beginning { at: now, is_paid: true, present_mode: None };
    begin(tx.write, tx.loaded, tx.compiled, &plan, terms, beginning)
}

/// Ends the present subscription and its period, and what was to follow it. In arrears the period
/// is due today where it `is_billed`; invoices for periods that will not come are withdrawn.
pub(super) fn end_present(tx: &mut AdminTx<'_>, is_billed: bool) -> Result<(), Error> {
    drop_scheduled(tx)?;
    let today = tx.today();
    let account = &mut tx.loaded.account;
    let Some(present) = account.subscription.take() else { return Ok(()) };
    let last_start = account.period_start;
    let closed = close_period(account, &tx.compiled.rulebook, tx.now, false);
    tx.write.save_period(tx.loaded.row, &closed)?;
    tx.write.end_subscription(&present, last_start, tx.now)?;
    due_dates::bill_end(tx.write, tx.loaded.row, &present, today, is_billed)
}

/// A cancelled tenant buys nothing and changes no plan.
pub(super) fn check_not_cancelled(tx: &AdminTx<'_>) -> Result<(), Error> {
    if tx.loaded.account.status != Status::Cancelled {
        return Ok(());
    }
    let why = "it is cancelled: an operator brings it back before it buys or changes a plan";
    Err(Error::InvalidArgument { what: "tenant", why: why.to_owned() })
}

/// Forgets the plan that was scheduled; says whether there was one.
pub(super) fn drop_scheduled(tx: &mut AdminTx<'_>) -> Result<bool, Error> {
    let Some(next) = tx.loaded.account.scheduled.take() else { return Ok(false) };
    tx.write.drop_subscription(next.terms.id, tx.now)?;
    Ok(true)
}

/// Forgets the plan that was chosen and waits to be paid.
pub(super) fn drop_pending(tx: &mut AdminTx<'_>) -> Result<(), Error> {
    let Some(row) = tx.write.pending_subscription(tx.loaded.row)? else { return Ok(()) };
    tx.write.drop_subscription(row.id, tx.now)?;
    tx.loaded.account.awaits_payment = false;
    invoices::cancel_unpaid(tx, row.id)
}

/// Reports that a tenant is on another plan.
pub(super) fn emit_plan_change(tx: &mut AdminTx<'_>, plan: &str) {
    let kind = EventKind::PlanChanged { plan: plan.to_owned() };
    tx.events.push(TenantEvent { at: tx.now, resource: None, kind });
}

/// The plan of the catalog in force, and the terms that it comes to for a tenant.
fn terms_of<'c>(
    loaded: &Loaded,
    compiled: &'c Compiled,
    terms: &Terms<'_>,
    at: Timestamp,
) -> Result<(&'c Plan, Subscription), Error> {
    let Terms { plan: name, anchor_day, auto_renew, .. } = *terms;
    let plan = plan_named(compiled, name)?;
    let first_due = terms.first_due.ok_or_else(first_due_missing)?;
    check_due_date(first_due, loaded.account.time_zone, at)?;
    check_anchor(Some(first_due), anchor_day)?;
    let own = &loaded.overrides.prices;
    let day = anchor_day.unwrap_or(first_due.day());
    let terms = terms_from(compiled, name, plan, own, first_due, day, auto_renew);
    Ok((plan, Subscription { anchor_chosen: anchor_day, ..terms }))
}

pub(super) fn first_due_missing() -> Error {
    let why = "it is missing, and no payment begins the period; give the day on which the first \
               period ends, or let the plan begin with its payment";
    Error::InvalidArgument { what: "first due date", why: why.to_owned() }
}

/// Refuses an anchor that is no day of a month, or on which the first due date does not fall.
pub(super) fn check_anchor(
    first_due: Option<NaiveDate>,
    anchor_day: Option<u32>,
) -> Result<(), Error> {
    let Some(day) = anchor_day else { return Ok(()) };
    let refused = |why| Err(Error::InvalidArgument { what: "anchor day", why });
    if !(1..=31).contains(&day) {
        return refused(format!("{day} is no day of a month; give 1 to 31"));
    }
    let Some(first_due) = first_due else { return Ok(()) };
    let falls_on = calendar::due_date(day, first_due, 0);
    if falls_on == first_due {
        return Ok(());
    }
    refused(format!("the first due date is {first_due}, and in its month the {day} is {falls_on}"))
}

/// Refuses a first due date that has passed.
pub(super) fn check_due_date(first_due: NaiveDate, zone: Tz, at: Timestamp) -> Result<(), Error> {
    if calendar::end_of_due_day(first_due, zone) > at {
        return Ok(());
    }
    let why = format!("{first_due} has passed already; give today or a later day");
    Err(Error::InvalidArgument { what: "first due date", why })
}

pub(super) fn plan_named<'c>(compiled: &'c Compiled, name: &str) -> Result<&'c Plan, Error> {
    compiled.catalog.plans.get(name).ok_or_else(|| compiled.unknown_plan(name))
}

/// A subscription to a plan of the catalog in force, before its first period.
pub(super) fn terms_from(
    compiled: &Compiled,
    name: &str,
    plan: &Plan,
    own_prices: &BTreeMap<String, i64>,
    first_due: NaiveDate,
    anchor_day: u32,
    auto_renew: bool,
) -> Subscription {
    Subscription {
        id: 0,
        plan: name.to_owned(),
        title: plan.title.clone(),
        catalog_version: compiled.version,
        first_due,
        anchor_day,
        period_months: plan.period_months,
        auto_renew,
        renewed: 0,
        max_renewals: plan.max_renewals,
        on_lapse: plan.on_lapse,
        grace_days: plan.grace_days,
        lapsed: false,
        renew_on: plan.renew_on,
        paid: 0,
        cadence_months: plan.cadence_months,
        restored: 0,
        carry_over: compiled.units(&plan.carry_over),
        price_cents: own_prices.get(name).copied().or(plan.price_cents),
        currency: compiled.catalog.currency.clone(),
        billing: plan.billing,
        from: None,
        peak_cents: None,
        peak_title: None,
        cancelled_at: None,
        pending: false,
        pause: Pause::None,
        next_due_set: None,
        due_from_payment: false,
        anchor_chosen: None,
        manual: false,
    }
}
