//! Negative controls of the crash test: without a guard the same run fails. A test that cannot
//! fail proves nothing.

use std::process::{Command, Output};

/// Runs the crash test for so many seconds at most; it ends with its first failing episode.
fn crash_test(without: &str, seconds: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crash"))
        .args(["run", "--seed", "7", "--seconds", seconds, "--without", without])
        .output()
        .expect("runs")
}

/// What the run said, which must have failed.
fn failure(without: &str) -> String {
    let output = crash_test(without, "90");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = said + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "without {without} nothing was noticed: {said}");
    said
}

fn assert_says(said: &str, one_of: &[&str]) {
    assert!(one_of.iter().any(|what| said.contains(what)), "none of {one_of:?} in: {said}");
}

#[test]
fn without_the_lock_the_crash_test_fails() {
    assert_says(&failure("lock"), &["VIOLATION"]);
}

#[test]
fn without_the_undo_record_the_crash_test_fails() {
    assert_says(&failure("undo"), &["verify", "lost", "asked for"]);
}

#[test]
fn without_the_look_up_of_keys_the_crash_test_fails() {
    assert_says(&failure("dedupe"), &["took effect twice"]);
}

#[test]
fn without_the_commit_token_the_crash_test_fails() {
    assert_says(&failure("token"), &["a restored backup passed"]);
}

#[test]
fn with_checkpoints_of_two_instants_the_crash_test_fails() {
    // Where the live file is lost, by a cut or in order, SQLite has counters of another instant.
    assert_says(&failure("instant"), &["after a cut", "verify"]);
}

#[test]
fn with_every_guard_the_crash_test_passes() {
    let output = crash_test("", "10");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("lost 0; over the limit 0"), "{said}");
}
