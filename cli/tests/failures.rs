//! What goes wrong is said in one line, and changes nothing.

mod common;

use common::{Desk, stderr};

#[test]
fn failures_are_one_line() {
    let desk = Desk::new();
    desk.write("typo.toml", "[plans.x]\ntitel = \"X\"\n");
    desk.write("rubbish.db", &"rubbish ".repeat(1_000));
    for (arguments, expected) in [
        (&["verify", "--db", "no.db"][..], "there is no database at no.db"),
        (&["tenant", "list", "--db", "no/where.db"], "there is no database at no/where.db"),
        (&["verify", "--db", "rubbish.db"], "rubbish.db is not a database of Cotas"),
        (&["catalog", "load", "no.toml"], "cannot read no.toml: No such file"),
        (&["catalog", "load", "typo.toml"], "typo.toml:2: plans.x.titel: unknown key \"titel\""),
        (&["tenant", "show", "stranger"], "unknown tenant \"stranger\""),
        (&["tenant", "show", "no\u{1b}body"], "tenant name: byte 2 begins a control"),
        (&["tenant", "add", ""], "tenant name: it is empty"),
        (
            &["tenant", "add", "x", "--plan", "huge", "--first-due", "2126-01-01"],
            "unknown plan \"huge\"",
        ),
        (&["tenant", "add", "x", "--extra", "beans=1"], "unknown resource \"beans\""),
        (&["grant", "stranger", "sms", "1"], "unknown tenant \"stranger\""),
        (&["usage", "stranger"], "unknown tenant \"stranger\""),
        (&["replay", "no.csv"], "cannot open no.csv: No such file"),
    ] {
        let message = desk.failure(arguments);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    assert_eq!(desk.ok(&["tenant", "list"]), "");
    assert!(!desk.path("no.db").exists());
}

#[test]
fn only_a_catalog_makes_a_database() {
    let desk = Desk::new();
    desk.write("traffic.csv", "at,tenant,action\n0,a,go\n");
    let message = desk.failure(&["replay", "traffic.csv", "--db", "new.db"]);
    assert!(message.starts_with("there is no database at new.db"), "{message}");
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let desk = Desk::new();
    for arguments in [
        &["tenants"][..],
        &["tenant", "add", "x", "--first-due", "2026-06-10"],
        &["tenant", "status", "x", "asleep", "--reason", "late"],
        &["tenant", "limit", "x", "sms", "-1"],
        &["tenant", "show", "x", "--at", "yesterday"],
        &["grant", "x", "sms", "1", "--source", "plan"],
        &["usage", "x", "--by", "week"],
        &["usage", "x", "--since", "yesterday"],
        &["replay", "traffic.csv", "--extra", "sms=1"],
    ] {
        let output = desk.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    let nameless = desk.command(&["verify"]).env_remove("COTAS_DB").output().expect("it runs");
    assert_eq!(nameless.status.code(), Some(2));
    assert!(stderr(&nameless).contains("give --db PATH, or set COTAS_DB"));
}
