//! The audit trail: what was changed, when, and why.

use std::sync::Arc;

use super::Engine;
use super::subscriptions::check_label;
use crate::clock::Timestamp;
use crate::error::Error;

/// The most entries that are given at once.
const ENTRIES_MAX: u32 = 10_000;

/// An administrative change.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AuditEntry {
    /// Its number, which rises.
    pub id: i64,
    /// When it was made.
    #[serde(serialize_with = "crate::json::text")]
    pub at: Timestamp,
    /// To whom; `None`: to all, as a new catalog is.
    pub tenant: Option<String>,
    /// What was changed.
    pub what: String,
    /// How.
    pub detail: String,
    /// By whom, as [`Engine::acting_as`] named them; `None`: a process of this machine.
    pub actor: Option<String>,
}

impl Engine {
    /// The same engine, whose administrative changes stand in the audit trail as those of `actor`:
    /// a person, a program, `token 7`.
    pub fn acting_as(&self, actor: &str) -> Result<Engine, Error> {
        check_label("actor", actor)?;
        Ok(Engine { actor: Some(Arc::from(actor)), ..self.clone() })
    }

    /// The latest administrative changes, at most `max` (1 to 10,000), the latest first: of one
    /// tenant, or of all. Reads SQLite.
    pub fn audit_trail(&self, tenant: Option<&str>, max: u32) -> Result<Vec<AuditEntry>, Error> {
        if !(1..=ENTRIES_MAX).contains(&max) {
            let why = format!("{max} is not between 1 and {ENTRIES_MAX}");
            return Err(Error::InvalidArgument { what: "max", why });
        }
        let row = tenant.map(|tenant| self.row_of(tenant)).transpose()?;
        let rows = self.shared.store.trail(row, max)?;
        let entry = |row: crate::store::TrailRow| AuditEntry {
            id: row.id,
            at: row.at,
            tenant: row.tenant,
            what: row.what,
            detail: row.detail,
            actor: row.actor,
        };
        Ok(rows.into_iter().map(entry).collect())
    }
}
