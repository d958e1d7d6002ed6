//! The answer to a request, as a value.

use std::fmt;
use std::str::FromStr;

use super::terms::Mode;
use super::{ResourceId, Source};
use crate::clock::Timestamp;
use crate::error::Error;

/// Why a decision was denied. [`Reason::IN_ORDER`] has the order of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum Reason {
    /// The tenant's status does not permit it (docs/sources.md, Helena).
    StatusForbids = 1,
    /// The demonstration is over (docs/sources.md, Helena).
    DemoExpired = 2,
    /// The tenant has no subscription (docs/sources.md, LiveChat 360).
    NoSubscription = 3,
    /// The subscription waits to be paid (docs/sources.md, Voki).
    SubscriptionPending = 4,
    /// The subscription was not renewed and its grace is over.
    PlanLapsed = 5,
    /// The plan does not have the feature.
    FeatureMissing = 6,
    /// Only an open session permits it, and there is none.
    SessionRequired = 7,
    /// The plan does not have the resource.
    NotInPlan = 8,
    /// Too little is left (docs/sources.md, LiveChat 360).
    QuotaExhausted = 9,
    /// Too many in too short a time.
    RateExceeded = 10,
    /// The subscription pauses until it is resumed.
    Paused = 11,
}

impl Reason {
    /// Every reason, in the order of their numbers, which are never given again.
    pub const ALL: [Reason; 11] = [
        Reason::StatusForbids,
        Reason::DemoExpired,
        Reason::NoSubscription,
        Reason::SubscriptionPending,
        Reason::PlanLapsed,
        Reason::FeatureMissing,
        Reason::SessionRequired,
        Reason::NotInPlan,
        Reason::QuotaExhausted,
        Reason::RateExceeded,
        Reason::Paused,
    ];

    /// Every reason, in the order of evaluation: of several the first is the one that counts.
    pub const IN_ORDER: [Reason; 11] = [
        Reason::StatusForbids,
        Reason::DemoExpired,
        Reason::NoSubscription,
        Reason::SubscriptionPending,
        Reason::PlanLapsed,
        Reason::Paused,
        Reason::FeatureMissing,
        Reason::SessionRequired,
        Reason::NotInPlan,
        Reason::QuotaExhausted,
        Reason::RateExceeded,
    ];

    /// The code that C, Python and reports use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Reason::StatusForbids => "status_forbids",
            Reason::DemoExpired => "demo_expired",
            Reason::NoSubscription => "no_subscription",
            Reason::SubscriptionPending => "subscription_pending",
            Reason::PlanLapsed => "plan_lapsed",
            Reason::FeatureMissing => "feature_missing",
            Reason::SessionRequired => "session_required",
            Reason::NotInPlan => "not_in_plan",
            Reason::QuotaExhausted => "quota_exhausted",
            Reason::RateExceeded => "rate_exceeded",
            Reason::Paused => "paused",
        }
    }

    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Reason> {
        Self::ALL.into_iter().find(|&reason| reason as u8 == number)
    }
}

/// A set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reasons(u16);

impl Reasons {
    #[inline(always)]
    pub(super) fn add(&mut self, reason: Reason) {
        self.0 |= 1 << reason as u8;
    }

    /// The reason that counts: the first in the order of evaluation.
    #[must_use]
    #[inline]
    pub fn first(self) -> Option<Reason> {
        if self.0 == 0 { None } else { self.iter().next() }
    }

    /// Whether `reason` is one of them.
    #[must_use]
    pub fn contains(self, reason: Reason) -> bool {
        self.0 & 1 << reason as u8 != 0
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of them, in the order of evaluation.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::IN_ORDER.into_iter().filter(move |&reason| self.contains(reason))
    }

    /// The set as bits: `1 << reason` for each.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u16) -> Reasons {
        Reasons(bits)
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<T: IntoIterator<Item = Reason>>(reasons: T) -> Reasons {
        let mut all = Reasons::default();
        reasons.into_iter().for_each(|reason| all.add(reason));
        all
    }
}

/// What became of the contact's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SessionOutcome {
    /// It was opened by this; otherwise it was open, or kept, already.
    pub opened: bool,
    /// The first instant after it.
    #[serde(serialize_with = "crate::json::text")]
    pub expires_at: Timestamp,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LeaseOutcome {
    /// It was taken by this; otherwise its holder had it already, and it was prolonged.
    pub acquired: bool,
    /// Rises with every lease of the tenant: what a slow holder writes under an old number can be
    /// distinguished from what the present holder writes.
    pub fencing: u64,
    /// The first instant after it, unless it is renewed.
    #[serde(serialize_with = "crate::json::text")]
    pub expires_at: Timestamp,
}

/// What answers for an operation: which live file, where in it, and under which number. It never
/// names another operation, also after the live file was made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EntryHandle {
    pub(crate) epoch: u32,
    pub(crate) index: u32,
    pub(crate) number: u64,
}

/// Proof of a decision that was made under an idempotency key: what a refund is asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt(pub(crate) EntryHandle);

/// Names a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReservationId(pub(crate) EntryHandle);

impl fmt::Display for EntryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}-{:x}", self.epoch, self.index, self.number)
    }
}

impl EntryHandle {
    fn parse(text: &str) -> Option<EntryHandle> {
        let mut parts = text.split('-');
        let mut part = || {
            let digits = parts.next()?;
            let simple = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            (simple && digits.len() <= 16).then(|| u64::from_str_radix(digits, 16).ok())?
        };
        let handle = EntryHandle {
            epoch: part()?.try_into().ok()?,
            index: part()?.try_into().ok()?,
            number: part()?,
        };
        parts.next().is_none().then_some(handle)
    }
}

macro_rules! handle_as_text {
    ($name:ident, $prefix:literal, $what:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let handle = text.strip_prefix(concat!($prefix, "-")).and_then(EntryHandle::parse);
                handle.map($name).ok_or_else(|| {
                    let shown: String = text.chars().take(64).collect();
                    let why = format!(
                        concat!("{:?} is not one (expected the form ", $prefix, "-1-2a-3f)"),
                        shown
                    );
                    Error::InvalidArgument { what: $what, why }
                })
            }
        }
    };
}

handle_as_text!(Receipt, "c", "receipt");
handle_as_text!(ReservationId, "r", "reservation id");

/// Units of one resource that came from one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceCharge {
    /// The resource.
    pub resource: ResourceId,
    /// Where the units came from; `None`: no grant gave them (there is no limit, or they go
    /// beyond it, or the resource is counted without grants).
    pub source: Option<Source>,
    /// How many.
    pub units: u64,
}

/// What a decision charged, by resource and source. A list of a fixed size, so that a decision
/// allocates nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceCharges {
    units: [u64; SourceCharges::LISTED_MAX],
    /// Resource in the high half, number of the source plus one in the low; as dense as can be,
    /// since every decision carries it.
    from: [u32; SourceCharges::LISTED_MAX],
    count: u8,
    more: bool,
}

impl fmt::Debug for SourceCharges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()?;
        f.write_str(if self.more { " and more" } else { "" })
    }
}

impl SourceCharges {
    /// Entries that a decision lists: more than one resource can need.
    pub const LISTED_MAX: usize = 6;

    /// The entries, in the order in which they were charged.
    pub fn iter(&self) -> impl Iterator<Item = SourceCharge> {
        let entries = self.from.iter().zip(&self.units).take(usize::from(self.count));
        entries.map(|(&from, &units)| SourceCharge {
            resource: ResourceId((from >> 16) as u16),
            source: (from as u8).checked_sub(1).map(Source::from_number),
            units,
        })
    }

    /// Whether that is all. Where an action charges more than fits, its receipt knows all of it:
    /// [`Tenant::charges_of`](crate::Tenant::charges_of).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.more
    }

    /// Adds units to what is listed.
    #[inline(always)]
    pub(crate) fn add(&mut self, resource: ResourceId, source: Option<Source>, units: u64) {
        let from = u32::from(resource.0) << 16 | source.map_or(0, |source| source as u32 + 1);
        let mut entries = self.from.iter_mut().zip(&mut self.units);
        for (known, sum) in entries.by_ref().take(usize::from(self.count)) {
            if *known == from {
                *sum += units;
                return;
            }
        }
        match entries.next() {
            Some(free) => {
                (*free.0, *free.1) = (from, units);
                self.count += 1;
            }
            None => self.more = true,
        }
    }
}

impl FromIterator<SourceCharge> for SourceCharges {
    /// More than can be listed leaves the list incomplete.
    fn from_iter<T: IntoIterator<Item = SourceCharge>>(charges: T) -> SourceCharges {
        let mut all = SourceCharges::default();
        charges.into_iter().for_each(|it| all.add(it.resource, it.source, it.units));
        all
    }
}

/// The answer: allowed or denied, and every number that explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each says a thing of its own.
#[must_use = "a decision that is not looked at limits nothing"]
pub struct Decision {
    /// All failing rules; empty: allowed.
    pub reasons: Reasons,
    /// Rules that would have denied it, had their limits not been set only to watch.
    pub shadowed: Reasons,
    /// The resource that the numbers are about: the first that fell short, else the last charged.
    pub resource: Option<ResourceId>,
    /// Units asked of it.
    pub units: u64,
    /// How it is limited.
    pub mode: Mode,
    /// Units used of it since the period began, or held, this decision's included.
    pub used: u64,
    /// Units left of it, after this decision; meaningful where `mode` is finite.
    pub available: u64,
    /// What is contracted; meaningful where `mode` is finite: see [`limit`](Self::limit).
    pub contracted: u64,
    /// When a denied request may succeed, if that can be foreseen.
    pub retry_at: Option<Timestamp>,
    /// What became of the contact's session.
    pub session: Option<SessionOutcome>,
    /// What became of the lease.
    pub lease: Option<LeaseOutcome>,
    /// What was charged, by resource and source.
    pub charges: SourceCharges,
    /// The reservation that holds what was charged.
    pub reservation: Option<ReservationId>,
    /// What a refund is asked with; given to decisions under an idempotency key.
    pub receipt: Option<Receipt>,
    /// Some of it goes beyond a soft limit.
    pub overage: bool,
    /// The message must carry the notice of a demonstration account,
    /// [`DEMO_NOTICE`](crate::DEMO_NOTICE).
    pub demo_notice: bool,
    /// The tenant is in arrears.
    pub past_due: bool,
    /// The message is older than a session and the time for which an ended one is kept: it opens
    /// no session, continues none, and charges nothing at all.
    pub too_old: bool,
    /// This is the stored decision of an earlier call with the same idempotency key.
    pub replayed: bool,
}

impl Decision {
    /// One that says nothing yet: what [`decide_into`](super::decide::decide_into) begins with.
    #[inline(always)]
    pub(crate) const fn nothing() -> Decision {
        Decision {
            reasons: Reasons(0),
            shadowed: Reasons(0),
            resource: None,
            units: 0,
            mode: Mode::Disabled,
            used: 0,
            available: 0,
            contracted: 0,
            retry_at: None,
            session: None,
            lease: None,
            charges: SourceCharges {
                units: [0; SourceCharges::LISTED_MAX],
                from: [0; SourceCharges::LISTED_MAX],
                count: 0,
                more: false,
            },
            reservation: None,
            receipt: None,
            overage: false,
            demo_notice: false,
            past_due: false,
            too_old: false,
            replayed: false,
        }
    }

    /// Whether the host may go ahead.
    #[must_use]
    #[inline]
    pub fn allowed(&self) -> bool {
        self.reasons == Reasons::default()
    }

    /// Why not: the first failing rule.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.reasons.first()
    }

    /// What is contracted ("contratadas"): the plan's units and what was bought on top; `None`:
    /// there is no limit, or the resource is not in the plan.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        (self.mode == Mode::Finite).then_some(self.contracted)
    }
}
