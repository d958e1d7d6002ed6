//! A decision as C sees it.

use std::ffi::c_char;
use std::fmt::{self, Display, Write};

use cotas_core::{Decision, Mode, Source, SourceCharges, Timestamp};

use crate::pointers::Sized32;

/// Why a decision was denied: the rule that failed. The reasons of a decision are a set with bit
/// (1 << reason) for each.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code)] // They come from the engine as numbers.
pub enum cotas_reason {
    /// It was allowed.
    COTAS_REASON_NONE = 0,
    /// The tenant's status does not permit it.
    COTAS_REASON_STATUS_FORBIDS = 1,
    /// The demonstration is over.
    COTAS_REASON_DEMO_EXPIRED = 2,
    /// The tenant has no subscription.
    COTAS_REASON_NO_SUBSCRIPTION = 3,
    /// The subscription waits to be paid.
    COTAS_REASON_SUBSCRIPTION_PENDING = 4,
    /// The subscription was not renewed and its grace is over.
    COTAS_REASON_PLAN_LAPSED = 5,
    /// The plan does not have the feature.
    COTAS_REASON_FEATURE_MISSING = 6,
    /// Only an open session permits it, and there is none.
    COTAS_REASON_SESSION_REQUIRED = 7,
    /// The plan does not have the resource.
    COTAS_REASON_NOT_IN_PLAN = 8,
    /// Too little is left.
    COTAS_REASON_QUOTA_EXHAUSTED = 9,
    /// Too many in too short a time.
    COTAS_REASON_RATE_EXCEEDED = 10,
    /// The subscription pauses. It is evaluated after COTAS_REASON_PLAN_LAPSED.
    COTAS_REASON_PAUSED = 11,
}

/// How a resource is limited for a tenant.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cotas_mode {
    /// It is not part of the plan; or the decision is about no resource.
    COTAS_MODE_DISABLED = 0,
    /// By the limit.
    COTAS_MODE_FINITE = 1,
    /// Not at all.
    COTAS_MODE_UNLIMITED = 2,
}

/// Where charged units came from.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cotas_source {
    /// From no grant: there is no limit, or they go beyond it, or the resource is counted without
    /// grants.
    COTAS_SOURCE_NONE = 0,
    /// From the plan's units of the period.
    COTAS_SOURCE_PLAN = 1,
    /// From what was bought on top.
    COTAS_SOURCE_EXTRA = 2,
    /// From a package.
    COTAS_SOURCE_PACKAGE = 3,
    /// From what was given manually.
    COTAS_SOURCE_MANUAL = 4,
}

/// What else there is to say of a decision, as bits of its flags.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cotas_flag {
    /// Some of it goes beyond a soft limit.
    COTAS_FLAG_OVERAGE = 1,
    /// The message must carry the notice of a demonstration account, COTAS_DEMO_NOTICE.
    COTAS_FLAG_DEMO_NOTICE = 2,
    /// The tenant is in arrears.
    COTAS_FLAG_PAST_DUE = 4,
    /// This is the stored decision of an earlier call with the same idempotency key.
    COTAS_FLAG_REPLAYED = 8,
    /// The decision opened the session; otherwise it was open, or kept, already.
    COTAS_FLAG_SESSION_OPENED = 16,
    /// The decision took the lease; otherwise its holder had it already.
    COTAS_FLAG_LEASE_ACQUIRED = 32,
    /// More was charged than charges lists: cotas_charges_of has all of it.
    COTAS_FLAG_MORE_CHARGES = 64,
    /// The message is too old for a session: it opened none, continued none and charged nothing for
    /// one.
    COTAS_FLAG_TOO_OLD = 128,
}

/// Units of one resource that came from one source.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct cotas_charge {
    /// How many.
    pub units: u64,
    /// The resource's number.
    pub resource: u32,
    /// Where they came from: a cotas_source.
    pub source: i32,
}

/// The answer to a request, with every number that explains it. The caller's own; set struct_size
/// to sizeof(cotas_decision) before the call. All of it is 0 where a function returns anything but
/// COTAS_OK. A denied request is COTAS_OK with allowed 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cotas_decision {
    /// sizeof(cotas_decision), set by the caller.
    pub struct_size: u32,
    /// 1: go ahead. 0: denied.
    pub allowed: u32,
    /// The first failing rule: a cotas_reason.
    pub reason: i32,
    /// All failing rules: bit (1 << reason) for each.
    pub reasons: u32,
    /// Rules that would have denied it, had their limits not been set only to watch; bits as in
    /// reasons.
    pub shadowed: u32,
    /// What else there is to say: bits, each a cotas_flag.
    pub flags: u32,
    /// The number of the resource that the figures are about: the first that fell short, else the
    /// last that was charged. UINT32_MAX: none.
    pub resource: u32,
    /// How it is limited: a cotas_mode.
    pub mode: i32,
    /// Units asked of it.
    pub units: u64,
    /// Units used of it since the period began, or held, this decision's included.
    pub used: u64,
    /// Units left of it after this decision; meaningful where mode is COTAS_MODE_FINITE.
    pub available: u64,
    /// What is contracted; meaningful where mode is COTAS_MODE_FINITE.
    pub limit: u64,
    /// When a denied request may succeed, in milliseconds since 1970 in UTC. 0: that cannot be
    /// foreseen.
    pub retry_at_ms: i64,
    /// The first instant after the contact's session. 0: there is none.
    pub session_expires_at_ms: i64,
    /// The first instant after the lease, unless it is renewed. 0: there is none.
    pub lease_expires_at_ms: i64,
    /// The lease's fencing number, which rises with every lease of the tenant. 0: there is none.
    pub fencing: u64,
    /// What names the reservation that holds what was charged, ended by NUL. Empty: there is none.
    pub reservation: [c_char; 40],
    /// What a refund is asked with, ended by NUL: given to decisions under an idempotency key.
    /// Empty: there is none.
    pub receipt: [c_char; 40],
    /// Entries of charges that are in use.
    pub charge_count: u32,
    /// 0.
    pub reserved: u32,
    /// What was charged, by resource and source, in the order in which it was.
    pub charges: [cotas_charge; 6],
}

// SAFETY: `repr(C)`, a `u32` first, numbers and bytes.
unsafe impl Sized32 for cotas_decision {
    const FIRST_BYTES: u32 = 280;
}

const _: () = assert!(SourceCharges::LISTED_MAX == 6);

impl cotas_decision {
    /// Says a decision in C's terms, in a struct that is all 0.
    #[inline(always)]
    pub(crate) fn say(&mut self, from: &Decision) {
        self.allowed = from.allowed().into();
        self.reason = from.reason().map_or(0, |reason| reason as i32);
        self.reasons = from.reasons.bits().into();
        self.shadowed = from.shadowed.bits().into();
        self.flags = flags(from);
        self.resource = from.resource.map_or(u32::MAX, |it| u32::from(it.number()));
        self.mode = mode(from.mode) as i32;
        self.units = from.units;
        self.used = from.used;
        self.available = from.available;
        self.limit = from.contracted;
        self.retry_at_ms = from.retry_at.map_or(0, Timestamp::ms);
        if let Some(session) = from.session {
            self.session_expires_at_ms = session.expires_at.ms();
        }
        if let Some(lease) = from.lease {
            self.lease_expires_at_ms = lease.expires_at.ms();
            self.fencing = lease.fencing;
        }
        if let Some(id) = from.reservation {
            self.reservation = short_text(&id);
        }
        if let Some(receipt) = from.receipt {
            self.receipt = short_text(&receipt);
        }
        for (to, charge) in self.charges.iter_mut().zip(from.charges.iter()) {
            *to = cotas_charge {
                units: charge.units,
                resource: u32::from(charge.resource.number()),
                source: source(charge.source) as i32,
            };
            self.charge_count += 1;
        }
    }
}

#[inline]
fn flags(from: &Decision) -> u32 {
    let bits = [
        (from.overage, cotas_flag::COTAS_FLAG_OVERAGE),
        (from.demo_notice, cotas_flag::COTAS_FLAG_DEMO_NOTICE),
        (from.past_due, cotas_flag::COTAS_FLAG_PAST_DUE),
        (from.replayed, cotas_flag::COTAS_FLAG_REPLAYED),
        (from.session.is_some_and(|it| it.opened), cotas_flag::COTAS_FLAG_SESSION_OPENED),
        (from.lease.is_some_and(|it| it.acquired), cotas_flag::COTAS_FLAG_LEASE_ACQUIRED),
        (!from.charges.is_complete(), cotas_flag::COTAS_FLAG_MORE_CHARGES),
        (from.too_old, cotas_flag::COTAS_FLAG_TOO_OLD),
    ];
    bits.into_iter().map(|(is_so, bit)| if is_so { bit as u32 } else { 0 }).sum()
}

#[inline]
fn source(from: Option<Source>) -> cotas_source {
    match from {
        None => cotas_source::COTAS_SOURCE_NONE,
        Some(Source::Plan) => cotas_source::COTAS_SOURCE_PLAN,
        Some(Source::Extra) => cotas_source::COTAS_SOURCE_EXTRA,
        Some(Source::Package) => cotas_source::COTAS_SOURCE_PACKAGE,
        Some(Source::Manual) => cotas_source::COTAS_SOURCE_MANUAL,
    }
}

#[inline]
fn mode(from: Mode) -> cotas_mode {
    match from {
        Mode::Disabled => cotas_mode::COTAS_MODE_DISABLED,
        Mode::Finite => cotas_mode::COTAS_MODE_FINITE,
        Mode::Unlimited => cotas_mode::COTAS_MODE_UNLIMITED,
    }
}

/// A buffer that is written without allocating. What does not fit is left out.
struct Short {
    bytes: [c_char; 40],
    len: usize,
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            // The last one stays NUL.
            let Some(to) = self.bytes.get_mut(self.len).filter(|_| self.len < 39) else {
                return Err(fmt::Error);
            };
            *to = byte as c_char;
            self.len += 1;
        }
        Ok(())
    }
}

/// The text of an id. Ids are ASCII and at most 36 bytes long: two numbers of 32 bits and one of
/// 64, in hexadecimal.
fn short_text(id: &impl Display) -> [c_char; 40] {
    let mut short = Short { bytes: [0; 40], len: 0 };
    match write!(short, "{id}") {
        Ok(()) => short.bytes,
        Err(fmt::Error) => [0; 40],
    }
}

#[cfg(test)]
mod tests {
    use cotas_core::{Reason, Receipt};

    use super::*;

    #[test]
    fn reasons_have_the_engine_s_numbers() {
        let last = cotas_reason::COTAS_REASON_PAUSED as usize;
        assert_eq!(Reason::ALL.len(), last);
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index + 1);
        }
        let named = cotas_reason::COTAS_REASON_SESSION_REQUIRED as u8;
        assert_eq!(Reason::from_number(named), Some(Reason::SessionRequired));
    }

    #[test]
    fn the_longest_id_fits_and_is_ended() {
        let longest = "c-ffffffff-ffffffff-ffffffffffffffff";
        let receipt: Receipt = longest.parse().expect("is a receipt");
        let text = short_text(&receipt).map(|byte| byte as u8);
        assert_eq!(&text[..longest.len()], longest.as_bytes());
        assert!(text[longest.len()..].iter().all(|&byte| byte == 0));
    }
}
