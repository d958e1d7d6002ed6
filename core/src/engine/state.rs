//! What a decision looks at: a block under its lock, or a standing that nobody has persisted.

use crate::clock::Timestamp;
use crate::live::Hash128;
use crate::live::block::{BlockGuard, Slot};
use crate::live::layout::{block, claim};
use crate::rules::decide::KeptSession;
use crate::rules::{self, FeatureId, Gates, Mode, ResourceId, Standing, State};

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

    #[inline]
    fn mode(&self, resource: ResourceId) -> Mode {
        self.slot(resource).map_or(Mode::Disabled, |slot: Slot| slot.mode(self.memory))
    }

    #[inline]
    fn used(&self, resource: ResourceId) -> u64 {
        self.slot(resource).map_or(0, |slot| slot.used(self.memory))
    }

    #[inline]
    fn available(&self, resource: ResourceId) -> u64 {
        self.slot(resource).map_or(0, |slot| {
            slot.grants(self.memory).fold(0u64, |sum, (_, remaining)| sum.saturating_add(remaining))
        })
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

    fn mode(&self, resource: ResourceId) -> Mode {
        self.slot(resource).map_or(Mode::Disabled, |slot| slot.mode)
    }

    fn used(&self, resource: ResourceId) -> u64 {
        self.slot(resource).map_or(0, |slot| slot.used)
    }

    fn available(&self, resource: ResourceId) -> u64 {
        self.slot(resource).map_or(0, |slot| {
            slot.grants.iter().fold(0u64, |sum, &(_, remaining)| sum.saturating_add(remaining))
        })
    }

    fn restores_at(&self) -> Option<Timestamp> {
        self.restores_at
    }
}

impl Standing {
    fn slot(&self, resource: ResourceId) -> Option<&rules::Slot> {
        self.slots.iter().find(|slot| slot.resource == resource)
    }
}
