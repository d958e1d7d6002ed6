//! A decision in a few words, as a Python object carries it.
//!
//! An engine's decision has room for everything that can be said of one, some 300 bytes; each step
//! on its way into an object would move them. Nearly all say little: a session, a lease, a
//! reservation, a receipt or several charges are the exception, and pay for an allocation.

use cotas::rules::Mode;
use cotas::{Decision, Reasons, ResourceId, Source, SourceCharge, Timestamp};

/// A decision, packed.
pub enum Packed {
    /// One that says no more than numbers.
    Plain(Plain),
    /// Any other.
    Whole(Box<Decision>),
}

/// What a plain decision says.
#[derive(Clone, Copy)]
pub struct Plain {
    units: u64,
    used: u64,
    available: u64,
    contracted: u64,
    charged: u64,
    retry_at: Option<Timestamp>,
    reasons: Reasons,
    shadowed: Reasons,
    resource: Option<ResourceId>,
    mode: Mode,
    source: Option<Source>,
    flags: u8,
}

const OVERAGE: u8 = 1;
const DEMO_NOTICE: u8 = 2;
const PAST_DUE: u8 = 4;
const REPLAYED: u8 = 8;
const CHARGED: u8 = 16;

impl Packed {
    #[inline(always)]
    pub fn new(decision: &Decision) -> Packed {
        let mut charges = decision.charges.iter();
        let (charge, more) = (charges.next(), charges.next());
        let says_more = decision.session.is_some()
            || decision.lease.is_some()
            || decision.reservation.is_some()
            || decision.receipt.is_some()
            || more.is_some()
            || charge.is_some_and(|charge| Some(charge.resource) != decision.resource);
        if says_more {
            return Packed::whole(decision);
        }
        let flag = |flag, is_set| if is_set { flag } else { 0 };
        Packed::Plain(Plain {
            units: decision.units,
            used: decision.used,
            available: decision.available,
            contracted: decision.contracted,
            charged: charge.map_or(0, |charge| charge.units),
            retry_at: decision.retry_at,
            reasons: decision.reasons,
            shadowed: decision.shadowed,
            resource: decision.resource,
            mode: decision.mode,
            source: charge.and_then(|charge| charge.source),
            flags: flag(OVERAGE, decision.overage)
                | flag(DEMO_NOTICE, decision.demo_notice)
                | flag(PAST_DUE, decision.past_due)
                | flag(REPLAYED, decision.replayed)
                | flag(CHARGED, charge.is_some()),
        })
    }

    #[cold]
    pub fn whole(decision: &Decision) -> Packed {
        Packed::Whole(Box::new(*decision))
    }

    /// Whether the host may go ahead.
    #[inline]
    pub fn allowed(&self) -> bool {
        match self {
            Packed::Plain(plain) => plain.reasons.is_empty(),
            Packed::Whole(decision) => decision.allowed(),
        }
    }

    /// The decision as the engine made it.
    pub fn unpacked(&self) -> Decision {
        match self {
            Packed::Plain(plain) => plain.unpacked(),
            Packed::Whole(decision) => **decision,
        }
    }
}

impl Plain {
    fn unpacked(self) -> Decision {
        let has = |flag| self.flags & flag != 0;
        let charge = self.resource.filter(|_| has(CHARGED)).map(|resource| SourceCharge {
            resource,
            source: self.source,
            units: self.charged,
        });
        Decision {
            reasons: self.reasons,
            shadowed: self.shadowed,
            resource: self.resource,
            units: self.units,
            mode: self.mode,
            used: self.used,
            available: self.available,
            contracted: self.contracted,
            retry_at: self.retry_at,
            session: None,
            lease: None,
            charges: charge.into_iter().collect(),
            reservation: None,
            receipt: None,
            overage: has(OVERAGE),
            demo_notice: has(DEMO_NOTICE),
            past_due: has(PAST_DUE),
            replayed: has(REPLAYED),
        }
    }
}
