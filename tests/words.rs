//! One word for one thing: sources and documents use the field's standard terms.
//!
//! A pattern is a word in lower case. `*` at its end stands for any rest of the word, and a space
//! for the space between two words. Whole words are compared, whatever their case; the parts of a
//! name in `snake_case` are words.

use std::fs;
use std::path::Path;

use super::{assert_none, root};

/// Words that are not used, and what to say.
const BANNED: [(&str, &str); 38] = [
    ("lane", "writer lock (the mutex), admin transaction (the work)"),
    ("manner", "commit options"),
    ("unhang*", "remove (from a heap)"),
    ("rehang*", "update (in a heap)"),
    ("disarm*", "clear the undo log"),
    ("claim", "keyed entry"),
    ("claims", "keyed entries"),
    ("happening*", "event"),
    ("obstacle*", "retry reason"),
    ("overcome*", "resolve"),
    ("keeper*", "maintenance thread"),
    ("lent", "fork-safe reference"),
    ("loan*", "fork-safe reference"),
    ("patience", "timeout"),
    ("hasty", "non-blocking"),
    ("calmly", "catch_panic"),
    ("booked", "recorded"),
    ("puppet*", "helper process"),
    ("counter proof*", "negative control"),
    ("counter-proof*", "negative control"),
    ("verb", "operation"),
    ("verbs", "operations"),
    ("upkeep", "maintenance"),
    ("anew", "again"),
    ("death", "crash"),
    ("deaths", "crashes"),
    ("plan's number", "limit"),
    ("whoever", "name the actor: the process, the caller, the tenant"),
    ("somebody*", "name the actor"),
    ("nobody*", "name the actor: no process, no caller, no tenant"),
    ("let go", "release, drop, close"),
    ("lets go", "releases, drops, closes"),
    ("letting go", "releasing"),
    ("tell*", "report, emit, return, show"),
    ("told", "reported, returned, shown"),
    ("room*", "capacity, space; module"),
    ("by hand", "manually"),
    ("by_hand", "manually"),
];
/// Where a word stays: the stored schema and what names its tables, other people's words.
const EXCEPT: [(&str, &str); 10] = [
    ("core/src/store/", "claims"),
    ("core/src/store/", "claim"),
    ("docs/live-file.md", "claims"),
    ("tests/checkpoints.rs", "claims"),
    ("core/src/store/", "told"), // Columns: told_at, told_overdue.
    ("tests/charges.rs", "told"),
    ("tests/helper.rs", "nobody*"), // The user of that name, without privileges.
    ("tests/refusals.rs", "nobody*"),
    ("tests/c/run.py", "nobody*"),
    ("tests/overshoot/servers.rs", "nobody*"),
];
const EXTENSIONS: [&str; 15] = [
    "rs", "py", "pyi", "c", "h", "cpp", "md", "toml", "js", "go", "java", "lua", "php", "rb", "sh",
];
/// Not ours to word, or this list itself.
const SKIPPED: [&str; 7] = [
    "CHANGELOG.md", // It quotes old names.
    "target",
    "node_modules",
    "tests/words.rs",
    "tests/c/frozen",
    "examples/traffic",
    "core/src/store/schema",
];

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Whether a line in lower case has the pattern.
fn has(line: &str, pattern: &str) -> bool {
    let (word, open) = match pattern.strip_suffix('*') {
        Some(word) => (word, true),
        None => (pattern, false),
    };
    line.match_indices(word).any(|(at, _)| {
        let bytes = line.as_bytes();
        let begins = at == 0 || !is_word(bytes[at - 1]);
        let end = at + word.len();
        begins && (open || end == bytes.len() || !is_word(bytes[end]))
    })
}

/// Whether a line refers to an invariant or to a source document without saying where it is.
fn refers_outside(line: &str) -> Option<&'static str> {
    let number_after = |start: &str| {
        line.match_indices(start).any(|(at, _)| {
            let rest = &line[at + start.len()..];
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            digits > 0 && rest[digits..].starts_with(')')
        })
    };
    if number_after("(I") {
        return Some("(docs/invariants.md, I..)");
    }
    if number_after("(domain ") {
        return Some("a page in docs/");
    }
    let of_seed = line.to_lowercase().match_indices("seed 00").any(|(at, _)| {
        !line.get(at + 8..).unwrap_or_default().starts_with('-') // A numbered statement.
    });
    of_seed.then_some("(docs/sources.md, ..)")
}

/// Complaints about the lines of one file.
fn complaints(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        for (pattern, say) in BANNED {
            let stays =
                EXCEPT.iter().any(|(place, word)| name.starts_with(place) && *word == pattern);
            if !stays && has(&lower, pattern) {
                found.push(format!("{name}:{}: \"{pattern}\": say {say}", index + 1));
            }
        }
        // That page says at its head what its numbers are.
        let explains = name == "docs/semantics.md";
        if let Some(say) = refers_outside(line).filter(|_| !explains) {
            found.push(format!("{name}:{}: say where that is: {say}", index + 1));
        }
    }
    found
}

fn check(folder: &Path, found: &mut Vec<String>, files: &mut usize) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("can be read").path();
        let name = path.strip_prefix(root()).expect("inside").display().to_string();
        let last = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        if last.starts_with('.') || SKIPPED.iter().any(|it| name.starts_with(it) || last == *it) {
            continue;
        }
        if path.is_dir() {
            check(&path, found, files);
        } else if path.extension().is_some_and(|it| EXTENSIONS.iter().any(|known| it == *known)) {
            *files += 1;
            found.extend(complaints(&name, &fs::read_to_string(&path).unwrap_or_default()));
        }
    }
}

#[test]
fn the_glossary_is_kept() {
    let (mut found, mut files) = (Vec::new(), 0);
    check(&root(), &mut found, &mut files);
    assert!(files > 300, "only {files} files were found");
    assert_none(&found);
}

#[test]
fn a_planted_word_is_found_with_file_and_line() {
    for (pattern, say) in BANNED {
        let word = pattern.trim_end_matches('*');
        let text = format!("// All is well.\nlet the_{word} = 1;\n");
        let expected = format!("planted.rs:2: \"{pattern}\": say {say}");
        assert!(complaints("planted.rs", &text).contains(&expected), "{text}");
    }
    for reference in ["as (I4) says", "see (domain 3)", "by seed 001 (Helena)"] {
        assert_eq!(complaints("planted.md", reference).len(), 1, "{reference}");
    }
}

#[test]
fn words_that_only_look_alike_pass() {
    let text = "reclaimed, disclaimer, plane, adverb, seed 001-04, (docs/invariants.md, I4), (Io)";
    assert_eq!(complaints("fine.rs", text), Vec::<String>::new());
    let text = "by_handle, mushroom, intellect, untold, lettings";
    assert_eq!(complaints("fine.rs", text), Vec::<String>::new());
}
