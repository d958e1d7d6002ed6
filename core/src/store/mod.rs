//! SQLite: everything that must be remembered. SQL stands here and nowhere else.

mod access_tokens;
mod account_holders;
mod admin_keys;
mod audit;
mod billing;
mod catalogs;
mod charges;
mod checkpoint;
mod erased;
mod find;
mod fork_guard;
pub(crate) mod inspect;
mod lines;
mod mark;
mod open;
mod outbox;
mod read;
mod renames;
mod seats;
mod subscriptions;
mod tenants;
mod totals;
mod trail;
mod trials;
mod webhooks;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::ffi::ErrorCode;

pub(crate) use access_tokens::AccessTokenRow;
pub(crate) use account_holders::AccountHolderRow;
pub(crate) use admin_keys::Done;
pub(crate) use billing::{Gathers, InvoiceRow, MANUAL, PurchaseRow};
pub(crate) use charges::{ChargeRow, ListedCharge, PAID};
pub(crate) use erased::{ErasedRow, overwrite_deleted};
pub(crate) use find::{FoundRow, Wanted};
pub(crate) use fork_guard::{ForkGuard, enter, try_enter, watch_forks};
pub(crate) use open::Meta;
pub(crate) use outbox::EventRow;
pub(crate) use read::{HistoryRow, PeriodRow};
pub(crate) use seats::SeatRow;
pub(crate) use subscriptions::{
    ACTIVE, CANCELLED, GatewayReports, PENDING, SCHEDULED, SubscriptionRow,
};
pub(crate) use tenants::{Loaded, Overrides};
pub(crate) use totals::{PERIODS, TotalRow};
pub(crate) use trail::TrailRow;
pub(crate) use webhooks::{DeliveryRow, Next, WebhookRow};
pub(crate) use write::{Sync, Write};

use crate::error::StoreError;
use crate::live::process;

/// The database. Its one connection belongs to the process that opened it; it is opened when it
/// is first needed and closed before a fork.
#[derive(Debug)]
pub(crate) struct Store {
    /// `None`: in memory.
    path: Option<PathBuf>,
    connection: Mutex<Option<OpenConnection>>,
}

/// A connection, which is this process's as long as it is not forked. In a forked child it is never
/// used, nor closed: its locks are the parent's.
#[derive(Debug)]
struct OpenConnection {
    /// `None`: while it is dropped.
    connection: Option<Connection>,
    /// The fork generation in which it was opened; `None`: in memory, where a child has a copy.
    generation: Option<u64>,
}

impl OpenConnection {
    fn new(connection: Connection, is_in_file: bool) -> OpenConnection {
        let generation = is_in_file.then(process::fork_generation);
        OpenConnection { connection: Some(connection), generation }
    }

    fn is_ours(&self) -> bool {
        self.generation.is_none_or(|made| made == process::fork_generation())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let connection = self.connection.take();
        if self.is_ours() {
            drop(connection);
        } else {
            std::mem::forget(connection);
        }
    }
}

impl Store {
    /// A database in a file.
    pub(crate) fn at(path: PathBuf) -> Arc<Store> {
        let store = Arc::new(Store { path: Some(path), connection: Mutex::new(None) });
        fork_guard::close_before_forks(&store);
        store
    }

    /// A database that is gone when it is dropped.
    pub(crate) fn in_memory() -> Store {
        Store { path: None, connection: Mutex::new(None) }
    }

    /// The database file.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Runs `work` with the connection. May block on other threads' use of it, and on the disk.
    pub(crate) fn with<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let _fork_guard = fork_guard::enter();
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if !slot.as_ref().is_some_and(OpenConnection::is_ours) {
            let connection = open::connect(self.path.as_deref())?;
            *slot = Some(OpenConnection::new(connection, self.path.is_some()));
        }
        match slot.as_mut().and_then(|opened| opened.connection.as_mut()) {
            Some(connection) => {
                let result = work(connection);
                if !connection.is_autocommit() {
                    // Whatever went wrong, no transaction is left behind.
                    let _ = connection.execute_batch("ROLLBACK");
                }
                result
            }
            None => Err(E::from(StoreError::Busy { doing: "opening" })),
        }
    }

    /// As [`with`](Self::with), for long reading: with a connection of its own, so that writers
    /// do not wait for it. A database in memory has only the one.
    pub(crate) fn aside<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.path.is_none() {
            return self.with(work);
        }
        let _fork_guard = fork_guard::enter();
        work(&mut open::connect(self.path.as_deref())?)
    }

    /// Takes over a connection that has just been opened.
    fn keep(&self, connection: Connection) {
        let _fork_guard = fork_guard::enter();
        let opened = OpenConnection::new(connection, self.path.is_some());
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    }

    /// Closes the connection; the next use opens another.
    pub(crate) fn close(&self) {
        let _fork_guard = fork_guard::enter();
        self.close_inside();
    }

    /// As [`close`](Self::close), for those who are inside already.
    fn close_inside(&self) {
        if self.path.is_some() {
            self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

impl Drop for Store {
    /// SQLite has locks of its own, which no child is to find taken. A fork that is closing
    /// connections may be who drops this, with nothing left to close.
    fn drop(&mut self) {
        let connection = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(connection) = connection {
            let _fork_guard = fork_guard::enter();
            drop(connection);
        }
    }
}

/// Turns what SQLite says into what it means.
pub(crate) fn sqlite(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { doing },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { doing },
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { doing },
        _ => StoreError::Sqlite { doing, source },
    }
}
