//! Damages of the files at rest: `damage [--cases N] [--seed N] [--case N]`.
//!
//! Again and again the files of a database are put back as they were, one is damaged, and a child
//! opens the database, uses it up, verifies it and goes on to another period. The child must not
//! die, hang or panic, and where more was admitted than the limit, `verify` or an error must say
//! that something is wrong. A case is named by its number and the seed: `--case` makes the
//! same choices again. The database has new ids and hashes, so that a byte may have another value.
#![allow(missing_docs)]

#[path = "../crash/rng.rs"]
mod rng;

mod files;
mod probe;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use files::{Files, Harm};
use rng::{Rng, mix};

/// How long a child may take. It opens a small database and does some hundred operations.
const HANGS_AFTER: Duration = Duration::from_secs(20);

/// What a case came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It was noticed by nothing, or made good; nothing was admitted beyond a limit.
    Harmless,
    /// It was answered with an error, or found by `verify`.
    Reported,
    Wrong(String),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        Some(words.get(at + 1)?.parse::<u64>().expect("a number"))
    };
    let cases = number("--cases").unwrap_or(20_000);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = number("--seed").unwrap_or(now.map_or(1, |it| it.as_secs()));
    let home = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let home = home.path().canonicalize().expect("exists");
    let templates = [make(&home, "closed"), make(&home, "killed")];
    println!("damage: seed {seed}, {cases} cases");
    let mut sums: BTreeMap<(&str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    let mut wrong = 0_u64;
    let (from, to) = number("--case").map_or((0, cases), |case| (case, case + 1));
    for case in from..to {
        let mut rng = Rng::new(mix(seed ^ mix(case)));
        let files = &templates[rng.below(2) as usize];
        files.put_back();
        let harm = Harm::draw(&mut rng, files);
        harm.inflict(files);
        let outcome = play(files, &harm);
        let name = match &outcome {
            Outcome::Harmless => "harmless",
            Outcome::Reported => "reported",
            Outcome::Wrong(why) => {
                println!("WRONG: --seed {seed} --case {case}: {harm:?}: {why}");
                wrong += 1;
                "WRONG"
            }
        };
        *sums.entry((harm.file(), harm.kind())).or_default().entry(name).or_default() += 1;
        if number("--case").is_some() {
            println!("{harm:?}: {outcome:?}");
        }
    }
    for ((file, kind), sums) in &sums {
        println!("{file:<9} {kind:<12} {sums:?}");
    }
    println!("{} of {} cases are wrong", wrong, to - from);
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes a database whose files are to be damaged, by a process that closes it or dies.
fn make(home: &Path, how: &str) -> Files {
    let directory = home.join(how);
    std::fs::create_dir(&directory).expect("is made");
    let path = directory.join("app.db");
    let child = fork(|| {
        let engine = probe::make(&path);
        if how == "killed" {
            // SAFETY: a plain system call; nothing is closed.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
        drop(engine);
        0
    });
    let ended = wait(child);
    let expected = if how == "killed" { Err("died of signal 9".to_owned()) } else { Ok(0) };
    assert_eq!(ended, expected, "{how}");
    let files = Files::take(&directory);
    assert_eq!(play_undamaged(&files), Outcome::Harmless, "{how}: undamaged");
    files
}

fn play_undamaged(files: &Files) -> Outcome {
    files.put_back();
    play(files, &Harm::None)
}

/// Opens and uses the database in a child.
fn play(files: &Files, harm: &Harm) -> Outcome {
    let report = files.directory.join("report");
    let _ = std::fs::remove_file(&report);
    let child = fork(|| {
        let seen = probe::run(&files.directory.join("app.db"));
        std::fs::write(&report, seen.to_text()).expect("is written");
        0
    });
    match wait(child) {
        Ok(0) => {}
        Ok(101) => return Outcome::Wrong("panicked".to_owned()),
        Ok(code) => return Outcome::Wrong(format!("ended with {code}")),
        Err(signal) => return Outcome::Wrong(signal),
    }
    let seen = probe::Seen::from_text(&std::fs::read_to_string(&report).expect("is there"));
    if seen.is_reported() {
        return Outcome::Reported;
    }
    // A limit is what the database says it is: a damaged one is another limit.
    if seen.over.is_empty() || harm.file() == "database" {
        return Outcome::Harmless;
    }
    Outcome::Wrong(format!("admitted beyond a limit, and nothing says so: {}", seen.over))
}

/// Runs `work` in a child, which ends with its answer.
fn fork(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this program has one thread, and no engine open.
    let child = unsafe { libc::fork() };
    if child != 0 {
        return child;
    }
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(101);
    // SAFETY: a plain system call.
    unsafe { libc::_exit(code) }
}

/// The child's exit code, or which signal it died of.
fn wait(child: i32) -> Result<i32, String> {
    let begun = Instant::now();
    let mut hung = false;
    loop {
        let mut status = 0;
        // SAFETY: a plain system call about a child of this process.
        if unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == child {
            return match (hung, libc::WIFEXITED(status)) {
                (true, _) => Err("hangs".to_owned()),
                (false, true) => Ok(libc::WEXITSTATUS(status)),
                (false, false) => Err(format!("died of signal {}", libc::WTERMSIG(status))),
            };
        }
        if begun.elapsed() > HANGS_AFTER {
            hung = true;
            // SAFETY: as above.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}
