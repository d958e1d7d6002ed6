//! Calls that hosts make all the time: each kind is a function of its own, in which the compiler
//! knows what such a call does not ask for and leaves it out.

use super::Engine;
use super::call::{Call, LeaseCall, OnceCall, RateCall};
use crate::error::Error;
use crate::rules::{Charge, Decision};

/// Has `decide` make a decision in the place in which it is returned, or say why not. What makes
/// one elsewhere copies it, which takes a tenth as long as a decision under a new key.
#[inline(always)]
pub(super) fn decided(
    decide: impl FnOnce(&mut Result<Decision, Error>) -> Result<(), Error>,
) -> Result<Decision, Error> {
    let mut result = Ok(Decision::nothing());
    if let Err(error) = decide(&mut result) {
        result = Err(error);
    }
    result
}

/// A function that makes a call of one kind, and decides about it where the host wants it.
macro_rules! frequent {
    ($(#[$doc:meta])* $name:ident, $part:ident: $of:ty, $field:ident) => {
        $(#[$doc])*
        pub(super) fn $name(
            &self,
            at: u64,
            name: &str,
            charges: &[Charge],
            $part: $of,
            result: &mut Result<Decision, Error>,
        ) {
            let make = || Call { $field: Some($part), ..Call::consume(charges) };
            self.run_here(at, name, make, result);
        }
    };
}

impl Engine {
    frequent! {
        /// Using up `charges` once per key.
        run_once, once: OnceCall, once
    }
    frequent! {
        /// Setting `charges` aside for so many milliseconds.
        run_hold, hold_ms: i64, hold_ms
    }
    frequent! {
        /// Taking or prolonging a lease, which `charges` are for.
        run_lease, lease: LeaseCall<'_>, lease
    }
    frequent! {
        /// Passing a rate.
        run_rate, rate: RateCall, rate
    }
}
