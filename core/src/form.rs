//! A tenant to be created, as a JSON document says it: what a registration form sends.

mod details;
mod event;
pub(crate) mod fields;
mod lines;
mod units;

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, de};
use serde_json::error::Category;

use crate::billing::{Cents, CompanyType, DocumentType, PersonType};
use crate::catalog::{Feature, Limit};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::Status;
pub use details::DetailsForm;
pub use lines::InvoiceLineForm;
pub use units::{ContactsForm, UnitsForm};

use crate::{AccountHolder, Address, Administrator, Extra, NewTenant, Terms};

/// What messages call the documents.
const TENANT_DOCUMENT: &str = "tenant document";
const ACCOUNT_DOCUMENT: &str = "account document";

/// Longest document of one tenant, and of many, in bytes.
const FORM_BYTES_MAX: usize = 1 << 20;
pub(crate) const FORMS_BYTES_MAX: usize = 64 << 20;

/// A tenant to be created: [`NewTenant`] with text of its own. Only `name` is mandatory; a key
/// that is not known is an error.
///
/// ```
/// let form = cotas::TenantForm::parse(
///     r#"{ "name": "padaria-aurora",
///          "plan": { "name": "full", "first_due": "2026-06-10", "auto_renew": true } }"#,
/// )?;
/// form.with(|new| assert_eq!(new.name, "padaria-aurora"));
/// # Ok::<(), cotas::Error>(())
/// ```
pub struct TenantForm {
    name: String,
    status: Status,
    time_zone: Option<Tz>,
    created_at: Option<Timestamp>,
    plan: Option<TermsForm>,
    extras: Vec<ExtraForm>,
    holder: Option<AccountHolderForm>,
    limits: BTreeMap<String, LimitForm>,
    features: BTreeMap<String, Feature>,
    /// How it pays, if its plan begins only when the first invoice is paid.
    pay_first: Option<String>,
    /// `paid`: the first period of a plan that is paid in advance has been paid elsewhere.
    first_period: Option<FirstPeriodForm>,
    /// What a period of its plan costs this tenant, in cents.
    price_cents: Option<Cents>,
}

/// What there is to say of a first period.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FirstPeriodForm {
    Paid,
}

/// What a tenant subscribes to, as a JSON document says it: [`Terms`] with text of its own.
struct TermsForm {
    name: String,
    first_due: Option<NaiveDate>,
    anchor_day: Option<u32>,
    auto_renew: bool,
}

struct ExtraForm {
    resource: String,
    units: u64,
    expires_at: Option<Timestamp>,
}

/// A limit as a catalog writes it.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum LimitForm {
    Finite(u64),
    Word(LimitWord),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LimitWord {
    Unlimited,
    Disabled,
}

/// Whose account a tenant is: [`AccountHolder`] with text of its own. The administrator is
/// mandatory, and so is the kind of person; a key that is not known is an error.
pub struct AccountHolderForm {
    person: PersonType,
    document: Option<DocumentForm>,
    trade_name: String,
    legal_name: String,
    company_type: Option<CompanyType>,
    company_type_text: String,
    administrator: AdministratorForm,
    address: Option<AddressForm>,
}

struct DocumentForm {
    number: String,
    document_type: DocumentType,
}

#[derive(Default)]
struct AdministratorForm {
    name: String,
    email: String,
    phone: String,
}

struct AddressForm {
    cep: String,
    street: String,
    number: String,
    complement: String,
    district: String,
    city: String,
    state: String,
}

impl fmt::Debug for TenantForm {
    /// Says nothing personal: what is printed ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantForm").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TenantForm {
    /// Reads a JSON document.
    pub fn parse(json: &str) -> Result<TenantForm, Error> {
        fields::parse(TENANT_DOCUMENT, json, fields::tenant)
    }

    /// Reads a JSON document that is a list of such documents.
    pub fn parse_all(json: &str) -> Result<Vec<TenantForm>, Error> {
        fields::parse_list("tenant documents", json, FORMS_BYTES_MAX, fields::tenant)
    }

    /// Hands the tenant on, as [`Engine::create_tenant`](crate::Engine::create_tenant) takes it.
    pub fn with<T>(&self, hand_on: impl FnOnce(&NewTenant<'_>) -> T) -> T {
        hand_on(&self.tenant(&Lists::of(self)))
    }

    /// Hands all of them on, as [`Engine::ensure_tenants`](crate::Engine::ensure_tenants) takes
    /// them.
    pub fn with_all<T>(forms: &[TenantForm], hand_on: impl FnOnce(&[NewTenant<'_>]) -> T) -> T {
        let lists: Vec<_> = forms.iter().map(Lists::of).collect();
        let tenants: Vec<_> =
            forms.iter().zip(&lists).map(|(form, lists)| form.tenant(lists)).collect();
        hand_on(&tenants)
    }

    fn tenant<'a>(&'a self, lists: &'a Lists<'a>) -> NewTenant<'a> {
        NewTenant {
            name: &self.name,
            status: self.status,
            time_zone: self.time_zone,
            created_at: self.created_at,
            plan: self.plan.as_ref().map(TermsForm::terms),
            extras: &lists.extras,
            holder: self.holder.as_ref().map(AccountHolderForm::holder),
            limits: &lists.limits,
            features: &lists.features,
            pay_first: self.pay_first.as_deref(),
            first_period_paid: self.first_period.is_some(),
            price: self.price_cents,
        }
    }
}

/// What [`NewTenant`] borrows lists of.
struct Lists<'a> {
    extras: Vec<Extra<'a>>,
    limits: Vec<(&'a str, Limit)>,
    features: Vec<(&'a str, Feature)>,
}

impl Lists<'_> {
    fn of(form: &TenantForm) -> Lists<'_> {
        Lists {
            extras: form.extras.iter().map(ExtraForm::extra).collect(),
            limits: form.limits.iter().map(|(name, it)| (name.as_str(), it.limit())).collect(),
            features: form.features.iter().map(|(name, it)| (name.as_str(), it.clone())).collect(),
        }
    }
}

impl TermsForm {
    fn terms(&self) -> Terms<'_> {
        let TermsForm { ref name, first_due, anchor_day, auto_renew } = *self;
        Terms { plan: name, first_due, anchor_day, auto_renew }
    }
}

impl ExtraForm {
    fn extra(&self) -> Extra<'_> {
        Extra { resource: &self.resource, units: self.units, expires_at: self.expires_at }
    }
}

impl LimitForm {
    const fn limit(self) -> Limit {
        match self {
            LimitForm::Finite(units) => Limit::Finite(units),
            LimitForm::Word(LimitWord::Unlimited) => Limit::Unlimited,
            LimitForm::Word(LimitWord::Disabled) => Limit::Disabled,
        }
    }
}

impl fmt::Debug for AccountHolderForm {
    /// Says nothing personal: what is printed ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountHolderForm").field("person", &self.person).finish_non_exhaustive()
    }
}

impl AccountHolderForm {
    /// Reads a JSON document.
    pub fn parse(json: &str) -> Result<AccountHolderForm, Error> {
        fields::parse(ACCOUNT_DOCUMENT, json, fields::holder)
    }

    /// The account holder, as [`NewTenant`] takes it.
    #[must_use]
    pub fn holder(&self) -> AccountHolder<'_> {
        let document = self.document.as_ref();
        AccountHolder {
            person: self.person,
            document: document.map(|it| (it.number.as_str(), it.document_type)),
            trade_name: &self.trade_name,
            legal_name: &self.legal_name,
            company_type: self.company_type,
            company_type_text: &self.company_type_text,
            administrator: Administrator {
                name: &self.administrator.name,
                email: &self.administrator.email,
                phone: &self.administrator.phone,
            },
            address: self.address.as_ref().map(|it| Address {
                cep: &it.cep,
                street: &it.street,
                number: &it.number,
                complement: &it.complement,
                district: &it.district,
                city: &it.city,
                state: &it.state,
            }),
        }
    }
}

/// Reads JSON: an object, or a list.
fn json<T: de::DeserializeOwned>(
    document: &'static str,
    json: &str,
    bytes_max: usize,
    expected: &str,
) -> Result<T, Error> {
    let wrong = |why| Error::InvalidArgument { what: document, why };
    if json.len() > bytes_max {
        let bytes = json.len();
        return Err(wrong(format!("it has {bytes} bytes; {bytes_max} at most are allowed")));
    }
    serde_json::from_str(json).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        wrong(match error.classify() {
            // What is read after the syntax has no place.
            Category::Data if error.line() == 0 => format!("it must be {expected}"),
            Category::Data => format!("it must be {expected} ({place})"),
            _ => format!("it is not JSON ({place}); it must be {expected}"),
        })
    })
}

/// An instant as documents have it, or none.
pub(crate) fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let wrong = || de::Error::custom(format_args!("{text:?} is no RFC 3339 time"));
    Timestamp::parse_rfc3339(&text).map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(json: &str) -> String {
        TenantForm::parse(json).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_form_says_all_that_a_new_tenant_can_be() {
        let form = TenantForm::parse(
            r#"{
                "name": "acme", "status": "demo", "time_zone": "America/Manaus",
                "created_at": "2026-03-01T10:00:00-03:00",
                "plan": { "name": "full", "first_due": "2026-04-10", "auto_renew": false },
                "extras": [{ "resource": "sms", "units": 5, "expires_at": "2026-05-01T00:00:00Z" }],
                "holder": {
                    "person": "legal",
                    "document": { "type": "cnpj", "number": "12.345.678/0001-95" },
                    "administrator": { "name": "Ana", "email": "ana@acme.br", "phone": "1" },
                    "address": { "cep": "01310-100", "city": "São Paulo" }
                },
                "limits": { "users": 3, "boards": "unlimited", "bots": "disabled" },
                "features": { "recording": true, "analytics": "full" },
                "pay_first": "Asaas"
            }"#,
        );
        form.expect("is valid").with(|new| {
            assert_eq!((new.name, new.status), ("acme", Status::Demo));
            assert_eq!(new.time_zone, Some(Tz::America__Manaus));
            assert_eq!(new.created_at, Timestamp::parse_rfc3339("2026-03-01T13:00:00Z"));
            assert_eq!(new.plan.map(|it| (it.plan, it.auto_renew)), Some(("full", false)));
            assert_eq!(new.extras[0].units, 5);
            let limits = [Limit::Disabled, Limit::Unlimited, Limit::Finite(3)];
            assert!(new.limits.iter().map(|it| it.1).eq([limits[1], limits[0], limits[2]]));
            assert_eq!(new.features[0], ("analytics", Feature::Level("full".to_owned())));
            assert_eq!(new.pay_first, Some("Asaas"));
            let holder = new.holder.as_ref().expect("is named");
            assert_eq!(holder.document, Some(("12.345.678/0001-95", DocumentType::Cnpj)));
            assert_eq!(holder.administrator.email, "ana@acme.br");
            assert_eq!(holder.address.map(|it| it.city), Some("São Paulo"));
        });
    }

    #[test]
    fn many_forms_are_one_document() {
        let json = r#"[{ "name": "acme", "limits": { "users": 3 } }, { "name": "dona-ana" }]"#;
        let forms = TenantForm::parse_all(json).expect("is valid");
        TenantForm::with_all(&forms, |tenants| {
            assert!(tenants.iter().map(|it| it.name).eq(["acme", "dona-ana"]));
            assert_eq!(tenants[0].limits, [("users", Limit::Finite(3))]);
        });
        let wrong = TenantForm::parse_all(r#"[{ "name": "acme" }, {}]"#).expect_err("is refused");
        let expected = "tenant documents: 1.name: it is missing; it must be text";
        assert_eq!(wrong.to_string(), expected);
    }

    #[test]
    fn what_a_form_gets_wrong_is_named() {
        assert!(complaint("{}").contains("name: it is missing; it must be text"));
        let typo = complaint(r#"{"name": "a", "time_zon": 1}"#);
        assert!(typo.contains("time_zon: unknown field; did you mean \"time_zone\"?"), "{typo}");
        let long = complaint(r#"{"name": "a", "created_at": "today"}"#);
        assert!(long.contains("created_at: it must be an RFC 3339 time"), "{long}");
        assert!(
            complaint(r#"{"name": "a", "status": "asleep"}"#)
                .contains("one of demo, onboarding, active")
        );
        assert!(complaint(r#"{"name": "a", "time_zone": "Mars"}"#).contains("America/Sao_Paulo"));
        let limit = complaint(r#"{"name": "a", "limits": {"users": "many"}}"#);
        assert!(limit.contains("limits.users: it must be a number, \"unlimited\""), "{limit}");
        let phone = r#"{"name": "a", "holder": { "person": "legal",
                "administrator": { "name": "Ana", "email": "a@b", "phone": 5500900000001 } } }"#;
        assert!(complaint(phone).contains("administrator.phone: it must be text"));
        assert!(!complaint(phone).contains("0000001"));
        assert!(complaint("nonsense").contains("it is not JSON (line 1, column 2)"));
        assert!(complaint(&" ".repeat(FORM_BYTES_MAX + 1)).contains("bytes"));
    }
}
