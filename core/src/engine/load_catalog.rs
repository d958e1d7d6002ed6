//! Putting a catalog in force: nothing that a tenant has is taken away by it unawares.

use std::collections::BTreeMap;

use super::{Engine, Shared};
use crate::catalog::{Catalog, Compiled, Limit, Names, NamesError, Removed, Renames};
use crate::crash_points;
use crate::error::Error;
use crate::live::layout::header;
use crate::rules::ResourceId;
use crate::store::{Sync, Write};

/// The most losses that a refusal names.
const LOSSES_NAMED: usize = 8;

/// Something that a new catalog would take from tenants that have it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CatalogLoss {
    /// `resource`, `plan`, `action` or `currency`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// How many tenants have it.
    pub tenants: u64,
    /// Units of a resource that they have used, reserved or left.
    pub units: u64,
    /// What becomes of it, in a sentence.
    pub why: String,
}

impl Engine {
    /// Puts a catalog in force and returns its version. The one in force again is a no-op.
    /// Tenants keep what they have until they are moved to another plan. A catalog that no longer
    /// has a resource, plan or action which tenants have, or has another currency, is refused:
    /// `renamed_from` says that something is only called otherwise. Waits for the disk.
    pub fn load_catalog(&self, catalog: &Catalog) -> Result<u64, Error> {
        self.put_in_force(catalog, false)
    }

    /// As [`load_catalog`](Self::load_catalog), also if it takes something from tenants.
    pub fn load_catalog_confirmed(&self, catalog: &Catalog) -> Result<u64, Error> {
        self.put_in_force(catalog, true)
    }

    /// What loading this catalog would take from tenants, as of the last checkpoint. Reads SQLite.
    pub fn catalog_losses(&self, catalog: &Catalog) -> Result<Vec<CatalogLoss>, Error> {
        let shared = &self.shared;
        let _writer_lock = shared.lock_writer()?;
        shared.finish_pending_catalog()?;
        shared.store.with(|connection| {
            let write = Write::begin(connection, &shared.live, Sync::Normal)?;
            let Some((_, mut before, mut names)) = write.newest_catalog()? else {
                return Ok(Vec::new());
            };
            let renames = Renames::between(&before, catalog).map_err(wrong)?;
            renames.apply(&mut before);
            names.rename(&renames)?;
            losses(&write, &before, catalog, &names)
        })
    }

    fn put_in_force(&self, catalog: &Catalog, is_confirmed: bool) -> Result<u64, Error> {
        let shared = &self.shared;
        let now = self.now();
        // Units are counted as they were last written down.
        shared.checkpoint()?;
        let _writer_lock = shared.lock_writer()?;
        shared.finish_pending_catalog()?;
        shared.store.with(|connection| {
            let mut write = Write::begin(connection, &shared.live, Sync::Full)?;
            write.set_actor(self.actor.as_deref());
            let (version, mut names) = match write.newest_catalog()? {
                Some((version, newest, _)) if newest == *catalog => return Ok(version),
                Some((version, newest, names)) => {
                    let names = succeed(&write, newest, names, catalog, is_confirmed)?;
                    (version + 1, names)
                }
                None => (1, Names::default()),
            };
            names.add(catalog)?;
            // All that may fail comes before the commit.
            let at = shared.write_catalog(version, catalog.clone(), names.clone())?;
            write.insert_catalog(version, now, catalog, &names)?;
            write.audit(None, now, "catalog", &format!("version {version}"))?;
            shared.live.set_header(header::CATALOG_PENDING, version);
            crash_points::point("catalog.pending");
            if let Err(error) = write.commit() {
                if shared.live.poison().is_none() {
                    shared.live.set_header(header::CATALOG_PENDING, 0);
                }
                return Err(error.into());
            }
            crash_points::point("catalog.committed");
            shared.publish_catalog(at);
            Ok(version)
        })
    }
}

/// Writes what a catalog calls otherwise, and refuses it for what it takes away. Gives the names
/// as they are from now on.
fn succeed(
    write: &Write<'_>,
    mut newest: Catalog,
    mut names: Names,
    catalog: &Catalog,
    is_confirmed: bool,
) -> Result<Names, Error> {
    let renames = Renames::between(&newest, catalog).map_err(wrong)?;
    // It gives the kinds where an older version kept the names without.
    names.add(&newest)?;
    if !renames.is_empty() {
        renames.apply(&mut newest);
        names.rename(&renames)?;
        write.rename(&renames)?;
    }
    let losses = losses(write, &newest, catalog, &names)?;
    if losses.is_empty() || is_confirmed {
        return Ok(names);
    }
    let count = losses.len();
    let mut whys: Vec<_> = losses.into_iter().take(LOSSES_NAMED).map(|it| it.why).collect();
    if count > LOSSES_NAMED {
        whys.push(format!("and {} more", count - LOSSES_NAMED));
    }
    Err(wrong(format!(
        "it takes from tenants what they have: {}. Say what is only called otherwise \
         (renamed_from), or confirm the load",
        whys.join("; ")
    )))
}

/// What tenants would lose; `before` has the names of now.
fn losses(
    write: &Write<'_>,
    before: &Catalog,
    after: &Catalog,
    names: &Names,
) -> Result<Vec<CatalogLoss>, Error> {
    let removed = Removed::between(before, after);
    let mut losses = Vec::new();
    for name in removed.resources {
        let Some(resource) = names.resource(&name) else { continue };
        let (tenants, units) = write.have_resource(resource)?;
        let why = format!(
            "the resource {name:?} is not in it, which {} have, with {units} units used, reserved \
             or left",
            count(tenants)
        );
        losses.push(CatalogLoss { what: "resource", name, tenants, units, why });
    }
    for name in removed.plans {
        let tenants = write.have_plan(&name)?;
        let why = format!("the plan {name:?} is not in it, which {} have", count(tenants));
        losses.push(CatalogLoss { what: "plan", name, tenants, units: 0, why });
    }
    let limits = write.limits_in_force()?;
    for name in removed.actions {
        let tenants = limits.len() as u64;
        let why = format!("the action {name:?} is not in it, which {} may take", count(tenants));
        losses.push(CatalogLoss { what: "action", name, tenants, units: 0, why });
    }
    for needs in removed.needs {
        let has = |all: &BTreeMap<ResourceId, Limit>, name: &String| {
            let limit = names.resource(name).and_then(|resource| all.get(&resource));
            limit.is_some_and(|&limit| limit != Limit::Disabled)
        };
        let lose = |all: &&BTreeMap<ResourceId, Limit>| {
            needs.before.iter().all(|name| has(all, name))
                && !needs.now.iter().all(|name| has(all, name))
        };
        let tenants = limits.iter().filter(lose).count() as u64;
        let name = needs.action;
        let why = format!(
            "the action {name:?} needs what the plan version of {} does not have",
            count(tenants)
        );
        losses.push(CatalogLoss { what: "action", name, tenants, units: 0, why });
    }
    if let Some(name) = removed.currency {
        let tenants = write.are_billed()?;
        let why = format!(
            "its currency is {}, and {} have a subscription or an open invoice in {name}",
            after.currency,
            count(tenants)
        );
        losses.push(CatalogLoss { what: "currency", name, tenants, units: 0, why });
    }
    losses.retain(|loss| loss.tenants > 0);
    Ok(losses)
}

fn count(tenants: u64) -> String {
    if tenants == 1 { "1 tenant".to_owned() } else { format!("{tenants} tenants") }
}

fn wrong(why: String) -> Error {
    Error::InvalidArgument { what: "catalog", why }
}

impl Shared {
    fn write_catalog(&self, version: u64, catalog: Catalog, names: Names) -> Result<u64, Error> {
        let compiled = Compiled::new(version, catalog, names);
        Ok(self.live.write_catalog(version, &compiled.to_bytes())?)
    }

    /// Publishes a catalog whose process died between its commit and its publication. The caller
    /// holds the writer lock.
    pub(super) fn finish_pending_catalog(&self) -> Result<(), Error> {
        if self.live.header(header::CATALOG_PENDING) == 0 {
            return Ok(());
        }
        self.store.with(|connection| {
            let write = Write::begin(connection, &self.live, Sync::Normal)?;
            if let Some((version, catalog, names)) = write.newest_catalog()? {
                let at = self.write_catalog(version, catalog, names)?;
                self.publish_catalog(at);
            }
            Ok::<_, Error>(())
        })
    }
}

impl From<NamesError> for Error {
    fn from(error: NamesError) -> Self {
        Error::InvalidArgument { what: "catalog", why: error.to_string() }
    }
}
