//! A registration form read field by field: what is wrong with one field does not hide the others.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    ACCOUNT_DOCUMENT, AccountHolderForm, AddressForm, AdministratorForm, DocumentForm, ExtraForm,
    FORM_BYTES_MAX, LimitForm, TenantForm, TermsForm,
};
use crate::billing::{CompanyType, DocumentType, PersonType};
use crate::catalog::{Feature, near};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::rules::Status;
use crate::twice::twice;
use crate::{FieldProblem, Limit};

/// The most entries of a list or table in a form.
const ENTRIES_MAX: usize = 1_024;
/// The most keys that a message lists where none of them is near to the unknown one.
const KNOWN_SHOWN_MAX: usize = 12;
/// The most problems that the message of one error names.
const PROBLEMS_SHOWN_MAX: usize = 8;

impl TenantForm {
    /// Reads a JSON document as a registration form sends it, field by field: everything in it
    /// that cannot be read is noted, and stands as if it had been left out. An error only where it
    /// is no JSON object at all.
    pub(crate) fn read(json: &str) -> Result<(TenantForm, Vec<FieldProblem>), Error> {
        let form = super::json(ACCOUNT_DOCUMENT, json, FORM_BYTES_MAX, "a JSON object")?;
        let mut problems = given_twice(json);
        let form = tenant(&mut Fields::new(form, "", &mut problems));
        Ok((form, problems.iter().map(Problem::of_account).collect()))
    }
}

/// Reads a document; it is refused with all that cannot be read in it.
pub(super) fn parse<T>(
    document: &'static str,
    json: &str,
    read: impl FnOnce(&mut Fields<'_>) -> T,
) -> Result<T, Error> {
    let object = super::json(document, json, FORM_BYTES_MAX, "a JSON object")?;
    let mut problems = given_twice(json);
    let mut fields = Fields::new(object, "", &mut problems);
    let made = read(&mut fields);
    fields.end();
    refuse(document, &problems)?;
    Ok(made)
}

/// Reads a list of documents.
pub(super) fn parse_list<T>(
    document: &'static str,
    json: &str,
    bytes_max: usize,
    read: impl Fn(&mut Fields<'_>) -> T,
) -> Result<Vec<T>, Error> {
    let list: Vec<Map<String, Value>> =
        super::json(document, json, bytes_max, "a list of JSON objects")?;
    let mut problems = given_twice(json);
    let mut made = Vec::with_capacity(list.len());
    for (place, object) in list.into_iter().enumerate() {
        let mut fields = Fields::new(object, &place.to_string(), &mut problems);
        made.push(read(&mut fields));
        fields.end();
    }
    refuse(document, &problems)?;
    Ok(made)
}

/// The keys that a document gives twice.
fn given_twice(json: &str) -> Vec<Problem> {
    let problem = |field| Problem { field, why: "it is given twice".to_owned() };
    twice(json.as_bytes()).into_iter().map(problem).collect()
}

/// What a message adds about a key that is not known: the one that was meant, else all of them.
fn hint(key: &str, known: &[String]) -> String {
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let longer = |it: &&str| key.len() >= 3 && it.starts_with(key);
    match near(key, known.iter().copied()).or_else(|| known.iter().copied().find(longer)) {
        Some(meant) => format!("; did you mean {meant:?}?"),
        None if known.is_empty() || known.len() > KNOWN_SHOWN_MAX => String::new(),
        None => format!(" (expected {})", codes(&known)),
    }
}

/// Names to choose from, as a message lists them.
pub(super) fn codes(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        names => names.concat(),
    }
}

fn refuse(document: &'static str, problems: &[Problem]) -> Result<(), Error> {
    if problems.is_empty() {
        return Ok(());
    }
    let said = problems.iter().take(PROBLEMS_SHOWN_MAX);
    let said: Vec<_> = said.map(|it| format!("{}: {}", it.field, it.why)).collect();
    Err(Error::InvalidArgument { what: document, why: said.join("; ") })
}

/// What is wrong with a field.
struct Problem {
    field: String,
    why: String,
}

impl Problem {
    fn of_account(&self) -> FieldProblem {
        let error = Error::InvalidArgument { what: ACCOUNT_DOCUMENT, why: self.why.clone() };
        let (code, message) = (error.code(), error.to_string());
        FieldProblem { field: self.field.clone(), code, message }
    }
}

/// All problems of a form in one sentence.
pub(crate) fn sentence(problems: &[FieldProblem]) -> String {
    let said: Vec<_> = problems.iter().map(|it| format!("{}: {}", it.field, it.message)).collect();
    format!("the form is wrong in {} fields: {}", problems.len(), said.join("; "))
}

/// The fields of an object that have not been read yet.
pub(super) struct Fields<'a> {
    left: Map<String, Value>,
    /// Those that have been asked for.
    known: Vec<String>,
    path: String,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Fields<'a> {
    fn new(left: Map<String, Value>, path: &str, problems: &'a mut Vec<Problem>) -> Self {
        Fields { left, known: Vec::new(), path: path.to_owned(), problems }
    }

    pub(super) fn note(&mut self, key: &str, why: impl Into<String>) {
        let field = match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        self.problems.push(Problem { field, why: why.into() });
    }

    /// A value that may be left out.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, key: &str, expected: &str) -> Option<T> {
        self.known.push(key.to_owned());
        let value = self.left.remove(key).filter(|value| !value.is_null())?;
        // The value may be personal: the message does not repeat it.
        let read = serde_json::from_value(value).ok();
        if read.is_none() {
            self.note(key, format!("it must be {expected}"));
        }
        read
    }

    pub(super) fn text(&mut self, key: &str) -> String {
        self.optional(key, "text").unwrap_or_default()
    }

    pub(super) fn required<T: DeserializeOwned>(&mut self, key: &str, expected: &str) -> Option<T> {
        if self.left.get(key).is_none_or(Value::is_null) {
            self.known.push(key.to_owned());
            self.left.remove(key);
            self.note(key, format!("it is missing; it must be {expected}"));
            return None;
        }
        self.optional(key, expected)
    }

    /// What `read` makes of an object inside this one.
    fn inside<T>(&mut self, key: &str, read: impl FnOnce(&mut Fields<'_>) -> T) -> Option<T> {
        let left: Map<String, Value> = self.optional(key, "an object")?;
        let path =
            if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let mut inside = Fields::new(left, &path, self.problems);
        let made = read(&mut inside);
        inside.end();
        Some(made)
    }

    /// A text that is something else, such as an instant.
    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, expected: &str) -> Option<T> {
        let text: String = self.optional(key, expected)?;
        let read = text.parse().ok();
        if read.is_none() {
            self.note(key, format!("it must be {expected}"));
        }
        read
    }

    pub(super) fn instant(&mut self, key: &str) -> Option<Timestamp> {
        let expected = "an RFC 3339 time such as 2026-05-20T12:00:00Z";
        let text: String = self.optional(key, expected)?;
        let read = Timestamp::parse_rfc3339(&text);
        if read.is_none() {
            self.note(key, format!("it must be {expected}"));
        }
        read
    }

    /// All fields that are left, whatever they are called: none of them may be null.
    pub(super) fn rest<T: DeserializeOwned>(&mut self, expected: &str) -> BTreeMap<String, T> {
        let mut read = BTreeMap::new();
        for (name, value) in std::mem::take(&mut self.left) {
            match serde_json::from_value(value) {
                Ok(value) => drop(read.insert(name, value)),
                Err(_) => self.note(&name, format!("it must be {expected}")),
            }
        }
        read
    }

    /// Refuses the fields that were not asked for.
    fn end(&mut self) {
        let left = std::mem::take(&mut self.left);
        for key in left.keys().take(ENTRIES_MAX) {
            let hint = hint(key, &self.known);
            let key: String = key.chars().take(64).collect();
            self.note(&key, format!("unknown field{hint}"));
        }
    }
}

pub(super) fn tenant(form: &mut Fields<'_>) -> TenantForm {
    let statuses = Status::ALL.map(Status::code).join(", ");
    let read = TenantForm {
        name: form.required("name", "text").unwrap_or_default(),
        status: form.optional("status", &format!("one of {statuses}")).unwrap_or(Status::Active),
        time_zone: form.optional("time_zone", "a zone such as America/Sao_Paulo"),
        created_at: form.instant("created_at"),
        plan: form.inside("plan", terms),
        extras: extras(form),
        holder: form.inside("holder", holder),
        limits: named::<LimitForm>(form, "limits", "a number, \"unlimited\" or \"disabled\""),
        features: named::<Feature>(form, "features", "true, false or the name of a level"),
        pay_first: form.optional("pay_first", "text"),
        first_period: form.optional("first_period", "paid"),
        price_cents: form.optional("price_cents", "a whole number of cents"),
    };
    form.end();
    read
}

fn terms(plan: &mut Fields<'_>) -> TermsForm {
    TermsForm {
        name: plan.required("name", "text").unwrap_or_default(),
        first_due: plan.optional("first_due", "a date YYYY-MM-DD"),
        anchor_day: plan.optional("anchor_day", "a day of the month, 1 to 31"),
        auto_renew: plan.required("auto_renew", "true or false").unwrap_or_default(),
    }
}

pub(super) fn holder(holder: &mut Fields<'_>) -> AccountHolderForm {
    let person = holder.required("person", "natural or legal");
    let document = holder.inside("document", |document| {
        let number = document.required("number", "text");
        let kind = document.required("type", "cpf or cnpj");
        number.zip(kind).map(|(number, document_type)| DocumentForm { number, document_type })
    });
    let document = document.flatten();
    let of_document = |it: &DocumentForm| DocumentType::person(it.document_type);
    let types = CompanyType::ALL.map(CompanyType::code).join(", ");
    let company_type = holder.optional("company_type", &format!("one of {types}"));
    if holder.left.get("administrator").is_none_or(Value::is_null) {
        holder.left.insert("administrator".to_owned(), Value::Object(Map::new()));
    }
    AccountHolderForm {
        person: person.or(document.as_ref().map(of_document)).unwrap_or(PersonType::Legal),
        document,
        trade_name: holder.text("trade_name"),
        legal_name: holder.text("legal_name"),
        company_type,
        company_type_text: holder.text("company_type_text"),
        administrator: holder
            .inside("administrator", |it| AdministratorForm {
                name: it.text("name"),
                email: it.text("email"),
                phone: it.text("phone"),
            })
            .unwrap_or_default(),
        address: holder.inside("address", |it| AddressForm {
            cep: it.text("cep"),
            street: it.text("street"),
            number: it.text("number"),
            complement: it.text("complement"),
            district: it.text("district"),
            city: it.text("city"),
            state: it.text("state"),
        }),
    }
}

fn extras(form: &mut Fields<'_>) -> Vec<ExtraForm> {
    let list: Vec<Value> = form.optional("extras", "a list").unwrap_or_default();
    if list.len() > ENTRIES_MAX {
        form.note("extras", format!("at most {ENTRIES_MAX} are allowed"));
        return Vec::new();
    }
    let mut extras = Vec::new();
    for (place, value) in list.into_iter().enumerate() {
        // Read as if each were a field of the form.
        let key = format!("extras.{place}");
        form.left.insert(key.clone(), value);
        extras.extend(form.inside(&key, |it| ExtraForm {
            resource: it.required("resource", "text").unwrap_or_default(),
            units: it.required("units", "a whole number of units").unwrap_or_default(),
            expires_at: it.instant("expires_at"),
        }));
    }
    extras
}

/// Values by name.
fn named<T: DeserializeOwned>(
    form: &mut Fields<'_>,
    key: &str,
    expected: &str,
) -> BTreeMap<String, T> {
    let read = form.inside(key, |it| {
        let names: Vec<String> = it.left.keys().take(ENTRIES_MAX).cloned().collect();
        let read = names.into_iter().filter_map(|name| {
            let value = it.optional(&name, expected)?;
            Some((name, value))
        });
        read.collect()
    });
    read.unwrap_or_default()
}

/// Limits as a form writes them: a number, or a word.
pub(crate) fn limits_as_written<S: serde::Serializer>(
    limits: &BTreeMap<String, Limit>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_map(limits.iter().map(|(name, &limit)| match limit {
        Limit::Finite(units) => (name, Value::from(units)),
        other => (name, Value::from(other.to_string())),
    }))
}
