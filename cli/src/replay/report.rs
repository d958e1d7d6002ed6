//! What came of a replay.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use cotas::catalog::Kind;
use cotas::{Balance, Engine, Mode, Progress, Timestamp};

use super::player::{Counts, Player};
use crate::failure::Failure;
use crate::traffic::{FaultCounts, Format};

/// Everything that is reported at the end.
pub struct Report {
    /// What came of the traffic, by tenant, since its first line.
    pub tenants: BTreeMap<String, Outcome>,
    /// How the file wrote it.
    pub format: Format,
    /// The times of the first and the last line.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Lines, or parts of them, that could not be decided about.
    pub malformed: FaultCounts,
    /// What this run did.
    pub counts: Counts,
    /// How long this run took.
    pub took: Duration,
}

/// What came of one tenant's traffic.
pub struct Outcome {
    /// Its events, counted.
    pub tally: Tally,
    /// What it has left at the end.
    pub balances: Vec<Balance>,
    /// Those of them that are for sessions.
    pub sessions: Vec<Balance>,
}

/// Events by what came of them.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Opened a session.
    pub opened: u64,
    /// Went on in one.
    pub continued: u64,
    /// Were allowed and have nothing to do with sessions.
    pub others: u64,
    /// Were denied.
    pub refused: u64,
    /// Were denied for want of quota.
    pub refused_quota: u64,
    /// Were denied for the tenant's status.
    pub refused_status: u64,
    /// Were allowed and too old to open a session.
    pub too_old: u64,
    /// How often the plan's units were restored meanwhile.
    pub renewals: u64,
}

impl Report {
    /// All tenants together.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for outcome in self.tenants.values() {
            total += outcome.tally;
        }
        total
    }

    /// All lines, or parts of them, that could not be decided about.
    pub fn malformed(&self) -> u64 {
        self.malformed.values().sum()
    }

    /// Events decided per second, in this run.
    pub fn events_per_second(&self) -> u64 {
        let ms = self.took.as_millis().max(1);
        u64::try_from(u128::from(self.counts.decided) * 1_000 / ms).unwrap_or(u64::MAX)
    }
}

impl Outcome {
    /// What is left for sessions, where that is one number.
    pub fn available(&self) -> Option<u64> {
        match self.sessions.as_slice() {
            [one] if one.mode == Mode::Finite => Some(one.available),
            _ => None,
        }
    }
}

impl Tally {
    fn new(progress: &Progress, renewals: u64) -> Tally {
        Tally {
            opened: progress.opened,
            continued: progress.continued,
            others: progress.others,
            refused: progress.refused,
            refused_quota: progress.refused_quota,
            refused_status: progress.refused_status,
            too_old: progress.too_old,
            renewals,
        }
    }

    /// All events.
    pub fn events(&self) -> u64 {
        self.opened + self.continued + self.others + self.too_old + self.refused
    }

    /// Events denied for any other reason.
    pub fn refused_other(&self) -> u64 {
        self.refused - self.refused_quota - self.refused_status
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Tally) {
        self.opened += more.opened;
        self.continued += more.continued;
        self.others += more.others;
        self.refused += more.refused;
        self.refused_quota += more.refused_quota;
        self.refused_status += more.refused_status;
        self.too_old += more.too_old;
        self.renewals += more.renewals;
    }
}

/// What came of every tenant that `player` came across, over all runs.
pub fn tenants(engine: &Engine, player: &Player<'_>) -> Result<BTreeMap<String, Outcome>, Failure> {
    let (_, catalog) = engine.catalog()?;
    let is_session = |name: &str| {
        catalog.resources.get(name).is_some_and(|it| matches!(it.kind, Kind::Session { .. }))
    };
    let mut outcomes = BTreeMap::new();
    for (name, subject) in &player.tenants {
        let progress = subject.tenant.progress(&subject.source)?.unwrap_or_default();
        let since = player.since().unwrap_or(progress.since);
        let renewals = engine
            .periods(name)?
            .iter()
            .filter(|period| period.renewed && period.end > since)
            .count();
        let balances = engine.report(name)?.balances;
        let sessions = balances.iter().filter(|it| is_session(&it.resource)).cloned().collect();
        let tally = Tally::new(&progress, renewals as u64);
        outcomes.insert(name.clone(), Outcome { tally, balances, sessions });
    }
    Ok(outcomes)
}
