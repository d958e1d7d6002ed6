//! The replay's loop body: one event, one decision.

use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chrono_tz::Tz;
use cotas::catalog::Gate;
use cotas::whatsapp::Kind;
use cotas::{
    Cursor, Decision, DeliveryOutcome, Details, Engine, Error, Extra, NewTenant, Tenant, Terms,
    Timestamp,
};

use super::clock::TrafficClock;
use super::deliveries::Deliveries;
use super::identity::Identity;
use crate::failure::Failure;
use crate::traffic::{Fault, Malformed, TrafficEvent};

/// How long the id of a send is remembered: longer than anything is reported of it.
const SEND_ID_LIFETIME: Duration = Duration::from_hours(40 * 24);

/// What tenants get that the database does not know.
pub struct Newcomers<'a> {
    /// Their plan.
    pub terms: Terms<'a>,
    /// The zone of their days.
    pub time_zone: Option<Tz>,
    /// Units on top of the plan's.
    pub extras: &'a [Extra<'a>],
}

/// A replay under way.
pub struct Player<'a> {
    engine: &'a Engine,
    clock: TrafficClock,
    identity: Identity<'a>,
    newcomers: Option<Newcomers<'a>>,
    only: Option<HashSet<&'a str>>,
    ids: HashMap<String, Ids>,
    deliveries: Deliveries,
    /// Everyone who was decided about.
    pub tenants: HashMap<String, Subject>,
    /// What was counted.
    pub counts: Counts,
}

/// A tenant that was decided about.
pub struct Subject {
    /// The tenant.
    pub tenant: Tenant,
    /// What identifies the traffic to its cursors.
    pub source: Vec<u8>,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Events decided in this run.
    pub decided: u64,
    /// Events that an earlier run had decided.
    pub decided_before: u64,
    /// Decided events that gave an earlier decision again, under the same id.
    pub repeated: u64,
    /// Parts that count for nothing, by kind.
    pub passed_over: BTreeMap<&'static str, u64>,
    /// What came of reports of sends that are known, by outcome.
    pub reports: BTreeMap<&'static str, u64>,
}

/// What the id of an event is good for, by its action.
#[derive(Clone, Copy)]
struct Ids {
    /// Whether the action does more than open a session, which it does only once anyway.
    charges: bool,
    /// Whether it is a send whose session is reserved until its outcome is reported.
    reserves: bool,
}

impl<'a> Player<'a> {
    /// A replay that is about to begin.
    pub fn new(
        engine: &'a Engine,
        clock: TrafficClock,
        identity: Identity<'a>,
        newcomers: Option<Newcomers<'a>>,
    ) -> Result<Player<'a>, Failure> {
        Ok(Player {
            engine,
            clock,
            identity,
            newcomers,
            only: None,
            ids: ids_by_action(engine)?,
            deliveries: Deliveries::default(),
            tenants: HashMap::new(),
            counts: Counts::default(),
        })
    }

    /// Decides about these tenants and no others.
    pub fn only(&mut self, names: &'a [String]) {
        self.only = Some(names.iter().map(String::as_str).collect());
    }

    /// The time of the first line.
    pub fn since(&self) -> Option<Timestamp> {
        self.clock.since()
    }

    /// Tenants for which this is another file than one that begins alike.
    pub fn others(&self) -> u64 {
        self.identity.others
    }

    /// Whether anything of the traffic was understood.
    pub fn understood(&self) -> bool {
        let counts = &self.counts;
        counts.decided + counts.decided_before > 0 || !counts.passed_over.is_empty()
    }

    /// Lets time pass to the event and decides about it.
    pub fn play(&mut self, event: TrafficEvent) -> Result<(), Failure> {
        let line = event.line;
        let malformed = |fault, reason| Failure::Malformed(Malformed { line, fault, reason });
        let (Some(action), Some(at)) = (event.action.clone(), event.at) else {
            let name = event.kind.map_or("action", Kind::name);
            *self.counts.passed_over.entry(name).or_default() += 1;
            let done = self.report(&event).and_then(|()| self.link_only(event));
            return done.or_else(|failure| about_the_event(failure, line));
        };
        if self.deliveries.has_failed(&event) {
            // It never left: the host that reserved it has its session back.
            *self.counts.passed_over.entry("failed").or_default() += 1;
            return Ok(());
        }
        let since = self.clock.advance(at).map_err(|reason| malformed(Fault::TimeAhead, reason))?;
        if self.is_left_out(&event.tenant) {
            self.counts.passed_over.entry("tenant").and_modify(|it| *it += 1).or_insert(1);
            return Ok(());
        }
        match self.decide(&event, &action, since) {
            Ok(Some(decision)) => {
                self.counts.decided += 1;
                self.counts.repeated += u64::from(decision.replayed);
            }
            Ok(None) => self.counts.decided_before += 1,
            Err(failure) => return about_the_event(failure, line),
        }
        Ok(())
    }

    fn is_left_out(&self, tenant: &str) -> bool {
        self.only.as_ref().is_some_and(|only| !only.contains(tenant))
    }

    /// Reports what became of a send, as of the time of the report.
    fn report(&mut self, event: &TrafficEvent) -> Result<(), Failure> {
        let (Some(report), Some(message)) = (event.report, &event.id) else { return Ok(()) };
        if self.is_left_out(&event.tenant) {
            return Ok(());
        }
        let (Some(since), Some(at)) = (self.since(), event.at) else {
            self.deliveries.keep(event);
            return Ok(());
        };
        self.clock.advance(at).map_err(|reason| {
            Failure::Malformed(Malformed { line: event.line, fault: Fault::TimeAhead, reason })
        })?;
        let tenant = match self.engine.tenant(&event.tenant) {
            Err(Error::UnknownTenant(_)) => return Ok(()),
            found => found?,
        };
        let report = || tenant.report_delivery(message, report);
        let outcome = self.believing_the_clock(&event.tenant, since, report)?;
        match outcome {
            DeliveryOutcome::Unknown => self.deliveries.keep(event),
            known => *self.counts.reports.entry(known.code()).or_default() += 1,
        }
        Ok(())
    }

    /// Does something; where the file's own time has gone on by more than a clock is believed, it
    /// is believed.
    fn believing_the_clock<T>(
        &self,
        tenant: &str,
        since: Timestamp,
        operation: impl Fn() -> Result<T, Error>,
    ) -> Result<T, Error> {
        match operation() {
            Err(Error::ClockJump { high_water_mark, .. }) if high_water_mark >= since => {
                self.engine.confirm_clock(tenant)?;
                operation()
            }
            done => done,
        }
    }

    /// Links the ids that a part names which counts for nothing else.
    fn link_only(&mut self, event: TrafficEvent) -> Result<(), Failure> {
        let Some(contact) = event.contact.filter(|_| !event.aliases.is_empty()) else {
            return Ok(());
        };
        if self.is_left_out(&event.tenant) {
            return Ok(());
        }
        let since = self.since().or(event.at).unwrap_or_else(|| self.clock.shown().now());
        self.subject(&event.tenant, since)?;
        self.link(&event.tenant, &contact, &event.aliases)
    }

    /// Makes all ids of a contact one. A contact that has more ids than can be linked is decided
    /// about under its first: a part that is too much must not lose a message.
    fn link(&self, tenant: &str, contact: &str, aliases: &[String]) -> Result<(), Failure> {
        let Some(subject) = self.tenants.get(tenant) else { return Ok(()) };
        for alias in aliases {
            match subject.tenant.link_contact(contact, alias) {
                Ok(()) | Err(Error::InvalidArgument { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Finds a tenant, or creates it, and the file's place among those it decided about.
    fn subject(&mut self, name: &str, since: Timestamp) -> Result<&Subject, Failure> {
        if !self.tenants.contains_key(name) {
            let tenant = find_or_create(self.engine, name, self.newcomers.as_ref(), since)?;
            let source = self.identity.of(&tenant)?;
            self.tenants.insert(name.to_owned(), Subject { tenant, source });
        }
        match self.tenants.entry(name.to_owned()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(_) => Err(Error::UnknownTenant(name.into()).into()),
        }
    }

    /// `None`: it was decided before.
    fn decide(
        &mut self,
        event: &TrafficEvent,
        action: &str,
        since: Timestamp,
    ) -> Result<Option<Decision>, Failure> {
        let position = position(event)?;
        self.subject(&event.tenant, since)?;
        let contact = event.contact.as_deref().unwrap_or_default();
        self.link(&event.tenant, contact, &event.aliases)?;
        let ids = self.ids.get(action).copied();
        let reserves = ids.is_some_and(|ids| ids.reserves);
        self.subject(&event.tenant, since)?;
        let Some(Subject { tenant, source }) = self.tenants.get(&event.tenant) else {
            return Ok(None);
        };
        let details = Details {
            channel: event.channel.as_deref().unwrap_or_default(),
            contact,
            at: event.at,
            quantity: Some(event.quantity),
            message: event.id.as_deref().filter(|_| reserves).unwrap_or_default(),
            ..Details::default()
        };
        let cursor = Cursor { source, since, position, content: event.content };
        // A message that opens a session opens it once; what it charges besides needs its id, and
        // so does a send that may be given back.
        let own = event.id.as_deref().filter(|_| ids.is_some_and(|ids| ids.charges || reserves));
        let own = own.map(|id| format!("message:{id}"));
        let decide = || match event.key.as_deref().or(own.as_deref()) {
            Some(key) => {
                let once = tenant.once(key);
                let once = if reserves { once.kept_for(SEND_ID_LIFETIME) } else { once };
                once.perform_next(action, &details, &cursor)
            }
            None => tenant.perform_next(action, &details, &cursor),
        };
        match self.believing_the_clock(tenant.name(), since, decide) {
            // The message came before, with other ids of its contact.
            Err(Error::IdempotencyConflict) if event.key.is_none() => Ok(None),
            done => Ok(done?),
        }
    }

    /// Settles everyone who was decided about at the time of the last line.
    pub fn settle_all(&self) -> Result<(), Failure> {
        for name in self.tenants.keys() {
            match self.engine.settle(name) {
                Err(Error::ClockJump { high_water_mark, .. })
                    if Some(high_water_mark) >= self.since() =>
                {
                    self.engine.confirm_clock(name)?;
                }
                // Each of its events has been complained about.
                Ok(()) | Err(Error::ClockJump { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The event's place in its file.
fn position(event: &TrafficEvent) -> Result<u64, Failure> {
    let too_many = || {
        let reason = format!("holds more than {} events", u16::MAX);
        Failure::Malformed(Malformed { line: event.line, fault: Fault::Refused, reason })
    };
    let part = u16::try_from(event.part + 1).map_err(|_| too_many())?;
    Ok(event.record << 16 | u64::from(part))
}

/// What ids are good for, by action of the catalog in force.
fn ids_by_action(engine: &Engine) -> Result<HashMap<String, Ids>, Failure> {
    let (_, catalog) = engine.catalog()?;
    let ids = catalog.actions.iter().map(|(name, action)| {
        let charges = !action.charge.is_empty() || action.rate.is_some();
        let is_send = action.gate != Gate::Receive && action.lease.is_none();
        (name.clone(), Ids { charges, reserves: is_send && action.session.is_some() })
    });
    Ok(ids.collect())
}

/// A failure that concerns one event is that line's.
fn about_the_event(failure: Failure, line: u64) -> Result<(), Failure> {
    let Failure::Engine(error) = failure else { return Err(failure) };
    let fault = match &error {
        Error::UnknownTenant(_) => Fault::UnknownTenant,
        Error::UnknownAction(_) => Fault::UnknownAction,
        Error::IdempotencyConflict => Fault::KeyConflict,
        Error::InvalidArgument { .. } | Error::ClockJump { .. } => Fault::Refused,
        _ => return Err(error.into()),
    };
    Err(Failure::Malformed(Malformed { line, fault, reason: error.to_string() }))
}

/// The tenant of this name. One that is new comes to be with the traffic, as of its first line;
/// one that exists stays as it is.
fn find_or_create(
    engine: &Engine,
    name: &str,
    newcomers: Option<&Newcomers<'_>>,
    since: Timestamp,
) -> Result<Tenant, Failure> {
    match (engine.tenant(name), newcomers) {
        (Err(Error::UnknownTenant(_)), Some(newcomers)) => {
            let new = NewTenant {
                time_zone: newcomers.time_zone,
                created_at: Some(since),
                plan: Some(newcomers.terms),
                extras: newcomers.extras,
                ..NewTenant::new(name)
            };
            let failed = |source| Failure::Newcomer { name: name.to_owned(), source };
            engine.ensure_tenant(&new).map_err(failed)?;
            Ok(engine.tenant(name)?)
        }
        (found, _) => Ok(found?),
    }
}
