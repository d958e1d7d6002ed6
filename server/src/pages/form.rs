//! What a form or a query says: pairs of names and texts.

use axum::http::StatusCode;

use crate::problem::Problem;

/// Fields of a form. The longest has some sixty.
const FIELDS_MAX: usize = 500;

/// Names and texts, each name once.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Form, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, text) in form_urlencoded::parse(bytes) {
            if pairs.len() == FIELDS_MAX || pairs.iter().any(|(other, _)| *other == name) {
                let detail = "a field of the form stands twice, or there are too many";
                return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
            }
            pairs.push((name.into_owned(), text.into_owned()));
        }
        Ok(Form(pairs))
    }

    /// What a field says, as it was written; empty where it is missing.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, text)| text)
    }

    /// What a field says, without spaces around it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// What a field says, unless it says nothing.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|it| !it.is_empty())
    }

    /// Whether a box is ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// A whole number from 0 on.
    pub(super) fn units(&self, name: &str) -> Option<u64> {
        // People group digits: 1.000 in Brazil, 1,000 elsewhere.
        let text = self.text(name);
        let is_plain = text.chars().all(|it| it.is_ascii_digit() || matches!(it, '.' | ',' | ' '));
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let groups = text.split(['.', ',', ' ']).skip(1).all(|group| group.len() == 3);
        if is_plain && groups { digits.parse().ok() } else { None }
    }

    /// Every name with its text.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

/// A text as a segment of a path.
pub(super) fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                segment.push(byte.into());
            }
            // A dot as well: `..` would lead elsewhere. Writing into a `String` does not fail.
            _ => drop(write!(segment, "%{byte:02X}")),
        }
    }
    segment
}

/// A query of these pairs, for a link.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let units =
            |text: &str| Form::parse(query(&[("units", text)]).as_bytes()).unwrap().units("units");
        for (text, expected) in [("1000", 1000), (" 1.000 ", 1000), ("1,000", 1000), ("0", 0)] {
            assert_eq!(units(text), Some(expected), "{text}");
        }
        for wrong in ["", "-1", "1.5", "1,50", "a", "1e3", "99999999999999999999"] {
            assert_eq!(units(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        assert!(Form::parse(b"a=1&b=2").is_ok());
        assert!(Form::parse(b"a=1&a=2").is_err());
        let many: Vec<_> = (0..=FIELDS_MAX).map(|it| format!("f{it}=&")).collect();
        let many = many.concat();
        assert!(Form::parse(many.as_bytes()).is_err());
    }

    #[test]
    fn a_segment_leads_nowhere_else() {
        assert_eq!(segment("padaria-aurora"), "padaria-aurora");
        assert_eq!(segment("a/../b c?\"<é"), "a%2F%2E%2E%2Fb%20c%3F%22%3C%C3%A9");
    }
}
