//! What a database, its live file and this machine look like from outside, and what is wrong with
//! them. Nothing is locked, waited for, attached to or written, so that it answers also where
//! opening would not.

mod files;
mod judge;
mod live;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::json;
use crate::live::inspect::Inspected;
use crate::live::{clocks, layout};
use crate::store::inspect::{self, About};
use crate::zones;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The database.
    pub database: PathBuf,
    /// Where its live file lies, or would lie.
    pub live_file: PathBuf,
    /// The database and the files that belong to it.
    pub files: Vec<FileView>,
    /// The file systems of the database and of the live file.
    pub file_systems: Vec<FileSystemView>,
    /// Versions of everything that has one.
    pub versions: Versions,
    /// The live file; absent: there is none that can be read.
    pub live: Option<LiveView>,
    /// The processes that use the live file, as they noted themselves.
    pub owners: Vec<OwnerView>,
    /// Locks that the same process held at every look for a second.
    pub stuck: Vec<StuckLock>,
    /// What this machine's clock shows, and what tenants have seen.
    pub clock: ClockView,
    /// What is wrong, the worst first.
    pub concerns: Vec<Concern>,
}

impl Diagnosis {
    /// Whether nothing is so wrong that it must be put right.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.concerns.iter().all(|it| it.severity != Severity::Error)
    }
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It must be put right: decisions are refused, or may be lost.
    Error,
    /// It works, and may not for long.
    Warning,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Concern {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: "database", "live file", "file system", "modes", "owners", "locks",
    /// "lag", "clock", "versions".
    pub about: &'static str,
    /// What was found, and what to do.
    pub what: String,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileView {
    /// What it is: "database", "log", "log index", "live file" or "lock file".
    pub role: &'static str,
    /// Where it lies.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// The user that owns it.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// Who may read and write it, in octal: "0660".
    pub mode: String,
    /// Names that lead to it.
    pub links: u64,
    /// Whether this process may read and write it.
    pub is_accessible: bool,
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileSystemView {
    /// Whose it is: "database" or "live file".
    pub role: &'static str,
    /// Its name, as far as it is known.
    pub name: &'static str,
    /// Whether a live file may lie there: `fit`, `shares`, `by_process_id`, `network`,
    /// `no_reserve` or `unknown`.
    pub verdict: &'static str,
    /// Bytes that are free there.
    pub free_bytes: Option<u64>,
    /// Whether nothing can be written there.
    pub is_read_only: bool,
}

/// Versions of the parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// Of this library.
    pub library: &'static str,
    /// Of live files that it makes.
    pub layout: u64,
    /// Of the live file that there is.
    pub layout_found: Option<u64>,
    /// Of databases that it writes.
    pub schema: i64,
    /// Of the database that there is.
    pub schema_found: Option<i64>,
    /// Of SQLite.
    pub sqlite: &'static str,
    /// Of the rules of time zones that are built in: for zones that this machine has no rules of.
    pub zone_data: &'static str,
    /// Of this machine's rules, which are in force, if it has any.
    pub zone_data_of_system: Option<String>,
}

/// A live file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LiveView {
    /// Whether it was made since this machine was started; if not, it is rebuilt when it is opened.
    pub is_of_this_boot: bool,
    /// Whether the last who used it left nothing that the database does not have.
    pub is_clean: bool,
    /// Why it may not be used, if so.
    pub poisoned: Option<&'static str>,
    /// How often it was rebuilt.
    pub epoch: u64,
    /// Tenants in it.
    pub tenants: u64,
    /// Tenants whose last changes are not in the database yet.
    pub unsaved_tenants: u64,
    /// Age of the oldest change that is not known to be in the database, in milliseconds: what a
    /// power cut would cost.
    pub lag_ms: u64,
    /// For how long rounds of checkpoints have failed, in milliseconds; absent: the last one
    /// succeeded.
    pub failing_ms: Option<u64>,
    /// The code of the last failure's error; absent: as above.
    pub failure: Option<i32>,
    /// Rounds of checkpoints that have failed since the live file was made.
    pub rounds_failed: u64,
    /// Inquiries about owners that could not be made.
    pub inquiries_failed: u64,
}

/// A process that uses the live file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnerView {
    /// Its id in its PID namespace.
    pub pid: u32,
    /// The inode of that namespace.
    pub namespace: u64,
    /// Whether this process is in the same.
    pub is_same_namespace: bool,
    /// For how long it has run.
    pub age_seconds: Option<u64>,
    /// Whether it lives; absent: that is not known here.
    pub is_alive: Option<bool>,
    /// Whether it is stopped; absent: that is not known here.
    pub is_stopped: Option<bool>,
}

/// A lock that the same process held at every look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StuckLock {
    /// What it guards: "the writer lock", "a tenant" and so on.
    pub what: &'static str,
    /// The holder's process id, where it noted itself.
    pub pid: Option<u32>,
    /// Whether the holder lives; if not, the next who needs the lock takes it over.
    pub is_alive: bool,
}

/// Clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockView {
    /// What this machine's clock shows.
    #[serde(serialize_with = "json::text")]
    pub now: Timestamp,
    /// The latest instant that any tenant has seen.
    #[serde(serialize_with = "json::text_or_null")]
    pub latest_seen: Option<Timestamp>,
    /// Milliseconds by which it ran ahead of the time since the boot since processes last believed
    /// it; absent: no process has looked.
    pub ahead_ms: Option<i64>,
    /// Milliseconds by which it was set back since the boot.
    pub set_back_ms: i64,
}

/// Where to look, as for opening.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) database: &'a Path,
    pub(crate) live_file: &'a Path,
    pub(crate) allow_network: bool,
}

/// Looks at everything.
pub(crate) fn diagnose(subject: Subject<'_>) -> Diagnosis {
    let mut concerns = Vec::new();
    let about = if subject.database.exists() {
        inspect::inspect(subject.database)
            .map_err(|error| concerns.push(judge::of_database(&error)))
            .ok()
    } else {
        concerns.push(judge::no_database(subject.database));
        None
    };
    let now = SystemClock.now();
    let looked = live::look(subject.live_file);
    let file = looked.file;
    concerns.extend(looked.concern);
    let mut diagnosis = Diagnosis {
        database: subject.database.to_owned(),
        live_file: subject.live_file.to_owned(),
        files: files::look(&subject),
        file_systems: files::file_systems(&subject),
        versions: versions(about.as_ref(), looked.layout),
        live: looked.view,
        owners: looked.owners,
        stuck: looked.stuck,
        clock: clock_view(now, looked.latest_seen, file.as_ref()),
        concerns: Vec::new(),
    };
    let meta = about.and_then(|it| it.meta);
    judge::judge(&diagnosis, &subject, &mut concerns);
    if let Some(meta) = &meta {
        judge::second_live_file(meta, &diagnosis, &mut concerns);
    }
    if let (Some(file), Some(meta)) = (&file, &meta) {
        judge::identity(file, meta, &diagnosis, &mut concerns);
    }
    concerns.sort_by_key(|it| it.severity);
    diagnosis.concerns = concerns;
    diagnosis
}

fn clock_view(
    now: Timestamp,
    latest_seen: Option<Timestamp>,
    file: Option<&Inspected>,
) -> ClockView {
    let seen = file.and_then(clocks::inspect);
    let ahead_ms = seen.map(|seen| seen.ahead_ms);
    ClockView { now, latest_seen, ahead_ms, set_back_ms: seen.map_or(0, |seen| seen.back_ms) }
}

fn versions(about: Option<&About>, layout_found: Option<u64>) -> Versions {
    Versions {
        library: env!("CARGO_PKG_VERSION"),
        layout: layout::LAYOUT_VERSION,
        layout_found,
        schema: inspect::SCHEMA,
        schema_found: about.map(|it| it.schema),
        sqlite: inspect::sqlite_version(),
        zone_data: zones::BUILT_IN,
        zone_data_of_system: zones::version_of_system().map(|(version, _)| version),
    }
}
