//! Many want the last: threads and processes, meeting at every round so that they race.

use std::path::PathBuf;
use std::process::Child;
use std::thread;

use cotas::{Engine, Limit, NewTenant};
use cotas_tests::races::{Prize, UNITS, race, tenant};
use cotas_tests::{Database, assert_sound, balance, date, wide};

const THREADS: u64 = 20;
const PROCESSES: u64 = 4;
const ROUNDS: u64 = 1_000;
const HELPER: &str = env!("CARGO_BIN_EXE_helper");

/// A database with a tenant for each round, with five units of everything.
fn prepared(database: &Database, rounds: u64) -> Engine {
    let engine = database.open();
    engine.load_catalog(&wide::catalog()).expect("loads");
    let names: Vec<_> = (0..rounds).map(tenant).collect();
    let due = date("2026-05-20");
    let new: Vec<_> =
        names.iter().map(|name| NewTenant::new(name).plan("five", due, true)).collect();
    assert_eq!(engine.ensure_tenants(&new).expect("creates"), names.len());
    engine
}

/// The numbers that a helper process printed.
fn printed(child: Child) -> Vec<u64> {
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

/// Has all race for a prize; says how many were admitted in each round.
fn admitted(database: &Database, engine: &Engine, prize: Prize, rounds: u64) -> Vec<u64> {
    let meeting: PathBuf = database.directory().join(format!("meeting-{prize:?}"));
    let members = THREADS + PROCESSES;
    let place = Prize::ALL.iter().position(|&it| it == prize).expect("is one of them");
    let numbers = [place as u64, members, rounds].map(|number| number.to_string());
    let children: Vec<_> = (0..PROCESSES)
        .map(|index| {
            let who = format!("process{index}");
            let path = meeting.to_str().expect("UTF-8");
            let [prize, members, rounds] = numbers.each_ref().map(String::as_str);
            database.start(&["race", prize, path, members, rounds, &who, "1"])
        })
        .collect();
    let threads: Vec<_> = (0..THREADS)
        .map(|index| {
            let (engine, meeting) = (engine.clone(), meeting.clone());
            thread::spawn(move || {
                let who = format!("thread{index}");
                race(&engine, prize, (&meeting, members), rounds, &who, 1).expect("decides")
            })
        })
        .collect();
    let mut lists: Vec<Vec<u64>> =
        threads.into_iter().map(|thread| thread.join().expect("ends")).collect();
    lists.extend(children.into_iter().map(printed));
    (0..rounds as usize).map(|round| lists.iter().map(|list| list[round]).sum()).collect()
}

/// Has all race for a prize in each of a thousand rounds: five are admitted each time.
fn race_for_the_last_five(database: &Database, engine: &Engine, prize: Prize) {
    let admitted = admitted(database, engine, prize, ROUNDS);
    let rounds = admitted.iter().enumerate();
    let wrong: Vec<_> = rounds.filter(|&(_, &count)| count != UNITS).collect();
    assert!(wrong.is_empty(), "{prize:?}: {wrong:?}");
    assert_eq!(admitted.len() as u64, ROUNDS);
}

#[test]
fn i1_twenty_threads_and_four_processes_get_exactly_the_last_five_a_thousand_times() {
    let database = Database::new(HELPER);
    let engine = prepared(&database, ROUNDS);
    for prize in [Prize::Lease, Prize::Credit, Prize::Reservation] {
        race_for_the_last_five(&database, &engine, prize);
    }
    for round in [0, ROUNDS / 2, ROUNDS - 1].map(tenant) {
        for resource in ["calls", "credits", "sms"] {
            assert_eq!(wide::stands(&engine, &round, resource).1, 0, "{round}: {resource}");
        }
    }
    assert_sound(&engine);
}

/// Every seat is a transaction that waits for the disk, 24 of them in a round: in memory, so that
/// a thousand rounds are a matter of seconds.
#[test]
fn i1_twenty_threads_and_four_processes_get_exactly_the_last_five_seats_a_thousand_times() {
    let database = Database::in_memory(HELPER);
    let engine = prepared(&database, ROUNDS);
    race_for_the_last_five(&database, &engine, Prize::Seat);
    for round in (0..ROUNDS).map(tenant) {
        let tenant = engine.tenant(&round).expect("exists");
        let seats = tenant.seats("users").expect("is a seat").list().expect("reads");
        assert_eq!(seats.len() as u64, UNITS, "{round}");
    }
    assert_sound(&engine);
}

#[test]
fn two_messages_of_one_contact_at_once_open_one_session_a_hundred_thousand_times() {
    const CONTACTS: u64 = 100_000;
    let database = Database::new(HELPER);
    let engine = database.with_acme();
    engine.set_limit("acme", "sessions", Limit::Finite(CONTACTS)).expect("is raised");
    let meeting = database.directory().join("meeting");
    let path = meeting.to_str().expect("UTF-8");
    let contacts = CONTACTS.to_string();
    let children: Vec<_> =
        (0..2).map(|_| database.start(&["receive-together", path, &contacts])).collect();
    let counts: Vec<_> = children.into_iter().map(printed).collect();
    let opened: u64 = counts.iter().map(|counts| counts[0]).sum();
    let continued: u64 = counts.iter().map(|counts| counts[1]).sum();
    assert_eq!((opened, continued), (CONTACTS, CONTACTS));
    assert!(counts.iter().all(|counts| counts[0] > 0), "it was no race: {counts:?}");
    assert_eq!(balance(&engine, "acme", "sessions").0, 0);
    assert_sound(&engine);
}
