//! `cotas replay`: traffic that has already happened, decided about by its own clock.
//!
//! The clock shows the latest time of all lines so far, of the whole file, whichever tenants are
//! decided about: so several replays may share the tenants of one file, at the same time, and come
//! to what one would have come to. How far each tenant has come, and a hash of all content up to
//! there, is remembered with every decision: a replay that was killed and is started again charges
//! nothing twice, and another file is not taken for the same one.

mod clock;
mod console;
mod deliveries;
mod identity;
mod player;
mod report;
mod view;

use std::path::PathBuf;
use std::time::Instant;

use chrono_tz::Tz;
use clap::Args;

use self::clock::TrafficClock;
use self::console::Console;
use self::identity::Identity;
use self::player::{Newcomers, Player};
use self::report::Report;
use crate::commands::catalog;
use crate::database::Database;
use crate::failure::Failure;
use crate::output::{Output, counted, grouped};
use crate::traffic::{FORMATS, FaultCounts, Mapping, Names, Source, Traffic};
use crate::values::{self, PlanChoice, Units};

/// Decides about traffic.
#[derive(Args)]
pub struct Replay {
    /// CSV, or WhatsApp webhook bodies, one per line, packed by gzip or not; - is standard input
    file: PathBuf,
    #[command(flatten, next_help_heading = "Names of the file")]
    mapping: Mapping,
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
        let (source, names) = (Source::open(&self.file)?, Names::from(&self.mapping));
        let mut traffic = Traffic::open(&source, &names).map_err(|error| {
            let details = what_can_be_read(&Traffic::head_of(&source));
            Failure::NoTraffic { error, details }
        })?;
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
        let identity = Identity::new(&engine, (&source, &names), traffic.fingerprint());
        let mut player = Player::new(&engine, clock, identity, newcomers)?;
        if let Some(names) = &self.only_tenants {
            player.only(names);
        }
        let malformed = self.play(&mut traffic, &mut player)?;
        if traffic.lines_read() > 0 && !player.understood() {
            let failure = nothing_understood(&traffic, &malformed);
            traffic.finish()?;
            return Err(failure);
        }
        let times = traffic.first_at().zip(traffic.last_at());
        let format = traffic.format();
        traffic.finish()?;
        player.settle_all()?;

        let report = Report {
            tenants: report::tenants(&engine, &player)?,
            format,
            times,
            malformed,
            counts: player.counts.clone(),
            took: started.elapsed(),
        };
        output.print(&view::text(&report), &view::json(&report))
    }

    /// Decides about every line, and says how many could not be decided about, and why.
    fn play(&self, traffic: &mut Traffic, player: &mut Player<'_>) -> Result<FaultCounts, Failure> {
        let mut console = Console::new(traffic.len());
        if !traffic.further_columns().is_empty() {
            let further = traffic.further_columns().join(", ");
            console.note(&format!("columns that mean nothing here are passed over: {further}"));
        }
        while let Some(line) = traffic.next() {
            let done = line.map_err(Failure::Malformed).and_then(|event| player.play(event));
            match done {
                Err(Failure::Malformed(line)) if !self.strict => console.complain(&line),
                done => done?,
            }
            console.advance(traffic.bytes_read());
        }
        match player.others() {
            0 => {}
            others => console.note(&format!(
                "this is another file than one that begins alike and was decided before: it was \
                 decided from its start for {}",
                counted(others, "tenant"),
            )),
        }
        Ok(console.finish())
    }
}

/// Why a file of which nothing was understood is refused: its form, and what can be read.
fn nothing_understood(traffic: &Traffic, malformed: &FaultCounts) -> Failure {
    let reasons = malformed.iter().map(|(fault, count)| format!("{fault}: {}", grouped(*count)));
    Failure::NothingUnderstood {
        lines: traffic.lines_read(),
        details: reasons.chain(what_can_be_read(traffic.head())).collect(),
    }
}

/// The form of a file's first lines, and what can be read.
fn what_can_be_read(head: &[String]) -> Vec<String> {
    let heads = head.iter().map(|line| format!("it begins: {line}"));
    let formats = FORMATS.iter().map(|format| format!("what can be read: {format}"));
    heads.chain(formats).collect()
}
