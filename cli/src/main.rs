//! The `cotas` program: sets a database up, looks into it, and replays traffic against it.
//!
//! What is asked for goes to standard output, everything else to standard error. The exit code is
//! 0, 1 where what was given does not fit, 2 where the command line is wrong or nothing of a file
//! was understood, 3 where a decision was a denial, 4 where another process is in the way, 5 where
//! the disk, the machine or the program failed.

mod chart;
mod codes;
mod commands;
mod database;
mod failure;
mod output;
mod replay;
mod tour;
mod traffic;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::{
    access, account, audit, backup, bodies, catalog, decisions, doctor, events, export, grant,
    maintain, manual, money, opening, operations, pages, payments, plan, quote, reservations,
    restore, seats, tenant, usage, verify, webhook, webhooks,
};
use crate::database::Database;
use crate::failure::Failure;
use crate::output::Output;
use crate::replay::Replay;
use crate::tour::Tour;

/// Quotas inside a chat platform: plans, tenants, usage, and the replay of traffic.
#[derive(Parser)]
#[command(name = "cotas", version, disable_help_subcommand = true)]
struct Cli {
    /// The database
    #[arg(long, env = "COTAS_DB", hide_env_values = true, value_name = "PATH")]
    #[arg(global = true, help_heading = "Database and output")]
    db: Option<PathBuf>,
    /// Where its live file lies, if not beside it
    #[arg(long, value_name = "DIR", global = true, help_heading = "Database and output")]
    live_directory: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true, help_heading = "Database and output")]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Load or show the catalog: what is limited, and the plans
    #[command(subcommand)]
    Catalog(catalog::CatalogCommand),
    /// Set up tenants, change what they may do, or show them
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Register an account: a tenant with its account holder, from a JSON document
    Register(account::Register),
    /// Say everything that is wrong with such a document, or what it would create
    Validate(account::Validate),
    /// Change what a tenant subscribes to, now or later, and how it is paid
    #[command(subcommand)]
    Plan(plan::PlanCommand),
    /// Give a tenant units on top of its plan's
    Grant(grant::GrantCommand),
    /// Show what a tenant used and was denied
    Usage(usage::UsageCommand),
    /// Show what a tenant subscribed to, has left and owes
    Statement(pages::StatementCommand),
    /// Show a tenant's plan, its limits and what is in use
    PlanReport(pages::PlanReportCommand),
    /// Show what a tenant has left of what it uses up
    Balances(pages::BalancesCommand),
    /// Show a tenant's channels, the next due date and what will be charged then
    Channels(pages::ChannelsCommand),
    /// Use up units of a resource, if there are so many
    Consume(decisions::Consume),
    /// Do an action of the catalog, if it is allowed
    Perform(decisions::Perform),
    /// Admit a message to a contact's session, without an action
    Admit(decisions::Admit),
    /// Set units aside; of sessions for a campaign
    Reserve(reservations::Reserve),
    /// Set aside what an action charges: a send, until its outcome is reported
    ReserveAction(reservations::ReserveAction),
    /// Use what a reservation holds
    Commit(reservations::Commit),
    /// Give back what a reservation holds
    Release(reservations::Release),
    /// Give a reserved send the id of its message
    Sent(reservations::Sent),
    /// Report what became of a message: sent, delivered, read or failed
    ReportDelivery(reservations::ReportDelivery),
    /// Say what an action, or a campaign, would cost now; changes nothing
    Quote(quote::QuoteCommand),
    /// Show what would be over its limit on another plan
    WhatIf(account::WhatIf),
    /// List a tenant's invoices
    Invoices(money::Invoices),
    /// Mark an invoice as paid, split it into instalments, or cancel it
    #[command(subcommand)]
    Invoice(money::OneInvoice),
    /// Say what a quantity of a package costs
    Price(money::Price),
    /// Buy units on top of a tenant's plan
    Buy(money::Buy),
    /// Apply what a gateway's webhook reports
    PaymentEvent(webhook::PaymentEventCommand),
    /// List charges at gateways and what pays nothing, or assign a payment to an invoice
    Payments(payments::Payments),
    #[command(about = "Set a gateway's token: from COTAS_WEBHOOK_TOKEN, else standard input")]
    WebhookToken(webhook::WebhookToken),
    /// List, take, free or pass on the seats of a resource
    Seats(seats::SeatsCommand),
    /// List what happened to tenants, or acknowledge it
    Events(events::Events),
    /// Issue, list, rotate or revoke access tokens of `cotas serve`
    #[command(subcommand)]
    Token(access::Token),
    /// Send events to other systems: add, list, rotate or remove webhooks of `cotas serve`
    #[command(subcommand)]
    Webhook(webhooks::WebhookCommand),
    /// List what was changed manually, when, and how
    Audit(audit::Audit),
    /// Check a CPF or CNPJ, and that no tenant has it
    Document(account::DocumentCommand),
    /// Decide about traffic that has already happened, by its own clock
    Replay(Replay),
    /// Show the parts of a WhatsApp webhook's body, and which open a session; needs no database
    WhatsappEvents(bodies::WhatsappEvents),
    /// See what the engine answers on a day of five platforms; needs no database
    Tour(Tour),
    /// Call any operation of the control plane by its name
    Call(operations::Call),
    /// List the operations of the control plane; needs no database
    Operations,
    /// Print everything that is stored of a tenant, one JSON document a line
    Export(export::Export),
    /// Prove that nothing was lost or invented
    Verify,
    /// Look at database, live file and machine from outside, and say what is wrong
    Doctor(doctor::Doctor),
    /// Copy the database as of now
    Backup(backup::Backup),
    /// Put a backup in the place of the database, which no process may be using
    Restore(restore::Restore),
    /// Write checkpoints and settle tenants until killed, which is safe at any moment
    Maintain(maintain::Maintain),
    /// Serve the database over HTTP until SIGTERM
    #[cfg(feature = "serve")]
    Serve(commands::serve::Serve),
    /// Open the database and say how its live file was found
    Open,
    /// Print what completes this program's commands in a shell; needs no database
    Completions(manual::Completions),
    /// Write the pages for `man`; needs no database
    Manual(manual::Manual),
    /// Print the page of the documents that lists all commands
    #[command(hide = true)]
    Reference,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.run() {
        // The reader of the output has seen enough.
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(denied @ Failure::Denied) => ExitCode::from(denied.exit_code()),
        Err(failure) => {
            output::complain(&failure);
            failure.details().iter().for_each(output::complain);
            ExitCode::from(failure.exit_code())
        }
    }
}

impl Cli {
    fn run(self) -> Result<(), Failure> {
        let output = Output { json: self.json };
        // Asked for by the commands that use one.
        let database = || {
            let Some(path) = self.db else {
                let message = "the database is not named: give --db PATH, or set COTAS_DB";
                Cli::command().error(ErrorKind::MissingRequiredArgument, message).exit();
            };
            Database { path, live_directory: self.live_directory }
        };
        match self.command {
            Command::Catalog(command) => command.run(&database(), output),
            Command::Tenant(command) => command.run(&database(), output),
            Command::Register(command) => command.run(&database(), output),
            Command::Validate(command) => command.run(&database(), output),
            Command::Plan(command) => command.run(&database(), output),
            Command::Grant(command) => command.run(&database(), output),
            Command::Usage(command) => command.run(&database(), output),
            Command::Statement(command) => command.run(&database(), output),
            Command::PlanReport(command) => command.run(&database(), output),
            Command::Balances(command) => command.run(&database(), output),
            Command::Channels(command) => command.run(&database(), output),
            Command::Consume(command) => command.run(&database(), output),
            Command::Perform(command) => command.run(&database(), output),
            Command::Admit(command) => command.run(&database(), output),
            Command::Reserve(command) => command.run(&database(), output),
            Command::ReserveAction(command) => command.run(&database(), output),
            Command::Commit(command) => command.run(&database(), output),
            Command::Release(command) => command.run(&database(), output),
            Command::Sent(command) => command.run(&database(), output),
            Command::ReportDelivery(command) => command.run(&database(), output),
            Command::Quote(command) => command.run(&database(), output),
            Command::WhatIf(command) => command.run(&database(), output),
            Command::Invoices(command) => command.run(&database(), output),
            Command::Invoice(command) => command.run(&database(), output),
            Command::Price(command) => command.run(&database(), output),
            Command::Buy(command) => command.run(&database(), output),
            Command::PaymentEvent(command) => command.run(&database(), output),
            Command::Payments(command) => command.run(&database(), output),
            Command::WebhookToken(command) => command.run(&database(), output),
            Command::Seats(command) => command.run(&database(), output),
            Command::Events(command) => command.run(&database(), output),
            Command::Token(command) => command.run(&database(), output),
            Command::Webhook(command) => command.run(&database(), output),
            #[cfg(feature = "serve")]
            Command::Serve(command) => command.run(&database()),
            Command::Audit(command) => command.run(&database(), output),
            Command::Document(command) => command.run(&database(), output),
            Command::Replay(command) => command.run(&database(), output),
            Command::WhatsappEvents(command) => command.run(output),
            Command::Tour(command) => command.run(output),
            Command::Completions(command) => command.run(Cli::command()),
            Command::Manual(command) => command.run(Cli::command()),
            Command::Reference => manual::reference(&Cli::command()),
            Command::Call(command) => command.run(&database(), output),
            Command::Operations => operations::list(output),
            Command::Export(command) => command.run(&database(), output),
            Command::Verify => verify::run(&database(), output),
            Command::Doctor(command) => command.run(&database(), output),
            Command::Backup(command) => command.run(&database(), output),
            Command::Restore(command) => command.run(&database(), output),
            Command::Maintain(command) => command.run(&database(), output),
            Command::Open => opening::run(&database(), output),
        }
    }
}
