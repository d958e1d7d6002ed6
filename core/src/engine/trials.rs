//! Demonstrations end by themselves (docs/sources.md, Helena): maintenance announces that one will
//! be removed, and removes it when its time has come.

use super::administer::DURABLE;
use super::purge::By;
use super::{Engine, Shared};
use crate::clock::{DAY_MS, Timestamp};
use crate::error::Error;
use crate::live::directory;
use crate::rules::{EventKind, Status, TenantEvent};

/// Demonstrations that one look announces, and that one removes.
const AT_ONCE: u32 = 200;

impl Engine {
    /// Does now what maintenance does with demonstrations that have ended, by this engine's clock:
    /// announces the removal of each 7 days before it, by an event, and removes those whose time
    /// has come: `trial.delete_after` of the catalog after their end. One that has an invoice that
    /// is not cancelled stays, and so does one that has chosen a plan. Gives the names of those
    /// removed. Waits for the disk.
    pub fn remove_ended_trials(&self) -> Result<Vec<String>, Error> {
        self.shared.remove_ended_trials(self.now())
    }
}

impl Shared {
    /// Announces and removes ended demonstrations, as far as their time has come at `now`. One
    /// that fails does not keep the others from it.
    pub(super) fn remove_ended_trials(&self, now: Timestamp) -> Result<Vec<String>, Error> {
        let Some(days) = self.compiled()?.catalog.trial.delete_after_days else {
            return Ok(Vec::new());
        };
        let delete_after_ms = i64::from(days) * DAY_MS;
        let mut failed = None;
        for trial in self.store.trials_to_announce(now, delete_after_ms, AT_ONCE)? {
            let Some(at) = directory::find(&self.live.memory, trial.hash) else { continue };
            if let Err(error) = self.announce(at, &trial.name, now, delete_after_ms) {
                failed = failed.or(Some(error));
            }
        }
        let mut removed = Vec::new();
        for trial in self.store.trials_to_remove(now, delete_after_ms, AT_ONCE)? {
            let Some(at) = directory::find(&self.live.memory, trial.hash) else { continue };
            match self.purge(at, &trial.name, now, By::Maintenance) {
                Ok(()) => removed.push(trial.name),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(removed), Err)
    }

    /// Writes the event that says when a demonstration will be removed.
    fn announce(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        delete_after_ms: i64,
    ) -> Result<(), Error> {
        self.administer(at, name, now, DURABLE, |tx| {
            let account = &tx.loaded.account;
            let Some(end) = account.demo_ends_at.filter(|_| account.status == Status::Demo) else {
                return Ok(());
            };
            tx.write.note_removal_announced(tx.loaded.row, Some(tx.now))?;
            let notice = tx.write.notice_ms(tx.loaded.row, delete_after_ms)?;
            let removal = end.plus_ms(delete_after_ms).max(tx.now.plus_ms(notice));
            let kind = EventKind::RemovalAnnounced { removal };
            tx.events.push(TenantEvent { at: tx.now, resource: None, kind });
            Ok(())
        })
    }
}
