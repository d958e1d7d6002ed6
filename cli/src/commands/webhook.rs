//! `cotas payment-event` and `webhook-token`.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cotas::billing::Gateway;
use cotas::{IgnoredBecause, PaymentOutcome};
use serde_json::{Value, json};

use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::Output;

/// The variable that the token is taken from.
const TOKEN_VARIABLE: &str = "COTAS_WEBHOOK_TOKEN";
/// More than any gateway sends.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// A payment event, as the gateway's webhook brought it.
#[derive(Args)]
pub struct PaymentEvent {
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

impl PaymentEvent {
    /// Applies it, once.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let body = read(&self.file)?;
        let (text, json) = match engine.payment_event(self.gateway, &body, &self.token)? {
            PaymentOutcome::Applied { invoice, status } => (
                format!("applied: invoice {invoice} is {}", status.code()),
                json!({ "outcome": "applied", "invoice": invoice, "status": status.code() }),
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
            ("ignored: no invoice is paid by that payment", Some("unknown_payment"))
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
        let unread = || {
            let source = io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8");
            Failure::File { path: "-".into(), source }
        };
        let token = match env::var(TOKEN_VARIABLE) {
            Ok(token) => token,
            Err(_) => String::from_utf8(read(Path::new("-"))?).map_err(|_| unread())?,
        };
        engine.set_webhook_token(self.gateway, token.trim_end_matches(['\r', '\n']))?;
        let gateway = self.gateway.code();
        output.print(&format!("the token of {gateway} is set"), &json!({ "gateway": gateway }))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let unread = |source| Failure::File { path: file.to_owned(), source };
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(INPUT_BYTES_MAX).read_to_end(&mut bytes).map_err(unread)?;
    } else {
        let opened = fs::File::open(file).map_err(unread)?;
        opened.take(INPUT_BYTES_MAX).read_to_end(&mut bytes).map_err(unread)?;
    }
    Ok(bytes)
}

fn gateway() -> impl TypedValueParser<Value = Gateway> {
    PossibleValuesParser::new([Gateway::Asaas, Gateway::Pagarme].map(Gateway::code))
        .try_map(|code| Gateway::from_code(&code).ok_or("unknown gateway"))
}
