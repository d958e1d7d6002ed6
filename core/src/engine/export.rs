//! What is stored of a tenant, for the tenant to take along (LGPD): one JSON document a line.

use serde::Serialize;
use serde_json::{Value, json};

use super::Engine;
use crate::catalog::Kind;
use crate::error::Error;
use crate::report::Interval;

/// Events and entries of the audit trail that are read at once.
const AT_ONCE: u32 = 10_000;

impl Engine {
    /// Everything that is stored of a tenant: one JSON document a line, each with `kind` and `data`
    /// (`tenant`, `account_holder`, `subscription`, `invoice`, `period`, `seat`, `usage`, `event`,
    /// `audit`). Contacts are not among it: only their keyed hashes are stored. Writes a checkpoint
    /// first; waits for the disk.
    pub fn export(&self, tenant: &str) -> Result<String, Error> {
        self.checkpoint()?;
        let mut lines = Lines(String::new());
        lines.add("tenant", &self.report(tenant)?)?;
        if let Some(account_holder) = self.account_holder(tenant)? {
            lines.add("account_holder", &account_holder)?;
        }
        self.subscriptions(tenant)?.iter().try_for_each(|it| lines.add("subscription", it))?;
        self.invoices(tenant)?.iter().try_for_each(|it| lines.add("invoice", it))?;
        self.periods(tenant)?.iter().try_for_each(|it| lines.add("period", it))?;
        let of_tenant = self.tenant(tenant)?;
        for (name, resource) in &self.catalog()?.1.resources {
            if resource.kind != Kind::Seat {
                continue;
            }
            for seat in of_tenant.seats(name)?.list()? {
                lines.add("seat", &json!({ "resource": name, "seat": seat }))?;
            }
        }
        let usage = self.usage_by(tenant, Interval::Day, None, None)?;
        lines.add("usage", &usage.to_json())?;
        let mut after = 0;
        loop {
            let events = self.events(after, AT_ONCE)?;
            let Some(last) = events.last() else { break };
            after = last.sequence;
            let own = events.iter().filter(|it| it.tenant == tenant);
            own.into_iter().try_for_each(|it| lines.add("event", it))?;
        }
        let trail = self.audit_trail(Some(tenant), AT_ONCE)?;
        trail.iter().rev().try_for_each(|it| lines.add("audit", it))?;
        Ok(lines.0)
    }
}

/// JSON documents, one a line.
struct Lines(String);

impl Lines {
    fn add(&mut self, kind: &str, data: &impl Serialize) -> Result<(), Error> {
        let unwritten = |error: serde_json::Error| Error::InvalidArgument {
            what: "export",
            why: error.to_string(),
        };
        let data: Value = serde_json::to_value(data).map_err(unwritten)?;
        self.0 += &json!({ "kind": kind, "data": data }).to_string();
        self.0.push('\n');
        Ok(())
    }
}
