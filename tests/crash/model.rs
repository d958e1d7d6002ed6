//! What the workers' records say must be true, kept while they come in.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::record::{Op, Phase, Record, Wrong};
use crate::world::CONSUMERS;

/// Units that were acknowledged, and units of operations that got no answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub acknowledged: u64,
    pub unanswered: u64,
}

/// Something that takes effect once, however often it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Once {
    /// It was acknowledged, as new or as done before.
    pub acknowledged: bool,
    /// How often it was acknowledged as new.
    pub fresh: u32,
}

/// What is known of a holder of a seat or a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Yes,
    No,
    Unanswered,
}

/// How often each thing happened to an operation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub intents: u64,
    pub acknowledged: u64,
    pub denied: u64,
    pub busy: u64,
    pub unanswered: u64,
}

/// All that the records of an episode say.
#[derive(Debug, Default)]
pub struct Model {
    /// Operations under way, by worker and thread.
    open: HashMap<(u64, u32), Record>,
    pub tallies: BTreeMap<Op, Tally>,
    pub consumed: [Sum; CONSUMERS.len()],
    /// Units used after each decision about the first two consumers, and how many it took.
    pub intervals: [Vec<(u64, u64)>; 2],
    pub keys: HashMap<u64, Once>,
    pub refunds: HashMap<u64, Once>,
    pub reservations: HashMap<u64, Once>,
    pub resolutions: HashMap<u64, Once>,
    pub contacts: HashMap<u64, Once>,
    pub grants: HashMap<u64, Once>,
    pub purchases: HashMap<u64, Once>,
    pub created: HashMap<u64, Once>,
    pub performed: Sum,
    pub added: Sum,
    pub subtracted: Sum,
    pub passed: HashMap<u64, u64>,
    pub catalog: u64,
    pub seats: HashMap<u64, (u64, Held)>,
    pub leases: HashMap<u64, (u64, Held)>,
    fencing: HashSet<u64>,
    /// Acknowledged operations whose effect is missing.
    pub lost: u64,
    /// Units beyond a limit.
    pub over: u64,
    /// Units of operations without an answer; one where they have no units.
    pub unanswered: u64,
    /// Units of these that took effect.
    pub applied_unanswered: u64,
    /// Units of the tight loops that were acknowledged, and that took effect without.
    pub tight_acknowledged: u64,
    pub tight_applied: u64,
    pub tight_unanswered: u64,
    pub violations: Vec<String>,
}

impl Model {
    /// Something that must not be.
    pub fn complain(&mut self, what: String) {
        eprintln!("VIOLATION: {what}");
        self.violations.push(what);
    }

    /// Acknowledged units that are missing.
    pub fn lose(&mut self, units: u64, what: &str) {
        self.lost += units;
        self.complain(format!("lost {units}: {what}"));
    }

    /// Units beyond a limit.
    pub fn exceed(&mut self, units: u64, what: &str) {
        self.over += units;
        self.complain(format!("{units} over the limit: {what}"));
    }

    /// Takes a record of the worker `serial`.
    pub fn take(&mut self, serial: u64, record: Record) {
        let thread = (serial, record.thread);
        match record.phase {
            Phase::Broken => self.broken(record),
            Phase::Intent => {
                self.tallies.entry(record.op).or_default().intents += 1;
                self.intend(serial, &record);
                self.open.insert(thread, record);
            }
            _ => {
                self.open.remove(&thread);
                self.answer(serial, &record);
            }
        }
    }

    /// A worker that found something itself.
    fn broken(&mut self, record: Record) {
        let wrong = Wrong::ALL[record.subject as usize];
        if wrong == Wrong::Over {
            self.over += 1;
        }
        self.complain(format!("{:?} in {:?}: {}", wrong, record.op, record.units));
    }

    /// Every worker is gone: what has no answer by now gets none.
    pub fn close(&mut self) {
        for ((serial, _), mut record) in std::mem::take(&mut self.open) {
            record.phase = Phase::Unknown;
            self.answer(serial, &record);
        }
    }

    fn once(&mut self, op: Op) -> Option<&mut HashMap<u64, Once>> {
        Some(match op {
            Op::Keyed => &mut self.keys,
            Op::Refund => &mut self.refunds,
            Op::Reserve => &mut self.reservations,
            Op::Resolve => &mut self.resolutions,
            Op::Receive => &mut self.contacts,
            Op::Grant => &mut self.grants,
            Op::Buy => &mut self.purchases,
            Op::Create => &mut self.created,
            _ => return None,
        })
    }

    fn intend(&mut self, serial: u64, record: &Record) {
        if let Some(known) = self.once(record.op) {
            known.entry(record.subject).or_default();
        }
        self.hold(serial, record, Held::Unanswered);
    }

    /// Notes what is known of a holder, unless a later worker of its place has said more.
    fn hold(&mut self, serial: u64, record: &Record, held: Held) {
        let holders = match record.op {
            Op::Occupy | Op::Vacate => &mut self.seats,
            Op::Acquire | Op::LetGo => &mut self.leases,
            _ => return,
        };
        let known = holders.entry(record.subject).or_insert((serial, held));
        if known.0 <= serial {
            *known = (serial, held);
        }
    }

    fn answer(&mut self, serial: u64, record: &Record) {
        let tally = self.tallies.entry(record.op).or_default();
        match record.phase {
            Phase::Done | Phase::Again => tally.acknowledged += 1,
            Phase::Denied => tally.denied += 1,
            Phase::Busy => tally.busy += 1,
            _ => tally.unanswered += 1,
        }
        match record.phase {
            Phase::Done | Phase::Again => self.acknowledge(serial, record),
            Phase::Unknown => {
                let is_sum = matches!(record.op, Op::Consume | Op::Perform | Op::Add);
                self.unanswered += if is_sum { record.units } else { 1 };
                self.count(record, |sum, units| sum.unanswered += units);
            }
            // Nothing was changed: what was known of a holder is known no more, though.
            _ => {}
        }
        if let (Op::Occupy | Op::Acquire, Phase::Denied) = (record.op, record.phase) {
            self.hold(serial, record, Held::No);
        }
    }

    fn count(&mut self, record: &Record, add: impl FnOnce(&mut Sum, u64)) {
        match record.op {
            Op::Consume => add(&mut self.consumed[record.subject as usize], record.units),
            Op::Perform => add(&mut self.performed, record.units),
            Op::Add => add(&mut self.added, record.units),
            Op::Subtract => add(&mut self.subtracted, record.units),
            _ => {}
        }
    }

    fn acknowledge(&mut self, serial: u64, record: &Record) {
        let is_fresh = record.phase == Phase::Done;
        if let Some(known) = self.once(record.op) {
            let known = known.entry(record.subject).or_default();
            known.acknowledged = true;
            known.fresh += u32::from(is_fresh);
            // Administration under a key is not reported whether it was done before.
            let reports = !matches!(record.op, Op::Grant | Op::Buy);
            if reports && is_fresh && known.fresh > 1 {
                self.complain(format!("{:?} {} took effect twice", record.op, record.subject));
            }
        }
        self.count(record, |sum, units| sum.acknowledged += units);
        match record.op {
            Op::Consume if record.subject < 2 => {
                self.intervals[record.subject as usize].push((record.used, record.units));
            }
            Op::Pass => *self.passed.entry(record.subject).or_default() += 1,
            Op::Catalog => self.catalog = self.catalog.max(record.number),
            Op::Occupy | Op::Acquire => self.hold(serial, record, Held::Yes),
            Op::Vacate | Op::LetGo => self.hold(serial, record, Held::No),
            _ => {}
        }
        if record.op == Op::Acquire && is_fresh && !self.fencing.insert(record.number) {
            self.complain(format!("the fencing number {} was given twice", record.number));
        }
    }
}
