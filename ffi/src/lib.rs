//! The C ABI of Cotas.
//!
//! `include/cotas.h` is generated from this crate, and its preamble (`ffi/preamble.txt`) is the
//! contract: what a pointer must be, who owns what, what may block. All code that touches a
//! pointer stands in `call` and `pointers`; all code that touches a handle's memory in `table`.
#![allow(non_camel_case_types)] // The names are those of the header.
#![allow(clippy::missing_safety_doc)] // One contract for all functions: the header's preamble.
#![allow(clippy::doc_markdown)] // The comments are the header's, for C.
#![allow(clippy::too_many_arguments)] // Flat calls: cgo accepts no structs that hold pointers.

// In the order of the header.
mod version;

mod code;
mod error;

mod options;

mod engine;

mod tenant;

mod decision;

mod names;

mod decide;

mod actions;

mod reservations;

mod leases;

mod meters;

mod replay;

mod whatsapp;

mod seats;

mod control;

mod money;

mod outside;

// What C does not see.
mod call;
mod documents;
mod failure;
#[cfg(test)]
mod layout;
#[cfg(feature = "test-panic")]
mod panic;
mod pointers;
mod table;
