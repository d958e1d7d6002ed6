//! What people call the things of a catalog: the table `[titles]`, and warnings.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Result, did_you_mean, quoted};
use super::plans::{Plans, title};
use super::resources::Resources;
use super::tree::{Node, Section, Value};
use super::{Catalog, Feature};
use crate::language::Wording;

/// The most titles of a catalog.
const MAX_TITLES: usize = 1_024;

/// The catalog's titles: of resources, of features and of their levels.
pub(super) fn titles(
    root: Section,
    resources: &Resources,
    plans: &Plans,
) -> Result<BTreeMap<String, Wording>> {
    let titles = root.named("titles", MAX_TITLES, |node| Ok((wording(node)?, node)))?;
    if titles.is_empty() {
        return Ok(BTreeMap::new());
    }
    let known = known_names(resources, plans);
    titles
        .into_iter()
        .map(|(name, (wording, node))| {
            if known.contains(name.as_str()) {
                return Ok((name, wording));
            }
            let hint = did_you_mean(&name, known.iter().copied());
            let name = quoted(&name);
            Err(node.location.error(format!("{name} is no resource, feature or level{hint}")))
        })
        .collect()
}

fn known_names<'a>(resources: &'a Resources, plans: &'a Plans) -> BTreeSet<&'a str> {
    let mut known: BTreeSet<_> = resources.keys().map(String::as_str).collect();
    for (name, feature) in plans.values().flat_map(|plan| &plan.features) {
        known.insert(name);
        if let Feature::Level(level) = feature {
            known.insert(level);
        }
    }
    known
}

/// A text in both languages; one that is given once is the same in both.
pub(super) fn wording(node: &Node) -> Result<Wording> {
    let missing = || node.expected("a text, or { en = \"...\", pt = \"...\" }");
    match &node.value {
        Value::Text(_) => {
            let text = title(node)?;
            Ok(Wording { en: text.clone(), pt: text })
        }
        Value::Section(_) => {
            let table = node.table()?;
            table.only(&["en", "pt"])?;
            let en = table.optional("en", title)?;
            let pt = table.optional("pt", title)?;
            let either = en.clone().or(pt.clone()).ok_or_else(missing)?;
            Ok(Wording { en: en.unwrap_or(either.clone()), pt: pt.unwrap_or(either) })
        }
        _ => Err(missing()),
    }
}

impl Catalog {
    /// What people call a resource, a feature or a level of one.
    #[must_use]
    pub fn title(&self, name: &str) -> Wording {
        self.titles.get(name).cloned().unwrap_or_else(|| Wording::of_name(name))
    }
}
