//! Crashes on command, for the crash tests: compiled in only with the feature `crash_points`.
//!
//! A test starts a process with `COTAS_CRASH=name` or `COTAS_CRASH=name:n` and the process kills
//! itself, as `kill -9` would, the n-th time it comes to that point; with `COTAS_STOP` as well it
//! stops there, as by `kill -STOP`. `COTAS_WITHOUT=undo,lock,...`
//! switches guards off, to prove that the tests notice.

/// A guard that a negative control removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The lock of a record.
    Lock,
    /// The undo record of a record.
    Undo,
    /// The look-up of idempotency keys.
    Dedupe,
    /// The settling of commits whose outcome is unknown.
    Settle,
    /// The comparison of the token in the database with those of the live file.
    Token,
    /// That a checkpoint is of one instant.
    Instant,
    /// That a commit waits for the disk.
    Sync,
    /// That the age of what a round did not write stays.
    Lag,
    /// That a session which goes on is written only when it outlasts what SQLite has of it.
    Slack,
    /// That a checkpoint leaves out nothing that SQLite does not have.
    Saved,
}

#[cfg(not(feature = "crash_points"))]
mod switched {
    /// No guard is ever off.
    #[inline(always)]
    pub(crate) const fn off(_: super::Guard) -> bool {
        false
    }

    /// No process is killed here.
    #[inline(always)]
    pub(crate) const fn point(_: &str) {}
}

#[cfg(feature = "crash_points")]
mod switched {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct CrashPlan {
        name: String,
        left: AtomicU64,
    }

    fn plan() -> Option<&'static CrashPlan> {
        static PLAN: OnceLock<Option<CrashPlan>> = OnceLock::new();
        PLAN.get_or_init(|| {
            let text = std::env::var("COTAS_CRASH").ok()?;
            let (name, count) = match text.split_once(':') {
                Some((name, count)) => (name, count.parse().ok()?),
                None => (text.as_str(), 1),
            };
            Some(CrashPlan { name: name.to_owned(), left: AtomicU64::new(count) })
        })
        .as_ref()
    }

    pub(crate) fn off(guard: super::Guard) -> bool {
        static OFF: OnceLock<[bool; 10]> = OnceLock::new();
        let off = OFF.get_or_init(|| {
            let text = std::env::var("COTAS_WITHOUT").unwrap_or_default();
            [
                "lock", "undo", "dedupe", "settle", "token", "instant", "sync", "lag", "slack",
                "saved",
            ]
            .map(|name| text.split(',').any(|word| word == name))
        });
        off.get(guard as usize).copied().unwrap_or(false)
    }

    pub(crate) fn point(name: &str) {
        let Some(plan) = plan() else { return };
        if plan.name == name && plan.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            crate::live::signal_this_process(std::env::var_os("COTAS_STOP").is_some());
        }
    }
}

pub(crate) use switched::{off, point};
