//! `cotas token`: who may ask over HTTP.

use std::time::Duration;

use clap::{Args, Subcommand};
use cotas::{AccessRole, AccessTokenView, IssuedToken, NewAccessToken};
use serde_json::json;

use crate::codes::OneOf;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, right, table, words};
use crate::values;

/// Access tokens of `cotas serve`.
#[derive(Subcommand)]
pub enum Token {
    /// Issue a token, and print it this once
    Create(Create),
    /// List the tokens that were issued, without the tokens
    List(List),
    /// Revoke a token: it opens nothing from the next request on
    Revoke(Number),
    /// Issue another token in the place of one that may have leaked, and print it this once
    Rotate(Number),
}

impl Token {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        match self {
            Token::Create(command) => command.run(database, output),
            Token::List(command) => command.run(database, output),
            Token::Revoke(command) => command.revoke(database, output),
            Token::Rotate(command) => command.rotate(database, output),
        }
    }
}

/// A token to be issued.
#[derive(Args)]
pub struct Create {
    /// What its holder may do: each role may do what the ones before it may
    #[arg(long, value_parser = role())]
    role: AccessRole,
    /// The only tenant that it opens; without it, it opens every tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Who or what has it
    #[arg(long, default_value = "")]
    title: String,
    /// How long it is valid; without it, until it is revoked
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    lifetime: Option<Duration>,
    #[command(flatten)]
    at: At,
}

impl Create {
    fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let Create { role, tenant, title, lifetime, .. } = self;
        let (role, lifetime) = (*role, *lifetime);
        let new = NewAccessToken { role, tenant: tenant.as_deref(), title, lifetime };
        show(&engine.access_tokens().create(&new)?, output)
    }
}

/// The tokens that were issued.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    at: At,
}

impl List {
    fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let tokens = engine.access_tokens().list()?;
        let now = engine.now();
        let state = |it: &AccessTokenView| match (it.revoked_at, it.expires_at) {
            (Some(at), _) => format!("revoked at {at}"),
            (None, Some(end)) if end <= now => format!("expired at {end}"),
            (None, Some(end)) => format!("valid until {end}"),
            (None, None) => "valid".to_owned(),
        };
        let header =
            vec![right("token"), words("role"), words("tenant"), words("title"), words("state")];
        let row = |it: &AccessTokenView| {
            let tenant = it.tenant.as_deref().unwrap_or("every one");
            let mut row = vec![right(it.id), words(it.role.code()), words(tenant)];
            row.extend([words(&it.title), words(state(it))]);
            row
        };
        let text = if tokens.is_empty() {
            "no token was issued".to_owned()
        } else {
            table(header, tokens.iter().map(row))
        };
        output.print(&text, &json!(tokens))
    }
}

/// A token that was issued.
#[derive(Args)]
pub struct Number {
    /// Its number, as the list has it
    #[arg(value_name = "NUMBER")]
    id: i64,
    #[command(flatten)]
    at: At,
}

impl Number {
    fn revoke(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        if !engine.access_tokens().revoke(self.id)? {
            return Err(Failure::NoToken(self.id));
        }
        output.print(&format!("token {} is revoked", self.id), &json!({ "revoked": self.id }))
    }

    fn rotate(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let rotated = engine.access_tokens().rotate(self.id)?;
        show(&rotated.ok_or(Failure::NoToken(self.id))?, output)
    }
}

fn show(issued: &IssuedToken, output: Output) -> Result<(), Failure> {
    output.print(&issued.token, &json!(issued))
}

fn role() -> OneOf<AccessRole> {
    OneOf::new("role", AccessRole::ALL.map(|it| (it.code(), it)))
}
