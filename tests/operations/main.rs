//! The operations one by one: leases, meters, rates, reservations, refunds, seats, events, keys.
#![allow(unused_must_use)] // `allowed` and `denied` have looked at the decision.

mod actions;
mod contacts;
mod events;
mod keys;
mod leases;
mod meters;
mod plans;
mod rebuilds;
mod refunds;
mod reservations;
mod seats;
mod sends;
mod waiting;
