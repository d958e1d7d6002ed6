//! The engine against a naive model: a map, plain loops, no shared memory, no SQLite.
//!
//! Random operations, jumps of time, checkpoints, re-opens and rebuilds; after each the engine
//! and the model say the same, and at the end the books add up (I4, I5, I6).

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{Datelike, Days, NaiveDate};
use cotas::{
    Details, Engine, Limit, Maintenance, ManualClock, NewTenant, Source, Terms, Timestamp,
};
use cotas_tests::{assert_sound, at, balance, catalog};
use proptest::prelude::*;

const START: &str = "2026-01-15T12:00:00-03:00";
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const WINDOW_MS: i64 = DAY_MS;
const LATE_MS: i64 = 7 * DAY_MS;
const TENANTS: [&str; 2] = ["acme", "tiny"];

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    Consume { tenant: usize, units: u64 },
    Once { tenant: usize, units: u64, key: u8 },
    Receive { tenant: usize, contact: u8, late_hours: i64 },
    Send { tenant: usize, contact: u8 },
    Check { tenant: usize, units: u64 },
    Grant { tenant: usize, units: u64, days: Option<u64> },
    SetLimit { tenant: usize, units: u64 },
    ChangePlan { tenant: usize, small: bool, days: u64, auto_renew: bool },
    Wait { hours: i64 },
    Settle { tenant: usize },
    Checkpoint,
    Reopen,
    Rebuild,
}

fn step() -> impl Strategy<Value = Step> {
    let tenant = 0..TENANTS.len();
    prop_oneof![
        6 => (tenant.clone(), 1..40u64).prop_map(|(tenant, units)| Step::Consume { tenant, units }),
        2 => (tenant.clone(), 1..4u64, 0..4u8)
            .prop_map(|(tenant, units, key)| Step::Once { tenant, units, key }),
        6 => (tenant.clone(), 0..6u8, prop_oneof![3 => Just(0), 1 => -2..200i64])
            .prop_map(|(tenant, contact, late_hours)| {
                Step::Receive { tenant, contact, late_hours }
            }),
        3 => (tenant.clone(), 0..6u8).prop_map(|(tenant, contact)| Step::Send { tenant, contact }),
        2 => (tenant.clone(), 1..60u64).prop_map(|(tenant, units)| Step::Check { tenant, units }),
        2 => (tenant.clone(), 1..30u64, proptest::option::of(1..40u64))
            .prop_map(|(tenant, units, days)| Step::Grant { tenant, units, days }),
        1 => (tenant.clone(), 0..80u64)
            .prop_map(|(tenant, units)| Step::SetLimit { tenant, units }),
        1 => (tenant.clone(), any::<bool>(), 1..40u64, any::<bool>()).prop_map(
            |(tenant, small, days, auto_renew)| Step::ChangePlan { tenant, small, days, auto_renew }
        ),
        4 => (1..72i64).prop_map(|hours| Step::Wait { hours }),
        1 => (400..2_000i64).prop_map(|hours| Step::Wait { hours }),
        1 => tenant.prop_map(|tenant| Step::Settle { tenant }),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rebuild),
    ]
}

/// A grant of the model.
#[derive(Clone, Debug)]
struct Grant {
    of_plan: bool,
    /// What it gave in this period, used or not.
    given: u64,
    left: u64,
    expires: Option<i64>,
}

/// A resource of the model.
#[derive(Clone, Debug, Default)]
struct Resource {
    limit: u64,
    used: u64,
    grants: Vec<Grant>,
}

impl Resource {
    fn available(&self) -> u64 {
        self.grants.iter().map(|grant| grant.left).sum()
    }

    fn take(&mut self, mut units: u64) -> bool {
        if self.available() < units {
            return false;
        }
        self.used += units;
        // The plan's first, then those that expire earlier, then in the order of creation.
        let mut order: Vec<usize> = (0..self.grants.len()).collect();
        order.sort_by_key(|&index| {
            let grant = &self.grants[index];
            (!grant.of_plan, grant.expires.unwrap_or(i64::MAX), index)
        });
        for index in order {
            let taken = units.min(self.grants[index].left);
            self.grants[index].left -= taken;
            units -= taken;
        }
        true
    }

    fn renew(&mut self) {
        self.used = 0;
        self.grants.retain(|grant| !grant.of_plan);
        let (given, left) = (self.limit, self.limit);
        self.grants.push(Grant { of_plan: true, given, left, expires: None });
    }
}

/// A tenant of the model.
#[derive(Clone, Debug, Default)]
struct Tenant {
    credits: Resource,
    sessions: Resource,
    contacts: HashMap<u8, i64>,
    keys: HashMap<u8, (u64, i64)>,
    first_due: NaiveDate,
    renewed: u32,
    renewals: u64,
    auto_renew: bool,
    lapsed: bool,
}

/// Midnight in Sao Paulo, which has had no daylight saving time since 2019.
fn midnight(date: NaiveDate) -> i64 {
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    days * DAY_MS + 3 * HOUR_MS
}

impl Tenant {
    fn due(&self) -> NaiveDate {
        let months = self.first_due.year() * 12 + self.first_due.month0() as i32;
        let months = months + self.renewed as i32;
        let first =
            NaiveDate::from_ymd_opt(months / 12, months as u32 % 12 + 1, 1).expect("a date");
        let last = (first + chrono::Months::new(1)).pred_opt().expect("a date").day();
        first.with_day(self.first_due.day().min(last)).expect("a date")
    }

    fn settle(&mut self, now: i64) {
        loop {
            let period_end = (!self.lapsed).then(|| midnight(self.due() + Days::new(1)));
            let expiries = [&self.credits, &self.sessions]
                .into_iter()
                .flat_map(|resource| &resource.grants)
                .filter(|grant| grant.left > 0)
                .filter_map(|grant| grant.expires);
            let Some(at) = expiries.chain(period_end).min().filter(|&at| at <= now) else { return };
            for resource in [&mut self.credits, &mut self.sessions] {
                resource.grants.retain(|grant| grant.expires.is_none_or(|expiry| expiry > at));
            }
            if period_end == Some(at) {
                if self.auto_renew {
                    self.renewed += 1;
                    self.renewals += 1;
                    self.credits.renew();
                    self.sessions.renew();
                } else {
                    self.lapsed = true;
                }
            }
        }
    }

    fn subscribe(&mut self, small: bool, due: NaiveDate, auto_renew: bool) {
        (self.sessions.limit, self.credits.limit) = if small { (2, 10) } else { (1000, 1000) };
        (self.first_due, self.auto_renew) = (due, auto_renew);
        (self.renewed, self.lapsed) = (0, false);
        self.credits.renew();
        self.sessions.renew();
    }

    /// Allowed, and whether a session was opened.
    fn message(&mut self, contact: u8, sent: i64, now: i64, extends: bool) -> (bool, bool) {
        let end = self.contacts.get(&contact).copied().filter(|end| end + LATE_MS > now);
        if let Some(end) = end.filter(|&end| sent < end) {
            if extends {
                self.contacts.insert(contact, end.max(sent + WINDOW_MS));
            }
            return (true, false);
        }
        if !self.sessions.take(1) {
            return (false, false);
        }
        self.contacts.insert(contact, sent + WINDOW_MS);
        (true, true)
    }
}

/// The engine under test, in a file, so that it can be opened again.
struct Subject {
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
    engine: Option<Engine>,
}

impl Subject {
    fn new() -> Subject {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::new(at(START)));
        let mut subject = Subject { directory, clock, engine: None };
        subject.open();
        subject
    }

    fn open(&mut self) {
        let engine = Engine::builder(self.directory.path().join("app.db"))
            .clock(Arc::clone(&self.clock) as _)
            .maintenance(Maintenance::External)
            .open();
        self.engine = Some(engine.expect("opens"));
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("is open")
    }
}

fn run(steps: &[Step]) {
    let mut subject = Subject::new();
    let mut model: Vec<Tenant> = vec![Tenant::default(); TENANTS.len()];
    let mut now = at(START).ms();
    subject.engine().load_catalog(&catalog()).expect("loads");
    for (index, name) in TENANTS.into_iter().enumerate() {
        let due = NaiveDate::from_ymd_opt(2026, 1, 31).expect("a date");
        let plan = if index == 1 { "small" } else { "full" };
        let new = NewTenant::new(name).plan(plan, due, true);
        subject.engine().create_tenant(&new).expect("is created");
        model[index].subscribe(index == 1, due, true);
    }
    for step in steps {
        take(&mut subject, &mut model, &mut now, step);
        for (name, tenant) in TENANTS.into_iter().zip(&model) {
            let mut settled = tenant.clone();
            settled.settle(now);
            for (resource, expected) in
                [("credits", &settled.credits), ("sessions", &settled.sessions)]
            {
                let (available, limit) = balance(subject.engine(), name, resource);
                assert_eq!(available, expected.available(), "{name} {resource} after {step:?}");
                assert_eq!(limit, Some(expected.used + expected.available()), "{step:?}");
            }
            let report = subject.engine().report(name).expect("reports");
            assert_eq!(report.renewals, settled.renewals, "{name} after {step:?}");
        }
    }
    assert_sound(subject.engine());
}

fn take(subject: &mut Subject, model: &mut [Tenant], now: &mut i64, step: &Step) {
    let engine = subject.engine().clone();
    let channel = "w";
    match *step {
        Step::Consume { tenant, units } => {
            model[tenant].settle(*now);
            let decision = engine.consume(TENANTS[tenant], "credits", units).expect("decides");
            assert_eq!(decision.allowed(), model[tenant].credits.take(units));
            assert_eq!(decision.used, model[tenant].credits.used);
        }
        Step::Once { tenant, units, key } => {
            model[tenant].settle(*now);
            let handle = engine.tenant(TENANTS[tenant]).expect("exists");
            let name = format!("{units}/{key}");
            let result = handle.once(&name).consume("credits", units).expect("decides");
            let slot = key * 8 + units as u8;
            let known = model[tenant].keys.get(&slot).is_some_and(|&(_, until)| until > *now);
            assert_eq!(result.replayed, known);
            if !known {
                let allowed = model[tenant].credits.take(units);
                assert_eq!(result.allowed(), allowed);
                if allowed {
                    model[tenant].keys.insert(slot, (units, *now + 7 * DAY_MS));
                }
            }
        }
        Step::Receive { tenant, contact, late_hours } => {
            model[tenant].settle(*now);
            let sent = Timestamp::from_ms(*now - late_hours * HOUR_MS);
            let name = contact.to_string();
            let message = Details { channel, contact: &name, at: Some(sent), ..Details::default() };
            let decision =
                engine.perform(TENANTS[tenant], "receive_message", &message).expect("decides");
            let expected = model[tenant].message(contact, sent.ms().min(*now), *now, true);
            let opened = decision.session.is_some_and(|session| session.opened);
            assert_eq!((decision.allowed(), opened), expected, "{step:?}");
        }
        Step::Send { tenant, contact } => {
            model[tenant].settle(*now);
            let name = contact.to_string();
            let message = Details { channel, contact: &name, ..Details::default() };
            let decision =
                engine.perform(TENANTS[tenant], "send_message", &message).expect("decides");
            let expected = model[tenant].message(contact, *now, *now, false);
            let opened = decision.session.is_some_and(|session| session.opened);
            assert_eq!((decision.allowed(), opened), expected, "{step:?}");
        }
        Step::Check { tenant, units } => {
            let mut settled = model[tenant].clone();
            settled.settle(*now);
            let decision = engine.check(TENANTS[tenant], "credits", units).expect("decides");
            assert_eq!(decision.allowed(), settled.credits.take(units));
        }
        Step::Grant { tenant, units, days } => {
            model[tenant].settle(*now);
            let expires = days.map(|days| *now + days as i64 * DAY_MS);
            engine
                .grant(
                    TENANTS[tenant],
                    "credits",
                    Source::Extra,
                    units,
                    expires.map(Timestamp::from_ms),
                    None,
                )
                .expect("grants");
            let (given, left) = (units, units);
            model[tenant].credits.grants.push(Grant { of_plan: false, given, left, expires });
        }
        Step::SetLimit { tenant, units } => {
            model[tenant].settle(*now);
            engine.set_limit(TENANTS[tenant], "credits", Limit::Finite(units)).expect("changes");
            let credits = &mut model[tenant].credits;
            let grant = credits.grants.iter_mut().find(|grant| grant.of_plan).expect("a plan");
            if units < grant.given {
                let taken_back = (grant.given - units).min(grant.left);
                grant.given -= taken_back;
                grant.left -= taken_back;
            } else {
                grant.left += units - grant.given;
                grant.given = units;
            }
            credits.limit = units;
        }
        Step::ChangePlan { tenant, small, days, auto_renew } => {
            model[tenant].settle(*now);
            let today = NaiveDate::default() + Days::new(((*now - 3 * HOUR_MS) / DAY_MS) as u64);
            let due = today + Days::new(days);
            let plan = if small { "small" } else { "full" };
            let terms = Terms { plan, first_due: due, auto_renew };
            engine.change_plan(TENANTS[tenant], &terms, None).expect("changes");
            model[tenant].subscribe(small, due, auto_renew);
        }
        Step::Wait { hours } => {
            *now += hours * HOUR_MS;
            subject.clock.set(Timestamp::from_ms(*now));
            // Nobody is away for more than 400 days at a time.
            for (name, tenant) in TENANTS.into_iter().zip(model) {
                if hours > 1_900 {
                    engine.settle(name).expect("settles");
                    tenant.settle(*now);
                }
            }
        }
        Step::Settle { tenant } => {
            model[tenant].settle(*now);
            engine.settle(TENANTS[tenant]).expect("settles");
        }
        Step::Checkpoint => {
            engine.checkpoint().expect("checkpoints");
        }
        Step::Reopen | Step::Rebuild => {
            drop(engine);
            subject.engine = None;
            if matches!(step, Step::Rebuild) {
                let live = subject.directory.path().join("app.db-live");
                std::fs::remove_file(live).expect("is removed");
            }
            subject.open();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        run(&steps);
    }
}

/// I6 on its own: settling is independent of when and in how many steps it is done.
mod settlement {
    use super::*;
    use std::collections::BTreeMap;

    use cotas::Status;
    use cotas::rules::settle::{add_grant, grant_plan};
    use cotas::rules::{Account, Rulebook, Subscription, settle, standing};

    fn account(anchor: u32, auto_renew: bool, extras: &[(u64, Option<i64>)]) -> Account {
        let start = at(START);
        let resource: cotas::ResourceId = {
            let engine = Engine::in_memory().open().expect("opens");
            engine.load_catalog(&catalog()).expect("loads");
            engine.resource("credits").expect("exists")
        };
        let first_due = NaiveDate::from_ymd_opt(2026, 1, anchor).expect("a date");
        let mut account = Account {
            status: Status::Active,
            created_at: start,
            time_zone: chrono_tz::America::Sao_Paulo,
            demo_ends_at: None,
            mark: start,
            subscription: Some(Subscription {
                id: 1,
                plan: "full".to_owned(),
                catalog_version: 1,
                first_due,
                anchor_day: anchor,
                period_months: 1,
                auto_renew,
                renewed: 0,
                max_renewals: None,
                on_lapse: cotas::catalog::OnLapse::Keep,
                grace_days: 0,
                lapsed: false,
            }),
            limits: BTreeMap::from([(resource, Limit::Finite(100))]),
            features: [0; 4],
            grants: Vec::new(),
            used: BTreeMap::new(),
            held: BTreeMap::new(),
            watches: BTreeMap::new(),
            month_start: start,
            period: 1,
            period_start: start,
            renewals: 0,
            next_grant: 1,
        };
        grant_plan(&mut account, &Rulebook::default(), start);
        for &(units, hours) in extras {
            let expires = hours.map(|hours| start.plus_ms(hours * HOUR_MS));
            add_grant(&mut account, resource, Source::Extra, units, start, expires);
        }
        account
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn i6_settling_in_steps_is_settling_at_once(
            anchor in 15..=31u32,
            auto_renew: bool,
            extras in proptest::collection::vec(
                (1..50u64, proptest::option::of(1..9_000i64)),
                0..6,
            ),
            mut looks in proptest::collection::vec(0..9_000i64, 1..12),
        ) {
            looks.sort_unstable();
            let end = looks.last().copied().unwrap_or(0);
            let start = at(START);
            let rules = Rulebook::default();
            let mut at_once = account(anchor, auto_renew, &extras);
            let mut in_steps = at_once.clone();
            let once = settle(&mut at_once, &rules, start.plus_ms(end * HOUR_MS));
            let mut closed = Vec::new();
            for hours in looks {
                let until = standing(&in_steps, &rules, in_steps.mark).valid_until;
                let now = start.plus_ms(hours * HOUR_MS);
                let settled = settle(&mut in_steps, &rules, now);
                // Before `valid_until` there was nothing to do.
                prop_assert!(now >= until || !settled.changed);
                closed.extend(settled.closed);
            }
            prop_assert_eq!(&at_once, &in_steps);
            prop_assert_eq!(once.closed, closed);
        }
    }
}
