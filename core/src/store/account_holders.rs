//! Who tenants are.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, Write, sqlite};
use crate::error::StoreError;

/// Who a tenant is, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountHolderRow {
    pub(crate) person: String,
    /// In its normal form.
    pub(crate) document: Option<String>,
    pub(crate) trade_name: String,
    pub(crate) legal_name: String,
    pub(crate) company_type: String,
    pub(crate) admin_name: String,
    pub(crate) admin_email: String,
    pub(crate) admin_phone: String,
    /// As JSON; empty: there is none.
    pub(crate) address: String,
}

const DOING: &str = "reading who a tenant is";

fn is_taken(connection: &Connection, document: &str) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM profiles WHERE document = ?1)")
        .and_then(|mut statement| statement.query_row([document], |row| row.get(0)))
        .map_err(sqlite(DOING))
}

impl Write<'_> {
    /// Whether a tenant has this document.
    pub(crate) fn document_is_taken(&self, document: &str) -> Result<bool, StoreError> {
        is_taken(self.connection, document)
    }

    /// Writes who a tenant is.
    pub(crate) fn save_account_holder(
        &self,
        tenant: i64,
        row: &AccountHolderRow,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO profiles VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    tenant,
                    row.person,
                    row.document,
                    row.trade_name,
                    row.legal_name,
                    row.company_type,
                    row.admin_name,
                    row.admin_email,
                    row.admin_phone,
                    row.address,
                ])
            })
            .map_err(sqlite("writing who a tenant is"))?;
        Ok(())
    }
}

impl Store {
    /// Whether a tenant has this document.
    pub(crate) fn document_is_taken(&self, document: &str) -> Result<bool, StoreError> {
        self.with(|connection| is_taken(connection, document))
    }

    /// Who a tenant is, if anybody said so.
    pub(crate) fn account_holder(
        &self,
        tenant: i64,
    ) -> Result<Option<AccountHolderRow>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT * FROM profiles WHERE tenant = ?1")
                .and_then(|mut statement| {
                    statement
                        .query_row([tenant], |row| {
                            Ok(AccountHolderRow {
                                person: row.get("person")?,
                                document: row.get("document")?,
                                trade_name: row.get("trade_name")?,
                                legal_name: row.get("legal_name")?,
                                company_type: row.get("company_type")?,
                                admin_name: row.get("admin_name")?,
                                admin_email: row.get("admin_email")?,
                                admin_phone: row.get("admin_phone")?,
                                address: row.get("address")?,
                            })
                        })
                        .optional()
                })
                .map_err(sqlite(DOING))
        })
    }
}
