//! Why a catalog was refused, and where.

/// Why a catalog was refused: `file:line: key path: problem`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {}{problem}", prefix(path))]
#[non_exhaustive]
pub struct CatalogError {
    /// The name of the file, as it was given to [`Catalog::parse`](super::Catalog::parse).
    pub file: String,
    /// The line of the key, counted from 1.
    pub line: u32,
    /// The key and those of the tables around it, such as `plans.full.limits.users`; empty where
    /// the text as a whole is meant, or is not TOML or JSON at all.
    pub path: String,
    /// What is wrong there, and what would be right.
    pub problem: String,
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

/// The result of reading a part of a catalog.
pub(super) type Result<T> = std::result::Result<T, CatalogError>;

/// The longest piece of a catalog that a message repeats, in characters.
const MAX_SHOWN_CHARS: usize = 64;

/// `text` in quotes, without its control characters and cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// `; did you mean "..."?` with the name in `known` that is nearest to `unknown`, or nothing where
/// none is near.
pub(super) fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    near(unknown, known).map(|name| format!("; did you mean {}?", quoted(name))).unwrap_or_default()
}

/// The name in `known` that is nearest to `unknown`, if one is near: up to three letters apart, and
/// up to a third of them. An empty name is near to none.
pub(crate) fn near<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if unknown.is_empty() || unknown.len() > MAX_SHOWN_CHARS {
        return None;
    }
    let near = (unknown.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(unknown, name), name))
        .filter(|(distance, _)| *distance <= near)
        .min()
        .map(|(_, name)| name)
}
