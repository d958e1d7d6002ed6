//! The reports that platforms show: put together from the settled view of a tenant.

use std::collections::BTreeMap;

use super::{Engine, subscriptions};
use crate::catalog::{Feature, Kind};
use crate::error::Error;
use crate::report::{BalanceLine, PlanReport, PlanSummary, Role, Statement};
use crate::rules::{Mode, calendar};

impl Engine {
    /// "Minha assinatura" (seed 000): plan, balances, current and past plans, invoices. Reads
    /// SQLite.
    pub fn statement(&self, tenant: &str) -> Result<Statement, Error> {
        let report = self.report(tenant)?;
        let subscriptions = self.subscriptions(tenant)?;
        let current = subscriptions.iter().find(|it| it.status == subscriptions::IN_FORCE);
        let plan = report.subscription.as_ref().zip(current).map(|(view, record)| PlanSummary {
            title: record.title.clone(),
            payment_type: record.payment_type.clone(),
            due: view.due,
            auto_renew: view.auto_renew,
        });
        let line = |balance: &crate::Balance| BalanceLine {
            resource: balance.resource.clone(),
            kind: balance.kind,
            contracted: balance.limit(),
            used: balance.used,
            available: (balance.mode == Mode::Finite).then_some(balance.available),
            over_limit: balance.over_limit(),
        };
        let listed = report.balances.iter().filter(|it| it.mode != Mode::Disabled || it.used > 0);
        Ok(Statement {
            tenant: report.name.clone(),
            plan,
            balances: listed.map(line).collect(),
            subscriptions,
            invoices: self.invoices(tenant)?,
        })
    }

    /// The plan report (seed 004), for managers and above. Reads SQLite; changes nothing.
    pub fn plan_report(&self, tenant: &str, role: Role) -> Result<PlanReport, Error> {
        if role < Role::Manager {
            return Err(Error::RoleTooLow);
        }
        let at = self.block_of(tenant)?;
        let report = self.report(tenant)?;
        let (loaded, standing) = self.shared.view(at, tenant, self.now())?;
        let compiled = self.shared.compiled()?;
        let mut limits = BTreeMap::new();
        let mut active = BTreeMap::new();
        let mut measured = BTreeMap::new();
        for balance in &report.balances {
            let Some((_, kind)) = compiled.resource(&balance.resource) else { continue };
            let limit = match balance.mode {
                Mode::Unlimited => None,
                _ => Some(balance.limit().unwrap_or(0)),
            };
            let name = balance.resource.clone();
            match kind {
                Kind::Seat => {
                    limits.insert(name.clone(), limit);
                    active.insert(name, balance.used);
                }
                Kind::Lease { .. } => {
                    limits.insert(name, limit);
                }
                Kind::Meter { .. } => {
                    measured.insert(name, balance.used);
                }
                Kind::Allowance | Kind::Session { .. } | Kind::Rate { .. } => {}
            }
        }
        let mut features = BTreeMap::new();
        let mut levels = BTreeMap::new();
        for name in compiled.feature_names() {
            match compiled.feature_of(name, &standing.features) {
                Some(Feature::Level(level)) => {
                    features.insert(name.to_owned(), true);
                    levels.insert(name.to_owned(), level);
                }
                Some(Feature::Flag(on)) => {
                    features.insert(name.to_owned(), on);
                }
                None => {}
            }
        }
        let subscription = loaded.account.subscription.as_ref();
        Ok(PlanReport {
            plan: subscription.map(|it| it.plan.clone()),
            status: report.status.code().to_owned(),
            limits,
            features,
            levels,
            period_start: subscription.map(|_| loaded.account.period_start),
            period_end: subscription
                .map(|it| calendar::end_of_due_day(it.due(), loaded.account.time_zone)),
            active,
            measured,
        })
    }
}
