//! Round numbers along the sides of a drawing.

use cotas::{Interval, Language};

use crate::grouped;

/// Steps between the numbers of a scale.
const STEPS_MAX: u64 = 4;
/// Thousands, and what they are called.
const UNITS: [(u64, &str); 6] = [
    (1_000_000_000_000_000_000, "E"),
    (1_000_000_000_000_000, "P"),
    (1_000_000_000_000, "T"),
    (1_000_000_000, "G"),
    (1_000_000, "M"),
    (1_000, "k"),
];
/// Counts from here on are written with a unit.
const UNITS_FROM: u64 = 10_000;

/// A scale for counts: from 0, in steps of 1, 2 or 5 times a power of ten.
pub(crate) struct Scale {
    step: u64,
    steps: u64,
}

impl Scale {
    /// The scale with the fewest steps that ends at `most` or above.
    pub(crate) fn up_to(most: u64) -> Scale {
        let powers = std::iter::successors(Some(1_u64), |power| power.checked_mul(10));
        let steps = powers.flat_map(|power| [1, 2, 5].map(|factor| power.saturating_mul(factor)));
        let step = steps.into_iter().find(|&step| most.div_ceil(step) <= STEPS_MAX);
        let step = step.unwrap_or(u64::MAX);
        Scale { step, steps: most.div_ceil(step).max(1) }
    }

    /// Its last number.
    pub(crate) fn top(&self) -> u64 {
        self.step.saturating_mul(self.steps)
    }

    /// Its numbers.
    pub(crate) fn ticks(&self) -> Vec<u64> {
        (0..=self.steps).map(|step| self.step.saturating_mul(step)).collect()
    }

    /// How one of them is written: all with the same unit.
    pub(crate) fn write(&self, tick: u64, language: Language) -> String {
        let top = self.top();
        let unit = UNITS.iter().find(|&&(unit, _)| top >= UNITS_FROM && top >= unit);
        let Some(&(unit, name)) = unit.filter(|_| tick > 0) else { return grouped(tick, language) };
        let (whole, tenths) = (tick / unit, tick % unit / (unit / 10));
        let point = language.say(".", ",");
        if tenths == 0 { format!("{whole}{name}") } else { format!("{whole}{point}{tenths}{name}") }
    }
}

/// Every how many intervals there is space for a label of `width` pixels, where an interval has
/// `pixels`: steps that fit into days, weeks and years.
pub(crate) fn label_step(interval: Interval, width: usize, pixels: usize) -> usize {
    let round: &[usize] = match interval {
        Interval::Hour => &[1, 2, 3, 6, 12, 24, 48, 168],
        Interval::Day => &[1, 2, 7, 14, 28],
        Interval::Month => &[1, 2, 3, 6, 12, 24],
    };
    let last = round.last().copied().unwrap_or(1);
    let longer = std::iter::successors(Some(last * 2), |step| step.checked_mul(2));
    let mut steps = round.iter().copied().chain(longer);
    steps.find(|step| step.saturating_mul(pixels) >= width).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(most: u64) -> Vec<String> {
        let scale = Scale::up_to(most);
        assert!(scale.top() >= most);
        scale.ticks().into_iter().map(|tick| scale.write(tick, Language::English)).collect()
    }

    #[test]
    fn scales_are_of_round_numbers() {
        assert_eq!(ticks(0), ["0", "1"]);
        assert_eq!(ticks(1), ["0", "1"]);
        assert_eq!(ticks(5), ["0", "2", "4", "6"]);
        assert_eq!(ticks(1_200), ["0", "500", "1,000", "1,500"]);
        assert_eq!(ticks(12_000), ["0", "5k", "10k", "15k"]);
        assert_eq!(ticks(1_600_000), ["0", "0.5M", "1M", "1.5M", "2M"]);
        assert_eq!(ticks(u64::MAX / 2), ["0", "5E", "10E"]);
        assert_eq!(ticks(u64::MAX).first().map(String::as_str), Some("0"));
    }

    #[test]
    fn labels_keep_their_distance() {
        assert_eq!(label_step(Interval::Hour, 90, 880), 1);
        assert_eq!(label_step(Interval::Hour, 90, 10), 12);
        assert_eq!(label_step(Interval::Day, 90, 29), 7);
        assert_eq!(label_step(Interval::Day, 90, 1), 112);
        assert_eq!(label_step(Interval::Month, 70, 20), 6);
    }
}
