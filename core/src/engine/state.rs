//! What a decision looks at: a block under its lock, or a standing that nobody has persisted.

use super::call::SessionCall;
use super::contacts::NAMES_MAX;
use crate::clock::Timestamp;
use crate::live::Hash128;
use crate::live::block::{BlockGuard, Slot};
use crate::live::claims::{Place, slot_heap};
use crate::live::layout::{block, claim, slot};
use crate::rules::decide::{Balance, KeptSession};
use crate::rules::{Counting, FeatureId, Gates, Mode, ResourceId, Standing, State, Terms};

/// The contact's session that is still kept at `mark`, and where it is: of several that its names
/// have, the one that ends last.
pub(super) fn kept_session(
    guard: &BlockGuard<'_>,
    call: &SessionCall<'_>,
    mark: Timestamp,
) -> Option<(Place, KeptSession)> {
    let kept = |contact: Hash128| {
        let place = guard.find_claim(call.key_of(contact))?;
        (guard.kept_until(place) > mark).then(|| {
            let start = Timestamp::from_word(guard.claim_get(place, claim::START));
            let end = Timestamp::from_word(guard.claim_get(place, claim::END));
            (place, KeptSession { start, end })
        })
    };
    if !guard.has_aliases() {
        return kept(call.contact);
    }
    names_of(guard, call.contact).filter_map(kept).max_by_key(|(_, session)| session.end)
}

/// The names of a contact, the one that is asked for first.
pub(super) fn names_of(guard: &BlockGuard<'_>, contact: Hash128) -> impl Iterator<Item = Hash128> {
    let next = move |&name: &Hash128| guard.next_name(name).filter(|&next| next != contact);
    std::iter::successors(Some(contact), next).take(NAMES_MAX)
}

/// When a key of a rate will have regained everything.
pub(super) fn regained_at(guard: &BlockGuard<'_>, key: Hash128) -> Timestamp {
    guard.find_claim(key).map_or(Timestamp::MIN, |place| guard.kept_until(place))
}

/// A block as a call sees it that asks for one resource, which is no more than grants and a hard
/// limit: found once, and nothing else is looked for.
pub(super) struct Plain<'g, 'a> {
    guard: &'g BlockGuard<'a>,
    pub(super) slot: Slot<'a>,
    pub(super) mode: Mode,
}

impl<'g, 'a> Plain<'g, 'a> {
    /// `None`: the block does not have the resource, or there is more to it.
    #[inline(always)]
    pub(super) fn new(guard: &'g BlockGuard<'a>, resource: ResourceId) -> Option<Self> {
        let slot = guard.slot(resource)?;
        let number = slot.get(slot::TERMS);
        let mode = Mode::from_number(number);
        Terms::is_plain(number).then_some(Plain { guard, slot, mode })
    }
}

impl State for Plain<'_, '_> {
    #[inline(always)]
    fn gates(&self) -> Gates {
        BlockGuard::gates(self.guard)
    }

    fn features(&self) -> [u64; 4] {
        self.guard.features()
    }

    fn has_feature(&self, feature: FeatureId) -> bool {
        self.guard.has_feature(feature)
    }

    #[inline(always)]
    fn balance(&self, _: ResourceId) -> Balance {
        let terms = Terms { mode: self.mode, ..Terms::default() };
        // A plain limit never lets anything go beyond it, and the rest has none.
        Balance::of_grants(terms, self.slot.used(), sum(self.slot.grants()), 0, 0)
    }

    #[cold]
    fn frees_at(&self, resource: ResourceId, counting: Counting) -> Option<Timestamp> {
        self.guard.frees_at(resource, counting)
    }
}

/// Whether a lease is held at `mark`, and where.
pub(super) fn held_lease(guard: &BlockGuard<'_>, key: Hash128, mark: Timestamp) -> Option<Place> {
    guard.find_claim(key).filter(|&place| guard.kept_until(place) > mark)
}

impl State for BlockGuard<'_> {
    #[inline]
    fn gates(&self) -> Gates {
        BlockGuard::gates(self)
    }

    fn features(&self) -> [u64; 4] {
        std::array::from_fn(|word| self.feature_word(word as u64))
    }

    fn has_feature(&self, feature: FeatureId) -> bool {
        self.feature_word(u64::from(feature.0 / 64)) & 1 << (feature.0 % 64) != 0
    }

    #[inline(always)]
    fn balance(&self, resource: ResourceId) -> Balance {
        let Some(slot) = self.slot(resource) else { return Balance::default() };
        let number = slot.get(slot::TERMS);
        let terms = Terms::from_number(number);
        if Terms::is_plain(number) {
            // A plain limit never lets anything go beyond it, and the rest has none.
            return Balance::of_grants(terms, slot.used(), sum(slot.grants()), 0, 0);
        }
        other_balance(slot, terms)
    }

    fn frees_at(&self, resource: ResourceId, counting: Counting) -> Option<Timestamp> {
        let word = match (counting, self.slot(resource)) {
            (Counting::Granted, _) => block::RESTORES_AT,
            (Counting::Meter, Some(slot)) => match slot.get(slot::CYCLE) {
                0 => return None,
                period if period == self.get(block::PERIOD) => block::RESTORES_AT,
                _ => block::MONTH_ENDS_AT,
            },
            (Counting::Leases, Some(slot)) => {
                return self.first_due(slot_heap(slot)).map(|(until, _)| until);
            }
            _ => return None,
        };
        let at = Timestamp::from_word(self.get(word));
        Some(at).filter(|&at| at != Timestamp::MAX)
    }
}

#[cold]
fn other_balance(slot: Slot<'_>, terms: Terms) -> Balance {
    let (used, cap) = (slot.used(), slot.get(slot::CAP));
    match terms.counting {
        Counting::Granted => {
            Balance::of_grants(terms, used, sum(slot.grants()), slot.get(slot::BEYOND), cap)
        }
        _ => Balance::of_number(terms, used, slot.get(slot::LIMIT), cap),
    }
}

impl State for Standing {
    fn gates(&self) -> Gates {
        self.gates
    }

    fn features(&self) -> [u64; 4] {
        self.features
    }

    fn has_feature(&self, feature: FeatureId) -> bool {
        let word = self.features.get(usize::from(feature.0 / 64)).copied().unwrap_or(0);
        word & 1 << (feature.0 % 64) != 0
    }

    fn balance(&self, resource: ResourceId) -> Balance {
        let slot = self.slots.iter().find(|slot| slot.resource == resource);
        let Some(slot) = slot else { return Balance::default() };
        match slot.terms.counting {
            Counting::Granted => {
                let remaining = slot.grants.iter().map(|grant| (grant.id, grant.remaining));
                Balance::of_grants(slot.terms, slot.used, sum(remaining), slot.beyond, slot.cap)
            }
            _ => Balance::of_number(slot.terms, slot.used, slot.limit, slot.cap),
        }
    }

    fn frees_at(&self, resource: ResourceId, counting: Counting) -> Option<Timestamp> {
        match counting {
            Counting::Granted => self.restores_at,
            Counting::Meter => {
                let cycle = self.slots.iter().find(|slot| slot.resource == resource)?.cycle;
                match cycle {
                    0 => None,
                    period if period == self.period => self.restores_at,
                    _ => self.month_ends_at,
                }
            }
            Counting::Seats | Counting::Leases | Counting::Rate => None,
        }
    }
}

/// What remains in all grants.
#[inline(always)]
fn sum(grants: impl Iterator<Item = (u64, u64)>) -> u64 {
    grants.fold(0, |sum: u64, (_, remaining)| sum.saturating_add(remaining))
}
