//! `cotas webhook`: where `cotas serve` sends events.

use clap::{Args, Subcommand};
use cotas::{DeadDelivery, IssuedWebhook, WebhookView};
use serde_json::json;

use crate::codes::whole;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, counted, right, table, words};

/// Webhooks: where `cotas serve` sends events.
#[derive(Subcommand)]
pub enum WebhookCommand {
    /// Add a webhook, which gets every event from now on, and print its secret this once
    Add(Add),
    /// List the webhooks, what each is still to get, and why it has not got it
    List(List),
    /// Give a webhook another secret, and print it this once
    Rotate(Number),
    /// Remove a webhook, with the events that it has not got yet
    Remove(Number),
    /// List events that a webhook did not take in any attempt
    Dead(Dead),
    /// Have such events tried again
    Resend(Resend),
}

impl WebhookCommand {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        match self {
            WebhookCommand::Add(command) => command.run(database, output),
            WebhookCommand::List(command) => command.run(database, output),
            WebhookCommand::Rotate(command) => command.rotate(database, output),
            WebhookCommand::Remove(command) => command.remove(database, output),
            WebhookCommand::Dead(command) => command.run(database, output),
            WebhookCommand::Resend(command) => command.run(database, output),
        }
    }
}

/// A webhook to be added.
#[derive(Args)]
pub struct Add {
    /// The address of the receiver, which begins with https
    url: String,
    #[command(flatten)]
    at: At,
}

impl Add {
    fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        show(&engine.webhooks().add(&self.url)?, output)
    }
}

/// The webhooks.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    at: At,
}

impl List {
    fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let webhooks = engine.webhooks().list()?;
        let header = vec![
            right("webhook"),
            words("address"),
            right("waiting"),
            right("dead"),
            right("dropped"),
            words("last failure"),
        ];
        let row = |it: &WebhookView| {
            let failure = it.failure.as_deref().unwrap_or("-");
            let mut row = vec![right(it.id), words(&it.url), right(it.waiting), right(it.dead)];
            row.extend([right(it.dropped), words(failure)]);
            row
        };
        let text = if webhooks.is_empty() {
            "no webhooks".to_owned()
        } else {
            table(header, webhooks.iter().map(row))
        };
        output.print(&text, &json!(webhooks))
    }
}

/// A webhook.
#[derive(Args)]
pub struct Number {
    /// Its number, as the list has it
    #[arg(value_name = "NUMBER")]
    id: i64,
    #[command(flatten)]
    at: At,
}

impl Number {
    fn rotate(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let rotated = engine.webhooks().rotate(self.id)?;
        show(&rotated.ok_or(Failure::NoWebhook(self.id))?, output)
    }

    fn remove(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        if !engine.webhooks().remove(self.id)? {
            return Err(Failure::NoWebhook(self.id));
        }
        output.print(&format!("webhook {} is removed", self.id), &json!({ "removed": self.id }))
    }
}

/// Dead letters.
#[derive(Args)]
pub struct Dead {
    /// Of this webhook; else of all
    #[arg(value_name = "NUMBER")]
    id: Option<i64>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole(1..=10_000_u32))]
    max: u32,
    #[command(flatten)]
    at: At,
}

impl Dead {
    fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let dead = engine.webhooks().dead(self.id, self.max)?;
        let header = vec![
            right("webhook"),
            right("event"),
            words("at"),
            words("tenant"),
            words("kind"),
            right("attempts"),
            words("failure"),
        ];
        let row = |it: &DeadDelivery| {
            let event = &it.event;
            let mut row = vec![right(it.webhook), right(event.sequence), words(event.at)];
            row.extend([words(&event.tenant), words(event.kind.code()), right(it.attempts)]);
            row.push(words(&it.failure));
            row
        };
        let text = if dead.is_empty() {
            "no dead letters".to_owned()
        } else {
            table(header, dead.iter().map(row))
        };
        output.print(&text, &json!(dead))
    }
}

/// Dead letters that are to be tried again.
#[derive(Args)]
pub struct Resend {
    /// The number of the webhook
    #[arg(value_name = "NUMBER")]
    id: i64,
    /// Only the event of this number; else all
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX))]
    event: Option<u64>,
    #[command(flatten)]
    at: At,
}

impl Resend {
    fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let resent = engine.webhooks().resend(self.id, self.event)?;
        let text = format!("{} will be tried again", counted(resent as u64, "dead letter"));
        output.print(&text, &json!({ "resent": resent }))
    }
}

fn show(issued: &IssuedWebhook, output: Output) -> Result<(), Failure> {
    let IssuedWebhook { id, secret } = issued;
    output.print(&format!("webhook {id}: {secret}"), &json!(issued))
}
