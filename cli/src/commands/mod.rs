//! The commands, each with its arguments; `replay` has a module of its own.

pub mod account;
pub mod audit;
pub mod backup;
pub mod bodies;
pub mod catalog;
pub mod decisions;
pub mod doctor;
pub mod events;
pub mod export;
pub mod grant;
pub mod maintain;
pub mod money;
pub mod opening;
pub mod pages;
pub mod payments;
pub mod plan;
pub mod quote;
pub mod reservations;
pub mod restore;
pub mod seats;
pub mod secret;
pub mod tenant;
pub mod tenant_view;
pub mod usage;
pub mod verify;
pub mod webhook;
