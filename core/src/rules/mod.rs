//! The rules, pure: state, request and the present instant in; decision and changes out.
//!
//! Nothing here reads a clock, a file or the shared memory, so that the same code is driven by
//! the engine and by the model tests.

pub mod account;
pub mod burn_down;
pub mod calendar;
pub mod decide;
mod gate;
mod id;
pub mod settle;

pub use account::{Account, Grant, Source, Subscription};
pub use decide::{Changes, Charge, Decision, Reason, Reasons, Request, SessionOutcome, State};
pub use gate::{GateTable, Permissions, Status};
pub use id::{FeatureId, ResourceId};
pub use settle::{ClosedPeriod, Gates, Mode, Slot, Standing, settle, standing};
