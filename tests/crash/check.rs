//! Between two waves, when all workers are gone: what the records say against what the engine
//! says. What got no answer is asked for again, as its caller would.

use std::collections::HashMap;

use cotas::{Engine, Error, Metric};

use crate::model::{Held, Model, Once, Sum};
use crate::operations;
use crate::page::{Page, TIGHT_MAX};
use crate::record::Phase;
use crate::world::{
    self, BURST, CONSUMERS, Ending, LEASES, RESERVED, SCARCE, SCARCE_UNITS, SEATS, bought_units,
    ending, granted_units, keyed_units,
};

/// Used, contracted and held.
pub fn balance(engine: &Engine, tenant: &str, resource: &str) -> Result<(u64, u64, u64), Error> {
    let report = engine.report(tenant)?;
    let found = report.balances.iter().find(|it| it.resource == resource).expect("is in the plan");
    Ok((found.used, found.limit().unwrap_or(u64::MAX), found.held))
}

/// Units ever used of a resource, over all periods.
pub fn ever_used(engine: &Engine, tenant: &str, resource: &str) -> Result<u64, Error> {
    let rows = engine.usage(tenant)?;
    let sum = |metric| -> u64 {
        let of_it = rows.iter().filter(|row| row.metric == metric && row.resource == resource);
        of_it.map(|row| row.count).sum()
    };
    Ok(sum(Metric::Used) - sum(Metric::Returned))
}

impl Model {
    /// All checks of one wave.
    pub fn check(&mut self, engine: &Engine, page: Page) -> Result<(), Error> {
        for finding in engine.verify()? {
            self.complain(format!("verify: {} {}", finding.tenant, finding.what));
        }
        self.check_consumption(engine)?;
        self.check_keys(engine)?;
        self.check_reservations(engine)?;
        self.check_contacts(engine)?;
        self.check_administration(engine)?;
        self.check_places(engine)?;
        self.check_meters(engine)?;
        self.check_tight(engine, page)?;
        for finding in engine.verify()? {
            self.complain(format!("verify, afterwards: {} {}", finding.tenant, finding.what));
        }
        Ok(())
    }

    /// What there is of something must be what was acknowledged, and at most what was intended.
    fn compare(&mut self, sum: Sum, found: u64, what: &str) -> Sum {
        let most = sum.acknowledged + sum.unanswered;
        if found < sum.acknowledged {
            self.lose(sum.acknowledged - found, what);
        } else if found > most {
            self.complain(format!("{what}: {found} used, {most} asked for"));
        } else {
            self.applied_unanswered += found - sum.acknowledged;
        }
        Sum { acknowledged: found, unanswered: 0 }
    }

    fn check_consumption(&mut self, engine: &Engine) -> Result<(), Error> {
        for (index, name) in CONSUMERS.iter().enumerate() {
            let found = ever_used(engine, name, "credits")?;
            self.consumed[index] = self.compare(self.consumed[index], found, name);
            for period in engine.periods(name)? {
                let limit = if *name == "renewing" { world::RENEWED_UNITS } else { continue };
                let used = period.used.iter().find(|(it, _)| *it == "credits");
                if let Some((_, used)) = used.filter(|(_, used)| *used > limit) {
                    self.exceed(used - limit, "a closed period");
                }
            }
        }
        for (name, taken) in CONSUMERS.iter().zip(std::mem::take(&mut self.intervals)) {
            self.check_intervals(name, taken);
        }
        let (used, limit, _) = balance(engine, "actor", "credits")?;
        let (twice, _, _) = balance(engine, "actor", "keyed")?;
        if twice != 2 * used || used > limit {
            self.complain(format!("an action was charged in part: {used} and {twice}"));
        }
        self.performed = self.compare(self.performed, used, "actor");
        Ok(())
    }

    /// Each decision took units of its own: no two say the same.
    fn check_intervals(&mut self, name: &str, mut taken: Vec<(u64, u64)>) {
        taken.sort_unstable();
        for pair in taken.windows(2) {
            if let &[(before, _), (after, units)] = pair
                && after.saturating_sub(units) < before
            {
                self.complain(format!("{name}: two were given the same unit: {pair:?}"));
            }
        }
    }

    /// How one that takes effect once stands: what was acknowledged must have been there.
    fn settle_once(&mut self, once: Once, was_there: bool, what: &str, subject: u64) {
        if once.acknowledged && !was_there {
            self.lose(1, &format!("{what} {subject}"));
        }
        self.applied_unanswered += u64::from(!once.acknowledged && was_there);
    }

    fn check_keys(&mut self, engine: &Engine) -> Result<(), Error> {
        let (before, _, _) = balance(engine, "chains", "keyed")?;
        let mut expected = 0;
        for (key, once) in self.keys.clone() {
            let decision = operations::keyed(engine, key)?;
            self.settle_once(once, decision.replayed, "key", key);
            self.keys.insert(key, Once { acknowledged: true, ..once });
            expected += keyed_units(key);
            let Some(refund) = self.refunds.get(&key).copied() else { continue };
            let receipt = decision.receipt.expect("a decision under a key has a receipt");
            let was_there = match engine.tenant("chains")?.refund(&receipt) {
                Ok(()) => false,
                Err(Error::AlreadyRefunded) => true,
                Err(error) => return Err(error),
            };
            self.settle_once(refund, was_there, "refund of key", key);
            self.refunds.insert(key, Once { acknowledged: true, ..refund });
            expected -= keyed_units(key);
        }
        let (found, _, _) = balance(engine, "chains", "keyed")?;
        if found != expected {
            self.complain(format!("keys: {found} used, {expected} charged ({before} at first)"));
        }
        Ok(())
    }

    fn check_reservations(&mut self, engine: &Engine) -> Result<(), Error> {
        let (mut expected, mut expected_held) = (0, 0);
        for (key, once) in self.reservations.clone() {
            let decision = operations::reserve(engine, key)?;
            self.settle_once(once, decision.replayed, "reservation", key);
            self.reservations.insert(key, Once { acknowledged: true, ..once });
            let Some(resolution) = self.resolutions.get(&key).copied() else {
                expected += RESERVED;
                expected_held += RESERVED;
                continue;
            };
            let id = decision.reservation.expect("a reservation has a name");
            let was_there = match operations::resolve(engine, key, &id) {
                Ok(()) => false,
                Err(Error::AlreadyResolved(_)) => true,
                Err(error) => return Err(error),
            };
            self.settle_once(resolution, was_there, "resolution", key);
            self.resolutions.insert(key, Once { acknowledged: true, ..resolution });
            expected += match ending(key) {
                Ending::Commit => RESERVED,
                Ending::CommitPart => 1,
                _ => 0,
            };
        }
        let (used, _, held) = balance(engine, "chains", "reserved")?;
        if (used, held) != (expected, expected_held) {
            self.complain(format!(
                "reservations: {used} used and {held} held, not {expected} and {expected_held}"
            ));
        }
        Ok(())
    }

    fn check_contacts(&mut self, engine: &Engine) -> Result<(), Error> {
        for (contact, once) in self.contacts.clone() {
            let (phase, ..) = operations::receive(engine, contact)?;
            self.settle_once(once, phase == Phase::Again, "session of contact", contact);
            self.contacts.insert(contact, Once { acknowledged: true, ..once });
        }
        let (used, _, _) = balance(engine, "desk", "sessions")?;
        if used != self.contacts.len() as u64 {
            self.complain(format!("sessions: {used} for {} contacts", self.contacts.len()));
        }
        Ok(())
    }

    fn check_administration(&mut self, engine: &Engine) -> Result<(), Error> {
        let sum = |known: &HashMap<u64, Once>, units: fn(u64) -> u64, all: bool| -> u64 {
            known.iter().filter(|(_, it)| all || it.acknowledged).map(|(&key, _)| units(key)).sum()
        };
        let wide = 1_000_000_000;
        for (tenant, base) in [("scarce", SCARCE_UNITS), ("paying", wide)] {
            let is_grant = tenant == "scarce";
            let units = if is_grant { granted_units } else { bought_units };
            let known = if is_grant { self.grants.clone() } else { self.purchases.clone() };
            let (least, most) = (base + sum(&known, units, false), base + sum(&known, units, true));
            let (_, limit, _) = balance(engine, tenant, "credits")?;
            if limit < least {
                self.lose(least - limit, &format!("units given to {tenant}"));
            }
            for &key in known.keys() {
                if is_grant {
                    operations::grant(engine, key)?
                } else {
                    operations::buy(engine, key)?
                }
            }
            let (_, limit, _) = balance(engine, tenant, "credits")?;
            if limit != most {
                self.complain(format!("{tenant} has {limit}, and was given {most}"));
            }
            let known = if is_grant { &mut self.grants } else { &mut self.purchases };
            known.values_mut().for_each(|it| it.acknowledged = true);
        }
        self.check_scarce(engine)?;
        let tenants: std::collections::HashSet<String> = engine.tenants()?.into_iter().collect();
        for (number, once) in self.created.clone() {
            let exists = tenants.contains(&world::created(number));
            self.settle_once(once, exists, "tenant", number);
        }
        // Asked about until the next wave only.
        self.created.clear();
        let (version, _) = engine.catalog()?;
        if version < self.catalog {
            self.lose(1, &format!("catalog {}", self.catalog));
        }
        Ok(())
    }

    /// Uses up what is left: as much as there is, exactly.
    fn check_scarce(&mut self, engine: &Engine) -> Result<(), Error> {
        let (used, limit, _) = balance(engine, "scarce", "credits")?;
        if used > limit {
            self.exceed(used - limit, "scarce");
        }
        let mut more = 0;
        while more <= limit && engine.consume("scarce", "credits", 1)?.allowed() {
            more += 1;
        }
        if used + more != limit {
            self.complain(format!("scarce: {used} used and {more} left of {limit}"));
        }
        self.consumed[SCARCE as usize].acknowledged += more;
        Ok(())
    }

    fn check_places(&mut self, engine: &Engine) -> Result<(), Error> {
        let places = engine.tenant("places")?;
        let seats = places.seats("seats")?.list()?;
        for (holder, (serial, held)) in self.seats.clone() {
            let name = format!("holder{holder}");
            let is_there = seats.iter().any(|seat| seat.holder == name);
            match held {
                Held::Yes if !is_there => self.lose(1, &format!("seat of {name}")),
                Held::No if is_there => self.lose(1, &format!("vacated seat of {name}")),
                _ => {}
            }
            self.seats.insert(holder, (serial, if is_there { Held::Yes } else { Held::No }));
        }
        let count = seats.len() as u64;
        let (used, ..) = balance(engine, "places", "seats")?;
        if used != count {
            self.complain(format!("seats: {used} counted, {count} taken"));
        }
        if count > SEATS {
            self.exceed(count - SEATS, "seats");
        }
        for (holder, (serial, held)) in self.leases.clone() {
            let name = format!("holder{holder}");
            if held == Held::No {
                continue;
            }
            let decision = places.leases("calls")?.acquire(&name, None)?;
            let was_there = decision.lease.is_some_and(|lease| !lease.acquired);
            if held == Held::Yes && !was_there {
                self.lose(1, &format!("lease of {name}"));
            }
            let held = if decision.allowed() { Held::Yes } else { Held::No };
            self.leases.insert(holder, (serial, held));
        }
        let expected = self.leases.values().filter(|(_, held)| *held == Held::Yes).count() as u64;
        let (used, ..) = balance(engine, "places", "calls")?;
        if used != expected {
            self.complain(format!("leases: {used} counted, {expected} taken"));
        }
        if used > LEASES {
            self.exceed(used - LEASES, "leases");
        }
        Ok(())
    }

    fn check_meters(&mut self, engine: &Engine) -> Result<(), Error> {
        let (found, ..) = balance(engine, "meters", "storage_mb")?;
        let least = (self.added.acknowledged - self.subtracted.acknowledged)
            .saturating_sub(self.subtracted.unanswered);
        let most = self.added.acknowledged + self.added.unanswered - self.subtracted.acknowledged;
        if found < least {
            self.lose(least - found, "a meter");
        } else if found > most {
            self.complain(format!("a meter shows {found}, at most {most} were added"));
        }
        self.added = Sum { acknowledged: found, unanswered: 0 };
        self.subtracted = Sum::default();
        for (key, passed) in std::mem::take(&mut self.passed) {
            let mut all = passed;
            while all <= BURST + 1 && operations::pass(engine, key)?.allowed() {
                all += 1;
            }
            if all > BURST + 1 {
                self.exceed(all - BURST - 1, &format!("the rate of {key}"));
            }
        }
        Ok(())
    }

    fn check_tight(&mut self, engine: &Engine, page: Page) -> Result<(), Error> {
        let (found, ..) = balance(engine, "tight", "credits")?;
        let mut sum = Sum::default();
        for index in 0..TIGHT_MAX {
            let (intended, acknowledged) = page.tight(index);
            let load = |word: &std::sync::atomic::AtomicU64| {
                word.load(std::sync::atomic::Ordering::Acquire)
            };
            let (intended, acknowledged) = (load(intended), load(acknowledged));
            sum.acknowledged += acknowledged;
            sum.unanswered += intended - acknowledged;
        }
        // Counted from the beginning of the episode: what took effect without an answer stays.
        let least = sum.acknowledged + self.tight_applied;
        if found < least {
            self.lose(least - found, "tight loops");
        } else if found > sum.acknowledged + sum.unanswered {
            self.complain(format!("tight loops: {found} used, of {sum:?}"));
        } else {
            self.applied_unanswered += found - least;
            self.tight_applied = found - sum.acknowledged;
        }
        self.tight_acknowledged = sum.acknowledged;
        self.tight_unanswered = sum.unanswered;
        Ok(())
    }
}

impl Model {
    /// What a database must have that lost its live file while workers were killed. Changes
    /// nothing of what is known: the live file comes back.
    pub fn check_cut(&mut self, engine: &Engine) -> Result<(), Error> {
        for finding in engine.verify()? {
            self.complain(format!("verify, after a cut: {} {}", finding.tenant, finding.what));
        }
        let acknowledged = |known: &HashMap<u64, Once>, units: fn(u64) -> u64| -> u64 {
            known.iter().filter(|(_, it)| it.acknowledged).map(|(&key, _)| units(key)).sum()
        };
        let granted = SCARCE_UNITS + acknowledged(&self.grants, granted_units);
        let bought = 1_000_000_000 + acknowledged(&self.purchases, bought_units);
        for (tenant, least) in [("scarce", granted), ("paying", bought)] {
            let (_, limit, _) = balance(engine, tenant, "credits")?;
            if limit < least {
                self.lose(least - limit, &format!("units given to {tenant}, after a cut"));
            }
        }
        let tenants = engine.tenants()?;
        for (&number, once) in &self.created.clone() {
            if once.acknowledged && !tenants.contains(&world::created(number)) {
                self.lose(1, &format!("tenant {number}, after a cut"));
            }
        }
        let (version, _) = engine.catalog()?;
        if version < self.catalog {
            self.lose(1, &format!("catalog {}, after a cut", self.catalog));
        }
        for (index, name) in CONSUMERS.iter().enumerate() {
            let found = ever_used(engine, name, "credits")?;
            let most = self.consumed[index].acknowledged + self.consumed[index].unanswered;
            if found > most {
                self.complain(format!("{name}, after a cut: {found} used, {most} asked for"));
            }
        }
        Ok(())
    }
}
