//! Units admitted beyond a limit of 1,000, by us and by what people use instead:
//! `overshoot run [FILE]` measures and writes the table; `overshoot worker ...` is what it starts.
//!
//! Every worker asks for one unit after another until it has been refused. What was admitted is
//! counted in a shared page after the answer, as a host counts what it has let through. Workers are
//! killed while units are left, and others take their places.
#![allow(missing_docs)]

mod contenders;
#[path = "../crash/page.rs"]
#[allow(dead_code)]
mod page;
#[path = "../crash/rng.rs"]
#[allow(dead_code)]
mod rng;
mod servers;

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use contenders::{Contender, LIMIT};
use page::Page;
use rng::Rng;

/// Processes, threads of each, and kills.
const SHAPES: [(u64, u64, u64); 6] =
    [(1, 1, 0), (1, 8, 0), (4, 1, 0), (4, 4, 0), (1, 4, 8), (4, 4, 8)];
/// How often each is measured; the table has the most that was seen.
const ROUNDS: u64 = 3;
/// How long one measurement may take.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("worker") => {
            let (page, threads) =
                (Page::map(words[2].as_ref()), words[4].parse().expect("a number"));
            let contender = Contender::named(&words[1]).expect("a contender");
            work(contender, Path::new(&words[3]), page, threads);
            ExitCode::SUCCESS
        }
        Some("run") => {
            let table = run();
            match words.get(1) {
                Some(path) => std::fs::write(path, &table).expect("is written"),
                None => println!("{table}"),
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("overshoot run [FILE]");
            ExitCode::FAILURE
        }
    }
}

/// Asks until every thread has been refused.
fn work(contender: Contender, home: &Path, page: Page, threads: u64) {
    let opened = contender.open(home);
    let (_, admitted) = page.tight(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut ask = opened.asker(home);
                // Twice the limit and more is shown as that.
                while admitted.load(Ordering::Relaxed) < 100 * LIMIT && ask() {
                    admitted.fetch_add(1, Ordering::Release);
                }
            });
        }
    });
}

/// All measurements, as a table.
fn run() -> String {
    let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let home = home.expect("a directory");
    let _ =
        std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let servers = servers::Servers::start(home.path());
    let mut rows = Vec::new();
    let mut skipped = Vec::new();
    for contender in Contender::ALL {
        if let Err(why) = servers.has(contender) {
            skipped.push(format!("- {}: skipped, {why}", contender.title()));
            continue;
        }
        let cells: Vec<String> =
            SHAPES.iter().map(|&shape| cell(contender, shape, &home)).collect();
        println!("{:<52} {}", contender.title(), cells.join("  "));
        rows.push(format!("| {} | {} |", contender.title(), cells.join(" | ")));
    }
    document(&rows, &skipped)
}

/// The most and the least that was seen in one shape.
fn cell(contender: Contender, shape: (u64, u64, u64), home: &tempfile::TempDir) -> String {
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        match measure(contender, shape, home, round) {
            Some(beyond) => seen.push(beyond),
            None => return "gave up".to_owned(),
        }
    }
    seen.sort_unstable();
    match (seen.first(), seen.last()) {
        (Some(least), Some(most)) if least == most => format!("{most:+}").replace("+0", "0"),
        (Some(least), Some(most)) => format!("{least:+} to {most:+}").replace("+0", "0"),
        _ => String::new(),
    }
}

/// Units admitted, less the limit; `None`: it took too long.
fn measure(
    contender: Contender,
    (processes, threads, kills): (u64, u64, u64),
    home: &tempfile::TempDir,
    round: u64,
) -> Option<i64> {
    let place = tempfile::tempdir_in(home).expect("a directory");
    contender.prepare(place.path());
    let page_path = place.path().join("page");
    let page = Page::map(&page_path);
    let start = || -> Child {
        Command::new(std::env::current_exe().expect("has a path"))
            .args(["worker", contender.name()])
            .args([&page_path, &place.path().to_owned()])
            .arg(threads.to_string())
            .stdin(Stdio::null())
            .spawn()
            .expect("starts")
    };
    let (_, admitted) = page.tight(0);
    let mut rng = Rng::new(round);
    let mut children: Vec<Child> = (0..processes).map(|_| start()).collect();
    let begun = Instant::now();
    for kill in 1..=kills {
        // While units are left, and a while after something was admitted.
        let wanted = kill * LIMIT / (kills + 1);
        while admitted.load(Ordering::Acquire) < wanted {
            if children.iter_mut().all(|child| matches!(child.try_wait(), Ok(Some(_)))) {
                break;
            }
            if begun.elapsed() > GIVEN_UP_AFTER {
                return give_up(&mut children);
            }
            std::thread::yield_now();
        }
        let victim = rng.below(processes) as usize;
        let _ = children[victim].kill();
        let _ = children[victim].wait();
        children[victim] = start();
    }
    while !children.iter_mut().all(|child| matches!(child.try_wait(), Ok(Some(_)))) {
        if begun.elapsed() > GIVEN_UP_AFTER {
            return give_up(&mut children);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Some(admitted.load(Ordering::Acquire) as i64 - LIMIT as i64)
}

fn give_up(children: &mut [Child]) -> Option<i64> {
    for child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
    None
}

fn output(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |it| String::from_utf8_lossy(&it.stdout).trim().into(),
    )
}

/// The table with what it needs to be judged.
fn document(rows: &[String], skipped: &[String]) -> String {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.split_whitespace().nth(1).and_then(|it| it.parse::<u64>().ok());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let heads: Vec<String> = SHAPES
        .iter()
        .map(|(processes, threads, kills)| {
            let kills = if *kills > 0 { format!(", {kills} kills") } else { String::new() };
            format!("{processes} x {threads}{kills}")
        })
        .collect();
    format!(
        "# Units beyond the limit\n\n\
         A limit of {LIMIT:}, and workers that ask for one unit after another until they \
         are refused. \
         The figures are units admitted beyond the limit (the least and the most of \
         {ROUNDS} rounds); \
         below zero are units that a killed worker had used up and not reported. The shapes are \
         processes x threads of each, and workers killed and replaced meanwhile.\n\n\
         `make overshoot` has written this page: {}, engine of commit {}, {cores} cores, {} GB of \
         memory, Linux {}, databases in memory.\n\n\
         | | {} |\n|---|{}\n{}\n\n{}\n{}",
        output("date", &["-u", "+%Y-%m-%d"]),
        output("git", &["log", "-1", "--format=%h", "--", "core"]),
        memory.unwrap_or(0).div_ceil(1 << 20),
        output("uname", &["-r"]),
        heads.join(" | "),
        "---:|".repeat(SHAPES.len()),
        rows.join("\n"),
        EXPLAINED,
        if skipped.is_empty() { String::new() } else { format!("\n{}\n", skipped.join("\n")) },
    )
}

/// What each contender does.
const EXPLAINED: &str = include_str!("explained.md");
