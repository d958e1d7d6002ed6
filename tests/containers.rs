//! Plays the compose file and the commands of docs/containers.md with namespaces and mounts: each
//! container has its own PID and mount namespace, and the volume where the file says.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cotas::{Engine, Limit, Maintenance, ManualClock};
use cotas_tests::{NOON, add_tenant, assert_sound, at, balance, catalog};

const HELPER: &str = env!("CARGO_BIN_EXE_helper");
const PAGE: &str = include_str!("../docs/containers.md");
/// Units that are left when all commands have been played.
const LAST_UNITS: u64 = 200_000;

/// What a service of the compose file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Service {
    environment: Vec<(String, String)>,
    /// Names of volumes, and where they are mounted.
    volumes: Vec<(String, PathBuf)>,
}

#[derive(Debug, Default)]
struct Compose {
    name: String,
    services: BTreeMap<String, Service>,
    volumes: Vec<String>,
}

/// The fenced block of the page in this language.
fn block(language: &str) -> &'static str {
    let begin = format!("```{language}\n");
    let (_, rest) = PAGE.split_once(&begin).expect("the page has one");
    rest.split_once("```").expect("it ends").0
}

/// The strings of a list in brackets, each split at its first `by`.
fn pairs(list: &str, by: char) -> Vec<(String, String)> {
    let inner = list.strip_prefix('[').and_then(|it| it.strip_suffix(']')).expect("a list");
    let pair = |text: &str| {
        let text = text.trim().trim_matches('"');
        let (left, right) = text.split_once(by).expect("two parts");
        (left.to_owned(), right.to_owned())
    };
    inner.split(',').map(pair).collect()
}

/// Reads the part of YAML that the page is written in; anything else is an error of the page.
fn parse(text: &str) -> Compose {
    let mut compose = Compose::default();
    let (mut section, mut service) = ("", String::new());
    for line in text.lines() {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let (key, value) = line.trim().split_once(':').expect("a key");
        let value = value.trim();
        match (depth, section, key) {
            (0, _, "name") => value.clone_into(&mut compose.name),
            (0, _, "services" | "volumes") => section = key,
            (1, "services", name) => {
                name.clone_into(&mut service);
                compose.services.insert(service.clone(), Service::default());
            }
            (1, "volumes", name) => compose.volumes.push(name.to_owned()),
            (2, "services", _) => {
                let it = compose.services.get_mut(&service).expect("began");
                match key {
                    "image" => {}
                    "environment" => it.environment = pairs(value, '='),
                    "volumes" => {
                        let to_path = |(name, at): (String, String)| (name, PathBuf::from(at));
                        it.volumes = pairs(value, ':').into_iter().map(to_path).collect();
                    }
                    other => panic!("the test does not know {other:?}"),
                }
            }
            other => panic!("the test does not know {other:?}"),
        }
    }
    for (name, _) in compose.services.values().flat_map(|it| &it.volumes) {
        assert!(compose.volumes.contains(name), "there is no volume {name}");
    }
    compose
}

/// A container, and the bytes that it has written: one for each acknowledged unit.
struct Container {
    child: Child,
    acknowledged: PathBuf,
}

/// What `docker` would run.
struct Host {
    compose: Compose,
    /// Where volumes lie; the only one is that of the database.
    volume: PathBuf,
    outputs: tempfile::TempDir,
    running: BTreeMap<String, Container>,
    ended: Vec<PathBuf>,
    kills: u64,
}

impl Host {
    /// One command of the page, by its words.
    fn run(&mut self, command: &str) {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["docker", "compose", "up", "--detach"] => {
                for service in self.compose.services.keys().cloned().collect::<Vec<_>>() {
                    self.scale(&service, 1);
                }
            }
            ["docker", "compose", "up", "--detach", "--no-recreate", service] => {
                self.scale(service, 1);
            }
            ["docker", "compose", "up", "--detach", "--no-recreate", "--scale", scale, service] => {
                let (name, count) = scale.split_once('=').expect("service=count");
                assert_eq!(name, *service);
                self.scale(service, count.parse().expect("a number"));
            }
            ["docker", "stop" | "kill", name] => self.end(name),
            _ => panic!("the test does not know {command:?}"),
        }
    }

    /// Starts containers until there are so many of a service, named as compose names them.
    fn scale(&mut self, service: &str, count: usize) {
        let prefix = format!("{}-{service}-", self.compose.name);
        let mut number = 1;
        while self.running.keys().filter(|name| name.starts_with(&prefix)).count() < count {
            let name = format!("{prefix}{number}");
            if !self.running.contains_key(&name) {
                let container = self.start(&name, service);
                self.running.insert(name, container);
            }
            number += 1;
        }
    }

    fn start(&self, name: &str, service: &str) -> Container {
        let service = self.compose.services.get(service).expect("the file has it");
        let mut script = String::new();
        for (_, at) in &service.volumes {
            let parent = at.parent().expect("has one").display();
            let (volume, at) = (self.volume.display(), at.display());
            script += &format!(
                "mount -t tmpfs tmpfs {parent} && mkdir -p {at} && mount --bind {volume} {at} && "
            );
        }
        script += "exec $0 $COTAS_DB acks acme 1000000000";
        let number = fs::read_dir(self.outputs.path()).expect("lists").count();
        let acknowledged = self.outputs.path().join(format!("{name}.{number}"));
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "sh", "-c", &script, HELPER])
            .envs(service.environment.iter().cloned())
            .env("COTAS_NOW", at(NOON).ms().to_string())
            .env("COTAS_MAINTENANCE", "thread")
            .stdin(Stdio::null())
            .stdout(File::create(&acknowledged).expect("is made"))
            .spawn()
            .expect("unshare is part of every Linux");
        Container { child, acknowledged }
    }

    /// Both end it by SIGKILL: the first process of a namespace ignores SIGTERM where it has no
    /// handler, so that `stop` kills it after a while.
    fn end(&mut self, name: &str) {
        let mut container = self.running.remove(name).expect("it runs");
        assert!(container.child.try_wait().expect("asks").is_none(), "{name} ended by itself");
        container.child.kill().expect("is killed");
        container.child.wait().expect("ends");
        self.ended.push(container.acknowledged);
        self.kills += 1;
    }

    /// Until every container that runs has been acknowledged something.
    fn settle(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        for (name, container) in &self.running {
            while bytes(&container.acknowledged) == 0 {
                assert!(Instant::now() < until, "{name} does nothing");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Waits until the limit is used up, and says how many units were acknowledged.
    fn finish(&mut self) -> u64 {
        for (name, mut container) in std::mem::take(&mut self.running) {
            assert!(container.child.wait().expect("ends").success(), "{name}");
            self.ended.push(container.acknowledged);
        }
        self.ended.iter().map(|path| bytes(path)).sum()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for container in self.running.values_mut() {
            let _ = container.child.kill();
            let _ = container.child.wait();
        }
    }
}

/// Acknowledged units in a container's output; its last line is a word of the helper's.
fn bytes(path: &Path) -> u64 {
    let said = fs::read(path).expect("reads");
    said.iter().filter(|&&byte| byte == b'.').count() as u64
}

fn may_play() -> bool {
    let made = Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).status();
    let may = made.is_ok_and(|status| status.success());
    if !may {
        println!("skipped: containers: needs the right to make namespaces (root)");
    }
    may
}

#[test]
fn i1_web_and_worker_containers_restarted_in_turn_lose_nothing_and_admit_the_limit() {
    if !may_play() {
        return;
    }
    let compose = parse(block("yaml"));
    assert_eq!(compose.services.len(), 2);
    let volume = tempfile::tempdir().expect("a directory");
    // The page's path, seen from the host.
    let path = volume.path().join("quotas.db");
    for service in compose.services.values() {
        let (_, inside) =
            service.environment.iter().find(|it| it.0 == "COTAS_DB").expect("is named");
        let (_, mounted) = service.volumes.first().expect("has one");
        assert_eq!(Path::new(inside), mounted.join("quotas.db"));
    }
    let clock = Arc::new(ManualClock::new(at(NOON)));
    let builder = Engine::builder(&path).clock(clock).maintenance(Maintenance::External);
    let engine = builder.open().expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    add_tenant(&engine, "acme", "full", "2026-05-20", true);
    let many = 1_000_000_000;
    engine.set_limit("acme", "credits", Limit::Finite(many)).expect("is set");
    let mut host = Host {
        compose,
        volume: volume.path().to_owned(),
        outputs: tempfile::tempdir().expect("a directory"),
        running: BTreeMap::new(),
        ended: Vec::new(),
        kills: 0,
    };
    for command in block("sh").lines() {
        host.run(command);
        host.settle();
    }
    let limit = many - balance(&engine, "acme", "credits").0 + LAST_UNITS;
    engine.set_limit("acme", "credits", Limit::Finite(limit)).expect("is set");
    let acknowledged = host.finish();
    assert_eq!(balance(&engine, "acme", "credits"), (0, Some(limit)));
    assert!(host.kills > 0 && acknowledged <= limit, "{acknowledged} of {limit}");
    let missing = limit - acknowledged;
    assert!(missing <= host.kills, "{missing} were used without an answer by {} kills", host.kills);
    assert_sound(&engine);
}

#[test]
fn a_page_with_a_key_that_is_not_played_fails() {
    let text = block("yaml").replace("image:", "network_mode:");
    assert!(std::panic::catch_unwind(|| parse(&text)).is_err());
    let text = block("yaml").replace("  quotas: {}", "  others: {}");
    assert!(std::panic::catch_unwind(|| parse(&text)).is_err());
}
