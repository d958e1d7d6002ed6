//! Catalog versions, and the numbers that names were given.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, Write, sqlite};
use crate::catalog::{Catalog, Names};
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
        .prepare_cached("SELECT kind, name FROM names ORDER BY kind, number")
        .map_err(sqlite(DOING))?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .map_err(sqlite(DOING))?;
    for row in rows {
        let (kind, name) = row.map_err(sqlite(DOING))?;
        let list = if kind == "resource" { &mut names.resources } else { &mut names.features };
        list.push(name);
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
                "INSERT OR IGNORE INTO names (kind, number, name) VALUES (?1, ?2, ?3)",
            )?;
            for (kind, names) in [("resource", &names.resources), ("feature", &names.features)] {
                for (number, name) in names.iter().enumerate() {
                    insert.execute(params![kind, number, name])?;
                }
            }
            Ok(())
        };
        write().map_err(sqlite("writing the catalog"))
    }
}
