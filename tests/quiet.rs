//! I8: a decision makes no system call and allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use std::time::Duration;

use cotas::{Details, Engine, Limit, Maintenance, Tenant};
use cotas_tests::{add_tenant, catalog};

/// Counts what is allocated by any thread.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An engine in a file with the machine's clock, and a tenant that has an open session.
fn prepared(directory: &std::path::Path) -> (Engine, Tenant) {
    let engine = Engine::builder(directory.join("app.db"))
        .maintenance(Maintenance::External)
        .open()
        .expect("opens");
    engine.load_catalog(&catalog()).expect("loads");
    let due = engine.now().to_utc().date_naive() + chrono::Days::new(20);
    add_tenant(&engine, "acme", "full", &due.to_string(), true);
    engine.set_limit("acme", "credits", Limit::Finite(100_000_000)).expect("is raised");
    engine.set_limit("acme", "watched", Limit::Finite(100_000)).expect("is raised");
    let tenant = engine.tenant("acme").expect("exists");
    decide(&engine, &tenant, 1);
    // What operations leave behind, keys and reservations, takes space in the file: it grows now,
    // not in the measurement.
    assert!(tenant.meter("storage_mb").expect("exists").add(50).expect("decides").allowed());
    for round in 0..GROWN {
        do_every_operation(&tenant, &keys(round));
        engine.checkpoint().expect("checkpoints");
    }
    decide(&engine, &tenant, 1);
    (engine, tenant)
}

/// Rounds that make the file grow, and rounds measured after them: fewer, between two checkpoints.
const GROWN: u64 = 200;
const MEASURED: u64 = 20;

/// Names of a round, written down before anything is measured.
fn keys(round: u64) -> [String; 3] {
    ["consumed", "refunded", "caller"].map(|what| format!("{what}-{round}"))
}

/// Every operation that touches only the live file.
fn do_every_operation(tenant: &Tenant, [consumed, refunded, caller]: &[String; 3]) {
    const HOUR: Duration = Duration::from_hours(1);
    let nothing = Details::default();
    assert!(tenant.perform("charge_three", &nothing).expect("decides").allowed());
    assert!(tenant.check_action("charge_three", &nothing).expect("decides").allowed());
    for replayed in [false, true] {
        let decision = tenant.once(consumed).consume("credits", 1).expect("decides");
        assert!(decision.allowed() && decision.replayed == replayed);
    }
    let paid = tenant.once(refunded).consume("credits", 1).expect("decides");
    tenant.refund(&paid.receipt.expect("a receipt")).expect("is refunded");
    let meter = tenant.meter("storage_mb").expect("exists");
    assert!(meter.add(2).expect("decides").allowed());
    assert!(meter.subtract(1).expect("decides").allowed());
    assert!(meter.set(50).expect("decides").allowed());
    let rate = tenant.rate("pair_rate").expect("exists");
    let _ = rate.pass("5511990000001", 1).expect("decides");
    let leases = tenant.leases("calls").expect("exists");
    let lease = leases.acquire(caller, None).expect("decides").lease.expect("a lease");
    leases.renew(caller, lease.fencing, Some(HOUR)).expect("is renewed");
    leases.release(caller, lease.fencing).expect("is released");
    for commits in [true, false] {
        let held = tenant.reserve_action("charge_three", &nothing, HOUR).expect("decides");
        let id = held.reservation.expect("a reservation");
        if commits { tenant.commit(&id) } else { tenant.release(&id) }.expect("is resolved");
    }
}

/// Decides in every way there is: by handle, by number and by name, allowed and denied, in an
/// open session, by action.
fn decide(engine: &Engine, tenant: &Tenant, times: u64) {
    let credits = engine.resource("credits").expect("exists");
    let message = Details { channel: "w", contact: "c1", ..Details::default() };
    for _ in 0..times {
        assert!(tenant.consume(credits, 1).expect("decides").allowed());
        assert!(tenant.consume("credits", 1).expect("decides").allowed());
        assert!(engine.consume("acme", "credits", 1).expect("decides").allowed());
        assert!(!engine.consume("acme", "sms", 1_000).expect("decides").allowed());
        assert!(tenant.check(credits, 1).expect("decides").allowed());
        assert!(tenant.perform("receive_message", &message).expect("decides").allowed());
        assert!(tenant.perform("record_call", &message).expect("decides").allowed());
    }
}

#[test]
fn i8_a_million_decisions_allocate_nothing_and_make_no_system_call() {
    let directory = tempfile::tempdir().expect("a directory");
    let (engine, tenant) = prepared(directory.path());
    let names: Vec<_> = (GROWN..GROWN + MEASURED).map(keys).collect();
    // The same in a child that may make no system call but `read`, `write` and `exit`: the
    // kernel kills it at any other.
    // SAFETY: the child decides and exits; it is the only thread of its process.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // A process registers as an owner of locks with its first decision, once.
        decide(&engine, &tenant, 1);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        // SAFETY: plain system calls.
        unsafe {
            if libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) != 0 {
                libc::_exit(3);
            }
            decide(&engine, &tenant, 1_000_000 / 7 + 1);
            for names in &names {
                do_every_operation(&tenant, names);
            }
            let allocated = ALLOCATIONS.load(Ordering::Relaxed) - before;
            // Strict mode permits `exit` alone, not the `exit_group` of the C library.
            libc::syscall(libc::SYS_exit, i32::from(allocated != 0) * 2);
        }
    }
    let mut status = 0;
    // SAFETY: waits for the child above.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert!(!libc::WIFSIGNALED(status), "a system call was made: {status:#x}");
    assert_eq!(libc::WEXITSTATUS(status), 0, "2: something was allocated");
    assert_eq!(engine.verify().expect("verifies"), []);
}

#[test]
fn the_check_can_fail_a_system_call_is_noticed() {
    // SAFETY: the child makes one system call and would exit.
    let status = unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT);
            libc::getppid();
            libc::syscall(libc::SYS_exit, 0);
        }
        let mut status = 0;
        libc::waitpid(pid, &raw mut status, 0);
        status
    };
    assert!(libc::WIFSIGNALED(status));
}
