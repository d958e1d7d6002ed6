//! Names of contacts that have more than one: each leads to the next, in a ring.

use super::block::BlockGuard;
use super::claims::ClaimKind;
use super::directory::Hash128;
use super::layout::claims;
use crate::rules::ResourceId;

impl BlockGuard<'_> {
    /// Whether any contact of the tenant has more than one name.
    #[inline]
    pub(crate) fn has_aliases(&self) -> bool {
        self.claims_at() != 0 && self.claims_get(claims::ALIASES) != 0
    }

    /// The name after this one in the ring of a contact's names.
    pub(crate) fn next_name(&self, name: Hash128) -> Option<Hash128> {
        let place = self.find_claim(alias_key(name))?;
        Some(Hash128 { low: self.claim_word(place, 0), high: self.claim_word(place, 1) })
    }

    /// Makes `next` the name after `name`. Room has been made.
    pub(crate) fn set_next_name(&mut self, name: Hash128, next: Hash128, seq: u64) {
        let key = alias_key(name);
        let place = self.find_claim(key).unwrap_or_else(|| {
            self.claims_set(claims::ALIASES, self.claims_get(claims::ALIASES) + 1);
            self.make_claim(ClaimKind::Alias, ResourceId::NONE, Some(key)).place
        });
        self.claim_set_word(place, 0, next.low);
        self.claim_set_word(place, 1, next.high);
        self.touch_claim(place, seq);
    }
}

/// The key under which a name of a contact is found: apart from that of any session.
const fn alias_key(name: Hash128) -> Hash128 {
    Hash128 { low: name.low.rotate_left(32), high: !name.high }
}
