//! Checking and consuming: by handle, by name, on one thread and on four, with one tenant and
//! with many.

use cotas::{Decision, Engine, Error};
use criterion::{Bencher, BenchmarkGroup, Criterion, measurement::WallTime};
use governor::DefaultKeyedRateLimiter;

use crate::fixture::{Fixture, shuffled_names};
use crate::peers::{GuardedUpdate, governor_direct, governor_keyed, sqlite};
use crate::threads::spread;

const TENANTS: usize = 10_000;
const THREADS: u32 = 4;
const NAME: &str = "padaria-aurora";
const RESOURCE: &str = "credits";

/// All that a host asks of a decision in most cases.
fn allowed(decision: Result<Decision, Error>) -> bool {
    decision.is_ok_and(|decision| decision.allowed())
}

fn one_name() -> Vec<String> {
    vec![NAME.to_owned()]
}

/// One tenant, one thread.
pub fn one_thread(criterion: &mut Criterion) {
    let fixture = Fixture::new(&one_name());
    let engine = &fixture.engine;
    let tenant = engine.tenant(NAME).expect("the tenant");
    let credits = engine.resource(RESOURCE).expect("the resource");
    let direct = governor_direct();
    let keyed = governor_keyed(&one_name());
    let key = NAME.to_owned();
    let connection = sqlite(fixture.directory.path(), 0);
    let mut update = GuardedUpdate::new(&connection);

    let mut group = criterion.benchmark_group("consume");
    group.bench_function("cotas_by_handle", |bencher| {
        measure(bencher, || allowed(tenant.consume(credits, 1)));
    });
    group.bench_function("governor_direct", |bencher| {
        measure(bencher, || direct.check().is_ok());
    });
    group.bench_function("cotas_check_by_handle", |bencher| {
        measure(bencher, || allowed(tenant.check(credits, 1)));
    });
    group.bench_function("cotas_by_name", |bencher| {
        measure(bencher, || allowed(engine.consume(NAME, RESOURCE, 1)));
    });
    group.bench_function("governor_keyed", |bencher| {
        measure(bencher, || keyed.check_key(&key).is_ok());
    });
    group.bench_function("sqlite_update", |bencher| {
        measure(bencher, || update.run());
    });
    group.finish();
}

/// Ten thousand tenants in turn, by name, on one thread and on four.
pub fn many_tenants(criterion: &mut Criterion) {
    let names = shuffled_names(TENANTS);
    let fixture = Fixture::new(&names);
    let keyed = governor_keyed(&names);
    for threads in [1, THREADS] {
        let mut group = criterion.benchmark_group(format!("consume_{TENANTS}_tenants_{threads}"));
        in_turn(&mut group, threads, &fixture.engine, &keyed, &names);
        group.finish();
    }
}

fn in_turn(
    group: &mut BenchmarkGroup<'_, WallTime>,
    threads: u32,
    engine: &Engine,
    keyed: &DefaultKeyedRateLimiter<String>,
    names: &[String],
) {
    // Threads begin far from each other and go around.
    let from = |thread: u32| {
        let mut turn = names.iter().cycle();
        turn.nth(thread as usize * names.len() / THREADS as usize);
        move || turn.next().expect("names without end")
    };
    group.bench_function("cotas_by_name", |bencher| {
        bencher.iter_custom(|iterations| {
            spread(threads, iterations, |thread| {
                let mut next = from(thread);
                move || allowed(engine.consume(next(), RESOURCE, 1))
            })
        });
    });
    group.bench_function("governor_keyed", |bencher| {
        bencher.iter_custom(|iterations| {
            spread(threads, iterations, |thread| {
                let mut next = from(thread);
                move || keyed.check_key(next()).is_ok()
            })
        });
    });
}

/// One tenant that four threads want at the same time.
pub fn four_threads(criterion: &mut Criterion) {
    let fixture = Fixture::new(&one_name());
    let engine = &fixture.engine;
    let tenant = &engine.tenant(NAME).expect("the tenant");
    let credits = engine.resource(RESOURCE).expect("the resource");
    let direct = &governor_direct();
    let keyed = &governor_keyed(&one_name());
    let key = &NAME.to_owned();

    let mut group = criterion.benchmark_group(format!("consume_{THREADS}_threads"));
    group.bench_function("cotas_by_handle", |bencher| {
        together(bencher, || allowed(tenant.consume(credits, 1)));
    });
    group.bench_function("governor_direct", |bencher| together(bencher, || direct.check().is_ok()));
    group.bench_function("cotas_by_name", |bencher| {
        together(bencher, || allowed(engine.consume(NAME, RESOURCE, 1)));
    });
    group.bench_function("governor_keyed", |bencher| {
        together(bencher, || keyed.check_key(key).is_ok());
    });
    group.finish();
}

fn measure(bencher: &mut Bencher<'_, WallTime>, mut work: impl FnMut() -> bool) {
    bencher.iter(|| assert!(work(), "denied"));
}

fn together(bencher: &mut Bencher<'_, WallTime>, work: impl Fn() -> bool + Sync) {
    bencher.iter_custom(|iterations| spread(THREADS, iterations, |_| &work));
}
