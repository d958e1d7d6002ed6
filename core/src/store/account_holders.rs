//! Who tenants are.

use rusqlite::{Connection, OptionalExtension, Row, params};

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
    /// The code of a legal form; empty: not known.
    pub(crate) company_type: String,
    /// The legal form in words of their own, where the list does not have it.
    pub(crate) company_type_text: String,
    pub(crate) admin_name: String,
    pub(crate) admin_email: String,
    pub(crate) admin_phone: String,
    /// As JSON; empty: there is none.
    pub(crate) address: String,
}

const DOING: &str = "reading who a tenant is";

/// The document of a cancelled tenant is not in use.
fn is_taken(connection: &Connection, document: &str) -> Result<bool, StoreError> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM profiles p JOIN tenants t ON t.id = p.tenant \
             WHERE p.document = ?1 AND t.status != 'cancelled')",
        )
        .and_then(|mut statement| statement.query_row([document], |row| row.get(0)))
        .map_err(sqlite(DOING))
}

fn account_holder(
    connection: &Connection,
    tenant: i64,
) -> Result<Option<AccountHolderRow>, StoreError> {
    let read = |row: &Row<'_>| {
        Ok(AccountHolderRow {
            person: row.get("person")?,
            document: row.get("document")?,
            trade_name: row.get("trade_name")?,
            legal_name: row.get("legal_name")?,
            company_type: row.get("company_type")?,
            company_type_text: row.get("company_type_text")?,
            admin_name: row.get("admin_name")?,
            admin_email: row.get("admin_email")?,
            admin_phone: row.get("admin_phone")?,
            address: row.get("address")?,
        })
    };
    connection
        .prepare_cached("SELECT * FROM profiles WHERE tenant = ?1")
        .and_then(|mut statement| statement.query_row([tenant], read).optional())
        .map_err(sqlite(DOING))
}

impl Write<'_> {
    /// Whether a tenant has this document.
    pub(crate) fn document_is_taken(&self, document: &str) -> Result<bool, StoreError> {
        is_taken(self.connection, document)
    }

    /// Who a tenant is, if anybody said so.
    pub(crate) fn account_holder(
        &self,
        tenant: i64,
    ) -> Result<Option<AccountHolderRow>, StoreError> {
        account_holder(self.connection, tenant)
    }

    /// Writes who a tenant is.
    pub(crate) fn save_account_holder(
        &self,
        tenant: i64,
        row: &AccountHolderRow,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO profiles (tenant, person, document, trade_name, \
                 legal_name, company_type, company_type_text, admin_name, admin_email, \
                 admin_phone, address) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    tenant,
                    row.person,
                    row.document,
                    row.trade_name,
                    row.legal_name,
                    row.company_type,
                    row.company_type_text,
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
        self.with(|connection| account_holder(connection, tenant))
    }
}
