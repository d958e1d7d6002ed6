//! Idempotency keys of administrative operations, kept for ever with what each operation answered.

use rusqlite::{OptionalExtension, params};

use super::open::blob;
use super::{Write, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::live::Hash128;

const DOING: &str = "looking up an idempotency key";

/// What an operation did under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Hash of the operation and its arguments.
    pub(crate) fingerprint: Vec<u8>,
    /// The answer as JSON; `None`: from before answers were kept.
    pub(crate) answer: Option<String>,
}

impl Done {
    /// Whether it was this operation, with these arguments.
    pub(crate) fn is_of(&self, fingerprint: Hash128) -> bool {
        self.fingerprint == blob([fingerprint.high, fingerprint.low])
    }
}

impl Write<'_> {
    /// What was done under a key, if anything was.
    pub(crate) fn done_under(&self, key: Hash128) -> Result<Option<Done>, StoreError> {
        self.connection
            .prepare_cached("SELECT fingerprint, answer FROM admin_keys WHERE key = ?1")
            .and_then(|mut statement| {
                statement
                    .query_row([blob([key.high, key.low])], |row| {
                        Ok(Done { fingerprint: row.get(0)?, answer: row.get(1)? })
                    })
                    .optional()
            })
            .map_err(sqlite(DOING))
    }

    /// Keeps what an operation answered under its key, in the transaction of what it did.
    pub(crate) fn keep_answer(
        &self,
        key: Hash128,
        fingerprint: Hash128,
        at: Timestamp,
        answer: &str,
    ) -> Result<(), StoreError> {
        let fingerprint = blob([fingerprint.high, fingerprint.low]);
        self.connection
            .prepare_cached(
                "INSERT INTO admin_keys (key, fingerprint, at, answer) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut statement| {
                let key = blob([key.high, key.low]);
                statement.execute(params![key, fingerprint, at.ms(), answer])
            })
            .map_err(sqlite(DOING))?;
        Ok(())
    }
}
