//! In which order grants are used up, and by how much.

use super::account::Grant;

/// What one grant contributes: its place in the list and the units taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Take {
    /// Place in the burn-down list.
    pub index: u64,
    /// Units, at least 1.
    pub units: u64,
    /// What remains afterwards.
    pub rest: u64,
}

/// Takes `amount` units from `grants` (what remains of each, in the order of use): the plan's
/// before extras (docs/sources.md, LiveChat 360). The sum of the grants must suffice; the caller
/// has looked.
pub fn takes(amount: u64, grants: impl Iterator<Item = u64>) -> impl Iterator<Item = Take> {
    let mut left = amount;
    grants.enumerate().map_while(move |(index, remaining)| {
        if left == 0 {
            return None;
        }
        let units = remaining.min(left);
        left -= units;
        Some(Take { index: index as u64, units, rest: remaining - units })
    })
}

/// Puts grants into the order of use: priority, then earlier expiry, then earlier creation.
pub fn order(grants: &mut [Grant]) {
    grants.sort_by_key(|grant| {
        (grant.priority, grant.expires_at.unwrap_or(crate::Timestamp::MAX), grant.id)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_from_the_first_grants_first() {
        let found: Vec<_> = takes(7, [5, 0, 10].into_iter()).collect();
        assert_eq!(
            found,
            [
                Take { index: 0, units: 5, rest: 0 },
                Take { index: 1, units: 0, rest: 0 },
                Take { index: 2, units: 2, rest: 8 },
            ]
        );
        assert_eq!(takes(0, [5].into_iter()).count(), 0);
    }
}
