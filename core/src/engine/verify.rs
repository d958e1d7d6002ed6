//! The conservation audit (I5): the books in SQLite, and every block against them.

use std::path::Path;

use super::lane::merge;
use super::{Engine, Shared};
use crate::error::{Error, OpenError};
use crate::live::block::BlockGuard;
use crate::live::directory;
use crate::live::layout::{block, claims};
use crate::rules::{Account, Mode};

/// Something that does not add up. A sound database has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The tenant; empty: the database as a whole.
    pub tenant: String,
    /// What is wrong, with the figures.
    pub what: String,
}

impl Engine {
    /// Proves that nothing was lost or invented: for every grant, what was granted is what was
    /// consumed, remains, expired and was revoked; for every period, what the grants gave is what
    /// was used; and that live file and database agree. Writes a checkpoint first; waits for the
    /// disk.
    pub fn verify(&self) -> Result<Vec<Finding>, Error> {
        self.shared.checkpoint()?;
        let mut findings: Vec<_> = self
            .shared
            .store
            .audit()?
            .into_iter()
            .map(|it| Finding { tenant: it.tenant, what: it.what })
            .collect();
        for tenant in self.shared.store.tenants()? {
            match directory::find(&self.shared.live.memory, tenant.hash) {
                Some(at) => self.shared.verify_block(at, &tenant.name, &mut findings)?,
                None => findings.push(Finding {
                    tenant: tenant.name,
                    what: "it has no block in the live file".to_owned(),
                }),
            }
        }
        Ok(findings)
    }

    /// Copies the database, as of now, to `target`, which must not exist yet. The copy opens by
    /// itself anywhere; put in this database's place it is refused while the live file is newer.
    pub fn backup(&self, target: impl AsRef<Path>) -> Result<(), Error> {
        let target = target.as_ref();
        self.shared.checkpoint()?;
        if target.exists() {
            let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            let path = target.to_owned();
            return Err(OpenError::Io { doing: "write the backup", path, source }.into());
        }
        Ok(self.shared.store.backup(target)?)
    }
}

impl Shared {
    fn verify_block(&self, at: u64, name: &str, findings: &mut Vec<Finding>) -> Result<(), Error> {
        let mut report = |what: String| findings.push(Finding { tenant: name.to_owned(), what });
        // The lane keeps SQLite as it is; decisions go on, but not on this block.
        let _lane = self.enter_lane()?;
        let hash = directory::hash_of(&self.live.memory, at);
        let Some(loaded) = self.store.load_tenant(hash)? else { return Ok(()) };
        let saved_claims = self.store.claims(loaded.row)?;
        let guard = self.lock_block(at)?;
        if guard.pending().is_some() || guard.get(block::ADMIN_SEQ) != loaded.admin_seq {
            return Ok(()); // Resolved at its next decision.
        }
        let mut account = loaded.account.clone();
        merge(&mut account, &guard);
        check_usage(&guard, &account, &mut report);
        if !guard.is_dirty() {
            if account.used != loaded.account.used || account.grants != loaded.account.grants {
                report("the live file and SQLite differ in units".to_owned());
            }
            if guard.claims() != saved_claims {
                report("the live file and SQLite differ in claims".to_owned());
            }
        }
        check_claims(&guard, &mut report);
        Ok(())
    }
}

/// For the current period: what the grants gave is what was used.
fn check_usage(guard: &BlockGuard<'_>, account: &Account, report: &mut impl FnMut(String)) {
    for (&resource, &used) in &account.used {
        let finite = guard.slot(resource).is_some_and(|slot| slot.mode() == Mode::Finite);
        let given: u64 = account
            .grants
            .iter()
            .filter(|grant| grant.resource == resource)
            .map(crate::rules::Grant::consumed_in_period)
            .sum();
        if finite && given != used {
            report(format!("resource {}: used {used}, the grants gave {given}", resource.0));
        }
    }
}

/// The claim table holds together: every claim is found by its key, the lists run both ways.
fn check_claims(guard: &BlockGuard<'_>, report: &mut impl FnMut(String)) {
    let table = guard.get(block::CLAIMS);
    if table == 0 {
        return;
    }
    let images = guard.claims();
    let live = guard.memory.get(table + claims::LIVE);
    if images.len() as u64 != live {
        report(format!("{} claims are in use, the table counts {live}", images.len()));
    }
    for image in &images {
        let key = crate::live::Hash128 { low: image.key[0], high: image.key[1] };
        if guard.find_claim(key).map(|place| place.0) != Some(image.place) {
            report(format!("claim {} is not found by its key", image.place));
        }
    }
    let lists =
        guard.slots().map(|(_, slot)| BlockGuard::session_list(slot)).chain([table + claims::KEYS]);
    for list in lists {
        if !guard.list_is_sound(list) {
            report("an expiry list is broken".to_owned());
        }
    }
}
