//! Tenants of a platform by what is looked for, and what was denied to all of them.

use super::view::first_hour;
use super::{Engine, Metric, UsageRow};
use crate::clock::{HOUR_MS, Timestamp};
use crate::error::{Error, StoreError};
use crate::report::{Interval, UsageReport};
use crate::rules::Status;
use crate::store::Wanted;

/// The most tenants that are given at once.
const TENANTS_MAX: u32 = 1_000;
/// Longest text that is looked for, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Which tenants are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantFilter {
    /// Those with a status.
    Status(Status),
    /// Those that have used nine tenths or more of something that is limited.
    NearlyUsedUp,
    /// Those that use more of something than is contracted.
    OverLimit,
}

impl TenantFilter {
    /// Every filter.
    pub const ALL: [TenantFilter; 8] = [
        TenantFilter::NearlyUsedUp,
        TenantFilter::OverLimit,
        TenantFilter::Status(Status::PastDue),
        TenantFilter::Status(Status::Suspended),
        TenantFilter::Status(Status::Active),
        TenantFilter::Status(Status::Demo),
        TenantFilter::Status(Status::Onboarding),
        TenantFilter::Status(Status::Cancelled),
    ];

    /// The filter's name in programs: a status, `nearly_used_up` or `over_limit`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            TenantFilter::Status(status) => status.code(),
            TenantFilter::NearlyUsedUp => "nearly_used_up",
            TenantFilter::OverLimit => "over_limit",
        }
    }

    /// The filter with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: &str) -> Option<TenantFilter> {
        Self::ALL.into_iter().find(|it| it.code() == code)
    }

    const fn wanted(self) -> Wanted {
        match self {
            TenantFilter::Status(status) => Wanted::Status(status.code()),
            TenantFilter::NearlyUsedUp => Wanted::NearlyUsedUp,
            TenantFilter::OverLimit => Wanted::OverLimit,
        }
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct TenantSearch<'a> {
    /// A part of the tenant's name, or of its account holder's; capital ASCII letters are the same
    /// as small ones. Empty: any.
    pub text: &'a str,
    /// Which of them; `None`: all.
    pub filter: Option<TenantFilter>,
    /// Only those after this name, in the order of their names: the last of the page before.
    pub after: &'a str,
}

/// A tenant in a list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TenantLine {
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// Its account holder's trade name; empty where that is not known.
    pub trade_name: String,
    /// What people call its plan; `None`: it has none.
    pub plan: Option<String>,
}

impl Engine {
    /// Tenants by name, from 1 to 1,000 of them, as of the last checkpoint: what decides is in the
    /// live file, and a report of the tenant shows it. Reads SQLite; it costs the same with any
    /// number of tenants where nothing but a status is looked for.
    pub fn find_tenants(
        &self,
        search: &TenantSearch<'_>,
        most: u32,
    ) -> Result<Vec<TenantLine>, Error> {
        if !(1..=TENANTS_MAX).contains(&most) {
            let why = format!("{most} is not between 1 and {TENANTS_MAX}");
            return Err(Error::InvalidArgument { what: "most", why });
        }
        if search.text.len() > TEXT_BYTES_MAX {
            let why = format!("it is too long; {TEXT_BYTES_MAX} bytes at most are allowed");
            return Err(Error::InvalidArgument { what: "text", why });
        }
        let wanted = search.filter.map_or(Wanted::Any, TenantFilter::wanted);
        let text = search.text.trim().to_ascii_lowercase();
        let rows = self.shared.store.find_tenants(&text, wanted, search.after, most)?;
        let line = |row: crate::store::FoundRow| {
            let status = status_of(&row.status)?;
            let (name, trade_name, plan) = (row.name, row.trade_name, row.plan);
            Ok(TenantLine { name, status, trade_name, plan })
        };
        rows.into_iter().map(line).collect()
    }

    /// How many tenants have each status; statuses that none has are left out. Reads SQLite.
    pub fn count_tenants(&self) -> Result<Vec<(Status, u64)>, Error> {
        let rows = self.shared.store.count_tenants()?;
        rows.into_iter().map(|(code, count)| Ok((status_of(&code)?, count))).collect()
    }

    /// How many tenants are on each plan, by the plan's name. Reads SQLite.
    pub fn tenants_on_plans(&self) -> Result<Vec<(String, u64)>, Error> {
        Ok(self.shared.store.tenants_on_plans()?)
    }

    /// What was denied to all tenants, by hour, day or month of the catalog's zone: in the hours
    /// that begin from `from` on and before `to`. Writes what is not recorded yet to SQLite, then
    /// reads it there: waits for the disk.
    pub fn refusals(
        &self,
        interval: Interval,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<UsageReport, Error> {
        let hours = from.map_or(0, first_hour)..to.map_or(u32::MAX, first_hour);
        self.shared.checkpoint()?;
        let compiled = self.shared.compiled()?;
        let rows = self.shared.store.refusals(hours)?;
        let view = |row: crate::store::HistoryRow| UsageRow {
            hour: Timestamp::from_ms(i64::from(row.key.hour) * HOUR_MS),
            resource: compiled.resource_name(row.key.resource).unwrap_or_default().to_owned(),
            metric: Metric::from_number(row.key.metric),
            count: row.count,
        };
        let zone = compiled.catalog.time_zone;
        Ok(UsageReport::new(rows.into_iter().map(view), interval, zone))
    }
}

fn status_of(code: &str) -> Result<Status, Error> {
    let corrupt = || StoreError::Corrupt { what: "status", value: code.to_owned() };
    Ok(Status::from_code(code).ok_or_else(corrupt)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::engine::{Details, NewTenant};
    use crate::rules::Reason;
    use crate::{Catalog, Terms};

    const CATALOG: &str = r#"
        [catalog]
        currency = "BRL"
        [resources.credits]
        kind = "allowance"
        [resources.users]
        kind = "seat"
        [plans.small]
        title = "Small"
        price = "9.90"
        limits = { credits = 10, users = 2 }
        [plans.tiny]
        title = "Tiny"
        price = "1.00"
        limits = { credits = 10, users = 1 }
        [actions.spend]
        gate = "consume"
        charge = { credits = "quantity" }
    "#;

    fn engine() -> Engine {
        let clock = Arc::new(ManualClock::new(Timestamp::from_ms(1_780_000_000_000)));
        let engine = Engine::in_memory().clock(clock).open().unwrap();
        engine.load_catalog(&Catalog::parse(CATALOG, "catalog.toml").unwrap()).unwrap();
        let due = engine.now().to_utc().date_naive();
        for name in ["acme", "bakery", "cafe"] {
            engine.create_tenant(&NewTenant::new(name).plan("small", due, true)).unwrap();
        }
        engine
    }

    fn spend(engine: &Engine, tenant: &str, quantity: u64) -> bool {
        let details = Details { quantity: Some(quantity), ..Details::default() };
        engine.tenant(tenant).unwrap().perform("spend", &details).unwrap().allowed()
    }

    fn found(engine: &Engine, search: &TenantSearch<'_>) -> Vec<String> {
        engine.checkpoint().unwrap();
        engine.find_tenants(search, 50).unwrap().into_iter().map(|it| it.name).collect()
    }

    fn of(filter: TenantFilter) -> TenantSearch<'static> {
        TenantSearch { filter: Some(filter), ..TenantSearch::default() }
    }

    #[test]
    fn tenants_are_found_by_name_page_after_page() {
        let engine = engine();
        let any = TenantSearch::default();
        assert_eq!(found(&engine, &any), ["acme", "bakery", "cafe"]);
        assert_eq!(found(&engine, &TenantSearch { text: "KE", ..any }), ["bakery"]);
        assert_eq!(found(&engine, &TenantSearch { after: "acme", ..any }), ["bakery", "cafe"]);
        assert_eq!(found(&engine, &TenantSearch { text: "%", ..any }), [""; 0]);
        let first = engine.find_tenants(&any, 1).unwrap();
        assert_eq!((first.len(), first[0].plan.as_deref()), (1, Some("Small")));
        assert_eq!(engine.find_tenants(&any, 0).unwrap_err().code(), 406);
        let long = "x".repeat(257);
        let long = TenantSearch { text: &long, ..any };
        assert_eq!(engine.find_tenants(&long, 1).unwrap_err().code(), 406);
    }

    #[test]
    fn filters_find_what_they_say() {
        let engine = engine();
        assert_eq!(found(&engine, &of(TenantFilter::NearlyUsedUp)), [""; 0]);
        assert!(spend(&engine, "acme", 8));
        assert!(spend(&engine, "bakery", 9));
        assert_eq!(found(&engine, &of(TenantFilter::NearlyUsedUp)), ["bakery"]);
        let cafe = engine.tenant("cafe").unwrap();
        let seats = cafe.seats("users").unwrap();
        for holder in ["ana", "bia"] {
            assert!(seats.occupy(holder).unwrap().allowed());
        }
        assert_eq!(found(&engine, &of(TenantFilter::NearlyUsedUp)), ["bakery", "cafe"]);
        assert_eq!(found(&engine, &of(TenantFilter::OverLimit)), [""; 0]);
        let first_due = Some(engine.now().to_utc().date_naive());
        let tiny = Terms { plan: "tiny", first_due, anchor_day: None, auto_renew: true };
        engine.change_plan("cafe", &tiny, None).unwrap();
        assert_eq!(found(&engine, &of(TenantFilter::OverLimit)), ["cafe"]);
        engine.set_status("acme", Status::Suspended, "debt", false).unwrap();
        assert_eq!(found(&engine, &of(TenantFilter::Status(Status::Suspended))), ["acme"]);
        let counts = engine.count_tenants().unwrap();
        assert_eq!(counts, [(Status::Active, 2), (Status::Suspended, 1)]);
        let plans = [("small".to_owned(), 2), ("tiny".to_owned(), 1)];
        assert_eq!(engine.tenants_on_plans().unwrap(), plans);
    }

    #[test]
    fn refusals_are_summed_up_over_all_tenants() {
        let engine = engine();
        assert!(!spend(&engine, "acme", 11));
        assert!(!spend(&engine, "bakery", 11));
        assert!(spend(&engine, "bakery", 10));
        let report = engine.refusals(Interval::Hour, None, None).unwrap();
        let counts: Vec<_> = report.buckets.iter().map(|it| (it.metric, it.count)).collect();
        assert_eq!(counts, [(Metric::Denied(Reason::QuotaExhausted), 2)]);
        let later = Some(engine.now().plus_ms(HOUR_MS));
        assert_eq!(engine.refusals(Interval::Hour, later, None).unwrap().buckets, []);
    }
}
