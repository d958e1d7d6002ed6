//! Money: whole cents, never a float.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::PriceError;
use super::payload::shown;

/// The highest amount in cents: ten thousand million in the currency's unit, as in a catalog.
const CENTS_MAX: i64 = 1_000_000_000_000;

/// An amount of money in cents, from nothing to ten thousand million units. The currency is the
/// catalog's.
///
/// It prints as `35.00` and is serialized as the integer 3500.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Cents(i64);

impl Cents {
    /// Nothing.
    pub const ZERO: Cents = Cents(0);
    /// The highest amount.
    pub const MAX: Cents = Cents(CENTS_MAX);

    /// `cents` as an amount; an error below zero or above [`MAX`](Self::MAX).
    pub fn new(cents: i64) -> Result<Cents, PriceError> {
        if (0..=CENTS_MAX).contains(&cents) {
            Ok(Cents(cents))
        } else {
            Err(PriceError::Amount { value: cents.to_string(), unit: "in cents" })
        }
    }

    /// Reads a decimal text such as `29.9`, `50` or `94.510`, digit by digit: a float could not
    /// hold every amount exactly.
    ///
    /// A sign, an exponent, a comma, a missing digit on either side of the point, more than two
    /// decimals that are not zero, and amounts above [`MAX`](Self::MAX) are errors.
    pub fn parse(text: &str) -> Result<Cents, PriceError> {
        decimal(text)
            .filter(|cents| *cents <= CENTS_MAX)
            .map(Cents)
            .ok_or_else(|| PriceError::Amount { value: shown(text), unit: "with two decimals" })
    }

    /// The number of cents.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, or `None` above [`MAX`](Self::MAX).
    #[must_use]
    pub fn checked_add(self, other: Cents) -> Option<Cents> {
        self.0.checked_add(other.0).filter(|sum| *sum <= CENTS_MAX).map(Cents)
    }
}

fn decimal(text: &str) -> Option<i64> {
    let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(units) || !is_number(decimals) {
        return None;
    }
    let decimals = decimals.trim_end_matches('0');
    let hundredths = match decimals.len() {
        0 => 0,
        1 => decimals.parse::<i64>().ok()? * 10,
        2 => decimals.parse::<i64>().ok()?,
        _ => return None,
    };
    units.parse::<i64>().ok()?.checked_mul(100)?.checked_add(hundredths)
}

impl TryFrom<i64> for Cents {
    type Error = PriceError;

    fn try_from(cents: i64) -> Result<Cents, PriceError> {
        Cents::new(cents)
    }
}

impl From<Cents> for i64 {
    fn from(cents: Cents) -> i64 {
        cents.0
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_decimal_text_is_read_exactly() {
        for (text, cents) in [
            ("29.9", 2990),
            ("50", 5000),
            ("5.0", 500),
            ("94.51", 9451),
            ("0.07", 7),
            ("0", 0),
            ("0.290", 29),
            ("19.99000", 1999),
            ("10000000000.00", 1_000_000_000_000),
        ] {
            assert_eq!(Cents::parse(text).unwrap().get(), cents, "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_and_named() {
        for text in [
            "",
            ".",
            "5.",
            ".5",
            "-1",
            "-0",
            "+1",
            "1e3",
            "1E3",
            "2.5e1",
            "0.001",
            "29.901",
            "29,90",
            " 5",
            "5 ",
            "1.000.00",
            "0x10",
            "1_000",
            "５",
            "NaN",
            "Infinity",
            "10000000000.01",
            "92233720368547758.08",
            "99999999999999999999999999",
        ] {
            let error = Cents::parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("{:?}", shown(text))), "{error}");
        }
    }

    #[test]
    fn a_long_refusal_is_cut() {
        assert!(Cents::parse(&"9".repeat(100_000)).unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn an_amount_prints_with_two_decimals_and_serializes_as_an_integer() {
        assert_eq!(Cents::new(3500).unwrap().to_string(), "35.00");
        assert_eq!(Cents::new(7).unwrap().to_string(), "0.07");
        assert_eq!(serde_json::to_string(&Cents::new(2990).unwrap()).unwrap(), "2990");
        assert_eq!(serde_json::from_str::<Cents>("2990").unwrap().get(), 2990);
        assert!(serde_json::from_str::<Cents>("-1").is_err());
        assert!(serde_json::from_str::<Cents>("29.9").is_err());
        assert!(Cents::new(CENTS_MAX + 1).unwrap_err().to_string().contains("1000000000001"));
        assert_eq!(Cents::MAX.checked_add(Cents::new(1).unwrap()), None);
        assert_eq!(Cents::ZERO.checked_add(Cents::MAX), Some(Cents::MAX));
    }

    proptest! {
        #[test]
        fn an_amount_reads_back_as_it_prints(cents in 0..=CENTS_MAX) {
            let amount = Cents::new(cents).unwrap();
            prop_assert_eq!(Cents::parse(&amount.to_string()).unwrap(), amount);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Cents::parse(&text);
        }
    }
}
