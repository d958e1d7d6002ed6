//! Reports: what the engine reports, as JSON documents that `cotas.reports` makes typed values of.
//! All of them read SQLite.

use cotas::{Catalog, Error, Interval, Language, Role};
use pyo3::prelude::*;
use serde::Serialize;

use crate::arguments::{Name, Units, When, Whole, known};
use crate::engine::Engine;
use crate::errors::invalid;

/// The reports that there are pages of.
const PAGES: [&str; 4] = ["statement", "balances", "channels", "plan"];

#[pymethods]
impl Engine {
    /// What there is to say of a tenant, by the name of the report.
    fn _of_tenant(&self, py: Python<'_>, what: &str, tenant: Name<'_>) -> PyResult<String> {
        let Name(name) = tenant;
        match what {
            "report" => self.document(py, |engine| engine.report(name)),
            "statement" => self.document(py, |engine| Ok(engine.statement(name)?.to_json())),
            "balances" => self.document(py, |engine| Ok(engine.balances(name)?.to_json())),
            "subscriptions" => self.document(py, |engine| engine.subscriptions(name)),
            "invoices" => self.document(py, |engine| engine.invoices(name)),
            "payments" => self.document(py, |engine| engine.payments(name)),
            "next_invoice" => self.document(py, |engine| engine.preview_invoice(name)),
            "periods" => self.document(py, |engine| engine.periods(name)),
            "account_holder" => self.document(py, |engine| engine.account_holder(name)),
            other => Err(invalid(&format!("unknown report {other:?}"))),
        }
    }

    /// What an operation of the control plane that reads gives, by its name.
    fn _read(&self, py: Python<'_>, operation: Name<'_>, arguments: Name<'_>) -> PyResult<String> {
        self.ask(py, |engine| engine.call_json(operation.0, arguments.0, None))
    }

    fn _plan_report(&self, py: Python<'_>, tenant: Name<'_>, role: Name<'_>) -> PyResult<String> {
        let role = known("role", role.0, &Role::ALL, Role::code)?;
        self.document(py, |engine| Ok(engine.plan_report(tenant.0, role)?.to_json()))
    }

    fn _channels(&self, py: Python<'_>, tenant: Name<'_>, resource: Name<'_>) -> PyResult<String> {
        self.document(py, |engine| Ok(engine.channels(tenant.0, resource.0)?.to_json()))
    }

    fn _what_if(&self, py: Python<'_>, tenant: Name<'_>, plan: Name<'_>) -> PyResult<String> {
        self.document(py, |engine| engine.what_if(tenant.0, plan.0))
    }

    /// A report as a page that people read, in `en` or `pt`.
    #[pyo3(signature = (what, tenant, language, resource))]
    fn _page(
        &self,
        py: Python<'_>,
        what: Name<'_>,
        tenant: Name<'_>,
        language: Name<'_>,
        resource: Name<'_>,
    ) -> PyResult<String> {
        let language = known("language", language.0, &Language::ALL, Language::code)?;
        let what = known("report", what.0, &PAGES, |page| page)?;
        let Name(name) = tenant;
        self.ask(py, |engine| {
            Ok(match what {
                "balances" => engine.balances(name)?.to_page(language),
                "channels" => engine.channels(name, resource.0)?.to_page(language),
                "plan" => engine.plan_report(name, Role::Manager)?.to_page(language),
                _ => engine.statement(name)?.to_page(language),
            })
        })
    }

    /// What was counted: start, end, resource, metric, reason and count of each bucket.
    #[allow(clippy::type_complexity)] // A row of a table.
    fn _usage(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        interval: Name<'_>,
        since: Option<When>,
        until: Option<When>,
    ) -> PyResult<Vec<(When, When, String, &'static str, Option<&'static str>, u64)>> {
        let interval = known("interval", interval.0, &Interval::ALL, Interval::code)?;
        let (from, to) = (since.map(|at| at.0), until.map(|at| at.0));
        let report = self.ask(py, |engine| engine.usage_by(tenant.0, interval, from, to))?;
        let row = |bucket: cotas::UsageBucket| {
            let (metric, reason) = metric(bucket.metric);
            let (start, end) = (When(bucket.start), When(bucket.end));
            (start, end, bucket.resource, metric, reason, bucket.count)
        };
        Ok(report.buckets.into_iter().map(row).collect())
    }

    fn _events(&self, py: Python<'_>, after: Units, most: Whole<u32>) -> PyResult<String> {
        self.document(py, |engine| engine.events(after.0, most.0))
    }

    /// An operation of the control plane by its name, from JSON to JSON.
    fn _call(&self, py: Python<'_>, operation: &str, arguments: &str) -> PyResult<String> {
        self.ask(py, |engine| engine.call_json(operation, arguments, None))
    }

    #[allow(clippy::type_complexity)] // A row of a table.
    fn _audit_trail(
        &self,
        py: Python<'_>,
        tenant: Option<Name<'_>>,
        most: Whole<u32>,
    ) -> PyResult<Vec<(i64, When, Option<String>, String, String, Option<String>)>> {
        let entries = self.ask(py, |it| it.audit_trail(tenant.map(|name| name.0), most.0))?;
        let row =
            |it: cotas::AuditEntry| (it.id, When(it.at), it.tenant, it.what, it.detail, it.actor);
        Ok(entries.into_iter().map(row).collect())
    }

    fn _verify(&self, py: Python<'_>) -> PyResult<String> {
        self.document(py, cotas::Engine::verify)
    }

    fn _catalog_losses(&self, py: Python<'_>, text: Name<'_>, name: Name<'_>) -> PyResult<String> {
        self.document(py, |engine| engine.catalog_losses(&Catalog::parse(text.0, name.0)?))
    }

    fn _opening(&self, py: Python<'_>) -> PyResult<String> {
        self.document(py, |engine| Ok(engine.opening().clone()))
    }

    fn _lag(&self, py: Python<'_>) -> PyResult<String> {
        self.document(py, |engine| Ok(engine.lag()))
    }

    fn _maintain(&self, py: Python<'_>) -> PyResult<String> {
        self.document(py, cotas::Engine::maintain)
    }

    fn _catalog(&self, py: Python<'_>) -> PyResult<String> {
        self.document(py, cotas::Engine::catalog)
    }
}

impl Engine {
    /// Asks for something, and gives it as a JSON document.
    pub fn document<R: Serialize>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&cotas::Engine) -> Result<R, Error> + Send,
    ) -> PyResult<String> {
        self.ask(py, |engine| json(&ask(engine)?))
    }
}

/// A value as a JSON document.
pub fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::InvalidArgument { what: "document", why: error.to_string() })
}

fn metric(metric: cotas::Metric) -> (&'static str, Option<&'static str>) {
    match metric {
        cotas::Metric::Used => ("used", None),
        cotas::Metric::Returned => ("returned", None),
        cotas::Metric::Denied(reason) => ("denied", Some(reason.code())),
        cotas::Metric::Shadowed(reason) => ("shadowed", Some(reason.code())),
    }
}
