//! The numbers of names: given once per database and never again.

use serde::{Deserialize, Serialize};

use super::changes::Renames;
use super::model::{Catalog, Feature};
use crate::rules::{FeatureId, ResourceId};

/// Bits that a tenant's features have capacity for.
const FEATURES_MAX: usize = 256;
/// Resources that a database has capacity for, over all its catalogs.
const RESOURCES_MAX: usize = 1_024;

/// The names that have numbers, in the order of their numbers. They are only ever added to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Names {
    pub(crate) resources: Vec<NamedResource>,
    /// A flag by its name; a level as `name=level`, besides the name itself.
    pub(crate) features: Vec<String>,
}

/// A resource of some catalog, also of one long gone. What was counted under its number was
/// counted in the way of its kind: so it never changes its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredName")]
pub(crate) struct NamedResource {
    pub(crate) name: String,
    /// The kind's name; empty where an older version wrote no kind down, until a catalog names it.
    pub(crate) kind: String,
}

/// A named resource as live files keep it.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredName {
    /// As versions wrote it that kept no kinds.
    WithoutKind(String),
    WithKind {
        name: String,
        kind: String,
    },
}

impl From<StoredName> for NamedResource {
    fn from(stored: StoredName) -> Self {
        match stored {
            StoredName::WithoutKind(name) => NamedResource { name, kind: String::new() },
            StoredName::WithKind { name, kind } => NamedResource { name, kind },
        }
    }
}

/// Why a catalog's names cannot have numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NamesError {
    /// There are too many names already for this one.
    #[error("the database has no capacity for one more name, {0:?}")]
    NoCapacity(String),
    /// The name was another resource's.
    #[error("{0:?} was the name of another resource, whose usage is kept; choose another name")]
    Taken(String),
    /// The name stands for a resource of another kind.
    #[error("{name:?} is {}; it cannot become {}", with_article(was), with_article(is))]
    KindChanged { name: String, was: String, is: &'static str },
}

/// The name of a kind as a sentence has it.
pub(crate) fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

impl Names {
    /// Adds the names of `catalog` that have no number yet.
    pub(crate) fn add(&mut self, catalog: &Catalog) -> Result<(), NamesError> {
        for (name, resource) in &catalog.resources {
            self.add_resource(name, resource.kind.name())?;
        }
        for plan in catalog.plans.values() {
            for name in feature_names(&plan.features) {
                self.add_feature(name)?;
            }
        }
        Ok(())
    }

    /// Gives resources that have a number another name.
    pub(crate) fn rename(&mut self, renames: &Renames) -> Result<(), NamesError> {
        for (old, new) in &renames.resources {
            if self.resource(new).is_some() {
                return Err(NamesError::Taken(new.clone()));
            }
            let known = self.resources.iter_mut().find(|known| known.name == *old);
            if let Some(known) = known {
                new.clone_into(&mut known.name);
            }
        }
        Ok(())
    }

    fn add_resource(&mut self, name: &str, kind: &'static str) -> Result<(), NamesError> {
        if let Some(known) = self.resources.iter_mut().find(|known| known.name == name) {
            if known.kind.is_empty() {
                kind.clone_into(&mut known.kind);
            }
            if known.kind != kind {
                let (name, was) = (name.to_owned(), known.kind.clone());
                return Err(NamesError::KindChanged { name, was, is: kind });
            }
            return Ok(());
        }
        if self.resources.len() >= RESOURCES_MAX {
            return Err(NamesError::NoCapacity(name.to_owned()));
        }
        self.resources.push(NamedResource { name: name.to_owned(), kind: kind.to_owned() });
        Ok(())
    }

    fn add_feature(&mut self, name: String) -> Result<(), NamesError> {
        if self.features.contains(&name) {
            return Ok(());
        }
        if self.features.len() >= FEATURES_MAX {
            return Err(NamesError::NoCapacity(name));
        }
        self.features.push(name);
        Ok(())
    }

    pub(crate) fn resource(&self, name: &str) -> Option<ResourceId> {
        let location = self.resources.iter().position(|known| known.name == name);
        location.map(|location| ResourceId(location as u16))
    }

    pub(super) fn feature(&self, name: &str) -> Option<FeatureId> {
        let location = self.features.iter().position(|known| known == name);
        location.map(|location| FeatureId(location as u16))
    }
}

/// What features give a name to: a flag that is on, or a level and its name.
pub(super) fn feature_names<'a>(
    features: impl IntoIterator<Item = (&'a String, &'a Feature)>,
) -> impl Iterator<Item = String> {
    features.into_iter().flat_map(|(name, feature)| match feature {
        Feature::Flag(true) => vec![name.clone()],
        Feature::Flag(false) => Vec::new(),
        Feature::Level(level) => vec![name.clone(), level_name(name, level)],
    })
}

/// A feature at a level, as it has its number.
pub(crate) fn level_name(name: &str, level: &str) -> String {
    format!("{name}={level}")
}
