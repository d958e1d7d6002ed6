//! What a decision looks at: a record under its lock, or the entitlements that have not
//! persisted.

use super::contacts::NAMES_MAX;
use super::session_call::SessionCall;
use crate::clock::Timestamp;
use crate::live::Hash128;
use crate::live::entries::{EntryIndex, counter_heap};
use crate::live::holds::SessionState;
use crate::live::layout::{counter, entry, record};
use crate::live::record::{CounterRef, RecordGuard};
use crate::rules::decide::{CounterBalance, KeptSession, SessionHold};
use crate::rules::{
    CounterTerms, Counting, Entitlements, FeatureId, Gates, Mode, ResourceId, State,
};

/// The contact's session that is still kept at `mark`, and where it is: of several that its names
/// have, one that covers `at`, rather one that is paid for good, and of these the one that ends
/// last.
#[inline]
pub(super) fn kept_session(
    guard: &RecordGuard<'_>,
    call: &SessionCall<'_>,
    (at, high_water_mark): (Timestamp, Timestamp),
) -> Option<(EntryIndex, KeptSession)> {
    if guard.has_aliases() || call.also.is_some() {
        return kept_under_names(guard, call, (at, high_water_mark));
    }
    kept_under(guard, call, call.contact, high_water_mark)
}

/// As [`kept_session`], of a contact that may have several names.
#[inline(never)]
fn kept_under_names(
    guard: &RecordGuard<'_>,
    call: &SessionCall<'_>,
    (at, high_water_mark): (Timestamp, Timestamp),
) -> Option<(EntryIndex, KeptSession)> {
    // A second id that is not linked yet, or cannot be, counts all the same.
    let names = names_of(guard, call.contact);
    let others = call.also.into_iter().flat_map(|also| names_of(guard, also));
    let kept = |name| kept_under(guard, call, name, high_water_mark);
    names.chain(others).filter_map(kept).max_by_key(|(_, session)| {
        let covers = at < session.end;
        (covers, covers && session.hold == SessionHold::Used, session.end)
    })
}

/// The session that is kept under one name of the contact.
#[inline]
fn kept_under(
    guard: &RecordGuard<'_>,
    call: &SessionCall<'_>,
    name: Hash128,
    high_water_mark: Timestamp,
) -> Option<(EntryIndex, KeptSession)> {
    let entry = guard.find(call.key_of(name))?;
    if entry.kept_until() <= high_water_mark {
        return None;
    }
    let start = Timestamp::from_word(entry.get(entry::START));
    let end = Timestamp::from_word(entry.get(entry::END));
    let hold = match SessionState::of(entry) {
        SessionState::Used => SessionHold::Used,
        SessionState::Refundable => SessionHold::Refundable,
        SessionState::Reserved => {
            let [_, before] = guard.session_before(entry.index).map(Timestamp::from_word);
            let is_kept = before.plus_ms(call.rule.late_ms) > high_water_mark;
            SessionHold::Reserved { before: if is_kept { before } else { Timestamp::MIN } }
        }
    };
    Some((entry.index, KeptSession { start, end, hold }))
}

/// The names of a contact, the one that is asked for first.
pub(super) fn names_of(guard: &RecordGuard<'_>, contact: Hash128) -> impl Iterator<Item = Hash128> {
    let next = move |&name: &Hash128| guard.next_name(name).filter(|&next| next != contact);
    std::iter::successors(Some(contact), next).take(NAMES_MAX)
}

/// When a key of a rate will have regained everything, as the wall clock shows it.
pub(super) fn regained_at(guard: &RecordGuard<'_>, key: Hash128) -> Timestamp {
    guard.find_entry(key).map_or(Timestamp::MIN, |index| guard.wall_time(guard.kept_until(index)))
}

/// A record as a call sees it that asks for one resource, which is no more than grants and a hard
/// limit: found once, and nothing else is looked for.
pub(super) struct Simple<'g, 'a> {
    guard: &'g RecordGuard<'a>,
    pub(super) counter: CounterRef<'a>,
    pub(super) mode: Mode,
}

impl<'g, 'a> Simple<'g, 'a> {
    /// `None`: the record does not have the resource, or there is more to it.
    #[inline(always)]
    pub(super) fn new(guard: &'g RecordGuard<'a>, resource: ResourceId) -> Option<Self> {
        let counter = guard.counter(resource)?;
        let number = counter.get(counter::TERMS);
        let mode = Mode::from_number(number);
        CounterTerms::is_simple(number).then_some(Simple { guard, counter, mode })
    }
}

impl State for Simple<'_, '_> {
    #[inline(always)]
    fn gates(&self) -> Gates {
        RecordGuard::gates(self.guard)
    }

    fn features(&self) -> [u64; 4] {
        self.guard.features()
    }

    fn has_feature(&self, feature: FeatureId) -> bool {
        self.guard.has_feature(feature)
    }

    #[inline(always)]
    fn balance(&self, _: ResourceId) -> CounterBalance {
        let terms = CounterTerms { mode: self.mode, ..CounterTerms::default() };
        // A plain limit never lets anything go beyond it, and the rest has none.
        CounterBalance::of_grants(terms, self.counter.used(), sum(self.counter.grants()), 0, 0)
    }

    #[cold]
    fn frees_at(&self, resource: ResourceId, counting: Counting) -> Option<Timestamp> {
        self.guard.frees_at(resource, counting)
    }
}

/// The count of a cap is numbered by the instant at which its day or week ends; those of periods
/// and months are small.
const CAP_ENDS_FROM: u64 = 1 << 32;

/// Whether a lease is held at this [`entry_time`](RecordGuard::entry_time), and where.
pub(super) fn held_lease(
    guard: &RecordGuard<'_>,
    key: Hash128,
    time: Timestamp,
) -> Option<EntryIndex> {
    guard.find_entry(key).filter(|&index| guard.kept_until(index) > time)
}

impl State for RecordGuard<'_> {
    #[inline]
    fn gates(&self) -> Gates {
        RecordGuard::gates(self)
    }

    fn features(&self) -> [u64; 4] {
        std::array::from_fn(|word| self.feature_word(word as u64))
    }

    fn has_feature(&self, feature: FeatureId) -> bool {
        self.feature_word(u64::from(feature.0 / 64)) & 1 << (feature.0 % 64) != 0
    }

    #[inline(always)]
    fn balance(&self, resource: ResourceId) -> CounterBalance {
        let Some(counter) = self.counter(resource) else { return CounterBalance::default() };
        let number = counter.get(counter::TERMS);
        let terms = CounterTerms::from_number(number);
        if CounterTerms::is_simple(number) {
            // A plain limit never lets anything go beyond it, and the rest has none.
            return CounterBalance::of_grants(terms, counter.used(), sum(counter.grants()), 0, 0);
        }
        other_balance(counter, terms)
    }

    fn frees_at(&self, resource: ResourceId, counting: Counting) -> Option<Timestamp> {
        let word = match (counting, self.counter(resource)) {
            (Counting::Granted, _) => record::RESTORES_AT,
            (Counting::Meter, Some(counter)) => match counter.get(counter::CYCLE) {
                0 => return None,
                end if end > CAP_ENDS_FROM => return Some(Timestamp::from_word(end)),
                period if period == self.get(record::PERIOD) => record::RESTORES_AT,
                _ => record::MONTH_ENDS_AT,
            },
            (Counting::Leases, Some(counter)) => {
                let first = self.first_due(counter_heap(counter));
                return first.map(|(until, _)| self.wall_time(until));
            }
            _ => return None,
        };
        let at = Timestamp::from_word(self.get(word));
        Some(at).filter(|&at| at != Timestamp::MAX)
    }
}

#[cold]
fn other_balance(counter: CounterRef<'_>, terms: CounterTerms) -> CounterBalance {
    let (used, cap) = (counter.used(), counter.get(counter::CAP));
    match terms.counting {
        Counting::Granted => CounterBalance::of_grants(
            terms,
            used,
            sum(counter.grants()),
            counter.get(counter::BEYOND),
            cap,
        ),
        _ => CounterBalance::of_number(terms, used, counter.get(counter::LIMIT), cap),
    }
}

impl State for Entitlements {
    fn gates(&self) -> Gates {
        self.gates
    }

    fn features(&self) -> [u64; 4] {
        self.features
    }

    fn has_feature(&self, feature: FeatureId) -> bool {
        let word = self.features.get(usize::from(feature.0 / 64)).copied().unwrap_or(0);
        word & 1 << (feature.0 % 64) != 0
    }

    fn balance(&self, resource: ResourceId) -> CounterBalance {
        let counter = self.counters.iter().find(|counter| counter.resource == resource);
        let Some(counter) = counter else { return CounterBalance::default() };
        match counter.terms.counting {
            Counting::Granted => {
                let remaining = counter.grants.iter().map(|grant| (grant.id, grant.remaining));
                CounterBalance::of_grants(
                    counter.terms,
                    counter.used,
                    sum(remaining),
                    counter.beyond,
                    counter.cap,
                )
            }
            _ => CounterBalance::of_number(counter.terms, counter.used, counter.limit, counter.cap),
        }
    }

    fn frees_at(&self, resource: ResourceId, counting: Counting) -> Option<Timestamp> {
        match counting {
            Counting::Granted => self.restores_at,
            Counting::Meter => {
                let cycle =
                    self.counters.iter().find(|counter| counter.resource == resource)?.cycle;
                match cycle {
                    0 => None,
                    end if end > CAP_ENDS_FROM => Some(Timestamp::from_word(end)),
                    period if period == self.period => self.restores_at,
                    _ => self.month_ends_at,
                }
            }
            Counting::Seats | Counting::Leases | Counting::Rate => None,
        }
    }
}

/// What remains in all grants.
#[inline(always)]
fn sum(grants: impl Iterator<Item = (u64, u64)>) -> u64 {
    grants.fold(0, |sum: u64, (_, remaining)| sum.saturating_add(remaining))
}
