//! Tenants by what is looked for, and refusals of all of them.

use std::ops::Range;

use rusqlite::{Connection, params};

use super::read::{HistoryRow, rows};
use super::{Store, sqlite};
use crate::error::StoreError;
use crate::live::history::{HistoryKey, RETURNED};
use crate::rules::ResourceId;

const DOING: &str = "looking for tenants";

/// What is left of a resource's grants.
const REMAINING: &str = "(SELECT coalesce(sum(g.remaining), 0) FROM grants g \
     WHERE g.tenant = u.tenant AND g.resource = u.resource AND g.ended = 0)";
/// A resource of the tenant that is used up from grants.
const GRANTED: &str = "(SELECT n.resource_kind IN ('allowance', 'session') FROM names n \
     WHERE n.kind = 'resource' AND n.number = u.resource)";
/// The limit of a resource, where it is finite.
const LIMIT: &str = "(t.limits ->> ('$.\"' || u.resource || '\".finite'))";

/// The seats that the tenant's holders have, by the resource that they were taken of.
const SEATS: &str = "(SELECT h.tenant, h.resource, count(*) AS used FROM seats h \
     WHERE h.tenant = t.id GROUP BY h.resource) u";

/// A tenant in a list, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundRow {
    pub(crate) name: String,
    pub(crate) status: String,
    /// Empty where the account holder is not known.
    pub(crate) trade_name: String,
    /// What people call its plan.
    pub(crate) plan: Option<String>,
}

/// Which tenants are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All.
    Any,
    /// Those with a status.
    Status(&'static str),
    /// Those that have used nine tenths of something.
    NearlyUsedUp,
    /// Those that use more of something than is contracted.
    OverLimit,
}

impl Wanted {
    fn condition(self) -> String {
        match self {
            Wanted::Any => "TRUE".to_owned(),
            Wanted::Status(_) => "t.status = ?4".to_owned(),
            Wanted::NearlyUsedUp => format!(
                "(EXISTS (SELECT 1 FROM usage u WHERE u.tenant = t.id AND u.used > 0 \
                 AND {LIMIT} IS NOT NULL AND iif({GRANTED}, {REMAINING} * 9 <= u.used, \
                 ({LIMIT} + {REMAINING}) * 9 <= u.used * 10)) \
                 OR EXISTS (SELECT 1 FROM {SEATS} WHERE {LIMIT} IS NOT NULL \
                 AND ({LIMIT} + {REMAINING}) * 9 <= u.used * 10))"
            ),
            Wanted::OverLimit => format!(
                "(EXISTS (SELECT 1 FROM usage u WHERE u.tenant = t.id AND u.used > 0 \
                 AND {LIMIT} IS NOT NULL AND iif({GRANTED}, u.beyond > {REMAINING}, \
                 u.used > {LIMIT} + {REMAINING})) \
                 OR EXISTS (SELECT 1 FROM {SEATS} WHERE {LIMIT} IS NOT NULL \
                 AND u.used > {LIMIT} + {REMAINING}))"
            ),
        }
    }

    fn status(self) -> Option<&'static str> {
        if let Wanted::Status(status) = self { Some(status) } else { None }
    }
}

impl Store {
    /// Tenants after `after` in the order of their names, at most `most`, as of the last
    /// checkpoint. `text` is in lower case: a part of the name or of the holder's names.
    pub(crate) fn find_tenants(
        &self,
        text: &str,
        wanted: Wanted,
        after: &str,
        most: u32,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let search = if text.is_empty() {
            "?2 = ''"
        } else {
            "(instr(lower(t.name), ?2) OR instr(lower(p.trade_name), ?2) \
              OR instr(lower(p.legal_name), ?2))"
        };
        let condition = wanted.condition();
        let sql = format!(
            "SELECT t.name, t.status, coalesce(p.trade_name, ''), s.terms ->> 'title' \
             FROM tenants t LEFT JOIN profiles p ON p.tenant = t.id \
             LEFT JOIN subscriptions s ON s.id = t.subscription \
             WHERE t.name > ?1 AND {search} AND ?4 IS ?4 AND {condition} \
             ORDER BY t.name LIMIT ?3"
        );
        let find = |connection: &mut Connection| {
            let given = params![after, text, most, wanted.status()];
            rows(connection, &sql, given, |row| {
                Ok(FoundRow {
                    name: row.get(0)?,
                    status: row.get(1)?,
                    trade_name: row.get(2)?,
                    plan: row.get(3)?,
                })
            })
        };
        // A search reads many rows: no writer is to wait for it.
        let is_short = text.is_empty() && matches!(wanted, Wanted::Any | Wanted::Status(_));
        if is_short { self.with(find) } else { self.aside(find) }
    }

    /// How many tenants have each status.
    pub(crate) fn count_tenants(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT status, count(*) FROM tenants GROUP BY status";
        self.with(|connection| rows(connection, sql, &[], |row| Ok((row.get(0)?, row.get(1)?))))
    }

    /// How many tenants are on each plan, by the plan's name.
    pub(crate) fn tenants_on_plans(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT s.plan, count(*) FROM tenants t JOIN subscriptions s \
                   ON s.id = t.subscription GROUP BY s.plan ORDER BY s.plan";
        self.aside(|connection| rows(connection, sql, &[], |row| Ok((row.get(0)?, row.get(1)?))))
    }

    /// What was denied to all tenants between two hours, the second not included.
    pub(crate) fn refusals(&self, hours: Range<u32>) -> Result<Vec<HistoryRow>, StoreError> {
        let sql = format!(
            "SELECT hour, resource, metric, sum(count) FROM history \
             WHERE metric BETWEEN 1 AND {} AND hour >= ?1 AND hour < ?2 \
             GROUP BY hour, resource, metric",
            RETURNED - 1
        );
        self.aside(|connection| {
            let mut statement = connection.prepare(&sql).map_err(sqlite(DOING))?;
            let read = |row: &rusqlite::Row<'_>| {
                let key = HistoryKey {
                    hour: row.get(0)?,
                    resource: ResourceId(row.get(1)?),
                    metric: row.get(2)?,
                };
                Ok(HistoryRow { key, count: row.get(3)? })
            };
            let found = statement.query_map(params![hours.start, hours.end], read);
            found.and_then(Iterator::collect).map_err(sqlite(DOING))
        })
    }
}
