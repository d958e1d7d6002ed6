//! Every operation beside a plain consume by name: what touches only the live file, what takes an
//! expired lease back among few and among many, and what is a transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cotas::{
    Decision, Details, Direction, Error, Maintenance, ManualClock, Source, SystemClock, Tenant,
    Timestamp,
};
use criterion::{Bencher, Criterion, SamplingMode, measurement::WallTime};

use crate::fixture::Fixture;

/// As the other benchmarks' catalog, with a resource of every kind.
const CATALOG: &str = r#"
    [catalog]
    currency = "BRL"
    [resources.sessions]
    kind = "session"
    window = "24h"
    late = "1m"
    [resources.credits]
    kind = "allowance"
    [resources.sms]
    kind = "allowance"
    [resources.minutes]
    kind = "allowance"
    [resources.storage]
    kind = "meter"
    reset = "never"
    [resources.calls]
    kind = "lease"
    ttl = "60s"
    [resources.pace]
    kind = "rate"
    every = "1s"
    [resources.users]
    kind = "seat"
    [plans.full]
    title = "Plano full"
    price = "299.00"
    [plans.full.limits]
    sessions = 1_000_000_000_000_000
    credits = 1_000_000_000_000_000
    sms = 1_000_000_000_000_000
    minutes = 1_000_000_000_000_000
    storage = 1_000_000_000_000_000
    calls = 1_000_000
    pace = 100_000_000_000
    users = 1_000_000
    [actions.charge_one]
    charge = { sms = 1 }
    [actions.charge_three]
    charge = { sms = 1, credits = 1, minutes = 1 }
"#;

const NAME: &str = "padaria-aurora";
const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
const KEYS: usize = 10_000;
/// Operations between two checkpoints that are not part of the time: they change fewer entries
/// than a tenant's list of changes has capacity for.
const BATCH: u64 = 2_000;
/// The same where each reports two expired leases.
const RECLAIMING_BATCH: u64 = 25;
/// Keys that live at once where as many expire as are made, and where a tenant begins; a tenant
/// with more than so many drops one for another.
const LIVING: u64 = 10_000;
const LIVING_MAX: u64 = 50_000;
const LEASES: u64 = 100_000;
const HOUR: Duration = Duration::from_hours(1);

/// One tenant, and a checkpoint whenever the benchmark wants one.
struct Host {
    fixture: Fixture,
    tenant: Tenant,
    made: u64,
}

impl Host {
    fn new() -> Host {
        Host::with_clock(Arc::new(SystemClock))
    }

    fn with_clock(clock: Arc<dyn cotas::Clock>) -> Host {
        let names = [NAME.to_owned()];
        let fixture = Fixture::with_catalog(CATALOG, clock, Maintenance::External, &names);
        let tenant = fixture.engine.tenant(NAME).expect("the tenant");
        let host = Host { fixture, tenant, made: 0 };
        host.checkpoint();
        host
    }

    fn checkpoint(&self) {
        self.fixture.engine.checkpoint().expect("a checkpoint");
    }

    /// Names that no tenant has had before.
    fn new_names(&mut self, count: u64) -> Vec<String> {
        let names = (self.made..self.made + count).map(|number| format!("op-{number:012}"));
        self.made += count;
        names.collect()
    }

    /// Does `work` with a new name each time, in batches of `batch`. What is between them, names
    /// and checkpoints, is no part of the time.
    fn in_batches(
        &mut self,
        batch: u64,
        iterations: u64,
        mut work: impl FnMut(&Tenant, &str),
    ) -> Duration {
        let mut time = Duration::ZERO;
        let mut rest = iterations;
        while rest > 0 {
            let names = self.new_names(rest.min(batch));
            let begun = Instant::now();
            for name in &names {
                work(&self.tenant, name);
            }
            time += begun.elapsed();
            self.checkpoint();
            rest -= names.len() as u64;
        }
        time
    }
}

/// The time of some of the operations that were done. Always whole batches are, for the first few
/// after a checkpoint find nothing in the processor's caches, and how many are asked for at once
/// depends on how long the very first took.
fn share(time: Duration, of: u64, all: u64) -> Duration {
    Duration::from_nanos((time.as_nanos() * u128::from(of) / u128::from(all)) as u64)
}

fn allowed(decision: Result<Decision, Error>) -> Decision {
    let decision = decision.expect("a decision");
    assert!(decision.allowed(), "denied");
    decision
}

fn measure<T>(bencher: &mut Bencher<'_, WallTime>, mut work: impl FnMut() -> T) {
    bencher.iter(|| {
        work();
    });
}

/// Operations that touch only the live file.
pub fn live(criterion: &mut Criterion) {
    plain(criterion);
    paced(criterion);
    leased(criterion);
    made(criterion);
}

/// Those that leave nothing behind.
fn plain(criterion: &mut Criterion) {
    let host = Host::new();
    let (engine, tenant) = (&host.fixture.engine, &host.tenant);
    let nothing = Details::default();
    let message = Details { channel: "whatsapp-1", contact: "5511990000001", ..nothing };
    let meter = tenant.meter("storage").expect("the meter");
    let mut group = criterion.benchmark_group("operations");
    group.bench_function("consume_by_name", |bencher| {
        measure(bencher, || allowed(engine.consume(NAME, "credits", 1)));
    });
    group.bench_function("perform", |bencher| {
        measure(bencher, || allowed(tenant.perform("charge_one", &nothing)));
    });
    group.bench_function("perform_three", |bencher| {
        measure(bencher, || allowed(tenant.perform("charge_three", &nothing)));
    });
    group.bench_function("check_action", |bencher| {
        measure(bencher, || allowed(tenant.check_action("charge_one", &nothing)));
    });
    group.bench_function("admit", |bencher| {
        measure(bencher, || allowed(tenant.admit("sessions", Direction::Outbound, &message)));
    });
    group.bench_function("meter_add", |bencher| measure(bencher, || allowed(meter.add(1))));
    let _ = allowed(meter.add(1_000_000_000_000));
    group.bench_function("meter_subtract", |bencher| {
        measure(bencher, || allowed(meter.subtract(1)));
    });
    group.bench_function("meter_set", |bencher| {
        let mut value = 0;
        measure(bencher, || {
            value ^= 1; // Up, and down again.
            allowed(meter.set(1_000_000_000 + value))
        });
    });
    group.finish();
}

/// Rates: of one key, and of many in turn.
fn paced(criterion: &mut Criterion) {
    let mut host = Host::new();
    let mut group = criterion.benchmark_group("operations");
    group.bench_function("rate_pass", |bencher| {
        let rate = host.tenant.rate("pace").expect("the rate");
        measure(bencher, || allowed(rate.pass("5511990000001", 1)));
    });
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    group.measurement_time(Duration::from_millis(200));
    group.bench_function("rate_pass_of_10000_keys", |bencher| {
        let keys: Vec<_> = (0..KEYS).map(|number| format!("55119{number:08}")).collect();
        let mut turn = keys.iter().cycle();
        bencher.iter_custom(|iterations| {
            let all = iterations.next_multiple_of(BATCH);
            let time = host.in_batches(BATCH, all, |tenant, _| {
                let rate = tenant.rate("pace").expect("the rate");
                let _ = allowed(rate.pass(turn.next().expect("no end"), 1));
            });
            share(time, iterations, all)
        });
    });
    group.finish();
}

/// Leases of one holder.
fn leased(criterion: &mut Criterion) {
    let host = Host::new();
    let leases = host.tenant.leases("calls").expect("the leases");
    let fencing = |decision: Decision| decision.lease.expect("a lease").fencing;
    let mut group = criterion.benchmark_group("operations");
    group.bench_function("lease_acquire_release", |bencher| {
        measure(bencher, || {
            let number = fencing(allowed(leases.acquire("call-1", None)));
            leases.release("call-1", number).expect("released");
        });
    });
    group.bench_function("lease_renew", |bencher| {
        let number = fencing(allowed(leases.acquire("call-2", Some(24 * HOUR))));
        measure(bencher, || leases.renew("call-2", number, Some(24 * HOUR)).expect("renewed"));
    });
    group.finish();
}

/// Those that leave an entry behind: a key, a reservation.
fn made(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("operations");
    let host = Host::new();
    group.bench_function("consume_known_key", |bencher| {
        let once = host.tenant.once("op-1");
        let _ = allowed(once.consume("credits", 1));
        measure(bencher, || assert!(allowed(once.consume("credits", 1)).replayed));
    });
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    // Most of these rows' wall time goes into checkpoints that they do not count.
    group.measurement_time(Duration::from_millis(100)).warm_up_time(Duration::from_millis(50));
    let mut row = |name: &str, work: &dyn Fn(&Tenant, &str)| {
        let begun = || {
            let mut host = Host::new();
            host.in_batches(BATCH, LIVING, work);
            host
        };
        let mut host = None;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let batches = iterations.div_ceil(BATCH);
                let mut time = Duration::ZERO;
                for _ in 0..batches {
                    let tenant = host.get_or_insert_with(begun);
                    time += tenant.in_batches(BATCH, BATCH, work);
                    if tenant.made > LIVING_MAX {
                        host = None;
                    }
                }
                share(time, iterations, batches * BATCH)
            });
        });
    };
    row("consume_new_key", &|tenant, key| {
        let _ = allowed(tenant.once(key).consume("credits", 1));
    });
    row("refund", &|tenant, key| {
        let receipt = allowed(tenant.once(key).consume("credits", 1)).receipt;
        tenant.refund(&receipt.expect("a receipt")).expect("refunded");
    });
    row("reserve_commit", &|tenant, _| {
        let id = allowed(tenant.reserve(&[("credits", 3)], HOUR)).reservation;
        tenant.commit(&id.expect("a reservation")).expect("committed");
    });
    row("reserve_release", &|tenant, _| {
        let id = allowed(tenant.reserve(&[("credits", 3)], HOUR)).reservation;
        tenant.release(&id.expect("a reservation")).expect("released");
    });
    let clock = Arc::new(ManualClock::new(START));
    let mut host = Host::with_clock(clock.clone());
    let work = |tenant: &Tenant, key: &str| {
        clock.advance_ms(1);
        let once = tenant.once(key).kept_for(Duration::from_millis(LIVING));
        let _ = allowed(once.consume("credits", 1));
    };
    host.in_batches(BATCH, 2 * LIVING, work);
    group.bench_function("consume_new_key_as_one_expires", |bencher| {
        bencher.iter_custom(|iterations| {
            let all = iterations.next_multiple_of(BATCH);
            share(host.in_batches(BATCH, all, work), iterations, all)
        });
    });
    group.finish();
}

/// A tenant with as many leases, the first of which expires after a day, and one more with every
/// millisecond after that.
struct BenchTable {
    host: Host,
    clock: Arc<ManualClock>,
    taken: u64,
}

impl BenchTable {
    const FIRST: Duration = Duration::from_hours(24);

    fn new(expired: u64) -> BenchTable {
        let clock = Arc::new(ManualClock::new(START));
        let mut host = Host::with_clock(clock.clone());
        let mut ttl = BenchTable::FIRST;
        host.in_batches(BATCH, LEASES, |tenant, holder| {
            let leases = tenant.leases("calls").expect("the leases");
            let _ = allowed(leases.acquire(holder, Some(ttl)));
            ttl += Duration::from_millis(1);
        });
        clock.advance_ms(BenchTable::FIRST.as_millis() as i64 + expired as i64 - 1);
        BenchTable { host, clock, taken: 0 }
    }

    /// Takes `count` leases; each takes back two that have expired, and two more expire.
    fn take(&mut self, count: u64) -> Duration {
        self.taken += count;
        let clock = &self.clock;
        self.host.in_batches(RECLAIMING_BATCH, count, |tenant, holder| {
            let leases = tenant.leases("calls").expect("the leases");
            let _ = allowed(leases.acquire(holder, Some(100 * BenchTable::FIRST)));
            clock.advance_ms(2);
        })
    }
}

/// Taking a lease where some have expired and where all have: the table is the same otherwise.
pub fn reclaiming(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lease_as_two_expire");
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    group.measurement_time(Duration::from_millis(5)).warm_up_time(Duration::from_millis(1));
    for expired in [10, LEASES] {
        let mut table = BenchTable::new(expired);
        group.bench_function(format!("of_{expired}"), |bencher| {
            bencher.iter_custom(|iterations| {
                if table.taken + iterations > LEASES / 4 {
                    table = BenchTable::new(expired);
                }
                table.take(iterations)
            });
        });
    }
    group.finish();
}

/// Operations that wait for the disk.
pub fn administering(criterion: &mut Criterion) {
    let host = Host::new();
    let mut group = criterion.benchmark_group("administer");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.measurement_time(Duration::from_millis(500)).warm_up_time(Duration::from_millis(50));
    group.bench_function("seats_occupy_release", |bencher| {
        let seats = host.tenant.seats("users").expect("the seats");
        measure(bencher, || {
            let _ = allowed(seats.occupy("ana"));
            assert!(seats.release("ana").expect("released"), "there was none");
        });
    });
    group.bench_function("grant", |bencher| {
        // A grant that is over with the next look, lest the list of them grow.
        let engine = &host.fixture.engine;
        measure(bencher, || {
            let until = engine.now().plus_ms(20);
            engine.grant(NAME, "sms", Source::Extra, 1, Some(until), None).expect("granted");
        });
    });
    group.finish();
}
