//! I6 on its own: settling is independent of when and in how many steps it is done.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use cotas::catalog::{Enforcement, Kind, OnLapse, Reset};
use cotas::rules::settle::{add_grant, grant_plan};
use cotas::rules::{
    Account, BillingRules, Counting, GateTable, Policy, Rulebook, Subscription, Usage,
    entitlements, settle,
};
use cotas::{BillingMode, Catalog, Engine, Limit, NewTenant, ResourceId, Source, Status};
use cotas_tests::at;
use proptest::prelude::*;

use crate::time::date_at;
use crate::{HOUR_MS, START};

/// Resources are numbered by their names: `a`, `b`, `c`, `d`.
const CATALOG: &str = r#"
[resources.a]
kind = "allowance"
[resources.b]
kind = "meter"
[resources.c]
kind = "meter"
reset = "calendar_month"
[resources.d]
kind = "meter"
reset = "never"
[plans.all]
title = "All"
price = "1.00"
limits = { a = 100, b = 100, c = 100, d = 100 }
"#;

const KINDS: [Kind; 4] = [
    Kind::Allowance,
    Kind::Meter { reset: Reset::Period },
    Kind::Meter { reset: Reset::CalendarMonth },
    Kind::Meter { reset: Reset::Never },
];

/// The numbers of the resources.
fn numbers() -> [ResourceId; 4] {
    let engine = Engine::in_memory().open().expect("opens");
    engine.load_catalog(&Catalog::parse(CATALOG, "i6.toml").expect("valid")).expect("loads");
    let due = date_at(engine.now().ms());
    engine.create_tenant(&NewTenant::new("acme").plan("all", due, true)).expect("is created");
    let tenant = engine.tenant("acme").expect("exists");
    let meter = |name: &str| {
        let meter = tenant.meter(name).expect("is a meter");
        meter.check(1).expect("decides").resource.expect("it is about one")
    };
    [engine.resource("a").expect("exists"), meter("b"), meter("c"), meter("d")]
}

fn rules() -> Rulebook {
    let policy = |kind| Policy {
        kind,
        enforcement: Enforcement::Hard,
        thresholds: vec![80, 100],
        parents: Vec::new(),
    };
    let policies = KINDS.map(|kind| Some(policy(kind))).to_vec();
    Rulebook::new(GateTable::default(), policies, KINDS.map(Counting::of).to_vec())
}

/// An account of the year 2026 with what was bought and, of each resource, what was used.
fn account(
    (anchor, auto_renew, billing): (u32, bool, BillingMode),
    extras: &[(u64, Option<i64>)],
    used: [u64; 4],
) -> Account {
    let start = at(START);
    let numbers = numbers();
    let first_due = NaiveDate::from_ymd_opt(2026, 1, anchor).expect("a date");
    let mut account = Account {
        status: Status::Active,
        created_at: start,
        time_zone: chrono_tz::America::Sao_Paulo,
        demo_ends_at: None,
        high_water_mark: start,
        subscription: Some(Subscription {
            id: 1,
            plan: "all".to_owned(),
            catalog_version: 1,
            first_due,
            anchor_day: anchor,
            period_months: 1,
            auto_renew,
            renewed: 0,
            max_renewals: None,
            on_lapse: OnLapse::Keep,
            grace_days: 0,
            lapsed: false,
            renew_on: cotas::catalog::RenewOn::Schedule,
            paid: 0,
            cadence_months: None,
            restored: 0,
            carry_over: BTreeMap::new(),
            price_cents: Some(29_900),
            title: String::new(),
            currency: "BRL".to_owned(),
            billing,
            from: None,
            peak_cents: None,
            peak_title: None,
            cancelled_at: None,
            pending: false,
            pause: cotas::Pause::None,
            next_due_set: None,
            due_from_payment: false,
            anchor_chosen: None,
            manual: true,
        }),
        awaits_payment: false,
        scheduled: None,
        owed: [first_due].into(),
        at_gateway: [].into(),
        waiting: [].into(),
        offers: [(first_due, true)].into(),
        oldest_overdue: None,
        for_debt: false,
        charged_again: false,
        limits: numbers.map(|number| (number, Limit::Finite(100))).into(),
        features: [0; 4],
        grants: Vec::new(),
        used: BTreeMap::new(),
        held: BTreeMap::new(),
        watches: BTreeMap::new(),
        month_start: at("2026-01-01T00:00:00-03:00"),
        period: 1,
        period_start: start,
        renewals: 0,
        next_grant: 1,
    };
    grant_plan(&mut account, &rules(), start);
    account.grants[0].remaining -= used[0];
    for (number, used) in numbers.into_iter().zip(used) {
        let beyond = if number == numbers[0] { 0 } else { used };
        account.used.insert(number, Usage { used, beyond });
    }
    for &(units, hours) in extras {
        let expires = hours.map(|hours| start.plus_ms(hours * HOUR_MS));
        add_grant(&mut account, numbers[0], Source::Extra, units, start, expires);
    }
    account
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn i6_settling_in_steps_is_settling_at_once(
        anchor in 15..=31u32,
        auto_renew: bool,
        in_advance: bool,
        suspend_after in proptest::option::of(0..40u32),
        cancel_later in proptest::option::of(0..200u32),
        extras in proptest::collection::vec(
            (1..50u64, proptest::option::of(1..9_000i64)),
            0..6,
        ),
        used in prop::array::uniform4(1..100u64),
        mut looks in proptest::collection::vec(0..9_000i64, 1..12),
    ) {
        looks.sort_unstable();
        let end = looks.last().copied().unwrap_or(0);
        let start = at(START);
        let cancel_after = cancel_later.map(|days| suspend_after.unwrap_or(0) + days);
        let billing = BillingRules { suspend_after, cancel_after, ..BillingRules::default() };
        let rules = rules().with_billing(billing);
        let mode = if in_advance { BillingMode::Advance } else { BillingMode::Arrears };
        let mut at_once = account((anchor, auto_renew, mode), &extras, used);
        let mut in_steps = at_once.clone();
        let once = settle(&mut at_once, &rules, start.plus_ms(end * HOUR_MS));
        let (mut closed, mut months) = (Vec::new(), Vec::new());
        let (mut begun, mut overdue, mut cancelled) = (Vec::new(), None, None);
        let (mut statuses, mut replaced) = (Vec::new(), Vec::new());
        let mut events = Vec::new();
        for hours in looks {
            let until = entitlements(&in_steps, &rules, in_steps.high_water_mark).valid_until;
            let now = start.plus_ms(hours * HOUR_MS);
            let settled = settle(&mut in_steps, &rules, now);
            // Before `valid_until` there was nothing to do.
            prop_assert!(now >= until || !settled.changed);
            closed.extend(settled.closed);
            begun.extend(settled.begun);
            statuses.extend(settled.statuses);
            replaced.extend(settled.replaced);
            cancelled = settled.cancelled.or(cancelled);
            overdue = settled.overdue.or(overdue);
            months.extend(settled.months);
            events.extend(settled.events);
        }
        prop_assert_eq!(&at_once, &in_steps);
        prop_assert_eq!(once.closed, closed);
        prop_assert_eq!(once.begun, begun);
        prop_assert_eq!(once.overdue, overdue);
        prop_assert_eq!(once.statuses, statuses);
        prop_assert_eq!(once.replaced, replaced);
        prop_assert_eq!(once.cancelled, cancelled);
        prop_assert_eq!(once.events, events);
        prop_assert_eq!(months.len(), usize::from(end >= 396));
        prop_assert_eq!(once.months, months);
    }
}
