//! `cotas statement`, `plan-report`, `what-if` and `document`: what an account is told.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cotas::billing::DocumentType;
use cotas::{Language, OverLimit, Role};
use serde_json::{Value, json};

use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, number, printable, right, table, words};

/// What a tenant subscribed to, has left and owes.
#[derive(Args)]
pub struct Statement {
    /// The tenant
    tenant: String,
    /// The language of the page
    #[arg(long, default_value = "en", value_parser = language())]
    lang: Language,
    #[command(flatten)]
    at: At,
}

impl Statement {
    /// Shows the page.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let statement = database.open(self.at.clock())?.statement(&self.tenant)?;
        output.print(&lines(&statement.to_page(self.lang)), &statement.to_json())
    }
}

/// A tenant's plan, its limits and what is in use: JSON in any case.
#[derive(Args)]
pub struct PlanReport {
    /// The tenant
    tenant: String,
    /// Who asks
    #[arg(long, default_value = "manager", value_parser = role())]
    role: Role,
    #[command(flatten)]
    at: At,
}

impl PlanReport {
    /// Shows the report.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let report = database.open(self.at.clock())?.plan_report(&self.tenant, self.role)?;
        let json = report.to_json();
        output.print(&format!("{json:#}"), &json)
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
        output.print(&text, &over.iter().map(over_limit).collect())
    }
}

/// Whether a CPF or CNPJ is right and no tenant has it.
#[derive(Args)]
pub struct Document {
    /// Which of them
    #[arg(value_name = "cpf|cnpj", value_parser = document_type())]
    kind: DocumentType,
    /// The number, with its punctuation or without
    number: String,
    #[command(flatten)]
    at: At,
}

impl Document {
    /// Checks it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let document = engine.validate_document(&self.number, self.kind)?;
        let json = json!({ "document": document.as_str(), "document_type": self.kind.code() });
        output.print(&format!("{document} is a {} and not in use", self.kind), &json)
    }
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

fn over_limit(it: &OverLimit) -> Value {
    json!({ "resource": it.resource, "used": it.used, "limit": it.limit })
}

/// A page whose lines hold nothing that would move a terminal's cursor.
pub fn lines(page: &str) -> String {
    page.lines().map(printable).collect::<Vec<_>>().join("\n")
}

fn language() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(["en", "pt"]).map(|code| match code.as_str() {
        "pt" => Language::Portuguese,
        _ => Language::English,
    })
}

fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(["agent", "manager", "administrator"]).map(|code| {
        match code.as_str() {
            "administrator" => Role::Administrator,
            "manager" => Role::Manager,
            _ => Role::Agent,
        }
    })
}

fn document_type() -> impl TypedValueParser<Value = DocumentType> {
    PossibleValuesParser::new([DocumentType::Cpf, DocumentType::Cnpj].map(DocumentType::code))
        .try_map(|code| DocumentType::from_code(&code).ok_or("unknown type of document"))
}
