//! What the helper process can do besides the first operations: one act for each operation of a
//! tenant.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use cotas::{Delivery, Details, Engine, Error, Limit, Resolution, Source, Status, Tenant, Terms};

use super::payments;
use super::races::{self, Prize};

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is not a number"))
}

/// Does what the words say and gives what is to be printed; `None`: they mean nothing here.
pub fn act(engine: &Engine, words: &[&str]) -> Option<Result<String, Error>> {
    Some(match *words {
        ["race", prize, path, members, rounds, who, tries] => {
            let prize = Prize::ALL[number(prize) as usize];
            let meeting = (Path::new(path), number(members));
            let (rounds, tries) = (number(rounds), number(tries));
            races::race(engine, prize, meeting, rounds, who, tries).map(|list| words_of(&list))
        }
        ["receive-together", path, contacts] => {
            let both = races::receive_together(engine, (Path::new(path), 2), number(contacts));
            both.map(|(opened, continued)| words_of(&[opened, continued]))
        }
        ["report", directory, order, members] => {
            payments::report(engine, directory, order, number(members))
        }
        ["administer", operation, invoice, key] => {
            administer(engine, operation, invoice, key, false)
        }
        ["administer", operation, invoice, key, _] => {
            administer(engine, operation, invoice, key, true)
        }
        ["perform-once", tenant, key] => perform_once(engine, tenant, key),
        ["reserve-once", tenant, key] => engine
            .tenant(tenant)
            .and_then(|it| it.once(key).reserve(&SET_ASIDE, HOUR))
            .map(|decision| decision.allowed().to_string()),
        ["commit", tenant, id] => {
            done(engine.tenant(tenant).and_then(|it| it.commit(&id.parse()?)))
        }
        ["commit-part", tenant, id] => {
            done(engine.tenant(tenant).and_then(|it| it.commit_part(&id.parse()?, &PART)))
        }
        ["release", tenant, id] => {
            done(engine.tenant(tenant).and_then(|it| it.release(&id.parse()?)))
        }
        ["refund", tenant, receipt] => {
            done(engine.tenant(tenant).and_then(|it| it.refund(&receipt.parse()?)))
        }
        ["acquire", tenant, holder] => acquire(engine, tenant, holder),
        ["renew", tenant, holder, fencing] => {
            done(engine.tenant(tenant).and_then(|it| {
                it.leases("calls")?.renew(holder, number(fencing), None).map(|_| ())
            }))
        }
        ["let-go", tenant, holder, fencing] => done(
            engine
                .tenant(tenant)
                .and_then(|it| it.leases("calls")?.release(holder, number(fencing))),
        ),
        ["meter", tenant, how, units] => measure(engine, tenant, how, number(units)),
        ["link", one, other] => {
            done(engine.tenant("acme").and_then(|it| it.link_contact(one, other)))
        }
        ["send", tenant, contact, message, campaign] => {
            send(engine, tenant, contact, message, campaign)
        }
        ["delivery", tenant, message, report] => {
            let report = Delivery::from_code(report).expect("a report");
            let answer = engine.tenant(tenant).and_then(|it| it.report_delivery(message, report));
            answer.map(|outcome| outcome.code().to_owned())
        }
        ["campaign", tenant, who, sends, campaign] => {
            campaign_of(engine, tenant, who, number(sends), campaign)
        }
        ["handles", tenant, key] => handles(engine, tenant, key),
        ["churn", tenant, cycles] => churn(engine, tenant, number(cycles)),
        _ => return None,
    })
}

const HOUR: Duration = Duration::from_secs(3600);
/// What [`act`] sets aside, and what of it a part is.
pub const SET_ASIDE: [(&str, u64); 2] = [("credits", 3), ("storage_mb", 2)];
const PART: [(&str, u64); 1] = [("credits", 1)];

/// Reserves a send, once per message, out of a campaign, or out of none ("-").
fn send(
    engine: &Engine,
    tenant: &str,
    contact: &str,
    message: &str,
    campaign: &str,
) -> Result<String, Error> {
    let campaign = (campaign != "-").then(|| campaign.parse()).transpose()?;
    let details = Details { channel: "w", contact, message, campaign, ..Details::default() };
    let tenant = engine.tenant(tenant)?;
    let decision = tenant.once(message).reserve_action("send_message", &details, 720 * HOUR)?;
    Ok(decision.allowed().to_string())
}

/// Sends to contacts of its own, one after another, and reports of two in three: one arrives, one
/// fails. Writes one byte for each step that has been acknowledged, at once.
fn campaign_of(
    engine: &Engine,
    tenant: &str,
    who: &str,
    sends: u64,
    campaign: &str,
) -> Result<String, Error> {
    let mut out = std::io::stdout();
    let mut acknowledge = |step: &[u8]| {
        out.write_all(step).and_then(|()| out.flush()).expect("the test is listening");
    };
    for index in 0..sends {
        let message = format!("{who}-{index}");
        if send(engine, tenant, &message, &message, campaign)? == "true" {
            acknowledge(b"s");
        }
        let report = [Delivery::Delivered, Delivery::Failed, Delivery::Sent][(index % 3) as usize];
        engine.tenant(tenant)?.report_delivery(&message, report)?;
        acknowledge(b"r");
    }
    Ok(String::new())
}

fn done(result: Result<(), Error>) -> Result<String, Error> {
    result.map(|()| "done".to_owned())
}

fn perform_once(engine: &Engine, tenant: &str, key: &str) -> Result<String, Error> {
    let details = Details { holder: key, contact: key, ..Details::default() };
    let decision = engine.tenant(tenant)?.once(key).perform("start_agent", &details)?;
    Ok(format!("{} {}", decision.allowed(), decision.replayed))
}

fn acquire(engine: &Engine, tenant: &str, holder: &str) -> Result<String, Error> {
    let decision = engine.tenant(tenant)?.leases("calls")?.acquire(holder, None)?;
    Ok(decision.lease.map_or(0, |lease| lease.fencing).to_string())
}

fn measure(engine: &Engine, tenant: &str, how: &str, units: u64) -> Result<String, Error> {
    let tenant = engine.tenant(tenant)?;
    let meter = tenant.meter("storage_mb")?;
    let decision = match how {
        "add" => meter.add(units)?,
        "subtract" => meter.subtract(units)?,
        "set" => meter.set(units)?,
        _ => panic!("a meter knows no {how}"),
    };
    Ok(decision.used.to_string())
}

/// Charges two credits under a key, sets two SMS aside and takes a lease: prints the receipt, the
/// reservation's id and the fencing number.
pub fn handles(engine: &Engine, tenant: &str, key: &str) -> Result<String, Error> {
    let tenant = engine.tenant(tenant)?;
    let receipt = tenant.once(key).consume("credits", 2)?.receipt;
    let id = tenant.reserve(&[("sms", 2)], HOUR)?.reservation;
    let lease = tenant.leases("calls")?.acquire("holder", None)?.lease;
    let lacks = || Error::InvalidArgument { what: "handle", why: "is missing".into() };
    let (receipt, id) = (receipt.ok_or_else(lacks)?, id.ok_or_else(lacks)?);
    Ok(format!("{receipt} {id} {}", lease.ok_or_else(lacks)?.fencing))
}

/// Steps of one round of [`churn`].
pub const CHURN_STEPS: u64 = 4;

/// Performs, reserves, commits and refunds, round by round, and writes one byte for each step
/// that has been acknowledged, at once.
fn churn(engine: &Engine, tenant: &str, rounds: u64) -> Result<String, Error> {
    let mut out = std::io::stdout();
    for round in 0..rounds {
        churn_once(&engine.tenant(tenant)?, round, &mut || {
            out.write_all(b".").and_then(|()| out.flush()).expect("the test is listening");
        })?;
    }
    Ok(String::new())
}

/// One round of [`churn`], also one that has been begun before: what was done is not done again.
/// Says after each step that it is done.
pub fn churn_once(tenant: &Tenant, round: u64, done: &mut impl FnMut()) -> Result<(), Error> {
    let lacks = |what: &'static str| Error::InvalidArgument { what, why: "is missing".into() };
    let charged = tenant.once(&format!("k{round}")).perform("charge_three", &Details::default())?;
    let receipt = charged.receipt.ok_or_else(|| lacks("receipt"))?;
    done();
    let held = tenant.once(&format!("r{round}")).reserve(&SET_ASIDE, HOUR)?;
    let id = held.reservation.ok_or_else(|| lacks("reservation"))?;
    done();
    match tenant.commit(&id) {
        Ok(()) | Err(Error::AlreadyResolved(Resolution::Committed)) => done(),
        Err(error) => return Err(error),
    }
    match tenant.refund(&receipt) {
        Ok(()) | Err(Error::AlreadyRefunded) => done(),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// What [`churn`] leaves after so many steps: credits used and held, storage used and held, calls
/// and watched units used.
pub fn churned(steps: u64) -> [u64; 6] {
    let (rounds, step) = (steps / CHURN_STEPS, steps % CHURN_STEPS);
    let charged = u64::from(step >= 1);
    let (reserved, held) = (u64::from(step >= 2), u64::from(step == 2));
    let credits = 3 * rounds + charged + 3 * reserved;
    [credits, 3 * held, 2 * rounds + 2 * reserved, 2 * held, charged, charged]
}

fn words_of(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

/// Administers acme under a key, and says what it was answered; `otherwise`: with other arguments.
fn administer(
    engine: &Engine,
    operation: &str,
    invoice: &str,
    key: &str,
    otherwise: bool,
) -> Result<String, Error> {
    let invoice = number(invoice) as i64;
    let keyed = engine.once(key);
    let units = if otherwise { 1 } else { 50 };
    let limit = Limit::Finite(500 + units);
    let reason = if otherwise { "abuse" } else { "debt" };
    let plan = if otherwise { "strict" } else { "small" };
    let first_due = "2026-06-15".parse().expect("a date");
    let terms = Terms::new(plan, first_due, true);
    let parts = if otherwise { 3 } else { 4 };
    let paid_on = otherwise.then_some(first_due);
    match operation {
        "buy" => engine
            .buy("acme", "more", units, Some(key))
            .map(|it| format!("{} {}", it.invoice, it.quote.cents)),
        "choose" => {
            engine.choose_plan("acme", &terms, "Asaas", Some(key)).map(|it| format!("{it:?}"))
        }
        "plan" => done(engine.change_plan("acme", &terms, Some(key))),
        "schedule" => engine.schedule_plan("acme", plan, Some(key)).map(|due| due.to_string()),
        "grant" => done(engine.grant("acme", "credits", Source::Extra, units, None, Some(key))),
        "limit" => done(keyed.set_limit("acme", "credits", limit)),
        "own-limit" => done(keyed.set_own_limit("acme", "credits", Some(limit))),
        "status" => done(keyed.set_status("acme", Status::Suspended, reason, false)),
        "pay" => done(keyed.mark_paid(invoice, paid_on)),
        // The other invoice is the plan's.
        "cancel" => done(keyed.cancel_invoice(if otherwise { 1 } else { invoice })),
        "split" => keyed.split_invoice(invoice, parts).map(|all| format!("{all:?}")),
        _ => panic!("no administrator calls {operation}"),
    }
}
