//! The statements of five documents, one test each: LiveChat 360, Helena, Whazing, Assin, Voki.
//!
//! They load the very files of `examples/catalogs/` and use what any host may use; the clock is
//! set manually. docs/statements.md lists the statements; a test compares the list with these.

#![allow(unused_must_use)] // Asserting that a decision was allowed is looking at it.

mod assin;
mod helena;
mod livechat360;
mod voki;
mod whazing;

use std::sync::Arc;

use cotas::billing::{Cents, CompanyType, DocumentType, Gateway, PersonType};
use cotas::{
    AccountHolder, Administrator, BalanceLine, Catalog, Decision, Details, Engine, Error, Language,
    Maintenance, ManualClock, NewTenant, PaymentOutcome, Reason, Seats, Statement, Tenant,
};
use cotas_tests::wide::allowed;
use cotas_tests::{assert_sound, at, date};

/// The token of the gateway's webhook.
const WEBHOOK_TOKEN: &str = "a-token-of-the-webhook";
/// A CNPJ that exists as test data only.
const CNPJ: &str = "11.222.333/0001-81";

/// A platform with its catalog, on a clock that is set manually.
struct Platform {
    engine: Engine,
    clock: Arc<ManualClock>,
}

impl Platform {
    fn open(catalog: &str, now: &str) -> Platform {
        let clock = Arc::new(ManualClock::new(at(now)));
        let engine = Engine::in_memory()
            .clock(Arc::clone(&clock) as _)
            .maintenance(Maintenance::External)
            .open()
            .expect("opens");
        let catalog = Catalog::parse(catalog, "catalog.toml").expect("is valid");
        engine.load_catalog(&catalog).expect("loads");
        engine.set_webhook_token(Gateway::Asaas, WEBHOOK_TOKEN).expect("is set");
        Platform { engine, clock }
    }

    /// Sets the clock.
    fn at(&self, now: &str) {
        self.clock.set(at(now));
    }

    /// Creates a tenant; where its plan's price is agreed one by one, for 1500.00.
    fn create(&self, new: &NewTenant<'_>) {
        let catalog = self.engine.catalog().expect("reads").1;
        let plan = new.plan.and_then(|terms| catalog.plans.get(terms.plan));
        let is_custom = plan.is_some_and(|plan| plan.price_cents.is_none());
        let price = is_custom.then(|| Cents::parse("1500.00").expect("is an amount"));
        let new = NewTenant { price, ..new.clone() };
        self.engine.create_tenant(&new).expect("is created");
    }

    fn tenant(&self, name: &str) -> Tenant {
        self.engine.tenant(name).expect("exists")
    }

    fn statement(&self, tenant: &str) -> Statement {
        self.engine.statement(tenant).expect("reads")
    }

    fn balance(&self, tenant: &str, resource: &str) -> BalanceLine {
        let statement = self.statement(tenant);
        statement.balance(resource).unwrap_or_else(|| panic!("no {resource}")).clone()
    }

    /// What is available of what is contracted.
    fn left(&self, tenant: &str, resource: &str) -> (Option<u64>, Option<u64>) {
        let balance = self.balance(tenant, resource);
        (balance.available, balance.contracted)
    }

    /// The reference of an invoice, whosever it is.
    fn reference(&self, invoice: i64) -> String {
        let tenants = self.engine.tenants().expect("reads");
        let mut invoices =
            tenants.iter().flat_map(|name| self.engine.invoices(name).expect("reads"));
        invoices.find(|it| it.id == invoice).expect("an invoice").reference
    }

    /// Reports what Asaas reports of a payment.
    fn reported(&self, id: &str, event: &str, payment: &str, invoice: i64) -> PaymentOutcome {
        let body = asaas(id, event, payment, &self.reference(invoice));
        self.engine.payment_event(Gateway::Asaas, &body, WEBHOOK_TOKEN).expect("is answered")
    }
}

impl Drop for Platform {
    /// Whatever a test did, the ledger add up.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_sound(&self.engine);
        }
    }
}

/// The body of a webhook of Asaas.
fn asaas(id: &str, event: &str, payment: &str, reference: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"evt_05b708f961d739ea7eba7e4db318f621&{id}","event":"{event}",
            "dateCreated":"2026-05-20 10:00:00","payment":{{"object":"payment","id":"{payment}",
            "customer":"cus_1","value":699.00,"billingType":"PIX","status":"RECEIVED",
            "dueDate":"2026-05-20","originalDueDate":"2026-05-20","paymentDate":"2026-05-20",
            "externalReference":"{reference}"}}}}"#
    )
    .into_bytes()
}

/// A company whose administrator is Ana.
fn company(cnpj: &str) -> AccountHolder<'_> {
    AccountHolder {
        person: PersonType::Legal,
        document: Some((cnpj, DocumentType::Cnpj)),
        trade_name: "Padaria Aurora",
        legal_name: "Padaria Aurora Ltda",
        company_type: Some(CompanyType::Ltda),
        company_type_text: "",
        administrator: Administrator {
            name: "Ana",
            email: "ana@aurora.example",
            phone: "+55 11 5555-0100",
        },
        address: None,
    }
}

/// Asserts that the answer is no, for this reason.
#[track_caller]
fn denied(answer: Result<Decision, Error>, reason: Reason) -> Decision {
    let decision = cotas_tests::wide::denied(answer);
    assert_eq!(decision.reason(), Some(reason), "{decision:?}");
    decision
}

/// Asserts that an operation is refused with this number.
#[track_caller]
fn refused<T>(answer: Result<T, Error>, code: i32) -> Error {
    match answer {
        Ok(_) => panic!("accepted; error {code} was expected"),
        Err(error) => {
            assert_eq!(error.code(), code, "{error}");
            error
        }
    }
}

/// A message of a contact.
fn of(contact: &str) -> Details<'_> {
    Details { channel: "whatsapp-1", contact, ..Details::default() }
}

/// Takes so many seats.
fn fill(seats: &Seats<'_>, prefix: &str, count: u64) {
    for number in 0..count {
        allowed(seats.occupy(&format!("{prefix}-{number}")));
    }
}

/// Opens the sessions of so many contacts.
fn open_sessions(tenant: &Tenant, prefix: &str, count: u64) {
    for number in 0..count {
        let contact = format!("{prefix}-{number}");
        let decision = allowed(tenant.perform("receive_message", &of(&contact)));
        assert!(decision.session.is_some_and(|session| session.opened), "{contact}");
    }
}

/// Asserts that a page has this line.
#[track_caller]
fn assert_line(page: &str, line: &str) {
    assert!(page.lines().any(|it| it.trim() == line), "no {line:?} in\n{page}");
}

/// Asserts that a page in Portuguese has none of these words.
fn assert_no_english(page: &str) {
    let words = "available unlimited Users Status: due Yes since Granted Charged paid pending none";
    for word in words.split(' ').chain(["Plan "]) {
        assert!(!page.contains(word), "{word:?} in\n{page}");
    }
}

/// A line of a table: its cells, without the frame.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('│').split('┆').map(str::trim).collect()
}

/// The row of a page's table that has this cell.
fn row_with<'a>(page: &'a str, cell: &str) -> Vec<&'a str> {
    let mut rows = page.lines().filter(|line| line.starts_with('│')).map(cells);
    rows.find(|row| row.contains(&cell)).unwrap_or_else(|| panic!("no {cell:?} in\n{page}"))
}

const PT: Language = Language::Portuguese;

/// The catalogs of the five platforms, and that of the sample traffic.
const CATALOGS: [&str; 6] = [
    livechat360::CATALOG,
    helena::CATALOG,
    whazing::CATALOG,
    assin::CATALOG,
    voki::CATALOG,
    include_str!("../../examples/catalogs/help_desk.toml"),
];

#[test]
fn pages_in_portuguese_have_nothing_in_english_and_no_names_of_the_catalog() {
    for text in CATALOGS {
        let platform = Platform::open(text, "2026-05-04T12:00:00-03:00");
        let (_, catalog) = platform.engine.catalog().expect("has one");
        for name in catalog.plans.keys() {
            let new = subscriber(name, name, "2026-05-20");
            platform.create(&NewTenant { pay_first: Some("Asaas"), ..new.clone() });
            // What costs nothing begins at once.
            for joining in platform.engine.invoices(name).expect("reads") {
                platform.engine.mark_paid(joining.id, None).expect("is paid");
            }
            let engine = &platform.engine;
            let report = engine.plan_report(name, cotas::Role::Manager).expect("reads");
            let mut pages = vec![
                platform.statement(name).to_page(PT),
                report.to_page(PT),
                engine.balances(name).expect("reads").to_page(PT),
            ];
            for seats in ["api_plus", "channels"] {
                let channels = engine.channels(name, seats).ok();
                pages.extend(channels.map(|it| it.to_page(PT)));
            }
            for page in pages {
                // The first line names the tenant.
                let (_, page) = page.split_once('\n').expect("more lines");
                assert_no_english(page);
                assert!(!page.contains('_'), "{page}");
            }
        }
    }
}

#[test]
fn everything_in_the_catalogs_has_a_title_in_both_languages() {
    for text in CATALOGS {
        let catalog = Catalog::parse(text, "catalog.toml").expect("is valid");
        let features = catalog.plans.values().flat_map(|plan| &plan.features);
        let levels = features.clone().filter_map(|(_, feature)| match feature {
            cotas::catalog::Feature::Level(level) => Some(level),
            cotas::catalog::Feature::Flag(_) => None,
        });
        let names = catalog.resources.keys().chain(features.map(|(name, _)| name)).chain(levels);
        for name in names {
            assert!(catalog.titles.contains_key(name), "{name} has no title");
        }
    }
}

/// A tenant on a plan, renewed by itself.
fn subscriber<'a>(name: &'a str, plan: &'a str, due: &str) -> NewTenant<'a> {
    NewTenant::new(name).plan(plan, date(due), true)
}
