//! The conservation audit of the database (I5), in SQL.

use super::{Store, sqlite};
use crate::error::StoreError;

/// Something in the books that does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) tenant: String,
    pub(crate) what: String,
}

/// Each query gives rows of tenant and complaint; a sound database gives none.
const CHECKS: [&str; 5] = [
    // granted = consumed + remaining + expired + revoked, with nothing below zero
    "SELECT tenant, 'grant ' || id || ': granted ' || granted || ' is less than remaining ' || \
     remaining || ' + expired ' || expired || ' + revoked ' || revoked \
     FROM grants WHERE granted - remaining - expired - revoked < 0 \
     OR remaining < 0 OR expired < 0 OR revoked < 0 OR at_period_start < remaining",
    // what all periods took from a grant is what was consumed of it
    "SELECT g.tenant, 'grant ' || g.id || ': consumed ' || (granted - remaining - expired - \
     revoked) || ' is not the sum over periods ' || (at_period_start - remaining + \
     coalesce((SELECT sum(consumed) FROM period_grants p WHERE p.tenant = g.tenant AND \
     p.grant_id = g.id), 0)) FROM grants g WHERE granted - remaining - expired - revoked != \
     at_period_start - remaining + coalesce((SELECT sum(consumed) FROM period_grants p \
     WHERE p.tenant = g.tenant AND p.grant_id = g.id), 0)",
    // for every open period: the sum over grants of what was consumed in it = used
    "SELECT u.tenant, 'resource ' || u.resource || ': used ' || u.used || ' is not what the \
     grants gave, ' || coalesce((SELECT sum(at_period_start - remaining) FROM grants g WHERE \
     g.tenant = u.tenant AND g.resource = u.resource AND g.ended = 0), 0) FROM usage u \
     JOIN tenants t ON t.id = u.tenant WHERE json_extract(t.limits, '$.\"' || u.resource || \
     '\"') IS NOT 'unlimited' AND u.used != coalesce((SELECT sum(at_period_start - \
     remaining) FROM grants g WHERE g.tenant = u.tenant AND g.resource = u.resource AND \
     g.ended = 0), 0)",
    // for every closed period the same; an unlimited resource has usage and no grants
    "SELECT u.tenant, 'period ' || u.period || ', resource ' || u.resource || ': used ' || \
     u.used || ' is not what the grants gave, ' || c.consumed FROM period_usage u JOIN (SELECT \
     tenant, period, resource, sum(consumed) AS consumed FROM period_grants GROUP BY tenant, \
     period, resource) c ON c.tenant = u.tenant AND c.period = u.period AND c.resource = \
     u.resource WHERE u.used < c.consumed",
    // history books every unit once
    "SELECT t.id, 'resource ' || h.resource || ': history has ' || h.units || ' units, periods \
     have ' || p.units FROM tenants t JOIN (SELECT tenant, resource, sum(count) AS units FROM \
     history WHERE metric = 0 GROUP BY tenant, resource) h ON h.tenant = t.id JOIN (SELECT \
     tenant, resource, sum(used) AS units FROM (SELECT tenant, resource, used FROM usage UNION \
     ALL SELECT tenant, resource, used FROM period_usage) GROUP BY tenant, resource) p ON \
     p.tenant = t.id AND p.resource = h.resource WHERE h.units != p.units",
];

impl Store {
    /// Looks whether the books add up.
    pub(crate) fn audit(&self) -> Result<Vec<Finding>, StoreError> {
        let doing = "auditing the database";
        self.aside(|connection| {
            let integrity: String = connection
                .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
                .map_err(sqlite(doing))?;
            let mut findings = Vec::new();
            if integrity != "ok" {
                findings.push(Finding { tenant: String::new(), what: integrity });
            }
            for check in CHECKS {
                let sql = format!(
                    "SELECT t.name, c.what FROM (SELECT 0 AS tenant, '' AS what WHERE 0 UNION \
                     ALL {check}) c JOIN tenants t ON t.id = c.tenant LIMIT 1000"
                );
                let mut statement = connection.prepare(&sql).map_err(sqlite(doing))?;
                let rows = statement
                    .query_map([], |row| Ok(Finding { tenant: row.get(0)?, what: row.get(1)? }))
                    .map_err(sqlite(doing))?;
                for row in rows {
                    findings.push(row.map_err(sqlite(doing))?);
                }
            }
            Ok(findings)
        })
    }
}
