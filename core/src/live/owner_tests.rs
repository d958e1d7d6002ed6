//! What becomes of a lock when its owner dies, is stopped, forks, or runs another program.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::attach::{self, Attachment};
use super::layout::{WORD, header};
use super::location::DatabaseFile;
use super::lock::{self, LockError};
use super::{Identity, LiveFile, Poison, owners};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);
/// A word in which two processes of a test meet. No other process uses it.
const MEETING: u64 = header::ADDRESS_LIMIT + 20 * WORD;
const LOCK: u64 = header::WRITER_LOCK;

struct Scene {
    directory: tempfile::TempDir,
    live: LiveFile,
}

fn scene() -> Scene {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("app.db");
    std::fs::write(&database, []).expect("is written");
    let identity = Identity { database_id: [1, 2], hash_key: [3, 4], epoch: 1, token: 5 };
    let path = directory.path().join("app.db-live");
    let live = attach::create(&path, &database, identity).expect("is made");
    Scene { directory, live }
}

impl Scene {
    /// Where the file lies until it is published.
    fn path(&self) -> PathBuf {
        self.directory.path().join("app.db-live.new")
    }

    fn say(&self, what: u64) {
        self.live.set_header(MEETING, what);
    }

    fn await_word(&self, what: u64) {
        let until = Instant::now() + LONG;
        while self.live.header(MEETING) < what {
            assert!(Instant::now() < until, "the other process never said {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A process that holds the lock when this returns; what it does then is `act`.
    fn holder(&self, act: impl FnOnce()) -> Child {
        let child = Child::of(|| {
            let held = lock::take(&self.live.memory, LOCK, LONG).expect("is free");
            self.say(1);
            act();
            drop(held);
        });
        self.await_word(1);
        child
    }

    fn try_take(&self, timeout: Duration) -> Result<(), LockError> {
        lock::take(&self.live.memory, LOCK, timeout).map(drop)
    }

    fn assert_had(&self) {
        self.try_take(LONG).expect("its owner is dead");
    }
}

fn wait_for_a_signal() {
    loop {
        // SAFETY: a plain system call.
        unsafe { libc::pause() };
    }
}

struct Child(libc::pid_t);

impl Child {
    fn of(work: impl FnOnce()) -> Child {
        // SAFETY: the child runs `work`, which uses the live file alone, and leaves.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "no child to be had");
        if pid == 0 {
            let is_well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
            // SAFETY: as above.
            unsafe { libc::_exit(i32::from(!is_well)) };
        }
        Child(pid)
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a plain system call with a child's own number.
        assert_eq!(unsafe { libc::kill(self.0, signal) }, 0);
    }

    fn ended(mut self) -> i32 {
        let mut status = 0;
        // SAFETY: it writes one number.
        assert_eq!(unsafe { libc::waitpid(self.0, &raw mut status, 0) }, self.0);
        self.0 = 0;
        status
    }

    fn kill(self) {
        drop(self);
    }
}

impl Drop for Child {
    /// Also where a test fails: no process is left behind.
    fn drop(&mut self) {
        if self.0 > 0 {
            // SAFETY: plain system calls with a child's own number.
            unsafe {
                libc::kill(self.0, libc::SIGKILL);
                libc::waitpid(self.0, std::ptr::null_mut(), 0);
            }
        }
    }
}

#[test]
fn the_lock_of_a_process_that_was_killed_is_had() {
    let scene = scene();
    for _ in 0..20 {
        scene.say(0);
        scene.holder(wait_for_a_signal).kill();
        let began = Instant::now();
        scene.assert_had();
        assert!(began.elapsed() < LONG / 4);
    }
    assert_eq!(scene.live.poison(), None);
}

#[test]
fn a_host_that_closes_every_descriptor_is_not_taken_for_dead() {
    let scene = scene();
    let holder = scene.holder(|| {
        // SAFETY: as a host does that closes what it does not know.
        unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
        scene.say(2);
        wait_for_a_signal();
    });
    scene.await_word(2);
    assert_eq!(scene.try_take(SHORT), Err(LockError::Busy));
    holder.kill();
    scene.assert_had();
}

unsafe extern "C" {
    /// POSIX since 2024: `fork` without its handlers. Both C libraries of Linux have it.
    safe fn _Fork() -> libc::pid_t;
}

fn raw_clone() -> libc::pid_t {
    // SAFETY: as `fork`, past the C library and its handlers.
    unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t }
}

#[test]
fn a_child_without_fork_handlers_keeps_no_dead_owner_alive_and_is_an_owner_of_its_own() {
    for fork in [raw_clone, || _Fork()] {
        let scene = scene();
        let holder = scene.holder(|| {
            let mine = scene.live.memory.owner().id();
            if fork() == 0 {
                let own = lock::take(&scene.live.memory, header::CHECKPOINT_LOCK, LONG);
                let its = scene.live.memory.owner().id();
                if own.is_ok() && its != mine && its != 0 {
                    scene.say(2);
                }
                std::thread::sleep(10 * SHORT);
                // SAFETY: nothing that this process has is to be closed in order.
                unsafe { libc::_exit(0) };
            }
            wait_for_a_signal();
        });
        scene.await_word(2);
        let other = || lock::take(&scene.live.memory, header::CHECKPOINT_LOCK, SHORT).map(drop);
        assert_eq!(other(), Err(LockError::Busy), "the child lives");
        holder.kill();
        scene.assert_had();
        assert_eq!(other(), Err(LockError::Busy), "the child lives on");
    }
}

/// What the child of a `vfork` does: it waits for a word, in its parent's memory.
extern "C" fn linger(scene: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the parent's, whose memory this is.
    let scene = unsafe { &*scene.cast::<Scene>() };
    scene.say(2);
    scene.await_word(3);
    0
}

#[test]
fn memory_that_a_vfork_shares_lives_until_the_child_has_left_it() {
    let scene = scene();
    let holder = scene.holder(|| {
        let mut stack = vec![0_u128; 1 << 14];
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the stack outlives the child: this thread goes on when the child has ended.
        unsafe {
            let top = stack.as_mut_ptr().add(stack.len()).cast();
            libc::clone(linger, top, flags, (&raw const scene).cast_mut().cast());
        }
    });
    scene.await_word(2);
    holder.kill();
    assert_eq!(scene.try_take(SHORT), Err(LockError::Busy), "the child may use what is locked");
    scene.say(3);
    scene.assert_had();
}

#[test]
fn a_program_that_another_starts_is_no_owner() {
    let scene = scene();
    let sleep = [c"sleep".as_ptr(), c"1000".as_ptr(), std::ptr::null()];
    // Of a child of the owner's, which outlives the owner.
    let holder = scene.holder(|| {
        // It shares this memory until it runs the program.
        let started = std::process::Command::new("sleep").arg("5").spawn();
        assert!(started.is_ok());
        scene.say(2);
        wait_for_a_signal();
    });
    scene.await_word(2);
    assert_eq!(scene.try_take(SHORT), Err(LockError::Busy));
    holder.kill();
    let began = Instant::now();
    scene.assert_had();
    assert!(began.elapsed() < Duration::from_secs(4), "the program kept its parent's lock");
    // In the place of the owner: its memory is gone.
    scene.say(0);
    let holder = scene.holder(|| {
        // SAFETY: the strings end with NUL, the list with NULL.
        unsafe { libc::execvp(sleep[0], sleep.as_ptr()) };
    });
    scene.assert_had();
    holder.kill();
}

/// Whether this process may become another user: the tests of that do nothing without root.
fn may_change_user() -> bool {
    // SAFETY: a plain system call.
    unsafe { libc::geteuid() == 0 }
}

fn give_up_rights() {
    // SAFETY: a plain system call, in a child that has one thread.
    assert_eq!(unsafe { libc::setuid(65_534) }, 0);
}

#[test]
fn an_owner_that_gives_up_its_rights_lives_on_and_dies_as_others_do() {
    if !may_change_user() {
        return;
    }
    let scene = scene();
    let holder = scene.holder(|| {
        give_up_rights();
        scene.say(2);
        wait_for_a_signal();
    });
    scene.await_word(2);
    assert_eq!(scene.try_take(SHORT), Err(LockError::Busy));
    holder.kill();
    scene.assert_had();
}

#[test]
fn a_process_without_rights_is_refused_as_an_owner_and_cannot_ask_about_others() {
    if !may_change_user() {
        return;
    }
    let scene = scene();
    let child = Child::of(|| {
        give_up_rights();
        let error = scene.try_take(SHORT).expect_err("it may not open the file");
        assert!(
            matches!(error, LockError::NotRegistered(why) if why.errno == libc::EACCES),
            "{error:?}"
        );
    });
    assert_eq!(child.ended(), 0);
    let holder = scene.holder(wait_for_a_signal);
    let child = Child::of(|| {
        // An owner already, it may use what is free.
        let other = lock::take(&scene.live.memory, header::CHECKPOINT_LOCK, LONG);
        assert!(other.is_ok());
        give_up_rights();
        let error = scene.try_take(SHORT).expect_err("is held");
        assert!(
            matches!(error, LockError::NotAsked(why) if why.errno == libc::EACCES),
            "{error:?}"
        );
    });
    assert_eq!(child.ended(), 0);
    holder.kill();
    scene.assert_had();
}

#[test]
fn a_stopped_process_keeps_its_lock_until_it_goes_on() {
    let scene = scene();
    let holder = scene.holder(|| scene.await_word(2));
    holder.signal(libc::SIGSTOP);
    assert_eq!(scene.try_take(SHORT), Err(LockError::Busy));
    scene.say(2);
    assert_eq!(scene.try_take(SHORT), Err(LockError::Busy));
    holder.signal(libc::SIGCONT);
    scene.assert_had();
    assert_eq!(holder.ended(), 0);
}

#[test]
fn what_was_locked_before_the_file_was_adopted_is_free() {
    let scene = scene();
    let dead = scene.holder(wait_for_a_signal);
    let path = scene.directory.path().join("app.db");
    let attachment = Attachment::open(&scene.directory.path().join("lock"), &path).expect("opens");
    let database = DatabaseFile::at(&path).expect("is there");
    // As of a copy of the file: whose owner it was lives, and is not asked.
    attach::adopt(&scene.live, &attachment, &path, database).expect("is adopted");
    let began = Instant::now();
    scene.try_take(Duration::ZERO).expect("is free");
    assert!(began.elapsed() < SHORT);
    assert!(owners::all(&scene.live.memory).len() <= 1, "the owners of before are forgotten");
    dead.kill();
}

#[test]
fn who_cannot_be_asked_counts_as_alive_and_the_error_says_why() {
    let scene = scene();
    let holder = scene.holder(wait_for_a_signal);
    scene.try_take(Duration::ZERO).expect_err("is held");
    std::fs::rename(scene.path(), scene.directory.path().join("elsewhere")).expect("is moved");
    let error = scene.try_take(SHORT).expect_err("no owner can be asked");
    assert!(matches!(error, LockError::NotAsked(why) if why.errno == libc::ENOENT), "{error:?}");
    assert!(scene.live.header(header::INQUIRIES_FAILED) > 0);
    holder.kill();
    scene.try_take(SHORT).expect_err("no owner can be asked");
    std::fs::rename(scene.directory.path().join("elsewhere"), scene.path()).expect("is back");
    scene.assert_had();
}

#[test]
fn who_may_not_open_the_file_gets_an_error() {
    let scene = scene();
    scene.live.memory.owner().resign(&scene.live.memory);
    scene.live.set_header(header::NEXT_ID, 1 << 62);
    let error = scene.try_take(LONG).expect_err("there is no id");
    assert!(matches!(error, LockError::NotRegistered(_)), "{error:?}");
    scene.live.set_header(header::NEXT_ID, scene.live.header(header::FLOOR) + 1);
    std::fs::rename(scene.path(), scene.directory.path().join("elsewhere")).expect("is moved");
    let error = scene.try_take(LONG).expect_err("it is not there");
    assert!(matches!(error, LockError::NotRegistered(why) if why.errno != 0), "{error:?}");
}

#[test]
fn a_lock_that_has_become_anothers_poisons_the_file() {
    let scene = scene();
    let held = lock::take(&scene.live.memory, LOCK, LONG).expect("is free");
    scene.live.set_header(LOCK, scene.live.memory.owner().id() + 1);
    drop(held);
    assert_eq!(scene.live.poison(), Some(Poison::Damaged));
}

#[test]
fn a_child_of_a_process_with_memory_of_its_own_has_a_copy() {
    let identity = Identity { database_id: [1, 2], hash_key: [3, 4], epoch: 1, token: 5 };
    let live = attach::create_anonymous(identity).expect("is made");
    let held = lock::take(&live.memory, LOCK, LONG).expect("is free");
    let child = Child::of(|| {
        // The thread that holds it is not here.
        lock::take(&live.memory, LOCK, LONG).map(std::mem::forget).expect("the lock is free");
        live.set_header(MEETING, 7);
    });
    assert_eq!(child.ended(), 0);
    assert_eq!(live.header(MEETING), 0);
    drop(held);
    assert_eq!(live.poison(), None);
}

#[test]
fn an_owner_is_in_the_table_while_it_is_one() {
    let scene = scene();
    scene.assert_had();
    let own = scene.live.memory.owner().id();
    let holder = scene.holder(wait_for_a_signal);
    let all = owners::all(&scene.live.memory);
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|owner| owner.is_pinned && owner.started > 0));
    assert!(all.iter().any(|owner| owner.id == own && owner.pid == std::process::id()));
    assert!(all.iter().any(|owner| owner.pid == holder.0 as u32));
    scene.live.memory.owner().resign(&scene.live.memory);
    assert_eq!(owners::all(&scene.live.memory).len(), 1);
    holder.kill();
}
