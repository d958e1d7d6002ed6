//! What reports show: the settled view of a tenant, which nobody persists by looking.

use chrono::NaiveDate;

use super::call::Call;
use super::lane::merge;
use super::state::kept_session;
use super::{Engine, Shared};
use crate::catalog::Kind;
use crate::clock::{HOUR_MS, Timestamp};
use crate::error::Error;
use crate::live::layout::block;
use crate::rules::decide::decide;
use crate::rules::settle::{CLOCK_JUMP_MS, settle, standing};
use crate::rules::{Decision, Mode, Reason, Source, Standing, State, Status};
use crate::store::Loaded;

/// Times that a view is taken again because the tenant was changed meanwhile.
const TRIES: u32 = 64;

/// A tenant as of one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantReport {
    /// Its name.
    pub name: String,
    /// Its status, and the reason that was given for it.
    pub status: Status,
    /// Why it has that status.
    pub status_reason: String,
    /// The zone of its days.
    pub time_zone: String,
    /// The instant that is shown: the clock's now, settled; or the latest that the tenant has
    /// seen, where the clock is too far ahead to be believed.
    pub as_of: Timestamp,
    /// The current subscription; `None`: there is no plan.
    pub subscription: Option<SubscriptionView>,
    /// What is contracted, used and available, by resource.
    pub balances: Vec<Balance>,
    /// Grants that still matter, in the order of their numbers.
    pub grants: Vec<GrantView>,
    /// How often the plan's units have been restored.
    pub renewals: u64,
}

/// A subscription in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// The plan's name in the catalog.
    pub plan: String,
    /// When the current period began.
    pub period_start: Timestamp,
    /// "Próximo vencimento": the last day of the period.
    pub due: NaiveDate,
    /// Whether the units are restored the day after.
    pub auto_renew: bool,
    /// Whether its last due date has passed.
    pub lapsed: bool,
}

/// What is contracted, used and available of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The resource's name.
    pub resource: String,
    /// Its kind, as a catalog writes it.
    pub kind: &'static str,
    /// How it is limited.
    pub mode: Mode,
    /// Units used since the period began.
    pub used: u64,
    /// Units left; meaningful where `mode` is finite.
    pub available: u64,
}

impl Balance {
    /// What is contracted: used plus available; `None`: not limited, or not in the plan.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        (self.mode == Mode::Finite).then(|| self.used.saturating_add(self.available))
    }
}

/// A grant in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantView {
    /// Its number.
    pub id: u64,
    /// The resource's name.
    pub resource: String,
    /// Where it comes from.
    pub source: Source,
    /// Units given, used, left, run out of time and taken back.
    pub granted: u64,
    /// Units used.
    pub consumed: u64,
    /// Units left.
    pub remaining: u64,
    /// Units that ran out of time.
    pub expired: u64,
    /// Units taken back.
    pub revoked: u64,
    /// When it ceases to count.
    pub expires_at: Option<Timestamp>,
}

/// A closed period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodView {
    /// Its number, from 1.
    pub period: u64,
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
    /// Whether a renewal ended it; otherwise a change of plan did.
    pub renewed: bool,
    /// Units used in it, by resource.
    pub used: Vec<(String, u64)>,
}

/// What a row of the usage history counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Units used.
    Used,
    /// Decisions denied for this reason.
    Denied(Reason),
}

/// Usage of one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// The first instant of the hour.
    pub hour: Timestamp,
    /// The resource's name; empty where no resource was the reason of a denial.
    pub resource: String,
    /// What is counted.
    pub metric: Metric,
    /// How many.
    pub count: u64,
}

impl Engine {
    /// A tenant as it stands now. Reads SQLite; changes nothing.
    pub fn report(&self, tenant: &str) -> Result<TenantReport, Error> {
        let at = self.block_of(tenant)?;
        let (loaded, standing) = self.shared.view(at, tenant, self.now())?;
        let compiled = self.shared.compiled()?;
        let name = |resource| compiled.resource_name(resource).unwrap_or_default().to_owned();
        let account = &loaded.account;
        Ok(TenantReport {
            name: loaded.name.clone(),
            status: account.status,
            status_reason: loaded.status_reason.clone(),
            time_zone: account.time_zone.name().to_owned(),
            as_of: account.mark,
            subscription: account.subscription.as_ref().map(|it| SubscriptionView {
                plan: it.plan.clone(),
                period_start: account.period_start,
                due: it.due(),
                auto_renew: it.auto_renew,
                lapsed: it.lapsed,
            }),
            balances: standing
                .slots
                .iter()
                .map(|slot| Balance {
                    resource: name(slot.resource),
                    kind: compiled.kind(slot.resource).map_or("", Kind::name),
                    mode: slot.mode,
                    used: slot.used,
                    available: standing.balance(slot.resource).available,
                })
                .collect(),
            grants: account
                .grants
                .iter()
                .map(|grant| GrantView {
                    id: grant.id,
                    resource: name(grant.resource),
                    source: grant.source,
                    granted: grant.granted,
                    consumed: grant.consumed(),
                    remaining: grant.remaining,
                    expired: grant.expired,
                    revoked: grant.revoked,
                    expires_at: grant.expires_at,
                })
                .collect(),
            renewals: account.renewals,
        })
    }

    /// The names of all tenants, sorted. Reads SQLite.
    pub fn tenants(&self) -> Result<Vec<String>, Error> {
        Ok(self.shared.store.tenants()?.into_iter().map(|row| row.name).collect())
    }

    /// Closed periods of a tenant, oldest first. Reads SQLite.
    pub fn periods(&self, tenant: &str) -> Result<Vec<PeriodView>, Error> {
        let compiled = self.shared.compiled()?;
        let name = |resource| compiled.resource_name(resource).unwrap_or_default().to_owned();
        let rows = self.shared.store.periods(self.row_of(tenant)?)?;
        let view = |row: crate::store::PeriodRow| PeriodView {
            period: row.period,
            start: row.start,
            end: row.end,
            renewed: row.renewed,
            used: row.used.into_iter().map(|(resource, used)| (name(resource), used)).collect(),
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// The usage history of a tenant by UTC hour. Writes what is not booked yet to SQLite, then
    /// reads it there: waits for the disk.
    pub fn usage(&self, tenant: &str) -> Result<Vec<UsageRow>, Error> {
        let row = self.row_of(tenant)?;
        self.shared.checkpoint()?;
        let compiled = self.shared.compiled()?;
        let rows = self.shared.store.history(row)?;
        let view = |row: crate::store::HistoryRow| UsageRow {
            hour: Timestamp::from_ms(i64::from(row.key.hour) * HOUR_MS),
            resource: compiled.resource_name(row.key.resource).unwrap_or_default().to_owned(),
            metric: Reason::from_number(row.key.metric).map_or(Metric::Used, Metric::Denied),
            count: row.count,
        };
        Ok(rows.into_iter().map(view).collect())
    }

    fn row_of(&self, tenant: &str) -> Result<i64, Error> {
        self.block_of(tenant)?;
        let loaded = self.shared.store.load_tenant(self.shared.live.hash_name(tenant))?;
        Ok(loaded.ok_or_else(|| Error::UnknownTenant(tenant.to_owned()))?.row)
    }
}

/// What a block holds that SQLite may not have, copied under its lock.
struct Copied {
    admin_seq: u64,
    account: Loaded,
}

impl Shared {
    /// The tenant's account, settled at `now`, and what it may do; nothing is changed.
    pub(super) fn view(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
    ) -> Result<(Loaded, Standing), Error> {
        self.check_poison()?;
        let compiled = self.compiled()?;
        for _ in 0..TRIES {
            let Some(copied) = self.copy(at, name)? else { continue };
            if copied.account.admin_seq != copied.admin_seq {
                continue; // Changed between reading SQLite and looking at the block.
            }
            let mut loaded = copied.account;
            let mark = loaded.account.mark;
            let now = if now > mark.plus_ms(CLOCK_JUMP_MS) { mark } else { now.max(mark) };
            settle(&mut loaded.account, now);
            let standing = standing(&loaded.account, &compiled.catalog.statuses, now);
            return Ok((loaded, standing));
        }
        Err(Error::Busy { what: "the tenant" })
    }

    fn copy(&self, at: u64, name: &str) -> Result<Option<Copied>, Error> {
        let hash = crate::live::directory::hash_of(&self.live.memory, at);
        let unknown = || Error::UnknownTenant(name.to_owned());
        let loaded = self.store.load_tenant(hash)?;
        let guard = self.lock_block(at)?;
        if guard.pending().is_some() {
            drop(guard);
            self.resolve_block(at)?;
            return Ok(None);
        }
        if !guard.is_live() {
            return Err(unknown());
        }
        let Some(mut loaded) = loaded else { return Ok(None) };
        let admin_seq = guard.get(block::ADMIN_SEQ);
        if loaded.admin_seq == admin_seq {
            merge(&mut loaded.account, &guard);
        }
        Ok(Some(Copied { admin_seq, account: loaded }))
    }

    /// What a call would be answered at `now`, past a boundary that nobody has settled yet.
    pub(super) fn check_settled(
        &self,
        at: u64,
        name: &str,
        call: &Call<'_>,
        now: Timestamp,
    ) -> Result<Decision, Error> {
        let (loaded, standing) = self.view(at, name, now)?;
        let mark = loaded.account.mark;
        if now > mark.plus_ms(CLOCK_JUMP_MS) {
            return Err(Error::ClockJump { now, mark });
        }
        let guard = self.lock_block(at)?;
        let session = call.session_request(now, |key| kept_session(&guard, key, mark));
        drop(guard);
        Ok(decide(&standing, &call.request(session)).0)
    }
}
