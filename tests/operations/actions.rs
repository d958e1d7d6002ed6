//! Actions: several resources, a lease and a rate, all or nothing, for the price that was quoted.

use cotas::{Details, Engine, Error, Limit, Metric, Reason, UsageRow};
use cotas_tests::wide::{acme, allowed, catalog, denied, stands};
use cotas_tests::{Database, NOON, add_tenant, assert_sound};

/// The usage history without refusals.
fn used(engine: &Engine) -> Vec<UsageRow> {
    let mut rows = engine.usage("acme").expect("reads");
    rows.retain(|row| !matches!(row.metric, Metric::Denied(_)));
    rows
}

fn refusals(engine: &Engine) -> u64 {
    let rows = engine.usage("acme").expect("reads");
    rows.iter().filter(|row| matches!(row.metric, Metric::Denied(_))).map(|row| row.count).sum()
}

/// The bytes of a resource's counters and grants in the live file, found as `docs/live-file.md`
/// says: the first block, its slot table, the slot with the resource's number.
fn counters(database: &Database, engine: &Engine, resource: &str) -> Vec<u8> {
    let file = std::fs::read(database.live()).expect("is read");
    let word = |at: u64| {
        let bytes = file[at as usize..][..8].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes)
    };
    let (record_chunks, counters_of_record, counter_bytes) = (2_048, 72, 128);
    let record = word(word(record_chunks));
    let counters = word(record + counters_of_record) >> 16;
    let number = u64::from(engine.resource(resource).expect("exists").number());
    file[(counters + number * counter_bytes) as usize..][..counter_bytes as usize].to_vec()
}

#[test]
fn i4_a_refused_action_leaves_the_bytes_of_three_counters_as_they_were() {
    let database = Database::in_memory(env!("CARGO_BIN_EXE_helper"));
    let engine = database.open();
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "wide", "2026-05-20", true);
    let tenant = engine.tenant("acme").expect("exists");
    let details = Details::default();
    let bytes = || ["credits", "sms", "tasks"].map(|it| counters(&database, &engine, it));
    let fresh = bytes();
    allowed(tenant.perform("send_all", &details));
    allowed(tenant.consume("tasks", 7));
    let before = bytes();
    assert!(before.iter().zip(&fresh).all(|(now, then)| now != then), "these are the counters");
    for key in [None, Some("k")] {
        let refused = denied(match key {
            None => tenant.perform("send_all", &details),
            Some(key) => tenant.once(key).perform("send_all", &details),
        });
        assert_eq!((refused.units, refused.used, refused.available), (3, 10, 0));
        assert_eq!(bytes(), before);
    }
    assert_sound(&engine);
}

#[test]
fn i4_an_action_whose_third_resource_is_empty_changes_nothing_but_the_refusals() {
    let (engine, _) = acme(NOON);
    let details = Details::default();
    allowed(engine.perform("acme", "send_all", &details));
    allowed(engine.consume("acme", "tasks", 6));
    let (report, history) = (engine.report("acme").expect("reports"), used(&engine));
    let tenant = engine.tenant("acme").expect("exists");
    for key in [None, Some("k")] {
        let refused = denied(match key {
            None => tenant.perform("send_all", &details),
            Some(key) => tenant.once(key).perform("send_all", &details),
        });
        assert_eq!((refused.units, refused.used, refused.available), (3, 9, 1));
        assert!(refused.charges.iter().next().is_none() && refused.receipt.is_none());
    }
    let after = engine.report("acme").expect("reports");
    assert_eq!((&after.balances, &after.grants), (&report.balances, &report.grants));
    for (resource, used, left) in [("credits", 1, 9), ("sms", 2, 8), ("tasks", 9, 1)] {
        assert_eq!(stands(&engine, "acme", resource), (used, left, 0), "{resource}");
    }
    assert_eq!(used(&engine), history);
    assert_eq!(refusals(&engine), 2, "a refusal is recorded");
    assert_sound(&engine);
}

#[test]
fn a_refused_action_takes_no_lease_and_nothing_of_its_rate() {
    let (engine, _) = acme(NOON);
    let details = Details { holder: "h", contact: "c", channel: "w", ..Details::default() };
    allowed(engine.consume("acme", "tasks", 8));
    let (report, history) = (engine.report("acme").expect("reports"), used(&engine));
    for _ in 0..50 {
        let refused = denied(engine.perform("acme", "start_agent", &details));
        assert_eq!(refused.reasons.iter().collect::<Vec<_>>(), [Reason::QuotaExhausted]);
        assert_eq!(refused.lease, None);
    }
    let after = engine.report("acme").expect("reports");
    assert_eq!(after.balances, report.balances);
    assert_eq!(used(&engine), history);
    // The rate has all of its 45 still: the refusals took none of it.
    for resource in ["tasks", "credits", "minutes"] {
        engine.set_limit("acme", resource, Limit::Finite(1_000)).expect("is raised");
    }
    for _ in 0..45 {
        allowed(engine.perform("acme", "start_agent", &details));
    }
    let paced = denied(engine.perform("acme", "start_agent", &details));
    assert_eq!(paced.reason(), Some(Reason::RateExceeded));
    assert_eq!(paced.retry_at, Some(engine.now().plus_ms(6_000)));
    assert_eq!(stands(&engine, "acme", "credits").0, 45);
    assert_eq!(stands(&engine, "acme", "agents").0, 1);
    // Nor does a rate that is used up let the lease be taken.
    let other = Details { holder: "other", ..details };
    denied(engine.perform("acme", "start_agent", &other));
    assert_eq!(stands(&engine, "acme", "agents").0, 1);
    assert_sound(&engine);
}

#[test]
fn what_was_quoted_is_charged_or_the_tariff_has_changed() {
    let (engine, _) = acme(NOON);
    let tenant = engine.tenant("acme").expect("exists");
    let details = Details::default();
    let quote = tenant.quote("send_all", &details).expect("quotes");
    let lines: Vec<_> =
        quote.costs.iter().map(|it| (it.resource.as_str(), it.cost, it.available)).collect();
    let expected = [("credits", 1, Some(10)), ("sms", 2, Some(10)), ("tasks", 3, Some(10))];
    assert!(expected.iter().all(|line| lines.contains(line)), "{lines:?}");
    assert_eq!(lines.len(), 3);
    let quoted = Details { tariff: Some(quote.tariff), ..details };
    allowed(tenant.perform("send_all", &quoted));
    let text = format!("{}\n", cotas_tests::CATALOG);
    let other = cotas::Catalog::parse(&text, "other.toml").expect("is valid");
    assert_ne!(other, catalog());
    engine.load_catalog_confirmed(&other).expect("loads");
    engine.load_catalog_confirmed(&catalog()).expect("loads");
    for refused in [
        tenant.perform("send_all", &quoted),
        tenant.check_action("send_all", &quoted),
        tenant.once("k").perform("send_all", &quoted),
        tenant.reserve_action("send_all", &quoted, std::time::Duration::from_secs(1)),
    ] {
        let changed = matches!(refused, Err(Error::TariffChanged { quoted: 1, in_force: 3 }));
        assert!(changed, "{refused:?}");
    }
    assert_eq!(stands(&engine, "acme", "credits"), (1, 9, 0));
    let later = tenant.quote("send_all", &details).expect("quotes");
    allowed(tenant.perform("send_all", &Details { tariff: Some(later.tariff), ..details }));
    assert_sound(&engine);
}
