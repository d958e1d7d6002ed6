//! What is fuzzed: each target takes any bytes and checks what must hold whatever they are.
//!
//! A target panics where the engine is wrong; an error of the engine's is an answer. `make fuzz`
//! runs them under libFuzzer, the test `corpus` replays what was found.

use std::sync::Arc;

use chrono::NaiveDate;
use cotas::billing::Gateway;
use cotas::{
    Catalog, Details, Engine, Error, Maintenance, ManualClock, NewTenant, Timestamp, whatsapp,
};

/// A target: its name, which is its corpus's, and what it does with an input.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Checks one input.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 5] = [
    Target { name: "catalog", run: catalog },
    Target { name: "whatsapp", run: whatsapp_body },
    Target { name: "asaas", run: |bodies| payments(Gateway::Asaas, bodies) },
    Target { name: "pagarme", run: |bodies| payments(Gateway::Pagarme, bodies) },
    Target { name: "control", run: control },
];

/// The target with this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|it| it.name == name)
}

const CATALOG: &str = include_str!("../../examples/catalogs/help_desk.toml");
const TOKEN: &str = "the-token-of-both-gateways";
/// 2026-05-20T15:00:00Z.
const NOON: Timestamp = Timestamp::from_ms(1_779_289_200_000);

/// A catalog in TOML, or in JSON if it begins with a brace.
///
/// One that is accepted can be put in force, and what the database keeps of it is the same catalog.
fn catalog(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let name = if text.trim_start().starts_with('{') { "fuzzed.json" } else { "fuzzed.toml" };
    let Ok(catalog) = Catalog::parse(text, name) else { return };
    let engine = empty_engine();
    engine.load_catalog(&catalog).expect("a catalog that was read can be loaded");
    let kept = serde_json::to_string(&catalog).expect("a catalog can be kept");
    let again: Catalog = serde_json::from_str(&kept).expect("what is kept can be read");
    assert_eq!(again, catalog);
}

/// The body of a WhatsApp webhook. Each part that opens a session can be decided.
fn whatsapp_body(body: &[u8]) {
    let Ok(body) = whatsapp::read(body) else { return };
    let engine = engine();
    let tenant = engine.tenant("padaria-aurora").expect("the tenant");
    for part in body.events.iter().filter(|part| part.opens) {
        let contact = part.contacts.first().expect("who opens a session is named");
        let details = Details {
            channel: part.channel.as_deref().unwrap_or_default(),
            contact,
            at: part.at,
            ..Details::default()
        };
        accept(tenant.perform("receive_message", &details).map(|_| ()));
    }
    assert_sound(&engine);
}

/// Bodies of a gateway's webhooks, one a line, each delivered twice: the second has no effect.
fn payments(gateway: Gateway, bodies: &[u8]) {
    let engine = engine();
    engine.set_webhook_token(gateway, TOKEN).expect("the token");
    for body in bodies.split(|byte| *byte == b'\n').take(16) {
        if accept(engine.payment_event(gateway, body, TOKEN).map(|_| ())) {
            let before = invoices(&engine);
            accept(engine.payment_event(gateway, body, TOKEN).map(|_| ()));
            assert_eq!(invoices(&engine), before, "a body that comes twice has one effect");
        }
    }
    assert_sound(&engine);
}

/// Operations of the control plane, one a line: the name, a space, the arguments as JSON.
fn control(lines: &[u8]) {
    let engine = engine();
    for line in lines.split(|byte| *byte == b'\n').take(16) {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
        // Files of this machine are not the fuzzer's to write.
        let writes_file = cotas::control::operation(name)
            .is_ok_and(|it| it.effect == cotas::control::Effect::WritesFile);
        if !writes_file {
            accept(engine.call_json(name, arguments, None).map(|_| ()));
        }
    }
    assert_sound(&engine);
}

/// Whether it succeeded. An error is an answer, but for one that says that the engine is wrong.
fn accept(result: Result<(), Error>) -> bool {
    let Err(error) = result else { return true };
    assert!(!matches!(error, Error::Poisoned(_)), "{error}");
    false
}

fn assert_sound(engine: &Engine) {
    let findings = engine.verify().expect("can be verified");
    assert!(findings.is_empty(), "{findings:?}");
}

fn invoices(engine: &Engine) -> String {
    let invoices = engine.invoices("padaria-aurora").expect("the tenant");
    serde_json::to_string(&invoices).expect("JSON")
}

fn empty_engine() -> Engine {
    let clock = ManualClock::new(NOON);
    let builder = Engine::in_memory().maintenance(Maintenance::External).clock(Arc::new(clock));
    builder.open().expect("an engine in memory")
}

/// An engine with a tenant that owes an invoice, and one that is to pay its first.
fn engine() -> Engine {
    let engine = empty_engine();
    let catalog = Catalog::parse(CATALOG, "help_desk.toml").expect("the catalog");
    engine.load_catalog(&catalog).expect("is put in force");
    let due = NaiveDate::from_ymd_opt(2026, 6, 10).expect("a date");
    let paying = NewTenant::new("padaria-aurora").plan("starter", due, true);
    engine.create_tenant(&paying).expect("the tenant");
    engine
}
