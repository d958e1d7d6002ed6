//! A SQLite VFS that keeps what was written and what was synced, so that the disk can be put back
//! to what any power cut may have left.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::size_of;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::ffi::{
    SQLITE_OK, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find,
    sqlite3_vfs_register,
};

use crate::rng::Rng;

/// What reaches the file system, and what the test says in between.
#[derive(Clone, Debug)]
pub enum Event {
    /// Bytes at an offset of a file.
    Write(String, u64, Vec<u8>),
    /// A file's new length.
    Truncate(String, u64),
    /// Everything written to a file so far is on the disk.
    Sync(String),
    /// A file is gone.
    Delete(String),
    /// A fact of the test's: see its number.
    Fact(usize),
}

struct Recording {
    directory: Option<PathBuf>,
    events: Vec<Event>,
}

static RECORDING: Mutex<Recording> = Mutex::new(Recording { directory: None, events: Vec::new() });

fn recording() -> MutexGuard<'static, Recording> {
    RECORDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records from here on what happens to files in `directory`.
pub fn begin(directory: &Path) {
    install();
    *recording() = Recording { directory: Some(directory.to_owned()), events: Vec::new() };
}

/// Ends the recording and gives what was recorded.
pub fn end() -> Vec<Event> {
    let mut recording = recording();
    recording.directory = None;
    std::mem::take(&mut recording.events)
}

/// Records a fact of the test's, in order with what is written.
pub fn fact(number: usize) {
    recording().events.push(Event::Fact(number));
}

fn record(name: &str, event: impl FnOnce(String) -> Event) {
    let mut recording = recording();
    let path = Path::new(name);
    if !name.is_empty()
        && path.parent().is_some()
        && path.parent() == recording.directory.as_deref()
    {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        recording.events.push(event(file));
    }
}

// ---- the file system that passes everything on ---------------------------------------------

/// An open file: ours, and behind it in memory the one of the file system below.
#[repr(C)]
struct Shim {
    base: sqlite3_file,
    /// The name, which SQLite keeps for as long as the file is open; NULL: temporary.
    name: *const c_char,
}

unsafe fn below() -> *mut sqlite3_vfs {
    // SAFETY: the default file system of every Unix build.
    unsafe { sqlite3_vfs_find(c"unix".as_ptr()) }
}

unsafe fn real(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: SQLite sets `szOsFile` bytes aside, which are ours and those of the one below.
    unsafe { file.cast::<Shim>().add(1).cast() }
}

unsafe fn name_of(file: *mut sqlite3_file) -> String {
    // SAFETY: `xOpen` has filled it in.
    unsafe { text((*file.cast::<Shim>()).name) }
}

unsafe fn text(name: *const c_char) -> String {
    if name.is_null() {
        return String::new();
    }
    // SAFETY: a C string of SQLite's.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// Defines a method that passes its arguments on.
macro_rules! pass_on {
    ($name:ident, $method:ident, $($argument:ident: $type:ty),*) => {
        unsafe extern "C" fn $name(file: *mut sqlite3_file, $($argument: $type),*) -> c_int {
            // SAFETY: the file below is open, and has the methods of its file system.
            unsafe {
                let file = real(file);
                (*(*file).pMethods).$method.expect("is there")(file, $($argument),*)
            }
        }
    };
}

pass_on!(read, xRead, to: *mut c_void, bytes: c_int, offset: sqlite3_int64);
pass_on!(file_size, xFileSize, size: *mut sqlite3_int64);
pass_on!(lock, xLock, level: c_int);
pass_on!(unlock, xUnlock, level: c_int);
pass_on!(check_lock, xCheckReservedLock, result: *mut c_int);
pass_on!(control, xFileControl, what: c_int, argument: *mut c_void);
pass_on!(sector_size, xSectorSize,);
pass_on!(shm_map, xShmMap, page: c_int, bytes: c_int, extend: c_int, at: *mut *mut c_void);
pass_on!(shm_lock, xShmLock, offset: c_int, count: c_int, flags: c_int);
pass_on!(shm_unmap, xShmUnmap, delete: c_int);

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: as in `pass_on`.
    unsafe {
        let file = real(file);
        (*(*file).pMethods).xClose.expect("is there")(file)
    }
}

/// Nothing is promised of the device, so that SQLite takes no short cut.
unsafe extern "C" fn characteristics(_: *mut sqlite3_file) -> c_int {
    0
}

unsafe extern "C" fn barrier(file: *mut sqlite3_file) {
    // SAFETY: as in `pass_on`.
    unsafe {
        let file = real(file);
        (*(*file).pMethods).xShmBarrier.expect("is there")(file);
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    bytes: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: as in `pass_on`; `from` points to so many bytes.
    unsafe {
        let below = real(file);
        let code = (*(*below).pMethods).xWrite.expect("is there")(below, from, bytes, offset);
        if code == SQLITE_OK {
            let data = std::slice::from_raw_parts(from.cast::<u8>(), bytes as usize).to_vec();
            record(&name_of(file), |name| Event::Write(name, offset as u64, data));
        }
        code
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: as in `pass_on`.
    unsafe {
        let below = real(file);
        let code = (*(*below).pMethods).xTruncate.expect("is there")(below, size);
        if code == SQLITE_OK {
            record(&name_of(file), |name| Event::Truncate(name, size as u64));
        }
        code
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: as in `pass_on`.
    unsafe {
        let below = real(file);
        let code = (*(*below).pMethods).xSync.expect("is there")(below, flags);
        if code == SQLITE_OK {
            record(&name_of(file), Event::Sync);
        }
        code
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, directory: c_int) -> c_int {
    // SAFETY: as in `pass_on`.
    unsafe {
        let code = (*below()).xDelete.expect("is there")(below(), name, directory);
        if code == SQLITE_OK {
            record(&text(name), Event::Delete);
        }
        code
    }
}

/// Without memory-mapped reading (version 2): what is read there is never written.
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: `file` has capacity for ours and the one below.
    unsafe {
        let code = (*below()).xOpen.expect("is there")(below(), name, real(file), flags, out);
        let methods =
            if (*real(file)).pMethods.is_null() { std::ptr::null() } else { &raw const METHODS };
        file.cast::<Shim>().write(Shim { base: sqlite3_file { pMethods: methods }, name });
        code
    }
}

/// Makes it the file system of every connection of this process, once.
fn install() {
    static DONE: std::sync::Once = std::sync::Once::new();
    DONE.call_once(|| {
        // SAFETY: the file system lives as long as the program; all but `xOpen` and `xDelete` is
        // that of the one below, whose functions look at no file system but their own.
        unsafe {
            let mut vfs = *below();
            vfs.szOsFile += size_of::<Shim>() as c_int;
            vfs.pNext = std::ptr::null_mut();
            vfs.zName = c"recorder".as_ptr();
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            assert_eq!(sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1), SQLITE_OK);
        }
    });
}

// ---- what a power cut leaves ---------------------------------------------------------------

/// Bytes that a disk writes whole.
const SECTOR: usize = 512;

/// A change of a file that may or may not have reached the disk.
#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

/// A file: what is surely on the disk, and what came later.
#[derive(Clone, Debug, Default)]
struct Kept {
    synced: Vec<u8>,
    later: Vec<Change>,
}

/// What of the changes since the last sync is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// None.
    Synced,
    /// All.
    Everything,
    /// Some sectors of some of them, in any order.
    Torn(u64),
}

/// The files at one instant.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: BTreeMap<String, Kept>,
    /// Files that were deleted since the last sync of any file: each may be back, in the place of
    /// a new one of its name. A file system that keeps a journal loses no earlier change of names
    /// than the last that it was made to keep.
    deleted: BTreeMap<String, Kept>,
}

impl Disk {
    /// Goes on by one event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Write(name, offset, data) => {
                let file = self.files.entry(name.clone()).or_default();
                file.later.push(Change::Write(*offset, data.clone()));
            }
            Event::Truncate(name, size) => {
                self.files.entry(name.clone()).or_default().later.push(Change::Truncate(*size));
            }
            Event::Sync(name) => {
                self.deleted.clear();
                let file = self.files.entry(name.clone()).or_default();
                for change in std::mem::take(&mut file.later) {
                    change.apply(&mut file.synced, None);
                }
            }
            Event::Delete(name) => {
                if let Some(file) = self.files.remove(name) {
                    self.deleted.entry(name.clone()).or_insert(file);
                }
            }
            Event::Fact(_) => {}
        }
    }

    /// Whether something has been written and not synced.
    pub fn has_more(&self) -> bool {
        !self.deleted.is_empty() || self.files.values().any(|file| !file.later.is_empty())
    }

    /// The files as a cut left them.
    pub fn left(&self, left: Left) -> BTreeMap<String, Vec<u8>> {
        let mut rng = match left {
            Left::Torn(seed) => Some(Rng::new(seed)),
            _ => None,
        };
        let mut files = self.files.clone();
        for (name, file) in &self.deleted {
            let is_back = rng.as_mut().map_or(left == Left::Synced, |rng| rng.one_in(2));
            if is_back {
                files.insert(name.clone(), file.clone());
            }
        }
        let bytes = files.into_iter().map(|(name, file)| (name, file.left(left, rng.as_mut())));
        bytes.collect()
    }
}

impl Kept {
    /// Its bytes as a cut left them.
    fn left(self, left: Left, mut rng: Option<&mut Rng>) -> Vec<u8> {
        let mut bytes = self.synced;
        for change in &self.later {
            match rng.as_deref_mut() {
                _ if left == Left::Synced => {}
                None => change.apply(&mut bytes, None),
                Some(rng) => {
                    if !rng.one_in(3) {
                        change.apply(&mut bytes, Some(rng));
                    }
                }
            }
        }
        bytes
    }
}

impl Change {
    /// Puts it in force, or, given numbers, some of its sectors.
    fn apply(&self, bytes: &mut Vec<u8>, mut torn: Option<&mut Rng>) {
        match self {
            Change::Truncate(size) => bytes.resize(*size as usize, 0),
            Change::Write(offset, data) => {
                let mut at = *offset as usize;
                let mut rest = data.as_slice();
                while !rest.is_empty() {
                    let count = (SECTOR - at % SECTOR).min(rest.len());
                    let (sector, others) = rest.split_at(count);
                    if torn.as_mut().is_none_or(|rng| !rng.one_in(4)) {
                        bytes.resize(bytes.len().max(at + count), 0);
                        bytes[at..at + count].copy_from_slice(sector);
                    }
                    (at, rest) = (at + count, others);
                }
            }
        }
    }
}
