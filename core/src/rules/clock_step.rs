//! How the wall clock moved beside one that is never set.
//!
//! Wall time less boot time stays as it is while the clocks only run. An operator or a
//! program that sets the wall clock changes it.

use crate::clock::{DAY_MS, HOUR_MS};

/// Up to here the wall clock is only being slewed, or read a little later than the other.
const SLEW_MS: i64 = 500;
/// A wall clock that ran ahead by more is not believed at once.
pub const AHEAD_MS_MAX: i64 = DAY_MS;
/// After so much boot time it is believed all the same.
pub const BELIEVED_AFTER_MS: i64 = HOUR_MS;

/// What a look at both clocks shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStep {
    /// Both ran.
    None,
    /// The wall clock was set, ahead by little or back by any amount: it is believed.
    Set,
    /// It shows so many milliseconds more than is believed.
    Ahead(i64),
}

/// Compares what a look shows with what is believed: wall time less boot time, both times. `since`
/// is the boot time since when the wall clock is ahead.
#[must_use]
pub fn clock_step(believed: i64, seen: i64, boot: i64, since: Option<i64>) -> ClockStep {
    let ahead = seen.saturating_sub(believed);
    if ahead > AHEAD_MS_MAX {
        let waited = since.map_or(0, |since| boot.saturating_sub(since));
        return if waited >= BELIEVED_AFTER_MS { ClockStep::Set } else { ClockStep::Ahead(ahead) };
    }
    if ahead.saturating_abs() <= SLEW_MS { ClockStep::None } else { ClockStep::Set }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ahead_is_believed_and_more_only_after_an_hour() {
        let look =
            |seen: i64, boot, since| clock_step(1_000, seen.saturating_add(1_000), boot, since);
        assert_eq!(look(0, 5, None), ClockStep::None);
        assert_eq!(look(-SLEW_MS, 5, None), ClockStep::None);
        assert_eq!(look(SLEW_MS + 1, 5, None), ClockStep::Set);
        assert_eq!(look(AHEAD_MS_MAX, 5, None), ClockStep::Set);
        assert_eq!(look(AHEAD_MS_MAX + 1, 5, None), ClockStep::Ahead(AHEAD_MS_MAX + 1));
        let believed = BELIEVED_AFTER_MS + 5;
        assert_eq!(
            look(2 * AHEAD_MS_MAX, believed - 1, Some(5)),
            ClockStep::Ahead(2 * AHEAD_MS_MAX)
        );
        assert_eq!(look(2 * AHEAD_MS_MAX, believed, Some(5)), ClockStep::Set);
        assert_eq!(look(-400 * DAY_MS, 5, Some(1)), ClockStep::Set);
        assert_eq!(look(i64::MAX, 5, None), ClockStep::Ahead(i64::MAX - 1_000));
    }
}
