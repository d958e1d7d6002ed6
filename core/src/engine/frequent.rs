//! Calls that hosts make all the time: each kind is a function of its own, in which the compiler
//! knows what such a call does not ask for and leaves it out.

use super::Engine;
use super::call::{Call, LeaseCall, OnceCall, RateCall};
use crate::error::Error;
use crate::rules::{Charge, Decision};

/// A function that makes a call of one kind, and decides about it where the host wants it.
macro_rules! frequent {
    ($(#[$doc:meta])* $name:ident, $into:ident, $part:ident: $of:ty, $field:ident) => {
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name(
            &self,
            at: u64,
            name: &str,
            charges: &[Charge],
            $part: $of,
        ) -> Result<Decision, Error> {
            let mut result = Ok(Decision::nothing());
            self.$into(at, name, charges, $part, &mut result);
            result
        }

        fn $into(
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
        run_once, run_once_into, once: OnceCall, once
    }
    frequent! {
        /// Setting `charges` aside for so many milliseconds.
        run_hold, run_hold_into, hold_ms: i64, hold_ms
    }
    frequent! {
        /// Taking or prolonging a lease, which `charges` are for.
        run_lease, run_lease_into, lease: LeaseCall<'_>, lease
    }
    frequent! {
        /// Passing a rate.
        run_rate, run_rate_into, rate: RateCall, rate
    }
}
