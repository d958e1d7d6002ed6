//! What people read: usage, the statement, the plan report. Pure: figures come in, pages go out.

mod plan;
mod statement;
mod usage;

pub use plan::{PlanReport, Role};
pub use statement::{BalanceLine, Language, PlanSummary, Statement};
pub use usage::{Interval, UsageBucket, UsageReport};
