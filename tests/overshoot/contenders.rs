//! Those who are compared, each as it is used.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cotas::{Catalog, Engine, NewTenant};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use limitador::limit::Limit;
use rusqlite::Connection;

use crate::servers::{Lines, redis_path};

/// Units that there are.
pub const LIMIT: u64 = 1_000;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    Cotas,
    Governor,
    Limitador,
    SqliteCount,
    SqliteGuarded,
    SqliteLocked,
    PostgresCount,
    PostgresGuarded,
    PostgresLocked,
    RedisLua,
}

impl Contender {
    pub const ALL: [Contender; 10] = [
        Contender::Cotas,
        Contender::Governor,
        Contender::Limitador,
        Contender::SqliteCount,
        Contender::SqliteGuarded,
        Contender::SqliteLocked,
        Contender::PostgresCount,
        Contender::PostgresGuarded,
        Contender::PostgresLocked,
        Contender::RedisLua,
    ];

    const NAMES: [(&'static str, &'static str); 10] = [
        ("cotas", "**Cotas**"),
        ("governor", "governor, in each process"),
        ("limitador", "limitador, in the memory of each process"),
        ("sqlite-count", "SQLite, count, then insert"),
        ("sqlite-guarded", "SQLite, guarded UPDATE"),
        ("sqlite-locked", "SQLite, row lock"),
        ("postgres-count", "PostgreSQL, count, then insert"),
        ("postgres-guarded", "PostgreSQL, guarded UPDATE"),
        ("postgres-locked", "PostgreSQL, row lock"),
        ("redis-lua", "Redis, Lua"),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }

    pub fn title(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    pub fn named(name: &str) -> Option<Contender> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Whether it asks the PostgreSQL server.
    pub fn needs_postgres(self) -> bool {
        self.name().starts_with("postgres")
    }

    /// Makes what there is before anybody asks.
    pub fn prepare(self, home: &Path) {
        match self {
            Contender::Cotas => {
                let engine = Engine::open(home.join("app.db")).expect("opens");
                engine.load_catalog(&catalog()).expect("loads");
                let due = "2036-05-20".parse().expect("a date");
                engine
                    .create_tenant(&NewTenant::new("acme").plan("all", due, true))
                    .expect("is made");
            }
            Contender::SqliteCount | Contender::SqliteGuarded | Contender::SqliteLocked => {
                sqlite(home)
                    .execute_batch(
                        "CREATE TABLE uses (id INTEGER PRIMARY KEY);
                         CREATE TABLE counters (used INTEGER);
                         INSERT INTO counters VALUES (0)",
                    )
                    .expect("is made");
            }
            Contender::PostgresCount | Contender::PostgresGuarded | Contender::PostgresLocked => {
                Lines::psql(home).ask(
                    "DROP TABLE IF EXISTS uses, counters; CREATE TABLE uses (id serial); \
                     CREATE TABLE counters (used int); INSERT INTO counters VALUES (0);",
                );
            }
            Contender::RedisLua => {
                Lines::redis(&redis_path(home)).command(&["DEL", "used"]);
            }
            Contender::Governor | Contender::Limitador => {}
        }
    }

    /// What the threads of one process share.
    pub fn open(self, home: &Path) -> Opened {
        match self {
            Contender::Cotas => Opened::Cotas(Engine::open(home.join("app.db")).expect("opens")),
            Contender::Governor => {
                let all = NonZeroU32::new(LIMIT as u32).expect("some");
                let never = Quota::with_period(Duration::from_secs(86_400)).expect("a period");
                Opened::Governor(Arc::new(RateLimiter::direct(never.allow_burst(all))))
            }
            Contender::Limitador => {
                let limiter = limitador::RateLimiter::new(100);
                let tenant = "tenant".try_into().expect("is a variable");
                limiter.add_limit(Limit::new("app", LIMIT, 86_400, [], [tenant]));
                Opened::Limitador(Arc::new(limiter))
            }
            other => Opened::Elsewhere(other),
        }
    }
}

fn catalog() -> Catalog {
    let text = r#"
        [catalog]
        currency = "BRL"
        [resources.units]
        kind = "allowance"
        [plans.all]
        title = "All"
        price = "1.00"
        limits = { units = 1000 }
    "#;
    Catalog::parse(text, "overshoot.toml").expect("is valid")
}

/// A limiter as one process has it.
pub enum Opened {
    Cotas(Engine),
    Governor(Arc<DefaultDirectRateLimiter>),
    Limitador(Arc<limitador::RateLimiter>),
    Elsewhere(Contender),
}

impl Opened {
    /// What one thread asks with: whether it was let through.
    pub fn asker<'a>(&'a self, home: &Path) -> Box<dyn FnMut() -> bool + 'a> {
        match self {
            Opened::Cotas(engine) => {
                Box::new(|| engine.consume("acme", "units", 1).expect("decides").allowed())
            }
            Opened::Governor(limiter) => Box::new(|| limiter.check().is_ok()),
            Opened::Limitador(limiter) => Box::new(|| {
                let call = HashMap::from([("tenant".to_owned(), "acme".to_owned())]).into();
                let answer = limiter.check_rate_limited_and_update(&"app".into(), &call, 1);
                !answer.expect("decides").limited
            }),
            Opened::Elsewhere(contender) => elsewhere(*contender, home),
        }
    }
}

fn elsewhere<'a>(contender: Contender, home: &Path) -> Box<dyn FnMut() -> bool + 'a> {
    match contender {
        Contender::SqliteCount => {
            let connection = sqlite(home);
            Box::new(move || {
                let count = "SELECT count(*) FROM uses";
                let used: u64 = connection.query_row(count, [], |row| row.get(0)).expect("counts");
                used < LIMIT && connection.execute("INSERT INTO uses DEFAULT VALUES", []).is_ok()
            })
        }
        Contender::SqliteGuarded => {
            let connection = sqlite(home);
            Box::new(move || {
                let update = "UPDATE counters SET used = used + 1 WHERE used < 1000";
                connection.execute(update, []).expect("updates") == 1
            })
        }
        Contender::SqliteLocked => {
            let connection = sqlite(home);
            Box::new(move || {
                connection.execute_batch("BEGIN IMMEDIATE").expect("begins");
                let used = "SELECT used FROM counters";
                let used: u64 = connection.query_row(used, [], |row| row.get(0)).expect("reads");
                if used < LIMIT {
                    connection.execute("UPDATE counters SET used = used + 1", []).expect("updates");
                }
                connection.execute_batch("COMMIT").expect("commits");
                used < LIMIT
            })
        }
        Contender::PostgresCount => {
            let mut server = Lines::psql(home);
            Box::new(move || {
                let used = server.ask("SELECT count(*) FROM uses;");
                used.first().and_then(|it| it.parse().ok()).unwrap_or(0_u64) < LIMIT && {
                    server.ask("INSERT INTO uses DEFAULT VALUES;");
                    true
                }
            })
        }
        Contender::PostgresGuarded => {
            let mut server = Lines::psql(home);
            Box::new(move || {
                let update =
                    "UPDATE counters SET used = used + 1 WHERE used < 1000 RETURNING used;";
                !server.ask(update).is_empty()
            })
        }
        Contender::PostgresLocked => {
            let mut server = Lines::psql(home);
            Box::new(move || {
                let used = server.ask("BEGIN; SELECT used FROM counters FOR UPDATE;");
                let used = used.first().and_then(|it| it.parse().ok()).unwrap_or(0_u64);
                let update = "UPDATE counters SET used = used + 1; COMMIT;";
                server.ask(if used < LIMIT { update } else { "COMMIT;" });
                used < LIMIT
            })
        }
        _ => {
            let mut server = Lines::redis(&redis_path(home));
            let script = "local used = tonumber(redis.call('GET', KEYS[1]) or '0') \
                          if used >= 1000 then return 0 end \
                          redis.call('INCR', KEYS[1]) return 1";
            Box::new(move || server.command(&["EVAL", script, "1", "used"]) == ":1")
        }
    }
}

fn sqlite(home: &Path) -> Connection {
    let connection = Connection::open(home.join("sqlite.db")).expect("opens");
    connection.busy_timeout(Duration::from_secs(60)).expect("is set");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        .expect("is set");
    connection
}

/// Whether a program can be found.
pub fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|it| it.status.success())
}
