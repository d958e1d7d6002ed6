//! Ten thousand connections on which nothing is said, and one on which something is.
#![cfg(feature = "serve")]

mod common;

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use common::Desk;
use common::http::{Served, read_answer, sms, token};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CONNECTIONS: usize = 10_000;
/// What the test itself has open, generously.
const BESIDE: u64 = 200;
/// Memory that the server may take for each idle connection, in KiB.
const KIB_EACH_MAX: u64 = 32;

/// Whether so many descriptors may be had, after raising the limit where that is allowed.
fn may_have(descriptors: u64) -> bool {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let has = |limit: Option<u64>| limit.is_none_or(|most| most >= descriptors);
    has(current)
        || has(maximum) && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok()
}

/// Memory that a process has, in KiB.
fn memory_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it lives");
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("is there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn ten_thousand_idle_connections_leave_others_their_answers() {
    if !may_have(CONNECTIONS as u64 + BESIDE) {
        println!("not checked: {CONNECTIONS} descriptors are not allowed (ulimit -n)");
        return;
    }
    let desk = Desk::new();
    desk.ok(&["tenant", "add", "acme", "--plan", "big", "--first-due", "2027-12-10"]);
    let manager = token(&desk, "manager", Some("acme"));
    let more = (CONNECTIONS + 100).to_string();
    let served = Served::start(&desk, &["--quiet", "--connections", &more, "--read-timeout", "5m"]);
    let consume = || served.post("/api/v1/tenants/acme/consume", &manager, &sms(1)).status;
    assert_eq!(consume(), 200);
    let before = memory_kib(served.child.id());
    let mut idle: Vec<TcpStream> = (0..CONNECTIONS).map(|_| served.connect()).collect();
    assert_eq!(consume(), 200, "with all of them open");
    let each = memory_kib(served.child.id()).saturating_sub(before) / CONNECTIONS as u64;
    assert!(each <= KIB_EACH_MAX, "{each} KiB for each connection");
    println!("{CONNECTIONS} idle connections take {each} KiB each");
    // None of them was dropped: each still has its answer.
    for stream in idle.iter_mut().step_by(CONNECTIONS / 100) {
        let request = b"GET /healthz HTTP/1.1\r\nHost: cotas\r\nConnection: close\r\n\r\n";
        stream.write_all(request).expect("is sent");
        assert_eq!(read_answer(stream).expect("is answered").status, 200);
    }
    assert_eq!(consume(), 200);
}
