//! Days, months and due dates in a tenant's zone: when a period ends and a day begins.
//!
//! Pure: nothing here reads a clock; the rules of zones are read once, by `zones`. Results are held
//! within [`Timestamp::MIN`] and [`Timestamp::MAX`], so that "never" stays "never".

use chrono::{
    DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, NaiveDateTime, NaiveTime, Weekday,
};
use chrono_tz::Tz;

use crate::clock::{HOUR_MS, Timestamp};
use crate::zones;

/// The last year that a [`Timestamp`] can name.
const LAST_YEAR: i32 = 9999;

/// The first instant of `date` that exists in `zone`.
///
/// Where the clocks go forward at midnight the day starts later; a day that a zone left out starts
/// when the next one does.
#[must_use]
pub fn start_of_day(date: NaiveDate, zone: Tz) -> Timestamp {
    instant(date.and_time(NaiveTime::MIN), zone)
}

/// The date that calendars in `zone` show at `at`.
#[must_use]
pub fn date_of(at: Timestamp, zone: Tz) -> NaiveDate {
    local(at, zone).date_naive()
}

/// What clocks in `zone` show at `at`.
#[must_use]
pub fn local(at: Timestamp, zone: Tz) -> DateTime<FixedOffset> {
    zones::local(at, zone)
}

/// The due date `months` after the month of `first`, on `anchor_day` or, where that month is
/// shorter, on its last day.
///
/// Each due date is reckoned from the first one: chained, the 31st would become the 28th for ever.
/// Due dates end with the year 9999.
#[must_use]
pub fn due_date(anchor_day: u32, first: NaiveDate, months: u32) -> NaiveDate {
    anchored(anchor_day, first, i64::from(months))
}

/// As [`due_date`], also so many months before the first.
#[must_use]
pub fn anchored(anchor_day: u32, first: NaiveDate, months: i64) -> NaiveDate {
    let distance = Months::new(u32::try_from(months.unsigned_abs()).unwrap_or(u32::MAX));
    let month = first.with_day(1).and_then(|month| {
        if months < 0 {
            month.checked_sub_months(distance)
        } else {
            month.checked_add_months(distance)
        }
    });
    let month = month.filter(|month| month.year() <= LAST_YEAR);
    month
        .and_then(|month| {
            let last_day = u32::from(month.num_days_in_month());
            month.with_day(anchor_day.clamp(1, last_day))
        })
        .or(NaiveDate::from_ymd_opt(LAST_YEAR, 12, 31))
        .unwrap_or(NaiveDate::MAX)
}

/// The end of a period that is due on `due`: the due day itself is fully usable.
#[must_use]
pub fn end_of_due_day(due: NaiveDate, zone: Tz) -> Timestamp {
    end_of_grace(due, 0, zone)
}

/// The end of `grace_days` whole days that follow the due day.
#[must_use]
pub fn end_of_grace(due: NaiveDate, grace_days: u32, zone: Tz) -> Timestamp {
    due.checked_add_days(Days::new(1 + u64::from(grace_days)))
        .map_or(Timestamp::MAX, |after| start_of_day(after, zone))
}

/// The instant at which clocks in `zone` show the same time as at `at`, `days` days later.
///
/// Where they skip that time, the first instant after the gap; where they show it twice, the
/// earlier.
#[must_use]
pub fn same_wall_time_after(at: Timestamp, days: u32, zone: Tz) -> Timestamp {
    local(at, zone)
        .naive_local()
        .checked_add_days(Days::new(u64::from(days)))
        .map_or(Timestamp::MAX, |local| instant(local, zone))
}

/// The day in which `at` lies: its first instant and the first one after it.
#[must_use]
pub fn day_of(at: Timestamp, zone: Tz) -> (Timestamp, Timestamp) {
    let day = date_of(at, zone);
    (start_of_day(day, zone), end_of_due_day(day, zone))
}

/// The same of the week, which begins on `first`.
#[must_use]
pub fn week_of(at: Timestamp, zone: Tz, first: Weekday) -> (Timestamp, Timestamp) {
    let week = date_of(at, zone).week(first);
    let start = week.checked_first_day().map_or(Timestamp::MIN, |day| start_of_day(day, zone));
    let end = week.checked_last_day().map_or(Timestamp::MAX, |day| end_of_due_day(day, zone));
    (start, end)
}

/// The start of the month in which `at` lies.
#[must_use]
pub fn month_start(at: Timestamp, zone: Tz) -> Timestamp {
    date_of(at, zone).with_day(1).map_or(Timestamp::MIN, |first| start_of_day(first, zone))
}

/// The start of the month that follows the one in which `at` lies.
#[must_use]
pub fn next_month_start(at: Timestamp, zone: Tz) -> Timestamp {
    date_of(at, zone)
        .with_day(1)
        .and_then(|month| month.checked_add_months(Months::new(1)))
        .map_or(Timestamp::MAX, |next| start_of_day(next, zone))
}

/// Whole hours between 1970-01-01T00:00:00Z and `at`, rounded down.
#[must_use]
pub fn hour_of(at: Timestamp) -> i64 {
    at.ms().div_euclid(HOUR_MS)
}

/// The first instant at which clocks in `zone` show `local`, or a later time if they never do.
#[must_use]
pub fn instant(local: NaiveDateTime, zone: Tz) -> Timestamp {
    // Far outside the years of a timestamp chrono itself runs out of range.
    if local.year() > LAST_YEAR {
        return Timestamp::MAX;
    }
    if local.year() < 0 {
        return Timestamp::MIN;
    }
    zones::first_instant(local, zone)
}

#[cfg(test)]
mod tests {
    use chrono_tz::America::{Havana, Manaus, Noronha, Rio_Branco, Sao_Paulo, Toronto};
    use chrono_tz::Pacific::Apia;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).expect("a valid time")
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a valid date")
    }

    #[test]
    fn due_dates_come_from_the_anchor_and_are_never_chained() {
        let due = |first: &str, months| due_date(31, date(first), months).to_string();
        let expected = ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30"];
        for (expected, months) in expected.into_iter().zip(1..) {
            assert_eq!(due("2026-01-31", months), expected);
        }
        assert_eq!(due("2026-01-31", 13), "2027-02-28");
        assert_eq!(due("2027-12-31", 2), "2028-02-29");
        assert_eq!(due("2027-12-31", 3), "2028-03-31");
        // The first due date may itself lie on a shorter month's last day.
        assert_eq!(due("2026-02-28", 1), "2026-03-31");
        assert_eq!(due("2026-02-28", 0), "2026-02-28");
    }

    #[test]
    fn a_period_ends_one_day_after_the_due_date_in_the_tenants_zone() {
        let due = date("2026-05-20");
        assert_eq!(end_of_due_day(due, Sao_Paulo), at("2026-05-21T03:00:00Z"));
        assert_eq!(end_of_due_day(due, Manaus), at("2026-05-21T04:00:00Z"));
        assert_eq!(end_of_due_day(due, Rio_Branco), at("2026-05-21T05:00:00Z"));
        assert_eq!(end_of_due_day(due, Noronha), at("2026-05-21T02:00:00Z"));
    }

    #[test]
    fn grace_is_inclusive() {
        let end = end_of_grace(date("2026-05-10"), 3, Sao_Paulo);
        assert_eq!(date_of(end.plus_ms(-1), Sao_Paulo), date("2026-05-13"));
        assert_eq!(date_of(end, Sao_Paulo), date("2026-05-14"));
        assert_eq!(end, at("2026-05-14T00:00:00-03:00"));
    }

    #[test]
    fn a_demonstration_ends_at_the_same_wall_time() {
        let end = same_wall_time_after(at("2026-03-01T10:00:00-03:00"), 14, Sao_Paulo);
        assert_eq!(end, at("2026-03-15T10:00:00-03:00"));
        // The clocks changed in between.
        let end = same_wall_time_after(at("2018-10-28T10:00:00-03:00"), 14, Sao_Paulo);
        assert_eq!(end, at("2018-11-11T10:00:00-02:00"));
        // Milliseconds count too.
        let end = same_wall_time_after(at("2026-03-01T10:00:00.250-03:00"), 1, Sao_Paulo);
        assert_eq!(end, at("2026-03-02T10:00:00.250-03:00"));
    }

    #[test]
    fn a_wall_time_that_is_skipped_is_the_end_of_the_gap() {
        let end = same_wall_time_after(at("2018-10-21T00:30:00-03:00"), 14, Sao_Paulo);
        assert_eq!(end, at("2018-11-04T01:00:00-02:00"));
    }

    #[test]
    fn a_wall_time_that_comes_twice_is_the_earlier() {
        let end = same_wall_time_after(at("2019-02-15T23:30:00-02:00"), 1, Sao_Paulo);
        assert_eq!(end, at("2019-02-16T23:30:00-02:00"));
    }

    #[test]
    fn a_day_starts_with_the_first_instant_that_exists() {
        let start = |day, zone| start_of_day(date(day), zone);
        assert_eq!(start("2018-11-04", Sao_Paulo), at("2018-11-04T01:00:00-02:00"));
        // A gap that began half an hour before midnight.
        assert_eq!(start("1919-03-31", Toronto), at("1919-03-31T00:30:00-04:00"));
        // A day that never was.
        assert_eq!(start("2011-12-30", Apia), at("2011-12-31T00:00:00+14:00"));
        // A midnight that came twice.
        assert_eq!(start("2025-11-02", Havana), at("2025-11-02T00:00:00-04:00"));
    }

    #[test]
    fn a_month_starts_on_its_first_day_in_the_zone() {
        let last = at("2026-01-31T23:59:59.999-03:00");
        assert_eq!(next_month_start(last, Sao_Paulo), last.plus_ms(1));
        let first = at("2026-02-01T00:00:00-03:00");
        assert_eq!(next_month_start(first, Sao_Paulo), at("2026-03-01T00:00:00-03:00"));
        let december = at("2026-12-05T12:00:00Z");
        assert_eq!(next_month_start(december, Manaus), at("2027-01-01T00:00:00-04:00"));
    }

    #[test]
    fn hours_are_rounded_down_before_1970_as_well() {
        assert_eq!(hour_of(at("1970-01-01T00:59:59.999Z")), 0);
        assert_eq!(hour_of(at("1970-01-01T01:00:00Z")), 1);
        assert_eq!(hour_of(at("1969-12-31T23:59:59.999Z")), -1);
    }

    #[test]
    fn the_ends_of_time_hold() {
        for zone in [Sao_Paulo, Apia, Tz::UTC] {
            assert_eq!(start_of_day(NaiveDate::MAX, zone), Timestamp::MAX);
            assert_eq!(start_of_day(NaiveDate::MIN, zone), Timestamp::MIN);
            assert_eq!(end_of_due_day(NaiveDate::MAX, zone), Timestamp::MAX);
            assert_eq!(end_of_grace(date("9999-12-31"), u32::MAX, zone), Timestamp::MAX);
            assert_eq!(same_wall_time_after(Timestamp::MAX, u32::MAX, zone), Timestamp::MAX);
            assert!(next_month_start(Timestamp::MIN, zone) > Timestamp::MIN);
            // A zone behind UTC still shows the old year; the next one is past the end.
            assert_eq!(next_month_start(Timestamp::MAX, zone), Timestamp::MAX);
            assert!(date_of(Timestamp::MIN, zone).year() <= 0);
        }
        let last = date("9999-12-31");
        assert_eq!(due_date(31, date("2026-01-31"), u32::MAX), last);
        assert_eq!(due_date(20, last, 1), last);
        assert_eq!(due_date(0, date("2026-01-31"), 1), date("2026-02-01"));
        assert_eq!(due_date(u32::MAX, date("2026-01-31"), 1), date("2026-02-28"));
        assert_eq!(due_date(31, NaiveDate::MAX, 0), last);
        assert_eq!(due_date(1, NaiveDate::MIN, 0), NaiveDate::MIN);
    }
}
