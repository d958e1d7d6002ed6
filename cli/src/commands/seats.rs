//! `cotas seats`.

use clap::{Args, Subcommand};
use cotas::{Decision, Mode, Occupancy, Reason, Seat};
use serde_json::{Value, json};

use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, grouped, table, words};

/// Who holds the seats of a resource.
#[derive(Args)]
pub struct Seats {
    /// The tenant
    tenant: String,
    /// The resource
    resource: String,
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What is done with seats.
#[derive(Subcommand)]
enum Verb {
    /// List the holders; the same as saying nothing
    List,
    /// Take a seat, if there is one
    Occupy {
        /// Who takes it
        holder: String,
        /// Invited, and not there yet
        #[arg(long)]
        pending: bool,
    },
    /// Free a seat
    Release {
        /// Who has it
        holder: String,
    },
    /// Give a seat to somebody else, which always passes
    Replace {
        /// Who has it
        old: String,
        /// Who gets it
        new: String,
    },
}

impl Seats {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let tenant = engine.tenant(&self.tenant)?;
        let seats = tenant.seats(&self.resource)?;
        match self.verb.as_ref().unwrap_or(&Verb::List) {
            Verb::List => {
                let held = seats.list()?;
                output.print(&self.held(&held), &held.iter().map(seat_json).collect())
            }
            Verb::Occupy { holder, pending } => {
                let how = Occupancy { pending: *pending, token: None };
                self.answer(&seats.occupy_as(holder, &how)?, output)
            }
            Verb::Release { holder } => {
                let freed = seats.release(holder)?;
                let text = if freed { "the seat is free" } else { "that holder had no seat" };
                output.print(text, &json!({ "released": freed }))
            }
            Verb::Replace { old, new } => {
                seats.replace(old, new)?;
                let json = json!({ "old": old, "new": new });
                output.print("the seat has another holder", &json)
            }
        }
    }

    fn held(&self, seats: &[Seat]) -> String {
        if seats.is_empty() {
            return format!("nobody holds {} of {}", self.resource, self.tenant);
        }
        let yes = |it: bool| words(if it { "yes" } else { "" });
        let rows = seats
            .iter()
            .map(|it| vec![words(&it.holder), words(it.since), yes(it.pending), yes(it.has_token)]);
        table(["holder", "since", "invited", "token"].map(words).into(), rows)
    }

    fn answer(&self, decision: &Decision, output: Output) -> Result<(), Failure> {
        let reason = decision.reason().map(Reason::code);
        let limit = decision.limit().map_or_else(
            || if decision.mode == Mode::Unlimited { "unlimited" } else { "0" }.to_owned(),
            grouped,
        );
        let numbers = format!("{} of {limit} {} held", grouped(decision.used), self.resource);
        let text = match reason {
            None => format!("allowed: {numbers}"),
            Some(reason) => format!("denied, {reason}: {numbers}"),
        };
        let json = json!({
            "allowed": decision.allowed(),
            "reason": reason,
            "used": decision.used,
            "limit": decision.limit(),
        });
        output.print(&text, &json)
    }
}

fn seat_json(it: &Seat) -> Value {
    json!({
        "holder": it.holder,
        "since": it.since.to_string(),
        "pending": it.pending,
        "has_token": it.has_token,
    })
}
