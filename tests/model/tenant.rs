//! A tenant of the model: what it has, what it may do, and what it uses up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use cotas::{Decision, Limit, Reason, Status};

use crate::DAY_MS;
use crate::catalog::{Firm, Kind, LEASES, PACE, PACE_EVERY_MS, PLANS, RESOURCES, SEATS, parent};

/// A grant.
#[derive(Clone, Debug)]
pub struct Grant {
    pub id: u64,
    pub resource: usize,
    pub of_plan: bool,
    /// It is what the plan had left in the last period.
    pub carried: bool,
    /// What it gives in this period, used or not.
    pub given: u64,
    pub left: u64,
    pub expires: Option<i64>,
    pub expired: bool,
}

impl Grant {
    fn is_of_plan(&self, resource: usize) -> bool {
        self.resource == resource && self.of_plan && !self.carried
    }

    fn lives(&self, at: i64) -> bool {
        !self.expired && self.expires.is_none_or(|end| end > at)
    }
}

/// Where units came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Grant(u64),
    /// No grant gave them.
    Beyond,
    /// A meter, in this count.
    Count(u64),
}

/// Units that something took.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub resource: usize,
    pub from: From,
    pub units: u64,
}

/// A lease that is held.
#[derive(Clone, Debug)]
pub struct Lease {
    pub resource: usize,
    pub holder: u8,
    pub fencing: u64,
    /// It is from before a rebuild: its number is refused.
    pub stale: bool,
    pub end: i64,
}

/// A reservation, open or remembered.
#[derive(Clone, Debug)]
pub struct HeldUnits<H> {
    pub id: H,
    /// Of how many rebuilds its id is.
    pub epoch: u32,
    pub until: i64,
    pub period: u64,
    pub taken: Vec<Taken>,
    pub resolved: Option<cotas::Resolution>,
}

pub type Reservation = HeldUnits<cotas::ReservationId>;

/// A key with what was decided under it.
#[derive(Clone, Debug)]
pub struct Stored {
    pub key: u8,
    /// Operation and arguments.
    pub what: String,
    pub until: i64,
    pub decision: Decision,
    pub epoch: u32,
    pub period: u64,
    pub taken: Vec<Taken>,
    /// What the session took that it opened.
    pub session: Vec<Taken>,
    /// Its number among all decisions.
    pub number: u64,
    pub refunded: bool,
}

/// What may give a session back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nothing: it is paid for good.
    Used,
    /// Its sends, which share a unit.
    Reserved(usize),
    /// The decision that opened it, by its number.
    Refundable(u64),
}

/// A contact's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub end: i64,
    /// The end that a rebuild gives it: see `docs/durability.md`.
    pub saved: i64,
    pub hold: Hold,
    /// When the session before it ended.
    pub before: Option<i64>,
}

/// What pays for a session that sends have opened.
#[derive(Clone, Debug)]
pub struct Unit {
    pub taken: Vec<Taken>,
    pub period: u64,
    /// Sends that may still succeed.
    pub pending: u32,
    pub until: i64,
    pub open: bool,
}

/// A send that may yet fail.
#[derive(Clone, Debug)]
pub struct Send {
    pub message: String,
    pub until: i64,
    pub unit: Option<usize>,
    pub open: bool,
}

/// Which thresholds were reported, of which limit in which period.
#[derive(Clone, Debug, Default)]
pub struct Reported {
    limit: u64,
    period: u64,
    percents: BTreeSet<u64>,
    /// Of other limits in the same period.
    before: HashMap<u64, BTreeSet<u64>>,
}

#[derive(Clone, Debug)]
pub struct Tenant {
    pub limits: Vec<Option<Limit>>,
    pub grants: Vec<Grant>,
    pub used: Vec<u64>,
    pub beyond: Vec<u64>,
    /// Resource, holder, pending.
    pub seats: Vec<(usize, u8, bool)>,
    pub leases: Vec<Lease>,
    /// When a key has regained everything.
    pub paces: HashMap<String, i64>,
    /// A contact's session of a category; 0: of none.
    pub contacts: HashMap<(u8, u8), Session>,
    pub units: Vec<Unit>,
    pub sends: Vec<Send>,
    pub links: Vec<BTreeSet<u8>>,
    pub stored: Vec<Stored>,
    /// Messages that were allowed.
    pub decisions: u64,
    pub reservations: Vec<Reservation>,
    pub reported: HashMap<usize, Reported>,
    pub events: Vec<String>,
    pub status: Status,
    /// The plan's, and the tenant's own.
    pub carry_over: &'static [(usize, u64)],
    pub ai: (bool, Option<bool>),
    pub analytics: (Option<&'static str>, Option<&'static str>),
    pub grace_days: Option<u64>,
    pub first_due: NaiveDate,
    pub auto_renew: bool,
    pub lapsed: bool,
    /// Due dates of what is not paid, and how often.
    pub owed: BTreeMap<NaiveDate, u32>,
    /// Whether what the present period costs is due on its due date.
    pub billed: bool,
    /// The day on which it was cancelled, and whether that made the present period due.
    pub cancelled: Option<(NaiveDate, bool)>,
    /// Whether its subscription ended with its cancellation.
    pub gone: bool,
    /// Of this subscription, and of all.
    pub renewed: u32,
    pub renewals: u64,
    pub period: u64,
    /// Months since the year 0.
    pub month: i32,
    pub next_grant: u64,
    /// The time of the last change.
    pub seen: i64,
}

/// What is asked, besides charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Access,
    Send,
    Receive,
    Consume,
}

/// What the model decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub reasons: Vec<Reason>,
    pub shadowed: bool,
    pub overage: bool,
    pub past_due: bool,
}

impl Verdict {
    pub fn allowed(&self) -> bool {
        self.reasons.is_empty()
    }

    pub fn deny(&mut self, reason: Reason) {
        self.reasons.push(reason);
        self.reasons.sort();
        self.reasons.dedup();
    }

    pub fn done(mut self) -> Verdict {
        self.overage &= self.allowed();
        self
    }
}

/// Each resource once, those above before those below.
pub fn with_parents(asked: &[(usize, u64)]) -> Vec<(usize, u64)> {
    let mut all: Vec<(usize, u64)> = Vec::new();
    for &(resource, units) in asked {
        for resource in parent(resource).into_iter().chain([resource]) {
            match all.iter_mut().find(|(known, _)| *known == resource) {
                Some((_, sum)) => *sum += units,
                None => all.push((resource, units)),
            }
        }
    }
    all
}

pub fn is_granted(resource: usize) -> bool {
    matches!(RESOURCES[resource].kind, Kind::Allowance | Kind::Session)
}

pub fn is_meter(resource: usize) -> bool {
    use Kind::{CapPerDay, CapPerWeek, MeterForEver, MeterOfMonth, MeterOfPeriod};
    let kind = RESOURCES[resource].kind;
    matches!(kind, CapPerDay | CapPerWeek | MeterForEver | MeterOfMonth | MeterOfPeriod)
}

impl Tenant {
    pub fn new(month: i32, now: i64) -> Tenant {
        let zeros = vec![0; RESOURCES.len()];
        Tenant {
            limits: vec![None; RESOURCES.len()],
            grants: Vec::new(),
            used: zeros.clone(),
            beyond: zeros,
            seats: Vec::new(),
            leases: Vec::new(),
            paces: HashMap::new(),
            contacts: HashMap::new(),
            units: Vec::new(),
            sends: Vec::new(),
            links: Vec::new(),
            stored: Vec::new(),
            decisions: 0,
            reservations: Vec::new(),
            reported: HashMap::new(),
            events: Vec::new(),
            status: Status::Active,
            carry_over: &[],
            ai: (false, None),
            analytics: (None, None),
            grace_days: None,
            first_due: NaiveDate::default(),
            auto_renew: false,
            lapsed: false,
            owed: BTreeMap::new(),
            billed: false,
            cancelled: None,
            gone: false,
            renewed: 0,
            renewals: 0,
            period: 1,
            month,
            next_grant: 1,
            seen: now,
        }
    }

    /// What is used or held.
    pub fn in_use(&self, resource: usize) -> u64 {
        let counts = |it: usize| it == resource || parent(it) == Some(resource);
        let count = if SEATS.contains(&resource) {
            self.seats.iter().filter(|(of, _, _)| counts(*of)).count()
        } else if LEASES.contains(&resource) {
            self.leases.iter().filter(|lease| counts(lease.resource)).count()
        } else {
            return self.used[resource];
        };
        count as u64
    }

    fn of(&self, resource: usize) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(move |grant| grant.resource == resource)
    }

    /// What is contracted, where that is a number.
    pub fn contracted(&self, resource: usize) -> Option<u64> {
        let Some(Limit::Finite(units)) = self.limits[resource] else { return None };
        Some(match is_granted(resource) {
            true => self.of(resource).map(|grant| grant.given).sum(),
            false => units + self.of(resource).map(|grant| grant.left).sum::<u64>(),
        })
    }

    pub fn available(&self, resource: usize) -> u64 {
        match self.contracted(resource) {
            None => 0,
            Some(_) if is_granted(resource) => self.of(resource).map(|grant| grant.left).sum(),
            Some(limit) => limit.saturating_sub(self.in_use(resource)),
        }
    }

    /// What open reservations hold.
    pub fn held(&self, resource: usize) -> u64 {
        let open = self.reservations.iter().filter(|it| it.resolved.is_none());
        let units = self.units.iter().filter(|it| it.open).flat_map(|it| &it.taken);
        let taken = open.flat_map(|it| &it.taken).chain(units);
        let taken = taken.filter(|it| it.resource == resource);
        taken.map(|it| it.units).sum()
    }

    // ---- deciding ----------------------------------------------------------------------------

    pub fn ask(&self, now: i64, gate: Gate, charges: &[(usize, u64)]) -> Verdict {
        let past_due = self.status == Status::PastDue;
        let mut verdict = Verdict { past_due, ..Verdict::default() };
        let forbids = match self.status {
            Status::Suspended => matches!(gate, Gate::Send | Gate::Consume),
            status => status == Status::Cancelled,
        };
        if forbids {
            verdict.deny(Reason::StatusForbids);
        }
        if self.gone {
            verdict.deny(Reason::NoSubscription);
        }
        if self.lapse_end().is_some_and(|end| end <= now) {
            verdict.deny(Reason::PlanLapsed);
        }
        for &(resource, units) in charges {
            self.ask_units(resource, units, &mut verdict);
        }
        verdict.done()
    }

    fn ask_units(&self, resource: usize, units: u64, verdict: &mut Verdict) {
        let available = self.available(resource);
        let reason = match self.limits[resource] {
            _ if units == 0 => return,
            Some(Limit::Unlimited) => return,
            Some(Limit::Finite(_)) if units <= available => return,
            Some(Limit::Finite(_)) => Reason::QuotaExhausted,
            Some(Limit::Disabled) | None => Reason::NotInPlan,
        };
        let beyond = match is_granted(resource) {
            true => self.beyond[resource],
            false => self.in_use(resource).saturating_sub(self.contracted(resource).unwrap_or(0)),
        };
        match RESOURCES[resource].firm {
            Firm::Shadow => verdict.shadowed = true,
            Firm::Soft { cap }
                if reason == Reason::QuotaExhausted
                    && units - available <= cap.saturating_sub(beyond) =>
            {
                verdict.overage = true;
            }
            _ => verdict.deny(reason),
        }
    }

    /// Whether it has a feature: `ai`, or the level `full` of `analytics`.
    pub fn has_feature(&self, level: bool) -> bool {
        let (ai, analytics) = (self.ai, self.analytics);
        if level { analytics.1.or(analytics.0) == Some("full") } else { ai.1.unwrap_or(ai.0) }
    }

    /// Whether a rate lets so many pass; `verdict` may deny them already.
    pub fn ask_pace(&self, now: i64, key: &str, units: u64, mut verdict: Verdict) -> Verdict {
        let Some(Limit::Finite(burst)) = self.limits[PACE] else { unreachable!("it has a burst") };
        let owed = self.paces.get(key).map_or(0, |&at| (at - now).max(0));
        if owed + units as i64 * PACE_EVERY_MS > burst as i64 * PACE_EVERY_MS {
            verdict.deny(Reason::RateExceeded);
        }
        verdict.done()
    }

    pub fn pass(&mut self, now: i64, key: &str, units: u64) {
        let at = self.paces.get(key).map_or(now, |&at| at.max(now));
        self.paces.insert(key.to_owned(), at + units as i64 * PACE_EVERY_MS);
    }

    // ---- using up ----------------------------------------------------------------------------

    /// Uses up what has been allowed.
    pub fn take(&mut self, charges: &[(usize, u64)]) -> Vec<Taken> {
        let mut all = Vec::new();
        for &(resource, units) in charges {
            let mut take = |from, units| all.push(Taken { resource, from, units });
            self.used[resource] += units;
            if is_meter(resource) {
                let count = self.count(resource);
                take(From::Count(count), units);
                continue;
            }
            let mut rest = units;
            if matches!(self.limits[resource], Some(Limit::Finite(_))) {
                // What was carried over, the plan's, then those that expire earlier, then in the
                // order of creation.
                let mut order: Vec<&mut Grant> =
                    self.grants.iter_mut().filter(|it| it.resource == resource).collect();
                order.sort_by_key(|it| {
                    (!it.carried, !it.of_plan, it.expires.unwrap_or(i64::MAX), it.id)
                });
                for grant in order {
                    let units = rest.min(grant.left);
                    if units > 0 {
                        grant.left -= units;
                        rest -= units;
                        take(From::Grant(grant.id), units);
                    }
                }
            }
            if rest > 0 {
                self.beyond[resource] += rest;
                take(From::Beyond, rest);
            }
        }
        charges.iter().for_each(|&(resource, _)| self.report(resource));
        all
    }

    /// Which count a meter is in.
    pub fn count(&self, meter: usize) -> u64 {
        match RESOURCES[meter].kind {
            Kind::MeterOfPeriod => self.period,
            Kind::MeterOfMonth => self.month as u64,
            Kind::CapPerDay | Kind::CapPerWeek => self.cap_end(meter) as u64,
            _ => 0,
        }
    }

    /// Whether something was taken from a grant that still lives at `at`.
    pub fn takes_from_living(&self, taken: &[Taken], at: i64) -> bool {
        let gave = |taken: &Taken, it: &Grant| From::Grant(it.id) == taken.from && it.lives(at);
        taken.iter().any(|taken| self.grants.iter().any(|it| gave(taken, it)))
    }

    /// Whether giving this back may change what is contracted.
    pub fn changes_limits(&self, taken: &[Taken], period: u64, at: i64) -> bool {
        if period != self.period {
            return self.takes_from_living(taken, at);
        }
        taken.iter().any(|taken| {
            let was_free = taken.from == From::Beyond && taken.units > self.beyond[taken.resource];
            is_granted(taken.resource) && (was_free || self.excess(taken.resource) > 0)
        })
    }

    /// What the plan has given of a resource by its number.
    fn given_by_plan(&self, resource: usize) -> u64 {
        self.of(resource).filter(|it| it.is_of_plan(resource)).map(|it| it.given).sum()
    }

    /// What the plan has given of a resource more than its number says by now.
    fn excess(&self, resource: usize) -> u64 {
        let Some(Limit::Finite(number)) = self.limits[resource] else { return 0 };
        self.given_by_plan(resource).saturating_sub(number)
    }

    /// Takes back what the plan has given more than its number, the newest first.
    fn trim(&mut self, resource: usize) {
        let mut excess = self.excess(resource);
        for grant in self.grants.iter_mut().rev() {
            if grant.is_of_plan(resource) {
                let taken_back = excess.min(grant.left);
                grant.given -= taken_back;
                grant.left -= taken_back;
                excess -= taken_back;
            }
        }
    }

    /// Gives units back at `at` to where they came from in `period`, if that still is.
    pub fn give_back(&mut self, taken: Taken, period: u64, at: i64) {
        let Taken { resource, from, units } = taken;
        let now = period == self.period;
        let returned = match from {
            From::Count(count) if count == self.count(resource) => units.min(self.used[resource]),
            From::Beyond if now => {
                let mut left = units - units.min(self.beyond[resource]);
                self.beyond[resource] -= units - left;
                // What was used while there was no limit is the plan's by now.
                for grant in self.grants.iter_mut().rev() {
                    if grant.is_of_plan(resource) {
                        let of_it = left.min(grant.given - grant.left);
                        grant.left += of_it;
                        left -= of_it;
                    }
                }
                units - left
            }
            From::Grant(id) => {
                let found = self.grants.iter_mut().find(|it| it.id == id && it.lives(at));
                match found {
                    Some(grant) if now => {
                        grant.left += units;
                        units
                    }
                    Some(grant) => {
                        grant.left += units;
                        grant.given += units;
                        0
                    }
                    None => 0,
                }
            }
            _ => 0,
        };
        self.used[resource] -= returned;
        self.trim(resource);
    }

    // ---- administration ----------------------------------------------------------------------

    pub fn add_grant(&mut self, resource: usize, of_plan: bool, units: u64, expires: Option<i64>) {
        let id = self.next_grant;
        self.next_grant += 1;
        let (given, left) = (units, units);
        let (carried, expired) = (false, false);
        let grant = Grant { id, resource, of_plan, carried, given, left, expires, expired };
        self.grants.push(grant);
    }

    pub fn set_limit(&mut self, resource: usize, limit: Limit) {
        let old = self.limits[resource].replace(limit);
        let Limit::Finite(units) = limit else { return };
        if !is_granted(resource) {
            return;
        }
        if matches!(old, Some(Limit::Finite(_))) {
            self.trim(resource);
            let given = self.given_by_plan(resource);
            if units > given {
                self.add_grant(resource, true, units - given, None);
            }
            return;
        }
        let mut of_plan: Vec<&mut Grant> =
            self.grants.iter_mut().filter(|it| it.is_of_plan(resource)).collect();
        // What the plan gave before there was no limit counts, and what was used without one.
        for grant in &mut of_plan {
            grant.given -= grant.left;
            grant.left = 0;
        }
        let given: u64 = of_plan.iter().map(|it| it.given).sum();
        let beyond = std::mem::take(&mut self.beyond[resource]);
        let left = units.saturating_sub(given + beyond);
        if left + beyond > 0 {
            self.add_grant(resource, true, left + beyond, None);
            self.grants.last_mut().expect("it was added").left = left;
        }
    }

    /// Closes the period and begins one with this plan.
    pub fn subscribe(&mut self, plan: usize, due: NaiveDate, auto_renew: bool) {
        self.limits = PLANS[plan].limits();
        self.grace_days = PLANS[plan].grace_days;
        self.carry_over = PLANS[plan].carry_over;
        (self.ai.0, self.analytics.0) = (PLANS[plan].ai, PLANS[plan].analytics);
        (self.first_due, self.auto_renew) = (due, auto_renew);
        (self.renewed, self.lapsed) = (0, false);
        (self.cancelled, self.gone) = (None, false);
        self.bill();
        self.grant_plan();
    }

    pub fn grant_plan(&mut self) {
        for resource in 0..RESOURCES.len() {
            if is_granted(resource)
                && let Some(Limit::Finite(units @ 1..)) = self.limits[resource]
            {
                self.add_grant(resource, true, units, None);
            }
        }
    }

    // ---- events ------------------------------------------------------------------------------

    pub fn event(&mut self, what: String) {
        self.events.push(what);
    }

    /// Reports the thresholds of a resource that have been reached and not been reported yet.
    pub fn report(&mut self, resource: usize) {
        let limit = self.contracted(resource).unwrap_or(0);
        let used = self.in_use(resource);
        for &percent in RESOURCES[resource].thresholds {
            let reached = limit > 0 && used >= (limit * percent).div_ceil(100);
            let reported = self.reported.entry(resource).or_default();
            if reached && reported.percents.insert(percent) {
                let name = RESOURCES[resource].name;
                self.event(format!("{name} reached {percent}: {used} of {limit}"));
            }
        }
    }

    /// Looks at every limit: one that has changed, or is of another period, is followed again.
    pub fn watch(&mut self) {
        for (resource, watched) in RESOURCES.iter().enumerate() {
            if self.limits[resource].is_none() {
                continue;
            }
            let limit = self.contracted(resource).unwrap_or(0);
            let period = match watched.kind {
                Kind::MeterOfMonth => self.month as u64,
                Kind::CapPerDay | Kind::CapPerWeek => self.cap_end(resource) as u64,
                _ => self.period,
            };
            let reported = self.reported.entry(resource).or_default();
            if reported.period != period {
                *reported = Reported { limit, period, ..Reported::default() };
            } else if reported.limit != limit {
                let percents = reported.before.remove(&limit).unwrap_or_default();
                let percents = std::mem::replace(&mut reported.percents, percents);
                reported.before.insert(std::mem::replace(&mut reported.limit, limit), percents);
            }
            self.report(resource);
        }
    }
}

/// Whole days in milliseconds.
pub fn days(days: u64) -> i64 {
    days as i64 * DAY_MS
}
