//! Writing a tenant's standing into its block: by the lane when a change is committed, and when
//! the file is rebuilt. Nothing here can be undone; the caller holds `pending`, or the file alone.

use super::block::BlockGuard;
use super::claims::{ClaimError, ClaimKind, KEPT_UNTIL, Place};
use super::directory::Hash128;
use super::file::GrowError;
use super::layout::{WORD, block, claim, claims, pair, slot, unpair};
use super::snapshot::ClaimImage;
use crate::clock::Timestamp;
use crate::rules::{ResourceId, Standing};

impl BlockGuard<'_> {
    /// Makes room for `standing`, so that [`write_standing`](Self::write_standing) cannot fail.
    pub(crate) fn ensure_standing(&self, standing: &Standing) -> Result<(), GrowError> {
        let highest = standing.slots.iter().map(|slot| slot.resource.0 + 1).max().unwrap_or(0);
        self.ensure_slots(highest)?;
        for image in &standing.slots {
            if let Some(slot) = self.slot(image.resource) {
                self.ensure_grants(slot, image.grants.len() as u64)?;
            }
        }
        Ok(())
    }

    /// Writes what the tenant may do from now on. Room has been made.
    pub(crate) fn write_standing(&self, standing: &Standing, admin_seq: u64) {
        for (resource, to) in self.slots() {
            let from = standing.slots.iter().find(|slot| slot.resource == resource);
            let memory = self.memory;
            memory.put(to.at + slot::MODE, from.map_or(0, |from| from.mode.to_number()));
            memory.put(to.at + slot::USED, from.map_or(0, |from| from.used));
            let grants = from.map_or(&[][..], |from| &from.grants);
            for (index, &(id, remaining)) in grants.iter().enumerate() {
                let at = to.grant_at(index as u64);
                memory.put(at, id);
                memory.put(at + WORD, remaining);
            }
            memory.put(to.at + slot::GRANT_COUNT, grants.len() as u64);
        }
        crate::torture::point("apply.slots");
        self.put(block::GATES, standing.gates.to_bits());
        for (word, &bits) in standing.features.iter().enumerate() {
            self.put(block::FEATURES + word as u64 * WORD, bits);
        }
        self.put(block::RESTORES_AT, standing.restores_at.unwrap_or(Timestamp::MAX).ms() as u64);
        self.raise_mark(standing.mark);
        self.put(block::STATE, 1);
        self.put(block::VALID_UNTIL, standing.valid_until.ms() as u64);
        crate::torture::point("apply.gates");
        self.put(block::ADMIN_SEQ, admin_seq);
        self.put(block::PENDING, 0);
        crate::torture::point("apply.done");
    }

    /// Sets the sequence numbers of a block that is rebuilt: SQLite has all of it.
    pub(crate) fn write_seq(&self, seq: u64) {
        for word in [block::SEQ, block::SNAPSHOT_SEQ, block::CHECKPOINTED_SEQ] {
            self.put(word, seq);
        }
    }

    /// Puts claims back in their places, which rise from image to image, and hangs them up in
    /// the order in which they end.
    pub(crate) fn restore_claims(&mut self, images: &[ClaimImage]) -> Result<(), ClaimError> {
        let mut hung = Vec::new();
        for image in images {
            let Some(kind) = ClaimKind::from_number(image.meta as u8) else { continue };
            let resource = ResourceId((image.meta >> 8) as u16);
            self.restore_claim(kind, resource, image)?;
            let list = match kind {
                ClaimKind::Session => self.slot(resource).map(Self::session_list),
                ClaimKind::Key => Some(self.key_list()?),
                ClaimKind::Cursor => None,
            };
            let place = Place(image.place);
            hung.extend(list.map(|list| (self.kept_until(place), list, place)));
        }
        hung.sort_by_key(|&(until, _, place)| (until, place.0));
        for (until, list, place) in hung {
            self.hang(list, place, until);
            let _stood = self.finish();
        }
        self.free_gaps();
        Ok(())
    }

    fn restore_claim(
        &mut self,
        kind: ClaimKind,
        resource: ResourceId,
        image: &ClaimImage,
    ) -> Result<(), ClaimError> {
        loop {
            self.prepare_claims(Timestamp::MIN, [None, None])?;
            let at = self.get(block::CLAIMS) + claims::TOUCHED;
            let touched = self.memory.get(at);
            if touched >= u64::from(image.place) {
                break;
            }
            // A gap: `free_gaps` chains it when all claims are back.
            self.memory.put(at, touched + 1);
        }
        let key = Hash128 { low: image.key[0], high: image.key[1] };
        let place = self.make_claim(kind, resource, key, None);
        debug_assert_eq!(place.0, image.place);
        self.claim_set(place, claim::START, image.start as u64);
        self.claim_set(place, claim::END, image.end as u64);
        self.claim_set_payload(place, &image.payload);
        let stood = self.finish();
        debug_assert!(stood, "the first undo record has room for a claim");
        Ok(())
    }

    /// Chains the places that hold no claim.
    fn free_gaps(&self) {
        let at = self.get(block::CLAIMS);
        if at == 0 {
            return;
        }
        let touched = self.memory.get(at + claims::TOUCHED);
        for place in (0..touched).rev() {
            let place = Place(place as u32);
            if self.claim_get(place, claim::META) == 0 {
                self.put_claim(place, claim::HUNG_UNTIL, self.memory.get(at + claims::FREE));
                self.memory.put(at + claims::FREE, u64::from(place.0) + 1);
            }
        }
    }

    fn put_claim(&self, place: Place, word: u64, value: u64) {
        let offset = self.claim_offset(place) + word;
        self.memory.put(offset, value);
    }

    /// Every claim in use.
    pub(crate) fn claims(&self) -> Vec<ClaimImage> {
        let at = self.get(block::CLAIMS);
        if at == 0 {
            return Vec::new();
        }
        let touched = self.memory.get(at + claims::TOUCHED);
        (0..touched)
            .map(|place| self.claim_image(Place(place as u32)))
            .filter(|image| image.meta != 0)
            .collect()
    }

    /// Whether an expiry list runs both ways, for the audit.
    pub(crate) fn list_is_sound(&self, list: u64) -> bool {
        let (oldest, newest) = unpair(self.memory.get(list));
        let mut previous = 0;
        let mut this = oldest;
        while this != 0 {
            let (before, next) = unpair(self.claim_get(Place(this - 1), claim::LINKS));
            if before != previous || pair(before, next) == pair(this, this) {
                return false;
            }
            previous = this;
            this = next;
        }
        previous == newest
    }
}

const _: () = assert!(KEPT_UNTIL == claim::PAYLOAD + 7 * WORD);
