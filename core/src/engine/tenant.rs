//! A tenant by handle: the shortest way to a decision.

use super::Engine;
use super::call::{Call, Message, charge};
use crate::error::Error;
use crate::rules::{Decision, ResourceId};

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

    /// As [`consume`](Self::consume), at most once per `key`: the same key gives the stored
    /// decision and uses nothing. Denials are not stored.
    pub fn consume_once(
        &self,
        resource: impl ResourceRef,
        units: u64,
        key: &str,
    ) -> Result<Decision, Error> {
        let resource = resource.resolve(&self.engine)?;
        let charges = [charge(resource, units)?];
        let call = Call::consume(&charges).once(&self.engine, key)?;
        self.engine.run(self.at, &self.name, &call)
    }

    /// What [`consume`](Self::consume) would answer. Changes nothing.
    pub fn check(&self, resource: impl ResourceRef, units: u64) -> Result<Decision, Error> {
        let resource = resource.resolve(&self.engine)?;
        self.engine.check_at(self.at, &self.name, resource, units)
    }

    /// May this tenant do `action` for this message now? If so, its session is opened or
    /// continued and its charges are used up, all or nothing.
    pub fn admit(&self, action: &str, message: &Message<'_>) -> Result<Decision, Error> {
        self.engine.admit_at(self.at, &self.name, action, message, None, true)
    }

    /// What [`admit`](Self::admit) would answer. Changes nothing.
    pub fn check_admit(&self, action: &str, message: &Message<'_>) -> Result<Decision, Error> {
        self.engine.admit_at(self.at, &self.name, action, message, None, false)
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
        self.consume_at(self.block_of(tenant)?, tenant, resource, units)
    }

    /// [`Tenant::check`] by the tenant's name.
    pub fn check(
        &self,
        tenant: &str,
        resource: impl ResourceRef,
        units: u64,
    ) -> Result<Decision, Error> {
        let resource = resource.resolve(self)?;
        self.check_at(self.block_of(tenant)?, tenant, resource, units)
    }

    /// [`Tenant::admit`] by the tenant's name.
    pub fn admit(
        &self,
        tenant: &str,
        action: &str,
        message: &Message<'_>,
    ) -> Result<Decision, Error> {
        self.admit_at(self.block_of(tenant)?, tenant, action, message, None, true)
    }
}
