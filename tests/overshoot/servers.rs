//! PostgreSQL and Redis, started for the run where they are installed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::contenders::{Contender, is_there};

/// Nobody's number: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;

/// The servers of a run; they end with it.
pub struct Servers {
    postgres: Result<Child, String>,
    redis: Result<Child, String>,
}

/// Where Redis listens: beside what is measured.
pub fn redis_path(home: &Path) -> PathBuf {
    home.parent().expect("has one").join("redis.sock")
}

impl Servers {
    pub fn start(home: &Path) -> Servers {
        Servers { postgres: start_postgres(home), redis: start_redis(home) }
    }

    /// Whether what the contender needs is there.
    pub fn has(&self, contender: Contender) -> Result<(), &str> {
        let server = match contender {
            it if it.needs_postgres() => &self.postgres,
            Contender::RedisLua => &self.redis,
            _ => return Ok(()),
        };
        server.as_ref().map(|_| ()).map_err(String::as_str)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in [&mut self.postgres, &mut self.redis].into_iter().flatten() {
            // SAFETY: a plain system call about a child of this process.
            unsafe { libc::kill(server.id() as i32, libc::SIGINT) };
            let _ = server.wait();
        }
    }
}

/// A command that does not run as root.
fn unprivileged(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: a plain system call.
    if unsafe { libc::geteuid() } == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn start_postgres(home: &Path) -> Result<Child, String> {
    for program in ["initdb", "postgres", "psql"] {
        if !is_there(program) {
            return Err(format!("`{program}` is not installed"));
        }
    }
    let data = home.join("postgres");
    let made = unprivileged("initdb", home)
        .args(["--username=cotas", "--auth=trust", "--no-sync", "--pgdata"])
        .arg(&data)
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return Err("`initdb` fails".to_owned());
    }
    let server = unprivileged("postgres", home)
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(home)
        .args(["-h", "", "-c", "max_connections=60"])
        .spawn()
        .map_err(|error| error.to_string())?;
    wait_for(server, &home.join(".s.PGSQL.5432"))
}

fn start_redis(home: &Path) -> Result<Child, String> {
    if !is_there("redis-server") {
        return Err("`redis-server` is not installed".to_owned());
    }
    let socket = home.join("redis.sock");
    let server = unprivileged("redis-server", home)
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .args(["--unixsocketperm", "777"])
        .spawn()
        .map_err(|error| error.to_string())?;
    wait_for(server, &socket)
}

fn wait_for(mut server: Child, socket: &Path) -> Result<Child, String> {
    let begun = Instant::now();
    while !socket.exists() {
        if begun.elapsed() > Duration::from_secs(30) {
            let _ = server.kill();
            return Err("it does not start".to_owned());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(1));
    Ok(server)
}

/// A server that is asked and answers in lines.
pub enum Lines {
    Psql { child: Child, to: ChildStdin, from: BufReader<ChildStdout> },
    Redis { to: UnixStream, from: BufReader<UnixStream> },
}

impl Lines {
    /// `psql` as a connection: one per thread, which ends with its process.
    pub fn psql(home: &Path) -> Lines {
        let host = home.parent().expect("has one");
        let mut child = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-U", "cotas", "-d", "postgres", "-h"])
            .arg(host)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let to = child.stdin.take().expect("is piped");
        let from = BufReader::new(child.stdout.take().expect("is piped"));
        Lines::Psql { child, to, from }
    }

    pub fn redis(socket: &Path) -> Lines {
        let to = UnixStream::connect(socket).expect("listens");
        let from = BufReader::new(to.try_clone().expect("is the same"));
        Lines::Redis { to, from }
    }

    /// Sends SQL and gives the lines of its answer.
    pub fn ask(&mut self, sql: &str) -> Vec<String> {
        let Lines::Psql { to, from, .. } = self else { return Vec::new() };
        writeln!(to, "{sql}\n\\echo .").and_then(|()| to.flush()).expect("listens");
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let count = from.read_line(&mut line).expect("answers");
            match line.trim() {
                "." => return lines,
                _ if count == 0 => return lines,
                "" => {}
                text => lines.push(text.to_owned()),
            }
        }
    }

    /// Sends a command and gives the first line of its answer.
    pub fn command(&mut self, words: &[&str]) -> String {
        let Lines::Redis { to, from } = self else { return String::new() };
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text += &format!("${}\r\n{word}\r\n", word.len());
        }
        to.write_all(text.as_bytes()).expect("listens");
        let mut line = String::new();
        from.read_line(&mut line).expect("answers");
        line.trim().to_owned()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Lines::Psql { child, .. } = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
