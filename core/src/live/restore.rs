//! Writing a tenant's standing into its block: by the lane when a change is committed, and when
//! the file is rebuilt. Nothing here can be undone; the caller holds `pending`, or the file alone.

use super::block::{BlockGuard, Slot, grant_word};
use super::claim_room::ClaimError;
use super::claims::{ClaimKind, NO_KEY, Place, ReservationState};
use super::directory::Hash128;
use super::file::GrowError;
use super::layout::{WORD, block, claim, claims, slot};
use super::snapshot::ClaimImage;
use crate::clock::Timestamp;
use crate::rules::{self, Counting, ResourceId, Standing, Terms};

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

    /// Writes what the tenant may do from now on. Room has been made. How many leases are held is
    /// the block's to know.
    pub(crate) fn write_standing(&self, standing: &Standing, admin_seq: u64) {
        for (resource, to) in self.slots() {
            match standing.slots.iter().find(|slot| slot.resource == resource) {
                Some(from) => self.write_slot(to, from),
                None => self.clear_slot(to),
            }
        }
        crate::torture::point("apply.slots");
        self.put(block::GATES, standing.gates.to_bits());
        for (word, &bits) in standing.features.iter().enumerate() {
            self.put(block::FEATURES + word as u64 * WORD, bits);
        }
        let or_never = |at: Option<Timestamp>| at.unwrap_or(Timestamp::MAX).ms() as u64;
        self.put(block::RESTORES_AT, or_never(standing.restores_at));
        self.put(block::MONTH_ENDS_AT, or_never(standing.month_ends_at));
        self.put(block::PERIOD, standing.period);
        self.raise_mark(standing.mark);
        self.put(block::STATE, 1);
        self.put(block::VALID_UNTIL, standing.valid_until.ms() as u64);
        crate::torture::point("apply.gates");
        self.put(block::ADMIN_SEQ, admin_seq);
        self.put(block::LANE_CLAIM, 0);
        self.put(block::PENDING, 0);
        crate::torture::point("apply.done");
    }

    fn write_slot(&self, to: Slot<'_>, from: &rules::Slot) {
        let memory = self.memory;
        // What is leased stays so, also where the catalog does not know it for a while.
        let leased = to.terms().counting == Counting::Leases;
        let counting = if leased { Counting::Leases } else { from.terms.counting };
        memory.put(to.at + slot::TERMS, Terms { counting, ..from.terms }.to_number());
        memory.put(to.at + slot::LIMIT, from.limit);
        memory.put(to.at + slot::CAP, from.cap);
        memory.put(to.at + slot::CYCLE, from.cycle);
        memory.put(to.at + slot::NEXT_EVENT, from.next_event);
        memory.put(to.at + slot::BEYOND, from.beyond);
        if counting != Counting::Leases {
            memory.put(to.at + slot::USED, from.used);
        }
        for (index, grant) in from.grants.iter().enumerate() {
            let at = to.grant_at(index as u64);
            memory.put(at, grant_word(grant.id, grant.source));
            memory.put(at + WORD, grant.remaining);
        }
        memory.put(to.at + slot::GRANT_COUNT, from.grants.len() as u64);
    }

    /// A resource that is in no plan any more. What of it is held by leases stays counted.
    fn clear_slot(&self, to: Slot<'_>) {
        let memory = self.memory;
        let counting = to.terms().counting;
        let used = if counting == Counting::Leases { to.used() } else { 0 };
        memory.put(to.at + slot::TERMS, Terms { counting, ..Terms::default() }.to_number());
        memory.put(to.at + slot::NEXT_EVENT, u64::MAX);
        memory.put(to.at + slot::LIMIT, 0);
        memory.put(to.at + slot::BEYOND, 0);
        memory.put(to.at + slot::USED, used);
        memory.put(to.at + slot::GRANT_COUNT, 0);
    }

    /// Sets the sequence numbers of a block that is rebuilt: SQLite has all of it.
    pub(crate) fn write_seq(&self, seq: u64) {
        for word in [block::SEQ, block::SNAPSHOT_SEQ, block::CHECKPOINTED_SEQ] {
            self.put(word, seq);
        }
    }

    /// Puts claims back in their places, which rise from image to image, hangs them up, and counts
    /// what they hold.
    pub(crate) fn restore_claims(&mut self, images: &[ClaimImage]) -> Result<(), ClaimError> {
        let resources = images.iter().map(ClaimImage::resource);
        let slots = resources.filter(|&it| it != ResourceId::NONE).map(|it| it.0 + 1).max();
        self.ensure_slots(slots.unwrap_or(0))?;
        for image in images {
            self.restore_claim(image)?;
        }
        for image in images {
            let place = Place(image.place);
            match self.claim_kind(place) {
                Some(ClaimKind::Lease) => self.count_lease(place),
                Some(ClaimKind::Reservation) => self.count_reservation(place),
                Some(ClaimKind::Alias) => {
                    let at = self.get(block::CLAIMS) + claims::ALIASES;
                    self.memory.put(at, self.memory.get(at) + 1);
                }
                _ => {}
            }
        }
        if self.get(block::CLAIMS) != 0
            && let Some((due, _)) = self.first_due(self.hold_heap())
        {
            self.put(block::HOLDS_DUE, due.ms() as u64);
        }
        self.free_gaps();
        Ok(())
    }

    fn restore_claim(&mut self, image: &ClaimImage) -> Result<(), ClaimError> {
        let Some(kind) = ClaimKind::from_number(image.meta as u8) else { return Ok(()) };
        if self.get(block::CLAIMS) == 0 {
            self.create_claims()?;
        }
        loop {
            self.prepare_claims(1, 0)?;
            let at = self.get(block::CLAIMS) + claims::TOUCHED;
            let touched = self.memory.get(at);
            if touched >= u64::from(image.place) {
                break;
            }
            // A gap: `free_gaps` chains it when all claims are back.
            self.memory.put(at, touched + 1);
        }
        let heap = self.heap_of(image.meta);
        if let Some(heap) = heap {
            self.ensure_heap(heap, 1)?;
            self.ensure_kept(1)?;
        }
        let key = Hash128 { low: image.key[0], high: image.key[1] };
        let place =
            self.make_claim(kind, image.resource(), Some(key).filter(|&key| key != NO_KEY)).place;
        debug_assert_eq!(place.0, image.place);
        self.claim_set(place, claim::META, image.meta);
        self.claim_set(place, claim::START, image.start as u64);
        self.claim_set(place, claim::END, image.end as u64);
        self.claim_set_payload(place, &image.payload);
        if let Some(heap) = heap {
            self.hang(heap, self.claim(place), self.due_at(place));
        }
        let stood = self.finish();
        debug_assert!(stood, "the first undo record has room for a claim");
        Ok(())
    }

    /// When a claim's heap is to look at it.
    fn due_at(&self, place: Place) -> Timestamp {
        let open = self.claim_state(place) == ReservationState::Open as u8;
        if self.claim_kind(place) == Some(ClaimKind::Reservation) && open {
            Timestamp::from_word(self.claim_get(place, claim::END))
        } else {
            self.kept_until(place)
        }
    }

    fn count_lease(&self, place: Place) {
        for resource in self.lease_resources(place) {
            if let Some(slot) = self.slot(resource) {
                self.memory.put(slot.at + slot::USED, slot.used() + 1);
                let terms = Terms { counting: Counting::Leases, ..slot.terms() };
                self.memory.put(slot.at + slot::TERMS, terms.to_number());
            }
        }
    }

    fn count_reservation(&self, place: Place) {
        if self.claim_state(place) != ReservationState::Open as u8 {
            return;
        }
        for taken in self.record(place, ClaimKind::Reservation) {
            if let Some(slot) = self.slot(taken.resource) {
                let held = slot.get(slot::HELD) + taken.units;
                self.memory.put(slot.at + slot::HELD, held);
            }
        }
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
                self.put_claim(place, claim::POSITION, self.memory.get(at + claims::FREE));
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
}
