//! Every kind of operation, each reported before and after.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cotas::{
    Decision, Details, Engine, Error, Limit, NewTenant, Resolution, Source, Status, Terms,
};

use crate::page::Page;
use crate::record::{Op, Phase, Record, Wrong};
use crate::rng::Rng;
use crate::worker::{Orders, broken};
use crate::world::{
    self, CONSUMERS, Ending, GOVERNED, RESERVED, bought_units, ending, granted_units, keyed_units,
    spaces,
};

/// Longer than any run.
const LONG: Duration = Duration::from_secs(300 * 86_400);

/// One thread of a worker.
pub struct Thread<'a> {
    orders: &'a Orders,
    number: u32,
    engine: &'a Engine,
    /// The same engine, which waits for the disk.
    blocking: &'a Engine,
    page: Page,
    /// Tenants created so far.
    created: u64,
    /// What this thread has added to the meter and not taken back.
    added: u64,
    seated: Option<bool>,
    leased: Option<u64>,
}

/// What came of an operation: how far, units used afterwards, a number.
type Outcome = Result<(Phase, u64, u64), Error>;

fn of(decision: &Decision) -> (Phase, u64, u64) {
    let phase = match (decision.allowed(), decision.replayed) {
        (false, _) => Phase::Denied,
        (true, false) => Phase::Done,
        (true, true) => Phase::Again,
    };
    (phase, decision.used, 0)
}

fn done<T>(_: T) -> (Phase, u64, u64) {
    (Phase::Done, 0, 0)
}

impl<'a> Thread<'a> {
    pub fn new(
        orders: &'a Orders,
        number: u32,
        engine: &'a Engine,
        blocking: &'a Engine,
        page: Page,
    ) -> Thread<'a> {
        let (created, added, seated, leased) = (0, 0, None, None);
        Thread { orders, number, engine, blocking, page, created, added, seated, leased }
    }

    /// One operation. `forking`: held by a thread that forks, and by one that must not be forked.
    pub fn step(&mut self, rng: &mut Rng, forking: &Mutex<()>) {
        let is_child = self.number >= 100;
        match rng.below(1000) {
            0..400 => self.consume(rng),
            400..520 => self.keyed(rng),
            520..560 => self.refund(rng),
            560..680 => self.reserve(rng),
            680..800 => self.receive(rng),
            800..850 => self.measure(rng),
            850..890 => self.pass(rng),
            890..950 => self.perform(rng),
            950..962 if !is_child => self.lease(rng),
            962..968 if !is_child => self.seat(rng),
            968..974 => self.grant(rng),
            974..978 => self.buy(rng),
            978..981 if !is_child => self.create(),
            981..983 => self.plan(rng),
            983..985 => self.catalog(rng),
            985..990 if !is_child => {
                let _alone = forking.lock().unwrap_or_else(PoisonError::into_inner);
                self.govern(rng);
            }
            990..996 => self.watch_governed(),
            _ => self.maintain(rng),
        }
    }

    /// Reports that something is about to be done, has it done, and reports what came of it.
    fn reported(&self, op: Op, subject: u64, units: u64, work: impl FnOnce() -> Outcome) -> Phase {
        let thread = self.number;
        let record =
            |phase, used, number| Record { phase, op, thread, subject, units, used, number };
        record(Phase::Intent, 0, 0).report();
        let (phase, used, number) = match work() {
            Ok(outcome) => outcome,
            Err(Error::AlreadyRefunded | Error::AlreadyResolved(_) | Error::TenantExists(_)) => {
                (Phase::Again, 0, 0)
            }
            Err(Error::DurabilityUnknown) => (Phase::Unknown, 0, 0),
            // Another holds what it takes, stopped or slow; nothing was changed.
            Err(error) if matches!(error.code(), 202 | 500 | 501) => (Phase::Busy, 0, 0),
            Err(error) => {
                broken(thread, op, Wrong::Error, error.code() as u64, &error.to_string());
                (Phase::Unknown, 0, 0)
            }
        };
        record(phase, used, number).report();
        phase
    }

    /// A number of this wave's range.
    fn key(&self, rng: &mut Rng, space: u64) -> u64 {
        self.page.wave() * space + rng.below(space)
    }

    fn checked(&self, op: Op, decision: &Decision) {
        let over = decision.limit().is_some_and(|limit| decision.used > limit);
        if decision.allowed() && !decision.replayed && over {
            let why = format!("{} of {:?}", decision.used, decision.limit());
            broken(self.number, op, Wrong::Over, decision.used, &why);
        }
    }

    fn consume(&mut self, rng: &mut Rng) {
        let which = rng.below(GOVERNED);
        let units = 1 + rng.below(3);
        let engine = if rng.one_in(32) { self.blocking } else { self.engine };
        let name = CONSUMERS[which as usize];
        self.reported(Op::Consume, which, units, || {
            let decision = engine.consume(name, "credits", units)?;
            self.checked(Op::Consume, &decision);
            Ok(of(&decision))
        });
    }

    /// A decision between two looks at what an administrator has said.
    fn watch_governed(&mut self) {
        let before = self.page.governed();
        self.reported(Op::Consume, GOVERNED, 1, || {
            let decision = self.engine.consume(CONSUMERS[GOVERNED as usize], "credits", 1)?;
            if let Some(terms) = before.filter(|it| it.limit() > 0)
                && self.page.governed() == Some(terms)
            {
                let denied_by_status = decision.reason() == Some(cotas::Reason::StatusForbids);
                // A limit that was set below what is used takes back nothing that is used.
                let used_up = !decision.allowed() && decision.used >= terms.limit();
                let is_shown = decision.limit() == Some(terms.limit()) || used_up;
                let fits =
                    denied_by_status == terms.is_suspended() && (denied_by_status || is_shown);
                if !fits {
                    let why = format!(
                        "acknowledged: limit {}, suspended {}; decided: {:?} of {:?}",
                        terms.limit(),
                        terms.is_suspended(),
                        decision.reasons,
                        decision.limit()
                    );
                    broken(self.number, Op::Govern, Wrong::Stale, terms.limit(), &why);
                }
            }
            self.checked(Op::Consume, &decision);
            Ok(of(&decision))
        });
    }

    /// Suspends or reactivates a tenant and moves its limit, one administrator at a time.
    fn govern(&mut self, rng: &mut Rng) {
        let path = self.orders.page.with_extension("govern");
        let Ok(file) = File::create(path) else { return };
        if file.try_lock().is_err() {
            return;
        }
        let Some(governing) = self.page.begin_governing() else { return };
        let limit = if rng.one_in(4) { 1 + rng.below(2_000) } else { 1_000_000 + rng.below(1000) };
        let suspend = rng.one_in(3);
        let mut shown = Some(governing);
        self.reported(Op::Govern, 0, limit, || {
            let name = CONSUMERS[GOVERNED as usize];
            shown.as_ref().expect("is there").hide();
            self.engine.set_limit(name, "credits", Limit::Finite(limit))?;
            let status = if suspend { Status::Suspended } else { Status::Active };
            self.engine.set_status(name, status, "crash test", true)?;
            shown.take().expect("is there").show(limit, suspend);
            Ok(done(()))
        });
        drop(file);
    }

    fn keyed(&mut self, rng: &mut Rng) {
        let key = self.key(rng, spaces::KEYS);
        self.reported(Op::Keyed, key, keyed_units(key), || {
            keyed(self.engine, key).map(|it| of(&it))
        });
    }

    fn refund(&mut self, rng: &mut Rng) {
        let key = self.key(rng, spaces::KEYS);
        let mut receipt = None;
        self.reported(Op::Keyed, key, keyed_units(key), || {
            let decision = keyed(self.engine, key)?;
            receipt = decision.receipt;
            Ok(of(&decision))
        });
        if let Some(receipt) = receipt {
            self.reported(Op::Refund, key, keyed_units(key), || {
                self.engine.tenant("chains")?.refund(&receipt).map(done)
            });
        }
    }

    fn reserve(&mut self, rng: &mut Rng) {
        let key = self.key(rng, spaces::RESERVATIONS);
        let mut id = None;
        self.reported(Op::Reserve, key, RESERVED, || {
            let decision = reserve(self.engine, key)?;
            id = decision.reservation;
            Ok(of(&decision))
        });
        let Some(id) = id.filter(|_| ending(key) != Ending::Stays && !rng.one_in(3)) else {
            return;
        };
        self.reported(Op::Resolve, key, RESERVED, || resolve(self.engine, key, &id).map(done));
    }

    fn receive(&mut self, rng: &mut Rng) {
        let contact = self.key(rng, spaces::CONTACTS);
        self.reported(Op::Receive, contact, 1, || receive(self.engine, contact));
    }

    fn measure(&mut self, rng: &mut Rng) {
        let units = 1 + rng.below(9);
        if rng.one_in(3) && self.added >= units {
            // Whatever comes of it, so much less may be taken back.
            self.added -= units;
            self.reported(Op::Subtract, 0, units, || {
                let tenant = self.engine.tenant("meters")?;
                Ok(of(&tenant.meter("storage_mb")?.subtract(units)?))
            });
            return;
        }
        let phase = self.reported(Op::Add, 0, units, || {
            let tenant = self.engine.tenant("meters")?;
            Ok(of(&tenant.meter("storage_mb")?.add(units)?))
        });
        if phase == Phase::Done {
            self.added += units;
        }
    }

    fn pass(&mut self, rng: &mut Rng) {
        let key = self.key(rng, spaces::PACED);
        self.reported(Op::Pass, key, 1, || pass(self.engine, key).map(|it| of(&it)));
    }

    fn perform(&mut self, rng: &mut Rng) {
        let engine = if rng.one_in(32) { self.blocking } else { self.engine };
        self.reported(Op::Perform, 0, 1, || {
            Ok(of(&engine.perform("actor", "send_sms", &Details::default())?))
        });
    }

    /// Holders are of the worker's place in the driver's table, so that a worker that takes the
    /// place of a killed one begins with clearing up.
    fn holder(&self) -> u64 {
        self.orders.slot * 100 + u64::from(self.number)
    }

    fn seat(&mut self, rng: &mut Rng) {
        let holder = self.holder();
        let name = format!("holder{holder}");
        if self.seated != Some(true) && !(self.seated.is_some() && rng.one_in(2)) {
            let phase = self.reported(Op::Vacate, holder, 1, || {
                self.engine.tenant("places")?.seats("seats")?.release(&name).map(done)
            });
            self.seated = (phase == Phase::Done).then_some(false);
            return;
        }
        if self.seated == Some(true) {
            self.seated = None;
            return self.seat(rng);
        }
        let phase = self.reported(Op::Occupy, holder, 1, || {
            Ok(of(&self.engine.tenant("places")?.seats("seats")?.occupy(&name)?))
        });
        self.seated = match phase {
            Phase::Done | Phase::Again => Some(true),
            Phase::Denied => Some(false),
            _ => None,
        };
    }

    fn lease(&mut self, rng: &mut Rng) {
        let holder = self.holder();
        let name = format!("holder{holder}");
        if let Some(fencing) = self.leased.filter(|_| !rng.one_in(3)) {
            self.reported(Op::LetGo, holder, 1, || {
                self.engine.tenant("places")?.leases("calls")?.release(&name, fencing).map(done)
            });
            self.leased = None;
            return;
        }
        let mut fencing = None;
        self.reported(Op::Acquire, holder, 1, || {
            let decision = self.engine.tenant("places")?.leases("calls")?.acquire(&name, None)?;
            fencing = decision.lease.map(|lease| lease.fencing);
            let (phase, used, _) = of(&decision);
            let is_new = decision.lease.is_some_and(|lease| lease.acquired);
            let phase = if phase == Phase::Done && !is_new { Phase::Again } else { phase };
            Ok((phase, used, fencing.unwrap_or(0)))
        });
        self.leased = fencing;
    }

    fn grant(&mut self, rng: &mut Rng) {
        let key = self.key(rng, spaces::GRANTS);
        self.reported(Op::Grant, key, granted_units(key), || grant(self.engine, key).map(done));
    }

    fn buy(&mut self, rng: &mut Rng) {
        let key = self.key(rng, spaces::PURCHASES);
        self.reported(Op::Buy, key, bought_units(key), || buy(self.engine, key).map(done));
    }

    fn create(&mut self) {
        let number = self.orders.serial * 100_000 + u64::from(self.number) * 1000 + self.created;
        self.created += 1;
        self.reported(Op::Create, number, 0, || {
            let name = world::created(number);
            let due = "2036-05-20".parse().expect("a date");
            self.engine.create_tenant(&NewTenant::new(&name).plan("scarce", due, true))?;
            Ok(done(()))
        });
    }

    fn plan(&mut self, rng: &mut Rng) {
        let key = self.key(rng, spaces::PLANS);
        self.reported(Op::Plan, key, 0, || {
            let plan = if key.is_multiple_of(2) { "wide" } else { "other" };
            let first_due = "2036-05-20".parse().expect("a date");
            let terms = Terms::new(plan, first_due, true);
            self.engine.change_plan("mover", &terms, Some(&format!("plan{key}"))).map(done)
        });
    }

    fn catalog(&mut self, rng: &mut Rng) {
        let catalog = world::catalog(rng.one_in(2));
        self.reported(Op::Catalog, 0, 0, || {
            self.engine.load_catalog_confirmed(&catalog).map(|version| (Phase::Done, 0, version))
        });
    }

    fn maintain(&mut self, rng: &mut Rng) {
        let what = rng.below(7);
        self.reported(Op::Maintain, what, 0, || {
            match what {
                0 => self.engine.checkpoint().map(done)?,
                1 => self.engine.maintain().map(done)?,
                2 => self.engine.settle(CONSUMERS[2]).map(done)?,
                3 => self.engine.report(CONSUMERS[0]).map(done)?,
                4 => {
                    let last = self.engine.events(0, 100)?.last().map(|event| event.sequence);
                    last.map_or(Ok(0), |last| self.engine.acknowledge_events(last)).map(done)?
                }
                5 => self.engine.usage(CONSUMERS[2]).map(done)?,
                _ => self.back_up()?,
            };
            Ok(done(()))
        });
    }

    fn back_up(&self) -> Outcome {
        let name = format!("backup-{}-{}", self.orders.serial, self.number);
        let path: PathBuf = self.orders.page.with_extension(name);
        let _ = std::fs::remove_file(&path);
        let made = self.engine.backup(&path);
        let _ = std::fs::remove_file(&path);
        made.map(done)
    }
}

/// Units under a key.
pub fn keyed(engine: &Engine, key: u64) -> Result<Decision, Error> {
    let tenant = engine.tenant("chains")?;
    let name = format!("key{key}");
    tenant.once(&name).kept_for(LONG).consume("keyed", keyed_units(key))
}

/// Units set aside under a key.
pub fn reserve(engine: &Engine, key: u64) -> Result<Decision, Error> {
    let tenant = engine.tenant("chains")?;
    let name = format!("reservation{key}");
    tenant.once(&name).kept_for(LONG).reserve(&[("reserved", RESERVED)], LONG)
}

/// Ends a reservation as its key says.
pub fn resolve(engine: &Engine, key: u64, id: &cotas::ReservationId) -> Result<(), Error> {
    let tenant = engine.tenant("chains")?;
    let (ended, wanted) = match ending(key) {
        Ending::Commit => (tenant.commit(id), Resolution::Committed),
        Ending::CommitPart => {
            (tenant.commit_part(id, &[("reserved", 1)]), Resolution::PartlyCommitted)
        }
        Ending::Release => (tenant.release(id), Resolution::Released),
        Ending::Stays => return Ok(()),
    };
    match ended {
        Err(Error::AlreadyResolved(how)) if how != wanted => {
            let why = format!("was ended by {how:?}, which was not asked for");
            Err(Error::InvalidArgument { what: "reservation", why })
        }
        ended => ended,
    }
}

/// A message of a contact.
pub fn receive(engine: &Engine, contact: u64) -> Outcome {
    let contact = format!("contact{contact}");
    let message = Details { channel: "w", contact: &contact, ..Details::default() };
    let decision = engine.perform("desk", "receive_message", &message)?;
    let (phase, used, _) = of(&decision);
    let is_new = decision.session.is_some_and(|session| session.opened);
    let phase = if phase == Phase::Done && !is_new { Phase::Again } else { phase };
    Ok((phase, used, 0))
}

/// One pass of a rate.
pub fn pass(engine: &Engine, key: u64) -> Result<Decision, Error> {
    engine.tenant("meters")?.rate("paced")?.pass(&format!("paced{key}"), 1)
}

/// Grants units under a key.
pub fn grant(engine: &Engine, key: u64) -> Result<(), Error> {
    let name = format!("grant{key}");
    engine.grant("scarce", "credits", Source::Extra, granted_units(key), None, Some(&name))
}

/// Buys units and pays for them, under a key.
pub fn buy(engine: &Engine, key: u64) -> Result<(), Error> {
    let bought = engine.buy("paying", "more", bought_units(key), Some(&format!("buy{key}")))?;
    engine.once(&format!("pay{key}")).mark_paid(bought.invoice, None)
}
