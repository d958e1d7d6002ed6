//! What the engine can do can be done from C: every public operation of its source has a function
//! in the header, or is an operation of the control plane, so that the next one is not forgotten.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What hosts call, and what stands in the header before the operations of each.
const CALLED: [(&str, &[&str]); 9] = [
    ("AccessTokens", &[]),
    ("Webhooks", &[]),
    ("Engine", &["cotas_", "cotas_engine_"]),
    ("Tenant", &["cotas_"]),
    ("Leases", &["cotas_lease_"]),
    ("Meter", &["cotas_meter_"]),
    ("Rates", &["cotas_rate_"]),
    ("Seats", &["cotas_seat_"]),
    ("Builder", &["cotas_options_set_"]),
];

/// A tenant's operations under a key, which in C is an argument of each.
const UNDER_A_KEY: &str = "Once";

/// What is handed in and out: C has structs and documents for it.
const VALUES: [&str; 15] = [
    "AccessRole",
    "Balance",
    "ChargeState",
    "Delivery",
    "DeliveryOutcome",
    "IgnoredBecause",
    "Invoice",
    "InvoiceStatus",
    "Metric",
    "NewGrant",
    "NewTenant",
    "Resolution",
    "TenantFilter",
    "Terms",
    "Unmatched",
];

/// Operations whose function has another name.
const NAMED_OTHERWISE: [(&str, &str); 17] = [
    ("Engine::builder", "cotas_options_new"),
    ("Engine::in_memory", "cotas_engine_open_in_memory"),
    ("Engine::tenant", "cotas_tenant_open"),
    ("Engine::with_clock", "cotas_options_set_time"),
    // A key is an argument of each call of the control plane.
    ("Engine::once", "cotas_call"),
    ("Once::kept_for", "cotas_tenant_with_key_lifetime"),
    // A key is an argument of each operation that it makes take effect once.
    ("Tenant::once", "cotas_consume"),
    // The same operations, for bindings to report what was decided.
    ("Tenant::consume_then", "cotas_consume"),
    ("Tenant::check_then", "cotas_check"),
    ("Tenant::leases", "cotas_lease_acquire"),
    ("Tenant::meter", "cotas_meter_add"),
    ("Tenant::rate", "cotas_rate_pass"),
    ("Seats::occupy_as", "cotas_seat_occupy"),
    ("Builder::clock", "cotas_options_set_time"),
    ("Builder::open", "cotas_engine_open"),
    ("Builder::doctor", "cotas_doctor"),
    ("Builder::restore", "cotas_restore"),
];

/// Operations whose operation of the control plane has another name.
const CALLED_OTHERWISE: [(&str, &str); 16] = [
    ("Engine::load_catalog_confirmed", "load_catalog"),
    ("Engine::grant_as", "grant"),
    ("Engine::register_form", "register"),
    ("Engine::validate_form", "validate"),
    ("Engine::tenants_on_plans", "count_tenants"),
    ("Engine::usage_by", "usage"),
    ("Engine::carry_plan", "change_plan"),
    ("Seats::list", "seats"),
    ("Engine::tenants_after", "tenants"),
    ("Engine::webhooks", "webhooks"),
    ("Webhooks::add", "add_webhook"),
    ("Webhooks::dead", "dead_deliveries"),
    ("Webhooks::list", "webhooks"),
    ("Webhooks::remove", "remove_webhook"),
    ("Webhooks::resend", "resend_deliveries"),
    ("Webhooks::rotate", "rotate_webhook"),
];

/// Operations that C does without; docs/c-api.md says why.
const LEFT_OUT: [&str; 19] = [
    "AccessTokens::begin_session",
    "AccessTokens::create",
    "AccessTokens::form_token",
    "AccessTokens::is_form_token",
    "AccessTokens::list",
    "AccessTokens::revoke",
    "AccessTokens::rotate",
    "AccessTokens::session",
    "AccessTokens::verify",
    "Engine::access_tokens",
    "Engine::acting_as",
    "Engine::check",
    "Engine::consume",
    "Engine::perform",
    "Tenant::name",
    "Tenant::ttl_of_action",
    "Tenant::ttl_of_units",
    "Webhooks::take_due",
    "Webhooks::report",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("can be read")
}

/// The operations of the control plane, which `cotas_call` calls.
fn is_called(name: &str, operation: &str) -> bool {
    let otherwise = CALLED_OTHERWISE.iter().filter(|(listed, _)| *listed == name);
    let mut names = otherwise.map(|(_, called)| *called).chain([operation]);
    names.any(|it| cotas_core::control::operations().any(|known| known.name == it))
}

/// Every source file of a module.
fn sources(module: &str) -> Vec<String> {
    let files = fs::read_dir(root().join(module)).expect("is a folder");
    let paths = files.map(|file| file.expect("can be read").path());
    paths.map(|path| fs::read_to_string(path).expect("is UTF-8")).collect()
}

/// The type whose methods begin with this line.
fn implemented(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?;
    let rest = if rest.starts_with('<') { rest.split_once("> ")?.1 } else { rest.trim_start() };
    let is_trait = rest.contains(" for ");
    rest.split(['<', ' ']).next().filter(|_| !is_trait)
}

/// `(type, operation)` of every public function of a source file that belongs to a type.
fn operations(source: &str) -> Vec<(String, String)> {
    let mut of = None;
    let mut found = Vec::new();
    for line in source.lines() {
        of = implemented(line).or(of);
        let name = line.strip_prefix("    pub fn ").or(line.strip_prefix("    pub const fn "));
        let name = name.and_then(|it| it.split(['(', '<']).next());
        found.extend(of.zip(name).map(|(of, name)| (of.to_owned(), name.to_owned())));
    }
    found
}

/// The functions of the header.
fn functions() -> BTreeSet<String> {
    let header = read("include/cotas_ffi.h");
    let words = header.split(|it: char| !it.is_ascii_alphanumeric() && it != '_' && it != '(');
    words.filter_map(|it| it.split_once('(')).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_operation_of_the_engine_has_its_function() {
    let (functions, guide) = (functions(), read("docs/c-api.md"));
    let all: Vec<_> = sources("core/src/engine").iter().flat_map(|it| operations(it)).collect();
    assert!(all.len() > 100, "the engine's operations were not found: {}", all.len());
    let known: BTreeSet<_> =
        all.iter().map(|(of, operation)| format!("{of}::{operation}")).collect();
    for (operation, called) in CALLED_OTHERWISE {
        assert!(is_called(operation, called), "there is no {called} for {operation}");
    }
    for (operation, function) in NAMED_OTHERWISE {
        assert!(functions.contains(function), "there is no {function} for {operation}");
    }
    for operation in NAMED_OTHERWISE.iter().map(|(operation, _)| operation).chain(&LEFT_OUT) {
        assert!(known.contains(*operation), "the engine has no {operation} any more");
    }
    for (of, operation) in &all {
        let name = format!("{of}::{operation}");
        if LEFT_OUT.contains(&name.as_str()) {
            assert!(guide.contains(&format!("`{name}`")), "docs/c-api.md: why is there no {name}?");
            continue;
        }
        if of == UNDER_A_KEY {
            let is_argument = known.contains(&format!("Tenant::{operation}"));
            let is_named = NAMED_OTHERWISE.iter().any(|(listed, _)| *listed == name);
            assert!(is_argument || is_named, "{name} is no operation of a tenant");
            continue;
        }
        let Some((_, prefixes)) = CALLED.iter().find(|(called, _)| called == of) else {
            assert!(VALUES.contains(&of.as_str()), "{name}: is {of} a value, or is it called?");
            continue;
        };
        let mut likely: Vec<_> =
            prefixes.iter().map(|prefix| format!("{prefix}{operation}")).collect();
        likely.extend(prefixes.iter().map(|prefix| format!("{prefix}{operation}_ms")));
        let otherwise = NAMED_OTHERWISE.iter().filter(|(operation, _)| *operation == name);
        likely.extend(otherwise.map(|(_, function)| (*function).to_owned()));
        let has_function = likely.iter().any(|it| functions.contains(it));
        assert!(has_function || is_called(&name, operation), "{name} is none of {likely:?}");
    }
}

#[test]
fn every_page_that_people_read_can_be_asked_for() {
    let pages = sources("core/src/report").into_iter().flat_map(|it| operations(&it));
    let pages: BTreeSet<_> =
        pages.filter(|(_, operation)| operation == "to_page").map(|(of, _)| of).collect();
    let page = cotas_core::control::operation("page").expect("is there");
    let what = page.arguments.iter().find(|it| it.name == "what").expect("is there");
    let reports = ["Balances", "Channels", "PlanReport", "Statement"];
    assert!(pages.iter().eq(reports), "docs/operations.md, page: {pages:?}");
    for report in ["balances", "channels", "plan", "statement"] {
        assert!(what.expected().contains(report), "there is no page of {report}");
    }
}
