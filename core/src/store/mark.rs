//! What shows whether a write-ahead log is of the database file beside it.
//!
//! SQLite applies a log to whatever file lies beside it: a backup that was copied over a database
//! whose log remains would become a mixture of both. So the file bears a mark, a random number.
//! The process that writes first to an empty log changes it there, and notes the one before. The
//! file by itself then has the mark that the log has, or, as long as the log was never begun again,
//! the one before. Anything else is another file, or an older state of it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::open::has_log;
use super::{inspect, sqlite};
use crate::error::{OpenError, StoreError};
use crate::live::process;

/// The mark, and the one that it took the place of.
const MARK: &str = "mark";
const MARK_BEFORE: &str = "mark_before";

/// Half of it is random, the rest its complement, so that one which a power cut left half written
/// is found out.
type Mark = [u8; 16];

/// What the file by itself says, read without its log.
pub(super) enum OfFile {
    /// Its mark; `None`: it is of a version that wrote none.
    Known(Option<Mark>),
    /// There is no log, or the file by itself cannot be read: nothing to compare.
    Unknown,
}

fn fresh() -> Mark {
    let random = process::random_u64();
    let mut mark = Mark::default();
    let bytes = random.to_le_bytes().into_iter().chain((!random).to_le_bytes());
    mark.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    mark
}

fn is_whole(mark: &Mark) -> bool {
    let (random, complement) = mark.split_at(8);
    random.iter().zip(complement).all(|(one, other)| *one == !other)
}

/// Gives the file a mark of its own, for a new database or a copy.
pub(super) fn begin_file(connection: &Connection) -> rusqlite::Result<()> {
    put(connection, MARK, &fresh())?;
    put(connection, MARK_BEFORE, &[])
}

/// In a write transaction: changes the mark if it is the first of its log.
pub(super) fn begin_log(connection: &Connection) -> Result<(), StoreError> {
    let path = connection.path().filter(|path| !path.is_empty());
    if path.is_none_or(|path| has_log(Path::new(path))) {
        return Ok(());
    }
    let doing = "marking the log";
    let before = get(connection, MARK).map_err(sqlite(doing))?;
    put(connection, MARK_BEFORE, before.as_deref().unwrap_or_default())
        .and_then(|()| put(connection, MARK, &fresh()))
        .map_err(sqlite(doing))
}

fn put(connection: &Connection, name: &str, value: &[u8]) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?
        .execute(params![name, value])?;
    Ok(())
}

fn get(connection: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

fn mark(connection: &Connection, name: &str) -> rusqlite::Result<OfFile> {
    let bytes = get(connection, name)?.filter(|bytes| !bytes.is_empty());
    let Some(bytes) = bytes else { return Ok(OfFile::Known(None)) };
    let mark = Mark::try_from(bytes).ok().filter(is_whole);
    Ok(mark.map_or(OfFile::Unknown, |mark| OfFile::Known(Some(mark))))
}

/// The mark of the file at `path` by itself, before anybody has its log open.
pub(super) fn of_file(path: &Path) -> OfFile {
    if !has_log(path) {
        return OfFile::Unknown;
    }
    let read = |connection: Connection| mark(&connection, MARK).ok();
    inspect::connect_without_log(path).ok().and_then(read).unwrap_or(OfFile::Unknown)
}

/// Refuses a file that is not the one of the log beside it. `connection` sees both.
pub(super) fn check(connection: &Connection, file: &OfFile, path: &Path) -> Result<(), OpenError> {
    let OfFile::Known(of_file) = file else { return Ok(()) };
    let read = |name| mark(connection, name).map_err(sqlite("reading the mark of the log"));
    let (OfFile::Known(of_log), OfFile::Known(before)) = (read(MARK)?, read(MARK_BEFORE)?) else {
        return Ok(());
    };
    if *of_file == of_log || (*of_file == before && is_first_log(path)) {
        return Ok(());
    }
    Err(OpenError::DatabaseReplaced { path: path.to_owned() })
}

/// Whether the log was begun when it was empty, and never again: SQLite counts in its header.
fn is_first_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let mut count = [0; 4];
    let read = File::open(log).and_then(|log| log.read_exact_at(&mut count, 12));
    read.is_ok() && count == [0; 4]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_is_half_written_is_none() {
        let mut mark = fresh();
        assert!(is_whole(&mark));
        mark[3] ^= 1;
        assert!(!is_whole(&mark));
    }
}
