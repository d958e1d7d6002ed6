//! LiveChat 360 (docs/sources.md): conversations of a plan, extras, and the day after the due date.

use std::ops::Range;

use cotas::{Details, Engine, Error, Language, NewTenant};

use super::{Stage, Story, answer, company, day, shown};
use crate::commands::money::{currency, quote_text};
use crate::failure::Failure;

const CATALOG: &str = include_str!("../../../examples/catalogs/livechat360.toml");
const TENANT: &str = "padaria-aurora";

pub(super) fn play() -> Result<Story, Failure> {
    let mut stage = Stage::new(CATALOG, chrono_tz::America::Sao_Paulo)?;
    stage.at(day(4, 21), 9, 0);
    let holder = company("Padaria Aurora", "11.222.333/0001-81", "ana@aurora.example");
    let new = NewTenant { holder: Some(holder), ..NewTenant::new(TENANT) };
    stage.engine.create_tenant(&new.plan("full", day(5, 20), true))?;
    let plan = stage.engine.statement(TENANT)?.plan;
    if let Some(plan) = plan {
        let due = shown(plan.due);
        stage.say(format!("{TENANT} subscribes to {}, paid manually, due {due}", plan.title));
    }
    stage.say("Ana, the administrator, is the first user");
    stage.say_balance(TENANT, "users", Language::English)?;

    stage.at(day(5, 4), 8, 0);
    write(&mut stage, 0..100, "100 contacts write")?;
    stage.say_balance(TENANT, "sessions", Language::Portuguese)?;
    write(&mut stage, 0..100, "the same contacts write again")?;

    stage.at(day(5, 11), 10, 0);
    buy_extras(&mut stage)?;
    write(&mut stage, 100..150, "50 other contacts write")?;
    stage.say_balance(TENANT, "sessions", Language::Portuguese)?;
    let sessions = stage.balance(TENANT, "sessions")?;
    if let (Some(available), Some(contracted)) = (sessions.available, sessions.contracted) {
        stage.say(format!("sessions: {available} of {contracted}, {} used", sessions.used));
    }

    stage.at(day(5, 20), 20, 0);
    write(&mut stage, 150..1_200, "a campaign: 1,050 contacts write")?;
    stage.say_balance(TENANT, "sessions", Language::Portuguese)?;
    let said = [("receive_message", 1_099), ("receive_message", 1_100), ("send_message", 1_100)]
        .map(|(action, contact)| message(&stage.engine, action, contact));
    let [open, none, sent] = said;
    stage.say(format!("a contact with an open session: {}", open?));
    stage.say(format!("a contact without one: {}; to that contact: {}", none?, sent?));

    stage.at(day(5, 20), 23, 59);
    stage.say(format!("the due day is not over: {}", message_to_new(&stage)?));
    stage.at(day(5, 21), 0, 0);
    stage.say(format!("one day after the due date: {}", message_to_new(&stage)?));
    let report = stage.engine.report(TENANT)?;
    if let Some(subscription) = &report.subscription {
        let began = subscription.period_start.to_utc().with_timezone(&stage.zone).date_naive();
        let due = shown(subscription.due);
        stage.say(format!("the plan's units were restored on {}, next due {due}", shown(began)));
    }
    stage.say_balance(TENANT, "sessions", Language::Portuguese)?;
    let statement = stage.engine.statement(TENANT)?;
    let page = statement.to_page(Language::Portuguese);
    Ok(stage.end("LiveChat 360: conversations and extras", (page, statement.to_json())))
}

/// Contacts write; gives how many sessions that opened.
fn write(stage: &mut Stage, contacts: Range<u32>, what: &str) -> Result<(), Failure> {
    let tenant = stage.engine.tenant(TENANT)?;
    let (mut opened, mut continued, mut refused) = (0, 0, 0);
    for contact in contacts {
        let contact = contact.to_string();
        let details = Details { channel: "whatsapp", contact: &contact, ..Details::default() };
        match tenant.perform("receive_message", &details)?.session {
            Some(session) if session.opened => opened += 1,
            Some(_) => continued += 1,
            None => refused += 1,
        }
    }
    let text = format!("{what}: {opened} sessions opened, {continued} go on, {refused} refused");
    stage.say(text);
    Ok(())
}

fn message(engine: &Engine, action: &str, contact: u32) -> Result<String, Error> {
    let contact = contact.to_string();
    let details = Details { channel: "whatsapp", contact: &contact, ..Details::default() };
    Ok(answer(&engine.perform(TENANT, action, &details)?))
}

fn message_to_new(stage: &Stage) -> Result<String, Failure> {
    Ok(format!("a new contact writes, {}", message(&stage.engine, "receive_message", 1_200)?))
}

fn buy_extras(stage: &mut Stage) -> Result<(), Failure> {
    let package = "conversas_extras";
    let bought = stage.engine.buy(TENANT, package, 100, Some("pedido-1"))?;
    let quote = quote_text(package, 100, &bought.quote, &currency(&stage.engine)?);
    stage.engine.mark_paid(bought.invoice, None)?;
    stage.say(format!("buys {quote}; invoice {} is paid", bought.invoice));
    Ok(())
}
