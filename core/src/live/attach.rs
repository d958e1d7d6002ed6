//! Who is attached to a live file, and whether a file may be trusted.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::AcqRel;

use super::file::{self, ALLOCATOR_TIMEOUT, FIRST_BYTES, Memory};
use super::layout::{HEADER_BYTES, LAYOUT_VERSION, MAGIC, WORD, header};
use super::{Identity, LiveFile, directory, lock, process};
use crate::error::OpenError;

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { doing, path, source }
}

/// The lock file beside the database: held shared by every process that is attached (and by its
/// forked children), exclusively by one that adopts or rebuilds the live file.
#[derive(Debug)]
pub(crate) struct Attachment {
    file: File,
}

impl Attachment {
    /// Opens the lock file, making it with the database's owner and mode.
    pub(crate) fn open(path: &Path, like: &Path) -> Result<Attachment, OpenError> {
        let file = open_like(path, like).map_err(io_error("open", path))?;
        Ok(Attachment { file })
    }

    /// Tries to be the only one. `false`: somebody is attached.
    pub(crate) fn try_exclusive(&self) -> io::Result<bool> {
        locked(self.file.try_lock())
    }

    /// Tries to be one of many. `false`: somebody is the only one.
    pub(crate) fn try_shared(&self) -> io::Result<bool> {
        locked(self.file.try_lock_shared())
    }

    /// What tells this lock file from others.
    fn inode(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    /// Lets go.
    pub(crate) fn release(&self) -> io::Result<()> {
        self.file.unlock()
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

fn match_owner(file: &File, model: &fs::Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (model.uid(), model.gid()) {
        std::os::unix::fs::fchown(file, Some(model.uid()), Some(model.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(model.mode() & 0o777))
}

/// Makes an empty file for a new database, so that there is something to lock and to take owner
/// and mode from.
pub(crate) fn create_database(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
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
    let memory = Memory::map(file).map_err(io_error("map", path))?;
    check_version(&memory, path)?;
    let boot = process::boot_id().map_err(io_error("read the boot id for", path))?;
    if words(&memory, header::BOOT_ID) != boot {
        return Ok(FoundFile::OtherBoot);
    }
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
    Ok(FoundFile::Usable(live))
}

fn words(memory: &Memory, at: u64) -> [u64; 2] {
    [memory.get(at), memory.get(at + WORD)]
}

fn check_version(memory: &Memory, path: &Path) -> Result<(), OpenError> {
    if memory.get(header::MAGIC) != MAGIC {
        let why = "it does not begin as a live file does";
        return Err(OpenError::LiveFileForeign { path: path.to_owned(), why });
    }
    for (what, at, expected) in [
        ("its layout", header::LAYOUT, LAYOUT_VERSION),
        ("its processor and C library", header::ABI_TAG, process::abi_tag()),
    ] {
        let found = memory.get(at);
        if found != expected {
            let path = path.to_owned();
            return Err(OpenError::LiveFileVersion { path, what, found, expected });
        }
    }
    Ok(())
}

/// Looks whether this process may attach to a file that others use: it is the one that goes with
/// the lock file, and they live in our PID namespace.
pub(crate) fn check_joins(
    live: &LiveFile,
    attachment: &Attachment,
    path: &Path,
) -> Result<(), OpenError> {
    let inode = attachment.inode().map_err(io_error("inspect the lock file of", path))?;
    if live.header(header::LOCK_INODE) != inode {
        return Err(OpenError::LiveFileMissing { path: path.to_owned() });
    }
    check_namespace(live, path)?;
    // Whoever grows the file holds this lock: it never outgrows what all who are attached can see.
    let _held = lock::take(&live.memory, header::ALLOCATOR_LOCK, ALLOCATOR_TIMEOUT)
        .map_err(|_| OpenError::Busy { path: path.to_owned() })?;
    check_is_seen_whole(live, path)?;
    live.memory.cell(header::ADDRESS_LIMIT).fetch_min(live.memory.address_space(), AcqRel);
    Ok(())
}

/// Looks whether this process could set aside as much address space as the file has bytes.
fn check_is_seen_whole(live: &LiveFile, path: &Path) -> Result<(), OpenError> {
    if live.header(header::FILE_LEN) <= live.memory.address_space() {
        return Ok(());
    }
    Err(io_error("map all of", path)(io::Error::from(io::ErrorKind::OutOfMemory)))
}

fn check_namespace(live: &LiveFile, path: &Path) -> Result<(), OpenError> {
    let ours = process::pid_namespace().map_err(io_error("read the PID namespace for", path))?;
    let theirs = live.header(header::PID_NAMESPACE);
    if ours == theirs {
        return Ok(());
    }
    Err(OpenError::PidNamespace { path: path.to_owned(), theirs, ours })
}

/// Takes over a usable file that nobody is attached to.
pub(crate) fn adopt(
    live: &LiveFile,
    attachment: &Attachment,
    path: &Path,
) -> Result<(), OpenError> {
    if live.poison() == Some(super::Poison::Damaged) {
        let why = "a word of it leads outside it".to_owned();
        return Err(OpenError::LiveFileDamaged { path: path.to_owned(), why });
    }
    let inode = attachment.inode().map_err(io_error("inspect the lock file of", path))?;
    live.set_header(header::LOCK_INODE, inode);
    live.set_header(header::ADDRESS_LIMIT, live.memory.address_space());
    let ours = process::pid_namespace().map_err(io_error("read the PID namespace for", path))?;
    live.set_header(header::PID_NAMESPACE, ours);
    live.set_header(header::POISON, 0);
    Ok(())
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
    init(file, identity).map_err(io_error("initialise", &path))
}

/// A live file that no other process can find: for databases in memory.
pub(crate) fn create_anonymous(identity: Identity) -> io::Result<LiveFile> {
    // SAFETY: the name is a C string; the descriptor is new and owned by nobody else.
    let file = unsafe {
        let descriptor = libc::memfd_create(c"cotas-live".as_ptr(), libc::MFD_CLOEXEC);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        File::from_raw_fd(descriptor)
    };
    init(file, identity)
}

fn init(file: File, identity: Identity) -> io::Result<LiveFile> {
    file::reserve(&file, 0, FIRST_BYTES)?;
    let memory = Memory::map(file)?;
    memory.put(header::FILE_LEN, FIRST_BYTES);
    memory.put(header::NEXT_FREE, HEADER_BYTES);
    memory.put(header::LAYOUT, LAYOUT_VERSION);
    memory.put(header::ABI_TAG, process::abi_tag());
    let boot = process::boot_id()?;
    for (at, [first, second]) in [
        (header::DATABASE_ID, identity.database_id),
        (header::BOOT_ID, boot),
        (header::HASH_KEY, identity.hash_key),
    ] {
        memory.put(at, first);
        memory.put(at + WORD, second);
    }
    memory.put(header::PID_NAMESPACE, process::pid_namespace()?);
    memory.put(header::ADDRESS_LIMIT, memory.address_space());
    memory.put(header::EPOCH, identity.epoch);
    memory.put(header::TOKEN_CURRENT, identity.token);
    memory.put(header::TOKEN_INTENDED, identity.token);
    for at in header::LOCKS {
        lock::init(&memory, at);
    }
    directory::create(&memory).map_err(|error| io::Error::other(format!("{error:?}")))?;
    memory.put(header::MAGIC, MAGIC);
    Ok(LiveFile::of(memory))
}

/// Puts a file made by [`create`] in place, whole, and sees to it that its header outlives a
/// power cut: what lies at `path` is a live file or nothing.
pub(crate) fn publish(live: &LiveFile, path: &Path) -> Result<(), OpenError> {
    let temporary = temporary(path);
    live.memory.file().sync_all().map_err(io_error("write", &temporary))?;
    crate::crash_points::point("rebuild.rename");
    fs::rename(&temporary, path).map_err(io_error("rename to", path))?;
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
    let ours = live.memory.file().metadata()?;
    match fs::metadata(path) {
        Ok(theirs) => Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses a directory whose file system does not share memory between hosts.
pub(crate) fn check_file_system(directory: &Path) -> Result<(), OpenError> {
    const NETWORK: [(i64, &str); 6] = [
        (0x6969, "nfs"),
        (0x517B, "smb"),
        (0xFF53_4D42, "cifs"),
        (0xFE53_4D42, "smb2"),
        (0x0102_1997, "9p"),
        (0x00C3_6400, "ceph"),
    ];
    let handle = File::open(directory).map_err(io_error("open", directory))?;
    let mut status = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `fstatfs` fills `status` when it returns 0.
    let kind = unsafe {
        if libc::fstatfs(handle.as_raw_fd(), status.as_mut_ptr()) != 0 {
            return Err(io_error("inspect", directory)(io::Error::last_os_error()));
        }
        status.assume_init().f_type
    };
    match NETWORK.iter().find(|(number, _)| *number == kind) {
        Some((_, kind)) => Err(OpenError::NetworkFileSystem { path: directory.to_owned(), kind }),
        None => Ok(()),
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
        let file = || open_like(&path, &path).expect("opens");
        let large = init(file(), identity).expect("is made");
        adopt(&large, &attachment, &path).expect("is adopted");
        let small = LiveFile::of(Memory::map_within(file(), &[SMALL]).expect("is mapped"));
        // Another is growing the file when the small one comes.
        let held =
            lock::take(&large.memory, header::ALLOCATOR_LOCK, ALLOCATOR_TIMEOUT).expect("is free");
        thread::scope(|scope| {
            let joins = scope.spawn(|| check_joins(&small, &attachment, &path));
            file::reserve(large.memory.file(), 0, 2 * SMALL).expect("has room");
            large.set_header(header::FILE_LEN, 2 * SMALL);
            drop(held);
            let refused = joins.join().expect("ends").expect_err("it cannot see all of it");
            assert!(matches!(refused, OpenError::Io { .. }), "{refused}");
        });
        assert_eq!(large.header(header::ADDRESS_LIMIT), large.memory.address_space());
    }
}
