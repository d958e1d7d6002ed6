//! `cotas payments`: charges at gateways, what pays nothing, and its assignment.

use clap::{Args, Subcommand};
use cotas::Charge;
use cotas::billing::Gateway;
use serde_json::json;

use super::money::currency;
use super::webhook::gateway;
use crate::codes::whole;
use crate::database::{At, Database, How};
use crate::failure::Failure;
use crate::output::{Output, right, table, words};

/// Charges at gateways.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Payments {
    #[command(subcommand)]
    change: Option<PaymentsChange>,
    /// The tenant whose charges are listed; without one, what pays nothing of all
    tenant: Option<String>,
    /// Only money that pays nothing: no invoice, a cancelled one, or one that was paid before
    #[arg(long)]
    unmatched: bool,
    #[command(flatten)]
    at: At,
}

/// What is done with a payment.
#[derive(Subcommand)]
enum PaymentsChange {
    /// Have a payment that pays nothing pay an invoice, whatever the amount
    Assign {
        /// The gateway
        #[arg(value_parser = gateway())]
        gateway: Gateway,
        /// The gateway's id of the charge
        payment: String,
        /// The number of the invoice
        #[arg(value_parser = whole(0..=i64::MAX))]
        invoice: i64,
        #[command(flatten)]
        how: How,
    },
}

impl Payments {
    /// Lists them, or assigns one.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        if let Some(PaymentsChange::Assign { gateway, payment, invoice, how }) = &self.change {
            how.open(database)?.assign_payment(*gateway, payment, *invoice)?;
            let code = gateway.code();
            let text = format!("payment {payment} of {code} pays invoice {invoice}");
            let json = json!({ "gateway": code, "payment": payment, "invoice": invoice });
            return output.print(&text, &json);
        }
        let engine = database.open(self.at.clock())?;
        let charges = match &self.tenant {
            Some(tenant) if !self.unmatched => engine.payments(tenant)?,
            tenant => engine.unmatched_payments(tenant.as_deref())?,
        };
        let text = if charges.is_empty() {
            "no payments".to_owned()
        } else {
            charge_table(&charges, &currency(&engine)?)
        };
        output.print(&text, &json!(charges))
    }
}

/// Charges for people.
fn charge_table(charges: &[Charge], currency: &str) -> String {
    let names = ["gateway", "payment", "tenant", "state", "invoice", "pays nothing", "due"];
    let mut header = vec![right("amount")];
    header.extend(names.map(words));
    header.push(words("paid on"));
    let rows = charges.iter().map(|it| {
        let amount = it.amount.map(|amount| format!("{currency} {amount}"));
        vec![
            right(amount.unwrap_or_default()),
            words(it.gateway.code()),
            words(&it.payment),
            words(it.tenant.as_deref().unwrap_or("unknown")),
            words(it.state.code()),
            words(it.invoice.map(|id| id.to_string()).unwrap_or_default()),
            words(it.unmatched.map_or("", cotas::Unmatched::code)),
            words(it.due.map(|day| day.to_string()).unwrap_or_default()),
            words(it.paid_on.map(|day| day.to_string()).unwrap_or_default()),
        ]
    });
    table(header, rows)
}
