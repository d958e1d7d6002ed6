//! At which part of a limit a host wants a report.

/// Units at which `percent` of `limit` are reached.
#[must_use]
pub fn amount(percent: u8, limit: u64) -> u64 {
    (u128::from(limit) * u128::from(percent)).div_ceil(100).try_into().unwrap_or(u64::MAX)
}

/// The percentages that have been reached since the event at `due` was waited for, now that
/// `used` is.
pub fn reached(
    thresholds: &[u8],
    limit: u64,
    due: u64,
    used: u64,
) -> impl Iterator<Item = u8> + use<'_> {
    let reached = move |&percent: &u8| limit > 0 && (due..=used).contains(&amount(percent, limit));
    thresholds.iter().copied().filter(reached)
}

/// The units at which the next event is due, now that `used` is; `u64::MAX`: there is none.
#[must_use]
pub fn next(thresholds: &[u8], limit: u64, used: u64) -> u64 {
    if limit == 0 {
        return u64::MAX;
    }
    let amounts = thresholds.iter().map(|&percent| amount(percent, limit));
    amounts.filter(|&amount| amount > used).min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_threshold_is_reached_once() {
        let thresholds = [80, 100];
        assert_eq!(next(&thresholds, 1000, 0), 800);
        assert_eq!(reached(&thresholds, 1000, 800, 799).count(), 0);
        assert_eq!(reached(&thresholds, 1000, 800, 850).collect::<Vec<_>>(), [80]);
        assert_eq!(next(&thresholds, 1000, 850), 1000);
        assert_eq!(reached(&thresholds, 1000, 1000, 1200).collect::<Vec<_>>(), [100]);
        assert_eq!(next(&thresholds, 1000, 1200), u64::MAX);
        // Of a single unit every part is the whole.
        assert_eq!(reached(&thresholds, 1, 1, 1).collect::<Vec<_>>(), [80, 100]);
        assert_eq!(next(&thresholds, 0, 0), u64::MAX);
        assert_eq!(amount(100, u64::MAX), u64::MAX);
    }
}
