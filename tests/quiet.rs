//! I8: a decision makes no system call and allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

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
    let tenant = engine.tenant("acme").expect("exists");
    decide(&engine, &tenant, 1);
    engine.checkpoint().expect("checkpoints");
    decide(&engine, &tenant, 1);
    (engine, tenant)
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
    // The same in a child that may make no system call but `read`, `write` and `exit`: the
    // kernel kills it at any other.
    // SAFETY: the child decides and exits; it is the only thread of its process.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        // SAFETY: plain system calls.
        unsafe {
            if libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) != 0 {
                libc::_exit(3);
            }
            decide(&engine, &tenant, 1_000_000 / 7 + 1);
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
