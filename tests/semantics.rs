//! `docs/semantics.md` says what the parser does: every parameter that it names exists and has
//! the default that it states, every key that the parser knows is named, and every statement of the
//! five platforms is the source of a rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cotas::{Catalog, CatalogError};

/// A catalog with everything that a parameter can be about. A parameter is put in where its mark
/// stands; a line that ends with the name of a parameter sets it.
const BASE: &str = r#"
#for titles
[catalog]
#in catalog
[billing]
#in billing
[trial]
#in trial
[resources.things]
kind = "allowance"                          # resource.kind
#in resource
[resources.credits]
kind = "allowance"
[resources.overdrawn]
kind = "meter"
enforce = "soft"
#for resource.cap
[resources.chats]
kind = "session"
#in session
[resources.users]
kind = "seat"
#in seat
[resources.admins]
kind = "seat"
[resources.calls]
kind = "lease"
ttl = "60s"                                 # lease.ttl
#in lease
[resources.storage]
kind = "meter"
#in meter
[resources.pace]
kind = "rate"
every = "6s"                                # rate.every
#in rate
[plans.full]
title = "Full"                              # plan.title
price = "1.00"                              # plan.price
#in plan
[plans.other]
title = "Other"
price = "1.00"
features = { recording = true }
[plans.yearly]
title = "Yearly"
price = "1.00"
period = "1 year"
#for plan.cadence
[packages.more]
title = "More"                              # package.title
resource = "users"                          # package.resource
prices = { 1 = "1.00" }                     # package.prices
#in package
[actions.act]
#in action
[actions.chat.session]
resource = "chats"
#in action.session
[actions.call.lease]
resource = "calls"
#in action.lease
#in statuses
"#;

/// A row of the table of parameters.
struct Parameter {
    name: String,
    default: String,
    another: String,
}

impl Parameter {
    /// Where it is put in.
    fn mark(&self) -> String {
        let has = |mark: &String| BASE.lines().any(|line| line == mark);
        let own = format!("#for {}", self.name);
        let (table, _) = self.name.rsplit_once('.').unwrap_or_default();
        let (first, _) = self.name.split_once('.').unwrap_or_default();
        [own, format!("#in {table}"), format!("#in {first}")].into_iter().find(has).expect("a mark")
    }

    /// The base, in which it has this value; `None`: which says nothing of it.
    fn set(&self, value: Option<&str>) -> Result<Catalog, CatalogError> {
        let mark = self.mark();
        let said = format!("# {}", self.name);
        let (table, key) = self.name.rsplit_once('.').unwrap_or(("", &self.name));
        let line = value.map(|value| match table.strip_prefix("statuses.") {
            Some(status) => format!("[statuses.{status}]\n{key} = {value}"),
            None => format!("{key} = {value}"),
        });
        let lines = BASE.lines().filter(|it| !it.ends_with(&said)).map(|it| match &line {
            Some(line) if it == mark => line.as_str(),
            _ => it,
        });
        Catalog::parse(&lines.collect::<Vec<_>>().join("\n"), "base.toml")
    }
}

fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    fs::read_to_string(root.join(path)).expect("is there")
}

/// The table of parameters: its rows have four cells and begin with a name in backticks.
fn parameters() -> Vec<Parameter> {
    let text = text("docs/semantics.md");
    let (_, part) = text.split_once("## 8. Every parameter").expect("the part is there");
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    let parameters: Vec<_> = rows
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [name, default, another, _] = cells[..] else { panic!("four cells: {row}") };
            let plain = |cell: &str| cell.trim_matches('`').to_owned();
            Parameter { name: plain(name), default: plain(default), another: plain(another) }
        })
        .collect();
    assert!(!parameters.is_empty());
    parameters
}

#[test]
fn every_parameter_exists_and_has_its_default() {
    for it in parameters() {
        let name = &it.name;
        let another = it.set(Some(&it.another)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let unsaid = it.set(None);
        if it.default == "required" {
            assert!(unsaid.is_err(), "{name} is not required");
            continue;
        }
        let unsaid = unsaid.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(unsaid != another, "{name} changes nothing");
        if it.default != "none" {
            let said = it.set(Some(&it.default)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(unsaid == said, "the default of {name} is not {}", it.default);
        }
    }
}

/// The keys that the parser takes, as its sources list them.
fn keys_of_the_parser() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for file in ["parse", "resources", "plans", "packages", "actions"] {
        let source = text(&format!("core/src/catalog/{file}.rs"));
        let lists = source.split(".only(&[").skip(1).filter_map(|rest| rest.split("])").next());
        let more = source.split("let keys = [").skip(1).filter_map(|rest| rest.split(']').next());
        let kinds = source.split("&'static [&'static str]").count();
        assert!(kinds <= 1, "{file}: lists of keys are written another way");
        for list in lists.chain(more) {
            keys.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
        }
        let (_, table) = source.split_once("const KINDS").unwrap_or_default();
        let table = table.split("];").next().unwrap_or_default();
        for list in table.split("&[").skip(2).filter_map(|rest| rest.split(']').next()) {
            keys.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
    keys
}

#[test]
fn every_key_of_the_catalog_is_named() {
    let parameters = parameters();
    let named: BTreeSet<&str> = parameters.iter().flat_map(|it| it.name.split('.')).collect();
    // Tables whose keys are names of the catalog's own.
    let tables = ["catalog", "resources", "plans", "actions", "packages"];
    let keys = keys_of_the_parser();
    assert!(keys.len() > 30 && keys.contains("burst") && keys.contains("renew_on"), "{keys:?}");
    let unnamed: Vec<_> = keys
        .iter()
        .filter(|key| !named.contains(key.as_str()) && !tables.contains(&key.as_str()))
        .collect();
    assert!(unnamed.is_empty(), "not in docs/semantics.md: {unnamed:?}");
}

#[test]
fn every_statement_of_the_five_platforms_is_the_source_of_a_rule() {
    let text = text("docs/semantics.md");
    let seeds = [("000", 16), ("001", 15), ("002", 13), ("003", 8), ("004", 8)];
    let missing: Vec<_> = seeds
        .into_iter()
        .flat_map(|(seed, count)| (1..=count).map(move |number| format!("{seed}-{number:02}")))
        .filter(|statement| !text.contains(statement.as_str()))
        .collect();
    assert!(missing.is_empty(), "no rule has these as its source: {missing:?}");
}
