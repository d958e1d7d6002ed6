//! The program, run as scripts run it, on a database of its own.

#![allow(dead_code)] // Each test file uses its part of it.

pub mod http;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Sessions, and text messages by quantity; the plan `small` has 2 and 5 of them.
pub const CATALOG: &str = r#"
[catalog]
currency = "BRL"
time_zone = "America/Sao_Paulo"
[resources.sessions]
kind = "session"
[resources.sms]
kind = "allowance"
[plans.small]
title = "Small"
price = "9.90"
limits = { sessions = 2, sms = 5 }
[plans.big]
title = "Big"
price = "99.00"
limits = { sessions = 100, sms = "unlimited" }
[actions.receive_message]
gate = "receive"
session = { resource = "sessions", extend = true }
[actions.send_message]
gate = "send"
session = { resource = "sessions" }
[actions.send_sms]
gate = "send"
charge = { sms = "quantity" }
"#;

/// A directory with a catalog in it, and with the database once there is one.
pub struct Desk {
    dir: TempDir,
}

impl Desk {
    /// A directory with [`CATALOG`] and no database.
    pub fn empty() -> Desk {
        let desk = Desk { dir: TempDir::new().expect("a directory") };
        desk.write("catalog.toml", CATALOG);
        desk
    }

    /// A database with [`CATALOG`].
    pub fn new() -> Desk {
        let desk = Desk::empty();
        desk.ok(&["catalog", "load", "catalog.toml"]);
        desk
    }

    /// The path of a file in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// The program with these arguments, on the database.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cotas"));
        command.current_dir(self.dir.path()).env("COTAS_DB", "cotas.db").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// Runs it with `input` on standard input.
    pub fn run_with(&self, input: &str, arguments: &[&str]) -> Output {
        let mut child =
            self.command(arguments).stdin(Stdio::piped()).spawn().expect("it can be started");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("written");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    /// Runs it, expecting success; what it printed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// Runs it with `--json`, expecting success.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).expect(&text)
    }

    /// Runs it with `--json`, expecting a denial.
    pub fn denied(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stderr(&output), "");
        serde_json::from_str(&stdout(&output)).expect("JSON")
    }

    /// Runs it, expecting a failure; its one line on standard error, without the prefix.
    pub fn failure(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
        let message = text.strip_prefix("cotas: ").expect(&text);
        message.trim_end().to_owned()
    }
}

/// What a run printed on standard output.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// What a run printed on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// A page without the blanks that align it.
pub fn squeezed(page: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    page.lines().map(words).collect::<Vec<_>>().join("\n")
}
