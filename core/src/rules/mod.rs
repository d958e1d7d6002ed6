//! The rules, pure: state, request and the present instant in; decision and changes out.
//!
//! Nothing here reads a clock, a file or the shared memory, so that the same code is driven by
//! the engine and by the model tests.

pub mod account;
pub mod burn_down;
pub mod calendar;
pub mod clock_step;
pub mod decide;
mod decision;
mod entitlements;
mod event;
mod gate;
pub mod gcra;
mod id;
pub mod invoice;
pub mod plan_number;
mod rulebook;
pub mod settle;
mod subscription;
mod terms;
pub mod thresholds;

pub use account::{Account, DEBT, Grant, Source, Usage, Watch};
pub use decide::{Changes, Charge, Request, State};
pub(crate) use decision::EntryHandle;
pub use decision::{
    Decision, LeaseOutcome, Reason, Reasons, Receipt, ReservationId, SessionOutcome, SourceCharge,
    SourceCharges,
};
pub use entitlements::{Counter, CounterGrant, Entitlements, Gates, entitlements};
pub use event::{EventKind, TenantEvent};
pub(crate) use event::{REMOVAL_ANNOUNCED, StoredEvent};
pub use gate::{GateTable, Permissions, Status};
pub use id::{FeatureId, ResourceId};
pub use invoice::{Line, LineKind};
pub use rulebook::{BillingRules, Policy, Rulebook};
pub use settle::{ClosedMonth, ClosedPeriod, settle};
pub use subscription::{Pause, Scheduled, Subscription};
pub use terms::{CounterTerms, Counting, Firmness, Mode};
