//! The conservation audit (I5): the books in SQLite, and every block against them.

use std::collections::BTreeMap;
use std::path::Path;

use super::lane::merge;
use super::{Engine, Shared};
use crate::error::{Error, OpenError};
use crate::live::Hash128;
use crate::live::block::BlockGuard;
use crate::live::claims::{ClaimKind, NO_KEY, Place, ReservationState, slot_heap};
use crate::live::directory;
use crate::live::layout::{block, claims, slot};
use crate::live::snapshot::ClaimImage;
use crate::rules::{Account, Counting, ResourceId, Usage};

/// Something that does not add up. A sound database has none.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
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
        merge(&mut account, &self.compiled()?.rulebook, &guard);
        check_usage(&account, &mut report);
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

/// For the current period: what the grants gave, and what goes beyond, is what was used.
fn check_usage(account: &Account, report: &mut impl FnMut(String)) {
    for (&resource, &Usage { used, beyond }) in &account.used {
        let of_resource = account.grants.iter().filter(|grant| grant.resource == resource);
        let given: u64 = of_resource.map(crate::rules::Grant::consumed_in_period).sum();
        if given + beyond != used {
            let number = resource.0;
            report(format!("resource {number}: used {used}, given {given} and {beyond} beyond"));
        }
    }
}

/// The claim table holds together: every claim is found by its key, the heaps are in order, and
/// what is held is what claims hold.
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
    let mut hung = 0;
    for image in &images {
        let key = Hash128 { low: image.key[0], high: image.key[1] };
        let found = guard.find_claim(key).map(|place| place.0);
        if key != NO_KEY && found != Some(image.place) {
            report(format!("claim {} is not found by its key", image.place));
        }
        hung += u64::from(guard.heap_of(image.meta).is_some());
    }
    let of_slots = guard.slots().map(|(_, slot)| slot_heap(slot));
    let mut in_heaps = 0;
    for heap in of_slots.chain([guard.kept_heap(), guard.hold_heap()]) {
        match guard.heap_is_sound(heap) {
            Ok(entries) => in_heaps += entries,
            Err(what) => report(what),
        }
    }
    if hung != in_heaps {
        report(format!("{hung} claims expire, {in_heaps} hang in heaps"));
    }
    check_held(guard, &images, report);
}

/// What is held of each resource is what open reservations hold, and what leases do.
fn check_held(guard: &BlockGuard<'_>, images: &[ClaimImage], report: &mut impl FnMut(String)) {
    let mut held: BTreeMap<ResourceId, u64> = BTreeMap::new();
    let mut leased: BTreeMap<ResourceId, u64> = BTreeMap::new();
    for place in images.iter().map(|image| Place(image.place)) {
        match guard.claim_kind(place) {
            Some(ClaimKind::Reservation)
                if guard.claim_state(place) == ReservationState::Open as u8 =>
            {
                for taken in guard.record(place, ClaimKind::Reservation) {
                    *held.entry(taken.resource).or_default() += taken.units;
                }
            }
            Some(ClaimKind::Lease) => {
                for resource in guard.lease_resources(place) {
                    *leased.entry(resource).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    for (resource, slot) in guard.slots() {
        let (by_claims, counted) =
            (held.get(&resource).copied().unwrap_or(0), slot.get(slot::HELD));
        if by_claims != counted {
            let number = resource.0;
            report(format!("resource {number}: {by_claims} are held, {counted} are counted"));
        }
        let by_claims = leased.get(&resource).copied().unwrap_or(0);
        if slot.terms().counting == Counting::Leases && by_claims != slot.used() {
            let (number, counted) = (resource.0, slot.used());
            report(format!("resource {number}: {by_claims} leases, {counted} are counted"));
        }
    }
}
