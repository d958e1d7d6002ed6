//! What people read: usage, the statement, the plan report, balances and channels. Pure: figures
//! come in, pages go out, in English and in Brazilian Portuguese.

mod balances;
mod channels;
pub mod figures;
mod pace;
mod page;
mod plan;
mod statement;
mod statement_page;
mod usage;
pub mod words;

pub use balances::{BalanceLine, Balances};
pub use channels::{Channel, Channels, NextCharge};
pub use pace::Pace;
pub use plan::{PlanReport, Role};
pub use statement::{GrantLine, PlanSummary, Statement};
pub use usage::{Interval, UsageBucket, UsageReport};
