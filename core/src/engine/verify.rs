//! The conservation audit (docs/invariants.md, I5): the ledger in SQLite, and every record against
//! it.

use std::collections::BTreeMap;
use std::path::Path;

use super::admin_tx::merge;
use super::{Engine, Shared};
use crate::catalog::Compiled;
use crate::error::{Error, OpenError};
use crate::live::Hash128;
use crate::live::directory;
use crate::live::entries::{EntryIndex, EntryKind, NO_KEY, ReservationState, counter_heap};
use crate::live::layout::{counter, entries, header, record};
use crate::live::record::RecordGuard;
use crate::live::snapshot::EntryImage;
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
        if let Some(what) = self.shared.verify_catalog()? {
            findings.push(Finding { tenant: String::new(), what });
        }
        for tenant in self.shared.store.tenants()? {
            match directory::find(&self.shared.live.memory, tenant.hash) {
                Some(at) => self.shared.verify_record(at, &tenant.name, &mut findings)?,
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
        if target.as_os_str().is_empty() {
            let why = "it is empty; a path is needed".to_owned();
            return Err(Error::InvalidArgument { what: "backup", why });
        }
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
    /// The catalog in the live file is the newest of the database: all limits are read by it.
    fn verify_catalog(&self) -> Result<Option<String>, Error> {
        let _writer_lock = self.lock_writer()?;
        let Some((version, catalog, names)) = self.store.newest_catalog()? else {
            return Ok(None);
        };
        if self.live.header(header::CATALOG_PENDING) != 0 {
            return Ok(None); // Resolved by the next who needs it.
        }
        let expected = Compiled::new(version, catalog, names).to_bytes();
        let is_same = self.live.catalog() == Some((version, expected));
        Ok((!is_same).then(|| "the live file has another catalog than SQLite".to_owned()))
    }

    fn verify_record(&self, at: u64, name: &str, findings: &mut Vec<Finding>) -> Result<(), Error> {
        let mut report = |what: String| findings.push(Finding { tenant: name.to_owned(), what });
        // The admin transaction keeps SQLite as it is; decisions go on, but not on this record.
        let _writer_lock = self.lock_writer()?;
        let hash = directory::hash_of(&self.live.memory, at);
        let Some(loaded) = self.store.load_tenant(hash)? else { return Ok(()) };
        let saved_entries = self.store.entries(loaded.row)?;
        let guard = self.lock_record(at)?;
        if guard.pending().is_some() || guard.get(record::ADMIN_SEQ) != loaded.admin_seq {
            return Ok(()); // Resolved at its next decision.
        }
        let mut account = loaded.account.clone();
        merge(&mut account, &self.compiled()?.rulebook, &guard);
        check_usage(&account, &mut report);
        if !guard.is_dirty() {
            if account.used != loaded.account.used || account.grants != loaded.account.grants {
                report("the live file and SQLite differ in units".to_owned());
            }
            if guard.entries() != saved_entries {
                report("the live file and SQLite differ in entries".to_owned());
            }
        }
        check_entries(&guard, &mut report);
        Ok(())
    }
}

/// For the current period: what the grants gave, and what goes beyond, is what was used.
fn check_usage(account: &Account, report: &mut impl FnMut(String)) {
    for (&resource, &Usage { used, beyond }) in &account.used {
        let of_resource = account.grants.iter().filter(|grant| grant.resource == resource);
        let given: u64 = of_resource.map(crate::rules::Grant::consumed_in_period).sum();
        if given.checked_add(beyond) != Some(used) {
            let number = resource.0;
            report(format!("resource {number}: used {used}, given {given} and {beyond} beyond"));
        }
    }
}

/// The entry table holds together: every entry is found by its key, the heaps are in order, and
/// what is held is what entries hold.
fn check_entries(guard: &RecordGuard<'_>, report: &mut impl FnMut(String)) {
    let table = guard.get(record::ENTRIES);
    if table == 0 {
        return;
    }
    let images = guard.entries();
    let live = guard.memory.get(table + entries::LIVE);
    if images.len() as u64 != live {
        report(format!("{} entries are in use, the table counts {live}", images.len()));
    }
    let mut hung = 0;
    for image in &images {
        let key = Hash128 { low: image.key[0], high: image.key[1] };
        let found = guard.find_entry(key).map(|index| index.0);
        if key != NO_KEY && found != Some(image.index) {
            report(format!("entry {} is not found by its key", image.index));
        }
        hung += u64::from(guard.heap_of(image.meta).is_some());
    }
    let of_counters = guard.counters().map(|(_, counter)| counter_heap(counter));
    let mut in_heaps = 0;
    for heap in of_counters.chain([guard.kept_heap(), guard.hold_heap()]) {
        match guard.heap_is_sound(heap) {
            Ok(entries) => in_heaps += entries,
            Err(what) => report(what),
        }
    }
    if hung != in_heaps {
        report(format!("{hung} entries expire, {in_heaps} are in heaps"));
    }
    check_held(guard, &images, report);
}

/// What is held of each resource is what open reservations hold, and what leases do.
fn check_held(guard: &RecordGuard<'_>, images: &[EntryImage], report: &mut impl FnMut(String)) {
    let mut held: BTreeMap<ResourceId, u64> = BTreeMap::new();
    let mut leased: BTreeMap<ResourceId, u64> = BTreeMap::new();
    for index in images.iter().map(|image| EntryIndex(image.index)) {
        match guard.entry_kind(index) {
            Some(EntryKind::Reservation)
                if guard.entry_state(index) == ReservationState::Open as u8 =>
            {
                for taken in guard.takings(index, EntryKind::Reservation) {
                    let of_resource = held.entry(taken.resource).or_default();
                    *of_resource = of_resource.saturating_add(taken.held());
                }
            }
            Some(EntryKind::Lease) => {
                for resource in guard.lease_resources(index) {
                    *leased.entry(resource).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    for (resource, counter) in guard.counters() {
        let (by_entries, counted) =
            (held.get(&resource).copied().unwrap_or(0), counter.get(counter::HELD));
        if by_entries != counted {
            let number = resource.0;
            report(format!("resource {number}: {by_entries} are held, {counted} are counted"));
        }
        let by_entries = leased.get(&resource).copied().unwrap_or(0);
        if counter.terms().counting == Counting::Leases && by_entries != counter.used() {
            let (number, counted) = (resource.0, counter.used());
            report(format!("resource {number}: {by_entries} leases, {counted} are counted"));
        }
    }
}
