//! What is done with a damaged database: everything of each kind is used up, and looked at.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cotas::{Decision, Details, Engine, Error, Limit, Maintenance, ManualClock};
use cotas_tests::{NOON, add_tenant, at, catalog};

const TENANTS: [&str; 2] = ["acme", "beta"];

/// What each tenant has, and how much of it was used before the damage.
const RESOURCES: [(&str, u64, u64); 6] = [
    ("credits", 40, 23),
    ("sms", 10, 4),
    ("sessions", 40, 18),
    ("users", 6, 2),
    ("calls", 5, 2),
    ("storage_mb", 100, 60),
];

fn open(path: &Path, clock: &Arc<ManualClock>) -> Result<Engine, Error> {
    Engine::builder(path)
        .clock(Arc::clone(clock) as _)
        .maintenance(Maintenance::External)
        .checkpoint_interval(Duration::from_secs(3600))
        .open()
}

/// Makes the database, with something of every kind in it, in part later than the last checkpoint.
pub fn make(path: &Path) -> Engine {
    let clock = Arc::new(ManualClock::new(at(NOON)));
    let engine = open(path, &clock).expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    for tenant in TENANTS {
        add_tenant(&engine, tenant, "full", "2026-06-20", true);
        for (resource, limit, _) in RESOURCES {
            engine.set_limit(tenant, resource, Limit::Finite(limit)).expect("is set");
        }
    }
    for (resource, _, used) in RESOURCES {
        for tenant in TENANTS {
            for number in 0..used {
                if number == used / 2 {
                    engine.checkpoint().expect("writes");
                }
                let decision = one(&engine, tenant, resource, "old", number).expect("decides");
                assert!(decision.allowed(), "{resource}: {decision:?}");
            }
        }
    }
    engine
}

/// One unit, however that is had.
fn one(
    engine: &Engine,
    tenant: &str,
    resource: &str,
    era: &str,
    number: u64,
) -> Result<Decision, Error> {
    let tenant = engine.tenant(tenant)?;
    let who = format!("{era}{number}");
    match resource {
        "sessions" => {
            let details = Details { contact: &who, channel: "whatsapp", ..Details::default() };
            tenant.perform("receive_message", &details)
        }
        "users" => tenant.seats(resource)?.occupy(&who),
        "calls" => tenant.leases(resource)?.acquire(&who, None),
        "storage_mb" => tenant.meter(resource)?.add(1),
        "credits" if number.is_multiple_of(3) => tenant.once(&who).consume(resource, 1),
        "sms" if number.is_multiple_of(2) => {
            tenant.reserve(&[(resource, 1)], Duration::from_secs(3600))
        }
        _ => tenant.consume(resource, 1),
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Seen {
    /// Codes of the errors.
    errors: Vec<i32>,
    findings: usize,
    /// What was admitted beyond its limit.
    pub over: String,
}

impl Seen {
    pub fn is_reported(&self) -> bool {
        self.findings > 0 || !self.errors.is_empty()
    }

    pub fn to_text(&self) -> String {
        let codes: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        format!("{}\n{}\n{}", codes.join(" "), self.findings, self.over)
    }

    pub fn from_text(text: &str) -> Seen {
        let mut lines = text.split('\n');
        let mut line = || lines.next().unwrap_or_default();
        let errors = line().split_whitespace().map(|it| it.parse().expect("a code")).collect();
        let findings = line().parse().expect("a number");
        Seen { errors, findings, over: line().to_owned() }
    }

    fn note<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.errors.push(error.code())).ok()
    }
}

/// Opens the database, uses it up, and goes on into another period.
pub fn run(path: &Path) -> Seen {
    let clock = Arc::new(ManualClock::new(at(NOON)));
    let mut seen = Seen::default();
    let Some(engine) = seen.note(open(path, &clock)) else { return seen };
    // A file that counts as another boot's is made again, and that is said.
    seen.findings += usize::from(engine.opening().may_miss_consumption);
    for tenant in TENANTS {
        for (resource, limit, used) in RESOURCES {
            use_up(&engine, tenant, (resource, limit, used), &mut seen);
        }
    }
    verify(&engine, &mut seen);
    // From here on it must live; what it says counts as said.
    for tenant in TENANTS {
        seen.note(engine.report(tenant));
        seen.note(engine.usage(tenant));
    }
    seen.note(engine.events(0, 1000));
    clock.advance_ms(40 * 24 * 3_600_000);
    seen.note(engine.maintain());
    for tenant in TENANTS {
        seen.note(one(&engine, tenant, "credits", "later", 1));
        seen.note(one(&engine, tenant, "sessions", "later", 1));
    }
    verify(&engine, &mut seen);
    drop(engine);
    let Some(engine) = seen.note(open(path, &clock)) else { return seen };
    verify(&engine, &mut seen);
    seen
}

fn use_up(engine: &Engine, tenant: &str, of: (&str, u64, u64), seen: &mut Seen) {
    let (resource, limit, used) = of;
    let mut admitted = 0;
    for number in 0..limit + 20 {
        match one(engine, tenant, resource, "new", number) {
            Ok(decision) if decision.allowed() => admitted += 1,
            Ok(_) => break,
            Err(error) => {
                seen.errors.push(error.code());
                break;
            }
        }
    }
    if used + admitted > limit {
        seen.over += &format!("{tenant} {resource} {used}+{admitted} of {limit}; ");
    }
}

fn verify(engine: &Engine, seen: &mut Seen) {
    if let Some(findings) = seen.note(engine.verify()) {
        seen.findings += findings.len();
    }
}
