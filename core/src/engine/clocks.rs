//! What time it is: the clock's, unless that ran far ahead of the time since the boot.

use super::{Engine, Shared};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::live::clocks::ClockSource;

impl Engine {
    /// What the engine's clock shows. A wall clock that ran more than a day ahead of the time since
    /// the boot is not believed until [`confirm_clock`](Self::confirm_clock), until it returns, or
    /// until an hour has passed; meanwhile it is as if it had gone on.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.clock {
            None => self.shared.look_at_machine_clock(),
            Some(clock) => self.shared.look_at(&**clock),
        }
    }

    /// The same for decisions, at the price of reading the clock.
    #[inline(always)]
    pub(super) fn now_of_decision(&self) -> Timestamp {
        match &self.clock {
            None => {
                let now = SystemClock.now();
                if self.shared.live.was_looked_at(now) {
                    now.plus_ms(self.shared.live.clock_ahead().saturating_neg())
                } else {
                    self.shared.look_at_machine_clock()
                }
            }
            Some(clock) => self.shared.look_at(&**clock),
        }
    }

    /// Believes the clock as it stands, where it is one that is looked at.
    pub(super) fn believe_clock(&self) {
        let live = &self.shared.live;
        let (clock, source) = match &self.clock {
            None => (SystemClock.now_and_boot_ms(), ClockSource::Machine),
            Some(clock) => (clock.now_and_boot_ms(), source_of(&**clock)),
        };
        if let Some((wall, boot)) = clock.filter(|_| live.looks_at(source)) {
            live.confirm_clock(wall, boot);
        }
    }
}

fn source_of(clock: &dyn Clock) -> ClockSource {
    if clock.is_wall() { ClockSource::Machine } else { ClockSource::Manual }
}

impl Shared {
    /// The machine's time, looked at.
    #[cold]
    pub(super) fn look_at_machine_clock(&self) -> Timestamp {
        self.look_at(&SystemClock)
    }

    fn look_at(&self, clock: &dyn Clock) -> Timestamp {
        let Some((wall, boot)) = clock.now_and_boot_ms() else { return clock.now() };
        let source = source_of(clock);
        self.live.look_at_clocks(source, wall, boot);
        let is_believed = !self.live.looks_at(source);
        let ahead_ms = if is_believed { 0 } else { self.live.clock_ahead() };
        clock.now().plus_ms(ahead_ms.saturating_neg())
    }
}
