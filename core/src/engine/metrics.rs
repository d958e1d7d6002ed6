//! Figures for monitoring: of the whole database, and of this process.

use std::sync::atomic::Ordering;

use super::view::Metric;
use super::{Engine, Shared};
use crate::error::Error;
use crate::live::layout::header;
use crate::live::lock;
use crate::rules::Reason;
use crate::store::{PERIODS, TotalRow};

/// Figures for monitoring. Those of the whole database go by what checkpoints have written, those
/// of the live file and of the process are of this moment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Metrics {
    /// Tenants.
    pub tenants: u64,
    /// Units used, by resource, as long as the database has existed.
    pub used: Vec<ResourceTotal>,
    /// Units given back in the period in which they were used.
    pub returned: Vec<ResourceTotal>,
    /// Decisions denied, by reason and resource.
    pub denied: Vec<DenialTotal>,
    /// Decisions that a shadow limit would have denied.
    pub shadowed: Vec<DenialTotal>,
    /// Periods that were settled: renewals, and ends.
    pub settled_periods: u64,
    /// Bytes of the live file.
    pub live_file_bytes: u64,
    /// Bytes of it that are in use.
    pub live_file_used_bytes: u64,
    /// What this process has done since it opened the database.
    pub process: ProcessMetrics,
}

/// Units of a resource.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ResourceTotal {
    /// The resource.
    pub resource: String,
    /// How many.
    pub units: u64,
}

/// Denials for a reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DenialTotal {
    /// The reason.
    #[serde(serialize_with = "code")]
    pub reason: Reason,
    /// The resource; empty where none was the reason.
    pub resource: String,
    /// How many decisions.
    pub decisions: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // What serde hands over.
fn code<S: serde::Serializer>(reason: &Reason, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.code())
}

/// What a process has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ProcessMetrics {
    /// How often it waited for a lock of the live file that another thread held.
    pub lock_waits: u64,
    /// For how long in all, in microseconds.
    pub lock_wait_us: u64,
    /// Rows that its checkpoints wrote.
    pub checkpoint_rows: u64,
}

impl Engine {
    /// Figures for monitoring. It names no tenant. Reads SQLite, a few rows whatever the number of
    /// tenants.
    pub fn metrics(&self) -> Result<Metrics, Error> {
        let shared = &self.shared;
        let totals = shared.store.totals()?;
        let memory = &shared.live.memory;
        Ok(Metrics {
            tenants: memory.get(header::RECORD_COUNT),
            used: shared.resource_totals(&totals, |it| *it == Metric::Used)?,
            returned: shared.resource_totals(&totals, |it| *it == Metric::Returned)?,
            denied: shared.denial_totals(&totals, |it| match it {
                Metric::Denied(reason) => Some(reason),
                _ => None,
            })?,
            shadowed: shared.denial_totals(&totals, |it| match it {
                Metric::Shadowed(reason) => Some(reason),
                _ => None,
            })?,
            settled_periods: totals
                .iter()
                .filter(|it| it.metric == PERIODS)
                .map(|it| it.count)
                .sum(),
            live_file_bytes: memory.get(header::FILE_LEN),
            live_file_used_bytes: memory.get(header::NEXT_FREE),
            process: shared.process_metrics(),
        })
    }
}

impl Shared {
    fn process_metrics(&self) -> ProcessMetrics {
        let (lock_waits, lock_wait_us) = lock::waits();
        ProcessMetrics {
            lock_waits,
            lock_wait_us,
            checkpoint_rows: self.maintenance_thread.rows_written.load(Ordering::Relaxed),
        }
    }

    fn resource_totals(
        &self,
        totals: &[TotalRow],
        is_meant: impl Fn(&Metric) -> bool,
    ) -> Result<Vec<ResourceTotal>, Error> {
        let compiled = self.compiled()?;
        let meant = totals.iter().filter(|it| it.metric != PERIODS);
        let meant = meant.filter(|it| is_meant(&Metric::from_number(it.metric)));
        let total = |it: &TotalRow| ResourceTotal {
            resource: compiled.resource_name(it.resource).unwrap_or_default().to_owned(),
            units: it.count,
        };
        Ok(meant.map(total).collect())
    }

    fn denial_totals(
        &self,
        totals: &[TotalRow],
        reason: impl Fn(Metric) -> Option<Reason>,
    ) -> Result<Vec<DenialTotal>, Error> {
        let compiled = self.compiled()?;
        let total = |it: &TotalRow| {
            let reason = reason(Metric::from_number(it.metric))?;
            let resource = compiled.resource_name(it.resource).unwrap_or_default().to_owned();
            Some(DenialTotal { reason, resource, decisions: it.count })
        };
        Ok(totals.iter().filter_map(total).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{DAY_MS, ManualClock, Timestamp};
    use crate::engine::NewTenant;

    const CATALOG: &str = r#"
        [catalog]
        currency = "BRL"
        time_zone = "America/Sao_Paulo"
        [resources.sms]
        kind = "allowance"
        [plans.small]
        title = "Small"
        price = "1.00"
        limits = { sms = 5 }
    "#;

    #[test]
    fn figures_are_of_all_tenants_and_stay_when_one_is_deleted() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_ms(1_780_000_000_000)));
        let engine = Engine::in_memory().clock(clock.clone()).open().unwrap();
        engine.load_catalog(&crate::Catalog::parse(CATALOG, "c.toml").unwrap()).unwrap();
        let due = chrono::NaiveDate::from_ymd_opt(2026, 6, 10).unwrap();
        for name in ["acme", "beta"] {
            engine.create_tenant(&NewTenant::new(name).plan("small", due, true)).unwrap();
            assert!(engine.consume(name, "sms", 4).unwrap().allowed());
            assert!(!engine.consume(name, "sms", 2).unwrap().allowed());
        }
        let before = engine.metrics().unwrap();
        engine.checkpoint().unwrap();
        let metrics = engine.metrics().unwrap();
        let sms = "sms".to_owned();
        assert_eq!(metrics.used, [ResourceTotal { resource: sms.clone(), units: 8 }]);
        let reason = Reason::QuotaExhausted;
        let denied = [DenialTotal { reason, resource: sms, decisions: 2 }];
        assert_eq!((metrics.denied.as_slice(), metrics.tenants), (&denied[..], 2));
        assert!(metrics.process.checkpoint_rows > before.process.checkpoint_rows);
        assert!(metrics.live_file_used_bytes <= metrics.live_file_bytes);
        clock.advance_ms(40 * DAY_MS);
        engine.settle("acme").unwrap();
        assert_eq!(engine.metrics().unwrap().settled_periods, 1);
        engine.set_status("beta", crate::Status::Cancelled, "left", true).unwrap();
        engine.erase("beta", true).unwrap();
        let after = engine.metrics().unwrap();
        assert_eq!((after.used, after.denied), (metrics.used, metrics.denied));
        assert_eq!(engine.verify().unwrap(), []);
    }
}
