//! The conservation audit of the database (docs/invariants.md, I5), in SQL.

use super::{Store, sqlite};
use crate::error::StoreError;

/// Something in the ledger that does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditFinding {
    pub(crate) tenant: String,
    pub(crate) what: String,
}

/// Each query gives rows of tenant and complaint; a sound database gives none.
const CHECKS: [&str; 5] = [
    // granted + returned = consumed + remaining + expired + revoked, with nothing below zero
    "SELECT tenant, 'grant ' || id || ': granted ' || granted || ' + returned ' || returned || \
     ' is less than remaining ' || remaining || ' + expired ' || expired || ' + revoked ' || \
     revoked FROM grants WHERE granted + returned - remaining - expired - revoked < 0 \
     OR remaining < 0 OR expired < 0 OR revoked < 0 OR returned < 0 \
     OR at_period_start < remaining",
    // what all periods took from a grant is what was consumed of it and what was given back
    "SELECT g.tenant, 'grant ' || g.id || ': consumed ' || (granted + returned - remaining - \
     expired - revoked) || ' is not the sum over periods ' || (at_period_start - remaining + \
     coalesce((SELECT sum(consumed) FROM period_grants p WHERE p.tenant = g.tenant AND \
     p.grant_id = g.id), 0)) FROM grants g WHERE granted + returned - remaining - expired - \
     revoked != at_period_start - remaining + coalesce((SELECT sum(consumed) FROM period_grants \
     p WHERE p.tenant = g.tenant AND p.grant_id = g.id), 0)",
    // for every open period: what the grants gave and what goes beyond them is what was used
    "SELECT tenant, 'resource ' || resource || ': used ' || used || ' is not what the grants \
     gave, ' || given || ', and ' || beyond || ' beyond' FROM (SELECT tenant, resource, used, \
     beyond, coalesce((SELECT sum(at_period_start - remaining) FROM grants g WHERE g.tenant = \
     u.tenant AND g.resource = u.resource AND g.ended = 0), 0) AS given FROM usage u) \
     WHERE used != given + beyond",
    // for every closed period the same
    "SELECT tenant, 'period ' || period || ', resource ' || resource || ': used ' || used || \
     ' is not what the grants gave, ' || given || ', and ' || beyond || ' beyond' FROM (SELECT \
     tenant, period, resource, used, beyond, coalesce((SELECT sum(consumed) FROM period_grants g \
     WHERE g.tenant = u.tenant AND g.period = u.period AND g.resource = u.resource), 0) AS given \
     FROM period_usage u) WHERE used != given + beyond",
    // history records every unit once
    "SELECT h.tenant, 'resource ' || h.resource || ': history has ' || h.units || ' units, \
     periods have ' || coalesce(p.units, 0) FROM (SELECT tenant, resource, sum(CASE metric WHEN \
     0 THEN count WHEN 64 THEN -count ELSE 0 END) AS units FROM history GROUP BY tenant, \
     resource) h LEFT JOIN (SELECT tenant, resource, sum(used) AS units FROM (SELECT tenant, \
     resource, used FROM usage UNION ALL SELECT tenant, resource, used FROM period_usage UNION \
     ALL SELECT tenant, resource, used FROM months) GROUP BY tenant, resource) p ON p.tenant = \
     h.tenant AND p.resource = h.resource WHERE h.units != coalesce(p.units, 0)",
];

impl Store {
    /// Checks that the ledger adds up.
    pub(crate) fn audit(&self) -> Result<Vec<AuditFinding>, StoreError> {
        let doing = "auditing the database";
        self.aside(|connection| {
            let integrity: String = connection
                .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
                .map_err(sqlite(doing))?;
            let mut findings = Vec::new();
            if integrity != "ok" {
                findings.push(AuditFinding { tenant: String::new(), what: integrity });
            }
            for check in CHECKS {
                let sql = format!(
                    "SELECT t.name, c.what FROM (SELECT 0 AS tenant, '' AS what WHERE 0 UNION \
                     ALL {check}) c JOIN tenants t ON t.id = c.tenant LIMIT 1000"
                );
                let mut statement = connection.prepare(&sql).map_err(sqlite(doing))?;
                let rows = statement
                    .query_map([], |row| {
                        Ok(AuditFinding { tenant: row.get(0)?, what: row.get(1)? })
                    })
                    .map_err(sqlite(doing))?;
                for row in rows {
                    findings.push(row.map_err(sqlite(doing))?);
                }
            }
            Ok(findings)
        })
    }
}
