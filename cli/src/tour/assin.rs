//! Assin (docs/sources.md): two balances, and what an action costs is shown before it is done.

use std::time::Duration;

use cotas::{Decision, Details, Language, NewTenant, Tenant};

use super::{Stage, Story, answer, answers, day};
use crate::commands::money::{currency, quote_text};
use crate::failure::Failure;

const CATALOG: &str = include_str!("../../../examples/catalogs/assin.toml");
const TENANT: &str = "escritorio-lima";
const BALANCES: [(&str, &str); 2] = [("folder", "credits"), ("bell", "notification_credits")];

pub(super) fn play() -> Result<Story, Failure> {
    let mut stage = Stage::new(CATALOG, chrono_tz::America::Sao_Paulo)?;
    stage.at(day(6, 25), 9, 0);
    stage.engine.create_tenant(&NewTenant::new(TENANT).plan("essencial", day(7, 24), true))?;
    let tenant = stage.engine.tenant(TENANT)?;
    say_balances(&mut stage)?;
    seal(&mut stage, &tenant)?;
    notify(&mut stage, &tenant)?;

    stage.at(day(6, 26), 9, 0);
    let package = "notificacoes";
    let bought = stage.engine.buy(TENANT, package, 100, None)?;
    let quote = quote_text(package, 100, &bought.quote, &currency(&stage.engine)?);
    stage.engine.mark_paid(bought.invoice, None)?;
    stage.say(format!("buys {quote}, usable for 365 days"));
    let both = tenant.perform("seal_and_notify_by_sms", &envelope(2))?;
    stage.say(format!("the envelope of 2 again: {}", answer(&both)));
    say_balances(&mut stage)?;
    report(stage)
}

fn envelope<'a>(credits: u64) -> Details<'a> {
    Details { quantity: Some(credits), ..Details::default() }
}

fn seal(stage: &mut Stage, tenant: &Tenant) -> Result<(), Failure> {
    let quote = tenant.quote("seal_envelope", &envelope(3))?;
    for line in &quote.costs {
        let (available, limit) = (line.available.unwrap_or(0), line.limit.unwrap_or(0));
        let cost = format!("Créditos: {}, of {available} available of {limit}", line.cost);
        stage.say(format!("before an envelope is sealed its page says {cost}"));
    }
    let quoted = Details { tariff: Some(quote.tariff), ..envelope(3) };
    let first = tenant.once("envelope-1").perform("seal_envelope", &quoted)?;
    stage.say(format!("it is sealed at that price: {}", credits_left(&first)));
    let again = tenant.once("envelope-1").perform("seal_envelope", &quoted)?;
    let replayed = if again.replayed { "answered from memory" } else { "charged again" };
    stage.say(format!("the request comes twice: {replayed}, {}", credits_left(&again)));
    if let Some(receipt) = &first.receipt {
        tenant.refund(receipt)?;
        stage.say("sealing failed: the credits go back");
        let refund = tenant.refund(receipt);
        stage.say_error("and once more", refund);
    }
    let big = tenant.perform("seal_envelope", &envelope(60))?;
    stage.say(format!("an envelope of 60: {}, {}", answer(&big), credits_left(&big)));
    let held = tenant.reserve(&[("credits", 10)], Duration::from_hours(1))?;
    stage.say(format!("10 are set aside for a batch: {}", credits_left(&held)));
    if let Some(batch) = &held.reservation {
        tenant.commit_part(batch, &[("credits", 4)])?;
        let left = stage.balance(TENANT, "credits")?.available.unwrap_or_default();
        stage.say(format!("the batch used 4, the rest goes back: {left} left"));
    }
    Ok(())
}

fn notify(stage: &mut Stage, tenant: &Tenant) -> Result<(), Failure> {
    let by_email = answers(0..5, |_| tenant.perform("remind_by_email", &Details::default()))?;
    stage.say(format!("5 reminders by e-mail, which cost nothing: {by_email}"));
    let by_sms = answers(0..18, |_| tenant.perform("remind_by_sms", &Details::default()))?;
    stage.say(format!("18 by SMS: {by_sms}"));
    let by_whatsapp = answers(0..3, |_| tenant.perform("remind_by_whatsapp", &Details::default()))?;
    stage.say(format!("3 by WhatsApp: {by_whatsapp}"));
    let free = tenant.perform("remind_by_email", &Details::default())?;
    stage.say(format!("by e-mail it still goes: {}", answer(&free)));
    let both = tenant.perform("seal_and_notify_by_sms", &envelope(2))?;
    stage.say(format!("an envelope of 2 with an SMS is all or nothing: {}", answer(&both)));
    say_balances(stage)
}

fn credits_left(decision: &Decision) -> String {
    let limit = decision.limit().unwrap_or_default();
    format!("{} of {limit} left", decision.available)
}

fn say_balances(stage: &mut Stage) -> Result<(), Failure> {
    for (icon, resource) in BALANCES {
        let line = stage.balance(TENANT, resource)?.line(Language::English);
        stage.say(format!("{icon}: {line}"));
    }
    Ok(())
}

fn report(stage: Stage) -> Result<Story, Failure> {
    let balances = stage.engine.balances(TENANT)?;
    let page = balances.to_page(Language::Portuguese);
    Ok(stage.end("Assin: two kinds of credit", (page, balances.to_json())))
}
