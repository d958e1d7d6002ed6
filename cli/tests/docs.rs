//! The documents are true: their commands print what stands there, their links lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use tempfile::TempDir;

/// Lines of the README: it is read on one screen or two.
const README_LINES_MAX: usize = 120;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folders of the book's pages.
const BOOK: [&str; 2] = ["docs", "docs/guides"];

/// The pages of the book, and those beside it that a reader begins with.
fn pages() -> Vec<PathBuf> {
    let markdown = |path: &PathBuf| path.extension().is_some_and(|it| it == "md");
    let inside = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
    };
    let mut found: Vec<_> = ["."].iter().chain(&BOOK).flat_map(|it| inside(it)).collect();
    found.retain(markdown);
    found.push(root().join("examples/hosts/README.md"));
    found.sort();
    found
}

/// The text of the code blocks of a language.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(name))) if &*name == language => {
                inside = true;
                found.push(String::new());
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(text) if inside => found.last_mut().expect("begun").push_str(&text),
            _ => {}
        }
    }
    found
}

/// A command of a `console` block, and what it is to print.
struct Step {
    command: String,
    expected: String,
}

fn steps(block: &str) -> Vec<Step> {
    let mut found: Vec<Step> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push(Step { command: command.to_owned(), expected: String::new() });
            continue;
        }
        let step = found.last_mut().unwrap_or_else(|| panic!("no command before {line:?}"));
        match line.strip_prefix('>') {
            Some(more) if step.expected.is_empty() => {
                step.command.push('\n');
                step.command.push_str(more.strip_prefix(' ').unwrap_or(more));
            }
            _ => {
                step.expected.push_str(line);
                step.expected.push('\n');
            }
        }
    }
    found
}

/// `...` alone on a line stands for any lines, `[..]` for any rest of its line.
fn fits(expected: &[&str], printed: &[&str]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((&"...", more)), _) => (0..=printed.len())
            .any(|skipped| printed.get(skipped..).is_some_and(|rest| fits(more, rest))),
        (Some((line, more)), Some((first, rest))) => {
            let same = match line.split_once("[..]") {
                Some((before, after)) => first.starts_with(before) && first.ends_with(after),
                None => line.trim_end() == first.trim_end(),
            };
            same && fits(more, rest)
        }
        (Some(_), None) => false,
    }
}

/// Runs the commands of a page one after the other, in one shell and a directory of its own.
fn play(steps: &[Step]) -> Vec<String> {
    let directory = TempDir::new().expect("a directory");
    std::os::unix::fs::symlink(root().join("examples"), directory.path().join("examples"))
        .expect("a link");
    let program = Path::new(env!("CARGO_BIN_EXE_cotas")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mark = "---- end of a step";
    let script: Vec<_> =
        steps.iter().map(|step| format!("{}\necho '{mark}'", step.command)).collect();
    let output = Command::new("sh")
        .args(["-c", &format!("set -e\nexec 2>&1\n{}", script.join("\n"))])
        .current_dir(directory.path())
        .env("PATH", path)
        .env_remove("COTAS_DB")
        .output()
        .expect("a shell");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{text}");
    text.split(&format!("{mark}\n")).map(str::to_owned).collect()
}

#[test]
fn commands_of_the_documents_print_what_stands_there() {
    let mut played = 0;
    for page in pages() {
        let steps: Vec<_> =
            blocks(&read(&page), "console").iter().flat_map(|it| steps(it)).collect();
        if steps.is_empty() {
            continue;
        }
        for (step, printed) in steps.iter().zip(play(&steps)) {
            let lines = |text: &'_ str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let (expected, printed) = (lines(&step.expected), lines(&printed));
            let expected: Vec<_> = expected.iter().map(String::as_str).collect();
            let printed: Vec<_> = printed.iter().map(String::as_str).collect();
            assert!(
                fits(&expected, &printed),
                "{}: {}\nprints\n{}\nand not\n{}",
                page.display(),
                step.command,
                printed.join("\n"),
                expected.join("\n")
            );
            played += 1;
        }
    }
    assert!(played > 5, "{played} commands were played");
}

/// What a heading is called in a link, as the usual renderers do it.
fn anchor(heading: &str) -> String {
    let kept = |it: &char| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

fn anchors(markdown: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                found.extend(heading.take().map(|it| anchor(&it)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            _ => {}
        }
    }
    found
}

fn links(markdown: &str) -> Vec<String> {
    let link = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.to_string())
        }
        _ => None,
    };
    Parser::new_ext(markdown, Options::ENABLE_TABLES).filter_map(link).collect()
}

/// Complaints about the links of a page that lead nowhere.
fn broken(page: &Path, markdown: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for link in links(markdown) {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (file, place) = link.split_once('#').unwrap_or((&link, ""));
        let target = if file.is_empty() {
            page.to_owned()
        } else {
            page.parent().expect("a folder").join(file)
        };
        let complaint = format!("{}: {link} leads nowhere", page.display());
        if !target.exists() {
            complaints.push(complaint);
        } else if !place.is_empty() && !anchors(&read(&target)).contains(place) {
            complaints.push(format!("{complaint}: there is no such heading"));
        }
    }
    complaints
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let complaints: Vec<_> = pages().iter().flat_map(|page| broken(page, &read(page))).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    let planted = "[a](no-such-page.md) [b](#no-such-heading) [c](README.md#cotas)";
    assert_eq!(broken(&root().join("README.md"), planted).len(), 2);
}

#[test]
fn every_page_is_in_the_book_once() {
    let docs = root().join("docs");
    let mut listed = BTreeMap::<String, usize>::new();
    for link in links(&read(&docs.join("SUMMARY.md"))) {
        *listed.entry(link).or_default() += 1;
    }
    for page in pages() {
        let Ok(name) = page.strip_prefix(&docs) else { continue };
        let name = name.to_str().expect("UTF-8");
        if name != "SUMMARY.md" {
            assert_eq!(listed.get(name), Some(&1), "docs/SUMMARY.md lists {name}");
        }
    }
}

#[test]
fn the_readme_is_short() {
    for name in ["README.md", "README.pt-BR.md"] {
        let lines = read(&root().join(name)).lines().count();
        assert!(lines <= README_LINES_MAX, "{name} has {lines} lines");
    }
}

/// What the C header calls its codes: the number of each name.
fn codes_of_the_header() -> BTreeMap<String, String> {
    let header = read(&root().join("include/cotas.h"));
    let code = |line: &str| {
        let (name, number) = line.trim().trim_end_matches(',').split_once(" = ")?;
        let name = name
            .strip_prefix("COTAS_E_")
            .or(name.strip_prefix("COTAS_").filter(|it| *it == "PANIC"))?;
        Some((number.to_owned(), name.to_owned()))
    };
    header.lines().filter_map(code).collect()
}

/// Names that begin as the C functions do, in a text.
fn names_of_c(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    words.filter(|it| it.starts_with("cotas_") && !it.ends_with('_'))
}

#[test]
fn functions_of_c_that_the_documents_name_exist() {
    let header = read(&root().join("include/cotas.h"));
    let figures = read(&root().join("server/src/metrics.rs"));
    // The files and the package, which are no functions.
    let mut known: BTreeSet<_> = ["cotas_ffi", "cotas_preload", "cotas_tests"].into();
    known.extend(names_of_c(&header).chain(names_of_c(&figures)));
    for page in pages() {
        let text = read(&page);
        // What has gone is named by the changelog, and by the guide's list of old names.
        let present = text.split("Up to 0.1 each of these").next().unwrap_or_default();
        if !page.ends_with("CHANGELOG.md") {
            let unknown: Vec<_> = names_of_c(present).filter(|it| !known.contains(it)).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", page.display());
        }
    }
    assert!(names_of_c("`cotas_no_such_function`").all(|it| !known.contains(it)));
}

#[test]
fn every_error_has_its_row() {
    let mut rows = BTreeMap::new();
    for line in read(&root().join("docs/errors.md")).lines() {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let [code, name, ..] = cells[..]
            && code.chars().all(|it| it.is_ascii_digit())
            && !code.is_empty()
        {
            rows.insert(code.to_owned(), name.trim_matches('`').to_owned());
        }
    }
    assert_eq!(rows, codes_of_the_header(), "docs/errors.md on the left, cotas.h on the right");
}

/// What the program prints without a database.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cotas"))
        .args(arguments)
        .env_remove("COTAS_DB")
        .output()
        .expect("the program");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_reference_of_the_command_line_is_current() {
    let page = read(&root().join("docs/cli.md"));
    assert!(
        page == printed(&["reference"]),
        "run `make reference`: docs/cli.md is another version's"
    );
}

#[test]
fn the_page_of_versions_has_the_present_ones() {
    let directory = TempDir::new().expect("a directory");
    let database = directory.path().join("quotas.db");
    let database = database.to_str().expect("UTF-8");
    let catalog = root().join("examples/catalogs/help_desk.toml");
    printed(&["--db", database, "catalog", "load", catalog.to_str().expect("UTF-8")]);
    let doctor = printed(&["--db", database, "--json", "doctor"]);
    let doctor: serde_json::Value = serde_json::from_str(&doctor).expect("JSON");
    let version = |name: &str| doctor["versions"][name].to_string().replace('"', "");
    let header = read(&root().join("include/cotas.h"));
    let abi = header.lines().find_map(|line| line.strip_prefix("#define COTAS_ABI_VERSION "));
    let rows = [
        ("version", version("library")),
        ("ABI", abi.expect("the header").to_owned()),
        ("schema", version("schema")),
        ("layout", version("layout")),
    ];
    let page = read(&root().join("docs/versions.md"));
    for (name, present) in rows {
        assert!(page.contains(&format!("\n| {name} | {present} |")), "{name} is {present}");
    }
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let commands: Vec<_> = read(&root().join("docs/cli.md"))
        .lines()
        .filter_map(|line| line.strip_prefix("## `cotas ")?.strip_suffix('`').map(str::to_owned))
        .collect();
    assert!(commands.len() > 50, "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("report-delivery"), "{shell}");
    }
    let directory = TempDir::new().expect("a directory");
    printed(&["manual", directory.path().to_str().expect("UTF-8")]);
    for command in commands {
        let page = directory.path().join(format!("cotas-{}.1", command.replace(' ', "-")));
        assert!(read(&page).contains(".SH SYNOPSIS"), "{}", page.display());
    }
}
