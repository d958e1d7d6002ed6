//! The account form (docs/sources.md, Helena): everything that is wrong at once, each at its field,
//! and what would be created before it is saved.

use axum::http::StatusCode;
use cotas::billing::{CompanyType, PersonType};
use cotas::catalog::{Catalog, Kind};
use cotas::{AccountSummary, FieldProblem, Status, words};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::answer::Reply;
use super::catalog::limit_of;
use super::form::segment;
use super::parts::{Field, select};
use super::visit::Visit;
use super::{layout, words as sentences};
use crate::problem::Problem;

/// The empty form.
pub(super) fn page(visit: &Visit<'_>) -> Result<Reply, Problem> {
    Ok(Reply::page(show(visit, &[], None)?))
}

/// `POST`: looks at the account, or saves it.
pub(super) fn submit(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let catalog = visit.catalog()?;
    let (form, mut problems) = document(visit, &catalog);
    let validation = visit.engine.validate_form(&form.to_string())?;
    // What the page could not even hand on stands beside what the engine found.
    let more = validation.problems.into_iter();
    problems.extend(
        more.filter(|it| !problems.iter().any(|other| other.field == it.field)).collect::<Vec<_>>(),
    );
    if !problems.is_empty() {
        let page = show(visit, &problems, None)?;
        return Ok(Reply::status(StatusCode::UNPROCESSABLE_ENTITY, page));
    }
    if visit.form.text("act") == "save" {
        let name = visit.call("register", &json!({ "form": form }))?;
        let name = name.as_str().unwrap_or_default();
        return Ok(Reply::see(format!("/console/tenants/{}?done=registered", segment(name))));
    }
    Ok(Reply::page(show(visit, &[], validation.summary.as_ref())?))
}

/// The form as the document that the engine reads, and what is no number.
fn document(visit: &Visit<'_>, catalog: &Catalog) -> (Value, Vec<FieldProblem>) {
    let form = &visit.form;
    let mut problems = Vec::new();
    let text = |name: &str| form.text(name).to_owned();
    let person = form.given("person").unwrap_or("legal");
    let document_type = if person == "natural" { "cpf" } else { "cnpj" };
    let mut holder = json!({
        "person": person,
        "trade_name": text("trade_name"),
        "legal_name": text("legal_name"),
        "administrator": {
            "name": text("admin_name"), "email": text("admin_email"), "phone": text("admin_phone"),
        },
    });
    let mut add = |name: &str, value: Value| {
        if let Value::Object(holder) = &mut holder {
            holder.insert(name.to_owned(), value);
        }
    };
    if let Some(number) = form.given("document") {
        add("document", json!({ "number": number, "type": document_type }));
    }
    if let Some(of) = form.given("company_type").filter(|_| person == "legal") {
        add("company_type", json!(of));
    }
    if ADDRESS.iter().any(|(name, ..)| form.given(name).is_some()) {
        let parts = ADDRESS.iter().map(|(name, ..)| ((*name).to_owned(), json!(form.text(name))));
        add("address", Value::Object(parts.collect()));
    }
    let mut document = json!({ "name": text("name"), "holder": holder });
    let Value::Object(members) = &mut document else { return (Value::Null, problems) };
    if let Some(status) = form.given("status") {
        members.insert("status".to_owned(), json!(status));
    }
    if let Some(plan) = form.given("plan") {
        let mut terms = json!({ "name": plan, "auto_renew": form.is_ticked("auto_renew") });
        if let (Value::Object(terms), Some(due)) = (&mut terms, form.given("first_due")) {
            terms.insert("first_due".to_owned(), json!(due));
        }
        members.insert("plan".to_owned(), terms);
    }
    let mut limits = Map::new();
    for name in catalog.resources.keys() {
        let field = format!("limits.{name}");
        match (form.given(&field), form.units(&field)) {
            (None, _) => {}
            (Some(_), Some(units)) => drop(limits.insert(name.clone(), json!(units))),
            (Some(_), None) => {
                let message = format!("{field}: it must be a whole number of units");
                problems.push(FieldProblem { field, code: 406, message });
            }
        }
    }
    if !limits.is_empty() {
        members.insert("limits".to_owned(), Value::Object(limits));
    }
    let features = features(catalog).into_iter();
    let on = features.filter(|name| form.is_ticked(&format!("features.{name}")));
    let on: Map<_, _> = on.map(|name| (name, json!(true))).collect();
    if !on.is_empty() {
        members.insert("features".to_owned(), Value::Object(on));
    }
    (document, problems)
}

/// Features that are on or off, which a tenant may have though its plan does not.
fn features(catalog: &Catalog) -> Vec<String> {
    let all = catalog.plans.values().flat_map(|plan| &plan.features);
    let flags = all.filter(|(_, it)| matches!(it, cotas::catalog::Feature::Flag(_)));
    let mut names: Vec<_> = flags.map(|(name, _)| name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// The parts of an address: the name, in English and in Portuguese.
const ADDRESS: [(&str, &str, &str); 7] = [
    ("cep", "CEP", "CEP"),
    ("street", "Street", "Rua"),
    ("number", "Number", "Número"),
    ("complement", "Complement", "Complemento"),
    ("district", "District", "Bairro"),
    ("city", "City", "Cidade"),
    ("state", "State", "Estado"),
];

/// Fields of the page, and what the engine calls them.
const NAMES: [(&str, &str); 8] = [
    ("document", "holder.document"),
    ("trade_name", "holder.trade_name"),
    ("legal_name", "holder.legal_name"),
    ("company_type", "holder.company_type"),
    ("admin_name", "holder.administrator.name"),
    ("admin_email", "holder.administrator.email"),
    ("admin_phone", "holder.administrator.phone"),
    ("first_due", "plan.first_due"),
];

/// Whether a problem of the engine is about a field of the page.
fn is_about(problem: &FieldProblem, name: &str) -> bool {
    let engine = NAMES.iter().find(|(page, _)| *page == name).map(|(_, engine)| *engine);
    let address = ADDRESS.iter().any(|(part, ..)| *part == name);
    let engine = engine.map_or_else(
        || if address { format!("holder.address.{name}") } else { name.to_owned() },
        str::to_owned,
    );
    problem.field == engine
        || (name == "document" && problem.field == "holder.document.number")
        || (name == "plan" && problem.field == "plan.name")
}

/// The form with what was written in it, what is wrong with it, and what it comes to.
struct Shown<'a> {
    visit: &'a Visit<'a>,
    problems: &'a [FieldProblem],
}

impl Shown<'_> {
    fn wrong(&self, name: &str) -> String {
        let found = self.problems.iter().find(|it| is_about(it, name));
        found.map_or(String::new(), |it| sentences::field(it, self.visit.language))
    }

    fn field(&self, name: &str, of: &str, label: &str, hint: &str, is_required: bool) -> Markup {
        let (value, wrong) = (self.visit.form.text(name), self.wrong(name));
        let wrong = wrong.as_str();
        Field { name, label, value, of, hint, wrong, is_required }.show()
    }

    /// What is wrong altogether, with the way to each field.
    fn list(&self) -> Markup {
        let visit = self.visit;
        let count = self.problems.len();
        let title = match count {
            1 => visit.say("One field is wrong", "Há um campo errado").to_owned(),
            _ => format!("{count} {}", visit.say("fields are wrong", "campos errados")),
        };
        let names = NAMES.iter().map(|(page, _)| *page).chain(ADDRESS.iter().map(|it| it.0));
        let names: Vec<_> = names.chain(["name", "plan", "status"]).collect();
        html! {
            @if count > 0 {
                div.notice.over role="alert" {
                    strong { (title) }
                    ul {
                        @for problem in self.problems {
                            @let name = names.iter().find(|name| is_about(problem, name));
                            @let name = name.map_or(problem.field.as_str(), |it| *it);
                            li {
                                a href={ "#field-" (name.replace('.', "-")) } {
                                    (sentences::field(problem, visit.language))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn show(
    visit: &Visit<'_>,
    problems: &[FieldProblem],
    summary: Option<&AccountSummary>,
) -> Result<Markup, Problem> {
    let catalog = visit.catalog()?;
    let title = visit.say("New account", "Nova conta");
    let shown = Shown { visit, problems };
    let may_save = visit.may("register");
    let content = html! {
        h1 { (title) }
        form.account method="post" action="/console/accounts/new" novalidate {
            (visit.hidden())
            (shown.list())
            (company(&shown))
            (administrator(&shown))
            (plan(&shown, &catalog))
            @if let Some(summary) = summary { (summarised(visit, &catalog, summary)) }
            p.actions.end {
                button type="submit" name="act" value="check" .primary[summary.is_none()] {
                    (visit.say("Check", "Conferir"))
                }
                @if summary.is_some() && may_save {
                    button.primary type="submit" name="act" value="save" {
                        (visit.say("Save", "Salvar"))
                    }
                }
            }
        }
    };
    Ok(layout::page(visit, title, &content))
}

fn company(shown: &Shown<'_>) -> Markup {
    let visit = shown.visit;
    let form = &visit.form;
    let persons = [PersonType::Legal, PersonType::Natural].map(|it| {
        let name = match it {
            PersonType::Legal => visit.say("Company", "Pessoa Jurídica"),
            PersonType::Natural => visit.say("Person", "Pessoa Física"),
        };
        (it.code().to_owned(), name.to_owned())
    });
    let none = (String::new(), "–".to_owned());
    let types = CompanyType::ALL.map(|it| (it.code().to_owned(), it.code().to_uppercase()));
    let types: Vec<_> = std::iter::once(none).chain(types).collect();
    let statuses = [Status::Active, Status::Onboarding, Status::Demo]
        .map(|it| (it.code().to_owned(), words::status(it.code(), visit.language).to_owned()));
    html! {
        fieldset {
            legend { (visit.say("Company", "Dados da empresa")) }
            div.grid {
                (shown.field("name", "text", visit.say("Name in the platform", "Identificação"),
                    visit.say("As hosts name it: acme-ltda", "Ex.: padaria-aurora"),
                    true))
                (select("person", visit.say("Kind", "Tipo"), form.text("person"), &persons))
                (shown.field("trade_name", "text",
                    visit.say("Trade name", "Nome Fantasia"), "", false))
                (shown.field("legal_name", "text",
                    visit.say("Legal name", "Razão Social"), "", false))
                (shown.field("document", "text", "CNPJ / CPF", "", false))
                (select("company_type", visit.say("Legal form", "Tipo da empresa"),
                    form.text("company_type"), &types))
                (select("status", visit.say("Status", "Situação"), form.text("status"), &statuses))
            }
        }
    }
}

fn administrator(shown: &Shown<'_>) -> Markup {
    let visit = shown.visit;
    html! {
        fieldset {
            legend { (visit.say("Administrator", "Administrador")) }
            div.grid {
                (shown.field("admin_name", "text", visit.say("Name", "Nome"), "", true))
                (shown.field("admin_phone", "tel", visit.say("Telephone", "Telefone"), "", true))
                (shown.field("admin_email", "email", "E-mail",
                    visit.say("It becomes the login.", "Será o login de acesso."), true))
            }
        }
        fieldset {
            legend { (visit.say("Address", "Endereço")) }
            div.grid {
                @for (name, en, pt) in ADDRESS {
                    (shown.field(name, "text", visit.say(en, pt), "", false))
                }
            }
        }
    }
}

fn plan(shown: &Shown<'_>, catalog: &Catalog) -> Markup {
    let visit = shown.visit;
    let none = (String::new(), visit.say("No plan", "Sem plano").to_owned());
    let plans = catalog.plans.iter().map(|(name, plan)| (name.clone(), plan.title.clone()));
    let plans: Vec<_> = std::iter::once(none).chain(plans).collect();
    let limited = |kind: &Kind| !matches!(kind, Kind::Rate { .. });
    let resources = catalog.resources.iter().filter(|(_, it)| limited(&it.kind));
    let features = features(catalog);
    html! {
        fieldset {
            legend { (visit.say("Plan and resources", "Plano e recursos")) }
            div.grid {
                (select("plan", visit.say("Plan", "Plano"), visit.form.text("plan"), &plans))
                (shown.field("first_due", "date",
                    visit.say("First due date", "Primeiro vencimento"), "", false))
                label.choice {
                    input type="checkbox" name="auto_renew" value="yes"
                        checked[visit.form.is_ticked("auto_renew")];
                    (visit.say("Renews by itself", "Renovação automática"))
                }
            }
            h3 { (visit.say("Quantities", "Quantidades")) }
            p.hint { (visit.say("Empty: as the plan says.", "Vazio: como no plano.")) }
            div.grid {
                @for (name, _) in resources {
                    (shown.field(&format!("limits.{name}"), "text",
                        catalog.title(name).text(visit.language), "", false))
                }
            }
            @if !features.is_empty() {
                h3 { (visit.say("Features on top of the plan", "Apps e recursos além do plano")) }
                div.grid {
                    @for name in &features {
                        @let field = format!("features.{name}");
                        label.choice {
                            input type="checkbox" name=(field) value="yes"
                                checked[visit.form.is_ticked(&field)];
                            (catalog.title(name).text(visit.language))
                        }
                    }
                }
            }
        }
    }
}

/// "Informações adicionais": what would be created.
fn summarised(visit: &Visit<'_>, catalog: &Catalog, summary: &AccountSummary) -> Markup {
    let zone = summary.time_zone.parse().unwrap_or(chrono_tz::UTC);
    html! {
        section.summary aria-labelledby="summary" {
            h2 #summary { (visit.say("What will be created", "Informações adicionais")) }
            dl.facts {
                div { dt { (visit.say("Account", "Conta")) } dd.strong { (summary.name) } }
                div {
                    dt { (visit.say("Status", "Situação")) }
                    dd { (words::status(summary.status.code(), visit.language)) }
                }
                @if let Some(plan) = &summary.plan {
                    div {
                        dt { (visit.say("Plan", "Plano")) }
                        dd {
                            (plan.title)
                            @if let Some(price) = plan.price {
                                ", " (visit.money(price, &catalog.currency))
                            }
                        }
                    }
                    @if let Some(due) = plan.first_due {
                        div {
                            dt { (visit.say("First due date", "Primeiro vencimento")) }
                            dd { (visit.date(due)) }
                        }
                    }
                }
                @if let Some(end) = summary.demo_ends_at {
                    div {
                        dt { (visit.say("Demonstration ends", "Fim da demonstração")) }
                        dd { (visit.minute(end, zone)) }
                    }
                }
                @for (name, limit) in &summary.limits {
                    div {
                        dt { (catalog.title(name).text(visit.language)) }
                        dd { (limit_of(visit, *limit)) }
                    }
                }
                @for invoice in &summary.invoices {
                    div {
                        dt { (visit.say("Invoice", "Fatura")) }
                        dd {
                            (invoice.title) ", " (visit.money(invoice.amount, &catalog.currency))
                            ", " (visit.date(invoice.due))
                        }
                    }
                }
            }
        }
    }
}
