//! `cotas operations` and `cotas call`: the control plane, as every language sees it.

use std::fmt::Write;

use clap::Args;
use cotas::control::{self, Argument, Blocks, Effect, Operation, Presence};
use serde_json::{Value, json};

use crate::database::{Database, How};
use crate::failure::Failure;
use crate::output::Output;

/// What the page begins with.
const HEAD: &str = "\
# Operations

This page is made by `make operations` of the table that every language calls: `Engine::call` in
Rust, `cotas_call` in C, `cotas call` on the command line; in Python each is a method of its
own. All that administers, bills, reports or maintains is here; decisions are typed calls of
their own.

Arguments are the members of one JSON object; results are JSON. Keys are in snake case, instants
are RFC 3339 text, dates `2026-05-20`, money is in cents under a key that ends in `_cents`, and
what is absent is `null`. An argument that is unknown, missing, wrong or given twice is an error
that names it, and nothing is changed. Under an idempotency key an operation takes effect once
per tenant: the same key with the same arguments gives the stored result. Tenant forms and
payment events are described in [the guide of C](c-api.md#documents); an invoice line is
`{\"title\", \"amount_cents\", \"from\", \"to\"}`, of which the days `from` and `to` may be left
out together.
";

/// Calls an operation by its name.
#[derive(Args)]
pub struct Call {
    /// The operation: `cotas operations` lists them
    operation: String,
    /// Its arguments, a JSON object
    #[arg(default_value = "{}", value_name = "JSON")]
    arguments: String,
    #[command(flatten)]
    how: How,
}

impl Call {
    /// Calls it, and prints its result.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = self.how.open_alone(database)?;
        let result = engine.call_json(&self.operation, &self.arguments, self.how.key())?;
        let result: Value = serde_json::from_str(&result).unwrap_or_default();
        let text = match &result {
            Value::String(text) => text.clone(),
            other => format!("{other:#}"),
        };
        output.print(&text, &result)
    }
}

/// Prints the operations: as the page of the documents, or as JSON.
pub fn list(output: Output) -> Result<(), Failure> {
    output.print(&page(), &documents())
}

fn documents() -> Value {
    control::operations().map(document).collect()
}

fn document(operation: &Operation) -> Value {
    let argument = |it: &Argument| {
        let presence = presence(it.presence);
        json!({ "name": it.name, "is": it.expected(), "presence": presence, "meaning": it.meaning })
    };
    json!({
        "name": operation.name,
        "summary": operation.summary,
        "arguments": operation.arguments.iter().map(argument).collect::<Vec<_>>(),
        "result": operation.result,
        "effect": effect(operation.effect),
        "blocks": blocks(operation.blocks),
        "takes_key": operation.takes_key(),
    })
}

const fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Required => "required",
        Presence::Nullable => "required, may be null",
        Presence::Optional => "optional",
    }
}

const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Reads => "reads",
        Effect::Changes => "changes; takes no key",
        Effect::ChangesOnce => "changes; once under a key",
        Effect::WritesFile => "writes a file of this machine; takes no key",
    }
}

const fn blocks(blocks: Blocks) -> &'static str {
    match blocks {
        Blocks::Never => "waits for nothing",
        Blocks::ReadsStore => "reads SQLite",
        Blocks::OtherChanges => "waits for other changes",
        Blocks::Disk => "waits for the disk",
    }
}

/// `docs/operations.md`.
fn page() -> String {
    let mut page = String::from(HEAD);
    for (subject, operations) in control::subjects() {
        write(&mut page, format_args!("\n## {subject}\n"));
        for operation in operations {
            section(&mut page, operation);
        }
    }
    page
}

fn section(page: &mut String, operation: &Operation) {
    let Operation { name, summary, result, .. } = operation;
    write(page, format_args!("\n### `{name}`\n\n{summary}\n\n"));
    let (effect, blocks) = (effect(operation.effect), blocks(operation.blocks));
    write(page, format_args!("Result: {result}. It {effect}; {blocks}.\n"));
    if operation.arguments.is_empty() {
        return;
    }
    write(page, format_args!("\n| argument | is | | meaning |\n|---|---|---|---|\n"));
    for it in operation.arguments {
        let (expected, presence) = (it.expected().replace('|', "\\|"), presence(it.presence));
        let row = format_args!("| `{}` | {expected} | {presence} | {} |\n", it.name, it.meaning);
        write(page, row);
    }
}

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _ = page.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_written(name: &str, text: &str) {
        let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("COTAS_WRITE_PAGES").is_some() {
            std::fs::write(&path, text).expect("can be written");
        }
        let written = std::fs::read_to_string(path).expect("can be read");
        assert!(written == text, "{name} is out of date: make operations");
    }

    #[test]
    fn the_page_of_the_documents_is_what_the_table_says() {
        assert_written("docs/operations.md", &page());
    }

    #[test]
    fn the_packages_are_generated_from_what_the_table_says() {
        assert_written("packages/operations.json", &format!("{:#}\n", documents()));
    }

    #[test]
    fn every_operation_is_a_method_of_the_engine_in_python() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../python/cotas/");
        let read = |name| std::fs::read_to_string(format!("{root}{name}")).expect("can be read");
        let (stub, engine) = (read("_cotas.pyi"), read("engine.py"));
        let named_otherwise = ["seats", "feature"];
        for operation in control::operations() {
            let method = format!("    def {}(", operation.name);
            let is_there = stub.contains(&method) || engine.contains(&method);
            let is_of_tenant = named_otherwise.contains(&operation.name);
            assert!(is_there || is_of_tenant, "Python has no {}", operation.name);
        }
    }
}
