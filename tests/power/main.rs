//! Power cuts: what the database holds at every write of a run, opened without the live file.
//!
//! A recording file system keeps what was written and what was synced. At each boundary between two
//! writes the disk is put back three times: with what was synced alone, with all that was written,
//! and with some sectors of it. Each must open; what was acknowledged as being on the disk is
//! there, `verify` finds nothing.
//!
//! `COTAS_CUTS` is how many operations the run has (12), `COTAS_SEED` which (1).

mod recorder;
#[path = "../crash/rng.rs"]
#[allow(dead_code)]
mod rng;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cotas::{
    Durability, Engine, Error, Limit, Maintenance, ManualClock, NewTenant, Origin, Source, Terms,
};
use cotas_tests::{NOON, add_tenant, at, catalog, date};

use recorder::{Disk, Event, Left};
use rng::Rng;

/// What the database must hold, as numbers that only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Facts {
    /// Credits that acme has used.
    used: u64,
    /// Contacts of acme with a session.
    sessions: u64,
    /// Credits granted to acme on top of its plan's.
    granted: u64,
    /// Tenants.
    tenants: u64,
    /// Seats that acme has taken.
    seats: u64,
    /// Version of the catalog.
    catalog: u64,
    /// Times that another tenant's limit was raised.
    limit: u64,
    /// Times that a third one's plan was changed.
    plans: u64,
}

impl Facts {
    /// Whether nothing that `least` has is missing.
    fn has(&self, least: &Facts) -> bool {
        self.used >= least.used
            && self.sessions >= least.sessions
            && self.granted >= least.granted
            && self.tenants >= least.tenants
            && self.seats >= least.seats
            && self.catalog >= least.catalog
            && self.limit >= least.limit
            && self.plans >= least.plans
    }

    /// What an engine shows.
    fn read(engine: &Engine) -> Result<Facts, Error> {
        let acme = engine.report("acme")?;
        let balance = |resource: &str| {
            let found = acme.balances.iter().find(|it| it.resource == resource);
            found.map_or((0, 0), |it| (it.used, it.limit().unwrap_or(0)))
        };
        let (used, limit) = balance("credits");
        let limits = engine.report("limits")?;
        let limits = limits.balances.iter().find(|it| it.resource == "credits");
        Ok(Facts {
            used,
            sessions: balance("sessions").0,
            granted: limit - 1000,
            tenants: engine.tenants()?.len() as u64,
            seats: engine.tenant("acme")?.seats("users")?.list()?.len() as u64,
            catalog: engine.catalog()?.0,
            limit: limits.and_then(|it| it.limit()).unwrap_or(0) - 1000,
            plans: engine.periods("plans")?.len() as u64,
        })
    }
}

/// What is known at an instant: what must be on the disk, and what may be.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    least: Facts,
    most: Facts,
}

/// A run, and what is known of it after each fact that was recorded.
struct Run {
    facts: Vec<Known>,
    /// As all decisions were acknowledged, on the disk or not.
    now: Facts,
    known: Known,
}

impl Run {
    /// About to be done: it may be there from here on.
    fn intend(&mut self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.known.most);
        self.say();
    }

    /// Acknowledged, in memory.
    fn done(&mut self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.now);
    }

    /// Acknowledged as being on the disk: administration.
    fn kept(&mut self, change: impl Fn(&mut Facts)) {
        change(&mut self.now);
        change(&mut self.known.least);
        self.say();
    }

    /// Everything acknowledged so far is on the disk: a checkpoint, or a call that waited for it.
    fn all_kept(&mut self) {
        self.known.least = self.now;
        self.say();
    }

    fn say(&mut self) {
        recorder::fact(self.facts.len());
        self.facts.push(self.known);
    }
}

fn open(path: &Path) -> Result<Engine, Error> {
    Engine::builder(path)
        .clock(Arc::new(ManualClock::new(at(NOON))))
        .maintenance(Maintenance::External)
        .checkpoint_interval(Duration::from_secs(3600))
        .open()
}

/// Operations of every durability, with the database's log moved into it now and then.
fn play(path: &Path, operations: u64, seed: u64) -> Result<(Vec<Known>, Vec<Event>), Error> {
    let engine = open(path)?;
    engine.load_catalog(&catalog())?;
    for name in ["acme", "limits", "plans"] {
        add_tenant(&engine, name, "full", "2026-05-20", true);
    }
    drop(engine);
    // What is there already counts as synced; only now it is watched.
    let directory = path.parent().expect("has one");
    let mut events = Vec::new();
    for name in ["app.db", "app.db-wal"] {
        if let Ok(bytes) = std::fs::read(directory.join(name)) {
            events.push(Event::Write(name.to_owned(), 0, bytes));
            events.push(Event::Sync(name.to_owned()));
        }
    }
    recorder::begin(directory);
    let engine = open(path)?;
    let facts = Facts::read(&engine)?;
    let known = Known { least: facts, most: facts };
    let mut run = Run { facts: Vec::new(), now: facts, known };
    run.say();
    let mut rng = Rng::new(seed);
    let mut engine = engine;
    for number in 0..operations {
        if rng.one_in(10) {
            // The last close folds the log into the database and deletes it; the next writer
            // begins another, under another mark.
            drop(engine);
            run.all_kept();
            engine = open(path)?;
        }
        operate(&engine, path, &mut run, &mut rng, number)?;
    }
    let units = 5;
    run.intend(|facts| facts.used += units);
    assert!(engine.consume("acme", "credits", units)?.allowed());
    run.done(|facts| facts.used += units);
    drop(engine);
    run.all_kept();
    events.extend(recorder::end());
    Ok((run.facts, events))
}

fn operate(
    engine: &Engine,
    path: &Path,
    run: &mut Run,
    rng: &mut Rng,
    number: u64,
) -> Result<(), Error> {
    match rng.below(12) {
        0..3 => {
            run.intend(|facts| facts.used += 1);
            assert!(engine.consume("acme", "credits", 1)?.allowed());
            run.done(|facts| facts.used += 1);
        }
        3..5 => {
            let blocking = engine.with_durability(Durability::Disk);
            run.intend(|facts| facts.used += 2);
            assert!(blocking.consume("acme", "credits", 2)?.allowed());
            run.done(|facts| facts.used += 2);
            run.all_kept();
        }
        5 => {
            run.intend(|facts| facts.sessions += 3);
            let opened = cotas_tests::open_sessions(engine, "acme", &format!("c{number}-"), 3)?;
            run.done(|facts| facts.sessions += opened);
        }
        6 => {
            run.intend(|facts| facts.granted += 7);
            engine.grant("acme", "credits", Source::Extra, 7, None, None)?;
            run.kept(|facts| facts.granted += 7);
        }
        7 => {
            run.intend(|facts| facts.tenants += 1);
            let (name, due) = (format!("made{number}"), date("2026-05-20"));
            engine.create_tenant(&NewTenant::new(&name).plan("full", due, true))?;
            run.kept(|facts| facts.tenants += 1);
        }
        8 => {
            run.intend(|facts| facts.seats += 1);
            let seats = engine.tenant("acme")?;
            let taken = seats.seats("users")?.occupy(&format!("holder{number}"))?.allowed();
            run.kept(|facts| facts.seats += u64::from(taken));
        }
        9 => {
            run.intend(|facts| facts.limit += 1);
            let limit = Limit::Finite(1000 + run.now.limit + 1);
            engine.set_limit("limits", "credits", limit)?;
            run.kept(|facts| facts.limit += 1);
        }
        10 => {
            run.intend(|facts| facts.plans += 1);
            let terms = Terms::new("full", date("2026-05-20"), true);
            engine.change_plan("plans", &terms, None)?;
            run.kept(|facts| facts.plans += 1);
        }
        _ if rng.one_in(2) => {
            engine.checkpoint()?;
            run.all_kept();
        }
        _ => move_the_log(path),
    }
    Ok(())
}

/// What SQLite does by itself when its log is long: pages go into the database, and the next
/// writer begins the log again.
fn move_the_log(path: &Path) {
    let connection = rusqlite::Connection::open(path).expect("opens");
    let moved =
        connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0));
    assert_eq!(moved.expect("moves"), 0, "nothing is in the way");
}

/// What the databases hold that cuts left. Equal files are opened once: what an engine finds in
/// them is the same each time, and is compared with what is known at each boundary.
#[derive(Default)]
struct Looks {
    found: HashMap<u64, Result<Facts, String>>,
    opened: u64,
}

impl Looks {
    /// Compares what a cut left with what is known; gives what is wrong with it.
    fn compare(
        &mut self,
        directory: &Path,
        disk: &Disk,
        left: Left,
        known: &Known,
    ) -> Option<String> {
        let files = disk.left(left);
        let mut hasher = DefaultHasher::new();
        files.hash(&mut hasher);
        let found = self.found.entry(hasher.finish()).or_insert_with(|| {
            self.opened += 1;
            look(directory, &files)
        });
        match found {
            Err(wrong) => Some(wrong.clone()),
            Ok(found) if !found.has(&known.least) => {
                Some(format!("missing: {found:?} of at least {:?}", known.least))
            }
            Ok(found) if !known.most.has(found) => {
                Some(format!("never asked for: {found:?} of at most {:?}", known.most))
            }
            Ok(_) => None,
        }
    }
}

/// Opens what a cut left; gives what it holds, or what is wrong with it.
fn look(directory: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<Facts, String> {
    for entry in std::fs::read_dir(directory).expect("lists") {
        std::fs::remove_file(entry.expect("is there").path()).expect("is removed");
    }
    for (name, bytes) in files {
        std::fs::write(directory.join(name), bytes).expect("is written");
    }
    let looked = open(&directory.join("app.db")).and_then(|engine| {
        let is_rebuilt = engine.opening().origin == Origin::Rebuilt;
        Ok((is_rebuilt, Facts::read(&engine)?, engine.verify()?))
    });
    match looked {
        Err(error) => Err(format!("{error}")),
        Ok((false, ..)) => Err("it was not rebuilt".to_owned()),
        Ok((_, _, findings)) if !findings.is_empty() => Err(format!("verify: {findings:?}")),
        Ok((_, found, _)) => Ok(found),
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn i2_at_every_write_a_power_cut_leaves_all_that_was_acknowledged_as_kept() {
    let (operations, seed) = (number("COTAS_CUTS", 12), number("COTAS_SEED", 1));
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let memory = memory.expect("a directory");
    let directory = memory.path().canonicalize().expect("exists");
    let (facts, events) = play(&directory.join("app.db"), operations, seed).expect("plays");
    let mut disk = Disk::default();
    let mut known = Known::default();
    let (mut boundaries, mut states, mut is_watched) = (0, 0, false);
    let mut looks = Looks::default();
    for (index, event) in events.iter().enumerate() {
        disk.apply(event);
        if let Event::Fact(number) = event {
            known = facts[*number];
            is_watched = true;
        }
        if !is_watched {
            continue;
        }
        boundaries += 1;
        let mut cuts = vec![Left::Synced];
        if disk.has_more() {
            cuts.extend([Left::Everything, Left::Torn(seed + index as u64)]);
        }
        for left in cuts {
            states += 1;
            let wrong = looks.compare(&directory, &disk, left, &known);
            assert_eq!(wrong, None, "seed {seed}, cut {index} of {}, {left:?}", events.len());
        }
    }
    let syncs = events.iter().filter(|event| matches!(event, Event::Sync(_))).count();
    println!(
        "power cuts: {operations} operations, {} events, {syncs} syncs; {boundaries} boundaries, \
         {states} states, {} of them distinct and opened; nothing missing",
        events.len(),
        looks.opened
    );
    assert!(boundaries as u64 > 5 * operations, "only {boundaries} boundaries");
}

#[test]
fn without_syncs_a_power_cut_loses_what_was_acknowledged_as_kept() {
    let myself = std::env::current_exe().expect("has a path");
    let name = "i2_at_every_write_a_power_cut_leaves_all_that_was_acknowledged_as_kept";
    let output = std::process::Command::new(myself)
        .args(["--exact", name])
        .env("COTAS_WITHOUT", "sync")
        .env("COTAS_CUTS", "24")
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("missing:"), "nothing was lost: {said}");
}
