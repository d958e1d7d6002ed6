//! Making a live file from SQLite: the state of the last checkpoint.

use std::path::Path;
use std::time::Duration;

use super::admin_tx::count_seats;
use super::open::identity;
use crate::catalog::{Catalog, Compiled, Names};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, OpenError};
use crate::live::attach;
use crate::live::entry_capacity::EntryError;
use crate::live::record::{self, RecordGuard};
use crate::live::snapshot::EntryImage;
use crate::live::{Identity, LiveFile, directory};
use crate::rules::entitlements;
use crate::store::{Loaded, Meta, Store};

/// Makes a new live file for the database at `path` and puts it at `live_path`, under a new
/// epoch. The caller is the only one attached. A crash before the end leaves what was there.
pub(super) fn rebuild(
    store: &Store,
    meta: &Meta,
    path: &Path,
    live_path: &Path,
) -> Result<LiveFile, Error> {
    let epoch = meta.epoch + 1;
    let mut live = attach::create(live_path, path, Identity { epoch, ..identity(meta) })?;
    let compiled = match store.newest_catalog()? {
        Some((version, catalog, names)) => {
            let compiled = Compiled::new(version, catalog, names);
            live.publish_catalog(live.write_catalog(version, &compiled.to_bytes())?);
            compiled
        }
        None => Compiled::new(0, Catalog::empty(), Names::default()),
    };
    let mut latest = Timestamp::MIN;
    store.for_each_tenant(|hash, mut loaded, entries| {
        latest = latest.max(loaded.account.high_water_mark);
        count_seats(&mut loaded.account, &compiled.rulebook);
        // Also those that the plan does not have: a counter must know that it is of leases.
        for resource in entries.iter().flat_map(EntryImage::leased) {
            *loaded.account.held.entry(resource).or_default() += 1;
        }
        let counters = compiled.names.resources.len() as u16;
        let at = record::create(&live.memory, hash, counters)?;
        let mut guard =
            RecordGuard::lock(&live.memory, at, Duration::from_secs(1)).map_err(OpenError::from)?;
        restore(&mut guard, &compiled, &loaded, &entries)?;
        drop(guard);
        directory::insert(&live.memory, at, hash)?;
        Ok::<_, Error>(())
    })?;
    if latest > SystemClock.now() {
        // The clock was set back while no process measured by how much.
        live.note_restart();
    }
    crate::crash_points::point("rebuild.filled");
    let name = live_path.to_str().ok_or_else(|| Error::InvalidArgument {
        what: "path of the live file",
        why: "it is not UTF-8".to_owned(),
    })?;
    store.note_live_file(name, epoch)?;
    attach::publish(&mut live, live_path)?;
    Ok(live)
}

fn restore(
    guard: &mut RecordGuard<'_>,
    compiled: &Compiled,
    loaded: &Loaded,
    entries: &[EntryImage],
) -> Result<(), Error> {
    let account = &loaded.account;
    let entitlements = entitlements(account, &compiled.rulebook, account.high_water_mark);
    guard.ensure_entitlements(&entitlements)?;
    guard.write_entitlements(&entitlements, loaded.admin_seq);
    guard.write_seq(loaded.seq);
    guard.write_event_number(loaded.next_event);
    guard.restore_entries(entries).map_err(|error| match error {
        EntryError::Grow(error) => error.into(),
        EntryError::CheckpointNeeded => Error::Poisoned("the entries of a tenant do not fit"),
    })?;
    // Entries were made by operations of their own; SQLite has all of them.
    guard.write_seq(loaded.seq);
    Ok(())
}
