//! The tenants of the crash driver and what follows from a key: the same for worker and checker.

use cotas::{Catalog, Engine, Error, NewTenant, Timestamp};

/// What is decided about.
pub const CATALOG: &str = include_str!("catalog.toml");
/// When the clock begins.
pub const BEGIN: &str = "2026-05-04T12:00:00-03:00";
/// Hours that the clock moves on in a run, at most: all windows of the catalog are longer.
pub const HOURS_MAX: i64 = 1_400;

/// Tenants that units are consumed of without a key; `subject` of such a record is the index.
pub const CONSUMERS: [&str; 5] = ["steady", "scarce", "renewing", "mover", "governed"];
/// Index of the tenant with few units.
pub const SCARCE: u64 = 1;
/// Index of the tenant whose terms an administrator changes all the time.
pub const GOVERNED: u64 = 4;
/// Units of the plan `scarce`.
pub const SCARCE_UNITS: u64 = 500;
/// Units of each period of the plan `renewed`.
pub const RENEWED_UNITS: u64 = 5_000;
/// Tenants besides: keys, contacts, places, meters, an action, payments, the tight loops.
pub const OTHERS: [&str; 7] = ["chains", "desk", "places", "meters", "actor", "paying", "tight"];
/// Passes of one key of the rate at once, and one more that time may give back.
pub const BURST: u64 = 40;
/// Seats and leases of the plan `wide`.
pub const SEATS: u64 = 12;
/// Leases of the plan `wide`.
pub const LEASES: u64 = 6;
/// Units of a reservation.
pub const RESERVED: u64 = 3;

/// How many keys, contacts and the like one wave draws from.
pub mod spaces {
    pub const KEYS: u64 = 3_000;
    pub const RESERVATIONS: u64 = 1_500;
    pub const CONTACTS: u64 = 3_000;
    pub const PACED: u64 = 6;
    pub const GRANTS: u64 = 60;
    pub const PURCHASES: u64 = 20;
    pub const PLANS: u64 = 20;
}

/// How a reservation ends: its key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Commit,
    CommitPart,
    Release,
    Stays,
}

/// How the reservation under this key ends.
pub fn ending(key: u64) -> Ending {
    [Ending::Commit, Ending::CommitPart, Ending::Release, Ending::Stays][(key % 4) as usize]
}

/// Units charged under this key.
pub fn keyed_units(key: u64) -> u64 {
    1 + key % 5
}

/// Units granted under this key.
pub fn granted_units(key: u64) -> u64 {
    1 + key % 9
}

/// Units bought under this key.
pub fn bought_units(key: u64) -> u64 {
    1 + key % 7
}

/// One of the two catalogs that are loaded in turns.
pub fn catalog(second: bool) -> Catalog {
    let text =
        if second { CATALOG.replace("\"Other\"", "\"Another\"") } else { CATALOG.to_owned() };
    Catalog::parse(&text, "crash.toml").expect("the catalog is valid")
}

/// When the clock begins, in milliseconds.
pub fn begin_ms() -> i64 {
    Timestamp::parse_rfc3339(BEGIN).expect("a valid time").ms()
}

/// Loads the catalog and creates the tenants.
pub fn set_up(engine: &Engine) -> Result<(), Error> {
    engine.load_catalog(&catalog(false))?;
    let late = "2036-05-20".parse().expect("a date");
    let soon = "2026-05-10".parse().expect("a date");
    let plans = |name: &str| match name {
        "scarce" => ("scarce", late),
        "renewing" => ("renewed", soon),
        _ => ("wide", late),
    };
    for name in CONSUMERS.iter().chain(&OTHERS) {
        let (plan, due) = plans(name);
        engine.create_tenant(&NewTenant::new(name).plan(plan, due, true))?;
    }
    Ok(())
}

/// The name of a tenant that a worker creates.
pub fn created(number: u64) -> String {
    format!("made{number}")
}
