//! Reading JSON member by member, so that a rule that is broken can say where.

use serde_json::Value;

use super::MalformedPart;
use crate::clock::Timestamp;

/// The longest id that is taken from a body, in bytes: as long as the engine's own names.
const ID_BYTES_MAX: usize = 256;

/// A part of a body, and where in the body it is.
#[derive(Clone)]
pub(super) struct BodyNode<'a> {
    pub(super) value: &'a Value,
    path: String,
}

impl<'a> BodyNode<'a> {
    pub(super) fn root(value: &'a Value) -> BodyNode<'a> {
        BodyNode { value, path: String::new() }
    }

    /// The member of this name; one that is null counts as absent.
    pub(super) fn member(&self, name: &str) -> Result<Option<BodyNode<'a>>, MalformedPart> {
        let members = self.value.as_object().ok_or_else(|| self.breaks("is not an object"))?;
        let value = members.get(name).filter(|value| !value.is_null());
        Ok(value.map(|value| BodyNode { value, path: self.path_of(name) }))
    }

    /// The member of this name, or of none where this is no object.
    pub(super) fn get(&self, name: &str) -> Option<BodyNode<'a>> {
        self.member(name).ok().flatten()
    }

    /// The elements of the list of this name; none if it is absent.
    pub(super) fn list(&self, name: &str) -> Result<Vec<BodyNode<'a>>, MalformedPart> {
        let Some(list) = self.member(name)? else { return Ok(Vec::new()) };
        list.elements().ok_or_else(|| list.breaks("is not a list"))
    }

    /// The elements, where this is a list.
    pub(super) fn elements(&self) -> Option<Vec<BodyNode<'a>>> {
        let elements = self.value.as_array()?.iter().enumerate();
        Some(
            elements
                .map(|(i, value)| BodyNode { value, path: format!("{}[{i}]", self.path) })
                .collect(),
        )
    }

    /// The members, where this is an object.
    pub(super) fn members(&self) -> Vec<BodyNode<'a>> {
        let members = self.value.as_object().into_iter().flatten();
        members.map(|(name, value)| BodyNode { value, path: self.path_of(name) }).collect()
    }

    /// The text of this name; text that is empty counts as absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, MalformedPart> {
        let Some(text) = self.member(name)? else { return Ok(None) };
        let text = text.value.as_str().ok_or_else(|| text.breaks("is not a string"))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// The text of this name, or of none.
    pub(super) fn get_text(&self, name: &str) -> Option<&'a str> {
        self.text(name).ok().flatten()
    }

    /// An id: a text that the engine takes for a name. A number is taken as its digits.
    pub(super) fn id(&self, name: &str) -> Result<Option<String>, MalformedPart> {
        let Some(id) = self.member(name)? else { return Ok(None) };
        let text = match id.value {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_u64() => number.to_string(),
            _ => return Err(id.breaks("is not a string")),
        };
        if text.len() > ID_BYTES_MAX {
            return Err(id.breaks(&format!("is longer than {ID_BYTES_MAX} bytes")));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// A time of this name, as a number or as text.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, MalformedPart> {
        let Some(time) = self.member(name)? else { return Ok(None) };
        let at = match time.value {
            Value::String(text) => Timestamp::parse_epoch(text),
            Value::Number(number) => Timestamp::parse_epoch(&number.to_string()),
            _ => None,
        };
        let rule = "is not a time: Unix seconds or milliseconds up to the year 9999";
        at.ok_or_else(|| time.breaks(rule)).map(Some)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Says where and what. Names of members are shown, their values never.
    pub(super) fn breaks(&self, rule: &str) -> MalformedPart {
        let path = if self.path.is_empty() { "the body" } else { &self.path };
        MalformedPart { path: path.to_owned(), rule: rule.to_owned() }
    }
}
