//! The verbs one by one: leases, meters, rates, reservations, refunds, seats, events, keys.

#![allow(unused_must_use)] // `allowed` and `denied` have looked at the decision.

mod leases;
mod meters;
mod refunds;
mod reservations;
