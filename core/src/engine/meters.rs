//! Meters: measured, with or without a limit.

use super::Shared;
use super::apply::key_entry;
use super::call::{
    Call, ChargeOperation, Charges, NO_CHARGES, OnceCall, UNITS_MAX, bad_units, charge,
};
use super::caller::{Caller, Once};
use super::decide::RetryReason;
use super::tenant::Tenant;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::history::HistoryKey;
use crate::live::layout::counter;
use crate::live::record::{CounterRef, RecordGuard};
use crate::rules::decide::decide_into;
use crate::rules::{Charge, Decision, ResourceId, State};

/// A meter of a tenant.
#[derive(Clone, Copy)]
pub struct Meter<'a> {
    caller: Caller<'a>,
    resource: ResourceId,
}

/// How a meter is moved.
#[derive(Clone, Copy)]
enum Move {
    Down(u64),
    To(u64),
}

impl Tenant {
    /// The meter of a resource.
    pub fn meter(&self, resource: &str) -> Result<Meter<'_>, Error> {
        Meter::new(self.caller(), resource)
    }
}

impl<'a> Once<'a> {
    /// As [`Tenant::meter`].
    pub fn meter(&self, resource: &str) -> Result<Meter<'a>, Error> {
        Meter::new(*self.caller()?, resource)
    }
}

impl<'a> Meter<'a> {
    fn new(caller: Caller<'a>, resource: &str) -> Result<Meter<'a>, Error> {
        let (resource, _) = caller.resource_of(resource, "meter")?;
        Ok(Meter { caller, resource })
    }

    /// May so much be added? If so, it is. Touches no disk.
    pub fn add(&self, units: u64) -> Result<Decision, Error> {
        let asked = charge(self.resource, units)?;
        let once = self.caller.once_charge(ChargeOperation::Add, &asked)?;
        let mut charges = NO_CHARGES;
        let charges = self.caller.engine.charges_with_parents(&[asked], &mut charges)?;
        self.run(&Call { once, ..Call::consume(charges) })
    }

    /// What [`add`](Self::add) would answer. Changes nothing.
    pub fn check(&self, units: u64) -> Result<Decision, Error> {
        let asked = charge(self.resource, units)?;
        let mut charges = NO_CHARGES;
        let charges = self.caller.engine.charges_with_parents(&[asked], &mut charges)?;
        self.run(&Call { apply: false, ..Call::consume(charges) })
    }

    /// Takes so much away, but never below zero. It is always allowed: what is gone is gone.
    /// Touches no disk.
    pub fn subtract(&self, units: u64) -> Result<Decision, Error> {
        let asked = charge(self.resource, units)?;
        let once = self.caller.once_charge(ChargeOperation::Subtract, &asked)?;
        self.shift(Move::Down(units), once)
    }

    /// Brings the meter to `value`: upwards as [`add`](Self::add) does, if the limit allows it,
    /// downwards in any case. Touches no disk.
    pub fn set(&self, value: u64) -> Result<Decision, Error> {
        if value > UNITS_MAX {
            return Err(bad_units(value));
        }
        let asked = Charge { resource: self.resource, units: value };
        let once = self.caller.once_charge(ChargeOperation::Set, &asked)?;
        self.shift(Move::To(value), once)
    }

    fn run(&self, call: &Call<'_>) -> Result<Decision, Error> {
        self.caller.engine.run(self.caller.at, self.caller.name, call)
    }

    fn shift(&self, to: Move, once: Option<OnceCall>) -> Result<Decision, Error> {
        let Caller { engine, at, name, .. } = self.caller;
        let shared = &engine.shared;
        let parents = shared.compiled()?.parents(self.resource);
        let mut decision = Decision::nothing();
        engine.apply_at(at, name, |now| {
            let mut guard = shared.ready_record(at, now, engine.timeout)?;
            decision = Decision::nothing();
            shared.shift(&mut guard, (self.resource, parents), to, once, now, &mut decision)
        })?;
        Ok(decision)
    }
}

impl Shared {
    /// Moves a meter, and those above it by as much.
    fn shift(
        &self,
        guard: &mut RecordGuard<'_>,
        (resource, parents): (ResourceId, &[ResourceId]),
        to: Move,
        once: Option<OnceCall>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), RetryReason> {
        let used = guard.counter(resource).map_or(0, CounterRef::used);
        let high_water_mark = now.max(guard.high_water_mark());
        let mut key = None;
        if let Some(once) = &once {
            key = guard.find_entry(once.key);
            if self.replay(guard, once, key, high_water_mark, decision)? {
                return Ok(());
            }
        }
        let family = || parents.iter().rev().chain([&resource]).copied();
        let down = match to {
            Move::Down(units) => units.min(used),
            Move::To(value) if value <= used => used - value,
            Move::To(value) => {
                let mut charges: Charges = NO_CHARGES;
                let mut count = 0;
                for (index, resource) in charges.iter_mut().zip(family()) {
                    *index = Charge { resource, units: value - used };
                    count += 1;
                }
                let charges = charges.get(..count).unwrap_or_default();
                let call = Call { once, ..Call::consume(charges) };
                return self.run_locked(guard, &call, now, decision);
            }
        };
        if !guard.history_has_capacity(1 + parents.len() as u64) {
            return Err(RetryReason::CheckpointNeeded);
        }
        if let Some(index) = key {
            self.forget_key(guard, index)?;
        }
        if once.is_some() {
            Self::prepare_key(guard)?;
        }
        let seq = guard.begin();
        for resource in family() {
            let Some(counter) = guard.counter(resource) else { continue };
            let down = down.min(counter.used());
            if down > 0 {
                guard.set_cell(counter.cell(counter::USED), counter.used() - down);
                let _ = guard.record_history(HistoryKey::returned(now, resource), down);
            }
        }
        as_it_stands(guard, resource, decision);
        if let Some(once) = &once {
            let entry = key_entry(guard, once.key);
            self.store_decision(guard, entry, once, decision, high_water_mark, seq);
        }
        guard.raise_high_water_mark(now);
        self.finish(guard)
    }
}

/// A decision that asks for nothing, with the numbers of a resource.
fn as_it_stands<S: State>(state: &S, resource: ResourceId, decision: &mut Decision) {
    let nothing = [Charge { resource, units: 0 }];
    decide_into(state, &Call::consume(&nothing).request(None, None, true), decision);
    decision.reasons = crate::rules::Reasons::default();
}
