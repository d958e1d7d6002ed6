//! The sample day of a help desk: its figures come from a simulation that knows nothing of the
//! engine. Also split over processes on one database, with crashes in between.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Tenant; sessions opened, messages inside one, refused for want of quota, refused by status,
/// renewals, sessions left.
const EXPECTED: [(&str, [u64; 6]); 6] = [
    ("clinica-boa-vista", [2_335, 36_044, 0, 0, 0, 2_665]),
    ("escola-novo-saber", [3_146, 38_204, 0, 0, 0, 1_854]),
    ("mercado-sao-jorge", [4_337, 65_628, 0, 0, 0, 15_663]),
    ("oficina-tres-irmaos", [1_213, 19_690, 1_694, 0, 1, 787]),
    ("padaria-aurora", [1_200, 20_794, 5_907, 0, 0, 0]),
    ("pet-shop-amigo-fiel", [764, 6_016, 0, 4_988, 0, 236]),
];
const START: &str = "2026-05-20T08:00:00-03:00";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn cotas(database: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cotas"));
    command.current_dir(repository()).arg("--db").arg(database).args(words);
    command
}

fn done(database: &Path, words: &[&str]) {
    let output = cotas(database, words).output().expect("starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {error}");
}

/// A database with the tenants that differ from the rest.
fn set_up(database: &Path) {
    done(database, &["catalog", "load", "examples/catalogs/help_desk.toml"]);
    for (name, plan, due) in [
        ("padaria-aurora", "starter", "2026-06-10"),
        ("oficina-tres-irmaos", "starter", "2026-05-20"),
        ("mercado-sao-jorge", "premium", "2026-06-10"),
        ("pet-shop-amigo-fiel", "starter", "2026-06-10"),
    ] {
        let add = ["tenant", "add", name, "--plan", plan, "--first-due", due, "--auto-renew"];
        let extra: &[&str] =
            if name == "padaria-aurora" { &["--extra", "sessions=200"] } else { &[] };
        done(database, &[&add, extra, &["--at", START]].concat());
    }
    let suspend = ["tenant", "status", "pet-shop-amigo-fiel", "suspended", "--reason", "debt"];
    done(database, &[&suspend[..], &["--at", START]].concat());
}

fn replay(database: &Path, only: Option<&str>) -> Child {
    let mut words = vec!["replay", "examples/traffic/help_desk_day.csv", "--json"];
    words.extend(["--plan", "full", "--first-due", "2026-06-10"]);
    words.extend(["--time-zone", "America/Sao_Paulo", "--auto-renew"]);
    words.extend(only.iter().flat_map(|names| ["--only-tenants", *names]));
    cotas(database, &words).stdout(Stdio::piped()).spawn().expect("starts")
}

/// What the replay reports, by tenant.
fn report(child: Child) -> Vec<(String, [u64; 6])> {
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let tenants = report.get("tenants").and_then(Value::as_object).expect("tenants");
    let figure = |value: &Value, pointer: &str| {
        value.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}"))
    };
    let figures = |value: &Value| {
        [
            figure(value, "/opened"),
            figure(value, "/continued"),
            figure(value, "/refused_by_reason/quota_exhausted"),
            figure(value, "/refused_by_reason/status_forbids"),
            figure(value, "/renewals"),
            figure(value, "/available"),
        ]
    };
    tenants.iter().map(|(name, value)| (name.clone(), figures(value))).collect()
}

fn assert_expected(mut found: Vec<(String, [u64; 6])>) {
    found.sort();
    let expected: Vec<_> =
        EXPECTED.iter().map(|&(name, figures)| (name.to_owned(), figures)).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_day_comes_out_as_simulated() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("day.db");
    set_up(&database);
    assert_expected(report(replay(&database, None)));
    done(&database, &["verify"]);
    picture(&database, &directory.path().join("usage.svg"));
}

/// The picture of the documents is this day's. `make pictures` writes it.
fn picture(database: &Path, drawn: &Path) {
    let file = drawn.to_str().expect("UTF-8");
    let chart = ["usage", "padaria-aurora", "--by", "hour", "--resource", "sessions"];
    done(database, &[&chart[..], &["--svg", file]].concat());
    let kept = repository().join("docs/pictures/usage.svg");
    if std::env::var_os("COTAS_WRITE").is_some() {
        std::fs::copy(drawn, &kept).expect("docs/pictures");
    }
    let read = |path: &Path| std::fs::read_to_string(path).expect("a picture");
    assert!(read(drawn) == read(&kept), "run `make pictures`: {} is another's", kept.display());
}

#[test]
fn the_day_comes_out_the_same_over_three_processes_that_are_killed_and_start_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("day.db");
    set_up(&database);
    let groups = [
        "clinica-boa-vista,padaria-aurora",
        "escola-novo-saber,oficina-tres-irmaos",
        "mercado-sao-jorge,pet-shop-amigo-fiel",
    ];
    for timeout in [20, 120, 250] {
        let mut children = groups.map(|group| replay(&database, Some(group)));
        std::thread::sleep(std::time::Duration::from_millis(timeout));
        for child in &mut children {
            child.kill().expect("is killed");
            child.wait().expect("is gone");
        }
    }
    let children = groups.map(|group| replay(&database, Some(group)));
    assert_expected(children.into_iter().flat_map(report).collect());
    done(&database, &["verify"]);
}
