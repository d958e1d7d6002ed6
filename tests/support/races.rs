//! What everybody who races does, in the test's threads and in helper processes.

use std::path::Path;
use std::time::Duration;

use cotas::{Details, Engine, Error};

use super::meeting::Meeting;

/// Units that each tenant of a race has of each resource.
pub const UNITS: u64 = 5;

/// The tenants of a race, one for each round.
pub fn tenant(round: u64) -> String {
    format!("round{round}")
}

/// What is wanted in a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prize {
    /// A place, for a while.
    Lease,
    /// Units, used up.
    Credit,
    /// Units, set aside.
    Reservation,
    /// A place, until it is released.
    Seat,
}

impl Prize {
    /// Every prize.
    pub const ALL: [Prize; 4] = [Prize::Lease, Prize::Credit, Prize::Reservation, Prize::Seat];

    /// Tries once; says whether it was had.
    fn take(self, engine: &Engine, tenant: &str, who: &str) -> Result<bool, Error> {
        let tenant = engine.tenant(tenant)?;
        let decision = match self {
            Prize::Lease => tenant.leases("calls")?.acquire(who, None)?,
            Prize::Credit => tenant.consume("credits", 1)?,
            Prize::Reservation => tenant.reserve(&[("sms", 1)], Duration::from_secs(3600))?,
            Prize::Seat => tenant.seats("users")?.occupy(who)?,
        };
        Ok(decision.allowed())
    }
}

/// Runs all rounds of one racer: meets the others, tries `tries` times, and says how often it
/// was admitted in each round.
pub fn race(
    engine: &Engine,
    prize: Prize,
    meeting: (&Path, u64),
    rounds: u64,
    who: &str,
    tries: u64,
) -> Result<Vec<u64>, Error> {
    let meeting = Meeting::new(meeting.0, meeting.1);
    let mut admitted = Vec::new();
    for round in 0..rounds {
        meeting.meet(round);
        let name = tenant(round);
        let mut had = 0;
        for attempt in 0..tries {
            had += u64::from(prize.take(engine, &name, &format!("{who}-{attempt}"))?);
        }
        admitted.push(had);
    }
    Ok(admitted)
}

/// Meets another at every contact and receives a message of it; says how many sessions that
/// opened, and how many it found open.
pub fn receive_together(
    engine: &Engine,
    meeting: (&Path, u64),
    contacts: u64,
) -> Result<(u64, u64), Error> {
    let meeting = Meeting::new(meeting.0, meeting.1);
    let tenant = engine.tenant("acme")?;
    let (mut opened, mut continued) = (0, 0);
    for index in 0..contacts {
        let contact = format!("c{index}");
        let message = Details { channel: "w", contact: &contact, ..Details::default() };
        meeting.meet(index);
        let decision = tenant.perform("receive_message", &message)?;
        match decision.session {
            Some(session) if session.opened => opened += 1,
            Some(_) => continued += 1,
            None => {}
        }
    }
    Ok((opened, continued))
}
