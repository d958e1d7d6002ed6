//! Settlement: what changes by itself when its time has come.
//!
//! Every boundary is applied at its own instant, in order: expire, make overdue, reset, grant. The
//! outcome is the same whenever it is done and in however many steps.

use chrono::{Days, NaiveDate};

use super::account::{Account, Grant, Source, Usage};
use super::subscription::{Pause, Scheduled, Subscription};
use super::terms::Counting;
use super::{EventKind, ResourceId, Rulebook, Status, TenantEvent, calendar};
use crate::catalog::{Kind, Limit, Reset};
use crate::clock::{DAY_MS, Timestamp};

/// A clock further ahead than this of all that a tenant has seen is not believed.
pub const CLOCK_JUMP_MS: i64 = 400 * DAY_MS;
/// Boundaries that one settlement applies at most: far more than 400 days have, with a thousand
/// grants that begin and end, and as many as 170 years of periods and months. A call that asks for
/// more at once would keep everybody else waiting.
pub const BOUNDARIES_MAX: u32 = 4_096;

/// A period that has ended, as history keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedPeriod {
    /// Its number.
    pub period: u64,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Whether a renewal ended it; otherwise a change of plan did.
    pub renewed: bool,
    /// Units used in it, by resource.
    pub used: Vec<(ResourceId, Usage)>,
    /// Units it took from each grant: grant, resource, units.
    pub consumed: Vec<(u64, ResourceId, u64)>,
}

/// A calendar month, week or day of a meter that begins again with each, as history keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedMonth {
    /// The meter.
    pub resource: ResourceId,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What was measured.
    pub used: u64,
}

/// A billing period that has begun: what its invoice is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The subscription, as it stood when the period began.
    pub terms: Subscription,
    /// Whether the tenant's status was one that is billed.
    pub is_billed: bool,
}

/// A tenant that the clock cancelled, with what there is to bill for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledByClock {
    /// When.
    pub at: Timestamp,
    /// The subscription that ended with it.
    pub terms: Option<Subscription>,
    /// The number of the one that was to follow it.
    pub scheduled: Option<i64>,
    /// Whether the tenant's status was one that is billed.
    pub was_billed: bool,
}

/// A subscription that ended with its period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The one that ended.
    pub old: Subscription,
    /// When its last period began.
    pub last_start: Timestamp,
    /// The number of the one that took its place; `None`: it was cancelled with its tenant.
    pub new: Option<i64>,
    /// When.
    pub at: Timestamp,
}

/// What settlement did, for the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Periods that it closed, in order.
    pub closed: Vec<ClosedPeriod>,
    /// Months, weeks and days of meters that it closed, in order.
    pub months: Vec<ClosedMonth>,
    /// Billing periods that it began, in order.
    pub begun: Vec<Begun>,
    /// Subscriptions that took another one's place, in order.
    pub replaced: Vec<Replaced>,
    /// The last due date that has passed: what the clock makes overdue and was due by then is.
    pub overdue: Option<NaiveDate>,
    /// The last due date about which gateways have been silent for too long: what they report on
    /// and was due by then is overdue.
    pub overdue_at_gateway: Option<NaiveDate>,
    /// The last due date of offers that have run out.
    pub offers_ended: Option<NaiveDate>,
    /// The statuses that it moved the tenant from and to, for its debt, in order.
    pub statuses: Vec<(Status, Status)>,
    /// Whether it cancelled the tenant.
    pub cancelled: Option<CancelledByClock>,
    /// Grants that it ended, with their last figures.
    pub ended: Vec<Grant>,
    /// What a host may want to know, in order.
    pub events: Vec<TenantEvent>,
    /// Whether it changed anything at all.
    pub changed: bool,
    /// Whether there were more boundaries than one settlement applies.
    pub is_cut_short: bool,
}

/// Applies every boundary up to and including `now`, unless there are too many.
pub fn settle(account: &mut Account, rules: &Rulebook, now: Timestamp) -> Settled {
    let mut settled = Settled::default();
    for _ in 0..BOUNDARIES_MAX {
        let Some(at) = next_boundary(account, rules).filter(|&at| at <= now) else { break };
        settled.changed = true;
        close_caps(account, rules, at, &mut settled);
        account.high_water_mark = account.high_water_mark.max(at);
        expire_grants(account, at, &mut settled);
        if month_end(account, rules) == Some(at) {
            close_month(account, rules, at, &mut settled);
        }
        if owed_until(account, rules) == Some(at) {
            make_overdue(account, rules, &mut settled);
        }
        if offers_end(account, rules) == Some(at) {
            end_offers(account, rules, &mut settled);
        }
        if let Some((_, to)) = debt_end(account, rules).filter(|(end, _)| *end <= at) {
            sanction(account, rules, to, &mut settled);
        }
        if period_end(account) == Some(at) {
            end_period(account, rules, at, &mut settled);
        }
        // Reported at each boundary, so that it comes to the same in however many steps.
        // A month may be closed late, when a monthly meter joins: nothing before the mark is
        // reported.
        let reported = account.watch(rules, account.high_water_mark);
        settled.events.extend(reported);
        // Or else each of many periods would look at what all those before it gave.
        drop_ended(account, &mut settled);
    }
    settled.is_cut_short = next_boundary(account, rules).is_some_and(|at| at <= now);
    drop_ended(account, &mut settled);
    account.high_water_mark = account.high_water_mark.max(now);
    settled
}

/// The next instant at which settlement has something to apply.
pub(crate) fn next_boundary(account: &Account, rules: &Rulebook) -> Option<Timestamp> {
    let holding = account.grants.iter().filter(|grant| grant.remaining > 0);
    let expiries = holding.filter_map(|grant| grant.expires_at);
    let starts = account.grants.iter().map(|grant| grant.starts_at);
    let starts = starts.filter(|&at| at > account.high_water_mark);
    let caps = CAP_RESETS.into_iter().filter(|&reset| rules.resets(reset));
    let caps = caps.filter_map(|reset| Some(cap_interval(account, rules, reset)?.1));
    let others = period_end(account).into_iter().chain(month_end(account, rules)).chain(caps);
    let money = owed_until(account, rules).into_iter().chain(waits_until(account));
    let money = money.chain(offers_end(account, rules));
    let money = money.chain(debt_end(account, rules).map(|(at, _)| at));
    expiries.chain(starts).chain(others).chain(money).min()
}

/// When the first due date of what is owed has passed, or when the time of a silent gateway ends.
fn owed_until(account: &Account, rules: &Rulebook) -> Option<Timestamp> {
    let owed = account.owed.first().copied();
    let silent = account.at_gateway.first().map(|&due| end_of_silence(due, rules));
    let first = owed.into_iter().chain(silent).min()?;
    Some(calendar::end_of_due_day(first, account.time_zone))
}

/// The last day on which what a gateway reports on is not overdue, though the gateway is silent.
fn end_of_silence(due: NaiveDate, rules: &Rulebook) -> NaiveDate {
    due.checked_add_days(Days::new(u64::from(rules.gateway_silence_days))).unwrap_or(due)
}

/// When the next day passes for which a payment waits: from then on it pays the oldest open
/// invoice. The payment itself is the admin transaction's, which stops at this instant.
fn waits_until(account: &Account) -> Option<Timestamp> {
    let ends = account.waiting.iter().map(|&day| calendar::end_of_due_day(day, account.time_zone));
    ends.filter(|&at| at > account.high_water_mark).min()
}

/// What was due by now and is not paid is overdue: an active tenant becomes past due.
fn make_overdue(account: &mut Account, rules: &Rulebook, settled: &mut Settled) {
    let (at, zone) = (account.high_water_mark, account.time_zone);
    let has_passed = |day: NaiveDate| calendar::end_of_due_day(day, zone) <= at;
    let mut oldest = account.oldest_overdue;
    while let Some(&due) = account.owed.first().filter(|&&due| has_passed(due)) {
        account.owed.remove(&due);
        oldest = Some(oldest.map_or(due, |it| it.min(due)));
        settled.overdue = Some(due);
    }
    let is_silent = |&&due: &&NaiveDate| has_passed(end_of_silence(due, rules));
    while let Some(&due) = account.at_gateway.first().filter(is_silent) {
        account.at_gateway.remove(&due);
        oldest = Some(oldest.map_or(due, |it| it.min(due)));
        settled.overdue_at_gateway = Some(due);
    }
    account.oldest_overdue = oldest;
    if account.status == Status::Active {
        become_for_debt(account, Status::PastDue, settled);
    }
}

fn become_for_debt(account: &mut Account, to: Status, settled: &mut Settled) {
    let from = std::mem::replace(&mut account.status, to);
    account.for_debt = true;
    settled.statuses.push((from, to));
    let kind = EventKind::StatusChanged { from, to };
    settled.events.push(TenantEvent { at: account.high_water_mark, resource: None, kind });
}

/// When the first offers run out: what is not paid is not offered for ever.
fn offers_end(account: &Account, rules: &Rulebook) -> Option<Timestamp> {
    let (first, _) = account.offers.first_key_value()?;
    Some(calendar::end_of_grace(*first, rules.billing.offer_days, account.time_zone))
}

fn end_offers(account: &mut Account, rules: &Rulebook, settled: &mut Settled) {
    let Some((due, offers_plan)) = account.offers.pop_first() else { return };
    debug_assert!(
        calendar::end_of_grace(due, rules.billing.offer_days, account.time_zone)
            <= account.high_water_mark
    );
    account.awaits_payment &= !offers_plan;
    settled.offers_ended = Some(due);
}

/// When the debt has its next consequence, and which: the days count from the oldest invoice that
/// is overdue.
fn debt_end(account: &Account, rules: &Rulebook) -> Option<(Timestamp, Status)> {
    let oldest = account.oldest_overdue?;
    let end = |days: Option<u32>, to| {
        Some((calendar::end_of_grace(oldest, days?, account.time_zone), to))
    };
    let cancelled = || end(rules.billing.cancel_after, Status::Cancelled);
    match account.status {
        Status::PastDue => {
            let suspended = end(rules.billing.suspend_after, Status::Suspended);
            suspended.into_iter().chain(cancelled()).min_by_key(|(at, _)| *at)
        }
        Status::Suspended if account.for_debt => cancelled(),
        _ => None,
    }
}

fn sanction(account: &mut Account, rules: &Rulebook, to: Status, settled: &mut Settled) {
    let was_billed = rules.statuses.row(account.status).billed;
    become_for_debt(account, to, settled);
    if to == Status::Cancelled {
        let at = account.high_water_mark;
        let scheduled = account.scheduled.take().map(|it| it.terms.id);
        account.awaits_payment = false;
        account.offers.clear();
        let terms = account.subscription.as_mut();
        let terms = terms.map(|terms| {
            terms.cancelled_at = Some(at);
            terms.clone()
        });
        settled.cancelled = Some(CancelledByClock { at, terms, scheduled, was_billed });
    }
}

/// Notes a period that has begun, and what will be owed for it.
fn note_begun(account: &mut Account, rules: &Rulebook, settled: &mut Settled) {
    let is_billed = rules.statuses.row(account.status).billed;
    let Some(terms) = account.subscription.as_mut() else { return };
    terms.begin_billing(calendar::date_of(account.high_water_mark, account.time_zone));
    let terms = terms.clone();
    if is_billed && account.will_owe(&terms) {
        let due_dates = if terms.manual { &mut account.owed } else { &mut account.at_gateway };
        due_dates.insert(terms.due());
    }
    settled.begun.push(Begun { terms, is_billed });
}

/// When the current period ends, if it ends by itself: one day after the due date (docs/sources.md,
/// LiveChat 360).
pub(super) fn period_end(account: &Account) -> Option<Timestamp> {
    let subscription = account.subscription.as_ref().filter(|it| it.has_period())?;
    // One that is cancelled can be resumed until its period ends.
    let last = if subscription.cancelled_at.is_some() {
        subscription.due()
    } else {
        subscription.quota_due()
    };
    Some(calendar::end_of_due_day(last, account.time_zone))
}

/// When the month ends in which meters are counted that begin again with each, if there are any.
pub(super) fn month_end(account: &Account, rules: &Rulebook) -> Option<Timestamp> {
    let monthly = account.limits.keys().any(|&resource| is_monthly(rules, resource));
    monthly.then(|| calendar::next_month_start(account.month_start, account.time_zone))
}

pub(super) fn is_monthly(rules: &Rulebook, resource: ResourceId) -> bool {
    kind(rules, resource) == Some(Kind::Meter { reset: Reset::CalendarMonth })
}

/// What makes a meter a calendar cap.
const CAP_RESETS: [Reset; 2] = [Reset::CalendarDay, Reset::CalendarWeek];

/// The day or the week in which a cap counts: that of the latest instant that the tenant has seen.
pub(super) fn cap_interval(
    account: &Account,
    rules: &Rulebook,
    reset: Reset,
) -> Option<(Timestamp, Timestamp)> {
    let (seen, zone) = (account.high_water_mark, account.time_zone);
    match reset {
        Reset::CalendarDay => Some(calendar::day_of(seen, zone)),
        Reset::CalendarWeek => Some(calendar::week_of(seen, zone, rules.week_starts)),
        _ => None,
    }
}

/// Closes what caps have counted in a day or a week that ends at `at`.
fn close_caps(account: &mut Account, rules: &Rulebook, at: Timestamp, settled: &mut Settled) {
    for reset in CAP_RESETS {
        let Some((start, end)) = cap_interval(account, rules, reset) else { continue };
        if end != at {
            continue;
        }
        let is_over = |resource| kind(rules, resource) == Some(Kind::Meter { reset });
        let counted = account.used.extract_if(.., |&resource, _| is_over(resource));
        settled.months.extend(
            counted
                .filter(|(_, usage)| usage.used > 0)
                .map(|(resource, Usage { used, .. })| ClosedMonth { resource, start, end, used }),
        );
    }
}

fn kind(rules: &Rulebook, resource: ResourceId) -> Option<Kind> {
    rules.policy(resource).map(|policy| policy.kind)
}

/// Whether what is used of a resource is counted by the subscription's periods.
fn is_periodic(rules: &Rulebook, resource: ResourceId) -> bool {
    match kind(rules, resource) {
        Some(Kind::Meter { reset }) => reset == Reset::Period,
        _ => true,
    }
}

fn close_month(account: &mut Account, rules: &Rulebook, at: Timestamp, settled: &mut Settled) {
    let start = account.month_start;
    let monthly = account.used.extract_if(.., |&resource, _| is_monthly(rules, resource));
    settled.months.extend(
        monthly
            .filter(|(_, usage)| usage.used > 0)
            .map(|(resource, Usage { used, .. })| ClosedMonth { resource, start, end: at, used }),
    );
    account.month_start = at;
}

fn expire_grants(account: &mut Account, at: Timestamp, settled: &mut Settled) {
    for grant in &mut account.grants {
        if grant.expires_at.is_some_and(|expiry| expiry <= at) {
            if grant.remaining > 0 {
                let kind = EventKind::GrantExpired { grant: grant.id, units: grant.remaining };
                settled.events.push(TenantEvent { at, resource: Some(grant.resource), kind });
            }
            grant.expire();
        }
    }
}

/// Moves grants out of the account that hold nothing and from which the current period took
/// nothing: nothing can happen to them any more.
fn drop_ended(account: &mut Account, settled: &mut Settled) {
    let ended = account.grants.extract_if(.., |grant| !grant.is_live());
    settled.ended.extend(ended);
}

fn end_period(account: &mut Account, rules: &Rulebook, at: Timestamp, settled: &mut Settled) {
    let Some(subscription) = account.subscription.as_mut() else { return };
    if let Some(cancelled_at) = subscription.cancelled_at {
        return end_cancelled(account, rules, cancelled_at, settled);
    }
    let within = subscription.quota_due() < subscription.due();
    if !within && subscription.pause == Pause::Requested {
        return begin_pause(account, rules, at, settled);
    }
    if !within && account.scheduled.as_ref().is_some_and(Scheduled::may_begin) {
        return begin_scheduled(account, rules, at, settled);
    }
    // What is scheduled and waits to be paid: the present plan ends all the same.
    if within || (subscription.renews() && account.scheduled.is_none()) {
        if within {
            subscription.restored += 1;
        } else {
            subscription.advance();
            subscription.begin_grid(calendar::date_of(at, account.time_zone));
            note_begun(account, rules, settled);
        }
        account.renewals += 1;
        settled.closed.push(close_period(account, rules, at, true));
        grant_plan(account, rules, at);
        let kind = EventKind::Renewed { period: account.period };
        settled.events.push(TenantEvent { at, resource: None, kind });
    } else {
        subscription.lapsed = true;
        settled.events.push(TenantEvent { at, resource: None, kind: EventKind::Lapsed });
    }
}

/// The running period has ended, and none follows until the subscription is resumed: what the plan
/// gave is gone, what was bought stays.
fn begin_pause(account: &mut Account, rules: &Rulebook, at: Timestamp, settled: &mut Settled) {
    if let Some(terms) = account.subscription.as_mut() {
        terms.pause = Pause::InForce;
    }
    settled.closed.push(close_period(account, rules, at, false));
    settled.events.push(TenantEvent { at, resource: None, kind: EventKind::Paused });
}

/// The period of a cancelled tenant is over: nothing can be resumed any more. It ended when it was
/// cancelled.
fn end_cancelled(
    account: &mut Account,
    rules: &Rulebook,
    cancelled_at: Timestamp,
    settled: &mut Settled,
) {
    let last_start = account.period_start;
    let closed = close_period(account, rules, account.high_water_mark, false);
    settled.closed.push(ClosedPeriod { end: cancelled_at.max(last_start), ..closed });
    if let Some(old) = account.subscription.take() {
        settled.replaced.push(Replaced { old, last_start, new: None, at: cancelled_at });
    }
}

/// Puts the scheduled subscription, if there is one, in the place of the present one.
pub fn begin_scheduled(
    account: &mut Account,
    rules: &Rulebook,
    at: Timestamp,
    settled: &mut Settled,
) {
    let Some(Scheduled { mut terms, limits, features }) = account.scheduled.take() else { return };
    let last_start = account.period_start;
    settled.closed.push(close_period(account, rules, at, false));
    // What it waited for has been paid: its first period.
    terms.paid = 0;
    terms.begin_grid(calendar::date_of(at, account.time_zone));
    if let Some(old) = account.subscription.take() {
        settled.replaced.push(Replaced { old, last_start, new: Some(terms.id), at });
    }
    let kind = EventKind::PlanChanged { plan: terms.plan.clone() };
    settled.events.push(TenantEvent { at, resource: None, kind });
    account.subscription = Some(terms);
    note_begun(account, rules, settled);
    (account.limits, account.features) = (limits, features);
    grant_plan(account, rules, at);
}

/// Closes the current period at `at`: writes down what it used, ends the plan's grants and starts
/// counting again. Grants that were bought stay.
pub fn close_period(
    account: &mut Account,
    rules: &Rulebook,
    at: Timestamp,
    renewed: bool,
) -> ClosedPeriod {
    let used = account.used.extract_if(.., |&resource, _| is_periodic(rules, resource));
    let closed = ClosedPeriod {
        period: account.period,
        start: account.period_start,
        end: at,
        renewed,
        used: used.collect(),
        consumed: account
            .grants
            .iter()
            .map(|grant| (grant.id, grant.resource, grant.consumed_in_period()))
            .filter(|&(_, _, units)| units > 0)
            .collect(),
    };
    let carried = if renewed { carried(account) } else { Vec::new() };
    for grant in &mut account.grants {
        if grant.source == Source::Plan {
            grant.expire();
        }
        grant.at_period_start = grant.remaining;
    }
    for (resource, units) in carried {
        add_grant(account, resource, Source::Plan, units, at, None);
        if let Some(grant) = account.grants.last_mut() {
            grant.priority = Grant::CARRIED_PRIORITY;
        }
    }
    account.period += 1;
    account.period_start = at;
    closed
}

/// What of the plan's units is left and goes over into the next period, as far as the plan lets it.
fn carried(account: &Account) -> Vec<(ResourceId, u64)> {
    let Some(subscription) = &account.subscription else { return Vec::new() };
    let left = |resource: ResourceId| -> u64 {
        let of_plan = account.grants.iter().filter(|it| it.source == Source::Plan);
        of_plan.filter(|it| it.resource == resource).map(|it| it.remaining).sum()
    };
    subscription
        .carry_over
        .iter()
        .map(|(&resource, &most)| (resource, left(resource).min(most)))
        .filter(|&(_, units)| units > 0)
        .collect()
}

/// Gives the plan's units of a new period.
pub fn grant_plan(account: &mut Account, rules: &Rulebook, at: Timestamp) {
    let amounts: Vec<_> = account
        .limits
        .iter()
        .filter(|&(&resource, _)| Account::counting(rules, resource) == Counting::Granted)
        .filter_map(|(&resource, &limit)| match limit {
            Limit::Finite(units) if units > 0 => Some((resource, units)),
            Limit::Finite(_) | Limit::Unlimited | Limit::Disabled => None,
        })
        .collect();
    for (resource, units) in amounts {
        add_grant(account, resource, Source::Plan, units, at, None);
    }
}

/// Adds a grant and returns its number.
pub fn add_grant(
    account: &mut Account,
    resource: ResourceId,
    source: Source,
    units: u64,
    at: Timestamp,
    expires_at: Option<Timestamp>,
) -> u64 {
    let id = account.next_grant;
    account.next_grant += 1;
    account.grants.push(Grant {
        id,
        resource,
        source,
        priority: source.priority(),
        granted: units,
        remaining: units,
        at_period_start: units,
        expired: 0,
        revoked: 0,
        returned: 0,
        starts_at: at,
        expires_at,
    });
    id
}
