//! Making a live file from SQLite: the state of the last checkpoint.

use std::path::Path;
use std::time::Duration;

use super::lane::count_seats;
use super::open::identity;
use crate::catalog::{Catalog, Compiled, Names};
use crate::error::{Error, OpenError};
use crate::live::attach;
use crate::live::block::{self, BlockGuard};
use crate::live::claim_room::ClaimError;
use crate::live::snapshot::ClaimImage;
use crate::live::{Identity, LiveFile, directory};
use crate::rules::standing;
use crate::store::{Loaded, Meta, Store};

/// Makes a new live file for the database at `path` and puts it at `live_path`, under a new
/// epoch. The caller is the only one attached. A death before the end leaves what was there.
pub(super) fn rebuild(
    store: &Store,
    meta: &Meta,
    path: &Path,
    live_path: &Path,
) -> Result<LiveFile, Error> {
    let epoch = meta.epoch + 1;
    let live = attach::create(live_path, path, Identity { epoch, ..identity(meta) })?;
    let compiled = match store.newest_catalog()? {
        Some((version, catalog, names)) => {
            let compiled = Compiled::new(version, catalog, names);
            live.publish_catalog(live.write_catalog(version, &compiled.to_bytes())?);
            compiled
        }
        None => Compiled::new(0, Catalog::empty(), Names::default()),
    };
    store.for_each_tenant(|hash, mut loaded, claims| {
        count_seats(&mut loaded.account, &compiled.rulebook);
        // Also those that the plan does not have: a slot must know that it is of leases.
        for resource in claims.iter().flat_map(ClaimImage::leased) {
            *loaded.account.held.entry(resource).or_default() += 1;
        }
        let slots = compiled.names.resources.len() as u16;
        let at = block::create(&live.memory, hash, slots)?;
        let mut guard =
            BlockGuard::lock(&live.memory, at, Duration::from_secs(1)).map_err(OpenError::from)?;
        restore(&mut guard, &compiled, &loaded, &claims)?;
        drop(guard);
        directory::insert(&live.memory, at, hash)?;
        Ok::<_, Error>(())
    })?;
    crate::torture::point("rebuild.filled");
    let name = live_path.to_str().ok_or_else(|| Error::InvalidArgument {
        what: "path of the live file",
        why: "it is not UTF-8".to_owned(),
    })?;
    store.note_live_file(name, epoch)?;
    attach::publish(&live, live_path)?;
    Ok(live)
}

fn restore(
    guard: &mut BlockGuard<'_>,
    compiled: &Compiled,
    loaded: &Loaded,
    claims: &[ClaimImage],
) -> Result<(), Error> {
    let account = &loaded.account;
    let standing = standing(account, &compiled.rulebook, account.mark);
    guard.ensure_standing(&standing)?;
    guard.write_standing(&standing, loaded.admin_seq);
    guard.write_seq(loaded.seq);
    guard.write_event_number(loaded.next_event);
    guard.restore_claims(claims).map_err(|error| match error {
        ClaimError::Grow(error) => error.into(),
        ClaimError::CheckpointNeeded => Error::Poisoned("the claims of a tenant do not fit"),
    })?;
    // Claims were made by operations of their own; SQLite has all of them.
    guard.write_seq(loaded.seq);
    Ok(())
}
