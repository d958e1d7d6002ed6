//! `cotas register`, `validate`, `what-if` and `document`: accounts, and what is checked before one
//! is made or changed.

use std::path::PathBuf;

use clap::Args;
use cotas::billing::DocumentType;
use cotas::{AccountSummary, FieldProblem, OverLimit};
use serde_json::json;

use super::secret::read_text;
use super::tenant_view;
use crate::codes::OneOf;
use crate::database::{At, Database, How};
use crate::failure::Failure;
use crate::output::{Output, number, right, table, words};

/// What the document of an account looks like.
const FORM_HELP: &str = r#"The account: a JSON document; - is standard input

{ "name": "padaria-aurora",
  "status": "active",
  "plan": { "name": "full", "first_due": "2026-06-10", "auto_renew": true },
  "pay_first": "Asaas",
  "limits": { "boards": 7 }, "features": { "crm": true },
  "extras": [{ "resource": "sessions", "units": 100 }],
  "holder":
    { "person": "legal",
      "document": { "type": "cnpj", "number": "11.222.333/0001-81" },
      "trade_name": "Padaria Aurora", "legal_name": "Padaria Aurora Ltda",
      "company_type": "ltda",
      "administrator":
        { "name": "Ana", "email": "ana@aurora.example", "phone": "+55 11 5555-0100" },
      "address":
        { "cep": "01310-100", "street": "Avenida Paulista", "number": "1000",
          "complement": "", "district": "Bela Vista", "city": "São Paulo", "state": "SP" } } }

name, holder, person (legal with a CNPJ, or natural with a CPF) and the administrator are
mandatory; the administrator becomes the first user and takes a seat. A host that keeps its
own users creates tenants with `cotas tenant add`."#;

/// A new account, with its account holder.
#[derive(Args)]
pub struct Register {
    /// The account: a JSON document; - is standard input
    #[arg(value_name = "FILE", long_help = FORM_HELP)]
    form: PathBuf,
    #[command(flatten)]
    how: How,
}

impl Register {
    /// Creates it, or names every field that is wrong.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = self.how.open(database)?;
        let name = engine.register_form(&read_text(&self.form)?)?;
        let report = engine.report(&name)?;
        output.print(&tenant_view::text(&report), &json!(report))
    }
}

/// Everything that is wrong with an account, or what would be created.
#[derive(Args)]
pub struct Validate {
    /// The account: a JSON document; - is standard input
    #[arg(value_name = "FILE", long_help = FORM_HELP)]
    form: PathBuf,
    #[command(flatten)]
    at: At,
}

impl Validate {
    /// Says what; changes nothing.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let found = engine.validate_form(&read_text(&self.form)?)?;
        let text = match &found.summary {
            Some(summary) => summary_text(summary),
            None => problem_table(&found.problems),
        };
        output.print(&text, &json!(found))
    }
}

/// What would be over its limit on another plan.
#[derive(Args)]
pub struct WhatIf {
    /// The tenant
    tenant: String,
    /// The plan
    plan: String,
    #[command(flatten)]
    at: At,
}

impl WhatIf {
    /// Says what; changes nothing.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let over = database.open(self.at.clock())?.what_if(&self.tenant, &self.plan)?;
        let text = if over.is_empty() {
            format!("nothing of {} would be over its limit on {}", self.tenant, self.plan)
        } else {
            over_table(&over)
        };
        output.print(&text, &json!(over))
    }
}

/// Whether a CPF or CNPJ is right and no tenant has it.
#[derive(Args)]
pub struct DocumentCommand {
    /// Which of them
    #[arg(value_name = "cpf|cnpj", value_parser = document_type())]
    kind: DocumentType,
    /// The number, with its punctuation or without
    number: String,
    #[command(flatten)]
    at: At,
}

impl DocumentCommand {
    /// Checks it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let document = engine.validate_document(&self.number, self.kind)?;
        let json = json!({ "document": document.as_str(), "document_type": self.kind.code() });
        output.print(&format!("{document} is a {} and not in use", self.kind), &json)
    }
}

fn problem_table(problems: &[FieldProblem]) -> String {
    let header = vec![words("field"), words("what is wrong")];
    table(header, problems.iter().map(|it| vec![words(&it.field), words(&it.message)]))
}

fn summary_text(summary: &AccountSummary) -> String {
    let mut lines = vec![format!("{}, {}", summary.name, summary.status.code())];
    if let Some(end) = summary.demo_ends_at {
        lines.push(format!("the demonstration ends {end}"));
    }
    if let Some(plan) = &summary.plan {
        let price = plan.price.map_or_else(|| "agreed one by one".to_owned(), |it| it.to_string());
        let begins = if plan.waits_for_payment { "when it is paid" } else { "at once" };
        let plan_line = format!("plan {} ({}), {price}, begins {begins}", plan.plan, plan.title);
        let due = plan.first_due.map_or("one period later".to_owned(), |it| it.to_string());
        lines.push(format!("{plan_line}, first due {due}"));
    }
    if let Some(seat) = &summary.administrator_seat {
        lines.push(format!("the administrator takes a seat of {seat}"));
    }
    for invoice in &summary.invoices {
        lines.push(format!("invoice {}: {}, due {}", invoice.title, invoice.amount, invoice.due));
    }
    let header = vec![words("resource"), right("limit")];
    let limits = summary.limits.iter();
    lines.push(table(header, limits.map(|(name, limit)| vec![words(name), right(limit)])));
    lines.join("\n")
}

fn over_table(over: &[OverLimit]) -> String {
    let header = vec![words("resource"), right("in use"), right("limit"), right("over")];
    let rows = over.iter().map(|it| {
        let mut row = vec![words(&it.resource)];
        row.extend([it.used, it.limit, it.used - it.limit].map(number));
        row
    });
    table(header, rows)
}

fn document_type() -> OneOf<DocumentType> {
    let types = [DocumentType::Cpf, DocumentType::Cnpj];
    OneOf::new("type of document", types.map(|it| (it.code(), it)))
}
