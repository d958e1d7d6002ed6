//! What changes what a tenant may do, and the maintenance of the database: all of it waits for the
//! disk.

use chrono::NaiveDate;
use cotas::billing::Cents;
use cotas::catalog::Feature;
use cotas::{Catalog, Error, Limit, NewGrant, PlanChange, Source, Status, TenantForm, Terms};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString};

use crate::arguments::{Day, FilePath, Name, Private, Units, When, Whole, known};
use crate::engine::Engine;
use crate::engine_state;
use crate::errors::invalid;

/// A limit: a number, `"unlimited"` or `"disabled"`.
struct LimitArgument(Limit);

/// A feature: on, off, or at a level.
struct FeatureArgument(Feature);

impl<'a, 'py> FromPyObject<'a, 'py> for LimitArgument {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if obj.is_instance_of::<PyInt>() {
            return Ok(LimitArgument(Limit::Finite(Units::extract(obj)?.0)));
        }
        match Name::extract(obj)?.0 {
            "unlimited" => Ok(LimitArgument(Limit::Unlimited)),
            "disabled" => Ok(LimitArgument(Limit::Disabled)),
            other => {
                let why = "is not a limit (expected an int, \"unlimited\" or \"disabled\")";
                Err(invalid(&format!("limit: {other:?} {why}")))
            }
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for FeatureArgument {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(flag) = obj.cast::<PyBool>() {
            return Ok(FeatureArgument(Feature::Flag(flag.is_true())));
        }
        if obj.is_instance_of::<PyString>() {
            return Ok(FeatureArgument(Feature::Level(Name::extract(obj)?.0.to_owned())));
        }
        Err(PyTypeError::new_err(
            "a feature is True, False or the name of a level; found neither a bool nor a str",
        ))
    }
}

/// The first due date of the period that a change of plan begins; `None`: it begins none.
fn first_due_of(usage: &str, first_due: Option<Day>) -> PyResult<Option<NaiveDate>> {
    match (usage, first_due) {
        ("carry", None) => Ok(None),
        ("restart", Some(Day(first_due))) => Ok(Some(first_due)),
        ("carry", Some(_)) => Err(invalid(
            "first due date: the period goes on to its own; leave first_due out, or \
                 give usage=\"restart\"",
        )),
        ("restart", None) => Err(invalid(
            "first due date: it is missing; give first_due, the day on which the new period ends, \
             or usage=\"carry\" to leave the period as it is",
        )),
        (other, _) => Err(invalid(&format!("usage: {other:?} is none of restart, carry"))),
    }
}

#[pymethods]
impl Engine {
    /// Puts a catalog in force, TOML or JSON; gives its version. Refused if it takes something from
    /// tenants, unless that is confirmed. Waits for the disk.
    #[pyo3(
        signature = (text, *, name=Name("catalog.toml"), confirm=false),
        text_signature = "($self, text, *, name='catalog.toml', confirm=False)",
    )]
    fn load_catalog(
        &self,
        py: Python<'_>,
        text: Name<'_>,
        name: Name<'_>,
        confirm: bool,
    ) -> PyResult<u64> {
        self.ask(py, |engine| {
            let catalog = Catalog::parse(text.0, name.0)?;
            if confirm {
                engine.load_catalog_confirmed(&catalog)
            } else {
                engine.load_catalog(&catalog)
            }
        })
    }

    fn _create_tenant(
        &self,
        py: Python<'_>,
        form: Private<'_>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        self.change(py, key, |engine| {
            TenantForm::parse(form.0)?.with(|tenant| engine.create_tenant(tenant))
        })
    }

    fn _register(
        &self,
        py: Python<'_>,
        form: Private<'_>,
        key: Option<Private<'_>>,
    ) -> PyResult<String> {
        self.change(py, key, |engine| engine.register_form(form.0))
    }

    fn _validate(&self, py: Python<'_>, form: Private<'_>) -> PyResult<String> {
        self.document(py, |engine| engine.validate_form(form.0))
    }

    /// Creates those that do not exist, many in one transaction; says how many.
    fn _ensure_tenants(
        &self,
        py: Python<'_>,
        forms: Private<'_>,
        key: Option<Private<'_>>,
    ) -> PyResult<usize> {
        self.change(py, key, |engine| {
            let forms = TenantForm::parse_all(forms.0)?;
            TenantForm::with_all(&forms, |tenants| engine.ensure_tenants(tenants))
        })
    }

    /// All tenants, by name. Reads SQLite.
    fn tenants(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.ask(py, cotas::Engine::tenants)
    }

    /// Gives units on top of the plan's, surviving renewal, from `starts_at` until they are used up
    /// or expire. Lower priorities are used first: 10 unless it says otherwise; the plan's units
    /// have 0. Waits for the disk.
    #[pyo3(
        signature = (
            tenant, resource, units, *, source=Name("extra"), priority=None, starts_at=None,
            expires_at=None, key=None,
        ),
        text_signature = "($self, tenant, resource, units, *, source='extra', priority=None, \
            starts_at=None, expires_at=None, key=None)",
    )]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn grant(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        resource: Name<'_>,
        units: Units,
        source: Name<'_>,
        priority: Option<Whole<i64>>,
        starts_at: Option<When>,
        expires_at: Option<When>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        let source = known("source", source.0, &Source::ALL, Source::code)?;
        let (starts_at, expires_at) = (starts_at.map(|at| at.0), expires_at.map(|at| at.0));
        let priority = priority.map(|it| it.0);
        let new = NewGrant { priority, starts_at, expires_at, ..NewGrant::new(source, units.0) };
        self.change(py, key, |engine| engine.grant_as(tenant.0, resource.0, &new, None))
    }

    /// Puts a tenant on a plan now. `usage="restart"` ends the running period, which is billed in
    /// full, and begins one that ends on `first_due`; `"carry"` leaves period, due date and usage
    /// as they are. Unless `auto_renew` says otherwise, automatic renewal stays as it is. For
    /// operators: a customer's own page calls `choose_plan`. Waits for the disk.
    #[pyo3(signature = (
        tenant, plan, *, first_due=None, anchor_day=None, auto_renew=None, usage=Name("restart"),
        key=None,
    ), text_signature = "($self, tenant, plan, *, first_due=None, anchor_day=None, \
        auto_renew=None, usage='restart', key=None)")]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn change_plan(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        plan: Name<'_>,
        first_due: Option<Day>,
        anchor_day: Option<u32>,
        auto_renew: Option<bool>,
        usage: Name<'_>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        let first_due = first_due_of(usage.0, first_due)?;
        self.change(py, key, |engine| match first_due {
            None => engine.carry_plan(tenant.0, plan.0, None),
            Some(first_due) => {
                let auto_renew = kept(engine, tenant.0, auto_renew)?;
                let terms = Terms { anchor_day, ..Terms::new(plan.0, first_due, auto_renew) };
                engine.change_plan(tenant.0, &terms, None)
            }
        })
    }

    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn _quote_plan_change(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        plan: Name<'_>,
        usage: Name<'_>,
        first_due: Option<Day>,
        anchor_day: Option<u32>,
        auto_renew: Option<bool>,
    ) -> PyResult<String> {
        let first_due = first_due_of(usage.0, first_due)?;
        self.document(py, |engine| {
            let change = match first_due {
                None => PlanChange::Carry { plan: plan.0 },
                Some(first_due) => {
                    let auto_renew = kept(engine, tenant.0, auto_renew)?;
                    let terms = Terms::new(plan.0, first_due, auto_renew);
                    PlanChange::Restart(Terms { anchor_day, ..terms })
                }
            };
            engine.quote_plan_change(tenant.0, &change)
        })
    }

    fn _set_own_price(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        plan: Name<'_>,
        cents: Option<i64>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        self.change(py, key, |engine| {
            let price = cents.map(Cents::new).transpose()?;
            engine.set_own_price(tenant.0, plan.0, price)
        })
    }

    /// Chooses a plan that begins when its first invoice is paid; gives the number of that invoice,
    /// `None` where the plan costs nothing and has begun. Without `first_due` its first period ends
    /// on the same day of the month one period after the payment. Waits for the disk.
    #[pyo3(signature = (
        tenant, plan, *, first_due=None, payment_type, anchor_day=None, auto_renew=None, key=None,
    ))]
    #[allow(clippy::too_many_arguments)] // Keyword arguments.
    fn choose_plan(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        plan: Name<'_>,
        first_due: Option<Day>,
        payment_type: Name<'_>,
        anchor_day: Option<u32>,
        auto_renew: Option<bool>,
        key: Option<Private<'_>>,
    ) -> PyResult<Option<i64>> {
        self.change(py, key, |engine| {
            let auto_renew = kept(engine, tenant.0, auto_renew)?;
            let first_due = first_due.map(|day| day.0);
            let terms = Terms { plan: plan.0, first_due, anchor_day, auto_renew };
            engine.choose_plan(tenant.0, &terms, payment_type.0, None)
        })
    }

    /// Switches automatic renewal on or off; the present period goes on to its end. Says whether it
    /// was otherwise before. Waits for the disk.
    #[pyo3(signature = (tenant, auto_renew, *, key=None))]
    fn set_auto_renew(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        auto_renew: bool,
        key: Option<Private<'_>>,
    ) -> PyResult<bool> {
        self.change(py, key, |engine| engine.set_auto_renew(tenant.0, auto_renew))
    }

    /// Sets the due date of the next period, as a document. Waits for the disk.
    #[pyo3(signature = (tenant, next_due, key))]
    fn _set_due_date(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        next_due: Day,
        key: Option<Private<'_>>,
    ) -> PyResult<String> {
        self.change(py, key, |engine| {
            let next = engine.set_due_date(tenant.0, next_due.0, None)?;
            Ok(serde_json::json!(next).to_string())
        })
    }

    /// Pauses the subscription when the running period ends: no units, periods or invoices until
    /// `resume_subscription`. Gives the last day of the running period. Waits for the disk.
    #[pyo3(signature = (tenant, *, key=None))]
    fn pause_subscription(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        key: Option<Private<'_>>,
    ) -> PyResult<NaiveDate> {
        self.change(py, key, |engine| engine.pause_subscription(tenant.0))
    }

    /// Resumes a subscription that pauses: a period begins now, due on `first_due`, or else on the
    /// same day of the month one period later. Gives the present due date. Waits for the disk.
    #[pyo3(signature = (tenant, *, first_due=None, key=None))]
    fn resume_subscription(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        first_due: Option<Day>,
        key: Option<Private<'_>>,
    ) -> PyResult<NaiveDate> {
        self.change(py, key, |engine| {
            engine.resume_subscription(tenant.0, first_due.map(|day| day.0))
        })
    }

    /// Has a tenant join another plan when its present period ends; gives that due date. Waits for
    /// the disk.
    #[pyo3(signature = (tenant, plan, *, key=None))]
    fn schedule_plan(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        plan: Name<'_>,
        key: Option<Private<'_>>,
    ) -> PyResult<NaiveDate> {
        self.change(py, key, |engine| engine.schedule_plan(tenant.0, plan.0, None))
    }

    /// Takes back what `schedule_plan` did; says whether a plan was scheduled.
    #[pyo3(signature = (tenant, *, key=None))]
    fn cancel_scheduled_plan(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        key: Option<Private<'_>>,
    ) -> PyResult<bool> {
        self.change(py, key, |engine| engine.cancel_scheduled_plan(tenant.0))
    }

    /// Moves a tenant to the newest version of its plan; says whether it was on an older one.
    #[pyo3(signature = (tenant, *, key=None))]
    fn move_to_newest_version(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        key: Option<Private<'_>>,
    ) -> PyResult<bool> {
        self.change(py, key, |engine| engine.move_to_newest_version(tenant.0))
    }

    /// Changes the number of a tenant's plan. Waits for the disk.
    #[pyo3(signature = (tenant, resource, limit, *, key=None))]
    fn set_limit(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        resource: Name<'_>,
        limit: LimitArgument,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        self.change(py, key, |engine| engine.set_limit(tenant.0, resource.0, limit.0))
    }

    /// Gives a tenant a limit of its own, whatever plan it is on; `None`: as its plan says.
    #[pyo3(signature = (tenant, resource, limit, *, key=None))]
    fn set_own_limit(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        resource: Name<'_>,
        limit: Option<LimitArgument>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        let limit = limit.map(|limit| limit.0);
        self.change(py, key, |engine| engine.set_own_limit(tenant.0, resource.0, limit))
    }

    /// Moves a tenant to another status. Waits for the disk.
    #[pyo3(
        signature = (tenant, status, *, reason=Name(""), as_operator=false, key=None),
        text_signature = "($self, tenant, status, *, reason='', as_operator=False, key=None)",
    )]
    fn set_status(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        status: Name<'_>,
        reason: Name<'_>,
        as_operator: bool,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        let status = known("status", status.0, &Status::ALL, Status::code)?;
        self.change(py, key, |it| it.set_status(tenant.0, status, reason.0, as_operator))
    }

    /// Gives a tenant a feature of its own; `None`: as its plan says. Waits for the disk.
    #[pyo3(signature = (tenant, name, feature, *, key=None))]
    fn set_feature(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        name: Name<'_>,
        feature: Option<FeatureArgument>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        let feature = feature.as_ref().map(|it| &it.0);
        self.change(py, key, |engine| engine.set_feature(tenant.0, name.0, feature))
    }

    /// Deletes a demonstration that has ended, with all that was stored of it. Its name is free
    /// again. Any other tenant is refused. Waits for the disk.
    fn purge_demo(&self, py: Python<'_>, tenant: Name<'_>) -> PyResult<()> {
        self.ask(py, |engine| engine.purge_demo(tenant.0))
    }

    /// The demonstrations that have ended and can be purged. Reads SQLite.
    fn ended_demos(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.ask(py, cotas::Engine::ended_demos)
    }

    /// Erases a cancelled tenant: all that is personal is deleted at once, and only what its
    /// invoices say is kept, as long as the catalog's `fiscal_retention` says. One that owes
    /// something is refused, unless `cancel_debt`: then its open invoices are cancelled; gives
    /// their numbers. Waits for the disk.
    #[pyo3(signature = (tenant, *, cancel_debt=false))]
    fn erase(&self, py: Python<'_>, tenant: Name<'_>, cancel_debt: bool) -> PyResult<Vec<i64>> {
        self.ask(py, |engine| engine.erase(tenant.0, cancel_debt))
    }

    fn _erased_accounts(&self, py: Python<'_>, name: Option<Name<'_>>) -> PyResult<String> {
        self.document(py, |engine| engine.erased_accounts(name.map(|name| name.0)))
    }

    /// Everything that is stored of a tenant, for it to take along: one JSON document a line, each
    /// with `kind` and `data`. Waits for the disk.
    fn export(&self, py: Python<'_>, tenant: Name<'_>) -> PyResult<String> {
        self.ask(py, |engine| engine.export(tenant.0))
    }

    /// Announces and removes demonstrations that have ended, as maintenance does, by this engine's
    /// clock; gives the names of those removed. Waits for the disk.
    fn remove_ended_trials(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.ask(py, cotas::Engine::remove_ended_trials)
    }

    /// Settles a tenant at the clock's now: what the next decision would do first.
    fn settle(&self, py: Python<'_>, tenant: Name<'_>) -> PyResult<()> {
        self.ask(py, |engine| engine.settle(tenant.0))
    }

    /// Believes a clock that ran more than a day ahead of the time since the boot, for all tenants,
    /// or that shows more than 400 days past all that the tenant has seen.
    fn confirm_clock(&self, py: Python<'_>, tenant: Name<'_>) -> PyResult<()> {
        self.ask(py, |engine| engine.confirm_clock(tenant.0))
    }

    /// Forgets all events up to and including this number; says how many. Waits for the disk.
    fn acknowledge_events(&self, py: Python<'_>, up_to: Units) -> PyResult<usize> {
        self.ask(py, |engine| engine.acknowledge_events(up_to.0))
    }

    /// Writes all that has changed to SQLite; says how many tenants. Waits for the disk.
    fn checkpoint(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, cotas::Engine::checkpoint)
    }

    /// Copies the database, as of now, to `target`, which must not exist yet.
    fn backup(&self, py: Python<'_>, target: FilePath) -> PyResult<()> {
        self.ask(py, |engine| engine.backup(&target.0))
    }
}

/// Automatic renewal as it was asked for, else as it is.
fn kept(engine: &cotas::Engine, tenant: &str, auto_renew: Option<bool>) -> Result<bool, Error> {
    match auto_renew {
        Some(auto_renew) => Ok(auto_renew),
        None => Ok(engine.report(tenant)?.subscription.is_some_and(|present| present.auto_renew)),
    }
}

impl Engine {
    /// Changes something; with a key, at most once per key.
    pub fn change<R: Send>(
        &self,
        py: Python<'_>,
        key: Option<Private<'_>>,
        change: impl FnOnce(&cotas::Engine) -> Result<R, Error> + Send,
    ) -> PyResult<R> {
        self.ask(py, |engine| match key {
            None => change(engine),
            Some(key) => change(&engine.once(key.0)),
        })
    }

    /// Asks for something that may wait for the disk.
    pub fn ask<R: Send>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&cotas::Engine) -> Result<R, Error> + Send,
    ) -> PyResult<R> {
        engine_state::ask(py, &self.handle, ask)
    }
}
