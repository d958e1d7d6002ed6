//! The plan report (seed 004): plan, limits and current usage, in the seed's own keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;

/// Who asks for a report: the host says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Somebody who works with the platform.
    Agent,
    /// Somebody who may see the plan.
    Manager,
    /// Somebody who may change it.
    Administrator,
}

/// A tenant's plan, its limits and what is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanReport {
    /// The plan's name in the catalog; `None`: there is no plan.
    pub plan: Option<String>,
    /// The tenant's status.
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
    /// What is measured, by resource.
    pub measured: BTreeMap<String, u64>,
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
}

/// RFC 3339 in UTC, to the second, as the seed writes it.
fn seconds(at: Timestamp) -> String {
    at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
