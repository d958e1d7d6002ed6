//! Packages and what they cost (docs/sources.md, Whazing): a quantity is composed of packages, as
//! cheaply as it can be composed exactly.

use serde::{Deserialize, Serialize};

use super::Cents;

/// The largest quantity that is quoted.
pub const QUANTITY_MAX: u64 = 100_000;
/// The most sizes that a table may have.
pub(crate) const SIZES_MAX: usize = 32;

/// Why there is no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// It is not an amount of money.
    #[error("{value:?} is not an amount {unit} from 0 to 10000000000.00")]
    Amount {
        /// The value, cut where it is long.
        value: String,
        /// How it is counted.
        unit: &'static str,
    },
    /// The table has no size, or too many.
    #[error("a price table has 1 to {SIZES_MAX} package sizes, not {count}")]
    SizeCount {
        /// The number of sizes.
        count: usize,
    },
    /// A package of no units, or of more than can be quoted.
    #[error("{size} is not a package size (expected 1 to {QUANTITY_MAX})")]
    Size {
        /// The size.
        size: u64,
    },
    /// Two prices for one package.
    #[error("the package of {size} has two prices")]
    SizeTwice {
        /// The size.
        size: u64,
    },
    /// The packages do not come to exactly that quantity.
    #[error(
        "{quantity} cannot be composed of the packages that are sold; the next larger quantity \
         that can is {next}"
    )]
    NotComposed {
        /// What was asked.
        quantity: u64,
        /// The next larger quantity that can be composed.
        next: u64,
    },
    /// More than can be quoted at once.
    #[error("the quantity {quantity} is more than can be quoted at once, {QUANTITY_MAX}")]
    Quantity {
        /// What was asked.
        quantity: u64,
    },
    /// The price is higher than an amount of money may be.
    #[error("the quantity {quantity} costs more than 10000000000.00, the most that a price can be")]
    TooMuch {
        /// What was asked.
        quantity: u64,
    },
}

/// What packages there are, and what each costs per period.
///
/// Serialized as a list of pairs of size and cents, smallest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u64, Cents)>", into = "Vec<(u64, Cents)>")]
pub struct PriceTable {
    /// Size and price, smallest first.
    sizes: Vec<(u64, Cents)>,
}

/// What a quantity costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageQuote {
    /// The price of one period. There is no proration, ever (docs/sources.md, Whazing).
    #[serde(rename = "amount_cents")]
    pub cents: Cents,
    /// Size and number of the packages, largest first. Their units are exactly the quantity.
    pub packages: Vec<(u64, u64)>,
    /// A larger quantity that costs less, if there is one.
    pub hint: Option<Hint>,
}

/// A larger quantity that costs less than the one asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The larger quantity.
    pub quantity: u64,
    /// Its price.
    #[serde(rename = "amount_cents")]
    pub cents: Cents,
}

/// The best composition of a quantity that is known so far.
#[derive(Clone, Copy)]
struct Best {
    cents: i64,
    packages: u64,
    /// The size of the package that was added last.
    last: u64,
}

impl PriceTable {
    /// A table of these sizes and prices, in any order.
    ///
    /// Sizes are distinct. Where none of them is 1 there are quantities that cannot be composed.
    pub fn new(sizes: impl IntoIterator<Item = (u64, Cents)>) -> Result<PriceTable, PriceError> {
        let mut sizes: Vec<_> = sizes.into_iter().collect();
        if sizes.is_empty() || sizes.len() > SIZES_MAX {
            return Err(PriceError::SizeCount { count: sizes.len() });
        }
        sizes.sort_unstable();
        if let Some((size, _)) = sizes.iter().find(|(size, _)| !(1..=QUANTITY_MAX).contains(size)) {
            return Err(PriceError::Size { size: *size });
        }
        let twins = sizes.iter().zip(sizes.iter().skip(1)).find(|(one, next)| one.0 == next.0);
        if let Some(((size, _), _)) = twins {
            return Err(PriceError::SizeTwice { size: *size });
        }
        Ok(PriceTable { sizes })
    }

    /// Sizes and prices, smallest first.
    #[must_use]
    pub fn sizes(&self) -> &[(u64, Cents)] {
        &self.sizes
    }

    /// The cheapest packages that are exactly `quantity` together, and of equally cheap ones the
    /// fewest; nothing costs nothing. With a hint where a larger quantity costs less.
    ///
    /// Takes time in proportion to the quantity: milliseconds for [`QUANTITY_MAX`].
    pub fn quote(&self, quantity: u64) -> Result<PackageQuote, PriceError> {
        if quantity > QUANTITY_MAX {
            return Err(PriceError::Quantity { quantity });
        }
        let largest = self.sizes.last().map_or(0, |(size, _)| *size);
        // Beyond that a larger quantity only adds packages to one that is large enough already.
        let best = self.compose(quantity.saturating_add(largest));
        let exact = usize::try_from(quantity).ok().and_then(|at| best.get(at).copied()).flatten();
        let Some(exact) = exact else { return Err(not_composed(&best, quantity)) };
        let cents = Cents::new(exact.cents).map_err(|_| PriceError::TooMuch { quantity })?;
        let hint = (0..)
            .zip(&best)
            .skip_while(|(larger, _)| *larger <= quantity)
            .filter_map(|(larger, best)| Some((larger, best.as_ref()?)))
            .min_by_key(|(larger, best)| (best.cents, *larger))
            .filter(|(_, best)| best.cents < cents.get())
            .map(|(quantity, best)| Ok(Hint { quantity, cents: Cents::new(best.cents)? }))
            .transpose()?;
        Ok(PackageQuote { cents, packages: packages(&best, quantity), hint })
    }

    /// The best composition of every quantity from nothing to `upto`; `None`: there is none.
    fn compose(&self, upto: u64) -> Vec<Option<Best>> {
        let mut best = vec![Some(Best { cents: 0, packages: 0, last: 0 })];
        for quantity in 1..=upto {
            // No price is higher than that of as many packages: 2 * 10^5 * 10^12 fits.
            let found = self
                .sizes
                .iter()
                .rev()
                .filter_map(|(size, price)| {
                    let at = usize::try_from(quantity.checked_sub(*size)?).ok()?;
                    let rest = best.get(at).copied().flatten()?;
                    let cents = rest.cents.checked_add(price.get())?;
                    Some(Best { cents, packages: rest.packages + 1, last: *size })
                })
                .min_by_key(|best| (best.cents, best.packages));
            best.push(found);
        }
        best
    }
}

/// The refusal of a quantity that is not composed, with the next one that is. There is one within
/// the largest size: so many more of the smallest.
fn not_composed(best: &[Option<Best>], quantity: u64) -> PriceError {
    let larger = (0..).zip(best).find(|(larger, best)| *larger > quantity && best.is_some());
    larger.map_or(PriceError::Quantity { quantity }, |(next, _)| PriceError::NotComposed {
        quantity,
        next,
    })
}

/// The packages that compose `quantity`, largest first.
fn packages(best: &[Option<Best>], quantity: u64) -> Vec<(u64, u64)> {
    let mut sizes = Vec::new();
    let mut rest = quantity;
    while rest > 0 {
        let step = usize::try_from(rest).ok().and_then(|at| best.get(at).copied()).flatten();
        let Some(step) = step else { break };
        sizes.push(step.last);
        rest = rest.saturating_sub(step.last);
    }
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    sizes
        .chunk_by(|one, other| one == other)
        .filter_map(|same| same.first().map(|size| (*size, same.len() as u64)))
        .collect()
}

impl TryFrom<Vec<(u64, Cents)>> for PriceTable {
    type Error = PriceError;

    fn try_from(sizes: Vec<(u64, Cents)>) -> Result<PriceTable, PriceError> {
        PriceTable::new(sizes)
    }
}

impl From<PriceTable> for Vec<(u64, Cents)> {
    fn from(table: PriceTable) -> Vec<(u64, Cents)> {
        table.sizes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reais(units: i64) -> Cents {
        Cents::new(units * 100).unwrap()
    }

    fn table(sizes: &[(u64, i64)]) -> Result<PriceTable, PriceError> {
        PriceTable::new(sizes.iter().map(|(size, price)| (*size, Cents::new(*price).unwrap())))
    }

    fn seed_002() -> PriceTable {
        table(&[(1, 500), (10, 3500), (20, 6000), (30, 8000), (40, 9500), (50, 10_500)]).unwrap()
    }

    #[test]
    fn seed_002_every_price_of_the_document() {
        for (quantity, price) in [
            (0, 0),
            (1, 5),
            (2, 10),
            (9, 45),
            (10, 35),
            (11, 40),
            (15, 60),
            (17, 70),
            (20, 60),
            (29, 105),
            (30, 80),
            (40, 95),
            (50, 105),
            (51, 110),
            (60, 140),
            (100, 210),
        ] {
            assert_eq!(seed_002().quote(quantity).unwrap().cents, reais(price), "{quantity}");
        }
    }

    #[test]
    fn seed_002_eleven_channels_are_ten_and_one() {
        assert_eq!(seed_002().quote(11).unwrap().packages, [(10, 1), (1, 1)]);
        assert_eq!(seed_002().quote(100).unwrap().packages, [(50, 2)]);
        assert_eq!(seed_002().quote(0).unwrap().packages, []);
    }

    #[test]
    fn seed_002_hints_where_more_costs_less() {
        let hinted: Vec<u64> =
            (0..=60).filter(|q| seed_002().quote(*q).unwrap().hint.is_some()).collect();
        let expected: Vec<u64> =
            [8..=9, 16..=19, 25..=29, 34..=39, 43..=49, 58..=59].into_iter().flatten().collect();
        assert_eq!(hinted, expected);
        let hint = |quantity| seed_002().quote(quantity).unwrap().hint;
        assert_eq!(hint(9), Some(Hint { quantity: 10, cents: reais(35) }));
        assert_eq!(hint(49), Some(Hint { quantity: 50, cents: reais(105) }));
        assert_eq!(seed_002().quote(49).unwrap().cents, reais(140));
    }

    #[test]
    fn a_hint_may_be_a_composition_itself() {
        let hint = seed_002().quote(99).unwrap().hint;
        assert_eq!(hint, Some(Hint { quantity: 100, cents: reais(210) }));
    }

    #[test]
    fn of_equally_cheap_packages_the_fewest() {
        let flat = table(&[(1, 100), (5, 500), (6, 600), (10, 1000)]).unwrap();
        assert_eq!(flat.quote(11).unwrap().packages, [(10, 1), (1, 1)]);
        assert_eq!(flat.quote(12).unwrap().packages, [(6, 2)]);
        assert_eq!(flat.quote(12).unwrap().hint, None);
    }

    #[test]
    fn largest_first_is_not_cheapest() {
        let table = table(&[(1, 100), (3, 110), (4, 200)]).unwrap();
        let quote = table.quote(6).unwrap();
        assert_eq!((quote.cents.get(), quote.packages), (220, vec![(3, 2)]));
    }

    #[test]
    fn of_equally_cheap_hints_the_smallest() {
        let table = table(&[(1, 100), (10, 0), (20, 0)]).unwrap();
        let hint = table.quote(3).unwrap().hint.unwrap();
        assert_eq!((hint.quantity, hint.cents), (10, Cents::ZERO));
    }

    #[test]
    fn a_table_without_sense_is_refused() {
        let many: Vec<_> = (1..=33).map(|size| (size, 100)).collect();
        for (sizes, expected) in [
            (&[][..], PriceError::SizeCount { count: 0 }),
            (&many[..], PriceError::SizeCount { count: 33 }),
            (&[(1, 500), (10, 3500), (1, 400)], PriceError::SizeTwice { size: 1 }),
            (&[(0, 100), (1, 500)], PriceError::Size { size: 0 }),
            (&[(1, 500), (100_001, 1)], PriceError::Size { size: 100_001 }),
        ] {
            assert_eq!(table(sizes), Err(expected));
        }
    }

    #[test]
    fn without_a_package_of_one_only_what_can_be_composed_is_sold() {
        let sms = table(&[(50, 1500), (200, 5000)]).unwrap();
        let quote = sms.quote(50).unwrap();
        assert_eq!((quote.cents.get(), quote.packages, quote.hint), (1500, vec![(50, 1)], None));
        let quote = sms.quote(250).unwrap();
        assert_eq!((quote.cents.get(), quote.packages), (6500, vec![(200, 1), (50, 1)]));
        let cheaper = sms.quote(150).map(|it| (it.cents.get(), it.hint)).unwrap();
        assert_eq!(cheaper, (4500, None));
        for (quantity, next) in [(1, 50), (49, 50), (51, 100), (99_999, 100_000)] {
            let refused = PriceError::NotComposed { quantity, next };
            assert_eq!(sms.quote(quantity), Err(refused));
        }
        let odd = table(&[(6, 100), (9, 100)]).unwrap();
        assert_eq!(odd.quote(7), Err(PriceError::NotComposed { quantity: 7, next: 9 }));
        assert_eq!(odd.quote(15).unwrap().packages, [(9, 1), (6, 1)]);
        assert_eq!(odd.quote(0).unwrap().packages, []);
    }

    #[test]
    fn what_cannot_be_quoted_is_an_error_with_the_quantity() {
        let error = PriceError::Quantity { quantity: 100_001 };
        assert_eq!(seed_002().quote(100_001), Err(error.clone()));
        assert!(error.to_string().contains("100001"));
        assert!(seed_002().quote(u64::MAX).is_err());
        let dear = PriceTable::new([(1, Cents::MAX)]).unwrap();
        assert_eq!(dear.quote(2), Err(PriceError::TooMuch { quantity: 2 }));
        assert_eq!(dear.quote(QUANTITY_MAX), Err(PriceError::TooMuch { quantity: QUANTITY_MAX }));
    }

    #[test]
    fn the_largest_quantity_is_quoted() {
        let quote = seed_002().quote(QUANTITY_MAX).unwrap();
        assert_eq!(quote.packages, [(50, 2000)]);
        assert_eq!(quote.cents, reais(210_000));
    }

    #[test]
    fn a_table_serializes_as_pairs_and_is_checked_when_read() {
        let text = serde_json::to_string(&seed_002()).unwrap();
        assert_eq!(text, "[[1,500],[10,3500],[20,6000],[30,8000],[40,9500],[50,10500]]");
        assert_eq!(serde_json::from_str::<PriceTable>(&text).unwrap(), seed_002());
        for text in ["[]", "[[0,3500]]", "[[1,-5]]", "[[1,5],[1,6]]"] {
            assert!(serde_json::from_str::<PriceTable>(text).is_err(), "{text}");
        }
    }

    /// The cheapest price and then the fewest packages, by trying everything.
    fn by_trial(sizes: &[(u64, i64)], quantity: u64) -> Option<(i64, u64)> {
        let Some(((size, price), others)) = sizes.split_first() else {
            return (quantity == 0).then_some((0, 0));
        };
        (0..=quantity / size)
            .filter_map(|count| {
                let (cents, packages) = by_trial(others, quantity - count * size)?;
                Some((cents + price * count as i64, packages + count))
            })
            .min()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_quote_is_what_trying_everything_finds(
            single in 0_i64..30,
            others in proptest::collection::btree_map(2_u64..12, 0_i64..100, 0..3),
            quantity in 0_u64..25,
        ) {
            let mut sizes: Vec<_> = others.into_iter().collect();
            sizes.push((1, single));
            let quote = table(&sizes).unwrap().quote(quantity).unwrap();
            let count = quote.packages.iter().map(|(_, count)| count).sum::<u64>();
            let units = quote.packages.iter().map(|(size, count)| size * count).sum::<u64>();
            prop_assert_eq!(units, quantity);
            prop_assert_eq!(Some((quote.cents.get(), count)), by_trial(&sizes, quantity));
            let cheaper = (quantity + 1..quantity + 13)
                .filter_map(|larger| Some((by_trial(&sizes, larger)?.0, larger)))
                .min()
                .filter(|(cents, _)| *cents < quote.cents.get());
            prop_assert_eq!(quote.hint.map(|hint| (hint.cents.get(), hint.quantity)), cheaper);
        }
    }
}
