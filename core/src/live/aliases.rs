//! Names of contacts that have more than one: each leads to the next, in a ring.

use super::directory::Hash128;
use super::entries::EntryKind;
use super::layout::entries;
use super::record::RecordGuard;
use crate::rules::ResourceId;

impl RecordGuard<'_> {
    /// Whether any contact of the tenant has more than one name.
    #[inline]
    pub(crate) fn has_aliases(&self) -> bool {
        self.entries_at() != 0 && self.entries_get(entries::ALIASES) != 0
    }

    /// The name after this one in the ring of a contact's names.
    pub(crate) fn next_name(&self, name: Hash128) -> Option<Hash128> {
        let index = self.find_entry(alias_key(name))?;
        Some(Hash128 { low: self.entry_word(index, 0), high: self.entry_word(index, 1) })
    }

    /// Makes `next` the name after `name`. Its capacity has been reserved.
    pub(crate) fn set_next_name(&mut self, name: Hash128, next: Hash128, seq: u64) {
        let key = alias_key(name);
        let index = self.find_entry(key).unwrap_or_else(|| {
            self.entries_set(entries::ALIASES, self.entries_get(entries::ALIASES) + 1);
            self.make_entry(EntryKind::Alias, ResourceId::NONE, Some(key)).index
        });
        self.entry_set_word(index, 0, next.low);
        self.entry_set_word(index, 1, next.high);
        self.touch_entry(index, seq);
    }
}

/// The key under which a name of a contact is found: apart from that of any session.
const fn alias_key(name: Hash128) -> Hash128 {
    Hash128 { low: name.low.rotate_left(32), high: !name.high }
}
