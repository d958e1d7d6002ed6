//! Which invoice of a tenant a charge is for. Pure: facts in, an invoice's number out.
//!
//! The order is: the gateway's plan of instalments, its subscription, a reference that one of the
//! tenant's invoices has. What a charge says first decides; a charge of a known subscription does
//! not fall back on its reference, since gateways copy the subscription's reference onto every
//! later charge.

use chrono::NaiveDate;

/// How an invoice stands, as far as matching cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Openness {
    /// It waits to be paid, also again.
    Open,
    /// It is paid.
    Paid,
    /// It was cancelled.
    Cancelled,
}

/// An invoice as matching sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each can be without the others.
pub(crate) struct Candidate {
    pub(crate) id: i64,
    pub(crate) due: NaiveDate,
    pub(crate) cents: i64,
    pub(crate) openness: Openness,
    /// Whether it is of a subscription that the charge's gateway subscription is.
    pub(crate) of_subscription: bool,
    /// Whether it is a plan's.
    pub(crate) of_plan: bool,
    /// Whether a subscription begins when it is paid.
    pub(crate) begins: bool,
    /// Which instalment it is, of how many.
    pub(crate) part: (u32, u32),
    /// Whether charges of the same plan of instalments pay it, or its other instalments.
    pub(crate) of_installment: bool,
    /// Whether the charge's reference is this invoice's, or of another instalment of the same.
    pub(crate) is_referenced: Referenced,
}

/// What a charge's reference says of an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Referenced {
    /// Nothing.
    No,
    /// It is an instalment of what the referenced invoice is an instalment of.
    Sibling,
    /// It is the referenced invoice.
    Itself,
}

/// What a charge says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each can be without the others.
pub(crate) struct Facts {
    pub(crate) cents: Option<i64>,
    pub(crate) original_cents: Option<i64>,
    /// The days on which it was due: at first, and now.
    pub(crate) due: [Option<NaiveDate>; 2],
    pub(crate) part: Option<u32>,
    /// Whether it is of a subscription of the tenant's.
    pub(crate) has_subscription: bool,
    /// Whether it is one of several instalments.
    pub(crate) has_installment: bool,
    /// Whether the payer is known as the tenant's.
    pub(crate) is_known_payer: bool,
    /// Whether it was paid: only money goes to an invoice that has another due date.
    pub(crate) is_paid: bool,
    /// Whether its due day has passed.
    pub(crate) has_passed: bool,
}

impl Facts {
    /// Whether the amount that was asked for is an invoice's; where nothing says, it is.
    pub(crate) fn agrees(&self, cents: i64) -> bool {
        self.original_cents.or(self.cents).is_none_or(|it| it == cents)
    }

    /// Whether the amount does not speak against an invoice that the reference names: it agrees,
    /// is more (fine and interest), or comes from a payer who is known.
    fn is_acceptable(&self, cents: i64) -> bool {
        let is_more = self.cents.is_some_and(|it| it > cents);
        self.agrees(cents) || is_more || self.is_known_payer || self.has_installment
    }
}

/// The invoice that a charge is for; `None`: there is none, or not yet.
pub(crate) fn choose(facts: &Facts, invoices: &[Candidate]) -> Option<i64> {
    let of_installment = |it: &&Candidate| it.of_installment;
    if invoices.iter().any(|it| it.of_installment) {
        return instalment(facts, invoices.iter().filter(of_installment).collect());
    }
    if facts.has_subscription {
        return of_subscription(facts, invoices);
    }
    let named = invoices.iter().find(|it| it.is_referenced == Referenced::Itself)?;
    if !facts.is_acceptable(named.cents) {
        return None;
    }
    if facts.has_installment && named.part.1 > 1 {
        let siblings = invoices.iter().filter(|it| it.is_referenced != Referenced::No);
        return instalment(facts, siblings.collect());
    }
    Some(named.id)
}

/// Instalments of one purchase: each pays the one with its due date, else with its number, else
/// the oldest that is open; where all are paid, it is a second payment of the last.
fn instalment(facts: &Facts, mut parts: Vec<&Candidate>) -> Option<i64> {
    parts.sort_by_key(|it| (it.part.0, it.id));
    let open = || parts.iter().filter(|it| it.openness == Openness::Open);
    let same_day = open().find(|it| facts.due.contains(&Some(it.due)));
    let same_part = || parts.iter().find(|it| Some(it.part.0) == facts.part && it.part.1 > 1);
    let found = same_day.or_else(same_part).or_else(|| open().next()).or(parts.last());
    found.map(|it| it.id)
}

/// Charges of a gateway's subscription pay the invoice with their due date; the invoice that a
/// subscription begins with takes whichever comes first; once the due day has passed, the oldest
/// open one of a plan.
fn of_subscription(facts: &Facts, invoices: &[Candidate]) -> Option<i64> {
    let all = || invoices.iter().filter(|it| it.of_subscription);
    let open = || all().filter(|it| it.openness == Openness::Open);
    for day in facts.due.into_iter().flatten() {
        let same_day = open().filter(|it| it.due == day);
        // Of several on one day, the one with this amount, else the plan's.
        let best = same_day.min_by_key(|it| (!facts.agrees(it.cents), !it.of_plan, it.id));
        let paid = || all().find(|it| it.due == day && it.openness == Openness::Paid);
        if let Some(found) = best.or_else(paid) {
            return Some(found.id);
        }
    }
    if !facts.is_paid {
        return None;
    }
    let beginning = open().filter(|it| it.begins).min_by_key(|it| it.id);
    let oldest = || {
        let plans = open().filter(|it| facts.has_passed && it.of_plan);
        plans.min_by_key(|it| (it.due, it.id))
    };
    beginning.or_else(oldest).map(|it| it.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn invoice(id: i64, due: &str) -> Candidate {
        Candidate {
            id,
            due: day(due),
            cents: 99_00,
            openness: Openness::Open,
            of_subscription: true,
            of_plan: true,
            begins: false,
            part: (1, 1),
            of_installment: false,
            is_referenced: Referenced::No,
        }
    }

    fn facts(due: &str) -> Facts {
        Facts {
            cents: Some(99_00),
            original_cents: None,
            due: [Some(day(due)), None],
            part: None,
            has_subscription: true,
            has_installment: false,
            is_known_payer: false,
            is_paid: true,
            has_passed: false,
        }
    }

    #[test]
    fn a_charge_of_a_subscription_pays_its_own_due_date_or_waits_until_that_has_passed() {
        let invoices = [invoice(1, "2026-06-01"), invoice(2, "2026-07-01")];
        assert_eq!(choose(&facts("2026-07-01"), &invoices), Some(2));
        assert_eq!(choose(&facts("2026-08-01"), &invoices), None);
        let late = Facts { has_passed: true, ..facts("2026-06-15") };
        assert_eq!(choose(&late, &invoices), Some(1), "the oldest that is open");
        assert_eq!(choose(&Facts { is_paid: false, ..late }, &invoices), None, "no money");
        let original = Facts { due: [Some(day("2026-08-01")), Some(day("2026-07-01"))], ..late };
        assert_eq!(choose(&original, &invoices), Some(2));
    }

    #[test]
    fn a_subscription_that_waits_to_begin_takes_whichever_payment_comes_first() {
        let begins = Candidate { begins: true, ..invoice(7, "2026-05-20") };
        assert_eq!(choose(&facts("2026-06-01"), &[begins]), Some(7));
        let others = Candidate { of_subscription: false, ..begins };
        assert_eq!(choose(&facts("2026-06-01"), &[others]), None);
    }

    #[test]
    fn of_two_invoices_of_one_day_the_amount_decides_and_then_the_plan() {
        let package = Candidate { cents: 5_00, of_plan: false, ..invoice(1, "2026-06-01") };
        let plan = invoice(2, "2026-06-01");
        assert_eq!(choose(&facts("2026-06-01"), &[package, plan]), Some(2));
        let five = Facts { cents: Some(5_00), ..facts("2026-06-01") };
        assert_eq!(choose(&five, &[package, plan]), Some(1));
        let other = Facts { cents: Some(7_00), ..facts("2026-06-01") };
        assert_eq!(choose(&other, &[package, plan]), Some(2));
    }

    #[test]
    fn a_second_payment_of_one_due_date_is_that_invoice_s_and_a_cancelled_one_takes_none() {
        let paid = Candidate { openness: Openness::Paid, ..invoice(1, "2026-06-01") };
        let next = invoice(2, "2026-07-01");
        assert_eq!(choose(&facts("2026-06-01"), &[paid, next]), Some(1));
        let gone = Candidate { openness: Openness::Cancelled, ..paid };
        assert_eq!(choose(&facts("2026-06-01"), &[gone, next]), None);
    }

    #[test]
    fn a_reference_pays_unless_an_unknown_payer_pays_less() {
        let named = Candidate { is_referenced: Referenced::Itself, ..invoice(1, "2026-06-01") };
        let by = |cents, original_cents, is_known_payer| {
            let facts = Facts { has_subscription: false, is_known_payer, ..facts("2026-06-09") };
            choose(&Facts { cents, original_cents, ..facts }, &[named, invoice(2, "2026-07-01")])
        };
        for (cents, original, known, expected) in [
            (Some(99_00), None, false, Some(1)),
            (None, None, false, Some(1)),
            (Some(10_100), None, false, Some(1)),
            (Some(10_100), Some(99_00), false, Some(1)),
            (Some(90_00), Some(99_00), false, Some(1)),
            (Some(98_99), None, false, None),
            (Some(98_99), Some(98_99), false, None),
            (Some(98_99), None, true, Some(1)),
        ] {
            assert_eq!(by(cents, original, known), expected, "{cents:?} {original:?} {known}");
        }
    }

    #[test]
    fn a_charge_of_a_known_subscription_does_not_fall_back_on_its_reference() {
        let named = Candidate {
            is_referenced: Referenced::Itself,
            openness: Openness::Paid,
            ..invoice(1, "2026-06-01")
        };
        assert_eq!(choose(&facts("2026-07-01"), &[named]), None, "it waits");
    }

    #[test]
    fn instalments_go_by_due_date_then_by_number_then_in_order() {
        let part = |id: i64, number, due| Candidate {
            of_subscription: false,
            of_plan: false,
            part: (number, 3),
            is_referenced: if number == 1 { Referenced::Itself } else { Referenced::Sibling },
            cents: 40_00,
            ..invoice(id, due)
        };
        let parts = [part(5, 1, "2026-05-20"), part(6, 2, "2026-06-20"), part(7, 3, "2026-07-20")];
        let facts = |due, number| Facts {
            has_subscription: false,
            has_installment: true,
            cents: Some(40_00),
            part: number,
            ..facts(due)
        };
        assert_eq!(choose(&facts("2026-06-20", None), &parts), Some(6));
        assert_eq!(choose(&facts("2026-06-23", Some(3)), &parts), Some(7));
        assert_eq!(choose(&facts("2026-06-23", None), &parts), Some(5));
        let mut known =
            parts.map(|it| Candidate { of_installment: true, is_referenced: Referenced::No, ..it });
        known[0].openness = Openness::Paid;
        assert_eq!(choose(&facts("2026-06-23", None), &known), Some(6), "known by its id alone");
    }
}
