//! One write transaction, and the tokens that keep database and live file together.

use std::cell::RefCell;

use rusqlite::Connection;

use super::open::{read_token, update_meta};
use super::totals::Totals;
use super::{mark, sqlite};
use crate::crash_points;
use crate::error::StoreError;
use crate::live::{LiveFile, Poison};

/// A write transaction under way. Dropped without [`commit`](Self::commit) it changes nothing.
pub(crate) struct Write<'a> {
    pub(super) connection: &'a Connection,
    live: &'a LiveFile,
    token: u64,
    /// Its number: `SYNCED` of the live file says whether it is on the disk.
    number: u64,
    sync: Sync,
    open: bool,
    /// The token is that of a commit whose outcome is unknown, and stays in force whatever becomes
    /// of this.
    settling: bool,
    /// Who makes it, for the audit trail.
    actor: RefCell<Option<String>>,
    /// What it counts of all tenants together.
    pub(super) totals: RefCell<Totals>,
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// It survives a power cut.
    Full,
    /// It survives the crash of processes; what it says can be derived again.
    Normal,
}

impl<'a> Write<'a> {
    /// Begins. The caller holds the writer lock.
    ///
    /// If an earlier transaction may have been committed without anybody having seen it (its
    /// process died inside COMMIT, and only SQLite's recovery would bring it to light), a small
    /// transaction takes its place first: from then on the database is what it seems.
    pub(crate) fn begin(
        connection: &'a Connection,
        live: &'a LiveFile,
        sync: Sync,
    ) -> Result<Write<'a>, StoreError> {
        if live.poison() == Some(Poison::Commit) {
            return Err(StoreError::Poisoned);
        }
        let level = match sync {
            _ if crash_points::off(crash_points::Guard::Sync) => "OFF",
            Sync::Full => "FULL",
            Sync::Normal => "NORMAL",
        };
        connection
            .pragma_update(None, "synchronous", level)
            .map_err(sqlite("setting how to commit"))?;
        let mut found = begin(connection, live)?;
        if let Some(token) = live.outstanding_token(found)
            && !crash_points::off(crash_points::Guard::Settle)
        {
            // The same token, so that the unseen commit fits for as long as it may come to light.
            let number = live.next_commit();
            let mut write = Write {
                connection,
                live,
                token,
                number,
                sync,
                open: true,
                settling: true,
                actor: RefCell::new(None),
                totals: RefCell::default(),
            };
            connection
                .prepare_cached("UPDATE meta SET value = value + 1 WHERE name = 'settled_commits'")
                .and_then(|mut statement| statement.execute([]))
                .map_err(sqlite("settling an unseen commit"))?;
            write.write_token()?;
            write.commit()?;
            found = begin(connection, live)?;
        }
        let token = live.intend_token(found);
        let number = live.next_commit();
        let actor = RefCell::new(None);
        let (totals, open, settling) = (RefCell::default(), true, false);
        let write = Write { connection, live, token, number, sync, open, settling, actor, totals };
        crash_points::point("token.intended");
        write.write_token()?;
        Ok(write)
    }

    /// The transaction's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Says who makes it: what is noted in the audit trail from here on is noted as theirs.
    pub(crate) fn set_actor(&self, actor: Option<&str>) {
        *self.actor.borrow_mut() = actor.map(str::to_owned);
    }

    /// Who makes it.
    pub(super) fn actor(&self) -> Option<String> {
        self.actor.borrow().clone()
    }

    /// Runs a part of the transaction that fails or succeeds by itself.
    pub(crate) fn attempt<T, E: From<StoreError>>(
        &self,
        part: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let run = |sql| {
            self.connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.execute([]))
                .map(|_| ())
                .map_err(sqlite("writing in parts"))
        };
        run("SAVEPOINT part")?;
        let before = self.totals.borrow().clone();
        let result = part();
        if result.is_err() {
            self.totals.replace(before);
            run("ROLLBACK TO part")?;
        }
        run("RELEASE part")?;
        result
    }

    fn write_token(&self) -> Result<(), StoreError> {
        update_meta(self.connection, "token", &self.token.cast_signed())
            .map_err(sqlite("writing the token"))
    }

    /// Commits. On success everything stands, on `Poisoned` the outcome is not known, on any
    /// other error nothing was changed.
    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        self.save_totals()?;
        crash_points::point("commit.before");
        let result = self.connection.execute_batch("COMMIT");
        crash_points::point("commit.after");
        match result.map_err(sqlite("committing")) {
            Ok(()) => {
                self.open = false;
                self.live.confirm_token(self.token);
                if self.sync == Sync::Full {
                    self.live.note_synced(self.number);
                }
                crash_points::point("commit.confirmed");
                Ok(())
            }
            // SQLite says for certain that it has not committed.
            Err(error @ (StoreError::Full { .. } | StoreError::Busy { .. })) => Err(error),
            // A failed write or sync: never tried again.
            Err(_) => {
                self.live.set_poison(Poison::Commit);
                Err(StoreError::Poisoned)
            }
        }
    }
}

/// Begins and looks whether this is the database the live file runs with.
fn begin(connection: &Connection, live: &LiveFile) -> Result<u64, StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(sqlite("beginning to write"))?;
    let found = read_token(connection)?;
    if !live.token_fits(found) {
        return Err(StoreError::TokenMismatch { found });
    }
    mark::begin_log(connection)?;
    Ok(found)
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let _ = self.connection.execute_batch("ROLLBACK");
        if self.live.poison().is_none() && !self.settling {
            self.live.abandon_token();
        }
    }
}
