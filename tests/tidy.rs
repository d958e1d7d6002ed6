//! The style is a test: lengths of lines, functions and files, and what may stand where.

use std::fs;
use std::path::{Path, PathBuf};

mod words;

const LINE_CHARS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;
const FILE_LINES_MEDIAN_MAX: usize = 200;

/// A source file of the repository.
struct Source {
    name: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn collect(directory: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("can be read").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("inside").display().to_string();
            found.push(Source { name, text: fs::read_to_string(&path).expect("is UTF-8") });
        }
    }
}

fn sources(modules: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    modules.iter().for_each(|module| collect(&root().join(module), &mut found));
    assert!(!found.is_empty(), "no source was found in {modules:?}");
    found
}

/// The lines of a file before its unit tests.
fn product(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let tests = source.text.find("#[cfg(test)]\nmod tests {").unwrap_or(source.text.len());
    source.text[..tests].lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Product code: without files that hold nothing but tests.
fn product_sources() -> Vec<Source> {
    let mut found = sources(&["core/src", "cli/src", "ffi/src", "python/src", "server/src"]);
    found.retain(|source| !source.name.ends_with("/tests.rs"));
    found
}

/// Complaints about lines of product code that contain one of `words`, outside `folders`.
fn forbidden(words: &[&str], modules: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in product_sources() {
        if modules.iter().any(|module| source.name.starts_with(module)) {
            continue;
        }
        for (number, line) in product(&source) {
            let code = line.split("//").next().unwrap_or_default();
            for word in words.iter().filter(|word| code.contains(**word)) {
                complaints.push(format!("{}:{number}: {word}", source.name));
            }
        }
    }
    complaints
}

#[test]
fn lines_are_short() {
    let mut complaints = Vec::new();
    for source in sources(&["core", "cli", "ffi", "python", "server", "tests", "benches"]) {
        for (index, line) in source.text.lines().enumerate() {
            let chars = line.chars().count();
            if chars > LINE_CHARS_MAX {
                complaints.push(format!("{}:{}: {chars} characters", source.name, index + 1));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn functions_fit_on_a_screen() {
    let mut complaints = Vec::new();
    for source in product_sources() {
        let mut begun: Option<(usize, usize, String)> = None;
        for (number, line) in product(&source) {
            let indent = line.len() - line.trim_start().len();
            let is_head = [
                "fn ",
                "pub fn ",
                "pub(crate) fn ",
                "pub(super) fn ",
                "const fn ",
                "pub unsafe extern \"C\" fn ",
            ]
            .iter()
            .any(|head| line.trim_start().starts_with(head));
            match &begun {
                None if is_head => begun = Some((number, indent, line.trim().to_owned())),
                Some((start, at, head)) if indent == *at && line.trim_start().starts_with('}') => {
                    let lines = number - start + 1;
                    if lines > FUNCTION_LINES_MAX {
                        complaints.push(format!("{}:{start}: {lines} lines: {head}", source.name));
                    }
                    begun = None;
                }
                Some((_, at, _)) if indent == *at && line.ends_with(';') => begun = None,
                _ => {}
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn files_are_short() {
    let mut complaints = Vec::new();
    let mut lengths = Vec::new();
    for source in product_sources() {
        let lines = product(&source).count();
        if lines > FILE_LINES_MAX {
            complaints.push(format!("{}: {lines} lines", source.name));
        }
        lengths.push(lines);
    }
    assert_none(&complaints);
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= FILE_LINES_MEDIAN_MAX, "the median file has {median} lines");
}

#[test]
fn time_comes_from_the_clock() {
    let words = ["SystemTime::now", "Utc::now", "Local::now"];
    assert_none(&forbidden(&words, &["core/src/clock.rs"]));
}

#[test]
fn only_the_program_prints() {
    let words = ["println!", "eprintln!", "print!", "dbg!"];
    assert_none(&forbidden(&words, &["cli/src"]));
}

#[test]
fn sql_stands_in_the_store() {
    let words =
        ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE ", "\"BEGIN", "\"COMMIT", "rusqlite::"];
    let modules = ["core/src/store/", "core/src/error.rs"];
    assert_none(&forbidden(&words, &modules));
}

#[test]
fn unsafe_stands_in_the_live_file_in_closable_places_and_in_the_c_abi() {
    let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
    assert_none(&forbidden(&words, &["core/src/live/", "core/src/closable.rs", "ffi/src/"]));
}

#[test]
fn nothing_is_left_to_do() {
    assert_none(&forbidden(&["todo!", "unimplemented!", "TODO", "FIXME", "XXX"], &[]));
}

/// The names of all tests that there are, and their files.
fn tests() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for source in sources(&["core/src", "cli", "tests"]) {
        let mut is_test = false;
        for line in source.text.lines().map(str::trim_start) {
            let name = line.strip_prefix("fn ").and_then(|it| it.split('(').next());
            let name = name.filter(|_| is_test);
            found.extend(name.map(|name| (name.to_owned(), source.name.clone())));
            is_test = line == "#[test]" || (is_test && line.starts_with("#["));
        }
    }
    found
}

#[test]
fn every_invariant_has_a_test_named_after_it() {
    let tests = tests();
    let without = (1..=10)
        .map(|number| format!("i{number}_"))
        .filter(|prefix| !tests.iter().any(|(name, _)| name.starts_with(prefix.as_str())));
    let without: Vec<String> =
        without.map(|prefix| format!("no test begins with {prefix}")).collect();
    assert_none(&without);
}

/// The statements of each seed, by its number.
const SEEDS: [(&str, usize); 5] = [("000", 16), ("001", 15), ("002", 13), ("003", 8), ("004", 8)];

/// What the tables of docs/statements.md say: the statement, the test, and the file it links to.
fn rows() -> Vec<(String, String, String)> {
    let page = fs::read_to_string(root().join("docs/statements.md")).expect("is there");
    let seed = |line: &str| SEEDS.iter().any(|(seed, _)| line.starts_with(&format!("| {seed}-")));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let [statement, says, test] = cells[..] else { panic!("three cells: {line}") };
        assert!(!says.is_empty(), "{line}");
        let link = test.strip_prefix("[`").and_then(|it| it.strip_suffix(')'));
        let (name, file) = link.and_then(|it| it.split_once("`](../")).expect("a link to a test");
        (statement.to_owned(), name.to_owned(), file.to_owned())
    };
    page.lines().filter(|line| seed(line)).map(row).collect()
}

#[test]
fn every_statement_of_the_seeds_has_a_test() {
    let (rows, mut tests) = (rows(), tests());
    tests.retain(|(name, file)| name.starts_with("seed_") && file.starts_with("tests/seeds/"));
    let mut complaints = Vec::new();
    let mut expected = Vec::new();
    for (seed, count) in SEEDS {
        expected.extend((1..=count).map(|number| format!("{seed}-{number:02}")));
    }
    let listed: Vec<_> = rows.iter().map(|(statement, ..)| statement.clone()).collect();
    assert_eq!(listed, expected, "the statements of docs/statements.md");
    for (statement, name, file) in &rows {
        let prefix = format!("seed_{}_", statement.replace('-', "_"));
        if !name.starts_with(&prefix) || !tests.contains(&(name.clone(), file.clone())) {
            complaints.push(format!("{statement} has no test {name} in {file}"));
        }
    }
    for (name, file) in &tests {
        if !rows.iter().any(|(_, of_row, _)| of_row == name) {
            complaints.push(format!("{file}: {name} has no row in docs/statements.md"));
        }
    }
    assert_none(&complaints);
}
