//! Midnight: 10,000 tenants renew at once, and maintenance settles them. Each gets its units back,
//! a closed period, an event and the next invoice. Beside it: the same manually in SQLite, a
//! transaction for each tenant, as a nightly job does it.
//!
//! The time is that of one tenant. A line on standard error says how many tenants a second that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{Months, NaiveDate};
use cotas::{Catalog, Clock, Engine, Maintenance, NewTenant, Timestamp};
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use rusqlite::{Connection, params};

#[allow(dead_code)] // The other benchmarks need more of it.
mod fixture;

const TENANTS: usize = 10_000;
const CATALOG: &str = r#"
    [resources.sessions]
    kind = "session"
    [resources.users]
    kind = "seat"
    [plans.full]
    title = "Plano full"
    price = "299.00"
    limits = { sessions = 1000, users = 30 }
"#;
const FIRST_DUE: NaiveDate = NaiveDate::from_ymd_opt(2026, 1, 20).expect("a date");

/// A clock that is set to a time and that maintenance believes.
struct Midnight(AtomicI64);

impl Clock for Midnight {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::Relaxed))
    }

    fn is_wall(&self) -> bool {
        true
    }
}

/// Noon of the day after the `months`-th due date.
fn day_after_due(months: u32) -> i64 {
    let due = FIRST_DUE.checked_add_months(Months::new(months)).expect("a date");
    let day = due.succ_opt().and_then(|day| day.and_hms_opt(12, 0, 0)).expect("a time");
    day.and_utc().timestamp_millis()
}

fn renewals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("renewals");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(8));

    let directory = tempfile::tempdir().expect("a temporary directory");
    let before = day_after_due(0) - 48 * 60 * 60 * 1_000;
    let clock = Arc::new(Midnight(AtomicI64::new(before)));
    let engine = Engine::builder(directory.path().join("cotas.db"))
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External)
        .open()
        .expect("a new database");
    engine.load_catalog(&Catalog::parse(CATALOG, "catalog.toml").expect("is valid")).expect("fits");
    let names = fixture::shuffled_names(TENANTS);
    let new: Vec<_> =
        names.iter().map(|name| NewTenant::new(name).plan("full", FIRST_DUE, true)).collect();
    assert_eq!(engine.ensure_tenants(&new).expect("tenants"), TENANTS);
    let mut months = 0;
    group.bench_function("cotas_maintenance", |bencher| {
        bencher.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                clock.0.store(day_after_due(months), Ordering::Relaxed);
                months += 1;
                let begun = Instant::now();
                settle_all(&engine);
                spent += begun.elapsed();
            }
            eprintln!("{} tenants a second", rate(spent, times));
            spent / TENANTS as u32
        });
    });

    let connection = nightly_job(directory.path());
    group.bench_function("sqlite_transaction_each", |bencher| {
        bencher.iter_custom(|times| {
            let begun = Instant::now();
            (0..times).for_each(|_| renew_manually(&connection));
            begun.elapsed() / TENANTS as u32
        });
    });
    group.finish();
}

fn rate(spent: Duration, times: u64) -> u128 {
    u128::from(times) * TENANTS as u128 * 1_000 / spent.as_millis().max(1)
}

/// As often as maintenance looks, until no tenant is due.
fn settle_all(engine: &Engine) {
    let mut settled = 0;
    while settled < TENANTS {
        let done = engine.maintain().expect("maintains").settled;
        assert!(done > 0, "{settled} of {TENANTS} were due");
        settled += done;
    }
}

/// The tables of a host that renews by itself, in the way that pays for speed with the last
/// commits before a power cut.
fn nightly_job(directory: &std::path::Path) -> Connection {
    let connection = Connection::open(directory.join("peer.db")).expect("a new database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             CREATE TABLE tenants (id INTEGER PRIMARY KEY, months INTEGER NOT NULL);
             CREATE TABLE balances (tenant INTEGER PRIMARY KEY, used INTEGER, left INTEGER);
             CREATE TABLE periods (tenant INTEGER, number INTEGER, used INTEGER);
             CREATE TABLE invoices (id INTEGER PRIMARY KEY, tenant INTEGER, cents INTEGER);
             CREATE TABLE events (id INTEGER PRIMARY KEY, tenant INTEGER, kind INTEGER);
             WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 10000)
             INSERT INTO tenants SELECT id, 0 FROM n;
             INSERT INTO balances SELECT id, 100, 900 FROM tenants;",
        )
        .expect("a schema");
    connection
}

/// The same for each tenant: due date, closed period, units, invoice, event.
fn renew_manually(connection: &Connection) {
    let prepare = |sql| connection.prepare_cached(sql).expect("a statement");
    let mut begin = prepare("BEGIN IMMEDIATE");
    let mut close =
        prepare("INSERT INTO periods SELECT tenant, 1, used FROM balances WHERE tenant = ?1");
    let mut statements = [
        prepare("UPDATE tenants SET months = months + 1 WHERE id = ?1"),
        prepare("UPDATE balances SET used = 0, left = 1000 WHERE tenant = ?1"),
        prepare("INSERT INTO invoices (tenant, cents) VALUES (?1, 29900)"),
        prepare("INSERT INTO events (tenant, kind) VALUES (?1, 1)"),
    ];
    let mut commit = prepare("COMMIT");
    for tenant in 1..=TENANTS as i64 {
        begin.execute([]).expect("begins");
        close.execute(params![tenant]).expect("closes");
        for statement in &mut statements {
            statement.execute(params![tenant]).expect("renews");
        }
        commit.execute([]).expect("commits");
    }
}

criterion_group!(benches, renewals);
criterion_main!(benches);
