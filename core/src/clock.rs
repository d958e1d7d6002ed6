//! Time. Everything in the engine that needs "now" asks a [`Clock`]; nothing else reads one.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use serde::{Deserialize, Serialize};

/// Milliseconds in a second.
pub(crate) const SECOND_MS: i64 = 1_000;
/// Milliseconds in an hour.
pub(crate) const HOUR_MS: i64 = 3_600 * SECOND_MS;
/// Milliseconds in a day of 24 hours.
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// The least number that is read as Unix milliseconds: in 2001.
const EPOCH_MS_MIN: i64 = 1_000_000_000_000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, between the years 0 and 9999.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first instant of the year 0: earlier than anything that happens.
    pub const MIN: Timestamp = Timestamp(-62_167_219_200_000);
    /// The last instant of the year 9999: "never".
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999);

    /// The instant `ms` milliseconds after 1970-01-01T00:00:00Z, held within [`MIN`](Self::MIN)
    /// and [`MAX`](Self::MAX).
    #[must_use]
    pub const fn from_ms(ms: i64) -> Timestamp {
        if ms < Self::MIN.0 {
            Self::MIN
        } else if ms > Self::MAX.0 {
            Self::MAX
        } else {
            Timestamp(ms)
        }
    }

    /// The instant `seconds` seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Self::from_ms(seconds.saturating_mul(SECOND_MS))
    }

    /// Reads an RFC 3339 time such as `2026-05-20T10:00:00-03:00`; `None` if it is not one.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        DateTime::parse_from_rfc3339(text).ok().map(|at| Self::from_ms(at.timestamp_millis()))
    }

    /// Reads Unix seconds, with a fraction or without, or Unix milliseconds; `None` if the text is
    /// neither. Which of them it is, its size says: twelve digits are seconds up to the year 9999,
    /// thirteen or more are milliseconds from 2001 on, and nothing is both.
    #[must_use]
    pub fn parse_epoch(text: &str) -> Option<Timestamp> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = !whole.is_empty() && digits(whole) && digits(fraction);
        if !is_number || (text.contains('.') && fraction.is_empty()) {
            return None;
        }
        let number: i64 = whole.parse().ok()?;
        let ms = if number <= Self::MAX.0 / SECOND_MS {
            let padded: String = fraction.chars().chain("000".chars()).take(3).collect();
            number.checked_mul(SECOND_MS)?.checked_add(padded.parse().ok()?)?
        } else if number >= EPOCH_MS_MIN && fraction.bytes().all(|byte| byte == b'0') {
            number
        } else {
            return None;
        };
        // The last instant of all means "never".
        (ms < Self::MAX.0).then_some(Timestamp(ms))
    }

    /// An instant as the live file keeps it, written from [`ms`](Self::ms).
    pub(crate) const fn from_word(word: u64) -> Timestamp {
        Timestamp(word as i64)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// This instant moved by `ms` milliseconds, held within [`MIN`](Self::MIN) and
    /// [`MAX`](Self::MAX).
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Timestamp {
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// The same instant in chrono's terms.
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        // `from_ms` keeps every value inside chrono's range.
        Utc.timestamp_millis_opt(self.0).single().unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self::from_ms(at.timestamp_millis())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format =
            if self.0 % SECOND_MS == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
        f.write_str(&self.to_utc().to_rfc3339_opts(format, true))
    }
}

/// Where "now" comes from.
///
/// Hosts use [`SystemClock`]; replays and tests use [`ManualClock`].
pub trait Clock: Send + Sync + 'static {
    /// The present instant. Called once per decision: it must be fast and must not block.
    fn now(&self) -> Timestamp;

    /// Whether this is the wall clock. Maintenance settles tenants only by a wall clock, so that
    /// a process that replays old traffic is not overtaken by the present.
    fn is_wall(&self) -> bool {
        false
    }

    /// The present instant, and the milliseconds that a second clock shows which is never set: by
    /// how much the first was set is measured by it. `None`: it is not measured, which is right for
    /// the clock of a replay.
    fn now_and_boot_ms(&self) -> Option<(Timestamp, i64)> {
        None
    }
}

/// The machine's clock, to a few milliseconds: far finer than any rule, and read without a
/// system call.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Timestamp {
        crate::live::coarse_realtime()
    }

    fn is_wall(&self) -> bool {
        true
    }

    fn now_and_boot_ms(&self) -> Option<(Timestamp, i64)> {
        let (wall, boot) = crate::live::wall_and_boot_ms();
        Some((Timestamp::from_ms(wall), boot))
    }
}

/// A clock that stands still until it is set, shared by everyone who holds it.
///
/// It is two clocks, as a machine has them: the wall clock, which [`now`](Clock::now) shows, and
/// one that counts since the boot. Both move together, as when time passes;
/// [`jump_ms`](Self::jump_ms) sets the wall clock alone.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    /// By how much the wall clock was set alone.
    jumped: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> ManualClock {
        ManualClock { now: AtomicI64::new(now.0), jumped: AtomicI64::new(0) }
    }

    /// Shows `now` from here on. A later instant is reached as if the time had passed. An earlier
    /// one is as after a boot with the clock set back: how much time has passed is not known.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.0, Ordering::Release);
    }

    /// Moves on by `ms` milliseconds, as if they had passed.
    pub fn advance_ms(&self, ms: i64) {
        self.set(self.now().plus_ms(ms));
    }

    /// Sets the wall clock by `ms` milliseconds ahead or back, in no time.
    pub fn jump_ms(&self, ms: i64) {
        let before = self.now();
        let now = before.plus_ms(ms);
        self.jumped.fetch_add(now.0 - before.0, Ordering::AcqRel);
        self.set(now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Acquire))
    }

    fn now_and_boot_ms(&self) -> Option<(Timestamp, i64)> {
        let now = self.now();
        Some((now, now.0 - self.jumped.load(Ordering::Acquire)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_and_prints_rfc_3339() {
        let at = Timestamp::parse_rfc3339("2026-05-21T00:00:00-03:00").expect("valid");
        assert_eq!(at.to_string(), "2026-05-21T03:00:00Z");
        assert_eq!(at.plus_ms(1).to_string(), "2026-05-21T03:00:00.001Z");
        assert_eq!(Timestamp::parse_rfc3339("21/05/2026"), None);
    }

    #[test]
    fn an_epoch_is_of_seconds_or_milliseconds_and_never_both() {
        let read = |text: &str| Timestamp::parse_epoch(text).map(Timestamp::ms);
        for (text, ms) in [
            ("0", 0),
            ("1779278400", 1_779_278_400_000),
            ("1779278400.5", 1_779_278_400_500),
            ("1779278400.1239", 1_779_278_400_123),
            ("253402300799", 253_402_300_799_000),
            ("1000000000000", 1_000_000_000_000),
            ("1779278400123", 1_779_278_400_123),
            ("1779278400123.0", 1_779_278_400_123),
            ("253402300799998", 253_402_300_799_998),
        ] {
            assert_eq!(read(text), Some(ms), "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "+1",
            " 1",
            "1e9",
            "1.",
            ".5",
            "1.x",
            "253402300800",
            "999999999999",
            "1779278400123.5",
            "253402300799999",
            "18446744073709551616",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_timestamp_stays_in_range() {
        assert_eq!(Timestamp::from_ms(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_seconds(i64::MIN), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn the_system_clock_is_close_to_the_standard_library_s() {
        let exact = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_millis() as i64;
        assert!((SystemClock.now().ms() - exact).abs() < 1_000);
    }
}
