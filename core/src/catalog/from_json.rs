//! JSON into a tree.
//!
//! `serde_json` gives no positions, but a borrowed [`RawValue`] is a piece of the text itself:
//! where it begins is its position. Objects are therefore taken apart level by level, each into
//! raw keys and raw values.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::error::{CatalogError, Result};
use super::tree::{Lines, Location, Node, Value, insert};

/// The tree of a JSON text.
pub(super) fn tree(text: &str, file: &Rc<Location>) -> Result<Node> {
    // This pass finds every fault of syntax. It keeps no call stack, however deep the text nests.
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
        file.error_on(u32::try_from(error.line()).unwrap_or(u32::MAX).max(1), message(&error))
    })?;
    let source = Source { text, lines: Lines::of(text) };
    let value = source.value(raw, file)?;
    Ok(Node { location: Rc::clone(file), value })
}

struct Source<'a> {
    text: &'a str,
    lines: Lines,
}

impl<'a> Source<'a> {
    fn value(&self, raw: &'a RawValue, location: &Rc<Location>) -> Result<Value> {
        let json = raw.get();
        Ok(match json.as_bytes().first() {
            Some(b'{') => self.table(raw, location)?,
            Some(b'[') => self.array(raw, location)?,
            Some(b'"') => Value::Text(decode(json, location)?),
            Some(b't' | b'f') => Value::Flag(json == "true"),
            Some(b'n') => Value::Null,
            _ if json.contains(['.', 'e', 'E']) => Value::Float,
            _ => Value::integer(json, 10, location)?,
        })
    }

    // `Location::key` limits the depth, and with it the recursion.
    fn table(&self, raw: &'a RawValue, location: &Rc<Location>) -> Result<Value> {
        let mut entries = BTreeMap::new();
        for (key, value) in decode::<Members>(raw.get(), location)?.0 {
            let name: String = decode(key.get(), location)?;
            let location = location.key(&name, self.line_of(key))?;
            let value = self.value(value, &location)?;
            insert(&mut entries, Node { location, value })?;
        }
        Ok(Value::Section(entries))
    }

    fn array(&self, raw: &'a RawValue, location: &Rc<Location>) -> Result<Value> {
        let values: Vec<&RawValue> = decode(raw.get(), location)?;
        let values = values.into_iter().map(|raw| match raw.get().as_bytes().first() {
            Some(b'{') => Ok(Value::Section(BTreeMap::new())),
            Some(b'[') => Ok(Value::Array(Vec::new())),
            _ => self.value(raw, location),
        });
        Ok(Value::Array(values.collect::<Result<_>>()?))
    }

    fn line_of(&self, piece: &RawValue) -> u32 {
        self.lines.at(piece.get().as_ptr().addr() - self.text.as_ptr().addr())
    }
}

fn decode<'a, T: Deserialize<'a>>(json: &'a str, location: &Location) -> Result<T> {
    let refuse = |error: serde_json::Error| -> CatalogError { location.error(message(&error)) };
    serde_json::from_str(json).map_err(refuse)
}

/// What is wrong, without the position, which counts from the start of a piece.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    match error.classify() {
        Category::Eof => "the text is not complete JSON".to_owned(),
        Category::Data => "expected a JSON object".to_owned(),
        Category::Syntax | Category::Io => format!("not JSON: {text}"),
    }
}

/// The members of an object in their order, duplicates included.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut object: A,
    ) -> std::result::Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
