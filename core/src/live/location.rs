//! Where a database and its live file lie: by how many paths, and on what file system.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use super::LiveFile;
use super::layout::header;
use crate::error::OpenError;

/// What distinguishes the database file from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DatabaseFile {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl DatabaseFile {
    /// The file that lies at `path`. Opens nothing: to close it would drop SQLite's locks.
    pub(crate) fn at(path: &Path) -> io::Result<DatabaseFile> {
        let data = fs::metadata(path)?;
        Ok(DatabaseFile { device: data.dev(), inode: data.ino() })
    }

    /// The file that the live file says it belongs to.
    pub(crate) fn of(live: &LiveFile) -> DatabaseFile {
        DatabaseFile {
            device: live.header(header::DATABASE_DEVICE),
            inode: live.header(header::DATABASE_INODE),
        }
    }
}

/// The database of an engine, as it was when it was opened.
#[derive(Debug)]
pub(crate) struct KnownDatabase {
    path: PathBuf,
    file: DatabaseFile,
    /// The root directory: paths lead elsewhere after `chroot`, which is no news of the database.
    root: Option<DatabaseFile>,
}

impl KnownDatabase {
    pub(crate) fn new(path: &Path, file: DatabaseFile) -> KnownDatabase {
        KnownDatabase { path: path.to_owned(), file, root: DatabaseFile::at(Path::new("/")).ok() }
    }

    /// Whether the database was deleted, or another file lies in its place.
    pub(crate) fn is_gone(&self) -> bool {
        let is_elsewhere = match DatabaseFile::at(&self.path) {
            Ok(now) => now != self.file,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        is_elsewhere && DatabaseFile::at(Path::new("/")).ok() == self.root
    }
}

/// Refuses a database that a second path leads to. SQLite keeps a log beside each path, so that
/// what is written by the one is not seen by the other.
pub(crate) fn check_one_path(path: &Path) -> Result<(), OpenError> {
    let inspect = |source| OpenError::Io { doing: "inspect", path: path.to_owned(), source };
    let several = |why| Err(OpenError::SeveralPaths { path: path.to_owned(), why });
    if fs::metadata(path).map_err(inspect)?.nlink() > 1 {
        return several("has a hard link");
    }
    if is_mount(path).map_err(inspect)? {
        return several("is mounted as a single file");
    }
    Ok(())
}

/// Whether `path` is where something is mounted.
fn is_mount(path: &Path) -> io::Result<bool> {
    // Kernels before 5.8 do not say it; before 4.11 they do not know the call.
    if let Ok(found) = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)
        && found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    let table = fs::read("/proc/self/mountinfo")?;
    let of_line = |line: &[u8]| line.split(|&byte| byte == b' ').nth(4).map(unescape);
    let is_it = |mounted: Vec<u8>| mounted == path.as_os_str().as_bytes();
    Ok(table.split(|&byte| byte == b'\n').filter_map(of_line).any(is_it))
}

/// A path as `mountinfo` writes it: blanks, line ends and backslashes are three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut path = Vec::new();
    let mut rest = text;
    while let Some((&first, others)) = rest.split_first() {
        let is_octal = |it: &&[u8]| it.iter().all(|digit| (b'0'..b'8').contains(digit));
        match others.get(..3).filter(is_octal) {
            Some(digits) if first == b'\\' => {
                path.push(digits.iter().fold(0, |byte, digit| byte << 3 | (digit - b'0')));
                rest = others.get(3..).unwrap_or_default();
            }
            _ => {
                path.push(first);
                rest = others;
            }
        }
    }
    path
}

/// Whether a live file may lie on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Space can be reserved, and memory is shared by all processes of the host.
    Fit,
    /// As [`Fit`](Self::Fit), but for files that share their bytes with a copy: `cp` makes such.
    Shares,
    /// A mapping does not hold a lock: owners are looked for by their process ids.
    ByProcessId,
    /// Other hosts may be writing, or another program's cache lies between processes.
    Network,
    /// Space cannot be reserved: a full disk would end the process.
    NoReserve,
    /// Nothing is known of it. It is used.
    Unknown,
}

/// File systems by their number, as `statfs` gives it.
const FILE_SYSTEMS: [(i64, &str, Verdict); 20] = [
    (0xEF53, "ext4", Verdict::Fit),
    (0x0102_1994, "tmpfs", Verdict::Fit),
    (0x8584_58F6, "ramfs", Verdict::Fit),
    (0xF2F5_2010, "f2fs", Verdict::Fit),
    (0x5846_5342, "xfs", Verdict::Shares),
    (0x794C_7630, "overlayfs", Verdict::ByProcessId),
    (0x9123_683E, "btrfs", Verdict::NoReserve),
    (0xCA45_1A4E, "bcachefs", Verdict::NoReserve),
    (0x2FC1_2FC1, "zfs", Verdict::NoReserve),
    (0x3434, "nilfs2", Verdict::NoReserve),
    (0x6969, "nfs", Verdict::Network),
    (0x517B, "smb", Verdict::Network),
    (0xFF53_4D42, "cifs", Verdict::Network),
    (0xFE53_4D42, "smb2", Verdict::Network),
    (0x0102_1997, "9p", Verdict::Network),
    (0x00C3_6400, "ceph", Verdict::Network),
    (0x6573_5546, "fuse", Verdict::Network),
    (0x0BD0_0BD0, "lustre", Verdict::Network),
    (0x4750_4653, "gpfs", Verdict::Network),
    (0x7461_636F, "ocfs2", Verdict::Network),
];

/// The file system of a directory, and whether a live file may lie there.
pub(crate) fn file_system(directory: &Path) -> Result<(&'static str, Verdict), OpenError> {
    let io = |doing| move |source| OpenError::Io { doing, path: directory.to_owned(), source };
    let handle = File::open(directory).map_err(io("open"))?;
    let mut status = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `fstatfs` fills `status` when it returns 0.
    let kind = unsafe {
        if libc::fstatfs(handle.as_raw_fd(), status.as_mut_ptr()) != 0 {
            return Err(io("inspect")(io::Error::last_os_error()));
        }
        status.assume_init().f_type
    };
    // Its type depends on the C library; numbers above 2^31 are negative in one of them.
    #[allow(clippy::unnecessary_cast, trivial_numeric_casts)]
    let kind = kind as i64 & 0xffff_ffff;
    let found = FILE_SYSTEMS.iter().find(|(number, ..)| *number == kind);
    Ok(found.map_or(("unknown", Verdict::Unknown), |&(_, name, verdict)| (name, verdict)))
}

/// Refuses a directory in which a live file cannot lie.
pub(crate) fn check_file_system(directory: &Path, allow_network: bool) -> Result<(), OpenError> {
    let path = directory.to_owned();
    match file_system(directory)? {
        (kind, Verdict::Network) if !allow_network => {
            Err(OpenError::NetworkFileSystem { path, kind })
        }
        (kind, Verdict::NoReserve) => Err(OpenError::FileSystem { path, kind }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_out_of_mountinfo_as_it_is() {
        assert_eq!(unescape(b"/srv/my\\040quotas.db"), b"/srv/my quotas.db");
        assert_eq!(unescape(b"/a\\134b\\0"), b"/a\\b\\0");
    }

    #[test]
    fn every_file_system_is_in_the_table_once() {
        for (index, (number, name, _)) in FILE_SYSTEMS.iter().enumerate() {
            for (other, other_name, _) in FILE_SYSTEMS.iter().skip(index + 1) {
                assert!(number != other && name != other_name, "{name}");
            }
        }
    }

    #[test]
    fn a_file_is_not_a_mount_and_a_root_is() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(!is_mount(file.path()).expect("is known"));
        assert!(is_mount(Path::new("/proc")).expect("is known"));
    }
}
