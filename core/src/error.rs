//! What can go wrong, by family. A denial is not among it: that is a [`Decision`](crate::Decision).
//!
//! Every error has a stable number, [`Error::code`], which C and Python share.

use std::io;
use std::path::PathBuf;

use crate::billing::{DocumentError, PayloadError, PriceError};
use crate::catalog::{CatalogError, with_article};
use crate::clock::Timestamp;
use crate::engine::{FieldProblem, Resolution};
use crate::rules::{Receipt, ReservationId, Status};
use crate::unknown::UnknownName;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file system said no.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database file is no SQLite database, or another program's.
    #[error("{path} is not a database of Cotas: {why}")]
    ForeignDatabase {
        /// The file.
        path: PathBuf,
        /// How that is known.
        why: String,
    },
    /// The database was written by a newer version.
    #[error("{path} has schema {found}; this version knows schemas up to {known}")]
    SchemaTooNew {
        /// The file.
        path: PathBuf,
        /// Its schema's number.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The live file was not made by this program, or belongs to another database.
    #[error("{path} is not the live file of this database: {why}")]
    LiveFileForeign {
        /// The file.
        path: PathBuf,
        /// How that is known.
        why: &'static str,
    },
    /// The live file has another layout, or was made by another kind of processor.
    #[error(
        "{path} was made by an incompatible version ({what} is {found:#x}, this version's is \
         {expected:#x}); close every process that uses it with the version that made it, then \
         open it again"
    )]
    LiveFileVersion {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// As it is.
        found: u64,
        /// As it would have to be.
        expected: u64,
    },
    /// The live file is shorter than it says, or refers outside itself.
    #[error("{path} is damaged: {why}; remove it to rebuild it from the last checkpoint")]
    LiveFileDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Others are using a live file that is no longer where it was.
    #[error("{path} is missing while other processes are attached to it; stop them first")]
    LiveFileMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The database has a live file in another place.
    #[error("the database already has a live file at {other}; a second one would count again")]
    SecondLiveFile {
        /// The live file in use.
        other: PathBuf,
    },
    /// The database is not the one the live file was running with: a restored backup, a copy.
    #[error(
        "{database} and {live} do not belong together (token {found:#018x}): the database was \
         restored or copied. Put a backup in place with `cotas restore`, or remove the live file \
         to go on from the database alone"
    )]
    TokenMismatch {
        /// The database.
        database: PathBuf,
        /// The live file.
        live: PathBuf,
        /// What the database holds.
        found: u64,
    },
    /// The live file would lie on a network file system, which does not share memory.
    #[error(
        "{path} is on a network file system ({kind}); name a local directory for the live file"
    )]
    NetworkFileSystem {
        /// The directory.
        path: PathBuf,
        /// The file system.
        kind: &'static str,
    },
    /// The database can be reached by a second path, which has a write-ahead log of its own: what
    /// is written by one path is not seen by the other.
    #[error(
        "{path} {why}, so that a second path leads to the same database and would count again; \
         open it by one path only, and give containers the directory, not the file"
    )]
    SeveralPaths {
        /// The database.
        path: PathBuf,
        /// How that is known.
        why: &'static str,
    },
    /// The live file was used with another database file, and holds what that one does not have.
    #[error(
        "{live} was used with another file than {database}: it was copied, moved to another file \
         system or restored without being closed. Put the former file back, or remove {live} to \
         go on from the database alone; what was used since its last checkpoint is lost then"
    )]
    DatabaseMoved {
        /// The database.
        database: PathBuf,
        /// The live file.
        live: PathBuf,
    },
    /// The live file would lie on a file system on which space cannot be reserved: a full disk
    /// would end the process.
    #[error(
        "{path} is on {kind}, which cannot reserve space for a file: a full disk would end the \
         process. Name a directory on a tmpfs or on ext4 or XFS for the live file"
    )]
    FileSystem {
        /// The directory.
        path: PathBuf,
        /// The file system.
        kind: &'static str,
    },
    /// Processes that may live were using the live file, and cannot be asked from here.
    #[error(
        "process {pid} may still be using {path}: whether it lives cannot be known in this PID \
         namespace. Stop it, or open the database where it ran"
    )]
    OwnersUnknown {
        /// The live file.
        path: PathBuf,
        /// The id of one of them, in its PID namespace.
        pid: u32,
    },
    /// Another file lies in the place of the database whose write-ahead log is still there: a
    /// backup was copied over it. Together they would be a mixture of both.
    #[error(
        "{path} is not the file that the log {path}-wal belongs to: a backup was copied over it. \
         Move both away and put the backup in place with `cotas restore`"
    )]
    DatabaseReplaced {
        /// The database.
        path: PathBuf,
    },
    /// Processes are using the database, which is to be replaced.
    #[error("processes are using {path}; stop them before it is replaced")]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// Another process is opening the database and does not finish.
    #[error("another process has been opening {path} for too long")]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// This process already has the database open in an incompatible way.
    #[error("{path} is already open in this process with another {what}")]
    AlreadyOpen {
        /// The database.
        path: PathBuf,
        /// The option that differs.
        what: &'static str,
    },
    /// SQLite could not open or read the database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why remembering in SQLite failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite reported an error; nothing was changed.
    #[error("SQLite, while {doing}: {source}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The disk is full; nothing was changed and the next attempt may succeed.
    #[error("the disk is full (while {doing})")]
    Full {
        /// What was being done.
        doing: &'static str,
    },
    /// Another writer held the database for too long.
    #[error("the database is busy (while {doing})")]
    Busy {
        /// What was being done.
        doing: &'static str,
    },
    /// The database cannot be written.
    #[error("the database is read-only (while {doing})")]
    ReadOnly {
        /// What was being done.
        doing: &'static str,
    },
    /// The database was exchanged under the live file.
    #[error(
        "the database was restored or replaced under a running live file (token {found:#018x})"
    )]
    TokenMismatch {
        /// What the database holds.
        found: u64,
    },
    /// A commit whose outcome is unknown: the engine refuses until all have detached.
    #[error("a commit's outcome is unknown; close the engine in all processes and open it again")]
    Poisoned,
    /// A row says something that cannot be.
    #[error("the database holds an impossible {what}: {value}")]
    Corrupt {
        /// What it is.
        what: &'static str,
        /// What it says.
        value: String,
    },
}

/// Everything that a call can answer instead of doing what was asked. Nothing was changed, unless
/// the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Opening failed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Remembering failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalog is wrong.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A CPF, CNPJ or CEP is not one.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A gateway's webhook cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Something has no price.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// There is no such tenant.
    #[error("unknown tenant {0}")]
    UnknownTenant(UnknownName),
    /// There is such a tenant already.
    #[error("tenant {0:?} exists already")]
    TenantExists(String),
    /// The catalog has no such resource.
    #[error("unknown resource {0}")]
    UnknownResource(UnknownName),
    /// The catalog has no such action.
    #[error("unknown action {0}")]
    UnknownAction(UnknownName),
    /// The catalog has no such plan.
    #[error("unknown plan {0}")]
    UnknownPlan(UnknownName),
    /// No plan has such a feature, or not at that level.
    #[error("unknown feature {0}")]
    UnknownFeature(UnknownName),
    /// The catalog has no such package.
    #[error("unknown package {0}")]
    UnknownPackage(UnknownName),
    /// There is no such invoice.
    #[error("unknown invoice {0}")]
    UnknownInvoice(i64),
    /// A plan whose price is agreed one by one, for a tenant that has none.
    #[error("plan {plan:?} has no price: give the tenant a price of its own for it first")]
    PriceMissing {
        /// The plan.
        plan: String,
    },
    /// The tenant cannot buy this.
    #[error("{package:?} is not for sale to this tenant: {why}")]
    NotForSale {
        /// The package.
        package: String,
        /// Why not.
        why: &'static str,
    },
    /// Another tenant has this document.
    #[error("the document is in use by another tenant")]
    DocumentInUse,
    /// The report is for managers and above.
    #[error("the report is for managers and above")]
    RoleTooLow,
    /// The operation does not fit the kind of resource.
    #[error("{resource:?} is {}; {needed} is needed", with_article(kind))]
    WrongKind {
        /// The resource.
        resource: String,
        /// Its kind.
        kind: &'static str,
        /// What the operation works on: "a seat", "an allowance or a session".
        needed: String,
    },
    /// An argument is not acceptable.
    #[error("{what}: {why}")]
    InvalidArgument {
        /// The argument.
        what: &'static str,
        /// The rule, and the value where it is not personal.
        why: String,
    },
    /// A registration form is wrong: everything that is, by field.
    #[error("{}", crate::form::fields::sentence(.0))]
    InvalidForm(Vec<FieldProblem>),
    /// The tenant owes something, and cannot be erased before that is paid or cancelled.
    #[error("tenant {tenant:?} owes invoices {invoices:?}; have them paid, or cancel the debt")]
    Owes {
        /// The tenant.
        tenant: String,
        /// The numbers of the invoices.
        invoices: Vec<i64>,
    },
    /// The idempotency key was used before, with other arguments.
    #[error("the idempotency key was used before with other arguments")]
    IdempotencyConflict,
    /// An account cannot go from the one status to the other.
    #[error(
        "a tenant that is {from} cannot become {to}{}",
        allowed_after(*.from),
        from = .from.code(),
        to = .to.code()
    )]
    Transition {
        /// The present status.
        from: Status,
        /// The one asked for.
        to: Status,
    },
    /// The tenant has no subscription that this could be done to.
    #[error("tenant {0:?} has no subscription")]
    NoSubscription(String),
    /// The clock has jumped far ahead of all that the tenant has seen; it would burn periods.
    #[error(
        "the clock shows {now}, more than 400 days past {high_water_mark}; \
         confirm it for this tenant"
    )]
    ClockJump {
        /// What the clock shows.
        now: Timestamp,
        /// The latest instant the tenant has seen.
        high_water_mark: Timestamp,
    },
    /// A replay has come past this place already.
    #[error("the event at position {position} was decided before")]
    AlreadyDecided {
        /// The event's place in its file.
        position: u64,
    },
    /// No reservation has this id, or it has been forgotten: 7 days after its time.
    #[error("unknown reservation {0}")]
    UnknownReservation(ReservationId),
    /// The reservation was resolved before.
    #[error("the reservation was resolved before: {}", .0.code())]
    AlreadyResolved(Resolution),
    /// No decision has this receipt, or its idempotency key has expired.
    #[error("unknown receipt {0}")]
    UnknownReceipt(Receipt),
    /// What the receipt charged was given back before.
    #[error("the receipt was refunded before")]
    AlreadyRefunded,
    /// The handle was given out before the live file was made again, when it may have named what
    /// is lost.
    #[error("the {what} is from before the live file was rebuilt")]
    Stale {
        /// What kind of handle it is.
        what: &'static str,
    },
    /// The holder does not have the lease, or not under this number: it has expired, was released,
    /// or is another's.
    #[error("no lease of {resource:?} is held under the number {fencing}")]
    LeaseNotHeld {
        /// The resource.
        resource: String,
        /// The fencing number.
        fencing: u64,
    },
    /// The holder has no seat.
    #[error("that holder has no seat of {resource:?}")]
    SeatNotHeld {
        /// The resource.
        resource: String,
    },
    /// The token opens another seat already.
    #[error("the token is in use for another seat")]
    TokenTaken,
    /// The seats of the resource are taken with a token each, and none was given (docs/sources.md,
    /// Whazing).
    #[error("a seat of {resource:?} needs a token of its own")]
    TokenMissing {
        /// The resource.
        resource: String,
    },
    /// The catalog has changed since the action was quoted.
    #[error("the tariff has changed: {quoted} was quoted, {in_force} is in force")]
    TariffChanged {
        /// The version that was quoted.
        quoted: u64,
        /// The version in force.
        in_force: u64,
    },
    /// Another thread or process held the tenant, or the admin transaction, for too long.
    #[error("{what} was held by another process for too long")]
    Busy {
        /// What was held.
        what: &'static str,
    },
    /// Decisions are refused while changes wait for longer than `lag_max` to be written to SQLite.
    #[error(
        "changes have waited for {lag_ms} ms to be written to the database, and {lag_max_ms} ms at \
         most are allowed; try again, and look at what `lag` says"
    )]
    Lagging {
        /// How old the oldest of them is, in milliseconds.
        lag_ms: u64,
        /// What [`Builder::lag_max`](crate::Builder::lag_max) allows.
        lag_max_ms: u64,
    },
    /// A process held it for too long that could not be asked whether it lives.
    #[error("{what} is locked, and whether its owner lives could not be asked: {why}")]
    OwnerNotAsked {
        /// What was held.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// This process cannot use the live file's locks: it may not open the file, for one.
    #[error("this process cannot register with the live file: {why}")]
    NotRegistered {
        /// Why not.
        why: String,
    },
    /// The live file cannot grow.
    #[error("the live file cannot grow: {0}")]
    NoCapacity(String),
    /// The decision was applied; whether it reached the disk in time is not known.
    #[error("applied, but not confirmed on disk in time")]
    DurabilityUnknown,
    /// The live file was found damaged, or a commit's outcome is unknown.
    #[error("the engine is poisoned: {0}; close it in all processes and open it again")]
    Poisoned(&'static str),
}

/// The statuses that may follow one, for a message.
fn allowed_after(from: Status) -> String {
    let may_follow = Status::ALL.into_iter().filter(|&next| next != from && from.may_become(next));
    let codes: Vec<_> = may_follow.map(Status::code).collect();
    if codes.is_empty() { String::new() } else { format!(" (expected {})", codes.join(" or ")) }
}

impl Error {
    /// The error's number, the same in every release and every language.
    #[must_use]
    pub const fn code(&self) -> i32 {
        match self {
            Error::Open(error) => error.code(),
            Error::Store(error) => error.code(),
            Error::Catalog(_) => 300,
            Error::Document(_) => 330,
            Error::Payload(_) => 331,
            Error::Price(_) => 332,
            Error::UnknownTenant(_) => 400,
            Error::TenantExists(_) => 401,
            Error::UnknownResource(_) => 402,
            Error::UnknownAction(_) => 403,
            Error::UnknownPlan(_) => 404,
            Error::WrongKind { .. } => 405,
            Error::InvalidArgument { .. } => 406,
            Error::IdempotencyConflict => 407,
            Error::Transition { .. } => 408,
            Error::NoSubscription(_) => 409,
            Error::ClockJump { .. } => 410,
            Error::AlreadyDecided { .. } => 411,
            Error::UnknownReservation(_) => 412,
            Error::AlreadyResolved(_) => 413,
            Error::UnknownReceipt(_) => 414,
            Error::AlreadyRefunded => 415,
            Error::Stale { .. } => 416,
            Error::LeaseNotHeld { .. } => 417,
            Error::SeatNotHeld { .. } => 418,
            Error::TokenTaken => 419,
            Error::TariffChanged { .. } => 420,
            Error::UnknownFeature(_) => 421,
            Error::UnknownPackage(_) => 422,
            Error::UnknownInvoice(_) => 423,
            Error::NotForSale { .. } => 424,
            Error::DocumentInUse => 425,
            Error::RoleTooLow => 426,
            Error::TokenMissing { .. } => 427,
            Error::PriceMissing { .. } => 428,
            Error::InvalidForm(_) => 440,
            Error::Owes { .. } => 441,
            Error::Busy { .. } | Error::Lagging { .. } => 500,
            Error::NoCapacity(_) => 501,
            Error::DurabilityUnknown => 502,
            Error::Poisoned(_) => 503,
            Error::OwnerNotAsked { .. } => 504,
            Error::NotRegistered { .. } => 505,
        }
    }
}

impl OpenError {
    /// Whether it says that the database is broken, and not that it cannot be had now.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            OpenError::ForeignDatabase { .. } => true,
            OpenError::Store(error) => error.is_damage(),
            _ => false,
        }
    }

    const fn code(&self) -> i32 {
        match self {
            OpenError::Io { .. } => 100,
            OpenError::ForeignDatabase { .. } => 101,
            OpenError::SchemaTooNew { .. } => 102,
            OpenError::LiveFileForeign { .. } => 103,
            OpenError::LiveFileVersion { .. } => 104,
            OpenError::LiveFileDamaged { .. } => 105,
            OpenError::LiveFileMissing { .. } => 106,
            OpenError::SecondLiveFile { .. } => 107,
            OpenError::TokenMismatch { .. } => 108,
            OpenError::NetworkFileSystem { .. } => 110,
            OpenError::Busy { .. } => 111,
            OpenError::AlreadyOpen { .. } => 112,
            OpenError::SeveralPaths { .. } => 113,
            OpenError::DatabaseMoved { .. } => 114,
            OpenError::FileSystem { .. } => 115,
            OpenError::OwnersUnknown { .. } => 116,
            OpenError::DatabaseReplaced { .. } => 117,
            OpenError::InUse { .. } => 118,
            OpenError::Store(error) => error.code(),
        }
    }
}

impl StoreError {
    pub(crate) fn is_damage(&self) -> bool {
        use rusqlite::ffi::ErrorCode;
        match self {
            StoreError::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ),
            StoreError::Corrupt { .. } => true,
            _ => false,
        }
    }

    const fn code(&self) -> i32 {
        match self {
            StoreError::Sqlite { .. } => 200,
            StoreError::Full { .. } => 201,
            StoreError::Busy { .. } => 202,
            StoreError::ReadOnly { .. } => 203,
            StoreError::TokenMismatch { .. } => 204,
            StoreError::Poisoned => 205,
            StoreError::Corrupt { .. } => 206,
        }
    }
}
