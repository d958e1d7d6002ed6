//! Faults of the machine: `faults [all | FAULT ...]`.
//!
//! A run of all kinds of operations is played again and again, each time with a fault at another of
//! its system calls: once, or from there on until it is gone. Each time a child plays it: it must
//! live and be answered with typed errors; when the fault is gone work goes on, and nothing
//! that was acknowledged is missing. `COTAS_FAULTS_STEP` tries every so many-th call (1),
//! `COTAS_FAULTS_DIRECTORY` says where.
#![allow(missing_docs)]

mod calls;
mod scenario;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use calls::Fault;
use scenario::Limits;

/// How long a child may take: each of its operations waits, and is measured by itself.
const HANGS_AFTER: Duration = Duration::from_secs(300);

/// A fault that can befall fewer calls is tried at each of them once, whatever the step.
const ALL_BELOW: u64 = 64;

/// How many calls one play for which no lock is to be had stands for.
const LOCKS_STEP: usize = 26;

/// What became of one play.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// Every operation succeeded, in spite of the fault.
    Absorbed,
    /// Some were answered with an error.
    Refused,
    /// It died, hung, lost something or would not go on.
    Wrong(String),
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|it| it == name);
    let step = std::env::var("COTAS_FAULTS_STEP").map_or(1, |it| it.parse().expect("a number"));
    let directory = std::env::var_os("COTAS_FAULTS_DIRECTORY").map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| PathBuf::from("/dev/shm"));
    let home = tempfile::tempdir_in(directory).expect("a directory");
    let home = home.path().canonicalize().expect("exists");
    scenario::make_template(&home);
    let mut wrong = Vec::new();
    for (fault, name) in Fault::ALL {
        if !is_wanted(name) {
            continue;
        }
        let calls = count(&home, fault);
        for stays in [false, true] {
            if stays && matches!(fault, Fault::Short | Fault::Interrupted) {
                continue; // Nothing is interrupted for ever.
            }
            let mut sums = BTreeMap::new();
            // Few calls, each of which may be the one that matters: all of them.
            let step = if !stays && calls < ALL_BELOW { 1 } else { step };
            // Without locks each operation waits in vain: minutes for one play.
            let step = if stays && fault == Fault::Locks { step * LOCKS_STEP } else { step };
            for n in (1..=calls).step_by(step) {
                let ended = play(&home, fault, n, stays, &Limits::default());
                report(&mut sums, &mut wrong, format!("{name} at {n}, stays: {stays}"), ended);
            }
            let how = if stays { "from there on" } else { "once" };
            println!("{name:<7} {how:<14} {calls:>5} calls, {sums:?}");
        }
    }
    if is_wanted("limits") {
        let mut sums = BTreeMap::new();
        for (what, limits) in Limits::all() {
            let ended = play(&home, Fault::Io, 0, false, &limits);
            report(&mut sums, &mut wrong, what, ended);
        }
        println!("{:<7} {:<14} {sums:?}", "limits", "RLIMIT");
    }
    if is_wanted("full") && wanted.iter().any(|it| it == "full") {
        let ended = play(&home, Fault::Io, 0, false, &Limits { fill: true, ..Limits::default() });
        println!("full    the disk itself: {ended:?}");
        if !matches!(ended, Ended::Refused) {
            wrong.push(format!("a full disk: {ended:?}"));
        }
    }
    for line in wrong.iter().take(20) {
        println!("WRONG: {line}");
    }
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(
    sums: &mut BTreeMap<&'static str, u64>,
    wrong: &mut Vec<String>,
    what: String,
    ended: Ended,
) {
    let name = match ended {
        Ended::Absorbed => "absorbed",
        Ended::Refused => "refused",
        Ended::Wrong(why) => {
            wrong.push(format!("{what}: {why}"));
            "WRONG"
        }
    };
    *sums.entry(name).or_default() += 1;
}

/// How many calls of a play the fault can befall.
fn count(home: &Path, fault: Fault) -> u64 {
    let path = home.join("count");
    let child = fork(|| {
        scenario::prepare(home, &Limits::default());
        calls::arm(fault, 0, false);
        let played = scenario::Play::default().run(home, &Limits::default());
        let count = calls::heal();
        // A run that misses a kind of call proves nothing about it.
        for (call, times) in calls::called() {
            assert!(times > 0, "no {call:?} came by: {:?}", calls::called().collect::<Vec<_>>());
        }
        std::fs::write(&path, count.to_string()).expect("is written");
        i32::from(played.errors > 0)
    });
    assert_eq!(wait(child), Ok(0), "the run without a fault has errors");
    std::fs::read_to_string(&path).expect("is there").parse().expect("a number")
}

/// Plays it once in a child.
fn play(home: &Path, fault: Fault, n: u64, stays: bool, limits: &Limits) -> Ended {
    let said = home.join("said");
    let _ = std::fs::remove_file(&said);
    let child = fork(|| {
        scenario::prepare(home, limits);
        match scenario::with_fault(home, fault, n, stays, limits) {
            Ok(0) => 0,
            Ok(_) => 1,
            Err(why) => {
                let _ = std::fs::write(&said, why);
                2
            }
        }
    });
    match wait(child) {
        Ok(0) => Ended::Absorbed,
        Ok(1) => Ended::Refused,
        Ok(2) => Ended::Wrong(std::fs::read_to_string(&said).unwrap_or_default()),
        Ok(code) => Ended::Wrong(format!("ended with {code}")),
        Err(signal) => Ended::Wrong(signal),
    }
}

/// Runs `work` in a child, which ends with its answer.
fn fork(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this program has one thread, and no engine open.
    let child = unsafe { libc::fork() };
    if child != 0 {
        return child;
    }
    let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(101);
    // SAFETY: a plain system call.
    unsafe { libc::_exit(code) }
}

/// The child's exit code, or which signal it died of.
fn wait(child: i32) -> Result<i32, String> {
    let begun = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: a plain system call about a child of this process.
        if unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == child {
            return if libc::WIFEXITED(status) {
                Ok(libc::WEXITSTATUS(status))
            } else {
                Err(format!("died of signal {}", libc::WTERMSIG(status)))
            };
        }
        if begun.elapsed() > HANGS_AFTER {
            // SAFETY: as above.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}
