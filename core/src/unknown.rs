//! A name that nothing has, and the one that was probably meant.

use std::fmt;

use crate::catalog::{Compiled, Feature, level_name, near, quoted};
use crate::error::Error;

/// Names that a message lists where none of them is near to the unknown one.
const LISTED_MAX: usize = 8;

/// A name that nothing has, cut to 64 characters, and the known name nearest to it in spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    name: Box<str>,
    near: Option<Box<str>>,
    /// Shown where no name is near, if there are few.
    known: Box<[Box<str>]>,
}

impl UnknownName {
    /// `name`, compared with the names that there are.
    #[cold]
    #[must_use]
    pub fn among<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> UnknownName {
        let known: Vec<_> = known.into_iter().collect();
        let near = near(name, known.iter().copied()).map(Box::from);
        let few = if near.is_none() && known.len() <= LISTED_MAX { known } else { Vec::new() };
        let known = few.into_iter().map(Box::from).collect();
        UnknownName { near, known, ..UnknownName::from(name) }
    }

    /// The same, without the names to choose from: only a near one is shown.
    pub(crate) fn near_only(self) -> UnknownName {
        UnknownName { known: Box::default(), ..self }
    }

    /// The unknown name, cut to 64 characters.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The known name that is probably meant, if one is spelt like it.
    #[must_use]
    pub fn did_you_mean(&self) -> Option<&str> {
        self.near.as_deref()
    }
}

impl From<&str> for UnknownName {
    fn from(name: &str) -> UnknownName {
        UnknownName { name: name.chars().take(64).collect(), near: None, known: Box::default() }
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)?;
        match (&self.near, &*self.known) {
            (Some(near), _) => write!(f, "; did you mean {}?", quoted(near)),
            (None, []) => Ok(()),
            (None, [only]) => write!(f, " (expected {only})"),
            (None, [first @ .., last]) => write!(f, " (expected {} or {last})", first.join(", ")),
        }
    }
}

/// Errors about names that the catalog in force does not have.
impl Compiled {
    pub(crate) fn unknown_resource(&self, name: &str) -> Error {
        let known = self.catalog.resources.keys().map(String::as_str);
        Error::UnknownResource(UnknownName::among(name, known))
    }

    pub(crate) fn unknown_action(&self, name: &str) -> Error {
        let known = self.catalog.actions.keys().map(String::as_str);
        Error::UnknownAction(UnknownName::among(name, known))
    }

    pub(crate) fn unknown_plan(&self, name: &str) -> Error {
        let known = self.catalog.plans.keys().map(String::as_str);
        Error::UnknownPlan(UnknownName::among(name, known))
    }

    pub(crate) fn unknown_package(&self, name: &str) -> Error {
        let known = self.catalog.packages.keys().map(String::as_str);
        Error::UnknownPackage(UnknownName::among(name, known))
    }

    /// Names the level as well where only that is unknown: `name=level`.
    pub(crate) fn unknown_feature(&self, name: &str, feature: Option<&Feature>) -> Error {
        let unknown = match feature {
            Some(Feature::Level(level)) if self.knows_feature(name, None) => {
                let levels = self.names.features.iter().map(String::as_str);
                UnknownName::among(&level_name(name, level), levels.filter(|it| it.contains('=')))
            }
            _ => UnknownName::among(name, self.feature_names()),
        };
        Error::UnknownFeature(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_if_one_is_near() {
        let known = ["small", "full", "fuller"];
        let shown = |name: &str| UnknownName::among(name, known).to_string();
        assert_eq!(shown("smal"), "\"smal\"; did you mean \"small\"?");
        assert_eq!(shown("Full"), "\"Full\"; did you mean \"full\"?");
        assert_eq!(shown("gold"), "\"gold\" (expected small, full or fuller)");
        assert_eq!(shown(""), "\"\" (expected small, full or fuller)");
        let many: Vec<_> = (0..9).map(|number| format!("resource-{number}")).collect();
        let many = UnknownName::among("x", many.iter().map(String::as_str));
        assert_eq!(many.to_string(), "\"x\"");
        assert_eq!(UnknownName::among("ful", known).did_you_mean(), Some("full"));
        assert_eq!(UnknownName::from("x".repeat(1_000).as_str()).name().len(), 64);
    }
}
