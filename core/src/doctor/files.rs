//! Files, modes and file systems.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

use super::{FileSystemView, FileView, Subject};
use crate::live::location::{self, Verdict};

/// The database and what belongs to it, as far as it is there.
pub(super) fn look(subject: &Subject<'_>) -> Vec<FileView> {
    let beside = |suffix: &str| {
        let mut name = subject.database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    [
        ("database", subject.database.to_owned()),
        ("log", beside("-wal")),
        ("log index", beside("-shm")),
        ("live file", subject.live_file.to_owned()),
        ("lock file", beside("-lock")),
    ]
    .into_iter()
    .filter_map(|(role, path)| file(role, path))
    .collect()
}

fn file(role: &'static str, path: PathBuf) -> Option<FileView> {
    let data = fs::metadata(&path).ok()?;
    Some(FileView {
        role,
        bytes: data.len(),
        user: data.uid(),
        group: data.gid(),
        mode: format!("{:04o}", data.mode() & 0o7777),
        links: data.nlink(),
        is_accessible: access(&path, Access::READ_OK | Access::WRITE_OK).is_ok(),
        path,
    })
}

/// The file systems of the database and of the live file.
pub(super) fn file_systems(subject: &Subject<'_>) -> Vec<FileSystemView> {
    let of = |role, path: &Path| {
        let directory = path.parent()?;
        let (name, verdict) = location::file_system(directory).ok()?;
        let about = statvfs(directory).ok();
        Some(FileSystemView {
            role,
            name,
            verdict: word(verdict),
            free_bytes: about.as_ref().map(|it| it.f_bavail.saturating_mul(it.f_frsize)),
            is_read_only: about
                .as_ref()
                .is_some_and(|it| it.f_flag.contains(StatVfsMountFlags::RDONLY)),
        })
    };
    let both = [("database", subject.database), ("live file", subject.live_file)];
    both.into_iter().filter_map(|(role, path)| of(role, path)).collect()
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fit => "fit",
        Verdict::Shares => "shares",
        Verdict::ByProcessId => "by_process_id",
        Verdict::Network => "network",
        Verdict::NoReserve => "no_reserve",
        Verdict::Unknown => "unknown",
    }
}
