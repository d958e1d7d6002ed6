//! `cotas tenant import`: tenants of another system, out of a CSV file.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use cotas::{Engine, TenantForm};
use csv::StringRecord;
use serde_json::{Map, Value, json};

use crate::database::{Database, How};
use crate::failure::Failure;
use crate::output::{Output, counted, right, table, words};

const COLUMNS_HELP: &str = "The tenants: CSV with a line of names; - is standard input

name             the tenant; the only column that must be there
plan             a plan of the catalog
first_due        the first due date, YYYY-MM-DD
auto_renew       true or false; true where there is no such column
anchor_day       the day of the month on which later periods are due
status           active unless given
time_zone        the catalog's unless given
created_at       an RFC 3339 time; now unless given
first_period     paid: the first period was paid elsewhere
price_cents      what a period of the plan costs this tenant
limit.RESOURCE   a limit of its own: a number, unlimited or disabled
feature.NAME     a feature of its own: true, false or a level
extra.RESOURCE   units on top of the plan's

An empty field is one that is left out.";

/// Problems that are shown; the others are counted.
const SHOWN_MAX: usize = 50;

/// Tenants of another system.
#[derive(Args)]
pub struct Import {
    /// The tenants: CSV with a line of names; - is standard input
    #[arg(value_name = "FILE", long_help = COLUMNS_HELP)]
    file: PathBuf,
    /// Change nothing: do it on a copy of the database, and say what would be created
    #[arg(long)]
    dry_run: bool,
    /// What a column of ours is called in the file
    #[arg(long, value_name = "OURS=THEIRS", value_parser = mapping, value_delimiter = ',')]
    map: Vec<(String, String)>,
    #[command(flatten)]
    how: How,
}

/// The number of a line, and the form that it is.
type Line = (u64, String);

/// A line that cannot be imported.
#[derive(serde::Serialize)]
struct Problem {
    line: u64,
    why: String,
}

impl Import {
    /// Creates those that do not exist: all lines are right, or nothing is created.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let (forms, problems) = self.read()?;
        if !problems.is_empty() {
            return refuse(&problems, output);
        }
        let (lines, forms, problems) = parse(&forms);
        if !problems.is_empty() {
            return refuse(&problems, output);
        }
        let engine = self.how.open(database)?;
        let scratch = tempfile::tempdir().map_err(|source| unread(&self.file, source))?;
        let copy = scratch.path().join("copy.db");
        // Where a line contradicts the catalog only the engine sees it: it is asked on a copy.
        engine.backup(&copy)?;
        let on_copy = self.how.open_alone(&Database { path: copy, live_directory: None })?;
        let before: BTreeSet<_> = on_copy.tenants()?.into_iter().collect();
        if TenantForm::with_all(&forms, |tenants| on_copy.ensure_tenants(tenants)).is_err() {
            let problems = wrong_lines(&on_copy, &lines, &forms);
            return refuse(&problems, output);
        }
        let after = on_copy.tenants()?.into_iter();
        let created: Vec<_> = after.filter(|it| !before.contains(it)).collect();
        if !self.dry_run {
            TenantForm::with_all(&forms, |tenants| engine.ensure_tenants(tenants))?;
        }
        let exist = forms.len() - created.len();
        let done = if self.dry_run { "would be created" } else { "created" };
        let text = format!(
            "{} {done}, {} had been there already",
            counted(created.len() as u64, "tenant"),
            counted(exist as u64, "tenant"),
        );
        output.print(&text, &json!({ "created": created, "exist": exist, "dry_run": self.dry_run }))
    }

    /// A JSON form for each line, with the number of the line.
    fn read(&self) -> Result<(Vec<Line>, Vec<Problem>), Failure> {
        let source: Box<dyn std::io::Read> = if self.file == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            Box::new(File::open(&self.file).map_err(|source| unread(&self.file, source))?)
        };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
        let head = reader.headers().map_err(|error| unread(&self.file, error.into()))?.clone();
        let mut problems = Vec::new();
        let columns: Vec<_> = head.iter().map(|theirs| self.ours(theirs)).collect();
        let mut known = BTreeSet::new();
        for column in &columns {
            if !is_column(column) {
                let why =
                    format!("unknown column {column:?}; cotas tenant import --help lists them");
                problems.push(Problem { line: 1, why });
            } else if !known.insert(column.as_str()) {
                problems
                    .push(Problem { line: 1, why: format!("column {column:?} is there twice") });
            }
        }
        if !known.contains("name") {
            let why = "there is no column \"name\"; --map name=THEIRS names it".to_owned();
            problems.push(Problem { line: 1, why });
        }
        let (mut forms, mut names) = (Vec::new(), BTreeSet::new());
        for record in reader.records() {
            match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    let form = form(&columns, &record);
                    let name = form.get("name").and_then(Value::as_str).unwrap_or_default();
                    if !names.insert(name.to_owned()) {
                        let why = format!("tenant {name:?} is there twice");
                        problems.push(Problem { line, why });
                    }
                    forms.push((line, form.to_string()));
                }
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    problems.push(Problem { line, why: error.to_string() });
                    break;
                }
            }
        }
        Ok((forms, problems))
    }

    /// What a column of the file is called here.
    fn ours(&self, theirs: &str) -> String {
        let mapped = self.map.iter().find(|(_, name)| name == theirs);
        mapped.map_or(theirs, |(ours, _)| ours).to_owned()
    }
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let expected = || format!("{text:?} is not OURS=THEIRS, such as name=company_id");
    let (ours, theirs) = text.split_once('=').ok_or_else(expected)?;
    if is_column(ours) { Ok((ours.to_owned(), theirs.to_owned())) } else { Err(expected()) }
}

fn is_column(name: &str) -> bool {
    const SIMPLE: [&str; 10] = [
        "name",
        "plan",
        "first_due",
        "auto_renew",
        "anchor_day",
        "status",
        "time_zone",
        "created_at",
        "first_period",
        "price_cents",
    ];
    let of_group = |group| name.strip_prefix(group).is_some_and(|it: &str| !it.is_empty());
    SIMPLE.contains(&name) || ["limit.", "feature.", "extra."].into_iter().any(of_group)
}

/// The form of a line, as `create_tenant` takes it.
fn form(columns: &[String], record: &StringRecord) -> Value {
    let mut form = Map::new();
    let mut plan = Map::new();
    let (mut limits, mut features, mut extras) = (Map::new(), Map::new(), Vec::new());
    for (column, field) in columns.iter().zip(record).filter(|(_, field)| !field.is_empty()) {
        let group = column.split_once('.');
        match (column.as_str(), group) {
            ("plan", _) => drop(plan.insert("name".to_owned(), json!(field))),
            ("first_due", _) => drop(plan.insert(column.clone(), json!(field))),
            ("auto_renew" | "anchor_day", _) => drop(plan.insert(column.clone(), literal(field))),
            ("price_cents", _) => drop(form.insert(column.clone(), literal(field))),
            (_, Some(("limit", name))) => drop(limits.insert(name.to_owned(), literal(field))),
            (_, Some(("feature", name))) => drop(features.insert(name.to_owned(), literal(field))),
            (_, Some((_, name))) => {
                extras.push(json!({ "resource": name, "units": literal(field) }));
            }
            (_, None) => drop(form.insert(column.clone(), json!(field))),
        }
    }
    if plan.contains_key("name") {
        plan.entry("auto_renew").or_insert(json!(true));
        form.insert("plan".to_owned(), Value::Object(plan));
    }
    let tables = [("limits", limits), ("features", features)];
    for (name, table) in tables.into_iter().filter(|(_, table)| !table.is_empty()) {
        form.insert(name.to_owned(), Value::Object(table));
    }
    if !extras.is_empty() {
        form.insert("extras".to_owned(), Value::Array(extras));
    }
    Value::Object(form)
}

/// A number or a truth value where the field is one, else text.
fn literal(field: &str) -> Value {
    let read = serde_json::from_str(field).ok();
    let simple = read.filter(|it: &Value| it.is_u64() || it.is_boolean());
    simple.unwrap_or_else(|| json!(field))
}

/// The lines and the forms of those that can be read.
fn parse(forms: &[Line]) -> (Vec<u64>, Vec<TenantForm>, Vec<Problem>) {
    let (mut lines, mut parsed, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (line, form) in forms {
        match TenantForm::parse(form) {
            Ok(form) => {
                lines.push(*line);
                parsed.push(form);
            }
            Err(error) => problems.push(Problem { line: *line, why: error.to_string() }),
        }
    }
    (lines, parsed, problems)
}

/// What is wrong with lines, as the engine sees them one by one.
fn wrong_lines(engine: &Engine, lines: &[u64], forms: &[TenantForm]) -> Vec<Problem> {
    let wrong = |(line, form): (&u64, &TenantForm)| {
        let why = form.with(|new| engine.ensure_tenant(new)).err()?.to_string();
        Some(Problem { line: *line, why })
    };
    lines.iter().zip(forms).filter_map(wrong).collect()
}

fn refuse(problems: &[Problem], output: Output) -> Result<(), Failure> {
    let shown = problems.iter().take(SHOWN_MAX);
    let text = table(
        vec![right("line"), words("what is wrong")],
        shown.map(|it| vec![right(it.line), words(&it.why)]),
    );
    output.print(&text, &json!({ "problems": problems }))?;
    Err(Failure::NotImported(problems.len()))
}

fn unread(path: &Path, source: std::io::Error) -> Failure {
    Failure::File { path: path.to_owned(), source }
}
