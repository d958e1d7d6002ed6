//! Expiry heaps: which of many entries is due first.
//!
//! A heap has eight children to a node and the due times beside the places, so that the first of
//! a hundred thousand entries is taken off with six looks at two cache lines each, and entries may
//! have any lifetime. An entry whose time has been put off stays where it is until it comes up,
//! and is then inserted again.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::entries::{Entry, EntryIndex, OUTSIDE};
use super::file::{GrowError, Memory};
use super::layout::{WORD, chunk_of, entries, entry, heap};
use super::record::{RecordGuard, word};
use crate::clock::Timestamp;
use crate::crash_points;

/// An expiry heap, by the word that leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heap(pub(super) u64);

const CHILDREN: u64 = 8;
const FIRST_CHUNK_LOG2: u32 = heap::FIRST_CHUNK.ilog2();

/// When an entry is due, in milliseconds since 1970, and which.
type HeapItem = (i64, EntryIndex);

/// A heap's words, looked at once for all of its entries.
#[derive(Clone, Copy)]
struct Nodes<'a> {
    cells: &'a [AtomicU64; heap::WORDS],
    memory: &'a Memory,
}

impl<'a> Nodes<'a> {
    #[inline(always)]
    fn len(self) -> u64 {
        word(self.cells, heap::LEN).load(Relaxed)
    }

    #[inline(always)]
    fn cells_of(self, node: u64) -> &'a [AtomicU64; 2] {
        let (chunk, in_chunk) = chunk_of(node, FIRST_CHUNK_LOG2);
        let root = self.cells.get((heap::CHUNKS / WORD + chunk) as usize);
        let at = match root.map_or(0, |root| root.load(Relaxed)) {
            0 => OUTSIDE, // Only a damaged file leads there.
            root => root + in_chunk * heap::ENTRY,
        };
        self.memory.words_or_nowhere(at)
    }

    #[inline(always)]
    fn item(self, node: u64) -> HeapItem {
        let [until, index] = self.cells_of(node);
        (until.load(Relaxed) as i64, EntryIndex(index.load(Relaxed) as u32))
    }

    /// The earliest of the entries below one, and its index.
    #[inline(always)]
    fn earliest_below(self, node: u64, len: u64) -> Option<(HeapItem, u64)> {
        let first = node.saturating_mul(CHILDREN).saturating_add(1);
        let mut earliest = None;
        for child in first..first.saturating_add(CHILDREN).min(len) {
            let item = self.item(child);
            if earliest.is_none_or(|((until, _), _)| item.0 < until) {
                earliest = Some((item, child));
            }
        }
        earliest
    }
}

impl<'a> RecordGuard<'a> {
    /// The heap of what is only remembered: idempotency keys and resolved reservations. The entry
    /// table exists.
    pub(crate) fn kept_heap(&self) -> Heap {
        Heap(self.entries_at() + entries::KEPT)
    }

    /// The heap of the tenant's open reservations. The entry table exists.
    pub(crate) fn hold_heap(&self) -> Heap {
        Heap(self.entries_at() + entries::HOLDS)
    }

    #[inline(always)]
    fn nodes(&self, of: Heap) -> Option<Nodes<'a>> {
        match self.memory.get(of.0) {
            0 => None,
            at => Some(Nodes { cells: self.memory.words_or_nowhere(at), memory: self.memory }),
        }
    }

    /// Makes sure that `more` entries can be inserted. The undo log must be empty.
    #[inline]
    pub(crate) fn ensure_heap(&self, of: Heap, more: u64) -> Result<(), GrowError> {
        let last = self.nodes(of).map_or(0, Nodes::len).saturating_add(more);
        let (chunk, _) = chunk_of(last, FIRST_CHUNK_LOG2);
        let root = |nodes: Nodes<'a>| nodes.cells.get((heap::CHUNKS / WORD + chunk) as usize);
        match self.nodes(of).and_then(root) {
            Some(root) if root.load(Relaxed) != 0 => Ok(()), // Chunks are made in their order.
            _ => self.enlarge_heap(of, chunk),
        }
    }

    /// The same of what is remembered; what is set aside now will be remembered as well, and to
    /// resolve it must not need capacity.
    pub(crate) fn ensure_kept(&self, more: u64) -> Result<(), GrowError> {
        let open = self.nodes(self.hold_heap()).map_or(0, Nodes::len);
        self.ensure_heap(self.kept_heap(), open.saturating_add(more))
    }

    #[cold]
    fn enlarge_heap(&self, of: Heap, chunks: u64) -> Result<(), GrowError> {
        if chunks >= heap::CHUNK_COUNT {
            return Err(GrowError::AddressSpace);
        }
        let mut at = self.memory.get(of.0);
        if at == 0 {
            at = self.memory.allocate(heap::BYTES)?;
            self.memory.put(of.0, at);
        }
        for chunk in 0..=chunks {
            let root = at + heap::CHUNKS + chunk * WORD;
            if self.memory.get(root) == 0 {
                let entries = heap::FIRST_CHUNK << chunk;
                self.memory.put(root, self.memory.allocate(entries * heap::ENTRY)?);
            }
        }
        Ok(())
    }

    /// The entry that is due first, and when.
    #[inline]
    pub(crate) fn first_due(&self, of: Heap) -> Option<(Timestamp, EntryIndex)> {
        let nodes = self.nodes(of).filter(|nodes| nodes.len() != 0)?;
        let (until, index) = nodes.item(0);
        Some((Timestamp::from_ms(until), index))
    }

    /// How many entries are in a heap.
    pub(crate) fn heap_len(&self, of: Heap) -> u64 {
        self.nodes(of).map_or(0, Nodes::len)
    }

    /// The entry in a node of a heap.
    pub(crate) fn heap_entry(&self, of: Heap, node: u64) -> Option<EntryIndex> {
        let nodes = self.nodes(of).filter(|nodes| node < nodes.len())?;
        Some(nodes.item(node).1)
    }

    /// Inserts an entry. Its capacity has been reserved.
    #[inline]
    pub(crate) fn heap_insert(&mut self, of: Heap, entry: Entry<'_>, until: Timestamp) {
        let Some(nodes) = self.nodes(of) else {
            return debug_assert!(false, "capacity was reserved");
        };
        let (len, item) = (nodes.len(), (until.ms(), entry.index));
        self.set_cell(word(nodes.cells, heap::LEN), len + 1);
        if len > 0 && nodes.item((len - 1) / CHILDREN).0 > item.0 {
            return self.rise(nodes, len, item);
        }
        // Nearly always: what comes last goes last. It needs no undo: beyond its length no process
        // reads a heap, and what was there before need not be waited for.
        let [due, which] = nodes.cells_of(len);
        due.store(item.0 as u64, Relaxed);
        crash_points::point("undo.word");
        which.store(u64::from(item.1.0), Relaxed);
        crash_points::point("undo.word");
        self.write(entry, entry::POSITION, len + 1);
    }

    /// Takes an entry off its heap.
    pub(crate) fn heap_remove(&mut self, of: Heap, index: EntryIndex) {
        let Some((nodes, hole)) = self.position(of, index) else { return };
        self.entry_set(index, entry::POSITION, 0);
        let last = nodes.len() - 1;
        self.set_cell(word(nodes.cells, heap::LEN), last);
        if hole < last {
            self.put_item(nodes, hole, nodes.item(last), last);
        }
    }

    /// Gives an entry that is in the heap another time.
    pub(crate) fn heap_update(&mut self, of: Heap, index: EntryIndex, until: Timestamp) {
        let Some((nodes, position)) = self.position(of, index) else { return };
        if nodes.item(position).0 != until.ms() {
            self.put_item(nodes, position, (until.ms(), index), nodes.len());
        }
    }

    /// Whether every entry is due no earlier than the one above it and known to its entry, for
    /// the audit. Says how many entries there are.
    pub(crate) fn heap_is_sound(&self, of: Heap) -> Result<u64, String> {
        let Some(nodes) = self.nodes(of) else { return Ok(0) };
        for node in 0..nodes.len() {
            let (until, index) = nodes.item(node);
            if node > 0 && nodes.item((node - 1) / CHILDREN).0 > until {
                return Err(format!("entry {} is due before the one above it", index.0));
            }
            if self.entry_get(index, entry::POSITION) != node + 1 {
                return Err(format!("entry {} does not know its index in the heap", index.0));
            }
        }
        Ok(nodes.len())
    }

    fn position(&self, of: Heap, index: EntryIndex) -> Option<(Nodes<'a>, u64)> {
        let position = self.entry_get(index, entry::POSITION).checked_sub(1)?;
        let nodes = self.nodes(of)?;
        (position < nodes.len()).then_some((nodes, position))
    }

    fn write_item(&mut self, nodes: Nodes<'_>, node: u64, item: HeapItem) {
        self.write_cells(nodes.cells_of(node), item);
        self.entry_set(item.1, entry::POSITION, node + 1);
    }

    #[inline(always)]
    fn write_cells(&mut self, [due, which]: &[AtomicU64; 2], (until, index): HeapItem) {
        self.set_cell(due, until as u64);
        self.set_cell(which, u64::from(index.0));
    }

    /// Puts an entry at or above a place whose children are not earlier.
    fn rise(&mut self, nodes: Nodes<'_>, mut node: u64, item: HeapItem) {
        while node > 0 {
            let above = (node - 1) / CHILDREN;
            let parent = nodes.item(above);
            if parent.0 <= item.0 {
                break;
            }
            self.write_item(nodes, node, parent);
            node = above;
        }
        self.write_item(nodes, node, item);
    }

    /// Puts an entry where it belongs, from a place whose own entry may go.
    fn put_item(&mut self, nodes: Nodes<'_>, mut node: u64, item: HeapItem, len: u64) {
        if node > 0 && nodes.item((node - 1) / CHILDREN).0 > item.0 {
            return self.rise(nodes, node, item);
        }
        while let Some((child, below)) = nodes.earliest_below(node, len) {
            if child.0 >= item.0 {
                break;
            }
            self.write_item(nodes, node, child);
            node = below;
        }
        self.write_item(nodes, node, item);
    }
}
