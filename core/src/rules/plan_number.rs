//! The number of a plan, changed in mid-period (docs/sources.md, LiveChat 360): it decides how much
//! of what the plan gave in this period may be used, also of what comes back afterwards.

use super::account::{Account, Grant, Source};
use super::settle::add_grant;
use super::terms::Counting;
use super::{ResourceId, Rulebook};
use crate::catalog::Limit;
use crate::clock::Timestamp;

/// Brings what the plan gives in this period to a new number. Units that are used stay used, and
/// what was bought or carried over stays.
pub fn set_limit(
    account: &mut Account,
    rules: &Rulebook,
    resource: ResourceId,
    limit: Limit,
    now: Timestamp,
) {
    let old = account.limits.insert(resource, limit).unwrap_or(Limit::Disabled);
    let Limit::Finite(number) = limit else { return };
    if Account::counting(rules, resource) != Counting::Granted {
        return; // The number is all there is.
    }
    if let Limit::Finite(_) = old {
        trim(account, resource, number);
        let given = given_by_plan(account, resource);
        if number > given {
            add_grant(account, resource, Source::Plan, number - given, now, None);
        }
        return;
    }
    // Until now nothing limited it: what was used beyond the grants is charged to the new one.
    of_plan(account, resource).for_each(|grant| {
        grant.revoke(grant.remaining);
    });
    let given = given_by_plan(account, resource);
    let usage = account.used.entry(resource).or_default();
    let beyond = std::mem::take(&mut usage.beyond);
    let left = number.saturating_sub(given.saturating_add(beyond));
    if beyond + left > 0 {
        add_grant(account, resource, Source::Plan, beyond + left, now, None);
        if let Some(grant) = account.grants.last_mut() {
            grant.remaining = left;
        }
    }
}

/// Whether the plan has given more in this period than its number says by now, all of it used:
/// what comes back of that is not there to be used again.
#[must_use]
pub fn is_lowered(account: &Account, rules: &Rulebook, resource: ResourceId) -> bool {
    let Some(&Limit::Finite(number)) = account.limits.get(&resource) else { return false };
    Account::counting(rules, resource) == Counting::Granted
        && given_by_plan(account, resource) > number
}

/// Gives back units that the present period took from a grant, or (`grant` 0) from none, and says
/// how many were. It comes to the same as if they had never been taken: units that were used while
/// nothing limited them, and were charged to the plan since, come back to the plan; and of its
/// units nothing stays that is more than its number.
pub fn give_back(
    account: &mut Account,
    resource: ResourceId,
    grant: u64,
    units: u64,
    now: Timestamp,
) -> u64 {
    let returned = if grant == 0 {
        give_back_beyond(account, resource, units)
    } else {
        let lives = |it: &&mut Grant| it.id == grant && it.resource == resource;
        match account.grants.iter_mut().find(lives).filter(|it| it.is_in_time(now)) {
            Some(grant) => {
                grant.remaining += units;
                units
            }
            None => 0,
        }
    };
    if let Some(usage) = account.used.get_mut(&resource) {
        usage.used = usage.used.saturating_sub(returned);
    }
    if let Some(&Limit::Finite(number)) = account.limits.get(&resource) {
        trim(account, resource, number);
    }
    returned
}

fn give_back_beyond(account: &mut Account, resource: ResourceId, units: u64) -> u64 {
    let usage = account.used.entry(resource).or_default();
    let mut left = units - units.min(usage.beyond);
    usage.beyond -= units - left;
    for grant in of_plan(account, resource).rev() {
        let of_it = left.min(grant.consumed_in_period());
        grant.remaining += of_it;
        left -= of_it;
    }
    units - left
}

/// Takes back what the plan has given more than its number, as far as it is not used. The newest
/// grant is used last and holds most of what is left.
fn trim(account: &mut Account, resource: ResourceId, number: u64) {
    let mut excess = given_by_plan(account, resource).saturating_sub(number);
    for grant in of_plan(account, resource).rev() {
        excess -= grant.revoke(excess);
    }
}

fn given_by_plan(account: &Account, resource: ResourceId) -> u64 {
    let of_plan = account.grants.iter().filter(|grant| grant.is_of_plan(resource));
    of_plan.fold(0, |sum: u64, grant| sum.saturating_add(grant.at_period_start))
}

fn of_plan(
    account: &mut Account,
    resource: ResourceId,
) -> impl DoubleEndedIterator<Item = &mut Grant> {
    account.grants.iter_mut().filter(move |grant| grant.is_of_plan(resource))
}
