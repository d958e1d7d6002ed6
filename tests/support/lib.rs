//! What the integration tests share: a small catalog, databases in temporary directories, and
//! the helper process, a second process that does what a test asks for.

pub mod acts;
pub mod invoices;
pub mod meeting;
pub mod payments;
pub mod races;
pub mod wide;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use cotas::{
    Builder, Catalog, Details, Engine, Error, Extra, Maintenance, ManualClock, NewTenant, Origin,
    Timestamp,
};

/// Sessions, credits, and plans of several sizes.
pub const CATALOG: &str = r#"
[catalog]
time_zone = "America/Sao_Paulo"
[resources.sessions]
kind = "session"
[resources.credits]
kind = "allowance"
[resources.sms]
kind = "allowance"
[resources.users]
kind = "seat"
[resources.channels]
kind = "seat"
[resources."channels.whatsapp"]
kind = "seat"
parent = "channels"
[resources.calls]
kind = "lease"
ttl = "60s"
[resources.calls_this_month]
kind = "meter"
[resources.storage_mb]
kind = "meter"
reset = "never"
[resources.free_tier]
kind = "meter"
reset = "calendar_month"
[resources.api_calls]
kind = "meter"
enforce = "soft"
cap = 5
[resources.watched]
kind = "allowance"
enforce = "shadow"
[resources.pair_rate]
kind = "rate"
every = "6s"
burst = 45
[plans.full]
title = "Plano full"
price = "299.00"
[plans.full.limits]
sessions = 1000
credits = 1000
sms = 10
users = 30
channels = 3
"channels.whatsapp" = 2
calls = 5
calls_this_month = 1000
storage_mb = 100
free_tier = 20
api_calls = 10
watched = 3
[plans.full.features]
recording = true
analytics = "full"
[plans.small]
title = "Plano pequeno"
price = "29.00"
limits = { sessions = 2, credits = 10, sms = "unlimited", users = 1, calls = 1, storage_mb = 50 }
[plans.strict]
title = "Plano estrito"
price = "29.00"
on_lapse = "expire"
grace_days = 3
limits = { sessions = 2, credits = 10 }
[actions.receive_message]
gate = "receive"
session = { resource = "sessions", extend = true }
[actions.answer_by_assistant]
gate = "receive"
session = { resource = "sessions", extend = true }
charge = { credits = 1 }
[actions.send_message]
gate = "send"
session = { resource = "sessions" }
[actions.reply_only]
gate = "send"
session = { resource = "sessions", open = "never" }
[actions.send_template]
gate = "send"
session = { resource = "sessions", open = "per_category" }
[actions.send_sms]
gate = "send"
charge = { sms = "quantity", credits = 1 }
[actions.send_email]
gate = "send"
charge = { sms = 0 }
[actions.record_call]
feature = "recording"
charge = { credits = 1 }
[actions.start_call]
lease = "calls"
charge = { credits = 1, calls_this_month = 1 }
[actions.charge_three]
charge = { credits = 1, calls_this_month = 1, watched = 1 }
[actions.send_paced]
gate = "send"
rate = "pair_rate"
charge = { credits = 1 }
"#;

/// [`CATALOG`], parsed.
pub fn catalog() -> Catalog {
    Catalog::parse(CATALOG, "test.toml").expect("the test catalog is valid")
}

/// An instant from RFC 3339.
pub fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("a valid time")
}

/// A date.
pub fn date(text: &str) -> NaiveDate {
    text.parse().expect("a valid date")
}

/// An engine in memory with a clock of its own, the test catalog loaded.
pub fn in_memory(now: &str) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at(now)));
    let engine = Engine::in_memory()
        .clock(Arc::clone(&clock) as _)
        .maintenance(Maintenance::External)
        .open()
        .expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    (engine, clock)
}

/// A tenant on `plan`, due on `due`.
pub fn add_tenant(engine: &Engine, name: &str, plan: &str, due: &str, auto_renew: bool) {
    engine
        .create_tenant(&NewTenant::new(name).plan(plan, date(due), auto_renew))
        .expect("is created");
}

/// As [`add_tenant`], with extras.
pub fn add_tenant_with(engine: &Engine, name: &str, plan: &str, due: &str, extras: &[(&str, u64)]) {
    let extras: Vec<_> = extras
        .iter()
        .map(|&(resource, units)| Extra { resource, units, expires_at: None })
        .collect();
    let new = NewTenant { extras: &extras, ..NewTenant::new(name) };
    engine.create_tenant(&new.plan(plan, date(due), true)).expect("is created");
}

/// What is available and contracted of a resource.
pub fn balance(engine: &Engine, tenant: &str, resource: &str) -> (u64, Option<u64>) {
    let report = engine.report(tenant).expect("reports");
    let found = report.balances.iter().find(|it| it.resource == resource);
    let found = found.unwrap_or_else(|| panic!("{resource} is not among {:?}", report.balances));
    (found.available, found.limit())
}

/// Receives one message of each of so many contacts; says how many sessions that opened.
pub fn open_sessions(
    engine: &Engine,
    tenant: &str,
    prefix: &str,
    count: u64,
) -> Result<u64, Error> {
    let tenant = engine.tenant(tenant)?;
    let mut opened = 0;
    for index in 0..count {
        let contact = format!("{prefix}{index}");
        let message = Details { channel: "w", contact: &contact, ..Details::default() };
        let decision = tenant.perform("receive_message", &message)?;
        opened += u64::from(decision.session.is_some_and(|session| session.opened));
    }
    Ok(opened)
}

/// Asserts that the ledger adds up.
pub fn assert_sound(engine: &Engine) {
    assert_eq!(engine.verify().expect("verifies"), []);
}

/// Asserts that opening lost nothing: the live file was adopted, or joined where a child of this
/// process that has not begun its own program yet still holds what it inherited.
pub fn assert_whole(engine: &Engine) {
    assert_ne!(engine.opening().origin, Origin::Rebuilt);
    assert!(!engine.opening().may_miss_consumption);
}

/// The middle of the day on which most tests take place.
pub const NOON: &str = "2026-05-04T12:00:00-03:00";

/// A database in a directory of its own, for several processes.
pub struct Database {
    directory: tempfile::TempDir,
    helper: PathBuf,
}

impl Database {
    /// A new directory; `helper` is `env!("CARGO_BIN_EXE_helper")`.
    pub fn new(helper: &str) -> Database {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Database { directory, helper: PathBuf::from(helper) }
    }

    /// The same on a file system that lies in memory, where there is one: for tests that write so
    /// much that a disk would be all that they wait for, and that no power cut is about.
    pub fn in_memory(helper: &str) -> Database {
        let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let directory = memory.expect("a temporary directory");
        Database { directory, helper: PathBuf::from(helper) }
    }

    /// A database with money in it, as the program of schema 5 left it on 5 June 2026.
    pub fn of_schema_5(helper: &str) -> Database {
        let database = Database::in_memory(helper);
        let connection = rusqlite::Connection::open(database.path()).expect("opens");
        connection.execute_batch(include_str!("schema_5.sql")).expect("is the dump of one");
        database
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The database file.
    pub fn path(&self) -> PathBuf {
        self.directory().join("app.db")
    }

    /// The live file.
    pub fn live(&self) -> PathBuf {
        self.directory().join("app.db-live")
    }

    /// Options for opening it with a clock that stands at [`NOON`] and no maintenance.
    pub fn builder(&self) -> Builder {
        Engine::builder(self.path())
            .clock(Arc::new(ManualClock::new(at(NOON))))
            .maintenance(Maintenance::External)
            .checkpoint_interval(Duration::from_secs(3600))
    }

    /// Opens it as [`builder`](Self::builder) says.
    pub fn open(&self) -> Engine {
        self.builder().open().expect("opens")
    }

    /// Opens it with the test catalog and the tenant `acme` on the plan `full`, with 7 credits
    /// used that no checkpoint has seen.
    pub fn with_acme(&self) -> Engine {
        let engine = self.open();
        engine.load_catalog(&catalog()).expect("loads");
        add_tenant(&engine, "acme", "full", "2026-05-20", true);
        assert!(engine.consume("acme", "credits", 7).expect("decides").allowed());
        engine
    }

    /// The helper process with these words, ready to be run.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.helper);
        command
            .arg(self.path())
            .args(words)
            .env("COTAS_NOW", at(NOON).ms().to_string())
            .env("COTAS_MAINTENANCE", "external")
            .env_remove("COTAS_CRASH")
            .env_remove("COTAS_WITHOUT");
        command
    }

    /// Runs the helper process to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the helper process starts")
    }

    /// Runs the helper process, which must succeed, and gives what it printed.
    pub fn reported(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {error}");
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    }

    /// Runs the helper process so that it crashes at a crash point. `false`: it did what it was
    /// answered and went without closing the engine, so that the point lies in the operation or
    /// nowhere.
    pub fn crashes_at(&self, point: &str, words: &[&str]) -> bool {
        use std::os::unix::process::ExitStatusExt;
        let mut command = self.command(words);
        command.env("COTAS_CRASH", point).env("COTAS_ABANDON", "1");
        let output = command.output().expect("starts");
        match output.status.signal() {
            Some(libc::SIGKILL) => true,
            None if output.status.success() => false,
            _ => panic!("{point}: {:?} {}", output.status, String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Has the helper process copy the first bytes of one file over those of another.
    pub fn reported_copy(&self, from: &str, to: &str, bytes: &str) {
        assert_eq!(self.reported(&["copy", from, to, bytes]), "");
    }

    /// Starts a helper process that stays attached until it is killed.
    pub fn hold(&self) -> Child {
        let mut child = self.start(&["hold"]);
        let mut said = [0; 9];
        let out = child.stdout.as_mut().expect("is piped");
        std::io::Read::read_exact(out, &mut said).expect("it says that it is attached");
        child
    }

    /// Starts the helper process and leaves it running.
    pub fn start(&self, words: &[&str]) -> Child {
        self.command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the helper process starts")
    }
}
