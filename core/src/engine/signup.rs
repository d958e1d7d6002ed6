//! Whose account a tenant is: person or company, administrator, address. All of it is checked, and
//! saved, together with the tenant: all or nothing.

use super::admin_tx::count_seats;
use super::subscriptions::check_label;
use super::{Engine, subscriptions};
use crate::billing::{Cep, CompanyType, Document, DocumentType, PersonType};
use crate::catalog::{Compiled, Kind, Limit, Plan};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::ResourceId;
use crate::store::{AccountHolderRow, Loaded, SeatRow, Write};

/// Longest name, label or line of an address, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Whose account a tenant is (docs/sources.md, Helena).
#[derive(Clone, Debug, serde::Serialize)]
pub struct AccountHolder<'a> {
    /// "Pessoa Física" or "Pessoa Jurídica".
    pub person: PersonType,
    /// The CPF of a natural person, the CNPJ of a legal one, unique over the database.
    pub document: Option<(&'a str, DocumentType)>,
    /// "Nome fantasia".
    pub trade_name: &'a str,
    /// "Razão social".
    pub legal_name: &'a str,
    /// The legal form of a company; a natural person has none.
    pub company_type: Option<CompanyType>,
    /// The legal form in words, where it is [`CompanyType::Other`].
    pub company_type_text: &'a str,
    /// Becomes the first user, and takes a seat.
    pub administrator: Administrator<'a>,
    /// Where it is.
    pub address: Option<Address<'a>>,
}

/// The first user of an account; all of it is mandatory.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
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
    /// The legal form of a company; `None`: it was not said, or the account is a person's.
    pub company_type: Option<CompanyType>,
    /// The legal form in words, where it is [`CompanyType::Other`].
    pub company_type_text: String,
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
    /// Whose account a tenant is; `None`: not known. Reads SQLite.
    pub fn account_holder(&self, tenant: &str) -> Result<Option<AccountHolderView>, Error> {
        let row = self.shared.store.account_holder(self.row_of(tenant)?)?;
        Ok(row.map(|row| AccountHolderView {
            person: PersonType::from_code(&row.person).unwrap_or(PersonType::Legal),
            document: row.document,
            trade_name: row.trade_name,
            legal_name: row.legal_name,
            company_type: CompanyType::from_code(&row.company_type),
            company_type_text: row.company_type_text,
            admin_name: row.admin_name,
            admin_email: row.admin_email,
            admin_phone: row.admin_phone,
            address: row.address,
        }))
    }
}

/// What of an account holder is written, once everything about it is right.
pub(super) fn checked(holder: &AccountHolder<'_>) -> Result<AccountHolderRow, Error> {
    if let Some((_, error)) = faults(holder).into_iter().next() {
        return Err(error);
    }
    let document = match holder.document {
        Some((text, kind)) => Some(Document::parse(text, kind)?.as_str().to_owned()),
        None => None,
    };
    let Administrator { name, email, phone } = holder.administrator;
    let address = holder.address.as_ref().map(address_json).transpose()?.unwrap_or_default();
    Ok(AccountHolderRow {
        person: holder.person.code().to_owned(),
        document,
        trade_name: holder.trade_name.to_owned(),
        legal_name: holder.legal_name.to_owned(),
        company_type: holder.company_type.map_or("", CompanyType::code).to_owned(),
        company_type_text: holder.company_type_text.to_owned(),
        admin_name: name.to_owned(),
        admin_email: email.to_owned(),
        admin_phone: phone.to_owned(),
        address,
    })
}

/// Everything that is wrong with an account holder, by field, in the order of a form.
pub(super) fn faults(holder: &AccountHolder<'_>) -> Vec<(&'static str, Error)> {
    let mut faults = Vec::new();
    let mut note = |field, found: Result<(), Error>| {
        if let Err(error) = found {
            faults.push((field, error));
        }
    };
    note("document", check_document(holder));
    note("trade_name", check_text("trade name", holder.trade_name));
    note("legal_name", check_text("legal name", holder.legal_name));
    note("company_type", check_company_type(holder));
    note("company_type_text", check_company_text(holder));
    let Administrator { name, email, phone } = holder.administrator;
    note("administrator.name", check_mandatory("administrator's name", name));
    note("administrator.email", check_email(email));
    note("administrator.phone", check_mandatory("administrator's telephone number", phone));
    if let Some(address) = &holder.address {
        note("address.cep", Cep::parse(address.cep).map(drop).map_err(Error::from));
        for (field, text) in [
            ("address.street", address.street),
            ("address.number", address.number),
            ("address.complement", address.complement),
            ("address.district", address.district),
            ("address.city", address.city),
            ("address.state", address.state),
        ] {
            note(field, check_text("address", text));
        }
    }
    faults
}

/// A natural person has a CPF, a legal person a CNPJ.
fn check_document(holder: &AccountHolder<'_>) -> Result<(), Error> {
    let Some((text, kind)) = holder.document else { return Ok(()) };
    if kind.person() != holder.person {
        let why = match holder.person {
            PersonType::Natural => "it is a CNPJ; a natural person has a CPF",
            PersonType::Legal => "it is a CPF; a legal person has a CNPJ",
        };
        return Err(Error::InvalidArgument { what: "document", why: why.to_owned() });
    }
    Ok(Document::parse(text, kind).map(drop)?)
}

/// Whether another tenant has the document, as far as it can be read.
pub(super) fn document_in_use(
    write: &Write<'_>,
    holder: &AccountHolder<'_>,
) -> Result<bool, Error> {
    let Some((text, kind)) = holder.document else { return Ok(false) };
    match Document::parse(text, kind) {
        Ok(document) => Ok(write.document_is_taken(document.as_str())?),
        Err(_) => Ok(false),
    }
}

fn check_company_type(holder: &AccountHolder<'_>) -> Result<(), Error> {
    if holder.person == PersonType::Natural && holder.company_type.is_some() {
        let why =
            "a natural person has none; leave it out, or say that the person is legal".to_owned();
        return Err(Error::InvalidArgument { what: "company type", why });
    }
    Ok(())
}

fn check_company_text(holder: &AccountHolder<'_>) -> Result<(), Error> {
    let text = holder.company_type_text;
    if !text.is_empty() && holder.company_type != Some(CompanyType::Other) {
        let why = "text is allowed only with the company type \"other\"".to_owned();
        return Err(Error::InvalidArgument { what: "company type in words", why });
    }
    check_text("company type in words", text)
}

fn check_mandatory(what: &'static str, text: &str) -> Result<(), Error> {
    if text.trim().is_empty() {
        let why = "it is missing; an administrator has a name, a telephone number and an e-mail \
                   address";
        return Err(Error::InvalidArgument { what, why: why.to_owned() });
    }
    check_label(what, text)
}

fn check_email(email: &str) -> Result<(), Error> {
    let what = "administrator's e-mail address";
    check_mandatory(what, email)?;
    let parts = email.split('@').filter(|part| !part.is_empty()).count();
    if parts != 2 || email.contains(char::is_whitespace) {
        let why = "it is not an e-mail address such as name@example.com".to_owned();
        return Err(Error::InvalidArgument { what, why });
    }
    Ok(())
}

fn address_json(address: &Address<'_>) -> Result<String, Error> {
    let cep = Cep::parse(address.cep)?.to_string();
    let address = Address { cep: &cep, ..*address };
    serde_json::to_string(&address)
        .map_err(|error| Error::InvalidArgument { what: "address", why: error.to_string() })
}

fn check_text(what: &'static str, text: &str) -> Result<(), Error> {
    subscriptions::check_text(what, text, TEXT_BYTES_MAX)
}

/// Writes who has the account, and gives the administrator a seat. The plan, also one that waits
/// to be paid, must have capacity for it.
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
        let why = format!(
            "it has no seat of {name:?} for the administrator; choose a plan with at least one"
        );
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
pub(super) fn administrator_seat(compiled: &Compiled) -> Option<(&str, ResourceId)> {
    let name = compiled.catalog.administrator_seat.as_deref()?;
    match compiled.resource(name)? {
        (resource, Kind::Seat) => Some((name, resource)),
        _ => None,
    }
}
