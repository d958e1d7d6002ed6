//! `cotas tour`: a day of each of five platforms, from the catalogs in `examples/catalogs/`.
//!
//! Each story has an engine of its own, in memory, and a clock that is set manually. Every figure
//! in it is what the engine answered.

mod assin;
mod helena;
mod livechat360;
mod voki;
mod whazing;

use std::ops::Range;
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use cotas::billing::{Cents, CompanyType, DocumentType, PersonType};
use cotas::rules::calendar::start_of_day;
use cotas::{
    AccountHolder, Administrator, BalanceLine, Catalog, Clock, Decision, Engine, Error, Language,
    Maintenance, ManualClock,
};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{Output, grouped};

const MINUTE_MS: i64 = 60_000;
/// The year in which all of it takes place.
const YEAR: i32 = 2026;

/// Short stories of what the engine answers.
#[derive(Args)]
pub struct Tour {
    /// Only this platform's
    platform: Option<Platform>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Platform {
    /// Conversations: 1000 of the plan, 100 extras, and the day after the due date
    Livechat360,
    /// Accounts: demonstration, statuses, quantities
    Helena,
    /// Channels: examples A and B, nothing is prorated
    Whazing,
    /// Credits and notification credits, shown before they are used
    Assin,
    /// Registration, payment, calls at a time, the plan report
    Voki,
}

/// What a platform's day came to.
struct Story {
    title: &'static str,
    lines: Vec<String>,
    /// The report at its end: for people, and for programs.
    report: (String, Value),
}

impl Tour {
    /// Prints one story, or all.
    pub fn run(&self, output: Output) -> Result<(), Failure> {
        let platforms = match &self.platform {
            Some(platform) => std::slice::from_ref(platform),
            None => Platform::value_variants(),
        };
        let stories = platforms
            .iter()
            .map(|platform| match platform {
                Platform::Livechat360 => livechat360::play(),
                Platform::Helena => helena::play(),
                Platform::Whazing => whazing::play(),
                Platform::Assin => assin::play(),
                Platform::Voki => voki::play(),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let text: Vec<_> = stories.iter().map(Story::text).collect();
        output.print(&text.join("\n\n\n"), &stories.iter().map(Story::json).collect())
    }
}

impl Story {
    fn text(&self) -> String {
        let rule = "=".repeat(self.title.chars().count());
        let lines = self.lines.join("\n");
        format!("{}\n{rule}\n{lines}\n\n{}", self.title, self.report.0)
    }

    fn json(&self) -> Value {
        let story = self.lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
        json!({
            "title": self.title,
            "story": story.collect::<Vec<_>>(),
            "report": self.report.1,
        })
    }
}

/// Where a story takes place.
struct Stage {
    engine: Engine,
    clock: Arc<ManualClock>,
    zone: Tz,
    lines: Vec<String>,
}

impl Stage {
    fn new(catalog: &str, zone: Tz) -> Result<Stage, Failure> {
        let clock = Arc::new(ManualClock::new(start_of_day(day(1, 1), zone)));
        let shown = Arc::clone(&clock) as Arc<dyn Clock>;
        let engine = Engine::in_memory().clock(shown).maintenance(Maintenance::External).open()?;
        let catalog = Catalog::parse(catalog, "catalog.toml").map_err(Error::from)?;
        engine.load_catalog(&catalog)?;
        Ok(Stage { engine, clock, zone, lines: Vec::new() })
    }

    /// Sets the clock.
    fn at(&mut self, date: NaiveDate, hour: i64, minute: i64) {
        self.clock.set(start_of_day(date, self.zone).plus_ms((hour * 60 + minute) * MINUTE_MS));
        if !self.lines.is_empty() {
            self.lines.push(String::new());
        }
        self.lines.push(format!("{} {hour:02}:{minute:02}", shown(date)));
    }

    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(format!("  {}", line.into()));
    }

    /// Prints how an attempt ended that must not succeed.
    fn say_error<T>(&mut self, what: &str, attempt: Result<T, Error>) {
        let answer = attempt.map_or_else(|error| error.to_string(), |_| "done".to_owned());
        self.say(format!("{what}: {answer}"));
    }

    fn balance(&self, tenant: &str, resource: &str) -> Result<BalanceLine, Failure> {
        let balance = self.engine.statement(tenant)?.balance(resource).cloned();
        Ok(balance.ok_or_else(|| Error::UnknownResource(resource.into()))?)
    }

    /// Prints what is left of a resource.
    fn say_balance(
        &mut self,
        tenant: &str,
        resource: &str,
        language: Language,
    ) -> Result<(), Failure> {
        let line = self.balance(tenant, resource)?.line(language);
        self.say(line);
        Ok(())
    }

    /// What would be over its limit on another plan: `users 12 of 10, departments 5 of 3`.
    fn over_on(&self, tenant: &str, plan: &str) -> Result<String, Failure> {
        let over = self.engine.what_if(tenant, plan)?;
        let over = over.iter().map(|it| format!("{} {} of {}", it.resource, it.used, it.limit));
        Ok(over.collect::<Vec<_>>().join(", "))
    }

    fn end(self, title: &'static str, report: (String, Value)) -> Story {
        Story { title, lines: self.lines, report }
    }
}

/// A day of the year of the stories.
fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(YEAR, month, day).unwrap_or_default()
}

/// A date as Brazil writes it.
fn shown(date: NaiveDate) -> String {
    date.format("%d/%m/%Y").to_string()
}

/// `allowed`, or why not.
fn answer(decision: &Decision) -> String {
    match decision.reason() {
        None => "allowed".to_owned(),
        Some(reason) => format!("denied, {}", reason.code()),
    }
}

/// Answers to the same question, one after another: `8 allowed, 1 denied, quota_exhausted`.
fn answers(
    asked: Range<u32>,
    mut ask: impl FnMut(u32) -> Result<Decision, Error>,
) -> Result<String, Failure> {
    let mut counts: Vec<(String, u64)> = Vec::new();
    for number in asked {
        let said = answer(&ask(number)?);
        match counts.iter_mut().find(|(what, _)| *what == said) {
            Some((_, count)) => *count += 1,
            None => counts.push((said, 1)),
        }
    }
    let counts = counts.iter().map(|(what, count)| format!("{} {what}", grouped(*count)));
    Ok(counts.collect::<Vec<_>>().join("; "))
}

/// The sum of amounts.
fn sum(amounts: impl IntoIterator<Item = Cents>) -> Option<Cents> {
    amounts.into_iter().try_fold(Cents::ZERO, Cents::checked_add)
}

/// A company whose administrator is Ana.
fn company<'a>(name: &'a str, cnpj: &'a str, email: &'a str) -> AccountHolder<'a> {
    AccountHolder {
        person: PersonType::Legal,
        document: Some((cnpj, DocumentType::Cnpj)),
        trade_name: name,
        legal_name: name,
        company_type: Some(CompanyType::Ltda),
        company_type_text: "",
        administrator: Administrator { name: "Ana", email, phone: "+55 11 5555-0100" },
        address: None,
    }
}
