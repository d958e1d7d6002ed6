//! How a resource is limited and counted for a tenant: all that a decision asks first, in one
//! word.

use crate::catalog::{Enforcement, Kind};

/// How a resource is limited for a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not part of the plan.
    #[default]
    Disabled,
    /// By a number, or by what remains in the grants.
    Finite,
    /// Not at all.
    Unlimited,
}

impl Mode {
    /// Every mode, in the order of their numbers.
    pub const ALL: [Mode; 3] = [Mode::Disabled, Mode::Finite, Mode::Unlimited];

    /// The code that Python and reports use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Mode::Disabled => "disabled",
            Mode::Finite => "finite",
            Mode::Unlimited => "unlimited",
        }
    }

    pub(crate) const fn to_number(self) -> u64 {
        match self {
            Mode::Disabled => 0,
            Mode::Finite => 1,
            Mode::Unlimited => 2,
        }
    }

    #[inline(always)]
    pub(crate) const fn from_number(number: u64) -> Mode {
        match number {
            1 => Mode::Finite,
            2 => Mode::Unlimited,
            _ => Mode::Disabled,
        }
    }
}

/// How what is used of a resource is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// Used up from grants.
    #[default]
    Granted,
    /// Held by named holders until they release them.
    Seats,
    /// Held by named holders for a limited time.
    Leases,
    /// Added up, and taken away again.
    Meter,
    /// By the instant of the next, per key.
    Rate,
}

impl Counting {
    /// How resources of the kind with this name are counted.
    pub(crate) fn of_name(kind: &str) -> Counting {
        match kind {
            "seat" => Counting::Seats,
            "lease" => Counting::Leases,
            "meter" => Counting::Meter,
            "rate" => Counting::Rate,
            _ => Counting::Granted,
        }
    }

    /// How resources of a kind are counted.
    #[must_use]
    pub const fn of(kind: Kind) -> Counting {
        match kind {
            Kind::Allowance | Kind::Session { .. } => Counting::Granted,
            Kind::Seat => Counting::Seats,
            Kind::Lease { .. } => Counting::Leases,
            Kind::Meter { .. } => Counting::Meter,
            Kind::Rate { .. } => Counting::Rate,
        }
    }
}

/// What happens at the limit, without the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmness {
    /// It is denied.
    #[default]
    Hard,
    /// It is allowed, and counted as overage.
    Soft,
    /// It is allowed, and noted that it would have been denied.
    Shadow,
}

/// The terms on which a tenant has a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterTerms {
    /// How it is limited.
    pub mode: Mode,
    /// How it is counted.
    pub counting: Counting,
    /// What happens at the limit.
    pub firmness: Firmness,
    /// Whether other resources must have capacity as well.
    pub has_parents: bool,
    /// Whether the plan has given more than its number says by now: the admin transaction sees to
    /// what comes back.
    pub lowered: bool,
}

impl CounterTerms {
    /// What a bare consume can do by itself: nothing but grants, a hard limit, no parents. The
    /// mode is all that is left of the number.
    #[inline(always)]
    pub(crate) const fn is_simple(number: u64) -> bool {
        number <= 0xff
    }

    pub(crate) const fn to_number(self) -> u64 {
        self.mode.to_number()
            | (self.counting as u64) << 8
            | (self.firmness as u64) << 16
            | (self.has_parents as u64) << 24
            | (self.lowered as u64) << 25
    }

    #[inline(always)]
    pub(crate) const fn from_number(number: u64) -> CounterTerms {
        let mode = Mode::from_number(number & 0xff);
        let counting = match number >> 8 & 0xff {
            1 => Counting::Seats,
            2 => Counting::Leases,
            3 => Counting::Meter,
            4 => Counting::Rate,
            _ => Counting::Granted,
        };
        let firmness = match number >> 16 & 0xff {
            1 => Firmness::Soft,
            2 => Firmness::Shadow,
            _ => Firmness::Hard,
        };
        let (has_parents, lowered) = (number >> 24 & 1 == 1, number >> 25 & 1 == 1);
        CounterTerms { mode, counting, firmness, has_parents, lowered }
    }
}

/// Firmness of an enforcement, and the units beyond the limit that it lets pass.
pub(crate) const fn firmness(enforcement: Enforcement) -> (Firmness, u64) {
    match enforcement {
        Enforcement::Hard => (Firmness::Hard, 0),
        Enforcement::Soft { cap: None } => (Firmness::Soft, u64::MAX),
        Enforcement::Soft { cap: Some(cap) } => (Firmness::Soft, cap),
        Enforcement::Shadow => (Firmness::Shadow, u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_go_into_a_number_and_come_out_again() {
        for mode in [Mode::Disabled, Mode::Finite, Mode::Unlimited] {
            for counting in [
                Counting::Granted,
                Counting::Seats,
                Counting::Leases,
                Counting::Meter,
                Counting::Rate,
            ] {
                for firmness in [Firmness::Hard, Firmness::Soft, Firmness::Shadow] {
                    for (has_parents, lowered) in
                        [(false, false), (false, true), (true, false), (true, true)]
                    {
                        let terms = CounterTerms { mode, counting, firmness, has_parents, lowered };
                        assert_eq!(CounterTerms::from_number(terms.to_number()), terms);
                        let simple = counting == Counting::Granted
                            && firmness == Firmness::Hard
                            && !has_parents
                            && !lowered;
                        assert_eq!(CounterTerms::is_simple(terms.to_number()), simple);
                    }
                }
            }
        }
    }
}
