//! Administrative operations under an idempotency key: what each did, and what it answered, is kept
//! in its own transaction. A caller who got no answer asks again.

use std::fmt::Debug;
use std::hash::Hasher;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::admin_tx::AdminTx;
use super::administer::DURABLE;
use super::{Engine, Shared, check_key};
use crate::error::Error;
use crate::live::Hash128;

/// An operation that is to take effect once.
pub(super) struct Operation<'a> {
    name: &'static str,
    /// All that its outcome depends on, in one text that is never shown.
    arguments: String,
    key: Option<&'a str>,
}

impl<'a> Operation<'a> {
    pub(super) fn new(name: &'static str, key: Option<&'a str>, arguments: &dyn Debug) -> Self {
        Operation { name, arguments: format!("{arguments:?}"), key }
    }
}

/// What an operation answered, and whether it did so before.
pub(super) struct Answer<T> {
    pub(super) value: T,
    pub(super) replayed: bool,
}

impl Engine {
    /// The same engine, whose administrative operations take effect at most once per tenant and
    /// `key`: the same key with the same arguments gives the answer that was kept and changes
    /// nothing; with others it is an error. An operation that failed may be tried again. Keys are
    /// kept for ever.
    ///
    /// Decisions have keys of their own, see [`Tenant::once`](crate::Tenant::once).
    #[must_use]
    pub fn once(&self, key: &str) -> Engine {
        Engine { key: Some(Arc::from(key)), ..self.clone() }
    }

    /// Changes a tenant, once under the operation's key or else this engine's.
    pub(super) fn change_once<T: Serialize + DeserializeOwned>(
        &self,
        tenant: &str,
        operation: &Operation<'_>,
        tx: impl FnOnce(&mut AdminTx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.answer_once(tenant, operation, tx).map(|answer| answer.value)
    }

    /// As [`change_once`](Self::change_once), saying whether it was done before.
    pub(super) fn answer_once<T: Serialize + DeserializeOwned>(
        &self,
        tenant: &str,
        operation: &Operation<'_>,
        tx: impl FnOnce(&mut AdminTx<'_>) -> Result<T, Error>,
    ) -> Result<Answer<T>, Error> {
        let key = operation.key.or(self.key.as_deref());
        key.map_or(Ok(()), |key| check_key("idempotency key", key))?;
        self.change(tenant, DURABLE, |under_way| {
            let Some(key) = key else {
                return tx(under_way).map(|value| Answer { value, replayed: false });
            };
            let row = under_way.loaded.row;
            let key = self.shared.admin_hash(row, &[key]);
            let fingerprint = self.shared.admin_hash(row, &[operation.name, &operation.arguments]);
            if let Some(done) = under_way.write.done_under(key)? {
                if !done.is_of(fingerprint) {
                    return Err(Error::IdempotencyConflict);
                }
                return replay(done.answer.as_deref());
            }
            let value = tx(under_way)?;
            let answer = serde_json::to_string(&value).map_err(|error| unkept(&error))?;
            under_way.write.keep_answer(key, fingerprint, under_way.now, &answer)?;
            Ok(Answer { value, replayed: false })
        })
    }
}

impl Shared {
    /// A keyed hash: neither keys nor arguments are stored.
    pub(super) fn admin_hash(&self, row: i64, parts: &[&str]) -> Hash128 {
        self.live.hash(|hasher| {
            hasher.write_u64(row as u64);
            for part in parts {
                hasher.write_u64(part.len() as u64);
                hasher.write(part.as_bytes());
            }
        })
    }
}

/// The answer that was kept; a database of before answers were kept has none.
fn replay<T: DeserializeOwned>(answer: Option<&str>) -> Result<Answer<T>, Error> {
    let value = serde_json::from_str(answer.unwrap_or("null")).map_err(|error| unkept(&error))?;
    Ok(Answer { value, replayed: true })
}

fn unkept(error: &serde_json::Error) -> Error {
    let why = format!("what the operation answered cannot be kept or given again: {error}");
    Error::InvalidArgument { what: "idempotency key", why }
}
