//! Writing a tenant's entitlements into its record: by the admin transaction when a change is
//! committed, and when the file is rebuilt. Nothing here can be undone; the caller holds `pending`,
//! or the file alone.

use super::directory::Hash128;
use super::entries::{EntryIndex, EntryKind, NO_KEY, ReservationState};
use super::entry_capacity::EntryError;
use super::file::GrowError;
use super::layout::{WORD, counter, entries, entry, record};
use super::record::{CounterRef, RecordGuard, grant_word};
use super::snapshot::EntryImage;
use crate::clock::Timestamp;
use crate::rules::{self, CounterTerms, Counting, Entitlements, ResourceId};

impl RecordGuard<'_> {
    /// Reserves capacity for `entitlements`, so that
    /// [`write_entitlements`](Self::write_entitlements) cannot fail.
    pub(crate) fn ensure_entitlements(&self, entitlements: &Entitlements) -> Result<(), GrowError> {
        let highest =
            entitlements.counters.iter().map(|counter| counter.resource.0 + 1).max().unwrap_or(0);
        self.ensure_counters(highest)?;
        for image in &entitlements.counters {
            if let Some(counter) = self.counter(image.resource) {
                self.ensure_grants(counter, image.grants.len() as u64)?;
            }
        }
        Ok(())
    }

    /// Writes what the tenant may do from now on. Its capacity has been reserved. How many leases
    /// are held is the record's to know.
    pub(crate) fn write_entitlements(&self, entitlements: &Entitlements, admin_seq: u64) {
        for (resource, to) in self.counters() {
            match entitlements.counters.iter().find(|counter| counter.resource == resource) {
                Some(from) => self.write_counter(to, from),
                None => self.clear_counter(to),
            }
        }
        crate::crash_points::point("apply.counters");
        self.put(record::GATES, entitlements.gates.to_bits());
        for (word, &bits) in entitlements.features.iter().enumerate() {
            self.put(record::FEATURES + word as u64 * WORD, bits);
        }
        let or_never = |at: Option<Timestamp>| at.unwrap_or(Timestamp::MAX).ms() as u64;
        self.put(record::RESTORES_AT, or_never(entitlements.restores_at));
        self.put(record::MONTH_ENDS_AT, or_never(entitlements.month_ends_at));
        self.put(record::PERIOD, entitlements.period);
        self.raise_high_water_mark(entitlements.high_water_mark);
        self.put(record::STATE, 1);
        self.put(record::VALID_UNTIL, entitlements.valid_until.ms() as u64);
        crate::crash_points::point("apply.gates");
        self.put(record::ADMIN_SEQ, admin_seq);
        self.put(record::ADMIN_ENTRY, 0);
        self.put(record::PENDING, 0);
        crate::crash_points::point("apply.done");
    }

    fn write_counter(&self, to: CounterRef<'_>, from: &rules::Counter) {
        let memory = self.memory;
        // What is leased stays so, also where the catalog does not know it for a while.
        let leased = to.terms().counting == Counting::Leases;
        let counting = if leased { Counting::Leases } else { from.terms.counting };
        memory.put(to.at + counter::TERMS, CounterTerms { counting, ..from.terms }.to_number());
        memory.put(to.at + counter::LIMIT, from.limit);
        memory.put(to.at + counter::CAP, from.cap);
        memory.put(to.at + counter::CYCLE, from.cycle);
        memory.put(to.at + counter::NEXT_EVENT, from.next_event);
        memory.put(to.at + counter::BEYOND, from.beyond);
        if counting != Counting::Leases {
            memory.put(to.at + counter::USED, from.used);
        }
        for (nth, grant) in from.grants.iter().enumerate() {
            let at = to.grant_at(nth as u64);
            memory.put(at, grant_word(grant.id, grant.source));
            memory.put(at + WORD, grant.remaining);
        }
        memory.put(to.at + counter::GRANT_COUNT, from.grants.len() as u64);
    }

    /// A resource that is in no plan any more. What of it is held by leases stays counted.
    fn clear_counter(&self, to: CounterRef<'_>) {
        let memory = self.memory;
        let counting = to.terms().counting;
        let used = if counting == Counting::Leases { to.used() } else { 0 };
        memory.put(
            to.at + counter::TERMS,
            CounterTerms { counting, ..CounterTerms::default() }.to_number(),
        );
        memory.put(to.at + counter::NEXT_EVENT, u64::MAX);
        memory.put(to.at + counter::LIMIT, 0);
        memory.put(to.at + counter::BEYOND, 0);
        memory.put(to.at + counter::USED, used);
        memory.put(to.at + counter::GRANT_COUNT, 0);
    }

    /// Sets the sequence numbers of a record that is rebuilt: SQLite has all of it.
    pub(crate) fn write_seq(&self, seq: u64) {
        for word in [record::SEQ, record::SNAPSHOT_SEQ, record::CHECKPOINTED_SEQ] {
            self.put(word, seq);
        }
    }

    /// Puts entries back at their indices, which rise from image to image, inserts them into their
    /// heaps, and counts what they hold.
    pub(crate) fn restore_entries(&mut self, images: &[EntryImage]) -> Result<(), EntryError> {
        let resources = images.iter().map(EntryImage::resource);
        let counters = resources.filter(|&it| it != ResourceId::NONE).map(|it| it.0 + 1).max();
        self.ensure_counters(counters.unwrap_or(0))?;
        for image in images {
            self.restore_entry(image)?;
        }
        for image in images {
            let index = EntryIndex(image.index);
            match self.entry_kind(index) {
                Some(EntryKind::Lease) => self.count_lease(index),
                Some(EntryKind::Reservation) => self.count_reservation(index),
                Some(EntryKind::Alias) => {
                    let at = self.get(record::ENTRIES) + entries::ALIASES;
                    self.memory.put(at, self.memory.get(at) + 1);
                }
                _ => {}
            }
        }
        if self.get(record::ENTRIES) != 0
            && let Some((due, _)) = self.first_due(self.hold_heap())
        {
            self.put(record::HOLDS_DUE, due.ms() as u64);
        }
        self.free_gaps();
        Ok(())
    }

    fn restore_entry(&mut self, image: &EntryImage) -> Result<(), EntryError> {
        let Some(kind) = EntryKind::from_number(image.meta as u8) else { return Ok(()) };
        if self.get(record::ENTRIES) == 0 {
            self.create_entries()?;
        }
        loop {
            self.prepare_entries(1, 0)?;
            let at = self.get(record::ENTRIES) + entries::TOUCHED;
            let touched = self.memory.get(at);
            if touched >= u64::from(image.index) {
                break;
            }
            // A gap: `free_gaps` chains it when all entries are back.
            self.memory.put(at, touched + 1);
        }
        let heap = self.heap_of(image.meta);
        if let Some(heap) = heap {
            self.ensure_heap(heap, 1)?;
            self.ensure_kept(1)?;
        }
        let key = Hash128 { low: image.key[0], high: image.key[1] };
        let index =
            self.make_entry(kind, image.resource(), Some(key).filter(|&key| key != NO_KEY)).index;
        debug_assert_eq!(index.0, image.index);
        self.entry_set(index, entry::META, image.meta);
        self.entry_set(index, entry::START, image.start as u64);
        self.entry_set(index, entry::END, image.end as u64);
        self.entry_set_payload(index, &image.payload);
        if let Some(heap) = heap {
            self.heap_insert(heap, self.entry(index), self.due_at(index));
        }
        let stood = self.finish();
        debug_assert!(stood, "the first undo record has capacity for an entry");
        Ok(())
    }

    /// When an entry's heap is to look at it.
    fn due_at(&self, index: EntryIndex) -> Timestamp {
        let open = self.entry_state(index) == ReservationState::Open as u8;
        if self.entry_kind(index) == Some(EntryKind::Reservation) && open {
            Timestamp::from_word(self.entry_get(index, entry::END))
        } else {
            self.kept_until(index)
        }
    }

    fn count_lease(&self, index: EntryIndex) {
        for resource in self.lease_resources(index) {
            if let Some(counter) = self.counter(resource) {
                self.memory.put(counter.at + counter::USED, counter.used() + 1);
                let terms = CounterTerms { counting: Counting::Leases, ..counter.terms() };
                self.memory.put(counter.at + counter::TERMS, terms.to_number());
            }
        }
    }

    fn count_reservation(&self, index: EntryIndex) {
        if self.entry_state(index) != ReservationState::Open as u8 {
            return;
        }
        for taken in self.takings(index, EntryKind::Reservation) {
            if let Some(counter) = self.counter(taken.resource) {
                let held = counter.get(counter::HELD) + taken.held();
                self.memory.put(counter.at + counter::HELD, held);
            }
        }
    }

    /// Chains the indices that hold no entry.
    fn free_gaps(&self) {
        let at = self.get(record::ENTRIES);
        if at == 0 {
            return;
        }
        let touched = self.memory.get(at + entries::TOUCHED);
        for index in (0..touched).rev() {
            let index = EntryIndex(index as u32);
            if self.entry_get(index, entry::META) == 0 {
                self.put_entry(index, entry::POSITION, self.memory.get(at + entries::FREE));
                self.memory.put(at + entries::FREE, u64::from(index.0) + 1);
            }
        }
    }

    fn put_entry(&self, index: EntryIndex, word: u64, value: u64) {
        let offset = self.entry_offset(index) + word;
        self.memory.put(offset, value);
    }

    /// Every entry in use.
    pub(crate) fn entries(&self) -> Vec<EntryImage> {
        let at = self.get(record::ENTRIES);
        if at == 0 {
            return Vec::new();
        }
        let touched = self.memory.get(at + entries::TOUCHED);
        (0..touched)
            .map(|index| self.entry_image(EntryIndex(index as u32)))
            .filter(|image| image.meta != 0)
            .collect()
    }
}
