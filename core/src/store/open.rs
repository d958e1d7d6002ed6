//! Opening and creating the database.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{Store, mark, sqlite};
use crate::error::{OpenError, StoreError};
use crate::live::process;

/// "Cota" in the header of the database file.
const APPLICATION_ID: i64 = 0x436F_7461;
/// Number of the schema that this version writes.
pub(super) const SCHEMA_VERSION: i64 = 6;
/// What brings a database from schema number `index` to `index + 1`.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = [
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
];

/// Other programs may hold the database for as long; ours waits for the writer lock, not here.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of the write-ahead log before a commit moves them into the database.
const WAL_PAGES: i64 = 4_000;

/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 64;

/// What the database says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) database_id: [u64; 2],
    pub(crate) hash_key: [u64; 2],
    pub(crate) token: u64,
    /// Counts rebuilds of the live file.
    pub(crate) epoch: u64,
    /// Where the live file lies; empty: there has never been one, or this is a backup.
    pub(crate) live_path: String,
}

/// Opens a connection with everything set as this engine needs it.
pub(super) fn connect(path: Option<&Path>) -> Result<Connection, StoreError> {
    let until = Instant::now() + BUSY_TIMEOUT;
    loop {
        let connection = connect_simple(path)?;
        match set_up(&connection, path.is_some()).map_err(sqlite("setting up the connection")) {
            Ok(()) => return Ok(connection),
            // Recovery by another process: SQLite does not always wait for it by itself.
            Err(StoreError::Busy { .. }) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
}

fn connect_simple(path: Option<&Path>) -> Result<Connection, StoreError> {
    let connection = match path {
        Some(path) => {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(path, flags)
        }
        None => Connection::open_in_memory(),
    };
    connection.map_err(sqlite("opening the database"))
}

fn set_up(connection: &Connection, in_file: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    // Or else SQLite compiles a statement again for each tenant that it is asked about, to look
    // whether another plan would suit it better: a third of the time of settling.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Closing must be quick, also in a process that is about to fork.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, in_file)?;
    Ok(())
}

/// Whether there is a write-ahead log with something in it. Looked at by its size, which opens no
/// file.
pub(super) fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|data| data.len() > 0)
}

impl Store {
    /// Makes sure that the file is ours before anything is written, creates or migrates its
    /// tables, and says who it is.
    pub(crate) fn prepare(&self) -> Result<Meta, OpenError> {
        let path = self.path();
        let of_file = path.map_or(mark::OfFile::Unknown, mark::of_file);
        let mut connection = connect_simple(path)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite("setting up the connection"))?;
        let version = identify(&connection, path.unwrap_or(Path::new(":memory:")))?;
        if version == 0 {
            // Before there is a write-ahead log: from its creation on, the file by itself says
            // what it is.
            connection
                .pragma_update(None, "foreign_keys", false)
                .and_then(|()| migrate(&mut connection))
                .map_err(sqlite("creating the tables"))?;
        }
        set_up(&connection, path.is_some()).map_err(sqlite("setting up the connection"))?;
        if let Some(path) = path.filter(|_| version != 0) {
            mark::check(&connection, &of_file, path)?;
        }
        if 0 < version && version < SCHEMA_VERSION {
            migrate(&mut connection).map_err(sqlite("bringing the tables up to date"))?;
        }
        let meta = read_meta(&connection)?;
        self.keep(connection);
        Ok(meta)
    }
}

/// The number of the database's schema; an error where it is not ours.
pub(super) fn identify(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let foreign = |why| OpenError::ForeignDatabase { path: path.to_owned(), why };
    let doing = "reading the header";
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = match number("PRAGMA application_id") {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            return Err(foreign("it is no SQLite database".to_owned()));
        }
        other => other.map_err(sqlite(doing))?,
    };
    let version = number("PRAGMA user_version").map_err(sqlite(doing))?;
    if application != APPLICATION_ID {
        let tables = number("SELECT count(*) FROM sqlite_schema").map_err(sqlite(doing))?;
        if application != 0 || version != 0 || tables != 0 {
            return Err(foreign(format!("its application id is {application:#x}")));
        }
    }
    if version > SCHEMA_VERSION {
        let (path, found, known) = (path.to_owned(), version, SCHEMA_VERSION);
        return Err(OpenError::SchemaTooNew { path, found, known });
    }
    Ok(version)
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for step in MIGRATIONS.iter().skip(version.max(0) as usize) {
        transaction.execute_batch(step)?;
    }
    if version < SCHEMA_VERSION {
        mark::begin_file(&transaction)?;
    }
    if version == 0 {
        for (name, value) in [("database_id", random_blob()), ("hash_key", random_blob())] {
            insert_meta(&transaction, name, &value)?;
        }
        insert_meta(&transaction, "token", &process::random_u64().cast_signed())?;
        insert_meta(&transaction, "epoch", &0)?;
        insert_meta(&transaction, "live_path", &"")?;
        insert_meta(&transaction, "settled_commits", &0)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

fn insert_meta(
    connection: &Connection,
    name: &str,
    value: &dyn rusqlite::ToSql,
) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", params![name, value])?;
    Ok(())
}

fn random_blob() -> Vec<u8> {
    [process::random_u64(), process::random_u64()].map(u64::to_be_bytes).concat()
}

/// Two words as SQLite keeps them.
pub(super) fn blob(words: [u64; 2]) -> Vec<u8> {
    words.map(u64::to_be_bytes).concat()
}

/// Words out of a blob; missing bytes count as zero.
pub(super) fn words<const N: usize>(blob: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(blob.chunks(8)) {
        *word = bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    }
    words
}

pub(super) fn read_meta(connection: &Connection) -> Result<Meta, StoreError> {
    let blob_of = |name| meta::<Vec<u8>>(connection, name).map(|blob| words(&blob));
    Ok(Meta {
        database_id: blob_of("database_id")?,
        hash_key: blob_of("hash_key")?,
        token: read_token(connection)?,
        epoch: meta::<i64>(connection, "epoch")? as u64,
        live_path: meta(connection, "live_path")?,
    })
}

pub(super) fn read_token(connection: &Connection) -> Result<u64, StoreError> {
    Ok(meta::<i64>(connection, "token")?.cast_unsigned())
}

fn meta<T: rusqlite::types::FromSql>(
    connection: &Connection,
    name: &'static str,
) -> Result<T, StoreError> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(sqlite("reading who the database is"))?
        .ok_or(StoreError::Corrupt { what: "meta row, missing:", value: name.to_owned() })
}

impl Store {
    /// Notes a new live file: where it lies, and its epoch.
    pub(crate) fn note_live_file(&self, path: &str, epoch: u64) -> Result<(), StoreError> {
        self.with(|connection| {
            connection.execute_batch("BEGIN IMMEDIATE").map_err(sqlite("noting the live file"))?;
            mark::begin_log(connection)?;
            update_meta(connection, "live_path", &path)
                .and_then(|()| update_meta(connection, "epoch", &epoch.cast_signed()))
                .and_then(|()| connection.execute_batch("COMMIT"))
                .map_err(sqlite("noting the live file"))
        })
    }

    /// Moves the write-ahead log into the database, as far as no reader stands in the way.
    pub(crate) fn trim_log(&self) -> Result<(), StoreError> {
        self.aside(|connection| {
            connection
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                .map_err(sqlite("trimming the log"))
        })
    }

    /// Folds the write-ahead log into the database, for the last process to close it: the file
    /// alone is the whole database then.
    pub(crate) fn fold_log(&self) -> Result<(), StoreError> {
        let Some(path) = self.path() else { return Ok(()) };
        if !has_log(path) {
            return Ok(());
        }
        self.with(|connection| fold(connection, "folding the log into the database"))
    }

    /// Copies the database, as of its last commit, to `target`, which must not exist. The copy
    /// has a token of its own and no live file: it opens as it is, and never under this one's.
    pub(crate) fn backup(&self, target: &Path) -> Result<(), StoreError> {
        self.aside(|connection| copy(connection, target, None))
    }
}

/// Copies a database, as of its last commit, to `target`, which must not exist, under a token and
/// a mark of its own and without a live file; `epoch`: of another epoch than the one it has.
pub(super) fn copy(from: &Connection, target: &Path, epoch: Option<u64>) -> Result<(), StoreError> {
    let doing = "copying the database";
    let mut copy = Connection::open(target).map_err(sqlite(doing))?;
    rusqlite::backup::Backup::new(from, &mut copy)
        .and_then(|backup| backup.run_to_completion(i32::MAX, Duration::ZERO, None))
        .and_then(|()| copy.execute_batch("BEGIN IMMEDIATE"))
        .and_then(|()| {
            update_meta(&copy, "token", &process::random_u64().cast_signed())?;
            update_meta(&copy, "live_path", &"")?;
            if let Some(epoch) = epoch {
                update_meta(&copy, "epoch", &epoch.cast_signed())?;
            }
            mark::begin_file(&copy)?;
            copy.execute_batch("COMMIT")
        })
        .map_err(sqlite(doing))?;
    fold(&copy, doing)
}

/// Moves the whole log of a database into it. An error where another process stands in the way.
fn fold(connection: &Connection, doing: &'static str) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::ZERO).map_err(sqlite(doing))?;
    let is_busy = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        .map_err(sqlite(doing))?;
    if is_busy == 0 { Ok(()) } else { Err(StoreError::Busy { doing }) }
}

/// Folds the log of the database at `path` into it, for a caller that has no store of it.
pub(super) fn fold_file(path: &Path) -> Result<(), StoreError> {
    fold(&connect(Some(path))?, "folding the log into the database")
}

pub(super) fn update_meta(
    connection: &Connection,
    name: &str,
    value: &dyn rusqlite::ToSql,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE meta SET value = ?2 WHERE name = ?1")?
        .execute(params![name, value])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_first_schema_are_brought_up_to_the_second() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let payload = [11, 12, 13, 14, 15, 16, 0, 1_777_906_800_000_u64];
        for (index, kind) in [(0, 1), (1, 2), (2, 3)] {
            connection
                .execute(
                    "INSERT INTO claims VALUES (1, ?1, x'00', ?2, 5, 6, ?3)",
                    params![index, kind, payload.map(u64::to_be_bytes).concat()],
                )
                .unwrap();
        }
        migrate(&mut connection).unwrap();
        let entries = super::super::checkpoint::load_entries(&connection, 1).unwrap();
        let indices: Vec<_> = entries.iter().map(|entry| entry.index).collect();
        assert_eq!(indices, [1, 2], "sessions cannot be found any more");
        assert_eq!(entries[0].payload, [11, 12, 13, 14, 15, 16, 0, 0, 1_777_906_800_000]);
        assert_eq!(entries[1].payload[..8], payload);
    }

    #[test]
    fn money_of_the_third_schema_is_brought_up_to_the_newest() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        for step in &MIGRATIONS[..3] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 3).unwrap();
        connection
            .execute_batch(
                "INSERT INTO admin_keys VALUES (x'01', x'02', 3);
                 INSERT INTO usage (tenant, resource, used, watched_limit, watched_period,
                 next_event) VALUES (1, 0, 7, 10, 1, 8);
                 INSERT INTO subscriptions (tenant, plan, state, started_at, terms)
                 VALUES (1, 'full', 'active', 0, '{}');
                 INSERT INTO purchases (tenant, package, resource, quantity, cents, recurring,
                 bought_at) VALUES (1, 'Extras', 0, 10, 3500, 1, 0);
                 INSERT INTO invoices (tenant, subscription, purchase, title, cents,
                 payment_type, status, recurring, part, parts, due, settled, effect)
                 VALUES (1, 1, 1, 'Extras', 3500, 'Asaas', 'pending', 0, 1, 1, '2026-05-20', 0,
                 'give')",
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        let is_unknown: bool = connection
            .query_row(
                "SELECT i.payment_method = '' AND s.payment_method = ''
                 AND s.limits IS NULL AND s.features IS NULL AND p.expires_ms IS NULL
                 AND p.grant_id IS NULL AND p.taken_back = 0 AND k.answer IS NULL
                 AND i.told_overdue = 0 AND i.paid_cents IS NULL AND u.watched_before IS NULL
                 FROM invoices i JOIN subscriptions s ON s.id = i.subscription
                 JOIN purchases p ON p.id = i.purchase JOIN usage u ON u.tenant = i.tenant
                 JOIN admin_keys k",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert!(is_unknown, "what was not known then is not made up now");
        let version: i64 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, SCHEMA_VERSION);
    }

    #[test]
    fn account_holders_of_the_fifth_schema_keep_what_they_said() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        for step in &MIGRATIONS[..5] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 5).unwrap();
        let types = ["LTDA", "mei ", "", "Consórcio", "S/A"];
        for (tenant, company_type) in types.iter().enumerate() {
            connection
                .execute(
                    "INSERT INTO profiles VALUES (?1, 'legal', ?2, 'trade', 'legal', ?3, 'Ana', \
                     'a@b', '1', '')",
                    params![tenant, format!("document {tenant}"), company_type],
                )
                .unwrap();
        }
        migrate(&mut connection).unwrap();
        let sql = "SELECT document, company_type, company_type_text FROM profiles ORDER BY tenant";
        let mut statement = connection.prepare(sql).unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let rows: Vec<(String, String, String)> =
            statement.query_map([], read).unwrap().map(Result::unwrap).collect();
        let expected =
            [("ltda", ""), ("mei", ""), ("", ""), ("other", "Consórcio"), ("other", "S/A")];
        assert_eq!(rows.len(), expected.len());
        for ((tenant, row), (code, text)) in rows.iter().enumerate().zip(expected) {
            let document = format!("document {tenant}");
            assert_eq!(*row, (document, code.to_owned(), text.to_owned()));
        }
    }

    #[test]
    fn charges_of_the_fifth_schema_stay_bound_to_their_invoices() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        for step in &MIGRATIONS[..5] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 5).unwrap();
        for (id, status, payment, told_at, paid_cents) in [
            (1, "paid", Some("pay_1"), Some(7), Some(9_900)),
            (2, "refunded", Some("ch_2"), Some(8), Some(9_900)),
            (3, "overdue", Some("pay_3"), None, None),
            (4, "pending", Some("pay_4"), None, None),
            (5, "cancelled", Some("pay_5"), Some(9), Some(100)),
            (6, "pending", None, None, None),
        ] {
            connection
                .execute(
                    "INSERT INTO invoices (id, tenant, title, cents, payment_type, status,
                     recurring, part, parts, due, gateway_id, settled, effect, payment_method,
                     told_at, paid_cents) VALUES (?1, 1, 'Full', 9900, 'Asaas', ?2, 0, 1, 1,
                     '2026-05-20', ?3, 1, 'renew', 'pix', ?4, ?5)",
                    params![id, status, payment, told_at, paid_cents],
                )
                .unwrap();
            let gateway = if id == 2 { "pagarme" } else { "asaas" };
            connection
                .execute(
                    "INSERT INTO payment_events SELECT ?1, 'e' || ?2, 5, 'paid', ?3, ?2, 'applied'
                     WHERE ?3 IS NOT NULL",
                    params![gateway, id, payment],
                )
                .unwrap();
        }
        migrate(&mut connection).unwrap();
        let text: String = connection
            .query_row(
                "SELECT group_concat(concat_ws(' ', gateway, id, invoice, tenant, state,
                 coalesce(told_at, '-'), coalesce(cents, '-'), method), ', ' ORDER BY number)
                 FROM charges",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(
            text,
            "asaas pay_1 1 1 paid 7 9900 pix, pagarme ch_2 2 1 reversed 8 9900 pix, \
             asaas pay_3 3 1 overdue - - pix, asaas pay_4 4 1 open - - pix, \
             asaas pay_5 5 1 paid 9 100 pix"
        );
        let invoices: i64 =
            connection.query_row("SELECT count(*) FROM invoices", [], |row| row.get(0)).unwrap();
        assert_eq!(invoices, 6);
    }

    /// Tenants of schema 5: one in arrears, one that joined in two instalments, one paid ahead.
    const FIFTH: &str = r#"
        INSERT INTO catalogs VALUES (1, 0, '{"currency":"BRL"}');
        INSERT INTO subscriptions (id, tenant, plan, state, started_at, terms) VALUES
            (1, 1, 'full', 'active', 0, '{"renew_on":"schedule"}'),
            (2, 2, 'full', 'active', 0, '{"renew_on":"schedule"}'),
            (3, 3, 'paid_first', 'active', 0, '{"renew_on":"payment"}');
        INSERT INTO purchases (id, tenant, package, resource, quantity, cents, recurring,
            bought_at) VALUES (1, 1, 'Canais', 0, 2, 1000, 1, 0);
        INSERT INTO invoices (id, tenant, subscription, purchase, title, cents, payment_type,
            status, recurring, part, parts, due, settled, effect) VALUES
            (1, 1, 1, NULL, 'Full', 29900, 'Manual', 'pending', 0, 1, 1, '2026-06-10', 0, 'renew'),
            (2, 1, 1, 1, 'Canais', 1000, 'Manual', 'paid', 0, 1, 1, '2026-06-05', 1, 'give'),
            (3, 1, 1, 1, 'Canais', 1000, 'Manual', 'pending', 0, 1, 1, '2026-06-10', 0, 'nothing'),
            (4, 2, 2, NULL, 'Full', 15000, 'Asaas', 'paid', 0, 1, 2, '2026-05-10', 1, 'activate'),
            (5, 2, 2, NULL, 'Full', 14900, 'Asaas', 'overdue', 0, 2, 2, '2026-06-10', 0, 'nothing');
    "#;

    #[test]
    fn each_invoice_of_the_fifth_schema_becomes_one_with_one_line() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        for step in &MIGRATIONS[..5] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 5).unwrap();
        connection.execute_batch(FIFTH).unwrap();
        migrate(&mut connection).unwrap();
        let rows = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        assert_eq!(
            rows(
                "SELECT format('%d %s %s %d %d', l.invoice, l.kind, l.title, l.cents, l.is_final)
                 FROM invoice_lines l JOIN invoices i ON i.id = l.invoice AND i.cents = l.cents
                 AND i.tenant = l.tenant ORDER BY l.id"
            ),
            [
                "1 plan Full 29900 0",
                "2 package Canais 1000 1",
                "3 package Canais 1000 0",
                "4 plan Full 15000 1",
                "5 plan Full 14900 1",
            ]
        );
        // What falls due with a period is gathered from now on; the rest stands for itself.
        assert_eq!(
            rows("SELECT format('%d %s %d', id, currency, gathers) FROM invoices ORDER BY id"),
            ["1 BRL 1", "2 BRL 0", "3 BRL 1", "4 BRL 0", "5 BRL 0"]
        );
        assert_eq!(
            rows("SELECT terms ->> 'billing' FROM subscriptions ORDER BY id"),
            ["arrears", "advance", "advance"]
        );
    }
}
