//! What a host would use instead: a rate limiter that forgets at exit, and plain SQLite.

use std::num::NonZeroU32;
use std::path::Path;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use rusqlite::{Connection, Statement, params};

use crate::fixture::{WINDOW_MS, phone};

/// A rate that no caller reaches.
fn plenty() -> Quota {
    Quota::per_second(NonZeroU32::new(1_000_000_000).expect("not zero"))
}

/// One limit, which the caller has at hand.
pub fn governor_direct() -> DefaultDirectRateLimiter {
    RateLimiter::direct(plenty())
}

/// A limit for each name, all of them known already.
pub fn governor_keyed(names: &[String]) -> DefaultKeyedRateLimiter<String> {
    let limiter = RateLimiter::keyed(plenty());
    for name in names {
        assert!(limiter.check_key(name).is_ok(), "denied");
    }
    limiter
}

/// A database with one tenant, in the way that pays for speed with the last commits before a
/// power cut: WAL, `synchronous = NORMAL`.
pub fn sqlite(directory: &Path, open_sessions: u64) -> Connection {
    let connection = Connection::open(directory.join("peer.db")).expect("a new database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             CREATE TABLE tenants (
                 id INTEGER PRIMARY KEY, used INTEGER NOT NULL, lim INTEGER NOT NULL
             );
             CREATE TABLE sessions (
                 tenant INTEGER NOT NULL, contact TEXT NOT NULL, ends_at INTEGER NOT NULL,
                 PRIMARY KEY (tenant, contact)
             ) WITHOUT ROWID;
             INSERT INTO tenants VALUES (1, 0, 1000000000000000);
             BEGIN;",
        )
        .expect("a schema");
    let mut insert = connection.prepare(INSERT).expect("a statement");
    for number in 0..open_sessions {
        insert.execute(params![phone(number), WINDOW_MS]).expect("a new session");
    }
    drop(insert);
    connection.execute_batch("COMMIT").expect("a commit");
    connection
}

const UPDATE: &str = "UPDATE tenants SET used = used + 1 WHERE id = ? AND used < lim";
const INSERT: &str = "INSERT OR IGNORE INTO sessions VALUES (1, ?, ?)";

/// Check and consume in one guarded statement.
pub struct GuardedUpdate<'c>(Statement<'c>);

impl GuardedUpdate<'_> {
    pub fn new(connection: &Connection) -> GuardedUpdate<'_> {
        GuardedUpdate(connection.prepare(UPDATE).expect("a statement"))
    }

    /// Says whether there was a unit left.
    pub fn run(&mut self) -> bool {
        self.0.execute([1]).expect("an update") == 1
    }
}

/// Opens a contact's session and uses up a unit for it, both or neither.
pub struct OpenSession<'c> {
    begin: Statement<'c>,
    update: GuardedUpdate<'c>,
    insert: Statement<'c>,
    commit: Statement<'c>,
}

impl OpenSession<'_> {
    pub fn new(connection: &Connection) -> OpenSession<'_> {
        let prepare = |sql| connection.prepare(sql).expect("a statement");
        OpenSession {
            begin: prepare("BEGIN IMMEDIATE"),
            update: GuardedUpdate::new(connection),
            insert: prepare(INSERT),
            commit: prepare("COMMIT"),
        }
    }

    /// Says whether a session was opened.
    pub fn run(&mut self, contact: &str) -> bool {
        self.begin.execute([]).expect("a transaction");
        let paid = self.update.run();
        let opened = self.insert.execute(params![contact, WINDOW_MS]).expect("an insert") == 1;
        self.commit.execute([]).expect("a commit");
        paid && opened
    }
}
