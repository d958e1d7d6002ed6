//! Times as databases, spreadsheets and help desks write them.

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use cotas::Timestamp;
use cotas::rules::calendar;

/// Why a text is no time that may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTime {
    /// It is a date and a time without a zone.
    NoZone,
    /// Its day may be its month.
    DayOrMonth,
    /// It is none.
    Other,
}

/// Reads Unix seconds or milliseconds, or a date and a time with its zone. Without a zone it is
/// that of `zone`.
pub fn parse(text: &str, zone: Option<Tz>) -> Result<Timestamp, NoTime> {
    let text = text.trim();
    // Spreadsheets of many countries write a comma before the fraction.
    let number = text.replacen(',', ".", 1);
    if let Some(at) = Timestamp::parse_epoch(&number) {
        return Ok(at);
    }
    let at = date_and_time(text, zone)?;
    // The last instant of all means "never", also for a time that was cut down to it.
    let possible = Timestamp::from_ms(0)..Timestamp::MAX;
    if possible.contains(&at) { Ok(at) } else { Err(NoTime::Other) }
}

fn date_and_time(text: &str, zone: Option<Tz>) -> Result<Timestamp, NoTime> {
    let Some((date, rest)) = text.split_at_checked("YYYY-MM-DD".len()) else {
        return Err(day_or_month(text));
    };
    let is_date = date.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !is_date {
        return Err(day_or_month(text));
    }
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return Err(if rest.is_empty() { NoTime::NoZone } else { NoTime::Other });
    };
    let is_of_time = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | ',');
    let (time, offset) = rest.split_at(rest.find(|c| !is_of_time(c)).unwrap_or(rest.len()));
    let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
    let local = format!("{date}T{}{seconds}", time.replacen(',', ".", 1));
    match offset_of(offset.trim()) {
        Some(offset) => Timestamp::parse_rfc3339(&(local + &offset)).ok_or(NoTime::Other),
        None if offset.trim().is_empty() => {
            let local = NaiveDateTime::parse_from_str(&local, "%Y-%m-%dT%H:%M:%S%.f");
            let local = local.map_err(|_| NoTime::Other)?;
            zone.map(|zone| calendar::instant(local, zone)).ok_or(NoTime::NoZone)
        }
        None => Err(NoTime::Other),
    }
}

/// An offset as RFC 3339 writes it, of the forms `Z`, `UTC`, `+00`, `+0000` and `+00:00`.
fn offset_of(text: &str) -> Option<String> {
    if ["Z", "UTC", "GMT"].iter().any(|utc| text.eq_ignore_ascii_case(utc)) {
        return Some("Z".to_owned());
    }
    let sign = text.chars().next().filter(|sign| matches!(sign, '+' | '-'))?;
    let digits = text.get(1..)?;
    let (hours, minutes) = match (digits.len(), digits.as_bytes().get(2)) {
        (2, _) => (digits, "00"),
        (4, _) => digits.split_at_checked(2)?,
        (5, Some(b':')) => (digits.get(..2)?, digits.get(3..)?),
        _ => return None,
    };
    Some(format!("{sign}{hours}:{minutes}"))
}

/// A date such as 20/05/2026 or 5.20.2026, or no date at all.
fn day_or_month(text: &str) -> NoTime {
    let date = text.split([' ', 'T']).next().unwrap_or_default();
    let parts: Vec<&str> = date.split(['/', '.', '-']).collect();
    let are_digits = parts
        .iter()
        .all(|it| (1..=4).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_digit()));
    if parts.len() == 3 && are_digits { NoTime::DayOrMonth } else { NoTime::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_common_forms_of_one_instant_are_read() {
        let noon = Timestamp::from_seconds(1_779_278_400);
        for text in [
            "1779278400",
            " 1779278400 ",
            "1779278400.0",
            "1779278400,000",
            "1779278400000",
            "2026-05-20T12:00:00Z",
            "2026-05-20t12:00:00z",
            "2026-05-20T09:00:00-03:00",
            "2026-05-20T12:00:00.000+0000",
            "2026-05-20 12:00:00+00",
            "2026-05-20 09:00:00-03",
            "2026-05-20 12:00:00 UTC",
            "2026-05-20 12:00:00 +0000",
            "2026-05-20 12:00Z",
            "2026-05-20 12:00:00,0+00:00",
        ] {
            assert_eq!(parse(text, None), Ok(noon), "{text}");
        }
        assert_eq!(parse("2026-05-20 12:00:00.5+00", None), Ok(noon.plus_ms(500)));
    }

    #[test]
    fn what_may_mean_several_instants_is_none() {
        for (text, why) in [
            ("2026-05-20 12:00:00", NoTime::NoZone),
            ("2026-05-20", NoTime::NoZone),
            ("2026-05-20T12:00", NoTime::NoZone),
            ("20/05/2026 12:00:00", NoTime::DayOrMonth),
            ("5/6/26", NoTime::DayOrMonth),
            ("05.06.2026 12:00", NoTime::DayOrMonth),
            ("", NoTime::Other),
            ("yesterday", NoTime::Other),
            ("-1", NoTime::Other),
            ("1e9", NoTime::Other),
            ("253402300800", NoTime::Other),
            ("1969-12-31T23:59:59Z", NoTime::Other),
            ("9999-12-31T23:59:59-01:00", NoTime::Other),
            ("2026-02-30T00:00:00Z", NoTime::Other),
            ("2026-05-20T12:00:00+3", NoTime::Other),
            ("2026-05-20T12:00:00 BRT", NoTime::Other),
            ("20€6-05-20T12:00:00Z", NoTime::Other),
        ] {
            assert_eq!(parse(text, None), Err(why), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_of_the_zone_that_was_given() {
        let zone = Some(chrono_tz::America::Sao_Paulo);
        let noon = Timestamp::from_seconds(1_779_278_400);
        assert_eq!(parse("2026-05-20 09:00:00", zone), Ok(noon));
        assert_eq!(parse("2026-05-20 09:00", zone), Ok(noon));
        assert_eq!(parse("2026-05-20 12:00:00Z", zone), Ok(noon));
        assert_eq!(parse("20/05/2026 09:00:00", zone), Err(NoTime::DayOrMonth));
        assert_eq!(parse("2026-05-20 25:00:00", zone), Err(NoTime::Other));
    }
}
