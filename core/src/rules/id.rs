//! Numbers for the names of a catalog. They are given once per database and never again.

use serde::{Deserialize, Serialize};

/// A resource of one database, by number. Names become numbers once, so that a decision compares
/// no text; a number stays with its name in every later version of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceId(pub(crate) u16);

impl ResourceId {
    /// Stands for "no resource" in places that hold a number.
    pub(crate) const NONE: ResourceId = ResourceId(u16::MAX);
}

/// A feature, or a feature at a level, of one database, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeatureId(pub(crate) u16);
