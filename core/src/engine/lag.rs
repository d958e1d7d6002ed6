//! The lag of SQLite behind the live file: what a power cut would cost, the alarm when checkpoints
//! fail, and the refusal of decisions that would make it longer.

use std::time::Duration;

use super::{Engine, Maintenance, Shared};
use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::rules::{EventKind, TenantEvent};
use crate::store::{Sync, Write};

/// How long checkpoints fail before it is an alarm: one round may meet a tenant that is held.
pub(crate) const ALARM_AFTER_MS: u64 = 1_000;

/// How far SQLite is behind the live file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Lag {
    /// Age of the oldest change that is not known to be in SQLite, in milliseconds: what a power
    /// cut would cost. 0: everything is there.
    pub lag_ms: u64,
    /// For how long rounds of checkpoints have failed, in milliseconds; absent: the last one
    /// succeeded.
    pub failing_ms: Option<u64>,
    /// The code of the last failure's error, as [`Error::code`] has it; absent: as above.
    pub failure: Option<i32>,
    /// Rounds that have failed since the live file was made.
    pub rounds_failed: u64,
    /// Whether checkpoints have failed for so long that someone should look.
    pub alarm: bool,
}

impl Engine {
    /// How far SQLite is behind the live file, over all processes. Reads a few words of it.
    #[must_use]
    pub fn lag(&self) -> Lag {
        let live = &self.shared.live;
        let failing = live.failing();
        Lag {
            lag_ms: live.lag_ms(),
            failing_ms: failing.map(|(ms, _)| ms),
            failure: failing.map(|(_, code)| code),
            rounds_failed: live.rounds_failed(),
            alarm: failing.is_some_and(|(ms, _)| ms >= ALARM_AFTER_MS),
        }
    }

    /// Refuses if the live file may no longer be used, or if this process limits the lag and it is
    /// longer.
    #[inline(always)]
    pub(super) fn check_may_decide(&self) -> Result<(), Error> {
        if self.shared.live.memory.is_undisturbed() { Ok(()) } else { self.look_closer() }
    }

    #[cold]
    fn look_closer(&self) -> Result<(), Error> {
        self.shared.check_poison()?;
        let live = &self.shared.live;
        let Some(max_ms) = live.memory.lag_max_ms() else { return Ok(()) };
        if live.lag_ms() <= max_ms {
            return Ok(());
        }
        // A refused decision sees to it that checkpoints go on, as one that was made does.
        match self.shared.maintenance {
            Maintenance::Thread => self.ensure_maintenance_thread(),
            Maintenance::Inline => self.shared.checkpoint_if_overdue(self.now()),
            Maintenance::External => {}
        }
        match live.lag_ms() {
            lag_ms if lag_ms > max_ms => Err(Error::Lagging { lag_ms, lag_max_ms: max_ms }),
            _ => Ok(()),
        }
    }
}

impl Shared {
    /// Notes whether a round succeeded. The first that does after an alarm reports it to those who
    /// read events: while checkpoints fail, nothing can be written.
    pub(super) fn note_outcome<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &outcome {
            self.live.note_failed(error.code());
        } else if let Some((ms, code)) = self.live.failing() {
            // What could not be reported is reported by the next round.
            if ms < ALARM_AFTER_MS || self.report_failing(ms, code).is_ok() {
                self.live.note_succeeded();
            }
        }
        outcome
    }

    fn report_failing(&self, ms: u64, code: i32) -> Result<(), Error> {
        let _writer_lock = self.lock_writer_within(Duration::ZERO)?;
        let kind = EventKind::CheckpointsFailed { failing_ms: ms, failure: code };
        let began = i64::try_from(ms).unwrap_or(i64::MAX);
        let at = SystemClock.now().plus_ms(began.saturating_neg());
        self.store.with(|connection| {
            let mut write = Write::begin(connection, &self.live, Sync::Full)?;
            write.report_without_tenant(&TenantEvent { at, resource: None, kind })?;
            Ok(write.commit()?)
        })
    }
}
