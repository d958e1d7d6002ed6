//! `cotas invoices`, `invoice`, `price` and `buy`.

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use cotas::billing::{Cents, PackageQuote};
use cotas::{Engine, Invoice, InvoiceLine, ManualLine};
use serde_json::{Value, json};

use crate::codes::whole;
use crate::database::{At, Database, How};
use crate::failure::Failure;
use crate::output::{Output, grouped, right, table, words};
use crate::values;

/// The invoices of a tenant.
#[derive(Args)]
pub struct Invoices {
    /// The tenant
    tenant: String,
    /// Show the one that will be written when the running period ends instead
    #[arg(long)]
    next: bool,
    /// Show what each is over, line by line
    #[arg(long, conflicts_with = "next")]
    lines: bool,
    #[command(flatten)]
    at: At,
}

impl Invoices {
    /// Lists them by due date.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        if self.next {
            let next = engine.preview_invoice(&self.tenant)?;
            let text = match &next {
                None => format!("{} has no further invoice to come", self.tenant),
                Some(next) => {
                    let head = format!("due {}: {} {}", next.due, next.currency, next.amount);
                    with_lines(head, &next.lines)
                }
            };
            return output.print(&text, &json!(next));
        }
        let invoices = engine.invoices(&self.tenant)?;
        let text = if invoices.is_empty() {
            format!("{} has no invoice", self.tenant)
        } else {
            invoice_table(&invoices, &currency(&engine)?)
        };
        let mut texts = vec![text];
        if self.lines {
            let listed = |it: &Invoice| with_lines(format!("invoice {}", it.id), &it.lines);
            texts.extend(invoices.iter().map(listed));
        }
        output.print(&texts.join("\n"), &json!(invoices))
    }
}

/// A heading and what an invoice is over.
pub fn with_lines(heading: String, lines: &[InvoiceLine]) -> String {
    let lines = lines.iter().map(|line| format!("\n    {}", line_text(line)));
    lines.fold(heading, |text, line| text + &line)
}

/// A line of an invoice: `299.00 Plano full, 2026-05-11 to 2026-06-10`.
fn line_text(line: &InvoiceLine) -> String {
    match line.from.zip(line.to) {
        Some((from, to)) => format!("{} {}, {from} to {to}", line.amount, line.title),
        None => format!("{} {}", line.amount, line.title),
    }
}

/// A line as it is written on the command line: `AMOUNT TITLE`.
#[derive(Clone)]
pub struct LineArgument {
    amount: Cents,
    title: String,
}

impl LineArgument {
    fn line(&self) -> ManualLine<'_> {
        ManualLine { title: &self.title, amount: self.amount, days: None }
    }
}

fn line_argument(text: &str) -> Result<LineArgument, String> {
    let (amount, title) = text.split_once(' ').ok_or("expected \"AMOUNT TITLE\"")?;
    let amount = Cents::parse(amount).map_err(|error| error.to_string())?;
    Ok(LineArgument { amount, title: title.to_owned() })
}

/// What is done with an invoice.
#[derive(Subcommand)]
pub enum OneInvoice {
    /// Write an invoice manually
    New {
        /// The tenant
        tenant: String,
        /// Its due date
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = values::date)]
        due: NaiveDate,
        /// What it is over, such as "150.00 Treinamento"; may be given several times
        #[arg(long = "line", value_name = "AMOUNT TITLE", required = true,
            value_parser = line_argument)]
        lines: Vec<LineArgument>,
        #[command(flatten)]
        how: How,
    },
    /// Add a line to an invoice; where it has a charge already, to a further one of that day
    AddLine {
        /// Its number
        id: i64,
        /// What it is over, such as "150.00 Treinamento"
        #[arg(value_name = "AMOUNT TITLE", value_parser = line_argument)]
        line: LineArgument,
        #[command(flatten)]
        how: How,
    },
    /// Mark an invoice as paid; what it pays for is given once
    Pay {
        /// Its number
        #[arg(value_parser = whole(0..=i64::MAX))]
        id: i64,
        /// The day on which it was paid, if not today
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = values::date)]
        on: Option<NaiveDate>,
        #[command(flatten)]
        how: How,
    },
    /// Have an invoice paid in monthly instalments; what it pays for comes with the first
    Split {
        /// Its number
        #[arg(value_parser = whole(0..=i64::MAX))]
        id: i64,
        /// How many instalments
        #[arg(value_parser = whole(0..=u32::MAX))]
        parts: u32,
        #[command(flatten)]
        how: How,
    },
    /// End what is charged again with every due date; what was paid for stays for its period
    End {
        /// The number of an invoice of the purchase
        #[arg(value_parser = whole(0..=i64::MAX))]
        id: i64,
        #[command(flatten)]
        how: How,
    },
    /// Cancel an invoice that was not paid
    Cancel {
        /// Its number
        #[arg(value_parser = whole(0..=i64::MAX))]
        id: i64,
        #[command(flatten)]
        how: How,
    },
}

impl OneInvoice {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let (id, status) = match self {
            OneInvoice::New { tenant, due, lines, how } => {
                let lines: Vec<_> = lines.iter().map(LineArgument::line).collect();
                let id = how.open(database)?.create_invoice(tenant, *due, &lines, None)?;
                let text = format!("invoice {id} is due on {due}");
                return output.print(&text, &json!({ "invoice": id, "due": due }));
            }
            OneInvoice::AddLine { id, line, how } => {
                let number = how.open(database)?.add_invoice_line(*id, &line.line(), None)?;
                let text = format!("invoice {number} has the line");
                return output.print(&text, &json!({ "invoice": number }));
            }
            OneInvoice::Split { id, parts, how } => {
                let numbers = how.open(database)?.split_invoice(*id, *parts)?;
                let text = numbers.iter().map(ToString::to_string).collect::<Vec<_>>();
                let text = format!("invoice {id} is paid in {parts}: {}", text.join(", "));
                return output.print(&text, &json!({ "instalments": numbers }));
            }
            OneInvoice::End { id, how } => {
                let until = how.open(database)?.end_purchase(*id)?;
                let text = match until {
                    Some(until) => format!("it is charged no more, and counts until {until}"),
                    None => "it is charged no more".to_owned(),
                };
                return output.print(&text, &json!({ "invoice": id, "until": until }));
            }
            OneInvoice::Pay { id, on, how } => {
                how.open(database)?.mark_paid(*id, *on)?;
                (id, "paid")
            }
            OneInvoice::Cancel { id, how } => {
                how.open(database)?.cancel_invoice(*id)?;
                (id, "cancelled")
            }
        };
        let json = json!({ "invoice": id, "status": status });
        output.print(&format!("invoice {id} is {status}"), &json)
    }
}

/// What a quantity of a package costs.
#[derive(Args)]
pub struct Price {
    /// The package
    package: String,
    /// How many units
    #[arg(value_parser = whole(0..=u64::MAX))]
    quantity: u64,
    #[command(flatten)]
    at: At,
}

impl Price {
    /// Says what.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let quote = engine.quote_package(&self.package, self.quantity)?;
        let text = quote_text(&self.package, self.quantity, &quote, &currency(&engine)?);
        output.print(&text, &quote_json(&self.package, self.quantity, &quote))
    }
}

/// Units on top of a plan's, for money: given when the invoice is paid.
#[derive(Args)]
pub struct Buy {
    /// The tenant
    tenant: String,
    /// The package
    package: String,
    /// How many units
    #[arg(value_parser = whole(0..=u64::MAX))]
    quantity: u64,
    #[command(flatten)]
    how: How,
}

impl Buy {
    /// Buys.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = self.how.open(database)?;
        let Buy { tenant, package, quantity, .. } = self;
        let bought = engine.buy(tenant, package, *quantity, None)?;
        if bought.replayed {
            let text = "it was bought under this key before; nothing changed";
            let json = json!({ "bought": false, "invoice": bought.invoice });
            return output.print(text, &json);
        }
        let currency = currency(&engine)?;
        let again = match bought.next_due {
            Some(due) => format!(
                "charged again, in full, on {due}, when {currency} {} are due in all",
                bought.next_total
            ),
            None => "charged once".to_owned(),
        };
        let text = format!(
            "{}\ninvoice {} is due now: the full price, nothing is prorated; {again}",
            quote_text(package, *quantity, &bought.quote, &currency),
            bought.invoice
        );
        let mut json = quote_json(package, *quantity, &bought.quote);
        if let Some(json) = json.as_object_mut() {
            json.insert("bought".to_owned(), json!(true));
            json.insert("invoice".to_owned(), json!(bought.invoice));
            json.insert("next_due".to_owned(), json!(bought.next_due));
            json.insert("next_total_cents".to_owned(), json!(bought.next_total.get()));
        }
        output.print(&text, &json)
    }
}

/// The currency of the catalog in force.
pub fn currency(engine: &Engine) -> Result<String, Failure> {
    Ok(engine.catalog()?.1.currency)
}

/// `11 of channels: BRL 40.00 (10 + 1)`, and what would cost less.
pub fn quote_text(package: &str, quantity: u64, quote: &PackageQuote, currency: &str) -> String {
    let packages = quote.packages.iter().map(|&(size, count)| match count {
        1 => grouped(size),
        _ => format!("{} x {}", grouped(count), grouped(size)),
    });
    let packages = packages.collect::<Vec<_>>().join(" + ");
    let mut text =
        format!("{} of {package}: {currency} {} ({packages})", grouped(quantity), quote.cents);
    if let Some(hint) = &quote.hint {
        let more = format!("; {} would cost {currency} {}", grouped(hint.quantity), hint.cents);
        text.push_str(&more);
    }
    text
}

fn quote_json(package: &str, quantity: u64, quote: &PackageQuote) -> Value {
    let packages = quote.packages.iter().map(|(size, count)| json!([size, count]));
    let hint =
        quote.hint.map(|it| json!({ "quantity": it.quantity, "amount_cents": it.cents.get() }));
    json!({
        "package": package,
        "quantity": quantity,
        "amount_cents": quote.cents.get(),
        "packages": packages.collect::<Value>(),
        "hint": hint,
    })
}

/// Invoices for people.
pub fn invoice_table(invoices: &[Invoice], currency: &str) -> String {
    let money = |amount: Cents| right(format!("{currency} {amount}"));
    let names = ["for", "payment", "status", "recurring", "instalment", "due", "paid on"];
    let mut header = vec![right("invoice"), right("amount")];
    header.extend(names.map(words));
    let otherwise = invoices.iter().any(Invoice::was_paid_otherwise);
    header.extend(otherwise.then(|| right("amount paid")));
    let rows = invoices.iter().map(|it| {
        let paid_on = it.paid_on.map(|day| day.to_string()).unwrap_or_default();
        let recurring = if it.recurring { "yes" } else { "no" };
        let mut row = vec![
            right(it.id),
            money(it.amount),
            words(&it.title),
            words(payment(it)),
            words(it.status.code()),
            words(recurring),
            words(instalment(it)),
            words(it.due),
            words(paid_on),
        ];
        row.extend(otherwise.then(|| it.paid.map_or_else(|| right(""), money)));
        row
    });
    table(header, rows)
}

/// `2 of 3`; nothing where all is paid at once.
fn instalment(it: &Invoice) -> String {
    match it.part {
        (_, 1) => String::new(),
        (part, parts) => format!("{part} of {parts}"),
    }
}

/// `Asaas`, or `Asaas, boleto`.
fn payment(it: &Invoice) -> String {
    match it.payment_method {
        Some(method) => format!("{}, {}", it.payment_type, method.code()),
        None => it.payment_type.clone(),
    }
}
