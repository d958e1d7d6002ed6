//! `cotas replay`: traffic that has already happened, decided about by its own clock.
//!
//! The clock shows the latest time of all lines so far, of the whole file, whichever tenants are
//! decided about: so several replays may share the tenants of one file, at the same time, and come
//! to what one would have come to. How far each tenant has come is remembered with every decision:
//! a replay that was killed and is started again charges nothing twice.

mod clock;
mod console;
mod player;
mod report;
mod view;

use std::path::PathBuf;
use std::time::Instant;

use chrono_tz::Tz;
use clap::Args;

use self::clock::TrafficClock;
use self::console::Console;
use self::player::{Newcomers, Player};
use self::report::Report;
use crate::commands::catalog;
use crate::database::Database;
use crate::failure::Failure;
use crate::output::Output;
use crate::traffic::Traffic;
use crate::values::{self, PlanChoice, Units};

/// Decides about traffic.
#[derive(Args)]
pub struct Replay {
    /// CSV, or WhatsApp webhook bodies, one per line; - is standard input
    file: PathBuf,
    /// Load this catalog first
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// End at the first line that cannot be decided about; what came before it counts
    #[arg(long)]
    strict: bool,
    /// Decide about these tenants only
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    only_tenants: Option<Vec<String>>,
    #[command(flatten, next_help_heading = "Tenants that the database does not know")]
    plan: PlanChoice,
    /// The zone of their days, if not the catalog's
    #[arg(long, value_name = "ZONE", value_parser = values::time_zone, requires = "plan")]
    time_zone: Option<Tz>,
    /// Units on top of the plan's
    #[arg(long = "extra", value_name = "RESOURCE=N", value_parser = values::units)]
    #[arg(requires = "plan")]
    extras: Vec<Units>,
}

impl Replay {
    /// Replays the file and reports what came of it.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let catalog = self.catalog.as_deref().map(catalog::read).transpose()?;
        let mut traffic = Traffic::open(&self.file)?;
        let clock = TrafficClock::new(traffic.first_at());
        let engine = match &catalog {
            Some(catalog) => {
                let engine = database.open_or_create(clock.shown())?;
                engine.load_catalog(catalog)?;
                engine
            }
            None => database.open(clock.shown())?,
        };
        if engine.catalog()?.0 == 0 {
            return Err(Failure::NoCatalog);
        }

        let started = Instant::now();
        let extras = Units::extras(&self.extras);
        let newcomers = self.plan.terms().map(|terms| Newcomers {
            terms,
            time_zone: self.time_zone,
            extras: &extras,
        });
        let source = traffic.fingerprint().to_vec();
        let mut player = Player::new(&engine, clock, &source, newcomers);
        if let Some(names) = &self.only_tenants {
            player.only(names);
        }
        let malformed = self.play(&mut traffic, &mut player)?;
        let times = traffic.first_at().zip(traffic.last_at());
        let format = traffic.format();
        traffic.finish()?;
        player.settle_all()?;

        let report = Report {
            tenants: report::tenants(&engine, &player)?,
            format,
            times,
            malformed,
            decided: player.decided,
            decided_before: player.decided_before,
            took: started.elapsed(),
        };
        output.print(&view::text(&report), &view::json(&report))
    }

    /// Decides about every line, and says how many could not be decided about.
    fn play(&self, traffic: &mut Traffic, player: &mut Player<'_>) -> Result<u64, Failure> {
        let mut console = Console::new(traffic.len());
        while let Some(line) = traffic.next() {
            let done = line.map_err(Failure::Malformed).and_then(|event| player.play(event));
            match done {
                Err(Failure::Malformed(line)) if !self.strict => console.complain(&line),
                done => done?,
            }
            console.advance(traffic.bytes_read());
        }
        Ok(console.finish())
    }
}
