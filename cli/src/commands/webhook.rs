//! `cotas payment-event` and `webhook-token`.

use std::path::PathBuf;

use clap::Args;
use cotas::billing::Gateway;
use cotas::{IgnoredBecause, PaymentOutcome};
use serde_json::{Value, json};

use super::secret::{read, token};
use crate::codes::OneOf;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::Output;

/// The variable that the token is taken from.
const TOKEN_VARIABLE: &str = "COTAS_WEBHOOK_TOKEN";

/// A payment event, as the gateway's webhook brought it.
#[derive(Args)]
pub struct PaymentEventCommand {
    /// The gateway
    #[arg(value_parser = gateway())]
    gateway: Gateway,
    /// The body that came; - is standard input
    file: PathBuf,
    /// The token that came with it
    #[arg(long, env = TOKEN_VARIABLE, hide_env_values = true)]
    token: String,
    #[command(flatten)]
    at: At,
}

impl PaymentEventCommand {
    /// Applies it, once.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let body = read(&self.file)?;
        let (text, json) = match engine.payment_event(self.gateway, &body, &self.token)? {
            PaymentOutcome::Applied { invoice, status } => (
                format!("applied: invoice {invoice} is {}", status.code()),
                json!({ "outcome": "applied", "invoice": invoice, "status": status.code() }),
            ),
            PaymentOutcome::SubscriptionEnded { subscription } => (
                format!("applied: subscription {subscription} ends with its period"),
                json!({ "outcome": "subscription_ended", "subscription": subscription }),
            ),
            PaymentOutcome::Unmatched => (
                "kept: no invoice is paid by that payment yet; see cotas payments --unmatched"
                    .to_owned(),
                json!({ "outcome": "unmatched" }),
            ),
            PaymentOutcome::PaidAgain { invoice } => (
                format!("kept: invoice {invoice} had been paid by another charge"),
                json!({ "outcome": "paid_again", "invoice": invoice }),
            ),
            PaymentOutcome::Duplicate => plain("duplicate", None),
            PaymentOutcome::Ignored(because) => plain("ignored", Some(because)),
            PaymentOutcome::Refused => return Err(Failure::WrongToken(self.gateway.code())),
        };
        output.print(&text, &json)
    }
}

/// The outcome of an event that changed nothing.
fn plain(outcome: &str, because: Option<IgnoredBecause>) -> (String, Value) {
    let (text, because) = match because {
        None => ("duplicate: it was applied before", None),
        Some(IgnoredBecause::UnknownEvent) => {
            ("ignored: quotas do not care about such events", Some("unknown_event"))
        }
        Some(IgnoredBecause::UnknownPayment) => {
            ("ignored: no invoice is known for that charge", Some("unknown_payment"))
        }
        Some(IgnoredBecause::NothingToDo) => {
            ("ignored: it changes nothing any more", Some("nothing_to_do"))
        }
    };
    (text.to_owned(), json!({ "outcome": outcome, "because": because }))
}

/// The token that a gateway sends with its events; printed nowhere.
#[derive(Args)]
pub struct WebhookToken {
    /// The gateway
    #[arg(value_parser = gateway())]
    gateway: Gateway,
    #[command(flatten)]
    at: At,
}

impl WebhookToken {
    /// Sets it: from the environment, else from standard input. Only its keyed hash is kept.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        engine.set_webhook_token(self.gateway, &token(TOKEN_VARIABLE)?)?;
        let gateway = self.gateway.code();
        output.print(&format!("the token of {gateway} is set"), &json!({ "gateway": gateway }))
    }
}

/// Reads the name of a gateway.
pub fn gateway() -> OneOf<Gateway> {
    OneOf::new("gateway", [Gateway::Asaas, Gateway::Pagarme].map(|it| (it.code(), it)))
}
