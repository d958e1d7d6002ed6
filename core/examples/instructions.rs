//! One kind of operation so many times, for callgrind: `instructions OPERATION TIMES`, or `list`.
//! `make bench-compare` counts the instructions of many, less those of none.

use std::time::Duration;

use cotas::{Catalog, Details, Engine, Error, Maintenance, NewTenant, Tenant};

const CATALOG: &str = r#"
[catalog]
currency = "BRL"
[resources.credits]
kind = "allowance"
[resources.sms]
kind = "allowance"
[resources.sessions]
kind = "session"
[plans.full]
title = "Full"
price = "299.00"
limits = { credits = 1000000000, sms = 1000000000, sessions = 1000000000 }
[actions.receive_message]
gate = "receive"
session = { resource = "sessions", extend = true }
[actions.send_sms]
gate = "send"
charge = { sms = 1, credits = 1 }
"#;

const OPERATIONS: [&str; 6] =
    ["consume-by-handle", "consume-by-name", "perform", "admit-open", "new-key", "reserve-commit"];

fn once(engine: &Engine, tenant: &Tenant, operation: &str, number: u64) -> Result<(), Error> {
    let message = Details { channel: "w", contact: "c-1", ..Details::default() };
    let decision = match operation {
        "consume-by-handle" => tenant.consume("credits", 1)?,
        "consume-by-name" => engine.consume("acme", "credits", 1)?,
        "perform" => tenant.perform("send_sms", &message)?,
        "admit-open" => tenant.perform("receive_message", &message)?,
        "new-key" => tenant.once(&format!("key{number}")).consume("credits", 1)?,
        _ => {
            let held = tenant.reserve(&[("sms", 1)], Duration::from_mins(1))?;
            if let Some(id) = &held.reservation {
                tenant.commit(id)?;
            }
            held
        }
    };
    assert!(decision.allowed(), "{decision:?}");
    Ok(())
}

fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [operation, times] = *words.as_slice() else {
        println!("{}", OPERATIONS.join(" "));
        return Ok(());
    };
    let times = times.parse().unwrap_or(0);
    let engine = Engine::in_memory().maintenance(Maintenance::External).open()?;
    engine.load_catalog(&Catalog::parse(CATALOG, "instructions.toml")?)?;
    let due = engine.now().to_utc().date_naive();
    engine.create_tenant(&NewTenant::new("acme").plan("full", due, true))?;
    let tenant = engine.tenant("acme")?;
    once(&engine, &tenant, operation, u64::MAX)?;
    for number in 0..times {
        once(&engine, &tenant, operation, number)?;
    }
    Ok(())
}
