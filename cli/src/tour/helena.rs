//! Helena (docs/sources.md): a demonstration, what a status permits, quantities and channels.

use cotas::catalog::Feature;
use cotas::{Address, DEMO_NOTICE, Details, Language, Limit, NewTenant, Role, Status};

use super::{Stage, Story, answer, answers, company, day};
use crate::failure::Failure;

const CATALOG: &str = include_str!("../../../examples/catalogs/helena.toml");
const DEMO: &str = "loja-teste";
const TENANT: &str = "clinica-sorriso";

pub(super) fn play() -> Result<Story, Failure> {
    let mut stage = Stage::new(CATALOG, chrono_tz::America::Sao_Paulo)?;
    demonstration(&mut stage)?;
    stage.at(day(5, 20), 9, 0);
    create(&mut stage)?;
    quantities(&mut stage)?;
    statuses(&mut stage)?;
    let report = stage.engine.plan_report(TENANT, Role::Manager)?;
    let report = (report.to_page(Language::Portuguese), report.to_json());
    Ok(stage.end("Helena: accounts, statuses and quantities", report))
}

fn demonstration(stage: &mut Stage) -> Result<(), Failure> {
    stage.at(day(5, 4), 9, 0);
    let new = NewTenant { status: Status::Demo, ..NewTenant::new(DEMO) };
    stage.engine.create_tenant(&new.plan("comercial", day(6, 3), true))?;
    stage.say(format!("{DEMO} is created for 14 days of demonstration"));
    stage.say(allowed(stage, DEMO)?);
    stage.at(day(5, 18), 8, 59);
    stage.say(allowed(stage, DEMO)?);
    stage.at(day(5, 18), 9, 0);
    stage.say(allowed(stage, DEMO)?);
    stage.engine.purge_demo(DEMO)?;
    let gone = stage.engine.tenant(DEMO);
    stage.say_error("it is removed, and asked for", gone);
    Ok(())
}

/// All at once: company, administrator, address, plan, and what is adjusted manually.
fn create(stage: &mut Stage) -> Result<(), Failure> {
    let address = Address {
        cep: "01310-100",
        street: "Avenida Paulista",
        number: "1000",
        city: "São Paulo",
        state: "SP",
        ..Address::default()
    };
    let mut holder = company("Clínica Sorriso", "11.222.333/0001-81", "ana@sorriso.example");
    holder.address = Some(address);
    let new = NewTenant {
        status: Status::Onboarding,
        limits: &[("channels.whatsapp", Limit::Finite(3))],
        features: &[("ai_agents", Feature::Flag(false))],
        ..NewTenant::new(TENANT).plan("comercial", day(6, 20), true)
    };
    let mut nameless = holder.clone();
    nameless.administrator.phone = "";
    let refused = NewTenant { holder: Some(nameless), ..new.clone() };
    let refused = stage.engine.create_tenant(&refused);
    stage.say_error("an administrator without a telephone", refused);
    stage.engine.create_tenant(&NewTenant { holder: Some(holder), ..new })?;
    stage
        .say(format!("{TENANT} is created on Plano Comercial with 3 WhatsApp channels of its own"));
    let tenant = stage.engine.tenant(TENANT)?;
    for app in ["campaigns", "ai_agents"] {
        let on = tenant.feature(app)? == Feature::Flag(true);
        stage.say(format!("app {app}: {}", if on { "on" } else { "off" }));
    }
    Ok(())
}

fn quantities(stage: &mut Stage) -> Result<(), Failure> {
    let tenant = stage.engine.tenant(TENANT)?;
    for (resource, what, asked) in [
        ("users.attendants", "attendants", 9),
        ("channels.whatsapp", "WhatsApp channels", 4),
        ("channels.instagram", "Instagram channels", 1),
        ("channels.messenger", "Messenger channels (4 channels in all)", 1),
    ] {
        let seats = tenant.seats(resource)?;
        let said = answers(0..asked, |number| seats.occupy(&format!("{resource}-{number}")))?;
        stage.say(format!("{what}, {asked} asked for: {said}"));
    }
    let over = stage.over_on(TENANT, "personalizado")?;
    stage.say(format!("on Personalizado it would be over: {over}"));
    Ok(())
}

fn statuses(stage: &mut Stage) -> Result<(), Failure> {
    stage.say(allowed(stage, TENANT)?);
    for (status, reason) in [
        (Status::Active, "went live"),
        (Status::PastDue, "invoice of June"),
        (Status::Suspended, "debt"),
    ] {
        stage.engine.set_status(TENANT, status, reason, false)?;
        stage.say(allowed(stage, TENANT)?);
    }
    let back = stage.engine.set_status(TENANT, Status::Demo, "for free", false);
    stage.say_error("it wants to be a demonstration", back);
    Ok(())
}

/// What a tenant's status permits: `suspended: send denied, status_forbids; receive allowed`.
fn allowed(stage: &Stage, tenant: &str) -> Result<String, Failure> {
    let status = stage.engine.report(tenant)?.status;
    let details = Details { channel: "whatsapp", contact: "c-1", ..Details::default() };
    let send = stage.engine.perform(tenant, "send_message", &details)?;
    let receive = stage.engine.perform(tenant, "receive_message", &details)?;
    let with = match (send.allowed(), send.demo_notice, send.past_due) {
        (true, true, _) => format!(" with the notice {DEMO_NOTICE:?}"),
        (true, _, true) => " with a warning".to_owned(),
        _ => String::new(),
    };
    let (send, receive) = (answer(&send), answer(&receive));
    Ok(format!("{}: send {send}{with}; receive {receive}", status.code()))
}
