//! Rates: so many per time and key, answered with the exact instant of the next.

use super::call::{Call, RateCall};
use super::caller::{Caller, Once, feed_text};
use super::frequent::decided;
use super::tenant::Tenant;
use crate::error::Error;
use crate::rules::{Decision, ResourceId};

/// A rate of a tenant.
#[derive(Clone, Copy)]
pub struct Rates<'a> {
    caller: Caller<'a>,
    resource: ResourceId,
}

impl Tenant {
    /// The rate of a resource.
    pub fn rate(&self, resource: &str) -> Result<Rates<'_>, Error> {
        Rates::new(self.caller(), resource)
    }
}

impl<'a> Once<'a> {
    /// As [`Tenant::rate`].
    pub fn rate(&self, resource: &str) -> Result<Rates<'a>, Error> {
        Rates::new(*self.caller()?, resource)
    }
}

impl<'a> Rates<'a> {
    fn new(caller: Caller<'a>, resource: &str) -> Result<Rates<'a>, Error> {
        let (resource, _) = caller.resource_of(resource, "rate")?;
        Ok(Rates { caller, resource })
    }

    /// May `units` pass for `key` now? A denial says when. Touches no disk.
    pub fn pass(&self, key: &str, units: u64) -> Result<Decision, Error> {
        decided(|result| self.pass_into(key, units, result))
    }

    fn pass_into(
        &self,
        key: &str,
        units: u64,
        result: &mut Result<Decision, Error>,
    ) -> Result<(), Error> {
        let once = self.caller.once("pass", |hasher| {
            feed_text(hasher, key);
            std::hash::Hasher::write_u16(hasher, self.resource.0);
            std::hash::Hasher::write_u64(hasher, units);
        })?;
        let Caller { engine, at, name, .. } = self.caller;
        let rate = self.rate(key, units)?;
        if once.is_none() {
            engine.run_rate(at, name, &[], rate, result);
        } else {
            let call = Call { once, rate: Some(rate), ..Call::consume(&[]) };
            engine.run_into(at, name, &call, result);
        }
        Ok(())
    }

    /// What [`pass`](Self::pass) would answer. Changes nothing.
    pub fn check(&self, key: &str, units: u64) -> Result<Decision, Error> {
        let rate = Some(self.rate(key, units)?);
        let call = Call { apply: false, rate, ..Call::consume(&[]) };
        self.caller.engine.run(self.caller.at, self.caller.name, &call)
    }

    fn rate(&self, key: &str, units: u64) -> Result<RateCall, Error> {
        let engine = self.caller.engine;
        let units = super::call::charge(self.resource, units)?.units;
        let key = engine.shared.rate_key(self.resource, key)?;
        engine.rate_call(self.resource, key, units)
    }
}
