//! What the benchmarks run on: a catalog, a database in a temporary directory, tenants.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use chrono::NaiveDate;
use cotas::{Catalog, Clock, Engine, Maintenance, NewTenant};
use tempfile::TempDir;

/// Limits are finite and out of reach.
const CATALOG: &str = r#"
    [catalog]
    currency = "BRL"
    [resources.sessions]
    kind = "session"
    window = "24h"
    late = "1m"
    [resources.credits]
    kind = "allowance"
    [plans.full]
    title = "Plano full"
    price = "299.00"
    limits = { sessions = 1_000_000_000_000_000, credits = 1_000_000_000_000_000 }
    [actions.receive_message]
    gate = "receive"
    session = { resource = "sessions", open = "if_none", extend = true }
"#;

/// How long a session of the catalog lasts.
pub const WINDOW_MS: i64 = 24 * 60 * 60 * 1_000;

/// An engine on a database of its own, which goes with it.
pub struct Fixture {
    pub engine: Engine,
    // Dropped after the engine, which still writes to it.
    pub directory: TempDir,
}

impl Fixture {
    /// With the machine's clock, and checkpoints as they are by default.
    pub fn new(tenants: &[String]) -> Fixture {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let engine = Engine::open(directory.path().join("cotas.db")).expect("a new database");
        Fixture { engine, directory }.with_tenants(tenants)
    }

    /// With a clock that is set to a time.
    pub fn with_clock(clock: Arc<dyn Clock>, maintenance: Maintenance, tenant: &str) -> Fixture {
        Fixture::with_catalog(CATALOG, clock, maintenance, &[tenant.to_owned()])
    }

    /// With another catalog.
    pub fn with_catalog(
        catalog: &str,
        clock: Arc<dyn Clock>,
        maintenance: Maintenance,
        tenants: &[String],
    ) -> Fixture {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let builder = Engine::builder(directory.path().join("cotas.db"));
        let engine = builder.clock(clock).maintenance(maintenance).open().expect("a new database");
        Fixture { engine, directory }.with_tenants_of(catalog, tenants)
    }

    fn with_tenants(self, names: &[String]) -> Fixture {
        self.with_tenants_of(CATALOG, names)
    }

    fn with_tenants_of(self, catalog: &str, names: &[String]) -> Fixture {
        let catalog = Catalog::parse(catalog, "catalog.toml").expect("a valid catalog");
        self.engine.load_catalog(&catalog).expect("a catalog that fits");
        // Far enough away that no run sees a renewal.
        let due = NaiveDate::from_ymd_opt(2199, 12, 31).expect("a date");
        let tenants: Vec<_> =
            names.iter().map(|name| NewTenant::new(name).plan("full", due, true)).collect();
        let created = self.engine.ensure_tenants(&tenants).expect("tenants");
        assert_eq!(created, names.len());
        self
    }
}

/// So many names, in an order that has nothing to do with where their tenants lie.
pub fn shuffled_names(count: usize) -> Vec<String> {
    let mut names: Vec<_> = (0..count).map(|number| format!("tenant-{number:06}")).collect();
    names.sort_by_key(|name| {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        hasher.finish()
    });
    names
}

/// The phone number of contact `number`: neighbours in number are strangers in the alphabet.
pub fn phone(number: u64) -> String {
    const SPREAD: u64 = 61_803_399; // Has no factor in common with the next: a permutation.
    const NUMBERS: u64 = 100_000_000;
    format!("551199{:08}", number * SPREAD % NUMBERS)
}
