//! Units on top of a plan's, given manually.

use super::Engine;
use super::administer::{check_amount, grantable_resource};
use super::once::Operation;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::Source;
use crate::rules::settle::add_grant;

/// How far a grant's priority may be from that of the plan's units, which is 0.
const PRIORITY_MAX: i64 = 1_000;

/// An amount of a resource that a tenant is to get on top of its plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NewGrant {
    /// Where it comes from; not the plan.
    pub source: Source,
    /// How many units, at least 1.
    pub units: u64,
    /// Lower numbers are used first, then what expires earlier, then what is older. `None`: 10;
    /// the plan's units have 0, so that what was bought lasts. From -1,000 to 1,000.
    pub priority: Option<i64>,
    /// When it begins to count; `None`: now.
    pub starts_at: Option<Timestamp>,
    /// When it ceases to count; `None`: when it is used up.
    pub expires_at: Option<Timestamp>,
}

impl NewGrant {
    /// So many units, from now until they are used up, after the plan's.
    #[must_use]
    pub const fn new(source: Source, units: u64) -> NewGrant {
        NewGrant { source, units, priority: None, starts_at: None, expires_at: None }
    }
}

impl Engine {
    /// Gives a tenant units on top of its plan's: used after them, surviving renewal, until
    /// `expires_at`. With `key`, at most once per key. Waits for the disk.
    pub fn grant(
        &self,
        tenant: &str,
        resource: &str,
        source: Source,
        units: u64,
        expires_at: Option<Timestamp>,
        key: Option<&str>,
    ) -> Result<(), Error> {
        let new = NewGrant { expires_at, ..NewGrant::new(source, units) };
        self.grant_as(tenant, resource, &new, key)
    }

    /// As [`grant`](Self::grant), saying also when it begins to count and in which order it is
    /// used. Waits for the disk.
    pub fn grant_as(
        &self,
        tenant: &str,
        resource: &str,
        new: &NewGrant,
        key: Option<&str>,
    ) -> Result<(), Error> {
        check(new)?;
        let operation = Operation::new("grant", key, &(resource, new));
        self.change_once(tenant, &operation, |tx| {
            let name = resource;
            let resource = grantable_resource(tx.compiled, name)?;
            let starts_at = new.starts_at.unwrap_or(tx.now).max(tx.now);
            if new.expires_at.is_some_and(|at| at <= starts_at) {
                let why = "it is not later than now and the start of the grant".to_owned();
                return Err(Error::InvalidArgument { what: "expires_at", why });
            }
            let NewGrant { source, units, expires_at, .. } = *new;
            let account = &mut tx.loaded.account;
            add_grant(account, resource, source, units, starts_at, expires_at);
            if let Some((grant, priority)) = account.grants.last_mut().zip(new.priority) {
                grant.priority = priority;
            }
            let detail = format!("{} {units} of {name}", source.code());
            Ok(tx.write.audit(Some(tx.loaded.row), tx.now, "grant", &detail)?)
        })
    }
}

fn check(new: &NewGrant) -> Result<(), Error> {
    check_amount(new.units)?;
    if new.source == Source::Plan {
        let why =
            "it is plan; the units of a plan come with it, and set_limit changes them (expected \
                   extra, package or manual)"
                .to_owned();
        return Err(Error::InvalidArgument { what: "source", why });
    }
    match new.priority {
        Some(priority) if priority.unsigned_abs() > PRIORITY_MAX.unsigned_abs() => {
            let why = format!("{priority} is not between -{PRIORITY_MAX} and {PRIORITY_MAX}");
            Err(Error::InvalidArgument { what: "priority", why })
        }
        _ => Ok(()),
    }
}
