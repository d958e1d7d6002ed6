//! What a decision looks at: a block under its lock, or a standing that nobody has persisted.

use crate::clock::Timestamp;
use crate::live::Hash128;
use crate::live::block::BlockGuard;
use crate::live::layout::{block, claim};
use crate::rules::decide::{Balance, KeptSession};
use crate::rules::{FeatureId, Gates, Mode, ResourceId, Standing, State};

/// The contact's session, if it is still kept at `mark`.
pub(super) fn kept_session(
    guard: &BlockGuard<'_>,
    key: Hash128,
    mark: Timestamp,
) -> Option<KeptSession> {
    let place = guard.find_claim(key)?;
    (guard.kept_until(place) > mark).then(|| KeptSession {
        start: Timestamp::from_ms(guard.claim_get(place, claim::START) as i64),
        end: Timestamp::from_ms(guard.claim_get(place, claim::END) as i64),
    })
}

impl State for BlockGuard<'_> {
    #[inline]
    fn gates(&self) -> Gates {
        BlockGuard::gates(self)
    }

    fn has_feature(&self, feature: FeatureId) -> bool {
        self.feature_word(u64::from(feature.0 / 64)) & 1 << (feature.0 % 64) != 0
    }

    #[inline(always)]
    fn balance(&self, resource: ResourceId) -> Balance {
        let Some(slot) = self.slot(resource) else { return Balance::default() };
        let mode = slot.mode();
        let available = if mode == Mode::Finite { sum(slot.grants()) } else { 0 };
        Balance { mode, used: slot.used(), available }
    }

    fn restores_at(&self) -> Option<Timestamp> {
        let at = Timestamp::from_ms(self.get(block::RESTORES_AT) as i64);
        Some(at).filter(|&at| at != Timestamp::MAX)
    }
}

impl State for Standing {
    fn gates(&self) -> Gates {
        self.gates
    }

    fn has_feature(&self, feature: FeatureId) -> bool {
        let word = self.features.get(usize::from(feature.0 / 64)).copied().unwrap_or(0);
        word & 1 << (feature.0 % 64) != 0
    }

    fn balance(&self, resource: ResourceId) -> Balance {
        let slot = self.slots.iter().find(|slot| slot.resource == resource);
        let Some(slot) = slot else { return Balance::default() };
        let available =
            if slot.mode == Mode::Finite { sum(slot.grants.iter().copied()) } else { 0 };
        Balance { mode: slot.mode, used: slot.used, available }
    }

    fn restores_at(&self) -> Option<Timestamp> {
        self.restores_at
    }
}

/// What remains in all grants.
#[inline(always)]
fn sum(grants: impl Iterator<Item = (u64, u64)>) -> u64 {
    grants.fold(0, |sum: u64, (_, remaining)| sum.saturating_add(remaining))
}
