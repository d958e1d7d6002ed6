//! A catalog's text as a tree, the same for TOML and JSON, in which every value knows its place.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::RangeInclusive;
use std::rc::Rc;

use super::error::{CatalogError, Result, did_you_mean, quoted};

/// The deepest nesting of tables. A catalog needs five levels.
pub(super) const MAX_NESTING: u32 = 16;

/// Where a value stands: its key, the line of the key, and the place of the table around it.
/// The outermost place is the file.
pub(super) struct Location {
    pub key: String,
    line: u32,
    depth: u32,
    around: Option<Rc<Location>>,
}

impl Location {
    /// The file itself.
    pub fn file(name: &str) -> Rc<Location> {
        Rc::new(Location { key: name.to_owned(), line: 1, depth: 0, around: None })
    }

    /// The place of `key` in the table at this place.
    pub fn key(self: &Rc<Self>, key: &str, line: u32) -> Result<Rc<Location>> {
        let depth = self.depth + 1;
        let around = Some(Rc::clone(self));
        let location = Location { key: key.to_owned(), line, depth, around };
        if depth > MAX_NESTING {
            return Err(location.too_deep(line));
        }
        Ok(Rc::new(location))
    }

    /// Refuses the catalog for what stands here.
    pub fn error(&self, problem: impl Into<String>) -> CatalogError {
        self.error_on(self.line, problem)
    }

    /// Refuses the catalog for what stands on `line`, somewhere inside this place.
    pub fn error_on(&self, line: u32, problem: impl Into<String>) -> CatalogError {
        let mut keys = Vec::new();
        let mut location = self;
        while let Some(around) = &location.around {
            keys.push(shown_key(&location.key));
            location = around;
        }
        keys.reverse();
        let (file, path) = (location.key.clone(), keys.join("."));
        CatalogError { file, line, path, problem: problem.into() }
    }

    /// Refuses the catalog for what nests too deep on `line`.
    pub fn too_deep(&self, line: u32) -> CatalogError {
        self.error_on(line, format!("nested more than {MAX_NESTING} deep"))
    }
}

/// A key as TOML would write it: in quotes unless it is plain.
fn shown_key(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=64).contains(&key.len()) && key.chars().all(plain) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

/// A value and its place.
pub(super) struct Node {
    pub location: Rc<Location>,
    pub value: Value,
}

/// What TOML or JSON can say. A catalog has no use for the last three, except to refuse them.
pub(super) enum Value {
    Section(BTreeMap<String, Node>),
    /// No catalog has tables or arrays in an array: those stand here as empty ones.
    Array(Vec<Value>),
    Text(String),
    Integer(i64),
    Flag(bool),
    Float,
    Date,
    Null,
}

impl Value {
    /// The integer that `digits` write.
    pub fn integer(digits: &str, radix: u32, location: &Location) -> Result<Value> {
        i64::from_str_radix(digits, radix)
            .map(Value::Integer)
            .map_err(|_| location.error("the number does not fit into 64 bits"))
    }

    /// As a message repeats it.
    pub fn shown(&self) -> String {
        match self {
            Value::Section(_) => "a table".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Text(text) => quoted(text),
            Value::Integer(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Float => "a floating-point number".to_owned(),
            Value::Date => "a date".to_owned(),
            Value::Null => "null".to_owned(),
        }
    }
}

/// Adds `node` to the table that is being built, under its key.
pub(super) fn insert(entries: &mut BTreeMap<String, Node>, node: Node) -> Result<()> {
    match entries.entry(node.location.key.clone()) {
        Entry::Vacant(free) => {
            free.insert(node);
            Ok(())
        }
        Entry::Occupied(first) => {
            let line = first.get().location.line;
            Err(node.location.error(format!("duplicate key, first on line {line}")))
        }
    }
}

impl Node {
    /// Refuses the value: `what` was expected here.
    pub fn expected(&self, what: &str) -> CatalogError {
        self.location.error(format!("expected {what}, found {}", self.value.shown()))
    }

    pub fn table(&self) -> Result<Section<'_>> {
        match &self.value {
            Value::Section(entries) => Ok(Section { location: &self.location, entries }),
            _ => Err(self.expected("a table")),
        }
    }

    pub fn text(&self) -> Result<&str> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.expected("a string")),
        }
    }

    pub fn flag(&self) -> Result<bool> {
        match self.value {
            Value::Flag(flag) => Ok(flag),
            _ => Err(self.expected("true or false")),
        }
    }

    pub fn integer(&self, range: RangeInclusive<u32>) -> Result<u32> {
        let number = match self.value {
            Value::Integer(number) => u32::try_from(number).ok(),
            _ => None,
        };
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            self.expected(&format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// One of several words, by what it stands for.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T> {
        let text = self.text()?;
        if let Some((_, chosen)) = choices.iter().find(|(word, _)| *word == text) {
            return Ok(*chosen);
        }
        let words: Vec<String> = choices.iter().map(|(word, _)| quoted(word)).collect();
        let mut error = self.expected(&format!("one of {}", words.join(", ")));
        error.problem += &did_you_mean(text, choices.iter().map(|(word, _)| *word));
        Err(error)
    }
}

/// A table, to read its keys from.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub location: &'a Location,
    pub entries: &'a BTreeMap<String, Node>,
}

impl<'a> Section<'a> {
    /// Refuses any key that is not in `known`.
    pub fn only(self, known: &[&str]) -> Result<()> {
        let is_known = |key: &String| known.contains(&key.as_str());
        let Some((key, node)) = self.entries.iter().find(|(key, _)| !is_known(key)) else {
            return Ok(());
        };
        let mut hint = did_you_mean(key, known.iter().copied());
        // `[resources.channels.whatsapp]` is a likely slip: TOML reads it as a table in `channels`.
        let inside_named_thing = self.location.depth == 2;
        if hint.is_empty() && inside_named_thing && matches!(node.value, Value::Section(_)) {
            let name = format!("{}.{key}", self.location.key);
            hint = format!("; a name with a dot is written in quotes: {}", quoted(&name));
        }
        Err(node.location.error(format!("unknown key {}{hint}", quoted(key))))
    }

    /// What `read` makes of the value of `key`, if there is one.
    pub fn optional<T>(
        self,
        key: &str,
        read: impl FnOnce(&'a Node) -> Result<T>,
    ) -> Result<Option<T>> {
        self.entries.get(key).map(read).transpose()
    }

    /// What `read` makes of the value of `key`.
    pub fn required<T>(self, key: &str, read: impl FnOnce(&'a Node) -> Result<T>) -> Result<T> {
        let missing = || self.location.error(format!("the key {} is missing", quoted(key)));
        self.entries.get(key).ok_or_else(missing).and_then(read)
    }

    /// The table under `key` as a map of at most `most` things, each read by `read`; empty where
    /// there is no such table.
    pub fn named<T>(
        self,
        key: &str,
        most: usize,
        read: impl Fn(&'a Node) -> Result<T>,
    ) -> Result<BTreeMap<String, T>> {
        let Some(node) = self.entries.get(key) else {
            return Ok(BTreeMap::new());
        };
        let entries = node.table()?.entries;
        if entries.len() > most {
            let count = entries.len();
            return Err(node
                .location
                .error(format!("{count} entries, at most {most} are allowed")));
        }
        entries.iter().map(|(name, node)| Ok((name.clone(), read(node)?))).collect()
    }
}

/// The lines of a text, to find on which one an offset lies.
pub(super) struct Lines {
    ends: Vec<usize>,
}

impl Lines {
    pub fn of(text: &str) -> Lines {
        Lines { ends: text.match_indices('\n').map(|(end, _)| end).collect() }
    }

    /// The line, counted from 1, on which the byte at `offset` lies.
    pub fn at(&self, offset: usize) -> u32 {
        1 + self.ends.partition_point(|end| *end < offset) as u32
    }
}
