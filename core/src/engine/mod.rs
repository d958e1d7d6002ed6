//! What a host calls: opening, deciding, administration, maintenance.

mod access_tokens;
mod admin_tx;
mod administer;
mod apply;
mod at_gateway;
mod attempt;
mod auto_renew;
mod call;
mod caller;
mod campaign;
mod carry;
mod charges;
mod checkpoint;
mod clocks;
mod contacts;
mod create;
mod cursor;
mod decide;
mod delivery;
mod due_dates;
mod erase;
mod events;
mod export;
mod find;
mod frequent;
mod grants;
mod invoices;
mod joining;
mod lag;
mod late;
mod leases;
mod limits;
mod load_catalog;
mod maintenance_thread;
mod manual_invoices;
mod message;
mod meters;
mod metrics;
mod next_due;
mod once;
mod open;
mod own_prices;
mod page_sessions;
mod pauses;
mod paying;
mod payments;
mod plan_change;
mod purchases;
mod purge;
mod quote;
mod rates;
mod rebuild;
mod reclaim;
mod refund;
mod register;
mod replayed;
mod reports;
mod reserve;
mod restore;
mod seats;
mod sends;
mod session_call;
mod settle_due;
mod signup;
mod state;
mod status;
mod subscriptions;
mod tenant;
mod trail;
mod trials;
mod unmatched;
mod verify;
mod view;
mod webhooks;
mod what_if;
mod with_entries;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use access_tokens::{
    Access, AccessRole, AccessTokenView, AccessTokens, IssuedToken, NewAccessToken,
};
pub use call::{Details, Direction, LIFETIME_MS_MAX};
pub use caller::Once;
pub use campaign::CampaignQuote;
pub use carry::{PlanChange, PlanChangeQuote, QuotedInvoice};
pub use create::{Extra, NewTenant};
pub use cursor::{Cursor, Progress};
pub use delivery::{Delivery, DeliveryOutcome};
pub use erase::ErasedAccount;
pub use events::Event;
pub use find::{TenantFilter, TenantLine, TenantSearch};
pub use grants::NewGrant;
pub use invoices::{Invoice, InvoiceLine, InvoiceStatus};
pub use joining::Terms;
pub(crate) use lag::ALARM_AFTER_MS;
pub use lag::Lag;
pub use leases::Leases;
pub use load_catalog::CatalogLoss;
pub use maintenance_thread::Maintained;
pub use manual_invoices::ManualLine;
pub use meters::Meter;
pub use metrics::{DenialTotal, Metrics, ProcessMetrics, ResourceTotal};
pub use next_due::NextPeriod;
pub use open::{Builder, Durability, Maintenance, Opening, Origin};
pub use own_prices::InvoicePreview;
pub use page_sessions::{PageSession, PageVisit};
pub use payments::{IgnoredBecause, PaymentOutcome};
pub use purchases::Purchase;
pub use quote::{CostLine, Quote};
pub use rates::Rates;
pub use register::{AccountSummary, FieldProblem, PlanOffer, SummaryInvoice, Validation};
pub use reserve::Resolution;
pub use seats::{Occupancy, Seat, Seats, TokenSeat};
pub use signup::{AccountHolder, AccountHolderView, Address, Administrator};
pub use subscriptions::SubscriptionRecord;
pub use tenant::{ResourceRef, Tenant};
pub use trail::AuditEntry;
pub use unmatched::{Charge, ChargeState, Unmatched};
pub use verify::Finding;
pub use view::{Balance, GrantView, Metric, PeriodView, SubscriptionView, TenantReport, UsageRow};
pub use webhooks::{
    Attempt, DeadDelivery, IssuedWebhook, Outgoing, OutgoingEvent, WebhookView, Webhooks,
};
pub use what_if::OverLimit;

use crate::catalog::{Catalog, Compiled, Names, is_granted};
use crate::clock::Clock;
use crate::error::{Error, OpenError};
use crate::live::attach::Attachment;
use crate::live::file::GrowError;
use crate::live::location::KnownDatabase;
use crate::live::lock::LockError;
use crate::live::record::RecordGuard;
use crate::live::{LiveFile, Poison, directory};
use crate::names;
use crate::rules::ResourceId;
use crate::store::Store;
use crate::unknown::UnknownName;
use maintenance_thread::{MaintenanceThread, Opened};

/// Longest tenant name, in bytes.
pub const TENANT_NAME_BYTES_MAX: usize = 128;
/// Longest contact, channel, category or idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 256;

/// How long a decision waits for another thread that holds the tenant: a stopped process must
/// not hang every other one.
const RECORD_TIMEOUT: Duration = Duration::from_secs(1);

/// The quota engine of one database: cheap to clone, to be shared by all threads.
///
/// One database file has one engine per process; opening it again gives the same one. A forked
/// child may go on using what it inherited.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    /// Closes when the last engine is dropped; the maintenance thread holds `shared` alone.
    _opened: Arc<Opened>,
    /// `None`: the machine's, which is read without a detour.
    clock: Option<Arc<dyn Clock>>,
    durability: Durability,
    /// How long a decision waits for the holder of the tenant's lock; zero: it waits for nothing at
    /// all.
    timeout: Duration,
    /// How long `Durability::Disk` waits.
    disk_timeout: Duration,
    /// The key under which administrative operations take effect once.
    key: Option<Arc<str>>,
    /// Who makes administrative changes, for the audit trail.
    actor: Option<Arc<str>>,
}

/// What all engines of one database and process share.
struct Shared {
    live: LiveFile,
    store: Arc<Store>,
    /// Every catalog that this process has seen in force. They are few, and a reader of one
    /// needs no count of readers.
    catalogs: boxcar::Vec<Compiled>,
    /// Place of the one in force.
    newest: AtomicUsize,
    opening: Opening,
    live_path: Option<PathBuf>,
    maintenance: Maintenance,
    maintenance_thread: MaintenanceThread,
    /// Held as long as this process is attached; `None`: in memory.
    attachment: Mutex<Option<Attachment>>,
    /// `None`: in memory.
    database: Option<KnownDatabase>,
}

impl Engine {
    /// Opens the database at `path`, creating it if there is none, with the default options.
    ///
    /// Reads and writes the disk.
    pub fn open(path: impl AsRef<Path>) -> Result<Engine, Error> {
        Engine::builder(path).open()
    }

    /// Options for opening the database at `path`.
    pub fn builder(path: impl AsRef<Path>) -> Builder {
        Builder::new(Some(path.as_ref()))
    }

    /// Options for a database in memory, which no other process sees: for tests of a host.
    #[must_use]
    pub fn in_memory() -> Builder {
        Builder::new(None)
    }

    /// How the live file was found when this process opened it.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.shared.opening
    }

    /// Where the live file lies; `None`: in memory.
    #[must_use]
    pub fn live_path(&self) -> Option<&Path> {
        self.shared.live_path.as_deref()
    }

    /// The same engine with another durability for the calls made through it.
    #[must_use]
    pub fn with_durability(&self, durability: Durability) -> Engine {
        Engine { durability, ..self.clone() }
    }

    /// The same engine, whose decisions never wait: where one would have to, for another thread's
    /// lock, for SQLite or for the disk, it is not made and the answer is
    /// [`Busy`](Error::Busy). For hosts with a lock of their own, which they release before they
    /// ask again in earnest. `None`: by its options this engine waits in any case, for each
    /// decision to be on disk or to make a checkpoint.
    #[must_use]
    pub fn without_waiting(&self) -> Option<Engine> {
        let may_wait =
            self.durability == Durability::Disk || self.shared.maintenance == Maintenance::Inline;
        (!may_wait).then(|| Engine { timeout: Duration::ZERO, ..self.clone() })
    }

    /// The same engine with another clock: for replays, each with the time of its own traffic.
    #[must_use]
    pub fn with_clock(&self, clock: Arc<dyn Clock>) -> Engine {
        Engine { clock: Some(clock), ..self.clone() }
    }

    /// The tenant with this name, for many calls. Touches the disk only where a process died while
    /// it was changing this tenant.
    pub fn tenant(&self, name: &str) -> Result<Tenant, Error> {
        let at = self.record_of(name)?;
        if self.shared.lock_record(at)?.pending().is_some() {
            self.shared.resolve_record(at)?;
        }
        if !self.shared.lock_record(at)?.is_live() {
            return Err(Error::UnknownTenant(name.into()));
        }
        Ok(Tenant::new(self.clone(), at, name))
    }

    /// The number of a resource that can be consumed, which saves its look-up by name in every
    /// call.
    #[inline]
    pub fn resource(&self, name: &str) -> Result<ResourceId, Error> {
        match self.shared.newest().and_then(|compiled| compiled.resource(name)) {
            Some((resource, kind)) if is_granted(kind) => Ok(resource),
            _ => self.shared.resource_or_why_not(name),
        }
    }

    /// The name of a resource by its number, as the catalog in force knows it.
    #[must_use]
    pub fn resource_name(&self, resource: ResourceId) -> Option<&str> {
        self.shared.compiled().ok()?.resource_name(resource)
    }

    /// The catalog in force and its version.
    pub fn catalog(&self) -> Result<(u64, Catalog), Error> {
        let compiled = self.shared.compiled()?;
        Ok((compiled.version, compiled.catalog.clone()))
    }

    #[inline]
    fn record_of(&self, name: &str) -> Result<u64, Error> {
        if name.len() <= TENANT_NAME_BYTES_MAX {
            let hash = self.shared.live.hash_name(name);
            if let Some(at) = directory::find(&self.shared.live.memory, hash) {
                return Ok(at);
            }
        }
        Err(no_record(name))
    }

    /// As [`record_of`](Self::record_of), for administration and reports, which may read the
    /// database: the error names a tenant whose name is spelt like this one.
    fn record_or_similar(&self, name: &str) -> Result<u64, Error> {
        self.record_of(name).map_err(|error| self.shared.name_similar(error))
    }
}

impl Shared {
    /// Adds to an unknown tenant the name that was probably meant. A database that cannot be read
    /// leaves the error as it is.
    #[cold]
    fn name_similar(&self, error: Error) -> Error {
        match error {
            Error::UnknownTenant(unknown) => {
                let near = self.store.tenants_beside(unknown.name()).unwrap_or_default();
                let near = near.iter().map(String::as_str);
                Error::UnknownTenant(UnknownName::among(unknown.name(), near).near_only())
            }
            other => other,
        }
    }

    /// Refuses if the live file may no longer be used.
    #[inline]
    fn check_poison(&self) -> Result<(), Error> {
        match self.live.poison() {
            None => Ok(()),
            Some(poison) => Err(Error::Poisoned(poison.why())),
        }
    }

    /// Calls the live file damaged, to all processes.
    #[cold]
    fn damaged(&self) -> Error {
        self.live.set_poison(Poison::Damaged);
        Error::Poisoned(Poison::Damaged.why())
    }

    /// As [`check_poison`](Self::check_poison), and whether the database is still where it was.
    /// This process alone stops where it is not: others may know it by another path.
    fn check_database(&self) -> Result<(), Error> {
        if self.database.as_ref().is_some_and(KnownDatabase::is_gone) {
            self.live.set_poison(Poison::DatabaseGone);
        }
        self.check_poison()
    }

    #[inline(always)]
    fn lock_record(&self, at: u64) -> Result<RecordGuard<'_>, Error> {
        self.lock_record_within(at, RECORD_TIMEOUT)
    }

    #[inline(always)]
    fn lock_record_within(&self, at: u64, timeout: Duration) -> Result<RecordGuard<'_>, Error> {
        RecordGuard::lock(&self.live.memory, at, timeout)
            .map_err(|error| not_locked("the tenant", error))
    }

    /// The catalog in force, as every process sees it.
    #[inline]
    fn compiled(&self) -> Result<&Compiled, Error> {
        match self.newest() {
            Some(newest) => Ok(newest),
            None => self.reload_catalog(),
        }
    }

    /// The catalog in force, if this process has seen it already.
    #[inline]
    fn newest(&self) -> Option<&Compiled> {
        let newest = self.catalogs.get(self.newest.load(Ordering::Acquire))?;
        (newest.version == self.live.catalog_version()).then_some(newest)
    }

    #[cold]
    fn resource_or_why_not(&self, name: &str) -> Result<ResourceId, Error> {
        administer::granted_resource(self.compiled()?, name)
    }

    #[cold]
    fn reload_catalog(&self) -> Result<&Compiled, Error> {
        let damaged = || Error::Poisoned("the catalog in the live file is damaged");
        let compiled = match self.live.catalog() {
            Some((_, bytes)) => Compiled::from_bytes(&bytes).ok_or_else(damaged)?,
            None => Compiled::new(0, Catalog::empty(), Names::default()),
        };
        let index = self.catalogs.push(compiled);
        self.newest.store(index, Ordering::Release);
        self.catalogs.get(index).ok_or_else(damaged)
    }
}

/// Why a lock was not had, of `what` it guards.
#[cold]
fn not_locked(what: &'static str, error: LockError) -> Error {
    match error {
        LockError::Busy => Error::Busy { what },
        LockError::NotAsked(why) => Error::OwnerNotAsked { what, why: why.to_string() },
        LockError::NotRegistered(why) => Error::NotRegistered { why: why.to_string() },
        LockError::Broken => Error::Poisoned("the live file is damaged"),
    }
}

/// Returns the error for a name without a record: an invalid name, or an unknown tenant.
#[cold]
fn no_record(name: &str) -> Error {
    match check_new_name(name) {
        Ok(()) => Error::UnknownTenant(name.into()),
        Err(error) => error,
    }
}

/// A name as it may stand in a message.
fn shorten(name: &str) -> String {
    name.chars().take(64).collect()
}

#[inline]
fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > TENANT_NAME_BYTES_MAX || name.contains('\0') {
        return Err(bad_name(name));
    }
    Ok(())
}

/// Refuses what a new tenant may not be called. Those that older versions let in stay reachable by
/// their names.
fn check_new_name(name: &str) -> Result<(), Error> {
    check_name(name)?;
    names::check(name).map_err(|why| Error::InvalidArgument { what: "tenant name", why })
}

#[cold]
fn bad_name(name: &str) -> Error {
    let why = match name.len() {
        0 => format!("it is empty; 1 to {TENANT_NAME_BYTES_MAX} bytes are allowed"),
        bytes if bytes > TENANT_NAME_BYTES_MAX => {
            format!("it has {bytes} bytes; 1 to {TENANT_NAME_BYTES_MAX} are allowed")
        }
        _ => "it contains a NUL character; leave it out".to_owned(),
    };
    Error::InvalidArgument { what: "tenant name", why }
}

/// Refuses keys that are empty or too long. Their text is personal and stays out of the message.
fn check_key(what: &'static str, key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        let why = match key.len() {
            0 => format!("it is empty; 1 to {KEY_BYTES_MAX} bytes are allowed"),
            bytes => format!("it has {bytes} bytes; 1 to {KEY_BYTES_MAX} are allowed"),
        };
        return Err(Error::InvalidArgument { what, why });
    }
    Ok(())
}

impl From<GrowError> for Error {
    fn from(error: GrowError) -> Self {
        match error {
            GrowError::Io(error) => Error::NoCapacity(error.to_string()),
            GrowError::AddressSpace => Error::NoCapacity("its address space is used up".to_owned()),
            GrowError::Busy => Error::Busy { what: "the live file's allocator" },
            GrowError::NotRegistered(why) => Error::NotRegistered { why: why.to_string() },
        }
    }
}

impl From<LockError> for OpenError {
    fn from(_: LockError) -> Self {
        OpenError::Busy { path: PathBuf::new() }
    }
}
