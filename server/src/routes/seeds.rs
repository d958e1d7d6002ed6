//! Routes as platforms and gateways know them: the plan report, sign-up, and the webhooks of
//! payment gateways (docs/sources.md, Voki).

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cotas::billing::{DocumentType, Gateway, PersonType};
use cotas::{
    AccessRole, AccountHolder, Administrator, Error, FieldProblem, IgnoredBecause, NewTenant,
    PaymentOutcome, Role, rules::calendar,
};
use serde_json::json;

use super::{Answer, Call, Method, Route};
use crate::access::Needs;
use crate::fields::{Field, Kind, optional, required};
use crate::problem::Problem;

const DOCUMENT: Field = required("document", Kind::Text, "The CPF or CNPJ");
const DOCUMENT_TYPE: Field =
    required("document_type", Kind::OneOf(&["cpf", "cnpj"]), "Which of them it is");
/// Names that are tried for a new tenant: its company's, then with a number.
const NAMES_MAX: u32 = 50;
/// Longest name of a tenant that is made of its company's, in bytes.
const NAME_BYTES_MAX: usize = 64;

pub(super) const ROUTES: &[Route] = &[
    Route::public(
        Method::Get,
        "/api/v1/billing/plan",
        "The plan report: plan, limits and current usage of the tenant of `X-Tenant`",
        |call| {
            let report = call.engine.plan_report(call.tenant_name()?, Role::Manager)?;
            Ok(Answer::json(&report.to_json()))
        },
    )
    .for_those(Needs::Tenant(AccessRole::Manager))
    .tagged(),
    Route::public(
        Method::Post,
        "/api/webhooks/asaas",
        "Take a payment event of Asaas; the header `asaas-access-token` has its token",
        |call| {
            let token = call.headers.get("asaas-access-token").and_then(|it| it.to_str().ok());
            payment_event(call, Gateway::Asaas, token.unwrap_or_default())
        },
    )
    .for_those(Needs::GatewayToken),
    Route::public(
        Method::Post,
        "/api/webhooks/pagarme",
        "Take a payment event of Pagar.me; `Authorization: Basic` has its user and password",
        |call| {
            let credentials = basic(call.headers).unwrap_or_default();
            payment_event(call, Gateway::Pagarme, &credentials)
        },
    )
    .for_those(Needs::GatewayToken),
    signup(
        "/api/signup/validate-document",
        "Say whether a CPF or CNPJ is valid and no tenant has it",
        &[DOCUMENT, DOCUMENT_TYPE],
        |call| {
            let kind = document_type(call);
            let document = call.engine.validate_document(call.fields.text("document"), kind)?;
            let (number, kind) = (document.as_str(), kind.code());
            let data = json!({ "valid": true, "document": number, "document_type": kind });
            Ok(Answer::json(&json!({ "data": data })))
        },
    ),
    signup(
        "/api/signup/register",
        "Register a tenant with its administrator; the plan waits to be paid",
        &[
            required("company_name", Kind::Text, "The company's or the person's name"),
            DOCUMENT,
            DOCUMENT_TYPE,
            required("admin_name", Kind::Text, "The administrator's name"),
            required("admin_email", Kind::Text, "The administrator's e-mail address"),
            optional("admin_phone", Kind::Text, "The administrator's telephone number"),
            optional("admin_password", Kind::Dropped, "Dropped unread: the host creates the login"),
            required("plan", Kind::Text, "The plan of the catalog"),
        ],
        register,
    ),
];

const fn signup(
    path: &'static str,
    summary: &'static str,
    fields: &'static [Field],
    run: fn(&Call<'_>) -> Result<Answer, Problem>,
) -> Route {
    let route = Route::public(Method::Post, path, summary, run).taking(fields);
    Route { is_signup: true, ..route }
}

fn document_type(call: &Call<'_>) -> DocumentType {
    DocumentType::from_code(call.fields.text("document_type")).unwrap_or(DocumentType::Cnpj)
}

/// Whatever the engine answers is acknowledged: an error would have the gateway stop its queue.
fn payment_event(call: &Call<'_>, gateway: Gateway, token: &str) -> Result<Answer, Problem> {
    let engine = call.engine.acting_as(&format!("gateway {}", gateway.code()))?;
    let document = match engine.payment_event(gateway, call.body, token)? {
        PaymentOutcome::Refused => {
            let detail = "the token is not the gateway's; nothing was read";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
        }
        PaymentOutcome::Applied { invoice, status } => {
            json!({ "outcome": "applied", "invoice": invoice, "status": status.code() })
        }
        PaymentOutcome::SubscriptionEnded { subscription } => {
            json!({ "outcome": "subscription_ended", "subscription": subscription })
        }
        PaymentOutcome::Unmatched => json!({ "outcome": "unmatched" }),
        PaymentOutcome::PaidAgain { invoice } => {
            json!({ "outcome": "paid_again", "invoice": invoice })
        }
        PaymentOutcome::Duplicate => json!({ "outcome": "duplicate" }),
        PaymentOutcome::Ignored(because) => {
            let because = match because {
                IgnoredBecause::UnknownEvent => "unknown_event",
                IgnoredBecause::UnknownPayment => "unknown_payment",
                IgnoredBecause::NothingToDo => "nothing_to_do",
            };
            json!({ "outcome": "ignored", "because": because })
        }
    };
    Ok(Answer::json(&document))
}

fn register(call: &Call<'_>) -> Result<Answer, Problem> {
    let (engine, fields, signup) = (&call.engine, &call.fields, &call.options.signup);
    let kind = document_type(call);
    let company = fields.text("company_name");
    let holder = AccountHolder {
        person: kind.person(),
        document: Some((fields.text("document"), kind)),
        trade_name: if kind.person() == PersonType::Legal { company } else { "" },
        legal_name: company,
        company_type: None,
        company_type_text: "",
        administrator: Administrator {
            name: fields.text("admin_name"),
            email: fields.text("admin_email"),
            // The form of the platform asks for none (docs/sources.md, Voki).
            phone: fields.text_or_none("admin_phone").unwrap_or("-"),
        },
        address: None,
    };
    let (_, catalog) = engine.catalog()?;
    let today = calendar::date_of(engine.now(), catalog.time_zone);
    let first_due = today + chrono::Days::new(u64::from(signup.first_due_days));
    let plan = fields.text("plan");
    let base = name_of(company);
    for number in 1..=NAMES_MAX {
        let name = if number == 1 { base.clone() } else { format!("{base}-{number}") };
        let new = NewTenant {
            holder: Some(holder.clone()),
            pay_first: Some(&signup.payment_type),
            ..NewTenant::new(&name).plan(plan, first_due, true)
        };
        match engine.register(&new) {
            Ok(()) => return registered(call, &name),
            Err(error) if name_is_taken(&error) => {}
            Err(error) => return Err(as_in_the_form(error).into()),
        }
    }
    let why = "too many tenants have this name; choose another one";
    Err(Problem::field("company_name", why))
}

/// Whether the form is right but for the tenant's name, which is not part of it.
fn name_is_taken(error: &Error) -> bool {
    match error {
        Error::TenantExists(_) => true,
        Error::InvalidForm(problems) => {
            problems.len() == 1 && problems.iter().all(|it| it.field == "name" && it.code == 401)
        }
        _ => false,
    }
}

fn registered(call: &Call<'_>, name: &str) -> Result<Answer, Problem> {
    let invoices = call.engine.invoices(name)?;
    let invoice = invoices.first().map(|it| {
        let (id, amount, due) = (it.id, it.amount, it.due);
        json!({ "id": id, "amount_cents": amount, "due": due, "reference": it.reference })
    });
    let report = call.engine.plan_report(name, Role::Manager)?;
    let status = if invoice.is_some() { "pending" } else { report.status.as_str() };
    let plan = call.fields.text("plan");
    let login = "created by the host: no password is taken or kept here";
    let data = json!({
        "tenant": name,
        "plan": plan,
        "status": status,
        "invoice": invoice,
        "login": login,
    });
    Ok(Answer::json(&json!({ "data": data })).with_status(StatusCode::CREATED))
}

/// The same error with the names that the form has for its fields.
fn as_in_the_form(error: Error) -> Error {
    let Error::InvalidForm(problems) = error else { return error };
    let renamed = |problem: FieldProblem| {
        let field = match problem.field.as_str() {
            "holder.document" => "document",
            "holder.administrator.name" => "admin_name",
            "holder.administrator.email" => "admin_email",
            "holder.administrator.phone" => "admin_phone",
            "name" | "holder.trade_name" | "holder.legal_name" => "company_name",
            field if field.starts_with("plan") => "plan",
            other => other,
        };
        FieldProblem { field: field.to_owned(), ..problem }
    };
    let mut problems: Vec<_> = problems.into_iter().map(renamed).collect();
    problems.dedup_by(|one, other| one.field == other.field);
    Error::InvalidForm(problems)
}

/// A tenant's name made of a company's: small letters, digits and hyphens.
fn name_of(company: &str) -> String {
    let mut name = String::new();
    for character in company.chars().flat_map(char::to_lowercase) {
        if name.len() + character.len_utf8() > NAME_BYTES_MAX {
            break;
        }
        if character.is_alphanumeric() {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { "tenant".to_owned() } else { name.to_owned() }
}

/// Standard base64, whether or not it is padded.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// User and password of `Authorization: Basic`, as `user:password`.
fn basic(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let encoded = scheme.eq_ignore_ascii_case("basic").then(|| encoded.trim())?;
    let decoded = BASE64.decode(encoded).ok()?;
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_name_is_made_of_its_companys() {
        for (company, name) in [
            ("New Company", "new-company"),
            ("  Pão & Cia. Ltda ", "pão-cia-ltda"),
            ("!!!", "tenant"),
            ("A", "a"),
        ] {
            assert_eq!(name_of(company), name);
        }
        assert!(name_of(&"é".repeat(500)).len() <= NAME_BYTES_MAX);
    }
}
