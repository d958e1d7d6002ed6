//! The licences of all that we depend on are among those that `deny.toml` allows, and
//! `THIRD-PARTY.md` lists what goes into a binary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;
use spdx::{Expression, Licensee, ParseMode};

/// The packages whose binaries are handed out.
const PRODUCTS: [&str; 4] = ["cotas", "cotas-cli", "cotas-ffi", "cotas-python"];

const HEAD: &str = "# Third-party software

Cotas is made with these crates. Each is used under a licence that it names and that `deny.toml`
allows. SQLite, which `libsqlite3-sys` compiles in, and the time zone database in `chrono-tz` are in
the public domain.

| crate | version | licence |
|---|---|---|
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform"])
        .arg("x86_64-unknown-linux-gnu")
        .current_dir(root())
        .output()
        .expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

fn allowed() -> Vec<Licensee> {
    let deny = fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let deny: toml::Table = deny.parse().expect("TOML");
    let names = deny["licenses"]["allow"].as_array().expect("a list");
    let parse = |name: &toml::Value| Licensee::parse(name.as_str().expect("a text"));
    names.iter().map(|name| parse(name).expect("an SPDX licence")).collect()
}

fn is_allowed(licence: &str, allowed: &[Licensee]) -> bool {
    Expression::parse_mode(licence, ParseMode::LAX)
        .is_ok_and(|it| it.evaluate(|asked| allowed.iter().any(|one| one.satisfies(asked))))
}

#[test]
fn every_licence_is_allowed() {
    let (metadata, allowed) = (metadata(), allowed());
    for package in list(&metadata, "packages") {
        let licence = text(package, "license");
        assert!(is_allowed(licence, &allowed), "{}: {licence:?}", text(package, "name"));
    }
    assert!(is_allowed("GPL-3.0-only OR MIT", &allowed));
    for refused in ["GPL-3.0-only", "MIT AND GPL-3.0-only", ""] {
        assert!(!is_allowed(refused, &allowed), "{refused}");
    }
}

/// The ids of what is linked into the products: no tests, no build scripts.
fn linked(metadata: &Value) -> BTreeSet<&str> {
    let normal = |dependency: &&Value| {
        list(dependency, "dep_kinds").iter().any(|kind| kind["kind"].is_null())
    };
    let nodes: BTreeMap<_, _> =
        list(&metadata["resolve"], "nodes").iter().map(|node| (text(node, "id"), node)).collect();
    let is_product = |package: &&Value| PRODUCTS.contains(&text(package, "name"));
    let products = list(metadata, "packages").iter().filter(is_product);
    let mut to_visit: Vec<_> = products.map(|package| text(package, "id")).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = to_visit.pop() {
        if found.insert(id) {
            let dependencies = list(nodes[id], "deps").iter().filter(normal);
            to_visit.extend(dependencies.map(|it| text(it, "pkg")));
        }
    }
    found
}

#[test]
fn third_party_software_is_listed() {
    let metadata = metadata();
    let linked = linked(&metadata);
    let mut rows = BTreeSet::new();
    for package in list(&metadata, "packages") {
        let is_ours = package["source"].is_null();
        if !is_ours && linked.contains(text(package, "id")) {
            let licence = text(package, "license").replace('/', " OR ");
            let licence = licence.split_whitespace().collect::<Vec<_>>().join(" ");
            let (name, version) = (text(package, "name"), text(package, "version"));
            rows.insert(format!("| {name} | {version} | {licence} |"));
        }
    }
    let mut page = HEAD.to_owned();
    rows.iter().for_each(|row| writeln!(page, "{row}").expect("a text"));
    let path = root().join("THIRD-PARTY.md");
    if env::var_os("COTAS_WRITE").is_some() {
        fs::write(&path, &page).expect("THIRD-PARTY.md");
    }
    let listed = fs::read_to_string(&path).unwrap_or_default();
    assert!(listed == page, "run `make third-party`: THIRD-PARTY.md lists other crates");
}
