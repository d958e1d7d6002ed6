//! Whazing (docs/sources.md): channels in packages, each with a token, never prorated.

use chrono::NaiveDate;
use cotas::billing::Cents;
use cotas::{Invoice, Language, NewTenant, Occupancy};
use serde_json::json;

use super::{Stage, Story, answer, day, shown, sum};
use crate::commands::money::{currency, quote_text};
use crate::failure::Failure;

const CATALOG: &str = include_str!("../../../examples/catalogs/whazing.toml");
const RESOURCE: &str = "api_plus";
const PACKAGE: &str = "canais_api_plus";
const TITLE: &str = "Canais API PLUS";
/// Channels on WhatsApp Business, and on plain WhatsApp.
const BUSINESS: &str = "api_plus.business";
const PLAIN: &str = "api_plus.whatsapp";
const A: &str = "exemplo-a";
const B: &str = "exemplo-b";

pub(super) fn play() -> Result<Story, Failure> {
    let mut stage = Stage::new(CATALOG, chrono_tz::America::Sao_Paulo)?;
    stage.at(day(5, 1), 9, 0);
    stage.engine.create_tenant(&NewTenant::new(A).plan("premium", day(5, 30), true))?;
    stage.engine.create_tenant(&NewTenant::new(B).plan("premium", day(5, 15), true))?;
    stage.engine.create_tenant(&NewTenant::new("comum").plan("comum", day(5, 30), true))?;
    stage.say("Premium comes with a channel to try:");
    connect(&mut stage, BUSINESS, "canal-1", "token-of-canal-1")?;
    connect(&mut stage, BUSINESS, "canal-2", "token-of-canal-2")?;
    let sold = stage.engine.buy("comum", PACKAGE, 1, None);
    stage.say_error("a tenant that is not on Premium wants to buy one", sold);
    for quantity in [9, 10, 11] {
        let quote = stage.engine.quote_package(PACKAGE, quantity)?;
        stage.say(quote_text(PACKAGE, quantity, &quote, &currency(&stage.engine)?));
    }

    stage.at(day(5, 5), 10, 0);
    buy(&mut stage, "example A", A, 1)?;
    buy(&mut stage, "example B", B, 2)?;
    connect(&mut stage, PLAIN, "canal-2", "token-of-canal-1")?;
    connect(&mut stage, PLAIN, "canal-2", "token-of-canal-2")?;
    let found = stage.engine.verify_token("token-of-canal-2")?;
    if let Some(seat) = found {
        stage.say(format!("that token opens {} of {}", seat.holder, seat.tenant));
    }

    for (date, tenant) in [(day(5, 15), B), (day(5, 30), A)] {
        stage.at(date, 9, 0);
        pay_due(&mut stage, tenant, date)?;
    }
    report(stage)
}

/// Connects a channel of example A.
fn connect(stage: &mut Stage, kind: &str, channel: &str, token: &str) -> Result<(), Failure> {
    let tenant = stage.engine.tenant(A)?;
    let seats = tenant.seats(kind)?;
    let how = Occupancy { token: Some(token), ..Occupancy::default() };
    let said = match seats.occupy_as(channel, &how) {
        Ok(decision) => answer(&decision),
        Err(error) => error.to_string(),
    };
    stage.say(format!("{A} connects {channel}: {said}"));
    if let Some(warning) = seats.warning()? {
        stage.say(format!("  and is warned: {}", warning.en));
    }
    Ok(())
}

fn buy(stage: &mut Stage, what: &str, tenant: &str, quantity: u64) -> Result<(), Failure> {
    let bought = stage.engine.buy(tenant, PACKAGE, quantity, Some(what))?;
    stage.engine.mark_paid(bought.invoice, None)?;
    let quote = quote_text(PACKAGE, quantity, &bought.quote, &currency(&stage.engine)?);
    let again = bought.next_due.map(shown).unwrap_or_default();
    stage.say(format!("{what}: {quote}, paid at once, charged again in full on {again}"));
    Ok(())
}

/// Pays all that is due on a day.
fn pay_due(stage: &mut Stage, tenant: &str, date: NaiveDate) -> Result<(), Failure> {
    for invoice in stage.engine.invoices(tenant)?.iter().filter(|it| it.due == date) {
        stage.engine.mark_paid(invoice.id, None)?;
        stage.say(format!("{tenant} pays {} for {}", invoice.amount, invoice.title));
    }
    Ok(())
}

/// What the channels of both examples came to.
fn report(stage: Stage) -> Result<Story, Failure> {
    let mut lines = Vec::new();
    let mut tenants = Vec::new();
    for (what, tenant) in [("A", A), ("B", B)] {
        let balance = stage.balance(tenant, RESOURCE)?;
        let contracted = balance.contracted.unwrap_or_default();
        let invoices = stage.engine.invoices(tenant)?;
        // The due date's invoice has the plan on another line.
        let of_package = |it: &Invoice| {
            let lines = it.lines.iter().filter(|line| line.title == TITLE);
            lines.map(|line| (line.amount, it.due)).collect::<Vec<_>>()
        };
        let paid = invoices.iter().filter(|it| it.paid_on.is_some());
        let paid: Vec<(Cents, NaiveDate)> = paid.flat_map(of_package).collect();
        let amounts: Vec<_> = paid.iter().map(|(amount, _)| amount.to_string()).collect();
        let dates: Vec<_> = paid.iter().map(|(_, due)| shown(*due)).collect();
        let total = sum(paid.iter().map(|(amount, _)| *amount));
        lines.push(format!(
            "Example {what}: {contracted} channels, {} connected; {} = {} ({})",
            balance.used,
            amounts.join(" + "),
            total.map(|cents| cents.to_string()).unwrap_or_default(),
            dates.join(" and ")
        ));
        tenants.push(json!({
            "example": what,
            "contracted": contracted,
            "connected": balance.used,
            "paid_cents": paid.iter().map(|(amount, _)| amount.get()).collect::<Vec<_>>(),
            "total_cents": total.map(Cents::get),
        }));
    }
    let page = stage.engine.channels(A, RESOURCE)?.to_page(Language::Portuguese);
    let text = format!("{}\n\n{page}", lines.join("\n"));
    Ok(stage.end("Whazing: channels, nothing is prorated", (text, json!(tenants))))
}
