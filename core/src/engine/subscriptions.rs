//! Subscriptions: joining a plan, now or when it is paid, and how it is paid.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};

use super::administer::{DURABLE, Terms};
use super::billing;
use super::lane::Work;
use super::{Engine, check_key};
use crate::catalog::{Compiled, Limit, Plan};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::settle::{close_period, grant_plan};
use crate::rules::{EventKind, Happening, ResourceId, Subscription, calendar};
use crate::store::{ACTIVE, Loaded, Overrides, PENDING, SubscriptionRow, Write};

/// Longest label of a way to pay, and longest id of a gateway's, in bytes.
const LABEL_BYTES_MAX: usize = 128;

/// The status of a subscription in force, in a list.
pub(super) const IN_FORCE: &str = "active";

/// How a tenant joins a plan.
pub(super) struct Joining<'a> {
    pub(super) terms: &'a Terms<'a>,
    /// An opaque label: Manual, Asaas, Pagar-me.
    pub(super) payment_type: &'a str,
    pub(super) gateway_id: Option<&'a str>,
}

impl<'a> Joining<'a> {
    /// At once, paid by hand.
    pub(super) fn now(terms: &'a Terms<'a>) -> Joining<'a> {
        Joining { terms, payment_type: billing::MANUAL, gateway_id: None }
    }
}

/// A subscription in a list: the current one, or a past one (seed 000, "Plano atual").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRecord {
    /// Its number.
    pub id: i64,
    /// The plan's name in the catalog.
    pub plan: String,
    /// What people call the plan.
    pub title: String,
    /// What the gateway calls it, if the payment type has such ids.
    pub gateway_id: Option<String>,
    /// How it is paid: an opaque label.
    pub payment_type: String,
    /// When its present period began, or when it did.
    pub period_start: Timestamp,
    /// "Próximo vencimento".
    pub due: NaiveDate,
    /// `active`, `pending` or `cancelled`.
    pub status: &'static str,
}

impl Engine {
    /// Chooses another plan that begins when its first invoice is paid (seed 004). Until then the
    /// present one goes on. Gives the number of that invoice. Waits for the disk.
    pub fn choose_plan(
        &self,
        tenant: &str,
        terms: &Terms<'_>,
        payment_type: &str,
        key: Option<&str>,
    ) -> Result<Option<i64>, Error> {
        check_label("payment type", payment_type)?;
        self.change(tenant, DURABLE, |work| {
            let arguments = format!("{terms:?}:{payment_type}");
            if self.was_done(work, key, "choose_plan", &arguments)? {
                return Ok(None);
            }
            let joining = Joining { terms, payment_type, gateway_id: None };
            choose(work.write, work.loaded, work.compiled, &joining, work.now)
        })
    }

    /// Changes how the next invoices of a tenant are paid, and what the gateway calls the
    /// subscription (seed 000). Invoices that exist and are not paid follow. Waits for the disk.
    pub fn set_payment_form(
        &self,
        tenant: &str,
        payment_type: &str,
        gateway_id: Option<&str>,
    ) -> Result<(), Error> {
        check_label("payment type", payment_type)?;
        gateway_id.map_or(Ok(()), |id| check_label("gateway id", id))?;
        self.change(tenant, DURABLE, |work| {
            let pending = work.write.pending_subscription(work.loaded.row)?.map(|row| row.id);
            let current = work.loaded.account.subscription.as_ref().map(|it| it.id);
            let id = pending.or(current).ok_or_else(|| Error::NoSubscription(tenant.to_owned()))?;
            work.write.set_payment_type(id, payment_type, gateway_id)?;
            for mut invoice in work.write.invoices(work.loaded.row)? {
                if invoice.paid_on.is_none() && invoice.subscription == Some(id) {
                    payment_type.clone_into(&mut invoice.payment_type);
                    work.write.save_invoice(&invoice)?;
                }
            }
            work.write.audit(Some(work.loaded.row), work.now, "payment form", payment_type)?;
            Ok(())
        })
    }

    /// The subscriptions of a tenant, the latest first. Reads SQLite.
    pub fn subscriptions(&self, tenant: &str) -> Result<Vec<SubscriptionRecord>, Error> {
        let report = self.report(tenant)?;
        let rows = self.shared.store.subscriptions(self.row_of(tenant)?)?;
        let current = report.subscription.as_ref();
        let record = |row: SubscriptionRow| {
            let of_current = current.filter(|_| row.state == ACTIVE);
            SubscriptionRecord {
                id: row.id,
                title: row.terms.title.clone(),
                gateway_id: row.gateway_id,
                payment_type: row.payment_type,
                period_start: of_current.map_or(row.started_at, |it| it.period_start),
                due: of_current.map_or_else(|| row.terms.due(), |it| it.due),
                status: match row.state.as_str() {
                    ACTIVE if row.terms.pending => "pending",
                    ACTIVE => IN_FORCE,
                    PENDING => "pending",
                    _ => "cancelled",
                },
                plan: row.terms.plan,
            }
        };
        Ok(rows.into_iter().map(record).collect())
    }
}

pub(super) fn check_label(what: &'static str, label: &str) -> Result<(), Error> {
    check_key(what, label)?;
    if label.len() > LABEL_BYTES_MAX || label.chars().any(char::is_control) {
        let why = format!("more than {LABEL_BYTES_MAX} bytes, or control characters");
        return Err(Error::InvalidArgument { what, why });
    }
    Ok(())
}

/// Begins a subscription and grants its first units.
pub(super) fn subscribe(
    write: &Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    joining: &Joining<'_>,
    at: Timestamp,
) -> Result<(), Error> {
    let (plan, terms) = terms_of(loaded, compiled, joining, at)?;
    let row = SubscriptionRow {
        id: 0,
        state: ACTIVE.to_owned(),
        started_at: at,
        ended_at: None,
        payment_type: joining.payment_type.to_owned(),
        gateway_id: joining.gateway_id.map(str::to_owned),
        terms,
    };
    let id = write.insert_subscription(loaded.row, &row)?;
    let terms = Subscription { id, ..row.terms };
    begin(write, loaded, compiled, plan, terms, at)
}

/// Puts a subscription in force: its limits, its features, its first units.
fn begin(
    write: &Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    plan: &Plan,
    terms: Subscription,
    at: Timestamp,
) -> Result<(), Error> {
    let due = terms.due();
    let account = &mut loaded.account;
    account.subscription = Some(terms);
    account.limits = limits_of(compiled, plan, &loaded.overrides);
    account.features = compiled.features(&plan.features, &loaded.overrides.features);
    account.period_start = at;
    grant_plan(account, &compiled.rulebook, at);
    billing::bill_period(write, loaded, &compiled.rulebook, due)
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

/// Notes a subscription that waits to be paid, with the invoice that activates it.
pub(super) fn choose(
    write: &Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    joining: &Joining<'_>,
    at: Timestamp,
) -> Result<Option<i64>, Error> {
    let (_, terms) = terms_of(loaded, compiled, joining, at)?;
    let row = SubscriptionRow {
        id: 0,
        state: PENDING.to_owned(),
        started_at: at,
        ended_at: None,
        payment_type: joining.payment_type.to_owned(),
        gateway_id: joining.gateway_id.map(str::to_owned),
        terms,
    };
    let id = write.insert_subscription(loaded.row, &row)?;
    loaded.account.awaits_payment = true;
    let row = SubscriptionRow { id, ..row };
    billing::bill_activation(write, loaded, &row, at).map(Some)
}

/// Puts the subscription in force that waited to be paid: its period begins now.
pub(super) fn activate(work: &mut Work<'_>, id: i64) -> Result<(), Error> {
    let Some(row) = work.write.subscription(id)?.filter(|row| row.state == PENDING) else {
        return Ok(());
    };
    let catalog_plan = work.write.plan(row.terms.catalog_version, &row.terms.plan)?;
    let Some(plan) = catalog_plan else { return Err(Error::UnknownPlan(row.terms.plan)) };
    let now = work.now;
    let account = &mut work.loaded.account;
    if let Some(current) = &account.subscription {
        work.write.set_subscription_state(current.id, crate::store::CANCELLED, Some(now))?;
        let closed = close_period(account, &work.compiled.rulebook, now, false);
        work.write.save_period(work.loaded.row, &closed)?;
    }
    let account = &mut work.loaded.account;
    work.write.set_subscription_state(id, ACTIVE, None)?;
    account.awaits_payment = false;
    let mut terms = Subscription { id, ..row.terms };
    // The day of the month stays; a first due date that has passed meanwhile is the next one.
    while calendar::end_of_due_day(terms.first_due, account.time_zone) <= now {
        let months = terms.period_months;
        terms.first_due = calendar::due_date(terms.anchor_day, terms.first_due, months);
    }
    let kind = EventKind::PlanChanged { plan: terms.plan.clone() };
    work.happened.push(Happening { at: now, resource: None, kind });
    begin(work.write, work.loaded, work.compiled, &plan, terms, now)
}

/// The terms that a plan comes to for a tenant.
fn terms_of<'c>(
    loaded: &Loaded,
    compiled: &'c Compiled,
    joining: &Joining<'_>,
    at: Timestamp,
) -> Result<(&'c Plan, Subscription), Error> {
    let Terms { plan: name, first_due, auto_renew } = *joining.terms;
    let unknown = || Error::UnknownPlan(super::shorten(name));
    let plan = compiled.catalog.plans.get(name).ok_or_else(unknown)?;
    if calendar::end_of_due_day(first_due, loaded.account.time_zone) <= at {
        let why = format!("{first_due} has passed already");
        return Err(Error::InvalidArgument { what: "first due date", why });
    }
    let terms = Subscription {
        id: 0,
        plan: name.to_owned(),
        title: plan.title.clone(),
        catalog_version: compiled.version,
        first_due,
        anchor_day: first_due.day(),
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
        price_cents: plan.price_cents,
        pending: false,
    };
    Ok((plan, terms))
}
