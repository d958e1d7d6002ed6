//! Rates by the generic cell rate algorithm: one instant per key says all there is to know.
//!
//! The instant is when the key will have regained everything. Each unit puts it off by the time
//! that a unit takes; it may lie at most a full burst ahead.

use crate::clock::Timestamp;

/// So many per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time in which one unit is regained, in milliseconds.
    pub every_ms: i64,
    /// Units that may come at once.
    pub burst: u64,
}

/// What became of a request for units of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paced {
    /// When the key will have regained everything; as before, where the request is denied.
    pub regained_at: Timestamp,
    /// Units that may come at once from now on.
    pub available: u64,
    /// `None`: allowed. Else when it would be; `Timestamp::MAX`: it asks for more than a burst.
    pub retry_at: Option<Timestamp>,
}

impl Rate {
    /// Asks for `units` at `now` for a key that has regained everything at `regained_at`.
    #[must_use]
    pub fn request(self, units: u64, regained_at: Timestamp, now: Timestamp) -> Paced {
        let burst_ms = self.times(self.burst);
        // Further ahead than a full burst it lies only since the burst was made smaller.
        let from = regained_at.max(now).min(now.plus_ms(burst_ms));
        let until = from.plus_ms(self.times(units));
        let ahead_ms = |at: Timestamp| at.ms().saturating_sub(now.ms());
        let left =
            |at| (burst_ms.saturating_sub(ahead_ms(at)) / self.every_ms.max(1)).max(0) as u64;
        if units > self.burst {
            let retry_at = Some(Timestamp::MAX);
            return Paced { regained_at, available: left(from), retry_at };
        }
        if ahead_ms(until) > burst_ms {
            let retry_at = Some(until.plus_ms(burst_ms.saturating_neg()));
            return Paced { regained_at, available: left(from), retry_at };
        }
        Paced { regained_at: until, available: left(until), retry_at: None }
    }

    fn times(self, units: u64) -> i64 {
        self.every_ms.saturating_mul(i64::try_from(units).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Rate = Rate { every_ms: 6_000, burst: 45 };
    const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    #[test]
    fn a_pair_may_send_45_at_once_and_then_one_each_6_seconds() {
        let mut regained_at = Timestamp::MIN;
        for left in (0..45).rev() {
            let paced = PAIR.request(1, regained_at, NOW);
            assert_eq!((paced.retry_at, paced.available), (None, left));
            regained_at = paced.regained_at;
        }
        let denied = PAIR.request(1, regained_at, NOW);
        assert_eq!(denied.retry_at, Some(NOW.plus_ms(6_000)));
        assert_eq!(denied.regained_at, regained_at);
        assert!(PAIR.request(1, regained_at, NOW.plus_ms(5_999)).retry_at.is_some());
        let paced = PAIR.request(1, regained_at, NOW.plus_ms(6_000));
        assert_eq!((paced.retry_at, paced.available), (None, 0));
    }

    #[test]
    fn a_wait_is_never_longer_than_a_full_burst() {
        for ahead in [270_000, 270_001, 3_600_000, i64::MAX] {
            let regained_at = NOW.plus_ms(ahead);
            for units in [1, 45] {
                let retry_at = PAIR.request(units, regained_at, NOW).retry_at;
                assert_eq!(retry_at, Some(NOW.plus_ms(6_000 * units as i64)), "{ahead}");
            }
        }
    }

    #[test]
    fn more_than_a_burst_is_never_allowed_and_long_silence_saves_nothing_up() {
        assert_eq!(PAIR.request(46, Timestamp::MIN, NOW).retry_at, Some(Timestamp::MAX));
        assert_eq!(PAIR.request(u64::MAX, NOW, NOW).retry_at, Some(Timestamp::MAX));
        assert_eq!(PAIR.request(45, Timestamp::MIN, NOW).available, 0);
    }
}
