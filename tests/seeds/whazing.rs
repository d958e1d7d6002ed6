//! Whazing (docs/sources.md): "API PLUS", channels in packages.

use cotas::{Details, InvoiceLine, NewTenant, Occupancy, Purchase, Reason, Seats};
use cotas_tests::date;
use cotas_tests::wide::allowed;

use super::{PT, Platform, assert_line, denied, refused, row_with, subscriber};

pub(super) const CATALOG: &str = include_str!("../../examples/catalogs/whazing.toml");
const TENANT: &str = "loja";
const PACKAGE: &str = "canais_api_plus";
/// The channels of a plan, on WhatsApp Business.
const BUSINESS: &str = "api_plus.business";

/// A tenant on Premium, due on this day of May, on the fifth.
fn premium(due: &str) -> Platform {
    let platform = Platform::open(CATALOG, "2026-05-05T10:00:00-03:00");
    platform.create(&subscriber(TENANT, "premium", due));
    platform
}

fn buy(platform: &Platform, quantity: u64) -> Purchase {
    platform.engine.buy(TENANT, PACKAGE, quantity, None).expect("sells")
}

/// Buys channels and pays them.
fn buy_and_pay(platform: &Platform, quantity: u64) -> Purchase {
    let bought = buy(platform, quantity);
    platform.engine.mark_paid(bought.invoice, None).expect("is paid");
    bought
}

fn connect(seats: &Seats<'_>, channel: &str) -> Result<cotas::Decision, cotas::Error> {
    let token = format!("token-of-{channel}");
    seats.occupy_as(channel, &Occupancy { token: Some(&token), ..Occupancy::default() })
}

/// What was charged for channels: when it is due, and how much.
fn charged(platform: &Platform) -> Vec<(String, String)> {
    let invoices = platform.engine.invoices(TENANT).expect("reads");
    let of_channels = |it: &&InvoiceLine| it.title == "Canais API PLUS";
    let lines = invoices.iter().flat_map(|it| {
        it.lines
            .iter()
            .filter(of_channels)
            .map(|line| (it.due.to_string(), line.amount.to_string()))
    });
    lines.collect()
}

fn pairs<const N: usize>(of: [(&str, &str); N]) -> Vec<(String, String)> {
    of.map(|(due, amount)| (due.to_owned(), amount.to_owned())).to_vec()
}

#[test]
fn seed_002_01_what_a_channel_can_do_are_features_of_the_plan() {
    let platform = premium("2026-05-30");
    platform.create(&subscriber("comum", "comum", "2026-05-30"));
    for action in
        ["send_buttons", "send_list", "send_copy_and_paste", "send_link", "request_location"]
    {
        allowed(platform.tenant(TENANT).perform(action, &Details::default()));
        let without = platform.tenant("comum").perform(action, &Details::default());
        denied(without, Reason::FeatureMissing);
    }
    let page =
        platform.engine.plan_report(TENANT, cotas::Role::Manager).expect("reads").to_page(PT);
    for feature in ["Botões interativos", "Listas", "Botão \"Copiar e colar\"", "Links clicáveis"]
    {
        assert_eq!(row_with(&page, feature)[1], "Sim");
    }
    assert_eq!(row_with(&page, "Solicitação de localização")[1], "Sim");
}

#[test]
fn seed_002_02_whatsapp_business_is_recommended_by_a_warning() {
    let platform = premium("2026-05-30");
    let tenant = platform.tenant(TENANT);
    let warning = |resource| tenant.seats(resource).expect("are seats").warning().expect("reads");
    assert_eq!(warning(BUSINESS), None);
    let plain = warning("api_plus.whatsapp").expect("is one");
    assert!(plain.pt.starts_with("use o WhatsApp Business"), "{plain:?}");
    let seats = tenant.seats("api_plus.whatsapp").expect("are seats");
    allowed(connect(&seats, "canal-1"));
    let channels = platform.engine.channels(TENANT, "api_plus").expect("reads");
    assert_eq!(channels.channels[0].warning, Some(plain.clone()), "a warning, no refusal");
    assert_line(&channels.to_page(PT), &format!("Atenção, canal-1: {}", plain.pt));
}

#[test]
fn seed_002_03_one_connection_is_one_channel() {
    let platform = premium("2026-05-30");
    buy_and_pay(&platform, 1);
    let tenant = platform.tenant(TENANT);
    let seats = tenant.seats(BUSINESS).expect("are seats");
    for connection in ["canal-1", "canal-1", "canal-2"] {
        allowed(connect(&seats, connection));
    }
    assert_eq!(platform.left(TENANT, "api_plus"), (Some(0), Some(2)), "canal-1 is one");
    denied(connect(&seats, "canal-3"), Reason::QuotaExhausted);
}

#[test]
fn seed_002_04_every_channel_needs_a_token_of_its_own() {
    let platform = premium("2026-05-30");
    platform.create(&subscriber("outra", "premium", "2026-05-30"));
    let tenant = platform.tenant(TENANT);
    let seats = tenant.seats(BUSINESS).expect("are seats");
    refused(seats.occupy("canal-1"), 427);
    refused(tenant.seats("api_plus").expect("are seats").occupy("canal-1"), 427);
    let short = Occupancy { token: Some("short"), ..Occupancy::default() };
    refused(seats.occupy_as("canal-1", &short), 406);
    assert_eq!(platform.left(TENANT, "api_plus"), (Some(1), Some(1)), "nothing was taken");
    allowed(connect(&seats, "canal-1"));
    allowed(seats.occupy("canal-1"));
    let other = platform.tenant("outra");
    let stolen = Occupancy { token: Some("token-of-canal-1"), ..Occupancy::default() };
    refused(other.seats(BUSINESS).expect("are seats").occupy_as("canal-9", &stolen), 419);
    let opened = platform.engine.verify_token("token-of-canal-1").expect("reads").expect("opens");
    assert_eq!((opened.tenant.as_str(), opened.holder.as_str()), (TENANT, "canal-1"));
    assert_eq!(platform.engine.verify_token("token-of-canal-2").expect("reads"), None);
}

#[test]
fn seed_002_05_api_plus_is_for_premium_only() {
    let platform = premium("2026-05-30");
    platform.create(&subscriber("comum", "comum", "2026-05-30"));
    let tenant = platform.tenant("comum");
    denied(connect(&tenant.seats(BUSINESS).expect("are seats"), "canal-1"), Reason::NotInPlan);
    let sold = platform.engine.buy("comum", PACKAGE, 1, None);
    let error = refused(sold, 424);
    assert!(error.to_string().contains("it lacks the feature that the package needs"), "{error}");
    assert_eq!(platform.engine.invoices("comum").expect("reads").len(), 1, "only the plan's");
    buy(&platform, 1);
}

#[test]
fn seed_002_06_the_price_table() {
    let platform = premium("2026-05-30");
    let price = |quantity| {
        let quote = platform.engine.quote_package(PACKAGE, quantity).expect("has a price");
        let units: u64 = quote.packages.iter().map(|(size, count)| size * count).sum();
        assert_eq!(units, quantity, "exactly");
        quote.cents.get() / 100
    };
    for (quantity, reais) in [
        (1, 5),
        (2, 10),
        (9, 45),
        (10, 35),
        (11, 40),
        (15, 60),
        (17, 70),
        (20, 60),
        (29, 105),
        (30, 80),
        (40, 95),
        (50, 105),
        (51, 110),
        (60, 140),
        (100, 210),
    ] {
        assert_eq!(price(quantity), reais, "{quantity}");
    }
    let hint = |quantity| {
        let quote = platform.engine.quote_package(PACKAGE, quantity).expect("has a price");
        quote.hint.map(|hint| (hint.quantity, hint.cents.get() / 100))
    };
    assert_eq!((hint(9), hint(49)), (Some((10, 35)), Some((50, 105))));
    let hinted: Vec<u64> = (1..=60).filter(|&quantity| hint(quantity).is_some()).collect();
    let ranges = [8..=9, 16..=19, 25..=29, 34..=39, 43..=49, 58..=59];
    assert_eq!(hinted, ranges.into_iter().flatten().collect::<Vec<u64>>());
    refused(platform.engine.buy(TENANT, PACKAGE, 0, None), 406);
}

#[test]
fn seed_002_07_nothing_is_prorated() {
    for now in ["2026-05-05T10:00:00-03:00", "2026-05-29T23:59:00-03:00"] {
        let platform = premium("2026-05-30");
        platform.at(now);
        let bought = buy_and_pay(&platform, 1);
        assert_eq!(bought.quote.cents.to_string(), "5.00", "{now}");
        let today = &now[..10];
        assert_eq!(charged(&platform), pairs([(today, "5.00"), ("2026-05-30", "5.00")]), "{now}");
    }
}

#[test]
fn seed_002_08_the_full_price_is_charged_at_once() {
    let platform = premium("2026-05-30");
    let bought = buy(&platform, 10);
    let invoices = platform.engine.invoices(TENANT).expect("reads");
    let now = invoices.iter().find(|it| it.id == bought.invoice).expect("is there");
    assert_eq!((now.amount.to_string().as_str(), now.due), ("35.00", date("2026-05-05")));
    assert!(!now.recurring);
    assert_eq!(platform.left(TENANT, "api_plus").1, Some(1), "given when it is paid");
    platform.engine.mark_paid(bought.invoice, None).expect("is paid");
    platform.engine.mark_paid(bought.invoice, None).expect("changes nothing");
    assert_eq!(platform.left(TENANT, "api_plus").1, Some(11));
}

#[test]
fn seed_002_09_and_again_with_every_due_date() {
    let platform = premium("2026-05-30");
    buy_and_pay(&platform, 1);
    platform.at("2026-07-01T10:00:00-03:00");
    platform.engine.settle(TENANT).expect("settles");
    let due = ["2026-05-05", "2026-05-30", "2026-06-30", "2026-07-30"];
    assert_eq!(charged(&platform), pairs(due.map(|due| (due, "5.00"))));
    assert_eq!(platform.left(TENANT, "api_plus").1, Some(2), "the channel stays");
}

#[test]
fn seed_002_10_example_a_is_5_at_once_and_5_on_the_due_date() {
    let platform = premium("2026-05-30");
    let bought = buy_and_pay(&platform, 1);
    assert_eq!(bought.next_due, Some(date("2026-05-30")));
    assert_eq!(charged(&platform), pairs([("2026-05-05", "5.00"), ("2026-05-30", "5.00")]));
}

#[test]
fn seed_002_11_example_b_is_10_and_10_which_is_20() {
    let platform = premium("2026-05-15");
    let bought = buy_and_pay(&platform, 2);
    assert_eq!(bought.next_due, Some(date("2026-05-15")));
    assert_eq!(charged(&platform), pairs([("2026-05-05", "10.00"), ("2026-05-15", "10.00")]));
    platform.at("2026-05-15T10:00:00-03:00");
    let mut paid = 0;
    for invoice in platform.engine.invoices(TENANT).expect("reads") {
        platform.engine.mark_paid(invoice.id, None).expect("is paid");
        let of_channels = invoice.lines.iter().filter(|it| it.title == "Canais API PLUS");
        paid += of_channels.map(|it| it.amount.get()).sum::<i64>();
    }
    assert_eq!(paid, 2000);
}

#[test]
fn seed_002_12_one_channel_is_free_to_test_and_11_cost_40() {
    let platform = premium("2026-05-30");
    let tenant = platform.tenant(TENANT);
    let seats = tenant.seats(BUSINESS).expect("are seats");
    allowed(connect(&seats, "canal-1"));
    assert_eq!(charged(&platform), pairs([]), "nothing is charged for it");
    denied(connect(&seats, "canal-2"), Reason::QuotaExhausted);
    let bought = buy_and_pay(&platform, 11);
    assert_eq!(bought.quote.cents.to_string(), "40.00");
    assert_eq!(bought.quote.packages, [(10, 1), (1, 1)]);
    assert_eq!(platform.left(TENANT, "api_plus"), (Some(11), Some(12)), "besides the free one");
    allowed(connect(&seats, "canal-2"));
}

#[test]
fn seed_002_13_tokens_are_secret_and_the_purchase_reports_the_next_charge() {
    let platform = premium("2026-05-15");
    let bought = buy_and_pay(&platform, 2);
    assert_eq!(bought.next_due, Some(date("2026-05-15")));
    assert_eq!(bought.next_total.to_string(), "109.00", "the plan's 99.00 and 10.00 again");
    let tenant = platform.tenant(TENANT);
    let seats = tenant.seats(BUSINESS).expect("are seats");
    allowed(connect(&seats, "canal-1"));
    let channels = platform.engine.channels(TENANT, "api_plus").expect("reads");
    assert_eq!((channels.next_due, channels.total), (bought.next_due, bought.next_total));
    let page = channels.to_page(PT);
    assert_line(&page, "Canais API PLUS disponíveis: 2 de 3");
    assert_line(&page, "Cobrança no próximo vencimento, 15/05/2026");
    assert_eq!(row_with(&page, "Whazing Premium"), ["Whazing Premium", "R$ 99,00"]);
    assert_eq!(row_with(&page, "Canais API PLUS"), ["Canais API PLUS", "R$ 10,00"]);
    assert_eq!(row_with(&page, "Total"), ["Total", "R$ 109,00"]);
    assert_eq!(row_with(&page, "canal-1"), ["canal-1", "WhatsApp Business", "05/05/2026", "Sim"]);
    let token = "token-of-canal-1";
    let list = seats.list().expect("reads");
    for shown in [page, channels.to_json().to_string(), format!("{list:?}{channels:?}")] {
        assert!(!shown.contains(token), "{shown}");
    }
    let stolen = Occupancy { token: Some(token), ..Occupancy::default() };
    let error = refused(seats.occupy_as("canal-2", &stolen), 419);
    assert!(!error.to_string().contains(token), "{error}");
}

#[test]
fn a_tenant_that_does_not_renew_is_charged_nothing_more() {
    let platform = Platform::open(CATALOG, "2026-05-05T10:00:00-03:00");
    platform.create(&NewTenant::new(TENANT).plan("premium", date("2026-05-30"), false));
    let channels = platform.engine.channels(TENANT, "api_plus").expect("reads");
    assert_eq!(channels.next_due, None);
    assert_line(&channels.to_page(PT), "Nada será cobrado.");
    platform.create(&NewTenant::new("sem-plano"));
    let channels = platform.engine.channels("sem-plano", "api_plus").expect("reads");
    assert_line(&channels.to_page(PT), "Canais API PLUS disponíveis: 0 de 0");
    refused(platform.engine.channels(TENANT, "canais"), 402);
}
