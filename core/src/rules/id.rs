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

    /// The number, for languages that keep it.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The resource with this number. One that no catalog has given is an error where it is used.
    #[must_use]
    pub const fn from_number(number: u16) -> ResourceId {
        ResourceId(number)
    }
}

/// A feature, or a feature at a level, of one database, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeatureId(pub(crate) u16);
