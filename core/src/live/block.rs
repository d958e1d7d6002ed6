//! A tenant's block under its lock, with the undo record that makes every operation on it all or
//! nothing, whenever its process dies.
//!
//! An operation writes through [`BlockGuard::set`], which first notes the old value, then arms,
//! then changes; [`BlockGuard::finish`] disarms. Whoever locks a block that is armed puts the old
//! values back. A thread's stores become visible in the order in which it made them, also when it
//! is killed, so that compiler fences are all the ordering this needs.

use std::sync::atomic::{Ordering, compiler_fence};
use std::time::Duration;

use super::directory::{self, Hash128};
use super::file::{GrowError, Memory};
use super::layout::{WORD, block, pack, slot, unpack};
use super::lock::{self, Held, LockError};
use crate::clock::Timestamp;
use crate::rules::{Gates, Mode, ResourceId};
use crate::torture::{self, Guard};

/// The lock of a block, held.
#[derive(Debug)]
pub(crate) struct BlockGuard<'a> {
    pub(crate) memory: &'a Memory,
    /// Where the block lies.
    pub(crate) at: u64,
    undo: u64,
    undo_room: u64,
    armed: u64,
    /// More was written than the undo record has room for: the operation must not stand.
    overflow: bool,
    // Dropped last, after the roll-back.
    held: Held<'a>,
}

impl<'a> BlockGuard<'a> {
    /// Locks the block at `at` and puts right what a dead holder left half done.
    #[inline]
    pub(crate) fn lock(
        memory: &'a Memory,
        at: u64,
        patience: Duration,
    ) -> Result<BlockGuard<'a>, LockError> {
        let held = lock::take(memory, at + block::LOCK, patience)?;
        let (undo, undo_room) = unpack(memory.get(at + block::UNDO));
        let armed = memory.get(at + block::UNDO_COUNT);
        let mut guard = BlockGuard { memory, at, undo, undo_room, armed, overflow: false, held };
        if armed != 0 {
            guard.roll_back();
        }
        guard.held.repaired();
        Ok(guard)
    }

    /// A word of the block.
    #[inline]
    pub(crate) fn get(&self, word: u64) -> u64 {
        self.memory.get(self.at + word)
    }

    /// Writes a word of the block that needs no undo: it is idempotent or made good by the lane.
    #[inline]
    pub(crate) fn put(&self, word: u64, value: u64) {
        self.memory.put(self.at + word, value);
    }

    /// Writes the word at `offset` of the file, so that it can be undone.
    #[inline]
    pub(crate) fn set(&mut self, offset: u64, value: u64) {
        if torture::off(Guard::Undo) {
            self.memory.put(offset, value);
            torture::point("undo.word");
            return;
        }
        if self.armed >= self.undo_room {
            self.overflow = true;
            return;
        }
        let entry = self.undo + self.armed * block::UNDO_ENTRY;
        self.memory.put(entry, offset);
        self.memory.put(entry + WORD, self.memory.get(offset));
        compiler_fence(Ordering::SeqCst);
        self.armed += 1;
        self.put(block::UNDO_COUNT, self.armed);
        compiler_fence(Ordering::SeqCst);
        self.memory.put(offset, value);
        torture::point("undo.word");
    }

    /// Begins an operation: gives it the block's next sequence number, which it returns.
    #[inline]
    pub(crate) fn begin(&mut self) -> u64 {
        let seq = self.get(block::SEQ);
        if seq == self.get(block::CHECKPOINTED_SEQ) {
            directory::mark_dirty(self.memory, self.get(block::INDEX));
        }
        self.set(self.at + block::SEQ, seq + 1);
        seq + 1
    }

    /// Makes everything that was `set` stand. `false`: it was too much for the undo record, and
    /// nothing was changed.
    #[inline]
    #[must_use]
    pub(crate) fn finish(&mut self) -> bool {
        if self.overflow {
            self.roll_back();
            return false;
        }
        compiler_fence(Ordering::SeqCst);
        torture::point("undo.disarm");
        self.armed = 0;
        self.put(block::UNDO_COUNT, 0);
        true
    }

    /// Puts back everything that was `set` since the last `finish`.
    #[cold]
    pub(crate) fn roll_back(&mut self) {
        while self.armed > 0 {
            let entry = self.undo + (self.armed - 1) * block::UNDO_ENTRY;
            self.memory.put(self.memory.get(entry), self.memory.get(entry + WORD));
            compiler_fence(Ordering::SeqCst);
            self.armed -= 1;
            self.put(block::UNDO_COUNT, self.armed);
        }
        self.overflow = false;
    }

    /// Makes room for an operation that writes up to `words` words.
    pub(crate) fn ensure_undo(&mut self, words: u64) -> Result<(), GrowError> {
        debug_assert_eq!(self.armed, 0);
        if words <= self.undo_room {
            return Ok(());
        }
        let room = packable(words.next_power_of_two())?;
        self.undo = self.memory.allocate(room * block::UNDO_ENTRY)?;
        self.undo_room = room;
        self.put(block::UNDO, pack(self.undo, room));
        Ok(())
    }

    /// The block's tenant.
    pub(crate) fn hash(&self) -> Hash128 {
        directory::hash_of(self.memory, self.at)
    }

    /// Whether the tenant exists.
    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        self.get(block::STATE) == 1
    }

    /// Whether a change was under way when its process died.
    #[inline]
    pub(crate) fn pending(&self) -> Option<u64> {
        Some(self.get(block::PENDING)).filter(|&pending| pending != 0)
    }

    #[inline]
    pub(crate) fn valid_until(&self) -> Timestamp {
        Timestamp::from_ms(self.get(block::VALID_UNTIL) as i64)
    }

    #[inline]
    pub(crate) fn mark(&self) -> Timestamp {
        Timestamp::from_ms(self.get(block::MARK) as i64)
    }

    /// Remembers that the tenant has seen `now`. It only ever rises, so that it needs no undo.
    #[inline]
    pub(crate) fn raise_mark(&self, now: Timestamp) {
        if now > self.mark() {
            self.put(block::MARK, now.ms() as u64);
        }
    }

    #[inline]
    pub(crate) fn gates(&self) -> Gates {
        Gates::from_bits(self.get(block::GATES))
    }

    #[inline]
    pub(crate) fn feature_word(&self, word: u64) -> u64 {
        if word < block::FEATURE_WORDS { self.get(block::FEATURES + word * WORD) } else { 0 }
    }

    /// The slot of `resource`, if the block has one.
    #[inline]
    pub(crate) fn slot(&self, resource: ResourceId) -> Option<Slot> {
        let (slots, count) = unpack(self.get(block::SLOTS));
        let index = u64::from(resource.0);
        (index < count).then(|| Slot { at: slots + index * slot::BYTES })
    }

    /// How many slots the block has.
    pub(crate) fn slot_count(&self) -> u16 {
        unpack(self.get(block::SLOTS)).1 as u16
    }
}

impl Drop for BlockGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.armed != 0 {
            self.roll_back();
        }
    }
}

/// A number of entries that can be packed beside an offset.
fn packable(room: u64) -> Result<u64, GrowError> {
    if room < 1 << 16 { Ok(room) } else { Err(GrowError::AddressSpace) }
}

/// One resource of one tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) at: u64,
}

impl Slot {
    #[inline]
    pub(crate) fn mode(self, memory: &Memory) -> Mode {
        Mode::from_number(memory.get(self.at + slot::MODE))
    }

    #[inline]
    pub(crate) fn used(self, memory: &Memory) -> u64 {
        memory.get(self.at + slot::USED)
    }

    #[inline]
    pub(crate) fn grant_count(self, memory: &Memory) -> u64 {
        memory.get(self.at + slot::GRANT_COUNT)
    }

    /// Where grant number `index` of the burn-down list lies: its id, then what remains.
    #[inline]
    pub(crate) fn grant_at(self, memory: &Memory, index: u64) -> u64 {
        unpack(memory.get(self.at + slot::GRANTS)).0 + index * slot::GRANT_ENTRY
    }

    /// The grants of the burn-down list: id and remaining units, in the order of use.
    #[inline]
    pub(crate) fn grants(self, memory: &Memory) -> impl Iterator<Item = (u64, u64)> {
        let first = self.grant_at(memory, 0);
        (0..self.grant_count(memory)).map(move |index| {
            let at = first + index * slot::GRANT_ENTRY;
            (memory.get(at), memory.get(at + WORD))
        })
    }
}

/// Makes a block for `hash` with room for `slots` resources: vacant, in no table yet.
pub(crate) fn create(memory: &Memory, hash: Hash128, slots: u16) -> Result<u64, GrowError> {
    let slots = u64::from(slots);
    let at = memory.allocate(block::FIRST_SLOTS + slots * slot::BYTES)?;
    lock::init(memory, at + block::LOCK);
    memory.put(at + block::HASH, hash.low);
    memory.put(at + block::HASH + WORD, hash.high);
    memory.put(at + block::UNDO, pack(at + block::FIRST_UNDO, block::FIRST_UNDO_ENTRIES));
    memory.put(at + block::SLOTS, pack(at + block::FIRST_SLOTS, slots));
    init_slots(memory, at + block::FIRST_SLOTS, 0, slots);
    directory::number(memory, at)?;
    Ok(at)
}

/// Points the burn-down lists of new slots at the room that they bring along.
fn init_slots(memory: &Memory, slots: u64, first: u64, count: u64) {
    for index in first..count {
        let at = slots + index * slot::BYTES;
        memory.put(at + slot::GRANTS, pack(at + slot::FIRST_GRANTS, slot::FIRST_GRANT_ENTRIES));
    }
}

impl BlockGuard<'_> {
    /// Gives the block at least `wanted` slots. Nothing changes for whoever reads it.
    pub(crate) fn ensure_slots(&self, wanted: u16) -> Result<(), GrowError> {
        let (old, count) = unpack(self.get(block::SLOTS));
        let wanted = u64::from(wanted);
        if wanted <= count {
            return Ok(());
        }
        let new = self.memory.allocate(wanted * slot::BYTES)?;
        for word in 0..count * slot::BYTES / WORD {
            self.memory.put(new + word * WORD, self.memory.get(old + word * WORD));
        }
        for index in 0..count {
            // Lists that lay in their slot have moved with it.
            let (at, room) = unpack(self.memory.get(new + index * slot::BYTES + slot::GRANTS));
            if at == old + index * slot::BYTES + slot::FIRST_GRANTS {
                let moved = new + index * slot::BYTES + slot::FIRST_GRANTS;
                self.memory.put(new + index * slot::BYTES + slot::GRANTS, pack(moved, room));
            }
        }
        init_slots(self.memory, new, count, wanted);
        self.put(block::SLOTS, pack(new, wanted));
        Ok(())
    }

    /// Gives the slot's burn-down list room for at least `wanted` grants, keeping what it holds.
    pub(crate) fn ensure_grants(&self, slot: Slot, wanted: u64) -> Result<(), GrowError> {
        let (old, room) = unpack(self.memory.get(slot.at + slot::GRANTS));
        if wanted <= room {
            return Ok(());
        }
        let room = packable(wanted.next_power_of_two())?;
        let new = self.memory.allocate(room * slot::GRANT_ENTRY)?;
        for word in 0..slot.grant_count(self.memory) * slot::GRANT_ENTRY / WORD {
            self.memory.put(new + word * WORD, self.memory.get(old + word * WORD));
        }
        self.memory.put(slot.at + slot::GRANTS, pack(new, room));
        Ok(())
    }
}
