//! Opening: adopting the live file, joining those who use it, or rebuilding it from SQLite.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::maintenance_thread::{MaintenanceThread, Opened};
use super::rebuild::rebuild;
use super::{Engine, RECORD_TIMEOUT, Shared};
use crate::clock::Clock;
use crate::doctor::{self, Diagnosis, Subject};
use crate::error::{Error, OpenError};
use crate::live::attach::{self, Attachment, FoundFile};
use crate::live::layout::header;
use crate::live::location::{self, DatabaseFile, KnownDatabase};
use crate::live::{Identity, LiveFile};
use crate::store::{self, Meta, Store};
use crate::zones;

/// What an acknowledged decision survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The crash of any and all processes; a power cut costs at most one checkpoint interval.
    #[default]
    Process,
    /// A power cut as well: the call returns when the decision is on disk, with everything that was
    /// decided for its tenant before. How many other tenants have changed does not matter.
    Disk,
}

/// Who makes checkpoints and settles tenants promptly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Maintenance {
    /// A background thread of this process, started with the first decision.
    #[default]
    Thread,
    /// No thread: the call that finds a checkpoint overdue makes it.
    Inline,
    /// The host, by [`Engine::maintain`], or another process.
    External,
}

/// How the live file was found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Opening {
    /// What was done.
    pub origin: Origin,
    /// Why, in a sentence.
    pub why: &'static str,
    /// Consumption since the last checkpoint may be missing.
    pub may_miss_consumption: bool,
    /// Which rules of time zones are in force: their version, and where they are from.
    pub zone_rules: String,
}

impl Opening {
    fn new(origin: Origin, why: &'static str, may_miss_consumption: bool) -> Opening {
        Opening { origin, why, may_miss_consumption, zone_rules: zones::in_force() }
    }
}

/// What opening did with the live file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It was taken over as it stood: nothing is missing.
    Adopted,
    /// Others are using it: nothing is missing.
    Joined,
    /// It was made from SQLite.
    Rebuilt,
}

/// Options for opening an engine.
#[derive(Clone)]
pub struct Builder {
    pub(super) path: Option<PathBuf>,
    live_directory: Option<PathBuf>,
    clock: Option<Arc<dyn Clock>>,
    durability: Durability,
    maintenance: Maintenance,
    checkpoint_interval: Duration,
    disk_timeout: Duration,
    lag_max: Option<Duration>,
    allow_network: bool,
    keep_open: bool,
}

/// Engines open in this process, by database file. The thread that locks this is inside the store,
/// so that no fork finds it locked.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, OpenFile>>> = LazyLock::new(Mutex::default);

/// A database file in this process.
struct OpenFile {
    opened: Weak<Opened>,
    /// The same, kept open while it is not in use.
    kept: Option<Arc<Opened>>,
}

/// How long opening waits for another process that is adopting or rebuilding the live file.
const OPENING_TIMEOUT: Duration = Duration::from_mins(1);
/// Times that a live file of others may refuse us before it is not their leaving.
const REFUSALS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The longest time that any option may name.
const DAY: Duration = Duration::from_hours(24);

impl Builder {
    pub(super) fn new(path: Option<&Path>) -> Builder {
        Builder {
            path: path.map(Path::to_owned),
            live_directory: None,
            clock: None,
            durability: Durability::default(),
            maintenance: Maintenance::default(),
            checkpoint_interval: Duration::from_millis(100),
            disk_timeout: Duration::from_secs(5),
            lag_max: None,
            allow_network: false,
            keep_open: false,
        }
    }

    /// Where the live file lies, instead of beside the database. All processes must name the
    /// same directory.
    #[must_use]
    pub fn live_directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.live_directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Where "now" comes from, instead of the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// What an acknowledged decision survives.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Who makes checkpoints.
    #[must_use]
    pub fn maintenance(mut self, maintenance: Maintenance) -> Self {
        self.maintenance = maintenance;
        self
    }

    /// The time between checkpoints (default 100 ms, at most a day): what a power cut
    /// may cost.
    #[must_use]
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.checkpoint_interval = interval.min(DAY);
        self
    }

    /// How long [`Durability::Disk`] waits before it answers
    /// [`DurabilityUnknown`](Error::DurabilityUnknown) (default 5 s, at most a day). A caller
    /// that has begun to write, for itself and for others, returns when the disk has answered.
    #[must_use]
    pub fn disk_timeout(mut self, timeout: Duration) -> Self {
        self.disk_timeout = timeout.min(DAY);
        self
    }

    /// Refuses decisions as [`Busy`](Error::Busy) while changes have waited for longer than `max`
    /// (at least 1 ms, at most a day) to be written to SQLite: what a power cut may cost has a
    /// bound then, also while the disk is full. Without it they go on, see
    /// [`lag`](Engine::lag). Goes by the process: the first to open the database in it says so.
    #[must_use]
    pub fn lag_max(mut self, max: Duration) -> Self {
        self.lag_max = Some(max.clamp(Duration::from_millis(1), DAY));
        self
    }

    /// Permits a live file on a network file system, for those who know that only one host
    /// mounts it.
    #[must_use]
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.allow_network = allow;
        self
    }

    /// Keeps the engine open in this process when its last handle is dropped, for hosts that open
    /// it again for every request: opening it then only looks it up. The last to open it
    /// says whether it is kept. It is released when it is opened without this and dropped, or else
    /// with the process, which then leaves the last checkpoint interval to the next one, as a
    /// process does that is killed. Without meaning in memory.
    #[must_use]
    pub fn keep_open(mut self, keep: bool) -> Self {
        self.keep_open = keep;
        self
    }

    /// Opens. Reads and writes the disk; with a live file that can be adopted or joined it takes
    /// well under a millisecond and reads no tenant.
    pub fn open(&self) -> Result<Engine, Error> {
        store::watch_forks();
        let opened = match &self.path {
            Some(path) => self.open_shared(path)?,
            None => Arc::new(Opened { shared: Arc::new(self.open_in_memory()?) }),
        };
        if self.clock.as_ref().is_none_or(|clock| clock.is_wall()) {
            opened.shared.maintenance_thread.settles.store(true, Ordering::Relaxed);
        }
        Ok(Engine {
            shared: Arc::clone(&opened.shared),
            _opened: opened,
            clock: self.clock.clone(),
            durability: self.durability,
            timeout: RECORD_TIMEOUT,
            disk_timeout: self.disk_timeout,
            key: None,
            actor: None,
        })
    }

    /// Looks at the database, its live file and this machine from outside, and says what is wrong
    /// with them. Attaches to nothing, waits for no lock and writes nothing, so that it answers
    /// also where opening does not. Takes a second where a lock is held. In memory there is nothing
    /// to look at.
    pub fn doctor(&self) -> Result<Diagnosis, Error> {
        let Some(path) = &self.path else {
            let why = "a database in memory has no files to look at".to_owned();
            return Err(Error::InvalidArgument { what: "path", why });
        };
        let database = canonical(path)?;
        let live_file = self.live_path_of(&database)?;
        let allow_network = self.allow_network;
        Ok(doctor::diagnose(Subject { database: &database, live_file: &live_file, allow_network }))
    }

    fn open_shared(&self, path: &Path) -> Result<Arc<Opened>, Error> {
        let path = canonical(path)?;
        // Dropped where nothing is locked: closing waits for a thread and for the disk.
        drop(take_unusable(&path));
        // Dropped after what follows: should it be the last, closing waits for a thread, which may
        // wait for a fork, which waits for the threads inside.
        let found;
        // No fork of this process while a database is being opened.
        let _fork_guard = store::enter();
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        found = open.get(&path).and_then(|file| file.opened.upgrade());
        let opened = match &found {
            Some(opened) if opened.shared.maintenance != self.maintenance => {
                return Err(OpenError::AlreadyOpen { path, what: "maintenance" }.into());
            }
            Some(opened) => Arc::clone(opened),
            None => Arc::new(Opened { shared: Arc::new(self.attach(&path)?) }),
        };
        let is_kept = self.keep_open && opened.shared.live.poison().is_none();
        open.retain(|_, file| file.opened.strong_count() > 0);
        let kept = is_kept.then(|| Arc::clone(&opened));
        open.insert(path, OpenFile { opened: Arc::downgrade(&opened), kept });
        Ok(opened)
    }

    fn open_in_memory(&self) -> Result<Shared, Error> {
        let store = Arc::new(Store::in_memory());
        let meta = store.prepare()?;
        let live = attach::create_anonymous(identity(&meta)).map_err(|source| OpenError::Io {
            doing: "create the live file of",
            path: PathBuf::from(":memory:"),
            source,
        })?;
        let opening = Opening::new(Origin::Rebuilt, "the database is in memory", false);
        Ok(self.shared(live, store, opening, None))
    }

    fn shared(
        &self,
        live: LiveFile,
        store: Arc<Store>,
        opening: Opening,
        attached: Option<Attached>,
    ) -> Shared {
        if let Some(max) = self.lag_max {
            live.memory.limit_lag(max.as_millis() as u64);
        }
        let (live_path, attachment, database) = match attached {
            Some(it) => (Some(it.live_path), Some(it.attachment), Some(it.database)),
            None => (None, None, None),
        };
        Shared {
            live,
            store,
            catalogs: boxcar::Vec::new(),
            newest: AtomicUsize::new(0),
            opening,
            live_path,
            maintenance: self.maintenance,
            maintenance_thread: MaintenanceThread::new(self.checkpoint_interval),
            attachment: Mutex::new(attachment),
            database,
        }
    }

    /// Attaches this process: as the first, or as one of many.
    fn attach(&self, path: &Path) -> Result<Shared, Error> {
        let live_path = self.live_path(path)?;
        let store = Store::at(path.to_owned());
        attach::create_database(path)?;
        location::check_one_path(path)?;
        let lock_path = with_suffix(path, "-lock");
        let mut attachment = Attachment::open(&lock_path, path)?;
        let io = |source| OpenError::Io { doing: "lock", path: lock_path.clone(), source };
        let until = Instant::now() + OPENING_TIMEOUT;
        let mut refusals = 0;
        loop {
            let attached = if attachment.try_exclusive().map_err(io)? {
                attach_first(&attachment, &store, path, &live_path)?
            } else if attachment.try_shared().map_err(io)? {
                match join(&attachment, path, &live_path) {
                    Ok(found) => Some(found),
                    // Perhaps who is attached is only just leaving: then this is the first.
                    Err(error) if refusals >= REFUSALS => return Err(error.into()),
                    Err(_) => {
                        refusals += 1;
                        None
                    }
                }
            } else if Instant::now() > until {
                return Err(OpenError::Busy { path: lock_path.clone() }.into());
            } else {
                None
            };
            if let Some((live, opening)) = attached {
                attachment.settle().map_err(io)?;
                let database = KnownDatabase::new(path, DatabaseFile::of(&live));
                let attached = Attached { live_path, attachment, database };
                return Ok(self.shared(live, store, opening, Some(attached)));
            }
            attachment.release().map_err(io)?;
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Where the live file of the database at `path` lies.
    pub(super) fn live_path_of(&self, path: &Path) -> Result<PathBuf, OpenError> {
        let beside = with_suffix(path, "-live");
        match &self.live_directory {
            Some(directory) => canonical(&directory.join(beside.file_name().unwrap_or_default())),
            None => Ok(beside),
        }
    }

    fn live_path(&self, path: &Path) -> Result<PathBuf, OpenError> {
        let live_path = self.live_path_of(path)?;
        if let Some(directory) = live_path.parent() {
            location::check_file_system(directory, self.allow_network)?;
        }
        Ok(live_path)
    }
}

/// What an engine has whose database is in a file.
struct Attached {
    live_path: PathBuf,
    attachment: Attachment,
    database: KnownDatabase,
}

/// The engine that is kept for a database file, if it must be opened again: a live file that
/// refuses everything is put right only when the last has detached.
fn take_unusable(path: &Path) -> Option<Arc<Opened>> {
    let _fork_guard = store::enter();
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.get_mut(path)?.kept.take_if(|kept| kept.shared.live.poison().is_some())
}

/// With no other process attached: adopts the live file, or makes a new one. `None`: another
/// slipped in while the lock was handed down.
fn attach_first(
    attachment: &Attachment,
    store: &Store,
    path: &Path,
    live_path: &Path,
) -> Result<Option<(LiveFile, Opening)>, Error> {
    let meta = store.prepare()?;
    let io = |source| OpenError::Io { doing: "lock", path: path.to_owned(), source };
    let database = DatabaseFile::at(path).map_err(io)?;
    let found = attach::open(live_path, Some(meta.database_id))?;
    let (live, opening) = match why_rebuild(found, &meta, (path, live_path), database)? {
        Fate::Adopt(live) => {
            let why = "it was whole and fitted the database";
            (live, Opening::new(Origin::Adopted, why, false))
        }
        Fate::Rebuild { why, may_miss_consumption } => {
            let live = rebuild(store, &meta, path, live_path)?;
            (live, Opening::new(Origin::Rebuilt, why, may_miss_consumption))
        }
    };
    attach::adopt(&live, attachment, live_path, database)?;
    // Handing the lock down leaves a moment in which another may be the first.
    attachment.release().map_err(io)?;
    let stands = attachment.try_shared().map_err(io)?
        && attach::is_at(&live, live_path).map_err(io)?
        && attach::join(&live, attachment, live_path, database).is_ok();
    Ok(stands.then_some((live, opening)))
}

/// What becomes of a live file that no process is attached to.
enum Fate {
    Adopt(LiveFile),
    Rebuild { why: &'static str, may_miss_consumption: bool },
}

fn why_rebuild(
    found: FoundFile,
    meta: &Meta,
    (path, live_path): (&Path, &Path),
    database: DatabaseFile,
) -> Result<Fate, OpenError> {
    let rebuild = |why, may_miss_consumption| Ok(Fate::Rebuild { why, may_miss_consumption });
    match found {
        FoundFile::Usable(live) if live.header(header::EPOCH) < meta.epoch => {
            check_no_second(meta, live_path, database)?;
            rebuild("another live file was to take its place", false)
        }
        FoundFile::Usable(live) if !live.token_fits(meta.token) => Err(OpenError::TokenMismatch {
            database: path.to_owned(),
            live: live_path.to_owned(),
            found: meta.token,
        }),
        // The number of the device changes where a file system is mounted again.
        FoundFile::Usable(live) if DatabaseFile::of(&live).inode == database.inode => {
            Ok(Fate::Adopt(live))
        }
        FoundFile::Usable(live) if attach::is_clean(&live) => {
            rebuild("the database was moved or copied after it was closed", false)
        }
        FoundFile::Usable(_) => {
            Err(OpenError::DatabaseMoved { database: path.to_owned(), live: live_path.to_owned() })
        }
        FoundFile::Older { token } if token == meta.token => {
            rebuild("it was of an older layout, and closed in order", false)
        }
        FoundFile::Older { token: _ } => Err(OpenError::TokenMismatch {
            database: path.to_owned(),
            live: live_path.to_owned(),
            found: meta.token,
        }),
        FoundFile::OtherBoot => rebuild("the machine was restarted since it was made", true),
        FoundFile::Missing => {
            check_no_second(meta, live_path, database)?;
            if meta.live_path.is_empty() {
                rebuild("the database had none", false)
            } else {
                rebuild("it was missing", true)
            }
        }
    }
}

/// Attaches to a live file that others use.
fn join(
    attachment: &Attachment,
    path: &Path,
    live_path: &Path,
) -> Result<(LiveFile, Opening), OpenError> {
    match attach::open(live_path, None)? {
        FoundFile::Usable(live) => {
            let database = DatabaseFile::at(path).map_err(|source| OpenError::Io {
                doing: "inspect",
                path: path.to_owned(),
                source,
            })?;
            attach::join(&live, attachment, live_path, database)?;
            let why = "other processes are using it";
            Ok((live, Opening::new(Origin::Joined, why, false)))
        }
        FoundFile::Older { .. } => Err(attach::older_is_attached(live_path)),
        FoundFile::Missing | FoundFile::OtherBoot => {
            Err(OpenError::LiveFileMissing { path: live_path.to_owned() })
        }
    }
}

/// Refuses to make a live file while the database has a usable one elsewhere, unless that one was
/// closed and is of another file: then this database is a copy, and the other one is whole.
fn check_no_second(meta: &Meta, live_path: &Path, database: DatabaseFile) -> Result<(), OpenError> {
    let other = Path::new(&meta.live_path);
    if meta.live_path.is_empty() || other == live_path {
        return Ok(());
    }
    match attach::open(other, Some(meta.database_id)) {
        Ok(FoundFile::Usable(live)) if live.token_fits(meta.token) => {
            if attach::is_clean(&live) && DatabaseFile::of(&live).inode != database.inode {
                return Ok(());
            }
            Err(OpenError::SecondLiveFile { other: other.to_owned() })
        }
        _ => Ok(()),
    }
}

pub(super) fn identity(meta: &Meta) -> Identity {
    Identity {
        database_id: meta.database_id,
        hash_key: meta.hash_key,
        epoch: meta.epoch,
        token: meta.token,
    }
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The path with its directory resolved, so that one file has one name; the file itself need
/// not exist, and a link to it is followed if it does.
pub(super) fn canonical(path: &Path) -> Result<PathBuf, OpenError> {
    if path.is_dir() {
        let source = std::io::ErrorKind::IsADirectory.into();
        return Err(OpenError::Io { doing: "open", path: path.to_owned(), source });
    }
    if let Ok(path) = path.canonicalize() {
        return Ok(path);
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default();
    let directory = directory.canonicalize().map_err(|source| OpenError::Io {
        doing: "find the directory of",
        path: path.to_owned(),
        source,
    })?;
    Ok(directory.join(name))
}
