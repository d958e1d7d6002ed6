//! Who this process is to a live file: an id that no other process ever has, and the proof that it
//! lives.
//!
//! The id is drawn from a counter in the header, so that it is never used again. The proof is a
//! lock on the byte of the live file whose number is the id, on an open file of its own, which a
//! mapping keeps open ([`Pin`]): it ends with this address space. Both belong to the live file that
//! is open, not to the process: one process may have several, also through two copies of this
//! library.
//!
//! The id lies in a page that the kernel empties in a forked child, which so registers as an owner
//! of its own, however it was forked. Fork handlers do the same, where the kernel does not.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use libc::c_void;
use rustix::mm::{self, Advice, MapFlags, ProtFlags};

use super::file::Memory;
use super::layout::{header, owner_word};
use super::owners::{self, OwnerRow};
use super::pin::{self, Pin};
use super::process::Uncancelled;

/// What is known of this process as an owner. All zero: nothing, it has not registered yet.
#[repr(C)]
struct OwnerPage {
    /// The owner's id, as lock words hold it.
    id: AtomicU64,
    /// What keeps the liveness lock; NULL where a mapping cannot.
    pin: AtomicPtr<c_void>,
    /// Place in the table of owners, plus one; 0: none.
    row: AtomicU64,
}

/// Bytes of such a page, which is one to the kernel.
const PAGE_BYTES: usize = 4096;

/// All pages of this process. They are used again, and never freed: a fork handler may be looking
/// at them.
struct OwnerNode {
    page: NonNull<OwnerPage>,
    is_in_use: AtomicBool,
    next: AtomicPtr<OwnerNode>,
}

static NODES: AtomicPtr<OwnerNode> = AtomicPtr::new(ptr::null_mut());

fn nodes() -> impl Iterator<Item = &'static OwnerNode> {
    // SAFETY: nodes are leaked boxes, put into the list whole.
    let node = |of: &AtomicPtr<OwnerNode>| unsafe { of.load(Ordering::Acquire).as_ref() };
    std::iter::successors(node(&NODES), move |it| node(&it.next))
}

/// This process, as one live file knows it.
pub(crate) struct Owner {
    /// The page of `node`, one step nearer.
    page: NonNull<OwnerPage>,
    node: &'static OwnerNode,
}

// SAFETY: the page holds atomics alone, and is never freed.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Why this process could not become an owner, or could not ask about another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnerFault {
    pub(crate) doing: &'static str,
    /// The system's number of the error; 0: there is none.
    pub(crate) errno: i32,
}

impl std::fmt::Display for OwnerFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.errno {
            0 => f.write_str(self.doing),
            errno => write!(f, "{}: {}", self.doing, io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Says what could not be done.
pub(super) fn why(doing: &'static str) -> impl FnOnce(io::Error) -> OwnerFault {
    move |error| OwnerFault { doing, errno: error.raw_os_error().unwrap_or(0) }
}

impl Owner {
    /// A page for a live file, which this process is no owner of yet.
    pub(super) fn new() -> io::Result<Owner> {
        let free = nodes().find(|node| !node.is_in_use.swap(true, Ordering::AcqRel));
        let node = match free {
            Some(node) => node,
            None => add_node()?,
        };
        Ok(Owner { page: node.page, node })
    }

    fn page(&self) -> &'static OwnerPage {
        // SAFETY: the page is never freed, and holds atomics alone.
        unsafe { self.page.as_ref() }
    }

    /// The owner's id; 0: this process has not registered yet.
    #[inline(always)]
    pub(super) fn id(&self) -> u64 {
        // Acquire: a process that uses the id has also seen NEXT_ID raised for it.
        self.page().id.load(Ordering::Acquire)
    }

    /// Gives up the id. No lock may be held under it.
    pub(super) fn resign(&self, memory: &Memory) {
        let page = self.page();
        let row = page.row.swap(0, Ordering::AcqRel);
        let id = page.id.swap(0, Ordering::AcqRel);
        if row != 0 {
            owners::clear(memory, row - 1, id);
        }
        pin::unpin(page.pin.swap(ptr::null_mut(), Ordering::AcqRel));
    }

    /// Makes the page free for another live file.
    pub(super) fn free(&self) {
        self.node.is_in_use.store(false, Ordering::Release);
    }
}

fn add_node() -> io::Result<&'static OwnerNode> {
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: new memory, all zero, at an address that the kernel chooses. It is never unmapped.
    let page = unsafe { mm::mmap_anonymous(ptr::null_mut(), PAGE_BYTES, prot, MapFlags::PRIVATE)? };
    // SAFETY: advice on the page that was just mapped. Where the kernel does not know it, the fork
    // handlers do the same for every child but those of a raw `clone`.
    let _ = unsafe { mm::madvise(page, PAGE_BYTES, Advice::LinuxWipeOnFork) };
    let page = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
    let next = AtomicPtr::new(NODES.load(Ordering::Acquire));
    let node: &'static OwnerNode =
        Box::leak(Box::new(OwnerNode { page, is_in_use: AtomicBool::new(true), next }));
    let mut first = node.next.load(Ordering::Relaxed);
    while let Err(now) = NODES.compare_exchange(
        first,
        ptr::from_ref(node).cast_mut(),
        Ordering::AcqRel,
        Ordering::Acquire,
    ) {
        node.next.store(now, Ordering::Relaxed);
        first = now;
    }
    Ok(node)
}

/// In a forked child: the parent's ids are not this process's. Nothing is left to do where the
/// kernel has emptied the pages and left the liveness locks to the parent, as it was advised to.
pub(super) fn forget_in_child() {
    for node in nodes() {
        // SAFETY: as in `Owner::page`.
        let page = unsafe { node.page.as_ref() };
        page.id.store(0, Ordering::Release);
        page.row.store(0, Ordering::Release);
        pin::unpin(page.pin.swap(ptr::null_mut(), Ordering::AcqRel));
    }
}

/// Registers this process as an owner, unless another of its threads has: gives its id.
#[cold]
pub(super) fn register(memory: &Memory) -> Result<u64, OwnerFault> {
    let _uncancelled = Uncancelled::new();
    let number = memory.cell(header::NEXT_ID).fetch_add(1, Ordering::SeqCst);
    let Some(id) = owner_word(number) else {
        return Err(OwnerFault { doing: "owner ids are used up", errno: 0 });
    };
    let page = memory.owner().page();
    if memory.is_anonymous() {
        return Ok(publish(page, id));
    }
    let file = memory.reopen().map_err(why("opening the live file"))?;
    pin::lock_byte(&file, id).map_err(why("locking a byte of the live file"))?;
    let pin = Pin::new(&file, false).map_err(why("mapping the live file"))?;
    drop(file);
    let again = memory.reopen().map_err(why("opening the live file"))?;
    let is_pinned = pin::is_byte_locked(&again, id).map_err(why("asking for a lock"))?;
    drop(again);
    let row = OwnerRow::of_this_process(id, is_pinned).map_err(why("reading /proc/self"))?;
    let at = owners::add(memory, &row);
    if at.is_none() && !is_pinned {
        return Err(OwnerFault { doing: "the table of owners is full", errno: 0 });
    }
    let had = publish(page, id);
    if had == id {
        page.row.store(at.map_or(0, |at| at + 1), Ordering::Release);
        if is_pinned {
            page.pin.store(pin.into_address(), Ordering::Release);
        }
    } else if let Some(at) = at {
        // Another thread was first. It is this process's owner, and this one was never used.
        owners::clear(memory, at, id);
    }
    Ok(had)
}

/// Makes `id` this process's, unless it has one: gives the one that it has.
fn publish(page: &OwnerPage, id: u64) -> u64 {
    match page.id.compare_exchange(0, id, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => id,
        Err(had) => had,
    }
}
