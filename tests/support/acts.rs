//! What the puppet can do besides the first verbs: one act for each verb of a tenant.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use cotas::{Details, Engine, Error};

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
        ["handles", tenant, key] => handles(engine, tenant, key),
        ["churn", tenant, cycles] => churn(engine, tenant, number(cycles)),
        _ => return None,
    })
}

const HOUR: Duration = Duration::from_secs(3600);
/// What [`act`] sets aside, and what of it a part is.
pub const SET_ASIDE: [(&str, u64); 2] = [("credits", 3), ("storage_mb", 2)];
const PART: [(&str, u64); 1] = [("credits", 1)];

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
pub const CHURN_STEPS: u64 = 10;

/// Goes through the verbs of a tenant, round by round, and writes one byte for each step that
/// has been acknowledged, at once.
fn churn(engine: &Engine, tenant: &str, rounds: u64) -> Result<String, Error> {
    let tenant = engine.tenant(tenant)?;
    let mut out = std::io::stdout();
    let mut ack = || out.write_all(b".").and_then(|()| out.flush()).expect("the test is listening");
    let storage = tenant.meter("storage_mb")?;
    let calls = tenant.leases("calls")?;
    let lacks = |what: &'static str| Error::InvalidArgument { what, why: "is missing".into() };
    for round in 0..rounds {
        let key = format!("k{round}");
        let charged = tenant.once(&key).perform("record_call", &Details::default())?;
        ack();
        let used = tenant.reserve(&SET_ASIDE, HOUR)?.reservation;
        ack();
        tenant.commit(&used.ok_or_else(|| lacks("reservation"))?)?;
        ack();
        let held = tenant.reserve(&SET_ASIDE, HOUR)?.reservation;
        ack();
        tenant.release(&held.ok_or_else(|| lacks("reservation"))?)?;
        ack();
        tenant.refund(&charged.receipt.ok_or_else(|| lacks("receipt"))?)?;
        ack();
        let lease = calls.acquire(&key, None)?.lease;
        ack();
        calls.release(&key, lease.ok_or_else(|| lacks("lease"))?.fencing)?;
        ack();
        let _ = storage.add(5)?;
        ack();
        let _ = storage.subtract(4)?;
        ack();
    }
    Ok(String::new())
}

/// What [`churn`] leaves after so many steps: credits used and held, storage used and held,
/// leases held.
pub fn churned(steps: u64) -> [u64; 5] {
    let (rounds, step) = (steps / CHURN_STEPS, steps % CHURN_STEPS);
    let from = |first: u64, before: u64| u64::from((first..before).contains(&step));
    [
        3 * rounds + from(1, 6) + 3 * from(2, CHURN_STEPS) + 3 * from(4, 5),
        3 * from(2, 3) + 3 * from(4, 5),
        3 * rounds + 2 * from(2, CHURN_STEPS) + 2 * from(4, 5) + 5 * from(9, CHURN_STEPS),
        2 * from(2, 3) + 2 * from(4, 5),
        from(7, 8),
    ]
}

fn words_of(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}
