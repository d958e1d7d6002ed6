//! How values are written on the command line.

use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::Args;
use cotas::billing::Cents;
use cotas::catalog::Feature;
use cotas::rules::calendar::start_of_day;
use cotas::{Extra, Interval, Limit, Source, Status, Terms, Timestamp};

use crate::codes::OneOf;

/// A plan to be subscribed to, or none.
#[derive(Args)]
pub struct PlanChoice {
    /// The plan
    #[arg(long, value_name = "NAME")]
    pub plan: Option<String>,
    /// The first due date, usable to its end; its day is the day of all later ones. Where a payment
    /// begins the plan it may be left out: one period after the payment then
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, requires = "plan")]
    pub first_due: Option<NaiveDate>,
    /// The day of the month of all later due dates, if not the first one's
    #[arg(long, value_name = "1-31", value_parser = clap::value_parser!(u32).range(1..=31))]
    #[arg(requires = "plan")]
    pub anchor_day: Option<u32>,
    /// Restore the plan's units one day after each due date
    #[arg(long, requires = "plan")]
    pub auto_renew: bool,
}

impl PlanChoice {
    /// The terms of the plan, if one was chosen.
    pub fn terms(&self) -> Option<Terms<'_>> {
        let PlanChoice { first_due, anchor_day, auto_renew, .. } = *self;
        Some(Terms { plan: self.plan.as_deref()?, first_due, anchor_day, auto_renew })
    }
}

/// Units on top of a plan's: `RESOURCE=N`.
#[derive(Clone)]
pub struct Units {
    resource: String,
    units: u64,
}

impl Units {
    /// What is to be given to a new tenant.
    pub fn extras<'a>(given: &'a [Units]) -> Vec<Extra<'a>> {
        let extra =
            |it: &'a Units| Extra { resource: &it.resource, units: it.units, expires_at: None };
        given.iter().map(extra).collect()
    }
}

impl Units {
    /// Resource and units.
    pub fn pair(&self) -> (&str, u64) {
        (&self.resource, self.units)
    }
}

/// Reads a length of time: `90s`, `5m`, `24h`, `30d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?} is no length of time: expected 90s, 5m, 24h or 30d");
    let (number, unit) =
        text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(expected)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(expected)
}

/// Reads an amount of money such as `129.90`.
pub fn cents(text: &str) -> Result<Cents, String> {
    Cents::parse(text).map_err(|error| error.to_string())
}

/// Reads `RESOURCE=N`.
pub fn units(text: &str) -> Result<Units, String> {
    let (resource, units) = text.split_once('=').ok_or("expected RESOURCE=N")?;
    let units = units
        .parse()
        .map_err(|_| format!("{units:?} is not a whole number of units (expected RESOURCE=N)"))?;
    Ok(Units { resource: resource.to_owned(), units })
}

/// A limit of a tenant's own: `RESOURCE=N`, `RESOURCE=unlimited`.
#[derive(Clone)]
pub struct OwnLimit {
    /// What is limited.
    pub resource: String,
    /// How.
    pub limit: Limit,
}

/// Reads `RESOURCE=LIMIT`.
pub fn own_limit(text: &str) -> Result<OwnLimit, String> {
    let (resource, text) = text.split_once('=').ok_or("expected RESOURCE=LIMIT")?;
    Ok(OwnLimit { resource: resource.to_owned(), limit: limit(text)? })
}

/// A feature of a tenant's own: `NAME=on`, `NAME=off`, `NAME=LEVEL`.
#[derive(Clone)]
pub struct OwnFeature {
    /// The feature.
    pub name: String,
    /// How the tenant has it.
    pub feature: Feature,
}

/// Reads `NAME=on|off|LEVEL`.
pub fn own_feature(text: &str) -> Result<OwnFeature, String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=on, NAME=off or NAME=LEVEL")?;
    Ok(OwnFeature { name: name.to_owned(), feature: feature(value) })
}

/// Reads `on`, `off` or a level.
fn feature(text: &str) -> Feature {
    match text {
        "on" => Feature::Flag(true),
        "off" => Feature::Flag(false),
        level => Feature::Level(level.to_owned()),
    }
}

/// Something of a tenant's own, or as its plan says.
#[derive(Clone)]
pub enum AsPlannedOr<T> {
    /// As its plan says.
    AsPlanned,
    /// Its own.
    Own(T),
}

impl<T: Clone> AsPlannedOr<T> {
    /// What is the tenant's own, if anything.
    pub fn own(&self) -> Option<T> {
        match self {
            AsPlannedOr::AsPlanned => None,
            AsPlannedOr::Own(own) => Some(own.clone()),
        }
    }
}

/// The word for what is not a tenant's own.
const AS_PLANNED: &str = "as-planned";

/// Reads a limit, or `as-planned`.
pub fn limit_or_as_planned(text: &str) -> Result<AsPlannedOr<Limit>, String> {
    if text == AS_PLANNED { Ok(AsPlannedOr::AsPlanned) } else { limit(text).map(AsPlannedOr::Own) }
}

/// Reads `on`, `off`, a level, or `as-planned`.
#[allow(clippy::unnecessary_wraps)] // What a parser of values is.
pub fn feature_or_as_planned(text: &str) -> Result<AsPlannedOr<Feature>, String> {
    Ok(if text == AS_PLANNED { AsPlannedOr::AsPlanned } else { AsPlannedOr::Own(feature(text)) })
}

/// Reads an RFC 3339 time.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text)
        .ok_or_else(|| "expected an RFC 3339 time such as 2026-05-20T08:00:00-03:00".to_owned())
}

/// Reads a date.
pub fn date(text: &str) -> Result<NaiveDate, String> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    date.filter(|date| date.to_string() == text)
        .ok_or_else(|| "expected a date such as 2026-05-20".to_owned())
}

/// A time, or a day of a zone that is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A time.
    Instant(Timestamp),
    /// A day.
    Day(NaiveDate),
}

impl Moment {
    /// The time, or the first instant of the day.
    pub fn start(self, zone: Tz) -> Timestamp {
        match self {
            Moment::Instant(at) => at,
            Moment::Day(date) => start_of_day(date, zone),
        }
    }

    /// The time, or the first instant after the day.
    pub fn end(self, zone: Tz) -> Timestamp {
        match self {
            Moment::Instant(at) => at,
            Moment::Day(date) => {
                date.succ_opt().map_or(Timestamp::MAX, |next| start_of_day(next, zone))
            }
        }
    }
}

/// Reads an RFC 3339 time or a date.
pub fn moment(text: &str) -> Result<Moment, String> {
    instant(text).map(Moment::Instant).or_else(|_| date(text).map(Moment::Day)).map_err(|_| {
        "expected a date such as 2026-05-20, or an RFC 3339 time such as \
         2026-05-20T08:00:00-03:00"
            .to_owned()
    })
}

/// Reads an interval.
pub fn interval() -> OneOf<Interval> {
    OneOf::new("interval", Interval::ALL.map(|it| (it.code(), it)))
}

/// Reads the name of a time zone.
pub fn time_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| "expected a time zone such as America/Sao_Paulo".to_owned())
}

/// Reads a tenant's status.
pub fn status() -> OneOf<Status> {
    OneOf::new("status", Status::ALL.map(|it| (it.code(), it)))
}

/// Reads where granted units come from.
pub fn source() -> OneOf<Source> {
    let sources = [Source::Extra, Source::Package, Source::Manual];
    OneOf::new("source", sources.map(|it| (it.code(), it)))
}

/// Reads a limit.
pub fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "unlimited" => Ok(Limit::Unlimited),
        "disabled" => Ok(Limit::Disabled),
        _ => text
            .parse()
            .map(Limit::Finite)
            .map_err(|_| "expected unlimited, disabled or a number of units".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_strictly() {
        assert!(date("2026-05-20").is_ok());
        for wrong in ["2026-5-20", "20/05/2026", "2026-02-30", " 2026-05-20", ""] {
            assert!(date(wrong).is_err(), "{wrong:?}");
        }
        assert!(units("sessions=100").is_ok());
        for wrong in ["sessions", "sessions=", "sessions=-1", "sessions=1.5"] {
            assert!(units(wrong).is_err(), "{wrong:?}");
        }
        for wrong in ["boards", "boards=", "boards=-1", "=many"] {
            assert!(own_limit(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(own_limit("boards=unlimited").map(|it| it.limit), Ok(Limit::Unlimited));
        assert_eq!(own_feature("crm=on").map(|it| it.feature), Ok(Feature::Flag(true)));
        assert!(own_feature("crm").is_err());
        assert_eq!(limit("0"), Ok(Limit::Finite(0)));
        assert!(limit("-1").is_err());
        assert!(time_zone("Brasilia").is_err());
        assert!(instant("2026-05-20").is_err());
        for wrong in ["2026-5-20", "20/05/2026", "2026-05-20T08:00:00", "yesterday", ""] {
            assert!(moment(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_day_begins_and_ends_in_its_zone() {
        let at = |text| instant(text).expect("a time");
        let day = moment("2026-03-08").expect("a date");
        let zone = chrono_tz::America::New_York;
        assert_eq!(day.start(zone), at("2026-03-08T00:00:00-05:00"));
        assert_eq!(day.end(zone), at("2026-03-09T00:00:00-04:00"));
        let time = moment("2026-03-08T12:00:00Z").expect("a time");
        assert_eq!(
            (time.start(zone), time.end(zone)),
            (at("2026-03-08T12:00:00Z"), time.start(zone))
        );
    }
}
