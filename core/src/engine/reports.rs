//! The reports that platforms show: put together from the settled view of a tenant.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::administer::resource_of;
use super::{Balance, Engine, GrantView, TenantReport, subscriptions};
use crate::billing::Cents;
use crate::catalog::{Catalog, Compiled, Feature, Kind, is_granted};
use crate::error::Error;
use crate::report::{
    BalanceLine, Balances, Channel, Channels, GrantLine, NextCharge, PlanReport, PlanSummary, Role,
    Statement,
};
use crate::rules::{Entitlements, Mode, Pause, Status, calendar};

/// The status of a report while an active tenant's plan waits to be paid.
const AWAITS_PAYMENT: &str = "pending";

impl Engine {
    /// "Minha assinatura" (docs/sources.md, LiveChat 360): plan, balances, where they come from,
    /// current and past plans, invoices. Reads SQLite.
    pub fn statement(&self, tenant: &str) -> Result<Statement, Error> {
        let report = self.report(tenant)?;
        let catalog = &self.shared.compiled()?.catalog;
        let subscriptions = self.subscriptions(tenant)?;
        let current = subscriptions.iter().find(|it| it.status == subscriptions::IN_FORCE);
        let plan = report.subscription.as_ref().zip(current).map(|(view, record)| PlanSummary {
            title: record.title.clone(),
            payment_type: record.payment_type.clone(),
            payment_method: record.payment_method,
            due: view.due,
            auto_renew: view.auto_renew,
        });
        let grant = |grant: &GrantView| GrantLine {
            title: catalog.title(&grant.resource),
            grant: grant.clone(),
            used_up: catalog.resources.get(&grant.resource).is_some_and(|it| is_granted(it.kind)),
        };
        Ok(Statement {
            tenant: report.name.clone(),
            plan,
            balances: listed(&report).map(|it| balance_line(it, catalog)).collect(),
            grants: report.grants.iter().map(grant).collect(),
            subscriptions,
            invoices: self.invoices(tenant)?,
            currency: catalog.currency.clone(),
            time_zone: zone_of(&report),
        })
    }

    /// What is left of everything that a tenant uses up (docs/sources.md, Assin: credits and
    /// notification credits, the two icons of the bar). Reads SQLite.
    pub fn balances(&self, tenant: &str) -> Result<Balances, Error> {
        let report = self.report(tenant)?;
        let catalog = &self.shared.compiled()?.catalog;
        let used_up = |it: &&Balance| matches!(it.kind, "allowance" | "session");
        let lines = listed(&report).filter(used_up).map(|it| balance_line(it, catalog));
        Ok(Balances { tenant: report.name.clone(), lines: lines.collect() })
    }

    /// The channels of a tenant (docs/sources.md, Whazing): who holds a seat of `resource` or of
    /// one within it, the next due date, and what will be charged then. Tokens are never shown.
    /// Reads SQLite.
    pub fn channels(&self, tenant: &str, resource: &str) -> Result<Channels, Error> {
        let compiled = self.shared.compiled()?;
        let (number, kind) = resource_of(compiled, resource, "seat")?;
        let report = self.report(tenant)?;
        let catalog = &compiled.catalog;
        let balance = report.balances.iter().find(|it| it.resource == resource);
        let balance = balance.map(|it| balance_line(it, catalog));
        // A tenant that never had a plan has nothing of it.
        let nothing = || BalanceLine {
            resource: resource.to_owned(),
            title: catalog.title(resource),
            kind: kind.name(),
            contracted: Some(0),
            used: 0,
            available: Some(0),
            over_limit: false,
        };
        let within = |it| it == number || compiled.parents(it).contains(&number);
        let rows = self.shared.store.seats(self.row_of(tenant)?)?;
        let channels = rows.into_iter().filter(|row| within(row.resource)).map(|row| {
            let name = compiled.resource_name(row.resource).unwrap_or_default();
            Channel {
                holder: row.holder,
                resource: name.to_owned(),
                title: catalog.title(name),
                since: row.since,
                has_token: row.token.is_some(),
                warning: catalog.resources.get(name).and_then(|it| it.warning.clone()),
            }
        });
        let next_due = report
            .subscription
            .as_ref()
            .filter(|it| it.auto_renew && !it.lapsed && it.pause == Pause::None);
        let next_due = next_due.map(|it| it.due);
        let invoices = self.invoices(tenant)?;
        let next = invoices.iter().filter(|it| Some(it.due) == next_due && it.status.waits());
        let lines = next.flat_map(|it| &it.lines);
        let charges: Vec<_> =
            lines.map(|it| NextCharge { title: it.title.clone(), amount: it.amount }).collect();
        let total = charges.iter().try_fold(Cents::ZERO, |sum, it| sum.checked_add(it.amount));
        Ok(Channels {
            tenant: report.name.clone(),
            balance: balance.unwrap_or_else(nothing),
            channels: channels.collect(),
            next_due,
            charges,
            total: total.unwrap_or(Cents::MAX),
            currency: catalog.currency.clone(),
            time_zone: zone_of(&report),
        })
    }

    /// The plan report (docs/sources.md, Voki), for managers and above. Reads SQLite; changes
    /// nothing.
    pub fn plan_report(&self, tenant: &str, role: Role) -> Result<PlanReport, Error> {
        if role < Role::Manager {
            return Err(Error::RoleTooLow);
        }
        let at = self.record_or_similar(tenant)?;
        let report = self.report(tenant)?;
        let (loaded, entitlements) = self.shared.view(at, tenant, self.now())?;
        let compiled = self.shared.compiled()?;
        let account = &loaded.account;
        let subscription = account.subscription.as_ref();
        let waits = account.awaits_payment || subscription.is_some_and(|it| it.pending);
        let status = match account.status {
            Status::Active if waits => AWAITS_PAYMENT,
            status => status.code(),
        };
        let mut plan = PlanReport {
            tenant: report.name.clone(),
            plan: subscription.map(|it| it.plan.clone()),
            plan_title: subscription.map(|it| it.title.clone()),
            status: status.to_owned(),
            limits: BTreeMap::new(),
            features: BTreeMap::new(),
            levels: BTreeMap::new(),
            period_start: subscription.map(|_| account.period_start),
            period_end: subscription
                .map(|it| calendar::end_of_due_day(it.due(), account.time_zone)),
            active: BTreeMap::new(),
            leased: BTreeMap::new(),
            measured: BTreeMap::new(),
            titles: BTreeMap::new(),
            time_zone: account.time_zone,
        };
        report.balances.iter().for_each(|balance| note_balance(&mut plan, balance, compiled));
        note_features(&mut plan, &entitlements, compiled);
        let named = plan.limits.keys().chain(plan.measured.keys()).chain(plan.features.keys());
        let named = named.chain(plan.levels.values());
        plan.titles = named.map(|name| (name.clone(), compiled.catalog.title(name))).collect();
        Ok(plan)
    }
}

/// What the plan gives, and what is in use though it does not.
fn listed(report: &TenantReport) -> impl Iterator<Item = &Balance> {
    report.balances.iter().filter(|it| it.mode != Mode::Disabled || it.used > 0)
}

fn balance_line(balance: &Balance, catalog: &Catalog) -> BalanceLine {
    BalanceLine {
        resource: balance.resource.clone(),
        title: catalog.title(&balance.resource),
        kind: balance.kind,
        contracted: match balance.mode {
            Mode::Disabled => Some(0),
            _ => balance.limit(),
        },
        used: balance.used,
        available: match balance.mode {
            Mode::Finite => Some(balance.available),
            Mode::Disabled => Some(0),
            Mode::Unlimited => None,
        },
        over_limit: balance.over_limit(),
    }
}

fn zone_of(report: &TenantReport) -> Tz {
    report.time_zone.parse().unwrap_or(Tz::UTC)
}

/// Notes what may be held or is measured of one resource.
fn note_balance(plan: &mut PlanReport, balance: &Balance, compiled: &Compiled) {
    let Some((_, kind)) = compiled.resource(&balance.resource) else { return };
    let limit = match balance.mode {
        Mode::Unlimited => None,
        _ => Some(balance.limit().unwrap_or(0)),
    };
    let name = balance.resource.clone();
    match kind {
        Kind::Seat => {
            plan.limits.insert(name.clone(), limit);
            plan.active.insert(name, balance.used);
        }
        Kind::Lease { .. } => {
            plan.limits.insert(name.clone(), limit);
            plan.leased.insert(name, balance.used);
        }
        Kind::Meter { .. } => {
            plan.measured.insert(name, balance.used);
        }
        Kind::Allowance | Kind::Session { .. } | Kind::Rate { .. } => {}
    }
}

/// Notes the features that the tenant has, and those that it does not have.
fn note_features(plan: &mut PlanReport, entitlements: &Entitlements, compiled: &Compiled) {
    for name in compiled.feature_names() {
        let on = match compiled.feature_of(name, &entitlements.features) {
            Some(Feature::Level(level)) => {
                plan.levels.insert(name.to_owned(), level);
                true
            }
            Some(Feature::Flag(on)) => on,
            None => continue,
        };
        plan.features.insert(name.to_owned(), on);
    }
}
