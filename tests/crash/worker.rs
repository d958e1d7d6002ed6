//! A worker: threads that do everything at random and report to the driver before and after.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cotas::{Durability, Engine, Error, Maintenance};

use crate::operations::Thread;
use crate::page::Page;
use crate::record::{Op, Phase, Record, Wrong};
use crate::rng::Rng;

/// What the driver sends a worker.
#[derive(Clone, Debug)]
pub struct Orders {
    /// The database.
    pub database: std::path::PathBuf,
    /// The shared page.
    pub page: std::path::PathBuf,
    /// Whose place it takes: holders of seats and leases are named after it.
    pub slot: u64,
    /// Unique in its episode.
    pub serial: u64,
    /// What is random about it.
    pub seed: u64,
    /// How many threads.
    pub threads: u64,
    /// What it is.
    pub role: Role,
}

/// What a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// All kinds of operations, with one engine.
    Mixed,
    /// The same, opening and closing all the time.
    Opener,
    /// A tight loop in Rust, counted in the shared page.
    Tight,
    /// The same in C.
    TightC,
    /// The same in Python.
    TightPython,
}

impl Role {
    const NAMES: [(Role, &'static str); 5] = [
        (Role::Mixed, "mixed"),
        (Role::Opener, "opener"),
        (Role::Tight, "tight"),
        (Role::TightC, "tight-c"),
        (Role::TightPython, "tight-python"),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(role, _)| *role == self).map_or("", |(_, name)| name)
    }

    fn parse(name: &str) -> Role {
        Self::NAMES.iter().find(|(_, known)| *known == name).expect("a role").0
    }
}

impl Orders {
    /// As words of a command line.
    pub fn words(&self) -> Vec<String> {
        vec![
            self.database.display().to_string(),
            self.page.display().to_string(),
            self.slot.to_string(),
            self.serial.to_string(),
            self.seed.to_string(),
            self.threads.to_string(),
            self.role.name().to_owned(),
        ]
    }

    /// From the words of a command line.
    pub fn parse(words: &[String]) -> Orders {
        let number = |at: usize| words[at].parse().expect("a number");
        Orders {
            database: words[0].clone().into(),
            page: words[1].clone().into(),
            slot: number(2),
            serial: number(3),
            seed: number(4),
            threads: number(5),
            role: Role::parse(&words[6]),
        }
    }
}

/// Opens the engine as the worker's seed says.
fn open(orders: &Orders, page: Page, rng: &mut Rng) -> Result<Engine, Error> {
    let maintenance = *rng.pick(&[
        Maintenance::Thread,
        Maintenance::Thread,
        Maintenance::Inline,
        Maintenance::External,
    ]);
    Engine::builder(&orders.database)
        .clock(page.clock())
        .maintenance(maintenance)
        .checkpoint_interval(Duration::from_millis(*rng.pick(&[2, 20, 100])))
        .open()
}

/// Says that something is wrong that no kill explains.
pub fn broken(thread: u32, op: Op, wrong: Wrong, units: u64, why: &str) {
    let line = format!("worker, {op:?}: {wrong:?}: {why}\n");
    // Not by `eprintln`: a forked child may have inherited the lock of standard error, held.
    // SAFETY: the text is as long as its length says.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
    let (phase, subject) = (Phase::Broken, wrong as u64);
    Record { phase, op, thread, subject, units, used: 0, number: 0 }.report();
}

/// Works until standard input is closed, or until it is killed.
pub fn run(orders: &Orders) {
    let page = Page::map(&orders.page);
    let stop = Arc::new(AtomicBool::new(false));
    let reported = Arc::clone(&stop);
    std::thread::spawn(move || {
        // The driver closes it when the worker is to end in good order.
        let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0]);
        reported.store(true, Ordering::Release);
    });
    // SAFETY: plain system call. No one waits for forked children.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let mut rng = Rng::new(orders.seed);
    match orders.role {
        Role::Tight => tight(orders, page, &mut rng, &stop),
        Role::Opener => {
            while !stop.load(Ordering::Acquire) {
                mixed(orders, page, &mut rng, &stop, 40);
            }
        }
        _ => mixed(orders, page, &mut rng, &stop, u64::MAX),
    }
}

/// Whether an error while opening says that another process is opening it.
fn opened(opening: Result<Engine, Error>) -> Option<Engine> {
    match opening {
        Ok(engine) => Some(engine),
        Err(error) if matches!(error.code(), 111 | 202 | 500) => None,
        Err(error) => {
            broken(
                0,
                Op::Maintain,
                Wrong::Error,
                error.code() as u64,
                &format!("opening: {error}"),
            );
            std::thread::sleep(Duration::from_millis(50));
            None
        }
    }
}

fn mixed(orders: &Orders, page: Page, rng: &mut Rng, stop: &AtomicBool, times: u64) {
    let Some(engine) = opened(open(orders, page, rng)) else { return };
    let blocking = engine.with_durability(Durability::Disk);
    // A fork in the middle of another thread's govern would share its file lock.
    let forking = Mutex::new(());
    std::thread::scope(|scope| {
        for number in 0..orders.threads {
            let mut rng = Rng::new(rng.next());
            let (engine, blocking) = (&engine, &blocking);
            let forking = &forking;
            scope.spawn(move || {
                let mut thread = Thread::new(orders, number as u32, engine, blocking, page);
                let mut done = 0;
                while !stop.load(Ordering::Acquire) && done < times {
                    thread.step(&mut rng, forking);
                    done += 1;
                    if number == 0 && rng.one_in(400) {
                        fork(orders, &mut rng, engine, blocking, page, forking);
                    }
                }
            });
        }
    });
}

/// Children that this process has forked: an opener's earlier ones may still be at work.
static CHILDREN: AtomicU64 = AtomicU64::new(0);

/// A child that goes on with what it inherited, and ends in one of three ways.
fn fork(
    orders: &Orders,
    rng: &mut Rng,
    engine: &Engine,
    blocking: &Engine,
    page: Page,
    forking: &Mutex<()>,
) {
    let alone = forking.lock().unwrap_or_else(PoisonError::into_inner);
    let number = 100 + CHILDREN.fetch_add(1, Ordering::Relaxed) as u32;
    // SAFETY: the engine, which is what the child goes on with, is made for forks.
    let child = unsafe { libc::fork() };
    if child != 0 {
        drop(alone);
        return;
    }
    let free = Mutex::new(());
    let mut thread = Thread::new(orders, number, engine, blocking, page);
    for _ in 0..rng.below(60) {
        thread.step(rng, &free);
    }
    // SAFETY: plain system calls; no destructor of the parent's is to run here.
    unsafe {
        if rng.one_in(3) {
            libc::kill(libc::getpid(), libc::SIGKILL);
        }
        libc::_exit(0);
    }
}

/// One unit after another, with nothing else in between than two counters.
fn tight(orders: &Orders, page: Page, rng: &mut Rng, stop: &AtomicBool) {
    let Some(engine) = opened(open(orders, page, rng)) else { return };
    let credits = engine.resource("credits").expect("is in the catalog");
    let tenant = loop {
        match engine.tenant("tight") {
            Ok(tenant) => break tenant,
            // Another holds it, and may have been stopped.
            Err(error) if error.code() == 500 && !stop.load(Ordering::Relaxed) => {}
            Err(error) if error.code() == 500 => return,
            Err(error) => {
                broken(0, Op::Tight, Wrong::Error, error.code() as u64, &error.to_string());
                return;
            }
        }
    };
    let (intended, acknowledged) = page.tight(orders.serial as usize % crate::page::TIGHT_MAX);
    while !stop.load(Ordering::Relaxed) {
        intended.fetch_add(1, Ordering::Release);
        match tenant.consume(credits, 1) {
            Ok(decision) if decision.allowed() => {
                acknowledged.fetch_add(1, Ordering::Release);
            }
            Ok(_) => {
                intended.fetch_sub(1, Ordering::Release);
            }
            Err(error) if matches!(error.code(), 500 | 202) => {
                intended.fetch_sub(1, Ordering::Release);
            }
            Err(error) => {
                broken(0, Op::Tight, Wrong::Error, error.code() as u64, &error.to_string());
                return;
            }
        }
    }
}
