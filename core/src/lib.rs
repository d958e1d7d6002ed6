//! Cotas: exact, durable quotas inside a chat platform's own process.
//!
//! *May this tenant do this now, and if so, what does it use up?* The engine answers from memory
//! that all processes of a host share, exactly, and remembers in SQLite.
//!
//! - **Exact**: N threads in M processes against a limit of L: exactly L admitted.
//! - **Fast**: a decision makes no system call and allocates nothing.
//! - **Durable**: `kill -9` of any process loses no acknowledged unit.
//! - **One file, no server, no cron**: renewals happen when their time has come.
//! - **Explained**: a refusal is a value, with the rule and the numbers.
//!
//! ```
//! use cotas::{Catalog, Details, Engine, NewTenant};
//!
//! let engine = Engine::in_memory().open()?;
//! engine.load_catalog(&Catalog::parse(
//!     r#"
//!     [catalog]
//!     currency = "BRL"
//!     [resources.sessions]
//!     kind = "session"
//!     [plans.full]
//!     title = "Plano full"
//!     price = "299.00"
//!     limits = { sessions = 1000 }
//!     [actions.receive_message]
//!     gate = "receive"
//!     session = { resource = "sessions", extend = true }
//!     "#,
//!     "catalog.toml",
//! )?)?;
//! let due = engine.now().to_utc().date_naive();
//! engine.create_tenant(&NewTenant::new("padaria-aurora").plan("full", due, true))?;
//!
//! let tenant = engine.tenant("padaria-aurora")?;
//! let message = Details { channel: "whatsapp-1", contact: "c-1042", ..Details::default() };
//! let decision = tenant.perform("receive_message", &message)?;
//! assert!(decision.allowed());
//! assert_eq!(decision.available, 999);
//! # Ok::<(), cotas::Error>(())
//! ```
#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

#[cfg(not(target_os = "linux"))]
compile_error!("Cotas needs futexes and locks of open files: it runs on Linux only");

pub mod billing;
pub mod catalog;
mod clock;
mod closable;
pub mod control;
mod crash_points;
mod doctor;
mod engine;
mod error;
mod form;
mod json;
mod language;
mod live;
mod names;
mod report;
pub mod rules;
mod store;
mod twice;
mod unknown;
pub mod whatsapp;
mod zones;

pub use catalog::{BillingMode, Catalog, CatalogError, Limit};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use closable::{Closable, InUse};
pub use doctor::{
    ClockView, Concern, Diagnosis, FileSystemView, FileView, LiveView, OwnerView, Severity,
    StuckLock, Versions,
};
pub use engine::{
    Access, AccessRole, AccessTokenView, AccessTokens, AccountHolder, AccountHolderView,
    AccountSummary, Address, Administrator, Attempt, AuditEntry, Balance, Builder, CampaignQuote,
    CatalogLoss, Charge, ChargeState, CostLine, Cursor, DeadDelivery, Delivery, DeliveryOutcome,
    DenialTotal, Details, Direction, Durability, Engine, ErasedAccount, Event, Extra, FieldProblem,
    Finding, GrantView, IgnoredBecause, Invoice, InvoiceLine, InvoicePreview, InvoiceStatus,
    IssuedToken, IssuedWebhook, KEY_BYTES_MAX, LIFETIME_MS_MAX, Lag, Leases, Maintained,
    Maintenance, ManualLine, Meter, Metric, Metrics, NewAccessToken, NewGrant, NewTenant,
    NextPeriod, Occupancy, Once, Opening, Origin, Outgoing, OutgoingEvent, OverLimit, PageSession,
    PageVisit, PaymentOutcome, PeriodView, PlanChange, PlanChangeQuote, PlanOffer, ProcessMetrics,
    Progress, Purchase, Quote, QuotedInvoice, Rates, Resolution, ResourceRef, ResourceTotal, Seat,
    Seats, SubscriptionRecord, SubscriptionView, SummaryInvoice, TENANT_NAME_BYTES_MAX, Tenant,
    TenantFilter, TenantLine, TenantReport, TenantSearch, Terms, TokenSeat, Unmatched, UsageRow,
    Validation, WebhookView, Webhooks,
};
pub use error::{Error, OpenError, StoreError};
pub use form::{
    AccountHolderForm, ContactsForm, DetailsForm, InvoiceLineForm, TenantForm, UnitsForm,
};
pub use language::{Language, Wording};
pub use report::{
    BalanceLine, Balances, Channel, Channels, GrantLine, Interval, NextCharge, Pace, PlanReport,
    PlanSummary, Role, Statement, UsageBucket, UsageReport, figures, words,
};
pub use rules::{
    Decision, EventKind, LeaseOutcome, LineKind, Mode, Pause, Reason, Reasons, Receipt,
    ReservationId, ResourceId, SessionOutcome, Source, SourceCharge, SourceCharges, Status,
};
pub use unknown::UnknownName;

/// What every message of a demonstration account must carry (docs/sources.md, Helena).
pub const DEMO_NOTICE: &str = "Esta é uma mensagem de teste";

/// The first program of the README is compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
