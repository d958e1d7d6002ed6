//! Figures as the reader's country writes them: numbers, amounts, dates and times.

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::billing::Cents;
use crate::clock::Timestamp;
use crate::language::Language;
use crate::rules::calendar;

/// Digits from which a number is written in groups of three: "1000", but "10.000".
const GROUPED_FROM_DIGITS: usize = 5;

/// "Yes" or "no".
#[must_use]
pub fn yes_or_no(yes: bool, language: Language) -> String {
    if yes { language.say("Yes", "Sim") } else { language.say("No", "Não") }.to_owned()
}

/// A number; from five digits on in groups of three.
#[must_use]
pub fn number(number: u64, language: Language) -> String {
    let digits = number.to_string();
    if digits.len() < GROUPED_FROM_DIGITS {
        return digits;
    }
    grouped(&digits, language)
}

fn grouped(digits: &str, language: Language) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push_str(language.say(",", "."));
        }
        text.push(digit);
    }
    text
}

/// A number of units, or that there is no limit.
#[must_use]
pub fn limit(units: Option<u64>, language: Language) -> String {
    match units {
        Some(units) => number(units, language),
        None => language.say("unlimited", "sem limite").to_owned(),
    }
}

/// A date as people write it: `20/05/2026` in Brazil.
#[must_use]
pub fn date(date: NaiveDate, language: Language) -> String {
    date.format(language.say("%Y-%m-%d", "%d/%m/%Y")).to_string()
}

/// The date of an instant in a zone.
#[must_use]
pub fn day(at: Timestamp, zone: Tz, language: Language) -> String {
    date(calendar::date_of(at, zone), language)
}

/// An instant in a zone, to the minute: `20/05/2026 14:03` in Brazil.
#[must_use]
pub fn minute(at: Timestamp, zone: Tz, language: Language) -> String {
    let local = calendar::local(at, zone);
    local.format(language.say("%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M")).to_string()
}

/// An amount as people write it: `R$ 1.234,56` in Brazil.
#[must_use]
pub fn money(amount: Cents, currency: &str, language: Language) -> String {
    let text = amount.to_string();
    let (units, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let units = grouped(units, language);
    match (language, currency) {
        (Language::Portuguese, "BRL") => format!("R$ {units},{cents}"),
        (Language::Portuguese, _) => format!("{currency} {units},{cents}"),
        (Language::English, _) => format!("{currency} {units}.{cents}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PT: Language = Language::Portuguese;

    #[test]
    fn figures_are_written_as_the_country_writes_them() {
        let amount = Cents::new(123_456).expect("an amount");
        assert_eq!(money(amount, "BRL", PT), "R$ 1.234,56");
        assert_eq!(money(amount, "BRL", Language::English), "BRL 1,234.56");
        assert_eq!(money(Cents::ZERO, "USD", PT), "USD 0,00");
        assert_eq!([number(1_000, PT), number(10_000, PT)], ["1000", "10.000"]);
        assert_eq!(number(1_234_567, Language::English), "1,234,567");
        let due = NaiveDate::from_ymd_opt(2026, 5, 20).expect("a date");
        assert_eq!([date(due, PT), date(due, Language::English)], ["20/05/2026", "2026-05-20"]);
    }

    #[test]
    fn an_instant_is_on_the_day_of_its_zone() {
        let at = Timestamp::parse_rfc3339("2026-05-21T02:59:59Z").expect("a time");
        assert_eq!(day(at, Tz::America__Sao_Paulo, PT), "20/05/2026");
        assert_eq!(day(at, Tz::UTC, PT), "21/05/2026");
        assert_eq!(minute(at, Tz::America__Sao_Paulo, PT), "20/05/2026 23:59");
        assert_eq!(minute(at, Tz::UTC, Language::English), "2026-05-21 02:59");
    }
}
