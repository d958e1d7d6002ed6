//! Contacts' sessions: going on with one that is open, and opening one where 100,000 are open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cotas::{Details, Maintenance, ManualClock, Tenant, Timestamp};
use criterion::{Criterion, SamplingMode};

use crate::fixture::{Fixture, WINDOW_MS, phone};
use crate::peers::{OpenSession, sqlite};

const OPEN: u64 = 100_000;
const NAME: &str = "padaria-aurora";
const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// Sessions opened between two checkpoints that are not part of the time: fewer than a tenant's
/// list of changes has capacity for.
const BATCH: u64 = 2_000;

/// A tenant with as many sessions open as a busy help desk has. Each new contact comes when the
/// oldest session ends, so that their number stays the same.
struct Desk {
    fixture: Fixture,
    tenant: Tenant,
    clock: Arc<ManualClock>,
    contacts: u64,
}

impl Desk {
    fn new(maintenance: Maintenance) -> Desk {
        let clock = Arc::new(ManualClock::new(START));
        let fixture = Fixture::with_clock(clock.clone(), maintenance, NAME);
        let tenant = fixture.engine.tenant(NAME).expect("the tenant");
        let mut desk = Desk { fixture, tenant, clock, contacts: 0 };
        desk.open(OPEN);
        desk
    }

    /// Opens a session for each of `count` new contacts; says how long that took. Their numbers
    /// are written down before.
    fn open(&mut self, count: u64) -> Duration {
        let contacts: Vec<_> = (self.contacts..self.contacts + count).map(phone).collect();
        self.contacts += count;
        let begun = Instant::now();
        for contact in &contacts {
            self.clock.advance_ms(WINDOW_MS / OPEN as i64);
            assert!(self.admit(contact), "the session was open already");
        }
        begun.elapsed()
    }

    /// Says whether the message has opened a session.
    fn admit(&self, contact: &str) -> bool {
        let message = Details { channel: "whatsapp-1", contact, ..Details::default() };
        let decision = self.tenant.perform("receive_message", &message).expect("a decision");
        assert!(decision.allowed(), "denied");
        decision.session.is_some_and(|session| session.opened)
    }

    fn checkpoint(&self) {
        self.fixture.engine.checkpoint().expect("a checkpoint");
    }
}

/// Messages inside a session: of one contact, and of all in turn.
pub fn open_already(criterion: &mut Criterion) {
    let desk = Desk::new(Maintenance::External);
    desk.checkpoint();
    let contacts: Vec<_> = (0..OPEN).map(phone).collect();
    let mut group = criterion.benchmark_group("admit_in_open_session");
    group.bench_function("cotas_one_contact", |bencher| {
        let contact = phone(OPEN - 1);
        bencher.iter(|| assert!(!desk.admit(&contact), "it was opened"));
    });
    group.bench_function("cotas_all_contacts", |bencher| {
        // The first contact's session has just ended.
        let mut turn = contacts.iter().skip(1).cycle();
        bencher.iter(|| assert!(!desk.admit(turn.next().expect("no end")), "it was opened"));
    });
    group.finish();
}

/// Opening: the decision alone, the decision with the checkpoints that go on behind it, and the
/// transaction that does the same in SQLite.
pub fn opening(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open_session");
    group.sampling_mode(SamplingMode::Flat).sample_size(20);

    let mut desk = Desk::new(Maintenance::External);
    // Most of this row's wall time goes into checkpoints that it does not count.
    group.measurement_time(Duration::from_millis(200)).warm_up_time(Duration::from_millis(200));
    group.bench_function("cotas", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut rest = iterations;
            let mut time = Duration::ZERO;
            while rest > 0 {
                let batch = rest.min(BATCH);
                time += desk.open(batch);
                desk.checkpoint();
                rest -= batch;
            }
            time
        });
    });
    drop(desk);

    let directory = tempfile::tempdir().expect("a temporary directory");
    let connection = sqlite(directory.path(), OPEN);
    let mut transaction = OpenSession::new(&connection);
    let mut next = OPEN..;
    group.measurement_time(Duration::from_secs(3));
    group.bench_function("sqlite_transaction", |bencher| {
        bencher.iter_custom(|iterations| {
            let contacts: Vec<_> = next.by_ref().take(iterations as usize).map(phone).collect();
            let begun = Instant::now();
            for contact in &contacts {
                assert!(transaction.run(contact), "the session was open already");
            }
            begun.elapsed()
        });
    });

    let mut desk = Desk::new(Maintenance::Thread);
    group.bench_function("cotas_with_checkpoints", |bencher| {
        bencher.iter_custom(|iterations| {
            let time = desk.open(iterations);
            let begun = Instant::now();
            desk.checkpoint();
            time + begun.elapsed()
        });
    });
    group.finish();
}
