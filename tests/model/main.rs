//! The engine against a naive model: maps, vectors and plain loops, no shared memory, no SQLite.
//!
//! Random operations, jumps of time, checkpoints, re-opens and rebuilds; after each the engine and
//! the model say the same, and at the end the ledger adds up (I4, I5, I6).

// Resources of the model are known by their numbers; operations are plain values.
#![allow(clippy::needless_range_loop, clippy::match_ref_pats)]

mod admin;
mod catalog;
mod found;
mod handles;
mod operations;
mod session;
mod settlement;
mod steps;
mod subject;
mod tenant;
mod time;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use cotas::{EventKind, Mode, Timestamp};
use cotas_tests::assert_sound;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use catalog::{PACE, RESOURCES, SEATS};
use steps::{Operation, Step, step};
use subject::Subject;
use tenant::Tenant;
use time::place_of;

const START: &str = "2026-01-15T12:00:00-03:00";
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const WINDOW_MS: i64 = DAY_MS;
const LATE_MS: i64 = 7 * DAY_MS;
const TENANTS: [&str; 2] = ["acme", "tiny"];

fn run(steps: &[Step]) {
    let mut subject = Subject::new();
    compare_all(&mut subject);
    for step in steps {
        take(&mut subject, step);
        compare_all(&mut subject);
    }
    compare_events(&mut subject);
    assert_sound(subject.engine());
}

fn take(subject: &mut Subject, step: &Step) {
    match step {
        Step::Do { tenant, operation } => {
            // No two sessions end at once: which of them counts would be anybody's to say.
            if matches!(operation, Operation::Message { .. } | Operation::Send { .. }) {
                wait(subject, 1_000);
            }
            operations::take(subject, *tenant, operation);
        }
        Step::Wait { seconds } => wait(subject, seconds * 1_000),
        Step::Checkpoint => {
            subject.engine().checkpoint().expect("checkpoints");
        }
        Step::Reopen => {
            subject.close();
            subject.open();
        }
        Step::Rebuild => {
            subject.close();
            let live = subject.directory.path().join("app.db-live");
            std::fs::remove_file(live).expect("is removed");
            subject.epoch += 1;
            let leases = subject.model.iter_mut().flat_map(|tenant| &mut tenant.leases);
            leases.for_each(|lease| lease.stale = true);
            subject.model.iter_mut().for_each(Tenant::rebuild_sessions);
            subject.open();
        }
        Step::Events => compare_events(subject),
    }
}

fn wait(subject: &mut Subject, ms: i64) {
    // No tenant is away for more than 400 days at a time.
    for (name, tenant) in TENANTS.into_iter().zip(&mut subject.model) {
        if subject.now + ms - tenant.seen > 390 * DAY_MS {
            subject.engine.as_ref().expect("is open").settle(name).expect("settles");
            tenant.begin(subject.now);
            tenant.end(subject.now);
        }
    }
    subject.now += ms;
    subject.clock.set(Timestamp::from_ms(subject.now));
}

fn compare_all(subject: &mut Subject) {
    for tenant in 0..TENANTS.len() {
        compare(subject, tenant);
    }
}

/// Every balance, who holds seats, and how often the plan was renewed.
fn compare(subject: &mut Subject, tenant: usize) {
    let name = TENANTS[tenant];
    let report = subject.engine().report(name).expect("reports");
    // Looking takes back what has expired, and changes nothing else.
    subject.model[tenant].expire_reservations(subject.now);
    subject.model[tenant].expire_leases(subject.now);
    let mut expected = subject.model[tenant].clone();
    expected.begin(subject.now);
    assert_eq!(report.renewals, expected.renewals, "renewals of {name}");
    for (number, resource) in RESOURCES.iter().enumerate().filter(|&(number, _)| number != PACE) {
        let found = report.balances.iter().find(|it| it.resource == resource.name);
        let reported = found.map_or((0, 0, None, 0), |it| {
            let available = if it.mode == Mode::Finite { it.available } else { 0 };
            (it.used, available, it.limit(), it.held)
        });
        let held = found.map_or(0, |_| expected.held(number));
        let used = expected.in_use(number);
        let right = (used, expected.available(number), expected.contracted(number), held);
        assert_eq!(reported, right, "used, available, limit, held of {}, {name}", resource.name);
    }
    compare_seats(subject, tenant, &expected);
}

fn compare_seats(subject: &Subject, tenant: usize, expected: &Tenant) {
    let handle = subject.engine().tenant(TENANTS[tenant]).expect("exists");
    for resource in SEATS {
        let seats = handle.seats(RESOURCES[resource].name).expect("are seats").list();
        let mut reported: Vec<(String, bool)> =
            seats.expect("reads").into_iter().map(|it| (it.holder, it.pending)).collect();
        reported.sort();
        let of_it = expected.seats.iter().filter(|(of, _, _)| *of == resource);
        let mut right: Vec<(String, bool)> =
            of_it.map(|&(_, holder, pending)| (holder.to_string(), pending)).collect();
        right.sort();
        assert_eq!(reported, right, "seats of {}", RESOURCES[resource].name);
    }
}

/// What happened since the last look: as often, in whatever order.
fn compare_events(subject: &mut Subject) {
    let engine = subject.engine().clone();
    let events = engine.events(0, 10_000).expect("reads");
    let mut counts: BTreeMap<(String, String), i64> = BTreeMap::new();
    for event in &events {
        let key = (event.tenant.clone(), shown(&event.kind, event.resource.as_deref()));
        *counts.entry(key).or_default() += 1;
    }
    for (name, tenant) in TENANTS.into_iter().zip(&mut subject.model) {
        for event in tenant.events.drain(..) {
            *counts.entry((name.to_owned(), event)).or_default() -= 1;
        }
    }
    counts.retain(|_, count| *count != 0);
    assert!(
        counts.is_empty(),
        "reported more (or, below zero, less) often than right: {counts:#?}"
    );
    if let Some(last) = events.last() {
        let forgotten = engine.acknowledge_events(last.sequence).expect("forgets");
        assert_eq!(forgotten, events.len());
    }
}

fn shown(kind: &EventKind, resource: Option<&str>) -> String {
    let name = resource.unwrap_or("nothing");
    match kind {
        EventKind::Threshold { percent, used, limit } => {
            format!("{name} reached {percent}: {used} of {limit}")
        }
        EventKind::Exhausted { used, limit } => format!("{name} reached 100: {used} of {limit}"),
        EventKind::Renewed { period } => format!("renewed {period}"),
        EventKind::Lapsed => "lapsed".to_owned(),
        EventKind::StatusChanged { to, .. } => format!("is {}", to.code()),
        EventKind::PlanChanged { plan } => format!("has plan {plan}"),
        EventKind::GrantExpired { units, .. } => format!("{name} lost {units}"),
        EventKind::LeaseExpired { fencing } => format!("lease {fencing} expired"),
        EventKind::ReservationExpired { reservation } => {
            format!("reservation {} expired", place_of(&reservation.to_string()))
        }
        other => format!("{other:?}"),
    }
}

/// The same cases on every run, unless `PROPTEST_RNG_SEED` and `PROPTEST_CASES` ask for others.
fn same_as_ever() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let rng_seed = match asked.rng_seed {
        RngSeed::Random => RngSeed::Fixed(7),
        fixed => fixed,
    };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 160 };
    ProptestConfig { cases, rng_seed, ..asked }
}

/// Other cases on every run; where they fail it is said how to play them again.
fn never_seen() -> ProptestConfig {
    const CASES: u32 = 80;
    let seed = RandomState::new().build_hasher().finish();
    println!("again: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={CASES} same_as_ever");
    ProptestConfig { cases: CASES, rng_seed: RngSeed::Fixed(seed), ..ProptestConfig::default() }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..80)
}

proptest! {
    #![proptest_config(same_as_ever())]

    #[test]
    fn the_engine_does_what_the_model_does_in_cases_that_are_the_same_as_ever(steps in steps()) {
        run(&steps);
    }
}

proptest! {
    #![proptest_config(never_seen())]

    #[test]
    fn the_engine_does_what_the_model_does_in_cases_never_seen(steps in steps()) {
        run(&steps);
    }
}
