//! Seats and their holders.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, Write, sqlite};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::rules::ResourceId;

const DOING: &str = "writing seats";
const READING: &str = "reading seats";

/// A seat with its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeatRow {
    pub(crate) resource: ResourceId,
    pub(crate) holder: String,
    pub(crate) since: Timestamp,
    /// Invited, and not there yet.
    pub(crate) pending: bool,
    /// Keyed hash of the token that opens it.
    pub(crate) token: Option<Vec<u8>>,
}

/// A seat found by its token.
#[derive(Clone, Debug)]
pub(crate) struct TokenRow {
    pub(crate) tenant: String,
    pub(crate) resource: ResourceId,
    pub(crate) holder: String,
    pub(crate) token: Vec<u8>,
}

fn seat(row: &Row<'_>) -> rusqlite::Result<SeatRow> {
    Ok(SeatRow {
        resource: ResourceId(row.get("resource")?),
        holder: row.get("holder")?,
        since: Timestamp::from_ms(row.get("since")?),
        pending: row.get("pending")?,
        token: row.get("token")?,
    })
}

/// Seats that are held, by resource.
pub(super) fn count(
    connection: &Connection,
    tenant: i64,
) -> Result<BTreeMap<ResourceId, u64>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT resource, count(*) FROM seats WHERE tenant = ?1 GROUP BY resource")
        .map_err(sqlite(READING))?;
    statement
        .query_map([tenant], |row| Ok((ResourceId(row.get(0)?), row.get(1)?)))
        .and_then(Iterator::collect)
        .map_err(sqlite(READING))
}

impl Write<'_> {
    /// The seat of a holder, if there is one.
    pub(crate) fn seat(
        &self,
        tenant: i64,
        resource: ResourceId,
        holder: &str,
    ) -> Result<Option<SeatRow>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT * FROM seats WHERE tenant = ?1 AND resource = ?2 AND holder = ?3",
            )
            .and_then(|mut statement| {
                statement.query_row(params![tenant, resource.0, holder], seat).optional()
            })
            .map_err(sqlite(READING))
    }

    /// The seats of one resource of a tenant, in the order of their holders.
    pub(crate) fn seats_of(
        &self,
        tenant: i64,
        resource: ResourceId,
    ) -> Result<Vec<SeatRow>, StoreError> {
        let sql = "SELECT * FROM seats WHERE tenant = ?1 AND resource = ?2 ORDER BY holder";
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.query_map(params![tenant, resource.0], seat).and_then(Iterator::collect)
            })
            .map_err(sqlite(READING))
    }

    /// Writes a seat, new or as it is now.
    pub(crate) fn save_seat(&self, tenant: i64, seat: &SeatRow) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO seats (tenant, resource, holder, since, pending, token) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (tenant, resource, holder) \
                 DO UPDATE SET pending = excluded.pending, token = excluded.token",
            )
            .and_then(|mut statement| {
                let SeatRow { resource, holder, since, pending, token } = seat;
                statement.execute(params![tenant, resource.0, holder, since.ms(), pending, token])
            })
            .map_err(sqlite(DOING))?;
        Ok(())
    }

    /// Takes a seat away; says whether there was one.
    pub(crate) fn delete_seat(
        &self,
        tenant: i64,
        resource: ResourceId,
        holder: &str,
    ) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached("DELETE FROM seats WHERE tenant = ?1 AND resource = ?2 AND holder = ?3")
            .and_then(|mut statement| statement.execute(params![tenant, resource.0, holder]))
            .map(|deleted| deleted > 0)
            .map_err(sqlite(DOING))
    }

    /// Whether a token opens a seat other than this one, anywhere in the database.
    pub(crate) fn token_is_taken(
        &self,
        token: &[u8],
        tenant: i64,
        resource: ResourceId,
        holder: &str,
    ) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM seats WHERE token = ?1 \
                 AND NOT (tenant = ?2 AND resource = ?3 AND holder = ?4))",
            )
            .and_then(|mut statement| {
                let key = params![token, tenant, resource.0, holder];
                statement.query_row(key, |row| row.get(0))
            })
            .map_err(sqlite(READING))
    }
}

impl Store {
    /// The seats of a tenant, in the order of resource and holder.
    pub(crate) fn seats(&self, tenant: i64) -> Result<Vec<SeatRow>, StoreError> {
        self.with(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT * FROM seats WHERE tenant = ?1 ORDER BY resource, holder")
                .map_err(sqlite(READING))?;
            statement.query_map([tenant], seat).and_then(Iterator::collect).map_err(sqlite(READING))
        })
    }

    /// The seat that a token opens.
    pub(crate) fn seat_of_token(&self, token: &[u8]) -> Result<Option<TokenRow>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached(
                    "SELECT t.name, s.resource, s.holder, s.token FROM seats s \
                     JOIN tenants t ON t.id = s.tenant WHERE s.token = ?1",
                )
                .and_then(|mut statement| {
                    statement
                        .query_row([token], |row| {
                            Ok(TokenRow {
                                tenant: row.get(0)?,
                                resource: ResourceId(row.get(1)?),
                                holder: row.get(2)?,
                                token: row.get(3)?,
                            })
                        })
                        .optional()
                })
                .map_err(sqlite(READING))
        })
    }
}
