//! When a balance runs out, if it goes on being used as it was of late.

use crate::clock::{HOUR_MS, Timestamp};
use crate::engine::Metric;

use super::usage::UsageReport;

/// Days of history that say how fast a balance is used.
const DAYS: i64 = 7;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How fast a balance is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Units used in the last days, what was given back left out.
    pub units: u64,
    /// Over how long: seven days, or less where usage began later; at least one day.
    pub over_ms: i64,
}

impl Pace {
    /// The hours of the history that a pace is made of begin here.
    #[must_use]
    pub fn since(now: Timestamp) -> Timestamp {
        now.plus_ms(-DAYS * DAY_MS)
    }

    /// The pace of a resource at `now`, by the usage of the days before it. `None`: nothing of it
    /// was used.
    #[must_use]
    pub fn of(report: &UsageReport, resource: &str, now: Timestamp) -> Option<Pace> {
        let since = Pace::since(now);
        let of_resource = || {
            let all = report.buckets.iter().filter(|it| it.resource == resource);
            all.filter(|it| it.end > since && it.start <= now)
        };
        let sum = |metric| {
            let counts = of_resource().filter(|it| it.metric == metric).map(|it| it.count);
            counts.fold(0_u64, u64::saturating_add)
        };
        let units = sum(Metric::Used).saturating_sub(sum(Metric::Returned));
        let first = of_resource().map(|it| it.start).min()?.max(since);
        let over_ms = now.ms().saturating_sub(first.ms()).clamp(DAY_MS, DAYS * DAY_MS);
        (units > 0).then_some(Pace { units, over_ms })
    }

    /// Units a day, rounded up.
    #[must_use]
    pub fn per_day(&self) -> u64 {
        let (units, over) = (u128::from(self.units), self.over_ms.max(1).unsigned_abs());
        let day = u128::from(DAY_MS.unsigned_abs());
        u64::try_from((units * day).div_ceil(u128::from(over))).unwrap_or(u64::MAX)
    }

    /// When `available` units are used up at this pace.
    #[must_use]
    pub fn runs_out(&self, available: u64, now: Timestamp) -> Timestamp {
        let over = u128::from(self.over_ms.max(0).unsigned_abs());
        let ms = u128::from(available) * over / u128::from(self.units.max(1));
        now.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::super::usage::Interval;
    use super::*;
    use crate::engine::UsageRow;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn report(rows: &[(&str, Metric, u64)]) -> UsageReport {
        let row = |&(hour, metric, count): &(&str, Metric, u64)| {
            let (hour, resource) = (at(hour), "sessions".to_owned());
            UsageRow { hour, resource, metric, count }
        };
        UsageReport::new(rows.iter().map(row), Interval::Hour, Tz::UTC)
    }

    const NOW: &str = "2026-05-20T12:00:00Z";

    #[test]
    fn a_week_of_usage_says_when_the_balance_runs_out() {
        let usage = report(&[
            ("2026-05-13T12:00:00Z", Metric::Used, 50),
            ("2026-05-19T12:00:00Z", Metric::Used, 30),
            ("2026-05-19T13:00:00Z", Metric::Returned, 10),
            ("2026-05-12T12:00:00Z", Metric::Used, 1_000),
        ]);
        let pace = Pace::of(&usage, "sessions", at(NOW)).unwrap();
        assert_eq!((pace.units, pace.per_day()), (70, 10));
        assert_eq!(pace.runs_out(100, at(NOW)), at("2026-05-30T12:00:00Z"));
        assert_eq!(pace.runs_out(0, at(NOW)), at(NOW));
        assert_eq!(Pace::of(&usage, "sms", at(NOW)), None);
    }

    #[test]
    fn usage_that_began_today_counts_as_a_whole_day() {
        let usage = report(&[("2026-05-20T11:00:00Z", Metric::Used, 24)]);
        let pace = Pace::of(&usage, "sessions", at(NOW)).unwrap();
        assert_eq!((pace.over_ms, pace.per_day()), (DAY_MS, 24));
        let three_days = report(&[("2026-05-17T12:00:00Z", Metric::Used, 31)]);
        let pace = Pace::of(&three_days, "sessions", at(NOW)).unwrap();
        assert_eq!((pace.over_ms, pace.per_day()), (3 * DAY_MS, 11), "rounded up");
    }

    #[test]
    fn the_ends_of_numbers_hold() {
        let usage = report(&[("2026-05-20T11:00:00Z", Metric::Used, u64::MAX)]);
        let pace = Pace::of(&usage, "sessions", at(NOW)).unwrap();
        assert_eq!(pace.per_day(), u64::MAX);
        let slow = Pace { units: 1, over_ms: 7 * DAY_MS };
        assert_eq!(slow.runs_out(u64::MAX, at(NOW)), Timestamp::MAX);
        let given_back = report(&[
            ("2026-05-20T10:00:00Z", Metric::Used, 3),
            ("2026-05-20T11:00:00Z", Metric::Returned, 3),
        ]);
        assert_eq!(Pace::of(&given_back, "sessions", at(NOW)), None);
    }
}
