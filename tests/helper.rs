//! A second process for the integration tests: `helper DATABASE OPERATION [WORD ...]`.
//!
//! `COTAS_NOW` stands the clock still at that millisecond; `COTAS_MAINTENANCE` is `external`,
//! `inline` or `thread`; with `COTAS_WALL` maintenance believes that clock; `COTAS_LIVE` names the
//! live directory. With
//! `COTAS_ABANDON` it goes without closing the engine, as a process that is killed does.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use cotas::{
    Clock, Durability, Engine, Error, Limit, Maintenance, ManualClock, NewTenant, Source, Status,
    Terms, Timestamp,
};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((&path, words)) = words.split_first() else { panic!("helper DATABASE OPERATION ...") };
    if let ["transactions"] = words {
        return println!("{}", transactions(path));
    }
    if let ["copy", from, to, bytes] = words {
        return copy(from, to, number(bytes) as usize);
    }
    if let ["doctor"] = words {
        return doctor(path);
    }
    if let ["restore", backup] = words {
        return Engine::builder(path).restore(backup).expect("is restored");
    }
    if std::env::var_os("COTAS_AS_NOBODY").is_some() {
        // SAFETY: a plain system call; where it is not permitted we have no privileges already.
        unsafe { libc::setuid(65_534) };
    }
    let said = open(path).and_then(|engine| {
        let said = obey(&engine, words);
        if std::env::var_os("COTAS_ABANDON").is_some() {
            std::mem::forget(engine);
        }
        said
    });
    match said {
        Ok(said) => println!("{said}"),
        Err(error) => {
            eprintln!("{} {error}", error.code());
            std::process::exit(1);
        }
    }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is not a number"))
}

fn open(path: &str) -> Result<Engine, Error> {
    let mut builder = Engine::builder(path).checkpoint_interval(Duration::from_millis(5));
    if let Ok(now) = std::env::var("COTAS_NOW") {
        let now = Timestamp::from_ms(now.parse().expect("milliseconds"));
        let clock = ManualClock::new(now);
        builder = match std::env::var_os("COTAS_WALL") {
            Some(_) => builder.clock(Arc::new(Wall(clock))),
            None => builder.clock(Arc::new(clock)),
        };
    }
    if let Ok(directory) = std::env::var("COTAS_LIVE") {
        builder = builder.live_directory(directory);
    }
    builder = builder.maintenance(match std::env::var("COTAS_MAINTENANCE").as_deref() {
        Ok("external") => Maintenance::External,
        Ok("inline") => Maintenance::Inline,
        _ => Maintenance::Thread,
    });
    builder.open()
}

fn obey(engine: &Engine, words: &[&str]) -> Result<String, Error> {
    let due = "2026-05-20".parse().expect("a date");
    match *words {
        ["origin"] => return Ok(format!("{:?}", engine.opening().origin)),
        ["catalog"] => return Ok(engine.load_catalog(&cotas_tests::catalog())?.to_string()),
        ["catalog-small"] => {
            let text = cotas_tests::CATALOG.replace("sms = 10", "sms = 11");
            let catalog = cotas::Catalog::parse(&text, "small.toml")?;
            return Ok(engine.load_catalog(&catalog)?.to_string());
        }
        ["create", name] => {
            engine.create_tenant(&NewTenant::new(name).plan("full", due, true))?;
        }
        ["create-once", name, key] => {
            engine.once(key).create_tenant(&NewTenant::new(name).plan("full", due, true))?;
        }
        ["purge", name] => engine.purge_demo(name)?,
        ["erase", name] => drop(engine.erase(name, true)?),
        ["create-many", count] => {
            let names: Vec<_> = (0..number(count)).map(|index| format!("t{index}")).collect();
            let new: Vec<_> =
                names.iter().map(|name| NewTenant::new(name).plan("full", due, true)).collect();
            return Ok(engine.ensure_tenants(&new)?.to_string());
        }
        ["grant", name, units, key] => {
            let units = number(units);
            engine.grant(name, "credits", Source::Extra, units, None, Some(key))?;
        }
        ["plan", name, plan] => {
            let terms = Terms::new(plan, due, true);
            engine.change_plan(name, &terms, None)?;
        }
        ["due", name, day, key] => {
            engine.set_due_date(name, day.parse().expect("a date"), Some(key))?;
        }
        ["pause", name, key] => drop(engine.once(key).pause_subscription(name)?),
        ["resume", name, key] => drop(engine.once(key).resume_subscription(name, None)?),
        ["limit", name, units] => {
            engine.set_limit(name, "credits", Limit::Finite(number(units)))?;
        }
        ["suspend", name] => engine.set_status(name, Status::Suspended, "debt", false)?,
        ["settle", name] => engine.settle(name)?,
        ["full-disk"] => return fill_the_disk(engine),
        ["maintain"] => return maintain(engine),
        ["lag"] => return Ok(engine.lag().lag_ms.to_string()),
        ["checkpoint"] => return Ok(engine.checkpoint()?.to_string()),
        ["verify"] => {
            let findings = engine.verify()?;
            assert_eq!(findings, []);
        }
        ["consume", name, units, times] => return consume(engine, name, number(units), times),
        ["drain", name, threads, gate] => return drain(engine, name, number(threads), gate),
        ["fork-drain", name, children, gate] => {
            return fork_drain(engine, name, number(children), gate);
        }
        ["acks", name, times] => return acks(engine, name, number(times)),
        ["disk-acks", name, times] => {
            return acks(&engine.with_durability(Durability::Disk), name, number(times));
        }
        ["once", name, units, key] => {
            let decision = engine.tenant(name)?.once(key).consume("credits", number(units))?;
            return Ok(format!("{} {}", decision.allowed(), decision.replayed));
        }
        ["open-sessions", name, prefix, count] => {
            let opened = cotas_tests::open_sessions(engine, name, prefix, number(count))?;
            return Ok(opened.to_string());
        }
        ["hold"] => {
            // Stays attached, with SQLite open, until its standard input is closed.
            engine.tenants()?;
            println!("attached");
            let _ = std::io::stdin().read(&mut [0]);
        }
        _ => match cotas_tests::acts::act(engine, words) {
            Some(said) => return said,
            None => panic!("the helper does not know {words:?}"),
        },
    }
    Ok("done".to_owned())
}

/// A clock that stands still and that maintenance believes.
struct Wall(ManualClock);

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn is_wall(&self) -> bool {
        true
    }
}

/// What is found in the files from outside, without opening an engine: the sentences.
fn doctor(path: &str) {
    let report = Engine::builder(path).doctor().expect("looks");
    for concern in &report.concerns {
        println!("{}", concern.what);
    }
}

/// Maintains until no tenant is due, and says how many were settled.
fn maintain(engine: &Engine) -> Result<String, Error> {
    let mut settled = 0;
    loop {
        let done = engine.maintain()?.settled;
        settled += done;
        if done == 0 {
            return Ok(settled.to_string());
        }
    }
}

/// The transactions that the write-ahead log holds: frames that end one, by SQLite's file format.
/// Before the database is opened, since a process that closes its files loses SQLite's locks.
fn transactions(path: &str) -> usize {
    let log = std::fs::read(format!("{path}-wal")).unwrap_or_default();
    let word = |at: usize| Some(u32::from_be_bytes(log.get(at..at + 4)?.try_into().ok()?));
    let (Some(page), Some(salt)) = (word(8), log.get(16..24)) else { return 0 };
    let frames = (32..log.len()).step_by(24 + page as usize);
    // A frame of an earlier use of the log has another salt.
    let of_now = frames.take_while(|&at| log.get(at + 8..at + 16) == Some(salt));
    of_now.filter(|&at| word(at + 4).is_some_and(|pages| pages != 0)).count()
}

/// Makes tenants until the live file cannot grow, and shows that what there was goes on.
fn fill_the_disk(engine: &Engine) -> Result<String, Error> {
    engine.load_catalog(&cotas_tests::catalog())?;
    let due = "2026-05-20".parse().expect("a date");
    let mut made = 0;
    let error = loop {
        let name = format!("t{made}");
        match engine.create_tenant(&NewTenant::new(&name).plan("full", due, true)) {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
        assert!(engine.consume(&name, "credits", 1)?.allowed());
    };
    assert!(made > 10, "only {made} tenants were made: {error}");
    for index in 0..made {
        assert_eq!(engine.consume(&format!("t{index}"), "credits", 1)?.used, 2);
    }
    Ok(format!("{}, and what there was goes on", error.code()))
}

/// Consumes so many times and says how often it was allowed.
fn consume(engine: &Engine, name: &str, units: u64, times: &str) -> Result<String, Error> {
    let tenant = engine.tenant(name)?;
    let credits = engine.resource("credits")?;
    let mut allowed = 0;
    for _ in 0..number(times) {
        allowed += u64::from(tenant.consume(credits, units)?.allowed());
    }
    Ok(allowed.to_string())
}

/// As soon as there is a file `gate`, consumes in several threads until nothing is left.
fn drain(engine: &Engine, name: &str, threads: u64, gate: &str) -> Result<String, Error> {
    while !std::path::Path::new(gate).exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let one = || {
        let mut allowed = 0u64;
        while engine.consume(name, "credits", 1)?.allowed() {
            allowed += 1;
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok::<u64, Error>(allowed)
    };
    let sum = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        started.into_iter().map(|thread| thread.join().expect("ends")).sum::<Result<u64, _>>()
    })?;
    Ok(sum.to_string())
}

/// As [`drain`], in forked children that go on with what they inherited: each prints its own line.
fn fork_drain(engine: &Engine, name: &str, children: u64, gate: &str) -> Result<String, Error> {
    // Used before the fork, so that the children inherit an owner that is registered.
    let first = u64::from(engine.consume(name, "credits", 1)?.allowed());
    let mut started = Vec::new();
    for _ in 0..children {
        // SAFETY: the engine's own threads are all that there are, and it knows of forks.
        match unsafe { libc::fork() } {
            0 => {
                let said = drain(engine, name, 1, gate);
                let code = i32::from(said.is_err());
                let line = said.unwrap_or_else(|error| format!("{} {error}", error.code())) + "\n";
                // SAFETY: one short line, whole; then it goes without closing the parent's engine.
                unsafe {
                    libc::write(1, line.as_ptr().cast(), line.len());
                    libc::_exit(code);
                }
            }
            child => started.push(child),
        }
    }
    let own = first + number(&drain(engine, name, 1, gate)?);
    for child in started {
        let mut status = 0;
        // SAFETY: it writes one number.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0, "a child failed");
    }
    Ok(own.to_string())
}

/// Consumes one unit at a time and writes one byte for each that is acknowledged, at once.
fn acks(engine: &Engine, name: &str, times: u64) -> Result<String, Error> {
    let tenant = engine.tenant(name)?;
    let credits = engine.resource("credits")?;
    let mut out = std::io::stdout();
    for _ in 0..times {
        if !tenant.consume(credits, 1)?.allowed() {
            break;
        }
        out.write_all(b".").and_then(|()| out.flush()).expect("the test is listening");
    }
    Ok(String::new())
}

/// Copies the first bytes of one file over those of another. Another process has to do it: a
/// process that closes a database's file loses SQLite's locks on it.
fn copy(from: &str, to: &str, bytes: usize) {
    let mut head = std::fs::read(from).expect("can be read");
    head.truncate(bytes);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(to)
        .expect("can be written");
    file.write_all(&head).expect("can be written");
}
