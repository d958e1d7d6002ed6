//! The engine under test, in a file, so that it can be opened again.

use std::sync::Arc;

use cotas::{Engine, Maintenance, ManualClock, NewTenant};
use cotas_tests::at;

use crate::catalog::{PLANS, catalog};
use crate::time::{date_at, month_at};
use crate::{START, TENANTS, tenant};

/// The engine and the model, side by side.
pub struct Subject {
    pub directory: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub engine: Option<Engine>,
    pub model: Vec<tenant::Tenant>,
    pub now: i64,
    /// How often the live file has been made again.
    pub epoch: u32,
}

impl Subject {
    pub fn new() -> Subject {
        let directory = tempfile::tempdir().expect("a directory");
        let now = at(START).ms();
        let clock = Arc::new(ManualClock::new(at(START)));
        let model = Vec::new();
        let mut subject = Subject { directory, clock, engine: None, model, now, epoch: 1 };
        subject.open();
        subject.engine().load_catalog(&catalog()).expect("loads");
        for (plan, name) in TENANTS.into_iter().enumerate() {
            let due = date_at(now) + chrono::Days::new(16);
            let new = NewTenant::new(name).plan(PLANS[plan].name, due, true);
            subject.engine().create_tenant(&new).expect("is created");
            let mut tenant = tenant::Tenant::new(month_at(now), now);
            tenant.subscribe(plan, due, true);
            tenant.watch();
            subject.model.push(tenant);
        }
        subject
    }

    pub fn open(&mut self) {
        let engine = Engine::builder(self.directory.path().join("app.db"))
            .clock(Arc::clone(&self.clock) as _)
            .maintenance(Maintenance::External)
            .open();
        self.engine = Some(engine.expect("opens"));
    }

    /// Closes the engine, which leaves nothing unwritten.
    pub fn close(&mut self) {
        self.engine = None;
    }

    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("is open")
    }
}
