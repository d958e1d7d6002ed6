//! Whose account a tenant is: person or company, administrator, address. All of it is checked, and
//! saved, together with the tenant: all or nothing.

use super::Engine;
use super::admin_tx::count_seats;
use super::subscriptions::check_label;
use crate::billing::{Cep, Document, DocumentType, PersonType};
use crate::catalog::{Compiled, Kind, Limit, Plan};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::ResourceId;
use crate::store::{AccountHolderRow, Loaded, SeatRow, Write};

/// Longest name, label or line of an address, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Whose account a tenant is (seed 001).
#[derive(Clone, Debug)]
pub struct AccountHolder<'a> {
    /// "Pessoa Física" or "Pessoa Jurídica".
    pub person: PersonType,
    /// CPF or CNPJ, unique over the database.
    pub document: Option<(&'a str, DocumentType)>,
    /// "Nome fantasia".
    pub trade_name: &'a str,
    /// "Razão social".
    pub legal_name: &'a str,
    /// A label: EI, LTDA, MEI ...
    pub company_type: &'a str,
    /// Becomes the first user, and takes a seat.
    pub administrator: Administrator<'a>,
    /// Where it is.
    pub address: Option<Address<'a>>,
}

/// The first user of an account; all of it is mandatory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Administrator<'a> {
    /// The name.
    pub name: &'a str,
    /// The e-mail address: the login, and the holder of the seat.
    pub email: &'a str,
    /// The telephone number.
    pub phone: &'a str,
}

/// An address. Nothing of it is looked up.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Address<'a> {
    /// Eight digits, `99999-999`.
    pub cep: &'a str,
    /// The street.
    pub street: &'a str,
    /// The number in it.
    pub number: &'a str,
    /// What else there is to find it.
    pub complement: &'a str,
    /// The district.
    pub district: &'a str,
    /// The city.
    pub city: &'a str,
    /// The state.
    pub state: &'a str,
}

impl Engine {
    /// Whether a document is well-formed, its check digits are right, and no tenant has it (seed
    /// 004). Reads SQLite.
    pub fn validate_document(&self, text: &str, kind: DocumentType) -> Result<Document, Error> {
        let document = Document::parse(text, kind)?;
        let taken = self.shared.store.document_is_taken(document.as_str())?;
        if taken { Err(Error::DocumentInUse) } else { Ok(document) }
    }
}

/// Whose account a tenant is, as it was saved.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
pub struct AccountHolderView {
    /// "Pessoa Física" or "Pessoa Jurídica".
    pub person: PersonType,
    /// CPF or CNPJ in its normal form.
    pub document: Option<String>,
    /// "Nome fantasia".
    pub trade_name: String,
    /// "Razão social".
    pub legal_name: String,
    /// A label: EI, LTDA, MEI ...
    pub company_type: String,
    /// The administrator's name.
    pub admin_name: String,
    /// The administrator's e-mail address: the login.
    pub admin_email: String,
    /// The administrator's telephone number.
    pub admin_phone: String,
    /// The address as JSON; empty: there is none.
    #[serde(serialize_with = "crate::json::document")]
    pub address: String,
}

impl std::fmt::Debug for AccountHolderView {
    /// Says nothing personal: what is printed ends up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("person", &self.person).finish_non_exhaustive()
    }
}

impl Engine {
    /// Whose account a tenant is; `None`: nobody said so. Reads SQLite.
    pub fn account_holder(&self, tenant: &str) -> Result<Option<AccountHolderView>, Error> {
        let row = self.shared.store.account_holder(self.row_of(tenant)?)?;
        Ok(row.map(|row| AccountHolderView {
            person: PersonType::from_code(&row.person).unwrap_or(PersonType::Legal),
            document: row.document,
            trade_name: row.trade_name,
            legal_name: row.legal_name,
            company_type: row.company_type,
            admin_name: row.admin_name,
            admin_email: row.admin_email,
            admin_phone: row.admin_phone,
            address: row.address,
        }))
    }
}

/// What of an account holder is written, once everything about it is right.
pub(super) fn checked(holder: &AccountHolder<'_>) -> Result<AccountHolderRow, Error> {
    let document = match holder.document {
        Some((text, kind)) => Some(Document::parse(text, kind)?.as_str().to_owned()),
        None => None,
    };
    let Administrator { name, email, phone } = holder.administrator;
    for (what, text) in [
        ("administrator's name", name),
        ("administrator's e-mail address", email),
        ("administrator's telephone number", phone),
    ] {
        check_label(what, text)?;
    }
    let parts = email.split('@').filter(|part| !part.is_empty()).count();
    if parts != 2 || email.contains(char::is_whitespace) {
        let why = "it is none".to_owned();
        return Err(Error::InvalidArgument { what: "administrator's e-mail address", why });
    }
    for (what, text) in [
        ("trade name", holder.trade_name),
        ("legal name", holder.legal_name),
        ("company type", holder.company_type),
    ] {
        check_text(what, text)?;
    }
    let address = holder.address.as_ref().map(checked_address).transpose()?.unwrap_or_default();
    Ok(AccountHolderRow {
        person: holder.person.code().to_owned(),
        document,
        trade_name: holder.trade_name.to_owned(),
        legal_name: holder.legal_name.to_owned(),
        company_type: holder.company_type.to_owned(),
        admin_name: name.to_owned(),
        admin_email: email.to_owned(),
        admin_phone: phone.to_owned(),
        address,
    })
}

fn checked_address(address: &Address<'_>) -> Result<String, Error> {
    let Address { cep, street, number, complement, district, city, state } = *address;
    let cep = Cep::parse(cep)?.to_string();
    for text in [street, number, complement, district, city, state] {
        check_text("address", text)?;
    }
    let address = Address { cep: &cep, ..*address };
    serde_json::to_string(&address)
        .map_err(|error| Error::InvalidArgument { what: "address", why: error.to_string() })
}

fn check_text(what: &'static str, text: &str) -> Result<(), Error> {
    if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        let why = format!("more than {TEXT_BYTES_MAX} bytes, or control characters");
        return Err(Error::InvalidArgument { what, why });
    }
    Ok(())
}

/// Writes who has the account, and gives the administrator a seat. The plan, also one that waits
/// to be paid, must have room for it.
pub(super) fn write_account_holder(
    write: &Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    account_holder: &AccountHolderRow,
    plan: Option<&Plan>,
    at: Timestamp,
) -> Result<(), Error> {
    if let Some(document) = &account_holder.document
        && write.document_is_taken(document)?
    {
        return Err(Error::DocumentInUse);
    }
    write.save_account_holder(loaded.row, account_holder)?;
    let Some((name, resource)) = administrator_seat(compiled) else { return Ok(()) };
    let above = compiled.parents(resource).iter().filter_map(|&it| compiled.resource_name(it));
    let has_capacity = |name: &&str| {
        let own = loaded.overrides.limits.get(*name).copied();
        let limit = own.or_else(|| plan.and_then(|plan| plan.limits.get(*name).copied()));
        !matches!(limit, None | Some(Limit::Disabled | Limit::Finite(0)))
    };
    if plan.is_some()
        && let Some(name) = above.chain([name]).find(|name| !has_capacity(name))
    {
        let why = format!("it has no room for the administrator: no seat of {name:?}");
        return Err(Error::InvalidArgument { what: "plan", why });
    }
    let holder = account_holder.admin_email.clone();
    let seat = SeatRow { resource, holder, since: at, pending: false, token: None };
    write.save_seat(loaded.row, &seat)?;
    loaded.account.held.insert(resource, 1);
    count_seats(&mut loaded.account, &compiled.rulebook);
    Ok(())
}

/// The seats of which the administrator takes one.
fn administrator_seat(compiled: &Compiled) -> Option<(&str, ResourceId)> {
    let name = compiled.catalog.administrator_seat.as_deref()?;
    match compiled.resource(name)? {
        (resource, Kind::Seat) => Some((name, resource)),
        _ => None,
    }
}
