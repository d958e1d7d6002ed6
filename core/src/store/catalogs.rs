//! Catalog versions, and the numbers that names were given.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, Write, sqlite};
use crate::catalog::{Catalog, NamedResource, Names, Plan};
use crate::clock::Timestamp;
use crate::error::StoreError;

const DOING: &str = "reading the catalog";

/// The newest catalog, its version, and all names.
pub(crate) type Newest = Option<(u64, Catalog, Names)>;

fn newest(connection: &Connection) -> Result<Newest, StoreError> {
    let row: Option<(u64, String)> = connection
        .prepare_cached("SELECT version, catalog FROM catalogs ORDER BY version DESC LIMIT 1")
        .and_then(|mut statement| {
            statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(sqlite(DOING))?;
    let Some((version, text)) = row else { return Ok(None) };
    let catalog = serde_json::from_str(&text).map_err(|error| StoreError::Corrupt {
        what: "catalog",
        value: format!("version {version}: {error}"),
    })?;
    Ok(Some((version, catalog, names(connection)?)))
}

fn names(connection: &Connection) -> Result<Names, StoreError> {
    let mut names = Names::default();
    let mut statement = connection
        .prepare_cached("SELECT kind, name, resource_kind FROM names ORDER BY kind, number")
        .map_err(sqlite(DOING))?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))
        .map_err(sqlite(DOING))?;
    for row in rows {
        let (what, name, kind) = row.map_err(sqlite(DOING))?;
        if what == "resource" {
            names.resources.push(NamedResource { name, kind });
        } else {
            names.features.push(name);
        }
    }
    Ok(names)
}

impl Store {
    /// The newest catalog.
    pub(crate) fn newest_catalog(&self) -> Result<Newest, StoreError> {
        self.with(|connection| newest(connection))
    }
}

impl Write<'_> {
    /// The newest catalog.
    pub(crate) fn newest_catalog(&self) -> Result<Newest, StoreError> {
        newest(self.connection)
    }

    /// A plan as a version of the catalog had it.
    pub(crate) fn plan(&self, version: u64, plan: &str) -> Result<Option<Plan>, StoreError> {
        let text: Option<String> = self
            .connection
            .prepare_cached("SELECT catalog FROM catalogs WHERE version = ?1")
            .and_then(|mut statement| statement.query_row([version], |row| row.get(0)).optional())
            .map_err(sqlite("reading a plan"))?;
        let Some(text) = text else { return Ok(None) };
        let mut catalog: Catalog = serde_json::from_str(&text)
            .map_err(|error| StoreError::Corrupt { what: "catalog", value: error.to_string() })?;
        Ok(catalog.plans.remove(plan))
    }

    /// Adds a version, with the names that it brings.
    pub(crate) fn insert_catalog(
        &self,
        version: u64,
        at: Timestamp,
        catalog: &Catalog,
        names: &Names,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(catalog)
            .map_err(|error| StoreError::Corrupt { what: "catalog", value: error.to_string() })?;
        let write = || -> rusqlite::Result<()> {
            self.connection
                .prepare_cached("INSERT INTO catalogs VALUES (?1, ?2, ?3)")?
                .execute(params![version, at.ms(), text])?;
            let mut insert = self.connection.prepare_cached(
                // A name stays as it is, except that a kind not known before is added to it.
                "INSERT INTO names (kind, number, name, resource_kind) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (kind, number) DO UPDATE SET resource_kind = excluded.resource_kind
                 WHERE resource_kind = '' AND excluded.resource_kind <> ''",
            )?;
            for (number, NamedResource { name, kind }) in names.resources.iter().enumerate() {
                insert.execute(params!["resource", number, name, kind])?;
            }
            for (number, name) in names.features.iter().enumerate() {
                insert.execute(params!["feature", number, name, ""])?;
            }
            Ok(())
        };
        write().map_err(sqlite("writing the catalog"))
    }
}
