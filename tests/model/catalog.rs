//! The catalog of the model: tables that both the catalog's text and the model are made from.

use std::fmt::Write;

use cotas::{Catalog, Limit};

/// How a resource is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Allowance,
    Session,
    Seat,
    Lease,
    MeterOfPeriod,
    MeterOfMonth,
    /// The cap of another resource, by calendar day or week.
    CapPerDay,
    CapPerWeek,
    MeterForEver,
    Rate,
}

/// What happens at its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firm {
    Hard,
    Soft { cap: u64 },
    Shadow,
}

pub struct Resource {
    pub name: &'static str,
    pub kind: Kind,
    pub parent: Option<&'static str>,
    pub firm: Firm,
    pub thresholds: &'static [u64],
}

const fn hard(name: &'static str, kind: Kind) -> Resource {
    Resource { name, kind, parent: None, firm: Firm::Hard, thresholds: &[80, 100] }
}

const fn below(parent: &'static str, name: &'static str, kind: Kind) -> Resource {
    Resource { parent: Some(parent), ..hard(name, kind) }
}

/// A resource is its place in this table.
pub const RESOURCES: [Resource; 19] = [
    hard("sessions", Kind::Session),
    hard("credits", Kind::Allowance),
    Resource { thresholds: &[30, 60, 90], ..below("credits", "credits.ai", Kind::Allowance) },
    below("sms.per_day", "sms", Kind::Allowance),
    Resource { firm: Firm::Soft { cap: 3 }, ..hard("bonus", Kind::Allowance) },
    Resource { firm: Firm::Shadow, ..hard("watched", Kind::Allowance) },
    hard("users", Kind::Seat),
    hard("channels", Kind::Seat),
    below("channels", "channels.whatsapp", Kind::Seat),
    hard("calls", Kind::Lease),
    below("calls", "calls.video", Kind::Lease),
    below("calls_this_month.per_week", "calls_this_month", Kind::MeterOfPeriod),
    Resource { firm: Firm::Soft { cap: 5 }, ..hard("api_calls", Kind::MeterOfPeriod) },
    hard("storage", Kind::MeterForEver),
    below("storage", "storage.media", Kind::MeterForEver),
    hard("free_tier", Kind::MeterOfMonth),
    Resource { thresholds: &[], ..hard("pace", Kind::Rate) },
    hard("sms.per_day", Kind::CapPerDay),
    hard("calls_this_month.per_week", Kind::CapPerWeek),
];

pub const SESSIONS: usize = 0;
pub const CREDITS: usize = 1;
pub const SMS: usize = 3;
pub const CALLS: usize = 9;
pub const VIDEO: usize = 10;
pub const CALLS_THIS_MONTH: usize = 11;
pub const FREE_TIER: usize = 15;
pub const PACE: usize = 16;
pub const SMS_PER_DAY: usize = 17;
pub const CALLS_PER_WEEK: usize = 18;

pub const ALLOWANCES: [usize; 5] = [CREDITS, 2, SMS, 4, 5];
pub const SEATS: [usize; 3] = [6, 7, 8];
pub const LEASES: [usize; 2] = [CALLS, VIDEO];
pub const METERS: [usize; 5] = [CALLS_THIS_MONTH, 12, 13, 14, FREE_TIER];

pub const CAPS: [usize; 2] = [SMS_PER_DAY, CALLS_PER_WEEK];

pub const LEASE_MS: [i64; 2] = [60_000, 1_800_000];
pub const PACE_EVERY_MS: i64 = 60_000;
pub const PACE_BURST: u64 = 3;

pub struct ModelPlan {
    pub name: &'static str,
    /// Days after which a subscription that lapsed permits nothing; `None`: it goes on.
    pub grace_days: Option<u64>,
    limits: &'static [(usize, Limit)],
    /// What of a resource is left at a renewal goes over into the next period, at most so much.
    pub carry_over: &'static [(usize, u64)],
    /// Whether it has the feature `ai`, and which level of `analytics`.
    pub ai: bool,
    pub analytics: Option<&'static str>,
}

const fn is(resource: usize, units: u64) -> (usize, Limit) {
    (resource, Limit::Finite(units))
}

pub const PLANS: [ModelPlan; 3] = [
    ModelPlan {
        name: "full",
        grace_days: None,
        limits: &[
            is(SESSIONS, 10),
            is(CREDITS, 60),
            is(2, 25),
            is(SMS, 20),
            is(4, 10),
            is(5, 5),
            is(6, 3),
            is(7, 3),
            is(8, 2),
            is(CALLS, 3),
            is(VIDEO, 2),
            is(CALLS_THIS_MONTH, 30),
            is(12, 10),
            is(13, 50),
            is(14, 30),
            is(FREE_TIER, 20),
            is(SMS_PER_DAY, 8),
            is(CALLS_PER_WEEK, 12),
        ],
        carry_over: &[],
        ai: true,
        analytics: Some("full"),
    },
    ModelPlan {
        name: "small",
        grace_days: None,
        limits: &[
            is(SESSIONS, 2),
            is(CREDITS, 10),
            (2, Limit::Unlimited),
            (SMS, Limit::Unlimited),
            is(6, 1),
            is(CALLS, 1),
            (13, Limit::Unlimited),
            is(14, 9),
            is(FREE_TIER, 5),
            is(SMS_PER_DAY, 5),
        ],
        carry_over: &[(CREDITS, 7)],
        ai: false,
        analytics: Some("basic"),
    },
    ModelPlan {
        name: "strict",
        grace_days: Some(3),
        limits: &[
            is(SESSIONS, 2),
            is(CREDITS, 10),
            (4, Limit::Unlimited),
            is(5, 2),
            is(7, 1),
            is(8, 1),
            is(VIDEO, 1),
            (CALLS_THIS_MONTH, Limit::Unlimited),
            is(12, 4),
        ],
        carry_over: &[],
        ai: false,
        analytics: None,
    },
];

impl ModelPlan {
    pub fn limits(&self) -> Vec<Option<Limit>> {
        let mut limits = vec![None; RESOURCES.len()];
        // A plan that names no cap has none.
        CAPS.iter().for_each(|&cap| limits[cap] = Some(Limit::Unlimited));
        for &(resource, limit) in self.limits {
            limits[resource] = Some(limit);
        }
        limits[PACE] = Some(Limit::Finite(PACE_BURST));
        limits
    }
}

pub fn parent(resource: usize) -> Option<usize> {
    let parent = RESOURCES[resource].parent?;
    RESOURCES.iter().position(|it| it.name == parent)
}

const ACTIONS: &str = r#"
[actions.receive_message]
gate = "receive"
session = { resource = "sessions", extend = true }
[actions.send_message]
gate = "send"
session = { resource = "sessions" }
[actions.reply_only]
gate = "send"
session = { resource = "sessions", open = "never" }
[actions.send_template]
gate = "send"
session = { resource = "sessions", open = "per_category" }
[actions.send_sms]
gate = "send"
charge = { sms = "quantity", "credits.ai" = 2, api_calls = 1, bonus = 1 }
[actions.start_call]
lease = "calls"
charge = { credits = 1, calls_this_month = 1 }
[actions.send_paced]
gate = "send"
rate = "pace"
charge = { credits = 1 }
[actions.summarize]
feature = "ai"
charge = { "credits.ai" = 3 }
[actions.analyse]
feature = "analytics=full"
charge = { sms = 1 }
"#;

/// The tables as a catalog.
pub fn catalog() -> Catalog {
    let mut text = "[catalog]\ntime_zone = \"America/Sao_Paulo\"\n".to_owned();
    for (number, resource) in RESOURCES.iter().enumerate() {
        if CAPS.contains(&number) {
            continue; // The plans name them.
        }
        let (kind, more) = match resource.kind {
            Kind::Allowance => ("allowance", String::new()),
            Kind::Session => ("session", String::new()),
            Kind::Seat => ("seat", String::new()),
            Kind::Lease => {
                ("lease", format!("ttl = \"{}ms\"", LEASE_MS[usize::from(number == VIDEO)]))
            }
            Kind::MeterOfPeriod => ("meter", String::new()),
            Kind::MeterOfMonth => ("meter", "reset = \"calendar_month\"".to_owned()),
            Kind::CapPerDay | Kind::CapPerWeek => unreachable!("plans name caps"),
            Kind::MeterForEver => ("meter", "reset = \"never\"".to_owned()),
            Kind::Rate => ("rate", format!("every = \"{PACE_EVERY_MS}ms\"\nburst = {PACE_BURST}")),
        };
        let firm = match resource.firm {
            Firm::Hard => String::new(),
            Firm::Soft { cap } => format!("enforce = \"soft\"\ncap = {cap}"),
            Firm::Shadow => "enforce = \"shadow\"".to_owned(),
        };
        let above = parent(number).filter(|above| !CAPS.contains(above));
        let parent = above.map(|it| format!("parent = \"{}\"", RESOURCES[it].name));
        let parent = parent.unwrap_or_default();
        let thresholds = match resource.kind {
            Kind::Rate => String::new(),
            _ => format!("thresholds = {:?}", resource.thresholds),
        };
        let name = resource.name;
        write!(text, "[resources.\"{name}\"]\nkind = \"{kind}\"\n").expect("writes");
        write!(text, "{more}\n{firm}\n{parent}\n{thresholds}\n").expect("writes");
    }
    for plan in &PLANS {
        write!(text, "[plans.{0}]\ntitle = \"{0}\"\nprice = \"1.00\"\n", plan.name)
            .expect("writes");
        if let Some(days) = plan.grace_days {
            write!(text, "on_lapse = \"expire\"\ngrace_days = {days}\n").expect("writes");
        }
        writeln!(text, "[plans.{}.limits]", plan.name).expect("writes");
        for &(resource, limit) in plan.limits {
            let limit = match limit {
                Limit::Finite(units) => units.to_string(),
                _ => "\"unlimited\"".to_owned(),
            };
            if !CAPS.contains(&resource) {
                writeln!(text, "\"{}\" = {limit}", RESOURCES[resource].name).expect("writes");
            }
        }
        for &(resource, limit) in plan.limits.iter().filter(|(it, _)| CAPS.contains(it)) {
            let (capped, table) = RESOURCES[resource].name.rsplit_once('.').expect("a cap");
            writeln!(text, "[plans.{}.{table}]\n{capped} = {limit}", plan.name).expect("writes");
        }
        writeln!(text, "[plans.{}.carry_over]", plan.name).expect("writes");
        for &(resource, most) in plan.carry_over {
            writeln!(text, "\"{}\" = {most}", RESOURCES[resource].name).expect("writes");
        }
        writeln!(text, "[plans.{}.features]\nai = {}", plan.name, plan.ai).expect("writes");
        if let Some(level) = plan.analytics {
            writeln!(text, "analytics = {level:?}").expect("writes");
        }
    }
    text.push_str(ACTIONS);
    Catalog::parse(&text, "model.toml").expect("the catalog of the model is valid")
}
