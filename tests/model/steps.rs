//! The steps of a history, and how they are drawn.

use cotas::{Delivery, Status};
use proptest::prelude::*;

use crate::catalog::{ALLOWANCES, LEASES, METERS, PLANS, SEATS, SESSIONS};

/// An idempotency key, and the days for which it is kept.
pub type Key = Option<(u8, u64)>;

/// A message of a contact.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    Receive { late_hours: i64 },
    Send,
    Reply,
    Template { category: u8 },
    AdmitInbound,
    AdmitOutbound,
}

#[derive(Clone, Copy, Debug)]
pub enum Move {
    Add,
    Subtract,
    Set,
}

#[derive(Clone, Copy, Debug)]
pub enum Resolve {
    Commit,
    Release,
    /// So many of a hundred of each resource, a few more than are held for some.
    Part(u64),
}

/// What is done to one tenant.
#[derive(Clone, Debug)]
pub enum Operation {
    Consume {
        resource: usize,
        units: u64,
        key: Key,
    },
    Check {
        resource: usize,
        units: u64,
    },
    Message {
        contact: u8,
        /// A second name of the contact.
        also: Option<u8>,
        message: Message,
        key: Key,
    },
    /// A message of which it is reported later whether it arrived.
    Send {
        contact: u8,
        category: Option<u8>,
        hours: i64,
    },
    Deliver {
        which: usize,
        report: Delivery,
    },
    SendSms {
        quantity: u64,
        key: Key,
    },
    StartCall {
        holder: u8,
        key: Key,
    },
    SendPaced {
        contact: u8,
        key: Key,
    },
    /// An action that needs a feature, or one that needs a level of one.
    Featured {
        level: bool,
        key: Key,
    },
    Pass {
        pace: u8,
        units: u64,
        key: Key,
    },
    Meter {
        resource: usize,
        how: Move,
        units: u64,
        key: Key,
    },
    Reserve {
        units: Vec<(usize, u64)>,
        hours: i64,
        key: Key,
    },
    ReserveSms {
        quantity: u64,
        hours: i64,
        key: Key,
    },
    Resolve {
        which: usize,
        how: Resolve,
    },
    Refund {
        which: usize,
    },
    Acquire {
        resource: usize,
        holder: u8,
        seconds: Option<u64>,
        key: Key,
    },
    RenewLease {
        which: usize,
        seconds: Option<u64>,
    },
    ReleaseLease {
        which: usize,
    },
    Occupy {
        resource: usize,
        holder: u8,
        pending: bool,
    },
    ReleaseSeat {
        resource: usize,
        holder: u8,
    },
    ReplaceSeat {
        resource: usize,
        old: u8,
        new: u8,
    },
    Link {
        one: u8,
        other: u8,
    },
    Grant {
        resource: usize,
        units: u64,
        days: Option<u64>,
    },
    SetLimit {
        resource: usize,
        limit: Option<u64>,
    },
    ChangePlan {
        plan: usize,
        days: u64,
        auto_renew: bool,
    },
    SetAi {
        on: Option<bool>,
    },
    SetAnalytics {
        level: Option<&'static str>,
    },
    SetStatus {
        status: Status,
        as_operator: bool,
    },
    Settle,
}

/// One step of a history.
#[derive(Clone, Debug)]
pub enum Step {
    Do { tenant: usize, operation: Operation },
    Wait { seconds: i64 },
    Checkpoint,
    Reopen,
    Rebuild,
    Events,
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        2 => Just(None),
        1 => (0..5u8, prop_oneof![Just(7), Just(60)]).prop_map(Some),
    ]
}

fn among(resources: &'static [usize]) -> impl Strategy<Value = usize> {
    proptest::sample::select(resources)
}

fn any_of(lists: &[&[usize]]) -> impl Strategy<Value = usize> {
    proptest::sample::select(lists.concat())
}

fn message() -> impl Strategy<Value = Operation> {
    let message = prop_oneof![
        2 => Just(Message::Receive { late_hours: 0 }),
        1 => (-2..260i64).prop_map(|late_hours| Message::Receive { late_hours }),
        1 => Just(Message::Send),
        1 => Just(Message::Reply),
        1 => (0..3u8).prop_map(|category| Message::Template { category }),
        1 => Just(Message::AdmitInbound),
        1 => Just(Message::AdmitOutbound),
    ];
    let also = proptest::option::weighted(0.1, 0..6u8);
    (0..6u8, also, message, key()).prop_map(|(contact, also, message, key)| Operation::Message {
        contact,
        also: also.filter(|&also| also != contact),
        message,
        key,
    })
}

fn decision() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (among(&ALLOWANCES), 1..25u64, key())
            .prop_map(|(resource, units, key)| Operation::Consume { resource, units, key }),
        2 => (any_of(&[&ALLOWANCES, &METERS, &LEASES]), 1..40u64)
            .prop_map(|(resource, units)| Operation::Check { resource, units }),
        5 => message(),
        3 => (
            0..6u8,
            proptest::option::weighted(0.3, 0..3u8),
            prop_oneof![1 => 1..720i64, 2 => Just(720)],
        )
            .prop_map(|(contact, category, hours)| Operation::Send { contact, category, hours }),
        3 => (0..40usize, proptest::sample::select(Delivery::ALL.to_vec()))
            .prop_map(|(which, report)| Operation::Deliver { which, report }),
        2 => (1..12u64, key()).prop_map(|(quantity, key)| Operation::SendSms { quantity, key }),
        2 => (0..4u8, key()).prop_map(|(holder, key)| Operation::StartCall { holder, key }),
        2 => (0..2u8, key()).prop_map(|(contact, key)| Operation::SendPaced { contact, key }),
        1 => (any::<bool>(), key()).prop_map(|(level, key)| Operation::Featured { level, key }),
        1 => (0..2u8, 1..5u64, key())
            .prop_map(|(pace, units, key)| Operation::Pass { pace, units, key }),
        5 => (
            among(&METERS),
            prop_oneof![2 => Just(Move::Add), 1 => Just(Move::Subtract), 1 => Just(Move::Set)],
            1..25u64,
            key(),
        )
            .prop_map(|(resource, how, units, key)| Operation::Meter { resource, how, units, key }),
        1 => (0..6u8, 0..6u8).prop_map(|(one, other)| Operation::Link { one, other }),
    ]
}

fn handle() -> impl Strategy<Value = Operation> {
    let seconds = || proptest::option::of(prop_oneof![1..200u64, 1_000..400_000u64]);
    let unit = (any_of(&[&ALLOWANCES, &METERS]), 1..15u64);
    let part = prop_oneof![2 => Just(Resolve::Commit), 2 => Just(Resolve::Release),
        2 => (0..110u64).prop_map(Resolve::Part)];
    prop_oneof![
        4 => (
            proptest::collection::vec(unit, 1..4),
            prop_oneof![1..60i64, 200..3_000i64],
            key(),
        )
            .prop_map(|(units, hours, key)| Operation::Reserve { units, hours, key }),
        1 => (1..8u64, prop_oneof![1..60i64, 200..3_000i64], key())
            .prop_map(|(quantity, hours, key)| Operation::ReserveSms { quantity, hours, key }),
        4 => (0..8usize, part).prop_map(|(which, how)| Operation::Resolve { which, how }),
        3 => (0..8usize).prop_map(|which| Operation::Refund { which }),
        4 => (among(&LEASES), 0..5u8, seconds(), key())
            .prop_map(|(resource, holder, seconds, key)| {
                Operation::Acquire { resource, holder, seconds, key }
            }),
        1 => (0..5usize, seconds())
            .prop_map(|(which, seconds)| Operation::RenewLease { which, seconds }),
        1 => (0..5usize).prop_map(|which| Operation::ReleaseLease { which }),
    ]
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        2 => Just(Status::Active),
        2 => Just(Status::PastDue),
        2 => Just(Status::Suspended),
        1 => Just(Status::Cancelled),
    ]
}

fn administration() -> impl Strategy<Value = Operation> {
    let grantable = any_of(&[&[SESSIONS], &ALLOWANCES, &SEATS, &LEASES, &METERS]);
    let limited = any_of(&[&[SESSIONS], &ALLOWANCES, &SEATS, &LEASES, &METERS]);
    let plan = 0..PLANS.len();
    prop_oneof![
        3 => (among(&SEATS), 0..4u8, any::<bool>()).prop_map(|(resource, holder, pending)| {
            Operation::Occupy { resource, holder, pending }
        }),
        1 => (among(&SEATS), 0..4u8)
            .prop_map(|(resource, holder)| Operation::ReleaseSeat { resource, holder }),
        1 => (among(&SEATS), 0..4u8, 0..4u8)
            .prop_map(|(resource, old, new)| Operation::ReplaceSeat { resource, old, new }),
        3 => (grantable, 1..20u64, proptest::option::of(1..40u64))
            .prop_map(|(resource, units, days)| Operation::Grant { resource, units, days }),
        2 => (limited, proptest::option::weighted(0.85, 0..40u64))
            .prop_map(|(resource, limit)| Operation::SetLimit { resource, limit }),
        2 => (plan, 1..40u64, any::<bool>()).prop_map(|(plan, days, auto_renew)| {
            Operation::ChangePlan { plan, days, auto_renew }
        }),
        1 => any::<Option<bool>>().prop_map(|on| Operation::SetAi { on }),
        1 => proptest::option::of(proptest::sample::select(vec!["basic", "full"]))
            .prop_map(|level| Operation::SetAnalytics { level }),
        1 => (status(), any::<bool>())
            .prop_map(|(status, as_operator)| Operation::SetStatus { status, as_operator }),
        1 => Just(Operation::SetStatus { status: Status::Active, as_operator: true }),
        1 => Just(Operation::Settle),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    let operation = prop_oneof![5 => decision(), 4 => handle(), 3 => administration()];
    prop_oneof![
        24 => (prop_oneof![3 => Just(0usize), 1 => Just(1)], operation)
            .prop_map(|(tenant, operation)| Step::Do { tenant, operation }),
        2 => (1..200i64).prop_map(|seconds| Step::Wait { seconds }),
        3 => (1..72i64).prop_map(|hours| Step::Wait { seconds: hours * 3_600 }),
        2 => (200..2_000i64).prop_map(|hours| Step::Wait { seconds: hours * 3_600 }),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Events),
    ]
}
