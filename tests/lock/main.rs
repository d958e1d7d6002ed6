//! The model of the lock, searched by Spin where it is installed: the lock as it is built is
//! exclusive with kills at every step, and each variant that lacks one of its rules is not.

use std::path::{Path, PathBuf};
use std::process::Command;

const MODEL: &str = "tests/lock/lock.pml";

/// What the lock is like without one of its rules, and what Spin then finds.
const VARIANTS: [(&str, &[&str], &str); 6] = [
    ("BLIND_TAKEOVER", &["-DOWNERS=2", "-DBIRTHS=4"], "assertion violated"),
    ("EARLY_VERDICT", &["-DOWNERS=2", "-DBIRTHS=3"], "assertion violated"),
    ("ASK_NEXT_FIRST", &["-DOWNERS=2", "-DBIRTHS=3"], "assertion violated"),
    ("LATE_NEXT_ID", &["-DOWNERS=2", "-DBIRTHS=3"], "assertion violated"),
    ("NO_NAPS", &["-DOWNERS=2", "-DBIRTHS=3"], "invalid end state"),
    ("REUSED_IDS", &["-DOWNERS=3", "-DBIRTHS=4"], "assertion violated"),
];

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").join(MODEL)
}

/// Whether there is a Spin; says so where not. A build machine must have it.
fn has_spin() -> bool {
    let found = Command::new("spin").arg("-V").output().is_ok_and(|it| it.status.success());
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "no spin: make deps");
    if !found {
        println!("skipped: the model of the lock: spin is not installed (make deps)");
    }
    found
}

/// What the search of all states of the model says.
fn search(defines: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        let output = command.args(words).current_dir(directory.path()).output().expect("runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let path = model();
    let mut words = defines.to_vec();
    words.extend(["-a", path.to_str().expect("is UTF-8")]);
    run("spin", &words);
    run("cc", &["-O2", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"]);
    run("./pan", &["-m1000000"])
}

#[test]
fn i1_the_model_of_the_lock_is_exclusive_with_kills_at_every_step() {
    if !has_spin() {
        return;
    }
    let said = search(&["-DOWNERS=2", "-DBIRTHS=3"]);
    assert!(said.contains("errors: 0"), "{said}");
    assert!(!said.contains("max search depth too small"), "not all was searched: {said}");
}

#[test]
fn negative_control_a_lock_without_one_of_its_rules_is_not_exclusive() {
    if !has_spin() {
        return;
    }
    for (variant, size, expected) in VARIANTS {
        let define = format!("-D{variant}");
        let said = search(&[size, &[define.as_str()]].concat());
        assert!(said.contains(expected), "{variant}: {said}");
        assert!(said.contains("errors: 1"), "{variant}: {said}");
    }
}
