//! `cotas tenant`.

use std::path::PathBuf;
use std::sync::Arc;

use chrono_tz::Tz;
use clap::{Args, Subcommand};
use cotas::billing::Cents;
use cotas::catalog::Feature;
use cotas::{AccountHolderForm, Engine, ErasedAccount, Limit, NewTenant, Status, SystemClock};
use serde_json::json;

use super::secret::read_text;
use super::tenant_view;
use crate::database::{At, Database, How};
use crate::failure::Failure;
use crate::output::{Output, number, right, table, words};
use crate::values::{self, AsPlannedOr, OwnFeature, OwnLimit, PlanChoice, Units};

/// Those who are limited.
#[derive(Subcommand)]
pub enum TenantCommand {
    /// Create a tenant, with its plan and extras
    Add(Box<Add>),
    /// Create tenants of another system, out of a CSV file
    Import(super::import::Import),
    /// Show what a tenant has, used and may still use
    Show {
        /// The tenant
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// List the names of all tenants
    List,
    /// Move a tenant to another status
    Status {
        /// The tenant
        name: String,
        /// Its next status
        #[arg(value_parser = values::status())]
        status: Status,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Make a move that is not foreseen; it is audited
        #[arg(long)]
        as_operator: bool,
        #[command(flatten)]
        how: How,
    },
    /// Change the number of a tenant's plan until it joins another; extras stay
    Limit {
        /// The tenant
        name: String,
        /// What is limited
        resource: String,
        /// unlimited, disabled or a number of units
        #[arg(value_parser = values::limit)]
        limit: Limit,
        #[command(flatten)]
        how: How,
    },
    /// Override a feature of the plan for one tenant
    Feature {
        /// The tenant
        name: String,
        /// The feature
        feature: String,
        /// on, off, a level, or as-planned
        #[arg(value_parser = values::feature_or_as_planned)]
        value: AsPlannedOr<Feature>,
        #[command(flatten)]
        how: How,
    },
    /// Override a limit for one tenant, on its present plan and on later ones
    OwnLimit {
        /// The tenant
        name: String,
        /// What is limited
        resource: String,
        /// unlimited, disabled, a number of units, or as-planned
        #[arg(value_parser = values::limit_or_as_planned)]
        limit: AsPlannedOr<Limit>,
        #[command(flatten)]
        how: How,
    },
    /// Delete a demonstration that has ended, or erase a cancelled tenant that owes nothing
    Purge {
        /// The tenant
        #[arg(required_unless_present = "all_ended", conflicts_with = "all_ended")]
        name: Option<String>,
        /// All whose demonstration has ended
        #[arg(long)]
        all_ended: bool,
        #[command(flatten)]
        at: At,
    },
    /// Erase a cancelled tenant: only what its invoices say is kept
    Erase {
        /// The tenant
        name: String,
        /// Cancel what it owes; otherwise a tenant that owes something is refused
        #[arg(long)]
        cancel_debt: bool,
        #[command(flatten)]
        at: At,
    },
    /// Show the invoice data that is kept of erased tenants
    Erased {
        /// The name of a tenant; all without it
        name: Option<String>,
    },
    /// Believe a clock that ran far ahead: for all tenants if by the time since the boot, for this
    /// one if it is more than 400 days past all that it has seen
    ConfirmClock {
        /// The tenant
        name: String,
        #[command(flatten)]
        at: At,
    },
}

/// What the document of an account looks like.
const ACCOUNT_HELP: &str = r#"Whose account it is: a JSON document; - is standard input

{ "person": "legal",
  "document": { "type": "cnpj", "number": "11.222.333/0001-81" },
  "trade_name": "Padaria Aurora",
  "legal_name": "Padaria Aurora Ltda",
  "company_type": "ltda",
  "administrator":
    { "name": "Ana", "email": "ana@aurora.example", "phone": "+55 11 5555-0100" },
  "address":
    { "cep": "01310-100", "street": "Avenida Paulista", "number": "1000",
      "complement": "", "district": "Bela Vista", "city": "São Paulo", "state": "SP" } }

person (legal, or natural) and the administrator are mandatory; the administrator becomes
the first user and takes a seat"#;

/// A new tenant.
#[derive(Args)]
pub struct Add {
    /// Its name
    name: String,
    #[command(flatten)]
    plan: PlanChoice,
    /// The zone of its days, if not the catalog's
    #[arg(long, value_name = "ZONE", value_parser = values::time_zone)]
    time_zone: Option<Tz>,
    /// Its first status
    #[arg(long, default_value = "active", value_parser = values::status())]
    status: Status,
    /// Units on top of the plan's
    #[arg(long = "extra", value_name = "RESOURCE=N", value_parser = values::units)]
    extras: Vec<Units>,
    /// Override a limit of any plan: a number, unlimited or disabled
    #[arg(long = "limit", value_name = "RESOURCE=LIMIT", value_parser = values::own_limit)]
    limits: Vec<OwnLimit>,
    /// Override a feature of any plan: on, off or a level
    #[arg(long = "feature", value_name = "NAME=VALUE", value_parser = values::own_feature)]
    features: Vec<OwnFeature>,
    /// Begin the plan when its first invoice is paid, in this form: Manual, Asaas ...
    #[arg(long, value_name = "FORM", requires = "plan")]
    pay_first: Option<String>,
    /// `paid`: the first period of a plan that is paid in advance has been paid elsewhere
    #[arg(long, value_name = "paid", value_parser = ["paid"])]
    first_period: Option<String>,
    /// What a period of the plan costs this tenant, such as 129.90
    #[arg(long, value_name = "AMOUNT", value_parser = values::cents)]
    price: Option<Cents>,
    /// Whose account it is: a JSON document; - is standard input
    #[arg(long, value_name = "FILE", long_help = ACCOUNT_HELP)]
    account: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

impl TenantCommand {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let (engine, name) = match self {
            TenantCommand::List => return list(&database.open(Arc::new(SystemClock))?, output),
            TenantCommand::Purge { name, at, .. } => {
                return purge(&database.open(at.clock())?, name.as_deref(), output);
            }
            TenantCommand::Erase { name, cancel_debt, at } => {
                let cancelled = database.open(at.clock())?.erase(name, *cancel_debt)?;
                return output.print(
                    &format!("erased {name}"),
                    &json!({ "erased": name, "cancelled_invoices": cancelled }),
                );
            }
            TenantCommand::Erased { name } => {
                let engine = database.open(Arc::new(SystemClock))?;
                let erased = engine.erased_accounts(name.as_deref())?;
                return output.print(&erased_text(&erased), &json!(erased));
            }
            TenantCommand::Import(import) => return import.run(database, output),
            TenantCommand::Add(add) => (add.run(database)?, &add.name),
            TenantCommand::Show { name, at } => (database.open(at.clock())?, name),
            TenantCommand::Status { name, status, reason, as_operator, how } => {
                let engine = how.open(database)?;
                engine.set_status(name, *status, reason, *as_operator)?;
                (engine, name)
            }
            TenantCommand::Limit { name, resource, limit, how } => {
                let engine = how.open(database)?;
                engine.set_limit(name, resource, *limit)?;
                (engine, name)
            }
            TenantCommand::Feature { name, feature, value, how } => {
                let engine = how.open(database)?;
                engine.set_feature(name, feature, value.own().as_ref())?;
                (engine, name)
            }
            TenantCommand::OwnLimit { name, resource, limit, how } => {
                let engine = how.open(database)?;
                engine.set_own_limit(name, resource, limit.own())?;
                (engine, name)
            }
            TenantCommand::ConfirmClock { name, at } => {
                let engine = database.open(at.clock())?;
                engine.confirm_clock(name)?;
                (engine, name)
            }
        };
        // Whatever was changed, the answer is what the tenant has now.
        let report = engine.report(name)?;
        output.print(&tenant_view::text(&report), &json!(report))
    }
}

impl Add {
    fn run(&self, database: &Database) -> Result<Engine, Failure> {
        let engine = self.how.open(database)?;
        let account = self.account.as_deref().map(read_text).transpose()?;
        let account = account.as_deref().map(AccountHolderForm::parse).transpose()?;
        let limits: Vec<_> =
            self.limits.iter().map(|own| (own.resource.as_str(), own.limit)).collect();
        let features: Vec<_> =
            self.features.iter().map(|own| (own.name.as_str(), own.feature.clone())).collect();
        engine.create_tenant(&NewTenant {
            holder: account.as_ref().map(AccountHolderForm::holder),
            limits: &limits,
            features: &features,
            pay_first: self.pay_first.as_deref(),
            first_period_paid: self.first_period.is_some(),
            price: self.price,
            status: self.status,
            time_zone: self.time_zone,
            plan: self.plan.terms(),
            extras: &Units::extras(&self.extras),
            ..NewTenant::new(&self.name)
        })?;
        Ok(engine)
    }
}

fn erased_text(erased: &[ErasedAccount]) -> String {
    let header = ["tenant", "erased", "payer", "document", "invoice", "due", "status"];
    let mut header: Vec<_> = header.map(words).into();
    header.push(right("amount"));
    let rows = erased.iter().flat_map(|account| {
        account.invoices.iter().map(|invoice| {
            let document = account.payer_document.as_deref().unwrap_or_default();
            let mut row = vec![words(&account.name), words(account.erased_at)];
            row.extend([words(&account.payer_name), words(document), number(invoice.id as u64)]);
            row.extend([words(invoice.due), words(invoice.status.code()), right(invoice.amount)]);
            row
        })
    });
    table(header, rows)
}

/// Purges one tenant, or all whose demonstration has ended. A cancelled tenant is erased.
fn purge(engine: &Engine, name: Option<&str>, output: Output) -> Result<(), Failure> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => engine.ended_demos()?,
    };
    for name in &names {
        match engine.report(name)?.status {
            Status::Cancelled => engine.erase(name, false).map(drop)?,
            _ => engine.purge_demo(name)?,
        }
    }
    let text = match names.as_slice() {
        [] => "no demonstration has ended".to_owned(),
        names => format!("purged {}", names.join(", ")),
    };
    output.print(&text, &json!({ "purged": names }))
}

fn list(engine: &Engine, output: Output) -> Result<(), Failure> {
    let names = engine.tenants()?;
    output.print(&names.join("\n"), &json!(names))
}
