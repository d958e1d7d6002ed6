//! A decision in a few words, as a Python object carries it.
//!
//! An engine's decision has capacity for everything that can be said of one, some 300 bytes. Nearly
//! all say little: a session, a lease, a reservation, a receipt or several charges are the
//! exception, and pay for an allocation. It is written where the object lies that carries it: each
//! step on the way of a value into an object would move it, and take as long as a part of the
//! decision.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use cotas::rules::Mode;
use cotas::{Decision, Reason, Reasons, ResourceId, Source, SourceCharge, Timestamp};

/// A decision, packed. It is written once, before anybody sees the object: the stores are plain.
#[derive(Default)]
pub struct Packed {
    bits: AtomicU64,
    units: AtomicU64,
    used: AtomicU64,
    available: AtomicU64,
    contracted: AtomicU64,
    /// Units of the one charge.
    charged: AtomicU64,
    /// In milliseconds; 0: never.
    retry_at: AtomicU64,
    /// All of it, where it says more than the words above.
    whole: OnceLock<Box<Decision>>,
}

/// Where things lie in `bits`, the reasons lowest.
const SHADOWED: u32 = 16;
const RESOURCE: u32 = 32;
const MODE: u32 = 48;
const SOURCE: u32 = 50;
const FLAGS: u32 = 53;

const OVERAGE: u64 = 1 << FLAGS;
const DEMO_NOTICE: u64 = 2 << FLAGS;
const PAST_DUE: u64 = 4 << FLAGS;
const REPLAYED: u64 = 8 << FLAGS;
const HAS_RESOURCE: u64 = 16 << FLAGS;
const HAS_CHARGE: u64 = 32 << FLAGS;
const HAS_RETRY: u64 = 64 << FLAGS;
const TOO_OLD: u64 = 128 << FLAGS;

impl Packed {
    /// A decision that is known already.
    pub fn of(decision: &Decision) -> Packed {
        let packed = Packed::default();
        packed.write(decision);
        packed
    }

    /// Writes what was decided.
    #[inline(always)]
    pub fn write(&self, decision: &Decision) {
        let mut charges = decision.charges.iter();
        let (charge, more) = (charges.next(), charges.next());
        let says_more = decision.session.is_some()
            || decision.lease.is_some()
            || decision.reservation.is_some()
            || decision.receipt.is_some()
            || more.is_some()
            || charge.is_some_and(|charge| Some(charge.resource) != decision.resource);
        if says_more {
            self.write_whole(decision);
        }
        let flag = |flag, is_set| if is_set { flag } else { 0 };
        let bits = u64::from(decision.reasons.bits())
            | u64::from(decision.shadowed.bits()) << SHADOWED
            | decision.resource.map_or(0, |it| u64::from(it.number())) << RESOURCE
            | (decision.mode as u64) << MODE
            | charge.and_then(|charge| charge.source).map_or(0, |it| it as u64 + 1) << SOURCE
            | flag(OVERAGE, decision.overage)
            | flag(DEMO_NOTICE, decision.demo_notice)
            | flag(PAST_DUE, decision.past_due)
            | flag(TOO_OLD, decision.too_old)
            | flag(REPLAYED, decision.replayed)
            | flag(HAS_RESOURCE, decision.resource.is_some())
            | flag(HAS_CHARGE, charge.is_some())
            | flag(HAS_RETRY, decision.retry_at.is_some());
        let write = |to: &AtomicU64, value| to.store(value, Ordering::Relaxed);
        write(&self.bits, bits);
        write(&self.units, decision.units);
        write(&self.used, decision.used);
        write(&self.available, decision.available);
        write(&self.contracted, decision.contracted);
        write(&self.charged, charge.map_or(0, |charge| charge.units));
        write(&self.retry_at, decision.retry_at.map_or(0, |at| at.ms() as u64));
    }

    #[cold]
    fn write_whole(&self, decision: &Decision) {
        // No other thread writes: it is not there yet.
        let _ = self.whole.set(Box::new(*decision));
    }

    /// Whether the host may go ahead.
    #[inline]
    pub fn allowed(&self) -> bool {
        self.reasons() == 0
    }

    /// Whether it says that the plan does not have the resource.
    #[inline]
    pub fn is_not_in_plan(&self) -> bool {
        self.reasons() & 1 << Reason::NotInPlan as u8 != 0
    }

    #[inline]
    fn reasons(&self) -> u16 {
        self.bits.load(Ordering::Relaxed) as u16
    }

    /// The decision as the engine made it.
    pub fn unpacked(&self) -> Decision {
        if let Some(whole) = self.whole.get() {
            return **whole;
        }
        let read = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let bits = read(&self.bits);
        let has = |flag| bits & flag != 0;
        let resource = ResourceId::from_number((bits >> RESOURCE) as u16);
        let source = (bits >> SOURCE & 7).checked_sub(1);
        let charge = SourceCharge {
            resource,
            source: source.and_then(|it| Source::ALL.get(it as usize).copied()),
            units: read(&self.charged),
        };
        Decision {
            reasons: reasons(bits),
            shadowed: reasons(bits >> SHADOWED),
            resource: has(HAS_RESOURCE).then_some(resource),
            units: read(&self.units),
            mode: Mode::ALL.get((bits >> MODE & 3) as usize).copied().unwrap_or_default(),
            used: read(&self.used),
            available: read(&self.available),
            contracted: read(&self.contracted),
            retry_at: has(HAS_RETRY).then(|| Timestamp::from_ms(read(&self.retry_at) as i64)),
            session: None,
            lease: None,
            charges: has(HAS_CHARGE).then_some(charge).into_iter().collect(),
            reservation: None,
            receipt: None,
            overage: has(OVERAGE),
            demo_notice: has(DEMO_NOTICE),
            past_due: has(PAST_DUE),
            too_old: has(TOO_OLD),
            replayed: has(REPLAYED),
        }
    }
}

/// The reasons of the lowest 16 bits.
fn reasons(bits: u64) -> Reasons {
    Reason::IN_ORDER.into_iter().filter(|&reason| bits & 1 << reason as u8 != 0).collect()
}
