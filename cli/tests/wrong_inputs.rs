//! The table of wrong inputs, `tests/wrong_inputs`: command lines and catalogs. Each message says
//! what was wrong with which argument and what is allowed, and none shows what a library calls it.

mod common;

use std::path::PathBuf;

use common::{Desk, stderr};
use cotas::Catalog;
use toml::{Table, Value};

/// A file of the table.
fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/wrong_inputs").join(name);
    std::fs::read_to_string(path).expect(name)
}

fn rows(table: &Table) -> Vec<&Table> {
    let rows = table.get("wrong").and_then(Value::as_array).expect("rows");
    rows.iter().map(|row| row.as_table().expect("a table")).collect()
}

fn text<'a>(row: &'a Table, key: &str) -> Option<&'a str> {
    row.get(key).map(|value| value.as_str().expect(key))
}

/// `<129 x>` as so many letters.
fn spelt_out(text: &str) -> String {
    let repeated = text.strip_prefix('<').and_then(|it| it.strip_suffix(" x>"));
    let count = repeated.and_then(|count| count.parse().ok());
    count.map_or_else(|| text.to_owned(), |count| "x".repeat(count))
}

/// What a message shows that no user can act on.
fn internals(message: &str) -> Vec<String> {
    let lower = message.to_lowercase();
    let list = file("internals.txt");
    let words = list.lines().filter(|line| !line.starts_with("# ") && !line.is_empty());
    words.filter(|word| lower.contains(*word)).map(str::to_owned).collect()
}

/// Complaints about a message that should be another one.
fn complaint(input: &str, message: &str, expected: &str) -> Option<String> {
    let internals = internals(message);
    if message != expected {
        return Some(format!("{input}\n   says: {message}\n should: {expected}"));
    }
    (!internals.is_empty()).then(|| format!("{input}\n   says: {message}\n  shows: {internals:?}"))
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} rows:\n{}", complaints.len(), complaints.join("\n"));
}

/// What a program that failed says, in one line, without its name and its usage.
fn said(output: &std::process::Output, desk: &Desk) -> String {
    let text = stderr(output);
    let text = text.split("\n\nUsage").next().unwrap_or_default();
    let text = text.split("\n\nFor more").next().unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join(" ");
    let line = line.replace(&format!("{}/", desk.path("").display()).replace("//", "/"), "");
    line.strip_prefix("cotas: ").unwrap_or(&line).to_owned()
}

/// A directory with the database that the rows are about.
fn desk() -> Desk {
    let desk = Desk::empty();
    desk.write("catalog.toml", &file("catalog.toml"));
    desk.ok(&["catalog", "load", "catalog.toml"]);
    let at = ["--at", "2026-05-20T12:00:00Z"];
    let small = ["tenant", "add", "acme", "--plan", "small", "--first-due", "2026-06-10"];
    desk.ok(&[&small[..], &at].concat());
    desk.ok(&[&["tenant", "add", "free"][..], &at].concat());
    desk
}

#[test]
fn every_wrong_command_line_says_what_is_wrong_and_what_is_allowed() {
    let desk = desk();
    let before = desk.json(&["tenant", "show", "acme", "--at", "2026-05-21T12:00:00Z"]);
    let table: Table = file("cli.toml").parse().expect("TOML");
    let rows = rows(&table);
    assert!(rows.len() >= 140, "only {} rows", rows.len());
    let mut complaints = Vec::new();
    for row in rows {
        let arguments: Vec<String> = row["run"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|it| spelt_out(it.as_str().expect("a text")))
            .collect();
        let files = row.get("files").and_then(Value::as_table);
        for (name, text) in files.into_iter().flatten() {
            desk.write(name, &spelt_out(text.as_str().expect("a text")));
        }
        let output = desk.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let exit = row["exit"].as_integer().and_then(|code| i32::try_from(code).ok());
        let input = format!("{:?}", row["run"].to_string());
        if output.status.code() != exit || !output.stdout.is_empty() {
            complaints.push(format!("{input}\n  ended: {:?}", output.status.code()));
        }
        complaints.extend(complaint(
            &input,
            &said(&output, &desk),
            text(row, "says").unwrap_or_default(),
        ));
    }
    assert_none(&complaints);
    assert_eq!(
        desk.json(&["tenant", "show", "acme", "--at", "2026-05-21T12:00:00Z"]),
        before,
        "nothing has changed"
    );
}

#[test]
fn every_wrong_catalog_is_refused_with_its_place_and_what_is_allowed() {
    let table: Table = file("catalogs.toml").parse().expect("TOML");
    let base = text(&table, "base").expect("a base");
    let rows = rows(&table);
    assert!(rows.len() >= 50, "only {} rows", rows.len());
    let mut complaints = Vec::new();
    for row in rows {
        let (name, catalog) = match (text(row, "add"), text(row, "text"), text(row, "json")) {
            (Some(added), None, None) => ("catalog.toml", format!("{base}{added}")),
            (None, Some(whole), None) => ("catalog.toml", whole.to_owned()),
            (None, None, Some(whole)) => ("catalog.json", whole.to_owned()),
            _ => panic!("what is the catalog of {row}?"),
        };
        let message = match Catalog::parse(&catalog, name) {
            Ok(_) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        let expected = text(row, "says").unwrap_or_default();
        complaints.extend(complaint(&row.to_string(), &message, expected));
    }
    assert_none(&complaints);
}

#[test]
fn a_planted_bad_message_is_found() {
    let expected = "units: expected a whole number";
    assert_eq!(complaint("x", expected, expected), None);
    assert!(complaint("x", "units: wrong", expected).is_some());
    for planted in [
        "data did not match any variant of untagged enum LimitForm",
        "units: invalid digit found in string",
        "invalid type: integer `5`, expected a string at line 1 column 3",
        "new_tenant() got an unexpected keyword argument 'plann'",
    ] {
        assert!(complaint("x", planted, planted).is_some(), "{planted}");
    }
}
