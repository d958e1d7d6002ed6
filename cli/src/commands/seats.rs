//! `cotas seats`.

use clap::{Args, Subcommand};
use cotas::{Decision, Mode, Occupancy, Reason, Seat, Wording};
use serde_json::json;

use super::decisions::end_with;
use super::secret::token;
use crate::database::{At, Database};
use crate::failure::Failure;
use crate::output::{Output, grouped, table, words};

/// The variable that a seat's token is taken from.
const TOKEN_VARIABLE: &str = "COTAS_SEAT_TOKEN";

/// Who holds the seats of a resource.
#[derive(Args)]
pub struct SeatsCommand {
    /// The tenant
    tenant: String,
    /// The resource
    resource: String,
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    operation: Option<SeatOperation>,
}

/// What is done with seats.
#[derive(Subcommand)]
enum SeatOperation {
    /// List the holders; the same as saying nothing
    List,
    /// Take a seat, if there is one
    Occupy {
        /// Who takes it
        holder: String,
        /// Invited, and not there yet
        #[arg(long)]
        pending: bool,
        #[arg(long, help = "Give the seat a token: from COTAS_SEAT_TOKEN, else standard input")]
        with_token: bool,
    },
    /// Free a seat
    Release {
        /// Who has it
        holder: String,
    },
    /// Give a seat to another holder, which always passes
    Replace {
        /// Who has it
        old: String,
        /// Who gets it
        new: String,
    },
}

impl SeatsCommand {
    /// Does it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(self.at.clock())?;
        let tenant = engine.tenant(&self.tenant)?;
        let seats = tenant.seats(&self.resource)?;
        match self.operation.as_ref().unwrap_or(&SeatOperation::List) {
            SeatOperation::List => {
                let held = seats.list()?;
                output.print(&self.held(&held), &json!(held))
            }
            SeatOperation::Occupy { holder, pending, with_token } => {
                let token = with_token.then(|| token(TOKEN_VARIABLE)).transpose()?;
                let how = Occupancy { pending: *pending, token: token.as_deref() };
                let decision = seats.occupy_as(holder, &how)?;
                let limited = decision.resource.and_then(|it| engine.resource_name(it));
                let limited = limited.unwrap_or(&self.resource);
                answer(&decision, limited, seats.warning()?.as_ref(), output)
            }
            SeatOperation::Release { holder } => {
                let freed = seats.release(holder)?;
                let text = if freed { "the seat is free" } else { "that holder had no seat" };
                output.print(text, &json!({ "released": freed }))
            }
            SeatOperation::Replace { old, new } => {
                seats.replace(old, new)?;
                let json = json!({ "old": old, "new": new });
                output.print("the seat has another holder", &json)
            }
        }
    }

    fn held(&self, seats: &[Seat]) -> String {
        if seats.is_empty() {
            return format!("no one holds {} of {}", self.resource, self.tenant);
        }
        let yes = |it: bool| words(if it { "yes" } else { "" });
        let rows = seats
            .iter()
            .map(|it| vec![words(&it.holder), words(it.since), yes(it.pending), yes(it.has_token)]);
        table(["holder", "since", "invited", "token"].map(words).into(), rows)
    }
}

/// Whether the seat was taken, and the numbers of what limited it.
fn answer(
    decision: &Decision,
    limited: &str,
    warning: Option<&Wording>,
    output: Output,
) -> Result<(), Failure> {
    let reason = decision.reason().map(Reason::code);
    let limit = decision.limit().map_or_else(
        || if decision.mode == Mode::Unlimited { "unlimited" } else { "0" }.to_owned(),
        grouped,
    );
    let numbers = format!("{} of {limit} {limited} held", grouped(decision.used));
    let mut text = match reason {
        None => format!("allowed: {numbers}"),
        Some(reason) => format!("denied, {reason}: {numbers}"),
    };
    if let Some(warning) = warning {
        text = format!("{text}\nattention: {}", warning.en);
    }
    let json = json!({
        "allowed": decision.allowed(),
        "reason": reason,
        "used": decision.used,
        "limit": decision.limit(),
        "warning": warning,
    });
    output.print(&text, &json)?;
    end_with(decision)
}
