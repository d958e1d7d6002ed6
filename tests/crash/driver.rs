//! The driver: starts workers, kills, stops and replaces them as a seed says, and checks between
//! waves what their records say.

use std::io::BufReader;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cotas::{Engine, Error, Maintenance, Origin};

use crate::model::{Model, Tally};
use crate::page::Page;
use crate::record::{Op, Record};
use crate::rng::{Rng, mix};
use crate::worker::{Orders, Role};
use crate::world::{self, HOURS_MAX};

/// Waves of one episode, each on the database that the one before left.
const WAVES: u64 = 3;
/// How long an episode's waves take together.
const EPISODE: Duration = Duration::from_secs(9);
/// How long nothing may happen before the run is given up as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(180);
/// How long a worker may take to end in good order.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The seed of the first episode.
    pub seed: u64,
    /// For how long.
    pub seconds: u64,
    /// Until so many workers were killed; 0: no matter.
    pub kills: u64,
    /// Guards that workers are to do without.
    pub without: String,
    /// Where databases lie.
    pub directory: PathBuf,
    /// Programs of the tight loops in C and in Python, where there are any.
    pub tight_c: Option<PathBuf>,
    /// The interpreter.
    pub python: Option<PathBuf>,
}

/// What a run has shown.
#[derive(Debug, Default)]
pub struct Totals {
    pub episodes: u64,
    pub waves: u64,
    pub kills: u64,
    pub massacres: u64,
    pub stops: u64,
    pub cuts: u64,
    pub acknowledged: u64,
    pub tight: u64,
    pub lost: u64,
    pub over: u64,
    pub unanswered: u64,
    pub applied_unanswered: u64,
    pub violations: Vec<String>,
    pub tallies: std::collections::BTreeMap<Op, Tally>,
}

impl Totals {
    fn add(&mut self, model: &Model) {
        self.lost += model.lost;
        self.over += model.over;
        self.applied_unanswered += model.applied_unanswered;
        self.tight += model.tight_acknowledged;
        self.violations.extend(model.violations.iter().cloned());
        for (op, tally) in &model.tallies {
            let sum = self.tallies.entry(*op).or_default();
            sum.intents += tally.intents;
            sum.acknowledged += tally.acknowledged;
            sum.denied += tally.denied;
            sum.busy += tally.busy;
            sum.unanswered += tally.unanswered;
            self.acknowledged += tally.acknowledged;
        }
        self.unanswered += model.unanswered + model.tight_unanswered;
        self.acknowledged += model.tight_acknowledged;
    }
}

/// A worker that is running.
struct Worker {
    child: Child,
    reader: JoinHandle<()>,
}

/// One database and those who work on it.
struct Episode<'a> {
    plan: &'a Plan,
    rng: Rng,
    /// The directory of the database; the page lies beside it.
    home: PathBuf,
    page: Page,
    page_path: PathBuf,
    model: Arc<Mutex<Model>>,
    progress: Arc<AtomicU64>,
    serial: u64,
    roles: Vec<(Role, u64)>,
    workers: Vec<Option<Worker>>,
    readers: Vec<JoinHandle<()>>,
}

fn lock(model: &Mutex<Model>) -> MutexGuard<'_, Model> {
    model.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs episodes until the time is over or enough workers were killed, or something is wrong.
pub fn run(plan: &Plan) -> Totals {
    let begun = Instant::now();
    let mut totals = Totals::default();
    let progress = Arc::new(AtomicU64::new(0));
    let seed_now = Arc::new(AtomicU64::new(plan.seed));
    watch(Arc::clone(&progress), Arc::clone(&seed_now));
    for index in 0.. {
        let seed = if index == 0 { plan.seed } else { mix(plan.seed.wrapping_add(index)) };
        seed_now.store(seed, Ordering::Relaxed);
        let before = totals.violations.len();
        episode(plan, seed, &progress, &mut totals);
        totals.episodes += 1;
        if totals.violations.len() > before {
            eprintln!("the episode with seed {seed} went wrong: make torture SEED={seed}");
            break;
        }
        let enough = plan.kills > 0 && totals.kills >= plan.kills;
        if enough || begun.elapsed().as_secs() >= plan.seconds {
            break;
        }
    }
    totals
}

/// Ends the run where nothing happens any more: a hang is a failure like any other.
fn watch(progress: Arc<AtomicU64>, seed: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let (mut known, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = progress.load(Ordering::Relaxed);
            if now != known {
                (known, since) = (now, Instant::now());
            } else if since.elapsed() > HANGS_AFTER {
                let seed = seed.load(Ordering::Relaxed);
                eprintln!("HANGS: nothing has happened for {HANGS_AFTER:?}, seed {seed}");
                std::process::exit(3);
            }
        }
    });
}

fn episode(plan: &Plan, seed: u64, progress: &Arc<AtomicU64>, totals: &mut Totals) {
    let directory = tempfile::tempdir_in(&plan.directory).expect("a directory");
    let home = directory.path().join("db");
    std::fs::create_dir(&home).expect("is made");
    let page_path = directory.path().join("page");
    let page = Page::map(&page_path);
    page.set_clock_ms(world::begin_ms());
    let mut rng = Rng::new(seed);
    let processes = 2 + rng.below(15);
    let roles = (0..processes).map(|slot| role(plan, &mut rng, slot)).collect();
    let mut episode = Episode {
        plan,
        rng,
        home,
        page,
        page_path,
        model: Arc::default(),
        progress: Arc::clone(progress),
        serial: 1,
        roles,
        workers: (0..processes).map(|_| None).collect(),
        readers: Vec::new(),
    };
    if let Err(error) = episode.play(totals) {
        let mut model = lock(&episode.model);
        model.complain(format!("the driver itself: {} {error}", error.code()));
    }
    totals.add(&lock(&episode.model));
}

/// What a worker is, and with how many threads.
fn role(plan: &Plan, rng: &mut Rng, slot: u64) -> (Role, u64) {
    let threads = 1 + rng.below(4);
    let role = match rng.below(8) {
        _ if slot < 2 => Role::Mixed,
        0 => Role::Tight,
        1 if plan.tight_c.is_some() => Role::TightC,
        2 if plan.python.is_some() => Role::TightPython,
        3 => Role::Opener,
        _ => Role::Mixed,
    };
    (role, threads)
}

impl Episode<'_> {
    fn play(&mut self, totals: &mut Totals) -> Result<(), Error> {
        let engine = self.open()?;
        world::set_up(&engine)?;
        drop(engine);
        for wave in 0..WAVES {
            self.page.set_wave(wave);
            let is_last = wave + 1 == WAVES;
            let backup = self.home.with_extension("old");
            if is_last {
                std::fs::copy(self.database(), &backup).expect("is copied");
            }
            self.rage(EPISODE / WAVES as u32, totals);
            let orderly = is_last || self.rng.one_in(3);
            if orderly {
                self.end_in_order()
            } else {
                self.kill_all(totals)
            }
            lock(&self.model).close();
            if orderly {
                // The database alone is whole after the last close: a forked child of a worker may
                // have gone after it, and has closed nothing.
                drop(self.open()?);
                std::fs::remove_file(self.live()).expect("is there");
            } else {
                totals.cuts += 1;
                self.cut_power()?;
            }
            let engine = self.open()?;
            let is_as_reported = (engine.opening().origin == Origin::Rebuilt) == orderly
                && (orderly || !engine.opening().may_miss_consumption);
            if !is_as_reported {
                let opening = engine.opening().clone();
                lock(&self.model).complain(format!("opened as {opening:?}, orderly: {orderly}"));
            }
            lock(&self.model).check(&engine, self.page)?;
            drop(engine);
            self.progress.fetch_add(1, Ordering::Relaxed);
            totals.waves += 1;
            if is_last {
                self.restore(&backup);
            }
        }
        Ok(())
    }

    fn database(&self) -> PathBuf {
        self.home.join("app.db")
    }

    fn live(&self) -> PathBuf {
        self.home.join("app.db-live")
    }

    fn open(&self) -> Result<Engine, Error> {
        Engine::builder(self.database())
            .clock(self.page.clock())
            .maintenance(Maintenance::External)
            .open()
    }

    /// Kills, stops and starts workers for a while.
    fn rage(&mut self, duration: Duration, totals: &mut Totals) {
        let until = Instant::now() + duration;
        let mut left = HOURS_MAX / WAVES as i64;
        while Instant::now() < until {
            for slot in 0..self.workers.len() {
                self.start(slot);
            }
            if left > 0 && self.rng.one_in(4) {
                let hours = 1 + self.rng.below(24) as i64;
                left -= hours;
                self.page.set_clock_ms(self.page.clock_ms() + hours * 3_600_000);
            }
            std::thread::sleep(Duration::from_micros(self.rng.below(60_000)));
            let slot = self.rng.below(self.workers.len() as u64) as usize;
            match self.rng.below(100) {
                0..3 => {
                    totals.massacres += 1;
                    self.kill_all(totals);
                }
                3..15 => {
                    totals.stops += 1;
                    self.stop_for_a_while(slot, totals);
                }
                15..20 => {}
                _ => self.kill(slot, totals),
            }
        }
    }

    /// Starts a worker where there is none.
    fn start(&mut self, slot: usize) {
        if let Some(worker) = &mut self.workers[slot] {
            match worker.child.try_wait().expect("can be waited for") {
                None => return,
                Some(status) => {
                    // Only a kill ends a worker, and who is killed is taken away at once.
                    lock(&self.model).complain(format!("a worker ended by itself: {status}"));
                    let worker = self.workers[slot].take().expect("is there");
                    self.readers.push(worker.reader);
                }
            }
        }
        let (role, threads) = self.roles[slot];
        let (serial, seed) = (self.serial, self.rng.next());
        self.serial += 1;
        let (database, page) = (self.database(), self.page_path.clone());
        let orders = Orders { database, page, slot: slot as u64, serial, seed, threads, role };
        let mut child = self.command(&orders).spawn().expect("starts");
        let out = child.stdout.take().expect("is piped");
        let model = Arc::clone(&self.model);
        let progress = Arc::clone(&self.progress);
        let reader = std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            while let Some(record) = Record::read(&mut out) {
                lock(&model).take(serial, record);
                progress.fetch_add(1, Ordering::Relaxed);
            }
        });
        self.workers[slot] = Some(Worker { child, reader });
    }

    fn command(&self, orders: &Orders) -> Command {
        let index = (orders.serial as usize % crate::page::TIGHT_MAX).to_string();
        let mut command = match (orders.role, &self.plan.tight_c, &self.plan.python) {
            (Role::TightC, Some(program), _) => {
                let mut command = Command::new(program);
                command.arg(&orders.database).arg(&orders.page).arg(index);
                command
            }
            (Role::TightPython, _, Some(python)) => {
                let mut command = Command::new(python);
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("crash/tight.py");
                command.arg(script).arg(&orders.database).arg(&orders.page).arg(index);
                command
            }
            _ => {
                let mut command = Command::new(std::env::current_exe().expect("has a path"));
                command.arg("worker").args(orders.words());
                command
            }
        };
        command
            .env("COTAS_WITHOUT", &self.plan.without)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        command
    }

    /// Kills a worker, with its children or without.
    fn kill(&mut self, slot: usize, totals: &mut Totals) {
        let with_children = self.rng.one_in(3);
        self.kill_with(slot, with_children, totals);
    }

    fn kill_with(&mut self, slot: usize, with_children: bool, totals: &mut Totals) {
        let Some(mut worker) = self.workers[slot].take() else { return };
        let pid = worker.child.id() as i32;
        signal(if with_children { -pid } else { pid }, libc::SIGKILL);
        totals.kills += 1;
        worker.child.wait().expect("is gone");
        self.readers.push(worker.reader);
    }

    /// Kills all at once, and waits until nothing of theirs is left.
    fn kill_all(&mut self, totals: &mut Totals) {
        for worker in self.workers.iter().flatten() {
            signal(-(worker.child.id() as i32), libc::SIGKILL);
        }
        for slot in 0..self.workers.len() {
            self.kill_with(slot, true, totals);
        }
        self.join_readers();
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().expect("reads to the end");
        }
    }

    /// Stops a worker; goes on with it, or kills it as it stands there.
    fn stop_for_a_while(&mut self, slot: usize, totals: &mut Totals) {
        let Some(worker) = &self.workers[slot] else { return };
        let pid = worker.child.id() as i32;
        signal(pid, libc::SIGSTOP);
        std::thread::sleep(Duration::from_millis(self.rng.below(150)));
        if self.rng.one_in(2) {
            signal(pid, libc::SIGCONT);
        } else {
            self.kill_with(slot, true, totals);
        }
    }

    /// Has all workers end by themselves, closing their engines.
    fn end_in_order(&mut self) {
        for worker in self.workers.iter_mut().flatten() {
            drop(worker.child.stdin.take());
        }
        let until = Instant::now() + ENDS_WITHIN;
        for slot in 0..self.workers.len() {
            let Some(mut worker) = self.workers[slot].take() else { continue };
            let status = loop {
                match worker.child.try_wait().expect("can be waited for") {
                    Some(status) => break Some(status),
                    None if Instant::now() > until => break None,
                    None => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            if !status.is_some_and(|status| status.success()) {
                signal(-(worker.child.id() as i32), libc::SIGKILL);
                let role = self.roles[slot].0;
                lock(&self.model).complain(format!("a {role:?} worker ended with {status:?}"));
            }
            self.readers.push(worker.reader);
        }
        self.join_readers();
    }

    /// What a power cut would leave that had let everything written reach the disk: the database
    /// without the live file. No administrative change is missing, nothing is there that was not
    /// asked for, and the records add up.
    fn cut_power(&mut self) -> Result<(), Error> {
        let whole = self.home.with_extension("whole");
        std::fs::rename(&self.home, &whole).expect("is moved away");
        std::fs::create_dir(&self.home).expect("is made");
        for name in ["app.db", "app.db-wal"] {
            if whole.join(name).exists() {
                std::fs::copy(whole.join(name), self.home.join(name)).expect("is copied");
            }
        }
        let engine = self.open()?;
        lock(&self.model).check_cut(&engine)?;
        drop(engine);
        std::fs::remove_dir_all(&self.home).expect("is removed");
        std::fs::rename(&whole, &self.home).expect("is moved back");
        Ok(())
    }

    /// A backup in the place of the database, beside the newer live file, is refused.
    fn restore(&mut self, backup: &Path) {
        let saved = self.home.with_extension("saved");
        std::fs::rename(self.database(), &saved).expect("is moved away");
        for name in ["app.db-wal", "app.db-shm"] {
            let _ = std::fs::remove_file(self.home.join(name));
        }
        std::fs::copy(backup, self.database()).expect("is put in place");
        let mut command = Command::new(std::env::current_exe().expect("has a path"));
        command.arg("open").arg(self.database()).arg(&self.page_path);
        let output = command.env("COTAS_WITHOUT", &self.plan.without).output().expect("runs");
        if output.status.success() {
            lock(&self.model).complain("a restored backup passed for the present database".into());
        }
    }
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: a plain system call, of a process that this one has started and not waited for.
    unsafe { libc::kill(pid, signal) };
}
