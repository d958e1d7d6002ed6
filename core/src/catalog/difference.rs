//! What a new catalog changes beside the one in force, before it is loaded.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::Catalog;

/// Something that a new catalog says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CatalogChange {
    /// What it is, as the catalog names it: `plans.full.limits.sessions`.
    pub what: String,
    /// What the catalog in force says; `None`: nothing.
    pub before: Option<String>,
    /// What the new one says; `None`: nothing.
    pub after: Option<String>,
    /// Whether it takes something away: from hosts, which name what is gone, or from tenants that
    /// join or are moved to the plan.
    pub takes: bool,
}

/// Under these keys a name is something of its own: it is added or removed as a whole.
const NAMED: [&str; 4] = ["actions", "packages", "plans", "resources"];

impl Catalog {
    /// What this catalog changes beside `old`, in the order of the names. Tenants keep the version
    /// of their plan until they are moved; resources, actions, statuses, packages and currency hold
    /// for all of them at once.
    #[must_use]
    pub fn changes_from(&self, old: &Catalog) -> Vec<CatalogChange> {
        let mut changes = Vec::new();
        let value = |catalog: &Catalog| serde_json::to_value(catalog).unwrap_or_default();
        compare(&mut Vec::new(), &value(old), &value(self), &mut changes);
        changes
    }
}

/// Adds the differences of two values that stand at the same place.
fn compare(path: &mut Vec<String>, old: &Value, new: &Value, to: &mut Vec<CatalogChange>) {
    let is_limit = path.iter().any(|it| it == "limits");
    if old == new {
        return;
    }
    let is_named = matches!(path.as_slice(), [of, _] if NAMED.contains(&of.as_str()));
    if let (Value::Object(old), Value::Object(new)) = (old, new)
        && !(is_limit && path.len() > 3)
    {
        let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let side = |of: &serde_json::Map<String, Value>| of.get(key).cloned();
            path.push(key.clone());
            let (old, new) = (side(old).unwrap_or_default(), side(new).unwrap_or_default());
            compare(path, &old, &new, to);
            path.pop();
        }
        return;
    }
    let text = |value: &Value| (!value.is_null()).then(|| written(value, is_named));
    let takes = takes(path, old, new);
    to.push(CatalogChange { what: path.join("."), before: text(old), after: text(new), takes });
}

/// A value as people read it.
fn written(value: &Value, is_named: bool) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        // A plan or a resource that comes or goes as a whole goes by its title.
        Value::Object(members) if is_named => {
            let title = members.get("title").or_else(|| members.get("kind"));
            title.map_or_else(|| "…".to_owned(), |it| written(it, false))
        }
        // A limit, `{"finite": 1000}`, and whatever else is a word with one value.
        Value::Object(members) if members.len() == 1 => {
            members.values().next().map_or_else(String::new, text)
        }
        other => text(other),
    }
}

/// Whether a difference takes something away.
fn takes(path: &[String], old: &Value, new: &Value) -> bool {
    let at = |place: usize| path.get(place).map_or("", String::as_str);
    match at(0) {
        "currency" => true,
        "statuses" => old == &Value::Bool(true) || lost_permission(old, new),
        "plans" if at(2) == "limits" => limit(new) < limit(old),
        "plans" if at(2) == "features" => level(new) < level(old),
        "plans" if at(2) == "extras" => new == &Value::Bool(false),
        "plans" if at(2) == "grace_days" => new.as_u64() < old.as_u64(),
        "resources" if at(2) == "token_required" => new == &Value::Bool(true),
        "resources" if at(2) == "kind" => true,
        _ => !old.is_null() && new.is_null() && path.len() == 2,
    }
}

/// How much a limit gives: nothing, so many units, or no end of them.
fn limit(value: &Value) -> u128 {
    match value {
        Value::String(word) if word == "unlimited" => u128::MAX,
        Value::Object(finite) => {
            finite.get("finite").and_then(Value::as_u64).map_or(0, |units| u128::from(units) + 1)
        }
        _ => 0,
    }
}

/// How much a feature gives. Levels have no order that a catalog knows: another one may be less.
fn level(value: &Value) -> u8 {
    match value {
        Value::Object(feature) => match feature.values().next() {
            Some(Value::Bool(true)) => 1,
            Some(Value::String(_)) => 2,
            _ => 0,
        },
        Value::Bool(true) => 1,
        Value::String(_) => 2,
        _ => 0,
    }
}

/// Whether some permission that was there is gone, in the rows of the statuses.
fn lost_permission(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Bool(old), Value::Bool(new)) => *old && !*new,
        (Value::Array(old), Value::Array(new)) => {
            old.iter().zip(new).any(|(old, new)| lost_permission(old, new))
        }
        (Value::Object(old), Value::Object(new)) => {
            let lost = |(key, old): (&String, &Value)| {
                new.get(key).is_some_and(|it| lost_permission(old, it))
            };
            old.iter().any(lost)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"
        [catalog]
        currency = "BRL"
        [resources.credits]
        kind = "allowance"
        [resources.users]
        kind = "seat"
        [plans.full]
        title = "Full"
        price = "9.90"
        limits = { credits = 10, users = "unlimited" }
        features = { api = true }
        [plans.small]
        title = "Small"
        price = "5.00"
        limits = { credits = 5 }
    "#;

    fn changes(replace: &[(&str, &str)]) -> Vec<(String, Option<String>, Option<String>, bool)> {
        let old = Catalog::parse(OLD, "old.toml").unwrap();
        let text = replace.iter().fold(OLD.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        let new = Catalog::parse(&text, "new.toml").unwrap();
        let changes = new.changes_from(&old);
        changes.into_iter().map(|it| (it.what, it.before, it.after, it.takes)).collect()
    }

    fn change(
        what: &str,
        before: &str,
        after: &str,
        takes: bool,
    ) -> Vec<(String, Option<String>, Option<String>, bool)> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        vec![(what.to_owned(), some(before), some(after), takes)]
    }

    #[test]
    fn the_same_catalog_changes_nothing() {
        assert_eq!(changes(&[]), []);
    }

    #[test]
    fn a_lower_limit_takes_and_a_higher_one_does_not() {
        let limit = "plans.full.limits.credits";
        assert_eq!(changes(&[("credits = 10", "credits = 8")]), change(limit, "10", "8", true));
        assert_eq!(changes(&[("credits = 10", "credits = 12")]), change(limit, "10", "12", false));
        let most = changes(&[("credits = 10", "credits = \"unlimited\"")]);
        assert_eq!(most, change(limit, "10", "unlimited", false));
        let users = changes(&[("users = \"unlimited\"", "users = 9")]);
        assert_eq!(users, change("plans.full.limits.users", "unlimited", "9", true));
        let gone = changes(&[(", users = \"unlimited\"", "")]);
        assert_eq!(gone, change("plans.full.limits.users", "unlimited", "", true));
    }

    #[test]
    fn what_is_gone_is_taken_and_goes_by_its_title() {
        let small = &OLD[OLD.find("[plans.small]").unwrap()..];
        assert_eq!(changes(&[(small, "")]), change("plans.small", "Small", "", true));
        let price = changes(&[("\"9.90\"", "\"19.90\"")]);
        assert_eq!(price, change("plans.full.price_cents", "990", "1990", false));
        let currency = changes(&[("\"BRL\"", "\"USD\"")]);
        assert_eq!(currency, change("currency", "BRL", "USD", true));
        let feature = changes(&[("api = true", "api = false")]);
        assert!(feature[0].0.starts_with("plans.full.features.api") && feature[0].3, "{feature:?}");
    }
}
