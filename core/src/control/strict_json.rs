//! JSON in which no object has the same member twice: which of the two was meant, nothing says.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use crate::error::Error;
use crate::form::FORMS_BYTES_MAX;

/// Reads arguments; the empty text is none.
pub(super) fn parse(text: &str) -> Result<Value, Error> {
    let wrong = |why| Error::InvalidArgument { what: "arguments", why };
    if text.len() > FORMS_BYTES_MAX {
        let bytes = text.len();
        return Err(wrong(format!("{bytes} bytes; {FORMS_BYTES_MAX} at most are allowed")));
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let mut from = serde_json::Deserializer::from_str(text);
    let read = Strict.deserialize(&mut from).and_then(|value| from.end().map(|()| value));
    read.map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.classify() {
            // The only error of data is a member that stands twice.
            Category::Data => wrong(error.to_string()),
            _ => wrong(format!("it is not JSON ({place}); it must be a JSON object")),
        }
    })
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element_seed(Strict)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            if map.contains_key(&key) {
                let key: String = key.chars().take(64).collect();
                return Err(de::Error::custom(format_args!("{key:?} is given twice")));
            }
            let value = from.next_value_seed(Strict)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_serde_json_reads_them() {
        for text in [
            r#"{"a": [1, -2, 2.5, null, true, "x\n"], "b": {"c": {}}}"#,
            "18446744073709551615",
            "[]",
            "\"\u{e9}\"",
        ] {
            let expected: Value = serde_json::from_str(text).expect("is JSON");
            assert_eq!(parse(text).expect("is JSON"), expected);
        }
        assert_eq!(parse("").expect("is none"), json!(null));
    }

    #[test]
    fn what_is_ambiguous_or_no_json_is_refused() {
        let why = |text: &str| parse(text).expect_err("is refused").to_string();
        assert!(why(r#"{"a": 1, "a": 1}"#).contains("\"a\" is given twice"));
        assert!(why(r#"{"a": [{"b": 1, "c": 2, "b": 3}]}"#).contains("\"b\" is given twice"));
        assert!(why(r#"{"a": 1} x"#).contains("it is not JSON (line 1, column 10)"));
        assert!(why(&"[".repeat(1_000)).contains("it is not JSON"));
        assert!(why(&" ".repeat(FORMS_BYTES_MAX + 1)).contains("bytes"));
    }
}
