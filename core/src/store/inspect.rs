//! A database read from outside: nothing is written or waited for.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::open::{self, SCHEMA_VERSION, read_meta};
use super::{Meta, fork_guard, sqlite};
use crate::error::{OpenError, StoreError};

/// The schema that this version writes.
pub(crate) const SCHEMA: i64 = SCHEMA_VERSION;

/// The version of SQLite.
pub(crate) fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// Number of its schema; 0: it is empty.
    pub(crate) schema: i64,
    /// `None`: it is empty.
    pub(crate) meta: Option<Meta>,
}

/// Reads what the database at `path` says of itself. Fails where the file is not a database of
/// Cotas, and where another program keeps it locked.
pub(crate) fn inspect(path: &Path) -> Result<About, OpenError> {
    let _fork_guard = fork_guard::enter();
    let connection = connect(path)?;
    let schema = open::identify(&connection, path)?;
    let meta = if schema == 0 { None } else { Some(read_meta(&connection)?) };
    Ok(About { schema, meta })
}

/// Whether the database at `path` is sound, as SQLite sees it: what is wrong, if anything.
pub(crate) fn check(path: &Path) -> Result<Option<String>, OpenError> {
    let _fork_guard = fork_guard::enter();
    let connection = connect(path)?;
    let said = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        .map_err(sqlite("checking the database"))?;
    Ok((said != "ok").then_some(said))
}

/// Folds the log of the database at `path` into it: the file is whole by itself then.
pub(crate) fn fold(path: &Path) -> Result<(), StoreError> {
    let _fork_guard = fork_guard::enter();
    open::fold_file(path)
}

/// Copies the database at `path`, as of its last commit, to `target`, which must not exist, to be
/// opened under an epoch after `epoch`.
pub(crate) fn copy(path: &Path, target: &Path, epoch: u64) -> Result<(), StoreError> {
    let _fork_guard = fork_guard::enter();
    open::copy(&connect(path)?, target, Some(epoch))
}

/// A connection that reads the file alone, as if there were no log.
pub(super) fn connect_without_log(path: &Path) -> Result<Connection, StoreError> {
    connect_by(&uri(path, false))
}

/// A connection that only reads. Where there is no log the file is whole by itself, and SQLite
/// makes no files beside it.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    connect_by(&uri(path, open::has_log(path)))
}

fn connect_by(uri: &str) -> Result<Connection, StoreError> {
    let doing = "opening the database to read it";
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags).map_err(sqlite(doing))?;
    connection.busy_timeout(Duration::ZERO).map_err(sqlite(doing))?;
    Ok(connection)
}

/// The database as SQLite's address of it.
fn uri(path: &Path, has_log: bool) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(byte as char);
            }
            _ => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri.push_str(if has_log { "?mode=ro" } else { "?immutable=1" });
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_odd_characters_is_a_uri() {
        let path = Path::new("/srv/my quotas?#%.db");
        assert_eq!(uri(path, true), "file:/srv/my%20quotas%3F%23%25.db?mode=ro");
        assert_eq!(uri(Path::new("/a.db"), false), "file:/a.db?immutable=1");
    }
}
