//! Values of the command line that are one of a few words, or a whole number.

use std::ffi::OsStr;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

/// Reads one of a few words. The help lists them, and so does the error.
#[derive(Clone)]
pub struct OneOf<T> {
    what: &'static str,
    words: Vec<(&'static str, T)>,
}

impl<T> OneOf<T> {
    /// Of `words`, each with its value; `what` is what they are called.
    pub fn new<const N: usize>(what: &'static str, words: [(&'static str, T); N]) -> OneOf<T> {
        OneOf { what, words: words.into() }
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for OneOf<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let OneOf { what, words } = self.clone();
        let read = move |text: &str| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| value.clone()).ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("unknown {what} {text:?} (expected {})", either(&words))
            })
        };
        TypedValueParser::parse_ref(&read, command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(|(word, _)| PossibleValue::new(*word))))
    }
}

/// `a, b or c`.
fn either(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Reads a whole number in a range.
pub fn whole<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let read = text.parse().ok().filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        read.ok_or_else(|| format!("expected a whole number from {least} to {most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_listed_in_a_sentence() {
        assert_eq!(either(&["asaas", "pagarme"]), "asaas or pagarme");
        assert_eq!(either(&["hour", "day", "month"]), "hour, day or month");
        assert_eq!(either(&["one"]), "one");
    }

    #[test]
    fn whole_numbers_have_a_range() {
        let read = whole(1..=24_u32);
        assert_eq!(read("24"), Ok(24));
        for wrong in ["0", "25", "x", "", "-1", "1.0", "99999999999"] {
            assert_eq!(read(wrong), Err("expected a whole number from 1 to 24".to_owned()));
        }
    }
}
