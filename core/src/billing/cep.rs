//! The postal code of an address, CEP: 8 digits.

use std::fmt;

use super::DocumentError;

/// A postal code, written `01310-100` or `01310100`; it displays with the hyphen. Whether it has
/// been assigned is not looked up.
///
/// [`Debug`] does not show it: with a house number it is a person's address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cep(stdbr_core::cep::Cep);

impl Cep {
    /// Reads a postal code; spaces before and after are dropped.
    pub fn parse(text: &str) -> Result<Cep, DocumentError> {
        text.trim_matches(' ').parse().map(Cep).map_err(|_| DocumentError::Cep)
    }

    /// The 8 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Cep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Cep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cep")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cep_is_eight_digits_with_or_without_its_hyphen() {
        let cep = Cep::parse("01310-100").unwrap();
        assert_eq!(cep.as_str(), "01310100");
        assert_eq!(cep.to_string(), "01310-100");
        assert_eq!(Cep::parse(" 01310100 "), Ok(cep));
        assert_eq!(format!("{cep:?}"), "Cep");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "0131010", "013101000", "0131-0100", "01.310-100", "01310 100", "0131010A"]
        {
            assert_eq!(Cep::parse(text), Err(DocumentError::Cep), "{text:?}");
        }
        assert_eq!(Cep::parse("０1310100"), Err(DocumentError::Cep));
        assert_eq!(Cep::parse("01310—100"), Err(DocumentError::Cep));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Cep::parse(&text);
        }

        #[test]
        fn eight_digits_always_read_back(text in "[0-9]{8}") {
            let cep = Cep::parse(&text).unwrap();
            prop_assert_eq!(cep.as_str(), text);
            prop_assert_eq!(Cep::parse(&cep.to_string()), Ok(cep));
        }
    }
}
