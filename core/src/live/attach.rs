//! Who is attached to a live file, and whether a file may be trusted.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::AcqRel;

use super::file::{self, ALLOCATOR_TIMEOUT, FIRST_BYTES, Memory};
use super::layout::{ABI_TAG, HEADER_BYTES, LAYOUT_VERSION, MAGIC, WORD, header};
use super::location::DatabaseFile;
use super::lock::{self, LockError};
use super::pin::{self, Pin};
use super::{Identity, LiveFile, directory, layout_4, owners, process};
use crate::error::OpenError;
use crate::rules::settle::CLOCK_JUMP_MS;

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { doing, path, source }
}

/// The lock file beside the database: held shared by every process that is attached (and by its
/// forked children), exclusively by one that adopts or rebuilds the live file.
#[derive(Debug)]
pub(crate) struct Attachment {
    path: PathBuf,
    inode: u64,
    /// While the lock changes hands; and for good where a mapping does not hold it.
    file: Option<File>,
    pin: Option<Pin>,
}

impl Attachment {
    /// Opens the lock file, making it with the database's owner and mode.
    pub(crate) fn open(path: &Path, like: &Path) -> Result<Attachment, OpenError> {
        let file = open_like(path, like).map_err(io_error("open", path))?;
        let inode = file.metadata().map_err(io_error("inspect", path))?.ino();
        Ok(Attachment { path: path.to_owned(), inode, file: Some(file), pin: None })
    }

    fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Tries to be the only one. `false`: another process is attached.
    pub(crate) fn try_exclusive(&self) -> io::Result<bool> {
        locked(self.file()?.try_lock())
    }

    /// Tries to be one of many. `false`: another process is the only one.
    pub(crate) fn try_shared(&self) -> io::Result<bool> {
        locked(self.file()?.try_lock_shared())
    }

    /// Releases the lock, to try again.
    pub(crate) fn release(&self) -> io::Result<()> {
        self.file()?.unlock()
    }

    /// Keeps the lock without a descriptor from here on, as forked children do. Where a mapping
    /// cannot, the descriptor stays, and must not be closed by the host.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        let open = || OpenOptions::new().read(true).write(true).open(&self.path);
        let any_byte = process::random_u64() >> 2;
        if pin::holds(open, any_byte).unwrap_or(false) {
            self.pin = Some(Pin::new(self.file()?, true)?);
            self.file = None;
        }
        Ok(())
    }

    /// Detaches, and becomes the only one again if no other process is attached.
    pub(crate) fn try_to_be_last(self) -> io::Result<Option<Attachment>> {
        let Attachment { path, inode, file, pin } = self;
        // The lock of this process must go first: it is another open file's.
        drop((file, pin));
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        if file.metadata()?.ino() != inode {
            return Ok(None);
        }
        let last = Attachment { path, inode, file: Some(file), pin: None };
        Ok(last.try_exclusive()?.then_some(last))
    }
}

fn locked(result: Result<(), TryLockError>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens `path` for reading and writing; a new file gets the owner and mode of `like`, so that
/// what root makes for a database its owner can use.
pub(crate) fn open_like(path: &Path, like: &Path) -> io::Result<File> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let model = fs::metadata(like)?;
    let created = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    let file = match created {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return OpenOptions::new().read(true).write(true).open(path);
        }
        other => other?,
    };
    match_owner(&file, &model)?;
    Ok(file)
}

/// Gives the file at `path` the owner and mode of `like`, and writes it to the disk. No SQLite may
/// have it open: to close it drops SQLite's locks.
pub(crate) fn match_files(path: &Path, like: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    match_owner(&file, &fs::metadata(like)?)?;
    file.sync_all()
}

fn match_owner(file: &File, model: &fs::Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (model.uid(), model.gid()) {
        std::os::unix::fs::fchown(file, Some(model.uid()), Some(model.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(model.mode() & 0o777))
}

/// Makes an empty file for a new database, so that there is something to lock and to take owner
/// and mode from. Others may not read it: tenants' figures are in it.
pub(crate) fn create_database(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o660).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(io_error("create", path)(error))
        }
        _ => Ok(()),
    }
}

/// A live file as it was found on disk.
#[derive(Debug)]
pub(crate) enum FoundFile {
    Missing,
    /// Made in another run of the kernel: what it holds is not to be trusted.
    OtherBoot,
    /// Of the layout before this one, with nothing in it that the database of this token does not
    /// have.
    Older {
        token: u64,
    },
    Usable(LiveFile),
}

/// Opens the live file at `path` and looks whether it is whole, ours and of this run.
/// `database_id`: what it has to say, where the caller knows.
pub(crate) fn open(path: &Path, database_id: Option<[u64; 2]>) -> Result<FoundFile, OpenError> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FoundFile::Missing),
        Err(error) => return Err(io_error("open the live file", path)(error)),
    };
    let len = file.metadata().map_err(io_error("inspect", path))?.len();
    if len < HEADER_BYTES {
        let why = format!("it has {len} bytes, less than its header");
        return Err(OpenError::LiveFileDamaged { path: path.to_owned(), why });
    }
    let memory = Memory::map(&file, path).map_err(io_error("map", path))?;
    drop(file);
    if memory.get(header::MAGIC) != MAGIC {
        let why = "it does not begin as a live file does";
        return Err(OpenError::LiveFileForeign { path: path.to_owned(), why });
    }
    // Before its layout: of a file of another boot nothing else is read.
    let boot = process::boot_id().map_err(io_error("read the boot id for", path))?;
    if words(&memory, header::BOOT_ID) != boot {
        return Ok(FoundFile::OtherBoot);
    }
    let is_older = memory.get(header::LAYOUT) == layout_4::VERSION;
    if let Some(token) = is_older.then(|| layout_4::token_if_clean(&memory)).flatten() {
        return Ok(FoundFile::Older { token });
    }
    check_version(&memory, path)?;
    if database_id.is_some_and(|id| id != words(&memory, header::DATABASE_ID)) {
        let why = "it belongs to another database";
        return Err(OpenError::LiveFileForeign { path: path.to_owned(), why });
    }
    let live = LiveFile::of(memory);
    check_is_seen_whole(&live, path)?;
    let claimed = live.header(header::FILE_LEN);
    if claimed > len || live.header(header::NEXT_FREE) > claimed {
        let why = format!("it has {len} bytes and says that it has {claimed}");
        return Err(OpenError::LiveFileDamaged { path: path.to_owned(), why });
    }
    live.memory.reach_all().map_err(io_error("map all of", path))?;
    Ok(FoundFile::Usable(live))
}

fn words(memory: &Memory, at: u64) -> [u64; 2] {
    [memory.get(at), memory.get(at + WORD)]
}

fn check_version(memory: &Memory, path: &Path) -> Result<(), OpenError> {
    for (what, at, expected) in [
        ("its layout", header::LAYOUT, LAYOUT_VERSION),
        ("its kind of processor", header::ABI_TAG, ABI_TAG),
    ] {
        let found = memory.get(at);
        if found != expected {
            return Err(other_version(path, what, found, expected));
        }
    }
    Ok(())
}

fn other_version(path: &Path, what: &'static str, found: u64, expected: u64) -> OpenError {
    OpenError::LiveFileVersion { path: path.to_owned(), what, found, expected }
}

/// Says that processes of the version before this one are attached.
pub(crate) fn older_is_attached(path: &Path) -> OpenError {
    other_version(path, "its layout", layout_4::VERSION, LAYOUT_VERSION)
}

/// Attaches to a file that others use, if this process may: it is the one that goes with the lock
/// file and with the database.
pub(crate) fn join(
    live: &LiveFile,
    attachment: &Attachment,
    path: &Path,
    database: DatabaseFile,
) -> Result<(), OpenError> {
    if live.header(header::LOCK_INODE) != attachment.inode {
        return Err(OpenError::LiveFileMissing { path: path.to_owned() });
    }
    if DatabaseFile::of(live) != database {
        let why = "the processes that are attached to it use another database file";
        return Err(OpenError::LiveFileForeign { path: path.to_owned(), why });
    }
    live.memory.attach();
    // A process that grows the file holds this lock: it never outgrows what all who are attached
    // can see.
    let _held = lock::take(&live.memory, header::ALLOCATOR_LOCK, ALLOCATOR_TIMEOUT)
        .map_err(|error| not_locked(error, path))?;
    check_is_seen_whole(live, path)?;
    live.memory.reach_all().map_err(io_error("map all of", path))?;
    live.memory.cell(header::ADDRESS_LIMIT).fetch_min(live.memory.address_space(), AcqRel);
    Ok(())
}

fn not_locked(error: LockError, path: &Path) -> OpenError {
    match error {
        LockError::NotRegistered(why) => {
            io_error("register with", path)(io::Error::other(why.to_string()))
        }
        LockError::Busy | LockError::NotAsked(_) | LockError::Broken => {
            OpenError::Busy { path: path.to_owned() }
        }
    }
}

/// Looks whether this process could set aside as much address space as the file has bytes.
fn check_is_seen_whole(live: &LiveFile, path: &Path) -> Result<(), OpenError> {
    if live.header(header::FILE_LEN) <= live.memory.address_space() {
        return Ok(());
    }
    Err(io_error("map all of", path)(io::Error::from(io::ErrorKind::OutOfMemory)))
}

/// The furthest that the number of the next owner may be ahead of the clock: more is damage.
const AHEAD_NS_MAX: u64 = CLOCK_JUMP_MS as u64 * 1_000_000;

/// Takes over a usable file that no process is attached to. Owners of before are dead from here on,
/// whatever they left locked, and their ids are never given again.
pub(crate) fn adopt(
    live: &LiveFile,
    attachment: &Attachment,
    path: &Path,
    database: DatabaseFile,
) -> Result<(), OpenError> {
    let damaged =
        |why: &str| Err(OpenError::LiveFileDamaged { path: path.to_owned(), why: why.to_owned() });
    if live.memory.is_damaged() {
        return damaged("a word of it leads outside it");
    }
    let (next, now) = (live.header(header::NEXT_ID), process::realtime_ns());
    if next > now.saturating_add(AHEAD_NS_MAX) {
        return damaged("its number of the next owner lies in the far future");
    }
    // Under the id that this process had while it made the file, if it did, it holds no lock.
    live.memory.owner().resign(&live.memory);
    check_no_owner_lives(live, path)?;
    let floor = next.max(now);
    live.set_header(header::NEXT_ID, floor);
    live.set_header(header::FLOOR, floor);
    owners::clear_all(&live.memory);
    live.set_header(header::LOCK_INODE, attachment.inode);
    live.set_header(header::DATABASE_DEVICE, database.device);
    live.set_header(header::DATABASE_INODE, database.inode);
    live.set_header(header::ADDRESS_LIMIT, live.memory.address_space());
    live.set_header(header::IS_CLEAN, 0);
    live.memory.adopt(floor);
    Ok(())
}

/// Refuses a file whose owners may live although no process holds the lock file: where a mapping
/// does not hold it, a host that closes descriptors lets it go.
fn check_no_owner_lives(live: &LiveFile, path: &Path) -> Result<(), OpenError> {
    match owners::all(&live.memory).into_iter().find(|it| !it.is_pinned && !it.is_gone()) {
        Some(owner) => Err(OpenError::OwnersUnknown { path: path.to_owned(), pid: owner.pid }),
        None => Ok(()),
    }
}

/// Says in the file that it leaves nothing which SQLite does not have. The caller is the only one
/// attached, and is leaving.
pub(crate) fn mark_clean(live: &LiveFile) {
    live.set_header(header::IS_CLEAN, 1);
}

/// Whether the last who was attached left nothing that SQLite does not have.
pub(crate) fn is_clean(live: &LiveFile) -> bool {
    live.header(header::IS_CLEAN) == 1 && !live.memory.is_poisoned_for_all()
}

/// Makes a new, empty live file under a name of its own; [`publish`] puts it in place.
pub(crate) fn create(path: &Path, like: &Path, identity: Identity) -> Result<LiveFile, OpenError> {
    let path = temporary(path);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", &path)(error));
        }
        _ => {}
    }
    let file = open_like(&path, like).map_err(io_error("create", &path))?;
    file::reserve(&file, 0, FIRST_BYTES).map_err(io_error("reserve space for", &path))?;
    let memory = Memory::map(&file, &path).map_err(io_error("map", &path))?;
    let made = init(memory, identity).map_err(io_error("initialise", &path))?;
    // From the first on: who made the file may die before it has adopted it.
    let database = DatabaseFile::at(like).map_err(io_error("inspect", like))?;
    made.set_header(header::DATABASE_DEVICE, database.device);
    made.set_header(header::DATABASE_INODE, database.inode);
    Ok(made)
}

/// A live file that no other process has, for databases in memory: not even a forked child, which
/// goes on with a copy of its own.
pub(crate) fn create_anonymous(identity: Identity) -> io::Result<LiveFile> {
    let memory = Memory::anonymous()?;
    init(memory, identity)
}

fn init(memory: Memory, identity: Identity) -> io::Result<LiveFile> {
    let first = process::realtime_ns();
    memory.put(header::NEXT_ID, first);
    memory.put(header::FLOOR, first);
    memory.adopt(first);
    memory.put(header::FILE_LEN, FIRST_BYTES);
    memory.reach_all()?;
    memory.put(header::NEXT_FREE, HEADER_BYTES);
    memory.put(header::LAYOUT, LAYOUT_VERSION);
    memory.put(header::ABI_TAG, ABI_TAG);
    let boot = process::boot_id()?;
    for (at, [first, second]) in [
        (header::DATABASE_ID, identity.database_id),
        (header::BOOT_ID, boot),
        (header::HASH_KEY, identity.hash_key),
    ] {
        memory.put(at, first);
        memory.put(at + WORD, second);
    }
    memory.put(header::ADDRESS_LIMIT, memory.address_space());
    memory.put(header::EPOCH, identity.epoch);
    memory.put(header::TOKEN_CURRENT, identity.token);
    memory.put(header::TOKEN_INTENDED, identity.token);
    directory::create(&memory).map_err(|error| io::Error::other(format!("{error:?}")))?;
    memory.put(header::MAGIC, MAGIC);
    Ok(LiveFile::of(memory))
}

/// Puts a file made by [`create`] in place, whole, and sees to it that its header outlives a
/// power cut: what lies at `path` is a live file or nothing.
pub(crate) fn publish(live: &mut LiveFile, path: &Path) -> Result<(), OpenError> {
    let temporary = temporary(path);
    let file = live.memory.reopen().map_err(io_error("open", &temporary))?;
    file.sync_all().map_err(io_error("write", &temporary))?;
    crate::crash_points::point("rebuild.rename");
    fs::rename(&temporary, path).map_err(io_error("rename to", path))?;
    live.memory.moved_to(path);
    crate::crash_points::point("rebuild.renamed");
    if let Some(directory) = path.parent() {
        let sync = File::open(directory).and_then(|directory| directory.sync_all());
        sync.map_err(io_error("write the directory of", path))?;
    }
    Ok(())
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Whether `live` is what lies at `path` now.
pub(crate) fn is_at(live: &LiveFile, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(data) => Ok(live.memory.is(&data)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_sees_less_of_the_file_than_another_is_growing_it_to_does_not_join() {
        const SMALL: u64 = 2 << 20;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("live");
        let identity = Identity { database_id: [1, 2], hash_key: [3, 4], epoch: 1, token: 5 };
        fs::write(&path, []).expect("is written");
        let attachment = Attachment::open(&directory.path().join("lock"), &path).expect("opens");
        let database = DatabaseFile::at(&path).expect("is there");
        let file = open_like(&path, &path).expect("opens");
        file::reserve(&file, 0, FIRST_BYTES).expect("has space");
        let large = init(Memory::map(&file, &path).expect("is mapped"), identity).expect("is made");
        adopt(&large, &attachment, &path, database).expect("is adopted");
        let small = Memory::map_within(&file, &path, &[SMALL]).expect("is mapped");
        let small = LiveFile::of(small);
        // Another is growing the file when the small one comes.
        let held =
            lock::take(&large.memory, header::ALLOCATOR_LOCK, ALLOCATOR_TIMEOUT).expect("is free");
        thread::scope(|scope| {
            let joins = scope.spawn(|| join(&small, &attachment, &path, database));
            file::reserve(&file, 0, 2 * SMALL).expect("has space");
            large.set_header(header::FILE_LEN, 2 * SMALL);
            drop(held);
            let refused = joins.join().expect("ends").expect_err("it cannot see all of it");
            assert!(matches!(refused, OpenError::Io { .. }), "{refused}");
        });
        assert_eq!(large.header(header::ADDRESS_LIMIT), large.memory.address_space());
    }
}
