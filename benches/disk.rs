//! What a decision costs that waits for the disk: one caller and many, and while other tenants are
//! busy. SQLite beside it: a guarded UPDATE per decision, committed with `synchronous=FULL`.
//!
//! `COTAS_TENANTS` is how many others are busy (100,000), `COTAS_SECONDS` how long each row takes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cotas::{Durability, Engine, Error};
use rusqlite::Connection;

#[allow(dead_code)] // The other benchmarks need more of it.
mod fixture;

/// The times of one row, and how many calls the disk did not confirm in time.
struct Times {
    calls: Vec<Duration>,
    unknown: usize,
    within: Duration,
}

fn setting(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Has `callers` threads call over and over. Each makes its call in its own thread.
fn measure<C>(callers: usize, make: impl Fn(usize) -> C + Sync) -> Times
where
    C: FnMut() -> bool,
{
    let seconds = Duration::from_secs(setting("COTAS_SECONDS", 5) as u64);
    let begun = Instant::now();
    let one = |number| {
        let mut call = make(number);
        let mut times = (Vec::new(), 0);
        while begun.elapsed() < seconds {
            let before = Instant::now();
            times.1 += usize::from(!call());
            times.0.push(before.elapsed());
        }
        times
    };
    let all: Vec<_> = thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..callers).map(|number| scope.spawn(move || one(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
    });
    let within = begun.elapsed();
    let unknown = all.iter().map(|(_, unknown)| unknown).sum();
    let mut calls: Vec<_> = all.into_iter().flat_map(|(calls, _)| calls).collect();
    calls.sort_unstable();
    Times { calls, unknown, within }
}

fn per_second(times: &Times) -> f64 {
    f64::from(times.calls.len() as u32) / times.within.as_secs_f64()
}

fn print(what: &str, times: &Times, one: f64) {
    let at = |percent: usize| {
        let last = times.calls.len().saturating_sub(1);
        let call = times.calls.get(last * percent / 100).copied().unwrap_or_default();
        call.as_secs_f64() * 1e3
    };
    println!(
        "{what:42} {:>9.0} /s {:>7.2} x   p50 {:>7.2} ms   p99 {:>7.2} ms   max {:>8.2} ms   \
         not confirmed {}",
        per_second(times),
        per_second(times) / one,
        at(50),
        at(99),
        at(100),
        times.unknown
    );
}

/// One decision of a program that keeps its count in SQLite.
fn sqlite(path: &Path) -> impl FnMut() -> bool + use<> {
    let connection = Connection::open(path).expect("opens");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             CREATE TABLE IF NOT EXISTS used (tenant TEXT PRIMARY KEY, used INTEGER); \
             INSERT OR IGNORE INTO used VALUES ('t', 0)",
        )
        .expect("is made");
    move || {
        let sql = "UPDATE used SET used = used + 1 WHERE tenant = 't' AND used < 1000000000";
        let mut statement = connection.prepare_cached(sql).expect("is right");
        statement.execute([]).expect("is written") == 1
    }
}

/// One decision that waits for the disk.
fn decide(engine: &Engine, tenant: &str) -> impl FnMut() -> bool + use<> {
    let tenant = engine.with_durability(Durability::Disk).tenant(tenant).expect("exists");
    move || match tenant.consume("credits", 1) {
        Ok(decision) => decision.allowed(),
        Err(Error::DurabilityUnknown) => false,
        Err(error) => panic!("{error}"),
    }
}

fn main() {
    let others = setting("COTAS_TENANTS", 100_000);
    let names = fixture::shuffled_names(others + 64);
    let (callers, others) = names.split_at(64);
    let caller = |number: usize| callers.get(number).expect("there are as many").as_str();
    let fixture = fixture::Fixture::new(&names);
    let engine = &fixture.engine;
    let peer = measure(1, |_| sqlite(&fixture.directory.path().join("peer.db")));
    let one = per_second(&peer);
    print("SQLite, one caller", &peer, one);
    for many in [1, 8, 64] {
        let times = measure(many, |number| decide(engine, caller(number)));
        print(&format!("Cotas, {many} callers"), &times, one);
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for name in others.iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                assert!(engine.consume(name, "credits", 1).expect("decides").allowed());
            }
        });
        // Until there is a backlog.
        thread::sleep(Duration::from_secs(2));
        for many in [1, 8] {
            let times = measure(many, |number| decide(engine, caller(number)));
            print(&format!("  while {} tenants are busy, {many}", others.len()), &times, one);
        }
        over.store(true, Ordering::Relaxed);
    });
}
