//! Keys that an object of a JSON document gives twice. Readers of JSON differ in which of the two
//! counts, so that the document is refused.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The most keys that are returned.
const FOUND_MAX: usize = 16;
/// The most digits of a key that are returned.
const DIGITS_MAX: usize = 6;
/// Characters of a key that are returned.
const KEY_CHARS_MAX: usize = 64;

/// The paths of the keys that are given twice, such as `plan.name`. Empty where the text is not
/// JSON: its reader says so.
#[must_use]
pub fn twice(json: &[u8]) -> Vec<String> {
    let found = RefCell::new(Vec::new());
    let look = Look { path: &Path { around: None, step: String::new() }, found: &found };
    let _ = look.deserialize(&mut serde_json::Deserializer::from_slice(json));
    found.into_inner()
}

/// Where a value stands: the key or the place in a list, and what is around it.
struct Path<'a> {
    around: Option<&'a Path<'a>>,
    step: String,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(around) = self.around.filter(|it| it.around.is_some()) {
            write!(f, "{around}.")?;
        }
        // A key of many digits may be a telephone number.
        let digits = self.step.chars().filter(char::is_ascii_digit).count();
        let shown = |c: char| if digits > DIGITS_MAX && c.is_ascii_digit() { '?' } else { c };
        self.step.chars().take(KEY_CHARS_MAX).map(shown).try_for_each(|c| f.write_char(c))
    }
}

/// Looks for such keys in a value, which is read and not kept.
#[derive(Clone, Copy)]
struct Look<'a> {
    path: &'a Path<'a>,
    found: &'a RefCell<Vec<String>>,
}

impl Look<'_> {
    fn path(&self, step: String) -> Path<'_> {
        Path { around: Some(self.path), step }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = self.path(key);
            map.next_value_seed(Look { path: &path, found: self.found })?;
            let mut found = self.found.borrow_mut();
            if keys.contains(&path.step) && found.len() < FOUND_MAX {
                found.push(path.to_string());
            }
            keys.insert(path.step);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for place in 0_usize.. {
            let path = self.path(place.to_string());
            if list.next_element_seed(Look { path: &path, found: self.found })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_an_object_gives_twice_is_found_wherever_it_is() {
        let found = |json: &str| twice(json.as_bytes());
        assert!(found(r#"{"a": {"b": 1}, "b": [1.5, null, true, -1, "a", {"a": 1}]}"#).is_empty());
        assert_eq!(found(r#"{"a": 1, "b": 2, "a": 1}"#), ["a"]);
        // Written in another way, it is the same key.
        assert_eq!(found(r#"{"a": 1, "\u0061": 2}"#), ["a"]);
        let deep = r#"{"plan": {"name": "a", "name": "b"}, "extras": [{}, {"x": 1, "x": 1}]}"#;
        assert_eq!(found(deep), ["plan.name", "extras.1.x"]);
        assert_eq!(found(r#"[{"a": 1}, {"a": 1, "a": 2}]"#), ["1.a"]);
        assert_eq!(found(r#"{"+5511987654321": 1, "+5511987654321": 2}"#), ["+?????????????"]);
        assert!(found("{").is_empty() && found("").is_empty());
        let many = r#""a": 1, "#.repeat(1_000);
        assert_eq!(found(&format!(r#"{{{many}"b": 1}}"#)).len(), FOUND_MAX);
    }
}
