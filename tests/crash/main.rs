//! The crash test: `crash run`, and what it starts.
//!
//! `crash run [--seed N] [--seconds N] [--kills N] [--directory DIR] [--without GUARD]` drives
//! workers that are killed at random, and ends with an error where a record of theirs does not
//! agree with the database. `docs/testing.md` says what it proves.
#![allow(missing_docs)]

mod check;
mod driver;
mod model;
mod operations;
mod page;
mod record;
mod rng;
mod worker;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use driver::{Plan, Totals};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("run") => {
            let plan = plan(&words[1..]);
            println!("crash test: {plan:?}");
            let totals = driver::run(&plan);
            print(&plan, &totals);
            if totals.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Some("worker") => {
            worker::run(&worker::Orders::parse(&words[1..]));
            ExitCode::SUCCESS
        }
        Some("open") => open(&words[1], &words[2]),
        _ => {
            eprintln!("crash run | worker | open");
            ExitCode::FAILURE
        }
    }
}

/// Opens a database and changes something: whether it may is the answer.
fn open(database: &str, page: &str) -> ExitCode {
    let page = page::Page::map(page.as_ref());
    let opened = cotas::Engine::builder(database)
        .clock(page.clock())
        .maintenance(cotas::Maintenance::External)
        .open()
        .and_then(|engine| operations::grant(&engine, u64::from(u32::MAX)));
    match opened {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn plan(words: &[String]) -> Plan {
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1).filter(|word| !word.is_empty())
    };
    let number = |name: &str, otherwise: u64| {
        value(name).map_or(otherwise, |word| word.parse().expect("a number"))
    };
    let path = |name: &str| value(name).map(PathBuf::from).filter(|path| path.exists());
    let memory = PathBuf::from("/dev/shm");
    let fallback = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = now.map_or(1, |since| u64::from(since.subsec_nanos()) ^ since.as_secs());
    let kills = number("--kills", 0);
    Plan {
        seed: number("--seed", seed),
        seconds: number("--seconds", if kills > 0 { u64::MAX } else { 60 }),
        kills,
        without: value("--without").cloned().unwrap_or_default(),
        directory: path("--directory").unwrap_or(fallback),
        tight_c: path("--tight-c"),
        python: path("--python"),
    }
}

fn print(plan: &Plan, totals: &Totals) {
    println!(
        "{:<10} {:>12} {:>12} {:>9} {:>6} {:>10}",
        "operation", "intended", "acknowledged", "denied", "busy", "unanswered"
    );
    for (op, it) in &totals.tallies {
        let name = format!("{op:?}").to_lowercase();
        println!(
            "{name:<10} {:>12} {:>12} {:>9} {:>6} {:>10}",
            it.intents, it.acknowledged, it.denied, it.busy, it.unanswered
        );
    }
    println!("tight loops acknowledged {}", totals.tight);
    println!(
        "seed {}: {} episodes, {} waves, {} kills ({} times all at once), {} stops, {} cuts",
        plan.seed,
        totals.episodes,
        totals.waves,
        totals.kills,
        totals.massacres,
        totals.stops,
        totals.cuts
    );
    println!(
        "{} operations acknowledged; lost {}; over the limit {}; units without an answer {}, of \
         which {} took effect",
        totals.acknowledged, totals.lost, totals.over, totals.unanswered, totals.applied_unanswered
    );
    match totals.violations.as_slice() {
        [] => println!("no violation"),
        all => println!("{} VIOLATIONS, the first: {}", all.len(), all[0]),
    }
}
