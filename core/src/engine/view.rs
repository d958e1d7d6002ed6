//! What reports show: the settled view of a tenant, which looking does not persist.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::NaiveDate;
use serde::{Serialize, Serializer};

use super::admin_tx::{merge, settle_account};
use super::call::Call;
use super::decide::RetryReason;
use super::state::{held_lease, kept_session, regained_at};
use super::{Engine, Shared};
use crate::catalog::Kind;
use crate::clock::{HOUR_MS, Timestamp};
use crate::error::Error;
use crate::live::history::{RETURNED, SHADOWED};
use crate::live::layout::{counter, record};
use crate::report::{Interval, UsageReport};
use crate::rules::calendar::hour_of;
use crate::rules::decide::decide;
use crate::rules::settle::{CLOCK_JUMP_MS, next_boundary};
use crate::rules::{
    Decision, Entitlements, Mode, Pause, Reason, ResourceId, Source, State, Status, entitlements,
};
use crate::store::Loaded;

/// Names of tenants that one call gives at most.
const NAMES_MAX: u32 = 10_000;

/// Times that a view is taken again because the tenant was changed meanwhile.
const TRIES: u32 = 64;

/// A tenant as of one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    #[serde(serialize_with = "crate::json::text")]
    pub as_of: Timestamp,
    /// The current subscription; `None`: there is no plan.
    pub subscription: Option<SubscriptionView>,
    /// What is contracted, used and available, by resource.
    #[serde(serialize_with = "balances_by_resource")]
    pub balances: Vec<Balance>,
    /// Grants that still matter, in the order of their numbers.
    pub grants: Vec<GrantView>,
    /// How often the plan's units have been restored.
    pub renewals: u64,
}

/// A subscription in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionView {
    /// The plan's name in the catalog.
    pub plan: String,
    /// When the current period began.
    #[serde(serialize_with = "crate::json::text")]
    pub period_start: Timestamp,
    /// "Próximo vencimento": the last day of the period.
    pub due: NaiveDate,
    /// Whether the units are restored the day after.
    pub auto_renew: bool,
    /// Whether its last due date has passed.
    pub lapsed: bool,
    /// Whether it pauses, or will.
    pub pause: Pause,
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
    /// Used units that open reservations hold.
    pub held: u64,
    contracted: u64,
}

impl Balance {
    /// What is contracted: the plan's limit and what was bought on top; `None`: not limited, or
    /// not in the plan.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        (self.mode == Mode::Finite).then_some(self.contracted)
    }

    /// Whether more is used or held than is contracted: after a downgrade, or beyond a soft limit.
    #[must_use]
    pub fn over_limit(&self) -> bool {
        match self.mode {
            Mode::Finite => self.used > self.contracted,
            Mode::Disabled => self.used > 0,
            Mode::Unlimited => false,
        }
    }
}

/// A balance in a document. What is not limited has neither a limit nor anything left.
#[derive(Serialize)]
struct BalanceJson {
    kind: &'static str,
    mode: Mode,
    limit: Option<u64>,
    used: u64,
    available: Option<u64>,
    held: u64,
    over_limit: bool,
}

impl Serialize for Balance {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let balance = BalanceJson {
            kind: self.kind,
            mode: self.mode,
            limit: self.limit(),
            used: self.used,
            available: (self.mode == Mode::Finite).then_some(self.available),
            held: self.held,
            over_limit: self.over_limit(),
        };
        balance.serialize(to)
    }
}

/// Writes what was used under the names of the resources.
fn used_by_resource<S: Serializer>(used: &[(String, u64)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(used.iter().map(|(resource, used)| (resource, used)))
}

/// Writes balances under the names of their resources.
fn balances_by_resource<S: Serializer>(balances: &[Balance], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(balances.iter().map(|balance| (&balance.resource, balance)))
}

/// A grant in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    #[serde(serialize_with = "crate::json::text_or_null")]
    pub expires_at: Option<Timestamp>,
}

/// A closed period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeriodView {
    /// Its number, from 1.
    pub period: u64,
    /// Its first instant.
    #[serde(serialize_with = "crate::json::text")]
    pub start: Timestamp,
    /// The first instant after it.
    #[serde(serialize_with = "crate::json::text")]
    pub end: Timestamp,
    /// Whether a renewal ended it; otherwise a change of plan did.
    pub renewed: bool,
    /// Units used in it, by resource.
    #[serde(serialize_with = "used_by_resource")]
    pub used: Vec<(String, u64)>,
}

/// What a row of the usage history counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Units used.
    Used,
    /// Units given back in the period in which they were used.
    Returned,
    /// Decisions denied for this reason.
    Denied(Reason),
    /// Decisions that a shadow limit would have denied.
    Shadowed(Reason),
}

impl Metric {
    pub(super) fn from_number(number: u8) -> Metric {
        let shadowed = number.checked_sub(SHADOWED).and_then(Reason::from_number);
        match (Reason::from_number(number), shadowed) {
            (Some(reason), _) => Metric::Denied(reason),
            (None, Some(reason)) => Metric::Shadowed(reason),
            (None, None) if number == RETURNED => Metric::Returned,
            (None, None) => Metric::Used,
        }
    }
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
        let at = self.record_or_similar(tenant)?;
        let now = self.now();
        // What has expired is taken back first, as the next decision would.
        self.shared.expire_due(at, tenant, now, false, false)?;
        self.resolve_retry(at, tenant, now, RetryReason::LeasesDue)?;
        let (loaded, entitlements) = self.shared.view(at, tenant, now)?;
        let held = self.shared.held(at)?;
        let compiled = self.shared.compiled()?;
        let name = |resource| compiled.resource_name(resource).unwrap_or_default().to_owned();
        let account = &loaded.account;
        Ok(TenantReport {
            name: loaded.name.clone(),
            status: account.status,
            status_reason: loaded.status_reason.clone(),
            time_zone: account.time_zone.name().to_owned(),
            as_of: account.high_water_mark,
            subscription: account.subscription.as_ref().map(|it| SubscriptionView {
                plan: it.plan.clone(),
                period_start: account.period_start,
                due: it.due(),
                auto_renew: it.auto_renew,
                lapsed: it.lapsed,
                pause: it.pause,
            }),
            balances: entitlements
                .counters
                .iter()
                .filter(|counter| {
                    account.limits.contains_key(&counter.resource) || !counter.is_empty()
                })
                .map(|counter| {
                    let balance = entitlements.balance(counter.resource);
                    Balance {
                        resource: name(counter.resource),
                        kind: compiled.kind(counter.resource).map_or("", Kind::name),
                        mode: counter.terms.mode,
                        used: balance.used,
                        available: balance.available,
                        held: held.get(&counter.resource).copied().unwrap_or(0),
                        contracted: balance.limit,
                    }
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

    /// The names of tenants after `after` (empty: from the first), sorted, at most `most`: how many
    /// tenants are read page by page. Reads SQLite.
    pub fn tenants_after(&self, after: &str, most: u32) -> Result<Vec<String>, Error> {
        if most == 0 || most > NAMES_MAX {
            let why = format!("{most} is not between 1 and {NAMES_MAX}");
            return Err(Error::InvalidArgument { what: "most", why });
        }
        Ok(self.shared.store.tenants_after(after, most)?)
    }

    /// The name of the tenant whose invoice this is; `None`: there is no such invoice, or its
    /// tenant was erased. Reads SQLite.
    pub fn tenant_of_invoice(&self, invoice: i64) -> Result<Option<String>, Error> {
        Ok(self.shared.store.tenant_of_invoice(invoice)?)
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

    /// The usage history of a tenant by UTC hour. Writes what is not recorded yet to SQLite, then
    /// reads it there: waits for the disk.
    pub fn usage(&self, tenant: &str) -> Result<Vec<UsageRow>, Error> {
        self.history(self.row_of(tenant)?, 0..u32::MAX)
    }

    /// The usage history of a tenant by hour, day or month of its zone: of the hours that begin
    /// from `from` on and before `to`. Writes what is not recorded yet to SQLite, then reads it
    /// there: waits for the disk.
    pub fn usage_by(
        &self,
        tenant: &str,
        interval: Interval,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<UsageReport, Error> {
        let loaded = self.loaded(tenant)?;
        let hours = from.map_or(0, first_hour)..to.map_or(u32::MAX, first_hour);
        let rows = self.history(loaded.row, hours)?;
        Ok(UsageReport::new(rows, interval, loaded.account.time_zone))
    }

    fn history(&self, row: i64, hours: Range<u32>) -> Result<Vec<UsageRow>, Error> {
        self.shared.checkpoint()?;
        let compiled = self.shared.compiled()?;
        let rows = self.shared.store.history(row, hours)?;
        let view = |row: crate::store::HistoryRow| UsageRow {
            hour: Timestamp::from_ms(i64::from(row.key.hour) * HOUR_MS),
            resource: compiled.resource_name(row.key.resource).unwrap_or_default().to_owned(),
            metric: Metric::from_number(row.key.metric),
            count: row.count,
        };
        Ok(rows.into_iter().map(view).collect())
    }

    pub(super) fn row_of(&self, tenant: &str) -> Result<i64, Error> {
        Ok(self.loaded(tenant)?.row)
    }

    fn loaded(&self, tenant: &str) -> Result<Loaded, Error> {
        self.record_or_similar(tenant)?;
        let loaded = self.shared.store.load_tenant(self.shared.live.hash_name(tenant))?;
        loaded.ok_or_else(|| Error::UnknownTenant(tenant.into()))
    }
}

/// The first hour of the history that begins at `at` or later.
pub(super) fn first_hour(at: Timestamp) -> u32 {
    u32::try_from(hour_of(at.plus_ms(HOUR_MS - 1))).unwrap_or(0)
}

/// What a record holds that SQLite may not have, copied under its lock.
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
    ) -> Result<(Loaded, Entitlements), Error> {
        self.check_poison()?;
        let compiled = self.compiled()?;
        for _ in 0..TRIES {
            let Some(copied) = self.copy(at, name)? else { continue };
            if copied.account.admin_seq != copied.admin_seq {
                continue; // Changed between reading SQLite and looking at the record.
            }
            let mut loaded = copied.account;
            let high_water_mark = loaded.account.high_water_mark;
            if self.waits_for_payments(at, name, &loaded, now)? {
                continue;
            }
            let now = if now > high_water_mark.plus_ms(CLOCK_JUMP_MS) {
                high_water_mark
            } else {
                now.max(high_water_mark)
            };
            let rules = &compiled.rulebook;
            settle_account(&mut loaded, rules, now);
            let entitlements = entitlements(&loaded.account, rules, now);
            return Ok((loaded, entitlements));
        }
        Err(Error::Busy { what: "the tenant" })
    }

    /// Settles a tenant whose waiting payments would pay what a boundary writes: only an admin
    /// transaction can, so that a report shows what the next decision would.
    fn waits_for_payments(
        &self,
        at: u64,
        name: &str,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let account = &loaded.account;
        if account.waiting.is_empty() || now > account.high_water_mark.plus_ms(CLOCK_JUMP_MS) {
            return Ok(false);
        }
        let next = next_boundary(account, &self.compiled()?.rulebook);
        if next.is_none_or(|next| next > now) {
            return Ok(false);
        }
        self.settle_record(at, name, now)?;
        Ok(true)
    }

    fn copy(&self, at: u64, name: &str) -> Result<Option<Copied>, Error> {
        let hash = crate::live::directory::hash_of(&self.live.memory, at);
        let unknown = || Error::UnknownTenant(name.into());
        let loaded = self.store.load_tenant(hash)?;
        let guard = self.lock_record(at)?;
        if guard.pending().is_some() {
            drop(guard);
            self.resolve_record(at)?;
            return Ok(None);
        }
        if !guard.is_live() {
            return Err(unknown());
        }
        let Some(mut loaded) = loaded else { return Ok(None) };
        let admin_seq = guard.get(record::ADMIN_SEQ);
        if loaded.admin_seq == admin_seq {
            merge(&mut loaded.account, &self.compiled()?.rulebook, &guard);
        }
        Ok(Some(Copied { admin_seq, account: loaded }))
    }

    /// What a call would be answered at `now`, past a boundary that is not settled yet.
    pub(super) fn check_settled(
        &self,
        at: u64,
        name: &str,
        call: &Call<'_>,
        now: Timestamp,
    ) -> Result<Decision, Error> {
        self.expire_due(at, name, now, false, false)?;
        let (loaded, entitlements) = self.view(at, name, now)?;
        let high_water_mark = loaded.account.high_water_mark;
        if now > high_water_mark.plus_ms(CLOCK_JUMP_MS) {
            return Err(Error::ClockJump { now, high_water_mark });
        }
        let guard = self.lock_record(at)?;
        let time = guard.entry_time(now);
        let campaign = self.campaign_units(&guard, call, time);
        let campaign = campaign.map(|(_, units)| units);
        let session = call.session_request((now, high_water_mark), campaign, |session, at| {
            kept_session(&guard, session, (at, high_water_mark)).map(|(_, kept)| kept)
        });
        let rate = call.rate_request(guard.wall_time(time), |key| regained_at(&guard, key));
        let takes_lease = match &call.lease {
            Some(lease) => held_lease(&guard, lease.key, time).is_none(),
            None => false,
        };
        drop(guard);
        Ok(decide(&entitlements, &call.request(session, rate, takes_lease)).0)
    }

    /// Has `look` see a tenant's balances as they stand at `now`, settled.
    pub(super) fn look<T>(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        look: impl Fn(&dyn State) -> T,
    ) -> Result<T, Error> {
        let guard = self.lock_record(at)?;
        if guard.pending().is_none() && guard.is_live() && now < guard.valid_until() {
            return Ok(look(&guard));
        }
        drop(guard);
        Ok(look(&self.view(at, name, now)?.1))
    }

    /// Units that open reservations hold, by resource.
    fn held(&self, at: u64) -> Result<BTreeMap<ResourceId, u64>, Error> {
        let guard = self.lock_record(at)?;
        let held =
            guard.counters().map(|(resource, counter)| (resource, counter.get(counter::HELD)));
        Ok(held.filter(|&(_, held)| held > 0).collect())
    }
}
