//! The commands, each with its arguments; `replay` has a room of its own.

pub mod backup;
pub mod catalog;
pub mod grant;
pub mod maintain;
pub mod opening;
pub mod tenant;
mod tenant_view;
pub mod usage;
pub mod verify;

pub use tenant_view::balances_json;
