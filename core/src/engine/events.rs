//! The outbox: what happened to tenants, until it is acknowledged.

use super::Engine;
use crate::catalog::Compiled;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::{EventKind, TenantEvent};
use crate::store::{EventRow, Sync, Write};

/// Events that one call gives at most.
const EVENTS_MAX: u32 = 10_000;

/// Something that happened to a tenant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Event {
    /// Its number: rising, never given twice, with gaps.
    pub sequence: u64,
    /// The tenant.
    pub tenant: String,
    /// When it happened.
    #[serde(serialize_with = "crate::json::text")]
    pub at: Timestamp,
    /// The resource that it is about, if it is about one.
    pub resource: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Event {
    pub(super) fn new(row: EventRow, compiled: &Compiled) -> Event {
        let EventRow { sequence, tenant, event: TenantEvent { at, resource, kind } } = row;
        let resource = resource.and_then(|it| compiled.resource_name(it)).map(str::to_owned);
        Event { sequence, tenant, at, resource, kind }
    }
}

impl Engine {
    /// Events after the one with the number `after` (0: from the first), at most `max`, oldest
    /// first. They stay until they are acknowledged. Writes what is not in SQLite yet, then reads
    /// it there: waits for the disk.
    pub fn events(&self, after: u64, max: u32) -> Result<Vec<Event>, Error> {
        if max == 0 || max > EVENTS_MAX {
            let why = format!("{max} is not between 1 and {EVENTS_MAX}");
            return Err(Error::InvalidArgument { what: "max", why });
        }
        self.shared.checkpoint()?;
        let compiled = self.shared.compiled()?;
        let rows = self.shared.store.events(after, max)?;
        Ok(rows.into_iter().map(|row| Event::new(row, compiled)).collect())
    }

    /// Forgets all events up to and including the one with this number; says how many. Webhooks
    /// get them all the same. Waits for the disk.
    pub fn acknowledge_events(&self, up_to: u64) -> Result<usize, Error> {
        let now = self.now();
        let _writer_lock = self.shared.lock_writer()?;
        self.shared.store.with(|connection| {
            let mut write = Write::begin(connection, &self.shared.live, Sync::Full)?;
            write.add_deliveries(now)?;
            let forgotten = write.acknowledge(up_to)?;
            write.commit()?;
            Ok(forgotten)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::Status;

    #[test]
    fn a_document_names_a_kind_of_event_as_its_code() {
        let kinds = [
            EventKind::Threshold { percent: 80, used: 8, limit: 10 },
            EventKind::Exhausted { used: 10, limit: 10 },
            EventKind::Renewed { period: 2 },
            EventKind::Lapsed,
            EventKind::StatusChanged { from: Status::Active, to: Status::PastDue },
            EventKind::PlanChanged { plan: "full".to_owned() },
            EventKind::GrantExpired { grant: 1, units: 3 },
            EventKind::LeaseExpired { fencing: 7 },
        ];
        for kind in kinds {
            assert_eq!(json!(kind)["kind"], kind.code());
        }
        let event = Event {
            sequence: 4,
            tenant: "acme".to_owned(),
            at: Timestamp::from_ms(0),
            resource: Some("sms".to_owned()),
            kind: EventKind::Exhausted { used: 10, limit: 10 },
        };
        let document = json!({
            "sequence": 4,
            "tenant": "acme",
            "at": "1970-01-01T00:00:00Z",
            "resource": "sms",
            "kind": "exhausted",
            "details": { "used": 10, "limit": 10 },
        });
        assert_eq!(json!(event), document);
    }
}
