//! A tenant by handle: the shortest way to a decision.

use std::time::Duration;

use super::Engine;
use super::call::{Details, Direction};
use super::caller::With;
use super::caller::{Caller, Once};
use super::quote::Quote;
use crate::catalog::Feature;
use crate::error::Error;
use crate::rules::{Decision, Receipt, ReservationId, ResourceId, SourceCharge};

/// A tenant of an engine, found once and used many times, by any number of threads.
///
/// It stays valid as long as the engine, also over changes of plan and of the catalog.
#[derive(Clone)]
pub struct Tenant {
    engine: Engine,
    at: u64,
    name: Box<str>,
}

/// A resource by name, or by the number that [`Engine::resource`] gave.
pub trait ResourceRef: Copy {
    /// The resource's number.
    fn resolve(self, engine: &Engine) -> Result<ResourceId, Error>;
}

impl ResourceRef for ResourceId {
    #[inline]
    fn resolve(self, _: &Engine) -> Result<ResourceId, Error> {
        Ok(self)
    }
}

impl ResourceRef for &str {
    #[inline]
    fn resolve(self, engine: &Engine) -> Result<ResourceId, Error> {
        engine.resource(self)
    }
}

impl Tenant {
    pub(super) fn new(engine: Engine, at: u64, name: &str) -> Tenant {
        Tenant { engine, at, name: name.into() }
    }

    /// The tenant's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// May this tenant use `units` of `resource` now? If so, they are used up.
    ///
    /// Counts as something other than receiving: a suspended tenant is denied. Makes no system
    /// call, unless it is the first look after a boundary.
    #[inline]
    pub fn consume(&self, resource: impl ResourceRef, units: u64) -> Result<Decision, Error> {
        let resource = resource.resolve(&self.engine)?;
        self.engine.consume_at(self.at, &self.name, resource, units)
    }

    /// What [`consume`](Self::consume) would answer. Changes nothing.
    #[inline]
    pub fn check(&self, resource: impl ResourceRef, units: u64) -> Result<Decision, Error> {
        let resource = resource.resolve(&self.engine)?;
        self.engine.check_at(self.at, &self.name, resource, units)
    }

    /// As [`consume`](Self::consume), and has `emit` look at what was decided where it was decided:
    /// for bindings, which report a decision in a form of their own. Moving one takes longer than
    /// making it.
    #[inline]
    pub fn consume_then<R>(
        &self,
        resource: impl ResourceRef,
        units: u64,
        emit: impl FnOnce(&Decision) -> R,
    ) -> Result<R, Error> {
        let resource = resource.resolve(&self.engine)?;
        let mut made = Ok(Decision::nothing());
        self.engine.consume_into(self.at, &self.name, resource, units, &mut made);
        match made {
            Ok(ref decision) => Ok(emit(decision)),
            Err(error) => Err(error),
        }
    }

    /// As [`check`](Self::check), reported as by [`consume_then`](Self::consume_then).
    #[inline]
    pub fn check_then<R>(
        &self,
        resource: impl ResourceRef,
        units: u64,
        emit: impl FnOnce(&Decision) -> R,
    ) -> Result<R, Error> {
        let resource = resource.resolve(&self.engine)?;
        let mut made = Ok(Decision::nothing());
        self.engine.check_into(self.at, &self.name, resource, units, &mut made);
        match made {
            Ok(ref decision) => Ok(emit(decision)),
            Err(error) => Err(error),
        }
    }

    /// May this tenant's contact have a session on `resource`? An inbound message opens one or
    /// moves its end, an outbound one opens one where there is none; while it is open nothing more
    /// is charged (docs/sources.md, LiveChat 360). For hosts whose messages are no actions of the
    /// catalog.
    pub fn admit(
        &self,
        resource: impl ResourceRef,
        direction: Direction,
        details: &Details<'_>,
    ) -> Result<Decision, Error> {
        self.caller().admit(resource.resolve(&self.engine)?, direction, details)
    }

    /// May this tenant do `action` now? If so, its session is opened or continued, its lease is
    /// taken, its rate and its charges are used up: all or nothing.
    pub fn perform(&self, action: &str, details: &Details<'_>) -> Result<Decision, Error> {
        self.engine.perform_at(self.at, &self.name, action, details, With::APPLY)
    }

    /// What [`perform`](Self::perform) would answer. Changes nothing.
    pub fn check_action(&self, action: &str, details: &Details<'_>) -> Result<Decision, Error> {
        self.engine.perform_at(self.at, &self.name, action, details, With::CHECK)
    }

    /// What an action would cost of each balance, and by which tariff (docs/sources.md, Assin).
    /// Changes nothing. Reads SQLite where a boundary has passed that is not settled yet.
    pub fn quote(&self, action: &str, details: &Details<'_>) -> Result<Quote, Error> {
        self.caller().quote(action, details)
    }

    /// A feature as the tenant has it: its plan's, or its own. Touches no disk, unless it is the
    /// first look after a boundary.
    pub fn feature(&self, name: &str) -> Result<Feature, Error> {
        let shared = &self.engine.shared;
        let bits = shared.look(self.at, &self.name, self.engine.now(), |state| state.features())?;
        let compiled = shared.compiled()?;
        compiled.feature_of(name, &bits).ok_or_else(|| compiled.unknown_feature(name, None))
    }

    /// The same tenant, for operations that take effect at most once per `key`.
    #[must_use]
    pub fn once<'a>(&'a self, key: &'a str) -> Once<'a> {
        Once::new(self.caller(), key)
    }

    /// Sets units of several resources aside for `ttl`, all or none: the decision names the
    /// [`reservation`](Decision::reservation). Unless it is committed in time they go back.
    /// Sessions are reserved for a campaign, whose sends draw from them
    /// ([`Details::campaign`]), for 30 days at most.
    pub fn reserve(&self, units: &[(&str, u64)], ttl: Duration) -> Result<Decision, Error> {
        self.caller().reserve(units, ttl)
    }

    /// As [`reserve`](Self::reserve), what an action charges. An action that opens a session is a
    /// send that may yet fail: its session is open at once, and given back when all sends in it
    /// have failed and nothing else has used it. What is reported of it
    /// ([`report_delivery`](Self::report_delivery)) commits or releases it; without a report it is
    /// committed after `ttl`, which is 30 days at most. An action that takes a lease cannot be set
    /// aside.
    pub fn reserve_action(
        &self,
        action: &str,
        details: &Details<'_>,
        ttl: Duration,
    ) -> Result<Decision, Error> {
        self.caller().reserve_action(action, details, ttl)
    }

    /// Uses what a reservation holds. A reservation is resolved once; afterwards the error says
    /// how it was.
    pub fn commit(&self, id: &ReservationId) -> Result<(), Error> {
        self.caller().commit(id)
    }

    /// Uses so much of what a reservation holds, and gives the rest back.
    pub fn commit_part(&self, id: &ReservationId, units: &[(&str, u64)]) -> Result<(), Error> {
        self.caller().commit_part(id, units)
    }

    /// Gives back what a reservation holds: to the grants that it came from, if they still live.
    /// What a closed period has used costs one transaction.
    pub fn release(&self, id: &ReservationId) -> Result<(), Error> {
        self.caller().release(id)
    }

    /// Gives back what a decision charged, to the same grants, if they still live. A session that
    /// it opened is closed if nothing else has used it; a lease is released by itself. Once per
    /// receipt. What a closed period has used costs one transaction.
    pub fn refund(&self, receipt: &Receipt) -> Result<(), Error> {
        self.caller().refund(receipt)
    }

    /// Everything that the decision with this receipt charged, by resource and source.
    pub fn charges_of(&self, receipt: &Receipt) -> Result<Vec<SourceCharge>, Error> {
        self.caller().charges_of(receipt)
    }

    pub(super) fn caller(&self) -> Caller<'_> {
        Caller { engine: &self.engine, at: self.at, name: &self.name, key: None }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }
}

impl Engine {
    /// [`Tenant::consume`] by the tenant's name.
    #[inline]
    pub fn consume(
        &self,
        tenant: &str,
        resource: impl ResourceRef,
        units: u64,
    ) -> Result<Decision, Error> {
        let resource = resource.resolve(self)?;
        self.consume_at(self.record_of(tenant)?, tenant, resource, units)
    }

    /// [`Tenant::check`] by the tenant's name.
    #[inline]
    pub fn check(
        &self,
        tenant: &str,
        resource: impl ResourceRef,
        units: u64,
    ) -> Result<Decision, Error> {
        let resource = resource.resolve(self)?;
        self.check_at(self.record_of(tenant)?, tenant, resource, units)
    }

    /// [`Tenant::perform`] by the tenant's name.
    pub fn perform(
        &self,
        tenant: &str,
        action: &str,
        details: &Details<'_>,
    ) -> Result<Decision, Error> {
        self.perform_at(self.record_of(tenant)?, tenant, action, details, With::APPLY)
    }
}
