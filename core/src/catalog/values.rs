//! The values that catalogs write in a way of their own: names, durations, periods and prices.

use super::error::{Result, quoted};
use super::tree::{Location, Node, Section, Value};
use crate::billing::Cents;
use crate::clock::{DAY_MS, HOUR_MS, SECOND_MS};

/// The longest name of a resource, plan, action, feature or level, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// The longest duration.
const MAX_DURATION_MS: i64 = 400 * DAY_MS;
/// The most days of a term.
const MAX_DAYS: u32 = 3_660;
/// The longest period.
const MAX_PERIOD_MONTHS: u32 = 120;

/// Refuses `name` unless it can name something.
pub(super) fn check_name(name: &str, location: &Location) -> Result<()> {
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '.' | '-');
    if (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(allowed)
    {
        return Ok(());
    }
    Err(location.error(format!(
        "{} is not a name: a name is 1 to {MAX_NAME_BYTES} characters of a-z, 0-9, \"_\", \".\" \
         and \"-\", and starts with a letter",
        quoted(name)
    )))
}

/// The name that something had; it must not be that of another thing of the kind.
pub(super) fn renamed_from(table: Section, others: Option<Section>) -> Result<Option<String>> {
    table.optional("renamed_from", |node| {
        let name = node.text()?;
        check_name(name, &node.location)?;
        if others.is_some_and(|others| others.entries.contains_key(name)) {
            let problem = format!("{} is in this catalog as well", quoted(name));
            return Err(node.location.error(problem));
        }
        Ok(name.to_owned())
    })
}

/// A duration such as `24h`, in milliseconds.
pub(super) fn duration(node: &Node) -> Result<i64> {
    let wrong = || {
        node.expected(
            "a duration such as \"24h\" (ms, s, m, h or d; more than 0, at most 400 days)",
        )
    };
    let text = node.text().map_err(|_| wrong())?;
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => SECOND_MS,
        "m" => 60 * SECOND_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return Err(wrong()),
    };
    number
        .parse::<i64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_ms))
        .filter(|ms| (1..=MAX_DURATION_MS).contains(ms))
        .ok_or_else(wrong)
}

/// A number of days such as `30 days` or `30d`, or `None` for `never`.
pub(super) fn days_or_never(node: &Node) -> Result<Option<u32>> {
    let wrong = || node.expected("a number of days such as \"30 days\" (0 to 3660) or \"never\"");
    let text = node.text().map_err(|_| wrong())?;
    if text == "never" {
        return Ok(None);
    }
    let number = ["d", " day", " days"].iter().find_map(|unit| text.strip_suffix(unit));
    number.and_then(whole::<u32>).filter(|&days| days <= MAX_DAYS).map(Some).ok_or_else(wrong)
}

/// A number of years such as `5 years`.
pub(super) fn years(node: &Node) -> Result<u32> {
    let wrong = || node.expected("a number of years such as \"5 years\" (0 to 100)");
    let text = node.text().map_err(|_| wrong())?;
    let number = [" years", " year"].iter().find_map(|unit| text.strip_suffix(unit));
    number.and_then(whole::<u32>).filter(|&years| years <= 100).ok_or_else(wrong)
}

/// A period such as `1 month` or `2 years`, in months.
pub(super) fn months(node: &Node) -> Result<u32> {
    let wrong = || {
        node.expected(
            "a period such as \"1 month\", \"6 months\" or \"2 years\" (at most 10 years)",
        )
    };
    let text = node.text().map_err(|_| wrong())?;
    let (number, unit) = text.split_once(' ').ok_or_else(wrong)?;
    let unit_months = match (number, unit) {
        ("1", "month") | (_, "months") => 1,
        ("1", "year") | (_, "years") => 12,
        _ => return Err(wrong()),
    };
    whole::<u32>(number)
        .and_then(|number| number.checked_mul(unit_months))
        .filter(|months| (1..=MAX_PERIOD_MONTHS).contains(months))
        .ok_or_else(wrong)
}

/// A price such as `"299.00"`, in cents, or `None` for `"custom"`.
///
/// It is read digit by digit: a float could not hold every amount exactly.
pub(super) fn price(node: &Node) -> Result<Option<Cents>> {
    let cents = match &node.value {
        Value::Text(text) if text == "custom" => return Ok(None),
        Value::Text(text) => Cents::parse(text).ok(),
        Value::Integer(units) => units.checked_mul(100).and_then(|cents| Cents::new(cents).ok()),
        _ => None,
    };
    cents.map(Some).ok_or_else(|| {
        node.expected(
            "a price in quotes such as \"299.00\" (0 to 10000000000, at most two decimals) \
             or \"custom\"",
        )
    })
}

/// A number of decimal digits only: no sign, no blank.
fn whole<N: std::str::FromStr>(digits: &str) -> Option<N> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}
