//! The replay's loop body: one event, one decision.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};

use chrono_tz::Tz;
use cotas::{Cursor, Decision, Details, Engine, Error, Extra, NewTenant, Tenant, Terms, Timestamp};

use super::clock::TrafficClock;
use crate::failure::Failure;
use crate::traffic::{Malformed, TrafficEvent};

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
    /// What identifies the traffic.
    pub source: &'a [u8],
    newcomers: Option<Newcomers<'a>>,
    only: Option<HashSet<&'a str>>,
    /// Everyone who was decided about.
    pub tenants: HashMap<String, Tenant>,
    /// Events decided in this run.
    pub decided: u64,
    /// Events that an earlier run had decided.
    pub decided_before: u64,
}

impl<'a> Player<'a> {
    /// A replay that is about to begin.
    pub fn new(
        engine: &'a Engine,
        clock: TrafficClock,
        source: &'a [u8],
        newcomers: Option<Newcomers<'a>>,
    ) -> Player<'a> {
        Player {
            engine,
            clock,
            source,
            newcomers,
            only: None,
            tenants: HashMap::new(),
            decided: 0,
            decided_before: 0,
        }
    }

    /// Decides about these tenants and no others.
    pub fn only(&mut self, names: &'a [String]) {
        self.only = Some(names.iter().map(String::as_str).collect());
    }

    /// The time of the first line.
    pub fn since(&self) -> Option<Timestamp> {
        self.clock.since()
    }

    /// Lets time pass to the event and decides about it.
    pub fn play(&mut self, event: TrafficEvent) -> Result<(), Failure> {
        let line = event.line;
        let malformed = |reason| Failure::Malformed(Malformed { line, reason });
        let since = self.clock.advance(event.at).map_err(malformed)?;
        if self.only.as_ref().is_some_and(|only| !only.contains(event.tenant.as_str())) {
            return Ok(());
        }
        match self.decide(event, since) {
            Ok(Some(_)) => self.decided += 1,
            Ok(None) => self.decided_before += 1,
            Err(Failure::Engine(error)) if is_about_the_event(&error) => {
                return Err(malformed(error.to_string()));
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// `None`: it was decided before.
    fn decide(
        &mut self,
        event: TrafficEvent,
        since: Timestamp,
    ) -> Result<Option<Decision>, Failure> {
        let position = position(&event)?;
        let tenant = match self.tenants.entry(event.tenant) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let newcomers = self.newcomers.as_ref();
                let tenant = find_or_create(self.engine, unknown.key(), newcomers, since)?;
                unknown.insert(tenant)
            }
        };
        let details = Details {
            channel: event.channel.as_deref().unwrap_or_default(),
            contact: event.contact.as_deref().unwrap_or_default(),
            at: Some(event.at),
            quantity: Some(event.quantity),
            ..Details::default()
        };
        let cursor = Cursor { source: self.source, since, position };
        let decide = || match &event.key {
            Some(key) => tenant.once(key).perform_next(&event.action, &details, &cursor),
            None => tenant.perform_next(&event.action, &details, &cursor),
        };
        match decide() {
            Err(Error::ClockJump { high_water_mark, .. }) if high_water_mark >= since => {
                self.engine.confirm_clock(tenant.name())?;
                Ok(decide()?)
            }
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
        Failure::Malformed(Malformed { line: event.line, reason })
    };
    let part = u16::try_from(event.part + 1).map_err(|_| too_many())?;
    Ok(event.line << 16 | u64::from(part))
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

/// Whether the next event may fare better.
fn is_about_the_event(error: &Error) -> bool {
    matches!(
        error,
        Error::UnknownTenant(_)
            | Error::UnknownAction(_)
            | Error::InvalidArgument { .. }
            | Error::IdempotencyConflict
            | Error::ClockJump { .. }
    )
}
