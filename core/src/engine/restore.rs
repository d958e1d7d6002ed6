//! Putting a backup in the place of a closed database.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::Builder;
use super::open::{canonical, with_suffix};
use crate::crash_points;
use crate::error::{Error, OpenError};
use crate::live::attach::{Attachment, match_files};
use crate::live::inspect::Inspected;
use crate::live::layout::header;
use crate::live::location::{self, DatabaseFile};
use crate::store;
use crate::store::inspect::{self, About};

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { doing, path, source }
}

fn unfit(why: String) -> Error {
    Error::InvalidArgument { what: "backup", why }
}

impl Builder {
    /// Puts a copy of `backup` in the place of the database, at once: before and after a crash at
    /// any moment the database is the former one, or the backup. What was used since the backup was
    /// made is forgotten. `backup` is one that [`Engine::backup`](super::Engine::backup) made, or
    /// the file of a database that was closed.
    ///
    /// Refused while processes are using the database, and where the backup is another database's,
    /// damaged, or of a newer version. Handles, receipts and reservations of before are stale.
    /// Waits for the disk.
    pub fn restore(&self, backup: impl AsRef<Path>) -> Result<(), Error> {
        store::watch_forks();
        let Some(path) = &self.path else {
            let why = "a database in memory has no file to replace".to_owned();
            return Err(Error::InvalidArgument { what: "path", why });
        };
        let path = canonical(path)?;
        let backup = backup.as_ref();
        let about = check_backup(backup, &path)?;
        let model = if path.exists() { &path } else { backup };
        let lock_path = with_suffix(&path, "-lock");
        let had_lock_file = lock_path.exists();
        let attachment = Attachment::open(&lock_path, model)?;
        if !attachment.try_exclusive().map_err(io_error("lock", &lock_path))? {
            return Err(OpenError::InUse { path }.into());
        }
        let live_path = self.live_path_of(&path)?;
        let epoch = check_former(&path, &live_path, &about, had_lock_file)?;
        let copy = with_suffix(&path, "-restore");
        remove_with_log(&copy)?;
        inspect::copy(backup, &copy, epoch)?;
        match_files(&copy, model).map_err(io_error("write", &copy))?;
        crash_points::point("restore.copied");
        fs::rename(&copy, &path).map_err(io_error("replace", &path))?;
        crash_points::point("restore.renamed");
        sync_directory(&path)?;
        // Its epoch is over: opening would make another one in its place.
        remove(&live_path)?;
        drop(attachment);
        Ok(())
    }
}

/// Makes the former database ready to be replaced, and gives the epoch after which the new one
/// begins: its live file is superseded by that, wherever it lies.
fn check_former(
    path: &Path,
    live_path: &Path,
    backup: &About,
    was_a_database: bool,
) -> Result<u64, Error> {
    let id = backup.meta.as_ref().map(|it| it.database_id);
    let live = Inspected::open(live_path).map_err(io_error("read", live_path))?;
    let live = live.filter(Inspected::is_live_file);
    let of_live = live.as_ref().and_then(|it| it.word(header::EPOCH)).unwrap_or(0);
    let mut epoch = of_live.max(backup.meta.as_ref().map_or(0, |it| it.epoch));
    let mut former_id = live.as_ref().and_then(|it| it.pair(header::DATABASE_ID));
    if path.exists() {
        location::check_one_path(path)?;
        match inspect::inspect(path) {
            Ok(About { meta: Some(meta), .. }) => {
                epoch = epoch.max(meta.epoch);
                former_id = Some(meta.database_id);
            }
            Ok(About { meta: None, .. }) => {}
            // What is damaged is what backups are for; what never was ours is not replaced.
            Err(error) if was_a_database && error.is_damage() => {
                set_log_aside(path)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if former_id.is_some() && former_id != id {
        let why = format!(
            "it is of another database than the one at {}; move that one's files away first",
            path.display()
        );
        return Err(unfit(why));
    }
    if path.exists() && former_id.is_some() {
        match inspect::fold(path) {
            Err(error) if error.is_damage() => set_log_aside(path)?,
            other => other?,
        }
    }
    Ok(epoch + 1)
}

/// Looks whether the backup can be put in place at all.
fn check_backup(backup: &Path, path: &Path) -> Result<About, Error> {
    let file = DatabaseFile::at(backup).map_err(io_error("read the backup", backup))?;
    if DatabaseFile::at(path).is_ok_and(|former| former == file) {
        return Err(unfit("it is the database itself".to_owned()));
    }
    let about = inspect::inspect(backup)?;
    if about.meta.is_none() {
        return Err(unfit(format!("{} is empty", backup.display())));
    }
    if let Some(what) = inspect::check(backup)? {
        return Err(unfit(format!("{} is damaged: {what}", backup.display())));
    }
    Ok(about)
}

/// The log of a database that cannot be read is kept beside it, for a reader who wants to look at
/// it, under a name by which SQLite does not find it.
fn set_log_aside(path: &Path) -> Result<(), OpenError> {
    let (log, aside) = (with_suffix(path, "-wal"), with_suffix(path, "-wal.damaged"));
    match fs::rename(&log, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("set aside", &log)(error))
        }
        _ => remove(&with_suffix(path, "-shm")),
    }
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Removes what an interrupted call left behind.
fn remove_with_log(path: &Path) -> Result<(), OpenError> {
    ["", "-wal", "-shm", "-journal"]
        .iter()
        .try_for_each(|suffix| remove(&with_suffix(path, suffix)))
}

fn sync_directory(path: &Path) -> Result<(), OpenError> {
    let Some(directory) = path.parent() else { return Ok(()) };
    let sync = File::open(directory).and_then(|directory| directory.sync_all());
    sync.map_err(io_error("write the directory of", path))
}
