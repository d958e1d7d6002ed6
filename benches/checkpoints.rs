//! What a round of checkpoints writes in a second, and how far it lags behind: tenants of which
//! everything is written, as before there is a copy of what SQLite has, and tenants of which only
//! what has changed is. Before that, how fast tenants are created.
//!
//! `COTAS_TENANTS` says how many tenants change (100,000), `COTAS_SECONDS` how long the lag is
//! watched (5).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cotas::{Catalog, Engine, Maintenance, NewTenant};

#[allow(dead_code)] // The other benchmarks need more of it.
mod fixture;

/// A plan as a help desk has it: a dozen resources, of which a decision uses one.
const CATALOG: &str = r#"
    [resources]
    credits = { kind = "allowance" }
    sms = { kind = "allowance" }
    emails = { kind = "allowance" }
    calls = { kind = "allowance" }
    exports = { kind = "allowance" }
    imports = { kind = "allowance" }
    reports = { kind = "allowance" }
    bots = { kind = "allowance" }
    flows = { kind = "allowance" }
    voices = { kind = "allowance" }
    images = { kind = "allowance" }
    searches = { kind = "allowance" }
    [plans.full]
    title = "Plano full"
    price = "299.00"
    [plans.full.limits]
    credits = 1_000_000_000
    sms = 1_000
    emails = 1_000
    calls = 1_000
    exports = 1_000
    imports = 1_000
    reports = 1_000
    bots = 1_000
    flows = 1_000
    voices = 1_000
    images = 1_000
    searches = 1_000
"#;

fn setting(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn print(what: &str, count: usize, took: Duration) {
    println!("{what:48} {:>9.0} /s", f64::from(count as u32) / took.as_secs_f64());
}

fn change(engine: &Engine, names: &[String]) {
    for name in names {
        assert!(engine.consume(name, "credits", 1).expect("decides").allowed());
    }
}

/// Every tenant changes, then a round writes them all.
fn round(what: &str, engine: &Engine, names: &[String]) {
    change(engine, names);
    let begun = Instant::now();
    assert_eq!(engine.checkpoint().expect("is made"), names.len());
    print(what, names.len(), begun.elapsed());
}

/// The lag while all tenants change over and over.
fn watch_lag(engine: &Engine, names: &[String]) {
    let seconds = Duration::from_secs(setting("COTAS_SECONDS", 5) as u64);
    let over = AtomicBool::new(false);
    let mut lags: Vec<u64> = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                change(engine, names);
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                engine.checkpoint().expect("is made");
            }
        });
        let begun = Instant::now();
        while begun.elapsed() < seconds {
            thread::sleep(Duration::from_millis(1));
            lags.push(engine.lag().lag_ms);
        }
        over.store(true, Ordering::Relaxed);
    });
    lags.sort_unstable();
    let at = |percent: usize| lags.get((lags.len() - 1) * percent / 100).copied().unwrap_or(0);
    let (middle, high, most) = (at(50), at(99), at(100));
    println!(
        "lag while {} tenants change: p50 {middle} ms, p99 {high} ms, max {most} ms",
        names.len()
    );
}

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let builder = Engine::builder(directory.path().join("cotas.db"));
    let engine = builder.maintenance(Maintenance::External).open().expect("a new database");
    engine.load_catalog(&Catalog::parse(CATALOG, "catalog.toml").expect("is right")).expect("fits");
    let names = fixture::shuffled_names(setting("COTAS_TENANTS", 100_000));
    let due = chrono::NaiveDate::from_ymd_opt(2199, 12, 31).expect("a date");
    let tenants: Vec<_> =
        names.iter().map(|name| NewTenant::new(name).plan("full", due, true)).collect();
    let begun = Instant::now();
    engine.ensure_tenants(&tenants).expect("are made");
    print("tenants created", tenants.len(), begun.elapsed());
    engine.checkpoint().expect("is made");
    round("tenants written whole", &engine, &names);
    for _ in 0..3 {
        round("tenants of which what changed is written", &engine, &names);
    }
    watch_lag(&engine, &names);
}
