//! What a catalog says, by name, after it has been parsed and validated.

use std::collections::BTreeMap;
use std::fmt;

use chrono::Weekday;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::language::Wording;
use crate::rules::{BillingRules, GateTable};

/// Asaas reports on Monday what was due on a Friday, and is late itself at times.
pub const DEFAULT_GATEWAY_SILENCE_DAYS: u32 = 4;

fn default_gateway_silence() -> u32 {
    DEFAULT_GATEWAY_SILENCE_DAYS
}

/// Everything that may be limited, and how: resources, plans, actions and the status table.
///
/// Built by [`Catalog::parse`]; a value of this type has been validated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// ISO 4217 code of every price, such as `BRL`.
    pub currency: String,
    /// The zone of tenants that have none of their own.
    pub time_zone: Tz,
    /// Days of a demonstration account (docs/sources.md, Helena: 14).
    pub demo_days: u32,
    /// What becomes of demonstration accounts that have ended.
    #[serde(default)]
    pub trial: Trial,
    /// Years, from the end of an invoice's year, for which it leads to a tenant that was erased
    /// (default 5); 0: invoices are kept elsewhere.
    #[serde(default = "default_fiscal_retention")]
    pub fiscal_retention_years: u32,
    /// Days after the due date from which on an invoice that a gateway reports on is overdue,
    /// though the gateway has reported nothing.
    #[serde(default = "default_gateway_silence")]
    pub gateway_silence: u32,
    /// The day on which weeks begin (default Monday).
    #[serde(default = "monday")]
    pub week_starts: Weekday,
    /// What is counted.
    pub resources: BTreeMap<String, Resource>,
    /// What can be bought.
    pub plans: BTreeMap<String, Plan>,
    /// What the host does.
    pub actions: BTreeMap<String, Action>,
    /// What can be bought on top of a plan.
    #[serde(default)]
    pub packages: BTreeMap<String, Package>,
    /// The seats of which a new tenant's administrator takes one; `None`: there are none.
    #[serde(default)]
    pub administrator_seat: Option<String>,
    /// The plan of a tenant whose own is not paid yet; `None`: it has none meanwhile.
    #[serde(default)]
    pub pending_plan: Option<String>,
    /// What people call resources, features and their levels, by name.
    #[serde(default)]
    pub titles: BTreeMap<String, Wording>,
    /// When what is not paid has which consequence.
    #[serde(default)]
    pub billing: BillingRules,
    /// What each tenant status permits.
    pub statuses: GateTable,
}

const fn monday() -> Weekday {
    Weekday::Mon
}

pub(super) const fn default_fiscal_retention() -> u32 {
    5
}

/// What becomes of demonstration accounts that have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Days after its end when one is removed (default 30); `None`: never.
    pub delete_after_days: Option<u32>,
}

impl Default for Trial {
    fn default() -> Self {
        Trial { delete_after_days: Some(30) }
    }
}

/// Something that is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// How it is counted, with the parameters of that kind.
    pub kind: Kind,
    /// A resource that must have capacity as well (`channels` for `channels.whatsapp`).
    pub parent: Option<String>,
    /// What becomes of that which passes the limit.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// Percentages of the limit at which an event is written, rising strictly (default 80 and
    /// 100). A rate has none.
    #[serde(default = "default_thresholds")]
    pub thresholds: Vec<u8>,
    /// Whether a seat of it, or within it, is taken only with a token of its own (docs/sources.md,
    /// Whazing).
    #[serde(default)]
    pub token_required: bool,
    /// A warning to the person who takes a seat of it (docs/sources.md, Whazing).
    #[serde(default)]
    pub warning: Option<Wording>,
    /// What the holders of its seats are.
    #[serde(default)]
    pub holder: HolderKind,
    /// What it was called: usage, grants, seats, reservations and purchases are carried over, and
    /// the old name leads to it still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
}

/// What the holders of seats are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// Names, compared as they are written.
    #[default]
    Name,
    /// E-mail addresses, compared without case: a person has one seat.
    Email,
}

/// The thresholds of a resource that names none. Databases of older versions have catalogs
/// without thresholds too: the same text means the same there.
pub(super) fn default_thresholds() -> Vec<u8> {
    vec![80, 100]
}

/// What becomes of that which passes a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// It is denied.
    #[default]
    Hard,
    /// It is allowed, and counted as overage.
    Soft {
        /// Units beyond the limit after which it is denied after all; `None`: never.
        cap: Option<u64>,
    },
    /// The limit denies nothing, and records what it would have denied.
    Shadow,
}

/// The kinds of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Units used up, restored at renewal.
    Allowance,
    /// A window opened per contact; opening it uses one unit, everything inside is free.
    Session {
        /// How long a session lasts, in milliseconds (default 24 h).
        window_ms: i64,
        /// How long an ended session is remembered for late messages, in milliseconds
        /// (default 7 days).
        late_ms: i64,
    },
    /// Held by a named holder until released.
    Seat,
    /// Held by a named holder for a limited time.
    Lease {
        /// How long a lease lasts unless renewed, in milliseconds.
        ttl_ms: i64,
    },
    /// Measured, with or without a limit.
    Meter {
        /// When the count starts again.
        reset: Reset,
    },
    /// So many per time and key.
    Rate {
        /// The time in which one unit is regained, in milliseconds.
        every_ms: i64,
        /// How many may come at once.
        burst: u64,
    },
}

impl Kind {
    /// The kind's name, as a catalog writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Allowance => "allowance",
            Kind::Session { .. } => "session",
            Kind::Seat => "seat",
            Kind::Lease { .. } => "lease",
            Kind::Meter { .. } => "meter",
            Kind::Rate { .. } => "rate",
        }
    }
}

/// When a meter starts again from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// With the subscription's period.
    Period,
    /// On the first of every month in the tenant's zone.
    CalendarMonth,
    /// With every day in the tenant's zone.
    CalendarDay,
    /// With every week in the tenant's zone, which begins as the catalog says.
    CalendarWeek,
    /// Never.
    Never,
}

/// A limit as a plan writes it. There is no number that means "unlimited".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// As much as one likes.
    Unlimited,
    /// So many units per period (zero is a number like any other).
    Finite(u64),
    /// Not part of the plan.
    Disabled,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Unlimited => f.write_str("unlimited"),
            Limit::Finite(units) => units.fmt(f),
            Limit::Disabled => f.write_str("disabled"),
        }
    }
}

/// A set of limits and features with a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What people call it, such as `Plano full`.
    pub title: String,
    /// The price of one period in cents; `None` where it is agreed one by one (`"custom"`).
    pub price_cents: Option<i64>,
    /// Length of a billing period in months.
    pub period_months: u32,
    /// A shorter interval, in months, at which allowances are restored within the period.
    pub cadence_months: Option<u32>,
    /// What happens to a subscription that is not renewed.
    pub on_lapse: OnLapse,
    /// Days after the due date in which a subscription that is not renewed still counts.
    pub grace_days: u32,
    /// How often a subscription renews at most.
    pub max_renewals: Option<u32>,
    /// What a renewal waits for.
    #[serde(default)]
    pub renew_on: RenewOn,
    /// How a subscription that begins without a payment is billed.
    #[serde(default)]
    pub billing: BillingMode,
    /// Whether extras and packages may be bought on top (docs/sources.md: "if available").
    #[serde(default = "yes")]
    pub extras: bool,
    /// Units of an allowance that a renewal carries over, at most.
    #[serde(default)]
    pub carry_over: BTreeMap<String, u64>,
    /// Limits by resource. A resource that is not named is [`Limit::Disabled`].
    pub limits: BTreeMap<String, Limit>,
    /// Features by name. A feature that is not named is off.
    pub features: BTreeMap<String, Feature>,
    /// What it was called: who has it keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
}

const fn yes() -> bool {
    true
}

/// What a renewal waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewOn {
    /// Nothing: it comes one day after the due date.
    #[default]
    Schedule,
    /// The payment of the invoice that is due then: without it the subscription lapses.
    Payment,
}

/// When a period of a plan is paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillingMode {
    /// Before it begins: the invoice of a due date pays the period that follows.
    Advance,
    /// When it ends: the invoice of a due date pays the period that ends then.
    #[default]
    Arrears,
}

impl BillingMode {
    /// The code used in catalogs, databases and reports.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            BillingMode::Advance => "advance",
            BillingMode::Arrears => "arrears",
        }
    }
}

/// Something that is sold on top of a plan in sizes with prices of their own (docs/sources.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// What people call it.
    pub title: String,
    /// What it gives.
    pub resource: String,
    /// Prices in cents, by size.
    pub prices: BTreeMap<u64, i64>,
    /// Whether it is charged again, in full, with every due date; otherwise once.
    pub recurring: bool,
    /// How long what it gives lasts, in milliseconds; `None`: as long as it is not used up.
    pub expires_ms: Option<i64>,
    /// The feature that a tenant needs to buy it.
    pub feature: Option<NeededFeature>,
}

/// What happens to a subscription without auto-renewal after its due date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLapse {
    /// What is left stays usable (docs/sources.md, LiveChat 360).
    #[default]
    Keep,
    /// Decisions are denied with `plan_lapsed` after the due date and the grace days.
    Expire,
}

/// A feature of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Feature {
    /// On or off.
    Flag(bool),
    /// A level, such as `basic` or `full`.
    Level(String),
}

/// A named operation of the host's: the policy for one thing that it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Which permission of the tenant's status it needs.
    pub gate: Gate,
    /// The feature it needs: a name, and a level where the feature has levels.
    pub feature: Option<NeededFeature>,
    /// How it deals with the contact's session.
    pub session: Option<SessionRule>,
    /// What it charges, by resource (at most 16).
    pub charge: BTreeMap<String, Cost>,
    /// The lease that it takes.
    pub lease: Option<LeaseRule>,
    /// The rate resource that paces it, per channel and contact.
    pub rate: Option<String>,
    /// What it was called: the old name leads to it still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
}

/// A feature that an action needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeededFeature {
    /// The feature's name.
    pub name: String,
    /// The level it must have; `None`: a flag that is on, or any level.
    pub level: Option<String>,
}

/// The permissions that a tenant's status gives or withholds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Using the platform at all.
    Access,
    /// Sending to a contact.
    Send,
    /// Receiving from a contact.
    Receive,
    /// Using up anything else; what a bare `consume` needs, and an action that names no gate.
    #[default]
    Consume,
}

/// How an action deals with a contact's session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRule {
    /// The session resource.
    pub resource: String,
    /// Whether the action may open a session.
    pub open: Open,
    /// Whether the action moves the end of an open session (inbound messages do).
    pub extend: bool,
}

/// Whether an action may open a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Open {
    /// Opens one where none is open.
    IfNone,
    /// Needs one that is open.
    Never,
    /// As `IfNone`, with a session of its own for each category of template.
    PerCategory,
}

/// The lease that an action takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRule {
    /// The lease resource.
    pub resource: String,
    /// How long the lease lasts unless renewed, in milliseconds; `None`: as long as the resource
    /// says.
    pub ttl_ms: Option<i64>,
}

/// What one action costs of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// The same every time. Zero is always allowed, and recorded.
    Fixed(u64),
    /// As many as the call says (`"quantity"`).
    Quantity,
}

impl Catalog {
    /// A catalog in which there is nothing.
    pub(crate) fn empty() -> Catalog {
        Catalog {
            currency: String::new(),
            time_zone: Tz::UTC,
            demo_days: 0,
            trial: Trial::default(),
            fiscal_retention_years: default_fiscal_retention(),
            gateway_silence: DEFAULT_GATEWAY_SILENCE_DAYS,
            week_starts: monday(),
            resources: BTreeMap::new(),
            plans: BTreeMap::new(),
            actions: BTreeMap::new(),
            packages: BTreeMap::new(),
            administrator_seat: None,
            pending_plan: None,
            titles: BTreeMap::new(),
            billing: BillingRules::default(),
            statuses: GateTable::default(),
        }
    }
}
