//! The plan report (docs/sources.md, Voki): plan, limits and current usage, in the seed's own keys.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::figures::{day, limit, number, yes_or_no};
use super::page::{Column, Page};
use super::words;
use crate::clock::Timestamp;
use crate::language::{Language, Wording};

/// Who asks for a report: the host says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A person who works with the platform.
    Agent,
    /// A person who may see the plan.
    Manager,
    /// A person who may change it.
    Administrator,
}

impl Role {
    /// Every role, the lowest first.
    pub const ALL: [Role; 3] = [Role::Agent, Role::Manager, Role::Administrator];

    /// The role's name in programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Role::Agent => "agent",
            Role::Manager => "manager",
            Role::Administrator => "administrator",
        }
    }

    /// The role with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: &str) -> Option<Role> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }
}

/// A tenant's plan, its limits and what is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanReport {
    /// The tenant.
    pub tenant: String,
    /// The plan's name in the catalog; `None`: there is no plan.
    pub plan: Option<String>,
    /// What people call it.
    pub plan_title: Option<String>,
    /// The tenant's status; `pending` while an active tenant's plan waits to be paid.
    pub status: String,
    /// What may be held at once, by resource; `None`: there is no limit.
    pub limits: BTreeMap<String, Option<u64>>,
    /// Features: on or off. A feature with levels is on at any of them.
    pub features: BTreeMap<String, bool>,
    /// The levels of features that have them.
    pub levels: BTreeMap<String, String>,
    /// The first instant of the current period.
    pub period_start: Option<Timestamp>,
    /// The first instant after it.
    pub period_end: Option<Timestamp>,
    /// What is held, by resource.
    pub active: BTreeMap<String, u64>,
    /// Leases that are held now, by resource. The page shows them; the seed's JSON does not.
    pub leased: BTreeMap<String, u64>,
    /// What is measured, by resource.
    pub measured: BTreeMap<String, u64>,
    /// What people call resources, features and levels.
    pub titles: BTreeMap<String, Wording>,
    /// The zone of the tenant's days.
    pub time_zone: Tz,
}

impl PlanReport {
    /// The seed's JSON: `max_<resource>`, `<feature>_enabled`, `usage.active_<resource>` and
    /// `usage.<meter>`. What has no limit is `null`, and named in `unlimited`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut data = Map::new();
        data.insert("plan".to_owned(), json!(self.plan));
        data.insert("status".to_owned(), json!(self.status));
        let mut unlimited = Vec::new();
        for (resource, limit) in &self.limits {
            let key = format!("max_{resource}");
            if limit.is_none() {
                unlimited.push(key.clone());
            }
            data.insert(key, json!(limit));
        }
        for (feature, on) in &self.features {
            data.insert(format!("{feature}_enabled"), json!(on));
        }
        if !self.levels.is_empty() {
            data.insert("levels".to_owned(), json!(self.levels));
        }
        let instant = |at: Option<Timestamp>| at.map(seconds);
        data.insert("current_period_start".to_owned(), json!(instant(self.period_start)));
        data.insert("current_period_end".to_owned(), json!(instant(self.period_end)));
        let active =
            self.active.iter().map(|(name, count)| (format!("active_{name}"), json!(count)));
        let measured = self.measured.iter().map(|(name, count)| (name.clone(), json!(count)));
        let usage: Map<String, Value> = active.chain(measured).collect();
        data.insert("usage".to_owned(), Value::Object(usage));
        if !unlimited.is_empty() {
            data.insert("unlimited".to_owned(), json!(unlimited));
        }
        json!({ "data": data })
    }

    /// As a page to read.
    #[must_use]
    pub fn to_page(&self, language: Language) -> String {
        let say = |english, portuguese| language.say(english, portuguese);
        let mut page = Page::new(
            language,
            &format!("{}: {}", say("Plan report", "Relatório do plano"), self.tenant),
        );
        let none = say("none", "nenhum");
        let mut facts = vec![
            (say("Plan", "Plano"), self.plan_title.as_deref().unwrap_or(none).to_owned()),
            (say("Status", "Situação"), words::status(&self.status, language).to_owned()),
        ];
        if let (Some(start), Some(end)) = (self.period_start, self.period_end) {
            let first = day(start, self.time_zone, language);
            let last = day(end.plus_ms(-1), self.time_zone, language);
            facts.push((
                say("Current period", "Período atual"),
                format!("{first} {} {last}", say("to", "a")),
            ));
        }
        page.facts(&facts);
        self.limits_table(&mut page);
        self.measured_table(&mut page);
        self.features_table(&mut page);
        page.end()
    }

    fn title(&self, name: &str, language: Language) -> String {
        let title = self.titles.get(name).map(|title| title.text(language));
        title.unwrap_or(name).to_owned()
    }

    fn limits_table(&self, page: &mut Page) {
        let language = page.language;
        let header = [
            Column::Words(page.say("Resource", "Recurso")),
            Column::Numbers(page.say("In use", "Em uso")),
            Column::Numbers(page.say("Limit", "Limite")),
        ];
        let row = |(name, most): (&String, &Option<u64>)| {
            let active = self.active.get(name).or(self.leased.get(name)).copied().unwrap_or(0);
            vec![self.title(name, language), number(active, language), limit(*most, language)]
        };
        page.table(page.say("Limits", "Limites"), &header, self.limits.iter().map(row).collect());
    }

    fn measured_table(&self, page: &mut Page) {
        let language = page.language;
        let header = [
            Column::Words(page.say("Resource", "Recurso")),
            Column::Numbers(page.say("Measured", "Medido")),
        ];
        let row = |(name, used): (&String, &u64)| {
            vec![self.title(name, language), number(*used, language)]
        };
        page.table(page.say("Usage", "Consumo"), &header, self.measured.iter().map(row).collect());
    }

    fn features_table(&self, page: &mut Page) {
        let language = page.language;
        let header = [
            Column::Words(page.say("Feature", "Funcionalidade")),
            Column::Words(page.say("Included", "Incluída")),
        ];
        let row = |(name, on): (&String, &bool)| {
            let level = self.levels.get(name).filter(|_| *on);
            let included = level.map(|level| self.title(level, language));
            vec![self.title(name, language), included.unwrap_or_else(|| yes_or_no(*on, language))]
        };
        let rows = self.features.iter().map(row).collect();
        page.table(page.say("Features", "Funcionalidades"), &header, rows);
    }
}

/// RFC 3339 in UTC, to the second, as the seed writes it.
fn seconds(at: Timestamp) -> String {
    at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
