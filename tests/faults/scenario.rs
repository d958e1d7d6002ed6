//! What is played: operations and administration of all kinds, and what must be true afterwards.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cotas::{
    Decision, Details, Durability, Engine, Error, Limit, Maintenance, ManualClock, NewTenant,
    Source,
};
use cotas_tests::{NOON, add_tenant, at, catalog, date};

use crate::calls::{self, Fault};

/// How long one operation may take with a fault that stays: SQLite's busy timeout, and as much
/// again for a machine that has much else to do.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The same without locks: SQLite tries those of its log for 10 seconds.
const LONGEST_WAIT_WITHOUT_LOCKS: Duration = Duration::from_secs(20);

/// What the kernel allows the process, while the fault lasts.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Bytes of a file.
    pub file: Option<u64>,
    /// Bytes of address space beyond what it has.
    pub address: Option<u64>,
    /// Fill the file system until nothing more fits.
    pub fill: bool,
}

impl Limits {
    /// Sizes that end in every part of a play.
    pub fn all() -> Vec<(String, Limits)> {
        let kib = [0, 4, 64, 128, 200, 255, 256, 260, 300, 400, 800, 1200, 1500, 2000];
        let files = kib.map(|kib| {
            let limits = Limits { file: Some(kib << 10), ..Limits::default() };
            (format!("RLIMIT_FSIZE of {kib} KiB"), limits)
        });
        let mib = [0, 1, 2, 4, 8, 64, 512, 1025, 2048, 5000, 20_000];
        let spaces = mib.map(|mib| {
            let limits = Limits { address: Some(mib << 20), ..Limits::default() };
            (format!("RLIMIT_AS of {mib} MiB more"), limits)
        });
        files.into_iter().chain(spaces).collect()
    }

    fn set(&self, home: &Path) {
        let soft = |which, bytes: u64| {
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: plain system calls; `limit` is filled in by the first.
            unsafe {
                libc::getrlimit(which, &raw mut limit);
                limit.rlim_cur = bytes.min(limit.rlim_max);
                libc::setrlimit(which, &raw const limit);
            }
        };
        if let Some(bytes) = self.file {
            // A host that has such a limit ignores the signal, or dies of whatever it writes.
            // SAFETY: a plain system call.
            unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
            soft(libc::RLIMIT_FSIZE, bytes);
        }
        if let Some(bytes) = self.address {
            let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
            let pages: u64 = pages.split(' ').next().map_or(0, |it| it.parse().expect("a number"));
            soft(libc::RLIMIT_AS, pages * 4096 + bytes);
        }
        if self.fill {
            let mut file = std::fs::File::create(home.join("filler")).expect("is made");
            for bytes in [1 << 20, 4096, 512, 1] {
                while file.write_all(&vec![1; bytes]).is_ok() {}
            }
        }
    }

    fn lift(&self, home: &Path) {
        let unlimited = libc::RLIM_INFINITY;
        for which in [libc::RLIMIT_FSIZE, libc::RLIMIT_AS] {
            let limit = libc::rlimit { rlim_cur: unlimited, rlim_max: unlimited };
            // SAFETY: a plain system call.
            unsafe { libc::setrlimit(which, &raw const limit) };
        }
        if self.fill {
            std::fs::remove_file(home.join("filler")).expect("is removed");
        }
    }
}

fn open(home: &Path) -> Result<Engine, Error> {
    Engine::builder(home.join("db/app.db"))
        .clock(Arc::new(ManualClock::new(at(NOON))))
        .maintenance(Maintenance::External)
        .checkpoint_interval(Duration::from_secs(3600))
        .disk_timeout(Duration::from_secs(1))
        .open()
}

/// A database with one tenant, which every play begins with.
pub fn make_template(home: &Path) {
    std::fs::create_dir(home.join("db")).expect("is made");
    let engine = open(home).expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "full", "2036-05-20", true);
    engine.set_limit("acme", "credits", Limit::Finite(1_000_000)).expect("is raised");
    engine.set_limit("acme", "sessions", Limit::Finite(1_000_000)).expect("is raised");
    drop(engine);
    let template = home.join("template");
    std::fs::create_dir(&template).expect("is made");
    std::fs::copy(home.join("db/app.db"), template.join("app.db")).expect("is copied");
    if home.join("db/app.db-wal").exists() {
        std::fs::copy(home.join("db/app.db-wal"), template.join("app.db-wal")).expect("is copied");
    }
}

/// Puts the template in place, without a live file.
pub fn prepare(home: &Path, _: &Limits) {
    std::fs::remove_dir_all(home.join("db")).expect("is removed");
    std::fs::create_dir(home.join("db")).expect("is made");
    for name in ["app.db", "app.db-wal"] {
        if home.join("template").join(name).exists() {
            std::fs::copy(home.join("template").join(name), home.join("db").join(name))
                .expect("is copied");
        }
    }
}

/// One play: what was acknowledged, and what was asked for.
#[derive(Debug)]
pub struct Play {
    round: u64,
    /// When the last operation was answered, and how long the slowest took.
    last: Instant,
    slowest: (Duration, usize),
    answers: usize,
    /// Operations that were answered with an error.
    pub errors: u64,
    pub codes: Vec<i32>,
    credits: [u64; 2],
    sessions: [u64; 2],
    granted: [u64; 2],
    tenants: Vec<(String, bool)>,
}

impl Default for Play {
    fn default() -> Play {
        Play {
            round: 0,
            last: Instant::now(),
            slowest: (Duration::ZERO, 0),
            answers: 0,
            errors: 0,
            codes: Vec::new(),
            credits: [0; 2],
            sessions: [0; 2],
            granted: [0; 2],
            tenants: Vec::new(),
        }
    }
}

impl Play {
    fn answered<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        self.answers += 1;
        self.slowest = self.slowest.max((self.last.elapsed(), self.answers));
        self.last = Instant::now();
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors += 1;
                self.codes.push(error.code());
                None
            }
        }
    }

    /// Opens the engine, does everything once, and closes it.
    pub fn run(mut self, home: &Path, _: &Limits) -> Play {
        let opened = self.answered(open(home));
        if let Some(engine) = opened {
            self.all(&engine, home);
        }
        self
    }

    fn credit(&mut self, units: u64, decision: Result<Decision, Error>) {
        self.credits[1] += units;
        // What waited for the disk in vain was done all the same.
        let is_done = match &decision {
            Ok(decision) => decision.allowed() && !decision.replayed,
            Err(_) => false,
        };
        self.credits[0] += if is_done { units } else { 0 };
        self.answered(decision);
    }

    fn all(&mut self, engine: &Engine, home: &Path) {
        self.round += 1;
        let round = self.round;
        self.credit(1, engine.consume("acme", "credits", 1));
        let under_key = engine
            .tenant("acme")
            .and_then(|it| it.once(&format!("key{round}")).consume("credits", 2));
        self.credit(2, under_key);
        self.credit(3, engine.with_durability(Durability::Disk).consume("acme", "credits", 3));
        let opened = cotas_tests::open_sessions(engine, "acme", &format!("r{round}-"), 1000);
        self.sessions[1] += 1000;
        self.sessions[0] += self.answered(opened).unwrap_or(0);
        let units = 5;
        self.granted[1] += units;
        let granted = engine.grant("acme", "credits", Source::Extra, units, None, None);
        self.granted[0] += self.answered(granted).map_or(0, |()| units);
        let seat = engine
            .tenant("acme")
            .and_then(|it| it.seats("users")?.occupy(&format!("holder{round}")));
        self.answered(seat);
        // Enough of them for the live file to grow.
        for number in 0..8 {
            let name = format!("made{round}-{number}");
            let due = date("2036-05-20");
            let made = engine.create_tenant(&NewTenant::new(&name).plan("full", due, true));
            let is_made = self.answered(made).is_some();
            self.tenants.push((name, is_made));
        }
        let reserved = engine.tenant("acme").and_then(|it| {
            let held = it.reserve(&[("sms", 1)], Duration::from_secs(60))?;
            held.reservation.map_or(Ok(()), |id| it.release(&id))
        });
        self.answered(reserved);
        self.answered(engine.checkpoint());
        let action = engine.perform("acme", "send_sms", &Details::default());
        self.credit(1, action);
        let backup = home.join("db/backup");
        let _ = std::fs::remove_file(&backup);
        self.answered(engine.backup(&backup));
        self.answered(engine.usage("acme"));
    }

    /// Whether everything acknowledged is there, nothing else, and it all adds up.
    fn compare(&self, engine: &Engine) -> Result<(), String> {
        let said = |error: Error| format!("afterwards: {} {error}", error.code());
        let report = engine.report("acme").map_err(said)?;
        let used = |resource: &str| {
            let found = report.balances.iter().find(|it| it.resource == resource);
            found.map_or((0, 0), |it| (it.used, it.limit().unwrap_or(0)))
        };
        let between = |what: &str, found: u64, [least, most]: [u64; 2]| {
            let fits = (least..=most).contains(&found);
            if fits { Ok(()) } else { Err(format!("{what}: {found}, not {least} to {most}")) }
        };
        between("credits", used("credits").0, self.credits)?;
        between("sessions", used("sessions").0, self.sessions)?;
        between("granted", used("credits").1 - 1_000_000, self.granted)?;
        let tenants = engine.tenants().map_err(said)?;
        for (name, is_made) in &self.tenants {
            if *is_made && !tenants.contains(name) {
                return Err(format!("{name} is missing"));
            }
        }
        let findings = engine.verify().map_err(said)?;
        if findings.is_empty() { Ok(()) } else { Err(format!("verify: {findings:?}")) }
    }
}

/// Plays it with a fault, then without, in the same process; then opens it again. Gives how many
/// operations were refused while the fault lasted.
pub fn with_fault(
    home: &Path,
    fault: Fault,
    n: u64,
    stays: bool,
    limits: &Limits,
) -> Result<u64, String> {
    let mut play = Play::default();
    limits.set(home);
    calls::arm(fault, n, stays);
    play.last = Instant::now(); // Filling a disk takes its time.
    let opened = play.answered(open(home));
    if let Some(engine) = &opened {
        play.all(engine, home);
    }
    calls::heal();
    limits.lift(home);
    let (errors, codes) = (play.errors, play.codes.clone());
    let longest = match fault {
        Fault::Locks => LONGEST_WAIT_WITHOUT_LOCKS,
        _ => LONGEST_WAIT,
    };
    if play.slowest.0 > longest {
        let (took, number) = play.slowest;
        return Err(format!("operation {number} of the play took {took:?}; it gave {codes:?}"));
    }
    let explain = |why: String| format!("{why}; the fault gave {codes:?}");
    // A commit whose outcome is unknown says so until all have closed it.
    let is_poisoned = codes.iter().any(|code| [205, 503].contains(code));
    let engine = match opened.filter(|_| !is_poisoned) {
        Some(engine) => engine,
        None => open(home).map_err(|error| explain(format!("opening again: {error}")))?,
    };
    play.all(&engine, home);
    if play.errors > errors {
        let after = &play.codes[codes.len()..];
        return Err(explain(format!("the fault is gone, and still {after:?}")));
    }
    play.compare(&engine).map_err(explain)?;
    drop(engine);
    let engine = open(home).map_err(|error| explain(format!("after the last close: {error}")))?;
    play.compare(&engine).map_err(explain)?;
    drop(engine);
    // The database alone has all of it.
    std::fs::remove_file(home.join("db/app.db-live"))
        .map_err(|error| explain(error.to_string()))?;
    let engine = open(home).map_err(|error| explain(format!("rebuilding: {error}")))?;
    play.compare(&engine).map_err(explain)?;
    Ok(errors)
}
