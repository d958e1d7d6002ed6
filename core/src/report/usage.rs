//! Usage by hour, day or month in a tenant's zone.
//!
//! The history is recorded by UTC hour, which is the finest that is recorded. An hour belongs to
//! the local day, and so to the month, in which it begins: in a zone whose offset is no whole
//! number of hours, up to 59 minutes after midnight count as the day before.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::{Datelike, Months, NaiveDate, SecondsFormat};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use crate::clock::{HOUR_MS, Timestamp};
use crate::engine::{Metric, UsageRow};
use crate::rules::Reason;
use crate::rules::calendar::{self, date_of, hour_of, start_of_day};

/// How much time is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// An hour of UTC, which zones like Asia/Kathmandu see begin at a quarter to.
    Hour,
    /// A day of the zone: 23 or 25 hours where the clocks change.
    Day,
    /// A month of the zone.
    Month,
}

/// What was counted of one resource in one interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageBucket {
    /// The first instant of the interval.
    pub start: Timestamp,
    /// The first instant after it. The hours that begin from `start` to here are summed up.
    pub end: Timestamp,
    /// The resource's name; empty where no resource was the reason of a denial.
    pub resource: String,
    /// What is counted.
    pub metric: Metric,
    /// How many, at most [`u64::MAX`].
    pub count: u64,
}

/// The usage of a tenant by hour, day or month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageReport {
    /// How much time a bucket sums up.
    pub interval: Interval,
    /// The tenant's zone.
    pub time_zone: Tz,
    /// What was counted, by time, resource and metric; nothing for what never happened.
    pub buckets: Vec<UsageBucket>,
}

impl Interval {
    /// Every interval, the shortest first.
    pub const ALL: [Interval; 3] = [Interval::Hour, Interval::Day, Interval::Month];

    /// The code that C, Python and the program use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Interval::Hour => "hour",
            Interval::Day => "day",
            Interval::Month => "month",
        }
    }

    /// The interval with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Interval> {
        Self::ALL.into_iter().find(|interval| interval.code() == code)
    }

    /// The interval in which `at` lies. Intervals follow one another without overlap, also where
    /// clocks that are set back show the end of the day before again: a day that has begun goes on.
    #[must_use]
    pub fn around(self, at: Timestamp, zone: Tz) -> Range<Timestamp> {
        if self == Interval::Hour {
            let start = Timestamp::from_ms(hour_of(at).saturating_mul(HOUR_MS));
            return start..start.plus_ms(HOUR_MS);
        }
        let begins = |date: Option<NaiveDate>| {
            date.map_or(Timestamp::MAX, |first| start_of_day(first, zone))
        };
        let first = self.first_day(date_of(at, zone));
        let next = self.next_first_day(first);
        let end = begins(next);
        if at < end {
            return begins(Some(first))..end;
        }
        end..begins(next.and_then(|next| self.next_first_day(next)))
    }

    /// How people write the interval that begins at `start`: `2026-05`, `2026-05-20`, or for an
    /// hour its local time with the offset, which distinguishes the hours of a clock set back.
    #[must_use]
    pub fn label(self, start: Timestamp, zone: Tz) -> String {
        let local = calendar::local(start, zone);
        match self {
            Interval::Hour => local.to_rfc3339_opts(SecondsFormat::Secs, false),
            Interval::Day => local.format("%Y-%m-%d").to_string(),
            Interval::Month => local.format("%Y-%m").to_string(),
        }
    }

    /// The first day of the day or month in which `date` lies.
    fn first_day(self, date: NaiveDate) -> NaiveDate {
        match self {
            Interval::Hour | Interval::Day => date,
            Interval::Month => date.with_day(1).unwrap_or(date),
        }
    }

    fn next_first_day(self, first: NaiveDate) -> Option<NaiveDate> {
        match self {
            Interval::Hour | Interval::Day => first.succ_opt(),
            Interval::Month => first.checked_add_months(Months::new(1)),
        }
    }
}

impl Metric {
    /// How reports name it: what is counted, and the reason where there is one. Nothing else in
    /// reports and charts distinguishes metrics.
    #[must_use]
    pub const fn parts(self) -> (&'static str, Option<Reason>) {
        match self {
            Metric::Used => ("used", None),
            Metric::Returned => ("returned", None),
            Metric::Shadowed(reason) => ("shadowed", Some(reason)),
            Metric::Denied(reason) => ("denied", Some(reason)),
        }
    }
}

impl UsageReport {
    /// Sums up rows of the history, in whatever order they come.
    #[must_use]
    pub fn new(
        rows: impl IntoIterator<Item = UsageRow>,
        interval: Interval,
        time_zone: Tz,
    ) -> UsageReport {
        let mut sums: BTreeMap<(Timestamp, String, Metric), UsageBucket> = BTreeMap::new();
        let mut around = Timestamp::MIN..Timestamp::MIN;
        for UsageRow { hour, resource, metric, count } in rows {
            if !around.contains(&hour) {
                around = interval.around(hour, time_zone);
            }
            let Range { start, end } = around;
            let sum = sums
                .entry((start, resource.clone(), metric))
                .or_insert_with(|| UsageBucket { start, end, resource, metric, count: 0 });
            sum.count = sum.count.saturating_add(count);
        }
        UsageReport { interval, time_zone, buckets: sums.into_values().collect() }
    }

    /// Every interval from the first bucket's to the last one's, also those without usage: what a
    /// chart has along its foot.
    pub fn spans(&self) -> impl Iterator<Item = Range<Timestamp>> + use<> {
        let UsageReport { interval, time_zone, .. } = *self;
        let starts = || self.buckets.iter().map(|bucket| bucket.start);
        let last = starts().max().unwrap_or(Timestamp::MIN);
        let around = move |at| interval.around(at, time_zone);
        std::iter::successors(starts().min().map(around), move |span| {
            (span.end <= last && span.end < Timestamp::MAX).then(|| around(span.end))
        })
    }

    /// How many of a resource there were in each of [`spans`](Self::spans), 0 where there is no
    /// bucket.
    #[must_use]
    pub fn series(&self, resource: &str, metric: Metric) -> Vec<u64> {
        let of_series = |it: &&UsageBucket| it.resource == resource && it.metric == metric;
        let counts: BTreeMap<Timestamp, u64> =
            self.buckets.iter().filter(of_series).map(|it| (it.start, it.count)).collect();
        self.spans().map(|span| counts.get(&span.start).copied().unwrap_or_default()).collect()
    }

    /// The label of the interval that begins at `start`.
    #[must_use]
    pub fn label(&self, start: Timestamp) -> String {
        self.interval.label(start, self.time_zone)
    }

    /// As JSON: one line for each interval in which something was counted: `used` by resource,
    /// `denied` by reason, and so on with whatever else is counted.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut lines: BTreeMap<Timestamp, Map<String, Value>> = BTreeMap::new();
        for bucket in &self.buckets {
            let line = lines.entry(bucket.start).or_insert_with(|| {
                let line = json!({
                    "from": self.label(bucket.start),
                    "start": bucket.start.to_string(),
                    "end": bucket.end.to_string(),
                    "used": {},
                    "denied": {},
                });
                line.as_object().cloned().unwrap_or_default()
            });
            let (what, reason) = bucket.metric.parts();
            let name = reason.map_or(bucket.resource.as_str(), |reason| reason.code());
            let Some(counts) = line.entry(what).or_insert_with(|| json!({})).as_object_mut() else {
                continue;
            };
            let before = counts.get(name).and_then(Value::as_u64).unwrap_or_default();
            counts.insert(name.to_owned(), before.saturating_add(bucket.count).into());
        }
        lines.into_values().map(Value::Object).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::America::{Havana, New_York, Noronha, Sao_Paulo, St_Johns};
    use chrono_tz::Asia::Kathmandu;
    use chrono_tz::Australia::Lord_Howe;
    use chrono_tz::Pacific::Apia;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).expect("a valid time")
    }

    fn row(hour: &str, resource: &str, metric: Metric, count: u64) -> UsageRow {
        UsageRow { hour: at(hour), resource: resource.to_owned(), metric, count }
    }

    fn used(hour: Timestamp) -> UsageRow {
        UsageRow { hour, resource: "credits".to_owned(), metric: Metric::Used, count: 1 }
    }

    /// One unit in each of `hours` hours from `from` on; the label and the count of each bucket.
    fn hourly(interval: Interval, zone: Tz, from: &str, hours: i64) -> Vec<(String, u64)> {
        let rows = (0..hours).map(|hour| used(at(from).plus_ms(hour * HOUR_MS)));
        let report = UsageReport::new(rows, interval, zone);
        report.buckets.iter().map(|it| (report.label(it.start), it.count)).collect()
    }

    fn expect(buckets: &[(String, u64)], expected: &[(&str, u64)]) {
        let buckets: Vec<_> = buckets.iter().map(|(label, count)| (&**label, *count)).collect();
        assert_eq!(buckets, expected);
    }

    #[test]
    fn hours_are_counted_in_the_zone_s_day_and_month() {
        // From 20:00 in Sao Paulo and 21:00 on Noronha, on the last day of May.
        let from = "2026-05-31T23:00:00Z";
        let days = |zone| hourly(Interval::Day, zone, from, 6);
        expect(&days(Sao_Paulo), &[("2026-05-31", 4), ("2026-06-01", 2)]);
        expect(&days(Noronha), &[("2026-05-31", 3), ("2026-06-01", 3)]);
        expect(&days(Tz::UTC), &[("2026-05-31", 1), ("2026-06-01", 5)]);
        expect(&hourly(Interval::Month, Sao_Paulo, from, 6), &[("2026-05", 4), ("2026-06", 2)]);
        expect(
            &hourly(Interval::Hour, Noronha, from, 2),
            &[("2026-05-31T21:00:00-02:00", 1), ("2026-05-31T22:00:00-02:00", 1)],
        );
    }

    #[test]
    fn an_hour_across_midnight_belongs_to_the_day_in_which_it_begins() {
        // Midnight in Kathmandu is at 18:15 UTC: the hour from 18:00 begins the day before.
        let days = hourly(Interval::Day, Kathmandu, "2026-05-20T18:00:00Z", 25);
        expect(&days, &[("2026-05-20", 1), ("2026-05-21", 24)]);
        expect(
            &hourly(Interval::Hour, Kathmandu, "2026-05-20T18:00:00Z", 1),
            &[("2026-05-20T23:45:00+05:45", 1)],
        );
        let day = Interval::Day.around(at("2026-05-20T18:00:00Z"), Kathmandu);
        assert_eq!(day.end, at("2026-05-20T18:15:00Z"));
    }

    #[test]
    fn days_on_which_clocks_change_are_shorter_or_longer() {
        let spring = hourly(Interval::Day, New_York, "2026-03-07T05:00:00Z", 24 + 23 + 1);
        expect(&spring, &[("2026-03-07", 24), ("2026-03-08", 23), ("2026-03-09", 1)]);
        let autumn = hourly(Interval::Day, New_York, "2026-10-31T04:00:00Z", 24 + 25 + 1);
        expect(&autumn, &[("2026-10-31", 24), ("2026-11-01", 25), ("2026-11-02", 1)]);
        // The hour that comes twice is distinguished by its offset.
        expect(
            &hourly(Interval::Hour, New_York, "2026-11-01T05:00:00Z", 2),
            &[("2026-11-01T01:00:00-04:00", 1), ("2026-11-01T01:00:00-05:00", 1)],
        );
        // A day that begins at one o'clock, and a day that never was.
        let skipped = hourly(Interval::Day, Sao_Paulo, "2018-11-04T02:00:00Z", 25);
        expect(&skipped, &[("2018-11-03", 1), ("2018-11-04", 23), ("2018-11-05", 1)]);
        let apia = hourly(Interval::Day, Apia, "2011-12-30T09:00:00Z", 2);
        expect(&apia, &[("2011-12-29", 1), ("2011-12-31", 1)]);
    }

    #[test]
    fn intervals_follow_one_another_in_every_hour_of_a_year() {
        for zone in [Sao_Paulo, New_York, Kathmandu, St_Johns, Lord_Howe, Havana, Apia] {
            for (interval, year) in
                Interval::ALL.into_iter().flat_map(|it| [(it, 2008), (it, 2011)])
            {
                let mut now = at(&format!("{year}-01-01T00:00:00Z"));
                let mut around = interval.around(now, zone);
                for _ in 0..366 * 24 {
                    let next = interval.around(now, zone);
                    assert!(next.contains(&now), "{zone}: {now}");
                    let follows = next == around || next.start == around.end;
                    assert!(follows, "{zone}: {around:?}, then {next:?}");
                    around = next;
                    now = now.plus_ms(HOUR_MS);
                }
            }
        }
    }

    #[test]
    fn sums_are_by_time_resource_and_metric_and_do_not_overflow() {
        let exhausted = Metric::Denied(Reason::QuotaExhausted);
        let rows = [
            row("2026-05-21T12:00:00Z", "sms", Metric::Used, 1),
            row("2026-05-20T12:00:00Z", "sms", exhausted, 2),
            row("2026-05-20T13:00:00Z", "sms", Metric::Used, u64::MAX),
            row("2026-05-20T12:00:00Z", "sms", Metric::Used, 3),
            row("2026-05-20T12:00:00Z", "credits", Metric::Used, 4),
            row("2026-05-20T15:00:00Z", "sms", exhausted, 5),
        ];
        let report = UsageReport::new(rows, Interval::Day, Sao_Paulo);
        let found: Vec<_> = report
            .buckets
            .iter()
            .map(|it| (report.label(it.start), &*it.resource, it.metric, it.count))
            .collect();
        let first = || "2026-05-20".to_owned();
        let expected = [
            (first(), "credits", Metric::Used, 4),
            (first(), "sms", Metric::Used, u64::MAX),
            (first(), "sms", exhausted, 7),
            ("2026-05-21".to_owned(), "sms", Metric::Used, 1),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn series_have_no_gaps() {
        let exhausted = Metric::Denied(Reason::QuotaExhausted);
        let rows = [
            row("2026-10-30T12:00:00Z", "sms", Metric::Used, 1),
            row("2026-11-03T12:00:00Z", "sms", Metric::Used, 2),
            row("2026-11-01T12:00:00Z", "credits", Metric::Used, 3),
            row("2026-11-02T12:00:00Z", "sms", exhausted, 4),
        ];
        let report = UsageReport::new(rows, Interval::Day, New_York);
        let labels: Vec<_> = report.spans().map(|span| report.label(span.start)).collect();
        let days = ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02", "2026-11-03"];
        assert_eq!(labels, days);
        assert_eq!(report.series("sms", Metric::Used), [1, 0, 0, 0, 2]);
        assert_eq!(report.series("sms", exhausted), [0, 0, 0, 4, 0]);
        assert_eq!(report.series("credits", Metric::Used), [0, 0, 3, 0, 0]);
        assert_eq!(report.series("beans", Metric::Used), [0; 5]);
        // A day that never was is no gap.
        let around_it = ["2011-12-30T09:00:00Z", "2011-12-31T10:00:00Z"];
        let report = UsageReport::new(around_it.map(|it| used(at(it))), Interval::Day, Apia);
        assert_eq!(report.series("credits", Metric::Used), [1, 0, 1]);
        let none = UsageReport::new([], Interval::Month, New_York);
        assert_eq!((none.spans().count(), none.series("sms", Metric::Used)), (0, vec![]));
    }

    #[test]
    fn the_ends_of_time_hold() {
        for interval in Interval::ALL {
            for zone in [Sao_Paulo, Kathmandu, Tz::UTC] {
                let rows = [Timestamp::MIN, Timestamp::MIN.plus_ms(1)].map(used);
                assert!(UsageReport::new(rows, interval, zone).spans().count() <= 2);
                let rows = [Timestamp::MAX.plus_ms(-1), Timestamp::MAX].map(used);
                assert!(UsageReport::new(rows, interval, zone).spans().count() <= 2);
            }
            assert_eq!(Interval::from_code(interval.code()), Some(interval));
        }
        assert_eq!(Interval::from_code("week"), None);
    }
}
