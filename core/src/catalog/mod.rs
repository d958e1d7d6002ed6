//! The catalog: what may be limited, what can be bought and what the host does.
//!
//! A catalog is written in TOML or JSON and read strictly: whatever is not understood is refused,
//! with the file, the line and the key.

mod actions;
mod caps;
mod changes;
mod compile;
mod difference;
mod error;
mod from_json;
mod from_toml;
mod model;
mod names;
mod packages;
mod parse;
mod plans;
mod resources;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod wordings;

pub(crate) use changes::{Removed, Renames, rename_key};
pub(crate) use compile::{Compiled, CompiledAction, CompiledSession, is_granted};
pub use difference::CatalogChange;
pub use error::CatalogError;
pub(crate) use error::{near, quoted};
pub use model::*;
pub(crate) use names::{NamedResource, Names, NamesError, level_name, with_article};
pub use parse::MAX_TEXT_BYTES;
