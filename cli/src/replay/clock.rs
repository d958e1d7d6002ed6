//! The time of the traffic.

use std::sync::Arc;

use cotas::rules::settle::CLOCK_JUMP_MS;
use cotas::{Clock, ManualClock, SystemClock, Timestamp};

/// Shows the latest time of all lines so far. It never goes back, and it does not believe a line
/// that is further ahead than the engine would believe of a clock: one wrong line must not
/// take all that follow with it.
pub struct TrafficClock {
    shown: Arc<ManualClock>,
    since: Option<Timestamp>,
}

impl TrafficClock {
    /// A clock that begins with the first line, if its time is known already.
    pub fn new(first_at: Option<Timestamp>) -> TrafficClock {
        let now = first_at.unwrap_or_else(|| SystemClock.now());
        TrafficClock { shown: Arc::new(ManualClock::new(now)), since: first_at }
    }

    /// The clock for an engine to look at.
    pub fn shown(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shown) as Arc<dyn Clock>
    }

    /// The time of the first line.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// A line of time `at` goes by. Answers the time of the first, or why this is not believed.
    pub fn advance(&mut self, at: Timestamp) -> Result<Timestamp, String> {
        let since = *self.since.get_or_insert_with(|| {
            self.shown.set(at);
            at
        });
        let now = self.shown.now();
        if at > now.plus_ms(CLOCK_JUMP_MS) {
            return Err(format!("at is {at}, more than 400 days past the lines before ({now})"));
        }
        if at > now {
            self.shown.set(at);
        }
        Ok(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: i64 = 86_400;

    #[test]
    fn time_never_goes_back_nor_leaps() {
        let day = |day| Timestamp::from_seconds(day * DAY_S);
        let mut clock = TrafficClock::new(None);
        assert_eq!(clock.advance(day(10)), Ok(day(10)));
        for (at, shown) in [(12, 12), (11, 12), (413, 12), (412, 412), (812, 812)] {
            let believed = clock.advance(day(at));
            assert_eq!(believed.is_ok(), at != 413, "{at}: {believed:?}");
            assert_eq!(clock.shown().now(), day(shown));
        }
        assert_eq!(clock.since(), Some(day(10)));
    }
}
