//! Access tokens: who may ask over HTTP.

use rusqlite::{OptionalExtension, Row, params};

use super::{Store, Write, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;

const READING: &str = "reading access tokens";
const WRITING: &str = "writing access tokens";

/// An access token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessTokenRow {
    pub(crate) id: i64,
    /// A keyed hash of the token.
    pub(crate) hash: Vec<u8>,
    pub(crate) role: String,
    /// The row of the only tenant that it opens; `None`: it is for every tenant.
    pub(crate) tenant_row: Option<i64>,
    /// That tenant's name.
    pub(crate) tenant: Option<String>,
    pub(crate) title: String,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
}

const SELECT: &str = "SELECT a.id, a.hash, a.role, t.name, a.title, a.created_at, a.expires_at, \
     a.revoked_at, a.tenant FROM access_tokens a LEFT JOIN tenants t ON t.id = a.tenant";

fn token(row: &Row<'_>) -> rusqlite::Result<AccessTokenRow> {
    let instant = |ms: Option<i64>| ms.map(Timestamp::from_ms);
    Ok(AccessTokenRow {
        id: row.get(0)?,
        hash: row.get(1)?,
        role: row.get(2)?,
        tenant_row: row.get(8)?,
        tenant: row.get(3)?,
        title: row.get(4)?,
        created_at: Timestamp::from_ms(row.get(5)?),
        expires_at: instant(row.get(6)?),
        revoked_at: instant(row.get(7)?),
    })
}

impl Write<'_> {
    /// Writes a new token; gives its number. That of `row` is not looked at.
    pub(crate) fn insert_access_token(&self, row: &AccessTokenRow) -> Result<i64, StoreError> {
        let AccessTokenRow { hash, role, tenant_row, title, created_at, expires_at, .. } = row;
        let expires_at = expires_at.map(Timestamp::ms);
        self.connection
            .prepare_cached(
                "INSERT INTO access_tokens (hash, role, tenant, title, created_at, expires_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .and_then(|mut statement| {
                statement.insert(params![
                    hash,
                    role,
                    tenant_row,
                    title,
                    created_at.ms(),
                    expires_at
                ])
            })
            .map_err(sqlite(WRITING))
    }

    /// The token with a number.
    pub(crate) fn access_token(&self, id: i64) -> Result<Option<AccessTokenRow>, StoreError> {
        self.connection
            .prepare_cached(&format!("{SELECT} WHERE a.id = ?1"))
            .and_then(|mut statement| statement.query_row([id], token).optional())
            .map_err(sqlite(READING))
    }

    /// Gives a token another hash: what was issued before opens nothing any more.
    pub(crate) fn replace_access_token(&self, id: i64, hash: &[u8]) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE access_tokens SET hash = ?2 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![id, hash]))
            .map_err(sqlite(WRITING))?;
        Ok(())
    }

    /// Notes that a token was revoked.
    pub(crate) fn revoke_access_token(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE access_tokens SET revoked_at = ?2 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![id, at.ms()]))
            .map_err(sqlite(WRITING))?;
        Ok(())
    }
}

impl Store {
    /// All tokens, in the order in which they were created.
    pub(crate) fn access_tokens(&self) -> Result<Vec<AccessTokenRow>, StoreError> {
        self.with(|connection| {
            let mut statement = connection
                .prepare_cached(&format!("{SELECT} ORDER BY a.id"))
                .map_err(sqlite(READING))?;
            statement.query_map([], token).and_then(Iterator::collect).map_err(sqlite(READING))
        })
    }

    /// The token with a number, as any process sees it.
    pub(crate) fn access_token_of_id(&self, id: i64) -> Result<Option<AccessTokenRow>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached(&format!("{SELECT} WHERE a.id = ?1"))
                .and_then(|mut statement| statement.query_row([id], token).optional())
                .map_err(sqlite(READING))
        })
    }

    /// The token with a hash.
    pub(crate) fn access_token_of_hash(
        &self,
        hash: &[u8],
    ) -> Result<Option<AccessTokenRow>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached(&format!("{SELECT} WHERE a.hash = ?1"))
                .and_then(|mut statement| statement.query_row([hash], token).optional())
                .map_err(sqlite(READING))
        })
    }
}
