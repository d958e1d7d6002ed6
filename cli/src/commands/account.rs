//! `cotas what-if` and `document`: what is checked before an account is changed or made.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cotas::OverLimit;
use cotas::billing::DocumentType;
use serde_json::json;

use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, number, right, table, words};

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

fn document_type() -> impl TypedValueParser<Value = DocumentType> {
    PossibleValuesParser::new([DocumentType::Cpf, DocumentType::Cnpj].map(DocumentType::code))
        .try_map(|code| DocumentType::from_code(&code).ok_or("unknown type of document"))
}
