//! Registering accounts: a form is checked as a whole, and created as a whole.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::create::account_of;
use super::joining::{check_anchor, check_due_date, first_due_missing, limits_of};
use super::subscriptions::check_label;
use super::{Engine, NewTenant, Shared, administer, check_new_name, signup};
use crate::billing::Cents;
use crate::catalog::{Compiled, Feature, Limit};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::form::TenantForm;
use crate::rules::Status;
use crate::store::{InvoiceRow, Loaded, Sync, Write};

/// What is wrong with one field of a registration form.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldProblem {
    /// The field, with dots for what is inside another: `holder.administrator.email`. Empty: the
    /// form as a whole.
    pub field: String,
    /// The number of the error, as [`Error::code`] has it.
    pub code: i32,
    /// What is wrong. It repeats nothing personal.
    pub message: String,
}

impl FieldProblem {
    pub(crate) fn new(field: impl Into<String>, error: &Error) -> FieldProblem {
        FieldProblem { field: field.into(), code: error.code(), message: error.to_string() }
    }
}

/// What a registration form comes to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Validation {
    /// Everything that is wrong, in the order of the form; empty: nothing.
    pub problems: Vec<FieldProblem>,
    /// What would be created; `None`: nothing, because something is wrong.
    pub summary: Option<AccountSummary>,
}

/// The account that a form would create (docs/sources.md, Helena, "Informações adicionais").
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AccountSummary {
    /// The tenant's name.
    pub name: String,
    /// Its first status.
    pub status: Status,
    /// When its demonstration ends.
    #[serde(serialize_with = "crate::json::text_or_null")]
    pub demo_ends_at: Option<Timestamp>,
    /// The zone of its days.
    pub time_zone: String,
    /// The plan that it joins.
    pub plan: Option<PlanOffer>,
    /// What it gets of each resource of that plan, with its own limits on top.
    #[serde(serialize_with = "crate::form::fields::limits_as_written")]
    pub limits: BTreeMap<String, Limit>,
    /// Its features that are on, or at a level.
    pub features: BTreeMap<String, Feature>,
    /// The seats of which the administrator takes one.
    pub administrator_seat: Option<String>,
    /// The invoices that it gets at once.
    pub invoices: Vec<SummaryInvoice>,
}

/// A plan as a new tenant joins it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PlanOffer {
    /// Its name in the catalog.
    pub plan: String,
    /// What people call it.
    pub title: String,
    /// What one period costs; `None`: it is agreed one by one.
    #[serde(rename = "price_cents")]
    pub price: Option<Cents>,
    /// The first due date; `None`: one period after the payment that begins the plan.
    pub first_due: Option<NaiveDate>,
    /// Whether it renews by itself.
    pub auto_renew: bool,
    /// Whether it begins only when its first invoice is paid.
    pub waits_for_payment: bool,
}

/// An invoice that would be written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SummaryInvoice {
    /// What it is for.
    pub title: String,
    /// How much.
    #[serde(rename = "amount_cents")]
    pub amount: Cents,
    /// When it is due.
    pub due: NaiveDate,
}

impl Engine {
    /// Registers an account (seeds 001, 004): a tenant with its account holder, whose
    /// administrator becomes the first user and takes a seat. Everything is created, or nothing;
    /// [`InvalidForm`](Error::InvalidForm) names every field that is wrong. A host that keeps its
    /// own users calls [`ensure_tenant`](Self::ensure_tenant) instead. Waits for the disk.
    pub fn register(&self, new: &NewTenant<'_>) -> Result<(), Error> {
        self.register_read(new, Vec::new())
    }

    /// As [`register`](Self::register), from the JSON document of a [`TenantForm`]; gives the
    /// tenant's name.
    pub fn register_form(&self, json: &str) -> Result<String, Error> {
        let (form, problems) = TenantForm::read(json)?;
        form.with(|new| {
            self.register_read(new, problems)?;
            Ok(new.name.to_owned())
        })
    }

    /// Looks at an account as [`register`](Self::register) would: everything that is wrong with it
    /// at once, or else what would be created. Changes nothing. Waits for other administrative
    /// changes.
    pub fn validate(&self, new: &NewTenant<'_>) -> Result<Validation, Error> {
        self.shared.examine(new, Vec::new(), self.now())
    }

    /// As [`validate`](Self::validate), from the JSON document of a [`TenantForm`].
    pub fn validate_form(&self, json: &str) -> Result<Validation, Error> {
        let (form, problems) = TenantForm::read(json)?;
        form.with(|new| self.shared.examine(new, problems, self.now()))
    }

    fn register_read(
        &self,
        new: &NewTenant<'_>,
        mut problems: Vec<FieldProblem>,
    ) -> Result<(), Error> {
        // One that exists may have been registered under the same key: creation says which.
        let exists = || self.record_of(new.name).is_ok();
        if !problems.is_empty() || !exists() {
            problems = self.shared.examine(new, problems, self.now())?.problems;
        }
        if !problems.is_empty() {
            return Err(Error::InvalidForm(problems));
        }
        self.create_tenant(new)
    }
}

impl Shared {
    /// Creates the account in a transaction that is not committed: what would be created is what
    /// was.
    fn examine(
        &self,
        new: &NewTenant<'_>,
        mut problems: Vec<FieldProblem>,
        now: Timestamp,
    ) -> Result<Validation, Error> {
        let _writer_lock = self.lock_writer()?;
        self.finish_pending_catalog()?;
        let compiled = self.compiled()?;
        let hash = self.live.hash_name(new.name);
        let at = new.created_at.unwrap_or(now);
        self.store.with(|connection| {
            let write = Write::begin(connection, &self.live, Sync::Normal)?;
            if write.load_tenant(hash)?.is_some() {
                problems.push(FieldProblem::new("name", &Error::TenantExists(new.name.to_owned())));
            }
            note_faults(&write, compiled, new, at, &mut problems)?;
            if !problems.is_empty() {
                return Ok(Validation { problems, summary: None });
            }
            match account_of(&write, compiled, new, hash, at) {
                Ok(loaded) => {
                    let summary = Some(summary(&write, compiled, new, &loaded)?);
                    Ok(Validation { problems, summary })
                }
                Err(error @ (Error::Store(_) | Error::Poisoned(_))) => Err(error),
                Err(error) => {
                    let problems = vec![FieldProblem::new(field_of(&error), &error)];
                    Ok(Validation { problems, summary: None })
                }
            }
        })
    }
}

/// Notes everything that is wrong with a form, field by field. What was found while it was read is
/// not found again.
fn note_faults(
    write: &Write<'_>,
    compiled: &Compiled,
    new: &NewTenant<'_>,
    at: Timestamp,
    problems: &mut Vec<FieldProblem>,
) -> Result<(), Error> {
    let mut note = |field: String, found: Result<(), Error>| {
        if let Err(error) = found
            && !problems.iter().any(|it| it.field == field)
        {
            problems.push(FieldProblem::new(field, &error));
        }
    };
    note("name".to_owned(), check_new_name(new.name));
    match &new.holder {
        None => note("holder".to_owned(), Err(holder_missing())),
        Some(holder) => {
            for (field, error) in signup::faults(holder) {
                note(format!("holder.{field}"), Err(error));
            }
            if signup::document_in_use(write, holder)? {
                note("holder.document".to_owned(), Err(Error::DocumentInUse));
            }
        }
    }
    if let Some(terms) = &new.plan {
        let plan = super::joining::plan_named(compiled, terms.plan);
        note("plan.name".to_owned(), plan.map(drop));
        let zone = new.time_zone.unwrap_or(compiled.catalog.time_zone);
        let due = match terms.first_due {
            Some(first_due) => check_due_date(first_due, zone, at),
            None if new.pay_first.is_some() => Ok(()),
            None => Err(first_due_missing()),
        };
        note("plan.first_due".to_owned(), due);
        note("plan.anchor_day".to_owned(), check_anchor(terms.first_due, terms.anchor_day));
    }
    if let Some(payment_type) = new.pay_first {
        note("pay_first".to_owned(), check_label("payment type", payment_type));
        if new.plan.is_none() {
            note("plan".to_owned(), Err(plan_missing()));
        }
    }
    for &(name, _) in new.limits {
        let known =
            compiled.resource(name).map(drop).ok_or_else(|| compiled.unknown_resource(name));
        note(format!("limits.{name}"), known);
    }
    for (name, feature) in new.features {
        let known = compiled.knows_feature(name, Some(feature));
        let unknown = || compiled.unknown_feature(name, Some(feature));
        note(format!("features.{name}"), if known { Ok(()) } else { Err(unknown()) });
    }
    for (index, extra) in new.extras.iter().enumerate() {
        let known = administer::grantable_resource(compiled, extra.resource).map(drop);
        note(format!("extras.{index}.resource"), known);
        note(format!("extras.{index}.units"), administer::check_amount(extra.units));
    }
    Ok(())
}

fn holder_missing() -> Error {
    let why = "it is missing; its administrator is mandatory and becomes the first user";
    Error::InvalidArgument { what: "account holder", why: why.to_owned() }
}

fn plan_missing() -> Error {
    let why = "it is missing; paying first needs a plan".to_owned();
    Error::InvalidArgument { what: "plan", why }
}

/// The field of a form that an error of creating it is about.
fn field_of(error: &Error) -> &'static str {
    match error {
        Error::InvalidArgument { what: "plan", .. } | Error::UnknownPlan(_) | Error::Price(_) => {
            "plan"
        }
        Error::InvalidArgument { what: "first due date", .. } => "plan.first_due",
        Error::InvalidArgument { what: "anchor day", .. } => "plan.anchor_day",
        Error::InvalidArgument { what: "created_at", .. } => "created_at",
        Error::DocumentInUse => "holder.document",
        _ => "",
    }
}

fn summary(
    write: &Write<'_>,
    compiled: &Compiled,
    new: &NewTenant<'_>,
    loaded: &Loaded,
) -> Result<AccountSummary, Error> {
    let account = &loaded.account;
    let own = &loaded.overrides;
    let joined = new.plan.as_ref();
    let plan = joined.and_then(|terms| compiled.catalog.plans.get(terms.plan));
    let limits = plan.map_or_else(|| account.limits.clone(), |it| limits_of(compiled, it, own));
    let features =
        plan.map_or(account.features, |it| compiled.features(&it.features, &own.features));
    let named = |(&resource, &limit)| Some((compiled.resource_name(resource)?.to_owned(), limit));
    let is_on = |feature: &Feature| *feature != Feature::Flag(false);
    let offer = joined.zip(plan).map(|(terms, plan)| PlanOffer {
        plan: terms.plan.to_owned(),
        title: plan.title.clone(),
        price: plan.price_cents.and_then(|cents| Cents::new(cents).ok()),
        first_due: terms.first_due,
        auto_renew: terms.auto_renew,
        waits_for_payment: new.pay_first.is_some(),
    });
    let rows = write.invoices(loaded.row)?;
    Ok(AccountSummary {
        name: new.name.to_owned(),
        status: account.status,
        demo_ends_at: account.demo_ends_at,
        time_zone: account.time_zone.name().to_owned(),
        plan: offer,
        limits: limits.iter().filter_map(named).collect(),
        features: compiled
            .feature_names()
            .filter_map(|name| Some((name.to_owned(), compiled.feature_of(name, &features)?)))
            .filter(|(_, feature)| is_on(feature))
            .collect(),
        administrator_seat: signup::administrator_seat(compiled).map(|(name, _)| name.to_owned()),
        invoices: rows.iter().map(summary_invoice).collect::<Result<_, _>>()?,
    })
}

fn summary_invoice(row: &InvoiceRow) -> Result<SummaryInvoice, Error> {
    let amount = Cents::new(row.cents)?;
    Ok(SummaryInvoice { title: row.title.clone(), amount, due: row.due })
}
