//! What of all that was seen is wrong.

use std::path::Path;

use super::{Concern, Diagnosis, FileView, LiveView, Severity, StuckLock, Subject};
use crate::clock::HOUR_MS;
use crate::engine::ALARM_AFTER_MS;
use crate::error::{OpenError, StoreError};
use crate::live::inspect::Inspected;
use crate::live::layout::header;
use crate::live::location::{self, DatabaseFile};
use crate::rules::clock_step;
use crate::rules::settle::CLOCK_JUMP_MS;
use crate::store::Meta;

/// Bytes that should be free, so that live file and log can grow.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// A lag from which on something is slow, and from which on no process makes checkpoints.
const LAG_MS: (u64, u64) = (5_000, 60_000);
/// How far tenants may be ahead of the clock: machines that were set manually differ by as much.
const AHEAD_MS_MAX: i64 = 60_000;

use Severity::{Error, Warning};

fn note(concerns: &mut Vec<Concern>, severity: Severity, about: &'static str, what: String) {
    concerns.push(Concern { severity, about, what });
}

/// What is wrong with a database that cannot be read. One that another program has locked is
/// in use, not broken.
pub(super) fn of_database(error: &OpenError) -> Concern {
    let is_busy = matches!(error, OpenError::Store(StoreError::Busy { .. }));
    let severity = if is_busy { Warning } else { Error };
    Concern { severity, about: "database", what: error.to_string() }
}

/// The concern that the database does not exist.
pub(super) fn no_database(path: &Path) -> Concern {
    let what = format!("there is no database at {}", path.display());
    Concern { severity: Error, about: "database", what }
}

/// Looks through everything.
pub(super) fn judge(seen: &Diagnosis, subject: &Subject<'_>, concerns: &mut Vec<Concern>) {
    if subject.database.exists()
        && let Err(error) = location::check_one_path(subject.database)
    {
        note(concerns, Error, "database", error.to_string());
    }
    file_systems(seen, subject, concerns);
    modes(&seen.files, concerns);
    versions(seen, concerns);
    live(seen, concerns);
    owners(seen, concerns);
    stuck(&seen.stuck, concerns);
    clock(seen, concerns);
}

fn file_systems(seen: &Diagnosis, subject: &Subject<'_>, concerns: &mut Vec<Concern>) {
    let about = "file system";
    if let Some(directory) = subject.live_file.parent()
        && let Err(error) = location::check_file_system(directory, subject.allow_network)
    {
        note(concerns, Error, about, error.to_string());
    }
    for it in &seen.file_systems {
        let (role, name) = (it.role, it.name);
        if it.is_read_only {
            let what = format!("the {role} is on a file system that is mounted read-only");
            note(concerns, Error, about, what);
        }
        if let Some(free) = it.free_bytes.filter(|&free| free < FREE_BYTES_MIN && !it.is_read_only)
        {
            let what = format!("{free} bytes are free where the {role} lies; free some space");
            note(concerns, if free < 1 << 20 { Error } else { Warning }, about, what);
        }
        let what = match (role, it.verdict) {
            ("database", "network") => format!(
                "the database is on a network file system ({name}), which a log of SQLite does \
                 not survive with two hosts; move it to a local disk"
            ),
            ("live file", "shares") => format!(
                "a copy of the live file on {name} shares its blocks, which a full disk cannot \
                 separate; use `cotas backup`, not `cp`"
            ),
            ("live file", "by_process_id") => format!(
                "the live file is on {name}, where processes of other containers cannot be known \
                 alive from dead; use a volume"
            ),
            ("live file", "unknown") => {
                "nothing is known of the file system of the live file; ext4, XFS and tmpfs are fit"
                    .to_owned()
            }
            _ => continue,
        };
        note(concerns, Warning, about, what);
    }
    private_memory(seen, subject, concerns);
}

/// A live file in memory is fast, and has two conditions.
fn private_memory(seen: &Diagnosis, subject: &Subject<'_>, concerns: &mut Vec<Concern>) {
    let name = |role| seen.file_systems.iter().find(|it| it.role == role).map(|it| it.name);
    let is_memory = |name| matches!(name, Some("tmpfs" | "ramfs"));
    if !is_memory(name("live file")) || is_memory(name("database")) {
        return;
    }
    let shared = if subject.live_file.starts_with("/dev/shm") {
        "each container has a /dev/shm of its own, of 64 MB: all that use the database must share \
         one (`ipc: host`, or a tmpfs volume)"
    } else {
        "all containers that use the database must share it"
    };
    let what = format!(
        "the live file is in memory and the database is not: after a restart of the machine what \
         was used since the last checkpoint is lost, and {shared}"
    );
    note(concerns, Warning, "file system", what);
}

fn modes(files: &[FileView], concerns: &mut Vec<Concern>) {
    let Some(database) = files.iter().find(|it| it.role == "database") else { return };
    for it in files {
        let (role, path, mode) = (it.role, it.path.display(), &it.mode);
        if !it.is_accessible {
            let (user, group) = (it.user, it.group);
            let what = format!(
                "this process may not read and write the {role} {path} (user {user}, group \
                 {group}, mode {mode}); give it the group, or run as the user"
            );
            note(concerns, Error, "modes", what);
        }
        if mode.ends_with(|digit| digit != '0') {
            let what = format!("others may use the {role} {path} (mode {mode}); `chmod o=` it");
            note(concerns, Warning, "modes", what);
        }
        if (it.user, it.group, mode) != (database.user, database.group, &database.mode) {
            let what = format!(
                "the {role} {path} has another owner, group or mode than the database; a process \
                 that may use the one may not be able to use the other"
            );
            note(concerns, Warning, "modes", what);
        }
    }
}

fn versions(seen: &Diagnosis, concerns: &mut Vec<Concern>) {
    let (of, about) = (&seen.versions, "versions");
    if let Some(layout) = of.layout_found.filter(|&found| found != of.layout) {
        let what = format!(
            "the live file has layout {layout}, this version makes {}; close every process with \
             the version that it was opened with",
            of.layout
        );
        note(concerns, if layout > of.layout { Error } else { Warning }, about, what);
    }
    if let Some(schema) = of.schema_found.filter(|&found| found < of.schema && found != 0) {
        let what = format!(
            "the database has schema {schema}; opening it brings it to {}, which versions before \
             this one cannot read",
            of.schema
        );
        note(concerns, Warning, about, what);
    }
    // Names of releases: the year and a letter.
    let is_release = |name: &str| name.starts_with("20");
    let older = |it: &&str| is_release(it) && **it < *of.zone_data;
    if let Some(system) = of.zone_data_of_system.as_deref().filter(older) {
        let what = format!(
            "this machine has rules of time zones of {system}, which are in force; those built in \
             are of {}. Update tzdata, so that renewals come at the right hour in zones that have \
             changed",
            of.zone_data
        );
        note(concerns, Warning, about, what);
    }
}

fn live(seen: &Diagnosis, concerns: &mut Vec<Concern>) {
    let Some(live) = &seen.live else { return };
    if let Some(why) = live.poisoned {
        let what = format!(
            "the live file refuses everything: {why}. Close the engine in all processes and open \
             it again"
        );
        note(concerns, Error, "live file", what);
    }
    if !live.is_of_this_boot {
        let what = "the live file is from before the machine was restarted: it is rebuilt when \
                    the database is opened, and what was used after the last checkpoint is lost";
        let severity = Warning;
        if !live.is_clean {
            note(concerns, severity, "live file", what.to_owned());
        }
        return;
    }
    checkpoints(live, concerns);
}

fn checkpoints(live: &LiveView, concerns: &mut Vec<Concern>) {
    let (lag, tenants) = (live.lag_ms, live.unsaved_tenants);
    if let (Some(ms), Some(code)) = (live.failing_ms, live.failure)
        && ms >= ALARM_AFTER_MS
    {
        let what = format!(
            "checkpoints have failed for {ms} ms, the last one with error {code} (docs/errors.md): \
             changes of {tenants} tenants would be lost with a power cut, the oldest {lag} ms old. \
             Free space on the disk, or see why the database cannot be written"
        );
        note(concerns, Error, "lag", what);
    } else if lag > LAG_MS.0 {
        let what = format!(
            "changes of {tenants} tenants are not in the database, for {lag} ms: no process makes \
             checkpoints. Run `cotas maintain`, or open the database with maintenance"
        );
        note(concerns, if lag > LAG_MS.1 { Error } else { Warning }, "lag", what);
    }
}

fn owners(seen: &Diagnosis, concerns: &mut Vec<Concern>) {
    for it in seen.owners.iter().filter(|it| it.is_stopped == Some(true)) {
        let what = format!(
            "process {} is stopped; tenants that it holds are busy until it goes on or is killed",
            it.pid
        );
        note(concerns, Warning, "owners", what);
    }
    let unknown = seen.owners.iter().filter(|it| it.is_alive.is_none()).count();
    if unknown > 0 {
        let what = format!("whether {unknown} owners live cannot be known from this PID namespace");
        note(concerns, Warning, "owners", what);
    }
    if let Some(failed) = seen.live.as_ref().map(|it| it.inquiries_failed).filter(|&it| it > 0) {
        let what = format!(
            "{failed} times a process could not ask whether the owner of a lock lives; the live \
             file may have been moved, or descriptors have run out"
        );
        note(concerns, Warning, "owners", what);
    }
}

/// One line for what each process holds.
fn stuck(locks: &[StuckLock], concerns: &mut Vec<Concern>) {
    let mut seen: Vec<(&StuckLock, usize)> = Vec::new();
    for lock in locks.iter().filter(|it| it.is_alive) {
        match seen.iter_mut().find(|(it, _)| *it == lock) {
            Some((_, count)) => *count += 1,
            None => seen.push((lock, 1)),
        }
    }
    for (lock, count) in seen {
        let holder =
            lock.pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
        let what = match lock.what {
            "a tenant" => format!("the locks of {count} tenants"),
            what => what.to_owned(),
        };
        let what = format!(
            "{holder} has held {what} at every look for a second: it is stopped, or waits for the \
             disk. Others answer `Busy` meanwhile; let it go on, or kill it"
        );
        note(concerns, Error, "locks", what);
    }
}

fn clock(seen: &Diagnosis, concerns: &mut Vec<Concern>) {
    if let Some(ahead_ms) = seen.clock.ahead_ms.filter(|&ms| ms > clock_step::AHEAD_MS_MAX) {
        let what = format!(
            "this machine's clock shows {}, {} hours ahead of the time since the boot: decisions \
             go on as if it did not, and nothing is renewed, billed or deleted. Set it, or confirm \
             it: `cotas tenant confirm-clock NAME`. After an hour it is believed",
            seen.clock.now,
            ahead_ms / HOUR_MS
        );
        note(concerns, Error, "clock", what);
    }
    let Some(latest) = seen.clock.latest_seen else { return };
    let ahead = latest.ms() - seen.clock.now.ms();
    if ahead > AHEAD_MS_MAX {
        let what = format!(
            "tenants have seen {latest}, this machine's clock shows {}: it was set back, or an \
             operation named a later time. Nothing renews until the clock has caught up",
            seen.clock.now
        );
        note(concerns, Warning, "clock", what);
    }
    if -ahead > CLOCK_JUMP_MS {
        let what = format!(
            "this machine's clock shows {}, more than 400 days after anything that a tenant has \
             seen ({latest}); settling is refused until it is confirmed for each tenant",
            seen.clock.now
        );
        note(concerns, Error, "clock", what);
    }
}

/// Whether the database has its live file in another place.
pub(super) fn second_live_file(meta: &Meta, seen: &Diagnosis, concerns: &mut Vec<Concern>) {
    let other = Path::new(&meta.live_path);
    if !meta.live_path.is_empty() && other != seen.live_file && other.exists() {
        let what = format!(
            "the database has its live file at {}; one at {} would count again. Name the same \
             directory everywhere",
            other.display(),
            seen.live_file.display()
        );
        note(concerns, Error, "live file", what);
    }
}

/// Whether database and live file belong together. While processes are attached they see to that
/// themselves, and the words that say it change all the time.
pub(super) fn identity(
    file: &Inspected,
    meta: &Meta,
    seen: &Diagnosis,
    concerns: &mut Vec<Concern>,
) {
    let is_in_use = seen.owners.iter().any(|it| it.is_alive != Some(false));
    let epoch = file.word(header::EPOCH).unwrap_or(0);
    if is_in_use || epoch < meta.epoch {
        return;
    }
    let (database, live) = (seen.database.display(), seen.live_file.display());
    let inode = DatabaseFile::at(&seen.database).ok().map(|it| it.inode);
    let is_clean = seen.live.as_ref().is_some_and(|it| it.is_clean);
    let what = if file.pair(header::DATABASE_ID) != Some(meta.database_id) {
        format!("{live} belongs to another database than {database}")
    } else if !file.token_fits(meta.token) {
        format!(
            "{database} and {live} do not belong together: the database was restored or copied. \
             Put backups in place with `cotas restore`"
        )
    } else if file.word(header::DATABASE_INODE) != inode && !is_clean {
        format!(
            "{live} was used with another file than {database}, and holds what that one does not \
             have; put the former file back"
        )
    } else {
        return;
    };
    note(concerns, Error, "live file", what);
}
