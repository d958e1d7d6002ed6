//! Assin (docs/sources.md): credits and notification credits.

use std::time::Duration;

use cotas::{Details, Reason, Tenant, Terms};
use cotas_tests::wide::allowed;
use cotas_tests::{at, date};

use super::{PT, Platform, assert_line, assert_no_english, denied, refused, subscriber};

pub(super) const CATALOG: &str = include_str!("../../examples/catalogs/assin.toml");
const TENANT: &str = "escritorio-lima";

fn platform() -> Platform {
    let platform = Platform::open(CATALOG, "2026-06-25T10:00:00-03:00");
    platform.create(&subscriber(TENANT, "essencial", "2026-07-24"));
    platform
}

/// An envelope that takes so many credits.
fn envelope<'a>(credits: u64) -> Details<'a> {
    Details { quantity: Some(credits), ..Details::default() }
}

/// What an action would cost: the balance and the units.
fn costs(tenant: &Tenant, action: &str, details: &Details<'_>) -> Vec<(String, u64)> {
    let quote = tenant.quote(action, details).expect("is quoted");
    quote.costs.into_iter().map(|it| (it.resource, it.cost)).collect()
}

fn cost(resource: &str, units: u64) -> (String, u64) {
    (resource.to_owned(), units)
}

/// Credits and notification credits that are left.
fn both(platform: &Platform) -> (Option<u64>, Option<u64>) {
    let left = |resource| platform.left(TENANT, resource).0;
    (left("credits"), left("notification_credits"))
}

#[test]
fn seed_003_01_amount_and_kind_of_credits_are_reported_before() {
    let platform = platform();
    let tenant = platform.tenant(TENANT);
    let any = Details::default();
    assert_eq!(costs(&tenant, "seal_envelope", &envelope(3)), [cost("credits", 3)]);
    assert_eq!(costs(&tenant, "seal_envelope", &envelope(7)), [cost("credits", 7)]);
    assert_eq!(costs(&tenant, "remind_by_sms", &any), [cost("notification_credits", 1)]);
    assert_eq!(costs(&tenant, "remind_by_email", &any), [cost("notification_credits", 0)]);
    assert_eq!(
        costs(&tenant, "seal_and_notify_by_sms", &envelope(2)),
        [cost("credits", 2), cost("notification_credits", 1)]
    );
    assert_eq!(both(&platform), (Some(50), Some(20)), "asking costs nothing");
    // What was quoted is what is charged, or it is said that the tariff has changed.
    let quote = tenant.quote("remind_by_sms", &any).expect("is quoted");
    let dearer = CATALOG.replace(
        "remind_by_sms]\ngate   = \"send\"\ncharge = { notification_credits = 1",
        "remind_by_sms]\ngate   = \"send\"\ncharge = { notification_credits = 2",
    );
    assert_ne!(dearer, CATALOG);
    let dearer = cotas::Catalog::parse(&dearer, "catalog.toml").expect("is valid");
    platform.engine.load_catalog(&dearer).expect("loads");
    let quoted = Details { tariff: Some(quote.tariff), ..any };
    refused(tenant.perform("remind_by_sms", &quoted), 420);
    assert_eq!(costs(&tenant, "remind_by_sms", &any), [cost("notification_credits", 2)]);
}

#[test]
fn seed_003_02_sealing_shows_its_cost_first() {
    let platform = platform();
    let tenant = platform.tenant(TENANT);
    let quote = tenant.quote("seal_envelope", &envelope(3)).expect("is quoted");
    let line = &quote.costs[0];
    assert_eq!((line.cost, line.available, line.limit), (3, Some(50), Some(50)));
    assert!(quote.decision.allowed());
    let decision = allowed(tenant.perform("seal_envelope", &envelope(3)));
    assert_eq!((decision.available, decision.limit()), (47, Some(50)));
    let dear = tenant.quote("seal_envelope", &envelope(48)).expect("is quoted");
    assert_eq!(dear.decision.reason(), Some(Reason::QuotaExhausted), "reported before");
    let refusal = denied(tenant.perform("seal_envelope", &envelope(48)), Reason::QuotaExhausted);
    let named = platform.engine.resource("credits").expect("is one");
    assert_eq!((refusal.resource, refusal.units, refusal.available), (Some(named), 48, 47));
    assert_eq!(both(&platform), (Some(47), Some(20)));
}

#[test]
fn seed_003_03_there_are_two_balances() {
    let platform = platform();
    let tenant = platform.tenant(TENANT);
    allowed(tenant.perform("seal_envelope", &envelope(6)));
    allowed(tenant.perform("remind_by_sms", &Details::default()));
    let balances = platform.engine.balances(TENANT).expect("reads");
    assert_eq!(balances.lines.len(), 2, "{balances:?}");
    let of = |resource| {
        let line = balances.balance(resource).expect("is one");
        (line.available, line.contracted, line.used)
    };
    assert_eq!(of("credits"), (Some(44), Some(50), 6));
    assert_eq!(of("notification_credits"), (Some(19), Some(20), 1));
    let page = balances.to_page(PT);
    assert_line(&page, "Créditos disponíveis: 44 de 50");
    assert_line(&page, "Créditos de notificação disponíveis: 19 de 20");
    assert_no_english(&page);
    assert_eq!(balances.to_json()["balances"]["credits"]["available"], 44);
    // One balance does not help out for the other.
    for _ in 0..19 {
        allowed(tenant.perform("remind_by_sms", &Details::default()));
    }
    denied(tenant.perform("remind_by_sms", &Details::default()), Reason::QuotaExhausted);
    let sealed = tenant.perform("seal_and_notify_by_sms", &envelope(2));
    denied(sealed, Reason::QuotaExhausted);
    assert_eq!(both(&platform), (Some(44), Some(0)), "all or nothing");
}

#[test]
fn seed_003_04_the_e_mail_of_sealing_costs_nothing() {
    let platform = platform();
    let tenant = platform.tenant(TENANT);
    platform.engine.set_limit(TENANT, "notification_credits", cotas::Limit::Finite(0)).expect("is");
    allowed(tenant.perform("seal_and_notify_by_email", &envelope(4)));
    assert_eq!(both(&platform), (Some(46), Some(0)));
    denied(tenant.perform("seal_and_notify_by_sms", &envelope(4)), Reason::QuotaExhausted);
}

#[test]
fn seed_003_05_reminding_by_e_mail_costs_nothing() {
    let platform = platform();
    let tenant = platform.tenant(TENANT);
    for _ in 0..30 {
        allowed(tenant.perform("remind_by_email", &Details::default()));
    }
    assert_eq!(both(&platform), (Some(50), Some(20)));
}

#[test]
fn seed_003_06_reminding_by_whatsapp_or_sms_costs_notification_credits() {
    let platform = platform();
    let tenant = platform.tenant(TENANT);
    for action in ["remind_by_whatsapp", "remind_by_sms"] {
        for _ in 0..10 {
            allowed(tenant.perform(action, &Details::default()));
        }
    }
    assert_eq!(both(&platform), (Some(50), Some(0)), "of the one balance only");
    for action in ["remind_by_whatsapp", "remind_by_sms"] {
        denied(tenant.perform(action, &Details::default()), Reason::QuotaExhausted);
    }
    allowed(tenant.perform("remind_by_email", &Details::default()));
}

#[test]
fn seed_003_07_plans_give_an_amount_of_both() {
    let platform = platform();
    assert_eq!(both(&platform), (Some(50), Some(20)));
    platform.create(&subscriber("grande", "profissional", "2026-07-24"));
    let left = |resource| platform.left("grande", resource).0;
    assert_eq!((left("credits"), left("notification_credits")), (Some(200), Some(100)));
    let tenant = platform.tenant(TENANT);
    allowed(tenant.perform("seal_and_notify_by_sms", &envelope(9)));
    platform.at("2026-07-25T03:00:00Z");
    assert_eq!(both(&platform), (Some(50), Some(20)), "and give it again");
}

#[test]
fn seed_003_08_the_plan_is_shown_and_changed_and_notification_credits_are_bought() {
    let platform = platform();
    let tenant = platform.tenant(TENANT);
    let title = || platform.statement(TENANT).plan.expect("is active").title;
    assert_eq!(title(), "Essencial");
    let bought = platform.engine.buy(TENANT, "notificacoes", 100, None);
    let bought = bought.expect("sells");
    assert_eq!((bought.quote.cents.to_string().as_str(), bought.next_due), ("25.00", None), "once");
    assert_eq!(both(&platform).1, Some(20), "not before it is paid");
    platform.engine.mark_paid(bought.invoice, None).expect("is paid");
    assert_eq!(both(&platform).1, Some(120));
    let terms = Terms::new("profissional", date("2026-07-24"), true);
    platform.engine.change_plan(TENANT, &terms, None).expect("changes");
    assert_eq!((title(), both(&platform)), ("Profissional".to_owned(), (Some(200), Some(200))));
    // Set aside for a sending that fails, it comes back.
    let held = allowed(tenant.reserve(&[("notification_credits", 5)], Duration::from_secs(60)));
    assert_eq!(both(&platform).1, Some(195));
    tenant.release(&held.reservation.expect("is one")).expect("goes back");
    assert_eq!(both(&platform).1, Some(200));
    // The package has an end of its own.
    let grants = platform.statement(TENANT).grants;
    let package = grants.iter().find(|it| it.grant.source == cotas::Source::Package);
    let ends = package.expect("is there").grant.expires_at;
    assert_eq!(ends, Some(at("2027-06-25T10:00:00-03:00")), "365 days");
}
